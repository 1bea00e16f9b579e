/* convert/emit_move: operators that move elements: Transpose, Slice, Split, Concat, Pad, Tile, Gather by a known place. A part that lies
 * in one piece is a view. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

static int axis_of(const emit_step *s, int rank) {
    int axis = (int)op_attr_int(s->n, "axis");
    return axis < 0 ? axis + rank : axis;
}

/* Copies y[@0] = x[@1] over the walk. */
static clstm_status copy(emitter *e, emit_walk *w, const char *y, const char *x) {
    w->n = 2;
    return emit_loops(e, w, emit_say(e, "%s[@0] = %s[@1];", y, x));
}

static void cover(emit_walk *w, int rank, const emit_dim *dims) {
    memset(w, 0, sizeof *w);
    w->rank = rank;
    memcpy(w->dims, dims, (size_t)rank * sizeof *dims);
}

/* ---- Transpose ------------------------------------------------------------------------------------------------------------------------------ */

static int permuted(const emit_step *s, int d) { return op_permuted(s->n, s->in[0]->rank, d); }

static clstm_status shape_transpose(emitter *e, emit_step *s) {
    emit_dim dims[CLSTM_MAX_RANK];
    (void)e;
    for (int d = 0; d < s->in[0]->rank; d++) dims[d] = s->in[0]->dims[permuted(s, d)];
    s->out[0]->zero = s->in[0]->zero;
    return emit_set(s, 0, s->in[0]->rank, dims);
}

/* Dimensions of one element go anywhere: the others must keep their order. */
static clstm_status plan_transpose(emitter *e, emit_step *s) {
    int last = -1;
    (void)e;
    for (int d = 0; d < s->in[0]->rank; d++) {
        int p = permuted(s, d);
        if (emit_is(&s->in[0]->dims[p], 1)) continue;
        if (p < last) return CLSTM_OK;
        last = p;
    }
    s->out[0]->base = s->in[0];
    return CLSTM_OK;
}

static clstm_status code_transpose(emitter *e, emit_step *s) {
    emit_walk w;
    emit_dim from[CLSTM_MAX_RANK];
    cover(&w, s->out[0]->rank, s->out[0]->dims);
    UTIL_TRY(emit_strides(e, w.rank, w.dims, w.stride[0]));
    UTIL_TRY(emit_strides(e, s->in[0]->rank, s->in[0]->dims, from));
    for (int d = 0; d < w.rank; d++) w.stride[1][d] = from[permuted(s, d)];
    return copy(e, &w, "y0", emit_x(e, s, 0));
}

/* ---- Slice ------------------------------------------------------------------------------------------------------------------------------------ */

typedef struct cuts { emit_dim start[CLSTM_MAX_RANK], count[CLSTM_MAX_RANK]; int64_t step[CLSTM_MAX_RANK]; } cuts;

static int64_t clamp(int64_t v, int64_t low, int64_t high) { return v > high ? high : v < low ? low : v; }

static void cut_fixed(int64_t n, int64_t start, int64_t end, int64_t step, emit_dim *from, emit_dim *count) {
    if (start < 0) start += n;
    if (end < 0) end += n;
    start = step > 0 ? clamp(start, 0, n) : clamp(start, n ? 0 : -1, n - 1);
    end = step > 0 ? clamp(end, 0, n) : clamp(end, -1, n - 1);
    int64_t way = step > 0 ? end - start : start - end, by = step > 0 ? step : -step;
    *from = emit_fixed(start);
    *count = emit_fixed(way > 0 ? (way - 1) / by + 1 : 0);
}

/* A bound of a dimension of open size n, as an index in [0, n] for every size that emit_require lets through. */
static clstm_status bound(emitter *e, const emit_dim *n, const emit_dim *v, bool end, emit_dim *out) {
    emit_dim room, over;
    int64_t x;
    if (emit_is_fixed(v, &x)) {
        if (end && x >= INT32_MAX) { *out = *n; return CLSTM_OK; }
        if (x >= 0 && (!end || x == 0)) {           /* a start behind the end of a small size would be moved to it */
            *out = *v;
            UTIL_TRY(emit_sum(e, n, -1, v, &room));
            return emit_require(e, &room);
        }
        if (x >= 0) return emit_pin(e, emit_symbols(n));
        UTIL_TRY(emit_sum(e, n, 1, v, out));
        return emit_require(e, out);
    }
    UTIL_TRY(emit_sum(e, n, -1, v, &room));
    UTIL_TRY(emit_sum(e, v, -1, n, &over));
    if (emit_nonnegative(v) && emit_nonnegative(&room)) *out = *v;
    else if (emit_nonnegative(&over)) *out = *n;
    else return emit_pin(e, emit_symbols(n) | emit_symbols(v));
    return CLSTM_OK;
}

