/* The protobuf wire format, as much of it as a model with one recurrent node needs; see onnx_writer.h. */
#include "onnx_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void onnx_bytes_free(onnx_bytes *b)
{
    free(b->data);
    *b = (onnx_bytes){0};
}

/* ---- Wire format ---- */

static void put(onnx_bytes *b, const void *data, size_t n)
{
    if (b->failed || n == 0)
        return;
    if (b->size + n > b->room) {
        const size_t room = 2 * (b->size + n) + 64;
        unsigned char *grown = realloc(b->data, room);
        if (grown == NULL) {
            b->failed = true;
            return;
        }
        b->data = grown;
        b->room = room;
    }
    memcpy(b->data + b->size, data, n);
    b->size += n;
}

static void put_varint(onnx_bytes *b, uint64_t v)
{
    unsigned char text[10];
    size_t n = 0;
    do {
        text[n] = (unsigned char)(v & 127u);
        v >>= 7;
        if (v != 0)
            text[n] |= 128u;
        n++;
    } while (v != 0);
    put(b, text, n);
}

static void put_int(onnx_bytes *b, unsigned field, int64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, (uint64_t)v);
}

static void put_block(onnx_bytes *b, unsigned field, const void *data, size_t n)
{
    put_varint(b, (field << 3) | 2u);
    put_varint(b, n);
    put(b, data, n);
}

static void put_text(onnx_bytes *b, unsigned field, const char *text) { put_block(b, field, text, strlen(text)); }

static void put_float(onnx_bytes *b, unsigned field, float v)
{
    put_varint(b, (field << 3) | 5u);
    put(b, &v, sizeof v); /* little-endian machines only, like the raw data */
}

/* Appends the message and releases it. */
static void put_message(onnx_bytes *b, unsigned field, onnx_bytes *message)
{
    put_block(b, field, message->data, message->size);
    b->failed = b->failed || message->failed;
    onnx_bytes_free(message);
}

/* ---- TensorProto ---- */

enum { ONNX_INT32 = 6, ONNX_INT64 = 7 };

static bool is_state(int i) { return i == IN_H || i == IN_C; }
static int input_type(const oracle_case *c, int i)
{
    return i != IN_LENS ? oracle_type_onnx(c->type) : c->lens_int64 ? ONNX_INT64 : ONNX_INT32;
}

static size_t input_size(const oracle_case *c, int i) { return i == IN_LENS ? 4 : oracle_type_size(c->type); }

/* The typed fields hold float and double packed as they are, the half types and int32 as varints. */
static void put_typed(onnx_bytes *m, int type, const unsigned char *bytes, size_t count)
{
    if (type == 1 || type == 11) {
        put_block(m, type == 1 ? 4 : 10, bytes, count * (type == 1 ? 4u : 8u));
        return;
    }
    onnx_bytes packed = {0};
    for (size_t k = 0; k < count; k++) {
        if (type == ONNX_INT32) {
            int32_t v;
            memcpy(&v, bytes + 4 * k, sizeof v);
            put_varint(&packed, (uint64_t)(int64_t)v);
        } else {
            uint16_t v;
            memcpy(&v, bytes + 2 * k, sizeof v);
            put_varint(&packed, v);
        }
    }
    put_message(m, 5, &packed);
}

static onnx_bytes tensor_message(const char *name, int type, const case_tensor *t, size_t element, bool typed)
{
    onnx_bytes m = {0};
    for (int i = 0; i < t->rank; i++)
        put_int(&m, 1, (int64_t)t->dims[i]);
    put_int(&m, 2, type);
    if (typed)
        put_typed(&m, type, t->bytes, t->count);
    if (name != NULL)
        put_text(&m, 8, name);
    if (!typed)
        put_block(&m, 9, t->bytes, t->count * element);
    return m;
}

/* The same tensor with its last two axes exchanged; bytes are the caller's to free. */
static case_tensor exchanged(const case_tensor *t, size_t element)
{
    case_tensor out = *t;
    const size_t columns = t->dims[t->rank - 1], rows = t->dims[t->rank - 2], plane = rows * columns;
    out.dims[t->rank - 1] = rows;
    out.dims[t->rank - 2] = columns;
    out.bytes = malloc(t->count * element + 1);
    for (size_t k = 0; out.bytes != NULL && k < t->count; k++) {
        const size_t p = k / plane, r = k % plane / columns, q = k % columns;
        memcpy((char *)out.bytes + (p * plane + q * rows + r) * element, (const char *)t->bytes + k * element, element);
    }
    return out;
}

