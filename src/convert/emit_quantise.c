/* convert/emit_quantise: QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear with one scale, one for each place along an axis, or one for each
 * block of them. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

/* Operand 0 walks over the elements, operand 1 over their scales, whose index becomes *at: with blocks, those of an axis share one. */
static clstm_status scaling_walk(emitter *e, const emit_step *s, emit_walk *w, const char **at) {
    const emit_value *x = s->in[0], *scale = s->in[1];
    long long block_size = ir_attr_find(s->n, "block_size") ? (long long)op_attr_int(s->n, "block_size") : 0;
    *at = "@1";
    if (emit_is(&scale->count, 1) && scale->rank <= 1 && !block_size) {
        *w = (emit_walk){.rank = 1, .n = 2, .dims = {x->count}, .stride = {{emit_fixed(1)}, {emit_fixed(0)}}};
        return CLSTM_OK;
    }
    int axis = s->n->version < 13 ? 1 : (int)op_attr_int(s->n, "axis");
    emit_dim outer, inner, block, none = emit_fixed(0), one = emit_fixed(1);
    if (axis < 0) axis += x->rank;
    UTIL_TRY(emit_span(e, x->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, x->dims, axis + 1, x->rank, &inner));
    UTIL_TRY(emit_times(e, &inner, &x->dims[axis], &block));
    *w = (emit_walk){.rank = 3, .n = 3, .dims = {outer, x->dims[axis], inner}, .stride = {{block, inner, one}, {none, one, none}, {none, one, none}}};
    if (!block_size) return CLSTM_OK;
    w->stride[1][1] = none;
    w->stride[1][2] = one;
    *at = emit_say(e, "@1 + (@2) / %lld * %s", block_size, emit_size(e, &inner));
    return emit_times(e, &scale->dims[axis], &inner, &w->stride[1][0]);
}

static const char *bounds(clstm_type t, const char **most) {
    *most = t == CLSTM_INT8 ? "127" : t == CLSTM_UINT8 ? "255" : t == CLSTM_INT16 ? "32767" : "65535";
    return t == CLSTM_INT8 ? "-128" : t == CLSTM_INT16 ? "-32768" : "0";
}

/* q, rounded and moved to the zero point, within the type; a NaN is 0. */
const char *emit_saturated(emitter *e, clstm_type type) {
    const char *most, *least = bounds(type, &most);
    return emit_say(e, "(%s)(q != q ? 0.0f : q < %s ? %s : q > %s ? %s : q)", emit_ctype(type), least, least, most, most);
}

static clstm_status code_quantise(emitter *e, emit_step *s) {
    emit_walk w;
    const char *at;
    const emit_value *x = s->in[0], *scale = s->in[1];
    UTIL_TRY(scaling_walk(e, s, &w, &at));
    const char *zero = emit_has(s, 2) ? emit_say(e, " + (float)%s[%s]", emit_x(e, s, 2), at) : "";
    return emit_loops(e, &w, emit_say(e, "const float q = rintf((float)%s / (float)%s)%s;\ny0[@0] = %s;", emit_load(e, x->type, emit_say(e, "%s[@0]", emit_x(e, s, 0))),
                                      emit_load(e, scale->type, emit_say(e, "%s[%s]", emit_x(e, s, 1), at)), zero, emit_saturated(e, s->out[0]->type)));
}

static clstm_status code_dequantise(emitter *e, emit_step *s) {
    emit_walk w;
    const char *at, *wide = s->in[0]->type == CLSTM_INT32 ? "int64_t" : "int32_t";
    UTIL_TRY(scaling_walk(e, s, &w, &at));
    const char *zero = emit_has(s, 2) ? emit_say(e, " - (%s)%s[%s]", wide, emit_x(e, s, 2), at) : "";
    const char *value = emit_say(e, "(float)((%s)%s[@0]%s) * %s", wide, emit_x(e, s, 0), zero, emit_load(e, s->in[1]->type, emit_say(e, "%s[%s]", emit_x(e, s, 1), at)));
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", emit_store(e, s->out[0]->type, value)));
}

static clstm_status shape_dynamic(emitter *e, emit_step *s) {
    (void)e;
    UTIL_TRY(emit_set(s, 0, s->in[0]->rank, s->in[0]->dims));
    UTIL_TRY(emit_set(s, 1, 0, NULL));
    return emit_set(s, 2, 0, NULL);
}

static clstm_status code_dynamic(emitter *e, emit_step *s) {
    const char *x = emit_x(e, s, 0), *n = emit_size(e, &s->in[0]->count);
    emit_line(e, 1, "float lo = 0, hi = 0;");
    emit_line(e, 1, "for (int i = 0; i < %s; i++) { lo = %s[i] < lo ? %s[i] : lo; hi = %s[i] > hi ? %s[i] : hi; }", n, x, x, x, x);
    emit_line(e, 1, "float scale = (hi - lo) / 255.0f, zero = scale > 0 ? rintf(-lo / scale) : 0;");
    emit_line(e, 1, "zero = zero > 255 ? 255 : zero > 0 ? zero : 0;");
    emit_line(e, 1, "if (!(scale > 0)) scale = 1;");
    if (emit_gives(s, 1)) emit_line(e, 1, "y1[0] = scale;");
    if (emit_gives(s, 2)) emit_line(e, 1, "y2[0] = (uint8_t)zero;");
    if (!emit_gives(s, 0)) return CLSTM_OK;
    emit_line(e, 1, "for (int i = 0; i < %s; i++) {", n);
    emit_line(e, 2, "const float q = rintf(%s[i] / scale) + zero;", x);
    emit_line(e, 2, "y0[i] = %s;", emit_saturated(e, CLSTM_UINT8));
    emit_line(e, 1, "}");
    return CLSTM_OK;
}

const emit_row emit_rows_quantise[] = {{.name = "QuantizeLinear", .shape = emit_shape_same, .code = code_quantise},
                                       {.name = "DequantizeLinear", .shape = emit_shape_same, .code = code_dequantise},
                                       {.name = "DynamicQuantizeLinear", .shape = shape_dynamic, .code = code_dynamic}, {.name = NULL}};
