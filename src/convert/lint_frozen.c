/* convert/lint_frozen: initial states that a trace made constant. What depends on a symbolic dimension is found by inferring shapes twice,
 * at different sizes. */
#include "convert/lint.h"

#include "convert/edit.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <string.h>

typedef struct probes { ir_graph *a, *b; } probes;

static clstm_status probe_twice(lint *l, bool states, probes *p) {
    *p = (probes){NULL, NULL};
    UTIL_TRY(lint_probe(l, &(lint_sizes){.step = LINT_STEP, .doubled = -1}, states, &p->a));
    return p->a ? lint_probe(l, &(lint_sizes){.step = 2 * LINT_STEP, .doubled = -1}, states, &p->b) : CLSTM_OK;
}

static void end_probes(probes *p) { ir_graph_destroy(p->a); ir_graph_destroy(p->b); }

/* ---- states ------------------------------------------------------------------------------------------------------------------------ */

/* A constant state: is it zero, are its rows alike? `shape`: an Expand's, which repeats no batch but 1. */
typedef struct state { ir_const *c; ir_value *shape; int64_t batch; bool zero, alike; } state;

static bool all_zero(const unsigned char *p, size_t n) {
    while (n--) if (*p++) return false;
    return true;
}

static clstm_status read_state(lint *l, const ir_node *n, int input, int axis, state *s) {
    const void *data;
    size_t bytes;
    const ir_node *expand = lint_expanded(l, lint_input(n, input));
    s->c = lint_constant(l, expand ? expand->inputs[0] : lint_input(n, input));
    s->shape = expand ? expand->inputs[1] : NULL;
    if (!s->c || s->c->tensor.rank != 3 || !tensor_bytes(&s->c->tensor, &bytes)) { s->c = NULL; return CLSTM_OK; }
    UTIL_TRY(ir_const_data(s->c, &data, l->err));
    const unsigned char *p = data;
    int64_t outer = axis ? s->c->tensor.dims[0] : 1, inner = tensor_span(&s->c->tensor, axis + 1, 3);
    size_t row = (size_t)inner * clstm_type_size(s->c->tensor.type);
    s->batch = s->c->tensor.dims[axis];
    if (expand && s->batch == 1) { s->c = NULL; return CLSTM_OK; }
    s->zero = all_zero(p, bytes);
    s->alike = s->batch > 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t b = 1; b < s->batch; b++) {
            const unsigned char *first = p + (size_t)(o * s->batch) * row;
            s->alike &= !memcmp(first, first + (size_t)b * row, row);
        }
    return CLSTM_OK;
}

/* [D, batch of X, H] */
static clstm_status state_shape(lint *l, ir_node *n, int axis, const clstm_tensor *t, ir_value **out) {
    ir_graph *g = n->graph;
    ir_value *which = ir_constant_ints(g, 1, 1, &(int64_t){axis ? 1 : 0}, l->err), *parts[3];
    if (!which) return l->err->status;
    ir_node *shape = edit_node(g, "Shape", n->version, 1, &n->inputs[RNN_X], NULL, l->err);
    UTIL_TRY(edit_check(shape, l->err));
    ir_node *batch = edit_node(g, "Gather", n->version, 2, (ir_value *[]){shape->outputs[0], which}, NULL, l->err);
    UTIL_TRY(edit_check(batch, l->err));
    for (int d = 0; d < 3; d++)
        if (!(parts[d] = d == axis ? batch->outputs[0] : ir_constant_ints(g, 1, 1, &t->dims[d], l->err))) return l->err->status;
    ir_node *whole = edit_node(g, "Concat", n->version, 3, parts, NULL, l->err);
    if (whole) UTIL_TRY(edit_set_int(whole, "axis", 0, l->err));
    UTIL_TRY(edit_check(whole, l->err));
    *out = whole->outputs[0];
    return CLSTM_OK;
}

