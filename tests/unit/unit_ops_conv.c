/* Conv, ConvTranspose and the pools against plain loops over random shapes: strides, dilations, asymmetric padding, groups, one to
 * three dimensions; both arrangements of a convolution give the same bits. */
#include "unit_main.h"

#include "model_text.h"
#include "ops_harness.h"
#include "tensor/tensor.h"
#include "util/alloc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed;
static int64_t pick(int64_t low, int64_t high) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return low + (int64_t)(seed >> 33) % (high - low + 1);
}
static float *noise(int64_t n) {
    float *x = malloc(((size_t)n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = (float)pick(-1000, 1000) / 500;
    return x;
}

/* Always three spatial dimensions; those in front of the last nd have size 1. */
typedef struct geometry {
    int nd;
    int64_t batch, groups, cin, cout;           /* of one group */
    int64_t in[3], kernel[3], stride[3], dilation[3], begin[3], end[3], out[3], extra[3];
    bool bias, transposed;
    clstm_type type;
} geometry;

static geometry random_geometry(bool transposed) {
    geometry g = {.nd = (int)pick(1, 3), .batch = pick(1, 2), .groups = pick(1, 3), .cin = pick(1, 5), .cout = pick(1, 19), .bias = pick(0, 1) != 0, .transposed = transposed,
                  .type = pick(0, 3) ? CLSTM_FLOAT : CLSTM_DOUBLE};
    if (pick(0, 2) == 0) g.cin = g.cout = 1;        /* depthwise */
    for (int d = 0; d < 3; d++) {
        bool there = d >= 3 - g.nd;
        g.in[d] = there ? pick(1, d == 2 ? 40 : 6) : 1;
        g.kernel[d] = there ? pick(1, 4) : 1;
        g.stride[d] = there ? pick(1, 3) : 1;
        g.dilation[d] = there ? pick(1, 3) : 1;
        int64_t span = (g.kernel[d] - 1) * g.dilation[d] + 1;
        g.begin[d] = there ? pick(0, 3) : 0;
        g.end[d] = there ? pick(0, 3) : 0;
        if (transposed) {
            g.extra[d] = there && g.stride[d] > 1 ? pick(0, g.stride[d] - 1) : 0;
            g.out[d] = g.stride[d] * (g.in[d] - 1) + g.extra[d] + span - g.begin[d] - g.end[d];
            if (g.out[d] < 1) { g.out[d] += g.begin[d] + g.end[d]; g.begin[d] = g.end[d] = 0; }
        } else {
            if (g.in[d] + g.begin[d] + g.end[d] < span) g.in[d] = span;
            g.out[d] = (g.in[d] + g.begin[d] + g.end[d] - span) / g.stride[d] + 1;
        }
    }
    return g;
}

static int64_t volume(const int64_t *n) { return n[0] * n[1] * n[2]; }
static int64_t at3(const int64_t *n, int64_t a, int64_t b, int64_t c) { return (a * n[1] + b) * n[2] + c; }

static void plain_conv(const geometry *g, const float *x, const float *w, const float *bias, double *y) {
    int64_t vi = volume(g->in), vo = volume(g->out), vk = volume(g->kernel);
    for (int64_t n = 0; n < g->batch; n++)
        for (int64_t gr = 0; gr < g->groups; gr++)
            for (int64_t o = 0; o < g->cout; o++) {
                int64_t channel = gr * g->cout + o;
                double *to = y + (n * g->groups * g->cout + channel) * vo;
                for (int64_t i = 0; i < vo; i++) to[i] = bias ? (double)bias[channel] : 0;
                for (int64_t i = 0; i < g->cin; i++) {
                    const float *from = x + (n * g->groups * g->cin + gr * g->cin + i) * vi;
                    const float *k = w + (g->transposed ? (gr * g->cin + i) * g->cout + o : channel * g->cin + i) * vk;
                    const int64_t *grid = g->transposed ? g->in : g->out;
                    for (int64_t p = 0; p < volume(grid); p++)
                        for (int64_t t = 0; t < vk; t++) {
                            int64_t at[3] = {p / (grid[1] * grid[2]), p / grid[2] % grid[1], p % grid[2]}, kk[3] = {t / (g->kernel[1] * g->kernel[2]), t / g->kernel[2] % g->kernel[1], t % g->kernel[2]}, q[3];
                            bool inside = true;
                            for (int d = 0; d < 3; d++) {
                                q[d] = at[d] * g->stride[d] + kk[d] * g->dilation[d] - g->begin[d];
                                inside &= q[d] >= 0 && q[d] < (g->transposed ? g->out : g->in)[d];
                            }
                            if (!inside) continue;
                            if (g->transposed) to[at3(g->out, q[0], q[1], q[2])] += (double)from[p] * (double)k[t];
                            else to[p] += (double)from[at3(g->in, q[0], q[1], q[2])] * (double)k[t];
                        }
                }
            }
}

static void shape_of(int64_t *dims, int64_t n, int64_t c, const int64_t *spatial, int nd) {
    dims[0] = n;
    dims[1] = c;
    for (int i = 0; i < nd; i++) dims[2 + i] = spatial[3 - nd + i];
}

/* The numbers as they are or, for double, in room that the caller frees. */
static void *numbers(const geometry *g, const float *x, int64_t n) {
    double *d = malloc(((size_t)n + 1) * sizeof *d);
    for (int64_t i = 0; i < n; i++) {
        if (g->type == CLSTM_DOUBLE) d[i] = (double)x[i];
        else ((float *)d)[i] = x[i];
    }
    return d;
}

static ops_case *new_case(const geometry *g, const void *x, const void *w, const void *bias) {
    ops_case *c = ops_case_new(g->transposed ? "ConvTranspose" : "Conv", "", 11, g->bias ? 3 : 2, 1);
    int64_t dims[5], pads[6];
    shape_of(dims, g->batch, g->groups * g->cin, g->in, g->nd);
    ops_case_input(c, 0, g->type, 2 + g->nd, dims, x);
    shape_of(dims, g->groups * (g->transposed ? g->cin : g->cout), g->transposed ? g->cout : g->cin, g->kernel, g->nd);
    ops_case_input(c, 1, g->type, 2 + g->nd, dims, w);
    dims[0] = g->groups * g->cout;
    if (g->bias) ops_case_input(c, 2, g->type, 1, dims, bias);
    for (int i = 0; i < g->nd; i++) {
        pads[i] = g->begin[3 - g->nd + i];
        pads[g->nd + i] = g->end[3 - g->nd + i];
    }
    ops_case_ints(c, "pads", pads, 2 * (size_t)g->nd);
    ops_case_ints(c, "strides", g->stride + 3 - g->nd, (size_t)g->nd);
    ops_case_ints(c, "dilations", g->dilation + 3 - g->nd, (size_t)g->nd);
    ops_case_int(c, "group", g->groups);
    if (g->transposed) ops_case_ints(c, "output_padding", g->extra + 3 - g->nd, (size_t)g->nd);
    return c;
}

START_TEST(conv_random)
{
    seed = (uint64_t)_i + 1;
    geometry g = random_geometry(_i & 1);
    int64_t vo = volume(g.out), made = g.batch * g.groups * g.cout * vo;
    float *x = noise(g.batch * g.groups * g.cin * volume(g.in)), *w = noise(g.groups * g.cin * g.cout * volume(g.kernel)), *bias = noise(g.groups * g.cout);
    double *y = malloc(((size_t)made + 1) * sizeof *y);
    plain_conv(&g, x, w, g.bias ? bias : NULL, y);
    void *in[3] = {numbers(&g, x, g.batch * g.groups * g.cin * volume(g.in)), numbers(&g, w, g.groups * g.cin * g.cout * volume(g.kernel)), numbers(&g, bias, g.groups * g.cout)};
    ops_case *live = new_case(&g, in[0], in[1], in[2]), *fixed = new_case(&g, in[0], in[1], in[2]);
    fixed->constant[1] = true;
    ck_assert_msg(ops_case_run(live) == CLSTM_OK, "%s", live->err.message);
    ck_assert_msg(ops_case_run(fixed) == CLSTM_OK, "%s", fixed->err.message);
    const clstm_tensor *t = &live->out[0].tensor;
    int64_t dims[5];
    shape_of(dims, g.batch, g.groups * g.cout, g.out, g.nd);
    for (int d = 0; d < 2 + g.nd; d++) ck_assert_int_eq(t->dims[d], dims[d]);
    for (int64_t i = 0; i < made; i++)
        ck_assert_double_eq_tol(g.type == CLSTM_DOUBLE ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i], y[i], g.type == CLSTM_DOUBLE ? 1e-10 : 1e-4);
    ck_assert_mem_eq(t->data, fixed->out[0].tensor.data, (size_t)made * clstm_type_size(g.type));
    ck_assert(!fixed->twice_differs);
    ops_case_free(live);
    ops_case_free(fixed);
    for (int i = 0; i < 3; i++) free(in[i]);
    free(x); free(w); free(bias); free(y);
}
END_TEST

/* ---- inputs of many tiles ----------------------------------------------------------------------------------------------------------- */

/* One or two dimensions whose padded copy is cut into bands of rows or, where those are long, into runs of a row. */
static geometry large_geometry(void) {
    geometry g = {.nd = (int)pick(1, 2), .batch = 1, .groups = 1, .cin = pick(1, 30), .cout = pick(1, 40), .bias = pick(0, 1) != 0, .type = CLSTM_FLOAT};
    for (int d = 0; d < 3; d++) {
        bool there = d >= 3 - g.nd;
        g.in[d] = !there ? 1 : g.nd == 1 ? pick(2000, 9000) : d == 1 ? pick(20, 70) : pick(5, 400);
        g.kernel[d] = there ? pick(1, 5) : 1;
        g.stride[d] = there ? pick(1, 3) : 1;
        g.dilation[d] = there ? pick(1, 2) : 1;
        int64_t span = (g.kernel[d] - 1) * g.dilation[d] + 1;
        g.begin[d] = there ? pick(0, 3) : 0;
        g.end[d] = there ? pick(0, 3) : 0;
        if (g.in[d] + g.begin[d] + g.end[d] < span) g.in[d] = span;
        g.out[d] = (g.in[d] + g.begin[d] + g.end[d] - span) / g.stride[d] + 1;
    }
    return g;
}

/* Every output at one place is, bit for bit, what its window alone gives, whose one position takes packed weights. */
static void check_window(const geometry *g, const float *x, const float *w, const float *bias, const float *y, const int64_t *at) {
    geometry one = *g;
    for (int d = 0; d < 3; d++) {
        one.in[d] = (g->kernel[d] - 1) * g->dilation[d] + 1;
        one.begin[d] = one.end[d] = 0;
        one.out[d] = 1;
    }
    float *window = calloc((size_t)(g->cin * volume(one.in)) + 1, sizeof *window);
    for (int64_t ch = 0; ch < g->cin; ch++)
        for (int64_t i = 0; i < volume(one.in); i++) {
            int64_t in[3] = {i / (one.in[1] * one.in[2]), i / one.in[2] % one.in[1], i % one.in[2]};
            bool inside = true;
            for (int d = 0; d < 3; d++) {
                in[d] += at[d] * g->stride[d] - g->begin[d];
                inside &= in[d] >= 0 && in[d] < g->in[d];
            }
            if (inside) window[ch * volume(one.in) + i] = x[ch * volume(g->in) + at3(g->in, in[0], in[1], in[2])];
        }
    ops_case *c = new_case(&one, window, w, bias);
    c->constant[1] = true;
    ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message);
    for (int64_t o = 0; o < g->cout; o++)
        ck_assert_mem_eq(&((const float *)c->out[0].tensor.data)[o], &y[o * volume(g->out) + at3(g->out, at[0], at[1], at[2])], sizeof *y);
    ops_case_free(c);
    free(window);
}

