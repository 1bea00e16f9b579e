/* ops/norm: BatchNormalization, InstanceNormalization, GroupNormalization, LpNormalization, RMSNormalization,
 * MeanVarianceNormalization, LRN.
 * Sums are taken in double; float16 and bfloat16 are computed in float.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/widen.h"

#include <math.h>
#include <string.h>

/* X as [rows, channels, inner]; what a family needs beyond that is its own. */
typedef struct norm {
    int64_t rows, channels, inner, groups, size;
    double epsilon, alpha, beta, bias;
    int p;
    bool training, per_group, across;
    uint32_t axes;
    size_t wide_x, wide_y;
    void (*f32)(op_ctx *ctx, const struct norm *n, const float *x, float *y);
    void (*f64)(op_ctx *ctx, const struct norm *n, const double *x, double *y);
} norm;

static double value(const op_ctx *ctx, int input, int64_t i) { return tensor_get_double(op_in(ctx, input), i); }

static void store(clstm_tensor *t, int64_t i, double v) {
    switch (t->type) {
    case CLSTM_FLOAT: ((float *)t->data)[i] = (float)v; break;
    case CLSTM_DOUBLE: ((double *)t->data)[i] = v; break;
    case CLSTM_FLOAT16: ((uint16_t *)t->data)[i] = tensor_double_to_half(v); break;
    default: ((uint16_t *)t->data)[i] = tensor_double_to_bfloat(v); break;
    }
}

static norm *begin(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0);
    norm *n = op_prepared_alloc(ctx, sizeof *n);
    if (!n) return NULL;
    n->rows = x->rank > 0 ? x->dims[0] : 1;
    n->channels = x->rank > 1 ? x->dims[1] : 1;
    n->inner = tensor_span(x, x->rank < 2 ? x->rank : 2, x->rank);
    n->epsilon = (double)op_attr_float(ctx->node, "epsilon");
    if (op_is_half(x->type)) {
        size_t bytes = ((size_t)clstm_tensor_count(x) * sizeof(float) + 63) & ~(size_t)63;
        n->wide_y = bytes;
        ctx->scratch_bytes = 2 * bytes;
    }
    return n;
}

static clstm_status run(op_ctx *ctx) {
    const norm *n = ctx->prepared;
    clstm_tensor *x = op_in(ctx, 0), *y = op_out(ctx, 0);
    if (x->type == CLSTM_DOUBLE) n->f64(ctx, n, x->data, y->data);
    else if (x->type == CLSTM_FLOAT) n->f32(ctx, n, x->data, y->data);
    else {
        float *wx = ctx->scratch, *wy = (float *)(void *)((unsigned char *)ctx->scratch + n->wide_y);
        op_widen(x, wx);
        n->f32(ctx, n, wx, wy);
        op_narrow(wy, y);
    }
    return CLSTM_OK;
}

/* Instantiates a family's arithmetic for float and double. */
#define BOTH(name, ...) \
    static void name##_f32(op_ctx *ctx, const norm *n, const float *x, float *y) { typedef float T; (void)ctx; __VA_ARGS__ } \
    static void name##_f64(op_ctx *ctx, const norm *n, const double *x, double *y) { typedef double T; (void)ctx; __VA_ARGS__ }
#define USE(n, name) ((n)->f32 = name##_f32, (n)->f64 = name##_f64)

/* Mean and variance of `count` runs of `length` values, `step` apart. */
#define MOMENTS(x, count, length, step, mean, variance) do { \
    double sum_ = 0, square_ = 0, total_ = (double)(count) * (double)(length); \
    for (int64_t a_ = 0; a_ < (count); a_++) for (int64_t b_ = 0; b_ < (length); b_++) sum_ += (double)(x)[a_ * (step) + b_]; \
    mean = total_ > 0 ? sum_ / total_ : 0; \
    for (int64_t a_ = 0; a_ < (count); a_++) for (int64_t b_ = 0; b_ < (length); b_++) { \
        double d_ = (double)(x)[a_ * (step) + b_] - mean; \
        square_ += d_ * d_; \
    } \
    variance = total_ > 0 ? square_ / total_ : 0; \
} while (0)

