/* convert/emit_conv: Conv, ConvTranspose, ConvInteger, QLinearConv and pooling, in one to three dimensions. Tap by tap over the places where the tap is inside, so
 * that the innermost loop has no test and makes vectors. */
#include "convert/emit.h"

#include "ops/window.h"
#include "util/status.h"

#include <string.h>

/* The spatial dimensions must be of fixed size; batch and channels may be open. */
static clstm_status fixed_space(emitter *e, const emit_step *s) {
    uint32_t open = 0;
    for (int d = 2; d < s->in[0]->rank; d++) open |= emit_symbols(&s->in[0]->dims[d]);
    if (open) return emit_pin(e, open);
    return s->in[0]->rank > 2 ? CLSTM_OK : emit_refuse(e, "window without spatial dimensions");
}

/* The tensor with its trial sizes, for the operators' own reading of windows. */
static clstm_tensor at_trial(const emit_value *v) {
    clstm_tensor t;
    tensor_set(&t, v->type, v->rank, v->trial);
    return t;
}

static clstm_status shape_window(emitter *e, emit_step *s, emit_dim channels) {
    emit_dim dims[CLSTM_MAX_RANK];
    UTIL_TRY(fixed_space(e, s));
    memcpy(dims, s->out[0]->dims, sizeof dims);
    dims[0] = s->in[0]->dims[0];
    dims[1] = channels;
    return emit_set(s, 0, s->in[0]->rank, dims);
}

static bool linear(const emit_step *s) { return s->row->name[0] == 'Q'; }
static bool integer(const emit_step *s) { return linear(s) || !strcmp(s->row->name, "ConvInteger"); }
static int weight_of(const emit_step *s) { return linear(s) ? 3 : 1; }
static clstm_status shape_conv(emitter *e, emit_step *s) { return shape_window(e, s, s->in[weight_of(s)]->dims[0]); }
static clstm_status shape_pool(emitter *e, emit_step *s) {
    UTIL_TRY(shape_window(e, s, s->in[0]->dims[1]));
    return s->n->n_out > 1 ? emit_set(s, 1, s->out[0]->rank, s->out[0]->dims) : CLSTM_OK;
}
static clstm_status shape_transposed(emitter *e, emit_step *s) {
    emit_dim group = emit_fixed(op_attr_int(s->n, "group")), channels;
    UTIL_TRY(emit_times(e, &s->in[1]->dims[1], &group, &channels));
    return shape_window(e, s, channels);
}

/* ---- Conv and ConvTranspose ------------------------------------------------------------------------------------------------------------------ */

/* In a transposed window input and output change places: y[i * stride - begin + k * dilation] += w x[i]. */
typedef struct taps { op_window w; const int64_t *outer, *inner; bool transposed; } taps;   /* sizes of the side that is walked, and of the side that is hit */

/* Loops over the kernel and over the places of each tap. Depth is that of the first. */
static int tap_loops(emitter *e, const taps *t, int depth) {
    for (int d = 0; d < 3; d++)
        if (t->w.kernel[d] > 1) emit_line(e, depth++, "for (int k%d = 0; k%d < %lld; k%d++)", d, d, (long long)t->w.kernel[d], d);
    return depth;
}

static const char *tap_shift(emitter *e, const taps *t, int d) {
    return t->w.kernel[d] > 1 ? emit_say(e, "k%d * %lld - %lld", d, (long long)t->w.dilation[d], (long long)t->w.begin[d]) : emit_say(e, "%lld", (long long)-t->w.begin[d]);
}

/* first and last (exclusive) place o with 0 <= o * stride + shift < inner size. */
static void tap_range(emitter *e, const taps *t, int d, int depth) {
    long long s = (long long)t->w.stride[d], n = (long long)t->inner[d], m = (long long)t->outer[d];
    bool inside = t->w.kernel[d] == 1 && !t->w.begin[d] && (m - 1) * s < n;
    emit_line(e, depth, "const int s%d = %s;", d, tap_shift(e, t, d));
    if (inside) emit_line(e, depth, "const int a%d = 0, b%d = %lld;", d, d, m);
    else emit_line(e, depth, "const int a%d = s%d < 0 ? (%lld - s%d) / %lld : 0, b%d = s%d >= %lld ? 0 : (%lld - s%d) / %lld < %lld ? (%lld - s%d) / %lld + 1 : %lld;", d, d, s - 1, d, s,
                   d, d, n, n - 1, d, s, m, n - 1, d, s, m);
}

