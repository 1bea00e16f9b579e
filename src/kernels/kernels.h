/*
 * The kernel table: everything that is compiled once per instruction set.
 *
 * A caller takes the table once, packs weights with it, and runs them with the same table: the packed layout
 * depends on the level.  Nothing here allocates, locks, fails or knows an operator; callers check sizes.
 *
 * Canonical order.  Every output element is: its start value, then products for k = 0, 1, 2 ... in one accumulator,
 * with FMA where the level has it.  Batch, tiles, panel ranges and GEMV against GEMM never change a bit on one level.
 *
 * All pointers are unaligned-safe; 64-byte alignment of packed weights and of the row strides is what runs fast.
 * No function reads or writes a byte outside what its comment names.
 */
#ifndef CLSTM_KERNELS_KERNELS_H
#define CLSTM_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "util/cpu.h"

/* ---- packed weights ---------------------------------------------------------------------------------------- */

/* How a packed weight is stored, and the arithmetic it is stored for: F32_F64 is float, widened as it is multiplied in double. */
typedef enum kernel_store { KERNEL_STORE_F32, KERNEL_STORE_F64, KERNEL_STORE_F32_F64 } kernel_store;

enum { KERNEL_MAX_GATES = 4 };

/*
 * A K x N matrix cut into panels; a panel's row k is contiguous: [panel][k][gate][unit], zero padded.
 * A cell layout (LSTM 4 gates, GRU 3 or 2, RNN 1) gives a product whose column p*width + g*units + u is gate g of hidden unit
 * p*units + u ("panel-interleaved").  In a plain layout column n is column n.  With 2, 3 or 4 gates a panel has one vector of
 * units and is always whole; with one gate (RNN, plain) it has up to four, and the last may be narrower (last_width).
 */
typedef struct kernel_layout {
    kernel_store store;
    int gates;
    int units;         /* hidden units (or columns) of a whole panel */
    int width;         /* gates * units: the stored columns of a whole panel */
    int last_width;    /* the stored columns of the last panel */
    int64_t k;         /* depth: input or hidden size */
    int64_t n;         /* hidden units a gate; columns of a plain matrix */
    int64_t panels;
    int64_t cols;      /* columns of a product C: gates*padded for a cell, n for a plain matrix */
    int64_t padded;    /* n rounded up to whole vectors (the same for any number of gates): length of a state row */
    size_t bytes;      /* what the packed data takes; give it 64-byte aligned, better 2 MB-aligned, memory */
} kernel_layout;

/* A packed matrix: its layout and its data. */
typedef struct kernel_packed {
    kernel_layout layout;
    const void *data;
} kernel_packed;

typedef enum kernel_element {
    KERNEL_ELEMENT_F32,
    KERNEL_ELEMENT_F64,
    KERNEL_ELEMENT_F16,
    KERNEL_ELEMENT_BF16
} kernel_element;

/*
 * Where weights come from: element (gate g, unit j, depth k) stands at
 *     data + size(type) * (gate[g] * gate_stride + j * unit_stride + k * k_stride),
 * so gate[] permutes gates.  data may be unaligned (a mapped file).  Little-endian as stored.
 * ONNX W[G*H, K]: gate_stride H*K, unit_stride K, k_stride 1, gate {0,1,2,3}.
 * Plain [K,N]: unit_stride 1, k_stride N.   Plain transposed [N,K]: unit_stride K, k_stride 1.
 */
typedef struct kernel_source {
    const void *data;
    kernel_element type;
    int gate[KERNEL_MAX_GATES];
    int64_t gate_stride, unit_stride, k_stride;
} kernel_source;

/* ---- products ---------------------------------------------------------------------------------------------- */

typedef enum kernel_init {
    KERNEL_INIT_C,    /* accumulate on what stands in C */
    KERNEL_INIT_ZERO, /* start from 0 */
    KERNEL_INIT_ROW,  /* start from init[column], layout.cols values */
    KERNEL_INIT_COL   /* start from init[row], m values */
} kernel_init;

