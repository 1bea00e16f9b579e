/* The recurrent operators below the public header: rows driven by hand (check, infer, prepack, prepare, run) on the oracle's random
 * cases. What only shows here: every split of a sequence, threads, a poisoned batch row, the trace, packing there and back. */
#include "unit_main.h"

#include "../oracle/cases.h"
#include "ir/op.h"
#include "rnn/weights.h"
#include "rnn/rnn.h"
#include "rnn/trace.h"
#include "tensor/tensor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One node with its values, ready to run. */
typedef struct rig {
    ir_graph *graph;
    ir_node *node;
    clstm_limits limits;
    op_env env;
    op_ctx ctx;
    clstm_error err;
    ir_const *consts[CASE_INPUTS];
    clstm_value in[CASE_INPUTS], out[CASE_OUTPUTS];
    clstm_value *pin[CASE_INPUTS], *pout[CASE_OUTPUTS];
} rig;

static const op_desc *find_row(const char *name, int version) {
    for (size_t i = 0; i < rnn_op_count; i++)
        if (!strcmp(rnn_ops[i].name, name) && version >= rnn_ops[i].since && (!rnn_ops[i].until || version <= rnn_ops[i].until)) return &rnn_ops[i];
    return NULL;
}

static void add_floats(ir_node *n, const char *name, const float *v, size_t count) {
    if (!count) return;
    ir_attr *a = ir_attr_add(n, name, IR_ATTR_FLOATS);
    a->count = count;
    a->v.floats = util_arena_alloc(n->graph->arena, count, sizeof(float));
    memcpy(a->v.floats, v, count * sizeof(float));
}

static void add_attributes(ir_node *n, const oracle_case *c) {
    if (c->direction_text) ir_attr_add(n, "direction", IR_ATTR_STRING)->v.s = c->direction_text;
    if (c->hidden_size_written) ir_attr_add(n, "hidden_size", IR_ATTR_INT)->v.i = (int64_t)c->H;
    if (c->layout_written) ir_attr_add(n, "layout", IR_ATTR_INT)->v.i = c->layout;
    if (c->has_clip) ir_attr_add(n, "clip", IR_ATTR_FLOAT)->v.f = c->clip;
    if (c->input_forget >= 0) ir_attr_add(n, "input_forget", IR_ATTR_INT)->v.i = c->input_forget;
    if (c->linear_before_reset >= 0) ir_attr_add(n, "linear_before_reset", IR_ATTR_INT)->v.i = c->linear_before_reset;
    if (c->output_sequence >= 0) ir_attr_add(n, "output_sequence", IR_ATTR_INT)->v.i = c->output_sequence;
    add_floats(n, "activation_alpha", c->alpha, c->alpha_count);
    add_floats(n, "activation_beta", c->beta, c->beta_count);
    if (!c->activation_count) return;
    ir_attr *a = ir_attr_add(n, "activations", IR_ATTR_STRINGS);
    a->count = c->activation_count;
    a->v.strings = util_arena_alloc(n->graph->arena, a->count, sizeof(char *));
    for (size_t i = 0; i < a->count; i++) a->v.strings[i] = c->activations[i];
}

static clstm_tensor tensor_of(const oracle_case *c, int i) {
    const case_tensor *t = &c->in[i];
    int64_t dims[4];
    for (int k = 0; k < t->rank; k++) dims[k] = (int64_t)t->dims[k];
    return clstm_tensor_view(i == IN_LENS ? CLSTM_INT32 : (clstm_type)oracle_type_onnx(c->type), t->rank, dims, t->bytes);
}

