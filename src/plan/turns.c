/* plan/turns: what the body of a Loop or Scan sees in every turn. A state's shape is supposed to be the one before the first turn; when the
 * body, specialised to that, gives the same shape back, it is so in every turn and the specialised body takes the place of the other. */
#include "plan/turns.h"

#include "tensor/tensor.h"

#include <string.h>

enum { MOST_STATES = 64, DEEPEST = 3 };     /* each level of nesting is tried twice */

bool plan_turns_of(const ir_node *n, plan_turns *out) {
    memset(out, 0, sizeof *out);
    out->loop = !strcmp(n->op_type, "Loop");
    if (n->domain[0] || n->n_bodies != 1 || (!out->loop && (strcmp(n->op_type, "Scan") != 0 || n->version < 9))) return false;
    out->body = n->bodies[0];
    int scans = out->loop ? 0 : (int)op_attr_int(n, "num_scan_inputs");
    out->first_in = out->loop ? 2 : 0;
    out->first_out = out->loop ? 1 : 0;
    out->states = n->n_in - out->first_in - scans;
    out->scans = scans;
    if (out->loop && n->n_in < 2) return false;
    return out->states >= 0 && (int)out->body->n_in == out->first_in + out->states + scans && (int)out->body->n_out >= out->first_out + out->states &&
           n->n_out <= (int)out->body->n_out - out->first_out;
}

static bool known(const ir_value *v) { return v && v->kind == CLSTM_KIND_TENSOR && v->type.type != CLSTM_TYPE_NONE && tensor_shape_known(&v->type); }

static void set(ir_value *v, clstm_type type, int rank, const int64_t *dims) {
    v->kind = CLSTM_KIND_TENSOR;
    tensor_set(&v->type, type, rank, dims);
}

/* The slice of scan input k. */
static void set_slice(const ir_node *n, const plan_turns *t, int k, ir_value *v) {
    const ir_value *x = n->inputs[t->states + k];
    size_t count;
    const int64_t *axes = op_attr_ints(n, "scan_input_axes", &count);
    int64_t dims[CLSTM_MAX_RANK];
    int axis, rank = 0;
    v->kind = CLSTM_KIND_NONE;
    if (!known(x) || !tensor_axis(axes && (size_t)k < count ? axes[k] : 0, x->type.rank, &axis)) return;
    for (int d = 0; d < x->type.rank; d++)
        if (d != axis) dims[rank++] = x->type.dims[d];
    set(v, x->type.type, rank, dims);
}

/* Types of the body's inputs; `free` marks the states of which nothing is supposed. */
static void suppose(const ir_node *n, const plan_turns *t, ir_graph *body, const bool *free) {
    if (t->loop) {
        set(body->inputs[0], CLSTM_INT64, 0, NULL);
        set(body->inputs[1], CLSTM_BOOL, 0, NULL);
    }
    for (int i = 0; i < t->states; i++) {
        const ir_value *from = n->inputs[t->first_in + i];
        ir_value *v = body->inputs[t->first_in + i];
        v->kind = CLSTM_KIND_NONE;
        if (!free[i] && known(from)) set(v, from->type.type, from->type.rank, from->type.dims);
    }
    for (int k = 0; k < t->scans; k++) set_slice(n, t, k, body->inputs[t->states + k]);
}

/* Marks the states that came back otherwise; false when there is one. */
static bool came_back(const ir_node *n, const plan_turns *t, const ir_graph *body, bool *free) {
    bool all = true;
    for (int i = 0; i < t->states; i++) {
        const ir_value *from = n->inputs[t->first_in + i], *to = body->outputs[t->first_out + i];
        if (free[i] || !known(from) || (known(to) && to->type.type == from->type.type && tensor_same_shape(&to->type, &from->type))) continue;
        free[i] = true;
        all = false;
    }
    return all;
}

/* The body runs only while the condition holds. */
static clstm_status condition_holds(const plan_turns *t, ir_graph *body, clstm_error *err) {
    uint8_t yes = 1;
    clstm_tensor one = clstm_tensor_view(CLSTM_BOOL, 0, NULL, &yes);
    if (!t->loop) return CLSTM_OK;
    ir_value *v = ir_constant(body, &one, err);
    if (!v) return util_no_memory(err);
    ir_replace_uses(body, body->inputs[1], v);
    return CLSTM_OK;
}

static void adopt(ir_node *n, ir_graph *body) {
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].kind == IR_ATTR_GRAPH && n->attrs[i].v.g == n->bodies[0]) n->attrs[i].v.g = body;
    ir_graph_destroy(n->bodies[0]);
    n->bodies[0] = body;
    body->settled = true;
}

/* Nothing was supposed of a state that is known before the first turn: what the body reads from outside may be known better by now. */
static bool loose(const ir_node *n, const plan_turns *t) {
    for (int i = 0; i < t->states; i++)
        if (known(n->inputs[t->first_in + i]) && t->body->inputs[t->first_in + i]->kind == CLSTM_KIND_NONE) return true;
    return false;
}

clstm_status plan_settle_turns(ir_node *n, int depth, clstm_status (*visit)(void *arg, ir_graph *body, clstm_error *err), void *arg, clstm_error *err) {
    plan_turns t;
    bool free[MOST_STATES] = {false};
    if (depth > DEEPEST || !plan_turns_of(n, &t) || t.states > MOST_STATES || (t.body->settled && !loose(n, &t))) return CLSTM_OK;
    for (int tries = 0; tries < 3; tries++) {
        ir_graph *body;
        UTIL_TRY(ir_graph_clone_body(t.body, &body, err));
        clstm_status s = condition_holds(&t, body, err);
        suppose(n, &t, body, free);
        if (s == CLSTM_OK) s = visit(arg, body, err);
        if (s == CLSTM_OK && came_back(n, &t, body, free)) { adopt(n, body); return CLSTM_OK; }
        ir_graph_destroy(body);
        UTIL_TRY(s);
    }
    return CLSTM_OK;
}
