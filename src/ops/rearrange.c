/* ops/rearrange: ReverseSequence and OneHot. */
#include "ops/families.h"
#include "ops/common.h"

#include <string.h>

/* ---- ReverseSequence ------------------------------------------------------------------------------------------------------------------ */

static clstm_status check_ReverseSequence(ir_node *n, clstm_error *err) {
    int64_t t = op_attr_int(n, "time_axis"), b = op_attr_int(n, "batch_axis");
    if (t < 0 || t > 1 || b < 0 || b > 1 || t == b) return util_fail(err, CLSTM_BAD_MODEL, "time_axis and batch_axis must be 0 and 1");
    return CLSTM_OK;
}
static clstm_status infer_ReverseSequence(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *lens = op_in(c, 1);
    if (x->rank < 2) return op_bad_model(c, "the input has rank %d, expected at least 2", x->rank);
    if (lens->rank != 1 || lens->dims[0] != x->dims[op_attr_int(c->node, "batch_axis")]) return op_bad_model(c, "sequence_lens does not have one entry for each batch row");
    return op_infer_same(c);
}
static clstm_status run_ReverseSequence(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int time_axis = (int)op_attr_int(c->node, "time_axis");
    int64_t steps = x->dims[time_axis], batch = x->dims[1 - time_axis];
    size_t block = (size_t)tensor_span(x, 2, x->rank) * clstm_type_size(x->type);
    size_t by_time = block * (size_t)(time_axis == 0 ? batch : 1), by_row = block * (size_t)(time_axis == 0 ? 1 : steps);
    const unsigned char *from = x->data;
    unsigned char *to = op_out(c, 0)->data;
    for (int64_t b = 0; b < batch; b++) {
        int64_t len = ((const int64_t *)op_in(c, 1)->data)[b];
        if (len < 0 || len > steps) return op_bad_input(c, "sequence length %lld is outside [0, %lld]", (long long)len, (long long)steps);
        for (int64_t t = 0; t < steps; t++)
            memcpy(to + (size_t)b * by_row + (size_t)t * by_time, from + (size_t)b * by_row + (size_t)(t < len ? len - 1 - t : t) * by_time, block);
    }
    return CLSTM_OK;
}

/* ---- OneHot ------------------------------------------------------------------------------------------------------------------------------ */

static clstm_status onehot_shape(op_ctx *c, int *axis, int64_t *depth) {
    const clstm_tensor *index = op_in(c, 0);
    UTIL_TRY(op_need_data(c, 1));
    if (clstm_tensor_count(op_in(c, 1)) != 1) return op_bad_model(c, "depth must have one element");
    double d = tensor_get_double(op_in(c, 1), 0);
    if (!(d >= 0 && d < 0x1p53)) return op_bad_model(c, "depth is %g", d);
    *depth = (int64_t)d;
    if (!tensor_axis(op_attr_int(c->node, "axis"), index->rank + 1, axis)) return op_bad_model(c, "axis %lld of an output of rank %d", (long long)op_attr_int(c->node, "axis"), index->rank + 1);
    return CLSTM_OK;
}
static clstm_status infer_OneHot(op_ctx *c) {
    const clstm_tensor *index = op_in(c, 0), *values = op_in(c, 2);
    int64_t depth, dims[CLSTM_MAX_RANK + 1];
    int axis;
    UTIL_TRY(onehot_shape(c, &axis, &depth));
    if (clstm_tensor_count(values) != 2) return op_bad_model(c, "values must have two elements");
    for (int d = 0; d <= index->rank; d++) dims[d] = d < axis ? index->dims[d] : d == axis ? depth : index->dims[d - 1];
    return op_set_out(c, 0, values->type, index->rank + 1, dims);
}
/* An index that is not a whole number or lies outside [-depth, depth-1] sets nothing. */
static clstm_status run_OneHot(op_ctx *c) {
    const clstm_tensor *index = op_in(c, 0), *y = op_out(c, 0);
    int axis;
    int64_t depth;
    UTIL_TRY(onehot_shape(c, &axis, &depth));
    size_t size = clstm_type_size(y->type);
    const unsigned char *off = op_in(c, 2)->data, *on = off + size;
    int64_t total = clstm_tensor_count(y), outer = tensor_span(index, 0, axis), inner = tensor_span(index, axis, index->rank);
    for (int64_t i = 0; i < total; i++) memcpy((unsigned char *)y->data + (size_t)i * size, off, size);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++) {
            double v = tensor_get_double(index, o * inner + k);
            if (!(v >= -(double)depth && v < (double)depth) || v != (double)(int64_t)v) continue;
            int64_t at = (int64_t)v < 0 ? (int64_t)v + depth : (int64_t)v;
            memcpy((unsigned char *)y->data + (size_t)((o * depth + at) * inner + k) * size, on, size);
        }
    return CLSTM_OK;
}

const op_desc ops_rearrange[] = {
    {.domain = "", .name = "ReverseSequence", .since = 10, .inputs = "input:T sequence_lens:int64", .outputs = "Y:T", .types = "T=all,complex64,complex128",
     .attrs = "batch_axis:i=1 time_axis:i=0", .check = check_ReverseSequence, .infer = infer_ReverseSequence, .run = run_ReverseSequence},
    {.domain = "", .name = "OneHot", .since = 9, .inputs = "indices:T1 depth:T2 values:T3", .outputs = "output:T3", .types = "T1=num* T2=num* T3=all,complex64,complex128",
     .attrs = "axis:i=-1", .infer = infer_OneHot, .run = run_OneHot},
    OP_ARRAY_END};
