/* convert/tidy: a graph that passes have rewritten is made fit for a file. */
#ifndef CONVERT_TIDY_H
#define CONVERT_TIDY_H

#include "ir/graph.h"

/* In g (a clone, of which nobody else knows) values that nothing needs go away, outputs get the names and types of `ports` back, and
 * what bodies give out is made by nodes of their own. */
clstm_status convert_tidy(ir_graph *g, const clstm_port *ports, clstm_error *err);

#endif
