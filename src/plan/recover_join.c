/* plan/recover_join: a chain of recovered one-step nodes over all the slices of one sequence, in order, becomes one node over the
 * sequence. The state of each step in between is a slice of its Y. */
#include "plan/recover.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

static bool one_step(const ir_node *n) {
    return n->index == IR_RECOVERED && n->mark != IR_DEAD && n->inputs[RNN_X]->type.dims[0] == 1 && !rnn_spec_of(n)->reverse;
}

/* Nodes that only give a value another shape are looked through; *alone becomes false when something else reads it on the way. */
static ir_value *source(ir_value *v, bool *alone) {
    for (;;) {
        *alone &= v->uses == 1;
        if (v->constant || (!recover_is(v->producer, "Reshape") && !recover_is(v->producer, "Squeeze") && !recover_is(v->producer, "Unsqueeze"))) return v;
        v = v->producer->inputs[0];
    }
}

/* A slice of a sequence along its time axis. */
typedef struct element { ir_value *sequence; int axis; int64_t at; } element;

static bool constant_int(const ir_node *n, int input, int64_t *out) {
    const ir_value *v = input < n->n_in ? n->inputs[input] : NULL;
    const void *data = v && v->constant && clstm_tensor_count(&v->constant->tensor) == 1 ? ir_const_peek(v->constant) : NULL;
    if (!data) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    *out = tensor_get_int(&t, 0);
    return true;
}

/* The axis and place where n cuts `part`, one wide, out of its first input. */
static bool cut(const ir_node *n, const ir_value *part, int64_t *axis, int64_t *at) {
    *at = 0;
    if (recover_is(n, "Gather")) { *axis = op_attr_int(n, "axis"); return constant_int(n, 1, at); }
    if (recover_is(n, "Slice")) {
        int64_t step = 1;
        if (n->version < 10 || !constant_int(n, 1, at) || !constant_int(n, 3, axis) || (n->n_in > 4 && n->inputs[4] && !constant_int(n, 4, &step))) return false;
        return step == 1;
    }
    if (!recover_is(n, "Split")) return false;
    *axis = op_attr_int(n, "axis");
    int rank = n->inputs[0]->type.rank, a;
    if (rank < 0 || !tensor_axis(*axis, rank, &a)) return false;
    for (int i = 0; i < n->n_out && n->outputs[i] != part; i++) {
        if (!n->outputs[i] || n->outputs[i]->type.rank != rank) return false;
        *at += n->outputs[i]->type.dims[a];
    }
    return true;
}

static bool element_of(const ir_node *step, element *e) {
    bool alone = true;
    ir_value *v = source(step->inputs[RNN_X], &alone);
    const clstm_tensor *x = &step->inputs[RNN_X]->type;
    int64_t axis;
    if (v->constant || !v->producer || v->producer->graph != step->graph || v->kind != CLSTM_KIND_TENSOR || !cut(v->producer, v, &axis, &e->at)) return false;
    e->sequence = v->producer->inputs[0];
    const clstm_tensor *s = &e->sequence->type;
    if (e->sequence->kind != CLSTM_KIND_TENSOR || s->rank != 3 || !tensor_shape_known(s) || !tensor_axis(axis, 3, &e->axis) || e->axis > 1) return false;
    if (s->dims[1 - e->axis] != x->dims[1] || s->dims[2] != x->dims[2] || clstm_tensor_count(&v->type) != x->dims[1] * x->dims[2]) return false;
    if (e->at < 0) e->at += s->dims[e->axis];
    return e->at >= 0 && e->at < s->dims[e->axis];
}

/* Whether a and b read the same constant as input i, or none. */
static bool same_input(const ir_node *a, const ir_node *b, int i) {
    const ir_value *x = i < a->n_in ? a->inputs[i] : NULL, *y = i < b->n_in ? b->inputs[i] : NULL;
    return x && y ? x->constant && x->constant == y->constant : x == y;
}

/* Whether b goes on where a ends, on the next slice, with the same weights. */
static bool follows(const ir_node *a, const ir_node *b) {
    element ea, eb;
    bool h_alone = true, c_alone = true;
    if (b == a || !one_step(b) || strcmp(a->op_type, b->op_type) || !rnn_spec_same(rnn_spec_of(a), rnn_spec_of(b))) return false;
    for (int i = RNN_W; i <= RNN_P; i++)
        if (i != RNN_H0 && i != RNN_C0 && !same_input(a, b, i)) return false;
    if (!a->outputs[RNN_YH] || source(b->inputs[RNN_H0], &h_alone) != a->outputs[RNN_YH]) return false;
    if (a->n_out > RNN_YC && (!a->outputs[RNN_YC] || source(b->inputs[RNN_C0], &c_alone) != a->outputs[RNN_YC] || !c_alone)) return false;
    return element_of(a, &ea) && element_of(b, &eb) && ea.sequence == eb.sequence && ea.axis == eb.axis && eb.at == ea.at + 1;
}

/* ---- the joined node ------------------------------------------------------------------------------------------------------------------ */

