/* io/value: tensors and values that own their memory, and their elements as numbers. */
#ifndef IO_VALUE_H
#define IO_VALUE_H

#include <clstm/clstm.h>

/* What a file may claim to unpack to, unless the caller says less. */
#define IO_MAX_BYTES (PTRDIFF_MAX < (int64_t)1 << 32 ? (int64_t)PTRDIFF_MAX : (int64_t)1 << 32)

/* A number as a text gives it: `integer` holds it when `exact`. */
typedef struct io_number { double real; int64_t integer; bool exact; } io_number;

/* Gives *t its type, shape and zeroed memory, at most max_bytes. */
clstm_status io_tensor_make(clstm_tensor *t, clstm_type type, int rank, const int64_t *dims, int64_t max_bytes, clstm_error *err);
/* Frees what a value owns: tensor data and items, all from malloc. */
void io_value_clear(clstm_value *v);
clstm_status io_value_copy(clstm_value *to, const clstm_value *from, clstm_error *err);

bool io_type_is_float(clstm_type type);

/* Element i. The double of an integer past 2^53 is rounded. */
double io_get(const clstm_tensor *t, int64_t i);
int64_t io_get_int(const clstm_tensor *t, int64_t i);      /* integers and bool; uint64 wraps */
/* Stores a number into element i; false when an integer type cannot hold it exactly. */
bool io_set(const clstm_tensor *t, int64_t i, io_number number);
/* Stores a real number, rounded where the type is an integer. */
void io_set_real(const clstm_tensor *t, int64_t i, double value);

float io_half_to_float(uint16_t half);
uint16_t io_half_from_double(double value);
float io_bfloat_to_float(uint16_t bits);
uint16_t io_bfloat_from_double(double value);

/* "[2,?,64]" with names where they are given (dim_names may be NULL); returns out. */
const char *io_shape_text(char *out, size_t size, const clstm_tensor *t, const char *const *dim_names);

#endif
