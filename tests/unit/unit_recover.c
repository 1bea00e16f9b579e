/* Recovery of recurrent cells: each model is written in primitive operators and runs as the plain interpreter and optimised. Batch is
 * not declared, so that nothing can be recovered before the session knows the shapes. */
#include "unit_main.h"

#include "cell_text.h"

#include <stdio.h>
#include <string.h>

enum { B = 2, I = 3, H = 2 };

/* ---- models ------------------------------------------------------------------------------------------------------------------------- */

/* How a model spells its sums of gates. */
typedef struct spelling { const char *name; bool matmul, separate, slice, fused, no_bias; const char *order; char type; } spelling;

static const spelling spellings[] = {
    {"torch", .order = "ifgo", .type = 'f'},
    {"order of keras, MatMul", .matmul = true, .order = "ifgo", .type = 'f'},
    {"ONNX order", .order = "iofg", .type = 'f'},
    {"reverse order, Slice", .slice = true, .order = "ogfi", .type = 'f'},
    {"four Gemms", .separate = true, .order = "ifgo", .type = 'f'},
    {"four MatMuls", .separate = true, .matmul = true, .order = "gofi", .type = 'f'},
    {"one Gemm over Concat", .fused = true, .order = "fiog", .type = 'f'},
    {"one MatMul over Concat, Slice", .fused = true, .matmul = true, .slice = true, .order = "igfo", .type = 'f'},
    {"no bias", .no_bias = true, .order = "ifgo", .type = 'f'},
    {"no bias, MatMul, Slice", .no_bias = true, .matmul = true, .slice = true, .order = "oifg", .type = 'f'},
    {"double", .order = "ifgo", .type = 'd'},
};
enum { SPELLINGS = sizeof spellings / sizeof *spellings };

/* out = a * w (+ bias), w [rows, columns] as the spelling has it */
static void product(cell_text *t, const spelling *s, const char *a, const char *w, int rows, int columns, const char *out) {
    char dims[32], name[64];
    snprintf(dims, sizeof dims, "%d,%d", s->matmul ? rows : columns, s->matmul ? columns : rows);
    cell_constant(t, s->type, w, dims, rows * columns);
    snprintf(name, sizeof name, "%s_bias", w);
    snprintf(dims, sizeof dims, "%d", columns);
    if (!s->no_bias) cell_constant(t, s->type, name, dims, columns);
    if (s->matmul) {
        cell_say(t, "MatMul %s,%s > %s%s;", a, w, out, s->no_bias ? "" : "_raw");
        if (!s->no_bias) cell_say(t, "Add %s_raw,%s > %s;", out, name, out);
    } else {
        cell_say(t, "Gemm %s,%s%s%s > %s transB=1;", a, w, s->no_bias ? "" : ",", s->no_bias ? "" : name, out);
    }
}

/* The sums of all gates of step k, named k_g for each letter g of the order; weights are those of `set`. */
static void sums(cell_text *t, const spelling *s, const char *x, const char *h, const char *k, const char *set) {
    int gates = (int)strlen(s->order);
    char w[64], r[64], a[64], b[64], both[64];
    snprintf(both, sizeof both, "%s_both", k);
    if (s->fused) cell_say(t, "Concat %s,%s > %s axis=1;", x, h, both);
    for (int g = 0; g < (s->separate ? gates : 1); g++) {
        int columns = s->separate ? H : gates * H;
        char tag[8] = {s->separate ? s->order[g] : 'a', 0};
        snprintf(w, sizeof w, "%sw%s%s", set, tag, k);
        snprintf(r, sizeof r, "%sr%s%s", set, tag, k);
        snprintf(a, sizeof a, "%s_x%s", k, tag);
        snprintf(b, sizeof b, "%s_h%s", k, tag);
        if (s->separate) snprintf(both, sizeof both, "%s_%s", k, tag);
        else snprintf(both, sizeof both, "%s_all", k);
        if (s->fused) {
            char in[64];
            snprintf(in, sizeof in, "%s_both", k);
            product(t, s, in, w, I + H, columns, both);
        } else {
            product(t, s, h, r, H, columns, b);
            product(t, s, x, w, I, columns, a);
            cell_say(t, "Add %s,%s > %s;", b, a, both);
        }
    }
    if (s->separate) return;
    if (!s->slice) {
        cell_say(t, "Split %s_all > ", k);
        for (int g = 0; g < gates; g++) cell_say(t, "%s%s_%c", g ? "," : "", k, s->order[g]);
        cell_say(t, " axis=1;");
    }
    for (int g = 0; g < gates && s->slice; g++)
        cell_say(t, "%s_from%d = i[1] %d; %s_to%d = i[1] %d; %s_axis%d = i[1] 1; Slice %s_all,%s_from%d,%s_to%d,%s_axis%d > %s_%c;", k, g, g * H, k, g, (g + 1) * H, k, g, k, k, g, k,
            g, k, g, k, s->order[g]);
}

