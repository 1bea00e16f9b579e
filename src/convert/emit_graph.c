/* convert/emit_graph: one walk over the specialised graph: types and shapes by the operators' own rules at trial sizes, symbolic sizes
 * by the emitter's rows, the one checked against the other. A size that cannot stay open is pinned, and the walk starts anew. */
#include "convert/emit.h"

#include "plan/plan.h"
#include "rnn/spec.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes at which open dimensions are tried: primes, so that a rule that is right by chance shows. */
static const int64_t trial_sizes[EMIT_SYMBOLS] = {11, 13, 17, 19, 23, 29, 31, 37};

clstm_status emit_pin(emitter *e, uint32_t mask) {
    e->pin |= mask;
    return EMIT_AGAIN;
}

uint32_t emit_step_symbols(const emit_step *s) {
    uint32_t mask = 0;
    for (int i = 0; i < s->n->n_in; i++) {
        const emit_value *v = s->in[i];
        int64_t n = 0;
        if (!v) continue;
        for (int d = 0; d < v->rank; d++) mask |= emit_symbols(&v->dims[d]);
        if (v->known && emit_is_fixed(&v->count, &n))
            for (int64_t k = 0; k < n; k++) mask |= emit_symbols(&v->known[k]);
    }
    return mask;
}

clstm_status emit_refuse(emitter *e, const char *what) { return util_fail(e->err, CLSTM_UNSUPPORTED, "C text has no %s", what); }

clstm_status emit_give_up(emitter *e, const char *what) {
    uint32_t all = 0;
    for (int k = 0; k < e->n_symbols; k++)
        if (!e->symbol[k].pinned) all |= (uint32_t)1 << k;
    return all ? emit_pin(e, all) : emit_refuse(e, what);
}

/* ---- symbols ------------------------------------------------------------------------------------------------------------------------ */

static int symbol_of(const emitter *e, const char *name, size_t input, int axis) {
    for (int k = 0; k < e->n_symbols; k++)
        if (name ? e->symbol[k].name && !strcmp(e->symbol[k].name, name) : !e->symbol[k].name && e->symbol[k].input == (int)input && e->symbol[k].axis == axis) return k;
    return -1;
}

/* The size that a known shape of input p gives to its dimension d. */
static clstm_status size_symbol(const emitter *e, emit_pinned *s, const clstm_port *p, int d) {
    for (size_t k = 0; k < e->request->options->n_known; k++) {
        const clstm_convert_weight *w = &e->request->options->known[k];
        if (!w->tensor.data && !strcmp(w->name, p->name) && d < w->tensor.rank && w->tensor.dims[d] >= 0) s->size = w->tensor.dims[d];
    }
    if (s->size < 1 || s->size > INT32_MAX) return util_fail(e->err, CLSTM_BAD_ARGUMENT, "a dimension of size %lld", (long long)s->size);
    return CLSTM_OK;
}

static clstm_status find_symbols(emitter *e) {
    const emit_request *r = e->request;
    char text[128];
    for (size_t i = 0; i < r->n_in; i++) {
        const clstm_port *p = &r->inputs[i];
        if (p->kind != CLSTM_KIND_TENSOR || p->tensor.rank < 0 || !emit_ctype(p->tensor.type))
            return util_fail(e->err, CLSTM_UNSUPPORTED, "input \"%s\": C text needs a tensor of numbers of known rank", util_escape(text, sizeof text, p->name));
        for (int d = 0; d < p->tensor.rank; d++) {
            if (p->tensor.dims[d] >= 0) continue;
            int known = symbol_of(e, p->dim_names[d], i, d);
            if (known >= 0) { UTIL_TRY(size_symbol(e, &e->symbol[known], p, d)); continue; }
            if (e->n_symbols == EMIT_SYMBOLS) return util_fail(e->err, CLSTM_UNSUPPORTED, "more than %d symbolic dimensions", EMIT_SYMBOLS);
            emit_pinned *s = &e->symbol[e->n_symbols++];
            *s = (emit_pinned){p->dim_names[d], (int)i, d, 1, false};
            for (size_t k = 0; k < r->options->n_dims; k++)
                if (s->name && !strcmp(s->name, r->options->dims[k].name)) s->size = r->options->dims[k].size;
            UTIL_TRY(size_symbol(e, s, p, d));
        }
    }
    return CLSTM_OK;
}

