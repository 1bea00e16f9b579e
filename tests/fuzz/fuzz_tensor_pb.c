/* Property: test data that was read (as tensor, sequence, optional) is written and read again the same. */
#include "fuzz.h"
#include "io/tensor_pb.h"
#include "io/value.h"

#include <string.h>

static void same(const clstm_value *a, const clstm_value *b)
{
    FUZZ_HOLDS(a->kind == b->kind);
    if (a->kind == CLSTM_KIND_SEQUENCE) {
        FUZZ_HOLDS(a->count == b->count);
        for (size_t i = 0; i < a->count; i++)
            same(&a->items[i], &b->items[i]);
    } else if (a->kind == CLSTM_KIND_TENSOR) {
        FUZZ_HOLDS(a->tensor.type == b->tensor.type && a->tensor.rank == b->tensor.rank);
        FUZZ_HOLDS(clstm_tensor_count(&a->tensor) == clstm_tensor_count(&b->tensor));
        size_t bytes = (size_t)clstm_tensor_count(&a->tensor) * clstm_type_size(a->tensor.type);
        FUZZ_HOLDS(bytes == 0 || memcmp(a->tensor.data, b->tensor.data, bytes) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const io_pb_form forms[] = {IO_PB_TENSOR, IO_PB_SEQUENCE, IO_PB_OPTIONAL};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        clstm_error err;
        clstm_value first = {0}, second = {0};
        io_buffer buffer = {0};
        if (io_pb_parse(data, size, forms[i], 1 << 22, &first, &err) == CLSTM_OK &&
            io_pb_format(&first, forms[i], "x", &buffer, &err) == CLSTM_OK && !buffer.failed) {
            fuzz_reached++;
            FUZZ_HOLDS(io_pb_parse((const unsigned char *)buffer.data, buffer.size, forms[i], 1 << 23, &second, &err) == CLSTM_OK);
            same(&first, &second);
        }
        io_buffer_free(&buffer);
        io_value_clear(&first);
        io_value_clear(&second);
    }
    return 0;
}
