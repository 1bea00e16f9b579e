/* convert/emit_unroll: what has no C text is rewritten where its course is known: a Loop of fixed length becomes its steps one after
 * another, and a sequence that is split and picked from at known places becomes a Split. */
#include "convert/emit.h"

#include "ops/table.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

enum { MOST_NODES = 20000 };

static bool is(const ir_node *n, const char *op) { return n && !n->domain[0] && !strcmp(n->op_type, op); }

/* The single integer or bool that a constant holds. */
static bool known_int(const ir_value *v, int64_t *out) {
    const void *data = v && v->constant ? ir_const_peek(v->constant) : NULL;
    if (!data || clstm_tensor_count(&v->constant->tensor) != 1) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    *out = tensor_get_int(&t, 0);
    return true;
}

/* A node at the end of the graph, in order again by ir_graph_order. */
clstm_status emit_new_node(ir_graph *g, const char *op, int n_in, const int64_t *axis, ir_node **out, clstm_error *err) {
    ir_node *n = ir_node_new(g, op, "", 13, "", n_in, 1);
    if (!n || !(n->outputs[0] = ir_value_new(g, NULL))) return util_no_memory(err);
    n->outputs[0]->producer = n;
    n->op = ops_find("", op, 13, NULL);
    n->index = -1;
    *out = n;
    if (!axis) return CLSTM_OK;
    ir_attr *a = ir_attr_add(n, "axis", IR_ATTR_INT);
    if (!a) return util_no_memory(err);
    a->v.i = *axis;
    return CLSTM_OK;
}

clstm_status emit_new_const(ir_graph *g, clstm_type type, int rank, int64_t value, ir_value **out, clstm_error *err) {
    int64_t one = 1;
    clstm_tensor t = clstm_tensor_view(type, rank, &one, &value);      /* little-endian: of a bool the first byte */
    *out = ir_constant(g, &t, err);
    return *out ? CLSTM_OK : util_no_memory(err);
}

/* ---- Loop -------------------------------------------------------------------------------------------------------------------------------- */

/* The condition that the body gives back stays true: it is the one it got, or a constant. */
bool emit_stays_true(const ir_graph *body) {
    const ir_value *v = body->outputs[0];
    int64_t truth;
    for (int k = 0; k < 16 && is(v->producer, "Identity"); k++) v = v->producer->inputs[0];
    return v == body->inputs[1] || (known_int(v, &truth) && truth);
}

static bool unrolls(const ir_node *n, int64_t *trips) {
    int64_t truth = 1;
    if (!is(n, "Loop") || n->n_bodies != 1 || n->n_in < 2 || !known_int(n->inputs[0], trips)) return false;
    const ir_graph *body = n->bodies[0];
    if (n->inputs[1] && (!known_int(n->inputs[1], &truth) || !truth)) return false;
    if ((int)body->n_in != n->n_in || (int)body->n_out != n->n_out + 1 || !emit_stays_true(body)) return false;
    for (size_t i = 0; i < body->n_nodes; i++)
        if (body->nodes[i]->n_bodies) return false;
    for (int i = 2; i < n->n_in; i++)
        if (!n->inputs[i]) return false;
    return *trips > 0 && *trips < MOST_NODES && *trips * (int64_t)(body->n_nodes + 1) < MOST_NODES;
}

/* A body's value as it is in the step at hand. */
clstm_status emit_current(ir_graph *g, const ir_graph *body, ir_value *v, ir_value **out, clstm_error *err) {
    *out = v;
    if (!v || v->graph != body) return CLSTM_OK;
    if (v->constant && !v->user) {
        ir_value *c = ir_value_new(g, NULL);
        if (!c) return util_no_memory(err);
        ir_value_set_const(c, v->constant);
        v->user = c;
    }
    *out = v->user;
    return *out ? CLSTM_OK : util_fail(err, CLSTM_INTERNAL, "a value of a loop without a place");
}