/* initial state = Expand(one row, its shape) */
static clstm_status stretch(lint *l, ir_node *n, int input, int axis, const state *s) {
    ir_graph *g = n->graph;
    const clstm_tensor *t = &s->c->tensor;
    clstm_tensor row = *t;
    const void *data;
    UTIL_TRY(ir_const_data(s->c, &data, l->err));
    row.dims[axis] = 1;
    row.data = NULL;
    ir_value *small = ir_constant(g, &row, l->err), *shape = s->shape;
    if (!small) return l->err->status;
    size_t bytes = (size_t)tensor_span(t, axis + 1, 3) * clstm_type_size(t->type);
    for (int64_t o = 0; o < (axis ? t->dims[0] : 1); o++)
        memcpy((char *)small->constant->tensor.data + (size_t)o * bytes, (const char *)data + (size_t)(o * t->dims[axis]) * bytes, bytes);
    if (!shape) UTIL_TRY(state_shape(l, n, axis, t, &shape));
    ir_node *expand = edit_node(g, "Expand", n->version, 2, (ir_value *[]){small, shape}, NULL, l->err);
    UTIL_TRY(edit_check(expand, l->err));
    n->inputs[input] = expand->outputs[0];
    return CLSTM_OK;
}

/* The batch of X: whether it differs between the probes. */
static bool symbolic_batch(const ir_node *n, int axis, const probes *p) {
    const clstm_tensor *a = lint_shape(p->a, n->inputs[RNN_X]), *b = lint_shape(p->b, n->inputs[RNN_X]);
    return a && b && a->rank == 3 && b->rank == 3 && a->dims[axis ? 1 : 0] != b->dims[axis ? 1 : 0];
}

static clstm_status mend_state(lint *l, ir_node *n, int input, int axis, const state *s) {
    if (!s->zero) return stretch(l, n, input, axis, s);
    n->inputs[input] = NULL;
    while (n->n_in && !n->inputs[n->n_in - 1]) n->n_in--;
    return CLSTM_OK;
}

/* Tells of the constant states of n, of two that are alike at once. */
static clstm_status frozen_states(lint *l, ir_node *n, bool symbolic_only, const probes *p) {
    static const char *const names[] = {"initial_h", "initial_c"};
    const ir_attr *layout = ir_attr_find(n, "layout");
    int axis = layout && layout->v.i ? 0 : 1, count = strcmp(n->op_type, "LSTM") ? 1 : 2;
    bool symbolic = symbolic_batch(n, axis, p);
    state s[2] = {{0}, {0}};
    if (symbolic != symbolic_only || (symbolic && n->version < 8)) return CLSTM_OK;
    for (int k = 0; k < count; k++) UTIL_TRY(read_state(l, n, RNN_H0 + k, axis, &s[k]));
    bool both = s[0].c && s[1].c && s[0].zero == s[1].zero && s[0].alike == s[1].alike && s[0].batch == s[1].batch;
    for (int k = 0; k < count; k += both ? 2 : 1) {
        if (!s[k].c || (s[k].shape && !symbolic)) continue;
        const char *kind = s[k].zero ? "zeros" : s[k].alike ? "the same values for every row" : "values of each row's own";
        unsigned lost = s[k].zero || (symbolic && s[k].alike) ? 0 : LINT_LOST;
        if (!lint_found(l, n, LINT_PROVEN | lost, "%s %s of batch %lld (%s)%s", both ? "initial_h and initial_c" : names[k], both ? "are constants" : "is a constant",
                        (long long)s[k].batch, kind, symbolic ? ", but the batch of X is symbolic: any other batch fails" : ": no caller can give another")) continue;
        UTIL_TRY(mend_state(l, n, RNN_H0 + k, axis, &s[k]));
        if (both) UTIL_TRY(mend_state(l, n, RNN_C0, axis, &s[1]));
    }
    return CLSTM_OK;
}

static clstm_status states(lint *l, bool symbolic) {
    probes p;
    bool any = false;
    for (size_t i = 0; i < l->graph->n_nodes; i++) any |= lint_recurrent(l->graph->nodes[i]) && lint_input(l->graph->nodes[i], RNN_H0);
    if (!any) return CLSTM_OK;
    clstm_status s = probe_twice(l, false, &p);
    for (size_t i = 0, n = l->graph->n_nodes; i < n && s == CLSTM_OK; i++) {
        if (lint_recurrent(l->graph->nodes[i])) s = frozen_states(l, l->graph->nodes[i], symbolic, &p);
    }
    end_probes(&p);
    return s == CLSTM_OK ? ir_graph_order(l->graph, l->err) : s;
}

clstm_status lint_frozen_state(lint *l) { return states(l, true); }
clstm_status lint_constant_state(lint *l) { return states(l, false); }
