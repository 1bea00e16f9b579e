/* plan/recover_emit: writes a recognised cell as one recurrent node of one step, its weights gathered into the standard's layout. */
#include "plan/recover.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <string.h>

static const char *const names[] = {[RNN_LSTM] = "LSTM", [RNN_GRU] = "GRU", [RNN_RNN] = "RNN"};
static int gates_of(const recover_cell *c) { return c->kind == RNN_LSTM ? 4 : c->kind == RNN_GRU ? 3 : 1; }

static const recover_product *factor(const recover_sum *s, const ir_value *of) {
    for (int i = 0; i < s->n_products; i++)
        if (s->product[i].of == of) return &s->product[i];
    return NULL;
}

/* The sum that holds gate g's part of h, and its recurrent bias. */
static const recover_sum *recurrent_sum(const recover_cell *c, int g) { return &c->gate[c->kind == RNN_GRU && g == 2 ? 3 : g]; }

/* ---- weights ------------------------------------------------------------------------------------------------------------------------ */

static bool same_product(const recover_product *a, const recover_product *b) {
    return a && b && a->weight == b->weight && a->transposed == b->transposed && a->row == b->row && a->column == b->column;
}

static bool same_biases(const recover_sum *a, const recover_sum *b) {
    if (a->n_biases != b->n_biases) return false;
    for (int i = 0; i < a->n_biases; i++)
        if (a->bias[i].from != b->bias[i].from || a->bias[i].column != b->bias[i].column) return false;
    return true;
}

static bool same_weights(const recover_cell *a, const recover_cell *b) {
    if (a->kind != b->kind || a->hidden != b->hidden || a->input != b->input || a->type != b->type) return false;
    for (int g = 0; g < gates_of(a); g++) {
        const recover_sum *ra = recurrent_sum(a, g), *rb = recurrent_sum(b, g);
        if (!same_product(factor(&a->gate[g], a->x), factor(&b->gate[g], b->x)) || !same_product(factor(ra, a->h), factor(rb, b->h))) return false;
        if (!same_biases(&a->gate[g], &b->gate[g]) || !same_biases(ra, rb)) return false;
    }
    return true;
}

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

/* Rows g*H.. of `to` [1, G*H, columns] from the columns of the factor's matrix. */
static clstm_status gather(const recover_product *p, clstm_tensor *to, int64_t g, int64_t hidden, clstm_error *err) {
    clstm_tensor w;
    UTIL_TRY(raw(p->weight, &w, err));
    int64_t n = to->dims[2];
    for (int64_t j = 0; j < hidden; j++)
        for (int64_t i = 0; i < n; i++) {
            int64_t at = p->transposed ? (p->column + j) * w.dims[1] + p->row + i : (p->row + i) * w.dims[1] + p->column + j;
            put(to, (g * hidden + j) * n + i, tensor_get_double(&w, at));
        }
    return CLSTM_OK;
}

static clstm_status add_biases(const recover_sum *s, clstm_tensor *to, int64_t at, int64_t hidden, clstm_error *err) {
    for (int64_t j = 0; j < hidden; j++) put(to, at + j, 0);
    for (int i = 0; i < s->n_biases; i++) {
        clstm_tensor b;
        UTIL_TRY(raw(s->bias[i].from, &b, err));
        for (int64_t j = 0; j < hidden; j++) put(to, at + j, tensor_get_double(to, at + j) + tensor_get_double(&b, s->bias[i].column + j));
    }
    return CLSTM_OK;
}

static clstm_status fill(const recover_cell *c, recover_weights *w, clstm_error *err) {
    int gates = gates_of(c);
    for (int g = 0; g < gates; g++) {
        const recover_sum *r = recurrent_sum(c, g);
        UTIL_TRY(gather(factor(&c->gate[g], c->x), &w->w->tensor, g, c->hidden, err));
        UTIL_TRY(gather(factor(r, c->h), &w->r->tensor, g, c->hidden, err));
        UTIL_TRY(add_biases(&c->gate[g], &w->b->tensor, g * c->hidden, c->hidden, err));
        /* one sum has one bias; only a GRU's hidden gate has a second */
        const recover_sum none = {.n_biases = 0};
        UTIL_TRY(add_biases(r == &c->gate[g] ? &none : r, &w->b->tensor, (gates + g) * c->hidden, c->hidden, err));
    }
    return CLSTM_OK;
}

