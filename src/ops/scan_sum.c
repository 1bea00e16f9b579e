/* ops/scan_sum: CumSum and CumProd along an axis. Floating point accumulates in double and rounds each output once; integers wrap. */
#include "ops/families.h"
#include "ops/common.h"

typedef struct line { int64_t n, step; bool exclusive, product; } line;

/* One line of n elements `step` apart, from x to y. */
#define LINE(name, T, W, LOAD, STORE) \
    static void name(const line *l, const void *from, void *to, int64_t at) { \
        const T *x = (const T *)from + at; T *y = (T *)to + at; \
        W sum = l->product ? 1 : 0; \
        for (int64_t i = 0; i < l->n; i++, x += l->step, y += l->step) { \
            const T v = *x; const W before = sum; \
            sum = l->product ? (W)(sum * LOAD) : (W)(sum + LOAD); \
            const W r = l->exclusive ? before : sum; \
            *y = STORE; \
        } \
    }
LINE(line_f32, float, double, (double)v, (float)r)
LINE(line_f64, double, double, v, r)
LINE(line_f16, uint16_t, double, (double)tensor_half_to_float(v), tensor_double_to_half(r))
LINE(line_bf16, uint16_t, double, (double)tensor_bfloat_to_float(v), tensor_double_to_bfloat(r))
#define INT_LINE(s, T) LINE(line_##s, T, uint64_t, v, (T)r)
OP_UNSIGNED(INT_LINE)

static clstm_status run(op_ctx *c, bool product) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t a;
    int axis;
    UTIL_TRY(op_input_int(c, 1, &a));
    if (!tensor_axis(a, x->rank, &axis)) return op_bad_input(c, "axis %lld of a tensor of rank %d", (long long)a, x->rank);
    int64_t outer = tensor_span(x, 0, axis), n = x->dims[axis], inner = tensor_span(x, axis + 1, x->rank);
    bool reverse = op_attr_int(c->node, "reverse") != 0;
    line l = {n, reverse ? -inner : inner, op_attr_int(c->node, "exclusive") != 0, product};
    void (*f)(const line *, const void *, void *, int64_t) = NULL;
    switch (x->type) {
    case CLSTM_FLOAT: f = line_f32; break;
    case CLSTM_DOUBLE: f = line_f64; break;
    case CLSTM_FLOAT16: f = line_f16; break;
    case CLSTM_BFLOAT16: f = line_bf16; break;
    default: f = (void (*[])(const line *, const void *, void *, int64_t)){line_u8, line_u16, line_u32, line_u64}[__builtin_ctz((unsigned)clstm_type_size(x->type))];
    }
    for (int64_t o = 0; o < outer && n; o++)
        for (int64_t k = 0; k < inner; k++) f(&l, x->data, op_out(c, 0)->data, (o * n + (reverse ? n - 1 : 0)) * inner + k);
    return CLSTM_OK;
}
static clstm_status run_CumSum(op_ctx *c) { return run(c, false); }
static clstm_status run_CumProd(op_ctx *c) { return run(c, true); }

#define ROW(Op, first) \
    {.domain = "", .name = #Op, .since = first, .inputs = "x:T axis:T2", .outputs = "y:T", .types = "T=num* T2=int32,int64", \
     .attrs = "exclusive:i=0 reverse:i=0", .infer = op_infer_same, .run = run_##Op, .inplace = 1}
const op_desc ops_scan_sum[] = {ROW(CumSum, 11), ROW(CumProd, 26), OP_ARRAY_END};
