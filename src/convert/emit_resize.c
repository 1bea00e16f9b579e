/* convert/emit_resize: Resize and Upsample at fixed sizes: the places and weights of each axis that changes are tables. */
#include "convert/emit.h"

#include "ops/resize.h"
#include "tensor/tensor.h"
#include "util/alloc.h"
#include "util/status.h"

enum { AXES = 3 };      /* an operand of the walk each, behind y and x */

/* The places of axis a, counted in elements of x. */
static const char *places(emitter *e, const resample_axis *a, int64_t stride) {
    int64_t n = a->out * a->taps;
    int32_t *at = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *at);
    if (!at) { e->failed = true; return ""; }
    for (int64_t i = 0; i < n; i++) at[i] = (int32_t)(a->index[i] * stride);
    clstm_tensor t = clstm_tensor_view(CLSTM_INT32, 1, &n, at);
    return emit_constant(e, CLSTM_INT32, &t);
}

static clstm_status code_axes(emitter *e, emit_step *s, const resize *r) {
    const emit_value *x = s->in[0], *y = s->out[0];
    bool nearest = r->rule.mode == RESAMPLE_NEAREST;
    clstm_type type = x->type, calc = emit_calc(type);
    emit_walk w = {.rank = y->rank, .n = 2};
    const char *loops = "", *at = "@1", *weight = "", *indent = "";
    if (r->crop) return emit_refuse(e, "tf_crop_and_resize");
    for (int d = 0; d < y->rank; d++) w.dims[d] = y->dims[d];
    UTIL_TRY(emit_strides(e, y->rank, y->dims, w.stride[0]));
    UTIL_TRY(emit_strides(e, x->rank, x->dims, w.stride[1]));
    for (int d = 0; d < y->rank; d++) {
        const resample_axis *a = &r->axes[d];
        if (!r->changes[d]) continue;
        if (w.n == 2 + AXES) return emit_refuse(e, "more than three axes that change");
        for (int k = 0; k < y->rank; k++) w.stride[w.n][k] = emit_fixed(k == d);
        w.stride[1][d] = emit_fixed(0);
        const char *place = nearest ? emit_say(e, "@%d", w.n) : emit_say(e, "(@%d) * %lld + t%d", w.n, (long long)a->taps, d);
        at = emit_say(e, "%s + %s[%s]", at, places(e, a, tensor_span(&s->ctx.in[0]->tensor, d + 1, x->rank)), place);
        w.n++;
        if (nearest) continue;
        loops = emit_say(e, "%s%sfor (int t%d = 0; t%d < %lld; t%d++)\n", loops, indent, d, d, (long long)a->taps, d);
        weight = emit_say(e, "%s%s[%s] * ", weight, emit_numbers(e, calc, a->out * a->taps, a->weight), place);
        indent = emit_say(e, "%s    ", indent);
    }
    const char *element = emit_say(e, "%s[%s]", emit_x(e, s, 0), at);
    if (nearest) return emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", element));
    return emit_loops(e, &w, emit_say(e, "%s sum = 0;\n%s%ssum += %s%s;\ny0[@0] = %s;", emit_ctype(calc), loops, indent, weight, emit_load(e, type, element), emit_store(e, type, "sum")));
}

static clstm_status code_resize(emitter *e, emit_step *s) {
    UTIL_TRY(op_prepare(&s->ctx));
    clstm_status status = code_axes(e, s, s->ctx.prepared);
    util_aligned_free(s->ctx.prepared);
    s->ctx.prepared = NULL;
    return status;
}

const emit_row emit_rows_resize[] = {{.name = "Resize", .code = code_resize, .parameters = 14}, {.name = "Upsample", .code = code_resize, .parameters = 2}, {.name = NULL}};
