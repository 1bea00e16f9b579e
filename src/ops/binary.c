/* ops/binary: arithmetic of two inputs with broadcasting: Add, Sub, Mul, Div, Mod, Pow, PRelu, SwiGLU. Integers wrap; division by
 * zero and the quotient that does not fit are handled before the loop, so that no data stop the program. */
#include "ops/families.h"
#include "ops/loops2.h"

#include <math.h>

/* Wrapping arithmetic is the same for both signs: one instance a width, in unsigned numbers wide enough not to be promoted. */
#define WRAP_LOOPS(s, T) \
    OP_LOOP2(Add_##s, T, T, (uint64_t)a + (uint64_t)b) \
    OP_LOOP2(Sub_##s, T, T, (uint64_t)a - (uint64_t)b) \
    OP_LOOP2(Mul_##s, T, T, (uint64_t)a * (uint64_t)b)
#define DIV_LOOPS(s, T) \
    OP_LOOP2(Div_##s, T, T, a / b) \
    OP_LOOP2(Rem_##s, T, T, a % b)
/* MIN / -1 wraps to MIN; the remainder is 0. */
#define SIGNED_DIV_LOOPS(s, T) \
    OP_LOOP2(Div_##s, T, T, b == -1 ? (T)(0 - (uint64_t)a) : (T)(a / b)) \
    OP_LOOP2(Rem_##s, T, T, b == -1 ? 0 : a % b) \
    OP_LOOP2(Mod_##s, T, T, b == -1 ? 0 : (a % b != 0 && (a % b < 0) != (b < 0)) ? a % b + b : a % b)
#define REAL_LOOPS(s, T) \
    OP_LOOP2(Add_##s, T, T, a + b) \
    OP_LOOP2(Sub_##s, T, T, a - b) \
    OP_LOOP2(Mul_##s, T, T, a * b) \
    OP_LOOP2(Div_##s, T, T, a / b) \
    OP_LOOP2(PRelu_##s, T, T, a < 0 ? a * b : a)
OP_LOOP_UNSIGNED(WRAP_LOOPS)
OP_LOOP_UNSIGNED(DIV_LOOPS)
OP_LOOP_SIGNED(SIGNED_DIV_LOOPS)
OP_REALS(REAL_LOOPS)
#define PRELU_LOOPS(s, T) OP_LOOP2(PRelu_##s, T, T, a < 0 ? (uint64_t)a * (uint64_t)b : (uint64_t)a)
#define COPY_LOOPS(s, T) OP_LOOP2(PRelu_##s, T, T, ((void)b, a))
OP_LOOP_SIGNED(PRELU_LOOPS)
OP_LOOP_UNSIGNED(COPY_LOOPS)
OP_LOOP2(Rem_f32, float, float, fmodf(a, b))
OP_LOOP2(Rem_f64, double, double, fmod(a, b))

static inline double swish(double x, double alpha) {
    double e = exp(-fabs(alpha * x));
    return alpha * x == (double)-INFINITY ? -0.0 : alpha * x < 0 ? x * (e / (1 + e)) : x / (1 + e);
}
OP_LOOP2(SwiGLU_f32, float, float, swish((double)a, *(const double *)arg) * (double)b)
OP_LOOP2(SwiGLU_f64, double, double, swish(a, *(const double *)arg) * b)

#define REAL_SET(Op) .f32 = Op##_f32, .f64 = Op##_f64
#define SIGNED_SET(Op) .i32 = Op##_i32, .i64 = Op##_i64
#define UNSIGNED_SET(Op) .u32 = Op##_u32, .u64 = Op##_u64
static const op_loops loops_Add = {REAL_SET(Add), UNSIGNED_SET(Add)};
static const op_loops loops_Sub = {REAL_SET(Sub), UNSIGNED_SET(Sub)};
static const op_loops loops_Mul = {REAL_SET(Mul), UNSIGNED_SET(Mul)};
static const op_loops loops_Div = {REAL_SET(Div), SIGNED_SET(Div), UNSIGNED_SET(Div)};
static const op_loops loops_Rem = {REAL_SET(Rem), SIGNED_SET(Rem), UNSIGNED_SET(Rem)};
static const op_loops loops_Mod = {SIGNED_SET(Mod), UNSIGNED_SET(Rem)};
static const op_loops loops_PRelu = {REAL_SET(PRelu), SIGNED_SET(PRelu), UNSIGNED_SET(PRelu)};
static const op_loops loops_SwiGLU = {REAL_SET(SwiGLU)};

static clstm_status infer(op_ctx *c) { return op_infer_broadcast(c, 0, 2, op_in(c, 0)->type); }

#define PREPARE(Op) \
    static clstm_status prepare_##Op(op_ctx *c) { clstm_status s; op_pointwise_prepare(c, 2, 0, &loops_##Op, &s); return s; }
PREPARE(Add) PREPARE(Sub) PREPARE(Mul) PREPARE(Div)

static clstm_status prepare_Mod(op_ctx *c) {
    clstm_status s;
    bool fmod_signs = op_attr_int(c->node, "fmod") != 0;
    if (!fmod_signs && type_is_float(op_in(c, 0)->type)) return op_bad_model(c, "fmod=0 with floating-point inputs");
    op_pointwise_prepare(c, 2, 0, fmod_signs ? &loops_Rem : &loops_Mod, &s);
    return s;
}

/* Integer division: no element of the divisor may be zero. */
static clstm_status run_division(op_ctx *c) {
    const clstm_tensor *b = op_in(c, 1);
    int64_t n = clstm_tensor_count(b);
    if (type_is_integer(b->type) && clstm_tensor_count(op_out(c, 0)) > 0)
        for (int64_t i = 0; i < n; i++)
            if (!tensor_get_int(b, i)) return op_bad_input(c, "division by zero at element %lld of the divisor", (long long)i);
    return op_pointwise_run(c);
}

/* The slope repeats into X, never the other way round. Before opset 7 a slope of one dimension belongs to X's second one. */
static clstm_status prelu_slope(op_ctx *c, clstm_tensor *slope) {
    const clstm_tensor *x = op_in(c, 0);
    clstm_tensor out = *x;
    *slope = *op_in(c, 1);
    if (c->node->op->until && slope->rank == 1 && slope->dims[0] != 1 && x->rank > 1)
        while (slope->rank < x->rank - 1) slope->dims[slope->rank++] = 1;
    if (!tensor_broadcast(&out, slope) || !tensor_same_shape(&out, x)) return op_bad_model(c, "the slope's shape does not repeat into X's");
    return CLSTM_OK;
}

static clstm_status infer_PRelu(op_ctx *c) {
    clstm_tensor slope;
    UTIL_TRY(prelu_slope(c, &slope));
    return op_infer_same(c);
}

static clstm_status prepare_PRelu(op_ctx *c) {
    clstm_status s;
    clstm_tensor slope;
    UTIL_TRY(prelu_slope(c, &slope));
    op_pointwise *p = op_pointwise_prepare(c, 2, 0, &loops_PRelu, &s);
    if (!p) return s;
    op_pointwise_layout(p, 2, (const clstm_tensor *const[]){op_in(c, 0), &slope}, op_out(c, 0));
    return CLSTM_OK;
}

static clstm_status prepare_SwiGLU(op_ctx *c) {
    clstm_status s;
    op_pointwise *p = op_pointwise_prepare(c, 2, 0, &loops_SwiGLU, &s);
    if (p) p->param[0] = (double)op_attr_float(c->node, "alpha");
    return s;
}

/* ---- Pow: the exponent has a type of its own ------------------------------------------------------------------------------------- */

/* Exact and wrapping, as repeated multiplication is. A negative exponent leaves 1, -1 and 0; 0 gives 0 there. */
static inline int64_t int_pow(int64_t base, int64_t e) {
    uint64_t r = 1, b = (uint64_t)base;
    if (e < 0) return base == 1 ? 1 : base == -1 ? (e & 1 ? -1 : 1) : 0;
    for (; e; e >>= 1, b *= b)
        if (e & 1) r *= b;
    return (int64_t)r;
}
/* Truncation that never leaves the type's range. */
static inline int64_t clamp_int(double v, double low, double high) { return v != v ? 0 : v < low ? (int64_t)low : v > high ? INT64_MAX : (int64_t)v; }

OP_LOOP2(Pow_f32, float, float, b == 2 ? a * a : powf(a, b))
OP_LOOP2(Pow_f64, double, double, b == 2 ? a * a : pow(a, b))
OP_LOOP2_MIXED(Pow_f32_f64, float, double, float, pow((double)a, b))
OP_LOOP2_MIXED(Pow_i32_i64, int32_t, int64_t, int32_t, int_pow(a, b))
OP_LOOP2_MIXED(Pow_i64_i64, int64_t, int64_t, int64_t, int_pow(a, b))
OP_LOOP2_MIXED(Pow_i32_f64, int32_t, double, int32_t, clamp_int(pow((double)a, b), -0x1p31, 0x1p31 - 1))
OP_LOOP2_MIXED(Pow_i64_f64, int64_t, double, int64_t, clamp_int(pow((double)a, b), -0x1p63, 0x1.fffffffffffffp62))
static const op_loops loops_Pow_same = {REAL_SET(Pow), .i32 = Pow_i32_i64, .i64 = Pow_i64_i64};
static const op_loops loops_Pow_f64 = {.f32 = Pow_f32_f64, .f64 = Pow_f64, .i32 = Pow_i32_f64, .i64 = Pow_i64_f64};

/* When the types differ the exponents are first rewritten in scratch: as double, or int64 for integer powers of integers. */
static clstm_type exponent_type(const op_ctx *c) {
    clstm_type x = op_in(c, 0)->type, y = op_in(c, 1)->type;
    if (type_is_float(x)) return x == y || (x == CLSTM_FLOAT && (y == CLSTM_FLOAT16 || y == CLSTM_BFLOAT16)) ? x : CLSTM_DOUBLE;
    return type_is_float(y) ? CLSTM_DOUBLE : CLSTM_INT64;
}

static clstm_status prepare_Pow(op_ctx *c) {
    clstm_status s;
    clstm_tensor y = *op_in(c, 1);
    clstm_type as = exponent_type(c);
    op_pointwise *p = op_pointwise_prepare(c, 2, 0, as == CLSTM_DOUBLE ? &loops_Pow_f64 : &loops_Pow_same, &s);
    if (!p) return s;
    if (as == y.type || c->node->op->until) return CLSTM_OK;
    y.type = as;
    p->extra = (int)as;
    op_pointwise_layout(p, 2, (const clstm_tensor *const[]){op_in(c, 0), &y}, op_out(c, 0));
    tensor_bytes(&y, &c->scratch_bytes);
    return CLSTM_OK;
}

static clstm_status run_Pow(op_ctx *c) {
    const op_pointwise *p = c->prepared;
    const clstm_tensor *y = op_in(c, 1);
    if (!p->extra) return op_pointwise_run(c);
    int64_t n = clstm_tensor_count(y);
    for (int64_t i = 0; i < n; i++) {
        if (p->extra == CLSTM_INT64) ((int64_t *)c->scratch)[i] = tensor_get_int(y, i);
        else if (p->extra == CLSTM_DOUBLE) ((double *)c->scratch)[i] = tensor_get_double(y, i);
        else ((float *)c->scratch)[i] = (float)tensor_get_double(y, i);
    }
    op_pointwise_apply(p, (const void *const[]){op_in(c, 0)->data, c->scratch}, op_out(c, 0)->data);
    return CLSTM_OK;
}

#define ROW(Op, first, last, type_set, attributes, how, extra) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "A:T B:T", .outputs = "C:T", .types = type_set, .attrs = attributes, \
     .infer = infer, .prepare = prepare_##Op, .run = how, .inplace = 3, .flags = extra}
#define OLD_ROWS(Op, how) \
    ROW(Op, 1, 5, "T=num*", "axis:i broadcast:i=0 " OP_HINT, how, OP_MAP | OP_EPILOGUE), ROW(Op, 6, 6, "T=num*", "axis:i broadcast:i=0", how, OP_MAP | OP_EPILOGUE), \
    ROW(Op, 7, 0, "T=num*", "", how, OP_MAP | OP_EPILOGUE)

const op_desc ops_binary[] = {
    OLD_ROWS(Add, op_pointwise_run), OLD_ROWS(Sub, op_pointwise_run), OLD_ROWS(Mul, op_pointwise_run), OLD_ROWS(Div, run_division),
    ROW(Mod, 10, 0, "T=num*", "fmod:i=0", run_division, 0),
    ROW(SwiGLU, 28, 0, "T=float*", "alpha:f=1", op_pointwise_run, 0),
    ROW(Pow, 1, 6, "T=float*", "axis:i broadcast:i=0", run_Pow, 0),
    {.domain = "", .name = "Pow", .since = 7, .inputs = "X:T Y:T1", .outputs = "Z:T", .types = "T=float*,int32,int64 T1=num*", .attrs = "",
     .infer = infer, .prepare = prepare_Pow, .run = run_Pow, .inplace = 1},
    {.domain = "", .name = "PRelu", .since = 1, .until = 5, .inputs = "X:T slope:T", .outputs = "Y:T", .types = "T=float*", .attrs = OP_HINT,
     .infer = infer_PRelu, .prepare = prepare_PRelu, .run = op_pointwise_run, .inplace = 1, .flags = OP_MAP},
    {.domain = "", .name = "PRelu", .since = 6, .until = 6, .inputs = "X:T slope:T", .outputs = "Y:T", .types = "T=float*", .attrs = "",
     .infer = infer_PRelu, .prepare = prepare_PRelu, .run = op_pointwise_run, .inplace = 1, .flags = OP_MAP},
    {.domain = "", .name = "PRelu", .since = 7, .inputs = "X:T slope:T", .outputs = "Y:T", .types = "T=num*", .attrs = "",
     .infer = infer_PRelu, .prepare = prepare_PRelu, .run = op_pointwise_run, .inplace = 1, .flags = OP_MAP},
    OP_ARRAY_END};
