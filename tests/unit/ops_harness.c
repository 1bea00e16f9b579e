/* The harness that runs one operator row by itself. */
#include "ops_harness.h"

#include "ops/table.h"
#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

ops_case *ops_case_new(const char *op, const char *domain, int version, int n_in, int n_out)
{
    const op_desc *row = ops_find(domain, op, version, NULL);
    ops_case *c = row ? calloc(1, sizeof *c) : NULL;
    if (!c) return NULL;
    c->row = row;
    if (ir_graph_new(NULL, "test", &c->graph, &c->err) != CLSTM_OK) abort();
    c->node = ir_node_new(c->graph, op, domain, version, "n", n_in, n_out);
    c->node->op = row;
    for (int i = 0; i < n_out; i++) c->node->outputs[i] = ir_value_new(c->graph, NULL);
    return c;
}

static ir_attr *attr(ops_case *c, const char *name, ir_attr_kind kind, size_t count)
{
    ir_attr *a = ir_attr_add(c->node, name, kind);
    if (!a) abort();
    a->count = count;
    return a;
}
void ops_case_int(ops_case *c, const char *name, int64_t v) { attr(c, name, IR_ATTR_INT, 0)->v.i = v; }
void ops_case_float(ops_case *c, const char *name, float v) { attr(c, name, IR_ATTR_FLOAT, 0)->v.f = v; }
void ops_case_string(ops_case *c, const char *name, const char *v)
{
    attr(c, name, IR_ATTR_STRING, strlen(v))->v.s = util_arena_strdup(c->graph->arena, v);
}
void ops_case_ints(ops_case *c, const char *name, const int64_t *v, size_t n)
{
    ir_attr *a = attr(c, name, IR_ATTR_INTS, n);
    a->v.ints = util_arena_alloc(c->graph->arena, n + 1, sizeof *v);
    memcpy(a->v.ints, v, n * sizeof *v);
}
void ops_case_floats(ops_case *c, const char *name, const float *v, size_t n)
{
    ir_attr *a = attr(c, name, IR_ATTR_FLOATS, n);
    a->v.floats = util_arena_alloc(c->graph->arena, n + 1, sizeof *v);
    memcpy(a->v.floats, v, n * sizeof *v);
}
void ops_case_tensor(ops_case *c, const char *name, const clstm_tensor *t)
{
    if (ir_const_new(t, &attr(c, name, IR_ATTR_TENSOR, 0)->v.t, &c->err) != CLSTM_OK) abort();
}

void ops_case_input(ops_case *c, int i, clstm_type type, int rank, const int64_t *dims, const void *data)
{
    c->in[i].kind = CLSTM_KIND_TENSOR;
    c->in[i].tensor = clstm_tensor_view(type, rank, dims, (void *)(uintptr_t)data);
    c->node->inputs[i] = ir_value_new(c->graph, NULL);
}

void ops_case_skip_output(ops_case *c, int i) { c->node->outputs[i] = NULL; }

typedef struct attempt { op_ctx ctx; clstm_value *in[OPS_CASE_MAX], *out[OPS_CASE_MAX]; ir_const *consts[OPS_CASE_MAX]; } attempt;

static clstm_status run_once(ops_case *c, attempt *a, clstm_value *outputs, int onto)
{
    op_ctx *x = &a->ctx;
    const op_desc *row = c->row;
    x->scratch_bytes = 0;
    for (int i = 0; i < c->node->n_out; i++)
        if (a->out[i] && !(row->flags & OP_ALLOCATES) && outputs[i].kind == CLSTM_KIND_TENSOR) {
            size_t bytes;
            if (!tensor_bytes(&outputs[i].tensor, &bytes)) abort();
            outputs[i].tensor.data = onto >= 0 && i == 0 ? a->in[onto]->tensor.data : util_aligned_alloc(bytes);
        }
    clstm_status s = row->prepare ? row->prepare(x) : CLSTM_OK;
    if (s == CLSTM_OK && x->scratch_bytes) {
        x->scratch = util_aligned_alloc(x->scratch_bytes);
        memset(x->scratch, 0xa5, x->scratch_bytes);
    }
    if (s == CLSTM_OK) s = row->run(x);
    if (row->release) row->release(x);
    util_aligned_free(x->prepared);
    util_aligned_free(x->scratch);
    x->prepared = x->scratch = NULL;
    return s;
}

static bool same_bytes(const clstm_tensor *t, const void *data)
{
    size_t bytes;
    return !tensor_bytes(t, &bytes) || !bytes || !memcmp(t->data, data, bytes);
}

