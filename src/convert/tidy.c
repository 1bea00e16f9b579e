/* convert/tidy: values that nothing needs, and the names of outputs. */
#include "convert/tidy.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <string.h>

/* Passes leave dead nodes behind as producers, and values that nobody reads. */
static void set_producers(ir_graph *g) {
    for (size_t i = 0; i < g->n_values; i++) g->values[i]->producer = NULL;
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        for (int k = 0; k < n->n_out; k++)
            if (n->outputs[k]) n->outputs[k]->producer = n;
        for (int b = 0; b < n->n_bodies; b++) set_producers(n->bodies[b]);
    }
}

static bool is_input(const ir_graph *g, const ir_value *v) {
    for (size_t i = 0; i < g->n_in; i++)
        if (g->inputs[i] == v) return true;
    return false;
}

/* The uses were counted from the root. */
static void drop_unused(ir_graph *g) {
    size_t n = 0;
    for (size_t i = 0; i < g->n_values; i++) {
        ir_value *v = g->values[i];
        /* What a node makes is no initialiser as well. */
        bool keep = v->uses || v->producer || is_input(g, v);
        if (!keep || v->producer) { ir_const_unref(v->constant); v->constant = NULL; }
        if (!keep) continue;
        v->id = (int)n;
        g->values[n++] = v;
    }
    g->n_values = n;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) drop_unused(g->nodes[i]->bodies[b]);
}

static bool given_out_twice(const ir_graph *g, size_t i) {
    for (size_t k = 0; k < g->n_out; k++)
        if (k != i && g->outputs[k] == g->outputs[i]) return true;
    return false;
}

/* Puts an Identity between output i of g and what it was. */
static clstm_status pass_on(ir_graph *g, size_t i, const char *name, clstm_error *err) {
    ir_value *from = g->outputs[i], *to = ir_value_new(g, name);
    ir_node *n = to ? ir_node_new(g, "Identity", "", g->opset, "", 1, 1) : NULL;
    if (!n) return util_no_memory(err);
    to->kind = from->kind;
    to->optional = from->optional;
    to->type = from->type;
    n->inputs[0] = from;
    n->outputs[0] = to;
    to->producer = n;
    g->outputs[i] = to;
    return CLSTM_OK;
}

/* What a body gives out is made by a node of its own: other readers, onnx.checker among them, want it so. */
static clstm_status close_bodies(ir_graph *g, clstm_error *err) {
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) {
            ir_graph *body = g->nodes[i]->bodies[b];
            UTIL_TRY(close_bodies(body, err));
            for (size_t k = 0; k < body->n_out; k++)
                if (body->outputs[k]->graph != body || !body->outputs[k]->producer || given_out_twice(body, k)) UTIL_TRY(pass_on(body, k, NULL, err));
        }
    return CLSTM_OK;
}

/* Whoever else has the name of an output loses it. */
static clstm_status yield_name(ir_graph *g, const ir_value *owner, clstm_error *err) {
    for (size_t i = 0; i < g->n_values; i++) {
        ir_value *v = g->values[i];
        if (v == owner || strcmp(v->name, owner->name) || is_input(g, v)) continue;
        size_t size = strlen(v->name) + 8;
        char *made = util_arena_alloc(g->arena, size, 1);
        if (!made) return util_no_memory(err);
        snprintf(made, size, "%s~inner", v->name);
        v->name = made;
    }
    return CLSTM_OK;
}

/* What was declared, made sharper by what was inferred. */
static clstm_status declare(ir_graph *g, ir_value *v, const clstm_port *port, clstm_error *err) {
    if (port->kind == CLSTM_KIND_NONE) return CLSTM_OK;
    bool known = v->kind == port->kind && port->kind == CLSTM_KIND_TENSOR && v->type.type == port->tensor.type && v->type.rank >= 0 &&
                 (port->tensor.rank < 0 || port->tensor.rank == v->type.rank);
    clstm_tensor inferred = v->type;
    v->kind = port->kind;
    v->optional = port->optional;
    v->type = port->tensor;
    if (known) v->type.rank = inferred.rank;
    for (int d = 0; d < v->type.rank; d++) {
        if (known && inferred.dims[d] >= 0) v->type.dims[d] = inferred.dims[d];
        else if (port->tensor.rank < 0) v->type.dims[d] = -1;
        if (port->dim_names[d] && !(v->dim_names[d] = util_arena_strdup(g->arena, port->dim_names[d]))) return util_no_memory(err);
    }
    return CLSTM_OK;
}

clstm_status convert_tidy(ir_graph *g, const clstm_port *ports, clstm_error *err) {
    set_producers(g);
    UTIL_TRY(close_bodies(g, err));
    for (size_t i = 0; i < g->n_out; i++) {
        ir_value *v = g->outputs[i];
        if (!strcmp(v->name, ports[i].name) && !given_out_twice(g, i)) continue;
        if (is_input(g, v) || given_out_twice(g, i)) UTIL_TRY(pass_on(g, i, ports[i].name, err));
        else if (!(v->name = util_arena_strdup(g->arena, ports[i].name))) return util_no_memory(err);
    }
    ir_count_uses(g);
    drop_unused(g);
    for (size_t i = 0; i < g->n_out; i++) {
        UTIL_TRY(yield_name(g, g->outputs[i], err));
        UTIL_TRY(declare(g, g->outputs[i], &ports[i], err));
    }
    return CLSTM_OK;
}
