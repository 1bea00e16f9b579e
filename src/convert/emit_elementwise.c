/* convert/emit_elementwise: operators that make each element from the elements at its place: a formula a row. In a formula $0, $1 ... are
 * the operands, #0, #1 ... the attributes named by the row, ~ is f in single precision, %t the element type and %u its unsigned form. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The attributes behind #0, #1 ... */
typedef struct numbers { int n; const char *text[4]; } numbers;

static const char *unsigned_type(clstm_type t) {
    switch (clstm_type_size(t)) {
    case 8: return "uint64_t";
    default: return "uint32_t";     /* narrower ones are promoted to int anyway */
    }
}

static const char *formula(emitter *e, const char *text, clstm_type type, int n, const char *const *operand, const numbers *a) {
    const char *out = "", *piece;
    char one[2] = "";
    for (; *text; text++) {
        one[0] = *text;
        if (*text == '$' && text[1] - '0' < n) piece = operand[*++text - '0'];
        else if (*text == '#' && text[1] - '0' < a->n) piece = a->text[*++text - '0'];
        else if (*text == '~') piece = emit_calc(type) == CLSTM_FLOAT ? "f" : "";
        else if (*text == '%' && text[1] == 't') { piece = emit_ctype(emit_calc(type)); text++; }
        else if (*text == '%' && text[1] == 'u') { piece = unsigned_type(type); text++; }
        else piece = one;
        out = emit_say(e, "%s%s", out, piece);
    }
    return out;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------------------------------ */

clstm_status emit_broadcast(emitter *e, int rank_a, const emit_dim *a, int rank_b, const emit_dim *b, int *rank, emit_dim *out) {
    int most = rank_a > rank_b ? rank_a : rank_b;
    emit_dim made[CLSTM_MAX_RANK];
    for (int d = 0; d < most; d++) {
        int i = d - (most - rank_a), j = d - (most - rank_b);
        if (i < 0 || (j >= 0 && emit_is(&a[i], 1))) made[d] = b[j];
        else if (j < 0 || emit_is(&b[j], 1) || emit_same(&a[i], &b[j])) made[d] = a[i];
        else return emit_pin(e, emit_symbols(&a[i]) | emit_symbols(&b[j]));
    }
    *rank = most;
    memcpy(out, made, (size_t)most * sizeof *out);
    return CLSTM_OK;
}

clstm_status emit_shape_same(emitter *e, emit_step *s) {
    (void)e;
    for (int k = 0; k < s->n->n_out; k++) UTIL_TRY(emit_set(s, k, s->in[0]->rank, s->in[0]->dims));
    return CLSTM_OK;
}

static bool all_known(const emit_step *s) {
    for (int i = 0; i < s->n->n_in; i++)
        if (!s->in[i] || !s->in[i]->known) return false;
    return true;
}

/* The truth of a comparison of sizes, when it is the same for all sizes. */
static bool compare(const char *op, const emit_dim *a, const emit_dim *b, emit_dim *out) {
    emit_dim d;
    int64_t v;
    if (!emit_add(a, -1, b, &d)) return false;
    if (!emit_is_fixed(&d, &v)) {
        /* of a size that is positive, and a number below */
        emit_dim less;
        bool above = emit_nonnegative(&d) || (emit_is_fixed(b, &v) && v <= 0 && emit_nonnegative(a) && emit_add(&d, 0, &d, &less));
        if (!above) return false;
        v = 1;
    }
    bool truth = !strcmp(op, "Equal") ? v == 0 : !strcmp(op, "Greater") ? v > 0 : !strcmp(op, "Less") ? v < 0 : !strcmp(op, "GreaterOrEqual") ? v >= 0 : v <= 0;
    *out = emit_fixed(truth);
    return true;
}

static bool known_element(const char *op, int n, const emit_dim *const *x, emit_dim *out) {
    int64_t a, b;
    if (n == 1 && !strcmp(op, "Not")) { *out = emit_fixed(!emit_is_fixed(x[0], &a) ? 0 : !a); return emit_is_fixed(x[0], &a); }
    if (n == 3 && !strcmp(op, "Where")) { *out = emit_is(x[0], 0) ? *x[2] : *x[1]; return emit_is_fixed(x[0], &a); }
    if (n == 1 && !strcmp(op, "Neg")) { emit_dim zero = {0}; return emit_add(&zero, -1, x[0], out); }
    if (n != 2) return false;
    if (!strcmp(op, "Add")) return emit_add(x[0], 1, x[1], out);
    if (!strcmp(op, "Sub")) return emit_add(x[0], -1, x[1], out);
    if (!strcmp(op, "Mul")) return emit_mul(x[0], x[1], out);
    if (!strcmp(op, "Div")) return emit_div(x[0], x[1], out);
    if (!strcmp(op, "Mod") && emit_is_fixed(x[0], &a) && emit_is_fixed(x[1], &b) && b) {
        *out = emit_fixed(a % b != 0 && (a % b < 0) != (b < 0) ? a % b + b : a % b);
        return true;
    }
    if (!strcmp(op, "Equal") || !strcmp(op, "Greater") || !strcmp(op, "Less") || !strcmp(op, "GreaterOrEqual") || !strcmp(op, "LessOrEqual")) return compare(op, x[0], x[1], out);
    return false;
}

/* What integer vectors of sizes become; one operand may be a scalar beside a vector. */
static clstm_status known_elements(emitter *e, emit_step *s) {
    emit_value *v = s->out[0];
    int64_t n, each[3];
    if (!v || !all_known(s) || s->n->n_in > 3) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    if (!v->known || !emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    for (int i = 0; i < s->n->n_in; i++) emit_is_fixed(&s->in[i]->count, &each[i]);
    for (int64_t k = 0; k < n; k++) {
        const emit_dim *x[3];
        for (int i = 0; i < s->n->n_in; i++) {
            if (each[i] != n && each[i] != 1) { v->known = NULL; return CLSTM_OK; }
            x[i] = &s->in[i]->known[each[i] == 1 ? 0 : k];
        }
        if (known_element(s->row->name, s->n->n_in, x, &v->known[k])) continue;
        v->known = NULL;
        return emit_step_symbols(s) ? emit_pin(e, emit_step_symbols(s)) : CLSTM_OK;
    }
    return CLSTM_OK;
}

clstm_status emit_shape_broadcast(emitter *e, emit_step *s) {
    emit_dim dims[CLSTM_MAX_RANK];
    int rank = 0;
    if (ir_attr_find(s->n, "broadcast") || ir_attr_find(s->n, "axis")) return emit_step_symbols(s) ? emit_pin(e, emit_step_symbols(s)) : CLSTM_OK;
    for (int i = 0; i < s->n->n_in; i++)
        if (s->in[i] && !(s->row->parameters >> i & 1)) UTIL_TRY(emit_broadcast(e, rank, dims, s->in[i]->rank, s->in[i]->dims, &rank, dims));
    UTIL_TRY(emit_set(s, 0, rank, dims));
    return known_elements(e, s);
}

/* ---- code --------------------------------------------------------------------------------------------------------------------------------- */

/* Reading operand k of the walk: a literal where there is only one number. */
static clstm_status operand(emitter *e, const emit_step *s, int input, int k, const char **out) {
    const emit_value *v = s->in[input];
    if (v->ir->constant && emit_is(&v->count, 1)) {
        clstm_tensor t;
        UTIL_TRY(emit_data(e, s, input, &t));
        *out = emit_literal(e, v->type, &t, 0);
    } else *out = emit_load(e, v->type, emit_say(e, "%s[@%d]", emit_x(e, s, input), k));
    return CLSTM_OK;
}

static clstm_status start_walk(emitter *e, const emit_value *y, emit_walk *w) {
    *w = (emit_walk){.rank = y->rank, .n = 1};
    memcpy(w->dims, y->dims, (size_t)y->rank * sizeof *y->dims);
    return emit_strides(e, y->rank, y->dims, w->stride[0]);
}

/* y = the formula of inputs 0..n-1. */
static clstm_status write_formula(emitter *e, emit_step *s, const char *text, int n, const numbers *a) {
    const char *x[EMIT_OPERANDS];
    emit_walk w;
    if (ir_attr_find(s->n, "broadcast") && s->n->op->until && n == 2 && s->in[1]->rank != s->in[0]->rank && op_attr_int(s->n, "broadcast"))
        return emit_refuse(e, "broadcasting of opsets before 7");
    UTIL_TRY(start_walk(e, s->out[0], &w));
    for (int i = 0; i < n; i++, w.n++) {
        UTIL_TRY(emit_broadcast_strides(e, s->in[i], &w, w.stride[w.n]));
        UTIL_TRY(operand(e, s, i, i + 1, &x[i]));
    }
    const char *value = formula(e, text, s->in[0]->type, n, x, a);
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", emit_store(e, s->out[0]->type, value)));
}

/* The formula for the input's type. */
static const char *for_type(const emit_step *s) {
    clstm_type t = s->in[0]->type;
    if (emit_calc(t) == CLSTM_FLOAT || t == CLSTM_DOUBLE) return s->row->real;
    return s->row->natural && type_is_unsigned_int(t) ? s->row->natural : s->row->integer;
}

static clstm_status no_type(emitter *e, const emit_step *s) { return emit_refuse(e, emit_say(e, "%s of %s", s->row->name, clstm_type_name(s->in[0]->type))); }

static clstm_status code_plain(emitter *e, emit_step *s) {
    static const numbers none;
    return for_type(s) ? write_formula(e, s, for_type(s), s->n->n_in, &none) : no_type(e, s);
}

static void attribute(emitter *e, const emit_step *s, const char *name, numbers *a) {
    a->text[a->n++] = emit_say(e, "(%s)", emit_real(e, s->in[0]->type, (double)op_attr_float(s->n, name)));
}

static clstm_status code_alpha(emitter *e, emit_step *s) {
    numbers a = {0};
    attribute(e, s, "alpha", &a);
    return write_formula(e, s, s->row->real, 1, &a);
}
static clstm_status code_alpha_beta(emitter *e, emit_step *s) {
    numbers a = {0};
    attribute(e, s, "alpha", &a);
    attribute(e, s, "beta", &a);
    return write_formula(e, s, s->row->real, 1, &a);
}
static clstm_status code_selu(emitter *e, emit_step *s) {
    numbers a = {0};
    attribute(e, s, "alpha", &a);
    attribute(e, s, "gamma", &a);
    return write_formula(e, s, s->row->real, 1, &a);
}
static clstm_status code_shrink(emitter *e, emit_step *s) {
    numbers a = {0};
    attribute(e, s, "bias", &a);
    attribute(e, s, "lambd", &a);
    return for_type(s) ? write_formula(e, s, s->row->real, 1, &a) : no_type(e, s);
}

/* A shift by the width or more leaves nothing. */
static clstm_status code_shift(emitter *e, emit_step *s) {
    numbers a = {1, {emit_say(e, "%d", (int)clstm_type_size(s->in[0]->type) * 8)}};
    return write_formula(e, s, op_word(s->n, "direction", "")[0] == 'L' ? "(%t)($1 < #0 ? (%u)$0 << $1 : 0)" : "(%t)($1 < #0 ? $0 >> $1 : 0)", 2, &a);
}

static clstm_status code_swiglu(emitter *e, emit_step *s) {
    numbers a = {1, {emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "alpha"))}};
    return write_formula(e, s, s->row->real, 2, &a);
}