static void lstm_step(cell_text *t, const spelling *s, const char *x, const char *h, const char *c, const char *k, const char *set) {
    sums(t, s, x, h, k, set);
    cell_say(t, "Sigmoid %s_i > %s_si; Sigmoid %s_f > %s_sf; Tanh %s_g > %s_tg; Sigmoid %s_o > %s_so;", k, k, k, k, k, k, k, k);
    cell_say(t, "Mul %s_sf,%s > %s_fc; Mul %s_si,%s_tg > %s_ig; Add %s_fc,%s_ig > %s_c; Tanh %s_c > %s_tc; Mul %s_so,%s_tc > %s_h;", k, c, k, k, k, k, k, k, k, k, k, k, k, k);
}

/* ---- runs ----------------------------------------------------------------------------------------------------------------------------- */

/* The optimised model has so many recurrent nodes, of that type, and the numbers of the interpreter. */
static void expect_layers(const char *what, const char *inputs, const char *outputs, const char *nodes, const char *type, size_t layers) {
    cell_outcome plain = cell_play(inputs, outputs, nodes, NULL, B, true), fast = cell_play(inputs, outputs, nodes, NULL, B, false);
    ck_assert_msg(plain.layers == 0, "%s: the interpreter has %zu layers", what, plain.layers);
    ck_assert_msg(fast.layers == layers, "%s: %zu layers, expected %zu", what, fast.layers, layers);
    ck_assert_str_eq(fast.type, type ? type : "");
    if (layers) ck_assert_msg(fast.work < plain.work, "%s: %zu steps of %zu", what, fast.work, plain.work);
    cell_same(what, &plain, &fast, 1e-6);
}

static void expect(const char *what, const char *inputs, const char *outputs, const char *nodes, const char *type) {
    expect_layers(what, inputs, outputs, nodes, type, type ? 1 : 0);
}

#define PORTS_F "x:f[?,3] h:f[?,2] c:f[?,2]"
#define PORTS_D "x:d[?,3] h:d[?,2] c:d[?,2]"

START_TEST(lstm_spellings)
{
    const spelling *s = &spellings[_i];
    cell_text t = {.n = 0};
    lstm_step(&t, s, "x", "h", "c", "k", "");
    expect(s->name, s->type == 'f' ? PORTS_F : PORTS_D, s->type == 'f' ? "k_h:f k_c:f" : "k_h:d k_c:d", t.s, "LSTM");
}
END_TEST

/* ---- near misses ------------------------------------------------------------------------------------------------------------------------- */

/* A torch cell with one piece of text changed. */
static const struct { const char *name, *from, *to, *extra, *outputs; } misses[] = {
    {"Sin for the candidate's Tanh", "Tanh k_g", "Sin k_g", "", ""},
    {"HardSigmoid for a gate", "Sigmoid k_f", "HardSigmoid k_f", "", ""},
    {"no Tanh before the output", "Tanh k_c > k_tc", "Identity k_c > k_tc", "", ""},
    {"a gate seen outside", "", "", "Neg k_so > z;", " z:f"},
    {"the sum is an output", "", "", "Identity k_all > z;", " z:f"},
    {"Sub for Add", "Add k_fc", "Sub k_fc", "", ""},
    {"weights scaled", "transB=1;Add k_ha", "transB=1 alpha=0.5;Add k_ha", "", ""},
    {"h counts twice", "Add k_ha,k_xa > k_all", "Add k_ha,k_ha > k_hh; Add k_hh,k_xa > k_all", "", ""},
    {"x counts twice", "Add k_ha,k_xa > k_all", "Add k_ha,k_xa > k_hx; Add k_hx,k_xa > k_all", "", ""},
    {"the state goes through its gate twice", "Mul k_so,k_tc", "Mul k_so,k_so", "", ""},
};

