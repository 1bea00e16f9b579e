/* What becomes of a graph: the accounts of clstm_session_graph add up, fused nodes give the bits of those one by one, and the plan cache tells what it built and let go. */
#include "unit_main.h"

#include "model_text.h"

#include "api/api_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clstm_graph graph_of(model_text *t) {
    clstm_graph g;
    ck_assert(clstm_session_graph(t->session, &g));
    ck_assert_uint_eq(g.before, g.after + g.folded + g.unused + g.simplified + g.fused + g.recovered);
    ck_assert_uint_eq(g.arena_bytes, clstm_session_memory(t->session));
    return g;
}

static void prepare(model_text *t, int rank, const int64_t *dims) {
    clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, rank, dims, NULL);
    clstm_status s = clstm_session_set_input(t->session, 0, &x, &t->err);
    if (s == CLSTM_OK) s = clstm_session_prepare(t->session, &t->err);
    ck_assert_msg(s == CLSTM_OK, "%s", t->err.message);
}

/* The arithmetic of shapes, a branch on it and a copy go; so does what nobody reads. */
START_TEST(before_and_after)
{
    pbuf bodies[2] = {model_text_graph("", "a:f", "Neg x > m; Exp m > a", NULL), model_text_graph("", "b:f", "Abs x > l; Sqrt l > k; Exp k > b", NULL)};
    model_text t = model_text_load(model_text_graph("x:f[?,?]", "y:f", "Shape x > s; zero = i[] 0; Gather s,zero > n axis=0; two = i[] 2; Equal n,two > c;"
        "If c > v then_branch=@0 else_branch=@1; Identity v > w; Sin w > unread; Cos w > y", bodies), NULL);
    clstm_graph g;
    ck_assert(!clstm_session_graph(t.session, &g));
    prepare(&t, 2, (int64_t[]){2, 3});
    g = graph_of(&t);
    ck_assert_uint_eq(g.before, 12);
    ck_assert_uint_eq(g.after, 2);              /* Neg with Exp, Cos */
    ck_assert_uint_eq(g.fused, 1);
    ck_assert_uint_eq(g.folded, 7);             /* Shape, Gather, Equal, If and the branch not taken */
    ck_assert_uint_eq(g.unused, 1);
    ck_assert_uint_eq(g.simplified, 1);
    ck_assert_uint_eq(g.calls, 2);
    ck_assert_uint_eq(g.dynamic, 0);
    prepare(&t, 2, (int64_t[]){4, 3});
    ck_assert_uint_eq(graph_of(&t).after, 2);
    model_text_done(&t);
}
END_TEST

/* What changes nothing is not even a view; what does is left. */
START_TEST(nothing_to_do)
{
    static const struct { const char *nodes; size_t after; } models[] = {
        {"Transpose x > a perm=0,1; Neg a > y", 1}, {"Transpose x > a perm=1,0; Neg a > y", 2}, {"Transpose x > a perm=1,0; Transpose a > b perm=1,0; Neg b > y", 1},
        {"Cast x > a to=1; Neg a > y", 1}, {"Cast x > a to=11; Cast a > b to=1; Neg b > y", 3},
        {"s = i[2] 2,3; Reshape x,s > a; Neg a > y", 1}, {"s = i[2] 3,2; Reshape x,s > a; Neg a > y", 2}, {"s = i[2] 3,2; t = i[2] 2,3; Reshape x,s > a; Reshape a,t > b; Neg b > y", 1},
        {"b = i[1] 0; e = i[1] 9; k = i[1] 1; Slice x,b,e,k > a; Neg a > y", 1}, {"b = i[1] 1; e = i[1] 9; k = i[1] 1; Slice x,b,e,k > a; Neg a > y", 2},
        {"b = i[1] -1; e = i[1] -9; k = i[1] 0; s = i[1] -1; Slice x,b,e,k,s > a; Neg a > y", 2},
        {"Dropout x > a; Neg a > y", 1}, {"Concat x > a axis=0; Neg a > y", 1}, {"Identity x > a; Identity a > b; Neg b > y", 1}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        model_text t = model_text_load(model_text_graph("x:f[?,?]", "y:f", models[i].nodes, NULL), NULL);
        prepare(&t, 2, (int64_t[]){2, 3});
        clstm_graph g = graph_of(&t);
        ck_assert_msg(g.after == models[i].after, "%s: %zu", models[i].nodes, g.after);
        model_text_done(&t);
    }
}
END_TEST

