/* CPU features: cpuid and the register state that the operating system saves. */
#include "util/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <pthread.h>

/* Not in sanitizer builds: the header's own test of a feature's bit shifts into the sign. */
#if defined(HAVE_CPU_FEATURE_ACTIVE) && !defined(CLSTM_SANITIZED)
#include <sys/platform/x86.h>

/* The C library has asked already, XCR0 included; where a hypervisor answers, each cpuid takes microseconds. */
static util_cpu_level detect(void)
{
    if (!CPU_FEATURE_ACTIVE(AVX2) || !CPU_FEATURE_ACTIVE(FMA) || !CPU_FEATURE_ACTIVE(F16C))
        return UTIL_CPU_GENERIC;
    if (!CPU_FEATURE_ACTIVE(AVX512F) || !CPU_FEATURE_ACTIVE(AVX512BW) || !CPU_FEATURE_ACTIVE(AVX512DQ) || !CPU_FEATURE_ACTIVE(AVX512VL))
        return UTIL_CPU_AVX2;
    return UTIL_CPU_AVX512;
}
#elif defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xe6 };

static unsigned xcr0(void)
{
    unsigned lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

static util_cpu_level detect(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return UTIL_CPU_GENERIC;
    const unsigned need1 = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
    if ((c & need1) != need1)
        return UTIL_CPU_GENERIC;
    unsigned saved = xcr0();
    if ((saved & XCR0_AVX) != XCR0_AVX || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
        return UTIL_CPU_GENERIC;
    const unsigned need7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((saved & XCR0_AVX512) != XCR0_AVX512 || (b & need7) != need7)
        return UTIL_CPU_AVX2;
    return UTIL_CPU_AVX512;
}
#elif defined(__aarch64__)
static util_cpu_level detect(void)
{
    return UTIL_CPU_NEON;
}
#else
static util_cpu_level detect(void)
{
    return UTIL_CPU_GENERIC;
}
#endif

const char *util_cpu_name(util_cpu_level level)
{
    switch (level) {
    case UTIL_CPU_AVX512:
        return "avx512";
    case UTIL_CPU_AVX2:
        return "avx2";
    case UTIL_CPU_NEON:
        return "neon";
    case UTIL_CPU_GENERIC:
        break;
    }
    return "generic";
}

static util_cpu_level detected, chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
    chosen = detected = detect();
#ifdef HAVE_SECURE_GETENV
    const char *cap = secure_getenv("CLSTM_CPU");
#else
    const char *cap = NULL; /* a privileged program's caller may not steer it, and we cannot tell */
#endif
    for (int level = UTIL_CPU_GENERIC; cap && level < (int)chosen; level++)
        if (strcmp(cap, util_cpu_name((util_cpu_level)level)) == 0)
            chosen = (util_cpu_level)level;
}

util_cpu_level util_cpu_detect(void)
{
    pthread_once(&once, choose);
    return detected;
}

util_cpu_level util_cpu_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}
