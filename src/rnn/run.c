/* rnn/run: a node at its shapes becomes a job with lanes (prepare); a run fills in the pointers and walks the lanes. */
#include "rnn/run.h"

#include "rnn/share.h"
#include "tensor/tensor.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { CHUNK_ROWS = 120 };      /* rows of X.W made at once: enough to hide the stream of W, few enough to stay in L2 */

/* What prepare makes: the job, its lanes, and vectors that are constant. Weights and vectors that only a run knows lie at the
 * head of the scratch. */
typedef struct rnn_prepared {
    rnn_job job;
    rnn_spec spec;                  /* job.spec: a copy, among what plan_lock locks */
    rnn_packing packing[2];         /* of W and R */
    bool packed[2], folded;         /* at prepare; else at each run */
    size_t block_at[2], vectors_at; /* in the scratch */
    size_t vector_bytes;            /* of one direction: bias, rbh, peephole, scalar_peephole */
    void *vectors;
    unsigned char *placed;          /* the scratch that the lanes were cut from */
    atomic_bool cancelled;          /* by a lane in another thread */
    util_pool *pool;                /* when the panels of steps are shared out: */
    int team;                       /* threads that walk together */
    atomic_llong stop_at;           /* the step that nobody begins */
    int64_t step;                   /* threads that cannot meet are told what to do next */
    int phase;
    rnn_lane lanes[];
} rnn_prepared;

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

/* ---- bias and peepholes -------------------------------------------------------------------------------------------------------- */

static double element(const clstm_tensor *t, int64_t i) { return tensor_get_double(t, i); }
static void put(const rnn_job *j, void *v, int64_t i, double x) {
    if (j->f64) ((double *)v)[i] = x;
    else ((float *)v)[i] = (float)x;
}

static size_t vector_bytes(const rnn_job *j, const kernel_layout *w) {
    return align64((size_t)w->cols * j->real) + align64((size_t)w->padded * j->real) + align64(3 * (size_t)w->padded * j->real) +
           align64(3 * (size_t)w->n * sizeof(double));
}

/* Wb + Rb, panel-interleaved; the candidate of a GRU with linear_before_reset = 1 keeps Rb apart. */
static void fold_bias(const rnn_job *j, rnn_direction *dir, int d, const clstm_tensor *b) {
    const kernel_layout *w = &dir->w.layout;
    int64_t h = j->z.h;
    int gates = j->spec->gates;
    for (int g = 0; g < gates; g++)
        for (int64_t u = 0; u < h; u++) {
            int64_t at = gates == 1 ? u : u / w->units * w->width + g * w->units + u % w->units, row = (int64_t)d * 2 * gates * h + g * h + u;
            double wb = element(b, row), rb = element(b, row + gates * h);
            bool apart = j->spec->kind == RNN_GRU && j->spec->reset_after && g == 2;
            if (apart) put(j, dir->rbh, u, rb);
            put(j, dir->bias, at, apart ? wb : wb + rb);
        }
}

static void fold_vectors(rnn_prepared *p, op_ctx *ctx, void *memory) {
    rnn_job *j = &p->job;
    memset(memory, 0, p->vector_bytes * (size_t)j->spec->directions);
    for (int d = 0; d < j->spec->directions; d++) {
        rnn_direction *dir = &j->dir[d];
        const kernel_layout *w = &dir->w.layout;
        unsigned char *at = (unsigned char *)memory + (size_t)d * p->vector_bytes;
        dir->bias = at;
        dir->rbh = at += align64((size_t)w->cols * j->real);
        at += align64((size_t)w->padded * j->real);
        if (op_has_in(ctx, RNN_B)) fold_bias(j, dir, d, op_in(ctx, RNN_B));
        if (j->spec->kind != RNN_LSTM || !op_has_in(ctx, RNN_P)) continue;
        dir->peephole = at;
        dir->scalar_peephole = (double *)(void *)(at + align64(3 * (size_t)w->padded * j->real));
        for (int64_t i = 0; i < 3 * j->z.h; i++) {
            double x = element(op_in(ctx, RNN_P), (int64_t)d * 3 * j->z.h + i);
            put(j, dir->peephole, i / j->z.h * w->padded + i % j->z.h, x);
            dir->scalar_peephole[i] = x;
        }
    }
}

