/* plan/lift_pointwise: nodes of a Loop's or Scan's body that do the same in every turn, done once on the sequences of all turns. */
#include "plan/lift.h"

#include "tensor/tensor.h"

#include <string.h>

static bool one_of(const ir_node *n, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(n->op_type, *list)) return true;
    return false;
}

static bool copy_attrs(ir_node *to, const ir_node *from) {
    for (int i = 0; i < from->n_attrs; i++) {
        if (from->attrs[i].kind == IR_ATTR_TENSOR || from->attrs[i].kind == IR_ATTR_GRAPH) return false;
        ir_attr *a = ir_attr_add(to, from->attrs[i].name, from->attrs[i].kind);
        if (!a) return false;
        a->v = from->attrs[i].v;
        a->count = from->attrs[i].count;
    }
    return true;
}

/* The node outside over inputs that stand in place already; its output is [trips, shape of the body's]. */
static bool finish(lifter *l, const ir_node *n, ir_node *m, bool backwards) {
    const ir_value *out = n->outputs[0];
    int64_t dims[CLSTM_MAX_RANK] = {l->trips};
    if (out->type.rank + 1 > CLSTM_MAX_RANK) return false;
    memcpy(dims + 1, out->type.dims, (size_t)out->type.rank * sizeof *dims);
    ir_value *y = lift_value(l, m, 0, out->type.type, out->type.rank + 1, dims);
    return y && op_check_node(m, l->err) == CLSTM_OK && lift_run(l, out, y, backwards);
}

/* Of the running inputs, whether all run in one direction; false when there is none or they differ. */
static bool direction(const lifter *l, const ir_node *n, bool *backwards) {
    const lift_running *first = NULL;
    for (int i = 0; i < n->n_in; i++) {
        const lift_running *r = lift_running_of(l, n->inputs[i]);
        if (!r && n->inputs[i] && !lift_outside(l, n->inputs[i])) return false;
        if (!r) continue;
        if (!first) first = r;
        if (r->backwards != first->backwards) return false;
    }
    if (first) *backwards = first->backwards;
    return first != NULL;
}

static ir_node *same_outside(lifter *l, const ir_node *n) {
    ir_node *m = lift_node(l, n->op_type, n->n_in, 1);
    if (!m || !copy_attrs(m, n)) return NULL;
    m->version = n->version;
    m->op = n->op;
    return m;
}

/* Broadcasting goes by the last axes: a running input of less rank than the result gets axes behind time. */
static bool elementwise(lifter *l, const ir_node *n, bool backwards) {
    const clstm_tensor *out = &n->outputs[0]->type;
    ir_node *m = same_outside(l, n);
    for (int i = 0; i < n->n_in && m; i++) {
        const lift_running *r = lift_running_of(l, n->inputs[i]);
        if (!r) {
            if (n->inputs[i] && n->inputs[i]->type.rank > out->rank) return false;
            if (n->inputs[i] && !(m->inputs[i] = lift_outer(l, n->inputs[i]))) return false;
            continue;
        }
        if (i && recover_is(n, "Clip")) return false;   /* its limits are scalars: another one in each turn cannot go out */
        const clstm_tensor *t = &n->inputs[i]->type;
        int64_t dims[CLSTM_MAX_RANK] = {l->trips};
        if (out->rank + 1 > CLSTM_MAX_RANK) return false;
        for (int d = 0; d < out->rank; d++) dims[1 + d] = d < out->rank - t->rank ? 1 : t->dims[d - (out->rank - t->rank)];
        if (!(m->inputs[i] = lift_reshape(l, r->sequence, out->rank + 1, dims))) return false;
    }
    return m && finish(l, n, m, backwards);
}

/* A running matrix times one that stands. */
static bool product(lifter *l, const ir_node *n, bool backwards) {
    const lift_running *a = lift_running_of(l, n->inputs[0]);
    const ir_value *b = n->inputs[1];
    if (!a || !lift_outside(l, b) || b->type.rank != 2 || n->inputs[0]->type.rank < 1) return false;
    ir_node *m = same_outside(l, n);
    if (!m) return false;
    m->inputs[0] = a->sequence;
    return (m->inputs[1] = lift_outer(l, n->inputs[1])) && finish(l, n, m, backwards);
}

/* The rows of all turns under each other; C must be the same for every row. */
static bool gemm(lifter *l, const ir_node *n, bool backwards) {
    const lift_running *a = lift_running_of(l, n->inputs[0]);
    const ir_value *c = n->n_in > 2 ? n->inputs[2] : NULL, *out = n->outputs[0];
    const int64_t *d = n->inputs[0]->type.dims;
    if (!a || !lift_outside(l, n->inputs[1]) || op_attr_int(n, "transA") || (c && (!lift_outside(l, c) || !tensor_shape_known(&c->type)))) return false;
    if (c && (c->type.rank > 2 || (c->type.rank == 2 && c->type.dims[0] != 1))) return false;
    ir_node *m = same_outside(l, n);
    if (!m || !(m->inputs[0] = lift_reshape(l, a->sequence, 2, (int64_t[]){l->trips * d[0], d[1]}))) return false;
    for (int i = 1; i < n->n_in; i++)
        if (n->inputs[i] && !(m->inputs[i] = lift_outer(l, n->inputs[i]))) return false;
    ir_value *y = lift_value(l, m, 0, out->type.type, 2, (int64_t[]){l->trips * out->type.dims[0], out->type.dims[1]});
    return y && op_check_node(m, l->err) == CLSTM_OK && lift_run(l, out, lift_whole(l, y, out), backwards);
}

static bool concat(lifter *l, const ir_node *n, bool backwards) {
    int axis;
    if (!tensor_axis(op_attr_int(n, "axis"), n->outputs[0]->type.rank, &axis)) return false;
    ir_node *m = lift_node(l, "Concat", n->n_in, 1);
    if (!m || !lift_attr(m, "axis", axis + 1)) return false;
    for (int i = 0; i < n->n_in; i++) {
        const lift_running *r = lift_running_of(l, n->inputs[i]);
        if (!r) return false;
        m->inputs[i] = r->sequence;
    }
    return finish(l, n, m, backwards);
}

bool lift_pointwise(lifter *l, const ir_node *n) {
    static const char *const each[] = {
        "Abs", "Neg", "Sign", "Ceil", "Floor", "Sqrt", "Reciprocal", "Exp", "Log", "Erf", "Sin", "Cos", "Tan", "Tanh", "Sigmoid", "Relu", "LeakyRelu", "Elu", "Selu",
        "Celu", "Gelu", "HardSigmoid", "HardSwish", "Softplus", "Softsign", "Clip", "Identity", "Cast", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean",
        "Where", "Equal", "Less", "Greater", "And", "Or", "Not", NULL};
    bool backwards;
    if (n->version < 7 || n->n_out != 1 || !direction(l, n, &backwards)) return false;
    if (recover_is(n, "MatMul")) return product(l, n, backwards);
    if (recover_is(n, "Gemm")) return gemm(l, n, backwards);
    if (recover_is(n, "Concat")) return concat(l, n, backwards);
    return one_of(n, each) && elementwise(l, n, backwards);
}
