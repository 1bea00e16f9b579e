/* ops/determinant: Det, by elimination with the largest pivot of each column, in double whatever the type.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : Det */
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>

static clstm_status infer_Det(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    char shape[200];
    if (x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2]) return op_bad_model(c, "shape %s holds no square matrices", tensor_shape_text(shape, sizeof shape, x));
    return op_set_out(c, 0, x->type, x->rank - 2, x->dims);
}

static clstm_status prepare_Det(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    c->scratch_bytes = (size_t)tensor_span(x, x->rank - 2, x->rank) * sizeof(double);
    return CLSTM_OK;
}

static void swap_rows(double *a, double *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

static double determinant(double *a, int64_t n) {
    double product = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        if (pivot != k) {
            swap_rows(a + k * n, a + pivot * n, n);
            product = -product;
        }
        product *= a[k * n + k];
        if (a[k * n + k] == 0) return product;
        for (int64_t i = k + 1; i < n; i++) {
            const double factor = a[i * n + k] / a[k * n + k];
            for (int64_t j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return product;
}

static clstm_status run_Det(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    clstm_tensor *y = op_out(c, 0);
    const int64_t n = x->dims[x->rank - 1], count = clstm_tensor_count(y);
    double *a = c->scratch;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n * n; k++) a[k] = tensor_get_double(x, i * n * n + k);
        op_put_real(y, i, determinant(a, n));
    }
    return CLSTM_OK;
}

static double flops(const op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    return 2.0 / 3 * (double)clstm_tensor_count(x) * (double)x->dims[x->rank - 1];
}

const op_desc ops_determinant[] = {
    {.domain = "", .name = "Det", .since = 11, .inputs = "X:T", .outputs = "Y:T", .types = "T=float*", .attrs = "", .infer = infer_Det, .prepare = prepare_Det, .run = run_Det, .flops = flops},
    OP_ARRAY_END};