/* ---- prepare --------------------------------------------------------------------------------------------------------------------- */

static void read_rules(rnn_job *j, bool onnxruntime) {
    const rnn_spec *s = j->spec;
    j->zero_unstarted = onnxruntime;
    for (int d = 0; d < s->directions; d++) {
        j->rules[d] = (rnn_rules){.f = onnxruntime ? s->onnxruntime_f[d] : s->f[d], .clip = (double)s->clip,
                                  .clip_h = onnxruntime ? INFINITY : (double)s->clip, .input_forget = s->input_forget, .type = j->z.type};
        j->dir[d].reverse = s->reverse || d == 1;
        j->dir[d].own_f = j->rules[d].clip_h > j->rules[d].clip;
        for (int i = 0; i < rnn_functions(s->kind) && j->fused; i++) {
            rnn_activation_fused(&j->rules[d].f[i], &j->dir[d].f[i]);
            j->dir[d].own_f = j->dir[d].own_f || j->rules[d].f[i].function != rnn_default_function(s->kind, i);
        }
    }
    j->step_flags = s->input_forget ? KERNEL_STEP_INPUT_FORGET : 0u;
}

static void read_strides(rnn_job *j) {
    const rnn_spec *s = j->spec;
    int64_t d = s->directions, h = j->z.h, b = j->z.b, t = j->z.t, i = j->z.i;
    if (s->batch_first) {
        j->xb = t * i; j->xt = i;
        j->yb = t * d * h; j->yt = d * h; j->yd = h;
        j->sb = d * h; j->sd = h;
    } else {
        j->xt = b * i; j->xb = i;
        j->yt = d * b * h; j->yd = b * h; j->yb = h;
        j->sd = b * h; j->sb = h;
    }
}

/* Weights: packed now when constant, else given room in the scratch. */
static clstm_status settle_weights(rnn_prepared *p, op_ctx *ctx) {
    rnn_job *j = &p->job;
    for (int k = 0; k < 2; k++) {
        const void *block = NULL;
        int input = RNN_W + k;
        p->packing[k] = rnn_packing_of(j->spec, input, j->store, j->z.h, k ? j->z.h : j->z.i);
        if (ctx->consts[input]) UTIL_TRY(rnn_pack_const(ctx->consts[input], &p->packing[k], &block, ctx->err));
        p->packed[k] = block != NULL;
        if (!block) {
            p->block_at[k] = ctx->scratch_bytes;
            ctx->scratch_bytes += align64(rnn_packing_bytes(&p->packing[k]));
        }
        for (int d = 0; d < j->spec->directions; d++) {
            rnn_packed v = rnn_packed_view(&p->packing[k], block, d);
            if (k == 0) j->dir[d].w = v.main;
            else { j->dir[d].r = v.main; j->dir[d].last = v.last; }
        }
    }
    return CLSTM_OK;
}

static bool known(const op_ctx *ctx, int i) { return !op_has_in(ctx, i) || ctx->consts[i]; }

static clstm_status settle_vectors(rnn_prepared *p, op_ctx *ctx) {
    size_t bytes = p->vector_bytes * (size_t)p->job.spec->directions;
    p->folded = known(ctx, RNN_B) && known(ctx, RNN_P);
    if (p->folded) {
        fold_vectors(p, ctx, p->vectors);
    } else {
        p->vectors_at = ctx->scratch_bytes;
        ctx->scratch_bytes += bytes;
    }
    return CLSTM_OK;
}

/* ---- who does what ----------------------------------------------------------------------------------------------------------------- */

