/* ops/conv: Conv and ConvTranspose in one, two and three dimensions.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : Conv, ConvTranspose */
#include "ops/conv_pack.h"
#include "ops/epilogue.h"
#include "ops/widen.h"
#include "ops/window.h"

#include <string.h>

/* One gather convolution for each phase of the output; Conv has one phase. */
typedef struct phase { convolve c; int64_t start[3]; convolve_tap *taps; float *w; bool whole; } phase;

typedef struct conv {
    op_window window;
    int64_t batch, groups, in_channels, out_channels, in_size, out_size, grid[3];
    int64_t step_out[3];            /* distance of a phase's outputs: the stride of ConvTranspose, else 1 */
    int n_phases, threads;
    size_t scratch, temp;           /* bytes a thread: gathered columns, then a phase's result */
    bool wide;                      /* float16 and bfloat16 are computed in float */
    size_t wide_x, wide_w, wide_b, wide_y;  /* offsets of the widened copies in scratch */
    op_epilogue after;
    phase phases[];
} conv;

static clstm_type compute_type(clstm_type t) { return t == CLSTM_DOUBLE ? CLSTM_DOUBLE : CLSTM_FLOAT; }

static clstm_status check_conv(ir_node *n, clstm_error *err) {
    int64_t group = op_attr_int(n, "group");
    if (group < 1 || group > INT32_MAX) return util_fail(err, CLSTM_BAD_MODEL, "attribute group is %lld", (long long)group);
    return op_window_check(n, err);
}

/* ---- shapes --------------------------------------------------------------------------------------------------------------------- */

static clstm_status check_operands(op_ctx *ctx, bool transposed, int64_t *outputs) {
    const clstm_tensor *x = op_in(ctx, 0), *w = op_in(ctx, 1);
    int64_t group = op_attr_int(ctx->node, "group");
    if (x->rank < 3 || w->rank != x->rank) return op_bad_model(ctx, "X has rank %d and W rank %d", x->rank, w->rank);
    int64_t cin = transposed ? w->dims[0] : w->dims[1] * group;
    if (x->dims[1] != cin) return op_bad_model(ctx, "X has %lld channels, W and group say %lld", (long long)x->dims[1], (long long)cin);
    if (transposed ? w->dims[0] % group : w->dims[0] % group) return op_bad_model(ctx, "%lld channels do not divide into %lld groups", (long long)w->dims[0], (long long)group);
    if (transposed) { if (!util_mul(w->dims[1], group, outputs)) return op_bad_model(ctx, "attribute group is too large"); }
    else *outputs = w->dims[0];
    if (op_has_in(ctx, 2) && (op_in(ctx, 2)->rank != 1 || op_in(ctx, 2)->dims[0] != *outputs))
        return op_bad_model(ctx, "B must have the shape [%lld]", (long long)*outputs);
    return CLSTM_OK;
}

static clstm_status set_shape(op_ctx *ctx, const op_window *w, int64_t outputs) {
    int64_t dims[5] = {op_in(ctx, 0)->dims[0], outputs};
    for (int i = 0; i < w->nd; i++) dims[2 + i] = w->out[3 - w->nd + i];
    return op_set_out(ctx, 0, op_in(ctx, 0)->type, 2 + w->nd, dims);
}

static clstm_status infer_conv(op_ctx *ctx) {
    op_window w;
    int64_t outputs;
    UTIL_TRY(check_operands(ctx, false, &outputs));
    UTIL_TRY(op_window_read(ctx, op_in(ctx, 0), op_in(ctx, 1)->dims + 2, false, &w));
    return set_shape(ctx, &w, outputs);
}

