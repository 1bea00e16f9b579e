/*
 * Fused recurrent steps: a register tile of gemm.h leaves the gates of a few rows and one or two panels in a buffer that
 * never leaves L1, and the cell's epilogue turns them into the new state.  Units beyond n are pads: zero weights,
 * whatever state they hold goes nowhere.
 */
#ifndef CLSTM_KERNELS_BODY_STEP_H
#define CLSTM_KERNELS_BODY_STEP_H

/* Rows of a block of any cell, and vectors of one row of its buffer (several panels at batch 1). */
enum { STEP_ROWS = TILE_ROWS_1, STEP_VECTORS = 8 };

/* A block: `rows` rows from row0 times `np` panels from p, `nv` vectors each, and the sums of its products. */
typedef struct ISA(step_block) {
    const kernel_step *s;
    int64_t row0, p;
    int rows, np, nv;
    const float *next, *end; /* of the next panel of the recurrent weights: see take_ahead */
    ISA(gate_limits) limits; /* the clip, or where the gate forms end */
    float sum[STEP_ROWS][STEP_VECTORS * VL] __attribute__((aligned(64)));
} ISA(step_block);

typedef void ISA(step_fn)(ISA(step_block) *b);

/* sum[r] = start[r] + a[r] * panels of m */
INLINE void ISA(step_product)(ISA(step_block) *b, const kernel_packed *m, const float *const *a, const float **start)
{
    float *out[STEP_ROWS];
    int64_t stride = m->layout.k * m->layout.width;
    const float *w = (const float *)m->data + b->p * stride;
    for (int r = 0; r < b->rows; r++)
        out[r] = b->sum[r];
    if (b->np > 1)
        gemvs_f32(b->nv)(a, w, stride, m->layout.k, start, out, NULL);
    else
        ISA(block_f32)(b->rows, b->nv, a, w, m->layout.k, start, out, &b->next, b->end);
}

/* The next block's start values: they come from a buffer of many steps, far away, and every sum waits for them. */
INLINE void ISA(prefetch_pre)(const ISA(step_block) *b, int64_t p, int64_t row0)
{
    const kernel_step *s = b->s;
    if (s->w || s->batch == 1 || p < s->p0 || p >= s->p1)
        return;
    for (int64_t r = row0; r < row0 + b->rows && r < s->batch; r++)
        for (int v = 0; v < b->nv; v++)
            __builtin_prefetch(s->rows[r].pre + (p * b->nv + v) * VL);
}

/* One activation of f, g, h (`which`) on a vector: a caller's own, so not the way of the default ones. */
static __attribute__((noinline)) vf ISA(activate)(const kernel_step *s, int which, vf x)
{
    const kernel_activation *f = s->f + which;
    const ISA(gate_limits) open = {vf_set(GATE_SIGMOID_LOW), vf_set(GATE_SIGMOID_HIGH), vf_set(GATE_TANH_LIMIT)};
    float clip = which == 2 ? s->clip_h : s->clip;
    x = vf_clamp(x, -clip, clip);
    switch (f->function) {
    case KERNEL_SIGMOID:
    case KERNEL_TANH:
        vf_gates(&open, &x, 1, f->function == KERNEL_TANH);
        return x;
    case KERNEL_HARD_SIGMOID:
        return vf_clamp(vf_fma(vf_set(f->alpha), x, vf_set(f->beta)), 0.0f, 1.0f);
    case KERNEL_SOFTSIGN: {
        vf a = vf_min(vf_set(1e30f), vf_abs(x)); /* infinity's limit */
        return vf_or_sign(a / (a + vf_set(1.0f)), x);
    }
    case KERNEL_RELU:
        break;
    }
    return vf_max(vf_set(0.0f), x);
}

/* `count` values: f's, and where a bit of `second` is set those of g or h (`which`).  Default activations: sigmoid and tanh. */
INLINE void ISA(step_gates)(const ISA(step_block) *b, vf *x, const int count, const unsigned second, const int which, const int any)
{
    if (!any)
        vf_gates(&b->limits, x, count, second);
    else
        for (int i = 0; i < count; i++)
            x[i] = ISA(activate)(b->s, second >> i & 1 ? which : 0, x[i]);
}

