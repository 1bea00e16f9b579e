/* convert/convert_model: the conversions that begin with a model. */
#include "api/api_internal.h"

#include "convert/opset.h"
#include "convert/tidy.h"
#include "convert/weights_in.h"
#include "convert/weights_out.h"
#include "onnx/export.h"

#include <clstm/convert.h>
#include <string.h>

/* What of a model is written: its graph, and outputs as they are declared. */
typedef struct draft { const clstm_model *m; ir_graph *g; clstm_port *outputs; } draft;

static bool fix_sizes(clstm_tensor *t, const char **names, const clstm_convert_dim *dim) {
    bool found = false;
    for (int d = 0; d < t->rank; d++) {
        if (!names[d] || strcmp(names[d], dim->name) != 0) continue;
        t->dims[d] = dim->size;
        names[d] = NULL;
        found = true;
    }
    return found;
}

/* Fixes the dimension of that name in every input, and in the outputs that share it. */
static void fix_dim(draft *w, const clstm_convert_dim *dim) {
    bool found = false;
    for (size_t i = 0; i < w->g->n_in; i++) found |= fix_sizes(&w->g->inputs[i]->type, w->g->inputs[i]->dim_names, dim);
    for (size_t i = 0; i < w->g->n_out && found; i++) fix_sizes(&w->outputs[i].tensor, w->outputs[i].dim_names, dim);
}

static clstm_status misfit(const clstm_port *p, const char *what, clstm_error *err) {
    char text[128];
    return util_fail(err, CLSTM_BAD_ARGUMENT, "input \"%s\": %s than the model declares", util_escape(text, sizeof text, p->name), what);
}

/* Gives input `v` its value, or the sizes of its shape. */
static clstm_status know_input(draft *w, ir_value *v, const clstm_port *p, const clstm_tensor *t, clstm_error *err) {
    const clstm_tensor *declared = &p->tensor;
    if (p->kind != CLSTM_KIND_TENSOR || (t->data && t->type != declared->type)) return misfit(p, "another type", err);
    if (declared->rank >= 0 && declared->rank != t->rank) return misfit(p, "another rank", err);
    if (declared->rank < 0) for (int d = 0; d < t->rank; d++) v->type.dims[d] = -1;
    v->type.rank = t->rank;
    for (int d = 0; d < t->rank; d++) {
        if (t->dims[d] < 0) continue;
        if (v->type.dims[d] >= 0 && v->type.dims[d] != t->dims[d]) return misfit(p, "another size", err);
        if (v->dim_names[d]) fix_dim(w, &(clstm_convert_dim){v->dim_names[d], t->dims[d]});
        v->type.dims[d] = t->dims[d];
    }
    if (!t->data) return CLSTM_OK;
    ir_const *c;
    UTIL_TRY(ir_const_new(t, &c, err));
    ir_value_set_const(v, c);
    ir_const_unref(c);
    return CLSTM_OK;
}

/* Whether input i has a value, so that it is an input no more. */
static bool has_value(const clstm_model *m, const clstm_convert_onnx_options *o, int i) {
    for (size_t k = 0; k < o->n_known; k++)
        if (o->known[k].tensor.data && clstm_model_find_input(m, o->known[k].name) == i) return true;
    return false;
}

/* Takes what is known of inputs into the graph. */
static clstm_status know_inputs(draft *w, const clstm_convert_onnx_options *o, clstm_error *err) {
    const clstm_model *m = w->m;
    ir_graph *g = w->g;
    for (size_t k = 0; k < o->n_known; k++) {
        char text[128];
        int i = clstm_model_find_input(m, o->known[k].name);
        if (i < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "the model has no input \"%s\"", util_escape(text, sizeof text, o->known[k].name));
        UTIL_TRY(know_input(w, g->inputs[i], &m->inputs[i], &o->known[k].tensor, err));
    }
    size_t n = 0;
    for (size_t i = 0; i < g->n_in; i++)
        if (!has_value(m, o, (int)i)) g->inputs[n++] = g->inputs[i];
    g->n_in = n;
    return CLSTM_OK;
}

