/* ops/slice: Slice with steps of either sign, CenterCropPad and Trilu. */
#include "ops/families.h"
#include "ops/move.h"

#include <string.h>

typedef struct slices { int64_t start[CLSTM_MAX_RANK], step[CLSTM_MAX_RANK], count[CLSTM_MAX_RANK]; } slices;

/* Start and end are clamped as the standard says: walking up into [0, n], walking down start into [0, n-1], end into [-1, n-1]. */
static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v > high ? high : v < low ? low : v; }
static void cut(slices *s, int d, int64_t n, int64_t start, int64_t end, int64_t step) {
    if (start < 0) start += n;
    if (end < 0) end += n;
    start = step > 0 ? clamp(start, 0, n) : clamp(start, n ? 0 : -1, n - 1);
    end = step > 0 ? clamp(end, 0, n) : clamp(end, -1, n - 1);
    uint64_t way = step > 0 ? (uint64_t)(end - start) : (uint64_t)(start - end), by = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    s->start[d] = start;
    s->step[d] = step;
    s->count[d] = (step > 0 ? end > start : start > end) ? (int64_t)((way - 1) / by) + 1 : 0;
}

static clstm_status read_slices(op_ctx *c, slices *s) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t starts[CLSTM_MAX_RANK], ends[CLSTM_MAX_RANK], axes[CLSTM_MAX_RANK], steps[CLSTM_MAX_RANK];
    int n, n_ends, n_axes, n_steps;
    uint32_t mask;
    UTIL_TRY(op_list(c, "starts", 1, starts, CLSTM_MAX_RANK, &n));
    UTIL_TRY(op_list(c, "ends", 2, ends, CLSTM_MAX_RANK, &n_ends));
    UTIL_TRY(op_list(c, "axes", 3, axes, CLSTM_MAX_RANK, &n_axes));
    UTIL_TRY(op_list(c, "steps", 4, steps, CLSTM_MAX_RANK, &n_steps));
    if (n != n_ends || (n_axes >= 0 && n_axes != n) || (n_steps >= 0 && n_steps != n) || n > x->rank)
        return op_bad_model(c, "%d starts, %d ends, %d axes and %d steps for a tensor of rank %d", n, n_ends, n_axes, n_steps, x->rank);
    for (int k = 0; n_axes < 0 && k < n; k++) axes[k] = k;
    UTIL_TRY(op_axes_mask(c, axes, n, x->rank, &mask));
    for (int d = 0; d < x->rank; d++) { s->start[d] = 0; s->step[d] = 1; s->count[d] = x->dims[d]; }
    for (int k = 0; k < n; k++) {
        int d = (int)(axes[k] < 0 ? axes[k] + x->rank : axes[k]);
        int64_t step = n_steps < 0 ? 1 : steps[k];
        if (step == 0) return op_bad_model(c, "a step of 0");
        cut(s, d, x->dims[d], starts[k], ends[k], step);
    }
    return CLSTM_OK;
}

static clstm_status infer_Slice(op_ctx *c) {
    slices s;
    UTIL_TRY(read_slices(c, &s));
    return op_set_out(c, 0, op_in(c, 0)->type, op_in(c, 0)->rank, s.count);
}

static void layout(op_move *m, const clstm_tensor *x, const slices *s) {
    int64_t dense[CLSTM_MAX_RANK], from[CLSTM_MAX_RANK], to[CLSTM_MAX_RANK], start = 0;
    op_dense_steps(x->rank, x->dims, dense);
    op_dense_steps(x->rank, s->count, to);
    for (int d = 0; d < x->rank; d++) {
        from[d] = s->count[d] > 1 ? dense[d] * s->step[d] : 0;
        start += dense[d] * s->start[d];
    }
    op_move_layout(m, x->rank, s->count, from, to, start, clstm_type_size(x->type));
}

static clstm_status prepare_Slice(op_ctx *c) {
    op_move *m = op_prepared_alloc(c, sizeof *m);
    slices s;
    if (!m) return util_no_memory(c->err);
    UTIL_TRY(read_slices(c, &s));
    layout(m, op_in(c, 0), &s);
    return CLSTM_OK;
}

static bool view_Slice(op_ctx *c, int out, int *in, size_t *offset) {
    op_move m;
    slices s;
    if (read_slices(c, &s) != CLSTM_OK) return false;
    layout(&m, op_in(c, 0), &s);
    *in = out;
    *offset = (size_t)m.start;
    return m.nd == 0 && m.start >= 0;
}

/* ---- CenterCropPad: the middle, or zeros around it ------------------------------------------------------------------------------------ */

