/* State pairs that are found by themselves: right ones on models that stack, cast and rename their states, none or an error with the
 * candidates on models whose states are permuted, crossed or not what their names say. */
#include "model_text.h"
#include "unit_main.h"

#include <stdio.h>
#include <string.h>

#define Z6 "0 0 0 0 0 0 "
#define Z36 Z6 Z6 Z6 Z6 Z6 Z6
#define Z48 Z36 Z6 Z6
#define WEIGHTS "w = f[1,12,3] " Z36 "; v = f[1,12,4] " Z48 "; r = f[1,12,4] " Z48 ";" \
    "lw = f[1,16,3] " Z48 "; lr = f[1,16,4] " Z48 Z6 Z6 "0 0 0 0; s0 = i[1] 0; s1 = i[1] 1; s2 = i[1] 2; ax = i[1] 0; sq = i[1] 1;"
/* Two layers whose states lie in h, one after the other; n0 and n1 are the last ones. */
#define STACK "Slice h,s0,s1,ax > h0; Slice h,s1,s2,ax > h1; GRU x,w,r,,,h0 > y0,n0 hidden_size=4; Squeeze y0,sq > q0;" \
    "GRU q0,v,r,,,h1 > y1,n1 hidden_size=4; Squeeze y1,sq > y;"
/* Two layers with a state each, of one shape. */
#define APART "GRU x,w,r,,,a > y0,n0 hidden_size=4; Squeeze y0,sq > q0; GRU q0,v,r,,,b > y1,n1 hidden_size=4; Squeeze y1,sq > y;"
/* An LSTM whose h and c lie in s. */
#define BOTH "Slice s,s0,s1,ax > h0; Slice s,s1,s2,ax > c0; LSTM x,lw,lr,,,h0,c0 > y0,hn,cn hidden_size=4; Squeeze y0,sq > y;"

/* An LSTM cell in primitive operators: PyTorch's LSTMCell as its exporter writes it. */
#define CELL_PORTS "x:f[2,3] h:f[2,4] c:f[2,4]"
#define CELL(H, C) "cw = f[16,3] " Z48 "; cr = f[16,4] " Z48 Z6 Z6 "0 0 0 0; Gemm x,cw > gx transB=1; Gemm h,cr > gh transB=1; Add gx,gh > g; " \
    "Split g > i,f,k,o axis=1; Sigmoid i > si; Sigmoid f > sf; Tanh k > tk; Sigmoid o > so; Mul sf,c > fc; Mul si,tk > ik; Add fc,ik > " C "; " \
    "Tanh " C " > tc; Mul so,tc > " H "; Relu " H " > y"
/* Two layers of a cell that no pass knows. */
#define OWN_PORTS "x:f[?,4] a:f[?,4] b:f[?,4]"
#define OWN(A, B) "Mul a,x > t; Sin t > " A "; Mul b," A " > u; Sin u > " B
/* Two convolutions over three new steps, with a cache of two each. */
#define CACHE_PORTS "x:f[1,2,3] a:f[1,2,2] b:f[1,2,2]"
#define CACHES(A, B) "k = f[2,2,3] 0 1 0 1 0 1 0 1 0 1 0 1; c3 = i[1] 3; c5 = i[1] 5; c2 = i[1] 2; Concat a,x > fa axis=2; Slice fa,c3,c5,c2 > " A "; Conv fa,k > p1; " \
    "Relu p1 > p2; Concat b,p2 > fb axis=2; Slice fb,c3,c5,c2 > " B "; Conv fb,k > y"

#define STACKED "x:f[?,?,3] h:f[2,?,4]"
#define TWO "x:f[?,?,3] a:f[1,?,4] b:f[1,?,4]"

