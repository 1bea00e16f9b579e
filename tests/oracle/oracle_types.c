/* Element types of the oracle: float16 and bfloat16 written out by hand, rounding to nearest even, and ulp. */
#include "oracle.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* digits: significand bits with the hidden one; emin: exponent of the smallest normal number; emax: of the largest. */
static const struct {
    const char *name;
    size_t size;
    int onnx, digits, emin, emax;
} types[ORACLE_TYPES] = {
    [ORACLE_FLOAT] = {"float", 4, 1, 24, -126, 127},
    [ORACLE_DOUBLE] = {"double", 8, 11, 53, -1022, 1023},
    [ORACLE_FLOAT16] = {"float16", 2, 10, 11, -14, 15},
    [ORACLE_BFLOAT16] = {"bfloat16", 2, 16, 8, -126, 127},
};

size_t oracle_type_size(oracle_type t) { return types[t].size; }
const char *oracle_type_name(oracle_type t) { return types[t].name; }
int oracle_type_onnx(oracle_type t) { return types[t].onnx; }

long double oracle_ulp(oracle_type t, long double v)
{
    int e = 0;
    (void)frexpl(fabsl(v), &e); /* |v| = m * 2^e, 0.5 <= m < 1 */
    e -= 1;
    if (v == 0.0L || e < types[t].emin)
        e = types[t].emin;
    return ldexpl(1.0L, e - types[t].digits + 1);
}

long double oracle_round(oracle_type t, long double v)
{
    if (v == 0.0L || isnan(v) || isinf(v))
        return v;
    const long double unit = oracle_ulp(t, v);
    const long double r = rintl(v / unit) * unit; /* both scalings are by powers of two */
    const long double limit = ldexpl(1.0L, types[t].emax + 1);
    return fabsl(r) >= limit ? copysignl(INFINITY, v) : r;
}

static uint16_t encode_half(oracle_type t, long double v)
{
    const int fraction = types[t].digits - 1, bias = types[t].emax;
    const uint32_t sign = signbit(v) ? 0x8000u : 0u;
    const uint32_t top = ((uint32_t)(2 * bias + 1)) << fraction;
    if (isnan(v))
        return (uint16_t)(sign | top | (1u << (fraction - 1)));
    const long double m = fabsl(oracle_round(t, v));
    if (isinf(m))
        return (uint16_t)(sign | top);
    if (m == 0.0L)
        return (uint16_t)sign;
    int e = 0;
    (void)frexpl(m, &e);
    e -= 1;
    /* In units of the ulp the significand is an integer; the hidden bit then adds itself to the exponent field. */
    const uint32_t significand = (uint32_t)(m / oracle_ulp(t, m));
    const uint32_t exponent = e < types[t].emin ? 0u : (uint32_t)(e - types[t].emin);
    return (uint16_t)(sign | ((exponent << fraction) + significand));
}

static long double decode_half(oracle_type t, uint16_t bits)
{
    const int fraction = types[t].digits - 1;
    const uint32_t field = ((uint32_t)bits & 0x7fffu) >> fraction;
    const uint32_t low = (uint32_t)bits & ((1u << fraction) - 1u);
    const long double sign = (bits & 0x8000u) != 0 ? -1.0L : 1.0L;
    if (field == (uint32_t)(2 * types[t].emax + 1))
        return low != 0 ? (long double)NAN : sign * (long double)INFINITY;
    const uint32_t significand = field == 0 ? low : low + (1u << fraction);
    const int exponent = types[t].emin + (field == 0 ? 0 : (int)field - 1);
    return sign * ldexpl((long double)significand, exponent - fraction);
}

void oracle_encode(oracle_type t, const long double *v, size_t n, void *bytes)
{
    unsigned char *out = bytes;
    for (size_t i = 0; i < n; i++, out += types[t].size) {
        if (t == ORACLE_FLOAT) {
            const float f = (float)v[i];
            memcpy(out, &f, sizeof f);
        } else if (t == ORACLE_DOUBLE) {
            const double d = (double)v[i];
            memcpy(out, &d, sizeof d);
        } else {
            const uint16_t h = encode_half(t, v[i]);
            memcpy(out, &h, sizeof h);
        }
    }
}

void oracle_decode(oracle_type t, const void *bytes, size_t n, long double *v)
{
    const unsigned char *in = bytes;
    for (size_t i = 0; i < n; i++, in += types[t].size) {
        if (t == ORACLE_FLOAT) {
            float f;
            memcpy(&f, in, sizeof f);
            v[i] = (long double)f;
        } else if (t == ORACLE_DOUBLE) {
            double d;
            memcpy(&d, in, sizeof d);
            v[i] = (long double)d;
        } else {
            uint16_t h;
            memcpy(&h, in, sizeof h);
            v[i] = decode_half(t, h);
        }
    }
}

uint64_t oracle_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

long double oracle_random_unit(uint64_t *state)
{
    return (long double)(oracle_random(state) >> 11) / 4503599627370496.0L - 1.0L;
}