int64_t emit_trial(const emitter *e, int k) { return e->symbol[k].pinned ? e->symbol[k].size : trial_sizes[k]; }

/* Gives the clone's inputs what is known: pinned sizes and declared constants. */
static clstm_status fix_inputs(emitter *e) {
    for (size_t i = 0; i < e->g->n_in; i++) {
        ir_value *v = e->g->inputs[i];
        const clstm_port *p = &e->request->inputs[i];
        v->kind = p->kind;
        v->type = p->tensor;
        v->type.data = NULL;
        for (int d = 0; d < v->type.rank; d++) {
            int k = v->type.dims[d] < 0 ? symbol_of(e, p->dim_names[d], i, d) : -1;
            if (k >= 0 && e->symbol[k].pinned) v->type.dims[d] = e->symbol[k].size;
        }
        if (v->type.rank >= 0 && tensor_shape_known(&v->type) && !clstm_tensor_count(&v->type)) {      /* no elements: as good as known */
            ir_const *none;
            UTIL_TRY(ir_const_new(&v->type, &none, e->err));
            ir_value_set_const(v, none);
            ir_const_unref(none);
            continue;
        }
        for (size_t k = 0; k < e->request->options->n_known; k++) {
            const clstm_convert_weight *w = &e->request->options->known[k];
            if (strcmp(w->name, p->name) || !w->tensor.data) continue;
            ir_const *c;
            if (w->tensor.type != v->type.type || w->tensor.rank != v->type.rank) return util_fail(e->err, CLSTM_BAD_ARGUMENT, "a constant of another type or shape than its input");
            UTIL_TRY(ir_const_new(&w->tensor, &c, e->err));
            ir_value_set_const(v, c);
            ir_const_unref(c);
        }
    }
    return CLSTM_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------- */

clstm_status emit_times(emitter *e, const emit_dim *a, const emit_dim *b, emit_dim *out) {
    return emit_mul(a, b, out) ? CLSTM_OK : emit_pin(e, emit_symbols(a) | emit_symbols(b));
}
clstm_status emit_sum(emitter *e, const emit_dim *a, int64_t factor, const emit_dim *b, emit_dim *out) {
    return emit_add(a, factor, b, out) ? CLSTM_OK : emit_pin(e, emit_symbols(a) | emit_symbols(b));
}
clstm_status emit_span(emitter *e, const emit_dim *dims, int from, int to, emit_dim *out) {
    *out = emit_fixed(1);
    for (int d = from; d < to; d++) UTIL_TRY(emit_times(e, out, &dims[d], out));
    return CLSTM_OK;
}

clstm_status emit_require(emitter *e, const emit_dim *d) {
    int64_t v;
    if (emit_is_fixed(d, &v)) return v < 0 ? util_fail(e->err, CLSTM_INTERNAL, "a size below zero") : CLSTM_OK;
    if (emit_nonnegative(d)) return CLSTM_OK;
    if (!util_grow((void **)&e->required, &e->cap_required, e->n_required + 1, sizeof *e->required)) return util_no_memory(e->err);
    e->required[e->n_required++] = *d;
    return CLSTM_OK;
}

clstm_status emit_set(emit_step *s, int out, int rank, const emit_dim *dims) {
    if (!s->out[out]) return CLSTM_OK;
    s->out[out]->rank = rank;
    if (rank) memcpy(s->out[out]->dims, dims, (size_t)rank * sizeof *dims);
    return CLSTM_OK;
}

clstm_status emit_new_known(emitter *e, emit_value *v) {
    int64_t n;
    UTIL_TRY(emit_span(e, v->dims, 0, v->rank, &v->count));
    if (!emit_is_fixed(&v->count, &n) || n > EMIT_MOST_KNOWN || (v->type != CLSTM_INT64 && v->type != CLSTM_INT32 && v->type != CLSTM_BOOL)) return CLSTM_OK;
    v->known = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *v->known);
    return v->known ? CLSTM_OK : util_no_memory(e->err);
}

