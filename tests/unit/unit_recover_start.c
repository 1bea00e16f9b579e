/* Recovery of chains as exporters leave them: the products with a first state of zeros folded away, x multiplied for all steps at once, gates
 * picked out of a sequence. */
#include "unit_main.h"

#include "cell_text.h"

#include <stdio.h>
#include <string.h>

enum { B = 2 };

static void expect(const char *what, const char *inputs, const char *outputs, const cell_text *t, const char *type, size_t layers) {
    cell_outcome plain = cell_play(inputs, outputs, t->s, NULL, B, true), fast = cell_play(inputs, outputs, t->s, NULL, B, false);
    ck_assert_msg(fast.layers == layers, "%s: %zu layers, expected %zu", what, fast.layers, layers);
    ck_assert_str_eq(fast.type, type);
    cell_same(what, &plain, &fast, 1e-6);
}

/* ---- RNN as torch.export takes it apart ---------------------------------------------------------------------------------------------- */

/* The steps' slices of `sequence` [3,2,n] as p0, p1, p2. */
static void slices(cell_text *t, const char *sequence) {
    for (int k = 0; k < 3; k++)
        cell_say(t, "f%d = i[1] %d; e%d = i[1] %d; Slice %s,f%d,e%d,f0 > s%d; Squeeze s%d,f0 > p%d;", k, k, k, k + 1, sequence, k, k, k, k, k);
}

static void rnn_steps(cell_text *t) {
    cell_constant(t, 'f', "w", "3,2", 6);
    cell_constant(t, 'f', "r", "2,2", 4);
    cell_constant(t, 'f', "bi", "2", 2);
    cell_say(t, "bh = f[2] 0.5,-0.25; first = f[1,2,2] 0.5,-0.25,0.5,-0.25; MatMul X,w > xw; Add xw,bi > all;");
    slices(t, "all");
    cell_say(t, "Add first,p0 > a0; Tanh a0 > h0;");
    for (int k = 1; k < 3; k++) cell_say(t, "MatMul h%d,r > m%d; Add m%d,bh > n%d; Add n%d,p%d > a%d; Tanh a%d > h%d;", k - 1, k, k, k, k, k, k, k, k);
    cell_say(t, "Concat h0,h1,h2 > y axis=0;");
}

static const struct { const char *name, *from, *to; size_t layers; } rnn_cases[] = {
    {"as it is", "", "", 1},
    {"Relu everywhere", "Tanh", "Relu", 1},
    {"a first state that was not zero", "0.5,-0.25,0.5,-0.25", "0.5,-0.125,0.5,-0.125", 2},
    {"a first state of different rows", "0.5,-0.25,0.5,-0.25", "0.5,-0.25,0.5,-0.125", 1},
    {"another function at first", "Tanh a0", "Relu a0", 1},
    {"the sum of all steps is seen", "Concat h0", "Concat all,h0", 1},
    {"the bias of one step only", "Add m2,bh", "Add m2,bi", 3},
};

START_TEST(rnn_chain)
{
    cell_text t = {.n = 0};
    rnn_steps(&t);
    if (rnn_cases[_i].from[0]) cell_change(&t, rnn_cases[_i].from, rnn_cases[_i].to);
    for (int k = 0; k < 2 && _i == 1; k++) cell_change(&t, "Tanh", "Relu");
    expect(rnn_cases[_i].name, "X:f[3,2,3]", "y:f", &t, "RNN", rnn_cases[_i].layers);
}
END_TEST

/* [B,T,I], cut along its second axis. */
START_TEST(rnn_chain_batch_first)
{
    cell_text t = {.n = 0};
    rnn_steps(&t);
    for (int k = 0; k < 3; k++) {
        char from[64], to[64];
        snprintf(from, sizeof from, "Slice all,f%d,e%d,f0", k, k);
        snprintf(to, sizeof to, "Slice all,f%d,e%d,f1", k, k);
        cell_change(&t, from, to);
        snprintf(from, sizeof from, "Squeeze s%d,f0", k);
        snprintf(to, sizeof to, "Squeeze s%d,f1", k);
        cell_change(&t, from, to);
    }
    cell_say(&t, "u0 = i[1] 1;");
    cell_change(&t, "f0 = i[1] 0;", "f0 = i[1] 0; f1 = i[1] 1;");
    cell_change(&t, "f1 = i[1] 1; e1", "e1");
    expect("batch first", "X:f[2,3,3]", "h0:f y:f", &t, "RNN", 1);
}
END_TEST

/* ---- LSTM and GRU from a constant state --------------------------------------------------------------------------------------------------- */

static const struct { const char *name, *state; size_t layers; } states[] = {
    {"zeros", "0,0,0,0", 1},
    {"a row that is not", "0,0,0,0.5", 2},
};

