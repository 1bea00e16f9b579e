/* convert/lint_layer: faults in the attributes, inputs and types of LSTM, GRU and RNN nodes. */
#include "convert/lint.h"

#include "convert/edit.h"
#include "rnn/doubt.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <math.h>
#include <string.h>

static bool is(const ir_node *n, const char *op) { return !n->domain[0] && !strcmp(n->op_type, op); }

/* ---- gru-reset -------------------------------------------------------------------------------------------------------------------- */

clstm_status lint_gru_reset(lint *l, ir_node *n) {
    char why[700];
    if (!rnn_doubt_reset(n, l->producer, why, sizeof why) || !lint_found(l, n, 0, "%s", why)) return CLSTM_OK;
    return edit_set_int(n, "linear_before_reset", 1, l->err);
}

/* ---- activations ------------------------------------------------------------------------------------------------------------------ */

clstm_status lint_left_over(lint *l, ir_node *n) {
    static const char *const names[2] = {"activation_alpha", "activation_beta"};
    char why[700];
    size_t used;
    for (int beta = 0; beta < 2; beta++) {
        if (!rnn_doubt_left_over(n, beta, &used, why, sizeof why) || !lint_found(l, n, LINT_PROVEN, "%s", why)) continue;
        ir_attr *a = (ir_attr *)(uintptr_t)ir_attr_find(n, names[beta]);
        if (used) a->count = used;
        else edit_drop_attr(n, names[beta]);
    }
    return CLSTM_OK;
}

static bool sixth(float alpha) { return fabsf(alpha - 1.0f / 6) < 1e-4f; }
static bool fifth(float alpha) { return fabsf(alpha - 0.2f) < 1e-4f; }

/* The lists of a recurrent node with x/6 + 0.5 where they say 0.2x + 0.5. */
static clstm_status mend_lists(lint *l, ir_node *n, const rnn_function *f, size_t count, bool find_only, bool *found) {
    float list[2][6];
    size_t used[2] = {0, 0}, first_alpha = 0;
    for (int beta = 0; beta < 2; beta++) {
        const ir_attr *a = ir_attr_find(n, beta ? "activation_beta" : "activation_alpha");
        for (size_t i = 0; i < count; i++) {
            if (!rnn_activation_takes(f[i], beta)) continue;
            size_t k = used[beta]++;
            list[beta][k] = a && k < a->count ? a->v.floats[k] : rnn_activation_default(f[i], beta, false);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!rnn_activation_takes(f[i], false)) continue;
        float *alpha = &list[0][first_alpha++];
        if (f[i] != RNN_HARD_SIGMOID || !fifth(*alpha)) continue;
        *found = true;
        *alpha = 1.0f / 6;
    }
    if (find_only || !*found) return CLSTM_OK;
    UTIL_TRY(edit_set_list(n, "activation_alpha", IR_ATTR_FLOATS, used[0], list[0], l->err));
    return edit_set_list(n, "activation_beta", IR_ATTR_FLOATS, used[1], list[1], l->err);
}

clstm_status lint_hard_sigmoid(lint *l, ir_node *n) {
    rnn_function f[6];
    bool found = false, keras = rnn_mentions(l->producer, "keras") || rnn_mentions(l->producer, "tf2onnx") || rnn_mentions(l->producer, "tensorflow");
    const ir_attr *alpha = ir_attr_find(n, "alpha");
    size_t count = rnn_node_functions(n, f);
    if (!keras) return CLSTM_OK;
    if (count) UTIL_TRY(mend_lists(l, n, f, count, true, &found));
    else if (is(n, "HardSigmoid")) found = !alpha || (alpha->kind == IR_ATTR_FLOAT && fifth(alpha->v.f) && !sixth(alpha->v.f));
    if (!found || !lint_found(l, n, 0, "HardSigmoid is 0.2x + 0.5 here and was so in Keras 2, but Keras 3 computes x/6 + 0.5: outputs differ if the model is of Keras 3"))
        return CLSTM_OK;
    return count ? mend_lists(l, n, f, count, false, &found) : edit_set_float(n, "alpha", 1.0f / 6, l->err);
}

/* ---- shapes ----------------------------------------------------------------------------------------------------------------------- */

