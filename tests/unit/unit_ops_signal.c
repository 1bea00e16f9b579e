/* DFT and STFT against the definition at many lengths, integer products against plain loops, Resize at its edges. */
#include "unit_main.h"

#include "ops_harness.h"
#include "tensor/tensor.h"
#include "util/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) (int64_t[]){__VA_ARGS__}

static uint64_t seed = 7;
static int64_t pick(int64_t low, int64_t high) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return low + (int64_t)(seed >> 33) % (high - low + 1);
}

static void run(ops_case *c) { ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message); }
static void refuse(ops_case *c, const char *words) {
    ck_assert_int_ne(ops_case_run(c), CLSTM_OK);
    ck_assert_msg(strstr(c->err.message, words) != NULL, "%s", c->err.message);
    ops_case_free(c);
}

/* ---- DFT ------------------------------------------------------------------------------------------------------------------------------ */

/* Value k of the transform of n complex numbers, `used` of which are there. */
static void define(const double *x, int64_t used, int64_t n, int64_t k, int sign, double out[2]) {
    long double re = 0, im = 0;
    for (int64_t i = 0; i < used && i < n; i++) {
        long double angle = sign * 6.283185307179586476925286766559L * (long double)(i * k % n) / (long double)n, c = cosl(angle), s = sinl(angle);
        re += (long double)x[2 * i] * c - (long double)x[2 * i + 1] * s;
        im += (long double)x[2 * i] * s + (long double)x[2 * i + 1] * c;
    }
    out[0] = (double)re;
    out[1] = (double)im;
}

static ops_case *dft(const double *x, int rank, const int64_t *dims, int64_t axis, int64_t *length, int inverse, int onesided) {
    static int64_t at;
    at = axis;
    ops_case *c = ops_case_new("DFT", "", 20, 3, 1);
    ops_case_input(c, 0, CLSTM_DOUBLE, rank, dims, x);
    if (length) ops_case_input(c, 1, CLSTM_INT64, 0, NULL, length);
    ops_case_input(c, 2, CLSTM_INT64, 0, NULL, &at);
    ops_case_int(c, "inverse", inverse);
    ops_case_int(c, "onesided", onesided);
    return c;
}

static const int64_t lengths[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 25, 30, 32, 49, 60, 64, 77, 97, 100, 121, 128, 240, 256, 320, 400, 512, 1009};
START_TEST(dft_lengths)
{
    int64_t n = lengths[_i / 2];
    int inverse = _i & 1;
    double *x = malloc((size_t)(4 * n) * sizeof *x), want[2];
    for (int64_t i = 0; i < 4 * n; i++) x[i] = (double)pick(-1000, 1000) / 100;
    ops_case *c = dft(x, 3, DIMS(2, n, 2), 1, NULL, inverse, 0);
    run(c);
    const double *y = c->out[0].tensor.data;
    for (int64_t b = 0; b < 2; b++)
        for (int64_t k = 0; k < n; k++) {
            define(x + 2 * n * b, n, n, k, inverse ? 1 : -1, want);
            for (int p = 0; p < 2; p++) ck_assert_double_eq_tol(y[2 * (n * b + k) + p], inverse ? want[p] / (double)n : want[p], 1e-9);
        }
    ops_case_free(c);
    free(x);
}
END_TEST

/* A real signal along the middle axis, cut or filled up to dft_length, to half a spectrum and back. */
static const struct { int64_t n, length; } cuts[] = {{9, 9}, {8, 8}, {8, 5}, {5, 8}, {7, 12}, {1, 4}};
START_TEST(dft_real)
{
    int64_t n = cuts[_i].n, length = cuts[_i].length, bins = length / 2 + 1;
    double x[27], wide[18], want[2];
    for (int i = 0; i < 27; i++) x[i] = (double)pick(-100, 100);
    ops_case *c = dft(x, 3, DIMS(n, 3, 1), 0, &length, 0, 1), *back;
    run(c);
    ck_assert_int_eq(c->out[0].tensor.dims[0], bins);
    const double *y = c->out[0].tensor.data;
    for (int64_t column = 0; column < 3; column++) {
        for (int64_t i = 0; i < n; i++) { wide[2 * i] = x[3 * i + column]; wide[2 * i + 1] = 0; }
        for (int64_t k = 0; k < bins; k++) {
            define(wide, n, length, k, -1, want);
            for (int p = 0; p < 2; p++) ck_assert_double_eq_tol(y[2 * (3 * k + column) + p], want[p], 1e-10);
        }
    }
    back = dft(y, 3, DIMS(bins, 3, 2), -3, &length, 1, 1);
    run(back);
    ck_assert_int_eq(back->out[0].tensor.dims[0], length);
    ck_assert_int_eq(back->out[0].tensor.dims[2], 1);
    for (int64_t i = 0; i < 3 * length; i++) ck_assert_double_eq_tol(((const double *)back->out[0].tensor.data)[i], i < 3 * n ? x[i] : 0, 1e-10);
    ops_case_free(back);
    ops_case_free(c);
}
END_TEST

