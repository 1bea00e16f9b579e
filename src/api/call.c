/* api/call: the functions that callbacks of registered operators may use. What is called at the wrong moment fails by name. */
#include "api/call.h"

#include "tensor/tensor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

clstm_status clstm_call_fail(clstm_call *call, clstm_status status, const char *format, ...) {
    char text[sizeof call->err->message];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    call->said = true;
    return util_fail(call->err, status == CLSTM_OK ? CLSTM_BAD_ARGUMENT : status, "%s", text);
}

/* Whether `what` may be called now. */
static bool belongs(clstm_call *call, bool now, const char *what, const char *where) {
    if (!now) clstm_call_fail(call, CLSTM_BAD_ARGUMENT, "%s is for %s", what, where);
    return now;
}

/* Failures of the functions below have their message. */
static clstm_status told(clstm_call *call, clstm_status s) {
    call->said |= s != CLSTM_OK;
    return s;
}

/* ---- the node ------------------------------------------------------------------------------------------------------------------- */

void *clstm_call_user(const clstm_call *call) { return api_own_row(call->node)->user; }
const char *clstm_call_node(const clstm_call *call) { return call->node->name; }
int clstm_call_version(const clstm_call *call) { return call->node->version; }
int clstm_call_inputs(const clstm_call *call) { return call->node->n_in; }
int clstm_call_outputs(const clstm_call *call) { return call->node->n_out; }

const clstm_tensor *clstm_call_input(const clstm_call *call, int i) { return call->ctx && i >= 0 && op_has_in(call->ctx, i) ? op_in(call->ctx, i) : NULL; }
const clstm_tensor *clstm_call_output(const clstm_call *call, int i) {
    return call->ctx && i >= 0 && op_has_out(call->ctx, i) && call->ctx->out[i]->kind == CLSTM_KIND_TENSOR ? op_out(call->ctx, i) : NULL;
}

/* ---- attributes ------------------------------------------------------------------------------------------------------------------- */

static const ir_attr *given(const clstm_call *call, const char *name, ir_attr_kind kind) {
    const ir_attr *a = ir_attr_find(call->node, name);
    return a && a->kind == kind ? a : NULL;
}

bool clstm_call_has(const clstm_call *call, const char *name) { return ir_attr_find(call->node, name) != NULL; }
int64_t clstm_call_int(const clstm_call *call, const char *name) { return op_attr_int(call->node, name); }
float clstm_call_float(const clstm_call *call, const char *name) { return op_attr_float(call->node, name); }
const char *clstm_call_string(const clstm_call *call, const char *name) {
    const ir_attr *a = given(call, name, IR_ATTR_STRING);
    return a ? a->v.s : api_own_word(call->node, name);
}

const int64_t *clstm_call_ints(const clstm_call *call, const char *name, size_t *count) {
    const ir_attr *a = given(call, name, IR_ATTR_INTS);
    *count = a ? a->count : 0;
    return a ? a->v.ints : NULL;
}

const float *clstm_call_floats(const clstm_call *call, const char *name, size_t *count) {
    const ir_attr *a = given(call, name, IR_ATTR_FLOATS);
    *count = a ? a->count : 0;
    return a ? a->v.floats : NULL;
}

const char *const *clstm_call_strings(const clstm_call *call, const char *name, size_t *count) {
    const ir_attr *a = given(call, name, IR_ATTR_STRINGS);
    *count = a ? a->count : 0;
    return a ? a->v.strings : NULL;
}

const clstm_tensor *clstm_call_tensor(const clstm_call *call, const char *name) {
    const ir_attr *a = given(call, name, IR_ATTR_TENSOR);
    return a ? &a->v.t->tensor : NULL;
}

/* ---- infer ---------------------------------------------------------------------------------------------------------------------------- */

clstm_status clstm_call_set_output(clstm_call *call, int i, clstm_type type, int rank, const int64_t *dims) {
    if (!belongs(call, call->moment == CALL_INFER, "clstm_call_set_output", "infer")) return CLSTM_BAD_ARGUMENT;
    if (i < 0 || i >= call->ctx->n_out) return CLSTM_OK;     /* left out in the file */
    for (int d = 0; d < rank; d++)
        if (dims[d] < 0) return clstm_call_fail(call, CLSTM_BAD_ARGUMENT, "output %d gets a dimension of %lld", i, (long long)dims[d]);
    if (!clstm_type_size(type) || rank < 0) return clstm_call_fail(call, CLSTM_BAD_ARGUMENT, "output %d gets the type %s and rank %d", i, clstm_type_name(type), rank);
    return told(call, op_set_out(call->ctx, i, type, rank, dims));
}

clstm_status clstm_call_need(clstm_call *call, int i) {
    if (!belongs(call, call->moment == CALL_INFER, "clstm_call_need", "infer")) return CLSTM_BAD_ARGUMENT;
    if (i < 0 || !op_has_in(call->ctx, i)) return clstm_call_fail(call, CLSTM_BAD_MODEL, "input %d is missing", i);
    clstm_status s = op_need_data(call->ctx, i);
    call->put_off |= s == OP_DEFER;
    return s;
}

/* ---- prepare -------------------------------------------------------------------------------------------------------------------------- */

void *clstm_call_keep(clstm_call *call, size_t bytes) {
    if (!belongs(call, call->moment == CALL_PREPARE && !call->ctx->prepared, "clstm_call_keep", "prepare, once")) return NULL;
    void *kept = op_prepared_alloc(call->ctx, bytes);
    if (!kept) told(call, util_no_memory(call->err));
    return kept;
}

clstm_status clstm_call_want_scratch(clstm_call *call, size_t bytes) {
    if (!belongs(call, call->moment == CALL_PREPARE, "clstm_call_want_scratch", "prepare")) return CLSTM_BAD_ARGUMENT;
    call->ctx->scratch_bytes = bytes;
    return CLSTM_OK;
}

/* ---- run ------------------------------------------------------------------------------------------------------------------------------- */

void *clstm_call_kept(const clstm_call *call) { return call->ctx ? call->ctx->prepared : NULL; }
void *clstm_call_scratch(const clstm_call *call) { return call->moment == CALL_RUN ? call->ctx->scratch : NULL; }

clstm_status clstm_call_allocate(clstm_call *call, int i, clstm_type type, int rank, const int64_t *dims) {
    bool now = call->moment == CALL_RUN && call->node->op->flags & OP_ALLOCATES;
    if (!belongs(call, now, "clstm_call_allocate", "run of a row with CLSTM_OPERATOR_ALLOCATES")) return CLSTM_BAD_ARGUMENT;
    for (int d = 0; d < rank; d++)
        if (dims[d] < 0) return clstm_call_fail(call, CLSTM_BAD_ARGUMENT, "output %d gets a dimension of %lld", i, (long long)dims[d]);
    if (!clstm_type_size(type) || rank < 0) return clstm_call_fail(call, CLSTM_BAD_ARGUMENT, "output %d gets the type %s and rank %d", i, clstm_type_name(type), rank);
    return told(call, op_output_tensor(call->ctx, i, type, rank, dims));
}

int clstm_call_threads(const clstm_call *call) { return call->ctx ? util_pool_threads(call->ctx->env->pool) : 1; }

clstm_status clstm_call_parallel(clstm_call *call, int count, void (*task)(void *arg, int index), void *arg) {
    if (!belongs(call, call->moment == CALL_RUN, "clstm_call_parallel", "run")) return CLSTM_BAD_ARGUMENT;
    util_pool_run(call->ctx->env->pool, count, task, arg);
    return CLSTM_OK;
}
