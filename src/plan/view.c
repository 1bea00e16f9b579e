/* plan/view: movements of elements as strides over the value that they start from. */
#include "plan/view.h"

#include "ir/op.h"
#include "tensor/tensor.h"

#include <string.h>

enum { DEEPEST = 32 };

bool plan_constant_ints(const ir_value *v, int64_t *out, int least, int most, int *count) {
    const void *data = v && v->constant ? ir_const_peek(v->constant) : NULL;
    if (!data || !type_is_integer(v->type.type)) return false;
    clstm_tensor t = v->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    int64_t n = clstm_tensor_count(&t);
    if (n < least || n > most) return false;
    for (int64_t i = 0; i < n; i++) out[i] = tensor_get_int(&t, i);
    *count = (int)n;
    return true;
}

static bool reshapes(const ir_node *n) { return ir_is(n, "Reshape") || ir_is(n, "Squeeze") || ir_is(n, "Unsqueeze") || ir_is(n, "Flatten") || ir_is(n, "Identity"); }

static bool moves(const ir_node *n) { return reshapes(n) || ir_is(n, "Transpose") || ir_is(n, "Split") || ir_is(n, "Slice") || ir_is(n, "Gather"); }

static bool shape_known(const ir_value *v) { return v && v->kind == CLSTM_KIND_TENSOR && tensor_shape_known(&v->type) && clstm_tensor_count(&v->type) > 0; }

/* The node in g that made v, of the standard's domain, with an input of known shape. */
static ir_node *maker(const ir_value *v, const ir_graph *g) {
    ir_node *n = v->constant ? NULL : v->producer;
    return n && n->mark != IR_DEAD && n->graph == g && !n->domain[0] && n->n_in && shape_known(n->inputs[0]) && shape_known(v) ? n : NULL;
}

ir_value *plan_whole(ir_value *v, const ir_graph *g) {
    while (v && v->producer && reshapes(v->producer) && maker(v, g)) v = v->producer->inputs[0];
    return v;
}

/* Without moving an element: each group of old axes that a group of new axes stands for must lie evenly. */
static bool reshape(plan_view *w, int rank, const int64_t *dims) {
    int64_t od[CLSTM_MAX_RANK], os[CLSTM_MAX_RANK], ns[CLSTM_MAX_RANK] = {0};
    int n = 0, o = 0;
    for (int d = 0; d < w->rank; d++)
        if (w->dims[d] != 1) { od[n] = w->dims[d]; os[n++] = w->strides[d]; }
    for (int k = 0; k < rank;) {
        if (dims[k] == 1) { k++; continue; }
        if (o == n) return false;
        int64_t before = od[o], now = dims[k];
        int o1 = o + 1, k1 = k + 1;
        while (before != now) {
            if (before < now) { if (o1 == n) return false; before *= od[o1++]; }
            else { if (k1 == rank) return false; now *= dims[k1++]; }
        }
        for (int d = o; d + 1 < o1; d++)
            if (os[d] != od[d + 1] * os[d + 1]) return false;
        int64_t stride = os[o1 - 1];
        for (int d = k1 - 1; d >= k; d--) { ns[d] = stride; stride *= dims[d]; }
        o = o1;
        k = k1;
    }
    if (o != n) return false;
    w->rank = rank;
    memcpy(w->dims, dims, (size_t)rank * sizeof *dims);
    memcpy(w->strides, ns, sizeof ns);
    return true;
}

static bool transpose(const ir_node *n, plan_view *w) {
    size_t count;
    const int64_t *perm = op_attr_ints(n, "perm", &count);
    plan_view old = *w;
    if (perm && (int)count != w->rank) return false;
    for (int d = 0; d < w->rank; d++) {
        int64_t from = perm ? perm[d] : w->rank - 1 - d;
        if (from < 0 || from >= w->rank) return false;
        w->dims[d] = old.dims[from];
        w->strides[d] = old.strides[from];
    }
    return true;
}

/* Axis `axis` becomes `length` elements from `start`, `step` apart. */
static bool cut(plan_view *w, int64_t axis, int64_t start, int64_t step, int64_t length) {
    int a;
    if (!tensor_axis(axis, w->rank, &a)) return false;
    if (start < 0 || start >= w->dims[a] || start + (length - 1) * step < 0 || start + (length - 1) * step >= w->dims[a]) return false;
    w->offset += start * w->strides[a];
    w->strides[a] *= step;
    w->dims[a] = length;
    return true;
}

