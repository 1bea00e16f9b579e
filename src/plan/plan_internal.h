/* plan/internal: the plan's own structures, shared by lower.c, memory.c and exec.c. */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H

#include "plan/plan.h"

typedef struct plan_block plan_block;
typedef struct plan_stack plan_stack;

/* Where a value lives while the plan runs. ir_value.user points here. */
typedef struct plan_slot {
    clstm_value value;
    ir_value *ir;
    int storage;                /* index into block->storages; -1: none (input, constant, dynamic) */
    size_t offset;              /* within the storage, for views */
    struct plan_slot *base;     /* a view of an input or dynamic slot: its address is set at each run */
    bool owned;                 /* value's memory is the slot's own (dynamic steps) */
    int64_t held;               /* what of it is counted in plan.live */
    void *home;                 /* address in the arena */
} plan_slot;

typedef struct plan_storage {
    size_t bytes;
    uint64_t offset;            /* a sum of sizes, which 32 bits may not hold until the limit has been looked at */
    int first, last;            /* step indices */
    int joined;                 /* the storage that has taken this one in; -1: none */
    size_t shift;               /* where in it */
} plan_storage;

typedef struct plan_step_s {
    ir_node *node;
    op_ctx ctx;
    bool dynamic, view;
    plan_block **bodies;        /* node->n_bodies */
    size_t scratch_offset, bodies_offset;
    double seconds;
    plan_stack *stack;          /* that it is in, or NULL */
} plan_step_s;

/* A graph ready to run: the root's, or a body's. */
struct plan_block {
    plan *plan;
    ir_graph *graph;
    plan_slot *slots;           /* one for each value of the graph */
    plan_step_s *steps;
    size_t n_steps;
    plan_storage *storages;
    size_t n_storages;
    uint64_t arena_bytes;
};

struct plan {
    ir_graph *graph;            /* the specialised clone */
    util_arena arena;           /* blocks, slots, steps */
    plan_block root;
    unsigned char *memory;      /* the run-time arena */
    size_t memory_bytes;
    size_t prepared_bytes;      /* what nodes keep for themselves */
    int64_t live;               /* the arena, and what dynamic steps hold besides (env.live) */
    op_env env, alone;          /* alone: without threads, for layers that walk together */
    plan_slot **views;          /* slots with a base, in order */
    size_t n_views, cap_views;
    bool profile, optimise, locked;
    size_t own_inputs;          /* graph inputs before carried states were appended */
    ir_const **initial;         /* of each carried state, or NULL */
};

clstm_status plan_lower(plan *p, clstm_error *err);
/* stack.c: finds the layers of the block that walk together, and prepares them anew; makes storages last as long as the stack that uses
 * them; runs the stack that begins at step *at, and moves *at to its last step. */
clstm_status plan_find_stacks(plan_block *block, clstm_error *err);
void plan_hold_stacks(plan_block *block);
clstm_status plan_run_stack(plan_stack *s, size_t *at, clstm_error *err);
double plan_seconds(void);

/* Lays out the block's storages, its steps' scratch and bodies; sets block->arena_bytes. */
clstm_status plan_layout(plan_block *block, clstm_error *err);
/* Gives every slot and scratch its address below `base`. */
void plan_place(plan_block *block, unsigned char *base);
clstm_status plan_run_body(op_ctx *ctx, int which, int n_in, const clstm_value *in, int n_out, clstm_value *out);

/* plan_destroy's part of plan_lock. */
void plan_unlock(plan *p);

/* Fills ctx for a node from its values' types and constants; arrays come from `arena`, clstm_values are fresh. */
clstm_status plan_context(ir_node *n, const op_env *env, util_arena *arena, op_ctx *ctx, clstm_error *err);
/* The rewriting passes, in order (passes.c); sets *changed. */
clstm_status plan_passes(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
clstm_status plan_recover(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
clstm_status plan_join_cells(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
clstm_status plan_lift_cells(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
clstm_status plan_simplify(ir_graph *root, const op_env *env, bool *changed, clstm_error *err);
/* sequence_item.c: makes a SequenceAt of a SplitToSequence a Slice, or a Gather. */
clstm_status plan_sequence_item(ir_node *n, bool *changed, clstm_error *err);
/* The last pass of a plan: what is left is no longer the standard's graph. */
clstm_status plan_fuse(ir_graph *root, clstm_error *err);
clstm_status plan_carry_layers(ir_graph *g, clstm_error *err);

#endif
