/* plan/stream: whether a model can be fed piece by piece along one axis of an input: that axis is followed through the specialised
 * graph. What is pointwise in time passes it on, forward recurrent layers carry state across it, everything else that touches it
 * is refused by name. */
#include "plan/pairs.h"
#include "plan/plan_internal.h"

#include "rnn/spec.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

/* What a value has to do with time: nothing, the axis along which it runs, or "what stood at the end" (a last state). */
enum { FREE = -1, LAST = -2 };

/* Where a value comes from: only a carried state is at the end of one piece what it is at the beginning of the next. */
enum { KNOWN, CARRIED, OTHER };

typedef struct follower { plan *p; int *time; char *origin; int64_t steps; bool reached; clstm_error *err; } follower;

static int time_of(const follower *f, const ir_value *v) { return v ? f->time[v->id] : FREE; }

static char origin_of(const follower *f, const ir_node *n) {
    char from = KNOWN;
    for (int i = 0; i < n->n_in; i++)
        if (n->inputs[i] && f->origin[n->inputs[i]->id] > from) from = f->origin[n->inputs[i]->id];
    return from == CARRIED && !plan_moves(n) ? OTHER : from;
}

static clstm_status refuse(follower *f, const ir_node *n, const char *why) {
    char text[256];
    return util_fail(f->err, CLSTM_UNSUPPORTED, "not streamable: %s %s", ir_node_text(text, sizeof text, n), why);
}

/* All outputs run along axis t; a shape that says otherwise was misread, or has steps of its own. */
static clstm_status set_all(follower *f, const ir_node *n, int t) {
    for (int k = 0; k < n->n_out; k++) {
        const ir_value *v = n->outputs[k];
        if (!v) continue;
        if (t >= 0 && (t >= v->type.rank || v->type.dims[t] != f->steps)) return refuse(f, n, "changes the number of steps");
        f->time[v->id] = t;
    }
    return CLSTM_OK;
}

static bool one_of(const ir_node *n, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(n->op_type, *list)) return true;
    return false;
}

/* A known value that is the same at every place along `axis`. */
static bool constant_along(const ir_value *v, int axis, clstm_error *err) {
    const void *data;
    if (!v->constant || ir_const_data(v->constant, &data, err) != CLSTM_OK) return false;
    const clstm_tensor *t = &v->constant->tensor;
    int64_t outer = tensor_span(t, 0, axis);
    size_t chunk = (size_t)tensor_span(t, axis + 1, t->rank) * clstm_type_size(t->type);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 1; i < t->dims[axis]; i++)
            if (memcmp((const char *)data + (size_t)(o * t->dims[axis]) * chunk, (const char *)data + (size_t)(o * t->dims[axis] + i) * chunk, chunk)) return false;
    return true;
}

/* Whether an operand that has nothing to do with time is the same at every step, `axis` being the one that lies along time; below 0: none. */
static bool same_each_step(const follower *f, const ir_value *v, int axis) {
    return !v || axis < 0 || v->type.dims[axis] == 1 || constant_along(v, axis, f->err);
}

/* Elementwise with broadcasting: all that runs in time must run along one axis of the result, and nothing else may differ along it. */
static clstm_status follow_pointwise(follower *f, const ir_node *n) {
    const ir_value *out = n->outputs[0];
    int at = FREE;
    bool last = false;
    for (int i = 0; i < n->n_in; i++) {
        int t = time_of(f, n->inputs[i]);
        if (t == LAST) last = true;
        if (t < 0) continue;
        int here = t + out->type.rank - n->inputs[i]->type.rank;
        if (at >= 0 && here != at) return refuse(f, n, "meets time along two axes");
        at = here;
    }
    if (at >= 0 && last) return refuse(f, n, "combines a last state with a running value");
    for (int i = 0; i < n->n_in && at >= 0; i++) {
        const ir_value *v = n->inputs[i];
        if (!v || time_of(f, v) != FREE) continue;
        if (!same_each_step(f, v, at - (out->type.rank - v->type.rank))) return refuse(f, n, "has an input that differs from step to step");
    }
    return set_all(f, n, at >= 0 ? at : LAST);
}

