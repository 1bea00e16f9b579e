/* plan/exec: running the steps. Static steps only call run; dynamic ones infer, allocate, prepare, run and release. */
#include "plan/plan_internal.h"

#include "tensor/tensor.h"

#include <string.h>
#include <time.h>

/* The executor made every value it hands to an operator the first member of a slot. */
static plan_slot *slot_at(clstm_value *v) { return (plan_slot *)v; }

static clstm_status hold(const op_ctx *c, plan_slot *slot, int64_t bytes) {
    slot->held += bytes;
    return op_live_add(c->env, bytes, c->err);
}

static void let_go(const op_ctx *c, plan_slot *slot) {
    (void)op_live_add(c->env, -slot->held, NULL);
    slot->held = 0;
}

static clstm_status allocate_outputs(op_ctx *c) {
    for (int i = 0; i < c->n_out; i++) {
        size_t bytes;
        if (!c->out[i] || c->out[i]->kind != CLSTM_KIND_TENSOR) continue;
        if (!tensor_bytes(&c->out[i]->tensor, &bytes)) return util_fail(c->err, CLSTM_INTERNAL, "an output without a shape");
        UTIL_TRY(hold(c, slot_at(c->out[i]), (int64_t)bytes));
        if (!(c->out[i]->tensor.data = util_aligned_alloc(bytes))) return util_no_memory(c->err);
    }
    return CLSTM_OK;
}

static clstm_status run_dynamic(plan_step_s *s) {
    op_ctx *c = &s->ctx;
    const op_desc *op = s->node->op;
    for (int i = 0; i < c->n_out; i++) {
        if (!c->out[i]) continue;
        let_go(c, slot_at(c->out[i]));
        if (slot_at(c->out[i])->owned) op_value_clear(c->out[i]);
        memset(c->out[i], 0, sizeof *c->out[i]);
        slot_at(c->out[i])->owned = true;
    }
    clstm_status status = op_check_present(c);
    if (status == CLSTM_OK) status = op_infer(c);
    if (status == OP_DEFER && op->flags & OP_ALLOCATES) status = CLSTM_OK;
    if (status != CLSTM_OK)     /* op_infer has named the node already */
        return status == OP_DEFER ? util_fail(c->err, CLSTM_INTERNAL, "an operator asks for data that it has") : status;
    char text[256];
    for (int i = 0; i < c->n_out && op->flags & OP_ALLOCATES; i++)
        if (c->out[i]) memset(c->out[i], 0, sizeof *c->out[i]);
    if (!(op->flags & OP_ALLOCATES)) status = allocate_outputs(c);
    if (status == CLSTM_OK) status = op_prepare(c);
    if (status == CLSTM_OK && c->scratch_bytes && !(c->scratch = util_aligned_alloc(c->scratch_bytes))) status = util_no_memory(c->err);
    if (status == CLSTM_OK) status = op->run(c);
    /* Operators that allocate for themselves are counted afterwards: each output is within the limit elements. */
    for (int i = 0; i < c->n_out && status == CLSTM_OK && op->flags & OP_ALLOCATES; i++)
        if (c->out[i]) status = hold(c, slot_at(c->out[i]), op_value_bytes(c->out[i]));
    if (op->release) op->release(c);
    util_aligned_free(c->prepared);
    util_aligned_free(c->scratch);
    c->prepared = c->scratch = NULL;
    if (status != CLSTM_OK) util_context(c->err, status, "%s", ir_node_text(text, sizeof text, s->node));
    return status;
}

double plan_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static clstm_status run_step(plan_step_s *s, clstm_error *err) {
    char text[256];
    s->ctx.err = err;
    if (s->dynamic) return run_dynamic(s);
    clstm_status status = s->node->op->run(&s->ctx);
    if (status != CLSTM_OK) util_context(err, status, "%s", ir_node_text(text, sizeof text, s->node));
    return status;
}

static clstm_status run_block(plan_block *b, clstm_error *err) {
    const plan *p = b->plan;
    for (size_t i = 0; i < b->n_steps; i++) {
        plan_step_s *s = &b->steps[i];
        if (s->view) continue;
        if (p->env.cancel && atomic_load_explicit(p->env.cancel, memory_order_relaxed)) return util_fail(err, CLSTM_CANCELLED, "cancelled");
        if (s->stack) {
            UTIL_TRY(plan_run_stack(s->stack, &i, err));
        } else if (!p->profile) {
            UTIL_TRY(run_step(s, err));
        } else {
            double t = plan_seconds();
            UTIL_TRY(run_step(s, err));
            s->seconds += plan_seconds() - t;
        }
    }
    return CLSTM_OK;
}

clstm_status plan_run(plan *p, const clstm_value *const *inputs, clstm_error *err) {
    for (size_t i = 0; i < p->graph->n_in; i++)
        if (inputs[i]) ((plan_slot *)p->graph->inputs[i]->user)->value = *inputs[i];
    for (size_t i = 0; i < p->n_views; i++)
        p->views[i]->value.tensor.data = (unsigned char *)p->views[i]->base->value.tensor.data + p->views[i]->offset;
    return run_block(&p->root, err);
}

