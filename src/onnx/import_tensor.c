/* onnx/import_tensor: a TensorProto becomes a constant. Elements are read where they lie in the file - borrowed when they stand
 * there as the machine wants them, copied or decoded otherwise. */
#include "onnx/import_internal.h"

#include "tensor/tensor.h"

#include <string.h>

enum { FIELD_FLOAT = 4, FIELD_INT32 = 5, FIELD_STRING = 6, FIELD_INT64 = 7, FIELD_RAW = 9, FIELD_DOUBLE = 10, FIELD_UINT64 = 11 };

const char *onnx_tensor_refused(const Onnx__TensorProto *t) {
    bool fine = t->data_type >= CLSTM_FLOAT && t->data_type <= CLSTM_BFLOAT16 && t->data_type != CLSTM_STRING;
    return fine ? NULL : onnx_element_name(t->data_type);
}

/* The index that the prescan left in raw_data. */
static uint32_t tensor_index(const Onnx__TensorProto *t) {
    const uint8_t *b = t->raw_data.data;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

clstm_status onnx_read_dims(importer *im, const int64_t *dims, size_t rank, clstm_type type, clstm_tensor *t, int64_t *count) {
    size_t bytes;
    if (rank > CLSTM_MAX_RANK || (int64_t)rank > im->limit[CLSTM_LIMIT_RANK])
        return util_fail(im->err, CLSTM_LIMIT, "has %zu dimensions (limit rank, %lld)", rank, (long long)im->limit[CLSTM_LIMIT_RANK]);
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0) return util_fail(im->err, CLSTM_BAD_MODEL, "dimension %zu is negative (%lld)", i, (long long)dims[i]);
    tensor_set(t, type, (int)rank, dims);
    *count = clstm_tensor_count(t);
    int64_t extent = tensor_extent(t);
    if (extent < 0 || extent > im->limit[CLSTM_LIMIT_ELEMENTS] || !tensor_bytes(t, &bytes)) {
        char shape[200];
        return util_fail(im->err, CLSTM_LIMIT, "shape %s has too many elements (limit elements, %lld)", tensor_shape_text(shape, sizeof shape, t),
                         (long long)im->limit[CLSTM_LIMIT_ELEMENTS]);
    }
    return CLSTM_OK;
}

/* ---- elements in memory order ------------------------------------------------------------------------------------------------ */

static clstm_status wrong_size(importer *im, const clstm_tensor *t, size_t have, size_t want) {
    char shape[200];
    return util_fail(im->err, CLSTM_BAD_MODEL, "holds %zu bytes of elements, shape %s of type %s needs %zu", have,
                     tensor_shape_text(shape, sizeof shape, t), clstm_type_name(t->type), want);
}

/* bool has two values whatever byte stands for true. */
static bool clean_bools(const clstm_tensor *t, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; t->type == CLSTM_BOOL && i < size; i++)
        if (bytes[i] > 1) return false;
    return true;
}

/* bytes are borrowed: the file, or an external one, which both stay until the constants are settled. */
static clstm_status from_bytes(importer *im, clstm_tensor *t, const uint8_t *bytes, size_t size, ir_const **out) {
    t->data = (void *)(uintptr_t)bytes;
    if (!size) t->data = NULL;
    else if (clean_bools(t, bytes, size)) return ir_const_borrow(t, out, im->err);
    UTIL_TRY(ir_const_new(t, out, im->err));
    uint8_t *made = (*out)->tensor.data;
    for (size_t i = 0; t->type == CLSTM_BOOL && i < size; i++) made[i] = made[i] != 0;
    return CLSTM_OK;
}

/* ---- typed fields -------------------------------------------------------------------------------------------------------------- */

static uint8_t typed_field(clstm_type t) {
    switch (t) {
    case CLSTM_FLOAT: case CLSTM_COMPLEX64: return FIELD_FLOAT;
    case CLSTM_DOUBLE: case CLSTM_COMPLEX128: return FIELD_DOUBLE;
    case CLSTM_INT64: return FIELD_INT64;
    case CLSTM_UINT32: case CLSTM_UINT64: return FIELD_UINT64;
    default: return FIELD_INT32;
    }
}