/* An element of x or the weight as it is computed with: less its zero point, or widened. */
static const char *element(emitter *e, const emit_step *s, int i, const char *text) {
    int zero = i == 0 ? 2 : linear(s) ? 5 : 3;
    if (!integer(s)) return emit_load(e, s->in[i]->type, text);
    return emit_has(s, zero) ? emit_say(e, "(%s - %s[%s])", text, emit_x(e, s, zero), emit_is(&s->in[zero]->count, 1) ? "0" : "m") : text;
}

static clstm_status write_taps(emitter *e, emit_step *s, const taps *t, const char *T, const char *weight) {
    const op_window *w = &t->w;
    const char *hit = "", *walk = "";
    int depth = tap_loops(e, t, 4);
    emit_line(e, depth - 1, "{");
    emit_line(e, depth, "const %s v = %s;", T, element(e, s, weight_of(s), emit_say(e, "%s[%s]", emit_x(e, s, weight_of(s)), weight)));
    for (int d = 0; d < 3; d++) tap_range(e, t, d, depth);
    for (int d = 0; d < 3; d++) {
        emit_line(e, depth + d, "for (int o%d = a%d; o%d < b%d; o%d++)", d, d, d, d, d);
        hit = emit_say(e, "%s%s(o%d * %lld + s%d)", d ? emit_say(e, "(%s) * %lld", hit, (long long)t->inner[d]) : "", d ? " + " : "", d, (long long)w->stride[d], d);
        walk = d ? emit_say(e, "(%s) * %lld + o%d", walk, (long long)t->outer[d], d) : emit_say(e, "o%d", d);
    }
    const char *y = emit_say(e, "y[%s]", t->transposed ? hit : walk), *x = element(e, s, 0, emit_say(e, "x[%s]", t->transposed ? walk : hit));
    if (integer(s)) emit_line(e, depth + 3, "%s = (int32_t)((uint32_t)%s + (uint32_t)(v * %s));", y, y, x);
    else emit_line(e, depth + 3, "%s += v * %s;", y, x);
    emit_line(e, depth - 1, "}");
    return CLSTM_OK;
}

static int64_t places(const int64_t *n) { return n[0] * n[1] * n[2]; }
static const int64_t *result_of(const taps *t) { return t->transposed ? t->inner : t->outer; }

/* Halves and quantised results are summed up beside, a channel at a time, and rounded once. */
static bool aside(const emit_step *s) { return linear(s) || emit_calc(s->out[0]->type) != s->out[0]->type; }

static clstm_status plan_conv(emitter *e, emit_step *s) {
    emit_dim plane;
    if (!aside(s)) return CLSTM_OK;
    UTIL_TRY(emit_span(e, s->out[0]->dims, 2, s->out[0]->rank, &plane));
    emit_temporary(e, s, linear(s) ? CLSTM_INT32 : CLSTM_FLOAT, plane);
    return CLSTM_OK;
}

static clstm_status check_operands(emitter *e, const emit_step *s) {
    const clstm_type type = s->out[0]->type;
    const emit_dim *outputs = &s->in[weight_of(s)]->dims[0];
    if (!integer(s)) return emit_calc(type) == CLSTM_FLOAT || type == CLSTM_DOUBLE ? CLSTM_OK : emit_refuse(e, emit_say(e, "%s of %s", s->row->name, clstm_type_name(type)));
    int zero = linear(s) ? 5 : 3;
    if (emit_has(s, zero) && !emit_is(&s->in[zero]->count, 1) && !emit_same(&s->in[zero]->count, outputs)) return emit_refuse(e, "zero points of more than one dimension");
    return CLSTM_OK;
}

/* The sums of channel m become the result. */
static void put_aside(emitter *e, emit_step *s, long long out, const char *y) {
    if (!linear(s)) { emit_line(e, 3, "for (int o = 0; o < %lld; o++) y0[%s + o] = %s;", out, y, emit_store(e, s->out[0]->type, "y[o]")); return; }
    emit_line(e, 3, "const float scale = %s[0] * %s[%s] / %s[0];", emit_x(e, s, 1), emit_x(e, s, 4), emit_is(&s->in[4]->count, 1) ? "0" : "m", emit_x(e, s, 6));
    emit_line(e, 3, "for (int o = 0; o < %lld; o++) {", out);
    emit_line(e, 4, "const float q = rintf((float)y[o] * scale) + (float)%s[0];", emit_x(e, s, 7));
    emit_line(e, 4, "y0[%s + o] = %s;", y, emit_saturated(e, s->out[0]->type));
    emit_line(e, 3, "}");
}

