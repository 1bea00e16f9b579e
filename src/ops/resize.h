/* ops/resize: what Resize and Upsample prepare. */
#ifndef OPS_RESIZE_H
#define OPS_RESIZE_H

#include "ir/op.h"
#include "ops/resample.h"

typedef struct resize {
    resample_rule rule;
    resample_axis axes[CLSTM_MAX_RANK];
    bool changes[CLSTM_MAX_RANK], crop;
    double beyond;                  /* extrapolation_value */
    size_t buffer;                  /* bytes of each of the two buffers */
} resize;

#endif
