/* ops/resize: Resize and Upsample. Nearest copies elements of any type; linear and cubic go axis by axis in double.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : Resize, Upsample */
#include "ops/families.h"
#include "ops/common.h"
#include "ops/resize.h"

#include <math.h>
#include <string.h>

static bool upsample(const ir_node *n) { return n->op_type[0] == 'U'; }
static bool modern(const ir_node *n) { return !upsample(n) && n->version >= 11; }

static int find_word(const char *word, const char *const *words, int n) {
    for (int i = 0; i < n; i++)
        if (!strcmp(word, words[i])) return i;
    return 0;
}

static void read_rule(const ir_node *n, resample_rule *r) {
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
    static const char *const rounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    *r = (resample_rule){.mode = (resample_mode)find_word(op_word(n, "mode", "nearest"), modes, 3), .place = RESAMPLE_ASYMMETRIC, .round = RESAMPLE_FLOOR, .cubic_a = -0.75};
    if (!upsample(n)) r->round = RESAMPLE_DOWN_CEIL;
    if (!modern(n)) return;
    r->place = (resample_place)find_word(op_word(n, "coordinate_transformation_mode", "half_pixel"), places, 7);
    r->round = (resample_round)find_word(op_word(n, "nearest_mode", "round_prefer_floor"), rounds, 4);
    r->cubic_a = (double)op_attr_float(n, "cubic_coeff_a");
    r->exclude_outside = op_attr_int(n, "exclude_outside") != 0;
    r->antialias = n->version >= 18 && op_attr_int(n, "antialias") != 0;
}

static clstm_status check_resize(ir_node *n, clstm_error *err) {
    UTIL_TRY(op_check_word(n, "mode", modern(n) ? "nearest linear cubic" : "nearest linear", err));
    if (!modern(n)) return CLSTM_OK;
    UTIL_TRY(op_check_word(n, "coordinate_transformation_mode",
                           n->version < 19 ? "half_pixel pytorch_half_pixel align_corners asymmetric tf_half_pixel_for_nn tf_crop_and_resize"  /* 13 has no more tf_half_pixel_for_nn, files do */
                                           : "half_pixel half_pixel_symmetric pytorch_half_pixel align_corners asymmetric tf_crop_and_resize", err));
    UTIL_TRY(op_check_word(n, "nearest_mode", "round_prefer_floor round_prefer_ceil floor ceil", err));
    return n->version < 18 ? CLSTM_OK : op_check_word(n, "keep_aspect_ratio_policy", "stretch not_larger not_smaller", err);
}

static bool given(const op_ctx *c, int i) { return op_has_in(c, i) && clstm_tensor_count(op_in(c, i)) > 0; }

/* Which axes the lists speak of: all, or those of attribute axes. */
static clstm_status read_axes(op_ctx *c, int64_t *axes, int *count) {
    int rank = op_in(c, 0)->rank;
    size_t n = 0;
    uint32_t mask;
    const int64_t *named = modern(c->node) && c->node->version >= 18 ? op_attr_ints(c->node, "axes", &n) : NULL;
    if (named && n > (size_t)rank) return op_bad_model(c, "attribute axes has %zu entries for rank %d", n, rank);
    for (int i = 0; i < rank; i++) axes[i] = i;
    *count = rank;
    if (!named) return CLSTM_OK;
    UTIL_TRY(op_axes_mask(c, named, (int)n, rank, &mask));
    for (size_t i = 0; i < n; i++) axes[i] = named[i] < 0 ? named[i] + rank : named[i];
    *count = (int)n;
    return CLSTM_OK;
}

/* Of what becomes an integer; the limits come far below. */
static const float LARGEST = 1e15f;

static clstm_status from_scales(op_ctx *c, resize *r, const int64_t *axes, int count, int input) {
    const ir_attr *a = ir_attr_find(c->node, "scales");
    if (input >= 0) UTIL_TRY(op_need_data(c, input));
    int64_t n = input >= 0 ? clstm_tensor_count(op_in(c, input)) : (int64_t)a->count;
    if (n != count) return op_bad_model(c, "%lld scales for %d axes", (long long)n, count);
    for (int i = 0; i < count; i++) {
        resample_axis *x = &r->axes[axes[i]];
        float scale = input >= 0 ? (float)tensor_get_double(op_in(c, input), i) : a->v.floats[i];
        if (!(scale > 0) || !((float)x->in * scale <= LARGEST)) return op_bad_model(c, "scale %d is %g", i, (double)scale);
        x->scale = (double)scale;
        x->out = (int64_t)floorf((float)x->in * scale);
    }
    return CLSTM_OK;
}

