/* ops/rotary: RotaryEmbedding: pairs of a head's values turned by an angle that depends on the position.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : RotaryEmbedding */
#include "ops/families.h"
#include "ops/common.h"

#include <string.h>

typedef struct rotary { int64_t batch, heads, length, head, turned; bool flat, interleaved; } rotary;   /* flat: [batch,length,heads*head] */

static clstm_status read_rotary(op_ctx *c, rotary *r) {
    const clstm_tensor *x = op_in(c, 0), *cosine = op_in(c, 1), *sine = op_in(c, 2);
    int64_t heads = op_attr_int(c->node, "num_heads"), turned = op_attr_int(c->node, "rotary_embedding_dim");
    if (x->rank != 3 && x->rank != 4) return op_bad_model(c, "X has rank %d, expected 3 or 4", x->rank);
    r->flat = x->rank == 3;
    r->interleaved = op_attr_int(c->node, "interleaved") != 0;
    if (r->flat && (heads < 1 || x->dims[2] % heads)) return op_bad_model(c, "attribute num_heads is %lld with a hidden size of %lld", (long long)heads, (long long)x->dims[2]);
    r->batch = x->dims[0];
    r->heads = r->flat ? heads : x->dims[1];
    r->length = r->flat ? x->dims[1] : x->dims[2];
    r->head = r->flat ? x->dims[2] / heads : x->dims[3];
    r->turned = turned ? turned : r->head;
    if (r->turned < 0 || r->turned > r->head || r->turned % 2) return op_bad_model(c, "attribute rotary_embedding_dim is %lld for a head of %lld", (long long)turned, (long long)r->head);
    bool placed = op_has_in(c, 3);
    int rank = placed ? 2 : 3;
    if (!tensor_same_shape(cosine, sine) || cosine->rank != rank || cosine->dims[rank - 1] != r->turned / 2 ||
        (!placed && (cosine->dims[0] != r->batch || cosine->dims[1] != r->length)))
        return op_bad_model(c, "the caches do not fit %lld values a head", (long long)r->turned);
    if (placed && (op_in(c, 3)->rank != 2 || op_in(c, 3)->dims[0] != r->batch || op_in(c, 3)->dims[1] != r->length))
        return op_bad_model(c, "position_ids must have the shape [%lld,%lld]", (long long)r->batch, (long long)r->length);
    return CLSTM_OK;
}

static clstm_status infer(op_ctx *c) {
    rotary r;
    UTIL_TRY(read_rotary(c, &r));
    return op_infer_same(c);
}

static void put(clstm_tensor *t, int64_t i, float v) {
    if (t->type == CLSTM_FLOAT) ((float *)t->data)[i] = v;
    else ((uint16_t *)t->data)[i] = t->type == CLSTM_FLOAT16 ? tensor_float_to_half(v) : tensor_float_to_bfloat(v);
}

/* One head at one place: from element `at` on, with row `row` of the caches. */
static void turn(op_ctx *c, const rotary *r, int64_t at, int64_t row) {
    const clstm_tensor *x = op_in(c, 0);
    int64_t half = r->turned / 2;
    for (int64_t k = 0; k < half; k++) {
        int64_t i = at + (r->interleaved ? 2 * k : k), j = at + (r->interleaved ? 2 * k + 1 : k + half);
        float co = (float)tensor_get_double(op_in(c, 1), row * half + k), si = (float)tensor_get_double(op_in(c, 2), row * half + k);
        float a = (float)tensor_get_double(x, i), b = (float)tensor_get_double(x, j);
        put(op_out(c, 0), i, co * a - si * b);
        put(op_out(c, 0), j, si * a + co * b);
    }
    for (int64_t k = r->turned; k < r->head; k++) put(op_out(c, 0), at + k, (float)tensor_get_double(x, at + k));
}

static clstm_status run(op_ctx *c) {
    rotary r;
    UTIL_TRY(read_rotary(c, &r));
    for (int64_t b = 0; b < r.batch; b++)
        for (int64_t t = 0; t < r.length; t++) {
            int64_t row = b * r.length + t;
            if (op_has_in(c, 3)) {
                row = ((const int64_t *)op_in(c, 3)->data)[row];
                if (row < 0 || row >= op_in(c, 1)->dims[0]) return op_bad_input(c, "position %lld is outside %lld", (long long)row, (long long)op_in(c, 1)->dims[0]);
            }
            for (int64_t h = 0; h < r.heads; h++)
                turn(c, &r, (r.flat ? (b * r.length + t) * r.heads + h : (b * r.heads + h) * r.length + t) * r.head, row);
        }
    return CLSTM_OK;
}

const op_desc ops_rotary[] = {
    {.domain = "", .name = "RotaryEmbedding", .since = 23, .inputs = "X:T cos_cache:T sin_cache:T position_ids?:int64", .outputs = "Y:T", .types = "T=float,float16,bfloat16",
     .attrs = "interleaved:i=0 num_heads:i=0 rotary_embedding_dim:i=0", .infer = infer, .run = run},
    OP_ARRAY_END,
};
