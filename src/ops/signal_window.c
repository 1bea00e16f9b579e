/* ops/signal_window: HannWindow, HammingWindow, BlackmanWindow and MelWeightMatrix: tables made from numbers.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>
#include <string.h>

static clstm_status check_type(ir_node *n, clstm_error *err) {
    int64_t t = op_attr_int(n, "output_datatype");
    bool known = t > 0 && t <= CLSTM_BFLOAT16 && (type_is_float((clstm_type)t) || type_is_integer((clstm_type)t));
    return known ? CLSTM_OK : util_fail(err, CLSTM_UNSUPPORTED, "attribute output_datatype is %lld", (long long)t);
}

static void put(clstm_tensor *t, int64_t i, double v) {
    switch (t->type) {
    case CLSTM_FLOAT: ((float *)t->data)[i] = (float)v; break;
    case CLSTM_DOUBLE: ((double *)t->data)[i] = v; break;
    case CLSTM_FLOAT16: ((uint16_t *)t->data)[i] = tensor_double_to_half(v); break;
    case CLSTM_BFLOAT16: ((uint16_t *)t->data)[i] = tensor_double_to_bfloat(v); break;
    case CLSTM_INT8: ((int8_t *)t->data)[i] = (int8_t)v; break;
    case CLSTM_INT16: ((int16_t *)t->data)[i] = (int16_t)v; break;
    case CLSTM_INT32: ((int32_t *)t->data)[i] = (int32_t)v; break;
    case CLSTM_INT64: ((int64_t *)t->data)[i] = (int64_t)v; break;
    case CLSTM_UINT8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case CLSTM_UINT16: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    case CLSTM_UINT32: ((uint32_t *)t->data)[i] = (uint32_t)v; break;
    default: ((uint64_t *)t->data)[i] = (uint64_t)v; break;
    }
}

/* ---- windows: a0 - a1 cos(2 pi k / N) + a2 cos(4 pi k / N), N the size or, for symmetric windows, one less ------------------------ */

static clstm_status infer_window(op_ctx *ctx) {
    int64_t size;
    UTIL_TRY(op_input_int(ctx, 0, &size));
    if (size < 0) return op_bad_model(ctx, "a window of size %lld", (long long)size);
    return op_set_out(ctx, 0, (clstm_type)op_attr_int(ctx->node, "output_datatype"), 1, &size);
}

static clstm_status run_window(op_ctx *ctx) {
    static const double hann[3] = {0.5, 0.5, 0}, hamming[3] = {25.0 / 46, 21.0 / 46, 0}, blackman[3] = {0.42, 0.5, 0.08};
    const char *name = ctx->node->op_type;
    const double *a = name[0] == 'B' ? blackman : name[2] == 'n' ? hann : hamming;
    clstm_tensor *y = op_out(ctx, 0);
    int64_t size = y->dims[0], n = op_attr_int(ctx->node, "periodic") ? size : size - 1;
    for (int64_t k = 0; k < size; k++) {
        double angle = n ? 6.283185307179586476925286766559 * (double)k / (double)n : 0;
        double v = a[0] - a[1] * cos(angle) + a[2] * cos(2 * angle);
        put(y, k, n ? v : 1);       /* the formula has 0/0 for the symmetric window of one point, which everybody takes as 1 */
    }
    return CLSTM_OK;
}

/* ---- MelWeightMatrix ------------------------------------------------------------------------------------------------------------------- */

enum { MOST_BINS = 1 << 20 };

static clstm_status infer_mel(op_ctx *ctx) {
    int64_t bins, length;
    UTIL_TRY(op_input_int(ctx, 0, &bins));
    UTIL_TRY(op_input_int(ctx, 1, &length));
    if (bins < 0 || bins > MOST_BINS || length < 0 || length > INT32_MAX) return op_bad_model(ctx, "%lld bands over %lld points", (long long)bins, (long long)length);
    return op_set_out(ctx, 0, (clstm_type)op_attr_int(ctx->node, "output_datatype"), 2, (int64_t[]){length / 2 + 1, bins});
}

/* The spectrum's bin at edge i of the triangles, evenly spaced in mel. */
static double edge(int64_t i, int64_t bins, int64_t length, double rate, double low, double high) {
    double from = 2595 * log10(1 + low / 700), to = 2595 * log10(1 + high / 700), mel = (double)i * ((to - from) / (double)(bins + 2)) + from;
    return floor((double)(length + 1) * (700 * (pow(10, mel / 2595) - 1)) / rate);
}

static clstm_status run_mel(op_ctx *ctx) {
    clstm_tensor *y = op_out(ctx, 0);
    int64_t rows = y->dims[0], bins = y->dims[1], length, rate;
    UTIL_TRY(op_input_int(ctx, 1, &length));
    UTIL_TRY(op_input_int(ctx, 2, &rate));
    for (int i = 3; i < 5; i++)
        if (clstm_tensor_count(op_in(ctx, i)) != 1) return op_bad_input(ctx, "input %d must have one element", i);
    double low = tensor_get_double(op_in(ctx, 3), 0), high = tensor_get_double(op_in(ctx, 4), 0);
    if (rate < 1) return op_bad_input(ctx, "sample_rate is %lld", (long long)rate);
    for (int64_t i = 0; i < rows * bins; i++) put(y, i, 0);
    for (int64_t b = 0; b < bins; b++) {
        double e[3];
        for (int i = 0; i < 3; i++) {
            e[i] = edge(b + i, bins, length, (double)rate, low, high);
            if (!(e[i] >= 0 && e[i] <= (double)rows)) return op_bad_input(ctx, "band %lld reaches outside the spectrum", (long long)b);
        }
        int64_t lower = (int64_t)e[0], centre = (int64_t)e[1], higher = (int64_t)e[2];
        if (centre >= rows) return op_bad_input(ctx, "band %lld reaches outside the spectrum", (long long)b);
        if (lower == centre) put(y, centre * bins + b, 1);
        for (int64_t k = lower; k <= centre && lower < centre; k++) put(y, k * bins + b, (double)(k - lower) / (double)(centre - lower));
        for (int64_t k = centre; k < higher && k < rows; k++) put(y, k * bins + b, (double)(higher - k) / (double)(higher - centre));
    }
    return CLSTM_OK;
}

#define WINDOW(window) \
    {.domain = "", .name = window, .since = 17, .inputs = "size:I", .outputs = "output:any", .types = "I=int32,int64", \
     .attrs = "output_datatype:i=1 periodic:i=1", .check = check_type, .infer = infer_window, .run = run_window}
const op_desc ops_signal_window[] = {
    WINDOW("HannWindow"), WINDOW("HammingWindow"), WINDOW("BlackmanWindow"),
    {.domain = "", .name = "MelWeightMatrix", .since = 17,
     .inputs = "num_mel_bins:I dft_length:I sample_rate:I lower_edge_hertz:F upper_edge_hertz:F", .outputs = "output:any",
     .types = "I=int32,int64 F=float*", .attrs = "output_datatype:i=1", .check = check_type, .infer = infer_mel, .run = run_mel},
    OP_ARRAY_END,
};
