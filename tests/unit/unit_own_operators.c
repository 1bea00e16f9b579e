/* Operators that a program registers: rows refused and accepted, and what becomes of their nodes at load, in plans and in runs. */
#include "unit_main.h"

#include "model_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------------------------------------------ */

/* What the callbacks of a test were called for. */
typedef struct counts { int check, infer, prepare, run, release, freed; } counts;

static counts *counts_of(const clstm_call *call) { return clstm_call_user(call); }

static clstm_status same_shape(clstm_call *call) {
    const clstm_tensor *x = clstm_call_input(call, 0);
    if (counts_of(call)) counts_of(call)->infer++;
    return clstm_call_set_output(call, 0, x->type, x->rank, x->dims);
}

/* y = x * by + bias, computed by way of kept memory and scratch */
static clstm_status check_scale(clstm_call *call) {
    counts_of(call)->check++;
    ck_assert_ptr_null(clstm_call_input(call, 0));
    if (clstm_call_float(call, "by") == 13) return clstm_call_fail(call, CLSTM_BAD_MODEL, "attribute by is unlucky");
    return CLSTM_OK;
}
static clstm_status prepare_scale(clstm_call *call) {
    const clstm_tensor *x = clstm_call_input(call, 0);
    counts_of(call)->prepare++;
    float *by = clstm_call_keep(call, sizeof *by);
    if (!by) return CLSTM_NO_MEMORY;
    *by = clstm_call_float(call, "by");
    return clstm_call_want_scratch(call, (size_t)clstm_tensor_count(x) * sizeof(float));
}
static clstm_status run_scale(clstm_call *call) {
    const clstm_tensor *x = clstm_call_input(call, 0), *b = clstm_call_input(call, 1), *y = clstm_call_output(call, 0);
    float *work = clstm_call_scratch(call), by = *(const float *)clstm_call_kept(call);
    int64_t n = clstm_tensor_count(x);
    counts_of(call)->run++;
    for (int64_t i = 0; i < n; i++) work[i] = ((const float *)x->data)[i] * by;
    for (int64_t i = 0; i < n; i++) ((float *)y->data)[i] = work[i] + (b ? *(const float *)b->data : 0);
    return CLSTM_OK;
}
static void release_scale(clstm_call *call) { counts_of(call)->release++; }
static void count_freed(void *user) { ((counts *)user)->freed++; }

static clstm_operator_row scale_row(counts *c, unsigned flags) {
    return (clstm_operator_row){.domain = "own", .name = "Scale", .since = 2, .inputs = "X:T bias?:T", .outputs = "Y:T", .types = "T=float", .attributes = "by:f=2 mode:s=plain",
                                .flags = flags, .check = check_scale, .infer = same_shape, .prepare = prepare_scale, .run = run_scale, .release = release_scale, .user = c,
                                .free_user = count_freed};
}

static clstm_operators *set_of(const clstm_operator_row *row) {
    clstm_operators *set;
    clstm_error err;
    ck_assert_int_eq(clstm_operators_create(&set, &err), CLSTM_OK);
    ck_assert_msg(clstm_register_operator(set, row, &err) == CLSTM_OK, "%s", err.message);
    return set;
}

/* Loads `graph` with one row; the set is the model's alone afterwards. */
static model_text load(pbuf graph, const clstm_operator_row *row, const clstm_session_options *options) {
    clstm_operators *set = set_of(row);
    model_text t = model_text_try_with(graph, options, set);
    clstm_operators_destroy(set);
    return t;
}

static clstm_status set_input(model_text *t, size_t i, int64_t n, const float *x) {
    clstm_tensor v = clstm_tensor_view(CLSTM_FLOAT, 1, &n, (void *)(uintptr_t)x);
    return clstm_session_set_input(t->session, i, &v, &t->err);
}

static void want(model_text *t, int n, const float *expected) {
    const clstm_value *y = clstm_session_output(t->session, 0);
    ck_assert_int_eq(clstm_tensor_count(&y->tensor), n);
    for (int i = 0; i < n; i++) ck_assert_float_eq(((const float *)y->tensor.data)[i], expected[i]);
}

static void run(model_text *t, int n, const float *x, int m, const float *expected) {
    ck_assert_msg(t->session != NULL, "%s", t->err.message);
    ck_assert_int_eq(set_input(t, 0, n, x), CLSTM_OK);
    ck_assert_msg(clstm_session_run(t->session, &t->err) == CLSTM_OK, "%s", t->err.message);
    want(t, m, expected);
}

