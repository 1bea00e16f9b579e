/* tensor: sizes, shapes and broadcasting. */
#include "tensor/tensor.h"
#include "util/alloc.h"

#include <stdio.h>
#include <string.h>

static const struct { const char *name; size_t size; } types[] = {
    [CLSTM_FLOAT] = {"float", 4}, [CLSTM_UINT8] = {"uint8", 1}, [CLSTM_INT8] = {"int8", 1}, [CLSTM_UINT16] = {"uint16", 2},
    [CLSTM_INT16] = {"int16", 2}, [CLSTM_INT32] = {"int32", 4}, [CLSTM_INT64] = {"int64", 8}, [CLSTM_STRING] = {"string", 0},
    [CLSTM_BOOL] = {"bool", 1}, [CLSTM_FLOAT16] = {"float16", 2}, [CLSTM_DOUBLE] = {"double", 8}, [CLSTM_UINT32] = {"uint32", 4},
    [CLSTM_UINT64] = {"uint64", 8}, [CLSTM_COMPLEX64] = {"complex64", 8}, [CLSTM_COMPLEX128] = {"complex128", 16},
    [CLSTM_BFLOAT16] = {"bfloat16", 2},
};

const char *clstm_type_name(clstm_type t) {
    return (unsigned)t < sizeof types / sizeof *types && types[t].name ? types[t].name : "none";
}
size_t clstm_type_size(clstm_type t) { return (unsigned)t < sizeof types / sizeof *types ? types[t].size : 0; }

clstm_tensor clstm_tensor_view(clstm_type type, int32_t rank, const int64_t *dims, void *data) {
    clstm_tensor t;
    memset(&t, 0, sizeof t);
    if (rank < 0 || rank > CLSTM_MAX_RANK) return t;
    tensor_set(&t, type, rank, dims);
    t.data = data;
    return t;
}

int64_t clstm_tensor_count(const clstm_tensor *t) {
    int64_t n = 1;
    if (t->rank < 0) return -1;
    for (int i = 0; i < t->rank; i++)
        if (!util_mul(n, t->dims[i], &n)) return -1;
    return n;
}

bool tensor_bytes(const clstm_tensor *t, size_t *bytes) {
    int64_t n = clstm_tensor_count(t), size = (int64_t)clstm_type_size(t->type);
    if (n < 0 || !size || !util_mul(n, size, &n) || n > PTRDIFF_MAX) return false;
    *bytes = (size_t)n;
    return true;
}

int64_t tensor_span(const clstm_tensor *t, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= t->dims[i];
    return n;
}

int64_t tensor_extent(const clstm_tensor *t) {
    int64_t n = 1;
    if (t->rank < 0) return -1;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] && !util_mul(n, t->dims[i], &n)) return -1;
    return n;
}

bool tensor_same_shape(const clstm_tensor *a, const clstm_tensor *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

bool tensor_shape_known(const clstm_tensor *t) {
    if (t->rank < 0) return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0) return false;
    return true;
}

void tensor_set(clstm_tensor *t, clstm_type type, int rank, const int64_t *dims) {
    memset(t, 0, sizeof *t);
    t->type = type;
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dims[i] = dims[i];
}

bool tensor_broadcast(clstm_tensor *out, const clstm_tensor *b) {
    int rank = out->rank > b->rank ? out->rank : b->rank;
    int64_t dims[CLSTM_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - out->rank), ib = i - (rank - b->rank);
        int64_t da = ia < 0 ? 1 : out->dims[ia], db = ib < 0 ? 1 : b->dims[ib];
        if (da != db && da != 1 && db != 1) return false;
        dims[i] = da == 1 ? db : da;
    }
    out->rank = rank;
    memcpy(out->dims, dims, sizeof(int64_t) * (size_t)rank);
    return true;
}

void tensor_broadcast_strides(const clstm_tensor *t, const clstm_tensor *as, int64_t *strides) {
    int64_t step = 1;
    for (int i = as->rank - 1; i >= 0; i--) {
        int it = i - (as->rank - t->rank);
        int64_t d = it < 0 ? 1 : t->dims[it];
        strides[i] = d == 1 ? 0 : step;
        step *= d;
    }
}

const char *tensor_shape_text(char *out, size_t size, const clstm_tensor *t) {
    if (t->rank < 0) { snprintf(out, size, "[...]"); return out; }
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t->rank && n < size; i++) {
        if (t->dims[i] < 0) n += (size_t)snprintf(out + n, size - n, "%s?", i ? "," : "");
        else n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "," : "", (long long)t->dims[i]);
    }
    if (n < size) snprintf(out + n, size - n, "]");
    return out;
}

bool tensor_axis(int64_t axis, int rank, int *out) {
    if (axis < -(int64_t)rank || axis >= rank) return false;
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool type_is_float(clstm_type t) { return t == CLSTM_FLOAT || t == CLSTM_DOUBLE || t == CLSTM_FLOAT16 || t == CLSTM_BFLOAT16; }
bool type_is_signed_int(clstm_type t) { return t == CLSTM_INT8 || t == CLSTM_INT16 || t == CLSTM_INT32 || t == CLSTM_INT64; }
bool type_is_unsigned_int(clstm_type t) { return t == CLSTM_UINT8 || t == CLSTM_UINT16 || t == CLSTM_UINT32 || t == CLSTM_UINT64; }
bool type_is_integer(clstm_type t) { return type_is_signed_int(t) || type_is_unsigned_int(t); }
