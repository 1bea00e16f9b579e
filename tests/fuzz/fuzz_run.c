/* Property: a model that loads runs on zeros or says why not, and then runs again with the same answer. */
#include "feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_limits limits;
    feed_limits(&limits);
    feed_level(data, size);
    clstm_model_options options = {.limits = &limits};
    clstm_error err = {0};
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    feed zeros = {0};
    if (clstm_model_load_memory(data, size, NULL, &options, &model, &err) == CLSTM_OK && feed_make(&zeros) &&
        clstm_session_create(model, NULL, &session, &err) == CLSTM_OK) {
        clstm_status status = feed_run(&zeros, model, session, 0, &err);
        FUZZ_HOLDS(status != CLSTM_INTERNAL);
        FUZZ_HOLDS(status == CLSTM_OK || err.message[0]);
        fuzz_reached += status == CLSTM_OK;
        FUZZ_HOLDS(feed_run(&zeros, model, session, 0, &err) == status);
    }
    clstm_session_destroy(session);
    clstm_model_destroy(model);
    feed_free(&zeros);
    return 0;
}
