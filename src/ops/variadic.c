/* ops/variadic: Max, Min, Sum, Mean of any number of inputs with broadcasting. The output starts as the first input (repeated into
 * its shape) and takes the others one after another. */
#include "ops/families.h"
#include "ops/loops2.h"

/* NaN in any input gives NaN. */
#define ORDER_LOOPS(s, T) \
    OP_LOOP2(Max_##s, T, T, a < b ? b : a) \
    OP_LOOP2(Min_##s, T, T, b < a ? b : a)
#define REAL_LOOPS(s, T) \
    OP_LOOP2(Max_##s, T, T, a < b || b != b ? b : a) \
    OP_LOOP2(Min_##s, T, T, b < a || b != b ? b : a) \
    OP_LOOP2(Sum_##s, T, T, a + b) \
    OP_LOOP2(First_##s, T, T, ((void)b, a)) \
    static void Scale_##s(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const T *x = in[0], k = (T)*(const double *)arg; T *y = out; \
        (void)still; \
        OP_IVDEP for (int64_t i = 0; i < n; i++) y[i] = x[i] / k; \
    }
#define WRAP_LOOPS(s, T) \
    OP_LOOP2(Sum_##s, T, T, (uint64_t)a + (uint64_t)b) \
    OP_LOOP2(First_##s, T, T, ((void)b, a))
OP_LOOP_SIGNED(ORDER_LOOPS)
OP_LOOP_UNSIGNED(ORDER_LOOPS)
OP_LOOP_UNSIGNED(WRAP_LOOPS)
OP_REALS(REAL_LOOPS)

#define REAL_SET(Op) .f32 = Op##_f32, .f64 = Op##_f64
#define SIGNED_SET(Op) .i32 = Op##_i32, .i64 = Op##_i64
#define UNSIGNED_SET(Op) .u32 = Op##_u32, .u64 = Op##_u64
static const op_loops loops_Max = {REAL_SET(Max), SIGNED_SET(Max), UNSIGNED_SET(Max)};
static const op_loops loops_Min = {REAL_SET(Min), SIGNED_SET(Min), UNSIGNED_SET(Min)};
static const op_loops loops_Sum = {REAL_SET(Sum), UNSIGNED_SET(Sum)};
static const op_loops loops_Scale = {REAL_SET(Scale)};
static const op_loops loops_First = {REAL_SET(First), UNSIGNED_SET(First)};

/* steps[0] joins inputs 0 and 1 (or repeats a lone input), steps[i] the result with input i+1. Half results are rounded between. */
typedef struct variadic { int n; op_pointwise scale; op_pointwise steps[]; } variadic;

static clstm_status infer(op_ctx *c) { return op_infer_broadcast(c, 0, c->n_in, op_in(c, 0)->type); }

static clstm_status prepare(op_ctx *c, const op_loops *loops, bool mean) {
    const clstm_tensor *out = op_out(c, 0), *first = op_in(c, 0);
    int n = c->n_in;
    variadic *v = op_prepared_alloc(c, sizeof *v + (size_t)n * sizeof *v->steps);
    if (!v) return util_no_memory(c->err);
    v->n = n;
    /* Input 0 alone decides whether the first two inputs can be joined straight into the output: their joint shape must be the output's. */
    for (int i = 0; i < n; i++) {
        op_pointwise *p = &v->steps[i];
        p->loop = op_pick_loop(i ? loops : &loops_First, first->type, &p->narrow);
        p->narrow_out = p->narrow != CLSTM_TYPE_NONE;
        op_pointwise_layout(p, 2, (const clstm_tensor *const[]){i ? out : first, i ? op_in(c, i) : first}, out);
    }
    v->scale.loop = mean ? op_pick_loop(&loops_Scale, first->type, &v->scale.narrow) : NULL;
    v->scale.narrow_out = v->scale.narrow != CLSTM_TYPE_NONE;
    v->scale.param[0] = n;
    v->scale.arg = v->scale.param;
    op_pointwise_layout(&v->scale, 1, &out, out);
    if (n == 2 && tensor_same_shape(first, out)) {
        op_pointwise_layout(&v->steps[1], 2, (const clstm_tensor *const[]){first, op_in(c, 1)}, out);
        v->steps[0].loop = NULL;
    }
    return CLSTM_OK;
}
static clstm_status prepare_Max(op_ctx *c) { return prepare(c, &loops_Max, false); }
static clstm_status prepare_Min(op_ctx *c) { return prepare(c, &loops_Min, false); }
static clstm_status prepare_Sum(op_ctx *c) { return prepare(c, &loops_Sum, false); }
static clstm_status prepare_Mean(op_ctx *c) { return prepare(c, &loops_Sum, true); }

static clstm_status run(op_ctx *c) {
    const variadic *v = c->prepared;
    void *y = op_out(c, 0)->data;
    const void *from = op_in(c, 0)->data;
    for (int i = 0; i < v->n; i++) {
        if (!v->steps[i].loop) continue;
        op_pointwise_apply(&v->steps[i], (const void *const[]){from, i ? op_in(c, i)->data : from}, y);
        from = y;
    }
    if (v->scale.loop) op_pointwise_apply(&v->scale, (const void *const[]){y}, y);
    return CLSTM_OK;
}

#define ROW(Op, first, last, type_set, attributes) \
    {.domain = "", .name = #Op, .since = first, .until = last, .inputs = "data_0+:T", .outputs = #Op ":T", .types = type_set, .attrs = attributes, \
     .infer = infer, .prepare = prepare_##Op, .run = run}
#define ROWS(Op, type_set) ROW(Op, 1, 5, type_set, OP_HINT), ROW(Op, 6, 0, type_set, "")

const op_desc ops_variadic[] = {ROWS(Max, "T=num*"), ROWS(Min, "T=num*"), ROWS(Sum, "T=num*"), ROWS(Mean, "T=float*"), OP_ARRAY_END};
