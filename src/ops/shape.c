/* ops/shape: operators that keep the elements as they lie (Identity, Dropout, Reshape, Flatten, Squeeze, Unsqueeze) and those that
 * only read shapes (Shape, Size). */
#include "ops/families.h"
#include "ops/common.h"

#include <string.h>

#define ANY "T=all,complex64,complex128"

static clstm_status run_copy(op_ctx *c) {
    size_t bytes;
    if (tensor_bytes(op_out(c, 0), &bytes) && bytes && op_in(c, 0)->data != op_out(c, 0)->data) memcpy(op_out(c, 0)->data, op_in(c, 0)->data, bytes);
    return CLSTM_OK;
}

static bool view_whole(op_ctx *c, int out, int *in, size_t *offset) {
    (void)c;
    *in = 0;
    *offset = 0;
    return out == 0;
}

/* ---- Reshape ---------------------------------------------------------------------------------------------------------------------- */

/* 0 copies the input's dimension (unless allowzero), one -1 takes what is left. */
static clstm_status reshape(op_ctx *c, const int64_t *want, int count, bool allow_zero) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t dims[CLSTM_MAX_RANK], total = clstm_tensor_count(x), known = 1;
    int open = -1;
    bool zero = false;
    char text[160];
    for (int d = 0; d < count; d++) {
        dims[d] = want[d];
        if (dims[d] == 0 && !allow_zero) {
            if (d >= x->rank) return op_bad_model(c, "dimension %d is 0 but the input has rank %d", d, x->rank);
            dims[d] = x->dims[d];
        }
        zero |= want[d] == 0;
        if (dims[d] == -1) {
            if (open >= 0) return op_bad_model(c, "more than one dimension is -1");
            open = d;
        } else if (dims[d] < 0) {
            return op_bad_model(c, "dimension %d is %lld", d, (long long)dims[d]);
        } else if (__builtin_mul_overflow(known, dims[d], &known)) {
            return op_bad_model(c, "the shape is too large");
        }
    }
    if (open >= 0 && allow_zero && zero) return op_bad_model(c, "the shape has both -1 and 0 with allowzero");
    if (open >= 0) {
        dims[open] = known ? total / known : 0;
        known *= dims[open];
    }
    if (known != total) return op_bad_model(c, "cannot give %s the shape of %lld elements", tensor_shape_text(text, sizeof text, x), (long long)known);
    return op_set_out(c, 0, x->type, count, dims);
}

static clstm_status infer_Reshape(op_ctx *c) {
    int64_t want[CLSTM_MAX_RANK];
    int count;
    UTIL_TRY(op_list(c, "shape", 1, want, CLSTM_MAX_RANK, &count));
    if (count < 0) return op_bad_model(c, "attribute shape is missing");
    return reshape(c, want, count, ir_attr_find(c->node, "allowzero") && op_attr_int(c->node, "allowzero"));
}

static clstm_status infer_Flatten(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t axis = op_attr_int(c->node, "axis");
    if (axis < -(int64_t)x->rank || axis > x->rank) return op_bad_model(c, "axis %lld of a tensor of rank %d", (long long)axis, x->rank);
    if (axis < 0) axis += x->rank;
    return op_set_out(c, 0, x->type, 2, (int64_t[]){tensor_span(x, 0, (int)axis), tensor_span(x, (int)axis, x->rank)});
}

static clstm_status infer_Squeeze(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t axes[CLSTM_MAX_RANK], dims[CLSTM_MAX_RANK];
    int count, rank = 0;
    uint32_t mask;
    UTIL_TRY(op_list(c, "axes", 1, axes, CLSTM_MAX_RANK, &count));
    UTIL_TRY(op_axes_mask(c, axes, count, x->rank, &mask));
    for (int d = 0; d < x->rank; d++) {
        bool drop = count < 0 ? x->dims[d] == 1 : mask >> d & 1;
        if (drop && x->dims[d] != 1) return op_bad_model(c, "axis %d has %lld elements and cannot be squeezed", d, (long long)x->dims[d]);
        if (!drop) dims[rank++] = x->dims[d];
    }
    return op_set_out(c, 0, x->type, rank, dims);
}

