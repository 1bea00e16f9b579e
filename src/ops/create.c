/* ops/create: tensors made from parameters: Constant, ConstantOfShape, Range, EyeLike. */
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>
#include <string.h>

/* ---- Constant ---------------------------------------------------------------------------------------------------------------------- */

static const char *const constant_names[] = {"value", "value_float", "value_floats", "value_int", "value_ints"};

static const ir_attr *constant_attr(const ir_node *n) {
    const ir_attr *found = NULL;
    for (size_t i = 0; i < sizeof constant_names / sizeof *constant_names && !found; i++) found = ir_attr_find(n, constant_names[i]);
    return found;
}
static clstm_status check_Constant(ir_node *n, clstm_error *err) {
    if (n->n_attrs != 1 || !constant_attr(n)) return util_fail(err, CLSTM_BAD_MODEL, "needs exactly one attribute with a value");
    return CLSTM_OK;
}
static clstm_status infer_Constant(op_ctx *c) {
    const ir_attr *a = constant_attr(c->node);
    int64_t n = (int64_t)a->count;
    switch (a->kind) {
    case IR_ATTR_TENSOR: return op_set_out(c, 0, a->v.t->tensor.type, a->v.t->tensor.rank, a->v.t->tensor.dims);
    case IR_ATTR_FLOAT: return op_set_out(c, 0, CLSTM_FLOAT, 0, NULL);
    case IR_ATTR_FLOATS: return op_set_out(c, 0, CLSTM_FLOAT, 1, &n);
    case IR_ATTR_INT: return op_set_out(c, 0, CLSTM_INT64, 0, NULL);
    default: return op_set_out(c, 0, CLSTM_INT64, 1, &n);
    }
}
static clstm_status run_Constant(op_ctx *c) {
    const ir_attr *a = constant_attr(c->node);
    const void *data = &a->v;
    size_t bytes;
    if (a->kind == IR_ATTR_TENSOR) UTIL_TRY(ir_const_data(a->v.t, &data, c->err));
    else if (a->kind == IR_ATTR_FLOATS) data = a->v.floats;
    else if (a->kind == IR_ATTR_INTS) data = a->v.ints;
    if (tensor_bytes(op_out(c, 0), &bytes) && bytes) memcpy(op_out(c, 0)->data, data, bytes);
    return CLSTM_OK;
}

/* ---- ConstantOfShape ------------------------------------------------------------------------------------------------------------------ */

static clstm_status check_ConstantOfShape(ir_node *n, clstm_error *err) {
    const ir_attr *a = ir_attr_find(n, "value");
    if (a && clstm_tensor_count(&a->v.t->tensor) != 1) return util_fail(err, CLSTM_BAD_MODEL, "attribute value must have one element");
    return CLSTM_OK;
}
static clstm_status infer_ConstantOfShape(op_ctx *c) {
    const ir_attr *a = ir_attr_find(c->node, "value");
    int64_t dims[CLSTM_MAX_RANK];
    int n;
    UTIL_TRY(op_input_ints(c, 0, dims, CLSTM_MAX_RANK, &n));
    for (int d = 0; d < n; d++)
        if (dims[d] < 0) return op_bad_model(c, "dimension %d is %lld", d, (long long)dims[d]);
    return op_set_out(c, 0, a ? a->v.t->tensor.type : CLSTM_FLOAT, n, dims);
}
static clstm_status run_ConstantOfShape(op_ctx *c) {
    const ir_attr *a = ir_attr_find(c->node, "value");
    const void *one = "\0\0\0";
    size_t bytes, size = clstm_type_size(op_out(c, 0)->type);
    if (a) UTIL_TRY(ir_const_data(a->v.t, &one, c->err));
    if (!tensor_bytes(op_out(c, 0), &bytes) || !bytes) return CLSTM_OK;
    unsigned char *y = op_out(c, 0)->data;
    memcpy(y, one, size);
    /* doubling: what stands is copied behind itself */
    for (size_t done = size; done < bytes; done *= 2) memcpy(y + done, y, done < bytes - done ? done : bytes - done);
    return CLSTM_OK;
}

/* ---- Range ------------------------------------------------------------------------------------------------------------------------------ */

static clstm_status infer_Range(op_ctx *c) {
    int64_t count = 0;
    for (int i = 0; i < 3; i++) {
        UTIL_TRY(op_need_data(c, i));
        if (clstm_tensor_count(op_in(c, i)) != 1) return op_bad_model(c, "input %d must have one element", i);
    }
    clstm_type type = op_in(c, 0)->type;
    if (type_is_float(type)) {
        double start = tensor_get_double(op_in(c, 0), 0), limit = tensor_get_double(op_in(c, 1), 0), delta = tensor_get_double(op_in(c, 2), 0);
        double n = ceil((limit - start) / delta);
        if (!(fabs(n) < 0x1p62)) return op_bad_model(c, "start %g, limit %g and delta %g make no range", start, limit, delta);
        count = n > 0 ? (int64_t)n : 0;
    } else {
        int64_t start = tensor_get_int(op_in(c, 0), 0), limit = tensor_get_int(op_in(c, 1), 0), delta = tensor_get_int(op_in(c, 2), 0);
        if (!delta) return op_bad_model(c, "delta is 0");
        uint64_t way = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
        uint64_t step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta, n = (delta > 0 ? limit > start : start > limit) ? (way - 1) / step + 1 : 0;
        if (n > INT64_MAX) return op_bad_model(c, "the range is too long");
        count = (int64_t)n;
    }
    return op_set_out(c, 0, type, 1, &count);
}

