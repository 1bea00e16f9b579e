/* ops/conv_pack: the packed form of a convolution's constant weights, for output channels along the vectors. It lives with the constant, so
 * that sessions and plans share it; a Conv whose few positions ask for nothing else packs at load, and the raw weights go. */
#ifndef OPS_CONV_PACK_H
#define OPS_CONV_PACK_H

#include "ops/convolve.h"

/* Nodes that share weights but differ in strides or padding have phases of other taps: kernel[] tells which, in which order; NULL: all. */
uint64_t conv_pack_format(const convolve *c, const int64_t *kernel);
/* Finds or makes c->packed of `w`; `gathered`: the weights of a phase [outputs][k], NULL when they are the constant's own elements. */
clstm_status conv_pack(convolve *c, ir_const *w, uint64_t format, const void *gathered, clstm_error *err);
/* op_desc.prepack of Conv. */
clstm_status conv_prepack(ir_node *n, uint32_t *claimed, clstm_error *err);

#endif
