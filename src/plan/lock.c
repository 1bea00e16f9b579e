/* plan/lock: the blocks of memory that a run of a plan works in, kept from being paged out. */
#include "plan/plan_internal.h"

#include "util/resident.h"

/* Locks or (err NULL) unlocks. */
static clstm_status set_lock(const void *block, size_t bytes, bool lock, clstm_error *err) {
    if (lock) return util_lock(block, bytes, err);
    util_unlock(block, bytes);
    return CLSTM_OK;
}

static clstm_status set_arena(const util_arena *a, bool lock, clstm_error *err) {
    const void *block;
    size_t bytes;
    for (size_t k = 0; util_arena_block(a, k, &block, &bytes); k++) UTIL_TRY(set_lock(block, bytes, lock, err));
    return CLSTM_OK;
}

static clstm_status set_block(const plan_block *b, bool lock, clstm_error *err) {
    for (size_t i = 0; i < b->n_steps; i++) {
        const plan_step_s *s = &b->steps[i];
        UTIL_TRY(set_lock(s->ctx.prepared, s->ctx.prepared ? s->ctx.prepared_bytes : 0, lock, err));
        for (int k = 0; k < s->node->n_bodies; k++) UTIL_TRY(set_block(s->bodies[k], lock, err));
    }
    for (size_t i = 0; lock && i < b->graph->n_values; i++)
        if (b->graph->values[i]->constant) UTIL_TRY(ir_const_lock(b->graph->values[i]->constant, err));
    return CLSTM_OK;
}

static clstm_status set_plan(const plan *p, bool lock, clstm_error *err) {
    UTIL_TRY(set_lock(p->memory, p->memory_bytes, lock, err));
    UTIL_TRY(set_arena(&p->arena, lock, err));
    UTIL_TRY(set_arena(p->graph->arena, lock, err));
    return set_block(&p->root, lock, err);
}

clstm_status plan_lock(plan *p, clstm_error *err) {
    p->locked = true;
    return set_plan(p, true, err);
}

void plan_unlock(plan *p) {
    if (p->locked) set_plan(p, false, NULL);
}