/* The constant that the k-th Add of a branch takes. */
static ir_const *added(const ir_graph *body, int k) {
    for (size_t i = 0; i < body->n_nodes; i++)
        if (!strcmp(body->nodes[i]->op_type, "Add") && k-- == 0) return body->nodes[i]->inputs[1]->constant;
    ck_abort_msg("no such Add");
}

/* Both branches reorder the same weights: there is one result, in one place. Another axis or part is another result, with its own numbers. */
START_TEST(weights_folded_once)
{
    enum { N = 64 };
    const char *then_nodes = "Concat w,w > u axis=1; k = i[1] 0; Unsqueeze u,k > v; Add x,v > a";
    const char *else_nodes = "Concat w,w > u2 axis=1; k2 = i[1] 0; Unsqueeze u2,k2 > v2; Add x,v2 > e; Concat w,w > p axis=0; "
        "to = i[3] 1,64,128; Reshape p,to > q; Add e,q > f; Concat w2,w2 > r axis=1; Add f,r > b";
    pbuf bodies[2] = {model_text_graph("", "a:f", then_nodes, NULL), model_text_graph("", "b:f", else_nodes, NULL)};
    model_text t = model_text_load(model_text_graph("x:f[1] c:b[]", "y:f", "from = f[] 0; end = f[] 8192; one = f[] 1; Range from,end,one > n; shape = i[3] 2,64,64; "
        "Reshape n,shape > ws; i0 = i[] 0; i1 = i[] 1; Gather ws,i0 > w axis=0; Gather ws,i1 > w2 axis=0; If c > y then_branch=@0 else_branch=@1", bodies), NULL);
    const ir_graph *g = t.model->onnx.graph;
    ck_assert_uint_eq(g->n_nodes, 1);
    ir_graph *const *branch = g->nodes[0]->bodies;
    ir_const *same = added(branch[0], 0), *other[2] = {added(branch[1], 1), added(branch[1], 2)};
    ck_assert_ptr_nonnull(same);
    ck_assert_ptr_eq(added(branch[1], 0), same);
    ck_assert_ptr_ne(other[0], same);
    ck_assert_ptr_ne(other[1], same);
    for (int k = 0; k < 3; k++) {
        const void *data;
        ck_assert_int_eq(ir_const_data(k ? other[k - 1] : same, &data, &t.err), CLSTM_OK);
        const float *f = data;
        for (int i = 0; i < 2 * N * N; i++) {
            int row = k == 1 ? i / N % N : i / (2 * N), at = i % N, first = k == 2 ? N * N : 0;
            ck_assert_msg(f[i] == (float)(first + row * N + at), "constant %d [%d]: %g", k, i, (double)f[i]);
        }
    }
    for (size_t i = 0; i < g->n_values; i++) ck_assert_ptr_null(g->values[i]->constant);       /* ws, w and w2 are read by nothing now */
    model_text_done(&t);
}
END_TEST

/* Of a shape alone nothing is known but the shape: two of them are two results. */
START_TEST(shapes_folded_apart)
{
    model_text t = model_text_load(model_text_graph("x:f[64,64] a:f[100,100]", "y:f b:f", "EyeLike x > p; EyeLike a > q; Add x,p > y; Add a,q > b", NULL), NULL);
    static float x[64 * 64], a[100 * 100];
    clstm_tensor tx = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){64, 64}, x), ta = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){100, 100}, a);
    clstm_status s = clstm_session_set_input(t.session, 0, &tx, &t.err);
    if (s == CLSTM_OK) s = clstm_session_set_input(t.session, 1, &ta, &t.err);
    if (s == CLSTM_OK) s = clstm_session_run(t.session, &t.err);
    ck_assert_msg(s == CLSTM_OK, "%s", t.err.message);
    const float *y = clstm_session_output(t.session, 0)->tensor.data, *b = clstm_session_output(t.session, 1)->tensor.data;
    for (int i = 0; i < 64 * 64; i++) ck_assert_float_eq(y[i], (float)(i % 65 == 0));
    for (int i = 0; i < 100 * 100; i++) ck_assert_float_eq(b[i], (float)(i % 101 == 0));
    model_text_done(&t);
}
END_TEST

