/* ops/convolve: gathering columns and multiplying. */
#include "ops/convolve.h"

#include <string.h>

enum {
    TILE_BYTES = 256 << 10,         /* of gathered columns: they stay in the second-level cache */
    DIRECT_BYTES = 256 << 10,       /* of a padded copy: the same, with the weights beside it */
    SHORT_RUN = 128,                /* positions of a part of a row */
    JOINED = 512,                   /* positions of one product over several rows */
    PARTING = 8,                    /* so many multiply-adds with a value take as long as bringing their sum to its place */
    GATHERING = 32                  /* so many outputs' multiply-adds with a value take as long as gathering it */
};

static size_t element(const convolve *c) { return clstm_type_size(c->type); }
static kernel_store store(const convolve *c) { return c->type == CLSTM_DOUBLE ? KERNEL_STORE_F64 : KERNEL_STORE_F32; }

/* Rows and values in a row of one phase of the copy for such tiles; gives what it takes in bytes. */
static int64_t shape_copy(convolve *c, int64_t band, int64_t run) {
    int64_t bytes;
    c->band = band;
    c->run = run;
    c->copied = band + c->reach[1] / c->step[1];
    c->pitch = run + c->reach[2] / c->step[2];
    bool fits = util_mul(c->channels * c->in[0], c->step[1], &bytes) && util_mul(bytes, c->step[2], &bytes) && util_mul(bytes + c->zeros, c->copied, &bytes);
    return fits && util_mul(bytes, c->pitch * (int64_t)sizeof(float), &bytes) ? bytes : INT64_MAX;
}

/* Offsets of the taps; false where they are too far from each other to think of copying what lies between. */
static bool find_reach(convolve *c) {
    for (int d = 0; d < 3; d++) {
        c->low[d] = c->taps ? INT32_MAX : 0;
        int64_t high = c->taps ? INT32_MIN : 0;
        for (int64_t t = 0; t < c->taps; t++) {
            int64_t o = c->tap[t].offset[d];
            if (o < c->low[d]) c->low[d] = o;
            if (o > high) high = o;
        }
        c->reach[d] = high - c->low[d];
        if (c->reach[d] > DIRECT_BYTES || c->in[d] > INT32_MAX || c->out[d] > INT32_MAX || c->step[d] > INT32_MAX) return false;
    }
    return true;
}

/* Whether all that the taps of dimension d read lies inside the input. */
static bool stays_inside(const convolve *c, int d) { return c->low[d] >= 0 && (c->out[d] - 1) * c->step[d] + c->low[d] + c->reach[d] < c->in[d]; }

/* Of `of` positions in whole vectors, the part that counts. */
static double filled(const convolve *c, int64_t n, int64_t of) {
    kernel_layout l;
    kernel_table_get()->layout_plain(&l, store(c), 1, of);
    return (double)n / (double)l.padded;
}

/* Whether each tap reads the input where it lies or in a padded copy, for tiles of whole rows of the output or, where those are too long, of
 * parts of one; works out their shape. Gathering pays where many outputs share what was gathered and rows fill no vectors. */
static bool plan_direct(convolve *c) {
    if (c->type != CLSTM_FLOAT || !c->positions || !find_reach(c)) return false;
    const bool flat = c->in[0] == 1 && c->out[0] == 1;
    c->zeros = !stays_inside(c, 0);
    c->in_place = !c->zeros && c->step[1] == 1 && c->step[2] == 1 && stays_inside(c, 1) && stays_inside(c, 2);
    int64_t band = c->out[1], run = c->out[2], bytes = shape_copy(c, band, run);
    while (flat && bytes > DIRECT_BYTES && band > 1) bytes = shape_copy(c, band = (band + 1) / 2, run);
    while (flat && bytes > DIRECT_BYTES && run > SHORT_RUN) bytes = shape_copy(c, band, run = (run / 2 + SHORT_RUN - 1) / SHORT_RUN * SHORT_RUN);
    if (bytes > DIRECT_BYTES) return false;
    if (c->in_place) { c->pitch = c->in[2]; bytes = 0; }
    int64_t joined = JOINED / c->pitch < band ? JOINED / c->pitch : band;
    double apart = filled(c, run, run), together = joined > 1 ? filled(c, joined * run, (joined - 1) * c->pitch + run) : 0;
    if (c->pitch != c->out[2]) together *= (double)c->k / (double)(c->k + PARTING);
    c->joined = together > apart ? joined : 1;
    if ((together > apart ? together : apart) * (1 + GATHERING / (double)c->outputs) < filled(c, c->positions, c->positions)) return false;
    c->direct = true;
    c->tile = (flat ? 1 : c->out[0]) * band * run;
    c->runs = (c->out[2] + run - 1) / run;
    c->tiles = (c->out[1] + band - 1) / band * c->runs;
    for (int64_t t = 0; t < c->taps; t++) {
        const int64_t r = c->tap[t].offset[1] - c->low[1], q = c->tap[t].offset[2] - c->low[2];
        const int64_t phase = c->in_place ? 0 : (r % c->step[1] * c->step[2] + q % c->step[2]) * c->copied * c->pitch;
        c->tap[t].place = phase + r / c->step[1] * c->pitch + q / c->step[2];
    }
    const size_t made = c->joined > 1 ? (size_t)(c->outputs * c->joined * c->pitch) * sizeof(float) : 0;
    c->scratch = (size_t)c->k * sizeof(float *) + made + (size_t)bytes + 192;
    return true;
}

