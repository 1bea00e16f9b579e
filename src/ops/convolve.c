/* ops/convolve: gathering columns and multiplying. */
#include "ops/convolve.h"

#include <string.h>

enum {
    TILE_BYTES = 256 << 10,         /* of gathered columns: they stay in the second-level cache */
    DIRECT_BYTES = 128 << 10        /* of a padded copy: the same, with the weights beside it */
};

static size_t element(const convolve *c) { return clstm_type_size(c->type); }
static kernel_store store(const convolve *c) { return c->type == CLSTM_DOUBLE ? KERNEL_STORE_F64 : KERNEL_STORE_F32; }

/* Whether a padded copy of one group's input is small; works out its shape. A row of it holds, one phase of the step after another,
 * what every tap of every output position of the row reads. */
static bool plan_direct(convolve *c) {
    int64_t low = 0, high = c->in[2] ? c->in[2] - 1 : 0, rows;
    for (int64_t t = 0; t < c->taps; t++) {
        int64_t first = c->tap[t].offset[2], last = (c->out[2] - 1) * c->step[2] + first;
        if (first < low) low = first;
        if (last > high) high = last;
    }
    if (c->type != CLSTM_FLOAT || high - low > DIRECT_BYTES) return false;
    c->before = -low;
    c->phase = (high - low) / c->step[2] + 1;
    c->line = c->phase * c->step[2];
    if (!util_mul(c->channels * c->in[0], c->in[1], &rows) || rows + 1 > DIRECT_BYTES / (c->line * (int64_t)sizeof(float))) return false;
    c->direct = true;
    c->tile = c->positions ? c->positions : 1;
    c->scratch = (size_t)((rows + 1) * c->line) * sizeof(float) + (size_t)(c->k + c->taps) * sizeof(float *) + 128;
    return true;
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
        c->scratch = (size_t)c->tile * (size_t)(c->k + c->outputs) * element(c) + 128;
        return;
    }
    if (plan_direct(c)) return;
    t->layout_plain(&l, store(c), c->k, INT32_MAX);
    int64_t whole = l.width, panels = (int64_t)TILE_BYTES / (int64_t)element(c) / (c->k ? c->k : 1) / whole;
    c->tile = (panels < 1 ? 1 : panels) * whole;
    t->layout_plain(&l, store(c), c->k, c->tile < c->positions ? c->tile : c->positions);
    c->scratch = l.bytes + 64;
}

/* Input positions o*step + offset for o in [from, from+n): the part [lo, hi) that lies inside `size`. */
static void inside(int64_t step, int64_t offset, int64_t size, int64_t from, int64_t n, int64_t *lo, int64_t *hi) {
    int64_t first = from * step + offset;
    *lo = first >= 0 ? 0 : (-first + step - 1) / step;
    *hi = first >= size ? 0 : (size - 1 - first) / step + 1;
    if (*lo > n) *lo = n;
    if (*hi > n) *hi = n;
    if (*hi < *lo) *hi = *lo;
}

#define COPY_RUN(T, name) \
static void name(T *to, const T *from, int64_t first, int64_t step, int64_t lo, int64_t hi, int64_t n) { \
    for (int64_t i = 0; i < lo; i++) to[i] = 0; \
    if (step == 1 && hi > lo) memcpy(to + lo, from + first + lo, (size_t)(hi - lo) * sizeof(T)); \
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

/* Every row of the input with zeros around it, cut into phases; a row of zeros behind the last. */
static void copy_rows(const convolve *c, const float *x, float *to) {
    int64_t rows = c->channels * c->in[0] * c->in[1], n = c->in[2], step = c->step[2];
    for (int64_t r = 0; r < rows; r++, x += n, to += c->line) {
        if (step == 1) {
            memset(to, 0, (size_t)c->before * sizeof *to);
            memcpy(to + c->before, x, (size_t)n * sizeof *to);
            memset(to + c->before + n, 0, (size_t)(c->line - c->before - n) * sizeof *to);
            continue;
        }
        memset(to, 0, (size_t)c->line * sizeof *to);
        for (int64_t first = 0; first < step && first < n; first++) {
            int64_t q = first + c->before;
            float *phase = to + q % step * c->phase + q / step;
            for (int64_t i = first; i < n; i += step) *phase++ = x[i];
        }
    }
    memset(to, 0, (size_t)c->line * sizeof *to);
}

/* Positions along the vectors, read where they are: one product for each output row. */
static void run_direct(const convolve *c, const float *x, const float *w, const float *bias, float *y, int64_t y_stride, void *scratch) {
    const float **row = aligned(scratch);
    int64_t *within = (int64_t *)(void *)(row + c->k);      /* where each tap starts in a row */
    float *copy = aligned(within + c->taps);
    bool copied = c->step[2] > 1 || c->before || c->line != c->in[2];
    if (copied) copy_rows(c, x, copy);
    else memset(copy, 0, (size_t)c->line * sizeof *copy);
    const float *from = copied ? copy : x, *zeros = copied ? copy + c->channels * c->in[0] * c->in[1] * c->line : copy;
    int64_t plane = c->in[0] * c->in[1] * c->line;
    kernel_taps g = {.x = row, .k = c->k, .w = w, .ldw = c->k, .start = bias, .ldy = y_stride, .rows = c->outputs, .n = c->out[2]};
    for (int64_t t = 0; t < c->taps; t++) {
        int64_t q = c->tap[t].offset[2] + c->before;
        within[t] = q % c->step[2] * c->phase + q / c->step[2];
    }
    for (int64_t o = 0; o < c->out[0] * c->out[1]; o++) {
        const int64_t o0 = o / c->out[1] * c->step[0], o1 = o % c->out[1] * c->step[1];
        for (int64_t t = 0; t < c->taps; t++) {
            int64_t i0 = o0 + c->tap[t].offset[0], i1 = o1 + c->tap[t].offset[1];
            bool in = i0 >= 0 && i0 < c->in[0] && i1 >= 0 && i1 < c->in[1];
            const float *at = in ? from + (i0 * c->in[1] + i1) * c->line + within[t] : zeros;
            for (int64_t ch = 0; ch < c->channels; ch++, at += in ? plane : 0) row[ch * c->taps + t] = at;
        }
        g.y = y + o * c->out[2];
        kernel_table_get()->taps_f32(&g);
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
    if (c->direct) {
        if (t0 < t1) run_direct(c, x, w, bias, y, y_stride, scratch);
        return;
    }
    for (int64_t t = t0; t < t1; t++) {
        int64_t p = t * c->tile, n = c->positions - p < c->tile ? c->positions - p : c->tile;
        run_columns(c, x, w, bias, y, y_stride, scratch, p, n);
    }
}
