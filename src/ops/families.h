/* ops/families: the arrays of rows that table.c gathers; each ends with a row without a domain. */
#ifndef OPS_FAMILIES_H
#define OPS_FAMILIES_H

#include "ir/op.h"

extern const op_desc ops_unary_math[], ops_unary_arith[], ops_cast[], ops_binary[], ops_relation[], ops_variadic[], ops_select[];
extern const op_desc ops_shape[], ops_transpose[], ops_concat[], ops_slice[], ops_repeat[], ops_pad[], ops_create[];
extern const op_desc ops_gather[], ops_scatter[], ops_rearrange[], ops_pick[];
extern const op_desc ops_reduce[], ops_arg[], ops_scan_sum[], ops_softmax[];
extern const op_desc ops_control[], ops_sequence[], ops_conv[], ops_pool[], ops_norm[], ops_quantise[];
extern const op_desc ops_integer_matmul[], ops_integer_conv[], ops_signal[], ops_signal_window[], ops_resize[], ops_grid[], ops_loss[],
    ops_causal_conv[], ops_place[], ops_suppress[], ops_rotary[], ops_determinant[];
extern const op_desc ops_matmul[], ops_einsum[], ops_layer_norm[];

#endif
