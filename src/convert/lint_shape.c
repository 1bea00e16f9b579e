/* convert/lint_shape: sizes of the traced example in the targets of Reshape and Expand and in constants beside data. What the example's sizes
 * were follows from the constants together: every reading of the model under which all of them make sense is tried, and what all such
 * readings agree upon is proven. What still fails then is asked for the numbers behind it (lint_source), in turns. */
#include "convert/lint_site.h"
#include "convert/lint_source.h"

#include "util/status.h"

#include <stdio.h>
#include <string.h>

enum { MOST_EXAMPLES = 24, MOST_TRIALS = 200, MOST_ROUNDS = 12 };

/* What the trials so far agree upon. */
typedef struct answer { bool any; size_t faults; trial_mend mends[TRIAL_MENDS]; size_t n; int64_t example[TRIAL_SYMBOLS]; int trials; } answer;

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
        memcpy(a->example, t->example, sizeof a->example);
        a->n = t->n_mends;
        a->any = true;
        a->faults = faults;
        return;
    }
    size_t n = 0;
    for (int k = 0; k < t->n_symbols; k++) if (a->example[k] != t->example[k]) a->example[k] = 0;
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

static size_t say_symbol(const trial *t, char *out, size_t size, int k) {
    char name[40];
    const ir_value *in = t->l->graph->inputs[t->first[k].input];
    const char *symbol = in->dim_names[t->first[k].axis];
    if (symbol) return (size_t)snprintf(out, size, "\"%s\"", util_escape(name, sizeof name, symbol));
    return (size_t)snprintf(out, size, "dimension %d of \"%s\"", t->first[k].axis, util_escape(name, sizeof name, in->name));
}

static void say_shape(const trial *t, char *out, size_t size, const int64_t *plain, const trial_mend *m, int rank) {
    size_t at = (size_t)snprintf(out, size, "[");
    for (int d = 0; d < rank && at < size; d++) {
        const char *sign = d ? "," : "";
        if (!m || !m->open[d]) at += (size_t)snprintf(out + at, size - at, "%s%lld", sign, (long long)plain[d]);
        for (int k = 0; k < t->n_symbols && m && m->open[d]; k++)
            for (int p = 0; p < m->size[d].power[k] && at < size; p++, sign = "*") {
                at += (size_t)snprintf(out + at, size - at, "%s", sign);
                if (at < size) at += say_symbol(t, out + at, size - at, k);
            }
        if (m && m->open[d] && m->plus[d] && at < size) at += (size_t)snprintf(out + at, size - at, "%+lld", (long long)m->plus[d]);
    }
    if (at < size) snprintf(out + at, size - at, "]");
}

/* The list that the constant is, or its shape. */
static clstm_status constant_shape(const trial *t, const ir_node *n, int input, bool list, int64_t *shape, int *rank) {
    ir_const *c = lint_constant(t->l, n->inputs[input]);
    const void *data = c->tensor.dims;
    if (list) UTIL_TRY(ir_const_data(c, &data, t->l->err));
    *rank = list ? (int)clstm_tensor_count(&c->tensor) : c->tensor.rank;
    memcpy(shape, data, (size_t)*rank * sizeof *shape);
    return CLSTM_OK;
}

static bool opens_counted(const trial *t, const trial_mend *m) {
    for (int d = 0; d < TRIAL_RANK; d++)
        for (int k = 0; k < t->n_symbols && m->open[d]; k++) if (m->size[d].power[k] && t->l->counted[t->symbol[k]]) return true;
    return false;
}

/* Tells of the constant, and mends it where that is wanted; lost: its sizes are not told apart, and m may be NULL. */
static clstm_status tell(const trial *t, size_t node, int input, const trial_mend *m, bool lost) {
    const ir_node *n = t->l->graph->nodes[node];
    int kind = lint_site_kind(n), rank;
    bool target = kind == LINT_RESHAPE || kind == LINT_EXPAND, source = m && m->source, list = source ? !m->counted : target;
    bool guessed = m && m->guessed;
    int64_t shape[TRIAL_RANK];
    char from[200], to[400], where[300] = "";
    UTIL_TRY(constant_shape(t, n, input, list, shape, &rank));
    say_shape(t, from, sizeof from, shape, NULL, rank);
    if (!lost) say_shape(t, to, sizeof to, m->plain, m, rank);
    if (source && !lost) {
        char text[256];
        snprintf(where, sizeof where, "; %s fails at others", ir_node_text(text, sizeof text, t->l->graph->nodes[m->fails]));
    }
    unsigned flags = (guessed ? 0 : LINT_PROVEN) | (lost ? LINT_LOST : 0) | (m && opens_counted(t, m) ? LINT_OPENS : 0);
    const char *what = source && list ? "list" : target ? "shape" : "constant of shape";
    const char *fails = source && !lost ? "is of the example's sizes" : guessed ? "seems to hold sizes of the example"
                      : "holds sizes of the example, and fails at others";
    const char *why = list ? "nothing tells them apart" : "its values are those of the example";
    if (lost) lint_found(t->l, n, flags, "its %s %s %s; %s", what, from, fails, why);
    else if (lint_found(t->l, n, flags, "its %s %s %s%s; %s says the same for all", what, from, fails, where, to)) return trial_mend_graph(t, m);
    return CLSTM_OK;
}

/* What still fails when all that was agreed upon is mended. A list beside data is more likely a weight, to which a dimension declared open too
 * freely must fit. */
