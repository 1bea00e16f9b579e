/* plan/pairs: which graph output holds the next value of which graph input. */
#ifndef PLAN_PAIRS_H
#define PLAN_PAIRS_H

#include "ir/graph.h"
#include "ir/op.h"

typedef struct plan_pair { int input, output; const char *why; } plan_pair;

/* What is known of the ports: the names as declared, and pairs that the model's metadata states (input -1: none). */
typedef struct plan_ports {
    const clstm_port *inputs, *outputs;
    size_t n_in, n_out;
    const int *stated;              /* for each output: the input that metadata pairs with it, or -1 */
} plan_ports;

/* Fills pairs (room for n_in). Evidence, in this order: metadata; the input feeds the initial states of recurrent layers and the
 * output holds their last states, proven element for element; names that say so (h/hn, state/stateN, x_cache/x_cache_out ...) with
 * shapes that agree. What contradicts itself is CLSTM_BAD_ARGUMENT with the candidates named;
 * an input without evidence is no state. */
clstm_status plan_find_pairs(ir_graph *g, const op_env *env, const plan_ports *ports, plan_pair *pairs, size_t *n, clstm_error *err);

/* For every input i that is asked about: same[i * n_out + o] tells whether output o holds its next value (pairs_proof.c). asked[i]
 * becomes false where nothing can be proven either way. */
clstm_status plan_prove_pairs(const ir_graph *g, const op_env *env, const plan_ports *ports, bool *asked, bool *same, clstm_error *err);
/* Whether the output can hold a next value of the input: types and known dimensions agree. */
bool plan_ports_agree(const clstm_port *in, const clstm_port *out);
/* A recurrent node of the file, whose states it leaves to a session. */
bool plan_is_layer(const ir_node *n);

#endif
