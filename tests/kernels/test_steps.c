/* Fused recurrent steps against scalar equations with the level's own gate functions: exact bits, any batch and panel range. */
#include "tests/kernels/kernel_test.h"

#include <math.h>
#include <string.h>

enum { ROUNDS = 300, MAX_BATCH = 20 };

typedef enum cell_kind { LSTM, GRU, GRU_RESET, RNN } cell_kind;
static const int gates_of[] = {4, 3, 3, 1};

/* Everything of one random step; float buffers are guarded. */
typedef struct scene {
    const kernel_table *t;
    cell_kind kind;
    int64_t hidden, input, batch;
    kernel_layout lw, lr, lrc;
    kernel_packed w, r, rc;
    guarded raw_w, raw_r, packed_w, packed_r, packed_rc, bias, rbh, peephole;
    guarded x, h, c, pre, h_new, c_new, y, gates, z, rh;
    int use_w, use_peephole;
    unsigned flags;
    float clip, clip_h;
    kernel_activation f[3];
    int own_f;
    kernel_step_row rows[MAX_BATCH];
} scene;

/* Pads hold NaN: they may not reach a value that counts. */
static guarded padded_floats(int64_t rows, int64_t n, int64_t padded)
{
    guarded g = guarded_floats(rows * padded, (int)random_in(0, 1));
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = n; i < padded; i++)
            ((float *)g.data)[r * padded + i] = NAN;
    return g;
}

static guarded packed_new(const scene *s, const kernel_layout *l, const guarded *raw, int64_t gate_stride, int first_gate, kernel_packed *out)
{
    guarded g = guarded_new(l->bytes, (int)random_in(0, 1));
    kernel_source from = {.data = raw->data, .gate_stride = gate_stride, .unit_stride = l->k, .k_stride = 1};
    for (int i = 0; i < l->gates; i++)
        from.gate[i] = first_gate + i;
    s->t->pack(l, &from, g.data, 0, l->panels);
    *out = (kernel_packed){*l, g.data};
    return g;
}

static void fill(guarded *g, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        ((float *)g->data)[i] = value;
}

static void scene_new(scene *s, const kernel_table *t, cell_kind kind)
{
    int64_t h = random_in(1, 100), in = random_in(1, 40), b = random_in(0, 2) ? random_in(2, MAX_BATCH) : 1;
    int gates = gates_of[kind];
    *s = (scene){.t = t, .kind = kind, .hidden = h, .input = in, .batch = b};
    s->use_w = kind != GRU_RESET && (int)random_in(0, 1);
    s->use_peephole = kind == LSTM && (int)random_in(0, 1);
    s->clip = random_in(0, 3) ? INFINITY : 0.7f;
    s->clip_h = random_in(0, 1) ? INFINITY : s->clip;
    s->flags = (random_in(0, 1) ? KERNEL_STEP_BACKWARDS : 0u) | (kind == LSTM && !random_in(0, 3) ? KERNEL_STEP_INPUT_FORGET : 0u);
    s->own_f = (int)random_in(0, 1);
    for (int i = 0; i < 3; i++)
        s->f[i] = (kernel_activation){(kernel_function)random_in(KERNEL_SIGMOID, KERNEL_RELU), 0.3f, 0.4f};
    t->layout_cell(&s->lw, KERNEL_STORE_F32, gates, h, in);
    t->layout_cell(&s->lr, KERNEL_STORE_F32, kind == GRU_RESET ? 2 : gates, h, h);
    t->layout_cell(&s->lrc, KERNEL_STORE_F32, 1, h, h);
    int64_t padded = s->lr.padded, cols = s->lw.cols;
    s->raw_w = guarded_floats(gates * h * in, 1);
    s->raw_r = guarded_floats(gates * h * h, 1);
    s->packed_w = packed_new(s, &s->lw, &s->raw_w, h * in, 0, &s->w);
    s->packed_r = packed_new(s, &s->lr, &s->raw_r, h * h, 0, &s->r);
    s->packed_rc = packed_new(s, &s->lrc, &s->raw_r, h * h, kind == GRU_RESET ? 2 : 0, &s->rc);
    s->bias = guarded_floats(cols, 1);
    s->rbh = padded_floats(1, h, padded);
    s->peephole = padded_floats(3, h, padded);
    s->x = guarded_floats(b * in, 1);
    s->pre = guarded_floats(b * cols, (int)random_in(0, 1));
    s->h = padded_floats(b, h, padded);
    s->c = padded_floats(b, h, padded);
    s->c_new = guarded_floats(b * padded, (int)random_in(0, 1));
    memcpy(s->c_new.data, s->c.data, (size_t)(b * padded) * sizeof(float));
    s->h_new = guarded_floats(b * padded, (int)random_in(0, 1));
    s->y = guarded_floats(b * h, (int)random_in(0, 1));
    s->gates = guarded_floats(b * cols, (int)random_in(0, 1));
    s->z = guarded_floats(b * padded, 1);
    s->rh = guarded_floats(b * padded, 1);
    fill(&s->h_new, b * padded, 77.0f);
    fill(&s->y, b * h, 77.0f);
    if (!random_in(0, 7)) /* specials in one row may not reach another */
        ((float *)s->h.data)[random_in(0, h - 1)] = random_in(0, 1) ? NAN : INFINITY;
    for (int64_t i = 0; i < b; i++)
        s->rows[i] = (kernel_step_row){.pre = s->use_w ? NULL : (float *)s->pre.data + i * cols,
                                       .x = s->use_w ? (float *)s->x.data + i * in : NULL,
                                       .h = (float *)s->h.data + i * padded,
                                       .h_new = (float *)s->h_new.data + i * padded,
                                       .c = kind == LSTM ? (float *)s->c_new.data + i * padded : NULL,
                                       .y = i % 3 == 2 ? NULL : (float *)s->y.data + i * h,
                                       .gates = i % 2 ? NULL : (float *)s->gates.data + i * cols,
                                       .z = kind == GRU_RESET ? (float *)s->z.data + i * padded : NULL,
                                       .rh = kind == GRU_RESET ? (float *)s->rh.data + i * padded : NULL};
}