/* Fills w->out and the padding of a transposed window. */
static clstm_status read_transposed(op_ctx *ctx, op_window *w) {
    size_t n_pad, n_shape;
    int64_t extra[3], shape[3];
    const int64_t *pad = op_attr_ints(ctx->node, "output_padding", &n_pad), *given = op_attr_ints(ctx->node, "output_shape", &n_shape);
    const char *mode = op_word(ctx->node, "auto_pad", "NOTSET");
    clstm_tensor x = *op_in(ctx, 0);
    /* The plain reading refuses windows wider than the input, which are fine here: read with an input that fits anything. */
    for (int i = 2; i < x.rank; i++) x.dims[i] = INT32_MAX;
    UTIL_TRY(op_window_read(ctx, &x, op_in(ctx, 1)->dims + 2, false, w));
    op_window_spread(op_in(ctx, 0)->dims + 2, w->nd, 1, w->in);
    if (pad && (int)n_pad != w->nd) return op_bad_model(ctx, "attribute output_padding has %zu entries, expected %d", n_pad, w->nd);
    if (given && (int)n_shape != w->nd && (int)n_shape != w->nd + 2) return op_bad_model(ctx, "attribute output_shape has %zu entries, expected %d", n_shape, w->nd);
    op_window_spread(pad, w->nd, 0, extra);
    op_window_spread(given ? given + ((int)n_shape - w->nd) : NULL, w->nd, 1, shape);
    for (int i = 0; i < 3; i++) {
        int64_t span = (w->kernel[i] - 1) * w->dilation[i] + 1, full;
        if (extra[i] < 0 || extra[i] > INT32_MAX) return op_bad_model(ctx, "attribute output_padding holds %lld", (long long)extra[i]);
        if (!util_mul(w->stride[i], w->in[i] > 0 ? w->in[i] - 1 : 0, &full) || !util_add(full, span + extra[i], &full)) return op_bad_model(ctx, "the output is too large");
        bool same = mode[0] == 'S' && i >= 3 - w->nd;
        if (mode[0] == 'V') w->begin[i] = w->end[i] = 0;
        if ((given && i >= 3 - w->nd) || same) {
            int64_t want = given ? shape[i] : w->in[i] * w->stride[i];
            if (want < 0) return op_bad_model(ctx, "attribute output_shape holds %lld", (long long)want);
            int64_t total = full - want;
            /* the standard: an odd rest goes to the end for SAME_UPPER, to the beginning otherwise */
            w->begin[i] = total < 0 ? 0 : mode[0] == 'S' && mode[5] == 'U' ? total / 2 : total - total / 2;
            w->end[i] = total - w->begin[i];
            w->out[i] = want;
        } else w->out[i] = full - w->begin[i] - w->end[i];
        if (w->in[i] == 0) w->out[i] = 0;
        if (w->out[i] < 0) return op_bad_model(ctx, "the padding leaves an output of %lld", (long long)w->out[i]);
    }
    return CLSTM_OK;
}

static clstm_status infer_transposed(op_ctx *ctx) {
    op_window w;
    int64_t outputs;
    UTIL_TRY(check_operands(ctx, true, &outputs));
    UTIL_TRY(read_transposed(ctx, &w));
    return set_shape(ctx, &w, outputs);
}

/* ---- phases ----------------------------------------------------------------------------------------------------------------------- */

/* Which kernel index along dimension d phase position r uses, and the input offset it reads; -1 when it uses none. */
static int64_t transposed_offset(const op_window *w, int d, int64_t r, int64_t k) {
    int64_t at = r + w->begin[d] - k * w->dilation[d];
    return at % w->stride[d] == 0 ? at / w->stride[d] : INT64_MIN;
}

static int64_t count_out(int64_t size, int64_t start, int64_t step) { return size > start ? (size - start + step - 1) / step : 0; }

/* Lists the taps of a phase with the kernel position of each (for gathering weights). */
static int64_t list_taps(const op_window *w, bool transposed, const int64_t start[3], convolve_tap *taps, int64_t *kernel) {
    int64_t n = 0;
    for (int64_t a = 0; a < w->kernel[0]; a++)
        for (int64_t b = 0; b < w->kernel[1]; b++)
            for (int64_t c = 0; c < w->kernel[2]; c++) {
                int64_t k[3] = {a, b, c}, offset[3];
                bool used = true;
                for (int d = 0; d < 3; d++) {
                    offset[d] = transposed ? transposed_offset(w, d, start[d], k[d]) : k[d] * w->dilation[d] - w->begin[d];
                    used &= offset[d] != INT64_MIN;
                }
                if (!used) continue;
                if (taps) memcpy(taps[n].offset, offset, sizeof offset);
                if (kernel) kernel[n] = (a * w->kernel[1] + b) * w->kernel[2] + c;
                n++;
            }
    return n;
}

/* Weights of a phase as [group][output][channel][tap], from W [in][out/group][kernel]. Runs at prepare or, for weights that a
 * run computes, at each run. */
static void gather_weights(const conv *c, const phase *p, const void *w, clstm_type type, int64_t *kernel, void *to) {
    const op_window *win = &c->window;
    int64_t taps = list_taps(win, true, p->start, NULL, kernel), whole = win->kernel[0] * win->kernel[1] * win->kernel[2];
    int64_t cin = c->in_channels / c->groups, cout = c->out_channels / c->groups, at = 0;
    for (int64_t g = 0; g < c->groups; g++)
        for (int64_t o = 0; o < cout; o++)
            for (int64_t i = 0; i < cin; i++)
                for (int64_t t = 0; t < taps; t++, at++) {
                    int64_t from = ((g * cin + i) * cout + o) * whole + kernel[t];
                    if (type == CLSTM_DOUBLE) ((double *)to)[at] = ((const double *)w)[from];
                    else ((float *)to)[at] = ((const float *)w)[from];
                }
}