START_TEST(conv_large)
{
    seed = 7000 + (uint64_t)_i;
    geometry g = large_geometry();
    float *x = noise(g.cin * volume(g.in)), *w = noise(g.cin * g.cout * volume(g.kernel)), *bias = noise(g.cout);
    ops_case *c = new_case(&g, x, w, bias);
    c->constant[1] = pick(0, 1) != 0;
    ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message);
    for (int i = 0; i < 30; i++) {
        int64_t at[3];
        for (int d = 0; d < 3; d++) at[d] = i == 0 ? 0 : i == 1 ? g.out[d] - 1 : pick(0, g.out[d] - 1);
        check_window(&g, x, w, bias, c->out[0].tensor.data, at);
    }
    ops_case_free(c);
    free(x); free(w); free(bias);
}
END_TEST

/* Threads share the tiles, and each finishes its own with what was fused. */
START_TEST(tiles_of_threads)
{
    static const struct { const char *x, *nodes; int rank; int64_t dims[4]; } cases[] = {
        {"x:f[1,8,40,300]", "Conv x,w > c pads=1,1,1,1", 4, {1, 8, 40, 300}}, {"x:f[1,8,3,12000]", "Conv x,w > c pads=1,2,1,0", 4, {1, 8, 3, 12000}},
        {"x:f[1,8,50,90]", "Conv x,w > c pads=1,1,1,1 strides=2,1", 4, {1, 8, 50, 90}}, {"x:f[1,8,200,31]", "Conv x,w > c", 4, {1, 8, 200, 31}}};
    char nodes[4000];
    int n = sprintf(nodes, "w = f[4,8,3,3] ");
    seed = 3;
    for (int i = 0; i < 4 * 8 * 9; i++) n += sprintf(nodes + n, "%s%.3f", i ? "," : "", (double)pick(-1000, 1000) / 1000);
    sprintf(nodes + n, "; %s; Sigmoid c > y", cases[_i].nodes);
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, cases[_i].rank, cases[_i].dims, NULL), whole = {0};
    float *x = noise(clstm_tensor_count(&in));
    in.data = x;
    model_text t[3];
    for (int i = 0; i < 3; i++) {
        clstm_session_options o;
        clstm_session_options_default(&o);
        o.threads = i == 1 ? 3 : 1;
        o.no_optimise = i == 0;
        t[i] = model_text_load(model_text_graph(cases[_i].x, "y:f", nodes, NULL), &o);
        ck_assert_msg(!clstm_session_set_input(t[i].session, 0, &in, &t[i].err) && !clstm_session_run(t[i].session, &t[i].err), "%s", t[i].err.message);
        const clstm_tensor *y = &clstm_session_output(t[i].session, 0)->tensor;
        if (i == 0) whole = *y;
        ck_assert_mem_eq(y->data, whole.data, (size_t)clstm_tensor_count(y) * sizeof(float));
    }
    for (int i = 0; i < 3; i++) model_text_done(&t[i]);
    free(x);
}
END_TEST

