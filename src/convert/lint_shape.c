/* convert/lint_shape: sizes of the traced example in the targets of Reshape and Expand and in constants beside data. What the example's sizes
 * were follows from the constants together: every reading of the model under which all of them make sense is tried, and what all such
 * readings agree upon is proven. */
#include "convert/lint_site.h"

#include "util/status.h"

#include <stdio.h>
#include <string.h>

enum { MOST_EXAMPLES = 24, MOST_TRIALS = 200 };

/* What the trials so far agree upon. */
typedef struct answer { bool any; size_t faults; trial_mend mends[TRIAL_MENDS]; size_t n; int trials; } answer;

/* ---- readings of the whole model --------------------------------------------------------------------------------------------------- */

/* Nodes that no shape comes to: inference ends where a reading makes no sense. */
static size_t unreached(const trial *t) {
    size_t count = 0;
    trial_shape s;
    for (size_t i = 0; i < t->l->graph->n_nodes; i++) {
        const ir_node *n = t->l->graph->nodes[i];
        count += n->n_out && n->outputs[0] && !trial_shape_of(t, n->outputs[0], &s);
    }
    return count;
}

/* One more reading under which as much makes sense as under the best so far: what differs is not known. */
static void agree(answer *a, const trial *t, size_t faults) {
    if (a->any && faults > a->faults) return;
    if (!a->any || faults < a->faults) {
        memcpy(a->mends, t->mends, sizeof a->mends);
        a->n = t->n_mends;
        a->any = true;
        a->faults = faults;
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++) {
        bool same = false;
        for (size_t k = 0; k < t->n_mends && !same; k++) same = trial_same_mend(&a->mends[i], &t->mends[k]);
        if (same) a->mends[n++] = a->mends[i];
    }
    a->n = n;
}

static clstm_status explain(trial *t, answer *a);

/* Goes on with every size that the symbols from k on may have had in the example when their product was `rest`. */
static clstm_status try_examples(const trial *t, const lint_site *s, int k, int64_t rest, answer *a) {
    while (k < t->n_symbols && (!s->open.power[k] || t->example[k])) k++;
    if (k == t->n_symbols) {
        trial next = *t;
        return rest == 1 ? explain(&next, a) : CLSTM_OK;
    }
    bool last = true;
    for (int i = k + 1; i < t->n_symbols; i++) last &= !s->open.power[i] || t->example[i];
    for (int64_t v = last && s->open.power[k] == 1 ? rest : 1, n = 0; v <= rest && n < MOST_EXAMPLES; v++) {
        trial next = *t;
        int64_t left = rest;
        bool divides = rest % v == 0;
        for (int p = 0; p < s->open.power[k] && divides; p++) { divides = left % v == 0; left /= v; }
        if (!divides) continue;
        next.example[k] = v;
        n++;
        UTIL_TRY(try_examples(&next, s, k + 1, left, a));
    }
    return CLSTM_OK;
}

/* What of the site's sizes the unknown symbols must have made; 0: nothing can. */
static int64_t unknown_part(const trial *t, const lint_site *s, bool *unknown) {
    int64_t rest = s->open.number > 0 && s->was % s->open.number == 0 ? s->was / s->open.number : 0;
    *unknown = false;
    for (int k = 0; k < t->n_symbols; k++) {
        *unknown |= s->open.power[k] && !t->example[k];
        for (int p = 0; p < s->open.power[k] && t->example[k]; p++) rest = rest % t->example[k] ? 0 : rest / t->example[k];
    }
    return rest > 1000000 ? 0 : rest;
}

/* Reads every site that comes to light, until none is left. *branch: one whose sizes the example's that are known do not settle. */
static clstm_status read_sites(trial *t, bool *again, size_t *stuck, lint_site *branch, bool *branches) {
    const ir_graph *g = t->l->graph;
    *again = *branches = false;
    *stuck = 0;
    for (size_t i = 0; i < g->n_nodes && t->n_mends < TRIAL_MENDS; i++)
        for (int input = 0; input < g->nodes[i]->n_in; input++) {
            lint_site s;
            bool found, can = false, unknown = false;
            UTIL_TRY(lint_site_find(t, i, input, &s, &found));
            if (!found || t->n_mends == TRIAL_MENDS) continue;
            int64_t rest = unknown_part(t, &s, &unknown);
            if (unknown && rest) { *branch = s; *branches = true; continue; }
            if (rest == 1) UTIL_TRY(lint_site_read(t, &s, &t->mends[t->n_mends], &can));
            t->n_mends += can;
            *again |= can;
            *stuck += !can;
        }
    return CLSTM_OK;
}

static clstm_status explain(trial *t, answer *a) {
    size_t stuck = 0, dark = 0;
    bool again = true, branches = false;
    lint_site branch;
    while (again && a->trials++ < MOST_TRIALS) {
        UTIL_TRY(trial_begin(t));
        if (!t->at[0]) return CLSTM_OK;
        clstm_status s = read_sites(t, &again, &stuck, &branch, &branches);
        dark = unreached(t);
        trial_end(t);
        if (s != CLSTM_OK) return s;
    }
    if (again) return CLSTM_OK;
    if (branches) {
        bool unknown;
        return try_examples(t, &branch, 0, unknown_part(t, &branch, &unknown), a);
    }
    size_t doubts = 0;
    for (size_t i = 0; i < t->n_mends; i++) doubts += t->mends[i].doubtful;
    agree(a, t, (stuck + dark) * (TRIAL_MENDS + 1) + doubts);
    return CLSTM_OK;
}

