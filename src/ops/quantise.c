/* ops/quantise: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/widen.h"

#include <math.h>
#include <string.h>

/* Which scale an element uses: index = outer*scale_rows + (position along axis)/block, times inner when scales are blocked. */
typedef struct scaling { int64_t outer, axis, inner, block; bool single, blocked; } scaling;

static clstm_status check(ir_node *n, clstm_error *err) {
    int64_t block = op_attr_int(n, "block_size"), type = op_attr_int(n, "output_dtype"), saturate = op_attr_int(n, "saturate");
    (void)saturate;     /* of float8 results only, which the types refuse */
    if (block < 0) return util_fail(err, CLSTM_BAD_MODEL, "attribute block_size is %lld", (long long)block);
    if (type < 0 || type > CLSTM_BFLOAT16) return util_fail(err, CLSTM_UNSUPPORTED, "attribute output_dtype is %lld", (long long)type);
    int64_t precision = op_attr_int(n, "precision");
    if (precision && precision != CLSTM_FLOAT) return util_fail(err, CLSTM_UNSUPPORTED, "attribute precision is %lld", (long long)precision);
    return CLSTM_OK;
}

static clstm_status read_scaling(op_ctx *ctx, scaling *s) {
    const clstm_tensor *x = op_in(ctx, 0), *scale = op_in(ctx, 1);
    int64_t block = op_attr_int(ctx->node, "block_size"), n = clstm_tensor_count(scale);
    int axis = 0;
    memset(s, 0, sizeof *s);
    if (op_has_in(ctx, 2) && !tensor_same_shape(op_in(ctx, 2), scale) && !(n == 1 && clstm_tensor_count(op_in(ctx, 2)) == 1))
        return op_bad_model(ctx, "the zero point must have the scale's shape");
    s->single = n == 1 && scale->rank <= 1 && !block;
    if (s->single) return CLSTM_OK;
    UTIL_TRY(op_axis(ctx, x->rank, &axis));
    s->outer = tensor_span(x, 0, axis);
    s->axis = x->dims[axis];
    s->inner = tensor_span(x, axis + 1, x->rank);
    s->block = 1;
    if (!block) {
        if (scale->rank != 1 || scale->dims[0] != s->axis) return op_bad_model(ctx, "the scale must have the shape [%lld]", (long long)s->axis);
        return CLSTM_OK;
    }
    s->blocked = true;
    s->block = block < s->axis ? block : s->axis ? s->axis : 1;
    bool fits = scale->rank == x->rank;
    for (int d = 0; fits && d < x->rank; d++) fits = scale->dims[d] == (d == axis ? (x->dims[d] + s->block - 1) / s->block : x->dims[d]);
    return fits ? CLSTM_OK : op_bad_model(ctx, "the scale's shape does not fit blocks of %lld along axis %d", (long long)block, axis);
}

static int64_t scale_index(const scaling *s, int64_t i) {
    if (s->single) return 0;
    int64_t along = i / s->inner % s->axis;
    if (!s->blocked) return along;
    return (i / (s->inner * s->axis) * ((s->axis + s->block - 1) / s->block) + along / s->block) * s->inner + i % s->inner;
}

static void bounds(clstm_type t, double *lo, double *hi) {
    switch (t) {
    case CLSTM_INT8: *lo = -128; *hi = 127; break;
    case CLSTM_UINT8: *lo = 0; *hi = 255; break;
    case CLSTM_INT16: *lo = -32768; *hi = 32767; break;
    default: *lo = 0; *hi = 65535; break;
    }
}

/* Rounded half to even and saturated; NaN gives the zero point's neighbour 0, as a conversion of nothing. */
static void put_int(clstm_tensor *t, int64_t i, double v) {
    double lo, hi;
    bounds(t->type, &lo, &hi);
    v = v != v ? 0 : v < lo ? lo : v > hi ? hi : v;
    switch (t->type) {
    case CLSTM_INT8: ((int8_t *)t->data)[i] = (int8_t)v; break;
    case CLSTM_UINT8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case CLSTM_INT16: ((int16_t *)t->data)[i] = (int16_t)v; break;
    default: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    }
}

