/* onnx/export: the model, graphs, nodes, attributes and tensors. */
#include "onnx/export.h"

#include "onnx/export_wire.h"
#include "rnn/spec.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OLDEST_IR = 4 /* initialisers that are no inputs */, NEWEST_IR = 13 };

/* A value or a node with the name that it gets; the higher rank gives way. */
typedef struct named { const void *owner; const char *name; int rank; } named;
typedef struct names { named *list; size_t n, cap; } names;
typedef struct import { const char *domain; int version; } import;

typedef struct exporter {
    wire_out out;
    const onnx_model *model;
    util_arena arena;
    names values, nodes;                                    /* by owner, once named */
    import *imports;    size_t n_imports, cap_imports;
    clstm_error *err;
} exporter;

/* ---- names and imports ------------------------------------------------------------------------------------------------------- */

static clstm_status add_import(exporter *x, const char *domain, int version, const ir_node *n) {
    char text[256];
    for (size_t i = 0; i < x->n_imports; i++) {
        if (strcmp(x->imports[i].domain, domain)) continue;
        if (x->imports[i].version == version) return CLSTM_OK;
        return util_fail(x->err, CLSTM_UNSUPPORTED, "%s is of opset %d, other nodes of %d: cannot be written into one model",
                         ir_node_text(text, sizeof text, n), version, x->imports[i].version);
    }
    if (!util_grow((void **)&x->imports, &x->cap_imports, x->n_imports + 1, sizeof *x->imports)) return util_no_memory(x->err);
    x->imports[x->n_imports++] = (import){domain, version};
    return CLSTM_OK;
}

static clstm_status add_name(exporter *x, names *to, const void *owner, const char *name, int rank) {
    if (!util_grow((void **)&to->list, &to->cap, to->n + 1, sizeof *to->list)) return util_no_memory(x->err);
    to->list[to->n++] = (named){owner, name, rank};
    return CLSTM_OK;
}

static clstm_status collect(exporter *x, const ir_graph *g) {
    int inner = 2 * (g->parent != NULL);
    for (size_t i = 0; i < g->n_values; i++) UTIL_TRY(add_name(x, &x->values, g->values[i], g->values[i]->name, inner));
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        bool layer = n->op && n->op->check == rnn_check;    /* its name is that of its weights elsewhere */
        if (*n->name) UTIL_TRY(add_name(x, &x->nodes, n, n->name, inner + !layer));
        UTIL_TRY(add_import(x, g->nodes[i]->domain, g->nodes[i]->version, g->nodes[i]));
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) UTIL_TRY(collect(x, g->nodes[i]->bodies[b]));
    }
    return CLSTM_OK;
}

/* Those of the root come first among the owners of one name: the model's inputs and outputs keep theirs. */
static int by_name(const void *a, const void *b) {
    const named *x = a, *y = b;
    int c = strcmp(x->name, y->name);
    return c ? c : x->rank - y->rank;
}
static int by_owner(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const named *)a)->owner, y = (uintptr_t)((const named *)b)->owner;
    return (x > y) - (x < y);
}
static int name_against(const void *key, const void *entry) { return strcmp(key, ((const named *)entry)->name); }

/* Names that stand twice get an ending that nobody has. */
static clstm_status tell_apart(exporter *x, names *all) {
    size_t counter = 0, n = all->n;
    named *list = all->list;
    const char **fresh = util_calloc(n, sizeof *fresh);
    clstm_status s = fresh ? CLSTM_OK : util_no_memory(x->err);
    if (n > 1) qsort(list, n, sizeof *list, by_name);
    for (size_t i = 1; i < n && s == CLSTM_OK; i++) {
        if (strcmp(list[i].name, list[i - 1].name)) continue;
        size_t size = strlen(list[i].name) + 24;
        char *made = util_arena_alloc(&x->arena, size, 1);
        if (!made) { s = util_no_memory(x->err); break; }
        do snprintf(made, size, "%s~%zu", list[i].name, ++counter);
        while (bsearch(made, list, n, sizeof *list, name_against));
        fresh[i] = made;
    }
    for (size_t i = 0; i < n && s == CLSTM_OK; i++)
        if (fresh[i]) list[i].name = fresh[i];
    free(fresh);
    if (n > 1) qsort(list, n, sizeof *list, by_owner);
    return s;
}

/* "" for NULL and for what has no name. */
static const char *name_of(const names *all, const void *owner) {
    const named key = {.owner = owner}, *found = owner && all->n ? bsearch(&key, all->list, all->n, sizeof *all->list, by_owner) : NULL;
    return found ? found->name : "";
}

/* ---- tensors and types --------------------------------------------------------------------------------------------------------- */

