/* ops/product: packing, threads and types around the GEMM kernels. */
#include "ops/product.h"

#include <string.h>

kernel_element op_kernel_element(clstm_type type) {
    return type == CLSTM_DOUBLE ? KERNEL_ELEMENT_F64 : type == CLSTM_FLOAT16 ? KERNEL_ELEMENT_F16 : type == CLSTM_BFLOAT16 ? KERNEL_ELEMENT_BF16 : KERNEL_ELEMENT_F32;
}

static bool is_half(clstm_type t) { return t == CLSTM_FLOAT16 || t == CLSTM_BFLOAT16; }

static kernel_source source_of(const void *data, clstm_type type, int64_t k, int64_t n, bool trans_b) {
    kernel_source s = {.data = data, .type = op_kernel_element(type), .unit_stride = trans_b ? k : 1, .k_stride = trans_b ? 1 : n};
    return s;
}

/* Every size so that each matrix of a constant starts on a cache line. */
static size_t aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

/* ---- constant B -------------------------------------------------------------------------------------------------------------------- */

typedef struct shape { const kernel_table *kernels; kernel_layout layout; int64_t k, n, matrices; bool trans_b; } shape;

static shape shape_of(const clstm_tensor *b, bool trans_b) {
    shape s = {.kernels = kernel_table_get(), .trans_b = trans_b};
    int64_t rows = b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0], cols = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    s.k = trans_b ? cols : rows;
    s.n = trans_b ? rows : cols;
    s.matrices = b->rank > 2 ? tensor_span(b, 0, b->rank - 2) : 1;
    s.kernels->layout_plain(&s.layout, b->type == CLSTM_DOUBLE ? KERNEL_STORE_F64 : KERNEL_STORE_F32, s.k, s.n);
    return s;
}

static void unpack(const ir_pack *pack, clstm_tensor *out) {
    shape s = shape_of(out, pack->param[0] != 0);
    for (int64_t i = 0; i < s.matrices; i++) {
        kernel_source to = source_of((unsigned char *)out->data + (size_t)(i * s.k * s.n) * clstm_type_size(out->type), out->type, s.k, s.n, s.trans_b);
        s.kernels->unpack(&s.layout, (const unsigned char *)pack->data + (size_t)i * aligned(s.layout.bytes), &to, 0, s.layout.panels);
    }
}

static clstm_status make_pack(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err) {
    const bool trans_b = *(const bool *)arg;
    shape s = shape_of(raw, trans_b);
    pack->bytes = aligned(s.layout.bytes) * (size_t)s.matrices;
    pack->data = util_aligned_alloc(pack->bytes);
    if (!pack->data) return util_no_memory(err);
    pack->param[0] = trans_b;
    if (!is_half(raw->type)) pack->unpack = unpack;
    for (int64_t i = 0; i < s.matrices; i++) {
        kernel_source from = source_of((const unsigned char *)raw->data + (size_t)(i * s.k * s.n) * clstm_type_size(raw->type), raw->type, s.k, s.n, trans_b);
        s.kernels->pack(&s.layout, &from, (unsigned char *)pack->data + (size_t)i * aligned(s.layout.bytes), 0, s.layout.panels);
    }
    return CLSTM_OK;
}

static clstm_status find_pack(ir_const *b, bool trans_b, const ir_pack **pack, clstm_error *err) {
    /* 'MATM', the level, and which way B lies: the rest follows from the constant's shape and type */
    uint64_t format = UINT64_C(0x4d41544d00000000) | (uint64_t)kernel_table_get()->level << 8 | (trans_b ? 1 : 0);
    return ir_const_pack(b, format, make_pack, &trans_b, pack, err);
}

clstm_status op_product_prepack(ir_const *b, bool trans_b, bool *done, clstm_error *err) {
    const ir_pack *pack;
    *done = false;
    if (!type_is_float(b->tensor.type) || b->tensor.rank < 1 || clstm_tensor_count(&b->tensor) < 1) return CLSTM_OK;
    UTIL_TRY(find_pack(b, trans_b, &pack, err));
    *done = pack->unpack != NULL;
    return CLSTM_OK;
}

/* ---- products ------------------------------------------------------------------------------------------------------------------------ */

clstm_status op_product_prepare(op_product *p, clstm_type type, int64_t m, int64_t k, int64_t n, bool trans_b, ir_const *b_const, clstm_error *err) {
    memset(p, 0, sizeof *p);
    p->type = type;
    p->m = m;
    p->k = k;
    p->n = n;
    p->trans_b = trans_b;
    if (!type_is_float(type) || m == 0 || n == 0 || k == 0) return CLSTM_OK;
    p->kernels = kernel_table_get();
    p->kernels->layout_plain(&p->layout, type == CLSTM_DOUBLE ? KERNEL_STORE_F64 : KERNEL_STORE_F32, k, n);
    if (b_const) {
        const ir_pack *pack;
        UTIL_TRY(find_pack(b_const, trans_b, &pack, err));
        p->packed = pack->data;
    } else {
        p->scratch_bytes = aligned(p->layout.bytes);
    }
    if (is_half(type)) {
        p->a_at = p->scratch_bytes;
        p->c_at = p->a_at + aligned((size_t)(m * k) * sizeof(float));
        p->scratch_bytes = p->c_at + aligned((size_t)(m * n) * sizeof(float)) + aligned((size_t)n * sizeof(float));
    }
    return CLSTM_OK;
}

