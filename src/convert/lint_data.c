/* convert/lint_data: constants that nothing reads, and double where float was meant. */
#include "convert/lint.h"

#include "convert/edit.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- unused ------------------------------------------------------------------------------------------------------------------------ */

/* Names of up to three, then "...". */
static void list_unused(const ir_graph *g, size_t *count, size_t *bytes, char *names, size_t size) {
    char shown[64];
    for (size_t i = 0; i < g->n_values; i++) {
        const ir_value *v = g->values[i];
        size_t b = 0;
        if (!v->constant || v->producer || v->uses || *v->name == '~') continue;
        tensor_bytes(&v->constant->tensor, &b);
        *bytes += b;
        size_t at = strlen(names);
        if (*count < 3) snprintf(names + at, size - at, "%s\"%s\"", *count ? ", " : "", util_escape(shown, sizeof shown, v->name));
        else if (*count == 3) snprintf(names + at, size - at, ", ...");
        ++*count;
    }
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) list_unused(g->nodes[i]->bodies[b], count, bytes, names, size);
}

clstm_status lint_unused(lint *l) {
    size_t count = 0, bytes = 0;
    char names[320] = "";
    ir_count_uses(l->graph);
    list_unused(l->graph, &count, &bytes, names, sizeof names);
    /* Whatever is written leaves them out. */
    if (count) lint_found(l, NULL, LINT_PROVEN, "%zu initialiser%s of %zu bytes that nothing reads: %s", count, count > 1 ? "s" : "", bytes, names);
    return CLSTM_OK;
}

/* ---- double ------------------------------------------------------------------------------------------------------------------------ */

typedef struct doubles { lint *l; const ir_node *first; size_t weights, casts; bool exact, fits; const ir_graph *probe; } doubles;

static clstm_status look_at(doubles *d, ir_const *c) {
    const void *data;
    int64_t n = clstm_tensor_count(&c->tensor);
    UTIL_TRY(ir_const_data(c, &data, d->l->err));
    for (const double *x = data, *end = x + n; x < end; x++) {
        d->exact &= (double)(float)*x == *x || isnan(*x);
        d->fits &= isfinite((float)*x) || !isfinite(*x);
    }
    return CLSTM_OK;
}

/* Type of v as inferred at a probe, or as declared. */
static clstm_type type_of(const doubles *d, const ir_value *v) {
    if (v->type.type) return v->type.type;
    bool there = d->probe && v->graph == d->l->graph && (size_t)v->id < d->probe->n_values;
    return there ? d->probe->values[v->id]->type.type : CLSTM_TYPE_NONE;
}

static clstm_status count_doubles(doubles *d, const ir_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        size_t before = d->weights + d->casts;
        for (int k = 0; k < n->n_in; k++) {
            ir_const *c = n->inputs[k] ? n->inputs[k]->constant : NULL;
            if (!c || c->tensor.type != CLSTM_DOUBLE) continue;
            UTIL_TRY(look_at(d, c));
            d->weights += clstm_tensor_count(&c->tensor) > 1;
        }
        const ir_attr *to = strcmp(n->op_type, "Cast") ? NULL : ir_attr_find(n, "to");
        d->casts += to && to->v.i == CLSTM_DOUBLE && !n->inputs[0]->constant && type_of(d, n->inputs[0]) == CLSTM_FLOAT;
        if (!d->first && d->weights + d->casts > before) d->first = n;
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(count_doubles(d, n->bodies[b]));
    }
    return CLSTM_OK;
}

static clstm_status narrow_const(lint *l, ir_const **c) {
    const void *data;
    ir_const *made = NULL;
    if (!*c || (*c)->tensor.type != CLSTM_DOUBLE) return CLSTM_OK;
    clstm_tensor t = (*c)->tensor;
    t.type = CLSTM_FLOAT;
    t.data = NULL;
    UTIL_TRY(ir_const_data(*c, &data, l->err));
    UTIL_TRY(ir_const_new(&t, &made, l->err));
    for (int64_t i = 0, n = clstm_tensor_count(&t); i < n; i++) ((float *)made->tensor.data)[i] = (float)((const double *)data)[i];
    ir_const_unref(*c);
    *c = made;
    return CLSTM_OK;
}

