/* convert/weights_in: a state_dict's modules become a graph: Gather for Embedding, MatMul and Add for Linear, a node a layer for the
 * recurrent ones. */
#include "convert/weights_in.h"

#include "convert/keras.h"
#include "convert/state_dict.h"
#include "util/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Recurrent nodes know bfloat16 from opset 22 on. */
enum { OPSET = 17, OPSET_BFLOAT16 = 22 };

/* A failed allocation is remembered: what follows gives NULL and is ignored. */
typedef struct builder {
    ir_graph *g;
    const convert_dict *dict;
    const clstm_convert_options *options;
    clstm_type type;
    ir_value *at;           /* where the graph ends so far */
    size_t recurrent;       /* how many modules are */
    bool reset_before;      /* GRUs have linear_before_reset = 0 */
    bool failed;
    clstm_error *err;
} builder;

/* ---- values and nodes ------------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static char *text(builder *b, const char *format, ...) {
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, ap);
    char *made = n < 0 ? NULL : util_arena_alloc(b->g->arena, (size_t)n + 1, 1);
    if (made) vsnprintf(made, (size_t)n + 1, format, again);
    else b->failed = true;
    va_end(ap);
    va_end(again);
    return made;
}

static ir_value *value(builder *b, const char *name) {
    ir_value *v = b->failed ? NULL : ir_value_new(b->g, name);
    b->failed |= !v;
    return v;
}

/* A constant whose elements the caller fills in. */
static ir_value *constant(builder *b, const char *name, clstm_type type, int rank, const int64_t *dims, void **data) {
    clstm_tensor t = clstm_tensor_view(type, rank, dims, NULL);
    ir_value *v = value(b, name);
    ir_const *c = NULL;
    *data = NULL;
    if (!v || ir_const_new(&t, &c, b->err) != CLSTM_OK) { b->failed = true; return NULL; }
    *data = c->tensor.data;
    ir_value_set_const(v, c);
    ir_const_unref(c);
    return v;
}

static ir_value *integers(builder *b, const char *name, int n, const int64_t *values) {
    void *data;
    ir_value *v = constant(b, name, CLSTM_INT64, 1, (int64_t[]){n}, &data);
    if (data) memcpy(data, values, (size_t)n * sizeof *values);
    return v;
}

static ir_node *node(builder *b, const char *op, const char *name, int n_in, int n_out) {
    ir_node *n = b->failed ? NULL : ir_node_new(b->g, op, "", b->g->opset, name, n_in, n_out);
    b->failed |= !n;
    return n;
}

static void connect(builder *b, ir_node *n, int i, ir_value *v) {
    if (!n || !v) { b->failed = true; return; }
    n->inputs[i] = v;
}

static ir_value *result(builder *b, ir_node *n, int i, const char *name) {
    ir_value *v = n ? value(b, name) : NULL;
    if (!v) return NULL;
    n->outputs[i] = v;
    v->producer = n;
    return v;
}

/* op(at, with) as a new value. */
static ir_value *apply(builder *b, const char *op, ir_value *first, ir_value *second, const char *name) {
    ir_node *n = node(b, op, "", 2, 1);
    connect(b, n, 0, first);
    connect(b, n, 1, second);
    return result(b, n, 0, name);
}

static ir_value *transpose(builder *b, ir_value *of, int rank, const int64_t *perm) {
    ir_node *n = node(b, "Transpose", "", 1, 1);
    ir_attr *a = n ? ir_attr_add(n, "perm", IR_ATTR_INTS) : NULL;
    int64_t *list = util_arena_alloc(b->g->arena, (size_t)rank, sizeof *list);
    if (!a || !list) { b->failed = true; return NULL; }
    memcpy(list, perm, (size_t)rank * sizeof *list);
    a->v.ints = list;
    a->count = (size_t)rank;
    connect(b, n, 0, of);
    return result(b, n, 0, NULL);
}

