/* Vector primitives of AArch64's Advanced SIMD (NEON), which every such processor has. */
#ifndef CLSTM_KERNELS_ARM_VEC_NEON_H
#define CLSTM_KERNELS_ARM_VEC_NEON_H

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "compile this folder for AArch64 with Advanced SIMD"
#endif

#include <arm_neon.h>
#include <string.h>

#define ISA(name) name##_neon
enum { VL = 4 };
/* Registers, and whether a product needs none of its own: what bounds a register tile. */
#define TILE_REGISTERS 32
#define TILE_FMA 1
/* Rows of a tile 1, 2, 3 and 4 vectors wide. */
enum { TILE_ROWS_1 = 12, TILE_ROWS_2 = 12, TILE_ROWS_3 = 8, TILE_ROWS_4 = 6 };

typedef float vf __attribute__((vector_size(16)));
typedef double vd __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));

#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_load(const float *p) { return (vf)vld1q_f32(p); }
INLINE void vf_store(float *p, vf v) { vst1q_f32(p, (float32x4_t)v); }
INLINE vf vf_set(float x) { return (vf)vdupq_n_f32(x); }
INLINE vf vf_fma(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
/* a < b ? a : b, so b when either is NaN: fmin and fmax would give NaN back or drop it */
INLINE vf vf_min(vf a, vf b) { return (vf)vbslq_f32((uint32x4_t)(a < b), (float32x4_t)a, (float32x4_t)b); }
INLINE vf vf_max(vf a, vf b) { return (vf)vbslq_f32((uint32x4_t)(a > b), (float32x4_t)a, (float32x4_t)b); }

INLINE vd vd_load(const double *p) { return (vd)vld1q_f64(p); }
INLINE vd vd_load_float(const float *p) { return (vd)vcvt_f64_f32(vld1_f32(p)); }
INLINE void vd_store(double *p, vd v) { vst1q_f64(p, (float64x2_t)v); }
INLINE vd vd_set(double x) { return (vd)vdupq_n_f64(x); }
INLINE vd vd_fma(vd a, vd b, vd c) { return (vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }

#include "kernels/body/vec_plain.h"

#endif
