/* plan/passes: the list of rewriting passes and the order in which they run. */
#include "plan/plan_internal.h"

typedef struct pass {
    const char *name;
    clstm_status (*run)(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
} pass;

static const pass passes[] = {
    {"simplify", plan_simplify},
    {"recover", plan_recover},
    {"join cells", plan_join_cells},
    {NULL, NULL},
};

clstm_status plan_passes(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    for (const pass *p = passes; p->name; p++) {
        clstm_status s = p->run(root, env, changed, err);
        if (s != CLSTM_OK) return util_context(err, s, "pass %s", p->name);
    }
    return CLSTM_OK;
}