static clstm_status follow_reshape(follower *f, const ir_node *n, int t) {
    const clstm_tensor *a = &n->inputs[0]->type, *b = &n->outputs[0]->type;
    int64_t before = tensor_span(a, 0, t);
    for (int d = 0; d < b->rank; d++)
        if (b->dims[d] == a->dims[t] && tensor_span(b, 0, d) == before) return set_all(f, n, d);
    return refuse(f, n, "mixes time with another dimension");
}

static int attr_axis(const ir_node *n, const char *name, int rank) {
    int axis = 0;
    return tensor_axis(op_attr_int(n, name), rank, &axis) ? axis : 0;
}

enum { MOST_INTS = 2 * CLSTM_MAX_RANK };

/* The integers of attribute `name`, or of constant input `i` where the version has them there. *known: they are absent or can be read. */
static clstm_status read_ints(follower *f, const ir_node *n, const char *name, int i, int64_t v[MOST_INTS], int *count, bool *known) {
    size_t total = 0;
    const int64_t *listed = ir_attr_find(n, name) ? op_attr_ints(n, name, &total) : NULL;
    const ir_value *in = i < n->n_in ? n->inputs[i] : NULL;
    *known = !in || in->constant;
    *count = 0;
    if (listed) {
        for (; (size_t)*count < total && *count < MOST_INTS; ++*count) v[*count] = listed[*count];
    } else if (in && in->constant) {
        const void *data;
        clstm_tensor t = in->constant->tensor;
        UTIL_TRY(ir_const_data(in->constant, &data, f->err));
        t.data = (void *)(uintptr_t)data;
        for (; *count < clstm_tensor_count(&t) && *count < MOST_INTS; ++*count) v[*count] = tensor_get_int(&t, *count);
    }
    return CLSTM_OK;
}

/* Which entry of the lists speaks of axis t; -1: none. */
static int entry_of(const int64_t *axes, int count, bool listed, int rank, int t) {
    if (!listed) return t < count ? t : -1;
    for (int i = 0; i < count; i++)
        if ((axes[i] < 0 ? axes[i] + rank : axes[i]) == t) return i;
    return -1;
}

/* Without a list of axes all are reduced, or none. */
static clstm_status follow_reduce(follower *f, const ir_node *n, int t) {
    const clstm_tensor *a = &n->inputs[0]->type, *b = &n->outputs[0]->type;
    int64_t axes[MOST_INTS];
    int count, gone = 0;
    bool known;
    if (a->rank == b->rank) return b->dims[t] == f->steps ? set_all(f, n, t) : refuse(f, n, "reduces over time");
    UTIL_TRY(read_ints(f, n, "axes", 1, axes, &count, &known));
    if (!strncmp(n->op_type, "Arg", 3)) axes[count++] = attr_axis(n, "axis", a->rank);
    if (!known || !count || entry_of(axes, count, true, a->rank, t) >= 0) return refuse(f, n, "reduces over time");
    for (int d = 0; d < t; d++) gone += entry_of(axes, count, true, a->rank, d) >= 0;
    return set_all(f, n, t - gone);
}

static clstm_status follow_gemm(follower *f, const ir_node *n, int ta, int tb) {
    const ir_value *c = n->n_in > 2 ? n->inputs[2] : NULL;
    int at = ta >= 0 ? 0 : 1;
    if (ta != (op_attr_int(n, "transA") ? 1 : 0) && tb != (op_attr_int(n, "transB") ? 0 : 1)) return refuse(f, n, "sums over time");
    if (time_of(f, c) != FREE || (c && !same_each_step(f, c, at - (2 - c->type.rank)))) return refuse(f, n, "has an input that differs from step to step");
    return set_all(f, n, at);
}

