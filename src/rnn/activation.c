/* rnn/activation: names, parameters and values of the activation functions. */
#include "rnn/activation.h"

#include <math.h>
#include <stddef.h>
#include <strings.h>

static const struct { const char *name; bool alpha, beta; float defaults[2], onnxruntime[2]; } table[RNN_FUNCTION_COUNT] = {
    [RNN_AFFINE] = {"Affine", true, true, {1, 0}, {0, 0}},
    [RNN_RELU] = {"Relu", false, false, {0, 0}, {0, 0}},
    [RNN_LEAKY_RELU] = {"LeakyRelu", true, false, {0.01f, 0}, {0.01f, 0}},
    [RNN_THRESHOLDED_RELU] = {"ThresholdedRelu", true, false, {1, 0}, {0, 0}},
    [RNN_TANH] = {"Tanh", false, false, {0, 0}, {0, 0}},
    [RNN_SIGMOID] = {"Sigmoid", false, false, {0, 0}, {0, 0}},
    [RNN_HARD_SIGMOID] = {"HardSigmoid", true, true, {0.2f, 0.5f}, {0.2f, 0.5f}},
    [RNN_ELU] = {"Elu", true, false, {1, 0}, {1, 0}},
    [RNN_SOFTSIGN] = {"Softsign", false, false, {0, 0}, {0, 0}},
    [RNN_SOFTPLUS] = {"Softplus", false, false, {0, 0}, {0, 0}},
    [RNN_SCALED_TANH] = {"ScaledTanh", true, true, {1, 1}, {0, 0}},
};

bool rnn_activation_find(const char *name, rnn_function *out) {
    for (int i = 0; i < RNN_FUNCTION_COUNT; i++)
        if (!strcasecmp(name, table[i].name)) { *out = (rnn_function)i; return true; }
    return false;
}

const char *rnn_activation_name(rnn_function f) { return table[f].name; }
bool rnn_activation_takes(rnn_function f, bool beta) { return beta ? table[f].beta : table[f].alpha; }
float rnn_activation_default(rnn_function f, bool beta, bool onnxruntime) {
    return onnxruntime ? table[f].onnxruntime[beta] : table[f].defaults[beta];
}

/* Comparisons are written so that NaN falls through to the branch that keeps it. */
static double value(rnn_function f, double a, double b, double x) {
    switch (f) {
    case RNN_AFFINE: return a * x + b;
    case RNN_RELU: return x < 0 ? 0 : x;
    case RNN_LEAKY_RELU: return x < 0 ? a * x : x;
    case RNN_THRESHOLDED_RELU: return x < a ? 0 : x;        /* at the threshold x, as the recurrent operators have it */
    case RNN_TANH: return tanh(x);
    case RNN_SIGMOID: return 1 / (1 + exp(-x));
    case RNN_HARD_SIGMOID: { double y = a * x + b; return y < 0 ? 0 : y > 1 ? 1 : y; }
    case RNN_ELU: return x < 0 ? a * expm1(x) : x;
    case RNN_SOFTSIGN: return isinf(x) ? copysign(1, x) : x / (1 + fabs(x));
    case RNN_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case RNN_SCALED_TANH: return a * tanh(b * x);
    case RNN_FUNCTION_COUNT: break;
    }
    return NAN;
}

void rnn_activate(const rnn_activation *act, double clip, double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double v = x[i];
        v = v > clip ? clip : v < -clip ? -clip : v;
        x[i] = value(act->function, (double)act->alpha, (double)act->beta, v);
    }
}
