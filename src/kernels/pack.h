/* Packed layouts: their sizes, packing and unpacking. The same code for every level; only the vector length differs. */
#ifndef CLSTM_KERNELS_PACK_H
#define CLSTM_KERNELS_PACK_H

#include "kernels/kernels.h"

/* lanes: elements of a vector of the level. A cell's columns are whole vectors, a plain matrix's are n. */
void kernel_layout_make(kernel_layout *out, kernel_store store, int lanes, int gates, int cell, int64_t n, int64_t k);
void kernel_pack_panels(const kernel_layout *layout, const kernel_source *from, void *dst, int64_t p0, int64_t p1);
void kernel_unpack_panels(const kernel_layout *layout, const void *src, const kernel_source *to, int64_t p0, int64_t p1);

#endif
