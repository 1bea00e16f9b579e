/* rnn/scalar: steps in the specification's scalar form: H.R by the packed product on top of X.W, the gates gathered into rows of
 * doubles, the cell's equations (cell.h), the new state back. Tracing uses the same rows. */
#include "rnn/loop.h"

#include <string.h>

/* Gate g of a panel-interleaved row, as doubles in the order of units; and back. */
static void gather(bool f64, const kernel_layout *l, int g, const void *row, double *out) {
    int64_t units = l->gates == 1 ? l->n : l->units, start = g * units;     /* of one gate: columns in order */
    for (int64_t u = 0; u < l->n; u += units, start += l->width) {
        int64_t live = l->n - u < units ? l->n - u : units;
        if (f64) for (int64_t k = 0; k < live; k++) out[u + k] = ((const double *)row)[start + k];
        else for (int64_t k = 0; k < live; k++) out[u + k] = (double)((const float *)row)[start + k];
    }
}

static void copy_gate(const rnn_job *j, const kernel_layout *to, int to_gate, void *dst, const kernel_layout *from, int gate, const void *src) {
    for (int64_t u = 0; u < j->padded; u += from->units) {
        int64_t units = j->padded - u < from->units ? j->padded - u : from->units;
        int64_t i = u / from->units * from->width + gate * from->units;
        int64_t o = to->gates == 1 ? u : u / to->units * to->width + to_gate * to->units;
        memcpy(rnn_at(j, dst, o), (const unsigned char *)src + (size_t)i * j->real, (size_t)units * j->real);
    }
}

static void to_doubles(bool f64, const void *from, double *to, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] = f64 ? ((const double *)from)[i] : (double)((const float *)from)[i];
}
static void from_doubles(bool f64, const double *from, void *to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (f64) ((double *)to)[i] = from[i];
        else ((float *)to)[i] = (float)from[i];
}

/* The lane's seven rows of doubles: gates, q, h, c. */
static rnn_row scalar_row(const rnn_lane *l) {
    int64_t n = l->job->z.h;
    const double *p = l->job->dir[l->d].scalar_peephole;
    return (rnn_row){.n = n, .gate = {l->scalar, l->scalar + n, l->scalar + 2 * n, l->scalar + 3 * n}, .q = l->scalar + 4 * n,
                     .h = l->scalar + 5 * n, .c = l->scalar + 6 * n, .p = {p, p ? p + n : NULL, p ? p + 2 * n : NULL}};
}

static void report(const rnn_lane *l, const rnn_row *row, int64_t r) {
    const rnn_job *j = l->job;
    rnn_trace_step step = {.direction = l->d, .t = l->t, .b = l->b0 + r, .steps = j->z.t, .batch = j->z.b, .hidden = j->z.h,
                           .directions = j->spec->directions, .gates = j->spec->gates, .h = row->h,
                           .c = j->spec->kind == RNN_LSTM ? row->c : NULL};
    for (int g = 0; g < j->spec->gates; g++) step.gate[g] = row->gate[g];
    j->trace->step(j->trace->user, j->node, &step);
}

/* sum[r] += a[r].m for every row of the lane; rows that take no part are not read afterwards. */
static void accumulate(const rnn_lane *l, const kernel_packed *m, const void *a, int64_t lda, void *sum, int64_t ldc) {
    kernel_gemm g = {.b = m, .m = l->rows, .a = a, .lda = lda, .c = sum, .ldc = ldc, .start = KERNEL_INIT_C, .p1 = m->layout.panels};
    rnn_product(l->job, &g);
}

static void store_row(const rnn_lane *l, const rnn_row *row, int64_t r) {
    const rnn_job *j = l->job;
    from_doubles(j->f64, row->h, rnn_lane_h(l, r, 0), j->z.h);
    if (j->spec->kind == RNN_LSTM) from_doubles(j->f64, row->c, rnn_lane_c(l, r), j->z.h);
    if (j->y) rnn_narrow(j->f64, j->z.type, rnn_lane_h(l, r, 0), rnn_lane_y(l, l->t, r), j->z.h);
    if (j->trace) report(l, row, r);
}

static void scalar_lstm_or_rnn(rnn_lane *l) {
    const rnn_job *j = l->job;
    const kernel_layout *w = &j->dir[l->d].w.layout;
    accumulate(l, &j->dir[l->d].r, l->h, 2 * j->padded, rnn_lane_pre(l, 0), j->cols);
    for (int64_t i = 0; i < l->n_active; i++) {
        int64_t r = l->active[i];
        rnn_row row = scalar_row(l);
        for (int g = 0; g < j->spec->gates; g++) gather(j->f64, w, g, rnn_lane_pre(l, r), row.gate[g]);
        if (j->spec->kind == RNN_LSTM) {
            to_doubles(j->f64, rnn_lane_c(l, r), row.c, row.n);
            rnn_lstm_row(&j->rules[l->d], &row);
        } else rnn_plain_row(&j->rules[l->d], &row);
        store_row(l, &row, r);
    }
}

