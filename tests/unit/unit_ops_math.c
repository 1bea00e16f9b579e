/* Arithmetic operators in the corners that the official node tests leave out: NaN, overflow, division by zero, empty tensors, scalars,
 * the broadcasting of opsets before 7, packed weights. */
#include "unit_main.h"

#include "ops_harness.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) (int64_t[]){__VA_ARGS__}
#define F32(...) (float[]){__VA_ARGS__}
#define I32(...) (int32_t[]){__VA_ARGS__}
#define I64(...) (int64_t[]){__VA_ARGS__}

/* NaN equals NaN, and -0 differs from 0. */
static void want_f32(const ops_case *c, int64_t n, const float *y)
{
    const float *got = c->out[0].tensor.data;
    ck_assert_int_eq(clstm_tensor_count(&c->out[0].tensor), n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg((isnan(got[i]) && isnan(y[i])) || (got[i] == y[i] && signbit(got[i]) == signbit(y[i])), "element %d is %g, expected %g", (int)i, (double)got[i], (double)y[i]);
    ck_assert(!c->twice_differs);
}

static ops_case *pair(const char *op, int version, clstm_type type, int rank_a, const int64_t *a, const void *x, int rank_b, const int64_t *b, const void *y)
{
    ops_case *c = ops_case_new(op, "", version, 2, 1);
    ops_case_input(c, 0, type, rank_a, a, x);
    ops_case_input(c, 1, type, rank_b, b, y);
    return c;
}

static void want_i32(const char *op, int n, const int32_t *a, const int32_t *b, const int32_t *y, int fmod_signs)
{
    ops_case *c = pair(op, 14, CLSTM_INT32, 1, DIMS(n), a, 1, DIMS(n), b);
    if (fmod_signs >= 0) ops_case_int(c, "fmod", fmod_signs);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_mem_eq(c->out[0].tensor.data, y, (size_t)n * 4);
    ck_assert(!c->twice_differs);
    ops_case_free(c);
}

START_TEST(integers)
{
    want_i32("Add", 2, I32(INT_MAX, -1), I32(1, 2), I32(INT_MIN, 1), -1);
    want_i32("Mul", 2, I32(INT_MIN, 7), I32(-1, 3), I32(INT_MIN, 21), -1);
    want_i32("Div", 4, I32(INT_MIN, -7, 7, -7), I32(-1, 2, -2, -2), I32(INT_MIN, -3, -3, 3), -1);
    want_i32("Mod", 5, I32(INT_MIN, -7, 7, -7, 7), I32(-1, 3, -3, -3, 3), I32(0, 2, -2, -1, 1), 0);
    want_i32("Mod", 5, I32(INT_MIN, -7, 7, -7, 7), I32(-1, 3, -3, -3, 3), I32(0, -1, 1, -1, 1), 1);
    static const char *const ops[] = {"Div", "Mod"};
    for (int i = 0; i < 2; i++) {
        ops_case *c = pair(ops[i], 14, CLSTM_INT32, 1, DIMS(3), I32(1, 2, 3), 1, DIMS(3), I32(1, 0, 1));
        ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_ARGUMENT);
        ck_assert(strstr(c->err.message, "division by zero at element 1"));
        ops_case_free(c);
    }
    /* dividing nothing by zero divides nothing */
    ops_case *c = pair("Div", 14, CLSTM_INT32, 1, DIMS(0), I32(0), 1, DIMS(1), I32(0));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ops_case_free(c);
    c = pair("BitShift", 11, CLSTM_UINT8, 1, DIMS(4), (uint8_t[]){255, 255, 255, 1}, 1, DIMS(4), (uint8_t[]){7, 8, 200, 0});
    ops_case_string(c, "direction", "RIGHT");
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_mem_eq(c->out[0].tensor.data, ((uint8_t[]){1, 0, 0, 1}), 4);
    ops_case_free(c);
}
END_TEST

