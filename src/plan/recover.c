/* plan/recover: recognises a single recurrent cell that was written in primitive operators and puts one LSTM, GRU or RNN node of one
 * step in its place. The roles of the gates follow from the dataflow alone. Whatever does not match exactly stays as it was. */
#include "plan/recover.h"

#include "tensor/tensor.h"

#include <string.h>

/* ---- x and h ------------------------------------------------------------------------------------------------------------------------ */

static bool knows(const recover_sum *s, const ir_value *v) {
    for (int i = 0; i < s->n_products; i++)
        if (s->product[i].of == v) return true;
    return false;
}

/* v is the input of a Loop's or Scan's body that is h' in the next turn. A Loop has the number of its turn in front of the states, and the
 * condition on both sides. */
static bool becomes_new_h(const recover_cell *c, const ir_value *v) {
    const ir_graph *g = c->graph;
    size_t more = g->n_in && g->n_out && g->inputs[0]->type.type == CLSTM_INT64 && g->outputs[0]->type.type == CLSTM_BOOL ? 1 : 0;
    for (size_t i = more; g->parent && i < g->n_in && i - more < g->n_out; i++)
        if (g->inputs[i] == v && plan_whole(g->outputs[i - more], g) == c->new_h) return true;
    return false;
}

/* How much v looks like a state rather than an element of a sequence: only the choice between two right readings hangs on it, and with it
 * whether steps are seen as a chain. The h of an LSTM comes from where its c comes from. */
static int state_like(const recover_cell *c, const ir_value *v) {
    const ir_node *n = v->producer, *with = c->c ? c->c->producer : NULL;
    if (becomes_new_h(c, v)) return 9;
    if (c->c && c->c != v) {
        if (n && n == with) return 8;
        if (!n == !with && !v->constant == !c->c->constant && (!n || !strcmp(n->op_type, with->op_type))) return n ? 6 : 7;
    }
    if (v->constant) return 4;
    if (!n) return 3;
    return recover_is(n, "LSTM") || recover_is(n, "GRU") || recover_is(n, "RNN") ? 2 : 0;
}

/* Of two that look alike: the later input of a model, the earlier of a body (states come first), the earlier of two made (the other is the
 * layer below). */
static bool rather(const ir_value *v, const ir_value *than) { return v->producer || v->graph->parent ? v->id < than->id : v->id > than->id; }

/* No value is a factor twice: a matrix has one place for each. */
static bool distinct(const recover_sum *s) {
    for (int i = 0; i < s->n_products; i++)
        for (int k = 0; k < i; k++)
            if (s->product[i].of == s->product[k].of) return false;
    return true;
}

/* The factors besides h are x, the same for all gates; `h` of a gate may be another value (r * h). */
static bool find_x(recover_cell *c, int gates) {
    c->n_x = 0;
    for (int i = 0; i < c->gate[0].n_products; i++)
        if (c->gate[0].product[i].of != c->h) c->x[c->n_x++] = c->gate[0].product[i].of;
    c->input = 0;
    for (int i = 0; i < c->n_x; i++) {
        c->input += clstm_tensor_count(&c->x[i]->type) / c->batch;
        for (int g = 0; g < gates; g++)
            if (!knows(&c->gate[g], c->x[i])) return false;
    }
    for (int g = 0; g < gates; g++)
        if (!distinct(&c->gate[g]) || (c->starts && g < 2 && c->gate[g].n_products != c->n_x)) return false;
    return c->n_x > 0;
}

