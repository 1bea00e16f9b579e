/* Vector functions: error over the whole float range against double libm, special values, position, guarded tails. */
#include "tests/kernels/kernel_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 14, FUNCTIONS = 6, MAX_LEVELS = 8 };

#define GATE_LIMIT 1.2e-7 /* absolute, as doc/kernels.md promises */

static double ref_gelu(double x) { return x == -INFINITY ? -0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440); }
static double ref_sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static const struct function {
    const char *name;
    double (*reference)(double);
    size_t offset, gate_offset; /* of the table's entries; the gate form where there is one */
    double limit;               /* ULP that doc/kernels.md promises */
} functions[FUNCTIONS] = {
    {"exp", exp, offsetof(kernel_table, exp), 0, 1.5},
    {"log", log, offsetof(kernel_table, log), 0, 1.5},
    {"tanh", tanh, offsetof(kernel_table, tanh), offsetof(kernel_table, gate_tanh), 3.0},
    {"sigmoid", ref_sigmoid, offsetof(kernel_table, sigmoid), offsetof(kernel_table, gate_sigmoid), 3.0},
    {"erf", erf, offsetof(kernel_table, erf), 0, 3.0},
    {"gelu", ref_gelu, offsetof(kernel_table, gelu), 0, 4.0},
};

static kernel_map_f32 *entry(const kernel_table *t, size_t offset)
{
    kernel_map_f32 *f;
    memcpy(&f, (const char *)t + offset, sizeof f);
    return f;
}

/* |got - want| in units of the last place of the float nearest to want; 0 for equal NaN or infinity, else infinite. */
static double ulps(float got, double want)
{
    float nearest = (float)want;
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (isinf(nearest) || isinf(got))
        return nearest == got || (isinf(nearest) && fabsf(got) == 3.40282347e38f) ? 0 : INFINITY;
    int exponent;
    frexp((double)nearest, &exponent);
    if (nearest == 0 || exponent < -125)
        exponent = -125;
    return fabs((double)got - want) / ldexp(1.0, exponent - 24);
}

typedef struct extremes {
    double ulp, gate_abs;
    float ulp_at, gate_at;
} extremes;

static void scan(const struct function *f, const kernel_table *const *tables, int count, uint32_t stride, extremes *w)
{
    float *x = malloc(CHUNK * sizeof *x), *y = malloc(CHUNK * sizeof *y);
    double *ref = malloc(CHUNK * sizeof *ref);
    if (!x || !y || !ref)
        exit(2);
    for (uint64_t at = 0; at < UINT64_C(1) << 32;) {
        int n = 0;
        for (; n < CHUNK && at < UINT64_C(1) << 32; n++, at += stride) {
            uint32_t bits = (uint32_t)at;
            memcpy(&x[n], &bits, sizeof bits);
            ref[n] = f->reference((double)x[n]);
        }
        for (int l = 0; l < count; l++) {
            entry(tables[l], f->offset)(x, y, n);
            for (int i = 0; i < n; i++) {
                double e = ulps(y[i], ref[i]);
                if (!(e <= w[l].ulp)) {
                    w[l].ulp = e;
                    w[l].ulp_at = x[i];
                }
            }
            if (!f->gate_offset)
                continue;
            entry(tables[l], f->gate_offset)(x, y, n);
            for (int i = 0; i < n; i++) {
                double e = isnan(ref[i]) ? (isnan(y[i]) ? 0 : INFINITY) : fabs((double)y[i] - ref[i]);
                if (!(e <= w[l].gate_abs)) {
                    w[l].gate_abs = e;
                    w[l].gate_at = x[i];
                }
            }
        }
    }
    free(x);
    free(y);
    free(ref);
}

static void test_accuracy(const kernel_table *const *tables, int count, int every_float)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        const struct function *f = &functions[i];
        extremes w[MAX_LEVELS] = {{0, 0, 0, 0}};
        scan(f, tables, count, every_float ? 1 : 509, w);
        for (int l = 0; l < count; l++) {
            family_begin(f->name, tables[l]);
            if (!(w[l].ulp <= f->limit))
                family_fail("%.3f ULP at %a", w[l].ulp, (double)w[l].ulp_at);
            if (f->gate_offset && !(w[l].gate_abs <= GATE_LIMIT))
                family_fail("gate form %.3g off at %a", w[l].gate_abs, (double)w[l].gate_at);
            if (f->gate_offset)
                family_note("%.3f ULP at %a, gate form %.3g absolute", w[l].ulp, (double)w[l].ulp_at, w[l].gate_abs);
            else
                family_note("%.3f ULP at %a", w[l].ulp, (double)w[l].ulp_at);
            family_end();
        }
    }
}