/* A neighbour in the batch, or positions more, never change a bit: chunks of a stream equal the whole. */
START_TEST(conv_position_free)
{
    seed = 99 + (uint64_t)_i;
    enum { WHOLE = 70, CIN = 3, COUT = 17, K = 3 };
    static const int64_t lengths[] = {3, 4, 17, 40, 70};
    int64_t n = lengths[_i];
    float *x = noise(CIN * WHOLE), *w = noise(COUT * CIN * K), *part = malloc((size_t)(CIN * n) * sizeof *part);
    for (int64_t c = 0; c < CIN; c++) memcpy(part + c * n, x + c * WHOLE, (size_t)n * sizeof *part);
    ops_case *a = ops_case_new("Conv", "", 11, 2, 1), *b = ops_case_new("Conv", "", 11, 2, 1);
    ops_case_input(a, 0, CLSTM_FLOAT, 3, (int64_t[]){1, CIN, WHOLE}, x);
    ops_case_input(a, 1, CLSTM_FLOAT, 3, (int64_t[]){COUT, CIN, K}, w);
    ops_case_input(b, 0, CLSTM_FLOAT, 3, (int64_t[]){1, CIN, n}, part);
    ops_case_input(b, 1, CLSTM_FLOAT, 3, (int64_t[]){COUT, CIN, K}, w);
    a->constant[1] = b->constant[1] = true;
    ck_assert_int_eq(ops_case_run(a), CLSTM_OK);
    ck_assert_int_eq(ops_case_run(b), CLSTM_OK);
    const float *ya = a->out[0].tensor.data, *yb = b->out[0].tensor.data;
    for (int64_t o = 0; o < COUT; o++) ck_assert_mem_eq(ya + o * (WHOLE - K + 1), yb + o * (n - K + 1), (size_t)(n - K + 1) * sizeof *ya);
    ops_case_free(a);
    ops_case_free(b);
    free(x); free(w); free(part);
}
END_TEST

