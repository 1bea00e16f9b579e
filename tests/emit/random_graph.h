/* A random valid graph of the operators that C can be made of, from a seed. */
#ifndef CLSTM_TESTS_RANDOM_GRAPH_H
#define CLSTM_TESTS_RANDOM_GRAPH_H

#include "../unit/onnx_build.h"

/* The model's bytes; pb_free. Inputs x (float, three dimensions, two of them often symbols "n" and "t") and y (float, like x); the
 * sizes that were meant stand in *n and *t. `text` (may be NULL) receives the nodes for messages. */
pbuf random_graph(uint64_t seed, int64_t *n, int64_t *t, char *text, size_t size);
/* A double in [0, 1) from the state. */
double random_unit(uint64_t *state);

#endif
