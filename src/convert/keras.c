/* convert/keras: LAYER/lstm_cell/kernel [I,4H] in i,f,c,o, recurrent_kernel [H,4H], bias [4H]; a GRU's in z,r,h, its bias [2,3H] with
 * reset_after and [3H] without; forward_ and backward_ parts of a Bidirectional; Dense's kernel [I,O]; embeddings. Keras 3's .weights.h5
 * numbers them: LAYER/cell/vars/0, /1, /2, where LAYER is the class of the layer. */
#include "convert/keras.h"

#include "convert/state_dict.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum part { KERNEL, RECURRENT, BIAS, EMBEDDINGS, PARTS } part;
static const char *const parts[PARTS] = {"kernel", "recurrent_kernel", "bias", "embeddings"};

/* The weights of a layer, or of one direction of a Bidirectional. */
typedef enum direction { ALONE, FORWARD, BACKWARD } direction;
static const char *const directions[] = {"", "forward_", "backward_"};
typedef struct group { const char *layer; direction direction; const clstm_convert_weight *part[PARTS]; } group;

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

/* "lstm_cell_1", or Keras 3's "cell": it says nothing that the shapes do not. */
static bool is_cell(const char *component) { return strstr(component, "_cell") || !strcmp(component, "cell"); }

static bool is_class(const char *component, const char *class) {
    size_t n = strlen(class);
    return !strncmp(component, class, n) && (!component[n] || component[n] == '_');
}

/* Which part number `leaf` of the vars of `component` is; PARTS: none. */
static part numbered(const char *component, const char *leaf) {
    unsigned k = leaf[0] >= '0' && leaf[0] <= '9' && !leaf[1] ? (unsigned)(leaf[0] - '0') : PARTS;
    if (is_cell(component)) return k <= BIAS ? (part)k : PARTS;
    if (is_class(component, "embedding")) return k == 0 ? EMBEDDINGS : PARTS;
    return !is_class(component, "dense") ? PARTS : k == 0 ? KERNEL : k == 1 ? BIAS : PARTS;
}