START_TEST(nan_flows)
{
    const float x[] = {NAN, 1, NAN, -0.0f}, y[] = {2, NAN, NAN, 3};
    ops_case *c = pair("Max", 13, CLSTM_FLOAT, 1, DIMS(4), x, 1, DIMS(4), y);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 4, F32(NAN, NAN, NAN, 3));
    ops_case_free(c);
    c = pair("Min", 13, CLSTM_FLOAT, 1, DIMS(4), x, 1, DIMS(4), y);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 4, F32(NAN, NAN, NAN, -0.0f));
    ops_case_free(c);
    c = ops_case_new("Clip", "", 13, 3, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(5), F32(NAN, -INFINITY, INFINITY, 0.5f, 3));
    ops_case_input(c, 2, CLSTM_FLOAT, 0, NULL, F32(2));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 5, F32(NAN, -INFINITY, 2, 0.5f, 2));
    ops_case_free(c);
    c = ops_case_new("Relu", "", 14, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(3), F32(NAN, -1, INFINITY));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 3, F32(NAN, 0, INFINITY));
    ops_case_free(c);
    c = ops_case_new("ReduceMax", "", 13, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(4), F32(1, NAN, INFINITY, 2));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 1, F32(NAN));
    ops_case_free(c);
}
END_TEST

static const struct { const char *op; bool last; float x[5]; int64_t y; } args[] = {
    {"ArgMax", false, {1, NAN, 9, NAN, 2}, 1}, {"ArgMax", true, {1, NAN, 9, NAN, 2}, 3}, {"ArgMin", false, {1, 0, NAN, 0, 2}, 2},
    {"ArgMax", false, {1, 7, 7, 7, 2}, 1},     {"ArgMax", true, {1, 7, 7, 7, 2}, 3},     {"ArgMin", true, {1, 0, 5, 0, 2}, 3},
};
START_TEST(best_index)
{
    ops_case *c = ops_case_new(args[_i].op, "", 13, 1, 1);
    ops_case_int(c, "select_last_index", args[_i].last);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(5), args[_i].x);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_int_eq(*(int64_t *)c->out[0].tensor.data, args[_i].y);
    ops_case_free(c);
    /* the same as columns, beside a column of zeros */
    float x[10] = {0};
    for (int i = 0; i < 5; i++) x[2 * i] = args[_i].x[i];
    c = ops_case_new(args[_i].op, "", 13, 1, 1);
    ops_case_int(c, "select_last_index", args[_i].last);
    ops_case_input(c, 0, CLSTM_FLOAT, 2, DIMS(5, 2), x);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_int_eq(((int64_t *)c->out[0].tensor.data)[0], args[_i].y);
    ck_assert_int_eq(((int64_t *)c->out[0].tensor.data)[1], args[_i].last ? 4 : 0);
    ops_case_free(c);
}
END_TEST

START_TEST(topk_order)
{
    ops_case *c = ops_case_new("TopK", "", 11, 2, 2);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(7), F32(3, NAN, 5, 3, -INFINITY, 5, 3));
    ops_case_input(c, 1, CLSTM_INT64, 1, DIMS(1), I64(5));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 5, F32(NAN, 5, 5, 3, 3));
    ck_assert(!memcmp(c->out[1].tensor.data, I64(1, 2, 5, 0, 3), 40));
    ops_case_free(c);
    c = ops_case_new("TopK", "", 11, 2, 2);
    ops_case_int(c, "largest", 0);
    ops_case_input(c, 0, CLSTM_UINT64, 1, DIMS(4), ((uint64_t[]){UINT64_MAX, 1, INT64_MAX, 1}));
    ops_case_input(c, 1, CLSTM_INT64, 1, DIMS(1), I64(4));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert(!memcmp(c->out[1].tensor.data, I64(1, 3, 2, 0), 32));
    ops_case_free(c);
    c = ops_case_new("TopK", "", 11, 2, 2);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(1), F32(3));
    ops_case_input(c, 1, CLSTM_INT64, 1, DIMS(1), I64(2));
    ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_MODEL);
    ops_case_free(c);
}
END_TEST

