/* plan/memory: which values share memory, and where everything lies in the arena. Lifetimes are intervals of step numbers;
 * views and in-place results join the storage of what they stand on; then storages are placed largest first, each at the lowest
 * place free for the whole of its life. */
#include "plan/plan_internal.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_VIEWS = 256 };     /* outputs of one step that can be; one with more is run */

static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }

static plan_slot *slot_in(const plan_block *b, const ir_value *v) { return v && v->graph == b->graph ? v->user : NULL; }

static clstm_status new_storage(plan_block *b, uint64_t bytes, int step, int *out, clstm_error *err) {
    plan_storage *st = &b->storages[b->n_storages];
    if (bytes > SIZE_MAX / 2) return util_fail(err, CLSTM_LIMIT, "a value of %llu bytes does not fit in memory", (unsigned long long)bytes);
    *st = (plan_storage){.bytes = round64((size_t)bytes), .first = step, .last = step, .joined = -1};
    *out = (int)b->n_storages++;
    return CLSTM_OK;
}

/* Tries to make output k of the step a view. */
static clstm_status try_view(plan_block *b, plan_step_s *s, int k, bool *done, clstm_error *err) {
    int in = 0;
    size_t offset = 0;
    *done = false;
    if (!s->node->op->view || !s->node->op->view(&s->ctx, k, &in, &offset)) return CLSTM_OK;
    plan_slot *out = slot_in(b, s->node->outputs[k]), *base = s->node->inputs[in]->user;
    if (s->node->inputs[in]->constant) {
        const void *data;
        UTIL_TRY(ir_const_data(s->node->inputs[in]->constant, &data, err));
        out->value.tensor.data = (unsigned char *)(uintptr_t)data + offset;
    } else if (base->storage >= 0 && base->ir->graph == b->graph) {
        out->storage = base->storage;
        out->offset = base->offset + offset;
    } else if (base->ir->graph != b->graph) {
        return CLSTM_OK;                    /* the outer value's address may not be settled yet: copy */
    } else if (base->base) {
        out->base = base->base;
        out->offset = base->offset + offset;
    } else if (!base->ir->producer && !b->graph->parent) {
        out->base = base;                   /* a graph input: its address comes with each run */
        out->offset = offset;
    } else return CLSTM_OK;
    plan *p = b->plan;
    if (out->base) {
        if (!util_grow((void **)&p->views, &p->cap_views, p->n_views + 1, sizeof *p->views)) return util_no_memory(err);
        p->views[p->n_views++] = out;
    }
    *done = true;
    return CLSTM_OK;
}

static clstm_status make_storages(plan_block *b, clstm_error *err) {
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        if (s->dynamic) continue;
        int views = 0, outs = 0;
        bool viewed[MOST_VIEWS] = {false};
        for (int k = 0; k < s->node->n_out; k++) {
            if (!s->node->outputs[k]) continue;
            outs++;
            if (k >= MOST_VIEWS) continue;
            UTIL_TRY(try_view(b, s, k, &viewed[k], err));
            views += viewed[k];
        }
        s->view = outs > 0 && views == outs;
        for (int k = 0; k < s->node->n_out; k++) {
            plan_slot *o = slot_in(b, s->node->outputs[k]);
            size_t bytes;
            if (!o) continue;
            if (k < MOST_VIEWS && viewed[k]) {
                if (s->view) continue;
                /* run would be called for the others and write this one too: no half views */
                if (o->base) b->plan->n_views--;
                o->base = NULL;
                o->offset = 0;
                if (o->ir->constant == NULL) o->value.tensor.data = NULL;
            }
            tensor_bytes(&o->value.tensor, &bytes);
            UTIL_TRY(new_storage(b, bytes, (int)i, &o->storage, err));
        }
    }
    return CLSTM_OK;
}

/* Notes that step `at` of b reads v. */
static void use(plan_block *b, const ir_value *v, int at) {
    plan_slot *s = slot_in(b, v);
    if (s && s->storage >= 0 && b->storages[s->storage].last < at) b->storages[s->storage].last = at;
}

static void use_in_body(plan_block *b, const ir_graph *body, int at) {
    for (size_t i = 0; i < body->n_nodes; i++) {
        for (int k = 0; k < body->nodes[i]->n_in; k++) use(b, body->nodes[i]->inputs[k], at);
        for (int k = 0; k < body->nodes[i]->n_bodies; k++) use_in_body(b, body->nodes[i]->bodies[k], at);
    }
    for (size_t i = 0; i < body->n_out; i++) use(b, body->outputs[i], at);
}

