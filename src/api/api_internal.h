/* api/internal: what the objects behind the public header hold. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "onnx/import.h"
#include "plan/plan.h"

struct clstm_model {
    atomic_int refs;
    onnx_model onnx;
    clstm_limits limits;
    clstm_port *inputs, *outputs;           /* as declared, before passes renamed anything */
    size_t n_in, n_out;
    util_arena arena;                       /* of the ports */
    clstm_operator_use *uses;               /* as in the file */
    size_t n_uses, cap_uses;
};

/* Fills model->uses from the graph, before passes rewrite it. */
clstm_status api_count_operators(clstm_model *m, clstm_error *err);

/* The session's plans, by the shapes of its inputs. */
typedef struct session_plan { plan *plan; clstm_value *shapes; uint64_t used; } session_plan;
typedef struct session_binding { void *data; size_t size; bool direct; clstm_value value; } session_binding;

struct clstm_session {
    clstm_model *model;
    clstm_session_options options;
    clstm_limits limits;
    op_env env;
    util_pool *pool;
    atomic_bool busy, cancel;
    clstm_value *inputs;                    /* as set; data NULL: only the shape was given */
    const clstm_value **views;              /* what plan_run reads: &inputs[i], or NULL for declared constants */
    bool *given;
    ir_const **constants;
    int64_t *fixed;                         /* input i, dimension d at [i*CLSTM_MAX_RANK+d]: what set_dim said, else -1 */
    session_binding *bindings;              /* one for each output */
    session_plan *plans;
    size_t n_plans, max_plans;
    uint64_t clock, evictions;
    session_plan *current;                  /* NULL: the shapes changed */
    bool ran;
};

#endif
