/* The decisions about the recurrent operators (doc/semantics.md), a test for every row, through the public header. Values come from
 * the hand-derived table of tests/oracle; what must be refused is made here. */
#include <clstm/clstm.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../oracle/hand_cases.h"
#include "../oracle/onnx_writer.h"
#include "unit_main.h"

/* A model on its way: what was reached, and the error that ended it. */
typedef struct {
    clstm_model *model;
    clstm_session *session;
    clstm_error err;
    const char *stage; /* of the failure: "load", "session", "input", "run"; NULL when all went well */
    int warnings;
    char warning[1024];
} trial;

static void hear(void *user, const char *message)
{
    trial *t = user;
    t->warnings++;
    snprintf(t->warning, sizeof t->warning, "%s", message);
}

static void trial_free(trial *t)
{
    clstm_session_destroy(t->session);
    clstm_model_destroy(t->model);
}

static bool load(trial *t, const oracle_case *c)
{
    onnx_bytes bytes;
    *t = (trial){.stage = "load"};
    const clstm_model_options options = {.warning = hear, .user = t};
    ck_assert(onnx_write_model(c, ONNX_AS_DRAWN, &bytes));
    const clstm_status status = clstm_model_load_memory(bytes.data, bytes.size, NULL, &options, &t->model, &t->err);
    onnx_bytes_free(&bytes);
    return status == CLSTM_OK;
}

static bool set_inputs(trial *t, const oracle_case *c)
{
    for (int i = 0; i < CASE_INPUTS; i++) {
        if (!onnx_is_input(c, ONNX_AS_DRAWN, i))
            continue;
        int64_t dims[4];
        for (int k = 0; k < c->in[i].rank; k++)
            dims[k] = (int64_t)c->in[i].dims[k];
        const clstm_type type = i == IN_LENS ? CLSTM_INT32 : (clstm_type)oracle_type_onnx(c->type);
        const clstm_tensor view = clstm_tensor_view(type, c->in[i].rank, dims, c->in[i].bytes);
        const int index = clstm_model_find_input(t->model, oracle_input_name(i));
        ck_assert_msg(index >= 0, "%s: the model has no input %s", c->name, oracle_input_name(i));
        if (clstm_session_set_input(t->session, (size_t)index, &view, &t->err) != CLSTM_OK)
            return false;
    }
    return true;
}

static bool run(trial *t, const oracle_case *c)
{
    t->stage = "input";
    if (!set_inputs(t, c))
        return false;
    t->stage = "run";
    if (clstm_session_run(t->session, &t->err) != CLSTM_OK)
        return false;
    t->stage = NULL;
    return true;
}

/* Everything from the bytes of the model to its answers. */
static bool attempt(trial *t, const oracle_case *c)
{
    clstm_session_options options;
    if (!load(t, c))
        return false;
    t->stage = "session";
    clstm_session_options_default(&options);
    options.onnxruntime_semantics = c->onnxruntime_semantics;
    if (clstm_session_create(t->model, &options, &t->session, &t->err) != CLSTM_OK)
        return false;
    return run(t, c);
}

static void expect_values(const trial *t, const oracle_case *c, double tolerance)
{
    ck_assert_msg(t->stage == NULL, "%s: %s: %s", c->name, t->stage, t->err.message);
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        const case_tensor *want = &c->out[k];
        if (!want->present)
            continue;
        const int index = clstm_model_find_output(t->model, oracle_output_name(k));
        ck_assert_int_ge(index, 0);
        const clstm_value *v = clstm_session_output(t->session, (size_t)index);
        ck_assert_ptr_nonnull(v);
        ck_assert_int_eq(v->tensor.type, oracle_type_onnx(c->type));
        ck_assert_int_eq(v->tensor.rank, want->rank);
        for (int i = 0; i < want->rank; i++)
            ck_assert_int_eq(v->tensor.dims[i], (int64_t)want->dims[i]);
        for (size_t i = 0; i < want->count; i++) {
            long double got;
            oracle_decode(c->type, (const char *)v->tensor.data + i * oracle_type_size(c->type), 1, &got);
            ck_assert_msg(fabsl(got - want->v[i]) <= (long double)tolerance, "%s: %s element %zu is %.10Lg, expected %.10Lg", c->name,
                          oracle_output_name(k), i, got, want->v[i]);
        }
    }
}

/* The first hand-derived case of a row, to be spoilt. */
static const hand_case *first_of(int row)
{
    for (size_t i = 0; i < hand_case_count; i++)
        if (hand_cases[i].row == row)
            return &hand_cases[i];
    ck_abort_msg("no case of row %d", row);
    return NULL;
}

static void make(oracle_case *c, const hand_case *h)
{
    const char *why = hand_case_make(c, h);
    ck_assert_msg(why == NULL, "%s", why);
}

