/* ops/gather: Gather, GatherElements, GatherND: elements picked by index. Indices may be negative; outside is an error of the data. */
#include "ops/families.h"
#include "ops/common.h"

#include <string.h>

static clstm_status outside(op_ctx *c, int64_t index, int64_t n) {
    return op_bad_input(c, "index %lld is outside [%lld, %lld]", (long long)index, (long long)-n, (long long)n - 1);
}

static inline void copy_block(unsigned char *to, const unsigned char *from, size_t bytes) {
    switch (bytes) {
    case 4: memcpy(to, from, 4); break;
    case 8: memcpy(to, from, 8); break;
    default: memcpy(to, from, bytes);
    }
}

/* ---- Gather: whole slices along an axis --------------------------------------------------------------------------------------------- */

static clstm_status infer_Gather(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    int64_t dims[2 * CLSTM_MAX_RANK];
    int axis, rank = 0;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    for (int d = 0; d < axis; d++) dims[rank++] = x->dims[d];
    for (int d = 0; d < index->rank; d++) dims[rank++] = index->dims[d];
    for (int d = axis + 1; d < x->rank; d++) dims[rank++] = x->dims[d];
    return op_set_out(c, 0, x->type, rank, dims);
}

typedef struct gather { int64_t outer, count, length; size_t block; } gather;

static void plan_gather(op_ctx *c, gather *g) {
    const clstm_tensor *x = op_in(c, 0);
    int axis = 0;
    op_axis(c, x->rank, &axis);
    g->outer = tensor_span(x, 0, axis);
    g->count = clstm_tensor_count(op_in(c, 1));
    g->length = x->dims[axis];
    g->block = (size_t)tensor_span(x, axis + 1, x->rank) * clstm_type_size(x->type);
}

static clstm_status prepare_Gather(op_ctx *c) {
    gather *g = op_prepared_alloc(c, sizeof *g);
    if (!g) return util_no_memory(c->err);
    plan_gather(c, g);
    return CLSTM_OK;
}

static clstm_status run_Gather(op_ctx *c) {
    const gather *g = c->prepared;
    const clstm_tensor *index = op_in(c, 1);
    const unsigned char *x = op_in(c, 0)->data;
    unsigned char *y = op_out(c, 0)->data;
    for (int64_t o = 0; o < g->outer; o++, x += (size_t)g->length * g->block)
        for (int64_t k = 0; k < g->count; k++, y += g->block) {
            int64_t i = op_index(index, k), at = i < 0 ? i + g->length : i;
            if (at < 0 || at >= g->length) return outside(c, i, g->length);
            copy_block(y, x + (size_t)at * g->block, g->block);
        }
    return CLSTM_OK;
}

/* One constant index into an only row lies in the input as it is. */
static bool view_Gather(op_ctx *c, int out, int *in, size_t *offset) {
    gather g;
    plan_gather(c, &g);
    if (!c->consts[1] || !op_in(c, 1)->data || g.count != 1 || g.outer != 1) return false;
    int64_t i = op_index(op_in(c, 1), 0);
    if (i < 0) i += g.length;
    if (i < 0 || i >= g.length) return false;
    *in = out;
    *offset = (size_t)i * g.block;
    return true;
}

/* ---- GatherElements: y[i][j][k] = x[i][index[i][j][k]][k] ------------------------------------------------------------------------------- */

static clstm_status infer_GatherElements(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    int axis;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    if (index->rank != x->rank) return op_bad_model(c, "indices have rank %d, the data %d", index->rank, x->rank);
    for (int d = 0; d < x->rank; d++)
        if (d != axis && index->dims[d] > x->dims[d])
            return op_bad_model(c, "indices have %lld entries along axis %d, the data %lld", (long long)index->dims[d], d, (long long)x->dims[d]);
    return op_set_out(c, 0, x->type, x->rank, index->dims);
}