/* CausalConvWithState in pieces, each with the state that the one before gave, is the whole bit for bit; a piece may be shorter than
 * the state. */
START_TEST(causal_pieces)
{
    enum { C = 3, N = 37, K = 5, KEEP = K - 1 };
    static const int64_t pieces[][5] = {{37}, {1, 36}, {2, 1, 3, 31}, {20, 17}, {8, 8, 8, 8, 5}};
    seed = 11;
    float *x = noise(C * N), *w = noise(C * K), *bias = noise(C), *whole = malloc(C * N * sizeof *whole), state[C * KEEP] = {0}, part[C * N];
    for (int p = 0; p <= _i; p += _i ? _i : 1) {
        memset(state, 0, sizeof state);
        for (int64_t k = 0, at = 0; k < 5 && pieces[p][k]; at += pieces[p][k++]) {
            int64_t n = pieces[p][k];
            for (int64_t c = 0; c < C; c++) memcpy(part + c * n, x + c * N + at, (size_t)n * sizeof *part);
            ops_case *c = ops_case_new("CausalConvWithState", "", 27, 4, 2);
            ops_case_input(c, 0, CLSTM_FLOAT, 3, (int64_t[]){1, C, n}, part);
            ops_case_input(c, 1, CLSTM_FLOAT, 3, (int64_t[]){C, 1, K}, w);
            ops_case_input(c, 2, CLSTM_FLOAT, 1, (int64_t[]){C}, bias);
            ops_case_input(c, 3, CLSTM_FLOAT, 3, (int64_t[]){1, C, KEEP}, state);
            ops_case_string(c, "activation", "silu");
            ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message);
            const float *y = c->out[0].tensor.data;
            if (p == 0) memcpy(whole, y, C * N * sizeof *whole);
            for (int64_t ch = 0; ch < C; ch++) ck_assert_mem_eq(y + ch * n, whole + ch * N + at, (size_t)n * sizeof *y);
            memcpy(state, c->out[1].tensor.data, sizeof state);
            ops_case_free(c);
        }
    }
    double sum = (double)bias[0];       /* one element by hand, so that the whole is right too */
    for (int k = 0; k < K; k++) sum += (double)w[k] * (double)x[10 - KEEP + k];
    ck_assert_double_eq_tol((double)whole[10], sum / (1 + exp(-sum)), 1e-5);
    free(x); free(w); free(bias); free(whole);
}
END_TEST

