/* src/onnx/export: what is written reads back as the same graph, and writing that again gives the same bytes. */
#include "unit_main.h"

#include "onnx/export.h"
#include "onnx_build.h"
#include "tensor/tensor.h"
#include "util/file.h"
#include "util/status.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static clstm_status collect(void *user, const void *bytes, size_t size, clstm_error *err) {
    (void)err;
    pb_raw(user, bytes, size);
    return CLSTM_OK;
}

static void same_graph(const ir_graph *a, const ir_graph *b);

static void same_const(ir_const *a, ir_const *b) {
    size_t bytes;
    ck_assert_int_eq(a->tensor.type, b->tensor.type);
    ck_assert(tensor_same_shape(&a->tensor, &b->tensor));
    ck_assert(tensor_bytes(&a->tensor, &bytes));
    ck_assert(!bytes || !memcmp(a->tensor.data, b->tensor.data, bytes));
}

static void same_attr(const ir_attr *a, const ir_attr *b) {
    ck_assert_str_eq(a->kind == IR_ATTR_SPARSE ? "value" : a->name, b->name);
    ck_assert_int_eq(a->kind == IR_ATTR_SPARSE ? IR_ATTR_TENSOR : a->kind, b->kind);
    ck_assert_uint_eq(a->count, b->count);
    switch (a->kind) {
    case IR_ATTR_INT: ck_assert_int_eq(a->v.i, b->v.i); break;
    case IR_ATTR_FLOAT: ck_assert(a->v.f == b->v.f); break;
    case IR_ATTR_STRING: ck_assert_str_eq(a->v.s, b->v.s); break;
    case IR_ATTR_INTS: ck_assert(!a->count || !memcmp(a->v.ints, b->v.ints, a->count * sizeof(int64_t))); break;
    case IR_ATTR_FLOATS: ck_assert(!a->count || !memcmp(a->v.floats, b->v.floats, a->count * sizeof(float))); break;
    case IR_ATTR_STRINGS:
        for (size_t i = 0; i < a->count; i++) ck_assert_str_eq(a->v.strings[i], b->v.strings[i]);
        break;
    case IR_ATTR_TENSOR: case IR_ATTR_SPARSE: same_const(a->v.t, b->v.t); break;
    case IR_ATTR_GRAPH: same_graph(a->v.g, b->v.g); break;
    case IR_ATTR_TYPE: ck_assert_int_eq(a->v.p.kind, b->v.p.kind); break;
    default: ck_abort_msg("attribute %s of kind %c", a->name, a->kind);
    }
}

static void same_value(const ir_value *a, const ir_value *b) {
    ck_assert((a == NULL) == (b == NULL));
    if (!a) return;
    ck_assert((a->constant == NULL) == (b->constant == NULL));
    if (a->constant) same_const(a->constant, b->constant);
    ck_assert((a->producer == NULL) == (b->producer == NULL));
    if (a->producer) ck_assert_str_eq(a->producer->op_type, b->producer->op_type);
}

static void same_port(const ir_value *a, const ir_value *b) {
    ck_assert_str_eq(a->name, b->name);
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_int_eq(a->optional, b->optional);
    ck_assert_int_eq(a->type.type, b->type.type);
    ck_assert(tensor_same_shape(&a->type, &b->type));
    for (int d = 0; d < a->type.rank; d++) {
        ck_assert((a->dim_names[d] == NULL) == (b->dim_names[d] == NULL));
        if (a->dim_names[d]) ck_assert_str_eq(a->dim_names[d], b->dim_names[d]);
    }
}

static void same_graph(const ir_graph *a, const ir_graph *b) {
    ck_assert_uint_eq(a->n_nodes, b->n_nodes);
    ck_assert_uint_eq(a->n_in, b->n_in);
    ck_assert_uint_eq(a->n_out, b->n_out);
    for (size_t i = 0; i < a->n_in; i++) same_port(a->inputs[i], b->inputs[i]);
    for (size_t i = 0; i < a->n_out; i++) same_port(a->outputs[i], b->outputs[i]);
    for (size_t i = 0; i < a->n_nodes; i++) {
        const ir_node *m = a->nodes[i], *n = b->nodes[i];
        ck_assert_str_eq(m->op_type, n->op_type);
        ck_assert_str_eq(m->name, n->name);
        ck_assert_int_eq(m->version, n->version);
        ck_assert_int_eq(m->n_in, n->n_in);
        ck_assert_int_eq(m->n_out, n->n_out);
        ck_assert_int_eq(m->n_attrs, n->n_attrs);
        for (int k = 0; k < m->n_in; k++) same_value(m->inputs[k], n->inputs[k]);
        for (int k = 0; k < m->n_attrs; k++) same_attr(&m->attrs[k], &n->attrs[k]);
    }
}

static pbuf written(const onnx_model *m) {
    pbuf out = {0};
    clstm_error err = {CLSTM_OK, ""};
    clstm_status s = onnx_export(m, collect, &out, &err);
    ck_assert_msg(s == CLSTM_OK, "%s", err.message);
    return out;
}

static void round_trip(const pbuf *b, const char *directory, const char *name) {
    onnx_model first, second;
    clstm_error err = pb_import_at(b, directory, NULL, NULL, &first);
    ck_assert_msg(err.status == CLSTM_OK, "%s: %s", name, err.message);
    pbuf once = written(&first);
    err = pb_import_at(&once, NULL, NULL, NULL, &second);
    ck_assert_msg(err.status == CLSTM_OK, "%s: %s", name, err.message);
    ck_assert_str_eq(pb_warning, "");
    same_graph(first.graph, second.graph);
    ck_assert_uint_eq(first.n_metadata, second.n_metadata);
    ck_assert_int_eq(first.opset, second.opset);
    pbuf twice = written(&second);
    ck_assert_uint_eq(once.n, twice.n);
    ck_assert(!memcmp(once.data, twice.data, once.n));
    pb_done(&first);
    pb_done(&second);
    pb_free(&once);
    pb_free(&twice);
}

