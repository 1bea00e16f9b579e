/* convert/emit_node: a static function for every live node, its operands, and the calls in order. */
#include "convert/emit.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

static const emit_row *const families[] = {emit_rows_elementwise, emit_rows_shape, emit_rows_move, emit_rows_product, emit_rows_conv, emit_rows_norm,
                                           emit_rows_reduce, emit_rows_pick, emit_rows_rnn, emit_rows_quantise, emit_rows_resize, emit_rows_control, emit_rows_rearrange};

const emit_row *emit_find(const ir_node *n) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const emit_row *r = families[f]; r->name; r++)
            if (!strcmp(r->name, n->op_type) && !strcmp(r->domain ? r->domain : "", n->domain)) return r;
    return NULL;
}

/* ---- constants ------------------------------------------------------------------------------------------------------------------------- */

clstm_status emit_data(emitter *e, const emit_step *s, int i, clstm_tensor *out) {
    const void *data;
    *out = s->in[i]->ir->constant->tensor;
    UTIL_TRY(ir_const_data(s->in[i]->ir->constant, &data, e->err));
    out->data = (void *)(uintptr_t)data;
    return CLSTM_OK;
}

const char *emit_constant(emitter *e, clstm_type type, const clstm_tensor *data) {
    int64_t n = clstm_tensor_count(data);
    int number = e->n_constants++;
    e->constant_bytes += n * (int64_t)clstm_type_size(type);
    emit_put(&e->constants, "static const %s c%d[%lld] = {\n", emit_ctype(type), number, (long long)(n ? n : 1));
    emit_array(e, type, data);
    emit_put(&e->constants, "%s\n};\n", n ? "" : "    0");
    return emit_say(e, "c%d", number);
}

const char *emit_numbers(emitter *e, clstm_type type, int64_t n, const double *v) {
    clstm_tensor t;
    tensor_set(&t, type, 1, &n);
    t.data = util_arena_alloc(&e->arena, (size_t)n + 1, sizeof *v);
    if (!t.data) { e->failed = true; return ""; }
    for (int64_t i = 0; i < n; i++) {
        if (type == CLSTM_FLOAT) ((float *)t.data)[i] = (float)v[i];
        else ((double *)t.data)[i] = v[i];
    }
    return emit_constant(e, type, &t);
}

static const char *known_array(emitter *e, const emit_value *v) {
    int64_t n = 0;
    int number = e->n_constants++;
    emit_is_fixed(&v->count, &n);
    e->constant_bytes += n * (int64_t)clstm_type_size(v->type);
    emit_put(&e->constants, "static const %s c%d[%lld] = {", emit_ctype(v->type), number, (long long)(n ? n : 1));
    for (int64_t i = 0; i < n; i++) emit_put(&e->constants, "%s%s", i ? ", " : "", emit_size(e, &v->known[i]));
    emit_put(&e->constants, "%s};\n", n ? "" : "0");
    return emit_say(e, "c%d", number);
}

/* A pointer to a value's elements, in the function that calls the nodes. */
static clstm_status place_text(emitter *e, emit_value *v, const char **out) {
    if (v->base) {
        const char *base;
        UTIL_TRY(place_text(e, v->base, &base));
        *out = emit_is(&v->offset, 0) ? base : emit_say(e, "%s + %s", base, emit_size(e, &v->offset));
        return CLSTM_OK;
    }
    if (!v->text && v->ir->constant) {
        clstm_tensor t = v->ir->constant->tensor;
        const void *data;
        UTIL_TRY(ir_const_data(v->ir->constant, &data, e->err));
        t.data = (void *)(uintptr_t)data;
        v->text = emit_constant(e, v->type, &t);
    } else if (!v->text && v->known) v->text = known_array(e, v);
    *out = v->text ? v->text : "";
    return v->text ? CLSTM_OK : util_fail(e->err, CLSTM_INTERNAL, "a value without a place");
}

/* ---- one node -------------------------------------------------------------------------------------------------------------------------- */

static bool is_constant(const emit_value *v) {
    while (v->base) v = v->base;
    return v->ir && (v->ir->constant || v->known);
}

const char *emit_place_of(emitter *e, emit_value *v) {
    const char *text = "";
    if (place_text(e, v, &text) != CLSTM_OK) e->failed = true;
    return text;
}

static bool passed(const emit_step *s, int i) { return s->in[i] && !is_constant(s->in[i]) && emit_reads(s, i); }

