/* ops/arg: ArgMax, ArgMin, TopK. NaN counts as the largest and, for ArgMin, as the smallest: it is never passed over. */
#include "ops/families.h"
#include "ops/wide.h"

#include <string.h>

/* ---- ArgMax, ArgMin -------------------------------------------------------------------------------------------------------------------- */

static clstm_status infer_arg(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t dims[CLSTM_MAX_RANK];
    int axis, rank = 0;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    if (x->dims[axis] == 0 && clstm_tensor_count(x) == 0) return op_bad_model(c, "axis %d has no elements", axis);
    for (int d = 0; d < x->rank; d++) {
        if (d != axis) dims[rank++] = x->dims[d];
        else if (op_attr_int(c->node, "keepdims")) dims[rank++] = 1;
    }
    return op_set_out(c, 0, CLSTM_INT64, rank, dims);
}

/* Of n rows of `m` neighbours the index of the best, into y[0..m). */
#define BEST(F, NAN_FIRST) \
    for (int64_t k = 0; k < m; k++) { \
        bool better = max ? w.F[k] > best.F[k] : w.F[k] < best.F[k], same = w.F[k] == best.F[k]; \
        NAN_FIRST \
        if (i == 0 || better || (last && same)) { best.F[k] = w.F[k]; y[k] = i; } \
    }
static void best_rows(const clstm_tensor *x, size_t at, int64_t n, size_t step, int64_t m, bool max, bool last, int64_t *y) {
    op_chunk w, best;
    op_wide form = op_wide_of(x->type);
    for (int64_t i = 0; i < n; i++) {
        op_wide_load(x->type, (const unsigned char *)x->data + at + (size_t)i * step, &w, m);
        if (i == 0) best = w;
        if (form == OP_WIDE_F64) BEST(f, if (w.f[k] != w.f[k]) { better = best.f[k] == best.f[k]; same = !better; })
        else if (form == OP_WIDE_I64) BEST(i, )
        else BEST(u, )
    }
}

/* The same along a contiguous row. */
static int64_t best_in_row(const clstm_tensor *x, size_t at, int64_t n, bool max, bool last) {
    size_t size = clstm_type_size(x->type);
    int64_t found = 0;
    op_chunk w, best;
    op_wide form = op_wide_of(x->type);
    for (int64_t i0 = 0; i0 < n; i0 += OP_CHUNK) {
        int64_t m = n - i0 < OP_CHUNK ? n - i0 : OP_CHUNK;
        op_wide_load(x->type, (const unsigned char *)x->data + at + (size_t)i0 * size, &w, m);
        if (i0 == 0) { best.u[0] = w.u[0]; if (form == OP_WIDE_F64) best.f[0] = w.f[0]; }
        for (int64_t k = 0; k < m; k++) {
            bool better, same;
            if (form == OP_WIDE_F64) {
                better = max ? w.f[k] > best.f[0] : w.f[k] < best.f[0];
                same = w.f[k] == best.f[0];
                if (w.f[k] != w.f[k]) { better = best.f[0] == best.f[0]; same = !better; }
            } else if (form == OP_WIDE_I64) {
                better = max ? w.i[k] > best.i[0] : w.i[k] < best.i[0];
                same = w.i[k] == best.i[0];
            } else {
                better = max ? w.u[k] > best.u[0] : w.u[k] < best.u[0];
                same = w.u[k] == best.u[0];
            }
            if (better || (last && same)) { memcpy(&best.u[0], &w.u[k], sizeof best.u[0]); found = i0 + k; }
        }
    }
    return found;
}

static clstm_status run_arg(op_ctx *c, bool max) {
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    int64_t outer = tensor_span(x, 0, axis), n = x->dims[axis], inner = tensor_span(x, axis + 1, x->rank), *y = op_out(c, 0)->data;
    bool last = op_attr_given(c->node, "select_last_index") && op_attr_int(c->node, "select_last_index");
    size_t size = clstm_type_size(x->type);
    for (int64_t o = 0; o < outer; o++) {
        size_t at = (size_t)(o * n * inner) * size;
        if (inner == 1) { *y++ = best_in_row(x, at, n, max, last); continue; }
        for (int64_t k = 0; k < inner; k += OP_CHUNK) {
            int64_t m = inner - k < OP_CHUNK ? inner - k : OP_CHUNK;
            best_rows(x, at + (size_t)k * size, n, (size_t)inner * size, m, max, last, y);
            y += m;
        }
    }
    return CLSTM_OK;
}
static clstm_status run_ArgMax(op_ctx *c) { return run_arg(c, true); }
static clstm_status run_ArgMin(op_ctx *c) { return run_arg(c, false); }

/* ---- TopK -------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status topk_count(op_ctx *c, int64_t *k) {
    if (c->node->op->until && c->node->op->until < 10) { *k = op_attr_int(c->node, "k"); return CLSTM_OK; }
    return op_input_int(c, 1, k);
}

static clstm_status infer_TopK(op_ctx *c) {
    clstm_tensor out = *op_in(c, 0);
    int axis;
    int64_t k;
    UTIL_TRY(op_axis(c, out.rank, &axis));
    UTIL_TRY(topk_count(c, &k));
    if (k < 0 || k > out.dims[axis]) return op_bad_model(c, "K is %lld for an axis of %lld", (long long)k, (long long)out.dims[axis]);
    out.dims[axis] = k;
    UTIL_TRY(op_set_out(c, 0, out.type, out.rank, out.dims));
    return op_set_out(c, 1, CLSTM_INT64, out.rank, out.dims);
}

/* A row in scratch: values in wide form beside the heap of the k best indices. */
typedef struct row { op_wide form; bool largest; const uint64_t *w; } row;

