/* The kernel table's first level: plain C with the compiler's vectors. */
#include "kernels/pack.h"
#include "kernels/levels.h"
#include "kernels/generic/vec_generic.h"
#include "kernels/body/level.h"
