/* plan/recover_lift: a settled Loop or Scan around recurrent cells becomes nodes over whole sequences. A value of the body that is another in
 * each turn is stood for by a sequence outside, time first; recurrent nodes take such sequences, and what is pointwise in time is done on the
 * whole of them. Either everything in the body that counts can go out so, or the node stays as it was. */
#include "plan/lift.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

/* ---- nodes outside ------------------------------------------------------------------------------------------------------------------- */

ir_node *lift_node(lifter *l, const char *op, int n_in, int n_out) {
    ir_node *n = ir_node_new(l->outer, op, "", l->node->version, l->node->name, n_in, n_out);
    if (n && !(n->op = ops_find("", op, n->version, NULL))) n->mark = IR_DEAD;
    return n && n->mark != IR_DEAD ? n : NULL;
}

ir_value *lift_value(lifter *l, ir_node *n, int output, clstm_type type, int rank, const int64_t *dims) {
    ir_value *v = ir_value_new(l->outer, NULL);
    if (!v || rank > CLSTM_MAX_RANK) return NULL;
    v->kind = CLSTM_KIND_TENSOR;
    tensor_set(&v->type, type, rank, dims);
    v->producer = n;
    n->outputs[output] = v;
    return v;
}

ir_value *lift_ints(lifter *l, int rank, int64_t count, const int64_t *values) {
    return ir_constant_ints(l->outer, rank, count, values, l->err);
}

bool lift_attr(ir_node *n, const char *name, int64_t value) {
    ir_attr *a = ir_attr_add(n, name, IR_ATTR_INT);
    if (a) a->v.i = value;
    return a != NULL;
}

ir_value *lift_reshape(lifter *l, ir_value *v, int rank, const int64_t *dims) {
    if (v->type.rank == rank && !memcmp(v->type.dims, dims, (size_t)rank * sizeof *dims)) return v;
    ir_node *n = lift_node(l, "Reshape", 2, 1);
    if (!n || !(n->inputs[1] = lift_ints(l, 1, rank, dims))) return NULL;
    n->inputs[0] = v;
    return lift_value(l, n, 0, v->type.type, rank, dims);
}

/* Axis `from` becomes axis `to`, the others keep their order. */
ir_value *lift_move_axis(lifter *l, ir_value *v, int from, int to) {
    int64_t dims[CLSTM_MAX_RANK], perm[CLSTM_MAX_RANK];
    int rank = v->type.rank, k = 0;
    if (from == to) return v;
    for (int d = 0; d < rank; d++) {
        if (k == from) k++;
        perm[d] = d == to ? from : k++;
    }
    ir_node *n = lift_node(l, "Transpose", 1, 1);
    ir_attr *a = n ? ir_attr_add(n, "perm", IR_ATTR_INTS) : NULL;
    if (!a || !(a->v.ints = util_arena_alloc(l->outer->arena, (size_t)rank, sizeof *perm))) return NULL;
    memcpy(a->v.ints, perm, (size_t)rank * sizeof *perm);
    a->count = (size_t)rank;
    for (int d = 0; d < rank; d++) dims[d] = v->type.dims[perm[d]];
    n->inputs[0] = v;
    return lift_value(l, n, 0, v->type.type, rank, dims);
}

/* Elements start, start + step ... of axis 0, `count` of them. */
ir_value *lift_slice(lifter *l, ir_value *v, int64_t start, int64_t count, int64_t step) {
    if (start == 0 && step == 1 && count == v->type.dims[0]) return v;
    ir_node *n = l->node->version < 10 ? NULL : lift_node(l, "Slice", 5, 1);
    int64_t end = start + count * step, zero = 0, dims[CLSTM_MAX_RANK];
    if (end < 0) end = INT64_MIN;
    if (!n || !(n->inputs[1] = lift_ints(l, 1, 1, &start)) || !(n->inputs[2] = lift_ints(l, 1, 1, &end)) || !(n->inputs[3] = lift_ints(l, 1, 1, &zero)) ||
        !(n->inputs[4] = lift_ints(l, 1, 1, &step))) return NULL;
    n->inputs[0] = v;
    memcpy(dims, v->type.dims, sizeof dims);
    dims[0] = count;
    return lift_value(l, n, 0, v->type.type, v->type.rank, dims);
}

/* ---- reading the body ---------------------------------------------------------------------------------------------------------------- */

ir_value *lift_outer(lifter *l, ir_value *v) {
    ir_value *out = v && v->constant && v->graph == l->turns.body ? ir_value_new(l->outer, NULL) : v;
    if (out && out != v) ir_value_set_const(out, v->constant);
    return out;
}

