/* api/streams: many streams in one batched run. Lane i of the batch is states[i]: its values are gathered into the plan's own room, which
 * is there since the plan was built, and after a run that went well scattered from the plan's outputs. */
#include "api/api_internal.h"

#include "tensor/tensor.h"
#include "util/fpmode.h"
#include "util/resident.h"

#include <string.h>

static size_t round64(size_t n) { return (n + 63) & ~(size_t)63; }

/* ---- room ------------------------------------------------------------------------------------------------------------------------ */

unsigned char *session_next_room(const session_part *part, unsigned char *at) { return at ? at + round64(part->bytes) : NULL; }

clstm_status session_make_room(session_plan *p, bool lock, clstm_error *err) {
    size_t bytes = 0;
    bool needed = p->n_parts > 0;
    for (size_t k = 0; k < p->n_parts; k++) {
        const session_part *part = &p->parts[k];
        needed &= p->shown || (part->lane_axis >= 0 && part->value.tensor.dims[part->lane_axis] > 1);
        bytes += round64(part->bytes);
    }
    if (!needed) return CLSTM_OK;
    if (!(p->room = util_aligned_alloc(bytes))) return util_no_memory(err);
    memset(p->room, 0, bytes);              /* every page is there before the first run */
    p->room_bytes = bytes;
    p->room_locked = lock;
    return lock ? util_lock(p->room, bytes, err) : CLSTM_OK;
}

void session_drop_room(session_plan *p) {
    if (p->room_locked) util_unlock(p->room, p->room_bytes);
    util_aligned_free(p->room);
}

/* ---- are these the lanes of this batch? --------------------------------------------------------------------------------------------- */

static clstm_status check_batch(const session_plan *p, size_t count, clstm_error *err) {
    char name[128];
    for (size_t k = 0; k < p->n_parts; k++) {
        const session_part *part = &p->parts[k];
        if (part->lane_axis < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "state \"%s\" has no batch dimension of its own", util_escape(name, sizeof name, part->name));
        if (part->value.tensor.dims[part->lane_axis] != (int64_t)count)
            return util_fail(err, CLSTM_BAD_ARGUMENT, "%zu states for inputs of batch %lld", count, (long long)part->value.tensor.dims[part->lane_axis]);
    }
    return CLSTM_OK;
}

/* Every state is there once and has the parts of one lane. */
static clstm_status check_states(const session_plan *p, clstm_state *const *states, size_t count, clstm_error *err) {
    char name[128];
    for (size_t i = 0; i < count; i++)
        if (states[i] && states[i]->n_parts != p->n_parts)
            return util_fail(err, CLSTM_BAD_ARGUMENT, "state %zu has %zu parts, the session carries %zu", i, states[i]->n_parts, p->n_parts);
    for (size_t k = 0; k < p->n_parts; k++) {
        const session_part *part = &p->parts[k];
        clstm_tensor lane = part->value.tensor;
        lane.dims[part->lane_axis] = 1;
        for (size_t i = 0; i < count; i++) {
            const state_part *one = states[i] ? &states[i]->parts[k] : NULL;
            if (one && (one->tensor.type != lane.type || !tensor_same_shape(&one->tensor, &lane) || strcmp(one->name, part->name)))
                return util_fail(err, CLSTM_BAD_ARGUMENT, "state %zu: \"%s\" is not one lane of the batch", i, util_escape(name, sizeof name, one->name));
        }
    }
    size_t marked = 0;
    while (marked < count && !(states[marked] && states[marked]->taken)) {
        if (states[marked]) states[marked]->taken = true;
        marked++;
    }
    for (size_t i = 0; i < marked; i++)
        if (states[i]) states[i]->taken = false;
    return marked == count ? CLSTM_OK : util_fail(err, CLSTM_BAD_ARGUMENT, "state %zu is another lane's as well", marked);
}

/* ---- there and back ------------------------------------------------------------------------------------------------------------------ */

/* Copies part k of every lane between `batch` and the states of one lane. An empty lane is zeros, and its result is dropped. */
static void move_part(const session_plan *p, size_t k, unsigned char *batch, clstm_state *const *states, size_t count, bool gather) {
    const clstm_tensor *t = &p->parts[k].value.tensor;
    int64_t outer = tensor_span(t, 0, p->parts[k].lane_axis);
    size_t chunk = (size_t)tensor_span(t, p->parts[k].lane_axis + 1, t->rank) * clstm_type_size(t->type);
    for (size_t i = 0; i < count; i++) {
        unsigned char *one = states[i] ? states[i]->parts[k].tensor.data : NULL;
        for (int64_t o = 0; o < outer; o++) {
            unsigned char *b = batch + ((size_t)o * count + i) * chunk;
            if (gather && one) memcpy(b, one + (size_t)o * chunk, chunk);
            else if (gather) memset(b, 0, chunk);
            else if (one) memcpy(one + (size_t)o * chunk, b, chunk);
        }
    }
}

static clstm_status run_lanes(clstm_session *s, clstm_state *const *states, size_t count, clstm_error *err) {
    session_plan *p = s->current;
    UTIL_TRY(check_batch(p, count, err));
    UTIL_TRY(check_states(p, states, count, err));
    unsigned char *at = p->room;
    for (size_t k = 0; k < p->n_parts; k++) {
        move_part(p, k, at, states, count, true);
        p->parts[k].value.tensor.data = at;
        at = session_next_room(&p->parts[k], at);
    }
    UTIL_TRY(session_execute(s, err));
    UTIL_TRY(session_check_results(p, err));
    for (size_t k = 0; k < p->n_parts; k++) move_part(p, k, plan_output(p->plan, p->parts[k].output)->tensor.data, states, count, false);
    return CLSTM_OK;
}

/* A stream by itself needs no gathering. */
static clstm_status run_one(clstm_session *s, clstm_state *state, clstm_error *err) {
    UTIL_TRY(session_check_state(s->current, state, err));
    session_place_state(s->current, state);
    UTIL_TRY(session_execute(s, err));
    return session_leave_state(s->current, state, err);
}

clstm_status clstm_session_run_streams(clstm_session *s, clstm_state *const *states, size_t count, clstm_error *err) {
    UTIL_TRY(session_enter(s, err));
    util_fpmode mode = util_fpmode_enter();
    s->ran = false;
    bool none = !count || (count == 1 && !states[0]);
    clstm_status status = none ? util_fail(err, CLSTM_BAD_ARGUMENT, "a run of no streams") : session_choose_plan(s, !s->options.realtime, err);
    if (status == CLSTM_OK && !s->current->n_parts) status = util_fail(err, CLSTM_BAD_ARGUMENT, "the session carries no state");
    if (status == CLSTM_OK) status = count == 1 ? run_one(s, states[0], err) : run_lanes(s, states, count, err);
    s->ran = status == CLSTM_OK;
    util_fpmode_leave(mode);
    return session_leave(s, status);
}
