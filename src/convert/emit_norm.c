/* convert/emit_norm: Softmax, LogSoftmax, Hardmax and the normalisations. */
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
    if (s->row->name[0] == 'H')
        return emit_loops(e, &w, emit_say(e, "int at = 0;\nfor (int k = 1; k < %s; k++) if (%s > %s) at = k;\n%s %s = %s;", count, v, emit_load(e, x->type, emit_say(e, "%s[@0 + at * %s]", emit_x(e, s, 0), step)),
                                          loop, y, emit_store(e, x->type, "k == at ? 1 : 0")));
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

/* ---- BatchNormalization and InstanceNormalization: a factor and a shift for each plane ----------------------------------------------------------- */

static clstm_status shape_batch(emitter *e, emit_step *s) {
    const emit_dim channels = s->in[0]->rank > 1 ? s->in[0]->dims[1] : emit_fixed(1);
    (void)e;
    for (int k = 1; k < s->n->n_out; k++) UTIL_TRY(emit_set(s, k, 1, &channels));
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

/* In training the mean and the variance are the batch's own, and move what was given. */
static clstm_status code_training(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim inner, rows = x->rank ? x->dims[0] : emit_fixed(1), channels = x->rank > 1 ? x->dims[1] : emit_fixed(1);
    const char *moved[] = {"", "", ""}, *const own[] = {"", "mean", "square"}, *momentum = emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "momentum"));
    UTIL_TRY(emit_span(e, x->dims, x->rank < 2 ? x->rank : 2, x->rank, &inner));
    emit_walk w = {.rank = 1, .n = 2, .dims = {channels}, .stride = {{inner}, {emit_fixed(1)}}};
    const char *n = emit_size(e, &inner), *r = emit_size(e, &rows), *element = emit_say(e, "@0 + r * %s * %s + k", emit_size(e, &channels), n);
    const char *loop = emit_say(e, "for (int r = 0; r < %s; r++) for (int k = 0; k < %s; k++)", r, n), *v = emit_load(e, x->type, emit_say(e, "%s[%s]", emit_x(e, s, 0), element));
    for (int k = 1; k < 3; k++)
        if (!emit_gives(s, k)) moved[k] = emit_say(e, "\n(void)%s;", emit_x(e, s, 2 + k));
        else moved[k] = emit_say(e, "\ny%d[@1] = %s;", k, emit_store_double(e, s->out[k]->type, emit_say(e, "%s * %s + %s * (1 - %s)", channel(e, s, 2 + k), momentum, own[k], momentum)));
    const char *value = emit_store(e, x->type, emit_say(e, "(%s)(%s * factor + shift)", emit_ctype(emit_calc(x->type)), v));
    return emit_loops(e, &w, emit_say(e, "double mean = 0, square = 0;\n%s mean += %s;\nmean /= (double)%s * %s;\n%s square += (%s - mean) * (%s - mean);\nsquare /= (double)%s * %s;\n"
                                      "const double factor = %s / sqrt(square + %s), shift = %s - factor * mean;\n%s%s%s%s",
                                      loop, v, r, n, loop, v, v, r, n, channel(e, s, 1), emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "epsilon")), channel(e, s, 2),
                                      emit_gives(s, 0) ? loop : "(void)factor, (void)shift;", emit_gives(s, 0) ? emit_say(e, " y0[%s] = %s;", element, value) : "", moved[1], moved[2]));
}

static clstm_status code_batch(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_walk w;
    emit_dim inner;
    UTIL_TRY(real_type(e, s));
    if (ir_attr_find(s->n, "training_mode") && op_attr_int(s->n, "training_mode")) return code_training(e, s);
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

/* ---- GroupNormalization: the moments of a group of channels; scale and bias of a group, or since opset 21 of a channel ------------------------------ */

static clstm_status code_group(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    long long groups = (long long)op_attr_int(s->n, "num_groups"), channels = (long long)x->trial[1], each = channels / groups;
    emit_dim inner, size, part = emit_fixed(each), all = emit_fixed(channels);
    UTIL_TRY(real_type(e, s));
    if (emit_symbols(&x->dims[1])) return emit_pin(e, emit_symbols(&x->dims[1]));
    UTIL_TRY(emit_span(e, x->dims, 2, x->rank, &inner));
    UTIL_TRY(emit_times(e, &inner, &part, &size));
    emit_walk w = {.rank = 2, .n = 2, .dims = {x->dims[0], emit_fixed(groups)}, .stride = {{emit_fixed(0), size}, {emit_fixed(0), emit_fixed(s->n->version < 21 ? 1 : each)}}};
    UTIL_TRY(emit_times(e, &inner, &all, &w.stride[0][0]));
    const char *n = emit_size(e, &size), *v = emit_load(e, x->type, emit_say(e, "%s[@0 + k]", emit_x(e, s, 0))), *loop = emit_say(e, "for (int k = 0; k < %s; k++)", n), *factor[2];
    for (int i = 0; i < 2; i++)
        factor[i] = emit_load(e, s->in[1 + i]->type, emit_say(e, "%s[@1%s]", emit_x(e, s, 1 + i), s->n->version < 21 ? "" : emit_say(e, " + k / %s", emit_size(e, &inner))));
    const char *value = emit_say(e, "(%s)((%s - sum) * scale * %s + %s)", emit_ctype(emit_calc(x->type)), v, factor[0], factor[1]);
    return emit_loops(e, &w, emit_say(e, "double sum = 0, square = 0, scale;\n%s sum += %s;\nsum /= %s;\n%s square += (%s - sum) * (%s - sum);\nscale = 1 / sqrt(square / %s + %s);\n%s y0[@0 + k] = %s;",
                                      loop, v, n, loop, v, v, n, emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, "epsilon")), loop, emit_store(e, x->type, value)));
}