/* ---- ConvTranspose: output_shape and auto_pad ------------------------------------------------------------------------------------------ */

static const struct { const char *mode; int64_t shape, begin; } shapes[] = {
    {"NOTSET", 8, 0}, {"NOTSET", 9, 0}, {"NOTSET", 7, 1}, {"SAME_UPPER", 0, 0}, {"SAME_LOWER", 0, 1}, {"SAME_UPPER", 6, 1}, {"SAME_LOWER", 6, 2},
};
/* x of 4, kernel 3, stride 2: 9 in all; what is cut off shows in which impulse responses remain. */
START_TEST(transposed_shape)
{
    static const float x[4] = {1, 10, 100, 1000}, w[3] = {1, 2, 3}, full[9] = {1, 2, 13, 20, 130, 200, 1300, 2000, 3000};
    ops_case *c = ops_case_new("ConvTranspose", "", 11, 2, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 3, (int64_t[]){1, 1, 4}, x);
    ops_case_input(c, 1, CLSTM_FLOAT, 3, (int64_t[]){1, 1, 3}, w);
    ops_case_ints(c, "strides", (int64_t[]){2}, 1);
    ops_case_string(c, "auto_pad", shapes[_i].mode);
    if (shapes[_i].shape) ops_case_ints(c, "output_shape", &shapes[_i].shape, 1);
    ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message);
    int64_t n = shapes[_i].shape ? shapes[_i].shape : 8, begin = shapes[_i].begin;
    if (!strcmp(shapes[_i].mode, "NOTSET")) begin = (9 - n) - (9 - n) / 2;      /* the standard: the odd one in front */
    ck_assert_int_eq(c->out[0].tensor.dims[2], n);
    for (int64_t i = 0; i < n; i++) ck_assert_float_eq(((const float *)c->out[0].tensor.data)[i], full[begin + i]);
    ops_case_free(c);
}
END_TEST

