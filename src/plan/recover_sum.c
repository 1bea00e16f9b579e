/* plan/recover_sum: reads the sums of products, biases and peepholes that gates are activations of, whatever the habit: one product or
 * many, fused or not, in any order of gates, cut by Split, Slice, Gather or Reshape before or after the activation. */
#include "plan/recover.h"

#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

bool recover_note(recover_cell *c, ir_node *n) {
    for (int i = 0; i < c->n_inner; i++)
        if (c->inner[i] == n) return true;
    if (c->n_inner == RECOVER_INNER) return false;
    c->inner[c->n_inner++] = n;
    return true;
}

static bool numbers(const recover_cell *c, const ir_value *v) {
    return v && v->kind == CLSTM_KIND_TENSOR && v->type.type == c->type && tensor_shape_known(&v->type) && v->type.rank > 0;
}

bool recover_is_state(const recover_cell *c, const ir_value *v) { return numbers(c, v) && clstm_tensor_count(&v->type) == c->batch * c->hidden; }

recover_access recover_all(const recover_cell *c) { return (recover_access){0, c->hidden, 1}; }

static ir_node *maker(const recover_cell *c, const ir_value *v) {
    ir_node *n = v && !v->constant ? v->producer : NULL;
    return n && n->mark != IR_DEAD && n->graph == c->graph && !n->domain[0] ? n : NULL;
}

ir_node *recover_made_by(recover_cell *c, ir_value *v, const char *op) {
    int before = c->n_inner;
    ir_value *whole = recover_is_state(c, v) ? plan_whole(v, c->graph) : NULL;
    ir_node *n = maker(c, whole);
    if (!n || !recover_is(n, op) || !recover_is_state(c, whole)) return NULL;
    for (; v != whole; v = v->producer->inputs[0])
        if (!recover_note(c, v->producer)) { c->n_inner = before; return NULL; }
    return n;
}

/* ---- moved elements ---------------------------------------------------------------------------------------------------------------- */

typedef struct passed { recover_cell *c; bool ok; } passed;

/* Blocks of more than all gates hold more than this step: they are another's as well. */
static bool own(const recover_cell *c, const ir_value *v) { return clstm_tensor_count(&v->type) <= RECOVER_GATES * c->batch * c->hidden; }

static void note_passed(void *arg, ir_node *n) {
    passed *p = arg;
    p->ok &= recover_note(p->c, n);
}

static int64_t place(const plan_view *w, int64_t flat) {
    int64_t at = w->offset;
    for (int d = w->rank - 1; d >= 0; d--) {
        at += flat % w->dims[d] * w->strides[d];
        flat /= w->dims[d];
    }
    return at;
}

/* The access of the view as one of what it is a view of; false when it is none. */
static bool seen_through(const recover_cell *c, const plan_view *w, recover_access a, recover_access *out) {
    recover_access n = {.at = place(w, a.at)};
    if (c->batch > 1) n.row = place(w, a.at + a.row) - n.at;
    if (c->hidden > 1) n.unit = place(w, a.at + a.unit) - n.at;
    for (int64_t b = 0; b < c->batch; b++)
        for (int64_t u = 0; u < c->hidden; u++)
            if (place(w, a.at + b * a.row + u * a.unit) != n.at + b * n.row + u * n.unit) return false;
    *out = n;
    return true;
}

/* Replaces v by the value whose elements it shows, and the access by one of that; false when it is none, or `such` (or NULL) does not
 * hold of what made it: that is asked before each element is looked at. */
static bool look_through(recover_cell *c, ir_value **v, recover_access *a, bool (*such)(const ir_node *)) {
    plan_view w;
    passed p = {c, true};
    plan_view_of(*v, c->graph, &w, note_passed, &p);
    if (w.of == *v) return true;
    if (!p.ok || !own(c, w.of) || (such && !such(maker(c, w.of))) || !seen_through(c, &w, *a, a)) return false;
    *v = w.of;
    return true;
}

/* v is a step's part of a sum over a sequence. */
static bool in_sequence(recover_cell *c, recover_sum *s, ir_value *v, recover_access a) {
    plan_view w;
    plan_view_of(v, c->graph, &w, NULL, NULL);
    return w.of != v && !w.of->constant && seen_through(c, &w, a, &a) && recover_from_sequence(c, s, w.of, a);
}

/* ---- the parts of a sum -------------------------------------------------------------------------------------------------------------- */