static clstm_status code_gelu(emitter *e, emit_step *s) {
    static const numbers none;
    bool approximate = op_word(s->n, "approximate", "none")[0] == 't';
    return write_formula(e, s, approximate ? "0.5~ * $0 * (1 + tanh~(0.7978845608028654~ * ($0 + 0.044715~ * $0 * $0 * $0)))" : s->row->real, 1, &none);
}

static bool integers(const emit_step *s) { return type_is_integer(s->in[0]->type); }

/* A divisor of zero ends the run, as it does in the runtime. */
static clstm_status plan_division(emitter *e, emit_step *s) {
    (void)e;
    s->fails = integers(s);
    return CLSTM_OK;
}
static clstm_status check_divisor(emitter *e, emit_step *s) {
    emit_walk w = {.rank = 1, .n = 1, .dims = {s->in[1]->count}, .stride = {{emit_fixed(1)}}};
    return integers(s) ? emit_loops(e, &w, emit_say(e, "if (%s[@0] == 0) { *bad = 1; return; }", emit_x(e, s, 1))) : CLSTM_OK;
}

static clstm_status code_div(emitter *e, emit_step *s) {
    UTIL_TRY(check_divisor(e, s));
    return code_plain(e, s);
}

static clstm_status code_mod(emitter *e, emit_step *s) {
    static const numbers none;
    bool fmod_signs = op_attr_int(s->n, "fmod") != 0;
    clstm_type t = s->in[0]->type;
    if (emit_calc(t) == CLSTM_FLOAT || t == CLSTM_DOUBLE) return write_formula(e, s, "fmod~($0, $1)", 2, &none);
    UTIL_TRY(check_divisor(e, s));
    if (type_is_unsigned_int(t)) return write_formula(e, s, "(%t)($0 % $1)", 2, &none);
    return write_formula(e, s, fmod_signs ? "(%t)($1 + 1 == 0 ? 0 : $0 % $1)"
                                          : "(%t)($1 + 1 == 0 ? 0 : $0 % $1 != 0 && ($0 % $1 < 0) != ($1 < 0) ? $0 % $1 + $1 : $0 % $1)", 2, &none);
}