/* pairs: "input=output why; ..." in the order of the inputs; or what the refusal must name. */
static const struct { const char *name, *inputs, *outputs, *nodes, *pairs, *refused; } cases[] = {
    {"stacked", STACKED, "y hn:f[2,?,4]", STACK "Concat n0,n1 > hn axis=0", "h=hn layer and name", NULL},
    {"stacked, another name", STACKED, "y z:f[2,?,4]", STACK "Concat n0,n1 > z axis=0", "h=z layer", NULL},
    {"stacked the other way round", STACKED, "y hn:f[2,?,4]", STACK "Concat n1,n0 > hn axis=0", NULL, "\"hn\""},
    {"the other way round, another name", STACKED, "y z:f[2,?,4]", STACK "Concat n1,n0 > z axis=0", "", NULL},
    {"batch and layers exchanged", STACKED, "y hn:f[?,?,4]", STACK "Concat n0,n1 > s axis=0; Transpose s > hn perm=1,0,2", NULL, "\"hn\""},
    {"one layer twice", STACKED, "y hn:f[2,?,4]", STACK "Concat n0,n0 > hn axis=0", NULL, "\"hn\""},
    {"h above c", "x:f[?,?,3] s:f[2,?,4]", "y sn:f[2,?,4]", BOTH "Concat hn,cn > sn axis=0", "s=sn layer and name", NULL},
    {"c above h", "x:f[?,?,3] s:f[2,?,4]", "y sn:f[2,?,4]", BOTH "Concat cn,hn > sn axis=0", NULL, "\"sn\""},
    {"turned units", "x:f[?,?,3] s:f[2,?,4]", "y sn:f[2,?,4]", BOTH "Concat hn,cn > z axis=0; m1 = i[1] -1; far = i[1] -9; u = i[1] 2; Slice z,m1,far,u,m1 > sn", NULL, "\"sn\""},
    {"two of a shape", TWO, "y p:f[1,?,4] q:f[1,?,4]", APART "Identity n0 > p; Identity n1 > q", "a=p layer; b=q layer", NULL},
    {"two of a shape, outputs the other way round", TWO, "y q:f[1,?,4] p:f[1,?,4]", APART "Identity n0 > p; Identity n1 > q", "a=p layer; b=q layer", NULL},
    {"names that cross the layers", TWO, "y a_out:f[1,?,4] b_out:f[1,?,4]", APART "Identity n1 > a_out; Identity n0 > b_out", NULL, "\"a_out\""},
    {"a name that is an activation of the state", "x:f[?,?,3] h:f[1,?,4]", "y hn:f[1,?,4]", "GRU x,w,r,,,h > y0,n0 hidden_size=4; Squeeze y0,sq > y; Relu n0 > hn", NULL, "\"hn\""},
    {"a state for half the outputs", TWO, "y q:f[1,?,4]", APART "Identity n1 > q", "b=q layer", NULL},
    {"through float16", "x:f[?,?,3] h:f[1,?,4]", "y z:f[1,?,4]",
     "Cast x > x6 to=10; Cast w > w6 to=10; Cast r > r6 to=10; Cast h > h6 to=10; GRU x6,w6,r6,,,h6 > y6,n6 hidden_size=4; Cast y6 > y to=1; Cast n6 > z to=1", "h=z layer", NULL},
    {"reshaped on the way", "x:f[?,?,3] h:f[?,4]", "y z:f[?,4]", "Unsqueeze h,ax > h0; GRU x,w,r,,,h0 > y0,n0 hidden_size=4; Squeeze y0,sq > y; Squeeze n0,ax > z", "h=z layer", NULL},
    {"an answer of a state's name", "x:f[?,?,3] h:f[1,?,4]", "hn:f[1,?,4]", "GRU x,w,r,,,h > y0,n0 hidden_size=4; Squeeze y0,sq > y; Relu y > p; Slice p,s0,s1,ax > hn", NULL, "\"hn\""},
    {"one layer after the other", "x:f[?,?,3] h:f[1,?,4]", "y hn:f[1,?,4]", "GRU x,w,r,,,h > y0,n0 hidden_size=4; GRU x,w,r,,,n0 > y1,n1 hidden_size=4; Squeeze y1,sq > y; Identity n1 > hn", "h=hn layer and name", NULL},
    {"both of two layers on one way", "x:f[?,?,3] h:f[1,?,4]", "p:f[1,?,4] q:f[1,?,4]", "GRU x,w,r,,,h > y0,p hidden_size=4; GRU x,w,r,,,p > y1,q hidden_size=4", NULL, "\"p\", \"q\""},
    {"one state for two layers", "x:f[?,?,3] h:f[1,?,4]", "y hn:f[1,?,4]", "GRU x,w,r,,,h > y0,hn hidden_size=4; GRU x,w,r,,,h > y,q hidden_size=4", NULL, "\"hn\""},
    {"h and c of one shape", "x:f[?,?,3] h:f[1,?,4] c:f[1,?,4]", "c1:f[1,?,4] h1:f[1,?,4]", "LSTM x,lw,lr,,,h,c > y,h1,c1 hidden_size=4", "h=h1 layer; c=c1 layer", NULL},
    {"h and c crossed by name", "x:f[?,?,3] h:f[1,?,4] c:f[1,?,4]", "h_out:f[1,?,4] c_out:f[1,?,4]", "LSTM x,lw,lr,,,h,c > y,c_out,h_out hidden_size=4", NULL, "\"h_out\", \"c_out\""},
    /* cells in primitive operators */
    {"primitive, h and c", CELL_PORTS, "y:f[2,4] c_out:f[2,4] h_out:f[2,4]", CELL("h_out", "c_out"), "h=h_out layer and name; c=c_out layer and name", NULL},
    {"primitive, other names", CELL_PORTS, "y:f[2,4] p:f[2,4] q:f[2,4]", CELL("q", "p"), "h=q layer; c=p layer", NULL},
    {"primitive, crossed", CELL_PORTS, "y:f[2,4] c_out:f[2,4] h_out:f[2,4]", CELL("c_out", "h_out"), NULL, "\"c_out\", \"h_out\""},
    {"own cells in two layers", OWN_PORTS, "a_out:f[?,4] b_out:f[?,4]", OWN("a_out", "b_out"), "a=a_out name; b=b_out name", NULL},
    {"own cells, crossed", OWN_PORTS, "a_out:f[?,4] b_out:f[?,4]", OWN("b_out", "a_out"), NULL, "\"a_out\", \"b_out\""},
    {"three own cells, rotated", "x:f[?,4] a:f[?,4] b:f[?,4] c:f[?,4]", "a_out:f[?,4] b_out:f[?,4] c_out:f[?,4]",
     "Mul a,x > p; Sin p > b_out; Mul b,b_out > q; Sin q > c_out; Mul c,c_out > t; Sin t > a_out", NULL, "\"a_out\", \"b_out\", \"c_out\""},
    {"a line of delays", "x:f[?,4] d0:f[?,4] d1:f[?,4]", "y:f[?,4] d0_out:f[?,4] d1_out:f[?,4]", "Identity x > d0_out; Identity d0 > d1_out; Add d1,x > y", "d0=d0_out name; d1=d1_out name", NULL},
    {"a counter", "x:f[?,4] pos:i[1]", "y:f[?,4] pos_out:i[1]", "one = i[1] 1; Add pos,one > pos_out; Identity x > y", "pos=pos_out name", NULL},
    /* convolutions that keep their last steps */
    {"caches", CACHE_PORTS, "y:f[1,2,3] b_out:f[1,2,2] a_out:f[1,2,2]", CACHES("a_out", "b_out"), "a=a_out kept and name; b=b_out kept and name", NULL},
    {"caches, crossed", CACHE_PORTS, "y:f[1,2,3] b_out:f[1,2,2] a_out:f[1,2,2]", CACHES("b_out", "a_out"), NULL, "\"b_out\", \"a_out\""},
    {"caches without names", CACHE_PORTS, "y:f[1,2,3] p:f[1,2,2] q:f[1,2,2]", CACHES("p", "q"), "", NULL},
    {"a cache of the wrong window", "x:f[1,2,3] a:f[1,2,2] b:f[1,2,2]", "a_out:f[1,2,2] b_out:f[1,2,2]",
     "Concat a,x > f axis=2; c1 = i[1] 1; c3 = i[1] 3; c5 = i[1] 5; c2 = i[1] 2; Slice f,c1,c3,c2 > b_out; Slice f,c3,c5,c2 > a_out; Add b,b > unused", "a=a_out kept and name; b=b_out name", NULL},
    {"the newest step first", "x:f[1,2,1] a:f[1,2,3]", "y a_out:f[1,2,3]", "Concat x,a > f axis=2; c0 = i[1] 0; c3 = i[1] 3; c2 = i[1] 2; Slice f,c0,c3,c2 > a_out; ReduceMean f > y", "a=a_out kept and name", NULL},
    {"a window of the signal", "x:f[1,2,1] s:f[1,2,1]", "s_out:f[1,2,1] before:f[1,2,1]", "Concat s,x > f axis=2; c0 = i[1] 0; c1 = i[1] 1; c2 = i[1] 2; Slice f,c1,c2,c2 > s_out; Slice f,c0,c1,c2 > before", "s=s_out kept and name", NULL},
    {"an input that is no state", "x:f[?,?,3] k:f[1,?,4]", "y n:f[1,?,4]", "GRU x,w,r > y0,n0 hidden_size=4; Squeeze y0,sq > y; Add n0,k > n", "", NULL},
};

