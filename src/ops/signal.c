/* ops/signal: DFT and STFT. Computed in double whatever the type.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : DFT, STFT */
#include "ops/families.h"
#include "ops/common.h"
#include "ops/fourier.h"

#include <string.h>

enum { MOST_POINTS = 1 << 24 };

typedef struct transform {
    op_fourier f;
    int64_t outer, inner;           /* lines: outer*inner of them, their elements `inner` places apart */
    int64_t length, parts;          /* input places on a line that count, and 1 (real) or 2 numbers a place */
    int64_t in_line, out_line;      /* places of a line in memory */
    int64_t out_parts;
    bool inverse, mirrored;         /* mirrored: the input holds the first half of a conjugate-symmetric spectrum */
    int64_t step, frames;           /* STFT */
} transform;

static double get(const clstm_tensor *t, int64_t i) {
    switch (t->type) {
    case CLSTM_FLOAT: return (double)((const float *)t->data)[i];
    case CLSTM_DOUBLE: return ((const double *)t->data)[i];
    default: return tensor_get_double(t, i);
    }
}

/* Memory for a transform of n points: roots in prepared memory, two lines in scratch. */
static transform *prepare_points(op_ctx *ctx, int64_t n) {
    size_t head = (sizeof(transform) + 63) & ~(size_t)63, points = (size_t)n * sizeof(op_complex);
    transform *t = op_prepared_alloc(ctx, head + points);
    if (!t) return NULL;
    op_fourier_plan(&t->f, n, (op_complex *)(void *)((unsigned char *)t + head));
    ctx->scratch_bytes = 2 * points;
    return t;
}

static clstm_status check_points(op_ctx *ctx, int64_t n) {
    if (n < 1) return op_bad_model(ctx, "a transform of %lld points", (long long)n);
    if (n > MOST_POINTS) return op_unsupported(ctx, "a transform of %lld points (at most %d)", (long long)n, MOST_POINTS);
    return CLSTM_OK;
}

/* ---- DFT --------------------------------------------------------------------------------------------------------------------------------- */

/* X is [batch, signal dimensions..., 1 or 2]. *n points, *out places along the axis of the result. */
static clstm_status read_dft(op_ctx *ctx, int *axis, int64_t *n, int64_t *out) {
    const clstm_tensor *x = op_in(ctx, 0);
    bool inverse = op_attr_int(ctx->node, "inverse") != 0, onesided = op_attr_int(ctx->node, "onesided") != 0;
    int64_t at = ctx->node->version < 20 ? op_attr_int(ctx->node, "axis") : -2;
    if (op_has_in(ctx, 2)) UTIL_TRY(op_input_int(ctx, 2, &at));
    if (x->rank < 2 || !tensor_axis(at, x->rank, axis) || *axis == x->rank - 1)
        return op_bad_model(ctx, "axis %lld of a signal of rank %d", (long long)at, x->rank);
    int64_t parts = x->dims[x->rank - 1];
    if (parts != 1 && parts != 2) return op_bad_model(ctx, "the last dimension of the signal is %lld, expected 1 or 2", (long long)parts);
    if (onesided && parts != (inverse ? 2 : 1))
        return op_bad_model(ctx, "onesided needs a %s signal", inverse ? "complex" : "real");
    *n = onesided && inverse ? 2 * (x->dims[*axis] - 1) : x->dims[*axis];
    if (op_has_in(ctx, 1)) UTIL_TRY(op_input_int(ctx, 1, n));
    UTIL_TRY(check_points(ctx, *n));
    *out = onesided && !inverse ? *n / 2 + 1 : *n;
    return CLSTM_OK;
}

static clstm_status infer_dft(op_ctx *ctx) {
    clstm_tensor y = *op_in(ctx, 0);
    int axis;
    int64_t n, out;
    UTIL_TRY(read_dft(ctx, &axis, &n, &out));
    y.dims[axis] = out;
    y.dims[y.rank - 1] = op_attr_int(ctx->node, "onesided") && op_attr_int(ctx->node, "inverse") ? 1 : 2;
    return op_set_out(ctx, 0, y.type, y.rank, y.dims);
}