static clstm_status run_GatherElements(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    size_t size = clstm_type_size(x->type);
    int64_t step[CLSTM_MAX_RANK], at[CLSTM_MAX_RANK] = {0}, base = 0, total = clstm_tensor_count(index), s = 1;
    int axis;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    for (int d = x->rank - 1; d >= 0; d--) { step[d] = s; s *= x->dims[d]; }
    const int64_t along = step[axis], length = x->dims[axis];
    step[axis] = 0;     /* the index says where along the axis */
    unsigned char *y = op_out(c, 0)->data;
    for (int64_t k = 0; k < total; k++, y += size) {
        int64_t i = op_index(index, k), to = i < 0 ? i + length : i;
        if (to < 0 || to >= length) return outside(c, i, length);
        copy_block(y, (const unsigned char *)x->data + (size_t)(base + to * along) * size, size);
        int d = x->rank - 1;
        base += step[d];
        while (++at[d] == index->dims[d]) {
            base -= step[d] * at[d];
            at[d--] = 0;
            if (d < 0) return CLSTM_OK;
            base += step[d];
        }
    }
    return CLSTM_OK;
}

/* ---- GatherND --------------------------------------------------------------------------------------------------------------------------- */

static int64_t batch_dims(const ir_node *n) { return n->op->since >= 12 ? op_attr_int(n, "batch_dims") : 0; }

static clstm_status infer_GatherND(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    int64_t b = batch_dims(c->node), dims[2 * CLSTM_MAX_RANK];
    int rank = 0;
    if (x->rank < 1 || index->rank < 1) return op_bad_model(c, "data and indices must have at least one dimension");
    if (b < 0 || b >= index->rank || b >= x->rank) return op_bad_model(c, "batch_dims is %lld", (long long)b);
    int64_t depth = index->dims[index->rank - 1];
    if (depth < 1 || depth > x->rank - b) return op_bad_model(c, "index tuples of %lld entries for a tensor of rank %d", (long long)depth, x->rank);
    for (int d = 0; d < b; d++)
        if (x->dims[d] != index->dims[d]) return op_bad_model(c, "data and indices differ in batch dimension %d", d);
    for (int d = 0; d < index->rank - 1; d++) dims[rank++] = index->dims[d];
    for (int d = (int)(b + depth); d < x->rank; d++) dims[rank++] = x->dims[d];
    return op_set_out(c, 0, x->type, rank, dims);
}

static clstm_status run_GatherND(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    int b = (int)batch_dims(c->node), depth = (int)index->dims[index->rank - 1];
    size_t size = clstm_type_size(x->type), block = (size_t)tensor_span(x, b + depth, x->rank) * size;
    int64_t batches = tensor_span(x, 0, b), tuples = tensor_span(index, b, index->rank - 1), k = 0;
    size_t batch_bytes = (size_t)tensor_span(x, b, x->rank) * size;
    unsigned char *y = op_out(c, 0)->data;
    for (int64_t i = 0; i < batches; i++)
        for (int64_t t = 0; t < tuples; t++, y += block) {
            int64_t at = 0;
            for (int d = 0; d < depth; d++, k++) {
                int64_t v = op_index(index, k), n = x->dims[b + d], to = v < 0 ? v + n : v;
                if (to < 0 || to >= n) return outside(c, v, n);
                at = at * n + to;
            }
            copy_block(y, (const unsigned char *)x->data + (size_t)i * batch_bytes + (size_t)at * block, block);
        }
    return CLSTM_OK;
}

#define ANY "T=all,complex64,complex128 Tind=int32,int64"
const op_desc ops_gather[] = {
    {.domain = "", .name = "Gather", .since = 1, .inputs = "data:T indices:Tind", .outputs = "output:T", .types = ANY, .attrs = "axis:i=0",
     .infer = infer_Gather, .prepare = prepare_Gather, .run = run_Gather, .view = view_Gather},
    {.domain = "", .name = "GatherElements", .since = 11, .inputs = "data:T indices:Tind", .outputs = "output:T", .types = ANY, .attrs = "axis:i=0",
     .infer = infer_GatherElements, .run = run_GatherElements},
    {.domain = "", .name = "GatherND", .since = 11, .until = 11, .inputs = "data:T indices:int64", .outputs = "output:T", .types = ANY, .attrs = "",
     .infer = infer_GatherND, .run = run_GatherND},
    {.domain = "", .name = "GatherND", .since = 12, .inputs = "data:T indices:int64", .outputs = "output:T", .types = ANY, .attrs = "batch_dims:i=0",
     .infer = infer_GatherND, .run = run_GatherND},
    OP_ARRAY_END};
