/* plan/recover: recognises a single recurrent cell that was written in primitive operators and puts one LSTM, GRU or RNN node of one
 * step in its place. The roles of the gates follow from the dataflow alone. Whatever does not match exactly stays as it was. */
#include "plan/recover.h"

#include "tensor/tensor.h"

#include <string.h>

bool recover_is(const ir_node *n, const char *op) { return n && n->mark != IR_DEAD && !n->domain[0] && !strcmp(n->op_type, op); }

/* ---- reading the graph ------------------------------------------------------------------------------------------------------------- */

static bool matrix(const ir_value *v, int64_t rows, int64_t columns) {
    return v && v->kind == CLSTM_KIND_TENSOR && v->type.rank == 2 && v->type.dims[0] == rows && v->type.dims[1] == columns;
}
static bool is_state(const recover_cell *c, const ir_value *v) { return matrix(v, c->batch, c->hidden) && v->type.type == c->type; }

/* Notes a node whose result only the cell may see. */
static bool note(recover_cell *c, ir_node *n) {
    for (int i = 0; i < c->n_inner; i++)
        if (c->inner[i] == n) return true;
    if (c->n_inner == RECOVER_INNER) return false;
    c->inner[c->n_inner++] = n;
    return true;
}

static ir_node *made_by(const recover_cell *c, const ir_value *v, const char *op) {
    return is_state(c, v) && !v->constant && recover_is(v->producer, op) && v->producer->graph == c->new_h->graph ? v->producer : NULL;
}

/* Where column 0 of a Slice along axis 1 lies in its input; false for any other Slice. */
static bool slice_start(const ir_node *n, int64_t *start) {
    if (n->version < 10 || n->n_in < 4 || !n->inputs[0] || n->inputs[0]->type.rank != 2) return false;
    int64_t value[5] = {0, 0, 0, 0, 1};
    for (int i = 1; i < n->n_in && i < 5; i++) {
        const ir_value *v = n->inputs[i];
        const void *data;
        if (!v && i == 4) continue;
        if (!v || !v->constant || clstm_tensor_count(&v->constant->tensor) != 1 || !(data = ir_const_peek(v->constant))) return false;
        clstm_tensor t = v->constant->tensor;
        t.data = (void *)(uintptr_t)data;
        value[i] = tensor_get_int(&t, 0);
    }
    int64_t whole = n->inputs[0]->type.dims[1];
    if (value[4] != 1 || (value[3] != 1 && value[3] != -1)) return false;
    *start = value[1] < 0 ? value[1] + whole : value[1];
    return *start >= 0 && *start + n->outputs[0]->type.dims[1] <= whole;
}

static bool split_start(const ir_node *n, const ir_value *part, int64_t *start) {
    int64_t axis = op_attr_int(n, "axis");
    if (!n->inputs[0] || n->inputs[0]->type.rank != 2 || (axis != 1 && axis != -1)) return false;
    *start = 0;
    for (int i = 0; i < n->n_out && n->outputs[i] != part; i++) {
        if (!n->outputs[i] || n->outputs[i]->type.rank != 2) return false;
        *start += n->outputs[i]->type.dims[1];
    }
    return true;
}

/* ---- sums -------------------------------------------------------------------------------------------------------------------------- */

static bool add_bias(const recover_cell *c, recover_sum *s, const ir_value *v, int64_t width, int64_t column) {
    const clstm_tensor *t = &v->type;
    bool fits = (t->rank == 1 && t->dims[0] == width) || (t->rank == 2 && t->dims[0] == 1 && t->dims[1] == width);
    if (!fits || !v->constant || t->type != c->type || s->n_biases == RECOVER_BIASES) return false;
    s->bias[s->n_biases++] = (recover_bias){v->constant, column};
    return true;
}

static bool add_product(recover_cell *c, recover_sum *s, ir_value *a, const ir_value *w, bool transposed, int64_t width, int64_t column) {
    if (!w->constant || w->type.rank != 2 || w->type.type != c->type || w->type.dims[transposed ? 0 : 1] != width) return false;
    int64_t rows = w->type.dims[transposed ? 1 : 0];
    if (!matrix(a, c->batch, rows) || a->type.type != c->type) return false;
    ir_node *join = !a->constant && recover_is(a->producer, "Concat") && a->producer->graph == c->new_h->graph ? a->producer : NULL;
    int64_t axis = join ? op_attr_int(join, "axis") : 0;
    if (join && join->n_in == 2 && (axis == 1 || axis == -1) && s->n_products == 0) {      /* one matrix over x and h side by side */
        ir_value *first = join->inputs[0], *second = join->inputs[1];
        if (!first || !second || !matrix(first, c->batch, first->type.dims[1]) || !matrix(second, c->batch, rows - first->type.dims[1])) return false;
        s->product[s->n_products++] = (recover_product){first, w->constant, transposed, 0, column};
        s->product[s->n_products++] = (recover_product){second, w->constant, transposed, first->type.dims[1], column};
        return note(c, join);
    }
    if (s->n_products == RECOVER_PRODUCTS) return false;
    s->product[s->n_products++] = (recover_product){a, w->constant, transposed, 0, column};
    return true;
}

