/* api/state: a recurrent state as an object: values in the declared type and shape, and its saved form (doc/state-format.md):
 *
 *   "CLSTMST" 0x01 | u32 parts | parts: u32 name bytes, name, u32 type, u32 rank, i64 dims..., u64 bytes, values | u64 FNV-1a of all before
 *
 * Integers and values are little-endian. */
#include "api/api_internal.h"

#include "tensor/tensor.h"
#include "util/resident.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char magic[8] = {'C', 'L', 'S', 'T', 'M', 'S', 'T', 1};

static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }

/* Type and shape of a part for one lane or all. */
static clstm_status shape_part(const session_part *p, int lanes, clstm_tensor *t, clstm_error *err) {
    char name[128];
    *t = p->value.tensor;
    t->data = NULL;
    if (lanes != 1) return CLSTM_OK;
    if (p->lane_axis < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "state \"%s\" has no batch dimension of its own", util_escape(name, sizeof name, p->name));
    t->dims[p->lane_axis] = 1;
    return CLSTM_OK;
}

/* What a reset writes: the model's constant; for one lane, its first (a constant is the same for every stream or frozen to it). */
static clstm_status copy_initial(const session_part *p, const state_part *part, unsigned char *to, clstm_error *err) {
    const void *data;
    if (!p->initial) { memset(to, 0, part->bytes); return CLSTM_OK; }
    UTIL_TRY(ir_const_data(p->initial, &data, err));
    const clstm_tensor *from = &p->initial->tensor;
    int axis = p->lane_axis < 0 ? 0 : p->lane_axis;
    int64_t outer = tensor_span(from, 0, axis), lanes = from->dims[axis], kept = part->tensor.dims[axis];
    size_t chunk = (size_t)tensor_span(from, axis + 1, from->rank) * clstm_type_size(from->type);
    for (int64_t o = 0; o < outer; o++)
        memcpy(to + (size_t)(o * kept) * chunk, (const unsigned char *)data + (size_t)(o * lanes) * chunk, (size_t)kept * chunk);
    return CLSTM_OK;
}

clstm_status state_make(const session_part *parts, size_t n, int lanes, bool lock, clstm_state **out, clstm_error *err) {
    clstm_state *st = util_calloc(1, sizeof *st);
    *out = NULL;
    if (!st) return util_no_memory(err);
    bool constant = false;
    clstm_status s = (st->parts = util_calloc(n, sizeof *st->parts)) ? CLSTM_OK : util_no_memory(err);
    for (size_t k = 0; k < n && s == CLSTM_OK; k++) {
        state_part *part = &st->parts[k];
        st->n_parts = k + 1;
        constant |= parts[k].initial != NULL;
        s = shape_part(&parts[k], lanes, &part->tensor, err);
        if (s == CLSTM_OK && (!tensor_bytes(&part->tensor, &part->bytes) || !(part->name = util_strdup(parts[k].name)))) s = util_no_memory(err);
        st->bytes += round64(part->bytes);
    }
    if (s == CLSTM_OK && (!(st->memory = util_aligned_alloc(st->bytes)) || (constant && !(st->initial = util_aligned_alloc(st->bytes))))) s = util_no_memory(err);
    unsigned char *at = st->memory;
    for (size_t k = 0; k < n && s == CLSTM_OK; k++) {
        state_part *part = &st->parts[k];
        part->tensor.data = at;
        if (constant) s = copy_initial(&parts[k], part, st->initial + (at - st->memory), err);
        at += round64(part->bytes);
    }
    st->locked = lock;
    if (s == CLSTM_OK && lock) s = util_lock(st->memory, st->bytes, err);
    if (s != CLSTM_OK) { clstm_state_destroy(st); return s; }
    clstm_state_reset(st);
    *out = st;
    return CLSTM_OK;
}

void clstm_state_destroy(clstm_state *st) {
    if (!st) return;
    for (size_t k = 0; k < st->n_parts; k++) free(st->parts[k].name);
    free(st->parts);
    if (st->locked) util_unlock(st->memory, st->bytes);
    util_aligned_free(st->memory);
    util_aligned_free(st->initial);
    free(st);
}

void clstm_state_reset(clstm_state *st) {
    if (st->initial) memcpy(st->memory, st->initial, st->bytes);
    else memset(st->memory, 0, st->bytes);
}

static clstm_status same_parts(const clstm_state *a, const clstm_state *b, clstm_error *err) {
    char name[128];
    if (a->n_parts != b->n_parts) return util_fail(err, CLSTM_BAD_ARGUMENT, "a state of %zu parts for one of %zu", b->n_parts, a->n_parts);
    for (size_t k = 0; k < a->n_parts; k++)
        if (strcmp(a->parts[k].name, b->parts[k].name) || a->parts[k].tensor.type != b->parts[k].tensor.type || !tensor_same_shape(&a->parts[k].tensor, &b->parts[k].tensor))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "state part \"%s\" differs in name, type or shape", util_escape(name, sizeof name, a->parts[k].name));
    return CLSTM_OK;
}

clstm_status clstm_state_copy(clstm_state *to, const clstm_state *from, clstm_error *err) {
    UTIL_TRY(same_parts(to, from, err));
    memcpy(to->memory, from->memory, to->bytes);
    return CLSTM_OK;
}