static bool split(const ir_node *n, const ir_value *part, plan_view *w) {
    int64_t start = 0;
    int axis;
    if (!tensor_axis(op_attr_int(n, "axis"), w->rank, &axis)) return false;
    for (int i = 0; i < n->n_out && n->outputs[i] != part; i++) {
        if (!shape_known(n->outputs[i]) || n->outputs[i]->type.rank != w->rank) return false;
        start += n->outputs[i]->type.dims[axis];
    }
    return cut(w, axis, start, 1, part->type.dims[axis]);
}

/* starts, axes and steps of a Slice by constants: inputs since opset 10, attributes before */
static bool slice(const ir_node *n, const ir_value *out, plan_view *w) {
    int64_t starts[CLSTM_MAX_RANK], axes[CLSTM_MAX_RANK], steps[CLSTM_MAX_RANK];
    int count = 0, n_axes = 0, n_steps = 0;
    if (n->version < 10) {
        size_t k, m;
        const int64_t *s = op_attr_ints(n, "starts", &k), *a = op_attr_ints(n, "axes", &m);
        if (!s || k > CLSTM_MAX_RANK || (a && m != k)) return false;
        count = (int)k;
        for (int i = 0; i < count; i++) { starts[i] = s[i]; axes[i] = a ? a[i] : i; }
        n_axes = count;
    } else {
        if (n->n_in < 3 || !plan_constant_ints(n->inputs[1], starts, 1, w->rank, &count)) return false;
        if (n->n_in > 3 && n->inputs[3] && (!plan_constant_ints(n->inputs[3], axes, count, count, &n_axes))) return false;
        if (n->n_in > 4 && n->inputs[4] && (!plan_constant_ints(n->inputs[4], steps, count, count, &n_steps))) return false;
    }
    for (int i = 0; i < count; i++) {
        int a;
        if (!tensor_axis(n_axes ? axes[i] : i, w->rank, &a)) return false;
        int64_t whole = w->dims[a], step = n_steps ? steps[i] : 1, start = starts[i] < 0 ? starts[i] + whole : starts[i];
        if (start >= whole && step < 0) start = whole - 1;
        if (start < 0 && step > 0) start = 0;
        if (!cut(w, a, start, step, out->type.dims[a])) return false;
    }
    return true;
}

/* By one index, or by indices that lie evenly. */
static bool gather(const ir_node *n, plan_view *w) {
    const ir_value *index = n->inputs[1];
    const void *data = index && index->constant ? ir_const_peek(index->constant) : NULL;
    int axis;
    if (!data || index->type.rank > 1 || !tensor_axis(op_attr_int(n, "axis"), w->rank, &axis)) return false;
    clstm_tensor t = index->constant->tensor;
    t.data = (void *)(uintptr_t)data;
    int64_t whole = w->dims[axis], count = clstm_tensor_count(&t), first = 0, step = 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t at = tensor_get_int(&t, i) + (tensor_get_int(&t, i) < 0 ? whole : 0);
        if (i == 0) first = at;
        else if (i == 1) step = at - first;
        if (at != first + i * step) return false;
    }
    if (!cut(w, axis, first, step, count)) return false;
    if (index->type.rank == 1) return true;
    for (int d = axis; d + 1 < w->rank; d++) { w->dims[d] = w->dims[d + 1]; w->strides[d] = w->strides[d + 1]; }
    w->rank--;
    return true;
}

static bool move(const ir_node *n, const ir_value *out, plan_view *w) {
    if (reshapes(n)) return reshape(w, out->type.rank, out->type.dims);
    if (ir_is(n, "Transpose")) return transpose(n, w);
    if (ir_is(n, "Split")) return split(n, out, w);
    if (ir_is(n, "Slice")) return slice(n, out, w);
    return gather(n, w);
}

static void itself(ir_value *v, plan_view *out) {
    int64_t stride = 1;
    memset(out, 0, sizeof *out);
    out->of = v;
    out->rank = v->type.rank;
    for (int d = out->rank - 1; d >= 0; d--) {
        out->dims[d] = v->type.dims[d];
        out->strides[d] = stride;
        stride *= v->type.dims[d];
    }
}

void plan_view_of(ir_value *v, const ir_graph *g, plan_view *out, void (*passed)(void *arg, ir_node *n), void *arg) {
    ir_value *way[DEEPEST];
    int n = 0, from;
    ir_node *by;
    for (way[0] = v; n + 1 < DEEPEST && (by = maker(way[n], g)) && moves(by); n++) way[n + 1] = by->inputs[0];
    /* the longest way that is a view: a start whose movements all succeed */
    for (from = n;; from--) {
        int k = from;
        itself(way[from], out);
        while (k > 0 && move(way[k - 1]->producer, way[k - 1], out)) k--;
        if (k == 0) break;
    }
    for (int k = 0; k < from && passed; k++) passed(arg, way[k]->producer);
}
