/* convert/lint_site: constants that fail at other sizes, and what of them each symbol is when the example is known. */
#include "convert/lint_site.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

enum { DOUBT = 100, HOPELESS = 1000 };        /* costs of readings */

static const trial_size one = {.number = 1};

/* ---- Reshape ----------------------------------------------------------------------------------------------------------------------- */

static bool whole_of(const trial_size *dims, int rank, trial_size *out) {
    *out = one;
    for (int d = 0; d < rank; d++) if (dims[d].number <= 0 || !trial_times(out, &dims[d])) return false;
    return true;
}

/* The order of the symbols that were merged into dimension `axis` of v, which nodes have passed on since. */
static int merged_order(const trial *t, const ir_value *v, int axis, int *order) {
    for (int far = 0; far < 64; far++) {
        const ir_node *p = v->producer;
        trial_shape out, in;
        if (!p || !p->n_in || !p->inputs[0] || !trial_shape_of(t, v, &out) || !trial_shape_of(t, p->inputs[0], &in)) return 0;
        if (!strcmp(p->op_type, "Reshape")) {
            trial_size before = one, have = one;
            int d = 0, n = 0;
            for (int k = 0; k < axis; k++) if (!trial_times(&before, &out.dims[k])) return 0;
            while (d < in.rank && !trial_equal(&have, &before)) if (!trial_times(&have, &in.dims[d++])) return 0;
            for (have = one; d < in.rank && !trial_equal(&have, &out.dims[axis]); d++) {
                if (!trial_times(&have, &in.dims[d])) return 0;
                for (int k = 0; k < t->n_symbols; k++) if (in.dims[d].power[k] && n < TRIAL_SYMBOLS) order[n++] = k;
            }
            return trial_equal(&have, &out.dims[axis]) ? n : 0;
        }
        if (in.rank != out.rank || !trial_equal(&in.dims[axis], &out.dims[axis]) || !strcmp(p->op_type, "Transpose")) return 0;
        v = p->inputs[0];
    }
    return 0;
}

static int symbols_of(const trial *t, const trial_size *s) {
    int n = 0;
    for (int k = 0; k < t->n_symbols; k++) n += s->power[k] > 0;
    return n;
}

/* Whether parts of dimension `axis` of the input come in the order in which they were merged. Not known: in any. */
static bool in_order(const trial *t, const ir_value *v, const trial_shape *in, int axis, const trial_size *parts, int n) {
    int order[TRIAL_SYMBOLS], known, at = -1;
    if (symbols_of(t, &in->dims[axis]) < 2 || !(known = merged_order(t, v, axis, order))) return true;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < t->n_symbols; k++) {
            int where = 0;
            if (!parts[i].power[k]) continue;
            while (where < known && order[where] != k) where++;
            if (where < at) return false;
            at = where;
        }
    return true;
}

bool lint_site_aligned(const trial *t, const ir_value *v, const trial_shape *in, const trial_size *out, int rank) {
    int i = 0, o = 0;
    while (i < in->rank || o < rank) {
        trial_size have = one, made = one;
        int from = i, start = o;
        do {
            trial_size rest;
            bool behind = o < rank && (i == in->rank || (o > start && i > from && trial_divide(&have, &made, &rest)) || (i > from && o == start));
            if (behind ? !trial_times(&made, &out[o++]) : i == in->rank || !trial_times(&have, &in->dims[i++])) return false;
        } while (!trial_equal(&have, &made));
        while (i < in->rank && trial_equal(&in->dims[i], &one)) i++;
        while (o < rank && trial_equal(&out[o], &one)) o++;
        int wide = 0, split = 0;
        for (int k = from; k < i; k++) wide += !trial_equal(&in->dims[k], &one);
        for (int k = start; k < o; k++) split += !trial_equal(&out[k], &one);
        if (wide > 1 && split > 1) return false;
        for (int k = from; k < i && split > 1; k++) if (!trial_equal(&in->dims[k], &one) && !in_order(t, v, in, k, out + start, o - start)) return false;
    }
    return true;
}

typedef struct reading { trial_mend mend; trial_size out[TRIAL_RANK]; int cost; bool tie; } reading;