/* All gates are sums over the same factors; which one is h. The sum does not care when several are as wide as a state. */
static bool find_x_and_h(recover_cell *c, int gates) {
    int best = -1;
    for (int g = 0; g < gates && !c->starts; g++)
        if (!recover_expand(c, &c->gate[g]) || c->gate[g].n_products != c->gate[0].n_products) return false;
    c->h = NULL;
    if (c->starts) return find_x(c, gates);
    for (int i = 0; i < c->gate[0].n_products; i++) {
        ir_value *v = c->gate[0].product[i].of;
        bool all = recover_is_state(c, v);
        for (int g = 1; g < gates; g++) all &= knows(&c->gate[g], v);
        int like = all ? state_like(c, v) : -1;
        if (all && (!c->h || like > best || (like == best && rather(v, c->h)))) { c->h = v; best = like; }
    }
    return c->h && find_x(c, gates);
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
    for (int j = 0; j < c->n_inner; j++) {
        if ((c->h && c->h->producer == c->inner[j]) || (c->c && c->c->producer == c->inner[j])) return false;
        for (int i = 0; i < c->n_x; i++)
            if (c->x[i]->producer == c->inner[j]) return false;
    }
    return true;
}

/* What a failed try left behind is forgotten; gates are cleared as they are read. */
static void begin(recover_cell *c) {
    c->n_inner = 0;
    c->coupled = false;
    memset(c->f_known, 0, sizeof c->f_known);
    c->new_c = c->c = c->h = c->reset_h = NULL;
}

static bool all_are(double number, const ir_value *v) {
    const void *data = v && v->constant && type_is_float(v->type.type) ? ir_const_peek(v->constant) : NULL;
    if (!data) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    for (int64_t i = 0, n = clstm_tensor_count(&t); i < n; i++)
        if (tensor_get_double(&t, i) < number || tensor_get_double(&t, i) > number) return false;
    return clstm_tensor_count(&t) > 0;
}

/* v = 1 - other, as Sub or as Add of Neg; returns other and notes the nodes. */
static ir_value *one_minus(recover_cell *c, ir_value *v) {
    ir_node *n = recover_made_by(c, v, "Sub");
    if (n) return all_are(1, n->inputs[0]) && recover_note(c, n) ? n->inputs[1] : NULL;
    if (!(n = recover_made_by(c, v, "Add"))) return NULL;
    for (int k = 0; k < 2; k++) {
        ir_node *neg = all_are(1, n->inputs[1 - k]) ? recover_made_by(c, n->inputs[k], "Neg") : NULL;
        if (neg && recover_note(c, n) && recover_note(c, neg)) return neg->inputs[0];
    }
    return NULL;
}

/* ---- LSTM: h' = o * tanh(c'), c' = f * c + i * g --------------------------------------------------------------------------------------- */

enum { LSTM_I, LSTM_O, LSTM_F, LSTM_C };

static bool input_part(recover_cell *c, const ir_node *mul, ir_value **i_value) {
    for (int k = 0; k < 2; k++) {
        if (recover_gate(c, mul->inputs[k], 0, &c->gate[LSTM_I]) && recover_gate(c, mul->inputs[1 - k], 1, &c->gate[LSTM_C])) {
            *i_value = mul->inputs[k];
            return true;
        }
    }
    return false;
}

static bool forget_part(recover_cell *c, const ir_node *mul, const ir_value *i_value) {
    for (int k = 0; k < 2; k++) {
        int before = c->n_inner;
        if (!recover_is_state(c, mul->inputs[1 - k])) continue;
        c->c = plan_whole(mul->inputs[1 - k], c->graph);
        c->coupled = one_minus(c, mul->inputs[k]) == i_value;
        if (c->coupled) return true;
        c->n_inner = before;
        if (recover_gate(c, mul->inputs[k], 0, &c->gate[LSTM_F])) return true;
    }
    return false;
}

/* i and f look at c through their peepholes, o at the new one, the candidate at none. */
static bool peepholes_right(const recover_cell *c) {
    const ir_value *i = c->gate[LSTM_I].peephole_of, *f = c->gate[LSTM_F].peephole_of, *o = c->gate[LSTM_O].peephole_of;
    return (!i || i == c->c) && (!f || f == c->c) && (!o || o == c->new_c) && !c->gate[LSTM_C].peephole_of;
}

