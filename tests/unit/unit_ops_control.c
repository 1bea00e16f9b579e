/* If, Loop, Scan and sequences in the corners that the official node tests leave out: capture through two bodies, no turns at all,
 * branches that would fail but are not taken, endless loops. Every model runs optimised and as a plain interpreter. */
#include "unit_main.h"

#include "model_text.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clstm_tensor tensor(clstm_type type, int rank, const int64_t *dims, const void *data) {
    return clstm_tensor_view(type, rank, dims, (void *)(uintptr_t)data);
}
#define DIMS(...) (int64_t[]){__VA_ARGS__}
#define FLOATS(...) (float[]){__VA_ARGS__}

static clstm_session_options plain(int i) {
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = i != 0;
    return o;
}

static void give(model_text *t, size_t i, clstm_type type, int rank, const int64_t *dims, const void *data) {
    clstm_tensor x = tensor(type, rank, dims, data);
    ck_assert_msg(clstm_session_set_input(t->session, i, &x, &t->err) == CLSTM_OK, "%s", t->err.message);
}
static void give_int(model_text *t, size_t i, const int64_t *v) { give(t, i, CLSTM_INT64, 0, NULL, v); }
static void give_bool(model_text *t, size_t i, const unsigned char *v) { give(t, i, CLSTM_BOOL, 0, NULL, v); }

static void run(model_text *t) { ck_assert_msg(clstm_session_run(t->session, &t->err) == CLSTM_OK, "%s", t->err.message); }
static void refuse(model_text *t, clstm_status status, const char *words) {
    ck_assert_int_eq(clstm_session_run(t->session, &t->err), status);
    ck_assert_msg(strstr(t->err.message, words) != NULL, "%s", t->err.message);
}
static void want(model_text *t, size_t i, int rank, const int64_t *dims, const float *values) {
    const clstm_tensor *y = &clstm_session_output(t->session, i)->tensor;
    ck_assert_int_eq(y->rank, rank);
    for (int d = 0; d < rank; d++) ck_assert_int_eq(y->dims[d], dims[d]);
    for (int64_t k = 0; k < clstm_tensor_count(y); k++) ck_assert_float_eq((float)tensor_get_double(y, k), values[k]);
}

/* ---- capture ------------------------------------------------------------------------------------------------------------------------ */

/* Each turn: an odd trip adds the graph's x to the state, an even one multiplies by the loop body's own `two`; the If's branches read
 * values of both graphs around them. The state, the trip and x itself are scan outputs. */
START_TEST(nested_capture)
{
    clstm_session_options o = plain(_i);
    pbuf branches[2] = {model_text_graph("", "y:f[2]", "Add s,x > y", NULL), model_text_graph("", "y:f[2]", "Mul s,two > y", NULL)};
    pbuf body[1] = {model_text_graph("trip:i[] go:b[] s:f[2]", "go_on:b[] s_next:f[2] each:f[2] number:i[] x:f[2]",
                                    "two = f[] 2; one = i[] 1; m2 = i[] 2; Mod trip,m2 > rest; Equal rest,one > odd; If odd > s_next then_branch=@0 else_branch=@1;"
                                    "Identity s_next > each; Identity trip > number; Identity go > go_on", branches)};
    model_text t = model_text_load(model_text_graph("m:i[] x:f[2]", "last:f[2] all:f numbers:i xs:f", "zero = f[2] 1,10; Loop m,,zero > last,all,numbers,xs body=@0", body), &o);
    int64_t m = 3;
    give_int(&t, 0, &m);
    give(&t, 1, CLSTM_FLOAT, 1, DIMS(2), FLOATS(100, 200));
    for (int again = 0; again < 2; again++) {
        run(&t);        /* 1,10 -> 2,20 -> 102,220 -> 204,440 */
        want(&t, 0, 1, DIMS(2), FLOATS(204, 440));
        want(&t, 1, 2, DIMS(3, 2), FLOATS(2, 20, 102, 220, 204, 440));
        want(&t, 2, 1, DIMS(3), FLOATS(0, 1, 2));
        want(&t, 3, 2, DIMS(3, 2), FLOATS(100, 200, 100, 200, 100, 200));
    }
    m = 1;
    run(&t);
    want(&t, 1, 2, DIMS(1, 2), FLOATS(2, 20));
    model_text_done(&t);
}
END_TEST

