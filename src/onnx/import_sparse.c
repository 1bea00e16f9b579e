/* onnx/import_sparse: a SparseTensorProto becomes a dense constant. */
#include "onnx/import_internal.h"

#include "tensor/tensor.h"

#include <string.h>

/* Position k of the list as an offset into the dense tensor; -1 when it lies outside. */
static int64_t position(const clstm_tensor *dense, const clstm_tensor *indices, int64_t count, int64_t k) {
    const int64_t *index = indices->data;
    if (indices->rank == 1) return index[k] >= 0 && index[k] < count ? index[k] : -1;
    int64_t at = 0;
    for (int d = 0; d < dense->rank; d++) {
        int64_t i = index[k * dense->rank + d];
        if (i < 0 || i >= dense->dims[d]) return -1;
        at = at * dense->dims[d] + i;
    }
    return at;
}

static clstm_status scatter(importer *im, const clstm_tensor *dense, int64_t count, const clstm_tensor *values, const clstm_tensor *indices) {
    size_t unit = clstm_type_size(values->type);
    int64_t last = -1;
    for (int64_t k = 0; k < values->dims[0]; k++) {
        int64_t at = position(dense, indices, count, k);
        if (at < 0) return util_fail(im->err, CLSTM_BAD_MODEL, "index %lld lies outside the shape", (long long)k);
        if (at <= last) return util_fail(im->err, CLSTM_BAD_MODEL, "index %lld is not greater than the one before it", (long long)k);
        memcpy((uint8_t *)dense->data + (size_t)at * unit, (const uint8_t *)values->data + (size_t)k * unit, unit);
        last = at;
    }
    return CLSTM_OK;
}

static clstm_status expand(importer *im, const Onnx__SparseTensorProto *sp, const clstm_tensor *values, const clstm_tensor *indices, ir_const **out) {
    clstm_tensor t;
    int64_t count;
    size_t bytes = 0;
    UTIL_TRY(onnx_read_dims(im, sp->dims, sp->n_dims, values->type, &t, &count));
    bool flat = indices->rank == 1, rows = indices->rank == 2 && indices->dims[1] == t.rank;
    if (values->rank != 1 || indices->type != CLSTM_INT64 || (!flat && !rows) || indices->dims[0] != values->dims[0])
        return util_fail(im->err, CLSTM_BAD_MODEL, "values must have shape [N] and indices be int64 of shape [N] or [N,%d]", t.rank);
    /* A few bytes of the file become a whole tensor: what they become together counts. */
    if (!util_add(im->sparse_elements, count, &im->sparse_elements) || im->sparse_elements > im->limit[CLSTM_LIMIT_ELEMENTS])
        return util_fail(im->err, CLSTM_LIMIT, "sparse tensors expand to more than %lld elements (limit elements)", (long long)im->limit[CLSTM_LIMIT_ELEMENTS]);
    ir_const *c;
    UTIL_TRY(ir_const_new(&t, &c, im->err));
    if (tensor_bytes(&t, &bytes) && bytes) memset(c->tensor.data, 0, bytes);
    clstm_status s = scatter(im, &c->tensor, count, values, indices);
    if (s != CLSTM_OK) { ir_const_unref(c); return s; }
    *out = c;
    return CLSTM_OK;
}

clstm_status onnx_read_sparse(importer *im, const Onnx__SparseTensorProto *sp, ir_const **out) {
    ir_const *values = NULL, *indices = NULL;
    if (!sp->values || !sp->indices) return util_fail(im->err, CLSTM_BAD_MODEL, "a sparse tensor without values or indices");
    clstm_status s = onnx_read_tensor(im, sp->values, &values);
    if (s == CLSTM_OK) s = onnx_read_tensor(im, sp->indices, &indices);
    if (s == CLSTM_OK) s = expand(im, sp, &values->tensor, &indices->tensor, out);
    ir_const_unref(values);
    ir_const_unref(indices);
    return s;
}
