/* plan/pairs_proof: whether an output holds the next value of a state input, element for element. The elements of the inputs in question,
 * of all last states of recurrent layers and of what is joined to a state are replaced by labels, and what needs nothing else is computed:
 * then a layer's initial state says which element of an input it came from, a Concat what follows that element, and the outputs which
 * element they hold. Moves of any kind keep labels, casts too, for a label is 1 + d/64 with d below 64, times a scale: exact in every
 * floating-point type. Larger numbers take several rounds, large and positive in one, small and negative in the next, so that no
 * activation or clipping passes for a move. */
#include "plan/pairs.h"
#include "plan/plan_internal.h"

#include "rnn/spec.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS = 6, MOST_LABELS = 1 << 20, LONGEST_CHAIN = 1 << 12 };

/* A value of the base graph whose elements are labels first, first + 1 ... */
typedef struct labelled { int value; int64_t first, count; } labelled;
/* A value of the base graph whose elements are read when all is computed; labels -1: none. NULL: not known. */
typedef struct watched { int value; int64_t *labels, count; } watched;

/* The initial state `from` (watched) of a layer becomes its last state, value `to`; -1: nobody asks for that. */
typedef struct carried { size_t from; int to; } carried;
/* In Concat's output `at` a state lies at the beginning (or the end), beside `fresh` new steps along `axis`. */
typedef struct appended { size_t at; int axis; int64_t fresh; bool front; } appended;

typedef struct prover {
    const plan_ports *ports;
    const op_env *env;
    ir_graph *base;             /* shapes known, nothing labelled */
    labelled *labels;
    size_t *label_at;           /* for each value of the base: its place in `labels`, counted from 1; 0: none */
    watched *watch;             /* the outputs of the ports first */
    carried *layers;
    appended *joins;
    size_t n_labels, n_watch, n_layers, n_joins, cap_labels, cap_watch, cap_layers, cap_joins;
    bool asked;                 /* some input is labelled */
    int64_t total;
    int64_t *by_layer, *by_join;        /* for each label: the one that takes its place after a run; 0: none, -1: several */
    clstm_error *err;
} prover;

static bool can_label(const ir_value *v) {
    return v && v->kind == CLSTM_KIND_TENSOR && tensor_shape_known(&v->type) &&
           (v->type.type == CLSTM_FLOAT || v->type.type == CLSTM_DOUBLE || v->type.type == CLSTM_FLOAT16 || v->type.type == CLSTM_BFLOAT16);
}

/* ---- what is labelled and what is read --------------------------------------------------------------------------------------------- */

static clstm_status make_base(prover *p, const ir_graph *g, int64_t unknown) {
    UTIL_TRY(ir_graph_clone(g, &p->base, p->err));
    for (size_t i = 0; i < p->base->n_in; i++) {
        ir_value *v = p->base->inputs[i];
        v->kind = p->ports->inputs[i].kind;
        v->type = p->ports->inputs[i].tensor;
        for (int d = 0; d < v->type.rank; d++)
            if (v->type.dims[d] < 0) v->type.dims[d] = unknown;
    }
    return plan_optimise(p->base, p->env, false, p->err);
}

static const labelled *label_of(const prover *p, const ir_value *v) { return p->label_at[v->id] ? &p->labels[p->label_at[v->id] - 1] : NULL; }

static clstm_status add_label(prover *p, const ir_value *v) {
    if (!can_label(v) || v->constant || label_of(p, v)) return CLSTM_OK;
    if (!util_grow((void **)&p->labels, &p->cap_labels, p->n_labels + 1, sizeof *p->labels)) return util_no_memory(p->err);
    int64_t count = clstm_tensor_count(&v->type);
    p->labels[p->n_labels++] = (labelled){v->id, p->total, count};
    p->label_at[v->id] = p->n_labels;
    p->total += count;
    return p->total > MOST_LABELS ? util_fail(p->err, CLSTM_UNSUPPORTED, "the states are too large to be followed") : CLSTM_OK;
}