/* Whether every row of the access sees what the first one sees. */
static bool rows_agree(const recover_cell *c, ir_const *k, recover_access a) {
    const void *data = ir_const_peek(k);
    clstm_tensor t = k->tensor;
    t.data = (void *)(uintptr_t)data;
    int64_t n = clstm_tensor_count(&t);
    for (int64_t b = 1; data && b < c->batch; b++)
        for (int64_t u = 0; u < c->hidden; u++) {
            double first = tensor_get_double(&t, (a.at + u * a.unit) % n), here = tensor_get_double(&t, (a.at + b * a.row + u * a.unit) % n);
            if (first < here || first > here) return false;
        }
    return data != NULL;
}

/* A constant that repeats over the rows of a value of rank `rank`, as the units of the access see it. */
static bool vector(const recover_cell *c, const ir_value *v, const clstm_tensor *whole, recover_access a, recover_vector *out) {
    const clstm_tensor *t = &v->type;
    int64_t count = clstm_tensor_count(t);
    if (!v->constant || t->type != c->type || !tensor_shape_known(t) || count < 1 || t->rank > whole->rank) return false;
    for (int d = t->rank - 1, gap = 0; d >= 0; d--) {       /* the last axes of the whole, all of them or one element */
        int64_t of = whole->dims[d + whole->rank - t->rank];
        if (t->dims[d] != of && t->dims[d] != 1) return false;
        if (t->dims[d] == 1 && of != 1) gap = 1;
        if (t->dims[d] != 1 && gap) return false;
    }
    if (c->batch > 1 && a.row % count != 0 && !rows_agree(c, v->constant, a)) return false;
    *out = (recover_vector){v->constant, a.at % count, (a.unit % count + count) % count};
    return true;
}

bool recover_add_bias(const recover_cell *c, recover_sum *s, const ir_value *v, const clstm_tensor *whole, recover_access a) {
    return s->n_biases < RECOVER_BIASES && vector(c, v, whole, a, &s->bias[s->n_biases]) && ++s->n_biases;
}

static bool factor(recover_cell *c, recover_sum *s, ir_value *a, recover_product p, int64_t rows) {
    if (s->n_products == RECOVER_PRODUCTS || !numbers(c, a) || clstm_tensor_count(&a->type) != c->batch * rows) return false;
    p.of = plan_whole(a, c->graph);
    s->product[s->n_products++] = p;
    return true;
}

/* Columns of a*w. */
static bool add_product(recover_cell *c, recover_sum *s, ir_value *a, const ir_value *w, bool transposed, const ir_value *out, recover_access at) {
    if (!w || !w->constant || w->type.rank != 2 || w->type.type != c->type || !numbers(c, a) || !numbers(c, out)) return false;
    int64_t rows = w->type.dims[transposed ? 1 : 0], columns = w->type.dims[transposed ? 0 : 1], last = at.at + (c->hidden - 1) * at.unit;
    if (a->type.dims[a->type.rank - 1] != rows || out->type.dims[out->type.rank - 1] != columns) return false;
    if (at.at < 0 || at.at >= columns || last < 0 || last >= columns || (c->batch > 1 && at.row != columns)) return false;
    return factor(c, s, a, (recover_product){.weight = w->constant, .transposed = transposed, .column = at.at, .unit = at.unit}, rows);
}

bool recover_add_product(recover_cell *c, recover_sum *s, ir_value *a, const ir_value *w, const ir_value *out, recover_access at) {
    return add_product(c, s, a, w, false, out, at);
}

bool recover_expand(recover_cell *c, recover_sum *s) {
    recover_product p = s->product[0];
    ir_node *join = s->n_products == 1 ? maker(c, p.of) : NULL;
    int axis;
    if (!recover_is(join, "Concat")) return s->n_products > 1;
    if (!numbers(c, p.of) || !tensor_axis(op_attr_int(join, "axis"), p.of->type.rank, &axis) || axis != p.of->type.rank - 1 || !recover_note(c, join)) return false;
    s->n_products = 0;
    for (int i = 0; i < join->n_in; i++) {
        ir_value *part = join->inputs[i];
        if (!numbers(c, part) || !factor(c, s, part, p, part->type.dims[axis])) return false;
        p.row += part->type.dims[axis];
    }
    return true;
}

