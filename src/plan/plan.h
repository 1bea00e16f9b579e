/* plan: from the model's graph to a run that allocates nothing.
 *
 *   plan_optimise    at load, shape-independent: constants fold, passes rewrite the graph (specialise.c, passes.c)
 *   plan_build       for input shapes: clone, specialise, lower to steps, lay out memory, prepare (lower.c, memory.c)
 *   plan_run         executes the steps (exec.c)
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "ir/graph.h"
#include "ir/op.h"

typedef struct plan plan;

/* Folds and rewrites a root graph in place, whatever of it depends on no unknown shape. `loading`: constants may borrow from
 * the mapped file, so views of them borrow too. */
clstm_status plan_optimise(ir_graph *root, const op_env *env, bool loading, clstm_error *err);
/* Takes out nodes that no output needs. */
void plan_remove_dead(ir_graph *root);
/* Packs weights and settles where every constant of the graph lives: packed and dropped, or owned. The end of loading. */
clstm_status plan_settle_constants(ir_graph *root, clstm_error *err);

typedef struct plan_request {
    const ir_graph *graph;          /* the model's; must outlive the plan */
    const clstm_value *inputs;      /* one for each graph input: kind, type and shape; data is not looked at */
    ir_const *const *constants;     /* one for each graph input: declared constants, or NULL */
    const op_env *env;              /* must outlive the plan */
    bool optimise;                  /* false: every node a dynamic step, a plain interpreter */
    bool carry_layers;              /* internal states of forward layers become inputs and outputs behind the graph's own */
} plan_request;

clstm_status plan_build(const plan_request *request, plan **out, clstm_error *err);
/* Keeps everything that a run reads and writes in memory (util_lock), until the plan is destroyed, weights until they are. */
clstm_status plan_lock(plan *p, clstm_error *err);
void plan_destroy(plan *p);

/* The carried layer states: number k is input n_in + k and output n_out + k of the plan. */
size_t plan_carried(const plan *p);
/* Its name, type and shape, and what it starts from (NULL: zero). They live as long as the plan. */
void plan_carried_part(const plan *p, size_t k, const char **name, clstm_tensor *type, ir_const **initial);

/* inputs[i]: the value of graph input i (carried ones behind), read in place (NULL for declared constants). */
clstm_status plan_run(plan *p, const clstm_value *const *inputs, clstm_error *err);
/* Output i of the last run. */
const clstm_value *plan_output(const plan *p, size_t i);
/* Whether an output is graph input `input` itself, or a view of it. */
bool plan_shows_input(const plan *p, size_t input);
/* Has output i written straight into `data` (NULL: back to the arena); true when it can be, false when the caller must copy. */
bool plan_bind_output(plan *p, size_t i, void *data);

/* Follows axis `axis` of graph input `input` through the plan (built with carry_layers, which this supposes; carried[i]: graph input i
 * is a carried state): output_axes[i] is the axis of output i along which it runs, or -1; *reached: a forward recurrent layer runs
 * along it. CLSTM_UNSUPPORTED names the node that needs more than one step at a time, or begins anew with each call. */
clstm_status plan_stream(plan *p, size_t input, int axis, const bool *carried, int *output_axes, bool *reached, clstm_error *err);
/* Whether a plan for more steps computes the same; CLSTM_UNSUPPORTED names the node whose constants come from the number of steps. */
clstm_status plan_stream_alike(const plan *p, const plan *longer, clstm_error *err);

/* What a plan holds, for profiles, clstm-info and clstm-bench. */
typedef struct plan_step_info {
    const ir_node *node;
    bool dynamic, view;             /* view: costs nothing */
    double flops, bytes;            /* bytes: inputs and outputs, packed weights included */
    double seconds;                 /* summed over profiled runs */
} plan_step_info;
/* What became of the graph: nodes with those of bodies. */
typedef struct plan_summary {
    size_t before, after, gone[IR_GONE_KINDS], recovered_layers;
    size_t calls, views, dynamic;
} plan_summary;
void plan_summarise(const plan *p, plan_summary *out);
size_t plan_step_count(const plan *p);
void plan_step(const plan *p, size_t i, plan_step_info *info);
size_t plan_arena_bytes(const plan *p);
/* Turns timing of steps on or off. */
void plan_profile(plan *p, bool on);

#endif
