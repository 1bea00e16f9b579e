/* rnn/loop: the time loop of the three cells. A job is one node at its shapes, made by prepare; a lane is a range of batch rows
 * of one direction, which depends on no other lane. Within a step, panels of hidden units are independent of each other, so a lane may
 * be walked by several threads: each has a lane of its own, a part of the panels, and its walk; the first owns states and products.
 *
 *   products    X.W + bias of a chunk of steps, panel-interleaved (T = 1: left to the step)
 *   step        rnn_is_fused: the kernels' fused step, all in float. Otherwise: H.R by the packed product, then cell.h
 */
#ifndef RNN_LOOP_H
#define RNN_LOOP_H

#include "rnn/cell.h"
#include "rnn/weights.h"
#include "rnn/trace.h"

/* One direction's weights. The vectors are of the job's arithmetic type (float or double). */
typedef struct rnn_direction {
    kernel_packed w, r, last;       /* last: the candidate's R of a GRU with linear_before_reset = 0 */
    void *bias;                     /* w.layout.cols values, panel-interleaved */
    void *rbh;                      /* GRU, linear_before_reset = 1: padded values */
    void *peephole;                 /* LSTM: 3 rows of padded values, or NULL */
    double *scalar_peephole;        /* the same for cell.h: 3 rows of H */
    kernel_activation f[3];         /* of fused steps, unless they are the default ones: */
    bool own_f;
    bool reverse;
} rnn_direction;

typedef struct rnn_lane {
    const struct rnn_job *job;
    int d;
    struct rnn_lane *owner;         /* of the memory of states and products: itself, or the lane of part 0 */
    int part;                       /* which of job->parts parts of the panels */
    int64_t b0, rows, steps;        /* steps: the longest sequence of the lane's rows */
    int64_t s, t, n_active;         /* the step at hand, its time, the rows that take part */
    int64_t first, end;             /* times whose products stand in pre */
    int64_t done, known;            /* rnn_lane_walk: steps walked; steps whose X may be read */
    size_t offset;                  /* of its memory in the scratch */
    /* its memory */
    kernel_step_row *row;           /* of the active rows */
    int64_t *active;                /* their batch rows, counted from b0 */
    unsigned char *flip;            /* which of a row's two h is the current one (scalar steps stay on 0) */
    void *h, *c;                    /* [rows][2][padded], [rows][padded] */
    void *z, *rh;                   /* GRU, linear_before_reset = 0: [rows][padded] */
    void *pre;                      /* [chunk][rows][cols] */
    void *x;                        /* a widened type: the chunk's input, widened */
    void *sum;                      /* scalar GRU: [rows][cols] */
    float *gates;                   /* trace of fused steps: [rows][cols] */
    double *scalar;                 /* scalar steps and trace: 7 rows of H */
} rnn_lane;

typedef struct rnn_job {
    const ir_node *node;
    const rnn_spec *spec;
    const kernel_table *kernel;
    const struct op_trace *trace;
    const atomic_bool *cancel;
    rnn_sizes z;
    kernel_store store;             /* of the weights */
    bool f64, widened;              /* arithmetic in double; in a wider type than the declared one */
    bool fused;                     /* rnn_is_fused: the kernels' step */
    bool single;                    /* the step takes x.W as well (T = 1) */
    bool split;                     /* GRU, linear_before_reset = 0 */
    bool zero_unstarted;            /* ONNX Runtime: a row of length 0 ends with zero states */
    size_t real;                    /* bytes of an arithmetic value */
    int64_t cols, padded, chunk;    /* chunk: steps whose products are made at once */
    int64_t xt, xb, yt, yd, yb, sd, sb;     /* strides in elements: X, Y, states */
    rnn_rules rules[2];
    rnn_direction dir[2];
    unsigned step_flags;
    /* given anew at each run */
    const void *x, *h0, *c0;
    const int32_t *lens;
    void *y, *yh, *yc;
    /* who does what */
    int64_t panel_units;
    bool together;                  /* lanes run in several threads, each with memory of its own */
    int n_lanes, parts;             /* parts > 1: lanes are parts of a direction's panels, all in step */
    rnn_lane *lanes;
} rnn_job;

/* Bytes of memory of its own that a lane needs; rnn_lane_place cuts them up (an owner's before those of its other parts). */
bool rnn_lane_bytes(const rnn_lane *l, size_t *bytes);
void rnn_lane_place(rnn_lane *l, unsigned char *memory);

/* Runs a lane that has all panels from initial to final states; false: cancelled. */
bool rnn_lane_run(rnn_lane *l);
/* The middle of it, between begin and end, in pieces: on to step `end` of a forward lane, reading no X behind it. */
bool rnn_lane_walk(rnn_lane *l, int64_t end);
/* The same in pieces: begin; for each step s and phase: this lane's part, when all parts of what came before are done; end. */
void rnn_lane_begin(rnn_lane *l);
int rnn_lane_phases(const rnn_job *j);
void rnn_lane_step(rnn_lane *l, int64_t s, int phase);
void rnn_lane_end(rnn_lane *l);

/* The step at hand in the specification's scalar form; and what a fused step left in row r's trace buffer, told to the sink. */
void rnn_lane_scalar_step(rnn_lane *l);
void rnn_lane_report_fused(const rnn_lane *l, int64_t r);

/* Places in a lane's memory: row r's state, its products of the step at hand, its output at time t (NULL: not wanted). */
static inline void *rnn_at(const rnn_job *j, void *base, int64_t element) { return (unsigned char *)base + (size_t)element * j->real; }
static inline void *rnn_lane_h(const rnn_lane *l, int64_t r, int which) { return rnn_at(l->job, l->h, (2 * r + which) * l->job->padded); }
static inline void *rnn_lane_c(const rnn_lane *l, int64_t r) { return rnn_at(l->job, l->c, r * l->job->padded); }
static inline void *rnn_lane_pre(const rnn_lane *l, int64_t r) {
    return rnn_at(l->job, l->pre, ((l->t - l->first) * l->rows + r) * l->job->cols);
}
void *rnn_lane_y(const rnn_lane *l, int64_t t, int64_t r);

static inline void rnn_product(const rnn_job *j, const kernel_gemm *g) {
    if (j->store == KERNEL_STORE_F64) j->kernel->gemm_f64(g);
    else if (j->store == KERNEL_STORE_F32) j->kernel->gemm_f32(g);
    else j->kernel->gemm_f32_f64(g);
}

/* count elements of `type` to or from arithmetic values. */
void rnn_widen(bool f64, clstm_type type, const void *from, void *to, int64_t count);
void rnn_narrow(bool f64, clstm_type type, const void *from, void *to, int64_t count);

#endif
