/* The kernel table's NEON level. */
#include "kernels/pack.h"
#include "kernels/levels.h"
#include "kernels/arm/vec_neon.h"
#include "kernels/body/level.h"