/* ---- registering --------------------------------------------------------------------------------------------------------------------- */

static clstm_status no_run(clstm_call *call) { (void)call; return CLSTM_OK; }
/* A whole row, where `given` says nothing. */
static clstm_operator_row row_with(clstm_operator_row given) {
    if (!given.domain) given.domain = "own";
    if (!given.name) given.name = "Op";
    if (!given.since) given.since = 1;
    if (!given.inputs) given.inputs = "X:T";
    if (!given.outputs) given.outputs = "Y:T";
    if (!given.types) given.types = "T=float";
    if (!given.infer && !(given.flags & CLSTM_OPERATOR_ALLOCATES)) given.infer = same_shape;
    if (!given.run) given.run = no_run;
    return given;
}

/* lacks: i infer, r run, n a name */
static const struct bad { clstm_operator_row row; const char *says; char lacks; } bad_rows[] = {
    {.row = {.name = ""}, .says = "letters, digits"},
    {.row = {.name = "a b"}, .says = "letters, digits"},
    {.says = "letters, digits", .lacks = 'n'},
    {.row = {.domain = "a\nb"}, .says = "a domain is"},
    {.row = {.since = -1}, .says = "versions -1 to 0"},
    {.row = {.since = 5, .until = 4}, .says = "versions 5 to 4"},
    {.row = {.inputs = "X"}, .says = "inputs: "},
    {.row = {.inputs = ":T"}, .says = "inputs: \":T\" is not NAME:TYPE"},
    {.row = {.inputs = "X:U"}, .says = "\"U\", which is neither a type nor a variable"},
    {.row = {.inputs = "X:"}, .says = "which is neither"},
    {.row = {.inputs = "X:floaty"}, .says = "\"floaty\""},
    {.row = {.inputs = "X*:T W:T"}, .says = "inputs: only the last"},
    {.row = {.inputs = "X:seq(T)"}, .says = "sequences"},
    {.row = {.outputs = "Y:T Z+:T W:T"}, .says = "outputs: only the last"},
    {.row = {.outputs = ""}, .says = "outputs: there is none"},
    {.row = {.types = "T"}, .says = "types: \"T\""},
    {.row = {.types = "T="}, .says = "types: \"T=\""},
    {.row = {.types = "T=float,quux"}, .says = "types: "},
    {.row = {.attributes = "alpha"}, .says = "attributes: \"alpha\""},
    {.row = {.attributes = "alpha:"}, .says = "attributes: "},
    {.row = {.attributes = "alpha:q"}, .says = "attributes: \"alpha:q\""},
    {.row = {.attributes = "alpha:fx"}, .says = "attributes: \"alpha:fx\""},
    {.row = {.attributes = "alpha:f=two"}, .says = "default that its kind"},
    {.row = {.attributes = "axis:i=1.5"}, .says = "default that its kind"},
    {.row = {.attributes = "pads:I=1"}, .says = "default that its kind"},
    {.row = {.attributes = "axis:i=1 axis:i"}, .says = "axis is listed twice"},
    {.row = {.attributes = "body:g"}, .says = "graphs"},
    {.row = {.flags = 64}, .says = "flags 0x40"},
    {.says = "it has no infer", .lacks = 'i'},
    {.says = "it has no run", .lacks = 'r'},
    {.row = {.infer = same_shape, .flags = CLSTM_OPERATOR_ALLOCATES}, .says = "it has an infer, and allocates"},
    {.row = {.flags = CLSTM_OPERATOR_ALLOCATES | CLSTM_OPERATOR_IN_PLACE}, .says = "neither pointwise nor in place"},
    {.row = {.domain = "", .name = "Relu"}, .says = "clstm has an operator of this name"},
    {.row = {.domain = "ai.onnx", .name = "LSTM", .since = 900}, .says = "clstm has an operator of this name"},
};