bool lift_outside(const lifter *l, const ir_value *v) { return v && (v->constant || v->graph != l->turns.body); }

lift_running *lift_running_of(const lifter *l, const ir_value *v) {
    lift_running *r = v && v->graph == l->turns.body && !v->constant ? &l->running[v->id] : NULL;
    return r && r->sequence ? r : NULL;
}

static lift_index *index_of(const lifter *l, const ir_value *v) {
    lift_index *i = v && v->graph == l->turns.body && !v->constant ? &l->index[v->id] : NULL;
    return i && i->turn ? i : NULL;
}

bool lift_run(lifter *l, const ir_value *v, ir_value *sequence, bool backwards) {
    if (!sequence) return false;
    l->running[v->id] = (lift_running){sequence, backwards};
    return true;
}

/* Numbers of turns and places stay far from the ends of int32_t, whatever a model says; narrower types could come round. */
enum { FAR = INT32_MAX / 2 };

static bool counts(const ir_value *v) { return v->type.type == CLSTM_INT32 || v->type.type == CLSTM_INT64; }

static bool one_int(const ir_value *v, int64_t *out) {
    int count;
    return plan_constant_ints(v, out, 1, 1, &count) && *out >= -FAR && *out <= FAR;
}

/* The number of the turn, times 1 or -1, plus a constant. */
static bool count_turns(lifter *l, const ir_node *n) {
    const ir_value *out = n->outputs[0];
    int64_t k;
    lift_index *a = index_of(l, n->inputs[0]), *b = n->n_in > 1 ? index_of(l, n->inputs[1]) : NULL, made;
    bool add = recover_is(n, "Add"), sub = recover_is(n, "Sub");
    if (clstm_tensor_count(&out->type) != 1 || !counts(out)) return false;
    if (a && (recover_is(n, "Identity") || recover_is(n, "Reshape") || recover_is(n, "Squeeze") || recover_is(n, "Unsqueeze") || recover_is(n, "Cast"))) made = *a;
    else if (a && (add || sub) && one_int(n->inputs[1], &k)) made = (lift_index){a->turn, add ? a->at + k : a->at - k};
    else if (b && add && one_int(n->inputs[0], &k)) made = (lift_index){b->turn, b->at + k};
    else if (b && sub && one_int(n->inputs[0], &k)) made = (lift_index){-b->turn, k - b->at};
    else if (a && recover_is(n, "Mul") && one_int(n->inputs[1], &k) && (k == 1 || k == -1)) made = (lift_index){(int)k * a->turn, k * a->at};
    else if (b && recover_is(n, "Mul") && one_int(n->inputs[0], &k) && (k == 1 || k == -1)) made = (lift_index){(int)k * b->turn, k * b->at};
    else return false;
    if (made.at < -FAR || made.at > FAR) return false;
    l->index[out->id] = made;
    return true;
}

/* Slices of v along axis, one for each turn, as a sequence: those of the index. */
static ir_value *slices(lifter *l, ir_value *v, int axis, const lift_index *i, bool *backwards) {
    if (!v) return NULL;
    int64_t first = i->at, last = i->at + i->turn * (l->trips - 1), low = first < last ? first : last;
    if (low < 0 || low + l->trips > v->type.dims[axis]) return NULL;
    *backwards = i->turn < 0;
    return lift_slice(l, lift_move_axis(l, v, axis, 0), low, l->trips, 1);
}

/* v[i] for an outer v */
static bool pick(lifter *l, const ir_node *n) {
    ir_value *from = n->inputs[0], *out = n->outputs[0], *s;
    const lift_index *i = index_of(l, n->inputs[1]);
    int axis;
    bool backwards;
    if (!i || !lift_outside(l, from) || !tensor_shape_known(&from->type) || !tensor_axis(op_attr_int(n, "axis"), from->type.rank, &axis)) return false;
    if (n->inputs[1]->type.rank > 1 || !(s = slices(l, lift_outer(l, from), axis, i, &backwards))) return false;
    return lift_run(l, out, lift_whole(l, s, out), backwards);
}

ir_value *lift_whole(lifter *l, ir_value *sequence, const ir_value *of) {
    int64_t dims[CLSTM_MAX_RANK] = {l->trips};
    if (!sequence || of->type.rank + 1 > CLSTM_MAX_RANK) return NULL;
    memcpy(dims + 1, of->type.dims, (size_t)of->type.rank * sizeof *dims);
    return lift_reshape(l, sequence, of->type.rank + 1, dims);
}

/* ---- recurrent nodes ---------------------------------------------------------------------------------------------------------------------- */