/* Every double of the graph becomes float. */
static clstm_status narrow(lint *l, ir_graph *g) {
    static const char *const names[] = {"to", "dtype", "output_datatype", "stash_type"};
    for (size_t i = 0; i < g->n_values; i++) {
        if (g->values[i]->type.type == CLSTM_DOUBLE) g->values[i]->type.type = CLSTM_FLOAT;
        UTIL_TRY(narrow_const(l, &g->values[i]->constant));
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        for (int a = 0; a < n->n_attrs; a++) {
            ir_attr *attr = &n->attrs[a];
            if (attr->kind == IR_ATTR_TENSOR || attr->kind == IR_ATTR_SPARSE) UTIL_TRY(narrow_const(l, &attr->v.t));
            for (size_t k = 0; k < sizeof names / sizeof *names; k++)
                if (attr->kind == IR_ATTR_INT && attr->v.i == CLSTM_DOUBLE && !strcmp(attr->name, names[k])) attr->v.i = CLSTM_FLOAT;
        }
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(narrow(l, n->bodies[b]));
    }
    return CLSTM_OK;
}

static clstm_status cast(lint *l, ir_value *in, ir_value *out, clstm_type to, ir_node **made) {
    ir_node *n = *made = edit_node(l->graph, "Cast", l->graph->opset, 1, &in, out, l->err);
    if (n) UTIL_TRY(edit_set_int(n, "to", to, l->err));
    return edit_check(n, l->err);
}

/* Inputs and outputs stay double: a Cast behind each input, one in front of each output. */
static clstm_status keep_ports(lint *l, const bool *in, const bool *out) {
    ir_graph *g = l->graph;
    ir_node *made;
    for (size_t i = 0; i < g->n_in; i++) {
        if (!in[i]) continue;
        ir_value *narrowed = ir_value_new(g, NULL);
        if (!narrowed) return util_no_memory(l->err);
        ir_replace_uses(g, g->inputs[i], narrowed);
        g->inputs[i]->type.type = CLSTM_DOUBLE;
        UTIL_TRY(cast(l, g->inputs[i], narrowed, CLSTM_FLOAT, &made));
    }
    for (size_t i = 0; i < g->n_out; i++) {
        if (!out[i]) continue;
        ir_value *from = g->outputs[i], *to = ir_value_new(g, from->name);
        size_t size = strlen(from->name) + 8;
        char *name = util_arena_alloc(g->arena, size, 1);
        if (!to || !name) return util_no_memory(l->err);
        to->kind = from->kind;
        to->type = from->type;
        to->type.type = CLSTM_DOUBLE;
        memcpy(to->dim_names, from->dim_names, sizeof to->dim_names);
        snprintf(name, size, "%s~float", from->name);
        from->name = name;
        UTIL_TRY(cast(l, from, to, CLSTM_DOUBLE, &made));
        g->outputs[i] = to;
    }
    return ir_graph_order(g, l->err);
}

static clstm_status mend_doubles(lint *l, const doubles *d) {
    ir_graph *g = l->graph;
    bool *in = util_arena_alloc(g->arena, g->n_in + 1, sizeof *in), *out = util_arena_alloc(g->arena, g->n_out + 1, sizeof *out);
    if (!in || !out) return util_no_memory(l->err);
    for (size_t i = 0; i < g->n_in; i++) in[i] = g->inputs[i]->type.type == CLSTM_DOUBLE && g->inputs[i]->kind == CLSTM_KIND_TENSOR;
    for (size_t i = 0; i < g->n_out; i++) out[i] = type_of(d, g->outputs[i]) == CLSTM_DOUBLE;
    UTIL_TRY(narrow(l, g));
    return keep_ports(l, in, out);
}

clstm_status lint_double(lint *l) {
    ir_graph *probe = NULL;
    doubles d = {.l = l, .exact = true, .fits = true};
    UTIL_TRY(lint_probe(l, &(lint_sizes){.step = LINT_STEP, .doubled = -1}, true, &probe));
    d.probe = probe;
    clstm_status s = count_doubles(&d, l->graph);
    if (s == CLSTM_OK && d.first) {
        bool proven = d.weights && d.exact;
        bool can = d.fits && l->graph->opset >= 6;      /* before, Cast names its type */
        bool mend = lint_found(l, d.first, (proven ? LINT_PROVEN : 0) | (can ? 0 : LINT_LOST), "computes in double, with %zu weights of double%s%s", d.weights,
                               d.weights == 0 ? ", on floats cast to double" : d.exact ? " that are all float numbers" : " that float would round", d.fits ? "" : " or not hold");
        if (mend) s = mend_doubles(l, &d);
    }
    ir_graph_destroy(probe);
    return s;
}
