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
        int d = at - (out->type.rank - v->type.rank);
        if (d >= 0 && v->type.dims[d] != 1 && !constant_along(v, d, f->err)) return refuse(f, n, "has an input that differs from step to step");
    }
    for (int k = 0; k < n->n_out; k++)
        if (n->outputs[k]) f->time[n->outputs[k]->id] = at >= 0 ? at : LAST;
    return CLSTM_OK;
}

static clstm_status set_all(follower *f, const ir_node *n, int t) {
    for (int k = 0; k < n->n_out; k++)
        if (n->outputs[k]) f->time[n->outputs[k]->id] = t;
    return CLSTM_OK;
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

/* Reductions: the axes may come as attribute or input; what is left of the dims tells. */
static clstm_status follow_reduce(follower *f, const ir_node *n, int t) {
    const clstm_tensor *a = &n->inputs[0]->type, *b = &n->outputs[0]->type;
    if (a->rank == b->rank) return b->dims[t] == a->dims[t] ? set_all(f, n, t) : refuse(f, n, "reduces over time");
    int64_t mask = 0;
    size_t count = 0;
    const ir_attr *attr = ir_attr_find(n, "axes");
    if (attr) { count = attr->count; for (size_t i = 0; i < count; i++) mask |= (int64_t)1 << (attr->v.ints[i] < 0 ? attr->v.ints[i] + a->rank : attr->v.ints[i]); }
    else if (ir_attr_find(n, "axis")) mask = (int64_t)1 << attr_axis(n, "axis", a->rank);
    else if (n->n_in > 1 && n->inputs[1] && n->inputs[1]->constant) {
        const void *data;
        clstm_tensor k = n->inputs[1]->constant->tensor;
        UTIL_TRY(ir_const_data(n->inputs[1]->constant, &data, f->err));
        k.data = (void *)(uintptr_t)data;
        for (int64_t i = 0; i < clstm_tensor_count(&k); i++) mask |= (int64_t)1 << (tensor_get_int(&k, i) < 0 ? tensor_get_int(&k, i) + a->rank : tensor_get_int(&k, i));
    } else return refuse(f, n, "reduces over time");
    if (mask >> t & 1) return refuse(f, n, "reduces over time");
    int gone = 0;
    for (int d = 0; d < t; d++) gone += (int)(mask >> d & 1);
    return set_all(f, n, t - gone);
}

static clstm_status follow_matmul(follower *f, const ir_node *n) {
    const ir_value *a = n->inputs[0], *b = n->inputs[1], *y = n->outputs[0];
    int ta = time_of(f, a), tb = time_of(f, b);
    if (ta >= 0 && tb >= 0) return refuse(f, n, "multiplies two running values");
    if ((ta >= 0 && tb == LAST) || (tb >= 0 && ta == LAST)) return refuse(f, n, "combines a last state with a running value");
    if (ta == LAST || tb == LAST) return set_all(f, n, LAST);
    if (!strcmp(n->op_type, "Gemm")) {
        bool ok = ta == (op_attr_int(n, "transA") ? 1 : 0) || tb == (op_attr_int(n, "transB") ? 0 : 1);
        if (ok && n->n_in > 2 && n->inputs[2] && time_of(f, n->inputs[2]) != FREE) ok = false;
        return ok ? set_all(f, n, ta >= 0 ? 0 : 1) : refuse(f, n, "sums over time");
    }
    if (ta >= 0) return ta == a->type.rank - 1 ? refuse(f, n, "sums over time") : set_all(f, n, ta + y->type.rank - a->type.rank);
    return tb == b->type.rank - 2 || b->type.rank == 1 ? refuse(f, n, "sums over time") : set_all(f, n, tb + y->type.rank - b->type.rank);
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
        if (attr_axis(n, "axis", n->outputs[0]->type.rank) == (first >= 0 ? first : 0) && first >= 0) return refuse(f, n, "joins values along time");
        return follow_pointwise(f, n);
    }
    for (int i = 1; i < n->n_in; i++)
        if (time_of(f, n->inputs[i]) != FREE) return refuse(f, n, "has a running value where a fixed one is needed");
    if (one_of(n, reshapes)) return follow_reshape(f, n, first);
    if (!strncmp(n->op_type, "Reduce", 6) || !strncmp(n->op_type, "Arg", 3)) return follow_reduce(f, n, first);
    if (one_of(n, windows)) return follow_window(f, n, first);
    int rank = n->inputs[0]->type.rank;
    if (!strcmp(n->op_type, "Transpose")) {
        size_t count;
        const int64_t *perm = op_attr_ints(n, "perm", &count);
        for (int d = 0; d < rank; d++)
            if ((perm ? perm[d] : rank - 1 - d) == first) return set_all(f, n, d);
    }
    if (!strcmp(n->op_type, "Softmax") || !strcmp(n->op_type, "LogSoftmax")) {
        int axis = attr_axis(n, "axis", rank);
        bool clear = n->version < 13 ? first < axis : first != axis;
        return clear ? set_all(f, n, first) : refuse(f, n, "normalises over time");
    }
    if (!strcmp(n->op_type, "LayerNormalization") || !strcmp(n->op_type, "RMSNormalization"))
        return first < attr_axis(n, "axis", rank) ? set_all(f, n, first) : refuse(f, n, "normalises over time");
    if (!strcmp(n->op_type, "BatchNormalization")) return first != 1 ? set_all(f, n, first) : refuse(f, n, "takes time as channels");
    if (!strcmp(n->op_type, "Split")) return attr_axis(n, "axis", rank) != first ? set_all(f, n, first) : refuse(f, n, "splits time");
    if (!strcmp(n->op_type, "Slice") || !strcmp(n->op_type, "Pad") || !strcmp(n->op_type, "Expand") || !strcmp(n->op_type, "Tile")) {
        /* the sizes tell, and a slice that keeps the size but turns it round has steps of -1 */
        int at = first + n->outputs[0]->type.rank - rank;
        bool kept = n->outputs[0]->type.dims[at] == f->steps, turned = !strcmp(n->op_type, "Slice") && n->n_in > 4 && n->inputs[4];
        for (int64_t i = 0; kept && turned && n->inputs[4]->constant && i < clstm_tensor_count(&n->inputs[4]->constant->tensor); i++) {
            const void *data;
            clstm_tensor steps = n->inputs[4]->constant->tensor;
            UTIL_TRY(ir_const_data(n->inputs[4]->constant, &data, f->err));
            steps.data = (void *)(uintptr_t)data;
            kept = tensor_get_int(&steps, i) > 0;
        }
        return kept ? set_all(f, n, at) : refuse(f, n, "cuts or extends time");
    }
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
