/* plan/pairs_proof: whether an output holds the next value of a state input element for element. The elements of the inputs in question
 * and of all last states of recurrent layers are replaced by labels, and what needs nothing else is computed: then the layers' initial
 * states say which element of an input they came from, and the outputs which element of a last state they hold. Moves of any kind keep
 * labels, casts too, for a label is 1 + d/64 with d below 64, times a scale: exact in every floating-point type. Larger numbers take
 * several rounds, large and positive in one, small and negative in the next, so that no activation or clipping passes for a move. */
#include "plan/pairs.h"
#include "plan/plan_internal.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { DIGIT_BITS = 6, MOST_LABELS = 1 << 20 };

/* A run of labelled elements: of input `index`, or of last state `k` (0: h, 1: c) of recurrent node `index`. */
typedef struct labelled { int index, k; int64_t first, count; } labelled;

typedef struct prover {
    const plan_ports *ports;
    const op_env *env;
    ir_graph *base;             /* shapes known, nothing labelled */
    labelled *inputs, *states;
    size_t n_inputs, n_states;
    int64_t total;
    int64_t **initial, **held;  /* labels read: of each state's initial value, of each output; NULL: none */
    clstm_error *err;
} prover;

static ir_node *nth_recurrent(const ir_graph *g, int n) {
    for (size_t i = 0; i < g->n_nodes; i++)
        if (plan_is_layer(g->nodes[i]) && n-- == 0) return g->nodes[i];
    return NULL;
}

static bool can_label(const ir_value *v) {
    return v && v->kind == CLSTM_KIND_TENSOR && tensor_shape_known(&v->type) &&
           (v->type.type == CLSTM_FLOAT || v->type.type == CLSTM_DOUBLE || v->type.type == CLSTM_FLOAT16 || v->type.type == CLSTM_BFLOAT16);
}

/* ---- shapes -------------------------------------------------------------------------------------------------------------------- */

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

