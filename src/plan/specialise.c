/* plan/specialise: shapes and constants flow through the graph; what is known is computed now, an If whose condition is known
 * gives way to its branch, and what no output needs is taken out. */
#include "plan/plan_internal.h"
#include "plan/memo.h"
#include "plan/turns.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

typedef struct specialiser {
    const op_env *env;
    bool loading;
    int depth;
    bool changed;
    size_t bytes;                           /* that folding may still store */
    double work;                            /* operations that it may still do */
    util_arena scratch;                     /* of the node at hand */
    plan_memo memo;
} specialiser;

clstm_status plan_context(ir_node *n, const op_env *env, util_arena *arena, op_ctx *ctx, clstm_error *err) {
    memset(ctx, 0, sizeof *ctx);
    ctx->node = n;
    ctx->env = env;
    ctx->err = err;
    ctx->n_in = n->n_in;
    ctx->n_out = n->n_out;
    ctx->in = util_arena_alloc(arena, (size_t)n->n_in, sizeof *ctx->in);
    ctx->out = util_arena_alloc(arena, (size_t)n->n_out, sizeof *ctx->out);
    ctx->consts = util_arena_alloc(arena, (size_t)n->n_in, sizeof *ctx->consts);
    clstm_value *values = util_arena_alloc(arena, (size_t)(n->n_in + n->n_out), sizeof *values);
    if (!ctx->in || !ctx->out || !ctx->consts || !values) return util_no_memory(err);
    for (int i = 0; i < n->n_in + n->n_out; i++) {
        ir_value *v = i < n->n_in ? n->inputs[i] : n->outputs[i - n->n_in];
        if (!v) continue;
        if (i < n->n_in) {
            ctx->in[i] = &values[i];
            ctx->consts[i] = v->constant;
            values[i].kind = v->kind;
            values[i].tensor = v->type;
        } else {
            ctx->out[i - n->n_in] = &values[i];
        }
    }
    return CLSTM_OK;
}

static bool inputs_known(const op_ctx *c) {
    for (int i = 0; i < c->n_in; i++) {
        if (!c->in[i]) continue;
        if (c->in[i]->kind != CLSTM_KIND_TENSOR || c->in[i]->tensor.type == CLSTM_TYPE_NONE || !tensor_shape_known(&c->in[i]->tensor)) return false;
    }
    return true;
}

/* Hands the elements of constant inputs to infer, except those whose raw bytes were dropped for a packed form: such weights are
 * never shape parameters. Weights that are only askew are not copied for an operator that does not mind. */
static clstm_status give_constants(op_ctx *c, bool all) {
    for (int i = 0; i < c->n_in; i++) {
        if (!c->consts[i]) continue;
        const void *data = NULL;
        if (all && c->consts[i]->askew && c->node->op->flags & OP_BYTES) data = c->consts[i]->tensor.data;
        else if (all) UTIL_TRY(ir_const_data(c->consts[i], &data, c->err));
        else data = ir_const_peek(c->consts[i]);
        c->in[i]->tensor.data = (void *)(uintptr_t)data;
    }
    return CLSTM_OK;
}

static bool foldable(const specialiser *s, const op_ctx *c) {
    const op_desc *op = c->node->op;
    if (op->flags & (OP_IMPURE | OP_CONTROL)) return false;
    for (int i = 0; i < c->n_in && !(op->flags & OP_SHAPE_ONLY); i++)
        if (c->in[i] && !c->consts[i]) return false;
    /* A generator (Range, ConstantOfShape, Expand) must not blow a few bytes up into stored megabytes. */
    size_t in = 0, out = 0, b;
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i] && tensor_bytes(&c->in[i]->tensor, &b)) in += b;
    for (int i = 0; i < c->n_out && !(op->flags & OP_ALLOCATES); i++)
        if (c->out[i] && tensor_bytes(&c->out[i]->tensor, &b)) out += b;
    return (out <= ((size_t)1 << 20) || out <= 2 * in) && out <= s->bytes;
}

/* An element read or written counts as so many operations: the slowest row takes some ten nanoseconds for one. */
enum { ELEMENT_WORK = 8 };

static double elements(clstm_value *const *v, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (v[i] && clstm_tensor_count(&v[i]->tensor) > 0) sum += (double)clstm_tensor_count(&v[i]->tensor);
    return sum;
}

