/* plan/simplify: algebra that holds for every element: nodes that change nothing give way to their input, chains of Transpose or
 * of reshaping nodes become one, BatchNormalization is folded into the convolution in front of it. */
#include "plan/plan_internal.h"
#include "plan/turns.h"

#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct simplifier { bool changed; clstm_error *err; } simplifier;

static bool same_known_shape(const ir_value *a, const ir_value *b) {
    return a->kind == CLSTM_KIND_TENSOR && b->kind == CLSTM_KIND_TENSOR && a->type.type == b->type.type && a->type.type != CLSTM_TYPE_NONE &&
           tensor_shape_known(&a->type) && tensor_shape_known(&b->type) && tensor_same_shape(&a->type, &b->type);
}

/* The element order is that of the input: only the shape differs. */
static bool reshapes(const ir_node *n) {
    return ir_is(n, "Reshape") || ir_is(n, "Squeeze") || ir_is(n, "Unsqueeze") || ir_is(n, "Flatten");
}

static bool all_ints(const ir_value *v, int64_t want, clstm_error *err) {
    const void *data;
    if (!v) return true;
    if (!v->constant || ir_const_data(v->constant, &data, err) != CLSTM_OK) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    for (int64_t i = 0; i < clstm_tensor_count(&t); i++)
        if (tensor_get_int(&t, i) != want) return false;
    return true;
}

static const int64_t *permutation(const ir_node *n, int rank, int64_t *made) {
    size_t count;
    const int64_t *p = op_attr_ints(n, "perm", &count);
    if (p) return (int)count == rank ? p : NULL;
    for (int i = 0; i < rank; i++) made[i] = rank - 1 - i;
    return made;
}

static bool keeps_order(const ir_node *n) {
    int64_t made[CLSTM_MAX_RANK];
    int rank = n->inputs[0]->type.rank;
    const int64_t *p = permutation(n, rank, made);
    for (int i = 0; p && i < rank; i++)
        if (p[i] != i) return false;
    return p != NULL;
}

/* Whether output 0 is input 0, bit for bit. */
static bool changes_nothing(const simplifier *s, const ir_node *n) {
    const ir_value *in = n->inputs[0], *out = n->outputs[0];
    if (ir_is(n, "Identity")) return true;
    if (ir_is(n, "Concat") || ir_is(n, "Sum") || ir_is(n, "Max") || ir_is(n, "Min") || ir_is(n, "Mean")) return n->n_in == 1;
    if (!same_known_shape(in, out)) return false;
    if (reshapes(n) || ir_is(n, "Expand") || ir_is(n, "Tile") || ir_is(n, "Cast")) return true;
    if (ir_is(n, "Slice")) return n->version < 10 || n->n_in < 5 || all_ints(n->inputs[4], 1, s->err);
    if (ir_is(n, "Split")) return n->n_out == 1;
    if (ir_is(n, "Transpose")) return keeps_order(n);
    return false;
}

/* Who reads n's result reads `by` from now on; fold_batch counts on the number. */
static void replace(simplifier *s, ir_node *n, ir_value *by) {
    by->uses += n->outputs[0]->uses - (n->inputs[0] == by);
    ir_give_way(n->outputs[0], by);
    n->mark = IR_DEAD;
    s->changed = true;
}

/* Dropout without training is its input; the mask, when wanted, keeps the node. */
static bool idle_dropout(const ir_node *n) {
    if (!ir_is(n, "Dropout") || (n->n_out > 1 && n->outputs[1])) return false;
    return n->version < 7 ? false : n->n_in < 3 || !n->inputs[2] || (n->inputs[2]->constant && all_ints(n->inputs[2], 0, NULL));
}

/* Transpose of a Transpose: one with both permutations, or nothing. */
static clstm_status join_transposes(simplifier *s, ir_node *n) {
    ir_node *first = n->inputs[0]->producer;
    int rank = n->outputs[0]->type.rank;
    int64_t a[CLSTM_MAX_RANK], b[CLSTM_MAX_RANK];
    if (!ir_is(n, "Transpose") || !ir_is(first, "Transpose") || first->graph != n->graph || rank < 0 || rank > CLSTM_MAX_RANK || first->mark == IR_DEAD) return CLSTM_OK;
    const int64_t *p = permutation(first, rank, a), *q = permutation(n, rank, b);
    if (!p || !q) return CLSTM_OK;
    int64_t *both = util_arena_alloc(n->graph->arena, (size_t)rank, sizeof *both);
    if (!both) return util_no_memory(s->err);
    bool nothing = true;
    for (int i = 0; i < rank; i++) {
        if (q[i] < 0 || q[i] >= rank || p[q[i]] < 0 || p[q[i]] >= rank) return CLSTM_OK;
        both[i] = p[q[i]];
        nothing &= both[i] == i;
    }
    if (nothing) { replace(s, n, first->inputs[0]); return CLSTM_OK; }
    ir_attr *attr = (ir_attr *)(uintptr_t)ir_attr_find(n, "perm");
    if (!attr) attr = ir_attr_add(n, "perm", IR_ATTR_INTS);
    if (!attr) return util_no_memory(s->err);
    attr->v.ints = both;
    attr->count = (size_t)rank;
    n->inputs[0] = first->inputs[0];
    n->inputs[0]->uses++;
    s->changed = true;
    return CLSTM_OK;
}