/* A dimension below 0 is the symbol `batch` (-1) or `time` (-2). */
static void declare(builder *b, ir_value *v, clstm_type type, int rank, const int64_t *dims) {
    if (!v) return;
    v->kind = CLSTM_KIND_TENSOR;
    v->type = clstm_tensor_view(type, rank, dims, NULL);
    for (int d = 0; d < rank; d++) {
        if (dims[d] >= 0) continue;
        v->type.dims[d] = -1;
        v->dim_names[d] = text(b, "%s", dims[d] == -1 ? "batch" : "time");
    }
}

static void declare_sequence(builder *b, ir_value *v, clstm_type type, int64_t features) {
    declare(b, v, type, features ? 3 : 2, b->options->batch_first ? (int64_t[]){-1, -2, features} : (int64_t[]){-2, -1, features});
}

static ir_value *add_input(builder *b, ir_value *v) {
    b->failed |= !v || ir_graph_add_input(b->g, v, b->err) != CLSTM_OK;
    return v;
}
static void add_output(builder *b, ir_value *v) { b->failed |= !v || ir_graph_add_output(b->g, v, b->err) != CLSTM_OK; }

/* ---- modules ------------------------------------------------------------------------------------------------------------------------ */

static const char *label(const convert_module *m) {
    static const char *const cells[] = {[RNN_LSTM] = "lstm", [RNN_GRU] = "gru", [RNN_RNN] = "rnn"};
    return *m->name ? m->name : m->kind == CONVERT_RECURRENT ? cells[m->cell] : m->kind == CONVERT_LINEAR ? "linear" : "embedding";
}

static void add_embedding(builder *b, const convert_module *m) {
    void *data;
    ir_value *table = constant(b, text(b, "%s.weight", label(m)), b->type, 2, m->weight->dims, &data);
    if (data) memcpy(data, m->weight->data, (size_t)clstm_tensor_count(m->weight) * clstm_type_size(b->type));
    b->at = apply(b, "Gather", table, b->at, NULL);
}

static void add_linear(builder *b, const convert_module *m) {
    void *data;
    size_t size = clstm_type_size(b->type);
    ir_value *w = constant(b, text(b, "%s.weight", label(m)), b->type, 2, (int64_t[]){m->in, m->out}, &data);
    for (int64_t i = 0; data && i < m->in; i++)
        for (int64_t o = 0; o < m->out; o++)
            memcpy((char *)data + (size_t)(i * m->out + o) * size, (const char *)m->weight->data + (size_t)(o * m->in + i) * size, size);
    b->at = apply(b, "MatMul", b->at, w, NULL);
    if (!m->bias) return;
    ir_value *bias = constant(b, text(b, "%s.bias", label(m)), b->type, 1, (int64_t[]){m->out}, &data);
    if (data) memcpy(data, m->bias->data, (size_t)m->out * size);
    b->at = apply(b, "Add", b->at, bias, NULL);
}

/* Weights of one kind of a layer, both directions, in ONNX's order; `second` follows `first` in each direction (the biases). */
static ir_value *layer_weights(builder *b, const convert_module *m, int layer, const char *what, int first, int second, int64_t columns) {
    void *data;
    int64_t rows = convert_gates(m->cell) * m->hidden, parts = second ? 2 : 1;
    size_t block = (size_t)(m->hidden * (columns ? columns : 1)) * clstm_type_size(b->type), whole = block * (size_t)convert_gates(m->cell);
    ir_value *v = constant(b, text(b, "%s.l%d.%s", label(m), layer, what), b->type, columns ? 3 : 2, (int64_t[]){m->directions, rows * parts, columns}, &data);
    for (int d = 0; data && d < m->directions; d++)
        for (int p = 0; p < parts; p++) {
            const clstm_tensor *from = convert_dict_find(b->dict, m, p ? second : first, layer, d || m->reverse);
            convert_gates_copy(m->cell, true, (char *)data + whole * (size_t)(d * parts + p), from->data, block);
        }
    return v;
}

static void attr_text(builder *b, ir_node *n, const char *name, const char *what) {
    ir_attr *a = n ? ir_attr_add(n, name, IR_ATTR_STRING) : NULL;
    if (!a || !(a->v.s = text(b, "%s", what))) { b->failed = true; return; }
    a->count = strlen(what);
}

