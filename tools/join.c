/* join: values that arrive piece after piece become one. */
#include "join.h"

#include "io/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clstm_status fail(clstm_error *err, clstm_status status, const char *what) {
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s", what);
    return status;
}

clstm_status join_add(joiner *j, const clstm_value *piece, int axis, clstm_error *err) {
    j->axis = axis;
    if (axis < 0) {
        io_value_clear(&j->last);
        return io_value_copy(&j->last, piece, err);
    }
    clstm_tensor shape = piece->tensor;
    if (piece->kind != CLSTM_KIND_TENSOR || axis >= shape.rank) return fail(err, CLSTM_UNSUPPORTED, "an output along time is no tensor with that axis");
    if (j->pieces == j->capacity) {
        size_t capacity = j->capacity ? j->capacity * 2 : 64;
        int64_t *lengths = realloc(j->lengths, capacity * sizeof *lengths);
        if (!lengths) return fail(err, CLSTM_NO_MEMORY, "out of memory");
        j->lengths = lengths;
        j->capacity = capacity;
    }
    if (!j->pieces) {
        j->shape = shape;
        j->shape.dims[axis] = 0;
    }
    for (int d = 0; d < shape.rank; d++)
        if (shape.rank != j->shape.rank || shape.type != j->shape.type || (d != axis && shape.dims[d] != j->shape.dims[d])) return fail(err, CLSTM_UNSUPPORTED, "an output changes its shape from piece to piece");
    j->lengths[j->pieces++] = shape.dims[axis];
    j->shape.dims[axis] += shape.dims[axis];
    io_put(&j->bytes, shape.data, (size_t)clstm_tensor_count(&shape) * clstm_type_size(shape.type));
    return j->bytes.failed ? fail(err, CLSTM_NO_MEMORY, "out of memory") : CLSTM_OK;
}

clstm_status join_finish(joiner *j, clstm_value *out, clstm_error *err) {
    memset(out, 0, sizeof *out);
    if (j->axis < 0) {
        *out = j->last;
        memset(&j->last, 0, sizeof j->last);
        return CLSTM_OK;
    }
    clstm_status status = io_tensor_make(&out->tensor, j->shape.type, j->shape.rank, j->shape.dims, 0, err);
    if (status != CLSTM_OK) return status;
    out->kind = CLSTM_KIND_TENSOR;
    size_t inner = clstm_type_size(j->shape.type), from = 0;
    int64_t outer = 1, at = 0;
    for (int d = 0; d < j->axis; d++) outer *= j->shape.dims[d];
    for (int d = j->axis + 1; d < j->shape.rank; d++) inner *= (size_t)j->shape.dims[d];
    for (size_t p = 0; p < j->pieces; p++) {
        size_t run = (size_t)j->lengths[p] * inner;
        for (int64_t o = 0; o < outer && run; o++, from += run) memcpy((char *)out->tensor.data + (size_t)(o * j->shape.dims[j->axis] + at) * inner, j->bytes.data + from, run);
        at += j->lengths[p];
    }
    return CLSTM_OK;
}

void join_free(joiner *j) {
    io_value_clear(&j->last);
    io_buffer_free(&j->bytes);
    free(j->lengths);
}