static clstm_status plan_phase(op_ctx *ctx, conv *c, phase *p, bool transposed, bool constant) {
    const op_window *w = &c->window;
    p->c.type = compute_type(op_in(ctx, 0)->type);
    p->c.channels = c->in_channels / c->groups;
    p->c.outputs = c->out_channels / c->groups;
    p->c.taps = list_taps(w, transposed, p->start, p->taps, NULL);
    p->c.tap = p->taps;
    for (int d = 0; d < 3; d++) {
        p->c.in[d] = w->in[d];
        p->c.step[d] = transposed ? 1 : w->stride[d];
        p->c.out[d] = count_out(w->out[d], p->start[d], c->step_out[d]);
    }
    p->whole = c->n_phases == 1;
    convolve_plan(&p->c, constant && c->groups == 1 && !c->wide);
    if (p->c.scratch > c->scratch) c->scratch = p->c.scratch;
    size_t temp = p->whole ? 0 : (size_t)(p->c.positions * p->c.outputs) * clstm_type_size(p->c.type);
    if (temp > c->temp) c->temp = temp;
    (void)ctx;
    return CLSTM_OK;
}

/* The weights of a phase in the form that it reads: packed, or as they are. */
static clstm_status settle_weights(op_ctx *ctx, const conv *c, phase *p, bool transposed, int64_t *kernel) {
    ir_const *w = ctx->consts[1];
    if (transposed) {
        const void *raw;
        if (c->wide) return CLSTM_OK;
        UTIL_TRY(ir_const_data(w, &raw, ctx->err));
        gather_weights(c, p, raw, p->c.type, kernel, p->w);
    }
    uint64_t format = conv_pack_format(&p->c, transposed ? kernel : NULL);
    if (p->c.rows) return conv_pack(&p->c, w, format, transposed ? p->w : NULL, ctx->err);
    if (transposed) return CLSTM_OK;
    const void *raw;
    UTIL_TRY(ir_const_plain(w, format, &raw, ctx->err));
    op_in(ctx, 1)->data = (void *)(uintptr_t)raw;
    return CLSTM_OK;
}

/* ---- prepare ------------------------------------------------------------------------------------------------------------------------ */

static void lay_out_scratch(op_ctx *ctx, conv *c) {
    size_t at = 0, bytes[4] = {0};
    const clstm_tensor *t[4] = {op_in(ctx, 0), op_in(ctx, 1), op_has_in(ctx, 2) ? op_in(ctx, 2) : NULL, op_out(ctx, 0)};
    for (int i = 0; i < 4 && c->wide; i++) bytes[i] = t[i] ? (size_t)clstm_tensor_count(t[i]) * sizeof(float) : 0;
    c->scratch = (c->scratch + c->temp + 127) & ~(size_t)63;
    at = c->scratch * (size_t)c->threads;
    size_t *to[4] = {&c->wide_x, &c->wide_w, &c->wide_b, &c->wide_y};
    for (int i = 0; i < 4; i++) { *to[i] = at; at += (bytes[i] + 63) & ~(size_t)63; }
    ctx->scratch_bytes = at;
}

