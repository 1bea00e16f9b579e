/* ops/control: If, Loop and Scan. Bodies are run by the plan (op_env.body_run); here are the rules of what flows in and out.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : If, Loop, Scan */
#include "ops/common.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Only the run knows what bodies give. */
static clstm_status infer_nothing(op_ctx *ctx) { (void)ctx; return OP_DEFER; }

/* A value made by a body becomes output i. */
static void give(op_ctx *ctx, int i, clstm_value *v) {
    if (op_has_out(ctx, i)) { op_value_clear(ctx->out[i]); *ctx->out[i] = *v; memset(v, 0, sizeof *v); }
    else op_value_clear(v);
}

static void clear_all(clstm_value *v, int n) {
    for (int i = 0; v && i < n; i++) op_value_clear(&v[i]);
    free(v);
}

/* ---- If -------------------------------------------------------------------------------------------------------------------------- */

static clstm_status run_if(op_ctx *ctx) {
    if (clstm_tensor_count(op_in(ctx, 0)) != 1) return op_bad_input(ctx, "the condition has %lld elements, expected 1", (long long)clstm_tensor_count(op_in(ctx, 0)));
    int which = *(const uint8_t *)op_in(ctx, 0)->data ? 0 : 1;
    clstm_value *out = util_calloc((size_t)ctx->n_out, sizeof *out);
    if (!out) return util_no_memory(ctx->err);
    clstm_status s = ctx->env->body_run(ctx, which, 0, NULL, ctx->n_out, out);
    for (int i = 0; i < ctx->n_out && s == CLSTM_OK; i++) give(ctx, i, &out[i]);
    clear_all(out, ctx->n_out);
    return s;
}

/* ---- what Loop and Scan share -------------------------------------------------------------------------------------------------------- */

typedef struct deadline { int64_t at, limit; } deadline;

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static deadline start(const op_ctx *ctx) {
    int64_t limit = ctx->env->limits->value[CLSTM_LIMIT_RUN_MILLISECONDS];
    return (deadline){limit ? now_ms() + limit : 0, limit};
}
/* Before turn `trip`: cancelled, too many, too long? */
static clstm_status check_turn(op_ctx *ctx, const deadline *d, int64_t trip) {
    int64_t most = ctx->env->limits->value[CLSTM_LIMIT_LOOP_TRIPS];
    if (ctx->env->cancel && atomic_load_explicit(ctx->env->cancel, memory_order_relaxed)) return util_fail(ctx->err, CLSTM_CANCELLED, "cancelled");
    if (most && trip >= most) return util_fail(ctx->err, CLSTM_LIMIT, "more than %lld iterations (limit loop-trips)", (long long)most);
    if (d->at && now_ms() > d->at) return util_fail(ctx->err, CLSTM_LIMIT, "longer than %lld ms (limit run-milliseconds)", (long long)d->limit);
    return CLSTM_OK;
}

/* One output that grows by a slice each turn, along a new axis 0; the slices stand in reading order. */
typedef struct stack { clstm_tensor slice; unsigned char *data; size_t bytes, capacity; int64_t count; } stack;

static clstm_status push(op_ctx *ctx, stack *st, const clstm_value *v, int k) {
    size_t bytes;
    char was[200], is[200];
    if (v->kind != CLSTM_KIND_TENSOR) return op_bad_model(ctx, "scan output %d of the body is not a tensor", k);
    if (!tensor_bytes(&v->tensor, &bytes)) return op_unsupported(ctx, "scan output %d of the body has type %s", k, clstm_type_name(v->tensor.type));
    if (!st->count) { st->slice = v->tensor; st->bytes = bytes; }
    else if (!tensor_same_shape(&st->slice, &v->tensor) || st->slice.type != v->tensor.type)
        return op_bad_input(ctx, "scan output %d changes its shape from %s to %s", k, tensor_shape_text(was, sizeof was, &st->slice),
                            tensor_shape_text(is, sizeof is, &v->tensor));
    if (v->tensor.rank >= CLSTM_MAX_RANK) return op_unsupported(ctx, "scan output %d would have rank %d", k, v->tensor.rank + 1);
    size_t used = st->bytes * (size_t)st->count;
    if (clstm_tensor_count(&v->tensor) && st->count >= ctx->env->limits->value[CLSTM_LIMIT_ELEMENTS] / clstm_tensor_count(&v->tensor))
        return util_fail(ctx->err, CLSTM_LIMIT, "scan output %d has more than %lld elements (limit elements)", k, (long long)ctx->env->limits->value[CLSTM_LIMIT_ELEMENTS]);
    if (!util_grow((void **)&st->data, &st->capacity, used + bytes + 1, 1)) return util_no_memory(ctx->err);
    if (bytes) memcpy(st->data + used, v->tensor.data, bytes);
    st->count++;
    return CLSTM_OK;
}

