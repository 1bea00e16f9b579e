/* api/state_pairs: which states a session carries, and the way between a state's memory and a plan's inputs and outputs. */
#include "api/api_internal.h"

#include "plan/pairs.h"
#include "tensor/tensor.h"
#include "util/fpmode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pairs -------------------------------------------------------------------------------------------------------------------- */

static void add_pair(clstm_session *s, int input, int output, const char *why) {
    int at = s->pair_of[input] >= 0 ? s->pair_of[input] : (int)s->n_pairs++;
    s->pairs[at] = (session_pair){input, output, why};
    s->pair_of[input] = at;
}

/* Refuses a pair whose shapes cannot agree, and says which outputs could. */
static clstm_status check_pair(const clstm_model *m, int out, int in, clstm_error *err) {
    char input[96], output[96], list[600] = "", one[96];
    if (plan_ports_agree(&m->inputs[in], &m->outputs[out])) return CLSTM_OK;
    for (size_t o = 0; o < m->n_out; o++) {
        if (!plan_ports_agree(&m->inputs[in], &m->outputs[o])) continue;
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s\"%s\"", n ? ", " : "", util_escape(one, sizeof one, m->outputs[o].name));
    }
    return util_fail(err, CLSTM_BAD_ARGUMENT, "output \"%s\" cannot hold the next value of \"%s\": type or shape differ; candidates: %s",
                     util_escape(output, sizeof output, m->outputs[out].name), util_escape(input, sizeof input, m->inputs[in].name), list[0] ? list : "none");
}

static clstm_status read_metadata(const clstm_model *m, int *stated, clstm_error *err) {
    char text[128];
    for (size_t i = 0; i < m->n_out; i++) stated[i] = -1;
    for (size_t k = 0; k < m->onnx.n_metadata; k++) {
        const onnx_text *t = &m->onnx.metadata[k];
        if (strncmp(t->key, API_STATE_KEY, sizeof API_STATE_KEY - 1)) continue;
        int out = clstm_model_find_output(m, t->key + sizeof API_STATE_KEY - 1), in = clstm_model_find_input(m, t->value);
        if (out < 0 || in < 0)
            return util_fail(err, CLSTM_BAD_MODEL, "metadata \"%s\" names a port that the model does not have", util_escape(text, sizeof text, t->key));
        UTIL_TRY(check_pair(m, out, in, err));
        stated[out] = in;
    }
    return CLSTM_OK;
}

/* Room for n_in pairs at *found, which the caller frees. */
static clstm_status find_pairs(const clstm_session *s, plan_pair **found, size_t *n, clstm_error *err) {
    const clstm_model *m = s->model;
    int *stated = util_calloc(m->n_out, sizeof *stated);
    *found = util_calloc(m->n_in, sizeof **found);
    *n = 0;
    clstm_status status = stated && *found ? read_metadata(m, stated, err) : util_no_memory(err);
    if (status == CLSTM_OK) {
        plan_ports ports = {m->inputs, m->outputs, m->n_in, m->n_out, stated};
        status = plan_find_pairs(m->onnx.graph, &s->env, &ports, *found, n, err);
    }
    free(stated);
    return status;
}

clstm_status session_find_pairs(clstm_session *s, clstm_error *err) {
    plan_pair *found;
    size_t n;
    clstm_status status = find_pairs(s, &found, &n, err);
    for (size_t k = 0; k < n && status == CLSTM_OK; k++) add_pair(s, found[k].input, found[k].output, found[k].why);
    free(found);
    return status;
}

clstm_status session_carried_inputs(clstm_session *s, bool *carried, clstm_error *err) {
    clstm_error ambiguous;
    plan_pair *found = NULL;
    size_t n = 0;
    clstm_status status = s->options.carry & CLSTM_CARRY_PORTS ? CLSTM_OK : find_pairs(s, &found, &n, &ambiguous);
    for (size_t k = 0; k < n && status == CLSTM_OK; k++) carried[found[k].input] = true;
    for (size_t k = 0; k < s->n_pairs; k++) carried[s->pairs[k].input] = true;
    free(found);
    if (status == CLSTM_NO_MEMORY) return util_no_memory(err);
    return CLSTM_OK;
}