/* The same graph as it stands: every node is a call. */
START_TEST(interpreted)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = true;
    model_text t = model_text_load(model_text_graph("x:f[?]", "y:f", "Neg x > a; Exp a > y", NULL), &o);
    prepare(&t, 1, (int64_t[]){3});
    clstm_graph g = graph_of(&t);
    ck_assert_uint_eq(g.calls, 2);
    ck_assert_uint_eq(g.dynamic, 2);
    model_text_done(&t);
}
END_TEST

static clstm_plan_cache plans_of(const model_text *t) {
    clstm_plan_cache c;
    clstm_session_plans(t->session, &c);
    return c;
}

/* The plan not used for longest gives way, and is built anew when its shape comes back. */
START_TEST(evictions)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    ck_assert_int_eq(o.plan_cache, 8);
    o.plan_cache = 2;
    model_text t = model_text_load(model_text_graph("x:f[?]", "y:f", "Neg x > y", NULL), &o);
    static const struct { int64_t n; size_t kept; uint64_t built, evicted; } turns[] = {
        {1, 1, 1, 0}, {2, 2, 2, 0}, {1, 2, 2, 0}, {3, 2, 3, 1} /* 2 goes */, {1, 2, 3, 1}, {2, 2, 4, 2} /* 3 goes */, {1, 2, 4, 2}, {3, 2, 5, 3}};
    ck_assert_uint_eq(plans_of(&t).kept, 0);
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        prepare(&t, 1, &turns[i].n);
        clstm_plan_cache c = plans_of(&t);
        ck_assert_uint_eq(c.kept, turns[i].kept);
        ck_assert_uint_eq(c.most, 2);
        ck_assert_uint_eq(c.built, turns[i].built);
        ck_assert_uint_eq(c.evicted, turns[i].evicted);
    }
    model_text_done(&t);
}
END_TEST

/* ---- fusion ------------------------------------------------------------------------------------------------------------------------ */

enum { MOST = 4096 };

/* A constant of made-up numbers is written as "W = f[DIMS] ?" in the models below. */
static void put_constants(const char *nodes, char *out, size_t size) {
    size_t n = 0;
    unsigned seed = 5;
    for (const char *s = nodes; *s && n + 16 < size; s++) {
        if (*s != '?') { out[n++] = *s; continue; }
        int count = 1;
        const char *dims = s;
        while (*dims != '[') dims--;
        for (char *d = (char *)(uintptr_t)dims + 1; *d != ']'; d += *d == ',') count *= (int)strtol(d, &d, 10);
        for (int i = 0; i < count && n + 16 < size; i++) {
            seed = seed * 1103515245u + 12345u;
            n += (size_t)snprintf(out + n, size - n, "%s%.4f", i ? "," : "", ((double)(seed >> 16 & 1023) - 511.5) / 400);
        }
    }
    ck_assert(n + 16 < size);
    out[n] = 0;
}

/* y of a run on made-up numbers; the graph's accounts where there are any. */
static size_t run_model(const char *nodes, char type, int rank, const int64_t *dims, bool plain, int threads, unsigned char *y, clstm_graph *g) {
    static char text[60000];
    static double room[MOST];
    char in[80], out[8];
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = plain;
    o.threads = threads;
    put_constants(nodes, text, sizeof text);
    snprintf(in, sizeof in, rank == 1 ? "x:%c[?]" : rank == 2 ? "x:%c[?,?]" : rank == 3 ? "x:%c[?,?,?]" : "x:%c[?,?,?,?]", type);
    snprintf(out, sizeof out, "y:%c", type);
    model_text t = model_text_load(model_text_graph(in, out, text, NULL), &o);
    clstm_tensor x = clstm_tensor_view(type == 'f' ? CLSTM_FLOAT : CLSTM_DOUBLE, rank, dims, room);
    for (int64_t i = 0, n = clstm_tensor_count(&x); i < n; i++) {
        double v = (double)((i * 7919 + 13) % 1009) / 300 - 1.7;
        if (type == 'f') ((float *)room)[i] = (float)v;
        else room[i] = v;
    }
    clstm_status s = clstm_session_set_input(t.session, 0, &x, &t.err);
    if (s == CLSTM_OK) s = clstm_session_run(t.session, &t.err);
    ck_assert_msg(s == CLSTM_OK, "%s: %s", nodes, t.err.message);
    *g = graph_of(&t);
    const clstm_tensor *made = &clstm_session_output(t.session, 0)->tensor;
    size_t bytes = (size_t)clstm_tensor_count(made) * clstm_type_size(made->type);
    ck_assert(bytes <= MOST * sizeof(double));
    memcpy(y, made->data, bytes);
    model_text_done(&t);
    return bytes;
}