/*
 * C[m, cols] = start + A[m, k] * packed, for panels [p0, p1) only (other columns are neither read nor written).
 * A row-major with lda elements a row, k contiguous.  C row-major with ldc elements a row.
 */
typedef struct kernel_gemm {
    const kernel_packed *b;
    int64_t m;
    const void *a; /* float or double, as the packed store says */
    int64_t lda;
    void *c;
    int64_t ldc;
    kernel_init start;
    const void *init; /* for KERNEL_INIT_ROW and _COL */
    int64_t p0, p1;
} kernel_gemm;

/*
 * y[r][i] = start[r] + sum over k of w[r][k] * x[k][i], for i < n: a product whose second matrix lies in rows anywhere.  The same
 * bits as the packed product.  x[k] has n values, of which those behind another row's may overlap it.
 */
typedef struct kernel_taps {
    const float *const *x;
    int64_t k;
    const float *w;
    int64_t ldw;
    const float *start; /* NULL: 0 */
    float *y;
    int64_t ldy, rows, n;
} kernel_taps;

/* ---- fused recurrent steps (float) --------------------------------------------------------------------------- */

/* A bounded activation: sigmoid and tanh in their gate forms, alpha x + beta within [0, 1], x / (1 + |x|); and relu, for RNN. */
typedef enum kernel_function { KERNEL_SIGMOID, KERNEL_TANH, KERNEL_HARD_SIGMOID, KERNEL_SOFTSIGN, KERNEL_RELU } kernel_function;
typedef struct kernel_activation { kernel_function function; float alpha, beta; } kernel_activation;

/*
 * One batch row of one step.  State rows (h, h_new, c, z, rh) hold layout.padded floats of which the first n count;
 * the rest are pads: read and written, never part of a value that counts.  h_new must not overlap any row's h: every panel reads all of
 * the old h.  c is updated in place.  Rows are free-standing: a caller leaves finished rows out, in any order.
 * A panel range [p0,p1) touches only its own units of c, h_new, y, gates, pre, z, rh.
 */
typedef struct kernel_step_row {
    const float *pre; /* pre-activations X.W + bias, panel-interleaved, layout.cols; unused when step.w is given */
    const float *x;   /* input row, w->layout.k values; only when step.w is given */
    const float *h;   /* old state; n values are read as the factor of R, the row's own units for the update */
    float *h_new;     /* new state, padded */
    float *c;         /* LSTM cell state, padded, in place */
    float *y;         /* a second copy of the new h, n values exactly, or NULL */
    float *gates;     /* post-activation gates for tracing, panel-interleaved, layout.cols, or NULL */
    float *z;         /* GRU linear_before_reset=0 only: update gate kept between the two phases, padded */
    float *rh;        /* same: r * h, written by phase 1, the factor of phase 2 */
} kernel_step_row;

enum {
    KERNEL_STEP_BACKWARDS = 1,    /* walk panels from p1-1 down to p0 (odd steps): same bits, better cache reuse */
    KERNEL_STEP_INPUT_FORGET = 2  /* LSTM: f = 1 - i, the forget peephole unused */
};

/*
 * One step of a layer.  With w the accumulators start from bias and take x.W first (W and R streamed in one pass: T=1);
 * without it they start from row.pre.  The bits are the same either way.
 */
typedef struct kernel_step {
    const kernel_packed *r;   /* packed R; GRU linear_before_reset=0: gates z,r only (2 gates) */
    const kernel_packed *rc;  /* GRU linear_before_reset=0: R of the candidate (a cell layout of 1 gate) */
    const kernel_packed *w;   /* packed W or NULL */
    const float *bias;        /* with w: layout.cols values, panel-interleaved: Wb + Rb (GRU lbr=1 candidate: Wb only) */
    const float *rbh;         /* GRU linear_before_reset=1: Rb of the candidate, padded values */
    const float *peephole;    /* LSTM: i, o, f peepholes as 3 rows of `padded` values, or NULL */
    const kernel_activation *f; /* f, g, h; NULL: sigmoid, tanh, tanh (RNN: tanh), and clip_h is not read */
    float clip, clip_h;       /* bound of every activation's input, and of h's; INFINITY for none */
    unsigned flags;
    const kernel_step_row *rows;
    int64_t batch;
    int64_t p0, p1;
} kernel_step;

