/* convert/emit_rnn: LSTM, GRU and RNN with every option of the runtime. A direction is a block of its own, its rows walk time one after
 * the other; a step is two products into the row of gates, and one loop over the hidden units that makes vectors. */
#include "convert/emit.h"

#include "rnn/spec.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <math.h>
#include <string.h>

/* One node's facts and the names of its arrays. */
typedef struct layer {
    emitter *e;
    emit_step *s;
    const rnn_spec *spec;
    clstm_type type, calc;
    emit_dim t, b;
    int64_t i, h, cols;
    const char *T, *gates, *state_h, *state_c, *rest, *row, *steps, *batch;
    int d;
    bool reverse;
} layer;

static clstm_status read_layer(emitter *e, emit_step *s, layer *l) {
    const rnn_spec *spec = rnn_spec_of(s->n);
    const emit_value *x = s->in[RNN_X];
    emit_dim i = x->dims[2], h = s->in[RNN_R]->dims[2];
    *l = (layer){.e = e, .s = s, .spec = spec, .type = x->type, .calc = emit_calc(x->type), .t = x->dims[spec->batch_first], .b = x->dims[!spec->batch_first]};
    if (!emit_is_fixed(&i, &l->i) || !emit_is_fixed(&h, &l->h)) return emit_pin(e, emit_symbols(&i) | emit_symbols(&h));
    l->cols = spec->gates * l->h;
    l->T = emit_ctype(l->calc);
    l->steps = emit_size(e, &l->t);
    l->batch = emit_size(e, &l->b);
    int n = 0;
    l->gates = emit_say(e, "t%d", n++);
    l->state_h = emit_say(e, "t%d", n++);
    if (spec->kind == RNN_LSTM) l->state_c = emit_say(e, "t%d", n++);
    if (spec->kind == RNN_GRU) l->rest = emit_say(e, "t%d", n++);
    if (l->calc != l->type) l->row = emit_say(e, "t%d", n++);
    return CLSTM_OK;
}

static clstm_status shape_rnn(emitter *e, emit_step *s) {
    layer l;
    UTIL_TRY(read_layer(e, s, &l));
    emit_dim d = emit_fixed(l.spec->directions), h = emit_fixed(l.h);
    emit_dim y[4] = {l.t, d, l.b, h}, first[4] = {l.b, l.t, d, h}, state[3] = {d, l.b, h}, state_first[3] = {l.b, d, h};
    UTIL_TRY(emit_set(s, RNN_Y, 4, l.spec->batch_first ? first : y));
    for (int k = 1; k < s->n->n_out; k++) UTIL_TRY(emit_set(s, k, 3, l.spec->batch_first ? state_first : state));
    return CLSTM_OK;
}

static clstm_status plan_rnn(emitter *e, emit_step *s) {
    layer l;
    UTIL_TRY(read_layer(e, s, &l));
    emit_temporary(e, s, l.calc, emit_fixed(l.cols));
    emit_temporary(e, s, l.calc, emit_fixed(l.h));
    if (l.state_c) emit_temporary(e, s, l.calc, emit_fixed(l.h));
    if (l.rest) emit_temporary(e, s, l.calc, emit_fixed(l.spec->reset_after ? l.cols : l.h));
    if (l.row) emit_temporary(e, s, l.calc, emit_fixed(l.i));
    s->fails = emit_has(s, RNN_LENS);
    return CLSTM_OK;
}

/* ---- weights ------------------------------------------------------------------------------------------------------------------------------- */

/* y[0..n) += x[0..k) times rows first..first+n of direction d of W or R. */
static clstm_status add_product(layer *l, int depth, int input, int64_t first, int64_t n, int64_t k, const char *x, const char *y) {
    emitter *e = l->e;
    int64_t at = l->d * l->cols + first;
    if (!l->s->in[input]->ir->constant) {
        const char *w = emit_load(e, l->type, emit_say(e, "%s[(%lld + n) * %lld + k]", emit_x(e, l->s, input), (long long)at, (long long)k));
        emit_line(e, depth, "for (int n = 0; n < %lld; n++)", (long long)n);
        emit_line(e, depth + 1, "for (int k = 0; k < %lld; k++) (%s)[n] += (%s)[k] * %s;", (long long)k, y, x, w);
        return CLSTM_OK;
    }
    clstm_tensor t;
    UTIL_TRY(emit_data(e, l->s, input, &t));
    double *w = util_arena_alloc(&e->arena, (size_t)(k * n) + 1, sizeof *w);
    if (!w) return util_no_memory(e->err);
    for (int64_t r = 0; r < k; r++)
        for (int64_t c = 0; c < n; c++) w[r * n + c] = tensor_get_double(&t, (at + c) * k + r);
    emit_line(e, depth, "product%s(%lld, %lld, %s, %s, %s);", l->calc == CLSTM_FLOAT ? "f" : "", (long long)k, (long long)n, x, emit_packed(e, l->calc, k, n, w), y);
    return CLSTM_OK;
}