START_TEST(near_misses)
{
    cell_text t = {.n = 0};
    char outputs[64];
    lstm_step(&t, &spellings[0], "x", "h", "c", "k", "");
    if (misses[_i].from[0]) cell_change(&t, misses[_i].from, misses[_i].to);
    cell_say(&t, "%s", misses[_i].extra);
    snprintf(outputs, sizeof outputs, "k_h:f k_c:f%s", misses[_i].outputs);
    expect(misses[_i].name, PORTS_F, outputs, t.s, NULL);
}
END_TEST

/* Weights that a run gives. */
START_TEST(weights_given)
{
    cell_text t = {.n = 0};
    lstm_step(&t, &spellings[0], "x", "h", "c", "k", "");
    cell_change(&t, "Gemm x,wak,wak_bias", "Gemm x,given,wak_bias");
    expect("weights given", PORTS_F " given:f[8,3]", "k_h:f k_c:f", t.s, NULL);
}
END_TEST

/* A c of one row that is broadcast is no state. */
START_TEST(broadcast_state)
{
    cell_text t = {.n = 0};
    lstm_step(&t, &spellings[0], "x", "h", "c", "k", "");
    expect("broadcast c", "x:f[?,3] h:f[?,2] c:f[1,2]", "k_h:f k_c:f", t.s, NULL);
}
END_TEST

/* ---- GRU and RNN ---------------------------------------------------------------------------------------------------------------------------- */

static const struct { const char *name, *nodes; size_t layers; } endings[] = {
    {"n + z * (h - n)", "Mul r,hn > rh; Add xn,rh > an; Tanh an > n; Sub h,n > d; Mul d,z > zd; Add zd,n > y", 1},
    {"(1 - z) * n + z * h", "one = f[] 1; Mul hn,r > rh; Add rh,xn > an; Tanh an > n; Sub one,z > d; Mul d,n > dn; Mul z,h > zh; Add dn,zh > y", 1},
    {"z * h first", "one = f[1] 1; Mul hn,r > rh; Add rh,xn > an; Tanh an > n; Sub one,z > d; Mul n,d > dn; Mul h,z > zh; Add zh,dn > y", 1},
    {"n - z * (h - n)", "Mul r,hn > rh; Add xn,rh > an; Tanh an > n; Sub h,n > d; Mul d,z > zd; Sub n,zd > y", 0},
    {"n + z * (n - h)", "Mul r,hn > rh; Add xn,rh > an; Tanh an > n; Sub n,h > d; Mul d,z > zd; Add zd,n > y", 0},
    {"two instead of one", "two = f[] 2; Mul hn,r > rh; Add rh,xn > an; Tanh an > n; Sub two,z > d; Mul d,n > dn; Mul z,h > zh; Add dn,zh > y", 0},
    {"reset of the input", "Mul r,xn > rx; Add rx,hn > an; Tanh an > n; Sub h,n > d; Mul d,z > zd; Add zd,n > y", 0},
};

START_TEST(gru_spellings)
{
    static const char *const splits[] = {"xr,xz,xn", "xz,xr,xn", "xn,xz,xr"}, *const others[] = {"hr,hz,hn", "hz,hr,hn", "hn,hz,hr"};
    int order = _i % 3, ending = _i / 3;
    cell_text t = {.n = 0};
    cell_constant(&t, 'f', "w", "6,3", 18);
    cell_constant(&t, 'f', "rw", "6,2", 12);
    cell_constant(&t, 'f', "wb", "6", 6);
    cell_constant(&t, 'f', "rb", "6", 6);
    cell_say(&t, "Gemm x,w,wb > gx transB=1; Gemm h,rw,rb > gh transB=1; Split gx > %s axis=1; Split gh > %s axis=1;", splits[order], others[order]);
    cell_say(&t, "Add xr,hr > ar; Sigmoid ar > r; Add hz,xz > az; Sigmoid az > z; %s", endings[ending].nodes);
    expect(endings[ending].name, "x:f[?,3] h:f[?,2]", "y:f", t.s, endings[ending].layers ? "GRU" : NULL);
}
END_TEST