static void expect_refusal(const oracle_case *c, bool while_loading, const char *word)
{
    trial t;
    ck_assert_msg(!attempt(&t, c), "%s is accepted", c->name);
    ck_assert_msg(!while_loading || strcmp(t.stage, "load") == 0, "%s: refused at %s only: %s", c->name, t.stage, t.err.message);
    ck_assert_msg(t.err.status != CLSTM_INTERNAL && t.err.status != CLSTM_OK, "%s: status %d", c->name, (int)t.err.status);
    ck_assert_msg(strstr(t.err.message, word) != NULL, "%s: \"%s\" does not name %s", c->name, t.err.message, word);
    trial_free(&t);
}

START_TEST(by_hand)
{
    oracle_case c;
    trial t;
    make(&c, &hand_cases[_i]);
    (void)attempt(&t, &c);
    expect_values(&t, &c, hand_cases[_i].tolerance);
    trial_free(&t);
    oracle_case_free(&c);
}
END_TEST

START_TEST(activation_counts_are_checked)
{
    static const struct { oracle_op op; oracle_direction direction; size_t count; } rows[] = {
        {ORACLE_LSTM, ORACLE_FORWARD, 2}, {ORACLE_LSTM, ORACLE_BIDIRECTIONAL, 3}, {ORACLE_GRU, ORACLE_FORWARD, 1}, {ORACLE_GRU, ORACLE_REVERSE, 4},
        {ORACLE_RNN, ORACLE_BIDIRECTIONAL, 1}, {ORACLE_RNN, ORACLE_FORWARD, 3}, {ORACLE_LSTM, ORACLE_FORWARD, 6}};
    static const double zeros[64] = {0};
    hand_case h = {.row = 9, .what = "wrong count", .op = rows[_i].op, .direction = rows[_i].direction, .T = 1, .B = 1, .I = 1, .H = 1, .X = zeros,
                   .W = zeros, .R = zeros, .Y_h = zeros};
    oracle_case c;
    for (size_t i = 0; i < rows[_i].count; i++)
        h.activations[i] = "Tanh";
    make(&c, &h);
    expect_refusal(&c, true, "activations");
    oracle_case_free(&c);
}
END_TEST

START_TEST(unknown_activation_is_refused)
{
    hand_case h = *first_of(10);
    oracle_case c;
    h.activations[0] = "Gelu";
    make(&c, &h);
    expect_refusal(&c, true, "Gelu");
    oracle_case_free(&c);
}
END_TEST

START_TEST(left_over_values_warn)
{
    static const struct { const char *function; size_t alpha, beta; const char *word; } rows[] = {
        {"Tanh", 1, 0, "activation_alpha"}, {"LeakyRelu", 2, 0, "activation_alpha"}, {"LeakyRelu", 1, 1, "activation_beta"}};
    hand_case h = *first_of(6);
    oracle_case c;
    trial t;
    h.activations[0] = rows[_i].function;
    h.alpha_count = rows[_i].alpha;
    h.beta_count = rows[_i].beta;
    make(&c, &h);
    ck_assert_msg(attempt(&t, &c), "%s: %s", t.stage, t.err.message);
    ck_assert_int_ge(t.warnings, 1);
    ck_assert_msg(strstr(t.warning, rows[_i].word) != NULL, "\"%s\" does not name %s", t.warning, rows[_i].word);
    trial_free(&t);
    oracle_case_free(&c);
}
END_TEST

/* What a later operator set means is not known: a warning, and the newest known reading. */
START_TEST(later_operator_sets_warn)
{
    oracle_case c;
    trial t;
    make(&c, first_of(1));
    c.opset = _i == 0 ? 28 : 29;
    (void)attempt(&t, &c);
    expect_values(&t, &c, 0);
    ck_assert_int_eq(t.warnings, _i);
    ck_assert_msg(_i == 0 || strstr(t.warning, "29 is newer") != NULL, "\"%s\" does not name the version", t.warning);
    trial_free(&t);
    oracle_case_free(&c);
}
END_TEST

/* Bit k of the index asks for output k, bit 3 for empty names at the end. */
START_TEST(any_subset_of_outputs)
{
    hand_case h = *first_of(1);
    oracle_case c;
    trial t;
    h.Y = (_i & 1) != 0 ? h.Y : NULL;
    h.Y_h = (_i & 2) != 0 ? h.Y_h : NULL;
    h.Y_c = (_i & 4) != 0 ? h.Y_c : NULL;
    h.empty_tail = (_i & 8) != 0;
    make(&c, &h);
    (void)attempt(&t, &c);
    expect_values(&t, &c, 0);
    trial_free(&t);
    oracle_case_free(&c);
}
END_TEST

START_TEST(hidden_size_must_agree)
{
    oracle_case c;
    make(&c, first_of(5));
    c.H = 2; /* the weights have 1 */
    expect_refusal(&c, true, "hidden_size");
    oracle_case_free(&c);
}
END_TEST

/* The second run has other weights, the third the first ones again. */
START_TEST(run_time_weights_count_at_each_run)
{
    hand_case h = *first_of(6);
    oracle_case c, other;
    trial t;
    h.source = SOURCE_INPUT;
    make(&c, &h);
    h.W = (const double[]){2};
    h.R = (const double[]){1};
    h.Y = (const double[]){12, 10, 6}; /* 2x + h from the end */
    h.Y_h = (const double[]){12};
    make(&other, &h);
    ck_assert_msg(attempt(&t, &c), "%s: %s", t.stage, t.err.message);
    expect_values(&t, &c, 0);
    (void)run(&t, &other);
    expect_values(&t, &other, 0);
    (void)run(&t, &c);
    expect_values(&t, &c, 0);
    trial_free(&t);
    oracle_case_free(&c);
    oracle_case_free(&other);
}
END_TEST

