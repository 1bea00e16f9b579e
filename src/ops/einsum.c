/* ops/einsum: Einsum. Two floating-point operands without repeated or lone summed labels become batched matrix products of rearranged
 * copies; everything else is summed label by label. An ellipsis stands for labels of its own, matched from the right. */
#include "ops/families.h"
#include "ops/move.h"
#include "ops/product.h"
#include "ops/wide.h"

#include <string.h>

enum { MOST_OPERANDS = 8, LETTERS = 52, MOST_LABELS = LETTERS + CLSTM_MAX_RANK, MOST_USED = 2 * CLSTM_MAX_RANK };

typedef struct term { int n; unsigned char label[CLSTM_MAX_RANK]; } term;

/* The equation with every ellipsis resolved. Labels are renumbered: outputs first, then the summed ones. */
typedef struct equation {
    int n_operands, n_labels, n_out;
    term operand[MOST_OPERANDS];
    int64_t size[MOST_LABELS];      /* while parsing by letter, afterwards by number */
} equation;

static int letter(char c) { return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' + 26 : -1; }

/* Reads one term up to ',' or '-' or the end; `rank` -1: the output's, whose ellipsis has `dots` labels. */
static const char *read_term(const char *s, term *t, int rank, int *dots, bool *ok) {
    int letters = 0;
    for (const char *p = s; *p && *p != ',' && *p != '-'; p++) letters += letter(*p) >= 0;
    int wild = rank < 0 ? *dots : rank - letters;
    bool seen = false;
    t->n = 0;
    for (; *s && *s != ',' && *s != '-'; s++) {
        if (*s == ' ') continue;
        if (*s == '.') {
            if (seen || s[1] != '.' || s[2] != '.' || wild < 0) { *ok = false; return s; }
            seen = true;
            for (int k = 0; k < wild && t->n < CLSTM_MAX_RANK; k++) t->label[t->n++] = (unsigned char)(LETTERS + CLSTM_MAX_RANK - wild + k);
            s += 2;
        } else if (letter(*s) < 0 || t->n == CLSTM_MAX_RANK) {
            *ok = false;
            return s;
        } else {
            t->label[t->n++] = (unsigned char)letter(*s);
        }
    }
    if (rank >= 0 && t->n != rank) *ok = false;
    if (seen && rank >= 0 && wild > *dots) *dots = wild;
    return s;
}

/* Without "->" the output has every label that occurs once, in alphabetical order (capitals first), after the ellipsis. */
static void implied_output(const equation *e, term *out, int dots) {
    int uses[MOST_LABELS] = {0};
    for (int i = 0; i < e->n_operands; i++)
        for (int d = 0; d < e->operand[i].n; d++) uses[e->operand[i].label[d]]++;
    out->n = 0;
    for (int k = 0; k < dots; k++) out->label[out->n++] = (unsigned char)(LETTERS + CLSTM_MAX_RANK - dots + k);
    for (int k = 0; k < LETTERS && out->n < CLSTM_MAX_RANK; k++) {
        int l = (k + 26) % LETTERS;
        if (uses[l] == 1) out->label[out->n++] = (unsigned char)l;
    }
}

static clstm_status set_sizes(op_ctx *c, equation *e) {
    for (int l = 0; l < MOST_LABELS; l++) e->size[l] = -1;
    for (int i = 0; i < e->n_operands; i++)
        for (int d = 0; d < e->operand[i].n; d++) {
            int l = e->operand[i].label[d];
            int64_t n = op_in(c, i)->dims[d];
            if (e->size[l] < 0 || e->size[l] == 1) e->size[l] = n;
            else if (n != e->size[l] && n != 1)
                return op_bad_model(c, "dimension %d of input %d has %lld entries, the same label has %lld before", d, i, (long long)n, (long long)e->size[l]);
        }
    return CLSTM_OK;
}

static clstm_status parse(op_ctx *c, equation *e) {
    const char *s = op_word(c->node, "equation", "");
    char text[96];
    bool ok = true;
    int dots = 0, number[MOST_LABELS];
    term out;
    int64_t sizes[MOST_LABELS];
    e->n_operands = c->n_in;
    if (c->n_in > MOST_OPERANDS) return op_unsupported(c, "%d inputs (at most %d)", c->n_in, MOST_OPERANDS);
    for (int i = 0; i < c->n_in && ok; i++) {
        s = read_term(s, &e->operand[i], op_in(c, i)->rank, &dots, &ok);
        if (i + 1 < c->n_in) { if (*s == ',') s++; else ok = false; }
    }
    if (ok && *s == '-') ok = s[1] == '>' && !*read_term(s + 2, &out, -1, &dots, &ok) && ok;
    else if (ok && !*s) implied_output(e, &out, dots);
    else ok = false;
    if (!ok) return op_bad_model(c, "equation \"%s\" does not fit the inputs", util_escape(text, sizeof text, op_word(c->node, "equation", "")));
    UTIL_TRY(set_sizes(c, e));
    for (int l = 0; l < MOST_LABELS; l++) number[l] = -1;
    e->n_labels = 0;
    for (int d = 0; d < out.n; d++) {
        if (number[out.label[d]] >= 0 || e->size[out.label[d]] < 0) return op_bad_model(c, "an output label is repeated or unknown");
        number[out.label[d]] = e->n_labels++;
    }
    e->n_out = e->n_labels;
    for (int i = 0; i < e->n_operands; i++)
        for (int d = 0; d < e->operand[i].n; d++)
            if (number[e->operand[i].label[d]] < 0) number[e->operand[i].label[d]] = e->n_labels++;
    if (e->n_labels > MOST_USED) return op_unsupported(c, "%d labels (at most %d)", e->n_labels, MOST_USED);
    memcpy(sizes, e->size, sizeof sizes);
    for (int l = 0; l < MOST_LABELS; l++)
        if (number[l] >= 0) e->size[number[l]] = sizes[l];
    for (int i = 0; i < e->n_operands; i++)
        for (int d = 0; d < e->operand[i].n; d++) e->operand[i].label[d] = (unsigned char)number[e->operand[i].label[d]];
    return CLSTM_OK;
}

static clstm_status infer(op_ctx *c) {
    equation e;
    UTIL_TRY(parse(c, &e));
    return op_set_out(c, 0, op_in(c, 0)->type, e.n_out, e.size);
}

/* Element steps of operand i for each label: repeated labels walk the diagonal, dimensions of one entry stand still. */
static void label_steps(const equation *e, const clstm_tensor *x, int i, int64_t *step) {
    int64_t dense[CLSTM_MAX_RANK];
    op_dense_steps(x->rank, x->dims, dense);
    for (int l = 0; l < e->n_labels; l++) step[l] = 0;
    for (int d = 0; d < x->rank; d++)
        if (x->dims[d] != 1) step[e->operand[i].label[d]] += dense[d];
}

typedef struct einsum {
    bool product;                   /* the two-operand form */
    op_product p;
    int64_t batches;
    op_move a, b, out;              /* into [batch,m,k] and [batch,k,n], and from [batch,m,n] */
    size_t a_at, b_at, c_at;
    int n_labels, n_out, n_operands;        /* the general form */
    int64_t size[MOST_USED], step[MOST_OPERANDS][MOST_USED];
} einsum;

/* A group of labels: those in (A, B, output) as given. */
typedef struct group { int n; int label[MOST_USED]; int64_t count; } group;
static group labels_in(const equation *e, const uint32_t *in, bool a, bool b, bool out) {
    group g = {.count = 1};
    for (int l = 0; l < e->n_labels; l++)
        if ((in[0] >> l & 1) == a && (in[1] >> l & 1) == b && (l < e->n_out) == out) { g.label[g.n++] = l; g.count *= e->size[l]; }
    return g;
}

/* A copy with the groups' labels as dimensions: `steps` belong to the strided side, the other side is dense. */
static void layout_groups(op_move *m, const equation *e, const group *const g[3], const int64_t *steps, bool into_dense, size_t size) {
    int64_t count[MOST_USED], strided[MOST_USED], dense[MOST_USED];
    int n = 0;
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < g[k]->n; i++) { count[n] = e->size[g[k]->label[i]]; strided[n++] = steps[g[k]->label[i]]; }
    op_dense_steps(n, count, dense);
    op_move_layout(m, n, count, into_dense ? strided : dense, into_dense ? dense : strided, 0, size);
}

