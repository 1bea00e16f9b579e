/* convert/emit_reduce: reductions over axes, ArgMax and ArgMin, CumSum and CumProd, TopK. Sums of floating point are double, as in the runtime. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

/* Bit d: dimension d is taken in. */
static clstm_status axes_mask(emitter *e, const emit_step *s, uint32_t *mask) {
    int rank = s->in[0]->rank;
    int64_t n = 0, axis;
    size_t many = 0;
    *mask = 0;
    const int64_t *old = ir_attr_find(s->n, "axes") ? op_attr_ints(s->n, "axes", &many) : NULL;
    if (emit_has(s, 1)) {
        if (!s->in[1]->known) return emit_refuse(e, "axes that only the run knows");
        emit_is_fixed(&s->in[1]->count, &n);
    } else n = (int64_t)many;
    for (int64_t k = 0; k < n; k++) {
        if (old) axis = old[k];
        else if (!emit_is_fixed(&s->in[1]->known[k], &axis)) return emit_pin(e, emit_symbols(&s->in[1]->known[k]));
        *mask |= 1u << (axis < 0 ? axis + rank : axis);
    }
    if (!n && !(op_attr_given(s->n, "noop_with_empty_axes") && op_attr_int(s->n, "noop_with_empty_axes"))) *mask = (1u << rank) - 1;
    return CLSTM_OK;
}

static clstm_status set_reduced(emit_step *s, uint32_t mask) {
    emit_dim dims[CLSTM_MAX_RANK];
    int rank = 0;
    bool keep = op_attr_int(s->n, "keepdims") != 0;
    for (int d = 0; d < s->in[0]->rank; d++) {
        if (!(mask >> d & 1)) dims[rank++] = s->in[0]->dims[d];
        else if (keep) dims[rank++] = emit_fixed(1);
    }
    return emit_set(s, 0, rank, dims);
}

static clstm_status shape_reduce(emitter *e, emit_step *s) {
    uint32_t mask;
    emit_value *v = s->out[0];
    int64_t n;
    UTIL_TRY(axes_mask(e, s, &mask));
    UTIL_TRY(set_reduced(s, mask));
    if (strcmp(s->row->name, "ReduceProd") != 0 || !s->in[0]->known || s->in[0]->rank != 1 || mask != 1 || !emit_is_fixed(&s->in[0]->count, &n)) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    if (v->known) v->known[0] = emit_fixed(1);
    for (int64_t i = 0; v->known && i < n; i++) UTIL_TRY(emit_times(e, &v->known[0], &s->in[0]->known[i], &v->known[0]));
    return CLSTM_OK;
}

clstm_status emit_reduced_walk(emitter *e, const emit_value *x, uint32_t mask, emit_walk *w, const char **loops, const char **element, emit_dim *count) {
    emit_dim stride[CLSTM_MAX_RANK], kept[CLSTM_MAX_RANK], own[CLSTM_MAX_RANK];
    *w = (emit_walk){.n = 2};
    *loops = "";
    *element = "@1";
    *count = emit_fixed(1);
    UTIL_TRY(emit_strides(e, x->rank, x->dims, stride));
    for (int d = 0; d < x->rank; d++) {
        if (!(mask >> d & 1)) {
            kept[w->rank] = x->dims[d];
            w->stride[1][w->rank++] = stride[d];
            continue;
        }
        UTIL_TRY(emit_times(e, count, &x->dims[d], count));
        *loops = emit_say(e, "%sfor (int k%d = 0; k%d < %s; k%d++) ", *loops, d, d, emit_size(e, &x->dims[d]), d);
        *element = emit_say(e, "%s + k%d * %s", *element, d, emit_size(e, &stride[d]));
    }
    memcpy(w->dims, kept, sizeof kept);
    UTIL_TRY(emit_strides(e, w->rank, kept, own));
    memcpy(w->stride[0], own, sizeof own);
    return CLSTM_OK;
}

