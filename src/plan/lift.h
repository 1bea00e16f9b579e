/* plan/lift: what the parts of the pass that takes cells out of Loop and Scan share: recover_lift.c, lift_pointwise.c, lift_gather.c. */
#ifndef PLAN_LIFT_H
#define PLAN_LIFT_H

#include "plan/recover.h"
#include "plan/turns.h"

/* A value of the body, as the sequence [trips, ...] of what it is in each turn; backwards: the last turn's comes first. */
typedef struct lift_running { ir_value *sequence; bool backwards; } lift_running;
/* turn * (number of the turn) + at; turn 0: no such value. */
typedef struct lift_index { int turn; int64_t at; } lift_index;
/* A state that only grows by a running value in each turn, and how. */
typedef struct lift_gathering { ir_value *what; int axis; bool in_front, sequence; } lift_gathering;

/* A ConcatFromSequence outside, and what takes its place. */
typedef struct lift_join { ir_node *node; ir_value *by; } lift_join;
enum { LIFT_JOINS = 16 };

typedef struct lifter {
    ir_graph *root, *outer;
    ir_node *node;
    plan_turns turns;
    int64_t trips;
    lift_running *running;      /* by id of the body's values */
    lift_index *index;
    ir_value **final;           /* by state: the value after the last turn, where a cell gives it */
    lift_gathering *gathered;   /* by state; what NULL: none */
    lift_join joins[LIFT_JOINS];
    int n_joins, cells;
    clstm_error *err;
} lifter;

ir_node *lift_node(lifter *l, const char *op, int n_in, int n_out);
ir_value *lift_value(lifter *l, ir_node *n, int output, clstm_type type, int rank, const int64_t *dims);
ir_value *lift_ints(lifter *l, int rank, int64_t count, const int64_t *values);
bool lift_attr(ir_node *n, const char *name, int64_t value);
ir_value *lift_reshape(lifter *l, ir_value *v, int rank, const int64_t *dims);
ir_value *lift_move_axis(lifter *l, ir_value *v, int from, int to);
ir_value *lift_slice(lifter *l, ir_value *v, int64_t start, int64_t count, int64_t step);
/* The sequence in the shape [trips, shape of `of`]. */
ir_value *lift_whole(lifter *l, ir_value *sequence, const ir_value *of);

/* Not made by the body: the same in every turn. */
bool lift_outside(const lifter *l, const ir_value *v);
/* Such a value where nodes outside may read it: a constant of the body's again. */
ir_value *lift_outer(lifter *l, ir_value *v);
lift_running *lift_running_of(const lifter *l, const ir_value *v);
/* Notes what stands for v; false when the sequence is NULL. */
bool lift_run(lifter *l, const ir_value *v, ir_value *sequence, bool backwards);

/* lift_pointwise.c: a node that treats every turn alike is done on the whole sequence; false when it cannot. */
bool lift_pointwise(lifter *l, const ir_node *n);

/* lift_gather.c: SequenceInsert or Concat onto a state that nothing else looks at. */
bool lift_gathers_up(lifter *l, const ir_node *n);
/* What state i has gathered in the end; NULL when it cannot be said. */
ir_value *lift_gathered(lifter *l, int i);

#endif
