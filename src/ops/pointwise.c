/* ops/pointwise: broadcasting walks around elementwise loops. */
#include "ops/pointwise.h"

#include "ops/epilogue.h"

#include <string.h>

op_loop *op_pick_loop(const op_loops *l, clstm_type type, clstm_type *narrow) {
    *narrow = CLSTM_TYPE_NONE;
    switch (type) {
    case CLSTM_FLOAT: return l->f32;
    case CLSTM_DOUBLE: return l->f64;
    case CLSTM_FLOAT16: case CLSTM_BFLOAT16: *narrow = type; return l->f32;
    case CLSTM_INT8: case CLSTM_INT16: *narrow = type; return l->i32 ? l->i32 : l->u32;
    case CLSTM_UINT8: case CLSTM_UINT16: *narrow = type; return l->u32;
    case CLSTM_INT32: return l->i32 ? l->i32 : l->u32;
    case CLSTM_INT64: return l->i64 ? l->i64 : l->u64;
    case CLSTM_UINT32: return l->u32;
    case CLSTM_UINT64: return l->u64;
    case CLSTM_BOOL: return l->boolean;
    default: return NULL;
    }
}

/* Before opset 7 the second input was laid against the first: equal shapes, or with broadcast=1 B's dimensions against A's from
 * `axis` on (the last ones by default). Gives B's shape as it reads today. */
static clstm_status legacy_shape(op_ctx *ctx, clstm_tensor *b) {
    const clstm_tensor *a = op_in(ctx, 0);
    char sa[160], sb[160];
    *b = *op_in(ctx, 1);
    if (!op_attr_int(ctx->node, "broadcast")) {
        if (tensor_same_shape(a, b)) return CLSTM_OK;
        return op_bad_model(ctx, "shapes %s and %s differ without broadcast", tensor_shape_text(sa, sizeof sa, a), tensor_shape_text(sb, sizeof sb, b));
    }
    int axis = a->rank - b->rank;
    if (op_attr_given(ctx->node, "axis") && !tensor_axis(op_attr_int(ctx->node, "axis"), a->rank, &axis))
        return op_bad_model(ctx, "axis %lld of a tensor of rank %d", (long long)op_attr_int(ctx->node, "axis"), a->rank);
    if (axis < 0 || axis + b->rank > a->rank) return op_bad_model(ctx, "axis %d does not fit ranks %d and %d", axis, a->rank, b->rank);
    for (int d = axis + b->rank; d < a->rank; d++) b->dims[b->rank++] = 1;
    clstm_tensor out = *a;
    if (!tensor_broadcast(&out, b) || !tensor_same_shape(&out, a)) return op_bad_model(ctx, "the second input does not repeat into the first");
    return CLSTM_OK;
}

static bool is_legacy(const op_ctx *ctx) {
    return ctx->node->op->until && ctx->node->op->until < 7 && ctx->n_in == 2 && strstr(ctx->node->op->attrs, "broadcast:i");
}

clstm_status op_infer_broadcast(op_ctx *ctx, int first, int n, clstm_type type) {
    clstm_tensor out = *op_in(ctx, first), b;
    char sa[160], sb[160];
    if (is_legacy(ctx)) {
        UTIL_TRY(legacy_shape(ctx, &b));
        return op_set_out(ctx, 0, type, out.rank, out.dims);
    }
    for (int i = first + 1; i < first + n; i++)
        if (!tensor_broadcast(&out, op_in(ctx, i)))
            return op_bad_model(ctx, "shapes %s and %s do not broadcast", tensor_shape_text(sa, sizeof sa, &out),
                                tensor_shape_text(sb, sizeof sb, op_in(ctx, i)));
    return op_set_out(ctx, 0, type, out.rank, out.dims);
}

