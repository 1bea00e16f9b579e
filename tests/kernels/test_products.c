/* Packing and products: exact bits of the canonical order over random shapes, whatever the tiles, batch and panel ranges. */
#include "tests/kernels/kernel_test.h"

#include <string.h>

enum { ROUNDS = 400 };

/* A random layout, plain or a cell's, with its source matrix. */
typedef struct sample {
    kernel_layout layout;
    kernel_source source;
    guarded raw, packed;
} sample;

static sample sample_new(const kernel_table *t, kernel_store store, int64_t k, int64_t n, int gates, int transposed)
{
    sample s;
    if (gates)
        t->layout_cell(&s.layout, store, gates, n, k);
    else
        t->layout_plain(&s.layout, store, k, n);
    int64_t count = s.layout.gates * n * k;
    size_t size = store == KERNEL_STORE_F64 ? sizeof(double) : sizeof(float);
    int end = (int)random_in(0, 1);
    s.raw = guarded_new((size_t)count * size, end);
    for (int64_t i = 0; i < count; i++)
        if (store == KERNEL_STORE_F64)
            ((double *)s.raw.data)[i] = (double)random_float();
        else
            ((float *)s.raw.data)[i] = random_float();
    s.source = (kernel_source){.data = s.raw.data,
                               .type = store == KERNEL_STORE_F64 ? KERNEL_ELEMENT_F64 : KERNEL_ELEMENT_F32,
                               .gate_stride = n * k,
                               .unit_stride = transposed ? 1 : k,
                               .k_stride = transposed ? n : 1};
    for (int g = 0; g < s.layout.gates; g++)
        s.source.gate[g] = s.layout.gates - 1 - g;
    s.packed = guarded_new(s.layout.bytes, (int)random_in(0, 1));
    memset(s.packed.data, 0xff, s.layout.bytes);
    int64_t split = random_in(0, s.layout.panels);
    t->pack(&s.layout, &s.source, s.packed.data, 0, split);
    t->pack(&s.layout, &s.source, s.packed.data, split, s.layout.panels);
    return s;
}

static void sample_free(sample *s)
{
    guarded_free(&s->raw);
    guarded_free(&s->packed);
}

/* The weight that column `col` of a product multiplies at depth k; 0 for a pad. */
static double weight(const sample *s, int64_t col, int64_t k)
{
    const kernel_layout *l = &s->layout;
    int64_t unit = col;
    int gate = 0;
    if (l->gates > 1) {
        unit = col / l->width * l->units + col % l->units;
        gate = (int)(col % l->width / l->units);
    }
    if (unit >= l->n)
        return 0;
    int64_t i = s->source.gate[gate] * s->source.gate_stride + unit * s->source.unit_stride + k * s->source.k_stride;
    return l->store == KERNEL_STORE_F64 ? ((const double *)s->raw.data)[i] : (double)((const float *)s->raw.data)[i];
}

void test_packing(const kernel_table *t)
{
    family_begin("pack and unpack", t);
    for (int round = 0; round < ROUNDS / 4; round++) {
        int gates = (int)random_in(0, 4);
        kernel_store store = (kernel_store)random_in(KERNEL_STORE_F32, KERNEL_STORE_F32_F64);
        int64_t k = random_in(1, 70), n = random_in(1, 150);
        sample s = sample_new(t, store, k, n, gates, (int)random_in(0, 1));
        size_t bytes = (size_t)(s.layout.gates * n * k) * (store == KERNEL_STORE_F64 ? sizeof(double) : sizeof(float));
        guarded back = guarded_new(bytes, 1);
        kernel_source to = s.source;
        to.data = back.data;
        t->unpack(&s.layout, s.packed.data, &to, 0, s.layout.panels);
        if (memcmp(back.data, s.raw.data, bytes) != 0)
            family_fail("k %lld n %lld gates %d: unpacked weights differ", (long long)k, (long long)n, gates);
        guarded_free(&back);
        sample_free(&s);
    }
    family_end();

    family_begin("pack half types", t);
    const uint16_t f16[6] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000};
    const uint16_t bf16[6] = {0x3f80, 0xc000, 0x0080, 0x7f7f, 0x7f80, 0x8000};
    const float want16[6] = {1.0f, -2.0f, 5.9604644775390625e-8f, 65504.0f, __builtin_inff(), -0.0f};
    const float wantbf[6] = {1.0f, -2.0f, 1.17549435e-38f, 3.38953139e38f, __builtin_inff(), -0.0f};
    for (int b = 0; b < 2; b++) {
        kernel_layout l;
        t->layout_plain(&l, KERNEL_STORE_F32, 6, 1);
        guarded packed = guarded_new(l.bytes, 1);
        kernel_source s = {.data = b ? bf16 : f16, .type = b ? KERNEL_ELEMENT_BF16 : KERNEL_ELEMENT_F16, .unit_stride = 6, .k_stride = 1};
        t->pack(&l, &s, packed.data, 0, 1);
        for (int i = 0; i < 6; i++)
            if (memcmp((float *)packed.data + i * l.last_width, (b ? wantbf : want16) + i, sizeof(float)) != 0)
                family_fail("type %d value %d: %g", b, i, (double)((float *)packed.data)[i * l.last_width]);
        guarded_free(&packed);
    }
    family_end();
}

