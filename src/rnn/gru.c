/* rnn/gru: the GRU cell.
 *
 *   zt = f(Xt*(Wz^T) + Ht-1*(Rz^T) + Wbz + Rbz)
 *   rt = f(Xt*(Wr^T) + Ht-1*(Rr^T) + Wbr + Rbr)
 *   ht = g(Xt*(Wh^T) + (rt (.) Ht-1)*(Rh^T) + Rbh + Wbh)           linear_before_reset = 0
 *   ht = g(Xt*(Wh^T) + (rt (.) (Ht-1*(Rh^T) + Rbh)) + Wbh)         linear_before_reset = 1
 *   Ht = (1 - zt) (.) ht + zt (.) Ht-1
 */
#include "rnn/cell.h"

void rnn_gru_gates(const rnn_rules *k, rnn_row *r, bool reset_after) {
    rnn_activate(&k->f[0], k->type, k->clip, r->gate[0], r->n);
    rnn_activate(&k->f[0], k->type, k->clip, r->gate[1], r->n);
    for (int64_t j = 0; !reset_after && j < r->n; j++) r->q[j] = r->gate[1][j] * r->h[j];
}

void rnn_gru_update(const rnn_rules *k, rnn_row *r, bool reset_after) {
    const double *z = r->gate[0];
    double *g = r->gate[2];
    for (int64_t j = 0; reset_after && j < r->n; j++) g[j] += r->gate[1][j] * r->q[j];
    rnn_activate(&k->f[1], k->type, k->clip, g, r->n);
    for (int64_t j = 0; j < r->n; j++) r->h[j] = (1 - z[j]) * g[j] + z[j] * r->h[j];
    rnn_round(k->type, r->h, r->n);
}
