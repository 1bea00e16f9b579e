/* rnn: the recurrent operators' rows of the operator table. */
#ifndef RNN_RNN_H
#define RNN_RNN_H

#include "ir/op.h"

extern const op_desc rnn_ops[];
extern const size_t rnn_op_count;

#endif
