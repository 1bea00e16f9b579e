/* convert/lint_edit: nodes, constants and attributes that repairs put into a graph. */
#include "convert/lint.h"

#include "ops/table.h"
#include "util/status.h"

#include <string.h>

ir_node *lint_node(lint *l, ir_graph *g, const char *op, int version, int n_in, ir_value *const *in, ir_value *out) {
    if (!out) out = ir_value_new(g, NULL);
    ir_node *n = out ? ir_node_new(g, op, "", version, "", n_in, 1) : NULL;
    if (!n) { util_no_memory(l->err); return NULL; }
    if (!(n->op = ops_find("", op, version, NULL))) {
        util_fail(l->err, CLSTM_UNSUPPORTED, "the repair needs operator %s, which is not supported at opset %d", op, version);
        return NULL;
    }
    for (int i = 0; i < n_in; i++) n->inputs[i] = in[i];
    n->outputs[0] = out;
    out->producer = n;
    return n;
}

clstm_status lint_check_node(lint *l, ir_node *n) { return n ? op_check_node(n, l->err) : l->err->status; }

ir_value *lint_new_const(lint *l, ir_graph *g, const clstm_tensor *t) {
    ir_const *c = NULL;
    ir_value *v = ir_value_new(g, NULL);
    if (!v) { util_no_memory(l->err); return NULL; }
    if (ir_const_new(t, &c, l->err) != CLSTM_OK) return NULL;
    ir_value_set_const(v, c);
    ir_const_unref(c);
    return v;
}

ir_value *lint_ints(lint *l, ir_graph *g, int rank, int64_t n, const int64_t *values) {
    clstm_tensor t = clstm_tensor_view(CLSTM_INT64, rank, &n, (void *)(uintptr_t)values);
    return lint_new_const(l, g, &t);
}

/* The attribute of that name, made or emptied; lists in it lie in the arena. */
static ir_attr *attr(lint *l, ir_node *n, const char *name, ir_attr_kind kind) {
    ir_attr *a = (ir_attr *)(uintptr_t)ir_attr_find(n, name);
    if (!a && !(a = ir_attr_add(n, name, kind))) util_no_memory(l->err);
    if (a) { a->kind = kind; a->count = 0; }
    return a;
}

clstm_status lint_set_int(lint *l, ir_node *n, const char *name, int64_t value) {
    ir_attr *a = attr(l, n, name, IR_ATTR_INT);
    if (!a) return CLSTM_NO_MEMORY;
    a->v.i = value;
    return CLSTM_OK;
}

clstm_status lint_set_float(lint *l, ir_node *n, const char *name, float value) {
    ir_attr *a = attr(l, n, name, IR_ATTR_FLOAT);
    if (!a) return CLSTM_NO_MEMORY;
    a->v.f = value;
    return CLSTM_OK;
}

clstm_status lint_set_floats(lint *l, ir_node *n, const char *name, size_t count, const float *values) {
    float *list = util_arena_alloc(n->graph->arena, count + 1, sizeof *list);
    ir_attr *a = list ? attr(l, n, name, IR_ATTR_FLOATS) : NULL;
    if (!a) return util_no_memory(l->err);
    memcpy(list, values, count * sizeof *list);
    a->v.floats = list;
    a->count = count;
    return CLSTM_OK;
}

clstm_status lint_set_ints(lint *l, ir_node *n, const char *name, size_t count, const int64_t *values) {
    int64_t *list = util_arena_alloc(n->graph->arena, count + 1, sizeof *list);
    ir_attr *a = list ? attr(l, n, name, IR_ATTR_INTS) : NULL;
    if (!a) return util_no_memory(l->err);
    memcpy(list, values, count * sizeof *list);
    a->v.ints = list;
    a->count = count;
    return CLSTM_OK;
}

/* For attributes that own nothing beyond the arena. */
void lint_drop_attr(ir_node *n, const char *name) {
    for (int i = 0; i < n->n_attrs; i++)
        if (!strcmp(n->attrs[i].name, name)) { n->attrs[i] = n->attrs[--n->n_attrs]; return; }
}
