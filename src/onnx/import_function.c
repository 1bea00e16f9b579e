/* onnx/import_function: local functions. A call is replaced by the function's nodes, with the caller's values for its inputs and
 * outputs and the call's attributes for its references. */
#include "onnx/import_internal.h"

#include <stdlib.h>
#include <string.h>

/* A function's identity. */
typedef struct identity { const char *domain, *name, *overload; } identity;

static identity identity_of(const Onnx__FunctionProto *f) {
    return (identity){onnx_domain(f->domain), onnx_text_of(f->name), onnx_text_of(f->overload)};
}

static int compare(const identity *a, const identity *b) {
    int c = strcmp(a->name, b->name);
    if (!c) c = strcmp(a->domain, b->domain);
    return c ? c : strcmp(a->overload, b->overload);
}

static int compare_functions(const void *a, const void *b) {
    const identity x = identity_of(*(Onnx__FunctionProto *const *)a), y = identity_of(*(Onnx__FunctionProto *const *)b);
    return compare(&x, &y);
}

static int compare_key(const void *key, const void *f) {
    const identity y = identity_of(*(Onnx__FunctionProto *const *)f);
    return compare(key, &y);
}

clstm_status onnx_functions_index(importer *im) {
    Onnx__ModelProto *m = im->model;
    char shown[96];
    for (size_t i = 0; i < m->n_functions; i++) {
        const Onnx__FunctionProto *f = m->functions[i];
        const char *name = onnx_text_of(f->name);
        if (!*name) return util_fail(im->err, CLSTM_BAD_MODEL, "function %zu has no name", i);
        if (f->n_attribute > 1000 || f->n_attribute_proto > 1000 || f->n_opset_import > 1000)
            return util_fail(im->err, CLSTM_UNSUPPORTED, "function \"%s\" has too many attributes or imports", util_escape(shown, sizeof shown, name));
    }
    if (m->n_functions > 1) qsort(m->functions, m->n_functions, sizeof *m->functions, compare_functions);
    for (size_t i = 1; i < m->n_functions; i++)
        if (!compare_functions(&m->functions[i - 1], &m->functions[i]))
            return util_fail(im->err, CLSTM_BAD_MODEL, "two functions \"%s\" have the same domain and overload", util_escape(shown, sizeof shown, m->functions[i]->name));
    return CLSTM_OK;
}

const Onnx__FunctionProto *onnx_function_find(const importer *im, const Onnx__NodeProto *np) {
    const Onnx__ModelProto *m = im->model;
    const identity key = {onnx_domain(np->domain), onnx_text_of(np->op_type), onnx_text_of(np->overload)};
    if (!m->n_functions) return NULL;
    Onnx__FunctionProto *const *found = bsearch(&key, m->functions, m->n_functions, sizeof *m->functions, compare_key);
    return found ? *found : NULL;
}

/* ---- attributes of a call ---------------------------------------------------------------------------------------------------------- */

static bool declares(const Onnx__FunctionProto *f, const char *name) {
    for (size_t i = 0; i < f->n_attribute; i++)
        if (!strcmp(onnx_text_of(f->attribute[i]), name)) return true;
    for (size_t i = 0; i < f->n_attribute_proto; i++)
        if (!strcmp(onnx_text_of(f->attribute_proto[i]->name), name)) return true;
    return false;
}

static const onnx_bound *bound_as(const onnx_call *call, const char *name) {
    for (size_t i = 0; i < call->n_bound; i++)
        if (!strcmp(call->bound[i].name, name)) return &call->bound[i];
    return NULL;
}

/* What the call's attribute stands for: itself, or what a reference in it is bound to further out (NULL: nothing). */
static clstm_status bind_given(importer *im, const onnx_scope *sc, const Onnx__AttributeProto *ap, onnx_call *call) {
    char shown[96];
    const char *name = onnx_text_of(ap->name), *ref = onnx_text_of(ap->ref_attr_name);
    onnx_bound b = {name, ap, sc};
    util_escape(shown, sizeof shown, name);
    if (!declares(call->function, name)) return util_fail(im->err, CLSTM_BAD_MODEL, "the function has no attribute %s", shown);
    if (bound_as(call, name)) return util_fail(im->err, CLSTM_BAD_MODEL, "attribute %s is given twice", shown);
    if (*ref) {
        if (!sc->call->function) return util_fail(im->err, CLSTM_BAD_MODEL, "attribute %s refers to an attribute of a function, outside any", shown);
        const onnx_bound *outer = bound_as(sc->call, ref);
        if (!outer) return CLSTM_OK;
        b.attr = outer->attr;
        b.scope = outer->scope;
    }
    call->bound[call->n_bound++] = b;
    return CLSTM_OK;
}

static clstm_status bind_attributes(importer *im, const onnx_scope *sc, const Onnx__NodeProto *np, onnx_call *call, const onnx_scope *inside) {
    const Onnx__FunctionProto *f = call->function;
    call->bound = util_calloc(np->n_attribute + f->n_attribute_proto, sizeof *call->bound);
    if (!call->bound) return util_no_memory(im->err);
    for (size_t i = 0; i < np->n_attribute; i++) UTIL_TRY(bind_given(im, sc, np->attribute[i], call));
    for (size_t i = 0; i < f->n_attribute_proto; i++) {
        const char *name = onnx_text_of(f->attribute_proto[i]->name);
        if (!bound_as(call, name)) call->bound[call->n_bound++] = (onnx_bound){name, f->attribute_proto[i], inside};
    }
    return CLSTM_OK;
}

/* ---- inputs and outputs -------------------------------------------------------------------------------------------------------------- */