static clstm_status from_sizes(op_ctx *c, resize *r, const int64_t *axes, int count) {
    int64_t sizes[CLSTM_MAX_RANK];
    int n;
    UTIL_TRY(op_input_ints(c, 3, sizes, CLSTM_MAX_RANK, &n));
    if (n != count) return op_bad_model(c, "%d sizes for %d axes", n, count);
    const char *policy = c->node->version >= 18 ? op_word(c->node, "keep_aspect_ratio_policy", "stretch") : "stretch";
    double same = 0;
    for (int i = 0; i < n; i++) {
        resample_axis *x = &r->axes[axes[i]];
        if (sizes[i] < 0 || (x->in == 0 && sizes[i] > 0)) return op_bad_model(c, "size %d is %lld", i, (long long)sizes[i]);
        x->out = sizes[i];
        x->scale = x->in ? (double)sizes[i] / (double)x->in : 1;
        bool less = x->scale < same, larger = !strcmp(policy, "not_larger");
        if (i == 0 || less == larger) same = x->scale;
    }
    for (int i = 0; i < n && policy[0] == 'n'; i++) {
        resample_axis *x = &r->axes[axes[i]];
        x->scale = same;
        if (same * (double)x->in > (double)LARGEST) return op_bad_model(c, "a scale of %g of %lld elements", same, (long long)x->in);
        x->out = (int64_t)floor(same * (double)x->in + 0.5);
    }
    return CLSTM_OK;
}

static clstm_status read_region(op_ctx *c, resize *r, const int64_t *axes, int count) {
    UTIL_TRY(op_need_data(c, 1));
    if (!given(c, 1) || clstm_tensor_count(op_in(c, 1)) != 2 * count) return op_bad_model(c, "roi must have %d elements", 2 * count);
    for (int i = 0; i < count; i++) {
        r->axes[axes[i]].start = tensor_get_double(op_in(c, 1), i);
        r->axes[axes[i]].end = tensor_get_double(op_in(c, 1), count + i);
    }
    return CLSTM_OK;
}

static clstm_status read_resize(op_ctx *c, resize *r) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t axes[CLSTM_MAX_RANK];
    int count = 0;
    memset(r, 0, sizeof *r);
    read_rule(c->node, &r->rule);
    r->crop = r->rule.place == RESAMPLE_TF_CROP_AND_RESIZE;
    if (modern(c->node)) r->beyond = (double)op_attr_float(c->node, "extrapolation_value");
    for (int d = 0; d < x->rank; d++) r->axes[d] = (resample_axis){.in = x->dims[d], .out = x->dims[d], .scale = 1, .end = 1};
    UTIL_TRY(read_axes(c, axes, &count));
    if (modern(c->node)) {
        if (given(c, 2) == given(c, 3)) return op_bad_model(c, "needs either scales or sizes");
        UTIL_TRY(given(c, 2) ? from_scales(c, r, axes, count, 2) : from_sizes(c, r, axes, count));
        if (r->crop) UTIL_TRY(read_region(c, r, axes, count));
    } else UTIL_TRY(from_scales(c, r, axes, count, op_has_in(c, 1) ? 1 : -1));
    for (int d = 0; d < x->rank; d++) {
        resample_axis *a = &r->axes[d];
        bool shifted = r->rule.place == RESAMPLE_TF_HALF_PIXEL_FOR_NN || (r->crop && (a->start != 0 || a->end != 1));
        r->changes[d] = a->in != a->out || a->scale != 1 || shifted;
        a->taps = a->out ? resample_taps(&r->rule, a->scale) : 0;
        if (a->taps > 4096 && a->taps > 4 * a->in) return op_unsupported(c, "a scale of %g with antialias", a->scale);
    }
    return CLSTM_OK;
}

static clstm_status infer_resize(op_ctx *c) {
    resize r;
    int64_t dims[CLSTM_MAX_RANK];
    UTIL_TRY(read_resize(c, &r));
    const clstm_tensor *x = op_in(c, 0);
    if (r.rule.mode != RESAMPLE_NEAREST && !type_is_float(x->type)) return op_unsupported(c, "mode %s of type %s", op_word(c->node, "mode", ""), clstm_type_name(x->type));
    if (r.crop && !type_is_float(x->type) && !(fabs(r.beyond) < 0x1p31))
        return op_unsupported(c, "attribute extrapolation_value %g for type %s", r.beyond, clstm_type_name(x->type));
    for (int d = 0; d < x->rank; d++) dims[d] = r.axes[d].out;
    return op_set_out(c, 0, x->type, x->rank, dims);
}