static void attr_int(builder *b, ir_node *n, const char *name, int64_t what) {
    ir_attr *a = n ? ir_attr_add(n, name, IR_ATTR_INT) : NULL;
    if (a) a->v.i = what;
    else b->failed = true;
}

static void attr_relu(builder *b, ir_node *n, int directions) {
    ir_attr *a = n ? ir_attr_add(n, "activations", IR_ATTR_STRINGS) : NULL;
    const char **list = util_arena_alloc(b->g->arena, 2, sizeof *list);
    if (!a || !list) { b->failed = true; return; }
    list[0] = list[1] = text(b, "Relu");
    a->v.strings = list;
    a->count = list[0] ? (size_t)directions : 0;
}

/* states[0] is h, states[1] is c: the layer's initial ones, then its last ones; NULL without. */
static void add_layer(builder *b, const convert_module *m, int layer, ir_value *states[2]) {
    static const char *const ops[] = {[RNN_LSTM] = "LSTM", [RNN_GRU] = "GRU", [RNN_RNN] = "RNN"};
    bool lstm = m->cell == RNN_LSTM, with_states = states[0] != NULL;
    ir_node *n = node(b, ops[m->cell], text(b, "%s.l%d", label(m), layer), !with_states ? m->has_bias ? 4 : 3 : lstm ? 7 : 6, !with_states ? 1 : lstm ? 3 : 2);
    attr_int(b, n, "hidden_size", m->hidden);
    attr_text(b, n, "direction", m->directions == 2 ? "bidirectional" : m->reverse ? "reverse" : "forward");
    if (m->cell == RNN_GRU && !b->reset_before) attr_int(b, n, "linear_before_reset", 1);
    if (m->cell == RNN_RNN && b->options->relu) attr_relu(b, n, m->directions);
    connect(b, n, RNN_X, b->at);
    connect(b, n, RNN_W, layer_weights(b, m, layer, "W", CONVERT_WEIGHT_IH, 0, layer ? m->out : m->in));
    connect(b, n, RNN_R, layer_weights(b, m, layer, "R", CONVERT_WEIGHT_HH, 0, m->hidden));
    if (m->has_bias) connect(b, n, RNN_B, layer_weights(b, m, layer, "B", CONVERT_BIAS_IH, CONVERT_BIAS_HH, 0));
    ir_value *y = result(b, n, RNN_Y, NULL);
    for (int k = 0; with_states && k < (lstm ? 2 : 1); k++) {
        connect(b, n, RNN_H0 + k, states[k]);
        states[k] = result(b, n, RNN_YH + k, NULL);
    }
    /* [T,D,B,H] to [T,B,D*H] */
    y = transpose(b, y, 4, (int64_t[]){0, 2, 1, 3});
    b->at = apply(b, "Reshape", y, integers(b, text(b, "%s.l%d.shape", label(m), layer), 3, (int64_t[]){0, 0, m->out}), NULL);
}

static void concat(builder *b, const convert_module *m, ir_value **parts, ir_value *to) {
    ir_node *n = node(b, m->layers > 1 ? "Concat" : "Identity", "", m->layers, 1);
    if (m->layers > 1) attr_int(b, n, "axis", 0);
    for (int l = 0; l < m->layers; l++) connect(b, n, l, parts[l]);
    if (!n || !to) return;
    n->outputs[0] = to;
    to->producer = n;
}

/* The module's state input of [layers*D,B,H], by layer. */
static void split_state(builder *b, const convert_module *m, ir_value *state, ir_value **parts) {
    if (m->layers == 1) { parts[0] = state; return; }
    int64_t *sizes = util_arena_alloc(b->g->arena, (size_t)m->layers, sizeof *sizes);
    ir_node *n = node(b, "Split", "", 2, m->layers);
    if (!sizes || !n) { b->failed = true; return; }
    for (int l = 0; l < m->layers; l++) sizes[l] = m->directions;
    attr_int(b, n, "axis", 0);
    connect(b, n, 0, state);
    connect(b, n, 1, integers(b, NULL, m->layers, sizes));
    for (int l = 0; l < m->layers; l++) parts[l] = result(b, n, l, NULL);
}

