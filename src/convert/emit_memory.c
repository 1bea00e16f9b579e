/* convert/emit_memory: which values anybody needs, and where they lie: with the caller, in constants, or in unions of values of one
 * type whose lives do not meet. */
#include "convert/emit.h"

#include "rnn/spec.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

/* ---- needs ----------------------------------------------------------------------------------------------------------------------------- */

bool emit_reads(const emit_step *s, int i) {
    if (!s->in[i] || (s->row->flags & EMIT_SKIPS_EMPTY && emit_is(&s->in[i]->count, 0))) return false;
    return !(i < 32 && s->row->parameters >> i & 1) && !(i < 32 && s->row->zeros >> i & 1 && s->in[i]->zero);
}

/* As plan/carry.c has it: forward layers of the file whose initial state nothing computes. */
static bool carries(const emitter *e, const emit_step *s) {
    if (!e->request->carry_layers || s->around || s->n->op->check != rnn_check || s->n->index == IR_RECOVERED) return false;
    const rnn_spec *spec = rnn_spec_of(s->n);
    return spec->directions == 1 && !spec->reverse;
}

static bool internal(const emit_step *s, int i) { return i >= s->n->n_in || !s->in[i] || s->in[i]->ir->constant || s->in[i]->zero; }

static clstm_status add_state(emitter *e, emit_step *s, int output) {
    const rnn_spec *spec = rnn_spec_of(s->n);
    const emit_value *x = s->in[RNN_X], *r = s->in[RNN_R];
    emit_value *v = util_arena_alloc(&e->arena, 1, sizeof *v);
    if (!v) return util_no_memory(e->err);
    emit_dim batch = x->dims[spec->batch_first ? 0 : 1];
    *v = (emit_value){.type = x->type, .rank = 2, .output = -1, .buffer = -1};
    v->dims[0] = batch;
    v->dims[1] = r->dims[2];
    UTIL_TRY(emit_span(e, v->dims, 0, 2, &v->count));
    e->states[e->n_states++] = (emit_state){v, s->n, -1, output};
    return CLSTM_OK;
}

static clstm_status find_states(emitter *e) {
    e->states = util_arena_alloc(&e->arena, 2 * e->n_steps + e->request->n_in + 1, sizeof *e->states);
    if (!e->states) return util_no_memory(e->err);
    for (size_t i = 0; i < e->g->n_in; i++)
        if (e->request->pair_of[i] >= 0 && !e->g->inputs[i]->constant)
            e->states[e->n_states++] = (emit_state){e->g->inputs[i]->user, NULL, (int)i, e->request->pair_of[i]};
    for (size_t i = 0; i < e->n_steps; i++) {
        emit_step *s = &e->steps[i];
        if (!s->live || !carries(e, s)) continue;
        bool lstm = rnn_spec_of(s->n)->kind == RNN_LSTM, h = internal(s, RNN_H0), c = lstm && internal(s, RNN_C0);
        /* a layer with half of its state outside is the caller's business */
        if (!h || (lstm && !c)) continue;
        s->state = (int)e->n_states;
        UTIL_TRY(add_state(e, s, RNN_YH));
        if (lstm) UTIL_TRY(add_state(e, s, RNN_YC));
        e->n_layers++;
    }
    return CLSTM_OK;
}

clstm_status emit_live(emitter *e) {
    char text[128];
    for (size_t i = 0; i < e->g->n_out; i++) {
        emit_value *v = e->g->outputs[i]->user;
        v->needed = true;
        v->last = 2 * (int)e->n_steps;
    }
    for (size_t i = e->n_steps; i-- > 0;) {
        emit_step *s = &e->steps[i];
        for (int k = 0; k < s->n->n_out; k++)
            if (s->out[k] && s->out[k]->needed && !s->out[k]->known) s->live = true;
        if (s->other && s->other->number > s->number) s->live = s->other->live;      /* what opens a block goes by what closes it */
        if (!s->live) continue;
        for (int k = 1; s->other && s->other->number > s->number && k < s->n->n_out; k++) s->out[k]->needed = true;      /* a Loop's states */
        for (int k = 0; k < s->n->n_in; k++)
            if (emit_reads(s, k)) s->in[k]->needed = true;
    }
    for (size_t i = 0; i < e->g->n_values; i++) {
        const emit_value *v = &e->values[i];
        if (v->needed && !v->ir->constant && !v->known && emit_is(&v->count, 0))
            return util_fail(e->err, CLSTM_UNSUPPORTED, "value \"%s\" has no elements, and C has no arrays of none", util_escape(text, sizeof text, v->ir->name ? v->ir->name : ""));
    }
    return find_states(e);
}

