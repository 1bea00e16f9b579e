/* plan/sequence_item: an element of a sequence that was only split to be picked from again (torch.chunk under TorchScript) is a slice.
 * Specialisation does it on its way, because the shapes behind it are known only then. */
#include "plan/plan_internal.h"
#include "plan/view.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <string.h>

/* Where part `k` (from the end when negative) of `length` elements begins and how long it is; false when there is none or it is not known. */
static bool find_part(const ir_value *sizes, int64_t length, int64_t k, int64_t *from, int64_t *wide) {
    int64_t v[64], sum = 0;
    int count = 0;
    if (sizes && !plan_constant_ints(sizes, v, 1, 64, &count)) return false;
    if (!sizes || sizes->type.rank == 0) {
        int64_t each = sizes ? v[0] : 1;
        if (each < 1) return false;
        if (k < 0) k += (length + each - 1) / each;
        if (k < 0 || k > (length - 1) / each) return false;
        *from = k * each;
        *wide = length - *from < each ? length - *from : each;
        return true;
    }
    if (k < 0) k += count;
    for (int i = 0; i < count; i++) {
        if (v[i] < 0 || v[i] > length - sum) return false;
        if (i == k) { *from = sum; *wide = v[i]; }
        sum += v[i];
    }
    return k >= 0 && k < count && sum == length;
}

static ir_value *ints(ir_graph *g, int rank, int64_t value, clstm_error *err) {
    return ir_constant_ints(g, rank, 1, &value, err);
}

clstm_status plan_sequence_item(ir_node *n, bool *changed, clstm_error *err) {
    const ir_node *split = ir_is(n, "SequenceAt") ? n->inputs[0]->producer : NULL;
    int64_t k, from = 0, wide = 0;
    int axis, count;
    if (!ir_is(split, "SplitToSequence") || split->mark == IR_DEAD || split->graph != n->graph || !plan_constant_ints(n->inputs[1], &k, 1, 1, &count)) return CLSTM_OK;
    ir_value *x = split->inputs[0], *sizes = split->n_in > 1 ? split->inputs[1] : NULL;
    if (!x || x->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&x->type) || !tensor_axis(op_attr_int(split, "axis"), x->type.rank, &axis) ||
        !find_part(sizes, x->type.dims[axis], k, &from, &wide)) return CLSTM_OK;
    bool whole = sizes || op_attr_int(split, "keepdims");      /* else the axis goes as well */
    const char *type = whole ? "Slice" : "Gather";
    const op_desc *row = ops_find("", type, n->version, NULL);
    ir_value *picks[5] = {x, ints(n->graph, whole ? 1 : 0, from, err), whole ? ints(n->graph, 1, from + wide, err) : x, whole ? ints(n->graph, 1, axis, err) : x,
                          whole ? ints(n->graph, 1, 1, err) : x};
    int n_in = whole ? 5 : 2;
    ir_value **inputs = util_arena_alloc(n->graph->arena, 5, sizeof *inputs);
    char *name = util_arena_strdup(n->graph->arena, type);
    ir_attr *a = whole ? NULL : ir_attr_add(n, "axis", IR_ATTR_INT);
    if (!row || !inputs || !name || (!whole && !a)) return util_no_memory(err);
    for (int i = 0; i < n_in; i++)
        if (!(inputs[i] = picks[i])) return util_no_memory(err);
    if (a) a->v.i = axis;
    n->op_type = name;
    n->op = row;
    n->inputs = inputs;
    n->n_in = n_in;
    *changed = true;
    return op_check_node(n, err);
}
