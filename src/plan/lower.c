/* plan/lower: a specialised graph becomes blocks of steps whose operator contexts point straight at the slots of their values. */
#include "plan/plan_internal.h"

#include "tensor/tensor.h"

#include <stdlib.h>
#include <string.h>

static plan_slot *slot_of(const ir_value *v) { return v ? v->user : NULL; }

static clstm_status make_slots(plan_block *b, clstm_error *err) {
    b->slots = util_arena_alloc(&b->plan->arena, b->graph->n_values, sizeof *b->slots);
    if (!b->slots) return util_no_memory(err);
    for (size_t i = 0; i < b->graph->n_values; i++) {
        plan_slot *s = &b->slots[i];
        ir_value *v = b->graph->values[i];
        s->ir = v;
        s->storage = -1;
        s->value.kind = v->kind;
        s->value.tensor = v->type;
        s->value.tensor.data = v->constant ? (void *)(uintptr_t)ir_const_peek(v->constant) : NULL;
        v->user = s;
    }
    return CLSTM_OK;
}

static bool is_static(const plan *p, const ir_node *n) {
    if (!p->optimise || n->op->flags & (OP_ALLOCATES | OP_CONTROL)) return false;
    for (int i = 0; i < n->n_in + n->n_out; i++) {
        const ir_value *v = i < n->n_in ? n->inputs[i] : n->outputs[i - n->n_in];
        if (v && (v->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&v->type))) return false;
    }
    return true;
}

/* Weights are packed (found packed, as a rule); every other constant must show its elements. */
static clstm_status settle_inputs(ir_node *n, op_ctx *c, clstm_error *err) {
    uint32_t claimed = 0;
    bool any = false;
    for (int i = 0; i < n->n_in; i++) any |= n->inputs[i] && n->inputs[i]->constant;
    if (any && n->op->prepack) UTIL_TRY(n->op->prepack(n, &claimed, err));
    for (int i = 0; i < n->n_in; i++) {
        ir_const *k = n->inputs[i] ? n->inputs[i]->constant : NULL;
        c->consts[i] = k;
        if (!k || (i < 32 && claimed >> i & 1)) continue;
        const void *data;
        UTIL_TRY(ir_const_data(k, &data, err));
        c->in[i]->tensor.data = (void *)(uintptr_t)data;
    }
    return CLSTM_OK;
}

static clstm_status lower_block(plan *p, plan_block *b, ir_graph *g, int depth, clstm_error *err);

/* A table of a node's own (roots of unity, say) is memory of the plan as well. */
static clstm_status count_prepared(plan *p, const op_ctx *c) {
    int64_t most = c->env->limits->value[CLSTM_LIMIT_ARENA_BYTES];
    if (c->prepared) p->prepared_bytes += c->prepared_bytes;
    if (p->prepared_bytes <= (size_t)most) return CLSTM_OK;
    return util_fail(c->err, CLSTM_LIMIT, "with this node the plan keeps %zu bytes beside its arena (limit arena-bytes, %lld)", p->prepared_bytes, (long long)most);
}

static clstm_status lower_node(plan *p, plan_step_s *s, ir_node *n, int depth, clstm_error *err) {
    op_ctx *c = &s->ctx;
    s->node = n;
    c->node = n;
    c->env = &p->env;
    c->err = err;
    c->n_in = n->n_in;
    c->n_out = n->n_out;
    c->plan = s;
    c->in = util_arena_alloc(&p->arena, (size_t)n->n_in, sizeof *c->in);
    c->out = util_arena_alloc(&p->arena, (size_t)n->n_out, sizeof *c->out);
    c->consts = util_arena_alloc(&p->arena, (size_t)n->n_in, sizeof *c->consts);
    s->bodies = util_arena_alloc(&p->arena, (size_t)n->n_bodies, sizeof *s->bodies);
    if (!c->in || !c->out || !c->consts || !s->bodies) return util_no_memory(err);
    for (int i = 0; i < n->n_in; i++) c->in[i] = n->inputs[i] ? &slot_of(n->inputs[i])->value : NULL;
    for (int i = 0; i < n->n_out; i++) c->out[i] = n->outputs[i] ? &slot_of(n->outputs[i])->value : NULL;
    UTIL_TRY(settle_inputs(n, c, err));
    s->dynamic = !is_static(p, n);
    if (!s->dynamic) {
        clstm_status status = op_prepare(c);
        if (status != CLSTM_OK && depth && status != CLSTM_NO_MEMORY) {     /* a branch for other shapes: its error belongs to the run */
            if (n->op->release) n->op->release(c);
            util_aligned_free(c->prepared);
            c->prepared = NULL;
            c->scratch_bytes = 0;
            s->dynamic = true;
        } else if (status != CLSTM_OK) return status;
        UTIL_TRY(count_prepared(p, c));
    }
    for (int k = 0; k < n->n_bodies; k++) {
        s->bodies[k] = util_arena_alloc(&p->arena, 1, sizeof **s->bodies);
        if (!s->bodies[k]) return util_no_memory(err);
        UTIL_TRY(lower_block(p, s->bodies[k], n->bodies[k], depth + 1, err));
    }
    return CLSTM_OK;
}