const clstm_value *plan_output(const plan *p, size_t i) {
    return i < p->graph->n_out ? &((plan_slot *)p->graph->outputs[i]->user)->value : NULL;
}

bool plan_shows_input(const plan *p, size_t input) {
    const plan_slot *in = p->graph->inputs[input]->user;
    for (size_t i = 0; i < p->graph->n_out; i++) {
        const plan_slot *out = p->graph->outputs[i]->user;
        if (out == in || out->base == in) return true;
    }
    return false;
}

bool plan_bind_output(plan *p, size_t i, void *data) {
    plan_slot *s = p->graph->outputs[i]->user;
    if (s->storage < 0) return false;
    for (size_t k = 0; k < p->graph->n_values; k++)
        if (&p->root.slots[k] != s && p->root.slots[k].storage == s->storage) return false;
    for (size_t k = 0; k < p->graph->n_out; k++)
        if (k != i && p->graph->outputs[k] == p->graph->outputs[i]) return false;
    s->value.tensor.data = data ? data : s->home;
    return true;
}

/* Hands body output k to the caller: moved when the body made it and nothing else holds it, else copied. */
static clstm_status take_output(plan_block *b, size_t k, clstm_value *out, const op_ctx *c) {
    plan_slot *s = b->graph->outputs[k]->user;
    bool again = false;
    for (size_t j = k + 1; j < b->graph->n_out; j++) again |= b->graph->outputs[j] == b->graph->outputs[k];
    if (!s->owned || again || s->ir->graph != b->graph) return op_value_copy(out, &s->value, c->err);
    let_go(c, s);
    *out = s->value;
    memset(&s->value, 0, sizeof s->value);
    s->owned = false;
    return CLSTM_OK;
}

clstm_status plan_run_body(op_ctx *ctx, int which, int n_in, const clstm_value *in, int n_out, clstm_value *out) {
    plan_step_s *step = ctx->plan;
    plan_block *b = step->bodies[which];
    if (n_in != (int)b->graph->n_in || n_out != (int)b->graph->n_out)
        return util_fail(ctx->err, CLSTM_BAD_MODEL, "the body has %zu inputs and %zu outputs, expected %d and %d", b->graph->n_in, b->graph->n_out, n_in, n_out);
    for (int i = 0; i < n_in; i++) ((plan_slot *)b->graph->inputs[i]->user)->value = in[i];
    clstm_status s = run_block(b, ctx->err);
    for (int i = 0; i < n_out; i++) memset(&out[i], 0, sizeof out[i]);
    for (int i = 0; i < n_out && s == CLSTM_OK; i++) s = take_output(b, (size_t)i, &out[i], ctx);
    for (int i = 0; i < n_out && s != CLSTM_OK; i++) op_value_clear(&out[i]);
    return s;
}

/* ---- what a plan holds --------------------------------------------------------------------------------------------------------- */

size_t plan_carried(const plan *p) { return p->graph->n_in - p->own_inputs; }

void plan_carried_part(const plan *p, size_t k, const char **name, clstm_tensor *type, ir_const **initial) {
    const ir_value *v = p->graph->inputs[p->own_inputs + k];
    *name = v->name;
    *type = v->type;
    *initial = p->initial[k];
}

static size_t count_recovered(const ir_graph *g) {
    size_t n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        n += g->nodes[i]->index == IR_RECOVERED;
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) n += count_recovered(g->nodes[i]->bodies[b]);
    }
    return n;
}

void plan_summarise(const plan *p, plan_summary *out) {
    *out = (plan_summary){.before = p->graph->imported, .after = ir_count_nodes(p->graph), .recovered_layers = count_recovered(p->graph)};
    memcpy(out->gone, p->graph->gone, sizeof out->gone);
    for (size_t i = 0; i < p->root.n_steps; i++) {
        const plan_step_s *s = &p->root.steps[i];
        if (s->view) out->views++;
        else out->calls++;
        out->dynamic += s->dynamic;
    }
}

size_t plan_step_count(const plan *p) { return p->root.n_steps; }
size_t plan_arena_bytes(const plan *p) { return p->memory_bytes; }

void plan_profile(plan *p, bool on) {
    p->profile = on;
    for (size_t i = 0; on && i < p->root.n_steps; i++) p->root.steps[i].seconds = 0;
}

void plan_step(const plan *p, size_t i, plan_step_info *info) {
    const plan_step_s *s = &p->root.steps[i];
    memset(info, 0, sizeof *info);
    info->node = s->node;
    info->dynamic = s->dynamic;
    info->view = s->view;
    info->seconds = s->seconds;
    if (s->view) return;
    if (s->node->op->flops && !s->dynamic) info->flops = s->node->op->flops(&s->ctx);
    for (int k = 0; k < s->node->n_in + s->node->n_out; k++) {
        const clstm_value *v = k < s->node->n_in ? s->ctx.in[k] : s->ctx.out[k - s->node->n_in];
        size_t bytes;
        if (v && v->kind == CLSTM_KIND_TENSOR && tensor_bytes(&v->tensor, &bytes)) info->bytes += (double)bytes;
    }
}