static clstm_status prepare(op_ctx *ctx, bool transposed) {
    op_window w;
    int64_t outputs;
    UTIL_TRY(check_operands(ctx, transposed, &outputs));
    UTIL_TRY(transposed ? read_transposed(ctx, &w) : op_window_read(ctx, op_in(ctx, 0), op_in(ctx, 1)->dims + 2, false, &w));
    int64_t kernel = w.kernel[0] * w.kernel[1] * w.kernel[2], n = 1;
    for (int d = 0; d < 3 && transposed; d++) n *= w.stride[d];
    if (n > 4096) return op_unsupported(ctx, "strides with %lld phases", (long long)n);
    bool constant = ctx->consts[1] != NULL;
    size_t elem = clstm_type_size(compute_type(op_in(ctx, 0)->type)), head = sizeof(conv) + (size_t)n * sizeof(phase);
    size_t weights = transposed ? (size_t)clstm_tensor_count(op_in(ctx, 1)) * elem : 0;
    head = (head + 63) & ~(size_t)63;
    /* every kernel position belongs to exactly one phase, so all phases together have no more taps than the kernel */
    size_t tap_bytes = ((size_t)kernel * (sizeof(convolve_tap) + sizeof(int64_t)) + 63) & ~(size_t)63;
    conv *c = op_prepared_alloc(ctx, head + tap_bytes + weights);
    if (!c) return util_no_memory(ctx->err);
    convolve_tap *taps = (convolve_tap *)(void *)((unsigned char *)c + head);
    int64_t *scratch_index = (int64_t *)(void *)(taps + kernel);
    unsigned char *w_at = (unsigned char *)c + head + tap_bytes;
    c->window = w;
    c->batch = op_in(ctx, 0)->dims[0];
    c->groups = op_attr_int(ctx->node, "group");
    c->in_channels = op_in(ctx, 0)->dims[1];
    c->out_channels = outputs;
    c->in_size = w.in[0] * w.in[1] * w.in[2];
    c->out_size = w.out[0] * w.out[1] * w.out[2];
    c->wide = op_is_half(op_in(ctx, 0)->type);
    c->n_phases = (int)n;
    for (int d = 0; d < 3; d++) c->step_out[d] = transposed ? w.stride[d] : 1;
    for (int i = 0; i < c->n_phases; i++) {
        phase *p = &c->phases[i];
        if (transposed) { p->start[2] = i % w.stride[2]; p->start[1] = i / w.stride[2] % w.stride[1]; p->start[0] = i / (w.stride[2] * w.stride[1]); }
        p->taps = taps;
        UTIL_TRY(plan_phase(ctx, c, p, transposed, constant));
        taps += p->c.taps;
        if (transposed) {
            p->w = (float *)(void *)w_at;
            w_at += (size_t)(c->groups * p->c.outputs * p->c.k) * elem;
        }
        if (constant) UTIL_TRY(settle_weights(ctx, c, p, transposed, scratch_index));
    }
    double work = 2.0 * (double)(c->batch * c->out_channels * c->out_size) * (double)(c->phases[0].c.k);
    c->threads = work > 2e5 ? util_pool_threads(ctx->env->pool) : 1;
    lay_out_scratch(ctx, c);
    return op_epilogue_prepare(ctx, &c->after);
}
static clstm_status prepare_conv(op_ctx *ctx) { return prepare(ctx, false); }
static clstm_status prepare_transposed(op_ctx *ctx) { return prepare(ctx, true); }

/* ---- run ------------------------------------------------------------------------------------------------------------------------------ */

typedef struct job { const conv *c; const phase *p; const unsigned char *x, *w, *bias; unsigned char *y, *scratch; } job;

/* Spreads a phase's [outputs, positions] over every step_out-th place of the output. */
static void spread(const conv *c, const phase *p, const unsigned char *from, unsigned char *y, size_t e) {
    for (int64_t o = 0; o < p->c.outputs; o++)
        for (int64_t a = 0; a < p->c.out[0]; a++)
            for (int64_t b = 0; b < p->c.out[1]; b++) {
                int64_t row = ((o * c->window.out[0] + p->start[0] + a * c->step_out[0]) * c->window.out[1] + p->start[1] + b * c->step_out[1]) * c->window.out[2] + p->start[2];
                int64_t n = p->c.out[2], step = c->step_out[2];
                if (e == sizeof(float)) {
                    float *to = (float *)(void *)y + row;
                    const float *f = (const float *)(const void *)from;
                    for (int64_t i = 0; i < n; i++) to[i * step] = f[i];
                } else {
                    for (int64_t i = 0; i < n; i++) memcpy(y + (size_t)(row + i * step) * e, from + (size_t)i * e, e);
                }
                from += (size_t)n * e;
            }
}

/* The epilogue of positions [at, at + n) of the group whose outputs begin at y, one every `stride`. */
static void finish(const conv *c, const phase *p, unsigned char *y, int64_t at, int64_t n, int64_t stride) {
    size_t e = clstm_type_size(p->c.type);
    if (!c->wide) op_epilogue_rows(&c->after, y + (size_t)at * e, p->c.outputs, n, stride, e);
}

