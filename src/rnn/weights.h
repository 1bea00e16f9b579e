/* rnn/weights: W and R of a recurrent node in the kernels' packed form, all directions in one block. Constant weights are packed
 * once and shared; from the packed form the raw bytes come back exactly. */
#ifndef RNN_WEIGHTS_H
#define RNN_WEIGHTS_H

#include "ir/const.h"
#include "kernels/kernels.h"
#include "rnn/spec.h"

/* What a block of packed weights holds: `directions` matrices of gates*hidden rows and k columns. */
typedef struct rnn_packing {
    kernel_store store;
    int gates, directions;
    bool split;             /* the last gate has a matrix of its own: R of a GRU with linear_before_reset = 0 */
    int64_t hidden, k;
} rnn_packing;

/* A packed matrix of one direction; `last` is the split gate's. */
typedef struct rnn_packed { kernel_packed main, last; } rnn_packed;

/* How weights of a node with element type `type` are kept: the cell's own arithmetic (cell.h) is in double, so float that is not
 * fused has its products in double too. float16 and bfloat16 have theirs in float, as row 17 of the decisions says. Decided at load,
 * whatever semantics a session will ask for. */
kernel_store rnn_store_of(const rnn_spec *s, clstm_type type);
/* The packing of input W or R (k: input or hidden size). */
rnn_packing rnn_packing_of(const rnn_spec *s, int input, kernel_store store, int64_t hidden, int64_t k);
size_t rnn_packing_bytes(const rnn_packing *p);
/* Packs the raw elements; dst is 64-byte aligned. */
void rnn_pack_raw(const rnn_packing *p, clstm_type type, const void *raw, void *dst);
/* The matrices of direction d in a block; with NULL their layouts alone. */
rnn_packed rnn_packed_view(const rnn_packing *p, const void *block, int d);
/* The shared pack of a constant. */
clstm_status rnn_pack_const(ir_const *c, const rnn_packing *p, const void **block, clstm_error *err);

/* op_desc.prepack */
clstm_status rnn_prepack(ir_node *node, uint32_t *claimed, clstm_error *err);

#endif
