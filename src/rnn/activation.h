/* rnn/activation: the eleven activation functions of the recurrent operators, in double. */
#ifndef RNN_ACTIVATION_H
#define RNN_ACTIVATION_H

#include "kernels/kernels.h"

#include <clstm/clstm.h>

#include <stdbool.h>
#include <stdint.h>

typedef enum rnn_function {
    RNN_AFFINE, RNN_RELU, RNN_LEAKY_RELU, RNN_THRESHOLDED_RELU, RNN_TANH, RNN_SIGMOID, RNN_HARD_SIGMOID, RNN_ELU, RNN_SOFTSIGN,
    RNN_SOFTPLUS, RNN_SCALED_TANH, RNN_FUNCTION_COUNT
} rnn_function;

typedef struct rnn_activation { rnn_function function; float alpha, beta; } rnn_activation;

/* By name, without regard to case; false when there is none. */
bool rnn_activation_find(const char *name, rnn_function *out);
const char *rnn_activation_name(rnn_function f);
/* Whether the function takes alpha or beta, and what stands in when the lists run out: the defaults of the operators of that
 * name, or ONNX Runtime's (zero for Affine, ThresholdedRelu and ScaledTanh). */
bool rnn_activation_takes(rnn_function f, bool beta);
float rnn_activation_default(rnn_function f, bool beta, bool onnxruntime);

/* The same for the kernels' fused step, which has the bounded functions and Relu only; false: it lacks this one. */
bool rnn_activation_fused(const rnn_activation *a, kernel_activation *out);

bool rnn_activation_same(const rnn_activation *a, const rnn_activation *b);

/* x[i] = f(clip(x[i])); clip INFINITY: none. NaN stays NaN. `type` is what the values will be rounded to: tanh and sigmoid are no
 * closer than it needs. */
void rnn_activate(const rnn_activation *act, clstm_type type, double clip, double *x, int64_t n);

#endif