#define FILL_INT(CASE, T) \
    case CASE: { T *y = out->data; const uint64_t a = (uint64_t)*(const T *)op_in(c, 0)->data, d = (uint64_t)*(const T *)op_in(c, 2)->data; \
        for (int64_t i = 0; i < n; i++) { y[i] = (T)(a + (uint64_t)i * d); } break; }
#define FILL_REAL(CASE, T) \
    case CASE: { T *y = out->data; const T a = *(const T *)op_in(c, 0)->data, d = *(const T *)op_in(c, 2)->data; \
        for (int64_t i = 0; i < n; i++) { y[i] = a + (T)i * d; } break; }
static clstm_status run_Range(op_ctx *c) {
    clstm_tensor *out = op_out(c, 0);
    int64_t n = clstm_tensor_count(out);
    switch (out->type) {
    FILL_INT(CLSTM_INT16, int16_t)
    FILL_INT(CLSTM_INT32, int32_t)
    FILL_INT(CLSTM_INT64, int64_t)
    FILL_REAL(CLSTM_FLOAT, float)
    FILL_REAL(CLSTM_DOUBLE, double)
    default: {      /* float16, bfloat16: computed in float (stash_type 1) */
        float a = (float)tensor_get_double(op_in(c, 0), 0), d = (float)tensor_get_double(op_in(c, 2), 0);
        uint16_t *y = out->data;
        for (int64_t i = 0; i < n; i++) y[i] = out->type == CLSTM_FLOAT16 ? tensor_float_to_half(a + (float)i * d) : tensor_float_to_bfloat(a + (float)i * d);
    }
    }
    return CLSTM_OK;
}
static clstm_status check_Range(ir_node *n, clstm_error *err) {
    if (n->op->since >= 27 && op_attr_int(n, "stash_type") != 1)
        return util_fail(err, CLSTM_UNSUPPORTED, "stash_type %lld is not supported", (long long)op_attr_int(n, "stash_type"));
    return CLSTM_OK;
}

/* ---- EyeLike ------------------------------------------------------------------------------------------------------------------------------ */

static void store_one(clstm_type type, void *at) {
    switch (type) {
    case CLSTM_FLOAT: *(float *)at = 1; break;
    case CLSTM_DOUBLE: *(double *)at = 1; break;
    case CLSTM_FLOAT16: *(uint16_t *)at = 0x3c00; break;
    case CLSTM_BFLOAT16: *(uint16_t *)at = 0x3f80; break;
    default: *(unsigned char *)at = 1; break;       /* little-endian, the rest is zero */
    }
}
static clstm_status infer_EyeLike(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    if (x->rank != 2) return op_bad_model(c, "the input has rank %d, expected 2", x->rank);
    return op_set_out(c, 0, op_attr_given(c->node, "dtype") ? (clstm_type)op_attr_int(c->node, "dtype") : x->type, 2, x->dims);
}
static clstm_status check_EyeLike(ir_node *n, clstm_error *err) {
    int64_t type = op_attr_int(n, "dtype");
    if (op_attr_given(n, "dtype") && (type < 1 || type > CLSTM_BFLOAT16 || type == CLSTM_STRING || type == CLSTM_COMPLEX64 || type == CLSTM_COMPLEX128))
        return util_fail(err, CLSTM_UNSUPPORTED, "attribute dtype is %lld, a type that is not supported", (long long)type);
    return CLSTM_OK;
}
static clstm_status run_EyeLike(op_ctx *c) {
    clstm_tensor *y = op_out(c, 0);
    size_t bytes, size = clstm_type_size(y->type);
    int64_t k = op_attr_int(c->node, "k"), rows = y->dims[0], cols = y->dims[1];
    if (tensor_bytes(y, &bytes)) memset(y->data, 0, bytes);
    if (k >= cols || k <= -rows) return CLSTM_OK;
    for (int64_t r = k < 0 ? -k : 0; r < rows && r + k < cols; r++) store_one(y->type, (unsigned char *)y->data + (size_t)(r * cols + r + k) * size);
    return CLSTM_OK;
}

#define CONSTANT(first, last, attributes) \
    {.domain = "", .name = "Constant", .since = first, .until = last, .inputs = "", .outputs = "output:T", .types = "T=all,complex64,complex128", \
     .attrs = attributes, .check = check_Constant, .infer = infer_Constant, .run = run_Constant}
#define RANGE(first, last, attributes, set) \
    {.domain = "", .name = "Range", .since = first, .until = last, .inputs = "start:T limit:T delta:T", .outputs = "output:T", .types = set, \
     .attrs = attributes, .check = check_Range, .infer = infer_Range, .run = run_Range}
const op_desc ops_create[] = {
    CONSTANT(1, 11, "value:t!"), CONSTANT(12, 0, "value:t value_float:f value_floats:F value_int:i value_ints:I"),
    {.domain = "", .name = "ConstantOfShape", .since = 9, .inputs = "input:int64", .outputs = "output:T2", .types = "T2=all", .attrs = "value:t",
     .check = check_ConstantOfShape, .infer = infer_ConstantOfShape, .run = run_ConstantOfShape},
    RANGE(11, 26, "", "T=float,double,int16,int32,int64"), RANGE(27, 0, "stash_type:i=1", "T=float*,int16,int32,int64"),
    {.domain = "", .name = "EyeLike", .since = 9, .inputs = "input:T1", .outputs = "output:T2", .types = "T1=all T2=all", .attrs = "dtype:i k:i=0",
     .check = check_EyeLike, .infer = infer_EyeLike, .run = run_EyeLike, .flags = OP_SHAPE_ONLY},
    OP_ARRAY_END};