void op_pointwise_layout(op_pointwise *p, int n, const clstm_tensor *const *in, const clstm_tensor *out) {
    int64_t dims[CLSTM_MAX_RANK], stride[3][CLSTM_MAX_RANK], all[3][CLSTM_MAX_RANK];
    int nd = 0;
    for (int i = 0; i < n; i++) {
        tensor_broadcast_strides(in[i], out, all[i]);
        p->size[i] = clstm_type_size(in[i]->type);
    }
    p->n_in = n;
    p->out_size = clstm_type_size(out->type);
    for (int d = 0; d < out->rank; d++) {
        if (out->dims[d] == 1) continue;
        bool join = nd > 0;
        for (int i = 0; i < n; i++) join = join && stride[i][nd - 1] == all[i][d] * out->dims[d];
        if (!join) dims[nd++] = 1;
        dims[nd - 1] *= out->dims[d];
        for (int i = 0; i < n; i++) stride[i][nd - 1] = all[i][d];
    }
    p->inner = nd ? dims[nd - 1] : 1;
    p->still = 0;
    for (int i = 0; i < n && nd; i++)
        if (!stride[i][nd - 1]) p->still |= 1u << i;
    p->nd = nd > 1 ? nd - 1 : 0;
    /* A step of dimension d comes after all the inner ones have gone round, so it takes their way back. */
    for (int i = 0; i < n; i++) {
        int64_t back = 0;
        for (int d = p->nd - 1; d >= 0; d--) {
            p->step[d][i] = (ptrdiff_t)((stride[i][d] - back) * (int64_t)p->size[i]);
            back += stride[i][d] * (dims[d] - 1);
        }
    }
    for (int d = 0; d < p->nd; d++) p->count[d] = dims[d];
    for (int d = 0; d < out->rank; d++)
        if (!out->dims[d]) p->inner = 0, p->nd = 0;
}

op_pointwise *op_pointwise_prepare(op_ctx *ctx, int n, int typed, const op_loops *loops, clstm_status *status) {
    const size_t head = (sizeof(op_pointwise) + 63) & ~(size_t)63;
    op_pointwise *p = op_prepared_alloc(ctx, ctx->node->epilogue ? head + sizeof(op_epilogue) : head);
    const clstm_tensor *in[3] = {NULL, NULL, NULL};
    clstm_tensor b;
    if (!p) { *status = util_no_memory(ctx->err); return NULL; }
    for (int i = 0; i < n; i++) in[i] = op_in(ctx, i);
    if (is_legacy(ctx)) {
        if ((*status = legacy_shape(ctx, &b)) != CLSTM_OK) return NULL;
        in[1] = &b;
    }
    p->loop = op_pick_loop(loops, in[typed]->type, &p->narrow);
    if (!p->loop) {
        *status = op_unsupported(ctx, "no %s loop for type %s", ctx->node->op->name, clstm_type_name(in[typed]->type));
        return NULL;
    }
    p->narrow_out = p->narrow && op_out(ctx, 0)->type == p->narrow;
    p->arg = p->param;
    op_pointwise_layout(p, n, in, op_out(ctx, 0));
    *status = CLSTM_OK;
    if (!ctx->node->epilogue) return p;
    op_epilogue *after = (op_epilogue *)(void *)((unsigned char *)p + head);
    p->after = after;
    *status = op_epilogue_prepare(ctx, after);
    return *status == CLSTM_OK ? p : NULL;
}

void op_pointwise_swap(op_pointwise *p) {
    size_t size = p->size[0];
    p->size[0] = p->size[1];
    p->size[1] = size;
    p->still = (p->still >> 1 & 1) | (p->still & 1) << 1;
    for (int d = 0; d < p->nd; d++) {
        ptrdiff_t step = p->step[d][0];
        p->step[d][0] = p->step[d][1];
        p->step[d][1] = step;
    }
    p->swapped = !p->swapped;
}

/* Narrow types: a chunk at a time through four bytes an element. Results wrap as the narrow type would. */
enum { CHUNK = 128, PIECE = 2048 };
typedef union wide_chunk { float f[CHUNK]; int32_t i[CHUNK]; uint32_t u[CHUNK]; } wide_chunk;

#define WIDEN(CASE, T, FIELD, EXPR) case CASE: { const T *x = from; for (int64_t i = 0; i < n; i++) { w->FIELD[i] = EXPR; } break; }
static void widen(const void *from, wide_chunk *w, int64_t n, clstm_type narrow) {
    switch (narrow) {
    WIDEN(CLSTM_FLOAT16, uint16_t, f, tensor_half_to_float(x[i]))
    WIDEN(CLSTM_BFLOAT16, uint16_t, f, tensor_bfloat_to_float(x[i]))
    WIDEN(CLSTM_INT8, int8_t, i, x[i])
    WIDEN(CLSTM_INT16, int16_t, i, x[i])
    WIDEN(CLSTM_UINT8, uint8_t, u, x[i])
    WIDEN(CLSTM_UINT16, uint16_t, u, x[i])
    default: break;
    }
}

