/* plan/recover_emit: writes a recognised cell as one recurrent node of one step. */
#include "plan/recover.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <string.h>

static const char *const names[] = {[RNN_LSTM] = "LSTM", [RNN_GRU] = "GRU", [RNN_RNN] = "RNN"};

typedef struct writer { ir_graph *g; int version; const char *name; clstm_type type; clstm_error *err; } writer;

static ir_value *new_value(const writer *w, const int64_t *dims) {
    ir_value *v = ir_value_new(w->g, NULL);
    if (!v) return NULL;
    v->kind = CLSTM_KIND_TENSOR;
    tensor_set(&v->type, w->type, 3, dims);
    return v;
}

/* `out` becomes `in` in the shape `dims`. */
static clstm_status reshape(const writer *w, ir_value *in, ir_value *out, int rank, const int64_t *dims) {
    ir_value *shape = ir_constant_ints(w->g, 1, rank, dims, w->err);
    if (!shape) return util_no_memory(w->err);
    ir_node *n = ir_node_new(w->g, "Reshape", "", w->version, w->name, 2, 1);
    if (!n) return util_no_memory(w->err);
    n->op = ops_find("", "Reshape", w->version, NULL);
    n->inputs[0] = in;
    n->inputs[1] = shape;
    n->outputs[0] = out;
    out->producer = n;
    return op_check_node(n, w->err);
}

/* v as [1, B, as many as there are] */
static clstm_status lift(const writer *w, int64_t batch, ir_value *v, ir_value **out) {
    int64_t dims[3] = {1, batch, clstm_tensor_count(&v->type) / batch};
    *out = new_value(w, dims);
    return *out ? reshape(w, v, *out, 3, dims) : util_no_memory(w->err);
}

/* x, its parts side by side */
static clstm_status lift_x(const writer *w, const recover_cell *c, ir_value **x) {
    if (c->n_x == 1) return lift(w, c->batch, c->x[0], x);
    ir_node *n = ir_node_new(w->g, "Concat", "", w->version, w->name, c->n_x, 1);
    ir_attr *axis = n ? ir_attr_add(n, "axis", IR_ATTR_INT) : NULL;
    if (!axis || !(*x = new_value(w, (int64_t[]){1, c->batch, c->input}))) return util_no_memory(w->err);
    axis->v.i = 2;
    n->op = ops_find("", "Concat", w->version, NULL);
    for (int i = 0; i < c->n_x; i++) UTIL_TRY(lift(w, c->batch, c->x[i], &n->inputs[i]));
    n->outputs[0] = *x;
    (*x)->producer = n;
    return op_check_node(n, w->err);
}

static clstm_status put_const(const writer *w, ir_node *n, int input, ir_const *k) {
    ir_value *v = ir_value_new(w->g, NULL);
    if (!v) return util_no_memory(w->err);
    ir_value_set_const(v, k);
    n->inputs[input] = v;
    return CLSTM_OK;
}

static bool standard(const recover_cell *c, int i) {
    if (c->kind == RNN_RNN) return c->f[0].function == RNN_TANH;
    return c->f[i].function == (i ? RNN_TANH : RNN_SIGMOID);
}

/* The activations, when they are not the standard's, with every parameter spelled out. */
static clstm_status activations(const recover_cell *c, ir_node *n, clstm_error *err) {
    int count = c->kind == RNN_LSTM ? 3 : c->kind == RNN_GRU ? 2 : 1, with[2] = {0, 0};
    bool all = true;
    for (int i = 0; i < count; i++) {
        all &= standard(c, i);
        for (int p = 0; p < 2; p++) with[p] += rnn_activation_takes(c->f[i].function, p);
    }
    if (all) return CLSTM_OK;
    ir_attr *a = ir_attr_add(n, "activations", IR_ATTR_STRINGS);
    if (!a || !(a->v.strings = util_arena_alloc(n->graph->arena, (size_t)count, sizeof *a->v.strings))) return util_no_memory(err);
    for (a->count = 0; (int)a->count < count; a->count++)
        if (!(a->v.strings[a->count] = util_arena_strdup(n->graph->arena, rnn_activation_name(c->f[a->count].function)))) return util_no_memory(err);
    for (int p = 0; p < 2; p++) {
        if (!with[p]) continue;
        a = ir_attr_add(n, p ? "activation_beta" : "activation_alpha", IR_ATTR_FLOATS);
        if (!a || !(a->v.floats = util_arena_alloc(n->graph->arena, (size_t)with[p], sizeof *a->v.floats))) return util_no_memory(err);
        for (int i = 0; i < count; i++)
            if (rnn_activation_takes(c->f[i].function, p)) a->v.floats[a->count++] = p ? c->f[i].beta : c->f[i].alpha;
    }
    return CLSTM_OK;
}

