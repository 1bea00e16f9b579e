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

static clstm_status new_storage(plan_block *b, size_t bytes, int step, int *out, clstm_error *err) {
    plan_storage *st = &b->storages[b->n_storages];
    if (bytes > SIZE_MAX / 2) return util_fail(err, CLSTM_LIMIT, "a value of %zu bytes does not fit in memory", bytes);
    *st = (plan_storage){round64(bytes), 0, step, step};
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

static bool can_overwrite(const plan_block *b, const plan_step_s *s, int step, int i, const plan_slot *out) {
    const plan_slot *in = slot_in(b, s->node->inputs[i]);
    size_t bi, bo;
    if (!(s->node->op->inplace >> i & 1) || !in || in->storage < 0 || in->storage == out->storage) return false;
    if (b->storages[in->storage].last != step || !tensor_bytes(&in->value.tensor, &bi) || !tensor_bytes(&out->value.tensor, &bo) || bi != bo) return false;
    for (int k = 0; k < s->node->n_in; k++) {
        const plan_slot *other = slot_in(b, s->node->inputs[k]);
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
            int gone = out->storage;
            size_t shift = in->offset;
            if (b->storages[gone].last > b->storages[in->storage].last) b->storages[in->storage].last = b->storages[gone].last;
            b->storages[gone].bytes = 0;
            for (size_t v = 0; v < b->graph->n_values; v++)
                if (b->slots[v].storage == gone) { b->slots[v].storage = in->storage; b->slots[v].offset += shift; }
            break;
        }
    }
}

/* ---- placing ------------------------------------------------------------------------------------------------------------------- */

static int larger(const void *x, const void *y) {
    const plan_storage *a = *(const plan_storage *const *)x, *b = *(const plan_storage *const *)y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a < b ? -1 : 1;
}
static int lower_offset(const void *x, const void *y) {
    const plan_storage *a = *(const plan_storage *const *)x, *b = *(const plan_storage *const *)y;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static clstm_status place_storages(plan_block *b, clstm_error *err) {
    size_t n = b->n_storages, alive;
    plan_storage **order = util_calloc(n, sizeof *order), **near = util_calloc(n, sizeof *near);
    if (!order || !near) { free(order); free(near); return util_no_memory(err); }
    for (size_t i = 0; i < n; i++) order[i] = &b->storages[i];
    qsort(order, n, sizeof *order, larger);
    b->arena_bytes = 0;
    for (size_t i = 0; i < n && order[i]->bytes; i++) {
        alive = 0;
        for (size_t k = 0; k < i; k++)
            if (order[k]->first <= order[i]->last && order[i]->first <= order[k]->last) near[alive++] = order[k];
        qsort(near, alive, sizeof *near, lower_offset);
        size_t at = 0;
        for (size_t k = 0; k < alive; k++) {
            if (near[k]->offset >= at + order[i]->bytes) break;
            if (near[k]->offset + near[k]->bytes > at) at = near[k]->offset + near[k]->bytes;
        }
        order[i]->offset = at;
        if (at + order[i]->bytes > b->arena_bytes) b->arena_bytes = at + order[i]->bytes;
    }
    free(order);
    free(near);
    return CLSTM_OK;
}

clstm_status plan_layout(plan_block *b, clstm_error *err) {
    size_t most = 2 * b->n_steps + b->graph->n_values + 1;
    b->storages = util_arena_alloc(&b->plan->arena, most, sizeof *b->storages);
    if (!b->storages) return util_no_memory(err);
    UTIL_TRY(make_storages(b, err));
    find_lifetimes(b);
    share_in_place(b);
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        size_t bodies = 0;
        int at = 0;
        s->scratch_offset = s->bodies_offset = SIZE_MAX;
        for (int k = 0; k < s->node->n_bodies; k++)
            if (s->bodies[k]->arena_bytes > bodies) bodies = s->bodies[k]->arena_bytes;
        if (bodies) { UTIL_TRY(new_storage(b, bodies, (int)i, &at, err)); s->bodies_offset = (size_t)at; }
        if (!s->dynamic && !s->view && s->ctx.scratch_bytes) { UTIL_TRY(new_storage(b, s->ctx.scratch_bytes, (int)i, &at, err)); s->scratch_offset = (size_t)at; }
    }
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
