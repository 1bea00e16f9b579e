/* src/onnx on what is wrong: every kind of malformed or hostile file is refused by a line that names it, on a 128 KiB stack. */
#include "unit_main.h"

#include "onnx_build.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static pbuf small_model(void) {
    pbuf g = pb_graph(), t = pb_tensor("w", CLSTM_FLOAT, "2"), n = pb_node("Add", "add", "x,w", "y"), a = pb_attr("axis", 2);
    const float f[2] = {1, 2};
    pb_bytes(&t, 9, f, sizeof f);
    pb_int(&a, 3, 1);
    pb_msg(&n, F_NODE_ATTR, a);
    pb_msg(&g, F_GRAPH_INIT, t);
    pb_msg(&g, F_GRAPH_NODE, n);
    return pb_model(g);
}

/* Imports and expects the failure, with `words` in its message. */
static void refused(pbuf b, clstm_status status, const char *words) {
    clstm_error err = pb_import(b);
    ck_assert_msg(err.status == status, "%s instead of %s: %s", clstm_status_name(err.status), clstm_status_name(status), err.message);
    ck_assert_msg(strstr(err.message, words) != NULL, "no \"%s\" in: %s", words, err.message);
}

static pbuf with_node(pbuf node) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, node);
    return pb_model(g);
}

static pbuf with_tensor(pbuf tensor) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, tensor);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Add", "add", "x,w", "y"));
    return pb_model(g);
}

static pbuf with_attr(pbuf attr) {
    pbuf n = pb_node("Any", "n", "x", "y");
    pb_msg(&n, F_NODE_ATTR, attr);
    return with_node(n);
}

static pbuf plain(const void *bytes, size_t n) {
    pbuf b = {0};
    pb_raw(&b, bytes, n);
    return b;
}

/* ---- not a message ------------------------------------------------------------------------------------------------------------- */

START_TEST(not_protobuf) {
    refused((pbuf){0}, CLSTM_BAD_MODEL, "empty");
    refused(plain("hello, world", 12), CLSTM_BAD_MODEL, "not a");
    refused(plain("\x89PNG\r\n\x1a\n", 8), CLSTM_BAD_MODEL, "not a");
    pbuf zeros = {0};
    for (int i = 0; i < 100; i++) pb_raw(&zeros, "", 1);
    refused(zeros, CLSTM_BAD_MODEL, "not a valid ONNX file");
    refused(plain("\x08\x08", 2), CLSTM_BAD_MODEL, "no graph");
    refused(plain("\x28\x08", 2), CLSTM_BAD_MODEL, "no ir_version");
}
END_TEST

