/* ops/concat: Concat and Split along one axis. */
#include "ops/families.h"
#include "ops/move.h"

/* Opset 1 to 3 default the axis to 1. */
static clstm_status concat_axis(op_ctx *c, int *axis) { return op_axis(c, op_in(c, 0)->rank, axis); }

static clstm_status infer_Concat(op_ctx *c) {
    clstm_tensor out = *op_in(c, 0);
    int axis;
    char a[160], b[160];
    UTIL_TRY(concat_axis(c, &axis));
    for (int i = 1; i < c->n_in; i++) {
        const clstm_tensor *x = op_in(c, i);
        bool fits = x->rank == out.rank;
        for (int d = 0; fits && d < out.rank; d++) fits = d == axis || x->dims[d] == out.dims[d];
        if (!fits) return op_bad_model(c, "shapes %s and %s do not join along axis %d", tensor_shape_text(a, sizeof a, &out), tensor_shape_text(b, sizeof b, x), axis);
        if (!util_add(out.dims[axis], x->dims[axis], &out.dims[axis])) return op_bad_model(c, "the output is too large");
    }
    return op_set_out(c, 0, out.type, out.rank, out.dims);
}

/* Rows of one input after another: `rows` times `bytes` with the given steps. */
typedef struct part { size_t bytes, at; } part;
typedef struct parts { int64_t rows; size_t row_bytes; int n; part part[]; } parts;

static parts *prepare_parts(op_ctx *c, const clstm_tensor *whole, int axis, int n) {
    parts *p = op_prepared_alloc(c, sizeof *p + (size_t)n * sizeof *p->part);
    if (!p) { util_no_memory(c->err); return NULL; }
    p->rows = tensor_span(whole, 0, axis);
    p->row_bytes = (size_t)tensor_span(whole, axis, whole->rank) * clstm_type_size(whole->type);
    p->n = n;
    return p;
}

static void set_part(parts *p, int i, const clstm_tensor *t, int axis, size_t *at) {
    p->part[i].bytes = (size_t)tensor_span(t, axis, t->rank) * clstm_type_size(t->type);
    p->part[i].at = *at;
    *at += p->part[i].bytes;
}

static clstm_status prepare_Concat(op_ctx *c) {
    int axis;
    size_t at = 0;
    UTIL_TRY(concat_axis(c, &axis));
    parts *p = prepare_parts(c, op_out(c, 0), axis, c->n_in);
    if (!p) return CLSTM_NO_MEMORY;
    for (int i = 0; i < c->n_in; i++) set_part(p, i, op_in(c, i), axis, &at);
    return CLSTM_OK;
}

static void copy_rows(int64_t rows, size_t bytes, const unsigned char *from, size_t from_step, unsigned char *to, size_t to_step) {
    if (bytes == 4) {
        for (int64_t r = 0; r < rows; r++, from += from_step, to += to_step) __builtin_memcpy(to, from, 4);
    } else if (bytes) {
        for (int64_t r = 0; r < rows; r++, from += from_step, to += to_step) __builtin_memcpy(to, from, bytes);
    }
}

static clstm_status run_Concat(op_ctx *c) {
    const parts *p = c->prepared;
    unsigned char *y = op_out(c, 0)->data;
    for (int i = 0; i < p->n; i++) copy_rows(p->rows, p->part[i].bytes, op_in(c, i)->data, p->part[i].bytes, y + p->part[i].at, p->row_bytes);
    return CLSTM_OK;
}

/* ---- Split ----------------------------------------------------------------------------------------------------------------------------- */

