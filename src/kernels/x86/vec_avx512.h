/* Vector primitives of AVX-512 (F, BW, DQ, VL). */
#ifndef CLSTM_KERNELS_X86_VEC_AVX512_H
#define CLSTM_KERNELS_X86_VEC_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) || !defined(__AVX512VL__)
#error "compile this folder's AVX-512 files with -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma"
#endif

#include <immintrin.h>

#define ISA(name) name##_avx512
enum { VL = 16 };
/* Registers, and whether a product needs none of its own: what bounds a register tile. */
#define TILE_REGISTERS 32
#define TILE_FMA 1
/* Rows of a tile 1, 2, 3 and 4 vectors wide. */
enum { TILE_ROWS_1 = 12, TILE_ROWS_2 = 12, TILE_ROWS_3 = 8, TILE_ROWS_4 = 6 };

typedef float vf __attribute__((vector_size(64)));
typedef double vd __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
INLINE vf vf_set(float x) { return _mm512_set1_ps(x); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
/* a < b ? a : b, so b when either is NaN */
INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf vf_load_part(const float *p, int n) { return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void vf_store_part(float *p, vf v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v); }
/* v * 2^n for whole n in [-160, 160], subnormal results rounded once */
INLINE vf vf_scale(vf v, vf n) { return _mm512_scalef_ps(v, n); }
/* 2^n for whole n in [-126, 127] */
INLINE vf vf_pow2(vf n) { return _mm512_scalef_ps(_mm512_set1_ps(1.0f), n); }

/* v * 2^n, v in [0.7, 1.5], for whole n in [-126, 128]; infinite at 128 or where it overflows */
INLINE vf vf_scale_normal(vf v, vf n) { return _mm512_scalef_ps(v, n); }

/* a / b within an ULP or so for 0 <= a <= b, b not subnormal; 0 for infinite b, if there can be one.  A division of 16 lanes holds up
   its port five times as long as one step of Newton's from 14 bits. */
#define VF_RATIO
INLINE vf vf_ratio(vf a, vf b, const int infinite)
{
    vf r = _mm512_rcp14_ps(b);
    vf rest = _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0f));
    __mmask16 finite = infinite ? _mm512_cmp_ps_mask(b, _mm512_set1_ps(__builtin_inff()), _CMP_NEQ_UQ) : 0xffff;
    return a * _mm512_maskz_fmadd_ps(finite, r, rest, r);
}

INLINE vd vd_load(const double *p) { return _mm512_loadu_pd(p); }
INLINE vd vd_load_float(const float *p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
INLINE void vd_store(double *p, vd v) { _mm512_storeu_pd(p, v); }
INLINE vd vd_load_part(const double *p, int n) { return _mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
INLINE void vd_store_part(double *p, vd v, int n) { _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), v); }
INLINE vd vd_set(double x) { return _mm512_set1_pd(x); }
INLINE vd vd_fma(vd a, vd b, vd c) { return _mm512_fmadd_pd(a, b, c); }

#endif
