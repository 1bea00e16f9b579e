/* util/alloc: allocation with checked sizes, aligned blocks, and a bump arena for objects that die together. */
#ifndef UTIL_ALLOC_H
#define UTIL_ALLOC_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* count*size bytes, zeroed; NULL on overflow or no memory. A size of 0 gives a unique non-NULL pointer. Free with free(). */
void *util_calloc(size_t count, size_t size);
/* Grows an array to hold at least `need` elements (doubling); false and unchanged when it cannot. */
bool util_grow(void **array, size_t *capacity, size_t need, size_t size);
char *util_strdup(const char *text);

/* 64-byte aligned, not zeroed; large blocks are 2 MiB aligned with huge pages advised. Free with util_aligned_free. */
void *util_aligned_alloc(size_t bytes);
void util_aligned_free(void *block);

/* An arena: blocks from util_arena_alloc live until the arena is destroyed. Zero-initialise. */
typedef struct util_arena { struct util_arena_chunk *chunks; size_t used, clean; size_t total; } util_arena;
void *util_arena_alloc(util_arena *arena, size_t count, size_t size);   /* zeroed, 16-byte aligned; NULL on failure */
char *util_arena_strdup(util_arena *arena, const char *text);
char *util_arena_strndup(util_arena *arena, const char *text, size_t length);
void util_arena_clear(util_arena *arena);       /* ends the blocks, keeps memory for the next */
void util_arena_destroy(util_arena *arena);
/* The blocks of memory that the arena lies in: number k, false past the last. */
bool util_arena_block(const util_arena *arena, size_t k, const void **block, size_t *bytes);

/* Checked arithmetic: false on overflow or a negative operand or result. */
static inline bool util_mul(int64_t a, int64_t b, int64_t *out) { return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out); }
static inline bool util_add(int64_t a, int64_t b, int64_t *out) { return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, out); }

#endif
