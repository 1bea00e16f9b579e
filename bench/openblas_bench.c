/* openblas-bench: our packed products beside OpenBLAS's on one thread, float and double: why the library calls its own.
 * One line a shape: GFLOP/s of both (quietest of some turns, alternating). Weights are packed before the clock starts, as they are when a
 * model is loaded; OpenBLAS packs them at every call, which is what a program that hands it row-major weights gets. */
#include "kernels/kernels.h"
#include "util/alloc.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURNS = 7 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fill(void *p, int64_t n, bool f64) {
    for (int64_t i = 0; i < n; i++) {
        double v = (double)((i * 7919) % 1009) / 1009 - 0.5;
        if (f64) ((double *)p)[i] = v;
        else ((float *)p)[i] = (float)v;
    }
}

static void compare(bool f64, int64_t m, int64_t k, int64_t n) {
    const kernel_table *t = kernel_table_get();
    size_t e = f64 ? sizeof(double) : sizeof(float);
    void *a = util_aligned_alloc((size_t)(m * k) * e), *b = util_aligned_alloc((size_t)(k * n) * e), *c = util_aligned_alloc((size_t)(m * n) * e);
    kernel_packed packed;
    t->layout_plain(&packed.layout, f64 ? KERNEL_STORE_F64 : KERNEL_STORE_F32, k, n);
    void *data = util_aligned_alloc(packed.layout.bytes);
    if (!a || !b || !c || !data) { fputs("openblas-bench: out of memory\n", stderr); exit(1); }
    fill(a, m * k, f64);
    fill(b, k * n, f64);
    kernel_source from = {.data = b, .type = f64 ? KERNEL_ELEMENT_F64 : KERNEL_ELEMENT_F32, .unit_stride = 1, .k_stride = n};
    t->pack(&packed.layout, &from, data, 0, packed.layout.panels);
    packed.data = data;
    kernel_gemm g = {.b = &packed, .m = m, .a = a, .lda = k, .c = c, .ldc = n, .start = KERNEL_INIT_ZERO, .p1 = packed.layout.panels};
    double best[2] = {1e30, 1e30}, flops = 2.0 * (double)m * (double)k * (double)n;
    int repeat = (int)(2e8 / flops) + 1;
    for (int turn = 0; turn < 2 * TURNS; turn++) {
        double start = now();
        for (int i = 0; i < repeat; i++) {
            if (turn % 2 == 0 && f64) t->gemm_f64(&g);
            else if (turn % 2 == 0) t->gemm_f32(&g);
            else if (f64) cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)n, 0, c, (int)n);
            else cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a, (int)k, b, (int)n, 0, c, (int)n);
        }
        double s = (now() - start) / repeat;
        if (s < best[turn % 2]) best[turn % 2] = s;
    }
    printf("%-6s m %5lld k %5lld n %5lld  clstm %7.1f  OpenBLAS %7.1f GFLOP/s  %5.2f times as fast\n", f64 ? "double" : "float", (long long)m, (long long)k, (long long)n,
           flops / best[0] * 1e-9, flops / best[1] * 1e-9, best[1] / best[0]);
    util_aligned_free(a); util_aligned_free(b); util_aligned_free(c); util_aligned_free(data);
}

int main(void) {
    static const int64_t shapes[][3] = {{1, 256, 1024}, {8, 256, 1024}, {32, 256, 1024}, {100, 256, 1024}, {100, 1024, 4096}, {512, 512, 512}, {1024, 1024, 1024}};
    openblas_set_num_threads(1);
    for (int f64 = 0; f64 < 2; f64++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) compare(f64, shapes[i][0], shapes[i][1], shapes[i][2]);
    return 0;
}
