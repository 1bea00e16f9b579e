/* plan/memo: large constants that folding made, so that who asks for the same again gets the same one. Exporters write an LSTM's reordered
 * weights into both branches of an If; one constant has one packed form as well. */
#ifndef PLAN_MEMO_H
#define PLAN_MEMO_H

#include "plan/plan_internal.h"

typedef struct plan_memo { struct plan_folded *entries; size_t count, capacity; } plan_memo;

/* What the node of c, all of its inputs constant, gave when it was folded before, or NULL. */
ir_const *plan_memo_find(const plan_memo *m, const op_ctx *c);
/* Notes that it gave `made`, where that is large enough to matter; without memory nothing is noted. */
void plan_memo_add(plan_memo *m, const op_ctx *c, ir_const *made);
void plan_memo_destroy(plan_memo *m);

#endif
