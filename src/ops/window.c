/* ops/window: reading and checking sliding windows. */
#include "ops/window.h"

void op_window_spread(const int64_t *list, int nd, int64_t fill, int64_t out[3]) {
    for (int i = 0; i < 3; i++) out[i] = i < 3 - nd || !list ? fill : list[i - (3 - nd)];
}

static clstm_status check_list(ir_node *n, const char *name, int64_t least, clstm_error *err) {
    size_t count;
    if (!ir_attr_find(n, name)) return CLSTM_OK;
    const int64_t *v = op_attr_ints(n, name, &count);
    if (count > 6) return util_fail(err, CLSTM_UNSUPPORTED, "attribute %s has %zu entries: at most three spatial dimensions are supported", name, count);
    for (size_t i = 0; i < count; i++)
        if (v[i] < least || v[i] > INT32_MAX) return util_fail(err, CLSTM_BAD_MODEL, "attribute %s holds %lld", name, (long long)v[i]);
    return CLSTM_OK;
}

clstm_status op_window_check(ir_node *n, clstm_error *err) {
    UTIL_TRY(op_check_word(n, "auto_pad", "NOTSET SAME_UPPER SAME_LOWER VALID", err));
    UTIL_TRY(check_list(n, "dilations", 1, err));
    UTIL_TRY(check_list(n, "strides", 1, err));
    UTIL_TRY(check_list(n, "kernel_shape", 1, err));
    return check_list(n, "pads", 0, err);
}

static clstm_status read_list(op_ctx *ctx, const char *name, int nd, int64_t fill, int64_t out[3]) {
    size_t count;
    const int64_t *v = ir_attr_find(ctx->node, name) ? op_attr_ints(ctx->node, name, &count) : NULL;
    if (v && (int)count != nd) return op_bad_model(ctx, "attribute %s has %zu entries, expected %d", name, count, nd);
    op_window_spread(v, nd, fill, out);
    return CLSTM_OK;
}

static clstm_status read_pads(op_ctx *ctx, op_window *w) {
    size_t count;
    const int64_t *v = op_attr_ints(ctx->node, "pads", &count);
    if (v && (int)count != 2 * w->nd) return op_bad_model(ctx, "attribute pads has %zu entries, expected %d", count, 2 * w->nd);
    op_window_spread(v, w->nd, 0, w->begin);
    op_window_spread(v ? v + w->nd : NULL, w->nd, 0, w->end);
    return CLSTM_OK;
}

clstm_status op_window_read(op_ctx *ctx, const clstm_tensor *x, const int64_t *kernel, bool ceil_mode, op_window *w) {
    w->nd = x->rank - 2;
    if (w->nd < 1) return op_bad_model(ctx, "X has rank %d, expected at least 3", x->rank);
    if (w->nd > 3) return op_unsupported(ctx, "X has %d spatial dimensions: at most 3 are supported", w->nd);
    op_window_spread(x->dims + 2, w->nd, 1, w->in);
    UTIL_TRY(read_list(ctx, "kernel_shape", w->nd, 1, w->kernel));
    if (kernel) {
        int64_t of_w[3];
        op_window_spread(kernel, w->nd, 1, of_w);
        for (int i = 0; i < 3; i++)
            if (ir_attr_find(ctx->node, "kernel_shape") && w->kernel[i] != of_w[i])
                return op_bad_model(ctx, "attribute kernel_shape says %lld where W has %lld", (long long)w->kernel[i], (long long)of_w[i]);
        op_window_spread(kernel, w->nd, 1, w->kernel);
    } else if (!ir_attr_find(ctx->node, "kernel_shape")) return op_bad_model(ctx, "attribute kernel_shape is missing");
    UTIL_TRY(read_list(ctx, "strides", w->nd, 1, w->stride));
    UTIL_TRY(read_list(ctx, "dilations", w->nd, 1, w->dilation));
    UTIL_TRY(read_pads(ctx, w));
    const char *pad = op_word(ctx->node, "auto_pad", "NOTSET");
    for (int i = 0; i < 3; i++) {
        if (w->kernel[i] < 1) return op_bad_model(ctx, "a kernel of size %lld", (long long)w->kernel[i]);
        int64_t span = (w->kernel[i] - 1) * w->dilation[i] + 1;
        if (pad[0] == 'S' && i >= 3 - w->nd) {
            w->out[i] = (w->in[i] + w->stride[i] - 1) / w->stride[i];
            int64_t total = (w->out[i] - 1) * w->stride[i] + span - w->in[i];
            if (total < 0) total = 0;
            w->begin[i] = pad[5] == 'U' ? total / 2 : total - total / 2;
            w->end[i] = total - w->begin[i];
            continue;
        }
        if (pad[0] == 'V') w->begin[i] = w->end[i] = 0;
        int64_t room = w->in[i] + w->begin[i] + w->end[i] - span;
        if (room < 0) {
            if (w->in[i] != 0) return op_bad_model(ctx, "the window of %lld does not fit into %lld", (long long)span, (long long)(w->in[i] + w->begin[i] + w->end[i]));
            w->out[i] = 0;
            continue;
        }
        w->out[i] = (ceil_mode ? room + w->stride[i] - 1 : room) / w->stride[i] + 1;
        /* A last window that would start in the padding behind is left out. */
        if (ceil_mode && (w->out[i] - 1) * w->stride[i] >= w->in[i] + w->begin[i]) w->out[i]--;
    }
    return CLSTM_OK;
}

