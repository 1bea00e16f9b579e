/* rnn/spec: attributes and shapes of a recurrent node. */
#include "rnn/spec.h"

#include "tensor/tensor.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- attributes ----------------------------------------------------------------------------------------------------------- */

static clstm_status read_direction(const ir_node *n, rnn_spec *s, clstm_error *err) {
    const char *d = op_attr_string(n, "direction");
    char text[64];
    s->directions = 1;
    if (!d || !strcmp(d, "forward") || !strcmp(d, "foward")) return CLSTM_OK;    /* the schemas of opset 1 to 13 misspell it */
    if (!strcmp(d, "reverse")) { s->reverse = true; return CLSTM_OK; }
    if (!strcmp(d, "bidirectional")) { s->directions = 2; return CLSTM_OK; }
    return util_fail(err, CLSTM_BAD_MODEL, "attribute direction is \"%s\", expected forward, reverse or bidirectional",
                     util_escape(text, sizeof text, d));
}

/* activation_alpha or activation_beta, handed out in order to the functions that take one. */
typedef struct parameters { const float *values; size_t count, used; bool beta; } parameters;

static void take(parameters *p, rnn_activation *a, rnn_activation *ort) {
    float *own = p->beta ? &a->beta : &a->alpha, *other = p->beta ? &ort->beta : &ort->alpha;
    if (!rnn_activation_takes(a->function, p->beta)) return;
    *own = rnn_activation_default(a->function, p->beta, false);
    *other = rnn_activation_default(a->function, p->beta, true);
    if (p->used < p->count) *own = *other = p->values[p->used++];
}

static clstm_status read_activations(const ir_node *n, rnn_spec *s, clstm_error *err) {
    size_t each = (size_t)rnn_functions(s->kind), want = each * (size_t)s->directions;
    const ir_attr *names = ir_attr_find(n, "activations");
    parameters alpha = {.beta = false}, beta = {.beta = true};
    char text[64];
    alpha.values = op_attr_floats(n, "activation_alpha", &alpha.count);
    beta.values = op_attr_floats(n, "activation_beta", &beta.count);
    /* RNN's schema default is ["Tanh","Tanh"], and tools write it out: with one direction the first counts. */
    bool two_for_one = s->kind == RNN_RNN && s->directions == 1 && names && names->count == 2;
    if (names && names->count != want && !two_for_one)
        return util_fail(err, CLSTM_BAD_MODEL, "attribute activations has %zu names, expected %zu", names->count, want);
    for (size_t i = 0; i < want; i++) {
        rnn_activation *a = &s->f[i / each][i % each], *ort = &s->onnxruntime_f[i / each][i % each];
        a->function = rnn_default_function(s->kind, (int)(i % each));
        if (names && !rnn_activation_find(names->v.strings[i], &a->function))
            return util_fail(err, CLSTM_BAD_MODEL, "attribute activations names \"%s\", which is not an activation function",
                             util_escape(text, sizeof text, names->v.strings[i]));
        ort->function = a->function;
        take(&alpha, a, ort);
        take(&beta, a, ort);
    }
    return CLSTM_OK;
}

/* 0 or 1; with `any`, every other value counts as 1. */
static clstm_status read_flag(const ir_node *n, const char *name, bool any, bool *out, clstm_error *err) {
    const ir_attr *a = ir_attr_find(n, name);
    int64_t v = a ? a->v.i : 0;
    if (!any && v != 0 && v != 1) return util_fail(err, CLSTM_BAD_MODEL, "attribute %s is %lld, expected 0 or 1", name, (long long)v);
    *out = v != 0;
    return CLSTM_OK;
}

static clstm_status lens_type(clstm_type t, clstm_error *err) {
    if (t == CLSTM_INT64)
        return util_fail(err, CLSTM_BAD_MODEL, "input sequence_lens has type int64, expected int32: put a Cast to int32 before it");
    return CLSTM_OK;
}

static const char projection[] = "the PyTorch exporter drops the projection of an LSTM (proj_size): this file may be such a one";

/* hidden_size against R, as far as R's shape is known. */
static clstm_status agree_hidden(const rnn_spec *s, const clstm_tensor *r, clstm_error *err) {
    if (!s->hidden || r->rank != 3 || r->dims[2] < 0 || r->dims[2] == s->hidden) return CLSTM_OK;
    bool projected = s->kind == RNN_LSTM && r->dims[1] == 4 * s->hidden && r->dims[2] < s->hidden;
    return util_fail(err, CLSTM_BAD_MODEL, "attribute hidden_size is %lld, but input R has hidden size %lld%s%s", (long long)s->hidden,
                     (long long)r->dims[2], projected ? "; " : "", projected ? projection : "");
}

