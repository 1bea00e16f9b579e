/* ir/op: what operators share: prepared memory, outputs, values that own their memory. */
#include "ir/op.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

static size_t most_memory(const op_ctx *ctx) { return ctx->env ? (size_t)ctx->env->limits->value[CLSTM_LIMIT_ARENA_BYTES] : SIZE_MAX; }

void *op_prepared_alloc(op_ctx *ctx, size_t bytes) {
    ctx->prepared_bytes = bytes;
    ctx->prepared = bytes > most_memory(ctx) ? NULL : util_aligned_alloc(bytes);     /* op_prepare says which of the two it was */
    if (ctx->prepared) memset(ctx->prepared, 0, bytes);
    return ctx->prepared;
}

clstm_status op_prepare(op_ctx *ctx) {
    size_t most = most_memory(ctx);
    ctx->prepared_bytes = ctx->scratch_bytes = 0;
    clstm_status s = ctx->node->op->prepare ? ctx->node->op->prepare(ctx) : CLSTM_OK;
    if (ctx->prepared_bytes > most || ctx->scratch_bytes > most)
        s = util_fail(ctx->err, CLSTM_LIMIT, "works with %zu bytes of its own (limit arena-bytes, %zu)", ctx->prepared_bytes > most ? ctx->prepared_bytes : ctx->scratch_bytes, most);
    return s;
}

static clstm_status check_size(op_ctx *ctx, const clstm_tensor *t) {
    char shape[200];
    size_t bytes;
    int64_t n = tensor_extent(t), most = ctx->env ? ctx->env->limits->value[CLSTM_LIMIT_ELEMENTS] : 0;
    if (n < 0 || (n <= most && !tensor_bytes(t, &bytes)))
        return op_unsupported(ctx, "an output of shape %s and type %s is too large", tensor_shape_text(shape, sizeof shape, t), clstm_type_name(t->type));
    if (n > most)
        return util_fail(ctx->err, CLSTM_LIMIT, "an output of shape %s has more than %lld elements (limit elements)",
                         tensor_shape_text(shape, sizeof shape, t), (long long)most);
    return CLSTM_OK;
}

clstm_status op_set_out(op_ctx *ctx, int i, clstm_type type, int rank, const int64_t *dims) {
    if (!op_has_out(ctx, i)) return CLSTM_OK;
    if (rank > CLSTM_MAX_RANK) return op_unsupported(ctx, "an output of rank %d (at most %d)", rank, CLSTM_MAX_RANK);
    ctx->out[i]->kind = CLSTM_KIND_TENSOR;
    clstm_tensor t;
    tensor_set(&t, type, rank, dims);
    UTIL_TRY(check_size(ctx, &t));
    t.data = op_out(ctx, i)->data;
    *op_out(ctx, i) = t;
    return CLSTM_OK;
}

clstm_status op_need_data(op_ctx *ctx, int i) {
    return !op_has_in(ctx, i) || op_in(ctx, i)->data || clstm_tensor_count(op_in(ctx, i)) == 0 ? CLSTM_OK : OP_DEFER;
}

clstm_status op_output_tensor(op_ctx *ctx, int i, clstm_type type, int rank, const int64_t *dims) {
    if (!op_has_out(ctx, i)) return CLSTM_OK;
    size_t bytes;
    op_value_clear(ctx->out[i]);
    UTIL_TRY(op_set_out(ctx, i, type, rank, dims));
    tensor_bytes(op_out(ctx, i), &bytes);
    op_out(ctx, i)->data = util_aligned_alloc(bytes);
    return op_out(ctx, i)->data ? CLSTM_OK : util_no_memory(ctx->err);
}

clstm_status op_output_sequence(op_ctx *ctx, int i, clstm_type type, size_t count) {
    if (!op_has_out(ctx, i)) return CLSTM_OK;
    clstm_value *v = ctx->out[i];
    op_value_clear(v);
    v->kind = CLSTM_KIND_SEQUENCE;
    v->tensor.type = type;
    v->tensor.rank = -1;
    v->items = util_calloc(count, sizeof *v->items);
    if (!v->items) return util_no_memory(ctx->err);
    v->count = count;
    return CLSTM_OK;
}

clstm_status op_sequence_item(op_ctx *ctx, clstm_value *sequence, size_t k, clstm_type type, int rank, const int64_t *dims) {
    clstm_value *v = &sequence->items[k];
    size_t bytes;
    clstm_tensor t;
    op_value_clear(v);
    if (rank > CLSTM_MAX_RANK) return op_unsupported(ctx, "an item of rank %d (at most %d)", rank, CLSTM_MAX_RANK);
    tensor_set(&t, type, rank, dims);
    UTIL_TRY(check_size(ctx, &t));
    tensor_bytes(&t, &bytes);
    t.data = util_aligned_alloc(bytes);
    if (!t.data) return util_no_memory(ctx->err);
    v->kind = CLSTM_KIND_TENSOR;
    v->tensor = t;
    return CLSTM_OK;
}

clstm_status op_value_copy(clstm_value *to, const clstm_value *from, clstm_error *err) {
    clstm_value v = *from;
    size_t bytes = 0;
    v.tensor.data = NULL;
    v.items = NULL;
    if (v.kind == CLSTM_KIND_TENSOR) {
        if (!tensor_bytes(&v.tensor, &bytes)) return util_fail(err, CLSTM_UNSUPPORTED, "a carried or copied value of type %s", clstm_type_name(v.tensor.type));
        if (!(v.tensor.data = util_aligned_alloc(bytes))) return util_no_memory(err);
        if (bytes) memcpy(v.tensor.data, from->tensor.data, bytes);
    } else if (v.kind == CLSTM_KIND_SEQUENCE) {
        if (!(v.items = util_calloc(v.count, sizeof *v.items))) return util_no_memory(err);
        for (size_t i = 0; i < v.count; i++) {
            clstm_status s = op_value_copy(&v.items[i], &from->items[i], err);
            if (s != CLSTM_OK) { op_value_clear(&v); return s; }
        }
    }
    *to = v;
    return CLSTM_OK;
}

void op_value_clear(clstm_value *v) {
    if (v->kind == CLSTM_KIND_TENSOR) util_aligned_free(v->tensor.data);
    for (size_t i = 0; v->kind == CLSTM_KIND_SEQUENCE && i < v->count; i++) op_value_clear(&v->items[i]);
    free(v->items);
    memset(v, 0, sizeof *v);
}

int64_t op_value_bytes(const clstm_value *v) {
    size_t bytes = 0;
    if (v->kind == CLSTM_KIND_TENSOR) return tensor_bytes(&v->tensor, &bytes) ? (int64_t)bytes : 0;
    int64_t sum = 0;
    for (size_t i = 0; v->kind == CLSTM_KIND_SEQUENCE && i < v->count; i++) sum += op_value_bytes(&v->items[i]) + (int64_t)sizeof *v;
    return sum;
}

clstm_status op_live_add(const op_env *env, int64_t bytes, clstm_error *err) {
    int64_t most = env->limits->value[CLSTM_LIMIT_ARENA_BYTES];
    if (!env->live) return CLSTM_OK;
    *env->live += bytes;
    return bytes <= 0 || *env->live <= most ? CLSTM_OK
        : util_fail(err, CLSTM_LIMIT, "values made while running take more than %lld bytes (limit arena-bytes)", (long long)most);
}
