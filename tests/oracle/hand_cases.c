/* The table of hand-derived cases. Affine with its defaults (1 and 0) is the identity: it keeps the arithmetic in whole numbers.
 * Under ONNX Runtime's reading Affine's default alpha is 0, so 1 is written out there. */
#include "hand_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V(...) (const double[]){__VA_ARGS__}
#define N(...) (const int32_t[]){__VA_ARGS__}
#define ONE .T = 1, .B = 1, .I = 1, .H = 1
#define LINEAR3 .activations = {"Affine", "Affine", "Affine"}
#define LINEAR2 .activations = {"Affine", "Affine"}
#define LINEAR1 .activations = {"Affine"}
/* The same for the kernels' fused steps, which have no Affine: HardSigmoid(1, 0) is the identity within [0, 1], Relu above 0. */
#define FUSED3 .activations = {"HardSigmoid", "Relu", "Relu"}, .alpha_count = 1, .alpha = {1}, .beta_count = 1
#define FUSED2 .activations = {"HardSigmoid", "Relu"}, .alpha_count = 1, .alpha = {1}, .beta_count = 1

const hand_case hand_cases[] = {
    /* i=2 o=3 f=5 c=7: C = 5*11 + 2*7 = 69, H = 3*69 */
    {.row = 1, .what = "LSTM gates i,o,f,c", .op = ORACLE_LSTM, ONE, LINEAR3, .X = V(1), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0), .c = V(11),
     .Y = V(207), .Y_h = V(207), .Y_c = V(69)},
    /* the same through R: h0 = 1 */
    {.row = 1, .what = "LSTM gates i,o,f,c in R", .op = ORACLE_LSTM, ONE, LINEAR3, .X = V(1), .W = V(0, 0, 0, 0), .R = V(2, 3, 5, 7), .h = V(1),
     .c = V(11), .Y_h = V(207), .Y_c = V(69)},
    /* R is [gates*H, H]: unit 0 of gate c sees h0[1], unit 1 sees h0[0]; i = o = 1 by bias, f = 0: H = C = c */
    {.row = 1, .what = "R is not transposed", .op = ORACLE_LSTM, .T = 1, .B = 1, .I = 1, .H = 2, LINEAR3, .X = V(0), .W = V(0, 0, 0, 0, 0, 0, 0, 0),
     .R = V(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 10, 100, 1000), .bias = V(1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), .h = V(2, 3),
     .Y_h = V(32, 3200)},
    /* z=2 r=3 h=5+(3*7)*1=26: H = (1-2)*26 + 2*7 */
    {.row = 1, .what = "GRU gates z,r,h", .op = ORACLE_GRU, ONE, LINEAR2, .X = V(1), .W = V(2, 3, 5), .R = V(0, 0, 1), .h = V(7), .Y = V(-12), .Y_h = V(-12)},
    /* i=0.5 o=0.25 f=0.75 c=3: C = 0.75*4 + 0.5*3, H = 0.25*C */
    {.row = 1, .what = "LSTM gates i,o,f,c, fused", .op = ORACLE_LSTM, ONE, FUSED3, .X = V(1), .W = V(0.5, 0.25, 0.75, 3), .R = V(0, 0, 0, 0), .c = V(4),
     .Y_h = V(1.125), .Y_c = V(4.5)},
    /* z=0.25 r=0.5 h=5+(0.5*8)*1: H = 0.75*9 + 0.25*8 */
    {.row = 1, .what = "GRU gates z,r,h, fused", .op = ORACLE_GRU, ONE, FUSED2, .X = V(1), .W = V(0.25, 0.5, 5), .R = V(0, 0, 1), .h = V(8), .Y_h = V(8.75)},
    /* P = i,o,f = 2,3,5 and c0 = 7, c = 1: i = 14, f = 35, C = 35*7 + 14 = 259; o = 3*259 = 777 sees the new C; H = 777*259 */
    {.row = 2, .what = "i and f see the old C, o the new", .op = ORACLE_LSTM, ONE, LINEAR3, .X = V(0), .W = V(0, 0, 0, 0), .R = V(0, 0, 0, 0),
     .bias = V(0, 0, 0, 1, 0, 0, 0, 0), .c = V(7), .P = V(2, 3, 5), .Y_h = V(201243), .Y_c = V(259)},
    /* P = 1/8,1/16,1/4 and c0 = 2, c = 1: i = 1/4, f = 1/2, C = 1 + 1/4; o = C/16 */
    {.row = 2, .what = "i and f see the old C, o the new, fused", .op = ORACLE_LSTM, ONE, FUSED3, .X = V(0), .W = V(0, 0, 0, 0), .R = V(0, 0, 0, 0),
     .bias = V(0, 0, 0, 1, 0, 0, 0, 0), .c = V(2), .P = V(0.125, 0.0625, 0.25), .Y_h = V(0.09765625), .Y_c = V(1.25)},
    /* z=0 r=3, Wbh=2 Rbh=5 Rh=7 h0=11: (3*11)*7 + 5 + 2 */
    {.row = 3, .what = "linear_before_reset 0", .op = ORACLE_GRU, ONE, LINEAR2, .X = V(0), .W = V(0, 0, 0), .R = V(0, 0, 7), .bias = V(0, 3, 2, 0, 0, 5),
     .h = V(11), .Y_h = V(238)},
    /* 3*(11*7 + 5) + 2 */
    {.row = 3, .what = "linear_before_reset 1", .op = ORACLE_GRU, ONE, LINEAR2, .linear_before_reset = 1, .X = V(0), .W = V(0, 0, 0), .R = V(0, 0, 7),
     .bias = V(0, 3, 2, 0, 0, 5), .h = V(11), .Y_h = V(248)},
    /* r = 0.5, h0 = 4: (0.5*4)*7 + 5 + 2, and 0.5*(4*7 + 5) + 2 */
    {.row = 3, .what = "linear_before_reset 0, fused", .op = ORACLE_GRU, ONE, FUSED2, .X = V(0), .W = V(0, 0, 0), .R = V(0, 0, 7), .bias = V(0, 0.5, 2, 0, 0, 5),
     .h = V(4), .Y_h = V(21)},
    {.row = 3, .what = "linear_before_reset 1, fused", .op = ORACLE_GRU, ONE, FUSED2, .linear_before_reset = 1, .X = V(0), .W = V(0, 0, 0), .R = V(0, 0, 7),
     .bias = V(0, 0.5, 2, 0, 0, 5), .h = V(4), .Y_h = V(18.5)},
    /* i=11 o=22 f=33 c=44: C = 33*2 + 11*44 = 550, H = 22*550 */
    {.row = 4, .what = "B is Wb then Rb", .op = ORACLE_LSTM, ONE, LINEAR3, .X = V(0), .W = V(0, 0, 0, 0), .R = V(0, 0, 0, 0),
     .bias = V(1, 2, 3, 4, 10, 20, 30, 40), .c = V(2), .Y_h = V(12100), .Y_c = V(550)},
    {.row = 4, .what = "B of each direction", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, ONE, LINEAR2, .X = V(0), .W = V(0, 0), .R = V(0, 0),
     .bias = V(1, 2, 10, 20), .Y = V(3, 30), .Y_h = V(3, 30)},
    /* forwards x + h, backwards 10x + h; X [B,T,I], initial_h [B,D,H], Y [B,T,D,H], Y_h [B,D,H] */
    {.row = 5, .what = "layout 1", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, .T = 2, .B = 2, .I = 1, .H = 1, .layout = 1, LINEAR2,
     .X = V(1, 2, 3, 4), .W = V(1, 10), .R = V(1, 1), .h = V(100, 1000, 200, 2000), .Y = V(101, 1030, 103, 1020, 203, 2070, 207, 2040),
     .Y_h = V(103, 1030, 207, 2070)},
    {.row = 5, .what = "layout 0", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, .T = 2, .B = 2, .I = 1, .H = 1, LINEAR2, .X = V(1, 3, 2, 4),
     .W = V(1, 10), .R = V(1, 1), .h = V(100, 200, 1000, 2000), .Y = V(101, 203, 1030, 2070, 103, 207, 1020, 2040), .Y_h = V(103, 207, 1030, 2070)},
    /* x + 10h from the end: 3, 32, 321 */
    {.row = 6, .what = "reverse is stored in input order", .op = ORACLE_RNN, .direction = ORACLE_REVERSE, .T = 3, .B = 1, .I = 1, .H = 1, LINEAR1,
     .X = V(1, 2, 3), .W = V(1), .R = V(10), .Y = V(321, 32, 3), .Y_h = V(321)},
    /* lengths 2 and 3; rows (1,2,9) and (1,2,3); both directions x + 10h */
    {.row = 7, .what = "ragged lengths, both directions", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, .T = 3, .B = 2, .I = 1, .H = 1, LINEAR2,
     .X = V(1, 1, 2, 2, 9, 3), .W = V(1, 1), .R = V(10, 10), .lens = N(2, 3), .Y = V(1, 1, 21, 321, 12, 12, 2, 32, 0, 123, 0, 3),
     .Y_h = V(12, 123, 21, 321)},
    /* i=1 o=1 f=1 c=x: C = 7 + 5, H = C; row 0 has no step */
    {.row = 8, .what = "length 0 keeps the state", .op = ORACLE_LSTM, .T = 1, .B = 2, .I = 1, .H = 1, LINEAR3, .X = V(4, 5), .W = V(0, 0, 0, 1),
     .R = V(0, 0, 0, 0), .bias = V(1, 1, 1, 0, 0, 0, 0, 0), .lens = N(0, 1), .h = V(2, 3), .c = V(6, 7), .Y = V(0, 12), .Y_h = V(2, 12), .Y_c = V(6, 12)},
    {.row = 8, .what = "length 0 keeps the state, GRU backwards", .op = ORACLE_GRU, .direction = ORACLE_REVERSE, .T = 2, .B = 2, .I = 1, .H = 1, LINEAR2,
     .X = V(4, 5, 6, 7), .W = V(0, 0, 1), .R = V(0, 0, 0), .lens = N(0, 1), .h = V(2, 3), .Y = V(0, 5, 0, 0), .Y_h = V(2, 5)},
    {.row = 9, .what = "RNN, one direction, two activations: the first counts", .op = ORACLE_RNN, ONE, .activations = {"Affine", "Sigmoid"}, .X = V(3),
     .W = V(1), .R = V(0), .Y_h = V(3)},
    {.row = 9, .what = "RNN, the schema's default written out", .op = ORACLE_RNN, ONE, .activations = {"Tanh", "Tanh"}, .X = V(0.5), .W = V(1), .R = V(0),
     .Y_h = V(0.46211715726000975850), .tolerance = 1e-7},
    {.row = 9, .what = "names in any case", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, ONE, .activations = {"rELU", "AFFINE"}, .X = V(-3),
     .W = V(1, 1), .R = V(0, 0), .Y_h = V(0, -3)},
    /* Relu takes no alpha, so 0.5 is LeakyRelu's */
    {.row = 9, .what = "alpha goes to the function that takes one", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, ONE,
     .activations = {"Relu", "LeakyRelu"}, .alpha_count = 1, .alpha = {0.5f}, .X = V(-2), .W = V(1, 1), .R = V(0, 0), .Y_h = V(0, -1)},
    /* f = HardSigmoid(0.25, 0.125), g = Affine(2, 3), h = LeakyRelu(0.5): i=o=f=0.25*2+0.125=0.625, c = 2*(-4)+3 = -5,
     * C = 0.625*2 - 0.625*5 = -1.875, H = 0.625 * -0.9375 */
    {.row = 9, .what = "f, g, h with alpha and beta in order", .op = ORACLE_LSTM, ONE, .activations = {"HardSigmoid", "Affine", "LeakyRelu"},
     .alpha_count = 3, .alpha = {0.25f, 2, 0.5f}, .beta_count = 2, .beta = {0.125f, 3}, .X = V(2), .W = V(1, 1, 1, -2), .R = V(0, 0, 0, 0), .c = V(2),
     .Y_h = V(-0.5859375), .Y_c = V(-1.875)},
    /* second direction's own f and g: z = 0.5x, h = 3x: (1-1)*6 + 1*h0 against forward z = 0, h = x */
    {.row = 9, .what = "activations of each direction", .op = ORACLE_GRU, .direction = ORACLE_BIDIRECTIONAL, ONE,
     .activations = {"Relu", "Affine", "Affine", "Affine"}, .alpha_count = 3, .alpha = {1, 0.5f, 3}, .X = V(2), .W = V(-1, 0, 1, 0.5, 0, 1),
     .R = V(0, 0, 0, 0, 0, 0), .h = V(9, 8), .Y_h = V(2, 7)},
    {.row = 10, .what = "LeakyRelu 0.01", .op = ORACLE_RNN, ONE, .activations = {"LeakyRelu"}, .X = V(-1), .W = V(1), .R = V(0), .Y_h = V(-0.01), .tolerance = 1e-8},
    {.row = 10, .what = "ThresholdedRelu 1", .op = ORACLE_RNN, .T = 1, .B = 1, .I = 1, .H = 3, .activations = {"ThresholdedRelu"}, .X = V(1),
     .W = V(0.75, 1.25, 1), .R = V(0, 0, 0, 0, 0, 0, 0, 0, 0), .Y_h = V(0, 1.25, 1)},
    {.row = 10, .what = "HardSigmoid 0.2, 0.5", .op = ORACLE_RNN, .T = 1, .B = 1, .I = 1, .H = 3, .activations = {"HardSigmoid"}, .X = V(1), .W = V(1, -3, 4),
     .R = V(0, 0, 0, 0, 0, 0, 0, 0, 0), .Y_h = V(0.7, 0, 1), .tolerance = 1e-7},
    {.row = 10, .what = "Elu 1", .op = ORACLE_RNN, .T = 1, .B = 1, .I = 1, .H = 2, .activations = {"Elu"}, .X = V(1), .W = V(-1, 2), .R = V(0, 0, 0, 0),
     .Y_h = V(-0.63212055882855767840, 2), .tolerance = 1e-7},
    {.row = 10, .what = "Affine 1, 0", .op = ORACLE_RNN, ONE, LINEAR1, .X = V(-3), .W = V(1), .R = V(0), .Y_h = V(-3)},
    {.row = 10, .what = "ScaledTanh 1, 1", .op = ORACLE_RNN, ONE, .activations = {"ScaledTanh"}, .X = V(0.5), .W = V(1), .R = V(0),
     .Y_h = V(0.46211715726000975850), .tolerance = 1e-7},
    {.row = 10, .what = "Softsign and Softplus", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, ONE, .activations = {"Softsign", "Softplus"}, .X = V(-3),
     .W = V(1, 1), .R = V(0, 0), .Y_h = V(-0.75, 0.04858735157374205876), .tolerance = 1e-7},
    /* i = 3 and c = 5 become 2, C = 4 is kept, h sees 2, o = 1 */
    {.row = 11, .what = "clip bounds h's input too", .op = ORACLE_LSTM, ONE, LINEAR3, .clip = 2, .X = V(1), .W = V(3, 1, 0, 5), .R = V(0, 0, 0, 0), .Y_h = V(2),
     .Y_c = V(4)},
    /* i = 3 becomes 2, of which HardSigmoid makes 1; c = 5 becomes 2; C = 2 + 2 is kept, h sees 2, f = o = 1 */
    {.row = 11, .what = "clip bounds h's input too, fused", .op = ORACLE_LSTM, ONE, FUSED3, .clip = 2, .X = V(1), .W = V(3, 1, 1, 5), .R = V(0, 0, 0, 0), .c = V(2),
     .Y_h = V(2), .Y_c = V(4)},
    {.row = 11, .what = "clip below zero, GRU", .op = ORACLE_GRU, ONE, LINEAR2, .clip = 2, .X = V(1), .W = V(0, 0, -5), .R = V(0, 0, 0), .Y_h = V(-2)},
    {.row = 11, .what = "clip, RNN", .op = ORACLE_RNN, ONE, LINEAR1, .clip = 2, .X = V(1), .W = V(5), .R = V(0), .Y_h = V(2)},
    /* i = 0.25: f = 0.75 whatever W, R, B and P say of f; C = 0.75*8 + 0.25*4 = 7 */
    {.row = 12, .what = "input_forget", .op = ORACLE_LSTM, ONE, LINEAR3, .input_forget = true, .X = V(1), .W = V(0.25, 1, 50, 4), .R = V(0, 0, 60, 0),
     .bias = V(0, 0, 70, 0, 0, 0, 80, 0), .h = V(1), .c = V(8), .P = V(0, 0, 100), .Y_h = V(7), .Y_c = V(7)},
    {.row = 12, .what = "input_forget, fused", .op = ORACLE_LSTM, ONE, FUSED3, .input_forget = true, .X = V(1), .W = V(0.25, 1, 50, 4), .R = V(0, 0, 60, 0),
     .bias = V(0, 0, 70, 0, 0, 0, 80, 0), .h = V(1), .c = V(8), .P = V(0, 0, 100), .Y_h = V(7), .Y_c = V(7)},
    /* after i's activation: HardSigmoid(1) = 0.7, so f = 0.3 */
    {.row = 12, .what = "input_forget after the activation", .op = ORACLE_LSTM, ONE, .activations = {"HardSigmoid", "Affine", "Affine"}, .input_forget = true,
     .X = V(1), .W = V(1, 0, 9, 10), .R = V(0, 0, 0, 0), .c = V(20), .Y_c = V(13), .tolerance = 4e-6},
    {.row = 13, .what = "absent inputs as empty names, Y_c alone", .op = ORACLE_LSTM, ONE, LINEAR3, .empty_tail = true, .X = V(1), .W = V(2, 3, 5, 7),
     .R = V(0, 0, 0, 0), .Y_c = V(14)},
    {.row = 13, .what = "absent inputs left out, Y_c alone", .op = ORACLE_LSTM, ONE, LINEAR3, .X = V(1), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0), .Y_c = V(14)},
    {.row = 13, .what = "P alone of the optional inputs, Y and Y_c", .op = ORACLE_LSTM, .T = 2, .B = 1, .I = 1, .H = 1, LINEAR3, .X = V(1, 1), .W = V(2, 3, 5, 7),
     .R = V(0, 0, 0, 0), .P = V(0, 0, 1), .Y = V(42, 840), .Y_c = V(280)},
    {.row = 13, .what = "Y_h alone, GRU with empty tail", .op = ORACLE_GRU, ONE, LINEAR2, .empty_tail = true, .X = V(1), .W = V(0, 0, 5), .R = V(0, 0, 0), .Y_h = V(5)},
    {.row = 14, .what = "hidden_size left out", .op = ORACLE_RNN, .T = 1, .B = 1, .I = 1, .H = 2, LINEAR1, .no_hidden_size = true, .X = V(2), .W = V(1, 3),
     .R = V(0, 0, 0, 0), .Y = V(2, 6), .Y_h = V(2, 6)},
    {.row = 15, .what = "opset 1, output_sequence 0: output 0 is Y", .op = ORACLE_RNN, .opset = 1, .T = 2, .B = 1, .I = 1, .H = 1, LINEAR1, .X = V(1, 2), .W = V(1),
     .R = V(10), .Y = V(1, 12), .Y_h = V(12)},
    {.row = 15, .what = "opset 6, Y_h alone is output 1", .op = ORACLE_LSTM, .opset = 6, ONE, LINEAR3, .output_sequence = 1, .X = V(1), .W = V(2, 3, 5, 7),
     .R = V(0, 0, 0, 0), .Y_h = V(42)},
    {.row = 16, .what = "weights of Constant nodes", .op = ORACLE_LSTM, ONE, LINEAR3, .source = SOURCE_CONSTANT, .X = V(1), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0),
     .bias = V(1, 0, 0, 0, 0, 0, 0, 0), .P = V(0, 0, 0), .c = V(11), .Y_h = V(228), .Y_c = V(76)},
    {.row = 16, .what = "weights through Identity", .op = ORACLE_LSTM, ONE, LINEAR3, .source = SOURCE_IDENTITY, .X = V(1), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0),
     .bias = V(1, 0, 0, 0, 0, 0, 0, 0), .P = V(0, 0, 0), .c = V(11), .Y_h = V(228), .Y_c = V(76)},
    {.row = 16, .what = "weights through Transpose", .op = ORACLE_LSTM, ONE, LINEAR3, .source = SOURCE_TRANSPOSE, .X = V(1), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0),
     .bias = V(1, 0, 0, 0, 0, 0, 0, 0), .P = V(0, 0, 0), .c = V(11), .Y_h = V(228), .Y_c = V(76)},
    {.row = 16, .what = "weights as graph inputs", .op = ORACLE_LSTM, ONE, LINEAR3, .source = SOURCE_INPUT, .X = V(1), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0),
     .bias = V(1, 0, 0, 0, 0, 0, 0, 0), .P = V(0, 0, 0), .c = V(11), .Y_h = V(228), .Y_c = V(76)},
    /* 2048 + 1 is a tie and rounds to 2048 each time; rounding once at the end would give 2052 */
    {.row = 17, .what = "float16 rounds h every step", .op = ORACLE_RNN, .type = ORACLE_FLOAT16, .T = 3, .B = 1, .I = 1, .H = 1, LINEAR1, .X = V(1, 1, 1),
     .W = V(1), .R = V(1), .h = V(2048), .Y = V(2048, 2048, 2048), .Y_h = V(2048)},
    {.row = 17, .what = "bfloat16 rounds h every step", .op = ORACLE_RNN, .type = ORACLE_BFLOAT16, .opset = 22, .T = 3, .B = 1, .I = 1, .H = 1, LINEAR1,
     .X = V(1, 1, 1), .W = V(1), .R = V(1), .h = V(256), .Y = V(256, 256, 256), .Y_h = V(256)},
    /* C = 2049 becomes 2048; o = Po*C = 2048 and not 2049; h = C/2048 = 1 */
    {.row = 17, .what = "float16: the output peephole sees the rounded C", .op = ORACLE_LSTM, .type = ORACLE_FLOAT16, ONE, LINEAR3, .alpha_count = 3,
     .alpha = {1, 1, 0.00048828125f}, .X = V(1), .W = V(1, 0, 1, 1), .R = V(0, 0, 0, 0), .c = V(2048), .P = V(0, 1, 0), .Y_h = V(2048), .Y_c = V(2048)},
    {.row = 17, .what = "double is not float", .op = ORACLE_GRU, .type = ORACLE_DOUBLE, ONE, LINEAR2, .X = V(1.0000000009313225746), .W = V(0, 0, 1), .R = V(0, 0, 0),
     .Y_h = V(1.0000000009313225746)},
    {.row = 19, .what = "no step", .op = ORACLE_LSTM, .T = 0, .B = 1, .I = 1, .H = 1, LINEAR3, .X = V(0), .W = V(2, 3, 5, 7), .R = V(0, 0, 0, 0), .h = V(2), .c = V(3),
     .Y = V(0), .Y_h = V(2), .Y_c = V(3)},
    {.row = 19, .what = "no row", .op = ORACLE_GRU, .T = 2, .B = 0, .I = 1, .H = 1, LINEAR2, .X = V(0), .W = V(2, 3, 5), .R = V(0, 0, 0), .Y = V(0), .Y_h = V(0)},
    /* z = 0.75: 0.25*8 + 0.75*4 */
    {.row = 21, .what = "z keeps the past", .op = ORACLE_GRU, ONE, LINEAR2, .X = V(1), .W = V(0.75, 0, 8), .R = V(0, 0, 0), .h = V(4), .Y_h = V(5)},
    {.row = 21, .what = "linear_before_reset 2 is 1", .op = ORACLE_GRU, ONE, LINEAR2, .linear_before_reset = 2, .X = V(0), .W = V(0, 0, 0), .R = V(0, 0, 7),
     .bias = V(0, 3, 2, 0, 0, 5), .h = V(11), .Y_h = V(248)},
    {.row = 22, .what = "foward is forward", .op = ORACLE_RNN, .opset = 7, .T = 2, .B = 1, .I = 1, .H = 1, LINEAR1, .direction_text = "foward", .X = V(1, 2),
     .W = V(1), .R = V(10), .Y = V(1, 12), .Y_h = V(12)},
    {.row = 23, .what = "row 8 as ONNX Runtime has it", .op = ORACLE_LSTM, .T = 1, .B = 2, .I = 1, .H = 1, LINEAR3, .alpha_count = 3,
     .alpha = {1, 1, 1}, .onnxruntime_semantics = true,
     .X = V(4, 5), .W = V(0, 0, 0, 1), .R = V(0, 0, 0, 0), .bias = V(1, 1, 1, 0, 0, 0, 0, 0), .lens = N(0, 1), .h = V(2, 3), .c = V(6, 7),
     .Y = V(0, 12), .Y_h = V(0, 12), .Y_c = V(0, 12)},
    /* ONNX Runtime has 0 for ThresholdedRelu, Affine and ScaledTanh, the same for the others */
    {.row = 23, .what = "row 10 as ONNX Runtime has it", .op = ORACLE_RNN, .direction = ORACLE_BIDIRECTIONAL, ONE, .activations = {"ThresholdedRelu", "Affine"},
     .onnxruntime_semantics = true, .X = V(0.75), .W = V(1, 1), .R = V(0, 0), .Y_h = V(0.75, 0)},
    {.row = 23, .what = "row 10, HardSigmoid is the same", .op = ORACLE_RNN, ONE, .activations = {"HardSigmoid"}, .onnxruntime_semantics = true, .X = V(1),
     .W = V(1), .R = V(0), .Y_h = V(0.7), .tolerance = 1e-7},
    {.row = 23, .what = "row 11 as ONNX Runtime has it", .op = ORACLE_LSTM, ONE, LINEAR3, .alpha_count = 3, .alpha = {1, 1, 1}, .clip = 2,
     .onnxruntime_semantics = true, .X = V(1), .W = V(3, 1, 0, 5),
     .R = V(0, 0, 0, 0), .Y_h = V(4), .Y_c = V(4)},
    {.row = 23, .what = "row 11 as ONNX Runtime has it, fused", .op = ORACLE_LSTM, ONE, FUSED3, .clip = 2, .onnxruntime_semantics = true, .X = V(1),
     .W = V(3, 1, 1, 5), .R = V(0, 0, 0, 0), .c = V(2), .Y_h = V(4), .Y_c = V(4)},
};