/* Which state of the body v is, looking through other shapes; -1: none. */
static int state_of(const lifter *l, ir_value *v) {
    ir_value *whole = plan_whole(v, l->turns.body);
    for (int i = 0; i < l->turns.states; i++)
        if (l->turns.body->inputs[l->turns.first_in + i] == whole) return i;
    return -1;
}

/* State i before the first turn in the shape that the node wants, when the node makes the next one as output k. */
static ir_value *initial(lifter *l, const ir_node *n, int input, int output, int *state) {
    ir_value *v = n->inputs[input], *next = output < n->n_out ? n->outputs[output] : NULL;
    int i = state_of(l, v);
    if (i < 0 || !next || l->final[i] || plan_whole(l->turns.body->outputs[l->turns.first_out + i], l->turns.body) != next) return NULL;
    *state = i;
    return lift_reshape(l, l->node->inputs[l->turns.first_in + i], v->type.rank, v->type.dims);
}

/* v is the c of a cell: nobody outside can say what it is in each turn, only its last. */
static bool is_next_state(const lifter *l, ir_value *v) {
    const ir_value *whole = plan_whole(v, l->turns.body);
    const ir_node *n = whole->graph == l->turns.body ? whole->producer : NULL;
    return recover_is(n, "LSTM") && n->n_out > RNN_YC && n->outputs[RNN_YC] == whole;
}

static bool recurrent(lifter *l, const ir_node *n) {
    const rnn_spec *spec = rnn_spec_of(n);
    lift_running *x = lift_running_of(l, n->inputs[RNN_X]);
    bool lstm = spec->kind == RNN_LSTM;
    int h = -1, c = -1, last = lstm ? RNN_C0 : RNN_H0;
    const int64_t *d = n->inputs[RNN_X]->type.dims;
    if (!x || spec->directions != 1 || spec->reverse || spec->batch_first || n->inputs[RNN_X]->type.rank != 3 || d[0] != 1 || n->n_in <= last) return false;
    for (int i = RNN_W; i < n->n_in; i++)
        if (i != RNN_H0 && i != RNN_C0 && n->inputs[i] && (i == RNN_LENS || !lift_outside(l, n->inputs[i]))) return false;
    ir_node *m = lift_node(l, n->op_type, n->n_in, lstm ? RNN_YC + 1 : RNN_YH + 1);
    if (!m) return false;
    for (int i = RNN_W; i < n->n_in; i++)
        if (i != RNN_H0 && i != RNN_C0 && n->inputs[i] && !(m->inputs[i] = lift_outer(l, n->inputs[i]))) return false;
    m->index = IR_RECOVERED;
    m->version = n->version;
    m->op = n->op;
    if (!(m->inputs[RNN_X] = lift_reshape(l, x->sequence, 3, (int64_t[]){l->trips, d[1], d[2]})) || !(m->inputs[RNN_H0] = initial(l, n, RNN_H0, RNN_YH, &h))) return false;
    if (lstm && (!(m->inputs[RNN_C0] = initial(l, n, RNN_C0, RNN_YC, &c)) || c == h)) return false;
    for (int i = 0; i < n->n_attrs; i++) {
        ir_attr *a = ir_attr_add(m, n->attrs[i].name, n->attrs[i].kind);
        if (!a) return false;
        a->v = n->attrs[i].v;       /* numbers, and strings of the arena */
        a->count = n->attrs[i].count;
    }
    if (x->backwards) {
        ir_attr *a = ir_attr_find(m, "direction") ? NULL : ir_attr_add(m, "direction", IR_ATTR_STRING);
        if (!a || !(a->v.s = util_arena_strdup(l->outer->arena, "reverse"))) return false;
        a->count = strlen("reverse");
    }
    int64_t hidden = n->outputs[RNN_YH]->type.dims[2];
    ir_value *y = lift_value(l, m, RNN_Y, x->sequence->type.type, 4, (int64_t[]){l->trips, 1, d[1], hidden}), *seen;
    if (!y || !(l->final[h] = lift_value(l, m, RNN_YH, y->type.type, 3, (int64_t[]){1, d[1], hidden}))) return false;
    if (lstm && !(l->final[c] = lift_value(l, m, RNN_YC, y->type.type, 3, (int64_t[]){1, d[1], hidden}))) return false;
    if (op_check_node(m, l->err) != CLSTM_OK) return false;
    l->cells++;
    for (int k = RNN_Y; k <= RNN_YH; k++)
        if ((seen = n->outputs[k]) && !lift_run(l, seen, lift_whole(l, y, seen), x->backwards)) return false;
    return true;
}