static clstm_status lower_block(plan *p, plan_block *b, ir_graph *g, int depth, clstm_error *err) {
    char text[256];
    b->plan = p;
    b->graph = g;
    UTIL_TRY(make_slots(b, err));
    b->steps = util_arena_alloc(&p->arena, g->n_nodes, sizeof *b->steps);
    if (!b->steps) return util_no_memory(err);
    for (size_t i = 0; i < g->n_nodes; i++) {
        b->n_steps = i + 1;
        clstm_status s = lower_node(p, &b->steps[i], g->nodes[i], depth, err);
        if (s != CLSTM_OK) return util_context(err, s, "%s", ir_node_text(text, sizeof text, g->nodes[i]));
    }
    for (size_t i = 0; i < g->n_out; i++) {     /* an output that is a constant shows its elements too */
        plan_slot *s = slot_of(g->outputs[i]);
        const void *data;
        if (!s->ir->constant || s->ir->graph != g) continue;
        UTIL_TRY(ir_const_data(s->ir->constant, &data, err));
        s->value.tensor.data = (void *)(uintptr_t)data;
    }
    return plan_layout(b, err);
}

clstm_status plan_lower(plan *p, clstm_error *err) { return lower_block(p, &p->root, p->graph, 0, err); }

static void forget_step(plan_step_s *s) {
    if (!s->node) return;
    if (!s->dynamic && s->node->op->release) s->node->op->release(&s->ctx);
    util_aligned_free(s->ctx.prepared);
    s->ctx.prepared = NULL;
}

static void destroy_block(plan_block *b) {
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        forget_step(s);
        for (int k = 0; s->node && s->bodies && k < s->node->n_bodies; k++)
            if (s->bodies[k]) destroy_block(s->bodies[k]);
    }
    for (size_t i = 0; b->slots && i < b->graph->n_values; i++)
        if (b->slots[i].owned) op_value_clear(&b->slots[i].value);
}

void plan_destroy(plan *p) {
    if (!p) return;
    plan_unlock(p);
    if (p->root.graph) destroy_block(&p->root);
    util_aligned_free(p->memory);
    free(p->views);
    util_arena_destroy(&p->arena);
    ir_graph_destroy(p->graph);
    free(p);
}

static clstm_status set_inputs(ir_graph *g, const plan_request *r) {
    for (size_t i = 0; i < g->n_in; i++) {
        ir_value *v = g->inputs[i];
        if (r->constants && r->constants[i]) { ir_value_set_const(v, r->constants[i]); continue; }
        v->kind = r->inputs[i].kind;
        v->type = r->inputs[i].tensor;
        v->type.data = NULL;
        if (v->kind == CLSTM_KIND_SEQUENCE) v->type.rank = -1;
    }
    return CLSTM_OK;
}

static clstm_status carry_layers(plan *p, bool wanted, clstm_error *err) {
    p->own_inputs = p->graph->n_in;
    if (wanted) UTIL_TRY(plan_carry_layers(p->graph, err));
    size_t n = p->graph->n_in - p->own_inputs;
    p->initial = util_arena_alloc(&p->arena, n, sizeof *p->initial);
    if (!p->initial) return util_no_memory(err);
    for (size_t k = 0; k < n; k++) p->initial[k] = p->graph->inputs[p->own_inputs + k]->user;
    return CLSTM_OK;
}

