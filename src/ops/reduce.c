/* ops/reduce: ReduceSum, Mean, Prod, Max, Min, L1, L2, SumSquare, LogSum, LogSumExp. Elements are read a chunk at a time in their wide
 * form; sums of floating point are double, in an order that depends on the shape alone. Adjacent dimensions of one kind are joined. */
#include "ops/families.h"
#include "ops/wide.h"

#include <math.h>
#include <string.h>

typedef enum fold { FOLD_SUM, FOLD_PROD, FOLD_MAX, FOLD_MIN, FOLD_ABS, FOLD_SQUARE, FOLD_EXP } fold;
typedef enum finish { FINISH_NONE, FINISH_MEAN, FINISH_ROOT, FINISH_LOG, FINISH_LOG_SHIFTED } finish;

typedef struct walk { int nd; int64_t count[CLSTM_MAX_RANK], step[CLSTM_MAX_RANK]; } walk;
typedef struct reduce {
    fold fold;
    finish finish;
    op_wide form;                   /* what is computed in */
    walk kept, gone;                /* outer loops over outputs and over what each output takes in */
    int64_t run;                    /* innermost contiguous elements */
    bool run_gone;                  /* they all go into one output; else each is an output */
    int64_t outputs, each;          /* outputs in all, elements for each */
} reduce;

/* ---- shapes -------------------------------------------------------------------------------------------------------------------------- */

/* Bit d: dimension d is reduced. No axes at all means every one, unless noop_with_empty_axes. */
static clstm_status reduced_mask(op_ctx *c, uint32_t *mask) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t axes[CLSTM_MAX_RANK];
    int count;
    UTIL_TRY(op_list(c, "axes", 1, axes, CLSTM_MAX_RANK, &count));
    UTIL_TRY(op_axes_mask(c, axes, count, x->rank, mask));
    if (count <= 0 && !(op_attr_given(c->node, "noop_with_empty_axes") && op_attr_int(c->node, "noop_with_empty_axes"))) *mask = (1u << x->rank) - 1;
    return CLSTM_OK;
}

static clstm_status infer(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    uint32_t mask;
    int64_t dims[CLSTM_MAX_RANK];
    int rank = 0;
    bool keep = op_attr_int(c->node, "keepdims") != 0;
    UTIL_TRY(reduced_mask(c, &mask));
    for (int d = 0; d < x->rank; d++) {
        if (!(mask >> d & 1)) dims[rank++] = x->dims[d];
        else if (keep) dims[rank++] = 1;
    }
    return op_set_out(c, 0, x->type, rank, dims);
}

static void push(walk *w, int64_t count, int64_t step) { w->count[w->nd] = count; w->step[w->nd++] = step; }

static clstm_status prepare(op_ctx *c, fold how, finish end) {
    const clstm_tensor *x = op_in(c, 0);
    reduce *r = op_prepared_alloc(c, sizeof *r);
    uint32_t mask;
    if (!r) return util_no_memory(c->err);
    UTIL_TRY(reduced_mask(c, &mask));
    r->fold = how;
    r->finish = end;
    r->form = end == FINISH_NONE || end == FINISH_MEAN ? op_wide_of(x->type) : OP_WIDE_F64;
    r->outputs = clstm_tensor_count(op_out(c, 0));
    r->each = r->run = 1;
    int64_t step = 1;
    /* From the inside out: joined groups alternate between kept and gone; the first is the run. */
    int64_t count[CLSTM_MAX_RANK], steps[CLSTM_MAX_RANK];
    bool gone[CLSTM_MAX_RANK];
    int n = 0;
    for (int d = x->rank - 1; d >= 0; d--) {
        bool g = mask >> d & 1;
        if (g) r->each *= x->dims[d];
        if (x->dims[d] != 1) {
            if (n && gone[n - 1] == g) count[n - 1] *= x->dims[d];
            else { count[n] = x->dims[d]; steps[n] = step; gone[n++] = g; }
        }
        step *= x->dims[d];
    }
    if (n) { r->run = count[0]; r->run_gone = gone[0]; }
    for (int i = n - 1; i > 0; i--) push(gone[i] ? &r->gone : &r->kept, count[i], steps[i]);
    return CLSTM_OK;
}

/* ---- folding ---------------------------------------------------------------------------------------------------------------------------- */

static double start_f(fold f) { return f == FOLD_PROD ? 1 : f == FOLD_MAX ? (double)-INFINITY : f == FOLD_MIN ? (double)INFINITY : 0; }
static int64_t start_i(fold f, clstm_type type) {
    if (f == FOLD_PROD) return 1;
    if (f != FOLD_MAX && f != FOLD_MIN) return 0;
    if (type == CLSTM_BOOL) return f == FOLD_MIN;
    size_t bits = clstm_type_size(type) * 8;
    if (type_is_unsigned_int(type)) return f == FOLD_MAX ? 0 : bits == 64 ? -1 : (int64_t)(UINT64_MAX >> (64 - bits));
    return f == FOLD_MAX ? (int64_t)(UINT64_MAX << (bits - 1)) : (int64_t)(UINT64_MAX >> (65 - bits));
}

