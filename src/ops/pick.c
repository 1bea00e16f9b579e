/* ops/pick: NonZero, Compress, Unique: how many elements they give depends on the data, so they allocate their outputs. */
#include "ops/families.h"
#include "ops/wide.h"

#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

static void unknown(op_ctx *c, int i, clstm_type type) {
    if (!op_has_out(c, i)) return;
    memset(c->out[i], 0, sizeof *c->out[i]);
    c->out[i]->kind = CLSTM_KIND_TENSOR;
    c->out[i]->tensor.type = type;
    c->out[i]->tensor.rank = -1;
}

/* ---- NonZero ---------------------------------------------------------------------------------------------------------------------------- */

static clstm_status infer_NonZero(op_ctx *c) { unknown(c, 0, CLSTM_INT64); return CLSTM_OK; }

static clstm_status run_NonZero(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t total = clstm_tensor_count(x), found = 0;
    for (int64_t i = 0; i < total; i++) found += tensor_get_double(x, i) != 0;
    UTIL_TRY(op_output_tensor(c, 0, CLSTM_INT64, 2, (int64_t[]){x->rank, found}));
    int64_t *y = op_out(c, 0)->data;
    for (int64_t i = 0, k = 0; i < total && k < found; i++) {
        if (tensor_get_double(x, i) == 0) continue;
        int64_t left = i;
        for (int d = x->rank - 1; d >= 0; d--) { y[d * found + k] = left % x->dims[d]; left /= x->dims[d]; }
        k++;
    }
    return CLSTM_OK;
}

/* ---- Compress ---------------------------------------------------------------------------------------------------------------------------- */

static clstm_status infer_Compress(op_ctx *c) {
    int axis;
    if (op_attr_given(c->node, "axis")) UTIL_TRY(op_axis(c, op_in(c, 0)->rank, &axis));
    if (op_in(c, 1)->rank != 1) return op_bad_model(c, "condition has rank %d, expected 1", op_in(c, 1)->rank);
    unknown(c, 0, op_in(c, 0)->type);
    return CLSTM_OK;
}

static clstm_status run_Compress(op_ctx *c) {
    clstm_tensor x = *op_in(c, 0);
    int axis = 0;
    if (op_attr_given(c->node, "axis")) UTIL_TRY(op_axis(c, x.rank, &axis));
    else { x.dims[0] = clstm_tensor_count(op_in(c, 0)); x.rank = 1; }
    const uint8_t *keep = op_in(c, 1)->data;
    int64_t n = op_in(c, 1)->dims[0], length = x.dims[axis], outer = tensor_span(&x, 0, axis), kept = 0;
    for (int64_t i = length; i < n; i++)
        if (keep[i]) return op_bad_input(c, "condition %lld is past the axis of %lld", (long long)i, (long long)length);
    if (n > length) n = length;
    for (int64_t i = 0; i < n; i++) kept += keep[i] != 0;
    size_t block = (size_t)tensor_span(&x, axis + 1, x.rank) * clstm_type_size(x.type);
    const unsigned char *from = x.data;
    x.dims[axis] = kept;
    UTIL_TRY(op_output_tensor(c, 0, x.type, x.rank, x.dims));
    unsigned char *to = op_out(c, 0)->data;
    for (int64_t o = 0; o < outer; o++, from += (size_t)length * block)
        for (int64_t i = 0; i < n; i++)
            if (keep[i]) { memcpy(to, from + (size_t)i * block, block); to += block; }
    return CLSTM_OK;
}

/* ---- Unique ------------------------------------------------------------------------------------------------------------------------------- */

/* Slices of x along the axis, each `outer` blocks of `inner` elements, or single elements of the flat tensor. */
typedef struct slices { const clstm_tensor *x; int64_t n, outer, inner; } slices;

static clstm_status infer_Unique(op_ctx *c) {
    int axis;
    if (op_attr_given(c->node, "axis")) UTIL_TRY(op_axis(c, op_in(c, 0)->rank, &axis));
    unknown(c, 0, op_in(c, 0)->type);
    for (int i = 1; i < 4; i++) unknown(c, i, CLSTM_INT64);
    return CLSTM_OK;
}

static int compare_elements(const clstm_tensor *x, int64_t a, int64_t b) {
    size_t size = clstm_type_size(x->type);
    op_chunk p, q;
    op_wide_load(x->type, (const unsigned char *)x->data + (size_t)a * size, &p, 1);
    op_wide_load(x->type, (const unsigned char *)x->data + (size_t)b * size, &q, 1);
    switch (op_wide_of(x->type)) {
    case OP_WIDE_F64:   /* NaN comes last and differs from everything but itself in place */
        if (p.f[0] != p.f[0] || q.f[0] != q.f[0]) return (p.f[0] != p.f[0]) - (q.f[0] != q.f[0]);
        return (p.f[0] > q.f[0]) - (p.f[0] < q.f[0]);
    case OP_WIDE_I64: return (p.i[0] > q.i[0]) - (p.i[0] < q.i[0]);
    default: return (p.u[0] > q.u[0]) - (p.u[0] < q.u[0]);
    }
}

static int compare_slices(const slices *s, int64_t a, int64_t b) {
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t k = 0; k < s->inner; k++) {
            int64_t base = o * s->n * s->inner + k;
            int order = compare_elements(s->x, base + a * s->inner, base + b * s->inner);
            if (order) return order;
        }
    return 0;
}