/* The node up to infer. `constant`: W, R, B and P are constants. */
static clstm_status rig_open(rig *r, const oracle_case *c, bool constant, util_pool *pool, struct op_trace *trace) {
    int n_in = c->op == ORACLE_LSTM ? 8 : 6, n_out = c->op == ORACLE_LSTM ? 3 : 2;
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(ir_graph_new(NULL, "g", &r->graph, &r->err), CLSTM_OK);
    clstm_limits_default(&r->limits);
    r->env = (op_env){.limits = &r->limits, .onnxruntime_semantics = c->onnxruntime_semantics, .pool = pool, .trace = trace};
    ir_node *n = r->node = ir_node_new(r->graph, oracle_op_name(c->op), "", c->opset, "n", n_in, n_out);
    n->op = find_row(n->op_type, c->opset);
    ck_assert_ptr_nonnull(n->op);
    add_attributes(n, c);
    for (int i = 0; i < n_in; i++) {
        if (!c->in[i].present) continue;
        clstm_tensor t = tensor_of(c, i);
        n->inputs[i] = ir_value_new(r->graph, oracle_input_name(i));
        n->inputs[i]->kind = CLSTM_KIND_TENSOR;
        r->in[i] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = t};
        r->pin[i] = &r->in[i];
        if (constant && (i == IN_W || i == IN_R || i == IN_B || i == IN_P)) {
            ck_assert_int_eq(ir_const_new(&t, &r->consts[i], &r->err), CLSTM_OK);
            ir_value_set_const(n->inputs[i], r->consts[i]);
        }
        t.data = NULL;
        n->inputs[i]->type = t;
    }
    for (int i = 0; i < n_out; i++)
        if (c->out[i].present) { n->outputs[i] = ir_value_new(r->graph, oracle_output_name(i)); r->pout[i] = &r->out[i]; }
    r->ctx = (op_ctx){.node = n, .env = &r->env, .err = &r->err, .n_in = n_in, .n_out = n_out, .in = r->pin, .out = r->pout, .consts = r->consts};
    UTIL_TRY(op_check_node(n, &r->err));
    return op_infer(&r->ctx);
}

static clstm_status rig_prepare(rig *r) {
    uint32_t claimed = 0;
    UTIL_TRY(r->node->op->prepack(r->node, &claimed, &r->err));
    for (int i = 0; i < r->ctx.n_in; i++)
        if (claimed >> i & 1) { ck_assert(ir_const_drop(r->consts[i])); r->in[i].tensor.data = NULL; }
    for (int k = 0; k < r->ctx.n_out; k++) {
        size_t bytes;
        if (!r->pout[k]) continue;
        ck_assert(tensor_bytes(&r->out[k].tensor, &bytes));
        r->out[k].tensor.data = util_aligned_alloc(bytes);
        memset(r->out[k].tensor.data, 0xcd, bytes);
    }
    UTIL_TRY(r->node->op->prepare(&r->ctx));
    r->ctx.scratch = util_aligned_alloc(r->ctx.scratch_bytes);
    memset(r->ctx.scratch, 0xff, r->ctx.scratch_bytes);         /* garbage at the start of a run: NaN */
    return CLSTM_OK;
}

static clstm_status rig_run(rig *r) { return r->node->op->run(&r->ctx); }

static void rig_close(rig *r) {
    for (int k = 0; k < CASE_OUTPUTS; k++) util_aligned_free(r->out[k].tensor.data);
    for (int k = 0; k < CASE_INPUTS; k++) ir_const_unref(r->consts[k]);
    util_aligned_free(r->ctx.prepared);
    util_aligned_free(r->ctx.scratch);
    ir_graph_destroy(r->graph);
}

/* Everything at once; the caller closes. */
static void rig_go(rig *r, const oracle_case *c, bool constant, util_pool *pool) {
    ck_assert_msg(rig_open(r, c, constant, pool, NULL) == CLSTM_OK, "%s: %s", c->name, r->err.message);
    ck_assert_msg(rig_prepare(r) == CLSTM_OK, "%s: %s", c->name, r->err.message);
    ck_assert_msg(rig_run(r) == CLSTM_OK, "%s: %s", c->name, r->err.message);
}

static void expect_oracle(const oracle_case *c, const rig *r, const char *what) {
    for (int o = 0; o < CASE_OUTPUTS; o++) {
        if (!c->out[o].present) continue;
        ck_assert_int_eq(r->out[o].tensor.rank, c->out[o].rank);
        for (int k = 0; k < c->out[o].rank; k++) ck_assert_int_eq(r->out[o].tensor.dims[k], (int64_t)c->out[o].dims[k]);
        for (size_t i = 0; i < c->out[o].count; i++) {
            long double got, e, most = oracle_tolerance(c, o, i);
            oracle_decode(c->type, (const unsigned char *)r->out[o].tensor.data + i * oracle_type_size(c->type), 1, &got);
            e = oracle_error_ulp(c->type, c->exact[o][i], got);
            ck_assert_msg(e <= most, "%s (seed %llu) %s: %s[%zu] is %.9Lg, expected %.9Lg, %.1Lf ulp off, %.1Lf allowed", c->name, (unsigned long long)c->seed,
                          what, oracle_output_name(o), i, got, c->exact[o][i], e, most);
        }
    }
}