START_TEST(rnn_spellings)
{
    static const char *const last[] = {"Tanh", "Relu", "Sigmoid"};
    spelling s = {.order = "a", .type = 'f', .separate = true, .matmul = _i > 2};
    cell_text t = {.n = 0};
    sums(&t, &s, "x", "h", "k", "");
    cell_say(&t, "%s k_a > y", last[_i % 3]);
    expect(last[_i % 3], "x:f[?,3] h:f[?,2]", "y:f", t.s, _i % 3 < 2 ? "RNN" : NULL);
}
END_TEST

/* ---- chains ----------------------------------------------------------------------------------------------------------------------------------- */

/* The elements of X [3,?,3], or of [?,3,3], each way of cutting; the weights of a step are those of its set. */
static const struct { const char *name, *ports, *cuts; size_t layers; bool different, see_c; } chains[] = {
    {"Gather", "X:f[3,?,3]", "Gather X,n0 > x0 axis=0; Gather X,n1 > x1 axis=0; Gather X,n2 > x2 axis=0;", 1, false, false},
    {"Gather from the end, batch first", "X:f[?,3,3]", "m = i[] -1; Gather X,n0 > x0 axis=1; Gather X,n1 > x1 axis=1; Gather X,m > x2 axis=1;", 1, false, false},
    {"Split and Squeeze", "X:f[3,?,3]", "Split X > a0,a1,a2 axis=0; z = i[1] 0; Squeeze a0,z > x0; Squeeze a1,z > x1; Squeeze a2,z > x2;", 1, false, false},
    {"Slice and Squeeze, batch first", "X:f[?,3,3]", "o0 = i[1] 0; o1 = i[1] 1; o2 = i[1] 2; o3 = i[1] 3; Slice X,o0,o1,o1 > a0; Slice X,o1,o2,o1 > a1; Slice X,o2,o3,o1 > a2;"
     "Squeeze a0,o1 > x0; Squeeze a1,o1 > x1; Squeeze a2,o1 > x2;", 1, false, false},
    {"other order", "X:f[3,?,3]", "Gather X,n0 > x0 axis=0; Gather X,n2 > x1 axis=0; Gather X,n1 > x2 axis=0;", 3, false, false},
    {"one twice", "X:f[3,?,3]", "Gather X,n0 > x0 axis=0; Gather X,n1 > x1 axis=0; Gather X,n1 > x2 axis=0;", 3, false, false},
    {"not to the end", "X:f[4,?,3]", "Gather X,n0 > x0 axis=0; Gather X,n1 > x1 axis=0; Gather X,n2 > x2 axis=0;", 3, false, false},
    {"other weights", "X:f[3,?,3]", "Gather X,n0 > x0 axis=0; Gather X,n1 > x1 axis=0; Gather X,n2 > x2 axis=0;", 3, true, false},
    {"c seen on the way", "X:f[3,?,3]", "Gather X,n0 > x0 axis=0; Gather X,n1 > x1 axis=0; Gather X,n2 > x2 axis=0;", 3, false, true},
};
enum { CHAINS = sizeof chains / sizeof *chains };

/* Steps after the first read the first one's weights: theirs are spelled with its names. */
static void share_weights(cell_text *t, const char *step, const char *names) {
    static const char *const weights[] = {"wa", "ra"};
    for (int w = 0; w < 2; w++)
        for (int bias = 0; bias < 2; bias++) {
            char from[32], to[32];
            snprintf(from, sizeof from, ",%s%s%s%s", weights[w], step, bias ? "_bias" : "", bias ? " " : ",");
            snprintf(to, sizeof to, ",%s%s%s%s", weights[w], names, bias ? "_bias" : "", bias ? " " : ",");
            cell_change(t, from, to);
        }
}