/* Metadata without the pairs of states that are inputs no more. */
static clstm_status keep_metadata(const clstm_model *m, const clstm_convert_onnx_options *o, onnx_model *out, util_arena *arena, clstm_error *err) {
    onnx_text *kept = util_arena_alloc(arena, m->onnx.n_metadata + 1, sizeof *kept);
    if (!kept) return util_no_memory(err);
    out->metadata = kept;
    out->n_metadata = 0;
    for (size_t i = 0; i < m->onnx.n_metadata; i++) {
        onnx_text t = m->onnx.metadata[i];
        int input = strncmp(t.key, API_STATE_KEY, sizeof API_STATE_KEY - 1) ? -1 : clstm_model_find_input(m, t.value);
        if (input >= 0 && has_value(m, o, input)) continue;
        if (input >= 0) t.value = m->inputs[input].name;       /* a position may be another's now */
        kept[out->n_metadata++] = t;
    }
    return CLSTM_OK;
}

static clstm_status write_clone(const clstm_model *m, ir_graph *g, const clstm_convert_onnx_options *o, clstm_convert_sink sink, void *user,
                                clstm_error *err) {
    op_env env = {.limits = &m->limits};
    draft w = {m, g, util_arena_alloc(g->arena, g->n_out + 1, sizeof *w.outputs)};
    if (!w.outputs) return util_no_memory(err);
    memcpy(w.outputs, m->outputs, g->n_out * sizeof *w.outputs);
    for (size_t i = 0; i < o->n_dims; i++) {
        if (o->dims[i].size < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "a dimension of size %lld", (long long)o->dims[i].size);
        fix_dim(&w, &o->dims[i]);
    }
    UTIL_TRY(know_inputs(&w, o, err));
    if (o->n_dims || o->n_known) UTIL_TRY(plan_optimise(g, &env, false, err));
    UTIL_TRY(convert_tidy(g, w.outputs, err));
    onnx_model out = m->onnx;
    out.graph = g;
    UTIL_TRY(keep_metadata(m, o, &out, g->arena, err));
    if (o->opset) {
        UTIL_TRY(convert_opset(g, o->opset, err));
        out.opset = o->opset;
        out.ir_version = convert_opset_ir(o->opset);
    }
    return onnx_export(&out, sink, user, err);
}

clstm_status clstm_convert_onnx(const clstm_model *m, const clstm_convert_onnx_options *options, clstm_convert_sink sink, void *user,
                                clstm_error *err) {
    const clstm_convert_onnx_options none = {0};
    ir_graph *g;
    UTIL_TRY(ir_graph_clone(m->onnx.graph, &g, err));
    clstm_status s = write_clone(m, g, options ? options : &none, sink, user, err);
    ir_graph_destroy(g);
    return s;
}

/* Cells in primitive operators are recognised at known sizes only: open ones become one that is neither idle nor spread by broadcasting.
 * False when there are none. */
static bool trial_sizes(ir_graph *g) {
    bool open = false;
    for (size_t i = 0; i < g->n_in; i++)
        for (int d = 0; d < g->inputs[i]->type.rank; d++)
            if (g->inputs[i]->type.dims[d] < 0) { g->inputs[i]->type.dims[d] = 2; g->inputs[i]->dim_names[d] = NULL; open = true; }
    return open;
}

clstm_status clstm_convert_weights_out(const clstm_model *m, clstm_convert_tensor give, void *user, clstm_error *err) {
    ir_graph *g;
    op_env env = {.limits = &m->limits};
    clstm_error none = {0};
    UTIL_TRY(ir_graph_clone(m->onnx.graph, &g, err));
    clstm_status s = trial_sizes(g) ? plan_optimise(g, &env, false, &none) : CLSTM_BAD_ARGUMENT;
    s = s == CLSTM_NO_MEMORY ? util_no_memory(err) : convert_weights_out(m->onnx.graph, s == CLSTM_OK ? g : NULL, give, user, err);
    ir_graph_destroy(g);
    return s;
}

clstm_status clstm_convert_weights_in(const clstm_convert_weight *weights, size_t n, const clstm_convert_options *options, clstm_convert_sink sink,
                                      void *user, clstm_error *err) {
    ir_graph *g;
    UTIL_TRY(convert_weights_in(weights, n, options, &g, err));
    clstm_status s = options && options->opset ? convert_opset(g, options->opset, err) : CLSTM_OK;
    onnx_model out = {.graph = g, .ir_version = convert_opset_ir(g->opset), .opset = g->opset, .producer = "clstm", .producer_version = clstm_version()};
    if (s == CLSTM_OK) s = onnx_export(&out, sink, user, err);
    ir_graph_destroy(g);
    return s;
}
