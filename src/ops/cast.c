/* ops/cast: Cast, CastLike and BitCast. Elements go a chunk at a time through a wide form that holds every value of the source
 * exactly (double, int64 or uint64) and are rounded or wrapped once on the way out: 13 loads and 3 x 13 stores, not 169 loops.
 * Floating point to integer truncates; what does not fit is undefined in the standard: here it saturates, and NaN gives 0. */
#include "ops/families.h"
#include "ops/common.h"

#include <string.h>

typedef enum wide { WIDE_F64, WIDE_I64, WIDE_U64 } wide;
enum { CHUNK = 256 };
typedef union chunk { double f[CHUNK]; int64_t i[CHUNK]; uint64_t u[CHUNK]; } chunk;

static wide wide_of(clstm_type t) { return type_is_float(t) ? WIDE_F64 : t == CLSTM_UINT64 ? WIDE_U64 : WIDE_I64; }

#define LOAD(CASE, T, FIELD, WIDE_T, EXPR) \
    case CASE: { const T *x = from; for (int64_t k = 0; k < n; k++) { w->FIELD[k] = (WIDE_T)(EXPR); } break; }
static void load(clstm_type type, const void *from, chunk *w, int64_t n) {
    switch (type) {
    LOAD(CLSTM_FLOAT, float, f, double, x[k])
    LOAD(CLSTM_DOUBLE, double, f, double, x[k])
    LOAD(CLSTM_FLOAT16, uint16_t, f, double, tensor_half_to_float(x[k]))
    LOAD(CLSTM_BFLOAT16, uint16_t, f, double, tensor_bfloat_to_float(x[k]))
    LOAD(CLSTM_BOOL, uint8_t, i, int64_t, x[k] != 0)
    LOAD(CLSTM_INT8, int8_t, i, int64_t, x[k])
    LOAD(CLSTM_INT16, int16_t, i, int64_t, x[k])
    LOAD(CLSTM_INT32, int32_t, i, int64_t, x[k])
    LOAD(CLSTM_INT64, int64_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT8, uint8_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT16, uint16_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT32, uint32_t, i, int64_t, x[k])
    LOAD(CLSTM_UINT64, uint64_t, u, uint64_t, x[k])
    default: break;
    }
}

#define STORE(CASE, T, EXPR) \
    case CASE: { T *y = to; for (int64_t k = 0; k < n; k++) { y[k] = (T)(EXPR); } break; }
/* low and high are exact in double and just inside the type's range */
#define SATURATE(v, low, high) ((v) != (v) ? 0 : (v) <= (low) ? (low) : (v) >= (high) ? (high) : (v))
static void store_f64(clstm_type type, const chunk *w, void *to, int64_t n) {
    const double *v = w->f;
    switch (type) {
    STORE(CLSTM_FLOAT, float, v[k])
    STORE(CLSTM_DOUBLE, double, v[k])
    STORE(CLSTM_FLOAT16, uint16_t, tensor_double_to_half(v[k]))
    STORE(CLSTM_BFLOAT16, uint16_t, tensor_double_to_bfloat(v[k]))
    STORE(CLSTM_BOOL, uint8_t, v[k] != 0)
    STORE(CLSTM_INT8, int8_t, SATURATE(v[k], -128.0, 127.0))
    STORE(CLSTM_INT16, int16_t, SATURATE(v[k], -32768.0, 32767.0))
    STORE(CLSTM_INT32, int32_t, SATURATE(v[k], -2147483648.0, 2147483647.0))
    STORE(CLSTM_INT64, int64_t, v[k] >= 0x1p63 ? INT64_MAX : (int64_t)SATURATE(v[k], -0x1p63, 0x1.fffffffffffffp62))
    STORE(CLSTM_UINT8, uint8_t, SATURATE(v[k], 0.0, 255.0))
    STORE(CLSTM_UINT16, uint16_t, SATURATE(v[k], 0.0, 65535.0))
    STORE(CLSTM_UINT32, uint32_t, SATURATE(v[k], 0.0, 4294967295.0))
    STORE(CLSTM_UINT64, uint64_t, v[k] >= 0x1p64 ? UINT64_MAX : (uint64_t)SATURATE(v[k], 0.0, 0x1.fffffffffffffp63))
    default: break;
    }
}