START_TEST(dft_refused)
{
    double x[8] = {0};
    int64_t none = 0;
    refuse(dft(x, 3, DIMS(1, 4, 2), 2, NULL, 0, 0), "axis 2");
    refuse(dft(x, 3, DIMS(1, 4, 2), 1, NULL, 0, 1), "onesided");
    refuse(dft(x, 3, DIMS(2, 4, 1), 1, NULL, 1, 1), "onesided");
    refuse(dft(x, 3, DIMS(2, 1, 4), 1, NULL, 0, 0), "last dimension");
    refuse(dft(x, 3, DIMS(1, 4, 2), 1, &none, 0, 0), "0 points");
}
END_TEST

/* Each frame is the transform of its windowed piece. */
START_TEST(stft_frames)
{
    enum { LENGTH = 50, FRAME = 12, STEP = 5, FRAMES = (LENGTH - FRAME) / STEP + 1, BINS = FRAME / 2 + 1 };
    double x[2 * LENGTH], window[FRAME], wide[2 * FRAME], want[2];
    int64_t step = STEP;
    for (int i = 0; i < 2 * LENGTH; i++) x[i] = (double)pick(-100, 100);
    for (int i = 0; i < FRAME; i++) window[i] = (double)pick(0, 100) / 100;
    ops_case *c = ops_case_new("STFT", "", 17, 3, 1);
    ops_case_input(c, 0, CLSTM_DOUBLE, 3, DIMS(2, LENGTH, 1), x);
    ops_case_input(c, 1, CLSTM_INT64, 0, NULL, &step);
    ops_case_input(c, 2, CLSTM_DOUBLE, 1, DIMS(FRAME), window);
    run(c);
    const int64_t dims[4] = {2, FRAMES, BINS, 2};
    for (int d = 0; d < 4; d++) ck_assert_int_eq(c->out[0].tensor.dims[d], dims[d]);
    const double *y = c->out[0].tensor.data;
    for (int b = 0; b < 2; b++)
        for (int f = 0; f < FRAMES; f++) {
            for (int i = 0; i < FRAME; i++) { wide[2 * i] = window[i] * x[b * LENGTH + f * STEP + i]; wide[2 * i + 1] = 0; }
            for (int k = 0; k < BINS; k++, y += 2) {
                define(wide, FRAME, FRAME, k, -1, want);
                ck_assert_double_eq_tol(y[0], want[0], 1e-10);
                ck_assert_double_eq_tol(y[1], want[1], 1e-10);
            }
        }
    ops_case_free(c);
}
END_TEST

/* ---- integer products ------------------------------------------------------------------------------------------------------------------- */