/* Takes the prepared node's work from the budget; false when so much is better left to the runs that ask for it. */
static bool afford(specialiser *s, const op_ctx *c) {
    const op_desc *op = c->node->op;
    double work = ELEMENT_WORK * (elements(c->out, c->n_out) + (op->flags & OP_SHAPE_ONLY ? 0 : elements(c->in, c->n_in))), flops = op->flops ? op->flops(c) : 0;
    if (flops > work) work = flops;
    if (!(work <= s->work)) return false;
    s->work -= work;
    return true;
}

/* OP_DEFER: more work than folding may do. */
static clstm_status run_once(specialiser *f, op_ctx *c) {
    const op_desc *op = c->node->op;
    clstm_status s = op_prepare(c);
    if (s == CLSTM_OK && !afford(f, c)) s = OP_DEFER;
    if (s == CLSTM_OK && c->scratch_bytes && !(c->scratch = util_aligned_alloc(c->scratch_bytes))) s = util_no_memory(c->err);
    if (s == CLSTM_OK) s = op->run(c);
    if (op->release) op->release(c);
    util_aligned_free(c->prepared);
    util_aligned_free(c->scratch);
    c->prepared = c->scratch = NULL;
    return s;
}

static clstm_status adopt(ir_value *v, clstm_value *made, clstm_error *err) {
    ir_const *k;
    UTIL_TRY(ir_const_borrow(&made->tensor, &k, err));
    k->owned = true;
    memset(made, 0, sizeof *made);
    ir_value_set_const(v, k);
    ir_const_unref(k);
    return CLSTM_OK;
}

/* While loading, a reshaped or sliced weight stays where it is in the mapped file, and what was made and is now reshaped keeps its place. */
static bool fold_as_view(specialiser *s, op_ctx *c, clstm_status *status) {
    int in = 0;
    size_t offset = 0;
    if (!s->loading || c->n_out != 1 || !c->out[0] || !c->node->op->view || !c->node->op->view(c, 0, &in, &offset)) return false;
    ir_const *from = c->consts[in];
    if (!from || !from->tensor.data) return false;
    clstm_tensor t = c->out[0]->tensor;
    size_t bytes, whole;
    bool lent = from->owned || from->base;
    if (lent && (!tensor_bytes(&t, &bytes) || !tensor_bytes(&from->tensor, &whole) || bytes != whole)) return false;
    t.data = (unsigned char *)from->tensor.data + offset;
    ir_const *k;
    *status = lent ? ir_const_share(from, &t, &k, c->err) : ir_const_borrow(&t, &k, c->err);
    if (*status != CLSTM_OK) return true;
    ir_value_set_const(c->node->outputs[0], k);
    ir_const_unref(k);
    return true;
}

static clstm_status fold(specialiser *s, op_ctx *c) {
    clstm_status status = CLSTM_OK;
    ir_node *n = (ir_node *)(uintptr_t)c->node;
    ir_const *same = s->loading ? plan_memo_find(&s->memo, c) : NULL;
    if (same) {
        ir_value_set_const(n->outputs[0], same);
        n->mark = IR_DEAD;
        s->changed = true;
        return CLSTM_OK;
    }
    if (!fold_as_view(s, c, &status)) {
        if (!(n->op->flags & OP_SHAPE_ONLY)) UTIL_TRY(give_constants(c, true));
        for (int i = 0; i < c->n_out && status == CLSTM_OK && !(n->op->flags & OP_ALLOCATES); i++) {
            size_t bytes;
            if (!c->out[i]) continue;
            if (!tensor_bytes(&c->out[i]->tensor, &bytes) || !(c->out[i]->tensor.data = util_aligned_alloc(bytes))) status = util_no_memory(c->err);
        }
        if (status == CLSTM_OK) status = run_once(s, c);
        for (int i = 0; i < c->n_out && status == CLSTM_OK; i++)
            if (c->out[i] && c->out[i]->kind == CLSTM_KIND_SEQUENCE) goto keep;
        for (int i = 0; i < c->n_out && status == CLSTM_OK; i++) {
            size_t bytes;
            if (c->out[i] && tensor_bytes(&c->out[i]->tensor, &bytes)) s->bytes -= bytes < s->bytes ? bytes : s->bytes;
        }
        for (int i = 0; i < c->n_out && status == CLSTM_OK; i++)
            if (c->out[i]) status = adopt(n->outputs[i], c->out[i], c->err);
    }
    if (status == CLSTM_OK) {
        if (s->loading && n->n_out == 1 && n->outputs[0]) plan_memo_add(&s->memo, c, n->outputs[0]->constant);
        n->mark = IR_DEAD;
        s->changed = true;
    }
keep:
    for (int i = 0; i < c->n_out; i++)
        if (c->out[i]) op_value_clear(c->out[i]);
    return status;
}