/* Counts what a loop holds between turns in place of *held, what it held before. */
static clstm_status hold(op_ctx *ctx, int64_t *held, const clstm_value *states, int n_states, const stack *stacks, int n_stacks) {
    int64_t sum = 0;
    for (int i = 0; states && i < n_states; i++) sum += op_value_bytes(&states[i]);
    for (int k = 0; stacks && k < n_stacks; k++) sum += (int64_t)stacks[k].capacity;
    int64_t more = sum - *held;
    *held = sum;
    return op_live_add(ctx->env, more, ctx->err);
}

/* Lays the slices along `axis` of output i, backwards when `reverse`. */
static clstm_status unstack(op_ctx *ctx, stack *st, int i, int64_t axis, bool reverse) {
    int64_t dims[CLSTM_MAX_RANK];
    int rank = st->slice.rank + 1, at = 0;
    if (!op_has_out(ctx, i)) return CLSTM_OK;
    if (!tensor_axis(axis, rank, &at)) return op_bad_model(ctx, "output axis %lld is outside rank %d", (long long)axis, rank);
    for (int d = 0; d < rank; d++) dims[d] = d == at ? st->count : st->slice.dims[d < at ? d : d - 1];
    UTIL_TRY(op_output_tensor(ctx, i, st->slice.type, rank, dims));
    int64_t outer = tensor_span(&st->slice, 0, at), inner = tensor_span(&st->slice, at, st->slice.rank);
    size_t chunk = (size_t)inner * clstm_type_size(st->slice.type);
    unsigned char *to = op_out(ctx, i)->data;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t n = 0; n < st->count; n++)
            memcpy(to + (size_t)(o * st->count + n) * chunk, st->data + (size_t)(reverse ? st->count - 1 - n : n) * st->bytes + (size_t)o * chunk, chunk);
    return CLSTM_OK;
}

/* A Loop or Scan that never turned has empty scan outputs. Their type and rank are the body's: as inferred, or else as declared; the
 * plan forgets declarations, so they are noted at load. */
static clstm_status note_declared(ir_node *n, clstm_error *err) {
    ir_graph *body = n->bodies[0];
    if (body->declared) return CLSTM_OK;        /* checked again at another version, when they are forgotten */
    clstm_tensor *declared = util_arena_alloc(n->graph->arena, body->n_out, sizeof *declared);
    if (!declared) return util_no_memory(err);
    for (size_t i = 0; i < body->n_out; i++)
        if (body->outputs[i]->kind == CLSTM_KIND_TENSOR && !body->outputs[i]->optional) declared[i] = body->outputs[i]->type;
        else declared[i] = (clstm_tensor){.type = CLSTM_TYPE_NONE, .rank = -1};
    body->declared = declared;
    return CLSTM_OK;
}

static clstm_status no_slices(op_ctx *ctx, stack *st, int body_output) {
    const ir_graph *body = ctx->node->bodies[0];
    st->slice = body->outputs[body_output]->type;
    if (st->slice.type == CLSTM_TYPE_NONE) st->slice = body->declared[body_output];
    if (!clstm_type_size(st->slice.type)) return op_bad_model(ctx, "no turn was made, and body output %d declares no type", body_output);
    if (st->slice.rank < 0) st->slice.rank = 0;
    for (int d = 0; d < st->slice.rank; d++)
        if (st->slice.dims[d] < 0) st->slice.dims[d] = 0;
    return CLSTM_OK;
}