/* A vector stands for a matrix of one row, or one column, that the result has no more. */
static clstm_status follow_matmul(follower *f, const ir_node *n) {
    const ir_value *a = n->inputs[0], *b = n->inputs[1];
    int ta = time_of(f, a), tb = time_of(f, b), ra = a->type.rank, rb = b->type.rank;
    if (ta >= 0 && tb >= 0) return refuse(f, n, "multiplies two running values");
    if ((ta >= 0 && tb == LAST) || (tb >= 0 && ta == LAST)) return refuse(f, n, "combines a last state with a running value");
    if (ta == LAST || tb == LAST) return set_all(f, n, LAST);
    if (!strcmp(n->op_type, "Gemm")) return follow_gemm(f, n, ta, tb);
    const ir_value *other = ta >= 0 ? b : a;
    int from_end = ta >= 0 ? (ra == 1 ? 1 : ra - ta) : (rb == 1 ? 2 : rb - tb);    /* 1: columns, 2: rows, 3 and up: batches */
    if (from_end == (ta >= 0 ? 1 : 2)) return refuse(f, n, "sums over time");
    if (from_end > 2 && !same_each_step(f, other, other->type.rank - from_end)) return refuse(f, n, "has an input that differs from step to step");
    if (from_end == 1 && n->n_in > 2 && !same_each_step(f, n->inputs[2], 0)) return refuse(f, n, "has an input that differs from step to step"); /* plan/fuse: a row is added */
    int full = ra > rb ? ra : rb;
    return set_all(f, n, (full < 2 ? 2 : full) - from_end - (ra == 1 && from_end == 1));
}

static clstm_status follow_gather(follower *f, const ir_node *n) {
    const ir_value *data = n->inputs[0], *index = n->inputs[1];
    int td = time_of(f, data), ti = time_of(f, index), axis = attr_axis(n, "axis", data->type.rank);
    if (td != FREE && ti != FREE) return refuse(f, n, "picks running values by running indices");
    if (td == LAST || ti == LAST) return set_all(f, n, LAST);
    if (ti >= 0) return set_all(f, n, axis + ti);
    if (td == axis) return refuse(f, n, "picks single steps");
    return set_all(f, n, td < axis ? td : td + index->type.rank - 1);
}

/* Convolution and pooling along time would need frames of before; a window of one step does not. */
static clstm_status follow_window(follower *f, const ir_node *n, int t) {
    if (n->n_out > 1 && n->outputs[1]) return refuse(f, n, "has places in the whole input as output");
    if (t == 0) return set_all(f, n, 0);
    const ir_attr *kernel = ir_attr_find(n, "kernel_shape"), *stride = ir_attr_find(n, "strides"), *pads = ir_attr_find(n, "pads");
    int nd = n->inputs[0]->type.rank - 2, d = t - 2;
    bool one = t >= 2 && d < nd;
    if (one && !strncmp(n->op_type, "Conv", 4)) one = n->inputs[1]->type.dims[t] == 1;
    else if (one) one = kernel && (size_t)d < kernel->count && kernel->v.ints[d] == 1;
    if (one && stride) one = stride->v.ints[d] == 1;
    if (one && pads) one = !pads->v.ints[d] && !pads->v.ints[d + nd];
    if (one && n->outputs[0]->type.dims[t] != n->inputs[0]->type.dims[t]) one = false;
    return one ? set_all(f, n, t) : refuse(f, n, !strncmp(n->op_type, "Conv", 4) ? "is a convolution along time" : "pools along time");
}

/* As many results as the input has steps, of values that stand for its end. */
static bool makes_steps(const follower *f, const ir_node *n) {
    bool in = false, out = false;
    for (int i = 0; i < n->n_in; i++)
        for (int d = 0; time_of(f, n->inputs[i]) == LAST && d < n->inputs[i]->type.rank; d++) in |= n->inputs[i]->type.dims[d] == f->steps;
    for (int k = 0; k < n->n_out; k++)
        for (int d = 0; n->outputs[k] && d < n->outputs[k]->type.rank; d++) out |= n->outputs[k]->type.dims[d] == f->steps;
    return out && !in;
}

/* Only a slice that takes the whole axis, whatever its length, leaves time alone. */
static clstm_status follow_slice(follower *f, const ir_node *n, int t) {
    int64_t starts[MOST_INTS], ends[MOST_INTS], axes[MOST_INTS], steps[MOST_INTS];
    int n_starts, n_ends, n_axes, n_steps;
    bool known[4];
    UTIL_TRY(read_ints(f, n, "starts", 1, starts, &n_starts, &known[0]));
    UTIL_TRY(read_ints(f, n, "ends", 2, ends, &n_ends, &known[1]));
    UTIL_TRY(read_ints(f, n, "axes", 3, axes, &n_axes, &known[2]));
    UTIL_TRY(read_ints(f, n, "steps", 4, steps, &n_steps, &known[3]));
    int i = entry_of(axes, n_axes ? n_axes : n_starts, n_axes > 0, n->inputs[0]->type.rank, t);
    bool whole = known[0] && known[1] && known[2] && known[3];
    if (whole && i >= 0) whole = i < n_starts && i < n_ends && starts[i] == 0 && (ends[i] == f->steps || ends[i] >= INT32_MAX) && (i >= n_steps || steps[i] == 1);
    return whole ? set_all(f, n, t) : refuse(f, n, "cuts time");
}

