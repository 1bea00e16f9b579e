/* plan/recover_weights: gathers the weights of a recognised cell into the standard's layout. Steps of one layer share what is made. */
#include "plan/recover.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

static int gates_of(const recover_cell *c) { return c->kind == RNN_LSTM ? 4 : c->kind == RNN_GRU ? 3 : 1; }

static const recover_product *factor(const recover_sum *s, const ir_value *of) {
    for (int i = 0; i < s->n_products; i++)
        if (s->product[i].of == of) return &s->product[i];
    return NULL;
}

/* The sum that holds gate g's part of h, and that part. */
static const recover_sum *recurrent_sum(const recover_cell *c, int g) { return &c->gate[c->kind == RNN_GRU && g == 2 && !c->reset_h ? 3 : g]; }
static const recover_product *recurrent(const recover_cell *c, int g) {
    return factor(recurrent_sum(c, g), c->kind == RNN_GRU && g == 2 && c->reset_h ? c->reset_h : c->h);
}

/* ---- the same weights ----------------------------------------------------------------------------------------------------------------- */

static bool same_product(const recover_product *a, const recover_product *b) {
    return a && b && a->transposed == b->transposed && a->row == b->row && a->column == b->column && a->unit == b->unit && ir_const_equal(a->weight, b->weight);
}

static bool same_vector(const recover_vector *a, const recover_vector *b) { return a->at == b->at && a->unit == b->unit && ir_const_equal(a->from, b->from); }

static bool same_sum(const recover_sum *a, const recover_sum *b) {
    if (a->n_biases != b->n_biases || a->negated != b->negated || !a->peephole_of != !b->peephole_of) return false;
    for (int i = 0; i < a->n_biases; i++)
        if (!same_vector(&a->bias[i], &b->bias[i])) return false;
    return !a->peephole_of || same_vector(&a->peephole, &b->peephole);
}

static bool same_weights(const recover_cell *a, const recover_cell *b) {
    if (a->kind != b->kind || a->hidden != b->hidden || a->input != b->input || a->type != b->type || a->n_x != b->n_x || !a->reset_h != !b->reset_h) return false;
    for (int g = 0; g < gates_of(a); g++) {
        for (int i = 0; i < a->n_x; i++)
            if (!same_product(factor(&a->gate[g], a->x[i]), factor(&b->gate[g], b->x[i]))) return false;
        if (!same_product(recurrent(a, g), recurrent(b, g))) return false;
        if (!same_sum(&a->gate[g], &b->gate[g]) || !same_sum(recurrent_sum(a, g), recurrent_sum(b, g))) return false;
    }
    return true;
}

/* Same x, and what the products with the state are of. */
static bool same_start(const recover_cell *a, const recover_cell *b) {
    int activations = a->kind == RNN_LSTM ? 3 : a->kind == RNN_GRU ? 2 : 1;
    if (a->kind != b->kind || a->hidden != b->hidden || a->input != b->input || a->type != b->type || a->n_x != b->n_x || !a->reset_h != !b->reset_h) return false;
    for (int i = 0; i < activations; i++)
        if (!rnn_activation_same(&a->f[i], &b->f[i])) return false;
    for (int g = 0; g < gates_of(a); g++) {
        if (a->gate[g].negated != b->gate[g].negated || a->gate[g].peephole_of || b->gate[g].peephole_of) return false;
        for (int i = 0; i < a->n_x; i++)
            if (!same_product(factor(&a->gate[g], a->x[i]), factor(&b->gate[g], b->x[i]))) return false;
    }
    return !a->reset_h || same_product(recurrent(a, 2), recurrent(b, 2));
}

/* ---- gathering ------------------------------------------------------------------------------------------------------------------------ */

static clstm_status raw(ir_const *c, clstm_tensor *out, clstm_error *err) {
    const void *data;
    UTIL_TRY(ir_const_data(c, &data, err));
    *out = c->tensor;
    out->data = (void *)(uintptr_t)data;
    return CLSTM_OK;
}

static void put(clstm_tensor *t, int64_t i, double v) {
    if (t->type == CLSTM_DOUBLE) ((double *)t->data)[i] = v;
    else ((float *)t->data)[i] = (float)v;
}

/* Rows g*H.. of `to` [1, G*H, columns], `wide` columns from `from` on, from the columns of the factor's matrix. */
static clstm_status gather(const recover_product *p, bool negated, clstm_tensor *to, int64_t g, int64_t hidden, int64_t from, int64_t wide, clstm_error *err) {
    clstm_tensor w;
    UTIL_TRY(raw(p->weight, &w, err));
    for (int64_t j = 0; j < hidden; j++)
        for (int64_t i = 0; i < wide; i++) {
            int64_t column = p->column + j * p->unit, row = p->row + i;
            double v = tensor_get_double(&w, p->transposed ? column * w.dims[1] + row : row * w.dims[1] + column);
            put(to, (g * hidden + j) * to->dims[2] + from + i, negated ? -v : v);
        }
    return CLSTM_OK;
}

