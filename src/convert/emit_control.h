/* convert/emit_control: what emit_flatten.c and emit_control.c know of the nodes between which bodies stand. */
#ifndef CONVERT_EMIT_CONTROL_H
#define CONVERT_EMIT_CONTROL_H

#include "convert/emit.h"

/* Inputs of "Loop.begin": how often, whether at all, how long the stacks are when how often is a matter of the run, the states; then what is
 * scanned, along the attribute axes, which must be as long as the stacks. It gives the number of the turn and the states. */
enum { BEGIN_TRIPS, BEGIN_GO, BEGIN_LENGTH, BEGIN_STATES };

/* Entry k of a list of integers; 0 where there is none. */
static inline int64_t emit_entry(const ir_node *n, const char *name, int k) {
    const ir_attr *a = ir_attr_find(n, name);
    return a && (size_t)k < a->count ? a->v.ints[k] : 0;
}

#endif