static clstm_status follow_pad(follower *f, const ir_node *n, int t) {
    int64_t pads[MOST_INTS], axes[MOST_INTS];
    int n_pads, n_axes, rank = n->inputs[0]->type.rank;
    bool known[2];
    UTIL_TRY(read_ints(f, n, ir_attr_find(n, "paddings") ? "paddings" : "pads", 1, pads, &n_pads, &known[0]));
    UTIL_TRY(read_ints(f, n, "axes", 3, axes, &n_axes, &known[1]));
    int i = entry_of(axes, n_axes ? n_axes : rank, n_axes > 0, rank, t), half = n_axes ? n_axes : rank;
    bool none = known[0] && known[1] && (i < 0 || (i + half < n_pads && !pads[i] && !pads[i + half]));
    return none ? set_all(f, n, t) : refuse(f, n, "extends or shifts time");
}

static clstm_status follow_recurrent(follower *f, const ir_node *n) {
    const rnn_spec *spec = rnn_spec_of(n);
    int t = time_of(f, n->inputs[RNN_X]), sequence = spec->batch_first ? 1 : 0;
    bool carried = false, fresh = false;
    for (int i = 1; i < n->n_in; i++)
        if (time_of(f, n->inputs[i]) >= 0) return refuse(f, n, "has a running value as weight, length or initial state");
    for (int i = RNN_H0; i <= (spec->kind == RNN_LSTM ? RNN_C0 : RNN_H0); i++) {
        bool from_state = i < n->n_in && n->inputs[i] && f->origin[n->inputs[i]->id] == CARRIED;
        carried |= from_state;
        fresh |= !from_state;
    }
    if (t != sequence && carried) return refuse(f, n, "carries a state along another axis");
    if (t < 0) return makes_steps(f, n) ? refuse(f, n, "makes steps of a last state") : set_all(f, n, LAST);
    if (t == 2) return refuse(f, n, "takes time as features");
    if (t != sequence) {        /* time is its batch: every step on its own */
        for (int i = RNN_LENS; i < n->n_in && i <= RNN_C0; i++)
            if (!same_each_step(f, n->inputs[i], i == RNN_LENS || spec->batch_first ? 0 : 1)) return refuse(f, n, "has an input that differs from step to step");
        if (n->outputs[RNN_Y]) f->time[n->outputs[RNN_Y]->id] = spec->batch_first ? 0 : 2;
        for (int k = 1; k < n->n_out; k++)
            if (n->outputs[k]) f->time[n->outputs[k]->id] = spec->batch_first ? 0 : 1;
        return CLSTM_OK;
    }
    if (spec->directions == 2) return refuse(f, n, "is bidirectional");
    if (spec->reverse) return refuse(f, n, "runs backwards");
    if (n->n_in > RNN_LENS && n->inputs[RNN_LENS]) return refuse(f, n, "has sequence_lens");
    if (fresh) return refuse(f, n, "begins with a state that is not carried");
    f->reached = true;
    if (n->outputs[RNN_Y]) f->time[n->outputs[RNN_Y]->id] = sequence;
    for (int k = 1; k < n->n_out; k++)
        if (n->outputs[k]) f->time[n->outputs[k]->id] = LAST;
    return CLSTM_OK;
}