clstm_status clstm_session_carry(clstm_session *s, const char *output, const char *input, clstm_error *err) {
    char text[128];
    int out = clstm_model_find_output(s->model, output), in = clstm_model_find_input(s->model, input);
    if (out < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "there is no output \"%s\"", util_escape(text, sizeof text, output));
    if (in < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "there is no input \"%s\"", util_escape(text, sizeof text, input));
    UTIL_TRY(check_pair(s->model, out, in, err));
    UTIL_TRY(session_enter(s, err));
    session_drop_plans(s);
    clstm_state_destroy(s->own);
    s->own = NULL;
    /* What was told last counts: an output that another input had is free again. */
    for (size_t k = 0; k < s->n_pairs; k++) {
        if (s->pairs[k].output != out || s->pairs[k].input == in) continue;
        s->pair_of[s->pairs[k].input] = -1;
        s->pairs[k] = s->pairs[--s->n_pairs];
        if (k < s->n_pairs) s->pair_of[s->pairs[k].input] = (int)k;
        k--;
    }
    add_pair(s, in, out, "told");
    return session_leave(s, CLSTM_OK);
}

bool clstm_session_carry_describe(const clstm_session *s, size_t index, clstm_carry_info *info) {
    const session_plan *p = s->current;
    if (index >= (p ? p->n_parts : s->n_pairs)) return false;
    memset(info, 0, sizeof *info);
    if (index < s->n_pairs) {
        const session_pair *pair = &s->pairs[index];
        *info = (clstm_carry_info){s->model->inputs[pair->input].name, pair->input, pair->output, pair->why, s->model->inputs[pair->input].tensor};
    } else *info = (clstm_carry_info){.name = p->parts[index].name, .input = -1, .output = -1, .why = "internal"};
    if (p) info->tensor = p->parts[index].value.tensor;
    info->tensor.data = NULL;
    return true;
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------------------- */

/* What inputs that were set say about a symbol; -1 when they say nothing. */
static int64_t size_of_symbol(const clstm_session *s, const char *symbol) {
    for (size_t i = 0; i < s->model->n_in && symbol; i++)
        for (int d = 0; d < s->model->inputs[i].tensor.rank; d++)
            if (s->given[i] && s->model->inputs[i].dim_names[d] && !strcmp(s->model->inputs[i].dim_names[d], symbol) && d < s->inputs[i].tensor.rank)
                return s->inputs[i].tensor.dims[d];
    return -1;
}

static bool shaped_here(const clstm_session *s, size_t input) {
    return !s->given[input] && !s->constants[input] && s->model->inputs[input].tensor.rank >= 0;
}

void session_shape_carried(clstm_session *s) {
    for (size_t k = 0; k < s->n_pairs; k++) {
        size_t i = (size_t)s->pairs[k].input;
        const clstm_port *port = &s->model->inputs[i];
        if (!shaped_here(s, i)) continue;
        s->inputs[i] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = port->tensor};
        for (int d = 0; d < port->tensor.rank; d++) {
            int64_t fixed = s->fixed[i * CLSTM_MAX_RANK + (size_t)d];
            if (port->tensor.dims[d] < 0) s->inputs[i].tensor.dims[d] = fixed >= 0 ? fixed : size_of_symbol(s, port->dim_names[d]);
        }
    }
}

/* Guess 0 is 1, the others are the sizes that the inputs have where the model leaves them open. */
static int64_t nth_guess(const clstm_session *s, size_t n) {
    if (n-- == 0) return 1;
    for (size_t i = 0; i < s->model->n_in; i++)
        for (int d = 0; s->given[i] && d < s->inputs[i].tensor.rank; d++)
            if ((d >= s->model->inputs[i].tensor.rank || s->model->inputs[i].tensor.dims[d] < 0) && n-- == 0) return s->inputs[i].tensor.dims[d];
    return -1;
}

bool session_guess_carried(clstm_session *s, size_t n, bool *guessed) {
    int64_t size = nth_guess(s, n);
    *guessed = false;
    if (size < 0) return false;
    session_shape_carried(s);
    for (size_t k = 0; k < s->n_pairs; k++) {
        clstm_tensor *t = &s->inputs[s->pairs[k].input].tensor;
        for (int d = 0; d < t->rank && shaped_here(s, (size_t)s->pairs[k].input); d++)
            if (t->dims[d] < 0) { t->dims[d] = size; *guessed = true; }
    }
    return true;
}

/* The axis along which streams lie in a state port: the only dimension that the model leaves open; -1: none. */
static int open_axis(const clstm_port *port) {
    int axis = -1;
    for (int d = 0; d < port->tensor.rank; d++) {
        if (port->tensor.dims[d] >= 0) continue;
        if (axis >= 0) return -1;
        axis = d;
    }
    return axis;
}