clstm_status plan_build(const plan_request *r, plan **out, clstm_error *err) {
    plan *p = util_calloc(1, sizeof *p);
    if (!p) return util_no_memory(err);
    p->env = *r->env;
    p->env.body_run = plan_run_body;
    p->optimise = r->optimise;
    clstm_status s = ir_graph_clone(r->graph, &p->graph, err);
    if (s == CLSTM_OK) s = set_inputs(p->graph, r);
    if (s == CLSTM_OK && p->optimise) s = plan_optimise(p->graph, &p->env, false, err);
    if (s == CLSTM_OK) s = carry_layers(p, r->carry_layers, err);
    if (s == CLSTM_OK && p->optimise) s = plan_fuse(p->graph, err);
    if (s == CLSTM_OK) s = plan_lower(p, err);
    int64_t most = r->env->limits->value[CLSTM_LIMIT_ARENA_BYTES];
    if (s == CLSTM_OK && p->root.arena_bytes > (uint64_t)most)
        s = util_fail(err, CLSTM_LIMIT, "the plan needs %llu bytes of arena (limit arena-bytes %lld)", (unsigned long long)p->root.arena_bytes, (long long)most);
    if (s == CLSTM_OK) {
        p->memory_bytes = (size_t)p->root.arena_bytes;
        p->live = (int64_t)p->memory_bytes;
        p->env.live = &p->live;
        p->memory = util_aligned_alloc(p->memory_bytes);
        if (!p->memory) s = util_no_memory(err);
        else { memset(p->memory, 0, p->memory_bytes); plan_place(&p->root, p->memory); }
    }
    if (s != CLSTM_OK) { plan_destroy(p); return s; }
    *out = p;
    return CLSTM_OK;
}

static bool is_input(const ir_graph *g, const ir_value *v) {
    size_t i = 0;
    while (i < g->n_in && g->inputs[i] != v) i++;
    return i < g->n_in;
}

clstm_status plan_settle_constants(ir_graph *g, clstm_error *err) {
    char text[256];
    /* A constant is dropped only when every node that reads it, in any graph, reads a packed form; its mark lives in uses. */
    enum { PACKED = 1, RAW = 2 };
    for (size_t i = 0; i < g->n_values; i++) g->values[i]->uses = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        uint32_t claimed = 0;
        bool any = false;
        for (int k = 0; k < n->n_in; k++) any |= n->inputs[k] && n->inputs[k]->constant;
        if (any && n->op->prepack) {
            clstm_status s = n->op->prepack(n, &claimed, err);
            if (s != CLSTM_OK) return util_context(err, s, "%s", ir_node_text(text, sizeof text, n));
        }
        for (int k = 0; k < n->n_in; k++)
            if (n->inputs[k] && n->inputs[k]->constant) n->inputs[k]->uses |= k < 32 && claimed >> k & 1 ? PACKED : RAW;
    }
    for (size_t i = 0; i < g->n_out; i++) g->outputs[i]->uses |= RAW;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) UTIL_TRY(plan_settle_constants(g->nodes[i]->bodies[b], err));
    for (size_t i = 0; i < g->n_values; i++) {
        ir_value *v = g->values[i];
        if (!v->constant) continue;
        if (!v->uses && !is_input(g, v)) {       /* read by nothing: what was folded away */
            ir_const_unref(v->constant);
            v->constant = NULL;
        } else if (v->uses & RAW || !ir_const_drop(v->constant)) UTIL_TRY(ir_const_own(v->constant, err));
    }
    /* Attributes that stay (of nodes in bodies, say) hold tensors as well. */
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int a = 0; a < g->nodes[i]->n_attrs; a++) {
            ir_attr *t = &g->nodes[i]->attrs[a];
            if (t->kind == IR_ATTR_TENSOR || t->kind == IR_ATTR_SPARSE) UTIL_TRY(ir_const_own(t->v.t, err));
            for (size_t k = 0; t->kind == IR_ATTR_TENSORS && k < t->count; k++) UTIL_TRY(ir_const_own(t->v.tensors[k], err));
        }
    return CLSTM_OK;
}
