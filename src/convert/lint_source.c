/* convert/lint_source: a node that no shape comes to, although its inputs have theirs, is followed up to the numbers that their sizes are
 * made of. Each is tried in the place of a symbol; the one reading after which the node's shape is known at every size is proven. */
#include "convert/lint_source.h"

#include "convert/lint_site.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

enum { FARTHEST_END = 4 };      /* a Slice ends so many elements before the last */
#define NEVER SIZE_MAX

/* ---- the node that fails ------------------------------------------------------------------------------------------------------------ */

static bool has_shape(const trial *t, const ir_value *v) {
    trial_shape s;
    return !v || v->constant || lint_constant(t->l, v) || trial_shape_of(t, v, &s);
}

static void ask(const ir_graph *g, const ir_value *v, bool *asked) { if (v && v->graph == g) asked[v->id] = true; }

/* What the node reads, its bodies included. */
static void ask_inputs(const ir_graph *g, const ir_node *n, bool *asked) {
    for (int k = 0; k < n->n_in; k++) ask(g, n->inputs[k], asked);
    for (int b = 0; b < n->n_bodies; b++) {
        const ir_graph *body = n->bodies[b];
        for (size_t i = 0; i < body->n_nodes; i++) ask_inputs(g, body->nodes[i], asked);
        for (size_t i = 0; i < body->n_out; i++) ask(g, body->outputs[i], asked);
    }
}

static bool gives(const ir_node *n, const bool *asked) {
    for (int k = 0; k < n->n_out; k++) if (n->outputs[k] && asked[n->outputs[k]->id]) return true;
    return false;
}

/* A Reshape whose -1 comes out as no product of sizes, or as parts of more than one dimension, was not meant. */
static bool good(const trial *t, const ir_node *n) {
    trial_shape in, out;
    for (int k = 0; k < n->n_out; k++) if (n->outputs[k] && has_shape(t, n->outputs[k])) {
        if (!ir_is(n, "Reshape") || !trial_shape_of(t, n->inputs[0], &in) || !trial_shape_of(t, n->outputs[0], &out)) return true;
        for (int d = 0; d < in.rank; d++) if (in.dims[d].number <= 0) return true;
        return out.rank <= TRIAL_RANK && lint_site_aligned(t, n->inputs[0], &in, out.dims, out.rank);
    }
    return false;
}

/* Whether the node is still in the copies: what only a state of zeros asked for is not. */
static bool remains(const trial *t, const ir_node *n) {
    const ir_graph *g = t->at[0];
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_out; k++) {
            const ir_value *v = g->nodes[i]->outputs[k];
            for (int j = 0; j < n->n_out && v; j++) if (n->outputs[j] && n->outputs[j]->id == v->id) return true;
        }
    return false;
}

/* The first node, of those that the outputs need, that is not good while its inputs are. n_nodes: none. */
static clstm_status failing(const trial *t, size_t *which) {
    const ir_graph *g = t->l->graph;
    bool *asked = util_calloc(g->n_values + 1, sizeof *asked);
    if (!asked) return util_no_memory(t->l->err);
    *which = g->n_nodes;
    for (size_t i = 0; i < g->n_out; i++) ask(g, g->outputs[i], asked);
    for (size_t i = g->n_nodes; i-- > 0;) {
        const ir_node *n = g->nodes[i];
        if (!gives(n, asked)) continue;
        ask_inputs(g, n, asked);
        bool fails = n->n_in && !good(t, n);
        for (int k = 0; k < n->n_in && fails; k++) fails = has_shape(t, n->inputs[k]);
        if (fails && remains(t, n)) *which = i;
    }
    free(asked);
    return CLSTM_OK;
}

/* Whether one of the plain sizes of the failing node's inputs is a multiple of v, as it is when v made it. */
static bool met(const trial *t, const ir_node *n, int64_t v) {
    if (!strcmp(n->op_type, "Reshape") || !strcmp(n->op_type, "Expand")) return true;
    for (int k = 0; k < n->n_in; k++) {
        trial_shape s;
        if (!n->inputs[k] || !trial_shape_of(t, n->inputs[k], &s)) continue;
        for (int d = 0; d < s.rank; d++) if (s.dims[d].number > 0 && !trial_symbolic(t, &s.dims[d]) && s.dims[d].number % v == 0) return true;
    }
    return false;
}