START_TEST(bad_row)
{
    const struct bad *b = &bad_rows[_i];
    clstm_operator_row row = row_with(b->row);
    if (b->lacks == 'i') row.infer = NULL;
    if (b->lacks == 'r') row.run = NULL;
    if (b->lacks == 'n') row.name = NULL;
    clstm_operators *set;
    clstm_error err = {0};
    ck_assert_int_eq(clstm_operators_create(&set, &err), CLSTM_OK);
    ck_assert_int_eq(clstm_register_operator(set, &row, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_msg(strstr(err.message, b->says) != NULL, "%s", err.message);
    ck_assert_msg(!strncmp(err.message, "operator \"", 10), "%s", err.message);
    clstm_operators_destroy(set);
}
END_TEST

START_TEST(duplicates)
{
    static const struct { int since, until; clstm_status status; } rows[] = {
        {3, 5, CLSTM_OK}, {5, 0, CLSTM_BAD_ARGUMENT}, {1, 3, CLSTM_BAD_ARGUMENT}, {4, 4, CLSTM_BAD_ARGUMENT}, {1, 0, CLSTM_BAD_ARGUMENT},
        {1, 2, CLSTM_OK}, {6, 0, CLSTM_OK}, {9, 9, CLSTM_BAD_ARGUMENT}};
    clstm_operator_row row = row_with((clstm_operator_row){0});
    clstm_operators *set;
    clstm_error err = {0};
    clstm_operators_create(&set, &err);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        row.since = rows[i].since;
        row.until = rows[i].until;
        ck_assert_int_eq(clstm_register_operator(set, &row, &err), rows[i].status);
        if (rows[i].status) ck_assert_msg(strstr(err.message, "is there already") != NULL, "%s", err.message);
    }
    row.domain = "other";
    ck_assert_int_eq(clstm_register_operator(set, &row, &err), CLSTM_OK);
    clstm_operators_destroy(set);
}
END_TEST

/* ---- nodes ------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(life)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, CLSTM_OPERATOR_PURE);
    model_text t = load(model_text_graph("x:f[?]", "y:f", "own:Scale x > a by=3.0; Neg a > b; b1 = f[] 1; own:Scale b,b1 > y", NULL), &row, NULL);
    ck_assert_int_eq(c.check, 2);
    run(&t, 2, (float[]){1, -2}, 2, (float[]){-5, 13});
    run(&t, 2, (float[]){0, 1}, 2, (float[]){1, -5});
    ck_assert_int_eq(c.prepare, 2);
    ck_assert_int_eq(c.run, 4);
    ck_assert_int_eq(c.release, 0);
    clstm_operator_use use;
    ck_assert(clstm_model_operator(t.model, 1, &use) && !strcmp(use.domain, "own") && !strcmp(use.name, "Scale") && use.version == 3 && use.count == 2);
    model_text_done(&t);
    ck_assert_int_eq(c.release, 2);
    ck_assert_int_eq(c.freed, 1);
}
END_TEST

/* Pure nodes on constants run once, at load; others in every run. */
START_TEST(folding)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, _i ? CLSTM_OPERATOR_PURE : 0);
    model_text t = load(model_text_graph("x:f[2]", "y:f", "k = f[2] 3,4; own:Scale k > s; Add x,s > y", NULL), &row, NULL);
    ck_assert_int_eq(c.run, _i);
    run(&t, 2, (float[]){1, 1}, 2, (float[]){7, 9});
    run(&t, 2, (float[]){1, 1}, 2, (float[]){7, 9});
    ck_assert_int_eq(c.run, _i ? 1 : 2);
    model_text_done(&t);
}
END_TEST

/* Inside Loop and If, with values of the graph around, interpreted as well. */
START_TEST(bodies)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, 0);
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = _i;
    pbuf branches[2] = {model_text_graph("", "p:f", "own:Scale v,x1 > p", NULL), model_text_graph("", "q:f", "Identity v > q", NULL)};
    pbuf body[1] = {model_text_graph("i:i[] g:b[] v:f[?]", "g2:b[] w:f[?]", "one = i[] 1; Less i,one > odd; x1 = f[] 0.5; If odd > w then_branch=@0 else_branch=@1; Identity g > g2", branches)};
    model_text t = load(model_text_graph("x:f[?]", "y:f", "n = i[] 3; Loop n,,x > y body=@0", body), &row, &o);
    run(&t, 2, (float[]){1, 2}, 2, (float[]){2.5f, 4.5f});
    run(&t, 1, (float[]){-1}, 1, (float[]){-1.5f});
    ck_assert_int_eq(c.run, 2);
    model_text_done(&t);
    ck_assert_int_eq(c.release, c.prepare);
}
END_TEST