static void expect_same(const oracle_case *c, const rig *a, const rig *b, const char *what) {
    for (int o = 0; o < CASE_OUTPUTS; o++) {
        size_t bytes;
        if (!c->out[o].present) continue;
        ck_assert(tensor_bytes(&a->out[o].tensor, &bytes));
        ck_assert_msg(!memcmp(a->out[o].tensor.data, b->out[o].tensor.data, bytes), "%s (seed %llu): %s differs %s", c->name, (unsigned long long)c->seed,
                      oracle_output_name(o), what);
    }
}

/* ---- against the oracle --------------------------------------------------------------------------------------------------------- */

static void one_case(case_family family, uint64_t seed) {
    oracle_case c;
    rig a, b;
    const char *broken = oracle_case_make(&c, family, seed);
    ck_assert_msg(!broken, "%s", broken);
    rig_go(&a, &c, true, NULL);
    expect_oracle(&c, &a, "constant weights");
    ck_assert_int_eq(rig_run(&a), CLSTM_OK);
    expect_oracle(&c, &a, "second run");
    rig_go(&b, &c, false, NULL);
    expect_same(&c, &a, &b, "with weights packed at run time");
    rig_close(&a);
    rig_close(&b);
    oracle_case_free(&c);
}

START_TEST(small_cases) {
    for (uint64_t s = 0; s < 100; s++) one_case(FAMILY_SMALL, 5000 + (uint64_t)_i * 100 + s);
}
END_TEST
START_TEST(large_cases) { one_case(FAMILY_LARGE, 700 + (uint64_t)_i); }
END_TEST
START_TEST(onnxruntime_cases) {
    for (uint64_t s = 0; s < 50; s++) one_case(FAMILY_ORT, 900 + (uint64_t)_i * 50 + s);
}
END_TEST

/* ---- threads --------------------------------------------------------------------------------------------------------------------- */

/* A caller's own: one after another from the last, so that a part which waits for another would never end. */
static void backwards(void *user, int count, void (*task)(void *arg, int index), void *arg) {
    (void)user;
    while (count-- > 0) task(arg, count);
}

static void any_threads(const oracle_case *c) {
    rig a, b;
    rig_go(&a, c, true, NULL);
    for (int threads = 2; threads <= 5; threads++) {
        util_pool *pool;
        clstm_error err;
        ck_assert_int_eq(util_pool_create(threads, 0, threads <= 3 ? NULL : backwards, NULL, &pool, &err), CLSTM_OK);
        rig_go(&b, c, true, pool);
        expect_same(c, &a, &b, "with threads");
        rig_close(&b);
        util_pool_destroy(pool);
    }
    rig_close(&a);
}

START_TEST(threads_drawn) {
    oracle_case c;
    ck_assert_ptr_null(oracle_case_make(&c, FAMILY_LARGE, 300 + (uint64_t)_i));
    any_threads(&c);
    oracle_case_free(&c);
}
END_TEST

static void fill(oracle_case *c, int i, int rank, size_t d0, size_t d1, size_t d2) {
    static uint64_t state = 12345;
    case_tensor *t = &c->in[i];
    *t = (case_tensor){.present = true, .rank = rank, .dims = {d0, d1, d2}, .count = d0 * d1 * d2};
    float *v = malloc(t->count * sizeof *v);
    for (size_t k = 0; k < t->count; k++) v[k] = (float)oracle_random_unit(&state) / 2;
    t->bytes = v;
}

