/* Small files that ask for much: loading and preparing take time in proportion to the file, and what is too much work is left to the
 * run. Without that each of these takes minutes or hours, and Check's time limit ends it. */
#include "unit_main.h"

#include "model_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text { char *at; size_t n, room; } text;

__attribute__((format(printf, 2, 3)))
static void add(text *t, const char *format, ...) {
    va_list ap;
    if (t->room - t->n < 256) ck_assert_ptr_nonnull(t->at = realloc(t->at, t->room = 2 * t->room + 4096));
    va_start(ap, format);
    t->n += (size_t)vsnprintf(t->at + t->n, t->room - t->n, format, ap);
    va_end(ap);
}

static model_text load(text *nodes, const char *inputs, bool interpret) {
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = interpret;
    model_text t = model_text_load(model_text_graph(inputs, "y:f", nodes->at, NULL), &o);
    free(nodes->at);
    return t;
}

static void prepare(model_text *t, int rank, const int64_t *dims) {
    clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, rank, dims, NULL);
    clstm_status s = clstm_session_set_input(t->session, 0, &x, &t->err);
    if (s == CLSTM_OK) s = clstm_session_prepare(t->session, &t->err);
    ck_assert_msg(s == CLSTM_OK, "%s", t->err.message);
}

/* ---- many nodes ------------------------------------------------------------------------------------------------------------------ */

enum { LONG = 30000 };

static const char *const links[] = {"Identity", "Transpose", "Dropout", "Exp", "Cast to=1", "Neg"};

START_TEST(long_chains)
{
    const char *op = links[_i], *space = strchr(op, ' ');
    int letters = space ? (int)(space - op) : (int)strlen(op);
    text nodes = {0};
    for (int i = 0; i < LONG; i++) add(&nodes, "%.*s %s%d > v%d%s;", letters, op, i ? "v" : "x", i, i + 1, space ? space : "");
    add(&nodes, "Abs v%d > y", LONG);
    model_text t = load(&nodes, "x0:f[?]", false);
    prepare(&t, 1, (int64_t[]){3});
    model_text_done(&t);
}
END_TEST

/* All alive at once: every result is read at the very end. */
START_TEST(many_values)
{
    text nodes = {0};
    for (int i = 0; i < LONG; i++) add(&nodes, "Transpose x > v%d perm=1,0;", i);
    add(&nodes, "Sum x");
    for (int i = 0; i < LONG; i++) add(&nodes, ",v%d", i);
    add(&nodes, " > y");
    model_text t = load(&nodes, "x:f[?,?]", false);
    prepare(&t, 2, (int64_t[]){2, 2});
    model_text_done(&t);
}
END_TEST

static uint32_t next(uint32_t *state) { return (*state = *state * 1664525u + 1013904223u) >> 8; }

/* Sizes from 1 to 60 that come and go; the sums of all of them are added up. */
static void random_values(text *nodes, int count) {
    uint32_t random = 5;
    int size[8192];
    for (int i = 0; i < count; i++) {
        int from = i ? (int)(next(&random) % 40) : 0;
        from = from < i ? i - 1 - from : i - 1;
        if (i && size[from] < 30) add(nodes, "Concat v%d,v%d > v%d axis=0;", from, from, i);
        else add(nodes, "Concat x,k%d > v%d axis=0;", (int)(next(&random) % 3), i);
        size[i] = i && size[from] < 30 ? 2 * size[from] : 4;
        add(nodes, "ReduceSum v%d > r%d keepdims=1; Add %s%d,r%d > s%d;", i, i, i ? "s" : "x", i ? i - 1 : 0, i, i);
    }
    add(nodes, "Sum s%d,v%d > y", count - 1, count - 1);
}

/* More values than are fitted one by one: none lies on another that is still read. */
START_TEST(places_of_many_values)
{
    float x = 0.5f, *results[2];
    int64_t counts[2];
    for (int k = 0; k < 2; k++) {
        text nodes = {0};
        add(&nodes, "Identity x0 > x; k0 = f[3] 1,2,3; k1 = f[3] 4,-5,6; k2 = f[3] -7,8,9;");
        random_values(&nodes, 8192);
        model_text t = load(&nodes, "x0:f[1]", k == 1);
        clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){1}, &x);
        clstm_status s = clstm_session_set_input(t.session, 0, &in, &t.err);
        if (s == CLSTM_OK) s = clstm_session_run(t.session, &t.err);
        ck_assert_msg(s == CLSTM_OK, "%s", t.err.message);
        const clstm_tensor *y = &clstm_session_output(t.session, 0)->tensor;
        counts[k] = clstm_tensor_count(y);
        ck_assert_ptr_nonnull(results[k] = malloc((size_t)counts[k] * sizeof(float)));
        memcpy(results[k], y->data, (size_t)counts[k] * sizeof(float));
        model_text_done(&t);
    }
    ck_assert_int_eq(counts[0], counts[1]);
    ck_assert_mem_eq(results[0], results[1], (size_t)counts[0] * sizeof(float));
    free(results[0]);
    free(results[1]);
}
END_TEST

/* ---- much work from a few bytes ---------------------------------------------------------------------------------------------------- */

