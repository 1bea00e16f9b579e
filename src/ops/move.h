/* ops/move: moving elements between two strided places, by element size. Transpose, Slice, Concat, Split, Expand, Tile, Pad and the
 * like only say where; dimensions are joined and ordered once in prepare. */
#ifndef OPS_MOVE_H
#define OPS_MOVE_H

#include "ops/common.h"

enum { OP_MOVE_RANK = 2 * CLSTM_MAX_RANK };

typedef struct op_move {
    int nd;                         /* loops around the block; the last two are walked in tiles when that helps */
    int64_t count[OP_MOVE_RANK];
    ptrdiff_t from[OP_MOVE_RANK], to[OP_MOVE_RANK];     /* bytes */
    size_t block;                   /* bytes copied at a time; 0: nothing to do */
    ptrdiff_t start;                /* bytes from the source's first element to the first one read */
    bool tiled;
} op_move;

/* nd dimensions of `count` elements with steps in elements; `start` in elements. */
void op_move_layout(op_move *m, int nd, const int64_t *count, const int64_t *from, const int64_t *to, int64_t start, size_t size);
void op_move_run(const op_move *m, const void *from, void *to);
/* run: ctx->prepared is one op_move from input 0 to output 0. */
clstm_status op_move_one(op_ctx *ctx);
/* Row-major steps of `rank` dimensions. */
void op_dense_steps(int rank, const int64_t *dims, int64_t *steps);

#endif
