/* onnx/import_graph: a GraphProto becomes a graph: initialisers, inputs, nodes in any order, outputs. */
#include "onnx/import_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *onnx_domain(const char *domain) { return !domain || !strcmp(domain, "ai.onnx") ? "" : domain; }

const char *onnx_node_text(char *out, size_t size, int index, const Onnx__NodeProto *np) {
    char name[96], op[48];
    util_escape(op, sizeof op, np->op_type);
    util_escape(name, sizeof name, np->name);
    snprintf(out, size, "node %d \"%s\" (%s)", index, name, op);
    return out;
}

/* `status` with the node in front; apart, so that recursion does not carry the text. */
__attribute__((noinline))
static clstm_status at_node(importer *im, clstm_status s, const onnx_pending *p) {
    char text[256];
    return util_context(im->err, s, "%s", onnx_node_text(text, sizeof text, p->index, p->proto));
}

/* ---- scopes ---------------------------------------------------------------------------------------------------------------- */

clstm_status onnx_scope_seal(importer *im, onnx_scope *sc) {
    char shown[128];
    const char *twice = onnx_names_seal(&sc->names);
    for (size_t i = 0; i < sc->names.n && !twice; i++)
        if (onnx_names_find(&sc->constants, sc->names.entries[i].name)) twice = sc->names.entries[i].name;
    return twice ? util_fail(im->err, CLSTM_BAD_MODEL, "the name \"%s\" is defined twice", util_escape(shown, sizeof shown, twice)) : CLSTM_OK;
}

void onnx_scope_clear(onnx_scope *sc) {
    onnx_names_clear(&sc->constants);
    onnx_names_clear(&sc->names);
}

clstm_status onnx_resolve(importer *im, const onnx_scope *sc, const char *name, ir_value **out) {
    char shown[128];
    const onnx_name *found = NULL;
    for (; sc && !found; sc = sc->parent)
        if (!(found = onnx_names_find(&sc->names, name))) found = onnx_names_find(&sc->constants, name);
    if (found && !found->refused) { *out = found->item; return CLSTM_OK; }
    util_escape(shown, sizeof shown, name);
    if (!found) return util_fail(im->err, CLSTM_BAD_MODEL, "\"%s\" is not defined", shown);
    return util_fail(im->err, CLSTM_UNSUPPORTED, "initialiser \"%s\": element type %s is not supported", shown, found->refused);
}

int onnx_version(const onnx_call *call, const char *domain) {
    for (size_t i = 0; i < call->n_imports; i++)
        if (!strcmp(onnx_domain(call->imports[i]->domain), domain)) return (int)call->imports[i]->version;
    return 0;
}

clstm_status onnx_opset(importer *im, const onnx_call *call, const char *domain, int *version) {
    char shown[96];
    *version = onnx_version(call, domain);
    return *version ? CLSTM_OK : util_fail(im->err, CLSTM_BAD_MODEL, "domain \"%s\" is used but not imported", util_escape(shown, sizeof shown, domain));
}

clstm_status onnx_operator(importer *im, const char *domain, const char *name, int version, const op_desc **op) {
    char shown[96], where[128] = "";
    bool known = false;
    *op = im->lookup(im->lookup_user, domain, name, version, &known);
    if (*op) return CLSTM_OK;
    util_escape(shown, sizeof shown, name);
    if (*domain) {
        char d[96];
        snprintf(where, sizeof where, " of domain \"%s\"", util_escape(d, sizeof d, domain));
    }
    if (known) return util_fail(im->err, CLSTM_UNSUPPORTED, "operator %s%s is not supported at opset %d", shown, where, version);
    return util_fail(im->err, CLSTM_UNSUPPORTED, "operator %s%s is not supported", shown, where);
}

/* ---- initialisers, inputs, outputs --------------------------------------------------------------------------------------------- */

/* A constant under its name, or the reason why it cannot be used: only who uses it fails. Takes c. */
static clstm_status add_constant(importer *im, onnx_scope *sc, const char *name, ir_const *c, const char *refused) {
    ir_value *v = ir_value_new(sc->graph, name);
    if (v && c) {
        ir_value_set_const(v, c);
        im->out->parameters += clstm_tensor_count(&c->tensor);
    }
    ir_const_unref(c);
    return v && onnx_names_add(&sc->constants, name, v, refused) ? CLSTM_OK : util_no_memory(im->err);
}

