/* ops/unary_arith: elementwise operators of one input that exist for integers too, or give bool: Abs, Neg, Sign, Relu, Shrink,
 * Clip, Not, BitwiseNot, IsNaN, IsInf. */
#include "ops/families.h"
#include "ops/pointwise.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LOOP(name, T, R, EXPR) \
    static void name(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const T *px = in[0]; const double *a = arg; R *y = out; \
        (void)still; (void)a; \
        OP_IVDEP for (int64_t i = 0; i < n; i++) { const T x = px[i]; y[i] = (R)(EXPR); } \
    }

/* Wrapping negation of any integer, INT_MIN included. */
#define NEGATIVE(x) (0 - (uint64_t)(x))

/* What the type cannot hold saturates and NaN gives 0, as Cast has it. */
#define TO_INTEGER(s, T, LOW, HIGH) \
    static T integer_##s(double v) { return v != v ? 0 : v <= (double)LOW ? LOW : v >= (double)HIGH ? HIGH : (T)v; }
TO_INTEGER(i32, int32_t, INT32_MIN, INT32_MAX)
TO_INTEGER(i64, int64_t, INT64_MIN, INT64_MAX)
TO_INTEGER(u32, uint32_t, 0, UINT32_MAX)
TO_INTEGER(u64, uint64_t, 0, UINT64_MAX)