static clstm_status cut(emitter *e, const emit_dim *n, const emit_dim *start, const emit_dim *end, int64_t step, emit_dim *from, emit_dim *count) {
    int64_t fn, fs, fe;
    emit_dim to;
    if (emit_is_fixed(n, &fn) && emit_is_fixed(start, &fs) && emit_is_fixed(end, &fe)) { cut_fixed(fn, fs, fe, step, from, count); return CLSTM_OK; }
    if (step != 1) return emit_pin(e, emit_symbols(n) | emit_symbols(start) | emit_symbols(end));
    UTIL_TRY(bound(e, n, start, false, from));
    UTIL_TRY(bound(e, n, end, true, &to));
    return emit_sum(e, &to, -1, from, count);
}

/* List i of Slice as known elements; NULL: absent. */
static clstm_status slice_list(emitter *e, emit_step *s, const char *name, int i, emit_dim *room, const emit_dim **out, int64_t *count) {
    size_t n;
    *out = NULL;
    if (emit_has(s, i)) {
        if (!s->in[i]->known || !emit_is_fixed(&s->in[i]->count, count)) return emit_pin(e, emit_step_symbols(s));
        *out = s->in[i]->known;
    } else if (ir_attr_find(s->n, name)) {
        const int64_t *v = op_attr_ints(s->n, name, &n);
        for (size_t k = 0; k < n && k < CLSTM_MAX_RANK; k++) room[k] = emit_fixed(v[k]);
        *count = (int64_t)n;
        *out = room;
    }
    return CLSTM_OK;
}

static clstm_status read_cuts(emitter *e, emit_step *s, cuts *c) {
    const emit_value *x = s->in[0];
    static const char *const names[4] = {"starts", "ends", "axes", "steps"};
    emit_dim room[4][CLSTM_MAX_RANK];
    const emit_dim *list[4];
    int64_t n = 0, ignored, axis, step;
    for (int k = 0; k < 4; k++) UTIL_TRY(slice_list(e, s, names[k], k + 1, room[k], &list[k], k ? &ignored : &n));
    for (int d = 0; d < x->rank; d++) { c->start[d] = emit_fixed(0); c->count[d] = x->dims[d]; c->step[d] = 1; }
    for (int64_t k = 0; k < n; k++) {
        axis = k;
        step = 1;
        if ((list[2] && !emit_is_fixed(&list[2][k], &axis)) || (list[3] && !emit_is_fixed(&list[3][k], &step))) return emit_pin(e, emit_step_symbols(s));
        if (axis < 0) axis += x->rank;
        c->step[axis] = step;
        UTIL_TRY(cut(e, &x->dims[axis], &list[0][k], &list[1][k], step, &c->start[axis], &c->count[axis]));
    }
    return CLSTM_OK;
}