/* A model's own function calls it. */
START_TEST(in_function)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, 0);
    pbuf g = model_text_graph("x:f[?]", "y:f", "lib:Twice x > y", NULL), m = model_text_model(g), f = {0}, opset = {0}, lib = {0};
    pb_text(&f, 1, "Twice");
    pb_text(&f, 4, "in");
    pb_text(&f, 5, "out");
    for (int i = 0; i < 2; i++) {
        pbuf n = pb_node("Scale", "", i ? "half" : "in", i ? "out" : "half");
        pb_text(&n, F_NODE_DOMAIN, "own");
        pb_msg(&f, 7, n);
    }
    pb_text(&opset, 1, "own");
    pb_int(&opset, 2, 2);
    pb_msg(&f, 9, opset);
    pb_text(&f, 10, "lib");
    pb_msg(&m, F_MODEL_FUNCTION, f);
    pb_text(&lib, 1, "lib");
    pb_int(&lib, 2, 1);
    pb_msg(&m, F_MODEL_OPSET, lib);
    clstm_operators *set = set_of(&row);
    model_text t = {0};
    clstm_model_options o = {.operators = set};
    clstm_model_load_memory(m.data, m.n, NULL, &o, &t.model, &t.err);
    clstm_operators_destroy(set);
    pb_free(&m);
    ck_assert_msg(t.model != NULL, "%s", t.err.message);
    clstm_session_create(t.model, NULL, &t.session, &t.err);
    run(&t, 2, (float[]){1, 2}, 2, (float[]){4, 8});
    model_text_done(&t);
}
END_TEST

static const struct refusal { const char *inputs, *nodes, *says; } refusals[] = {
    {"x:f[?]", "own:Scale x > y by=13.0", "node 0 \"\" (Scale): attribute by is unlucky"},
    {"x:f[?]", "own:Scale x > y turns=2", "attribute turns is not supported"},
    {"x:f[?]", "own:Scale x > y by=2", "attribute by has the wrong type"},
    {"x:f[?]", "own:Scale x,x,x > y", "has 3 inputs, expected at most 2"},
    {"x:f[?]", "own:Scale > y", "has 0 inputs, expected at least 1"},
    {"x:f[?]", "own:Scale ,x > y", "required input X is missing"},
    {"x:f[?]", "own:Other x > y", "operator Other of domain \"own\" is not supported"},
};
START_TEST(refused)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, 0);
    model_text t = load(model_text_graph(refusals[_i].inputs, "y:f", refusals[_i].nodes, NULL), &row, NULL);
    ck_assert_ptr_null(t.model);
    ck_assert_msg(strstr(t.err.message, refusals[_i].says) != NULL, "%s", t.err.message);
    ck_assert_int_eq(c.freed, 1);
}
END_TEST

START_TEST(other_version)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, 0);
    row.since = 4;
    model_text t = load(model_text_graph("x:f[?]", "y:f", "own:Scale x > y", NULL), &row, NULL);
    ck_assert_ptr_null(t.model);
    ck_assert_msg(strstr(t.err.message, "operator Scale of domain \"own\" is not supported at opset 3") != NULL, "%s", t.err.message);
}
END_TEST

/* ---- shapes from data ------------------------------------------------------------------------------------------------------------------------ */

/* y: x repeated as often as the one element of n says */
static clstm_status infer_repeat(clstm_call *call) {
    clstm_status s = clstm_call_need(call, 1);
    if (s != CLSTM_OK) return s;
    const clstm_tensor *x = clstm_call_input(call, 0);
    int64_t n = x->dims[0] * *(const int64_t *)clstm_call_input(call, 1)->data;
    return clstm_call_set_output(call, 0, x->type, 1, &n);
}
static clstm_status run_repeat(clstm_call *call) {
    const clstm_tensor *x = clstm_call_input(call, 0), *y = clstm_call_output(call, 0);
    for (int64_t i = 0; i < y->dims[0]; i++) ((float *)y->data)[i] = ((const float *)x->data)[i % x->dims[0]];
    return CLSTM_OK;
}