/* A double that rounds to 16 bits as the integer itself would: what falls off its 53 bits stays as a sticky bit. */
static inline double sticky(uint64_t magnitude, bool negative) {
    if (magnitude >> 53) magnitude = (magnitude & ~UINT64_C(0x7ff)) | ((magnitude & 0x7ff) != 0 ? UINT64_C(0x800) : 0);
    return negative ? -(double)magnitude : (double)magnitude;
}

#define STORE_INTEGERS(v, NEGATIVE, MAGNITUDE) \
    STORE(CLSTM_FLOAT, float, v[k]) \
    STORE(CLSTM_DOUBLE, double, v[k]) \
    STORE(CLSTM_FLOAT16, uint16_t, tensor_double_to_half(sticky(MAGNITUDE, NEGATIVE))) \
    STORE(CLSTM_BFLOAT16, uint16_t, tensor_double_to_bfloat(sticky(MAGNITUDE, NEGATIVE))) \
    STORE(CLSTM_BOOL, uint8_t, v[k] != 0) \
    STORE(CLSTM_INT8, int8_t, v[k]) \
    STORE(CLSTM_INT16, int16_t, v[k]) \
    STORE(CLSTM_INT32, int32_t, v[k]) \
    STORE(CLSTM_INT64, int64_t, v[k]) \
    STORE(CLSTM_UINT8, uint8_t, v[k]) \
    STORE(CLSTM_UINT16, uint16_t, v[k]) \
    STORE(CLSTM_UINT32, uint32_t, v[k]) \
    STORE(CLSTM_UINT64, uint64_t, v[k]) \
    default: break;
static void store_i64(clstm_type type, const chunk *w, void *to, int64_t n) {
    const int64_t *v = w->i;
    switch (type) { STORE_INTEGERS(v, v[k] < 0, v[k] < 0 ? 0 - (uint64_t)v[k] : (uint64_t)v[k]) }
}
static void store_u64(clstm_type type, const chunk *w, void *to, int64_t n) {
    const uint64_t *v = w->u;
    switch (type) { STORE_INTEGERS(v, false, v[k]) }
}

static clstm_status run(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    clstm_tensor *y = op_out(c, 0);
    int64_t n = clstm_tensor_count(x);
    size_t sx = clstm_type_size(x->type), sy = clstm_type_size(y->type);
    if (x->type == y->type) { if (n && x->data != y->data) memcpy(y->data, x->data, (size_t)n * sx); return CLSTM_OK; }
    if (x->type == CLSTM_INT64 && y->type == CLSTM_FLOAT) {
        for (int64_t i = 0; i < n; i++) ((float *)y->data)[i] = (float)((const int64_t *)x->data)[i];
        return CLSTM_OK;
    }
    chunk w;
    wide kind = wide_of(x->type);
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t m = n - i < CHUNK ? n - i : CHUNK;
        void *to = (unsigned char *)y->data + (size_t)i * sy;
        load(x->type, (const unsigned char *)x->data + (size_t)i * sx, &w, m);
        if (kind == WIDE_F64) store_f64(y->type, &w, to, m);
        else if (kind == WIDE_I64) store_i64(y->type, &w, to, m);
        else store_u64(y->type, &w, to, m);
    }
    return CLSTM_OK;
}

static bool castable(int64_t t) {
    return t > 0 && t <= CLSTM_BFLOAT16 && (type_is_float((clstm_type)t) || type_is_integer((clstm_type)t) || t == CLSTM_BOOL);
}