const size_t hand_case_count = sizeof hand_cases / sizeof hand_cases[0];

static const char *give(oracle_case *c, case_tensor *t, const double *values, int rank, const size_t *dims)
{
    *t = (case_tensor){.present = values != NULL, .source = t->source, .rank = rank, .count = 1};
    for (int i = 0; i < rank; i++) {
        t->dims[i] = dims[i];
        t->count *= dims[i];
    }
    t->v = calloc(t->count + 1, sizeof *t->v);
    t->bytes = calloc(t->count + 1, oracle_type_size(c->type));
    if (t->v == NULL || t->bytes == NULL)
        return "out of memory";
    for (size_t i = 0; values != NULL && i < t->count; i++)
        t->v[i] = oracle_round(c->type, (long double)values[i]);
    oracle_encode(c->type, t->v, t->count, t->bytes);
    return NULL;
}

static const char *give_lens(oracle_case *c, const int32_t *lens)
{
    case_tensor *t = &c->in[IN_LENS];
    *t = (case_tensor){.present = lens != NULL, .source = SOURCE_INPUT, .rank = 1, .dims = {c->B}, .count = c->B};
    t->bytes = calloc(c->B + 1, sizeof *lens);
    if (t->bytes == NULL)
        return "out of memory";
    if (lens != NULL)
        memcpy(t->bytes, lens, c->B * sizeof *lens);
    return NULL;
}

