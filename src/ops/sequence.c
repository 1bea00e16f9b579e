/* ops/sequence: sequences of tensors, and optionals. They are made at run time only; their memory is the step's own.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : Sequence*, SplitToSequence, ConcatFromSequence, Optional* */
#include "ops/common.h"

#include <stdlib.h>
#include <string.h>

static clstm_status infer_nothing(op_ctx *ctx) { (void)ctx; return OP_DEFER; }

static clstm_status copy_item(op_ctx *ctx, clstm_value *sequence, size_t k, const clstm_value *from) {
    return op_value_copy(&sequence->items[k], from, ctx->err);
}

/* Position in [-n, n + extra) made non-negative. */
static clstm_status position(op_ctx *ctx, int input, size_t n, int extra, size_t *out) {
    int64_t at;
    UTIL_TRY(op_input_int(ctx, input, &at));
    int64_t size = (int64_t)n;
    if (at < -size || at >= size + extra) return op_bad_input(ctx, "position %lld is outside a sequence of %zu", (long long)at, n);
    *out = (size_t)(at < 0 ? at + size : at);
    return CLSTM_OK;
}

static clstm_status check_item(op_ctx *ctx, const clstm_value *seq, clstm_type type) {
    if (seq->tensor.type != CLSTM_TYPE_NONE && seq->tensor.type != type)
        return op_bad_input(ctx, "a tensor of type %s in a sequence of %s", clstm_type_name(type), clstm_type_name(seq->tensor.type));
    return CLSTM_OK;
}

static clstm_status check_empty(ir_node *n, clstm_error *err) {
    int64_t t = op_attr_int(n, "dtype");
    return t > 0 && t <= CLSTM_BFLOAT16 && clstm_type_size((clstm_type)t) ? CLSTM_OK : util_fail(err, CLSTM_UNSUPPORTED, "attribute dtype is %lld", (long long)t);
}
static clstm_status run_empty(op_ctx *ctx) { return op_output_sequence(ctx, 0, (clstm_type)op_attr_int(ctx->node, "dtype"), 0); }

static clstm_status run_construct(op_ctx *ctx) {
    UTIL_TRY(op_output_sequence(ctx, 0, op_in(ctx, 0)->type, (size_t)ctx->n_in));
    for (int i = 0; i < ctx->n_in; i++) UTIL_TRY(copy_item(ctx, ctx->out[0], (size_t)i, ctx->in[i]));
    return CLSTM_OK;
}

static clstm_status run_insert(op_ctx *ctx) {
    const clstm_value *s = ctx->in[0];
    size_t at = s->count;
    UTIL_TRY(check_item(ctx, s, op_in(ctx, 1)->type));
    if (op_has_in(ctx, 2)) UTIL_TRY(position(ctx, 2, s->count, 1, &at));
    UTIL_TRY(op_output_sequence(ctx, 0, op_in(ctx, 1)->type, s->count + 1));
    for (size_t k = 0; k <= s->count; k++)
        UTIL_TRY(copy_item(ctx, ctx->out[0], k, k == at ? ctx->in[1] : &s->items[k < at ? k : k - 1]));
    return CLSTM_OK;
}

static clstm_status run_erase(op_ctx *ctx) {
    const clstm_value *s = ctx->in[0];
    size_t at = s->count - 1;
    if (!s->count) return op_bad_input(ctx, "the sequence is empty");
    if (op_has_in(ctx, 1)) UTIL_TRY(position(ctx, 1, s->count, 0, &at));
    UTIL_TRY(op_output_sequence(ctx, 0, s->tensor.type, s->count - 1));
    for (size_t k = 0; k + 1 < s->count; k++) UTIL_TRY(copy_item(ctx, ctx->out[0], k, &s->items[k < at ? k : k + 1]));
    return CLSTM_OK;
}

static clstm_status run_at(op_ctx *ctx) {
    size_t at = 0;
    UTIL_TRY(position(ctx, 1, ctx->in[0]->count, 0, &at));
    op_value_clear(ctx->out[0]);
    return op_value_copy(ctx->out[0], &ctx->in[0]->items[at], ctx->err);
}

static clstm_status run_length(op_ctx *ctx) {
    UTIL_TRY(op_output_tensor(ctx, 0, CLSTM_INT64, 0, NULL));
    *(int64_t *)op_out(ctx, 0)->data = (int64_t)ctx->in[0]->count;
    return CLSTM_OK;
}

/* ---- SplitToSequence, ConcatFromSequence ----------------------------------------------------------------------------------------------- */

