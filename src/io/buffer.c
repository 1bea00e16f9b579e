/* io/buffer: text and bytes put together in memory, numbers and escapes included, then written at once.
 * printf and strtod are used as they are: no tool calls setlocale, so they work in the C locale. */
#include "io/buffer.h"

#include "io/value.h"
#include "io/whole_file.h"
#include "util/alloc.h"
#include "util/status.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void io_buffer_free(io_buffer *b) {
    free(b->data);
    memset(b, 0, sizeof *b);
}

static char *room(io_buffer *b, size_t size) {
    size_t need;
    if (b->failed || __builtin_add_overflow(b->size, size, &need) || !util_grow((void **)&b->data, &b->capacity, need, 1)) {
        b->failed = true;
        return NULL;
    }
    return b->data + b->size;
}

void io_put(io_buffer *b, const void *bytes, size_t size) {
    char *p = size ? room(b, size) : NULL;
    if (!p) return;
    memcpy(p, bytes, size);
    b->size += size;
}

void io_puts(io_buffer *b, const char *text) { io_put(b, text, strlen(text)); }

void io_putf(io_buffer *b, const char *format, ...) {
    char small[512];
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof small) io_put(b, small, (size_t)n);
    else if (n >= 0) {
        char *p = room(b, (size_t)n + 1);
        if (p) { vsnprintf(p, (size_t)n + 1, format, again); b->size += (size_t)n; }
    } else b->failed = true;
    va_end(again);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------------- */

static const char *not_finite(double v) { return isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"; }

static bool reads_back(clstm_type type, const char *text, double value) {
    double v = strtod(text, NULL);
    switch (type) {
    case CLSTM_FLOAT: return strtof(text, NULL) == (float)value;
    case CLSTM_FLOAT16: return io_half_from_double(v) == io_half_from_double(value);
    case CLSTM_BFLOAT16: return io_bfloat_from_double(v) == io_bfloat_from_double(value);
    default: return v == value;
    }
}

const char *io_element_text(char *out, size_t size, const clstm_tensor *t, int64_t i) {
    if (!io_type_is_float(t->type)) {
        if (t->type == CLSTM_BOOL) snprintf(out, size, "%s", io_get_int(t, i) ? "true" : "false");
        else if (t->type == CLSTM_UINT64) snprintf(out, size, "%" PRIu64, (uint64_t)io_get_int(t, i));
        else snprintf(out, size, "%" PRId64, io_get_int(t, i));
        return out;
    }
    double v = io_get(t, i);
    if (!isfinite(v)) { snprintf(out, size, "%s", not_finite(v)); return out; }
    int first = t->type == CLSTM_DOUBLE ? 15 : t->type == CLSTM_FLOAT ? 6 : 3, last = t->type == CLSTM_DOUBLE ? 17 : t->type == CLSTM_FLOAT ? 9 : 5;
    for (int digits = first; digits <= last; digits++) {
        snprintf(out, size, "%.*g", digits, v);
        if (reads_back(t->type, out, v)) break;
    }
    return out;
}

void io_put_element(io_buffer *b, const clstm_tensor *t, int64_t i) {
    char text[40];
    io_puts(b, io_element_text(text, sizeof text, t, i));
}

const char *io_real_text(char *out, size_t size, double v) {
    if (!isfinite(v)) snprintf(out, size, "%s", not_finite(v));
    else snprintf(out, size, "%.6g", v);
    return out;
}

void io_put_json_number(io_buffer *b, double v) {
    if (isnan(v)) io_puts(b, "\"NaN\"");
    else if (isinf(v)) io_puts(b, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else {
        clstm_tensor t = clstm_tensor_view(CLSTM_DOUBLE, 0, NULL, &v);
        io_put_element(b, &t, 0);
    }
}

/* ---- escapes ----------------------------------------------------------------------------------------------------------- */

/* Decodes one character; *length is how many bytes it takes (1 for an invalid one, which gives U+FFFD). */
static uint32_t decode(const unsigned char *s, size_t *length) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF8 ? 4 : 0;
    *length = 1;
    if (n == 1) return s[0];
    if (!n) return 0xFFFD;
    uint32_t c = s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0xFFFD;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    if (c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0xFFFD;
    *length = n;
    return c;
}

/* What drives a terminal, ends a line, or reverses the order of the text around it; below U+0020 the formats differ. */
static bool is_control(uint32_t c) {
    return (c >= 0x7F && c < 0xA0) || c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void io_put_json(io_buffer *b, const char *text) {
    io_puts(b, "\"");
    for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
        size_t n;
        uint32_t c = decode(s, &n);
        if (c == '"' || c == '\\') io_putf(b, "\\%c", (int)c);
        else if (c == '\n') io_puts(b, "\\n");
        else if (c < 0x20 || is_control(c)) io_putf(b, "\\u%04x", (unsigned)c);
        else if (c == 0xFFFD) io_puts(b, "\xEF\xBF\xBD");
        else io_put(b, s, n);
        s += n;
    }
    io_puts(b, "\"");
}

void io_put_xml(io_buffer *b, const char *text) {
    for (const unsigned char *s = (const unsigned char *)(text ? text : ""); *s;) {
        size_t n;
        uint32_t c = decode(s, &n);
        if (c == '<') io_puts(b, "&lt;");
        else if (c == '>') io_puts(b, "&gt;");
        else if (c == '&') io_puts(b, "&amp;");
        else if (c == '"') io_puts(b, "&quot;");
        else if (c == '\n' || c == '\t') io_puts(b, " ");
        else if (c < 0x20 || is_control(c) || c >= 0xFFFD) {
            if (c > 0xFFFF) io_put(b, s, n); else io_puts(b, "\xEF\xBF\xBD");
        } else io_put(b, s, n);
        s += n;
    }
}

const char *io_escape(char *out, size_t size, const char *text) { return util_escape(out, size, text); }

/* ---- out ----------------------------------------------------------------------------------------------------------------- */

clstm_status io_buffer_write(const io_buffer *b, const char *path, clstm_error *err) {
    if (b->failed) return util_no_memory(err);
    if (!strcmp(path, "-")) {
        if (fwrite(b->data, 1, b->size, stdout) != b->size || fflush(stdout))
            return util_fail(err, CLSTM_IO, "cannot write standard output: %s", strerror(errno));
        return CLSTM_OK;
    }
    return io_file_write(path, b->data, b->size, err);
}