START_TEST(truncated_everywhere) {
    pbuf b = small_model();
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
    pbuf b = small_model();
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
    pbuf b = small_model();
    pb_raw(&b, "\x0b\x0c", 2);
    refused(b, CLSTM_BAD_MODEL, "a group in ModelProto");
    b = small_model();
    pb_raw(&b, "\x03\x00", 2);
    refused(b, CLSTM_BAD_MODEL, "ModelProto ends early or is malformed");
    b = small_model();
    pb_raw(&b, "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11);
    refused(b, CLSTM_BAD_MODEL, "malformed");
    b = small_model();
    pb_raw(&b, "\xea\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12);
    refused(b, CLSTM_BAD_MODEL, "malformed");
    b = small_model();
    pb_int(&b, F_MODEL_IR, 8);
    refused(b, CLSTM_BAD_MODEL, "ir_version of ModelProto is given twice");
    b = small_model();
    pb_msg(&b, F_MODEL_GRAPH, pb_graph());
    refused(b, CLSTM_BAD_MODEL, "graph of ModelProto is given twice");
    b = small_model();
    pb_text(&b, 5, "x");
    refused(b, CLSTM_BAD_MODEL, "model_version of ModelProto");
    pbuf g = pb_graph(), v = {0}, t = {0};
    pb_text(&t, 4, "");
    pb_text(&t, 5, "");
    pb_msg(&v, 2, t);
    pb_msg(&g, F_GRAPH_INPUT, v);
    refused(pb_model(g), CLSTM_BAD_MODEL, "map_type of TypeProto is given twice");
    refused(with_node(pb_node("Ad\xff", "", "x", "y")), CLSTM_BAD_MODEL, "op_type of NodeProto");
    pbuf n = pb_node("Neg", "", "x", "y");
    pb_bytes(&n, 2, "a\0b", 3);
    refused(with_node(n), CLSTM_BAD_MODEL, "output of NodeProto");
    static const char *const bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xf8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refused(with_node(pb_node("Neg", bad[i], "x", "y")), CLSTM_BAD_MODEL, "not valid UTF-8");
    ck_assert_int_eq(pb_import(with_node(pb_node("Neg", "\xe2\x82\xac \xf0\x9f\x98\x80", "x", "y"))).status, CLSTM_OK);
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
    pbuf b = with_node(pb_node("F0", "call", "x", "y"));
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
    refused(b, CLSTM_LIMIT, "limit message-depth");
    refused(nested_bodies(2000), CLSTM_LIMIT, "limit ");
    refused(nested_bodies((int)limits.value[CLSTM_LIMIT_SUBGRAPH_DEPTH] + 1), CLSTM_LIMIT, "limit subgraph-depth");
    ck_assert_int_eq(pb_import(nested_bodies((int)limits.value[CLSTM_LIMIT_SUBGRAPH_DEPTH])).status, CLSTM_OK);
    refused(nested_functions((int)limits.value[CLSTM_LIMIT_FUNCTION_DEPTH] + 1, 1), CLSTM_LIMIT, "limit function-depth");
    clstm_error err = pb_import(nested_functions((int)limits.value[CLSTM_LIMIT_FUNCTION_DEPTH], 1));
    ck_assert_msg(err.status == CLSTM_OK, "%s", err.message);
    refused(nested_functions(30, 2), CLSTM_LIMIT, "limit nodes");
    /* As deep as the limit lets through: model, graph, value and two messages for each type. */
    refused(nested_types((int)(limits.value[CLSTM_LIMIT_MESSAGE_DEPTH] - 4) / 2), CLSTM_UNSUPPORTED, "sequences of sequences");
    return NULL;
}

START_TEST(deep_on_a_small_stack) { pb_small_stack(deep, NULL); }
END_TEST

static void *many(void *arg) {
    (void)arg;
    refused(repeated(pb_graph(), F_GRAPH_INIT, 10000000), CLSTM_LIMIT, "limit tensors");
    refused(repeated(pb_graph(), F_GRAPH_NODE, 1000000), CLSTM_LIMIT, "limit nodes");
    refused(repeated(pb_graph(), F_GRAPH_OUTPUT, 5000000), CLSTM_LIMIT, "limit messages");
    refused(repeated((pbuf){0}, 1, 5000000), CLSTM_LIMIT, "limit nodes");
    pbuf n = {0};
    for (int i = 0; i < 5000000; i++) pb_text(&n, 1, "");
    refused(with_node(n), CLSTM_LIMIT, "limit messages");
    /* Just below the limit: what protobuf-c makes of it has a budget. */
    n = (pbuf){0};
    for (int i = 0; i < 999900; i++) pb_bytes(&n, F_NODE_ATTR, "", 0);
    refused(with_node(n), CLSTM_LIMIT, "limit messages");
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
    pbuf b = small_model();
    clstm_error err = pb_import_at(&b, NULL, NULL, &limits, &m);
    ck_assert_int_eq(err.status, CLSTM_LIMIT);
    ck_assert_msg(strstr(err.message, words) != NULL, "no \"%s\" in: %s", words, err.message);
    pb_free(&b);
}
END_TEST

/* ---- models that break the standard, or ask for what is not there ------------------------------------------------------------------ */

START_TEST(operators) {
    pbuf n = pb_node("Frobnicate", "foo", "x", "y");
    refused(with_node(n), CLSTM_UNSUPPORTED, "node 0 \"foo\" (Frobnicate): operator Frobnicate is not supported");
    n = pb_node("Old", "foo", "x", "y");
    refused(with_node(n), CLSTM_UNSUPPORTED, "node 0 \"foo\" (Old): operator Old is not supported at opset 17");
    n = pb_node("Frobnicate", "foo", "x", "y");
    pb_text(&n, F_NODE_DOMAIN, "com.x");
    refused(with_node(n), CLSTM_BAD_MODEL, "domain \"com.x\" is used but not imported");
    n = pb_node("Neg", "foo", "x", "y");
    pb_text(&n, F_NODE_DOMAIN, "com.x");
    pbuf b = with_node(n), opset = {0};
    pb_text(&opset, 1, "com.x");
    pb_int(&opset, 2, 1);
    pb_msg(&b, F_MODEL_OPSET, opset);
    refused(b, CLSTM_UNSUPPORTED, "operator Neg of domain \"com.x\" is not supported");
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "", "x", "y"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("Frobnicate", "unused", "x", "z"));
    refused(pb_model(g), CLSTM_UNSUPPORTED, "node 1 \"unused\" (Frobnicate)");
    refused(with_node(pb_node("", "foo", "x", "y")), CLSTM_BAD_MODEL, "has no operator");
    refused(with_node(pb_node("Neg", "evil\n\x1b[31m", "zz\"", "y")), CLSTM_BAD_MODEL, "node 0 \"evil\\x0a\\x1b[31m\" (Neg): input 0: \"zz\\x22\" is not defined");
}
END_TEST

START_TEST(names) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "a", "x", "y"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "b", "x", "y"));
    refused(pb_model(g), CLSTM_BAD_MODEL, "\"y\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "a", "x", "x"));
    refused(pb_model(g), CLSTM_BAD_MODEL, "\"x\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_INPUT, pb_port("x", NULL));
    refused(pb_model(g), CLSTM_BAD_MODEL, "\"x\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "a", "x", "w"));
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("w", CLSTM_FLOAT, "0"));
    refused(pb_model(g), CLSTM_BAD_MODEL, "\"w\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("w", CLSTM_FLOAT, "0"));
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("w", CLSTM_FLOAT, "0"));
    refused(pb_model(g), CLSTM_BAD_MODEL, "initialiser \"w\" is given twice");
    refused(pb_model(pb_graph()), CLSTM_BAD_MODEL, "output 0 \"y\": \"y\" is not defined");
    refused(with_node(pb_node("Neg", "a", "y", "y")), CLSTM_BAD_MODEL, "depends on its own output");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("", CLSTM_FLOAT, "0"));
    refused(pb_model(g), CLSTM_BAD_MODEL, "has no name");
}
END_TEST