void op_product_load_b(const op_product *p, const void *b, void *scratch) {
    if (!p->kernels || p->packed) return;
    kernel_source from = source_of(b, p->type, p->k, p->n, p->trans_b);
    p->kernels->pack(&p->layout, &from, (unsigned char *)scratch + p->pack_at, 0, p->layout.panels);
}

typedef struct share { const op_product *p; kernel_gemm g; int parts; const op_epilogue *after; } share;

/* The epilogue of the columns of panels g->p0 to g->p1. */
static void finish_share(const share *s, const kernel_gemm *g) {
    const kernel_layout *l = &s->p->layout;
    size_t size = clstm_type_size(s->p->type);
    int64_t from = g->p0 * l->units, to = g->p1 == l->panels ? s->p->n : g->p1 * l->units;
    op_epilogue_rows(s->after, (unsigned char *)g->c + (size_t)from * size, g->m, to - from, g->ldc, size);
}

static void run_share(void *arg, int i) {
    const share *s = arg;
    kernel_gemm g = s->g;
    g.p0 = s->p->layout.panels * i / s->parts;
    g.p1 = s->p->layout.panels * (i + 1) / s->parts;
    if (g.p0 == g.p1) return;
    if (s->p->type == CLSTM_DOUBLE) s->p->kernels->gemm_f64(&g);
    else s->p->kernels->gemm_f32(&g);
    if (s->after) finish_share(s, &g);
}

static void gemm(const op_product *p, const void *a, int64_t index, void *c, kernel_init init, const void *row, void *scratch, util_pool *pool) {
    kernel_packed packed = {p->layout, p->packed ? p->packed + (size_t)index * aligned(p->layout.bytes) : (unsigned char *)scratch + p->pack_at};
    share s = {p, {.b = &packed, .m = p->m, .a = a, .lda = p->k, .c = c, .ldc = p->n, .start = init, .init = row, .p0 = 0, .p1 = p->layout.panels}, 1, is_half(p->type) ? NULL : p->after};
    /* below about 2 us of work a fork costs more than it gives */
    if (pool && (double)p->m * (double)p->n * (double)p->k > 1e5) s.parts = util_pool_threads(pool);
    if ((int64_t)s.parts > p->layout.panels) s.parts = (int)p->layout.panels;
    util_pool_run(s.parts > 1 ? pool : NULL, s.parts, run_share, &s);
}

static void widen(const uint16_t *x, float *y, int64_t n, clstm_type half) {
    for (int64_t i = 0; i < n; i++) y[i] = half == CLSTM_FLOAT16 ? tensor_half_to_float(x[i]) : tensor_bfloat_to_float(x[i]);
}

static void half_gemm(const op_product *p, const void *a, int64_t index, uint16_t *c, kernel_init init, const void *row, unsigned char *scratch, util_pool *pool) {
    float *wa = (float *)(void *)(scratch + p->a_at), *wc = (float *)(void *)(scratch + p->c_at), *wrow = wc + p->m * p->n;
    widen(a, wa, p->m * p->k, p->type);
    if (init == KERNEL_INIT_C) widen(c, wc, p->m * p->n, p->type);
    if (init == KERNEL_INIT_ROW) widen(row, wrow, p->n, p->type);
    gemm(p, wa, index, wc, init, wrow, scratch, pool);
    for (int64_t i = 0; i < p->m * p->n; i++) c[i] = p->type == CLSTM_FLOAT16 ? tensor_float_to_half(wc[i]) : tensor_float_to_bfloat(wc[i]);
}

/* Integers wrap, so the unsigned type serves both signs. */
#define INT_PRODUCT(T) { \
        const T *x = a, *w = b; T *y = c; \
        for (int64_t i = 0; i < p->m; i++) \
            for (int64_t j = 0; j < p->n; j++) { \
                T sum = init == KERNEL_INIT_C ? y[i * p->n + j] : init == KERNEL_INIT_ROW ? ((const T *)row)[j] : 0; \
                for (int64_t k = 0; k < p->k; k++) sum = (T)(sum + x[i * p->k + k] * w[k * sk + j * sj]); \
                y[i * p->n + j] = sum; \
            } \
    }

void op_product_run(const op_product *p, const void *a, const void *b, int64_t index, void *c, kernel_init init, const void *row, void *scratch, util_pool *pool) {
    const int64_t sk = p->trans_b ? 1 : p->n, sj = p->trans_b ? p->k : 1;
    size_t size = clstm_type_size(p->type);
    if (p->m == 0 || p->n == 0) return;
    if (p->k == 0) {    /* the start alone */
        for (int64_t i = 0; i < p->m && init != KERNEL_INIT_C; i++) {
            unsigned char *to = (unsigned char *)c + (size_t)(i * p->n) * size;
            if (init == KERNEL_INIT_ROW) memcpy(to, row, (size_t)p->n * size);
            else memset(to, 0, (size_t)p->n * size);
        }
    } else if (is_half(p->type)) half_gemm(p, a, index, c, init, row, scratch, pool);
    else if (p->kernels) gemm(p, a, index, c, init, row, scratch, pool);
    else if (size == 4) INT_PRODUCT(uint32_t)
    else INT_PRODUCT(uint64_t)
    if (p->after && (p->k == 0 || is_half(p->type))) op_epilogue_apply(p->after, c, p->m * p->n);
}
