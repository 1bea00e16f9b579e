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
 * shapes that agree, which the graph must not belie. What contradicts itself is CLSTM_BAD_ARGUMENT with the candidates named;
 * an input without evidence is no state. */
clstm_status plan_find_pairs(ir_graph *g, const op_env *env, const plan_ports *ports, plan_pair *pairs, size_t *n, clstm_error *err);

/* What the graph says of an input and an output (pairs_proof.c). */
typedef enum plan_proof {
    PLAN_PROOF_NONE,                /* nothing either way */
    PLAN_PROOF_NOT,                 /* the input is a layer's initial state, and the output does not hold that layer's last one */
    PLAN_PROOF_KEPT,                /* the output holds what follows the input's elements where new steps are joined to them */
    PLAN_PROOF_LAYER                /* the output holds the next value of every element of the input (some may be kept ones) */
} plan_proof;
/* Fills proofs[i * n_out + o], which are PLAN_PROOF_NONE at first. */
clstm_status plan_prove_pairs(const ir_graph *g, const op_env *env, const plan_ports *ports, plan_proof *proofs, clstm_error *err);
/* needs[o * n_in + i]: output o depends on input i, as far as the graph shows. */
clstm_status plan_find_needs(const ir_graph *g, bool *needs, clstm_error *err);
/* Whether the output can hold a next value of the input: types and known dimensions agree. */
bool plan_ports_agree(const clstm_port *in, const clstm_port *out);
/* A recurrent node, of the file or recovered. */
bool plan_is_cell(const ir_node *n);
/* Moves elements of its first input (Concat, of all inputs); which ones go where is for the proof to tell. */
bool plan_moves(const ir_node *n);

#endif
