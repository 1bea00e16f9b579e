/* Property: a model that loads runs on zeros or says why not, and the plan's outputs have the types and element counts of the plain
 * interpreter's. Values are not compared here. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

enum { ZEROS = 1 << 20, UNKNOWN_DIM = 2 };

static clstm_status run(clstm_model *model, clstm_session *session, void *zeros, clstm_error *err)
{
    for (size_t i = 0; i < clstm_model_input_count(model); i++) {
        const clstm_port *port = clstm_model_input(model, i);
        if (port->kind != CLSTM_KIND_TENSOR || port->optional)
            continue;
        clstm_tensor input = port->tensor;
        for (int k = 0; k < input.rank; k++)
            if (input.dims[k] < 0)
                input.dims[k] = UNKNOWN_DIM;
        int64_t count = clstm_tensor_count(&input);
        if (count < 0 || count > ZEROS / 16)
            return CLSTM_BAD_ARGUMENT;
        input.data = zeros;
        clstm_status status = clstm_session_set_input(session, i, &input, err);
        if (status != CLSTM_OK)
            return status;
    }
    return clstm_session_run(session, err);
}

static void same(const clstm_value *a, const clstm_value *b)
{
    FUZZ_HOLDS(a->kind == b->kind);
    FUZZ_HOLDS(a->kind != CLSTM_KIND_SEQUENCE || a->count == b->count);
    for (size_t i = 0; a->kind == CLSTM_KIND_SEQUENCE && i < a->count; i++)
        same(&a->items[i], &b->items[i]);
    if (a->kind != CLSTM_KIND_TENSOR)
        return;
    FUZZ_HOLDS(a->tensor.type == b->tensor.type && clstm_tensor_count(&a->tensor) == clstm_tensor_count(&b->tensor));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_limits limits;
    clstm_limits_default(&limits);
    limits.value[CLSTM_LIMIT_ARENA_BYTES] = 32 << 20;
    limits.value[CLSTM_LIMIT_ELEMENTS] = 1 << 20;
    limits.value[CLSTM_LIMIT_LOOP_TRIPS] = 100;
    clstm_model_options options = {.limits = &limits};
    clstm_error err = {0};
    clstm_model *model = NULL;
    if (clstm_model_load_memory(data, size, NULL, &options, &model, &err) != CLSTM_OK)
        return 0;
    void *zeros = calloc(1, ZEROS);
    clstm_session *plan = NULL, *plain = NULL;
    clstm_session_options plain_options;
    clstm_session_options_default(&plain_options);
    plain_options.no_optimise = true;
    if (zeros && clstm_session_create(model, NULL, &plan, &err) == CLSTM_OK &&
        clstm_session_create(model, &plain_options, &plain, &err) == CLSTM_OK) {
        clstm_error plain_err = {0};
        clstm_status status = run(model, plan, zeros, &err), plain_status = run(model, plain, zeros, &plain_err);
        FUZZ_HOLDS(status != CLSTM_INTERNAL && plain_status != CLSTM_INTERNAL);
        fuzz_reached += status == CLSTM_OK;
        for (size_t i = 0; status == CLSTM_OK && plain_status == CLSTM_OK && i < clstm_model_output_count(model); i++)
            same(clstm_session_output(plan, i), clstm_session_output(plain, i));
    }
    clstm_session_destroy(plan);
    clstm_session_destroy(plain);
    clstm_model_destroy(model);
    free(zeros);
    return 0;
}