START_TEST(tensors) {
    const float f[3] = {1, 2, 3};
    pbuf t = pb_tensor("w", CLSTM_FLOAT, "2");
    pb_bytes(&t, 9, f, 12);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "initialiser \"w\": holds 12 bytes of elements, shape [2] of type float needs 8");
    refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "2")), CLSTM_BAD_MODEL, "holds 0 bytes");
    t = pb_tensor("w", CLSTM_FLOAT, "0");
    pb_bytes(&t, 9, f, 4);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "needs 0");
    refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "-2")), CLSTM_BAD_MODEL, "dimension 0 is negative (-2)");
    refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "1,1,1,1,1,1,1,1,1")), CLSTM_LIMIT, "limit rank");
    refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "4611686018427387904,4611686018427387904")), CLSTM_LIMIT, "limit elements");
    refused(with_tensor(pb_tensor("w", 0, "1")), CLSTM_BAD_MODEL, "element type 0 does not exist");
    refused(with_tensor(pb_tensor("w", 77, "1")), CLSTM_BAD_MODEL, "element type 77 does not exist");
    refused(with_tensor(pb_tensor("w", 17, "1")), CLSTM_UNSUPPORTED, "element type float8e4m3fn is not supported");
    refused(with_tensor(pb_tensor("w", 22, "1")), CLSTM_UNSUPPORTED, "element type int4 is not supported");
    t = pb_tensor("w", CLSTM_STRING, "1");
    pb_text(&t, 6, "hello");
    refused(with_tensor(t), CLSTM_UNSUPPORTED, "\"w\": element type string is not supported");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_float(&t, 4, 1);
    pb_bytes(&t, 9, f, 4);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "more than one field");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_int(&t, 5, 1);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "not for type float");
    t = pb_tensor("w", CLSTM_UINT8, "2");
    pb_int(&t, 5, 1);
    pb_int(&t, 5, 256);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "element 1 does not fit type uint8");
    t = pb_tensor("w", CLSTM_INT64, "2");
    pb_bytes(&t, 7, "\1\x80", 2);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "malformed");
    t = pb_tensor("w", CLSTM_INT64, "1");
    pb_bytes(&t, 7, "\1\2\3", 3);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "needs 8");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_bytes(&t, 4, f, 3);
    refused(with_tensor(t), CLSTM_BAD_MODEL, "malformed");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_bytes(&t, 9, f, 4);
    pb_bytes(&t, 3, "", 0);
    refused(with_tensor(t), CLSTM_UNSUPPORTED, "segments");
    /* Only who uses a string fails. */
    pbuf g = pb_graph();
    t = pb_tensor("text", CLSTM_STRING, "1");
    pb_text(&t, 6, "hello");
    pb_msg(&g, F_GRAPH_INIT, t);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "", "x", "y"));
    ck_assert_int_eq(pb_import(pb_model(g)).status, CLSTM_OK);
}
END_TEST