/* ---- numbers behind it -------------------------------------------------------------------------------------------------------------- */

typedef enum source { NO_SOURCE, SIZES, ONES_TOO, STARTS, ENDS, LIMIT, COUNTED } source;

/* What input `input` of n says of a size. */
static source source_of(const ir_node *n, int input) {
    if (n->domain[0]) return NO_SOURCE;
    if (!strcmp(n->op_type, "Tile") || !strcmp(n->op_type, "Expand")) return input == 1 ? ONES_TOO : NO_SOURCE;
    if (!strcmp(n->op_type, "ConstantOfShape")) return SIZES;
    if (!strcmp(n->op_type, "Slice") && n->version >= 10) return input == 1 ? STARTS : input == 2 ? ENDS : NO_SOURCE;
    if (!strcmp(n->op_type, "Range")) return input == 1 ? LIMIT : NO_SOURCE;
    if (!strcmp(n->op_type, "Concat") || !strcmp(n->op_type, "Mul")) return SIZES;
    if (!strcmp(n->op_type, "Reshape")) return input == 1 ? SIZES : NO_SOURCE;
    return COUNTED;
}

static void add(lint_sources *s, const trial_mend *m) { if (s->n < SOURCE_MOST) s->mends[s->n++] = *m; }

/* A number v at place `at` as the product of two symbols, which targets of Reshape hold. */
static void add_products(const trial *t, lint_sources *s, trial_mend m, int at, int64_t v) {
    m.open[at] = true;
    for (int k = 0; k < t->n_symbols; k++)
        for (int i = 0; i < k; i++) {
            int64_t a = t->example[k], b = t->example[i];
            if (a && b ? a * b != v : (a && v % a) || (b && v % b)) continue;
            m.size[at] = (trial_size){.number = 1};
            m.size[at].power[k] = m.size[at].power[i] = 1;
            add(s, &m);
        }
}

/* A number v at place `at` as each symbol that may have had it in the example, or one more or less. */
static void add_symbols(const trial *t, lint_sources *s, trial_mend m, int at, int64_t v) {
    m.open[at] = true;
    for (int k = 0; k < t->n_symbols; k++)
        for (int64_t plus = -1; plus <= 1; plus++) {
            if (v - plus < 1 || (t->example[k] && t->example[k] != v - plus)) continue;
            m.size[at] = (trial_size){.number = 1};
            m.size[at].power[k] = 1;
            m.plus[at] = plus;
            m.was = v - plus;
            add(s, &m);
        }
}

/* Starts and ends of a Slice count from the end; a start nearer to the begin does not. */
static void add_ends(lint_sources *s, trial_mend m, int at, int64_t v, bool starts) {
    for (int64_t c = starts; c <= FARTHEST_END && (!starts || c < v); c++) {
        m.plain[at] = c ? -c : INT64_MAX;
        m.was = v + c;
        add(s, &m);
    }
}

/* 0, 1, 2 ... along the one axis that is not 1. */
static clstm_status add_counted(const trial *t, lint_sources *s, trial_mend m, ir_const *c) {
    const void *data;
    int64_t n = clstm_tensor_count(&c->tensor);
    int at = -1;
    bool counted = n > 1 && c->tensor.rank <= TRIAL_RANK && (c->tensor.type == CLSTM_FLOAT || c->tensor.type == CLSTM_INT64);
    for (int d = 0; d < c->tensor.rank && counted; d++) {
        m.plain[d] = c->tensor.dims[d];
        if (c->tensor.dims[d] == n) at = d;
    }
    if (!counted || at < 0) return CLSTM_OK;
    UTIL_TRY(ir_const_data(c, &data, t->l->err));
    for (int64_t i = 0; i < n && counted; i++)
        counted = c->tensor.type == CLSTM_FLOAT ? ((const float *)data)[i] == (float)i : ((const int64_t *)data)[i] == i;
    m.rank = c->tensor.rank;
    m.counted = true;
    m.guessed = true;
    if (counted) add_symbols(t, s, m, at, n);
    return CLSTM_OK;
}