/* Cuts [p0, p1) x batch into blocks: panels outside, so that a panel's weights are read once from beyond L2. */
INLINE void ISA(step_blocks)(const kernel_step *s, const kernel_packed *m, ISA(step_fn) *fn)
{
    const kernel_layout *l = &m->layout;
    ISA(step_block) b;
    b.s = s;
    b.limits.sigmoid_low = vf_set(-s->clip > GATE_SIGMOID_LOW ? -s->clip : GATE_SIGMOID_LOW);
    b.limits.sigmoid_high = vf_set(s->clip < GATE_SIGMOID_HIGH ? s->clip : GATE_SIGMOID_HIGH);
    b.limits.tanh_limit = vf_set(s->clip < GATE_TANH_LIMIT ? s->clip : GATE_TANH_LIMIT);
    int whole = l->width / VL, last = l->last_width / VL;
    int np = s->batch == 1 ? GEMV_PANELS[whole - 1] : 1;
    int64_t full = last == whole ? s->p1 : s->p1 < l->panels ? s->p1 : l->panels - 1; /* whole panels end here */
    int64_t groups = (full - s->p0 + np - 1) / np, narrow = s->p1 - full;
    for (int64_t i = 0; i < groups + narrow; i++) {
        int64_t g = s->flags & KERNEL_STEP_BACKWARDS ? groups + narrow - 1 - i : i;
        b.p = g < groups ? s->p0 + g * np : full;
        int64_t end = g < groups ? (b.p + np < full ? b.p + np : full) : s->p1;
        b.nv = g < groups ? whole : last;
        int most = ISA(block_rows_f32)(s->batch, b.nv);
        int64_t tiles = (s->batch + most - 1) / most;
        while (b.p < end) {
            b.np = end - b.p == np ? np : 1;
            int64_t following = b.p + (s->flags & KERNEL_STEP_BACKWARDS ? -b.np : b.np);
            b.next = b.end = (const float *)m->data + following * l->k * l->width;
            if (following >= s->p0 && following < s->p1)
                b.end += l->k * (following + 1 == l->panels ? l->last_width : l->width);
            b.row0 = 0;
            for (int64_t t = 0; t < tiles; t++) {
                b.rows = (int)((s->batch - b.row0 + tiles - t - 1) / (tiles - t));
                int done = t + 1 == tiles;
                ISA(prefetch_pre)(&b, done ? following : b.p, done ? 0 : b.row0 + b.rows);
                fn(&b);
                b.row0 += b.rows;
            }
            b.p += b.np;
        }
    }
}

/* All cells of a block, CELLS_AT_ONCE of them side by side: cells(b, first, count, any). */
#define BLOCK_CELLS(b, cells, any)                                        \
    do {                                                                  \
        int all = (b)->rows * (b)->np, first = 0;                         \
        for (; first + CELLS_AT_ONCE <= all; first += CELLS_AT_ONCE)      \
            cells(b, first, CELLS_AT_ONCE, any);                          \
        for (; first < all; first++)                                      \
            cells(b, first, 1, any);                                      \
    } while (0)
enum { CELLS_AT_ONCE = 2 };

/* The row of a block's cell: several rows have one panel, several panels one row. */
INLINE int ISA(cell_row)(const ISA(step_block) *b, int cell) { return b->np == 1 ? cell : 0; }

/* epilogue##_of(b) runs epilogue(b, any): a caller's own activations in a function apart, so that their calls cost the default ones no
   register. */