static bool add_part(recover_cell *c, recover_sum *s, ir_value *part, const ir_value *out, recover_access a, int depth) {
    if (!numbers(c, out) || !part) return false;
    if (part->constant) return recover_add_bias(c, s, part, &out->type, a);
    return numbers(c, part) && clstm_tensor_count(&part->type) == clstm_tensor_count(&out->type) && recover_take_apart(c, s, part, a, depth + 1);
}

static bool add_gemm(recover_cell *c, recover_sum *s, const ir_node *n, recover_access a, int depth) {
    bool more = n->n_in > 2 && n->inputs[2];
    if (op_attr_float(n, "alpha") != 1 || (more && op_attr_float(n, "beta") != 1) || op_attr_int(n, "transA")) return false;
    return add_product(c, s, n->inputs[0], n->inputs[1], op_attr_int(n, "transB") != 0, n->outputs[0], a) &&
           (!more || add_part(c, s, n->inputs[2], n->outputs[0], a, depth));
}

/* A state times a vector; or, in the hidden gate of a GRU, the reset gate times its recurrent part. */
static bool add_scaled(recover_cell *c, recover_sum *s, const ir_node *n, recover_access a) {
    recover_access all = recover_all(c);
    if (!recover_is_state(c, n->outputs[0]) || a.at || (c->batch > 1 && a.row != all.row) || (c->hidden > 1 && a.unit != 1)) return false;
    for (int k = 0; k < 2; k++) {
        ir_value *one = n->inputs[k], *other = n->inputs[1 - k];
        if (!one || !other || !recover_is_state(c, one)) continue;
        if (other->constant && c->kind == RNN_LSTM) {
            if (s->peephole_of || !vector(c, other, &n->outputs[0]->type, all, &s->peephole)) continue;
            s->peephole_of = plan_whole(one, c->graph);
            return true;
        }
        if (c->kind != RNN_GRU || s != &c->gate[2] || c->gate[1].n_products || (!c->starts && !recover_is_state(c, other))) continue;
        int before = c->n_inner;
        if (recover_gate(c, one, 0, &c->gate[1]) && (c->starts ? other->constant && recover_add_bias(c, &c->gate[3], other, &n->outputs[0]->type, all)
                                                               : recover_take_apart(c, &c->gate[3], other, all, 0))) return true;
        c->n_inner = before;
        memset(&c->gate[1], 0, sizeof c->gate[1]);
        memset(&c->gate[3], 0, sizeof c->gate[3]);
    }
    return false;
}

/* Gates that were joined after their sums. */
static bool in_part(recover_cell *c, recover_sum *s, const ir_node *n, recover_access a, int depth) {
    const clstm_tensor *out = &n->outputs[0]->type;
    int axis;
    if (!tensor_axis(op_attr_int(n, "axis"), out->rank, &axis) || axis != out->rank - 1) return false;
    int64_t columns = out->dims[axis], first = a.at, last = a.at + (c->hidden - 1) * a.unit, from = 0;
    if (first >= columns || last >= columns || last < 0 || (c->batch > 1 && a.row != columns)) return false;
    for (int i = 0; i < n->n_in; i++) {
        if (!numbers(c, n->inputs[i])) return false;
        int64_t width = n->inputs[i]->type.dims[axis];
        if (first >= from && last >= from && first < from + width && last < from + width)
            return recover_take_apart(c, s, n->inputs[i], (recover_access){first - from, width, a.unit}, depth + 1);
        from += width;
    }
    return false;
}

bool recover_take_apart(recover_cell *c, recover_sum *s, ir_value *v, recover_access a, int depth) {
    if (depth > 16 || !numbers(c, v) || v->constant) return false;
    if (in_sequence(c, s, v, a)) return true;
    if (!look_through(c, &v, &a, NULL)) return false;
    ir_node *n = maker(c, v);
    if (!n || n->n_in < 2 || n->version < 7 || !numbers(c, v) || !own(c, v) || !recover_note(c, n)) return false;
    if (recover_is(n, "MatMul")) return add_product(c, s, n->inputs[0], n->inputs[1], false, v, a);
    if (recover_is(n, "Gemm")) return add_gemm(c, s, n, a, depth);
    if (recover_is(n, "Mul")) return add_scaled(c, s, n, a);
    if (recover_is(n, "Concat")) return in_part(c, s, n, a, depth);
    if (!recover_is(n, "Add") && !recover_is(n, "Sum")) return false;
    for (int i = 0; i < n->n_in; i++)
        if (!add_part(c, s, n->inputs[i], v, a, depth)) return false;
    return true;
}

