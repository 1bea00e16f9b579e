/* convert/emit_norm: Softmax, LogSoftmax and the normalisations. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

static clstm_status real_type(emitter *e, const emit_step *s) {
    clstm_type calc = emit_calc(s->in[0]->type);
    return calc == CLSTM_FLOAT || calc == CLSTM_DOUBLE ? CLSTM_OK : emit_refuse(e, emit_say(e, "%s of %s", s->row->name, clstm_type_name(s->in[0]->type)));
}

/* ---- Softmax: over one axis; before opset 13 over all from it on ------------------------------------------------------------------------------- */

static clstm_status code_softmax(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    int axis = (int)op_attr_int(s->n, "axis");
    bool to_end = s->n->op->until != 0, log = s->row->name[0] == 'L';
    emit_dim outer, n, inner = emit_fixed(1), block;
    UTIL_TRY(real_type(e, s));
    if (axis < 0) axis += x->rank;
    UTIL_TRY(emit_span(e, x->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, x->dims, axis, to_end ? x->rank : axis + 1, &n));
    if (!to_end) UTIL_TRY(emit_span(e, x->dims, axis + 1, x->rank, &inner));
    UTIL_TRY(emit_times(e, &n, &inner, &block));
    emit_walk w = {.rank = 2, .n = 1, .dims = {outer, inner}, .stride = {{block, emit_fixed(1)}}};
    const char *T = emit_ctype(emit_calc(x->type)), *f = emit_calc(x->type) == CLSTM_FLOAT ? "f" : "", *count = emit_size(e, &n), *step = emit_size(e, &inner);
    const char *v = emit_load(e, x->type, emit_say(e, "%s[@0 + k * %s]", emit_x(e, s, 0), step)), *y = emit_say(e, "y0[@0 + k * %s]", step), *loop = emit_say(e, "for (int k = 0; k < %s; k++)", count);
    const char *head = emit_say(e, "%s top = -INFINITY, sum = 0;\n%s if (!(%s <= top)) top = %s;\n", T, loop, v, v);
    if (log)
        return emit_loops(e, &w, emit_say(e, "%s%s sum += exp%s(%s - top);\nsum = log%s(sum);\n%s %s = %s;", head, loop, f, v, f, loop, y,
                                          emit_store(e, x->type, emit_say(e, "%s - top - sum", v))));
    if (emit_calc(x->type) != x->type)
        return emit_loops(e, &w, emit_say(e, "%s%s sum += exp%s(%s - top);\n%s %s = %s;", head, loop, f, v, loop, y, emit_store(e, x->type, emit_say(e, "exp%s(%s - top) / sum", f, v))));
    return emit_loops(e, &w, emit_say(e, "%s%s sum += %s = exp%s(%s - top);\n%s %s /= sum;", head, loop, y, f, v, loop, y));
}

/* ---- LayerNormalization: rows ------------------------------------------------------------------------------------------------------------------- */

static clstm_status shape_layer(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    int axis = (int)op_attr_int(s->n, "axis");
    emit_dim rows[CLSTM_MAX_RANK];
    (void)e;
    if (axis < 0) axis += x->rank;
    for (int d = 0; d < x->rank; d++) rows[d] = d < axis ? x->dims[d] : emit_fixed(1);
    for (int k = 1; k < s->n->n_out; k++) UTIL_TRY(emit_set(s, k, x->rank, rows));
    return emit_set(s, 0, x->rank, x->dims);
}

/* Element k of scale or bias, which is whole or one number. */
static clstm_status row_operand(emitter *e, const emit_step *s, int i, const emit_dim *n, const char **out) {
    if (!emit_is(&s->in[i]->count, 1) && !emit_same(&s->in[i]->count, n)) return emit_refuse(e, "scale or bias that repeats along inner dimensions");
    *out = emit_load(e, s->in[i]->type, emit_say(e, "%s[%s]", emit_x(e, s, i), emit_is(&s->in[i]->count, 1) ? "0" : "k"));
    return CLSTM_OK;
}

static clstm_status code_layer(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    int axis = (int)op_attr_int(s->n, "axis");
    bool rms = s->row->name[0] == 'R';
    const char *scale, *bias = NULL;
    emit_dim rows, n;
    UTIL_TRY(real_type(e, s));
    if (axis < 0) axis += x->rank;
    UTIL_TRY(emit_span(e, x->dims, 0, axis, &rows));
    UTIL_TRY(emit_span(e, x->dims, axis, x->rank, &n));
    UTIL_TRY(row_operand(e, s, 1, &n, &scale));
    if (emit_has(s, 2)) UTIL_TRY(row_operand(e, s, 2, &n, &bias));
    emit_walk w = {.rank = 1, .n = 2, .dims = {rows}, .stride = {{n}, {emit_fixed(1)}}};
    const char *size = emit_size(e, &n), *more[] = {"", "", ""}, *const made[] = {"", "sum", "scale"};
    const char *T = emit_ctype(emit_calc(x->type)), *v = emit_load(e, x->type, emit_say(e, "%s[@0 + k]", emit_x(e, s, 0)));
    const char *loop = emit_say(e, "for (int k = 0; k < %s; k++)", size), *mean = rms ? "" : emit_say(e, "%s sum += %s;\nsum /= %s;\n", loop, v, size);
    const char *value = emit_say(e, "(%s)((%s - sum) * scale) * %s%s%s", T, v, scale, bias ? " + " : "", bias ? bias : "");
    for (int k = 1; k < 3; k++)
        if (emit_gives(s, k)) more[k] = emit_say(e, "\ny%d[@1] = (%s)%s;", k, emit_ctype(s->out[k]->type), made[k]);
    const char *row = emit_gives(s, 0) ? emit_say(e, "\n%s y0[@0 + k] = %s;", loop, emit_store(e, x->type, value))
                                       : emit_say(e, "\n(void)%s, (void)%s, (void)scale;", emit_x(e, s, 1), bias ? emit_x(e, s, 2) : "0");
    return emit_loops(e, &w, emit_say(e, "double sum = 0, square = 0, scale;\n%s%s square += (%s - sum) * (%s - sum);\nscale = 1 / sqrt(square / %s + %s);%s%s%s", mean, loop, v, v, size,
                                      emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "epsilon")), row, more[1], more[2]));
}

