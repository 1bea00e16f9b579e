/* rnn/lstm: the LSTM cell.
 *
 *   it = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Pi (.) Ct-1 + Wbi + Rbi)
 *   ft = f(Xt*(Wf^T) + Ht-1*(Rf^T) + Pf (.) Ct-1 + Wbf + Rbf)      input_forget: ft = 1 - it
 *   ct = g(Xt*(Wc^T) + Ht-1*(Rc^T) + Wbc + Rbc)
 *   Ct = ft (.) Ct-1 + it (.) ct
 *   ot = f(Xt*(Wo^T) + Ht-1*(Ro^T) + Po (.) Ct + Wbo + Rbo)
 *   Ht = ot (.) h(Ct)
 */
#include "rnn/cell.h"

void rnn_lstm_row(const rnn_rules *k, rnn_row *r) {
    double *i = r->gate[0], *o = r->gate[1], *f = r->gate[2], *g = r->gate[3];
    for (int64_t j = 0; r->p[0] && j < r->n; j++) {
        i[j] += r->p[0][j] * r->c[j];
        f[j] += r->p[2][j] * r->c[j];
    }
    rnn_activate(&k->f[0], k->type, k->clip, i, r->n);
    if (k->input_forget) for (int64_t j = 0; j < r->n; j++) f[j] = 1 - i[j];
    else rnn_activate(&k->f[0], k->type, k->clip, f, r->n);
    rnn_activate(&k->f[1], k->type, k->clip, g, r->n);
    for (int64_t j = 0; j < r->n; j++) r->c[j] = f[j] * r->c[j] + i[j] * g[j];
    rnn_round(k->type, r->c, r->n);
    for (int64_t j = 0; r->p[0] && j < r->n; j++) o[j] += r->p[1][j] * r->c[j];
    rnn_activate(&k->f[0], k->type, k->clip, o, r->n);
    for (int64_t j = 0; j < r->n; j++) r->h[j] = r->c[j];
    rnn_activate(&k->f[2], k->type, k->clip_h, r->h, r->n);
    for (int64_t j = 0; j < r->n; j++) r->h[j] *= o[j];
    rnn_round(k->type, r->h, r->n);
}