static void add_recurrent(builder *b, const convert_module *m) {
    int n_states = !b->options->states ? 0 : m->cell == RNN_LSTM ? 2 : 1;
    ir_value **parts[2] = {NULL, NULL}, *last[2] = {NULL, NULL};
    const char *before = b->recurrent > 1 ? label(m) : "", *dot = b->recurrent > 1 ? "." : "";
    for (int k = 0; k < n_states; k++) {
        const int64_t dims[] = {(int64_t)m->layers * m->directions, -1, m->hidden};
        ir_value *state = value(b, text(b, "%s%s%c0", before, dot, "hc"[k]));
        declare(b, state, b->type, 3, dims);
        add_input(b, state);
        last[k] = value(b, text(b, "%s%s%cn", before, dot, "hc"[k]));
        declare(b, last[k], b->type, 3, dims);
        parts[k] = util_arena_alloc(b->g->arena, (size_t)m->layers, sizeof *parts[k]);
        if (!parts[k]) { b->failed = true; return; }
        split_state(b, m, state, parts[k]);
    }
    if (b->options->batch_first) b->at = transpose(b, b->at, 3, (int64_t[]){1, 0, 2});
    for (int l = 0; l < m->layers && !b->failed; l++) {
        ir_value *states[2] = {NULL, NULL};
        for (int k = 0; k < n_states; k++) states[k] = parts[k][l];
        add_layer(b, m, l, states);
        for (int k = 0; k < n_states; k++) parts[k][l] = states[k];
    }
    if (b->options->batch_first) b->at = transpose(b, b->at, 3, (int64_t[]){1, 0, 2});
    for (int k = 0; k < n_states && !b->failed; k++) {
        concat(b, m, parts[k], last[k]);
        add_output(b, last[k]);
    }
}

/* ---- the graph ---------------------------------------------------------------------------------------------------------------------- */

static void build(builder *b) {
    const convert_module *modules = b->dict->modules;
    size_t n = b->dict->n_modules;
    bool tokens = modules[0].kind == CONVERT_EMBEDDING;
    ir_value *output = value(b, "output");
    b->at = value(b, tokens ? "tokens" : "input");
    declare_sequence(b, b->at, tokens ? CLSTM_INT64 : b->type, tokens ? 0 : modules[0].in);
    declare_sequence(b, output, b->type, modules[n - 1].out);
    add_input(b, b->at);
    add_output(b, output);
    for (size_t i = 0; i < n; i++) b->recurrent += modules[i].kind == CONVERT_RECURRENT;
    for (size_t i = 0; i < n && !b->failed; i++) {
        if (modules[i].kind == CONVERT_RECURRENT) add_recurrent(b, &modules[i]);
        else if (modules[i].kind == CONVERT_EMBEDDING) add_embedding(b, &modules[i]);
        else add_linear(b, &modules[i]);
    }
    if (b->failed) return;
    b->at->producer->outputs[0] = output;
    output->producer = b->at->producer;
}

clstm_status convert_weights_in(const clstm_convert_weight *weights, size_t n, const clstm_convert_options *options, ir_graph **out, clstm_error *err) {
    const clstm_convert_options none = {0};
    convert_keras keras = {0};
    convert_dict dict = {0};
    builder b = {.dict = &dict, .options = options ? options : &none, .err = err};
    clstm_status s = CLSTM_OK;
    if (b.options->keras) {
        s = convert_keras_read(&keras, weights, n, err);
        weights = keras.weights;
        n = keras.n;
        dict.plain_first = true;
        b.reset_before = keras.reset == CONVERT_RESET_BEFORE;
    }
    if (s == CLSTM_OK) s = convert_dict_read(&dict, weights, n, err);
    if (s == CLSTM_OK) s = ir_graph_new(NULL, "graph", &b.g, err);
    if (s == CLSTM_OK) {
        b.type = weights[0].tensor.type;
        b.g->opset = b.type == CLSTM_BFLOAT16 ? OPSET_BFLOAT16 : OPSET;
        build(&b);
        if (b.failed) s = util_no_memory(err);
    }
    convert_dict_free(&dict);
    convert_keras_free(&keras);
    if (s == CLSTM_OK) *out = b.g;
    else ir_graph_destroy(b.g);
    return s;
}
