/* ops/conv: Conv and ConvTranspose in one, two and three dimensions.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : Conv, ConvTranspose */
#include "ops/conv_pack.h"
#include "ops/conv_phases.h"
#include "ops/epilogue.h"
#include "ops/widen.h"

#include <string.h>

/* One gather convolution for each phase of the output; Conv has one phase. */
typedef struct phase {
    convolve c;
    int64_t start[3];
    convolve_tap *taps;
    size_t w_at;                    /* ConvTranspose: where its class of the ordered weights begins */
    bool whole;
} phase;

typedef struct conv {
    op_window window;
    int64_t batch, groups, in_channels, out_channels, in_size, out_size, grid[3];
    int64_t step_out[3];            /* distance of a phase's outputs: the stride of ConvTranspose, else 1 */
    int n_phases, threads;
    size_t scratch, temp;           /* bytes a thread: gathered columns, then a phase's result */
    bool wide;                      /* float16 and bfloat16 are computed in float */
    size_t wide_x, wide_w, wide_b, wide_y;  /* offsets of the widened copies in scratch */
    conv_phases order;              /* ConvTranspose: */
    const unsigned char *ordered;   /* the weights in that order, the constant's own pack or */
    unsigned char *computed;        /* room for those that a run computes or widens */
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

static clstm_status infer_transposed(op_ctx *ctx) {
    op_window w;
    int64_t outputs;
    UTIL_TRY(check_operands(ctx, true, &outputs));
    UTIL_TRY(op_window_read_transposed(ctx, op_in(ctx, 0), op_in(ctx, 1)->dims + 2, &w));
    return set_shape(ctx, &w, outputs);
}

/* ---- phases ----------------------------------------------------------------------------------------------------------------------- */

/* Which kernel index along dimension d phase position r uses, and the input offset it reads; -1 when it uses none. */
static int64_t transposed_offset(const op_window *w, int d, int64_t r, int64_t k) {
    int64_t at = r + w->begin[d] - k * w->dilation[d];
    return at % w->stride[d] == 0 ? at / w->stride[d] : INT64_MIN;
}

static int64_t count_out(int64_t size, int64_t start, int64_t step) { return size > start ? (size - start + step - 1) / step : 0; }

/* Lists the taps of a phase; *first: the kernel position of the first of them. */
static int64_t list_taps(const op_window *w, bool transposed, const int64_t start[3], convolve_tap *taps, int64_t *first) {
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
                if (n == 0) *first = (a * w->kernel[1] + b) * w->kernel[2] + c;
                memcpy(taps[n++].offset, offset, sizeof offset);
            }
    return n;
}

static void plan_phase(op_ctx *ctx, conv *c, phase *p, bool transposed, bool rows) {
    const op_window *w = &c->window;
    int64_t first = 0;
    p->c.type = compute_type(op_in(ctx, 0)->type);
    p->c.channels = c->in_channels / c->groups;
    p->c.outputs = c->out_channels / c->groups;
    p->c.taps = list_taps(w, transposed, p->start, p->taps, &first);
    p->c.tap = p->taps;
    for (int d = 0; d < 3; d++) {
        p->c.in[d] = w->in[d];
        p->c.step[d] = transposed ? 1 : w->stride[d];
        p->c.out[d] = count_out(w->out[d], p->start[d], c->step_out[d]);
    }
    p->whole = c->n_phases == 1;
    if (transposed) p->w_at = conv_phases_at(&c->order, first);
    convolve_plan(&p->c, rows);
    if (p->c.scratch > c->scratch) c->scratch = p->c.scratch;
    size_t temp = p->whole ? 0 : (size_t)(p->c.positions * p->c.outputs) * clstm_type_size(p->c.type);
    if (temp > c->temp) c->temp = temp;
}