#define NARROW(CASE, T, EXPR) case CASE: { T *y = to; for (int64_t i = 0; i < n; i++) { y[i] = (T)(EXPR); } break; }
static void make_narrow(const wide_chunk *w, void *to, int64_t n, clstm_type narrow) {
    switch (narrow) {
    NARROW(CLSTM_FLOAT16, uint16_t, tensor_float_to_half(w->f[i]))
    NARROW(CLSTM_BFLOAT16, uint16_t, tensor_float_to_bfloat(w->f[i]))
    NARROW(CLSTM_INT8, int8_t, w->i[i])
    NARROW(CLSTM_INT16, int16_t, w->i[i])
    NARROW(CLSTM_UINT8, uint8_t, w->u[i])
    NARROW(CLSTM_UINT16, uint16_t, w->u[i])
    default: break;
    }
}

static void narrow_call(const op_pointwise *p, const void *const *in, unsigned char *y, int64_t count) {
    wide_chunk wide[3], out;
    const void *at[3];
    const size_t size = clstm_type_size(p->narrow);
    for (int64_t i = 0; i < count; i += CHUNK) {
        int64_t n = count - i < CHUNK ? count - i : CHUNK;
        for (int k = 0; k < p->n_in; k++) {
            bool still = p->still >> k & 1;
            at[k] = (const unsigned char *)in[k] + (still ? 0 : (size_t)i * p->size[k]);
            if (p->size[k] != size) continue;       /* an input of another type, taken as it is */
            widen(at[k], &wide[k], still ? 1 : n, p->narrow);
            at[k] = &wide[k];
        }
        p->loop(at, p->narrow_out ? (void *)&out : (void *)(y + (size_t)i * p->out_size), n, p->still, p->arg);
        if (p->narrow_out) make_narrow(&out, y + (size_t)i * size, n, p->narrow);
    }
}

void op_pointwise_straight(const op_pointwise *p, const void *const *in, void *y, int64_t n) {
    if (p->narrow) narrow_call(p, in, y, n);
    else p->loop(in, y, n, p->still, p->arg);
}

/* A row; with an epilogue in pieces that it finds in the cache. */
static void run_row(const op_pointwise *p, const void *const *in, unsigned char *y) {
    if (!p->after) { op_pointwise_straight(p, in, y, p->inner); return; }
    for (int64_t i = 0; i < p->inner; i += PIECE) {
        const int64_t n = p->inner - i < PIECE ? p->inner - i : PIECE;
        const void *at[3];
        for (int k = 0; k < p->n_in; k++) at[k] = (const unsigned char *)in[k] + (p->still >> k & 1 ? 0 : (size_t)i * p->size[k]);
        op_pointwise_straight(p, at, y + (size_t)i * p->out_size, n);
        op_epilogue_apply(p->after, y + (size_t)i * p->out_size, n);
    }
}

void op_pointwise_apply(const op_pointwise *p, const void *const *in, void *out) {
    const void *at[3] = {in[0], p->n_in > 1 ? in[1] : NULL, p->n_in > 2 ? in[2] : NULL};
    unsigned char *y = out;
    int64_t index[CLSTM_MAX_RANK] = {0};
    if (!p->inner) return;
    for (;;) {
        run_row(p, at, y);
        y += (size_t)p->inner * p->out_size;
        int d = p->nd - 1;
        while (d >= 0 && ++index[d] == p->count[d]) index[d--] = 0;
        if (d < 0) return;
        for (int i = 0; i < p->n_in; i++) at[i] = (const unsigned char *)at[i] + p->step[d][i];
    }
}

clstm_status op_pointwise_run(op_ctx *ctx) {
    const op_pointwise *p = ctx->prepared;
    const void *in[3] = {NULL, NULL, NULL};
    for (int i = 0; i < p->n_in; i++) in[i] = op_in(ctx, p->swapped ? 1 - i : i)->data;
    op_pointwise_apply(p, in, op_out(ctx, 0)->data);
    return CLSTM_OK;
}
