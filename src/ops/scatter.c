/* ops/scatter: Scatter, ScatterElements, ScatterND: a copy of the data in which elements or slices are replaced by, or joined with,
 * updates. With equal indices the later update wins. */
#include "ops/families.h"
#include "ops/common.h"

#include <stdlib.h>
#include <string.h>

/* y[0..n) joined with u[0..n). */
typedef void join(void *y, const void *u, int64_t n);
typedef enum how { HOW_NONE, HOW_ADD, HOW_MUL, HOW_MAX, HOW_MIN } how;

#define JOIN(name, T, EXPR) \
    static void name(void *to, const void *from, int64_t n) { \
        T *y = to; const T *u = from; \
        for (int64_t i = 0; i < n; i++) { const T a = y[i], b = u[i]; y[i] = (T)(EXPR); } \
    }
#define SIGNED_JOINS(s, T) JOIN(max_##s, T, a < b ? b : a) JOIN(min_##s, T, b < a ? b : a)
#define UNSIGNED_JOINS(s, T) SIGNED_JOINS(s, T) JOIN(add_##s, T, (uint64_t)a + b) JOIN(mul_##s, T, (uint64_t)a * b)
#define REAL_JOINS(s, T) \
    JOIN(max_##s, T, a < b || b != b ? b : a) JOIN(min_##s, T, b < a || b != b ? b : a) JOIN(add_##s, T, a + b) JOIN(mul_##s, T, a * b)
OP_SIGNED(SIGNED_JOINS)
OP_UNSIGNED(UNSIGNED_JOINS)
OP_REALS(REAL_JOINS)
JOIN(or_bool, uint8_t, a | b)
JOIN(and_bool, uint8_t, a & b)

/* Halves are joined in float one by one. */
#define HALF_JOIN(name, f32, widen, narrow) \
    static void name(void *to, const void *from, int64_t n) { \
        uint16_t *y = to; const uint16_t *u = from; \
        for (int64_t i = 0; i < n; i++) { float a = widen(y[i]), b = widen(u[i]); f32(&a, &b, 1); y[i] = narrow(a); } \
    }
#define HALF_JOINS(s, widen, narrow) \
    HALF_JOIN(add_##s, add_f32, widen, narrow) HALF_JOIN(mul_##s, mul_f32, widen, narrow) \
    HALF_JOIN(max_##s, max_f32, widen, narrow) HALF_JOIN(min_##s, min_f32, widen, narrow)
HALF_JOINS(f16, tensor_half_to_float, tensor_float_to_half)
HALF_JOINS(bf16, tensor_bfloat_to_float, tensor_float_to_bfloat)

/* add, mul, max, min for each type. */
static join *const joins[CLSTM_BFLOAT16 + 1][4] = {
    [CLSTM_FLOAT] = {add_f32, mul_f32, max_f32, min_f32}, [CLSTM_DOUBLE] = {add_f64, mul_f64, max_f64, min_f64},
    [CLSTM_FLOAT16] = {add_f16, mul_f16, max_f16, min_f16}, [CLSTM_BFLOAT16] = {add_bf16, mul_bf16, max_bf16, min_bf16},
    [CLSTM_INT8] = {add_u8, mul_u8, max_i8, min_i8}, [CLSTM_INT16] = {add_u16, mul_u16, max_i16, min_i16},
    [CLSTM_INT32] = {add_u32, mul_u32, max_i32, min_i32}, [CLSTM_INT64] = {add_u64, mul_u64, max_i64, min_i64},
    [CLSTM_UINT8] = {add_u8, mul_u8, max_u8, min_u8}, [CLSTM_UINT16] = {add_u16, mul_u16, max_u16, min_u16},
    [CLSTM_UINT32] = {add_u32, mul_u32, max_u32, min_u32}, [CLSTM_UINT64] = {add_u64, mul_u64, max_u64, min_u64},
    [CLSTM_BOOL] = {or_bool, and_bool, or_bool, and_bool},
};

static how how_of(const ir_node *n) {
    const char *word = op_word(n, "reduction", "none");
    return !strcmp(word, "add") ? HOW_ADD : !strcmp(word, "mul") ? HOW_MUL : !strcmp(word, "max") ? HOW_MAX : !strcmp(word, "min") ? HOW_MIN : HOW_NONE;
}
static clstm_status check(ir_node *n, clstm_error *err) { return op_check_word(n, "reduction", n->op->since < 18 ? "none add mul" : "none add mul max min", err); }

/* ScatterND with constant indices knows where everything goes: pieces of neighbouring slices. n_pieces -1: it does not. */
typedef struct piece { int64_t at, count; } piece;      /* in slices */

typedef struct scatter { join *join; int axis; int64_t n_pieces; piece pieces[]; } scatter;

static clstm_status prepare_pieces(op_ctx *c, int64_t pieces) {
    scatter *s = op_prepared_alloc(c, sizeof *s + (size_t)pieces * sizeof(piece));
    how h = how_of(c->node);
    if (!s) return util_no_memory(c->err);
    s->n_pieces = -1;
    if (h != HOW_NONE && !(s->join = joins[op_in(c, 0)->type][h - 1])) return op_unsupported(c, "reduction of type %s", clstm_type_name(op_in(c, 0)->type));
    return CLSTM_OK;
}

static clstm_status prepare(op_ctx *c) { return prepare_pieces(c, 0); }

static clstm_status outside(op_ctx *c, int64_t index, int64_t n) {
    return op_bad_input(c, "index %lld is outside [%lld, %lld]", (long long)index, (long long)-n, (long long)n - 1);
}

static void copy_data(op_ctx *c) {
    size_t bytes;
    if (tensor_bytes(op_in(c, 0), &bytes) && bytes && op_in(c, 0)->data != op_out(c, 0)->data) memcpy(op_out(c, 0)->data, op_in(c, 0)->data, bytes);
}

/* ---- ScatterElements: y[i][index[i][j][k]][k] takes u[i][j][k] ------------------------------------------------------------------------------ */

static clstm_status infer_ScatterElements(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    int axis;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    if (index->rank != x->rank || !tensor_same_shape(index, op_in(c, 2))) return op_bad_model(c, "data, indices and updates do not have matching shapes");
    for (int d = 0; d < x->rank; d++)
        if (d != axis && index->dims[d] > x->dims[d])
            return op_bad_model(c, "indices have %lld entries along axis %d, the data %lld", (long long)index->dims[d], d, (long long)x->dims[d]);
    return op_infer_same(c);
}

static clstm_status run_ScatterElements(op_ctx *c) {
    const scatter *s = c->prepared;
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    size_t size = clstm_type_size(x->type);
    int64_t step[CLSTM_MAX_RANK], at[CLSTM_MAX_RANK] = {0}, base = 0, total = clstm_tensor_count(index), one = 1;
    int axis;
    UTIL_TRY(op_axis(c, x->rank, &axis));
    for (int d = x->rank - 1; d >= 0; d--) { step[d] = one; one *= x->dims[d]; }
    const int64_t along = step[axis], length = x->dims[axis];
    step[axis] = 0;     /* the index says where along the axis */
    copy_data(c);
    const unsigned char *u = op_in(c, 2)->data;
    for (int64_t k = 0; k < total; k++, u += size) {
        int64_t i = op_index(index, k), to = i < 0 ? i + length : i;
        if (to < 0 || to >= length) return outside(c, i, length);
        unsigned char *y = (unsigned char *)op_out(c, 0)->data + (size_t)(base + to * along) * size;
        if (s->join) s->join(y, u, 1);
        else memcpy(y, u, size);
        int d = x->rank - 1;
        base += step[d];
        while (++at[d] == index->dims[d]) {
            base -= step[d] * at[d];
            at[d--] = 0;
            if (d < 0) return CLSTM_OK;
            base += step[d];
        }
    }
    return CLSTM_OK;
}

/* ---- ScatterND: slices named by tuples ---------------------------------------------------------------------------------------------------- */

static clstm_status infer_ScatterND(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1), *u = op_in(c, 2);
    if (x->rank < 1 || index->rank < 1) return op_bad_model(c, "data and indices must have at least one dimension");
    int64_t depth = index->dims[index->rank - 1];
    if (depth < 0 || depth > x->rank) return op_bad_model(c, "index tuples of %lld entries for a tensor of rank %d", (long long)depth, x->rank);
    bool fits = u->rank == index->rank - 1 + x->rank - (int)depth;
    for (int d = 0; fits && d < u->rank; d++) fits = u->dims[d] == (d < index->rank - 1 ? index->dims[d] : x->dims[d - (index->rank - 1) + (int)depth]);
    if (!fits) return op_bad_model(c, "data, indices and updates do not have matching shapes");
    return op_infer_same(c);
}

/* Slice number of a tuple; -1 when an index of it is outside, which *wrong names. */
static int64_t slice_at(const clstm_tensor *x, const int64_t *tuple, int depth, int64_t *wrong) {
    int64_t at = 0;
    for (int d = 0; d < depth; d++) {
        int64_t v = tuple[d], n = x->dims[d], to = v < 0 ? v + n : v;
        if (to < 0 || to >= n) {
            *wrong = d;
            return -1;
        }
        at = at * n + to;
    }
    return at;
}

/* Whether a tuple names the slice behind its predecessor's, one further along the last of its axes, which has n. Most do, and need no
 * more looking at. */
static bool follows(const int64_t *tuple, int depth, int64_t n) {
    if (tuple[depth - 1] < 1 || tuple[depth - 1] >= n || tuple[depth - 1] != tuple[-1] + 1) return false;
    for (int d = 0; d < depth - 1; d++)
        if (tuple[d] != tuple[d - depth]) return false;
    return true;
}

/* Joins the tuples into n pieces, which are the caller's to free; -1 when an index is outside. */
static clstm_status join_tuples(const clstm_tensor *x, const clstm_tensor *index, piece **pieces, int64_t *n, clstm_error *err) {
    int depth = (int)index->dims[index->rank - 1];
    const int64_t *tuple = index->data;
    int64_t tuples = tensor_span(index, 0, index->rank - 1), next = -1, wrong;
    size_t room = 0;
    *pieces = NULL;
    *n = 0;
    for (int64_t t = 0; t < tuples; t++, tuple += depth) {
        int64_t at = t && depth && follows(tuple, depth, x->dims[depth - 1]) ? next : slice_at(x, tuple, depth, &wrong);
        if (at < 0) {
            *n = -1;
            return CLSTM_OK;
        }
        if (at != next) {
            if (!util_grow((void **)pieces, &room, (size_t)*n + 1, sizeof **pieces)) return util_no_memory(err);
            (*pieces)[(*n)++] = (piece){at, 0};
        }
        (*pieces)[*n - 1].count++;
        next = at + 1;
    }
    return CLSTM_OK;
}

/* An index that is outside is an error of the run, not of a plan whose branch may never be taken. */
static clstm_status prepare_ScatterND(op_ctx *c) {
    const void *data;
    piece *pieces;
    int64_t n;
    if (!c->consts[1]) return prepare(c);
    clstm_tensor index = *op_in(c, 1);
    UTIL_TRY(ir_const_data(c->consts[1], &data, c->err));
    index.data = (void *)(uintptr_t)data;
    clstm_status status = join_tuples(op_in(c, 0), &index, &pieces, &n, c->err);
    if (status == CLSTM_OK) status = prepare_pieces(c, n < 0 ? 0 : n);
    if (status == CLSTM_OK) {
        scatter *s = c->prepared;
        s->n_pieces = n;
        if (n > 0) memcpy(s->pieces, pieces, (size_t)n * sizeof *pieces);
    }
    free(pieces);
    return status;
}

static clstm_status run_ScatterND(op_ctx *c) {
    const scatter *s = c->prepared;
    const clstm_tensor *x = op_in(c, 0), *index = op_in(c, 1);
    bool known = s->n_pieces >= 0;
    int depth = (int)index->dims[index->rank - 1];
    int64_t n = known ? s->n_pieces : tensor_span(index, 0, index->rank - 1), block = tensor_span(x, depth, x->rank), wrong = 0;
    size_t bytes = (size_t)block * clstm_type_size(x->type);
    copy_data(c);
    const unsigned char *u = op_in(c, 2)->data;
    const int64_t *tuples = index->data;
    for (int64_t t = 0; t < n && bytes; t++) {
        piece p = {0, 1};
        if (known) p = s->pieces[t];
        else if ((p.at = slice_at(x, tuples + t * depth, depth, &wrong)) < 0) return outside(c, tuples[t * depth + wrong], x->dims[wrong]);
        unsigned char *y = (unsigned char *)op_out(c, 0)->data + (size_t)p.at * bytes;
        if (s->join) s->join(y, u, p.count * block);
        else memcpy(y, u, (size_t)p.count * bytes);
        u += (size_t)p.count * bytes;
    }
    return CLSTM_OK;
}

#define ANY "T=all,complex64,complex128 Tind=int32,int64"
#define ELEMENTS(Op, first, last, attributes) \
    {.domain = "", .name = Op, .since = first, .until = last, .inputs = "data:T indices:Tind updates:T", .outputs = "output:T", .types = ANY, \
     .attrs = attributes, .check = check, .infer = infer_ScatterElements, .prepare = prepare, .run = run_ScatterElements, .inplace = 1}
#define SLICES(first, last, attributes) \
    {.domain = "", .name = "ScatterND", .since = first, .until = last, .inputs = "data:T indices:int64 updates:T", .outputs = "output:T", .types = ANY, \
     .attrs = attributes, .check = check, .infer = infer_ScatterND, .prepare = prepare_ScatterND, .run = run_ScatterND, .inplace = 1}
const op_desc ops_scatter[] = {
    ELEMENTS("Scatter", 9, 10, "axis:i=0"), ELEMENTS("ScatterElements", 11, 15, "axis:i=0"), ELEMENTS("ScatterElements", 16, 17, "axis:i=0 reduction:s=none"),
    ELEMENTS("ScatterElements", 18, 0, "axis:i=0 reduction:s=none"),
    SLICES(11, 15, ""), SLICES(16, 17, "reduction:s=none"), SLICES(18, 0, "reduction:s=none"),
    OP_ARRAY_END};