/* A loop in a loop whose inner state starts from the outer state; both bodies read the graph's x. */
START_TEST(nested_loops)
{
    clstm_session_options o = plain(_i);
    pbuf inner[1] = {model_text_graph("j:i[] g:b[] a:f[]", "g2:b[] b:f[]", "Add a,x > b; Identity g > g2", NULL)};
    pbuf outer[1] = {model_text_graph("i:i[] h:b[] s:f[]", "h2:b[] s2:f[]", "Loop i,,s > t body=@0; Add t,x > s2; Identity h > h2", inner)};
    model_text t = model_text_load(model_text_graph("m:i[] x:f[]", "y:f[]", "zero = f[] 0; Loop m,,zero > y body=@0", outer), &o);
    int64_t m = 4;
    float x = 1;
    give_int(&t, 0, &m);
    give(&t, 1, CLSTM_FLOAT, 0, NULL, &x);
    run(&t);            /* turns of the inner loop: 0+1+2+3, and one more in each turn of the outer */
    want(&t, 0, 0, NULL, FLOATS(10));
    m = 0;
    run(&t);
    want(&t, 0, 0, NULL, FLOATS(0));
    model_text_done(&t);
}
END_TEST

/* An If whose branch is known, in the body of a Loop: what the branch gives takes its place in every reader, the body's outputs too. */
START_TEST(known_branch_in_loop)
{
    static const char *const others[] = {"Sub s,two > y", "Identity x > y", "two = f[] 2; Loop two_i,,s > y body=@0"};
    clstm_session_options o = plain(_i % 2);
    pbuf inner[1] = {model_text_graph("j:i[] g:b[] a:f", "g2:b[] b:f", "Add a,x > b; Identity g > g2", NULL)};
    pbuf branches[2] = {model_text_graph("", "y:f[2]", "Neg s > y", NULL), model_text_graph("", "y:f[2]", others[_i / 2], _i / 2 == 2 ? inner : NULL)};
    pbuf body[1] = {model_text_graph("i:i[] g:b[] s:f[2]", "g2:b[] s2:f[2] each:f[2]", "no = b[] 0; two = f[] 2; two_i = i[] 2; If no > v then_branch=@0 else_branch=@1;"
                                    "Add v,x > s2; Identity v > each; Identity g > g2", branches)};
    model_text t = model_text_load(model_text_graph("x:f[2]", "last:f[2] all:f", "m = i[] 2; zero = f[2] 1,10; Loop m,,zero > last,all body=@0", body), &o);
    give(&t, 0, CLSTM_FLOAT, 1, DIMS(2), FLOATS(100, 200));
    run(&t);
    if (_i / 2 == 0) {          /* -1,8 -> 99,208 -> 97,206 -> 197,406 */
        want(&t, 0, 1, DIMS(2), FLOATS(197, 406));
        want(&t, 1, 2, DIMS(2, 2), FLOATS(-1, 8, 97, 206));
    } else if (_i / 2 == 1) {
        want(&t, 0, 1, DIMS(2), FLOATS(200, 400));
        want(&t, 1, 2, DIMS(2, 2), FLOATS(100, 200, 100, 200));
    } else {                    /* 201,410 -> 301,610 -> 501,1010 -> 601,1210 */
        want(&t, 0, 1, DIMS(2), FLOATS(601, 1210));
        want(&t, 1, 2, DIMS(2, 2), FLOATS(201, 410, 501, 1010));
    }
    if (_i / 2 != 2) pb_free(&inner[0]);
    model_text_done(&t);
}
END_TEST

/* ---- no turns, early ends ---------------------------------------------------------------------------------------------------------------- */

