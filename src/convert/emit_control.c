/* convert/emit_control: If, Loop and Scan. Their bodies are put into the graph between nodes that open, divide and close a block of calls:
 * "If.then", the first body, "If.else", the second, "If" (whose outputs are those of the body that ran); "Loop.begin" (the turn's number and the
 * states), the body, "Loop" or "Scan" (the states again, and what the turns gave, stacked). A Scan is a Loop that picks its slices by Gather. */
#include "convert/emit.h"

#include "ops/common.h"
#include "ops/table.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

/* ---- flattening ------------------------------------------------------------------------------------------------------------------------------ */

static clstm_status append(ir_graph *g, ir_node *n, clstm_error *err) {
    if (!util_grow((void **)&g->nodes, &g->cap_nodes, g->n_nodes + 1, sizeof *g->nodes)) return util_no_memory(err);
    g->nodes[g->n_nodes++] = n;
    return CLSTM_OK;
}

/* A node that stands for a part of `of`. */
static clstm_status mark(ir_graph *g, const ir_node *of, const char *op, int n_in, int n_out, ir_node **out, clstm_error *err) {
    ir_node *n = ir_node_new(g, op, "", of->version, "", n_in, n_out);
    if (!n) return util_no_memory(err);
    n->name = of->name;
    n->op = of->op;
    n->index = of->index;
    *out = n;
    return CLSTM_OK;
}

static clstm_status new_value(ir_graph *g, ir_node *producer, ir_value **out, clstm_error *err) {
    if (!(*out = ir_value_new(g, NULL))) return util_no_memory(err);
    (*out)->producer = producer;
    return CLSTM_OK;
}

static clstm_status new_step(ir_graph *g, const char *op, ir_value *a, ir_value *b, const int64_t *axis, ir_value **out, clstm_error *err) {
    ir_node *n;
    UTIL_TRY(emit_new_node(g, op, b ? 2 : 1, axis, &n, err));
    n->inputs[0] = a;
    if (b) n->inputs[1] = b;
    *out = n->outputs[0];
    return op_check_node(n, err);
}

/* The body's nodes; what its inputs are has been said. */
static clstm_status put_body(ir_graph *g, const ir_graph *body, clstm_error *err) {
    for (size_t i = 0; i < body->n_nodes; i++) {
        ir_node *n;
        UTIL_TRY(emit_copy_node(g, body, body->nodes[i], &n, err));
        UTIL_TRY(append(g, n, err));
    }
    return CLSTM_OK;
}

static void forget_places(ir_graph *body) {
    for (size_t i = 0; i < body->n_values; i++) body->values[i]->user = NULL;
}

static void take_outputs(ir_node *end, const ir_node *n) {
    for (int k = 0; k < n->n_out; k++)
        if ((end->outputs[k] = n->outputs[k])) end->outputs[k]->producer = end;
}

static clstm_status flatten_if(ir_graph *g, ir_node *n, clstm_error *err) {
    ir_node *part, *end;
    ir_value **made = util_arena_alloc(g->arena, 2 * (size_t)n->n_out + 1, sizeof *made);
    if (!made) return util_no_memory(err);
    for (int side = 0; side < 2; side++) {
        ir_graph *body = n->bodies[side];
        if ((int)body->n_out != n->n_out) return util_fail(err, CLSTM_BAD_MODEL, "a branch has %zu outputs, expected %d", body->n_out, n->n_out);
        UTIL_TRY(mark(g, n, side ? "If.else" : "If.then", !side, 0, &part, err));
        if (!side) part->inputs[0] = n->inputs[0];
        forget_places(body);
        UTIL_TRY(put_body(g, body, err));
        for (int k = 0; k < n->n_out; k++) UTIL_TRY(emit_current(g, body, body->outputs[k], &made[side * n->n_out + k], err));
    }
    UTIL_TRY(mark(g, n, "If", 2 * n->n_out, n->n_out, &end, err));
    memcpy(end->inputs, made, 2 * (size_t)n->n_out * sizeof *made);
    take_outputs(end, n);
    return CLSTM_OK;
}

