/* Builds ONNX messages for the tests of src/onnx. */
#include "onnx_build.h"

#include "util/status.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char pb_warning[1024];

void pb_raw(pbuf *b, const void *bytes, size_t n) {
    if (!util_grow((void **)&b->data, &b->room, b->n + n + 1, 1)) abort();     /* an assertion of Check writes a line each time */
    if (n) memcpy(b->data + b->n, bytes, n);
    b->n += n;
}
void pb_varint(pbuf *b, uint64_t v) {
    do {
        unsigned char c = (unsigned char)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        pb_raw(b, &c, 1);
        v >>= 7;
    } while (v);
}
void pb_int(pbuf *b, unsigned field, int64_t v) { pb_varint(b, field << 3); pb_varint(b, (uint64_t)v); }
void pb_float(pbuf *b, unsigned field, float v) { pb_varint(b, field << 3 | 5); pb_raw(b, &v, 4); }
void pb_bytes(pbuf *b, unsigned field, const void *bytes, size_t n) { pb_varint(b, field << 3 | 2); pb_varint(b, n); pb_raw(b, bytes, n); }
void pb_text(pbuf *b, unsigned field, const char *text) { pb_bytes(b, field, text, strlen(text)); }
void pb_msg(pbuf *b, unsigned field, pbuf child) { pb_bytes(b, field, child.data, child.n); pb_free(&child); }
void pb_free(pbuf *b) { free(b->data); *b = (pbuf){0}; }

static void names(pbuf *b, unsigned field, const char *list) {
    for (const char *s = list; *list && s;) {
        size_t n = strcspn(s, ",");
        pb_bytes(b, field, s, n);
        s = s[n] ? s + n + 1 : NULL;
    }
}

pbuf pb_node(const char *op, const char *name, const char *inputs, const char *outputs) {
    pbuf b = {0};
    names(&b, 1, inputs);
    names(&b, 2, outputs);
    pb_text(&b, 3, name);
    pb_text(&b, 4, op);
    return b;
}

pbuf pb_port(const char *name, const int64_t *dims) {
    pbuf b = {0}, type = {0}, tensor = {0}, shape = {0};
    for (; dims && *dims != INT64_MIN; dims++) {
        pbuf d = {0};
        pb_int(&d, 1, *dims);
        pb_msg(&shape, 1, d);
    }
    pb_int(&tensor, 1, CLSTM_FLOAT);
    if (dims) pb_msg(&tensor, 2, shape);
    pb_msg(&type, 1, tensor);
    pb_text(&b, 1, name);
    pb_msg(&b, 2, type);
    return b;
}

pbuf pb_tensor(const char *name, int type, const char *dims) {
    pbuf b = {0};
    for (const char *s = dims; *s;) {
        char *end;
        pb_int(&b, 1, strtoll(s, &end, 10));
        s = *end ? end + 1 : end;
    }
    pb_int(&b, 2, type);
    pb_text(&b, 8, name);
    return b;
}

pbuf pb_attr(const char *name, int type) {
    pbuf b = {0};
    pb_text(&b, 1, name);
    pb_int(&b, 20, type);
    return b;
}

pbuf pb_model_at(pbuf graph, int version) {
    pbuf b = {0}, opset = {0};
    pb_int(&b, F_MODEL_IR, 8);
    pb_text(&opset, 1, "");
    pb_int(&opset, 2, version);
    pb_msg(&b, F_MODEL_OPSET, opset);
    pb_msg(&b, F_MODEL_GRAPH, graph);
    return b;
}

pbuf pb_model(pbuf graph) { return pb_model_at(graph, 17); }

pbuf pb_graph(void) {
    pbuf g = {0};
    pb_text(&g, 2, "g");
    pb_msg(&g, F_GRAPH_INPUT, pb_port("x", NULL));
    pb_msg(&g, F_GRAPH_OUTPUT, pb_port("y", NULL));
    return g;
}