#define EPILOGUE(epilogue)                                                                                      \
    static __attribute__((noinline)) void ISA(epilogue##_any)(ISA(step_block) *b) { ISA(epilogue)(b, 1); }     \
    INLINE void ISA(epilogue##_of)(ISA(step_block) *b)                                                          \
    {                                                                                                           \
        if (b->s->f)                                                                                            \
            ISA(epilogue##_any)(b);                                                                             \
        else                                                                                                    \
            ISA(epilogue)(b, 0);                                                                                \
    }

/* The new h of one vector of units: padded row, and the caller's exact one. */
INLINE void ISA(step_emit)(const kernel_step_row *row, const kernel_layout *l, int64_t unit, vf h)
{
    vf_store(row->h_new + unit, h);
    if (row->y)
        vf_store_part_or_whole(row->y + unit, h, l->n - unit < VL ? (int)(l->n - unit) : VL);
}

/*
 * LSTM, `count` cells of one row and one panel each:
 *   i = sigmoid(i + Pi*C)   f = sigmoid(f + Pf*C) or 1 - i   c~ = tanh(c)
 *   C = f*C + i*c~          o = sigmoid(o + Po*C)            H = o*tanh(C)
 */
INLINE void ISA(lstm_cells)(ISA(step_block) *b, int first, const int count, const int any)
{
    const kernel_step *s = b->s;
    const kernel_layout *l = &s->r->layout;
    const kernel_step_row *row[CELLS_AT_ONCE];
    int64_t unit[CELLS_AT_ONCE];
    vf g[3 * CELLS_AT_ONCE], o[2 * CELLS_AT_ONCE], c[CELLS_AT_ONCE];
    UNROLL
    for (int n = 0; n < count; n++) {
        int r = ISA(cell_row)(b, first + n), q = first + n - r * b->np;
        const float *sum = b->sum[r] + q * 4 * VL;
        row[n] = s->rows + b->row0 + r;
        unit[n] = (b->p + q) * VL;
        g[n] = vf_load(sum);
        o[n] = vf_load(sum + VL);
        g[count + n] = vf_load(sum + 2 * VL);
        g[2 * count + n] = vf_load(sum + 3 * VL);
        c[n] = vf_load(row[n]->c + unit[n]);
        if (s->peephole) {
            g[n] = vf_fma(vf_load(s->peephole + unit[n]), c[n], g[n]);
            g[count + n] = vf_fma(vf_load(s->peephole + 2 * l->padded + unit[n]), c[n], g[count + n]);
        }
    }
    ISA(step_gates)(b, g, 3 * count, ((1u << count) - 1) << 2 * count, 1, any);
    UNROLL
    for (int n = 0; n < count; n++) {
        if (s->flags & KERNEL_STEP_INPUT_FORGET)
            g[count + n] = vf_set(1.0f) - g[n];
        c[n] = vf_fma(g[count + n], c[n], g[n] * g[2 * count + n]);
        if (s->peephole)
            o[n] = vf_fma(vf_load(s->peephole + l->padded + unit[n]), c[n], o[n]);
        o[count + n] = c[n];
    }
    ISA(step_gates)(b, o, 2 * count, ((1u << count) - 1) << count, 2, any);
    UNROLL
    for (int n = 0; n < count; n++) {
        vf_store(row[n]->c + unit[n], c[n]);
        ISA(step_emit)(row[n], l, unit[n], o[n] * o[count + n]);
        if (row[n]->gates) {
            float *t = row[n]->gates + unit[n] * 4;
            vf_store(t, g[n]);
            vf_store(t + VL, o[n]);
            vf_store(t + 2 * VL, g[count + n]);
            vf_store(t + 3 * VL, g[2 * count + n]);
        }
    }
}

INLINE void ISA(lstm_epilogue)(ISA(step_block) *b, const int any) { BLOCK_CELLS(b, ISA(lstm_cells), any); }
EPILOGUE(lstm_epilogue)

static void ISA(lstm_block)(ISA(step_block) *b)
{
    const kernel_step *s = b->s;
    const float *a[STEP_ROWS], *start[STEP_ROWS];
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        a[r] = s->w ? row->x : row->h;
        start[r] = (s->w ? s->bias : row->pre) + b->p * 4 * VL;
    }
    if (s->w) {
        ISA(step_product)(b, s->w, a, start);
        for (int r = 0; r < b->rows; r++) {
            a[r] = s->rows[b->row0 + r].h;
            start[r] = b->sum[r];
        }
    }
    ISA(step_product)(b, s->r, a, start);
    ISA(lstm_epilogue_of)(b);
}

static void ISA(step_lstm)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(lstm_block)); }

/* (1 - z)*n + z*h, so that z = 1 keeps h exactly */
INLINE vf ISA(gru_mix)(vf z, vf n, vf h) { return vf_fma(z, h, (vf_set(1.0f) - z) * n); }