/* The candidate's recurrent bias of a GRU with linear_before_reset = 1 stays apart. */
static bool apart(const layer *l, int64_t column) { return l->rest && l->spec->reset_after && column >= 2 * l->h; }

/* The arrays that a step's gates (and the part of H.R that stays apart) start from. */
static clstm_status start_gates(layer *l, int depth) {
    emitter *e = l->e;
    bool two = l->rest && l->spec->reset_after;
    const char *n = emit_say(e, "%lld", (long long)l->cols), *h2 = emit_say(e, "%lld", (long long)(2 * l->h));
    if (!emit_has(l->s, RNN_B)) {
        emit_line(e, depth, "for (int j = 0; j < %s; j++) %s[j] = 0;", n, l->gates);
        if (two) emit_line(e, depth, "for (int j = 0; j < %s; j++) %s[j] = 0;", n, l->rest);
        return CLSTM_OK;
    }
    int64_t wb = l->d * 2 * l->cols;
    if (!l->s->in[RNN_B]->ir->constant) {
        const char *b = emit_x(e, l->s, RNN_B);
        const char *w = emit_load(e, l->type, emit_say(e, "%s[%lld + j]", b, (long long)wb)), *r = emit_load(e, l->type, emit_say(e, "%s[%lld + j]", b, (long long)(wb + l->cols)));
        emit_line(e, depth, "for (int j = 0; j < %s; j++) %s[j] = %s + %s;", n, l->gates, w, two ? emit_say(e, "(j < %s ? %s : 0)", h2, r) : r);
        if (two) emit_line(e, depth, "for (int j = 0; j < %s; j++) %s[j] = j < %s ? 0 : %s;", n, l->rest, h2, r);
        return CLSTM_OK;
    }
    clstm_tensor raw;
    UTIL_TRY(emit_data(e, l->s, RNN_B, &raw));
    for (int part = 0; part < 1 + two; part++) {
        double *v = util_arena_alloc(&e->arena, (size_t)l->cols, sizeof *v);
        if (!v) return util_no_memory(e->err);
        for (int64_t c = 0; c < l->cols; c++) {
            double w = tensor_get_double(&raw, wb + c), r = tensor_get_double(&raw, wb + l->cols + c);
            v[c] = part ? (apart(l, c) ? r : 0) : apart(l, c) ? w : w + r;
        }
        emit_line(e, depth, "memcpy(%s, %s, sizeof(%s) * %s);", part ? l->rest : l->gates, emit_numbers(e, l->calc, l->cols, v), l->T, n);
    }
    return CLSTM_OK;
}

/* ---- the cell's equations ---------------------------------------------------------------------------------------------------------------------- */

static const char *number(const layer *l, float v) { return emit_say(l->e, "(%s)", emit_real(l->e, l->calc, (double)v)); }

