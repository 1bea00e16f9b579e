/* ops/epilogue: an elementwise function that a producer applies to its result while that is in cache. plan/fuse.c took its node out of
 * the graph and left it as node->epilogue of the producer. The same loops run on the same numbers: the bits are those of two nodes. */
#ifndef OPS_EPILOGUE_H
#define OPS_EPILOGUE_H

#include "ops/pointwise.h"

/* Must stay where it was prepared. */
typedef struct op_epilogue { bool on; op_pointwise walk; const void *fixed[3]; } op_epilogue;

/* Fills e for ctx->node->epilogue, whose first input is output 0 of ctx; off when there is none. */
clstm_status op_epilogue_prepare(op_ctx *ctx, op_epilogue *e);
/* n elements of output 0 from y on. */
void op_epilogue_apply(const op_epilogue *e, void *y, int64_t n);
/* `rows` runs of n elements, `stride` elements apart, of `size` bytes each. */
void op_epilogue_rows(const op_epilogue *e, void *y, int64_t rows, int64_t n, int64_t stride, size_t size);

#endif