/* ---- Loop ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct loop { int carried, scans; clstm_value *state, *in, *out; stack *stacks; int64_t held; } loop;

static clstm_status loop_setup(op_ctx *ctx, loop *l) {
    const ir_graph *body = ctx->node->bodies[0];
    l->carried = ctx->n_in > 2 ? ctx->n_in - 2 : 0;
    l->scans = (int)body->n_out - 1 - l->carried;
    if ((int)body->n_in != 2 + l->carried || l->scans < 0 || ctx->n_out > l->carried + l->scans)
        return op_bad_model(ctx, "the body has %zu inputs and %zu outputs, the node %d inputs and %d outputs", body->n_in, body->n_out, ctx->n_in, ctx->n_out);
    l->state = util_calloc((size_t)l->carried, sizeof *l->state);
    l->in = util_calloc(body->n_in, sizeof *l->in);
    l->out = util_calloc(body->n_out, sizeof *l->out);
    l->stacks = util_calloc((size_t)l->scans, sizeof *l->stacks);
    if (!l->state || !l->in || !l->out || !l->stacks) return util_no_memory(ctx->err);
    for (int i = 0; i < l->carried; i++)
        if (ctx->in[i + 2]) UTIL_TRY(op_value_copy(&l->state[i], ctx->in[i + 2], ctx->err));
    return CLSTM_OK;
}

static clstm_status loop_turns(op_ctx *ctx, loop *l) {
    bool condition = !op_has_in(ctx, 1) || *(const uint8_t *)op_in(ctx, 1)->data;
    int64_t most = op_has_in(ctx, 0) ? tensor_get_int(op_in(ctx, 0), 0) : INT64_MAX;
    deadline d = start(ctx);
    int n_out = 1 + l->carried + l->scans;
    for (int64_t trip = 0; condition && trip < most; trip++) {
        UTIL_TRY(check_turn(ctx, &d, trip));
        uint8_t go = 1;
        l->in[0] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = clstm_tensor_view(CLSTM_INT64, 0, NULL, &trip)};
        l->in[1] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = clstm_tensor_view(CLSTM_BOOL, 0, NULL, &go)};
        for (int i = 0; i < l->carried; i++) l->in[i + 2] = l->state[i];
        UTIL_TRY(ctx->env->body_run(ctx, 0, 2 + l->carried, l->in, n_out, l->out));
        clstm_status s = CLSTM_OK;
        if (l->out[0].kind != CLSTM_KIND_TENSOR || l->out[0].tensor.type != CLSTM_BOOL || clstm_tensor_count(&l->out[0].tensor) != 1)
            s = op_bad_model(ctx, "the body's condition is not one bool");
        else condition = *(const uint8_t *)l->out[0].tensor.data;
        for (int k = 0; k < l->scans && s == CLSTM_OK; k++) s = push(ctx, &l->stacks[k], &l->out[1 + l->carried + k], k);
        for (int i = 0; i < l->carried; i++) {
            op_value_clear(&l->state[i]);
            l->state[i] = l->out[1 + i];
            memset(&l->out[1 + i], 0, sizeof l->out[1 + i]);
        }
        for (int i = 0; i < n_out; i++) op_value_clear(&l->out[i]);
        UTIL_TRY(s);
        UTIL_TRY(hold(ctx, &l->held, l->state, l->carried, l->stacks, l->scans));
    }
    return CLSTM_OK;
}

static clstm_status run_loop(op_ctx *ctx) {
    loop l = {0};
    for (int i = 0; i < 2; i++)
        if (op_has_in(ctx, i) && clstm_tensor_count(op_in(ctx, i)) != 1) return op_bad_input(ctx, "%s must have one element", i ? "cond" : "M");
    clstm_status s = loop_setup(ctx, &l);
    if (s == CLSTM_OK) s = loop_turns(ctx, &l);
    for (int i = 0; i < l.carried && l.state && s == CLSTM_OK; i++) give(ctx, i, &l.state[i]);
    for (int k = 0; k < l.scans && l.stacks && s == CLSTM_OK; k++) {
        if (!l.stacks[k].count) s = no_slices(ctx, &l.stacks[k], 1 + l.carried + k);
        if (s == CLSTM_OK) s = unstack(ctx, &l.stacks[k], l.carried + k, 0, false);
    }
    clear_all(l.state, l.carried);
    for (int k = 0; k < l.scans && l.stacks; k++) free(l.stacks[k].data);
    (void)op_live_add(ctx->env, -l.held, NULL);
    free(l.in); free(l.out); free(l.stacks);
    return s;
}

/* ---- Scan ---------------------------------------------------------------------------------------------------------------------------- */