START_TEST(zero_trips)
{
    clstm_session_options o = plain(_i);
    pbuf body[1] = {model_text_graph("i:i[] g:b[] s:f[2]", "g2:b[] s2:f[2] each:f[2] n:i[]", "Add s,s > s2; Identity s2 > each; Identity i > n; Identity g > g2", NULL)};
    model_text t = model_text_load(model_text_graph("m:i[] c:b[] x:f[2]", "y:f[2] all:f ns:i", "Loop m,c,x > y,all,ns body=@0", body), &o);
    int64_t m = 0;
    unsigned char go = 1;
    give_int(&t, 0, &m);
    give_bool(&t, 1, &go);
    give(&t, 2, CLSTM_FLOAT, 1, DIMS(2), FLOATS(3, 4));
    run(&t);
    want(&t, 0, 1, DIMS(2), FLOATS(3, 4));
    want(&t, 1, 2, DIMS(0, 2), NULL);
    want(&t, 2, 1, DIMS(0), NULL);
    m = 5;
    go = 0;
    run(&t);
    want(&t, 1, 2, DIMS(0, 2), NULL);
    go = 1;
    run(&t);
    want(&t, 0, 1, DIMS(2), FLOATS(96, 128));
    model_text_done(&t);
}
END_TEST

START_TEST(scan_nothing)
{
    clstm_session_options o = plain(_i);
    pbuf body[1] = {model_text_graph("s:f[2] x:f[2]", "s2:f[2] y:f[2]", "Add s,x > s2; Identity s2 > y", NULL)};
    model_text t = model_text_load(model_text_graph("s:f[2] x:f[?,2]", "last:f[2] all:f", "Scan s,x > last,all body=@0 num_scan_inputs=1", body), &o);
    give(&t, 0, CLSTM_FLOAT, 1, DIMS(2), FLOATS(1, 2));
    give(&t, 1, CLSTM_FLOAT, 2, DIMS(0, 2), NULL);
    run(&t);
    want(&t, 0, 1, DIMS(2), FLOATS(1, 2));
    want(&t, 1, 2, DIMS(0, 2), NULL);
    give(&t, 1, CLSTM_FLOAT, 2, DIMS(2, 2), FLOATS(10, 20, 30, 40));
    run(&t);
    want(&t, 1, 2, DIMS(2, 2), FLOATS(11, 22, 41, 62));
    model_text_done(&t);
}
END_TEST

/* The condition that the body gives ends the loop; the scan output of that turn still counts. */
START_TEST(condition_ends)
{
    clstm_session_options o = plain(_i);
    pbuf body[1] = {model_text_graph("i:i[] g:b[] s:f[]", "go_on:b[] s2:f[] each:f[]", "one = f[] 1; most = f[] 3; Add s,one > s2; Identity s2 > each; Less s2,most > go_on", NULL)};
    model_text t = model_text_load(model_text_graph("x:f[]", "y:f[] all:f", "Loop ,,x > y,all body=@0", body), &o);
    float x = 0;
    give(&t, 0, CLSTM_FLOAT, 0, NULL, &x);
    run(&t);
    want(&t, 0, 0, NULL, FLOATS(3));
    want(&t, 1, 1, DIMS(3), FLOATS(1, 2, 3));
    model_text_done(&t);
}
END_TEST

/* ---- Scan: axes and directions ------------------------------------------------------------------------------------------------------------- */