/* Statement(s) that put an activation's value into the variable, its input bounded first. */
static void activate(layer *l, int depth, const rnn_activation *a, const char *v) {
    emitter *e = l->e;
    const char *f = l->calc == CLSTM_FLOAT ? "f" : "", *A = number(l, a->alpha), *B = number(l, a->beta), *out = v;
    if (isfinite(l->spec->clip)) {
        const char *c = number(l, l->spec->clip);
        emit_line(e, depth, "%s = %s > %s ? %s : %s < -%s ? -%s : %s;", v, v, c, c, v, c, c, v);
    }
    switch (a->function) {
    case RNN_AFFINE: out = emit_say(e, "%s * %s + %s", A, v, B); break;
    case RNN_RELU: out = emit_say(e, "%s < 0 ? 0 : %s", v, v); break;
    case RNN_LEAKY_RELU: out = emit_say(e, "%s < 0 ? %s * %s : %s", v, A, v, v); break;
    case RNN_THRESHOLDED_RELU: out = emit_say(e, "%s < %s ? 0 : %s", v, A, v); break;
    case RNN_TANH: case RNN_SIGMOID:
        if (*f) {
            e->helpers |= EMIT_USES_TANH;
            if (a->function == RNN_SIGMOID) e->helpers |= EMIT_USES_SIGMOID;
            out = emit_say(e, "%s(%s)", a->function == RNN_TANH ? "gate_tanh" : "gate_sigmoid", v);
        } else out = a->function == RNN_TANH ? emit_say(e, "tanh(%s)", v) : emit_say(e, "1 / (1 + exp(-%s))", v);
        break;
    case RNN_HARD_SIGMOID:
        emit_line(e, depth, "%s = %s * %s + %s;", v, A, v, B);
        out = emit_say(e, "%s < 0 ? 0 : %s > 1 ? 1 : %s", v, v, v);
        break;
    case RNN_ELU: out = emit_say(e, "%s < 0 ? %s * expm1%s(%s) : %s", v, A, f, v, v); break;
    case RNN_SOFTSIGN: out = emit_say(e, "fabs%s(%s) == INFINITY ? (%s < 0 ? -1 : 1) : %s / (1 + fabs%s(%s))", f, v, v, v, f, v); break;
    case RNN_SOFTPLUS: out = emit_say(e, "%s > 0 ? %s + log1p%s(exp%s(-%s)) : log1p%s(exp%s(%s))", v, v, f, f, v, f, f, v); break;
    case RNN_SCALED_TANH: out = emit_say(e, "%s * tanh%s(%s * %s)", A, f, B, v); break;
    case RNN_FUNCTION_COUNT: break;
    }
    emit_line(e, depth, "%s = %s;", v, out);
}

/* A state as the declared type holds it. */
static const char *rounded(const layer *l, const char *v) { return l->calc == l->type ? v : emit_load(l->e, l->type, emit_store(l->e, l->type, v)); }

static const char *gate(const layer *l, int g) { return g ? emit_say(l->e, "%s[%lld + j]", l->gates, (long long)(g * l->h)) : emit_say(l->e, "%s[j]", l->gates); }
static const char *peephole(const layer *l, int k) {
    return emit_load(l->e, l->type, emit_say(l->e, "%s[%lld + j]", emit_x(l->e, l->s, RNN_P), (long long)((l->d * 3 + k) * l->h)));
}

static void lstm(layer *l, int depth) {
    emitter *e = l->e;
    const rnn_activation *f = l->spec->f[l->d];
    bool p = emit_has(l->s, RNN_P);
    emit_line(e, depth, "%s i = %s, o = %s, f%s, g = %s, h;", l->T, gate(l, 0), gate(l, 1), l->spec->input_forget ? "" : emit_say(e, " = %s", gate(l, 2)), gate(l, 3));
    if (p) emit_line(e, depth, "i += %s * %s[j];", peephole(l, 0), l->state_c);
    if (p && !l->spec->input_forget) emit_line(e, depth, "f += %s * %s[j];", peephole(l, 2), l->state_c);
    activate(l, depth, &f[0], "i");
    if (l->spec->input_forget) emit_line(e, depth, "f = 1 - i;");
    else activate(l, depth, &f[0], "f");
    activate(l, depth, &f[1], "g");
    emit_line(e, depth, "h = %s;", rounded(l, emit_say(e, "f * %s[j] + i * g", l->state_c)));
    emit_line(e, depth, "%s[j] = h;", l->state_c);
    if (p) emit_line(e, depth, "o += %s * h;", peephole(l, 1));
    activate(l, depth, &f[0], "o");
    activate(l, depth, &f[2], "h");
    emit_line(e, depth, "h = %s;", rounded(l, "o * h"));
}

static void gru(layer *l, int depth) {
    emitter *e = l->e;
    const rnn_activation *f = l->spec->f[l->d];
    long long h = (long long)l->h;
    if (l->spec->reset_after) {
        emit_line(e, depth, "%s z = %s + %s[j], r = %s + %s[%lld + j], g, h;", l->T, gate(l, 0), l->rest, gate(l, 1), l->rest, h);
        activate(l, depth, &f[0], "z");
        activate(l, depth, &f[0], "r");
        emit_line(e, depth, "g = %s + r * %s[%lld + j];", gate(l, 2), l->rest, 2 * h);
    } else emit_line(e, depth, "%s z = %s, g = %s, h;", l->T, gate(l, 0), gate(l, 2));
    activate(l, depth, &f[1], "g");
    emit_line(e, depth, "h = %s;", rounded(l, emit_say(e, "(1 - z) * g + z * %s[j]", l->state_h)));
}