static clstm_status tell_lost(const trial *t, const lint_sources *left) {
    for (size_t i = 0; i < t->l->graph->n_nodes; i++)
        for (int input = 0; input < t->l->graph->nodes[i]->n_in; input++) {
            lint_site s;
            bool found;
            UTIL_TRY(lint_site_find(t, i, input, &s, &found));
            if (found && !s.guessed && (s.other < 0 || s.rank > 1)) UTIL_TRY(tell(t, i, input, NULL, true));
        }
    const ir_node *fails = left->node < t->l->graph->n_nodes ? t->l->graph->nodes[left->node] : NULL;
    if (ir_is(fails, "Split") && lint_constant(t->l, lint_input(fails, 1)))
        lint_found(t->l, fails, LINT_PROVEN | LINT_LOST, "its parts are of the example's sizes, and it fails at others; which is to grow is not told");
    if (fails && left->readings > 1)
        lint_found(t->l, fails, LINT_PROVEN | LINT_LOST, "it fails at other sizes than the example's; more than one number behind it may be meant");
    return CLSTM_OK;
}

/* ---- the symbols that matter --------------------------------------------------------------------------------------------------------- */

static void note_symbols(const trial *t, const ir_node *n, bool *matters) {
    for (int i = 0; i < n->n_in; i++) {
        trial_shape s;
        if (!n->inputs[i] || !trial_shape_of(t, n->inputs[i], &s)) continue;
        for (int d = 0; d < s.rank; d++)
            for (int k = 0; k < t->n_symbols; k++) matters[t->symbol[k]] |= s.dims[d].power[k] > 0;
    }
}

/* Those that reach a constant of the example's sizes or a node that fails, asked in groups that a trial can tell apart. */
static clstm_status choose(lint *l, int all, int *symbols, int *n) {
    bool matters[LINT_SYMBOLS] = {false};
    for (int from = 0; from < all && all > TRIAL_SYMBOLS; from += TRIAL_SYMBOLS) {
        trial t;
        int group[TRIAL_SYMBOLS], size = 0;
        while (size < TRIAL_SYMBOLS && from + size < all) { group[size] = from + size; size++; }
        trial_choose(&t, l, group, size);
        UTIL_TRY(trial_begin(&t));
        clstm_status s = CLSTM_OK;
        for (size_t i = 0; i < l->graph->n_nodes && t.at[0] && s == CLSTM_OK; i++) {
            const ir_node *node = l->graph->nodes[i];
            lint_site site;
            bool found = node->n_out && node->outputs[0] && !lint_shape(t.at[0], node->outputs[0]);
            for (int k = 0; k < node->n_in && !found && s == CLSTM_OK; k++) s = lint_site_find(&t, i, k, &site, &found);
            if (found) note_symbols(&t, node, matters);
        }
        trial_end(&t);
        if (s != CLSTM_OK) return s;
    }
    *n = 0;
    for (int k = 0; k < all && *n < TRIAL_SYMBOLS; k++) if (matters[k] || all <= TRIAL_SYMBOLS) symbols[(*n)++] = k;
    return CLSTM_OK;
}

/* All sizes mended in a copy, to learn which steps stay taken by their numbers: what opens the way to those is mended when named only. */
static clstm_status rehearse(lint *l) {
    lint other = *l;
    other.folded = NULL;
    other.repairs = NULL;
    other.found = NULL;
    UTIL_TRY(ir_graph_clone(l->graph, &other.graph, l->err));
    clstm_status s = lint_frozen_shape(&other);
    if (s == CLSTM_OK) s = lint_frozen_step(&other);
    memcpy(l->counted, other.counted, sizeof l->counted);
    l->starved |= other.starved;
    ir_graph_destroy(other.folded);
    ir_graph_destroy(other.graph);
    return s;
}

static bool has_gap(const trial_mend *m) {
    for (int d = 0; d < m->rank; d++) if (!m->open[d] && m->plain[d] == -1) return true;
    return false;
}

clstm_status lint_frozen_shape(lint *l) {
    trial t;
    lint_sources left = {.tries = 0};
    lint_symbol first[LINT_SYMBOLS];
    int symbols[TRIAL_SYMBOLS], n, all = lint_symbols(l->graph, first, LINT_SYMBOLS), trials = 0;
    UTIL_TRY(choose(l, all < LINT_SYMBOLS ? all : LINT_SYMBOLS, symbols, &n));
    if (!n) return CLSTM_OK;
    trial_choose(&t, l, symbols, n);
    for (int round = 0, more = 1; round < MOST_ROUNDS && more; round++) {
        trial next = t;
        answer a = {.trials = trials};
        UTIL_TRY(explain(&next, &a));
        trials = a.trials;
        if (!a.any) break;
        memcpy(t.mends, a.mends, sizeof t.mends);
        memcpy(t.example, a.example, sizeof t.example);
        t.n_mends = a.n;
        UTIL_TRY(lint_source_find(&t, &left));
        more = left.readings == 1;
    }
    UTIL_TRY(trial_begin(&t));
    clstm_status s = t.at[0] ? tell_lost(&t, &left) : CLSTM_OK;
    trial_end(&t);
    if (s == CLSTM_OK && t.n_mends && l->repairs && !*l->repairs) s = rehearse(l);
    bool fails = left.node < l->graph->n_nodes;
    for (size_t i = 0; i < t.n_mends && s == CLSTM_OK; i++) {
        const trial_mend *m = &t.mends[i];
        bool doubt = m->source || (m->other < 0 && has_gap(m));
        if (doubt && fails) {       /* what does not end in a sound model may have been meant otherwise */
            if ((s = lint_source_behind(&t, &left, m->node, &doubt)) == CLSTM_OK && doubt) s = tell(&t, m->node, m->input, m, true);
            if (doubt) continue;
        }
        for (int k = 0; k < n && !m->guessed; k++) l->example[symbols[k]] = t.example[k];
        s = tell(&t, m->node, m->input, m, false);
    }
    return s == CLSTM_OK ? ir_graph_order(l->graph, l->err) : s;
}