static clstm_status add_watch(prover *p, const ir_value *v) {
    if (!util_grow((void **)&p->watch, &p->cap_watch, p->n_watch + 1, sizeof *p->watch)) return util_no_memory(p->err);
    p->watch[p->n_watch++] = (watched){v->id, NULL, can_label(v) ? clstm_tensor_count(&v->type) : 0};
    return CLSTM_OK;
}

static clstm_status add_layers(prover *p) {
    for (size_t i = 0; i < p->base->n_nodes; i++) {
        const ir_node *n = p->base->nodes[i];
        for (int k = 0; plan_is_cell(n) && k < 2; k++) {
            const ir_value *first = RNN_H0 + k < n->n_in ? n->inputs[RNN_H0 + k] : NULL, *last = RNN_YH + k < n->n_out ? n->outputs[RNN_YH + k] : NULL;
            UTIL_TRY(add_label(p, last));
            if (!can_label(first)) continue;
            if (!util_grow((void **)&p->layers, &p->cap_layers, p->n_layers + 1, sizeof *p->layers)) return util_no_memory(p->err);
            p->layers[p->n_layers++] = (carried){p->n_watch, can_label(last) ? last->id : -1};
            UTIL_TRY(add_watch(p, first));
        }
    }
    return CLSTM_OK;
}

/* Where a value's elements come from: labels everything computed that moves lead back to. *state: an input is among it. */
static clstm_status label_origins(prover *p, const ir_value *v, bool *state, bool only_look, int depth) {
    if (!v || v->constant || depth > 32) return CLSTM_OK;
    if (!v->producer || !plan_moves(v->producer)) {
        *state |= !v->producer;
        return only_look ? CLSTM_OK : add_label(p, v);
    }
    int all = strcmp(v->producer->op_type, "Concat") ? 1 : v->producer->n_in;
    for (int i = 0; i < all; i++) UTIL_TRY(label_origins(p, v->producer->inputs[i], state, only_look, depth + 1));
    return CLSTM_OK;
}

/* A Concat of a state that comes from an input with new steps, before or behind it. */
static clstm_status add_join(prover *p, const ir_node *n) {
    const ir_value *out = n->outputs[0];
    bool is_state[2] = {false, false};
    int axis = 0;
    if (n->domain[0] || strcmp(n->op_type, "Concat") || n->n_in != 2 || !can_label(out) || !can_label(n->inputs[0]) || !can_label(n->inputs[1])) return CLSTM_OK;
    if (!tensor_axis(op_attr_int(n, "axis"), out->type.rank, &axis)) return CLSTM_OK;
    for (int i = 0; i < 2; i++) UTIL_TRY(label_origins(p, n->inputs[i], &is_state[i], true, 0));
    if (!is_state[0] && !is_state[1]) return CLSTM_OK;
    for (int i = 0; i < 2; i++) UTIL_TRY(label_origins(p, n->inputs[i], &is_state[i], false, 0));
    for (int i = 0; i < 2; i++) {           /* which of two inputs is the state is for the output to tell */
        if (!is_state[i]) continue;
        if (!util_grow((void **)&p->joins, &p->cap_joins, p->n_joins + 1, sizeof *p->joins)) return util_no_memory(p->err);
        p->joins[p->n_joins++] = (appended){p->n_watch, axis, n->inputs[1 - i]->type.dims[axis], i == 0};
    }
    return add_watch(p, out);
}

static clstm_status number_elements(prover *p) {
    p->total = 1;               /* 0 would be a common number */
    for (size_t i = 0; i < p->base->n_out; i++) UTIL_TRY(add_watch(p, p->base->outputs[i]));
    for (size_t i = 0; i < p->base->n_in; i++)
        for (size_t o = 0; o < p->ports->n_out; o++)
            if (plan_ports_agree(&p->ports->inputs[i], &p->ports->outputs[o])) {
                UTIL_TRY(add_label(p, p->base->inputs[i]));
                break;
            }
    if (!(p->asked = p->n_labels > 0)) return CLSTM_OK;
    UTIL_TRY(add_layers(p));
    for (size_t i = 0; i < p->base->n_nodes; i++) UTIL_TRY(add_join(p, p->base->nodes[i]));
    return CLSTM_OK;
}

/* ---- labels -------------------------------------------------------------------------------------------------------------------- */

static float scale_of(int round) { return round % 2 ? -1.0f / 64 : 4096; }

