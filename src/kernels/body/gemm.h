/*
 * Packed GEMV and GEMM, included once per pair of element types with
 *   T, V, VLEN                                                  element of A, C and the start values, vector, lanes
 *   W, W_LOAD                                                   element of the packed matrix, a vector of it as a V
 *   GEMM(name)                                                  name with the types and level
 *   V_LOAD, V_STORE, V_LOAD_PART, V_STORE_PART, V_SET, V_FMA    primitives
 *   DEPTH_LOOP                                                  how the loop over k is unrolled
 *
 * The core is a register tile: `rows` rows of A times one panel of `nv` vectors, k ascending, one accumulator an element.  It
 * starts from rows of start values and leaves its sums in rows of memory; the recurrent steps are built on the same tiles.
 */

/* Vectors a row of any tile; values beyond it would not stay in registers. */
enum { GEMM(MAX_NV) = 8 };
/* One depth block of A rows (GEMM(ROW_BLOCK) x GEMM(DEPTH_BLOCK)) and of a panel stay in L2 together. */
enum { GEMM(DEPTH_BLOCK) = 512, GEMM(ROW_BLOCK) = 120 };

typedef void GEMM(tile_fn)(const T *const *a, const W *b, int64_t stride, int64_t k, const T *const *start, T *const *out,
                           const W *ahead);

/* Depth that one row takes of a panel before it turns to the panel beside it.  Where a row of a panel is four whole lines, runs of
   lines come faster from L2 than rows by turns (LSTM T1 B1 H128 3.46 -> 3.36 us); shorter rows lose 1 % by it. */
enum { GEMM(TURN) = 4 };
#define TAKES_TURNS(np, nv) ((np) > 1 && (nv) == 4 && sizeof(V) == 64)
/* A tile that fills most registers leaves its loads time to fetch the next panel.  A smaller one asks for its own panel at nearly the speed
   of the cache behind, and only disturbs what the hardware fetches by itself (LSTM T100 B4 H512, a step: 44.2 -> 40.3 us). */
#define PREFETCHES(rows, nv) ((rows) > 2 && (rows) * (nv) > TILE_REGISTERS / 2)

/* out[r] = start[r] + a[r][0..k) * b.  One panel: its rows are `stride` elements apart; `np` neighbouring panels: they are, and
   their rows nv vectors.  PREFETCHES: brings k vectors at `ahead` closer. */
INLINE void GEMM(tile)(const int rows, const int np, const int nv, const T *const *a, const W *b, int64_t stride, int64_t k,
                       const T *const *start, T *const *out, const W *ahead)
{
    V acc[TILE_ROWS_1][GEMM(MAX_NV)];
    const T *row[TILE_ROWS_1];
    UNROLL
    for (int r = 0; r < rows; r++) {
        row[r] = a[r];
        UNROLL
        for (int v = 0; v < np * nv; v++)
            acc[r][v] = V_LOAD(start[r] + v * VLEN);
    }
    int64_t i = 0;
    for (; TAKES_TURNS(np, nv) && i + GEMM(TURN) <= k; i += GEMM(TURN), b += GEMM(TURN) * nv * VLEN) {
        UNROLL
        for (int p = 0; p < np; p++) {
            UNROLL
            for (int u = 0; u < GEMM(TURN) * nv; u++)
                acc[0][p * nv + u % nv] = V_FMA(V_SET(row[0][i + u / nv]), W_LOAD(b + p * stride + u * VLEN), acc[0][p * nv + u % nv]);
        }
    }
    DEPTH_LOOP
    for (; i < k; i++) {
        /* compilers load each factor once, whichever loop is inside; the order decides which ones stay in registers */
        if (rows > 1 && rows < nv) {
            UNROLL
            for (int v = 0; v < np * nv; v++) {
                V w = W_LOAD(b + v / nv * stride + v % nv * VLEN);
                UNROLL
                for (int r = 0; r < rows; r++)
                    acc[r][v] = V_FMA(V_SET(row[r][i]), w, acc[r][v]);
            }
        } else {
            UNROLL
            for (int r = 0; r < rows; r++) {
                V x = V_SET(row[r][i]);
                UNROLL
                for (int v = 0; v < np * nv; v++)
                    acc[r][v] = V_FMA(x, W_LOAD(b + v / nv * stride + v % nv * VLEN), acc[r][v]);
            }
        }
        b += np == 1 ? stride : nv * VLEN;
        if (PREFETCHES(rows, nv))
            __builtin_prefetch(ahead + i * VLEN, 0, 2);
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        T *o = out[r];
        UNROLL
        for (int v = 0; v < np * nv; v++)
            V_STORE(o + v * VLEN, acc[r][v]);
    }
}

