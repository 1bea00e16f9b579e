/* ops/place: elements put where others say: MaxUnpool, Col2Im, TensorScatter.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/families.h"
#include "ops/common.h"
#include "ops/window.h"

#include <string.h>

/* ---- MaxUnpool: values go back to where MaxPool found them; the rest is zero ----------------------------------------------------------- */

static clstm_status check_unpool(ir_node *n, clstm_error *err) { return op_window_check(n, err); }

/* The shape that was pooled, which the indices count in; sizes[i]: a given output shape. */
static clstm_status pooled_shape(op_ctx *c, int64_t *dims) {
    const clstm_tensor *x = op_in(c, 0);
    size_t nk, ns, np;
    const int64_t *kernel = op_attr_ints(c->node, "kernel_shape", &nk), *strides = op_attr_ints(c->node, "strides", &ns), *pads = op_attr_ints(c->node, "pads", &np);
    int nd = x->rank - 2;
    if (nd < 1 || !tensor_same_shape(x, op_in(c, 1))) return op_bad_model(c, "X and I must have one shape of rank 3 or more");
    if ((int)nk != nd || (strides && (int)ns != nd) || (pads && (int)np != 2 * nd)) return op_bad_model(c, "the attributes do not fit %d spatial dimensions", nd);
    memcpy(dims, x->dims, sizeof x->dims);
    for (int d = 0; d < nd; d++) {
        dims[2 + d] = (x->dims[2 + d] - 1) * (strides ? strides[d] : 1) + kernel[d] - (pads ? pads[d] + pads[nd + d] : 0);
        if (dims[2 + d] < 0) return op_bad_model(c, "the padding leaves nothing of dimension %d", 2 + d);
    }
    return CLSTM_OK;
}

static clstm_status infer_unpool(op_ctx *c) {
    int64_t dims[CLSTM_MAX_RANK], pooled[CLSTM_MAX_RANK];
    int n = op_in(c, 0)->rank;
    UTIL_TRY(pooled_shape(c, pooled));
    memcpy(dims, pooled, sizeof dims);
    if (op_has_in(c, 2)) UTIL_TRY(op_input_ints(c, 2, dims, CLSTM_MAX_RANK, &n));
    if (n != op_in(c, 0)->rank) return op_bad_model(c, "output_shape has %d entries for rank %d", n, op_in(c, 0)->rank);
    for (int d = 0; d < n; d++)
        if (dims[d] < pooled[d]) return op_bad_model(c, "output_shape %d is %lld, the pooled one is %lld", d, (long long)dims[d], (long long)pooled[d]);
    return op_set_out(c, 0, op_in(c, 0)->type, n, dims);
}

static clstm_status run_unpool(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    clstm_tensor *y = op_out(c, 0), pooled = *x;
    size_t size = clstm_type_size(x->type), bytes;
    UTIL_TRY(pooled_shape(c, pooled.dims));
    if (tensor_bytes(y, &bytes)) memset(y->data, 0, bytes);
    int64_t n = clstm_tensor_count(x), most = clstm_tensor_count(&pooled);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = ((const int64_t *)op_in(c, 1)->data)[i], to = 0, step = 1;
        if (at < 0 || at >= most) return op_bad_input(c, "index %lld is outside %lld elements", (long long)at, (long long)most);
        for (int d = x->rank - 1; d >= 0; d--) {
            to += at % pooled.dims[d] * step;
            at /= pooled.dims[d];
            step *= y->dims[d];
        }
        memcpy((unsigned char *)y->data + (size_t)to * size, (const unsigned char *)x->data + (size_t)i * size, size);
    }
    return CLSTM_OK;
}

/* ---- Col2Im: columns of blocks added up to an image ---------------------------------------------------------------------------------------- */

typedef struct columns { int nd; int64_t image[CLSTM_MAX_RANK], block[CLSTM_MAX_RANK], stride[CLSTM_MAX_RANK], dilation[CLSTM_MAX_RANK], begin[CLSTM_MAX_RANK], count[CLSTM_MAX_RANK], places, size; } columns;

