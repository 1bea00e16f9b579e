/* convert/lint_step: steps that a trace takes by their number in the example. Where frozen sizes have told how long the example was
 * (l->example), what is its last step is known, and a model that fails at other lengths gives no answer there that a repair could change. */
#include "convert/edit.h"
#include "convert/lint_trial.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <string.h>

/* The recurrent layer whose Y v is, seen through nodes that move or change elements of it alone. */
static const ir_node *behind_layer(const ir_value *v) {
    static const char *const pass[] = {"Transpose", "Squeeze", "Unsqueeze", "Reshape", "Identity", "Dropout", "Cast", "Relu", "Tanh", "Sigmoid", "LeakyRelu", "Elu",
                                       "BatchNormalization", "LayerNormalization", "Add", "Mul", "MatMul", "Gemm"};
    for (int far = 0; far < 32 && v->producer; far++) {
        const ir_node *p = v->producer;
        if (lint_recurrent(p)) return p->outputs[0] == v ? p : NULL;
        bool through = false;
        for (size_t i = 0; i < sizeof pass / sizeof *pass; i++) through |= !p->domain[0] && !strcmp(p->op_type, pass[i]);
        if (!through || !p->n_in || !p->inputs[0]) return NULL;
        v = p->inputs[0];
    }
    return NULL;
}

static clstm_status one_number(lint *l, const ir_value *v, bool *there, int64_t *value) {
    ir_const *c = lint_constant(l, v);
    const void *data;
    *there = c && c->tensor.type == CLSTM_INT64 && clstm_tensor_count(&c->tensor) == 1;
    if (!*there) return CLSTM_OK;
    UTIL_TRY(ir_const_data(c, &data, l->err));
    *value = *(const int64_t *)data;
    return CLSTM_OK;
}

/* Which step of which axis the node takes; *axis -1: it takes no single one. */
static clstm_status taken_step(lint *l, const ir_node *n, int rank, int *axis, int64_t *step) {
    const ir_attr *a = ir_attr_find(n, "axis");
    int64_t at = a ? a->v.i : 0, end, stride = 1;
    bool there, known = true;
    *axis = -1;
    if (!strcmp(n->op_type, "Gather")) UTIL_TRY(one_number(l, n->inputs[1], &there, step));
    else {
        UTIL_TRY(one_number(l, n->inputs[1], &there, step));
        if (there) UTIL_TRY(one_number(l, n->inputs[2], &there, &end));
        if (there) UTIL_TRY(one_number(l, lint_input(n, 3), &there, &at));
        if (lint_input(n, 4)) UTIL_TRY(one_number(l, n->inputs[4], &known, &stride));
        there = there && known && stride == 1 && end == *step + 1;
    }
    if (there && *step > 0) tensor_axis(at, rank, axis);
    return CLSTM_OK;
}

static clstm_status take_last(lint *l, ir_node *n) {
    ir_graph *g = n->graph;
    bool slice = !strcmp(n->op_type, "Slice");
    const ir_const *index = lint_constant(l, n->inputs[1]);
    int64_t last = -1;
    clstm_tensor t = clstm_tensor_view(CLSTM_INT64, index->tensor.rank, index->tensor.dims, &last);
    ir_value *start = ir_constant(g, &t, l->err), *end = slice ? ir_constant_ints(g, 1, 1, &(int64_t){INT64_MAX}, l->err) : NULL;
    if (!start || (slice && !end)) return l->err->status;
    n->inputs[1] = start;
    if (slice) n->inputs[2] = end;
    return CLSTM_OK;
}

/* How many steps the example had along the axis; 0: not known. */
static int64_t example_steps(const trial *known, const ir_value *v, int axis) {
    trial_shape s;
    int of = -1;
    if (!known->n_symbols || !trial_shape_of(known, v, &s) || s.dims[axis].number != 1) return 0;
    for (int k = 0; k < known->n_symbols; k++) if (s.dims[axis].power[k]) of = of < 0 && s.dims[axis].power[k] == 1 ? k : known->n_symbols;
    return of >= 0 && of < known->n_symbols ? known->example[of] : 0;
}

/* Steps along the axis stay taken by their numbers: lint.counted. */
static void stays_counted(const trial *known, const ir_value *v, int axis) {
    trial_shape s;
    if (!known->n_symbols || !trial_shape_of(known, v, &s)) return;
    for (int k = 0; k < known->n_symbols; k++) known->l->counted[known->symbol[k]] |= s.dims[axis].power[k] > 0;
}