#define TILE(rows, np, nv)                                                                                                       \
    static void GEMM(tile_##rows##_##np##_##nv)(const T *const *a, const W *b, int64_t stride, int64_t k, const T *const *start, \
                                                T *const *out, const W *ahead)                                                   \
    {                                                                                                                            \
        GEMM(tile)(rows, np, nv, a, b, stride, k, start, out, ahead);                                                                   \
    }
/* clang-format off */
TILE(1, 1, 1) TILE(2, 1, 1) TILE(3, 1, 1) TILE(4, 1, 1) TILE(5, 1, 1) TILE(6, 1, 1) TILE(7, 1, 1) TILE(8, 1, 1)
TILE(1, 1, 2) TILE(2, 1, 2) TILE(3, 1, 2) TILE(4, 1, 2)
TILE(1, 1, 3) TILE(2, 1, 3) TILE(3, 1, 3)
TILE(1, 1, 4) TILE(2, 1, 4)
TILE(1, 4, 2) TILE(1, 2, 3) TILE(1, 2, 4)
#if TILE_REGISTERS > 16 || TILE_FMA
TILE(9, 1, 1) TILE(10, 1, 1) TILE(11, 1, 1) TILE(12, 1, 1)
TILE(5, 1, 2) TILE(6, 1, 2) TILE(4, 1, 3) TILE(3, 1, 4)
#endif
#if TILE_REGISTERS > 16
TILE(7, 1, 2) TILE(8, 1, 2) TILE(9, 1, 2) TILE(10, 1, 2) TILE(11, 1, 2) TILE(12, 1, 2)
TILE(5, 1, 3) TILE(6, 1, 3) TILE(7, 1, 3) TILE(8, 1, 3)
TILE(4, 1, 4) TILE(5, 1, 4) TILE(6, 1, 4)
#endif
#define AT(rows, nv) GEMM(tile_##rows##_1_##nv)
/* By vectors a row, then rows. */
static GEMM(tile_fn) *const GEMM(tiles)[4][TILE_ROWS_1] = {
#if TILE_REGISTERS > 16
    {AT(1, 1), AT(2, 1), AT(3, 1), AT(4, 1), AT(5, 1), AT(6, 1), AT(7, 1), AT(8, 1), AT(9, 1), AT(10, 1), AT(11, 1), AT(12, 1)},
    {AT(1, 2), AT(2, 2), AT(3, 2), AT(4, 2), AT(5, 2), AT(6, 2), AT(7, 2), AT(8, 2), AT(9, 2), AT(10, 2), AT(11, 2), AT(12, 2)},
    {AT(1, 3), AT(2, 3), AT(3, 3), AT(4, 3), AT(5, 3), AT(6, 3), AT(7, 3), AT(8, 3)},
    {AT(1, 4), AT(2, 4), AT(3, 4), AT(4, 4), AT(5, 4), AT(6, 4)},
#elif TILE_FMA
    {AT(1, 1), AT(2, 1), AT(3, 1), AT(4, 1), AT(5, 1), AT(6, 1), AT(7, 1), AT(8, 1), AT(9, 1), AT(10, 1), AT(11, 1), AT(12, 1)},
    {AT(1, 2), AT(2, 2), AT(3, 2), AT(4, 2), AT(5, 2), AT(6, 2)},
    {AT(1, 3), AT(2, 3), AT(3, 3), AT(4, 3)},
    {AT(1, 4), AT(2, 4), AT(3, 4)},
#else
    {AT(1, 1), AT(2, 1), AT(3, 1), AT(4, 1), AT(5, 1), AT(6, 1), AT(7, 1), AT(8, 1)},
    {AT(1, 2), AT(2, 2), AT(3, 2), AT(4, 2)},
    {AT(1, 3), AT(2, 3), AT(3, 3)},
    {AT(1, 4), AT(2, 4)},
#endif
};
/* clang-format on */
/* One row times GEMV_PANELS[nv - 1] panels at once: enough accumulators to cover the latency of FMA. */
static GEMM(tile_fn) *const GEMM(gemvs)[4] = {NULL, GEMM(tile_1_4_2), GEMM(tile_1_2_3), GEMM(tile_1_2_4)};
#undef AT
#undef TILE
#undef TAKES_TURNS
#undef PREFETCHES