static clstm_status prepare_dft(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0);
    int axis;
    int64_t n, out;
    UTIL_TRY(read_dft(ctx, &axis, &n, &out));
    transform *t = prepare_points(ctx, n);
    if (!t) return util_no_memory(ctx->err);
    t->inverse = op_attr_int(ctx->node, "inverse") != 0;
    t->mirrored = t->inverse && op_attr_int(ctx->node, "onesided") != 0;
    t->outer = tensor_span(x, 0, axis);
    t->inner = tensor_span(x, axis + 1, x->rank - 1);
    t->in_line = x->dims[axis];
    t->out_line = out;
    t->parts = x->dims[x->rank - 1];
    t->out_parts = t->mirrored ? 1 : 2;
    int64_t most = t->mirrored ? n / 2 + 1 : n;
    t->length = t->in_line < most ? t->in_line : most;
    return CLSTM_OK;
}

static void load_line(const transform *t, const clstm_tensor *x, int64_t first, op_complex *line) {
    int64_t n = t->f.n;
    for (int64_t k = 0; k < t->length; k++) {
        int64_t at = (first + k * t->inner) * t->parts;
        line[k] = (op_complex){get(x, at), t->parts == 2 ? get(x, at + 1) : 0};
    }
    for (int64_t k = t->length; k < n; k++) line[k] = (op_complex){0, 0};
    for (int64_t k = 1; t->mirrored && k < (n + 1) / 2; k++) line[n - k] = (op_complex){line[k].re, -line[k].im};
}

static clstm_status run_dft(op_ctx *ctx) {
    const transform *t = ctx->prepared;
    const clstm_tensor *x = op_in(ctx, 0);
    clstm_tensor *y = op_out(ctx, 0);
    double scale = t->inverse ? 1.0 / (double)t->f.n : 1;
    for (int64_t o = 0; o < t->outer; o++)
        for (int64_t i = 0; i < t->inner; i++) {
            op_complex *line = ctx->scratch;
            load_line(t, x, o * t->in_line * t->inner + i, line);
            const op_complex *made = op_fourier_run(&t->f, line, line + t->f.n, t->inverse);
            for (int64_t k = 0; k < t->out_line; k++) {
                int64_t at = ((o * t->out_line + k) * t->inner + i) * t->out_parts;
                op_put_real(y, at, made[k].re * scale);
                if (t->out_parts == 2) op_put_real(y, at + 1, made[k].im * scale);
            }
        }
    return CLSTM_OK;
}

/* ---- STFT -------------------------------------------------------------------------------------------------------------------------------- */

/* signal [batch, length, 1 or 2], frame_step, window?, frame_length? */
static clstm_status read_stft(op_ctx *ctx, int64_t *points, int64_t *step, int64_t *frames) {
    const clstm_tensor *x = op_in(ctx, 0);
    bool onesided = op_attr_int(ctx->node, "onesided") != 0;
    if (x->rank != 3 || (x->dims[2] != 1 && x->dims[2] != 2)) return op_bad_model(ctx, "the signal must be [batch,length,1] or [batch,length,2]");
    if (onesided && x->dims[2] == 2) return op_bad_model(ctx, "onesided needs a real signal");
    if (!op_has_in(ctx, 2) && !op_has_in(ctx, 3)) return op_bad_model(ctx, "neither window nor frame_length is given");
    UTIL_TRY(op_input_int(ctx, 1, step));
    if (*step < 1) return op_bad_model(ctx, "frame_step is %lld", (long long)*step);
    if (op_has_in(ctx, 3)) UTIL_TRY(op_input_int(ctx, 3, points));
    else *points = clstm_tensor_count(op_in(ctx, 2));
    if (op_has_in(ctx, 2) && (op_in(ctx, 2)->rank != 1 || op_in(ctx, 2)->dims[0] != *points))
        return op_bad_model(ctx, "the window must have the shape [%lld]", (long long)*points);
    UTIL_TRY(check_points(ctx, *points));
    if (*points > x->dims[1]) return op_bad_model(ctx, "a frame of %lld in a signal of %lld", (long long)*points, (long long)x->dims[1]);
    *frames = (x->dims[1] - *points) / *step + 1;
    return CLSTM_OK;
}

