/* plan/view: what part of another value a value is, when only nodes that move elements lie between the two. */
#ifndef PLAN_VIEW_H
#define PLAN_VIEW_H

#include "ir/graph.h"

/* Element (i0, i1, ...) of the value is element offset + i0*strides[0] + i1*strides[1] ... of `of`. */
typedef struct plan_view {
    ir_value *of;
    int rank;
    int64_t dims[CLSTM_MAX_RANK], strides[CLSTM_MAX_RANK], offset;
} plan_view;

/* Follows v, whose shape is known, back through Reshape, Squeeze, Unsqueeze, Flatten, Identity, Transpose, Split, Slice and Gather by
 * constants, as far as the result is such a view; nodes outside g end the way. Each node on it is handed to `passed` (or NULL). */
void plan_view_of(ir_value *v, const ir_graph *g, plan_view *out, void (*passed)(void *arg, ir_node *n), void *arg);
/* v without the nodes in g that only give it another shape. */
ir_value *plan_whole(ir_value *v, const ir_graph *g);
/* The elements of a small constant as int64; false when v is none, or has not `least` to `most` of them. */
bool plan_constant_ints(const ir_value *v, int64_t *out, int least, int most, int *count);

#endif