/* canonical: the same sums from the row on, to which the bits must be equal; NULL: equal to the nodes one by one. */
static const struct fusion { const char *nodes; char type; int rank; int64_t dims[4]; size_t fused; const char *canonical; } fusions[] = {
    {"w = f[5,70] ?; MatMul x,w > m; Relu m > y", 'f', 2, {3, 5}, 1, NULL},
    {"w = f[5,70] ?; MatMul x,w > m; Sigmoid m > y", 'f', 3, {2, 3, 5}, 1, NULL},
    {"w = d[5,7] ?; MatMul x,w > m; Tanh m > y", 'd', 2, {3, 5}, 1, NULL},
    {"w = f[2,5,9] ?; MatMul x,w > m; LeakyRelu m > y alpha=0.3", 'f', 3, {2, 3, 5}, 1, NULL},
    {"w = f[5,70] ?; b = f[70] ?; MatMul x,w > m; Add m,b > y", 'f', 2, {3, 5}, 1, "w = f[5,70] ?; b = f[70] ?; Gemm x,w,b > y"},
    {"w = f[5,70] ?; b = f[1,70] ?; MatMul x,w > m; Add b,m > s; Clip s > y", 'f', 2, {3, 5}, 2, "w = f[5,70] ?; b = f[1,70] ?; Gemm x,w,b > s; Clip s > y"},
    {"w = f[5,70] ?; b = f[70] ?; Gemm x,w > m; Add m,b > s; Tanh s > y", 'f', 2, {3, 5}, 2, "w = f[5,70] ?; b = f[70] ?; Gemm x,w,b > s; Tanh s > y"},
    {"w = f[5,7] ?; b = f[7] ?; Gemm x,w,b > m; Erf m > y", 'f', 2, {3, 5}, 1, NULL},
    {"w = f[5,7] ?; b = f[7] ?; Gemm x,w,b > m alpha=0.5; Erf m > y", 'f', 2, {3, 5}, 1, NULL},
    {"w = f[4,3,3] ?; Conv x,w > c pads=1,1; Relu c > y", 'f', 3, {2, 3, 11}, 1, NULL},
    {"w = f[40,3,3] ?; Conv x,w > c; Sigmoid c > y", 'f', 3, {1, 3, 3}, 1, NULL},
    {"w = f[4,3,3,3] ?; b = f[4] ?; s = f[] 0.2; Conv x,w,b > c; PRelu c,s > y", 'f', 4, {1, 3, 9, 9}, 1, NULL},
    {"w = f[6,1,3,3] ?; lo = f[] -0.5; hi = f[] 1; Conv x,w > c group=6; Clip c,lo,hi > y", 'f', 4, {1, 6, 9, 9}, 1, NULL},
    {"w = f[3,2,3] ?; ConvTranspose x,w > c strides=2,; Tanh c > y", 'f', 3, {1, 3, 6}, 1, NULL},
    {"w = f[4,3,3] ?; b = f[1,4,1] ?; Conv x,w > c; Add c,b > y", 'f', 3, {2, 3, 11}, 1, "w = f[4,3,3] ?; b = f[4] ?; Conv x,w,b > y"},
    {"w = f[9] ?; Add x,w > a; Softplus a > y", 'f', 2, {3, 9}, 1, NULL},
    {"w = f[9] ?; Mul x,w > a; Exp a > y", 'f', 2, {300, 9}, 1, NULL},
    {"Sub x,x > a; k = f[] 2; Mul a,k > b; Neg b > y", 'f', 2, {3, 9}, 1, NULL},
    /* what must stay: a value read twice, a row that is none, another shape, a map of two values */
    {"w = f[5,7] ?; MatMul x,w > m; Relu m > r; Add r,m > y", 'f', 2, {3, 5}, 0, NULL},
    {"w = f[5,7] ?; b = f[3,1] ?; MatMul x,w > m; Add m,b > y", 'f', 2, {3, 5}, 0, NULL},
    {"w = f[5,7] ?; b = f[2,1,7] ?; MatMul x,w > m; Add m,b > y", 'f', 2, {3, 5}, 0, NULL},
    {"w = f[5] ?; b = f[1] ?; MatMul x,w > m; Add m,b > y", 'f', 2, {3, 5}, 1, NULL},
    {"w = f[5,7] ?; MatMul x,w > m; k = f[7] ?; PRelu m,k > y", 'f', 2, {3, 5}, 0, NULL},
    {"w = f[5,7] ?; b = f[7] ?; Gemm x,w > m beta=2.0; Add m,b > y", 'f', 2, {3, 5}, 0, NULL},
    {"w = f[5,7] ?; b = f[7] ?; MatMul x,w > m; Relu m > r; Add r,b > y", 'f', 2, {3, 5}, 1, NULL},
    {"w = f[4,3,3] ?; b = f[9] ?; Conv x,w > c; Add c,b > y", 'f', 3, {2, 3, 11}, 0, NULL},
    {"n = i[2] 5,0; ConstantOfShape n > w; MatMul x,w > m; Relu m > y", 'f', 2, {3, 5}, 1, NULL},
    {"n = i[2] 0,7; ConstantOfShape n > w; MatMul x,w > m; Exp m > y", 'f', 2, {3, 0}, 1, NULL},
};

