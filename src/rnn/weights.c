/* rnn/weights: packing, unpacking and sharing of recurrent weights. */
#include "rnn/weights.h"

#include "tensor/tensor.h"

#include <string.h>

static size_t align64(size_t n) { return (n + 63) & ~(size_t)63; }

static kernel_layout layout_of(const rnn_packing *p, bool last) {
    kernel_layout l;
    int gates = p->split ? (last ? 1 : p->gates - 1) : p->gates;
    kernel_table_get()->layout_cell(&l, p->store, gates, p->hidden, p->k);
    return l;
}

static size_t direction_bytes(const rnn_packing *p) {
    size_t n = align64(layout_of(p, false).bytes);
    return p->split ? n + align64(layout_of(p, true).bytes) : n;
}

kernel_store rnn_store_of(const rnn_spec *s, clstm_type type) {
    return type == CLSTM_DOUBLE ? KERNEL_STORE_F64
         : type == CLSTM_FLOAT && !rnn_is_fused(s, type) ? KERNEL_STORE_F32_F64 : KERNEL_STORE_F32;
}

rnn_packing rnn_packing_of(const rnn_spec *s, int input, kernel_store store, int64_t hidden, int64_t k) {
    return (rnn_packing){.store = store, .gates = s->gates,
                         .directions = s->directions, .split = input == RNN_R && s->kind == RNN_GRU && !s->reset_after,
                         .hidden = hidden, .k = k};
}

size_t rnn_packing_bytes(const rnn_packing *p) { return (size_t)p->directions * direction_bytes(p); }

rnn_packed rnn_packed_view(const rnn_packing *p, const void *block, int d) {
    rnn_packed v = {.main = {.layout = layout_of(p, false)}};
    if (p->split) v.last.layout = layout_of(p, true);
    if (!block) return v;
    const unsigned char *at = (const unsigned char *)block + (size_t)d * direction_bytes(p);
    v.main.data = at;
    if (p->split) v.last.data = at + align64(v.main.layout.bytes);
    return v;
}

/* ONNX [D, gates*H, K], seen from direction d and gate `first`. */
static kernel_source source_of(const rnn_packing *p, clstm_type type, const void *raw, int d, int first) {
    kernel_source s = {.gate_stride = p->hidden * p->k, .unit_stride = p->k, .k_stride = 1};
    s.type = type == CLSTM_DOUBLE ? KERNEL_ELEMENT_F64 : type == CLSTM_FLOAT16 ? KERNEL_ELEMENT_F16
           : type == CLSTM_BFLOAT16 ? KERNEL_ELEMENT_BF16 : KERNEL_ELEMENT_F32;
    s.data = (const unsigned char *)raw + (size_t)(d * p->gates) * (size_t)s.gate_stride * clstm_type_size(type);
    for (int g = 0; g < KERNEL_MAX_GATES; g++) s.gate[g] = first + g;
    return s;
}

void rnn_pack_raw(const rnn_packing *p, clstm_type type, const void *raw, void *dst) {
    const kernel_table *k = kernel_table_get();
    for (int d = 0; d < p->directions; d++) {
        rnn_packed v = rnn_packed_view(p, dst, d);
        kernel_source s = source_of(p, type, raw, d, 0), last = source_of(p, type, raw, d, p->gates - 1);
        k->pack(&v.main.layout, &s, (void *)(uintptr_t)v.main.data, 0, v.main.layout.panels);
        if (p->split) k->pack(&v.last.layout, &last, (void *)(uintptr_t)v.last.data, 0, v.last.layout.panels);
    }
}

/* ---- back to raw ------------------------------------------------------------------------------------------------------------- */

/* Kernels unpack to the type of the store; narrow floats were widened exactly and go back element by element. */
static void unpack_narrow(const kernel_packed *m, const kernel_source *to, clstm_type type) {
    const kernel_layout *l = &m->layout;
    uint16_t *out = (uint16_t *)(uintptr_t)to->data;
    for (int64_t u = 0; u < l->n; u++)
        for (int g = 0; g < l->gates; g++) {
            int64_t panel = u / l->units, width = panel == l->panels - 1 ? l->last_width : l->width;
            const float *from = (const float *)m->data + panel * l->k * l->width + g * l->units + u % l->units;
            uint16_t *row = out + to->gate[g] * to->gate_stride + u * to->unit_stride;
            for (int64_t k = 0; k < l->k; k++)
                row[k] = type == CLSTM_FLOAT16 ? tensor_float_to_half(from[k * width]) : tensor_float_to_bfloat(from[k * width]);
        }
}

