/* convert/lint_model: the linter over model files, and models loaded with its repairs. */
#include "api/api_internal.h"

#include "convert/lint.h"
#include "util/status.h"

typedef struct linting { lint_rows rows; const char *repairs; clstm_lint_found found; void *user; bool done; } linting;

static clstm_status run(void *user, onnx_model *model, const clstm_limits *limits, clstm_error *err) {
    linting *g = user;
    op_env env = {.limits = limits};
    clstm_error own;
    lint l = {.graph = model->graph, .producer = model->producer, .env = &env, .repairs = g->repairs, .found = g->found, .user = g->user, .err = err ? err : &own};
    clstm_status s = lint_run(&l);
    if (g->repairs) return s;
    /* Nothing is to be loaded: a model whose refusal has been told ends here as others do. */
    g->done = s == CLSTM_OK || l.broken;
    return s == CLSTM_OK ? util_fail(err, CLSTM_UNSUPPORTED, "the model was only to be looked at") : s;
}

static const op_desc *stand_in(void *user, const op_desc *row) { return lint_row(&((linting *)user)->rows, row); }

clstm_status clstm_lint(const char *path, const clstm_model_options *options, clstm_lint_found found, void *user, clstm_error *err) {
    linting g = {.found = found, .user = user};
    clstm_model *m;
    lint_rows_fill(&g.rows);
    const api_amend amend = {stand_in, run, &g};
    clstm_status s = api_load(path, options, &amend, &m, err);
    return g.done && s != CLSTM_IO ? CLSTM_OK : s;       /* CLSTM_IO: the file was changed meanwhile */
}

clstm_status clstm_lint_load(const char *path, const clstm_model_options *options, const char *repairs, clstm_lint_found found, void *user,
                             clstm_model **model, clstm_error *err) {
    linting g = {.repairs = repairs ? repairs : "", .found = found, .user = user};
    *model = NULL;
    UTIL_TRY(lint_check_names(g.repairs, err));
    lint_rows_fill(&g.rows);
    const api_amend amend = {stand_in, run, &g};
    return api_load(path, options, &amend, model, err);
}