/* "Loop.begin": how often, whether at all, how long the stacks are when how often is a matter of the run, the states; and what is scanned, along
 * the attribute axes, which must be as long as the stacks. Gives the number of the turn and the states. */
enum { BEGIN_TRIPS, BEGIN_GO, BEGIN_LENGTH, BEGIN_STATES };

static clstm_status begin_loop(ir_graph *g, const ir_node *of, ir_value *trips, ir_value *length, int states, ir_value *const *state, int scanned, ir_value *const *scan,
                               ir_node **out, clstm_error *err) {
    ir_node *n;
    UTIL_TRY(mark(g, of, "Loop.begin", BEGIN_STATES + states + scanned, 1 + states, &n, err));
    n->inputs[BEGIN_TRIPS] = trips;
    n->inputs[BEGIN_LENGTH] = length;
    if (states) memcpy(n->inputs + BEGIN_STATES, state, (size_t)states * sizeof *state);
    if (scanned) memcpy(n->inputs + BEGIN_STATES + states, scan, (size_t)scanned * sizeof *scan);
    for (int k = 0; k <= states; k++) UTIL_TRY(new_value(g, n, &n->outputs[k], err));
    ir_attr *a = ir_attr_add(n, "axes", IR_ATTR_INTS);
    if (!a || !(a->v.ints = util_arena_alloc(g->arena, (size_t)scanned + 1, sizeof *a->v.ints))) return util_no_memory(err);
    a->count = (size_t)scanned;
    *out = n;
    return CLSTM_OK;
}

/* The node that closes the block: whether it goes on, the new states, and a slice of each stack. */
static clstm_status end_loop(ir_graph *g, const ir_node *of, ir_graph *body, int n_values, ir_node **out, clstm_error *err) {
    size_t first = body->n_out - (size_t)n_values;
    UTIL_TRY(mark(g, of, of->op_type, 1 + n_values, n_values, out, err));
    for (int k = 0; k < n_values; k++) UTIL_TRY(emit_current(g, body, body->outputs[first + (size_t)k], &(*out)->inputs[1 + k], err));
    return CLSTM_OK;
}

static clstm_status flatten_loop(ir_graph *g, ir_node *n, clstm_error *err) {
    ir_graph *body = n->bodies[0];
    ir_node *begin, *end;
    ir_value *truth;
    int states = n->n_in > 2 ? n->n_in - 2 : 0, values = (int)body->n_out - 1;
    if ((int)body->n_in != 2 + states || values < states || n->n_out > values) return util_fail(err, CLSTM_BAD_MODEL, "a body with other inputs or outputs than its node");
    UTIL_TRY(begin_loop(g, n, n->n_in > 0 ? n->inputs[0] : NULL, NULL, states, n->inputs + 2, 0, NULL, &begin, err));
    if (n->n_in > 1) begin->inputs[BEGIN_GO] = n->inputs[1];
    UTIL_TRY(emit_new_const(g, CLSTM_BOOL, 0, 1, &truth, err));
    forget_places(body);
    body->inputs[0]->user = begin->outputs[0];
    body->inputs[1]->user = truth;
    for (int k = 0; k < states; k++) body->inputs[2 + k]->user = begin->outputs[1 + k];
    bool stays = emit_stays_true(body);
    UTIL_TRY(put_body(g, body, err));
    UTIL_TRY(end_loop(g, n, body, values, &end, err));
    if (!stays) UTIL_TRY(emit_current(g, body, body->outputs[0], &end->inputs[0], err));
    take_outputs(end, n);
    return CLSTM_OK;
}

static int64_t entry(const ir_node *n, const char *name, int k) {
    const ir_attr *a = ir_attr_find(n, name);
    return a && (size_t)k < a->count ? a->v.ints[k] : 0;
}