static clstm_status add_input(const trial *t, lint_sources *s, size_t node, int input) {
    const ir_node *n = t->l->graph->nodes[node], *fails = t->l->graph->nodes[s->node];
    source kind = source_of(n, input);
    ir_const *c = kind ? lint_constant(t->l, n->inputs[input]) : NULL;
    trial_mend m = {.node = node, .input = input, .other = -1, .source = true, .fails = s->node};
    const void *data;
    if (!c || trial_mended(t, node, input)) return CLSTM_OK;
    if (kind == COUNTED || c->tensor.type != CLSTM_INT64) return add_counted(t, s, m, c);
    m.scalar = c->tensor.rank == 0;
    if (c->tensor.rank > 1 || (kind == LIMIT && !m.scalar) || clstm_tensor_count(&c->tensor) > TRIAL_RANK) return add_counted(t, s, m, c);
    m.rank = (int)clstm_tensor_count(&c->tensor);
    UTIL_TRY(ir_const_data(c, &data, t->l->err));
    memcpy(m.plain, data, (size_t)m.rank * sizeof *m.plain);
    for (int d = 0; d < m.rank; d++) {
        int64_t v = m.plain[d];
        if (v < 1 || v > INT32_MAX) continue;
        if (kind == STARTS || kind == ENDS) add_ends(s, m, d, v, kind == STARTS);
        else if ((v > 1 || kind == ONES_TOO) && met(t, fails, v)) {
            add_symbols(t, s, m, d, v);
            if (ir_is(fails, "Reshape")) add_products(t, s, m, d, v);
        }
    }
    return CLSTM_OK;
}

/* Every number behind the failing node: what a layer's weights and states are made of is not. */
static clstm_status gather(const trial *t, lint_sources *s) {
    const ir_graph *g = t->l->graph;
    bool *asked = util_calloc(g->n_values + 1, sizeof *asked);
    clstm_status status = asked ? CLSTM_OK : util_no_memory(t->l->err);
    s->n = 0;
    for (size_t i = s->node + 1; i-- > 0 && status == CLSTM_OK;) {
        const ir_node *n = g->nodes[i];
        bool behind = i == s->node || gives(n, asked);
        for (int k = 0; k < n->n_in && behind && status == CLSTM_OK; k++) {
            if (!n->inputs[k] || (lint_recurrent(n) && k != RNN_X)) continue;
            ask(g, n->inputs[k], asked);
            status = add_input(t, s, i, k);
        }
    }
    free(asked);
    return status;
}

/* ---- trying them -------------------------------------------------------------------------------------------------------------------- */

/* Nodes that are not good. */
static size_t count_dark(const trial *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->l->graph->n_nodes; i++) n += !good(t, t->l->graph->nodes[i]) && remains(t, t->l->graph->nodes[i]);
    return n;
}

/* A -1 for a dimension that is always 1 is hardly meant. */
static bool gap_of_one(const trial *t, const ir_node *n) {
    trial_shape out;
    const trial_mend *m = &t->mends[t->n_mends - 1];
    if (!ir_is(n, "Reshape") || t->l->graph->nodes[m->node] != n || !trial_shape_of(t, n->outputs[0], &out)) return false;
    for (int d = 0; d < m->rank; d++)
        if (!m->open[d] && m->plain[d] == -1 && out.dims[d].number == 1 && !trial_symbolic(t, &out.dims[d])) return true;
    return false;
}

/* How badly it stands, twice as many as nodes are not good with these mends besides; NEVER: the one in question is not. */
static clstm_status try_mends(const trial *t, lint_sources *s, const bool *with, size_t *dark) {
    trial next = *t;
    *dark = NEVER;
    if (++s->tries > SOURCE_TRIES) return CLSTM_OK;
    for (size_t i = 0; i < s->n; i++)
        if (with[i]) {
            if (next.n_mends == TRIAL_MENDS) return CLSTM_OK;
            next.mends[next.n_mends++] = s->mends[i];
        }
    UTIL_TRY(trial_begin(&next));
    if (next.at[0] && good(&next, t->l->graph->nodes[s->node])) *dark = 2 * count_dark(&next) + gap_of_one(&next, t->l->graph->nodes[s->node]);
    trial_end(&next);
    return CLSTM_OK;
}