/* Takes columns from `column` of v apart into s; false when v is no such sum. */
static bool take_apart(recover_cell *c, recover_sum *s, ir_value *v, int64_t column, int depth) {
    ir_node *n = v ? v->producer : NULL;
    int64_t start;
    if (!n || v->constant || depth > 12 || n->mark == IR_DEAD || n->domain[0] || n->graph != c->new_h->graph) return false;
    if (v->kind != CLSTM_KIND_TENSOR || v->type.rank != 2 || v->type.dims[0] != c->batch || v->type.type != c->type) return false;
    int64_t width = v->type.dims[1];
    if (!note(c, n)) return false;
    if (recover_is(n, "Split")) return split_start(n, v, &start) && take_apart(c, s, n->inputs[0], column + start, depth + 1);
    if (recover_is(n, "Slice")) return slice_start(n, &start) && take_apart(c, s, n->inputs[0], column + start, depth + 1);
    if (recover_is(n, "MatMul")) return add_product(c, s, n->inputs[0], n->inputs[1], false, width, column);
    if (recover_is(n, "Gemm")) {
        bool c_there = n->n_in > 2 && n->inputs[2];
        if (op_attr_float(n, "alpha") != 1 || (c_there && op_attr_float(n, "beta") != 1) || op_attr_int(n, "transA")) return false;
        return add_product(c, s, n->inputs[0], n->inputs[1], op_attr_int(n, "transB") != 0, width, column) &&
               (!c_there || add_bias(c, s, n->inputs[2], width, column));
    }
    if (!recover_is(n, "Add")) return false;
    for (int i = 0; i < 2; i++) {
        ir_value *part = n->inputs[i];
        if (!part) return false;
        if (part->constant ? !add_bias(c, s, part, width, column) : !matrix(part, c->batch, width) || !take_apart(c, s, part, column, depth + 1)) return false;
    }
    return true;
}

/* A gate: `op` of a sum. What a failed try noted is forgotten. */
static bool gate(recover_cell *c, ir_value *v, const char *op, recover_sum *s) {
    int before = c->n_inner;
    ir_node *n = made_by(c, v, op);
    s->n_products = s->n_biases = 0;
    if (n && note(c, n) && take_apart(c, s, n->inputs[0], 0, 0)) return true;
    c->n_inner = before;
    return false;
}

/* ---- x and h ------------------------------------------------------------------------------------------------------------------------ */

static bool knows(const recover_sum *s, const ir_value *v) { return v && (s->product[0].of == v || s->product[1].of == v); }

/* Whether v looks like a state rather than an element of a sequence: only the choice between two right readings hangs on it. */
static int state_like(const ir_value *v) {
    const ir_node *n = v->producer;
    if (v->constant) return 3;
    if (!n) return 1;
    while ((recover_is(n, "Reshape") || recover_is(n, "Squeeze")) && n->inputs[0]->producer) n = n->inputs[0]->producer;
    if (recover_is(n, "LSTM") || recover_is(n, "GRU") || recover_is(n, "RNN")) return 2;
    return 0;
}

/* Both factors of all gates are the same two values; which one is h. The sum does not care when both are as wide as a state. */
static bool find_x_and_h(recover_cell *c, int gates) {
    const recover_product *p = c->gate[0].product;
    if (c->gate[0].n_products != 2 || p[0].of == p[1].of) return false;
    ir_value *a = p[0].of, *b = p[1].of;
    for (int g = 1; g < gates; g++)
        if (c->gate[g].n_products != 2 || !knows(&c->gate[g], a) || !knows(&c->gate[g], b)) return false;
    bool can_a = is_state(c, a), can_b = is_state(c, b);
    if (!can_a && !can_b) return false;
    if (can_a && can_b) {
        int like_a = state_like(a), like_b = state_like(b);
        can_b = like_b > like_a || (like_b == like_a && b->id > a->id);
    }
    c->h = can_b ? b : a;
    c->x = can_b ? a : b;
    c->input = c->x->type.dims[1];
    return true;
}

