/* Packing: from any strided float matrix, mapped files included, into panels; and exactly back. */
#include "kernels/pack.h"

#include <string.h>

enum { MAX_VECTORS = 4, K_BLOCK = 16 };

static size_t element_size(kernel_element type)
{
    switch (type) {
    case KERNEL_ELEMENT_F64:
        return 8;
    case KERNEL_ELEMENT_F16:
    case KERNEL_ELEMENT_BF16:
        return 2;
    case KERNEL_ELEMENT_F32:
        break;
    }
    return 4;
}

void kernel_layout_make(kernel_layout *out, kernel_store store, int lanes, int gates, int cell, int64_t n, int64_t k)
{
    int64_t vectors = (n + lanes - 1) / lanes;
    int per_panel = gates > 1 ? 1 : vectors < MAX_VECTORS ? (int)vectors : MAX_VECTORS;
    if (per_panel < 1)
        per_panel = 1;
    kernel_layout l = {.store = store, .gates = gates, .k = k, .n = n};
    l.units = per_panel * lanes;
    l.width = gates * l.units;
    l.panels = (vectors + per_panel - 1) / per_panel;
    l.padded = vectors * lanes;
    l.last_width = l.panels ? (int)(l.padded * gates - (l.panels - 1) * l.width) : l.width;
    l.cols = cell ? gates * l.padded : n;
    l.bytes = (size_t)l.padded * (size_t)gates * (size_t)k * (store == KERNEL_STORE_F64 ? sizeof(double) : sizeof(float));
    *out = l;
}

static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, magnitude = h & 0x7fffu, bits;
    if (magnitude >= 0x7c00u) {
        bits = 0x7f800000u | (magnitude & 0x3ffu) << 13;
    } else if (magnitude >= 0x400u) {
        bits = (magnitude << 13) + 0x38000000u;
    } else {
        float small = (float)magnitude * 5.9604644775390625e-8f; /* 2^-24, exact and normal */
        memcpy(&bits, &small, sizeof bits);
    }
    bits |= sign;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double fetch(const char *p, kernel_element type)
{
    switch (type) {
    case KERNEL_ELEMENT_F64: {
        double x;
        memcpy(&x, p, sizeof x);
        return x;
    }
    case KERNEL_ELEMENT_F16: {
        uint16_t h;
        memcpy(&h, p, sizeof h);
        return (double)from_f16(h);
    }
    case KERNEL_ELEMENT_BF16: {
        uint16_t h;
        memcpy(&h, p, sizeof h);
        uint32_t bits = (uint32_t)h << 16;
        float x;
        memcpy(&x, &bits, sizeof x);
        return (double)x;
    }
    case KERNEL_ELEMENT_F32:
        break;
    }
    float x;
    memcpy(&x, p, sizeof x);
    return (double)x;
}

/* A panel's gate as a strided matrix of `live` units (the rest of `units` are pads) by k. */
typedef struct block {
    int64_t live;
    int64_t units, width, k;
    int64_t unit_step, k_step; /* bytes */
    int64_t offset;            /* of the first element in the source, bytes */
    int64_t packed;            /* of the first element in the packed data, elements */
} block;

static block block_of(const kernel_layout *l, const kernel_source *s, int64_t panel, int gate)
{
    int64_t size = (int64_t)element_size(s->type), first = panel * l->units;
    int last = panel + 1 == l->panels;
    block b = {.width = last ? l->last_width : l->width, .k = l->k};
    b.units = b.width / l->gates;
    b.live = l->n - first < b.units ? l->n - first : b.units;
    b.unit_step = s->unit_stride * size;
    b.k_step = s->k_stride * size;
    b.offset = ((int64_t)s->gate[gate] * s->gate_stride + first * s->unit_stride) * size;
    b.packed = panel * l->k * l->width + gate * b.units;
    return b;
}

typedef float v4 __attribute__((vector_size(16)));

