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

bool plan_moves(const ir_node *n) {
    static const char *const ops[] = {"Identity", "Slice", "Squeeze", "Unsqueeze", "Reshape", "Transpose", "Split", "Gather", "Concat", "Flatten", "Cast"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!n->domain[0] && !strcmp(n->op_type, ops[i])) return true;
    return false;
}

bool plan_is_cell(const ir_node *n) {
    return !n->domain[0] && (!strcmp(n->op_type, "LSTM") || !strcmp(n->op_type, "GRU") || !strcmp(n->op_type, "RNN"));
}

/* Every input is held against every output: a file of a megabyte could ask for minutes and gigabytes of that. */
enum { MOST_COMPARED = 1 << 20, MOST_NEEDS = 1 << 26 };

static bool *row(bool *of, const ir_value *v, size_t n) { return of + (size_t)v->id * n; }

/* What bodies see from outside is taken to be everything: a need too many belies no name. */
clstm_status plan_find_needs(const ir_graph *g, bool *needs, clstm_error *err) {
    size_t n = g->n_in;
    if (n && g->n_values > MOST_NEEDS / n) { memset(needs, true, g->n_out * n * sizeof *needs); return CLSTM_OK; }
    bool *of = util_calloc(g->n_values * n, sizeof *of);
    if (!of) return util_no_memory(err);
    for (size_t i = 0; i < n; i++) row(of, g->inputs[i], n)[i] = true;
    for (size_t k = 0; k < g->n_nodes; k++) {
        const ir_node *node = g->nodes[k];
        for (int o = 0; o < node->n_out; o++)
            for (size_t i = 0; node->outputs[o] && i < n; i++) {
                bool any = node->n_bodies > 0;
                for (int a = 0; a < node->n_in && !any; a++) any = node->inputs[a] && row(of, node->inputs[a], n)[i];
                row(of, node->outputs[o], n)[i] = any;
            }
    }
    for (size_t o = 0; o < g->n_out; o++) memcpy(needs + o * n, row(of, g->outputs[o], n), n * sizeof *needs);
    free(of);
    return CLSTM_OK;
}

/* ---- judgement ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct judge { const plan_ports *p; plan_proof *proofs; bool *needs; clstm_error *err; } judge;

static const char *input_name(const judge *j, size_t i, char *text, size_t size) { return util_escape(text, size, j->p->inputs[i].name); }

static clstm_status ambiguous(const judge *j, size_t i, const bool *candidate, const char *why) {
    char name[96], list[600] = "", one[96];
    for (size_t o = 0; o < j->p->n_out; o++)
        if (candidate[o]) {
            size_t n = strlen(list);
            snprintf(list + n, sizeof list - n, "%s\"%s\"", n ? ", " : "", util_escape(one, sizeof one, j->p->outputs[o].name));
        }
    return util_fail(j->err, CLSTM_BAD_ARGUMENT, "state input \"%s\": %s: candidates %s; name the pair (OUTPUT=INPUT)", input_name(j, i, name, sizeof name), why, list);
}

/* A name and what the graph says of it. */
typedef struct evidence { size_t count, at; } evidence;
static void note(evidence *e, size_t o) { e->count++; e->at = o; }

static clstm_status judge_input(const judge *j, size_t i, bool *candidate, plan_pair *pair) {
    evidence layer = {0}, kept = {0}, named = {0}, both = {0};
    pair->output = -1;
    for (size_t o = 0; o < j->p->n_out; o++) {
        candidate[o] = false;
        if (j->p->stated[o] == (int)i) { *pair = (plan_pair){(int)i, (int)o, "metadata"}; return CLSTM_OK; }
        if (j->p->stated[o] >= 0 || !plan_ports_agree(&j->p->inputs[i], &j->p->outputs[o])) continue;
        plan_proof proof = j->proofs[i * j->p->n_out + o];
        bool name = names_related(j->p->inputs[i].name, j->p->outputs[o].name);
        if (proof == PLAN_PROOF_LAYER) note(&layer, o);
        if (proof == PLAN_PROOF_KEPT) note(&kept, o);
        if (name) note(&named, o);
        if (name && proof > PLAN_PROOF_NOT) note(&both, o);
        candidate[o] = name || proof == PLAN_PROOF_LAYER || proof == PLAN_PROOF_KEPT;
    }
    if (layer.count && both.count == 1 && (layer.count > 1 || both.at == layer.at)) { *pair = (plan_pair){(int)i, (int)both.at, "layer and name"}; return CLSTM_OK; }
    if (layer.count == 1 && !named.count) { *pair = (plan_pair){(int)i, (int)layer.at, "layer"}; return CLSTM_OK; }
    if (layer.count == 1) return ambiguous(j, i, candidate, "the names say another output than the layer that it feeds");
    if (layer.count) return ambiguous(j, i, candidate, "several outputs hold the state of the layer that it feeds");
    if (!named.count) return CLSTM_OK;      /* that something is kept makes no state of it: a window of the signal is kept as well */
    if (kept.count && !both.count) return ambiguous(j, i, candidate, "the names say another output than the one that keeps its elements");
    if (both.count == 1) { *pair = (plan_pair){(int)i, (int)both.at, "kept and name"}; return CLSTM_OK; }
    if (named.count > 1) return ambiguous(j, i, candidate, "several outputs could hold its next value");
    if (j->proofs[i * j->p->n_out + named.at] == PLAN_PROOF_NOT)
        return ambiguous(j, i, candidate, "the output of that name does not hold, element for element, the state of the layer that it feeds");
    *pair = (plan_pair){(int)i, (int)named.at, "name"};
    return CLSTM_OK;
}

