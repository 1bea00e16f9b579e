/* onnx/import_internal: what the parts of the importer share. One file a concern:
 *   import.c           the model: unpacking, versions, metadata
 *   import_graph.c     graphs, bodies and nodes
 *   import_function.c  local functions, inlined at their calls
 *   import_attr.c      attributes
 *   import_unknown.c   every unknown operator of a model that is refused for one
 *   import_tensor.c    tensors in every storage form; import_sparse.c sparse ones
 *   import_type.c      declared types
 *   import_names.c     tables of names */
#ifndef ONNX_IMPORT_INTERNAL_H
#define ONNX_IMPORT_INTERNAL_H

#include "onnx/external.h"
#include "onnx/import.h"
#include "onnx/onnx.pb-c.h"
#include "onnx/prescan.h"
#include "util/status.h"

/* ---- names -------------------------------------------------------------------------------------------------------------- */

/* A sorted list, not a hash: no choice of names makes it slow. Names are not copied. */
typedef struct onnx_name { const char *name; void *item; const char *refused; } onnx_name;
typedef struct onnx_names { onnx_name *entries; size_t n, capacity; } onnx_names;

bool onnx_names_add(onnx_names *t, const char *name, void *item, const char *refused);
/* Sorts; finds work from here on. Returns a name that stands twice, or NULL. */
const char *onnx_names_seal(onnx_names *t);
const onnx_name *onnx_names_find(const onnx_names *t, const char *name);
void onnx_names_clear(onnx_names *t);

/* ---- the importer's state ------------------------------------------------------------------------------------------------ */

/* The body that nodes stand in: the model's (function NULL) or a call of a function. */
typedef struct onnx_call {
    struct onnx_call *outer;
    const Onnx__FunctionProto *function;
    Onnx__OperatorSetIdProto *const *imports;
    size_t n_imports;
    const char *name;                       /* prefix of the nodes' names; NULL in the model */
    struct onnx_bound *bound;               /* attributes of the call, defaults included */
    size_t n_bound;
    onnx_names exports;                     /* formal output → the caller's value */
    int depth;
} onnx_call;

/* What a name means at a place. */
typedef struct onnx_scope {
    const struct onnx_scope *parent;        /* the graph around a body; NULL for the model's graph and functions */
    ir_graph *graph;
    onnx_call *call;
    onnx_names constants;                   /* initialisers: item is an ir_value; refused says why it cannot be used */
    onnx_names names;                       /* inputs and outputs of nodes: ir_value, NULL for absent inputs of a function */
} onnx_scope;

/* An attribute with the scope in which a graph of it was written. */
typedef struct onnx_bound { const char *name; const Onnx__AttributeProto *attr; const onnx_scope *scope; } onnx_bound;

typedef struct importer {
    const onnx_source *src;
    const int64_t *limit;                   /* clstm_limits.value */
    op_lookup lookup;
    void *lookup_user;
    onnx_model *out;
    ir_graph *root;
    onnx_scan scan;
    Onnx__ModelProto *model;
    onnx_external *external;
    ir_const **shared;                      /* by tensor index: constants of functions' bodies, shared by their calls */
    int64_t n_nodes, inlined_bytes, sparse_elements;
    const Onnx__NodeProto *unknown;         /* the node whose operator has no row, when that is why the import ends */
    clstm_error *err;
} importer;

/* A node on its way: declared first, filled when all names of its graph are known. */
typedef struct onnx_pending {
    const Onnx__NodeProto *proto;
    const Onnx__FunctionProto *function;    /* NULL: an operator */
    ir_node *node;                          /* operators */
    ir_value **outputs;                     /* calls: the values that the function is to make */
    int index;
} onnx_pending;

static inline const char *onnx_text_of(const char *s) { return s ? s : ""; }

/* "" for the default domain, whose other name is ai.onnx. */
const char *onnx_domain(const char *domain);
/* `node 3 "foo" (Add)` of a message, into out; returns out. */
const char *onnx_node_text(char *out, size_t size, int index, const Onnx__NodeProto *np);

/* ---- the parts ------------------------------------------------------------------------------------------------------------- */

clstm_status onnx_import_root(importer *im, const Onnx__GraphProto *gp, onnx_call *call);
clstm_status onnx_import_body(importer *im, const onnx_scope *around, const Onnx__GraphProto *gp, ir_graph *parent, ir_graph **out);
/* Creates the nodes of a list with their outputs; then, when the scope's names are sealed, gives them inputs and attributes. */
clstm_status onnx_nodes_declare(importer *im, onnx_scope *sc, Onnx__NodeProto *const *nodes, size_t n, onnx_pending *pending);
clstm_status onnx_nodes_fill(importer *im, const onnx_scope *sc, onnx_pending *pending, size_t n);
/* Sorts the names of a scope; CLSTM_BAD_MODEL for one that is defined twice. */
clstm_status onnx_scope_seal(importer *im, onnx_scope *sc);
void onnx_scope_clear(onnx_scope *sc);
/* The value of a name, looked for outwards; *out NULL for an absent input of a function. */
clstm_status onnx_resolve(importer *im, const onnx_scope *sc, const char *name, ir_value **out);
/* The version at which `domain` is imported, 0 for one that is not; onnx_opset says that. */
int onnx_version(const onnx_call *call, const char *domain);
clstm_status onnx_opset(importer *im, const onnx_call *call, const char *domain, int *version);
/* The row of an operator; CLSTM_UNSUPPORTED when there is none. */
clstm_status onnx_operator(importer *im, const char *domain, const char *name, int version, const op_desc **op);
/* The model is refused for im->unknown: adds its other unknown operators to the message. Returns s. */
clstm_status onnx_unknown_others(importer *im, const onnx_call *root, clstm_status s);

/* Sorts the model's functions for onnx_function_find. */
clstm_status onnx_functions_index(importer *im);
const Onnx__FunctionProto *onnx_function_find(const importer *im, const Onnx__NodeProto *np);
clstm_status onnx_function_inline(importer *im, const onnx_scope *sc, const onnx_pending *p);

clstm_status onnx_read_attr(importer *im, const onnx_scope *sc, ir_node *n, const Onnx__AttributeProto *ap);

/* Why a tensor of this element type cannot be used ("string"), or NULL. */
const char *onnx_tensor_refused(const Onnx__TensorProto *t);
clstm_status onnx_read_tensor(importer *im, const Onnx__TensorProto *t, ir_const **out);
clstm_status onnx_read_sparse(importer *im, const Onnx__SparseTensorProto *t, ir_const **out);
/* Reads and checks dimensions; *count is their product. */
clstm_status onnx_read_dims(importer *im, const int64_t *dims, size_t rank, clstm_type type, clstm_tensor *t, int64_t *count);

typedef struct onnx_type {
    clstm_kind kind;                        /* NONE: not declared */
    bool optional;
    clstm_tensor tensor;
    const char *dim_names[CLSTM_MAX_RANK];  /* of the message */
} onnx_type;
clstm_status onnx_read_type(importer *im, const Onnx__TypeProto *tp, onnx_type *out);
/* Name of an element type of the standard, the unsupported ones included; NULL for numbers that are none. */
const char *onnx_element_name(int32_t type);

#endif
