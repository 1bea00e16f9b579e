/* ops/pool: MaxPool, AveragePool, LpPool and their global forms, in one to three dimensions.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/window.h"

#include <math.h>
#include <string.h>

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_LP } pool_kind;

typedef struct pool { op_window w; pool_kind kind; int64_t planes; bool count_pad, by_column; double p; } pool;

static pool_kind kind_of(const ir_node *n) { return strstr(n->op_type, "Max") ? POOL_MAX : strstr(n->op_type, "Lp") ? POOL_LP : POOL_AVERAGE; }
static bool global(const ir_node *n) { return n->op_type[0] == 'G'; }

static clstm_status check_pool(ir_node *n, clstm_error *err) {
    if (kind_of(n) == POOL_MAX && op_attr_int(n, "storage_order") != 0 && op_attr_int(n, "storage_order") != 1)
        return util_fail(err, CLSTM_BAD_MODEL, "attribute storage_order is %lld", (long long)op_attr_int(n, "storage_order"));
    return op_window_check(n, err);
}

static clstm_status read_window(op_ctx *ctx, op_window *w) {
    const clstm_tensor *x = op_in(ctx, 0);
    if (!global(ctx->node)) {
        bool has_ceil = kind_of(ctx->node) != POOL_LP || ctx->node->version >= 18;
        return op_window_read(ctx, x, NULL, has_ceil && op_attr_int(ctx->node, "ceil_mode") != 0, w);
    }
    memset(w, 0, sizeof *w);
    w->nd = x->rank - 2;
    if (w->nd < 1) return op_bad_model(ctx, "X has rank %d, expected at least 3", x->rank);
    /* all spatial dimensions as one */
    for (int i = 0; i < 3; i++) w->in[i] = w->kernel[i] = w->out[i] = w->stride[i] = w->dilation[i] = 1;
    w->in[2] = w->kernel[2] = tensor_span(x, 2, x->rank);
    if (!w->in[2]) return op_bad_model(ctx, "X has no spatial elements");
    return CLSTM_OK;
}

static clstm_status infer_pool(op_ctx *ctx) {
    op_window w;
    const clstm_tensor *x = op_in(ctx, 0);
    int64_t dims[CLSTM_MAX_RANK];
    UTIL_TRY(read_window(ctx, &w));
    for (int i = 0; i < x->rank; i++) dims[i] = i < 2 ? x->dims[i] : global(ctx->node) ? 1 : w.out[3 - w.nd + i - 2];
    UTIL_TRY(op_set_out(ctx, 0, x->type, x->rank, dims));
    return op_set_out(ctx, 1, CLSTM_INT64, x->rank, dims);
}

static clstm_status prepare_pool(op_ctx *ctx) {
    pool *p = op_prepared_alloc(ctx, sizeof *p);
    if (!p) return util_no_memory(ctx->err);
    UTIL_TRY(read_window(ctx, &p->w));
    p->kind = kind_of(ctx->node);
    p->planes = tensor_span(op_in(ctx, 0), 0, 2);
    p->count_pad = p->kind == POOL_AVERAGE && !global(ctx->node) && op_attr_int(ctx->node, "count_include_pad") != 0;
    p->by_column = p->kind == POOL_MAX && !global(ctx->node) && op_attr_int(ctx->node, "storage_order") != 0;
    /* opset 1 has p as a float attribute, later ones as an int */
    const ir_attr *a = ir_attr_find(ctx->node, "p");
    p->p = !a ? 2 : a->kind == IR_ATTR_FLOAT ? (double)a->v.f : (double)a->v.i;
    return CLSTM_OK;
}

/* The part of window position o along dimension d that lies inside: kernel indices [lo, hi). *span counts them with padding,
 * but not what a ceil_mode window has beyond the padding. */
static void clip_window(const op_window *w, int d, int64_t o, int64_t *lo, int64_t *hi, int64_t *span) {
    int64_t start = o * w->stride[d] - w->begin[d], k = w->kernel[d], dil = w->dilation[d];
    *lo = start < 0 ? (-start + dil - 1) / dil : 0;
    *hi = start >= w->in[d] ? 0 : (w->in[d] - 1 - start) / dil + 1;
    if (*hi > k) *hi = k;
    if (*lo > *hi) *lo = *hi;
    int64_t end = w->in[d] + w->end[d];
    *span = start >= end ? 0 : (end - 1 - start) / dil + 1;
    if (*span > k) *span = k;
}