void convolve_tile(const convolve *c, int64_t tile, int64_t *at, int64_t *n) {
    int64_t end = c->positions;
    *at = tile * c->tile;
    if (c->direct && tile) {
        const int64_t row = tile / c->runs * c->band;
        *at = row * c->out[2] + tile % c->runs * c->run;
        if (c->runs > 1) end = (row + 1) * c->out[2];
    }
    *n = end - *at < c->tile ? end - *at : c->tile;
}

bool convolve_suits_rows(clstm_type type, int64_t outputs, int64_t positions) {
    const convolve c = {.type = type};
    kernel_layout l;
    kernel_table_get()->layout_plain(&l, store(&c), 1, 1);
    int64_t lanes = l.padded > 0 ? l.padded : 1;    /* one vector */
    int64_t across = (positions + lanes - 1) / lanes * outputs, down = (outputs + lanes - 1) / lanes * positions;
    return down <= across && positions <= 64;
}

void convolve_plan(convolve *c, bool rows) {
    const kernel_table *t = kernel_table_get();
    kernel_layout l;
    c->k = c->channels * c->taps;
    c->positions = c->out[0] * c->out[1] * c->out[2];
    c->rows = rows;
    if (c->rows) {
        c->tile = c->positions ? c->positions : 1;
        c->tiles = c->positions > 0;
        c->scratch = (size_t)c->tile * (size_t)(c->k + c->outputs) * element(c) + 128;
        return;
    }
    if (plan_direct(c)) return;
    t->layout_plain(&l, store(c), c->k, INT32_MAX);
    int64_t whole = l.width, panels = (int64_t)TILE_BYTES / (int64_t)element(c) / (c->k ? c->k : 1) / whole;
    c->tile = (panels < 1 ? 1 : panels) * whole;
    c->tiles = (c->positions + c->tile - 1) / c->tile;
    t->layout_plain(&l, store(c), c->k, c->tile < c->positions ? c->tile : c->positions);
    c->scratch = l.bytes + 64;
}

/* Input positions o*step + offset for o in [from, from+n): the part [lo, hi) that lies inside `size`. */
static void inside(int64_t step, int64_t offset, int64_t size, int64_t from, int64_t n, int64_t *lo, int64_t *hi) {
    int64_t first = from * step + offset;
    *lo = first >= 0 ? 0 : step == 1 ? -first : (-first + step - 1) / step;
    *hi = first >= size ? 0 : step == 1 ? size - first : (size - 1 - first) / step + 1;
    if (*lo > n) *lo = n;
    if (*hi > n) *hi = n;
    if (*hi < *lo) *hi = *lo;
}

#define COPY_RUN(T, name) \
static void name(T *to, const T *from, int64_t first, int64_t step, int64_t lo, int64_t hi, int64_t n) { \
    for (int64_t i = 0; i < lo; i++) to[i] = 0; \
    if (step == 1 && hi > lo) memcpy(to + lo, from + first + lo, (size_t)(hi - lo) * sizeof(T)); \
    else if (step == 2 && hi - lo > 16) for (int64_t i = lo; i < hi; i++) to[i] = from[first + i * 2]; \
    else for (int64_t i = lo; i < hi; i++) to[i] = from[first + i * step]; \
    for (int64_t i = hi; i < n; i++) to[i] = 0; \
}
COPY_RUN(float, copy_f32)
COPY_RUN(double, copy_f64)

/* n values of channel plane x as tap t sees them, from output position p on; positions run on over rows. */
static void gather(const convolve *c, const unsigned char *x, const convolve_tap *t, int64_t p, int64_t n, unsigned char *to) {
    size_t e = element(c);
    int64_t row = p / c->out[2], o2 = p % c->out[2];
    while (n > 0) {
        int64_t run = c->out[2] - o2 < n ? c->out[2] - o2 : n, lo, hi;
        int64_t i0 = row / c->out[1] * c->step[0] + t->offset[0], i1 = row % c->out[1] * c->step[1] + t->offset[1];
        if (i0 < 0 || i0 >= c->in[0] || i1 < 0 || i1 >= c->in[1]) memset(to, 0, (size_t)run * e);
        else {
            const unsigned char *line = x + (size_t)((i0 * c->in[1] + i1) * c->in[2]) * e;
            inside(c->step[2], t->offset[2], c->in[2], o2, run, &lo, &hi);
            int64_t first = o2 * c->step[2] + t->offset[2];
            if (e == 4) copy_f32((float *)(void *)to, (const float *)(const void *)line, first, c->step[2], lo, hi, run);
            else copy_f64((double *)(void *)to, (const double *)(const void *)line, first, c->step[2], lo, hi, run);
        }
        to += (size_t)run * e;
        n -= run;
        o2 = 0;
        row++;
    }
}