size_t clstm_state_size(const clstm_state *st) {
    size_t n = 0;
    for (size_t k = 0; k < st->n_parts; k++) n += st->parts[k].bytes;
    return n;
}

bool clstm_state_part(clstm_state *st, size_t k, const char **name, clstm_tensor *tensor) {
    if (k >= st->n_parts) return false;
    *name = st->parts[k].name;
    *tensor = st->parts[k].tensor;
    return true;
}

/* ---- saved form ------------------------------------------------------------------------------------------------------------------ */

static uint64_t checksum(const unsigned char *p, size_t n) {
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}
static unsigned char *put(unsigned char *p, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) *p++ = (unsigned char)(v >> 8 * i);
    return p;
}
static const unsigned char *get(const unsigned char *p, uint64_t *v, int bytes) {
    *v = 0;
    for (int i = 0; i < bytes; i++) *v |= (uint64_t)*p++ << 8 * i;
    return p;
}
static size_t saved_part(const state_part *p) { return 4 + strlen(p->name) + 4 + 4 + 8 * (size_t)p->tensor.rank + 8 + p->bytes; }

size_t clstm_state_saved_size(const clstm_state *st) {
    size_t n = sizeof magic + 4 + 8;
    for (size_t k = 0; k < st->n_parts; k++) n += saved_part(&st->parts[k]);
    return n;
}

clstm_status clstm_state_save(const clstm_state *st, void *buffer, size_t size, clstm_error *err) {
    unsigned char *p = buffer;
    if (size < clstm_state_saved_size(st)) return util_fail(err, CLSTM_BAD_ARGUMENT, "a buffer of %zu bytes for a state of %zu", size, clstm_state_saved_size(st));
    memcpy(p, magic, sizeof magic);
    p = put(p + sizeof magic, st->n_parts, 4);
    for (size_t k = 0; k < st->n_parts; k++) {
        const state_part *part = &st->parts[k];
        size_t name = strlen(part->name);
        p = put(p, name, 4);
        memcpy(p, part->name, name);
        p = put(p + name, (uint64_t)part->tensor.type, 4);
        p = put(p, (uint64_t)part->tensor.rank, 4);
        for (int d = 0; d < part->tensor.rank; d++) p = put(p, (uint64_t)part->tensor.dims[d], 8);
        p = put(p, part->bytes, 8);
        memcpy(p, part->tensor.data, part->bytes);
        p += part->bytes;
    }
    put(p, checksum(buffer, (size_t)(p - (unsigned char *)buffer)), 8);
    return CLSTM_OK;
}

/* What is left of a saved state. */
typedef struct reader { const unsigned char *p, *end; } reader;

/* The next `bytes` bytes are the little-endian number v. */
static bool next_is(reader *r, uint64_t v, int bytes) {
    uint64_t got;
    if (r->end - r->p < bytes) return false;
    r->p = get(r->p, &got, bytes);
    return got == v;
}

/* The saved parts against st's; values are copied when `store`. */
static clstm_status read_parts(clstm_state *st, reader r, bool store, clstm_error *err) {
    char text[128];
    for (size_t k = 0; k < st->n_parts; k++) {
        const state_part *part = &st->parts[k];
        size_t name = strlen(part->name);
        util_escape(text, sizeof text, part->name);
        if (!next_is(&r, name, 4) || (size_t)(r.end - r.p) < name || memcmp(r.p, part->name, name))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "the saved state has another part where \"%s\" is expected", text);
        r.p += name;
        bool same = next_is(&r, (uint64_t)part->tensor.type, 4) && next_is(&r, (uint64_t)part->tensor.rank, 4);
        for (int d = 0; same && d < part->tensor.rank; d++) same = next_is(&r, (uint64_t)part->tensor.dims[d], 8);
        if (!same || !next_is(&r, part->bytes, 8)) return util_fail(err, CLSTM_BAD_ARGUMENT, "saved state part \"%s\" has another type or shape", text);
        if ((size_t)(r.end - r.p) < part->bytes) return util_fail(err, CLSTM_BAD_ARGUMENT, "the saved state is cut short");
        if (store) memcpy(part->tensor.data, r.p, part->bytes);
        r.p += part->bytes;
    }
    return r.p == r.end ? CLSTM_OK : util_fail(err, CLSTM_BAD_ARGUMENT, "the saved state is longer than its parts");
}

clstm_status clstm_state_load(clstm_state *st, const void *buffer, size_t size, clstm_error *err) {
    const unsigned char *p = buffer, *end = p + size;
    uint64_t sum, parts;
    if (size < sizeof magic + 12 || memcmp(p, magic, sizeof magic - 1)) return util_fail(err, CLSTM_BAD_ARGUMENT, "not a saved state");
    if (p[7] != magic[7]) return util_fail(err, CLSTM_BAD_ARGUMENT, "a saved state of version %d, expected %d", p[7], magic[7]);
    get(end - 8, &sum, 8);
    if (sum != checksum(p, size - 8)) return util_fail(err, CLSTM_BAD_ARGUMENT, "the saved state is damaged: its checksum is wrong");
    p = get(p + sizeof magic, &parts, 4);
    if (parts != st->n_parts) return util_fail(err, CLSTM_BAD_ARGUMENT, "a saved state of %llu parts for one of %zu", (unsigned long long)parts, st->n_parts);
    reader r = {p, end - 8};
    UTIL_TRY(read_parts(st, r, false, err));
    return read_parts(st, r, true, err);
}
