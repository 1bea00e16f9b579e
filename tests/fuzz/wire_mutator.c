/* libFuzzer's mutator for models: mostly protobuf fields, now and then its own. */
#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    fuzz_random random = {seed};
    if (size == 0 || size > most || fuzz_next(&random) % 5 == 0)
        return LLVMFuzzerMutate(data, size, most);
    return fuzz_mutate_wire(data, size, most, &random);
}