static void multiply(const convolve *c, const kernel_gemm *g) {
    const kernel_table *t = kernel_table_get();
    if (c->type == CLSTM_DOUBLE) t->gemm_f64(g);
    else t->gemm_f32(g);
}

static void *aligned(void *p) { return (void *)(((uintptr_t)p + 63) & ~(uintptr_t)63); }

/* Positions along the vectors. */
static void run_columns(const convolve *c, const unsigned char *x, const void *w, const void *bias, unsigned char *y, int64_t y_stride, void *scratch, int64_t p, int64_t n) {
    size_t e = element(c);
    kernel_packed cols = {.data = aligned(scratch)};
    kernel_table_get()->layout_plain(&cols.layout, store(c), c->k, n);
    const kernel_layout *l = &cols.layout;
    int64_t plane = c->in[0] * c->in[1] * c->in[2];
    for (int64_t panel = 0; panel < l->panels; panel++) {
        int64_t width = panel + 1 == l->panels ? l->last_width : l->width, at = panel * l->units;
        int64_t valid = n - at < width ? n - at : width;
        unsigned char *to = (unsigned char *)aligned(scratch) + (size_t)(panel * l->width * c->k) * e;
        for (int64_t ch = 0; ch < c->channels; ch++)
            for (int64_t t = 0; t < c->taps; t++, to += (size_t)width * e) {
                gather(c, x + (size_t)(ch * plane) * e, &c->tap[t], p + at, valid, to);
                if (valid < width) memset(to + (size_t)valid * e, 0, (size_t)(width - valid) * e);
            }
    }
    kernel_gemm g = {.b = &cols, .m = c->outputs, .a = w, .lda = c->k, .c = y + (size_t)p * e, .ldc = y_stride,
                     .start = bias ? KERNEL_INIT_COL : KERNEL_INIT_ZERO, .init = bias, .p0 = 0, .p1 = l->panels};
    multiply(c, &g);
}

/* What a tile reads, from row and column on: [channel][plane][phase of the rows][phase of the columns][copied][pitch], and zeros. */
static void copy_input(const convolve *c, const float *x, int64_t row, int64_t column, int64_t band, float *to) {
    const int64_t end = row + (band - 1) * c->step[1] + c->reach[1] + 1, phase = c->copied * c->pitch, planes = c->channels * c->in[0], s1 = c->step[1], s2 = c->step[2];
    if (c->zeros) memset(to + planes * s1 * s2 * phase, 0, (size_t)phase * sizeof *to);
    for (int64_t q = 0; q < s2; q++, column++) {
        int64_t lo, hi;
        inside(s2, column, c->in[2], 0, c->pitch, &lo, &hi);
        const float *from = x;
        float *plane = to + q * phase;
        for (int64_t k = 0; k < planes; k++, from += c->in[1] * c->in[2])
            for (int64_t p = 0; p < s1; p++, plane += s2 * phase) {
                float *at = plane;
                for (int64_t r = row + p; r < end; r += s1, at += c->pitch)
                    if (r >= 0 && r < c->in[1]) copy_f32(at, from + r * c->in[2], column, s2, lo, hi, c->pitch);
                    else memset(at, 0, (size_t)c->pitch * sizeof *at);
            }
    }
}