static clstm_status check_columns(ir_node *n, clstm_error *err) {
    static const char *const lists[] = {"strides", "dilations", "pads"};
    for (int k = 0; k < 3; k++) {
        size_t count;
        const int64_t *v = op_attr_ints(n, lists[k], &count);
        for (size_t i = 0; v && i < count; i++)
            if (v[i] < (k < 2) || v[i] > INT32_MAX) return util_fail(err, CLSTM_BAD_MODEL, "attribute %s holds %lld", lists[k], (long long)v[i]);
    }
    return CLSTM_OK;
}

static clstm_status read_columns(op_ctx *c, columns *k) {
    size_t ns, nd, np;
    int n;
    UTIL_TRY(op_input_ints(c, 1, k->image, CLSTM_MAX_RANK - 2, &k->nd));
    UTIL_TRY(op_input_ints(c, 2, k->block, CLSTM_MAX_RANK - 2, &n));
    const int64_t *strides = op_attr_ints(c->node, "strides", &ns), *dilations = op_attr_ints(c->node, "dilations", &nd), *pads = op_attr_ints(c->node, "pads", &np);
    if (n != k->nd || n < 1 || (strides && (int)ns != n) || (dilations && (int)nd != n) || (pads && (int)np != 2 * n)) return op_bad_model(c, "shapes and attributes do not fit %d dimensions", k->nd);
    k->places = k->size = 1;
    for (int d = 0; d < n; d++) {
        k->stride[d] = strides ? strides[d] : 1;
        k->dilation[d] = dilations ? dilations[d] : 1;
        k->begin[d] = pads ? pads[d] : 0;
        if (k->image[d] < 1 || k->block[d] < 1 || k->image[d] > INT32_MAX || k->block[d] > INT32_MAX) return op_bad_model(c, "image or block of size %lld, %lld", (long long)k->image[d], (long long)k->block[d]);
        int64_t room = k->image[d] + k->begin[d] + (pads ? pads[n + d] : 0) - k->dilation[d] * (k->block[d] - 1) - 1;
        if (room < 0) return op_bad_model(c, "the block does not fit into dimension %d", d);
        k->count[d] = room / k->stride[d] + 1;
        if (!util_mul(k->places, k->count[d], &k->places) || !util_mul(k->size, k->block[d], &k->size)) return op_bad_model(c, "the image is too large");
    }
    const clstm_tensor *x = op_in(c, 0);
    if (x->rank != 3 || x->dims[2] != k->places || x->dims[1] % k->size) return op_bad_model(c, "input must be [N, C*%lld, %lld]", (long long)k->size, (long long)k->places);
    return CLSTM_OK;
}

static clstm_status infer_columns(op_ctx *c) {
    columns k;
    int64_t dims[CLSTM_MAX_RANK];
    UTIL_TRY(read_columns(c, &k));
    dims[0] = op_in(c, 0)->dims[0];
    dims[1] = op_in(c, 0)->dims[1] / k.size;
    for (int d = 0; d < k.nd; d++) dims[2 + d] = k.image[d];
    return op_set_out(c, 0, op_in(c, 0)->type, 2 + k.nd, dims);
}

/* Place p of tap t in the image, -1 outside. */
static int64_t image_at(const columns *k, int64_t t, int64_t p) {
    int64_t at = 0, step = 1;
    for (int d = k->nd - 1; d >= 0; d--) {
        int64_t i = p % k->count[d] * k->stride[d] + t % k->block[d] * k->dilation[d] - k->begin[d];
        if (i < 0 || i >= k->image[d]) return -1;
        at += i * step;
        step *= k->image[d];
        p /= k->count[d];
        t /= k->block[d];
    }
    return at;
}

static clstm_status run_columns(op_ctx *c) {
    columns k;
    const clstm_tensor *x = op_in(c, 0);
    clstm_tensor *y = op_out(c, 0);
    size_t bytes;
    UTIL_TRY(read_columns(c, &k));
    if (tensor_bytes(y, &bytes)) memset(y->data, 0, bytes);
    int64_t planes = y->dims[0] * y->dims[1], plane = tensor_span(y, 2, y->rank), i = 0;
    for (int64_t o = 0; o < planes; o++)
        for (int64_t t = 0; t < k.size; t++)
            for (int64_t p = 0; p < k.places; p++, i++) {
                int64_t at = image_at(&k, t, p);
                if (at < 0) continue;
                if (x->type == CLSTM_FLOAT) ((float *)y->data)[o * plane + at] += ((const float *)x->data)[i];
                else ((double *)y->data)[o * plane + at] += ((const double *)x->data)[i];
            }
    return CLSTM_OK;
}

