/* ops/pointwise: running a loop over one to three inputs that broadcast. The shapes are worked out once in prepare: dimensions
 * that all inputs walk alike are joined, and a loop only ever sees contiguous inputs or inputs that stand still. */
#ifndef OPS_POINTWISE_H
#define OPS_POINTWISE_H

#include "ops/common.h"

/* y[0..n) from in[]; bit i of `still`: input i is one element for all of them. y may lie exactly on an input that does not stand
 * still. `arg` is the operator's own. */
typedef void op_loop(const void *const *in, void *y, int64_t n, unsigned still, const void *arg);

/* A loop for each wide type: float16 and bfloat16 go through f32, integers of 8 and 16 bits through 32, a chunk at a time. Where the
 * sign makes no difference only the unsigned loops are given. */
typedef struct op_loops { op_loop *f32, *f64, *i32, *i64, *u32, *u64, *boolean; } op_loops;

/* X(letters, C type) for the integers that have loops of their own here. */
#define OP_LOOP_SIGNED(X) X(i32, int32_t) X(i64, int64_t)
#define OP_LOOP_UNSIGNED(X) X(u32, uint32_t) X(u64, uint64_t)

typedef struct op_pointwise {
    op_loop *loop;
    const void *arg;
    double param[4];                /* room for arg; param[i-1] holds input i where the node leaves it out */
    clstm_type narrow;              /* a type that is converted by chunks around a wider loop; else NONE */
    bool narrow_out;                /* the output is of that type too */
    bool swapped;
    int n_in, nd;
    unsigned still;
    int64_t inner, count[CLSTM_MAX_RANK];
    ptrdiff_t step[CLSTM_MAX_RANK][3];      /* bytes to the next row, and back at the end of a dimension */
    size_t size[3], out_size;
    const struct op_epilogue *after;        /* NULL: none */
    int extra;                      /* the operator's own */
} op_pointwise;

/* The loop for elements of `type`, NULL when there is none. *narrow as in op_pointwise. */
op_loop *op_pick_loop(const op_loops *loops, clstm_type type, clstm_type *narrow);
/* infer: the broadcast of inputs first..first+n-1, of `type`. Honours axis and broadcast of opsets before 7. */
clstm_status op_infer_broadcast(op_ctx *ctx, int first, int n, clstm_type type);
/* Lays out the walk of `n` shapes over `out`. */
void op_pointwise_layout(op_pointwise *p, int n, const clstm_tensor *const *in, const clstm_tensor *out);
/* prepare: allocates ctx->prepared and fills it for inputs 0..n-1 and the type of input `typed`. NULL: *status says why. */
op_pointwise *op_pointwise_prepare(op_ctx *ctx, int n, int typed, const op_loops *loops, clstm_status *status);
/* Exchanges the two inputs of a prepared walk: op_pointwise_run then hands input 1 to the loop as its first. */
void op_pointwise_swap(op_pointwise *p);
/* Runs on explicit memory. */
void op_pointwise_apply(const op_pointwise *p, const void *const *in, void *out);
/* n elements of inputs that are contiguous or stand still. */
void op_pointwise_straight(const op_pointwise *p, const void *const *in, void *y, int64_t n);
/* run: ctx->prepared is an op_pointwise. */
clstm_status op_pointwise_run(op_ctx *ctx);

#endif