static const char *const heavy[] = {
    "s = i[2] 300,300; ConstantOfShape s > a; Einsum a,a,a > b equation=ab,cd,ef->; Add x,b > y",
    "s = i[3] 1,99991,1; ConstantOfShape s > a; DFT a > b axis=1; ReduceSum b > c keepdims=0; Add x,c > y",
    "s = i[3] 1,60000,1; n = i[] 1; f = i[] 1021; ConstantOfShape s > a; STFT a,n,,f > b; ReduceSum b > c keepdims=0; Add x,c > y",
    "s = i[2] 500,500; ConstantOfShape s > a; MatMul a,a > b; Det b > c; s2 = i[2] 6000,6000; ConstantOfShape s2 > d; Det d > e; Add c,e > f; Add x,f > y",
    "s = i[4] 1,1,500,500; ConstantOfShape s > a; MaxPool a > b kernel_shape=255,255 pads=127,127,127,127; AveragePool b > c kernel_shape=255,255 pads=127,127,127,127;"
    " ReduceSum c > d keepdims=0; Add x,d > y",
    "s = i[4] 1,4096,8,8; ConstantOfShape s > a; LRN a > b size=4095; LRN b > c size=4095; LRN c > d size=4095; ReduceSum d > e keepdims=0; Add x,e > y",
    "s = i[3] 200000,1,1; w = i[3] 1,1024,1; r = i[3] 1,1024,256; ConstantOfShape s > a; ConstantOfShape w > W; ConstantOfShape r > R; LSTM a,W,R > ,h hidden_size=256;"
    " ReduceSum h > e keepdims=0; Add x,e > y"};

START_TEST(much_work)
{
    text nodes = {.at = strdup(heavy[_i])};
    model_text t = load(&nodes, "x:f[?]", false);
    prepare(&t, 1, (int64_t[]){3});
    model_text_done(&t);
}
END_TEST

/* Many small steps over one large constant, each with a result of one element. */
START_TEST(many_sums)
{
    text nodes = {0};
    add(&nodes, "s = i[1] 260000; ConstantOfShape s > k;");
    for (int i = 0; i < 5; i++) add(&nodes, "Concat k,k > k%d axis=0; Identity k%d > l%d;", i, i, i);
    for (int i = 0; i < 20000; i++) add(&nodes, "ArgMax l%d > a%d axis=0 keepdims=0; Cast a%d > e%d to=1;", i % 5, i, i, i);
    add(&nodes, "Sum x");
    for (int i = 0; i < 20000; i++) add(&nodes, ",e%d", i);
    add(&nodes, " > y");
    model_text t = load(&nodes, "x:f[?]", false);
    prepare(&t, 1, (int64_t[]){3});
    model_text_done(&t);
}
END_TEST

/* Tables that nodes keep for themselves count as memory of the plan. */
START_TEST(tables)
{
    clstm_limits limits;
    clstm_session_options o;
    text nodes = {0};
    clstm_limits_default(&limits);
    limits.value[CLSTM_LIMIT_ARENA_BYTES] = 8 << 20;
    clstm_session_options_default(&o);
    o.limits = &limits;
    add(&nodes, "n = i[] 65536;");
    for (int i = 0; i < 10; i++) add(&nodes, "DFT x,n > d%d axis=1; ReduceSum d%d > e%d keepdims=0;", i, i, i);
    add(&nodes, "Sum e0,e1,e2,e3,e4,e5,e6,e7,e8,e9 > y");
    model_text t = model_text_load(model_text_graph("x:f[1,1,1]", "y:f", nodes.at, NULL), &o);
    free(nodes.at);
    clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, 1, 1}, NULL);
    ck_assert_int_eq(clstm_session_set_input(t.session, 0, &x, &t.err), CLSTM_OK);
    ck_assert_int_eq(clstm_session_prepare(t.session, &t.err), CLSTM_LIMIT);
    ck_assert_msg(strstr(t.err.message, "beside its arena (limit arena-bytes, 8388608)") != NULL, "%s", t.err.message);
    model_text_done(&t);
}
END_TEST

/* Every input against every output: a thousand of each are looked through, more are refused. */
START_TEST(many_ports)
{
    const int count = _i ? 12000 : 1000;
    text nodes = {0}, in = {0}, out = {0};
    for (int i = 0; i < count; i++) {
        add(&nodes, "%sNeg i%d > o%d", i ? ";" : "", i, i);
        add(&in, " i%d:f[1]", i);
        add(&out, " o%d:f[1]", i);
    }
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.carry = CLSTM_CARRY_PORTS;
    model_text t = model_text_try(model_text_graph(in.at, out.at, nodes.at, NULL), &o);
    ck_assert_msg(t.err.status == (_i ? CLSTM_BAD_ARGUMENT : CLSTM_OK), "%s", t.err.message);
    if (_i) ck_assert_ptr_nonnull(strstr(t.err.message, "12000 inputs and 12000 outputs are too many to find states among"));
    model_text_done(&t);
    free(nodes.at);
    free(in.at);
    free(out.at);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("hostile");
    unit_add_loop(s, "long chains", long_chains, 0, (int)(sizeof links / sizeof *links));
    unit_add(s, "many values", many_values);
    unit_add(s, "places of many values", places_of_many_values);
    unit_add_loop(s, "much work", much_work, 0, (int)(sizeof heavy / sizeof *heavy));
    unit_add(s, "many sums", many_sums);
    unit_add(s, "tables", tables);
    unit_add_loop(s, "many ports", many_ports, 0, 2);
    return s;
}