static float get_f32(float v) { return v; }
static double get_f64(double v) { return v; }
static float get_i8(int8_t v) { return (float)v; }
static float get_u8(uint8_t v) { return (float)v; }
static float put_f32(float v) { return v; }
static double put_f64(double v) { return v; }
/* A window wholly in the padding has no largest element: -inf, the least of the type. */
static int8_t put_i8(float v) { return v < -128 ? -128 : (int8_t)v; }
static uint8_t put_u8(float v) { return v < 0 ? 0 : (uint8_t)v; }

/* One plane. NaN wins a maximum, as in the operator Max. */
#define POOL_PLANE(name, T, A, GET, PUT) \
static void name(const pool *p, const T *x, T *y, int64_t *index, int64_t base) { \
    const op_window *w = &p->w; \
    int64_t lo[3], hi[3], span[3], at = 0; \
    for (int64_t a = 0; a < w->out[0]; a++) { \
        clip_window(w, 0, a, &lo[0], &hi[0], &span[0]); \
        for (int64_t b = 0; b < w->out[1]; b++) { \
            clip_window(w, 1, b, &lo[1], &hi[1], &span[1]); \
            for (int64_t c = 0; c < w->out[2]; c++, at++) { \
                clip_window(w, 2, c, &lo[2], &hi[2], &span[2]); \
                A sum = p->kind == POOL_MAX ? -(A)INFINITY : 0; \
                int64_t best = -1; \
                for (int64_t i = lo[0]; i < hi[0]; i++) for (int64_t j = lo[1]; j < hi[1]; j++) for (int64_t k = lo[2]; k < hi[2]; k++) { \
                    int64_t i0 = a * w->stride[0] - w->begin[0] + i * w->dilation[0], i1 = b * w->stride[1] - w->begin[1] + j * w->dilation[1]; \
                    int64_t i2 = c * w->stride[2] - w->begin[2] + k * w->dilation[2], from = (i0 * w->in[1] + i1) * w->in[2] + i2; \
                    A v = GET(x[from]); \
                    if (p->kind == POOL_AVERAGE) sum += v; \
                    else if (p->kind == POOL_LP) { A m = v < 0 ? -v : v; sum += p->p == 1 ? m : p->p == 2 ? m * m : (A)pow((double)m, p->p); } \
                    else if (best < 0 || v > sum || (v != v && sum == sum)) { \
                        sum = v; \
                        best = p->by_column ? (i2 * w->in[1] + i1) * w->in[0] + i0 : from; \
                    } \
                } \
                if (p->kind == POOL_AVERAGE) { \
                    int64_t n = p->count_pad ? span[0] * span[1] * span[2] : (hi[0] - lo[0]) * (hi[1] - lo[1]) * (hi[2] - lo[2]); \
                    sum = n ? sum / (A)n : 0; \
                } else if (p->kind == POOL_LP) sum = p->p == 1 ? sum : p->p == 2 ? (A)sqrt((double)sum) : (A)pow((double)sum, 1.0 / p->p); \
                y[at] = PUT(sum); \
                if (index) index[at] = base + best; \
            } \
        } \
    } \
}
POOL_PLANE(plane_f32, float, float, get_f32, put_f32)
POOL_PLANE(plane_f64, double, double, get_f64, put_f64)
POOL_PLANE(plane_f16, uint16_t, float, tensor_half_to_float, tensor_float_to_half)
POOL_PLANE(plane_bf16, uint16_t, float, tensor_bfloat_to_float, tensor_float_to_bfloat)
POOL_PLANE(plane_i8, int8_t, float, get_i8, put_i8)
POOL_PLANE(plane_u8, uint8_t, float, get_u8, put_u8)

/* Outputs [*lo, *hi) of a row whose window has kernel index k inside the input. */
static void inside_row(const op_window *w, int64_t k, int64_t *lo, int64_t *hi) {
    int64_t first = k * w->dilation[2] - w->begin[2], step = w->stride[2];
    *lo = first >= 0 ? 0 : (-first + step - 1) / step;
    *hi = first >= w->in[2] ? 0 : (w->in[2] - 1 - first) / step + 1;
    if (*hi > w->out[2]) *hi = w->out[2];
}

