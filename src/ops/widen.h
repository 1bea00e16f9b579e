/* ops/widen: float16 and bfloat16 tensors as float and back, for operators that compute them in float. */
#ifndef OPS_WIDEN_H
#define OPS_WIDEN_H

#include "ops/common.h"

static inline bool op_is_half(clstm_type t) { return t == CLSTM_FLOAT16 || t == CLSTM_BFLOAT16; }

static inline void op_widen(const clstm_tensor *t, float *to) {
    const uint16_t *from = t->data;
    int64_t n = clstm_tensor_count(t);
    for (int64_t i = 0; i < n; i++) to[i] = t->type == CLSTM_FLOAT16 ? tensor_half_to_float(from[i]) : tensor_bfloat_to_float(from[i]);
}

static inline void op_narrow(const float *from, clstm_tensor *t) {
    uint16_t *to = t->data;
    int64_t n = clstm_tensor_count(t);
    for (int64_t i = 0; i < n; i++) to[i] = t->type == CLSTM_FLOAT16 ? tensor_float_to_half(from[i]) : tensor_float_to_bfloat(from[i]);
}

#endif