static void scene_free(scene *s)
{
    guarded *all[] = {&s->raw_w, &s->raw_r, &s->packed_w, &s->packed_r, &s->packed_rc, &s->bias, &s->rbh, &s->peephole, &s->x,
                      &s->h,     &s->c,     &s->pre,      &s->h_new,    &s->c_new,     &s->y,    &s->gates, &s->z,      &s->rh};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        guarded_free(all[i]);
}

/* Runs the step in random panel ranges and batch pieces, as threads would. */
static void run_phase(const scene *s, void (*phase)(const kernel_step *), int64_t panels)
{
    int64_t split = random_in(0, panels), cut = random_in(0, s->batch);
    for (int piece = 0; piece < 4; piece++) {
        kernel_step step = {.r = &s->r, .rc = &s->rc, .w = s->use_w ? &s->w : NULL, .bias = s->bias.data, .rbh = s->rbh.data,
                            .peephole = s->use_peephole ? s->peephole.data : NULL, .f = s->own_f ? s->f : NULL,
                            .clip = s->clip, .clip_h = s->clip_h, .flags = s->flags};
        step.rows = s->rows + (piece & 1 ? cut : 0);
        step.batch = piece & 1 ? s->batch - cut : cut;
        step.p0 = piece & 2 ? split : 0;
        step.p1 = piece & 2 ? panels : split;
        if (step.batch)
            phase(&step);
    }
}

static float sum_of(const scene *s, int64_t row, int gate, int64_t u, float start, const float *factor)
{
    const float *r = (const float *)s->raw_r.data + (gate * s->hidden + u) * s->hidden;
    for (int64_t k = 0; k < s->hidden; k++)
        start = level_fma(s->t, factor[k], r[k], start);
    (void)row;
    return start;
}

/* X.W + bias of one gate */
static float input_of(const scene *s, int64_t row, int gate, int64_t u)
{
    int64_t lanes = s->lw.gates > 1 ? s->lw.units : s->lw.padded;
    int64_t col = u / lanes * lanes * s->lw.gates + gate * lanes + u % lanes;
    if (!s->use_w)
        return s->rows[row].pre[col];
    float x = ((const float *)s->bias.data)[col];
    const float *w = (const float *)s->raw_w.data + (gate * s->hidden + u) * s->input;
    for (int64_t k = 0; k < s->input; k++)
        x = level_fma(s->t, s->rows[row].x[k], w[k], x);
    return x;
}

/* Activation f, g or h of a scene's own, or the default one: sigmoid for f (RNN: tanh). */
static float activated(const scene *s, int which, float x)
{
    const kernel_activation usual = {which == 0 && s->kind != RNN ? KERNEL_SIGMOID : KERNEL_TANH, 0, 0};
    const kernel_activation *f = s->own_f ? &s->f[which] : &usual;
    float clip = s->own_f && which == 2 ? s->clip_h : s->clip, y;
    x = x < -clip ? -clip : x > clip ? clip : x;
    switch (f->function) {
    case KERNEL_SIGMOID:
        s->t->gate_sigmoid(&x, &y, 1);
        return y;
    case KERNEL_TANH:
        s->t->gate_tanh(&x, &y, 1);
        return y;
    case KERNEL_HARD_SIGMOID:
        y = level_fma(s->t, f->alpha, x, f->beta);
        return y < 0 ? 0 : y > 1 ? 1 : y;
    case KERNEL_SOFTSIGN:
        return isinf(x) ? copysignf(1, x) : x / (1 + fabsf(x));
    case KERNEL_RELU:
        break;
    }
    return x < 0 ? 0 : x;
}

