/* The kernel tests' own tools: check families, guarded buffers, a seeded generator and the level's scalar arithmetic. */
#ifndef CLSTM_TESTS_KERNEL_TEST_H
#define CLSTM_TESTS_KERNEL_TEST_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* A check family: families are counted, and the first few mismatches of one are shown. */
void family_begin(const char *name, const kernel_table *t);
void family_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void family_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void family_end(void);
void family_skip(const char *name, const char *reason);

/* `bytes` of memory between two pages that may not be touched; the end (or the start) lies against one of them. */
typedef struct guarded {
    void *data;
    void *map;
    size_t length;
} guarded;

guarded guarded_new(size_t bytes, int against_end);
void guarded_free(guarded *g);
/* The same, filled with random floats of [-1, 1). */
guarded guarded_floats(int64_t n, int against_end);

uint32_t random_u32(void);
int64_t random_in(int64_t low, int64_t high); /* both included */
float random_float(void);                     /* [-1, 1) */

/* a*b + c as the level does it: fused, or rounded twice on the generic level. */
float level_fma(const kernel_table *t, float a, float b, float c);
double level_fma_f64(const kernel_table *t, double a, double b, double c);

/* Index of the first float whose bits differ (any NaN equals any NaN), or -1. */
int64_t first_difference(const float *a, const float *b, int64_t n);

void test_mode(const kernel_table *t);
void test_packing(const kernel_table *t);
void test_products(const kernel_table *t);
void test_taps(const kernel_table *t);
void test_steps(const kernel_table *t);
void test_functions(const kernel_table *const *tables, int count, int every_float);
void run_benchmark(const kernel_table *const *tables, int count);

#endif
