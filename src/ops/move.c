/* ops/move: strided copies by element size. */
#include "ops/move.h"

#include <string.h>

void op_dense_steps(int rank, const int64_t *dims, int64_t *steps) {
    int64_t step = 1;
    for (int d = rank - 1; d >= 0; d--) { steps[d] = step; step *= dims[d]; }
}

/* The order of loops is free: the source's contiguous dimension goes beside the target's, so that tiles use both cache lines. */
static void order(op_move *m, size_t size) {
    int last = m->nd - 1;
    if (m->block != size || m->nd < 2 || m->to[last] != (ptrdiff_t)size || m->from[last] == (ptrdiff_t)size) return;
    for (int d = 0; d < last; d++) {
        if (m->from[d] != (ptrdiff_t)size) continue;
        int64_t count = m->count[d];
        ptrdiff_t from = m->from[d], to = m->to[d];
        for (int e = d; e + 1 < last; e++) { m->count[e] = m->count[e + 1]; m->from[e] = m->from[e + 1]; m->to[e] = m->to[e + 1]; }
        m->count[last - 1] = count;
        m->from[last - 1] = from;
        m->to[last - 1] = to;
        m->tiled = count > 1 && m->count[last] > 1;
        return;
    }
}

void op_move_layout(op_move *m, int nd, const int64_t *count, const int64_t *from, const int64_t *to, int64_t start, size_t size) {
    ptrdiff_t s = (ptrdiff_t)size;
    memset(m, 0, sizeof *m);
    m->start = (ptrdiff_t)start * s;
    for (int d = 0; d < nd; d++) {
        if (count[d] <= 0) { m->nd = 0; m->start = 0; return; }
        if (count[d] == 1) continue;
        int k = m->nd - 1;
        if (k >= 0 && m->from[k] == (ptrdiff_t)(from[d] * count[d]) * s && m->to[k] == (ptrdiff_t)(to[d] * count[d]) * s) {
            m->count[k] *= count[d];
        } else {
            k = m->nd++;
            m->count[k] = count[d];
        }
        m->from[k] = (ptrdiff_t)from[d] * s;
        m->to[k] = (ptrdiff_t)to[d] * s;
    }
    m->block = size;
    int last = m->nd - 1;
    if (last >= 0 && m->from[last] == s && m->to[last] == s) {
        m->block = size * (size_t)m->count[last];
        m->nd--;
    } else {
        order(m, size);
    }
}

#define LINE(T) { \
        const ptrdiff_t fs = m->from[d], ts = m->to[d]; \
        for (int64_t i = 0; i < n; i++, f += fs, t += ts) memcpy(t, f, sizeof(T)); \
        return; \
    }
/* One walk along dimension d. */
static void copy_line(const op_move *m, int d, const unsigned char *f, unsigned char *t) {
    const int64_t n = m->count[d];
    switch (m->block) {
    case 1: LINE(uint8_t)
    case 2: LINE(uint16_t)
    case 4: LINE(uint32_t)
    case 8: LINE(uint64_t)
    case 16: LINE(uint64_t[2])
    default:
        for (int64_t i = 0; i < n; i++, f += m->from[d], t += m->to[d]) memcpy(t, f, m->block);
    }
}

enum { TILE = 16 };
#define TILE_COPY(T) { \
        for (int64_t i = 0; i < rows; i++) \
            for (int64_t j = 0; j < cols; j++) memcpy(t + i * ti + j * (ptrdiff_t)sizeof(T), f + i * (ptrdiff_t)sizeof(T) + j * fj, sizeof(T)); \
        break; \
    }
/* The last two dimensions: rows i are contiguous in the source, columns j in the target. */
static void copy_tiles(const op_move *m, const unsigned char *from, unsigned char *to) {
    const int a = m->nd - 2, b = m->nd - 1;
    const ptrdiff_t ti = m->to[a], fj = m->from[b], size = (ptrdiff_t)m->block;
    for (int64_t i0 = 0; i0 < m->count[a]; i0 += TILE)
        for (int64_t j0 = 0; j0 < m->count[b]; j0 += TILE) {
            const int64_t rows = m->count[a] - i0 < TILE ? m->count[a] - i0 : TILE, cols = m->count[b] - j0 < TILE ? m->count[b] - j0 : TILE;
            const unsigned char *f = from + i0 * size + j0 * fj;
            unsigned char *t = to + i0 * ti + j0 * size;
            switch (m->block) {
            case 1: TILE_COPY(uint8_t)
            case 2: TILE_COPY(uint16_t)
            case 4: TILE_COPY(uint32_t)
            case 8: TILE_COPY(uint64_t)
            default: TILE_COPY(uint64_t[2])
            }
        }
}

void op_move_run(const op_move *m, const void *from, void *to) {
    const unsigned char *f = (const unsigned char *)from + m->start;
    unsigned char *t = to;
    int64_t index[OP_MOVE_RANK] = {0};
    if (!m->block) return;
    if (!m->nd) { if (t != f) memcpy(t, f, m->block); return; }
    const int inner = m->tiled ? m->nd - 2 : m->nd - 1;
    for (;;) {
        if (m->tiled) copy_tiles(m, f, t);
        else copy_line(m, inner, f, t);
        int d = inner - 1;
        while (d >= 0 && ++index[d] == m->count[d]) {
            f -= m->from[d] * (m->count[d] - 1);
            t -= m->to[d] * (m->count[d] - 1);
            index[d--] = 0;
        }
        if (d < 0) return;
        f += m->from[d];
        t += m->to[d];
    }
}

clstm_status op_move_one(op_ctx *ctx) {
    op_move_run(ctx->prepared, op_in(ctx, 0)->data, op_out(ctx, 0)->data);
    return CLSTM_OK;
}