/* Copies `length` of x from `from` along `axis` into item k; keep: the axis stays. */
static clstm_status take_part(op_ctx *ctx, size_t k, const clstm_tensor *x, int axis, int64_t from, int64_t length, bool keep) {
    int64_t dims[CLSTM_MAX_RANK];
    int rank = 0;
    for (int d = 0; d < x->rank; d++)
        if (d != axis) dims[rank++] = x->dims[d];
        else if (keep) dims[rank++] = length;
    UTIL_TRY(op_sequence_item(ctx, ctx->out[0], k, x->type, rank, dims));
    int64_t outer = tensor_span(x, 0, axis), inner = tensor_span(x, axis + 1, x->rank);
    size_t unit = (size_t)inner * clstm_type_size(x->type), chunk = unit * (size_t)length;
    unsigned char *to = ctx->out[0]->items[k].tensor.data;
    for (int64_t o = 0; o < outer && chunk; o++)
        memcpy(to + (size_t)o * chunk, (const unsigned char *)x->data + (size_t)(o * x->dims[axis] + from) * unit, chunk);
    return CLSTM_OK;
}

static clstm_status run_split(op_ctx *ctx) {
    const clstm_tensor *x = op_in(ctx, 0), *split = op_has_in(ctx, 1) ? op_in(ctx, 1) : NULL;
    bool keep = split || op_attr_int(ctx->node, "keepdims") != 0;
    int axis;
    if (!x->rank) return op_bad_input(ctx, "a scalar cannot be split");
    UTIL_TRY(op_axis(ctx, x->rank, &axis));
    int64_t size = x->dims[axis], even = split ? (split->rank ? 0 : tensor_get_int(split, 0)) : 1, parts;
    if (split && split->rank > 1) return op_bad_input(ctx, "split has rank %d", split->rank);
    if (split && !split->rank && even < 1) return op_bad_input(ctx, "split is %lld", (long long)even);
    parts = even ? (size + even - 1) / even : clstm_tensor_count(split);
    if (!even) {
        int64_t sum = 0;
        for (int64_t k = 0; k < parts; k++)
            if (!util_add(sum, tensor_get_int(split, k), &sum)) return op_bad_input(ctx, "split[%lld] is %lld", (long long)k, (long long)tensor_get_int(split, k));
        if (sum != size) return op_bad_input(ctx, "the parts sum to %lld, the axis has %lld", (long long)sum, (long long)size);
    }
    UTIL_TRY(op_output_sequence(ctx, 0, x->type, (size_t)parts));
    for (int64_t k = 0, from = 0; k < parts; k++) {
        int64_t length = even ? (size - from < even ? size - from : even) : tensor_get_int(split, k);
        UTIL_TRY(take_part(ctx, (size_t)k, x, axis, from, length, keep));
        from += length;
    }
    return CLSTM_OK;
}

static clstm_status run_concat(op_ctx *ctx) {
    const clstm_value *s = ctx->in[0];
    bool stack = op_attr_int(ctx->node, "new_axis") != 0;
    if (!s->count) return op_bad_input(ctx, "the sequence is empty");
    const clstm_tensor *first = &s->items[0].tensor;
    int rank = first->rank + stack, axis;
    if (rank > CLSTM_MAX_RANK) return op_unsupported(ctx, "a result of rank %d", rank);
    UTIL_TRY(op_axis(ctx, rank, &axis));
    int64_t dims[CLSTM_MAX_RANK], total = 0;
    for (size_t k = 0; k < s->count; k++) {
        const clstm_tensor *t = &s->items[k].tensor;
        if (t->rank != first->rank || t->type != first->type) return op_bad_input(ctx, "item %zu differs in rank or type", k);
        for (int d = 0; d < t->rank; d++)
            if (t->dims[d] != first->dims[d] && (stack || d != axis)) return op_bad_input(ctx, "item %zu differs in dimension %d", k, d);
        if (!util_add(total, stack ? 1 : t->dims[axis], &total)) return op_bad_input(ctx, "the result is too large");
    }
    for (int d = 0; d < rank; d++) dims[d] = d == axis ? total : first->dims[stack && d > axis ? d - 1 : d];
    UTIL_TRY(op_output_tensor(ctx, 0, first->type, rank, dims));
    int64_t outer = tensor_span(op_out(ctx, 0), 0, axis), inner = tensor_span(op_out(ctx, 0), axis + 1, rank);
    size_t unit = (size_t)inner * clstm_type_size(first->type), at = 0;
    unsigned char *to = op_out(ctx, 0)->data;
    for (size_t k = 0; k < s->count; k++) {
        const clstm_tensor *t = &s->items[k].tensor;
        size_t chunk = unit * (size_t)(stack ? 1 : t->dims[axis]);
        for (int64_t o = 0; o < outer && chunk; o++)
            memcpy(to + (size_t)o * (size_t)total * unit + at, (const unsigned char *)t->data + (size_t)o * chunk, chunk);
        at += chunk;
    }
    return CLSTM_OK;
}

/* ---- SequenceMap --------------------------------------------------------------------------------------------------------------------------- */

