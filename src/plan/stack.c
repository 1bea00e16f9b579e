/* plan/stack: recurrent layers of which each takes its steps from the one below, with views at most between them. Where that is faster than
 * to share out each layer by itself, threads have layers of their own and walk together, chunk by chunk of the sequence, each behind the
 * thread that makes its input. */
#include "plan/plan_internal.h"

#include "rnn/run.h"
#include "rnn/spec.h"
#include "util/alloc.h"

/* Steps of a chunk: rows of a tile of the kernels' products, so that few are lost on the way in and none in X.W. */
enum { CHUNK = 6, LONG_CHUNK = 12, LONG = 200 };
/* What a chunk costs besides its steps, in multiply-adds (rnn/share.c); and the share of the plain time that the walk must stay below. */
static const double hand_over = 25000, worth = 0.9;

typedef struct layer {
    plan_step_s *step;
    int part;                   /* the thread that has it */
    atomic_llong done;          /* chunks */
    char apart[64];             /* each count on a cache line of its own */
} layer;

struct plan_stack {
    plan_block *block;
    size_t first, last;         /* steps of the block */
    int n, parts;
    layer *layers;
    int64_t chunk, chunks;      /* steps of a chunk; chunks of the sequence */
    int64_t turn;               /* threads that cannot wait for each other are told what to do next */
    atomic_bool cancelled;
};

/* ---- finding ------------------------------------------------------------------------------------------------------------------- */

static bool is_layer(const plan_step_s *s) { return !s->dynamic && s->node->op->run == rnn_run; }

static const plan_slot *slot_here(const plan_block *b, const ir_value *v) { return v && v->graph == b->graph ? v->user : NULL; }

/* Whether step k takes its sequence, step by step, from the layer at `below`, and nothing else from the stack that begins at `first`: what
 * is made between the two lies in storages that begin there. */
static bool follows(const plan_block *b, size_t first, size_t below, size_t k) {
    const ir_node *n = b->steps[k].node, *under = b->steps[below].node;
    const plan_slot *x = slot_here(b, n->inputs[RNN_X]), *y = under->n_out ? slot_here(b, under->outputs[RNN_Y]) : NULL;
    if (!x || !y || x->storage < 0 || x->storage != y->storage || x->offset != y->offset) return false;
    for (int i = 0; i < n->n_in; i++) {
        const plan_slot *in = i == RNN_X ? NULL : slot_here(b, n->inputs[i]);
        if (in && in->storage >= 0 && b->storages[in->storage].first >= (int)first) return false;
    }
    return rnn_follows(&b->steps[k].ctx, &b->steps[below].ctx);
}

/* The step of the layer that follows the one at step i in the stack that begins at `first`; 0: none. */
static size_t next_layer(const plan_block *b, size_t first, size_t i) {
    size_t k = i + 1;
    while (k < b->n_steps && b->steps[k].view) k++;
    return k < b->n_steps && is_layer(&b->steps[k]) && follows(b, first, i, k) ? k : 0;
}

/* Gives layers to threads, neighbours together, by their share of the work. */
static void share_out(plan_stack *s) {
    double all = 0, below = 0;
    for (int k = 0; k < s->n; k++) all += rnn_cost_of(&s->layers[k].step->ctx).alone;
    for (int k = 0; k < s->n; k++) {
        double work = rnn_cost_of(&s->layers[k].step->ctx).alone;
        s->layers[k].part = (int)((below + work / 2) / all * s->parts);
        below += work;
    }
}

/* The busiest thread's time and that of the chunks before and after its own, against the layers one after the other. */
static bool pays(const plan_stack *s) {
    double plain = 0, load = 0, most = 0;
    for (int k = 0; k < s->n; k++) {
        rnn_cost c = rnn_cost_of(&s->layers[k].step->ctx);
        plain += c.shared;
        load = (k && s->layers[k].part == s->layers[k - 1].part ? load : 0) + c.alone;
        if (load > most) most = load;
    }
    double turns = (double)(s->chunks + s->parts - 1);
    return most * turns / (double)s->chunks + turns * hand_over < worth * plain;
}

static clstm_status prepare_alone(plan *p, const ir_node *n, op_ctx *c, clstm_error *err) {
    char text[256];
    p->prepared_bytes -= c->prepared_bytes;
    util_aligned_free(c->prepared);
    c->prepared = NULL;
    c->env = &p->alone;
    c->err = err;
    clstm_status s = op_prepare(c);
    if (s != CLSTM_OK) return util_context(err, s, "%s", ir_node_text(text, sizeof text, n));
    p->prepared_bytes += c->prepared_bytes;
    return CLSTM_OK;
}