static clstm_status code_reduce(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    uint32_t mask;
    emit_walk w;
    emit_dim count;
    const char *loops, *element, *step, *finish = "sum", *start = "0", *before = "", *name = s->row->name + 6;
    clstm_type calc = emit_calc(x->type);
    bool real = calc == CLSTM_FLOAT || calc == CLSTM_DOUBLE, extreme = !strcmp(name, "Max") || !strcmp(name, "Min");
    UTIL_TRY(axes_mask(e, s, &mask));
    UTIL_TRY(emit_reduced_walk(e, x, mask, &w, &loops, &element, &count));
    if (!real && strcmp(name, "Sum") != 0 && strcmp(name, "Prod") != 0 && !extreme) return emit_refuse(e, emit_say(e, "%s of %s", s->row->name, clstm_type_name(x->type)));
    const char *n = emit_size(e, &count), *T = real ? "double" : extreme ? emit_ctype(x->type) : clstm_type_size(x->type) > 4 ? "uint64_t" : "uint32_t";
    const char *v = emit_load(e, x->type, emit_say(e, "%s[%s]", emit_x(e, s, 0), element));
    if (!real && !extreme) v = emit_say(e, "(%s)%s", T, v);
    if (!strcmp(name, "Sum")) step = emit_say(e, "sum += %s;", v);
    else if (!strcmp(name, "Mean")) { step = emit_say(e, "sum += %s;", v); finish = emit_say(e, "sum / %s", n); }
    else if (!strcmp(name, "Prod")) { step = emit_say(e, "sum *= %s;", v); start = "1"; }
    else if (extreme && real) { step = emit_say(e, "if (%s %s sum || %s != %s) sum = %s;", v, name[1] == 'a' ? ">" : "<", v, v, v); start = name[1] == 'a' ? "-INFINITY" : "INFINITY"; }
    else if (extreme) {
        step = emit_say(e, "if (%s %s sum) sum = %s;", v, name[1] == 'a' ? ">" : "<", v);
        start = emit_say(e, "%s[@1]", emit_x(e, s, 0));
    } else if (!strcmp(name, "L1")) step = emit_say(e, "sum += fabs((double)%s);", v);
    else if (!strcmp(name, "SumSquare")) step = emit_say(e, "sum += (double)%s * %s;", v, v);
    else if (!strcmp(name, "L2")) { step = emit_say(e, "sum += (double)%s * %s;", v, v); finish = "sqrt(sum)"; }
    else if (!strcmp(name, "LogSum")) { step = emit_say(e, "sum += %s;", v); finish = "log(sum)"; }
    else {
        before = emit_say(e, "double top = -INFINITY;\n%sif (%s > top || %s != %s) top = %s;\n", loops, v, v, v, v);
        step = emit_say(e, "sum += %s == top ? 1 : exp((double)%s - top);", v, v);
        finish = "top + log(sum)";
    }
    return emit_loops(e, &w, emit_say(e, "%s%s sum = %s;\n%s%s\ny0[@0] = %s;", before, T, start, loops, step,
                                      emit_store(e, x->type, emit_say(e, "(%s)(%s)", emit_ctype(calc), finish))));
}

/* ---- ArgMax, ArgMin ------------------------------------------------------------------------------------------------------------------------------- */

static int axis_of(const emit_step *s) {
    int axis = (int)op_attr_int(s->n, "axis");
    return axis < 0 ? axis + s->in[0]->rank : axis;
}

static uint32_t arg_mask(const emit_step *s) { return 1u << axis_of(s); }
static clstm_status shape_arg(emitter *e, emit_step *s) { (void)e; return set_reduced(s, arg_mask(s)); }

static clstm_status code_arg(emitter *e, emit_step *s) {
    emit_walk w;
    emit_dim count;
    const char *loops, *element;
    bool last = op_attr_given(s->n, "select_last_index") && op_attr_int(s->n, "select_last_index"), max = s->row->name[4] == 'a';
    int axis = 0;
    while (arg_mask(s) >> axis != 1) axis++;
    UTIL_TRY(emit_reduced_walk(e, s->in[0], arg_mask(s), &w, &loops, &element, &count));
    const emit_value *x = s->in[0];
    const char *T = emit_ctype(emit_calc(x->type)), *v = emit_load(e, x->type, emit_say(e, "%s[%s]", emit_x(e, s, 0), element)), *first = emit_load(e, x->type, emit_say(e, "%s[@1]", emit_x(e, s, 0)));
    /* the first NaN wins */
    const char *nan = emit_calc(x->type) == CLSTM_FLOAT || x->type == CLSTM_DOUBLE ? "(best == best && v != v) || " : "";
    return emit_loops(e, &w, emit_say(e, "int at = 0;\n%s best = %s;\n%s{\n    const %s v = %s;\n    if (%sv %s%s best) { best = v; at = k%d; }\n}\ny0[@0] = at;", T, first, loops, T, v, nan, max ? ">" : "<",
                                      last ? "=" : "", axis));
}