/* The example had a size of 1, which a 1 beyond those of the input may be. */
static bool may_be_symbol(const trial *t, const lint_site *s, int kept_ones) {
    bool single = false;
    for (int k = 0; k < t->n_symbols; k++) single |= t->example[k] == 1 && s->open.power[k];
    for (int d = 0; d < s->in.rank; d++) kept_ones -= trial_equal(&s->in.dims[d], &one);
    return single && kept_ones > 0;
}

static void weigh(const trial *t, const lint_site *s, const reading *r, reading *best) {
    const ir_value *v = t->l->graph->nodes[s->node]->inputs[0];
    reading full = *r;
    trial_size all, made = one, rest;
    int gap = -1, ones = 0;
    if (!whole_of(s->in.dims, s->in.rank, &all)) return;
    for (int k = 0; k < s->rank; k++) {
        if (r->mend.plain[k] == -1 && !r->mend.open[k]) gap = k;
        else if (!trial_times(&made, &r->out[k])) return;
        ones += !r->mend.open[k] && r->mend.plain[k] == 1;
    }
    if (!trial_divide(&all, &made, &rest)) return;
    if (gap < 0 && !trial_equal(&all, &made)) return;
    if (gap >= 0 && s->target[gap] > 0 && trial_value(t, &rest) != s->target[gap]) return;
    if (gap >= 0) full.out[gap] = rest;
    full.cost += may_be_symbol(t, s, ones) ? DOUBT : 0;
    if (!lint_site_aligned(t, v, &s->in, full.out, s->rank) || full.cost > best->cost) return;
    bool same = full.cost == best->cost;
    for (int k = 0; k < s->rank && same; k++) same = trial_equal(&full.out[k], &best->out[k]);
    full.tie = full.cost == best->cost && !same;
    if (full.cost < best->cost || full.tie) *best = full;
}

/* Every reading of each size: as it is, copied from the input, a symbol's, found from the rest. */
static void read_from(const trial *t, const lint_site *s, int k, reading *r, reading *best) {
    if (k == s->rank) { weigh(t, s, r, best); return; }
    reading now = *r;
    int64_t v = s->target[k];
    bool gap = false;
    for (int i = 0; i < k; i++) gap |= r->mend.plain[i] == -1 && !r->mend.open[i];
    now.mend.plain[k] = v;
    now.out[k] = v ? (trial_size){.number = v} : k < s->in.rank ? s->in.dims[k] : (trial_size){0};
    if ((v != -1 || !gap) && (v || now.out[k].number)) read_from(t, s, k + 1, &now, best);
    if (v <= 0) return;
    if (k < s->in.rank && trial_symbolic(t, &s->in.dims[k]) && trial_value(t, &s->in.dims[k]) == v) {
        now.mend.plain[k] = 0;
        now.out[k] = s->in.dims[k];
        now.cost = r->cost + 1;
        read_from(t, s, k + 1, &now, best);
    }
    for (int i = 0; i < t->n_symbols; i++) {
        if (t->example[i] != v || !s->open.power[i]) continue;
        now.out[k] = one;
        now.out[k].power[i] = 1;
        now.mend.open[k] = true;
        now.mend.size[k] = now.out[k];
        now.cost = r->cost + 3;
        read_from(t, s, k + 1, &now, best);
    }
    now.mend.open[k] = false;
    now.mend.plain[k] = -1;
    now.cost = r->cost + 4;
    if (!gap) read_from(t, s, k + 1, &now, best);
}

static bool read_reshape(const trial *t, const lint_site *s, trial_mend *out) {
    reading start = {.mend = {.node = s->node, .input = s->input, .other = -1, .rank = s->rank}}, best = {.cost = HOPELESS};
    for (int k = s->rank; k < TRIAL_RANK; k++) start.mend.plain[k] = 1;
    read_from(t, s, 0, &start, &best);
    *out = best.mend;
    out->guessed = s->guessed;
    out->doubtful = best.cost >= DOUBT;
    return best.cost < HOPELESS && !best.tie;
}

