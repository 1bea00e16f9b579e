/* ops/matmul: MatMul with batch broadcasting, and Gemm. */
#include "ops/families.h"
#include "ops/move.h"
#include "ops/pointwise.h"
#include "ops/product.h"

#include "util/alloc.h"

#include <string.h>

/* ---- MatMul -------------------------------------------------------------------------------------------------------------------------- */

/* Inputs of one dimension become a row or a column; dims[-2] and dims[-1] are then the matrix. */
static void as_matrices(op_ctx *c, clstm_tensor *a, clstm_tensor *b) {
    *a = *op_in(c, 0);
    *b = *op_in(c, 1);
    if (a->rank == 1) { a->dims[1] = a->dims[0]; a->dims[0] = 1; a->rank = 2; }
    if (b->rank == 1) { b->dims[1] = 1; b->rank = 2; }
}

static clstm_status infer_MatMul(op_ctx *c) {
    clstm_tensor a, b, batch;
    char sa[160], sb[160];
    if (op_in(c, 0)->rank < 1 || op_in(c, 1)->rank < 1) return op_bad_model(c, "an input has no dimensions");
    as_matrices(c, &a, &b);
    int64_t m = a.dims[a.rank - 2], k = a.dims[a.rank - 1], n = b.dims[b.rank - 1];
    bool fits = k == b.dims[b.rank - 2];
    a.rank -= 2;
    b.rank -= 2;
    batch = a;
    if (!fits || !tensor_broadcast(&batch, &b))
        return op_bad_model(c, "shapes %s and %s do not multiply", tensor_shape_text(sa, sizeof sa, op_in(c, 0)), tensor_shape_text(sb, sizeof sb, op_in(c, 1)));
    int64_t dims[CLSTM_MAX_RANK + 2];
    int rank = batch.rank;
    memcpy(dims, batch.dims, sizeof(int64_t) * (size_t)rank);
    if (op_in(c, 0)->rank > 1) dims[rank++] = m;
    if (op_in(c, 1)->rank > 1) dims[rank++] = n;
    return op_set_out(c, 0, a.type, rank, dims);
}

typedef struct matmul { op_product p; op_epilogue after; int nd; int64_t count[CLSTM_MAX_RANK], step_a[CLSTM_MAX_RANK], step_b[CLSTM_MAX_RANK]; bool empty; } matmul;

static clstm_status prepare_MatMul(op_ctx *c) {
    matmul *w = op_prepared_alloc(c, sizeof *w);
    clstm_tensor a, b, batch;
    if (!w) return util_no_memory(c->err);
    as_matrices(c, &a, &b);
    int64_t m = a.dims[a.rank - 2], k = a.dims[a.rank - 1], n = b.dims[b.rank - 1];
    a.rank -= 2;
    b.rank -= 2;
    batch = a;
    tensor_broadcast(&batch, &b);
    w->empty = clstm_tensor_count(op_out(c, 0)) == 0;
    if (clstm_tensor_count(&b) == 1) {      /* one B for all: the batch is more rows */
        m *= clstm_tensor_count(&a);
    } else {
        w->nd = batch.rank;
        memcpy(w->count, batch.dims, sizeof w->count);
        tensor_broadcast_strides(&a, &batch, w->step_a);
        tensor_broadcast_strides(&b, &batch, w->step_b);
    }
    UTIL_TRY(op_product_prepare(&w->p, a.type, m, k, n, false, w->empty ? NULL : c->consts[1], c->err));
    c->scratch_bytes = w->p.scratch_bytes;
    w->p.after = c->node->epilogue ? &w->after : NULL;
    return op_epilogue_prepare(c, &w->after);
}

/* In a plan a third input is the row that each sum starts from (plan/fuse.c). */
static clstm_status run_MatMul(op_ctx *c) {
    const matmul *w = c->prepared;
    const op_product *p = &w->p;
    size_t size = clstm_type_size(p->type), size_a = (size_t)(p->m * p->k) * size, size_b = (size_t)(p->k * p->n) * size;
    int64_t index[CLSTM_MAX_RANK] = {0}, ia = 0, ib = 0, loaded = -1;
    unsigned char *y = op_out(c, 0)->data;
    const void *row = op_has_in(c, 2) ? op_in(c, 2)->data : NULL;
    if (w->empty) return CLSTM_OK;
    for (;;) {
        const void *b = op_in(c, 1)->data ? (const unsigned char *)op_in(c, 1)->data + (size_t)ib * size_b : NULL;
        if (ib != loaded) op_product_load_b(p, b, c->scratch);
        loaded = ib;
        op_product_run(p, (const unsigned char *)op_in(c, 0)->data + (size_t)ia * size_a, b, ib, y, row ? KERNEL_INIT_ROW : KERNEL_INIT_ZERO, row, c->scratch, c->env->pool);
        y += (size_t)(p->m * p->n) * size;
        int d = w->nd - 1;
        while (d >= 0 && ++index[d] == w->count[d]) {
            ia -= w->step_a[d] * (w->count[d] - 1);
            ib -= w->step_b[d] * (w->count[d] - 1);
            index[d--] = 0;
        }
        if (d < 0) return CLSTM_OK;
        ia += w->step_a[d];
        ib += w->step_b[d];
    }
}

