/* src/onnx on files that are no message, or too much of one: refused by a line that names it, on a 128 KiB stack. */
#include "unit_main.h"

#include "onnx_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static pbuf plain(const void *bytes, size_t n) {
    pbuf b = {0};
    pb_raw(&b, bytes, n);
    return b;
}

/* ---- not a message ------------------------------------------------------------------------------------------------------------- */

START_TEST(not_protobuf) {
    pb_refused((pbuf){0}, CLSTM_BAD_MODEL, "empty");
    pb_refused(plain("hello, world", 12), CLSTM_BAD_MODEL, "not a");
    pb_refused(plain("\x89PNG\r\n\x1a\n", 8), CLSTM_BAD_MODEL, "not a");
    pbuf zeros = {0};
    for (int i = 0; i < 100; i++) pb_raw(&zeros, "", 1);
    pb_refused(zeros, CLSTM_BAD_MODEL, "not a valid ONNX file");
    pb_refused(plain("\x08\x08", 2), CLSTM_BAD_MODEL, "no graph");
    pb_refused(plain("\x28\x08", 2), CLSTM_BAD_MODEL, "no ir_version");
}
END_TEST

START_TEST(truncated_everywhere) {
    pbuf b = pb_small_model();
    for (size_t n = 0; n < b.n; n++) {
        clstm_error err = pb_import(plain(b.data, n));
        ck_assert_msg(err.status == CLSTM_BAD_MODEL, "%zu of %zu bytes: %s", n, b.n, err.message);
    }
    ck_assert_int_eq(pb_import(b).status, CLSTM_OK);
}
END_TEST

/* Whatever one byte says: an answer, and no access outside (seen under sanitizers and valgrind). */
START_TEST(every_byte_changed) {
    static const unsigned char with[] = {0, 1, 2, 7, 8, 0x10, 0x7F, 0x80, 0xFF};
    pbuf b = pb_small_model();
    for (size_t i = 0; i < b.n; i++)
        for (size_t k = 0; k < sizeof with; k++) {
            unsigned char was = b.data[i];
            b.data[i] = with[k];
            pb_import(plain(b.data, b.n));
            b.data[i] = was;
        }
    pb_free(&b);
}
END_TEST

START_TEST(wire_format) {
    pbuf b = pb_small_model();
    pb_raw(&b, "\x0b\x0c", 2);
    pb_refused(b, CLSTM_BAD_MODEL, "a group in ModelProto");
    b = pb_small_model();
    pb_raw(&b, "\x03\x00", 2);
    pb_refused(b, CLSTM_BAD_MODEL, "ModelProto ends early or is malformed");
    b = pb_small_model();
    pb_raw(&b, "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
    pb_refused(b, CLSTM_BAD_MODEL, "malformed");
    b = pb_small_model();
    pb_raw(&b, "\xea\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    pb_refused(b, CLSTM_BAD_MODEL, "malformed");
    b = pb_small_model();
    pb_int(&b, F_MODEL_IR, 8);
    pb_refused(b, CLSTM_BAD_MODEL, "ir_version of ModelProto is given twice");
    b = pb_small_model();
    pb_msg(&b, F_MODEL_GRAPH, pb_graph());
    pb_refused(b, CLSTM_BAD_MODEL, "graph of ModelProto is given twice");
    b = pb_small_model();
    pb_text(&b, 5, "x");
    pb_refused(b, CLSTM_BAD_MODEL, "model_version of ModelProto");
    pbuf g = pb_graph(), v = {0}, t = {0};
    pb_text(&t, 4, "");
    pb_text(&t, 5, "");
    pb_msg(&v, 2, t);
    pb_msg(&g, F_GRAPH_INPUT, v);
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "map_type of TypeProto is given twice");
    pb_refused(pb_with_node(pb_node("Ad\xff", "", "x", "y")), CLSTM_BAD_MODEL, "op_type of NodeProto");
    pbuf n = pb_node("Neg", "", "x", "y");
    pb_bytes(&n, 2, "a\0b", 3);
    pb_refused(pb_with_node(n), CLSTM_BAD_MODEL, "output of NodeProto");
    static const char *const bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) pb_refused(pb_with_node(pb_node("Neg", bad[i], "x", "y")), CLSTM_BAD_MODEL, "not valid UTF-8");
    ck_assert_int_eq(pb_import(pb_with_node(pb_node("Neg", "\xe2\x82\xac \xf0\x9f\x98\x80", "x", "y"))).status, CLSTM_OK);
}
END_TEST

