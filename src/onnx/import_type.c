/* onnx/import_type: declared types of values. */
#include "onnx/import_internal.h"

#include "tensor/tensor.h"

const char *onnx_element_name(int32_t type) {
    static const char *const later[] = {"float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4",
                                        "float4e2m1", "float8e8m0", "uint2", "int2"};
    if (type >= CLSTM_FLOAT && type <= CLSTM_BFLOAT16) return clstm_type_name((clstm_type)type);
    return type >= ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FN && type <= ONNX__TENSOR_PROTO__DATA_TYPE__INT2
               ? later[type - ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT8E4M3FN] : NULL;
}

static clstm_status read_element(importer *im, int32_t type, clstm_type *out) {
    const char *name = onnx_element_name(type);
    if (type == 0) { *out = CLSTM_TYPE_NONE; return CLSTM_OK; }
    if (!name) return util_fail(im->err, CLSTM_BAD_MODEL, "element type %d does not exist", type);
    if (type > CLSTM_BFLOAT16) return util_fail(im->err, CLSTM_UNSUPPORTED, "element type %s is not supported", name);
    *out = (clstm_type)type;
    return CLSTM_OK;
}

/* Negative, symbolic, unnamed and absent dimensions are unknown. */
static clstm_status read_shape(importer *im, const Onnx__TensorShapeProto *shape, onnx_type *out) {
    out->tensor.rank = -1;
    if (!shape) return CLSTM_OK;
    if (shape->n_dim > CLSTM_MAX_RANK || (int64_t)shape->n_dim > im->limit[CLSTM_LIMIT_RANK])
        return util_fail(im->err, CLSTM_LIMIT, "declared with %zu dimensions (limit rank, %lld)", shape->n_dim, (long long)im->limit[CLSTM_LIMIT_RANK]);
    out->tensor.rank = (int32_t)shape->n_dim;
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
        out->tensor.dims[i] = -1;
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value >= 0) out->tensor.dims[i] = d->dim_value;
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM && d->dim_param && d->dim_param[0])
            out->dim_names[i] = d->dim_param;
    }
    /* What is known of the shape is held against the limit, so that no arithmetic on declared sizes overflows later. */
    clstm_tensor known = out->tensor;
    for (int i = 0; i < known.rank; i++)
        if (known.dims[i] < 0) known.dims[i] = 1;
    int64_t extent = tensor_extent(&known);
    if (extent < 0 || extent > im->limit[CLSTM_LIMIT_ELEMENTS])
        return util_fail(im->err, CLSTM_LIMIT, "declared with too many elements (limit elements, %lld)", (long long)im->limit[CLSTM_LIMIT_ELEMENTS]);
    return CLSTM_OK;
}

static clstm_status unsupported(importer *im, const char *what) { return util_fail(im->err, CLSTM_UNSUPPORTED, "%s are not supported", what); }

clstm_status onnx_read_type(importer *im, const Onnx__TypeProto *tp, onnx_type *out) {
    *out = (onnx_type){.tensor.rank = -1};
    bool sequence = false;
    for (;;) {
        switch (tp ? tp->value_case : ONNX__TYPE_PROTO__VALUE__NOT_SET) {
        case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
            if (out->optional || sequence) return unsupported(im, "optional types inside others");
            out->optional = true;
            tp = tp->optional_type->elem_type;
            break;
        case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
            if (sequence) return unsupported(im, "sequences of sequences");
            sequence = true;
            tp = tp->sequence_type->elem_type;
            break;
        case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
            out->kind = sequence ? CLSTM_KIND_SEQUENCE : CLSTM_KIND_TENSOR;
            UTIL_TRY(read_element(im, tp->tensor_type->elem_type, &out->tensor.type));
            return read_shape(im, tp->tensor_type->shape, out);
        case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return unsupported(im, "maps");
        case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return unsupported(im, "sparse tensor values");
        case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE: return unsupported(im, "opaque types");
        default:
            if (sequence || out->optional) return util_fail(im->err, CLSTM_BAD_MODEL, "a type without its element type");
            return CLSTM_OK;
        }
    }
}
