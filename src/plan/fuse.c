/* plan/fuse: nodes that the node whose result they take can do itself, at the end, for a plan: the graph of a model stays as the
 * standard has it. A constant row that is added to a product becomes what its sums start from, which is the canonical order and may
 * differ in the last bit from adding afterwards; an elementwise function becomes the epilogue of its producer, with the same bits. */
#include "plan/plan_internal.h"

#include "tensor/tensor.h"

#include <string.h>

/* The node that makes v for `user` alone, in the same graph. */
static ir_node *only_producer(const ir_value *v, const ir_node *user) {
    ir_node *p = v ? v->producer : NULL;
    if (!p || v->constant || v->uses != 1 || p->graph != user->graph || p->mark == IR_DEAD || p->mark == IR_TAKEN || p->outputs[0] != v) return NULL;
    for (size_t i = 0; i < v->graph->n_out; i++)
        if (v->graph->outputs[i] == v) return NULL;
    return p;
}

static bool same_tensor(const ir_value *a, const ir_value *b) {
    return a->kind == CLSTM_KIND_TENSOR && b->kind == CLSTM_KIND_TENSOR && a->type.type == b->type.type && tensor_shape_known(&a->type) &&
           tensor_same_shape(&a->type, &b->type);
}

static void take_result(ir_node *producer, ir_node *n) {
    producer->outputs[0] = n->outputs[0];
    producer->outputs[0]->producer = producer;
}

/* ---- product + row ------------------------------------------------------------------------------------------------------------- */

/* Whether `row` is one element for each place of dimension `axis` of y, or one for all of them, the same everywhere else. Both are taken
 * whatever the dimension's size: a row that starts the sums of a call of one step, and is added after those of many, would change bits. */
static bool runs_along(const ir_value *row, const ir_value *y, int axis) {
    const clstm_tensor *r = &row->type, *t = &y->type;
    if (!row->constant || r->type != t->type || r->rank > t->rank) return false;
    for (int d = 0; d < r->rank; d++) {
        int at = d + t->rank - r->rank;
        if (r->dims[d] != 1 && (at != axis || r->dims[d] != t->dims[axis])) return false;
    }
    return r->rank >= t->rank - axis;
}

/* The input at which the product takes a row, and the dimension of its result along which that runs; 0 when it takes none. */
static int bias_input(const ir_node *p, int *axis) {
    int rank = p->outputs[0]->type.rank;
    *axis = rank - 1;
    if (p->n_in > 3 || (p->n_in == 3 && p->inputs[2])) return 0;
    if (ir_is(p, "MatMul")) return p->inputs[1]->type.rank > 1 ? 2 : 0;
    if (ir_is(p, "Gemm")) return op_attr_float(p, "alpha") == 1 && op_attr_float(p, "beta") == 1 ? 2 : 0;
    *axis = 1;
    return ir_is(p, "Conv") || ir_is(p, "ConvTranspose") ? 2 : 0;
}

/* The same elements in one dimension of n. */
static clstm_status flat(ir_graph *g, ir_value *row, int64_t n, ir_value **out, clstm_error *err) {
    const void *data;
    clstm_tensor t = {.type = row->type.type, .rank = 1, .dims = {n}};
    size_t size = clstm_type_size(t.type);
    UTIL_TRY(ir_const_data(row->constant, &data, err));
    if (clstm_tensor_count(&row->type) == n) t.data = (void *)(uintptr_t)data;
    if (!(*out = ir_constant(g, &t, err))) return util_no_memory(err);
    for (int64_t i = 0; !t.data && i < n; i++) memcpy((char *)(*out)->constant->tensor.data + (size_t)i * size, data, size);
    return CLSTM_OK;
}

static clstm_status fuse_row(ir_node *n, clstm_error *err) {
    if (!ir_is(n, "Add") || n->version < 7) return CLSTM_OK;   /* before 7 an attribute says which axes the row lies along */
    for (int i = 0; i < 2; i++) {
        ir_node *p = only_producer(n->inputs[i], n);
        ir_value *row = n->inputs[1 - i], **in;
        int axis, at = p ? bias_input(p, &axis) : 0;
        if (!at || !same_tensor(p->outputs[0], n->outputs[0]) || !runs_along(row, n->outputs[0], axis)) continue;
        if (!(in = util_arena_alloc(n->graph->arena, 3, sizeof *in))) return util_no_memory(err);
        in[0] = p->inputs[0];
        in[1] = p->inputs[1];
        UTIL_TRY(flat(n->graph, row, n->outputs[0]->type.dims[axis], &in[2], err));
        p->inputs = in;
        p->n_in = 3;
        take_result(p, n);
        n->mark = IR_DEAD;
        return CLSTM_OK;
    }
    return CLSTM_OK;
}

/* ---- producer, then map ---------------------------------------------------------------------------------------------------------- */

/* Whether n is a function of each element of its first input: any other is one constant element. */
static bool is_map(const ir_node *n) {
    if (!(n->op->flags & OP_MAP) || n->epilogue || !n->inputs[0] || n->n_in > 3 || !same_tensor(n->inputs[0], n->outputs[0]) || !type_is_float(n->outputs[0]->type.type)) return false;
    for (int i = 1; i < n->n_in; i++)
        if (n->inputs[i] && (!n->inputs[i]->constant || n->inputs[i]->type.type != n->outputs[0]->type.type || clstm_tensor_count(&n->inputs[i]->type) != 1)) return false;
    return true;
}

static clstm_status fuse_map(ir_node *n, clstm_error *err) {
    ir_node *p = is_map(n) ? only_producer(n->inputs[0], n) : NULL;
    (void)err;
    if (!p || !(p->op->flags & OP_EPILOGUE) || p->epilogue) return CLSTM_OK;
    p->epilogue = n;
    take_result(p, n);
    n->mark = IR_TAKEN;
    return CLSTM_OK;
}

/* ---- the pass ---------------------------------------------------------------------------------------------------------------------- */

static clstm_status fuse_graph(ir_graph *g, clstm_status (*fuse)(ir_node *n, clstm_error *err), clstm_error *err) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(fuse_graph(n->bodies[b], fuse, err));
        if (n->n_in > 0 && n->n_out == 1 && n->outputs[0]) UTIL_TRY(fuse(n, err));
    }
    ir_graph_sweep(g);
    return CLSTM_OK;
}

clstm_status plan_fuse(ir_graph *root, clstm_error *err) {
    size_t nodes = ir_count_nodes(root);
    ir_count_uses(root);
    UTIL_TRY(fuse_graph(root, fuse_row, err));
    ir_note_gone(root, IR_GONE_ROWS, &nodes);
    UTIL_TRY(fuse_graph(root, fuse_map, err));
    ir_note_gone(root, IR_GONE_FUSED, &nodes);
    return CLSTM_OK;
}