/* Work item i: tile i of one group of one image (a phase that is spread is one item). */
static void run_item(const job *j, int64_t item, unsigned char *scratch) {
    const conv *c = j->c;
    const phase *p = j->p;
    size_t e = clstm_type_size(p->c.type);
    int64_t tiles = p->whole ? convolve_tiles(&p->c) : 1, image = item / tiles / c->groups, g = item / tiles % c->groups, tile = item % tiles;
    const unsigned char *x = j->x + (size_t)((image * c->in_channels + g * p->c.channels) * c->in_size) * e;
    const unsigned char *w = j->w ? j->w + (size_t)(g * p->c.outputs * p->c.k) * e : NULL, *bias = j->bias ? j->bias + (size_t)(g * p->c.outputs) * e : NULL;
    unsigned char *y = j->y + (size_t)((image * c->out_channels + g * p->c.outputs) * c->out_size) * e;
    if (p->whole) {
        int64_t at = tile * p->c.tile, left = p->c.positions - at;
        convolve_run(&p->c, x, w, bias, y, c->out_size, scratch, tile, tile + 1);
        finish(c, p, y, at, left < p->c.tile ? left : p->c.tile, c->out_size);
        return;
    }
    unsigned char *temp = scratch + c->scratch - ((c->temp + 63) & ~(size_t)63);
    convolve_run(&p->c, x, w, bias, temp, p->c.positions, scratch, 0, convolve_tiles(&p->c));
    finish(c, p, temp, 0, p->c.positions, p->c.positions);
    spread(c, p, temp, y, e);
}

static int64_t items(const job *j) { return j->c->batch * j->c->groups * (j->p->whole ? convolve_tiles(&j->p->c) : 1); }

static void run_thread(void *arg, int index) {
    const job *j = arg;
    int64_t n = items(j), per = (n + j->c->threads - 1) / j->c->threads, from = index * per, to = from + per < n ? from + per : n;
    for (int64_t i = from; i < to; i++) run_item(j, i, j->scratch + (size_t)index * j->c->scratch);
}

static clstm_status run(op_ctx *ctx) {
    const conv *c = ctx->prepared;
    bool transposed = ctx->node->op_type[4] == 'T';
    unsigned char *s = ctx->scratch;
    job j = {.c = c, .x = op_in(ctx, 0)->data, .w = op_in(ctx, 1)->data, .bias = op_has_in(ctx, 2) ? op_in(ctx, 2)->data : NULL, .y = op_out(ctx, 0)->data, .scratch = s};
    if (c->wide) {
        op_widen(op_in(ctx, 0), (float *)(void *)(s + c->wide_x));
        op_widen(op_in(ctx, 1), (float *)(void *)(s + c->wide_w));
        if (j.bias) { op_widen(op_in(ctx, 2), (float *)(void *)(s + c->wide_b)); j.bias = s + c->wide_b; }
        j.x = s + c->wide_x;
        j.w = s + c->wide_w;
        j.y = s + c->wide_y;
    }
    const unsigned char *raw = j.w;
    for (int i = 0; i < c->n_phases; i++) {
        const phase *p = &c->phases[i];
        j.p = p;
        if (transposed) {
            if (!ctx->consts[1] || c->wide) {
                int64_t *kernel = (int64_t *)(void *)((convolve_tap *)(void *)c->phases[0].taps + c->window.kernel[0] * c->window.kernel[1] * c->window.kernel[2]);
                gather_weights(c, p, raw, p->c.type, kernel, p->w);
            }
            j.w = (const unsigned char *)p->w;
        }
        if (p->c.positions) util_pool_run(ctx->env->pool, c->threads, run_thread, &j);
    }
    if (c->wide) {
        op_narrow((const float *)(const void *)(s + c->wide_y), op_out(ctx, 0));
        op_epilogue_apply(&c->after, op_out(ctx, 0)->data, clstm_tensor_count(op_out(ctx, 0)));
    }
    return CLSTM_OK;
}

static double flops(const op_ctx *ctx) {
    const clstm_tensor *w = op_in(ctx, 1), *x = op_in(ctx, 0), *y = op_out(ctx, 0);
    bool transposed = ctx->node->op_type[4] == 'T';
    const clstm_tensor *each = transposed ? x : y;      /* every element meets the part of W that belongs to its channel */
    return 2.0 * (double)clstm_tensor_count(each) * (double)clstm_tensor_count(w) / (double)(each->dims[1] ? w->dims[0] ? (transposed ? w->dims[0] : y->dims[1]) : 1 : 1);
}

#define SIGNATURE "X:T W:T B?:T", "Y:T", "T=float*"
const op_desc ops_conv[] = {
    {"", "Conv", 1, 0, SIGNATURE, OP_WINDOW_ATTRS " group:i=1", .check = check_conv, .infer = infer_conv, .prepack = conv_prepack, .prepare = prepare_conv, .run = run, .flags = OP_EPILOGUE, .flops = flops},
    {"", "ConvTranspose", 1, 0, SIGNATURE, OP_WINDOW_ATTRS " group:i=1 output_padding:I output_shape:I", .check = check_conv, .infer = infer_transposed,
     .prepare = prepare_transposed, .run = run, .flags = OP_EPILOGUE, .flops = flops},
    OP_ARRAY_END,
};