static const char *give_all(oracle_case *c, const hand_case *h)
{
    const size_t G = oracle_gates(c->op), D = c->D, first = c->layout == 0 ? c->T : c->B, second = c->layout == 0 ? c->B : c->T;
    const size_t x[] = {first, second, c->I}, w[] = {D, G * c->H, c->I}, r[] = {D, G * c->H, c->H}, b[] = {D, 2 * G * c->H}, p[] = {D, 3 * c->H};
    const size_t state[] = {c->layout == 0 ? D : c->B, c->layout == 0 ? c->B : D, c->H};
    const size_t y0[] = {c->T, D, c->B, c->H}, y1[] = {c->B, c->T, D, c->H};
    const struct { case_tensor *t; const double *v; int rank; const size_t *dims; } rows[] = {
        {&c->in[IN_X], h->X, 3, x}, {&c->in[IN_W], h->W, 3, w}, {&c->in[IN_R], h->R, 3, r}, {&c->in[IN_B], h->bias, 2, b},
        {&c->in[IN_H], h->h, 3, state}, {&c->in[IN_C], h->c, 3, state}, {&c->in[IN_P], h->P, 2, p},
        {&c->out[OUT_Y], h->Y, 4, c->layout == 0 ? y0 : y1}, {&c->out[OUT_H], h->Y_h, 3, state}, {&c->out[OUT_C], h->Y_c, 3, state}};
    const char *why = give_lens(c, h->lens);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && why == NULL; i++)
        why = give(c, rows[i].t, rows[i].v, rows[i].rank, rows[i].dims);
    return why;
}

