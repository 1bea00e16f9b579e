/* api/model: loading, the declared inputs and outputs, and the life of a model. */
#include "api/api_internal.h"

#include "ops/table.h"
#include "rnn/doubt.h"
#include "util/file.h"
#include "util/fpmode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PACKAGE_VERSION
#error "config.h comes first"
#endif

const char *clstm_version(void) { return PACKAGE_VERSION; }

typedef struct finder { const clstm_model *model; const api_amend *amend; } finder;

static const op_desc *lookup(void *user, const char *domain, const char *name, int version, bool *known) {
    const finder *f = user;
    const op_desc *row = ops_find(domain, name, version, known);
    if (row) return f->amend ? f->amend->row(f->amend->user, row) : row;
    return api_operators_find(f->model->operators, domain, name, version, known);
}

static clstm_status make_ports(clstm_model *m, ir_value *const *values, size_t n, clstm_port **out, clstm_error *err) {
    clstm_port *ports = util_arena_alloc(&m->arena, n, sizeof *ports);
    if (!ports) return util_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const ir_value *v = values[i];
        ports[i].name = util_arena_strdup(&m->arena, v->name);
        ports[i].kind = v->kind;
        ports[i].optional = v->optional;
        ports[i].tensor = v->type;
        ports[i].tensor.data = NULL;
        if (!ports[i].name) return util_no_memory(err);
        for (int d = 0; d < CLSTM_MAX_RANK; d++)
            if (v->dim_names[d] && !(ports[i].dim_names[d] = util_arena_strdup(&m->arena, v->dim_names[d]))) return util_no_memory(err);
    }
    *out = ports;
    return CLSTM_OK;
}

static clstm_status import(clstm_model *m, const onnx_source *src, const api_amend *amend, clstm_error *err) {
    finder f = {m, amend};
    UTIL_TRY(onnx_import(src, lookup, &f, &m->onnx, err));
    if (amend) return amend->run(amend->user, &m->onnx, src->limits, err);
    if (src->warning) rnn_warn(m->onnx.graph, m->onnx.producer, src->warning, src->warning_user);
    return CLSTM_OK;
}

static clstm_status build(clstm_model *m, const onnx_source *src, const api_amend *amend, bool optimise, clstm_error *err) {
    UTIL_TRY(import(m, src, amend, err));
    ir_graph *g = m->onnx.graph;
    g->imported = ir_count_nodes(g);
    UTIL_TRY(api_count_operators(m, err));
    m->n_in = g->n_in;
    m->n_out = g->n_out;
    UTIL_TRY(make_ports(m, g->inputs, g->n_in, &m->inputs, err));
    UTIL_TRY(make_ports(m, g->outputs, g->n_out, &m->outputs, err));
    /* A declared dimension is a promise for inputs whose every dimension is known: constants fold through their shapes only
     * when a session fixes them, so nothing is assumed here. */
    for (size_t i = 0; i < g->n_in; i++) g->inputs[i]->type.data = NULL;
    op_env env = {.limits = &m->limits};
    if (optimise) UTIL_TRY(plan_optimise(g, &env, true, err));
    return plan_settle_constants(g, err);
}

static clstm_status choose_limits(const clstm_model_options *options, clstm_limits *out, clstm_error *err) {
    clstm_limits_default(out);
    return options && options->limits ? api_limits_take(out, options->limits, err) : CLSTM_OK;
}

static const char *file_name(clstm_model *m, const char *path) {
    char text[300];
    return util_arena_strdup(&m->arena, util_escape(text, sizeof text, path));
}

static clstm_status load(const onnx_source *src, const clstm_model_options *options, const api_amend *amend, clstm_model **out, clstm_error *err) {
    clstm_model *m = util_calloc(1, sizeof *m);
    if (!m) return util_no_memory(err);
    atomic_init(&m->refs, 1);
    onnx_source source = *src;
    m->limits = *src->limits;
    if (options) m->operators = api_operators_ref(options->operators);
    source.limits = &m->limits;
    source.warning = options ? options->warning : NULL;
    source.warning_user = options ? options->user : NULL;
    if (src->path && !(m->file = file_name(m, src->path))) { clstm_model_destroy(m); return util_no_memory(err); }
    util_fpmode mode = util_fpmode_enter();
    clstm_status s = build(m, &source, amend, !options || !options->no_optimise, err);
    util_fpmode_leave(mode);
    if (s == CLSTM_OK) s = onnx_import_check(&m->onnx, err);
    if (m->onnx.graph) onnx_import_done(&m->onnx);
    if (s != CLSTM_OK) { clstm_model_destroy(m); return s; }
    *out = m;
    return CLSTM_OK;
}

