/* rnn/share: which threads do what of a node, and what that costs. */
#ifndef RNN_SHARE_H
#define RNN_SHARE_H

#include "rnn/loop.h"

/* Sets the job's lanes, parts and together for so many threads. */
void rnn_share_out(rnn_job *j, int threads);
/* Multiply-adds of a call; and what it takes as shared out, meetings included, in multiply-adds of one thread. */
double rnn_work(const rnn_job *j);
double rnn_shared_cost(const rnn_job *j);

#endif