static void write_label(const clstm_tensor *t, int64_t i, int64_t label, int round) {
    float x = scale_of(round) * (1 + (float)(label >> DIGIT_BITS * round & 63) / 64);
    switch (t->type) {
    case CLSTM_DOUBLE: ((double *)t->data)[i] = x; break;
    case CLSTM_FLOAT16: ((uint16_t *)t->data)[i] = tensor_float_to_half(x); break;
    case CLSTM_BFLOAT16: ((uint16_t *)t->data)[i] = tensor_float_to_bfloat(x); break;
    default: ((float *)t->data)[i] = x; break;
    }
}

/* The value gives way to a constant of labels, wherever it is used. */
static clstm_status put_labels(ir_graph *g, const labelled *l, int round, clstm_error *err) {
    ir_value *v = g->values[l->value], *known = v;
    ir_const *c;
    clstm_tensor empty = v->type;
    empty.data = NULL;
    UTIL_TRY(ir_const_new(&empty, &c, err));
    for (int64_t i = 0; i < l->count; i++) write_label(&c->tensor, i, l->first + i, round);
    if (v->producer && (known = ir_value_new(g, NULL))) ir_replace_uses(g, v, known);
    if (known) ir_value_set_const(known, c);
    ir_const_unref(c);
    return known ? CLSTM_OK : util_no_memory(err);
}

static clstm_status read_labels(const ir_value *v, int round, watched *w, clstm_error *err) {
    const void *data;
    if (!v->constant || !can_label(v) || clstm_tensor_count(&v->type) != w->count) { free(w->labels); w->labels = NULL; return CLSTM_OK; }
    clstm_tensor t = v->constant->tensor;
    if (round == 0 && !(w->labels = util_calloc((size_t)w->count, sizeof *w->labels))) return util_no_memory(err);
    if (!w->labels) return CLSTM_OK;
    UTIL_TRY(ir_const_data(v->constant, &data, err));
    t.data = (void *)(uintptr_t)data;
    for (int64_t i = 0; i < w->count; i++) {
        double d = (tensor_get_double(&t, i) / (double)scale_of(round) - 1) * 64;
        bool valid = d >= 0 && d < 64 && d == (double)(int)d && w->labels[i] >= 0;
        w->labels[i] = valid ? w->labels[i] | (int64_t)d << DIGIT_BITS * round : -1;
    }
    return CLSTM_OK;
}

static clstm_status one_round(prover *p, int round) {
    ir_graph *g;
    UTIL_TRY(ir_graph_clone(p->base, &g, p->err));
    clstm_status s = CLSTM_OK;
    size_t n_out = g->n_out;
    for (size_t i = n_out; i < p->n_watch && s == CLSTM_OK; i++) s = ir_graph_add_output(g, g->values[p->watch[i].value], p->err);
    for (size_t i = 0; i < p->n_labels && s == CLSTM_OK; i++) s = put_labels(g, &p->labels[i], round, p->err);
    if (s == CLSTM_OK) s = plan_optimise(g, p->env, false, p->err);
    for (size_t i = 0; i < p->n_watch && s == CLSTM_OK; i++) s = read_labels(g->outputs[i], round, &p->watch[i], p->err);
    ir_graph_destroy(g);
    return s;
}

/* ---- what follows what ----------------------------------------------------------------------------------------------------------- */

static void follow(const prover *p, int64_t *next, int64_t label, int64_t after) {
    if (label > 0 && label < p->total) next[label] = !next[label] || next[label] == after ? after : -1;
}

static void follow_join(const prover *p, const appended *j) {
    const watched *w = &p->watch[j->at];
    const clstm_tensor *t = &p->base->values[w->value]->type;
    int64_t inner = tensor_span(t, j->axis + 1, t->rank), steps = t->dims[j->axis], state = steps - j->fresh;
    for (int64_t e = 0; w->labels && e < w->count; e++) {
        int64_t at = e / inner % steps;
        if (j->front ? at >= state : at < j->fresh) continue;
        follow(p, p->by_join, w->labels[e], w->labels[j->front ? e + j->fresh * inner : e - j->fresh * inner]);
    }
}