/* ---- BatchNormalization: Y = scale * (X - mean) / sqrt(var + epsilon) + B ------------------------------------------------------ */

static clstm_status check_batch(ir_node *n, clstm_error *err) {
    if (ir_attr_find(n, "spatial") && op_attr_int(n, "spatial") != 1) return util_fail(err, CLSTM_UNSUPPORTED, "attribute spatial is %lld", (long long)op_attr_int(n, "spatial"));
    bool training = n->version >= 14 ? op_attr_int(n, "training_mode") != 0 : false;
    if (n->version < 7 && n->n_out > 1 && ir_attr_find(n, "is_test") && !op_attr_int(n, "is_test")) training = true;
    if (training && n->version < 14) return util_fail(err, CLSTM_UNSUPPORTED, "training before opset 14");
    for (int i = 1; i < n->n_out && !training; i++)
        if (n->outputs[i]) return util_fail(err, CLSTM_UNSUPPORTED, "output %d exists in training only", i);
    return CLSTM_OK;
}

static clstm_status infer_batch(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0);
    if (x->rank < 1) return op_bad_model(ctx, "X is a scalar");
    int64_t c = x->rank > 1 ? x->dims[1] : 1;
    for (int i = 1; i < 5; i++)
        if (op_in(ctx, i)->rank != 1 || op_in(ctx, i)->dims[0] != c) return op_bad_model(ctx, "input %d must have the shape [%lld]", i, (long long)c);
    for (int i = 1; i < ctx->n_out; i++) UTIL_TRY(op_set_out(ctx, i, op_in(ctx, i < 3 ? i + 2 : 4)->type, 1, &c));
    return op_set_out(ctx, 0, x->type, x->rank, x->dims);
}

BOTH(batch,
    for (int64_t c = 0; c < n->channels; c++) {
        double mean = value(ctx, 3, c); double var = value(ctx, 4, c);
        if (n->training) {
            double old_mean = mean; double old_var = var; const T *first = x + c * n->inner;
            MOMENTS(first, n->rows, n->inner, n->channels * n->inner, mean, var);
            if (op_has_out(ctx, 1)) store(op_out(ctx, 1), c, old_mean * n->alpha + mean * (1 - n->alpha));
            if (op_has_out(ctx, 2)) store(op_out(ctx, 2), c, old_var * n->alpha + var * (1 - n->alpha));
        }
        T factor = (T)(value(ctx, 1, c) / sqrt(var + n->epsilon));
        T shift = (T)(value(ctx, 2, c) - mean * value(ctx, 1, c) / sqrt(var + n->epsilon));
        for (int64_t r = 0; r < n->rows; r++) {
            const T *from = x + (r * n->channels + c) * n->inner; T *to = y + (r * n->channels + c) * n->inner;
            for (int64_t i = 0; i < n->inner; i++) to[i] = from[i] * factor + shift;
        }
    })

static clstm_status prepare_batch(op_ctx *ctx) {
    norm *n = begin(ctx);
    if (!n) return util_no_memory(ctx->err);
    n->training = ctx->node->version >= 14 && op_attr_int(ctx->node, "training_mode");
    n->alpha = (double)op_attr_float(ctx->node, "momentum");
    USE(n, batch);
    return CLSTM_OK;
}

/* ---- InstanceNormalization, GroupNormalization ------------------------------------------------------------------------------------ */

static clstm_status check_group(ir_node *n, clstm_error *err) {
    int64_t g = op_attr_int(n, "num_groups");
    return g > 0 ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "attribute num_groups is %lld", (long long)g);
}

static clstm_status infer_group(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0);
    if (x->rank < 2) return op_bad_model(ctx, "X has rank %d, expected at least 2", x->rank);
    bool grouped = ctx->node->op_type[0] == 'G';
    int64_t groups = grouped ? op_attr_int(ctx->node, "num_groups") : x->dims[1], want = grouped && ctx->node->version < 21 ? groups : x->dims[1];
    if (groups && x->dims[1] % groups) return op_bad_model(ctx, "%lld channels do not divide into %lld groups", (long long)x->dims[1], (long long)groups);
    for (int i = 1; i < 3; i++)
        if (op_in(ctx, i)->rank != 1 || op_in(ctx, i)->dims[0] != want) return op_bad_model(ctx, "input %d must have the shape [%lld]", i, (long long)want);
    return op_infer_same(ctx);
}