/* Zero points: one, one a row or column, and of the operands' rank; int8 times uint8, two matrices times one. */
START_TEST(matmul_integer)
{
    enum { M = 3, K = 17, N = 5 };
    int8_t a[2 * M * K], za[2 * M];
    uint8_t b[K * N], zb[N];
    for (int i = 0; i < 2 * M * K; i++) a[i] = (int8_t)pick(-128, 127);
    for (int i = 0; i < K * N; i++) b[i] = (uint8_t)pick(0, 255);
    for (int i = 0; i < 2 * M; i++) za[i] = (int8_t)pick(-128, 127);
    for (int i = 0; i < N; i++) zb[i] = (uint8_t)pick(0, 255);
    ops_case *c = ops_case_new("MatMulInteger", "", 10, 4, 1);
    ops_case_input(c, 0, CLSTM_INT8, 3, DIMS(2, M, K), a);
    ops_case_input(c, 1, CLSTM_UINT8, 2, DIMS(K, N), b);
    if (_i & 1) ops_case_input(c, 2, CLSTM_INT8, 3, DIMS(2, M, 1), za);
    else ops_case_input(c, 2, CLSTM_INT8, 1, DIMS(M), za);
    ops_case_input(c, 3, CLSTM_UINT8, 1, DIMS(N), zb);
    c->constant[1] = c->constant[3] = _i > 1;
    run(c);
    const int32_t *y = c->out[0].tensor.data;
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < M; i++)
            for (int j = 0; j < N; j++) {
                int32_t sum = 0;
                for (int k = 0; k < K; k++) sum += (a[(m * M + i) * K + k] - za[_i & 1 ? m * M + i : i]) * (b[k * N + j] - zb[j]);
                ck_assert_int_eq(y[(m * M + i) * N + j], sum);
            }
    ops_case_free(c);
}
END_TEST

/* Padding stands for the zero point; two groups; a zero point for each output channel; results saturate and halves go to even. */
START_TEST(qlinear_conv)
{
    static const uint8_t x[2 * 3] = {10, 20, 30, 200, 128, 130}, zx = 10, zy = 100;
    static const int8_t w[2 * 1 * 2] = {1, 3, -2, 4}, zw[2] = {0, -1};
    static const float sx = 0.5f, sw[2] = {1, 0.25f}, sy = 1;
    static const int32_t bias[2] = {1, -4};
    ops_case *c = ops_case_new("QLinearConv", "", 10, 9, 1);
    ops_case_input(c, 0, CLSTM_UINT8, 3, DIMS(1, 2, 3), x);
    ops_case_input(c, 1, CLSTM_FLOAT, 0, NULL, &sx);
    ops_case_input(c, 2, CLSTM_UINT8, 0, NULL, &zx);
    ops_case_input(c, 3, CLSTM_INT8, 3, DIMS(2, 1, 2), w);
    ops_case_input(c, 4, CLSTM_FLOAT, 1, DIMS(2), sw);
    ops_case_input(c, 5, CLSTM_INT8, 1, DIMS(2), zw);
    ops_case_input(c, 6, CLSTM_FLOAT, 0, NULL, &sy);
    ops_case_input(c, 7, CLSTM_UINT8, 0, NULL, &zy);
    ops_case_input(c, 8, CLSTM_INT32, 1, DIMS(2), bias);
    ops_case_int(c, "group", 2);
    ops_case_ints(c, "pads", DIMS(1, 0), 2);
    run(c);
    /* channel 0: x - 10 = 0 10 20, w 1 3, one in front: 0 30 70 and bias 1: 1 31 71 times 1/2: 0.5 15.5 35.5, even: 0 16 36
       channel 1: 190 118 120, w -1 5: 950 400 482 less 4 times 1/8: 118.25 49.5 59.75 */
    static const uint8_t want[6] = {100, 116, 136, 218, 150, 160};
    ck_assert_mem_eq(c->out[0].tensor.data, want, sizeof want);
    ops_case_free(c);
}
END_TEST

/* ---- Resize ----------------------------------------------------------------------------------------------------------------------------------- */