static clstm_status add_vector(const recover_vector *v, bool negated, clstm_tensor *to, int64_t at, int64_t hidden, clstm_error *err) {
    clstm_tensor b;
    UTIL_TRY(raw(v->from, &b, err));
    for (int64_t j = 0, n = clstm_tensor_count(&b); j < hidden; j++) {
        double x = tensor_get_double(&b, (v->at + j * v->unit) % n);
        put(to, at + j, tensor_get_double(to, at + j) + (negated ? -x : x));
    }
    return CLSTM_OK;
}

static clstm_status add_biases(const recover_sum *s, clstm_tensor *to, int64_t at, int64_t hidden, clstm_error *err) {
    for (int i = 0; i < s->n_biases; i++) UTIL_TRY(add_vector(&s->bias[i], s->negated, to, at, hidden, err));
    return CLSTM_OK;
}

/* one sum has one bias; only a GRU's hidden gate has a second */
static clstm_status fill_bias(const recover_cell *c, clstm_tensor *b, int g, clstm_error *err) {
    const recover_sum *s = &c->gate[g], *r = recurrent_sum(c, g);
    UTIL_TRY(add_biases(s, b, g * c->hidden, c->hidden, err));
    return r == s ? CLSTM_OK : add_biases(r, b, (gates_of(c) + g) * c->hidden, c->hidden, err);
}

static clstm_status fill_gate(const recover_cell *c, recover_weights *w, int g, clstm_error *err) {
    const recover_sum *s = &c->gate[g];
    int64_t from = 0, h = c->hidden;
    for (int i = 0; i < c->n_x; i++) {
        int64_t wide = clstm_tensor_count(&c->x[i]->type) / c->batch;
        UTIL_TRY(gather(factor(s, c->x[i]), s->negated, &w->w->tensor, g, h, from, wide, err));
        from += wide;
    }
    UTIL_TRY(gather(recurrent(c, g), s->negated, &w->r->tensor, g, h, 0, h, err));
    return fill_bias(c, &w->b->tensor, g, err);
}

static clstm_status fill_peepholes(const recover_cell *c, recover_weights *w, clstm_error *err) {
    for (int g = 0; g < 3; g++)         /* i, o, f */
        if (c->gate[g].peephole_of) UTIL_TRY(add_vector(&c->gate[g].peephole, false, &w->p->tensor, g * c->hidden, c->hidden, err));
    return CLSTM_OK;
}

static clstm_status zeros(clstm_type type, int rank, int64_t rows, int64_t columns, ir_const **out, clstm_error *err) {
    size_t bytes;
    clstm_tensor t = {.type = type, .rank = rank, .dims = {1, rows, columns}};
    UTIL_TRY(ir_const_new(&t, out, err));
    if (tensor_bytes(&t, &bytes)) memset((*out)->tensor.data, 0, bytes);
    return CLSTM_OK;
}

static clstm_status make(const recover_cell *c, recover_weights *w, clstm_error *err) {
    int64_t gates = gates_of(c), rows = gates * c->hidden;
    bool peepholes = false;
    for (int g = 0; g < 3 && c->kind == RNN_LSTM; g++) peepholes |= c->gate[g].peephole_of != NULL;
    UTIL_TRY(zeros(c->type, 3, rows, c->input, &w->w, err));
    UTIL_TRY(zeros(c->type, 3, rows, c->hidden, &w->r, err));
    UTIL_TRY(zeros(c->type, 2, 2 * rows, 0, &w->b, err));
    for (int g = 0; g < gates; g++) UTIL_TRY(fill_gate(c, w, g, err));
    if (!peepholes) return CLSTM_OK;
    UTIL_TRY(zeros(c->type, 2, 3 * c->hidden, 0, &w->p, err));
    return fill_peepholes(c, w, err);
}

clstm_status recover_starts(const recover_cell *c, const recover_weights *w, bool *yes, clstm_error *err) {
    ir_const *b;
    *yes = same_start(c, &w->of);
    if (!*yes) return CLSTM_OK;
    UTIL_TRY(zeros(c->type, 2, 2 * gates_of(c) * c->hidden, 0, &b, err));
    clstm_status s = CLSTM_OK;
    for (int g = 0; g < gates_of(c) && s == CLSTM_OK; g++) s = fill_bias(c, &b->tensor, g, err);
    *yes = s == CLSTM_OK && ir_const_equal(b, w->b);
    ir_const_unref(b);
    return s;
}

void recover_forget_weights(recover_weights *list) {
    while (list) {
        recover_weights *next = list->next;
        ir_const_unref(list->w);
        ir_const_unref(list->r);
        ir_const_unref(list->b);
        ir_const_unref(list->p);
        free(list);
        list = next;
    }
}

clstm_status recover_make_weights(const recover_cell *c, recover_weights **list, clstm_error *err) {
    for (recover_weights **at = list; *at; at = &(*at)->next)
        if (same_weights(c, &(*at)->of)) {      /* to the front: the next step asks for it again */
            recover_weights *found = *at;
            *at = found->next;
            found->next = *list;
            *list = found;
            return CLSTM_OK;
        }
    recover_weights *made = util_calloc(1, sizeof *made);
    if (!made) return util_no_memory(err);
    made->of = *c;
    clstm_status s = make(c, made, err);
    if (s != CLSTM_OK) { recover_forget_weights(made); return s; }
    made->next = *list;
    *list = made;
    return CLSTM_OK;
}