/* The attributes are the copy's own: tensors among them are counted. */
clstm_status emit_copy_node(ir_graph *g, const ir_graph *body, const ir_node *from, ir_node **out, clstm_error *err) {
    ir_node *n = util_arena_alloc(g->arena, 1, sizeof *n);
    if (!n) return util_no_memory(err);
    *n = *from;
    n->graph = g;
    n->n_attrs = 0;
    n->inputs = util_arena_alloc(g->arena, (size_t)from->n_in + 1, sizeof *n->inputs);
    n->outputs = util_arena_alloc(g->arena, (size_t)from->n_out + 1, sizeof *n->outputs);
    if (!n->inputs || !n->outputs) return util_no_memory(err);
    for (int i = 0; i < n->n_in; i++) UTIL_TRY(emit_current(g, body, from->inputs[i], &n->inputs[i], err));
    for (int i = 0; i < n->n_out; i++) {
        if (!from->outputs[i]) continue;
        if (!(n->outputs[i] = ir_value_new(g, NULL))) return util_no_memory(err);
        n->outputs[i]->producer = n;
        from->outputs[i]->user = n->outputs[i];
    }
    for (int i = 0; i < from->n_attrs; i++) {
        ir_attr *a = ir_attr_add(n, from->attrs[i].name, from->attrs[i].kind);
        if (!a) return util_no_memory(err);
        *a = from->attrs[i];
        if (a->kind == IR_ATTR_TENSOR || a->kind == IR_ATTR_SPARSE) ir_const_ref(a->v.t);
        for (size_t k = 0; a->kind == IR_ATTR_TENSORS && k < a->count; k++) ir_const_ref(a->v.tensors[k]);
    }
    *out = n;
    return CLSTM_OK;
}

/* The step of number `trip`: its nodes into `into`, its carried values in place of the last ones. */
static clstm_status copy_step(ir_graph *g, const ir_node *loop, int64_t trip, ir_value **carried, ir_node **into, clstm_error *err) {
    ir_graph *body = loop->bodies[0];
    ir_value *number;
    int states = loop->n_in - 2;
    for (size_t i = 0; i < body->n_values; i++) body->values[i]->user = NULL;
    UTIL_TRY(emit_new_const(g, CLSTM_INT64, 0, trip, &number, err));
    body->inputs[0]->user = number;
    body->inputs[1]->user = number;         /* true, and only its way out is looked at */
    for (int k = 0; k < states; k++) body->inputs[2 + k]->user = carried[k];
    for (size_t i = 0; i < body->n_nodes; i++) UTIL_TRY(emit_copy_node(g, body, body->nodes[i], &into[i], err));
    for (int k = 0; k < states; k++) UTIL_TRY(emit_current(g, body, body->outputs[1 + k], &carried[k], err));
    return CLSTM_OK;
}

/* What each step gives out is stacked along a new first axis. */
static clstm_status stack_scans(ir_graph *g, const ir_node *loop, ir_value *const *scans, int64_t trips, clstm_error *err) {
    int states = loop->n_in - 2, n = loop->n_out - states;
    const int64_t first = 0;
    ir_value *axes;
    for (int k = 0; k < n; k++) {
        ir_node *whole, *one;
        if (!loop->outputs[states + k]) continue;
        UTIL_TRY(emit_new_node(g, "Concat", (int)trips, &first, &whole, err));
        for (int64_t t = 0; t < trips; t++) {
            UTIL_TRY(emit_new_node(g, "Unsqueeze", 2, NULL, &one, err));
            UTIL_TRY(emit_new_const(g, CLSTM_INT64, 1, 0, &axes, err));
            one->inputs[0] = scans[t * n + k];
            one->inputs[1] = axes;
            whole->inputs[t] = one->outputs[0];
            UTIL_TRY(op_check_node(one, err));
        }
        UTIL_TRY(op_check_node(whole, err));
        ir_replace_uses(g, loop->outputs[states + k], whole->outputs[0]);
    }
    return CLSTM_OK;
}

