/* convert/emit_shape: sizes as values, and operators that only give elements another shape: no code, but symbolic sizes. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

/* The output's elements are those of input 0 in their order. */
static clstm_status same_elements(emitter *e, emit_step *s) {
    emit_value *v = s->out[0];
    int64_t n;
    if (!v) return CLSTM_OK;
    v->zero = s->in[0]->zero;
    if (!s->in[0]->known) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    if (v->known && emit_is_fixed(&v->count, &n)) memcpy(v->known, s->in[0]->known, (size_t)n * sizeof *v->known);
    return CLSTM_OK;
}

/* ---- Shape, Size ------------------------------------------------------------------------------------------------------------------------- */

static clstm_status shape_shape(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    bool limits = s->n->op->since >= 15;
    int64_t from = limits ? op_attr_int(s->n, "start") : 0;
    if (from < 0) from += x->rank;
    if (from < 0) from = 0;
    UTIL_TRY(emit_new_known(e, s->out[0]));
    for (int64_t k = 0, n = s->out[0]->trial[0]; s->out[0]->known && k < n; k++) s->out[0]->known[k] = x->dims[from + k];
    return CLSTM_OK;
}

static clstm_status shape_size(emitter *e, emit_step *s) {
    UTIL_TRY(emit_new_known(e, s->out[0]));
    if (s->out[0]->known) s->out[0]->known[0] = s->in[0]->count;
    return CLSTM_OK;
}

/* Known elements have no code. */
static clstm_status code_known(emitter *e, emit_step *s) { (void)s; return util_fail(e->err, CLSTM_INTERNAL, "sizes that are not known"); }

/* ---- Reshape, Flatten, Squeeze, Unsqueeze ---------------------------------------------------------------------------------------------------- */

/* The elements of the list that older opsets give as attribute and newer ones as input. */
static clstm_status list(emitter *e, emit_step *s, const char *name, int i, emit_dim *out, int *count) {
    int64_t n = 0;
    size_t many = 0;
    *count = -1;
    if (emit_has(s, i)) {
        if (!s->in[i]->known || !emit_is_fixed(&s->in[i]->count, &n) || n > CLSTM_MAX_RANK) return emit_pin(e, emit_step_symbols(s));
        memcpy(out, s->in[i]->known, (size_t)n * sizeof *out);
        *count = (int)n;
    } else if (ir_attr_find(s->n, name)) {
        const int64_t *v = op_attr_ints(s->n, name, &many);
        for (size_t k = 0; k < many && k < CLSTM_MAX_RANK; k++) out[k] = emit_fixed(v[k]);
        *count = (int)many;
    }
    return CLSTM_OK;
}

static clstm_status axes_of(emitter *e, emit_step *s, int rank, uint32_t *mask, bool *given) {
    emit_dim axes[CLSTM_MAX_RANK];
    int count;
    int64_t axis;
    UTIL_TRY(list(e, s, "axes", 1, axes, &count));
    *given = count >= 0;
    *mask = 0;
    for (int k = 0; k < count; k++) {
        if (!emit_is_fixed(&axes[k], &axis)) return emit_pin(e, emit_symbols(&axes[k]));
        *mask |= (uint32_t)1 << (axis < 0 ? axis + rank : axis);
    }
    return CLSTM_OK;
}

static clstm_status shape_reshape(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim want[CLSTM_MAX_RANK], rest;
    int count, open = -1;
    bool allow_zero = ir_attr_find(s->n, "allowzero") && op_attr_int(s->n, "allowzero");
    UTIL_TRY(list(e, s, "shape", 1, want, &count));
    if (count < 0) return emit_pin(e, emit_step_symbols(s));
    rest = x->count;
    for (int d = 0; d < count; d++) {
        if (emit_is(&want[d], 0) && !allow_zero && d < x->rank) want[d] = x->dims[d];
        if (emit_is(&want[d], -1)) { open = d; continue; }
        if (!emit_nonnegative(&want[d])) return emit_pin(e, emit_step_symbols(s));
        if (!emit_div(&rest, &want[d], &rest)) return emit_pin(e, emit_step_symbols(s));
    }
    if (open >= 0) want[open] = rest;
    else if (!emit_is(&rest, 1)) return emit_pin(e, emit_step_symbols(s));
    UTIL_TRY(emit_set(s, 0, count, want));
    return same_elements(e, s);
}

static clstm_status shape_flatten(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim dims[2];
    int axis = (int)op_attr_int(s->n, "axis");
    if (axis < 0) axis += x->rank;
    UTIL_TRY(emit_span(e, x->dims, 0, axis, &dims[0]));
    UTIL_TRY(emit_span(e, x->dims, axis, x->rank, &dims[1]));
    UTIL_TRY(emit_set(s, 0, 2, dims));
    return same_elements(e, s);
}

static clstm_status shape_squeeze(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim dims[CLSTM_MAX_RANK];
    uint32_t mask;
    bool given;
    int rank = 0;
    UTIL_TRY(axes_of(e, s, x->rank, &mask, &given));
    for (int d = 0; d < x->rank; d++) {
        /* whether an open dimension goes is a matter of its size */
        bool goes = given ? mask >> d & 1 : emit_is(&x->dims[d], 1);
        if (emit_symbols(&x->dims[d]) && (goes || !given)) return emit_pin(e, emit_symbols(&x->dims[d]));
        if (!goes) dims[rank++] = x->dims[d];
    }
    UTIL_TRY(emit_set(s, 0, rank, dims));
    return same_elements(e, s);
}

