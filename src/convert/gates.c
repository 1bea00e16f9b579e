/* convert/gates: the gate orders of ONNX and PyTorch. */
#include "convert/gates.h"

#include <string.h>

int convert_gates(rnn_kind kind) { return kind == RNN_LSTM ? 4 : kind == RNN_GRU ? 3 : 1; }

int convert_gate(rnn_kind kind, int k) {
    static const int place[3][4] = {[RNN_LSTM] = {0, 3, 1, 2}, [RNN_GRU] = {1, 0, 2}, [RNN_RNN] = {0}};
    return place[kind][k];
}

void convert_gates_copy(rnn_kind kind, bool to_onnx, void *to, const void *from, size_t block) {
    for (int k = 0; k < convert_gates(kind); k++) {
        size_t onnx = (size_t)k * block, torch = (size_t)convert_gate(kind, k) * block;
        memcpy((char *)to + (to_onnx ? onnx : torch), (const char *)from + (to_onnx ? torch : onnx), block);
    }
}
