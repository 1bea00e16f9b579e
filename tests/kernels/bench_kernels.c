/* Times every level: products in GFLOP/s, batch-1 steps in GB/s of streamed weights, functions in values per nanosecond. */
#include "tests/kernels/kernel_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { TURNS = 7 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *floats(size_t n, float scale)
{
    void *p;
    size_t huge = (size_t)2 << 20;
    if (posix_memalign(&p, huge, (n * sizeof(float) + huge - 1) / huge * huge) != 0)
        exit(2);
    madvise(p, n * sizeof(float), MADV_HUGEPAGE);
    for (size_t i = 0; i < n; i++)
        ((float *)p)[i] = random_float() * scale;
    return p;
}

typedef void work(void *context);

/* Seconds of one call, the quietest of several turns of about 20 ms. */
static double seconds_of(work *f, void *context)
{
    double start = now();
    f(context);
    double once = now() - start, best = 1e9;
    long count = once > 0.02 ? 1 : (long)(0.02 / (once + 1e-9)) + 1;
    for (int turn = 0; turn < TURNS; turn++) {
        start = now();
        for (long i = 0; i < count; i++)
            f(context);
        double s = (now() - start) / (double)count;
        best = s < best ? s : best;
    }
    return best;
}

typedef struct job {
    const kernel_table *t;
    kernel_gemm gemm;
    kernel_step step;
    kernel_step_row rows[64];
    kernel_map_f32 *map;
    const float *x;
    float *y, *state[2];
    int64_t n, steps, padded, cols;
    kernel_packed packed, packed_w;
    kernel_source source;
    int gates;
} job;

static void run_gemm(void *context)
{
    job *j = context;
    j->t->gemm_f32(&j->gemm);
}

static void run_map(void *context)
{
    job *j = context;
    j->map(j->x, j->y, j->n);
}

static void run_pack(void *context)
{
    job *j = context;
    j->t->pack(&j->packed.layout, &j->source, j->y, 0, j->packed.layout.panels);
}

/* A whole sequence: forwards on even steps, backwards on odd ones. */
static void run_steps(void *context)
{
    job *j = context;
    for (int64_t t = 0; t < j->steps; t++) {
        for (int64_t b = 0; b < j->step.batch; b++) {
            j->rows[b].pre = j->x + (t * j->step.batch + b) * j->cols;
            j->rows[b].h = j->state[t & 1] + b * j->padded;
            j->rows[b].h_new = j->state[~t & 1] + b * j->padded;
            j->rows[b].y = j->y + (t * j->step.batch + b) * j->n;
        }
        j->step.flags = t & 1 ? KERNEL_STEP_BACKWARDS : 0;
        (j->gates == 4 ? j->t->step_lstm : j->gates == 3 ? j->t->step_gru : j->t->step_rnn)(&j->step);
    }
}

static void bench_gemm(const kernel_table *t, int64_t m, int64_t k, int64_t n)
{
    job j = {.t = t};
    t->layout_plain(&j.packed.layout, KERNEL_STORE_F32, k, n);
    float *w = floats(j.packed.layout.bytes / sizeof(float), 0.1f), *a = floats((size_t)(m * k), 1), *c = floats((size_t)(m * n), 1);
    j.packed.data = w;
    j.gemm = (kernel_gemm){.b = &j.packed, .m = m, .a = a, .lda = k, .c = c, .ldc = n, .start = KERNEL_INIT_ZERO, .p1 = j.packed.layout.panels};
    double s = seconds_of(run_gemm, &j);
    printf("%-8s gemm_f32  m %5lld k %4lld n %4lld  %9.2f us %7.1f GFLOP/s %7.1f GB/s\n", t->name, (long long)m, (long long)k, (long long)n,
           s * 1e6, 2e-9 * (double)(m * k * n) / s, 4e-9 * (double)(k * n) / s);
    free(w);
    free(a);
    free(c);
}

