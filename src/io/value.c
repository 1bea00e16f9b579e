/* io/value: tensors and values that own their memory, and their elements as numbers. */
#include "io/value.h"

#include "util/alloc.h"
#include "util/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clstm_status io_tensor_make(clstm_tensor *t, clstm_type type, int rank, const int64_t *dims, int64_t max_bytes, clstm_error *err) {
    char text[200];
    if (rank < 0 || rank > CLSTM_MAX_RANK) return util_fail(err, CLSTM_UNSUPPORTED, "rank %d (at most %d is supported)", rank, CLSTM_MAX_RANK);
    if (!clstm_type_size(type)) return util_fail(err, CLSTM_UNSUPPORTED, "elements of type %s (%d)", clstm_type_name(type), (int)type);
    *t = clstm_tensor_view(type, rank, dims, NULL);
    int64_t count = clstm_tensor_count(t), bytes;
    if (count < 0 || !util_mul(count, (int64_t)clstm_type_size(type), &bytes) || (max_bytes > 0 && bytes > max_bytes))
        return util_fail(err, CLSTM_LIMIT, "%s of shape %s is too large", clstm_type_name(type), io_shape_text(text, sizeof text, t, NULL));
    t->data = util_calloc((size_t)bytes, 1);
    return t->data ? CLSTM_OK : util_no_memory(err);
}

void io_value_clear(clstm_value *v) {
    if (!v) return;
    if (v->kind == CLSTM_KIND_TENSOR) free(v->tensor.data);
    if (v->kind == CLSTM_KIND_SEQUENCE) {
        for (size_t i = 0; i < v->count; i++) io_value_clear(&v->items[i]);
        free(v->items);
    }
    memset(v, 0, sizeof *v);
}

clstm_status io_value_copy(clstm_value *to, const clstm_value *from, clstm_error *err) {
    memset(to, 0, sizeof *to);
    to->kind = from->kind;
    to->tensor = from->tensor;
    to->tensor.data = NULL;
    clstm_status status = CLSTM_OK;
    if (from->kind == CLSTM_KIND_TENSOR) {
        status = io_tensor_make(&to->tensor, from->tensor.type, from->tensor.rank, from->tensor.dims, 0, err);
        if (status == CLSTM_OK && clstm_tensor_count(&to->tensor))
            memcpy(to->tensor.data, from->tensor.data, (size_t)clstm_tensor_count(&to->tensor) * clstm_type_size(to->tensor.type));
    } else if (from->kind == CLSTM_KIND_SEQUENCE) {
        to->items = util_calloc(from->count, sizeof *to->items);
        if (!to->items) status = util_no_memory(err);
        for (; status == CLSTM_OK && to->count < from->count; to->count++)
            status = io_value_copy(&to->items[to->count], &from->items[to->count], err);
    }
    if (status != CLSTM_OK) io_value_clear(to);
    return status;
}

bool io_type_is_float(clstm_type t) { return t == CLSTM_FLOAT || t == CLSTM_DOUBLE || t == CLSTM_FLOAT16 || t == CLSTM_BFLOAT16; }

/* ---- half precision: numpy and TensorProto carry it, C11 has no type for it ------------------------------------------------- */

float io_half_to_float(uint16_t half) {
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    float sign = half & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31) return mantissa ? copysignf(NAN, sign) : sign * INFINITY;
    return sign * (exponent ? ldexpf((float)(mantissa + 1024), exponent - 25) : ldexpf((float)mantissa, -24));
}

/* Rounds to `digits` significant bits with the smallest exponent `least`, ties to even (the mode C starts in). */
static double round_to(double value, int digits, int least) {
    int exponent;
    frexp(value, &exponent);
    int unit = exponent - digits > least ? exponent - digits : least;
    return ldexp(nearbyint(ldexp(value, -unit)), unit);
}

uint16_t io_half_from_double(double value) {
    unsigned sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return (uint16_t)(sign | 0x7E00);
    double a = isinf(value) ? value : round_to(value, 11, -24);
    a = fabs(a);
    if (a >= 65520.0) return (uint16_t)(sign | 0x7C00);
    if (a < 0x1p-14) return (uint16_t)(sign | (unsigned)(a * 0x1p24));
    int exponent;
    double m = frexp(a, &exponent);
    return (uint16_t)(sign | ((unsigned)(exponent + 14) << 10) | ((unsigned)(m * 2048) - 1024));
}

float io_bfloat_to_float(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float f;
    memcpy(&f, &wide, sizeof f);
    return f;
}

uint16_t io_bfloat_from_double(double value) {
    unsigned sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return (uint16_t)(sign | 0x7FC0);
    float f = isinf(value) ? (float)value : (float)round_to(value, 8, -133);
    uint32_t wide;
    memcpy(&wide, &f, sizeof wide);
    return (uint16_t)(wide >> 16);
}

