/* ops/resample: coordinates and weights.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : Resize */
#include "ops/resample.h"

#include <math.h>

/* Where output position x lies among the input positions. Lengths are whole numbers of elements, as the operator's text has them. */
static double place(const resample_rule *r, const resample_axis *a, int64_t x) {
    double at = (double)x, in = (double)a->in, out = (double)a->out;
    switch (r->place) {
    case RESAMPLE_HALF_PIXEL: return (at + 0.5) / a->scale - 0.5;
    case RESAMPLE_HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - out / (a->scale * in)) + (at + 0.5) / a->scale - 0.5;
    case RESAMPLE_PYTORCH_HALF_PIXEL: return a->out > 1 ? (at + 0.5) / a->scale - 0.5 : 0;
    case RESAMPLE_ALIGN_CORNERS: return a->out > 1 ? at * (in - 1) / (out - 1) : 0;
    case RESAMPLE_ASYMMETRIC: return at / a->scale;
    case RESAMPLE_TF_HALF_PIXEL_FOR_NN: return (at + 0.5) / a->scale;
    default: return a->out > 1 ? a->start * (in - 1) + at * (a->end - a->start) * (in - 1) / (out - 1) : 0.5 * (a->start + a->end) * (in - 1);
    }
}

static double whole(resample_round round, double scale, double x) {
    switch (round) {
    case RESAMPLE_DOWN_CEIL: return scale < 1 ? ceil(x) : floor(x);
    case RESAMPLE_PREFER_FLOOR: return ceil(x - 0.5);
    case RESAMPLE_PREFER_CEIL: return floor(x + 0.5);
    case RESAMPLE_FLOOR: return floor(x);
    default: return ceil(x);
    }
}

/* The kernels: a triangle of half width 1, the cubic of half width 2; stretched when shrinking with antialias. */
static double kernel(const resample_rule *r, double x) {
    double a = r->cubic_a;
    x = fabs(x);
    if (r->mode == RESAMPLE_LINEAR) return x < 1 ? 1 - x : 0;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static double stretch(const resample_rule *r, double scale) { return r->antialias && scale < 1 ? scale : 1; }

/* First tap, counted from floor(x). A scale near zero has more taps than the caller allows, and than an integer counts. */
static int64_t first_tap(const resample_rule *r, double scale) {
    double reach = (r->mode == RESAMPLE_CUBIC ? 2.0 : 1.0) / stretch(r, scale);
    return reach < 1e12 ? (int64_t)floor(-reach) + 1 : -(int64_t)1e12;
}

int64_t resample_taps(const resample_rule *r, double scale) { return r->mode == RESAMPLE_NEAREST ? 1 : 2 - 2 * first_tap(r, scale); }

static int64_t clamp(double x, int64_t size) { return !(x > 0) ? 0 : x > (double)(size - 1) ? size - 1 : (int64_t)x; }

void resample_fill(const resample_rule *r, resample_axis *a) {
    double narrow = stretch(r, a->scale);
    for (int64_t o = 0; o < a->out; o++) {
        double x = place(r, a, o), base = floor(x), sum = 0;
        a->outside[o] = x < 0 || x > (double)(a->in - 1);
        if (r->mode == RESAMPLE_NEAREST) {
            a->index[o] = clamp(whole(r->round, a->scale, x), a->in);
            continue;
        }
        int64_t *index = a->index + o * a->taps, first = first_tap(r, a->scale);
        double *weight = a->weight + o * a->taps;
        for (int64_t t = 0; t < a->taps; t++) {
            double at = base + (double)(first + t);
            bool excluded = r->exclude_outside && (at < 0 || at > (double)(a->in - 1));
            weight[t] = excluded ? 0 : kernel(r, (at - x) * narrow);
            index[t] = clamp(at, a->in);
            sum += weight[t];
        }
        for (int64_t t = 0; t < a->taps && (r->antialias || r->exclude_outside) && sum != 0; t++) weight[t] /= sum;
    }
}
