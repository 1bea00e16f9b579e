/* ops/conv_pack: packing, unpacking, and which nodes pack at load. */
#include "ops/conv_pack.h"
#include "ops/window.h"

enum { PARAM_K, PARAM_OUTPUTS };

kernel_layout conv_pack_layout(clstm_type type, int64_t k, int64_t outputs) {
    kernel_layout l;
    kernel_table_get()->layout_plain(&l, type == CLSTM_DOUBLE ? KERNEL_STORE_F64 : KERNEL_STORE_F32, k, outputs);
    return l;
}

/* [outputs][k] */
static kernel_source source_of(const void *data, clstm_type type, int64_t k) {
    return (kernel_source){.data = data, .type = type == CLSTM_DOUBLE ? KERNEL_ELEMENT_F64 : KERNEL_ELEMENT_F32, .unit_stride = k, .k_stride = 1};
}

static void unpack(const ir_pack *pack, clstm_tensor *out) {
    kernel_layout l = conv_pack_layout(out->type, pack->param[PARAM_K], pack->param[PARAM_OUTPUTS]);
    kernel_source to = source_of(out->data, out->type, pack->param[PARAM_K]);
    kernel_table_get()->unpack(&l, pack->data, &to, 0, l.panels);
}

static clstm_status make_pack(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err) {
    const convolve *c = arg;
    kernel_layout l = conv_pack_layout(c->type, c->k, c->outputs);
    kernel_source from = source_of(raw->data, c->type, c->k);
    pack->bytes = l.bytes;
    if (!(pack->data = util_aligned_alloc(l.bytes))) return util_no_memory(err);
    kernel_table_get()->pack(&l, &from, pack->data, 0, l.panels);
    pack->param[PARAM_K] = c->k;
    pack->param[PARAM_OUTPUTS] = c->outputs;
    pack->unpack = unpack;
    return CLSTM_OK;
}

static uint64_t mix(uint64_t hash, int64_t v) { return (hash ^ (uint64_t)v) * UINT64_C(1099511628211); }

uint64_t conv_pack_format(char letter, const int64_t *facts, size_t n) {
    uint64_t hash = mix(UINT64_C(14695981039346656037), kernel_table_get()->level);
    for (size_t i = 0; i < n; i++) hash = mix(hash, facts[i]);
    return (uint64_t)letter << 56 | hash >> 8;
}

static uint64_t format_of(const convolve *c) { return conv_pack_format('c', (const int64_t[]){c->k, c->outputs}, 2); }

clstm_status conv_pack(convolve *c, ir_const *w, clstm_error *err) {
    const ir_pack *pack;
    UTIL_TRY(ir_const_pack(w, format_of(c), make_pack, c, &pack, err));
    c->packed.layout = conv_pack_layout(c->type, c->k, c->outputs);
    c->packed.data = pack->data;
    return CLSTM_OK;
}

clstm_status conv_plain(const convolve *c, ir_const *w, const void **data, clstm_error *err) { return ir_const_plain(w, format_of(c), data, err); }

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
    bool stands;
    UTIL_TRY(ir_const_prepack(w, format_of(&c), make_pack, &c, &stands, err));
    if (stands) *claimed |= 2;
    return CLSTM_OK;
}
