/* plan/recover: what the parts of the pass share: recognising a cell (recover.c), writing its node (recover_emit.c), joining the
 * nodes of one sequence (recover_join.c). */
#ifndef PLAN_RECOVER_H
#define PLAN_RECOVER_H

#include "plan/plan_internal.h"
#include "rnn/spec.h"

/* A [B,H] value as a sum: columns of x and h times constant matrices, and constants. */
typedef struct recover_product { ir_value *of; ir_const *weight; bool transposed; int64_t row, column; } recover_product;
typedef struct recover_bias { ir_const *from; int64_t column; } recover_bias;
enum { RECOVER_PRODUCTS = 2, RECOVER_BIASES = 4, RECOVER_GATES = 4, RECOVER_INNER = 64 };
typedef struct recover_sum { recover_product product[RECOVER_PRODUCTS]; int n_products; recover_bias bias[RECOVER_BIASES]; int n_biases; } recover_sum;

typedef struct recover_cell {
    rnn_kind kind;
    bool relu;                          /* RNN only */
    ir_value *x, *h, *c, *new_h, *new_c;
    int64_t batch, input, hidden;
    clstm_type type;
    recover_sum gate[RECOVER_GATES];    /* in ONNX order; a GRU's hidden gate has its recurrent part in gate[3] */
    ir_node *inner[RECOVER_INNER];      /* the nodes that the new one takes the place of */
    int n_inner;
} recover_cell;

/* The weights of the cell written last and what they were made of: the next cell of a chain shares them. */
typedef struct recover_weights { recover_cell of; ir_const *w, *r, *b; } recover_weights;

bool recover_is(const ir_node *n, const char *op);
/* Writes the one-step node and sets *done; every inner node is dead afterwards. Without a row of that version nothing is changed. */
clstm_status recover_emit(ir_graph *g, const recover_cell *cell, recover_weights *last, bool *done, clstm_error *err);

#endif
