/* ops/layer_norm: LayerNormalization. Mean and variance are summed in double, in the same order for every row. */
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>
#include <string.h>

static clstm_status check(ir_node *n, clstm_error *err) {
    int64_t type = op_attr_int(n, "stash_type");
    if (type == CLSTM_FLOAT || type == CLSTM_DOUBLE) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "stash_type %lld is not supported", (long long)type);
}

static clstm_status infer(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    int64_t dims[CLSTM_MAX_RANK];
    UTIL_TRY(op_axis(c, x->rank, &axis));
    clstm_tensor row = {.rank = x->rank - axis};
    for (int d = axis; d < x->rank; d++) row.dims[d - axis] = x->dims[d];
    for (int i = 1; i < 3; i++) {
        clstm_tensor out = row;
        if (op_has_in(c, i) && (!tensor_broadcast(&out, op_in(c, i)) || !tensor_same_shape(&out, &row)))
            return op_bad_model(c, "input %d does not repeat into the normalised dimensions", i);
    }
    for (int d = 0; d < x->rank; d++) dims[d] = d < axis ? x->dims[d] : 1;
    clstm_type stash = (clstm_type)op_attr_int(c->node, "stash_type");
    UTIL_TRY(op_set_out(c, 0, x->type, x->rank, x->dims));
    UTIL_TRY(op_set_out(c, 1, stash, x->rank, dims));
    return op_set_out(c, 2, stash, x->rank, dims);
}

typedef struct layer { int64_t rows, n; int64_t scale_n, bias_n; float epsilon; } layer;

static clstm_status prepare(op_ctx *c) {
    layer *l = op_prepared_alloc(c, sizeof *l);
    const clstm_tensor *x = op_in(c, 0);
    int axis;
    if (!l) return util_no_memory(c->err);
    UTIL_TRY(op_axis(c, x->rank, &axis));
    l->rows = tensor_span(x, 0, axis);
    l->n = tensor_span(x, axis, x->rank);
    l->scale_n = clstm_tensor_count(op_in(c, 1));
    l->bias_n = op_has_in(c, 2) ? clstm_tensor_count(op_in(c, 2)) : 0;
    l->epsilon = op_attr_float(c->node, "epsilon");
    for (int i = 1; i < 3; i++) {
        int64_t n = i == 1 ? l->scale_n : l->bias_n;
        if (n != 0 && n != 1 && n != l->n) return op_unsupported(c, "input %d repeats along inner dimensions", i);
    }
    if (x->type == CLSTM_FLOAT16 || x->type == CLSTM_BFLOAT16) c->scratch_bytes = (size_t)l->n * 3 * sizeof(float);
    return CLSTM_OK;
}

/* One row: eight running sums, so that the compiler may use vectors without changing what is added to what. */
#define ROW_FUNCTION(s, T) \
    static void row_##s(const layer *l, const T *x, const T *scale, const T *bias, T *y, double *mean_out, double *inverse_out) { \
        double sum[8] = {0}, square[8] = {0}; \
        int64_t i = 0; \
        for (; i + 8 <= l->n; i += 8) for (int k = 0; k < 8; k++) sum[k] += (double)x[i + k]; \
        for (int k = 0; i < l->n; i++, k++) sum[k] += (double)x[i]; \
        const double mean = (((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))) / (double)l->n; \
        for (i = 0; i + 8 <= l->n; i += 8) for (int k = 0; k < 8; k++) { const double d = (double)x[i + k] - mean; square[k] += d * d; } \
        for (int k = 0; i < l->n; i++, k++) { const double d = (double)x[i] - mean; square[k] += d * d; } \
        const double variance = (((square[0] + square[4]) + (square[2] + square[6])) + ((square[1] + square[5]) + (square[3] + square[7]))) / (double)l->n; \
        const double inverse = 1 / sqrt(variance + (double)l->epsilon); \
        const int64_t ss = l->scale_n > 1, sb = l->bias_n > 1; \
        const T m = (T)mean, r = (T)inverse; \
        if (bias) { OP_IVDEP for (int64_t k = 0; k < l->n; k++) y[k] = (x[k] - m) * r * scale[k * ss] + bias[k * sb]; } \
        else { OP_IVDEP for (int64_t k = 0; k < l->n; k++) y[k] = (x[k] - m) * r * scale[k * ss]; } \
        *mean_out = mean; \
        *inverse_out = inverse; \
    }
OP_REALS(ROW_FUNCTION)

static void put(const op_ctx *c, int out, int64_t row, double v) {
    if (!op_has_out(c, out)) return;
    if (op_out(c, out)->type == CLSTM_DOUBLE) ((double *)op_out(c, out)->data)[row] = v;
    else ((float *)op_out(c, out)->data)[row] = (float)v;
}

static void widen(const uint16_t *x, float *y, int64_t n, clstm_type half) {
    for (int64_t i = 0; i < n; i++) y[i] = half == CLSTM_FLOAT16 ? tensor_half_to_float(x[i]) : tensor_bfloat_to_float(x[i]);
}

static clstm_status run(op_ctx *c) {
    const layer *l = c->prepared;
    const clstm_tensor *x = op_in(c, 0);
    void *y = op_out(c, 0)->data;
    const void *scale = op_in(c, 1)->data, *bias = op_has_in(c, 2) ? op_in(c, 2)->data : NULL;
    bool half = x->type == CLSTM_FLOAT16 || x->type == CLSTM_BFLOAT16;
    float *wx = c->scratch, *ws = half ? wx + l->n : NULL, *wb = half ? ws + l->n : NULL;
    if (half && l->n) {
        widen(scale, ws, l->scale_n, x->type);
        if (bias) widen(bias, wb, l->bias_n, x->type);
    }
    for (int64_t r = 0; r < l->rows && l->n; r++) {
        double mean, inverse;
        if (x->type == CLSTM_FLOAT) row_f32(l, (const float *)x->data + r * l->n, scale, bias, (float *)y + r * l->n, &mean, &inverse);
        else if (x->type == CLSTM_DOUBLE) row_f64(l, (const double *)x->data + r * l->n, scale, bias, (double *)y + r * l->n, &mean, &inverse);
        else {
            widen((const uint16_t *)x->data + r * l->n, wx, l->n, x->type);
            row_f32(l, wx, ws, bias ? wb : NULL, wx, &mean, &inverse);
            uint16_t *to = (uint16_t *)y + r * l->n;
            for (int64_t i = 0; i < l->n; i++) to[i] = x->type == CLSTM_FLOAT16 ? tensor_float_to_half(wx[i]) : tensor_float_to_bfloat(wx[i]);
        }
        put(c, 1, r, mean);
        put(c, 2, r, inverse);
    }
    return CLSTM_OK;
}

const op_desc ops_layer_norm[] = {
    {.domain = "", .name = "LayerNormalization", .since = 17, .inputs = "X:T Scale:T B?:T", .outputs = "Y:T Mean?:U InvStdDev?:U", .types = "T=float* U=float,double",
     .attrs = "axis:i=-1 epsilon:f=1e-5 stash_type:i=1", .check = check, .infer = infer, .prepare = prepare, .run = run, .inplace = 1},
    OP_ARRAY_END};