static void test_specials(const kernel_table *t)
{
    static const struct {
        int function;
        float x, y;
    } cases[] = {{0, INFINITY, INFINITY}, {0, -INFINITY, 0},     {0, NAN, NAN},       {0, 0, 1},           {1, INFINITY, INFINITY}, {1, 0, -INFINITY},
                 {1, -0.0f, -INFINITY},   {1, -1, NAN},          {1, -INFINITY, NAN}, {1, NAN, NAN},       {1, 1, 0},               {2, INFINITY, 1},
                 {2, -INFINITY, -1},      {2, NAN, NAN},         {2, -0.0f, -0.0f},   {2, 0, 0},           {3, INFINITY, 1},        {3, -INFINITY, 0},
                 {3, NAN, NAN},           {3, 0, 0.5f},          {4, INFINITY, 1},    {4, -INFINITY, -1},  {4, NAN, NAN},           {4, -0.0f, -0.0f}};
    family_begin("special values", t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int gate = 0; gate < 2; gate++) {
            const struct function *f = &functions[cases[i].function];
            size_t offset = gate ? f->gate_offset : f->offset;
            float y;
            if (!offset)
                continue;
            entry(t, offset)(&cases[i].x, &y, 1);
            if (first_difference(&y, &cases[i].y, 1) >= 0)
                family_fail("%s(%g) is %g, not %g", f->name, (double)cases[i].x, (double)y, (double)cases[i].y);
        }
    family_end();
}

/* Every length at every place of a guarded buffer gives the bits of a whole buffer. */
static void test_positions(const kernel_table *t)
{
    family_begin("functions at any position and length", t);
    for (int i = 0; i < FUNCTIONS; i++)
        for (int n = 1; n <= 70; n++)
            for (int end = 0; end < 2; end++) {
                guarded x = guarded_floats(n, end), y = guarded_floats(n, end);
                float each[70];
                for (int j = 0; j < n; j++) {
                    ((float *)x.data)[j] *= 10.0f;
                    entry(t, functions[i].offset)((float *)x.data + j, &each[j], 1);
                }
                entry(t, functions[i].offset)(x.data, y.data, n);
                if (first_difference(y.data, each, n) >= 0)
                    family_fail("%s of %d values", functions[i].name, n);
                entry(t, functions[i].offset)(x.data, x.data, n);
                if (first_difference(x.data, each, n) >= 0)
                    family_fail("%s of %d values in place", functions[i].name, n);
                guarded_free(&x);
                guarded_free(&y);
            }
    family_end();
}

/* Rows of every kind of spread against long double; a row's neighbours in memory must not matter. */
static void test_softmax(const kernel_table *t)
{
    static const float spreads[] = {1e-3f, 1, 30, 100, 1000, 3e38f};
    family_begin("softmax", t);
    double worst = 0;
    for (int round = 0; round < 400; round++) {
        int n = (int)random_in(1, round % 10 ? 200 : 4096);
        guarded x = guarded_floats(n, round & 1), y = guarded_floats(n, round & 1);
        float *v = x.data, shift = round % 5 == 0 ? 100 * random_float() : 0;
        long double top = -INFINITY, sum = 0;
        for (int i = 0; i < n; i++) {
            v[i] = round % 7 == 0 && i % 3 == 1 ? -INFINITY : v[i] * spreads[round % 6] + shift;
            top = fmaxl(top, (long double)v[i]);
        }
        for (int i = 0; i < n; i++)
            sum += expl((long double)v[i] - top);
        t->softmax(x.data, y.data, n);
        for (int i = 0; i < n; i++) {
            double want = (double)(expl((long double)v[i] - top) / sum), e = ulps(((float *)y.data)[i], want);
            worst = e > worst ? e : worst;
            if (!(e <= 3))
                family_fail("n %d, %d: %a, expected %a, %.2f ULP", n, i, (double)((float *)y.data)[i], want, e);
        }
        guarded_free(&x);
        guarded_free(&y);
    }
    float bad[3][3] = {{-INFINITY, -INFINITY, -INFINITY}, {1, NAN, 2}, {1, INFINITY, 2}}, out[3];
    for (int b = 0; b < 3; b++) {
        t->softmax(bad[b], out, 3);
        for (int i = 0; i < 3; i++)
            if (!isnan(out[i]))
                family_fail("case %d gives %g", b, (double)out[i]);
    }
    family_note("%.3f ULP", worst);
    family_end();
}

void test_functions(const kernel_table *const *tables, int count, int every_float)
{
    for (int l = 0; l < count; l++) {
        test_specials(tables[l]);
        test_positions(tables[l]);
        test_softmax(tables[l]);
    }
    test_accuracy(tables, count, every_float);
}