/* ---- ValueInfoProto ---- */

/* `batch` and `sequence` are the axes that are symbols, -1 for none. */
static onnx_bytes value_message(const char *name, int type, const case_tensor *t, int batch, int sequence)
{
    onnx_bytes shape = {0}, tensor = {0}, wrapper = {0}, m = {0};
    for (int i = 0; i < t->rank; i++) {
        onnx_bytes dim = {0};
        if (i == batch || i == sequence)
            put_text(&dim, 2, i == batch ? "batch" : "sequence");
        else
            put_int(&dim, 1, (int64_t)t->dims[i]);
        put_message(&shape, 1, &dim);
    }
    put_int(&tensor, 1, type);
    put_message(&tensor, 2, &shape);
    put_message(&wrapper, 1, &tensor);
    put_text(&m, 1, name);
    put_message(&m, 2, &wrapper);
    return m;
}

static bool symbolic(const oracle_case *c, onnx_form form) { return c->symbolic || form == ONNX_STREAMED; }

static void put_input_value(onnx_bytes *graph, const oracle_case *c, onnx_form form, int i)
{
    int batch = -1, sequence = -1;
    if (symbolic(c, form)) {
        sequence = i == IN_X ? c->layout : -1;
        batch = i == IN_X ? 1 - c->layout : i == IN_LENS ? 0 : is_state(i) ? 1 - c->layout : -1;
    }
    onnx_bytes v = value_message(oracle_input_name(i), input_type(c, i), &c->in[i], batch, sequence);
    put_message(graph, 11, &v);
}

static void put_output_value(onnx_bytes *graph, const oracle_case *c, onnx_form form, int k)
{
    int batch = -1, sequence = -1;
    if (symbolic(c, form)) {
        sequence = k == OUT_Y ? c->layout : -1;
        batch = c->layout == 1 ? 0 : k == OUT_Y ? 2 : 1;
    }
    onnx_bytes v = value_message(oracle_output_name(k), oracle_type_onnx(c->type), &c->out[k], batch, sequence);
    put_message(graph, 12, &v);
}

/* ---- NodeProto ---- */

enum { ATTR_FLOAT = 1, ATTR_INT = 2, ATTR_STRING = 3, ATTR_TENSOR = 4, ATTR_FLOATS = 6, ATTR_INTS = 7, ATTR_STRINGS = 8 };

/* An attribute whose value fields are in `value`. */
static void put_attribute(onnx_bytes *node, const char *name, int type, onnx_bytes *value)
{
    onnx_bytes m = {0};
    put_text(&m, 1, name);
    put(&m, value->data, value->size);
    put_int(&m, 20, type);
    m.failed = m.failed || value->failed;
    onnx_bytes_free(value);
    put_message(node, 5, &m);
}

static void put_int_attribute(onnx_bytes *node, const char *name, int64_t v)
{
    onnx_bytes value = {0};
    put_int(&value, 3, v);
    put_attribute(node, name, ATTR_INT, &value);
}

static void put_float_list(onnx_bytes *node, const char *name, const float *v, size_t n)
{
    onnx_bytes value = {0};
    for (size_t i = 0; i < n; i++)
        put_float(&value, 7, v[i]);
    put_attribute(node, name, ATTR_FLOATS, &value);
}

static void put_text_attribute(onnx_bytes *node, const char *name, const char *const *text, size_t n, bool list)
{
    onnx_bytes value = {0};
    for (size_t i = 0; i < n; i++)
        put_text(&value, list ? 9 : 4, text[i]);
    put_attribute(node, name, list ? ATTR_STRINGS : ATTR_STRING, &value);
}