/* A target with -1 in it: sizes of the example hide in it when the rest does not come out, or when what comes out was not meant. */
static bool open_site(const trial *t, lint_site *s, const ir_value *v, const trial_size *all, const trial_size *made) {
    trial_size out[TRIAL_RANK], rest;
    bool whole = trial_divide(all, made, &rest);
    for (int k = 0; k < s->rank; k++) out[k] = s->target[k] == -1 ? rest : s->target[k] ? (trial_size){.number = s->target[k]} : s->in.dims[k];
    if (whole && lint_site_aligned(t, v, &s->in, out, s->rank)) return false;
    for (int k = 0; k < s->rank && k < s->in.rank; k++) {
        /* Of an example that is not known, lint_source asks. */
        if (s->target[k] <= 0 || !trial_symbolic(t, &s->in.dims[k]) || trial_value(t, &s->in.dims[k]) != s->target[k]) continue;
        s->open = s->in.dims[k];
        s->was = s->target[k];
        s->guessed = whole;
        return true;
    }
    return false;
}

/* Whether the target fails at some sizes. */
static bool reshape_site(const trial *t, lint_site *s, const ir_value *v) {
    trial_size all, made = one;
    bool gap = false;
    if (!whole_of(s->in.dims, s->in.rank, &all) || !trial_symbolic(t, &all)) return false;
    s->was = 1;
    s->open = all;
    for (int k = 0; k < s->rank; k++) {
        gap |= s->target[k] == -1;
        if (s->target[k] == 0 && (k >= s->in.rank || !trial_times(&made, &s->in.dims[k]) || !trial_divide(&s->open, &s->in.dims[k], &s->open))) return false;
        if (s->target[k] > 0 && (!util_mul(s->was, s->target[k], &s->was) || !util_mul(made.number, s->target[k], &made.number))) return false;
    }
    return gap ? open_site(t, s, v, &all, &made) : !trial_equal(&all, &made);
}

/* ---- Expand and constants ---------------------------------------------------------------------------------------------------------- */

/* Whether data of symbolic size meet another number; s->open: a size that the example does not explain yet, if there is one. joined: at `skip`
 * they need not agree. */
static bool meeting_site(const trial *t, lint_site *s, bool joined, int skip) {
    bool found = false;
    for (int k = 1; k <= s->rank && k <= s->in.rank; k++) {
        int d = s->rank - k;
        const trial_size *with = &s->in.dims[s->in.rank - k];
        if ((joined && d == skip) || (!joined && s->target[d] <= 1) || !trial_symbolic(t, with)) continue;
        found = true;
        s->open = *with;
        s->was = s->target[d];
        if (trial_value(t, with) != s->target[d]) return true;
    }
    return found;
}

/* The sizes that meet symbolic ones are the data's: 1 where they are spread. */
static bool read_meeting(const trial *t, const lint_site *s, bool joined, int skip, trial_mend *m) {
    bool any = false;
    *m = (trial_mend){.node = s->node, .input = s->input, .other = s->other, .rank = s->rank};
    for (int d = 0; d < s->rank; d++) {
        int at = d - s->rank + s->in.rank;
        const trial_size *with = at >= 0 ? &s->in.dims[at] : &one;
        bool meets = trial_symbolic(t, with) && !(joined && d == skip) && (joined || s->target[d] > 1);
        m->plain[d] = meets ? 1 : s->target[d];
        if (meets && trial_value(t, with) != s->target[d]) return false;
        any |= meets;
        if (s->other >= 0 && meets) { m->open[d] = true; m->size[d] = *with; }
        int match = -1;
        for (int k = 0; k < t->n_symbols && s->other < 0 && trial_equal(with, &one); k++)
            if (s->target[d] > 1 && (!t->example[k] || t->example[k] == s->target[d])) match = match < 0 ? k : TRIAL_SYMBOLS;
        for (int k = 0; k < s->in.rank; k++) if (match >= 0 && match < TRIAL_SYMBOLS && s->in.dims[k].power[match]) match = -1;
        if (match < 0 || match == TRIAL_SYMBOLS) continue;
        m->open[d] = m->guessed = true;
        m->size[d] = one;
        m->size[d].power[match] = 1;
    }
    return any;
}