static clstm_status claimed_twice(const judge *j, const plan_pair *a, const plan_pair *b) {
    char first[96], second[96], out[96];
    return util_fail(j->err, CLSTM_BAD_ARGUMENT, "output \"%s\" could hold the next value of \"%s\" and of \"%s\"; name the pairs (OUTPUT=INPUT)",
                     util_escape(out, sizeof out, j->p->outputs[a->output].name), input_name(j, (size_t)a->input, first, sizeof first),
                     input_name(j, (size_t)b->input, second, sizeof second));
}

/* ---- names against needs ----------------------------------------------------------------------------------------------------------------- */

/* Pairs that names alone made, of ports that could be exchanged for one another. */
typedef struct group { const judge *j; const plan_pair *pairs; size_t n; int *taken_by; bool *tried; } group;

static bool exchangeable(const judge *j, const plan_pair *a, const plan_pair *b) {
    return !strcmp(a->why, "name") && !strcmp(b->why, "name") && plan_ports_agree(&j->p->inputs[a->input], &j->p->outputs[b->output]) &&
           plan_ports_agree(&j->p->inputs[b->input], &j->p->outputs[a->output]);
}
static bool needs(const judge *j, int output, int input) { return j->needs[(size_t)output * j->p->n_in + (size_t)input]; }

/* Gives input k an output that needs it, moving others to another such output where that helps. */
static bool place(group *g, size_t k, size_t like) {
    for (size_t m = 0; m < g->n; m++) {
        if (g->tried[m] || !exchangeable(g->j, &g->pairs[m], &g->pairs[like]) || !exchangeable(g->j, &g->pairs[m], &g->pairs[k]) ||
            !needs(g->j, g->pairs[m].output, g->pairs[k].input)) continue;
        g->tried[m] = true;
        if (g->taken_by[m] >= 0 && !place(g, (size_t)g->taken_by[m], like)) continue;
        g->taken_by[m] = (int)k;
        return true;
    }
    return false;
}

/* Names that make an output the next value of an input that it does not depend on, though with the outputs exchanged every one would
 * depend on its own: they are crossed. (A line of delays is none: no exchange helps there.) */
static clstm_status look_for_crossed(const judge *j, const plan_pair *pairs, size_t n, bool *candidate) {
    group g = {j, pairs, n, util_calloc(n, sizeof(int)), util_calloc(n, sizeof(bool))};
    clstm_status s = g.taken_by && g.tried ? CLSTM_OK : util_no_memory(j->err);
    for (size_t k = 0; k < n && s == CLSTM_OK; k++) {
        if (strcmp(pairs[k].why, "name") || needs(j, pairs[k].output, pairs[k].input)) continue;
        bool every = true;
        for (size_t m = 0; m < n; m++) g.taken_by[m] = -1;
        for (size_t m = 0; m < n && every; m++) {
            if (!exchangeable(j, &pairs[m], &pairs[k])) continue;
            memset(g.tried, 0, n * sizeof *g.tried);
            every = place(&g, m, k);
        }
        if (!every) continue;
        for (size_t o = 0; o < j->p->n_out; o++) candidate[o] = false;
        for (size_t m = 0; m < n; m++) candidate[pairs[m].output] |= exchangeable(j, &pairs[m], &pairs[k]);
        s = ambiguous(j, (size_t)pairs[k].input, candidate, "the output of that name does not depend on it, and others do");
    }
    free(g.taken_by);
    free(g.tried);
    return s;
}

static clstm_status judge_all(const judge *j, plan_pair *pairs, size_t *n) {
    bool *candidate = util_calloc(j->p->n_out, sizeof *candidate);
    clstm_status s = candidate ? CLSTM_OK : util_no_memory(j->err);
    *n = 0;
    for (size_t i = 0; i < j->p->n_in && s == CLSTM_OK; i++) {
        plan_pair pair;
        s = judge_input(j, i, candidate, &pair);
        if (s != CLSTM_OK || pair.output < 0) continue;
        for (size_t k = 0; k < *n && s == CLSTM_OK; k++)
            if (pairs[k].output == pair.output) s = claimed_twice(j, &pairs[k], &pair);
        pairs[(*n)++] = pair;
    }
    if (s == CLSTM_OK) s = look_for_crossed(j, pairs, *n, candidate);
    free(candidate);
    return s;
}

clstm_status plan_find_pairs(ir_graph *g, const op_env *env, const plan_ports *p, plan_pair *pairs, size_t *n, clstm_error *err) {
    if (p->n_out && p->n_in > MOST_COMPARED / p->n_out)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "%zu inputs and %zu outputs are too many to find states among; name the pairs (OUTPUT=INPUT)", p->n_in, p->n_out);
    judge j = {.p = p, .err = err, .proofs = util_calloc(p->n_in * p->n_out, sizeof *j.proofs), .needs = util_calloc(p->n_in * p->n_out, sizeof *j.needs)};
    clstm_status s = j.proofs && j.needs ? plan_prove_pairs(g, env, p, j.proofs, err) : util_no_memory(err);
    if (s == CLSTM_OK) s = plan_find_needs(g, j.needs, err);
    if (s == CLSTM_OK) s = judge_all(&j, pairs, n);
    free(j.proofs);
    free(j.needs);
    return s;
}
