/* Property: what is written of a model that runs, as it is and in another version of the standard, is a model that runs; its text in C, its
 * weights, what the linter finds and repairs come, or words why not. */
#include "feed.h"

#include <clstm/convert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct text { uint8_t *bytes; size_t size; } text;

static clstm_status append(void *user, const void *bytes, size_t size, clstm_error *err)
{
    text *t = user;
    uint8_t *grown = realloc(t->bytes, t->size + size + 1);
    if (!grown)
        return err->status = CLSTM_NO_MEMORY;
    memcpy(grown + t->size, bytes, size);
    t->bytes = grown;
    t->size += size;
    return CLSTM_OK;
}

static clstm_status drop_tensor(void *user, const char *name, const clstm_tensor *tensor, clstm_error *err)
{
    (void)user, (void)err;
    FUZZ_HOLDS(name[0] && clstm_tensor_count(tensor) >= 0);
    return CLSTM_OK;
}

static void drop_finding(void *user, const clstm_lint_finding *finding)
{
    (void)user;
    FUZZ_HOLDS(finding->rule[0] && finding->why[0]);
}

static void answered(clstm_status status, const clstm_error *err)
{
    FUZZ_HOLDS(status == CLSTM_OK || (status != CLSTM_INTERNAL && err->status == status && err->message[0]));
}

/* Whether it runs on zeros: shapes that do not fit may be known only then. */
static bool runs(clstm_model *model)
{
    clstm_error err = {0};
    clstm_session *session = NULL;
    feed zeros = {0};
    bool ran = feed_make(&zeros) && clstm_session_create(model, NULL, &session, &err) == CLSTM_OK && feed_run(&zeros, model, session, 0, &err) == CLSTM_OK;
    clstm_session_destroy(session);
    feed_free(&zeros);
    return ran;
}

static void write_again(clstm_model *model, int opset, const clstm_model_options *limits)
{
    const clstm_convert_onnx_options options = {.opset = opset};
    clstm_error err = {0};
    clstm_model *again = NULL;
    text written = {NULL, 0};
    clstm_status status = clstm_convert_onnx(model, &options, append, &written, &err);
    answered(status, &err);
    if (status == CLSTM_OK && runs(model)) {
        FUZZ_HOLDS(clstm_model_load_memory(written.bytes, written.size, NULL, limits, &again, &err) == CLSTM_OK);
        FUZZ_HOLDS(runs(again));
        fuzz_reached++;
    }
    clstm_model_destroy(again);
    free(written.bytes);
}

/* The linter takes files only. */
static void repair(const uint8_t *data, size_t size, const clstm_model_options *options)
{
    char path[64];
    clstm_error err = {0};
    clstm_model *model = NULL;
    int fd = memfd_create("model", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        answered(clstm_lint(path, options, drop_finding, NULL, &err), &err);
        answered(clstm_lint_load(path, options, "all", drop_finding, NULL, &model, &err), &err);
        clstm_model_destroy(model);
    }
    if (fd >= 0)
        close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_limits limits;
    feed_limits(&limits);
    uint64_t drawn = feed_level(data, size);
    const clstm_model_options options = {.limits = &limits};
    clstm_error err = {0};
    clstm_model *model = NULL;
    if (clstm_model_load_memory(data, size, NULL, &options, &model, &err) == CLSTM_OK) {
        const clstm_convert_c_options c = {.name = "m", .with_main = drawn % 2};
        text source = {NULL, 0}, header = {NULL, 0};
        write_again(model, 0, &options);
        write_again(model, CLSTM_CONVERT_OPSET_OLDEST + (int)(drawn % (CLSTM_CONVERT_OPSET_NEWEST - CLSTM_CONVERT_OPSET_OLDEST + 1)), &options);
        answered(clstm_convert_weights_out(model, drop_tensor, NULL, &err), &err);
        answered(clstm_convert_c(model, &c, append, &source, &header, &err), &err);
        free(source.bytes);
        free(header.bytes);
    }
    clstm_model_destroy(model);
    repair(data, size, &options);
    return 0;
}