typedef struct scan {
    int states, scans, outs, first;         /* first: index of the first state among the node's inputs (1 at opset 8) */
    int64_t length;
    clstm_value *state, *in, *out;
    stack *stacks;
    void **slices;
    int64_t held;
} scan;

static int64_t entry(const ir_node *n, const char *name, int i) {
    size_t count;
    const int64_t *v = op_attr_ints(n, name, &count);
    return v && (size_t)i < count ? v[i] : 0;
}

static clstm_status check_scan(ir_node *n, clstm_error *err) {
    static const char *const lists[] = {"scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions", "directions"};
    int64_t scans = op_attr_int(n, "num_scan_inputs");
    int first = n->version < 9;
    if (scans < 1 || scans > n->n_in - first) return util_fail(err, CLSTM_BAD_MODEL, "attribute num_scan_inputs is %lld with %d inputs", (long long)scans, n->n_in);
    int64_t states = n->n_in - first - scans;
    if (n->n_out < states) return util_fail(err, CLSTM_BAD_MODEL, "has %d outputs for %lld states", n->n_out, (long long)states);
    for (int i = 0; i < 5; i++) {
        size_t count;
        if (!ir_attr_find(n, lists[i])) continue;
        const int64_t *v = op_attr_ints(n, lists[i], &count);
        int64_t want = strstr(lists[i], "output") ? n->n_out - states : scans;
        if ((int64_t)count != want) return util_fail(err, CLSTM_BAD_MODEL, "attribute %s has %zu entries, expected %lld", lists[i], count, (long long)want);
        for (size_t k = 0; k < count && strstr(lists[i], "directions"); k++)
            if (v[k] != 0 && v[k] != 1) return util_fail(err, CLSTM_BAD_MODEL, "attribute %s holds %lld, expected 0 or 1", lists[i], (long long)v[k]);
    }
    return note_declared(n, err);
}

static int64_t input_direction(const ir_node *n, int k) { return entry(n, n->version < 9 ? "directions" : "scan_input_directions", k); }

static clstm_status scan_setup(op_ctx *ctx, scan *s) {
    const ir_graph *body = ctx->node->bodies[0];
    s->first = ctx->node->version < 9;
    s->scans = (int)op_attr_int(ctx->node, "num_scan_inputs");
    s->states = ctx->n_in - s->first - s->scans;
    s->outs = (int)body->n_out - s->states;
    if ((int)body->n_in != s->states + s->scans || s->outs < 0 || ctx->n_out > (int)body->n_out)
        return op_bad_model(ctx, "the body has %zu inputs and %zu outputs, the node %d and %d", body->n_in, body->n_out, ctx->n_in - s->first, ctx->n_out);
    s->state = util_calloc((size_t)s->states, sizeof *s->state);
    s->in = util_calloc(body->n_in, sizeof *s->in);
    s->out = util_calloc(body->n_out, sizeof *s->out);
    s->stacks = util_calloc((size_t)s->outs, sizeof *s->stacks);
    s->slices = util_calloc((size_t)s->scans, sizeof *s->slices);
    if (!s->state || !s->in || !s->out || !s->stacks || !s->slices) return util_no_memory(ctx->err);
    s->length = -1;
    for (int k = 0; k < s->scans; k++) {
        const clstm_tensor *x = op_in(ctx, s->first + s->states + k);
        int axis;
        if (!tensor_axis(entry(ctx->node, "scan_input_axes", k), x->rank, &axis)) return op_bad_model(ctx, "scan input %d: its axis is outside rank %d", k, x->rank);
        if (s->length >= 0 && x->dims[axis] != s->length) return op_bad_input(ctx, "scan input %d has length %lld, expected %lld", k, (long long)x->dims[axis], (long long)s->length);
        s->length = x->dims[axis];
    }
    return CLSTM_OK;
}