/* Lanes by direction, then by rows or by part. */
static clstm_status settle_lanes(rnn_prepared *p, op_ctx *ctx) {
    rnn_job *j = &p->job;
    int directions = j->spec->directions;
    int64_t ways = j->parts > 1 ? 1 : j->n_lanes / directions;
    j->lanes = p->lanes;
    for (int i = 0; i < j->n_lanes; i++) {
        int64_t way = j->parts > 1 ? 0 : i / directions, b0 = j->z.b * way / ways, rows = j->z.b * (way + 1) / ways - b0;
        size_t bytes;
        j->lanes[i] = (rnn_lane){.job = j, .d = i % directions, .owner = &j->lanes[j->parts > 1 ? i % directions : i],
                                 .part = j->parts > 1 ? i / directions : 0, .b0 = b0, .rows = rows, .offset = ctx->scratch_bytes};
        if (!rnn_lane_bytes(&j->lanes[i], &bytes)) return op_unsupported(ctx, "a batch of %lld is too large", (long long)j->z.b);
        if (j->together || i == j->n_lanes - 1) ctx->scratch_bytes += bytes;     /* one after another: all in the same place */
    }
    return CLSTM_OK;
}

clstm_status rnn_prepare(op_ctx *ctx) {
    const rnn_spec *s = rnn_spec_of(ctx->node);
    rnn_job job = {.node = ctx->node, .spec = s, .kernel = kernel_table_get(), .trace = ctx->env->trace, .cancel = ctx->env->cancel};
    kernel_layout w;
    UTIL_TRY(rnn_read_sizes(ctx, &job.z));
    job.fused = rnn_is_fused(s, job.z.type);
    job.store = rnn_store_of(s, job.z.type);
    job.f64 = job.store != KERNEL_STORE_F32;
    job.real = job.f64 ? sizeof(double) : sizeof(float);
    job.widened = clstm_type_size(job.z.type) != job.real;
    job.split = s->kind == RNN_GRU && !s->reset_after;
    read_rules(&job, ctx->env->onnxruntime_semantics);
    read_strides(&job);
    job.kernel->layout_cell(&w, job.store, s->gates, job.z.h, job.z.i);
    job.cols = w.cols;
    job.padded = w.padded;
    job.single = job.fused && job.z.t == 1 && !job.split;
    job.panel_units = w.units;
    rnn_share_out(&job, util_pool_threads(ctx->env->pool));
    int64_t rows = job.parts > 1 ? job.z.b : job.z.b * s->directions / job.n_lanes;
    job.chunk = rows >= CHUNK_ROWS || rows == 0 ? 1 : CHUNK_ROWS / rows;
    if (job.chunk > job.z.t) job.chunk = job.z.t;
    if (ctx->env->steps_at_once && job.chunk > ctx->env->steps_at_once) job.chunk = ctx->env->steps_at_once;
    size_t lanes = align64(sizeof(rnn_prepared) + (size_t)job.n_lanes * sizeof(rnn_lane)), vectors = vector_bytes(&job, &w);
    rnn_prepared *p = op_prepared_alloc(ctx, lanes + vectors * (size_t)s->directions);
    if (!p) return util_no_memory(ctx->err);
    p->job = job;
    p->spec = *s;
    p->job.spec = &p->spec;
    p->vector_bytes = vectors;
    p->vectors = (unsigned char *)p + lanes;
    ctx->scratch_bytes = 0;
    if (job.z.t == 0 || job.z.b == 0) return CLSTM_OK;
    UTIL_TRY(settle_weights(p, ctx));
    UTIL_TRY(settle_vectors(p, ctx));
    return settle_lanes(p, ctx);
}

/* ---- run --------------------------------------------------------------------------------------------------------------------------- */

static clstm_status check_lens(const rnn_job *j, op_ctx *ctx) {
    for (int64_t b = 0; j->lens && b < j->z.b; b++)
        if (j->lens[b] < 0 || j->lens[b] > j->z.t)
            return op_bad_input(ctx, "input sequence_lens[%lld] is %lld, expected 0 to %lld", (long long)b, (long long)j->lens[b], (long long)j->z.t);
    return CLSTM_OK;
}