static clstm_status shape_slice(emitter *e, emit_step *s) {
    cuts c;
    int64_t n, start;
    emit_value *v = s->out[0];
    UTIL_TRY(read_cuts(e, s, &c));
    UTIL_TRY(emit_set(s, 0, s->in[0]->rank, c.count));
    v->zero = s->in[0]->zero;
    if (!s->in[0]->known || s->in[0]->rank != 1 || !emit_is_fixed(&c.start[0], &start)) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    if (!v->known || !emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    for (int64_t i = 0; i < n; i++) v->known[i] = s->in[0]->known[start + i * c.step[0]];
    return CLSTM_OK;
}

/* Elements before the first, when `count` of `from` in steps of one are one piece: whole behind the first dimension that is cut. */
static clstm_status piece(emitter *e, const emit_value *x, const emit_dim *start, const emit_dim *count, bool *whole, emit_dim *offset) {
    emit_dim stride[CLSTM_MAX_RANK], part;
    bool inside = false;
    UTIL_TRY(emit_strides(e, x->rank, x->dims, stride));
    *offset = emit_fixed(0);
    *whole = true;
    for (int d = 0; d < x->rank; d++) {
        if (inside && !emit_same(&count[d], &x->dims[d])) *whole = false;
        inside |= !emit_is(&count[d], 1);
        UTIL_TRY(emit_times(e, &start[d], &stride[d], &part));
        UTIL_TRY(emit_sum(e, offset, 1, &part, offset));
    }
    return CLSTM_OK;
}

static clstm_status plan_slice(emitter *e, emit_step *s) {
    cuts c;
    bool whole;
    UTIL_TRY(read_cuts(e, s, &c));
    for (int d = 0; d < s->in[0]->rank; d++)
        if (c.step[d] != 1 && !emit_is(&c.count[d], 1)) return CLSTM_OK;
    UTIL_TRY(piece(e, s->in[0], c.start, c.count, &whole, &s->out[0]->offset));
    if (whole) s->out[0]->base = s->in[0];
    return CLSTM_OK;
}

static clstm_status code_slice(emitter *e, emit_step *s) {
    emit_walk w;
    emit_dim from[CLSTM_MAX_RANK], part, step;
    cuts c;
    UTIL_TRY(read_cuts(e, s, &c));
    cover(&w, s->out[0]->rank, s->out[0]->dims);
    UTIL_TRY(emit_strides(e, w.rank, w.dims, w.stride[0]));
    UTIL_TRY(emit_strides(e, s->in[0]->rank, s->in[0]->dims, from));
    for (int d = 0; d < w.rank; d++) {
        step = emit_fixed(c.step[d]);
        UTIL_TRY(emit_times(e, &from[d], &step, &w.stride[1][d]));
        UTIL_TRY(emit_times(e, &from[d], &c.start[d], &part));
        UTIL_TRY(emit_sum(e, &w.offset[1], 1, &part, &w.offset[1]));
    }
    return copy(e, &w, "y0", emit_x(e, s, 0));
}

/* ---- Split, Concat ------------------------------------------------------------------------------------------------------------------------------ */

/* Equal or given parts: the operator's own rule has worked them out along the axis, which must be of fixed size. */
static clstm_status shape_split(emitter *e, emit_step *s) {
    emit_dim dims[CLSTM_MAX_RANK];
    int axis = axis_of(s, s->in[0]->rank);
    if (emit_symbols(&s->in[0]->dims[axis])) return emit_pin(e, emit_symbols(&s->in[0]->dims[axis]));
    if (emit_has(s, 1) && !s->in[1]->known) return emit_pin(e, emit_step_symbols(s));
    for (int k = 0; k < s->n->n_out; k++) {
        if (!s->out[k]) continue;
        memcpy(dims, s->in[0]->dims, sizeof dims);
        dims[axis] = emit_fixed(s->out[k]->trial[axis]);
        UTIL_TRY(emit_set(s, k, s->in[0]->rank, dims));
        s->out[k]->zero = s->in[0]->zero;
    }
    return CLSTM_OK;
}

/* Where output k begins along the axis. */
static int64_t split_at(const emit_step *s, int axis, int k) {
    int64_t at = 0;
    for (int i = 0; i < k; i++) at += s->ctx.out[i] ? s->ctx.out[i]->tensor.dims[axis] : 0;
    return at;
}

static clstm_status plan_split(emitter *e, emit_step *s) {
    int axis = axis_of(s, s->in[0]->rank);
    for (int k = 0; k < s->n->n_out; k++) {
        emit_dim start[CLSTM_MAX_RANK] = {{0}};
        bool whole;
        if (!emit_gives(s, k)) continue;
        start[axis] = emit_fixed(split_at(s, axis, k));
        UTIL_TRY(piece(e, s->in[0], start, s->out[k]->dims, &whole, &s->out[k]->offset));
        if (whole) s->out[k]->base = s->in[0];
    }
    return CLSTM_OK;
}

static clstm_status code_split(emitter *e, emit_step *s) {
    int axis = axis_of(s, s->in[0]->rank);
    for (int k = 0; k < s->n->n_out; k++) {
        emit_walk w;
        emit_dim at = emit_fixed(split_at(s, axis, k));
        if (!emit_gives(s, k) || s->out[k]->base) continue;
        cover(&w, s->out[k]->rank, s->out[k]->dims);
        UTIL_TRY(emit_strides(e, w.rank, w.dims, w.stride[0]));
        UTIL_TRY(emit_strides(e, w.rank, s->in[0]->dims, w.stride[1]));
        UTIL_TRY(emit_times(e, &at, &w.stride[1][axis], &w.offset[1]));
        UTIL_TRY(copy(e, &w, emit_say(e, "y%d", k), emit_x(e, s, 0)));
    }
    return CLSTM_OK;
}

static clstm_status shape_concat(emitter *e, emit_step *s) {
    emit_dim dims[CLSTM_MAX_RANK];
    emit_value *v = s->out[0];
    int axis = axis_of(s, s->in[0]->rank);
    bool known = true;
    int64_t n, at = 0;
    memcpy(dims, s->in[0]->dims, sizeof dims);
    v->zero = true;
    for (int i = 0; i < s->n->n_in; i++) {
        if (i) UTIL_TRY(emit_sum(e, &dims[axis], 1, &s->in[i]->dims[axis], &dims[axis]));
        for (int d = 0; i && d < s->in[0]->rank; d++)
            if (d != axis && !emit_same(&dims[d], &s->in[i]->dims[d])) return emit_pin(e, emit_step_symbols(s));
        known &= s->in[i]->known != NULL && s->in[i]->rank == 1;
        v->zero &= s->in[i]->zero;
    }
    UTIL_TRY(emit_set(s, 0, s->in[0]->rank, dims));
    if (!known) return CLSTM_OK;
    UTIL_TRY(emit_new_known(e, v));
    for (int i = 0; v->known && i < s->n->n_in; i++)
        for (int64_t k = 0; emit_is_fixed(&s->in[i]->count, &n) && k < n; k++) v->known[at++] = s->in[i]->known[k];
    return CLSTM_OK;
}

static clstm_status code_concat(emitter *e, emit_step *s) {
    const emit_value *y = s->out[0];
    int axis = axis_of(s, y->rank);
    emit_dim at = emit_fixed(0);
    for (int i = 0; i < s->n->n_in; i++) {
        emit_walk w;
        if (!emit_reads(s, i)) continue;
        cover(&w, y->rank, s->in[i]->dims);
        UTIL_TRY(emit_strides(e, w.rank, y->dims, w.stride[0]));
        UTIL_TRY(emit_strides(e, w.rank, s->in[i]->dims, w.stride[1]));
        UTIL_TRY(emit_times(e, &at, &w.stride[0][axis], &w.offset[0]));
        UTIL_TRY(emit_sum(e, &at, 1, &s->in[i]->dims[axis], &at));
        UTIL_TRY(copy(e, &w, "y0", emit_x(e, s, i)));
    }
    return CLSTM_OK;
}

/* ---- Pad, Tile ------------------------------------------------------------------------------------------------------------------------------------ */

/* Elements before and behind every dimension. */
static clstm_status read_pads(emitter *e, emit_step *s, emit_dim *before, emit_dim *behind) {
    const emit_value *x = s->in[0];
    int64_t n = x->rank, axis;
    size_t many = 0;
    const emit_dim *pads = emit_has(s, 1) ? s->in[1]->known : NULL;
    const int64_t *old = emit_has(s, 1) ? NULL : op_attr_ints(s->n, ir_attr_find(s->n, "pads") ? "pads" : "paddings", &many);
    for (int d = 0; d < x->rank; d++) before[d] = behind[d] = emit_fixed(0);
    if (!pads && !old) return emit_pin(e, emit_step_symbols(s));
    if (pads && emit_is_fixed(&s->in[1]->count, &n)) n /= 2;
    for (int64_t k = 0; k < n; k++) {
        axis = k;
        if (emit_has(s, 3) && (!s->in[3]->known || !emit_is_fixed(&s->in[3]->known[k], &axis))) return emit_pin(e, emit_step_symbols(s));
        if (axis < 0) axis += x->rank;
        before[axis] = pads ? pads[k] : emit_fixed(old[k]);
        behind[axis] = pads ? pads[k + n] : emit_fixed(old[k + n]);
    }
    return CLSTM_OK;
}

static clstm_status shape_pad(emitter *e, emit_step *s) {
    emit_dim before[CLSTM_MAX_RANK], behind[CLSTM_MAX_RANK], dims[CLSTM_MAX_RANK];
    bool constant = !strcmp(op_word(s->n, "mode", "constant"), "constant");
    UTIL_TRY(read_pads(e, s, before, behind));
    for (int d = 0; d < s->in[0]->rank; d++) {
        bool padded = !emit_is(&before[d], 0) || !emit_is(&behind[d], 0);
        /* cropping and reflection look at the size */
        if (padded && emit_symbols(&s->in[0]->dims[d]) && (!constant || !emit_nonnegative(&before[d]) || !emit_nonnegative(&behind[d]))) return emit_pin(e, emit_step_symbols(s));
        UTIL_TRY(emit_sum(e, &s->in[0]->dims[d], 1, &before[d], &dims[d]));
        UTIL_TRY(emit_sum(e, &dims[d], 1, &behind[d], &dims[d]));
    }
    return emit_set(s, 0, s->in[0]->rank, dims);
}

/* i - before, folded back into [0, n) as the mode says. */
static const char *source_index(emitter *e, const char *mode, int d, const emit_dim *before, const emit_dim *n) {
    const char *b = emit_size(e, before), *size = emit_size(e, n);
    if (!strcmp(mode, "edge")) return emit_say(e, "i%d < %s ? 0 : i%d - %s >= %s ? %s - 1 : i%d - %s", d, b, d, b, size, size, d, b);
    if (!strcmp(mode, "wrap")) return emit_say(e, "(i%d + %s - %s %% %s) %% %s", d, size, b, size, size);
    return emit_say(e, "i%d < %s ? %s - i%d : i%d - %s >= %s ? 2 * %s - 2 - (i%d - %s) : i%d - %s", d, b, b, d, d, b, size, size, d, b, d, b);
}

/* Reflection beyond one fold would need a loop of its own. */
static clstm_status pad_by_index(emitter *e, emit_step *s, const char *mode, const emit_dim *before, const emit_dim *behind) {
    const emit_value *x = s->in[0], *y = s->out[0];
    emit_dim xs[CLSTM_MAX_RANK], ys[CLSTM_MAX_RANK];
    const char *to = "", *from = "";
    UTIL_TRY(emit_strides(e, x->rank, x->dims, xs));
    UTIL_TRY(emit_strides(e, x->rank, y->dims, ys));
    for (int d = 0; d < x->rank; d++) {
        int64_t n = 0, b = 0, a = 0;
        emit_line(e, d + 1, "for (int i%d = 0; i%d < %s; i%d++) {", d, d, emit_size(e, &y->dims[d]), d);
        bool fixed = emit_is_fixed(&x->dims[d], &n);
        if (!emit_is_fixed(&before[d], &b) || !emit_is_fixed(&behind[d], &a)) return emit_pin(e, emit_step_symbols(s));
        if (fixed && (b < 0 || a < 0 || (!strcmp(mode, "reflect") && (b >= n || a >= n)))) return emit_refuse(e, "Pad that crops or reflects more than once");
        emit_line(e, d + 2, "const int j%d = %s;", d, b || a ? source_index(e, mode, d, &before[d], &x->dims[d]) : emit_say(e, "i%d", d));
        to = emit_say(e, "%s%si%d * %s", to, d ? " + " : "", d, emit_size(e, &ys[d]));
        from = emit_say(e, "%s%sj%d * %s", from, d ? " + " : "", d, emit_size(e, &xs[d]));
    }
    emit_line(e, x->rank + 1, "y0[%s] = %s[%s];", to, emit_x(e, s, 0), from);
    for (int d = x->rank; d-- > 0;) emit_line(e, d + 1, "}");
    return CLSTM_OK;
}

static clstm_status code_pad(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *y = s->out[0];
    emit_dim before[CLSTM_MAX_RANK], behind[CLSTM_MAX_RANK], from[CLSTM_MAX_RANK], part;
    const char *mode = op_word(s->n, "mode", "constant"), *value = emit_calc(y->type) != y->type ? emit_store(e, y->type, "0") : "0";
    emit_walk w = {.rank = 1, .n = 1, .dims = {y->count}, .stride = {{emit_fixed(1)}}};
    UTIL_TRY(read_pads(e, s, before, behind));
    if (strcmp(mode, "constant") != 0) return pad_by_index(e, s, mode, before, behind);
    if (emit_has(s, 2)) value = emit_say(e, "%s[0]", emit_x(e, s, 2));
    else if (ir_attr_find(s->n, "value")) value = emit_store(e, y->type, emit_real(e, y->type, (double)op_attr_float(s->n, "value")));
    UTIL_TRY(emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", value)));
    cover(&w, x->rank, x->dims);
    UTIL_TRY(emit_strides(e, x->rank, y->dims, w.stride[0]));
    UTIL_TRY(emit_strides(e, x->rank, x->dims, from));
    for (int d = 0; d < x->rank; d++) {
        int64_t b = 0, a = 0;
        w.stride[1][d] = from[d];
        emit_is_fixed(&before[d], &b);
        emit_is_fixed(&behind[d], &a);
        emit_dim crop = emit_fixed(b < 0 ? -b : 0), both = emit_fixed((b < 0 ? b : 0) + (a < 0 ? a : 0)), at = b < 0 ? emit_fixed(0) : before[d];
        UTIL_TRY(emit_sum(e, &w.dims[d], 1, &both, &w.dims[d]));
        UTIL_TRY(emit_times(e, &at, &w.stride[0][d], &part));
        UTIL_TRY(emit_sum(e, &w.offset[0], 1, &part, &w.offset[0]));
        UTIL_TRY(emit_times(e, &crop, &from[d], &part));
        UTIL_TRY(emit_sum(e, &w.offset[1], 1, &part, &w.offset[1]));
    }
    return copy(e, &w, "y0", emit_x(e, s, 0));
}

static clstm_status shape_tile(emitter *e, emit_step *s) {
    emit_dim dims[CLSTM_MAX_RANK];
    if (s->n->n_in > 2) return emit_step_symbols(s) ? emit_pin(e, emit_step_symbols(s)) : CLSTM_OK;
    if (!s->in[1]->known) return emit_pin(e, emit_step_symbols(s));
    for (int d = 0; d < s->in[0]->rank; d++) UTIL_TRY(emit_times(e, &s->in[0]->dims[d], &s->in[1]->known[d], &dims[d]));
    return emit_set(s, 0, s->in[0]->rank, dims);
}

/* Every dimension becomes two: the copies, and the elements. */
static clstm_status code_tile(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0], *y = s->out[0];
    emit_walk w = {.rank = 2 * x->rank};
    emit_dim to[CLSTM_MAX_RANK], from[CLSTM_MAX_RANK];
    if (s->n->n_in > 2) return emit_refuse(e, "Tile of opset 1");
    UTIL_TRY(emit_strides(e, x->rank, y->dims, to));
    UTIL_TRY(emit_strides(e, x->rank, x->dims, from));
    for (int d = 0; d < x->rank; d++) {
        w.dims[2 * d] = s->in[1]->known[d];
        w.dims[2 * d + 1] = x->dims[d];
        UTIL_TRY(emit_times(e, &to[d], &x->dims[d], &w.stride[0][2 * d]));
        w.stride[0][2 * d + 1] = to[d];
        w.stride[1][2 * d + 1] = from[d];
    }
    return copy(e, &w, "y0", emit_x(e, s, 0));
}

const emit_row emit_rows_move[] = {
    {.name = "Transpose", .shape = shape_transpose, .code = code_transpose, .plan = plan_transpose},
    {.name = "Slice", .shape = shape_slice, .code = code_slice, .plan = plan_slice, .parameters = 30},
    {.name = "Split", .shape = shape_split, .code = code_split, .plan = plan_split, .parameters = 2},
    {.name = "Concat", .shape = shape_concat, .code = code_concat, .flags = EMIT_SKIPS_EMPTY}, {.name = "Pad", .shape = shape_pad, .code = code_pad, .parameters = 10},
    {.name = "Tile", .shape = shape_tile, .code = code_tile, .parameters = 6}, {.name = NULL}};