/* ---- findings ---------------------------------------------------------------------------------------------------------------------- */

static void say_shape(const trial *t, char *out, size_t size, const int64_t *plain, const trial_mend *m, int rank) {
    size_t at = (size_t)snprintf(out, size, "[");
    for (int d = 0; d < rank && at < size; d++) {
        char name[40];
        int k = 0;
        while (m && m->open[d] && k < t->n_symbols && !m->size[d].power[k]) k++;
        const lint_symbol *s = &t->first[k < TRIAL_SYMBOLS ? k : 0];
        const ir_value *in = t->l->graph->n_in ? t->l->graph->inputs[s->input] : NULL;
        const char *comma = d ? "," : "";
        if (!m || !m->open[d]) at += (size_t)snprintf(out + at, size - at, "%s%lld", comma, (long long)plain[d]);
        else if (in->dim_names[s->axis]) at += (size_t)snprintf(out + at, size - at, "%s\"%s\"", comma, util_escape(name, sizeof name, in->dim_names[s->axis]));
        else at += (size_t)snprintf(out + at, size - at, "%sdimension %d of \"%s\"", comma, s->axis, util_escape(name, sizeof name, in->name));
    }
    if (at < size) snprintf(out + at, size - at, "]");
}

static clstm_status constant_shape(const trial *t, const ir_node *n, int input, bool target, int64_t *shape, int *rank) {
    ir_const *c = lint_constant(t->l, n->inputs[input]);
    const void *data = c->tensor.dims;
    if (target) UTIL_TRY(ir_const_data(c, &data, t->l->err));
    *rank = target ? (int)c->tensor.dims[0] : c->tensor.rank;
    memcpy(shape, data, (size_t)*rank * sizeof *shape);
    return CLSTM_OK;
}

/* Tells of the constant, and mends it where that is wanted; m NULL: its sizes are not told apart. */
static clstm_status tell(const trial *t, size_t node, int input, const trial_mend *m, bool guessed) {
    const ir_node *n = t->l->graph->nodes[node];
    int kind = lint_site_kind(n), rank;
    bool target = kind == LINT_RESHAPE || kind == LINT_EXPAND;
    int64_t shape[TRIAL_RANK];
    char from[200], to[400];
    UTIL_TRY(constant_shape(t, n, input, target, shape, &rank));
    say_shape(t, from, sizeof from, shape, NULL, rank);
    if (m) say_shape(t, to, sizeof to, m->plain, m, rank);
    unsigned flags = (guessed ? 0 : LINT_PROVEN) | (m ? 0 : LINT_LOST);
    const char *what = target ? "shape" : "constant of shape", *fails = guessed ? "seems to hold sizes of the example" : "holds sizes of the example, and fails at others";
    if (!m) lint_found(t->l, n, flags, "its %s %s %s; %s", what, from, fails, target ? "nothing tells them apart" : "its values are those of the example");
    else if (lint_found(t->l, n, flags, "its %s %s %s; %s says the same for all", what, from, fails, to)) return trial_mend_graph(t, m);
    return CLSTM_OK;
}

/* What still fails when all that was agreed upon is mended. A list beside data is more likely a weight, to which a dimension declared open too
 * freely must fit. */
static clstm_status tell_lost(const trial *t) {
    for (size_t i = 0; i < t->l->graph->n_nodes; i++)
        for (int input = 0; input < t->l->graph->nodes[i]->n_in; input++) {
            lint_site s;
            bool found;
            UTIL_TRY(lint_site_find(t, i, input, &s, &found));
            if (found && !s.guessed && (s.other < 0 || s.rank > 1)) UTIL_TRY(tell(t, i, input, NULL, false));
        }
    return CLSTM_OK;
}

clstm_status lint_frozen_shape(lint *l) {
    trial t = {.l = l};
    answer a = {0};
    t.n_symbols = lint_symbols(l->graph, t.first, TRIAL_SYMBOLS);
    if (!t.n_symbols || t.n_symbols > TRIAL_SYMBOLS) return CLSTM_OK;
    trial first = t;
    UTIL_TRY(explain(&first, &a));
    memcpy(t.mends, a.mends, sizeof t.mends);
    t.n_mends = a.n;
    UTIL_TRY(trial_begin(&t));
    clstm_status s = t.at[0] ? tell_lost(&t) : CLSTM_OK;
    trial_end(&t);
    for (size_t i = 0; i < a.n && s == CLSTM_OK; i++) s = tell(&t, a.mends[i].node, a.mends[i].input, &a.mends[i], a.mends[i].guessed);
    return s == CLSTM_OK ? ir_graph_order(l->graph, l->err) : s;
}
