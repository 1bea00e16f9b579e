/* ops/fourier: Stockham's algorithm, decimation in frequency: every stage leaves its output in order. */
#include "ops/fourier.h"

#include <math.h>

void op_fourier_plan(op_fourier *f, int64_t n, op_complex *root) {
    const double turn = 6.283185307179586476925286766559;
    f->n = n;
    f->n_factors = 0;
    f->root = root;
    for (; n % 4 == 0; n /= 4) f->factor[f->n_factors++] = 4;
    for (int64_t p = 2; n > 1; p++) {
        if (p > n / p) p = n;       /* what is left is prime */
        for (; n % p == 0; n /= p) f->factor[f->n_factors++] = p;
    }
    /* Eighths of the circle keep symmetric roots symmetric to the bit. */
    for (int64_t k = 0; k < f->n; k++) {
        int64_t eighths = 8 * k / f->n;
        double angle = turn * ((double)(8 * k - eighths * f->n) / (8.0 * (double)f->n)), c, s;
        if (eighths & 1) {
            angle = turn / 8 - angle;
            c = sin(angle);
            s = cos(angle);
        } else {
            c = cos(angle);
            s = sin(angle);
        }
        switch (eighths >> 1) {
        case 0: root[k] = (op_complex){c, -s}; break;
        case 1: root[k] = (op_complex){-s, -c}; break;
        case 2: root[k] = (op_complex){-c, s}; break;
        default: root[k] = (op_complex){s, c}; break;
        }
    }
}

static inline op_complex times(op_complex a, op_complex b) { return (op_complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
static inline op_complex plus(op_complex a, op_complex b) { return (op_complex){a.re + b.re, a.im + b.im}; }
static inline op_complex minus(op_complex a, op_complex b) { return (op_complex){a.re - b.re, a.im - b.im}; }

/* One stage joins `p` parts, m apart in units of s; w walks the roots of length m*p, which are every s-th of all. */
static void stage4(const op_fourier *f, const op_complex *x, op_complex *y, int64_t m, int64_t s) {
    for (int64_t j = 0; j < m; j++) {
        op_complex w1 = f->root[j * s], w2 = f->root[2 * j * s], w3 = f->root[3 * j * s];
        const op_complex *from = x + j * s;
        op_complex *to = y + 4 * j * s;
        for (int64_t q = 0; q < s; q++) {
            op_complex a = from[q], b = from[q + m * s], c = from[q + 2 * m * s], d = from[q + 3 * m * s];
            op_complex e = plus(a, c), g = minus(a, c), h = plus(b, d), t = minus(b, d), i = {t.im, -t.re};
            to[q] = plus(e, h);
            to[q + s] = times(w1, plus(g, i));
            to[q + 2 * s] = times(w2, minus(e, h));
            to[q + 3 * s] = times(w3, minus(g, i));
        }
    }
}

static void stage2(const op_fourier *f, const op_complex *x, op_complex *y, int64_t m, int64_t s) {
    for (int64_t j = 0; j < m; j++)
        for (int64_t q = 0; q < s; q++) {
            op_complex a = x[q + s * j], b = x[q + s * (j + m)];
            y[q + s * 2 * j] = plus(a, b);
            y[q + s * (2 * j + 1)] = times(f->root[j * s], minus(a, b));
        }
}

static void stage_any(const op_fourier *f, const op_complex *x, op_complex *y, int64_t m, int64_t s, int64_t p) {
    int64_t step = f->n / p;        /* between the p-th roots of unity */
    for (int64_t j = 0; j < m; j++)
        for (int64_t k = 0; k < p; k++)
            for (int64_t q = 0; q < s; q++) {
                op_complex sum = x[q + s * j];
                for (int64_t r = 1; r < p; r++) sum = plus(sum, times(x[q + s * (j + m * r)], f->root[r * k % p * step]));
                y[q + s * (p * j + k)] = times(f->root[j * k * s], sum);
            }
}

static void conjugate(op_complex *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[i].im = -x[i].im;
}

op_complex *op_fourier_run(const op_fourier *f, op_complex *x, op_complex *work, int inverse) {
    int64_t left = f->n, s = 1;
    if (inverse) conjugate(x, f->n);
    for (int i = 0; i < f->n_factors; i++) {
        int64_t p = f->factor[i], m = left / p;
        if (p == 4) stage4(f, x, work, m, s);
        else if (p == 2) stage2(f, x, work, m, s);
        else stage_any(f, x, work, m, s, p);
        left = m;
        s *= p;
        op_complex *made = work;
        work = x;
        x = made;
    }
    if (inverse) conjugate(x, f->n);
    return x;
}

double op_fourier_flops(const op_fourier *f) {
    double sum = 0;
    for (int i = 0; i < f->n_factors; i++) sum += f->factor[i] <= 4 ? 8.5 : 8.0 * (double)f->factor[i];
    return sum * (double)f->n;
}
