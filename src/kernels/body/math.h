/*
 * Vector exp, log, tanh, sigmoid, erf and gelu: within 4 ULP over the whole float range, NaN and infinities as the definitions say;
 * and the shorter gate forms of sigmoid and tanh, within 1.2e-7 absolute.  Exponential forms cost the gates no more than
 * rational ones and are more accurate.
 * Polynomials are minimax fits (Lawson's iteration in 40 digits) of the expressions beside them.
 */
#ifndef CLSTM_KERNELS_BODY_MATH_H
#define CLSTM_KERNELS_BODY_MATH_H

/* ln 2 in two parts; a product of the first with a whole number up to 2^15 is exact */
#define LN2_HI 0.693359375f
#define LN2_LO -2.12194440e-4f

/* x / ln2 rounded to whole numbers, |x| < 2^21: adding 1.5 * 2^23 rounds. */
INLINE vf vf_whole_ln2(vf x)
{
    const vf magic = vf_set(12582912.0f);
    return vf_fma(x, vf_set(1.44269504f), magic) - magic;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln2/2, 3.2e-9 */
#define EXPM1_0 0.5f
#define EXPM1_1 1.666651815e-01f
#define EXPM1_2 4.166620597e-02f
#define EXPM1_3 8.368908428e-03f
#define EXPM1_4 1.395052182e-03f

/* e^r - 1 for |r| <= ln2/2, relatively accurate at 0 */
INLINE vf vf_expm1_core(vf r)
{
    vf q = vf_fma(vf_set(EXPM1_4), r, vf_set(EXPM1_3));
    q = vf_fma(q, r, vf_set(EXPM1_2));
    q = vf_fma(q, r, vf_set(EXPM1_1));
    q = vf_fma(q, r, vf_set(EXPM1_0));
    return vf_fma(r * r, q, r);
}

/* x = n ln2 + r with n whole, |r| <= ln2/2; returns e^r - 1. */
INLINE vf vf_expm1_reduced(vf x, vf *n)
{
    vf k = vf_whole_ln2(x);
    *n = k;
    return vf_expm1_core(vf_fma(k, vf_set(-LN2_LO), vf_fma(k, vf_set(-LN2_HI), x)));
}

/*
 * Gate forms, several values side by side: one value's chain of operations is far longer than the few hundred that a core looks
 * ahead, so values that followed each other would wait for each other.  They bound their input, so that a clip inside these
 * limits costs nothing.
 */
#define GATE_SIGMOID_LOW -89.0f
#define GATE_SIGMOID_HIGH 87.0f
#define GATE_TANH_LIMIT 10.0f

enum { GATES_AT_ONCE = 8 };

typedef struct ISA(gate_limits) { vf sigmoid_low, sigmoid_high, tanh_limit; } ISA(gate_limits);

/* x = n ln2 + r: x becomes e^r - 1.  ln2 in one part: the error of r grows with n, where a gate no longer feels it. */
INLINE void vf_expm1_gates(vf *x, vf *n, const int count)
{
    vf q[GATES_AT_ONCE];
#define SIDE_BY_SIDE UNROLL for (int i = 0; i < count; i++)
    SIDE_BY_SIDE n[i] = vf_whole_ln2(x[i]);
    SIDE_BY_SIDE x[i] = vf_fma(n[i], vf_set(-0.693147181f), x[i]);
    SIDE_BY_SIDE q[i] = vf_fma(vf_set(EXPM1_4), x[i], vf_set(EXPM1_3));
    SIDE_BY_SIDE q[i] = vf_fma(q[i], x[i], vf_set(EXPM1_2));
    SIDE_BY_SIDE q[i] = vf_fma(q[i], x[i], vf_set(EXPM1_1));
    SIDE_BY_SIDE q[i] = vf_fma(q[i], x[i], vf_set(EXPM1_0));
    SIDE_BY_SIDE x[i] = vf_fma(x[i] * x[i], q[i], x[i]);
}

/* x[i] becomes tanh(x[i]) where bit i of `tanhs` is set, else sigmoid(x[i]).
   sigmoid: 1 / (1 + e^-x); e^-x overflows to infinity at the low limit, which makes 0 of -inf.
   tanh: m = e^2|x| - 1: m / (m + 2) with x's sign */
INLINE void vf_gates(const ISA(gate_limits) *l, vf *x, const int count, const unsigned tanhs)
{
    const vf one = vf_set(1.0f);
    vf p[GATES_AT_ONCE], n[GATES_AT_ONCE];
    SIDE_BY_SIDE
    {
        if (tanhs >> i & 1) {
            p[i] = vf_min(l->tanh_limit, vf_abs(x[i]));
            p[i] = p[i] + p[i];
        } else
            p[i] = -vf_max(l->sigmoid_low, vf_min(l->sigmoid_high, x[i]));
    }
    vf_expm1_gates(p, n, count);
    SIDE_BY_SIDE
    {
        if (tanhs >> i & 1) {
            n[i] = vf_pow2(n[i]);
            p[i] = vf_fma(p[i], n[i], n[i] - one);
        } else
            p[i] = one + vf_scale_normal(one + p[i], n[i]);
    }
    SIDE_BY_SIDE x[i] = tanhs >> i & 1 ? vf_or_sign(vf_ratio(p[i], p[i] + vf_set(2.0f), 0), x[i]) : vf_ratio(one, p[i], 1);
#undef SIDE_BY_SIDE
}

/* e^(a - b) for a <= b: what the difference loses by rounding goes into the reduced argument. */
INLINE vf vf_exp_difference(vf a, vf b)
{
    vf d = a - b, back = a - d, lost = (a - (d + back)) + (back - b);
    vf n = vf_max(vf_set(-104.0f), d), k = vf_whole_ln2(n);
    vf r = vf_fma(k, vf_set(-LN2_LO), vf_fma(k, vf_set(-LN2_HI), n)) + vf_select(d > -104.0f, lost, vf_set(0.0f));
    return vf_scale(vf_expm1_core(r) + vf_set(1.0f), k);
}

INLINE vf vf_exp(vf x)
{
    vf n, p = vf_expm1_reduced(vf_clamp(x, -104.0f, 89.0f), &n);
    return vf_scale(p + vf_set(1.0f), n);
}

/* e = exp(-|x|) <= 1: e / (1 + e) keeps its relative accuracy down to the subnormals, 1 / (1 + e) above */
INLINE vf vf_sigmoid(vf x)
{
    const vf one = vf_set(1.0f);
    vf n, p = vf_expm1_reduced(vf_max(vf_set(-104.0f), -vf_abs(x)), &n);
    vf e = vf_scale(p + one, n);
    return vf_select(x < 0.0f, e, one) / (one + e);
}

/* m = e^2|x| - 1, relatively accurate at 0: m / (m + 2) */
INLINE vf vf_tanh(vf x)
{
    vf y = vf_min(vf_set(10.0f), vf_abs(x));
    vf n, p = vf_expm1_reduced(y + y, &n);
    vf s = vf_pow2(n);
    vf m = vf_fma(p, s, s - vf_set(1.0f));
    return vf_or_sign(m / (m + vf_set(2.0f)), x);
}

INLINE vf vf_log(vf x)
{
    vi tiny = x < 1.17549435e-38f;
    vf scaled = vf_select(tiny, x * vf_set(8388608.0f), x);
    /* x = m 2^e with m in [sqrt(1/2), sqrt(2)) */
    vi up = (vi)((vu)scaled - (vu)vi_set(0x3f3504f3));   /* unsigned: it wraps for negative x */
    vi exponent = up >> 23;
    vf m = (vf)((vu)scaled - ((vu)exponent << 23));
    vf e = __builtin_convertvector(exponent - (tiny & vi_set(23)), vf);
    vf f = m - vf_set(1.0f);
    /* (log(1+f) - f + f^2/2) / f^3, 8e-10 */
    vf p = vf_set(6.746601313e-02f);
    p = vf_fma(p, f, vf_set(-1.167564094e-01f));
    p = vf_fma(p, f, vf_set(1.188817471e-01f));
    p = vf_fma(p, f, vf_set(-1.240559146e-01f));
    p = vf_fma(p, f, vf_set(1.421955079e-01f));
    p = vf_fma(p, f, vf_set(-1.666799635e-01f));
    p = vf_fma(p, f, vf_set(2.000211924e-01f));
    p = vf_fma(p, f, vf_set(-2.500000894e-01f));
    p = vf_fma(p, f, vf_set(3.333331347e-01f));
    vf z = f * f;
    vf y = vf_fma(vf_set(-0.5f), z, f * z * p);
    y = vf_fma(e, vf_set(LN2_LO), y);
    y = vf_fma(e, vf_set(LN2_HI), f + y);
    const vf inf = vf_set(__builtin_inff());
    y = vf_select(x < inf, y, x);                                   /* +inf and NaN */
    y = vf_select(x < 0.0f, vf_set(__builtin_nanf("")), y);
    return vf_select(x == 0.0f, -inf, y);
}

INLINE vf vf_erf(vf x)
{
    vf a = vf_min(vf_set(4.0f), vf_abs(x));
    /* erf(x)/x over x^2, |x| <= 0.9 */
    vf s = a * a;
    vf p = vf_set(8.538839029e-05f);
    p = vf_fma(p, s, vf_set(-8.181927260e-04f));
    p = vf_fma(p, s, vf_set(5.204435904e-03f));
    p = vf_fma(p, s, vf_set(-2.686075307e-02f));
    p = vf_fma(p, s, vf_set(1.128371954e-01f));
    p = vf_fma(p, s, vf_set(-3.761263490e-01f));
    p = vf_fma(p, s, vf_set(1.128379226e+00f));
    /* -log(1 - erf(a)) over a - 1, 0.9 <= a <= 4 */
    vf t = a - vf_set(1.0f);
    vf q = vf_set(2.090955604e-05f);
    q = vf_fma(q, t, vf_set(-2.859361120e-04f));
    q = vf_fma(q, t, vf_set(2.005809685e-03f));
    q = vf_fma(q, t, vf_set(-1.004157215e-02f));
    q = vf_fma(q, t, vf_set(4.156167805e-02f));
    q = vf_fma(q, t, vf_set(8.431073427e-01f));
    q = vf_fma(q, t, vf_set(2.638967514e+00f));
    q = vf_fma(q, t, vf_set(1.849605560e+00f));
    vf large = vf_or_sign(vf_set(1.0f) - vf_exp(-q), x);
    return vf_select(a > 0.9f, large, x * p);
}

/* x times the normal distribution's part below x. With a = |x| the smaller tail is e^(-a^2/2) R(a): v = a * tail keeps its relative
   accuracy down to the subnormals, and the answer is x - v above zero, -v below. */
INLINE vf vf_gelu(vf x)
{
    const vf one = vf_set(1.0f);
    vf a = vf_min(vf_set(14.75f), vf_abs(x));
    /* a^2/2 in two parts: the square of a's first 12 bits is exact */
    vf head = (vf)((vi)a & vi_set(~0xfff));
    vf high = vf_set(-0.5f) * head * head, low = vf_set(-0.5f) * (a - head) * (a + head);
    vf n = vf_whole_ln2(high + low);
    vf e1 = vf_expm1_core(vf_fma(n, vf_set(-LN2_LO), vf_fma(n, vf_set(-LN2_HI), high)) + low);
    /* R(a) (a + 2.25) over t = 2s - 1, s = a / (a + 2.25), 1.4e-8: a R(a) is s times that */
    vf s = a / (a + vf_set(2.25f));
    vf t = vf_fma(vf_set(2.0f), s, -one);
    vf p = vf_set(-9.777610103e-05f);
    p = vf_fma(p, t, vf_set(-2.143281890e-04f));
    p = vf_fma(p, t, vf_set(2.410131128e-04f));
    p = vf_fma(p, t, vf_set(1.369171776e-03f));
    p = vf_fma(p, t, vf_set(8.226693026e-04f));
    p = vf_fma(p, t, vf_set(-5.640689749e-03f));
    p = vf_fma(p, t, vf_set(-1.056211535e-02f));
    p = vf_fma(p, t, vf_set(2.783740871e-02f));
    p = vf_fma(p, t, vf_set(8.013296872e-02f));
    p = vf_fma(p, t, vf_set(-3.863810599e-01f));
    /* what the last sum rounds off comes back in the last but one */
    const vf first = vf_set(6.914337277e-01f);
    vf whole = vf_fma(p, t, first), rest = vf_fma(p, t, first - whole);
    vf q = s * whole;
    vf v = vf_scale(q + vf_fma(q, e1, s * rest), n);
    return vf_select(x < 0.0f, -v, x - v);
}

#endif
