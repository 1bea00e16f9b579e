/* plan/turns: Loop and Scan read alike, and the shapes that hold in every turn. */
#ifndef PLAN_TURNS_H
#define PLAN_TURNS_H

#include "ir/op.h"

/* State i is input first_in + i of the node and of the body, output first_out + i of the body and i of the node; the scan inputs of a Scan
 * stand behind its states. */
typedef struct plan_turns { ir_graph *body; bool loop; int states, scans, first_in, first_out; } plan_turns;

/* False for another operator, Scan of opset 8, and counts that do not agree. */
bool plan_turns_of(const ir_node *n, plan_turns *out);
/* Specialises the body of a Loop or Scan to shapes that hold in every turn, when there are such, and marks it settled. `visit` specialises
 * a graph. `depth`: bodies around and including this one. */
clstm_status plan_settle_turns(ir_node *n, int depth, clstm_status (*visit)(void *arg, ir_graph *body, clstm_error *err), void *arg, clstm_error *err);

/* States that stay what they were are read from outside, and a Loop's condition of counters becomes its number of turns. Uses must be
 * counted and are kept so; the pass that calls it ends with ir_follow_all. */
clstm_status plan_turns_plain(ir_node *n, bool *changed, clstm_error *err);
/* Whether a state is an integer that begins as a constant *from and grows by one each turn. */
bool plan_turns_counter(const ir_node *n, const plan_turns *t, int state, int64_t *from);

#endif