/* ---- vector functions ---------------------------------------------------------------------------------------- */

/* y[i] = f(x[i]); x == y allowed, no other overlap.  A value never depends on its position. */
typedef void kernel_map_f32(const float *x, float *y, int64_t n);

typedef struct kernel_table {
    util_cpu_level level;
    const char *name; /* "generic", "neon", "avx2", "avx512" */

    /* A cell's layout of 1 to 4 gates; units of a panel are the level's own (the same for 2, 3 and 4 gates). */
    void (*layout_cell)(kernel_layout *out, kernel_store store, int gates, int64_t hidden, int64_t k);
    /* A plain K x N matrix. */
    void (*layout_plain)(kernel_layout *out, kernel_store store, int64_t k, int64_t n);

    /* Packs panels [p0, p1) (all: 0, layout->panels) into dst; unpack writes the raw weights back exactly (float for F32 stores,
       double for F64), to the places that `to` describes (to->data is written, to->type must match the store). */
    void (*pack)(const kernel_layout *layout, const kernel_source *from, void *dst, int64_t p0, int64_t p1);
    void (*unpack)(const kernel_layout *layout, const void *src, const kernel_source *to, int64_t p0, int64_t p1);

    void (*gemm_f32)(const kernel_gemm *g);
    void (*gemm_f64)(const kernel_gemm *g);
    void (*gemm_f32_f64)(const kernel_gemm *g);   /* everything but the packed weights in double */
    void (*taps_f32)(const kernel_taps *g);

    /* With other than default activations f, g, h stand in for sigmoid, tanh and tanh (RNN: f for tanh).
       i,o,f,c: c = f*c + i*tanh(c~); h = o*tanh(c) */
    void (*step_lstm)(const kernel_step *s);
    /* z,r,h with linear_before_reset=1: n = tanh(xh + r*(h.Rh + rbh)); h = (1-z)*n + z*h */
    void (*step_gru)(const kernel_step *s);
    /* linear_before_reset=0 in two phases with a barrier of all panels and threads between; row.pre has 3 gates, w is not taken.
       phase 1 (p0, p1 count panels of r): z, rh = r*h.   phase 2 (p0, p1 count panels of rc, which are wider):
       n = tanh(xh + rh.Rh); h = (1-z)*n + z*h */
    void (*step_gru_reset)(const kernel_step *s);
    void (*step_gru_candidate)(const kernel_step *s);
    /* h = tanh(x + h.R) */
    void (*step_rnn)(const kernel_step *s);

    /* Gate forms: at most 1.2e-7 absolute error; NaN gives NaN, infinities their limits.  The bits of the fused steps' gates. */
    kernel_map_f32 *gate_sigmoid, *gate_tanh;
    /* Operator forms: within 3 ULP over the whole float range (doc/kernels.md; subnormal results may flush when the caller's mode does). */
    kernel_map_f32 *exp, *log, *tanh, *sigmoid, *erf, *gelu;
    /* y = softmax of one row of n; -inf everywhere gives NaN as the definition does */
    kernel_map_f32 *softmax;
} kernel_table;

/* The best table of this machine (capped by CLSTM_CPU); chosen once, thread-safe. */
const kernel_table *kernel_table_get(void);
/* For tests: kernel_table_get gives no higher level from now on. Not while a model lives: its weights are packed for one level. */
void kernel_table_cap(util_cpu_level level);
/* The table of one level, or NULL when it is not compiled in or the machine lacks it: for tests. */
const kernel_table *kernel_table_for(util_cpu_level level);

#endif