/* ---- CumSum, CumProd: along lines of n elements. The axis may be the run's ---------------------------------------------------------------------------- */

static clstm_status plan_cumulative(emitter *e, emit_step *s) {
    (void)e;
    s->fails = !s->in[1]->known;
    return emit_is(&s->in[1]->count, 1) ? CLSTM_OK : emit_refuse(e, "axis of more or less than one element");
}

static clstm_status code_cumulative(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    int64_t axis = 0;
    emit_dim span[3] = {emit_fixed(1), emit_fixed(1), emit_fixed(1)};
    if (s->in[1]->known) {
        if (!emit_is_fixed(&s->in[1]->known[0], &axis)) return emit_pin(e, emit_symbols(&s->in[1]->known[0]));
        if (axis < -x->rank || axis >= x->rank) return emit_refuse(e, emit_say(e, "%s along an axis that the input does not have", s->row->name));
        if (axis < 0) axis += x->rank;
        UTIL_TRY(emit_span(e, x->dims, 0, (int)axis, &span[0]));
        span[1] = x->dims[axis];
        UTIL_TRY(emit_span(e, x->dims, (int)axis + 1, x->rank, &span[2]));
        emit_line(e, 1, "const int outer = %s, n = %s, inner = %s;", emit_size(e, &span[0]), emit_size(e, &span[1]), emit_size(e, &span[2]));
    } else {
        emit_line(e, 1, "const int64_t given = x1[0], axis = given < 0 ? given + %d : given;", x->rank);
        emit_line(e, 1, "int outer = 1, n = 1, inner = 1;");
        emit_line(e, 1, "if (axis < 0 || axis >= %d) { *bad = 1; return; }", x->rank);
        for (int d = 0; d < x->rank; d++) emit_line(e, 1, "*(axis > %d ? &outer : axis == %d ? &n : &inner) *= %s;", d, d, emit_size(e, &x->dims[d]));
    }
    clstm_type calc = emit_calc(x->type);
    bool real = calc == CLSTM_FLOAT || calc == CLSTM_DOUBLE, product = s->row->name[3] == 'P', exclusive = op_attr_int(s->n, "exclusive") != 0;
    const char *v = emit_load(e, x->type, emit_say(e, "%s[at]", emit_x(e, s, 0))), *T = real ? "double" : "uint64_t", *to = real ? emit_store_double(e, x->type, "sum") : emit_say(e, "(%s)sum", emit_ctype(x->type));
    const char *add = emit_say(e, "sum %s= (%s)%s;", product ? "*" : "+", T, v), *put = emit_say(e, "y0[at] = %s;", to);
    emit_line(e, 1, "for (int o = 0; o < outer; o++)");
    emit_line(e, 2, "for (int i = 0; i < inner; i++) {");
    emit_line(e, 3, "%s sum = %d;", T, product);
    emit_line(e, 3, "for (int k = 0; k < n; k++) {");
    emit_line(e, 4, "const int at = (o * n + %s) * inner + i;", op_attr_int(s->n, "reverse") ? "n - 1 - k" : "k");
    emit_line(e, 4, "%s", exclusive ? put : add);
    emit_line(e, 4, "%s", exclusive ? add : put);
    emit_line(e, 3, "}");
    emit_line(e, 2, "}");
    return CLSTM_OK;
}

/* ---- TopK: k times the best of those that come after the one before ------------------------------------------------------------------------------ */

