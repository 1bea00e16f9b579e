/* plan/recover_sequence: a gate's sum that is one step's slice of a sum over a whole sequence: x times a matrix for all steps at once, as
 * torch.export writes the layers that it takes apart. The step's x becomes a slice of its own. */
#include "plan/recover.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <string.h>

/* Step `at` along `axis` of a sum of rank 3; `whole` is the access in all of it, `step` the one in the step's rows. */
typedef struct slice { int axis; int64_t at; recover_access whole, step; } slice;

static bool find_slice(const recover_cell *c, const clstm_tensor *t, recover_access a, slice *s) {
    if (t->rank != 3) return false;
    int64_t columns = t->dims[2], first = a.at / columns, last = a.at % columns + (c->hidden - 1) * a.unit;
    *s = (slice){.whole = a, .step = {a.at % columns, columns, a.unit}};
    if (last < 0 || last >= columns) return false;
    for (s->axis = 0; s->axis < 2; s->axis++) {
        int64_t steps = t->dims[s->axis], row = s->axis ? steps * columns : columns;
        if (steps < 2 || t->dims[1 - s->axis] != c->batch || (c->batch > 1 && a.row != row) || (!s->axis && first % c->batch)) continue;
        s->at = s->axis ? first : first / c->batch;
        return s->at < steps;
    }
    return false;
}

static bool cuts(const ir_node *n, const ir_value *x, const slice *s) {
    int64_t at;
    int count;
    return recover_is(n, "Gather") && n->inputs[0] == x && op_attr_int(n, "axis") == s->axis && n->inputs[1]->type.rank == 0 &&
           plan_constant_ints(n->inputs[1], &at, 1, 1, &count) && at == s->at;
}

/* The step's slice of x: all gates have the same value. NULL only without memory. */
static ir_value *step_of(const recover_cell *c, ir_value *x, const slice *s) {
    ir_graph *g = c->graph;
    for (size_t i = g->n_nodes; i-- > 0;)
        if (cuts(g->nodes[i], x, s)) return g->nodes[i]->outputs[0];
    const ir_node *like = c->new_h->producer;
    ir_node *n = ir_node_new(g, "Gather", "", like->version, like->name, 2, 1);
    ir_value *out = n ? ir_value_new(g, NULL) : NULL;
    ir_attr *axis = out ? ir_attr_add(n, "axis", IR_ATTR_INT) : NULL;
    if (!n) return NULL;
    n->mark = IR_DEAD;                  /* until it is whole */
    if (!axis || !(n->op = ops_find("", "Gather", like->version, NULL)) || !(n->inputs[1] = ir_constant_ints(g, 0, 1, &s->at, NULL))) return NULL;
    axis->v.i = s->axis;
    n->inputs[0] = x;
    n->outputs[0] = out;
    out->producer = n;
    out->kind = CLSTM_KIND_TENSOR;
    tensor_set(&out->type, c->type, 2, (int64_t[]){c->batch, x->type.dims[2]});
    if (op_check_node(n, NULL) != CLSTM_OK) return NULL;
    n->mark = 0;
    return out;
}

static bool same_steps(const ir_value *a, const ir_value *b) {
    return a->kind == CLSTM_KIND_TENSOR && tensor_shape_known(&a->type) && a->type.rank == 3 && a->type.dims[0] == b->type.dims[0] && a->type.dims[1] == b->type.dims[1];
}

static bool take(recover_cell *c, recover_sum *sum, ir_value *v, const slice *s, int depth) {
    ir_node *n = v->producer;
    if (depth > 8 || v->constant || !n || n->mark == IR_DEAD || n->graph != c->graph || n->domain[0] || n->version < 7 || v->type.type != c->type) return false;
    if (recover_is(n, "MatMul")) {
        if (!same_steps(n->inputs[0], v)) return false;
        ir_value *x = step_of(c, n->inputs[0], s);
        c->no_memory |= !x;
        return x && recover_add_product(c, sum, x, n->inputs[1], v, s->step);
    }
    if (!recover_is(n, "Add")) return false;
    for (int i = 0; i < n->n_in; i++) {
        ir_value *part = n->inputs[i];
        if (part->constant ? !recover_add_bias(c, sum, part, &v->type, s->whole)
                           : !same_steps(part, v) || part->type.dims[2] != v->type.dims[2] || !take(c, sum, part, s, depth + 1)) return false;
    }
    return true;
}

bool recover_from_sequence(recover_cell *c, recover_sum *sum, ir_value *of, recover_access a) {
    recover_sum before = *sum;
    slice s;
    if (find_slice(c, &of->type, a, &s) && take(c, sum, of, &s, 0)) return true;
    *sum = before;
    return false;
}