static pbuf sparse(const char *dims, int64_t first, int64_t second) {
    const float f[2] = {5, 7};
    const int64_t at[2] = {first, second};
    pbuf s = {0}, v = pb_tensor("w", CLSTM_FLOAT, "2"), i = pb_tensor("", CLSTM_INT64, "2"), g = pb_graph();
    pb_bytes(&v, 9, f, sizeof f);
    pb_bytes(&i, 9, at, sizeof at);
    pb_msg(&s, 1, v);
    pb_msg(&s, 2, i);
    for (const char *d = dims; *d;) {
        char *end;
        pb_int(&s, 3, strtoll(d, &end, 10));
        d = *end ? end + 1 : end;
    }
    pb_msg(&g, F_GRAPH_SPARSE, s);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Add", "add", "x,w", "y"));
    return pb_model(g);
}

START_TEST(sparse_tensors) {
    ck_assert_int_eq(pb_import(sparse("2,3", 0, 5)).status, CLSTM_OK);
    refused(sparse("2,3", 0, 6), CLSTM_BAD_MODEL, "initialiser \"w\": index 1 lies outside");
    refused(sparse("2,3", -1, 5), CLSTM_BAD_MODEL, "index 0 lies outside");
    refused(sparse("2,3", 4, 4), CLSTM_BAD_MODEL, "index 1 is not greater");
    refused(sparse("100000,100000", 4, 5), CLSTM_LIMIT, "limit elements");
    refused(sparse("2,-3", 4, 5), CLSTM_BAD_MODEL, "negative");
    pbuf g = pb_graph();
    pb_bytes(&g, F_GRAPH_SPARSE, "", 0);
    refused(pb_model(g), CLSTM_BAD_MODEL, "initialiser \"\"");
}
END_TEST

START_TEST(attributes) {
    refused(with_attr(pb_attr("what", 2)), CLSTM_UNSUPPORTED, "node 0 \"n\" (Any): attribute what is not supported");
    pbuf a = pb_attr("axis", 1);
    refused(with_attr(a), CLSTM_BAD_MODEL, "attribute axis has the wrong type");
    a = pb_attr("axis", 2);
    pb_float(&a, 2, 1);
    refused(with_attr(a), CLSTM_BAD_MODEL, "node 0 \"n\" (Any): attribute axis: is declared as int and holds float");
    a = pb_attr("axis", 2);
    pb_float(&a, 2, 1);
    pb_int(&a, 3, 1);
    refused(with_attr(a), CLSTM_BAD_MODEL, "more than one value");
    refused(with_attr(pb_attr("value", 4)), CLSTM_BAD_MODEL, "has no value");
    refused(with_attr(pb_attr("", 2)), CLSTM_BAD_MODEL, "has no name");
    refused(with_attr(pb_attr("axis", 55)), CLSTM_BAD_MODEL, "unknown type 55");
    refused(with_attr(pb_attr("axis", 12)), CLSTM_UNSUPPORTED, "sparse tensors are not supported");
    a = pb_attr("mode", 3);
    pb_bytes(&a, 4, "a\0b", 3);
    refused(with_attr(a), CLSTM_BAD_MODEL, "holds a NUL");
    a = pb_attr("axis", 2);
    pb_text(&a, 21, "axis");
    refused(with_attr(a), CLSTM_BAD_MODEL, "outside any");
    a = pb_attr("value", 4);
    pb_msg(&a, 5, pb_tensor("", CLSTM_FLOAT, "2"));
    refused(with_attr(a), CLSTM_BAD_MODEL, "attribute value: holds 0 bytes");
}
END_TEST