/* ---- activations ------------------------------------------------------------------------------------------------------------------------- */

static bool scalar(const ir_value *v, double *out) {
    const void *data = v && v->constant && clstm_tensor_count(&v->constant->tensor) == 1 ? ir_const_peek(v->constant) : NULL;
    if (!data || !type_is_float(v->type.type)) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    *out = tensor_get_double(&t, 0);
    return true;
}

/* v = op(other, constant), in either order when it commutes. */
static ir_value *with_scalar(recover_cell *c, ir_value *v, const char *op, double *k) {
    ir_node *n = maker(c, v);
    if (!n || !recover_is(n, op) || n->n_in != 2 || !recover_note(c, n)) return NULL;
    if (scalar(n->inputs[1], k)) return n->inputs[0];
    return strcmp(op, "Div") && scalar(n->inputs[0], k) ? n->inputs[1] : NULL;
}

static bool clips(const ir_node *n, double low, double high) {
    double bound[2];
    if (n->version < 11) return (double)op_attr_float(n, "min") == low && (double)op_attr_float(n, "max") == high;
    return n->n_in > 2 && scalar(n->inputs[1], &bound[0]) && scalar(n->inputs[2], &bound[1]) && bound[0] == low && bound[1] == high;
}

/* An attribute is a float: what is lost of a number on the way. */
static bool differs(double v) { return v < (double)(float)v || v > (double)(float)v; }

/* min(max(alpha*x + beta, 0), 1) in pieces; returns x */
static ir_value *hard_sigmoid(recover_cell *c, ir_node *clip, rnn_activation *f) {
    double beta, alpha;
    if (!clips(clip, 0, 1)) return NULL;
    ir_value *v = with_scalar(c, clip->inputs[0], "Add", &beta), *x = v ? with_scalar(c, v, "Mul", &alpha) : NULL;
    if (v && !x && (x = with_scalar(c, v, "Div", &alpha))) alpha = 1 / alpha;
    if (!x || !isfinite(alpha) || (c->type == CLSTM_DOUBLE && (differs(alpha) || differs(beta)))) return NULL;
    *f = (rnn_activation){RNN_HARD_SIGMOID, (float)alpha, (float)beta};
    return x;
}

/* The operators that are activation functions of the standard, value for value. */
static const char *activation(const ir_node *n) {
    static const char *const same[] = {"Sigmoid", "Tanh", "Relu", "HardSigmoid", "LeakyRelu", "Elu", "Softsign", "Softplus"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (recover_is(n, same[i])) return same[i];
    return NULL;
}

static bool activates(const ir_node *n) { return activation(n) || recover_is(n, "Clip"); }

static ir_value *activation_of(recover_cell *c, ir_node *n, rnn_activation *f) {
    const char *name = activation(n);
    if (!name) return recover_is(n, "Clip") ? hard_sigmoid(c, n, f) : NULL;
    if (!rnn_activation_find(name, &f->function)) return NULL;
    f->alpha = rnn_activation_takes(f->function, false) ? op_attr_float(n, "alpha") : 0;
    f->beta = rnn_activation_takes(f->function, true) ? op_attr_float(n, "beta") : 0;
    return n->inputs[0];
}

ir_value *recover_activated(recover_cell *c, ir_value *v, int which, recover_access *a) {
    rnn_activation f = {0};
    *a = recover_all(c);
    if (!recover_is_state(c, v) || v->constant || !look_through(c, &v, a, activates)) return NULL;
    ir_node *n = maker(c, v);
    if (!n || !n->n_in || !numbers(c, v) || !own(c, v) || !recover_note(c, n)) return NULL;
    ir_value *of = activation_of(c, n, &f);
    if (!of || (c->f_known[which] && !rnn_activation_same(&f, &c->f[which]))) return NULL;
    if (clstm_tensor_count(&of->type) != clstm_tensor_count(&v->type)) return NULL;
    c->f[which] = f;
    c->f_known[which] = true;
    return of;
}

bool recover_gate(recover_cell *c, ir_value *v, int which, recover_sum *s) {
    int before = c->n_inner;
    bool known = c->f_known[which];
    recover_access a;
    memset(s, 0, sizeof *s);
    ir_value *of = recover_activated(c, v, which, &a);
    if (of && recover_take_apart(c, s, of, a, 0)) return true;
    c->n_inner = before;
    c->f_known[which] = known;
    memset(s, 0, sizeof *s);
    return false;
}
