/* convert/emit_pick: elements picked and put by index: Gather, GatherElements, GatherND, ScatterND, ScatterElements, OneHot, Range, Trilu.
 * An index that is outside ends the run with its error. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

static int axis_of(const emit_step *s, int rank) {
    int axis = (int)op_attr_int(s->n, "axis");
    return axis < 0 ? axis + rank : axis;
}

/* Statements that read an index into `to` and check it. */
static const char *read_index(emitter *e, const char *to, const char *from, const emit_dim *n) {
    const char *size = emit_size(e, n);
    return emit_say(e, "int64_t %s = %s;\nif (%s < 0) %s += %s;\nif (%s < 0 || %s >= %s) { *bad = 1; return; }\n", to, from, to, to, size, to, to, size);
}

static clstm_status plan_fails(emitter *e, emit_step *s) { (void)e; s->fails = true; return CLSTM_OK; }

/* ---- Gather ---------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status shape_gather(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *index = s->in[1];
    emit_dim dims[2 * CLSTM_MAX_RANK];
    emit_value *v = s->out[0];
    int axis = axis_of(s, x->rank), rank = 0;
    int64_t n, all, at;
    for (int d = 0; d < axis; d++) dims[rank++] = x->dims[d];
    for (int d = 0; d < index->rank; d++) dims[rank++] = index->dims[d];
    for (int d = axis + 1; d < x->rank; d++) dims[rank++] = x->dims[d];
    UTIL_TRY(emit_set(s, 0, rank, dims));
    v->zero = x->zero;
    if (!x->known || x->rank != 1 || !index->known || !emit_is_fixed(&x->count, &all)) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    if (!v->known || !emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    for (int64_t i = 0; i < n; i++) {
        if (!emit_is_fixed(&index->known[i], &at) || at < -all || at >= all) { v->known = NULL; return CLSTM_OK; }
        v->known[i] = x->known[at < 0 ? at + all : at];
    }
    return CLSTM_OK;
}

/* One known place in front of everything else is a view. */
static clstm_status plan_gather(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *index = s->in[1];
    int axis = axis_of(s, x->rank);
    int64_t at, n;
    emit_dim outer, inner, place;
    s->fails = true;
    UTIL_TRY(emit_span(e, x->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, x->dims, axis + 1, x->rank, &inner));
    if (!index->known || !emit_is(&index->count, 1) || !emit_is_fixed(&index->known[0], &at) || !emit_is(&outer, 1) || !emit_is_fixed(&x->dims[axis], &n)) return CLSTM_OK;
    if (at < 0) at += n;
    if (at < 0 || at >= n) return CLSTM_OK;
    place = emit_fixed(at);
    UTIL_TRY(emit_times(e, &place, &inner, &s->out[0]->offset));
    s->out[0]->base = s->in[0];
    return CLSTM_OK;
}

static clstm_status code_gather(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *index = s->in[1];
    int axis = axis_of(s, x->rank);
    emit_dim outer, inner, block, whole;
    UTIL_TRY(emit_span(e, x->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, x->dims, axis + 1, x->rank, &inner));
    UTIL_TRY(emit_times(e, &inner, &x->dims[axis], &block));
    UTIL_TRY(emit_times(e, &inner, &index->count, &whole));
    emit_walk w = {.rank = 2, .n = 3, .dims = {outer, index->count}, .stride = {{whole, inner}, {block, emit_fixed(0)}, {emit_fixed(0), emit_fixed(1)}}};
    const char *size = emit_size(e, &inner);
    return emit_loops(e, &w, emit_say(e, "%sfor (int k = 0; k < %s; k++) y0[@0 + k] = %s[@1 + at * %s + k];", read_index(e, "at", emit_say(e, "%s[@2]", emit_x(e, s, 1)), &x->dims[axis]), size,
                                      emit_x(e, s, 0), size));
}

/* ---- GatherElements, ScatterElements ---------------------------------------------------------------------------------------------------------- */

/* The walk over the indices; operand 1 moves in the data, but not along the axis. */
static clstm_status element_walk(emitter *e, const emit_step *s, emit_walk *w, const char **step) {
    const emit_value *x = s->in[0], *index = s->in[1];
    int axis = axis_of(s, x->rank);
    *w = (emit_walk){.rank = x->rank, .n = 2};
    memcpy(w->dims, index->dims, sizeof index->dims);
    UTIL_TRY(emit_strides(e, x->rank, index->dims, w->stride[0]));
    UTIL_TRY(emit_strides(e, x->rank, x->dims, w->stride[1]));
    *step = emit_size(e, &w->stride[1][axis]);
    w->stride[1][axis] = emit_fixed(0);
    return CLSTM_OK;
}

static clstm_status code_gather_elements(emitter *e, emit_step *s) {
    emit_walk w;
    const char *step;
    UTIL_TRY(element_walk(e, s, &w, &step));
    const char *index = read_index(e, "at", emit_say(e, "%s[@0]", emit_x(e, s, 1)), &s->in[0]->dims[axis_of(s, s->in[0]->rank)]);
    return emit_loops(e, &w, emit_say(e, "%sy0[@0] = %s[@1 + at * %s];", index, emit_x(e, s, 0), step));
}

