/* Property: a sound file unpacks to at most its budget, frames times channels. */
#include "fuzz.h"
#include "io/wav.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const clstm_type types[] = {CLSTM_FLOAT, CLSTM_INT16};
    for (size_t i = 0; i < 2; i++) {
        clstm_error err;
        clstm_tensor tensor = {0};
        int rate = 0;
        if (io_wav_parse(data, size, types[i], 1 << 20, &tensor, &rate, &err) == CLSTM_OK) {
            fuzz_reached++;
            FUZZ_HOLDS(tensor.rank == 2 && clstm_tensor_count(&tensor) >= 0);
            FUZZ_HOLDS(clstm_tensor_count(&tensor) * (int64_t)clstm_type_size(tensor.type) <= 1 << 20);
        }
        free(tensor.data);
    }
    return 0;
}
