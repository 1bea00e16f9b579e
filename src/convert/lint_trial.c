/* convert/lint_trial: sizes as products, copies of the graph with mends in them, mends in the graph itself. */
#include "convert/lint_trial.h"

#include "convert/edit.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

/* ---- sizes ------------------------------------------------------------------------------------------------------------------------- */

bool trial_symbolic(const trial *t, const trial_size *s) {
    for (int k = 0; k < t->n_symbols; k++) if (s->power[k]) return true;
    return false;
}

bool trial_equal(const trial_size *a, const trial_size *b) { return a->number == b->number && !memcmp(a->power, b->power, sizeof a->power); }

bool trial_times(trial_size *into, const trial_size *by) {
    for (int k = 0; k < TRIAL_SYMBOLS; k++) into->power[k] = (signed char)(into->power[k] + by->power[k]);
    return util_mul(into->number, by->number, &into->number);
}

bool trial_divide(const trial_size *whole, const trial_size *part, trial_size *out) {
    if (part->number <= 0 || whole->number % part->number) return false;
    out->number = whole->number / part->number;
    for (int k = 0; k < TRIAL_SYMBOLS; k++)
        if ((out->power[k] = (signed char)(whole->power[k] - part->power[k])) < 0) return false;
    return true;
}

static int64_t value_at(const trial_size *s, const int64_t *symbols) {
    int64_t v = s->number;
    for (int k = 0; k < TRIAL_SYMBOLS; k++)
        for (int p = 0; p < s->power[k]; p++) if (!util_mul(v, symbols[k], &v)) return 0;
    return v;
}

int64_t trial_value(const trial *t, const trial_size *s) { return value_at(s, t->example); }

/* Sizes are step * 1, step * 2, ...; a product of them doubles with each of its symbols. */
static trial_size size_of(const trial *t, const int64_t *at) {
    trial_size s = {.number = at[0]};
    for (int k = 0; k < t->n_symbols; k++) {
        int64_t ratio = at[0] > 0 && at[1 + k] % at[0] == 0 ? at[1 + k] / at[0] : 0;
        while (ratio > 1 && ratio % 2 == 0) { s.power[k]++; ratio /= 2; }
        if (ratio != 1) return (trial_size){0};
        for (int p = 0; p < s.power[k]; p++) {
            if (s.number % (LINT_STEP * (t->symbol[k] + 1))) return (trial_size){0};
            s.number /= LINT_STEP * (t->symbol[k] + 1);
        }
    }
    return s;
}

bool trial_shape_of(const trial *t, const ir_value *v, trial_shape *out) {
    const clstm_tensor *in[1 + TRIAL_SYMBOLS];
    if (v->graph != t->l->graph) return false;
    for (int p = 0; p <= t->n_symbols; p++)
        if (!(in[p] = lint_shape(t->at[p], v)) || in[p]->rank != in[0]->rank) return false;
    out->rank = in[0]->rank;
    for (int d = 0; d < out->rank; d++) {
        int64_t at[1 + TRIAL_SYMBOLS];
        for (int p = 0; p <= t->n_symbols; p++) at[p] = in[p]->dims[d];
        out->dims[d] = size_of(t, at);
    }
    return true;
}

/* ---- copies ------------------------------------------------------------------------------------------------------------------------ */

typedef struct copy { const trial *t; int doubled; } copy;

/* One of c's elements along each axis that takes another size. */
static clstm_status shrink(const trial *t, const trial_mend *m, ir_const *c, ir_graph *g, ir_value **out) {
    clstm_tensor small = c->tensor;
    const void *data;
    UTIL_TRY(ir_const_data(c, &data, t->l->err));
    for (int d = 0; d < m->rank; d++) if (m->open[d]) small.dims[d] = 1;
    small.data = NULL;
    if (!(*out = ir_constant(g, &small, t->l->err))) return t->l->err->status;
    size_t width = clstm_type_size(small.type);
    for (int64_t i = 0, n = clstm_tensor_count(&small); i < n; i++) {
        int64_t from = 0, rest = i;
        for (int d = 0; d < m->rank; d++) {
            int64_t below = tensor_span(&small, d + 1, m->rank);
            from = from * c->tensor.dims[d] + rest / below;
            rest %= below;
        }
        memcpy((char *)(*out)->constant->tensor.data + (size_t)i * width, (const char *)data + (size_t)from * width, width);
    }
    return CLSTM_OK;
}

static bool joins(const ir_node *n) { return !strcmp(n->op_type, "Concat"); }

static clstm_status expand(const trial *t, ir_node *n, int input, ir_value *what, ir_value *shape) {
    ir_node *e = edit_node(n->graph, "Expand", n->version, 2, (ir_value *[]){what, shape}, NULL, t->l->err);
    UTIL_TRY(edit_check(e, t->l->err));
    n->inputs[input] = e->outputs[0];
    return CLSTM_OK;
}