/* ---- TensorScatter: an update written into a cache, each batch row at its own place ------------------------------------------------------- */

static clstm_status check_cache(ir_node *n, clstm_error *err) { return op_check_word(n, "mode", "linear circular", err); }

static clstm_status infer_cache(op_ctx *c) {
    const clstm_tensor *cache = op_in(c, 0), *update = op_in(c, 1);
    int axis;
    UTIL_TRY(op_axis(c, cache->rank, &axis));
    if (axis == 0) return op_bad_model(c, "axis 0 is the batch");
    bool fits = update->rank == cache->rank && update->dims[axis] <= cache->dims[axis];
    for (int d = 0; fits && d < cache->rank; d++) fits = d == axis || update->dims[d] == cache->dims[d];
    if (!fits) return op_bad_model(c, "the update does not fit into the cache");
    if (op_has_in(c, 2) && (op_in(c, 2)->rank != 1 || op_in(c, 2)->dims[0] != cache->dims[0])) return op_bad_model(c, "write_indices must have the shape [%lld]", (long long)cache->dims[0]);
    return op_infer_same(c);
}

static clstm_status run_cache(op_ctx *c) {
    const clstm_tensor *cache = op_in(c, 0), *update = op_in(c, 1);
    bool circular = op_word(c->node, "mode", "linear")[0] == 'c';
    size_t bytes;
    int axis;
    UTIL_TRY(op_axis(c, cache->rank, &axis));
    if (tensor_bytes(cache, &bytes) && bytes && op_out(c, 0)->data != cache->data) memcpy(op_out(c, 0)->data, cache->data, bytes);
    int64_t rows = tensor_span(cache, 1, axis), inner = tensor_span(cache, axis + 1, cache->rank), most = cache->dims[axis], n = update->dims[axis];
    size_t chunk = (size_t)inner * clstm_type_size(cache->type);
    for (int64_t b = 0; b < cache->dims[0]; b++) {
        int64_t first = op_has_in(c, 2) ? op_index(op_in(c, 2), b) : 0;
        if (first < 0 || (circular ? first >= most && most > 0 : first > most - n)) return op_bad_input(c, "write index %lld with %lld of %lld places", (long long)first, (long long)n, (long long)most);
        for (int64_t r = 0; r < rows && chunk; r++)
            for (int64_t i = 0; i < n; i++)
                memcpy((unsigned char *)op_out(c, 0)->data + (size_t)((b * rows + r) * most + (first + i) % most) * chunk,
                       (const unsigned char *)update->data + (size_t)((b * rows + r) * n + i) * chunk, chunk);
    }
    return CLSTM_OK;
}

#define UNPOOL(first, last) \
    {.domain = "", .name = "MaxUnpool", .since = first, .until = last, .inputs = "X:T I:int64 output_shape?:int64", .outputs = "output:T", .types = "T=float*", \
     .attrs = "kernel_shape:I! pads:I strides:I", .check = check_unpool, .infer = infer_unpool, .run = run_unpool}
const op_desc ops_place[] = {
    UNPOOL(9, 10), UNPOOL(11, 0),
    {.domain = "", .name = "Col2Im", .since = 18, .inputs = "input:T image_shape:int64 block_shape:int64", .outputs = "output:T", .types = "T=float,double",
     .attrs = "dilations:I pads:I strides:I", .check = check_columns, .infer = infer_columns, .run = run_columns},
    {.domain = "", .name = "TensorScatter", .since = 24, .inputs = "past_cache:T update:T write_indices?:int64", .outputs = "present_cache:T", .types = "T=all",
     .attrs = "axis:i=-2 mode:s=linear", .check = check_cache, .infer = infer_cache, .run = run_cache, .inplace = 1},
    OP_ARRAY_END,
};
