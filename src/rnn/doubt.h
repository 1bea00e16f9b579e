/* rnn/doubt: what stands in a recurrent node although its exporter meant something else, as far as attributes, names and the producer
 * tell. Loading warns of it; the linter (src/convert/lint.c) tells it with the rest and mends it. Nodes need not be checked. */
#ifndef RNN_DOUBT_H
#define RNN_DOUBT_H

#include "rnn/spec.h"

/* Whether `text` (may be NULL) contains `word`, in any case. */
bool rnn_mentions(const char *text, const char *word);
/* The functions of a recurrent node in the order of its list, at most 6; 0 for what rnn_check refuses. */
size_t rnn_node_functions(const ir_node *n, rnn_function out[6]);

/* A GRU of PyTorch's without linear_before_reset. `why` receives the reason. */
bool rnn_doubt_reset(const ir_node *n, const char *producer, char *why, size_t size);
/* activation_alpha (or _beta) has more values than `used`, which the activations take. */
bool rnn_doubt_left_over(const ir_node *n, bool beta, size_t *used, char *why, size_t size);
/* Tells every doubt of the graph and its bodies, one line each. */
void rnn_warn(const ir_graph *g, const char *producer, void (*warning)(void *user, const char *message), void *user);

#endif
