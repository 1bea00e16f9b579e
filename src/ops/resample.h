/* ops/resample: one axis of a resized tensor: which input positions each output position reads, and their weights. */
#ifndef OPS_RESAMPLE_H
#define OPS_RESAMPLE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum resample_mode { RESAMPLE_NEAREST, RESAMPLE_LINEAR, RESAMPLE_CUBIC } resample_mode;
typedef enum resample_place {       /* coordinate_transformation_mode */
    RESAMPLE_HALF_PIXEL, RESAMPLE_HALF_PIXEL_SYMMETRIC, RESAMPLE_PYTORCH_HALF_PIXEL, RESAMPLE_ALIGN_CORNERS, RESAMPLE_ASYMMETRIC,
    RESAMPLE_TF_HALF_PIXEL_FOR_NN, RESAMPLE_TF_CROP_AND_RESIZE
} resample_place;
typedef enum resample_round { RESAMPLE_PREFER_FLOOR, RESAMPLE_PREFER_CEIL, RESAMPLE_FLOOR, RESAMPLE_CEIL,
    RESAMPLE_DOWN_CEIL              /* Resize 10 does not say: what its test cases and ONNX Runtime do, up where it shrinks */
} resample_round;

typedef struct resample_rule {
    resample_mode mode;
    resample_place place;
    resample_round round;
    bool antialias, exclude_outside;
    double cubic_a;
} resample_rule;

typedef struct resample_axis {
    int64_t in, out, taps;
    double scale, start, end;       /* start, end: of the region, for RESAMPLE_TF_CROP_AND_RESIZE */
    int64_t *index;                 /* [out][taps], the caller's memory */
    double *weight;                 /* the same; not used by RESAMPLE_NEAREST */
    bool *outside;                  /* [out]: the point lies outside the input */
} resample_axis;

/* How many input positions an output position reads at most. */
int64_t resample_taps(const resample_rule *rule, double scale);
/* Fills index, weight and outside. */
void resample_fill(const resample_rule *rule, resample_axis *axis);

#endif
