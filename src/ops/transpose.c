/* ops/transpose: Transpose, DepthToSpace, SpaceToDepth: dimensions in another order. */
#include "ops/families.h"
#include "ops/move.h"

/* Axis perm[d] of the input becomes axis d. */
static clstm_status permutation(op_ctx *c, int *perm) {
    const clstm_tensor *x = op_in(c, 0);
    size_t count;
    const int64_t *given = op_attr_ints(c->node, "perm", &count);
    uint32_t mask;
    if (count && count != (size_t)x->rank) return op_bad_model(c, "perm has %zu entries for a tensor of rank %d", count, x->rank);
    UTIL_TRY(op_axes_mask(c, given, (int)count, x->rank, &mask));
    for (int d = 0; d < x->rank; d++) perm[d] = op_permuted(c->node, x->rank, d);
    return CLSTM_OK;
}

static clstm_status infer_Transpose(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int perm[CLSTM_MAX_RANK];
    int64_t dims[CLSTM_MAX_RANK];
    UTIL_TRY(permutation(c, perm));
    for (int d = 0; d < x->rank; d++) dims[d] = x->dims[perm[d]];
    return op_set_out(c, 0, x->type, x->rank, dims);
}

static clstm_status layout_Transpose(op_ctx *c, op_move *m) {
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    int perm[CLSTM_MAX_RANK];
    int64_t steps[CLSTM_MAX_RANK], from[CLSTM_MAX_RANK], to[CLSTM_MAX_RANK];
    UTIL_TRY(permutation(c, perm));
    op_dense_steps(x->rank, x->dims, steps);
    op_dense_steps(y->rank, y->dims, to);
    for (int d = 0; d < y->rank; d++) from[d] = steps[perm[d]];
    op_move_layout(m, y->rank, y->dims, from, to, 0, clstm_type_size(x->type));
    return CLSTM_OK;
}

static clstm_status prepare_Transpose(op_ctx *c) {
    op_move *m = op_prepared_alloc(c, sizeof *m);
    return m ? layout_Transpose(c, m) : util_no_memory(c->err);
}

/* Only dimensions of one element change places: nothing moves. */
static bool view_Transpose(op_ctx *c, int out, int *in, size_t *offset) {
    op_move m;
    *in = out;
    *offset = 0;
    return layout_Transpose(c, &m) == CLSTM_OK && m.nd == 0;
}

/* ---- DepthToSpace, SpaceToDepth: [N,C,H,W] seen with six dimensions ------------------------------------------------------------------ */

static clstm_status check_block(ir_node *n, clstm_error *err) {
    if (op_attr_int(n, "blocksize") < 1) return util_fail(err, CLSTM_BAD_MODEL, "blocksize is %lld", (long long)op_attr_int(n, "blocksize"));
    return op_check_word(n, "mode", "DCR CRD", err);
}

static clstm_status infer_DepthToSpace(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t b = op_attr_int(c->node, "blocksize"), bb;
    if (x->rank != 4) return op_bad_model(c, "the input has rank %d, expected 4", x->rank);
    if (!util_mul(b, b, &bb) || x->dims[1] % bb) return op_bad_model(c, "%lld channels are not a multiple of the block", (long long)x->dims[1]);
    int64_t h, w;
    if (!util_mul(x->dims[2], b, &h) || !util_mul(x->dims[3], b, &w)) return op_bad_model(c, "the output is too large");
    return op_set_out(c, 0, x->type, 4, (int64_t[]){x->dims[0], x->dims[1] / bb, h, w});
}
static clstm_status infer_SpaceToDepth(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t b = op_attr_int(c->node, "blocksize"), bb, depth;
    if (x->rank != 4) return op_bad_model(c, "the input has rank %d, expected 4", x->rank);
    if (x->dims[2] % b || x->dims[3] % b) return op_bad_model(c, "height or width is not a multiple of the block");
    if (!util_mul(b, b, &bb) || !util_mul(x->dims[1], bb, &depth)) return op_bad_model(c, "the output is too large");
    return op_set_out(c, 0, x->type, 4, (int64_t[]){x->dims[0], depth, x->dims[2] / b, x->dims[3] / b});
}

/* The depth's parts in the order (block row, block column, rest), or (rest, row, column) for CRD. */
static clstm_status prepare_blocks(op_ctx *c, const clstm_tensor *deep, const clstm_tensor *wide, bool crd, bool to_space) {
    op_move *m = op_prepared_alloc(c, sizeof *m);
    if (!m) return util_no_memory(c->err);
    int64_t b = op_attr_int(c->node, "blocksize"), channels = wide->dims[1], H = deep->dims[2], W = deep->dims[3];
    int64_t area = H * W, row = W * b, block = crd ? b * b * area : area, by = crd ? b * area : b * channels * area, bx = crd ? area : channels * area;
    int64_t count[6] = {deep->dims[0], channels, H, b, W, b};
    int64_t in_deep[6] = {deep->dims[1] * area, block, W, by, 1, bx}, in_wide[6] = {channels * H * b * row, H * b * row, b * row, row, b, 1};
    op_move_layout(m, 6, count, to_space ? in_deep : in_wide, to_space ? in_wide : in_deep, 0, clstm_type_size(deep->type));
    return CLSTM_OK;
}
static clstm_status prepare_DepthToSpace(op_ctx *c) {
    return prepare_blocks(c, op_in(c, 0), op_out(c, 0), op_word(c->node, "mode", "DCR")[0] == 'C', true);
}
static clstm_status prepare_SpaceToDepth(op_ctx *c) { return prepare_blocks(c, op_out(c, 0), op_in(c, 0), false, false); }

#define ROW(Op, first, last, attributes, checked, looks) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "data:T", .outputs = "Y:T", .types = "T=all,complex64,complex128", \
     .attrs = attributes, .check = checked, .infer = infer_##Op, .prepare = prepare_##Op, .run = op_move_one, .view = looks}
const op_desc ops_transpose[] = {
    ROW(Transpose, 1, 0, "perm:I", NULL, view_Transpose),
    ROW(DepthToSpace, 1, 10, "blocksize:i!", check_block, NULL), ROW(DepthToSpace, 11, 0, "blocksize:i! mode:s=DCR", check_block, NULL),
    ROW(SpaceToDepth, 1, 0, "blocksize:i!", check_block, NULL),
    OP_ARRAY_END};