/* Whether element a comes before b in the answer; equal ones in the order of the input. */
static bool before(const row *r, int64_t a, int64_t b) {
    int order;      /* > 0: a is larger */
    if (r->form == OP_WIDE_F64) {
        double x, y;
        memcpy(&x, &r->w[a], sizeof x);
        memcpy(&y, &r->w[b], sizeof y);
        order = x != x || y != y ? (x != x) - (y != y) : (x > y) - (x < y);
    } else if (r->form == OP_WIDE_I64) {
        int64_t x, y;
        memcpy(&x, &r->w[a], sizeof x);
        memcpy(&y, &r->w[b], sizeof y);
        order = (x > y) - (x < y);
    } else {
        order = (r->w[a] > r->w[b]) - (r->w[a] < r->w[b]);
    }
    if (order) return r->largest ? order > 0 : order < 0;
    return a < b;
}

/* A heap with the last of the answer on top. */
static void sift(const row *r, int64_t *heap, int64_t n, int64_t at) {
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n) return;
        if (child + 1 < n && before(r, heap[child], heap[child + 1])) child++;
        if (!before(r, heap[at], heap[child])) return;
        int64_t t = heap[at]; heap[at] = heap[child]; heap[child] = t;
        at = child;
    }
}

static void select_best(const row *r, int64_t n, int64_t *heap, int64_t k) {
    for (int64_t i = 0; i < k; i++) heap[i] = i;
    for (int64_t i = k / 2; i-- > 0;) sift(r, heap, k, i);
    for (int64_t i = k; i < n && k; i++)
        if (before(r, i, heap[0])) { heap[0] = i; sift(r, heap, k, 0); }
    for (int64_t left = k; left > 1; left--) {
        int64_t t = heap[0]; heap[0] = heap[left - 1]; heap[left - 1] = t;
        sift(r, heap, left - 1, 0);
    }
}

static clstm_status prepare_TopK(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    int64_t k;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    UTIL_TRY(topk_count(c, &k));
    c->scratch_bytes = (size_t)(x->dims[axis] + k) * sizeof(uint64_t);
    return CLSTM_OK;
}

static clstm_status run_TopK(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    int64_t k;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    UTIL_TRY(topk_count(c, &k));
    if (k == 0) return CLSTM_OK;
    int64_t outer = tensor_span(x, 0, axis), n = x->dims[axis], inner = tensor_span(x, axis + 1, x->rank);
    size_t size = clstm_type_size(x->type);
    uint64_t *w = c->scratch;
    int64_t *heap = (int64_t *)c->scratch + n;
    row r = {op_wide_of(x->type), !op_attr_given(c->node, "largest") || op_attr_int(c->node, "largest"), w};
    for (int64_t line = 0; line < outer * inner; line++) {
        int64_t o = line / inner, in = line % inner;
        const unsigned char *from = (const unsigned char *)x->data + (size_t)(o * n * inner + in) * size;
        op_chunk chunk;
        for (int64_t i = 0; i < n; i += inner == 1 ? OP_CHUNK : 1) {
            int64_t m = inner > 1 ? 1 : n - i < OP_CHUNK ? n - i : OP_CHUNK;
            op_wide_load(x->type, from + (size_t)(i * inner) * size, &chunk, m);
            memcpy(w + i, &chunk, (size_t)m * sizeof *w);
        }
        select_best(&r, n, heap, k);
        for (int64_t i = 0; i < k; i++) {
            int64_t at = (o * k + i) * inner + in;
            if (op_has_out(c, 0)) memcpy((unsigned char *)op_out(c, 0)->data + (size_t)at * size, from + (size_t)(heap[i] * inner) * size, size);
            if (op_has_out(c, 1)) ((int64_t *)op_out(c, 1)->data)[at] = heap[i];
        }
    }
    return CLSTM_OK;
}

#define ARG(Op, first, last, attributes) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "data:T", .outputs = "reduced:I", .types = "T=num* I=int64", .attrs = attributes, \
     .infer = infer_arg, .run = run_##Op}
/* sorted=0 allows any order; ours is the sorted one. */
#define TOPK(first, last, in, attributes) \
    {.domain = "", .name = "TopK", .since = first, .until = last, .inputs = in, .outputs = "Values:T Indices:I", .types = "T=num* I=int64", \
     .attrs = attributes, .infer = infer_TopK, .prepare = prepare_TopK, .run = run_TopK}
const op_desc ops_arg[] = {
    ARG(ArgMax, 1, 11, "axis:i=0 keepdims:i=1"), ARG(ArgMax, 12, 0, "axis:i=0 keepdims:i=1 select_last_index:i=0"),
    ARG(ArgMin, 1, 11, "axis:i=0 keepdims:i=1"), ARG(ArgMin, 12, 0, "axis:i=0 keepdims:i=1 select_last_index:i=0"),
    TOPK(1, 9, "X:T", "axis:i=-1 k:i!"), TOPK(10, 10, "X:T K:I", "axis:i=-1"), TOPK(11, 0, "X:T K:I", "axis:i=-1 largest:i=1 sorted:i=1"),
    OP_ARRAY_END};
