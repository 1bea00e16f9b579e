/* convert/convert_model: the conversions that begin with a model. */
#include "api/api_internal.h"

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

static clstm_status write_clone(const clstm_model *m, ir_graph *g, const clstm_convert_dim *dims, size_t n_dims, clstm_convert_sink sink, void *user,
                                clstm_error *err) {
    op_env env = {.limits = &m->limits};
    for (size_t i = 0; i < n_dims; i++) {
        if (dims[i].size < 0) return util_fail(err, CLSTM_BAD_ARGUMENT, "a dimension of size %lld", (long long)dims[i].size);
        fix_dim(g, &dims[i]);
    }
    if (n_dims) UTIL_TRY(plan_optimise(g, &env, false, err));
    UTIL_TRY(convert_tidy(g, m->outputs, err));
    onnx_model out = m->onnx;
    out.graph = g;
    return onnx_export(&out, sink, user, err);
}

clstm_status clstm_convert_onnx(const clstm_model *m, const clstm_convert_dim *dims, size_t n_dims, clstm_convert_sink sink, void *user,
                                clstm_error *err) {
    ir_graph *g;
    UTIL_TRY(ir_graph_clone(m->onnx.graph, &g, err));
    clstm_status s = write_clone(m, g, dims, n_dims, sink, user, err);
    ir_graph_destroy(g);
    return s;
}

clstm_status clstm_convert_weights_out(const clstm_model *m, clstm_convert_tensor give, void *user, clstm_error *err) {
    return convert_weights_out(m->onnx.graph, give, user, err);
}

clstm_status clstm_convert_weights_in(const clstm_convert_weight *weights, size_t n, const clstm_convert_options *options, clstm_convert_sink sink,
                                      void *user, clstm_error *err) {
    ir_graph *g;
    UTIL_TRY(convert_weights_in(weights, n, options, &g, err));
    /* IR 8 came with opset 15, IR 10 with opset 21. */
    onnx_model out = {.graph = g, .ir_version = g->opset < 21 ? 8 : 10, .opset = g->opset, .producer = "clstm", .producer_version = clstm_version()};
    clstm_status s = onnx_export(&out, sink, user, err);
    ir_graph_destroy(g);
    return s;
}