/* ---- elements ----------------------------------------------------------------------------------------------------------- */

double io_get(const clstm_tensor *t, int64_t i) {
    switch (t->type) {
    case CLSTM_FLOAT: return (double)((const float *)t->data)[i];
    case CLSTM_DOUBLE: return ((const double *)t->data)[i];
    case CLSTM_FLOAT16: return (double)io_half_to_float(((const uint16_t *)t->data)[i]);
    case CLSTM_BFLOAT16: return (double)io_bfloat_to_float(((const uint16_t *)t->data)[i]);
    case CLSTM_UINT64: return (double)((const uint64_t *)t->data)[i];
    default: return (double)io_get_int(t, i);
    }
}

int64_t io_get_int(const clstm_tensor *t, int64_t i) {
    switch (t->type) {
    case CLSTM_BOOL: return ((const uint8_t *)t->data)[i] != 0;
    case CLSTM_UINT8: return ((const uint8_t *)t->data)[i];
    case CLSTM_INT8: return ((const int8_t *)t->data)[i];
    case CLSTM_UINT16: return ((const uint16_t *)t->data)[i];
    case CLSTM_INT16: return ((const int16_t *)t->data)[i];
    case CLSTM_UINT32: return ((const uint32_t *)t->data)[i];
    case CLSTM_INT32: return ((const int32_t *)t->data)[i];
    case CLSTM_UINT64: return (int64_t)((const uint64_t *)t->data)[i];
    case CLSTM_INT64: return ((const int64_t *)t->data)[i];
    default: return 0;
    }
}

/* The least and largest value of an integer type; false for the others. */
static bool type_range(clstm_type type, int64_t *least, int64_t *most) {
    switch (type) {
    case CLSTM_BOOL: *least = 0; *most = 1; return true;
    case CLSTM_UINT8: *least = 0; *most = UINT8_MAX; return true;
    case CLSTM_INT8: *least = INT8_MIN; *most = INT8_MAX; return true;
    case CLSTM_UINT16: *least = 0; *most = UINT16_MAX; return true;
    case CLSTM_INT16: *least = INT16_MIN; *most = INT16_MAX; return true;
    case CLSTM_UINT32: *least = 0; *most = UINT32_MAX; return true;
    case CLSTM_INT32: *least = INT32_MIN; *most = INT32_MAX; return true;
    case CLSTM_UINT64: *least = 0; *most = INT64_MAX; return true;
    case CLSTM_INT64: *least = INT64_MIN; *most = INT64_MAX; return true;
    default: return false;
    }
}

static void set_int(const clstm_tensor *t, int64_t i, int64_t v) {
    switch (clstm_type_size(t->type)) {
    case 1: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case 2: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    case 4: ((uint32_t *)t->data)[i] = (uint32_t)v; break;
    case 8: ((uint64_t *)t->data)[i] = (uint64_t)v; break;
    }
}

static bool set_float(const clstm_tensor *t, int64_t i, double v) {
    switch (t->type) {
    case CLSTM_FLOAT: ((float *)t->data)[i] = (float)v; return true;
    case CLSTM_DOUBLE: ((double *)t->data)[i] = v; return true;
    case CLSTM_FLOAT16: ((uint16_t *)t->data)[i] = io_half_from_double(v); return true;
    case CLSTM_BFLOAT16: ((uint16_t *)t->data)[i] = io_bfloat_from_double(v); return true;
    default: return false;
    }
}

bool io_set(const clstm_tensor *t, int64_t i, io_number n) {
    int64_t least, most;
    if (set_float(t, i, n.real)) return true;
    if (!type_range(t->type, &least, &most) || !n.exact || n.integer < least || n.integer > most) return false;
    set_int(t, i, n.integer);
    return true;
}

void io_set_real(const clstm_tensor *t, int64_t i, double v) {
    int64_t least, most;
    if (set_float(t, i, v) || !type_range(t->type, &least, &most)) return;
    /* The bounds as doubles may round outwards, so the comparison is inclusive. */
    set_int(t, i, isnan(v) ? 0 : v <= (double)least ? least : v >= (double)most ? most : (int64_t)nearbyint(v));
}

const char *io_shape_text(char *out, size_t size, const clstm_tensor *t, const char *const *dim_names) {
    if (t->rank < 0) { snprintf(out, size, "[...]"); return out; }
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t->rank && used + 48 < size; i++) {
        char name[40];
        if (i) out[used++] = ',';
        if (t->dims[i] >= 0) snprintf(out + used, size - used, "%lld", (long long)t->dims[i]);
        else snprintf(out + used, size - used, "%s", dim_names && dim_names[i] && *dim_names[i] ? util_escape(name, sizeof name, dim_names[i]) : "?");
        used += strlen(out + used);
    }
    snprintf(out + used, size - used, "]");
    return out;
}