/* A function with a body in it, called twice: its inner names stand twice, and one of them is also a name of the model. */
START_TEST(names_are_told_apart) {
    pbuf g = pb_graph(), f = {0}, body = {0}, a = pb_attr("then_branch", 5), cond = pb_node("If", "if", "p", "o"), opset = {0};
    pb_text(&body, 2, "then");
    pb_msg(&body, F_GRAPH_NODE, pb_node("Neg", "n", "p", "x"));
    pb_msg(&body, F_GRAPH_NODE, pb_node("Add", "n2", "x,p", "x2"));
    pb_msg(&body, F_GRAPH_OUTPUT, pb_port("x2", NULL));
    pb_msg(&a, 6, body);
    pb_msg(&cond, F_NODE_ATTR, a);
    pb_text(&f, 1, "F");
    pb_text(&f, 4, "p");
    pb_text(&f, 5, "o");
    pb_msg(&f, 7, cond);
    pb_int(&opset, 2, 17);
    pb_msg(&f, 9, opset);
    pb_msg(&g, F_GRAPH_NODE, pb_node("F", "one", "x", "mid"));
    pb_msg(&g, F_GRAPH_NODE, pb_node("F", "two", "mid", "y"));
    pbuf b = pb_model(g);
    pb_msg(&b, F_MODEL_FUNCTION, f);
    onnx_model first, second;
    ck_assert_int_eq(pb_import_at(&b, NULL, NULL, NULL, &first).status, CLSTM_OK);
    pbuf once = written(&first);
    clstm_error err = pb_import_at(&once, NULL, NULL, NULL, &second);
    ck_assert_msg(err.status == CLSTM_OK, "%s", err.message);
    ck_assert_uint_eq(second.graph->n_nodes, 2);
    const ir_graph *inner = second.graph->nodes[0]->bodies[0];
    /* Neg reads the model's x, not the x that the body makes. */
    ck_assert_ptr_eq(inner->nodes[0]->inputs[0], second.graph->inputs[0]);
    ck_assert_ptr_eq(inner->nodes[1]->inputs[1], second.graph->inputs[0]);
    ck_assert_ptr_eq(inner->nodes[1]->inputs[0], inner->nodes[0]->outputs[0]);
    pb_done(&first);
    pb_done(&second);
    pb_free(&once);
    pb_free(&b);
}
END_TEST

static clstm_status full(void *user, const void *bytes, size_t size, clstm_error *err) {
    (void)bytes;
    size_t *room = user;
    if (size > *room) return util_fail(err, CLSTM_IO, "no space");
    *room -= size;
    return CLSTM_OK;
}

START_TEST(a_failing_sink_is_reported) {
    pbuf g = pb_graph(), t = pb_tensor("w", CLSTM_FLOAT, "3000");
    float *zeros = calloc(3000, sizeof *zeros);
    ck_assert_ptr_nonnull(zeros);
    pb_bytes(&t, 9, zeros, 12000);
    free(zeros);
    pb_msg(&g, F_GRAPH_INIT, t);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Add", "add", "x,w", "y"));
    pbuf b = pb_model(g);
    onnx_model m;
    clstm_error err = pb_import_at(&b, NULL, NULL, NULL, &m);
    ck_assert_int_eq(err.status, CLSTM_OK);
    for (size_t room = 0; room < 12000; room += 1000) {
        size_t left = room;
        ck_assert_int_eq(onnx_export(&m, full, &left, &err), CLSTM_IO);
        ck_assert_str_eq(err.message, "no space");
    }
    pb_done(&m);
    pb_free(&b);
}
END_TEST

static const char *shared(void) {
    const char *s = getenv("CLSTM_SHARED");
    return s ? s : "../shared";
}

START_TEST(shared_models) {
    static const char *const folders[] = {"pytorch", "real"};
    int n = 0;
    for (int k = 0; k < 2; k++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/vectors/%s", shared(), folders[k]);
        DIR *dir = opendir(path);
        ck_assert_ptr_nonnull(dir);
        for (struct dirent *e; (e = readdir(dir));) {
            char where[4600], model[4700];
            util_file file;
            snprintf(where, sizeof where, "%s/%s", path, e->d_name);
            snprintf(model, sizeof model, "%s/model.onnx", where);
            if (e->d_name[0] == '.' || util_file_map(model, INT64_MAX, &file, NULL) != CLSTM_OK) continue;
            pbuf b = {(unsigned char *)(uintptr_t)file.data, file.size, 0};
            round_trip(&b, where, model);
            util_file_unmap(&file);
            n++;
        }
        closedir(dir);
    }
    ck_assert_int_ge(n, 40);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("onnx export");
    char path[4096];
    unit_add(s, "names", names_are_told_apart);
    unit_add(s, "failing sink", a_failing_sink_is_reported);
    snprintf(path, sizeof path, "%s/vectors/pytorch", shared());
    DIR *dir = opendir(path);
    if (dir) { closedir(dir); unit_add(s, "shared models", shared_models); }
    else unit_skip("shared models", "no ../shared/vectors");
    return s;
}