/* Whether the constant is the same along the dimensions that take another size. */
static clstm_status is_alike(const trial *t, const trial_mend *m, bool *alike) {
    ir_const *c = lint_constant(t->l, t->l->graph->nodes[m->node]->inputs[m->input]);
    const void *data;
    UTIL_TRY(ir_const_data(c, &data, t->l->err));
    size_t width = clstm_type_size(c->tensor.type);
    *alike = true;
    for (int64_t i = 0, n = clstm_tensor_count(&c->tensor); i < n && *alike; i++) {
        int64_t first = 0, rest = i;
        for (int d = 0; d < m->rank; d++) {
            int64_t below = tensor_span(&c->tensor, d + 1, m->rank);
            if (!m->open[d]) first += rest / below * below;
            rest %= below;
        }
        *alike = !memcmp((const char *)data + (size_t)i * width, (const char *)data + (size_t)first * width, width);
    }
    return CLSTM_OK;
}

static bool spreads(const ir_node *n) {
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean", "PRelu", "Equal", "Less", "Greater", "LessOrEqual",
                                      "GreaterOrEqual", "And", "Or", "Xor", "Where", "Mod"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) if (!strcmp(n->op_type, ops[i])) return true;
    return false;
}

/* ---- sites ------------------------------------------------------------------------------------------------------------------------- */

int lint_site_kind(const ir_node *n) {
    if (n->domain[0] || n->version < 8 || n->n_in < 2) return LINT_NO_SITE;
    if (!strcmp(n->op_type, "Reshape")) return ir_attr_find(n, "allowzero") ? LINT_NO_SITE : LINT_RESHAPE;
    if (!strcmp(n->op_type, "Expand")) return LINT_EXPAND;
    return !strcmp(n->op_type, "Concat") ? LINT_JOINED : spreads(n) ? LINT_BESIDE : LINT_NO_SITE;
}

static int join_axis(const ir_node *n, int rank) {
    const ir_attr *a = ir_attr_find(n, "axis");
    int64_t axis = a ? a->v.i : 0;
    return (int)(axis < 0 ? axis + rank : axis);
}

clstm_status lint_site_find(const trial *t, size_t i, int input, lint_site *s, bool *found) {
    const ir_node *n = t->l->graph->nodes[i];
    int kind = lint_site_kind(n);
    bool target = kind == LINT_RESHAPE || kind == LINT_EXPAND;
    *found = false;
    if (!kind || (target && input != 1) || !n->inputs[input] || trial_mended(t, i, input)) return CLSTM_OK;
    ir_const *c = lint_constant(t->l, n->inputs[input]);
    *s = (lint_site){.node = i, .input = input, .other = -1};
    for (int k = 0; k < n->n_in && c && s->other < 0; k++)
        if (k != input && n->inputs[k] && !lint_constant(t->l, n->inputs[k]) && trial_shape_of(t, n->inputs[k], &s->in)) s->other = k;
    if (!c || s->other < 0) return CLSTM_OK;
    for (int d = 0; d < s->in.rank; d++) if (s->in.dims[d].number <= 0) return CLSTM_OK;
    if (target) {
        const void *data;
        if (c->tensor.rank != 1 || c->tensor.dims[0] > TRIAL_RANK || c->tensor.type != CLSTM_INT64) return CLSTM_OK;
        UTIL_TRY(ir_const_data(c, &data, t->l->err));
        s->rank = (int)c->tensor.dims[0];
        s->other = -1;
        memcpy(s->target, data, (size_t)s->rank * sizeof *s->target);
    } else {
        if ((s->rank = c->tensor.rank) > TRIAL_RANK || (kind == LINT_JOINED && s->rank != s->in.rank)) return CLSTM_OK;
        memcpy(s->target, c->tensor.dims, (size_t)s->rank * sizeof *s->target);
    }
    bool frozen = kind == LINT_RESHAPE ? reshape_site(t, s, n->inputs[0]) : meeting_site(t, s, kind == LINT_JOINED, join_axis(n, s->rank));
    *found = frozen;
    return CLSTM_OK;
}

clstm_status lint_site_read(const trial *t, const lint_site *s, trial_mend *m, bool *can) {
    const ir_node *n = t->l->graph->nodes[s->node];
    int kind = lint_site_kind(n);
    *can = kind == LINT_RESHAPE ? read_reshape(t, s, m) : read_meeting(t, s, kind == LINT_JOINED, join_axis(n, s->rank), m);
    return *can && s->other >= 0 ? is_alike(t, m, can) : CLSTM_OK;
}