static clstm_status number_elements(prover *p, const bool *asked) {
    int n = 0;
    for (size_t i = 0; i < p->base->n_nodes; i++) n += plan_is_layer(p->base->nodes[i]);
    p->inputs = util_calloc(p->ports->n_in, sizeof *p->inputs);
    p->states = util_calloc(2 * (size_t)n, sizeof *p->states);
    p->initial = util_calloc(2 * (size_t)n, sizeof *p->initial);
    p->held = util_calloc(p->ports->n_out, sizeof *p->held);
    if (!p->inputs || !p->states || !p->initial || !p->held) return util_no_memory(p->err);
    p->total = 1;               /* 0 would be a common number */
    for (size_t i = 0; i < p->ports->n_in; i++) {
        if (!asked[i] || !can_label(p->base->inputs[i])) continue;
        int64_t count = clstm_tensor_count(&p->base->inputs[i]->type);
        p->inputs[p->n_inputs++] = (labelled){(int)i, 0, p->total, count};
        p->total += count;
    }
    for (int l = 0; l < n; l++)
        for (int k = 0; k < 2; k++) {
            const ir_node *node = nth_recurrent(p->base, l);
            if (1 + k >= node->n_out || !can_label(node->outputs[1 + k])) continue;
            int64_t count = clstm_tensor_count(&node->outputs[1 + k]->type);
            p->states[p->n_states++] = (labelled){l, k, p->total, count};
            p->total += count;
        }
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

static clstm_status make_labels(const clstm_tensor *type, const labelled *l, int round, ir_const **out, clstm_error *err) {
    clstm_tensor empty = *type;
    empty.data = NULL;
    UTIL_TRY(ir_const_new(&empty, out, err));
    for (int64_t i = 0; i < l->count; i++) write_label(&(*out)->tensor, i, l->first + i, round);
    return CLSTM_OK;
}

/* Every last state that is used becomes a constant of labels, its layer's initial state an output behind the graph's own. */
static clstm_status label_states(const prover *p, ir_graph *g, int round) {
    for (size_t s = 0; s < p->n_states; s++) {
        const labelled *l = &p->states[s];
        ir_node *n = nth_recurrent(g, l->index);
        ir_const *c;
        UTIL_TRY(make_labels(&n->outputs[1 + l->k]->type, l, round, &c, p->err));
        ir_value *v = ir_value_new(g, NULL);
        if (v) {
            ir_value_set_const(v, c);
            ir_replace_uses(g, n->outputs[1 + l->k], v);
        }
        ir_const_unref(c);
        if (!v) return util_no_memory(p->err);
        int at = 5 + l->k;
        UTIL_TRY(ir_graph_add_output(g, at < n->n_in && n->inputs[at] ? n->inputs[at] : v, p->err));
    }
    return CLSTM_OK;
}

static clstm_status read_labels(const ir_value *v, int round, int64_t **labels, clstm_error *err) {
    const void *data;
    if (!v->constant || !can_label(v)) { free(*labels); *labels = NULL; return CLSTM_OK; }
    clstm_tensor t = v->constant->tensor;
    int64_t n = clstm_tensor_count(&t);
    if (round == 0 && !(*labels = util_calloc((size_t)n, sizeof **labels))) return util_no_memory(err);
    if (!*labels) return CLSTM_OK;
    UTIL_TRY(ir_const_data(v->constant, &data, err));
    t.data = (void *)(uintptr_t)data;
    for (int64_t i = 0; i < n; i++) {
        double d = (tensor_get_double(&t, i) / (double)scale_of(round) - 1) * 64;
        bool valid = d >= 0 && d < 64 && d == (double)(int)d && (*labels)[i] >= 0;
        (*labels)[i] = valid ? (*labels)[i] | (int64_t)d << DIGIT_BITS * round : -1;
    }
    return CLSTM_OK;
}

static clstm_status one_round(prover *p, int round) {
    ir_graph *g;
    UTIL_TRY(ir_graph_clone(p->base, &g, p->err));
    size_t n_out = g->n_out;
    clstm_status s = label_states(p, g, round);
    for (size_t i = 0; i < p->n_inputs && s == CLSTM_OK; i++) {
        ir_const *c;
        ir_value *v = g->inputs[p->inputs[i].index];
        if ((s = make_labels(&v->type, &p->inputs[i], round, &c, p->err)) != CLSTM_OK) break;
        ir_value_set_const(v, c);
        ir_const_unref(c);
    }
    if (s == CLSTM_OK) s = plan_optimise(g, p->env, false, p->err);
    for (size_t o = 0; o < n_out && s == CLSTM_OK; o++) s = read_labels(g->outputs[o], round, &p->held[o], p->err);
    for (size_t k = 0; k < p->n_states && s == CLSTM_OK; k++) s = read_labels(g->outputs[n_out + k], round, &p->initial[k], p->err);
    ir_graph_destroy(g);
    return s;
}

/* ---- judgement ----------------------------------------------------------------------------------------------------------------- */

/* Every element of the input is the initial value of some state element, and the output holds that state element in its place. */
static bool holds_next(const prover *p, const labelled *in, size_t output) {
    const int64_t *held = p->held[output];
    bool *seen = held ? calloc((size_t)in->count + 1, 1) : NULL;
    int64_t found = 0;
    bool same = seen && in->count > 0 && clstm_tensor_count(&p->base->outputs[output]->type) == in->count;
    for (size_t s = 0; s < p->n_states && same; s++)
        for (int64_t e = 0; e < p->states[s].count && same && p->initial[s]; e++) {
            int64_t a = p->initial[s][e] - in->first;
            if (a < 0 || a >= in->count) continue;
            same = held[a] == p->states[s].first + e;
            found += !seen[a];
            seen[a] = true;
        }
    free(seen);
    return same && found == in->count;
}

static void free_prover(prover *p) {
    for (size_t i = 0; i < p->n_states; i++) free(p->initial[i]);
    for (size_t i = 0; p->held && i < p->ports->n_out; i++) free(p->held[i]);
    free(p->inputs); free(p->states); free(p->initial); free(p->held);
    ir_graph_destroy(p->base);
}

static clstm_status prove_at(const ir_graph *g, const op_env *env, const plan_ports *ports, bool *asked, int64_t unknown, bool *same, clstm_error *err) {
    prover p = {.ports = ports, .env = env, .err = err};
    clstm_status s = make_base(&p, g, unknown);
    if (s == CLSTM_OK) s = number_elements(&p, asked);
    if (s == CLSTM_OK && p.total > MOST_LABELS) s = util_fail(err, CLSTM_UNSUPPORTED, "the states are too large to be followed");
    for (int round = 0; s == CLSTM_OK && (round < 2 || p.total >> DIGIT_BITS * round); round++) s = one_round(&p, round);
    if (s == CLSTM_OK) memset(asked, 0, ports->n_in * sizeof *asked);
    for (size_t i = 0; i < p.n_inputs && s == CLSTM_OK; i++) {
        asked[p.inputs[i].index] = true;
        for (size_t o = 0; o < ports->n_out; o++) same[(size_t)p.inputs[i].index * ports->n_out + o] = holds_next(&p, &p.inputs[i], o);
    }
    free_prover(&p);
    return s;
}

clstm_status plan_prove_pairs(const ir_graph *g, const op_env *env, const plan_ports *ports, bool *asked, bool *same, clstm_error *err) {
    /* Two of what is unknown tell a batch from a stack; a model that is made for one only is asked with one. */
    clstm_error ignored;
    clstm_status s = prove_at(g, env, ports, asked, 2, same, &ignored);
    if (s != CLSTM_OK && s != CLSTM_NO_MEMORY) s = prove_at(g, env, ports, asked, 1, same, &ignored);
    if (s != CLSTM_OK) memset(asked, 0, ports->n_in * sizeof *asked);
    return s == CLSTM_NO_MEMORY ? util_no_memory(err) : CLSTM_OK;
}
