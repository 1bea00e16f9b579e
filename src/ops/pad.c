/* ops/pad: Pad in every mode; negative pads cut. Each axis has a map from output to input positions, -1 for the constant; rows of the
 * last axis are copied by their contiguous middle. */
#include "ops/families.h"
#include "ops/common.h"

#include <string.h>

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

static pad_mode mode_of(const ir_node *n) {
    switch (op_word(n, "mode", "constant")[0]) {
    case 'r': return PAD_REFLECT;
    case 'e': return PAD_EDGE;
    case 'w': return PAD_WRAP;
    default: return PAD_CONSTANT;
    }
}
static clstm_status check(ir_node *n, clstm_error *err) {
    return op_check_word(n, "mode", n->op->since >= 19 ? "constant reflect edge wrap" : "constant reflect edge", err);
}

/* Pads before and after each dimension. */
static clstm_status read_pads(op_ctx *c, int64_t *before, int64_t *after) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t pads[2 * CLSTM_MAX_RANK], axes[CLSTM_MAX_RANK];
    int n, n_axes = -1;
    uint32_t mask;
    UTIL_TRY(op_list(c, op_attr_given(c->node, "paddings") ? "paddings" : "pads", 1, pads, 2 * CLSTM_MAX_RANK, &n));
    if (op_has_in(c, 3)) UTIL_TRY(op_input_ints(c, 3, axes, CLSTM_MAX_RANK, &n_axes));
    for (int d = 0; n_axes < 0 && d < x->rank; d++) axes[d] = d;
    if (n_axes < 0) n_axes = x->rank;
    if (n != 2 * n_axes) return op_bad_model(c, "%d pads for %d axes", n, n_axes);
    UTIL_TRY(op_axes_mask(c, axes, n_axes, x->rank, &mask));
    for (int d = 0; d < x->rank; d++) before[d] = after[d] = 0;
    for (int k = 0; k < n_axes; k++) {
        int d = (int)(axes[k] < 0 ? axes[k] + x->rank : axes[k]);
        before[d] = pads[k];
        after[d] = pads[k + n_axes];
    }
    return CLSTM_OK;
}

static clstm_status infer(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t before[CLSTM_MAX_RANK], after[CLSTM_MAX_RANK], dims[CLSTM_MAX_RANK];
    UTIL_TRY(read_pads(c, before, after));
    for (int d = 0; d < x->rank; d++) {
        int64_t left = -1;
        if (before[d] >= -x->dims[d] && after[d] >= -x->dims[d]) left = x->dims[d] + (before[d] < 0 ? before[d] : 0) + (after[d] < 0 ? after[d] : 0);
        if (left < 0) return op_bad_model(c, "the pads cut more than axis %d has", d);
        if (__builtin_add_overflow(x->dims[d], before[d], &dims[d]) || __builtin_add_overflow(dims[d], after[d], &dims[d]))
            return op_bad_model(c, "the pads are too large");
        if (left == 0 && dims[d] > 0 && mode_of(c->node) != PAD_CONSTANT) return op_bad_model(c, "axis %d has no elements to repeat", d);
    }
    return op_set_out(c, 0, x->type, x->rank, dims);
}

/* The input position of output position i: what is cut away is no part of what repeats. */
static int64_t source(pad_mode mode, int64_t i, int64_t n, int64_t before, int64_t after) {
    int64_t low = before < 0 ? -before : 0, high = n + (after < 0 ? after : 0), m = high - low, k = i - before - low;
    if (k >= 0 && k < m) return low + k;
    if (mode == PAD_CONSTANT) return -1;
    if (mode == PAD_EDGE) return k < 0 ? low : high - 1;
    int64_t period = mode == PAD_WRAP ? m : m > 1 ? 2 * (m - 1) : 1;
    k %= period;
    if (k < 0) k += period;
    return low + (k < m ? k : period - k);
}

typedef struct pad { int rank; int64_t *map[CLSTM_MAX_RANK], step[CLSTM_MAX_RANK], first, last; size_t size; unsigned char zero[16]; } pad;

static void store_value(clstm_type type, float v, void *to) {
    switch (type) {
    case CLSTM_DOUBLE: *(double *)to = (double)v; break;
    case CLSTM_FLOAT: *(float *)to = v; break;
    case CLSTM_FLOAT16: *(uint16_t *)to = tensor_float_to_half(v); break;
    default: *(uint16_t *)to = tensor_float_to_bfloat(v); break;
    }
}