static void find_lifetimes(plan_block *b) {
    for (size_t i = 0; i < b->n_steps; i++) {
        const ir_node *n = b->steps[i].node;
        for (int k = 0; k < n->n_in; k++) use(b, n->inputs[k], (int)i);
        for (int k = 0; k < n->n_bodies; k++) use_in_body(b, n->bodies[k], (int)i);
    }
    for (size_t i = 0; i < b->graph->n_out; i++) use(b, b->graph->outputs[i], (int)b->n_steps);
}

/* Lets the slot lie in the storage that has taken its own in. */
static plan_slot *settle_slot(const plan_block *b, plan_slot *s) {
    if (s && s->storage >= 0 && b->storages[s->storage].joined >= 0) {
        s->offset += b->storages[s->storage].shift;
        s->storage = b->storages[s->storage].joined;
    }
    return s;
}

static plan_slot *settled_slot(const plan_block *b, const ir_value *v) { return settle_slot(b, slot_in(b, v)); }

static bool can_overwrite(const plan_block *b, const plan_step_s *s, int step, int i, const plan_slot *out) {
    const plan_slot *in = settled_slot(b, s->node->inputs[i]);
    size_t bi, bo;
    if (!(s->node->op->inplace >> i & 1) || !in || in->storage < 0 || in->storage == out->storage) return false;
    if (b->storages[in->storage].last != step || !tensor_bytes(&in->value.tensor, &bi) || !tensor_bytes(&out->value.tensor, &bo) || bi != bo) return false;
    for (int k = 0; k < s->node->n_in; k++) {
        const plan_slot *other = settled_slot(b, s->node->inputs[k]);
        if (k == i || !other || other->storage != in->storage) continue;
        if (!(s->node->op->inplace >> k & 1) || other->offset != in->offset || !tensor_same_shape(&other->value.tensor, &in->value.tensor)) return false;
    }
    return true;
}

static void share_in_place(plan_block *b) {
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        plan_slot *out = s->node->n_out ? slot_in(b, s->node->outputs[0]) : NULL;
        if (s->dynamic || s->view || !s->node->op->inplace || !out || out->storage < 0) continue;
        for (int k = 0; k < s->node->n_in && k < 32; k++) {
            if (!can_overwrite(b, s, (int)i, k, out)) continue;
            plan_slot *in = slot_in(b, s->node->inputs[k]);
            plan_storage *gone = &b->storages[out->storage];    /* fresh: nothing has joined it */
            if (gone->last > b->storages[in->storage].last) b->storages[in->storage].last = gone->last;
            gone->bytes = 0;
            gone->joined = in->storage;
            gone->shift = in->offset;
            break;
        }
    }
    for (size_t v = 0; v < b->graph->n_values; v++) settle_slot(b, &b->slots[v]);
}

/* ---- placing ------------------------------------------------------------------------------------------------------------------- */

static int larger(const void *x, const void *y) {
    const plan_storage *a = *(const plan_storage *const *)x, *b = *(const plan_storage *const *)y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a < b ? -1 : 1;
}
static int earlier(const void *x, const void *y) {
    const plan_storage *a = *(const plan_storage *const *)x, *b = *(const plan_storage *const *)y;
    if (a->first != b->first) return a->first < b->first ? -1 : 1;
    return a < b ? -1 : 1;
}
static int ends_earlier(const void *x, const void *y) {
    const plan_storage *a = *(const plan_storage *const *)x, *b = *(const plan_storage *const *)y;
    if (a->last != b->last) return a->last < b->last ? -1 : 1;
    return a < b ? -1 : 1;
}

/* The lowest place that is free while `st` lives; `placed` are sorted by offset, and `st` is put among them. */
static void fit(plan_storage *st, plan_storage **placed, size_t n) {
    uint64_t at = 0;
    size_t k = 0, to = n;
    for (; k < n; k++) {
        const plan_storage *p = placed[k];
        if (p->last < st->first || st->last < p->first) continue;
        if (p->offset >= at + st->bytes) break;
        if (p->offset + p->bytes > at) at = p->offset + p->bytes;
    }
    st->offset = at;
    for (; to > 0 && placed[to - 1]->offset > at; to--) placed[to] = placed[to - 1];
    placed[to] = st;
}