/* The node takes one step, not the first, of what a layer gives out for a sequence of any length. */
static clstm_status step_of(lint *l, ir_node *n, const trial *known, const ir_graph *a, const ir_graph *b) {
    bool gather = !strcmp(n->op_type, "Gather"), slice = !strcmp(n->op_type, "Slice");
    const ir_node *layer = !n->domain[0] && (gather || slice) && n->version >= 11 && n->n_in > 1 && n->inputs[0] ? behind_layer(n->inputs[0]) : NULL;
    const clstm_tensor *small = layer ? lint_shape(a, n->inputs[0]) : NULL, *large = layer ? lint_shape(b, n->inputs[0]) : NULL;
    const clstm_tensor *x = layer ? lint_shape(a, layer->inputs[RNN_X]) : NULL;
    const ir_attr *layout = layer ? ir_attr_find(layer, "layout") : NULL;
    int axis;
    int64_t step;
    if (!small || !large || !x || x->rank != 3) return CLSTM_OK;
    UTIL_TRY(taken_step(l, n, small->rank, &axis, &step));
    if (axis < 0 || small->dims[axis] == large->dims[axis] || small->dims[axis] != x->dims[layout && layout->v.i ? 1 : 0]) return CLSTM_OK;
    int64_t steps = example_steps(known, n->inputs[0], axis);
    unsigned flags = !steps ? 0 : step == steps - 1 ? LINT_PROVEN | LINT_KEEPS : LINT_LOST;
    char last[64] = "the last one of the example?";
    if (steps) snprintf(last, sizeof last, "the example had %lld", (long long)steps);
    if (!(flags & LINT_KEEPS)) stays_counted(known, n->inputs[0], axis);
    if (!lint_found(l, n, flags, "step %lld of a sequence of any length is taken by its number: %s", (long long)step, last)) return CLSTM_OK;
    return take_last(l, n);
}

/* Where a Slice along one axis starts and ends, both counted from the begin; *axis -1: it does not. */
static clstm_status taken_span(lint *l, const ir_node *n, int rank, int *axis, int64_t *start, int64_t *end) {
    int64_t at = 0, stride = 1;
    bool there, known = true;
    UTIL_TRY(one_number(l, n->inputs[1], &there, start));
    if (there) UTIL_TRY(one_number(l, n->inputs[2], &there, end));
    if (there) UTIL_TRY(one_number(l, lint_input(n, 3), &there, &at));
    if (lint_input(n, 4)) UTIL_TRY(one_number(l, n->inputs[4], &known, &stride));
    *axis = -1;
    if (there && known && stride > 0 && *start >= 0 && *end > *start + 1 && *end < INT32_MAX) tensor_axis(at, rank, axis);
    return CLSTM_OK;
}

/* The node takes several steps of a sequence of any length, of which the last is told by its number. */
static clstm_status span_of(lint *l, ir_node *n, const trial *known, const ir_graph *a, const ir_graph *b) {
    bool slice = ir_is(n, "Slice") && n->version >= 11 && n->n_in > 3 && n->inputs[0];
    const clstm_tensor *small = slice ? lint_shape(a, n->inputs[0]) : NULL, *large = slice ? lint_shape(b, n->inputs[0]) : NULL;
    int axis;
    int64_t start, end;
    if (!small || !large || small->rank < 3 || !type_is_float(small->type)) return CLSTM_OK;
    UTIL_TRY(taken_span(l, n, small->rank, &axis, &start, &end));
    if (axis < 0 || small->dims[axis] == large->dims[axis]) return CLSTM_OK;
    int64_t steps = example_steps(known, n->inputs[0], axis), left = steps - end;
    unsigned flags = steps && !left ? LINT_PROVEN | LINT_KEEPS : steps && left > 0 && (left == 1 || left == start) ? 0 : LINT_LOST;
    char had[64] = "an end counted in the example?";
    if (steps) snprintf(had, sizeof had, "the example had %lld", (long long)steps);
    if (!(flags & LINT_KEEPS)) stays_counted(known, n->inputs[0], axis);
    if (!lint_found(l, n, flags, "steps %lld to %lld of a sequence of any length are taken by their numbers: %s", (long long)start, (long long)end - 1, had))
        return CLSTM_OK;
    ir_value *to = ir_constant_ints(n->graph, 1, 1, &(int64_t){left ? -left : INT64_MAX}, l->err);
    if (!to) return l->err->status;
    n->inputs[2] = to;
    return CLSTM_OK;
}

static bool takes_row(lint *l, const ir_node *n, const ir_value *from, int axis, int rank, int64_t *step, clstm_status *s) {
    const ir_attr *a = ir_attr_find(n, "axis");
    bool there = false;
    int at;
    if (n->domain[0] || strcmp(n->op_type, "Gather") || n->inputs[0] != from || !tensor_axis(a ? a->v.i : 0, rank, &at) || at != axis) return false;
    *s = one_number(l, n->inputs[1], &there, step);
    return *s == CLSTM_OK && there && *step >= 0;
}

