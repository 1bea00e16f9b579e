/* util/alloc: allocation with checked sizes, aligned blocks, and a bump arena. */
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *util_calloc(size_t count, size_t size) {
    if (!count || !size) count = size = 1;
    return calloc(count, size);
}

bool util_grow(void **array, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity) return true;
    size_t n = *capacity ? *capacity : 8, bytes;
    while (n < need)
        if (__builtin_mul_overflow(n, (size_t)2, &n)) return false;
    if (__builtin_mul_overflow(n, size, &bytes)) return false;
    void *p = realloc(*array, bytes);
    if (!p) return false;
    *array = p;
    *capacity = n;
    return true;
}

char *util_strdup(const char *text) { return strdup(text ? text : ""); }

/* Writing a large block for the first time is a fault for each page, dearer than clearing it: the kernel makes them in one go.
 * Where it does not know how, they come as they are touched. */
static void populate(void *block, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    const uintptr_t page = 4096, from = ((uintptr_t)block + page - 1) & ~(page - 1), to = ((uintptr_t)block + bytes) & ~(page - 1);
    if (bytes >= 16 * page) madvise((void *)from, to - from, MADV_POPULATE_WRITE);
#else
    (void)block;
    (void)bytes;
#endif
}

void *util_aligned_alloc(size_t bytes) {
    /* From 1 MiB on a block is worth whole huge pages: fewer TLB misses while weights stream. */
    const size_t huge = (size_t)2 << 20;
    size_t align = bytes >= huge / 2 ? huge : 64, padded;
    if (__builtin_add_overflow(bytes ? bytes : 1, (size_t)63, &padded) || padded > PTRDIFF_MAX) return NULL;
    void *p = NULL;
    if (posix_memalign(&p, align, padded & ~(size_t)63)) return NULL;
    if (align == huge && padded >= huge) madvise(p, padded & ~(huge - 1), MADV_HUGEPAGE);
    populate(p, bytes);
    return p;
}

void util_aligned_free(void *block) { free(block); }

/* Memory is cleared a little ahead of its use: the end of a chunk, which may never be used, is not touched. */
enum { CLEAN_AHEAD = 1024 };

struct util_arena_chunk { struct util_arena_chunk *next; size_t size; _Alignas(16) unsigned char bytes[]; };

void *util_arena_alloc(util_arena *arena, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, (size_t)15, &bytes)) return NULL;
    bytes &= ~(size_t)15;
    if (!bytes) bytes = 16;
    if (!arena->chunks || arena->chunks->size - arena->used < bytes) {
        size_t chunk = arena->total / 2 < 4096 ? 4096 : arena->total / 2, whole;
        if (chunk > (size_t)1 << 20) chunk = (size_t)1 << 20;
        if (chunk < bytes) chunk = bytes;
        if (__builtin_add_overflow(chunk, sizeof(struct util_arena_chunk), &whole) || whole > PTRDIFF_MAX) return NULL;
        struct util_arena_chunk *c = malloc(whole);
        if (!c) return NULL;
        c->size = chunk;
        c->next = arena->chunks;
        arena->chunks = c;
        arena->used = arena->clean = 0;
        arena->total += whole;
    }
    void *p = arena->chunks->bytes + arena->used;
    arena->used += bytes;
    if (arena->used > arena->clean) {
        size_t rest = arena->chunks->size - arena->used, to = arena->used + (rest < CLEAN_AHEAD ? rest : CLEAN_AHEAD);
        memset(arena->chunks->bytes + arena->clean, 0, to - arena->clean);
        arena->clean = to;
    }
    return p;
}

char *util_arena_strndup(util_arena *arena, const char *text, size_t length) {
    char *p = length < SIZE_MAX ? util_arena_alloc(arena, length + 1, 1) : NULL;
    if (p && length) memcpy(p, text, length);
    return p;
}

char *util_arena_strdup(util_arena *arena, const char *text) {
    if (!text) text = "";
    return util_arena_strndup(arena, text, strlen(text));
}

bool util_arena_block(const util_arena *arena, size_t k, const void **block, size_t *bytes) {
    const struct util_arena_chunk *c = arena->chunks;
    while (c && k--) c = c->next;
    if (!c) return false;
    *block = c;
    *bytes = sizeof *c + c->size;
    return true;
}

void util_arena_clear(util_arena *arena) {
    struct util_arena_chunk *last = arena->chunks;
    if (!last) return;
    arena->chunks = last->next;
    util_arena_destroy(arena);
    last->next = NULL;
    *arena = (util_arena){.chunks = last, .total = sizeof *last + last->size};
}

void util_arena_destroy(util_arena *arena) {
    while (arena->chunks) {
        struct util_arena_chunk *next = arena->chunks->next;
        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = arena->clean = arena->total = 0;
}
