/* ops/unary_math: elementwise functions of one input that exist for floating point: roots, exponentials, trigonometry and the
 * activations made of them. float16 and bfloat16 are computed in float. */
#include "ops/families.h"
#include "ops/pointwise.h"

#include "kernels/kernels.h"

#include <math.h>

/* y = an expression of x; a is the operator's parameters. */
#define LOOP(name, T, EXPR) \
    static void name(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const T *px = in[0]; const double *a = arg; T *y = out; \
        (void)still; (void)a; \
        OP_IVDEP for (int64_t i = 0; i < n; i++) { const T x = px[i]; y[i] = (T)(EXPR); } \
    }

/* The two instances of one formula. */
#define MATH(Op, EXPR32, EXPR64) \
    LOOP(Op##_f32, float, EXPR32) \
    LOOP(Op##_f64, double, EXPR64) \
    static const op_loops loops_##Op = {.f32 = Op##_f32, .f64 = Op##_f64};
#define FUNCTION(Op, name) MATH(Op, name##f(x), name(x))
/* In float the kernels' vector function. */
#define KERNEL(Op, name, EXPR64) \
    static void Op##_f32(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        (void)still; (void)arg; \
        kernel_table_get()->name(in[0], out, n); \
    } \
    LOOP(Op##_f64, double, EXPR64) \
    static const op_loops loops_##Op = {.f32 = Op##_f32, .f64 = Op##_f64};

static clstm_status prepare(op_ctx *c, const op_loops *loops, const char *a, const char *b) {
    clstm_status s;
    op_pointwise *p = op_pointwise_prepare(c, 1, 0, loops, &s);
    if (!p) return s;
    if (a) p->param[0] = (double)op_attr_float(c->node, a);
    if (b) p->param[1] = (double)op_attr_float(c->node, b);
    return CLSTM_OK;
}
#define PLAIN(Op) static clstm_status prepare_##Op(op_ctx *c) { return prepare(c, &loops_##Op, NULL, NULL); }
#define WITH(Op, a, b) static clstm_status prepare_##Op(op_ctx *c) { return prepare(c, &loops_##Op, a, b); }

FUNCTION(Sqrt, sqrt) PLAIN(Sqrt)
KERNEL(Exp, exp, exp(x)) PLAIN(Exp)
KERNEL(Log, log, log(x)) PLAIN(Log)
KERNEL(Erf, erf, erf(x)) PLAIN(Erf)
KERNEL(Tanh, tanh, tanh(x)) PLAIN(Tanh)
FUNCTION(Sin, sin) PLAIN(Sin)
FUNCTION(Cos, cos) PLAIN(Cos)
FUNCTION(Tan, tan) PLAIN(Tan)
FUNCTION(Asin, asin) PLAIN(Asin)
FUNCTION(Acos, acos) PLAIN(Acos)
FUNCTION(Atan, atan) PLAIN(Atan)
FUNCTION(Sinh, sinh) PLAIN(Sinh)
FUNCTION(Cosh, cosh) PLAIN(Cosh)
FUNCTION(Asinh, asinh) PLAIN(Asinh)
FUNCTION(Acosh, acosh) PLAIN(Acosh)
FUNCTION(Atanh, atanh) PLAIN(Atanh)
FUNCTION(Ceil, ceil) PLAIN(Ceil)
FUNCTION(Floor, floor) PLAIN(Floor)
FUNCTION(Round, nearbyint) PLAIN(Round)
MATH(Reciprocal, 1.0f / x, 1.0 / x) PLAIN(Reciprocal)
MATH(Softsign, x / (1.0f + fabsf(x)), x / (1.0 + fabs(x))) PLAIN(Softsign)

/* e^x never overflows where it is used, and small results keep all their bits. */
static inline double sigmoid64(double x) { double e = exp(-fabs(x)); return x < 0 ? e / (1 + e) : 1 / (1 + e); }
static inline double softplus64(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static inline float softplus32(float x) { return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x)); }
static inline double gelu64(double x) { return 0.5 * x * erfc(-x * 0.70710678118654752440); }
static inline double gelu_tanh64(double x) { return x * sigmoid64(1.5957691216057307117597842397375 * (x + 0.044715 * x * x * x)); }
/* x times something that vanishes: at the far end the limit is 0, not infinity times 0 */
static inline double ends(double x, double y) { return x == -INFINITY ? -0.0 : y; }

KERNEL(Sigmoid, sigmoid, sigmoid64(x)) PLAIN(Sigmoid)
MATH(Softplus, softplus32(x), softplus64(x)) PLAIN(Softplus)

/* Activations around a kernel function: it runs over a chunk on the stack, so that y may lie on x. */
enum { CHUNK = 128 };
#define AROUND(Op, name, ARGUMENT, EXPR32) \
    static void Op##_f32(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const float *px = in[0]; const double *a = arg; float *y = out; \
        const kernel_table *kernels = kernel_table_get(); \
        float f[CHUNK]; \
        (void)still; (void)a; \
        for (; n > 0; n -= CHUNK, px += CHUNK, y += CHUNK) { \
            const int64_t m = n < CHUNK ? n : CHUNK; \
            OP_IVDEP for (int64_t i = 0; i < m; i++) { const float x = px[i]; f[i] = ARGUMENT; } \
            kernels->name(f, f, m); \
            OP_IVDEP for (int64_t i = 0; i < m; i++) { const float x = px[i], v = f[i]; y[i] = EXPR32; } \
        } \
    }
/* tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2); beyond 20 that is 1 */
static inline float mish32(float x, float e) { float m = e * (e + 2); return x > 20 ? x : x * (m / (m + 2)); }
AROUND(Swish, sigmoid, (float)a[0] * x, v == 0 ? -0.0f : x * v)
LOOP(Swish_f64, double, ends(a[0] * x, x * sigmoid64(a[0] * x)))
static const op_loops loops_Swish = {.f32 = Swish_f32, .f64 = Swish_f64};
WITH(Swish, "alpha", NULL)
AROUND(Mish, exp, x, v == 0 ? -0.0f : mish32(x, v))
LOOP(Mish_f64, double, ends(x, x * tanh(softplus64(x))))
static const op_loops loops_Mish = {.f32 = Mish_f32, .f64 = Mish_f64};
PLAIN(Mish)
MATH(Elu, x < 0 ? (float)a[0] * expm1f(x) : x, x < 0 ? a[0] * expm1(x) : x) WITH(Elu, "alpha", NULL)
MATH(Celu, x < 0 ? (float)a[0] * expm1f(x / (float)a[0]) : x, x < 0 ? a[0] * expm1(x / a[0]) : x) WITH(Celu, "alpha", NULL)
MATH(Selu, (float)a[1] * (x > 0 ? x : (float)a[0] * expm1f(x)), a[1] * (x > 0 ? x : a[0] * expm1(x))) WITH(Selu, "alpha", "gamma")
MATH(LeakyRelu, x < 0 ? (float)a[0] * x : x, x < 0 ? a[0] * x : x) WITH(LeakyRelu, "alpha", NULL)
MATH(ThresholdedRelu, x > (float)a[0] ? x : 0, x > a[0] ? x : 0) WITH(ThresholdedRelu, "alpha", NULL)

/* Comparisons are written so that NaN passes through. */
static inline float unit32(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
static inline double unit64(double v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
MATH(HardSigmoid, unit32((float)a[0] * x + (float)a[1]), unit64(a[0] * x + a[1])) WITH(HardSigmoid, "alpha", "beta")
MATH(HardSwish, x * unit32(x * (1.0f / 6) + 0.5f), x * unit64(x / 6 + 0.5)) PLAIN(HardSwish)

KERNEL(Gelu, gelu, ends(x, gelu64(x)))
MATH(GeluTanh, ends((double)x, gelu_tanh64((double)x)), ends(x, gelu_tanh64(x)))
static clstm_status prepare_Gelu(op_ctx *c) {
    bool approximate = op_word(c->node, "approximate", "none")[0] == 't';
    return prepare(c, approximate ? &loops_GeluTanh : &loops_Gelu, NULL, NULL);
}
static clstm_status check_Gelu(ir_node *n, clstm_error *err) { return op_check_word(n, "approximate", "none tanh", err); }

#define FLOAT_ROW(Op, first, last, attributes) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "X:T", .outputs = "Y:T", .types = "T=float*", .attrs = attributes, \
     .infer = op_infer_same, .prepare = prepare_##Op, .run = op_pointwise_run, .inplace = 1, .flags = OP_MAP | OP_EPILOGUE}
/* Since opset 1, where the hint was. */
#define OLD_ROW(Op, attributes) FLOAT_ROW(Op, 1, 5, OP_HINT " " attributes), FLOAT_ROW(Op, 6, 0, attributes)

const op_desc ops_unary_math[] = {
    OLD_ROW(Sqrt, ""), OLD_ROW(Exp, ""), OLD_ROW(Log, ""), OLD_ROW(Tanh, ""), OLD_ROW(Ceil, ""), OLD_ROW(Floor, ""),
    OLD_ROW(Reciprocal, ""), OLD_ROW(Sigmoid, ""), OLD_ROW(LeakyRelu, "alpha:f=0.01"), OLD_ROW(Elu, "alpha:f=1"),
    OLD_ROW(HardSigmoid, "alpha:f=0.2 beta:f=0.5"),
    FLOAT_ROW(Selu, 1, 5, OP_HINT " alpha:f=1.6732 gamma:f=1.0507"),
    FLOAT_ROW(Selu, 6, 0, "alpha:f=1.67326319217681884765625 gamma:f=1.05070102214813232421875"),
    FLOAT_ROW(Softplus, 1, 0, ""), FLOAT_ROW(Softsign, 1, 0, ""),
    FLOAT_ROW(Sin, 7, 0, ""), FLOAT_ROW(Cos, 7, 0, ""), FLOAT_ROW(Tan, 7, 0, ""), FLOAT_ROW(Asin, 7, 0, ""), FLOAT_ROW(Acos, 7, 0, ""),
    FLOAT_ROW(Atan, 7, 0, ""), FLOAT_ROW(Sinh, 9, 0, ""), FLOAT_ROW(Cosh, 9, 0, ""), FLOAT_ROW(Asinh, 9, 0, ""),
    FLOAT_ROW(Acosh, 9, 0, ""), FLOAT_ROW(Atanh, 9, 0, ""), FLOAT_ROW(Erf, 9, 0, ""), FLOAT_ROW(Round, 11, 0, ""),
    FLOAT_ROW(ThresholdedRelu, 10, 0, "alpha:f=1"), FLOAT_ROW(Celu, 12, 0, "alpha:f=1"), FLOAT_ROW(HardSwish, 14, 0, ""),
    FLOAT_ROW(Mish, 18, 0, ""), FLOAT_ROW(Swish, 24, 0, "alpha:f=1"),
    {.domain = "", .name = "Gelu", .since = 20, .inputs = "X:T", .outputs = "Y:T", .types = "T=float*", .attrs = "approximate:s=none",
     .check = check_Gelu, .infer = op_infer_same, .prepare = prepare_Gelu, .run = op_pointwise_run, .inplace = 1,
     .flags = OP_MAP | OP_EPILOGUE},
    OP_ARRAY_END};