#define INT_LOOPS(s, T) \
    LOOP(Abs_##s, T, T, x < 0 ? NEGATIVE(x) : (uint64_t)x) \
    LOOP(Neg_##s, T, T, NEGATIVE(x)) \
    LOOP(Sign_##s, T, T, (x > 0) - (x < 0)) \
    LOOP(Relu_##s, T, T, x < 0 ? 0 : x) \
    LOOP(Shrink_##s, T, T, (double)x < -a[1] ? integer_##s((double)x + a[0]) : (double)x > a[1] ? integer_##s((double)x - a[0]) : 0)
#define UINT_LOOPS(s, T) \
    LOOP(Copy_##s, T, T, x) \
    LOOP(Sign_##s, T, T, x > 0) \
    LOOP(Not_##s, T, T, ~x) \
    LOOP(Shrink_##s, T, T, (double)x > a[1] ? integer_##s((double)x - a[0]) : 0)
#define REAL_LOOPS(s, T) \
    LOOP(Neg_##s, T, T, -x) \
    LOOP(Sign_##s, T, T, x > 0 ? 1 : x < 0 ? -1 : x) \
    LOOP(Relu_##s, T, T, x < 0 ? 0 : x) \
    LOOP(Shrink_##s, T, T, x < (T)-a[1] ? x + (T)a[0] : x > (T)a[1] ? x - (T)a[0] : 0) \
    LOOP(IsNaN_##s, T, uint8_t, x != x) \
    LOOP(IsInf_##s, T, uint8_t, (a[0] != 0 && x == (T)-INFINITY) || (a[1] != 0 && x == (T)INFINITY))
OP_LOOP_SIGNED(INT_LOOPS)
OP_LOOP_UNSIGNED(UINT_LOOPS)
OP_REALS(REAL_LOOPS)
LOOP(Abs_f32, float, float, fabsf(x))
LOOP(Abs_f64, double, double, fabs(x))
LOOP(Not_bool, uint8_t, uint8_t, !x)

#define SIGNED_SET(Op) .f32 = Op##_f32, .f64 = Op##_f64, .i32 = Op##_i32, .i64 = Op##_i64
#define UNSIGNED_SET(Op) .u32 = Op##_u32, .u64 = Op##_u64
static const op_loops loops_Abs = {SIGNED_SET(Abs), UNSIGNED_SET(Copy)};
static const op_loops loops_Neg = {SIGNED_SET(Neg)};
static const op_loops loops_Sign = {SIGNED_SET(Sign), UNSIGNED_SET(Sign)};
static const op_loops loops_Relu = {SIGNED_SET(Relu)};
static const op_loops loops_Shrink = {SIGNED_SET(Shrink), UNSIGNED_SET(Shrink)};
static const op_loops loops_BitwiseNot = {UNSIGNED_SET(Not)};
static const op_loops loops_Not = {.boolean = Not_bool};
static const op_loops loops_IsNaN = {.f32 = IsNaN_f32, .f64 = IsNaN_f64};
static const op_loops loops_IsInf = {.f32 = IsInf_f32, .f64 = IsInf_f64};

static clstm_status infer_bool(op_ctx *c) { return op_set_out(c, 0, CLSTM_BOOL, op_in(c, 0)->rank, op_in(c, 0)->dims); }

#define PREPARE(Op) \
    static clstm_status prepare_##Op(op_ctx *c) { clstm_status s; op_pointwise_prepare(c, 1, 0, &loops_##Op, &s); return s; }
PREPARE(Abs) PREPARE(Neg) PREPARE(Sign) PREPARE(Relu) PREPARE(BitwiseNot) PREPARE(Not) PREPARE(IsNaN)

static clstm_status prepare_Shrink(op_ctx *c) {
    clstm_status s;
    op_pointwise *p = op_pointwise_prepare(c, 1, 0, &loops_Shrink, &s);
    if (!p) return s;
    p->param[0] = (double)op_attr_float(c->node, "bias");
    p->param[1] = (double)op_attr_float(c->node, "lambd");
    return CLSTM_OK;
}

static clstm_status prepare_IsInf(op_ctx *c) {
    clstm_status s;
    op_pointwise *p = op_pointwise_prepare(c, 1, 0, &loops_IsInf, &s);
    if (!p) return s;
    p->param[0] = op_attr_int(c->node, "detect_negative") != 0;
    p->param[1] = op_attr_int(c->node, "detect_positive") != 0;
    return CLSTM_OK;
}

/* ---- Clip: y = min(max(x, low), high); NaN stays NaN ------------------------------------------------------------------------------ */

#define CLIP_LOOP(s, T) \
    static void Clip_##s(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const T *x = in[0], low = *(const T *)in[1], high = *(const T *)in[2]; T *y = out; \
        (void)still; (void)arg; \
        OP_IVDEP for (int64_t i = 0; i < n; i++) { T v = x[i]; v = v < low ? low : v; y[i] = v > high ? high : v; } \
    }
OP_LOOP_SIGNED(CLIP_LOOP)
OP_LOOP_UNSIGNED(CLIP_LOOP)
OP_REALS(CLIP_LOOP)
static const op_loops loops_Clip = {SIGNED_SET(Clip), UNSIGNED_SET(Clip)};

/* Limits that the node leaves out lie in the walk's parameters. */
typedef union limit { double f64; float f32; int64_t i; uint16_t half; } limit;

/* The limit that stands for none, or the attribute of opset 1 to 10. */
static limit default_limit(const op_ctx *c, int high) {
    limit l = {.i = 0};
    const char *name = high ? "max" : "min";
    clstm_type type = op_in(c, 0)->type;
    bool given = op_attr_given(c->node, name);
    double v = given ? (double)op_attr_float(c->node, name) : high ? INFINITY : -INFINITY;
    size_t bits = clstm_type_size(type) * 8;
    switch (type) {
    case CLSTM_DOUBLE: l.f64 = v; break;
    case CLSTM_FLOAT: l.f32 = (float)v; break;
    case CLSTM_FLOAT16: l.half = tensor_double_to_half(v); break;
    case CLSTM_BFLOAT16: l.half = tensor_double_to_bfloat(v); break;
    default:    /* little-endian: the low bytes of an int64 are the narrower number */
        if (type_is_unsigned_int(type)) l.i = high ? -1 : 0;
        else l.i = high ? (int64_t)(UINT64_MAX >> (65 - bits)) : (int64_t)(UINT64_MAX << (bits - 1));
    }
    return l;
}

static clstm_status prepare_Clip(op_ctx *c) {
    op_pointwise *p = op_prepared_alloc(c, sizeof *p);
    if (!p) return util_no_memory(c->err);
    clstm_tensor one = {.type = op_in(c, 0)->type};
    const clstm_tensor *in[3] = {op_in(c, 0), &one, &one};
    for (int i = 1; i < 3; i++) {
        if (op_has_in(c, i) && clstm_tensor_count(op_in(c, i)) != 1) return op_bad_model(c, "a limit must have one element");
        limit l = default_limit(c, i - 1);
        memcpy(&p->param[i - 1], &l, sizeof l);
    }
    p->loop = op_pick_loop(&loops_Clip, one.type, &p->narrow);
    p->narrow_out = p->narrow != CLSTM_TYPE_NONE;
    op_pointwise_layout(p, 3, in, op_out(c, 0));
    return CLSTM_OK;
}

static clstm_status run_Clip(op_ctx *c) {
    const op_pointwise *p = c->prepared;
    const void *in[3] = {op_in(c, 0)->data, op_has_in(c, 1) ? op_in(c, 1)->data : &p->param[0], op_has_in(c, 2) ? op_in(c, 2)->data : &p->param[1]};
    op_pointwise_apply(p, in, op_out(c, 0)->data);
    return CLSTM_OK;
}

#define ROW(Op, first, last, type_set, attributes, how) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "X:T", .outputs = "Y:T", .types = type_set, .attrs = attributes, \
     .infer = how, .prepare = prepare_##Op, .run = op_pointwise_run, .inplace = 1, .flags = OP_MAP | OP_EPILOGUE}
#define CLIP_ROW(first, last, in, type_set, attributes) \
    {.domain = "", .name = "Clip", .since = first, .until = last, .inputs = in, .outputs = "output:T", .types = type_set, .attrs = attributes, \
     .infer = op_infer_same, .prepare = prepare_Clip, .run = run_Clip, .inplace = 1, .flags = OP_MAP}

const op_desc ops_unary_arith[] = {
    ROW(Abs, 1, 5, "T=num*", OP_HINT, op_infer_same), ROW(Abs, 6, 0, "T=num*", "", op_infer_same),
    ROW(Neg, 1, 5, "T=float*,int8,int16,int32,int64", OP_HINT, op_infer_same),
    ROW(Neg, 6, 0, "T=float*,int8,int16,int32,int64", "", op_infer_same),
    ROW(Relu, 1, 5, "T=float*", OP_HINT, op_infer_same), ROW(Relu, 6, 0, "T=float*,int8,int16,int32,int64", "", op_infer_same),
    ROW(Sign, 9, 0, "T=num*", "", op_infer_same),
    ROW(Shrink, 9, 0, "T=num*", "bias:f=0 lambd:f=0.5", op_infer_same),
    ROW(Not, 1, 0, "T=bool", "", op_infer_same), ROW(BitwiseNot, 18, 0, "T=int*", "", op_infer_same),
    ROW(IsNaN, 9, 0, "T=float*", "", infer_bool), ROW(IsInf, 10, 0, "T=float*", "detect_negative:i=1 detect_positive:i=1", infer_bool),
    CLIP_ROW(1, 5, "input:T", "T=float*", OP_HINT " max:f min:f"), CLIP_ROW(6, 10, "input:T", "T=float*", "max:f min:f"),
    CLIP_ROW(11, 0, "input:T min?:T max?:T", "T=num*", ""),
    OP_ARRAY_END};