static void put_attributes(onnx_bytes *node, const oracle_case *c)
{
    if (c->direction_text != NULL)
        put_text_attribute(node, "direction", &c->direction_text, 1, false);
    if (c->hidden_size_written)
        put_int_attribute(node, "hidden_size", (int64_t)c->H);
    if (c->activation_count != 0)
        put_text_attribute(node, "activations", c->activations, c->activation_count, true);
    if (c->alpha_count != 0)
        put_float_list(node, "activation_alpha", c->alpha, c->alpha_count);
    if (c->beta_count != 0)
        put_float_list(node, "activation_beta", c->beta, c->beta_count);
    if (c->has_clip) {
        onnx_bytes value = {0};
        put_float(&value, 2, c->clip);
        put_attribute(node, "clip", ATTR_FLOAT, &value);
    }
    if (c->input_forget >= 0)
        put_int_attribute(node, "input_forget", c->input_forget);
    if (c->linear_before_reset >= 0)
        put_int_attribute(node, "linear_before_reset", c->linear_before_reset);
    if (c->output_sequence >= 0)
        put_int_attribute(node, "output_sequence", c->output_sequence);
    if (c->layout_written)
        put_int_attribute(node, "layout", c->layout);
}

bool onnx_is_input(const oracle_case *c, onnx_form form, int i)
{
    if (form == ONNX_STREAMED && (i == IN_LENS || is_state(i)))
        return i != IN_C || c->op == ORACLE_LSTM;
    return c->in[i].present && c->in[i].source == SOURCE_INPUT;
}

bool onnx_is_output(const oracle_case *c, onnx_form form, int k)
{
    return form == ONNX_STREAMED ? k != OUT_C || c->op == ORACLE_LSTM : c->out[k].present;
}

static bool is_used(const oracle_case *c, onnx_form form, int i) { return c->in[i].present || onnx_is_input(c, form, i); }

/* Names up to the last one that is used, "" for what is absent; with empty_tail all that the operator knows. */
static void put_names(onnx_bytes *node, const oracle_case *c, onnx_form form)
{
    const int inputs = c->op == ORACLE_LSTM ? 8 : 6, outputs = c->op == ORACLE_LSTM ? 3 : 2;
    int last_in = inputs, last_out = outputs;
    while (!c->empty_tail && !is_used(c, form, last_in - 1))
        last_in--;
    while (!c->empty_tail && !onnx_is_output(c, form, last_out - 1))
        last_out--;
    for (int i = 0; i < last_in; i++)
        put_text(node, 1, is_used(c, form, i) ? oracle_input_name(i) : "");
    for (int k = 0; k < last_out; k++)
        put_text(node, 2, onnx_is_output(c, form, k) ? oracle_output_name(k) : "");
}

/* Identity or Transpose from "<name>_stored" to the name. */
static void put_copy_node(onnx_bytes *graph, const case_tensor *t, const char *name, const char *stored)
{
    onnx_bytes node = {0};
    put_text(&node, 1, stored);
    put_text(&node, 2, name);
    put_text(&node, 4, t->source == SOURCE_TRANSPOSE ? "Transpose" : "Identity");
    if (t->source == SOURCE_TRANSPOSE) {
        onnx_bytes value = {0};
        for (int i = 0; i < t->rank; i++)
            put_int(&value, 8, i == t->rank - 1 ? t->rank - 2 : i == t->rank - 2 ? t->rank - 1 : i);
        put_attribute(&node, "perm", ATTR_INTS, &value);
    }
    put_message(graph, 1, &node);
}

/* Brings a constant input into the graph: nodes go to `nodes`, initialisers and their listing as graph inputs to `rest`. */
static void put_constant(onnx_bytes *nodes, onnx_bytes *rest, const oracle_case *c, int i)
{
    const case_tensor *t = &c->in[i];
    const char *name = oracle_input_name(i);
    const size_t element = input_size(c, i);
    char stored[32];
    snprintf(stored, sizeof stored, "%s_stored", name);
    if (t->source == SOURCE_CONSTANT) {
        onnx_bytes node = {0}, value = {0}, tensor = tensor_message(NULL, input_type(c, i), t, element, c->typed_data);
        put_text(&node, 2, name);
        put_text(&node, 4, "Constant");
        put_message(&value, 5, &tensor);
        put_attribute(&node, "value", ATTR_TENSOR, &value);
        put_message(nodes, 1, &node);
        return;
    }
    const bool direct = t->source == SOURCE_INITIALIZER;
    case_tensor kept = t->source == SOURCE_TRANSPOSE ? exchanged(t, element) : *t;
    if (kept.bytes == NULL) {
        rest->failed = true;
        return;
    }
    onnx_bytes tensor = tensor_message(direct ? name : stored, input_type(c, i), &kept, element, c->typed_data);
    put_message(rest, 5, &tensor);
    if (c->ir3) {
        onnx_bytes value = value_message(direct ? name : stored, input_type(c, i), &kept, -1, -1);
        put_message(rest, 11, &value);
    }
    if (!direct)
        put_copy_node(nodes, t, name, stored);
    if (kept.bytes != t->bytes)
        free(kept.bytes);
}

