/* convert/convert_model: the conversions that begin with a model. */
#include "api/api_internal.h"

#include "convert/opset.h"
#include "convert/tidy.h"
#include "convert/weights_in.h"
#include "convert/weights_out.h"
#include "onnx/export.h"

#include <clstm/convert.h>
#include <string.h>

/* Fixes the dimension of that name in every input. */
static void fix_dim(ir_graph *g, const clstm_convert_dim *dim) {
    for (size_t i = 0; i < g->n_in; i++) {
        ir_value *v = g->inputs[i];
        for (int d = 0; d < v->type.rank; d++)
            if (v->dim_names[d] && !strcmp(v->dim_names[d], dim->name)) { v->type.dims[d] = dim->size; v->dim_names[d] = NULL; }
    }
}

static clstm_status write_clone(const clstm_model *m, ir_graph *g, const clstm_convert_onnx_options *o, clstm_convert_sink sink, void *user,
                                clstm_error *err) {
    op_env env = {.limits = &m->limits};
    for (size_t i = 0; i < o->n_dims; i++) {
        if (o->dims[i].size < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "a dimension of size %lld", (long long)o->dims[i].size);
        fix_dim(g, &o->dims[i]);
    }
    if (o->n_dims) UTIL_TRY(plan_optimise(g, &env, false, err));
    UTIL_TRY(convert_tidy(g, m->outputs, err));
    onnx_model out = m->onnx;
    out.graph = g;
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