static clstm_status size_along(ir_graph *g, ir_value *x, int64_t axis, ir_value **out, clstm_error *err) {
    static const int64_t first = 0;
    ir_value *shape, *place;
    UTIL_TRY(new_step(g, "Shape", x, NULL, NULL, &shape, err));
    UTIL_TRY(emit_new_const(g, CLSTM_INT64, 0, axis, &place, err));
    return new_step(g, "Gather", shape, place, &first, out, err);
}

/* The loop over the slices of scan[] along the axes; `length` when `trips` may be fewer. Leaves the node that closes the block. */
static clstm_status scan_slices(ir_graph *g, const ir_node *n, ir_value *trips, ir_value *length, int states, ir_value *const *state, int scans, ir_value *const *scan, bool old,
                                ir_node **end, clstm_error *err) {
    ir_graph *body = n->bodies[0];
    ir_node *begin;
    UTIL_TRY(begin_loop(g, n, trips, length, states, state, scans, scan, &begin, err));
    forget_places(body);
    for (int k = 0; k < states; k++) body->inputs[k]->user = begin->outputs[1 + k];
    for (int k = 0; k < scans; k++) {
        ir_value *at = begin->outputs[0], *slice, *one;
        const int64_t axis = old ? 0 : entry(n, "scan_input_axes", k);
        begin->attrs[0].v.ints[k] = axis;
        if (entry(n, old ? "directions" : "scan_input_directions", k)) {       /* trips - 1 - at */
            UTIL_TRY(emit_new_const(g, CLSTM_INT64, 0, 1, &one, err));
            UTIL_TRY(new_step(g, "Add", at, one, NULL, &at, err));
            UTIL_TRY(new_step(g, "Sub", trips, at, NULL, &at, err));
        }
        UTIL_TRY(new_step(g, "Gather", scan[k], at, &axis, &slice, err));
        body->inputs[states + k]->user = slice;
    }
    UTIL_TRY(put_body(g, body, err));
    return end_loop(g, n, body, (int)body->n_out, end, err);
}

/* Of opset 8: a row of the batch after the other, each for its own number of steps. */
static clstm_status flatten_scan8(ir_graph *g, ir_node *n, int states, int scans, clstm_error *err) {
    static const int64_t first = 0;
    ir_node *rows, *end, *inner;
    ir_value *batch, *longest, *length, **row = util_arena_alloc(g->arena, (size_t)n->n_in + 1, sizeof *row);
    if (!row) return util_no_memory(err);
    UTIL_TRY(size_along(g, n->inputs[1 + states], 0, &batch, err));
    UTIL_TRY(size_along(g, n->inputs[1 + states], 1, &longest, err));
    UTIL_TRY(begin_loop(g, n, batch, NULL, 0, NULL, states + scans, n->inputs + 1, &rows, err));
    for (int k = 0; k < states + scans; k++) {
        rows->attrs[0].v.ints[k] = 0;
        UTIL_TRY(new_step(g, "Gather", n->inputs[1 + k], rows->outputs[0], &first, &row[k], err));
    }
    length = longest;
    if (n->inputs[0]) UTIL_TRY(new_step(g, "Gather", n->inputs[0], rows->outputs[0], &first, &length, err));
    UTIL_TRY(scan_slices(g, n, length, n->inputs[0] ? longest : NULL, states, row, scans, row + states, true, &inner, err));
    for (int k = 0; k < inner->n_out; k++) UTIL_TRY(new_value(g, inner, &inner->outputs[k], err));
    UTIL_TRY(mark(g, n, n->op_type, 1 + inner->n_out, inner->n_out, &end, err));
    memcpy(end->inputs + 1, inner->outputs, (size_t)inner->n_out * sizeof *end->inputs);
    take_outputs(end, n);
    return CLSTM_OK;
}

