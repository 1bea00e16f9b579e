/* plan/pairs: recognising state inputs and outputs. A wrong pair is worse than none, so names alone never overrule the graph. */
#include "plan/pairs.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- evidence of names ------------------------------------------------------------------------------------------------------------ */

static bool joined(const char *a, const char *b, const char *whole) {
    size_t n = strlen(a);
    return !strncasecmp(whole, a, n) && !strcasecmp(whole + n, b);
}

/* `out` is `in` with one occurrence of `from` replaced by `to`. */
static bool swapped(const char *in, const char *out, const char *from, const char *to) {
    size_t nf = strlen(from), nt = strlen(to), ni = strlen(in);
    if (strlen(out) != ni - nf + nt) return false;
    for (size_t i = 0; i + nf <= ni; i++)
        if (!strncasecmp(in + i, from, nf) && !strncasecmp(in, out, i) && !strncasecmp(out + i, to, nt) && !strcasecmp(in + i + nf, out + i + nt)) return true;
    return false;
}

/* "input", "in_2": a name that says a port's side and place, but nothing of what it is. */
static bool says_nothing(const char *in) {
    if (!strncasecmp(in, "input", 5)) in += 5;
    else if (!strncasecmp(in, "in", 2)) in += 2;
    else return false;
    for (; *in; in++)
        if ((*in >= 'a' && *in <= 'z') || (*in >= 'A' && *in <= 'Z')) return false;
    return true;
}

static bool names_related(const char *in, const char *out) {
    static const char *const behind[] = {"n", "_n", "_out", "_o", "_new", "_next", "_t", "out", "new", "next", "'", ".1"};
    static const char *const before[] = {"new_", "next_", "out_", "updated_", "output_", "final_", "o_"};
    static const char *const words[][2] = {{"in", "out"}, {"input", "output"}, {"0", "n"}, {"initial", "final"}, {"prev", "next"}, {"past", "present"},
                                           {"old", "new"}, {"prev_", ""}, {"_prev", ""}, {"last_", ""}, {"previous_", ""}, {"0", "1"}, {"initial_", ""}};
    if (!strcmp(in, out)) return true;
    if (says_nothing(in)) return false;
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++)
        if (joined(in, behind[i], out)) return true;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        if (joined(before[i], in, out)) return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (swapped(in, out, words[i][0], words[i][1])) return true;
    return false;
}

bool plan_ports_agree(const clstm_port *in, const clstm_port *out) {
    if (in->kind != CLSTM_KIND_TENSOR || out->kind == CLSTM_KIND_SEQUENCE) return false;
    const clstm_tensor *a = &in->tensor, *b = &out->tensor;
    if (a->type && b->type && a->type != b->type) return false;
    if (a->rank < 0 || b->rank < 0) return true;
    if (a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dims[d] >= 0 && b->dims[d] >= 0 && a->dims[d] != b->dims[d]) return false;
    return true;
}

/* ---- evidence of the graph ----------------------------------------------------------------------------------------------------------- */