/* Writes varint v as element i; false when the type cannot hold it. */
static bool store(const clstm_tensor *t, size_t i, uint64_t v) {
    int64_t s = (int64_t)v;
    switch (t->type) {
    case CLSTM_INT64: ((int64_t *)t->data)[i] = s; return true;
    case CLSTM_UINT64: ((uint64_t *)t->data)[i] = v; return true;
    case CLSTM_UINT32: ((uint32_t *)t->data)[i] = (uint32_t)v; return v <= UINT32_MAX;
    /* Some writers give an int32 without extending its sign to 64 bits. */
    case CLSTM_INT32: ((int32_t *)t->data)[i] = (int32_t)(uint32_t)v; return (s >= INT32_MIN && s <= INT32_MAX) || v <= UINT32_MAX;
    case CLSTM_INT16: ((int16_t *)t->data)[i] = (int16_t)s; return s >= INT16_MIN && s <= INT16_MAX;
    case CLSTM_INT8: ((int8_t *)t->data)[i] = (int8_t)s; return s >= INT8_MIN && s <= INT8_MAX;
    case CLSTM_UINT16: ((uint16_t *)t->data)[i] = (uint16_t)v; return v <= UINT16_MAX;
    case CLSTM_UINT8: ((uint8_t *)t->data)[i] = (uint8_t)v; return v <= UINT8_MAX;
    case CLSTM_BOOL: ((uint8_t *)t->data)[i] = v != 0; return true;
    default: ((uint16_t *)t->data)[i] = (uint16_t)v; return v <= UINT16_MAX || (s >= INT16_MIN && s < 0);   /* float16, bfloat16: bits */
    }
}

/* Appends the span's elements to t->data, of which *at bytes are full and `size` fit. */
static clstm_status decode_span(importer *im, const onnx_span *span, const clstm_tensor *t, size_t *at, size_t size) {
    const uint8_t *b = im->src->bytes;
    size_t unit = clstm_type_size(t->type), end = span->offset + span->size;
    bool fixed = span->field == FIELD_FLOAT || span->field == FIELD_DOUBLE;
    if (fixed) unit = span->field == FIELD_FLOAT ? 4 : 8;
    for (size_t i = span->offset; i < end;) {
        uint64_t v = 0;
        if (span->unpacked && !onnx_varint(b, &i, end, &v)) return util_fail(im->err, CLSTM_BAD_MODEL, "elements are malformed");
        if (!fixed && !onnx_varint(b, &i, end, &v)) return util_fail(im->err, CLSTM_BAD_MODEL, "elements are malformed");
        size_t run = fixed ? (span->unpacked ? unit : end - i) : unit;
        if (fixed && end - i < run) return util_fail(im->err, CLSTM_BAD_MODEL, "elements are malformed");
        if (size - *at < run) return wrong_size(im, t, *at + run, size);
        if (fixed) {
            memcpy((uint8_t *)t->data + *at, b + i, run);
            i += run;
        } else if (!store(t, *at / unit, v)) {
            return util_fail(im->err, CLSTM_BAD_MODEL, "element %zu does not fit type %s", *at / unit, clstm_type_name(t->type));
        }
        *at += run;
    }
    return CLSTM_OK;
}

static clstm_status decode(importer *im, const onnx_stored *stored, clstm_tensor *t, size_t size, ir_const **out) {
    const onnx_span *spans = im->scan.spans + stored->first;
    size_t at = 0;
    if (stored->count == 1 && !spans->unpacked && (spans->field == FIELD_FLOAT || spans->field == FIELD_DOUBLE) && spans->size == size)
        return from_bytes(im, t, im->src->bytes + spans->offset, size, out);
    /* Every element takes a byte at least: a declared size alone makes nobody take memory. */
    size_t stored_bytes = 0;
    for (uint32_t i = 0; i < stored->count; i++) stored_bytes += spans[i].size;
    if (size / clstm_type_size(t->type) > stored_bytes) return wrong_size(im, t, stored_bytes, size);
    ir_const *c;
    UTIL_TRY(ir_const_new(t, &c, im->err));
    clstm_status s = CLSTM_OK;
    for (uint32_t i = 0; i < stored->count && s == CLSTM_OK; i++) s = decode_span(im, &spans[i], &c->tensor, &at, size);
    if (s == CLSTM_OK && at != size) s = wrong_size(im, t, at, size);
    if (s != CLSTM_OK) { ir_const_unref(c); return s; }
    *out = c;
    return CLSTM_OK;
}