/* A chain of reshaping nodes that ends in the shape it began with. */
static void skip_reshapes(simplifier *s, ir_node *n) {
    ir_value *v = n->inputs[0];
    for (int depth = 0; reshapes(n) && depth < 16 && v->producer && reshapes(v->producer) && v->producer->graph == n->graph; depth++) {
        v = v->producer->inputs[0];
        if (same_known_shape(v, n->outputs[0])) { replace(s, n, v); return; }
    }
}

/* ---- Conv + BatchNormalization ---------------------------------------------------------------------------------------------------- */

static clstm_status floats_of(const ir_value *v, const float **out, clstm_error *err) {
    const void *data;
    clstm_status s = ir_const_data(v->constant, &data, err);
    *out = s == CLSTM_OK ? data : NULL;
    return s;
}

static bool foldable_batch(const ir_node *bn, const ir_node *conv) {
    if (!ir_is(bn, "BatchNormalization") || (!ir_is(conv, "Conv") && !ir_is(conv, "ConvTranspose")) || conv->graph != bn->graph || conv->mark == IR_DEAD) return false;
    if (conv->outputs[0]->uses != 1 || (bn->version >= 14 && op_attr_int(bn, "training_mode"))) return false;
    for (int i = 1; i < 5; i++)
        if (!bn->inputs[i] || !bn->inputs[i]->constant || bn->inputs[i]->type.type != CLSTM_FLOAT) return false;
    if (!conv->inputs[1]->constant || conv->inputs[1]->type.type != CLSTM_FLOAT) return false;
    return conv->n_in < 3 || !conv->inputs[2] || conv->inputs[2]->constant;
}

/* y = scale*(conv(x) - mean)/sqrt(var+eps) + shift is a convolution with scaled weights and another bias. */
static clstm_status fold_batch(simplifier *s, ir_node *bn, ir_node *conv) {
    const float *p[5] = {0}, *w, *b = NULL;
    bool transposed = ir_is(conv, "ConvTranspose");
    const clstm_tensor *wt = &conv->inputs[1]->constant->tensor;
    int64_t groups = op_attr_int(conv, "group"), per = transposed ? wt->dims[1] : wt->dims[0] / groups, outputs = transposed ? wt->dims[1] * groups : wt->dims[0];
    if (clstm_tensor_count(&bn->inputs[1]->constant->tensor) != outputs) return CLSTM_OK;
    for (int i = 1; i < 5; i++) UTIL_TRY(floats_of(bn->inputs[i], &p[i], s->err));
    UTIL_TRY(floats_of(conv->inputs[1], &w, s->err));
    if (conv->n_in > 2 && conv->inputs[2]) UTIL_TRY(floats_of(conv->inputs[2], &b, s->err));
    clstm_tensor shape = *wt;
    shape.data = NULL;
    ir_value *vw = ir_constant(bn->graph, &shape, s->err);
    ir_value *vb = ir_constant(bn->graph, &(clstm_tensor){.type = CLSTM_FLOAT, .rank = 1, .dims = {outputs}}, s->err);
    if (!vw || !vb) return util_no_memory(s->err);
    double eps = (double)op_attr_float(bn, "epsilon");
    int64_t inner = tensor_span(wt, 2, wt->rank);
    float *to = vw->constant->tensor.data, *bias = vb->constant->tensor.data;
    for (int64_t i = 0, n = clstm_tensor_count(wt); i < n; i++) {
        /* W is [out, in/g, k] or, transposed, [in, out/g, k] */
        int64_t o = transposed ? i / (wt->dims[1] * inner) / (wt->dims[0] / groups) * per + i / inner % wt->dims[1] : i / (wt->dims[1] * inner);
        to[i] = (float)((double)w[i] * (double)p[1][o] / sqrt((double)p[4][o] + eps));
    }
    for (int64_t o = 0; o < outputs; o++)
        bias[o] = (float)(((b ? (double)b[o] : 0) - (double)p[3][o]) * (double)p[1][o] / sqrt((double)p[4][o] + eps) + (double)p[2][o]);
    ir_value **in = util_arena_alloc(bn->graph->arena, 3, sizeof *in);
    if (!in) return util_no_memory(s->err);
    in[0] = conv->inputs[0];
    in[1] = vw;
    in[2] = vb;
    conv->inputs = in;
    conv->n_in = 3;
    replace(s, bn, conv->outputs[0]);
    return CLSTM_OK;
}

static clstm_status simplify_graph(simplifier *s, ir_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        ir_follow(n);
        if (n->n_bodies == 1) UTIL_TRY(plan_turns_plain(n, &s->changed, s->err));
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(simplify_graph(s, n->bodies[b]));
        if (n->mark == IR_DEAD || !n->n_in || !n->n_out || !n->inputs[0] || !n->outputs[0]) continue;
        if (changes_nothing(s, n) || idle_dropout(n)) { replace(s, n, n->inputs[0]); continue; }
        UTIL_TRY(join_transposes(s, n));
        if (n->mark != IR_DEAD) skip_reshapes(s, n);
        ir_node *before = n->inputs[0]->producer;
        if (n->mark != IR_DEAD && foldable_batch(n, before)) UTIL_TRY(fold_batch(s, n, before));
    }
    ir_graph_sweep(g);
    return CLSTM_OK;
}

clstm_status plan_simplify(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    (void)env;
    simplifier s = {false, err};
    ir_count_uses(root);
    clstm_status status = simplify_graph(&s, root);
    ir_follow_all(root);
    *changed |= s.changed;
    return status;
}
