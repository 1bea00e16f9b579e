/* A fuzz target is one LLVMFuzzerTestOneInput; libFuzzer drives it (--enable-fuzz), or replay.c in every build. */
#ifndef CLSTM_TESTS_FUZZ_H
#define CLSTM_TESTS_FUZZ_H

#include <clstm/clstm.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Inputs that got as far as the target's property; each target counts them. */
extern long fuzz_reached;

/* A mutation's random numbers: the same seed gives the same input again. */
typedef struct fuzz_random { uint64_t state; } fuzz_random;
uint64_t fuzz_next(fuzz_random *random);

/* Changes a few bytes anywhere. Returns the new size, at most `capacity`. */
size_t fuzz_mutate_bytes(uint8_t *data, size_t size, size_t capacity, fuzz_random *random);
/* Changes fields of a protobuf message at any depth and sets the lengths around them right; bytes where it is none. */
size_t fuzz_mutate_wire(uint8_t *data, size_t size, size_t capacity, fuzz_random *random);

/* Stops the program when a property does not hold; works with NDEBUG. */
#define FUZZ_HOLDS(property) do { if (!(property)) fuzz_broken(#property, __FILE__, __LINE__); } while (0)
_Noreturn void fuzz_broken(const char *property, const char *file, int line);

#endif