/* ---- the body -------------------------------------------------------------------------------------------------------------------------------- */

static bool reshapes(const ir_node *n) {
    return recover_is(n, "Reshape") || recover_is(n, "Squeeze") || recover_is(n, "Unsqueeze") || recover_is(n, "Flatten") || recover_is(n, "Identity");
}

/* What a node makes can be said outside; or it only looks at a state, which its reader decides about. */
static bool take_node(lifter *l, ir_node *n) {
    ir_value *out = n->n_out ? n->outputs[0] : NULL;
    bool cell = recover_is(n, "LSTM") || recover_is(n, "GRU") || recover_is(n, "RNN");
    if (n->domain[0] || n->n_bodies) return false;
    if (cell) return recurrent(l, n);
    if (lift_gathers_up(l, n)) return true;
    if (!out || !n->n_in || out->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&out->type)) return false;
    if (count_turns(l, n)) return true;
    lift_running *r = lift_running_of(l, n->inputs[0]);
    if (reshapes(n) && r) return lift_run(l, out, lift_whole(l, r->sequence, out), r->backwards);
    if (reshapes(n) && (state_of(l, n->inputs[0]) >= 0 || is_next_state(l, n->inputs[0]))) return true;
    if (recover_is(n, "Gather")) return pick(l, n);
    return lift_pointwise(l, n);
}

/* The values of a Scan's inputs, and the number of a Loop's turn. */
static bool begin(lifter *l) {
    const plan_turns *t = &l->turns;
    size_t count;
    if (t->loop) { l->index[t->body->inputs[0]->id] = (lift_index){1, 0}; return true; }
    const int64_t *turned = op_attr_ints(l->node, "scan_input_directions", &count), *axes;
    for (int k = 0; k < t->scans; k++) {
        ir_value *x = l->node->inputs[t->states + k], *in = t->body->inputs[t->states + k];
        size_t n_axes;
        int axis;
        axes = op_attr_ints(l->node, "scan_input_axes", &n_axes);
        bool backwards = turned && (size_t)k < count && turned[k];
        if (!tensor_axis(axes && (size_t)k < n_axes ? axes[k] : 0, x->type.rank, &axis) || !lift_run(l, in, lift_move_axis(l, x, axis, 0), backwards)) return false;
    }
    return true;
}

/* The counters among the states: c, c + 1, c + 2 ... from a constant on. */
static void find_counters(lifter *l) {
    const plan_turns *t = &l->turns;
    for (int i = 0; i < t->states; i++) {
        int64_t from;
        if (plan_turns_counter(l->node, t, i, &from)) l->index[t->body->inputs[t->first_in + i]->id] = (lift_index){1, from};
    }
}

/* A running value in the order of the turns, laid along `axis`. */
static ir_value *in_order(lifter *l, const lift_running *r, int64_t axis, bool prepended) {
    int at;
    ir_value *s = r->sequence;
    if (!tensor_axis(axis, s->type.rank, &at)) return NULL;
    if (r->backwards != prepended && !(s = lift_slice(l, s, l->trips - 1, l->trips, -1))) return NULL;
    return lift_move_axis(l, s, 0, at);
}

/* What stands for output i of the node outside; NULL: nothing can. */
static ir_value *final_state(lifter *l, int i) {
    const plan_turns *t = &l->turns;
    ir_value *in = t->body->inputs[t->first_in + i], *out = t->body->outputs[t->first_out + i], *before = l->node->inputs[t->first_in + i];
    const lift_index *k = index_of(l, out);
    lift_running *r = lift_running_of(l, out);
    if (l->final[i]) return out->type.rank >= 0 && l->final[i]->type.rank >= 0 && out->kind == CLSTM_KIND_TENSOR ? lift_reshape(l, l->final[i], out->type.rank, out->type.dims) : l->final[i];
    if (out == in) return before;
    if (lift_outside(l, out)) return lift_outer(l, out);
    if (k) {
        int64_t last = k->at + k->turn * (l->trips - 1);
        return out->type.type == CLSTM_INT64 ? lift_reshape(l, lift_ints(l, 1, 1, &last), out->type.rank, out->type.dims) : NULL;
    }
    if (!r) return NULL;
    ir_value *end = lift_slice(l, r->sequence, r->backwards ? 0 : l->trips - 1, 1, 1);
    return end ? lift_reshape(l, end, out->type.rank, out->type.dims) : NULL;
}

static int64_t entry(const ir_node *n, const char *name, int i) {
    size_t count;
    const int64_t *v = op_attr_ints(n, name, &count);
    return v && (size_t)i < count ? v[i] : 0;
}