static clstm_status shape_unsqueeze(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim dims[CLSTM_MAX_RANK];
    uint32_t mask;
    bool given;
    int from = 0, rank = s->out[0]->rank;
    UTIL_TRY(axes_of(e, s, rank, &mask, &given));
    for (int d = 0; d < rank; d++) dims[d] = mask >> d & 1 ? emit_fixed(1) : x->dims[from++];
    UTIL_TRY(emit_set(s, 0, rank, dims));
    return same_elements(e, s);
}

static clstm_status shape_identity(emitter *e, emit_step *s) {
    UTIL_TRY(emit_shape_same(e, s));
    return same_elements(e, s);
}

/* At inference everything is kept: the mask is of ones. */
static clstm_status plan_dropout(emitter *e, emit_step *s) {
    (void)e;
    if (s->out[0]) s->out[0]->base = s->in[0];
    return CLSTM_OK;
}
static clstm_status code_dropout(emitter *e, emit_step *s) {
    const emit_value *mask = s->out[1];
    const char *one = emit_calc(mask->type) == mask->type ? "1" : emit_store(e, mask->type, "1.0f");
    emit_line(e, 1, "(void)%s;", emit_x(e, s, 0));
    emit_line(e, 1, "for (int i = 0; i < %s; i++) y1[i] = %s;", emit_size(e, &mask->count), one);
    return CLSTM_OK;
}

/* ---- ConstantOfShape, Expand ----------------------------------------------------------------------------------------------------------------- */

static clstm_status fill_value(const emit_step *s, const clstm_tensor **value) {
    const ir_attr *a = ir_attr_find(s->n, "value");
    *value = a ? &a->v.t->tensor : NULL;
    return CLSTM_OK;
}

static clstm_status shape_constant_of_shape(emitter *e, emit_step *s) {
    emit_value *v = s->out[0];
    const clstm_tensor *value;
    int64_t rank, n;
    if (!s->in[0]->known || !emit_is_fixed(&s->in[0]->count, &rank) || rank > CLSTM_MAX_RANK) return emit_pin(e, emit_step_symbols(s));
    UTIL_TRY(emit_set(s, 0, (int)rank, s->in[0]->known));
    UTIL_TRY(fill_value(s, &value));
    v->zero = !value || !value->data || tensor_get_double(value, 0) == 0;
    if (value && !value->data) v->zero = false;
    UTIL_TRY(emit_new_known(e, v));
    if (!v->known || !emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    for (int64_t i = 0; i < n; i++) v->known[i] = emit_fixed(value && value->data ? tensor_get_int(value, 0) : 0);
    return CLSTM_OK;
}

static clstm_status code_constant_of_shape(emitter *e, emit_step *s) {
    const clstm_tensor *value;
    emit_walk w = {.rank = 1, .n = 1, .dims = {s->out[0]->count}, .stride = {{emit_fixed(1)}}};
    UTIL_TRY(fill_value(s, &value));
    const char *text = value ? emit_literal(e, s->out[0]->type, value, 0) : "0";
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", value ? emit_store(e, s->out[0]->type, text) : text));
}

static clstm_status shape_expand(emitter *e, emit_step *s) {
    emit_dim dims[CLSTM_MAX_RANK];
    int64_t n, each;
    int rank;
    emit_value *v = s->out[0];
    if (!s->in[1]->known || !emit_is_fixed(&s->in[1]->count, &n) || n > CLSTM_MAX_RANK) return emit_pin(e, emit_step_symbols(s));
    UTIL_TRY(emit_broadcast(e, s->in[0]->rank, s->in[0]->dims, (int)n, s->in[1]->known, &rank, dims));
    UTIL_TRY(emit_set(s, 0, rank, dims));
    v->zero = s->in[0]->zero;
    if (!s->in[0]->known) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    emit_is_fixed(&s->in[0]->count, &each);
    if (!v->known || !emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    if (each != 1 && each != n) { v->known = NULL; return CLSTM_OK; }
    for (int64_t i = 0; i < n; i++) v->known[i] = s->in[0]->known[each == 1 ? 0 : i];
    return CLSTM_OK;
}

static clstm_status code_expand(emitter *e, emit_step *s) {
    const emit_value *y = s->out[0];
    emit_walk w = {.rank = y->rank, .n = 2};
    memcpy(w.dims, y->dims, (size_t)y->rank * sizeof *y->dims);
    UTIL_TRY(emit_strides(e, y->rank, y->dims, w.stride[0]));
    UTIL_TRY(emit_broadcast_strides(e, s->in[0], &w, w.stride[1]));
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s[@1];", emit_x(e, s, 0)));
}

#define VIEW(op, how, which) {.name = op, .shape = how, .code = code_known, .parameters = which, .flags = EMIT_VIEW}
const emit_row emit_rows_shape[] = {
    {.name = "Shape", .shape = shape_shape, .code = code_known, .parameters = 1}, {.name = "Size", .shape = shape_size, .code = code_known, .parameters = 1},
    VIEW("Reshape", shape_reshape, 2), VIEW("Flatten", shape_flatten, 0), VIEW("Squeeze", shape_squeeze, 2), VIEW("Unsqueeze", shape_unsqueeze, 2),
    VIEW("Identity", shape_identity, 0), {.name = "Dropout", .shape = shape_identity, .code = code_dropout, .plan = plan_dropout, .parameters = 6},
    {.name = "ConstantOfShape", .shape = shape_constant_of_shape, .code = code_constant_of_shape, .parameters = 1},
    {.name = "Expand", .shape = shape_expand, .code = code_expand, .parameters = 2}, {.name = NULL}};