/* Nothing outside sees what goes away. */
static bool sealed(const recover_cell *c) {
    for (int i = 0; i < c->n_inner; i++)
        for (int k = 0; k < c->inner[i]->n_out; k++) {
            const ir_value *v = c->inner[i]->outputs[k];
            int inside = 0;
            if (!v || v == c->new_h || v == c->new_c) continue;
            for (int j = 0; j < c->n_inner; j++)
                for (int m = 0; m < c->inner[j]->n_in; m++) inside += c->inner[j]->inputs[m] == v;
            if (v->uses != inside) return false;
        }
    /* and what it reads is not made inside */
    const ir_value *reads[3] = {c->x, c->h, c->c};
    for (int i = 0; i < 3; i++)
        for (int j = 0; reads[i] && j < c->n_inner; j++)
            if (reads[i]->producer == c->inner[j]) return false;
    return true;
}

/* ---- LSTM: h' = o * tanh(c'), c' = f * c + i * g --------------------------------------------------------------------------------------- */

enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C };

static bool input_part(recover_cell *c, const ir_node *mul) {
    int before = c->n_inner;
    for (int k = 0; k < 2; k++) {
        if (gate(c, mul->inputs[k], "Sigmoid", &c->gate[LSTM_I]) && gate(c, mul->inputs[1 - k], "Tanh", &c->gate[LSTM_C])) return true;
        c->n_inner = before;
    }
    return false;
}

static bool forget_part(recover_cell *c, const ir_node *mul) {
    for (int k = 0; k < 2; k++)
        if (is_state(c, mul->inputs[1 - k]) && gate(c, mul->inputs[k], "Sigmoid", &c->gate[LSTM_F])) {
            c->c = mul->inputs[1 - k];
            return true;
        }
    return false;
}

static bool match_lstm(recover_cell *c, ir_node *last) {
    for (int k = 0; k < 2; k++) {
        ir_node *tanh = made_by(c, last->inputs[k], "Tanh"), *sum = tanh ? made_by(c, tanh->inputs[0], "Add") : NULL;
        for (int m = 0; sum && m < 2; m++) {
            ir_node *ig = made_by(c, sum->inputs[m], "Mul"), *fc = made_by(c, sum->inputs[1 - m], "Mul");
            c->n_inner = 0;
            c->kind = RNN_LSTM;
            c->new_c = sum->outputs[0];
            if (!ig || !fc || ig == fc || !note(c, last) || !note(c, tanh) || !note(c, sum) || !note(c, ig) || !note(c, fc)) continue;
            if (gate(c, last->inputs[1 - k], "Sigmoid", &c->gate[LSTM_O]) && input_part(c, ig) && forget_part(c, fc) && find_x_and_h(c, 4) && sealed(c)) return true;
        }
    }
    c->new_c = c->c = NULL;
    return false;
}

/* ---- GRU: n = tanh(xn + r * hn), h' = (1 - z) * n + z * h = n + z * (h - n) ----------------------------------------------------------------- */

enum { GRU_Z, GRU_R, GRU_H, GRU_RECURRENT };

static bool all_ones(const ir_value *v) {
    const void *data = v && v->constant ? ir_const_peek(v->constant) : NULL;
    if (!data) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    for (int64_t i = 0, n = clstm_tensor_count(&t); i < n; i++)
        if (tensor_get_double(&t, i) != 1) return false;
    return clstm_tensor_count(&t) > 0;
}

/* The hidden gate, made of x and r times a product of h; both sums have one factor. */
static bool hidden_gate(recover_cell *c, ir_value *n_value) {
    ir_node *tanh = made_by(c, n_value, "Tanh"), *sum = tanh ? made_by(c, tanh->inputs[0], "Add") : NULL;
    if (!sum || !note(c, tanh) || !note(c, sum)) return false;
    for (int k = 0; k < 2; k++) {
        int before = c->n_inner;
        ir_node *mul = made_by(c, sum->inputs[k], "Mul");
        for (int m = 0; mul && m < 2; m++) {
            recover_sum *x = &c->gate[GRU_H], *h = &c->gate[GRU_RECURRENT];
            c->n_inner = before;
            x->n_products = x->n_biases = h->n_products = h->n_biases = 0;
            if (note(c, mul) && gate(c, mul->inputs[m], "Sigmoid", &c->gate[GRU_R]) && is_state(c, mul->inputs[1 - m]) && take_apart(c, h, mul->inputs[1 - m], 0, 0) &&
                take_apart(c, x, sum->inputs[1 - k], 0, 0) && x->n_products == 1 && h->n_products == 1 && h->product[0].of == c->h) return true;
        }
        c->n_inner = before;
    }
    return false;
}

static bool finish_gru(recover_cell *c, ir_value *z, ir_value *n_value) {
    if (!gate(c, z, "Sigmoid", &c->gate[GRU_Z]) || !hidden_gate(c, n_value)) return false;
    c->x = c->gate[GRU_H].product[0].of;
    c->input = c->x->type.dims[1];
    if (c->x == c->h) return false;
    for (int g = GRU_Z; g <= GRU_R; g++)
        if (c->gate[g].n_products != 2 || !knows(&c->gate[g], c->x) || !knows(&c->gate[g], c->h)) return false;
    return sealed(c);
}

