/* convert/edit: nodes, constants and attributes that repairs and changes of version put into a graph. */
#include "convert/edit.h"

#include "ops/table.h"
#include "util/status.h"

#include <string.h>

ir_node *edit_node(ir_graph *g, const char *op, int version, int n_in, ir_value *const *in, ir_value *out, clstm_error *err) {
    if (!out) out = ir_value_new(g, NULL);
    ir_node *n = out ? ir_node_new(g, op, "", version, "", n_in, 1) : NULL;
    if (!n) { util_no_memory(err); return NULL; }
    if (!(n->op = ops_find("", op, version, NULL))) {
        util_fail(err, CLSTM_UNSUPPORTED, "the repair needs operator %s, which is not supported at opset %d", op, version);
        return NULL;
    }
    for (int i = 0; i < n_in; i++) n->inputs[i] = in[i];
    n->outputs[0] = out;
    out->producer = n;
    return n;
}

clstm_status edit_check(ir_node *n, clstm_error *err) { return n ? op_check_node(n, err) : err->status; }

clstm_status edit_set_input(ir_node *n, int i, ir_value *v, clstm_error *err) {
    if (i >= n->n_in) {
        ir_value **longer = util_arena_alloc(n->graph->arena, (size_t)i + 1, sizeof *longer);
        if (!longer) return util_no_memory(err);
        if (n->n_in) memcpy(longer, n->inputs, (size_t)n->n_in * sizeof *longer);
        n->inputs = longer;
        n->n_in = i + 1;
    }
    n->inputs[i] = v;
    return CLSTM_OK;
}

/* The attribute of that name, made or emptied; lists in it lie in the arena. */
static ir_attr *attr(ir_node *n, const char *name, ir_attr_kind kind, clstm_error *err) {
    ir_attr *a = (ir_attr *)(uintptr_t)ir_attr_find(n, name);
    if (!a && !(a = ir_attr_add(n, name, kind))) util_no_memory(err);
    if (a) { a->kind = kind; a->count = 0; }
    return a;
}

clstm_status edit_set_int(ir_node *n, const char *name, int64_t value, clstm_error *err) {
    ir_attr *a = attr(n, name, IR_ATTR_INT, err);
    if (!a) return CLSTM_NO_MEMORY;
    a->v.i = value;
    return CLSTM_OK;
}

clstm_status edit_set_float(ir_node *n, const char *name, float value, clstm_error *err) {
    ir_attr *a = attr(n, name, IR_ATTR_FLOAT, err);
    if (!a) return CLSTM_NO_MEMORY;
    a->v.f = value;
    return CLSTM_OK;
}

clstm_status edit_set_list(ir_node *n, const char *name, ir_attr_kind kind, size_t count, const void *values, clstm_error *err) {
    size_t size = kind == IR_ATTR_INTS ? sizeof(int64_t) : sizeof(float);
    void *list = util_arena_alloc(n->graph->arena, count + 1, size);
    ir_attr *a = list ? attr(n, name, kind, err) : NULL;
    if (!a) return util_no_memory(err);
    memcpy(list, values, count * size);
    if (kind == IR_ATTR_INTS) a->v.ints = list;
    else a->v.floats = list;
    a->count = count;
    return CLSTM_OK;
}

void edit_drop_attr(ir_node *n, const char *name) {
    for (int i = 0; i < n->n_attrs; i++)
        if (!strcmp(n->attrs[i].name, name)) { n->attrs[i] = n->attrs[--n->n_attrs]; return; }
}