/* Puts slice t of scan input k into s->in; gathered into memory of its own when the axis is not the first. */
static clstm_status take_slice(op_ctx *ctx, scan *s, int k, int64_t t, const clstm_tensor *x) {
    int axis = 0;
    tensor_axis(entry(ctx->node, "scan_input_axes", k), x->rank, &axis);
    if (input_direction(ctx->node, k)) t = s->length - 1 - t;
    clstm_tensor v = *x;
    v.rank--;
    for (int d = axis; d < v.rank; d++) v.dims[d] = x->dims[d + 1];
    int64_t outer = tensor_span(x, 0, axis), inner = tensor_span(x, axis + 1, x->rank);
    size_t chunk = (size_t)inner * clstm_type_size(x->type);
    const unsigned char *from = x->data;
    if (axis == 0) v.data = (void *)(uintptr_t)(from + (size_t)t * chunk);
    else {
        if (!s->slices[k] && !(s->slices[k] = util_aligned_alloc((size_t)outer * chunk))) return util_no_memory(ctx->err);
        for (int64_t o = 0; o < outer; o++)
            if (chunk) memcpy((unsigned char *)s->slices[k] + (size_t)o * chunk, from + (size_t)(o * s->length + t) * chunk, chunk);
        v.data = s->slices[k];
    }
    s->in[s->states + k] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = v};
    return CLSTM_OK;
}

static clstm_status scan_turns(op_ctx *ctx, scan *s, const clstm_tensor *x) {
    deadline d = start(ctx);
    int n_out = s->states + s->outs;
    for (int64_t t = 0; t < s->length; t++) {
        UTIL_TRY(check_turn(ctx, &d, t));
        for (int i = 0; i < s->states; i++) s->in[i] = s->state[i];
        for (int k = 0; k < s->scans; k++) UTIL_TRY(take_slice(ctx, s, k, t, &x[k]));
        UTIL_TRY(ctx->env->body_run(ctx, 0, s->states + s->scans, s->in, n_out, s->out));
        clstm_status status = CLSTM_OK;
        for (int k = 0; k < s->outs && status == CLSTM_OK; k++) status = push(ctx, &s->stacks[k], &s->out[s->states + k], k);
        for (int i = 0; i < s->states; i++) {
            op_value_clear(&s->state[i]);
            s->state[i] = s->out[i];
            memset(&s->out[i], 0, sizeof s->out[i]);
        }
        for (int i = 0; i < n_out; i++) op_value_clear(&s->out[i]);
        UTIL_TRY(status);
        UTIL_TRY(hold(ctx, &s->held, s->state, s->states, s->stacks, s->outs));
    }
    return CLSTM_OK;
}

static void scan_clear(const op_ctx *ctx, scan *s) {
    (void)op_live_add(ctx->env, -s->held, NULL);
    clear_all(s->state, s->states);
    for (int k = 0; s->stacks && k < s->outs; k++) free(s->stacks[k].data);
    for (int k = 0; s->slices && k < s->scans; k++) util_aligned_free(s->slices[k]);
    free(s->in); free(s->out); free(s->stacks); free(s->slices);
}

