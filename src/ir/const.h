/* ir/const: constant tensors, shared by graphs, plans and threads, and the packed forms that kernels read.
 * A constant's bytes may lie in the mapped file while a model loads; before load returns they are packed or copied. Weights are
 * kept once: when every user reads a packed form the raw bytes are dropped, and unpacked again for the rare pass that asks. */
#ifndef IR_CONST_H
#define IR_CONST_H

#include <clstm/clstm.h>
#include <stdatomic.h>
#include <pthread.h>

typedef struct ir_const ir_const;
typedef struct ir_pack ir_pack;

struct ir_pack {
    ir_pack *next;
    uint64_t format;                        /* which packing: chosen by its maker, unique per layout and ISA */
    void *data;                             /* util_aligned_alloc */
    size_t bytes;
    /* Writes the raw elements (shape of the constant) back to out->data; NULL when the packing loses something. */
    void (*unpack)(const ir_pack *pack, clstm_tensor *out);
    int64_t param[8];                       /* the maker's own facts */
    bool read;                              /* somebody may hold `data` */
};

struct ir_const {
    _Atomic int refs;
    clstm_tensor tensor;                    /* data NULL when only packs remain; use ir_const_data */
    bool owned;                             /* data came from util_aligned_alloc, not from a mapping */
    ir_const *base;                         /* whose bytes these are, in another shape; NULL: no other's */
    bool lent;                              /* its bytes are another's too: they stay until it dies */
    bool askew;                             /* borrowed at no multiple of the element's size: only who packs may read in place */
    bool locked;                            /* in memory, by ir_const_lock */
    bool plain;                             /* read as they are, by ir_const_plain */
    pthread_mutex_t lock;                   /* guards data and packs */
    ir_pack *packs;
};

/* A constant that owns a copy of (or, with data NULL, room for) t's elements. */
clstm_status ir_const_new(const clstm_tensor *t, ir_const **out, clstm_error *err);
/* A constant that borrows t->data; ir_const_own() must come before the bytes go away. */
clstm_status ir_const_borrow(const clstm_tensor *t, ir_const **out, clstm_error *err);
/* A constant of t's shape whose elements are all of base's, which has some of its own or shares them itself. For loading, by one thread. */
clstm_status ir_const_share(ir_const *base, const clstm_tensor *t, ir_const **out, clstm_error *err);
ir_const *ir_const_ref(ir_const *c);
void ir_const_unref(ir_const *c);
/* Makes borrowed bytes its own by copying. */
clstm_status ir_const_own(ir_const *c, clstm_error *err);
/* Forgets the raw bytes; only when a pack with `unpack` stands. Returns whether it did. */
bool ir_const_drop(ir_const *c);
/* The raw elements, unpacked again if they were dropped. Sets *data; it stays valid as long as the constant. Thread-safe. */
clstm_status ir_const_data(ir_const *c, const void **data, clstm_error *err);
/* The raw elements if they stand, and not askew, else NULL. Thread-safe. */
const void *ir_const_peek(ir_const *c);
/* One constant, or two of the same bytes: exporters copy weights apart (a Transpose for each step, say). */
bool ir_const_equal(ir_const *a, ir_const *b);
/* Finds the pack of `format` or has `make` build it (make fills data, bytes, unpack, param; raw->data may be askew). Thread-safe. */
clstm_status ir_const_pack(ir_const *c, uint64_t format, clstm_status (*make)(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err),
                           void *arg, const ir_pack **out, clstm_error *err);
/* The same before anybody reads it: such a pack may be taken back. Nothing once the elements are read as they are. Sets *stands to whether
 * a pack of `format` is there that can be unpacked. */
clstm_status ir_const_prepack(ir_const *c, uint64_t format, clstm_status (*make)(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err),
                              void *arg, bool *stands, clstm_error *err);
/* ir_const_data for who reads the elements as they are from now on: a pack of `format` that nobody reads is forgotten. Thread-safe. */
clstm_status ir_const_plain(ir_const *c, uint64_t format, const void **data, clstm_error *err);

/* Forgets a pack of `format` that nobody reads, where the elements stand in another form as well. Thread-safe. */
void ir_const_forget(ir_const *c, uint64_t format);

/* Keeps what stands of it, raw and packed, in memory (util_lock) until it dies. Thread-safe. */
clstm_status ir_const_lock(ir_const *c, clstm_error *err);

#endif