/* linear_before_reset = 1: all three products of H at once, the candidate's from Rbh in its own accumulator. */
static void scalar_gru_after(rnn_lane *l) {
    const rnn_job *j = l->job;
    const rnn_direction *d = &j->dir[l->d];
    const kernel_layout *w = &d->w.layout, plain = {.gates = 1, .units = w->units, .width = w->units};
    for (int64_t r = 0; r < l->rows; r++) {
        void *sum = rnn_at(j, l->sum, r * j->cols);
        memcpy(sum, rnn_lane_pre(l, r), (size_t)j->cols * j->real);
        copy_gate(j, w, 2, sum, &plain, 0, d->rbh);
    }
    accumulate(l, &d->r, l->h, 2 * j->padded, l->sum, j->cols);
    for (int64_t i = 0; i < l->n_active; i++) {
        int64_t r = l->active[i];
        rnn_row row = scalar_row(l);
        const void *sum = rnn_at(j, l->sum, r * j->cols);
        gather(j->f64, w, 0, sum, row.gate[0]);
        gather(j->f64, w, 1, sum, row.gate[1]);
        gather(j->f64, w, 2, sum, row.q);
        gather(j->f64, w, 2, rnn_lane_pre(l, r), row.gate[2]);
        to_doubles(j->f64, rnn_lane_h(l, r, 0), row.h, row.n);
        rnn_gru_gates(&j->rules[l->d], &row, true);
        rnn_gru_update(&j->rules[l->d], &row, true);
        store_row(l, &row, r);
    }
}

/* linear_before_reset = 0: z and r first, then the candidate's product of r o H. */
static void scalar_gru_before(rnn_lane *l) {
    const rnn_job *j = l->job;
    const rnn_direction *d = &j->dir[l->d];
    const kernel_layout *w = &d->w.layout, *zr = &d->r.layout, *last = &d->last.layout;
    for (int64_t r = 0; r < l->rows; r++)
        for (int g = 0; g < 2; g++) copy_gate(j, zr, g, rnn_at(j, l->sum, r * j->cols), w, g, rnn_lane_pre(l, r));
    accumulate(l, &d->r, l->h, 2 * j->padded, l->sum, j->cols);
    for (int64_t i = 0; i < l->n_active; i++) {
        int64_t r = l->active[i];
        rnn_row row = scalar_row(l);
        for (int g = 0; g < 2; g++) gather(j->f64, zr, g, rnn_at(j, l->sum, r * j->cols), row.gate[g]);
        to_doubles(j->f64, rnn_lane_h(l, r, 0), row.h, row.n);
        rnn_gru_gates(&j->rules[l->d], &row, false);
        from_doubles(j->f64, row.gate[0], rnn_at(j, l->z, r * j->padded), row.n);
        from_doubles(j->f64, row.gate[1], rnn_at(j, l->sum, r * j->cols + 2 * j->padded), row.n);
        from_doubles(j->f64, row.q, rnn_at(j, l->rh, r * j->padded), row.n);
        copy_gate(j, last, 0, rnn_at(j, l->sum, r * j->cols), w, 2, rnn_lane_pre(l, r));
    }
    for (int64_t i = 0; i < l->n_active; i++) {     /* row by row: the other rows' r o H is not made */
        int64_t r = l->active[i];
        kernel_gemm g = {.b = &d->last, .m = 1, .a = rnn_at(j, l->rh, r * j->padded), .lda = j->padded,
                         .c = rnn_at(j, l->sum, r * j->cols), .ldc = j->cols, .start = KERNEL_INIT_C, .p1 = last->panels};
        rnn_product(j, &g);
        rnn_row row = scalar_row(l);
        to_doubles(j->f64, rnn_at(j, l->z, r * j->padded), row.gate[0], row.n);
        to_doubles(j->f64, rnn_at(j, l->sum, r * j->cols + 2 * j->padded), row.gate[1], row.n);
        gather(j->f64, last, 0, rnn_at(j, l->sum, r * j->cols), row.gate[2]);
        to_doubles(j->f64, rnn_lane_h(l, r, 0), row.h, row.n);
        rnn_gru_update(&j->rules[l->d], &row, false);
        store_row(l, &row, r);
    }
}

void rnn_lane_scalar_step(rnn_lane *l) {
    if (l->job->spec->kind != RNN_GRU) scalar_lstm_or_rnn(l);
    else if (l->job->split) scalar_gru_before(l);
    else scalar_gru_after(l);
}

void rnn_lane_report_fused(const rnn_lane *l, int64_t r) {
    const rnn_job *j = l->job;
    rnn_row row = scalar_row(l);
    for (int g = 0; g < j->spec->gates; g++) gather(false, &j->dir[l->d].w.layout, g, l->gates + r * j->cols, row.gate[g]);
    to_doubles(false, rnn_lane_h(l, r, l->flip[r]), row.h, row.n);
    if (l->c) to_doubles(false, rnn_lane_c(l, r), row.c, row.n);
    report(l, &row, r);
}
