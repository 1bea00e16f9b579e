/* ops/product: one matrix product C = start + A * B through the packed kernels (float, double; float16 and bfloat16 in float) or
 * plain loops (integers). B is packed once when it is constant, else at each run into scratch: the order of sums is the same. */
#ifndef OPS_PRODUCT_H
#define OPS_PRODUCT_H

#include "ops/common.h"

#include "kernels/kernels.h"
#include "ops/epilogue.h"

typedef struct op_product {
    clstm_type type;
    int64_t m, k, n;
    bool trans_b;                   /* B is [n, k] */
    const kernel_table *kernels;
    kernel_layout layout;
    const unsigned char *packed;    /* constant B: its matrices one after another */
    size_t pack_at, a_at, c_at, scratch_bytes;
    const op_epilogue *after;       /* NULL: none; set by the operator after op_product_prepare */
} op_product;

/* Fills p; b_const NULL when B is not constant, else all its matrices (its leading dimensions) get packed. */
clstm_status op_product_prepare(op_product *p, clstm_type type, int64_t m, int64_t k, int64_t n, bool trans_b, ir_const *b_const, clstm_error *err);
/* The same packing at load, for prepack; *done says whether the raw bytes are no longer needed. */
clstm_status op_product_prepack(ir_const *b, bool trans_b, bool *done, clstm_error *err);
/* Packs B for the runs that follow (nothing when it is constant). */
void op_product_load_b(const op_product *p, const void *b, void *scratch);
/* C[m,n] (row-major). init: KERNEL_INIT_ZERO, _C or _ROW with `row` of the element's type. `b` is raw B, `index` its number among the
 * constant matrices. */
void op_product_run(const op_product *p, const void *a, const void *b, int64_t index, void *c, kernel_init init, const void *row, void *scratch, util_pool *pool);
/* A kernel_element for a floating-point type. */
kernel_element op_kernel_element(clstm_type type);

#endif
