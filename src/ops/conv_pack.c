/* ops/conv_pack: packing, unpacking, and which nodes pack at load. */
#include "ops/conv_pack.h"
#include "ops/window.h"

typedef struct pack_arg { const convolve *c; const void *gathered; } pack_arg;

enum { PARAM_K, PARAM_OUTPUTS };

static kernel_layout layout_of(clstm_type type, int64_t k, int64_t outputs) {
    kernel_layout l;
    kernel_table_get()->layout_plain(&l, type == CLSTM_DOUBLE ? KERNEL_STORE_F64 : KERNEL_STORE_F32, k, outputs);
    return l;
}

/* [outputs][k] */
static kernel_source source_of(const void *data, clstm_type type, int64_t k) {
    return (kernel_source){.data = data, .type = type == CLSTM_DOUBLE ? KERNEL_ELEMENT_F64 : KERNEL_ELEMENT_F32, .unit_stride = k, .k_stride = 1};
}

static void unpack(const ir_pack *pack, clstm_tensor *out) {
    kernel_layout l = layout_of(out->type, pack->param[PARAM_K], pack->param[PARAM_OUTPUTS]);
    kernel_source to = source_of(out->data, out->type, pack->param[PARAM_K]);
    kernel_table_get()->unpack(&l, pack->data, &to, 0, l.panels);
}

static clstm_status make_pack(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err) {
    const pack_arg *a = arg;
    kernel_layout l = layout_of(a->c->type, a->c->k, a->c->outputs);
    kernel_source from = source_of(a->gathered ? a->gathered : raw->data, a->c->type, a->c->k);
    pack->bytes = l.bytes;
    if (!(pack->data = util_aligned_alloc(l.bytes))) return util_no_memory(err);
    kernel_table_get()->pack(&l, &from, pack->data, 0, l.panels);
    pack->param[PARAM_K] = a->c->k;
    pack->param[PARAM_OUTPUTS] = a->c->outputs;
    if (!a->gathered) pack->unpack = unpack;
    return CLSTM_OK;
}

static uint64_t mix(uint64_t hash, int64_t v) { return (hash ^ (uint64_t)v) * UINT64_C(1099511628211); }

uint64_t conv_pack_format(const convolve *c, const int64_t *kernel) {
    uint64_t hash = mix(mix(mix(UINT64_C(14695981039346656037), kernel_table_get()->level), c->k), c->outputs);
    for (int64_t t = 0; kernel && t < c->taps; t++) hash = mix(hash, kernel[t]);
    return (uint64_t)(kernel ? 'C' : 'c') << 56 | hash >> 8;
}

clstm_status conv_pack(convolve *c, ir_const *w, uint64_t format, const void *gathered, clstm_error *err) {
    const ir_pack *pack;
    pack_arg arg = {c, gathered};
    UTIL_TRY(ir_const_pack(w, format, make_pack, &arg, &pack, err));
    c->packed.layout = layout_of(c->type, c->k, c->outputs);
    c->packed.data = pack->data;
    return CLSTM_OK;
}

/* Whether the outputs will lie along the vectors. Of a shape that only a session knows a stream's is expected, a few positions a call; who
 * is mistaken takes the elements back (ir_const_plain). */
static bool expects_rows(ir_node *n, const clstm_tensor *w) {
    const ir_value *x = n->inputs[0];
    op_window window;
    op_ctx ctx = {.node = n};
    if (!x || !tensor_shape_known(&x->type)) return true;
    if (x->type.rank != w->rank || op_window_read(&ctx, &x->type, w->dims + 2, false, &window) != CLSTM_OK) return false;
    return convolve_suits_rows(w->type, w->dims[0], window.out[0] * window.out[1] * window.out[2]);
}

clstm_status conv_prepack(ir_node *n, uint32_t *claimed, clstm_error *err) {
    ir_const *w = n->inputs[1] ? n->inputs[1]->constant : NULL;
    if (!w || (w->tensor.type != CLSTM_FLOAT && w->tensor.type != CLSTM_DOUBLE) || w->tensor.rank < 3 || w->tensor.rank > 5) return CLSTM_OK;
    if (clstm_tensor_count(&w->tensor) < 1 || op_attr_int(n, "group") != 1 || !expects_rows(n, &w->tensor)) return CLSTM_OK;
    convolve c = {.type = w->tensor.type, .outputs = w->tensor.dims[0], .k = tensor_span(&w->tensor, 1, w->tensor.rank)};
    pack_arg arg = {&c, NULL};
    bool stands;
    UTIL_TRY(ir_const_prepack(w, conv_pack_format(&c, NULL), make_pack, &arg, &stands, err));
    if (stands) *claimed |= 2;
    return CLSTM_OK;
}