/* A coupled forget gate has no sum of its own. */
static bool find_lstm_inputs(recover_cell *c) {
    if (c->coupled) c->gate[LSTM_F] = c->gate[LSTM_I];
    c->gate[LSTM_F].peephole_of = c->coupled ? NULL : c->gate[LSTM_F].peephole_of;
    return find_x_and_h(c, 4);
}

/* c', which the activation made that is input k of `last`, as a sum. */
static ir_node *new_c_of(recover_cell *c, ir_node *last, int k) {
    recover_access a;
    begin(c);
    ir_value *state = recover_note(c, last) ? recover_activated(c, last->inputs[k], 2, &a) : NULL;
    if (!state || !recover_is_state(c, state) || a.at || (c->batch > 1 && a.row != c->hidden) || (c->hidden > 1 && a.unit != 1)) return NULL;
    c->new_c = plan_whole(state, c->graph);
    return recover_made_by(c, c->new_c, "Add");
}

static bool lstm_of(recover_cell *c, ir_node *last, ir_node *sum, int k, int m) {
    ir_value *i_value = NULL;
    ir_node *ig = recover_made_by(c, sum->inputs[m], "Mul"), *fc = recover_made_by(c, sum->inputs[1 - m], "Mul");
    if (!ig || !fc || ig == fc || !recover_note(c, sum) || !recover_note(c, ig) || !recover_note(c, fc)) return false;
    return recover_gate(c, last->inputs[1 - k], 0, &c->gate[LSTM_O]) && input_part(c, ig, &i_value) && forget_part(c, fc, i_value) && find_lstm_inputs(c) &&
           peepholes_right(c) && sealed(c);
}

static bool match_lstm(recover_cell *c, ir_node *last) {
    bool none[2] = {false, false};
    c->kind = RNN_LSTM;
    for (int k = 0; k < 4; k++) {
        ir_node *sum = none[k & 1] ? NULL : new_c_of(c, last, k & 1);
        if (sum && lstm_of(c, last, sum, k & 1, k >> 1)) return true;
        none[k & 1] = !sum;
    }
    return false;
}

/* ---- GRU: h' = (1 - z) * n + z * h, n = tanh(xn + r * hn) or tanh(xn + (r * h) R) ------------------------------------------------------------ */

enum { GRU_Z, GRU_R, GRU_H, GRU_RECURRENT };

/* r * h among the factors of the hidden gate: reset before the product. */
static bool reset_before(recover_cell *c) {
    recover_sum *s = &c->gate[GRU_H];
    if (!recover_expand(c, s)) return false;
    for (int i = 0; i < s->n_products; i++) {
        ir_node *mul = recover_made_by(c, s->product[i].of, "Mul");
        for (int k = 0; mul && k < 2; k++) {
            int before = c->n_inner;
            if (recover_is_state(c, mul->inputs[1 - k]) && plan_whole(mul->inputs[1 - k], c->graph) == c->h && recover_note(c, mul) &&
                recover_gate(c, mul->inputs[k], 0, &c->gate[GRU_R])) {
                c->reset_h = s->product[i].of;
                return true;
            }
            c->n_inner = before;
        }
    }
    return false;
}

static bool finish_gru(recover_cell *c, ir_value *z, ir_value *n_value) {
    if (!recover_gate(c, n_value, 1, &c->gate[GRU_H])) return false;
    bool after = c->gate[GRU_R].n_products > 0;     /* add_scaled met the reset gate */
    if (!after && !reset_before(c)) return false;
    const recover_sum *h = &c->gate[GRU_RECURRENT];
    if (c->starts && (h->n_products || !all_are(0, c->h))) return false;
    if (after && !c->starts && (h->n_products != 1 || h->product[0].of != c->h || knows(&c->gate[GRU_H], c->h))) return false;
    if (!recover_gate(c, z, 0, &c->gate[GRU_Z])) return false;
    for (int g = GRU_Z; g <= GRU_R && !c->starts; g++)
        if (!recover_expand(c, &c->gate[g]) || !knows(&c->gate[g], c->h)) return false;
    int parts = c->gate[GRU_Z].n_products + c->starts;       /* with h */
    if (c->gate[GRU_R].n_products + c->starts != parts || c->gate[GRU_H].n_products != parts - (after ? 1 : 0)) return false;
    return find_x(c, 3) && sealed(c);
}