/* ---- places ------------------------------------------------------------------------------------------------------------------------------ */

emit_value *emit_temporary(emitter *e, emit_step *s, clstm_type type, emit_dim count) {
    emit_value *v = util_arena_alloc(&e->arena, 1, sizeof *v);
    if (!v || s->n_temporaries == EMIT_TEMPORARIES) { e->failed = true; return NULL; }
    *v = (emit_value){.type = type, .rank = 1, .dims = {count}, .count = count, .needed = true, .output = -1, .buffer = -1,
                      .first = 2 * s->number, .last = 2 * s->number + 1};
    return s->temporary[s->n_temporaries++] = v;
}

emit_value *emit_root(emit_value *v) {
    while (v->base) v = v->base;
    return v;
}

static void read_at(emit_value *v, int at) {
    for (; v; v = v->base)
        if (v->last < at) v->last = at;
}

/* What a Loop's block reads from before it is read again in the next turn, and what the block makes for after it is made bit by bit. */
static void stretch_over_loops(emitter *e) {
    for (size_t i = 0; i < e->n_steps; i++) {
        const emit_step *end = &e->steps[i], *begin = end->other;
        if (!begin || !end->live || begin->number > end->number || begin->n->n_out == 0) continue;
        for (int k = begin->n->n_out - 1; k < end->n->n_out; k++)
            if (end->out[k] && end->out[k]->first > 2 * begin->number) end->out[k]->first = 2 * begin->number;
        for (size_t k = 0; k < e->g->n_values; k++) {
            emit_value *v = &e->values[k];
            bool state = v->first == 2 * begin->number;
            if (v->first >= 0 && v->first <= 2 * begin->number && (state || v->last > 2 * begin->number + 1) && v->last < 2 * end->number + 1) v->last = 2 * end->number + 1;
        }
    }
}

static clstm_status find_lives(emitter *e) {
    char text[256];
    for (size_t i = 0; i < e->n_steps; i++) {
        emit_step *s = &e->steps[i];
        bool in_place = s->row->flags & EMIT_IN_PLACE;
        if (!s->live) continue;
        if (s->row->plan) {
            clstm_status status = s->row->plan(e, s);
            if (status != CLSTM_OK && status != EMIT_AGAIN) util_context(e->err, status, "%s", ir_node_text(text, sizeof text, s->n));
            UTIL_TRY(status);
        }
        for (int k = 0; k < s->n->n_in; k++) {
            if (!emit_reads(s, k)) continue;
            bool same = in_place && s->out[0] && emit_same(&s->in[k]->count, &s->out[0]->count);
            read_at(s->in[k], 2 * (int)i + !same);
        }
        for (int k = 0; k < s->n->n_out; k++) {
            emit_value *v = s->out[k];
            if (!v || !v->needed) continue;
            v->first = 2 * (int)i + in_place;
            if (v->last < v->first) v->last = v->first;
            if (s->row->flags & EMIT_VIEW) v->base = s->in[0];
        }
    }
    /* what an output shares with a view must stay until the end */
    for (size_t i = 0; i < e->g->n_out; i++) read_at(e->g->outputs[i]->user, 2 * (int)e->n_steps);
    for (size_t i = e->n_steps; i-- > 0;)
        for (int k = 0; k < e->steps[i].n->n_out; k++)
            if (e->steps[i].out[k] && e->steps[i].out[k]->base) read_at(e->steps[i].out[k]->base, e->steps[i].out[k]->last);
    stretch_over_loops(e);
    return CLSTM_OK;
}

