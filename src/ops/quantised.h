/* ops/quantised: operands of the integer products: 8-bit tensors less their zero points as int16, and results back to 8 bits. */
#ifndef OPS_QUANTISED_H
#define OPS_QUANTISED_H

#include "ops/common.h"

/* Whether `part` (a scale or zero point) is one value, or one for each index of dimension `axis` of t - as a list of that length,
 * or as a tensor of t's rank that repeats along every other dimension of the matrix. */
clstm_status op_quantised_check(op_ctx *ctx, const clstm_tensor *t, const clstm_tensor *part, int axis, const char *what);
/* Element strides of `part` over t's dimensions. */
void op_quantised_strides(const clstm_tensor *t, const clstm_tensor *part, int axis, int64_t *strides);
/* to[i] = t[i] - zero (zero NULL: 0). */
void op_quantised_subtract(const clstm_tensor *t, const clstm_tensor *zero, int axis, int16_t *to);
/* An int8 or uint8 output: saturate(round(v) + zero), half to even. */
void op_quantised_put(clstm_tensor *y, int64_t i, float v, int64_t zero);

#endif
