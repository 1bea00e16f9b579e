/* The kernel table's AVX-512 level. */
#include "kernels/pack.h"
#include "kernels/levels.h"
#include "kernels/x86/vec_avx512.h"
#include "kernels/body/level.h"