/* ---- BatchNormalization (of inference) and InstanceNormalization: a factor and a shift for each plane --------------------------------------------- */

static clstm_status shape_batch(emitter *e, emit_step *s) {
    for (int k = 1; k < s->n->n_out; k++)
        if (s->out[k]) return emit_refuse(e, "BatchNormalization's statistics");
    return emit_set(s, 0, s->in[0]->rank, s->in[0]->dims);
}

static clstm_status plane_walk(emitter *e, const emit_value *x, emit_walk *w, emit_dim *inner) {
    UTIL_TRY(emit_span(e, x->dims, x->rank < 2 ? x->rank : 2, x->rank, inner));
    *w = (emit_walk){.rank = 2, .n = 2, .dims = {x->rank ? x->dims[0] : emit_fixed(1), x->rank > 1 ? x->dims[1] : emit_fixed(1)}};
    UTIL_TRY(emit_times(e, &w->dims[1], inner, &w->stride[0][0]));
    w->stride[0][1] = *inner;
    w->stride[1][1] = emit_fixed(1);
    return CLSTM_OK;
}

static const char *channel(emitter *e, const emit_step *s, int i) { return emit_load(e, s->in[i]->type, emit_say(e, "%s[@1]", emit_x(e, s, i))); }

static clstm_status code_batch(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_walk w;
    emit_dim inner;
    UTIL_TRY(real_type(e, s));
    if (ir_attr_find(s->n, "training_mode") && op_attr_int(s->n, "training_mode")) return emit_refuse(e, "BatchNormalization in training");
    if (ir_attr_find(s->n, "spatial") && !op_attr_int(s->n, "spatial")) return emit_refuse(e, "BatchNormalization with spatial=0");
    UTIL_TRY(plane_walk(e, x, &w, &inner));
    const char *v = emit_load(e, x->type, emit_say(e, "%s[@0 + k]", emit_x(e, s, 0)));
    return emit_loops(e, &w, emit_say(e, "const double factor = %s / sqrt((double)%s + %s), shift = %s - factor * %s;\nfor (int k = 0; k < %s; k++) y0[@0 + k] = %s;", channel(e, s, 1),
                                      channel(e, s, 4), emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "epsilon")), channel(e, s, 2), channel(e, s, 3), emit_size(e, &inner),
                                      emit_store(e, x->type, emit_say(e, "(%s)(%s * factor + shift)", emit_ctype(emit_calc(x->type)), v))));
}

static clstm_status code_instance(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_walk w;
    emit_dim inner;
    UTIL_TRY(real_type(e, s));
    UTIL_TRY(plane_walk(e, x, &w, &inner));
    const char *n = emit_size(e, &inner), *v = emit_load(e, x->type, emit_say(e, "%s[@0 + k]", emit_x(e, s, 0))), *loop = emit_say(e, "for (int k = 0; k < %s; k++)", n);
    const char *value = emit_say(e, "(%s)((%s - sum) * scale * %s + %s)", emit_ctype(emit_calc(x->type)), v, channel(e, s, 1), channel(e, s, 2));
    return emit_loops(e, &w, emit_say(e, "double sum = 0, square = 0, scale;\n%s sum += %s;\nsum /= %s;\n%s square += (%s - sum) * (%s - sum);\nscale = 1 / sqrt(square / %s + %s);\n%s y0[@0 + k] = %s;",
                                      loop, v, n, loop, v, v, n, emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "epsilon")), loop, emit_store(e, x->type, value)));
}

const emit_row emit_rows_norm[] = {
    {.name = "Softmax", .shape = emit_shape_same, .code = code_softmax}, {.name = "LogSoftmax", .shape = emit_shape_same, .code = code_softmax},
    {.name = "LayerNormalization", .shape = shape_layer, .code = code_layer}, {.name = "RMSNormalization", .shape = shape_layer, .code = code_layer},
    {.name = "BatchNormalization", .shape = shape_batch, .code = code_batch}, {.name = "InstanceNormalization", .shape = emit_shape_same, .code = code_instance}, {.name = NULL}};