static const T GEMM(zeros)[4 * VLEN] = {0};

/* n values of a row that may end anywhere, to and from a whole-vector copy of it (padded with zeros) */
INLINE void GEMM(copy_padded)(T *to, const T *from, int64_t n)
{
    for (; n >= VLEN; n -= VLEN, to += VLEN, from += VLEN)
        V_STORE(to, V_LOAD(from));
    if (n)
        V_STORE(to, V_LOAD_PART(from, (int)n));
}

INLINE void GEMM(copy_part)(T *to, const T *from, int64_t n)
{
    for (; n >= VLEN; n -= VLEN, to += VLEN, from += VLEN)
        V_STORE(to, V_LOAD(from));
    if (n)
        V_STORE_PART(to, V_LOAD(from), (int)n);
}

/* The tiles of one panel share the fetching of the next: `next` walks from its start to `end`, beyond which there is no need. */
INLINE const W *GEMM(take_ahead)(const W **next, const W *end, const W *current, int64_t k)
{
    const W *at = *next;
    if (end - at < k * VLEN)
        return current; /* in cache already: fetching it again does nothing */
    *next = at + k * VLEN;
    return at;
}

/* Rows of a block of m rows by panels of nv vectors.  Few rows of a wide panel go at once, in two halves of the panel: two thin
   tiles would each wait for the whole of it. */
INLINE int GEMM(block_rows)(int64_t m, int nv) { return nv == 4 && m <= TILE_ROWS_2 ? TILE_ROWS_2 : TILE_ROWS[nv - 1]; }

/* One block: as tile. */
INLINE void GEMM(block)(int rows, int nv, const T *const *a, const W *b, int64_t k, const T **start, T **out, const W **next, const W *end)
{
    int halves = rows > TILE_ROWS[nv - 1] ? 2 : 1;
    for (int h = 0; h < halves; h++) {
        GEMM(tiles)[nv / halves - 1][rows - 1](a, b, nv * VLEN, k, start, out, GEMM(take_ahead)(next, end, b, k));
        b += 2 * VLEN;
        for (int r = 0; h + 1 < halves && r < rows; r++) {
            start[r] += 2 * VLEN;
            out[r] += 2 * VLEN;
        }
    }
}