static clstm_status from_file(importer *im, const onnx_stored *stored, clstm_tensor *t, size_t size, ir_const **out) {
    if (!stored->count) return size ? wrong_size(im, t, 0, size) : ir_const_new(t, out, im->err);
    const onnx_span *spans = im->scan.spans + stored->first;
    for (uint32_t i = 0; i < stored->count; i++) {
        if (spans[i].field != spans[0].field) return util_fail(im->err, CLSTM_BAD_MODEL, "has elements in more than one field");
        if (spans[i].field != FIELD_RAW && spans[i].field != typed_field(t->type))
            return util_fail(im->err, CLSTM_BAD_MODEL, "has its elements in a field that is not for type %s", clstm_type_name(t->type));
    }
    if (spans->field != FIELD_RAW) return decode(im, stored, t, size, out);
    if (spans->size != size) return wrong_size(im, t, spans->size, size);
    return from_bytes(im, t, im->src->bytes + spans->offset, size, out);
}

/* ---- the tensor ------------------------------------------------------------------------------------------------------------------ */

static clstm_status from_external(importer *im, const Onnx__TensorProto *tp, clstm_tensor *t, size_t size, ir_const **out) {
    const uint8_t *bytes;
    onnx_place place;
    UTIL_TRY(onnx_place_read(tp, &place, im->err));
    if (place.length >= 0 && (uint64_t)place.length != size) return wrong_size(im, t, (size_t)place.length, size);
    UTIL_TRY(onnx_external_bytes(im->external, &place, size, &bytes, im->err));
    return from_bytes(im, t, bytes, size, out);
}

static clstm_status read_tensor(importer *im, const Onnx__TensorProto *tp, uint32_t index, ir_const **out) {
    const onnx_stored *stored = &im->scan.tensors[index];
    const char *refused = onnx_tensor_refused(tp);
    clstm_tensor t;
    int64_t count;
    size_t size = 0;
    if (refused) return util_fail(im->err, CLSTM_UNSUPPORTED, "element type %s is not supported", refused);
    if (!onnx_element_name(tp->data_type)) return util_fail(im->err, CLSTM_BAD_MODEL, "element type %d does not exist", tp->data_type);
    if (tp->segment) return util_fail(im->err, CLSTM_UNSUPPORTED, "tensors in segments are not supported");
    UTIL_TRY(onnx_read_dims(im, tp->dims, tp->n_dims, (clstm_type)tp->data_type, &t, &count));
    tensor_bytes(&t, &size);
    if (tp->has_data_location && tp->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        if (stored->count) return util_fail(im->err, CLSTM_BAD_MODEL, "has external data and elements of its own");
        return from_external(im, tp, &t, size, out);
    }
    if (tp->has_data_location && tp->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT)
        return util_fail(im->err, CLSTM_UNSUPPORTED, "data_location %d is not supported", (int)tp->data_location);
    if (tp->n_external_data) return util_fail(im->err, CLSTM_BAD_MODEL, "names external data but is not marked as external");
    return from_file(im, stored, &t, size, out);
}

/* A tensor in a function's body is read once, however often the function is called. */
clstm_status onnx_read_tensor(importer *im, const Onnx__TensorProto *tp, ir_const **out) {
    uint32_t index = tensor_index(tp);
    if (im->shared[index]) { *out = ir_const_ref(im->shared[index]); return CLSTM_OK; }
    UTIL_TRY(read_tensor(im, tp, index, out));
    im->shared[index] = ir_const_ref(*out);
    return CLSTM_OK;
}