START_TEST(needs_data)
{
    clstm_operator_row row = row_with((clstm_operator_row){.name = "Repeat", .inputs = "X:float n:int64", .infer = infer_repeat, .run = run_repeat, .flags = CLSTM_OPERATOR_PURE});
    model_text t = load(model_text_graph("x:f[?] n:i[]", "y:f", "own:Repeat x,n > a; Neg a > y", NULL), &row, NULL);
    int64_t n = 2;
    clstm_tensor v = clstm_tensor_view(CLSTM_INT64, 0, NULL, &n);
    clstm_session_set_input(t.session, 1, &v, &t.err);
    run(&t, 2, (float[]){1, 2}, 4, (float[]){-1, -2, -1, -2});
    n = 1;
    run(&t, 2, (float[]){1, 2}, 2, (float[]){-1, -2});
    n = -1;
    ck_assert_int_eq(clstm_session_run(t.session, &t.err), CLSTM_BAD_ARGUMENT);
    ck_assert_msg(strstr(t.err.message, "node 0 \"\" (Repeat): output 0 gets a dimension of -2") != NULL, "%s", t.err.message);
    model_text_done(&t);
    /* known at load: a step like any other */
    t = load(model_text_graph("x:f[?]", "y:f", "n = i[] 3; own:Repeat x,n > a; Neg a > y", NULL), &row, NULL);
    run(&t, 1, (float[]){5}, 3, (float[]){-5, -5, -5});
    clstm_graph g;
    ck_assert(clstm_session_graph(t.session, &g) && g.dynamic == 0);
    model_text_done(&t);
}
END_TEST

/* y: what is above zero */
static clstm_status run_above(clstm_call *call) {
    const clstm_tensor *x = clstm_call_input(call, 0);
    const float *v = x->data;
    int64_t n = 0, at = 0;
    for (int64_t i = 0; i < x->dims[0]; i++) n += v[i] > 0;
    clstm_status s = n == 4 ? CLSTM_OK : clstm_call_allocate(call, 0, CLSTM_FLOAT, 1, &n);
    if (s != CLSTM_OK || n == 4) return s;
    for (int64_t i = 0; i < x->dims[0]; i++)
        if (v[i] > 0) ((float *)clstm_call_output(call, 0)->data)[at++] = v[i];
    return CLSTM_OK;
}

START_TEST(allocates)
{
    clstm_operator_row row = row_with((clstm_operator_row){.run = run_above, .flags = CLSTM_OPERATOR_ALLOCATES | CLSTM_OPERATOR_PURE});
    model_text t = load(model_text_graph("x:f[?]", "y:f", "own:Op x > a; k = f[3] -1,2,3; own:Op k > b; Concat b,a > y axis=0", NULL), &row, NULL);
    run(&t, 3, (float[]){-1, 2, 7}, 4, (float[]){2, 3, 2, 7});
    run(&t, 1, (float[]){-1}, 2, (float[]){2, 3});
    float four[] = {1, 1, 1, 1};            /* read by the run: a literal inside the macro would be gone by then */
    ck_assert_int_eq(set_input(&t, 0, 4, four), CLSTM_OK);
    ck_assert_int_eq(clstm_session_run(t.session, &t.err), CLSTM_BAD_ARGUMENT);
    ck_assert_msg(strstr(t.err.message, "node 0 \"\" (Op): its run leaves output 0 without a value") != NULL, "%s", t.err.message);
    model_text_done(&t);
}
END_TEST

/* ---- callbacks that do wrong -------------------------------------------------------------------------------------------------------------------- */