static clstm_status infer_Unsqueeze(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t axes[CLSTM_MAX_RANK], dims[CLSTM_MAX_RANK];
    int count, from = 0;
    uint32_t mask;
    UTIL_TRY(op_list(c, "axes", 1, axes, CLSTM_MAX_RANK, &count));
    if (x->rank + count > CLSTM_MAX_RANK) return op_unsupported(c, "an output of rank %d (at most %d)", x->rank + count, CLSTM_MAX_RANK);
    UTIL_TRY(op_axes_mask(c, axes, count, x->rank + count, &mask));
    for (int d = 0; d < x->rank + count; d++) dims[d] = mask >> d & 1 ? 1 : x->dims[from++];
    return op_set_out(c, 0, x->type, x->rank + count, dims);
}

/* ---- Identity of any value; Dropout at inference ------------------------------------------------------------------------------------- */

static clstm_status infer_Identity(op_ctx *c) {
    if (c->in[0]->kind == CLSTM_KIND_TENSOR) return op_infer_same(c);
    c->out[0]->kind = c->in[0]->kind;
    c->out[0]->tensor = c->in[0]->tensor;
    return CLSTM_OK;
}
static clstm_status run_Identity(op_ctx *c) {
    if (c->in[0]->kind == CLSTM_KIND_TENSOR) return run_copy(c);
    op_value_clear(c->out[0]);
    return op_value_copy(c->out[0], c->in[0], c->err);
}

/* From opset 12 on the mask is bool; before, ratio is an attribute. */
static clstm_status infer_Dropout(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    if (op_has_in(c, 2)) {
        int64_t training;
        UTIL_TRY(op_input_int(c, 2, &training));
        if (training) {
            double ratio = 0.5;
            if (op_has_in(c, 1)) {
                UTIL_TRY(op_need_data(c, 1));
                if (clstm_tensor_count(op_in(c, 1)) != 1) return op_bad_model(c, "ratio must have one element");
                ratio = tensor_get_double(op_in(c, 1), 0);
            }
            if (ratio != 0) return op_unsupported(c, "training_mode with a ratio other than 0");
        }
    }
    UTIL_TRY(op_set_out(c, 0, x->type, x->rank, x->dims));
    return op_set_out(c, 1, c->node->op->since >= 10 ? CLSTM_BOOL : x->type, x->rank, x->dims);
}
static clstm_status check_Dropout(ir_node *n, clstm_error *err) {
    if (n->op->until && n->op->until < 7 && !op_attr_int(n, "is_test"))
        return util_fail(err, CLSTM_UNSUPPORTED, "is_test=0 (training) is not supported");
    return CLSTM_OK;
}
static clstm_status run_Dropout(op_ctx *c) {
    if (op_has_out(c, 1)) {
        clstm_tensor *mask = op_out(c, 1);
        int64_t n = clstm_tensor_count(mask);
        for (int64_t i = 0; i < n; i++) {
            if (mask->type == CLSTM_BOOL) ((uint8_t *)mask->data)[i] = 1;
            else if (mask->type == CLSTM_FLOAT) ((float *)mask->data)[i] = 1;
            else if (mask->type == CLSTM_DOUBLE) ((double *)mask->data)[i] = 1;
            else ((uint16_t *)mask->data)[i] = mask->type == CLSTM_FLOAT16 ? 0x3c00 : 0x3f80;
        }
    }
    return run_copy(c);
}

/* ---- Shape, Size --------------------------------------------------------------------------------------------------------------------- */