clstm_status api_load(const char *path, const clstm_model_options *options, const api_amend *amend, clstm_model **out, clstm_error *err) {
    char name[300], *directory = NULL;
    clstm_limits limits;
    util_file file;
    struct stat now;
    *out = NULL;
    UTIL_TRY(choose_limits(options, &limits, err));
    util_escape(name, sizeof name, path);
    clstm_status s = util_file_map(path, limits.value[CLSTM_LIMIT_FILE_BYTES], &file, err);
    if (s != CLSTM_OK) return util_context(err, s, "%s", name);
    const char *slash = strrchr(path, '/');
    directory = util_strdup(slash ? path : ".");
    if (directory && slash) directory[slash == path ? 1 : slash - path] = 0;
    onnx_source src = {.bytes = file.data, .size = file.size, .directory = directory, .name = path, .path = path, .limits = &limits};
    s = directory ? load(&src, options, amend, out, err) : util_no_memory(err);
    free(directory);
    if (!stat(path, &now) && !util_file_unchanged(&file, &now)) {
        s = util_fail(err, CLSTM_IO, "was changed while it was being loaded");
        clstm_model_destroy(*out);
        *out = NULL;
    }
    util_file_unmap(&file);
    return s == CLSTM_OK ? s : util_context(err, s, "%s", name);
}

clstm_status clstm_model_load(const char *path, const clstm_model_options *options, clstm_model **out, clstm_error *err) {
    return api_load(path, options, NULL, out, err);
}

clstm_status clstm_model_load_memory(const void *bytes, size_t size, const char *directory, const clstm_model_options *options,
                                     clstm_model **out, clstm_error *err) {
    clstm_limits limits;
    onnx_source src = {.bytes = bytes, .size = size, .directory = directory, .name = "memory", .limits = &limits};
    *out = NULL;
    UTIL_TRY(choose_limits(options, &limits, err));
    if (!bytes || !size) return util_fail(err, CLSTM_BAD_MODEL, "the model is empty");
    return load(&src, options, NULL, out, err);
}

void clstm_model_destroy(clstm_model *m) {
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1) return;
    ir_graph_destroy(m->onnx.graph);
    util_arena_destroy(&m->arena);
    clstm_operators_destroy(m->operators);  /* its rows are the nodes' */
    free(m->uses);
    free(m);
}

size_t clstm_model_input_count(const clstm_model *m) { return m->n_in; }
size_t clstm_model_output_count(const clstm_model *m) { return m->n_out; }
const clstm_port *clstm_model_input(const clstm_model *m, size_t i) { return i < m->n_in ? &m->inputs[i] : NULL; }
const clstm_port *clstm_model_output(const clstm_model *m, size_t i) { return i < m->n_out ? &m->outputs[i] : NULL; }

static int find(const clstm_port *ports, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (!strcmp(ports[i].name, name)) return (int)i;
    if (name[0] != '#' || name[1] < '0' || name[1] > '9') return -1;
    char *end;
    unsigned long k = strtoul(name + 1, &end, 10);
    return *end || k >= n ? -1 : (int)k;
}
int clstm_model_find_input(const clstm_model *m, const char *name) { return find(m->inputs, m->n_in, name); }
int clstm_model_find_output(const clstm_model *m, const char *name) { return find(m->outputs, m->n_out, name); }

bool clstm_model_metadata(const clstm_model *m, size_t i, const char **key, const char **value) {
    if (i >= m->onnx.n_metadata) return false;
    *key = m->onnx.metadata[i].key;
    *value = m->onnx.metadata[i].value;
    return true;
}

void clstm_model_get_info(const clstm_model *m, clstm_model_info *info) {
    *info = (clstm_model_info){.ir_version = m->onnx.ir_version, .opset = m->onnx.opset, .producer = m->onnx.producer,
                               .producer_version = m->onnx.producer_version, .graph = m->onnx.graph->name,
                               .parameters = m->onnx.parameters, .nodes = m->onnx.nodes};
}