/* No step: the states go through. */
static void run_still(const rnn_job *j, op_ctx *ctx) {
    for (int k = RNN_YH; k <= RNN_YC; k++) {
        size_t bytes;
        int in = k == RNN_YH ? RNN_H0 : RNN_C0;
        if (!op_has_out(ctx, k) || !tensor_bytes(op_out(ctx, k), &bytes) || !bytes) continue;
        if (op_has_in(ctx, in) && !(j->zero_unstarted && j->lens)) memcpy(op_out(ctx, k)->data, op_in(ctx, in)->data, bytes);
        else memset(op_out(ctx, k)->data, 0, bytes);
    }
}

static void bind(rnn_prepared *p, op_ctx *ctx) {
    rnn_job *j = &p->job;
    unsigned char *scratch = ctx->scratch;
    bool moved = p->placed != scratch;
    for (int k = 0; k < 2; k++) {
        if (p->packed[k]) continue;
        rnn_pack_raw(&p->packing[k], j->z.type, op_in(ctx, RNN_W + k)->data, scratch + p->block_at[k]);
        for (int d = 0; d < j->spec->directions && moved; d++) {
            rnn_packed v = rnn_packed_view(&p->packing[k], scratch + p->block_at[k], d);
            if (k == 0) j->dir[d].w = v.main;
            else { j->dir[d].r = v.main; j->dir[d].last = v.last; }
        }
    }
    if (!p->folded) fold_vectors(p, ctx, scratch + p->vectors_at);
    for (int i = 0; i < j->n_lanes && moved; i++) rnn_lane_place(&j->lanes[i], scratch);
    p->placed = scratch;
    j->x = op_in(ctx, RNN_X)->data;
    j->h0 = op_has_in(ctx, RNN_H0) ? op_in(ctx, RNN_H0)->data : NULL;
    j->c0 = op_has_in(ctx, RNN_C0) ? op_in(ctx, RNN_C0)->data : NULL;
    j->y = op_has_out(ctx, RNN_Y) ? op_out(ctx, RNN_Y)->data : NULL;
    j->yh = op_has_out(ctx, RNN_YH) ? op_out(ctx, RNN_YH)->data : NULL;
    j->yc = op_has_out(ctx, RNN_YC) ? op_out(ctx, RNN_YC)->data : NULL;
}

static bool cancelled(const rnn_job *j) { return j->cancel && atomic_load_explicit(j->cancel, memory_order_relaxed); }

/* Tasks of the pool. */
static void whole_lane(void *arg, int i) {
    rnn_prepared *p = arg;
    if (!rnn_lane_run(&p->job.lanes[i])) atomic_store_explicit(&p->cancelled, true, memory_order_relaxed);
}

/* One of the threads that walk together, one step after another, with a meeting after each: all of its lanes. */
static void team_member(void *arg, int index) {
    rnn_prepared *p = arg;
    rnn_job *j = &p->job;
    int phases = rnn_lane_phases(j);
    for (int i = index; i < j->n_lanes; i += p->team) rnn_lane_begin(&j->lanes[i]);
    util_pool_meet(p->pool, index, p->team);
    for (int64_t s = 0; s < j->lanes[index].steps; s++) {
        if (s >= atomic_load_explicit(&p->stop_at, memory_order_relaxed)) return;
        for (int phase = 0; phase < phases; phase++) {
            for (int i = index; i < j->n_lanes; i += p->team) rnn_lane_step(&j->lanes[i], s, phase);
            /* told before the meeting, so that all stop at the same step */
            if (index == 0 && cancelled(j)) atomic_store_explicit(&p->stop_at, s + 1, memory_order_relaxed);
            util_pool_meet(p->pool, index, p->team);
        }
    }
    for (int i = index; i < j->n_lanes; i += p->team) rnn_lane_end(&j->lanes[i]);
}

static void part_of_step(void *arg, int i) {
    rnn_prepared *p = arg;
    rnn_lane_step(&p->job.lanes[i], p->step, p->phase);
}