static clstm_status prepare(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *y = op_out(c, 0);
    int64_t before[CLSTM_MAX_RANK], after[CLSTM_MAX_RANK], total = 0, step = 1;
    pad_mode mode = mode_of(c->node);
    UTIL_TRY(read_pads(c, before, after));
    for (int d = 0; d < y->rank; d++) total += y->dims[d];
    pad *p = op_prepared_alloc(c, sizeof *p + (size_t)total * sizeof(int64_t));
    if (!p) return util_no_memory(c->err);
    p->rank = y->rank;
    p->size = clstm_type_size(x->type);
    int64_t *map = (int64_t *)(void *)(p + 1);
    for (int d = y->rank - 1; d >= 0; d--) {
        p->map[d] = map;
        p->step[d] = step;
        step *= x->dims[d];
        for (int64_t i = 0; i < y->dims[d]; i++) *map++ = source(mode, i, x->dims[d], before[d], after[d]);
    }
    if (y->rank) {      /* [first, last) of a row lies in the input as it stands */
        int d = y->rank - 1;
        p->first = before[d] > 0 ? before[d] : 0;
        p->last = y->dims[d] - (after[d] > 0 ? after[d] : 0);
        if (p->last < p->first) p->last = p->first;
    }
    if (op_attr_given(c->node, "value")) store_value(x->type, op_attr_float(c->node, "value"), p->zero);
    return CLSTM_OK;
}

static void fill(unsigned char *y, const void *one, int64_t n, size_t size) {
    for (int64_t i = 0; i < n; i++) memcpy(y + (size_t)i * size, one, size);
}

static clstm_status run(op_ctx *c) {
    const pad *p = c->prepared;
    const clstm_tensor *out = op_out(c, 0);
    const void *value = op_has_in(c, 2) ? op_in(c, 2)->data : p->zero;
    const unsigned char *x = op_in(c, 0)->data;
    unsigned char *y = out->data;
    int64_t index[CLSTM_MAX_RANK] = {0};
    if (op_has_in(c, 2) && clstm_tensor_count(op_in(c, 2)) != 1) return op_bad_model(c, "constant_value must have one element");
    if (clstm_tensor_count(out) == 0) return CLSTM_OK;
    if (!p->rank) { memcpy(y, x, p->size); return CLSTM_OK; }
    const int last = p->rank - 1;
    const int64_t n = out->dims[last], *map = p->map[last];
    for (;;) {
        int64_t base = 0;
        bool outside = false;
        for (int d = 0; d < last; d++) {
            int64_t at = p->map[d][index[d]];
            outside |= at < 0;
            base += at * p->step[d];
        }
        if (outside) {
            fill(y, value, n, p->size);
        } else {
            for (int64_t i = 0; i < n; i = i + 1 == p->first && p->last > p->first ? p->last : i + 1) {
                if (i == 0 && p->first == 0 && p->last > 0) { i = p->last - 1; continue; }
                memcpy(y + (size_t)i * p->size, map[i] < 0 ? value : x + (size_t)(base + map[i]) * p->size, p->size);
            }
            if (p->last > p->first) memcpy(y + (size_t)p->first * p->size, x + (size_t)(base + map[p->first]) * p->size, (size_t)(p->last - p->first) * p->size);
        }
        y += (size_t)n * p->size;
        int d = last - 1;
        while (d >= 0 && ++index[d] == out->dims[d]) index[d--] = 0;
        if (d < 0) return CLSTM_OK;
    }
}

#define ROW(first, last, in, set, attributes) \
    {.domain = "", .name = "Pad", .since = first, .until = last, .inputs = in, .outputs = "output:T", .types = set " Tind=int32,int64", \
     .attrs = attributes, .check = check, .infer = infer, .prepare = prepare, .run = run}
#define ANY "T=all,complex64,complex128"
const op_desc ops_pad[] = {
    ROW(1, 1, "data:T", "T=float*", "mode:s=constant paddings:I! value:f=0"), ROW(2, 10, "data:T", "T=float*", "mode:s=constant pads:I! value:f=0"),
    ROW(11, 17, "data:T pads:int64 constant_value?:T", ANY, "mode:s=constant"),
    ROW(18, 18, "data:T pads:int64 constant_value?:T axes?:Tind", ANY, "mode:s=constant"),
    ROW(19, 0, "data:T pads:int64 constant_value?:T axes?:Tind", ANY, "mode:s=constant"),
    OP_ARRAY_END};
