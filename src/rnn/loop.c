/* rnn/loop: a lane's memory, its states, and its walk through time. */
#include "rnn/loop.h"

#include "tensor/tensor.h"

#include <string.h>

/* ---- elements ---------------------------------------------------------------------------------------------------------------- */

void rnn_widen(bool f64, clstm_type type, const void *from, void *to, int64_t count) {
    if (type == CLSTM_DOUBLE || (type == CLSTM_FLOAT && !f64)) { memcpy(to, from, (size_t)count * clstm_type_size(type)); return; }
    for (int64_t i = 0; i < count; i++)
        if (type == CLSTM_FLOAT) ((double *)to)[i] = (double)((const float *)from)[i];
        else ((float *)to)[i] = type == CLSTM_FLOAT16 ? tensor_half_to_float(((const uint16_t *)from)[i]) : tensor_bfloat_to_float(((const uint16_t *)from)[i]);
}

void rnn_narrow(bool f64, clstm_type type, const void *from, void *to, int64_t count) {
    if (type == CLSTM_DOUBLE || (type == CLSTM_FLOAT && !f64)) { memcpy(to, from, (size_t)count * clstm_type_size(type)); return; }
    for (int64_t i = 0; i < count; i++)
        if (type == CLSTM_FLOAT) ((float *)to)[i] = (float)((const double *)from)[i];
        else ((uint16_t *)to)[i] = type == CLSTM_FLOAT16 ? tensor_float_to_half(((const float *)from)[i]) : tensor_float_to_bfloat(((const float *)from)[i]);
}