/* More rows than the oracle draws, some of them shorter: whole lanes for each thread. */
START_TEST(threads_wide) {
    static const char *const directions[] = {"forward", "reverse", "bidirectional"};
    oracle_case c = {.op = (oracle_op)(_i / 3), .type = ORACLE_FLOAT, .version = 14, .opset = 14, .name = "wide", .T = 5, .B = 130, .I = 9, .H = 21,
                     .direction_text = directions[_i % 3], .input_forget = -1, .linear_before_reset = _i % 2 ? 1 : -1, .output_sequence = -1};
    size_t g = oracle_gates(c.op), d = c.D = _i % 3 == 2 ? 2 : 1;
    int32_t lens[130];
    if (c.op != ORACLE_GRU) c.linear_before_reset = -1;
    fill(&c, IN_X, 3, c.T, c.B, c.I);
    fill(&c, IN_W, 3, d, g * c.H, c.I);
    fill(&c, IN_R, 3, d, g * c.H, c.H);
    fill(&c, IN_B, 2, d, 2 * g * c.H, 1);
    fill(&c, IN_H, 3, d, c.B, c.H);
    for (int b = 0; b < 130; b++) lens[b] = (b * 7) % 6;
    c.in[IN_LENS] = (case_tensor){.present = true, .rank = 1, .dims = {c.B}, .count = c.B, .bytes = lens};
    for (int o = 0; o < (c.op == ORACLE_LSTM ? 3 : 2); o++) c.out[o].present = true;
    any_threads(&c);
    for (int i = 0; i < CASE_INPUTS; i++)
        if (i != IN_LENS) free(c.in[i].bytes);
}
END_TEST

/* ---- whole and in pieces ------------------------------------------------------------------------------------------------------------ */

/* A case with every output, no lengths, layout 0, one forward direction: made from a drawn one. */
static bool streamable(const oracle_case *c) { return c->direction == ORACLE_FORWARD && c->layout == 0 && !c->in[IN_LENS].present && c->T > 1 && c->B > 0; }

static void pieces(const oracle_case *c, size_t piece) {
    rig whole, part;
    oracle_case p = *c;
    for (int o = 0; o < (c->op == ORACLE_LSTM ? 3 : 2); o++) p.out[o].present = true;
    rig_go(&whole, &p, true, NULL);
    size_t e = oracle_type_size(c->type), row = c->B * c->H * e, in_row = c->B * c->I * e;
    unsigned char *h = calloc(2, row), *y = whole.out[OUT_Y].tensor.data;
    for (int i = IN_H; i <= (c->op == ORACLE_LSTM ? IN_C : IN_H); i++) {
        if (c->in[i].present) memcpy(h + (size_t)(i - IN_H) * row, c->in[i].bytes, row);
        p.in[i] = (case_tensor){.present = true, .rank = 3, .dims = {1, c->B, c->H}, .count = c->B * c->H, .bytes = h + (size_t)(i - IN_H) * row};
    }
    for (size_t t = 0; t < c->T; t += piece) {
        p.in[IN_X].dims[0] = c->T - t < piece ? c->T - t : piece;
        p.in[IN_X].bytes = (unsigned char *)c->in[IN_X].bytes + t * in_row;
        rig_go(&part, &p, true, NULL);
        ck_assert_msg(!memcmp(y + t * row, part.out[OUT_Y].tensor.data, p.in[IN_X].dims[0] * row), "%s (seed %llu): Y differs in pieces of %zu at step %zu",
                      c->name, (unsigned long long)c->seed, piece, t);
        memcpy(h, part.out[OUT_H].tensor.data, row);
        if (c->op == ORACLE_LSTM) memcpy(h + row, part.out[OUT_C].tensor.data, row);
        rig_close(&part);
    }
    ck_assert(!memcmp(h, whole.out[OUT_H].tensor.data, row));
    if (c->op == ORACLE_LSTM) ck_assert(!memcmp(h + row, whole.out[OUT_C].tensor.data, row));
    rig_close(&whole);
    free(h);
}

static void any_pieces(case_family family, uint64_t from, int want) {
    int found = 0;
    for (uint64_t seed = from; found < want; seed++) {
        oracle_case c;
        ck_assert_ptr_null(oracle_case_make(&c, family, seed));
        if (streamable(&c)) {
            static const size_t sizes[] = {1, 2, 3, 5, 7};
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) pieces(&c, sizes[i]);
            found++;
        }
        oracle_case_free(&c);
    }
}
START_TEST(pieces_small) { any_pieces(FAMILY_SMALL, 20000, 60); }
END_TEST
START_TEST(pieces_large) { any_pieces(FAMILY_LARGE, 30000, 4); }
END_TEST