/* Moves elements of its first input (Concat, of all inputs); which ones go where is for the proof to tell. */
static bool moves(const ir_node *n) {
    static const char *const ops[] = {"Identity", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Split", "Gather", "Concat", "Flatten", "Cast"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!n->domain[0] && !strcmp(n->op_type, ops[i])) return true;
    return false;
}

bool plan_is_layer(const ir_node *n) {
    return !n->domain[0] && n->index != IR_RECOVERED && (!strcmp(n->op_type, "LSTM") || !strcmp(n->op_type, "GRU") || !strcmp(n->op_type, "RNN"));
}

/* A set of states: bit 2*layer for h, 2*layer+1 for c. */

typedef struct tracer { uint64_t *set; size_t words; ir_node **layers; size_t n_layers; const ir_value *target; bool hit; int budget; } tracer;

static size_t layer_of(const tracer *t, const ir_node *n) {
    size_t i = 0;
    while (i < t->n_layers && t->layers[i] != n) i++;
    return i;
}

static void mark(tracer *t, size_t bit) { t->set[bit / 64] |= (uint64_t)1 << bit % 64; }

/* Walks from a value back through moves; notes the layers whose last states it meets, and whether it meets the target. */
static void trace_back(tracer *t, const ir_value *v, int depth) {
    if (!v || depth > 64 || --t->budget < 0) return;
    if (v == t->target) { t->hit = true; return; }
    const ir_node *n = v->producer;
    if (!n) return;
    if (plan_is_layer(n)) {
        size_t layer = layer_of(t, n);
        for (int k = 1; k < n->n_out && layer < t->n_layers; k++)
            if (n->outputs[k] == v) mark(t, 2 * layer + (size_t)k - 1);
        return;
    }
    if (!moves(n)) return;
    int all = strcmp(n->op_type, "Concat") ? 1 : n->n_in;
    for (int i = 0; i < all; i++) trace_back(t, n->inputs[i], depth + 1);
}

static void touch_outputs(tracer *t, const ir_value *out, uint64_t *set) {
    t->set = set;
    t->target = NULL;
    t->budget = 4096;
    trace_back(t, out, 0);
}

static void touch_input(tracer *t, const ir_value *in, uint64_t *set, uint64_t *ignored) {
    for (size_t l = 0; l < t->n_layers; l++)
        for (int k = 0; k < 2 && 5 + k < t->layers[l]->n_in; k++) {
            t->set = ignored;
            t->target = in;
            t->hit = false;
            t->budget = 4096;
            trace_back(t, t->layers[l]->inputs[5 + k], 0);
            if (t->hit) { t->set = set; mark(t, 2 * l + (size_t)k); }
        }
}

static bool empty(const uint64_t *s, size_t words) {
    for (size_t i = 0; i < words; i++)
        if (s[i]) return false;
    return true;
}

/* ---- judgement ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct judge { const plan_ports *p; uint64_t *in, *out; size_t words; bool *asked, *proven; clstm_error *err; } judge;

static const uint64_t *set_of(const uint64_t *sets, size_t words, size_t i) { return sets + i * words; }

static clstm_status ambiguous(const judge *j, size_t i, const bool *candidate, const char *why) {
    char name[96], list[600] = "", one[96];
    for (size_t o = 0; o < j->p->n_out; o++)
        if (candidate[o]) {
            size_t n = strlen(list);
            snprintf(list + n, sizeof list - n, "%s\"%s\"", n ? ", " : "", util_escape(one, sizeof one, j->p->outputs[o].name));
        }
    return util_fail(j->err, CLSTM_BAD_ARGUMENT, "state input \"%s\": %s: candidates %s; name the pair (OUTPUT=INPUT)", util_escape(name, sizeof name, j->p->inputs[i].name), why, list);
}

static clstm_status judge_input(const judge *j, size_t i, bool *by_graph, bool *by_name, plan_pair *pair) {
    size_t n_graph = 0, n_name = 0, graph = 0, name = 0, exact = 0, exact_at = 0;
    bool layer = j->asked[i], contradicted = false;
    pair->output = -1;
    for (size_t o = 0; o < j->p->n_out; o++) {
        by_graph[o] = by_name[o] = false;
        if (j->p->stated[o] == (int)i) { *pair = (plan_pair){(int)i, (int)o, "metadata"}; return CLSTM_OK; }
        if (j->p->stated[o] >= 0 || !plan_ports_agree(&j->p->inputs[i], &j->p->outputs[o])) continue;
        bool same = j->proven[i * j->p->n_out + o];
        by_graph[o] = layer && same;
        by_name[o] = names_related(j->p->inputs[i].name, j->p->outputs[o].name);
        if (by_graph[o]) { n_graph++; graph = o; }
        if (by_name[o]) {
            n_name++;
            name = o;
            contradicted |= layer && !same && !empty(set_of(j->out, j->words, o), j->words);
            if (by_graph[o]) { exact++; exact_at = o; }
        }
    }
    if (n_graph == 1 && (!n_name || by_name[graph])) { *pair = (plan_pair){(int)i, (int)graph, n_name ? "layer and name" : "layer"}; return CLSTM_OK; }
    if (n_graph > 1 && exact == 1) { *pair = (plan_pair){(int)i, (int)exact_at, "layer and name"}; return CLSTM_OK; }
    for (size_t o = 0; o < j->p->n_out; o++) by_graph[o] |= by_name[o];
    if (n_graph == 1) return ambiguous(j, i, by_graph, "the names say another output than the layer that it feeds");
    if (n_graph > 1) return ambiguous(j, i, by_graph, "several outputs hold the state of the layer that it feeds");
    if (contradicted) return ambiguous(j, i, by_graph, "the output of that name does not hold, element for element, the state of the layer that it feeds");
    if (n_name > 1) return ambiguous(j, i, by_name, "several outputs could hold its next value");
    if (n_name == 1) *pair = (plan_pair){(int)i, (int)name, "name"};
    return CLSTM_OK;
}

static clstm_status judge_all(judge *j, plan_pair *pairs, size_t *n) {
    bool *by_graph = util_calloc(j->p->n_out, 1), *by_name = util_calloc(j->p->n_out, 1);
    clstm_status s = by_graph && by_name ? CLSTM_OK : util_no_memory(j->err);
    *n = 0;
    for (size_t i = 0; i < j->p->n_in && s == CLSTM_OK; i++) {
        plan_pair pair;
        s = judge_input(j, i, by_graph, by_name, &pair);
        if (s != CLSTM_OK || pair.output < 0) continue;
        for (size_t k = 0; k < *n && s == CLSTM_OK; k++)
            if (pairs[k].output == pair.output) {
                char a[96], b[96], o[96];
                s = util_fail(j->err, CLSTM_BAD_ARGUMENT, "output \"%s\" could hold the next value of \"%s\" and of \"%s\"; name the pairs (OUTPUT=INPUT)",
                              util_escape(o, sizeof o, j->p->outputs[pair.output].name), util_escape(a, sizeof a, j->p->inputs[pairs[k].input].name),
                              util_escape(b, sizeof b, j->p->inputs[i].name));
            }
        pairs[(*n)++] = pair;
    }
    free(by_graph);
    free(by_name);
    return s;
}

clstm_status plan_find_pairs(ir_graph *g, const op_env *env, const plan_ports *p, plan_pair *pairs, size_t *n, clstm_error *err) {
    tracer t = {0};
    for (size_t i = 0; i < g->n_nodes; i++) t.n_layers += plan_is_layer(g->nodes[i]);
    size_t words = (2 * t.n_layers + 63) / 64 + 1;
    judge j = {.p = p, .words = words, .err = err};
    t.layers = util_calloc(t.n_layers, sizeof *t.layers);
    t.words = words;
    j.in = util_calloc(p->n_in * words, sizeof *j.in);
    j.out = util_calloc(p->n_out * words, sizeof *j.out);
    uint64_t *ignored = util_calloc(words, sizeof *ignored);
    bool any = false;
    j.asked = util_calloc(p->n_in, 1);
    j.proven = util_calloc(p->n_in * p->n_out, 1);
    clstm_status s = t.layers && j.in && j.out && ignored && j.asked && j.proven ? CLSTM_OK : util_no_memory(err);
    if (s == CLSTM_OK) {
        size_t k = 0;
        for (size_t i = 0; i < g->n_nodes; i++)
            if (plan_is_layer(g->nodes[i])) t.layers[k++] = g->nodes[i];
        for (size_t i = 0; i < p->n_in; i++) touch_input(&t, g->inputs[i], j.in + i * words, ignored);
        for (size_t i = 0; i < p->n_out; i++) touch_outputs(&t, g->outputs[i], j.out + i * words);
        for (size_t i = 0; i < p->n_in; i++) any |= j.asked[i] = !empty(set_of(j.in, words, i), words);
        if (any) s = plan_prove_pairs(g, env, p, j.asked, j.proven, err);
        if (s == CLSTM_OK) s = judge_all(&j, pairs, n);
    }
    free(t.layers); free(j.in); free(j.out); free(ignored); free(j.asked); free(j.proven);
    return s;
}
