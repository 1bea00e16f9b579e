/* convert/emit_control: the rows of the nodes that emit_flatten.c puts around the bodies of If, Loop and Scan. Their code stands between the calls. */
#include "convert/emit_control.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

/* ---- shapes ------------------------------------------------------------------------------------------------------------------------------------ */

static void give(emit_step *s, int k, clstm_type type, int rank, const emit_dim *dims, const int64_t *sizes) {
    emit_value *v = s->out[k];
    if (!v) return;
    v->type = type;
    v->rank = rank;
    for (int d = 0; d < rank; d++) { v->dims[d] = dims[d]; v->trial[d] = sizes[d]; }
    tensor_set(&s->ctx.out[k]->tensor, type, rank, v->trial);
}

static void give_like(emit_step *s, int k, const emit_value *v) { give(s, k, v->type, v->rank, v->dims, v->trial); }

static bool alike(const emit_value *a, const emit_value *b) {
    if (!a || !b || a->type != b->type || a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (!emit_same(&a->dims[d], &b->dims[d])) return false;
    return true;
}

static clstm_status one_element(emitter *e, const emit_step *s, int i, const char *what) {
    return emit_has(s, i) && !emit_is(&s->in[i]->count, 1) ? emit_give_up(e, what) : CLSTM_OK;
}

static clstm_status shape_then(emitter *e, emit_step *s) {
    e->open = s;
    return one_element(e, s, 0, "If with a condition of more or less than one element");
}
static clstm_status shape_else(emitter *e, emit_step *s) { e->open = s; return CLSTM_OK; }

static clstm_status shape_if(emitter *e, emit_step *s) {
    emit_step *middle = e->open, *begin = middle->around;
    begin->other = middle->other = s;
    s->other = begin;
    s->around = e->open = begin->around;
    for (int k = 0; k < s->n->n_out; k++) {
        if (!alike(s->in[k], s->in[s->n->n_out + k])) return emit_give_up(e, "If whose branches give other types or shapes");
        give_like(s, k, s->in[k]);
    }
    return CLSTM_OK;
}

/* How long the stacks of the loop are, and how many turns there are when that is known before: NULL otherwise. */
static const emit_dim *turns_of(const emit_step *begin) { return emit_has(begin, BEGIN_TRIPS) && !emit_has(begin, BEGIN_LENGTH) && begin->in[BEGIN_TRIPS]->known ? &begin->in[BEGIN_TRIPS]->known[0] : NULL; }
static const emit_dim *length_of(const emit_step *begin) { return emit_has(begin, BEGIN_LENGTH) ? begin->in[BEGIN_LENGTH]->known : turns_of(begin); }

static clstm_status shape_begin(emitter *e, emit_step *s) {
    int states = s->n->n_out - 1;
    const emit_dim *length = length_of(s);
    e->open = s;
    UTIL_TRY(one_element(e, s, BEGIN_TRIPS, "Loop with a trip count of more or less than one element"));
    UTIL_TRY(one_element(e, s, BEGIN_GO, "Loop with a condition of more or less than one element"));
    give(s, 0, CLSTM_INT64, 0, NULL, NULL);
    for (int k = 0; k < states; k++) {
        if (!emit_has(s, BEGIN_STATES + k)) return emit_give_up(e, "state without a value");
        give_like(s, 1 + k, s->in[BEGIN_STATES + k]);
    }
    for (int i = BEGIN_STATES + states, k = 0; i < s->n->n_in; i++, k++) {
        int64_t axis = s->n->attrs[0].v.ints[k];
        const emit_value *x = s->in[i];
        if (axis < -x->rank || axis >= x->rank) return util_fail(e->err, CLSTM_BAD_MODEL, "scan input %d: its axis is outside rank %d", k, x->rank);
        if (!length || !emit_same(&x->dims[axis < 0 ? axis + x->rank : axis], length)) return emit_give_up(e, "Scan of inputs of other lengths");
    }
    return CLSTM_OK;
}

/* Nothing but the number of turns ends it. */
static bool runs_through(const emit_step *begin, const emit_step *end) {
    bool starts = !emit_has(begin, BEGIN_GO) || (begin->in[BEGIN_GO]->known && emit_is(&begin->in[BEGIN_GO]->known[0], 1));
    return starts && !emit_has(end, 0);
}

/* Where stack k has its turns, among as many dimensions as the output has. */
static int stack_axis(const emit_step *s, int k, int rank) {
    int64_t axis = emit_entry(s->n, "scan_output_axes", k);
    return axis < -rank || axis >= rank ? -1 : (int)(axis < 0 ? axis + rank : axis);
}

static clstm_status shape_end(emitter *e, emit_step *s) {
    emit_step *begin = e->open;
    int states = begin->n->n_out - 1;
    const emit_dim *length = length_of(begin);
    int64_t size, at[EMIT_SYMBOLS];
    begin->other = s;
    s->other = begin;
    s->around = e->open = begin->around;
    UTIL_TRY(one_element(e, s, 0, "Loop with a condition of more or less than one element"));
    for (int k = 0; k < EMIT_SYMBOLS; k++) at[k] = emit_trial(e, k);
    for (int k = 0; k < s->n->n_out; k++) {
        const emit_value *v = s->in[1 + k];
        if (k < states && !alike(v, begin->out[1 + k])) return emit_give_up(e, "Loop whose states change their types or shapes");
        if (k < states) { give_like(s, k, v); continue; }
        emit_dim dims[CLSTM_MAX_RANK];
        int64_t sizes[CLSTM_MAX_RANK];
        if (!s->out[k]) continue;
        if (!v || v->rank == CLSTM_MAX_RANK) return emit_give_up(e, "scan output of so many dimensions");
        int axis = stack_axis(s, k - states, v->rank + 1);
        if (axis < 0) return util_fail(e->err, CLSTM_BAD_MODEL, "scan output %d: its axis is outside rank %d", k - states, v->rank + 1);
        if (!length || !emit_nonnegative(length) || !emit_evaluate(length, at, &size) || !runs_through(begin, s)) return emit_give_up(e, "scan outputs of a number of turns that only the run knows");
        for (int d = 0; d <= v->rank; d++) { dims[d] = d == axis ? *length : v->dims[d - (d > axis)]; sizes[d] = d == axis ? size : v->trial[d - (d > axis)]; }
        give(s, k, v->type, v->rank + 1, dims, sizes);
    }
    return CLSTM_OK;
}

/* ---- code: between the calls ---------------------------------------------------------------------------------------------------------------------- */

static void copy(emitter *e, const char *to, const char *from, const emit_value *v) { emit_call(e, "memcpy(%s, %s, sizeof(%s) * %s);", to, from, emit_ctype(v->type), emit_size(e, &v->count)); }

static clstm_status code_then(emitter *e, emit_step *s) {
    emit_call(e, "if (%s[0]) {", emit_place_of(e, s->in[0]));
    e->depth++;
    return CLSTM_OK;
}

/* The outputs are copied at the end of either branch: none lies where the other needs its room. */
static void copy_branch(emitter *e, const emit_step *end, int from) {
    for (int k = 0; k < end->n->n_out; k++)
        if (emit_gives(end, k)) copy(e, emit_place_of(e, end->out[k]), emit_place_of(e, end->in[from + k]), end->out[k]);
    e->depth--;
}
static clstm_status code_else(emitter *e, emit_step *s) {
    copy_branch(e, s->other, 0);
    emit_call(e, "} else {");
    e->depth++;
    return CLSTM_OK;
}
static clstm_status code_if(emitter *e, emit_step *s) {
    copy_branch(e, s, s->n->n_out);
    emit_call(e, "}");
    return CLSTM_OK;
}

/* A trip count or a condition that the run brings may come from an index that was out of range: then the loop ends as well. */
static clstm_status code_begin(emitter *e, emit_step *s) {
    const emit_step *end = s->other;
    const emit_dim *turns = turns_of(s);
    int states = s->n->n_out - 1, i = s->number;
    bool through = runs_through(s, end);
    const char *most = turns ? emit_size(e, turns) : emit_has(s, BEGIN_TRIPS) ? emit_say(e, "most%d", i) : "INT64_MAX";
    for (int k = 0; k < states; k++) copy(e, emit_place_of(e, s->out[1 + k]), emit_place_of(e, s->in[BEGIN_STATES + k]), s->out[1 + k]);
    if (!turns && emit_has(s, BEGIN_TRIPS)) emit_call(e, "const int64_t most%d = %s[0];", i, emit_place_of(e, s->in[BEGIN_TRIPS]));
    if (emit_has(s, BEGIN_LENGTH)) emit_call(e, "if (most%d < 0 || most%d > %s) w->bad = 1;", i, i, emit_size(e, length_of(s)));
    for (int k = states; emit_has(s, BEGIN_LENGTH) && k < end->n->n_out; k++)
        if (emit_gives(end, k)) emit_call(e, "memset(%s, 0, sizeof(%s) * %s);", emit_place_of(e, end->out[k]), emit_ctype(end->out[k]->type), emit_size(e, &end->out[k]->count));
    if (!through) emit_call(e, "int go%d = %s;", i, emit_has(s, BEGIN_GO) ? emit_say(e, "%s[0]", emit_place_of(e, s->in[BEGIN_GO])) : "1");
    emit_call(e, "for (int64_t turn%d = 0; turn%d < %s%s%s; turn%d++) {", i, i, most, through ? "" : emit_say(e, " && go%d", i), through && turns ? "" : " && !w->bad", i);
    e->depth++;
    if (s->out[0]->needed) emit_call(e, "%s[0] = turn%d;", emit_place_of(e, s->out[0]), i);
    return CLSTM_OK;
}

/* A state that becomes another's old value has to wait for it. */
static bool waits(const emit_step *s, int k) {
    const emit_step *begin = s->other;
    for (int j = 1; j < begin->n->n_out; j++)
        if (j != 1 + k && emit_root(s->in[1 + k]) == begin->out[j]) return true;
    return false;
}

static clstm_status plan_end(emitter *e, emit_step *s) {
    const emit_step *begin = s->other;
    for (int k = 0; k < begin->n->n_out - 1; k++) {
        if (s->out[k]) s->out[k]->base = begin->out[1 + k];
        if (!waits(s, k)) continue;
        if (s->n_temporaries == EMIT_TEMPORARIES) return emit_refuse(e, "more than eight states that change places");
        emit_temporary(e, s, s->in[1 + k]->type, s->in[1 + k]->count);
    }
    return CLSTM_OK;
}

static clstm_status put_slice(emitter *e, const emit_step *s, int k) {
    const emit_value *v = s->in[1 + k], *y = s->out[k];
    int output = k - (s->other->n->n_out - 1), axis = stack_axis(s, output, y->rank);
    emit_dim outer, inner;
    UTIL_TRY(emit_span(e, y->dims, 0, axis, &outer));
    UTIL_TRY(emit_span(e, y->dims, axis + 1, y->rank, &inner));
    const char *T = emit_ctype(v->type), *n = emit_size(e, &y->dims[axis]), *block = emit_size(e, &inner), *from = emit_place_of(e, s->in[1 + k]);
    const char *turn = emit_entry(s->n, "scan_output_directions", output) ? emit_say(e, "(%s - 1 - turn%d)", n, s->other->number) : emit_say(e, "turn%d", s->other->number);
    emit_call(e, "for (int64_t o = 0; o < %s; o++) memcpy(%s + (o * %s + %s) * %s, %s + o * %s, sizeof(%s) * %s);", emit_size(e, &outer), emit_place_of(e, s->out[k]), n, turn, block, from, block, T, block);
    return CLSTM_OK;
}

static clstm_status code_end(emitter *e, emit_step *s) {
    emit_step *begin = s->other;
    int states = begin->n->n_out - 1, kept = 0;
    if (!runs_through(begin, s)) emit_call(e, "go%d = %s;", begin->number, emit_has(s, 0) ? emit_say(e, "%s[0]", emit_place_of(e, s->in[0])) : "1");
    for (int k = states; k < s->n->n_out; k++)
        if (emit_gives(s, k)) UTIL_TRY(put_slice(e, s, k));
    for (int k = 0; k < states; k++)
        if (waits(s, k)) copy(e, s->temporary[kept++]->text, emit_place_of(e, s->in[1 + k]), s->in[1 + k]);
    kept = 0;
    for (int k = 0; k < states; k++) {
        const char *from = waits(s, k) ? s->temporary[kept++]->text : emit_place_of(e, s->in[1 + k]), *to = emit_place_of(e, begin->out[1 + k]);
        if (strcmp(from, to) != 0) copy(e, to, from, begin->out[1 + k]);
    }
    e->depth--;
    emit_call(e, "}");
    return CLSTM_OK;
}

#define BLOCK(op, how, text) {.name = op, .shape = how, .code = text, .flags = EMIT_BLOCK}
const emit_row emit_rows_control[] = {
    BLOCK("If.then", shape_then, code_then), BLOCK("If.else", shape_else, code_else), BLOCK("If", shape_if, code_if), BLOCK("Loop.begin", shape_begin, code_begin),
    {.name = "Loop", .shape = shape_end, .code = code_end, .plan = plan_end, .flags = EMIT_BLOCK},
    {.name = "Scan", .shape = shape_end, .code = code_end, .plan = plan_end, .flags = EMIT_BLOCK}, {.name = NULL}};