START_TEST(casts)
{
    const struct { clstm_type from, to; const void *x; const void *y; size_t n, bytes; } cases[] = {
        {CLSTM_FLOAT, CLSTM_INT8, F32(NAN, 1e9f, -1e9f, -1.9f, 127.9f), (int8_t[]){0, 127, -128, -1, 127}, 5, 5},
        {CLSTM_FLOAT, CLSTM_UINT64, F32(-5, 1.8446744e19f, 3e19f, INFINITY), (uint64_t[]){0, UINT64_MAX, UINT64_MAX, UINT64_MAX}, 4, 32},
        {CLSTM_FLOAT, CLSTM_INT64, F32(0x1.fffffep62f, 0x1p63f, -9.3e18f, NAN), I64(9223371487098961920, INT64_MAX, INT64_MIN, 0), 4, 32},
        {CLSTM_INT32, CLSTM_UINT8, I32(256, -1, 300), (uint8_t[]){0, 255, 44}, 3, 3},
        {CLSTM_FLOAT, CLSTM_BOOL, F32(NAN, 0, -0.0f, 1e-30f), (uint8_t[]){1, 0, 0, 1}, 4, 4},
        /* just above a tie of 24 bits in 64: rounded once it goes up */
        {CLSTM_INT64, CLSTM_BFLOAT16, I64((INT64_C(0x101) << 54) + 1, INT64_C(0x101) << 54), (uint16_t[]){0x5e81, 0x5e80}, 2, 4},
        {CLSTM_DOUBLE, CLSTM_FLOAT16, ((double[]){65519.99, 65520, 1 + 0x1p-11 + 0x1p-40}), (uint16_t[]){0x7bff, 0x7c00, 0x3c01}, 3, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ops_case *c = ops_case_new("Cast", "", 13, 1, 1);
        ops_case_int(c, "to", cases[i].to);
        ops_case_input(c, 0, cases[i].from, 1, DIMS((int64_t)cases[i].n), cases[i].x);
        ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
        ck_assert_msg(!memcmp(c->out[0].tensor.data, cases[i].y, cases[i].bytes), "case %zu", i);
        ops_case_free(c);
    }
    ops_case *c = ops_case_new("Cast", "", 13, 1, 1);
    ops_case_int(c, "to", CLSTM_STRING);
    ops_case_input(c, 0, CLSTM_FLOAT, 0, NULL, F32(1));
    ck_assert_int_eq(ops_case_run(c), CLSTM_UNSUPPORTED);
    ops_case_free(c);
}
END_TEST

START_TEST(broadcasts)
{
    ops_case *c = pair("Add", 14, CLSTM_FLOAT, 0, NULL, F32(1), 0, NULL, F32(2));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_int_eq(c->out[0].tensor.rank, 0);
    want_f32(c, 1, F32(3));
    ops_case_free(c);
    c = pair("Add", 14, CLSTM_FLOAT, 3, DIMS(2, 1, 2), F32(0, 1, 2, 3), 2, DIMS(2, 1), F32(10, 20));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 8, F32(10, 11, 20, 21, 12, 13, 22, 23));
    ops_case_free(c);
    c = pair("Add", 14, CLSTM_FLOAT, 2, DIMS(0, 3), F32(0), 2, DIMS(1, 3), F32(1, 2, 3));
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_int_eq(c->out[0].tensor.dims[0], 0);
    ops_case_free(c);
    c = pair("Add", 14, CLSTM_FLOAT, 1, DIMS(2), F32(0, 1), 1, DIMS(3), F32(1, 2, 3));
    ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_MODEL);
    ck_assert(strstr(c->err.message, "[2] and [3] do not broadcast"));
    ops_case_free(c);
}
END_TEST