static bool plain_pair(const op_ctx *c, const equation *e, uint32_t *in) {
    if (e->n_operands != 2 || !type_is_float(op_in(c, 0)->type)) return false;
    for (int i = 0; i < 2; i++) {
        in[i] = 0;
        for (int d = 0; d < e->operand[i].n; d++) {
            uint32_t bit = 1u << e->operand[i].label[d];
            if (in[i] & bit) return false;
            in[i] |= bit;
        }
    }
    for (int l = e->n_out; l < e->n_labels; l++)
        if (!(in[0] >> l & 1) || !(in[1] >> l & 1)) return false;
    return true;
}

static clstm_status prepare_pair(op_ctx *c, einsum *w, const equation *e, const uint32_t *in) {
    const clstm_tensor *a = op_in(c, 0), *b = op_in(c, 1);
    group batch = labels_in(e, in, true, true, true), m = labels_in(e, in, true, false, true), n = labels_in(e, in, false, true, true);
    group k = labels_in(e, in, true, true, false);
    int64_t step[MOST_USED];
    size_t size = clstm_type_size(a->type);
    UTIL_TRY(op_product_prepare(&w->p, a->type, m.count, k.count, n.count, false, NULL, c->err));
    w->batches = batch.count;
    label_steps(e, a, 0, step);
    layout_groups(&w->a, e, (const group *const[]){&batch, &m, &k}, step, true, size);
    label_steps(e, b, 1, step);
    layout_groups(&w->b, e, (const group *const[]){&batch, &k, &n}, step, true, size);
    op_dense_steps(e->n_out, e->size, step);
    layout_groups(&w->out, e, (const group *const[]){&batch, &m, &n}, step, false, size);
    /* copies only where something moves: one block as long as the whole is the tensor as it stands */
    size_t at = w->p.scratch_bytes, bytes[3] = {(size_t)(batch.count * m.count * k.count) * size, (size_t)(batch.count * k.count * n.count) * size,
                                                (size_t)(batch.count * m.count * n.count) * size};
    op_move *moves[3] = {&w->a, &w->b, &w->out};
    size_t *place[3] = {&w->a_at, &w->b_at, &w->c_at};
    for (int i = 0; i < 3; i++) {
        if (moves[i]->nd == 0 && moves[i]->block == bytes[i]) { moves[i]->block = 0; continue; }
        *place[i] = at;
        at += (bytes[i] + 63) & ~(size_t)63;
    }
    c->scratch_bytes = at;
    return CLSTM_OK;
}