/* Constant weights in the form that is read: packed, or as they are. */
static clstm_status settle_weights(op_ctx *ctx, conv *c, bool transposed) {
    ir_const *w = ctx->consts[1];
    const void *data;
    if (transposed) {
        UTIL_TRY(conv_phases_pack(&c->order, w, &data, ctx->err));
        c->ordered = data;
        for (phase *p = c->phases; c->order.rows && p < c->phases + c->n_phases; p++)
            p->c.packed = (kernel_packed){conv_pack_layout(p->c.type, p->c.k, p->c.outputs), c->ordered + p->w_at};
        return CLSTM_OK;
    }
    convolve *only = &c->phases[0].c;
    if (only->rows) return conv_pack(only, w, ctx->err);
    UTIL_TRY(conv_plain(only, w, &data, ctx->err));
    op_in(ctx, 1)->data = (void *)(uintptr_t)data;
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
    const clstm_tensor *x = op_in(ctx, 0);
    const int64_t *of_w = op_in(ctx, 1)->dims + 2;
    UTIL_TRY(transposed ? op_window_read_transposed(ctx, x, of_w, &w) : op_window_read(ctx, x, of_w, false, &w));
    int64_t kernel = w.kernel[0] * w.kernel[1] * w.kernel[2], n = 1;
    for (int d = 0; d < 3 && transposed && n <= 4096; d++) n *= w.stride[d];
    if (n > 4096) return op_unsupported(ctx, "strides with %lld phases", (long long)n);
    const bool wide = op_is_half(x->type), fixed = ctx->consts[1] && !wide;     /* fixed: the constant's own form is read */
    const clstm_type type = compute_type(x->type);
    size_t head = (sizeof(conv) + (size_t)n * sizeof(phase) + 63) & ~(size_t)63;
    /* every kernel position belongs to exactly one phase, so all phases together have no more taps than the kernel */
    size_t tap_bytes = ((size_t)kernel * sizeof(convolve_tap) + 63) & ~(size_t)63;
    size_t weights = transposed && !fixed ? (size_t)clstm_tensor_count(op_in(ctx, 1)) * clstm_type_size(type) : 0;
    conv *c = op_prepared_alloc(ctx, head + tap_bytes + weights);
    if (!c) return util_no_memory(ctx->err);
    convolve_tap *taps = (convolve_tap *)(void *)((unsigned char *)c + head);
    c->window = w;
    c->batch = x->dims[0];
    c->groups = op_attr_int(ctx->node, "group");
    c->in_channels = x->dims[1];
    c->out_channels = outputs;
    c->in_size = w.in[0] * w.in[1] * w.in[2];
    c->out_size = w.out[0] * w.out[1] * w.out[2];
    c->wide = wide;
    c->n_phases = (int)n;
    if (transposed) {
        c->order = conv_phases_of(op_in(ctx, 1), type, &w, c->groups, fixed);
        c->ordered = c->computed = (unsigned char *)c + head + tap_bytes;
    }
    const bool rows = transposed ? c->order.rows : fixed && c->groups == 1 && convolve_suits_rows(type, outputs, c->out_size);
    for (int d = 0; d < 3; d++) c->step_out[d] = transposed ? w.stride[d] : 1;
    for (int i = 0; i < c->n_phases; i++) {
        phase *p = &c->phases[i];
        if (transposed) { p->start[2] = i % w.stride[2]; p->start[1] = i / w.stride[2] % w.stride[1]; p->start[0] = i / (w.stride[2] * w.stride[1]); }
        p->taps = taps;
        plan_phase(ctx, c, p, transposed, rows);
        taps += p->c.taps;
    }
    if (fixed) UTIL_TRY(settle_weights(ctx, c, transposed));
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
    int64_t tiles = p->whole ? p->c.tiles : 1, image = item / tiles / c->groups, g = item / tiles % c->groups, tile = item % tiles;
    const unsigned char *x = j->x + (size_t)((image * c->in_channels + g * p->c.channels) * c->in_size) * e;
    const unsigned char *w = j->w ? j->w + (size_t)(g * p->c.outputs * p->c.k) * e : NULL, *bias = j->bias ? j->bias + (size_t)(g * p->c.outputs) * e : NULL;
    unsigned char *y = j->y + (size_t)((image * c->out_channels + g * p->c.outputs) * c->out_size) * e;
    if (p->whole) {
        int64_t at, n;
        convolve_tile(&p->c, tile, &at, &n);
        convolve_run(&p->c, x, w, bias, y, c->out_size, scratch, tile, tile + 1);
        finish(c, p, y, at, n, c->out_size);
        return;
    }
    unsigned char *temp = scratch + c->scratch - ((c->temp + 63) & ~(size_t)63);
    convolve_run(&p->c, x, w, bias, temp, p->c.positions, scratch, 0, p->c.tiles);
    finish(c, p, temp, 0, p->c.positions, p->c.positions);
    spread(c, p, temp, y, e);
}

static int64_t items(const job *j) { return j->c->batch * j->c->groups * (j->p->whole ? j->p->c.tiles : 1); }

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
    if (transposed) {
        if (c->ordered == c->computed) conv_phases_order(&c->order, j.w, c->computed);
        j.w = c->ordered;
    }
    const unsigned char *w = j.w;
    for (int i = 0; i < c->n_phases; i++) {
        const phase *p = &c->phases[i];
        j.p = p;
        if (transposed) j.w = w + p->w_at;
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
     .prepack = conv_phases_prepack, .prepare = prepare_transposed, .run = run, .flags = OP_EPILOGUE, .flops = flops},
    OP_ARRAY_END,
};