static void bench_steps(const kernel_table *t, int gates, int64_t steps, int64_t batch, int64_t h)
{
    job j = {.t = t, .steps = steps, .n = h, .gates = gates};
    t->layout_cell(&j.packed.layout, KERNEL_STORE_F32, gates, h, h);
    j.packed_w = j.packed;
    const kernel_layout *l = &j.packed.layout;
    j.padded = l->padded;
    j.cols = l->cols;
    size_t state = (size_t)(batch * l->padded);
    float *r = floats(l->bytes / sizeof(float), 0.05f), *w = floats(l->bytes / sizeof(float), 0.05f), *x = floats((size_t)(steps * batch * l->cols), 1);
    float *y = floats((size_t)(steps * batch * h), 1), *s0 = floats(state, 0.1f), *s1 = floats(state, 0.1f), *c = floats(state, 0.1f);
    float *rbh = floats((size_t)l->padded, 0.1f);
    j.packed.data = r;
    j.packed_w.data = w;
    j.x = x;
    j.y = y;
    j.state[0] = s0;
    j.state[1] = s1;
    for (int64_t b = 0; b < batch; b++)
        j.rows[b] = (kernel_step_row){.c = c + b * l->padded, .x = x};
    j.step = (kernel_step){.r = &j.packed, .bias = x, .rbh = rbh, .clip = INFINITY, .rows = j.rows, .batch = batch, .p1 = l->panels};
    if (steps == 1)
        j.step.w = &j.packed_w;
    double s = seconds_of(run_steps, &j), per = s / (double)steps, both = steps == 1 ? 2 : 1;
    printf("%-8s step %s T %4lld B %3lld H %4lld  %9.2f us a step %7.1f GFLOP/s %7.1f GB/s\n", t->name, gates == 4 ? "lstm" : gates == 3 ? "gru " : "rnn ",
           (long long)steps, (long long)batch, (long long)h, per * 1e6, both * 2e-9 * (double)(gates * h * h * batch) / per,
           both * 4e-9 * (double)(gates * h * h) / per);
    float *all[] = {r, w, x, y, s0, s1, c, rbh};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void bench_maps(const kernel_table *t)
{
    const struct {
        const char *name;
        kernel_map_f32 *map;
    } maps[] = {{"exp", t->exp}, {"log", t->log}, {"tanh", t->tanh}, {"sigmoid", t->sigmoid}, {"erf", t->erf}, {"gelu", t->gelu}, {"softmax", t->softmax}};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        job j = {.t = t, .n = 4096, .map = maps[i].map, .x = floats(4096, 4), .y = floats(4096, 1)};
        double s = seconds_of(run_map, &j);
        printf("%-8s %-8s %.2f values/ns\n", t->name, maps[i].name, 4096e-9 / s);
        free((void *)(uintptr_t)j.x);
        free(j.y);
    }
}

static void bench_pack(const kernel_table *t)
{
    const int64_t h = 1024;
    job j = {.t = t, .x = floats((size_t)(4 * h * h), 1), .y = floats((size_t)(4 * h * h), 1)};
    t->layout_cell(&j.packed.layout, KERNEL_STORE_F32, 4, h, h);
    j.source = (kernel_source){.data = j.x, .gate = {0, 1, 2, 3}, .gate_stride = h * h, .unit_stride = h, .k_stride = 1};
    double s = seconds_of(run_pack, &j);
    printf("%-8s pack LSTM H 1024: %.2f ms, %.1f GB/s\n", t->name, s * 1e3, 16e-9 * (double)(h * h) / s);
    free((void *)(uintptr_t)j.x);
    free(j.y);
}

void run_benchmark(const kernel_table *const *tables, int count)
{
    static const int64_t m[] = {1, 2, 4, 8, 32, 100, 800, 6400}, h[] = {32, 64, 128, 256, 512, 1024};
    for (int i = count - 1; i >= 0; i--) {
        const kernel_table *t = tables[i];
        for (size_t k = 0; k < sizeof m / sizeof *m; k++)
            bench_gemm(t, m[k], 256, 1024);
        bench_gemm(t, 100, 512, 2048);
        bench_gemm(t, 3200, 512, 2048);
        for (size_t k = 0; k < sizeof h / sizeof *h; k++)
            bench_steps(t, 4, 1, 1, h[k]);
        for (size_t k = 1; k < sizeof h / sizeof *h; k++)
            bench_steps(t, 4, 100, 1, h[k]);
        static const int64_t b[] = {2, 4, 8, 32, 64};
        for (size_t k = 0; k < sizeof b / sizeof *b; k++)
            bench_steps(t, 4, 100, b[k], 256);
        bench_steps(t, 4, 100, 32, 512);
        bench_steps(t, 3, 1, 1, 256);
        bench_steps(t, 3, 100, 1, 256);
        bench_steps(t, 3, 100, 32, 256);
        bench_steps(t, 1, 100, 1, 256);
        bench_maps(t);
        bench_pack(t);
    }
}
