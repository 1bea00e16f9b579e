/* ops/integer_matmul: MatMulInteger and QLinearMatMul: products of 8-bit matrices in int32.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/families.h"
#include "ops/quantised.h"

#include <string.h>

typedef struct product {
    bool linear;                    /* QLinearMatMul */
    int b_in;                       /* index of B among the inputs */
    int64_t m, k, n;
    clstm_tensor a, b, batch;       /* as matrices; batch: the leading dimensions of the result */
    int64_t step_a[CLSTM_MAX_RANK], step_b[CLSTM_MAX_RANK];
    size_t b_at, row_at;            /* in scratch: B less its zero point, one row of sums */
    const int16_t *constant_b;
} product;

/* A list of one dimension is a row or a column. */
static void as_matrices(const op_ctx *c, int b_in, clstm_tensor *a, clstm_tensor *b) {
    *a = *op_in(c, 0);
    *b = *op_in(c, b_in);
    if (a->rank == 1) { a->dims[1] = a->dims[0]; a->dims[0] = 1; a->rank = 2; }
    if (b->rank == 1) { b->dims[1] = 1; b->rank = 2; }
}

/* Zero point inputs of A and B. */
static const clstm_tensor *zero_a(const op_ctx *c) { return op_has_in(c, 2) ? op_in(c, 2) : NULL; }
static const clstm_tensor *zero_b(const op_ctx *c, bool linear) { return linear ? op_in(c, 5) : op_has_in(c, 3) ? op_in(c, 3) : NULL; }

static clstm_status read_shapes(op_ctx *c, product *p) {
    char sa[200], sb[200];
    memset(p, 0, sizeof *p);
    p->linear = c->node->op_type[0] == 'Q';
    p->b_in = p->linear ? 3 : 1;
    if (op_in(c, 0)->rank < 1 || op_in(c, p->b_in)->rank < 1) return op_bad_model(c, "an operand has no dimensions");
    as_matrices(c, p->b_in, &p->a, &p->b);
    p->m = p->a.dims[p->a.rank - 2];
    p->k = p->a.dims[p->a.rank - 1];
    p->n = p->b.dims[p->b.rank - 1];
    clstm_tensor b = p->b;
    p->batch = p->a;
    p->batch.rank -= 2;
    b.rank -= 2;
    if (p->b.dims[p->b.rank - 2] != p->k || !tensor_broadcast(&p->batch, &b))
        return op_bad_model(c, "shapes %s and %s do not multiply", tensor_shape_text(sa, sizeof sa, op_in(c, 0)), tensor_shape_text(sb, sizeof sb, op_in(c, p->b_in)));
    if (zero_a(c)) UTIL_TRY(op_quantised_check(c, &p->a, zero_a(c), p->a.rank - 2, "zero point of A"));
    if (zero_b(c, p->linear)) UTIL_TRY(op_quantised_check(c, &p->b, zero_b(c, p->linear), p->b.rank - 1, "zero point of B"));
    return CLSTM_OK;
}

static clstm_status infer(op_ctx *c) {
    product p;
    UTIL_TRY(read_shapes(c, &p));
    clstm_tensor y = p.batch;
    if (op_in(c, 0)->rank > 1) y.dims[y.rank++] = p.m;
    if (op_in(c, p.b_in)->rank > 1) y.dims[y.rank++] = p.n;
    if (!p.linear) return op_set_out(c, 0, CLSTM_INT32, y.rank, y.dims);
    clstm_tensor whole = p.batch;       /* with both dimensions of the matrix, for the scales */
    if (whole.rank + 2 > CLSTM_MAX_RANK) return op_unsupported(c, "a result of rank %d", whole.rank + 2);
    whole.dims[whole.rank++] = p.m;
    whole.dims[whole.rank++] = p.n;
    UTIL_TRY(op_quantised_check(c, &whole, op_in(c, 1), whole.rank - 2, "scale of A"));
    UTIL_TRY(op_quantised_check(c, &whole, op_in(c, 4), whole.rank - 1, "scale of B"));
    UTIL_TRY(op_quantised_check(c, &whole, op_in(c, 6), whole.rank - 2, "scale of Y"));
    UTIL_TRY(op_quantised_check(c, &whole, op_in(c, 7), whole.rank - 2, "zero point of Y"));
    return op_set_out(c, 0, op_in(c, 7)->type, y.rank, y.dims);
}

static clstm_status prepare(op_ctx *c) {
    product *p, shapes;
    UTIL_TRY(read_shapes(c, &shapes));
    const clstm_tensor *zero = zero_b(c, shapes.linear);
    size_t head = (sizeof *p + 63) & ~(size_t)63, bytes_a = ((size_t)clstm_tensor_count(&shapes.a) * 2 + 63) & ~(size_t)63;
    size_t bytes_b = ((size_t)clstm_tensor_count(&shapes.b) * 2 + 63) & ~(size_t)63;
    bool constant = c->consts[shapes.b_in] && (!zero || c->consts[shapes.linear ? 5 : 3]);
    p = op_prepared_alloc(c, head + (constant ? bytes_b : 0));
    if (!p) return util_no_memory(c->err);
    *p = shapes;
    clstm_tensor a = p->a, b = p->b;
    a.rank -= 2;
    b.rank -= 2;
    tensor_broadcast_strides(&a, &p->batch, p->step_a);
    tensor_broadcast_strides(&b, &p->batch, p->step_b);
    p->b_at = bytes_a;
    p->row_at = p->b_at + (constant ? 0 : bytes_b);
    c->scratch_bytes = p->row_at + (size_t)p->n * sizeof(int32_t) + 64;
    if (constant) {
        const void *raw, *raw_zero = NULL;
        UTIL_TRY(ir_const_data(c->consts[p->b_in], &raw, c->err));
        if (zero) UTIL_TRY(ir_const_data(c->consts[p->linear ? 5 : 3], &raw_zero, c->err));
        clstm_tensor t = p->b, z;
        t.data = (void *)(uintptr_t)raw;
        if (zero) { z = *zero; z.data = (void *)(uintptr_t)raw_zero; }
        int16_t *to = (int16_t *)(void *)((unsigned char *)p + head);
        op_quantised_subtract(&t, zero ? &z : NULL, t.rank - 1, to);
        p->constant_b = to;
    }
    return CLSTM_OK;
}