/* Before opset 7 B's dimensions lie along A's from `axis` on, and only with broadcast=1. */
START_TEST(old_broadcast)
{
    ops_case *c = pair("Add", 6, CLSTM_FLOAT, 2, DIMS(2, 3), F32(0, 1, 2, 3, 4, 5), 1, DIMS(2), F32(10, 20));
    ops_case_int(c, "broadcast", 1);
    ops_case_int(c, "axis", 0);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want_f32(c, 6, F32(10, 11, 12, 23, 24, 25));
    ops_case_free(c);
    c = pair("Add", 6, CLSTM_FLOAT, 2, DIMS(2, 3), F32(0, 1, 2, 3, 4, 5), 1, DIMS(3), F32(10, 20, 30));
    ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_MODEL);
    ck_assert(strstr(c->err.message, "without broadcast"));
    ops_case_free(c);
    c = pair("Sub", 7, CLSTM_FLOAT, 1, DIMS(1), F32(1), 1, DIMS(1), F32(1));
    ops_case_int(c, "broadcast", 1);
    ck_assert_int_eq(ops_case_run(c), CLSTM_UNSUPPORTED);
    ck_assert(strstr(c->err.message, "attribute broadcast"));
    ops_case_free(c);
}
END_TEST

/* Opset 12 sees [2,2,2] with axis 1 as two rows of four; opset 13 has four rows of two. */
START_TEST(softmax_rows)
{
    const float x[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    for (int version = 12; version <= 13; version++) {
        ops_case *c = ops_case_new("Softmax", "", version, 1, 1);
        ops_case_int(c, "axis", 1);
        ops_case_input(c, 0, CLSTM_FLOAT, 3, DIMS(2, 2, 2), x);
        ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
        ck_assert_float_eq(*(float *)c->out[0].tensor.data, version == 12 ? 0.25f : 0.5f);
        ops_case_free(c);
    }
}
END_TEST

/* A pivot of 0 on the diagonal, a singular matrix, one that stands alone, none at all. */
START_TEST(determinants)
{
    const float x[27] = {0, 2, 1, 3, 0, -1, 4, 5, 6, 1, 2, 3, 2, 4, 6, 7, 8, 9, 2, 0, 0, 0, 3, 0, 0, 0, 4};
    const float want[3] = {-29, 0, 24};
    ops_case *c = ops_case_new("Det", "", 11, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 3, DIMS(3, 3, 3), x);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    for (int i = 0; i < 3; i++) ck_assert_float_eq_tol(((float *)c->out[0].tensor.data)[i], want[i], 1e-5f);
    ops_case_free(c);
    c = ops_case_new("Det", "", 22, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 2, DIMS(0, 0), x);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_float_eq(*(float *)c->out[0].tensor.data, 1);
    ops_case_free(c);
    c = ops_case_new("Det", "", 11, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 2, DIMS(2, 3), x);
    ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_MODEL);
    ops_case_free(c);
}
END_TEST

/* Within 4 ULP of long double, the largest element's little included, wherever the row lies and whatever its level. */
START_TEST(log_softmax_rows)
{
    static const float rows[][4] = {{0, -20, -30, -100}, {88, 50, 1, -3}, {1e-3f, 2e-3f, 0, 5e-4f}, {-1000, -1001, -1010, -5000}, {3, 3, -70, 2}, {100, -INFINITY, 99, 98.5f}};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        ops_case *c = ops_case_new("LogSoftmax", "", 13, 1, 1);
        long double sum = 0, top = -INFINITY;
        ops_case_input(c, 0, CLSTM_FLOAT, 2, DIMS(1, 4), rows[r]);
        ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
        const float *y = c->out[0].tensor.data;
        for (int i = 0; i < 4; i++) top = fmaxl(top, (long double)rows[r][i]);
        for (int i = 0, met = 0; i < 4; i++)        /* without one of the largest, whose 1 would hide the others */
            if ((long double)rows[r][i] != top || met++) sum += expl((long double)rows[r][i] - top);
        for (int i = 0; i < 4; i++) {
            float want = (float)((long double)rows[r][i] - top - log1pl(sum));
            ck_assert_msg(y[i] == want || fabsf(y[i] - want) <= 4 * (nextafterf(fabsf(want), INFINITY) - fabsf(want)), "row %zu: %a, not %a", r, (double)y[i], (double)want);
        }
        ops_case_free(c);
    }
}
END_TEST