/* ---- If with a known condition ---------------------------------------------------------------------------------------------- */

static clstm_status splice(specialiser *s, ir_graph *g, size_t at, ir_graph *body, clstm_error *err) {
    ir_node *n = g->nodes[at];
    if ((int)body->n_out != n->n_out) return util_fail(err, CLSTM_BAD_MODEL, "the branch has %zu outputs, expected %d", body->n_out, n->n_out);
    if (!util_grow((void **)&g->nodes, &g->cap_nodes, g->n_nodes + body->n_nodes, sizeof *g->nodes)) return util_no_memory(err);
    if (!util_grow((void **)&g->values, &g->cap_values, g->n_values + body->n_values, sizeof *g->values)) return util_no_memory(err);
    for (size_t i = 0; i < body->n_values; i++) {
        ir_value *v = body->values[i];
        v->graph = g;
        v->id = (int)g->n_values;
        g->values[g->n_values++] = v;
    }
    for (int i = 0; i < n->n_out; i++)
        if (n->outputs[i]) ir_give_way(n->outputs[i], body->outputs[i]);
    memmove(g->nodes + at + 1 + body->n_nodes, g->nodes + at + 1, (g->n_nodes - at - 1) * sizeof *g->nodes);
    for (size_t i = 0; i < body->n_nodes; i++) {
        ir_node *m = body->nodes[i];
        m->graph = g;
        for (int b = 0; b < m->n_bodies; b++) m->bodies[b]->parent = g;
        g->nodes[at + 1 + i] = m;
    }
    g->n_nodes += body->n_nodes;
    body->n_nodes = body->n_values = body->n_out = 0;
    n->mark = IR_DEAD;
    s->changed = true;
    return CLSTM_OK;
}

static clstm_status visit_graph(specialiser *s, ir_graph *g, clstm_error *err);
static clstm_status visit_body(void *arg, ir_graph *body, clstm_error *err) { return visit_graph(arg, body, err); }

static clstm_status visit_control(specialiser *s, ir_graph *g, size_t at, clstm_error *err) {
    ir_node *n = g->nodes[at];
    if (!strcmp(n->op_type, "If") && n->n_bodies == 2 && n->inputs[0] && n->inputs[0]->constant) {
        const void *data;
        UTIL_TRY(ir_const_data(n->inputs[0]->constant, &data, err));
        bool condition = clstm_tensor_count(&n->inputs[0]->constant->tensor) == 1 && *(const uint8_t *)data;
        /* the row lists then_branch first */
        return splice(s, g, at, n->bodies[condition ? 0 : 1], err);
    }
    s->depth++;
    clstm_status status = plan_settle_turns(n, s->depth, visit_body, s, err);
    for (int b = 0; b < n->n_bodies; b++)       /* declared shapes of a body's inputs are hints as well */
        for (size_t i = 0; !n->bodies[b]->settled && i < n->bodies[b]->n_in; i++) n->bodies[b]->inputs[i]->kind = CLSTM_KIND_NONE;
    for (int b = 0; b < n->n_bodies && status == CLSTM_OK; b++) status = visit_graph(s, n->bodies[b], err);
    s->depth--;
    return status;
}

/* A Constant node's tensor is the value's constant itself. */
static bool constant_node(ir_node *n) {
    const ir_attr *a = ir_attr_find(n, "value");
    if (strcmp(n->op_type, "Constant") || n->domain[0] || !a || a->kind != IR_ATTR_TENSOR) return false;
    ir_value_set_const(n->outputs[0], a->v.t);
    n->mark = IR_DEAD;
    return true;
}

static clstm_status visit_node(specialiser *s, ir_node *n, clstm_error *err) {
    op_ctx c;
    char text[256];
    if (n->n_out > 0 && n->outputs[0] && constant_node(n)) return CLSTM_OK;
    UTIL_TRY(plan_sequence_item(n, &s->changed, err));
    clstm_status status = plan_context(n, s->env, &s->scratch, &c, err);
    if (status == CLSTM_OK && inputs_known(&c)) {
        status = give_constants(&c, false);
        if (status == CLSTM_OK) status = op_infer(&c);
        bool known = status == CLSTM_OK;
        for (int i = 0; i < c.n_out && known; i++) {
            ir_value *v = n->outputs[i];
            if (!v || c.out[i]->kind == CLSTM_KIND_NONE) continue;
            if (s->depth && v->kind == CLSTM_KIND_NONE) s->changed = true;
            v->kind = c.out[i]->kind;
            v->type = c.out[i]->tensor;
            v->type.data = NULL;
        }
        if (known && foldable(s, &c)) {
            status = fold(s, &c);
            if (status != CLSTM_OK && status != CLSTM_NO_MEMORY && status != OP_DEFER) util_context(err, status, "%s", ir_node_text(text, sizeof text, n));
        }
    }
    util_arena_clear(&s->scratch);
    /* A branch that is not taken may be wrong for these shapes: that is an error only when it runs. */
    if (status == OP_DEFER || (s->depth && status != CLSTM_OK && status != CLSTM_NO_MEMORY)) status = CLSTM_OK;
    return status;
}

