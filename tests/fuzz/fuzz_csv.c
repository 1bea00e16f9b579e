/* Property: a table that was read has whole rows; as double it is written and read again to the same values. */
#include "fuzz.h"
#include "io/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clstm_error err;
    io_table table = {0}, again = {0};
    io_buffer buffer = {0};
    clstm_tensor tensor = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    if (io_table_parse(text, size, &table, &err) == CLSTM_OK && table.count) {
        FUZZ_HOLDS(table.rows * table.columns == (int64_t)table.count);
        clstm_tensor want = clstm_tensor_view(CLSTM_DOUBLE, 2, (int64_t[]){-1, -1}, NULL);
        if (io_table_fit(&table, &want, NULL, &tensor, &err) == CLSTM_OK) {
            fuzz_reached++;
            FUZZ_HOLDS(clstm_tensor_count(&tensor) == (int64_t)table.count);
            FUZZ_HOLDS(io_csv_format(&tensor, ',', &buffer, &err) == CLSTM_OK);
            io_put(&buffer, "", 1);
            FUZZ_HOLDS(!buffer.failed);
            FUZZ_HOLDS(io_table_parse(buffer.data, buffer.size - 1, &again, &err) == CLSTM_OK && again.count == table.count);
            for (size_t i = 0; i < table.count; i++) {
                double a = ((const double *)tensor.data)[i], b = again.numbers[i].real;
                FUZZ_HOLDS((isnan(a) && isnan(b)) || a == b);
            }
        }
    }
    free(tensor.data);
    io_buffer_free(&buffer);
    io_table_free(&table);
    io_table_free(&again);
    free(text);
    return 0;
}