static ir_value *typed(ir_graph *g, clstm_type type, int rank, const int64_t *dims) {
    ir_value *v = ir_value_new(g, NULL);
    if (!v) return NULL;
    v->kind = CLSTM_KIND_TENSOR;
    tensor_set(&v->type, type, rank, dims);
    return v;
}

static ir_node *with_row(ir_graph *g, const ir_node *like, const char *op, int n_in, int n_out) {
    ir_node *n = ir_node_new(g, op, "", like->version, like->name, n_in, n_out);
    if (n) n->op = ops_find("", op, like->version, NULL);
    return n;
}

/* [B,T,I] with time in front */
static clstm_status time_first(const ir_node *like, ir_value **x, clstm_error *err) {
    ir_graph *g = like->graph;
    const int64_t *d = (*x)->type.dims;
    ir_value *out = typed(g, (*x)->type.type, 3, (int64_t[]){d[1], d[0], d[2]});
    ir_node *n = with_row(g, like, "Transpose", 1, 1);
    ir_attr *perm = n ? ir_attr_add(n, "perm", IR_ATTR_INTS) : NULL;
    int64_t *order = util_arena_alloc(g->arena, 3, sizeof *order);
    if (!out || !perm || !order) return util_no_memory(err);
    order[0] = 1;
    order[1] = 0;
    order[2] = 2;
    perm->v.ints = order;
    perm->count = 3;
    n->inputs[0] = *x;
    n->outputs[0] = out;
    out->producer = n;
    *x = out;
    return op_check_node(n, err);
}

/* The state after step k, which had a value of its own, from Y. */
static clstm_status state_at(const ir_node *like, ir_value *y, int64_t k, ir_value *out, clstm_error *err) {
    ir_value *index = ir_constant_ints(like->graph, 0, 1, &k, err);
    ir_node *n = with_row(like->graph, like, "Gather", 2, 1);
    if (!index || !n) return util_no_memory(err);
    n->inputs[0] = y;
    n->inputs[1] = index;
    n->outputs[0] = out;
    out->producer = n;
    return op_check_node(n, err);
}

static clstm_status join(ir_node **chain, int64_t steps, const element *e, clstm_error *err) {
    ir_node *first = chain[0], *last = chain[steps - 1];
    ir_graph *g = first->graph;
    ir_value *x = e->sequence;
    const clstm_tensor *state = &first->inputs[RNN_H0]->type;
    if (e->axis == 1) UTIL_TRY(time_first(first, &x, err));
    ir_value *y = typed(g, state->type, 4, (int64_t[]){steps, 1, state->dims[1], state->dims[2]});
    ir_node *n = with_row(g, first, first->op_type, first->n_in, first->n_out);
    if (!y || !n) return util_no_memory(err);
    n->index = IR_RECOVERED;
    memcpy(n->inputs, first->inputs, (size_t)first->n_in * sizeof(ir_value *));
    n->inputs[RNN_X] = x;
    n->outputs[RNN_Y] = y;
    y->producer = n;
    for (int i = RNN_YH; i < last->n_out; i++)
        if ((n->outputs[i] = last->outputs[i])) n->outputs[i]->producer = n;
    for (int i = 0; i < first->n_attrs; i++) {
        ir_attr *a = ir_attr_add(n, first->attrs[i].name, first->attrs[i].kind);
        if (!a) return util_no_memory(err);
        a->v = first->attrs[i].v;           /* numbers, and strings of the arena */
        a->count = first->attrs[i].count;
    }
    for (int64_t k = 0; k < steps; k++) {
        chain[k]->mark = IR_DEAD;
        if (k + 1 < steps) UTIL_TRY(state_at(first, y, k, chain[k]->outputs[RNN_YH], err));
    }
    return op_check_node(n, err);
}

static clstm_status join_from(ir_graph *g, size_t at, size_t n_nodes, ir_node **chain, bool *joined, clstm_error *err) {
    element e;
    int64_t steps = 1;
    chain[0] = g->nodes[at];
    if (!element_of(chain[0], &e) || e.at != 0) return CLSTM_OK;
    int64_t all = e.sequence->type.dims[e.axis];
    for (size_t i = at + 1; i < n_nodes && steps < all; i++)    /* in execution order, so that followers lie behind */
        if (follows(chain[steps - 1], g->nodes[i])) chain[steps++] = g->nodes[i];
    if (steps < 2 || steps != all) return CLSTM_OK;
    *joined = true;
    return join(chain, steps, &e, err);
}

clstm_status plan_join_cells(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    (void)env;
    bool joined = false;
    clstm_status s = CLSTM_OK;
    size_t n = root->n_nodes;
    ir_node **chain = util_calloc(n + 1, sizeof *chain);
    if (!chain) return util_no_memory(err);
    ir_count_uses(root);
    for (size_t i = 0; i < n && s == CLSTM_OK; i++)
        if (one_step(root->nodes[i])) s = join_from(root, i, n, chain, &joined, err);
    free(chain);
    if (s != CLSTM_OK || !joined) return s;
    *changed = true;
    ir_graph_sweep(root);
    return ir_graph_order(root, err);
}