clstm_status op_window_read_transposed(op_ctx *ctx, const clstm_tensor *x, const int64_t *kernel, op_window *w) {
    size_t n_pad, n_shape;
    int64_t extra[3], shape[3];
    const int64_t *pad = op_attr_ints(ctx->node, "output_padding", &n_pad), *given = op_attr_ints(ctx->node, "output_shape", &n_shape);
    const char *mode = op_word(ctx->node, "auto_pad", "NOTSET");
    clstm_tensor any = *x;
    /* The plain reading refuses windows wider than the input, which are fine here: read with an input that fits anything. */
    for (int i = 2; i < any.rank; i++) any.dims[i] = INT32_MAX;
    UTIL_TRY(op_window_read(ctx, &any, kernel, false, w));
    op_window_spread(x->dims + 2, w->nd, 1, w->in);
    if (pad && (int)n_pad != w->nd) return op_bad_model(ctx, "attribute output_padding has %zu entries, expected %d", n_pad, w->nd);
    if (given && (int)n_shape != w->nd && (int)n_shape != w->nd + 2) return op_bad_model(ctx, "attribute output_shape has %zu entries, expected %d", n_shape, w->nd);
    op_window_spread(pad, w->nd, 0, extra);
    op_window_spread(given ? given + ((int)n_shape - w->nd) : NULL, w->nd, 1, shape);
    for (int i = 0; i < 3; i++) {
        int64_t span = (w->kernel[i] - 1) * w->dilation[i] + 1, full;
        if (extra[i] < 0 || extra[i] > INT32_MAX) return op_bad_model(ctx, "attribute output_padding holds %lld", (long long)extra[i]);
        if (!util_mul(w->stride[i], w->in[i] > 0 ? w->in[i] - 1 : 0, &full) || !util_add(full, span + extra[i], &full)) return op_bad_model(ctx, "the output is too large");
        bool same = mode[0] == 'S' && i >= 3 - w->nd;
        if (mode[0] == 'V') w->begin[i] = w->end[i] = 0;
        if ((given && i >= 3 - w->nd) || same) {
            int64_t want = given ? shape[i] : w->in[i] * w->stride[i];
            if (want < 0) return op_bad_model(ctx, "attribute output_shape holds %lld", (long long)want);
            int64_t total = full - want;
            /* the standard: an odd rest goes to the end for SAME_UPPER, to the beginning otherwise */
            w->begin[i] = total < 0 ? 0 : mode[0] == 'S' && mode[5] == 'U' ? total / 2 : total - total / 2;
            w->end[i] = total - w->begin[i];
            w->out[i] = want;
        } else w->out[i] = full - w->begin[i] - w->end[i];
        if (w->in[i] == 0) w->out[i] = 0;
        if (w->out[i] < 0) return op_bad_model(ctx, "the padding leaves an output of %lld", (long long)w->out[i]);
    }
    return CLSTM_OK;
}
