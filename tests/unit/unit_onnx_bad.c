/* src/onnx on models that break the standard, or ask for what is not there: every kind is refused by a line that names it. */
#include "unit_main.h"

#include "onnx_build.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pbuf with_tensor(pbuf tensor) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, tensor);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Add", "add", "x,w", "y"));
    return pb_model(g);
}

static pbuf with_attr(pbuf attr) {
    pbuf n = pb_node("Any", "n", "x", "y");
    pb_msg(&n, F_NODE_ATTR, attr);
    return pb_with_node(n);
}

START_TEST(operators) {
    pbuf n = pb_node("Frobnicate", "foo", "x", "y");
    pb_refused(pb_with_node(n), CLSTM_UNSUPPORTED, "node 0 \"foo\" (Frobnicate): operator Frobnicate is not supported");
    n = pb_node("Old", "foo", "x", "y");
    pb_refused(pb_with_node(n), CLSTM_UNSUPPORTED, "node 0 \"foo\" (Old): operator Old is not supported at opset 17");
    n = pb_node("Frobnicate", "foo", "x", "y");
    pb_text(&n, F_NODE_DOMAIN, "com.x");
    pb_refused(pb_with_node(n), CLSTM_BAD_MODEL, "domain \"com.x\" is used but not imported");
    n = pb_node("Neg", "foo", "x", "y");
    pb_text(&n, F_NODE_DOMAIN, "com.x");
    pbuf b = pb_with_node(n), opset = {0};
    pb_text(&opset, 1, "com.x");
    pb_int(&opset, 2, 1);
    pb_msg(&b, F_MODEL_OPSET, opset);
    pb_refused(b, CLSTM_UNSUPPORTED, "operator Neg of domain \"com.x\" is not supported");
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "", "x", "y"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("Frobnicate", "unused", "x", "z"));
    pb_refused(pb_model(g), CLSTM_UNSUPPORTED, "node 1 \"unused\" (Frobnicate)");
    pb_refused(pb_with_node(pb_node("", "foo", "x", "y")), CLSTM_BAD_MODEL, "has no operator");
    pb_refused(pb_with_node(pb_node("Neg", "evil\n\x1b[31m", "zz\"", "y")), CLSTM_BAD_MODEL, "node 0 \"evil\\x0a\\x1b[31m\" (Neg): input 0: \"zz\\x22\" is not defined");
}
END_TEST

START_TEST(names) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "a", "x", "y"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "b", "x", "y"));
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "\"y\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "a", "x", "x"));
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "\"x\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_INPUT, pb_port("x", NULL));
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "\"x\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "a", "x", "w"));
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("w", CLSTM_FLOAT, "0"));
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "\"w\" is defined twice");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("w", CLSTM_FLOAT, "0"));
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("w", CLSTM_FLOAT, "0"));
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "initialiser \"w\" is given twice");
    pb_refused(pb_model(pb_graph()), CLSTM_BAD_MODEL, "output 0 \"y\": \"y\" is not defined");
    pb_refused(pb_with_node(pb_node("Neg", "a", "y", "y")), CLSTM_BAD_MODEL, "depends on its own output");
    g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, pb_tensor("", CLSTM_FLOAT, "0"));
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "has no name");
}
END_TEST

