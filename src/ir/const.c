/* ir/const: counted constants and their packed forms. */
#include "ir/const.h"

#include "tensor/tensor.h"
#include "util/alloc.h"
#include "util/resident.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

static clstm_status make(const clstm_tensor *t, ir_const **out, clstm_error *err) {
    ir_const *c = util_calloc(1, sizeof *c);
    if (!c) return util_no_memory(err);
    if (pthread_mutex_init(&c->lock, NULL)) { free(c); return util_no_memory(err); }
    atomic_init(&c->refs, 1);
    c->tensor = *t;
    *out = c;
    return CLSTM_OK;
}

/* Complex elements are read as two numbers. */
static bool is_askew(const clstm_tensor *t) {
    size_t unit = clstm_type_size(t->type);
    if (t->type == CLSTM_COMPLEX64 || t->type == CLSTM_COMPLEX128) unit /= 2;
    return unit && (uintptr_t)t->data % unit != 0;
}

clstm_status ir_const_new(const clstm_tensor *t, ir_const **out, clstm_error *err) {
    size_t bytes;
    if (!tensor_bytes(t, &bytes)) return util_fail(err, CLSTM_UNSUPPORTED, "a constant of type %s has no fixed size", clstm_type_name(t->type));
    ir_const *c;
    UTIL_TRY(make(t, &c, err));
    c->tensor.data = util_aligned_alloc(bytes);
    if (!c->tensor.data) { ir_const_unref(c); return util_no_memory(err); }
    if (t->data) memcpy(c->tensor.data, t->data, bytes);
    c->owned = true;
    *out = c;
    return CLSTM_OK;
}

