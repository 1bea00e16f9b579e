/* convert/convert_c: a model as C text. What a session finds out about states decides what a step carries. */
#include "api/api_internal.h"

#include "convert/emit.h"

#include <stdlib.h>
#include <string.h>

/* An identifier that leaves room for what is put behind it. */
static bool usable(const char *name) {
    size_t n = name ? strlen(name) : 0;
    if (!n || n > 48 || (name[0] >= '0' && name[0] <= '9')) return false;
    for (size_t i = 0; i < n; i++)
        if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9') || name[i] == '_')) return false;
    return true;
}

/* Layers' own states are carried where a sequence may be fed in pieces: along an axis of some input. */
static clstm_status find_stream(clstm_session *s, size_t n_out, bool *any, clstm_error *err) {
    int *axes = util_calloc(n_out + 1, sizeof *axes);
    clstm_status status = axes ? CLSTM_OK : CLSTM_NO_MEMORY;
    for (size_t i = 0; status != CLSTM_NO_MEMORY && i < s->model->n_in && !*any; i++) {
        int axis = -1;
        status = clstm_session_stream(s, i, &axis, axes, NULL);
        *any = status == CLSTM_OK;
    }
    free(axes);
    return status == CLSTM_NO_MEMORY ? util_no_memory(err) : CLSTM_OK;
}

/* Pairs that contradict each other are none: the text then has no step, but the run takes and gives every state. */
static clstm_status find_states(clstm_model *m, int *pair_of, bool *carry_layers, clstm_error *err) {
    clstm_session_options options = {.threads = 1, .carry = CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS};
    clstm_session *s;
    clstm_carry_info info;
    clstm_status status = clstm_session_create(m, &options, &s, NULL);
    if (status != CLSTM_OK) return status == CLSTM_NO_MEMORY ? util_no_memory(err) : CLSTM_OK;
    for (size_t k = 0; clstm_session_carry_describe(s, k, &info); k++)
        if (info.input >= 0) pair_of[info.input] = info.output;
    status = find_stream(s, m->n_out, carry_layers, err);
    clstm_session_destroy(s);
    return status;
}

clstm_status clstm_convert_c(clstm_model *m, const clstm_convert_c_options *o, clstm_convert_sink sink, void *source, void *header, clstm_error *err) {
    char text[128];
    emit_string c = {0}, h = {0};
    if (!usable(o->name)) return util_fail(err, CLSTM_BAD_ARGUMENT, "\"%s\" is no identifier of at most 48 characters", util_escape(text, sizeof text, o->name ? o->name : ""));
    int *pair_of = util_calloc(m->n_in + 1, sizeof *pair_of);
    if (!pair_of) return util_no_memory(err);
    for (size_t i = 0; i < m->n_in; i++) pair_of[i] = -1;
    emit_request r = {.graph = m->onnx.graph, .limits = &m->limits, .inputs = m->inputs, .outputs = m->outputs, .n_in = m->n_in, .n_out = m->n_out, .options = o, .pair_of = pair_of};
    clstm_error failure = {0};
    clstm_status status = find_states(m, pair_of, &r.carry_layers, &failure);
    if (status == CLSTM_OK) status = emit_model(&r, &c, &h, &failure);
    if (err) *err = failure;
    if (status == CLSTM_OK) status = sink(source, c.text, c.size, err);
    if (status == CLSTM_OK) status = sink(header, h.text, h.size, err);
    free(pair_of);
    free(c.text);
    free(h.text);
    return status;
}