static v4 load4(const char *p)
{
    v4 v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void store4(float *p, v4 v) { memcpy(p, &v, sizeof v); }

#ifdef __clang__
#define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int i4 __attribute__((vector_size(16)));
#define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (i4){i, j, k, l})
#endif

/* Four units by four k, unit rows contiguous in k. */
static void transpose4(const char *src, int64_t unit_step, float *dst, int64_t width)
{
    v4 a = load4(src), b = load4(src + unit_step), c = load4(src + 2 * unit_step), d = load4(src + 3 * unit_step);
    v4 ab = SHUFFLE(a, b, 0, 4, 1, 5), cd = SHUFFLE(c, d, 0, 4, 1, 5);
    v4 ab2 = SHUFFLE(a, b, 2, 6, 3, 7), cd2 = SHUFFLE(c, d, 2, 6, 3, 7);
    store4(dst, SHUFFLE(ab, cd, 0, 1, 4, 5));
    store4(dst + width, SHUFFLE(ab, cd, 2, 3, 6, 7));
    store4(dst + 2 * width, SHUFFLE(ab2, cd2, 0, 1, 4, 5));
    store4(dst + 3 * width, SHUFFLE(ab2, cd2, 2, 3, 6, 7));
}

/* float to float with k contiguous: blocks of 16 k by 4 units, so that each source line is read once while it is in L1 */
static void pack_rows_f32(const block *b, const char *src, float *dst)
{
    int64_t k4 = b->k - b->k % 4, u4 = b->live - b->live % 4;
    for (int64_t k0 = 0; k0 < k4; k0 += K_BLOCK)
        for (int64_t u = 0; u < u4; u += 4)
            for (int64_t k = k0; k < k4 && k < k0 + K_BLOCK; k += 4)
                transpose4(src + u * b->unit_step + k * 4, b->unit_step, dst + k * b->width + u, b->width);
    for (int64_t k = 0; k < b->k; k++)
        for (int64_t u = k < k4 ? u4 : 0; u < b->live; u++)
            memcpy(dst + k * b->width + u, src + u * b->unit_step + k * 4, sizeof(float));
}

static void pack_any(const block *b, const char *src, kernel_element type, void *dst, kernel_store store)
{
    for (int64_t k = 0; k < b->k; k++)
        for (int64_t u = 0; u < b->live; u++) {
            double x = fetch(src + u * b->unit_step + k * b->k_step, type);
            if (store == KERNEL_STORE_F64)
                ((double *)dst)[k * b->width + u] = x;
            else
                ((float *)dst)[k * b->width + u] = (float)x;
        }
}

static void pack_block(const block *b, const char *src, kernel_element type, char *dst, kernel_store store)
{
    size_t size = store == KERNEL_STORE_F64 ? sizeof(double) : sizeof(float);
    int same = type == (store == KERNEL_STORE_F64 ? KERNEL_ELEMENT_F64 : KERNEL_ELEMENT_F32);
    if (same && b->unit_step == (int64_t)size)
        for (int64_t k = 0; k < b->k; k++)
            memcpy(dst + (size_t)(k * b->width) * size, src + k * b->k_step, (size_t)b->live * size);
    else if (same && store != KERNEL_STORE_F64 && b->k_step == (int64_t)size)
        pack_rows_f32(b, src, (float *)(void *)dst);
    else
        pack_any(b, src, type, dst, store);
    for (int64_t k = 0; b->live < b->units && k < b->k; k++)
        memset(dst + (size_t)(k * b->width + b->live) * size, 0, (size_t)(b->units - b->live) * size);
}

void kernel_pack_panels(const kernel_layout *layout, const kernel_source *from, void *dst, int64_t p0, int64_t p1)
{
    size_t size = layout->store == KERNEL_STORE_F64 ? sizeof(double) : sizeof(float);
    for (int64_t p = p0; p < p1; p++)
        for (int g = 0; g < layout->gates; g++) {
            block b = block_of(layout, from, p, g);
            pack_block(&b, (const char *)from->data + b.offset, from->type, (char *)dst + (size_t)b.packed * size, layout->store);
        }
}

void kernel_unpack_panels(const kernel_layout *layout, const void *src, const kernel_source *to, int64_t p0, int64_t p1)
{
    size_t size = layout->store == KERNEL_STORE_F64 ? sizeof(double) : sizeof(float);
    for (int64_t p = p0; p < p1; p++)
        for (int g = 0; g < layout->gates; g++) {
            block b = block_of(layout, to, p, g);
            char *out = (char *)(uintptr_t)to->data + b.offset;
            const char *in = (const char *)src + (size_t)b.packed * size;
            for (int64_t k = 0; k < b.k; k++)
                for (int64_t u = 0; u < b.live; u++)
                    memcpy(out + u * b.unit_step + k * b.k_step, in + (size_t)(k * b.width + u) * size, size);
        }
}
