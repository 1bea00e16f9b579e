/* util/status: making, extending and escaping error messages. */
#include "util/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [CLSTM_OK] = "ok", [CLSTM_NO_MEMORY] = "no memory", [CLSTM_IO] = "i/o", [CLSTM_BAD_MODEL] = "bad model",
    [CLSTM_UNSUPPORTED] = "unsupported", [CLSTM_BAD_ARGUMENT] = "bad argument", [CLSTM_LIMIT] = "limit",
    [CLSTM_BUSY] = "busy", [CLSTM_CANCELLED] = "cancelled", [CLSTM_NOT_PREPARED] = "not prepared", [CLSTM_INTERNAL] = "internal error",
};

const char *clstm_status_name(clstm_status status) {
    return (unsigned)status < sizeof names / sizeof *names ? names[status] : "unknown";
}

/* Length of the valid UTF-8 sequence at s, of which `left` bytes may be looked at; 0 when it is none (overlong forms, surrogates and
 * values past U+10FFFF included). */
static size_t utf8_length(const unsigned char *s, size_t left) {
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || n > left) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80) return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)) return 0;
    if ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)) return 0;
    return n;
}

/* How many of the first bytes are ASCII and not 0, eight at a time: nearly all of every name. */
static size_t plain_bytes(const unsigned char *s, size_t size) {
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    size_t i = 0;
    for (uint64_t eight; i + 8 <= size; i += 8) {
        memcpy(&eight, s + i, 8);
        if ((eight | (eight - ones)) & high) break;
    }
    return i;
}

bool util_is_text(const void *bytes, size_t size) {
    const unsigned char *s = bytes;
    for (size_t i = plain_bytes(s, size), n; i < size; i += n)
        if (!s[i] || !(n = utf8_length(s + i, size - i))) return false;
    return true;
}

/* Whether the sequence of n bytes at s (0: none) is one that a terminal or a reader is not to see: controls, C1 ones (U+0080..U+009F)
 * included, ends of lines, and what reverses the order of the text around it. */
static bool is_control(const unsigned char *s, size_t n) {
    if (*s < 0x20 || *s == 0x7F) return true;
    if (n == 2) return (*s == 0xC2 && s[1] < 0xA0) || (*s == 0xD8 && s[1] == 0x9C);     /* U+061C */
    if (n != 3 || *s != 0xE2) return false;
    return (s[1] == 0x80 && (s[2] == 0x8E || s[2] == 0x8F || (s[2] >= 0xA8 && s[2] <= 0xAE))) || (s[1] == 0x81 && s[2] >= 0xA6 && s[2] <= 0xA9);
}

const char *util_escape(char *out, size_t size, const char *text) {
    const unsigned char *s = (const unsigned char *)(text ? text : "");
    size_t used = 0;
    if (!size) return out;
    while (*s) {
        size_t n = utf8_length(s, 4);
        bool control = *s == '"' || *s == '\\' || is_control(s, n);
        size_t need = n && !control ? n : 4;
        if (used + need + 4 > size) {
            if (used + 4 <= size) { memcpy(out + used, "...", 3); used += 3; }
            break;
        }
        if (n && !control) { memcpy(out + used, s, n); s += n; }
        else { snprintf(out + used, 5, "\\x%02x", *s); s++; }
        used += need;
    }
    out[used] = 0;
    return out;
}

/* Messages are one line whatever went into them. */
static void one_line(char *text) {
    for (unsigned char *s = (unsigned char *)text; *s;) {
        size_t n = utf8_length(s, 4);
        bool bad = !n || is_control(s, n);
        for (size_t i = 0; i < (n ? n : 1); i++, s++)
            if (bad) *s = '?';
    }
}

clstm_status util_fail(clstm_error *err, clstm_status status, const char *format, ...) {
    if (!err) return status;
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    one_line(err->message);
    err->status = status;
    return status;
}

clstm_status util_context(clstm_error *err, clstm_status status, const char *format, ...) {
    if (!err) return status;
    char context[512], old[sizeof err->message];
    va_list ap;
    va_start(ap, format);
    vsnprintf(context, sizeof context, format, ap);
    va_end(ap);
    memcpy(old, err->message, sizeof old);
    old[sizeof old - 1] = 0;
    size_t n = strlen(context);
    memcpy(err->message, context, n);
    if (n + 2 < sizeof err->message) {
        memcpy(err->message + n, ": ", 2);
        size_t room = sizeof err->message - n - 3, m = strlen(old);
        if (m > room) m = room;
        memcpy(err->message + n + 2, old, m);
        err->message[n + 2 + m] = 0;
    }
    one_line(err->message);
    err->status = status;
    return status;
}

clstm_status util_no_memory(clstm_error *err) { return util_fail(err, CLSTM_NO_MEMORY, "out of memory"); }
