/* rnn/rnn_cell: the plain RNN cell, and the rounding of states that all cells share.
 *
 *   Ht = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Wbi + Rbi)
 */
#include "rnn/cell.h"

#include "tensor/tensor.h"

double rnn_round(clstm_type type, double x) {
    switch (type) {
    case CLSTM_DOUBLE: return x;
    case CLSTM_FLOAT16: return (double)tensor_half_to_float(tensor_double_to_half(x));
    case CLSTM_BFLOAT16: return (double)tensor_bfloat_to_float(tensor_double_to_bfloat(x));
    default: return (double)(float)x;
    }
}

void rnn_plain_row(const rnn_rules *k, rnn_row *r) {
    rnn_activate(&k->f[0], k->type, k->clip, r->gate[0], r->n);
    for (int64_t j = 0; j < r->n; j++) r->h[j] = r->gate[0][j] = rnn_round(k->type, r->gate[0][j]);
}