static const struct { const char *mode, *place; int64_t size; int n; float y[8]; } sizes[] = {
    {"linear", "half_pixel", 8, 8, {1, 1.25f, 1.75f, 2.25f, 2.75f, 3.25f, 3.75f, 4}},
    {"linear", "align_corners", 7, 7, {1, 1.5f, 2, 2.5f, 3, 3.5f, 4}},
    {"linear", "align_corners", 2, 2, {1, 4}},
    {"linear", "align_corners", 1, 1, {1}},
    {"linear", "asymmetric", 8, 8, {1, 1.5f, 2, 2.5f, 3, 3.5f, 4, 4}},
    {"linear", "pytorch_half_pixel", 1, 1, {1}},
    {"linear", "half_pixel", 1, 1, {2.5f}},
    {"nearest", "half_pixel", 8, 8, {1, 1, 2, 2, 3, 3, 4, 4}},
    {"nearest", "asymmetric", 2, 2, {1, 3}},
    {"nearest", "half_pixel", 0, 0, {0}},
};
/* 11 is written without roi and scales as 13 is. */
START_TEST(resize_sizes)
{
    static const float x[4] = {1, 2, 3, 4};
    for (int opset = 11; opset <= 13; opset += 2) {
        ops_case *c = ops_case_new("Resize", "", opset, 4, 1);
        ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(4), x);
        ops_case_input(c, 3, CLSTM_INT64, 1, DIMS(1), &sizes[_i].size);
        ops_case_string(c, "mode", sizes[_i].mode);
        ops_case_string(c, "coordinate_transformation_mode", sizes[_i].place);
        run(c);
        ck_assert_int_eq(c->out[0].tensor.dims[0], sizes[_i].n);
        for (int i = 0; i < sizes[_i].n; i++) ck_assert_float_eq(((const float *)c->out[0].tensor.data)[i], sizes[_i].y[i]);
        ops_case_free(c);
    }
}
END_TEST

/* Outside a cropped region lies extrapolation_value, of whole numbers too. Opset 10 goes up where it shrinks (ONNX Runtime). */
START_TEST(resize_whole_numbers)
{
    static const uint8_t x[4] = {1, 2, 3, 4}, want[4] = {1, 4, 9, 9}, shrunk[2] = {1, 3};
    static const float region[2] = {0, 3}, six_tenths = 0.6f;
    static const int64_t size = 4;
    ops_case *c = ops_case_new("Resize", "", 13, 4, 1);
    ops_case_input(c, 0, CLSTM_UINT8, 1, DIMS(4), x);
    ops_case_input(c, 1, CLSTM_FLOAT, 1, DIMS(2), region);
    ops_case_input(c, 3, CLSTM_INT64, 1, DIMS(1), &size);
    ops_case_string(c, "coordinate_transformation_mode", "tf_crop_and_resize");
    ops_case_float(c, "extrapolation_value", 9.5f);
    run(c);
    ck_assert_mem_eq(c->out[0].tensor.data, want, sizeof want);
    ops_case_free(c);
    c = ops_case_new("Resize", "", 10, 2, 1);
    ops_case_input(c, 0, CLSTM_UINT8, 1, DIMS(4), x);
    ops_case_input(c, 1, CLSTM_FLOAT, 1, DIMS(1), &six_tenths);
    run(c);
    ck_assert_int_eq(c->out[0].tensor.dims[0], 2);
    ck_assert_mem_eq(c->out[0].tensor.data, shrunk, sizeof shrunk);
    ops_case_free(c);
}
END_TEST

START_TEST(resize_refused)
{
    static const float x[4], scales[2] = {2, 2}, negative = -1;
    ops_case *c = ops_case_new("Resize", "", 13, 4, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(4), x);
    refuse(c, "either scales or sizes");
    c = ops_case_new("Resize", "", 13, 3, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(4), x);
    ops_case_input(c, 2, CLSTM_FLOAT, 1, DIMS(2), scales);
    refuse(c, "2 scales for 1 axes");
    c = ops_case_new("Resize", "", 13, 3, 1);
    ops_case_input(c, 0, CLSTM_FLOAT, 1, DIMS(4), x);
    ops_case_input(c, 2, CLSTM_FLOAT, 1, DIMS(1), &negative);
    refuse(c, "scale 0 is -1");
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("ops_signal");
    unit_add_loop(s, "dft_lengths", dft_lengths, 0, 2 * (int)(sizeof lengths / sizeof *lengths));
    unit_add_loop(s, "dft_real", dft_real, 0, (int)(sizeof cuts / sizeof *cuts));
    unit_add(s, "dft_refused", dft_refused);
    unit_add(s, "stft_frames", stft_frames);
    unit_add_loop(s, "matmul_integer", matmul_integer, 0, 4);
    unit_add(s, "qlinear_conv", qlinear_conv);
    unit_add_loop(s, "resize_sizes", resize_sizes, 0, (int)(sizeof sizes / sizeof *sizes));
    unit_add(s, "resize_whole_numbers", resize_whole_numbers);
    unit_add(s, "resize_refused", resize_refused);
    return s;
}