static clstm_status check_to(ir_node *n, clstm_error *err) {
    int64_t to = op_attr_int(n, "to");
    if (castable(to)) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "attribute to is %lld, a type that is not supported", (long long)to);
}
/* Opset 1 to 5 write the type's name. */
static clstm_type named_type(const ir_node *n) {
    const char *word = op_word(n, "to", "");
    for (int t = 1; t <= CLSTM_BFLOAT16; t++) {
        const char *name = clstm_type_name((clstm_type)t);
        size_t i = 0;
        while (name[i] && (word[i] == name[i] || (word[i] >= 'A' && word[i] <= 'Z' && word[i] + ('a' - 'A') == name[i]))) i++;
        if (!name[i] && !word[i]) return (clstm_type)t;
    }
    return CLSTM_TYPE_NONE;
}
static clstm_status check_name(ir_node *n, clstm_error *err) {
    char text[64];
    if (castable(named_type(n))) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "attribute to is \"%s\", a type that is not supported", util_escape(text, sizeof text, op_word(n, "to", "")));
}

static clstm_status infer_type(op_ctx *c, clstm_type type) { return op_set_out(c, 0, type, op_in(c, 0)->rank, op_in(c, 0)->dims); }
static clstm_status infer_to(op_ctx *c) { return infer_type(c, (clstm_type)op_attr_int(c->node, "to")); }
static clstm_status infer_name(op_ctx *c) { return infer_type(c, named_type(c->node)); }
static clstm_status infer_like(op_ctx *c) { return infer_type(c, op_in(c, 1)->type); }

static bool view_same(op_ctx *c, int out, int *in, size_t *offset) {
    (void)out;
    *in = 0;
    *offset = 0;
    return op_in(c, 0)->type == op_out(c, 0)->type;
}

/* ---- BitCast: the same bytes read as another type of the same size --------------------------------------------------------------- */

static clstm_status infer_bits(op_ctx *c) {
    UTIL_TRY(infer_to(c));
    if (clstm_type_size(op_in(c, 0)->type) == clstm_type_size((clstm_type)op_attr_int(c->node, "to"))) return CLSTM_OK;
    return op_bad_model(c, "types %s and %s differ in size", clstm_type_name(op_in(c, 0)->type), clstm_type_name((clstm_type)op_attr_int(c->node, "to")));
}
static clstm_status run_bits(op_ctx *c) {
    size_t bytes;
    if (tensor_bytes(op_in(c, 0), &bytes) && bytes && op_in(c, 0)->data != op_out(c, 0)->data) memcpy(op_out(c, 0)->data, op_in(c, 0)->data, bytes);
    return CLSTM_OK;
}
static bool view_bits(op_ctx *c, int out, int *in, size_t *offset) {
    (void)c;
    (void)out;
    *in = 0;
    *offset = 0;
    return true;
}

/* saturate and round_mode speak of 8-bit floats only, which are refused. */
#define ROW(Op, first, last, in, attributes, checked, how, looks) \
    {.domain = "", .name = Op, .since = first, .until = last, .inputs = in, .outputs = "output:T2", .types = "T1=all T2=all", \
     .attrs = attributes, .check = checked, .infer = how, .run = run, .view = looks, .inplace = 1}
const op_desc ops_cast[] = {
    ROW("Cast", 1, 5, "input:T1", "to:s!", check_name, infer_name, view_same), ROW("Cast", 6, 18, "input:T1", "to:i!", check_to, infer_to, view_same),
    ROW("Cast", 19, 23, "input:T1", "to:i! saturate:i=1", check_to, infer_to, view_same),
    ROW("Cast", 24, 0, "input:T1", "to:i! saturate:i=1 round_mode:s=up", check_to, infer_to, view_same),
    ROW("CastLike", 15, 18, "input:T1 target_type:T2", "", NULL, infer_like, view_same),
    ROW("CastLike", 19, 23, "input:T1 target_type:T2", "saturate:i=1", NULL, infer_like, view_same),
    ROW("CastLike", 24, 0, "input:T1 target_type:T2", "saturate:i=1 round_mode:s=up", NULL, infer_like, view_same),
    {.domain = "", .name = "BitCast", .since = 26, .inputs = "input:T1", .outputs = "output:T2", .types = "T1=all", .attrs = "to:i!",
     .check = check_to, .infer = infer_bits, .run = run_bits, .view = view_bits, .inplace = 1},
    OP_ARRAY_END};
