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
    float sigmoid_low, sigmoid_high, tanh_limit; /* the clip, or where the gate forms end */
    float sum[STEP_ROWS][STEP_VECTORS * VL] __attribute__((aligned(64)));
} ISA(step_block);

typedef void ISA(step_fn)(ISA(step_block) *b);

/* sum[r] = start[r] + a[r] * panels of m */
INLINE void ISA(step_product)(ISA(step_block) *b, const kernel_packed *m, const float *const *a, const float *const *start)
{
    float *out[STEP_ROWS];
    int64_t stride = m->layout.k * m->layout.width;
    const float *w = (const float *)m->data + b->p * stride;
    for (int r = 0; r < b->rows; r++)
        out[r] = b->sum[r];
    if (b->np > 1)
        gemvs_f32(b->nv)(a, w, stride, m->layout.k, start, out, NULL);
    else
        tiles_f32(b->nv, b->rows)(a, w, stride, m->layout.k, start, out, ISA(take_ahead_f32)(&b->next, b->end, w, m->layout.k));
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

/* Cuts [p0, p1) x batch into blocks: panels outside, so that a panel's weights are read once from beyond L2. */
INLINE void ISA(step_blocks)(const kernel_step *s, const kernel_packed *m, ISA(step_fn) *fn)
{
    const kernel_layout *l = &m->layout;
    ISA(step_block) b;
    b.s = s;
    b.sigmoid_low = -s->clip > GATE_SIGMOID_LOW ? -s->clip : GATE_SIGMOID_LOW;
    b.sigmoid_high = s->clip < GATE_SIGMOID_HIGH ? s->clip : GATE_SIGMOID_HIGH;
    b.tanh_limit = s->clip < GATE_TANH_LIMIT ? s->clip : GATE_TANH_LIMIT;
    int whole = l->width / VL, last = l->last_width / VL;
    int np = s->batch == 1 ? GEMV_PANELS[whole - 1] : 1;
    int64_t full = last == whole ? s->p1 : s->p1 < l->panels ? s->p1 : l->panels - 1; /* whole panels end here */
    int64_t groups = (full - s->p0 + np - 1) / np, narrow = s->p1 - full;
    for (int64_t i = 0; i < groups + narrow; i++) {
        int64_t g = s->flags & KERNEL_STEP_BACKWARDS ? groups + narrow - 1 - i : i;
        b.p = g < groups ? s->p0 + g * np : full;
        int64_t end = g < groups ? (b.p + np < full ? b.p + np : full) : s->p1;
        b.nv = g < groups ? whole : last;
        int64_t tiles = (s->batch + TILE_ROWS[b.nv - 1] - 1) / TILE_ROWS[b.nv - 1];
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

INLINE vf ISA(sigmoid_gate)(const ISA(step_block) *b, vf x)
{
    return vf_gate_sigmoid(x, vf_set(b->sigmoid_low), vf_set(b->sigmoid_high));
}
INLINE vf ISA(tanh_gate)(const ISA(step_block) *b, vf x) { return vf_gate_tanh(x, vf_set(b->tanh_limit)); }

/* The new h of one vector of units: padded row, and the caller's exact one. */
INLINE void ISA(step_emit)(const kernel_step_row *row, const kernel_layout *l, int64_t unit, vf h)
{
    vf_store(row->h_new + unit, h);
    if (row->y)
        vf_store_part_or_whole(row->y + unit, h, l->n - unit < VL ? (int)(l->n - unit) : VL);
}

/*
 * LSTM, one row and one panel:
 *   i = sigmoid(i + Pi*C)   f = sigmoid(f + Pf*C) or 1 - i   c~ = tanh(c)
 *   C = f*C + i*c~          o = sigmoid(o + Po*C)            H = o*tanh(C)
 */
INLINE void ISA(lstm_cell)(const ISA(step_block) *b, const kernel_step_row *row, int64_t panel, const float *sum)
{
    const kernel_step *s = b->s;
    const kernel_layout *l = &s->r->layout;
    int64_t unit = panel * VL;
    vf i = vf_load(sum), o = vf_load(sum + VL), f = vf_load(sum + 2 * VL), g = vf_load(sum + 3 * VL);
    vf c = vf_load(row->c + unit);
    if (s->peephole) {
        i = vf_fma(vf_load(s->peephole + unit), c, i);
        f = vf_fma(vf_load(s->peephole + 2 * l->padded + unit), c, f);
    }
    i = ISA(sigmoid_gate)(b, i);
    f = s->flags & KERNEL_STEP_INPUT_FORGET ? vf_set(1.0f) - i : ISA(sigmoid_gate)(b, f);
    g = ISA(tanh_gate)(b, g);
    c = vf_fma(f, c, i * g);
    if (s->peephole)
        o = vf_fma(vf_load(s->peephole + l->padded + unit), c, o);
    o = ISA(sigmoid_gate)(b, o);
    vf_store(row->c + unit, c);
    ISA(step_emit)(row, l, unit, o * ISA(tanh_gate)(b, c));
    if (row->gates) {
        float *t = row->gates + panel * 4 * VL;
        vf_store(t, i);
        vf_store(t + VL, o);
        vf_store(t + 2 * VL, f);
        vf_store(t + 3 * VL, g);
    }
}

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
    for (int r = 0; r < b->rows; r++)
        for (int q = 0; q < b->np; q++)
            ISA(lstm_cell)(b, s->rows + b->row0 + r, b->p + q, b->sum[r] + q * 4 * VL);
}

static void ISA(step_lstm)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(lstm_block)); }