static const void *in_at(const rnn_job *j, const void *base, int64_t element) {
    return (const unsigned char *)base + (size_t)element * clstm_type_size(j->z.type);
}
static void *out_at(const rnn_job *j, void *base, int64_t element) {
    return (unsigned char *)base + (size_t)element * clstm_type_size(j->z.type);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------ */

/* The pieces of a lane's memory, in one order for measuring and for cutting. */
typedef struct piece { void *to; int64_t count; size_t size; } piece;      /* to: the pointer that receives the address */

/* What all parts of a lane share. */
static int owned_pieces(rnn_lane *l, piece *p) {
    const rnn_job *j = l->job;
    int n = 0;
    p[n++] = (piece){&l->h, 2 * j->padded, j->real};
    if (j->spec->kind == RNN_LSTM) p[n++] = (piece){&l->c, j->padded, j->real};
    if (j->split) {
        p[n++] = (piece){&l->z, j->padded, j->real};
        p[n++] = (piece){&l->rh, j->padded, j->real};
    }
    if (!j->single) p[n++] = (piece){&l->pre, j->chunk * j->cols, j->real};
    if (j->widened) p[n++] = (piece){&l->x, j->chunk * j->z.i, j->real};
    if (!j->fused && j->spec->kind == RNN_GRU) p[n++] = (piece){&l->sum, j->cols, j->real};
    if (j->fused && j->trace) p[n++] = (piece){&l->gates, j->cols, sizeof(float)};
    return n;
}

static int pieces(rnn_lane *l, piece *p) {
    const rnn_job *j = l->job;
    int n = l->owner == l ? owned_pieces(l, p) : 0;
    p[n++] = (piece){&l->row, 1, sizeof *l->row};
    p[n++] = (piece){&l->active, 1, sizeof *l->active};
    p[n++] = (piece){&l->flip, 1, 1};
    for (int i = 0; i < n; i++) p[i].count *= l->rows;
    if (!j->fused || j->trace) p[n++] = (piece){&l->scalar, 7 * j->z.h, sizeof(double)};
    return n;
}

enum { PIECES = 12 };

bool rnn_lane_bytes(const rnn_lane *l, size_t *bytes) {
    const rnn_job *j = l->job;
    rnn_lane scrap = *l;
    piece p[PIECES];
    if (l->owner == l) scrap.owner = &scrap;
    int64_t total = 0, some, per_row = 2 * j->padded + j->chunk * (j->cols + j->z.i) + 64;
    *bytes = 0;
    if (!util_mul(l->rows, per_row, &some) || some > INT64_MAX / 64) return false;
    int n = pieces(&scrap, p);
    for (int i = 0; i < n; i++) total += (p[i].count * (int64_t)p[i].size + 63) & ~INT64_C(63);
    *bytes = (size_t)total;
    return true;
}

void rnn_lane_place(rnn_lane *l, unsigned char *memory) {
    piece p[PIECES];
    const rnn_lane *o = l->owner;
    int n = pieces(l, p);
    memory += l->offset;
    for (int i = 0; i < n; i++) {
        memcpy(p[i].to, &memory, sizeof memory);
        memory += ((size_t)p[i].count * p[i].size + 63) & ~(size_t)63;
    }
    if (o == l) return;
    l->h = o->h; l->c = o->c; l->z = o->z; l->rh = o->rh; l->pre = o->pre;
}

/* ---- states ------------------------------------------------------------------------------------------------------------------ */

static int64_t length_of(const rnn_lane *l, int64_t r) { return l->job->lens ? l->job->lens[l->b0 + r] : l->job->z.t; }

static void load_state(const rnn_lane *l, const void *from, int64_t r, void *to) {
    const rnn_job *j = l->job;
    int64_t live = 0;
    if (from) {
        rnn_widen(j->f64, j->z.type, in_at(j, from, l->d * j->sd + (l->b0 + r) * j->sb), to, j->z.h);
        live = j->z.h;
    }
    memset(rnn_at(j, to, live), 0, (size_t)(j->padded - live) * j->real);
}

static void save_state(const rnn_lane *l, const void *from, int64_t r, void *to) {
    const rnn_job *j = l->job;
    if (!to) return;
    void *at = out_at(j, to, l->d * j->sd + (l->b0 + r) * j->sb);
    if (j->zero_unstarted && length_of(l, r) == 0) memset(at, 0, (size_t)j->z.h * clstm_type_size(j->z.type));
    else rnn_narrow(j->f64, j->z.type, from, at, j->z.h);
}

void *rnn_lane_y(const rnn_lane *l, int64_t t, int64_t r) {
    const rnn_job *j = l->job;
    return j->y ? out_at(j, j->y, t * j->yt + l->d * j->yd + (l->b0 + r) * j->yb) : NULL;
}

void rnn_lane_begin(rnn_lane *l) {
    const rnn_job *j = l->job;
    l->steps = j->lens ? 0 : j->z.t;
    l->first = l->end = l->done = 0;
    for (int64_t r = 0; r < l->rows; r++) {
        int64_t len = length_of(l, r);
        if (len > l->steps) l->steps = len;
        l->flip[r] = 0;
        if (l->owner != l) continue;
        load_state(l, j->h0, r, rnn_lane_h(l, r, 0));
        if (j->fused) memset(rnn_at(j, rnn_lane_h(l, r, 1), j->z.h), 0, (size_t)(j->padded - j->z.h) * j->real);
        if (j->spec->kind == RNN_LSTM) load_state(l, j->c0, r, rnn_lane_c(l, r));
        for (int64_t t = len; t < j->z.t && j->y; t++) memset(rnn_lane_y(l, t, r), 0, (size_t)j->z.h * clstm_type_size(j->z.type));
    }
    l->known = l->steps;
}

void rnn_lane_end(rnn_lane *l) {
    for (int64_t r = 0; r < l->rows && l->owner == l; r++) {
        save_state(l, rnn_lane_h(l, r, l->flip[r]), r, l->job->yh);
        if (l->job->spec->kind == RNN_LSTM) save_state(l, rnn_lane_c(l, r), r, l->job->yc);
    }
}

/* ---- X.W ----------------------------------------------------------------------------------------------------------------------- */

/* Widens the chunk's input to [steps][rows][I]. */
static void widen_chunk(rnn_lane *l) {
    const rnn_job *j = l->job;
    for (int64_t t = l->first; t < l->end; t++)
        for (int64_t r = 0; r < l->rows; r++)
            rnn_widen(j->f64, j->z.type, in_at(j, j->x, t * j->xt + (l->b0 + r) * j->xb),
                      rnn_at(j, l->x, ((t - l->first) * l->rows + r) * j->z.i), j->z.i);
}

/* Panels [p0, p1) of the chunk's products, rows in the order [step][row]: one product when X has that order too, else one for
 * each step or for each row, whichever are fewer. */
static void chunk_products(rnn_lane *l, int64_t p0, int64_t p1) {
    const rnn_job *j = l->job;
    const rnn_direction *d = &j->dir[l->d];
    int64_t steps = l->end - l->first, xt = j->widened ? l->rows * j->z.i : j->xt, xb = j->widened ? j->z.i : j->xb;
    const void *x = j->widened ? l->x : in_at(j, j->x, l->first * xt + l->b0 * xb);
    kernel_gemm g = {.b = &d->w, .a = x, .c = l->pre, .lda = xb, .ldc = j->cols, .start = KERNEL_INIT_ROW, .init = d->bias, .p0 = p0, .p1 = p1};
    if (xt == xb * l->rows) {
        g.m = steps * l->rows;
        rnn_product(j, &g);
    } else if (steps < l->rows) {
        g.m = l->rows;
        for (int64_t t = 0; t < steps; t++) {
            g.a = (const unsigned char *)x + (size_t)(t * xt) * j->real;
            g.c = rnn_at(j, l->pre, t * l->rows * j->cols);
            rnn_product(j, &g);
        }
    } else {
        g.m = steps;
        g.lda = xt;
        g.ldc = l->rows * j->cols;
        for (int64_t r = 0; r < l->rows; r++) {
            g.a = (const unsigned char *)x + (size_t)(r * xb) * j->real;
            g.c = rnn_at(j, l->pre, r * j->cols);
            rnn_product(j, &g);
        }
    }
}

/* ---- fused steps ------------------------------------------------------------------------------------------------------------- */

static void open_fused(rnn_lane *l) {
    const rnn_job *j = l->job;
    for (int64_t i = 0; i < l->n_active; i++) {
        int64_t r = l->active[i];
        kernel_step_row *k = &l->row[i];
        k->pre = j->single ? NULL : rnn_lane_pre(l, r);
        k->x = j->single ? in_at(j, j->x, l->t * j->xt + (l->b0 + r) * j->xb) : NULL;
        k->h = rnn_lane_h(l, r, l->flip[r]);
        k->h_new = rnn_lane_h(l, r, !l->flip[r]);
        k->c = l->c ? rnn_lane_c(l, r) : NULL;
        k->y = rnn_lane_y(l, l->t, r);
        k->gates = j->trace ? l->gates + r * j->cols : NULL;
        k->z = j->split ? rnn_at(j, l->z, r * j->padded) : NULL;
        k->rh = j->split ? rnn_at(j, l->rh, r * j->padded) : NULL;
    }
}

static void fused_part(rnn_lane *l, int phase, int64_t p0, int64_t p1) {
    const rnn_job *j = l->job;
    const rnn_direction *d = &j->dir[l->d];
    kernel_step s = {.r = &d->r, .rc = j->split ? &d->last : NULL, .w = j->single ? &d->w : NULL, .bias = d->bias, .rbh = d->rbh,
                     .peephole = d->peephole, .f = d->own_f ? d->f : NULL, .clip = j->spec->clip,
                     .clip_h = (float)j->rules[l->d].clip_h, .rows = l->row, .batch = l->n_active, .p0 = p0, .p1 = p1};
    s.flags = j->step_flags | (l->s & 1 ? KERNEL_STEP_BACKWARDS : 0);
    if (j->spec->kind == RNN_LSTM) j->kernel->step_lstm(&s);
    else if (j->spec->kind == RNN_RNN) j->kernel->step_rnn(&s);
    else if (!j->split) j->kernel->step_gru(&s);
    else if (phase == 0) j->kernel->step_gru_reset(&s);
    else j->kernel->step_gru_candidate(&s);
}

/* ---- the walk ------------------------------------------------------------------------------------------------------------------ */

static void open_step(rnn_lane *l, int64_t s) {
    const rnn_job *j = l->job;
    bool reverse = j->dir[l->d].reverse;
    l->s = s;
    l->t = reverse ? l->steps - 1 - s : s;
    l->n_active = 0;
    for (int64_t r = 0; r < l->rows; r++)
        if (l->t < length_of(l, r)) l->active[l->n_active++] = r;
    if (!j->single && (l->t < l->first || l->t >= l->end)) {
        l->first = !reverse ? l->t : l->t >= j->chunk ? l->t - j->chunk + 1 : 0;
        l->end = reverse ? l->t + 1 : l->known - l->t > j->chunk ? l->t + j->chunk : l->known;
        if (j->widened) widen_chunk(l);
    }
    if (j->fused) open_fused(l);
}

int rnn_lane_phases(const rnn_job *j) { return j->fused && j->split ? 2 : 1; }

static void step_part(rnn_lane *l, int phase) {
    const rnn_job *j = l->job;
    const rnn_direction *d = &j->dir[l->d];
    bool fresh = !j->single && phase == 0 && l->t == (d->reverse ? l->end - 1 : l->first);
    int64_t panels = phase ? d->last.layout.panels : d->r.layout.panels;
    int64_t p0 = panels * l->part / j->parts, p1 = panels * (l->part + 1) / j->parts;
    if (p0 == p1) return;
    if (fresh) chunk_products(l, p0, p1);
    if (j->fused) fused_part(l, phase, p0, p1);
    else rnn_lane_scalar_step(l);
}

static void close_step(rnn_lane *l) {
    const rnn_job *j = l->job;
    for (int64_t i = 0; i < l->n_active && j->fused; i++) {
        l->flip[l->active[i]] ^= 1;
        if (j->trace) rnn_lane_report_fused(l, l->active[i]);
    }
}

void rnn_lane_step(rnn_lane *l, int64_t s, int phase) {
    if (phase == 0) open_step(l, s);
    step_part(l, phase);
    if (phase + 1 == rnn_lane_phases(l->job)) close_step(l);
}

bool rnn_lane_walk(rnn_lane *l, int64_t end) {
    const rnn_job *j = l->job;
    int phases = rnn_lane_phases(j);
    l->known = end < l->steps ? end : l->steps;
    for (; l->done < l->known; l->done++) {
        if (j->cancel && atomic_load_explicit(j->cancel, memory_order_relaxed)) return false;
        for (int p = 0; p < phases; p++) rnn_lane_step(l, l->done, p);
    }
    return true;
}

bool rnn_lane_run(rnn_lane *l) {
    rnn_lane_begin(l);
    if (!rnn_lane_walk(l, l->steps)) return false;
    rnn_lane_end(l);
    return true;
}
