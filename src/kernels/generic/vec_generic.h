/* Vector primitives of the compiler's baseline: 128-bit vector extensions, multiplication and addition rounded apart. */
#ifndef CLSTM_KERNELS_GENERIC_VEC_GENERIC_H
#define CLSTM_KERNELS_GENERIC_VEC_GENERIC_H

#include <string.h>

#define ISA(name) name##_generic
enum { VL = 4 };
/* Registers, and whether a product needs none of its own: what bounds a register tile. */
#define TILE_REGISTERS 16
#define TILE_FMA 0
/* Rows of a tile 1, 2, 3 and 4 vectors wide. */
enum { TILE_ROWS_1 = 8, TILE_ROWS_2 = 4, TILE_ROWS_3 = 3, TILE_ROWS_4 = 2 };

typedef float vf __attribute__((vector_size(16)));
typedef double vd __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf vf_set(float x) { return (vf){x, x, x, x}; }
INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
INLINE vf vf_pick(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
/* a < b ? a : b, so b when either is NaN */
INLINE vf vf_min(vf a, vf b) { return vf_pick(a < b, a, b); }
INLINE vf vf_max(vf a, vf b) { return vf_pick(a > b, a, b); }

INLINE vd vd_load(const double *p)
{
    vd v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE vd vd_load_float(const float *p) { return (vd){(double)p[0], (double)p[1]}; }
INLINE void vd_store(double *p, vd v) { memcpy(p, &v, sizeof v); }
INLINE vd vd_set(double x) { return (vd){x, x}; }
INLINE vd vd_fma(vd a, vd b, vd c) { return a * b + c; }

#include "kernels/body/vec_plain.h"

#endif