static clstm_status run_scan9(op_ctx *ctx) {
    scan s = {0};
    clstm_status status = scan_setup(ctx, &s);
    clstm_tensor *x = status == CLSTM_OK ? util_calloc((size_t)s.scans, sizeof *x) : NULL;
    if (status == CLSTM_OK && !x) status = util_no_memory(ctx->err);
    for (int i = 0; i < s.states && status == CLSTM_OK; i++) status = op_value_copy(&s.state[i], ctx->in[i], ctx->err);
    for (int k = 0; k < s.scans && status == CLSTM_OK; k++) x[k] = *op_in(ctx, s.states + k);
    if (status == CLSTM_OK) status = scan_turns(ctx, &s, x);
    for (int i = 0; i < s.states && status == CLSTM_OK; i++) give(ctx, i, &s.state[i]);
    for (int k = 0; k < s.outs && status == CLSTM_OK; k++) {
        if (!s.stacks[k].count) status = no_slices(ctx, &s.stacks[k], s.states + k);
        if (status == CLSTM_OK) status = unstack(ctx, &s.stacks[k], s.states + k, entry(ctx->node, "scan_output_axes", k), entry(ctx->node, "scan_output_directions", k) != 0);
    }
    free(x);
    scan_clear(ctx, &s);
    return status;
}

/* Opset 8: a batch axis in front of everything, and lengths. Each batch row is a scan of its own; its outputs are joined, and
 * zero past its length. */
static clstm_status scan8_row(op_ctx *ctx, scan *s, clstm_tensor *x, int64_t b, int64_t length, int64_t batch) {
    for (int i = 0; i < s->states; i++) {
        clstm_value v = *ctx->in[1 + i];
        if (v.kind != CLSTM_KIND_TENSOR || v.tensor.rank < 1 || v.tensor.dims[0] != batch) return op_bad_input(ctx, "state %d does not have batch %lld", i, (long long)batch);
        size_t bytes;
        v.tensor.rank--;
        memmove(v.tensor.dims, v.tensor.dims + 1, (size_t)v.tensor.rank * sizeof v.tensor.dims[0]);
        if (!tensor_bytes(&v.tensor, &bytes)) return op_bad_input(ctx, "state %d has type %s", i, clstm_type_name(v.tensor.type));
        v.tensor.data = (unsigned char *)v.tensor.data + (size_t)b * bytes;
        UTIL_TRY(op_value_copy(&s->state[i], &v, ctx->err));
    }
    for (int k = 0; k < s->scans; k++) {
        x[k] = *op_in(ctx, 1 + s->states + k);
        if (x[k].rank < 2 || x[k].dims[0] != batch) return op_bad_input(ctx, "scan input %d must be [batch,length,...]", k);
        x[k].rank--;
        memmove(x[k].dims, x[k].dims + 1, (size_t)x[k].rank * sizeof x[k].dims[0]);
        size_t bytes;
        if (!tensor_bytes(&x[k], &bytes)) return op_bad_input(ctx, "scan input %d has type %s", k, clstm_type_name(x[k].type));
        x[k].data = (unsigned char *)x[k].data + (size_t)b * bytes;
    }
    s->length = length;
    return scan_turns(ctx, s, x);
}

static clstm_status scan8_join(op_ctx *ctx, scan *s, int64_t b, int64_t batch, int64_t longest) {
    for (int i = 0; i < s->states + s->outs; i++) {
        bool state = i < s->states;
        stack *st = state ? NULL : &s->stacks[i - s->states];
        if (!state && !st->count) UTIL_TRY(no_slices(ctx, st, i));
        const clstm_tensor *one = state ? &s->state[i].tensor : &st->slice;
        int64_t dims[CLSTM_MAX_RANK];
        int rank = 0;
        size_t row, bytes;
        if (one->rank + 2 > CLSTM_MAX_RANK) return op_unsupported(ctx, "output %d would have rank %d", i, one->rank + 2);
        dims[rank++] = batch;
        if (!state) dims[rank++] = longest;
        for (int d = 0; d < one->rank; d++) dims[rank++] = one->dims[d];
        if (!op_has_out(ctx, i)) continue;
        if (b == 0) {
            UTIL_TRY(op_output_tensor(ctx, i, one->type, rank, dims));
            if (tensor_bytes(op_out(ctx, i), &bytes)) memset(op_out(ctx, i)->data, 0, bytes);
        }
        if (!tensor_bytes(one, &row)) return op_unsupported(ctx, "output %d has type %s", i, clstm_type_name(one->type));
        if (!tensor_same_shape(op_out(ctx, i), &(clstm_tensor){.rank = rank, .dims = {dims[0], rank > 1 ? dims[1] : 0, rank > 2 ? dims[2] : 0, rank > 3 ? dims[3] : 0, rank > 4 ? dims[4] : 0, rank > 5 ? dims[5] : 0, rank > 6 ? dims[6] : 0, rank > 7 ? dims[7] : 0}}))
            return op_bad_input(ctx, "output %d changes its shape between batch rows", i);
        unsigned char *to = op_out(ctx, i)->data;
        if (state && row) memcpy(to + (size_t)b * row, s->state[i].tensor.data, row);
        for (int64_t t = 0; !state && t < st->count; t++)
            if (row) memcpy(to + (size_t)(b * longest + t) * row, st->data + (size_t)t * row, row);
    }
    return CLSTM_OK;
}