static clstm_status infer_Split(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int axis, n = c->n_out;
    int64_t total = 0, dims[CLSTM_MAX_RANK];
    UTIL_TRY(op_axis(c, x->rank, &axis));
    size_t given;
    const int64_t *sizes = op_attr_ints(c->node, "split", &given);
    bool input = op_has_in(c, 1);
    if (input) {
        UTIL_TRY(op_need_data(c, 1));
        given = (size_t)clstm_tensor_count(op_in(c, 1));
    }
    if (op_attr_given(c->node, "num_outputs")) {
        if (input) return op_bad_model(c, "has both split and num_outputs");
        if (op_attr_int(c->node, "num_outputs") != n)
            return op_bad_model(c, "num_outputs is %lld, the node has %d outputs", (long long)op_attr_int(c->node, "num_outputs"), n);
    }
    bool by_size = input || given;
    if (by_size && given != (size_t)n) return op_bad_model(c, "split has %zu entries for %d outputs", given, n);
    if (!n) return op_bad_model(c, "has no outputs");
    int64_t length = x->dims[axis], even = (length + n - 1) / n;
    if (!by_size && c->node->op->since < 18 && length % n) return op_bad_model(c, "axis %d of %lld elements does not split into %d", axis, (long long)length, n);
    for (int d = 0; d < x->rank; d++) dims[d] = x->dims[d];
    for (int i = 0; i < n; i++) {
        int64_t left = length - total, size = even < left ? even : left;
        if (by_size) size = input ? tensor_get_int(op_in(c, 1), i) : sizes[i];
        if (size < 0 || size > left) return op_bad_model(c, "part %d has %lld of %lld remaining elements", i, (long long)size, (long long)left);
        total += size;
        dims[axis] = size;
        UTIL_TRY(op_set_out(c, i, x->type, x->rank, dims));
    }
    return total == length ? CLSTM_OK : op_bad_model(c, "the parts have %lld of %lld elements", (long long)total, (long long)length);
}

/* Outputs that nobody reads have no shape: their place follows from the sizes of the parts. */
static int64_t part_size(const op_ctx *c, int i, int axis) {
    if (op_has_out(c, i)) return op_out(c, i)->dims[axis];
    size_t given;
    const int64_t *sizes = op_attr_ints(c->node, "split", &given);
    if (op_has_in(c, 1)) return tensor_get_int(op_in(c, 1), i);
    if (given) return sizes[i];
    int64_t length = op_in(c, 0)->dims[axis], even = (length + c->n_out - 1) / c->n_out, left = length - even * i;
    return left < 0 ? 0 : left < even ? left : even;
}

static clstm_status prepare_Split(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    size_t at = 0;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    parts *p = prepare_parts(c, x, axis, c->n_out);
    if (!p) return CLSTM_NO_MEMORY;
    for (int i = 0; i < c->n_out; i++) {
        clstm_tensor t = *x;
        t.dims[axis] = part_size(c, i, axis);
        set_part(p, i, &t, axis, &at);
    }
    return CLSTM_OK;
}

static clstm_status run_Split(op_ctx *c) {
    const parts *p = c->prepared;
    const unsigned char *x = op_in(c, 0)->data;
    for (int i = 0; i < p->n; i++)
        if (op_has_out(c, i)) copy_rows(p->rows, p->part[i].bytes, x + p->part[i].at, p->row_bytes, op_out(c, i)->data, p->part[i].bytes);
    return CLSTM_OK;
}

/* One row in all: each part lies whole in the input. */
static bool view_Split(op_ctx *c, int out, int *in, size_t *offset) {
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    if (op_axis(c, x->rank, &axis) != CLSTM_OK || tensor_span(x, 0, axis) != 1) return false;
    if (op_has_in(c, 1) && !op_in(c, 1)->data) return false;
    int64_t before = 0;
    for (int i = 0; i < out; i++) before += part_size(c, i, axis);
    *in = 0;
    *offset = (size_t)(before * tensor_span(x, axis + 1, x->rank)) * clstm_type_size(x->type);
    return true;
}

#define ANY "T=all,complex64,complex128"
#define CONCAT(first, last, attributes) \
    {.domain = "", .name = "Concat", .since = first, .until = last, .inputs = "inputs+:T", .outputs = "concat_result:T", .types = ANY, \
     .attrs = attributes, .infer = infer_Concat, .prepare = prepare_Concat, .run = run_Concat, .flags = OP_BYTES}
#define SPLIT(first, last, in, attributes) \
    {.domain = "", .name = "Split", .since = first, .until = last, .inputs = in, .outputs = "outputs+:T", .types = ANY, .attrs = attributes, \
     .infer = infer_Split, .prepare = prepare_Split, .run = run_Split, .view = view_Split, .flags = OP_BYTES}
const op_desc ops_concat[] = {
    CONCAT(1, 3, "axis:i=1"), CONCAT(4, 0, "axis:i!"),
    SPLIT(1, 1, "input:T split?:T", "axis:i=0 split:I"), SPLIT(2, 12, "input:T", "axis:i=0 split:I"),
    SPLIT(13, 17, "input:T split?:int64", "axis:i=0"), SPLIT(18, 0, "input:T split?:int64", "axis:i=0 num_outputs:i"),
    OP_ARRAY_END};