BOTH(group,
    int64_t size = n->channels / n->groups * n->inner;
    for (int64_t g = 0; g < n->rows * n->groups; g++) {
        const T *from = x + g * size; T *to = y + g * size; double mean; double var;
        MOMENTS(from, 1, size, 0, mean, var);
        double factor = 1 / sqrt(var + n->epsilon);
        for (int64_t c = 0; c < n->channels / n->groups; c++) {
            int64_t which = n->per_group ? g % n->groups : g % n->groups * (n->channels / n->groups) + c;
            double scale = factor * value(ctx, 1, which); double shift = value(ctx, 2, which) - mean * scale;
            for (int64_t i = 0; i < n->inner; i++) to[c * n->inner + i] = (T)((double)from[c * n->inner + i] * scale + shift);
        }
    })

static clstm_status prepare_group(op_ctx *ctx) {
    norm *n = begin(ctx);
    if (!n) return util_no_memory(ctx->err);
    bool grouped = ctx->node->op_type[0] == 'G';
    n->groups = grouped ? op_attr_int(ctx->node, "num_groups") : n->channels;
    n->per_group = grouped && ctx->node->version < 21;
    if (!n->groups) n->groups = 1;
    USE(n, group);
    return CLSTM_OK;
}

/* ---- LpNormalization: X / ||X||p along axis --------------------------------------------------------------------------------------- */

static clstm_status check_lp(ir_node *n, clstm_error *err) {
    int64_t p = op_attr_int(n, "p");
    return p == 1 || p == 2 ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "attribute p is %lld, expected 1 or 2", (long long)p);
}
static clstm_status infer_lp(op_ctx *ctx) {
    int axis;
    UTIL_TRY(op_axis(ctx, op_in(ctx, 0)->rank, &axis));
    return op_infer_same(ctx);
}
BOTH(lp,
    for (int64_t r = 0; r < n->rows; r++) for (int64_t i = 0; i < n->inner; i++) {
        const T *from = x + r * n->channels * n->inner + i; T *to = y + r * n->channels * n->inner + i; double sum = 0;
        for (int64_t c = 0; c < n->channels; c++) {
            double v = (double)from[c * n->inner];
            sum += n->p == 1 ? fabs(v) : v * v;
        }
        if (n->p == 2) sum = sqrt(sum);
        for (int64_t c = 0; c < n->channels; c++) to[c * n->inner] = sum > 0 || sum != sum ? (T)((double)from[c * n->inner] / sum) : 0;
    })
static clstm_status prepare_lp(op_ctx *ctx) {
    int axis;
    const clstm_tensor *x = op_in(ctx, 0);
    norm *n = begin(ctx);
    if (!n) return util_no_memory(ctx->err);
    UTIL_TRY(op_axis(ctx, x->rank, &axis));
    n->rows = tensor_span(x, 0, axis);
    n->channels = x->dims[axis];
    n->inner = tensor_span(x, axis + 1, x->rank);
    n->p = (int)op_attr_int(ctx->node, "p");
    USE(n, lp);
    return CLSTM_OK;
}

/* ---- RMSNormalization: X / sqrt(mean(X^2) + epsilon) * scale, the mean over the dimensions from axis on ---------------------------- */

static clstm_status infer_rms(op_ctx *ctx) {
    int axis;
    clstm_tensor shape = *op_in(ctx, 0);
    UTIL_TRY(op_axis(ctx, shape.rank, &axis));
    if (!tensor_broadcast(&shape, op_in(ctx, 1)) || !tensor_same_shape(&shape, op_in(ctx, 0))) return op_bad_model(ctx, "scale does not broadcast to X");
    return op_set_out(ctx, 0, op_in(ctx, 1)->type, shape.rank, shape.dims);
}
BOTH(rms,
    const clstm_tensor *shape = op_in(ctx, 0); int64_t strides[CLSTM_MAX_RANK];
    tensor_broadcast_strides(op_in(ctx, 1), shape, strides);
    for (int64_t r = 0; r < n->rows; r++) {
        const T *from = x + r * n->inner; T *to = y + r * n->inner; double sum = 0;
        for (int64_t i = 0; i < n->inner; i++) sum += (double)from[i] * (double)from[i];
        double factor = 1 / sqrt(sum / (double)n->inner + n->epsilon);
        for (int64_t i = 0; i < n->inner; i++) {
            int64_t at = r * n->inner + i; int64_t which = 0;
            for (int d = shape->rank - 1; d >= 0; d--) { which += at % shape->dims[d] * strides[d]; at /= shape->dims[d]; }
            to[i] = (T)((double)from[i] * factor * value(ctx, 1, which));
        }
    })
