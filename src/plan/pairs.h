/* plan/pairs: which graph output holds the next value of which graph input. */
#ifndef PLAN_PAIRS_H
#define PLAN_PAIRS_H

#include "ir/graph.h"

typedef struct plan_pair { int input, output; const char *why; } plan_pair;

/* What is known of the ports: the names as declared, and pairs that the model's metadata states (input -1: none). */
typedef struct plan_ports {
    const clstm_port *inputs, *outputs;
    size_t n_in, n_out;
    const int *stated;              /* for each output: the input that metadata pairs with it, or -1 */
} plan_ports;

/* Fills pairs (room for n_in). Evidence, in this order: metadata; the input feeds the initial state of a recurrent layer and the
 * output is that layer's last state, with nothing but moves of elements in between; names that say so (h/hn, state/stateN,
 * x_cache/x_cache_out ...) with shapes that agree. What contradicts itself is CLSTM_BAD_ARGUMENT with the candidates named;
 * an input without evidence is no state. */
clstm_status plan_find_pairs(ir_graph *g, const plan_ports *ports, plan_pair *pairs, size_t *n, clstm_error *err);

#endif