/* One tile of C, start values from wherever the first depth block takes them and from C afterwards. */
INLINE void GEMM(one_tile)(const kernel_gemm *g, int64_t p, int nv, int64_t row0, int rows, int64_t k0, int64_t depth,
                           const W **next, const W *end)
{
    const kernel_layout *l = &g->b->layout;
    const T *a[TILE_ROWS_1], *start[TILE_ROWS_1];
    T *out[TILE_ROWS_1];
    T edge[TILE_ROWS_1][4 * VLEN];
    int64_t col = p * l->width;
    int64_t valid = l->cols - col < nv * VLEN ? l->cols - col : nv * VLEN;
    int partial = valid < nv * VLEN;
    kernel_init from = k0 ? KERNEL_INIT_C : g->start;
    for (int r = 0; r < rows; r++) {
        T *c = (T *)g->c + (row0 + r) * g->ldc + col;
        a[r] = (const T *)g->a + (row0 + r) * g->lda + k0;
        out[r] = partial ? edge[r] : c;
        start[r] = from == KERNEL_INIT_C ? c : from == KERNEL_INIT_ROW ? (const T *)g->init + col : GEMM(zeros);
        if (from == KERNEL_INIT_COL) {
            for (int v = 0; v < nv; v++)
                V_STORE(edge[r] + v * VLEN, V_SET(((const T *)g->init)[row0 + r]));
            start[r] = edge[r];
        } else if (partial && from != KERNEL_INIT_ZERO) {
            GEMM(copy_padded)(edge[r], start[r], valid);
            start[r] = edge[r];
        }
    }
    const W *b = (const W *)g->b->data + p * l->k * l->width + k0 * nv * VLEN;
    GEMM(block)(rows, nv, a, b, depth, start, out, next, end);
    for (int r = 0; partial && r < rows; r++)
        GEMM(copy_part)((T *)g->c + (row0 + r) * g->ldc + col, edge[r], valid);
}

/* One row times whole panels, several at once; the rest is left to one_tile. Returns the first panel left. */
INLINE int64_t GEMM(one_row)(const kernel_gemm *g, int nv)
{
    const kernel_layout *l = &g->b->layout;
    int np = GEMV_PANELS[nv - 1];
    int64_t p = g->p0;
    if (np == 1 || g->start == KERNEL_INIT_COL)
        return p;
    T zeros[GEMM(MAX_NV) * VLEN] = {0};
    for (; p + np <= g->p1 && (p + np) * l->width <= l->cols; p += np) {
        const T *a = g->a;
        T *out = (T *)g->c + p * l->width;
        const T *start = g->start == KERNEL_INIT_C ? out : g->start == KERNEL_INIT_ROW ? (const T *)g->init + p * l->width : zeros;
        GEMM(gemvs)[nv - 1](&a, (const W *)g->b->data + p * l->k * l->width, l->k * l->width, l->k, &start, &out, NULL);
    }
    return p;
}

static void GEMM(gemm)(const kernel_gemm *g)
{
    const kernel_layout *l = &g->b->layout;
    int whole = l->width / VLEN, last = l->last_width / VLEN;
    int64_t p0 = g->m == 1 ? GEMM(one_row)(g, whole) : g->p0;
    int64_t row_block = g->m <= GEMM(ROW_BLOCK) ? g->m : GEMM(ROW_BLOCK);
    int64_t depth_block = g->m <= TILE_ROWS[whole - 1] ? l->k : GEMM(DEPTH_BLOCK);
    int64_t k0 = 0;
    do {
        int64_t depth = l->k - k0 < depth_block ? l->k - k0 : depth_block;
        for (int64_t m0 = 0; m0 < g->m; m0 += row_block) {
            int64_t m1 = m0 + row_block < g->m ? m0 + row_block : g->m;
            for (int64_t p = p0; p < g->p1; p++) {
                int nv = p + 1 == l->panels ? last : whole;
                const W *next = (const W *)g->b->data + (p + 1) * l->k * l->width + k0 * (p + 2 == l->panels ? last : whole) * VLEN;
                const W *end = p + 1 < g->p1 ? next + depth * (p + 2 == l->panels ? last : whole) * VLEN : next;
                int most = GEMM(block_rows)(m1 - m0, nv);
                int64_t tiles = (m1 - m0 + most - 1) / most;
                for (int64_t t = 0, row = m0; t < tiles; t++) {
                    int rows = (int)((m1 - row + tiles - t - 1) / (tiles - t)); /* even shares: no thin last tile */
                    GEMM(one_tile)(g, p, nv, row, rows, k0, depth, &next, end);
                    row += rows;
                }
            }
        }
        k0 += depth;
    } while (k0 < l->k);
}