/* Constants that nobody needs to see stay packed; small integers are known, and weights of zeros are noticed. */
static clstm_status look_at_constant(emitter *e, emit_value *v) {
    clstm_tensor t = v->ir->constant->tensor;
    const void *data = ir_const_peek(v->ir->constant);
    if (!data) return CLSTM_OK;
    t.data = (void *)(uintptr_t)data;
    int64_t n = clstm_tensor_count(&t);
    if (type_is_float(t.type) || type_is_integer(t.type) || t.type == CLSTM_BOOL) {
        v->zero = true;
        for (int64_t i = 0; i < n && v->zero; i++) v->zero = tensor_get_double(&t, i) == 0;
    }
    UTIL_TRY(emit_new_known(e, v));
    for (int64_t i = 0; v->known && i < n; i++) v->known[i] = emit_fixed(tensor_get_int(&t, i));
    return CLSTM_OK;
}

static clstm_status make_values(emitter *e) {
    e->values = util_arena_alloc(&e->arena, e->g->n_values + 1, sizeof *e->values);
    if (!e->values) return util_no_memory(e->err);
    for (size_t i = 0; i < e->g->n_values; i++) {
        emit_value *v = &e->values[i];
        ir_value *ir = e->g->values[i];
        ir->user = v;
        *v = (emit_value){.ir = ir, .output = -1, .buffer = -1, .first = -1, .last = -1, .rank = -1};
        if (!ir->constant) continue;
        v->type = ir->constant->tensor.type;
        v->rank = ir->constant->tensor.rank;
        for (int d = 0; d < v->rank; d++) v->dims[d] = emit_fixed(v->trial[d] = ir->constant->tensor.dims[d]);
        UTIL_TRY(emit_span(e, v->dims, 0, v->rank, &v->count));
        UTIL_TRY(look_at_constant(e, v));
    }
    for (size_t i = 0; i < e->g->n_in; i++) {
        emit_value *v = e->g->inputs[i]->user;
        const clstm_port *p = &e->request->inputs[i];
        if (v->ir->constant) continue;
        v->type = p->tensor.type;
        v->rank = p->tensor.rank;
        for (int d = 0; d < v->rank; d++) {
            int k = p->tensor.dims[d] < 0 ? symbol_of(e, p->dim_names[d], i, d) : -1;
            v->trial[d] = k < 0 ? p->tensor.dims[d] : emit_trial(e, k);
            v->dims[d] = k < 0 || e->symbol[k].pinned ? emit_fixed(v->trial[d]) : emit_symbol(k);
        }
        UTIL_TRY(emit_span(e, v->dims, 0, v->rank, &v->count));
    }
    return CLSTM_OK;
}

/* ---- one node ------------------------------------------------------------------------------------------------------------------------ */

/* The known elements at the trial sizes, as the operator expects them. */
static clstm_status show_known(emitter *e, const emit_value *v, clstm_tensor *t) {
    int64_t n, x, at[EMIT_SYMBOLS];
    for (int k = 0; k < EMIT_SYMBOLS; k++) at[k] = emit_trial(e, k);
    if (!emit_is_fixed(&v->count, &n)) return CLSTM_OK;
    t->data = util_arena_alloc(&e->arena, (size_t)n + 1, 8);
    if (!t->data) return util_no_memory(e->err);
    for (int64_t i = 0; i < n; i++) {
        if (!emit_evaluate(&v->known[i], at, &x)) return util_fail(e->err, CLSTM_LIMIT, "a size that does not fit");
        if (v->type == CLSTM_INT64) ((int64_t *)t->data)[i] = x;
        else if (v->type == CLSTM_INT32) ((int32_t *)t->data)[i] = (int32_t)x;
        else ((uint8_t *)t->data)[i] = x != 0;
    }
    return CLSTM_OK;
}