/* Two nodes share weights but not padding, so their phases read other taps of them: the second output is the first one's middle. */
START_TEST(transposed_sharing)
{
    seed = 5;
    enum { CIN = 4, COUT = 32, K = 4, N = 3, WHOLE = 2 * (N - 1) + K };
    char nodes[1 << 14], *s = nodes;
    float *w = noise(CIN * COUT * K), *x = noise(CIN * N);
    s += sprintf(s, "w = f[%d,%d,%d] ", CIN, COUT, K);
    for (int i = 0; i < CIN * COUT * K; i++) s += sprintf(s, "%s%.4f", i ? "," : "", (double)w[i]);
    sprintf(s, "; ConvTranspose x,w > y strides=2, pads=0,0; ConvTranspose x,w > z strides=2, pads=1,1");
    model_text t = model_text_load(model_text_graph("x:f[1,4,3]", "y:f z:f", nodes, NULL), NULL);
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, CIN, N}, x);
    ck_assert_int_eq(clstm_session_set_input(t.session, 0, &in, &t.err), CLSTM_OK);
    ck_assert_msg(clstm_session_run(t.session, &t.err) == CLSTM_OK, "%s", t.err.message);
    const float *y = clstm_session_output(t.session, 0)->tensor.data, *z = clstm_session_output(t.session, 1)->tensor.data;
    for (int o = 0; o < COUT; o++) ck_assert_mem_eq(y + o * WHOLE + 1, z + o * (WHOLE - 2), (WHOLE - 2) * sizeof *y);
    model_text_done(&t);
    free(w);
    free(x);
}
END_TEST

static const struct { const char *attr; int64_t v[4]; size_t n; const char *words; } wrong[] = {
    {"strides", {0}, 1, "strides"},          {"pads", {1}, 1, "pads"},       {"dilations", {-1}, 1, "dilations"},
    {"kernel_shape", {4}, 1, "kernel_shape"}, {"strides", {1, 1}, 2, "strides"}, {"dilations", {9}, 1, "does not fit"},
};
START_TEST(conv_refused)
{
    static const float x[5], w[3];
    ops_case *c = ops_case_new("Conv", "", 11, 2, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 3, (int64_t[]){1, 1, 5}, x);
    ops_case_input(c, 1, CLSTM_FLOAT, 3, (int64_t[]){1, 1, 3}, w);
    ops_case_ints(c, wrong[_i].attr, wrong[_i].v, wrong[_i].n);
    ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_MODEL);
    ck_assert_msg(strstr(c->err.message, wrong[_i].words) != NULL, "%s", c->err.message);
    ops_case_free(c);
}
END_TEST