/* A refused run leaves the session usable. */
START_TEST(lengths_out_of_range_refuse_the_run)
{
    static const int32_t bad[] = {-1, 4, INT32_MIN, INT32_MAX};
    oracle_case c;
    trial t;
    make(&c, first_of(7));
    int32_t *lens = c.in[IN_LENS].bytes;
    const int32_t good = lens[0];
    ck_assert_msg(attempt(&t, &c), "%s: %s", t.stage, t.err.message);
    lens[0] = bad[_i];
    ck_assert_msg(!run(&t, &c), "length %d is accepted", (int)bad[_i]);
    ck_assert_int_eq(t.err.status, CLSTM_BAD_ARGUMENT);
    ck_assert_msg(strstr(t.err.message, "sequence_lens") != NULL, "\"%s\" does not name sequence_lens", t.err.message);
    lens[0] = good;
    (void)run(&t, &c);
    expect_values(&t, &c, 0);
    trial_free(&t);
    oracle_case_free(&c);
}
END_TEST

START_TEST(constant_lengths)
{
    static const case_source sources[] = {SOURCE_INITIALIZER, SOURCE_CONSTANT, SOURCE_IDENTITY};
    oracle_case c;
    trial t;
    make(&c, first_of(7));
    c.symbolic = false;
    c.in[IN_LENS].source = sources[_i];
    (void)attempt(&t, &c);
    expect_values(&t, &c, 0);
    trial_free(&t);
    ((int32_t *)c.in[IN_LENS].bytes)[1] = 5;
    expect_refusal(&c, false, "sequence_lens");
    oracle_case_free(&c);
}
END_TEST

START_TEST(int64_lengths_are_refused_with_a_hint)
{
    oracle_case c;
    make(&c, first_of(7));
    c.lens_int64 = true;
    expect_refusal(&c, true, "Cast");
    oracle_case_free(&c);
}
END_TEST

START_TEST(no_hidden_unit_and_no_feature_are_refused)
{
    hand_case h = *first_of(6);
    oracle_case c;
    *(_i == 0 ? &h.H : &h.I) = 0;
    make(&c, &h);
    expect_refusal(&c, false, "");
    oracle_case_free(&c);
}
END_TEST

START_TEST(clip_must_be_positive)
{
    static const float bad[] = {0.0f, -0.0f, -1.0f, -INFINITY, NAN};
    oracle_case c;
    make(&c, first_of(11));
    c.clip = bad[_i];
    expect_refusal(&c, true, "clip");
    oracle_case_free(&c);
}
END_TEST

START_TEST(direction_is_one_of_three_words)
{
    static const char *const bad[] = {"Forward", "backward", "", "FORWARD", "bidirectiona", "forward "};
    hand_case h = *first_of(6);
    oracle_case c;
    h.direction_text = bad[_i];
    make(&c, &h);
    expect_refusal(&c, true, "direction");
    oracle_case_free(&c);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("rnn_semantics");
    static char names[24][16];
    for (int row = 1; row <= 23; row++) {
        int first = -1, end = 0;
        for (int i = 0; i < (int)hand_case_count; i++)
            if (hand_cases[i].row == row) {
                first = first < 0 ? i : first;
                end = i + 1;
            }
        snprintf(names[row], sizeof names[row], "row %d", row);
        if (first >= 0)
            unit_add_loop(s, names[row], by_hand, first, end);
    }
    unit_add_loop(s, "row 9: counts", activation_counts_are_checked, 0, 7);
    unit_add(s, "row 9: names", unknown_activation_is_refused);
    unit_add_loop(s, "row 9: left over", left_over_values_warn, 0, 3);
    unit_add_loop(s, "row 13: outputs", any_subset_of_outputs, 1, 8);
    unit_add_loop(s, "row 13: outputs, empty tail", any_subset_of_outputs, 9, 16);
    unit_add(s, "row 14: disagreement", hidden_size_must_agree);
    unit_add_loop(s, "row 15: later than known", later_operator_sets_warn, 0, 2);
    unit_add(s, "row 16: run-time weights", run_time_weights_count_at_each_run);
    unit_add_loop(s, "row 18: range", lengths_out_of_range_refuse_the_run, 0, 4);
    unit_add_loop(s, "row 18: constant", constant_lengths, 0, 3);
    unit_add(s, "row 18: int64", int64_lengths_are_refused_with_a_hint);
    unit_add_loop(s, "row 19: sizes of 0", no_hidden_unit_and_no_feature_are_refused, 0, 2);
    unit_add_loop(s, "row 20", clip_must_be_positive, 0, 5);
    unit_add_loop(s, "row 22: words", direction_is_one_of_three_words, 0, 6);
    return s;
}