/* An output is written where the caller wants it, when that is one place and a whole value. */
static void bind_outputs(emitter *e) {
    for (size_t i = 0; i < e->g->n_out; i++) {
        emit_value *v = e->g->outputs[i]->user, *root = emit_root(v);
        if (root->output < 0 && root->first >= 0 && root->ir && !root->ir->constant && !root->known && emit_same(&root->count, &v->count)) root->output = (int)i;
    }
}

static bool in_buffer(const emit_value *v) { return v && v->needed && !v->base && v->output < 0 && !v->known && v->first >= 0; }

static int64_t bytes_at_default(const emitter *e, const emit_value *v) {
    int64_t n = 0, at[EMIT_SYMBOLS];
    for (int k = 0; k < EMIT_SYMBOLS; k++) at[k] = k < e->n_symbols ? e->symbol[k].size : 1;
    emit_evaluate(&v->count, at, &n);
    return n * (int64_t)clstm_type_size(v->type);
}

typedef struct placing { emit_value *v; int64_t bytes; int order; } placing;
static int larger(const void *x, const void *y) {
    const placing *a = x, *b = y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a->order - b->order;
}

/* The first buffer of the type in which nothing lives at the same time; largest values first. */
static void find_buffer(emitter *e, emit_value *v, int64_t bytes) {
    for (size_t b = 0; b < e->n_buffers && v->buffer < 0; b++) {
        bool free_there = !strcmp(emit_ctype(e->buffers[b].type), emit_ctype(v->type));
        for (size_t k = 0; k < e->n_placed && free_there; k++)
            free_there = e->placed[k]->buffer != (int)b || e->placed[k]->last < v->first || v->last < e->placed[k]->first;
        if (free_there) v->buffer = (int)b;
    }
    if (v->buffer < 0) {
        v->buffer = (int)e->n_buffers;
        e->buffers[e->n_buffers++] = (emit_buffer){v->type, bytes};
    }
    v->number = (int)e->n_placed;
    v->text = emit_say(e, "w->b%d.v%d", v->buffer, v->number);
    e->placed[e->n_placed++] = v;
}

static clstm_status place_buffers(emitter *e) {
    size_t n = 0, most = e->g->n_values + EMIT_TEMPORARIES * e->n_steps + 1;
    placing *all = util_arena_alloc(&e->arena, most, sizeof *all);
    e->buffers = util_arena_alloc(&e->arena, most, sizeof *e->buffers);
    e->placed = util_arena_alloc(&e->arena, most, sizeof *e->placed);
    if (!all || !e->buffers || !e->placed) return util_no_memory(e->err);
    for (size_t i = 0; i < e->n_steps; i++) {
        const emit_step *s = &e->steps[i];
        for (int k = 0; k < s->n->n_out && s->live; k++)
            if (in_buffer(s->out[k])) { all[n] = (placing){s->out[k], bytes_at_default(e, s->out[k]), (int)n}; n++; }
        for (int k = 0; k < s->n_temporaries; k++, n++) all[n] = (placing){s->temporary[k], bytes_at_default(e, s->temporary[k]), (int)n};
    }
    if (n) qsort(all, n, sizeof *all, larger);
    for (size_t i = 0; i < n; i++) find_buffer(e, all[i].v, all[i].bytes);
    return CLSTM_OK;
}

clstm_status emit_place(emitter *e) {
    UTIL_TRY(find_lives(e));
    bind_outputs(e);
    UTIL_TRY(place_buffers(e));
    for (size_t i = 0; i < e->g->n_in; i++) {
        emit_value *v = e->g->inputs[i]->user;
        if (!v->ir->constant) v->text = emit_say(e, "in%zu", i);
    }
    for (size_t i = 0; i < e->n_steps; i++)
        for (int k = 0; k < e->steps[i].n->n_out; k++) {
            emit_value *v = e->steps[i].out[k];
            if (v && v->needed && v->output >= 0) v->text = emit_say(e, "out%d", v->output);
        }
    return e->failed ? util_no_memory(e->err) : CLSTM_OK;
}