/* Stable merge sort of order[0..n) with room for as many. */
static void sort_slices(const slices *s, int64_t *order, int64_t *room, int64_t n) {
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width) {
            int64_t mid = low + width < n ? low + width : n, high = mid + width < n ? mid + width : n, i = low, j = mid;
            for (int64_t k = low; k < high; k++)
                room[k] = i < mid && (j >= high || compare_slices(s, order[i], order[j]) <= 0) ? order[i++] : order[j++];
        }
        memcpy(order, room, (size_t)n * sizeof *order);
    }
}

/* Fills first[] (first slice of each group), group[] (group of each slice) and count[]; returns the number of groups. */
static int64_t group_slices(const slices *s, int64_t *order, int64_t *first, int64_t *group, int64_t *count, bool sorted) {
    int64_t groups = 0;
    sort_slices(s, order, group, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        if (i == 0 || compare_slices(s, order[i - 1], order[i])) { first[groups] = order[i]; count[groups++] = 0; }
        group[order[i]] = groups - 1;
        count[groups - 1]++;
    }
    if (sorted) return groups;
    /* in order of appearance: number the groups anew as their first slices come by; order[] becomes the old number's new one */
    int64_t next = 0, *renamed = order;
    for (int64_t g = 0; g < groups; g++) renamed[g] = -1;
    for (int64_t i = 0; i < s->n; i++) {
        if (renamed[group[i]] < 0) renamed[group[i]] = next++;
        group[i] = renamed[group[i]];
    }
    for (int64_t g = 0; g < groups; g++) count[g] = 0;
    for (int64_t i = s->n - 1; i >= 0; i--) { first[group[i]] = i; count[group[i]]++; }
    return groups;
}

static clstm_status unique_outputs(op_ctx *c, const slices *s, const int64_t *first, const int64_t *group, const int64_t *count, int64_t groups, bool flat, int axis) {
    clstm_tensor shape = *s->x;
    if (flat) shape.rank = 1;
    shape.dims[flat ? 0 : axis] = groups;
    UTIL_TRY(op_output_tensor(c, 0, shape.type, shape.rank, shape.dims));
    UTIL_TRY(op_output_tensor(c, 1, CLSTM_INT64, 1, &groups));
    UTIL_TRY(op_output_tensor(c, 2, CLSTM_INT64, 1, &s->n));
    UTIL_TRY(op_output_tensor(c, 3, CLSTM_INT64, 1, &groups));
    size_t block = (size_t)s->inner * clstm_type_size(shape.type);
    for (int64_t o = 0; o < s->outer && op_has_out(c, 0); o++)
        for (int64_t g = 0; g < groups; g++)
            memcpy((unsigned char *)op_out(c, 0)->data + (size_t)(o * groups + g) * block, (const unsigned char *)s->x->data + (size_t)(o * s->n + first[g]) * block, block);
    if (op_has_out(c, 1)) memcpy(op_out(c, 1)->data, first, (size_t)groups * sizeof *first);
    if (op_has_out(c, 2)) memcpy(op_out(c, 2)->data, group, (size_t)s->n * sizeof *group);
    if (op_has_out(c, 3)) memcpy(op_out(c, 3)->data, count, (size_t)groups * sizeof *count);
    return CLSTM_OK;
}

static clstm_status run_Unique(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    bool flat = !op_attr_given(c->node, "axis");
    int axis = 0;
    if (!flat) UTIL_TRY(op_axis(c, x->rank, &axis));
    slices s = {x, flat ? clstm_tensor_count(x) : x->dims[axis], flat ? 1 : tensor_span(x, 0, axis), flat ? 1 : tensor_span(x, axis + 1, x->rank)};
    int64_t *memory = util_calloc((size_t)s.n + 1, 4 * sizeof *memory);
    if (!memory) return util_no_memory(c->err);
    int64_t *order = memory, *first = order + s.n, *group = first + s.n, *count = group + s.n;
    for (int64_t i = 0; i < s.n; i++) order[i] = i;
    int64_t groups = group_slices(&s, order, first, group, count, op_attr_int(c->node, "sorted") != 0);
    clstm_status status = unique_outputs(c, &s, first, group, count, groups, flat, axis);
    free(memory);
    return status;
}

const op_desc ops_pick[] = {
    {.domain = "", .name = "NonZero", .since = 9, .inputs = "X:T", .outputs = "Y:I", .types = "T=all I=int64", .attrs = "",
     .infer = infer_NonZero, .run = run_NonZero, .flags = OP_ALLOCATES},
    {.domain = "", .name = "Compress", .since = 9, .inputs = "input:T condition:T1", .outputs = "output:T", .types = "T=all,complex64,complex128 T1=bool",
     .attrs = "axis:i", .infer = infer_Compress, .run = run_Compress, .flags = OP_ALLOCATES},
    {.domain = "", .name = "Unique", .since = 11, .inputs = "X:T", .outputs = "Y:T indices?:I inverse_indices?:I counts?:I", .types = "T=all I=int64",
     .attrs = "axis:i sorted:i=1", .infer = infer_Unique, .run = run_Unique, .flags = OP_ALLOCATES},
    OP_ARRAY_END};