static clstm_status infer_CenterCropPad(op_ctx *c) {
    clstm_tensor out = *op_in(c, 0);
    int64_t shape[CLSTM_MAX_RANK], all[CLSTM_MAX_RANK];
    int n;
    size_t n_axes;
    uint32_t mask;
    UTIL_TRY(op_input_ints(c, 1, shape, CLSTM_MAX_RANK, &n));
    const int64_t *axes = op_attr_ints(c->node, "axes", &n_axes);
    for (int d = 0; d < out.rank; d++) all[d] = d;
    if (!axes) { axes = all; n_axes = (size_t)out.rank; }
    if ((size_t)n != n_axes) return op_bad_model(c, "shape has %d entries for %zu axes", n, n_axes);
    UTIL_TRY(op_axes_mask(c, axes, n, out.rank, &mask));
    for (int k = 0; k < n; k++) {
        if (shape[k] < 0) return op_bad_model(c, "shape has the entry %lld", (long long)shape[k]);
        out.dims[axes[k] < 0 ? axes[k] + out.rank : axes[k]] = shape[k];
    }
    return op_set_out(c, 0, out.type, out.rank, out.dims);
}

typedef struct crop { op_move m; size_t to; } crop;

static clstm_status prepare_CenterCropPad(op_ctx *c) {
    crop *k = op_prepared_alloc(c, sizeof *k);
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    int64_t from[CLSTM_MAX_RANK], to[CLSTM_MAX_RANK], count[CLSTM_MAX_RANK], start = 0, at = 0;
    if (!k) return util_no_memory(c->err);
    op_dense_steps(x->rank, x->dims, from);
    op_dense_steps(y->rank, y->dims, to);
    for (int d = 0; d < x->rank; d++) {
        bool smaller = y->dims[d] < x->dims[d];
        count[d] = smaller ? y->dims[d] : x->dims[d];
        if (smaller) start += from[d] * ((x->dims[d] - y->dims[d]) / 2);
        else at += to[d] * ((y->dims[d] - x->dims[d]) / 2);
    }
    op_move_layout(&k->m, x->rank, count, from, to, start, clstm_type_size(x->type));
    k->to = (size_t)at * clstm_type_size(x->type);
    return CLSTM_OK;
}

static clstm_status run_CenterCropPad(op_ctx *c) {
    const crop *k = c->prepared;
    size_t bytes;
    if (tensor_bytes(op_out(c, 0), &bytes)) memset(op_out(c, 0)->data, 0, bytes);
    if (k->m.block) op_move_run(&k->m, op_in(c, 0)->data, (unsigned char *)op_out(c, 0)->data + k->to);
    return CLSTM_OK;
}

/* ---- Trilu ---------------------------------------------------------------------------------------------------------------------------- */

static clstm_status infer_Trilu(op_ctx *c) {
    if (op_in(c, 0)->rank < 2) return op_bad_model(c, "the input has rank %d, expected at least 2", op_in(c, 0)->rank);
    return op_infer_same(c);
}

static clstm_status run_Trilu(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t k = 0, rows = x->dims[x->rank - 2], cols = x->dims[x->rank - 1], matrices = tensor_span(x, 0, x->rank - 2);
    size_t size = clstm_type_size(x->type);
    bool upper = op_attr_int(c->node, "upper") != 0;
    if (op_has_in(c, 1)) UTIL_TRY(op_input_int(c, 1, &k));
    if (k > cols) k = cols;
    if (k < -rows) k = -rows;
    for (int64_t r = 0; r < matrices * rows; r++) {
        const unsigned char *f = (const unsigned char *)x->data + (size_t)(r * cols) * size;
        unsigned char *t = (unsigned char *)op_out(c, 0)->data + (size_t)(r * cols) * size;
        int64_t edge = r % rows + k + (upper ? 0 : 1);          /* upper keeps [edge, cols), lower [0, edge) */
        edge = edge < 0 ? 0 : edge > cols ? cols : edge;
        size_t left = (size_t)edge * size, right = (size_t)(cols - edge) * size;
        if (f != t) memcpy(t, f, left + right);
        if (upper) memset(t, 0, left);
        else memset(t + left, 0, right);
    }
    return CLSTM_OK;
}

#define ANY "T=all,complex64,complex128"
#define SLICE(first, last, in, attributes) \
    {.domain = "", .name = "Slice", .since = first, .until = last, .inputs = in, .outputs = "output:T", .types = ANY " Tind=int32,int64", \
     .attrs = attributes, .infer = infer_Slice, .prepare = prepare_Slice, .run = op_move_one, .view = view_Slice}
const op_desc ops_slice[] = {
    SLICE(1, 9, "data:T", "axes:I ends:I! starts:I!"), SLICE(10, 0, "data:T starts:Tind ends:Tind axes?:Tind steps?:Tind", ""),
    {.domain = "", .name = "CenterCropPad", .since = 18, .inputs = "input_data:T shape:Tind", .outputs = "output_data:T", .types = ANY " Tind=int32,int64",
     .attrs = "axes:I", .infer = infer_CenterCropPad, .prepare = prepare_CenterCropPad, .run = run_CenterCropPad},
    {.domain = "", .name = "Trilu", .since = 14, .inputs = "input:T k?:int64", .outputs = "output:T", .types = ANY, .attrs = "upper:i=1",
     .infer = infer_Trilu, .run = run_Trilu, .inplace = 1},
    OP_ARRAY_END};