static clstm_status prepare(op_ctx *c) {
    einsum *w = op_prepared_alloc(c, sizeof *w);
    equation e;
    uint32_t in[2];
    if (!w) return util_no_memory(c->err);
    UTIL_TRY(parse(c, &e));
    w->product = plain_pair(c, &e, in);
    if (w->product) return prepare_pair(c, w, &e, in);
    w->n_labels = e.n_labels;
    w->n_out = e.n_out;
    w->n_operands = e.n_operands;
    memcpy(w->size, e.size, sizeof w->size);
    for (int i = 0; i < e.n_operands; i++) label_steps(&e, op_in(c, i), i, w->step[i]);
    return CLSTM_OK;
}

static void run_pair(op_ctx *c, const einsum *w) {
    const op_product *p = &w->p;
    size_t size = clstm_type_size(p->type);
    unsigned char *scratch = c->scratch;
    const unsigned char *a = op_in(c, 0)->data, *b = op_in(c, 1)->data;
    unsigned char *y = op_out(c, 0)->data;
    if (w->a.block) { op_move_run(&w->a, a, scratch + w->a_at); a = scratch + w->a_at; }
    if (w->b.block) { op_move_run(&w->b, b, scratch + w->b_at); b = scratch + w->b_at; }
    if (w->out.block) y = scratch + w->c_at;
    for (int64_t i = 0; i < w->batches; i++) {
        const unsigned char *bi = b + (size_t)(i * p->k * p->n) * size;
        op_product_load_b(p, bi, scratch);
        op_product_run(p, a + (size_t)(i * p->m * p->k) * size, bi, 0, y + (size_t)(i * p->m * p->n) * size, KERNEL_INIT_ZERO, NULL, scratch, c->env->pool);
    }
    if (w->out.block) op_move_run(&w->out, y, op_out(c, 0)->data);
}