static clstm_status copy_data(emitter *e, emit_step *s) {
    emit_walk w = {.rank = 1, .n = 1, .dims = {s->out[0]->count}, .stride = {{emit_fixed(1)}}};
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s[@0];", emit_x(e, s, 0)));
}

/* How an update u joins what is at y: NaN stays, integers wrap, bools are and'ed and or'ed. */
static const char *joined(emitter *e, const emit_step *s, const char *y, const char *u) {
    const char *how = ir_attr_find(s->n, "reduction") ? op_word(s->n, "reduction", "none") : "none", *T;
    clstm_type type = s->in[0]->type, calc = emit_calc(type);
    bool real = calc == CLSTM_FLOAT || calc == CLSTM_DOUBLE;
    if (!strcmp(how, "none")) return emit_say(e, "%s = %s;", y, u);
    const char *a = emit_load(e, type, y), *b = emit_load(e, type, u);
    T = emit_ctype(calc);
    if (type == CLSTM_BOOL) return emit_say(e, "%s %s= %s;", y, !strcmp(how, "add") || !strcmp(how, "max") ? "|" : "&", u);
    if (how[0] == 'a' || !strcmp(how, "mul")) {
        const char *sign = how[0] == 'a' ? "+" : "*";
        return emit_say(e, "%s = %s;", y, real ? emit_store(e, type, emit_say(e, "%s %s %s", a, sign, b)) : emit_say(e, "(%s)((uint64_t)%s %s (uint64_t)%s)", T, a, sign, b));
    }
    return emit_say(e, "if (%s %s %s%s) %s = %s;", a, !strcmp(how, "max") ? "<" : ">", b, real ? emit_say(e, " || %s != %s", b, b) : "", y, u);
}

static clstm_status code_scatter_elements(emitter *e, emit_step *s) {
    emit_walk w;
    const char *step;
    UTIL_TRY(copy_data(e, s));
    UTIL_TRY(element_walk(e, s, &w, &step));
    const char *index = read_index(e, "at", emit_say(e, "%s[@0]", emit_x(e, s, 1)), &s->in[0]->dims[axis_of(s, s->in[0]->rank)]);
    return emit_loops(e, &w, emit_say(e, "%s%s", index, joined(e, s, emit_say(e, "y0[@1 + at * %s]", step), emit_say(e, "%s[@0]", emit_x(e, s, 2)))));
}

/* ---- GatherND, ScatterND: the index's last dimension is a place in the data's first ------------------------------------------------------------- */

static clstm_status tuple_walk(emitter *e, const emit_step *s, int batch, emit_walk *w, const char **at, const char **block) {
    const emit_value *x = s->in[0], *index = s->in[1];
    int64_t depth;
    emit_dim stride[CLSTM_MAX_RANK], inner, tuples, behind;
    if (!emit_is_fixed(&index->dims[index->rank - 1], &depth)) return emit_pin(e, emit_step_symbols(s));
    UTIL_TRY(emit_strides(e, x->rank, x->dims, stride));
    UTIL_TRY(emit_span(e, x->dims, batch + (int)depth, x->rank, &inner));
    UTIL_TRY(emit_span(e, index->dims, 0, batch, &tuples));
    UTIL_TRY(emit_span(e, index->dims, batch, index->rank - 1, &behind));
    *w = (emit_walk){.rank = 2, .n = 3, .dims = {tuples, behind}};
    UTIL_TRY(emit_times(e, &behind, &inner, &w->stride[0][0]));
    w->stride[0][1] = inner;
    UTIL_TRY(emit_span(e, x->dims, batch, x->rank, &w->stride[1][0]));
    w->stride[2][1] = emit_fixed(depth);
    UTIL_TRY(emit_times(e, &behind, &w->stride[2][1], &w->stride[2][0]));
    *at = "";
    const char *place = "@1";
    for (int64_t k = 0; k < depth; k++) {
        *at = emit_say(e, "%s%s", *at, read_index(e, emit_say(e, "at%lld", (long long)k), emit_say(e, "%s[@2 + %lld]", emit_x(e, s, 1), (long long)k), &x->dims[batch + k]));
        place = emit_say(e, "%s + at%lld * %s", place, (long long)k, emit_size(e, &stride[batch + k]));
    }
    *at = emit_say(e, "%sconst int64_t place = %s;\n", *at, place);
    *block = emit_size(e, &inner);
    return CLSTM_OK;
}

static clstm_status code_gather_nd(emitter *e, emit_step *s) {
    emit_walk w;
    const char *at, *block;
    int batch = ir_attr_find(s->n, "batch_dims") ? (int)op_attr_int(s->n, "batch_dims") : 0;
    UTIL_TRY(tuple_walk(e, s, batch, &w, &at, &block));
    return emit_loops(e, &w, emit_say(e, "%sfor (int k = 0; k < %s; k++) y0[@0 + k] = %s[place + k];", at, block, emit_x(e, s, 0)));
}