/*
 * GRU, linear_before_reset = 1, `count` cells of one row and one panel each; q is h.Rh + Rbh, the candidate's own accumulator, and xh
 * stands behind it:
 *   z = sigmoid(z)   r = sigmoid(r)   n = tanh(xh + r*q)   H = (1-z)*n + z*H
 */
INLINE void ISA(gru_cells)(ISA(step_block) *b, int first, const int count, const int any)
{
    const kernel_step_row *row[CELLS_AT_ONCE];
    int64_t unit[CELLS_AT_ONCE];
    vf g[2 * CELLS_AT_ONCE], n[CELLS_AT_ONCE], xh[CELLS_AT_ONCE];
    UNROLL
    for (int i = 0; i < count; i++) {
        int r = ISA(cell_row)(b, first + i), q = first + i - r * b->np;
        const float *sum = b->sum[r] + q * 3 * VL;
        row[i] = b->s->rows + b->row0 + r;
        unit[i] = (b->p + q) * VL;
        g[i] = vf_load(sum);
        g[count + i] = vf_load(sum + VL);
        n[i] = vf_load(sum + 2 * VL);
        xh[i] = vf_load(b->sum[r] + (b->np * 3 + q) * VL);
    }
    ISA(step_gates)(b, g, 2 * count, 0, 0, any);
    UNROLL
    for (int i = 0; i < count; i++)
        n[i] = vf_fma(g[count + i], n[i], xh[i]);
    ISA(step_gates)(b, n, count, (1u << count) - 1, 1, any);
    UNROLL
    for (int i = 0; i < count; i++) {
        ISA(step_emit)(row[i], &b->s->r->layout, unit[i], ISA(gru_mix)(g[i], n[i], vf_load(row[i]->h + unit[i])));
        if (row[i]->gates) {
            float *t = row[i]->gates + unit[i] * 3;
            vf_store(t, g[i]);
            vf_store(t + VL, g[count + i]);
            vf_store(t + 2 * VL, n[i]);
        }
    }
}

INLINE void ISA(gru_epilogue)(ISA(step_block) *b, const int any) { BLOCK_CELLS(b, ISA(gru_cells), any); }
EPILOGUE(gru_epilogue)

static void ISA(gru_block)(ISA(step_block) *b)
{
    const kernel_step *s = b->s;
    const float *a[STEP_ROWS], *start[STEP_ROWS];
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        start[r] = (s->w ? s->bias : row->pre) + b->p * 3 * VL;
        a[r] = row->x;
    }
    if (s->w)
        ISA(step_product)(b, s->w, a, start);
    for (int r = 0; r < b->rows; r++) {
        const float *x = s->w ? b->sum[r] : start[r];
        for (int q = 0; q < b->np; q++) {
            float *t = b->sum[r] + q * 3 * VL;
            vf_store(b->sum[r] + (b->np * 3 + q) * VL, vf_load(x + q * 3 * VL + 2 * VL));
            vf_store(t, vf_load(x + q * 3 * VL));
            vf_store(t + VL, vf_load(x + q * 3 * VL + VL));
            vf_store(t + 2 * VL, vf_load(s->rbh + (b->p + q) * VL));
        }
        a[r] = s->rows[b->row0 + r].h;
        start[r] = b->sum[r];
    }
    ISA(step_product)(b, s->r, a, start);
    ISA(gru_epilogue_of)(b);
}

static void ISA(step_gru)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(gru_block)); }

/* GRU, linear_before_reset = 0, phase 1:  z = sigmoid(z)   rh = sigmoid(r)*H */
INLINE void ISA(gru_reset_epilogue)(ISA(step_block) *b, const int any)
{
    const kernel_step *s = b->s;
    for (int i = 0; i < b->rows; i++) {
        const kernel_step_row *row = s->rows + b->row0 + i;
        for (int q = 0; q < b->np; q++) {
            int64_t unit = (b->p + q) * VL;
            vf g[2] = {vf_load(b->sum[i] + q * 2 * VL), vf_load(b->sum[i] + q * 2 * VL + VL)};
            ISA(step_gates)(b, g, 2, 0, 0, any);
            vf_store(row->z + unit, g[0]);
            vf_store(row->rh + unit, g[1] * vf_load(row->h + unit));
            if (row->gates) {
                vf_store(row->gates + unit * 3, g[0]);
                vf_store(row->gates + unit * 3 + VL, g[1]);
            }
        }
    }
}
EPILOGUE(gru_reset_epilogue)

