/* ops/wide: chunks of elements in a form that holds every value of their type exactly, and back. */
#ifndef OPS_WIDE_H
#define OPS_WIDE_H

#include "ops/common.h"

typedef enum op_wide { OP_WIDE_F64, OP_WIDE_I64, OP_WIDE_U64 } op_wide;
enum { OP_CHUNK = 256 };
typedef union op_chunk { double f[OP_CHUNK]; int64_t i[OP_CHUNK]; uint64_t u[OP_CHUNK]; } op_chunk;

/* The form for a type: floating point, uint64, or the other integers and bool. */
op_wide op_wide_of(clstm_type type);
/* n elements at `from`, at most OP_CHUNK. */
void op_wide_load(clstm_type type, const void *from, op_chunk *w, int64_t n);
/* Rounds (floating point), truncates and saturates (floating point to integers, NaN to 0), wraps (integers to integers). */
void op_wide_store(op_wide form, clstm_type type, const op_chunk *w, void *to, int64_t n);

#endif