START_TEST(fused_nodes)
{
    static unsigned char y[3][MOST * sizeof(double)];
    const struct fusion *f = &fusions[_i];
    clstm_graph g, other;
    size_t n = run_model(f->nodes, f->type, f->rank, f->dims, false, 1, y[0], &g);
    ck_assert_msg(g.fused == f->fused, "%s: %zu fused", f->nodes, g.fused);
    ck_assert_uint_eq(run_model(f->nodes, f->type, f->rank, f->dims, false, 3, y[1], &other), n);
    ck_assert_msg(!memcmp(y[0], y[1], n), "%s: threads", f->nodes);
    ck_assert_uint_eq(run_model(f->canonical ? f->canonical : f->nodes, f->type, f->rank, f->dims, true, 1, y[2], &other), n);
    ck_assert_msg(!memcmp(y[0], y[2], n), "%s: bits", f->nodes);
    if (!f->canonical) return;
    run_model(f->nodes, f->type, f->rank, f->dims, true, 1, y[1], &other);
    for (size_t i = 0; i < n / sizeof(float); i++) ck_assert_float_eq_tol(((float *)(void *)y[0])[i], ((float *)(void *)y[1])[i], 2e-5f);
}
END_TEST

/* Before opset 7 an attribute says along which axes of the product the row lies. */
START_TEST(row_of_an_old_opset)
{
    pbuf b = pb_model_at(model_text_graph("x:f[2,3,2]", "y:f", "w = f[2,3] 1,2,3,4,5,6; b = f[3] 10,20,30; MatMul x,w > m; Add m,b > y broadcast=1 axis=1", NULL), 6);
    float x[12] = {0};
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){2, 3, 2}, x);
    model_text t = {0};
    ck_assert_msg(!clstm_model_load_memory(b.data, b.n, NULL, NULL, &t.model, &t.err) && !clstm_session_create(t.model, NULL, &t.session, &t.err), "%s", t.err.message);
    ck_assert(!clstm_session_set_input(t.session, 0, &in, &t.err) && !clstm_session_run(t.session, &t.err));
    const float *y = clstm_session_output(t.session, 0)->tensor.data;
    for (int i = 0; i < 18; i++) ck_assert_float_eq(y[i], (float)(10 + i / 3 % 3 * 10));
    pb_free(&b);
    model_text_done(&t);
}
END_TEST

/* ---- folding into convolutions -------------------------------------------------------------------------------------------------------- */

