/* convert/weights_in: the ONNX graph of a state_dict. */
#ifndef CONVERT_WEIGHTS_IN_H
#define CONVERT_WEIGHTS_IN_H

#include "ir/graph.h"

#include <clstm/convert.h>

/* See clstm_convert_weights_in. The graph is good for writing only: its nodes have no rows of the operator table. */
clstm_status convert_weights_in(const clstm_convert_weight *weights, size_t n, const clstm_convert_options *options, ir_graph **out, clstm_error *err);

#endif