const char *emit_x(emitter *e, const emit_step *s, int i) { return passed(s, i) ? emit_say(e, "x%d", i) : emit_place_of(e, s->in[i]); }

static void shape_text(emitter *e, emit_string *to, const emit_value *v) {
    emit_put(to, "%s[", clstm_type_name(v->type));
    for (int d = 0; d < v->rank; d++) emit_put(to, "%s%s", d ? ", " : "", emit_size(e, &v->dims[d]));
    emit_put(to, "]");
}

/* Parameters into the function's head, arguments into the call. */
static void parameter(emitter *e, bool *first, const char *parameter_text, const char *argument) {
    emit_put(&e->code, "%s%s", *first ? "" : ", ", parameter_text);
    emit_put(&e->calls, "%s%s", *first ? "" : ", ", argument);
    *first = false;
}

static clstm_status node_head(emitter *e, emit_step *s) {
    bool first = true, in_place = s->row->flags & EMIT_IN_PLACE;
    const char *text;
    emit_put(&e->code, "\n/* node %d %s (%s):", s->n->index, emit_quoted(e, s->n->name ? s->n->name : ""), s->row->name);
    for (int i = 0; i < s->n->n_out; i++) {
        if (!emit_gives(s, i)) continue;
        emit_put(&e->code, " ");
        shape_text(e, &e->code, s->out[i]);
    }
    emit_put(&e->code, " */\nstatic void node%d(", s->number);
    emit_put(&e->calls, "%*snode%d(", 4 * (e->depth + 1), "", s->number);
    for (int i = 0; i < s->n->n_in; i++) {
        if (!passed(s, i)) continue;
        UTIL_TRY(place_text(e, s->in[i], &text));
        parameter(e, &first, emit_say(e, "const %s *%sx%d", emit_ctype(s->in[i]->type), in_place ? "" : "restrict ", i), text);
    }
    for (int i = 0; i < s->n->n_out; i++) {
        if (!emit_gives(s, i) || s->out[i]->base) continue;
        UTIL_TRY(place_text(e, s->out[i], &text));
        parameter(e, &first, emit_say(e, "%s *%sy%d", emit_ctype(s->out[i]->type), in_place ? "" : "restrict ", i), text);
    }
    for (int i = 0; i < s->n_temporaries; i++)
        parameter(e, &first, emit_say(e, "%s *restrict t%d", emit_ctype(s->temporary[i]->type), i), s->temporary[i]->text);
    for (int i = s->state; i >= 0 && i < (int)e->n_states && e->states[i].layer == s->n; i++)
        parameter(e, &first, emit_say(e, "const %s *from%d, %s *to%d", emit_ctype(e->states[i].value->type), i - s->state, emit_ctype(e->states[i].value->type), i - s->state),
                  emit_say(e, "from ? from->s%d : NULL, to ? to->s%d : NULL", i, i));
    if (s->fails) parameter(e, &first, "int *bad", "&w->bad");
    emit_put(&e->code, "%s) {\n", first ? "void" : "");
    emit_put(&e->calls, ");\n");
    return CLSTM_OK;
}

/* Nothing to do: every output is a view. */
static bool idle(const emit_step *s) {
    for (int i = 0; i < s->n->n_out; i++)
        if (emit_gives(s, i) && !s->out[i]->base) return false;
    return true;
}

clstm_status emit_node_functions(emitter *e) {
    char text[256];
    for (size_t i = 0; i < e->n_steps; i++) {
        emit_step *s = &e->steps[i];
        bool block = s->row->flags & EMIT_BLOCK;
        if (!s->live || (idle(s) && !block)) continue;
        if (!block) UTIL_TRY(node_head(e, s));
        clstm_status status = s->row->code(e, s);
        if (status == EMIT_AGAIN) return status;
        if (status != CLSTM_OK) return util_context(e->err, status, "%s", ir_node_text(text, sizeof text, s->n));
        if (!block) emit_put(&e->code, "}\n");
    }
    /* outputs that are views, inputs, constants or each other */
    for (size_t i = 0; i < e->g->n_out; i++) {
        emit_value *v = e->g->outputs[i]->user;
        const char *from;
        UTIL_TRY(place_text(e, v, &from));
        if (!strcmp(from, emit_say(e, "out%zu", i))) continue;
        emit_put(&e->calls, "    memcpy(out%zu, %s, sizeof(%s) * %s);\n", i, from, emit_ctype(v->type), emit_size(e, &v->count));
    }
    return CLSTM_OK;
}