/* ---- a poisoned row ------------------------------------------------------------------------------------------------------------------ */

/* Runs the case, then again with NaN or infinity all over row 0's input: the other rows' bits stay. */
static void poison(const oracle_case *c, float value) {
    rig a, b;
    oracle_case p = *c;
    size_t es = oracle_type_size(c->type);
    unsigned char bytes[8];
    long double v = (long double)value;
    oracle_encode(c->type, &v, 1, bytes);
    p.in[IN_X].bytes = malloc(c->in[IN_X].count * es);
    memcpy(p.in[IN_X].bytes, c->in[IN_X].bytes, c->in[IN_X].count * es);
    for (size_t t = 0; t < c->T; t++)
        for (size_t i = 0; i < c->I; i++) memcpy((unsigned char *)p.in[IN_X].bytes + ((c->layout ? t : t * c->B) * c->I + i) * es, bytes, es);
    rig_go(&a, c, true, NULL);
    rig_go(&b, &p, true, NULL);
    for (int o = 0; o < CASE_OUTPUTS; o++) {
        if (!c->out[o].present) continue;
        size_t inner = c->layout ? c->out[o].count / c->B : c->H;       /* elements of one row of the batch that lie together */
        for (size_t i = 0; i < c->out[o].count; i++) {
            if (i / inner % c->B == 0) continue;
            ck_assert_msg(!memcmp((unsigned char *)a.out[o].tensor.data + i * es, (unsigned char *)b.out[o].tensor.data + i * es, es),
                          "%s (seed %llu): %s[%zu] changed with row 0's input", c->name, (unsigned long long)c->seed, oracle_output_name(o), i);
        }
    }
    rig_close(&a);
    rig_close(&b);
    free(p.in[IN_X].bytes);
}

START_TEST(poisoned_row) {
    int found = 0;
    for (uint64_t seed = 40000; found < 80; seed++) {
        oracle_case c;
        ck_assert_ptr_null(oracle_case_make(&c, FAMILY_SMALL, seed));
        if (c.B > 1 && c.T > 0) { poison(&c, found % 2 ? NAN : INFINITY); found++; }
        oracle_case_free(&c);
    }
}
END_TEST

/* ---- packing ---------------------------------------------------------------------------------------------------------------------------- */

START_TEST(unpacked_again) {
    for (uint64_t seed = 50000; seed < 50200; seed++) {
        oracle_case c;
        rig r;
        ck_assert_ptr_null(oracle_case_make(&c, FAMILY_SMALL, seed));
        rig_go(&r, &c, true, NULL);
        for (int i = IN_W; i <= IN_R; i++) {
            const void *raw;
            ck_assert_ptr_null(ir_const_peek(r.consts[i]));
            ck_assert_int_eq(ir_const_data(r.consts[i], &raw, &r.err), CLSTM_OK);
            ck_assert(!memcmp(raw, c.in[i].bytes, c.in[i].count * oracle_type_size(c.type)));
        }
        rig_close(&r);
        oracle_case_free(&c);
    }
}
END_TEST

/* ---- trace -------------------------------------------------------------------------------------------------------------------------------- */

typedef struct seen {
    const oracle_case *c;
    const rig *r;
    int steps;
    long double *exact;             /* the oracle's gates */
    long double drift[5];           /* how far rounding moves each gate, and c */
} seen;

static long double *oracle_steps(oracle_problem p) {
    oracle_result result = {.gates = calloc(p.T * oracle_directions(p.direction) * p.B * 5 * p.H, sizeof *result.gates)};
    ck_assert_ptr_nonnull(result.gates);
    ck_assert_ptr_null(oracle_run(&p, &result));
    return result.gates;
}

static void expect_steps(seen *k) {
    const oracle_case *c = k->c;
    oracle_problem p = oracle_case_problem(c);
    k->exact = oracle_steps(p);
    for (uint64_t sample = 0; sample < 4; sample++) {
        oracle_set_noise(&p, c->seed + sample);
        long double *noisy = oracle_steps(p);
        for (size_t i = 0; i < c->T * c->D * c->B * 5 * c->H; i++) {
            long double *drift = &k->drift[i / c->H % 5];
            *drift = fmaxl(*drift, fabsl(k->exact[i] - noisy[i]));
        }
        free(noisy);
    }
}