START_TEST(lstm_chains)
{
    cell_text t = {.n = 0};
    char ports[96], outputs[96];
    cell_say(&t, "n0 = i[] 0; n1 = i[] 1; n2 = i[] 2; %s", chains[_i].cuts);
    lstm_step(&t, &spellings[0], "x0", "h", "c", "p", "");
    lstm_step(&t, &spellings[0], "x1", "p_h", "p_c", "q", "");
    lstm_step(&t, &spellings[0], "x2", "q_h", "q_c", "r", "");
    share_weights(&t, "q", "p");
    if (!chains[_i].different) share_weights(&t, "r", "p");
    cell_say(&t, "Concat p_h,q_h,r_h > all axis=1; Neg p_c > nc; Neg q_c > nd;");
    snprintf(ports, sizeof ports, "%s h:f[?,2] c:f[?,2]", chains[_i].ports);
    snprintf(outputs, sizeof outputs, "all:f r_h:f r_c:f%s", chains[_i].see_c ? " nd:f" : "");
    expect_layers(chains[_i].name, ports, outputs, t.s, "LSTM", chains[_i].layers);
}
END_TEST

/* The same weights under other activations: no step of the same layer. */
START_TEST(chain_of_other_activations)
{
    cell_text t = {.n = 0};
    cell_say(&t, "n0 = i[] 0; n1 = i[] 1; n2 = i[] 2; %s", chains[0].cuts);
    lstm_step(&t, &spellings[0], "x0", "h", "c", "p", "");
    lstm_step(&t, &spellings[0], "x1", "p_h", "p_c", "q", "");
    lstm_step(&t, &spellings[0], "x2", "q_h", "q_c", "r", "");
    share_weights(&t, "q", "p");
    share_weights(&t, "r", "p");
    cell_change(&t, "Tanh p_g", "Relu p_g");
    cell_change(&t, "Tanh q_g", "Softsign q_g");
    cell_change(&t, "Tanh r_g", "Relu r_g");
    expect_layers("other activations", "X:f[3,?,3] h:f[?,2] c:f[?,2]", "p_h:f q_h:f r_h:f r_c:f", t.s, "LSTM", 3);
}
END_TEST

/* A HardSigmoid in pieces whose slope no float holds is none for doubles. */
START_TEST(slope_of_doubles)
{
    static const struct { const char *slope, *of_float, *of_double; } slopes[] = {{"0.25", "LSTM", "LSTM"}, {"0.2", "LSTM", NULL}};
    for (int i = 0; i < 4; i++) {
        const spelling *s = &spellings[i % 2 ? SPELLINGS - 1 : 0];
        const char *slope = slopes[i / 2].slope;
        cell_text t = {.n = 0};
        cell_say(&t, "slope = %c[] %s; half = %c[] 0.5; zero = %c[] 0; one = %c[] 1;", s->type, slope, s->type, s->type, s->type);
        lstm_step(&t, s, "x", "h", "c", "k", "");
        for (const char *g = "ifo"; *g; g++) {
            char from[32], to[160];
            snprintf(from, sizeof from, "Sigmoid k_%c > k_s%c;", *g, *g);
            snprintf(to, sizeof to, "Mul k_%c,slope > m%c; Add m%c,half > a%c; Clip a%c,zero,one > k_s%c;", *g, *g, *g, *g, *g, *g);
            cell_change(&t, from, to);
        }
        expect(slope, s->type == 'f' ? PORTS_F : PORTS_D, s->type == 'f' ? "k_h:f k_c:f" : "k_h:d k_c:d", t.s, s->type == 'f' ? slopes[i / 2].of_float : slopes[i / 2].of_double);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("recover");
    unit_add_loop(s, "lstm_spellings", lstm_spellings, 0, SPELLINGS);
    unit_add_loop(s, "near_misses", near_misses, 0, (int)(sizeof misses / sizeof *misses));
    unit_add(s, "weights_given", weights_given);
    unit_add(s, "broadcast_state", broadcast_state);
    unit_add_loop(s, "gru_spellings", gru_spellings, 0, 3 * (int)(sizeof endings / sizeof *endings));
    unit_add_loop(s, "lstm_chains", lstm_chains, 0, CHAINS);
    unit_add(s, "chain_of_other_activations", chain_of_other_activations);
    unit_add(s, "slope_of_doubles", slope_of_doubles);
    unit_add_loop(s, "rnn_spellings", rnn_spellings, 0, 6);
    return s;
}
