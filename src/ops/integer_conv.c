/* ops/integer_conv: ConvInteger and QLinearConv: convolutions of 8-bit tensors in int32. The padding stands for the zero point, so
 * it adds nothing.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/families.h"
#include "ops/quantised.h"
#include "ops/window.h"

#include <string.h>

typedef struct conv {
    op_window w;
    bool linear;
    int w_in;                       /* index of W among the inputs */
    int64_t batch, groups, channels, outputs, in_size, out_size, kernel;
    size_t w_at, sum_at;            /* in scratch, behind x */
} conv;

static clstm_status check(ir_node *n, clstm_error *err) {
    int64_t group = op_attr_int(n, "group");
    if (group < 1 || group > INT32_MAX) return util_fail(err, CLSTM_BAD_MODEL, "attribute group is %lld", (long long)group);
    return op_window_check(n, err);
}

static const clstm_tensor *zero_x(const op_ctx *c) { return op_has_in(c, 2) ? op_in(c, 2) : NULL; }
static const clstm_tensor *zero_w(const op_ctx *c, bool linear) { return linear ? op_in(c, 5) : op_has_in(c, 3) ? op_in(c, 3) : NULL; }

static clstm_status read_conv(op_ctx *c, conv *v) {
    memset(v, 0, sizeof *v);
    v->linear = c->node->op_type[0] == 'Q';
    v->w_in = v->linear ? 3 : 1;
    const clstm_tensor *x = op_in(c, 0), *w = op_in(c, v->w_in);
    v->groups = op_attr_int(c->node, "group");
    if (x->rank < 3 || w->rank != x->rank) return op_bad_model(c, "X has rank %d and W rank %d", x->rank, w->rank);
    if (x->dims[1] != w->dims[1] * v->groups) return op_bad_model(c, "X has %lld channels, W and group say %lld", (long long)x->dims[1], (long long)(w->dims[1] * v->groups));
    if (w->dims[0] % v->groups) return op_bad_model(c, "%lld channels do not divide into %lld groups", (long long)w->dims[0], (long long)v->groups);
    UTIL_TRY(op_window_read(c, x, w->dims + 2, false, &v->w));
    if (zero_x(c) && clstm_tensor_count(zero_x(c)) != 1) return op_bad_model(c, "the zero point of x must have one element");
    if (zero_w(c, v->linear)) UTIL_TRY(op_quantised_check(c, w, zero_w(c, v->linear), 0, "zero point of w"));
    v->batch = x->dims[0];
    v->channels = w->dims[1];
    v->outputs = w->dims[0];
    v->in_size = tensor_span(x, 2, x->rank);
    if (!util_mul(v->w.out[0], v->w.out[1], &v->out_size) || !util_mul(v->out_size, v->w.out[2], &v->out_size)) return op_bad_model(c, "the output is too large");
    v->kernel = v->w.kernel[0] * v->w.kernel[1] * v->w.kernel[2];
    return CLSTM_OK;
}

static clstm_status infer(op_ctx *c) {
    conv v;
    UTIL_TRY(read_conv(c, &v));
    int64_t dims[5] = {v.batch, v.outputs};
    for (int i = 0; i < v.w.nd; i++) dims[2 + i] = v.w.out[3 - v.w.nd + i];
    if (!v.linear) return op_set_out(c, 0, CLSTM_INT32, 2 + v.w.nd, dims);
    for (int i = 0; i < 4; i++) {
        static const int single[] = {1, 6, 7, 4};
        int64_t n = clstm_tensor_count(op_in(c, single[i]));
        if (n != 1 && (single[i] != 4 || op_in(c, 4)->rank != 1 || n != v.outputs)) return op_bad_model(c, "input %d has %lld elements", single[i], (long long)n);
    }
    if (op_has_in(c, 8) && (op_in(c, 8)->rank != 1 || op_in(c, 8)->dims[0] != v.outputs)) return op_bad_model(c, "B must have the shape [%lld]", (long long)v.outputs);
    return op_set_out(c, 0, op_in(c, 7)->type, 2 + v.w.nd, dims);
}

static clstm_status prepare(op_ctx *c) {
    conv *v = op_prepared_alloc(c, sizeof *v);
    if (!v) return util_no_memory(c->err);
    UTIL_TRY(read_conv(c, v));
    v->w_at = ((size_t)clstm_tensor_count(op_in(c, 0)) * 2 + 63) & ~(size_t)63;
    v->sum_at = v->w_at + (((size_t)clstm_tensor_count(op_in(c, v->w_in)) * 2 + 63) & ~(size_t)63);
    c->scratch_bytes = v->sum_at + (size_t)v->out_size * sizeof(int32_t) + 64;
    return CLSTM_OK;
}

