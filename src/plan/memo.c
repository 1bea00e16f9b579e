/* plan/memo: nodes are the same when operator, attributes and inputs are; a weight is known by its place, a small parameter by its bytes. */
#include "plan/memo.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 8, MOST_ENTRIES = 64, LARGE = 16384, SMALL = 64 };

typedef struct plan_folded { const ir_node *node; ir_const *in[MOST_INPUTS], *out; } folded;

static bool same_attr(const ir_attr *a, const ir_attr *b) {
    if (strcmp(a->name, b->name) || a->kind != b->kind) return false;
    if (a->kind == IR_ATTR_INT) return a->v.i == b->v.i;
    if (a->kind == IR_ATTR_INTS) return a->count == b->count && !memcmp(a->v.ints, b->v.ints, a->count * sizeof *a->v.ints);
    return false;
}

static bool same_operator(const ir_node *a, const ir_node *b) {
    if (a->op != b->op || a->version != b->version || a->n_in != b->n_in || a->n_attrs != b->n_attrs) return false;
    for (int i = 0; i < a->n_attrs; i++)
        if (!same_attr(&a->attrs[i], &b->attrs[i])) return false;
    return true;
}

static bool same_const(const ir_const *a, const ir_const *b) {
    size_t bytes;
    if (a == b) return true;
    if (!a || !b || !a->tensor.data || !b->tensor.data || a->tensor.type != b->tensor.type || a->tensor.rank != b->tensor.rank ||
        memcmp(a->tensor.dims, b->tensor.dims, (size_t)(a->tensor.rank > 0 ? a->tensor.rank : 0) * sizeof *a->tensor.dims)) return false;
    return a->tensor.data == b->tensor.data || (tensor_bytes(&a->tensor, &bytes) && bytes <= SMALL && !memcmp(a->tensor.data, b->tensor.data, bytes));
}

/* What has a constant of some size, made of constants alone: of an input that is absent nothing hangs, of one that only has a shape all does. */
static bool is_worth_it(const op_ctx *c, const clstm_tensor *out) {
    size_t bytes;
    for (int k = 0; k < c->n_in; k++)
        if (c->node->inputs[k] && !c->consts[k]) return false;
    return c->n_out == 1 && c->n_in <= MOST_INPUTS && tensor_bytes(out, &bytes) && bytes >= LARGE;
}

ir_const *plan_memo_find(const plan_memo *m, const op_ctx *c) {
    bool large = c->n_out == 1 && c->out[0] && is_worth_it(c, &c->out[0]->tensor);
    for (size_t i = 0; large && i < m->count; i++) {
        const folded *f = &m->entries[i];
        bool same = same_operator(f->node, c->node);
        for (int k = 0; same && k < c->n_in; k++) same = same_const(f->in[k], c->consts[k]);
        if (same) return f->out;
    }
    return NULL;
}

void plan_memo_add(plan_memo *m, const op_ctx *c, ir_const *made) {
    if (!is_worth_it(c, &made->tensor) || m->count == MOST_ENTRIES || !util_grow((void **)&m->entries, &m->capacity, m->count + 1, sizeof *m->entries)) return;
    folded *f = &m->entries[m->count++];
    *f = (folded){.node = c->node, .out = ir_const_ref(made)};     /* a node's own memory stays as long as its graph */
    for (int k = 0; k < c->n_in; k++) f->in[k] = ir_const_ref(c->consts[k]);
}

void plan_memo_destroy(plan_memo *m) {
    for (size_t i = 0; i < m->count; i++) {
        for (int k = 0; k < MOST_INPUTS; k++) ir_const_unref(m->entries[i].in[k]);
        ir_const_unref(m->entries[i].out);
    }
    free(m->entries);
}