static clstm_status code_scatter_nd(emitter *e, emit_step *s) {
    emit_walk w;
    const char *at, *block;
    UTIL_TRY(copy_data(e, s));
    UTIL_TRY(tuple_walk(e, s, 0, &w, &at, &block));
    return emit_loops(e, &w, emit_say(e, "%sfor (int k = 0; k < %s; k++) %s", at, block, joined(e, s, "y0[place + k]", emit_say(e, "%s[@0 + k]", emit_x(e, s, 2)))));
}

/* ---- OneHot ------------------------------------------------------------------------------------------------------------------------------------ */

static clstm_status shape_one_hot(emitter *e, emit_step *s) {
    const emit_value *index = s->in[0];
    emit_dim dims[CLSTM_MAX_RANK + 1];
    int axis = axis_of(s, index->rank + 1);
    if (!s->in[1]->known) return emit_refuse(e, "OneHot with a depth that only the run knows");
    for (int d = 0; d <= index->rank; d++) dims[d] = d < axis ? index->dims[d] : d == axis ? s->in[1]->known[0] : index->dims[d - 1];
    return emit_set(s, 0, index->rank + 1, dims);
}

/* An index outside is nowhere hot. */
static clstm_status code_one_hot(emitter *e, emit_step *s) {
    const emit_value *index = s->in[0], *y = s->out[0];
    int axis = axis_of(s, y->rank);
    emit_dim outer, inner, block;
    UTIL_TRY(emit_span(e, y->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, y->dims, axis + 1, y->rank, &inner));
    UTIL_TRY(emit_times(e, &inner, &y->dims[axis], &block));
    emit_walk w = {.rank = 2, .n = 2, .dims = {outer, inner}, .stride = {{block, emit_fixed(1)}, {inner, emit_fixed(1)}}};
    const char *depth = emit_size(e, &y->dims[axis]), *values = emit_x(e, s, 2);
    const char *at = emit_say(e, "const int64_t at = (int64_t)%s;\n", emit_load(e, index->type, emit_say(e, "%s[@1]", emit_x(e, s, 0))));
    return emit_loops(e, &w, emit_say(e, "%sfor (int k = 0; k < %s; k++) y0[@0 + k * %s] = %s[k == at || k == at + %s];", at, depth, emit_size(e, &inner), values, depth));
}

/* ---- Range, Trilu -------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status code_range(emitter *e, emit_step *s) {
    clstm_type type = s->out[0]->type;
    const char *T = emit_ctype(emit_calc(type)), *x[2];
    for (int i = 0; i < 2; i++) x[i] = emit_load(e, type, emit_say(e, "%s[0]", emit_x(e, s, 2 * i)));
    emit_line(e, 1, "for (int i = 0; i < %s; i++) y0[i] = %s;", emit_size(e, &s->out[0]->count), emit_store(e, type, emit_say(e, "(%s)(%s + (%s)i * %s)", T, x[0], T, x[1])));
    return CLSTM_OK;
}

static clstm_status plan_trilu(emitter *e, emit_step *s) {
    return emit_has(s, 1) && !emit_is(&s->in[1]->count, 1) ? emit_refuse(e, "Trilu with a diagonal of more or less than one element") : CLSTM_OK;
}

static clstm_status code_trilu(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim rows, zero = emit_fixed(0);
    UTIL_TRY(emit_span(e, x->dims, 0, x->rank - 2, &rows));
    bool of_run = emit_has(s, 1) && !s->in[1]->known;
    const char *k = of_run ? "x1[0]" : emit_size(e, emit_has(s, 1) ? &s->in[1]->known[0] : &zero), *n = emit_size(e, &x->dims[x->rank - 2]), *m = emit_size(e, &x->dims[x->rank - 1]);
    emit_line(e, 1, "for (int r = 0, at = 0; r < %s; r++)", emit_size(e, &rows));
    emit_line(e, 2, "for (int i = 0; i < %s; i++)", n);
    emit_line(e, 3, "for (int j = 0; j < %s; j++, at++) y0[at] = j - i %s %s ? %s[at] : 0;", m, op_attr_int(s->n, "upper") ? ">=" : "<=", k, emit_x(e, s, 0));
    return CLSTM_OK;
}

const emit_row emit_rows_pick[] = {
    {.name = "Gather", .shape = shape_gather, .code = code_gather, .plan = plan_gather}, {.name = "GatherElements", .code = code_gather_elements, .plan = plan_fails},
    {.name = "ScatterElements", .code = code_scatter_elements, .plan = plan_fails}, {.name = "Scatter", .code = code_scatter_elements, .plan = plan_fails},
    {.name = "GatherND", .code = code_gather_nd, .plan = plan_fails}, {.name = "ScatterND", .code = code_scatter_nd, .plan = plan_fails},
    {.name = "OneHot", .shape = shape_one_hot, .code = code_one_hot, .parameters = 2}, {.name = "Range", .code = code_range, .parameters = 2}, {.name = "Trilu", .shape = emit_shape_same, .code = code_trilu, .plan = plan_trilu}, {.name = NULL}};
