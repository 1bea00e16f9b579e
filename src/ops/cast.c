/* ops/cast: Cast, CastLike and BitCast. Elements go a chunk at a time through their wide form and are rounded or wrapped once on
 * the way out. Floating point to integer truncates; what does not fit is undefined in the standard: here it saturates, and NaN gives 0. */
#include "ops/families.h"
#include "ops/wide.h"

#include <string.h>

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
    op_chunk w;
    for (int64_t i = 0; i < n; i += OP_CHUNK) {
        int64_t m = n - i < OP_CHUNK ? n - i : OP_CHUNK;
        op_wide_load(x->type, (const unsigned char *)x->data + (size_t)i * sx, &w, m);
        op_wide_store(op_wide_of(x->type), y->type, &w, (unsigned char *)y->data + (size_t)i * sy, m);
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
    {.domain = "", .name = "BitCast", .since = 26, .inputs = "input:T1", .outputs = "output:T2", .types = "T1=all T2=all", .attrs = "to:i!",
     .check = check_to, .infer = infer_bits, .run = run_bits, .view = view_bits, .inplace = 1},
    OP_ARRAY_END};
