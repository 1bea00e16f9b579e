/* convert/lint_frozen: what a trace made constant: initial states and the sizes in Reshapes. What depends on a symbolic dimension is
 * found by inferring shapes twice, at different sizes. */
#include "convert/lint.h"

#include "convert/edit.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <string.h>

enum { STEP_A = 24, STEP_B = 48 };      /* with many divisors: a stride or pool that wants a multiple finds one */

typedef struct probes { ir_graph *a, *b; } probes;

static clstm_status probe_twice(lint *l, bool states, probes *p) {
    *p = (probes){NULL, NULL};
    UTIL_TRY(lint_probe(l, STEP_A, states, &p->a));
    return p->a ? lint_probe(l, STEP_B, states, &p->b) : CLSTM_OK;
}

static void end_probes(probes *p) { ir_graph_destroy(p->a); ir_graph_destroy(p->b); }

/* The shape that was inferred for v; NULL when it was not. */
static const clstm_tensor *shape_in(const ir_graph *g, const ir_value *v) {
    const ir_value *c = g && (size_t)v->id < g->n_values ? g->values[v->id] : NULL;
    return c && c->kind == CLSTM_KIND_TENSOR && tensor_shape_known(&c->type) ? &c->type : NULL;
}

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
    ir_value *which = edit_ints(g, 1, 1, &(int64_t){axis ? 1 : 0}, l->err), *parts[3];
    if (!which) return l->err->status;
    ir_node *shape = edit_node(g, "Shape", n->version, 1, &n->inputs[RNN_X], NULL, l->err);
    UTIL_TRY(edit_check(shape, l->err));
    ir_node *batch = edit_node(g, "Gather", n->version, 2, (ir_value *[]){shape->outputs[0], which}, NULL, l->err);
    UTIL_TRY(edit_check(batch, l->err));
    for (int d = 0; d < 3; d++)
        if (!(parts[d] = d == axis ? batch->outputs[0] : edit_ints(g, 1, 1, &t->dims[d], l->err))) return l->err->status;
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
    ir_value *small = edit_const(g, &row, l->err), *shape = s->shape;
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
    const clstm_tensor *a = shape_in(p->a, n->inputs[RNN_X]), *b = shape_in(p->b, n->inputs[RNN_X]);
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

/* ---- Reshape ----------------------------------------------------------------------------------------------------------------------- */

/* A Reshape's input at both probes and its constant target. */
typedef struct reshape { const clstm_tensor *a, *b; int rank; int64_t target[CLSTM_MAX_RANK]; } reshape;

static int64_t product(const int64_t *dims, int n) {
    int64_t p = 1;
    for (int i = 0; i < n; i++) if (!util_mul(p, dims[i], &p)) return -1;
    return p;
}

/* Whether the target gives `in` as many elements as it has. */
static bool holds(const int64_t *target, int rank, const clstm_tensor *in) {
    int64_t known = 1, all = product(in->dims, in->rank);
    bool open = false;
    for (int k = 0; k < rank; k++) {
        int64_t d = target[k];
        if (d == -1) { open = true; continue; }
        if (d == 0 && k >= in->rank) return false;
        if (!util_mul(known, d ? d : in->dims[k], &known)) return false;
    }
    return open ? known > 0 && all % known == 0 : known == all;
}

/* Whether sizes of the example exist at which the new target means what the old one says. */
static bool agrees(const reshape *r, const int64_t *target) {
    int64_t known = 1, old = product(r->target, r->rank);
    int unpinned = 0;
    if (old <= 0) return false;
    for (int d = 0; d < r->a->rank; d++) {
        bool symbolic = r->a->dims[d] != r->b->dims[d], pinned = d < r->rank && target[d] == 0 && r->target[d] > 0;
        if (symbolic && !pinned) { unpinned++; continue; }
        if (!util_mul(known, symbolic ? r->target[d] : r->a->dims[d], &known)) return false;
    }
    return known > 0 && old % known == 0 && (unpinned || old == known);
}

/* Whether the sizes that stay are part of what the input has at any size: one of the example that stays would be neither. A 1 more than
 * the input has may be the example's too. */
static bool sound(const reshape *r, const int64_t *target) {
    int64_t have = 1, kept = 1;
    int ones = 0;
    for (int d = 0; d < r->a->rank; d++) {
        if (r->a->dims[d] != r->b->dims[d]) continue;
        if (!util_mul(have, r->a->dims[d], &have)) return false;
        ones += r->a->dims[d] == 1;
    }
    for (int k = 0; k < r->rank; k++) {
        if (target[k] > 0 && !util_mul(kept, target[k], &kept)) return false;
        ones -= target[k] == 1;
    }
    return ones >= 0 && have % kept == 0;
}