START_TEST(scan_axes)
{
    clstm_session_options o = plain(_i);
    pbuf body[1] = {model_text_graph("s:f[2] a:f[2] b:f[2]", "s2:f[2] y:f[2] z:f[2]", "Add s,a > t; Add t,b > s2; Identity s2 > y; Sub a,b > z", NULL)};
    model_text t = model_text_load(model_text_graph("s:f[2] a:f[2,3] b:f[3,2]", "last:f[2] y:f[2,3] z:f[3,2]",
                                                 "Scan s,a,b > last,y,z body=@0 num_scan_inputs=2 scan_input_axes=1,0 scan_input_directions=0,1 "
                                                 "scan_output_axes=1,0 scan_output_directions=0,1", body), &o);
    give(&t, 0, CLSTM_FLOAT, 1, DIMS(2), FLOATS(0, 0));
    give(&t, 1, CLSTM_FLOAT, 2, DIMS(2, 3), FLOATS(1, 2, 3, 10, 20, 30));
    give(&t, 2, CLSTM_FLOAT, 2, DIMS(3, 2), FLOATS(100, 200, 300, 400, 500, 600));
    run(&t);            /* turns: a 1,10 with b 500,600; a 2,20 with 300,400; a 3,30 with 100,200 */
    want(&t, 0, 1, DIMS(2), FLOATS(906, 1260));
    want(&t, 1, 2, DIMS(2, 3), FLOATS(501, 803, 906, 610, 1030, 1260));
    want(&t, 2, 2, DIMS(3, 2), FLOATS(3 - 100, 30 - 200, 2 - 300, 20 - 400, 1 - 500, 10 - 600));
    model_text_done(&t);
}
END_TEST

/* A scan over rows whose body scans the row and captures the graph's factor. */
START_TEST(scan_in_scan)
{
    clstm_session_options o = plain(_i);
    pbuf inner[1] = {model_text_graph("a:f[] v:f[]", "b:f[] w:f[]", "Mul v,factor > u; Add a,u > b; Identity b > w", NULL)};
    pbuf outer[1] = {model_text_graph("s:f[] row:f[3]", "s2:f[] sums:f[3]", "Scan s,row > s2,sums body=@0 num_scan_inputs=1", inner)};
    model_text t = model_text_load(model_text_graph("x:f[2,3] factor:f[]", "last:f[] y:f[2,3]", "zero = f[] 0; Scan zero,x > last,y body=@0 num_scan_inputs=1", outer), &o);
    float factor = 2;
    give(&t, 0, CLSTM_FLOAT, 2, DIMS(2, 3), FLOATS(1, 2, 3, 4, 5, 6));
    give(&t, 1, CLSTM_FLOAT, 0, NULL, &factor);
    run(&t);
    want(&t, 0, 0, NULL, FLOATS(42));
    want(&t, 1, 2, DIMS(2, 3), FLOATS(2, 6, 12, 20, 30, 42));
    model_text_done(&t);
}
END_TEST

/* ---- If ---------------------------------------------------------------------------------------------------------------------------------------- */

/* The else branch multiplies matrices that do not fit: wrong only when it is taken. */
START_TEST(untaken_branch)
{
    clstm_session_options o = plain(_i & 1);
    bool declared = _i > 1;
    pbuf branches[2] = {model_text_graph("", "y:f", "Add x,x > y", NULL), model_text_graph("", "y:f", "w = f[3,1] 1,1,1; MatMul x,w > y", NULL)};
    model_text t = model_text_load(model_text_graph("c:b[] x:f[?,?]", "y:f", "If c > y then_branch=@0 else_branch=@1", branches), &o);
    unsigned char c = 1;
    clstm_tensor constant = clstm_tensor_view(CLSTM_BOOL, 0, NULL, &c);
    if (declared) ck_assert_int_eq(clstm_session_set_constant(t.session, 0, &constant, &t.err), CLSTM_OK);
    else give_bool(&t, 0, &c);
    give(&t, 1, CLSTM_FLOAT, 2, DIMS(1, 2), FLOATS(1, 2));
    run(&t);
    want(&t, 0, 2, DIMS(1, 2), FLOATS(2, 4));
    c = 0;
    if (declared) ck_assert_int_eq(clstm_session_set_constant(t.session, 0, &constant, &t.err), CLSTM_OK);
    refuse(&t, CLSTM_BAD_MODEL, "MatMul");
    give(&t, 1, CLSTM_FLOAT, 2, DIMS(1, 3), FLOATS(1, 2, 3));
    run(&t);
    want(&t, 0, 2, DIMS(1, 1), FLOATS(6));
    model_text_done(&t);
}
END_TEST