/* s[k] takes in w[k]: with `lanes` a run that ends in one output goes round 8 lanes, else each element has its own. */
#define FOLD_CASE(F, EXPR) \
    case F: \
        if (lanes) for (; n >= 8; n -= 8, w += 8) for (int64_t k = 0; k < 8; k++) { EXPR; } \
        OP_IVDEP for (int64_t k = 0; k < n; k++) { EXPR; } \
        break;
static void fold_f(fold f, double *s, bool lanes, const double *w, int64_t n, const double *shift) {
    switch (f) {
    FOLD_CASE(FOLD_SUM, s[k] += w[k])
    FOLD_CASE(FOLD_PROD, s[k] *= w[k])
    FOLD_CASE(FOLD_MAX, s[k] = s[k] < w[k] || w[k] != w[k] ? w[k] : s[k])
    FOLD_CASE(FOLD_MIN, s[k] = s[k] > w[k] || w[k] != w[k] ? w[k] : s[k])
    FOLD_CASE(FOLD_ABS, s[k] += fabs(w[k]))
    FOLD_CASE(FOLD_SQUARE, s[k] += w[k] * w[k])
    FOLD_CASE(FOLD_EXP, s[k] += w[k] == shift[k] ? 1 : exp(w[k] - shift[k]))
    }
}
/* Integers wrap; min, max and absolute values alone know the sign. */
#define FOLD_INTEGERS(name, T, ABS) \
    static void name(fold f, T *s, bool lanes, const T *w, int64_t n) { \
        switch (f) { \
        FOLD_CASE(FOLD_SUM, s[k] = (T)((uint64_t)s[k] + (uint64_t)w[k])) \
        FOLD_CASE(FOLD_PROD, s[k] = (T)((uint64_t)s[k] * (uint64_t)w[k])) \
        FOLD_CASE(FOLD_MAX, s[k] = s[k] < w[k] ? w[k] : s[k]) \
        FOLD_CASE(FOLD_MIN, s[k] = s[k] > w[k] ? w[k] : s[k]) \
        FOLD_CASE(FOLD_ABS, s[k] = (T)((uint64_t)s[k] + (ABS))) \
        FOLD_CASE(FOLD_SQUARE, s[k] = (T)((uint64_t)s[k] + (uint64_t)w[k] * (uint64_t)w[k])) \
        default: break; \
        } \
    }
FOLD_INTEGERS(fold_i, int64_t, w[k] < 0 ? 0 - (uint64_t)w[k] : (uint64_t)w[k])
FOLD_INTEGERS(fold_u, uint64_t, w[k])

typedef struct job { const reduce *r; const unsigned char *x; clstm_type type; size_t size; } job;

static void take(const job *j, fold f, op_chunk *state, bool lanes, int64_t at, int64_t n, const double *shift) {
    op_chunk w;
    op_wide own = op_wide_of(j->type);
    op_wide_load(j->type, j->x + (size_t)at * j->size, &w, n);
    if (j->r->form == OP_WIDE_F64 && own == OP_WIDE_I64) for (int64_t i = 0; i < n; i++) w.f[i] = (double)w.i[i];
    if (j->r->form == OP_WIDE_F64 && own == OP_WIDE_U64) for (int64_t i = 0; i < n; i++) w.f[i] = (double)w.u[i];
    if (j->r->form == OP_WIDE_F64) fold_f(f, state->f, lanes, w.f, n, shift);
    else if (j->r->form == OP_WIDE_I64) fold_i(f, state->i, lanes, w.i, n);
    else fold_u(f, state->u, lanes, w.u, n);
}

/* Takes everything that goes into the outputs at `base`: `n` neighbours, or with run_gone a single one through 8 lanes. */
static void gather(const job *j, fold f, op_chunk *state, int64_t base, int64_t n, const double *shift) {
    const reduce *r = j->r;
    int64_t index[CLSTM_MAX_RANK] = {0}, at = base, slots = r->run_gone ? 8 : n;
    for (int64_t i = 0; i < slots; i++) {
        if (r->form == OP_WIDE_F64) state->f[i] = start_f(f);
        else state->i[i] = start_i(f, j->type);
    }
    if (!r->each) return;
    for (;;) {
        if (!r->run_gone) take(j, f, state, false, at, n, shift);
        else for (int64_t i = 0; i < r->run; i += OP_CHUNK) take(j, f, state, true, at + i, r->run - i < OP_CHUNK ? r->run - i : OP_CHUNK, shift);
        int d = r->gone.nd - 1;
        while (d >= 0 && ++index[d] == r->gone.count[d]) { at -= r->gone.step[d] * (r->gone.count[d] - 1); index[d--] = 0; }
        if (d < 0) break;
        at += r->gone.step[d];
    }
    if (!r->run_gone) return;
    for (int64_t half = 4; half; half /= 2) {       /* the lanes join in a fixed order; what they hold is already squared, shifted ... */
        fold join = f == FOLD_PROD || f == FOLD_MAX || f == FOLD_MIN ? f : FOLD_SUM;
        if (r->form == OP_WIDE_F64) fold_f(join, state->f, false, state->f + half, half, NULL);
        else if (r->form == OP_WIDE_I64) fold_i(join, state->i, false, state->i + half, half);
        else fold_u(join, state->u, false, state->u + half, half);
    }
}