static clstm_status prepare_rms(op_ctx *ctx) {
    int axis;
    const clstm_tensor *x = op_in(ctx, 0);
    norm *n = begin(ctx);
    if (!n) return util_no_memory(ctx->err);
    UTIL_TRY(op_axis(ctx, x->rank, &axis));
    n->rows = tensor_span(x, 0, axis);
    n->inner = tensor_span(x, axis, x->rank);
    USE(n, rms);
    return CLSTM_OK;
}

/* ---- MeanVarianceNormalization: (X - E[X]) / sqrt(E[X^2] - E[X]^2 + 1e-9) over `axes` --------------------------------------------------- */

static clstm_status read_mvn_axes(op_ctx *ctx, uint32_t *mask) {
    static const int64_t usual[] = {0, 2, 3};
    size_t count;
    const int64_t *axes = op_attr_ints(ctx->node, "axes", &count);
    return op_axes_mask(ctx, axes ? axes : usual, axes ? (int)count : 3, op_in(ctx, 0)->rank, mask);
}
static clstm_status infer_mvn(op_ctx *ctx) {
    uint32_t mask;
    UTIL_TRY(read_mvn_axes(ctx, &mask));
    return op_infer_same(ctx);
}
/* Visits, for each kept index, every element that shares it: the offset of element e of cell k. */
static int64_t offset_of(const clstm_tensor *x, uint32_t mask, bool reduced, int64_t index) {
    int64_t at = 0, stride = 1;
    for (int d = x->rank - 1; d >= 0; d--) {
        if ((mask >> d & 1) == (reduced ? 1u : 0u)) { at += index % x->dims[d] * stride; index /= x->dims[d]; }
        stride *= x->dims[d];
    }
    return at;
}
BOTH(mvn,
    const clstm_tensor *shape = op_in(ctx, 0);
    for (int64_t k = 0; k < n->rows; k++) {
        int64_t base = offset_of(shape, n->axes, false, k); double mean = 0; double square = 0;
        for (int64_t e = 0; e < n->size; e++) {
            double v = (double)x[base + offset_of(shape, n->axes, true, e)];
            mean += v;
            square += v * v;
        }
        mean /= (double)n->size;
        double deviation = sqrt(square / (double)n->size - mean * mean);
        for (int64_t e = 0; e < n->size; e++) {
            int64_t at = base + offset_of(shape, n->axes, true, e);
            y[at] = (T)(((double)x[at] - mean) / (deviation + 1e-9));
        }
    })
static clstm_status prepare_mvn(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0);
    norm *n = begin(ctx);
    if (!n) return util_no_memory(ctx->err);
    UTIL_TRY(read_mvn_axes(ctx, &n->axes));
    n->rows = n->size = 1;
    for (int d = 0; d < x->rank; d++) *(n->axes >> d & 1 ? &n->size : &n->rows) *= x->dims[d];
    if (!n->size) n->rows = 0;
    USE(n, mvn);
    return CLSTM_OK;
}

/* ---- LRN: X / (bias + alpha/size * sum of squares over neighbouring channels)^beta -------------------------------------------------------- */

