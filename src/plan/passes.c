/* plan/passes: the list of rewriting passes and the order in which they run. */
#include "plan/plan_internal.h"

typedef struct pass {
    const char *name;
    ir_gone gone;               /* what becomes of the nodes that it takes out */
    clstm_status (*run)(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
} pass;

static const pass passes[] = {
    {"simplify", IR_GONE_SIMPLIFIED, plan_simplify},
    {"recover", IR_GONE_RECOVERED, plan_recover},
    {"join cells", IR_GONE_RECOVERED, plan_join_cells},
    {"lift cells", IR_GONE_RECOVERED, plan_lift_cells},
    {NULL, IR_GONE_SIMPLIFIED, NULL},
};

clstm_status plan_passes(ir_graph *root, const op_env *env, bool *changed, clstm_error *err) {
    size_t nodes = ir_count_nodes(root);
    for (const pass *p = passes; p->name; p++) {
        clstm_status s = p->run(root, env, changed, err);
        if (s != CLSTM_OK) return util_context(err, s, "pass %s", p->name);
        if (p->gone == IR_GONE_RECOVERED && *changed) plan_remove_dead(root);     /* what the cell took the place of */
        ir_note_gone(root, p->gone, &nodes);
    }
    return CLSTM_OK;
}
