/* rnn/trace: the sink for gates and states that a plan hands down in op_env.trace. It must stand when the plan is built. */
#ifndef RNN_TRACE_H
#define RNN_TRACE_H

#include "ir/graph.h"

/* One batch row of one step, after the step; every array has `hidden` values and lives during the call only. */
typedef struct rnn_trace_step {
    int direction;                  /* 0 or 1, as in the outputs' direction axis */
    int64_t t, b;                   /* step of the input's time axis, batch row */
    int64_t steps, batch, hidden;   /* the layer's T, B, H */
    int directions;
    int gates;                      /* LSTM: i, o, f, c~; GRU: z, r, h~; RNN: the new h */
    const double *gate[4];          /* after activation */
    const double *h, *c;            /* the new state; c is NULL but for LSTM */
} rnn_trace_step;

struct op_trace {
    void *user;
    void (*step)(void *user, const ir_node *node, const rnn_trace_step *step);
};

#endif
