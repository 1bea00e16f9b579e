/* ops/select: Where - written once for each element size. */
#include "ops/families.h"
#include "ops/pointwise.h"

#include <string.h>

#define SELECT_LOOP(T) \
    static void select_##T(const void *const *in, void *out, int64_t n, unsigned still, const void *arg) { \
        const uint8_t *c = in[0]; const T *a = in[1], *b = in[2]; T *y = out; \
        const int64_t sc = !(still & 1), sa = !(still & 2), sb = !(still & 4); \
        (void)arg; \
        if (!still) { OP_IVDEP for (int64_t i = 0; i < n; i++) { const T va = a[i], vb = b[i]; y[i] = c[i] ? va : vb; } return; } \
        OP_IVDEP for (int64_t i = 0; i < n; i++) { const T va = a[i * sa], vb = b[i * sb]; y[i] = c[i * sc] ? va : vb; } \
    }
SELECT_LOOP(uint8_t)
SELECT_LOOP(uint16_t)
SELECT_LOOP(uint32_t)
SELECT_LOOP(uint64_t)

typedef struct pair { uint64_t low, high; } pair;
SELECT_LOOP(pair)

static clstm_status infer(op_ctx *c) { return op_infer_broadcast(c, 0, 3, op_in(c, 1)->type); }

static clstm_status prepare(op_ctx *c) {
    op_pointwise *p = op_prepared_alloc(c, sizeof *p);
    if (!p) return util_no_memory(c->err);
    switch (clstm_type_size(op_in(c, 1)->type)) {
    case 1: p->loop = select_uint8_t; break;
    case 2: p->loop = select_uint16_t; break;
    case 4: p->loop = select_uint32_t; break;
    case 8: p->loop = select_uint64_t; break;
    default: p->loop = select_pair; break;
    }
    op_pointwise_layout(p, 3, (const clstm_tensor *const[]){op_in(c, 0), op_in(c, 1), op_in(c, 2)}, op_out(c, 0));
    return CLSTM_OK;
}

const op_desc ops_select[] = {
    {.domain = "", .name = "Where", .since = 9, .inputs = "condition:B X:T Y:T", .outputs = "output:T", .types = "B=bool T=all,complex64,complex128",
     .attrs = "", .infer = infer, .prepare = prepare, .run = op_pointwise_run, .inplace = 6},
    OP_ARRAY_END};
