/* api/stream_axis: finding the time axis of an input, and tracing gates. */
#include "api/api_internal.h"

#include "tensor/tensor.h"
#include "util/fpmode.h"

#include <stdlib.h>
#include <string.h>

/* Trial lengths, a few steps and many: primes that other dimensions of a model are unlikely to have. */
enum { TRIALS = 8 };
static const int64_t few_steps[TRIALS] = {11, 13, 17, 19, 23, 29, 31, 37}, many_steps[TRIALS] = {1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049};

static int64_t unlike(const clstm_session *s, const clstm_tensor *t, const int64_t *trial_steps) {
    const ir_graph *g = s->model->onnx.graph;
    for (size_t k = 0; k < TRIALS; k++) {
        bool used = false;
        for (int d = 0; d < t->rank; d++) used |= t->dims[d] == trial_steps[k];
        for (size_t i = 0; i < g->n_values; i++)
            for (int d = 0; g->values[i] && d < g->values[i]->type.rank; d++) used |= g->values[i]->type.dims[d] == trial_steps[k];
        if (!used) return trial_steps[k];
    }
    return trial_steps[0];
}

static clstm_status trial_plan(clstm_session *s, clstm_value *shapes, size_t input, int axis, const int64_t *steps, plan **out, clstm_error *err) {
    clstm_value kept = shapes[input];
    shapes[input].tensor.dims[axis] = unlike(s, &kept.tensor, steps);
    plan_request r = {s->model->onnx.graph, shapes, s->constants, &s->env, true, true};
    clstm_status status = plan_build(&r, out, err);
    shapes[input] = kept;
    return status;
}

static clstm_status try_axis(clstm_session *s, clstm_value *shapes, const bool *carried, size_t input, int axis, int *output_axes, bool *reached, clstm_error *err) {
    plan *few = NULL, *many = NULL;
    clstm_status status = trial_plan(s, shapes, input, axis, few_steps, &few, err);
    if (status == CLSTM_OK) status = plan_stream(few, input, axis, carried, output_axes, reached, err);
    if (status == CLSTM_OK && *reached) status = trial_plan(s, shapes, input, axis, many_steps, &many, err);
    if (many) status = plan_stream(many, input, axis, carried, output_axes, reached, err);
    if (many && status == CLSTM_OK) status = plan_stream_alike(few, many, err);
    plan_destroy(few);
    plan_destroy(many);
    return status;
}

clstm_status clstm_session_stream(clstm_session *s, size_t input, int *axis, int *output_axes, clstm_error *err) {
    char name[128];
    if (input >= s->model->n_in) return util_fail(err, CLSTM_BAD_ARGUMENT, "there is no input %zu", input);
    const clstm_port *port = &s->model->inputs[input];
    util_escape(name, sizeof name, port->name);
    int rank = port->tensor.rank >= 0 ? port->tensor.rank : s->inputs[input].tensor.rank;
    if (port->kind != CLSTM_KIND_TENSOR || rank < 1 || *axis >= rank) return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\" has no axis to stream along", name);
    clstm_value *shapes = util_calloc(s->model->n_in, sizeof *shapes);
    bool *carried = util_calloc(s->model->n_in, sizeof *carried);
    clstm_status status = shapes && carried ? session_enter(s, err) : util_no_memory(err);
    if (status == CLSTM_OK && (status = session_carried_inputs(s, carried, err)) != CLSTM_OK) session_leave(s, status);
    if (status != CLSTM_OK) { free(carried); free(shapes); return status; }
    session_shape_carried(s);
    for (size_t i = 0; i < s->model->n_in; i++) {
        const clstm_port *p = &s->model->inputs[i];
        shapes[i] = s->given[i] || s->pair_of[i] >= 0 ? s->inputs[i] : (clstm_value){.kind = p->kind, .tensor = p->tensor};
        for (int d = 0; d < shapes[i].tensor.rank; d++)
            if (shapes[i].tensor.dims[d] < 0) shapes[i].tensor.dims[d] = s->fixed[i * CLSTM_MAX_RANK + (size_t)d] >= 0 ? s->fixed[i * CLSTM_MAX_RANK + (size_t)d] : 1;
    }
    util_fpmode mode = util_fpmode_enter();
    int found = -1;
    status = CLSTM_UNSUPPORTED;
    /* An axis of a fixed size cannot be the one, unless the caller says so. The first failure is the one to report: it belongs
     * to the axis that comes first, time as a rule. */
    clstm_error first = {0};
    for (int d = 0; d < rank && found < 0; d++) {
        bool reached = false;
        clstm_error e = {0};
        if (*axis >= 0 ? d != *axis : d < port->tensor.rank && port->tensor.dims[d] >= 0) continue;
        status = try_axis(s, shapes, carried, input, d, output_axes, &reached, &e);
        if (status == CLSTM_NO_MEMORY) { first = e; break; }     /* what the other axes say is no answer then */
        if (status == CLSTM_OK && reached) found = d;
        else if (status == CLSTM_OK) util_fail(&e, CLSTM_UNSUPPORTED, "not streamable: axis %d of \"%s\" reaches no recurrent layer", d, name);
        if (found < 0 && (first.status == CLSTM_OK || (first.status == CLSTM_UNSUPPORTED && strstr(first.message, "reaches no")))) first = e;
    }
    util_fpmode_leave(mode);
    if (found >= 0) { *axis = found; status = CLSTM_OK; }
    else if (first.status == CLSTM_OK) status = util_fail(err, CLSTM_UNSUPPORTED, "not streamable: every axis of \"%s\" has a fixed size", name);
    else { status = first.status; if (err) *err = first; }
    free(carried);
    free(shapes);
    return session_leave(s, status);
}

/* ---- trace ---------------------------------------------------------------------------------------------------------------------- */

static void hand_over(void *user, const ir_node *n, const rnn_trace_step *t) {
    const clstm_session *s = user;
    clstm_trace_step step = {.node = n->name, .type = n->op_type, .direction = t->direction, .directions = t->directions, .t = t->t, .b = t->b, .steps = t->steps,
                             .batch = t->batch, .hidden = t->hidden, .gates = t->gates, .h = t->h, .c = t->c};
    memcpy(step.gate, t->gate, sizeof step.gate);
    s->trace_fn(s->trace_user, &step);
}

clstm_status clstm_session_trace(clstm_session *s, clstm_trace_fn fn, void *user, clstm_error *err) {
    UTIL_TRY(session_enter(s, err));
    s->trace_fn = fn;
    s->trace_user = user;
    s->trace = (struct op_trace){s, hand_over};
    struct op_trace *now = fn ? &s->trace : NULL;
    if (s->env.trace != now) session_drop_plans(s);     /* the sink is a fact of the plan, so that off costs nothing */
    s->env.trace = now;
    return session_leave(s, CLSTM_OK);
}
