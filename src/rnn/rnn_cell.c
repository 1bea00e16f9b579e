/* rnn/rnn_cell: the plain RNN cell, and the rounding of states that all cells share.
 *
 *   Ht = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Wbi + Rbi)
 */
#include "rnn/cell.h"

#include "tensor/tensor.h"

void rnn_round(clstm_type type, double *x, int64_t n) {
    for (int64_t i = 0; i < n && type == CLSTM_FLOAT; i++) x[i] = (double)(float)x[i];
    for (int64_t i = 0; i < n && type == CLSTM_FLOAT16; i++) x[i] = (double)tensor_half_to_float(tensor_double_to_half(x[i]));
    for (int64_t i = 0; i < n && type == CLSTM_BFLOAT16; i++) x[i] = (double)tensor_bfloat_to_float(tensor_double_to_bfloat(x[i]));
}

void rnn_plain_row(const rnn_rules *k, rnn_row *r) {
    rnn_activate(&k->f[0], k->type, k->clip, r->gate[0], r->n);
    rnn_round(k->type, r->gate[0], r->n);
    for (int64_t j = 0; j < r->n; j++) r->h[j] = r->gate[0][j];
}
