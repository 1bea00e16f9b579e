/* ops/common: words, axes and small parameters. */
#include "ops/common.h"

#include <string.h>

const char *op_word(const ir_node *n, const char *name, const char *fallback) {
    const ir_attr *a = ir_attr_find(n, name);
    return a ? a->v.s : fallback;
}

clstm_status op_check_word(const ir_node *n, const char *name, const char *choices, clstm_error *err) {
    const char *word = op_word(n, name, NULL);
    char text[64];
    if (!word) return CLSTM_OK;
    size_t len = strlen(word);
    for (const char *c = choices; *c;) {
        size_t end = strcspn(c, " ");
        if (end == len && !memcmp(c, word, len)) return CLSTM_OK;
        c += end;
        c += strspn(c, " ");
    }
    return util_fail(err, CLSTM_BAD_MODEL, "attribute %s is \"%s\", expected one of: %s", name, util_escape(text, sizeof text, word), choices);
}

clstm_status op_infer_same(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0);
    return op_set_out(ctx, 0, x->type, x->rank, x->dims);
}

clstm_status op_input_ints(op_ctx *ctx, int i, int64_t *out, int most, int *count) {
    UTIL_TRY(op_need_data(ctx, i));
    const clstm_tensor *t = op_in(ctx, i);
    int64_t n = clstm_tensor_count(t);
    if (t->rank > 1) return op_bad_model(ctx, "input %d must have one dimension, it has %d", i, t->rank);
    if (n > most) return op_unsupported(ctx, "input %d has %lld elements (at most %d)", i, (long long)n, most);
    for (int64_t k = 0; k < n; k++) out[k] = tensor_get_int(t, k);
    *count = (int)n;
    return CLSTM_OK;
}

clstm_status op_input_int(op_ctx *ctx, int i, int64_t *out) {
    UTIL_TRY(op_need_data(ctx, i));
    if (clstm_tensor_count(op_in(ctx, i)) != 1) return op_bad_model(ctx, "input %d must have one element", i);
    *out = tensor_get_int(op_in(ctx, i), 0);
    return CLSTM_OK;
}

clstm_status op_list(op_ctx *ctx, const char *name, int i, int64_t *out, int most, int *count) {
    if (op_has_in(ctx, i)) return op_input_ints(ctx, i, out, most, count);
    *count = -1;
    const ir_attr *a = ir_attr_find(ctx->node, name);
    if (!a) return CLSTM_OK;
    if (a->count > (size_t)most) return op_unsupported(ctx, "attribute %s has %zu elements (at most %d)", name, a->count, most);
    for (size_t k = 0; k < a->count; k++) out[k] = a->v.ints[k];
    *count = (int)a->count;
    return CLSTM_OK;
}

clstm_status op_axes_mask(op_ctx *ctx, const int64_t *axes, int count, int rank, uint32_t *mask) {
    *mask = 0;
    for (int k = 0; k < count; k++) {
        int axis;
        if (!tensor_axis(axes[k], rank, &axis)) return op_bad_model(ctx, "axis %lld of a tensor of rank %d", (long long)axes[k], rank);
        if (*mask >> axis & 1) return op_bad_model(ctx, "axis %lld is named twice", (long long)axes[k]);
        *mask |= 1u << axis;
    }
    return CLSTM_OK;
}

clstm_status op_axis(op_ctx *ctx, int rank, int *axis) {
    int64_t a = op_attr_int(ctx->node, "axis");
    if (!tensor_axis(a, rank, axis)) return op_bad_model(ctx, "axis %lld of a tensor of rank %d", (long long)a, rank);
    return CLSTM_OK;
}

void op_put_real(clstm_tensor *t, int64_t i, double v) {
    switch (t->type) {
    case CLSTM_FLOAT: ((float *)t->data)[i] = (float)v; break;
    case CLSTM_DOUBLE: ((double *)t->data)[i] = v; break;
    case CLSTM_FLOAT16: ((uint16_t *)t->data)[i] = tensor_double_to_half(v); break;
    default: ((uint16_t *)t->data)[i] = tensor_double_to_bfloat(v); break;
    }
}
