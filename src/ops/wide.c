/* ops/wide: loads and stores of chunks. 13 loads and 3 x 13 stores make every conversion. */
#include "ops/wide.h"

op_wide op_wide_of(clstm_type t) { return type_is_float(t) ? OP_WIDE_F64 : t == CLSTM_UINT64 ? OP_WIDE_U64 : OP_WIDE_I64; }

#define LOAD(CASE, T, FIELD, WIDE_T, EXPR) \
    case CASE: { const T *x = from; for (int64_t k = 0; k < n; k++) { w->FIELD[k] = (WIDE_T)(EXPR); } break; }
void op_wide_load(clstm_type type, const void *from, op_chunk *w, int64_t n) {
    switch (type) {
    LOAD(CLSTM_FLOAT, float, f, double, x[k])
    LOAD(CLSTM_DOUBLE, double, f, double, x[k])
    LOAD(CLSTM_FLOAT16, uint16_t, f, double, tensor_half_to_float(x[k]))
    LOAD(CLSTM_BFLOAT16, uint16_t, f, double, tensor_bfloat_to_float(x[k]))
    LOAD(CLSTM_BOOL, uint8_t, i, int64_t, x[k] != 0)
    LOAD(CLSTM_INT8, int8_t, i, int64_t, x[k])
    LOAD(CLSTM_INT16, int16_t, i, int64_t, x[k])
    LOAD(CLSTM_INT32, int32_t, i, int64_t, x[k])
    LOAD(CLSTM_INT64, int64_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT8, uint8_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT16, uint16_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT32, uint32_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT64, uint64_t, u, uint64_t, x[k])
    default: break;
    }
}

#define STORE(CASE, T, EXPR) \
    case CASE: { T *y = to; for (int64_t k = 0; k < n; k++) { y[k] = (T)(EXPR); } break; }
/* low and high are exact in double and just inside the type's range */
#define SATURATE(v, low, high) ((v) != (v) ? 0 : (v) <= (low) ? (low) : (v) >= (high) ? (high) : (v))
static void store_f64(clstm_type type, const op_chunk *w, void *to, int64_t n) {
    const double *v = w->f;
    switch (type) {
    STORE(CLSTM_FLOAT, float, v[k])
    STORE(CLSTM_DOUBLE, double, v[k])
    STORE(CLSTM_FLOAT16, uint16_t, tensor_double_to_half(v[k]))
    STORE(CLSTM_BFLOAT16, uint16_t, tensor_double_to_bfloat(v[k]))
    STORE(CLSTM_BOOL, uint8_t, v[k] != 0)
    STORE(CLSTM_INT8, int8_t, SATURATE(v[k], -128.0, 127.0))
    STORE(CLSTM_INT16, int16_t, SATURATE(v[k], -32768.0, 32767.0))
    STORE(CLSTM_INT32, int32_t, SATURATE(v[k], -2147483648.0, 2147483647.0))
    STORE(CLSTM_INT64, int64_t, v[k] >= 0x1p63 ? INT64_MAX : (int64_t)SATURATE(v[k], -0x1p63, 0x1.fffffffffffffp62))
    STORE(CLSTM_UINT8, uint8_t, SATURATE(v[k], 0.0, 255.0))
    STORE(CLSTM_UINT16, uint16_t, SATURATE(v[k], 0.0, 65535.0))
    STORE(CLSTM_UINT32, uint32_t, SATURATE(v[k], 0.0, 4294967295.0))
    STORE(CLSTM_UINT64, uint64_t, v[k] >= 0x1p64 ? UINT64_MAX : (uint64_t)SATURATE(v[k], 0.0, 0x1.fffffffffffffp63))
    default: break;
    }
}

/* A double that rounds to 16 bits as the integer itself would: what falls off its 53 bits stays as a sticky bit. */
static inline double sticky(uint64_t magnitude, bool negative) {
    if (magnitude >> 53) magnitude = (magnitude & ~UINT64_C(0x7ff)) | ((magnitude & 0x7ff) != 0 ? UINT64_C(0x800) : 0);
    return negative ? -(double)magnitude : (double)magnitude;
}

#define STORE_INTEGERS(v, NEGATIVE, MAGNITUDE) \
    STORE(CLSTM_FLOAT, float, v[k]) \
    STORE(CLSTM_DOUBLE, double, v[k]) \
    STORE(CLSTM_FLOAT16, uint16_t, tensor_double_to_half(sticky(MAGNITUDE, NEGATIVE))) \
    STORE(CLSTM_BFLOAT16, uint16_t, tensor_double_to_bfloat(sticky(MAGNITUDE, NEGATIVE))) \
    STORE(CLSTM_BOOL, uint8_t, v[k] != 0) \
    STORE(CLSTM_INT8, int8_t, v[k]) \
    STORE(CLSTM_INT16, int16_t, v[k]) \
    STORE(CLSTM_INT32, int32_t, v[k]) \
    STORE(CLSTM_INT64, int64_t, v[k]) \
    STORE(CLSTM_UINT8, uint8_t, v[k]) \
    STORE(CLSTM_UINT16, uint16_t, v[k]) \
    STORE(CLSTM_UINT32, uint32_t, v[k]) \
    STORE(CLSTM_UINT64, uint64_t, v[k]) \
    default: break;
static void store_i64(clstm_type type, const op_chunk *w, void *to, int64_t n) {
    const int64_t *v = w->i;
    switch (type) { STORE_INTEGERS(v, v[k] < 0, v[k] < 0 ? 0 - (uint64_t)v[k] : (uint64_t)v[k]) }
}
static void store_u64(clstm_type type, const op_chunk *w, void *to, int64_t n) {
    const uint64_t *v = w->u;
    switch (type) { STORE_INTEGERS(v, false, v[k]) }
}

void op_wide_store(op_wide form, clstm_type type, const op_chunk *w, void *to, int64_t n) {
    if (form == OP_WIDE_F64) store_f64(type, w, to, n);
    else if (form == OP_WIDE_I64) store_i64(type, w, to, n);
    else store_u64(type, w, to, n);
}