#define STATISTICS "w = f[2,3,3] ?; s = f[2] ?; b = f[2] ?; m = f[2] ?; v = f[2] 0.5,2; "
static const struct { const char *nodes; size_t after; } folds[] = {
    {STATISTICS "Conv x,w > c; BatchNormalization c,s,b,m,v > y", 1},
    {STATISTICS "Conv x,w > c; BatchNormalization c,s,b,m,v > d; BatchNormalization d,s,b,m,v > y", 1},
    {STATISTICS "Conv x,w > c; Identity c > i; Identity i > j; BatchNormalization j,s,b,m,v > y", 1},
    /* what else reads the convolution's result must find it as it was */
    {STATISTICS "Conv x,w > c; BatchNormalization c,s,b,m,v > d; Sin c > e; Add d,e > y", 4},
    {STATISTICS "Conv x,w > c; BatchNormalization c,s,b,m,v > d; BatchNormalization d,s,b,m,v > e; Sin d > f; Add e,f > y", 4},
    {STATISTICS "Conv x,w > c; Identity c > i; BatchNormalization i,s,b,m,v > d; Identity i > j; Sin j > f; Add d,f > y", 4},
    {STATISTICS "Conv x,w > c; Transpose c > t perm=0,2,1; Transpose t > u perm=0,2,1; BatchNormalization u,s,b,m,v > d; Sin c > f; Add d,f > y", 4},
};

START_TEST(folded_batches)
{
    static unsigned char y[2][MOST * sizeof(double)];
    clstm_graph g, plain;
    size_t n = run_model(folds[_i].nodes, 'f', 3, (int64_t[]){1, 3, 9}, false, 1, y[0], &g);
    ck_assert_uint_eq(run_model(folds[_i].nodes, 'f', 3, (int64_t[]){1, 3, 9}, true, 1, y[1], &plain), n);
    for (size_t i = 0; i < n / sizeof(float); i++) ck_assert_float_eq_tol(((float *)(void *)y[0])[i], ((float *)(void *)y[1])[i], 2e-5f);
    ck_assert_msg(g.after + g.fused == folds[_i].after, "%s: %zu", folds[_i].nodes, g.after + g.fused);
}
END_TEST

/* ---- views ------------------------------------------------------------------------------------------------------------------------- */

/* Split into many parts and put together in reverse: as views, and where there are too many for that. */
START_TEST(many_views)
{
    static const struct { int parts; size_t calls; } cases[] = {{64, 1}, {65, 1}, {200, 1}, {257, 2}};
    static char nodes[20000];
    float x[257];
    int parts = cases[_i].parts, n = snprintf(nodes, sizeof nodes, "Split x > ");
    for (int i = 0; i < parts; i++) n += snprintf(nodes + n, sizeof nodes - (size_t)n, "%sp%d", i ? "," : "", i);
    n += snprintf(nodes + n, sizeof nodes - (size_t)n, " axis=0; Concat ");
    for (int i = parts; i-- > 0;) n += snprintf(nodes + n, sizeof nodes - (size_t)n, "p%d%s", i, i ? "," : "");
    snprintf(nodes + n, sizeof nodes - (size_t)n, " > y axis=0");
    for (int i = 0; i < parts; i++) x[i] = (float)i + 1;
    model_text t = model_text_load(model_text_graph("x:f[?]", "y:f", nodes, NULL), NULL);
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){parts}, x);
    ck_assert(!clstm_session_set_input(t.session, 0, &in, &t.err) && !clstm_session_run(t.session, &t.err));
    const float *y = clstm_session_output(t.session, 0)->tensor.data;
    for (int i = 0; i < parts; i++) ck_assert_float_eq(y[i], (float)(parts - i));
    ck_assert_uint_eq(graph_of(&t).calls, cases[_i].calls);
    model_text_done(&t);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("plans");
    unit_add(s, "before_and_after", before_and_after);
    unit_add(s, "nothing_to_do", nothing_to_do);
    unit_add(s, "weights_folded_once", weights_folded_once);
    unit_add(s, "shapes_folded_apart", shapes_folded_apart);
    unit_add(s, "interpreted", interpreted);
    unit_add(s, "evictions", evictions);
    unit_add(s, "row_of_an_old_opset", row_of_an_old_opset);
    unit_add_loop(s, "folded_batches", folded_batches, 0, (int)(sizeof folds / sizeof *folds));
    unit_add_loop(s, "many_views", many_views, 0, 4);
    unit_add_loop(s, "fused_nodes", fused_nodes, 0, (int)(sizeof fusions / sizeof *fusions));
    return s;
}
