/* CPU features: the instruction-set level that this machine and its operating system support. */
#ifndef CLSTM_UTIL_CPU_H
#define CLSTM_UTIL_CPU_H

/* The ladder; a level includes everything below it that the architecture has. */
typedef enum util_cpu_level {
    UTIL_CPU_GENERIC, /* what the compiler's baseline gives */
    UTIL_CPU_NEON,    /* AArch64's Advanced SIMD */
    UTIL_CPU_AVX2,    /* AVX2, FMA, F16C */
    UTIL_CPU_AVX512   /* AVX-512 F, BW, DQ, VL */
} util_cpu_level;

/* What the processor and the saved register state (XCR0) allow. Detected once, thread-safe. */
util_cpu_level util_cpu_detect(void);

/* The same, capped by the environment variable CLSTM_CPU (generic, neon, avx2 or avx512; anything else is ignored). */
util_cpu_level util_cpu_get(void);

/* "generic", "neon", "avx2", "avx512". */
const char *util_cpu_name(util_cpu_level level);

#endif