static clstm_status flatten_scan(ir_graph *g, ir_node *n, clstm_error *err) {
    ir_graph *body = n->bodies[0];
    ir_node *end;
    ir_value *trips;
    bool old = n->version < 9;
    int scans = (int)op_attr_int(n, "num_scan_inputs"), states = n->n_in - old - scans;
    if ((int)body->n_in != states + scans || (int)body->n_out < states || n->n_out > (int)body->n_out) return util_fail(err, CLSTM_BAD_MODEL, "a body with other inputs or outputs than its node");
    if (old) return flatten_scan8(g, n, states, scans, err);
    UTIL_TRY(size_along(g, n->inputs[states], entry(n, "scan_input_axes", 0), &trips, err));
    UTIL_TRY(scan_slices(g, n, trips, NULL, states, n->inputs, scans, n->inputs + states, false, &end, err));
    for (int i = 0; i < 2; i++) {
        const ir_attr *from = ir_attr_find(n, i ? "scan_output_directions" : "scan_output_axes");
        ir_attr *to = from ? ir_attr_add(end, from->name, from->kind) : NULL;
        if (from && !to) return util_no_memory(err);
        if (to) { to->count = from->count; to->v = from->v; }
    }
    take_outputs(end, n);
    return CLSTM_OK;
}

