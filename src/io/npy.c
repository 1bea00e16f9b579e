/* io/npy: numpy's array format. The header is a Python dictionary in text; only the three keys that the format defines are taken. */
#include "io/npy.h"

#include "io/value.h"
#include "util/alloc.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct header { clstm_type type; bool swapped, fortran; int rank; int64_t dims[CLSTM_MAX_RANK]; } header;
typedef struct cursor { const char *at, *end; } cursor;

static const struct { char kind; unsigned size; clstm_type type; } kinds[] = {
    {'f', 4, CLSTM_FLOAT}, {'f', 8, CLSTM_DOUBLE}, {'f', 2, CLSTM_FLOAT16}, {'b', 1, CLSTM_BOOL}, {'i', 1, CLSTM_INT8},
    {'i', 2, CLSTM_INT16}, {'i', 4, CLSTM_INT32}, {'i', 8, CLSTM_INT64}, {'u', 1, CLSTM_UINT8}, {'u', 2, CLSTM_UINT16},
    {'u', 4, CLSTM_UINT32}, {'u', 8, CLSTM_UINT64}, {'c', 8, CLSTM_COMPLEX64}, {'c', 16, CLSTM_COMPLEX128},
};

static void skip_space(cursor *c) { while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t')) c->at++; }

static bool take(cursor *c, char what) {
    skip_space(c);
    if (c->at >= c->end || *c->at != what) return false;
    c->at++;
    return true;
}

/* A quoted word without escapes. */
static bool take_word(cursor *c, char *out, size_t size) {
    skip_space(c);
    if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
    char quote = *c->at++;
    size_t n = 0;
    while (c->at < c->end && *c->at != quote) {
        if (n + 1 >= size) return false;
        out[n++] = *c->at++;
    }
    out[n] = 0;
    return take(c, quote);
}

static bool take_bool(cursor *c, bool *out) {
    skip_space(c);
    size_t left = (size_t)(c->end - c->at);
    if (left >= 4 && !memcmp(c->at, "True", 4)) { c->at += 4; *out = true; return true; }
    if (left >= 5 && !memcmp(c->at, "False", 5)) { c->at += 5; *out = false; return true; }
    return false;
}

static bool take_int(cursor *c, int64_t *out) {
    skip_space(c);
    const char *start = c->at;
    int64_t v = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!util_mul(v, 10, &v) || !util_add(v, *c->at - '0', &v)) return false;
    if (c->at == start) return false;
    if (c->at < c->end && *c->at == 'L') c->at++;       /* Python 2 wrote 3L */
    *out = v;
    return true;
}

static clstm_status take_shape(cursor *c, header *h, clstm_error *err) {
    if (!take(c, '(')) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header: shape is no tuple");
    h->rank = 0;
    while (!take(c, ')')) {
        if (h->rank == CLSTM_MAX_RANK) return util_fail(err, CLSTM_UNSUPPORTED, "npy header: more than %d dimensions", CLSTM_MAX_RANK);
        if (!take_int(c, &h->dims[h->rank++])) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header: bad dimension");
        if (!take(c, ',')) {
            if (take(c, ')')) break;
            return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header: shape is no tuple");
        }
    }
    return CLSTM_OK;
}

static clstm_status type_of(const char *descr, header *h, clstm_error *err) {
    char name[64];
    const char *s = descr;
    bool big = *s == '>';
    if (*s == '<' || *s == '>' || *s == '|' || *s == '=') s++;
    unsigned size = 0;
    for (const char *d = *s ? s + 1 : s; *d >= '0' && *d <= '9' && size < 1000; d++) size = size * 10 + (unsigned)(*d - '0');
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].kind == *s && kinds[i].size == size && strspn(s + 1, "0123456789") == strlen(s + 1)) {
            h->type = kinds[i].type;
            h->swapped = big && size > 1;
            return CLSTM_OK;
        }
    return util_fail(err, CLSTM_UNSUPPORTED, "npy arrays of type '%s'", util_escape(name, sizeof name, descr));
}

static clstm_status parse_header(const char *text, size_t size, header *h, clstm_error *err) {
    cursor c = {text, text + size};
    char key[32], descr[32];
    bool have_type = false, have_order = false, have_shape = false;
    if (!take(&c, '{')) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header is no dictionary");
    while (!take(&c, '}')) {
        if (!take_word(&c, key, sizeof key) || !take(&c, ':')) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header is damaged");
        if (!strcmp(key, "descr")) {
            if (!take_word(&c, descr, sizeof descr)) return util_fail(err, CLSTM_UNSUPPORTED, "npy arrays of records");
            UTIL_TRY(type_of(descr, h, err));
            have_type = true;
        } else if (!strcmp(key, "fortran_order")) {
            if (!take_bool(&c, &h->fortran)) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header: bad fortran_order");
            have_order = true;
        } else if (!strcmp(key, "shape")) {
            UTIL_TRY(take_shape(&c, h, err));
            have_shape = true;
        } else return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header: unknown key");
        if (!take(&c, ',')) {
            if (take(&c, '}')) break;
            return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header is damaged");
        }
    }
    if (!have_type || !have_order || !have_shape) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header lacks descr, fortran_order or shape");
    return CLSTM_OK;
}