/* ---- too much of it -------------------------------------------------------------------------------------------------------------- */

/* A value whose type is a sequence of sequences ... `depth` deep. */
static pbuf nested_types(int depth) {
    pbuf type = {0};
    for (int i = 0; i < depth; i++) {
        pbuf sequence = {0}, outer = {0};
        pb_msg(&sequence, 1, type);
        pb_msg(&outer, 4, sequence);
        type = outer;
    }
    pbuf v = {0}, g = pb_graph();
    pb_text(&v, 1, "deep");
    pb_msg(&v, 2, type);
    pb_msg(&g, F_GRAPH_INPUT, v);
    return pb_model(g);
}

static pbuf nested_bodies(int depth) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "n", "x", "y"));
    for (int i = 0; i < depth; i++) {
        pbuf outer = pb_graph(), a = pb_attr("body", 5), n = pb_node("If", "if", "x", "y");
        pb_msg(&a, 6, g);
        pb_msg(&n, F_NODE_ATTR, a);
        pb_msg(&outer, F_GRAPH_NODE, n);
        g = outer;
    }
    return pb_model(g);
}

/* Functions that call one another, `depth` deep; each calls the next `wide` times. */
static pbuf nested_functions(int depth, int wide) {
    pbuf b = pb_with_node(pb_node("F0", "call", "x", "y"));
    for (int i = 0; i < depth; i++) {
        pbuf f = {0}, opset = {0};
        char name[16], callee[16], out[16];
        snprintf(name, sizeof name, "F%d", i);
        snprintf(callee, sizeof callee, i + 1 < depth ? "F%d" : "Neg", i + 1);
        pb_text(&f, 1, name);
        pb_text(&f, 4, "a");
        pb_text(&f, 5, "b0");
        for (int k = 0; k < wide; k++) {
            snprintf(out, sizeof out, "b%d", k);
            pb_msg(&f, 7, pb_node(callee, "c", "a", out));
        }
        pb_int(&opset, 2, 17);
        pb_msg(&f, 9, opset);
        pb_msg(&b, F_MODEL_FUNCTION, f);
    }
    return b;
}

static pbuf repeated(pbuf graph, unsigned field, int count) {
    for (int i = 0; i < count; i++) pb_bytes(&graph, field, "", 0);
    return pb_model(graph);
}

static void *deep(void *arg) {
    (void)arg;
    clstm_limits limits;
    clstm_limits_default(&limits);
    pbuf b = nested_types(5000);
    ck_assert_uint_gt(b.n, 30000);
    pb_refused(b, CLSTM_LIMIT, "limit message-depth");
    pb_refused(nested_bodies(2000), CLSTM_LIMIT, "limit ");
    pb_refused(nested_bodies((int)limits.value[CLSTM_LIMIT_SUBGRAPH_DEPTH] + 1), CLSTM_LIMIT, "limit subgraph-depth");
    ck_assert_int_eq(pb_import(nested_bodies((int)limits.value[CLSTM_LIMIT_SUBGRAPH_DEPTH])).status, CLSTM_OK);
    pb_refused(nested_functions((int)limits.value[CLSTM_LIMIT_FUNCTION_DEPTH] + 1, 1), CLSTM_LIMIT, "limit function-depth");
    clstm_error err = pb_import(nested_functions((int)limits.value[CLSTM_LIMIT_FUNCTION_DEPTH], 1));
    ck_assert_msg(err.status == CLSTM_OK, "%s", err.message);
    pb_refused(nested_functions(30, 2), CLSTM_LIMIT, "limit nodes");
    /* As deep as the limit lets through: model, graph, value and two messages for each type. */
    pb_refused(nested_types((int)(limits.value[CLSTM_LIMIT_MESSAGE_DEPTH] - 4) / 2), CLSTM_UNSUPPORTED, "sequences of sequences");
    return NULL;
}