/* ---- QuantizeLinear: y = saturate(round(x / scale) + zero_point) -------------------------------------------------------------------- */

static clstm_status infer_quantise(op_ctx *ctx) {
    scaling s;
    int64_t named = op_attr_int(ctx->node, "output_dtype");
    clstm_type type = op_has_in(ctx, 2) ? op_in(ctx, 2)->type : named ? (clstm_type)named : CLSTM_UINT8;
    if (named && (clstm_type)named != type) return op_bad_model(ctx, "attribute output_dtype says %s, the zero point is %s", clstm_type_name((clstm_type)named), clstm_type_name(type));
    if (type != CLSTM_INT8 && type != CLSTM_UINT8 && type != CLSTM_INT16 && type != CLSTM_UINT16) return op_unsupported(ctx, "quantising to %s", clstm_type_name(type));
    UTIL_TRY(read_scaling(ctx, &s));
    return op_set_out(ctx, 0, type, op_in(ctx, 0)->rank, op_in(ctx, 0)->dims);
}

static clstm_status run_quantise(op_ctx *ctx) {
    scaling s;
    const clstm_tensor *x = op_in(ctx, 0), *scale = op_in(ctx, 1), *zero = op_has_in(ctx, 2) ? op_in(ctx, 2) : NULL;
    UTIL_TRY(read_scaling(ctx, &s));
    for (int64_t i = 0, n = clstm_tensor_count(x); i < n; i++) {
        int64_t k = scale_index(&s, i);
        /* the quotient in the scale's precision, as the standard's reference divides */
        double q = scale->type == CLSTM_DOUBLE ? tensor_get_double(x, i) / tensor_get_double(scale, k) : (double)((float)tensor_get_double(x, i) / (float)tensor_get_double(scale, k));
        put_int(op_out(ctx, 0), i, nearbyint(q) + (zero ? tensor_get_double(zero, k) : 0));
    }
    return CLSTM_OK;
}

/* ---- DequantizeLinear: y = (x - zero_point) * scale ------------------------------------------------------------------------------------ */

static clstm_status infer_dequantise(op_ctx *ctx) {
    scaling s;
    int64_t named = op_attr_int(ctx->node, "output_dtype");
    clstm_type type = named ? (clstm_type)named : op_in(ctx, 1)->type;
    if (op_has_in(ctx, 2) && op_in(ctx, 2)->type != op_in(ctx, 0)->type) return op_bad_model(ctx, "the zero point has type %s, x %s", clstm_type_name(op_in(ctx, 2)->type), clstm_type_name(op_in(ctx, 0)->type));
    if (!type_is_float(type) || type == CLSTM_DOUBLE) return op_unsupported(ctx, "dequantising to %s", clstm_type_name(type));
    UTIL_TRY(read_scaling(ctx, &s));
    return op_set_out(ctx, 0, type, op_in(ctx, 0)->rank, op_in(ctx, 0)->dims);
}

static clstm_status run_dequantise(op_ctx *ctx) {
    scaling s;
    const clstm_tensor *x = op_in(ctx, 0), *scale = op_in(ctx, 1), *zero = op_has_in(ctx, 2) ? op_in(ctx, 2) : NULL;
    clstm_tensor *y = op_out(ctx, 0);
    UTIL_TRY(read_scaling(ctx, &s));
    for (int64_t i = 0, n = clstm_tensor_count(x); i < n; i++) {
        int64_t k = scale_index(&s, i);
        float v = (float)(tensor_get_double(x, i) - (zero ? tensor_get_double(zero, k) : 0)) * (float)tensor_get_double(scale, k);
        if (y->type == CLSTM_FLOAT) ((float *)y->data)[i] = v;
        else ((uint16_t *)y->data)[i] = y->type == CLSTM_FLOAT16 ? tensor_float_to_half(v) : tensor_float_to_bfloat(v);
    }
    return CLSTM_OK;
}

/* ---- DynamicQuantizeLinear: the range of x, widened to hold 0, over uint8 ---------------------------------------------------------------- */