/* 0, 1, 2 ... in a copy. */
static clstm_status count_off(const trial *t, const trial_mend *m, const int64_t *shape, ir_graph *g, ir_value **out) {
    clstm_type type = lint_constant(t->l, t->l->graph->nodes[m->node]->inputs[m->input])->tensor.type;
    clstm_tensor whole = clstm_tensor_view(type, m->rank, shape, NULL);
    if (!(*out = ir_constant(g, &whole, t->l->err))) return t->l->err->status;
    void *data = (*out)->constant->tensor.data;
    for (int64_t i = 0, n = clstm_tensor_count(&whole); i < n; i++)
        if (type == CLSTM_INT64) ((int64_t *)data)[i] = i;
        else ((float *)data)[i] = (float)i;
    return CLSTM_OK;
}

/* The mends in a copy, as numbers. */
static clstm_status put_in(void *user, ir_graph *g) {
    const copy *c = user;
    const trial *t = c->t;
    int64_t symbols[TRIAL_SYMBOLS];
    for (int k = 0; k < TRIAL_SYMBOLS; k++) symbols[k] = LINT_STEP * (t->symbol[k] + 1) * (k == c->doubled ? 2 : 1);
    for (size_t i = 0; i < t->n_mends; i++) {
        const trial_mend *m = &t->mends[i];
        ir_node *n = g->nodes[m->node];
        int64_t shape[TRIAL_RANK];
        for (int d = 0; d < m->rank; d++) shape[d] = m->open[d] ? value_at(&m->size[d], symbols) + m->plus[d] : m->plain[d];
        if (m->counted) { UTIL_TRY(count_off(t, m, shape, g, &n->inputs[m->input])); continue; }
        ir_value *made = m->other < 0 || joins(n) ? ir_constant_ints(g, m->scalar ? 0 : 1, m->rank, shape, t->l->err) : NULL;
        if (!made && (m->other < 0 || joins(n))) return t->l->err->status;
        if (m->other < 0) { n->inputs[m->input] = made; continue; }
        ir_const *whole = lint_constant(t->l, t->l->graph->nodes[m->node]->inputs[m->input]);
        ir_value *small;
        UTIL_TRY(shrink(t, m, whole, g, &small));
        if (joins(n)) UTIL_TRY(expand(t, n, m->input, small, made));
        else n->inputs[m->input] = small;
    }
    return ir_graph_order(g, t->l->err);
}

void trial_choose(trial *t, lint *l, const int *symbols, int n) {
    lint_symbol first[LINT_SYMBOLS];
    *t = (trial){.l = l, .n_symbols = n};
    lint_symbols(l->graph, first, LINT_SYMBOLS);
    for (int k = 0; k < n; k++) {
        t->symbol[k] = symbols[k];
        t->first[k] = first[symbols[k]];
        t->example[k] = l->example[symbols[k]];
    }
}

clstm_status trial_begin(trial *t) {
    clstm_status s = CLSTM_OK;
    for (int p = 0; p <= t->n_symbols; p++) t->at[p] = NULL;
    for (int p = 0; p <= t->n_symbols && s == CLSTM_OK; p++) {
        copy c = {t, p - 1};
        s = lint_probe(t->l, &(lint_sizes){LINT_STEP, p ? t->symbol[p - 1] : -1, put_in, &c}, false, &t->at[p]);
        if (!t->at[p]) break;
    }
    if (s != CLSTM_OK) trial_end(t);
    return s;
}

void trial_end(trial *t) {
    for (int p = 0; p <= t->n_symbols; p++) { ir_graph_destroy(t->at[p]); t->at[p] = NULL; }
}

/* ---- mends ------------------------------------------------------------------------------------------------------------------------- */

bool trial_mended(const trial *t, size_t node, int input) {
    for (size_t i = 0; i < t->n_mends; i++) if (t->mends[i].node == node && t->mends[i].input == input) return true;
    return false;
}

