/* ops/fourier: the discrete Fourier transform of complex double data, of any length: mixed radix, prime factors directly. */
#ifndef OPS_FOURIER_H
#define OPS_FOURIER_H

#include <stdint.h>
#include <stddef.h>

typedef struct op_complex { double re, im; } op_complex;

enum { OP_FOURIER_FACTORS = 64 };

typedef struct op_fourier {
    int64_t n;
    int n_factors;
    int64_t factor[OP_FOURIER_FACTORS];
    op_complex *root;               /* n-th roots of unity, exp(-2 pi i k / n): n of them, the caller's memory */
} op_fourier;

/* Factors n >= 1 and fills root[0..n). */
void op_fourier_plan(op_fourier *f, int64_t n, op_complex *root);
/* Transforms x[0..n) with exp(-i...), or exp(+i...) when `inverse` (not divided by n); `work` has n places. Returns where the result
 * stands: x or work. */
op_complex *op_fourier_run(const op_fourier *f, op_complex *x, op_complex *work, int inverse);
/* Operations of one transform. */
double op_fourier_flops(const op_fourier *f);

#endif
