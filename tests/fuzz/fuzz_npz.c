/* Property: an archive unpacks to at most its budget, and what was read is written and found again by name. */
#include "fuzz.h"
#include "io/npy.h"
#include "io/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t budget = 1 << 22;
    clstm_error err;
    io_list list = {0}, again = {0};
    io_buffer buffer = {0};
    if (io_npz_parse(data, size, budget, &list, &err) == CLSTM_OK) {
        fuzz_reached++;
        int64_t total = 0;
        for (size_t i = 0; i < list.count; i++)
            total += clstm_tensor_count(&list.entries[i].value.tensor) * (int64_t)clstm_type_size(list.entries[i].value.tensor.type);
        FUZZ_HOLDS(total <= budget);
        if (io_npz_format(&list, &buffer, &err) == CLSTM_OK && !buffer.failed) {
            FUZZ_HOLDS(io_npz_parse((const unsigned char *)buffer.data, buffer.size, 2 * budget, &again, &err) == CLSTM_OK);
            FUZZ_HOLDS(again.count == list.count);
        }
    }
    io_buffer_free(&buffer);
    io_list_free(&list);
    io_list_free(&again);
    return 0;
}