/* ---- pools ------------------------------------------------------------------------------------------------------------------------------------- */

/* Windows over 1..6, kernel 3, stride 2; ceil_mode adds a window that is cut off at the end, count_include_pad counts padding but
 * nothing beyond it; a window that would start in the padding behind is left out. */
static const struct { const char *op; int64_t pads[2]; int ceil, count, n; float y[5]; } pools[] = {
    {"AveragePool", {0, 0}, 0, 0, 2, {2, 4}},
    {"AveragePool", {0, 0}, 1, 0, 3, {2, 4, 5.5f}},
    {"AveragePool", {0, 0}, 1, 1, 3, {2, 4, 5.5f}},
    {"AveragePool", {1, 0}, 0, 1, 3, {1, 3, 5}},
    {"AveragePool", {1, 0}, 0, 0, 3, {1.5f, 3, 5}},
    {"AveragePool", {1, 1}, 1, 1, 4, {1, 3, 5, 3}},
    {"MaxPool", {0, 0}, 1, 0, 3, {3, 5, 6}},
    {"MaxPool", {2, 0}, 0, 0, 3, {1, 3, 5}},
    {"LpPool", {0, 1}, 0, 0, 3, {14, 50, 61}},
};
START_TEST(pool_edges)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    bool lp = pools[_i].op[0] == 'L';
    ops_case *c = ops_case_new(pools[_i].op, "", 19, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 3, (int64_t[]){1, 1, 6}, x);
    ops_case_ints(c, "kernel_shape", (int64_t[]){3}, 1);
    ops_case_ints(c, "strides", (int64_t[]){2}, 1);
    ops_case_ints(c, "pads", pools[_i].pads, 2);
    ops_case_int(c, "ceil_mode", pools[_i].ceil);
    if (pools[_i].op[0] == 'A') ops_case_int(c, "count_include_pad", pools[_i].count);
    ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message);
    ck_assert_int_eq(c->out[0].tensor.dims[2], pools[_i].n);
    for (int i = 0; i < pools[_i].n; i++)
        ck_assert_float_eq_tol(((const float *)c->out[0].tensor.data)[i], lp ? sqrtf(pools[_i].y[i]) : pools[_i].y[i], 1e-6f);
    ops_case_free(c);
}
END_TEST

START_TEST(max_pool_nan)
{
    const float x[4] = {1, NAN, 3, -INFINITY};
    ops_case *c = ops_case_new("MaxPool", "", 12, 1, 2);
    ops_case_input(c, 0, CLSTM_FLOAT, 3, (int64_t[]){1, 1, 4}, x);
    ops_case_ints(c, "kernel_shape", (int64_t[]){1}, 1);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    const float *y = c->out[0].tensor.data;
    ck_assert(y[0] == 1 && isnan(y[1]) && y[2] == 3 && isinf(y[3]));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(((const int64_t *)c->out[1].tensor.data)[i], i);
    ops_case_free(c);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("ops_conv");
    unit_add_loop(s, "conv_random", conv_random, 0, 600);
    unit_add_loop(s, "conv_large", conv_large, 0, 60);
    unit_add_loop(s, "tiles_of_threads", tiles_of_threads, 0, 4);
    unit_add_loop(s, "conv_position_free", conv_position_free, 0, 5);
    unit_add_loop(s, "transposed_shape", transposed_shape, 0, (int)(sizeof shapes / sizeof *shapes));
    unit_add_loop(s, "causal_pieces", causal_pieces, 0, 5);
    unit_add(s, "transposed_sharing", transposed_sharing);
    unit_add_loop(s, "conv_refused", conv_refused, 0, (int)(sizeof wrong / sizeof *wrong));
    unit_add_loop(s, "pool_edges", pool_edges, 0, (int)(sizeof pools / sizeof *pools));
    unit_add(s, "max_pool_nan", max_pool_nan);
    return s;
}