static void finish_outputs(const reduce *r, op_chunk *s, int64_t n, const double *shift) {
    for (int64_t i = 0; i < n; i++) {
        if (r->finish == FINISH_MEAN && r->form == OP_WIDE_F64) s->f[i] /= (double)r->each;
        else if (r->finish == FINISH_MEAN && r->form == OP_WIDE_I64) s->i[i] = r->each ? s->i[i] / r->each : 0;
        else if (r->finish == FINISH_MEAN) s->u[i] = r->each ? s->u[i] / (uint64_t)r->each : 0;
        else if (r->finish == FINISH_ROOT) s->f[i] = sqrt(s->f[i]);
        else if (r->finish == FINISH_LOG) s->f[i] = log(s->f[i]);
        else if (r->finish == FINISH_LOG_SHIFTED) s->f[i] = isinf(shift[i]) ? shift[i] : log(s->f[i]) + shift[i];
    }
}

static clstm_status run(op_ctx *c) {
    const reduce *r = c->prepared;
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    job j = {r, x->data, x->type, clstm_type_size(x->type)};
    unsigned char *to = y->data;
    int64_t index[CLSTM_MAX_RANK] = {0}, base = 0, row = r->run_gone ? 1 : r->run;
    op_chunk state, top;
    if (!r->outputs) return CLSTM_OK;
    for (;;) {
        for (int64_t k = 0; k < row; k += OP_CHUNK) {
            int64_t n = row - k < OP_CHUNK ? row - k : OP_CHUNK;
            if (r->fold == FOLD_EXP) {
                gather(&j, FOLD_MAX, &top, base + k, n, NULL);
                for (int i = 1; i < 8 && r->run_gone; i++) top.f[i] = top.f[0];
            }
            gather(&j, r->fold, &state, base + k, n, top.f);
            finish_outputs(r, &state, n, top.f);
            op_wide_store(r->form, y->type, &state, to, n);
            to += (size_t)n * j.size;
        }
        int d = r->kept.nd - 1;
        while (d >= 0 && ++index[d] == r->kept.count[d]) { base -= r->kept.step[d] * (r->kept.count[d] - 1); index[d--] = 0; }
        if (d < 0) return CLSTM_OK;
        base += r->kept.step[d];
    }
}

#define REDUCE(Op, fold, finish) static clstm_status prepare_##Op(op_ctx *c) { return prepare(c, fold, finish); }
REDUCE(ReduceSum, FOLD_SUM, FINISH_NONE)
REDUCE(ReduceMean, FOLD_SUM, FINISH_MEAN)
REDUCE(ReduceProd, FOLD_PROD, FINISH_NONE)
REDUCE(ReduceMax, FOLD_MAX, FINISH_NONE)
REDUCE(ReduceMin, FOLD_MIN, FINISH_NONE)
REDUCE(ReduceL1, FOLD_ABS, FINISH_NONE)
REDUCE(ReduceL2, FOLD_SQUARE, FINISH_ROOT)
REDUCE(ReduceSumSquare, FOLD_SQUARE, FINISH_NONE)
REDUCE(ReduceLogSum, FOLD_SUM, FINISH_LOG)
REDUCE(ReduceLogSumExp, FOLD_EXP, FINISH_LOG_SHIFTED)

#define ROW(Op, first, last, in, set, attributes) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = in, .outputs = "reduced:T", .types = set, .attrs = attributes, \
     .infer = infer, .prepare = prepare_##Op, .run = run}
/* The axes became an input at opset 13 for ReduceSum, 18 for the others. */
#define ROWS(Op, change, set) \
    ROW(Op, 1, change - 1, "data:T", set, "axes:I keepdims:i=1"), ROW(Op, change, 0, "data:T axes?:int64", set, "keepdims:i=1 noop_with_empty_axes:i=0")
const op_desc ops_reduce[] = {
    ROWS(ReduceSum, 13, "T=num*"), ROWS(ReduceMean, 18, "T=num*"), ROWS(ReduceProd, 18, "T=num*"), ROWS(ReduceMax, 18, "T=all"),
    ROWS(ReduceMin, 18, "T=all"), ROWS(ReduceL1, 18, "T=num*"), ROWS(ReduceL2, 18, "T=num*"), ROWS(ReduceSumSquare, 18, "T=num*"),
    ROWS(ReduceLogSum, 18, "T=num*"), ROWS(ReduceLogSumExp, 18, "T=num*"),
    OP_ARRAY_END};
