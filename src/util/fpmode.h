/* util/fpmode: the floating-point mode of a run: denormals are zero, rounding to nearest, no traps. Decaying recurrent states end
 * in denormals, which cost many times a normal operation. */
#ifndef UTIL_FPMODE_H
#define UTIL_FPMODE_H

#include <stdint.h>

#if defined(__x86_64__) || defined(__SSE2__)
#include <immintrin.h>
enum { UTIL_FPMODE_FLUSHES = 1 };
typedef uint32_t util_fpmode;
static inline util_fpmode util_fpmode_enter(void) {
    util_fpmode old = _mm_getcsr(), run = (old & ~(uint32_t)0x6000) | 0x8040 | 0x1F80;
    if (run != old) _mm_setcsr(run);
    return old;
}
/* The exception flags raised meanwhile are dropped with the mode. */
static inline void util_fpmode_leave(util_fpmode old) { _mm_setcsr(old); }
#elif defined(__aarch64__)
enum { UTIL_FPMODE_FLUSHES = 1 };
typedef uint64_t util_fpmode;
static inline util_fpmode util_fpmode_enter(void) {
    uint64_t old, run;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    run = (old & ~(uint64_t)0xC09F00) | (uint64_t)1 << 24;
    __asm__ volatile("msr fpcr, %0" : : "r"(run));
    return old;
}
static inline void util_fpmode_leave(util_fpmode old) { __asm__ volatile("msr fpcr, %0" : : "r"(old)); }
#elif defined(__arm__) && defined(__ARM_FP)
enum { UTIL_FPMODE_FLUSHES = 1 };
typedef uint32_t util_fpmode;
static inline util_fpmode util_fpmode_enter(void) {
    util_fpmode old = __builtin_arm_get_fpscr();
    __builtin_arm_set_fpscr((old & ~(uint32_t)0xC09F00) | (uint32_t)1 << 24);
    return old;
}
static inline void util_fpmode_leave(util_fpmode old) { __builtin_arm_set_fpscr(old); }
#else
enum { UTIL_FPMODE_FLUSHES = 0 };
typedef int util_fpmode;
static inline util_fpmode util_fpmode_enter(void) { return 0; }
static inline void util_fpmode_leave(util_fpmode old) { (void)old; }
#endif

#endif