/* start and end as given are clamped to the rank. */
static void shape_range(const op_ctx *c, int *from, int *to) {
    int rank = op_in(c, 0)->rank;
    bool limits = c->node->op->since >= 15;
    int64_t start = limits ? op_attr_int(c->node, "start") : 0;
    int64_t end = limits && op_attr_given(c->node, "end") ? op_attr_int(c->node, "end") : rank;
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    start = start < 0 ? 0 : start > rank ? rank : start;
    end = end < start ? start : end > rank ? rank : end;
    *from = (int)start;
    *to = (int)end;
}
static clstm_status infer_Shape(op_ctx *c) {
    int from, to;
    shape_range(c, &from, &to);
    return op_set_out(c, 0, CLSTM_INT64, 1, (int64_t[]){to - from});
}
static clstm_status run_Shape(op_ctx *c) {
    int from, to;
    shape_range(c, &from, &to);
    for (int d = from; d < to; d++) ((int64_t *)op_out(c, 0)->data)[d - from] = op_in(c, 0)->dims[d];
    return CLSTM_OK;
}
static clstm_status infer_Size(op_ctx *c) { return op_set_out(c, 0, CLSTM_INT64, 0, NULL); }
static clstm_status run_Size(op_ctx *c) {
    *(int64_t *)op_out(c, 0)->data = clstm_tensor_count(op_in(c, 0));
    return CLSTM_OK;
}

/* Without a mask to fill, the output is the input. */
static bool view_Dropout(op_ctx *c, int out, int *in, size_t *offset) { return !op_has_out(c, 1) && view_whole(c, out, in, offset); }

#define KEEP(Op, first, last, in, attributes) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = in, .outputs = "Y:T", .types = ANY, .attrs = attributes, \
     .infer = infer_##Op, .run = run_copy, .view = view_whole, .inplace = 1}
#define DROPOUT(first, last, in, attributes) \
    {.domain = "", .name = "Dropout", .since = first, .until = last, .inputs = in, .outputs = "output:T mask?:T2", \
     .types = "T=float* T1=float* T2=bool,float,double,float16,bfloat16", .attrs = attributes, .check = check_Dropout, .infer = infer_Dropout, .run = run_Dropout, \
     .view = view_Dropout, .inplace = 1}
#define READS(Op, first, last, attributes) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "data:T", .outputs = "shape:T1", .types = ANY " T1=int64", \
     .attrs = attributes, .infer = infer_##Op, .run = run_##Op, .flags = OP_SHAPE_ONLY}

const op_desc ops_shape[] = {
    KEEP(Reshape, 1, 4, "data:T", OP_HINT " shape:I"), KEEP(Reshape, 5, 13, "data:T shape:int64", ""),
    KEEP(Reshape, 14, 0, "data:T shape:int64", "allowzero:i=0"),
    KEEP(Flatten, 1, 0, "input:T", "axis:i=1"),
    KEEP(Squeeze, 1, 12, "data:T", "axes:I"), KEEP(Squeeze, 13, 0, "data:T axes?:int64", ""),
    KEEP(Unsqueeze, 1, 12, "data:T", "axes:I!"), KEEP(Unsqueeze, 13, 0, "data:T axes:int64", ""),
    {.domain = "", .name = "Identity", .since = 1, .inputs = "input:any", .outputs = "output:any", .types = "", .attrs = "",
     .infer = infer_Identity, .run = run_Identity, .view = view_whole, .inplace = 1},
    DROPOUT(1, 5, "data:T", OP_HINT " is_test:i=0 ratio:f=0.5"), DROPOUT(6, 6, "data:T", "is_test:i=0 ratio:f=0.5"),
    DROPOUT(7, 9, "data:T", "ratio:f=0.5"), DROPOUT(10, 11, "data:T", "ratio:f=0.5"),
    DROPOUT(12, 0, "data:T ratio?:T1 training_mode?:T2", "seed:i"),
    READS(Shape, 1, 14, ""), READS(Shape, 15, 0, "start:i=0 end:i"), READS(Size, 1, 0, ""),
    OP_ARRAY_END};