/* h of every reported step is Y there; the gates and c are the oracle's. */
static void look(void *user, const ir_node *node, const rnn_trace_step *s) {
    seen *k = user;
    const oracle_case *c = k->c;
    const long double *want = k->exact + (size_t)((s->t * s->directions + s->direction) * s->batch + s->b) * 5 * c->H;
    ck_assert_ptr_eq(node, k->r->node);
    ck_assert_int_eq(s->gates, (int)oracle_gates(c->op));
    ck_assert((s->c != NULL) == (c->op == ORACLE_LSTM));
    k->steps++;
    for (int64_t j = 0; j < s->hidden; j++) {
        int64_t at = c->layout ? ((s->b * s->steps + s->t) * s->directions + s->direction) * s->hidden + j
                               : ((s->t * s->directions + s->direction) * s->batch + s->b) * s->hidden + j;
        double y = tensor_get_double(&k->r->out[OUT_Y].tensor, at);
        ck_assert_msg(y == s->h[j], "%s: traced h is %g, Y is %g", c->name, s->h[j], y);
        for (int g = 0; g < 5; g++) {
            if (g < 4 ? g >= s->gates : !s->c) continue;
            long double got = (long double)(g < 4 ? s->gate[g][j] : s->c[j]), exact = want[(size_t)g * c->H + (size_t)j];
            ck_assert_msg(oracle_error_ulp(c->type, exact, got) <= oracle_allowed(c->type, exact, k->drift[g]), "%s: step %d, row %d, direction %d, gate %d of unit %d is %.9Lg, expected %.9Lg",
                          c->name, (int)s->t, (int)s->b, s->direction, g, (int)j, got, exact);
        }
    }
}

enum { TRACED = 10 };     /* cases of each operator and type */

START_TEST(traced) {
    int found[3][ORACLE_TYPES] = {{0}}, enough = 0;
    for (uint64_t seed = 60000; enough < 3 * ORACLE_TYPES; seed++) {
        oracle_case c;
        rig r;
        seen k = {.c = &c, .r = &r};
        struct op_trace sink = {&k, look};
        ck_assert_ptr_null(oracle_case_make(&c, FAMILY_SMALL, seed));
        if (c.out[OUT_Y].present && c.T > 0 && c.B > 0 && found[c.op][c.type] < TRACED) {
            size_t want = c.T * c.B * c.D;
            for (size_t b = 0; c.in[IN_LENS].present && b < c.B; b++) want -= (c.T - (size_t)((int32_t *)c.in[IN_LENS].bytes)[b]) * c.D;
            expect_steps(&k);
            ck_assert_int_eq(rig_open(&r, &c, true, NULL, &sink), CLSTM_OK);
            ck_assert_int_eq(rig_prepare(&r), CLSTM_OK);
            ck_assert_int_eq(rig_run(&r), CLSTM_OK);
            ck_assert_int_eq(k.steps, (int)want);
            expect_oracle(&c, &r, "traced");
            rig_close(&r);
            free(k.exact);
            enough += ++found[c.op][c.type] == TRACED;
        }
        oracle_case_free(&c);
    }
}
END_TEST

/* ---- refusals ------------------------------------------------------------------------------------------------------------------------------ */

static void plain_case(oracle_case *c, oracle_op op) {
    for (uint64_t seed = 70000;; seed++) {
        ck_assert_ptr_null(oracle_case_make(c, FAMILY_SMALL, seed));
        if (c->op == op && c->opset >= 14 && c->T > 1 && c->B > 1 && c->direction == ORACLE_FORWARD && c->in[IN_LENS].present && c->in[IN_H].present &&
            (op != ORACLE_LSTM || c->in[IN_C].present)) return;
        oracle_case_free(c);
    }
}

static void refused(const oracle_case *c, const char *words) {
    rig r;
    clstm_status s = rig_open(&r, c, false, NULL, NULL);       /* a constant would read the elements that the shape promises */
    if (s == CLSTM_OK) s = rig_prepare(&r);
    if (s == CLSTM_OK) s = rig_run(&r);
    ck_assert_msg(s != CLSTM_OK, "not refused, expected: %s", words);
    ck_assert_msg(strstr(r.err.message, words) != NULL, "the message \"%s\" lacks \"%s\"", r.err.message, words);
    rig_close(&r);
}