static const struct { int64_t m, k, n; bool trans_a, trans_b; float alpha, beta; int bias_rank; int64_t bias[2]; } gemms[] = {
    {1, 7, 5, false, false, 1, 1, 1, {5, 0}},   {3, 33, 65, false, true, 1, 1, 2, {1, 65}}, {4, 8, 6, true, false, 0.5f, 2, 2, {4, 1}},
    {2, 3, 17, true, true, 1, 0.5f, 0, {0, 0}}, {5, 1, 1, false, false, 2, 0, 2, {5, 1}},   {3, 0, 4, false, false, 1, 1, 1, {4, 0}},
};
/* Packed and unpacked weights give the same bits, and the right ones. */
START_TEST(gemm_forms)
{
    const int64_t m = gemms[_i].m, k = gemms[_i].k, n = gemms[_i].n;
    float a[256], b[4096], bias[128], first[512];
    for (int i = 0; i < 256; i++) a[i] = (float)((i * 37) % 19 - 9) / 4;
    for (int i = 0; i < 4096; i++) b[i] = (float)((i * 53) % 23 - 11) / 8;
    for (int i = 0; i < 128; i++) bias[i] = (float)(i % 7) - 3;
    for (int constant = 0; constant < 2; constant++) {
        ops_case *c = ops_case_new("Gemm", "", 13, 3, 1);
        ops_case_int(c, "transA", gemms[_i].trans_a);
        ops_case_int(c, "transB", gemms[_i].trans_b);
        ops_case_float(c, "alpha", gemms[_i].alpha);
        ops_case_float(c, "beta", gemms[_i].beta);
        ops_case_input(c, 0, CLSTM_FLOAT, 2, gemms[_i].trans_a ? DIMS(k, m) : DIMS(m, k), a);
        ops_case_input(c, 1, CLSTM_FLOAT, 2, gemms[_i].trans_b ? DIMS(n, k) : DIMS(k, n), b);
        ops_case_input(c, 2, CLSTM_FLOAT, gemms[_i].bias_rank, gemms[_i].bias, bias);
        c->constant[1] = constant;
        ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
        const float *y = c->out[0].tensor.data;
        if (constant) ck_assert_mem_eq(y, first, (size_t)(m * n) * 4);
        memcpy(first, y, (size_t)(m * n) * 4);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t p = 0; p < k; p++) sum += (double)a[gemms[_i].trans_a ? p * m + i : i * k + p] * (double)b[gemms[_i].trans_b ? j * k + p : p * n + j];
                int64_t at = gemms[_i].bias_rank == 0 ? 0 : gemms[_i].bias_rank == 1 || gemms[_i].bias[0] == 1 ? j : i;
                ck_assert_double_eq_tol((double)y[i * n + j], (double)gemms[_i].alpha * sum + (double)gemms[_i].beta * (double)bias[at], 1e-4);
            }
        ops_case_free(c);
    }
}
END_TEST

/* Every element depends on its own row alone: rows of a product have the same bits whatever stands beside them. */
START_TEST(rows_are_independent)
{
    enum { M = 9, K = 37, N = 29 };
    float a[M * K], b[K * N];
    for (int i = 0; i < M * K; i++) a[i] = sinf((float)i);
    for (int i = 0; i < K * N; i++) b[i] = cosf((float)i * 0.7f);
    ops_case *whole = pair("MatMul", 13, CLSTM_FLOAT, 2, DIMS(M, K), a, 2, DIMS(K, N), b);
    ck_assert_int_eq(ops_case_run(whole), CLSTM_OK);
    for (int i = 0; i < M; i++) {
        ops_case *row = pair("MatMul", 13, CLSTM_FLOAT, 1, DIMS(K), a + i * K, 2, DIMS(K, N), b);
        row->constant[1] = i % 2;
        ck_assert_int_eq(ops_case_run(row), CLSTM_OK);
        ck_assert_int_eq(row->out[0].tensor.rank, 1);
        ck_assert_mem_eq(row->out[0].tensor.data, (float *)whole->out[0].tensor.data + i * N, N * 4);
        ops_case_free(row);
    }
    ops_case_free(whole);
}
END_TEST

