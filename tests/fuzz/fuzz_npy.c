/* Property: what the .npy reader accepts, it writes and reads again with the same type, shape and bytes. */
#include "fuzz.h"
#include "io/npy.h"
#include "io/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_error err;
    clstm_tensor first = {0}, second = {0};
    io_buffer buffer = {0};
    if (io_npy_parse(data, size, 1 << 22, &first, &err) == CLSTM_OK) {
        fuzz_reached++;
        FUZZ_HOLDS(io_npy_format(&first, &buffer, &err) == CLSTM_OK && !buffer.failed);
        FUZZ_HOLDS(io_npy_parse((const unsigned char *)buffer.data, buffer.size, 1 << 22, &second, &err) == CLSTM_OK);
        FUZZ_HOLDS(first.type == second.type && first.rank == second.rank);
        FUZZ_HOLDS(memcmp(first.dims, second.dims, sizeof first.dims[0] * (size_t)first.rank) == 0);
        size_t bytes = (size_t)clstm_tensor_count(&first) * clstm_type_size(first.type);
        FUZZ_HOLDS(bytes == 0 || memcmp(first.data, second.data, bytes) == 0);
    }
    io_buffer_free(&buffer);
    free(first.data);
    free(second.data);
    return 0;
}