/* f(-x) = 1 - f(x) */
static bool symmetric(const rnn_activation *f) {
    return f->function == RNN_SIGMOID || (f->function == RNN_HARD_SIGMOID && !(f->beta < 0.5f) && !(f->beta > 0.5f));
}

/* The new state is z times a plus 1-z times b: one of them is h, the other the candidate. */
static bool mixed(recover_cell *c, ir_value *z, ir_value *a, ir_value *b) {
    int kept = c->n_inner;
    for (int turned = 0; turned < 2; turned++) {
        ir_value *h = turned ? b : a;
        c->n_inner = kept;
        memset(c->gate, 0, sizeof c->gate);
        memset(c->f_known, 0, sizeof c->f_known);
        c->reset_h = NULL;
        if (!recover_is_state(c, h)) continue;
        c->h = plan_whole(h, c->graph);
        if (!finish_gru(c, z, turned ? a : b) || (turned && !symmetric(&c->f[0]))) continue;
        c->gate[GRU_Z].negated = turned;
        return true;
    }
    return false;
}

/* z * a + (1 - z) * b, the factors in any order */
static bool match_products(recover_cell *c, ir_node *last) {
    for (int k = 0; k < 8; k++) {
        begin(c);
        ir_node *with = recover_made_by(c, last->inputs[k & 1], "Mul"), *rest = recover_made_by(c, last->inputs[1 - (k & 1)], "Mul");
        if (!with || !rest || with == rest) return false;
        ir_value *z = with->inputs[k >> 1 & 1], *a = with->inputs[1 - (k >> 1 & 1)], *minus = rest->inputs[k >> 2], *b = rest->inputs[1 - (k >> 2)];
        if (recover_note(c, last) && recover_note(c, with) && recover_note(c, rest) && one_minus(c, minus) == z && mixed(c, z, a, b)) return true;
    }
    return false;
}

/* b + z * (a - b), or b - z * (b - a) */
static bool match_moved(recover_cell *c, ir_node *last) {
    bool minus = recover_is(last, "Sub");
    for (int k = 0; k < 4; k++) {
        begin(c);
        if (minus && k & 1) continue;
        ir_value *b = last->inputs[k & 1];
        ir_node *mul = recover_made_by(c, last->inputs[1 - (k & 1)], "Mul"), *sub = mul ? recover_made_by(c, mul->inputs[k >> 1], "Sub") : NULL;
        if (!sub || sub->inputs[minus ? 0 : 1] != b) continue;
        if (recover_note(c, last) && recover_note(c, mul) && recover_note(c, sub) && mixed(c, mul->inputs[1 - (k >> 1)], sub->inputs[minus ? 1 : 0], b)) return true;
    }
    return false;
}

static bool match_gru(recover_cell *c, ir_node *last) {
    c->kind = RNN_GRU;
    return (recover_is(last, "Add") && match_products(c, last)) || match_moved(c, last);
}

/* ---- RNN: h' = tanh or relu of the sum ------------------------------------------------------------------------------------------------------ */

/* The candidate of some other cell is multiplied by something, or compared with a state. */
static bool is_candidate(const ir_graph *g, const ir_value *v) {
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in && (recover_is(g->nodes[i], "Mul") || recover_is(g->nodes[i], "Sub")); k++)
            if (g->nodes[i]->inputs[k] == v) return true;
    return false;
}