typedef struct product {
    kernel_gemm g;
    guarded a, c, init;
    int64_t init_count;
} product;

static void put(void *data, int64_t i, kernel_store store, double x)
{
    if (store != KERNEL_STORE_F32)
        ((double *)data)[i] = x;
    else
        ((float *)data)[i] = (float)x;
}

static double get(const void *data, int64_t i, kernel_store store)
{
    return store != KERNEL_STORE_F32 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

/* Element (row, col) in the canonical order. */
static double expected(const kernel_table *t, const sample *s, const kernel_gemm *g, const void *c0, int64_t row, int64_t col)
{
    kernel_store store = s->layout.store;
    double x = 0;
    if (g->start == KERNEL_INIT_C)
        x = get(c0, row * g->ldc + col, store);
    else if (g->start == KERNEL_INIT_ROW)
        x = get(g->init, col, store);
    else if (g->start == KERNEL_INIT_COL)
        x = get(g->init, row, store);
    float f = (float)x;
    for (int64_t k = 0; k < s->layout.k; k++) {
        double a = get(g->a, row * g->lda + k, store), w = weight(s, col, k);
        if (store != KERNEL_STORE_F32)
            x = level_fma_f64(t, a, w, x);
        else
            f = level_fma(t, (float)a, (float)w, f);
    }
    return store != KERNEL_STORE_F32 ? x : (double)f;
}

static void one_product(const kernel_table *t, kernel_store store, int64_t m, int64_t k, int64_t n, int gates)
{
    sample s = sample_new(t, store, k, n, gates, (int)random_in(0, 1));
    const kernel_layout *l = &s.layout;
    kernel_packed packed = {*l, s.packed.data};
    size_t size = store != KERNEL_STORE_F32 ? sizeof(double) : sizeof(float);
    int64_t lda = k + random_in(0, 3), ldc = l->cols + random_in(0, 3);
    int64_t count_a = (m - 1) * lda + k, count_c = (m - 1) * ldc + l->cols, count_i = m > l->cols ? m : l->cols;
    kernel_init start = (kernel_init)random_in(KERNEL_INIT_C, KERNEL_INIT_COL);
    if (start == KERNEL_INIT_ROW)
        count_i = l->cols;
    if (start == KERNEL_INIT_COL)
        count_i = m;
    guarded a = guarded_new((size_t)count_a * size, (int)random_in(0, 1)), c = guarded_new((size_t)count_c * size, (int)random_in(0, 1));
    guarded c0 = guarded_new((size_t)count_c * size, 1), init = guarded_new((size_t)count_i * size, (int)random_in(0, 1));
    for (int64_t i = 0; i < count_a; i++)
        put(a.data, i, store, (double)random_float());
    for (int64_t i = 0; i < count_c; i++)
        put(c.data, i, store, (double)random_float());
    for (int64_t i = 0; i < count_i; i++)
        put(init.data, i, store, (double)random_float());
    memcpy(c0.data, c.data, (size_t)count_c * size);

    /* rows and panels in random pieces: the bits may not notice */
    kernel_gemm g = {.b = &packed, .lda = lda, .ldc = ldc, .start = start, .init = init.data};
    int64_t row_split = random_in(0, m), panel_split = random_in(0, l->panels);
    for (int piece = 0; piece < 4; piece++) {
        int64_t row = piece & 1 ? row_split : 0;
        g.m = (piece & 1 ? m : row_split) - row;
        g.a = (const char *)a.data + (size_t)(row * lda) * size;
        g.c = (char *)c.data + (size_t)(row * ldc) * size;
        g.init = start == KERNEL_INIT_COL ? (const char *)init.data + (size_t)row * size : init.data;
        g.p0 = piece & 2 ? panel_split : 0;
        g.p1 = piece & 2 ? l->panels : panel_split;
        (store == KERNEL_STORE_F64 ? t->gemm_f64 : store == KERNEL_STORE_F32 ? t->gemm_f32 : t->gemm_f32_f64)(&g);
    }
    g.a = a.data;
    g.init = init.data;
    for (int64_t row = 0; row < m; row++)
        for (int64_t col = 0; col < ldc && row * ldc + col < count_c; col++) {
            double got = get(c.data, row * ldc + col, store);
            double want = col < l->cols ? expected(t, &s, &g, c0.data, row, col) : get(c0.data, row * ldc + col, store);
            if (got != want) {
                family_fail("m %lld k %lld n %lld gates %d start %d row %lld col %lld: %.9g, expected %.9g", (long long)m, (long long)k,
                            (long long)n, gates, (int)start, (long long)row, (long long)col, got, want);
                row = m;
                break;
            }
        }
    guarded_free(&a);
    guarded_free(&c);
    guarded_free(&c0);
    guarded_free(&init);
    sample_free(&s);
}

void test_products(const kernel_table *t)
{
    static const char *const shape[] = {"gemm_f32, any shape, bits", "gemm_f64, any shape, bits", "gemm_f32_f64, any shape, bits"};
    static const char *const block[] = {"gemm_f32, depth and row blocks, bits", "gemm_f64, depth and row blocks, bits",
                                        "gemm_f32_f64, depth and row blocks, bits"};
    for (kernel_store store = KERNEL_STORE_F32; store <= KERNEL_STORE_F32_F64; store++) {
        family_begin(shape[store], t);
        for (int round = 0; round < ROUNDS; round++)
            one_product(t, store, random_in(1, 30), random_in(1, 40), random_in(1, 150), (int)random_in(0, 4));
        family_end();
        family_begin(block[store], t);
        one_product(t, store, 1, 1100, 70, 4);
        one_product(t, store, 19, 1030, 33, 0);
        one_product(t, store, 250, 40, 65, 0);
        one_product(t, store, 131, 600, 17, 3);
        family_end();
    }
}

/* A product whose second matrix lies in rows that overlap each other, as the taps of a convolution do. */
void test_taps(const kernel_table *t)
{
    enum { MOST = 40, MARK = 0x7fc12345 };
    family_begin("taps", t);
    for (int round = 0; round < ROUNDS; round++) {
        const float *x[MOST];
        kernel_taps g = {.x = x, .k = random_in(1, MOST), .rows = random_in(1, 21), .n = round % 8 ? random_in(1, 80) : random_in(81, 700)};
        int64_t spread = random_in(0, 50), last = random_in(0, g.k - 1);
        g.ldw = g.k + random_in(0, 3);
        g.ldy = g.n + random_in(0, 3);
        guarded values = guarded_floats(g.n + spread, (int)random_in(0, 1)), w = guarded_floats((g.rows - 1) * g.ldw + g.k, (int)random_in(0, 1));
        guarded start = guarded_floats(g.rows, (int)random_in(0, 1)), y = guarded_new((size_t)((g.rows - 1) * g.ldy + g.n) * sizeof(float), (int)random_in(0, 1));
        uint32_t *marks = y.data;
        for (int64_t k = 0; k < g.k; k++)
            x[k] = (const float *)values.data + (k == last ? spread : random_in(0, spread));
        for (int64_t i = 0; i < (g.rows - 1) * g.ldy + g.n; i++)
            marks[i] = MARK;
        g.w = w.data;
        g.y = y.data;
        g.start = random_in(0, 3) ? start.data : NULL;
        t->taps_f32(&g);
        int wrong = 0;
        for (int64_t r = 0; r < g.rows; r++)
            for (int64_t i = 0; i < g.ldy && r * g.ldy + i < (g.rows - 1) * g.ldy + g.n; i++) {
                float sum = g.start ? g.start[r] : 0.0f;
                for (int64_t k = 0; k < g.k; k++)
                    sum = level_fma(t, g.w[r * g.ldw + k], i < g.n ? x[k][i] : 0.0f, sum);
                wrong += i < g.n ? first_difference(&g.y[r * g.ldy + i], &sum, 1) == 0 : marks[r * g.ldy + i] != MARK;
            }
        if (wrong)
            family_fail("rows %lld k %lld n %lld ldw %lld ldy %lld: %d values", (long long)g.rows, (long long)g.k, (long long)g.n, (long long)g.ldw,
                        (long long)g.ldy, wrong);
        guarded_free(&values);
        guarded_free(&w);
        guarded_free(&start);
        guarded_free(&y);
    }
    family_end();
}
