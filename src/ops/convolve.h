/* ops/convolve: the arithmetic of convolution as packed products in the canonical order: bias, then channel by channel, tap by tap.
 *
 * Conv and each phase of ConvTranspose are the same gather: output position o reads input position o*step + offset[tap], zero
 * outside. Three ways give the same bits: positions along the vectors, the columns gathered straight into the packed layout; the
 * same without gathering, each tap reading a padded copy of the input, for small inputs; or, for few positions, output channels
 * along the vectors with the weights packed once. */
#ifndef OPS_CONVOLVE_H
#define OPS_CONVOLVE_H

#include "kernels/kernels.h"
#include "ops/common.h"

typedef struct convolve_tap { int64_t offset[3]; } convolve_tap;

typedef struct convolve {
    clstm_type type;                /* float or double */
    int64_t channels, outputs;      /* of one group */
    int64_t in[3], out[3], step[3]; /* spatial sizes, outer ones 1 when the rank is smaller */
    int64_t taps;
    const convolve_tap *tap;
    int64_t k, positions, tile;     /* k = channels*taps; positions a tile */
    bool rows;                      /* output channels along the vectors */
    bool direct;                    /* taps read the padded copy: */
    int64_t before, phase, line;    /* zeros before a row; a row is cut into step[2] phases of `phase` values, `line` in all */
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
static inline int64_t convolve_tiles(const convolve *c) { return c->positions ? (c->positions + c->tile - 1) / c->tile : 0; }

#endif