static clstm_status code_pow(emitter *e, emit_step *s) {
    static const numbers none;
    clstm_type x = s->in[0]->type, y = s->in[1]->type;
    bool real_x = emit_calc(x) == CLSTM_FLOAT || x == CLSTM_DOUBLE, real_y = emit_calc(y) == CLSTM_FLOAT || y == CLSTM_DOUBLE;
    if (real_x && emit_calc(x) == emit_calc(y)) {
        clstm_tensor t;
        if (s->in[1]->ir->constant && emit_is(&s->in[1]->count, 1)) {
            UTIL_TRY(emit_data(e, s, 1, &t));
            if (tensor_get_double(&t, 0) == 2) return write_formula(e, s, "$0 * $0", 2, &none);
        }
        return write_formula(e, s, "$1 == 2 ? $0 * $0 : pow~($0, $1)", 2, &none);
    }
    if (real_x) return write_formula(e, s, "(%t)pow($0, (double)$1)", 2, &none);
    if (real_y) {       /* truncated, within the type */
        e->helpers |= x == CLSTM_INT32 ? EMIT_USES_TO_INT32 : EMIT_USES_TO_INT64;
        return write_formula(e, s, x == CLSTM_INT32 ? "to_int32(pow((double)$0, (double)$1))" : "to_int64(pow((double)$0, (double)$1))", 2, &none);
    }
    e->helpers |= EMIT_USES_INT_POW;
    return write_formula(e, s, "(%t)int_pow($0, (int64_t)$1)", 2, &none);
}

