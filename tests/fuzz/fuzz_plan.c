/* Property: a plan answers as a plain interpreter of the graph in the file does: the same success, kinds, types, shapes, and the same
 * bits, or where a pass put an operator in place of several (recovered cells, rows fused into products) close numbers. */
#include "feed.h"

#include "io/value.h"

#include <math.h>
#include <string.h>

typedef struct side { clstm_model *model; clstm_session *session; clstm_status status; clstm_error err; } side;

static void make(side *s, const uint8_t *data, size_t size, const clstm_limits *limits, bool plain)
{
    clstm_model_options options = {.limits = limits, .no_optimise = plain};
    clstm_session_options run;
    clstm_session_options_default(&run);
    run.no_optimise = plain;
    s->status = clstm_model_load_memory(data, size, NULL, &options, &s->model, &s->err);
    if (s->status == CLSTM_OK)
        s->status = clstm_session_create(s->model, &run, &s->session, &s->err);
}

static void drop(side *s)
{
    clstm_session_destroy(s->session);
    clstm_model_destroy(s->model);
}

/* A rewriting pass has other roundings than what it replaces; then only numbers that are far from any threshold are compared. */
static bool close_to(const clstm_tensor *a, const clstm_tensor *b, int64_t i)
{
    double x = io_get(a, i), y = io_get(b, i);
    if (isnan(x) || isnan(y) || isinf(x) || isinf(y))
        return (isnan(x) && isnan(y)) || x == y;
    double unit = a->type == CLSTM_FLOAT16 || a->type == CLSTM_BFLOAT16 ? 0.05 : 1e-3;
    return fabs(x - y) <= unit * fmax(1, fmax(fabs(x), fabs(y)));
}

/* Complex elements are pairs of reals. */
static int64_t as_reals(clstm_tensor *t)
{
    int64_t count = clstm_tensor_count(t);
    bool pairs = t->type == CLSTM_COMPLEX64 || t->type == CLSTM_COMPLEX128;
    if (pairs)
        t->type = t->type == CLSTM_COMPLEX64 ? CLSTM_FLOAT : CLSTM_DOUBLE;
    return pairs ? 2 * count : count;
}

static bool same_bits(const clstm_tensor *a, const clstm_tensor *b, int64_t count)
{
    size_t unit = clstm_type_size(a->type);
    if (!unit || !count || memcmp(a->data, b->data, (size_t)count * unit) == 0)
        return true;
    for (int64_t i = 0; i < count; i++) {
        if (memcmp((const char *)a->data + (size_t)i * unit, (const char *)b->data + (size_t)i * unit, unit) == 0)
            continue;
        if (!io_type_is_float(a->type) || !isnan(io_get(a, i)) || !isnan(io_get(b, i)))
            return false;               /* a NaN's payload is nobody's promise */
    }
    return true;
}

static void same(const clstm_value *a, const clstm_value *b, bool rewritten)
{
    FUZZ_HOLDS(a->kind == b->kind);
    FUZZ_HOLDS(a->kind != CLSTM_KIND_SEQUENCE || a->count == b->count);
    for (size_t i = 0; a->kind == CLSTM_KIND_SEQUENCE && i < a->count; i++)
        same(&a->items[i], &b->items[i], rewritten);
    if (a->kind != CLSTM_KIND_TENSOR)
        return;
    clstm_tensor x = a->tensor, y = b->tensor;
    FUZZ_HOLDS(x.type == y.type && x.rank == y.rank && memcmp(x.dims, y.dims, (size_t)x.rank * sizeof *x.dims) == 0);
    int64_t count = as_reals(&x);
    as_reals(&y);
    if (!rewritten) {
        FUZZ_HOLDS(same_bits(&x, &y, count));
        return;
    }
    for (int64_t i = 0; io_type_is_float(x.type) && i < count; i++)
        FUZZ_HOLDS(close_to(&x, &y, i));
}

/* Whether the plan sums in another order than the file: cells made into layers, rows that products start from. */
static bool sums_anew(const side *s)
{
    clstm_graph g;
    return clstm_session_graph(s->session, &g) && (g.recovered || g.fused_rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_limits limits;
    feed_limits(&limits);
    uint64_t pattern = feed_level(data, size);
    side plan = {0}, plain = {0};
    feed inputs = {0};
    make(&plan, data, size, &limits, false);
    make(&plain, data, size, &limits, true);
    if (plan.session && plain.session && feed_make(&inputs)) {
        plan.status = feed_run(&inputs, plan.model, plan.session, pattern, &plan.err);
        plain.status = feed_run(&inputs, plain.model, plain.session, pattern, &plain.err);
    }
    FUZZ_HOLDS(plan.status != CLSTM_INTERNAL && plain.status != CLSTM_INTERNAL);
    if (plan.status == CLSTM_OK && plain.status == CLSTM_OK && inputs.memory) {
        bool rewritten = sums_anew(&plan);
        fuzz_reached++;
        for (size_t i = 0; i < clstm_model_output_count(plan.model); i++)
            same(clstm_session_output(plan.session, i), clstm_session_output(plain.session, i), rewritten);
    }
    drop(&plan);
    drop(&plain);
    feed_free(&inputs);
    return 0;
}