static clstm_status prepack_MatMul(ir_node *n, uint32_t *claimed, clstm_error *err) {
    bool done = false;
    if (n->inputs[1] && n->inputs[1]->constant) UTIL_TRY(op_product_prepack(n->inputs[1]->constant, false, &done, err));
    if (done) *claimed |= 2;
    return CLSTM_OK;
}

static double flops_MatMul(const op_ctx *c) {
    const clstm_tensor *a = op_in(c, 0);
    return 2.0 * (double)clstm_tensor_count(op_out(c, 0)) * (double)a->dims[a->rank - 1];
}

/* ---- Gemm: Y = alpha * A' * B' + beta * C --------------------------------------------------------------------------------------------- */

typedef struct gemm {
    op_product p;
    op_move transpose;              /* of A, into scratch at a_at */
    bool trans_a, row_bias;         /* C is a row that the product may start from */
    size_t a_at;
    double alpha, beta;
    op_pointwise bias;              /* repeats C into Y, or joins it after a scaled product */
    op_epilogue after;
} gemm;

static clstm_status gemm_sizes(op_ctx *c, int64_t *m, int64_t *k, int64_t *n) {
    const clstm_tensor *a = op_in(c, 0), *b = op_in(c, 1);
    bool ta = op_attr_int(c->node, "transA") != 0, tb = op_attr_int(c->node, "transB") != 0;
    char sa[160], sb[160];
    if (a->rank != 2 || b->rank != 2) return op_bad_model(c, "A and B have ranks %d and %d, expected 2", a->rank, b->rank);
    *m = a->dims[ta];
    *k = a->dims[!ta];
    *n = b->dims[!tb];
    if (*k == b->dims[tb]) return CLSTM_OK;
    return op_bad_model(c, "shapes %s and %s do not multiply", tensor_shape_text(sa, sizeof sa, a), tensor_shape_text(sb, sizeof sb, b));
}

static clstm_status infer_Gemm(op_ctx *c) {
    int64_t m, k, n;
    UTIL_TRY(gemm_sizes(c, &m, &k, &n));
    clstm_tensor out = {.rank = 2, .dims = {m, n}}, y = out;
    char text[160];
    if (op_has_in(c, 2)) {
        bool may = c->node->op->since >= 7 || op_attr_int(c->node, "broadcast");
        if (!tensor_broadcast(&out, op_in(c, 2)) || !tensor_same_shape(&out, &y) || (!may && !tensor_same_shape(op_in(c, 2), &y)))
            return op_bad_model(c, "C of shape %s does not repeat into [%lld,%lld]%s", tensor_shape_text(text, sizeof text, op_in(c, 2)), (long long)m,
                                (long long)n, may ? "" : " without broadcast");
    }
    return op_set_out(c, 0, op_in(c, 0)->type, 2, (int64_t[]){m, n});
}

/* y = beta * c, and y = alpha * y + beta * c; arg is {alpha, beta}. */
#define GEMM_LOOPS(s, T, V) \
    static void scale_##s(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const T *c = in[0]; T *y = out; const V beta = (V)((const double *)arg)[1]; const int64_t step = !(still & 1); \
        for (int64_t i = 0; i < n; i++) y[i] = (T)(beta * (V)c[i * step]); \
    } \
    static void join_##s(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const T *c = in[0], *x = in[1]; T *y = out; const int64_t step = !(still & 1); \
        const V alpha = (V)((const double *)arg)[0], beta = (V)((const double *)arg)[1]; \
        for (int64_t i = 0; i < n; i++) y[i] = (T)(alpha * (V)x[i] + beta * (V)c[i * step]); \
    }
GEMM_LOOPS(f32, float, float)
GEMM_LOOPS(f64, double, double)
GEMM_LOOPS(i32, int32_t, double)
GEMM_LOOPS(i64, int64_t, double)
GEMM_LOOPS(u32, uint32_t, double)
GEMM_LOOPS(u64, uint64_t, double)
static const op_loops loops_scale = {.f32 = scale_f32, .f64 = scale_f64, .i32 = scale_i32, .i64 = scale_i64, .u32 = scale_u32, .u64 = scale_u64};
static const op_loops loops_join = {.f32 = join_f32, .f64 = join_f64, .i32 = join_i32, .i64 = join_i64, .u32 = join_u32, .u64 = join_u64};

static void prepare_bias(op_ctx *c, gemm *g) {
    const clstm_tensor *y = op_out(c, 0), *bias = op_has_in(c, 2) && g->beta != 0 ? op_in(c, 2) : NULL;
    g->row_bias = bias && g->alpha == 1 && g->beta == 1 && y->dims[1] == clstm_tensor_count(bias) && (bias->rank < 2 || bias->dims[0] == 1);
    if (g->row_bias || (!bias && g->alpha == 1)) return;
    bool after = g->alpha != 1;
    g->bias.loop = op_pick_loop(after ? &loops_join : &loops_scale, y->type, &g->bias.narrow);
    g->bias.narrow_out = g->bias.narrow != CLSTM_TYPE_NONE;
    g->bias.param[0] = g->alpha;
    g->bias.param[1] = bias ? g->beta : 0;
    g->bias.arg = g->bias.param;
    op_pointwise_layout(&g->bias, after ? 2 : 1, (const clstm_tensor *const[]){bias ? bias : y, y}, y);
}