static clstm_status make_context(emitter *e, emit_step *s) {
    op_ctx *c = &s->ctx;
    int n = s->n->n_in + s->n->n_out;
    clstm_value *values = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *values);
    c->node = s->n;
    c->env = &e->env;
    c->err = e->err;
    c->n_in = s->n->n_in;
    c->n_out = s->n->n_out;
    c->in = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *c->in);
    c->out = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *c->out);
    c->consts = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *c->consts);
    s->in = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *s->in);
    s->out = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *s->out);
    if (!values || !c->in || !c->out || !c->consts || !s->in || !s->out) return util_no_memory(e->err);
    for (int i = 0; i < n; i++) {
        bool input = i < c->n_in;
        ir_value *ir = input ? s->n->inputs[i] : s->n->outputs[i - c->n_in];
        if (!ir) continue;
        emit_value *v = ir->user;
        if (!input) { s->out[i - c->n_in] = v; c->out[i - c->n_in] = &values[i]; continue; }
        s->in[i] = v;
        c->in[i] = &values[i];
        c->consts[i] = ir->constant;
        values[i].kind = CLSTM_KIND_TENSOR;
        tensor_set(&values[i].tensor, v->type, v->rank, v->trial);
        if (ir->constant) values[i].tensor.data = (void *)(uintptr_t)ir_const_peek(ir->constant);
        else if (v->known) UTIL_TRY(show_known(e, v, &values[i].tensor));
    }
    return CLSTM_OK;
}

/* What the operator's own rule says at the trial sizes. */
static clstm_status infer(emitter *e, emit_step *s) {
    uint32_t open = emit_step_symbols(s);
    char text[256];
    clstm_status status = op_infer(&s->ctx);
    if (status != CLSTM_OK && open) return emit_pin(e, open);
    if (status == OP_DEFER) return util_fail(e->err, CLSTM_UNSUPPORTED, "%s: sizes that only the run knows", ir_node_text(text, sizeof text, s->n));
    UTIL_TRY(status);
    for (int i = 0; i < s->n->n_out; i++) {
        emit_value *v = s->out[i];
        const clstm_value *c = s->ctx.out[i];
        if (!v) continue;
        if (c->kind != CLSTM_KIND_TENSOR || !tensor_shape_known(&c->tensor) || !emit_ctype(c->tensor.type)) {
            if (open) return emit_pin(e, open);
            return util_fail(e->err, CLSTM_UNSUPPORTED, "%s: an output that is no tensor of numbers of known shape", ir_node_text(text, sizeof text, s->n));
        }
        v->type = c->tensor.type;
        v->rank = c->tensor.rank;
        for (int d = 0; d < v->rank; d++) v->dims[d] = emit_fixed(v->trial[d] = c->tensor.dims[d]);
    }
    return CLSTM_OK;
}

/* A rule of ours that disagrees with the operator's own is a mistake here: it must not become a wrong program. */
static clstm_status check_sizes(emitter *e, emit_step *s) {
    int64_t x, at[EMIT_SYMBOLS];
    char text[256];
    for (int k = 0; k < EMIT_SYMBOLS; k++) at[k] = emit_trial(e, k);
    for (int i = 0; i < s->n->n_out; i++) {
        emit_value *v = s->out[i];
        if (!v) continue;
        for (int d = 0; d < v->rank; d++)
            if (v->rank != s->ctx.out[i]->tensor.rank || !emit_evaluate(&v->dims[d], at, &x) || x != v->trial[d])
                return util_fail(e->err, CLSTM_INTERNAL, "%s: sizes disagree", ir_node_text(text, sizeof text, s->n));
        UTIL_TRY(emit_span(e, v->dims, 0, v->rank, &v->count));
        if (!emit_evaluate(&v->count, at, &x) || x > INT32_MAX) return util_fail(e->err, CLSTM_LIMIT, "%s: more than 2147483647 elements", ir_node_text(text, sizeof text, s->n));
    }
    return CLSTM_OK;
}

static clstm_status walk_node(emitter *e, emit_step *s) {
    char text[256];
    s->state = -1;
    UTIL_TRY(make_context(e, s));
    uint32_t open = emit_step_symbols(s);
    s->row = emit_find(s->n);
    s->around = e->open;
    if (!s->row) {
        clstm_status status = emit_give_up(e, "such operator");
        if (status == EMIT_AGAIN) return status;
        return util_fail(e->err, status, "%s: the C emitter has no operator %s%s%s", ir_node_text(text, sizeof text, s->n), s->n->domain, s->n->domain[0] ? "." : "", s->n->op_type);
    }
    if (!(s->row->flags & EMIT_BLOCK)) UTIL_TRY(infer(e, s));
    if (open && !s->row->shape) return emit_pin(e, open);
    if (s->row->shape) {
        clstm_status status = s->row->shape(e, s);
        if (status == EMIT_AGAIN && !open && !e->pin) return util_fail(e->err, CLSTM_UNSUPPORTED, "%s: sizes that only the run knows", ir_node_text(text, sizeof text, s->n));
        if (status == EMIT_AGAIN) return emit_pin(e, open);
        if (status != CLSTM_OK) return util_context(e->err, status, "%s", ir_node_text(text, sizeof text, s->n));
    }
    return check_sizes(e, s);
}

