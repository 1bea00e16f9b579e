/* ops/conv_pack: the packed form of Conv's constant weights, for output channels along the vectors. It lives with the constant, so that
 * sessions and plans share it; a Conv whose few positions ask for nothing else packs at load, and the raw weights go. ConvTranspose's:
 * ops/conv_phases.h. */
#ifndef OPS_CONV_PACK_H
#define OPS_CONV_PACK_H

#include "ops/convolve.h"

/* Finds or makes c->packed of `w`. */
clstm_status conv_pack(convolve *c, ir_const *w, clstm_error *err);
/* The elements of `w` as they are, for positions along the vectors; a pack that nobody reads is forgotten. */
clstm_status conv_plain(const convolve *c, ir_const *w, const void **data, clstm_error *err);
/* op_desc.prepack of Conv. */
clstm_status conv_prepack(ir_node *n, uint32_t *claimed, clstm_error *err);

/* Outputs along the vectors, k inputs deep. */
kernel_layout conv_pack_layout(clstm_type type, int64_t k, int64_t outputs);
/* ir_pack.format of an arrangement, which has a letter of its own, with the facts that the constant's shape does not tell. */
uint64_t conv_pack_format(char letter, const int64_t *facts, size_t n);

#endif