bool trial_same_mend(const trial_mend *a, const trial_mend *b) {
    if (a->node != b->node || a->input != b->input || a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (a->open[d] != b->open[d] || a->plus[d] != b->plus[d] || (a->open[d] ? !trial_equal(&a->size[d], &b->size[d]) : a->plain[d] != b->plain[d])) return false;
    return true;
}

/* Dimension `axis` of v, as a list of one or, of rank 0, as a number. */
static clstm_status dimension(const trial *t, const ir_node *n, ir_value *v, int axis, int rank, ir_value **out) {
    clstm_error *err = t->l->err;
    ir_value *which = ir_constant_ints(n->graph, rank, 1, &(int64_t){axis}, err);
    if (!which) return err->status;
    ir_node *shape = edit_node(n->graph, "Shape", n->version, 1, &v, NULL, err);
    UTIL_TRY(edit_check(shape, err));
    ir_node *one = edit_node(n->graph, "Gather", n->version, 2, (ir_value *[]){shape->outputs[0], which}, NULL, err);
    UTIL_TRY(edit_check(one, err));
    *out = one->outputs[0];
    return CLSTM_OK;
}

static clstm_status apply(const trial *t, const ir_node *n, const char *op, ir_value *a, ir_value *b, ir_value **out) {
    ir_node *made = edit_node(n->graph, op, n->version, 2, (ir_value *[]){a, b}, NULL, t->l->err);
    UTIL_TRY(edit_check(made, t->l->err));
    *out = made->outputs[0];
    return CLSTM_OK;
}

/* A size from the inputs that its symbols first stand in. */
static clstm_status size_in_graph(const trial *t, const trial_mend *m, const ir_node *n, int d, ir_value **out) {
    clstm_error *err = t->l->err;
    int rank = m->scalar ? 0 : 1;
    *out = NULL;
    for (int k = 0; k < t->n_symbols; k++)
        for (int p = 0; p < m->size[d].power[k]; p++) {
            ir_value *one;
            UTIL_TRY(dimension(t, n, t->l->graph->inputs[t->first[k].input], t->first[k].axis, rank, &one));
            if (*out) UTIL_TRY(apply(t, n, "Mul", *out, one, &one));
            *out = one;
        }
    if (!m->plus[d]) return CLSTM_OK;
    ir_value *more = ir_constant_ints(n->graph, rank, 1, &m->plus[d], err);
    return more ? apply(t, n, "Add", *out, more, out) : err->status;
}

static clstm_status mended_shape(const trial *t, const trial_mend *m, ir_node *n, ir_value **out) {
    ir_value *parts[TRIAL_RANK];
    bool any = false;
    for (int d = 0; d < m->rank; d++) any |= m->open[d];
    if (!any) return (*out = ir_constant_ints(n->graph, 1, m->rank, m->plain, t->l->err)) ? CLSTM_OK : t->l->err->status;
    for (int d = 0; d < m->rank; d++) {
        if (!m->open[d]) { if (!(parts[d] = ir_constant_ints(n->graph, 1, 1, &m->plain[d], t->l->err))) return t->l->err->status; }
        else if (m->other < 0) UTIL_TRY(size_in_graph(t, m, n, d, &parts[d]));
        else UTIL_TRY(dimension(t, n, n->inputs[m->other], d, 1, &parts[d]));
    }
    if (m->scalar) { *out = parts[0]; return CLSTM_OK; }
    ir_node *whole = edit_node(n->graph, "Concat", n->version, m->rank, parts, NULL, t->l->err);
    if (whole) UTIL_TRY(edit_set_int(whole, "axis", 0, t->l->err));
    UTIL_TRY(edit_check(whole, t->l->err));
    *out = whole->outputs[0];
    return CLSTM_OK;
}

/* Range(0, size, 1), in the constant's type and shape. */
static clstm_status counted(const trial *t, const trial_mend *m, ir_node *n, ir_value **out) {
    clstm_error *err = t->l->err;
    trial_mend limit = {.other = -1, .rank = 1, .scalar = true};
    int64_t shape[TRIAL_RANK], one = 1, zero = 0;
    ir_value *end = NULL, *from = ir_constant_ints(n->graph, 0, 1, &zero, err), *step = from ? ir_constant_ints(n->graph, 0, 1, &one, err) : NULL;
    for (int d = 0; d < m->rank; d++) {
        shape[d] = m->open[d] ? -1 : m->plain[d];
        if (!m->open[d]) continue;
        limit.open[0] = true;
        limit.size[0] = m->size[d];
        limit.plus[0] = m->plus[d];
    }
    ir_value *target = step ? ir_constant_ints(n->graph, 1, m->rank, shape, err) : NULL;
    if (!target) return err->status;
    UTIL_TRY(mended_shape(t, &limit, n, &end));
    ir_node *range = edit_node(n->graph, "Range", n->version, 3, (ir_value *[]){from, end, step}, NULL, err);
    UTIL_TRY(edit_check(range, err));
    ir_node *typed = edit_node(n->graph, "Cast", n->version, 1, range->outputs, NULL, err);
    if (typed) UTIL_TRY(edit_set_int(typed, "to", lint_constant(t->l, n->inputs[m->input])->tensor.type, err));
    UTIL_TRY(edit_check(typed, err));
    ir_node *shaped = edit_node(n->graph, "Reshape", n->version, 2, (ir_value *[]){typed->outputs[0], target}, NULL, err);
    UTIL_TRY(edit_check(shaped, err));
    *out = shaped->outputs[0];
    return CLSTM_OK;
}

clstm_status trial_mend_graph(const trial *t, const trial_mend *m) {
    ir_node *n = t->l->graph->nodes[m->node];
    ir_value *shape = NULL, *small;
    if (m->counted) { UTIL_TRY(counted(t, m, n, &shape)); n->inputs[m->input] = shape; return CLSTM_OK; }
    if (m->other < 0 || joins(n)) UTIL_TRY(mended_shape(t, m, n, &shape));
    if (m->other < 0) { n->inputs[m->input] = shape; return CLSTM_OK; }
    UTIL_TRY(shrink(t, m, lint_constant(t->l, n->inputs[m->input]), n->graph, &small));
    if (joins(n)) return expand(t, n, m->input, small, shape);
    n->inputs[m->input] = small;
    return CLSTM_OK;
}