static clstm_status initialiser(importer *im, onnx_scope *sc, const Onnx__TensorProto *tp, const Onnx__SparseTensorProto *sp) {
    char shown[128];
    const char *name = onnx_text_of(tp ? tp->name : sp->values ? sp->values->name : NULL);
    const char *refused = onnx_tensor_refused(tp ? tp : sp->values ? sp->values : &(Onnx__TensorProto){0});
    ir_const *c = NULL;
    clstm_status s = CLSTM_OK;
    if (!*name) s = util_fail(im->err, CLSTM_BAD_MODEL, "has no name");
    else if (!refused) s = tp ? onnx_read_tensor(im, tp, &c) : onnx_read_sparse(im, sp, &c);
    if (s != CLSTM_OK) return util_context(im->err, s, "initialiser \"%s\"", util_escape(shown, sizeof shown, name));
    return add_constant(im, sc, name, c, refused);
}

static clstm_status read_initialisers(importer *im, onnx_scope *sc, const Onnx__GraphProto *gp) {
    char shown[128];
    for (size_t i = 0; i < gp->n_initializer; i++) UTIL_TRY(initialiser(im, sc, gp->initializer[i], NULL));
    for (size_t i = 0; i < gp->n_sparse_initializer; i++) UTIL_TRY(initialiser(im, sc, NULL, gp->sparse_initializer[i]));
    const char *twice = onnx_names_seal(&sc->constants);
    return twice ? util_fail(im->err, CLSTM_BAD_MODEL, "initialiser \"%s\" is given twice", util_escape(shown, sizeof shown, twice)) : CLSTM_OK;
}

static clstm_status set_type(importer *im, ir_value *v, const onnx_type *type) {
    v->kind = type->kind;
    v->optional = type->optional;
    v->type = type->tensor;
    for (int d = 0; d < CLSTM_MAX_RANK; d++)
        if (type->dim_names[d] && !(v->dim_names[d] = util_arena_strdup(v->graph->arena, type->dim_names[d]))) return util_no_memory(im->err);
    return CLSTM_OK;
}

/* An input with an initialiser is that constant: the model's callers need not give it, and cannot. */
static clstm_status read_input(importer *im, onnx_scope *sc, const Onnx__ValueInfoProto *vp, bool body) {
    onnx_type type;
    const char *name = onnx_text_of(vp->name);
    if (!*name) return util_fail(im->err, CLSTM_BAD_MODEL, "has no name");
    if (onnx_names_find(&sc->constants, name))
        return body ? util_fail(im->err, CLSTM_UNSUPPORTED, "inputs of a body with an initialiser are not supported") : CLSTM_OK;
    UTIL_TRY(onnx_read_type(im, vp->type, &type));
    if (!body && (type.kind == CLSTM_KIND_NONE || type.tensor.type == CLSTM_TYPE_NONE))
        return util_fail(im->err, CLSTM_BAD_MODEL, "has no type");
    ir_value *v = ir_value_new(sc->graph, name);
    if (!v || !onnx_names_add(&sc->names, name, v, NULL)) return util_no_memory(im->err);
    UTIL_TRY(set_type(im, v, &type));
    return ir_graph_add_input(sc->graph, v, im->err);
}

/* A declared type is a hint, for values whose type is not known by other means. */
static clstm_status read_output(importer *im, const onnx_scope *sc, const Onnx__ValueInfoProto *vp) {
    onnx_type type;
    ir_value *v;
    const char *name = onnx_text_of(vp->name);
    if (!*name) return util_fail(im->err, CLSTM_BAD_MODEL, "has no name");
    UTIL_TRY(onnx_resolve(im, sc, name, &v));
    UTIL_TRY(onnx_read_type(im, vp->type, &type));
    if (v->kind == CLSTM_KIND_NONE && v->producer) UTIL_TRY(set_type(im, v, &type));
    return ir_graph_add_output(sc->graph, v, im->err);
}

static clstm_status read_inputs(importer *im, onnx_scope *sc, const Onnx__GraphProto *gp, bool body) {
    char shown[128];
    for (size_t i = 0; i < gp->n_input; i++) {
        clstm_status s = read_input(im, sc, gp->input[i], body);
        if (s != CLSTM_OK) return util_context(im->err, s, "input %zu \"%s\"", i, util_escape(shown, sizeof shown, gp->input[i]->name));
    }
    return CLSTM_OK;
}

