/* tensor/convert: float16 and bfloat16, and single elements of any type. */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static uint32_t float_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static float bits_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }

float tensor_half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = (h >> 10) & 31, m = h & 0x3FFu;
    if (e == 31) return bits_float(sign | 0x7F800000u | (m ? 0x400000u | m << 13 : 0));
    if (e) return bits_float(sign | (e + 112) << 23 | m << 13);
    float f = (float)m * 0x1p-24f;
    return sign ? -f : f;
}

/* One rounding from double serves both: a float is exactly a double. */
uint16_t tensor_double_to_half(double d) {
    uint16_t sign = signbit(d) ? 0x8000 : 0;
    if (isnan(d)) return (uint16_t)(sign | 0x7E00);
    d = fabs(d);
    if (d >= 65520.0) return (uint16_t)(sign | 0x7C00);
    if (d < 0x1p-14) return (uint16_t)(sign | (uint16_t)rint(d * 0x1p24));  /* a carry gives the smallest normal */
    int e;
    double m = frexp(d, &e);                                                /* m in [0.5, 1) */
    uint32_t q = (uint32_t)rint(m * 2048.0);                                /* 1024..2048 */
    return (uint16_t)(sign | (uint16_t)(((uint32_t)(e + 14) << 10) + (q - 1024)));
}
uint16_t tensor_float_to_half(float f) { return tensor_double_to_half((double)f); }

float tensor_bfloat_to_float(uint16_t b) { return bits_float((uint32_t)b << 16); }

uint16_t tensor_float_to_bfloat(float f) {
    uint32_t u = float_bits(f);
    if (isnan(f)) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

uint16_t tensor_double_to_bfloat(double d) {
    /* Round to odd first, so that the second rounding sees whether bits were lost. */
    float f = (float)d;
    if (!isnan(d) && !isinf(f) && (double)f != d) {
        uint32_t u = float_bits(f);
        if (fabs((double)f) > fabs(d)) u--;
        f = bits_float(u | 1);
    }
    return tensor_float_to_bfloat(f);
}

#define AT(type) (((const type *)t->data)[i])
double tensor_get_double(const clstm_tensor *t, int64_t i) {
    switch (t->type) {
    case CLSTM_FLOAT: return (double)AT(float);
    case CLSTM_DOUBLE: return AT(double);
    case CLSTM_FLOAT16: return (double)tensor_half_to_float(AT(uint16_t));
    case CLSTM_BFLOAT16: return (double)tensor_bfloat_to_float(AT(uint16_t));
    case CLSTM_UINT64: return (double)AT(uint64_t);
    default: return (double)tensor_get_int(t, i);
    }
}

int64_t tensor_get_int(const clstm_tensor *t, int64_t i) {
    switch (t->type) {
    case CLSTM_INT8: return AT(int8_t);
    case CLSTM_UINT8: return AT(uint8_t);
    case CLSTM_BOOL: return AT(uint8_t) != 0;
    case CLSTM_INT16: return AT(int16_t);
    case CLSTM_UINT16: return AT(uint16_t);
    case CLSTM_INT32: return AT(int32_t);
    case CLSTM_UINT32: return AT(uint32_t);
    case CLSTM_INT64: return AT(int64_t);
    case CLSTM_UINT64: return AT(uint64_t) > INT64_MAX ? INT64_MAX : (int64_t)AT(uint64_t);
    case CLSTM_FLOAT: case CLSTM_DOUBLE: case CLSTM_FLOAT16: case CLSTM_BFLOAT16: {
        double d = tensor_get_double(t, i);
        return d != d ? 0 : d >= 0x1p63 ? INT64_MAX : d < -0x1p63 ? INT64_MIN : (int64_t)d;
    }
    default: return 0;
    }
}