START_TEST(tensors) {
    const float f[3] = {1, 2, 3};
    pbuf t = pb_tensor("w", CLSTM_FLOAT, "2");
    pb_bytes(&t, 9, f, 12);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "initialiser \"w\": holds 12 bytes of elements, shape [2] of type float needs 8");
    pb_refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "2")), CLSTM_BAD_MODEL, "holds 0 bytes");
    t = pb_tensor("w", CLSTM_FLOAT, "0");
    pb_bytes(&t, 9, f, 4);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "needs 0");
    pb_refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "-2")), CLSTM_BAD_MODEL, "dimension 0 is negative (-2)");
    pb_refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "1,1,1,1,1,1,1,1,1")), CLSTM_LIMIT, "limit rank");
    pb_refused(with_tensor(pb_tensor("w", CLSTM_FLOAT, "4611686018427387904,4611686018427387904")), CLSTM_LIMIT, "limit elements");
    pb_refused(with_tensor(pb_tensor("w", 0, "1")), CLSTM_BAD_MODEL, "element type 0 does not exist");
    pb_refused(with_tensor(pb_tensor("w", 77, "1")), CLSTM_BAD_MODEL, "element type 77 does not exist");
    pb_refused(with_tensor(pb_tensor("w", 17, "1")), CLSTM_UNSUPPORTED, "element type float8e4m3fn is not supported");
    pb_refused(with_tensor(pb_tensor("w", 22, "1")), CLSTM_UNSUPPORTED, "element type int4 is not supported");
    t = pb_tensor("w", CLSTM_STRING, "1");
    pb_text(&t, 6, "hello");
    pb_refused(with_tensor(t), CLSTM_UNSUPPORTED, "\"w\": element type string is not supported");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_float(&t, 4, 1);
    pb_bytes(&t, 9, f, 4);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "more than one field");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_int(&t, 5, 1);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "not for type float");
    t = pb_tensor("w", CLSTM_UINT8, "2");
    pb_int(&t, 5, 1);
    pb_int(&t, 5, 256);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "element 1 does not fit type uint8");
    t = pb_tensor("w", CLSTM_INT64, "2");
    pb_bytes(&t, 7, "\1\x80", 2);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "malformed");
    t = pb_tensor("w", CLSTM_INT64, "1");
    pb_bytes(&t, 7, "\1\2\3", 3);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "needs 8");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_bytes(&t, 4, f, 3);
    pb_refused(with_tensor(t), CLSTM_BAD_MODEL, "malformed");
    t = pb_tensor("w", CLSTM_FLOAT, "1");
    pb_bytes(&t, 9, f, 4);
    pb_bytes(&t, 3, "", 0);
    pb_refused(with_tensor(t), CLSTM_UNSUPPORTED, "segments");
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
    pb_refused(sparse("2,3", 0, 6), CLSTM_BAD_MODEL, "initialiser \"w\": index 1 lies outside");
    pb_refused(sparse("2,3", -1, 5), CLSTM_BAD_MODEL, "index 0 lies outside");
    pb_refused(sparse("2,3", 4, 4), CLSTM_BAD_MODEL, "index 1 is not greater");
    pb_refused(sparse("100000,100000", 4, 5), CLSTM_LIMIT, "limit elements");
    pb_refused(sparse("2,-3", 4, 5), CLSTM_BAD_MODEL, "negative");
    pbuf g = pb_graph();
    pb_bytes(&g, F_GRAPH_SPARSE, "", 0);
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "initialiser \"\"");
}
END_TEST

START_TEST(attributes) {
    pb_refused(with_attr(pb_attr("what", 2)), CLSTM_UNSUPPORTED, "node 0 \"n\" (Any): attribute what is not supported");
    pbuf a = pb_attr("axis", 1);
    pb_refused(with_attr(a), CLSTM_BAD_MODEL, "attribute axis has the wrong type");
    a = pb_attr("axis", 2);
    pb_float(&a, 2, 1);
    pb_refused(with_attr(a), CLSTM_BAD_MODEL, "node 0 \"n\" (Any): attribute axis: is declared as int and holds float");
    a = pb_attr("axis", 2);
    pb_float(&a, 2, 1);
    pb_int(&a, 3, 1);
    pb_refused(with_attr(a), CLSTM_BAD_MODEL, "more than one value");
    pb_refused(with_attr(pb_attr("value", 4)), CLSTM_BAD_MODEL, "has no value");
    pb_refused(with_attr(pb_attr("", 2)), CLSTM_BAD_MODEL, "has no name");
    pb_refused(with_attr(pb_attr("axis", 55)), CLSTM_BAD_MODEL, "unknown type 55");
    pb_refused(with_attr(pb_attr("axis", 12)), CLSTM_UNSUPPORTED, "sparse tensors are not supported");
    a = pb_attr("mode", 3);
    pb_bytes(&a, 4, "a\0b", 3);
    pb_refused(with_attr(a), CLSTM_BAD_MODEL, "holds a NUL");
    a = pb_attr("axis", 2);
    pb_text(&a, 21, "axis");
    pb_refused(with_attr(a), CLSTM_BAD_MODEL, "outside any");
    a = pb_attr("value", 4);
    pb_msg(&a, 5, pb_tensor("", CLSTM_FLOAT, "2"));
    pb_refused(with_attr(a), CLSTM_BAD_MODEL, "attribute value: holds 0 bytes");
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
    pb_refused(b, CLSTM_UNSUPPORTED, "node 1 \"\" (Frobnicate): operator Frobnicate is not supported; neither are own.Deep, own.Wide, Old");
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
    pb_refused(b, CLSTM_UNSUPPORTED, "neither are own.Op1, own.Op2, own.Op3, own.Op4, own.Op5, own.Op6, own.Op7, own.Op8, own.Op9, own.Op10, own.Op11, own.Op12 and others");
}
END_TEST