const char *hand_case_make(oracle_case *c, const hand_case *h)
{
    static const char *const words[] = {"forward", "reverse", "bidirectional"};
    *c = (oracle_case){.op = h->op, .type = h->type, .direction = h->direction, .opset = h->opset == 0 ? 14 : h->opset, .layout = h->layout};
    snprintf(c->name, sizeof c->name, "row %d: %s", h->row, h->what);
    c->T = h->T;
    c->B = h->B;
    c->I = h->I;
    c->H = h->H;
    c->D = oracle_directions(h->direction);
    c->direction_text = h->direction_text != NULL ? h->direction_text : words[h->direction];
    c->hidden_size_written = !h->no_hidden_size;
    while (c->activation_count < 6 && h->activations[c->activation_count] != NULL) {
        c->activations[c->activation_count] = h->activations[c->activation_count];
        c->activation_count++;
    }
    memcpy(c->alpha, h->alpha, sizeof h->alpha);
    memcpy(c->beta, h->beta, sizeof h->beta);
    c->alpha_count = h->alpha_count;
    c->beta_count = h->beta_count;
    c->has_clip = h->clip != 0;
    c->clip = h->clip;
    c->input_forget = h->input_forget ? 1 : -1;
    c->linear_before_reset = h->linear_before_reset != 0 ? h->linear_before_reset : -1;
    c->output_sequence = c->opset < 7 ? h->output_sequence : -1;
    c->layout_written = h->layout != 0;
    c->empty_tail = h->empty_tail;
    c->symbolic = true;
    c->onnxruntime_semantics = h->onnxruntime_semantics;
    for (int i = 0; i < CASE_INPUTS; i++)
        c->in[i].source = i == IN_W || i == IN_R || i == IN_B || i == IN_P ? h->source : SOURCE_INPUT;
    return give_all(c, h);
}
