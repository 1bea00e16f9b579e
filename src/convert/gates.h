/* convert/gates: the gate orders of ONNX and PyTorch. */
#ifndef CONVERT_GATES_H
#define CONVERT_GATES_H

#include "rnn/spec.h"

#include <stddef.h>

/* How many gates a cell has: 4, 3 or 1. */
int convert_gates(rnn_kind kind);
/* Row block k of ONNX's order (i,o,f,c; z,r,h) is row block convert_gate(kind, k) of PyTorch's (i,f,g,o; r,z,n). */
int convert_gate(rnn_kind kind, int k);
/* Copies all blocks of `block` bytes from one order to the other. */
void convert_gates_copy(rnn_kind kind, bool to_onnx, void *to, const void *from, size_t block);

#endif
