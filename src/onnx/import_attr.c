/* onnx/import_attr: attributes of nodes, references to a function's attributes included. */
#include "onnx/import_internal.h"

#include <string.h>

static const char *type_name(int type) {
    static const char *const names[] = {"none", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings", "tensors",
                                        "graphs", "sparse tensor", "sparse tensors", "type", "types"};
    return type >= 0 && type < (int)(sizeof names / sizeof *names) ? names[type] : "unknown";
}

#define A(x) ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##x

/* Bit per AttributeType whose field holds something. */
static unsigned held(const Onnx__AttributeProto *ap) {
    return (ap->has_f ? 1u << A(FLOAT) : 0) | (ap->has_i ? 1u << A(INT) : 0) | (ap->has_s ? 1u << A(STRING) : 0) |
           (ap->t ? 1u << A(TENSOR) : 0) | (ap->g ? 1u << A(GRAPH) : 0) | (ap->n_floats ? 1u << A(FLOATS) : 0) |
           (ap->n_ints ? 1u << A(INTS) : 0) | (ap->n_strings ? 1u << A(STRINGS) : 0) | (ap->n_tensors ? 1u << A(TENSORS) : 0) |
           (ap->n_graphs ? 1u << A(GRAPHS) : 0) | (ap->sparse_tensor ? 1u << A(SPARSE_TENSOR) : 0) |
           (ap->n_sparse_tensors ? 1u << A(SPARSE_TENSORS) : 0) | (ap->tp ? 1u << A(TYPE_PROTO) : 0) |
           (ap->n_type_protos ? 1u << A(TYPE_PROTOS) : 0);
}

/* The attribute's type, from the one value that stands when it is not declared. A scalar of 0 may be left out by the writer. */
static clstm_status find_type(importer *im, const Onnx__AttributeProto *ap, int *out) {
    unsigned have = held(ap);
    int type = ap->has_type ? (int)ap->type : 0;
    if (type < 0 || type > A(TYPE_PROTOS)) return util_fail(im->err, CLSTM_BAD_MODEL, "has an unknown type %d", type);
    if (have & (have - 1)) return util_fail(im->err, CLSTM_BAD_MODEL, "has more than one value");
    if (!type && !have) return util_fail(im->err, CLSTM_BAD_MODEL, "has neither type nor value");
    if (!type) type = __builtin_ctz(have);
    if (have && have != 1u << type)
        return util_fail(im->err, CLSTM_BAD_MODEL, "is declared as %s and holds %s", type_name(type), type_name(__builtin_ctz(have)));
    if (!have && (type == A(TENSOR) || type == A(GRAPH) || type == A(SPARSE_TENSOR) || type == A(TYPE_PROTO)))
        return util_fail(im->err, CLSTM_BAD_MODEL, "has no value");
    *out = type;
    return CLSTM_OK;
}

static ir_attr_kind kind_of(int type) {
    static const char letters[] = " fistgFISTGx";
    return type == A(TYPE_PROTO) ? IR_ATTR_TYPE : (ir_attr_kind)letters[type];
}

/* Strings of attributes are texts for every operator that has a row. */
static clstm_status read_string(importer *im, util_arena *arena, const ProtobufCBinaryData *s, const char **out) {
    if (s->len && memchr(s->data, 0, s->len)) return util_fail(im->err, CLSTM_BAD_MODEL, "holds a NUL");
    *out = util_arena_strndup(arena, (const char *)s->data, s->len);
    return *out ? CLSTM_OK : util_no_memory(im->err);
}

static clstm_status read_list(importer *im, const onnx_scope *sc, const Onnx__AttributeProto *ap, int type, ir_node *n, ir_attr *a) {
    util_arena *arena = n->graph->arena;
    size_t count = type == A(FLOATS) ? ap->n_floats : type == A(INTS) ? ap->n_ints : type == A(STRINGS) ? ap->n_strings
                 : type == A(TENSORS) ? ap->n_tensors : ap->n_graphs;
    void *list = util_arena_alloc(arena, count ? count : 1, sizeof(int64_t));
    if (!list) return util_no_memory(im->err);
    a->v.ints = list;                       /* all lists are pointers */
    if (type == A(TENSORS) || type == A(GRAPHS)) a->count = count;
    if (type == A(FLOATS) && count) memcpy(list, ap->floats, count * sizeof(float));
    if (type == A(INTS) && count) memcpy(list, ap->ints, count * sizeof(int64_t));
    for (size_t i = 0; i < count; i++) {
        if (type == A(STRINGS)) UTIL_TRY(read_string(im, arena, &ap->strings[i], &a->v.strings[i]));
        if (type == A(TENSORS)) UTIL_TRY(onnx_read_tensor(im, ap->tensors[i], &a->v.tensors[i]));
        if (type == A(GRAPHS)) UTIL_TRY(onnx_import_body(im, sc, ap->graphs[i], n->graph, &a->v.graphs[i]));
    }
    a->count = count;
    return CLSTM_OK;
}