static clstm_status run_map(op_ctx *ctx) {
    size_t count = ctx->in[0]->count;
    if (ctx->in[0]->kind != CLSTM_KIND_SEQUENCE) return op_bad_model(ctx, "input 0 must be a sequence");
    for (int i = 1; i < ctx->n_in; i++)
        if (ctx->in[i]->kind == CLSTM_KIND_SEQUENCE && ctx->in[i]->count != count) return op_bad_input(ctx, "input %d has %zu items, expected %zu", i, ctx->in[i]->count, count);
    clstm_value *in = util_calloc((size_t)ctx->n_in, sizeof *in), *out = util_calloc((size_t)ctx->n_out, sizeof *out);
    clstm_status s = in && out ? CLSTM_OK : util_no_memory(ctx->err);
    for (int i = 0; i < ctx->n_out && s == CLSTM_OK; i++) {
        const ir_graph *body = ctx->node->bodies[0];
        s = op_output_sequence(ctx, i, (size_t)i < body->n_out ? body->outputs[i]->type.type : CLSTM_TYPE_NONE, count);
    }
    for (size_t k = 0; k < count && s == CLSTM_OK; k++) {
        for (int i = 0; i < ctx->n_in; i++) in[i] = ctx->in[i]->kind == CLSTM_KIND_SEQUENCE ? ctx->in[i]->items[k] : *ctx->in[i];
        s = ctx->env->body_run(ctx, 0, ctx->n_in, in, ctx->n_out, out);
        for (int i = 0; i < ctx->n_out && s == CLSTM_OK; i++) {
            if (op_has_out(ctx, i)) { ctx->out[i]->items[k] = out[i]; ctx->out[i]->tensor.type = out[i].tensor.type; memset(&out[i], 0, sizeof out[i]); }
            else op_value_clear(&out[i]);
        }
    }
    free(in);
    free(out);
    return s;
}

/* ---- optionals --------------------------------------------------------------------------------------------------------------------------------- */

static clstm_status run_optional(op_ctx *ctx) {
    op_value_clear(ctx->out[0]);
    return op_has_in(ctx, 0) ? op_value_copy(ctx->out[0], ctx->in[0], ctx->err) : CLSTM_OK;
}
static clstm_status run_has_element(op_ctx *ctx) {
    UTIL_TRY(op_output_tensor(ctx, 0, CLSTM_BOOL, 0, NULL));
    *(uint8_t *)op_out(ctx, 0)->data = op_has_in(ctx, 0);
    return CLSTM_OK;
}
static clstm_status run_get_element(op_ctx *ctx) {
    if (!op_has_in(ctx, 0)) return op_bad_input(ctx, "the optional is empty");
    op_value_clear(ctx->out[0]);
    return op_value_copy(ctx->out[0], ctx->in[0], ctx->err);
}

#define ROW(name, since, in, out, attrs, run_, ...) \
    {"", name, since, 0, in, out, "T=all I=int32,int64", attrs, .infer = infer_nothing, .run = run_, .flags = OP_ALLOCATES, __VA_ARGS__}
const op_desc ops_sequence[] = {
    ROW("SequenceEmpty", 11, "", "output:seq(T)", "dtype:i=1", run_empty, .check = check_empty),
    ROW("SequenceConstruct", 11, "inputs+:T", "output:seq(T)", NULL, run_construct, ),
    ROW("SequenceInsert", 11, "input_sequence:seq(T) tensor:T position?:I", "output:seq(T)", NULL, run_insert, ),
    ROW("SequenceErase", 11, "input_sequence:seq(T) position?:I", "output:seq(T)", NULL, run_erase, ),
    ROW("SequenceAt", 11, "input_sequence:seq(T) position:I", "tensor:T", NULL, run_at, ),
    ROW("SequenceLength", 11, "input_sequence:seq(T)", "length:int64", NULL, run_length, ),
    ROW("SplitToSequence", 11, "input:T split?:I", "output:seq(T)", "axis:i=0 keepdims:i=1", run_split, ),
    ROW("ConcatFromSequence", 11, "input_sequence:seq(T)", "concat_result:T", "axis:i! new_axis:i=0", run_concat, ),
    {"", "SequenceMap", 17, 0, "input_sequence:any additional_inputs*:any", "out_sequence+:any", NULL, "body:g!", .infer = infer_nothing,
     .run = run_map, .flags = OP_ALLOCATES | OP_CONTROL},
    ROW("Optional", 15, "input?:any", "output:any", "type:p", run_optional, ),
    ROW("OptionalHasElement", 15, "input?:any", "output:bool", NULL, run_has_element, ),
    ROW("OptionalGetElement", 15, "input:any", "output:any", NULL, run_get_element, ),
    OP_ARRAY_END,
};