static clstm_status bare(clstm_call *call) { (void)call; return CLSTM_UNSUPPORTED; }
static clstm_status ninety_nine(clstm_call *call) { (void)call; return (clstm_status)99; }
static clstm_status minus_one(clstm_call *call) { (void)call; return (clstm_status)-1; }
static clstm_status silent(clstm_call *call) { (void)call; return CLSTM_OK; }
static clstm_status too_wide(clstm_call *call) { return clstm_call_set_output(call, 0, CLSTM_FLOAT, 2, (int64_t[]){2, 2}); }
static clstm_status early(clstm_call *call) { return clstm_call_want_scratch(call, 8); }
static clstm_status keeps_in_run(clstm_call *call) { return clstm_call_keep(call, 8) ? CLSTM_OK : CLSTM_NO_MEMORY; }
static clstm_status shapes_in_run(clstm_call *call) { return same_shape(call); }
static clstm_status allocates_anyway(clstm_call *call) { return clstm_call_allocate(call, 0, CLSTM_FLOAT, 0, NULL); }
static clstm_status odd_type(clstm_call *call) { return clstm_call_set_output(call, 0, CLSTM_STRING, 0, NULL); }
static clstm_status tells(clstm_call *call) { return clstm_call_fail(call, CLSTM_LIMIT, "%d\n apples", 7); }
static const struct wrong { clstm_operator_row row; clstm_status status; const char *says; } wrongs[] = {
    {{.infer = bare}, CLSTM_UNSUPPORTED, "its infer failed: unsupported"},
    {{.run = bare}, CLSTM_UNSUPPORTED, "its run failed: unsupported"},
    {{.prepare = bare}, CLSTM_UNSUPPORTED, "its prepare failed: unsupported"},
    {{.run = ninety_nine}, CLSTM_BAD_ARGUMENT, "its run returned 99"},
    {{.infer = minus_one}, CLSTM_BAD_ARGUMENT, "its infer returned -1"},
    {{.infer = silent}, CLSTM_BAD_ARGUMENT, "its infer sets no shape for output 0"},
    {{.infer = too_wide, .flags = CLSTM_OPERATOR_POINTWISE}, CLSTM_BAD_ARGUMENT, "output 0 of a pointwise operator has the shape [2,2], its inputs give [2]"},
    {{.infer = early}, CLSTM_BAD_ARGUMENT, "clstm_call_want_scratch is for prepare"},
    {{.run = keeps_in_run}, CLSTM_NO_MEMORY, "clstm_call_keep is for prepare"},
    {{.run = shapes_in_run}, CLSTM_BAD_ARGUMENT, "clstm_call_set_output is for infer"},
    {{.run = allocates_anyway}, CLSTM_BAD_ARGUMENT, "clstm_call_allocate is for run of a row with"},
    {{.infer = odd_type}, CLSTM_BAD_ARGUMENT, "output 0 gets the type string"},
    {{.run = tells}, CLSTM_LIMIT, "node 0 \"\" (Op): 7? apples"},
};
START_TEST(wrong)
{
    clstm_operator_row row = row_with(wrongs[_i].row);
    model_text t = load(model_text_graph("x:f[2]", "y:f", "own:Op x > y", NULL), &row, NULL);
    clstm_status s = t.err.status;          /* the shape is known: infer is called at load */
    ck_assert((t.model == NULL) == (row.infer != same_shape));
    if (t.model) {
        set_input(&t, 0, 2, (float[]){1, 2});
        s = clstm_session_run(t.session, &t.err);
    }
    ck_assert_msg(strstr(t.err.message, wrongs[_i].says) && strstr(t.err.message, "node 0 \"\" (Op): "), "%s", t.err.message);
    ck_assert_int_eq(s, wrongs[_i].status);
    model_text_done(&t);
}
END_TEST

/* ---- promises ------------------------------------------------------------------------------------------------------------------------------------ */

/* A pointwise row lets time through, another does not. */
START_TEST(streams)
{
    counts c = {0};
    clstm_operator_row row = scale_row(&c, _i ? CLSTM_OPERATOR_POINTWISE : 0);
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.carry = CLSTM_CARRY_LAYERS;
    model_text t = load(model_text_graph("x:f[?,1,1]", "y:f", "w = f[1,1,1] 1; own:Scale x > a; RNN a,w,w > b hidden_size=1; own:Scale b > y", NULL), &row, &o);
    ck_assert_msg(t.session != NULL, "%s", t.err.message);
    int axis = -1, out[1];
    clstm_status s = clstm_session_stream(t.session, 0, &axis, out, &t.err);
    if (_i) ck_assert(s == CLSTM_OK && axis == 0 && out[0] == 0);
    else ck_assert_msg(s == CLSTM_UNSUPPORTED && strstr(t.err.message, "(Scale) is not known to be pointwise in time"), "%s", t.err.message);
    model_text_done(&t);
}
END_TEST

static const void *seen[2];
static clstm_status run_look(clstm_call *call) {
    seen[0] = clstm_call_input(call, 0)->data;
    seen[1] = clstm_call_output(call, 0)->data;
    memmove(clstm_call_output(call, 0)->data, seen[0], (size_t)clstm_tensor_count(clstm_call_input(call, 0)) * sizeof(float));
    return CLSTM_OK;
}
START_TEST(in_place)
{
    clstm_operator_row row = row_with((clstm_operator_row){.run = run_look, .flags = _i ? CLSTM_OPERATOR_IN_PLACE : 0});
    model_text t = load(model_text_graph("x:f[?]", "y:f", "Neg x > a; own:Op a > b; Neg b > y", NULL), &row, NULL);
    run(&t, 2, (float[]){1, 2}, 2, (float[]){1, 2});
    ck_assert((seen[0] == seen[1]) == (_i == 1));
    model_text_done(&t);
}
END_TEST

