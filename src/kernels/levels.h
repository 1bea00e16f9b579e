/* The levels that are compiled in: each fills the table's entries that it has a body for. */
#ifndef CLSTM_KERNELS_LEVELS_H
#define CLSTM_KERNELS_LEVELS_H

#include "kernels/kernels.h"

void kernel_fill_generic(kernel_table *t);
void kernel_fill_neon(kernel_table *t);
void kernel_fill_avx2(kernel_table *t);
void kernel_fill_avx512(kernel_table *t);

#endif
