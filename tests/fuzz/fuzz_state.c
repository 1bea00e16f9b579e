/* Property: bytes load as a state or are refused with words and change nothing; what loaded is saved as the same bytes. The checksum
 * is also put right, so that what stands behind it is reached. */
#include "fuzz.h"

#include "io/buffer.h"

#include <clstm/convert.h>
#include <stdlib.h>
#include <string.h>

static clstm_status append(void *user, const void *bytes, size_t size, clstm_error *err)
{
    (void)err;
    io_put(user, bytes, size);
    return CLSTM_OK;
}

/* A state of one LSTM layer with two inputs and three units. */
static clstm_state *make_state(void)
{
    static float zeros[64];
    static const struct { const char *name; int rank; int64_t dims[2]; } parts[] = {
        {"lstm.weight_ih_l0", 2, {12, 2}}, {"lstm.weight_hh_l0", 2, {12, 3}}, {"lstm.bias_ih_l0", 1, {12}}, {"lstm.bias_hh_l0", 1, {12}}};
    clstm_convert_weight weights[4];
    for (int i = 0; i < 4; i++)
        weights[i] = (clstm_convert_weight){parts[i].name, clstm_tensor_view(CLSTM_FLOAT, parts[i].rank, parts[i].dims, zeros)};
    io_buffer file = {0};
    clstm_convert_options options = {.states = true};
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    clstm_state *state = NULL;
    clstm_session_options carry;
    clstm_session_options_default(&carry);
    carry.carry = CLSTM_CARRY_PORTS;
    clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, 3, (const int64_t[]){1, 1, 2}, zeros);
    FUZZ_HOLDS(clstm_convert_weights_in(weights, 4, &options, append, &file, NULL) == CLSTM_OK && !file.failed);
    FUZZ_HOLDS(clstm_model_load_memory(file.data, file.size, NULL, NULL, &model, NULL) == CLSTM_OK);
    FUZZ_HOLDS(clstm_session_create(model, &carry, &session, NULL) == CLSTM_OK);
    FUZZ_HOLDS(clstm_session_set_input(session, 0, &x, NULL) == CLSTM_OK && clstm_session_prepare(session, NULL) == CLSTM_OK);
    FUZZ_HOLDS(clstm_state_create(session, 0, &state, NULL) == CLSTM_OK);
    clstm_session_destroy(session);
    clstm_model_destroy(model);
    io_buffer_free(&file);
    return state;
}

static void load(clstm_state *state, const uint8_t *data, size_t size)
{
    size_t saved = clstm_state_saved_size(state);
    unsigned char *before = malloc(saved), *after = malloc(saved);
    clstm_error err = {0};
    FUZZ_HOLDS(before && after && clstm_state_save(state, before, saved, &err) == CLSTM_OK);
    clstm_status status = clstm_state_load(state, data, size, &err);
    FUZZ_HOLDS(status == CLSTM_OK || (status == CLSTM_BAD_ARGUMENT && err.message[0]));
    FUZZ_HOLDS(clstm_state_save(state, after, saved, &err) == CLSTM_OK);
    if (status == CLSTM_OK)
        FUZZ_HOLDS(size == saved && memcmp(after, data, size) == 0);
    else
        FUZZ_HOLDS(memcmp(after, before, saved) == 0);
    fuzz_reached += status == CLSTM_OK;
    free(before);
    free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static clstm_state *state;
    if (!state)
        state = make_state();
    load(state, data, size);
    if (size < 8)
        return 0;
    uint8_t *sealed = malloc(size);
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    FUZZ_HOLDS(sealed);
    memcpy(sealed, data, size);
    for (size_t i = 0; i < size - 8; i++)
        h = (h ^ data[i]) * UINT64_C(0x100000001b3);
    for (int i = 0; i < 8; i++)
        sealed[size - 8 + (size_t)i] = (uint8_t)(h >> 8 * i);
    load(state, sealed, size);
    free(sealed);
    return 0;
}