static clstm_status not_as_state(const session_part *part, const clstm_tensor *out, clstm_error *err) {
    char name[128], have[200], want[200];
    return util_fail(err, CLSTM_BAD_ARGUMENT, "state \"%s\" has the type %s and shape %s, the output that should carry it %s and %s", util_escape(name, sizeof name, part->name),
                     clstm_type_name(part->value.tensor.type), tensor_shape_text(have, sizeof have, &part->value.tensor), clstm_type_name(out->type),
                     tensor_shape_text(want, sizeof want, out));
}

/* The output of a plan may not be known; that of a run is. */
static clstm_status check_output(const session_plan *p, const session_part *part, bool ran, clstm_error *err) {
    const clstm_value *out = plan_output(p->plan, part->output);
    if (!ran && (out->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&out->tensor))) return CLSTM_OK;
    bool same = out->kind == CLSTM_KIND_TENSOR && tensor_same_shape(&out->tensor, &part->value.tensor) && out->tensor.type == part->value.tensor.type;
    return same ? CLSTM_OK : not_as_state(part, &out->tensor, err);
}

clstm_status session_make_parts(clstm_session *s, session_plan *p, clstm_error *err) {
    size_t n_in = s->model->n_in, extra = plan_carried(p->plan);
    p->views = util_calloc(n_in + extra, sizeof *p->views);
    p->parts = util_calloc(s->n_pairs + extra, sizeof *p->parts);
    if (!p->views || !p->parts) return util_no_memory(err);
    for (size_t i = 0; i < n_in; i++) p->views[i] = s->constants[i] ? NULL : &s->inputs[i];
    for (size_t k = 0; k < s->n_pairs + extra; k++) {
        session_part *part = &p->parts[k];
        char name[128];
        if (k < s->n_pairs) {
            const session_pair *pair = &s->pairs[k];
            part->input = (size_t)pair->input;
            part->output = (size_t)pair->output;
            part->name = s->model->inputs[pair->input].name;
            part->value = s->inputs[pair->input];
            part->lane_axis = open_axis(&s->model->inputs[pair->input]);
        } else {
            size_t e = k - s->n_pairs;
            part->input = n_in + e;
            part->output = s->model->n_out + e;
            part->value.kind = CLSTM_KIND_TENSOR;
            plan_carried_part(p->plan, e, &part->name, &part->value.tensor, &part->initial);
            part->lane_axis = part->value.tensor.dims[0] == 1 ? 1 : 0;
        }
        part->value.tensor.data = NULL;
        if (part->input < n_in && s->constants[part->input])
            return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\" is declared constant and carried", util_escape(name, sizeof name, part->name));
        if (!tensor_bytes(&part->value.tensor, &part->bytes)) return not_as_state(part, &plan_output(p->plan, part->output)->tensor, err);
        UTIL_TRY(check_output(p, part, false, err));
        p->views[part->input] = &part->value;
        p->n_parts = k + 1;
    }
    for (size_t k = 0; k < p->n_parts; k++) p->shown |= plan_shows_input(p->plan, p->parts[k].input);
    return session_make_room(p, s->options.lock_memory, err);
}

void session_drop_parts(session_plan *p) {
    session_drop_room(p);
    free(p->views);
    free(p->parts);
}

/* ---- a run -------------------------------------------------------------------------------------------------------------------------- */

clstm_status session_check_state(const session_plan *p, const clstm_state *st, clstm_error *err) {
    char name[128], have[200], want[200];
    if (st->n_parts != p->n_parts) return util_fail(err, CLSTM_BAD_ARGUMENT, "the state has %zu parts, the session carries %zu", st->n_parts, p->n_parts);
    for (size_t k = 0; k < p->n_parts; k++) {
        const clstm_tensor *a = &st->parts[k].tensor, *b = &p->parts[k].value.tensor;
        if (strcmp(st->parts[k].name, p->parts[k].name))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "the state is another model's: it has \"%s\" where \"%s\" is carried", util_escape(have, sizeof have, st->parts[k].name),
                             util_escape(name, sizeof name, p->parts[k].name));
        if (a->type == b->type && tensor_same_shape(a, b)) continue;
        return util_fail(err, CLSTM_BAD_ARGUMENT, "carried state \"%s\" has the shape %s, these inputs need %s: reset the session or attach another state",
                         util_escape(name, sizeof name, p->parts[k].name), tensor_shape_text(have, sizeof have, a), tensor_shape_text(want, sizeof want, b));
    }
    return CLSTM_OK;
}

