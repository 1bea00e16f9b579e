/* plan/turns_plain: Loop and Scan said plainly. Exporters of other frameworks' while loops carry weights through as states and compare counters
 * in the condition; a state that stays what it was is read from outside instead, and a condition of counters becomes a number of turns. */
#include "plan/turns.h"

#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

/* Far within int32_t and the whole numbers of float: no sum of two comes round, none is rounded. */
enum { FAR = 1 << 23, DEEPEST = 16 };

static bool one_number(const ir_value *v, double *out) {
    const void *data = v && v->constant && clstm_tensor_count(&v->constant->tensor) == 1 ? ir_const_peek(v->constant) : NULL;
    if (!data || (!type_is_float(v->type.type) && v->type.type != CLSTM_INT32 && v->type.type != CLSTM_INT64)) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    *out = tensor_get_double(&t, 0);
    return fabs(*out) <= FAR;
}

static bool one_int(const ir_value *v, int64_t *out) {
    double x;
    if (!one_number(v, &x) || type_is_float(v->type.type)) return false;
    *out = (int64_t)x;
    return true;
}

static const ir_node *made_by(const plan_turns *t, const ir_value *v) { return v && v->graph == t->body && !v->constant ? v->producer : NULL; }

bool plan_turns_counter(const ir_node *n, const plan_turns *t, int state, int64_t *from) {
    const ir_value *in = t->body->inputs[t->first_in + state];
    const ir_node *add = made_by(t, t->body->outputs[t->first_out + state]);
    int64_t k;
    if (!ir_is(add, "Add") || (in->type.type != CLSTM_INT32 && in->type.type != CLSTM_INT64) || !one_int(n->inputs[t->first_in + state], from)) return false;
    for (int m = 0; m < 2; m++)
        if (add->inputs[m] == in && one_int(add->inputs[1 - m], &k) && k == 1) return true;
    return false;
}

/* v is the number of the turn plus *at. */
static bool counts(const ir_node *n, const plan_turns *t, const ir_value *v, int64_t *at, int depth) {
    const ir_node *by = made_by(t, v);
    int64_t k;
    if (depth > DEEPEST || !v || v->graph != t->body || v->constant) return false;
    if (v == t->body->inputs[0]) { *at = 0; return true; }
    for (int i = 0; i < t->states; i++)
        if (v == t->body->inputs[t->first_in + i]) return plan_turns_counter(n, t, i, at);
    if (ir_is(by, "Identity")) return counts(n, t, by->inputs[0], at, depth + 1);
    if (ir_is(by, "Cast")) {       /* to a type that holds every number below FAR */
        int64_t to = op_attr_int(by, "to");
        return (to == CLSTM_INT32 || to == CLSTM_INT64 || to == CLSTM_FLOAT || to == CLSTM_DOUBLE) && counts(n, t, by->inputs[0], at, depth + 1);
    }
    for (int m = 0; m < 2 && ir_is(by, "Add"); m++)
        if (one_int(by->inputs[1 - m], &k) && counts(n, t, by->inputs[m], at, depth + 1) && *at + k <= FAR && *at + k >= -FAR) { *at += k; return true; }
    return false;
}

/* How many turns are made when v says after each whether there is another; false: it is not known to be a comparison of counters. */
static bool turns_while(const ir_node *n, const plan_turns *t, const ir_value *v, int64_t *turns, int depth) {
    const ir_node *by = made_by(t, v);
    const uint8_t *data = v && v->constant && v->type.type == CLSTM_BOOL && clstm_tensor_count(&v->type) == 1 ? ir_const_peek(v->constant) : NULL;
    int64_t at, other;
    double end;
    *turns = INT64_MAX;
    if (depth > DEEPEST || !v) return false;
    if (data) { if (!*data) *turns = 1; return true; }
    if (v == t->body->inputs[1]) return true;
    if (ir_is(by, "Identity")) return turns_while(n, t, by->inputs[0], turns, depth + 1);
    if (ir_is(by, "And")) {
        if (!turns_while(n, t, by->inputs[0], turns, depth + 1) || !turns_while(n, t, by->inputs[1], &other, depth + 1)) return false;
        if (other < *turns) *turns = other;
        return true;
    }
    bool less = ir_is(by, "Less") || ir_is(by, "LessOrEqual"), greater = ir_is(by, "Greater") || ir_is(by, "GreaterOrEqual");
    if ((!less && !greater) || !counts(n, t, by->inputs[greater], &at, depth + 1) || !one_number(by->inputs[less], &end)) return false;
    /* turn s is followed by another while s + at < end */
    int64_t first = (int64_t)(strstr(by->op_type, "OrEqual") ? floor(end) + 1 : ceil(end)) - at;
    *turns = first < 0 ? 1 : first + 1;
    return true;
}

static clstm_status settle_condition(ir_node *n, const plan_turns *t, bool *changed, clstm_error *err) {
    int64_t most, turns;
    uint8_t yes = 1;
    const ir_value *go = n->inputs[1];
    const uint8_t *starts = go && go->constant && go->type.type == CLSTM_BOOL && clstm_tensor_count(&go->type) == 1 ? ir_const_peek(go->constant) : NULL;
    if (t->body->outputs[0]->constant || (go && (!starts || !*starts)) || !one_int(n->inputs[0], &most) || most < 1) return CLSTM_OK;
    if (!turns_while(n, t, t->body->outputs[0], &turns, 0)) return CLSTM_OK;
    clstm_tensor one = clstm_tensor_view(CLSTM_BOOL, 0, NULL, &yes);
    ir_value *on = ir_constant(t->body, &one, err), *m = turns < most ? ir_constant_ints(n->graph, 0, 1, &turns, err) : n->inputs[0];
    if (!on || !m) return util_no_memory(err);
    t->body->outputs[0] = on;
    n->inputs[0] = m;
    *changed = true;
    return CLSTM_OK;
}

clstm_status plan_turns_plain(ir_node *n, bool *changed, clstm_error *err) {
    plan_turns t;
    if (!plan_turns_of(n, &t)) return CLSTM_OK;
    ir_follow_outputs(t.body);
    for (int i = 0; i < t.states; i++) {
        ir_value *in = t.body->inputs[t.first_in + i], *from = n->inputs[t.first_in + i];
        if (!from || t.body->outputs[t.first_out + i] != in) continue;
        *changed = true;
        from->uses += in->uses;
        ir_give_way(in, from);
        if (i >= n->n_out || !n->outputs[i]) continue;
        from->uses += n->outputs[i]->uses;
        ir_give_way(n->outputs[i], from);
    }
    return t.loop ? settle_condition(n, &t, changed, err) : CLSTM_OK;
}