/* Storages of a class need a place of at most 2^(64 - class) bytes, and more than half of it. */
static int size_class(const plan_storage *st) { return __builtin_clzll(st->bytes - 1); }

/* Storages in order of time: each takes the place of one of its size class that has come to its end, or a new one behind *top. */
static void reuse(plan_storage **starts, plan_storage **ends, plan_storage **spare, size_t n, uint64_t *top) {
    struct { size_t first, n; } class[64] = {{0, 0}};
    qsort(ends, n, sizeof *ends, ends_earlier);
    for (size_t i = 0; i < n; i++) class[size_class(starts[i])].n++;
    for (size_t i = 0, at = 0; i < 64; at += class[i].n, class[i].n = 0, i++) class[i].first = at;
    qsort(starts, n, sizeof *starts, earlier);
    for (size_t i = 0, done = 0; i < n; i++) {
        plan_storage *st = starts[i];
        for (; ends[done]->last < st->first; done++) {
            int c = size_class(ends[done]);
            spare[class[c].first + class[c].n++] = ends[done];
        }
        int c = size_class(st);
        if (class[c].n) {
            st->offset = spare[class[c].first + --class[c].n]->offset;
        } else {
            st->offset = *top;
            *top += (uint64_t)1 << (64 - c);
        }
    }
}

/* So many of the largest are fitted, in quadratic time; a graph with more values than that gets by with sizes rounded up. */
enum { MOST_FITTED = 8192 };

static clstm_status place_storages(plan_block *b, clstm_error *err) {
    size_t n = b->n_storages, live = 0;
    plan_storage **order = util_calloc(3 * n, sizeof *order), **more = order + n;
    if (!order) return util_no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (b->storages[i].bytes) order[live++] = &b->storages[i];
    qsort(order, live, sizeof *order, larger);
    b->arena_bytes = 0;
    for (size_t i = 0; i < live && i < MOST_FITTED; i++) {
        fit(order[i], more, i);
        if (order[i]->offset + order[i]->bytes > b->arena_bytes) b->arena_bytes = order[i]->offset + order[i]->bytes;
    }
    if (live > MOST_FITTED) {
        n = live - MOST_FITTED;
        memcpy(more, order + MOST_FITTED, n * sizeof *more);
        reuse(order + MOST_FITTED, more, more + n, n, &b->arena_bytes);
    }
    free(order);
    return CLSTM_OK;
}

clstm_status plan_layout(plan_block *b, clstm_error *err) {
    size_t most = 2 * b->n_steps + b->graph->n_values + 1;
    b->storages = util_arena_alloc(&b->plan->arena, most, sizeof *b->storages);
    if (!b->storages) return util_no_memory(err);
    UTIL_TRY(make_storages(b, err));
    UTIL_TRY(plan_find_stacks(b, err));
    find_lifetimes(b);
    share_in_place(b);
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        uint64_t bodies = 0;
        int at = 0;
        s->scratch_offset = s->bodies_offset = SIZE_MAX;
        for (int k = 0; k < s->node->n_bodies; k++)
            if (s->bodies[k]->arena_bytes > bodies) bodies = s->bodies[k]->arena_bytes;
        if (bodies) { UTIL_TRY(new_storage(b, bodies, (int)i, &at, err)); s->bodies_offset = (size_t)at; }
        if (!s->dynamic && !s->view && s->ctx.scratch_bytes) { UTIL_TRY(new_storage(b, s->ctx.scratch_bytes, (int)i, &at, err)); s->scratch_offset = (size_t)at; }
    }
    plan_hold_stacks(b);
    return place_storages(b, err);
}

void plan_place(plan_block *b, unsigned char *base) {
    for (size_t i = 0; i < b->graph->n_values; i++) {
        plan_slot *s = &b->slots[i];
        if (s->storage >= 0) s->home = s->value.tensor.data = base + b->storages[s->storage].offset + s->offset;
    }
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        if (s->scratch_offset != SIZE_MAX) s->ctx.scratch = base + b->storages[s->scratch_offset].offset;
        for (int k = 0; k < s->node->n_bodies; k++)
            plan_place(s->bodies[k], s->bodies_offset == SIZE_MAX ? base : base + b->storages[s->bodies_offset].offset);
    }
}