/* ---- GraphProto and ModelProto ---- */

static onnx_bytes graph_message(const oracle_case *c, onnx_form form)
{
    onnx_bytes graph = {0}, rest = {0}, node = {0};
    for (int i = 0; i < CASE_INPUTS; i++)
        if (c->in[i].present && !onnx_is_input(c, form, i))
            put_constant(&graph, &rest, c, i);
    put_names(&node, c, form);
    put_text(&node, 3, "layer");
    put_text(&node, 4, oracle_op_name(c->op));
    put_attributes(&node, c);
    put_message(&graph, 1, &node);
    put_text(&graph, 2, c->name);
    for (int i = 0; i < CASE_INPUTS; i++)
        if (onnx_is_input(c, form, i))
            put_input_value(&graph, c, form, i);
    put(&graph, rest.data, rest.size);
    graph.failed = graph.failed || rest.failed;
    onnx_bytes_free(&rest);
    for (int k = 0; k < CASE_OUTPUTS; k++)
        if (onnx_is_output(c, form, k))
            put_output_value(&graph, c, form, k);
    return graph;
}

bool onnx_write_model(const oracle_case *c, onnx_form form, onnx_bytes *out)
{
    *out = (onnx_bytes){0};
    onnx_bytes graph = graph_message(c, form), opset = {0};
    put_int(out, 1, c->ir3 ? 3 : c->opset < 14 ? 6 : c->opset < 22 ? 7 : 10);
    put_text(out, 2, "clstm oracle");
    put_message(out, 7, &graph);
    put_text(&opset, 1, "");
    put_int(&opset, 2, c->opset);
    put_message(out, 8, &opset);
    return !out->failed;
}

/* ---- Files ---- */

static const char *write_file(const char *directory, const char *name, const onnx_bytes *b)
{
    char path[4096];
    if (b->failed)
        return "out of memory";
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return "the path is too long";
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        return "cannot create a file";
    const bool written = fwrite(b->data, 1, b->size, f) == b->size;
    return fclose(f) == 0 && written ? NULL : "cannot write a file";
}

static const char *write_tensor(const char *directory, const char *kind, int index, onnx_bytes *message)
{
    char name[64];
    snprintf(name, sizeof name, "test_data_set_0/%s_%d.pb", kind, index);
    const char *why = write_file(directory, name, message);
    onnx_bytes_free(message);
    return why;
}

static bool make_directory(const char *directory, const char *below)
{
    char path[4096];
    const int n = snprintf(path, sizeof path, "%s%s", directory, below);
    return n > 0 && n < (int)sizeof path && (mkdir(path, 0777) == 0 || errno == EEXIST);
}

const char *onnx_write_files(const oracle_case *c, const char *directory)
{
    if (!make_directory(directory, "") || !make_directory(directory, "/test_data_set_0"))
        return "cannot create a directory";
    onnx_bytes model;
    (void)onnx_write_model(c, ONNX_AS_DRAWN, &model);
    const char *why = write_file(directory, "model.onnx", &model);
    onnx_bytes_free(&model);
    int index = 0;
    for (int i = 0; i < CASE_INPUTS && why == NULL; i++)
        if (onnx_is_input(c, ONNX_AS_DRAWN, i)) {
            onnx_bytes m = tensor_message(oracle_input_name(i), input_type(c, i), &c->in[i], input_size(c, i), false);
            why = write_tensor(directory, "input", index++, &m);
        }
    index = 0;
    for (int k = 0; k < CASE_OUTPUTS && why == NULL; k++)
        if (onnx_is_output(c, ONNX_AS_DRAWN, k)) {
            onnx_bytes m = tensor_message(oracle_output_name(k), oracle_type_onnx(c->type), &c->out[k], oracle_type_size(c->type), false);
            why = write_tensor(directory, "output", index++, &m);
        }
    return why;
}