/* ---- limits -------------------------------------------------------------------------------------------------------------------------------------- */

static pbuf endless(void) {
    pbuf body[1] = {model_text_graph("i:i[] g:b[] s:f[]", "g2:b[] s2:f[]", "one = f[] 1; Add s,one > s2; Identity g > g2", NULL)};
    return model_text_graph("x:f[]", "y:f[]", "Loop ,,x > y body=@0", body);
}

START_TEST(limits)
{
    clstm_session_options o = plain(_i & 1);
    clstm_limits l;
    clstm_limits_default(&l);
    ck_assert_int_eq(clstm_limits_set(&l, _i > 1 ? "run-milliseconds" : "loop-trips", 30, NULL), CLSTM_OK);
    if (_i > 1) ck_assert_int_eq(clstm_limits_set(&l, "loop-trips", 0, NULL), CLSTM_OK);
    o.limits = &l;
    model_text t = model_text_load(endless(), &o);
    float x = 0;
    give(&t, 0, CLSTM_FLOAT, 0, NULL, &x);
    refuse(&t, CLSTM_LIMIT, _i > 1 ? "run-milliseconds" : "loop-trips");
    model_text_done(&t);
}
END_TEST

/* ---- sequences ------------------------------------------------------------------------------------------------------------------------------------ */

static const struct { const char *nodes, *words; int rank; int64_t dims[2]; float values[6]; } sequences[] = {
    {"SequenceEmpty > s; SequenceLength s > y", NULL, 0, {0}, {0}},
    {"SequenceEmpty > s; SequenceInsert s,x > t; SequenceInsert t,two > u; ConcatFromSequence u > y axis=0", NULL, 1, {4}, {1, 2, 2, 2}},
    {"SequenceConstruct x,two > s; at = i[] 0; SequenceInsert s,two,at > t; ConcatFromSequence t > y axis=1 new_axis=1", NULL, 2, {2, 3}, {2, 1, 2, 2, 2, 2}},
    {"SequenceConstruct x,two > s; at = i[] -2; SequenceAt s,at > y", NULL, 1, {2}, {1, 2}},
    {"SequenceConstruct x,two > s; at = i[] -2; SequenceErase s,at > t; SequenceErase t > u; SequenceLength u > y", NULL, 0, {0}, {0}},
    {"SequenceConstruct x,two > s; at = i[] 2; SequenceInsert s,x,at > t; SequenceLength t > y", NULL, 0, {0}, {3}},
    {"SequenceConstruct x,two > s; at = i[] 2; SequenceAt s,at > y", "position 2", 0, {0}, {0}},
    {"SequenceConstruct x,two > s; at = i[] -3; SequenceAt s,at > y", "position -3", 0, {0}, {0}},
    {"SequenceConstruct x,two > s; at = i[] 3; SequenceInsert s,x,at > t; SequenceLength t > y", "position 3", 0, {0}, {0}},
    {"SequenceEmpty > s; SequenceErase s > t; SequenceLength t > y", "empty", 0, {0}, {0}},
    {"SequenceEmpty > s; ConcatFromSequence s > y axis=0", "empty", 0, {0}, {0}},
    {"SequenceEmpty > s dtype=7; SequenceInsert s,x > t; SequenceLength t > y", "type", 0, {0}, {0}},
    {"SplitToSequence x > s axis=0 keepdims=0; SequenceLength s > y", NULL, 0, {0}, {2}},
    {"n = i[] 0; SplitToSequence x,n > s; SequenceLength s > y", "split is 0", 0, {0}, {0}},
    {"n = i[2] 1,2; SplitToSequence x,n > s; SequenceLength s > y", "sum to 3", 0, {0}, {0}},
};