static clstm_status find_followers(prover *p) {
    p->by_layer = util_calloc((size_t)p->total, sizeof *p->by_layer);
    p->by_join = util_calloc((size_t)p->total, sizeof *p->by_join);
    if (!p->by_layer || !p->by_join) return util_no_memory(p->err);
    for (size_t k = 0; k < p->n_layers; k++) {
        const watched *w = &p->watch[p->layers[k].from];
        const labelled *to = p->layers[k].to >= 0 ? label_of(p, p->base->values[p->layers[k].to]) : NULL;
        for (int64_t e = 0; w->labels && e < w->count; e++) follow(p, p->by_layer, w->labels[e], to && to->count == w->count ? to->first + e : -1);
    }
    for (size_t k = 0; k < p->n_joins; k++) follow_join(p, &p->joins[k]);
    return CLSTM_OK;
}

/* How many layers lie between a state and the label held after a run: 0: it is none of its successors. */
static int64_t layers_between(const prover *p, int64_t state, int64_t held) {
    int64_t n = 1;
    for (int64_t at = p->by_layer[state]; at > 0 && n < LONGEST_CHAIN; at = p->by_layer[at], n++)
        if (at == held) return n;
    return 0;
}

static plan_proof judge(const prover *p, const labelled *in, const watched *out) {
    bool all = out->labels && out->count == in->count && in->count > 0, refuted = false;
    int64_t depth = 0, joined = 0, layered = 0;
    for (int64_t a = 0; a < in->count; a++) {
        int64_t held = out->labels && out->count == in->count ? out->labels[a] : -1, n = 0;
        if (p->by_layer[in->first + a]) {
            layered++;
            n = held > 0 ? layers_between(p, in->first + a, held) : 0;
            if (!depth) depth = n;
            refuted |= !n || n != depth;
        } else if (held > 0 && p->by_join[in->first + a] == held) joined++;
        else all = false;
    }
    if (refuted) return PLAN_PROOF_NOT;
    return all && layered + joined == in->count ? layered ? PLAN_PROOF_LAYER : PLAN_PROOF_KEPT : PLAN_PROOF_NONE;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------- */

static void free_prover(prover *p) {
    for (size_t i = 0; i < p->n_watch; i++) free(p->watch[i].labels);
    free(p->labels); free(p->label_at); free(p->watch); free(p->layers); free(p->joins); free(p->by_layer); free(p->by_join);
    ir_graph_destroy(p->base);
}

static clstm_status prove_at(const ir_graph *g, const op_env *env, const plan_ports *ports, int64_t unknown, plan_proof *proofs, clstm_error *err) {
    prover p = {.ports = ports, .env = env, .err = err};
    clstm_status s = make_base(&p, g, unknown);
    if (s == CLSTM_OK && !(p.label_at = util_calloc(p.base->n_values, sizeof *p.label_at))) s = util_no_memory(err);
    if (s == CLSTM_OK) s = number_elements(&p);
    for (int round = 0; s == CLSTM_OK && p.n_layers + p.n_joins && (round < 2 || p.total >> DIGIT_BITS * round); round++) s = one_round(&p, round);
    if (s == CLSTM_OK) s = find_followers(&p);
    for (size_t i = 0; i < ports->n_in && s == CLSTM_OK; i++) {
        const labelled *in = label_of(&p, p.base->inputs[i]);
        for (size_t o = 0; o < ports->n_out; o++) proofs[i * ports->n_out + o] = in ? judge(&p, in, &p.watch[o]) : PLAN_PROOF_NONE;
    }
    free_prover(&p);
    return s;
}

clstm_status plan_prove_pairs(const ir_graph *g, const op_env *env, const plan_ports *ports, plan_proof *proofs, clstm_error *err) {
    /* Two of what is unknown tell a batch from a stack; a model that is made for one only is asked with one. */
    clstm_error ignored;
    clstm_status s = prove_at(g, env, ports, 2, proofs, &ignored);
    if (s != CLSTM_OK && s != CLSTM_NO_MEMORY) s = prove_at(g, env, ports, 1, proofs, &ignored);
    return s == CLSTM_NO_MEMORY ? util_no_memory(err) : CLSTM_OK;
}
