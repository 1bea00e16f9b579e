/* Outputs in the caller's memory: what can be written there straight is, what cannot is copied, and what does not fit is refused.
 * tests/alloc/bound does the same for whole models. */
#include "model_text.h"
#include "unit_main.h"

#include <string.h>

enum { N = 6 };

static const float ramp[N] = {1, -2, 3, -4, 5, -6};

static clstm_status run(model_text *t, int64_t rows, const float *x) {
    clstm_tensor view = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){rows, 2}, (void *)(uintptr_t)x);
    clstm_status s = clstm_session_set_input(t->session, 0, &view, &t->err);
    return s == CLSTM_OK ? clstm_session_run(t->session, &t->err) : s;
}

static void bind(model_text *t, size_t i, void *data, size_t size) { ck_assert_int_eq(clstm_session_bind_output(t->session, i, data, size, &t->err), CLSTM_OK); }

static const void *data_of(const model_text *t, size_t i) { return clstm_session_output(t->session, i)->tensor.data; }

/* Every way in which an output comes about: made by the last node or read by another one too, by a node in place, as a view, twice,
 * a constant, an input, of a shape that only the run knows. Both outputs are bound. */
static const struct { const char *outputs, *nodes; float first[N], second[N]; } ways[] = {
    {"y:f z:f", "Neg x > y; Abs y > z", {-1, 2, -3, 4, -5, 6}, {1, 2, 3, 4, 5, 6}},
    {"y:f z:f", "Neg x > a; Abs a > y; Neg a > z", {1, 2, 3, 4, 5, 6}, {1, -2, 3, -4, 5, -6}},
    {"y:f z:f", "s = i[1] -1; Neg x > y; Reshape y,s > z", {-1, 2, -3, 4, -5, 6}, {-1, 2, -3, 4, -5, 6}},
    {"y:f z:f", "Abs x > y; Identity y > z", {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}},
    {"y:f z:f", "Identity x > y; c = f[3,2] 6,5,4,3,2,1; Identity c > z", {1, -2, 3, -4, 5, -6}, {6, 5, 4, 3, 2, 1}},
    {"y:f z:f", "k = b[3] 1,1,1; Compress x,k > y axis=0; Relu y > z", {1, -2, 3, -4, 5, -6}, {1, 0, 3, 0, 5, 0}},
};

START_TEST(the_answer_lies_where_it_was_bound)
{
    model_text t = model_text_load(model_text_graph("x:f[?,2]", ways[_i].outputs, ways[_i].nodes, NULL), NULL);
    float y[N + 2], z[N + 2];
    for (int k = 0; k < N + 2; k++) y[k] = z[k] = 99;
    bind(&t, 0, y + 1, N * sizeof *y);
    bind(&t, 1, z + 1, N * sizeof *z);
    for (int twice = 0; twice < 2; twice++) {
        ck_assert_msg(run(&t, 3, ramp) == CLSTM_OK, "%s", t.err.message);
        ck_assert_ptr_eq(data_of(&t, 0), y + 1);
        ck_assert_ptr_eq(data_of(&t, 1), z + 1);
        ck_assert_mem_eq(y + 1, ways[_i].first, sizeof ways[_i].first);
        ck_assert_mem_eq(z + 1, ways[_i].second, sizeof ways[_i].second);
        ck_assert(y[0] == 99 && y[N + 1] == 99 && z[0] == 99 && z[N + 1] == 99);
        memset(y + 1, 0, N * sizeof *y);
        memset(z + 1, 0, N * sizeof *z);
    }
    model_text_done(&t);
}
END_TEST

START_TEST(taken_back_the_memory_is_left_alone)
{
    model_text t = model_text_load(model_text_graph("x:f[?,2]", "y:f", "Neg x > y", NULL), NULL);
    float y[N] = {0}, other[N] = {0};
    bind(&t, 0, y, sizeof y);
    ck_assert_int_eq(run(&t, 3, ramp), CLSTM_OK);
    bind(&t, 0, other, sizeof other);                   /* the last one counts */
    memset(y, 0, sizeof y);
    ck_assert_int_eq(run(&t, 3, ramp), CLSTM_OK);
    ck_assert(y[0] == 0 && other[0] == -1);
    bind(&t, 0, NULL, 0);
    memset(other, 0, sizeof other);
    ck_assert_int_eq(run(&t, 3, ramp), CLSTM_OK);
    ck_assert(other[0] == 0);
    ck_assert(((const float *)data_of(&t, 0))[5] == 6);
    model_text_done(&t);
}
END_TEST

/* The binding holds for every plan of the session, and size is that of the largest. */
START_TEST(other_shapes_go_to_the_same_memory)
{
    model_text t = model_text_load(model_text_graph("x:f[?,2]", "y:f", "Neg x > y", NULL), NULL);
    float y[N];
    bind(&t, 0, y, sizeof y);
    for (int64_t rows = 3; rows > 0; rows--)
        for (int twice = 0; twice < 2; twice++) {
            memset(y, 0, sizeof y);
            ck_assert_int_eq(run(&t, rows, ramp), CLSTM_OK);
            ck_assert_ptr_eq(data_of(&t, 0), y);
            for (int k = 0; k < N; k++) ck_assert(y[k] == (k < 2 * rows ? -ramp[k] : 0));
            clstm_tensor wide = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){3, 2}, (void *)(uintptr_t)ramp);
            ck_assert_int_eq(clstm_session_set_input(t.session, 0, &wide, &t.err), CLSTM_OK);
            ck_assert_int_eq(clstm_session_prepare(t.session, &t.err), CLSTM_OK);       /* another plan comes in between */
        }
    model_text_done(&t);
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    static const char *const nodes[] = {"Neg x > y", "Identity x > y", "k = b[3] 1,1,1; Compress x,k > y axis=0"};
    for (int i = 0; i < 3; i++) {
        model_text t = model_text_load(model_text_graph("x:f[?,2]", "y:f", nodes[i], NULL), NULL);
        float y[N] = {0};
        bind(&t, 0, y, sizeof y - 1);
        ck_assert_int_eq(run(&t, 3, ramp), CLSTM_BAD_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(t.err.message, "output \"y\": 24 bytes, bound to memory of 23"));
        ck_assert(y[0] == 0);
        ck_assert_ptr_null(clstm_session_output(t.session, 0));
        bind(&t, 0, y, sizeof y);
        ck_assert_int_eq(run(&t, 3, ramp), CLSTM_OK);
        ck_assert(y[0] != 0);
        model_text_done(&t);
    }
}
END_TEST

START_TEST(only_tensors_that_are_there_can_be_bound)
{
    model_text t = model_text_load(model_text_graph("x:f[?,2]", "y:f", "Neg x > y", NULL), NULL);
    float y[N];
    ck_assert_int_eq(clstm_session_bind_output(t.session, 1, y, sizeof y, &t.err), CLSTM_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(t.err.message, "no output 1 (the model has 1)"));
    model_text_done(&t);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("outputs");
    unit_add_loop(s, "the answer lies where it was bound", the_answer_lies_where_it_was_bound, 0, sizeof ways / sizeof *ways);
    unit_add(s, "taken back the memory is left alone", taken_back_the_memory_is_left_alone);
    unit_add(s, "other shapes go to the same memory", other_shapes_go_to_the_same_memory);
    unit_add(s, "what does not fit is refused", what_does_not_fit_is_refused);
    unit_add(s, "only tensors that are there can be bound", only_tensors_that_are_there_can_be_bound);
    return s;
}
