/* ops/conv_phases: ordering, packing and unpacking the weights of ConvTranspose. */
#include "ops/conv_phases.h"
#include "ops/conv_pack.h"

#include <string.h>

static int64_t volume(const int64_t n[3]) { return n[0] * n[1] * n[2]; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t gcd(int64_t a, int64_t b) {
    while (b) { int64_t rest = a % b; a = b; b = rest; }
    return a;
}

conv_phases conv_phases_of(const clstm_tensor *w, clstm_type type, const op_window *window, int64_t groups, bool panels) {
    conv_phases f = {.type = type, .groups = groups, .channels = w->dims[0] / groups, .outputs = w->dims[1]};
    int64_t positions = 1;      /* of the first phase: no other has more */
    for (int d = 0; d < 3; d++) {
        f.kernel[d] = window->kernel[d];
        f.period[d] = least(window->stride[d] / gcd(window->stride[d], window->dilation[d]), window->kernel[d]);
        int64_t n = window->out[d] / window->stride[d] + (window->out[d] % window->stride[d] != 0);
        positions = least(positions * least(n, INT32_MAX), INT32_MAX);
    }
    f.rows = panels && groups == 1 && convolve_suits_rows(type, f.outputs, positions);
    return f;
}

/* ---- the order ---------------------------------------------------------------------------------------------------------------------- */

/* How many positions of dimension d are in class q, and how many in the classes before it. */
static int64_t in_class(const conv_phases *f, int d, int64_t q) { return (f->kernel[d] - q + f->period[d] - 1) / f->period[d]; }
static int64_t before_class(const conv_phases *f, int d, int64_t q) { return q * (f->kernel[d] / f->period[d]) + least(q, f->kernel[d] % f->period[d]); }

static kernel_layout layout_of(const conv_phases *f, int64_t taps) {
    if (f->rows) return conv_pack_layout(f->type, f->channels * taps, f->outputs);
    return (kernel_layout){.units = 1, .width = 1, .last_width = 1, .padded = f->outputs};   /* as they are: a panel for each output */
}

size_t conv_phases_at(const conv_phases *f, int64_t position) {
    const int64_t *k = f->kernel, q[3] = {position / k[2] / k[1] % f->period[0], position / k[2] % k[1] % f->period[1], position % k[2] % f->period[2]};
    int64_t taps = before_class(f, 0, q[0]) * k[1] * k[2] + in_class(f, 0, q[0]) * (before_class(f, 1, q[1]) * k[2] + in_class(f, 1, q[1]) * before_class(f, 2, q[2]));
    return (size_t)(f->groups * f->channels * layout_of(f, 1).padded * taps) * clstm_type_size(f->type);
}

typedef struct copying { const conv_phases *f; const int64_t *q; size_t size; bool back; } copying;
typedef struct places { unsigned char *at; size_t stride; } places;     /* of elements; bytes */

static void copy_run(places to, places from, int64_t n, size_t size) {
    if (size == sizeof(float)) for (int64_t i = 0; i < n; i++, to.at += to.stride, from.at += from.stride) memcpy(to.at, from.at, sizeof(float));
    else for (int64_t i = 0; i < n; i++, to.at += to.stride, from.at += from.stride) memcpy(to.at, from.at, sizeof(double));
}

/* All taps of n outputs or channels; taps lie `step` bytes apart where they are ordered, and in W as they lie in the kernel. */
static void copy_taps(const copying *c, places ordered, size_t step, places w, int64_t n) {
    const int64_t *k = c->f->kernel, *period = c->f->period, *q = c->q;
    for (int64_t i = q[0]; i < k[0]; i += period[0])
        for (int64_t j = q[1]; j < k[1]; j += period[1])
            for (int64_t l = q[2]; l < k[2]; l += period[2], ordered.at += step) {
                const places raw = {w.at + (size_t)((i * k[1] + j) * k[2] + l) * c->size, w.stride};
                copy_run(c->back ? raw : ordered, c->back ? ordered : raw, n, c->size);
            }
}

/* One class of one group, from w on: panel by panel or output by output, so that what is written stays near. Gives where the next begins. */
static unsigned char *copy_group(const copying *c, int64_t taps, unsigned char *ordered, unsigned char *w) {
    const conv_phases *f = c->f;
    const kernel_layout l = layout_of(f, taps);
    const size_t whole = (size_t)volume(f->kernel) * c->size, channel = (size_t)f->outputs * whole;
    for (int64_t o = 0; o < f->outputs; o += l.units) {
        int64_t live = least(f->outputs - o, l.units), width = live < f->outputs - o ? l.width : l.last_width;
        const size_t step = (size_t)width * c->size, deep = (size_t)taps * step;
        unsigned char *from = w + (size_t)o * whole;
        if (f->rows) for (int64_t ch = 0; ch < f->channels; ch++) copy_taps(c, (places){ordered + (size_t)ch * deep, c->size}, step, (places){from + (size_t)ch * channel, whole}, live);
        else copy_taps(c, (places){ordered, deep}, step, (places){from, channel}, f->channels);
        ordered += (size_t)f->channels * deep;
    }
    return ordered;
}

/* Between W and its ordered elements, all classes in turn; `back`: to W. */
static void copy_all(const conv_phases *f, unsigned char *ordered, unsigned char *w, bool back) {
    int64_t q[3];
    const copying c = {f, q, clstm_type_size(f->type), back};
    for (q[0] = 0; q[0] < f->period[0]; q[0]++)
        for (q[1] = 0; q[1] < f->period[1]; q[1]++)
            for (q[2] = 0; q[2] < f->period[2]; q[2]++) {
                int64_t taps = in_class(f, 0, q[0]) * in_class(f, 1, q[1]) * in_class(f, 2, q[2]);
                for (int64_t g = 0; g < f->groups; g++) ordered = copy_group(&c, taps, ordered, w + (size_t)(g * f->channels * f->outputs * volume(f->kernel)) * c.size);
            }
}

void conv_phases_order(const conv_phases *f, const void *w, void *to) { copy_all(f, to, (unsigned char *)(uintptr_t)w, false); }

/* ---- the pack ----------------------------------------------------------------------------------------------------------------------- */

enum { PARAM_ROWS, PARAM_GROUPS, PARAM_PERIOD };

static void unpack(const ir_pack *pack, clstm_tensor *out) {
    conv_phases f = {.type = out->type, .groups = pack->param[PARAM_GROUPS], .outputs = out->dims[1], .rows = pack->param[PARAM_ROWS] != 0};
    f.channels = out->dims[0] / f.groups;
    op_window_spread(out->dims + 2, out->rank - 2, 1, f.kernel);
    memcpy(f.period, pack->param + PARAM_PERIOD, sizeof f.period);
    copy_all(&f, pack->data, out->data, true);
}

static clstm_status make_pack(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err) {
    const conv_phases *f = arg;
    pack->bytes = (size_t)(f->groups * f->channels * layout_of(f, 1).padded * volume(f->kernel)) * clstm_type_size(f->type);
    if (!(pack->data = util_aligned_alloc(pack->bytes))) return util_no_memory(err);
    if (f->rows) memset(pack->data, 0, pack->bytes);        /* the last panel's pads */
    copy_all(f, pack->data, raw->data, false);
    pack->param[PARAM_ROWS] = f->rows;
    pack->param[PARAM_GROUPS] = f->groups;
    memcpy(pack->param + PARAM_PERIOD, f->period, sizeof f->period);
    pack->unpack = unpack;
    return CLSTM_OK;
}

/* Sizes follow from the constant's shape; packs of one arrangement have one size, whatever their classes. */
static uint64_t format_of(const conv_phases *f, bool rows) {
    const int64_t facts[] = {f->groups, f->period[0], f->period[1], f->period[2]};
    return conv_pack_format(rows ? 'T' : 't', facts, sizeof facts / sizeof *facts);
}

clstm_status conv_phases_pack(const conv_phases *f, ir_const *w, const void **data, clstm_error *err) {
    const ir_pack *pack;
    UTIL_TRY(ir_const_pack(w, format_of(f, f->rows), make_pack, (void *)(uintptr_t)f, &pack, err));
    ir_const_forget(w, format_of(f, !f->rows));
    *data = pack->data;
    return CLSTM_OK;
}

/* What the attributes and the input's shape, where it is known, say; false where they do not fit, which infer will refuse. Of a shape that
 * only a session knows a stream's is expected, a few positions a call. */
static bool read_node(ir_node *n, const clstm_tensor *w, conv_phases *f) {
    op_window window;
    op_ctx ctx = {.node = n};
    const int64_t groups = op_attr_int(n, "group");
    const ir_value *x = n->inputs[0];
    const bool known = x && tensor_shape_known(&x->type);
    const clstm_tensor any = clstm_tensor_view(w->type, w->rank, (int64_t[]){1, w->dims[0], INT32_MAX, INT32_MAX, INT32_MAX}, NULL);
    if (w->dims[0] % groups || (known && x->type.rank != w->rank)) return false;
    clstm_status s = known ? op_window_read_transposed(&ctx, &x->type, w->dims + 2, &window) : op_window_read(&ctx, &any, w->dims + 2, false, &window);
    if (s != CLSTM_OK) return false;
    for (int d = 0; d < 3 && !known; d++) window.out[d] = 1;
    *f = conv_phases_of(w, w->type, &window, groups, true);
    return true;
}

clstm_status conv_phases_prepack(ir_node *n, uint32_t *claimed, clstm_error *err) {
    ir_const *w = n->inputs[1] ? n->inputs[1]->constant : NULL;
    conv_phases f;
    bool stands;
    if (!w || (w->tensor.type != CLSTM_FLOAT && w->tensor.type != CLSTM_DOUBLE) || w->tensor.rank < 3 || w->tensor.rank > 5) return CLSTM_OK;
    if (clstm_tensor_count(&w->tensor) < 1 || !read_node(n, &w->tensor, &f)) return CLSTM_OK;
    UTIL_TRY(ir_const_prepack(w, format_of(&f, f.rows), make_pack, &f, &stands, err));
    if (stands) *claimed |= 2;
    return CLSTM_OK;
}