/* (1 - z)*n + z*h, so that z = 1 keeps h exactly */
INLINE vf ISA(gru_mix)(vf z, vf n, vf h) { return vf_fma(z, h, (vf_set(1.0f) - z) * n); }

/*
 * GRU, linear_before_reset = 1, one row and one panel; q is h.Rh + Rbh, the candidate's own accumulator:
 *   z = sigmoid(z)   r = sigmoid(r)   n = tanh(xh + r*q)   H = (1-z)*n + z*H
 */
INLINE void ISA(gru_cell)(const ISA(step_block) *b, const kernel_step_row *row, int64_t panel, const float *sum, const float *xh)
{
    int64_t unit = panel * VL;
    vf z = ISA(sigmoid_gate)(b, vf_load(sum));
    vf r = ISA(sigmoid_gate)(b, vf_load(sum + VL));
    vf n = ISA(tanh_gate)(b, vf_fma(r, vf_load(sum + 2 * VL), vf_load(xh)));
    ISA(step_emit)(row, &b->s->r->layout, unit, ISA(gru_mix)(z, n, vf_load(row->h + unit)));
    if (row->gates) {
        float *t = row->gates + panel * 3 * VL;
        vf_store(t, z);
        vf_store(t + VL, r);
        vf_store(t + 2 * VL, n);
    }
}

static void ISA(gru_block)(ISA(step_block) *b)
{
    const kernel_step *s = b->s;
    const float *a[STEP_ROWS], *start[STEP_ROWS], *pre[STEP_ROWS];
    float x[STEP_ROWS][STEP_VECTORS * VL];
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        pre[r] = (s->w ? s->bias : row->pre) + b->p * 3 * VL;
        a[r] = row->x;
    }
    if (s->w) {
        ISA(step_product)(b, s->w, a, pre);
        for (int r = 0; r < b->rows; r++)
            pre[r] = memcpy(x[r], b->sum[r], (size_t)(b->np * 3 * VL) * sizeof(float));
    }
    for (int r = 0; r < b->rows; r++) {
        for (int q = 0; q < b->np; q++) {
            float *t = b->sum[r] + q * 3 * VL;
            vf_store(t, vf_load(pre[r] + q * 3 * VL));
            vf_store(t + VL, vf_load(pre[r] + q * 3 * VL + VL));
            vf_store(t + 2 * VL, vf_load(s->rbh + (b->p + q) * VL));
        }
        a[r] = s->rows[b->row0 + r].h;
        start[r] = b->sum[r];
    }
    ISA(step_product)(b, s->r, a, start);
    for (int r = 0; r < b->rows; r++)
        for (int q = 0; q < b->np; q++)
            ISA(gru_cell)(b, s->rows + b->row0 + r, b->p + q, b->sum[r] + q * 3 * VL, pre[r] + q * 3 * VL + 2 * VL);
}

static void ISA(step_gru)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(gru_block)); }

/* GRU, linear_before_reset = 0, phase 1:  z = sigmoid(z)   rh = sigmoid(r)*H */
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
    for (int i = 0; i < b->rows; i++) {
        const kernel_step_row *row = s->rows + b->row0 + i;
        for (int q = 0; q < b->np; q++) {
            int64_t unit = (b->p + q) * VL;
            vf z = ISA(sigmoid_gate)(b, vf_load(b->sum[i] + q * 2 * VL));
            vf r = ISA(sigmoid_gate)(b, vf_load(b->sum[i] + q * 2 * VL + VL));
            vf_store(row->z + unit, z);
            vf_store(row->rh + unit, r * vf_load(row->h + unit));
            if (row->gates) {
                vf_store(row->gates + unit * 3, z);
                vf_store(row->gates + unit * 3 + VL, r);
            }
        }
    }
}

static void ISA(step_gru_reset)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(gru_reset_block)); }

/* Phase 2:  n = tanh(xh + rh.Rh)   H = (1-z)*n + z*H;  a panel of rc is up to four vectors of units. */
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
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        for (int v = 0; v < vectors; v++) {
            int64_t unit = unit0 + v * VL;
            vf n = ISA(tanh_gate)(b, vf_load(b->sum[r] + v * VL));
            ISA(step_emit)(row, &s->rc->layout, unit, ISA(gru_mix)(vf_load(row->z + unit), n, vf_load(row->h + unit)));
            if (row->gates)
                vf_store(row->gates + unit * 3 + 2 * VL, n);
        }
    }
}

static void ISA(step_gru_candidate)(const kernel_step *s) { ISA(step_blocks)(s, s->rc, ISA(gru_candidate_block)); }

/* RNN:  H = tanh(x + h.R) or relu */
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
    for (int r = 0; r < b->rows; r++) {
        const kernel_step_row *row = s->rows + b->row0 + r;
        for (int v = 0; v < b->np * b->nv; v++) {
            vf h = vf_load(b->sum[r] + v * VL);
            h = s->flags & KERNEL_STEP_RELU ? vf_max(vf_set(0.0f), vf_clamp(h, -s->clip, s->clip)) : ISA(tanh_gate)(b, h);
            ISA(step_emit)(row, &s->r->layout, unit0 + v * VL, h);
            if (row->gates)
                vf_store(row->gates + unit0 + v * VL, h);
        }
    }
}

static void ISA(step_rnn)(const kernel_step *s) { ISA(step_blocks)(s, s->r, ISA(rnn_block)); }

#endif