static bool same_place(const trial_mend *a, const trial_mend *b) { return a->node == b->node && a->input == b->input; }

/* The reading that says the same of every number behind the node: as many as are needed. */
static clstm_status try_together(const trial *t, lint_sources *s, size_t first, bool *with, size_t *dark) {
    const trial_mend *m = &s->mends[first];
    size_t n = 0;
    memset(with, 0, SOURCE_MOST * sizeof *with);
    for (size_t i = 0; i < s->n; i++) {
        const trial_mend *o = &s->mends[i];
        bool fits = o->was == m->was, taken = false;
        for (int d = 0; d < TRIAL_RANK; d++)
            for (int e = 0; e < TRIAL_RANK; e++) if (o->open[d] && m->open[e]) fits &= trial_equal(&o->size[d], &m->size[e]);
        for (size_t k = 0; k < i; k++) taken |= with[k] && same_place(&s->mends[k], o);
        with[i] = fits && !taken;
        n += with[i];
    }
    *dark = NEVER;
    if (n < 2) return CLSTM_OK;
    UTIL_TRY(try_mends(t, s, with, dark));
    for (size_t i = 0; i < s->n && *dark != NEVER; i++) {        /* none that is not needed */
        size_t without;
        if (!with[i]) continue;
        with[i] = false;
        UTIL_TRY(try_mends(t, s, with, &without));
        with[i] = without > *dark;
    }
    return CLSTM_OK;
}

clstm_status lint_source_find(trial *t, lint_sources *s) {
    bool with[SOURCE_MOST], best[SOURCE_MOST] = {false};
    UTIL_TRY(trial_begin(t));
    s->node = t->l->graph->n_nodes;
    s->readings = 0;
    clstm_status status = t->at[0] ? failing(t, &s->node) : CLSTM_OK;
    if (status == CLSTM_OK && s->node < t->l->graph->n_nodes) status = gather(t, s);
    trial_end(t);
    if (status != CLSTM_OK || s->node == t->l->graph->n_nodes) return status;
    size_t least = NEVER;
    for (int together = 0; together < 2 && !s->readings; together++)
        for (size_t i = 0; i < s->n; i++) {
            size_t dark;
            memset(with, 0, sizeof with);
            with[i] = true;
            if (together) UTIL_TRY(try_together(t, s, i, with, &dark));
            else UTIL_TRY(try_mends(t, s, with, &dark));
            if (dark == NEVER || dark > least || (dark == least && !memcmp(with, best, sizeof best))) continue;
            s->readings = dark < least ? 1 : s->readings + 1;
            least = dark;
            memcpy(best, with, sizeof best);
        }
    if (s->tries > SOURCE_TRIES) s->readings = 0;       /* others were not asked */
    if (s->readings != 1) return CLSTM_OK;
    for (size_t i = 0; i < s->n; i++) {
        if (!best[i]) continue;
        const trial_mend *m = &s->mends[i];
        t->mends[t->n_mends++] = *m;
        for (int d = 0; d < TRIAL_RANK; d++)
            for (int k = 0; k < t->n_symbols && m->open[d] && m->was; k++) if (m->size[d].power[k]) t->example[k] = m->was;
    }
    return CLSTM_OK;
}

clstm_status lint_source_behind(const trial *t, const lint_sources *s, size_t node, bool *behind) {
    const ir_graph *g = t->l->graph;
    bool *asked = util_calloc(g->n_values + 1, sizeof *asked);
    if (!asked) return util_no_memory(t->l->err);
    *behind = node == s->node;
    for (size_t i = s->node + 1; i-- > 0 && !*behind;) {
        if (i != s->node && !gives(g->nodes[i], asked)) continue;
        *behind = i == node;
        ask_inputs(g, g->nodes[i], asked);
    }
    free(asked);
    return CLSTM_OK;
}
