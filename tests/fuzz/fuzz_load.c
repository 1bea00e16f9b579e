/* Property: loading any bytes gives a model or an error with words, within the limits. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_error err = {0};
    clstm_model *model = NULL;
    clstm_status status = clstm_model_load_memory(data, size, NULL, NULL, &model, &err);
    FUZZ_HOLDS((status == CLSTM_OK) == (model != NULL));
    FUZZ_HOLDS(status == CLSTM_OK || (err.status == status && err.message[0]));
    FUZZ_HOLDS(status != CLSTM_INTERNAL);
    fuzz_reached += status == CLSTM_OK;
    clstm_model_destroy(model);
    return 0;
}
