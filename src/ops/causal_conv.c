/* ops/causal_conv: CausalConvWithState: a depthwise convolution over the past and the present, which hands on its last inputs.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : CausalConvWithState */
#include "kernels/kernels.h"
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>
#include <string.h>

static clstm_status check(ir_node *n, clstm_error *err) { return op_check_word(n, "activation", "none silu swish", err); }

static clstm_status infer(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *w = op_in(c, 1);
    if (x->rank != 3 || w->rank != 3 || w->dims[0] != x->dims[1] || w->dims[1] != 1 || w->dims[2] < 1)
        return op_bad_model(c, "input must be [batch,channels,length] and weight [channels,1,taps]");
    int64_t state[3] = {x->dims[0], x->dims[1], w->dims[2] - 1};
    if (op_has_in(c, 2) && (op_in(c, 2)->rank != 1 || op_in(c, 2)->dims[0] != x->dims[1])) return op_bad_model(c, "bias must have the shape [%lld]", (long long)x->dims[1]);
    for (int d = 0; op_has_in(c, 3) && d < 3; d++)
        if (op_in(c, 3)->rank != 3 || op_in(c, 3)->dims[d] != state[d])
            return op_bad_model(c, "past_state must have the shape [%lld,%lld,%lld]", (long long)state[0], (long long)state[1], (long long)state[2]);
    UTIL_TRY(op_set_out(c, 0, x->type, 3, x->dims));
    return op_set_out(c, 1, x->type, 3, state);
}

/* Scratch: one channel's past and present, its result and the gate, its taps and where each of them starts. */
static clstm_status prepare(op_ctx *c) {
    size_t line = (size_t)(op_in(c, 0)->dims[2] + op_in(c, 1)->dims[2]);
    c->scratch_bytes = 4 * line * sizeof(double);
    return CLSTM_OK;
}

static void convolve_f32(const float *line, const float *w, int64_t taps, float bias, float *y, int64_t n, bool silu, float *gate, const float **x) {
    const kernel_table *k = kernel_table_get();
    for (int64_t t = 0; t < taps; t++) x[t] = line + t;
    kernel_taps g = {.x = x, .k = taps, .w = w, .ldw = taps, .start = &bias, .y = y, .ldy = n, .rows = 1, .n = n};
    k->taps_f32(&g);
    if (!silu) return;
    k->sigmoid(y, gate, n);
    for (int64_t i = 0; i < n; i++) y[i] *= gate[i];
}

static void convolve_f64(const double *line, const double *w, int64_t taps, double bias, double *y, int64_t n, bool silu) {
    for (int64_t i = 0; i < n; i++) {
        double sum = bias;
        for (int64_t t = 0; t < taps; t++) sum += w[t] * line[i + t];
        y[i] = silu ? sum / (1 + exp(-sum)) : sum;
    }
}

static void widen(const clstm_tensor *t, int64_t from, int64_t n, float *to) {
    if (t->type == CLSTM_FLOAT) memcpy(to, (const float *)t->data + from, (size_t)n * sizeof *to);
    else for (int64_t i = 0; i < n; i++) to[i] = (float)tensor_get_double(t, from + i);
}
static void narrow(const float *from, int64_t n, clstm_tensor *t, int64_t at) {
    uint16_t *half = t->data;
    if (t->type == CLSTM_FLOAT) memcpy((float *)t->data + at, from, (size_t)n * sizeof *from);
    else for (int64_t i = 0; i < n; i++) half[at + i] = t->type == CLSTM_FLOAT16 ? tensor_float_to_half(from[i]) : tensor_float_to_bfloat(from[i]);
}

static clstm_status run(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *w = op_in(c, 1), *bias = op_has_in(c, 2) ? op_in(c, 2) : NULL, *past = op_has_in(c, 3) ? op_in(c, 3) : NULL;
    int64_t channels = x->dims[1], n = x->dims[2], taps = w->dims[2], keep = taps - 1;
    const char *activation = op_word(c->node, "activation", "none");
    bool silu = activation[0] == 's', wide = x->type == CLSTM_DOUBLE;
    size_t line_size = (size_t)(n + taps);
    for (int64_t r = 0; r < x->dims[0] * channels; r++) {
        int64_t ch = r % channels;
        if (wide) {
            double *line = c->scratch;
            memset(line, 0, (size_t)keep * sizeof *line);
            if (past && keep) memcpy(line, (const double *)past->data + r * keep, (size_t)keep * sizeof *line);
            if (n) memcpy(line + keep, (const double *)x->data + r * n, (size_t)n * sizeof *line);
            if (op_has_out(c, 0)) convolve_f64(line, (const double *)w->data + ch * taps, taps, bias ? ((const double *)bias->data)[ch] : 0, (double *)op_out(c, 0)->data + r * n, n, silu);
            if (op_has_out(c, 1) && keep) memcpy((double *)op_out(c, 1)->data + r * keep, line + n, (size_t)keep * sizeof *line);
            continue;
        }
        float *line = c->scratch, *y = line + line_size, *gate = y + line_size, *factors = gate + line_size, start = 0;
        memset(line, 0, (size_t)keep * sizeof *line);
        if (past) widen(past, r * keep, keep, line);
        widen(x, r * n, n, line + keep);
        const float **at = (const float **)(void *)((double *)c->scratch + 3 * line_size);       /* behind everything, and aligned */
        widen(w, ch * taps, taps, factors);
        if (bias) widen(bias, ch, 1, &start);
        if (op_has_out(c, 0)) {
            convolve_f32(line, factors, taps, start, y, n, silu, gate, at);
            narrow(y, n, op_out(c, 0), r * n);
        }
        if (op_has_out(c, 1)) narrow(line + n, keep, op_out(c, 1), r * keep);
    }
    return CLSTM_OK;
}

const op_desc ops_causal_conv[] = {
    {.domain = "", .name = "CausalConvWithState", .since = 27, .inputs = "input:T weight:T bias?:T past_state?:T", .outputs = "output:T present_state?:T",
     .types = "T=float*", .attrs = "activation:s=none", .check = check, .infer = infer, .prepare = prepare, .run = run},
    OP_ARRAY_END,
};