START_TEST(refusals) {
    oracle_case c, p;
    int32_t lens[16] = {0};
    plain_case(&c, ORACLE_LSTM);
    p = c; p.direction_text = "sideways"; refused(&p, "attribute direction is \"sideways\"");
    p = c; p.hidden_size_written = true; p.H = c.H + 1; refused(&p, "attribute hidden_size is");
    p = c; p.has_clip = true; p.clip = 0; refused(&p, "attribute clip is 0");
    p = c; p.has_clip = true; p.clip = NAN; refused(&p, "attribute clip is");
    p = c; p.layout_written = true; p.layout = 2; refused(&p, "attribute layout is 2");
    p = c; p.activation_count = 1; p.activations[0] = "Tanh"; refused(&p, "attribute activations has 1 names, expected 3");
    p = c; p.activation_count = 3; p.activations[0] = p.activations[1] = p.activations[2] = "Swish"; refused(&p, "\"Swish\"");
    p = c; p.in[IN_B].present = true; p.in[IN_B].rank = 1; p.in[IN_B].dims[0] = 3; p.in[IN_B].bytes = lens; refused(&p, "input B has shape [3]");
    p = c; p.in[IN_C].dims[2]++; refused(&p, "proj_size");
    p = c; p.in[IN_W].dims[2]++; refused(&p, "input W has shape");
    p = c; p.in[IN_LENS].bytes = lens; lens[1] = (int32_t)c.T + 1; refused(&p, "input sequence_lens[1] is");
    lens[1] = -1; refused(&p, "input sequence_lens[1] is -1");
    oracle_case_free(&c);
}
END_TEST

START_TEST(int64_lengths) {
    oracle_case c;
    rig r;
    plain_case(&c, ORACLE_GRU);
    ck_assert_int_eq(rig_open(&r, &c, true, NULL, NULL), CLSTM_OK);
    r.in[IN_LENS].tensor.type = CLSTM_INT64;
    ck_assert_int_ne(op_infer(&r.ctx), CLSTM_OK);
    ck_assert_ptr_nonnull(strstr(r.err.message, "Cast"));
    r.node->inputs[IN_LENS]->type.type = CLSTM_INT64;
    ck_assert_int_ne(op_check_node(r.node, &r.err), CLSTM_OK);
    ck_assert_ptr_nonnull(strstr(r.err.message, "Cast"));
    rig_close(&r);
    oracle_case_free(&c);
}
END_TEST

START_TEST(cancelled) {
    oracle_case c;
    rig r;
    atomic_bool cancel;
    atomic_init(&cancel, true);
    plain_case(&c, ORACLE_LSTM);
    ((int32_t *)c.in[IN_LENS].bytes)[0] = 2;
    ck_assert_int_eq(rig_open(&r, &c, true, NULL, NULL), CLSTM_OK);
    r.env.cancel = &cancel;
    ck_assert_int_eq(rig_prepare(&r), CLSTM_OK);
    ck_assert_int_eq(rig_run(&r), CLSTM_CANCELLED);
    atomic_store(&cancel, false);
    ck_assert_int_eq(rig_run(&r), CLSTM_OK);
    rig_close(&r);
    oracle_case_free(&c);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("rnn");
    unit_add_loop(s, "small cases", small_cases, 0, 8);
    unit_add_loop(s, "large cases", large_cases, 0, 12);
    unit_add_loop(s, "ONNX Runtime's reading", onnxruntime_cases, 0, 2);
    unit_add_loop(s, "threads", threads_drawn, 0, 8);
    unit_add_loop(s, "threads, wide", threads_wide, 0, 9);
    unit_add(s, "pieces, small", pieces_small);
    unit_add(s, "pieces, large", pieces_large);
    unit_add(s, "poisoned row", poisoned_row);
    unit_add(s, "unpacked again", unpacked_again);
    unit_add(s, "traced", traced);
    unit_add(s, "refusals", refusals);
    unit_add(s, "int64 lengths", int64_lengths);
    unit_add(s, "cancelled", cancelled);
    return s;
}