/* Adds one channel seen through one tap. */
static void add_tap(const conv *v, const int16_t *x, int32_t factor, const int64_t k[3], int32_t *sum) {
    const op_window *w = &v->w;
    int64_t first = k[2] * w->dilation[2] - w->begin[2], step = w->stride[2];
    int64_t lo = first >= 0 ? 0 : (-first + step - 1) / step, hi = first >= w->in[2] ? 0 : (w->in[2] - 1 - first) / step + 1;
    if (hi > w->out[2]) hi = w->out[2];
    for (int64_t a = 0; a < w->out[0]; a++) {
        int64_t i0 = a * w->stride[0] + k[0] * w->dilation[0] - w->begin[0];
        if (i0 < 0 || i0 >= w->in[0]) continue;
        for (int64_t b = 0; b < w->out[1]; b++) {
            int64_t i1 = b * w->stride[1] + k[1] * w->dilation[1] - w->begin[1];
            if (i1 < 0 || i1 >= w->in[1]) continue;
            const int16_t *row = x + (i0 * w->in[1] + i1) * w->in[2] + first;
            int32_t *to = sum + (a * w->out[1] + b) * w->out[2];
            for (int64_t i = lo; i < hi; i++) to[i] = (int32_t)((uint32_t)to[i] + (uint32_t)(factor * row[i * step]));
        }
    }
}

static void sum_plane(const conv *v, const int16_t *x, const int16_t *w, int32_t start, int32_t *sum) {
    for (int64_t i = 0; i < v->out_size; i++) sum[i] = start;
    for (int64_t c = 0; c < v->channels; c++)
        for (int64_t t = 0; t < v->kernel; t++) {
            const int64_t k[3] = {t / (v->w.kernel[1] * v->w.kernel[2]), t / v->w.kernel[2] % v->w.kernel[1], t % v->w.kernel[2]};
            add_tap(v, x + c * v->in_size, w[c * v->kernel + t], k, sum);
        }
}

static clstm_status run(op_ctx *c) {
    const conv *v = c->prepared;
    int16_t *x = c->scratch, *w = (int16_t *)(void *)((unsigned char *)c->scratch + v->w_at);
    int32_t *row = (int32_t *)(void *)((unsigned char *)c->scratch + v->sum_at);
    op_quantised_subtract(op_in(c, 0), zero_x(c), 0, x);
    op_quantised_subtract(op_in(c, v->w_in), zero_w(c, v->linear), 0, w);
    for (int64_t b = 0; b < v->batch; b++)
        for (int64_t o = 0; o < v->outputs; o++) {
            int64_t at = (b * v->outputs + o) * v->out_size, first = o / (v->outputs / v->groups) * v->channels;
            int32_t *sum = v->linear ? row : (int32_t *)op_out(c, 0)->data + at;
            int32_t bias = v->linear && op_has_in(c, 8) ? ((const int32_t *)op_in(c, 8)->data)[o] : 0;
            sum_plane(v, x + (b * v->groups * v->channels + first) * v->in_size, w + o * v->channels * v->kernel, bias, sum);
            if (!v->linear) continue;
            float w_scale = (float)tensor_get_double(op_in(c, 4), clstm_tensor_count(op_in(c, 4)) == 1 ? 0 : o);
            float scale = (float)tensor_get_double(op_in(c, 1), 0) * w_scale / (float)tensor_get_double(op_in(c, 6), 0);
            int64_t zero = tensor_get_int(op_in(c, 7), 0);
            for (int64_t i = 0; i < v->out_size; i++) op_quantised_put(op_out(c, 0), at + i, (float)sum[i] * scale, zero);
        }
    return CLSTM_OK;
}

static double flops(const op_ctx *c) {
    const conv *v = c->prepared;
    return 2.0 * (double)clstm_tensor_count(op_out(c, 0)) * (double)(v->channels * v->kernel);
}

const op_desc ops_integer_conv[] = {
    {.domain = "", .name = "ConvInteger", .since = 10, .inputs = "x:T1 w:T2 x_zero_point?:T1 w_zero_point?:T2", .outputs = "y:int32",
     .types = "T1=int8,uint8 T2=int8,uint8", .attrs = OP_WINDOW_ATTRS " group:i=1", .check = check, .infer = infer, .prepare = prepare, .run = run, .flops = flops},
    {.domain = "", .name = "QLinearConv", .since = 10,
     .inputs = "x:T1 x_scale:float x_zero_point:T1 w:T2 w_scale:float w_zero_point:T2 y_scale:float y_zero_point:T3 B?:int32", .outputs = "y:T3",
     .types = "T1=int8,uint8 T2=int8,uint8 T3=int8,uint8", .attrs = OP_WINDOW_ATTRS " group:i=1", .check = check, .infer = infer, .prepare = prepare, .run = run, .flops = flops},
    OP_ARRAY_END,
};