static clstm_status convolution(emitter *e, emit_step *s, const taps *t) {
    const emit_value *x = s->in[0], *y = s->out[0];
    int64_t group = op_attr_int(s->n, "group"), channels = x->trial[1], outputs = y->trial[1];
    long long in = (long long)places(t->w.in), out = (long long)places(result_of(t)), kernel = (long long)places(t->w.kernel);
    long long m = (long long)(outputs / group), c = (long long)(channels / group);
    int bias = linear(s) ? 8 : integer(s) ? -1 : 2;
    UTIL_TRY(check_operands(e, s));
    if (emit_symbols(&x->dims[1])) return emit_pin(e, emit_symbols(&x->dims[1]));
    const char *T = integer(s) ? "int32_t" : emit_ctype(emit_calc(y->type)), *taps_at = "", *start = "0", *at = emit_say(e, "(n * %lld + m) * %lld", (long long)outputs, out);
    if (bias > 0 && emit_has(s, bias)) start = emit_load(e, s->in[bias]->type, emit_say(e, "%s[m]", emit_x(e, s, bias)));
    for (int d = 0; d < 3; d++) {
        if (taps_at[0]) taps_at = emit_say(e, "(%s) * %lld", taps_at, (long long)t->w.kernel[d]);
        if (t->w.kernel[d] > 1) taps_at = emit_say(e, "%s%sk%d", taps_at, taps_at[0] ? " + " : "", d);
    }
    emit_line(e, 1, "for (int n = 0; n < %s; n++)", emit_size(e, &y->dims[0]));
    emit_line(e, 2, "for (int m = 0; m < %lld; m++) {", (long long)outputs);
    emit_line(e, 3, "%s *y = %s;", T, aside(s) ? "t0" : emit_say(e, "y0 + %s", at));
    emit_line(e, 3, "for (int o = 0; o < %lld; o++) y[o] = %s;", out, start);
    emit_line(e, 3, "for (int c = 0; c < %lld; c++) {", c);
    emit_line(e, 4, "const %s *x = %s + (n * %lld + %sc) * %lld;", emit_ctype(x->type), emit_x(e, s, 0), (long long)channels, group > 1 ? emit_say(e, "m / %lld * %lld + ", m, c) : "", in);
    const char *weight = t->transposed ? emit_say(e, "((%sc) * %lld + m%s) * %lld", group > 1 ? emit_say(e, "m / %lld * %lld + ", m, c) : "", m, group > 1 ? emit_say(e, " %% %lld", m) : "", kernel)
                                       : emit_say(e, "(m * %lld + c) * %lld", c, kernel);
    if (taps_at[0]) weight = emit_say(e, "%s + %s", weight, taps_at);
    UTIL_TRY(write_taps(e, s, t, T, weight));
    emit_line(e, 3, "}");
    if (aside(s)) put_aside(e, s, out, at);
    emit_line(e, 2, "}");
    return CLSTM_OK;
}

static clstm_status code_conv(emitter *e, emit_step *s) {
    taps t = {.transposed = false};
    clstm_tensor x = at_trial(s->in[0]);
    UTIL_TRY(op_window_read(&s->ctx, &x, s->in[weight_of(s)]->trial + 2, false, &t.w));
    t.outer = t.w.out;
    t.inner = t.w.in;
    return convolution(e, s, &t);
}

/* The operator's rule gave the output's size; the padding in front follows from it. */
static clstm_status code_transposed(emitter *e, emit_step *s) {
    taps t = {.transposed = true};
    clstm_tensor x = at_trial(s->in[0]);
    const char *mode = op_word(s->n, "auto_pad", "NOTSET");
    bool given = ir_attr_find(s->n, "output_shape") != NULL;
    size_t n_pad;
    int64_t extra[3];
    for (int i = 2; i < x.rank; i++) x.dims[i] = INT32_MAX;
    UTIL_TRY(op_window_read(&s->ctx, &x, s->in[1]->trial + 2, false, &t.w));
    op_window_spread(s->in[0]->trial + 2, t.w.nd, 1, t.w.in);
    op_window_spread(s->out[0]->trial + 2, t.w.nd, 1, t.w.out);
    op_window_spread(op_attr_ints(s->n, "output_padding", &n_pad), t.w.nd, 0, extra);
    for (int i = 0; i < 3; i++) {
        int64_t total = t.w.stride[i] * (t.w.in[i] - 1) + (t.w.kernel[i] - 1) * t.w.dilation[i] + 1 + extra[i] - t.w.out[i];
        if (mode[0] == 'V' && !given) t.w.begin[i] = 0;
        if (i >= 3 - t.w.nd && (given || mode[0] == 'S')) t.w.begin[i] = total < 0 ? 0 : mode[0] == 'S' && mode[5] == 'U' ? total / 2 : total - total / 2;
    }
    t.outer = t.w.in;
    t.inner = t.w.out;
    return convolution(e, s, &t);
}

