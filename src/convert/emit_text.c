/* convert/emit_text: how sizes, names, types and numbers are written in C. Nothing here depends on the locale. */
#include "convert/emit.h"

#include "tensor/tensor.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(emit_string *s, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0 || s->failed || !util_grow((void **)&s->text, &s->capacity, s->size + (size_t)n + 1, 1)) s->failed = true;
    else {
        vsnprintf(s->text + s->size, (size_t)n + 1, format, again);
        s->size += (size_t)n;
    }
    va_end(again);
}

void emit_put(emit_string *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    put(s, format, args);
    va_end(args);
}

void emit_append(emit_string *s, const emit_string *more) {
    s->failed |= more->failed;
    if (s->failed || !more->size) return;
    if (!util_grow((void **)&s->text, &s->capacity, s->size + more->size + 1, 1)) { s->failed = true; return; }
    memcpy(s->text + s->size, more->text, more->size + 1);
    s->size += more->size;
}

void emit_line(emitter *e, int depth, const char *format, ...) {
    va_list args;
    emit_put(&e->code, "%*s", 4 * depth, "");
    va_start(args, format);
    put(&e->code, format, args);
    va_end(args);
    emit_put(&e->code, "\n");
}

void emit_call(emitter *e, const char *format, ...) {
    va_list args;
    emit_put(&e->calls, "%*s", 4 * (e->depth + 1), "");
    va_start(args, format);
    put(&e->calls, format, args);
    va_end(args);
    emit_put(&e->calls, "\n");
}

const char *emit_say(emitter *e, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *out = n < 0 ? NULL : util_arena_alloc(&e->arena, (size_t)n + 1, 1);
    if (out) vsnprintf(out, (size_t)n + 1, format, again);
    else e->failed = true;
    va_end(again);
    va_end(args);
    return out ? out : "";
}

/* ---- sizes ------------------------------------------------------------------------------------------------------------------------ */

const char *emit_size(emitter *e, const emit_dim *d) {
    const char *sum = "";
    int factors = 0;
    for (int t = 0; t < d->n; t++) {
        const emit_term *m = &d->term[t];
        bool symbols = false;
        for (int k = 0; k < EMIT_SYMBOLS; k++) symbols |= m->power[k] > 0;
        int64_t c = m->c < 0 ? -m->c : m->c;
        const char *term = c != 1 || !symbols ? emit_say(e, "%lld", (long long)c) : "";
        factors += term[0] != 0;
        for (int k = 0; k < EMIT_SYMBOLS; k++)
            for (int p = 0; p < m->power[k]; p++, factors++) term = emit_say(e, "%s%s%s_DIM%d", term, term[0] ? " * " : "", e->macro, k);
        sum = t ? emit_say(e, "%s %c %s", sum, m->c < 0 ? '-' : '+', term) : emit_say(e, "%s%s", m->c < 0 ? "-" : "", term);
    }
    if (!d->n) return "0";
    return factors > 1 || d->term[0].c < 0 ? emit_say(e, "(%s)", sum) : sum;
}

/* ---- names ------------------------------------------------------------------------------------------------------------------------- */

/* Plain ASCII stays; everything that could end a string or a comment, begin a trigraph or join lines becomes \ooo. */
const char *emit_quoted(emitter *e, const char *name) {
    char *out = util_arena_alloc(&e->arena, 4 * strlen(name) + 3, 1), *to = out;
    if (!out) { e->failed = true; return "\"\""; }
    *to++ = '"';
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        if (*c > ' ' && *c < 127 && !strchr("\"\\*?%", *c)) *to++ = (char)*c;
        else if (*c == ' ') *to++ = ' ';
        else to += sprintf(to, "\\%03o", (unsigned)*c);
    }
    *to = '"';
    return out;
}

/* ---- types and numbers --------------------------------------------------------------------------------------------------------------- */

const char *emit_ctype(clstm_type type) {
    switch (type) {
    case CLSTM_FLOAT: return "float";
    case CLSTM_DOUBLE: return "double";
    case CLSTM_FLOAT16: case CLSTM_BFLOAT16: case CLSTM_UINT16: return "uint16_t";
    case CLSTM_BOOL: case CLSTM_UINT8: return "uint8_t";
    case CLSTM_INT8: return "int8_t";
    case CLSTM_INT16: return "int16_t";
    case CLSTM_INT32: return "int32_t";
    case CLSTM_INT64: return "int64_t";
    case CLSTM_UINT32: return "uint32_t";
    case CLSTM_UINT64: return "uint64_t";
    default: return NULL;
    }
}

clstm_type emit_calc(clstm_type type) { return type == CLSTM_FLOAT16 || type == CLSTM_BFLOAT16 ? CLSTM_FLOAT : type; }