/* A loop over time that the trace unrolled: rows 0, 1, 2 ... of a dimension of any size, one by one. n takes row 0. */
static clstm_status unrolled(lint *l, const ir_node *n, const trial *known, const ir_graph *a, const ir_graph *b) {
    const clstm_tensor *small = n->n_in > 1 && n->inputs[0] ? lint_shape(a, n->inputs[0]) : NULL, *large = small ? lint_shape(b, n->inputs[0]) : NULL;
    const ir_attr *attr = ir_attr_find(n, "axis");
    clstm_status s = CLSTM_OK;
    int axis;
    int64_t step, rows = 0;
    if (!large || !tensor_axis(attr ? attr->v.i : 0, small->rank, &axis) || small->dims[axis] == large->dims[axis]) return CLSTM_OK;
    if (!takes_row(l, n, n->inputs[0], axis, small->rank, &step, &s) || step) return s;
    for (size_t i = 0; i < l->graph->n_nodes && s == CLSTM_OK; i++)
        if (takes_row(l, l->graph->nodes[i], n->inputs[0], axis, small->rank, &step, &s)) rows += step == rows;
    if (s != CLSTM_OK || rows < 2) return s;
    stays_counted(known, n->inputs[0], axis);
    lint_found(l, n, LINT_LOST, "steps 0 to %lld of a sequence of any length are taken one by one: a loop that the trace unrolled for the example?", (long long)rows - 1);
    return s;
}

/* The node takes all the rows that the example had of a dimension of any size, by their numbers, one way or the other. */
static clstm_status rows_of(lint *l, const ir_node *n, const trial *known, const ir_graph *a, const ir_graph *b) {
    bool gather = ir_is(n, "Gather") && n->inputs[0];
    const clstm_tensor *small = gather ? lint_shape(a, n->inputs[0]) : NULL, *large = gather ? lint_shape(b, n->inputs[0]) : NULL;
    const ir_attr *attr = ir_attr_find(n, "axis");
    ir_const *c = small && large ? lint_constant(l, n->inputs[1]) : NULL;
    const void *data;
    int axis;
    if (!c || c->tensor.type != CLSTM_INT64 || !tensor_axis(attr ? attr->v.i : 0, small->rank, &axis)) return CLSTM_OK;
    if (small->dims[axis] == large->dims[axis]) return CLSTM_OK;
    int64_t rows = clstm_tensor_count(&c->tensor);
    bool up = rows > 1, down = rows > 1;
    UTIL_TRY(ir_const_data(c, &data, l->err));
    for (int64_t i = 0; i < rows; i++) {
        int64_t v = ((const int64_t *)data)[i];
        up &= v == i;
        down &= v == rows - 1 - i;
    }
    if (!up && !down) return CLSTM_OK;
    stays_counted(known, n->inputs[0], axis);
    lint_found(l, n, LINT_LOST, "%s 0 to %lld of a dimension of any size are taken by their numbers: all that the example had?",
                   up ? "rows" : "backwards, rows", (long long)rows - 1);
    return CLSTM_OK;
}

clstm_status lint_frozen_step(lint *l) {
    ir_graph *a = NULL, *b = NULL;
    trial known;
    int symbols[TRIAL_SYMBOLS], n = 0;
    for (int k = 0; k < LINT_SYMBOLS && n < TRIAL_SYMBOLS; k++) if (l->example[k]) symbols[n++] = k;
    trial_choose(&known, l, symbols, n);
    if (n) UTIL_TRY(trial_begin(&known));
    clstm_status s = lint_probe(l, &(lint_sizes){.step = LINT_STEP, .doubled = -1}, false, &a);
    if (s == CLSTM_OK && a) s = lint_probe(l, &(lint_sizes){.step = 2 * LINT_STEP, .doubled = -1}, false, &b);
    for (size_t i = 0, nodes = l->graph->n_nodes; i < nodes && s == CLSTM_OK && b; i++) {
        s = step_of(l, l->graph->nodes[i], &known, a, b);
        if (s == CLSTM_OK) s = span_of(l, l->graph->nodes[i], &known, a, b);
        if (s == CLSTM_OK) s = rows_of(l, l->graph->nodes[i], &known, a, b);
        if (s == CLSTM_OK) s = unrolled(l, l->graph->nodes[i], &known, a, b);
    }
    if (n) trial_end(&known);
    ir_graph_destroy(a);
    ir_graph_destroy(b);
    return s;
}