/* All lanes go step by step: parts of the directions' panels. */
static bool run_in_step(rnn_prepared *p, util_pool *pool) {
    rnn_job *j = &p->job;
    int phases = rnn_lane_phases(j), most = util_pool_team_most(pool);
    p->pool = pool;
    p->team = most < j->n_lanes ? most : j->n_lanes;
    atomic_store_explicit(&p->stop_at, LLONG_MAX, memory_order_relaxed);
    if (p->team > 1) {
        if (cancelled(j)) return false;
        util_pool_team(pool, p->team, team_member, p);
        return atomic_load_explicit(&p->stop_at, memory_order_relaxed) >= j->lanes[0].steps;
    }
    for (int i = 0; i < j->n_lanes; i++) rnn_lane_begin(&j->lanes[i]);
    for (p->step = 0; p->step < j->lanes[0].steps; p->step++) {
        if (cancelled(j)) return false;
        for (p->phase = 0; p->phase < phases; p->phase++) util_pool_run(pool, j->n_lanes, part_of_step, p);
    }
    for (int i = 0; i < j->n_lanes; i++) rnn_lane_end(&j->lanes[i]);
    return true;
}

static bool run_lanes(rnn_prepared *p, util_pool *pool) {
    rnn_job *j = &p->job;
    if (j->parts > 1) return run_in_step(p, pool);
    if (j->together) {
        atomic_store_explicit(&p->cancelled, false, memory_order_relaxed);
        util_pool_run(pool, j->n_lanes, whole_lane, p);
        return !atomic_load_explicit(&p->cancelled, memory_order_relaxed);
    }
    for (int i = 0; i < j->n_lanes; i++)
        if (!rnn_lane_run(&j->lanes[i])) return false;
    return true;
}

static clstm_status begin(op_ctx *ctx) {
    rnn_prepared *p = ctx->prepared;
    rnn_job *j = &p->job;
    j->lens = op_has_in(ctx, RNN_LENS) ? op_in(ctx, RNN_LENS)->data : NULL;
    UTIL_TRY(check_lens(j, ctx));
    if (j->z.t == 0 || j->z.b == 0) run_still(j, ctx);
    else bind(p, ctx);
    return CLSTM_OK;
}

clstm_status rnn_run(op_ctx *ctx) {
    rnn_prepared *p = ctx->prepared;
    UTIL_TRY(begin(ctx));
    if (p->job.z.t == 0 || p->job.z.b == 0) return CLSTM_OK;
    return run_lanes(p, ctx->env->pool) ? CLSTM_OK : util_fail(ctx->err, CLSTM_CANCELLED, "cancelled");
}

/* ---- one layer behind another --------------------------------------------------------------------------------------------------- */

static rnn_job *job_of(const op_ctx *ctx) { return &((rnn_prepared *)ctx->prepared)->job; }

static bool forward(const rnn_job *j) { return j->spec->directions == 1 && !j->spec->reverse; }

bool rnn_follows(const op_ctx *ctx, const op_ctx *below) {
    const rnn_job *j = job_of(ctx), *k = job_of(below);
    return forward(j) && forward(k) && j->z.t == k->z.t && j->z.b == k->z.b && j->z.i == k->z.h && j->xt == k->yt && (j->xb == k->yb || j->z.b == 1);
}

rnn_cost rnn_cost_of(const op_ctx *ctx) {
    const rnn_job *j = job_of(ctx);
    return (rnn_cost){.steps = j->z.t, .alone = rnn_work(j), .shared = rnn_shared_cost(j)};
}

clstm_status rnn_walk_begin(op_ctx *ctx) {
    UTIL_TRY(begin(ctx));
    rnn_lane_begin(job_of(ctx)->lanes);
    return CLSTM_OK;
}

bool rnn_walk(op_ctx *ctx, int64_t end) { return rnn_lane_walk(job_of(ctx)->lanes, end); }

void rnn_walk_end(op_ctx *ctx) { rnn_lane_end(job_of(ctx)->lanes); }
