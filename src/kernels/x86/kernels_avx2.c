/* The kernel table's AVX2 level. */
#include "kernels/pack.h"
#include "kernels/levels.h"
#include "kernels/x86/vec_avx2.h"
#include "kernels/body/level.h"