START_TEST(pairs) {
    clstm_session_options o;
    char nodes[8000], found[400] = "";
    clstm_session_options_default(&o);
    o.carry = CLSTM_CARRY_PORTS;
    snprintf(nodes, sizeof nodes, "%s%s", WEIGHTS, cases[_i].nodes);
    model_text t = model_text_try(model_text_graph(cases[_i].inputs, cases[_i].outputs, nodes, NULL), &o);
    if (cases[_i].refused) {
        ck_assert_msg(t.model && !t.session, "%s is not refused", cases[_i].name);
        ck_assert_msg(strstr(t.err.message, cases[_i].refused) != NULL, "%s", t.err.message);
    } else {
        clstm_carry_info info;
        ck_assert_msg(t.session != NULL, "%s: %s", cases[_i].name, t.err.message);
        for (size_t k = 0; clstm_session_carry_describe(t.session, k, &info); k++) {
            size_t n = strlen(found);
            snprintf(found + n, sizeof found - n, "%s%s=%s %s", k ? "; " : "", info.name, clstm_model_output(t.model, (size_t)info.output)->name, info.why);
        }
        ck_assert_msg(!strcmp(found, cases[_i].pairs), "%s: found \"%s\", expected \"%s\"", cases[_i].name, found, cases[_i].pairs);
    }
    model_text_done(&t);
}
END_TEST