static clstm_status follow_node(follower *f, const ir_node *n) {
    static const char *const pointwise[] = {
        "Abs", "Neg", "Sign", "Ceil", "Floor", "Round", "Sqrt", "Reciprocal", "Exp", "Log", "Erf", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh",
        "Tanh", "Asinh", "Acosh", "Atanh", "Sigmoid", "Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSigmoid", "HardSwish", "Swish", "Mish",
        "Softplus", "Softsign", "ThresholdedRelu", "Shrink", "Clip", "Not", "IsNaN", "IsInf", "BitwiseNot", "Identity", "Cast", "CastLike", "Add", "Sub", "Mul",
        "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "And", "Or", "Xor", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "BitShift", "BitwiseAnd",
        "BitwiseOr", "BitwiseXor", "Where", "Dropout", NULL};
    static const char *const reshapes[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", NULL};
    static const char *const windows[] = {"Conv", "MaxPool", "AveragePool", "LpPool", NULL};
    int first = FREE;
    bool any = false, running = false, state = false;
    for (int i = 0; i < n->n_in; i++) {
        int t = time_of(f, n->inputs[i]);
        any |= t != FREE;
        running |= t >= 0;
        state |= n->inputs[i] && f->origin[n->inputs[i]->id] == CARRIED;
        if (i == 0) first = t;
    }
    bool recurrent = plan_is_cell(n);
    if (!any && !(recurrent && state)) return CLSTM_OK;
    if (running && state && !recurrent) return refuse(f, n, "joins a carried state to running values");
    if (n->op->flags & OP_POINTWISE && running) return follow_pointwise(f, n);
    if (n->domain[0] || n->op->flags & OP_REGISTERED) return refuse(f, n, "is not known to be pointwise in time");
    if (recurrent && n->index == IR_RECOVERED) return refuse(f, n, "stands for single steps of the model, whose state is not carried");
    if (recurrent) return follow_recurrent(f, n);
    if (!running) return makes_steps(f, n) ? refuse(f, n, "makes steps of a last state") : set_all(f, n, LAST);
    for (int i = 0; i < n->n_in + n->n_out; i++) {
        const ir_value *v = i < n->n_in ? n->inputs[i] : n->outputs[i - n->n_in];
        if (v && (v->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&v->type))) return refuse(f, n, "has shapes that only the run knows");
    }
    if (one_of(n, pointwise)) return follow_pointwise(f, n);
    if (!strcmp(n->op_type, "MatMul") || !strcmp(n->op_type, "Gemm")) return follow_matmul(f, n);
    if (!strcmp(n->op_type, "Gather")) return follow_gather(f, n);
    if (!strcmp(n->op_type, "Concat")) {
        for (int i = 0; i < n->n_in; i++)
            if (time_of(f, n->inputs[i]) == attr_axis(n, "axis", n->outputs[0]->type.rank)) return refuse(f, n, "joins values along time");
        return follow_pointwise(f, n);
    }
    for (int i = 1; i < n->n_in; i++)
        if (time_of(f, n->inputs[i]) != FREE) return refuse(f, n, "has a running value where a fixed one is needed");
    if (one_of(n, reshapes)) return follow_reshape(f, n, first);
    if (!strncmp(n->op_type, "Reduce", 6) || !strncmp(n->op_type, "Arg", 3)) return follow_reduce(f, n, first);
    if (one_of(n, windows)) return follow_window(f, n, first);
    int rank = n->inputs[0]->type.rank;
    for (int d = 0; d < rank && !strcmp(n->op_type, "Transpose"); d++)
        if (op_permuted(n, rank, d) == first) return set_all(f, n, d);
    if (!strcmp(n->op_type, "Softmax") || !strcmp(n->op_type, "LogSoftmax")) {
        int axis = attr_axis(n, "axis", rank);
        bool clear = n->version < 13 ? first < axis : first != axis;
        return clear ? set_all(f, n, first) : refuse(f, n, "normalises over time");
    }
    if (!strcmp(n->op_type, "LayerNormalization") || !strcmp(n->op_type, "RMSNormalization"))
        return first < attr_axis(n, "axis", rank) ? set_all(f, n, first) : refuse(f, n, "normalises over time");
    if (!strcmp(n->op_type, "BatchNormalization")) return first != 1 ? set_all(f, n, first) : refuse(f, n, "takes time as channels");
    if (!strcmp(n->op_type, "Split")) return attr_axis(n, "axis", rank) != first ? set_all(f, n, first) : refuse(f, n, "splits time");
    if (!strcmp(n->op_type, "Slice")) return follow_slice(f, n, first);
    if (!strcmp(n->op_type, "Pad")) return follow_pad(f, n, first);
    if (!strcmp(n->op_type, "Expand") || !strcmp(n->op_type, "Tile")) return set_all(f, n, first + n->outputs[0]->type.rank - rank);
    return refuse(f, n, "is not known to be pointwise in time");
}

