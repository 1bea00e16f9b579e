/* Outputs in the caller's memory: over whole models the bits are those of a run that keeps them, wherever the memory lies, and nothing
 * around it is touched.
 *
 *   bound MODEL_DIR...          model.onnx with test_data_set_0 as inputs; a model that is refused is skipped by name */
#include "dataset.h"

#include <clstm/clstm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, FENCE = 0xA5 };

typedef struct bound { unsigned char *block, *expected; size_t before, bytes; } bound;

static clstm_status open_case(const char *dir, clstm_model **model, clstm_session **session, dataset *set, clstm_error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    clstm_status status = clstm_model_load(path, NULL, model, err);
    if (status == CLSTM_OK)
        status = clstm_session_create(*model, NULL, session, err);
    snprintf(path, sizeof path, "%s/test_data_set_0", dir);
    if (status == CLSTM_OK)
        status = dataset_read(path, *model, false, set, err);
    if (status == CLSTM_OK)
        status = dataset_give(set, *session, err);
    return status == CLSTM_OK ? clstm_session_run(*session, err) : status;
}

static size_t bytes_of(const clstm_value *v)
{
    return (size_t)clstm_tensor_count(&v->tensor) * clstm_type_size(v->tensor.type);
}

/* Memory for the answer with fences around it, an odd number of elements (`shift` 1) past where malloc would put it. */
static bool make_bound(bound *b, const clstm_value *v, size_t shift)
{
    b->bytes = bytes_of(v);
    b->before = GUARD + shift * clstm_type_size(v->tensor.type);
    b->block = malloc(b->before + b->bytes + GUARD);
    b->expected = malloc(b->bytes + 1);
    if (!b->block || !b->expected)
        return false;
    memset(b->block, FENCE, b->before + b->bytes + GUARD);
    if (b->bytes)
        memcpy(b->expected, v->tensor.data, b->bytes);
    return true;
}

static bool fence_stands(const unsigned char *fence, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (fence[i] != FENCE)
            return false;
    return true;
}

/* NULL, or what is wrong. */
static const char *check_bound(const bound *b, const clstm_value *v)
{
    const unsigned char *data = b->block + b->before;
    if (v->tensor.data != data)
        return "the value does not lie in the bound memory";
    if (b->bytes && memcmp(data, b->expected, b->bytes))
        return "other bits";
    return fence_stands(b->block, b->before) && fence_stands(data + b->bytes, GUARD) ? NULL : "written beside the memory";
}

/* The session has run: binds every tensor that it gave, runs twice, takes them back and runs once more. */
static const char *check_outputs(clstm_session *session, bound *b, size_t n, size_t shift, clstm_error *err)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < n; i++) {
        const clstm_value *v = clstm_session_output(session, i);
        if (v->kind == CLSTM_KIND_TENSOR && clstm_type_size(v->tensor.type) && !make_bound(&b[i], v, shift))
            return "no memory";
    }
    for (size_t i = 0; i < n; i++)
        if (b[i].block && clstm_session_bind_output(session, i, b[i].block + b[i].before, b[i].bytes, err) != CLSTM_OK)
            return err->message;
    for (int twice = 0; twice < 2; twice++) {
        if (clstm_session_run(session, err) != CLSTM_OK)
            return err->message;
        for (size_t i = 0; i < n && !wrong; i++)
            if (b[i].block)
                wrong = check_bound(&b[i], clstm_session_output(session, i));
    }
    for (size_t i = 0; i < n; i++) {
        clstm_session_bind_output(session, i, NULL, 0, err);
        if (b[i].block)
            memset(b[i].block + b[i].before, FENCE, b[i].bytes);
    }
    if (clstm_session_run(session, err) != CLSTM_OK)
        return err->message;
    for (size_t i = 0; i < n && !wrong; i++) {
        const clstm_value *v = clstm_session_output(session, i);
        if (b[i].bytes && (memcmp(v->tensor.data, b[i].expected, b[i].bytes) || !fence_stands(b[i].block, b[i].before + b[i].bytes)))
            wrong = "taken back, it is not as before";
    }
    return wrong;
}

static const char *check_case(clstm_model *model, clstm_session *session, size_t shift, clstm_error *err)
{
    size_t n = clstm_model_output_count(model);
    bound *b = calloc(n + 1, sizeof *b);
    const char *wrong = b ? check_outputs(session, b, n, shift, err) : "no memory";
    for (size_t i = 0; b && i < n; i++) {
        free(b[i].block);
        free(b[i].expected);
    }
    free(b);
    return wrong;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0, skipped = 0;
    for (int i = 1; i < argc; i++) {
        clstm_model *model = NULL;
        clstm_session *session = NULL;
        dataset set = {0};
        clstm_error err = {0};
        const char *wrong = NULL;
        if (open_case(argv[i], &model, &session, &set, &err) != CLSTM_OK) {
            printf("skip %s: %s\n", argv[i], err.message);
            skipped++;
        } else {
            for (size_t shift = 0; shift < 2 && !wrong; shift++)
                wrong = check_case(model, session, shift, &err);
            if (wrong)
                printf("not ok %s: %s\n", argv[i], wrong);
            passed += !wrong;
            failed += wrong != NULL;
        }
        dataset_free(&set);
        clstm_session_destroy(session);
        clstm_model_destroy(model);
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