/* One row of sums; they wrap, as int32 does everywhere. */
static void multiply_row(const product *p, const int16_t *a, const int16_t *b, int32_t *sum) {
    memset(sum, 0, (size_t)p->n * sizeof *sum);
    for (int64_t k = 0; k < p->k; k++) {
        const int32_t x = a[k];
        const int16_t *w = b + k * p->n;
        OP_IVDEP
        for (int64_t j = 0; j < p->n; j++) sum[j] = (int32_t)((uint32_t)sum[j] + (uint32_t)(x * w[j]));
    }
}

typedef struct part { const clstm_tensor *t; int64_t steps[CLSTM_MAX_RANK]; } part;
static part part_of(const clstm_tensor *whole, const clstm_tensor *t, int axis) {
    part p = {.t = t};
    op_quantised_strides(whole, t, axis, p.steps);
    return p;
}
static int64_t part_at(const part *p, const int64_t *index, int rank) {
    int64_t at = 0;
    for (int d = 0; d < rank; d++) at += index[d] * p->steps[d];
    return at;
}

/* Row i of matrix `index` of the result, from its sums. */
static void quantise_row(op_ctx *c, const product *p, int64_t *index, int64_t i, const int32_t *sum, int64_t at) {
    clstm_tensor whole = p->batch;
    int r = whole.rank + 2;
    whole.dims[whole.rank++] = p->m;
    whole.dims[whole.rank++] = p->n;
    part a = part_of(&whole, op_in(c, 1), r - 2), b = part_of(&whole, op_in(c, 4), r - 1), y = part_of(&whole, op_in(c, 6), r - 2), z = part_of(&whole, op_in(c, 7), r - 2);
    index[r - 2] = i;
    for (int64_t j = 0; j < p->n; j++) {
        index[r - 1] = j;
        float scale = (float)tensor_get_double(a.t, part_at(&a, index, r)) * (float)tensor_get_double(b.t, part_at(&b, index, r)) / (float)tensor_get_double(y.t, part_at(&y, index, r));
        op_quantised_put(op_out(c, 0), at + j, (float)sum[j] * scale, tensor_get_int(z.t, part_at(&z, index, r)));
    }
}

static clstm_status run(op_ctx *c) {
    const product *p = c->prepared;
    int16_t *a = c->scratch, *b = (int16_t *)(void *)((unsigned char *)c->scratch + p->b_at);
    int32_t *row = (int32_t *)(void *)((unsigned char *)c->scratch + p->row_at);
    clstm_tensor ta = p->a, tb = p->b;
    ta.data = op_in(c, 0)->data;
    tb.data = op_in(c, p->b_in)->data;
    op_quantised_subtract(&ta, zero_a(c), ta.rank - 2, a);
    if (!p->constant_b) op_quantised_subtract(&tb, zero_b(c, p->linear), tb.rank - 1, b);
    const int16_t *w = p->constant_b ? p->constant_b : b;
    int64_t index[CLSTM_MAX_RANK + 2] = {0}, ia = 0, ib = 0, matrices = clstm_tensor_count(&p->batch), at = 0;
    for (int64_t i = 0; i < matrices; i++) {
        for (int64_t r = 0; r < p->m; r++, at += p->n) {
            int32_t *sum = p->linear ? row : (int32_t *)op_out(c, 0)->data + at;
            multiply_row(p, a + (ia * p->m + r) * p->k, w + ib * p->k * p->n, sum);
            if (p->linear) quantise_row(c, p, index, r, sum, at);
        }
        for (int d = p->batch.rank - 1; d >= 0; d--) {
            ia += p->step_a[d];
            ib += p->step_b[d];
            if (++index[d] < p->batch.dims[d]) break;
            ia -= p->step_a[d] * p->batch.dims[d];
            ib -= p->step_b[d] * p->batch.dims[d];
            index[d] = 0;
        }
    }
    return CLSTM_OK;
}

static double flops(const op_ctx *c) {
    const clstm_tensor *a = op_in(c, 0);
    return 2.0 * (double)clstm_tensor_count(op_out(c, 0)) * (double)a->dims[a->rank - 1];
}

#define LINEAR(first, last, scales) \
    {.domain = "", .name = "QLinearMatMul", .since = first, .until = last, \
     .inputs = "a:T1 a_scale:S a_zero_point:T1 b:T2 b_scale:S b_zero_point:T2 y_scale:S y_zero_point:T3", .outputs = "y:T3", \
     .types = "T1=int8,uint8 T2=int8,uint8 T3=int8,uint8 S=" scales, .attrs = "", .infer = infer, .prepare = prepare, .run = run, .flops = flops}
const op_desc ops_integer_matmul[] = {
    {.domain = "", .name = "MatMulInteger", .since = 10, .inputs = "A:T1 B:T2 a_zero_point?:T1 b_zero_point?:T2", .outputs = "Y:int32",
     .types = "T1=int8,uint8 T2=int8,uint8", .attrs = "", .infer = infer, .prepare = prepare, .run = run, .flops = flops},
    LINEAR(10, 20, "float"), LINEAR(21, 0, "float,float16,bfloat16"),
    OP_ARRAY_END,
};