static clstm_status shape_topk(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    emit_dim dims[CLSTM_MAX_RANK], rest;
    int axis = axis_of(s);
    if (emit_has(s, 1) && !s->in[1]->known) return emit_refuse(e, "TopK with a k that only the run knows");
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = emit_has(s, 1) ? s->in[1]->known[0] : emit_fixed(op_attr_int(s->n, "k"));
    UTIL_TRY(emit_sum(e, &x->dims[axis], -1, &dims[axis], &rest));
    UTIL_TRY(emit_require(e, &rest));
    UTIL_TRY(emit_set(s, 0, x->rank, dims));
    return emit_set(s, 1, x->rank, dims);
}

/* a stands before b whatever their places; NaN counts as the largest. */
static const char *better(emitter *e, const emit_step *s, const char *a, const char *b) {
    clstm_type type = emit_calc(s->in[0]->type);
    bool real = type == CLSTM_FLOAT || type == CLSTM_DOUBLE, large = !ir_attr_find(s->n, "largest") || op_attr_int(s->n, "largest");
    const char *more = large ? a : b, *less = large ? b : a;
    return real ? emit_say(e, "(%s > %s || (%s != %s && %s == %s))", more, less, more, more, less, less) : emit_say(e, "(%s > %s)", more, less);
}

static clstm_status code_topk(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *y = emit_gives(s, 0) ? s->out[0] : s->out[1];
    emit_walk w = {.rank = x->rank, .n = 2};
    int axis = axis_of(s);
    memcpy(w.dims, x->dims, sizeof x->dims);
    w.dims[axis] = emit_fixed(1);
    UTIL_TRY(emit_strides(e, y->rank, y->dims, w.stride[0]));
    UTIL_TRY(emit_strides(e, x->rank, x->dims, w.stride[1]));
    const char *T = emit_ctype(emit_calc(x->type)), *step = emit_size(e, &w.stride[1][axis]), *to = emit_say(e, "@0 + j * %s", emit_size(e, &w.stride[0][axis]));
    const char *v = emit_load(e, x->type, emit_say(e, "%s[@1 + i * %s]", emit_x(e, s, 0), step)), *put = "";
    if (emit_gives(s, 0)) put = emit_say(e, "    y0[%s] = %s[@1 + last * %s];\n", to, emit_x(e, s, 0), step);
    if (emit_gives(s, 1)) put = emit_say(e, "%s    y1[%s] = last;\n", put, to);
    return emit_loops(e, &w, emit_say(e, "%s low = 0;\nfor (int j = 0, last = -1; j < %s; j++) {\n    %s top = 0;\n    int best = -1;\n    for (int i = 0; i < %s; i++) {\n"
                                      "        const %s v = %s;\n        if (last >= 0 && !%s && (%s || i <= last)) continue;\n"
                                      "        if (best < 0 || %s) { best = i; top = v; }\n    }\n    last = best;\n    low = top;\n%s}",
                                      T, emit_size(e, &y->dims[axis]), T, emit_size(e, &x->dims[axis]), T, v, better(e, s, "low", "v"), better(e, s, "v", "low"),
                                      better(e, s, "v", "top"), put));
}

#define REDUCE(op) {.name = op, .shape = shape_reduce, .code = code_reduce, .parameters = 2}
#define CUMULATIVE(op) {.name = op, .shape = emit_shape_same, .code = code_cumulative, .plan = plan_cumulative}
const emit_row emit_rows_reduce[] = {
    REDUCE("ReduceSum"), REDUCE("ReduceMean"), REDUCE("ReduceProd"), REDUCE("ReduceMax"), REDUCE("ReduceMin"), REDUCE("ReduceL1"), REDUCE("ReduceL2"), REDUCE("ReduceSumSquare"),
    REDUCE("ReduceLogSum"), REDUCE("ReduceLogSumExp"), {.name = "ArgMax", .shape = shape_arg, .code = code_arg}, {.name = "ArgMin", .shape = shape_arg, .code = code_arg},
    CUMULATIVE("CumSum"), CUMULATIVE("CumProd"), {.name = "TopK", .shape = shape_topk, .code = code_topk, .parameters = 2},
    {.name = NULL}};