static void ISA(gru_reset_block)(ISA(step_block) *b)
{
    const kernel_step *s = b->s;
    const float *a[STEP_ROWS], *start[STEP_ROWS];
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        for (int q = 0; q < b->np; q++) {
            const float *pre = row->pre + (b->p + q) * 3 * VL;
            vf_store(b->sum[r] + q * 2 * VL, vf_load(pre));
            vf_store(b->sum[r] + q * 2 * VL + VL, vf_load(pre + VL));
        }
        a[r] = row->h;
        start[r] = b->sum[r];
    }
    ISA(step_product)(b, s->r, a, start);
    ISA(gru_reset_epilogue_of)(b);
}

static void ISA(step_gru_reset)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(gru_reset_block)); }

/* Phase 2:  n = tanh(xh + rh.Rh)   H = (1-z)*n + z*H;  a panel of rc is up to four vectors of units. */
INLINE void ISA(gru_candidate_epilogue)(ISA(step_block) *b, const int any)
{
    const kernel_step *s = b->s;
    int64_t unit0 = b->p * s->rc->layout.units;
    int vectors = b->np * b->nv;
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        for (int v = 0; v < vectors; v++) {
            int64_t unit = unit0 + v * VL;
            vf n = vf_load(b->sum[r] + v * VL);
            ISA(step_gates)(b, &n, 1, 1, 1, any);
            ISA(step_emit)(row, &s->rc->layout, unit, ISA(gru_mix)(vf_load(row->z + unit), n, vf_load(row->h + unit)));
            if (row->gates)
                vf_store(row->gates + unit * 3 + 2 * VL, n);
        }
    }
}
EPILOGUE(gru_candidate_epilogue)

static void ISA(gru_candidate_block)(ISA(step_block) *b)
{
    const kernel_step *s = b->s;
    const float *a[STEP_ROWS], *start[STEP_ROWS];
    int64_t unit0 = b->p * s->rc->layout.units;
    int vectors = b->np * b->nv;
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        for (int v = 0; v < vectors; v++)
            vf_store(b->sum[r] + v * VL, vf_load(row->pre + (unit0 + v * VL) * 3 + 2 * VL));
        a[r] = row->rh;
        start[r] = b->sum[r];
    }
    ISA(step_product)(b, s->rc, a, start);
    ISA(gru_candidate_epilogue_of)(b);
}

static void ISA(step_gru_candidate)(const kernel_step *s) { ISA(step_blocks)(s, s->rc, ISA(gru_candidate_block)); }

/* RNN:  H = tanh(x + h.R) */
INLINE void ISA(rnn_epilogue)(ISA(step_block) *b, const int any)
{
    const kernel_step *s = b->s;
    int64_t unit0 = b->p * s->r->layout.units;
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        for (int v = 0; v < b->np * b->nv; v++) {
            vf h = vf_load(b->sum[r] + v * VL);
            ISA(step_gates)(b, &h, 1, 1, 0, any);
            ISA(step_emit)(row, &s->r->layout, unit0 + v * VL, h);
            if (row->gates)
                vf_store(row->gates + unit0 + v * VL, h);
        }
    }
}
EPILOGUE(rnn_epilogue)

static void ISA(rnn_block)(ISA(step_block) *b)
{
    const kernel_step *s = b->s;
    const float *a[STEP_ROWS], *start[STEP_ROWS];
    int64_t unit0 = b->p * s->r->layout.units;
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        a[r] = s->w ? row->x : row->h;
        start[r] = (s->w ? s->bias : row->pre) + unit0;
    }
    if (s->w) {
        ISA(step_product)(b, s->w, a, start);
        for (int r = 0; r < b->rows; r++) {
            a[r] = s->rows[b->row0 + r].h;
            start[r] = b->sum[r];
        }
    }
    ISA(step_product)(b, s->r, a, start);
    ISA(rnn_epilogue_of)(b);
}

static void ISA(step_rnn)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(rnn_block)); }

#endif