clstm_status session_own_state(clstm_session *s, session_plan *p, clstm_error *err) {
    return !p->n_parts || s->own ? CLSTM_OK : state_make(p->parts, p->n_parts, 0, s->options.lock_memory, &s->own, err);
}

clstm_state *session_state(const clstm_session *s) { return s->attached ? s->attached : s->own; }

/* In place, or copied where an output may show a state: it must show what the run read, not what it left. */
void session_place_state(session_plan *p, const clstm_state *st) {
    unsigned char *at = p->room;
    for (size_t k = 0; k < p->n_parts; k++) {
        session_part *part = &p->parts[k];
        bool copied = p->shown && part->bytes;
        part->value.tensor.data = copied ? memcpy(at, st->parts[k].tensor.data, part->bytes) : st->parts[k].tensor.data;
        at = session_next_room(part, at);
    }
}

clstm_status session_enter_state(clstm_session *s, session_plan *p, clstm_error *err) {
    if (!p->n_parts) return CLSTM_OK;
    clstm_state *st = session_state(s);
    if (s->checked != st) UTIL_TRY(session_check_state(p, st, err));
    s->checked = st;
    for (size_t k = 0; k < s->n_pairs && !s->attached; k++) {
        size_t input = (size_t)s->pairs[k].input;
        if (!s->pending[input]) continue;
        memcpy(st->parts[k].tensor.data, s->inputs[input].tensor.data, p->parts[k].bytes);
        s->pending[input] = false;
    }
    session_place_state(p, st);
    return CLSTM_OK;
}

clstm_status session_check_results(const session_plan *p, clstm_error *err) {
    for (size_t k = 0; k < p->n_parts; k++) UTIL_TRY(check_output(p, &p->parts[k], true, err));
    return CLSTM_OK;
}

clstm_status session_leave_state(const session_plan *p, clstm_state *st, clstm_error *err) {
    UTIL_TRY(session_check_results(p, err));
    for (size_t k = 0; k < p->n_parts; k++)
        if (p->parts[k].bytes) memcpy(st->parts[k].tensor.data, plan_output(p->plan, p->parts[k].output)->tensor.data, p->parts[k].bytes);
    return CLSTM_OK;
}

/* A new own state for the current plan, or without one none until the next plan: the shapes may be others then. The old one stays
 * when that fails. */
static clstm_status renew_own(clstm_session *s, clstm_error *err) {
    clstm_state *old = s->own;
    s->own = NULL;
    clstm_status status = s->current ? session_own_state(s, s->current, err) : CLSTM_OK;
    s->checked = NULL;
    if (status != CLSTM_OK) s->own = old;
    else clstm_state_destroy(old);
    return status;
}

clstm_status clstm_session_reset(clstm_session *s, clstm_error *err) {
    UTIL_TRY(session_enter(s, err));
    bool fits = s->own && s->current && session_check_state(s->current, s->own, NULL) == CLSTM_OK;
    if (fits) clstm_state_reset(s->own);
    return session_leave(s, fits ? CLSTM_OK : renew_own(s, err));
}

clstm_status clstm_session_attach(clstm_session *s, clstm_state *state, clstm_error *err) {
    UTIL_TRY(session_enter(s, err));
    clstm_status status = state && s->current ? session_check_state(s->current, state, err) : CLSTM_OK;
    s->checked = NULL;
    if (status == CLSTM_OK) s->attached = state;
    return session_leave(s, status);
}

clstm_status clstm_state_create(clstm_session *s, int lanes, clstm_state **state, clstm_error *err) {
    *state = NULL;
    if (lanes < 0 || lanes > 1) return util_fail(err, CLSTM_BAD_ARGUMENT, "lanes is %d, expected 0 or 1", lanes);
    UTIL_TRY(session_enter(s, err));
    util_fpmode mode = util_fpmode_enter();
    clstm_status status = session_choose_plan(s, true, err);
    util_fpmode_leave(mode);
    if (status == CLSTM_OK && !s->current->n_parts) status = util_fail(err, CLSTM_BAD_ARGUMENT, "the session carries no state");
    if (status == CLSTM_OK) status = state_make(s->current->parts, s->current->n_parts, lanes, s->options.lock_memory, state, err);
    return session_leave(s, status);
}