/* Hexadecimal, so exact and the same everywhere; printf's %a would use the locale's point. */
static void real_text(char *out, double v, bool single) {
    int exponent;
    const char *suffix = single ? "f" : "";
    if (v != v) { strcpy(out, "NAN"); return; }
    if (isinf(v)) { strcpy(out, v < 0 ? "-INFINITY" : "INFINITY"); return; }
    const char *sign = signbit(v) ? "-" : "";
    if (v == 0) { sprintf(out, "%s0x0p0%s", sign, suffix); return; }
    if (fabs(v) < 1e6 && v == floor(v)) { sprintf(out, "%s%d.0%s", sign, (int)fabs(v), suffix); return; }
    uint64_t bits = (uint64_t)ldexp(frexp(fabs(v), &exponent), 53);    /* [2^52, 2^53) */
    char digits[16];
    int n = sprintf(digits, "%013llx", (unsigned long long)(bits & ((1ull << 52) - 1)));
    while (n > 0 && digits[n - 1] == '0') n--;
    digits[n] = 0;
    sprintf(out, "%s0x1%s%sp%d%s", sign, n ? "." : "", digits, exponent - 1, suffix);
}

const char *emit_real(emitter *e, clstm_type type, double v) {
    char text[64];
    real_text(text, v, emit_calc(type) == CLSTM_FLOAT);
    return emit_say(e, "%s", text);
}

static void number_text(char *out, clstm_type type, const clstm_tensor *from, int64_t i) {
    switch (type) {
    case CLSTM_FLOAT: case CLSTM_DOUBLE: real_text(out, tensor_get_double(from, i), type == CLSTM_FLOAT); break;
    case CLSTM_FLOAT16: case CLSTM_BFLOAT16: sprintf(out, "%u", (unsigned)((const uint16_t *)from->data)[i]); break;
    case CLSTM_INT64: {
        long long v = ((const int64_t *)from->data)[i];
        if (v == INT64_MIN) strcpy(out, "INT64_MIN");
        else sprintf(out, v > INT32_MAX || v < -INT32_MAX ? "INT64_C(%lld)" : "%lld", v);
        break;
    }
    case CLSTM_UINT64: sprintf(out, "UINT64_C(%llu)", (unsigned long long)((const uint64_t *)from->data)[i]); break;
    case CLSTM_UINT32: sprintf(out, "%lluu", (unsigned long long)((const uint32_t *)from->data)[i]); break;
    default: {
        long long v = tensor_get_int(from, i);
        if (v == INT32_MIN) strcpy(out, "INT32_MIN");
        else sprintf(out, "%lld", v);
    }
    }
}

/* One element, as a value to compute with. */
const char *emit_literal(emitter *e, clstm_type type, const clstm_tensor *from, int64_t i) {
    char text[64];
    if (emit_calc(type) != type) return emit_real(e, CLSTM_FLOAT, tensor_get_double(from, i));
    number_text(text, type, from, i);
    return emit_say(e, text[0] == '-' ? "(%s)" : "%s", text);
}

void emit_array(emitter *e, clstm_type type, const clstm_tensor *data) {
    char text[64];
    int64_t n = clstm_tensor_count(data);
    size_t column = 0;
    for (int64_t i = 0; i < n; i++) {
        number_text(text, type, data, i);
        size_t length = strlen(text) + 2;
        if (!i || column + length > 120) { emit_put(&e->constants, "%s", i ? "\n    " : "    "); column = 4; }
        emit_put(&e->constants, "%s%s", text, i + 1 < n ? ", " : "");
        column += length;
    }
}

const char *emit_load(emitter *e, clstm_type type, const char *element) {
    if (emit_calc(type) == type) return element;
    e->helpers |= type == CLSTM_FLOAT16 ? EMIT_READS_HALF : EMIT_READS_BFLOAT;
    return emit_say(e, "%s(%s)", type == CLSTM_FLOAT16 ? "from_half" : "from_bfloat", element);
}

const char *emit_store(emitter *e, clstm_type type, const char *value) {
    if (emit_calc(type) == type) return value;
    e->helpers |= type == CLSTM_FLOAT16 ? EMIT_WRITES_HALF : EMIT_WRITES_BFLOAT;
    return emit_say(e, "%s(%s)", type == CLSTM_FLOAT16 ? "to_half" : "to_bfloat", value);
}

const char *emit_store_double(emitter *e, clstm_type type, const char *value) {
    if (emit_calc(type) == type) return emit_say(e, "(%s)(%s)", emit_ctype(type), value);
    e->helpers |= EMIT_USES_ODD;
    return emit_store(e, type, emit_say(e, "odd(%s)", value));
}