static clstm_status infer_dynamic(op_ctx *ctx) {
    UTIL_TRY(op_set_out(ctx, 0, CLSTM_UINT8, op_in(ctx, 0)->rank, op_in(ctx, 0)->dims));
    UTIL_TRY(op_set_out(ctx, 1, CLSTM_FLOAT, 0, NULL));
    return op_set_out(ctx, 2, CLSTM_UINT8, 0, NULL);
}

static clstm_status run_dynamic(op_ctx *ctx) {
    const float *x = op_in(ctx, 0)->data;
    int64_t n = clstm_tensor_count(op_in(ctx, 0));
    float lo = 0, hi = 0;
    for (int64_t i = 0; i < n; i++) { lo = x[i] < lo ? x[i] : lo; hi = x[i] > hi ? x[i] : hi; }
    float scale = (hi - lo) / 255.0f, zero = scale > 0 ? nearbyintf(-lo / scale) : 0;
    zero = zero > 255 ? 255 : zero > 0 ? zero : 0;      /* 0 for NaN, of an infinite scale */
    if (!(scale > 0)) scale = 1;            /* nothing but zeros: a scale of 0 would be no use to whoever divides by it (ONNX Runtime) */
    if (op_has_out(ctx, 1)) *(float *)op_out(ctx, 1)->data = scale;
    if (op_has_out(ctx, 2)) *(uint8_t *)op_out(ctx, 2)->data = (uint8_t)zero;
    for (int64_t i = 0; i < n && op_has_out(ctx, 0); i++) put_int(op_out(ctx, 0), i, (double)nearbyintf(x[i] / scale) + (double)zero);
    return CLSTM_OK;
}

#define QUANTISE(since, until, types, attrs) \
    {"", "QuantizeLinear", since, until, "x:X y_scale:S y_zero_point?:Z", "y:Z", types, attrs, .check = check, .infer = infer_quantise, .run = run_quantise}
#define DEQUANTISE(since, until, types, attrs) \
    {"", "DequantizeLinear", since, until, "x:X x_scale:S x_zero_point?:Z", "y:S", types, attrs, .check = check, .infer = infer_dequantise, .run = run_dequantise}
const op_desc ops_quantise[] = {
    QUANTISE(10, 12, "X=float,int32 S=float Z=int8,uint8", ""),
    QUANTISE(13, 18, "X=float,int32 S=float Z=int8,uint8", "axis:i=1"),
    QUANTISE(19, 20, "X=float,float16,bfloat16,int32 S=float,float16,bfloat16 Z=int8,uint8", "axis:i=1 saturate:i=1"),
    QUANTISE(21, 22, "X=float,float16,bfloat16,int32 S=float,float16,bfloat16,int32 Z=int8,uint8,int16,uint16", "axis:i=1 saturate:i=1 block_size:i=0 output_dtype:i=0"),
    QUANTISE(23, 0, "X=float,float16,bfloat16,int32 S=float,float16,bfloat16,int32 Z=int8,uint8,int16,uint16", "axis:i=1 saturate:i=1 block_size:i=0 output_dtype:i=0 precision:i=0"),
    DEQUANTISE(10, 12, "X=int8,uint8,int32 S=float Z=int8,uint8,int32", ""),
    DEQUANTISE(13, 18, "X=int8,uint8,int32 S=float Z=int8,uint8,int32", "axis:i=1"),
    DEQUANTISE(19, 20, "X=int8,uint8,int32 S=float,float16,bfloat16 Z=int8,uint8,int32", "axis:i=1"),
    DEQUANTISE(21, 22, "X=int8,uint8,int16,uint16,int32 S=float,float16,bfloat16 Z=int8,uint8,int16,uint16,int32", "axis:i=1 block_size:i=0"),
    DEQUANTISE(23, 0, "X=int8,uint8,int16,uint16,int32 S=float,float16,bfloat16 Z=int8,uint8,int16,uint16,int32", "axis:i=1 block_size:i=0 output_dtype:i=0"),
    {"", "DynamicQuantizeLinear", 11, 0, "x:float", "y:uint8 y_scale:float y_zero_point:uint8", NULL, NULL, .infer = infer_dynamic, .run = run_dynamic},
    OP_ARRAY_END,
};