START_TEST(functions) {
    pbuf b = pb_with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("F", "again", "a", "b")));
    pb_refused(b, CLSTM_BAD_MODEL, "the function calls itself");
    b = pb_with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("G", "again", "a", "b")));
    pb_msg(&b, F_MODEL_FUNCTION, function("G", pb_node("F", "back", "a", "b")));
    pb_refused(b, CLSTM_BAD_MODEL, "the function calls itself");
    b = pb_with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    pb_refused(b, CLSTM_BAD_MODEL, "two functions");
    b = pb_with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "x", "b")));
    pb_refused(b, CLSTM_BAD_MODEL, "node 0 \"call\" (F): node 0 \"n\" (Neg): input 0: \"x\" is not defined");
    b = pb_with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "c")));
    pb_refused(b, CLSTM_BAD_MODEL, "output \"b\" of the function is not made by it");
    b = pb_with_node(pb_node("F", "call", "x,x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    pb_refused(b, CLSTM_BAD_MODEL, "has 2 inputs, the function takes 1");
    pbuf n = pb_node("F", "call", "x", "y");
    pb_msg(&n, F_NODE_ATTR, pb_attr("axis", 2));
    b = pb_with_node(n);
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b")));
    pb_refused(b, CLSTM_BAD_MODEL, "the function has no attribute axis");
    b = pb_with_node(pb_node("F", "call", "x", "y"));
    pb_msg(&b, F_MODEL_FUNCTION, function("F", pb_node("Neg", "n", "a", "b,b")));
    pb_refused(b, CLSTM_BAD_MODEL, "defined");
    /* An overload is another function. */
    n = pb_node("F", "call", "x", "y");
    pb_text(&n, F_NODE_OVERLOAD, "two");
    b = pb_with_node(n);
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
    pb_refused(b, CLSTM_UNSUPPORTED, "IR version 2");
    b = (pbuf){0};
    pb_int(&b, F_MODEL_IR, 99);
    pb_text(&b, 29, "what nobody knows yet");
    pb_msg(&b, F_MODEL_GRAPH, pb_graph());
    pb_refused(b, CLSTM_UNSUPPORTED, "field 29 of ModelProto is not known");
    b = pb_small_model();
    pb_text(&opset, 1, "ai.onnx");
    pb_int(&opset, 2, 3);
    pb_msg(&b, F_MODEL_OPSET, opset);
    pb_refused(b, CLSTM_BAD_MODEL, "imported at versions");
    b = pb_small_model();
    opset = (pbuf){0};
    pb_text(&opset, 1, "z");
    pb_int(&opset, 2, -3);
    pb_msg(&b, F_MODEL_OPSET, opset);
    pb_refused(b, CLSTM_BAD_MODEL, "imported at version -3");
    b = (pbuf){0};
    g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, pb_node("Neg", "", "x", "y"));
    pb_int(&b, F_MODEL_IR, 7);
    pb_msg(&b, F_MODEL_GRAPH, g);
    pb_refused(b, CLSTM_BAD_MODEL, "domain \"\" is used but not imported");
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
    pb_refused(with_type(1, 18), CLSTM_UNSUPPORTED, "input 1 \"v\": element type float8e4m3fnuz is not supported");
    pb_refused(with_type(1, 90), CLSTM_BAD_MODEL, "element type 90 does not exist");
    pb_refused(with_type(1, -1), CLSTM_BAD_MODEL, "has no type");
    pb_refused(with_type(5, -1), CLSTM_UNSUPPORTED, "maps are not supported");
    pb_refused(with_type(8, 1), CLSTM_UNSUPPORTED, "sparse tensor values are not supported");
    pb_refused(with_type(7, -1), CLSTM_UNSUPPORTED, "opaque types are not supported");
    pb_refused(with_type(4, -1), CLSTM_BAD_MODEL, "without its element type");
    pbuf g = pb_graph(), v = {0};
    pb_msg(&g, F_GRAPH_INPUT, pb_port("v", nine));
    pb_refused(pb_model(g), CLSTM_LIMIT, "input 1 \"v\": declared with 9 dimensions (limit rank, 8)");
    g = pb_graph();
    pb_text(&v, 1, "v");
    pb_msg(&g, F_GRAPH_INPUT, v);
    pb_refused(pb_model(g), CLSTM_BAD_MODEL, "has no type");
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("onnx, bad models");
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