static void write_tensor(exporter *x, unsigned field, ir_const *c, const char *name) {
    wire_out *w = &x->out;
    const void *data = NULL;
    size_t bytes = 0;
    /* Measuring needs no elements; packed ones are unpacked when they are written. */
    if (w->sink) { clstm_status s = ir_const_data(c, &data, x->err); if (s != CLSTM_OK) { onnx_out_fail(w, s); return; } }
    if (!tensor_bytes(&c->tensor, &bytes)) { onnx_out_fail(w, util_fail(x->err, CLSTM_INTERNAL, "a constant without a size")); return; }
    wire_mark m = onnx_out_begin(w, field);
    for (int d = 0; d < c->tensor.rank; d++) onnx_out_int(w, 1, c->tensor.dims[d]);
    onnx_out_int(w, 2, c->tensor.type);
    if (name) onnx_out_text(w, 8, name);
    onnx_out_bytes(w, 9, data, bytes);
    onnx_out_end(w, m);
}

/* Fields of a TypeProto: tensor, sequence or an optional one. */
static void write_type(wire_out *w, clstm_kind kind, bool optional, const clstm_tensor *t, const char *const *dim_names) {
    wire_mark outer = {0, 0}, elem = {0, 0}, list = {0, 0}, item = {0, 0};
    if (optional) { outer = onnx_out_begin(w, 9); elem = onnx_out_begin(w, 1); }
    if (kind == CLSTM_KIND_SEQUENCE) { list = onnx_out_begin(w, 4); item = onnx_out_begin(w, 1); }
    wire_mark tensor = onnx_out_begin(w, 1);
    if (t->type) onnx_out_int(w, 1, t->type);
    if (t->rank >= 0) {
        wire_mark shape = onnx_out_begin(w, 2);
        for (int d = 0; d < t->rank; d++) {
            wire_mark dim = onnx_out_begin(w, 1);
            if (t->dims[d] >= 0) onnx_out_int(w, 1, t->dims[d]);
            else if (dim_names && dim_names[d]) onnx_out_text(w, 2, dim_names[d]);
            onnx_out_end(w, dim);
        }
        onnx_out_end(w, shape);
    }
    onnx_out_end(w, tensor);
    if (kind == CLSTM_KIND_SEQUENCE) { onnx_out_end(w, item); onnx_out_end(w, list); }
    if (optional) { onnx_out_end(w, elem); onnx_out_end(w, outer); }
}

/* declared (may be NULL): what stands there when nothing is known of v. */
static void write_port(exporter *x, unsigned field, const ir_value *v, const clstm_tensor *declared) {
    wire_out *w = &x->out;
    wire_mark m = onnx_out_begin(w, field);
    onnx_out_text(w, 1, name_of(&x->values, v));
    if (v->kind != CLSTM_KIND_NONE) {
        wire_mark type = onnx_out_begin(w, 2);
        write_type(w, v->kind, v->optional, &v->type, v->dim_names);
        onnx_out_end(w, type);
    } else if (declared && declared->type != CLSTM_TYPE_NONE) {
        wire_mark type = onnx_out_begin(w, 2);
        write_type(w, CLSTM_KIND_TENSOR, false, declared, NULL);
        onnx_out_end(w, type);
    }
    onnx_out_end(w, m);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------------ */

static void write_graph(exporter *x, unsigned field, const ir_graph *g);

/* The standard's numbers for the kinds, and the fields of AttributeProto. */
static int type_number(ir_attr_kind kind) {
    static const char letters[] = " fistgFISTG";
    const char *at = strchr(letters, (char)kind);
    return kind == IR_ATTR_TYPE ? 13 : kind == IR_ATTR_SPARSE ? 4 : (int)(at - letters);
}

static void write_attr(exporter *x, const ir_attr *a) {
    wire_out *w = &x->out;
    wire_mark m = onnx_out_begin(w, 5), type;
    /* A sparse value was made dense, which is Constant's other way to say it. */
    onnx_out_text(w, 1, a->kind == IR_ATTR_SPARSE ? "value" : a->name);
    switch (a->kind) {
    case IR_ATTR_FLOAT: onnx_out_float(w, 2, a->v.f); break;
    case IR_ATTR_INT: onnx_out_int(w, 3, a->v.i); break;
    case IR_ATTR_STRING: onnx_out_bytes(w, 4, a->v.s, a->count); break;
    case IR_ATTR_TENSOR: case IR_ATTR_SPARSE: write_tensor(x, 5, a->v.t, NULL); break;
    case IR_ATTR_GRAPH: write_graph(x, 6, a->v.g); break;
    case IR_ATTR_TYPE:
        type = onnx_out_begin(w, 14);
        write_type(w, a->v.p.kind, false, &a->v.p.tensor, NULL);
        onnx_out_end(w, type);
        break;
    case IR_ATTR_FLOATS: for (size_t i = 0; i < a->count; i++) onnx_out_float(w, 7, a->v.floats[i]); break;
    case IR_ATTR_INTS: for (size_t i = 0; i < a->count; i++) onnx_out_int(w, 8, a->v.ints[i]); break;
    case IR_ATTR_STRINGS: for (size_t i = 0; i < a->count; i++) onnx_out_text(w, 9, a->v.strings[i]); break;
    case IR_ATTR_TENSORS: for (size_t i = 0; i < a->count; i++) write_tensor(x, 10, a->v.tensors[i], NULL); break;
    case IR_ATTR_GRAPHS: for (size_t i = 0; i < a->count; i++) write_graph(x, 11, a->v.graphs[i]); break;
    }
    onnx_out_int(w, 20, type_number(a->kind));
    onnx_out_end(w, m);
}

static void write_node(exporter *x, const ir_node *n) {
    wire_out *w = &x->out;
    wire_mark m = onnx_out_begin(w, 1);
    for (int i = 0; i < n->n_in; i++) onnx_out_text(w, 1, name_of(&x->values, n->inputs[i]));
    for (int i = 0; i < n->n_out; i++) onnx_out_text(w, 2, name_of(&x->values, n->outputs[i]));
    if (*n->name) onnx_out_text(w, 3, name_of(&x->nodes, n));
    onnx_out_text(w, 4, n->op_type);
    for (int i = 0; i < n->n_attrs; i++) write_attr(x, &n->attrs[i]);
    if (*n->domain) onnx_out_text(w, 7, n->domain);
    onnx_out_end(w, m);
}

/* ---- graphs and the model ---------------------------------------------------------------------------------------------------------- */

static void graph_fields(exporter *x, const ir_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) write_node(x, g->nodes[i]);
    onnx_out_text(&x->out, 2, *g->name ? g->name : "graph");
    for (size_t i = 0; i < g->n_values; i++)
        if (g->values[i]->constant && !g->values[i]->producer) write_tensor(x, 5, g->values[i]->constant, name_of(&x->values, g->values[i]));
    for (size_t i = 0; i < g->n_in; i++) write_port(x, 11, g->inputs[i], NULL);
    for (size_t i = 0; i < g->n_out; i++) write_port(x, 12, g->outputs[i], g->declared ? &g->declared[i] : NULL);
}