START_TEST(sequence_cases)
{
    int i = _i / 2;
    clstm_session_options o = plain(_i & 1);
    char nodes[512];
    snprintf(nodes, sizeof nodes, "two = f[2] 2,2; %s", sequences[i].nodes);
    model_text t = model_text_load(model_text_graph("x:f[2]", "y", nodes, NULL), &o);
    give(&t, 0, CLSTM_FLOAT, 1, DIMS(2), FLOATS(1, 2));
    if (sequences[i].words) {
        ck_assert_int_ne(clstm_session_run(t.session, &t.err), CLSTM_OK);
        ck_assert_msg(strstr(t.err.message, sequences[i].words) != NULL, "%s", t.err.message);
    } else {
        run(&t);
        want(&t, 0, sequences[i].rank, sequences[i].dims, sequences[i].values);
    }
    model_text_done(&t);
}
END_TEST

/* A sequence carried by a loop: it grows by the trip's multiple of x each turn. */
START_TEST(sequence_in_loop)
{
    clstm_session_options o = plain(_i);
    pbuf body[1] = {model_text_graph("i:i[] g:b[] s", "g2:b[] s2", "Cast i > f to=1; Mul x,f > v; SequenceInsert s,v > s2; Identity g > g2", NULL)};
    model_text t = model_text_load(model_text_graph("m:i[] x:f[2]", "y:f n:i[]", "SequenceEmpty > e; SequenceInsert e,x > b; Loop m,,b > s body=@0;"
                                                 "ConcatFromSequence s > y axis=0 new_axis=1; SequenceLength s > n", body), &o);
    int64_t m = 3;
    give_int(&t, 0, &m);
    give(&t, 1, CLSTM_FLOAT, 1, DIMS(2), FLOATS(1, 5));
    run(&t);
    want(&t, 0, 2, DIMS(4, 2), FLOATS(1, 5, 0, 0, 1, 5, 2, 10));
    want(&t, 1, 0, NULL, FLOATS(4));
    m = 0;
    run(&t);
    want(&t, 0, 2, DIMS(1, 2), FLOATS(1, 5));
    model_text_done(&t);
}
END_TEST

/* ---- what is refused --------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(changing_slices)
{
    clstm_session_options o = plain(_i);
    pbuf body[1] = {model_text_graph("i:i[] g:b[] s:f[?]", "g2:b[] s2:f[?] each:f[?]", "Concat s,s > s2 axis=0; Identity s2 > each; Identity g > g2", NULL)};
    model_text t = model_text_load(model_text_graph("m:i[] x:f[1]", "y:f all:f", "Loop m,,x > y,all body=@0", body), &o);
    int64_t m = 1;
    give_int(&t, 0, &m);
    give(&t, 1, CLSTM_FLOAT, 1, DIMS(1), FLOATS(7));
    run(&t);
    want(&t, 0, 1, DIMS(2), FLOATS(7, 7));
    m = 3;
    refuse(&t, CLSTM_BAD_ARGUMENT, "changes its shape");
    model_text_done(&t);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("ops_control");
    unit_add_loop(s, "nested_capture", nested_capture, 0, 2);
    unit_add_loop(s, "nested_loops", nested_loops, 0, 2);
    unit_add_loop(s, "known_branch_in_loop", known_branch_in_loop, 0, 6);
    unit_add_loop(s, "zero_trips", zero_trips, 0, 2);
    unit_add_loop(s, "scan_nothing", scan_nothing, 0, 2);
    unit_add_loop(s, "condition_ends", condition_ends, 0, 2);
    unit_add_loop(s, "scan_axes", scan_axes, 0, 2);
    unit_add_loop(s, "scan_in_scan", scan_in_scan, 0, 2);
    unit_add_loop(s, "untaken_branch", untaken_branch, 0, 4);
    unit_add_loop(s, "limits", limits, 0, 4);
    unit_add_loop(s, "sequence_cases", sequence_cases, 0, 2 * (int)(sizeof sequences / sizeof *sequences));
    unit_add_loop(s, "sequence_in_loop", sequence_in_loop, 0, 2);
    unit_add_loop(s, "changing_slices", changing_slices, 0, 2);
    return s;
}