/* h is the same function of a sum with the same weights of x: the step before, whose own state was folded away. */
static bool of_same_layer(recover_cell *c) {
    recover_cell before = *c;
    bool same = recover_gate(&before, c->h, 0, &before.gate[0]);
    c->no_memory |= before.no_memory;
    if (!same) return false;
    const recover_sum *now = &c->gate[0], *then = &before.gate[0];
    for (int i = 0; i < now->n_products; i++)
        for (int k = 0; k < then->n_products; k++)
            if (now->product[i].of != c->h && ir_const_equal(now->product[i].weight, then->product[k].weight)) return true;
    return false;
}

/* Two products under a Tanh are a cell only when one factor is a state: an input or constant of the graph, or the h' of
 * the step before. */
static bool match_rnn(recover_cell *c, ir_node *last) {
    begin(c);
    c->kind = RNN_RNN;
    return recover_gate(c, last->outputs[0], 0, &c->gate[0]) && find_x_and_h(c, 1) && (c->starts || state_like(c, c->h) || of_same_layer(c)) && sealed(c) && !is_candidate(last->graph, c->new_h);
}

/* ---- the pass ---------------------------------------------------------------------------------------------------------------------------------- */

static bool match(recover_cell *c, ir_node *n, bool gated, bool starts) {
    ir_value *out = n->n_out ? n->outputs[0] : NULL;
    bool mul = recover_is(n, "Mul"), add = recover_is(n, "Add") || recover_is(n, "Sub"), plain = recover_is(n, "Tanh") || recover_is(n, "Relu");
    if ((gated ? !mul && !add : !plain) || n->version < 7 || !out || out->constant || out->kind != CLSTM_KIND_TENSOR) return false;
    const clstm_tensor *t = &out->type;
    if (t->rank < 1 || !tensor_shape_known(t) || clstm_tensor_count(t) < 1 || (t->type != CLSTM_FLOAT && t->type != CLSTM_DOUBLE)) return false;
    memset(c, 0, sizeof *c);
    c->graph = n->graph;
    c->new_h = out;
    c->starts = starts;
    c->type = t->type;
    c->hidden = t->dims[t->rank - 1];
    c->batch = clstm_tensor_count(t) / c->hidden;
    return mul ? match_lstm(c, n) : add ? match_gru(c, n) : match_rnn(c, n);
}

static clstm_status recover_in(ir_graph *g, recover_weights **weights, bool *found, clstm_error *err) {
    recover_cell cell = {0};
    bool here = false;
    size_t tried = g->n_nodes;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) UTIL_TRY(recover_in(g->nodes[i]->bodies[b], weights, found, err));
    /* cells with gates first: their candidate alone would look like an RNN; the starts of chains when the weights of the rest are known */
    for (int pass = 0; pass < 4; pass++)
        for (size_t i = 0, n = g->n_nodes; i < n; i++) {
            bool starts = pass > 1, known = !starts;
            size_t before = g->n_nodes;
            if (match(&cell, g->nodes[i], pass % 2 == 0, starts)) {
                if (starts) UTIL_TRY(recover_start(&cell, weights, &known, err));
                if (known) UTIL_TRY(recover_emit(g, &cell, weights, &here, err));
                if (known) continue;
            }
            if (cell.no_memory) return util_no_memory(err);
            for (size_t k = before; k < g->n_nodes; k++) g->nodes[k]->mark = IR_DEAD;
        }
    if (!here) {
        if (g->n_nodes > tried) ir_graph_sweep(g);
        return CLSTM_OK;
    }
    *found = true;
    ir_graph_sweep(g);
    return ir_graph_order(g, err);
}

clstm_status plan_recover(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    (void)env;
    recover_weights *weights = NULL;
    ir_count_uses(root);
    clstm_status s = recover_in(root, &weights, changed, err);
    recover_forget_weights(weights);
    return s;
}