static void add_one(void *arg, int i) { ((float *)arg)[i] = (float)i; }
static clstm_status run_parallel(clstm_call *call) {
    const clstm_tensor *y = clstm_call_output(call, 0);
    ck_assert_int_eq(clstm_call_threads(call), 3);
    return clstm_call_parallel(call, (int)y->dims[0], add_one, y->data);
}
START_TEST(parallel)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.threads = 3;
    clstm_operator_row row = row_with((clstm_operator_row){.run = run_parallel});
    model_text t = load(model_text_graph("x:f[?]", "y:f", "own:Op x > y", NULL), &row, &o);
    run(&t, 5, (float[]){0, 0, 0, 0, 0}, 5, (float[]){0, 1, 2, 3, 4});
    model_text_done(&t);
}
END_TEST

/* ---- attributes ---------------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status run_attributes(clstm_call *call) {
    size_t n, none, words;
    const int64_t *pads = clstm_call_ints(call, "pads", &n);
    const float *floats = clstm_call_floats(call, "scales", &none);
    float *y = clstm_call_output(call, 0)->data;
    ck_assert(n == 2 && none == 0 && !floats && !clstm_call_strings(call, "words", &words) && words == 0 && !clstm_call_tensor(call, "table"));
    ck_assert(clstm_call_has(call, "pads") && !clstm_call_has(call, "mode") && !clstm_call_has(call, "nothing"));
    ck_assert_str_eq(clstm_call_string(call, "mode"), "plain");
    ck_assert_ptr_null(clstm_call_string(call, "word"));
    ck_assert_int_eq(clstm_call_int(call, "none"), 0);
    ck_assert_int_eq(clstm_call_version(call), 3);
    ck_assert(clstm_call_inputs(call) == 1 && clstm_call_outputs(call) == 1 && !clstm_call_input(call, 1) && !clstm_call_output(call, -1));
    y[0] = (float)pads[0];
    y[1] = (float)pads[1] + (float)clstm_call_int(call, "axis") + clstm_call_float(call, "alpha");
    return CLSTM_OK;
}
START_TEST(attributes)
{
    clstm_operator_row row = row_with((clstm_operator_row){.run = run_attributes, .attributes = "pads:I! mode:s=plain word:s none:i axis:i=-3 alpha:f=0.25 scales:F words:S table:t"});
    model_text t = load(model_text_graph("x:f[?]", "y:f", "own:Op x > y pads=5,6", NULL), &row, NULL);
    run(&t, 2, (float[]){0, 0}, 2, (float[]){5, 3.25f});
    model_text_done(&t);
    t = load(model_text_graph("x:f[?]", "y:f", "own:Op x > y", NULL), &row, NULL);
    ck_assert_msg(!t.model && strstr(t.err.message, "attribute pads is missing"), "%s", t.err.message);
}
END_TEST

#define COUNT(list) (int)(sizeof list / sizeof *list)
Suite *unit_suite(void) {
    Suite *s = suite_create("own_operators");
    unit_add_loop(s, "bad_row", bad_row, 0, COUNT(bad_rows));
    unit_add(s, "duplicates", duplicates);
    unit_add(s, "life", life);
    unit_add_loop(s, "folding", folding, 0, 2);
    unit_add_loop(s, "bodies", bodies, 0, 2);
    unit_add(s, "in_function", in_function);
    unit_add_loop(s, "refused", refused, 0, COUNT(refusals));
    unit_add(s, "other_version", other_version);
    unit_add(s, "needs_data", needs_data);
    unit_add(s, "allocates", allocates);
    unit_add_loop(s, "wrong", wrong, 0, COUNT(wrongs));
    unit_add_loop(s, "streams", streams, 0, 2);
    unit_add_loop(s, "in_place", in_place, 0, 2);
    unit_add(s, "parallel", parallel);
    unit_add(s, "attributes", attributes);
    return s;
}