static bool make_outputs(lifter *l, ir_value **made) {
    const plan_turns *t = &l->turns;
    for (int k = 0; k < l->node->n_out; k++) {
        ir_value *out = l->node->outputs[k];
        if (!out || !out->uses) continue;
        if (k < t->states) {
            if (!(made[k] = l->gathered[k].what ? lift_gathered(l, k) : final_state(l, k))) return false;
            continue;
        }
        int s = k - t->states;
        const lift_running *r = lift_running_of(l, t->body->outputs[t->first_out + k]);
        if (!r || !(made[k] = in_order(l, r, t->loop ? 0 : entry(l->node, "scan_output_axes", s), !t->loop && entry(l->node, "scan_output_directions", s)))) return false;
    }
    return true;
}

static bool trips_known(lifter *l) {
    const plan_turns *t = &l->turns;
    const ir_node *n = l->node;
    if (!t->loop) {
        const ir_value *x = n->inputs[t->states];
        int axis;
        if (x->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&x->type) || !tensor_axis(entry(n, "scan_input_axes", 0), x->type.rank, &axis)) return false;
        l->trips = x->type.dims[axis];
        return l->trips > 0;
    }
    const ir_value *go = n->inputs[1], *on = t->body->outputs[0];
    for (int k = 0; k < 2; k++) {
        const ir_value *v = k ? on : go;
        const void *data = v && v->constant ? ir_const_peek(v->constant) : NULL;
        if (v && (!data || v->type.type != CLSTM_BOOL || clstm_tensor_count(&v->type) != 1 || !*(const uint8_t *)data)) return false;
    }
    return one_int(n->inputs[0], &l->trips) && l->trips > 0;
}

/* ---- the pass -------------------------------------------------------------------------------------------------------------------------------- */

static bool lift(lifter *l, ir_value **made) {
    if (!begin(l)) return false;
    find_counters(l);
    for (size_t i = 0; i < l->turns.body->n_nodes; i++)
        if (!take_node(l, l->turns.body->nodes[i])) return false;
    return l->cells > 0 && make_outputs(l, made);
}

static clstm_status try_lift(ir_graph *root, ir_node *n, bool *lifted, clstm_error *err) {
    lifter l = {.root = root, .outer = n->graph, .node = n, .err = err};
    if (!plan_turns_of(n, &l.turns) || !l.turns.body->settled || !trips_known(&l)) return CLSTM_OK;
    size_t before = n->graph->n_nodes, values = l.turns.body->n_values;
    l.running = util_calloc(values, sizeof *l.running);
    l.index = util_calloc(values, sizeof *l.index);
    l.final = util_calloc((size_t)l.turns.states + 1, sizeof *l.final);
    l.gathered = util_calloc((size_t)l.turns.states + 1, sizeof *l.gathered);
    ir_value **made = util_calloc((size_t)n->n_out + 1, sizeof *made);
    clstm_status s = l.running && l.index && l.final && l.gathered && made ? CLSTM_OK : util_no_memory(err);
    if (s == CLSTM_OK) {
        *lifted = lift(&l, made);
        for (int k = 0; k < n->n_out && *lifted; k++)
            if (made[k] && !(k < l.turns.states && l.gathered[k].sequence)) ir_replace_uses(root, n->outputs[k], made[k]);
        for (int k = 0; k < l.n_joins && *lifted; k++) {
            ir_replace_uses(root, l.joins[k].node->outputs[0], l.joins[k].by);
            l.joins[k].node->mark = IR_DEAD;
        }
        if (*lifted) n->mark = IR_DEAD;
        for (size_t i = before; i < n->graph->n_nodes && !*lifted; i++) n->graph->nodes[i]->mark = IR_DEAD;
    }
    free(l.running); free(l.index); free(l.final); free(l.gathered); free(made);
    return s;
}

static clstm_status lift_in(ir_graph *root, ir_graph *g, bool *changed, clstm_error *err) {
    bool here = false;
    for (size_t i = 0, n = g->n_nodes; i < n; i++) {
        bool lifted = false;
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) UTIL_TRY(lift_in(root, g->nodes[i]->bodies[b], changed, err));
        if (g->nodes[i]->n_bodies == 1) UTIL_TRY(try_lift(root, g->nodes[i], &lifted, err));
        here |= lifted;
    }
    ir_graph_sweep(g);
    if (!here) return CLSTM_OK;
    *changed = true;
    return ir_graph_order(g, err);
}

clstm_status plan_lift_cells(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    (void)env;
    ir_count_uses(root);
    return lift_in(root, root, changed, err);
}