static clstm_status weights(const recover_cell *c, recover_weights *last, clstm_error *err) {
    if (last->w && same_weights(c, &last->of)) return CLSTM_OK;
    recover_weights made = {.of = *c};
    int64_t rows = gates_of(c) * c->hidden;
    clstm_status s = ir_const_new(&(clstm_tensor){.type = c->type, .rank = 3, .dims = {1, rows, c->input}}, &made.w, err);
    if (s == CLSTM_OK) s = ir_const_new(&(clstm_tensor){.type = c->type, .rank = 3, .dims = {1, rows, c->hidden}}, &made.r, err);
    if (s == CLSTM_OK) s = ir_const_new(&(clstm_tensor){.type = c->type, .rank = 2, .dims = {1, 2 * rows}}, &made.b, err);
    if (s == CLSTM_OK) s = fill(c, &made, err);
    recover_weights *old = s == CLSTM_OK ? last : &made;
    ir_const_unref(old->w);
    ir_const_unref(old->r);
    ir_const_unref(old->b);
    if (s == CLSTM_OK) *last = made;
    return s;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------------------------- */

typedef struct writer { ir_graph *g; int version; const char *name; clstm_type type; clstm_error *err; } writer;

static ir_value *new_value(const writer *w, const int64_t *dims) {
    ir_value *v = ir_value_new(w->g, NULL);
    if (!v) return NULL;
    v->kind = CLSTM_KIND_TENSOR;
    tensor_set(&v->type, w->type, 3, dims);
    return v;
}

/* `out` becomes `in` in the shape `dims`. */
static clstm_status reshape(const writer *w, ir_value *in, ir_value *out, int rank, const int64_t *dims) {
    ir_const *k = NULL;
    ir_value *shape = ir_value_new(w->g, NULL);
    if (!shape) return util_no_memory(w->err);
    clstm_tensor t = clstm_tensor_view(CLSTM_INT64, 1, (int64_t[]){rank}, (void *)(uintptr_t)dims);
    UTIL_TRY(ir_const_new(&t, &k, w->err));
    ir_value_set_const(shape, k);
    ir_const_unref(k);
    ir_node *n = ir_node_new(w->g, "Reshape", "", w->version, w->name, 2, 1);
    if (!n) return util_no_memory(w->err);
    n->op = ops_find("", "Reshape", w->version, NULL);
    n->inputs[0] = in;
    n->inputs[1] = shape;
    n->outputs[0] = out;
    out->producer = n;
    return op_check_node(n, w->err);
}

static clstm_status lift(const writer *w, ir_value *v, ir_value **out) {
    int64_t dims[3] = {1, v->type.dims[0], v->type.dims[1]};
    *out = new_value(w, dims);
    return *out ? reshape(w, v, *out, 3, dims) : util_no_memory(w->err);
}

static clstm_status put_const(const writer *w, ir_node *n, int input, ir_const *k) {
    ir_value *v = ir_value_new(w->g, NULL);
    if (!v) return util_no_memory(w->err);
    ir_value_set_const(v, k);
    n->inputs[input] = v;
    return CLSTM_OK;
}

static clstm_status attributes(const recover_cell *c, ir_node *n, clstm_error *err) {
    ir_attr *a = ir_attr_add(n, "hidden_size", IR_ATTR_INT);
    if (!a) return util_no_memory(err);
    a->v.i = c->hidden;
    if (c->kind == RNN_GRU) {
        if (!(a = ir_attr_add(n, "linear_before_reset", IR_ATTR_INT))) return util_no_memory(err);
        a->v.i = 1;
    }
    if (c->relu) {
        if (!(a = ir_attr_add(n, "activations", IR_ATTR_STRINGS))) return util_no_memory(err);
        a->v.strings = util_arena_alloc(n->graph->arena, 1, sizeof *a->v.strings);
        if (!a->v.strings || !(a->v.strings[0] = util_arena_strdup(n->graph->arena, "Relu"))) return util_no_memory(err);
        a->count = 1;
    }
    return CLSTM_OK;
}

/* An output of the node in the cell's shape, under the cell's own value, so that ports keep their names. */
static clstm_status lower(const writer *w, ir_node *n, int output, ir_value *v) {
    int64_t dims[3] = {1, v->type.dims[0], v->type.dims[1]};
    ir_value *out = new_value(w, dims);
    if (!out) return util_no_memory(w->err);
    out->producer = n;
    n->outputs[output] = out;
    return reshape(w, out, v, 2, dims + 1);
}

clstm_status recover_emit(ir_graph *g, const recover_cell *c, recover_weights *last, bool *done, clstm_error *err) {
    writer w = {g, c->new_h->producer->version, c->new_h->producer->name, c->type, err};
    const op_desc *row = ops_find("", names[c->kind], w.version, NULL);
    bool lstm = c->kind == RNN_LSTM;
    ir_value *x, *h, *state = NULL;
    if (!row) return CLSTM_OK;
    UTIL_TRY(weights(c, last, err));
    for (int i = 0; i < c->n_inner; i++) c->inner[i]->mark = IR_DEAD;
    UTIL_TRY(lift(&w, c->x, &x));
    UTIL_TRY(lift(&w, c->h, &h));
    if (lstm) UTIL_TRY(lift(&w, c->c, &state));
    ir_node *n = ir_node_new(g, names[c->kind], "", w.version, w.name, lstm ? RNN_C0 + 1 : RNN_H0 + 1, lstm ? RNN_YC + 1 : RNN_YH + 1);
    if (!n) return util_no_memory(err);
    n->op = row;
    n->index = IR_RECOVERED;
    n->inputs[RNN_X] = x;
    n->inputs[RNN_H0] = h;
    if (lstm) n->inputs[RNN_C0] = state;
    UTIL_TRY(put_const(&w, n, RNN_W, last->w));
    UTIL_TRY(put_const(&w, n, RNN_R, last->r));
    UTIL_TRY(put_const(&w, n, RNN_B, last->b));
    UTIL_TRY(attributes(c, n, err));
    UTIL_TRY(op_check_node(n, err));
    UTIL_TRY(lower(&w, n, RNN_YH, c->new_h));
    if (lstm) UTIL_TRY(lower(&w, n, RNN_YC, c->new_c));
    *done = true;
    return CLSTM_OK;
}