static const clstm_tensor *type_of(lint *l, const ir_value *v) {
    const ir_const *c = lint_constant(l, v);
    return c ? &c->tensor : &v->type;
}

clstm_status lint_projection(lint *l, ir_node *n) {
    const ir_value *rv = lint_input(n, RNN_R), *c0 = lint_input(n, RNN_C0);
    if (!is(n, "LSTM") || !rv) return CLSTM_OK;
    const clstm_tensor *r = type_of(l, rv), *c = c0 ? type_of(l, c0) : NULL;
    if (r->rank != 3 || r->dims[1] <= 0 || r->dims[2] <= 0) return CLSTM_OK;
    int64_t cells = r->dims[1] / 4, out = r->dims[2];
    bool rows = r->dims[1] % 4 == 0 && out < cells, state = c && c->rank == 3 && c->dims[2] > 0 && c->dims[2] != out;
    if (!rows && !state) return CLSTM_OK;
    lint_found(l, n, LINT_PROVEN | LINT_BROKEN, "%s of size %lld%s but R takes a hidden state of %lld: an LSTM with a projection (proj_size), which ONNX has not, "
               "lost it on export; its weights are not in the node", rows ? "R has gates" : "initial_c is", (long long)(rows ? cells : c->dims[2]), rows ? "," : "", (long long)out);
    return CLSTM_OK;
}

/* ---- layout ----------------------------------------------------------------------------------------------------------------------- */

static clstm_status permute(lint *l, ir_node *n, ir_value *in, ir_value *out, size_t rank, const int64_t *perm, ir_value **made) {
    ir_node *t = edit_node(n->graph, "Transpose", n->version, 1, &in, out, l->err);
    if (!t) return l->err->status;
    UTIL_TRY(edit_set_list(t, "perm", IR_ATTR_INTS, rank, perm, l->err));
    *made = t->outputs[0];
    return edit_check(t, l->err);
}

clstm_status lint_layout(lint *l, ir_node *n) {
    static const int inputs[] = {RNN_X, RNN_H0, RNN_C0};
    const ir_attr *layout = ir_attr_find(n, "layout");
    if (!lint_recurrent(n) || !layout || layout->v.i != 1) return CLSTM_OK;
    if (!lint_found(l, n, LINT_PROVEN, "layout is 1 (batch first): ONNX Runtime refuses it, others ignore it and mistake batch for time")) return CLSTM_OK;
    ir_value *made;
    for (int i = 0; i < 3; i++) {
        if (!lint_input(n, inputs[i])) continue;
        UTIL_TRY(permute(l, n, n->inputs[inputs[i]], NULL, 3, (int64_t[]){1, 0, 2}, &made));
        n->inputs[inputs[i]] = made;
    }
    for (int i = 0; i < n->n_out; i++) {
        ir_value *out = n->outputs[i], *own;
        if (!out) continue;
        if (!(own = ir_value_new(n->graph, NULL))) return util_no_memory(l->err);
        n->outputs[i] = own;
        own->producer = n;
        UTIL_TRY(permute(l, n, own, out, i == RNN_Y ? 4 : 3, i == RNN_Y ? (int64_t[]){2, 0, 1, 3} : (int64_t[]){1, 0, 2}, &made));
    }
    edit_drop_attr(n, "layout");
    return CLSTM_OK;
}

/* ---- sequence_lens ---------------------------------------------------------------------------------------------------------------- */

clstm_status lint_lens(lint *l, ir_node *n) {
    ir_value *lens = lint_recurrent(n) ? lint_input(n, RNN_LENS) : NULL;
    if (!lens || type_of(l, lens)->type != CLSTM_INT64) return CLSTM_OK;
    if (!lint_found(l, n, LINT_PROVEN, "sequence_lens is int64, the standard asks for int32: runtimes refuse the model")) return CLSTM_OK;
    ir_node *cast = edit_node(n->graph, "Cast", n->version, 1, &lens, NULL, l->err);
    if (!cast) return l->err->status;
    UTIL_TRY(edit_set_int(cast, "to", CLSTM_INT32, l->err));
    n->inputs[RNN_LENS] = cast->outputs[0];
    return edit_check(cast, l->err);
}
