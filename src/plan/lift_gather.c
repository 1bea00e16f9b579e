/* plan/lift_gather: states of a Loop that only collect: a sequence that is inserted into, a tensor that is concatenated onto. */
#include "plan/lift.h"

#include "tensor/tensor.h"

#include <string.h>

/* The state that is v itself, read by nothing but the node that makes its next value; -1: none. */
static int collector(const lifter *l, const ir_value *v, const ir_value *next) {
    const plan_turns *t = &l->turns;
    for (int i = 0; i < t->states; i++) {
        ir_value *out = t->body->outputs[t->first_out + i];
        if (t->body->inputs[t->first_in + i] == v) return v->uses == 1 && out == next && next->uses == 1 && !l->gathered[i].what ? i : -1;
    }
    return -1;
}

static bool inserts(lifter *l, const ir_node *n) {
    int i = collector(l, n->inputs[0], n->outputs[0]);
    int64_t at = -1;
    int count;
    bool front = n->n_in > 2 && n->inputs[2];
    if (i < 0 || !lift_running_of(l, n->inputs[1]) || (front && (!plan_constant_ints(n->inputs[2], &at, 1, 1, &count) || at != 0))) return false;
    const ir_value *before = l->node->inputs[l->turns.first_in + i];
    if (before->constant || !recover_is(before->producer, "SequenceEmpty")) return false;
    l->gathered[i] = (lift_gathering){n->inputs[1], 0, front, true};
    return true;
}

static bool appends(lifter *l, const ir_node *n) {
    for (int k = 0; k < 2 && n->n_in == 2; k++) {
        int i = collector(l, n->inputs[k], n->outputs[0]), axis;
        if (i < 0 || !lift_running_of(l, n->inputs[1 - k])) continue;
        const ir_value *before = l->node->inputs[l->turns.first_in + i], *what = n->inputs[1 - k];
        if (before->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&before->type) || clstm_tensor_count(&before->type) != 0) return false;
        if (!tensor_axis(op_attr_int(n, "axis"), what->type.rank, &axis)) return false;
        l->gathered[i] = (lift_gathering){n->inputs[1 - k], axis, k == 1, false};
        return true;
    }
    return false;
}

bool lift_gathers_up(lifter *l, const ir_node *n) {
    return recover_is(n, "SequenceInsert") ? inserts(l, n) : recover_is(n, "Concat") && n->n_in == 2 && appends(l, n);
}

/* The turns of `what` in the order in which they were collected, along `axis`: a new one, or that of what is collected. */
static ir_value *laid(lifter *l, const lift_gathering *g, int axis, bool new_axis) {
    const lift_running *r = lift_running_of(l, g->what);
    ir_value *s = r->sequence;
    int64_t dims[CLSTM_MAX_RANK];
    if (r->backwards != g->in_front && !(s = lift_slice(l, s, l->trips - 1, l->trips, -1))) return NULL;
    if (!(s = lift_move_axis(l, s, 0, axis)) || new_axis) return s;
    for (int d = 0, k = 0; k < s->type.rank - 1; k++, d++) {
        dims[k] = s->type.dims[d];
        if (d == axis) dims[k] *= s->type.dims[++d];
    }
    return lift_reshape(l, s, s->type.rank - 1, dims);
}

/* A sequence must be joined by everything that reads it. */
static ir_value *join_sequence(lifter *l, int i) {
    ir_value *out = l->node->outputs[i], *last = NULL;
    const lift_gathering *g = &l->gathered[i];
    int found = 0;
    for (size_t k = 0, n = l->outer->n_nodes; k < n; k++) {
        ir_node *join = l->outer->nodes[k];
        if (!recover_is(join, "ConcatFromSequence") || join->inputs[0] != out) continue;
        bool stack = op_attr_int(join, "new_axis") != 0;
        int axis;
        if (!tensor_axis(op_attr_int(join, "axis"), g->what->type.rank + stack, &axis) || !(last = laid(l, g, axis, stack))) return NULL;
        l->joins[l->n_joins] = (lift_join){join, last};
        found++;
        if (++l->n_joins == LIFT_JOINS) return NULL;
    }
    return found == out->uses ? last : NULL;
}

ir_value *lift_gathered(lifter *l, int i) { return l->gathered[i].sequence ? join_sequence(l, i) : laid(l, &l->gathered[i], l->gathered[i].axis, false); }