clstm_status emit_flatten(ir_graph *g, clstm_error *err) {
    char text[256];
    size_t n_old = g->n_nodes;
    ir_node **old = util_arena_alloc(g->arena, n_old + 1, sizeof *old);
    if (!old) return util_no_memory(err);
    if (n_old) memcpy(old, g->nodes, n_old * sizeof *old);
    for (size_t i = 0; i < n_old; i++)
        for (int b = 0; b < old[i]->n_bodies; b++) UTIL_TRY(emit_flatten(old[i]->bodies[b], err));
    for (size_t i = 0; i < n_old; i++) {        /* all behind what was there */
        ir_node *n = old[i];
        clstm_status status = !n->n_bodies ? append(g, n, err) : ir_is(n, "If") ? flatten_if(g, n, err) : ir_is(n, "Loop") ? flatten_loop(g, n, err) : flatten_scan(g, n, err);
        if (status != CLSTM_OK) return util_context(err, status, "%s", ir_node_text(text, sizeof text, n));
        if (!n->n_bodies) continue;
        n->mark = IR_DEAD;
        UTIL_TRY(append(g, n, err));
    }
    memmove(g->nodes, g->nodes + n_old, (g->n_nodes - n_old) * sizeof *g->nodes);
    g->n_nodes -= n_old;
    ir_graph_sweep(g);
    return CLSTM_OK;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------------------------------------ */

static void give(emit_step *s, int k, clstm_type type, int rank, const emit_dim *dims, const int64_t *sizes) {
    emit_value *v = s->out[k];
    if (!v) return;
    v->type = type;
    v->rank = rank;
    for (int d = 0; d < rank; d++) { v->dims[d] = dims[d]; v->trial[d] = sizes[d]; }
    tensor_set(&s->ctx.out[k]->tensor, type, rank, v->trial);
}

static void give_like(emit_step *s, int k, const emit_value *v) { give(s, k, v->type, v->rank, v->dims, v->trial); }

static bool alike(const emit_value *a, const emit_value *b) {
    if (!a || !b || a->type != b->type || a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (!emit_same(&a->dims[d], &b->dims[d])) return false;
    return true;
}

static clstm_status one_element(emitter *e, const emit_step *s, int i, const char *what) {
    return emit_has(s, i) && !emit_is(&s->in[i]->count, 1) ? emit_give_up(e, what) : CLSTM_OK;
}

static clstm_status shape_then(emitter *e, emit_step *s) {
    e->open = s;
    return one_element(e, s, 0, "If with a condition of more or less than one element");
}
static clstm_status shape_else(emitter *e, emit_step *s) { e->open = s; return CLSTM_OK; }

static clstm_status shape_if(emitter *e, emit_step *s) {
    emit_step *middle = e->open, *begin = middle->around;
    begin->other = middle->other = s;
    s->other = begin;
    s->around = e->open = begin->around;
    for (int k = 0; k < s->n->n_out; k++) {
        if (!alike(s->in[k], s->in[s->n->n_out + k])) return emit_give_up(e, "If whose branches give other types or shapes");
        give_like(s, k, s->in[k]);
    }
    return CLSTM_OK;
}

/* How long the stacks of the loop are, and how many turns there are when that is known before: NULL otherwise. */
static const emit_dim *turns_of(const emit_step *begin) { return emit_has(begin, BEGIN_TRIPS) && !emit_has(begin, BEGIN_LENGTH) && begin->in[BEGIN_TRIPS]->known ? &begin->in[BEGIN_TRIPS]->known[0] : NULL; }
static const emit_dim *length_of(const emit_step *begin) { return emit_has(begin, BEGIN_LENGTH) ? begin->in[BEGIN_LENGTH]->known : turns_of(begin); }

static clstm_status shape_begin(emitter *e, emit_step *s) {
    int states = s->n->n_out - 1;
    const emit_dim *length = length_of(s);
    e->open = s;
    UTIL_TRY(one_element(e, s, BEGIN_TRIPS, "Loop with a trip count of more or less than one element"));
    UTIL_TRY(one_element(e, s, BEGIN_GO, "Loop with a condition of more or less than one element"));
    give(s, 0, CLSTM_INT64, 0, NULL, NULL);
    for (int k = 0; k < states; k++) {
        if (!emit_has(s, BEGIN_STATES + k)) return emit_give_up(e, "state without a value");
        give_like(s, 1 + k, s->in[BEGIN_STATES + k]);
    }
    for (int i = BEGIN_STATES + states, k = 0; i < s->n->n_in; i++, k++) {
        int64_t axis = s->n->attrs[0].v.ints[k];
        const emit_value *x = s->in[i];
        if (axis < -x->rank || axis >= x->rank) return util_fail(e->err, CLSTM_BAD_MODEL, "scan input %d: its axis is outside rank %d", k, x->rank);
        if (!length || !emit_same(&x->dims[axis < 0 ? axis + x->rank : axis], length)) return emit_give_up(e, "Scan of inputs of other lengths");
    }
    return CLSTM_OK;
}

/* Nothing but the number of turns ends it. */
static bool runs_through(const emit_step *begin, const emit_step *end) {
    bool starts = !emit_has(begin, BEGIN_GO) || (begin->in[BEGIN_GO]->known && emit_is(&begin->in[BEGIN_GO]->known[0], 1));
    return starts && !emit_has(end, 0);
}

/* Where stack k has its turns, among as many dimensions as the output has. */
static int stack_axis(const emit_step *s, int k, int rank) {
    int64_t axis = entry(s->n, "scan_output_axes", k);
    return axis < -rank || axis >= rank ? -1 : (int)(axis < 0 ? axis + rank : axis);
}

static clstm_status shape_end(emitter *e, emit_step *s) {
    emit_step *begin = e->open;
    int states = begin->n->n_out - 1;
    const emit_dim *length = length_of(begin);
    int64_t size, at[EMIT_SYMBOLS];
    begin->other = s;
    s->other = begin;
    s->around = e->open = begin->around;
    UTIL_TRY(one_element(e, s, 0, "Loop with a condition of more or less than one element"));
    for (int k = 0; k < EMIT_SYMBOLS; k++) at[k] = emit_trial(e, k);
    for (int k = 0; k < s->n->n_out; k++) {
        const emit_value *v = s->in[1 + k];
        if (k < states && !alike(v, begin->out[1 + k])) return emit_give_up(e, "Loop whose states change their types or shapes");
        if (k < states) { give_like(s, k, v); continue; }
        emit_dim dims[CLSTM_MAX_RANK];
        int64_t sizes[CLSTM_MAX_RANK];
        if (!s->out[k]) continue;
        if (!v || v->rank == CLSTM_MAX_RANK) return emit_give_up(e, "scan output of so many dimensions");
        int axis = stack_axis(s, k - states, v->rank + 1);
        if (axis < 0) return util_fail(e->err, CLSTM_BAD_MODEL, "scan output %d: its axis is outside rank %d", k - states, v->rank + 1);
        if (!length || !emit_nonnegative(length) || !emit_evaluate(length, at, &size) || !runs_through(begin, s)) return emit_give_up(e, "scan outputs of a number of turns that only the run knows");
        for (int d = 0; d <= v->rank; d++) { dims[d] = d == axis ? *length : v->dims[d - (d > axis)]; sizes[d] = d == axis ? size : v->trial[d - (d > axis)]; }
        give(s, k, v->type, v->rank + 1, dims, sizes);
    }
    return CLSTM_OK;
}

/* ---- code: between the calls ---------------------------------------------------------------------------------------------------------------------- */

static void copy(emitter *e, const char *to, const char *from, const emit_value *v) { emit_call(e, "memcpy(%s, %s, sizeof(%s) * %s);", to, from, emit_ctype(v->type), emit_size(e, &v->count)); }

static clstm_status code_then(emitter *e, emit_step *s) {
    emit_call(e, "if (%s[0]) {", emit_place_of(e, s->in[0]));
    e->depth++;
    return CLSTM_OK;
}

/* The outputs are copied at the end of either branch: none lies where the other needs its room. */
static void copy_branch(emitter *e, const emit_step *end, int from) {
    for (int k = 0; k < end->n->n_out; k++)
        if (emit_gives(end, k)) copy(e, emit_place_of(e, end->out[k]), emit_place_of(e, end->in[from + k]), end->out[k]);
    e->depth--;
}
static clstm_status code_else(emitter *e, emit_step *s) {
    copy_branch(e, s->other, 0);
    emit_call(e, "} else {");
    e->depth++;
    return CLSTM_OK;
}
static clstm_status code_if(emitter *e, emit_step *s) {
    copy_branch(e, s, s->n->n_out);
    emit_call(e, "}");
    return CLSTM_OK;
}

/* A trip count or a condition that the run brings may come from an index that was out of range: then the loop ends as well. */
static clstm_status code_begin(emitter *e, emit_step *s) {
    const emit_step *end = s->other;
    const emit_dim *turns = turns_of(s);
    int states = s->n->n_out - 1, i = s->number;
    bool through = runs_through(s, end);
    const char *most = turns ? emit_size(e, turns) : emit_has(s, BEGIN_TRIPS) ? emit_say(e, "most%d", i) : "INT64_MAX";
    for (int k = 0; k < states; k++) copy(e, emit_place_of(e, s->out[1 + k]), emit_place_of(e, s->in[BEGIN_STATES + k]), s->out[1 + k]);
    if (!turns && emit_has(s, BEGIN_TRIPS)) emit_call(e, "const int64_t most%d = %s[0];", i, emit_place_of(e, s->in[BEGIN_TRIPS]));
    if (emit_has(s, BEGIN_LENGTH)) emit_call(e, "if (most%d < 0 || most%d > %s) w->bad = 1;", i, i, emit_size(e, length_of(s)));
    for (int k = states; emit_has(s, BEGIN_LENGTH) && k < end->n->n_out; k++)
        if (emit_gives(end, k)) emit_call(e, "memset(%s, 0, sizeof(%s) * %s);", emit_place_of(e, end->out[k]), emit_ctype(end->out[k]->type), emit_size(e, &end->out[k]->count));
    if (!through) emit_call(e, "int go%d = %s;", i, emit_has(s, BEGIN_GO) ? emit_say(e, "%s[0]", emit_place_of(e, s->in[BEGIN_GO])) : "1");
    emit_call(e, "for (int64_t turn%d = 0; turn%d < %s%s%s; turn%d++) {", i, i, most, through ? "" : emit_say(e, " && go%d", i), through && turns ? "" : " && !w->bad", i);
    e->depth++;
    if (s->out[0]->needed) emit_call(e, "%s[0] = turn%d;", emit_place_of(e, s->out[0]), i);
    return CLSTM_OK;
}

/* A state that becomes another's old value has to wait for it. */
static bool waits(const emit_step *s, int k) {
    const emit_step *begin = s->other;
    for (int j = 1; j < begin->n->n_out; j++)
        if (j != 1 + k && emit_root(s->in[1 + k]) == begin->out[j]) return true;
    return false;
}

static clstm_status plan_end(emitter *e, emit_step *s) {
    const emit_step *begin = s->other;
    for (int k = 0; k < begin->n->n_out - 1; k++) {
        if (s->out[k]) s->out[k]->base = begin->out[1 + k];
        if (!waits(s, k)) continue;
        if (s->n_temporaries == EMIT_TEMPORARIES) return emit_refuse(e, "more than eight states that change places");
        emit_temporary(e, s, s->in[1 + k]->type, s->in[1 + k]->count);
    }
    return CLSTM_OK;
}

static clstm_status put_slice(emitter *e, const emit_step *s, int k) {
    const emit_value *v = s->in[1 + k], *y = s->out[k];
    int output = k - (s->other->n->n_out - 1), axis = stack_axis(s, output, y->rank);
    emit_dim outer, inner;
    UTIL_TRY(emit_span(e, y->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, y->dims, axis + 1, y->rank, &inner));
    const char *T = emit_ctype(v->type), *n = emit_size(e, &y->dims[axis]), *block = emit_size(e, &inner), *from = emit_place_of(e, s->in[1 + k]);
    const char *turn = entry(s->n, "scan_output_directions", output) ? emit_say(e, "(%s - 1 - turn%d)", n, s->other->number) : emit_say(e, "turn%d", s->other->number);
    emit_call(e, "for (int64_t o = 0; o < %s; o++) memcpy(%s + (o * %s + %s) * %s, %s + o * %s, sizeof(%s) * %s);", emit_size(e, &outer), emit_place_of(e, s->out[k]), n, turn, block, from, block, T, block);
    return CLSTM_OK;
}

static clstm_status code_end(emitter *e, emit_step *s) {
    emit_step *begin = s->other;
    int states = begin->n->n_out - 1, kept = 0;
    if (!runs_through(begin, s)) emit_call(e, "go%d = %s;", begin->number, emit_has(s, 0) ? emit_say(e, "%s[0]", emit_place_of(e, s->in[0])) : "1");
    for (int k = states; k < s->n->n_out; k++)
        if (emit_gives(s, k)) UTIL_TRY(put_slice(e, s, k));
    for (int k = 0; k < states; k++)
        if (waits(s, k)) copy(e, s->temporary[kept++]->text, emit_place_of(e, s->in[1 + k]), s->in[1 + k]);
    kept = 0;
    for (int k = 0; k < states; k++) {
        const char *from = waits(s, k) ? s->temporary[kept++]->text : emit_place_of(e, s->in[1 + k]), *to = emit_place_of(e, begin->out[1 + k]);
        if (strcmp(from, to) != 0) copy(e, to, from, begin->out[1 + k]);
    }
    e->depth--;
    emit_call(e, "}");
    return CLSTM_OK;
}

#define BLOCK(op, how, text) {.name = op, .shape = how, .code = text, .flags = EMIT_BLOCK}
const emit_row emit_rows_control[] = {
    BLOCK("If.then", shape_then, code_then), BLOCK("If.else", shape_else, code_else), BLOCK("If", shape_if, code_if), BLOCK("Loop.begin", shape_begin, code_begin),
    {.name = "Loop", .shape = shape_end, .code = code_end, .plan = plan_end, .flags = EMIT_BLOCK},
    {.name = "Scan", .shape = shape_end, .code = code_end, .plan = plan_end, .flags = EMIT_BLOCK}, {.name = NULL}};
