/* ops/softmax: Softmax, LogSoftmax, Hardmax. Before opset 13 the input is seen as a matrix cut at `axis`; since then one axis counts.
 * A row is n elements apart by `inner`; it is brought together in scratch unless it lies contiguous in float or double. */
#include "ops/families.h"
#include "ops/common.h"

#include "kernels/kernels.h"

#include <math.h>
#include <string.h>

typedef struct rows { int64_t outer, n, inner; void (*f32)(const float *x, float *y, int64_t n); void (*f64)(const double *x, double *y, int64_t n); } rows;

static void softmax_f32(const float *x, float *y, int64_t n) { kernel_table_get()->softmax(x, y, n); }

#define ROW_FUNCTIONS(s, T) \
    static T largest_##s(const T *x, int64_t n) { \
        T m = x[0]; \
        for (int64_t i = 1; i < n; i++) m = x[i] > m || x[i] != x[i] ? x[i] : m; \
        return m; \
    } \
    static void logsoftmax_##s(const T *x, T *y, int64_t n) { \
        const double m = (double)largest_##s(x, n); \
        double others = 0; \
        bool met = false;   /* e^0 of one largest stays apart: log1p keeps the little that the others add */ \
        for (int64_t i = 0; i < n; i++) { \
            const double d = (double)x[i] - m; \
            others += !met && d == 0 ? 0 : exp(d); \
            met |= d == 0; \
        } \
        const double l = log1p(others); \
        for (int64_t i = 0; i < n; i++) y[i] = (T)((double)x[i] - m - l); \
    } \
    static void hardmax_##s(const T *x, T *y, int64_t n) { \
        int64_t at = 0; \
        for (int64_t i = 1; i < n; i++) if (x[i] > x[at]) at = i; \
        for (int64_t i = 0; i < n; i++) y[i] = 0; \
        y[at] = 1; \
    }
ROW_FUNCTIONS(f32, float)
ROW_FUNCTIONS(f64, double)

static void softmax_f64(const double *x, double *y, int64_t n) {
    const double m = largest_f64(x, n);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += y[i] = exp(x[i] - m);
    for (int64_t i = 0; i < n; i++) y[i] /= sum;
}

static clstm_status infer(op_ctx *c) {
    int axis;
    int64_t a = op_attr_int(c->node, "axis");
    const clstm_tensor *x = op_in(c, 0);
    /* a cut may stand at the end: rows of one element; a scalar is a row of one */
    bool cut = c->node->op->until && a == x->rank;
    if (x->rank > 0 && !cut && !tensor_axis(a, x->rank, &axis)) return op_bad_model(c, "axis %lld of a tensor of rank %d", (long long)a, x->rank);
    return op_infer_same(c);
}

static clstm_status prepare(op_ctx *c, rows functions) {
    rows *r = op_prepared_alloc(c, sizeof *r);
    const clstm_tensor *x = op_in(c, 0);
    int axis = 0;
    if (!r) return util_no_memory(c->err);
    *r = functions;
    if (!tensor_axis(op_attr_int(c->node, "axis"), x->rank, &axis)) axis = x->rank;
    r->outer = tensor_span(x, 0, axis);
    r->n = axis == x->rank ? 1 : c->node->op->until ? tensor_span(x, axis, x->rank) : x->dims[axis];
    r->inner = c->node->op->until || axis == x->rank ? 1 : tensor_span(x, axis + 1, x->rank);
    if (clstm_tensor_count(x) == 0) r->outer = 0;
    if (r->inner > 1 || (x->type != CLSTM_FLOAT && x->type != CLSTM_DOUBLE)) c->scratch_bytes = (size_t)r->n * sizeof(double);
    return CLSTM_OK;
}
static clstm_status prepare_Softmax(op_ctx *c) { return prepare(c, (rows){.f32 = softmax_f32, .f64 = softmax_f64}); }
static clstm_status prepare_LogSoftmax(op_ctx *c) { return prepare(c, (rows){.f32 = logsoftmax_f32, .f64 = logsoftmax_f64}); }
static clstm_status prepare_Hardmax(op_ctx *c) { return prepare(c, (rows){.f32 = hardmax_f32, .f64 = hardmax_f64}); }

#define GATHER_ROW(T, W, READ, WRITE, CALL) { \
        const T *from = (const T *)x->data + at; T *to = (T *)y->data + at; W *row = c->scratch; \
        for (int64_t i = 0; i < r->n; i++) { const T v = from[i * r->inner]; row[i] = READ; } \
        r->CALL(row, row, r->n); \
        for (int64_t i = 0; i < r->n; i++) { const W v = row[i]; to[i * r->inner] = WRITE; } \
        break; \
    }
static clstm_status run(op_ctx *c) {
    const rows *r = c->prepared;
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    for (int64_t o = 0; o < r->outer; o++)
        for (int64_t k = 0; k < r->inner; k++) {
            const int64_t at = o * r->n * r->inner + k;
            switch (x->type) {
            case CLSTM_FLOAT:
                if (r->inner == 1) { r->f32((const float *)x->data + at, (float *)y->data + at, r->n); break; }
                GATHER_ROW(float, float, v, v, f32)
            case CLSTM_DOUBLE:
                if (r->inner == 1) { r->f64((const double *)x->data + at, (double *)y->data + at, r->n); break; }
                GATHER_ROW(double, double, v, v, f64)
            case CLSTM_FLOAT16: GATHER_ROW(uint16_t, float, tensor_half_to_float(v), tensor_float_to_half(v), f32)
            default: GATHER_ROW(uint16_t, float, tensor_bfloat_to_float(v), tensor_float_to_bfloat(v), f32)
            }
        }
    return CLSTM_OK;
}

#define ROWS(Op) \
    {.domain = "", .name = #Op, .since = 1, .until = 12, .inputs = "input:T", .outputs = "output:T", .types = "T=float*", .attrs = "axis:i=1", \
     .infer = infer, .prepare = prepare_##Op, .run = run, .inplace = 1}, \
    {.domain = "", .name = #Op, .since = 13, .until = 0, .inputs = "input:T", .outputs = "output:T", .types = "T=float*", .attrs = "axis:i=-1", \
     .infer = infer, .prepare = prepare_##Op, .run = run, .inplace = 1}
const op_desc ops_softmax[] = {ROWS(Softmax), ROWS(LogSoftmax), ROWS(Hardmax), OP_ARRAY_END};