static clstm_status code_is_inf(emitter *e, emit_step *s) {
    numbers a = {2, {op_attr_int(s->n, "detect_negative") ? "1" : "0", op_attr_int(s->n, "detect_positive") ? "1" : "0"}};
    return write_formula(e, s, s->row->real, 1, &a);
}

/* Sum, Max, Min, Mean: the first two inputs, then each further one onto the result. */
static clstm_status code_variadic(emitter *e, emit_step *s) {
    static const numbers none;
    const char *op = for_type(s), *x[2];
    emit_walk w;
    if (!op) return no_type(e, s);
    int n = s->n->n_in;
    UTIL_TRY(write_formula(e, s, n == 1 ? "$0" : op, n == 1 ? 1 : 2, &none));
    for (int i = 2; i < n; i++) {
        UTIL_TRY(start_walk(e, s->out[0], &w));
        UTIL_TRY(emit_broadcast_strides(e, s->in[i], &w, w.stride[w.n++]));
        x[0] = emit_load(e, s->out[0]->type, "y0[@0]");
        UTIL_TRY(operand(e, s, i, 1, &x[1]));
        UTIL_TRY(emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", emit_store(e, s->out[0]->type, formula(e, op, s->in[0]->type, 2, x, &none)))));
    }
    if (strcmp(s->row->name, "Mean") != 0 || n == 1) return CLSTM_OK;
    UTIL_TRY(start_walk(e, s->out[0], &w));
    x[0] = emit_load(e, s->out[0]->type, "y0[@0]");
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", emit_store(e, s->out[0]->type, emit_say(e, "%s / %d", x[0], n))));
}

/* ---- Clip: y = min(max(x, low), high), NaN stays NaN ------------------------------------------------------------------------------------------ */

static clstm_status code_clip(emitter *e, emit_step *s) {
    static const char *const sides[2] = {"min", "max"};
    static const numbers none;
    const char *text = "$0";
    const char *limit[2] = {NULL, NULL}, *x;
    emit_walk w;
    for (int k = 0; k < 2; k++) {
        if (emit_has(s, k + 1)) {
            if (s->in[k + 1]->ir->constant) UTIL_TRY(operand(e, s, k + 1, 0, &limit[k]));
            else limit[k] = emit_load(e, s->in[0]->type, emit_say(e, "%s[0]", emit_x(e, s, k + 1)));
        } else if (ir_attr_find(s->n, sides[k])) limit[k] = emit_real(e, s->in[0]->type, (double)op_attr_float(s->n, sides[k]));
    }
    UTIL_TRY(start_walk(e, s->out[0], &w));
    UTIL_TRY(emit_broadcast_strides(e, s->in[0], &w, w.stride[w.n++]));
    UTIL_TRY(operand(e, s, 0, 1, &x));
    text = formula(e, text, s->in[0]->type, 1, &x, &none);
    const char *ctype = emit_ctype(emit_calc(s->in[0]->type)), *body = emit_say(e, "%s v = %s;", ctype, text);
    if (limit[0]) body = emit_say(e, "%s\nif (v < %s) v = %s;", body, limit[0], limit[0]);
    if (limit[1]) body = emit_say(e, "%s\nif (v > %s) v = %s;", body, limit[1], limit[1]);
    return emit_loops(e, &w, emit_say(e, "%s\ny0[@0] = %s;", body, emit_store(e, s->out[0]->type, "v")));
}

/* The limits may be views of what lies anywhere: they are no shape. */
static clstm_status shape_clip(emitter *e, emit_step *s) { return emit_shape_same(e, s); }

/* ---- Cast ---------------------------------------------------------------------------------------------------------------------------------- */

static const char *saturated(clstm_type to) {
    switch (to) {
    case CLSTM_INT8: return "$0 != $0 ? 0 : $0 <= -128 ? -128 : $0 >= 127 ? 127 : (int8_t)$0";
    case CLSTM_INT16: return "$0 != $0 ? 0 : $0 <= -32768 ? -32768 : $0 >= 32767 ? 32767 : (int16_t)$0";
    case CLSTM_INT32: return "$0 != $0 ? 0 : $0 <= -0x1p31 ? INT32_MIN : $0 >= 0x1p31 ? INT32_MAX : (int32_t)$0";
    case CLSTM_INT64: return "$0 != $0 ? 0 : $0 <= -0x1p63 ? INT64_MIN : $0 >= 0x1p63 ? INT64_MAX : (int64_t)$0";
    case CLSTM_UINT8: return "$0 != $0 || $0 <= 0 ? 0 : $0 >= 255 ? 255 : (uint8_t)$0";
    case CLSTM_UINT16: return "$0 != $0 || $0 <= 0 ? 0 : $0 >= 65535 ? 65535 : (uint16_t)$0";
    case CLSTM_UINT32: return "$0 != $0 || $0 <= 0 ? 0 : $0 >= 0x1p32 ? UINT32_MAX : (uint32_t)$0";
    default: return "$0 != $0 || $0 <= 0 ? 0 : $0 >= 0x1p64 ? UINT64_MAX : (uint64_t)$0";
    }
}

static clstm_status code_cast(emitter *e, emit_step *s) {
    static const numbers none;
    clstm_type from = s->in[0]->type, to = s->out[0]->type;
    bool real_from = emit_calc(from) == CLSTM_FLOAT || from == CLSTM_DOUBLE, real_to = emit_calc(to) == CLSTM_FLOAT || to == CLSTM_DOUBLE;
    if (from == to) return write_formula(e, s, "$0", 1, &none);
    if (to == CLSTM_BOOL) return write_formula(e, s, "$0 != 0", 1, &none);
    if (real_from && !real_to) return write_formula(e, s, saturated(to), 1, &none);
    if (emit_calc(to) != to && from != CLSTM_FLOAT && emit_calc(from) == from && clstm_type_size(from) > 2) {        /* not to be rounded twice */
        if (clstm_type_size(from) > 4 && from != CLSTM_DOUBLE) return emit_refuse(e, emit_say(e, "Cast from %s to %s", clstm_type_name(from), clstm_type_name(to)));
        e->helpers |= EMIT_USES_ODD;
        return write_formula(e, s, "odd((double)$0)", 1, &none);
    }
    return write_formula(e, s, emit_say(e, "(%s)$0", emit_ctype(emit_calc(to))), 1, &none);
}

static clstm_status shape_cast(emitter *e, emit_step *s) {
    emit_value *v = s->out[0];
    int64_t n;
    UTIL_TRY(emit_shape_same(e, s));
    v->zero = s->in[0]->zero;
    if (!s->in[0]->known) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    if (!v->known || !emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    for (int64_t i = 0; i < n; i++) {
        v->known[i] = s->in[0]->known[i];
        if (v->type != CLSTM_BOOL) continue;
        if (emit_symbols(&v->known[i])) return emit_pin(e, emit_symbols(&v->known[i]));
        v->known[i] = emit_fixed(!emit_is(&v->known[i], 0));
    }
    return CLSTM_OK;
}

/* A formula that looks at the sign has another for numbers without one. */
#define UNARY_SIGNED(op, real_text, integer_text, natural_text) \
    {.name = op, .shape = emit_shape_same, .code = code_plain, .flags = EMIT_IN_PLACE, .real = real_text, .integer = integer_text, .natural = natural_text}
#define UNARY(op, real_text, integer_text) \
    {.name = op, .shape = emit_shape_same, .code = code_plain, .flags = EMIT_IN_PLACE, .real = real_text, .integer = integer_text}
#define FUNCTION(op, function) UNARY(op, function "~($0)", NULL)
#define WITH(op, how, real_text) {.name = op, .shape = emit_shape_same, .code = how, .flags = EMIT_IN_PLACE, .real = real_text}
#define BINARY(op, real_text, integer_text) \
    {.name = op, .shape = emit_shape_broadcast, .code = code_plain, .flags = EMIT_IN_PLACE, .real = real_text, .integer = integer_text}
#define WRAPPING(op, sign) BINARY(op, "$0 " sign " $1", "(%t)((%u)$0 " sign " (%u)$1)")
#define COMPARE(op, sign) BINARY(op, "$0 " sign " $1", "$0 " sign " $1")
#define VARIADIC(op, real_text, integer_text) \
    {.name = op, .shape = emit_shape_broadcast, .code = code_variadic, .real = real_text, .integer = integer_text}

const emit_row emit_rows_elementwise[] = {
    FUNCTION("Sqrt", "sqrt"), FUNCTION("Exp", "exp"), FUNCTION("Log", "log"), FUNCTION("Erf", "erf"), FUNCTION("Tanh", "tanh"), FUNCTION("Sin", "sin"),
    FUNCTION("Cos", "cos"), FUNCTION("Tan", "tan"), FUNCTION("Asin", "asin"), FUNCTION("Acos", "acos"), FUNCTION("Atan", "atan"), FUNCTION("Sinh", "sinh"),
    FUNCTION("Cosh", "cosh"), FUNCTION("Asinh", "asinh"), FUNCTION("Acosh", "acosh"), FUNCTION("Atanh", "atanh"), FUNCTION("Ceil", "ceil"),
    FUNCTION("Floor", "floor"), FUNCTION("Round", "nearbyint"),
    UNARY_SIGNED("Abs", "fabs~($0)", "(%t)($0 < 0 ? 0 - (%u)$0 : (%u)$0)", "$0"), UNARY("Neg", "-$0", "(%t)(0 - (%u)$0)"),
    UNARY_SIGNED("Sign", "(%t)($0 > 0 ? 1 : $0 < 0 ? -1 : $0)", "($0 > 0) - ($0 < 0)", "$0 > 0"), UNARY("Relu", "$0 < 0 ? 0 : $0", "$0 < 0 ? 0 : $0"),
    UNARY("Reciprocal", "1 / $0", NULL), UNARY("Softsign", "$0 / (1 + fabs~($0))", NULL),
    UNARY("Sigmoid", "$0 < 0 ? exp~($0) / (1 + exp~($0)) : 1 / (1 + exp~(-$0))", NULL),
    UNARY("Softplus", "$0 > 0 ? $0 + log1p~(exp~(-$0)) : log1p~(exp~($0))", NULL), UNARY("Not", NULL, "!$0"),
    UNARY("HardSwish", "$0 * ($0 < -3 ? 0 : $0 > 3 ? 1 : $0 / 6 + 0.5~)", NULL), UNARY("IsNaN", "$0 != $0", NULL), UNARY("BitwiseNot", NULL, "(%t)($0 ^ (%t)-1)"),
    UNARY("Mish", "$0 == -INFINITY ? 0 : $0 * tanh~($0 > 0 ? $0 + log1p~(exp~(-$0)) : log1p~(exp~($0)))", NULL),
    WITH("IsInf", code_is_inf, "(#0 && $0 == -INFINITY) || (#1 && $0 == INFINITY)"), WITH("Gelu", code_gelu, "$0 == -INFINITY ? 0 : 0.5~ * $0 * erfc~(-$0 * 0.70710678118654752~)"),
    WITH("Elu", code_alpha, "$0 < 0 ? #0 * expm1~($0) : $0"), WITH("Celu", code_alpha, "$0 < 0 ? #0 * expm1~($0 / #0) : $0"),
    WITH("LeakyRelu", code_alpha, "$0 < 0 ? #0 * $0 : $0"), WITH("ThresholdedRelu", code_alpha, "$0 > #0 ? $0 : 0"),
    WITH("Swish", code_alpha, "$0 / (1 + exp~(-(#0 * $0)))"),
    WITH("HardSigmoid", code_alpha_beta, "#0 * $0 + #1 < 0 ? 0 : #0 * $0 + #1 > 1 ? 1 : #0 * $0 + #1"),
    WITH("Selu", code_selu, "#1 * ($0 > 0 ? $0 : #0 * expm1~($0))"), WITH("Shrink", code_shrink, "$0 < -#1 ? $0 + #0 : $0 > #1 ? $0 - #0 : 0"),
    WRAPPING("Add", "+"), WRAPPING("Sub", "-"), WRAPPING("Mul", "*"),
    {.name = "Div", .shape = emit_shape_broadcast, .code = code_div, .plan = plan_division, .flags = EMIT_IN_PLACE, .real = "$0 / $1",
     .integer = "(%t)($1 + 1 == 0 ? (%t)(0 - (%u)$0) : $0 / $1)", .natural = "(%t)($0 / $1)"},
    {.name = "Mod", .shape = emit_shape_broadcast, .code = code_mod, .plan = plan_division, .flags = EMIT_IN_PLACE}, {.name = "Pow", .shape = emit_shape_broadcast, .code = code_pow},
    {.name = "BitShift", .shape = emit_shape_broadcast, .code = code_shift, .flags = EMIT_IN_PLACE},
    {.name = "SwiGLU", .shape = emit_shape_broadcast, .code = code_swiglu, .flags = EMIT_IN_PLACE, .real = "(%t)((#0 * (double)$0 == -INFINITY ? -0.0 : (double)$0 / (1 + exp(-(#0 * (double)$0)))) * (double)$1)"},
    BINARY("PRelu", "$0 < 0 ? $0 * $1 : $0", NULL),
    COMPARE("Equal", "=="), COMPARE("Less", "<"), COMPARE("Greater", ">"), COMPARE("LessOrEqual", "<="), COMPARE("GreaterOrEqual", ">="),
    BINARY("And", NULL, "$0 && $1"), BINARY("Or", NULL, "$0 || $1"), BINARY("Xor", NULL, "!$0 != !$1"), BINARY("BitwiseAnd", NULL, "(%t)($0 & $1)"),
    BINARY("BitwiseOr", NULL, "(%t)($0 | $1)"), BINARY("BitwiseXor", NULL, "(%t)($0 ^ $1)"),
    {.name = "Where", .shape = emit_shape_broadcast, .code = code_plain, .real = "$0 ? $1 : $2", .integer = "$0 ? $1 : $2"},
    VARIADIC("Sum", "$0 + $1", "(%t)((%u)$0 + (%u)$1)"), VARIADIC("Mean", "$0 + $1", NULL), VARIADIC("Max", "$0 != $0 || $0 > $1 ? $0 : $1", "$0 > $1 ? $0 : $1"),
    VARIADIC("Min", "$0 != $0 || $0 < $1 ? $0 : $1", "$0 < $1 ? $0 : $1"),
    {.name = "Clip", .shape = shape_clip, .code = code_clip}, {.name = "Cast", .shape = shape_cast, .code = code_cast},
    {.name = "CastLike", .shape = shape_cast, .code = code_cast, .parameters = 2}, {.name = NULL}};
