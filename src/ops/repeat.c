/* ops/repeat: Expand and Tile. */
#include "ops/families.h"
#include "ops/move.h"

static clstm_status infer_Expand(op_ctx *c) {
    clstm_tensor out = *op_in(c, 0), want;
    int64_t dims[CLSTM_MAX_RANK];
    int n;
    char a[160], b[160];
    UTIL_TRY(op_input_ints(c, 1, dims, CLSTM_MAX_RANK, &n));
    tensor_set(&want, out.type, n, dims);
    for (int d = 0; d < n; d++)
        if (dims[d] < 0) return op_bad_model(c, "shape has the entry %lld", (long long)dims[d]);
    if (!tensor_broadcast(&out, &want))
        return op_bad_model(c, "cannot expand %s to %s", tensor_shape_text(a, sizeof a, op_in(c, 0)), tensor_shape_text(b, sizeof b, &want));
    return op_set_out(c, 0, out.type, out.rank, out.dims);
}

static clstm_status layout_Expand(op_ctx *c, op_move *m) {
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    int64_t from[CLSTM_MAX_RANK], to[CLSTM_MAX_RANK];
    tensor_broadcast_strides(x, y, from);
    op_dense_steps(y->rank, y->dims, to);
    op_move_layout(m, y->rank, y->dims, from, to, 0, clstm_type_size(x->type));
    return CLSTM_OK;
}

static clstm_status prepare_Expand(op_ctx *c) {
    op_move *m = op_prepared_alloc(c, sizeof *m);
    return m ? layout_Expand(c, m) : util_no_memory(c->err);
}

static bool view_Expand(op_ctx *c, int out, int *in, size_t *offset) {
    *in = out;
    *offset = 0;
    return clstm_tensor_count(op_in(c, 0)) == clstm_tensor_count(op_out(c, 0));
}

/* Opset 1 repeats one axis; later ones name a count for each. */
static clstm_status read_repeats(op_ctx *c, int64_t *repeats) {
    const clstm_tensor *x = op_in(c, 0);
    int n;
    if (c->node->op->until) {
        int64_t axis, times;
        int d;
        UTIL_TRY(op_input_int(c, 1, &times));
        UTIL_TRY(op_input_int(c, 2, &axis));
        if (!tensor_axis(axis, x->rank, &d)) return op_bad_model(c, "axis %lld of a tensor of rank %d", (long long)axis, x->rank);
        for (int k = 0; k < x->rank; k++) repeats[k] = k == d ? times : 1;
    } else {
        UTIL_TRY(op_input_ints(c, 1, repeats, CLSTM_MAX_RANK, &n));
        if (n != x->rank) return op_bad_model(c, "%d repeats for a tensor of rank %d", n, x->rank);
    }
    for (int d = 0; d < x->rank; d++)
        if (repeats[d] < 0) return op_bad_model(c, "repeats has the entry %lld", (long long)repeats[d]);
    return CLSTM_OK;
}

static clstm_status infer_Tile(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t repeats[CLSTM_MAX_RANK], dims[CLSTM_MAX_RANK];
    UTIL_TRY(read_repeats(c, repeats));
    for (int d = 0; d < x->rank; d++)
        if (!util_mul(x->dims[d], repeats[d], &dims[d])) return op_bad_model(c, "the output is too large");
    return op_set_out(c, 0, x->type, x->rank, dims);
}

/* Each axis is two: the repeats, where the source stands still, and the axis itself. */
static clstm_status prepare_Tile(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    int64_t repeats[CLSTM_MAX_RANK], fx[CLSTM_MAX_RANK], ty[CLSTM_MAX_RANK];
    int64_t count[OP_MOVE_RANK], from[OP_MOVE_RANK], to[OP_MOVE_RANK];
    op_move *m = op_prepared_alloc(c, sizeof *m);
    if (!m) return util_no_memory(c->err);
    UTIL_TRY(read_repeats(c, repeats));
    op_dense_steps(x->rank, x->dims, fx);
    op_dense_steps(y->rank, y->dims, ty);
    for (int d = 0; d < x->rank; d++) {
        count[2 * d] = repeats[d];
        from[2 * d] = 0;
        to[2 * d] = ty[d] * x->dims[d];
        count[2 * d + 1] = x->dims[d];
        from[2 * d + 1] = fx[d];
        to[2 * d + 1] = ty[d];
    }
    op_move_layout(m, 2 * x->rank, count, from, to, 0, clstm_type_size(x->type));
    return CLSTM_OK;
}

#define ANY "T=all,complex64,complex128"
const op_desc ops_repeat[] = {
    {.domain = "", .name = "Expand", .since = 8, .inputs = "input:T shape:int64", .outputs = "output:T", .types = ANY, .attrs = "",
     .infer = infer_Expand, .prepare = prepare_Expand, .run = op_move_one, .view = view_Expand},
    {.domain = "", .name = "Tile", .since = 1, .until = 5, .inputs = "input:T tiles:N axis:N", .outputs = "output:T", .types = ANY " N=num*", .attrs = "",
     .infer = infer_Tile, .prepare = prepare_Tile, .run = op_move_one, .view = view_Expand},
    {.domain = "", .name = "Tile", .since = 6, .inputs = "input:T repeats:int64", .outputs = "output:T", .types = ANY, .attrs = "",
     .infer = infer_Tile, .prepare = prepare_Tile, .run = op_move_one, .view = view_Expand},
    OP_ARRAY_END};