ir_const *ir_const_ref(ir_const *c) {
    if (c) atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void ir_const_unref(ir_const *c) {
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1) return;
    size_t bytes;
    if (c->locked && (c->owned || c->base) && tensor_bytes(&c->tensor, &bytes)) util_unlock(c->tensor.data, bytes);
    while (c->packs) {
        ir_pack *next = c->packs->next;
        if (c->locked) util_unlock(c->packs->data, c->packs->bytes);
        util_aligned_free(c->packs->data);
        free(c->packs);
        c->packs = next;
    }
    if (c->owned) util_aligned_free(c->tensor.data);
    ir_const_unref(c->base);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

clstm_status ir_const_own(ir_const *c, clstm_error *err) {
    size_t bytes;
    if (c->owned || c->base || !c->tensor.data) return CLSTM_OK;
    if (!tensor_bytes(&c->tensor, &bytes)) return util_fail(err, CLSTM_INTERNAL, "a constant without a size");
    void *p = util_aligned_alloc(bytes);
    if (!p) return util_no_memory(err);
    memcpy(p, c->tensor.data, bytes);
    c->tensor.data = p;
    c->owned = true;
    c->askew = false;
    return CLSTM_OK;
}

clstm_status ir_const_borrow(const clstm_tensor *t, ir_const **out, clstm_error *err) {
    enum { WEIGHTS = 16384 };    /* passes look into what is smaller: it gets a place of its own */
    size_t bytes;
    ir_const *c;
    UTIL_TRY(make(t, &c, err));
    c->askew = is_askew(t);
    bool stays = !c->askew || (tensor_bytes(t, &bytes) && bytes >= WEIGHTS);
    clstm_status s = stays ? CLSTM_OK : ir_const_own(c, err);
    if (s == CLSTM_OK) *out = c;
    else ir_const_unref(c);
    return s;
}

clstm_status ir_const_share(ir_const *base, const clstm_tensor *t, ir_const **out, clstm_error *err) {
    if (base->base) base = base->base;
    UTIL_TRY(make(t, out, err));
    (*out)->tensor.data = base->tensor.data;
    (*out)->base = ir_const_ref(base);
    base->lent = true;
    return CLSTM_OK;
}

static void forget_elements(ir_const *c) {
    if (c->owned) util_aligned_free(c->tensor.data);
    c->tensor.data = NULL;
    c->owned = c->askew = false;
}

bool ir_const_drop(ir_const *c) {
    bool can = false;
    pthread_mutex_lock(&c->lock);
    for (const ir_pack *p = c->packs; p && !c->lent; p = p->next) can |= p->unpack != NULL;
    if (can && c->tensor.data) {
        ir_const_unref(c->base);
        c->base = NULL;
        forget_elements(c);
    }
    pthread_mutex_unlock(&c->lock);
    return can;
}

/* With the lock held: raw bytes in c->tensor.data. */
static clstm_status materialise(ir_const *c, clstm_error *err) {
    size_t bytes;
    if (c->tensor.data) return CLSTM_OK;
    const ir_pack *p = c->packs;
    while (p && !p->unpack) p = p->next;
    if (!p || !tensor_bytes(&c->tensor, &bytes)) return util_fail(err, CLSTM_INTERNAL, "a constant without elements");
    clstm_tensor t = c->tensor;
    t.data = util_aligned_alloc(bytes);
    if (!t.data) return util_no_memory(err);
    p->unpack(p, &t);
    c->tensor.data = t.data;
    c->owned = true;
    return CLSTM_OK;
}

clstm_status ir_const_data(ir_const *c, const void **data, clstm_error *err) {
    pthread_mutex_lock(&c->lock);
    clstm_status s = c->askew ? ir_const_own(c, err) : materialise(c, err);
    *data = c->tensor.data;
    pthread_mutex_unlock(&c->lock);
    return s;
}

const void *ir_const_peek(ir_const *c) {
    pthread_mutex_lock(&c->lock);
    const void *data = c->askew ? NULL : c->tensor.data;
    pthread_mutex_unlock(&c->lock);
    return data;
}

bool ir_const_equal(ir_const *a, ir_const *b) {
    const void *da, *db;
    size_t bytes;
    if (a == b) return true;
    return a && b && a->tensor.type == b->tensor.type && tensor_same_shape(&a->tensor, &b->tensor) && tensor_bytes(&a->tensor, &bytes) &&
           ir_const_data(a, &da, NULL) == CLSTM_OK && ir_const_data(b, &db, NULL) == CLSTM_OK && !memcmp(da, db, bytes);
}

typedef clstm_status (*pack_maker)(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err);

/* With the lock held. */
static ir_pack *find_pack(const ir_const *c, uint64_t format) {
    ir_pack *p = c->packs;
    while (p && p->format != format) p = p->next;
    return p;
}

/* With the lock held: NULL when it fails. What is unpacked to pack it anew goes again. */
static clstm_status find_or_make(ir_const *c, uint64_t format, pack_maker make_pack, void *arg, ir_pack **out, clstm_error *err) {
    clstm_status s = CLSTM_OK;
    ir_pack *p = find_pack(c, format);
    if (!p) {
        const bool stood = c->tensor.data != NULL;
        p = util_calloc(1, sizeof *p);
        s = p ? materialise(c, err) : util_no_memory(err);
        if (s == CLSTM_OK) { p->format = format; s = make_pack(arg, &c->tensor, p, err); }
        if (s == CLSTM_OK) { p->next = c->packs; c->packs = p; }
        else { if (p) util_aligned_free(p->data); free(p); p = NULL; }
        if (!stood && c->tensor.data) forget_elements(c);
    }
    *out = p;
    return s;
}

clstm_status ir_const_pack(ir_const *c, uint64_t format, pack_maker make_pack, void *arg, const ir_pack **out, clstm_error *err) {
    ir_pack *p;
    pthread_mutex_lock(&c->lock);
    clstm_status s = find_or_make(c, format, make_pack, arg, &p, err);
    if (p) p->read = true;
    pthread_mutex_unlock(&c->lock);
    *out = p;
    return s;
}

clstm_status ir_const_prepack(ir_const *c, uint64_t format, pack_maker make_pack, void *arg, bool *stands, clstm_error *err) {
    ir_pack *p = NULL;
    pthread_mutex_lock(&c->lock);
    clstm_status s = c->plain ? CLSTM_OK : find_or_make(c, format, make_pack, arg, &p, err);
    *stands = p && p->unpack;
    pthread_mutex_unlock(&c->lock);
    return s;
}

clstm_status ir_const_plain(ir_const *c, uint64_t format, const void **data, clstm_error *err) {
    UTIL_TRY(ir_const_data(c, data, err));
    pthread_mutex_lock(&c->lock);
    c->plain = true;
    pthread_mutex_unlock(&c->lock);
    ir_const_forget(c, format);
    return CLSTM_OK;
}

void ir_const_forget(ir_const *c, uint64_t format) {
    pthread_mutex_lock(&c->lock);
    bool stands = c->tensor.data != NULL;
    for (const ir_pack *p = c->packs; p; p = p->next) stands |= p->unpack && p->format != format;
    ir_pack **at = &c->packs;
    while (*at && ((*at)->format != format || (*at)->read)) at = &(*at)->next;
    ir_pack *spare = *at;
    if (spare && stands) {
        *at = spare->next;
        if (c->locked) util_unlock(spare->data, spare->bytes);
        util_aligned_free(spare->data);
        free(spare);
    }
    pthread_mutex_unlock(&c->lock);
}

clstm_status ir_const_lock(ir_const *c, clstm_error *err) {
    size_t bytes;
    pthread_mutex_lock(&c->lock);
    clstm_status s = c->tensor.data && tensor_bytes(&c->tensor, &bytes) ? util_lock(c->tensor.data, bytes, err) : CLSTM_OK;
    for (const ir_pack *p = c->packs; p && s == CLSTM_OK; p = p->next) s = util_lock(p->data, p->bytes, err);
    c->locked = true;
    pthread_mutex_unlock(&c->lock);
    return s;
}
