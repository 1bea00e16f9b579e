/* Primitives in the compiler's own vectors, for levels whose instruction set has nothing better: parts of a vector through memcpy, powers
   of two through the exponent's bits.  Included by vec_LEVEL.h behind its types, vf_min, vf_max and vf_set. */
#ifndef CLSTM_KERNELS_BODY_VEC_PLAIN_H
#define CLSTM_KERNELS_BODY_VEC_PLAIN_H

INLINE vf vf_load_part(const float *p, int n)
{
    vf v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}
INLINE void vf_store_part(float *p, vf v, int n) { memcpy(p, &v, (size_t)n * sizeof *p); }

/* 2^n for whole n in [-126, 127]; 128 gives infinity */
INLINE vf vf_pow2(vf n) { return (vf)((__builtin_convertvector(n, vi) + 127) << 23); }
/* v * 2^n for whole n in [-160, 160], subnormal results rounded once: the first factor keeps the product normal */
INLINE vf vf_scale(vf v, vf n)
{
    vf a = vf_min(vf_set(64.0f), vf_max(vf_set(-64.0f), n));
    return v * vf_pow2(a) * vf_pow2(n - a);
}

/* v * 2^n, v in [0.7, 1.5], for whole n in [-126, 128]; infinite at 128 or where it overflows */
INLINE vf vf_scale_normal(vf v, vf n) { return v * vf_pow2(n); }

INLINE vd vd_load_part(const double *p, int n)
{
    vd v = {0};
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}
INLINE void vd_store_part(double *p, vd v, int n) { memcpy(p, &v, (size_t)n * sizeof *p); }

#endif