clstm_status rnn_check(ir_node *n, clstm_error *err) {
    rnn_spec *s = util_arena_alloc(n->graph->arena, 1, sizeof *s);
    if (!s) return util_no_memory(err);
    s->kind = !strcmp(n->op->name, "LSTM") ? RNN_LSTM : !strcmp(n->op->name, "GRU") ? RNN_GRU : RNN_RNN;
    s->gates = s->kind == RNN_LSTM ? 4 : s->kind == RNN_GRU ? 3 : 1;
    UTIL_TRY(read_direction(n, s, err));
    UTIL_TRY(read_activations(n, s, err));
    UTIL_TRY(read_flag(n, "layout", false, &s->batch_first, err));
    UTIL_TRY(read_flag(n, "input_forget", false, &s->input_forget, err));
    UTIL_TRY(read_flag(n, "linear_before_reset", true, &s->reset_after, err));
    const ir_attr *hidden = ir_attr_find(n, "hidden_size"), *clip = ir_attr_find(n, "clip");
    if (hidden && (hidden->v.i <= 0 || hidden->v.i > INT32_MAX))
        return util_fail(err, CLSTM_BAD_MODEL, "attribute hidden_size is %lld, expected a positive number of 31 bits", (long long)hidden->v.i);
    if (clip && !(clip->v.f > 0))
        return util_fail(err, CLSTM_BAD_MODEL, "attribute clip is %g, expected a positive number", (double)clip->v.f);
    s->hidden = hidden ? hidden->v.i : 0;
    s->clip = clip ? clip->v.f : INFINITY;
    if (n->n_in > RNN_LENS && n->inputs[RNN_LENS]) UTIL_TRY(lens_type(n->inputs[RNN_LENS]->type.type, err));
    UTIL_TRY(agree_hidden(s, &n->inputs[RNN_R]->type, err));
    n->params = s;
    return CLSTM_OK;
}

bool rnn_is_fused(const rnn_spec *s, clstm_type type) {
    kernel_activation unused;
    for (int d = 0; d < s->directions; d++)
        for (int i = 0; i < rnn_functions(s->kind); i++) {
            const rnn_activation *f = &s->f[d][i];
            if (!rnn_activation_fused(f, &unused) || (f->function == RNN_RELU && s->kind != RNN_RNN && i == 0)) return false;
        }
    return type == CLSTM_FLOAT;
}

static bool same_float(float a, float b) { return !(a < b) && !(a > b); }

bool rnn_spec_same(const rnn_spec *a, const rnn_spec *b) {
    bool same = a->kind == b->kind && a->directions == b->directions && a->reverse == b->reverse && a->batch_first == b->batch_first &&
                a->input_forget == b->input_forget && a->reset_after == b->reset_after && same_float(a->clip, b->clip);
    for (int d = 0; d < 2; d++)
        for (int k = 0; k < 3; k++) same &= rnn_activation_same(&a->f[d][k], &b->f[d][k]) && rnn_activation_same(&a->onnxruntime_f[d][k], &b->onnxruntime_f[d][k]);
    return same;
}

/* ---- shapes ---------------------------------------------------------------------------------------------------------------- */

static clstm_status expect(op_ctx *ctx, int i, const char *name, int rank, const int64_t *dims) {
    clstm_tensor want;
    char have_text[200], want_text[200];
    if (!op_has_in(ctx, i)) return CLSTM_OK;
    tensor_set(&want, op_in(ctx, i)->type, rank, dims);
    if (tensor_same_shape(op_in(ctx, i), &want)) return CLSTM_OK;
    return op_bad_model(ctx, "input %s has shape %s, expected %s", name, tensor_shape_text(have_text, sizeof have_text, op_in(ctx, i)),
                        tensor_shape_text(want_text, sizeof want_text, &want));
}

static clstm_status expect_rank3(op_ctx *ctx, int i, const char *name) {
    char text[200];
    if (op_in(ctx, i)->rank == 3) return CLSTM_OK;
    return op_bad_model(ctx, "input %s has shape %s, expected rank 3", name, tensor_shape_text(text, sizeof text, op_in(ctx, i)));
}