static pbuf function(const char *name, pbuf node) {
    pbuf f = {0}, opset = {0};
    pb_text(&f, 1, name);
    pb_text(&f, 4, "a");
    pb_text(&f, 5, "b");
    pb_msg(&f, 7, node);
    pb_int(&opset, 2, 17);
    pb_msg(&f, 9, opset);
    return f;
}

static pbuf own_node(const char *op, const char *out) {
    pbuf n = pb_node(op, "", "x", out);
    pb_text(&n, F_NODE_DOMAIN, "own");
    return n;
}

/* A model is refused for one operator; all that it lacks are named, those of bodies and functions too, each once. */
START_TEST(unknown_operators) {
    pbuf g = pb_graph(), n = pb_node("If", "", "x", "z"), body = {0}, branch = pb_attr("then_branch", 5), opset = {0};
    pb_msg(&body, F_GRAPH_NODE, own_node("Deep", "d"));
    pb_msg(&branch, 6, body);
    pb_msg(&n, F_NODE_ATTR, branch);
    pb_msg(&g, F_GRAPH_NODE, n);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Frobnicate", "", "x", "y"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "", "x", "w"));
    pb_msg(&g, F_GRAPH_NODE, own_node("Wide", "v"));
    pb_msg(&g, F_GRAPH_NODE, own_node("Wide", "u"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("Frobnicate", "", "x", "t"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("F", "", "x", "s"));
    pbuf b = pb_model(g);
    pb_text(&opset, 1, "own");
    pb_int(&opset, 2, 1);
    pb_msg(&b, F_MODEL_OPSET, opset);
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Old", "", "a", "b")));
    refused(b, CLSTM_UNSUPPORTED, "node 1 \"\" (Frobnicate): operator Frobnicate is not supported; neither are own.Deep, own.Wide, Old");
    g = pb_graph();
    for (int i = 0; i < 20; i++) {
        char op[8], out[8];
        snprintf(op, sizeof op, "Op%d", i);
        snprintf(out, sizeof out, "o%d", i);
        pb_msg(&g, F_GRAPH_NODE, own_node(op, out));
    }
    b = pb_model(g), opset = (pbuf){0};
    pb_text(&opset, 1, "own");
    pb_int(&opset, 2, 1);
    pb_msg(&b, F_MODEL_OPSET, opset);
    refused(b, CLSTM_UNSUPPORTED, "neither are own.Op1, own.Op2, own.Op3, own.Op4, own.Op5, own.Op6, own.Op7, own.Op8, own.Op9, own.Op10, own.Op11, own.Op12 and others");
}
END_TEST

START_TEST(functions) {
    pbuf b = with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("F", "again", "a", "b")));
    refused(b, CLSTM_BAD_MODEL, "the function calls itself");
    b = with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("G", "again", "a", "b")));
    pb_msg(&b, F_MODEL_FUNCTION, function("G", pb_node("F", "back", "a", "b")));
    refused(b, CLSTM_BAD_MODEL, "the function calls itself");
    b = with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    refused(b, CLSTM_BAD_MODEL, "two functions");
    b = with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "x", "b")));
    refused(b, CLSTM_BAD_MODEL, "node 0 \"call\" (F): node 0 \"n\" (Neg): input 0: \"x\" is not defined");
    b = with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "c")));
    refused(b, CLSTM_BAD_MODEL, "output \"b\" of the function is not made by it");
    b = with_node(pb_node("F", "call", "x,x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    refused(b, CLSTM_BAD_MODEL, "has 2 inputs, the function takes 1");
    pbuf n = pb_node("F", "call", "x", "y");
    pb_msg(&n, F_NODE_ATTR, pb_attr("axis", 2));
    b = with_node(n);
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    refused(b, CLSTM_BAD_MODEL, "the function has no attribute axis");
    b = with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b,b")));
    refused(b, CLSTM_BAD_MODEL, "defined");
    /* An overload is another function. */
    n = pb_node("F", "call", "x", "y");
    pb_text(&n, F_NODE_OVERLOAD, "two");
    b = with_node(n);
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Frobnicate", "n", "a", "b")));
    pbuf f = function("F", pb_node("Neg", "n", "a", "b"));
    pb_text(&f, 13, "two");
    pb_msg(&b, F_MODEL_FUNCTION, f);
    clstm_error err = pb_import(b);
    ck_assert_msg(err.status == CLSTM_OK, "%s", err.message);
}
END_TEST

START_TEST(versions) {
    pbuf g = pb_graph(), b = {0}, opset = {0};
    pb_int(&b, F_MODEL_IR, 2);
    pb_msg(&b, F_MODEL_GRAPH, g);
    refused(b, CLSTM_UNSUPPORTED, "IR version 2");
    b = (pbuf){0};
    pb_int(&b, F_MODEL_IR, 99);
    pb_text(&b, 29, "what nobody knows yet");
    pb_msg(&b, F_MODEL_GRAPH, pb_graph());
    refused(b, CLSTM_UNSUPPORTED, "field 29 of ModelProto is not known");
    b = small_model();
    pb_text(&opset, 1, "ai.onnx");
    pb_int(&opset, 2, 3);
    pb_msg(&b, F_MODEL_OPSET, opset);
    refused(b, CLSTM_BAD_MODEL, "imported at versions");
    b = small_model();
    opset = (pbuf){0};
    pb_text(&opset, 1, "z");
    pb_int(&opset, 2, -3);
    pb_msg(&b, F_MODEL_OPSET, opset);
    refused(b, CLSTM_BAD_MODEL, "imported at version -3");
    b = (pbuf){0};
    g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "", "x", "y"));
    pb_int(&b, F_MODEL_IR, 7);
    pb_msg(&b, F_MODEL_GRAPH, g);
    refused(b, CLSTM_BAD_MODEL, "domain \"\" is used but not imported");
}
END_TEST

