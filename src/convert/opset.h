/* convert/opset: a graph said in another version of the standard's operators. */
#ifndef CONVERT_OPSET_H
#define CONVERT_OPSET_H

#include "ir/graph.h"

#include <clstm/convert.h>

/* The IR version that came with an opset. */
int convert_opset_ir(int64_t opset);
/* Gives every node of the standard's domain the version `opset`, attributes and inputs with it; the graph is then good for writing only.
 * CLSTM_UNSUPPORTED names the node, and the attribute or type, that cannot be said in that version; CLSTM_BAD_ARGUMENT for a version
 * outside CLSTM_CONVERT_OPSET_*. */
clstm_status convert_opset(ir_graph *root, int opset, clstm_error *err);

#endif