static clstm_status read_declared(importer *im, const Onnx__TypeProto *tp, clstm_value *out) {
    onnx_type type;
    UTIL_TRY(onnx_read_type(im, tp, &type));
    *out = (clstm_value){.kind = type.kind, .tensor = type.tensor};
    return CLSTM_OK;
}

static clstm_status read_value(importer *im, const onnx_scope *sc, const Onnx__AttributeProto *ap, int type, ir_node *n, ir_attr *a) {
    switch (type) {
    case A(FLOAT): a->v.f = ap->has_f ? ap->f : 0.0f; return CLSTM_OK;
    case A(INT): a->v.i = ap->has_i ? ap->i : 0; return CLSTM_OK;
    case A(STRING): a->count = ap->s.len; return read_string(im, n->graph->arena, &ap->s, &a->v.s);
    case A(TENSOR): return onnx_read_tensor(im, ap->t, &a->v.t);
    case A(GRAPH): return onnx_import_body(im, sc, ap->g, n->graph, &a->v.g);
    case A(SPARSE_TENSOR): return onnx_read_sparse(im, ap->sparse_tensor, &a->v.t);
    case A(TYPE_PROTO): return read_declared(im, ap->tp, &a->v.p);
    case A(SPARSE_TENSORS): case A(TYPE_PROTOS):
        return util_fail(im->err, CLSTM_UNSUPPORTED, "attributes of kind %s are not supported", type_name(type));
    default: return read_list(im, sc, ap, type, n, a);
    }
}

/* Follows a reference to the attribute of the call around; *attr NULL when the call leaves it out. */
static clstm_status follow(importer *im, const Onnx__AttributeProto **attr, const onnx_scope **sc) {
    const Onnx__AttributeProto *ap = *attr;
    const onnx_call *call = (*sc)->call;
    if (!call->function) return util_fail(im->err, CLSTM_BAD_MODEL, "refers to an attribute of a function, outside any");
    if (held(ap)) return util_fail(im->err, CLSTM_BAD_MODEL, "is a reference and has a value");
    *attr = NULL;
    for (size_t i = 0; i < call->n_bound; i++) {
        const onnx_bound *b = &call->bound[i];
        if (strcmp(b->name, ap->ref_attr_name)) continue;
        if (ap->has_type && b->attr->has_type && ap->type != b->attr->type)
            return util_fail(im->err, CLSTM_BAD_MODEL, "is declared as %s and refers to %s", type_name((int)ap->type), type_name((int)b->attr->type));
        *attr = b->attr;
        *sc = b->scope;
    }
    return CLSTM_OK;
}

static clstm_status read_attr(importer *im, const onnx_scope *sc, ir_node *n, const Onnx__AttributeProto *ap, const char *name) {
    int type = 0;
    if (!*name) return util_fail(im->err, CLSTM_BAD_MODEL, "has no name");
    if (*onnx_text_of(ap->ref_attr_name)) UTIL_TRY(follow(im, &ap, &sc));
    if (!ap) return CLSTM_OK;
    UTIL_TRY(find_type(im, ap, &type));
    if (type == A(SPARSE_TENSORS) || type == A(TYPE_PROTOS)) return read_value(im, sc, ap, type, n, NULL);
    ir_attr *a = ir_attr_add(n, name, kind_of(type));
    if (!a) return util_no_memory(im->err);
    UTIL_TRY(read_value(im, sc, ap, type, n, a));
    /* some exporters keep every weight in a Constant node */
    if (a->kind == IR_ATTR_TENSOR && !*n->domain && !strcmp(n->op_type, "Constant")) im->out->parameters += clstm_tensor_count(&a->v.t->tensor);
    return CLSTM_OK;
}

clstm_status onnx_read_attr(importer *im, const onnx_scope *sc, ir_node *n, const Onnx__AttributeProto *ap) {
    char shown[96];
    const char *name = onnx_text_of(ap->name);
    clstm_status s = read_attr(im, sc, n, ap, name);
    /* A body's own messages name its nodes: keep the line short. */
    return s == CLSTM_OK ? s : util_context(im->err, s, "attribute %s", util_escape(shown, sizeof shown, name));
}
