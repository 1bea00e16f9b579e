/* probe: multiply-add peak and read bandwidth, measured by every thread at the same time; the quietest of several turns counts. */
#include "probe.h"

#include "tool.h"

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TURNS = 7, MOST_THREADS = 256, CLASSES = 160 };
static const double turn_us = 2500, least_bytes = 2048, most_bytes = 1 << 28;

struct probe { int threads; double peak, bandwidth[CLASSES]; };

/* Operations or bytes done, and the microseconds that took. */
typedef double (*work_fn)(unsigned char *data, size_t bytes, size_t rounds);

/* ---- the two loops, for each instruction set that a compiler knows. What the machine has is asked at run time. ----------------- */

typedef float v4 __attribute__((vector_size(16)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));

/* Twelve independent chains hide the latency of the multiply-add; as variables, not an array, they stay in registers. */
#define TWELVE(DO) DO(a) DO(b) DO(c) DO(d) DO(e) DO(f) DO(g) DO(h) DO(i) DO(j) DO(k) DO(l)
#define FMA_LOOP(NAME, TARGET, VEC, STEP, CONSTRAINT)                                                                                \
    TARGET static double NAME(unsigned char *data, size_t bytes, size_t rounds) {                                                    \
        VEC x = {0}, y = {0};                                                                                                        \
        (void)data, (void)bytes;                                                                                                     \
        for (size_t n = 0; n < sizeof(VEC) / sizeof(float); n++) { x[n] = 0.9999f; y[n] = 1e-6f; }                                   \
        VEC a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;                                      \
        for (size_t r = 0; r < rounds; r++) { TWELVE(STEP) }                                                                         \
        __asm__ volatile("" : : CONSTRAINT(a), CONSTRAINT(b), CONSTRAINT(c), CONSTRAINT(d), CONSTRAINT(e), CONSTRAINT(f),            \
                                CONSTRAINT(g), CONSTRAINT(h), CONSTRAINT(i), CONSTRAINT(j), CONSTRAINT(k), CONSTRAINT(l));           \
        return (double)rounds * 12 * (double)(sizeof(VEC) / sizeof(float)) * 2;                                                      \
    }

#define READ_LOOP(NAME, TARGET, VEC, CONSTRAINT)                                                                                     \
    TARGET static double NAME(unsigned char *data, size_t bytes, size_t rounds) {                                                    \
        const size_t unit = 4 * sizeof(VEC);                                                                                         \
        for (size_t r = 0; r < rounds; r++)                                                                                          \
            for (size_t at = 0; at + unit <= bytes; at += unit) {                                                                    \
                const VEC *p = (const VEC *)(const void *)(data + at);                                                               \
                VEC a = p[0], b = p[1], c = p[2], d = p[3];                                                                          \
                __asm__ volatile("" : : CONSTRAINT(a), CONSTRAINT(b), CONSTRAINT(c), CONSTRAINT(d));                                 \
            }                                                                                                                        \
        return (double)rounds * (double)(bytes / unit * unit);                                                                       \
    }

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f")))
#define FMA_256(v) __asm__("vfmadd213ps %2, %1, %0" : "+x"(v) : "x"(x), "x"(y));
#define FMA_512(v) __asm__("vfmadd213ps %2, %1, %0" : "+v"(v) : "v"(x), "v"(y));
FMA_LOOP(fma_avx2, AVX2, v8, FMA_256, "x")
READ_LOOP(read_avx2, AVX2, v8, "x")
FMA_LOOP(fma_avx512, AVX512, v16, FMA_512, "v")
READ_LOOP(read_avx512, AVX512, v16, "v")
#define PLAIN "x"
#elif defined(__aarch64__)
#define PLAIN "w"
#else
#define PLAIN "m"
#endif
#define FMA_PLAIN(v) v = v * x + y; __asm__("" : "+" PLAIN(v));
FMA_LOOP(fma_plain, , v4, FMA_PLAIN, PLAIN)
READ_LOOP(read_plain, , v4, PLAIN)

