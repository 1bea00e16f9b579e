/* rnn/cell: one batch row of one step in the specification's scalar form: any activation, clip, peepholes, input_forget.
 * The products have been made by the kernels in the canonical order; here stands what follows them, in double; h and c are
 * rounded to the declared type as they are made, so that a state means the same whether it stays inside or travels. */
#ifndef RNN_CELL_H
#define RNN_CELL_H

#include "rnn/spec.h"

typedef struct rnn_rules {
    const rnn_activation *f;        /* f, g, h of this direction */
    double clip, clip_h;            /* bounds of the activations' inputs, and of h's (which ONNX Runtime leaves alone) */
    bool input_forget;
    clstm_type type;                /* h and c are rounded to it */
} rnn_rules;

typedef struct rnn_row {
    int64_t n;                      /* hidden units */
    double *gate[4];                /* in: sums of products and bias; out: after activation (i,o,f,c~ / z,r,h~ / h) */
    double *q;                      /* GRU, linear_before_reset = 1: H.Rh + Rbh */
    double *h, *c;                  /* old state in, new state out */
    const double *p[3];             /* LSTM: peepholes i, o, f, or NULL */
} rnn_row;

void rnn_lstm_row(const rnn_rules *k, rnn_row *r);
/* GRU in two parts: z and r, and q = r o H for linear_before_reset = 0; then the candidate and the new state. */
void rnn_gru_gates(const rnn_rules *k, rnn_row *r, bool reset_after);
void rnn_gru_update(const rnn_rules *k, rnn_row *r, bool reset_after);
void rnn_plain_row(const rnn_rules *k, rnn_row *r);

/* Values as the type holds them. */
void rnn_round(clstm_type type, double *x, int64_t n);

#endif