static clstm_status prepare_resize(op_ctx *c) {
    resize plan;
    UTIL_TRY(read_resize(c, &plan));
    int rank = op_in(c, 0)->rank;
    size_t head = (sizeof plan + 63) & ~(size_t)63, at = head;
    int64_t elements = 1, most = clstm_tensor_count(op_in(c, 0));
    for (int d = 0; d < rank; d++) {
        elements *= plan.axes[d].out;
        at += (size_t)plan.axes[d].out * (size_t)plan.axes[d].taps * (sizeof(int64_t) + sizeof(double)) + (((size_t)plan.axes[d].out + 7) & ~(size_t)7);
        if (elements * tensor_span(op_in(c, 0), d + 1, rank) > most) most = elements * tensor_span(op_in(c, 0), d + 1, rank);
    }
    resize *r = op_prepared_alloc(c, at);
    if (!r) return util_no_memory(c->err);
    *r = plan;
    unsigned char *memory = (unsigned char *)r + head;
    for (int d = 0; d < rank; d++) {
        resample_axis *a = &r->axes[d];
        size_t n = (size_t)a->out * (size_t)a->taps;
        a->index = (int64_t *)(void *)memory;
        a->weight = (double *)(void *)(memory + n * sizeof(int64_t));
        a->outside = (bool *)(memory + n * (sizeof(int64_t) + sizeof(double)));
        memory += n * (sizeof(int64_t) + sizeof(double)) + (((size_t)a->out + 7) & ~(size_t)7);
        if (a->in) resample_fill(&r->rule, a);
    }
    if (r->rule.mode == RESAMPLE_NEAREST) return CLSTM_OK;
    r->buffer = ((size_t)most * sizeof(double) + 63) & ~(size_t)63;
    c->scratch_bytes = 2 * r->buffer;
    return CLSTM_OK;
}

/* ---- run ---------------------------------------------------------------------------------------------------------------------------------- */

/* Copies line after line of the last axis. */
static void copy_nearest(const resize *r, const clstm_tensor *x, clstm_tensor *y) {
    int rank = x->rank;
    size_t size = clstm_type_size(x->type);
    int64_t index[CLSTM_MAX_RANK] = {0}, n = clstm_tensor_count(y), line = rank ? y->dims[rank - 1] : 1;
    unsigned char *to = y->data;
    for (int64_t done = 0; done < n; done += line) {
        int64_t row = 0;
        for (int d = 0; d + 1 < rank; d++) row = row * x->dims[d] + r->axes[d].index[index[d]];
        const unsigned char *from = (const unsigned char *)x->data + (size_t)(rank ? row * x->dims[rank - 1] : 0) * size;
        if (!rank || !r->changes[rank - 1]) memcpy(to, from, (size_t)line * size);
        else {
            const int64_t *at = r->axes[rank - 1].index;
            if (size == 4) for (int64_t i = 0; i < line; i++) ((uint32_t *)(void *)to)[i] = ((const uint32_t *)(const void *)from)[at[i]];
            else for (int64_t i = 0; i < line; i++) memcpy(to + (size_t)i * size, from + (size_t)at[i] * size, size);
        }
        to += (size_t)line * size;
        for (int d = rank - 2; d >= 0; d--) {
            if (++index[d] < y->dims[d]) break;
            index[d] = 0;
        }
    }
}

static void pass(const resample_axis *a, const double *x, double *y, int64_t outer, int64_t inner) {
    for (int64_t o = 0; o < outer; o++, x += a->in * inner)
        for (int64_t p = 0; p < a->out; p++, y += inner) {
            const int64_t *index = a->index + p * a->taps;
            const double *weight = a->weight + p * a->taps;
            for (int64_t i = 0; i < inner; i++) {
                double sum = 0;
                for (int64_t t = 0; t < a->taps; t++) sum += weight[t] * x[index[t] * inner + i];
                y[i] = sum;
            }
        }
}

static void store(clstm_tensor *y, const double *v) {
    int64_t n = clstm_tensor_count(y);
    for (int64_t i = 0; i < n; i++)
        switch (y->type) {
        case CLSTM_FLOAT: ((float *)y->data)[i] = (float)v[i]; break;
        case CLSTM_DOUBLE: ((double *)y->data)[i] = v[i]; break;
        case CLSTM_FLOAT16: ((uint16_t *)y->data)[i] = tensor_double_to_half(v[i]); break;
        default: ((uint16_t *)y->data)[i] = tensor_double_to_bfloat(v[i]); break;
        }
}