static clstm_status check_lrn(ir_node *n, clstm_error *err) {
    int64_t size = op_attr_int(n, "size");
    return size > 0 && size < INT32_MAX ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "attribute size is %lld", (long long)size);
}
static clstm_status infer_lrn(op_ctx *ctx) {
    return op_in(ctx, 0)->rank < 2 ? op_bad_model(ctx, "X has rank %d, expected at least 2", op_in(ctx, 0)->rank) : op_infer_same(ctx);
}
BOTH(lrn,
    for (int64_t r = 0; r < n->rows; r++) for (int64_t c = 0; c < n->channels; c++) {
        int64_t from = c - (n->size - 1) / 2; int64_t to = c + n->size / 2;
        if (from < 0) from = 0;
        if (to > n->channels - 1) to = n->channels - 1;
        for (int64_t i = 0; i < n->inner; i++) {
            double sum = 0;
            for (int64_t k = from; k <= to; k++) {
                double v = (double)x[(r * n->channels + k) * n->inner + i];
                sum += v * v;
            }
            int64_t at = (r * n->channels + c) * n->inner + i;
            y[at] = (T)((double)x[at] / pow(n->bias + n->alpha / (double)n->size * sum, n->beta));
        }
    })
static double flops_lrn(const op_ctx *ctx) {
    const norm *n = ctx->prepared;
    return 2.0 * (double)clstm_tensor_count(op_in(ctx, 0)) * (double)(n->size < n->channels ? n->size : n->channels);
}
static clstm_status prepare_lrn(op_ctx *ctx) {
    norm *n = begin(ctx);
    if (!n) return util_no_memory(ctx->err);
    n->size = op_attr_int(ctx->node, "size");
    n->alpha = (double)op_attr_float(ctx->node, "alpha");
    n->beta = (double)op_attr_float(ctx->node, "beta");
    n->bias = (double)op_attr_float(ctx->node, "bias");
    USE(n, lrn);
    return CLSTM_OK;
}

#define BATCH(since, until, ...) \
    {"", "BatchNormalization", since, until, __VA_ARGS__, .check = check_batch, .infer = infer_batch, .prepare = prepare_batch, .run = run}
#define OLD_BATCH "X:T scale:T B:T mean:T var:T", "Y:T mean?:T var?:T saved_mean?:T saved_var?:T", "T=float*"
const op_desc ops_norm[] = {
    BATCH(1, 6, OLD_BATCH, "consumed_inputs:I epsilon:f=0.00001 is_test:i=0 momentum:f=0.9 spatial:i=1"),
    BATCH(7, 8, OLD_BATCH, "epsilon:f=0.00001 momentum:f=0.9 spatial:i=1"),
    BATCH(9, 13, OLD_BATCH, "epsilon:f=0.00001 momentum:f=0.9"),
    BATCH(14, 0, "X:T scale:S B:S input_mean:M input_var:M", "Y:T running_mean?:M running_var?:M", "T=float* S=float* M=float*",
          "epsilon:f=0.00001 momentum:f=0.9 training_mode:i=0"),
    {"", "InstanceNormalization", 1, 0, "input:T scale:T B:T", "output:T", "T=float*", "consumed_inputs:I epsilon:f=0.00001", .infer = infer_group, .prepare = prepare_group, .run = run},
    {"", "GroupNormalization", 18, 0, "X:T scale:T bias:T", "Y:T", "T=float*", "epsilon:f=0.00001 num_groups:i! stash_type:i=1", .check = check_group, .infer = infer_group,
     .prepare = prepare_group, .run = run},
    {"", "LpNormalization", 1, 0, "input:T", "output:T", "T=float*", "axis:i=-1 p:i=2", .check = check_lp, .infer = infer_lp, .prepare = prepare_lp, .run = run},
    {"", "RMSNormalization", 23, 0, "X:T scale:T", "Y:T", "T=float*", "axis:i=-1 epsilon:f=0.00001 stash_type:i=1", .infer = infer_rms, .prepare = prepare_rms, .run = run},
    {"", "MeanVarianceNormalization", 9, 0, "X:T", "Y:T", "T=float*", "axes:I", .infer = infer_mvn, .prepare = prepare_mvn, .run = run},
    {"", "LRN", 1, 0, "X:T", "Y:T", "T=float*", "alpha:f=0.0001 beta:f=0.75 bias:f=1 size:i!", .check = check_lrn, .infer = infer_lrn, .prepare = prepare_lrn, .run = run, .flops = flops_lrn},
    OP_ARRAY_END,
};