static clstm_status follow_graph(follower *f) {
    const ir_graph *g = f->p->graph;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        char from = origin_of(f, n);
        if (n->n_bodies) return refuse(f, n, "has a body");
        UTIL_TRY(follow_node(f, n));
        for (int k = 0; k < n->n_out; k++)
            if (n->outputs[k]) f->origin[n->outputs[k]->id] = from;
    }
    return CLSTM_OK;
}

static bool same_constant(const ir_value *a, const ir_value *b, clstm_error *err) {
    const void *x, *y;
    const clstm_tensor *s = &a->type, *t = &b->type;
    if (a->constant == b->constant) return true;
    if (!a->constant || !b->constant || s->rank != t->rank || s->type != t->type) return false;
    size_t bytes, other;
    if (!tensor_bytes(s, &bytes) || !tensor_bytes(t, &other) || ir_const_data(a->constant, &x, err) != CLSTM_OK || ir_const_data(b->constant, &y, err) != CLSTM_OK) return false;
    return !memcmp(x, y, bytes < other ? bytes : other);    /* one value a step, of more steps or fewer: follow_* saw that they are alike */
}

/* Inputs that say where, not what: the following of the nodes knows what to make of them. */
static bool is_shape(const ir_node *n, int i) {
    static const char *const list[] = {"Reshape", "Expand", "Slice", "Pad", "Tile", "Squeeze", "Unsqueeze", "Split", NULL};
    return i > 0 && (one_of(n, list) || !strncmp(n->op_type, "Reduce", 6));
}

static bool same_node(const ir_node *a, const ir_node *b, clstm_error *err) {
    if (!a || !b) return a == b;
    bool alike = !strcmp(a->op_type, b->op_type) && a->n_in == b->n_in;
    for (int k = 0; alike && k < a->n_in; k++)
        alike = !a->inputs[k] == !b->inputs[k] && (!a->inputs[k] || is_shape(a, k) || same_constant(a->inputs[k], b->inputs[k], err));
    return alike && same_node(a->epilogue, b->epilogue, err);
}

clstm_status plan_stream_alike(const plan *p, const plan *longer, clstm_error *err) {
    const ir_graph *g = p->graph, *h = longer->graph;
    follower f = {.err = err};
    for (size_t i = 0; i < g->n_nodes; i++)
        if (!same_node(g->nodes[i], i < h->n_nodes ? h->nodes[i] : NULL, err)) return refuse(&f, g->nodes[i], "depends on the number of steps in a call");
    return g->n_nodes == h->n_nodes ? CLSTM_OK : util_fail(err, CLSTM_UNSUPPORTED, "not streamable: its nodes depend on the number of steps in a call");
}

clstm_status plan_stream(plan *p, size_t input, int axis, const bool *carried, int *output_axes, bool *reached, clstm_error *err) {
    const ir_graph *g = p->graph;
    size_t layers = plan_carried(p), n_in = g->n_in - layers, n_out = g->n_out - layers;
    follower f = {.p = p, .err = err, .steps = g->inputs[input]->type.dims[axis]};
    f.time = util_calloc(g->n_values, sizeof *f.time);
    f.origin = util_calloc(g->n_values, sizeof *f.origin);
    clstm_status s = f.time && f.origin ? CLSTM_OK : util_no_memory(err);
    if (s == CLSTM_OK) {
        for (size_t i = 0; i < g->n_values; i++) f.time[i] = FREE;
        for (size_t i = 0; i < g->n_in; i++)
            if (!g->inputs[i]->constant) f.origin[g->inputs[i]->id] = i >= n_in || carried[i] ? CARRIED : OTHER;
        f.time[g->inputs[input]->id] = axis;
        s = follow_graph(&f);
    }
    for (size_t i = 0; i < n_out && s == CLSTM_OK; i++) output_axes[i] = f.time[g->outputs[i]->id] >= 0 ? f.time[g->outputs[i]->id] : -1;
    *reached = f.reached;
    free(f.time);
    free(f.origin);
    return s;
}
