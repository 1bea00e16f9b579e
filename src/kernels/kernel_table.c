/* The choice of a kernel table: C first, overwritten up the ladder, once. */
#include "kernels/kernels.h"

#include <pthread.h>

#include <stdatomic.h>

#include "kernels/levels.h"

enum { LEVELS = UTIL_CPU_AVX512 + 1 };

static kernel_table tables[LEVELS];
static int present[LEVELS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int cap = UTIL_CPU_AVX512;

static void fill_all(void)
{
    util_cpu_level best = util_cpu_detect();
    void (*const fill[LEVELS])(kernel_table *) = {
        kernel_fill_generic,
#ifdef HAVE_NEON_FLAGS
        [UTIL_CPU_NEON] = kernel_fill_neon,
#endif
#ifdef HAVE_AVX2_FLAGS
        [UTIL_CPU_AVX2] = kernel_fill_avx2,
#endif
#ifdef HAVE_AVX512_FLAGS
        [UTIL_CPU_AVX512] = kernel_fill_avx512,
#endif
    };
    for (int level = 0; level <= (int)best; level++) {
        for (int i = 0; i <= level; i++)
            if (fill[i])
                fill[i](&tables[level]);
        tables[level].level = (util_cpu_level)level;
        tables[level].name = util_cpu_name((util_cpu_level)level);
        present[level] = fill[level] != NULL;
    }
}

const kernel_table *kernel_table_for(util_cpu_level level)
{
    pthread_once(&once, fill_all);
    return (int)level >= 0 && (int)level < LEVELS && present[level] ? &tables[level] : NULL;
}

const kernel_table *kernel_table_get(void)
{
    const kernel_table *t = NULL;
    int best = (int)util_cpu_get(), most = atomic_load_explicit(&cap, memory_order_relaxed);
    for (int level = best < most ? best : most; !t; level--)
        t = kernel_table_for((util_cpu_level)level);
    return t;
}

void kernel_table_cap(util_cpu_level level)
{
    atomic_store_explicit(&cap, (int)level, memory_order_relaxed);
}