static clstm_status bind_inputs(importer *im, const onnx_scope *sc, const Onnx__NodeProto *np, onnx_scope *inside) {
    const Onnx__FunctionProto *f = inside->call->function;
    char shown[128];
    for (size_t i = f->n_input; i < np->n_input; i++)
        if (*onnx_text_of(np->input[i])) return util_fail(im->err, CLSTM_BAD_MODEL, "has %zu inputs, the function takes %zu", np->n_input, f->n_input);
    for (size_t i = 0; i < f->n_input; i++) {
        const char *actual = i < np->n_input ? onnx_text_of(np->input[i]) : "";
        ir_value *v = NULL;
        if (*actual) {
            clstm_status s = onnx_resolve(im, sc, actual, &v);
            if (s != CLSTM_OK) return util_context(im->err, s, "input %zu", i);
        }
        if (!onnx_names_add(&inside->names, onnx_text_of(f->input[i]), v, NULL)) return util_no_memory(im->err);
    }
    for (size_t i = f->n_output; i < np->n_output; i++)
        if (*onnx_text_of(np->output[i])) return util_fail(im->err, CLSTM_BAD_MODEL, "has %zu outputs, the function has %zu", np->n_output, f->n_output);
    for (size_t i = 0; i < f->n_output && i < np->n_output; i++)
        if (*onnx_text_of(np->output[i]) && !onnx_names_add(&inside->call->exports, onnx_text_of(f->output[i]), NULL, NULL)) return util_no_memory(im->err);
    const char *twice = onnx_names_seal(&inside->call->exports);
    return twice ? util_fail(im->err, CLSTM_BAD_MODEL, "the function has two outputs \"%s\"", util_escape(shown, sizeof shown, twice)) : CLSTM_OK;
}

/* The caller's values take the place of the formal outputs. */
static void bind_outputs(const onnx_pending *p, onnx_call *call) {
    const Onnx__FunctionProto *f = call->function;
    for (size_t i = 0; i < f->n_output && i < p->proto->n_output; i++)
        if (*onnx_text_of(p->proto->output[i]))
            ((onnx_name *)(uintptr_t)onnx_names_find(&call->exports, onnx_text_of(f->output[i])))->item = p->outputs[i];
}

/* An output that is an input of the function: a node copies it. */
static clstm_status pass_through(importer *im, const onnx_scope *inside, ir_value *to, ir_value *from) {
    const op_desc *op;
    int version = (int)im->out->opset;
    UTIL_TRY(onnx_operator(im, "", "Identity", version, &op));
    ir_node *n = ir_node_new(inside->graph, "Identity", "", version, inside->call->name, 1, 1);
    if (!n) return util_no_memory(im->err);
    n->op = op;
    n->inputs[0] = from;
    n->outputs[0] = to;
    to->producer = n;
    return op_check_node(n, im->err);
}

static clstm_status check_outputs(importer *im, const onnx_scope *inside) {
    const onnx_names *exports = &inside->call->exports;
    char shown[128];
    for (size_t i = 0; i < exports->n; i++) {
        ir_value *to = exports->entries[i].item, *from = NULL;
        const onnx_name *named = onnx_names_find(&inside->names, exports->entries[i].name);
        util_escape(shown, sizeof shown, exports->entries[i].name);
        if (named) from = named->item;
        if (!from) return util_fail(im->err, CLSTM_BAD_MODEL, "output \"%s\" of the function is not made by it", shown);
        if (from != to) UTIL_TRY(pass_through(im, inside, to, from));
    }
    return CLSTM_OK;
}

/* ---- calls -------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status check_depth(importer *im, const onnx_call *call) {
    for (const onnx_call *c = call->outer; c; c = c->outer)
        if (c->function == call->function) return util_fail(im->err, CLSTM_BAD_MODEL, "the function calls itself");
    if (call->depth > im->limit[CLSTM_LIMIT_FUNCTION_DEPTH])
        return util_fail(im->err, CLSTM_LIMIT, "calls are nested too deep (limit function-depth, %lld)", (long long)im->limit[CLSTM_LIMIT_FUNCTION_DEPTH]);
    return CLSTM_OK;
}

static clstm_status expand(importer *im, const onnx_scope *sc, const onnx_pending *p, onnx_scope *inside, onnx_pending *nodes) {
    const Onnx__FunctionProto *f = p->function;
    UTIL_TRY(check_depth(im, inside->call));
    UTIL_TRY(bind_attributes(im, sc, p->proto, inside->call, inside));
    UTIL_TRY(bind_inputs(im, sc, p->proto, inside));
    bind_outputs(p, inside->call);
    UTIL_TRY(onnx_nodes_declare(im, inside, f->node, f->n_node, nodes));
    UTIL_TRY(onnx_scope_seal(im, inside));
    UTIL_TRY(onnx_nodes_fill(im, inside, nodes, f->n_node));
    return check_outputs(im, inside);
}

clstm_status onnx_function_inline(importer *im, const onnx_scope *sc, const onnx_pending *p) {
    const Onnx__FunctionProto *f = p->function;
    const char *name = onnx_text_of(p->proto->name);
    onnx_call call = {.outer = sc->call, .function = f, .imports = f->opset_import, .n_imports = f->n_opset_import,
                      .name = *name ? name : onnx_text_of(f->name), .depth = sc->call->depth + 1};
    onnx_scope inside = {.graph = sc->graph, .call = &call};
    onnx_pending *nodes = util_calloc(f->n_node, sizeof *nodes);
    clstm_status s = nodes ? expand(im, sc, p, &inside, nodes) : util_no_memory(im->err);
    free(nodes);
    free(call.bound);
    onnx_names_clear(&call.exports);
    onnx_scope_clear(&inside);
    return s;
}
