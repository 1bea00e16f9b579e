/* convert/emit_flatten: the bodies of If, Loop and Scan in the graph around them, between nodes that open, divide and close a block of calls:
 * "If.then", the first body, "If.else", the second, "If" (whose outputs are those of the body that ran); "Loop.begin" (the turn's number and the
 * states), the body, "Loop" or "Scan" (the states again, and what the turns gave, stacked). A Scan is a Loop that picks its slices by Gather.
 * The emitter's rows for these nodes are in emit_control.c. */
#include "convert/emit_control.h"

#include "ops/common.h"
#include "ops/table.h"
#include "util/status.h"

#include <string.h>

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
        const int64_t axis = old ? 0 : emit_entry(n, "scan_input_axes", k);
        begin->attrs[0].v.ints[k] = axis;
        if (emit_entry(n, old ? "directions" : "scan_input_directions", k)) {       /* trips - 1 - at */
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
    UTIL_TRY(size_along(g, n->inputs[states], emit_entry(n, "scan_input_axes", 0), &trips, err));
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

static clstm_status flatten_node(ir_graph *g, ir_node *n, clstm_error *err) {
    char text[256];
    if (!n->n_bodies) return append(g, n, err);
    clstm_status status = ir_is(n, "If") ? flatten_if(g, n, err) : ir_is(n, "Loop") ? flatten_loop(g, n, err) : flatten_scan(g, n, err);
    return status == CLSTM_OK ? status : util_context(err, status, "%s", ir_node_text(text, sizeof text, n));
}

/* The list is made anew. What fails leaves every node in it once, to be destroyed with the graph. */
clstm_status emit_flatten(ir_graph *g, clstm_error *err) {
    size_t n_old = g->n_nodes, done = 0;
    ir_node **old = util_arena_alloc(g->arena, n_old + 1, sizeof *old);
    if (!old) return util_no_memory(err);
    for (size_t i = 0; i < n_old; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) UTIL_TRY(emit_flatten(g->nodes[i]->bodies[b], err));
    if (n_old) memcpy(old, g->nodes, n_old * sizeof *old);
    g->n_nodes = 0;
    clstm_status status = CLSTM_OK;
    for (; done < n_old && status == CLSTM_OK; done++) {
        ir_node *n = old[done];
        status = flatten_node(g, n, err);
        if (status != CLSTM_OK) break;
        if (!n->n_bodies) continue;
        n->mark = IR_DEAD;
        if ((status = append(g, n, err)) != CLSTM_OK) break;
    }
    for (size_t i = done; i < n_old; i++)
        if (append(g, old[i], NULL) != CLSTM_OK) break;
    UTIL_TRY(status);
    ir_graph_sweep(g);
    return CLSTM_OK;
}