/* What a view or an in-place run would show must be what the plain run made. */
static void compare_aliases(ops_case *c, attempt *a)
{
    const op_desc *row = c->row;
    size_t offset, bytes, in_bytes;
    int in;
    for (int i = 0; i < c->node->n_out && row->view; i++)
        if (a->out[i] && c->out[i].kind == CLSTM_KIND_TENSOR && row->view(&a->ctx, i, &in, &offset) && c->in[in].tensor.data)
            c->twice_differs |= !same_bytes(&c->out[i].tensor, (const unsigned char *)c->in[in].tensor.data + offset);
    for (int i = 0; i < c->node->n_in && i < 32; i++) {
        if (!(row->inplace >> i & 1) || !a->in[i] || a->consts[i] || c->in[i].kind != CLSTM_KIND_TENSOR || row->flags & OP_ALLOCATES) continue;
        if (!tensor_bytes(&c->out[0].tensor, &bytes) || !tensor_bytes(&c->in[i].tensor, &in_bytes) || bytes != in_bytes || !bytes) continue;
        clstm_value moved = c->in[i], outputs[OPS_CASE_MAX];
        memcpy(outputs, c->out, sizeof outputs);
        moved.tensor.data = util_aligned_alloc(bytes);
        memcpy(moved.tensor.data, c->in[i].tensor.data, bytes);
        a->in[i] = &moved;
        for (int k = 0; k < c->node->n_out; k++)
            if (a->out[k]) a->out[k] = &outputs[k];
        if (run_once(c, a, outputs, i) != CLSTM_OK || !same_bytes(&c->out[0].tensor, moved.tensor.data)) c->twice_differs = true;
        for (int k = 1; k < c->node->n_out; k++)
            if (a->out[k]) util_aligned_free(outputs[k].tensor.data);
        util_aligned_free(moved.tensor.data);
        a->in[i] = &c->in[i];
        for (int k = 0; k < c->node->n_out; k++)
            if (a->out[k]) a->out[k] = &c->out[k];
    }
}

clstm_status ops_case_run(ops_case *c)
{
    clstm_limits limits;
    clstm_limits_default(&limits);
    op_env env = {.limits = &limits};
    attempt *a = calloc(1, sizeof *a);
    a->ctx = (op_ctx){.node = c->node, .env = &env, .err = &c->err, .n_in = c->node->n_in, .n_out = c->node->n_out, .in = a->in, .out = a->out, .consts = a->consts};
    clstm_status s = op_check_node(c->node, &c->err);
    for (int i = 0; i < c->node->n_in && s == CLSTM_OK; i++) {
        if (!c->node->inputs[i]) continue;
        a->in[i] = &c->in[i];
        if (!c->constant[i]) continue;
        s = ir_const_new(&c->in[i].tensor, &a->consts[i], &c->err);
        if (s == CLSTM_OK) ir_value_set_const(c->node->inputs[i], a->consts[i]);
    }
    for (int i = 0; i < c->node->n_out; i++)
        if (c->node->outputs[i]) a->out[i] = &c->out[i];
    if (s == CLSTM_OK) s = op_infer(&a->ctx);
    uint32_t claimed = 0;
    if (s == CLSTM_OK && c->row->prepack) s = c->row->prepack(c->node, &claimed, &c->err);
    const void *given[OPS_CASE_MAX] = {NULL};
    for (int i = 0; i < c->node->n_in && i < 32; i++)
        if (claimed >> i & 1) { ir_const_drop(a->consts[i]); given[i] = c->in[i].tensor.data; c->in[i].tensor.data = NULL; }
    if (s == CLSTM_OK) s = run_once(c, a, c->out, -1);
    if (s == CLSTM_OK) compare_aliases(c, a);
    for (int i = 0; i < c->node->n_in && s == CLSTM_OK; i++) {
        const void *data;
        if (!given[i]) continue;
        s = ir_const_data(a->consts[i], &data, &c->err);
        c->twice_differs |= s == CLSTM_OK && !same_bytes(&a->consts[i]->tensor, given[i]);
    }
    for (int i = 0; i < c->node->n_in; i++) ir_const_unref(a->consts[i]);
    free(a);
    return s;
}

void ops_case_free(ops_case *c)
{
    if (!c) return;
    for (int i = 0; i < c->node->n_out; i++) op_value_clear(&c->out[i]);
    ir_graph_destroy(c->graph);
    free(c);
}