static clstm_status run_scan8(op_ctx *ctx) {
    const clstm_tensor *x0 = op_in(ctx, ctx->n_in - (int)op_attr_int(ctx->node, "num_scan_inputs"));
    if (x0->rank < 2) return op_bad_input(ctx, "scan inputs must be [batch,length,...]");
    int64_t batch = x0->dims[0], longest = x0->dims[1];
    if (op_has_in(ctx, 0) && clstm_tensor_count(op_in(ctx, 0)) != batch) return op_bad_input(ctx, "sequence_lens has %lld entries, expected %lld", (long long)clstm_tensor_count(op_in(ctx, 0)), (long long)batch);
    if (batch < 1) return op_unsupported(ctx, "a Scan of an empty batch");
    for (int64_t b = 0; b < batch; b++) {
        scan s = {0};
        int64_t length = op_has_in(ctx, 0) ? tensor_get_int(op_in(ctx, 0), b) : longest;
        clstm_status status = length < 0 || length > longest ? op_bad_input(ctx, "sequence_lens[%lld] is %lld", (long long)b, (long long)length) : CLSTM_OK;
        if (status == CLSTM_OK) status = scan_setup(ctx, &s);
        clstm_tensor *x = status == CLSTM_OK ? util_calloc((size_t)s.scans, sizeof *x) : NULL;
        if (status == CLSTM_OK && !x) status = util_no_memory(ctx->err);
        if (status == CLSTM_OK) status = scan8_row(ctx, &s, x, b, length, batch);
        if (status == CLSTM_OK) status = scan8_join(ctx, &s, b, batch, longest);
        free(x);
        scan_clear(ctx, &s);
        UTIL_TRY(status);
    }
    return CLSTM_OK;
}

const op_desc ops_control[] = {
    {"", "If", 1, 0, "cond:bool", "outputs+:any", NULL, "then_branch:g! else_branch:g!", .infer = infer_nothing, .run = run_if, .flags = OP_CONTROL | OP_ALLOCATES},
    {"", "Loop", 1, 0, "M?:int64 cond?:bool v_initial*:any", "v_final_and_scan_outputs*:any", NULL, "body:g!", .check = note_declared, .infer = infer_nothing, .run = run_loop, .flags = OP_CONTROL | OP_ALLOCATES},
    {"", "Scan", 8, 8, "sequence_lens?:int64 initial_state_and_scan_inputs+:any", "final_state_and_scan_outputs+:any", NULL,
     "body:g! num_scan_inputs:i! directions:I", .check = check_scan, .infer = infer_nothing, .run = run_scan8, .flags = OP_CONTROL | OP_ALLOCATES},
    {"", "Scan", 9, 0, "initial_state_and_scan_inputs+:any", "final_state_and_scan_outputs+:any", NULL,
     "body:g! num_scan_inputs:i! scan_input_axes:I scan_input_directions:I scan_output_axes:I scan_output_directions:I",
     .check = check_scan, .infer = infer_nothing, .run = run_scan9, .flags = OP_CONTROL | OP_ALLOCATES},
    OP_ARRAY_END,
};