/* Positions along the vectors, read where they are: one product for a row or several of a tile. */
static void run_direct(const convolve *c, const float *x, const float *w, const float *bias, float *y, int64_t y_stride, void *scratch, int64_t tile) {
    const int64_t o1 = tile ? tile / c->runs * c->band : 0, o2 = tile ? tile % c->runs * c->run : 0;
    const int64_t band = c->out[1] - o1 < c->band ? c->out[1] - o1 : c->band, run = c->out[2] - o2 < c->run ? c->out[2] - o2 : c->run;
    const int64_t row = o1 * c->step[1] + c->low[1], column = o2 * c->step[2] + c->low[2];
    const int64_t plane = c->in_place ? c->in[1] * c->in[2] : c->step[1] * c->step[2] * c->copied * c->pitch;
    const float **at = aligned(scratch);
    float *made = aligned(at + c->k), *copy = aligned(made + (c->joined > 1 ? c->outputs * c->joined * c->pitch : 0));
    const float *from = c->in_place ? x + row * c->in[2] + column : copy, *zeros = copy + c->channels * c->in[0] * plane;
    if (!c->in_place) copy_input(c, x, row, column, band, copy);
    for (int64_t o0 = 0; o0 < c->out[0]; o0++)
        for (int64_t r = 0; r < band; r += c->joined) {
            const int64_t rows = band - r < c->joined ? band - r : c->joined, n = (rows - 1) * c->pitch + run;
            float *to = y + (o0 * c->out[1] + o1 + r) * c->out[2] + o2;
            const bool straight = rows == 1 || c->pitch == c->out[2];
            for (int64_t t = 0; t < c->taps; t++) {
                const int64_t i0 = o0 * c->step[0] + c->tap[t].offset[0];
                const bool in = i0 >= 0 && i0 < c->in[0];
                const float *tap = in ? from + i0 * plane + c->tap[t].place + r * c->pitch : zeros;
                for (int64_t ch = 0; ch < c->channels; ch++, tap += in ? c->in[0] * plane : 0) at[ch * c->taps + t] = tap;
            }
            const kernel_taps g = {.x = at, .k = c->k, .w = w, .ldw = c->k, .start = bias, .y = straight ? to : made, .ldy = straight ? y_stride : n, .rows = c->outputs, .n = n};
            kernel_table_get()->taps_f32(&g);
            for (int64_t o = 0; o < c->outputs && !straight; o++)
                for (int64_t i = 0; i < rows; i++) memcpy(to + o * y_stride + i * c->out[2], made + o * n + i * c->pitch, (size_t)run * sizeof *to);
        }
}

/* Output channels along the vectors; the result is turned over at the end. */
static void run_rows(const convolve *c, const unsigned char *x, const void *bias, unsigned char *y, int64_t y_stride, void *scratch) {
    size_t e = element(c);
    int64_t plane = c->in[0] * c->in[1] * c->in[2], n = c->positions;
    unsigned char *rows = aligned(scratch), *made = rows + (size_t)(n * c->k) * e;
    for (int64_t p = 0; p < n; p++) {
        int64_t o0 = p / (c->out[1] * c->out[2]), o1 = p / c->out[2] % c->out[1], o2 = p % c->out[2];
        unsigned char *to = rows + (size_t)(p * c->k) * e;
        for (int64_t t = 0; t < c->taps; t++) {
            int64_t i0 = o0 * c->step[0] + c->tap[t].offset[0], i1 = o1 * c->step[1] + c->tap[t].offset[1], i2 = o2 * c->step[2] + c->tap[t].offset[2];
            bool in = i0 >= 0 && i0 < c->in[0] && i1 >= 0 && i1 < c->in[1] && i2 >= 0 && i2 < c->in[2];
            int64_t at = in ? (i0 * c->in[1] + i1) * c->in[2] + i2 : 0;
            if (e == 4) for (int64_t ch = 0; ch < c->channels; ch++) ((float *)(void *)to)[ch * c->taps + t] = in ? ((const float *)(const void *)x)[ch * plane + at] : 0;
            else for (int64_t ch = 0; ch < c->channels; ch++) ((double *)(void *)to)[ch * c->taps + t] = in ? ((const double *)(const void *)x)[ch * plane + at] : 0;
        }
    }
    bool straight = n == 1 && y_stride == 1;
    kernel_gemm g = {.b = &c->packed, .m = n, .a = rows, .lda = c->k, .c = straight ? y : made, .ldc = c->outputs,
                     .start = bias ? KERNEL_INIT_ROW : KERNEL_INIT_ZERO, .init = bias, .p0 = 0, .p1 = c->packed.layout.panels};
    multiply(c, &g);
    if (straight) return;
    for (int64_t o = 0; o < c->outputs; o++)
        for (int64_t p = 0; p < n; p++)
            if (e == 4) ((float *)(void *)y)[o * y_stride + p] = ((float *)(void *)made)[p * c->outputs + o];
            else ((double *)(void *)y)[o * y_stride + p] = ((double *)(void *)made)[p * c->outputs + o];
}

void convolve_run(const convolve *c, const void *x, const void *w, const void *bias, void *y, int64_t y_stride, void *scratch, int64_t t0, int64_t t1) {
    if (c->rows) {
        if (t0 < t1) run_rows(c, x, bias, y, y_stride, scratch);
        return;
    }
    for (int64_t t = t0; t < t1; t++) {
        int64_t p, n;
        convolve_tile(c, t, &p, &n);
        if (c->direct) run_direct(c, x, w, bias, y, y_stride, scratch, t);
        else run_columns(c, x, w, bias, y, y_stride, scratch, p, n);
    }
}