/* ---- pooling ------------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status pool_window(emitter *e, emit_step *s, op_window *w) {
    clstm_tensor x = at_trial(s->in[0]);
    if (s->row->name[0] != 'G') {
        bool has_ceil = s->row->name[0] != 'L' || s->n->version >= 18;
        return op_window_read(&s->ctx, &x, NULL, has_ceil && op_attr_int(s->n, "ceil_mode") != 0, w);
    }
    (void)e;
    memset(w, 0, sizeof *w);
    w->nd = 1;
    for (int i = 0; i < 3; i++) w->in[i] = w->kernel[i] = w->out[i] = w->stride[i] = w->dilation[i] = 1;
    w->in[2] = w->kernel[2] = tensor_span(&x, 2, x.rank);
    return CLSTM_OK;
}

static void pool_range(emitter *e, const op_window *w, int d, int depth, bool counted) {
    long long in = (long long)w->in[d], k = (long long)w->kernel[d], dil = (long long)w->dilation[d], end = (long long)(w->in[d] + w->end[d]);
    emit_line(e, depth, "const int s%d = o%d * %lld - %lld, a%d = s%d < 0 ? (%lld - s%d) / %lld : 0;", d, d, (long long)w->stride[d], (long long)w->begin[d], d, d, dil - 1, d, dil);
    emit_line(e, depth, "const int b%d = s%d >= %lld ? 0 : (%lld - s%d) / %lld < %lld ? (%lld - s%d) / %lld + 1 : %lld;", d, d, in, in - 1, d, dil, k, in - 1, d, dil, k);
    if (!counted) return;
    emit_line(e, depth, "const int c%d = s%d >= %lld ? 0 : (%lld - s%d) / %lld < %lld ? (%lld - s%d) / %lld + 1 : %lld;", d, d, end, end - 1, d, dil, k, end - 1, d, dil, k);
}

/* What a window makes of its elements v, in `sum`: a statement for each, and one behind them. */
static void pool_step(emitter *e, const emit_step *s, const char *T, bool counted, const char **step, const char **finish) {
    const ir_attr *given = ir_attr_find(s->n, "p");        /* a float in opset 1 */
    double p = !given ? 2 : given->kind == IR_ATTR_FLOAT ? (double)given->v.f : (double)given->v.i;
    *finish = "";
    if (strstr(s->row->name, "Max")) *step = !strcmp(T, "int") ? "if (v > sum) sum = v;" : "if (v > sum || v != v) sum = v;";
    else if (!strstr(s->row->name, "Lp")) {
        *step = "sum += v;";
        *finish = emit_say(e, "const int count = %s;\nsum = count > 0 ? sum / (%s)count : 0;", counted ? "c0 * c1 * c2" : "(b0 - a0) * (b1 - a1) * (b2 - a2)", T);
    } else if (p == 1) *step = "sum += v < 0 ? -v : v;";
    else if (p == 2) {
        *step = "sum += v * v;";
        *finish = emit_say(e, "sum = (%s)sqrt((double)sum);", T);
    } else {
        *step = emit_say(e, "sum += (%s)pow(fabs((double)v), %s);", T, emit_real(e, CLSTM_DOUBLE, p));
        *finish = emit_say(e, "sum = (%s)pow((double)sum, 1 / %s);", T, emit_real(e, CLSTM_DOUBLE, p));
    }
}

/* The first largest element, or the first NaN, and where it is: rows or, with storage_order, columns on end. */
static const char *pool_index(emitter *e, const emit_step *s, const op_window *w, bool bytes) {
    bool by_column = ir_attr_find(s->n, "storage_order") && op_attr_int(s->n, "storage_order");
    const char *place = emit_say(e, by_column ? "(j2 * %lld + j1) * %lld + j0" : "(j0 * %lld + j1) * %lld + j2", (long long)w->in[1], (long long)w->in[by_column ? 0 : 2]);
    return emit_say(e, "if (best < 0 || v > sum%s) { sum = v; best = %s; }", bytes ? "" : " || (v != v && sum == sum)", place);
}

