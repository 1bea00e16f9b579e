/* util/alloc: sizes that overflow, growth, alignment, the arena. */
#include "unit_main.h"
#include "util/alloc.h"

#include <stdlib.h>
#include <string.h>

START_TEST(calloc_checks_the_product)
{
    ck_assert_ptr_null(util_calloc(SIZE_MAX / 2, 3));
    unsigned char *none = util_calloc(0, 8), *some = util_calloc(3, 5);
    ck_assert_ptr_nonnull(none);
    for (int i = 0; i < 15; i++)
        ck_assert_uint_eq(some[i], 0);
    free(none);
    free(some);
}
END_TEST

START_TEST(grow_keeps_what_was_there)
{
    int *array = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        ck_assert(util_grow((void **)&array, &capacity, (size_t)i + 1, sizeof *array));
        array[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(array[i], i);
    int *before = array;
    size_t capacity_before = capacity;
    ck_assert(!util_grow((void **)&array, &capacity, SIZE_MAX, sizeof *array));
    ck_assert(!util_grow((void **)&array, &capacity, SIZE_MAX / 4, sizeof *array));
    ck_assert_ptr_eq(array, before);
    ck_assert_uint_eq(capacity, capacity_before);
    free(array);
}
END_TEST

START_TEST(aligned_blocks)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 100000, (size_t)1 << 20, (size_t)5 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *block = util_aligned_alloc(sizes[i]);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % 64, 0);
        memset(block, 1, sizes[i]);
        util_aligned_free(block);
    }
    ck_assert_ptr_null(util_aligned_alloc(SIZE_MAX));
    ck_assert_ptr_null(util_aligned_alloc(SIZE_MAX - 70));
    util_aligned_free(NULL);
}
END_TEST

START_TEST(arena_blocks_are_apart_and_zeroed)
{
    util_arena arena = {0};
    unsigned char *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = util_arena_alloc(&arena, i * 37 % 500, 3);
        ck_assert_ptr_nonnull(blocks[i]);
        ck_assert_uint_eq((uintptr_t)blocks[i] % 16, 0);
        for (size_t k = 0; k < i * 37 % 500 * 3; k++)
            ck_assert_uint_eq(blocks[i][k], 0);
        memset(blocks[i], (int)(i % 255 + 1), i * 37 % 500 * 3);
    }
    for (size_t i = 0; i < 300; i++)
        for (size_t k = 0; k < i * 37 % 500 * 3; k++)
            ck_assert_uint_eq(blocks[i][k], i % 255 + 1);
    ck_assert_ptr_nonnull(util_arena_alloc(&arena, 3, (size_t)1 << 20));
    ck_assert_ptr_null(util_arena_alloc(&arena, SIZE_MAX, 2));
    ck_assert_ptr_null(util_arena_alloc(&arena, SIZE_MAX, 1));
    ck_assert_ptr_null(util_arena_alloc(&arena, SIZE_MAX - 40, 1));
    util_arena_destroy(&arena);
    ck_assert_ptr_null(arena.chunks);
}
END_TEST

START_TEST(arena_strings)
{
    util_arena arena = {0};
    ck_assert_str_eq(util_arena_strdup(&arena, "lstm"), "lstm");
    ck_assert_str_eq(util_arena_strdup(&arena, NULL), "");
    ck_assert_str_eq(util_arena_strndup(&arena, "forget gate", 6), "forget");
    ck_assert_ptr_null(util_arena_strndup(&arena, "x", SIZE_MAX));
    util_arena_destroy(&arena);
}
END_TEST

START_TEST(checked_arithmetic)
{
    int64_t out = 0;
    ck_assert(util_mul(3, 4, &out) && out == 12);
    ck_assert(util_mul(0, INT64_MAX, &out) && out == 0);
    ck_assert(!util_mul(INT64_MAX / 2, 3, &out));
    ck_assert(!util_mul(-1, 3, &out));
    ck_assert(!util_mul(3, -1, &out));
    ck_assert(util_add(3, 4, &out) && out == 7);
    ck_assert(!util_add(INT64_MAX, 1, &out));
    ck_assert(!util_add(-1, 1, &out));
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("alloc");
    unit_add(suite, "calloc", calloc_checks_the_product);
    unit_add(suite, "grow", grow_keeps_what_was_there);
    unit_add(suite, "aligned", aligned_blocks);
    unit_add(suite, "arena", arena_blocks_are_apart_and_zeroed);
    unit_add(suite, "arena strings", arena_strings);
    unit_add(suite, "checked arithmetic", checked_arithmetic);
    return suite;
}