/* The TypeProto of input "v": oneof field `kind` with element type field 1 = type. */
static pbuf with_type(unsigned kind, int type) {
    pbuf g = pb_graph(), v = {0}, t = {0}, inner = {0};
    if (type >= 0) pb_int(&inner, 1, type);
    pb_msg(&t, kind, inner);
    pb_text(&v, 1, "v");
    pb_msg(&v, 2, t);
    pb_msg(&g, F_GRAPH_INPUT, v);
    return pb_model(g);
}

START_TEST(types) {
    const int64_t nine[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, INT64_MIN};
    refused(with_type(1, 18), CLSTM_UNSUPPORTED, "input 1 \"v\": element type float8e4m3fnuz is not supported");
    refused(with_type(1, 90), CLSTM_BAD_MODEL, "element type 90 does not exist");
    refused(with_type(1, -1), CLSTM_BAD_MODEL, "has no type");
    refused(with_type(5, -1), CLSTM_UNSUPPORTED, "maps are not supported");
    refused(with_type(8, 1), CLSTM_UNSUPPORTED, "sparse tensor values are not supported");
    refused(with_type(7, -1), CLSTM_UNSUPPORTED, "opaque types are not supported");
    refused(with_type(4, -1), CLSTM_BAD_MODEL, "without its element type");
    pbuf g = pb_graph(), v = {0};
    pb_msg(&g, F_GRAPH_INPUT, pb_port("v", nine));
    refused(pb_model(g), CLSTM_LIMIT, "input 1 \"v\": declared with 9 dimensions (limit rank, 8)");
    g = pb_graph();
    pb_text(&v, 1, "v");
    pb_msg(&g, F_GRAPH_INPUT, v);
    refused(pb_model(g), CLSTM_BAD_MODEL, "has no type");
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("onnx, bad files");
    unit_add(s, "not protobuf", not_protobuf);
    unit_add(s, "truncated everywhere", truncated_everywhere);
    unit_add(s, "every byte changed", every_byte_changed);
    unit_add(s, "wire format", wire_format);
    unit_add(s, "deep, on a small stack", deep_on_a_small_stack);
    unit_add(s, "amplification", amplification_is_bounded);
    unit_add_loop(s, "limits by name", limits_by_name, 0, 8);
    unit_add(s, "operators", operators);
    unit_add(s, "names", names);
    unit_add(s, "tensors", tensors);
    unit_add(s, "sparse tensors", sparse_tensors);
    unit_add(s, "attributes", attributes);
    unit_add(s, "functions", functions);
    unit_add(s, "unknown_operators", unknown_operators);
    unit_add(s, "versions", versions);
    unit_add(s, "types", types);
    return s;
}