START_TEST(lstm_from_constant)
{
    cell_text t = {.n = 0};
    cell_constant(&t, 'f', "w", "8,3", 24);
    cell_constant(&t, 'f', "r", "8,2", 16);
    cell_constant(&t, 'f', "b", "8", 8);
    cell_constant(&t, 'f', "d", "8", 8);
    cell_say(&t, "h0 = f[2,2] %s; c0 = f[2,2] 0,0,0,0;", states[_i].state);
    for (int k = 0; k < 3; k++) {
        cell_say(&t, "at%d = i[] %d; Gather X,at%d > x%d axis=0; Gemm x%d,w,b > u%d transB=1; Gemm h%d,r,d > v%d transB=1; Add u%d,v%d > g%d;", k, k, k, k, k, k, k, k, k, k, k);
        cell_say(&t, "Split g%d > i%d,f%d,a%d,o%d axis=1; Sigmoid i%d > I%d; Sigmoid f%d > F%d; Tanh a%d > A%d; Sigmoid o%d > O%d;", k, k, k, k, k, k, k, k, k, k, k, k, k);
        cell_say(&t, "Mul F%d,c%d > M%d; Mul I%d,A%d > N%d; Add M%d,N%d > c%d; Tanh c%d > T%d; Mul O%d,T%d > h%d;", k, k, k, k, k, k, k, k, k + 1, k + 1, k, k, k, k + 1);
    }
    expect(states[_i].name, "X:f[3,2,3]", "h1:f h3:f c3:f", &t, "LSTM", states[_i].layers);
}
END_TEST

START_TEST(gru_from_constant)
{
    cell_text t = {.n = 0};
    cell_constant(&t, 'f', "w", "6,3", 18);
    cell_constant(&t, 'f', "r", "6,2", 12);
    cell_constant(&t, 'f', "b", "6", 6);
    cell_constant(&t, 'f', "d", "6", 6);
    cell_say(&t, "h0 = f[2,2] %s;", states[_i].state);
    for (int k = 0; k < 3; k++) {
        cell_say(&t, "at%d = i[] %d; Gather X,at%d > x%d axis=0; Gemm x%d,w,b > u%d transB=1; Gemm h%d,r,d > v%d transB=1;", k, k, k, k, k, k, k, k);
        cell_say(&t, "Split u%d > ur%d,uz%d,un%d axis=1; Split v%d > vr%d,vz%d,vn%d axis=1; Add ur%d,vr%d > ar%d; Sigmoid ar%d > R%d; Add uz%d,vz%d > az%d; Sigmoid az%d > Z%d;", k, k,
                 k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k);
        cell_say(&t, "Mul R%d,vn%d > rn%d; Add un%d,rn%d > an%d; Tanh an%d > N%d; Sub h%d,N%d > D%d; Mul D%d,Z%d > E%d; Add E%d,N%d > h%d;", k, k, k, k, k, k, k, k, k, k, k, k, k, k, k,
                 k, k + 1);
    }
    expect(states[_i].name, "X:f[3,2,3]", "h1:f h3:f", &t, "GRU", states[_i].layers);
}
END_TEST

/* ---- gates out of a sequence ------------------------------------------------------------------------------------------------------------- */

static const struct { const char *name, *sizes; size_t layers; } splits[] = {
    {"one size", "size = i[] 2", 1},
    {"four sizes", "size = i[4] 2,2,2,2", 1},
    {"sizes that are not the gates'", "size = i[4] 2,2,1,3", 0},
};

START_TEST(gates_of_sequence)
{
    cell_text t = {.n = 0};
    cell_constant(&t, 'f', "w", "8,5", 40);
    cell_constant(&t, 'f', "b", "8", 8);
    cell_say(&t, "%s; n0 = i[] 0; n1 = i[] 1; n2 = i[] -2; n3 = i[] 3; Concat x,h > xh axis=1; Gemm xh,w,b > g transB=1; SplitToSequence g,size > s axis=1;", splits[_i].sizes);
    cell_say(&t, "SequenceAt s,n0 > i; SequenceAt s,n1 > f; SequenceAt s,n%d > a; SequenceAt s,n%d > o;", splits[_i].layers ? 2 : 1, splits[_i].layers ? 3 : 0);
    cell_say(&t, "Sigmoid i > I; Sigmoid f > F; Tanh a > A; Sigmoid o > O; Mul F,c > M; Mul I,A > N; Add M,N > d; Tanh d > T; Mul O,T > y;");
    if (!splits[_i].layers) cell_say(&t, "SequenceAt s,n3 > z;");
    expect(splits[_i].name, "x:f[?,3] h:f[?,2] c:f[?,2]", splits[_i].layers ? "y:f d:f" : "z:f", &t, splits[_i].layers ? "LSTM" : "", splits[_i].layers);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("recover_start");
    unit_add_loop(s, "rnn_chain", rnn_chain, 0, (int)(sizeof rnn_cases / sizeof *rnn_cases));
    unit_add(s, "rnn_chain_batch_first", rnn_chain_batch_first);
    unit_add_loop(s, "lstm_from_constant", lstm_from_constant, 0, 2);
    unit_add_loop(s, "gru_from_constant", gru_from_constant, 0, 2);
    unit_add_loop(s, "gates_of_sequence", gates_of_sequence, 0, 3);
    return s;
}