static clstm_status unroll(ir_graph *g, size_t at, int64_t trips, clstm_error *err) {
    ir_node *loop = g->nodes[at];
    const ir_graph *body = loop->bodies[0];
    size_t added = (size_t)trips * body->n_nodes;
    int states = loop->n_in - 2;
    ir_value **carried = util_arena_alloc(g->arena, (size_t)states + 1, sizeof *carried);
    if (!carried || !util_grow((void **)&g->nodes, &g->cap_nodes, g->n_nodes + added, sizeof *g->nodes)) return util_no_memory(err);
    memcpy(carried, loop->inputs + 2, (size_t)states * sizeof *carried);
    ir_node **made = util_arena_alloc(g->arena, added + 1, sizeof *made);
    if (!made) return util_no_memory(err);
    int scans = loop->n_out - states;
    ir_value **scanned = util_arena_alloc(g->arena, (size_t)(trips * scans) + 1, sizeof *scanned);
    if (!scanned) return util_no_memory(err);
    for (int64_t t = 0; t < trips; t++) {
        UTIL_TRY(copy_step(g, loop, t, carried, made + (size_t)t * body->n_nodes, err));
        for (int k = 0; k < scans; k++) UTIL_TRY(emit_current(g, body, body->outputs[1 + states + k], &scanned[t * scans + k], err));
    }
    for (int k = 0; k < states; k++)
        if (loop->outputs[k]) ir_replace_uses(g, loop->outputs[k], carried[k]);
    memmove(g->nodes + at + 1 + added, g->nodes + at + 1, (g->n_nodes - at - 1) * sizeof *g->nodes);
    memcpy(g->nodes + at + 1, made, added * sizeof *made);
    g->n_nodes += added;
    loop->mark = IR_DEAD;
    return stack_scans(g, loop, scanned, trips, err);
}

/* ---- SplitToSequence and SequenceAt ---------------------------------------------------------------------------------------------------------- */

/* Every user takes one part at a known place. */
static bool parts_only(const ir_graph *g, const ir_value *sequence) {
    int64_t place;
    for (size_t i = 0; i < g->n_out; i++)
        if (g->outputs[i] == sequence) return false;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        if (n->n_bodies) return false;
        for (int k = 0; k < n->n_in; k++)
            if (n->inputs[k] == sequence && (k || !is(n, "SequenceAt") || !known_int(n->inputs[1], &place))) return false;
    }
    return true;
}

static clstm_status split_instead(ir_graph *g, size_t at, bool *changed, clstm_error *err) {
    ir_node *n = g->nodes[at];
    if (!is(n, "SplitToSequence") || n->n_in < 2 || !n->inputs[1] || !n->inputs[1]->constant || n->inputs[1]->constant->tensor.rank != 1) return CLSTM_OK;
    const op_desc *row = ops_find("", "Split", 13, NULL);
    int64_t parts = n->inputs[1]->constant->tensor.dims[0], place;
    if (!row || parts < 1 || parts > 64 || !parts_only(g, n->outputs[0])) return CLSTM_OK;
    ir_value *sequence = n->outputs[0];
    ir_value **out = util_arena_alloc(g->arena, (size_t)parts, sizeof *out);
    if (!out) return util_no_memory(err);
    for (int64_t k = 0; k < parts; k++) {
        if (!(out[k] = ir_value_new(g, NULL))) return util_no_memory(err);
        out[k]->producer = n;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *user = g->nodes[i];
        if (!is(user, "SequenceAt") || user->inputs[0] != sequence || !known_int(user->inputs[1], &place)) continue;
        if (place < 0) place += parts;
        if (place < 0 || place >= parts) return util_fail(err, CLSTM_BAD_MODEL, "a place outside of a sequence");
        ir_replace_uses(g, user->outputs[0], out[place]);
        user->mark = IR_DEAD;
    }
    int64_t axis = op_attr_int(n, "axis");
    n->op_type = "Split";
    n->op = row;
    n->version = 13;
    n->n_attrs = 0;
    n->n_in = 2;
    n->outputs = out;
    n->n_out = (int)parts;
    ir_attr *a = ir_attr_add(n, "axis", IR_ATTR_INT);
    if (!a) return util_no_memory(err);
    a->v.i = axis;
    *changed = true;
    return op_check_node(n, err);
}

clstm_status emit_unroll(ir_graph *g, bool *changed, clstm_error *err) {
    int64_t trips;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (unrolls(g->nodes[i], &trips)) {
            UTIL_TRY(unroll(g, i, trips, err));
            *changed = true;
        }
    }
    for (size_t i = 0; i < g->n_nodes; i++) UTIL_TRY(split_instead(g, i, changed, err));
    ir_graph_sweep(g);
    return *changed ? ir_graph_order(g, err) : CLSTM_OK;
}
