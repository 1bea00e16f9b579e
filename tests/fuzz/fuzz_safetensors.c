/* Property: what was read is written and read again as the same; a model made of it loads. */
#include "fuzz.h"
#include "io/safetensors.h"
#include "io/value.h"

#include <clstm/convert.h>
#include <stdlib.h>
#include <string.h>

static clstm_status append(void *user, const void *bytes, size_t size, clstm_error *err)
{
    io_put(user, bytes, size);
    if (!((io_buffer *)user)->failed) return CLSTM_OK;
    return err->status = CLSTM_NO_MEMORY;
}

static void make_model(const io_list *list)
{
    clstm_convert_weight *weights = calloc(list->count + 1, sizeof *weights);
    io_buffer file = {0};
    clstm_model *model = NULL;
    clstm_error err;
    for (size_t i = 0; weights && i < list->count; i++) weights[i] = (clstm_convert_weight){list->entries[i].name, list->entries[i].value.tensor};
    for (int keras = 0; weights && keras < 2; keras++) {
        clstm_convert_options options = {.states = list->count % 2, .batch_first = list->count % 3 == 0, .keras = keras};
        if (clstm_convert_weights_in(weights, list->count, &options, append, &file, &err) == CLSTM_OK)
            FUZZ_HOLDS(clstm_model_load_memory(file.data, file.size, NULL, NULL, &model, &err) == CLSTM_OK);
        clstm_model_destroy(model);
        model = NULL;
        io_buffer_free(&file);
    }
    free(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_error err;
    io_list list = {0}, again = {0};
    io_buffer buffer = {0};
    if (io_safetensors_parse(data, size, &list, &err) == CLSTM_OK) {
        fuzz_reached++;
        FUZZ_HOLDS(io_safetensors_format(&list, &buffer, &err) == CLSTM_OK);
        FUZZ_HOLDS(io_safetensors_parse((const unsigned char *)buffer.data, buffer.size, &again, &err) == CLSTM_OK);
        FUZZ_HOLDS(again.count == list.count);
        for (size_t i = 0; i < list.count; i++) {
            const clstm_tensor *a = &list.entries[i].value.tensor, *b = &again.entries[i].value.tensor;
            FUZZ_HOLDS(!strcmp(list.entries[i].name, again.entries[i].name) && a->type == b->type && clstm_tensor_count(a) == clstm_tensor_count(b));
        }
        make_model(&list);
    }
    io_buffer_free(&buffer);
    io_list_free(&list);
    io_list_free(&again);
    return 0;
}
