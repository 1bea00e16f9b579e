/* src/onnx when memory fails: the i-th allocation is refused, for every i. The linker sends the library's calls here (--wrap). */
#include "unit_main.h"

#include "onnx_build.h"
#include "util/status.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static long countdown = LONG_MAX;
static bool refuse(void) { return countdown-- == 0; }

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
int __wrap_posix_memalign(void **p, size_t align, size_t n);

void *__wrap_malloc(size_t n) { return refuse() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return refuse() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return refuse() ? NULL : __real_realloc(p, n); }
char *__wrap_strdup(const char *s) { return refuse() ? NULL : __real_strdup(s); }
int __wrap_posix_memalign(void **p, size_t align, size_t n) { return refuse() ? 12 : __real_posix_memalign(p, align, n); }

/* Something of everything: functions, a body, lists, dense, sparse and typed tensors, metadata. */
static pbuf rich_model(void) {
    const float f[2] = {1, 2};
    const int64_t at[2] = {0, 3};
    pbuf g = pb_graph(), body = {0}, cond = pb_node("If", "if", "c", "y"), a = pb_attr("then_branch", 5), list = pb_attr("activations", 8);
    pb_text(&body, 2, "then");
    pb_msg(&body, F_GRAPH_NODE, pb_node("Add", "inner", "x,s", "r"));
    pb_msg(&body, F_GRAPH_OUTPUT, pb_port("r", NULL));
    pb_msg(&a, 6, body);
    pb_text(&list, 9, "Tanh");
    pb_msg(&cond, F_NODE_ATTR, a);
    pb_msg(&cond, F_NODE_ATTR, list);
    pb_msg(&g, F_GRAPH_NODE, cond);
    pb_msg(&g, F_GRAPH_NODE, pb_node("F", "call", "x,w", "c"));
    pbuf t = pb_tensor("w", CLSTM_FLOAT, "2"), s = {0}, v = pb_tensor("s", CLSTM_FLOAT, "2"), i = pb_tensor("", CLSTM_INT64, "2");
    pb_bytes(&t, 4, f, sizeof f);
    pb_msg(&g, F_GRAPH_INIT, t);
    pb_bytes(&v, 9, f, sizeof f);
    pb_bytes(&i, 9, at, sizeof at);
    pb_msg(&s, 1, v);
    pb_msg(&s, 2, i);
    pb_int(&s, 3, 4);
    pb_msg(&g, F_GRAPH_SPARSE, s);
    pbuf b = pb_model(g), fn = {0}, opset = {0}, entry = {0}, axis = pb_attr("axis", 2), add = pb_node("Add", "n", "a,b", "o");
    pb_int(&axis, 3, 1);
    pb_msg(&add, F_NODE_ATTR, axis);
    pb_text(&fn, 1, "F");
    pb_text(&fn, 4, "a");
    pb_text(&fn, 4, "b");
    pb_text(&fn, 5, "o");
    pb_msg(&fn, 7, add);
    pb_int(&opset, 2, 17);
    pb_msg(&fn, 9, opset);
    pb_msg(&b, F_MODEL_FUNCTION, fn);
    pb_text(&entry, 1, "key");
    pb_text(&entry, 2, "value");
    pb_msg(&b, 14, entry);
    return b;
}

START_TEST(every_allocation) {
    pbuf b = rich_model();
    clstm_limits limits;
    clstm_limits_default(&limits);
    const onnx_source src = {.bytes = b.data, .size = b.n, .directory = "/", .name = "test", .limits = &limits};
    int failures = 0;
    for (long i = 0;; i++) {
        onnx_model m;
        clstm_error err = {CLSTM_OK, ""};
        countdown = i;
        clstm_status s = onnx_import(&src, pb_lookup, NULL, &m, &err);
        bool reached = countdown < 0;
        countdown = LONG_MAX;
        if (s == CLSTM_OK) {
            ck_assert(!reached);
            pb_done(&m);
            break;
        }
        ck_assert_msg(s == CLSTM_NO_MEMORY, "allocation %ld: %s", i, err.message);
        ck_assert(!m.graph && !m.external);
        failures++;
    }
    ck_assert_int_gt(failures, 30);
    pb_free(&b);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("onnx without memory");
    unit_add(s, "every allocation", every_allocation);
    return s;
}