static void write_graph(exporter *x, unsigned field, const ir_graph *g) {
    wire_mark m = onnx_out_begin(&x->out, field);
    graph_fields(x, g);
    onnx_out_end(&x->out, m);
}

static void write_model(exporter *x) {
    const onnx_model *model = x->model;
    wire_out *w = &x->out;
    int64_t ir = model->ir_version < OLDEST_IR ? OLDEST_IR : model->ir_version > NEWEST_IR ? NEWEST_IR : model->ir_version;
    onnx_out_int(w, 1, ir);
    if (model->producer && *model->producer) onnx_out_text(w, 2, model->producer);
    if (model->producer_version && *model->producer_version) onnx_out_text(w, 3, model->producer_version);
    write_graph(x, 7, model->graph);
    for (size_t i = 0; i < x->n_imports; i++) {
        wire_mark m = onnx_out_begin(w, 8);
        onnx_out_text(w, 1, x->imports[i].domain);
        onnx_out_int(w, 2, x->imports[i].version);
        onnx_out_end(w, m);
    }
    for (size_t i = 0; i < model->n_metadata; i++) {
        wire_mark m = onnx_out_begin(w, 14);
        onnx_out_text(w, 1, model->metadata[i].key);
        onnx_out_text(w, 2, model->metadata[i].value);
        onnx_out_end(w, m);
    }
}

static clstm_status export_model(exporter *x, onnx_sink sink, void *user) {
    if (x->model->opset) UTIL_TRY(add_import(x, "", (int)x->model->opset, NULL));
    UTIL_TRY(collect(x, x->model->graph));
    UTIL_TRY(tell_apart(x, &x->values));
    UTIL_TRY(tell_apart(x, &x->nodes));
    write_model(x);
    if (x->out.status != CLSTM_OK) return x->out.status;
    x->out.sink = sink;
    x->out.user = user;
    x->out.next = 0;
    write_model(x);
    return onnx_out_flush(&x->out);
}

clstm_status onnx_export(const onnx_model *model, onnx_sink sink, void *user, clstm_error *err) {
    exporter *x = util_calloc(1, sizeof *x);    /* the buffer is too much for a small stack */
    if (!x) return util_no_memory(err);
    x->model = model;
    x->err = x->out.err = err;
    clstm_status s = export_model(x, sink, user);
    free(x->out.lengths);
    free(x->values.list);
    free(x->nodes.list);
    free(x->imports);
    util_arena_destroy(&x->arena);
    free(x);
    return s;
}