static clstm_status visit_graph(specialiser *s, ir_graph *g, clstm_error *err) {
    ir_follow_outputs(g);
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        if (n->mark == IR_DEAD) continue;
        ir_follow(n);
        /* What was declared for intermediate values is a hint: only inference counts. */
        for (int k = 0; k < n->n_out; k++)
            if (n->outputs[k] && !n->outputs[k]->constant) { n->outputs[k]->kind = CLSTM_KIND_NONE; n->outputs[k]->type.type = CLSTM_TYPE_NONE; n->outputs[k]->type.rank = -1; }
        UTIL_TRY(n->n_bodies ? visit_control(s, g, i, err) : visit_node(s, n, err));
    }
    ir_follow_outputs(g);
    ir_graph_sweep(g);
    return CLSTM_OK;
}

/* ---- dead nodes -------------------------------------------------------------------------------------------------------------- */

static bool output_optional(const op_desc *op, int k) {
    const char *s = op->outputs;
    for (int i = 0; i < k && *s; i++) { s += strcspn(s, " "); s += strspn(s, " "); }
    return s[strcspn(s, "?*+: ")] == '?';
}

/* True when bodies went with their nodes: what they captured may be dead too. */
static bool remove_dead_in(ir_graph *g) {
    bool bodies = false;
    for (size_t i = g->n_nodes; i-- > 0;) {
        ir_node *n = g->nodes[i];
        bool used = false;
        for (int k = 0; k < n->n_out; k++) used |= n->outputs[k] && n->outputs[k]->uses > 0;
        for (int k = 0; used && k < n->n_out; k++)
            if (n->outputs[k] && !n->outputs[k]->uses && output_optional(n->op, k)) n->outputs[k] = NULL;
        for (int b = 0; used && b < n->n_bodies; b++) bodies |= remove_dead_in(n->bodies[b]);
        if (used) continue;
        n->mark = IR_DEAD;
        bodies |= n->n_bodies > 0;
        for (int k = 0; k < n->n_in; k++)
            if (n->inputs[k]) n->inputs[k]->uses--;
    }
    ir_graph_sweep(g);
    return bodies;
}

void plan_remove_dead(ir_graph *root) {
    do ir_count_uses(root);
    while (remove_dead_in(root));
}

/* What folding may store and do: some times what is there. Each Concat of a constant with itself doubles it, a product of three
 * numbers may be of any size, and a file has many nodes. */
static void set_budget(specialiser *s, const ir_graph *root) {
    size_t sum = 0, bytes;
    for (size_t i = 0; i < root->n_values; i++)
        if (root->values[i]->constant && tensor_bytes(&root->values[i]->constant->tensor, &bytes) && bytes < SIZE_MAX / 8) sum += bytes;
    s->bytes = ((size_t)64 << 20) + 4 * sum;
    s->work = (double)(1 << 30) + 64 * (double)sum;
}

static clstm_status optimise(specialiser *s, ir_graph *root, clstm_error *err) {
    bool changed = true;
    size_t nodes = ir_count_nodes(root);
    /* Passes open the way for folds and the other way round; eight rounds are far beyond what real models need. */
    for (int round = 0; round < 8 && changed; round++) {
        UTIL_TRY(visit_graph(s, root, err));
        ir_follow_all(root);
        ir_note_gone(root, IR_GONE_FOLDED, &nodes);
        plan_remove_dead(root);
        ir_note_gone(root, IR_GONE_UNUSED, &nodes);
        changed = false;
        UTIL_TRY(plan_passes(root, s->env, &changed, err));
        nodes = ir_count_nodes(root);
    }
    return CLSTM_OK;
}

clstm_status plan_optimise(ir_graph *root, const op_env *env, bool loading, clstm_error *err) {
    specialiser s = {.env = env, .loading = loading};
    set_budget(&s, root);
    clstm_status status = optimise(&s, root, err);
    util_arena_destroy(&s.scratch);
    plan_memo_destroy(&s.memo);
    return status;
}