/* The last component of a path. */
static char *component_of(char *path) {
    char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* sequential/bidirectional/backward_lstm/lstm_cell_1/kernel:0 and layers/bidirectional/backward_layer/cell/vars/0 are kernels of layers
 * sequential/bidirectional and layers/bidirectional, backward. */
static clstm_status take_apart(convert_keras *k, const char *name, group *out, part *which, clstm_error *err) {
    char *path = util_arena_strdup(&k->arena, name), *leaf = path ? strrchr(path, '/') : NULL;
    if (!path) return util_no_memory(err);
    if (!leaf || leaf == path) return util_fail(err, CLSTM_UNSUPPORTED, "its name is not LAYER/kernel, LAYER/CELL/kernel ... as Keras names weights");
    *leaf++ = 0;
    leaf[strcspn(leaf, ":")] = 0;
    char *last = component_of(path);
    for (*which = KERNEL; *which < PARTS && strcmp(parts[*which], leaf);) ++*which;
    if (*which == PARTS && last > path + 1 && !strcmp(last, "vars")) {
        last[-1] = 0;
        last = component_of(path);
        *which = numbered(last, leaf);
    }
    if (*which == PARTS) return util_fail(err, CLSTM_UNSUPPORTED, "no weight of LSTM, GRU, SimpleRNN, Dense or Embedding");
    if (last > path && is_cell(last)) {
        last[-1] = 0;
        last = component_of(path);
    }
    *out = (group){.layer = path};
    for (direction d = FORWARD; d <= BACKWARD; d++) {
        if (strncmp(last, directions[d], strlen(directions[d]))) continue;
        out->direction = d;
        if (last > path) last[-1] = 0;
        else out->layer = path + strlen(directions[d]);
        break;
    }
    return CLSTM_OK;
}

static clstm_status sort_in(convert_keras *k, group *groups, size_t *n, const clstm_convert_weight *w, clstm_error *err) {
    char text[200];
    group g;
    part which;
    size_t i = 0;
    if (!type_is_float(w->tensor.type)) return util_fail(err, CLSTM_UNSUPPORTED, "weights are %s, not float", clstm_type_name(w->tensor.type));
    UTIL_TRY(take_apart(k, w->name, &g, &which, err));
    while (i < *n && (strcmp(groups[i].layer, g.layer) || groups[i].direction != g.direction)) i++;
    if (i == 2 * CONVERT_MODULES) return util_fail(err, CLSTM_UNSUPPORTED, "more than %d layers", CONVERT_MODULES);      /* of two directions each */
    if (i == *n) groups[(*n)++] = g;
    if (groups[i].part[which])
        return util_fail(err, CLSTM_UNSUPPORTED, "\"%s\" is the %s of that layer too", util_escape(text, sizeof text, groups[i].part[which]->name), parts[which]);
    groups[i].part[which] = w;
    return CLSTM_OK;
}

/* ---- tensors -------------------------------------------------------------------------------------------------------------------- */

/* A zeroed tensor under the name that PyTorch would give it. */
static clstm_status add(convert_keras *k, const group *g, const char *leaf, clstm_type type, int rank, const int64_t *dims, void **data, clstm_error *err) {
    size_t bytes, size = strlen(g->layer) + 48;
    char *name = util_arena_alloc(&k->arena, size, 1);
    clstm_convert_weight w = {name, clstm_tensor_view(type, rank, dims, NULL)};
    if (!tensor_bytes(&w.tensor, &bytes)) return util_fail(err, CLSTM_INTERNAL, "a weight without a size");
    *data = w.tensor.data = util_arena_alloc(&k->arena, bytes + 1, 1);
    if (!name || !*data || !util_grow((void **)&k->weights, &k->cap, k->n + 1, sizeof *k->weights)) return util_no_memory(err);
    snprintf(name, size, "%s.%s%s", g->layer, leaf, g->direction == BACKWARD ? "_reverse" : "");
    k->weights[k->n++] = w;
    return CLSTM_OK;
}

/* The row block of PyTorch's that Keras's block is: i,f,c,o are its i,f,g,o; z,r,h are r,z,n. */
static int64_t block_of(int64_t gates, int64_t block) { return gates == 3 && block < 2 ? 1 - block : block; }

/* A kernel [R,C] becomes [C,R], its rows in PyTorch's order of gates. */
static clstm_status add_kernel(convert_keras *k, const group *g, const char *leaf, const clstm_tensor *from, int64_t gates, clstm_error *err) {
    int64_t rows = from->dims[0], columns = from->dims[1], each = columns / gates;
    size_t size = clstm_type_size(from->type);
    void *to;
    UTIL_TRY(add(k, g, leaf, from->type, 2, (int64_t[]){columns, rows}, &to, err));
    for (int64_t c = 0; c < columns; c++) {
        int64_t row = block_of(gates, c / each) * each + c % each;
        for (int64_t r = 0; r < rows; r++) memcpy((char *)to + (size_t)(row * rows + r) * size, (const char *)from->data + (size_t)(r * columns + c) * size, size);
    }
    return CLSTM_OK;
}

static clstm_status add_bias(convert_keras *k, const group *g, const char *leaf, const clstm_tensor *from, int64_t first, int64_t count, int64_t gates, clstm_error *err) {
    size_t each = (size_t)(count / gates) * clstm_type_size(from->type);
    void *to;
    UTIL_TRY(add(k, g, leaf, from->type, 1, &count, &to, err));
    for (int64_t b = 0; b < gates && first >= 0; b++)
        memcpy((char *)to + (size_t)block_of(gates, b) * each, (const char *)from->data + (size_t)(first * gates + b) * each, each);
    return CLSTM_OK;
}

/* ---- layers --------------------------------------------------------------------------------------------------------------------- */

static bool is_matrix(const clstm_tensor *t) { return t->rank == 2 && t->dims[0] > 0 && t->dims[1] > 0; }

static clstm_status bad_shape(const group *g, part which, clstm_error *err) {
    char text[200];
    return util_fail(err, CLSTM_UNSUPPORTED, "%s has shape %s, which fits no LSTM, GRU, SimpleRNN, Dense or Embedding with the others", parts[which],
                     tensor_shape_text(text, sizeof text, &g->part[which]->tensor));
}

/* Only the bias tells where a GRU's reset gate stands. */
static clstm_status note_reset(convert_keras *k, const clstm_tensor *bias, clstm_error *err) {
    if (!bias) return util_fail(err, CLSTM_UNSUPPORTED, "a GRU without bias: its weights do not tell reset_after = True from False");
    convert_reset reset = bias->rank == 2 ? CONVERT_RESET_AFTER : CONVERT_RESET_BEFORE;
    if (k->reset && k->reset != reset) return util_fail(err, CLSTM_UNSUPPORTED, "one GRU has reset_after = True, another False");
    k->reset = reset;
    return CLSTM_OK;
}

static clstm_status add_recurrent(convert_keras *k, const group *g, clstm_error *err) {
    const clstm_tensor *r = &g->part[RECURRENT]->tensor, *bias = g->part[BIAS] ? &g->part[BIAS]->tensor : NULL;
    if (!is_matrix(r) || r->dims[1] % r->dims[0]) return bad_shape(g, RECURRENT, err);
    int64_t rows = r->dims[1], gates = rows / r->dims[0];
    if (gates != 1 && gates != 3 && gates != 4) return bad_shape(g, RECURRENT, err);
    if (!g->part[KERNEL]) return util_fail(err, CLSTM_UNSUPPORTED, "a recurrent_kernel without a kernel");
    if (!is_matrix(&g->part[KERNEL]->tensor) || g->part[KERNEL]->tensor.dims[1] != rows) return bad_shape(g, KERNEL, err);
    bool two = bias && gates == 3 && bias->rank == 2 && bias->dims[0] == 2 && bias->dims[1] == rows, one = bias && bias->rank == 1 && bias->dims[0] == rows;
    if (bias && !one && !two) return bad_shape(g, BIAS, err);
    if (gates == 3) UTIL_TRY(note_reset(k, bias, err));
    UTIL_TRY(add_kernel(k, g, "weight_ih_l0", &g->part[KERNEL]->tensor, gates, err));
    UTIL_TRY(add_kernel(k, g, "weight_hh_l0", r, gates, err));
    if (!bias) return CLSTM_OK;
    UTIL_TRY(add_bias(k, g, "bias_ih_l0", bias, 0, rows, gates, err));
    return add_bias(k, g, "bias_hh_l0", bias, two ? 1 : -1, rows, gates, err);
}

static clstm_status add_layer(convert_keras *k, const group *g, clstm_error *err) {
    const clstm_convert_weight *table = g->part[EMBEDDINGS], *kernel = g->part[KERNEL], *bias = g->part[BIAS];
    void *to;
    if (table && (kernel || bias || g->part[RECURRENT])) return util_fail(err, CLSTM_UNSUPPORTED, "embeddings and other weights");
    if (table && !is_matrix(&table->tensor)) return bad_shape(g, EMBEDDINGS, err);
    if (table) {
        UTIL_TRY(add(k, g, "weight", table->tensor.type, 2, table->tensor.dims, &to, err));
        memcpy(to, table->tensor.data, (size_t)clstm_tensor_count(&table->tensor) * clstm_type_size(table->tensor.type));
        return CLSTM_OK;
    }
    if (g->part[RECURRENT]) return add_recurrent(k, g, err);
    if (!kernel) return util_fail(err, CLSTM_UNSUPPORTED, "a bias without a kernel");
    if (g->direction) return util_fail(err, CLSTM_UNSUPPORTED, "a Bidirectional part without a recurrent_kernel");
    if (!is_matrix(&kernel->tensor)) return bad_shape(g, KERNEL, err);
    if (bias && (bias->tensor.rank != 1 || bias->tensor.dims[0] != kernel->tensor.dims[1])) return bad_shape(g, BIAS, err);
    UTIL_TRY(add_kernel(k, g, "weight", &kernel->tensor, 1, err));
    return bias ? add_bias(k, g, "bias", &bias->tensor, 0, bias->tensor.dims[0], 1, err) : CLSTM_OK;
}

clstm_status convert_keras_read(convert_keras *out, const clstm_convert_weight *weights, size_t n, clstm_error *err) {
    char text[200];
    size_t n_groups = 0;
    group *groups = util_arena_alloc(&out->arena, 2 * CONVERT_MODULES, sizeof *groups);
    if (!groups) return util_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        clstm_status s = sort_in(out, groups, &n_groups, &weights[i], err);
        if (s != CLSTM_OK) return util_context(err, s, "tensor \"%s\"", util_escape(text, sizeof text, weights[i].name));
    }
    for (size_t i = 0; i < n_groups; i++) {
        clstm_status s = add_layer(out, &groups[i], err);
        if (s != CLSTM_OK) return util_context(err, s, "layer \"%s\"", util_escape(text, sizeof text, groups[i].layer));
    }
    return CLSTM_OK;
}

void convert_keras_free(convert_keras *k) {
    free(k->weights);
    util_arena_destroy(&k->arena);
}