static void choose(work_fn *fma, work_fn *read) {
    *fma = fma_plain;
    *read = read_plain;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) { *fma = fma_avx2; *read = read_avx2; }
    if (__builtin_cpu_supports("avx512f")) { *fma = fma_avx512; *read = read_avx512; }
#endif
}

/* ---- all threads at once ---------------------------------------------------------------------------------------------------- */

typedef struct worker {
    pthread_t id;
    pthread_barrier_t *gate;
    work_fn work;
    size_t bytes, rounds;
    double best;            /* units in a microsecond */
} worker;

static unsigned char *pages(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (bytes >= (size_t)2 << 20) madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 1, bytes);
    return p;
}

static void *run_worker(void *arg) {
    worker *w = arg;
    size_t room = w->bytes + ((size_t)2 << 20);
    unsigned char *block = w->bytes ? pages(room) : NULL, *data = block;
    /* A huge page needs an address of its own size. */
    if (block && w->bytes >= (size_t)2 << 20) data += (((size_t)2 << 20) - (uintptr_t)block % ((size_t)2 << 20)) % ((size_t)2 << 20);
    bool able = data || !w->bytes;
    for (int turn = 0; turn < TURNS; turn++) {
        pthread_barrier_wait(w->gate);
        if (!able) continue;
        double start = tool_now_us(), done = w->work(data, w->bytes, w->rounds), speed = done / (tool_now_us() - start);
        if (speed > w->best) w->best = speed;
    }
    if (block) munmap(block, room);
    return NULL;
}

/* How many rounds fill a turn. */
static size_t rounds_for(work_fn work, size_t bytes) {
    unsigned char *data = bytes ? pages(bytes) : NULL;
    if (bytes && !data) return 1;
    size_t rounds = 1;
    double took = 0;
    while (took < turn_us / 20 && rounds < (size_t)1 << 30) {
        double start = tool_now_us();
        work(data, bytes, rounds);
        took = tool_now_us() - start;
        if (took < turn_us / 20) rounds *= 4;
    }
    if (data) munmap(data, bytes);
    double whole = (double)rounds * turn_us / (took > 0 ? took : 1);
    return whole < 1 ? 1 : (size_t)whole;
}

static double measure(int threads, work_fn work, size_t bytes) {
    worker workers[MOST_THREADS];
    pthread_barrier_t gate;
    double sum = 0;
    size_t rounds = rounds_for(work, bytes);
    int started = 1;
    if (pthread_barrier_init(&gate, NULL, (unsigned)threads)) return 0;
    for (int i = 0; i < threads; i++) workers[i] = (worker){.gate = &gate, .work = work, .bytes = bytes, .rounds = rounds};
    while (started < threads && !pthread_create(&workers[started].id, NULL, run_worker, &workers[started])) started++;
    if (started < threads) abort();     /* the others wait at the gate for ever; a benchmark without its threads is none */
    run_worker(&workers[0]);
    for (int i = 1; i < threads; i++) pthread_join(workers[i].id, NULL);
    for (int i = 0; i < threads; i++) sum += workers[i].best;
    pthread_barrier_destroy(&gate);
    return sum;
}

probe *probe_create(int threads) {
    probe *p = calloc(1, sizeof *p);
    if (p) p->threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
    return p;
}

void probe_destroy(probe *p) { free(p); }

double probe_peak(probe *p) {
    work_fn fma, read;
    choose(&fma, &read);
    if (p->peak <= 0) p->peak = measure(p->threads, fma, 0);
    return p->peak;
}

double probe_bandwidth(probe *p, double bytes) {
    work_fn fma, read;
    choose(&fma, &read);
    double share = fmin(fmax(bytes / p->threads, least_bytes), most_bytes);
    int class = (int)lround(log2(share) * 4);
    if (p->bandwidth[class] <= 0) p->bandwidth[class] = measure(p->threads, read, (size_t)exp2(class / 4.0) / 256 * 256);
    return p->bandwidth[class];
}