/* (1 - z) * n + z * h, the factors in any order */
static bool match_mixed(recover_cell *c, ir_node *last, ir_node *zh, ir_node *rest) {
    for (int k = 0; k < 4; k++) {
        ir_value *z = zh->inputs[k & 1], *n_value = rest->inputs[1 - (k >> 1)];
        ir_node *sub = made_by(c, rest->inputs[k >> 1], "Sub");
        if (!sub || sub->inputs[1] != z || !all_ones(sub->inputs[0]) || !is_state(c, zh->inputs[1 - (k & 1)])) continue;
        c->h = zh->inputs[1 - (k & 1)];
        c->n_inner = 0;
        if (note(c, last) && note(c, zh) && note(c, rest) && note(c, sub) && finish_gru(c, z, n_value)) return true;
    }
    return false;
}

/* n + z * (h - n) */
static bool match_moved(recover_cell *c, ir_node *last, ir_node *mul, ir_value *n_value) {
    for (int k = 0; k < 2; k++) {
        ir_node *sub = made_by(c, mul->inputs[k], "Sub");
        if (!sub || sub->inputs[1] != n_value || !is_state(c, sub->inputs[0])) continue;
        c->h = sub->inputs[0];
        c->n_inner = 0;
        if (note(c, last) && note(c, mul) && note(c, sub) && finish_gru(c, mul->inputs[1 - k], n_value)) return true;
    }
    return false;
}

static bool match_gru(recover_cell *c, ir_node *last) {
    c->kind = RNN_GRU;
    for (int k = 0; k < 2; k++) {
        ir_node *a = made_by(c, last->inputs[k], "Mul"), *b = made_by(c, last->inputs[1 - k], "Mul");
        if (a && b && a != b && match_mixed(c, last, a, b)) return true;
        if (a && match_moved(c, last, a, last->inputs[1 - k])) return true;
    }
    return false;
}

/* ---- RNN: h' = tanh or relu of the sum ------------------------------------------------------------------------------------------------------ */

/* A gate of some other cell is multiplied by something. */
static bool is_factor(const ir_graph *g, const ir_value *v) {
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in && recover_is(g->nodes[i], "Mul"); k++)
            if (g->nodes[i]->inputs[k] == v) return true;
    return false;
}

/* Two products under a Tanh are a cell only when one factor is a state: an input or constant of the graph, or the last cell's h'. */
static bool match_rnn(recover_cell *c, ir_node *last) {
    c->kind = RNN_RNN;
    c->relu = recover_is(last, "Relu");
    c->n_inner = 0;
    return gate(c, last->outputs[0], last->op_type, &c->gate[0]) && find_x_and_h(c, 1) && state_like(c->h) && sealed(c) &&
           !is_factor(last->graph, c->new_h);
}

/* ---- the pass ---------------------------------------------------------------------------------------------------------------------------------- */

static bool match(recover_cell *c, ir_node *n, bool gated) {
    ir_value *out = n->n_out ? n->outputs[0] : NULL;
    memset(c, 0, sizeof *c);
    if (n->mark == IR_DEAD || n->domain[0] || n->version < 7 || !out || out->constant || out->kind != CLSTM_KIND_TENSOR || out->type.rank != 2) return false;
    if ((out->type.type != CLSTM_FLOAT && out->type.type != CLSTM_DOUBLE) || out->type.dims[0] < 1 || out->type.dims[1] < 1) return false;
    c->new_h = out;
    c->type = out->type.type;
    c->batch = out->type.dims[0];
    c->hidden = out->type.dims[1];
    if (recover_is(n, "Mul")) return gated && match_lstm(c, n);
    if (recover_is(n, "Add")) return gated && match_gru(c, n);
    return !gated && (recover_is(n, "Tanh") || recover_is(n, "Relu")) && match_rnn(c, n);
}

clstm_status plan_recover(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    (void)env;
    recover_cell cell;
    recover_weights last;
    memset(&last, 0, sizeof last);
    bool found = false;
    clstm_status s = CLSTM_OK;
    ir_count_uses(root);
    /* cells with gates first: their candidate alone would look like an RNN */
    for (int gated = 1; gated >= 0; gated--)
        for (size_t i = 0, n = root->n_nodes; i < n && s == CLSTM_OK; i++)
            if (match(&cell, root->nodes[i], gated)) s = recover_emit(root, &cell, &last, &found, err);
    ir_const_unref(last.w);
    ir_const_unref(last.r);
    ir_const_unref(last.b);
    if (s != CLSTM_OK || !found) return s;
    *changed = true;
    ir_graph_sweep(root);
    return ir_graph_order(root, err);
}
