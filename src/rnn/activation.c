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

bool rnn_activation_fused(const rnn_activation *a, kernel_activation *out) {
    *out = (kernel_activation){.alpha = a->alpha, .beta = a->beta};
    switch (a->function) {
    case RNN_SIGMOID: out->function = KERNEL_SIGMOID; return true;
    case RNN_TANH: out->function = KERNEL_TANH; return true;
    case RNN_HARD_SIGMOID: out->function = KERNEL_HARD_SIGMOID; return true;
    case RNN_SOFTSIGN: out->function = KERNEL_SOFTSIGN; return true;
    case RNN_RELU: out->function = KERNEL_RELU; return true;
    default: return false;
    }
}

bool rnn_activation_same(const rnn_activation *a, const rnn_activation *b) {
    return a->function == b->function && !(a->alpha < b->alpha) && !(a->alpha > b->alpha) && !(a->beta < b->beta) && !(a->beta > b->beta);
}

/* The kernels' tanh and sigmoid, for values that end as float or narrower: within 3 ULP of float, and many times as fast. */
static void map_floats(kernel_map_f32 *f, double before, double after, double *x, int64_t n) {
    float v[64];
    for (int64_t i = 0; i < n; i += 64) {
        int64_t count = n - i < 64 ? n - i : 64;
        for (int64_t k = 0; k < count; k++) v[k] = (float)(before * x[i + k]);
        f(v, v, count);
        for (int64_t k = 0; k < count; k++) x[i + k] = after * (double)v[k];
    }
}

static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

#define EACH(expression) for (int64_t i = 0; i < n; i++) { double v = x[i]; x[i] = (expression); } return

void rnn_activate(const rnn_activation *act, clstm_type type, double clip, double *x, int64_t n) {
    double a = (double)act->alpha, b = (double)act->beta;
    bool floats = type != CLSTM_DOUBLE;
    for (int64_t i = 0; i < n && clip < INFINITY; i++) x[i] = x[i] > clip ? clip : x[i] < -clip ? -clip : x[i];
    switch (act->function) {        /* comparisons are written so that NaN falls through to the branch that keeps it */
    case RNN_AFFINE: EACH(a * v + b);
    case RNN_RELU: EACH(v < 0 ? 0 : v);
    case RNN_LEAKY_RELU: EACH(v < 0 ? a * v : v);
    case RNN_THRESHOLDED_RELU: EACH(v < a ? 0 : v);         /* at the threshold v, as the recurrent operators have it */
    case RNN_TANH:
        if (floats) { map_floats(kernel_table_get()->tanh, 1, 1, x, n); return; }
        EACH(tanh(v));
    case RNN_SIGMOID:
        if (floats) { map_floats(kernel_table_get()->sigmoid, 1, 1, x, n); return; }
        EACH(1 / (1 + exp(-v)));
    case RNN_HARD_SIGMOID: EACH(a * v + b < 0 ? 0 : a * v + b > 1 ? 1 : a * v + b);
    case RNN_ELU: EACH(v < 0 ? a * expm1(v) : v);
    case RNN_SOFTSIGN: EACH(isinf(v) ? copysign(1, v) : v / (1 + fabs(v)));
    case RNN_SOFTPLUS: EACH(softplus(v));
    case RNN_SCALED_TANH:
        if (floats) { map_floats(kernel_table_get()->tanh, b, a, x, n); return; }
        EACH(a * tanh(b * v));
    case RNN_FUNCTION_COUNT: break;
    }
}