/* ---- states that outputs show ------------------------------------------------------------------------------------------------------- */

/* A delay line: what comes out is what went in two runs ago, with the nodes of a plan or one by one. */
static const char *const delays[] = {
    "Identity x > a_out; Identity a > b_out; Identity b > y",
    "two = i[2] 1,2; flat = i[1] 2; Reshape x,two > t; Reshape t,flat > a_out; Reshape a,two > u; Reshape u,flat > b_out; Reshape b,two > v; Reshape v,flat > y",
    "Add x,zero > a_out; zero = f[2] 0,0; Slice a,s0,s2,s0 > b_out; s0 = i[1] 0; s2 = i[1] 2; Slice b,s0,s2,s0 > y",
};

START_TEST(delay_line) {
    clstm_session_options o;
    float x[2];
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){2}, x);
    clstm_session_options_default(&o);
    o.no_optimise = _i % 2;
    model_text t = model_text_load(model_text_graph("x:f[2] a:f[2] b:f[2]", "y:f[2] a_out:f[2] b_out:f[2]", delays[_i / 2], NULL), &o);
    ck_assert(!clstm_session_carry(t.session, "a_out", "a", &t.err) && !clstm_session_carry(t.session, "b_out", "b", &t.err) && !clstm_session_set_input(t.session, 0, &in, &t.err));
    for (int k = 1; k < 6; k++) {
        const int want[3] = {k > 2 ? k - 2 : 0, k, k - 1};
        x[0] = x[1] = (float)k;
        ck_assert_msg(!clstm_session_run(t.session, &t.err), "%s", t.err.message);
        for (size_t i = 0; i < 3; i++) {
            const float *v = clstm_session_output(t.session, i)->tensor.data;
            ck_assert_msg((int)v[0] == want[i] && (int)v[1] == want[i], "run %d: output %zu is %g, expected %d", k, i, (double)v[0], want[i]);
        }
    }
    model_text_done(&t);
}
END_TEST

/* An output that comes in another shape than the state has: only the run knows, and the state stays as it was. */
START_TEST(another_shape) {
    float x[2] = {1, 0};
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){2}, x);
    model_text t = model_text_load(model_text_graph("x:f[2] a:f[2]", "y:f a_out:f[?]", "zero = f[] 0; Greater x,zero > keep; Add x,a > sum; Compress sum,keep > a_out; Identity a > y", NULL), NULL);
    ck_assert(!clstm_session_carry(t.session, "a_out", "a", &t.err) && !clstm_session_set_input(t.session, 0, &in, &t.err));
    ck_assert_int_eq(clstm_session_run(t.session, &t.err), CLSTM_BAD_ARGUMENT);
    ck_assert_msg(strstr(t.err.message, "\"a\"") && strstr(t.err.message, "[1]") && strstr(t.err.message, "[2]"), "%s", t.err.message);
    x[1] = 2;
    ck_assert(!clstm_session_run(t.session, &t.err) && !clstm_session_run(t.session, &t.err));
    const float *y = clstm_session_output(t.session, 0)->tensor.data;
    ck_assert_float_eq(y[0], 1);
    ck_assert_float_eq(y[1], 2);
    model_text_done(&t);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("pairs");
    unit_add_loop(s, "pairs", pairs, 0, sizeof cases / sizeof *cases);
    unit_add_loop(s, "delay_line", delay_line, 0, 2 * (int)(sizeof delays / sizeof *delays));
    unit_add(s, "another_shape", another_shape);
    return s;
}
