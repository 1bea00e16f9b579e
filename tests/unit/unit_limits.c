/* The limits of clstm_limits, one by one, over one model that comes near each of them: at its own count the model loads and runs, one
 * below it is refused by the limit's own check, which says its name. All on a 128 KiB stack. */
#include "unit_main.h"

#include "model_text.h"

#include <stdio.h>
#include <string.h>

/* y = F(w + the sum over three turns of v = v + v), with F(a) = G(a), G(a) = -a. */
static pbuf model(void) {
    pbuf body = model_text_graph("i:i[] go:b[] v:f[2,2]", "on:b[] u:f[2,2]", "Identity go > on; Add v,v > u", NULL);
    pbuf g = model_text_graph("x:f[2,2]", "y:f[2,2]", "m = i[] 3; w = f[2,2] 1,2,3,4; Loop m,,x > l body=@0; Add l,w > s; F s > y", &body);
    pbuf b = pb_model(g);
    for (int i = 0; i < 2; i++) {
        pbuf f = {0}, opset = {0};
        pb_text(&f, 1, i ? "G" : "F");
        pb_text(&f, 4, "a");
        pb_text(&f, 5, "b");
        pb_msg(&f, 7, pb_node(i ? "Neg" : "G", "a_longer_name", "a", "b"));
        pb_int(&opset, 2, 17);
        pb_msg(&f, 9, opset);
        pb_msg(&b, F_MODEL_FUNCTION, f);
    }
    return b;
}

static clstm_status load_and_run(const pbuf *b, const clstm_limits *limits, clstm_error *err) {
    float x[4] = {1, 2, 3, 4};
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 2, (const int64_t[]){2, 2}, x);
    clstm_model_options options = {.limits = limits};
    clstm_model *m = NULL;
    clstm_session *s = NULL;
    clstm_status status = clstm_model_load_memory(b->data, b->n, NULL, &options, &m, err);
    if (status == CLSTM_OK) status = clstm_session_create(m, NULL, &s, err);
    if (status == CLSTM_OK) status = clstm_session_set_input(s, 0, &t, err);
    if (status == CLSTM_OK) status = clstm_session_run(s, err);
    if (status == CLSTM_OK) ck_assert(((const float *)clstm_session_output(s, 0)->tensor.data)[3] == -(8 * 4 + 4));
    clstm_session_destroy(s);
    clstm_model_destroy(m);
    return status;
}

/* What the model has of each, counted by hand; 0: told by the model itself. */
static const int64_t counts[CLSTM_LIMIT_COUNT] = {
    [CLSTM_LIMIT_MESSAGE_DEPTH] = 10,       /* model, graph, node, attribute, graph, value, type, tensor type, shape, dimension */
    [CLSTM_LIMIT_NODES] = 7,                /* Loop, Add, F; two in the body; G and Neg behind the calls */
    [CLSTM_LIMIT_TENSORS] = 2,              /* m, w */
    [CLSTM_LIMIT_RANK] = 2, [CLSTM_LIMIT_ELEMENTS] = 4, [CLSTM_LIMIT_STRING_BYTES] = 13, [CLSTM_LIMIT_SUBGRAPH_DEPTH] = 1,
    [CLSTM_LIMIT_FUNCTION_DEPTH] = 2, [CLSTM_LIMIT_LOOP_TRIPS] = 3};

static int which;

static void *at_the_limit(void *arg) {
    pbuf b = model();
    clstm_limits limits;
    clstm_error err = {0};
    char words[64];
    const char *name, *help;
    int64_t value, first = which == CLSTM_LIMIT_LOOP_TRIPS ? 1 : 0, at = first;
    (void)arg;
    ck_assert(clstm_limit_describe(which, &name, &value, &help));
    clstm_limits_default(&limits);
    ck_assert_int_eq(limits.value[which], value);
    snprintf(words, sizeof words, "limit %s", name);
    for (;; at++) {
        ck_assert_int_eq(clstm_limits_set(&limits, name, at, &err), CLSTM_OK);
        clstm_status status = load_and_run(&b, &limits, &err);
        if (status == CLSTM_OK) break;
        ck_assert_msg(status == CLSTM_LIMIT, "%s at %lld: %s", name, (long long)at, err.message);
        ck_assert_msg(strstr(err.message, words) != NULL, "%s at %lld: no \"%s\" in: %s", name, (long long)at, words, err.message);
    }
    ck_assert_int_gt(at, first);
    if (counts[which]) ck_assert_msg(at == counts[which], "%s: %lld instead of %lld", name, (long long)at, (long long)counts[which]);
    if (which == CLSTM_LIMIT_FILE_BYTES) ck_assert_uint_ge((size_t)at, b.n);     /* calls of functions multiply the file's bytes */
    pb_free(&b);
    return NULL;
}

START_TEST(each_limit) {
    which = _i;
    if (which == CLSTM_LIMIT_RUN_MILLISECONDS) return;      /* unit_ops_control waits for it */
    pb_small_stack(at_the_limit, NULL);
}
END_TEST

/* Not only by name: what stands in a struct that the caller filled is looked at as well. */
START_TEST(values) {
    clstm_limits limits;
    clstm_error err;
    clstm_model *m;
    clstm_session *s;
    clstm_limits_default(&limits);
    ck_assert_int_eq(clstm_limits_set(&limits, "nodes", -1, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_int_eq(clstm_limits_set(&limits, "rank", CLSTM_MAX_RANK + 1, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_int_eq(clstm_limits_set(&limits, "elements", ((int64_t)1 << 32) + 1, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_int_eq(clstm_limits_set(&limits, "a\nb", 1, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_str_eq(err.message, "there is no limit \"a\\x0ab\"");
    pbuf b = model();
    clstm_model_options options = {.limits = &limits};
    ck_assert_int_eq(clstm_model_load_memory(b.data, b.n, NULL, &options, &m, &err), CLSTM_OK);
    limits.value[CLSTM_LIMIT_ELEMENTS] = INT64_MAX;
    clstm_session_options run;
    clstm_session_options_default(&run);
    run.limits = &limits;
    ck_assert_int_eq(clstm_session_create(m, &run, &s, &err), CLSTM_BAD_ARGUMENT);
    clstm_model_destroy(m);
    limits.value[CLSTM_LIMIT_ELEMENTS] = -1;
    ck_assert_int_eq(clstm_model_load_memory(b.data, b.n, NULL, &options, &m, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "limit elements"));
    pb_free(&b);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("limits");
    unit_add_loop(s, "each limit, at it and below", each_limit, 0, CLSTM_LIMIT_COUNT);
    unit_add(s, "values", values);
    return s;
}