static clstm_status infer_stft(op_ctx *ctx) {
    int64_t points, step, frames;
    UTIL_TRY(read_stft(ctx, &points, &step, &frames));
    int64_t dims[4] = {op_in(ctx, 0)->dims[0], frames, op_attr_int(ctx->node, "onesided") ? points / 2 + 1 : points, 2};
    return op_set_out(ctx, 0, op_in(ctx, 0)->type, 4, dims);
}

static clstm_status prepare_stft(op_ctx *ctx) {
    int64_t points, step, frames;
    UTIL_TRY(read_stft(ctx, &points, &step, &frames));
    transform *t = prepare_points(ctx, points);
    if (!t) return util_no_memory(ctx->err);
    t->outer = op_in(ctx, 0)->dims[0];
    t->in_line = op_in(ctx, 0)->dims[1];
    t->parts = op_in(ctx, 0)->dims[2];
    t->out_line = op_out(ctx, 0)->dims[2];
    t->step = step;
    t->frames = frames;
    return CLSTM_OK;
}

static clstm_status run_stft(op_ctx *ctx) {
    const transform *t = ctx->prepared;
    const clstm_tensor *x = op_in(ctx, 0), *window = op_has_in(ctx, 2) ? op_in(ctx, 2) : NULL;
    clstm_tensor *y = op_out(ctx, 0);
    int64_t at = 0;
    for (int64_t b = 0; b < t->outer; b++)
        for (int64_t frame = 0; frame < t->frames; frame++) {
            op_complex *line = ctx->scratch;
            for (int64_t k = 0; k < t->f.n; k++) {
                int64_t from = (b * t->in_line + frame * t->step + k) * t->parts;
                double w = window ? get(window, k) : 1;
                line[k] = (op_complex){w * get(x, from), t->parts == 2 ? w * get(x, from + 1) : 0};
            }
            const op_complex *made = op_fourier_run(&t->f, line, line + t->f.n, 0);
            for (int64_t k = 0; k < t->out_line; k++) {
                op_put_real(y, at++, made[k].re);
                op_put_real(y, at++, made[k].im);
            }
        }
    return CLSTM_OK;
}

static double flops(const op_ctx *ctx) {
    const transform *t = ctx->prepared;
    return op_fourier_flops(&t->f) * (double)t->outer * (double)(t->frames ? t->frames : t->inner);
}

#define DFT(first, last, in, attributes) \
    {.domain = "", .name = "DFT", .since = first, .until = last, .inputs = in, .outputs = "output:T1", .types = "T1=float* T2=int32,int64", \
     .attrs = attributes, .infer = infer_dft, .prepare = prepare_dft, .run = run_dft, .flops = flops}
const op_desc ops_signal[] = {
    DFT(17, 19, "input:T1 dft_length?:T2", "axis:i=1 inverse:i=0 onesided:i=0"),
    DFT(20, 0, "input:T1 dft_length?:T2 axis?:int64", "inverse:i=0 onesided:i=0"),
    {.domain = "", .name = "STFT", .since = 17, .inputs = "signal:T1 frame_step:T2 window?:T1 frame_length?:T2", .outputs = "output:T1",
     .types = "T1=float* T2=int32,int64", .attrs = "onesided:i=1", .infer = infer_stft, .prepare = prepare_stft, .run = run_stft, .flops = flops},
    OP_ARRAY_END,
};
