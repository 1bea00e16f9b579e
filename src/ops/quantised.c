/* ops/quantised: zero points and saturation. */
#include "ops/quantised.h"

#include <math.h>

clstm_status op_quantised_check(op_ctx *ctx, const clstm_tensor *t, const clstm_tensor *part, int axis, const char *what) {
    char is[200], of[200];
    clstm_tensor shape = *t;
    if (clstm_tensor_count(part) == 1 || (part->rank == 1 && part->dims[0] == t->dims[axis])) return CLSTM_OK;
    bool fits = part->rank == t->rank && tensor_broadcast(&shape, part) && tensor_same_shape(&shape, t);
    return fits ? CLSTM_OK : op_bad_model(ctx, "the %s of shape %s does not fit an operand of shape %s", what, tensor_shape_text(is, sizeof is, part),
                                          tensor_shape_text(of, sizeof of, t));
}

void op_quantised_strides(const clstm_tensor *t, const clstm_tensor *part, int axis, int64_t *strides) {
    for (int d = 0; d < CLSTM_MAX_RANK; d++) strides[d] = 0;
    if (clstm_tensor_count(part) == 1) return;
    if (part->rank == 1) strides[axis] = 1;
    else tensor_broadcast_strides(part, t, strides);
}

void op_quantised_subtract(const clstm_tensor *t, const clstm_tensor *zero, int axis, int16_t *to) {
    int64_t n = clstm_tensor_count(t), strides[CLSTM_MAX_RANK] = {0}, index[CLSTM_MAX_RANK] = {0}, at = 0;
    if (zero) op_quantised_strides(t, zero, axis, strides);
    const bool is_signed = t->type == CLSTM_INT8;
    const int8_t *s = t->data;
    const uint8_t *u = t->data;
    int64_t row = t->rank ? t->dims[t->rank - 1] : 1, step = t->rank ? strides[t->rank - 1] : 0;
    for (int64_t i = 0; i < n; i += row) {
        int16_t z = zero ? (int16_t)tensor_get_int(zero, at) : 0;
        for (int64_t k = 0; k < row; k++) {
            if (step) z = (int16_t)tensor_get_int(zero, at + k * step);
            to[i + k] = (int16_t)((is_signed ? s[i + k] : u[i + k]) - z);
        }
        for (int d = t->rank - 2; d >= 0; d--) {
            at += strides[d];
            if (++index[d] < t->dims[d]) break;
            at -= strides[d] * t->dims[d];
            index[d] = 0;
        }
    }
}

void op_quantised_put(clstm_tensor *y, int64_t i, float v, int64_t zero) {
    float lo = y->type == CLSTM_INT8 ? -128 : 0, hi = y->type == CLSTM_INT8 ? 127 : 255;
    v = rintf(v) + (float)zero;
    v = v != v ? 0 : v < lo ? lo : v > hi ? hi : v;
    if (y->type == CLSTM_INT8) ((int8_t *)y->data)[i] = (int8_t)v;
    else ((uint8_t *)y->data)[i] = (uint8_t)v;
}