static clstm_status code_pool(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *y = s->out[0];
    op_window w;
    emit_dim planes;
    clstm_type calc = emit_calc(y->type);
    bool max = strstr(s->row->name, "Max") != NULL, counted = !max && !strstr(s->row->name, "Lp") && s->row->name[0] != 'G' && op_attr_int(s->n, "count_include_pad");
    bool bytes = max && (calc == CLSTM_INT8 || calc == CLSTM_UINT8), indices = emit_gives(s, 1);
    const char *step, *finish, *T = bytes ? "int" : emit_ctype(calc), *v;
    if (calc != CLSTM_FLOAT && calc != CLSTM_DOUBLE && !bytes) return emit_refuse(e, emit_say(e, "%s of %s", s->row->name, clstm_type_name(y->type)));
    UTIL_TRY(pool_window(e, s, &w));
    UTIL_TRY(emit_span(e, x->dims, 0, 2, &planes));
    pool_step(e, s, T, counted, &step, &finish);
    if (indices) step = pool_index(e, s, &w, bytes);
    v = emit_load(e, x->type, emit_say(e, "x[(j0 * %lld + j1) * %lld + j2]", (long long)w.in[1], (long long)w.in[2]));
    emit_line(e, 1, "for (int p = 0; p < %s; p++) {", emit_size(e, &planes));
    emit_line(e, 2, "const %s *x = %s + p * %lld;", emit_ctype(x->type), emit_x(e, s, 0), (long long)(w.in[0] * w.in[1] * w.in[2]));
    if (emit_gives(s, 0)) emit_line(e, 2, "%s *y = y0 + p * %lld;", emit_ctype(y->type), (long long)(w.out[0] * w.out[1] * w.out[2]));
    if (indices) emit_line(e, 2, "int64_t *at = y1 + p * %lld;", (long long)(w.out[0] * w.out[1] * w.out[2]));
    for (int d = 0; d < 3; d++) emit_line(e, 2 + d, "for (int o%d = 0; o%d < %lld; o%d++)%s", d, d, (long long)w.out[d], d, d == 2 ? " {" : "");
    for (int d = 0; d < 3; d++) pool_range(e, &w, d, 5, counted);
    emit_line(e, 5, "%s sum = %s;", T, !max ? "0" : bytes ? calc == CLSTM_INT8 ? "-128" : "0" : "-INFINITY");
    if (indices) emit_line(e, 5, "int best = -1;");
    for (int d = 0; d < 3; d++) emit_line(e, 5 + d, "for (int i%d = a%d; i%d < b%d; i%d++)%s", d, d, d, d, d, d == 2 ? " {" : "");
    for (int d = 0; d < 3; d++) emit_line(e, 8, "const int j%d = s%d + i%d * %lld;", d, d, d, (long long)w.dilation[d]);
    emit_line(e, 8, "const %s v = %s;", T, v);
    emit_line(e, 8, "%s", step);
    emit_line(e, 7, "}");
    if (finish[0]) emit_line(e, 5, "%s", finish);
    if (emit_gives(s, 0)) emit_line(e, 5, "*y++ = %s;", bytes ? emit_say(e, "(%s)sum", emit_ctype(y->type)) : emit_store(e, y->type, "sum"));
    if (indices) emit_line(e, 5, "*at++ = p * (int64_t)%lld + best;", (long long)(w.in[0] * w.in[1] * w.in[2]));
    emit_line(e, 4, "}");
    emit_line(e, 1, "}");
    return CLSTM_OK;
}

#define POOL(op) {.name = op, .shape = shape_pool, .code = code_pool}
#define CONV(op) {.name = op, .shape = shape_conv, .code = code_conv, .plan = plan_conv}
const emit_row emit_rows_conv[] = {CONV("Conv"), CONV("ConvInteger"), CONV("QLinearConv"), {.name = "ConvTranspose", .shape = shape_transposed, .code = code_transposed, .plan = plan_conv},
                                   POOL("MaxPool"), POOL("AveragePool"), POOL("GlobalMaxPool"), POOL("GlobalAveragePool"), POOL("LpPool"), POOL("GlobalLpPool"), {.name = NULL}};