static double ref_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double ref_gelu(double x) { return x == (double)-INFINITY ? -0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440); }
static const struct { const char *op; double (*f)(double); } functions[] = {
    {"Exp", exp}, {"Log", log}, {"Tanh", tanh}, {"Sigmoid", ref_sigmoid}, {"Erf", erf}, {"Gelu", ref_gelu},
};
/* 4 ULP over the float range, the same bits at every place of the buffer. */
START_TEST(accuracy)
{
    enum { N = 1 << 16 };
    float *x = malloc(N * sizeof *x), *shifted = malloc(N * sizeof *x);
    ck_assert(x && shifted);
    for (uint32_t i = 0; i < N; i++) { uint32_t bits = i << 16 | (i * 40503u & 0xffff); memcpy(&x[i], &bits, 4); }
    ops_case *c = ops_case_new(functions[_i].op, "", 20, 1, 1), *d = ops_case_new(functions[_i].op, "", 20, 1, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(N), x);
    memcpy(shifted, x + 3, (N - 3) * sizeof *x);
    ops_case_input(d, 0, CLSTM_FLOAT, 1, DIMS(N - 3), shifted);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    ck_assert_int_eq(ops_case_run(d), CLSTM_OK);
    const float *y = c->out[0].tensor.data, *z = d->out[0].tensor.data;
    for (int i = 0; i < N; i++) {
        double want = functions[_i].f((double)x[i]);
        int exponent;
        if (isnan(want)) { ck_assert(isnan(y[i])); continue; }
        if (isinf((float)want)) { ck_assert(y[i] == (float)want || fabsf(y[i]) == 3.40282347e38f); continue; }
        frexp((double)(float)want, &exponent);
        if (want == 0 || exponent < -125) exponent = -125;
        ck_assert_msg(fabs((double)y[i] - want) <= 4 * ldexp(1, exponent - 24), "%s(%a) is %a, expected %a", functions[_i].op, (double)x[i], (double)y[i], want);
        if (i >= 3) ck_assert_mem_eq(&y[i], &z[i - 3], 4);
    }
    ops_case_free(c);
    ops_case_free(d);
    free(x);
    free(shifted);
}
END_TEST

START_TEST(empty_reductions)
{
    static const struct { const char *op; float y; } cases[] = {{"ReduceSum", 0}, {"ReduceProd", 1}, {"ReduceMax", -INFINITY}, {"ReduceMin", INFINITY}, {"ReduceL2", 0}, {"ReduceLogSumExp", -INFINITY}};
    for (int i = 0; i < 6; i++) {
        ops_case *c = ops_case_new(cases[i].op, "", 11, 1, 1);
        ops_case_ints(c, "axes", DIMS(1), 1);
        ops_case_input(c, 0, CLSTM_FLOAT, 2, DIMS(2, 0), F32(0));
        ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
        want_f32(c, 2, F32(cases[i].y, cases[i].y));
        ops_case_free(c);
    }
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("ops_math");
    unit_add(s, "integers", integers);
    unit_add(s, "nan", nan_flows);
    unit_add_loop(s, "arg", best_index, 0, (int)(sizeof args / sizeof *args));
    unit_add(s, "topk", topk_order);
    unit_add(s, "casts", casts);
    unit_add(s, "broadcasts", broadcasts);
    unit_add(s, "old broadcast", old_broadcast);
    unit_add(s, "softmax rows", softmax_rows);
    unit_add(s, "log softmax rows", log_softmax_rows);
    unit_add(s, "determinants", determinants);
    unit_add_loop(s, "gemm", gemm_forms, 0, (int)(sizeof gemms / sizeof *gemms));
    unit_add(s, "rows", rows_are_independent);
    unit_add_loop(s, "accuracy", accuracy, 0, (int)(sizeof functions / sizeof *functions));
    unit_add(s, "empty reductions", empty_reductions);
    return s;
}
