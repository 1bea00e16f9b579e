/* plan/carry: makes the internal states of forward layers inputs and outputs of the plan, so that a session can carry them.
 * Runs on the specialised graph, where zero states built by Shape and ConstantOfShape have become constants. */
#include "plan/plan_internal.h"

#include "rnn/spec.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* Where the initial state lies (absent counts), when it is internal: not fed by anything that a run computes. */
static bool internal(const ir_node *n, int input) { return input >= n->n_in || !n->inputs[input] || n->inputs[input]->constant; }

static bool carries(const ir_node *n) {
    if (n->domain[0] || (strcmp(n->op_type, "LSTM") && strcmp(n->op_type, "GRU") && strcmp(n->op_type, "RNN"))) return false;
    if (n->index == IR_RECOVERED) return false;
    const rnn_spec *spec = rnn_spec_of(n);
    return spec->directions == 1 && !spec->reverse;
}

/* Room for `n_in` inputs and `n_out` outputs. */
static clstm_status widen(ir_node *n, int n_in, int n_out, clstm_error *err) {
    ir_value **in = util_arena_alloc(n->graph->arena, (size_t)n_in, sizeof *in), **out = util_arena_alloc(n->graph->arena, (size_t)n_out, sizeof *out);
    if (!in || !out) return util_no_memory(err);
    memcpy(in, n->inputs, (size_t)n->n_in * sizeof *in);
    memcpy(out, n->outputs, (size_t)n->n_out * sizeof *out);
    n->inputs = in;
    n->outputs = out;
    n->n_in = n_in;
    n->n_out = n_out;
    return CLSTM_OK;
}

static clstm_status carry_state(ir_node *n, int input, int output, const char *letter, int ordinal, clstm_error *err) {
    ir_graph *g = n->graph;
    const ir_value *x = n->inputs[RNN_X], *r = n->inputs[RNN_R];
    const rnn_spec *spec = rnn_spec_of(n);
    if (x->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&x->type) || !tensor_shape_known(&r->type)) return CLSTM_OK;
    char name[200], base[160];
    util_escape(base, sizeof base, n->name);
    if (base[0]) snprintf(name, sizeof name, "%s.%s", base, letter);
    else snprintf(name, sizeof name, "%s%d.%s", n->op_type, ordinal, letter);
    int64_t batch = x->type.dims[spec->batch_first ? 0 : 1], hidden = r->type.dims[2];
    int64_t dims[3] = {spec->batch_first ? batch : 1, spec->batch_first ? 1 : batch, hidden};
    if (input >= n->n_in || output >= n->n_out) UTIL_TRY(widen(n, input >= n->n_in ? input + 1 : n->n_in, output >= n->n_out ? output + 1 : n->n_out, err));
    ir_value *in = ir_value_new(g, name), *out = n->outputs[output];
    if (!in) return util_no_memory(err);
    in->kind = CLSTM_KIND_TENSOR;
    tensor_set(&in->type, x->type.type, 3, dims);
    in->user = n->inputs[input] ? n->inputs[input]->constant : NULL;     /* what a reset writes */
    if (!out) {
        if (!(out = ir_value_new(g, NULL))) return util_no_memory(err);
        out->kind = CLSTM_KIND_TENSOR;
        out->type = in->type;
        out->producer = n;
        n->outputs[output] = out;
    }
    n->inputs[input] = in;
    UTIL_TRY(ir_graph_add_input(g, in, err));
    return ir_graph_add_output(g, out, err);
}

clstm_status plan_carry_layers(ir_graph *g, clstm_error *err) {
    int ordinal = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        if (!carries(n)) continue;
        bool lstm = !strcmp(n->op_type, "LSTM"), h = internal(n, RNN_H0), c = lstm && internal(n, RNN_C0);
        if (h) UTIL_TRY(carry_state(n, RNN_H0, RNN_YH, "h", ordinal, err));
        if (c) UTIL_TRY(carry_state(n, RNN_C0, RNN_YC, "c", ordinal, err));
        ordinal++;
    }
    return CLSTM_OK;
}