enum { PARAM_STORE, PARAM_GATES, PARAM_DIRECTIONS, PARAM_SPLIT, PARAM_HIDDEN, PARAM_K };

static void unpack(const ir_pack *pack, clstm_tensor *out) {
    const int64_t *a = pack->param;
    rnn_packing p = {(kernel_store)a[PARAM_STORE], (int)a[PARAM_GATES], (int)a[PARAM_DIRECTIONS], a[PARAM_SPLIT] != 0,
                     a[PARAM_HIDDEN], a[PARAM_K]};
    const kernel_table *k = kernel_table_get();
    bool narrow = out->type == CLSTM_FLOAT16 || out->type == CLSTM_BFLOAT16;
    for (int d = 0; d < p.directions; d++) {
        rnn_packed v = rnn_packed_view(&p, pack->data, d);
        for (int part = 0; part <= (int)p.split; part++) {
            const kernel_packed *m = part ? &v.last : &v.main;
            kernel_source to = source_of(&p, out->type, out->data, d, part ? p.gates - 1 : 0);
            if (narrow) unpack_narrow(m, &to, out->type);
            else k->unpack(&m->layout, m->data, &to, 0, m->layout.panels);
        }
    }
}

/* ---- sharing ------------------------------------------------------------------------------------------------------------------- */

static clstm_status make_pack(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err) {
    const rnn_packing *p = arg;
    pack->bytes = rnn_packing_bytes(p);
    pack->data = util_aligned_alloc(pack->bytes);
    if (!pack->data) return util_no_memory(err);
    rnn_pack_raw(p, raw->type, raw->data, pack->data);
    pack->unpack = unpack;
    pack->param[PARAM_STORE] = p->store;
    pack->param[PARAM_GATES] = p->gates;
    pack->param[PARAM_DIRECTIONS] = p->directions;
    pack->param[PARAM_SPLIT] = p->split;
    pack->param[PARAM_HIDDEN] = p->hidden;
    pack->param[PARAM_K] = p->k;
    return CLSTM_OK;
}

clstm_status rnn_pack_const(ir_const *c, const rnn_packing *p, const void **block, clstm_error *err) {
    /* Hidden size, k and directions follow from the constant's shape and the gates. */
    uint64_t format = (uint64_t)0x524e4e << 32 | (uint64_t)kernel_table_get()->level << 8 | (uint64_t)p->store << 5 |
                      (uint64_t)p->split << 4 | (uint64_t)p->gates;
    const ir_pack *pack;
    UTIL_TRY(ir_const_pack(c, format, make_pack, (void *)(uintptr_t)p, &pack, err));
    *block = pack->data;
    return CLSTM_OK;
}

clstm_status rnn_prepack(ir_node *n, uint32_t *claimed, clstm_error *err) {
    const rnn_spec *s = rnn_spec_of(n);
    for (int i = RNN_W; i <= RNN_R; i++) {
        ir_const *c = n->inputs[i]->constant;
        if (!c) continue;
        const clstm_tensor *t = &c->tensor;
        int64_t hidden = t->rank == 3 ? t->dims[1] / s->gates : 0;
        /* What does not fit is refused by infer, which knows the other inputs. */
        if (!type_is_float(t->type) || hidden <= 0 || t->dims[0] != s->directions || t->dims[1] != hidden * s->gates ||
            t->dims[2] <= 0 || (i == RNN_R && t->dims[2] != hidden)) continue;
        rnn_packing p = rnn_packing_of(s, i, rnn_store_of(s, t->type), hidden, t->dims[2]);
        const void *block;
        UTIL_TRY(rnn_pack_const(c, &p, &block, err));
        *claimed |= 1u << i;
    }
    return CLSTM_OK;
}