static clstm_status read_hidden(op_ctx *ctx, const rnn_spec *s, rnn_sizes *z) {
    const clstm_tensor *r = op_in(ctx, RNN_R);
    z->h = r->dims[2];
    UTIL_TRY(agree_hidden(s, r, ctx->err));
    if (z->h == 0) return op_bad_model(ctx, "input R has hidden size 0");
    if (z->i == 0) return op_bad_model(ctx, "input X has input size 0");
    if (z->h > INT64_MAX / 64) return op_bad_model(ctx, "input R has hidden size %lld", (long long)z->h);
    return CLSTM_OK;
}

static clstm_status expect_state(op_ctx *ctx, const rnn_spec *s, const rnn_sizes *z, int i, const char *name) {
    int64_t d = s->directions;
    if (!op_has_in(ctx, i)) return CLSTM_OK;
    const clstm_tensor *t = op_in(ctx, i);
    if (s->kind == RNN_LSTM && t->rank == 3 && t->dims[2] != z->h)
        return op_bad_model(ctx, "%s has hidden size %lld, expected %lld; %s", name, (long long)t->dims[2], (long long)z->h, projection);
    return expect(ctx, i, name, 3, s->batch_first ? (int64_t[]){z->b, d, z->h} : (int64_t[]){d, z->b, z->h});
}

clstm_status rnn_read_sizes(op_ctx *ctx, rnn_sizes *z) {
    const rnn_spec *s = rnn_spec_of(ctx->node);
    int64_t d = s->directions, g = s->gates;
    UTIL_TRY(expect_rank3(ctx, RNN_X, "X"));
    UTIL_TRY(expect_rank3(ctx, RNN_W, "W"));
    UTIL_TRY(expect_rank3(ctx, RNN_R, "R"));
    const clstm_tensor *x = op_in(ctx, RNN_X);
    z->t = x->dims[s->batch_first ? 1 : 0];
    z->b = x->dims[s->batch_first ? 0 : 1];
    z->i = x->dims[2];
    z->type = x->type;
    UTIL_TRY(read_hidden(ctx, s, z));
    UTIL_TRY(expect(ctx, RNN_W, "W", 3, (int64_t[]){d, g * z->h, z->i}));
    UTIL_TRY(expect(ctx, RNN_R, "R", 3, (int64_t[]){d, g * z->h, z->h}));
    UTIL_TRY(expect(ctx, RNN_B, "B", 2, (int64_t[]){d, 2 * g * z->h}));
    if (op_has_in(ctx, RNN_LENS)) UTIL_TRY(lens_type(op_in(ctx, RNN_LENS)->type, ctx->err));
    UTIL_TRY(expect(ctx, RNN_LENS, "sequence_lens", 1, (int64_t[]){z->b}));
    UTIL_TRY(expect_state(ctx, s, z, RNN_H0, "initial_h"));
    if (s->kind == RNN_LSTM) {
        UTIL_TRY(expect_state(ctx, s, z, RNN_C0, "initial_c"));
        UTIL_TRY(expect(ctx, RNN_P, "P", 2, (int64_t[]){d, 3 * z->h}));
    }
    return CLSTM_OK;
}

clstm_status rnn_infer(op_ctx *ctx) {
    const rnn_spec *s = rnn_spec_of(ctx->node);
    int64_t d = s->directions;
    rnn_sizes z;
    UTIL_TRY(rnn_read_sizes(ctx, &z));
    const int64_t *y = s->batch_first ? (int64_t[]){z.b, z.t, d, z.h} : (int64_t[]){z.t, d, z.b, z.h};
    const int64_t *state = s->batch_first ? (int64_t[]){z.b, d, z.h} : (int64_t[]){d, z.b, z.h};
    UTIL_TRY(op_set_out(ctx, RNN_Y, z.type, 4, y));
    UTIL_TRY(op_set_out(ctx, RNN_YH, z.type, 3, state));
    return s->kind == RNN_LSTM ? op_set_out(ctx, RNN_YC, z.type, 3, state) : CLSTM_OK;
}

double rnn_flops(const op_ctx *ctx) {
    const rnn_spec *s = rnn_spec_of(ctx->node);
    const clstm_tensor *x = op_in(ctx, RNN_X), *r = op_in(ctx, RNN_R);
    return 2.0 * (double)s->directions * s->gates * (double)x->dims[0] * (double)x->dims[1] * (double)r->dims[2] *
           (double)(x->dims[2] + r->dims[2]);
}