/* The same as plane_f32 without indices, tap by tap over whole rows of outputs. */
static void rows_f32(const pool *p, const float *x, float *y) {
    const op_window *w = &p->w;
    int64_t lo[3], hi[3], span[3], first, last;
    for (int64_t r = 0; r < w->out[0] * w->out[1]; r++, y += w->out[2]) {
        clip_window(w, 0, r / w->out[1], &lo[0], &hi[0], &span[0]);
        clip_window(w, 1, r % w->out[1], &lo[1], &hi[1], &span[1]);
        for (int64_t o = 0; o < w->out[2]; o++) y[o] = p->kind == POOL_MAX ? -INFINITY : 0;
        for (int64_t i = lo[0]; i < hi[0]; i++) for (int64_t j = lo[1]; j < hi[1]; j++) {
            int64_t i0 = r / w->out[1] * w->stride[0] - w->begin[0] + i * w->dilation[0], i1 = r % w->out[1] * w->stride[1] - w->begin[1] + j * w->dilation[1];
            for (int64_t k = 0; k < w->kernel[2]; k++) {
                int64_t from = (i0 * w->in[1] + i1) * w->in[2] + k * w->dilation[2] - w->begin[2];
                inside_row(w, k, &first, &last);
                if (p->kind == POOL_MAX) for (int64_t o = first; o < last; o++) { float v = x[from + o * w->stride[2]]; y[o] = v > y[o] || v != v ? v : y[o]; }
                else for (int64_t o = first; o < last; o++) y[o] += x[from + o * w->stride[2]];
            }
        }
        for (int64_t o = 0; o < w->out[2] && p->kind == POOL_AVERAGE; o++) {
            clip_window(w, 2, o, &lo[2], &hi[2], &span[2]);
            int64_t n = p->count_pad ? span[0] * span[1] * span[2] : (hi[0] - lo[0]) * (hi[1] - lo[1]) * (hi[2] - lo[2]);
            y[o] = n ? y[o] / (float)n : 0;
        }
    }
}

static clstm_status run_pool(op_ctx *ctx) {
    const pool *p = ctx->prepared;
    int64_t in = p->w.in[0] * p->w.in[1] * p->w.in[2], out = p->w.out[0] * p->w.out[1] * p->w.out[2];
    int64_t *index = op_has_out(ctx, 1) ? op_out(ctx, 1)->data : NULL;
    for (int64_t i = 0; i < p->planes; i++) {
        int64_t *to = index ? index + i * out : NULL;
#define PLANE(T, name) name(p, (const T *)op_in(ctx, 0)->data + i * in, (T *)op_out(ctx, 0)->data + i * out, to, i * in)
        switch (op_in(ctx, 0)->type) {
        case CLSTM_FLOAT:
            if (to || p->kind == POOL_LP) PLANE(float, plane_f32);
            else rows_f32(p, (const float *)op_in(ctx, 0)->data + i * in, (float *)op_out(ctx, 0)->data + i * out);
            break;
        case CLSTM_DOUBLE: PLANE(double, plane_f64); break;
        case CLSTM_FLOAT16: PLANE(uint16_t, plane_f16); break;
        case CLSTM_BFLOAT16: PLANE(uint16_t, plane_bf16); break;
        case CLSTM_INT8: PLANE(int8_t, plane_i8); break;
        default: PLANE(uint8_t, plane_u8); break;
        }
#undef PLANE
    }
    return CLSTM_OK;
}

static double flops(const op_ctx *ctx) {
    const pool *p = ctx->prepared;
    return (double)clstm_tensor_count(op_out(ctx, 0)) * (double)p->w.kernel[0] * (double)p->w.kernel[1] * (double)p->w.kernel[2];
}

#define ROW(name, since, until, in, out, types, attrs) \
    {"", name, since, until, in, out, types, attrs, .check = check_pool, .infer = infer_pool, .prepare = prepare_pool, .run = run_pool, .flops = flops}
#define GLOBAL(name, since, attrs) \
    {"", name, since, 0, "X:T", "Y:T", "T=float*", attrs, .infer = infer_pool, .prepare = prepare_pool, .run = run_pool, .flops = flops}
const op_desc ops_pool[] = {
    ROW("MaxPool", 1, 0, "X:T", "Y:T Indices?:int64", "T=float*,int8,uint8", OP_WINDOW_ATTRS " ceil_mode:i=0 storage_order:i=0"),
    ROW("AveragePool", 1, 0, "X:T", "Y:T", "T=float*", OP_WINDOW_ATTRS " ceil_mode:i=0 count_include_pad:i=0"),
    ROW("LpPool", 1, 1, "X:T", "Y:T", "T=float*", OP_WINDOW_ATTRS " p:f=2"),
    ROW("LpPool", 2, 0, "X:T", "Y:T", "T=float*", OP_WINDOW_ATTRS " ceil_mode:i=0 p:i=2"),
    GLOBAL("GlobalMaxPool", 1, NULL),
    GLOBAL("GlobalAveragePool", 1, NULL),
    GLOBAL("GlobalLpPool", 1, "p:i=2"),
    OP_ARRAY_END,
};