static clstm_status walk(emitter *e) {
    UTIL_TRY(make_values(e));
    e->n_steps = e->g->n_nodes;
    e->steps = util_arena_alloc(&e->arena, e->n_steps + 1, sizeof *e->steps);
    if (!e->steps) return util_no_memory(e->err);
    for (size_t i = 0; i < e->n_steps; i++) {
        e->steps[i].n = e->g->nodes[i];
        e->steps[i].number = (int)i;
        UTIL_TRY(walk_node(e, &e->steps[i]));
    }
    return CLSTM_OK;
}

static void forget(emitter *e) {
    ir_graph_destroy(e->g);
    util_arena_destroy(&e->arena);
    free(e->constants.text);
    free(e->code.text);
    free(e->calls.text);
    free(e->required);
}

/* One attempt with the symbols pinned so far. */
static clstm_status attempt(emitter *e, emit_string *source, emit_string *header) {
    UTIL_TRY(ir_graph_clone(e->request->graph, &e->g, e->err));
    UTIL_TRY(fix_inputs(e));
    /* what is rewritten folds, and opens the way for more: a body's sizes are known once it is unrolled */
    for (bool changed = true; changed;) {
        changed = false;
        UTIL_TRY(plan_optimise(e->g, &e->env, false, e->err));
        UTIL_TRY(emit_unroll(e->g, &changed, e->err));
    }
    UTIL_TRY(emit_flatten(e->g, e->err));
    UTIL_TRY(walk(e));
    UTIL_TRY(emit_live(e));
    UTIL_TRY(emit_place(e));
    UTIL_TRY(emit_node_functions(e));
    UTIL_TRY(emit_write(e, source, header));
    return e->failed || e->constants.failed || e->code.failed || source->failed || header->failed ? util_no_memory(e->err) : CLSTM_OK;
}

static void capitals(char *out, size_t size, const char *name) {
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++) out[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    out[i] = 0;
}

/* A model that only fits together at other sizes: which ones were tried. */
static void name_sizes(const emitter *e, const emit_pinned *symbol, clstm_error *err) {
    char list[200] = "", name[48];
    for (int k = 0; k < e->n_symbols; k++) {
        size_t n = strlen(list);
        if (symbol[k].pinned && symbol[k].name) snprintf(list + n, sizeof list - n, "%s%s=%lld", n ? ", " : "", util_escape(name, sizeof name, symbol[k].name), (long long)symbol[k].size);
    }
    if (list[0]) util_context(err, err->status, "with %s (--dim sets them)", list);
}

clstm_status emit_model(const emit_request *r, emit_string *source, emit_string *header, clstm_error *err) {
    emit_pinned symbol[EMIT_SYMBOLS];
    char macro[80];
    capitals(macro, sizeof macro, r->options->name);
    emitter first = {.request = r, .err = err};
    UTIL_TRY(find_symbols(&first));
    memcpy(symbol, first.symbol, sizeof symbol);
    clstm_status status = EMIT_AGAIN;
    for (int round = 0; round <= EMIT_SYMBOLS && status == EMIT_AGAIN; round++) {
        emitter e = {.request = r, .err = err, .name = r->options->name, .macro = macro, .n_symbols = first.n_symbols, .env = {.limits = r->limits}};
        memcpy(e.symbol, symbol, sizeof symbol);
        source->size = header->size = 0;
        status = attempt(&e, source, header);
        for (int k = 0; k < e.n_symbols; k++) symbol[k].pinned |= e.pin >> k & 1;
        if (status == EMIT_AGAIN && !e.pin) status = util_fail(err, CLSTM_INTERNAL, "sizes that are not to be settled");
        forget(&e);
    }
    if (status == EMIT_AGAIN) return util_fail(err, CLSTM_INTERNAL, "sizes that are not to be settled");
    if (status == CLSTM_BAD_MODEL) name_sizes(&first, symbol, err);
    return status;
}
