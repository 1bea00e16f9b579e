/* rnn/run: prepare and run of a recurrent node. */
#ifndef RNN_RUN_H
#define RNN_RUN_H

#include "ir/op.h"

clstm_status rnn_prepare(op_ctx *ctx);
clstm_status rnn_run(op_ctx *ctx);

/* ---- layers that walk one behind the other (plan/stack.c) ---- */

/* Whether a forward layer may read as X what `below` has written of Y so far: as long as both lie in the same memory. */
bool rnn_follows(const op_ctx *ctx, const op_ctx *below);
/* What a call takes, in multiply-adds of one thread: by one, and as prepared for the threads at hand. */
typedef struct rnn_cost { int64_t steps; double alone, shared; } rnn_cost;
rnn_cost rnn_cost_of(const op_ctx *ctx);
/* rnn_run in pieces, of a layer that was prepared without a pool: begin; walks to step `end`, further each time, which read no X behind
 * it (false: cancelled); end. */
clstm_status rnn_walk_begin(op_ctx *ctx);
bool rnn_walk(op_ctx *ctx, int64_t end);
void rnn_walk_end(op_ctx *ctx);

#endif
