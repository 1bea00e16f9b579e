/* Vector primitives of AVX2 and FMA. */
#ifndef CLSTM_KERNELS_X86_VEC_AVX2_H
#define CLSTM_KERNELS_X86_VEC_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__)
#error "compile this folder's AVX2 files with -mavx2 -mfma -mf16c"
#endif

#include <immintrin.h>

#define ISA(name) name##_avx2
enum { VL = 8 };
/* Registers, and whether a product needs none of its own: what bounds a register tile. */
#define TILE_REGISTERS 16
#define TILE_FMA 1
/* Rows of a tile 1, 2, 3 and 4 vectors wide. */
enum { TILE_ROWS_1 = 12, TILE_ROWS_2 = 6, TILE_ROWS_3 = 4, TILE_ROWS_4 = 3 };

typedef float vf __attribute__((vector_size(32)));
typedef double vd __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef uint32_t vu __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline, unused))

INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
INLINE vf vf_set(float x) { return _mm256_set1_ps(x); }
INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
/* a < b ? a : b, so b when either is NaN */
INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }

INLINE __m256i part_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf vf_load_part(const float *p, int n) { return _mm256_maskload_ps(p, part_mask(n)); }
INLINE void vf_store_part(float *p, vf v, int n) { _mm256_maskstore_ps(p, part_mask(n), v); }

/* 2^n for whole n in [-126, 127]; 128 gives infinity */
INLINE vf vf_pow2(vf n)
{
    __m256i i = _mm256_cvtps_epi32(n);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(i, _mm256_set1_epi32(127)), 23));
}
/* v * 2^n for whole n in [-160, 160], subnormal results rounded once: the first factor keeps the product normal */
INLINE vf vf_scale(vf v, vf n)
{
    vf a = vf_min(vf_set(64.0f), vf_max(vf_set(-64.0f), n));
    return v * vf_pow2(a) * vf_pow2(n - a);
}

/* v * 2^n, v in [0.7, 1.5], for whole n in [-126, 128]; infinite at 128 or where it overflows */
INLINE vf vf_scale_normal(vf v, vf n) { return v * vf_pow2(n); }

INLINE vd vd_load(const double *p) { return _mm256_loadu_pd(p); }
INLINE vd vd_load_float(const float *p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
INLINE void vd_store(double *p, vd v) { _mm256_storeu_pd(p, v); }
INLINE vd vd_load_part(const double *p, int n)
{
    return _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)));
}
INLINE void vd_store_part(double *p, vd v, int n)
{
    _mm256_maskstore_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)), v);
}
INLINE vd vd_set(double x) { return _mm256_set1_pd(x); }
INLINE vd vd_fma(vd a, vd b, vd c) { return _mm256_fmadd_pd(a, b, c); }

#endif
