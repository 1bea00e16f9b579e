/* rnn/run: prepare and run of a recurrent node. */
#ifndef RNN_RUN_H
#define RNN_RUN_H

#include "ir/op.h"

clstm_status rnn_prepare(op_ctx *ctx);
clstm_status rnn_run(op_ctx *ctx);

#endif