/* linear_before_reset = 0: z and r first, and r o H for the candidate's product. */
static clstm_status gru_reset(layer *l) {
    emitter *e = l->e;
    const rnn_activation *f = l->spec->f[l->d];
    UTIL_TRY(add_product(l, 3, RNN_R, 0, 2 * l->h, l->h, l->state_h, l->gates));
    emit_line(e, 3, "for (int j = 0; j < %lld; j++) {", (long long)l->h);
    emit_line(e, 4, "%s z = %s, r = %s;", l->T, gate(l, 0), gate(l, 1));
    activate(l, 4, &f[0], "z");
    activate(l, 4, &f[0], "r");
    emit_line(e, 4, "%s = z;", gate(l, 0));
    emit_line(e, 4, "%s[j] = r * %s[j];", l->rest, l->state_h);
    emit_line(e, 3, "}");
    return add_product(l, 3, RNN_R, 2 * l->h, l->h, l->h, l->rest, emit_say(e, "%s + %lld", l->gates, (long long)(2 * l->h)));
}

/* ---- the walk ------------------------------------------------------------------------------------------------------------------------------------ */

static const char *sum_of(layer *l, const char *variable, const emit_dim *stride, const char *before) {
    if (emit_is(stride, 0)) return before;
    return emit_say(l->e, "%s%s%s * %s", before, before[0] ? " + " : "", variable, emit_size(l->e, stride));
}

/* Element of Y at t, b of this direction; element of a state at b. */
static clstm_status place_y(layer *l, const char *t, const char **out) {
    emit_dim h = emit_fixed(l->h), dh = emit_fixed(l->spec->directions * l->h), bdh, tdh, d;
    UTIL_TRY(emit_times(l->e, &l->b, &dh, &bdh));
    UTIL_TRY(emit_times(l->e, &l->t, &dh, &tdh));
    emit_dim k = emit_fixed(l->d * l->h);
    if (l->spec->batch_first) d = k;
    else UTIL_TRY(emit_times(l->e, &l->b, &k, &d));
    const char *at = sum_of(l, t, l->spec->batch_first ? &dh : &bdh, "");
    at = sum_of(l, "b", l->spec->batch_first ? &tdh : &h, at);
    *out = emit_is(&d, 0) ? at : emit_say(l->e, "%s + %s", at, emit_size(l->e, &d));
    return CLSTM_OK;
}
static clstm_status place_state(layer *l, const char **out) {
    emit_dim stride = emit_fixed(l->spec->batch_first ? l->spec->directions * l->h : l->h), k = emit_fixed(l->d * l->h), d = k;
    if (!l->spec->batch_first) UTIL_TRY(emit_times(l->e, &l->b, &k, &d));
    *out = emit_say(l->e, "b * %s + %s", emit_size(l->e, &stride), emit_size(l->e, &d));
    return CLSTM_OK;
}

/* The state before the first step: the carried one, an input, or zero. */
static void start_state(layer *l, int input, int k, const char *state, const char *at) {
    emitter *e = l->e;
    const char *own = "0";
    if (emit_has(l->s, input) && !l->s->in[input]->zero) own = emit_load(e, l->type, emit_say(e, "%s[%s + j]", emit_x(e, l->s, input), at));
    if (l->s->state >= 0) own = emit_say(e, "from%d ? %s : %s", k, emit_load(e, l->type, emit_say(e, "from%d[%s + j]", k, at)), own);
    emit_line(e, 2, "for (int j = 0; j < %lld; j++) %s[j] = %s;", (long long)l->h, state, own);
}

static void finish_state(layer *l, int output, int k, const char *state, const char *at) {
    emitter *e = l->e;
    const char *value = emit_store(e, l->type, emit_say(e, "%s[j]", state));
    if (emit_gives(l->s, output)) emit_line(e, 2, "for (int j = 0; j < %lld; j++) y%d[%s + j] = %s;", (long long)l->h, output, at, value);
    if (l->s->state >= 0) emit_line(e, 2, "for (int j = 0; to%d && j < %lld; j++) to%d[%s + j] = %s;", k, (long long)l->h, k, at, value);
}

