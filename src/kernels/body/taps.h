/*
 * Products whose second matrix is not packed: its rows are wherever they are.  Convolutions of few channels read the input
 * through them in place of gathering it.  The same sums in the same order as the packed product, so the same bits.
 */
#ifndef CLSTM_KERNELS_BODY_TAPS_H
#define CLSTM_KERNELS_BODY_TAPS_H

enum { TAPS_ROWS = TILE_REGISTERS > 16 ? 6 : 4 };

/* `rows` rows of y, `nv` vectors from column `at` on; part: values of the last vector, VL for a whole one. */
INLINE void ISA(taps_tile)(const kernel_taps *g, const int rows, const int nv, int64_t row, int64_t at, const int part)
{
    vf acc[TAPS_ROWS][4];
    const float *w[TAPS_ROWS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        w[r] = g->w + (row + r) * g->ldw;
        UNROLL
        for (int v = 0; v < nv; v++)
            acc[r][v] = vf_set(g->start ? g->start[row + r] : 0);
    }
    for (int64_t i = 0; i < g->k; i++) {
        const float *x = g->x[i] + at;
        vf b[4];
        UNROLL
        for (int v = 0; v < nv; v++)
            b[v] = v + 1 == nv ? vf_load_part_or_whole(x + v * VL, part) : vf_load(x + v * VL);
        UNROLL
        for (int r = 0; r < rows; r++) {
            vf a = vf_set(w[r][i]);
            UNROLL
            for (int v = 0; v < nv; v++)
                acc[r][v] = vf_fma(a, b[v], acc[r][v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        float *y = g->y + (row + r) * g->ldy + at;
        UNROLL
        for (int v = 0; v < nv; v++) {
            if (v + 1 == nv)
                vf_store_part_or_whole(y + v * VL, acc[r][v], part);
            else
                vf_store(y + v * VL, acc[r][v]);
        }
    }
}

/* One column block of all rows. */
INLINE void ISA(taps_columns)(const kernel_taps *g, const int nv, int64_t at, const int part)
{
    int64_t r = 0;
    /* 8 = 4 + 4: a tile of two rows takes as long as one of four */
    for (; r + TAPS_ROWS <= g->rows && !(TAPS_ROWS > 4 && r + 8 == g->rows); r += TAPS_ROWS)
        ISA(taps_tile)(g, TAPS_ROWS, nv, r, at, part);
    for (; TAPS_ROWS > 4 && g->rows - r >= 4; r += 4)
        ISA(taps_tile)(g, 4, nv, r, at, part);
    if (g->rows - r >= 2) {
        ISA(taps_tile)(g, 2, nv, r, at, part);
        r += 2;
    }
    if (r < g->rows)
        ISA(taps_tile)(g, 1, nv, r, at, part);
}

/* One row: as many vectors at once as there are, for the latency of FMA. */
static void ISA(taps_row)(const kernel_taps *g)
{
    int64_t at = 0;
    for (; g->n - at >= 4 * VL; at += 4 * VL)
        ISA(taps_tile)(g, 1, 4, 0, at, VL);
    int left = (int)(g->n - at);
    if (left > 3 * VL)
        ISA(taps_tile)(g, 1, 4, 0, at, left - 3 * VL);
    else if (left > 2 * VL)
        ISA(taps_tile)(g, 1, 3, 0, at, left - 2 * VL);
    else if (left > VL)
        ISA(taps_tile)(g, 1, 2, 0, at, left - VL);
    else if (left > 0)
        ISA(taps_tile)(g, 1, 1, 0, at, left);
}

static void ISA(taps_f32)(const kernel_taps *g)
{
    int64_t at = 0;
    if (g->rows == 1) {
        ISA(taps_row)(g);
        return;
    }
    /* whole vectors apart: their loads need no mask */
    for (; g->n - at >= 2 * VL; at += 2 * VL)
        ISA(taps_columns)(g, 2, at, VL);
    if (g->n - at > VL)
        ISA(taps_columns)(g, 2, at, (int)(g->n - at) - VL);
    else if (g->n > at)
        ISA(taps_columns)(g, 1, at, (int)(g->n - at));
}

#endif