static clstm_status add_int(ir_node *n, const char *name, int64_t v, clstm_error *err) {
    ir_attr *a = ir_attr_add(n, name, IR_ATTR_INT);
    if (!a) return util_no_memory(err);
    a->v.i = v;
    return CLSTM_OK;
}

static clstm_status attributes(const recover_cell *c, ir_node *n, clstm_error *err) {
    UTIL_TRY(add_int(n, "hidden_size", c->hidden, err));
    if (c->kind == RNN_GRU && !c->reset_h) UTIL_TRY(add_int(n, "linear_before_reset", 1, err));
    if (c->kind == RNN_LSTM && c->coupled) UTIL_TRY(add_int(n, "input_forget", 1, err));
    return activations(c, n, err);
}

/* An output of the node in the cell's shape, under the cell's own value, so that ports keep their names. */
static clstm_status lower(const writer *w, const recover_cell *c, ir_node *n, int output, ir_value *v) {
    ir_value *out = new_value(w, (int64_t[]){1, c->batch, c->hidden});
    if (!out) return util_no_memory(w->err);
    out->producer = n;
    n->outputs[output] = out;
    return reshape(w, out, v, v->type.rank, v->type.dims);
}

static clstm_status inputs(const writer *w, const recover_cell *c, const recover_weights *k, ir_node *n) {
    UTIL_TRY(lift_x(w, c, &n->inputs[RNN_X]));
    UTIL_TRY(lift(w, c->batch, c->h, &n->inputs[RNN_H0]));
    if (c->kind == RNN_LSTM) UTIL_TRY(lift(w, c->batch, c->c, &n->inputs[RNN_C0]));
    UTIL_TRY(put_const(w, n, RNN_W, k->w));
    UTIL_TRY(put_const(w, n, RNN_R, k->r));
    UTIL_TRY(put_const(w, n, RNN_B, k->b));
    return k->p ? put_const(w, n, RNN_P, k->p) : CLSTM_OK;
}

clstm_status recover_emit(ir_graph *g, const recover_cell *c, recover_weights **weights, bool *done, clstm_error *err) {
    writer w = {g, c->new_h->producer->version, c->new_h->producer->name, c->type, err};
    const op_desc *row = ops_find("", names[c->kind], w.version, NULL);
    bool lstm = c->kind == RNN_LSTM;
    if (!row) return CLSTM_OK;
    if (!c->starts) UTIL_TRY(recover_make_weights(c, weights, err));
    for (int i = 0; i < c->n_inner; i++) c->inner[i]->mark = IR_DEAD;
    int n_in = !lstm ? RNN_H0 + 1 : (*weights)->p ? RNN_P + 1 : RNN_C0 + 1;
    ir_node *n = ir_node_new(g, names[c->kind], "", w.version, w.name, n_in, lstm ? RNN_YC + 1 : RNN_YH + 1);
    if (!n) return util_no_memory(err);
    n->op = row;
    n->index = IR_RECOVERED;
    UTIL_TRY(inputs(&w, c, *weights, n));
    UTIL_TRY(attributes(c, n, err));
    UTIL_TRY(op_check_node(n, err));
    UTIL_TRY(lower(&w, c, n, RNN_YH, c->new_h));
    if (lstm) UTIL_TRY(lower(&w, c, n, RNN_YC, c->new_c));
    *done = true;
    return CLSTM_OK;
}