START_TEST(deep_on_a_small_stack) { pb_small_stack(deep, NULL); }
END_TEST

static void *many(void *arg) {
    (void)arg;
    pb_refused(repeated(pb_graph(), F_GRAPH_INIT, 10000000), CLSTM_LIMIT, "limit tensors");
    pb_refused(repeated(pb_graph(), F_GRAPH_NODE, 1000000), CLSTM_LIMIT, "limit nodes");
    pb_refused(repeated(pb_graph(), F_GRAPH_OUTPUT, 5000000), CLSTM_LIMIT, "limit messages");
    pb_refused(repeated((pbuf){0}, 1, 5000000), CLSTM_LIMIT, "limit nodes");
    pbuf n = {0};
    for (int i = 0; i < 5000000; i++) pb_text(&n, 1, "");
    pb_refused(pb_with_node(n), CLSTM_LIMIT, "limit messages");
    /* Just below the limit: what protobuf-c makes of it has a budget. */
    n = (pbuf){0};
    for (int i = 0; i < 999900; i++) pb_bytes(&n, F_NODE_ATTR, "", 0);
    pb_refused(pb_with_node(n), CLSTM_LIMIT, "limit messages");
    return NULL;
}

/* 20 MB of empty tensors are 2.75 GB to protobuf-c; here no such file costs more than some times its size. */
START_TEST(amplification_is_bounded) {
    pb_small_stack(many, NULL);
    struct rusage usage;
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
#if !defined(CLSTM_SANITIZED)
    ck_assert_int_lt(usage.ru_maxrss, 400 * 1024);
#endif
}
END_TEST

START_TEST(limits_by_name) {
    static const struct { clstm_limit which; int64_t value; const char *name; } cases[] = {
        {CLSTM_LIMIT_FILE_BYTES, 20, "file-bytes"}, {CLSTM_LIMIT_MESSAGE_DEPTH, 3, "message-depth"}, {CLSTM_LIMIT_MESSAGES, 5, "messages"},
        {CLSTM_LIMIT_NODES, 0, "nodes"}, {CLSTM_LIMIT_TENSORS, 0, "tensors"}, {CLSTM_LIMIT_RANK, 0, "rank"},
        {CLSTM_LIMIT_ELEMENTS, 1, "elements"}, {CLSTM_LIMIT_STRING_BYTES, 2, "string-bytes"}};
    clstm_limits limits;
    char words[64];
    onnx_model m;
    clstm_limits_default(&limits);
    limits.value[cases[_i].which] = cases[_i].value;
    snprintf(words, sizeof words, "limit %s", cases[_i].name);
    pbuf b = pb_small_model();
    clstm_error err = pb_import_at(&b, NULL, NULL, &limits, &m);
    ck_assert_int_eq(err.status, CLSTM_LIMIT);
    ck_assert_msg(strstr(err.message, words) != NULL, "no \"%s\" in: %s", words, err.message);
    pb_free(&b);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("onnx, what is no message");
    unit_add(s, "not protobuf", not_protobuf);
    unit_add(s, "truncated everywhere", truncated_everywhere);
    unit_add(s, "every byte changed", every_byte_changed);
    unit_add(s, "wire format", wire_format);
    unit_add(s, "deep, on a small stack", deep_on_a_small_stack);
    unit_add(s, "amplification", amplification_is_bounded);
    unit_add_loop(s, "limits by name", limits_by_name, 0, 8);
    return s;
}