/* The next position of labels [from, to), with the operands' offsets; false after the last. */
static bool advance(const einsum *w, int from, int to, int64_t *index, int64_t *at) {
    for (int l = to - 1; l >= from; l--) {
        for (int i = 0; i < w->n_operands; i++) at[i] += w->step[i][l];
        if (++index[l] < w->size[l]) return true;
        for (int i = 0; i < w->n_operands; i++) at[i] -= w->step[i][l] * w->size[l];
        index[l] = 0;
    }
    return false;
}

static clstm_status run(op_ctx *c) {
    const einsum *w = c->prepared;
    const clstm_tensor *y = op_out(c, 0);
    clstm_type type = y->type;
    size_t size = clstm_type_size(type);
    op_wide form = op_wide_of(type);
    int64_t index[MOST_USED] = {0}, at[MOST_OPERANDS] = {0};
    bool empty = false;
    if (clstm_tensor_count(y) == 0) return CLSTM_OK;
    if (w->product) { run_pair(c, w); return CLSTM_OK; }
    for (int l = w->n_out; l < w->n_labels; l++) empty |= w->size[l] == 0;
    unsigned char *to = y->data;
    do {
        op_chunk sum = {.u = {0}}, x;
        if (form == OP_WIDE_F64) sum.f[0] = 0;
        if (!empty) do {
            double f = 1;
            uint64_t u = 1;
            for (int i = 0; i < w->n_operands; i++) {
                op_wide_load(type, (const unsigned char *)op_in(c, i)->data + at[i] * (int64_t)size, &x, 1);
                if (form == OP_WIDE_F64) f *= x.f[0];
                else u *= x.u[0];       /* wrapping is the same for both signs */
            }
            if (form == OP_WIDE_F64) sum.f[0] += f;
            else sum.u[0] += u;
        } while (advance(w, w->n_out, w->n_labels, index, at));
        op_wide_store(form, type, &sum, to, 1);
        to += size;
    } while (advance(w, 0, w->n_out, index, at));
    return CLSTM_OK;
}

/* Each operand is met once for every place of all labels, inside the output and out. */
static double flops(const op_ctx *c) {
    const einsum *w = c->prepared;
    double n = w->n_operands;
    if (w->product) return 2.0 * (double)w->batches * (double)w->p.m * (double)w->p.k * (double)w->p.n;
    for (int l = 0; l < w->n_labels; l++) n *= (double)w->size[l];
    return n;
}

const op_desc ops_einsum[] = {
    {.domain = "", .name = "Einsum", .since = 12, .inputs = "Inputs+:T", .outputs = "Output:T", .types = "T=num*", .attrs = "equation:s!",
     .infer = infer, .prepare = prepare, .run = run, .flops = flops},
    OP_ARRAY_END};
