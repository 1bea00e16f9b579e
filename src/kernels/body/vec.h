/* What every body needs on top of a level's primitives. */
#ifndef CLSTM_KERNELS_BODY_VEC_H
#define CLSTM_KERNELS_BODY_VEC_H

/* Before a loop of constant count whose arrays must live in registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_TWICE _Pragma("clang loop unroll_count(2)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_TWICE _Pragma("GCC unroll 2")
#endif

static const int TILE_ROWS[4] = {TILE_ROWS_1, TILE_ROWS_2, TILE_ROWS_3, TILE_ROWS_4};
/* Panels that one row takes at once, by vectors a panel. */
static const int GEMV_PANELS[4] = {1, 4, 2, 2};

/* mask lane all ones ? a : b */
INLINE vf vf_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vi vi_set(int32_t x) { return (vi){0} + x; }
INLINE vf vf_load_part_or_whole(const float *p, int n) { return n >= VL ? vf_load(p) : vf_load_part(p, n); }
INLINE void vf_store_part_or_whole(float *p, vf v, int n)
{
    if (n >= VL)
        vf_store(p, v);
    else
        vf_store_part(p, v, n);
}
/* NaN passes both */
INLINE vf vf_clamp(vf x, float lo, float hi) { return vf_max(vf_set(lo), vf_min(vf_set(hi), x)); }
/* y with x's sign bit added: y has x's sign already or is zero */
INLINE vf vf_or_sign(vf y, vf x) { return (vf)((vi)y | ((vi)x & vi_set(INT32_MIN))); }
#ifndef VF_RATIO
/* a / b for 0 <= a <= b, where the level has nothing faster; infinite: b may be */
INLINE vf vf_ratio(vf a, vf b, const int infinite) { return (void)infinite, a / b; }
#endif
INLINE vf vf_abs(vf x) { return (vf)((vi)x & vi_set(INT32_MAX)); }

#endif