const op_desc *pb_lookup(void *user, const char *domain, const char *name, int version, bool *known) {
    static const op_desc any = {
        .domain = "", .name = "any", .since = 1, .inputs = "x*:any", .outputs = "y*:any",
        .attrs = "activations:S allowzero:i alpha:f approximate:s axes:I axis:i beta:f body:g ceil_mode:i count_include_pad:i dilations:I "
                 "direction:s else_branch:g end:i epsilon:f equation:s group:i hidden_size:i input_forget:i keepdims:i kernel_shape:I "
                 "layout:i linear_before_reset:i mode:s momentum:f num_outputs:i pads:I perm:I select_last_index:i start:i stash_type:i "
                 "strides:I then_branch:g to:i transA:i transB:i value:t value_ints:I value_floats:F sparse_value:x value_string:s type:p"};
    (void)user;
    *known = strcmp(name, "Frobnicate") != 0;
    if (*domain || !*known || (!strcmp(name, "Old") && version > 9)) return NULL;
    return &any;
}

static void warning(void *user, const char *message) {
    (void)user;
    snprintf(pb_warning, sizeof pb_warning, "%s", message);
}

clstm_error pb_import_at(const pbuf *b, const char *directory, const char *path, const clstm_limits *limits, onnx_model *out) {
    clstm_error err = {CLSTM_OK, ""};
    clstm_limits defaults;
    clstm_limits_default(&defaults);
    onnx_source src = {.bytes = b->data, .size = b->n, .directory = directory, .name = "test", .path = path,
                       .limits = limits ? limits : &defaults, .warning = warning};
    pb_warning[0] = 0;
    clstm_status s = onnx_import(&src, pb_lookup, NULL, out, &err);
    ck_assert_int_eq(s, err.status);
    ck_assert(s == CLSTM_OK || err.message[0]);
    ck_assert(s == CLSTM_OK || (!out->graph && !out->external));
    return err;
}

void pb_done(onnx_model *m) {
    onnx_import_done(m);
    ir_graph_destroy(m->graph);
    *m = (onnx_model){0};
}

clstm_error pb_import(pbuf b) {
    onnx_model m;
    /* A copy of the exact size: reading past the end shows under the sanitizers and valgrind. */
    unsigned char *exact = malloc(b.n ? b.n : 1);
    ck_assert_ptr_nonnull(exact);
    if (b.n) memcpy(exact, b.data, b.n);
    clstm_error err = pb_import_at(&(pbuf){exact, b.n, b.n}, NULL, NULL, NULL, &m);
    if (err.status == CLSTM_OK) pb_done(&m);
    free(exact);
    pb_free(&b);
    return err;
}

void pb_small_stack(void *(*f)(void *), void *arg) {
    pthread_t thread;
    pthread_attr_t attr;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
#ifdef CLSTM_SANITIZED
    const size_t size = 512 * 1024;     /* the promise is the library's; a sanitizer's interceptors use stack of their own */
#else
    const size_t size = 128 * 1024;
#endif
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, size), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, f, arg), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
}

pbuf pb_with_node(pbuf node) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_NODE, node);
    return pb_model(g);
}

pbuf pb_small_model(void) {
    pbuf g = pb_graph(), t = pb_tensor("w", CLSTM_FLOAT, "2"), n = pb_node("Add", "add", "x,w", "y"), a = pb_attr("axis", 2);
    const float f[2] = {1, 2};
    pb_bytes(&t, 9, f, sizeof f);
    pb_int(&a, 3, 1);
    pb_msg(&n, F_NODE_ATTR, a);
    pb_msg(&g, F_GRAPH_INIT, t);
    pb_msg(&g, F_GRAPH_NODE, n);
    return pb_model(g);
}

void pb_refused(pbuf b, clstm_status status, const char *words) {
    clstm_error err = pb_import(b);
    ck_assert_msg(err.status == status, "%s instead of %s: %s", clstm_status_name(err.status), clstm_status_name(status), err.message);
    ck_assert_msg(strstr(err.message, words) != NULL, "no \"%s\" in: %s", words, err.message);
}
