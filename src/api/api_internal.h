/* api/internal: what the objects behind the public header hold. */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "onnx/import.h"
#include "plan/plan.h"
#include "rnn/trace.h"

struct clstm_model {
    atomic_int refs;
    clstm_operators *operators;             /* a reference, or NULL */
    onnx_model onnx;
    const char *file;                       /* for messages, escaped; NULL: from memory */
    clstm_limits limits;
    clstm_port *inputs, *outputs;           /* as declared, before passes renamed anything */
    size_t n_in, n_out;
    util_arena arena;                       /* of the file's name and the ports */
    clstm_operator_use *uses;               /* as in the file */
    size_t n_uses, cap_uses;
};

/* Copies limits that a caller gave, after a look at each. */
clstm_status api_limits_take(clstm_limits *to, const clstm_limits *from, clstm_error *err);

/* ---- operators.c ---- */
clstm_operators *api_operators_ref(clstm_operators *set);
/* The set's row, as ops_find; `known` is only ever set to true. set may be NULL. */
const op_desc *api_operators_find(const clstm_operators *set, const char *domain, const char *name, int version, bool *known);

/* Fills model->uses from the graph, before passes rewrite it. */
clstm_status api_count_operators(clstm_model *m, clstm_error *err);

/* What is done to the graph of a file before it is optimised, and the row that stands in for `row` until then. */
typedef struct api_amend {
    const op_desc *(*row)(void *user, const op_desc *row);
    clstm_status (*run)(void *user, onnx_model *model, const clstm_limits *limits, clstm_error *err);
    void *user;
} api_amend;
/* clstm_model_load; `amend` may be NULL. */
clstm_status api_load(const char *path, const clstm_model_options *options, const api_amend *amend, clstm_model **out, clstm_error *err);

/* A carried state as a plan sees it: the plan's input and output (behind the model's own for states of layers). */
typedef struct session_part {
    size_t input, output, bytes;
    const char *name;
    clstm_value value;
    ir_const *initial;
    int lane_axis;
} session_part;

/* The session's plans, by the shapes of its inputs. */
typedef struct session_plan {
    plan *plan;
    clstm_value *shapes;
    uint64_t used;
    const clstm_value **views;              /* what plan_run reads: &inputs[i], NULL for declared constants, a part's value */
    session_part *parts;
    size_t n_parts;
    unsigned char *room;                    /* where the plan reads states from that are gathered or must outlast the run; NULL: neither */
    size_t room_bytes;
    bool room_locked, shown;                /* shown: an output may lie in the memory of a state */
} session_plan;

/* Output `output` of the model is the next value of input `input`. */
typedef struct session_pair { int input, output; const char *why; } session_pair;
typedef struct session_binding { void *data; size_t size; bool direct; clstm_value value; } session_binding;

struct clstm_session {
    clstm_model *model;
    clstm_session_options options;
    clstm_limits limits;
    op_env env;
    util_pool *pool;
    atomic_bool busy, cancel;
    clstm_value *inputs;                    /* as set; data NULL: only the shape was given */
    bool *given;
    ir_const **constants;
    int64_t *fixed;                         /* input i, dimension d at [i*CLSTM_MAX_RANK+d]: what set_dim said, else -1 */
    session_binding *bindings;              /* one for each output */
    session_plan *plans;
    size_t n_plans, max_plans;
    uint64_t clock, built, evicted;
    session_plan *current;                  /* NULL: the shapes changed */
    session_plan *last;                     /* of the last run: its outputs stay when inputs for the next are set */
    bool ran;
    session_pair *pairs;                    /* room for every input */
    size_t n_pairs;
    int *pair_of;                           /* for each input: its pair, or -1 */
    bool *pending;                          /* a carried input's data were set: the own state takes them at the next run */
    clstm_state *own, *attached;
    const clstm_state *checked;             /* the state found to have the current plan's parts, or NULL */
    clstm_trace_fn trace_fn;
    void *trace_user;
    struct op_trace trace;
};

typedef struct state_part { char *name; clstm_tensor tensor; size_t bytes; } state_part;
/* Metadata "clstm.state.OUTPUT" = INPUT pairs states. */
#define API_STATE_KEY "clstm.state."

struct clstm_state {
    state_part *parts;
    size_t n_parts, bytes;
    unsigned char *memory, *initial;        /* initial NULL: zero */
    bool locked, taken;                     /* taken: a lane of the batch that is being gathered */
};

/* ---- state_pairs.c ---- */
/* Finds and checks the pairs that options.carry asks for. */
clstm_status session_find_pairs(clstm_session *s, clstm_error *err);
/* carried[i]: input i is a carried state, or would be with CLSTM_CARRY_PORTS; none where that is an error. */
clstm_status session_carried_inputs(clstm_session *s, bool *carried, clstm_error *err);
/* Gives carried inputs that nobody set a shape; -1 where neither the model nor the other inputs tell. */
void session_shape_carried(clstm_session *s);
/* The same with guess `n` in place of -1; false past the last guess. *guessed: there was need for one. */
bool session_guess_carried(clstm_session *s, size_t n, bool *guessed);
/* Lists the parts of a plan just built and lays out its views. */
clstm_status session_make_parts(clstm_session *s, session_plan *p, clstm_error *err);
void session_drop_parts(session_plan *p);
/* Whether the state has the parts that the plan carries, by name, type and shape. */
clstm_status session_check_state(const session_plan *p, const clstm_state *st, clstm_error *err);
/* Before a run: the state that the plan is to read, checked against the parts. After it: the new values are stored. */
clstm_state *session_state(const clstm_session *s);
clstm_status session_enter_state(clstm_session *s, session_plan *p, clstm_error *err);
void session_place_state(session_plan *p, const clstm_state *st);
clstm_status session_leave_state(const session_plan *p, clstm_state *st, clstm_error *err);
/* What the run made are states of the parts' type and shape, even where only the run knew. */
clstm_status session_check_results(const session_plan *p, clstm_error *err);
/* Makes the own state when the plan needs one (in prepare, so that run allocates nothing). */
clstm_status session_own_state(clstm_session *s, session_plan *p, clstm_error *err);

/* ---- streams.c ---- */
/* Room for the states of a batch, where every part has a batch dimension longer than 1, and for states that outputs show. */
clstm_status session_make_room(session_plan *p, bool lock, clstm_error *err);
void session_drop_room(session_plan *p);
unsigned char *session_next_room(const session_part *part, unsigned char *at);

/* ---- state.c ---- */
clstm_status state_make(const session_part *parts, size_t n, int lanes, bool lock, clstm_state **out, clstm_error *err);

/* ---- session.c: one thread at a time, and what a run is made of ---- */
clstm_status session_enter(clstm_session *s, clstm_error *err);
clstm_status session_leave(clstm_session *s, clstm_status status);
clstm_status session_choose_plan(clstm_session *s, bool may_build, clstm_error *err);
/* Everything of a run but where the states come from and go to. */
clstm_status session_execute(clstm_session *s, clstm_error *err);
void session_drop_plans(clstm_session *s);

#endif
