/* ops/epilogue: preparing and applying the node that a producer has taken in. */
#include "ops/epilogue.h"

static clstm_status fill(op_epilogue *e, const ir_node *map, op_ctx *m, op_ctx *ctx) {
    clstm_status s = map->op->prepare(m);
    if (s == CLSTM_OK) {
        e->walk = *(const op_pointwise *)m->prepared;
        e->walk.arg = e->walk.param;
        for (int i = 1; i < 3; i++) e->fixed[i] = op_has_in(m, i) ? op_in(m, i)->data : &e->walk.param[i - 1];
        e->on = true;
        if (e->walk.nd) s = util_fail(ctx->err, CLSTM_INTERNAL, "an epilogue that does not run straight through");
    }
    util_aligned_free(m->prepared);
    return s;
}

clstm_status op_epilogue_prepare(op_ctx *ctx, op_epilogue *e) {
    const ir_node *map = ctx->node->epilogue;
    clstm_value fixed[3] = {{0}}, *in[3] = {ctx->out[0]};
    ir_const *consts[3] = {NULL};
    op_ctx m = {.node = map, .env = ctx->env, .err = ctx->err, .n_out = 1, .in = in, .out = ctx->out, .consts = consts};
    e->on = false;
    if (!map) return CLSTM_OK;
    m.n_in = map->n_in;
    for (int i = 1; i < map->n_in; i++) {
        const void *data;
        if (!map->inputs[i]) continue;
        consts[i] = map->inputs[i]->constant;
        UTIL_TRY(ir_const_data(consts[i], &data, ctx->err));
        fixed[i] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = map->inputs[i]->type};
        fixed[i].tensor.data = (void *)(uintptr_t)data;
        in[i] = &fixed[i];
    }
    return fill(e, map, &m, ctx);
}

void op_epilogue_apply(const op_epilogue *e, void *y, int64_t n) {
    if (e->on && n > 0) op_pointwise_straight(&e->walk, (const void *const[]){y, e->fixed[1], e->fixed[2]}, y, n);
}

void op_epilogue_rows(const op_epilogue *e, void *y, int64_t rows, int64_t n, int64_t stride, size_t size) {
    if (n == stride) { n *= rows; rows = 1; }
    for (int64_t r = 0; r < rows && e->on; r++) op_epilogue_apply(e, (unsigned char *)y + (size_t)(r * stride) * size, n);
}