static clstm_status write_step(layer *l) {
    emitter *e = l->e;
    const char *at, *x;
    emit_dim i = emit_fixed(l->i), xt, xb;
    UTIL_TRY(emit_times(e, &l->b, &i, &xt));
    UTIL_TRY(emit_times(e, &l->t, &i, &xb));
    x = emit_say(e, "%s + %s", emit_x(e, l->s, RNN_X), sum_of(l, "b", l->spec->batch_first ? &xb : &i, sum_of(l, "t", l->spec->batch_first ? &i : &xt, "")));
    emit_line(e, 3, "const int t = %s;", l->reverse ? "length - 1 - s" : "s");
    if (l->row) {
        emit_line(e, 3, "for (int j = 0; j < %lld; j++) %s[j] = %s;", (long long)l->i, l->row, emit_load(e, l->type, emit_say(e, "(%s)[j]", x)));
        x = l->row;
    }
    UTIL_TRY(start_gates(l, 3));
    UTIL_TRY(add_product(l, 3, RNN_W, 0, l->cols, l->i, x, l->gates));
    if (l->rest && !l->spec->reset_after) UTIL_TRY(gru_reset(l));
    else UTIL_TRY(add_product(l, 3, RNN_R, 0, l->cols, l->h, l->state_h, l->rest ? l->rest : l->gates));
    emit_line(e, 3, "for (int j = 0; j < %lld; j++) {", (long long)l->h);
    if (l->spec->kind == RNN_LSTM) lstm(l, 4);
    else if (l->spec->kind == RNN_GRU) gru(l, 4);
    else {
        emit_line(e, 4, "%s h = %s;", l->T, gate(l, 0));
        activate(l, 4, &l->spec->f[l->d][0], "h");
        if (l->calc != l->type) emit_line(e, 4, "h = %s;", rounded(l, "h"));
    }
    emit_line(e, 4, "%s[j] = h;", l->state_h);
    UTIL_TRY(place_y(l, "t", &at));
    if (emit_gives(l->s, RNN_Y)) emit_line(e, 4, "y0[%s + j] = %s;", at, emit_store(e, l->type, "h"));
    emit_line(e, 3, "}");
    return CLSTM_OK;
}

static clstm_status write_direction(layer *l) {
    emitter *e = l->e;
    const char *at, *past;
    UTIL_TRY(place_state(l, &at));
    emit_line(e, 1, "for (int b = 0; b < %s; b++) {", l->batch);
    if (emit_has(l->s, RNN_LENS)) {
        emit_line(e, 2, "const int length = %s[b];", emit_x(e, l->s, RNN_LENS));
        emit_line(e, 2, "if (length < 0 || length > %s) { *bad = 1; return; }", l->steps);
    } else emit_line(e, 2, "const int length = %s;", l->steps);
    start_state(l, RNN_H0, 0, l->state_h, at);
    if (l->state_c) start_state(l, RNN_C0, 1, l->state_c, at);
    emit_line(e, 2, "for (int s = 0; s < length; s++) {");
    UTIL_TRY(write_step(l));
    emit_line(e, 2, "}");
    if (emit_has(l->s, RNN_LENS) && emit_gives(l->s, RNN_Y)) {
        UTIL_TRY(place_y(l, "t", &past));
        emit_line(e, 2, "for (int t = length; t < %s; t++)", l->steps);
        emit_line(e, 3, "for (int j = 0; j < %lld; j++) y0[%s + j] = 0;", (long long)l->h, past);
    }
    finish_state(l, RNN_YH, 0, l->state_h, at);
    if (l->state_c) finish_state(l, RNN_YC, 1, l->state_c, at);
    emit_line(e, 1, "}");
    return CLSTM_OK;
}

static clstm_status code_rnn(emitter *e, emit_step *s) {
    layer l;
    UTIL_TRY(read_layer(e, s, &l));
    for (l.d = 0; l.d < l.spec->directions; l.d++) {
        l.reverse = l.spec->reverse || l.d == 1;
        UTIL_TRY(write_direction(&l));
    }
    return CLSTM_OK;
}

#define ROW(op) {.name = op, .shape = shape_rnn, .code = code_rnn, .plan = plan_rnn, .zeros = 1 << RNN_H0 | 1 << RNN_C0}
const emit_row emit_rows_rnn[] = {ROW("LSTM"), ROW("GRU"), ROW("RNN"), {.name = NULL}};
