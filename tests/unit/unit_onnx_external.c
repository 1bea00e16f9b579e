/* src/onnx/external: data in other files - what is found, and what is refused because it would lead elsewhere. */
#include "unit_main.h"

#include "onnx_build.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[] = "/tmp/clstm-external-XXXXXX";
static const float numbers[6] = {9, 1, 2, 3, 4, 5};

static const char *in(const char *name) {
    static char paths[4][512];
    static int turn;
    char *p = paths[turn++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", base, name);
    return p;
}

static void write_file(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(in(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}
static void make_dir(const char *name) { ck_assert_int_eq(mkdir(in(name), 0700), 0); }
static void make_link(const char *target, const char *name) { ck_assert_int_eq(symlink(target, in(name)), 0); }

/* A directory tree of its own for each test. */
static void setup(void) {
    memcpy(base + strlen(base) - 6, "XXXXXX", 6);     /* of the test before, where tests share a process */
    ck_assert_ptr_nonnull(mkdtemp(base));
    make_dir("model");
    make_dir("model/sub");
    make_dir("outside");
    write_file("model/data", numbers, sizeof numbers);
    write_file("model/sub/data", numbers, sizeof numbers);
    write_file("outside/data", numbers, sizeof numbers);
}
static void teardown(void) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    ck_assert_int_eq(system(command), 0);
}

static void entry(pbuf *t, const char *key, const char *value) {
    pbuf e = {0};
    pb_text(&e, 1, key);
    pb_text(&e, 2, value);
    pb_msg(t, 13, e);
}

/* w: five floats at `location`, `offset` (NULL: not given), `length`. */
static pbuf external(const char *location, const char *offset, const char *length) {
    pbuf t = pb_tensor("w", CLSTM_FLOAT, "5");
    pb_int(&t, 14, 1);
    if (location) entry(&t, "location", location);
    if (offset) entry(&t, "offset", offset);
    if (length) entry(&t, "length", length);
    return t;
}

static pbuf model_of(pbuf tensor) {
    pbuf g = pb_graph();
    pb_msg(&g, F_GRAPH_INIT, tensor);
    pb_msg(&g, F_GRAPH_NODE, pb_node("Add", "add", "x,w", "y"));
    return pb_model(g);
}

/* The elements are numbers[1..5]; model: the model's path or NULL. */
static void found_by(pbuf tensor, const char *directory, const char *model) {
    pbuf b = model_of(tensor);
    onnx_model m;
    clstm_error err = pb_import_at(&b, in(directory), model ? in(model) : NULL, NULL, &m);
    ck_assert_msg(err.status == CLSTM_OK, "%s", err.message);
    const clstm_tensor *w = NULL;
    for (size_t i = 0; i < m.graph->n_values; i++)
        if (m.graph->values[i]->constant) w = &m.graph->values[i]->constant->tensor;
    ck_assert_ptr_nonnull(w);
    for (int i = 0; i < 5; i++) ck_assert_double_eq(tensor_get_double(w, i), numbers[i + 1]);
    pb_done(&m);
    pb_free(&b);
}
static void found(pbuf tensor) { found_by(tensor, "model", NULL); }

static void refused_by(pbuf tensor, const char *directory, const char *model, clstm_status status, const char *words) {
    pbuf b = model_of(tensor);
    onnx_model m;
    clstm_error err = pb_import_at(&b, directory ? in(directory) : NULL, model ? in(model) : NULL, NULL, &m);
    ck_assert_msg(err.status == status, "%s instead of %s: %s", clstm_status_name(err.status), clstm_status_name(status), err.message);
    ck_assert_msg(strstr(err.message, words) != NULL, "no \"%s\" in: %s", words, err.message);
    ck_assert_msg(strstr(err.message, "initialiser \"w\": ") != NULL, "%s", err.message);
    pb_free(&b);
}
static void refused(pbuf tensor, clstm_status status, const char *words) { refused_by(tensor, "model", NULL, status, words); }

START_TEST(plain_files) {
    found(external("data", "4", "20"));
    found(external("data", "4", NULL));
    found(external("sub/data", "4", "20"));
    found(external("./sub/./data", "4", "20"));
    write_file("model/odd", "?", 1);
    FILE *f = fopen(in("model/odd"), "ab");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(numbers + 1, 4, 5, f), 5);
    ck_assert_int_eq(fclose(f), 0);
    found(external("odd", "1", NULL));
    pbuf t = external("data", "4", "20");
    entry(&t, "checksum", "0123456789abcdef0123456789abcdef01234567");
    found(t);
}
END_TEST

START_TEST(keys) {
    refused(external(NULL, "4", "20"), CLSTM_BAD_MODEL, "no location");
    refused(external("data", "-4", "20"), CLSTM_BAD_MODEL, "offset \"-4\" is not a number");
    refused(external("data", "4 ", "20"), CLSTM_BAD_MODEL, "is not a number");
    refused(external("data", "0x4", "20"), CLSTM_BAD_MODEL, "is not a number");
    refused(external("data", "", "20"), CLSTM_BAD_MODEL, "is not a number");
    refused(external("data", "9223372036854775808", "20"), CLSTM_BAD_MODEL, "is not a number");
    refused(external("data", "4", "19"), CLSTM_BAD_MODEL, "holds 19 bytes of elements");
    refused(external("data", "4", "24"), CLSTM_BAD_MODEL, "holds 24 bytes of elements");
    refused(external("data", "5", "20"), CLSTM_BAD_MODEL, "lie outside the file's 24");
    refused(external("data", "9223372036854775807", "20"), CLSTM_BAD_MODEL, "lie outside");
    refused(external("data", "25", NULL), CLSTM_BAD_MODEL, "lie outside");
    pbuf t = external("data", "4", "20");
    entry(&t, "offset", "4");
    refused(t, CLSTM_BAD_MODEL, "\"offset\" is given twice");
    t = external("data", "4", "20");
    entry(&t, "compression", "gzip");
    refused(t, CLSTM_UNSUPPORTED, "key \"compression\" is not known");
    t = external("data", "4", "20");
    pb_bytes(&t, 9, numbers, 20);
    refused(t, CLSTM_BAD_MODEL, "elements of its own");
    t = pb_tensor("w", CLSTM_FLOAT, "5");
    entry(&t, "location", "data");
    refused(t, CLSTM_BAD_MODEL, "not marked as external");
}
END_TEST

START_TEST(not_files) {
    refused(external("missing", NULL, NULL), CLSTM_IO, "external data \"missing\": cannot be opened: No such file");
    refused(external("sub", NULL, NULL), CLSTM_IO, "is a directory");
    refused(external("data/x", NULL, NULL), CLSTM_IO, "Not a directory");
    ck_assert_int_eq(mkfifo(in("model/pipe"), 0600), 0);
    refused(external("pipe", NULL, NULL), CLSTM_IO, "not a regular file");
    write_file("model/nothing", "", 0);
    refused(external("nothing", NULL, NULL), CLSTM_BAD_MODEL, "lie outside the file's 0");
    refused_by(external("data", "4", "20"), NULL, NULL, CLSTM_UNSUPPORTED, "a model from memory");
}
END_TEST

START_TEST(paths_that_lead_outside) {
    char absolute[600];
    refused(external("../outside/data", "4", "20"), CLSTM_BAD_MODEL, "not a path beneath");
    refused(external("sub/../data", "4", "20"), CLSTM_BAD_MODEL, "not a path beneath");
    refused(external("sub/..", "4", "20"), CLSTM_BAD_MODEL, "not a path beneath");
    snprintf(absolute, sizeof absolute, "%s/outside/data", base);
    refused(external(absolute, "4", "20"), CLSTM_BAD_MODEL, "not a path beneath");
    refused(external("", "4", "20"), CLSTM_BAD_MODEL, "not a path beneath");
    make_link("../outside/data", "model/link");
    refused(external("link", "4", "20"), CLSTM_BAD_MODEL, "leads outside");
    make_link(absolute, "model/absolute");
    refused(external("absolute", "4", "20"), CLSTM_BAD_MODEL, "leads outside");
    make_link("../outside", "model/dir");
    refused(external("dir/data", "4", "20"), CLSTM_BAD_MODEL, "leads outside");
    make_link("/etc/passwd", "model/passwd");
    refused(external("passwd", "0", "20"), CLSTM_BAD_MODEL, "leads outside");
    make_link("/proc/self/root", "model/proc");
    refused(external("proc/etc/passwd", "0", "20"), CLSTM_BAD_MODEL, "leads outside");
    make_link("loop", "model/loop");
    refused(external("loop", "0", "20"), CLSTM_IO, "cannot be opened");
    /* A directory whose name only begins like the model's. */
    make_dir("model-two");
    write_file("model-two/data", numbers, sizeof numbers);
    make_link("../model-two/data", "model/near");
    refused(external("near", "4", "20"), CLSTM_BAD_MODEL, "leads outside");
}
END_TEST

START_TEST(links_that_stay) {
    char absolute[600];
    make_link("sub/data", "model/link");
    found(external("link", "4", "20"));
    make_link("sub", "model/dir");
    found(external("dir/data", "4", "20"));
    snprintf(absolute, sizeof absolute, "%s/model/data", base);
    make_link(absolute, "model/absolute");
    found(external("absolute", "4", "20"));
    make_link("../model/data", "model/round");
    found(external("round", "4", "20"));
    /* The directory itself may be reached by a link. */
    make_link("model", "alias");
    found_by(external("link", "4", "20"), "alias", NULL);
    found_by(external("data", "4", "20"), "alias", NULL);
}
END_TEST

/* snapshots/R/model.onnx -> ../../blobs/A, and the data beside it likewise. */
START_TEST(cache_of_blobs) {
    make_dir("blobs");
    make_dir("snapshots");
    make_dir("snapshots/r");
    write_file("blobs/a", "m", 1);
    write_file("blobs/b", numbers, sizeof numbers);
    make_link("../../blobs/a", "snapshots/r/model.onnx");
    make_link("../../blobs/b", "snapshots/r/model.onnx_data");
    found_by(external("model.onnx_data", "4", "20"), "snapshots/r", "snapshots/r/model.onnx");
    make_link("../../outside/data", "snapshots/r/evil");
    refused_by(external("evil", "4", "20"), "snapshots/r", "snapshots/r/model.onnx", CLSTM_BAD_MODEL, "leads outside");
    /* A model that is no link has no second place. */
    write_file("snapshots/r/plain.onnx", "m", 1);
    refused_by(external("model.onnx_data", "4", "20"), "snapshots/r", "snapshots/r/plain.onnx", CLSTM_BAD_MODEL, "leads outside");
}
END_TEST

START_TEST(file_limit) {
    clstm_limits limits;
    clstm_limits_default(&limits);
    pbuf b = model_of(external("big", "4", "20"));
    FILE *f = fopen(in("model/big"), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(ftruncate(fileno(f), 1 << 20), 0);
    fclose(f);
    limits.value[CLSTM_LIMIT_FILE_BYTES] = 1 << 19;
    onnx_model m;
    clstm_error err = pb_import_at(&b, in("model"), NULL, &limits, &m);
    ck_assert_int_eq(err.status, CLSTM_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "limit file-bytes"));
    pb_free(&b);
}
END_TEST

/* ---- every place where a tensor may stand ------------------------------------------------------------------------------------------ */

static pbuf attribute(const char *name, int type, unsigned field, pbuf value) {
    pbuf a = pb_attr(name, type);
    pb_msg(&a, field, value);
    return a;
}

static pbuf constant(const char *name, int type, unsigned field, pbuf value) {
    pbuf n = pb_node("Constant", "k", "", "w");
    pb_msg(&n, F_NODE_ATTR, attribute(name, type, field, value));
    return n;
}

static pbuf sparse(pbuf values, pbuf indices) {
    pbuf s = {0};
    pb_msg(&s, 1, values);
    pb_msg(&s, 2, indices);
    pb_int(&s, 3, 5);
    return s;
}

static pbuf counted(void) {
    pbuf t = pb_tensor("", CLSTM_INT64, "5");
    pb_bytes(&t, 9, (const int64_t[]){0, 1, 2, 3, 4}, 40);
    return t;
}

/* Five int64 in a file, which numbers are not, so that only its place can be at fault. */
static pbuf external_indices(const char *location) {
    pbuf t = pb_tensor("", CLSTM_INT64, "5");
    pb_int(&t, 14, 1);
    entry(&t, "location", location);
    return t;
}

static pbuf function_with(pbuf node) {
    pbuf f = {0}, opset = {0};
    pb_text(&opset, 1, "");
    pb_int(&opset, 2, 17);
    pb_text(&f, 1, "F");
    pb_text(&f, 10, "local");
    pb_text(&f, 5, "w");
    pb_msg(&f, 7, node);
    pb_msg(&f, 9, opset);
    return f;
}

/* A model whose `place`-th kind of tensor lies at `location`; data is enough for each. */
static pbuf model_with(int place, const char *location) {
    pbuf g = pb_graph(), body = {0}, n, b;
    if (place == 0) pb_msg(&g, F_GRAPH_INIT, external(location, "4", "20"));
    if (place == 1) pb_msg(&g, F_GRAPH_NODE, constant("value", 4, 5, external(location, "4", "20")));
    if (place == 2) pb_msg(&g, F_GRAPH_NODE, constant("sparse_value", 11, 22, sparse(external(location, "4", "20"), counted())));
    if (place == 3) pb_msg(&g, F_GRAPH_SPARSE, sparse(external(location, "4", "20"), counted()));
    if (place == 4) pb_msg(&g, F_GRAPH_NODE, constant("sparse_value", 11, 22, sparse(external("data", "4", "20"), external_indices(location))));
    if (place == 5) {
        pb_text(&body, 2, "body");
        pb_msg(&body, F_GRAPH_INIT, external(location, "4", "20"));
        pb_msg(&body, F_GRAPH_NODE, pb_node("Neg", "neg", "w", "v"));
        pb_msg(&body, F_GRAPH_OUTPUT, pb_port("v", (int64_t[]){INT64_MIN}));
        n = pb_node("If", "if", "x", "b");
        pb_msg(&n, F_NODE_ATTR, attribute("then_branch", 5, 6, body));
        pb_msg(&g, F_GRAPH_NODE, n);
    }
    if (place == 6) {
        n = pb_node("F", "call", "", "w");
        pb_text(&n, F_NODE_DOMAIN, "local");
        pb_msg(&g, F_GRAPH_NODE, n);
    }
    pb_msg(&g, F_GRAPH_NODE, pb_node(place == 5 ? "Neg" : "Add", "last", place == 5 ? "x" : "x,w", "y"));
    b = pb_model(g);
    if (place == 6) {
        pbuf opset = {0};
        pb_text(&opset, 1, "local");
        pb_int(&opset, 2, 1);
        pb_msg(&b, F_MODEL_OPSET, opset);
        pb_msg(&b, F_MODEL_FUNCTION, function_with(constant("value", 4, 5, external(location, "4", "20"))));
    }
    return b;
}

static clstm_error import_with(int place, const char *location) {
    pbuf b = model_with(place, location);
    onnx_model m;
    clstm_error err = pb_import_at(&b, in("model"), NULL, NULL, &m);
    if (err.status == CLSTM_OK) pb_done(&m);
    pb_free(&b);
    return err;
}

/* Initialisers, attributes, sparse tensors' values and indices, bodies and functions: one opener. */
START_TEST(every_place)
{
    const int64_t indices[] = {0, 1, 2, 3, 4};
    write_file("model/indices", indices, sizeof indices);
    make_link("../outside/data", "model/out");
    for (int place = 0; place < 7; place++) {
        clstm_error err = import_with(place, place == 4 ? "indices" : "data");
        ck_assert_msg(err.status == CLSTM_OK, "place %d: %s", place, err.message);
        err = import_with(place, "../outside/data");
        ck_assert_msg(err.status == CLSTM_BAD_MODEL && strstr(err.message, "not a path beneath"), "place %d: %s", place, err.message);
        err = import_with(place, "out");
        ck_assert_msg(err.status == CLSTM_BAD_MODEL && strstr(err.message, "leads outside"), "place %d: %s", place, err.message);
        err = import_with(place, "sub");
        ck_assert_msg(err.status == CLSTM_IO && strstr(err.message, "is a directory"), "place %d: %s", place, err.message);
    }
}
END_TEST

/* A hard link is a file like another; a device is none. */
START_TEST(links_and_devices)
{
    ck_assert_int_eq(link(in("model/data"), in("model/hard")), 0);
    found(external("hard", "4", "20"));
    make_link("/dev/zero", "model/zero");
    refused(external("zero", "0", "20"), CLSTM_BAD_MODEL, "leads outside");
    refused_by(external("zero", "0", "20"), "../../dev", NULL, CLSTM_IO, "not a regular file");
}
END_TEST

/* A file that is written to while it is mapped is told from one whose name goes to another file. */
START_TEST(files_that_change)
{
    pbuf b = model_of(external("data", "4", "20"));
    onnx_model m;
    clstm_error err = pb_import_at(&b, in("model"), NULL, NULL, &m);
    ck_assert_msg(err.status == CLSTM_OK, "%s", err.message);
    ck_assert_int_eq(onnx_import_check(&m, &err), CLSTM_OK);
    ck_assert_int_eq(truncate(in("model/data"), sizeof numbers + 1), 0);
    ck_assert_int_eq(onnx_import_check(&m, &err), CLSTM_IO);
    ck_assert_str_eq(err.message, "external data \"data\": was changed while it was being loaded");
    ck_assert_int_eq(rename(in("outside/data"), in("model/data")), 0);
    ck_assert_int_eq(onnx_import_check(&m, &err), CLSTM_OK);
    ck_assert_int_eq(unlink(in("model/data")), 0);
    ck_assert_int_eq(onnx_import_check(&m, &err), CLSTM_OK);
    pb_done(&m);
    pb_free(&b);
}
END_TEST

static void add(Suite *s, const char *name, const TTest *test) {
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test);
    suite_add_tcase(s, tc);
}

Suite *unit_suite(void) {
    Suite *s = suite_create("onnx external data");
    add(s, "plain files", plain_files);
    add(s, "keys", keys);
    add(s, "not files", not_files);
    add(s, "paths that lead outside", paths_that_lead_outside);
    add(s, "links that stay", links_that_stay);
    add(s, "cache of blobs", cache_of_blobs);
    add(s, "file limit", file_limit);
    add(s, "every place", every_place);
    add(s, "links and devices", links_and_devices);
    add(s, "files that change", files_that_change);
    return s;
}