static clstm_status prepare_Gemm(op_ctx *c) {
    gemm *g = op_prepared_alloc(c, sizeof *g);
    const clstm_tensor *a = op_in(c, 0);
    int64_t m, k, n;
    if (!g) return util_no_memory(c->err);
    UTIL_TRY(gemm_sizes(c, &m, &k, &n));
    g->alpha = (double)op_attr_float(c->node, "alpha");
    g->beta = (double)op_attr_float(c->node, "beta");
    g->trans_a = op_attr_int(c->node, "transA") != 0;
    prepare_bias(c, g);
    bool empty = m == 0 || n == 0 || k == 0;
    UTIL_TRY(op_product_prepare(&g->p, a->type, m, k, n, op_attr_int(c->node, "transB") != 0, empty ? NULL : c->consts[1], c->err));
    c->scratch_bytes = g->p.scratch_bytes;
    UTIL_TRY(op_epilogue_prepare(c, &g->after));
    if (g->after.on && g->alpha == 1) g->p.after = &g->after;
    if (!g->trans_a) return CLSTM_OK;
    g->a_at = c->scratch_bytes;
    op_move_layout(&g->transpose, 2, (int64_t[]){m, k}, (int64_t[]){1, m}, (int64_t[]){k, 1}, 0, clstm_type_size(a->type));
    c->scratch_bytes += (size_t)(m * k) * clstm_type_size(a->type);
    return CLSTM_OK;
}

static clstm_status run_Gemm(op_ctx *c) {
    const gemm *g = c->prepared;
    const void *a = op_in(c, 0)->data, *b = op_in(c, 1)->data, *bias = op_has_in(c, 2) ? op_in(c, 2)->data : NULL;
    void *y = op_out(c, 0)->data;
    bool before = g->bias.loop && g->alpha == 1;
    if (g->trans_a && c->scratch) {         /* without elements there is nothing to turn */
        void *turned = (unsigned char *)c->scratch + g->a_at;
        op_move_run(&g->transpose, a, turned);
        a = turned;
    }
    op_product_load_b(&g->p, b, c->scratch);
    if (before) op_pointwise_apply(&g->bias, (const void *const[]){bias}, y);
    op_product_run(&g->p, a, b, 0, y, before ? KERNEL_INIT_C : g->row_bias ? KERNEL_INIT_ROW : KERNEL_INIT_ZERO, bias, c->scratch, c->env->pool);
    if (g->bias.loop && !before) op_pointwise_apply(&g->bias, (const void *const[]){bias && g->beta != 0 ? bias : y, y}, y);
    if (!g->p.after) op_epilogue_apply(&g->after, y, clstm_tensor_count(op_out(c, 0)));
    return CLSTM_OK;
}

static clstm_status prepack_Gemm(ir_node *n, uint32_t *claimed, clstm_error *err) {
    bool done = false;
    if (n->inputs[1] && n->inputs[1]->constant && n->inputs[1]->constant->tensor.rank == 2)
        UTIL_TRY(op_product_prepack(n->inputs[1]->constant, op_attr_int(n, "transB") != 0, &done, err));
    if (done) *claimed |= 2;
    return CLSTM_OK;
}

static double flops_Gemm(const op_ctx *c) {
    return 2.0 * (double)clstm_tensor_count(op_out(c, 0)) * (double)op_in(c, 0)->dims[op_attr_int(c->node, "transA") ? 0 : 1];
}

#define TYPES "T=float*,int32,int64,uint32,uint64"
#define GEMM(first, last, in, attributes) \
    {.domain = "", .name = "Gemm", .since = first, .until = last, .inputs = in, .outputs = "Y:T", .types = TYPES, .attrs = attributes, \
     .infer = infer_Gemm, .prepack = prepack_Gemm, .prepare = prepare_Gemm, .run = run_Gemm, .flags = OP_EPILOGUE, \
     .flops = flops_Gemm}
const op_desc ops_matmul[] = {
    {.domain = "", .name = "MatMul", .since = 1, .inputs = "A:T B:T", .outputs = "Y:T", .types = TYPES, .attrs = "", .infer = infer_MatMul,
     .prepack = prepack_MatMul, .prepare = prepare_MatMul, .run = run_MatMul, .flags = OP_EPILOGUE, .flops = flops_MatMul},
    GEMM(1, 6, "A:T B:T C:T", "alpha:f=1 beta:f=1 broadcast:i=0 transA:i=0 transB:i=0"), GEMM(7, 10, "A:T B:T C:T", "alpha:f=1 beta:f=1 transA:i=0 transB:i=0"),
    GEMM(11, 0, "A:T B:T C?:T", "alpha:f=1 beta:f=1 transA:i=0 transB:i=0"),
    OP_ARRAY_END};