static clstm_status read_outputs(importer *im, onnx_scope *sc, const Onnx__GraphProto *gp) {
    char shown[128];
    for (size_t i = 0; i < gp->n_output; i++) {
        clstm_status s = read_output(im, sc, gp->output[i]);
        if (s != CLSTM_OK) return util_context(im->err, s, "output %zu \"%s\"", i, util_escape(shown, sizeof shown, gp->output[i]->name));
    }
    return CLSTM_OK;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------------------ */

/* Without the absent ones at the end. */
static size_t trimmed(char *const *names, size_t n) {
    while (n && !*onnx_text_of(names[n - 1])) n--;
    return n;
}

/* Nodes of a function's body carry the call's name in front of theirs. */
static const char *node_name(char *out, size_t size, const onnx_call *call, const Onnx__NodeProto *np) {
    if (!call->name) return onnx_text_of(np->name);
    snprintf(out, size, "%.120s/%.120s", call->name, onnx_text_of(np->name));
    return out;
}

static clstm_status new_node(importer *im, const onnx_scope *sc, onnx_pending *p, size_t n_out) {
    const Onnx__NodeProto *np = p->proto;
    const op_desc *op;
    const char *domain = onnx_domain(np->domain), *op_type = onnx_text_of(np->op_type);
    char name[256];
    int version;
    if (!*op_type) return util_fail(im->err, CLSTM_BAD_MODEL, "has no operator");
    UTIL_TRY(onnx_opset(im, sc->call, domain, &version));
    clstm_status s = onnx_operator(im, domain, op_type, version, &op);
    if (s != CLSTM_OK) { im->unknown = np; return s; }
    p->node = ir_node_new(sc->graph, op_type, domain, version, node_name(name, sizeof name, sc->call, np), (int)trimmed(np->input, np->n_input), (int)n_out);
    if (!p->node) return util_no_memory(im->err);
    p->node->op = op;
    p->node->index = sc->call->function ? -1 : p->index;
    return CLSTM_OK;
}

/* The value that an output is: the caller's, for an output of a function, else a new one. */
static ir_value *new_output(onnx_scope *sc, const char *name) {
    const onnx_name *export = onnx_names_find(&sc->call->exports, name);
    ir_value *v = sc->call->function && !sc->parent && export ? export->item : NULL;
    if (!v) v = ir_value_new(sc->graph, sc->call->function ? NULL : name);
    return v && onnx_names_add(&sc->names, name, v, NULL) ? v : NULL;
}

static clstm_status count_node(importer *im, const onnx_call *call, const Onnx__NodeProto *np) {
    if (np->n_input > 100000 || np->n_output > 100000 || np->n_attribute > 1000)
        return util_fail(im->err, CLSTM_UNSUPPORTED, "has %zu inputs, %zu outputs and %zu attributes", np->n_input, np->n_output, np->n_attribute);
    if (++im->n_nodes > im->limit[CLSTM_LIMIT_NODES])
        return util_fail(im->err, CLSTM_LIMIT, "too many nodes (limit nodes, %lld)", (long long)im->limit[CLSTM_LIMIT_NODES]);
    if (!call->function) { im->out->nodes++; return CLSTM_OK; }
    /* Calls of calls multiply what a small file holds. */
    int64_t bytes = 0;
    for (size_t i = 0; i < np->n_attribute; i++) {
        const Onnx__AttributeProto *a = np->attribute[i];
        bytes += (int64_t)(a->s.len + a->n_ints * sizeof(int64_t) + a->n_floats * sizeof(float) + a->n_strings * sizeof(char *));
        for (size_t k = 0; k < a->n_strings; k++) bytes += (int64_t)a->strings[k].len;
    }
    bytes += (int64_t)((np->n_input + np->n_output) * sizeof(ir_value));
    if ((im->inlined_bytes += bytes) > im->limit[CLSTM_LIMIT_FILE_BYTES])
        return util_fail(im->err, CLSTM_LIMIT, "calls of functions make the model too large (limit file-bytes)");
    return CLSTM_OK;
}

static clstm_status declare(importer *im, onnx_scope *sc, onnx_pending *p) {
    const Onnx__NodeProto *np = p->proto;
    size_t n_out = trimmed(np->output, np->n_output);
    UTIL_TRY(count_node(im, sc->call, np));
    p->function = onnx_function_find(im, np);
    if (p->function) p->outputs = util_arena_alloc(sc->graph->arena, n_out ? n_out : 1, sizeof *p->outputs);
    if (p->function && !p->outputs) return util_no_memory(im->err);
    if (!p->function) UTIL_TRY(new_node(im, sc, p, n_out));
    for (size_t i = 0; i < n_out; i++) {
        const char *name = onnx_text_of(np->output[i]);
        if (!*name) continue;
        ir_value *v = new_output(sc, name);
        if (!v) return util_no_memory(im->err);
        if (p->function) { p->outputs[i] = v; continue; }
        if (v->producer) return util_fail(im->err, CLSTM_BAD_MODEL, "output %zu is already defined", i);
        p->node->outputs[i] = v;
        v->producer = p->node;
    }
    return CLSTM_OK;
}

clstm_status onnx_nodes_declare(importer *im, onnx_scope *sc, Onnx__NodeProto *const *nodes, size_t n, onnx_pending *pending) {
    for (size_t i = 0; i < n; i++) {
        pending[i].proto = nodes[i];
        pending[i].index = (int)i;
        clstm_status s = declare(im, sc, &pending[i]);
        if (s != CLSTM_OK) return at_node(im, s, &pending[i]);
    }
    return CLSTM_OK;
}

static clstm_status resolve_input(importer *im, const onnx_scope *sc, const char *name, size_t i, ir_value **out) {
    clstm_status s = onnx_resolve(im, sc, name, out);
    return s == CLSTM_OK ? s : util_context(im->err, s, "input %zu", i);
}

static clstm_status fill(importer *im, const onnx_scope *sc, onnx_pending *p) {
    const Onnx__NodeProto *np = p->proto;
    for (int i = 0; i < p->node->n_in; i++) {
        const char *name = onnx_text_of(np->input[i]);
        if (*name) UTIL_TRY(resolve_input(im, sc, name, (size_t)i, &p->node->inputs[i]));
    }
    /* Inputs that a function's caller left out may leave empty places at the end as well. */
    while (p->node->n_in && !p->node->inputs[p->node->n_in - 1]) p->node->n_in--;
    for (size_t i = 0; i < np->n_attribute; i++) UTIL_TRY(onnx_read_attr(im, sc, p->node, np->attribute[i]));
    return CLSTM_OK;
}

clstm_status onnx_nodes_fill(importer *im, const onnx_scope *sc, onnx_pending *pending, size_t n) {
    for (size_t i = 0; i < n; i++) {
        clstm_status s = pending[i].function ? onnx_function_inline(im, sc, &pending[i]) : fill(im, sc, &pending[i]);
        if (s != CLSTM_OK) return at_node(im, s, &pending[i]);
        /* Its own message names the node. */
        if (pending[i].node) UTIL_TRY(op_check_node(pending[i].node, im->err));
    }
    return CLSTM_OK;
}

/* ---- graphs -------------------------------------------------------------------------------------------------------------------------- */

static clstm_status build(importer *im, onnx_scope *sc, const Onnx__GraphProto *gp) {
    onnx_pending *pending = util_calloc(gp->n_node, sizeof *pending);
    if (!pending) return util_no_memory(im->err);
    clstm_status s = read_initialisers(im, sc, gp);
    if (s == CLSTM_OK) s = read_inputs(im, sc, gp, sc->graph->parent != NULL);
    if (s == CLSTM_OK) s = onnx_nodes_declare(im, sc, gp->node, gp->n_node, pending);
    if (s == CLSTM_OK) s = onnx_scope_seal(im, sc);
    if (s == CLSTM_OK) s = onnx_nodes_fill(im, sc, pending, gp->n_node);
    if (s == CLSTM_OK) s = read_outputs(im, sc, gp);
    if (s == CLSTM_OK) s = ir_graph_order(sc->graph, im->err);
    free(pending);
    return s;
}

clstm_status onnx_import_root(importer *im, const Onnx__GraphProto *gp, onnx_call *call) {
    onnx_scope sc = {.graph = im->root, .call = call};
    clstm_status s = build(im, &sc, gp);
    onnx_scope_clear(&sc);
    return s != CLSTM_OK && im->unknown ? onnx_unknown_others(im, call, s) : s;
}

clstm_status onnx_import_body(importer *im, const onnx_scope *around, const Onnx__GraphProto *gp, ir_graph *parent, ir_graph **out) {
    ir_graph *g;
    UTIL_TRY(ir_graph_new(parent, gp->name, &g, im->err));
    *out = g;                               /* the attribute owns it from here on */
    onnx_scope sc = {.parent = around, .graph = g, .call = around->call};
    clstm_status s = build(im, &sc, gp);
    onnx_scope_clear(&sc);
    return s;
}