/* The readings of each size: as it is, copied from the input, found from the rest. Fewest found ones first, then fewest changes. */
static bool reinterpret(const reshape *r, int64_t *out) {
    int best = 1000, total = 1;
    for (int k = 0; k < r->rank; k++) total *= 3;
    for (int code = 1; code < total; code++) {
        int64_t target[CLSTM_MAX_RANK];
        int cost = 0, open = 0, rest = code;
        bool valid = true;
        for (int k = 0; k < r->rank && valid; k++, rest /= 3) {
            int how = rest % 3;
            target[k] = how == 0 ? r->target[k] : how == 1 ? 0 : -1;
            valid = !how || (r->target[k] > 0 && (how == 2 || (k < r->a->rank && r->a->dims[k] != r->b->dims[k])));
            cost += how == 1 ? 1 : how == 2 ? 10 : 0;
            open += target[k] == -1;
        }
        if (!valid || open > 1 || cost >= best || !holds(target, r->rank, r->a) || !holds(target, r->rank, r->b) || !agrees(r, target) || !sound(r, target)) continue;
        best = cost;
        memcpy(out, target, sizeof target);
    }
    return best < 1000;
}

static clstm_status read_reshape(lint *l, const ir_node *n, const probes *p, reshape *r, bool *frozen) {
    *frozen = false;
    if (n->domain[0] || strcmp(n->op_type, "Reshape") || n->version < 5 || n->n_in < 2 || ir_attr_find(n, "allowzero")) return CLSTM_OK;
    ir_const *c = lint_constant(l, n->inputs[1]);
    r->a = shape_in(p->a, n->inputs[0]);
    r->b = shape_in(p->b, n->inputs[0]);
    if (!c || c->tensor.rank != 1 || c->tensor.dims[0] > 6 || c->tensor.type != CLSTM_INT64 || !r->a || !r->b || r->a->rank != r->b->rank) return CLSTM_OK;
    const void *data;
    UTIL_TRY(ir_const_data(c, &data, l->err));
    r->rank = (int)c->tensor.dims[0];
    memcpy(r->target, data, (size_t)r->rank * sizeof *r->target);
    *frozen = !holds(r->target, r->rank, r->a) || !holds(r->target, r->rank, r->b);
    return CLSTM_OK;
}

static void say_target(char *out, size_t size, const int64_t *target, int rank) {
    size_t at = (size_t)snprintf(out, size, "[");
    for (int k = 0; k < rank; k++) at += (size_t)snprintf(out + at, size - at, "%s%lld", k ? "," : "", (long long)target[k]);
    snprintf(out + at, size - at, "]");
}

/* Those that fail for certain, a number of elements against an open one, and that no other reading mends. */
static clstm_status tell_lost(lint *l, const probes *p) {
    for (size_t i = 0; i < l->graph->n_nodes; i++) {
        reshape r;
        bool frozen;
        char from[160];
        UTIL_TRY(read_reshape(l, l->graph->nodes[i], p, &r, &frozen));
        for (int k = 0; frozen && k < r.rank; k++) frozen = r.target[k] > 0;
        if (!frozen) continue;
        say_target(from, sizeof from, r.target, r.rank);
        lint_found(l, l->graph->nodes[i], LINT_PROVEN | LINT_LOST, "its shape %s holds sizes of the example, and fails at others; its input alone does not tell them apart", from);
    }
    return CLSTM_OK;
}

/* The first Reshape that fails and can be read otherwise; *again: it was mended, and more may come to light behind it. */
static clstm_status first_frozen(lint *l, const probes *p, bool *again) {
    *again = false;
    for (size_t i = 0; i < l->graph->n_nodes; i++) {
        ir_node *n = l->graph->nodes[i];
        reshape r;
        bool frozen;
        int64_t target[CLSTM_MAX_RANK];
        char from[160], to[160];
        UTIL_TRY(read_reshape(l, n, p, &r, &frozen));
        if (!frozen || !reinterpret(&r, target)) continue;
        say_target(from, sizeof from, r.target, r.rank);
        say_target(to, sizeof to, target, r.rank);
        if (!lint_found(l, n, LINT_PROVEN, "its shape %s holds sizes of the example, and fails at others; %s says the same for all", from, to)) return CLSTM_OK;
        ir_value *shape = edit_ints(l->graph, 1, r.rank, target, l->err);
        if (!shape) return l->err->status;
        n->inputs[1] = shape;
        *again = true;
        return CLSTM_OK;
    }
    return tell_lost(l, p);
}

clstm_status lint_frozen_shape(lint *l) {
    bool again = true;
    clstm_status s = CLSTM_OK;
    for (int round = 0; round < 64 && again && s == CLSTM_OK; round++) {
        probes p;
        s = probe_twice(l, false, &p);
        if (s == CLSTM_OK && p.a && p.b) s = first_frozen(l, &p, &again);
        else again = false;
        end_probes(&p);
    }
    return s;
}