static void interpolate(op_ctx *c, const resize *r, const clstm_tensor *x, clstm_tensor *y) {
    double *from = c->scratch, *to = (double *)(void *)((unsigned char *)c->scratch + r->buffer);
    int64_t n = clstm_tensor_count(x), outer = 1;
    for (int64_t i = 0; i < n; i++) from[i] = x->type == CLSTM_FLOAT ? (double)((const float *)x->data)[i] : tensor_get_double(x, i);
    for (int d = 0; d < x->rank; d++) {
        if (r->changes[d]) {
            pass(&r->axes[d], from, to, outer, tensor_span(x, d + 1, x->rank));
            double *made = to;
            to = from;
            from = made;
        }
        outer *= r->axes[d].out;
    }
    store(y, from);
}

/* An element of any type that is no float: truncated, as a Cast. */
static void store_whole(clstm_tensor *one, double v) {
    int64_t whole = one->type == CLSTM_BOOL ? v < 0 || v > 0 : (int64_t)v;
    switch (clstm_type_size(one->type)) {
    case 1: *(uint8_t *)one->data = (uint8_t)whole; break;
    case 2: *(uint16_t *)one->data = (uint16_t)whole; break;
    case 4: *(uint32_t *)one->data = (uint32_t)whole; break;
    default: *(uint64_t *)one->data = (uint64_t)whole; break;
    }
}

/* Points outside the input of a cropped tensor. */
static void fill_outside(const resize *r, clstm_tensor *y) {
    int64_t n = clstm_tensor_count(y);
    for (int64_t i = 0; i < n; i++) {
        bool outside = false;
        int64_t rest = i;
        for (int d = y->rank - 1; d >= 0; d--) {
            outside |= r->axes[d].outside[rest % y->dims[d]];
            rest /= y->dims[d];
        }
        if (!outside) continue;
        clstm_tensor one = {.type = y->type, .rank = 0, .data = (unsigned char *)y->data + (size_t)i * clstm_type_size(y->type)};
        if (type_is_float(y->type)) store(&one, &r->beyond);
        else store_whole(&one, r->beyond);
    }
}

static clstm_status run_resize(op_ctx *c) {
    const resize *r = c->prepared;
    if (clstm_tensor_count(op_out(c, 0)) == 0) return CLSTM_OK;
    if (r->rule.mode == RESAMPLE_NEAREST) copy_nearest(r, op_in(c, 0), op_out(c, 0));
    else interpolate(c, r, op_in(c, 0), op_out(c, 0));
    if (r->crop) fill_outside(r, op_out(c, 0));
    return CLSTM_OK;
}

static double flops(const op_ctx *c) {
    const resize *r = c->prepared;
    const clstm_tensor *x = op_in(c, 0);
    double sum = 0, outer = 1;
    for (int d = 0; d < x->rank; d++) {
        outer *= (double)r->axes[d].out;
        if (r->changes[d]) sum += 2 * outer * (double)r->axes[d].taps * (double)tensor_span(x, d + 1, x->rank);
    }
    return sum;
}

#define ROW(op, first, last, in, attributes) \
    {.domain = "", .name = op, .since = first, .until = last, .inputs = in, .outputs = "Y:T", .types = "T=all R=float*", .attrs = attributes, \
     .check = check_resize, .infer = infer_resize, .prepare = prepare_resize, .run = run_resize, .flops = flops}
#define ATTRS "coordinate_transformation_mode:s=half_pixel cubic_coeff_a:f=-0.75 exclude_outside:i=0 extrapolation_value:f=0 mode:s=nearest nearest_mode:s=round_prefer_floor"
const op_desc ops_resize[] = {
    ROW("Upsample", 7, 8, "X:T", "mode:s=nearest scales:F!"),
    ROW("Upsample", 9, 9, "X:T scales:float", "mode:s=nearest"),
    ROW("Resize", 10, 10, "X:T scales:float", "mode:s=nearest"),
    /* 11 demands roi and scales even where nothing reads them; exporters leave them out, as 13 allows */
    ROW("Resize", 11, 17, "X:T roi?:R scales?:float sizes?:int64", ATTRS),
    ROW("Resize", 18, 0, "X:T roi?:R scales?:float sizes?:int64", ATTRS " antialias:i=0 axes:I keep_aspect_ratio_policy:s=stretch"),
    OP_ARRAY_END,
};