/* ---- LpNormalization, LRN, MeanVarianceNormalization ------------------------------------------------------------------------------------------------- */

/* A line of zeros stays one. */
static clstm_status code_lp(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    int axis = (int)op_attr_int(s->n, "axis");
    bool one = op_attr_int(s->n, "p") == 1;
    emit_walk w = {.rank = x->rank, .n = 1};
    UTIL_TRY(real_type(e, s));
    if (axis < 0) axis += x->rank;
    memcpy(w.dims, x->dims, sizeof x->dims);
    UTIL_TRY(emit_strides(e, x->rank, x->dims, w.stride[0]));
    w.dims[axis] = emit_fixed(1);
    const char *step = emit_size(e, &w.stride[0][axis]), *v = emit_load(e, x->type, emit_say(e, "%s[@0 + k * %s]", emit_x(e, s, 0), step)), *loop = emit_say(e, "for (int k = 0; k < %s; k++)", emit_size(e, &x->dims[axis]));
    return emit_loops(e, &w, emit_say(e, "double sum = 0;\n%s sum += %s;%s\n%s y0[@0 + k * %s] = %s;", loop, one ? emit_say(e, "fabs((double)%s)", v) : emit_say(e, "(double)%s * %s", v, v),
                                      one ? "" : "\nsum = sqrt(sum);", loop, step,
                                      emit_store(e, x->type, emit_say(e, "sum > 0 || sum != sum ? (%s)(%s / sum) : 0", emit_ctype(emit_calc(x->type)), v))));
}

static clstm_status code_lrn(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_walk w;
    emit_dim inner;
    long long size = (long long)op_attr_int(s->n, "size");
    UTIL_TRY(real_type(e, s));
    UTIL_TRY(plane_walk(e, x, &w, &inner));
    const char *n = emit_size(e, &inner), *channels = emit_size(e, &x->dims[1]), *near = emit_load(e, x->type, emit_say(e, "%s[@0 + (c - @1) * %s + k]", emit_x(e, s, 0), n));
    const char *number[3], *const names[3] = {"alpha", "beta", "bias"};
    for (int i = 0; i < 3; i++) number[i] = emit_real(e, CLSTM_DOUBLE, (double)op_attr_float(s->n, names[i]));
    const char *value = emit_say(e, "(%s)(%s / pow(%s + %s / %lld * sum, %s))", emit_ctype(emit_calc(x->type)), emit_load(e, x->type, emit_say(e, "%s[@0 + k]", emit_x(e, s, 0))), number[2], number[0], size, number[1]);
    return emit_loops(e, &w, emit_say(e, "const int from = @1 < %lld ? 0 : @1 - %lld, to = %s - @1 > %lld ? @1 + %lld : %s - 1;\nfor (int k = 0; k < %s; k++) {\n    double sum = 0;\n"
                                      "    for (int c = from; c <= to; c++) sum += (double)%s * %s;\n    y0[@0 + k] = %s;\n}",
                                      (size - 1) / 2, (size - 1) / 2, channels, size / 2, size / 2, channels, n, near, near, emit_store(e, x->type, value)));
}

static clstm_status code_mvn(emitter *e, emit_step *s) {
    static const int64_t usual[] = {0, 2, 3};
    const emit_value *x = s->in[0];
    size_t n = 3;
    const int64_t *axes = ir_attr_find(s->n, "axes") ? op_attr_ints(s->n, "axes", &n) : usual;
    const char *loops, *element;
    emit_walk w;
    emit_dim count;
    uint32_t mask = 0;
    UTIL_TRY(real_type(e, s));
    for (size_t k = 0; k < n; k++) mask |= 1u << (axes[k] < 0 ? axes[k] + x->rank : axes[k]);
    UTIL_TRY(emit_reduced_walk(e, x, mask, &w, &loops, &element, &count));
    const char *v = emit_load(e, x->type, emit_say(e, "%s[%s]", emit_x(e, s, 0), element)), *size = emit_size(e, &count);
    return emit_loops(e, &w, emit_say(e, "double mean = 0, square = 0;\n%s{\n    const double v = %s;\n    mean += v;\n    square += v * v;\n}\nmean /= %s;\nsquare = sqrt(square / %s - mean * mean) + 1e-9;\n%sy0[%s] = %s;",
                                      loops, v, size, size, loops, element, emit_store(e, x->type, emit_say(e, "(%s)((%s - mean) / square)", emit_ctype(emit_calc(x->type)), v))));
}

#define SAME(op, text) {.name = op, .shape = emit_shape_same, .code = text}
const emit_row emit_rows_norm[] = {
    SAME("Softmax", code_softmax), SAME("LogSoftmax", code_softmax), SAME("Hardmax", code_softmax), SAME("InstanceNormalization", code_instance), SAME("GroupNormalization", code_group),
    SAME("LpNormalization", code_lp), SAME("LRN", code_lrn), SAME("MeanVarianceNormalization", code_mvn), {.name = "LayerNormalization", .shape = shape_layer, .code = code_layer},
    {.name = "RMSNormalization", .shape = shape_layer, .code = code_layer}, {.name = "BatchNormalization", .shape = shape_batch, .code = code_batch}, {.name = NULL}};
