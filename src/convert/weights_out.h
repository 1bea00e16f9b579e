/* convert/weights_out: recurrent weights under PyTorch's names. */
#ifndef CONVERT_WEIGHTS_OUT_H
#define CONVERT_WEIGHTS_OUT_H

#include "ir/graph.h"

#include <clstm/convert.h>

/* See clstm_convert_weights_out. `known` (may be NULL) is the same graph at known sizes, where more cells may have been recovered. */
clstm_status convert_weights_out(const ir_graph *root, const ir_graph *known, clstm_convert_tensor give, void *user, clstm_error *err);

#endif
