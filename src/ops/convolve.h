/* ops/convolve: the arithmetic of convolution as packed products in the canonical order: bias, then channel by channel, tap by tap.
 *
 * Conv and each phase of ConvTranspose are the same gather: output position o reads input position o*step + offset[tap], zero
 * outside. Three ways give the same bits: positions along the vectors, each tap reading the input where it lies or, with padding or
 * steps, a padded copy of a tile's part of it; positions along the vectors, the columns gathered straight into the packed layout, where many
 * outputs share them or rows are too short for vectors; or, for few positions, output channels along the vectors with the weights
 * packed once. A product of the first way may join rows: what it computes between them is left out of the result.
 */
#ifndef OPS_CONVOLVE_H
#define OPS_CONVOLVE_H

#include "kernels/kernels.h"
#include "ops/common.h"

typedef struct convolve_tap { int64_t offset[3], place; } convolve_tap;      /* place: within a plane of the copy, by convolve_plan */

typedef struct convolve {
    clstm_type type;                /* float or double */
    int64_t channels, outputs;      /* of one group */
    int64_t in[3], out[3], step[3]; /* spatial sizes, outer ones 1 when the rank is smaller */
    int64_t taps;
    convolve_tap *tap;
    int64_t k, positions;           /* k = channels*taps */
    int64_t tile, tiles;            /* positions a tile at most */
    bool rows;                      /* output channels along the vectors */
    bool direct;                    /* taps read the input or its copy, a plane for each phase of the steps: */
    int64_t band, run, runs;        /* a tile is so many rows of the output, so many positions of each; tiles beside each other */
    bool in_place, zeros;           /* no copy is needed; a plane of zeros stands for those outside */
    int64_t low[3], reach[3];       /* least offset of a tap, and how far the greatest is from it */
    int64_t copied, pitch;          /* rows and values in a row of one phase of the copy */
    int64_t joined;                 /* rows that one product computes, with what lies between them */
    kernel_packed packed;           /* rows: the weights */
    size_t scratch;                 /* bytes for one thread */
} convolve;

/* Works out k, positions, tile and scratch; `rows`: the weights will be packed (convolve_suits_rows). */
void convolve_plan(convolve *c, bool rows);
/* Whether so many output positions are computed with the output channels along the vectors, when the weights may be packed. */
bool convolve_suits_rows(clstm_type type, int64_t outputs, int64_t positions);
/* One group of one image: x [channels, in], w [outputs, k], bias [outputs] or NULL, y [outputs] rows of y_stride elements.
 * Only tiles [t0, t1). */
void convolve_run(const convolve *c, const void *x, const void *w, const void *bias, void *y, int64_t y_stride, void *scratch, int64_t t0, int64_t t1);
/* The positions of a tile: *n from *at on. */
void convolve_tile(const convolve *c, int64_t tile, int64_t *at, int64_t *n);

#endif
