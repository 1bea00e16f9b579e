/* plan/recover: what the parts of the pass share: sums and gates (recover_sum.c), recognising a cell (recover.c), writing its node
 * (recover_emit.c), the step that a chain begins with (recover_start.c), joining the nodes of one sequence (recover_join.c), lifting them out of a Loop or Scan (recover_lift.c). */
#ifndef PLAN_RECOVER_H
#define PLAN_RECOVER_H

#include "plan/plan_internal.h"
#include "plan/view.h"
#include "rnn/spec.h"

/* Which element of a value is unit u of row b of a gate: at + b*row + u*unit. */
typedef struct recover_access { int64_t at, row, unit; } recover_access;

/* A [B,H] value as a sum: columns of x and h times constant matrices, constants, and a state times a constant vector. */
typedef struct recover_product { ir_value *of; ir_const *weight; bool transposed; int64_t row, column, unit; } recover_product;
typedef struct recover_vector { ir_const *from; int64_t at, unit; } recover_vector;     /* its element (at + u*unit) mod count */
enum { RECOVER_PRODUCTS = 4, RECOVER_BIASES = 6, RECOVER_GATES = 4, RECOVER_INNER = 96 };
typedef struct recover_sum {
    recover_product product[RECOVER_PRODUCTS];
    recover_vector bias[RECOVER_BIASES], peephole;
    int n_products, n_biases;
    ir_value *peephole_of;
    bool negated;                       /* a GRU's z that was written as 1 - z */
} recover_sum;

typedef struct recover_cell {
    rnn_kind kind;
    ir_graph *graph;
    ir_value *h, *c, *new_h, *new_c;    /* h, c: without what only gives them another shape */
    ir_value *x[RECOVER_PRODUCTS];      /* side by side */
    int n_x;
    ir_value *reset_h;                  /* GRU: r * h, when it is reset before the product */
    bool coupled;                       /* LSTM: f = 1 - i */
    bool starts;                        /* the state is zero and its products were folded away; h may be NULL */
    int64_t batch, input, hidden;
    clstm_type type;
    rnn_activation f[3];                /* in the specification's order */
    bool f_known[3];
    recover_sum gate[RECOVER_GATES];    /* in ONNX order; a GRU's hidden gate that is reset after has its recurrent part in gate[3] */
    ir_node *inner[RECOVER_INNER];      /* the nodes that the new one takes the place of */
    int n_inner;
    bool no_memory;                     /* ran out while it was looked at */
} recover_cell;

/* The weights of a cell and what they were made of: the other cells of a chain share them. */
typedef struct recover_weights { struct recover_weights *next; recover_cell of; ir_const *w, *r, *b, *p; } recover_weights;

static inline bool recover_is(const ir_node *n, const char *op) { return ir_is(n, op) && n->mark != IR_DEAD; }

/* ---- recover_sum.c */

/* Notes a node whose result only the cell may see. */
bool recover_note(recover_cell *c, ir_node *n);
/* A value of the cell's type with an element for each unit of each row. */
bool recover_is_state(const recover_cell *c, const ir_value *v);
/* The node `op` that made v, looking through (and noting) nodes that only give it another shape; NULL when there is none. */
ir_node *recover_made_by(recover_cell *c, ir_value *v, const char *op);
/* Takes v apart into s as the access has it; false when it is no such sum. */
bool recover_take_apart(recover_cell *c, recover_sum *s, ir_value *v, recover_access a, int depth);
/* A product of one value that is several side by side becomes a product of each; false when less than two are there in the end. */
bool recover_expand(recover_cell *c, recover_sum *s);
/* What can be a part of a sum: columns of a*w, for a with a row for each row of the cell; and a constant in a value of shape `whole`. */
bool recover_add_product(recover_cell *c, recover_sum *s, ir_value *a, const ir_value *w, const ir_value *out, recover_access at);
bool recover_add_bias(const recover_cell *c, recover_sum *s, const ir_value *v, const clstm_tensor *whole, recover_access a);
/* v is activation number `which` (f, g, h) of a sum. What a failed try noted is forgotten. */
bool recover_gate(recover_cell *c, ir_value *v, int which, recover_sum *s);
/* The activation number `which` that made v, and what it is of; NULL when it is none, or another than before. */
ir_value *recover_activated(recover_cell *c, ir_value *v, int which, recover_access *a);
recover_access recover_all(const recover_cell *c);

/* ---- recover_sequence.c */

/* The same as recover_take_apart for a sum over a whole sequence. May leave nodes that nothing uses at the end of the graph. */
bool recover_from_sequence(recover_cell *c, recover_sum *s, ir_value *of, recover_access a);

/* ---- recover_emit.c, recover_weights.c, recover_start.c */

/* The cell's weights in the standard's layout: those of an equal cell in the list, or new ones put in front of it. */
clstm_status recover_make_weights(const recover_cell *c, recover_weights **list, clstm_error *err);
/* Whether a cell that starts may have these weights: those of x and the biases are the same. */
clstm_status recover_starts(const recover_cell *c, const recover_weights *w, bool *yes, clstm_error *err);
/* Puts weights that a cell that starts may have in front of the list, and gives it a state of zeros when it has none. */
clstm_status recover_start(recover_cell *c, recover_weights **list, bool *found, clstm_error *err);
void recover_forget_weights(recover_weights *list);
/* Writes the one-step node and sets *done; every inner node is dead afterwards. Without a row of that version nothing is changed. */
clstm_status recover_emit(ir_graph *g, const recover_cell *cell, recover_weights **weights, bool *done, clstm_error *err);

#endif