/* The stack of n layers from step `first` on, if it pays. */
static clstm_status make_stack(plan_block *b, size_t first, int n, clstm_error *err) {
    plan *p = b->plan;
    if (rnn_cost_of(&b->steps[first].ctx).alone <= 0) return CLSTM_OK;      /* no step, or no row */
    int threads = util_pool_threads(p->env.pool);
    int64_t steps = rnn_cost_of(&b->steps[first].ctx).steps, chunk = steps < LONG ? CHUNK : LONG_CHUNK;
    plan_stack *s = util_arena_alloc(&p->arena, 1, sizeof *s);
    layer *layers = util_arena_alloc(&p->arena, (size_t)n, sizeof *layers);
    if (!s || !layers) return util_no_memory(err);
    *s = (plan_stack){.block = b, .first = first, .n = n, .parts = threads < n ? threads : n, .layers = layers, .chunk = chunk,
                      .chunks = (steps + chunk - 1) / chunk};
    size_t at = first;
    for (int k = 0; k < n; k++, at = next_layer(b, first, at)) {
        layers[k].step = &b->steps[at];
        s->last = at;
    }
    share_out(s);
    if (!pays(s)) return CLSTM_OK;
    for (size_t i = first; i <= s->last; i++) b->steps[i].stack = s;
    for (int k = 0; k < n; k++) UTIL_TRY(prepare_alone(p, layers[k].step->node, &layers[k].step->ctx, err));
    return CLSTM_OK;
}

clstm_status plan_find_stacks(plan_block *b, clstm_error *err) {
    plan *p = b->plan;
    if (p->env.trace || util_pool_threads(p->env.pool) < 2) return CLSTM_OK;
    p->alone = p->env;
    p->alone.pool = NULL;
    p->alone.steps_at_once = LONG_CHUNK;
    for (size_t i = 0, last; i < b->n_steps; i = last + 1) {
        int n = 1;
        last = i;
        if (!is_layer(&b->steps[i])) continue;
        for (size_t k = i; (k = next_layer(b, i, k)) != 0; n++) last = k;
        if (n > 1) UTIL_TRY(make_stack(b, i, n, err));
    }
    return CLSTM_OK;
}

/* Within a stack time stands still: what one of its steps needs is there during all of them. */
void plan_hold_stacks(plan_block *b) {
    for (size_t k = 0; k < b->n_storages; k++) {
        plan_storage *st = &b->storages[k];
        const plan_stack *s = b->steps[st->first].stack;
        if (s) st->first = (int)s->first;
        s = (size_t)st->last < b->n_steps ? b->steps[st->last].stack : NULL;
        if (s) st->last = (int)s->last;
    }
}

/* ---- running ------------------------------------------------------------------------------------------------------------------- */

static void walk_layer(plan_stack *s, layer *l, int64_t chunk) {
    bool timed = s->block->plan->profile;
    double t = timed ? plan_seconds() : 0;
    if (!rnn_walk(&l->step->ctx, (chunk + 1) * s->chunk)) atomic_store_explicit(&s->cancelled, true, memory_order_relaxed);
    if (timed) l->step->seconds += plan_seconds() - t;
    atomic_store_explicit(&l->done, chunk + 1, memory_order_release);
}

/* One thread's layers, once the layer below has made the chunk. */
static void walk_part(plan_stack *s, int part, int64_t chunk) {
    if (chunk < 0 || chunk >= s->chunks) return;
    for (int k = 0; k < s->n; k++) {
        if (s->layers[k].part != part) continue;
        if (k) util_pool_await(&s->layers[k - 1].done, chunk + 1);
        walk_layer(s, &s->layers[k], chunk);
    }
}

static void team_member(void *arg, int part) {
    plan_stack *s = arg;
    for (int64_t chunk = 0; chunk < s->chunks; chunk++) walk_part(s, part, chunk);
}

/* Every part is a chunk behind the one below, which has made that chunk in an earlier turn: nobody waits. */
static void part_of_turn(void *arg, int part) {
    plan_stack *s = arg;
    walk_part(s, part, s->turn - part);
}

static bool cancelled(const plan_stack *s) { return atomic_load_explicit(&s->cancelled, memory_order_relaxed); }

clstm_status plan_run_stack(plan_stack *s, size_t *at, clstm_error *err) {
    util_pool *pool = s->block->plan->env.pool;
    char text[256];
    atomic_store_explicit(&s->cancelled, false, memory_order_relaxed);
    for (int k = 0; k < s->n; k++) {
        plan_step_s *step = s->layers[k].step;
        step->ctx.err = err;
        atomic_store_explicit(&s->layers[k].done, 0, memory_order_relaxed);
        clstm_status status = rnn_walk_begin(&step->ctx);
        if (status != CLSTM_OK) return util_context(err, status, "%s", ir_node_text(text, sizeof text, step->node));
    }
    if (util_pool_team_most(pool) >= s->parts) util_pool_team(pool, s->parts, team_member, s);
    else for (s->turn = 0; s->turn < s->chunks + s->parts - 1 && !cancelled(s); s->turn++) util_pool_run(pool, s->parts, part_of_turn, s);
    if (cancelled(s)) return util_fail(err, CLSTM_CANCELLED, "cancelled");
    for (int k = 0; k < s->n; k++) rnn_walk_end(&s->layers[k].step->ctx);
    *at = s->last;
    return CLSTM_OK;
}