/* One unit: gates in the file's order, new c and h. */
static void unit_of(const scene *s, int64_t row, int64_t u, const float *rh, float *gate, float *c, float *h)
{
    const float *old = s->rows[row].h, *peep = s->peephole.data;
    int64_t padded = s->lr.padded;
    float v[4];
    if (s->kind == LSTM) {
        for (int g = 0; g < 4; g++)
            v[g] = sum_of(s, row, g, u, input_of(s, row, g, u), old);
        if (s->use_peephole) {
            v[0] = level_fma(s->t, peep[u], *c, v[0]);
            v[2] = level_fma(s->t, peep[2 * padded + u], *c, v[2]);
        }
        gate[0] = activated(s, 0, v[0]);
        gate[2] = s->flags & KERNEL_STEP_INPUT_FORGET ? 1.0f - gate[0] : activated(s, 0, v[2]);
        gate[3] = activated(s, 1, v[3]);
        *c = level_fma(s->t, gate[2], *c, gate[0] * gate[3]);
        if (s->use_peephole)
            v[1] = level_fma(s->t, peep[padded + u], *c, v[1]);
        gate[1] = activated(s, 0, v[1]);
        *h = gate[1] * activated(s, 2, *c);
    } else if (s->kind == RNN) {
        v[0] = sum_of(s, row, 0, u, input_of(s, row, 0, u), old);
        *h = gate[0] = activated(s, 0, v[0]);
    } else {
        gate[0] = activated(s, 0, sum_of(s, row, 0, u, input_of(s, row, 0, u), old));
        gate[1] = activated(s, 0, sum_of(s, row, 1, u, input_of(s, row, 1, u), old));
        float xh = input_of(s, row, 2, u);
        if (s->kind == GRU)
            gate[2] = activated(s, 1, level_fma(s->t, gate[1], sum_of(s, row, 2, u, ((const float *)s->rbh.data)[u], old), xh));
        else
            gate[2] = rh ? activated(s, 1, sum_of(s, row, 2, u, xh, rh)) : 0;
        *h = level_fma(s->t, gate[0], old[u], (1.0f - gate[0]) * gate[2]);
    }
}

static void expect(const scene *s, const char *what, int64_t row, int64_t u, float got, float want)
{
    if (first_difference(&got, &want, 1) >= 0)
        family_fail("%s: H %lld I %lld B %lld flags %u own %d w %d row %lld unit %lld: %.9g, expected %.9g", what, (long long)s->hidden,
                    (long long)s->input, (long long)s->batch, s->flags, s->own_f, s->use_w, (long long)row, (long long)u, (double)got, (double)want);
}

static void check_row(const scene *s, int64_t row)
{
    const kernel_step_row *r = &s->rows[row];
    int64_t padded = s->lr.padded;
    float rh[128], gate[4], h, c = 0;
    for (int64_t u = 0; u < s->hidden && s->kind == GRU_RESET; u++) {
        unit_of(s, row, u, NULL, gate, &c, &h);
        rh[u] = gate[1] * r->h[u];
    }
    for (int64_t u = 0; u < s->hidden; u++) {
        c = ((const float *)s->c.data)[row * padded + u];
        unit_of(s, row, u, rh, gate, &c, &h);
        expect(s, "h", row, u, r->h_new[u], h);
        if (r->y)
            expect(s, "y", row, u, r->y[u], h);
        if (r->c)
            expect(s, "c", row, u, r->c[u], c);
        int64_t lanes = s->lw.gates > 1 ? s->lw.units : padded;
        for (int g = 0; r->gates && g < s->lw.gates; g++)
            expect(s, "gate", row, u, r->gates[u / lanes * lanes * s->lw.gates + g * lanes + u % lanes], gate[g]);
    }
}

void test_steps(const kernel_table *t)
{
    static const char *const names[] = {"step_lstm, bits", "step_gru, bits", "step_gru_reset and _candidate, bits", "step_rnn, bits"};
    static scene s;
    for (cell_kind kind = LSTM; kind <= RNN; kind++) {
        family_begin(names[kind], t);
        for (int round = 0; round < ROUNDS; round++) {
            scene_new(&s, t, kind);
            if (kind == GRU_RESET) {
                run_phase(&s, t->step_gru_reset, s.lr.panels);
                run_phase(&s, t->step_gru_candidate, s.lrc.panels);
            } else {
                run_phase(&s, kind == LSTM ? t->step_lstm : kind == GRU ? t->step_gru : t->step_rnn, s.lr.panels);
            }
            for (int64_t row = 0; row < s.batch; row++)
                check_row(&s, row);
            scene_free(&s);
        }
        family_end();
    }
}