/* Where element `index` (row-major) of the shape lies in Fortran order. */
static size_t fortran_index(const header *h, int64_t index) {
    size_t at = 0;
    for (int i = h->rank - 1; i >= 0; i--) {
        int64_t stride = 1;
        for (int k = 0; k < i; k++) stride *= h->dims[k];
        at += (size_t)(index % h->dims[i] * stride);
        index /= h->dims[i];
    }
    return at;
}

static void swap_bytes(unsigned char *p, size_t unit, size_t bytes) {
    for (size_t at = 0; at < bytes; at += unit)
        for (size_t i = 0; i < unit / 2; i++) {
            unsigned char b = p[at + i];
            p[at + i] = p[at + unit - 1 - i];
            p[at + unit - 1 - i] = b;
        }
}

clstm_status io_npy_parse(const unsigned char *bytes, size_t size, int64_t max_bytes, clstm_tensor *t, clstm_error *err) {
    header h = {0};
    if (size < 10 || memcmp(bytes, "\x93NUMPY", 6)) return util_fail(err, CLSTM_BAD_ARGUMENT, "not an npy file");
    int version = bytes[6];
    if (version < 1 || version > 3) return util_fail(err, CLSTM_UNSUPPORTED, "npy version %d", version);
    size_t start = version == 1 ? 10 : 12, length = bytes[8] | (size_t)bytes[9] << 8;
    if (version > 1 && size >= 12) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (size < start || length > size - start) return util_fail(err, CLSTM_BAD_ARGUMENT, "npy header is truncated");
    UTIL_TRY(parse_header((const char *)bytes + start, length, &h, err));
    const unsigned char *data = bytes + start + length;
    size_t left = size - start - length, unit = clstm_type_size(h.type);
    clstm_tensor shape = clstm_tensor_view(h.type, h.rank, h.dims, NULL);
    int64_t count = clstm_tensor_count(&shape), need;
    /* Compared before anything is allocated: the header alone cannot make us take memory. */
    if (count < 0 || !util_mul(count, (int64_t)unit, &need) || (uint64_t)need != left)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "npy file has %zu bytes of elements, its shape needs %s", left, count < 0 ? "more than fit" : "another number");
    UTIL_TRY(io_tensor_make(t, h.type, h.rank, h.dims, max_bytes, err));
    if (!h.fortran || h.rank < 2) { if (left) memcpy(t->data, data, left); }
    else for (int64_t i = 0; i < count; i++) memcpy((char *)t->data + (size_t)i * unit, data + fortran_index(&h, i) * unit, unit);
    if (h.swapped) swap_bytes(t->data, h.type == CLSTM_COMPLEX64 || h.type == CLSTM_COMPLEX128 ? unit / 2 : unit, left);
    if (h.type == CLSTM_BOOL)
        for (size_t i = 0; i < left; i++) ((uint8_t *)t->data)[i] = ((uint8_t *)t->data)[i] != 0;
    return CLSTM_OK;
}

clstm_status io_npy_format(const clstm_tensor *t, io_buffer *out, clstm_error *err) {
    clstm_type type = t->type == CLSTM_BFLOAT16 ? CLSTM_FLOAT : t->type;
    char head[512];
    size_t k = 0;
    while (k < sizeof kinds / sizeof *kinds && kinds[k].type != type) k++;
    if (k == sizeof kinds / sizeof *kinds) return util_fail(err, CLSTM_UNSUPPORTED, "npy has no type for %s", clstm_type_name(t->type));
    int used = snprintf(head, sizeof head, "{'descr': '%c%c%u', 'fortran_order': False, 'shape': (", kinds[k].size > 1 ? '<' : '|', kinds[k].kind, kinds[k].size);
    for (int i = 0; i < t->rank; i++)
        used += snprintf(head + used, sizeof head - (size_t)used, "%lld,%s", (long long)t->dims[i], i + 1 < t->rank ? " " : "");
    used += snprintf(head + used, sizeof head - (size_t)used, "), }");
    /* The elements begin at a multiple of 64, as numpy's own writer has it. */
    size_t length = ((size_t)used + 1 + 10 + 63) / 64 * 64 - 10;
    while ((size_t)used + 1 < length) head[used++] = ' ';
    head[used++] = '\n';
    io_put(out, "\x93NUMPY\x01\x00", 8);
    io_put(out, (unsigned char[]){(unsigned char)(length & 255), (unsigned char)(length >> 8)}, 2);
    io_put(out, head, (size_t)used);
    int64_t count = clstm_tensor_count(t);
    if (t->type != CLSTM_BFLOAT16) io_put(out, t->data, (size_t)count * clstm_type_size(t->type));
    else for (int64_t i = 0; i < count; i++) { float f = (float)io_get(t, i); io_put(out, &f, sizeof f); }
    return out->failed ? util_no_memory(err) : CLSTM_OK;
}
