/* Random models over a sequence: layers, products, moves of axes and steps, positions and lengths made of Shape, drawn one after the other.
 * Many of them stream, many must be refused; `cuts` tries each.
 *
 *   random_sequences DIR FIRST COUNT     writes DIR/SEED/model.onnx and DIR/SEED/test_data_set_0 for the seeds from FIRST on; one that draws
 *                                        no layer is left out */
#include "cell_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { RANK = 4, VALUES = 40, STEPS = 7 };

/* v<id>; a dimension of 0 is the steps, along axis t. */
typedef struct value { int id, rank, dims[RANK], t; } value;

typedef struct drawing {
    uint32_t state;
    cell_text text;
    value values[VALUES];
    int n, last, names, layers;             /* last: id of a layer's last state or of what was made of one, 0 for none */
    int last_size;
} drawing;

static int drawn(drawing *d, int below) {
    d->state = d->state * 1664525u + 1013904223u;
    return (int)((d->state >> 8) % (uint32_t)below);
}

/* ---- writing -------------------------------------------------------------------------------------------------------------------------- */

/* A node `Op inputs` with one output and attributes; returns its id. */
__attribute__((format(printf, 3, 4)))
static int node(drawing *d, const char *attributes, const char *format, ...) {
    char text[200];
    va_list a;
    va_start(a, format);
    vsnprintf(text, sizeof text, format, a);
    va_end(a);
    cell_say(&d->text, "%s > v%d%s;", text, ++d->names, attributes);
    return d->names;
}

/* A constant of random numbers, or of integers written out. */
static int numbers(drawing *d, int rank, const int *dims) {
    char name[16], text[40] = "";
    int count = 1;
    for (int i = 0, n = 0; i < rank; count *= dims[i++]) n += snprintf(text + n, sizeof text - (size_t)n, "%s%d", i ? "," : "", dims[i]);
    snprintf(name, sizeof name, "v%d", ++d->names);
    cell_constant(&d->text, 'f', name, text, count);
    return d->names;
}
static int vector(drawing *d, int n) { return numbers(d, 1, (int[]){n}); }
static int matrix(drawing *d, int n, int m) { return numbers(d, 2, (int[]){n, m}); }

__attribute__((format(printf, 3, 4)))
static int integers(drawing *d, int n, const char *format, ...) {
    char text[80];
    va_list a;
    va_start(a, format);
    vsnprintf(text, sizeof text, format, a);
    va_end(a);
    if (n < 0) cell_say(&d->text, "v%d = i[] %s;", ++d->names, text);
    else cell_say(&d->text, "v%d = i[%d] %s;", ++d->names, n, text);
    return d->names;
}

static void add(drawing *d, int id, const value *like) {
    if (d->n == VALUES) return;
    d->values[d->n] = *like;
    d->values[d->n++].id = id;
}

static value without(value v, int axis) {
    memmove(v.dims + axis, v.dims + axis + 1, sizeof(int) * (size_t)(RANK - 1 - axis));
    v.rank--;
    v.t -= v.t > axis;
    return v;
}

static value with(value v, int axis, int size) {
    memmove(v.dims + axis + 1, v.dims + axis, sizeof(int) * (size_t)(RANK - 1 - axis));
    v.dims[axis] = size;
    v.rank++;
    v.t += v.t >= axis;
    return v;
}

static value resized(value v, int axis, int size) { v.dims[axis] = size; return v; }

/* Of the last axis; 0 when that is the steps. */
static int width(const value *v) { return v->dims[v->rank - 1]; }

/* The number of steps as an integer scalar, and as a number. */
static int length(drawing *d, const value *v) {
    int shape = node(d, "", "Shape v%d", v->id), axis = integers(d, -1, "%d", v->t);
    return node(d, " axis=0", "Gather v%d,v%d", shape, axis);
}
static int length_number(drawing *d, const value *v) { return node(d, " to=1", "Cast v%d", length(d, v)); }

/* 0, 1, 2 ... a step, of rank `rank` along `axis`. */
static int positions(drawing *d, const value *v, int rank, int axis) {
    char shape[24] = "";
    for (int i = 0; i < rank; i++) strcat(shape, i ? "," : ""), strcat(shape, i == axis ? "-1" : "1");
    int from = integers(d, -1, "0"), by = integers(d, -1, "1"), range = node(d, "", "Range v%d,v%d,v%d", from, length(d, v), by);
    int number = node(d, " to=1", "Cast v%d", range);
    return node(d, "", "Reshape v%d,v%d", number, integers(d, rank, "%s", shape));
}

/* ---- what can be drawn; a move that does not fit the value does nothing ---------------------------------------------------------------------- */

static const value *recent(drawing *d) { return &d->values[d->n - 1 - drawn(d, d->n < 3 ? d->n : 3)]; }

/* One time in ten in reverse, one in eight over the batch as if it were the steps: both are to be refused. */
static void layer(drawing *d, value v) {
    static const struct { const char *op; int gates; } kinds[] = {{"LSTM", 4}, {"GRU", 3}, {"RNN", 1}};
    if (v.rank != 3 || !width(&v)) return;
    const int k = drawn(d, 3), gates = kinds[k].gates, h = 2 + drawn(d, 3), mistaken = !drawn(d, 8), bias = drawn(d, 2);
    if ((v.t == 0) == mistaken) {
        v.id = node(d, " perm=1,0,2", "Transpose v%d", v.id);
        const int first = v.dims[0];
        v.dims[0] = v.dims[1], v.dims[1] = first, v.t = 1 - v.t;
    }
    int w = numbers(d, 3, (int[]){1, gates * h, width(&v)}), r = numbers(d, 3, (int[]){1, gates * h, h});
    char more[40] = "", attributes[80];
    if (bias) snprintf(more, sizeof more, ",v%d", matrix(d, 1, 2 * gates * h));
    if (v.dims[1] && !drawn(d, 4)) snprintf(more + strlen(more), sizeof more - strlen(more), "%s,,v%d", bias ? "" : ",", numbers(d, 3, (int[]){1, v.dims[1], h}));
    snprintf(attributes, sizeof attributes, " hidden_size=%d%s%s", h, drawn(d, 10) ? "" : " direction=reverse", k == 1 && drawn(d, 2) ? " linear_before_reset=1" : "");
    d->names += 2;
    const int y = d->names - 1, last = d->names;
    cell_say(&d->text, "%s v%d,v%d,v%d%s > v%d,v%d%s;", kinds[k].op, v.id, w, r, more, y, last, attributes);
    d->layers++;
    v.dims[2] = h;
    const int one = integers(d, 1, "1"), zero = integers(d, 1, "0");
    add(d, node(d, "", "Squeeze v%d,v%d", y, one), &v);
    if (v.dims[1]) d->last = node(d, "", "Squeeze v%d,v%d", last, zero), d->last_size = h;
}

static void activation(drawing *d, value v) {
    static const char *const ops[] = {"Tanh", "Relu", "Sigmoid", "Abs", "Neg"};
    add(d, node(d, "", "%s v%d", ops[drawn(d, 5)], v.id), &v);
}
static void shift(drawing *d, value v) { add(d, node(d, "", "Add v%d,v%d", v.id, vector(d, 1)), &v); }
static void scale(drawing *d, value v) { if (width(&v)) add(d, node(d, "", "Mul v%d,v%d", v.id, vector(d, width(&v))), &v); }
static void choice(drawing *d, value v) {
    int zero = vector(d, 1), other = vector(d, 1), greater = node(d, "", "Greater v%d,v%d", v.id, zero);
    add(d, node(d, "", "Where v%d,v%d,v%d", greater, v.id, other), &v);
}

/* With another value of the same axes, turned when they stand in another order. */
static void together(drawing *d, value v) {
    value w = *recent(d);
    if (w.rank != v.rank) return;
    char perm[40] = " perm=";
    for (int i = 0, seen = 0; i < v.rank; i++) {
        int j = 0;
        while (j < w.rank && (w.dims[j] != v.dims[i] || seen >> j & 1)) j++;
        if (j == w.rank) return;
        seen |= 1 << j;
        sprintf(perm + strlen(perm), "%s%d", i ? "," : "", j);
    }
    if (v.rank == 1) strcat(perm, ",");
    add(d, node(d, "", "Sub v%d,v%d", v.id, node(d, perm, "Transpose v%d", w.id)), &v);
}

static void transpose(drawing *d, value v) {
    value w = v;
    char perm[40] = " perm=";
    int left[RANK], n = v.rank;
    for (int i = 0; i < n; i++) left[i] = i;
    for (int i = 0; i < v.rank; i++) {
        int k = drawn(d, n), from = left[k];
        left[k] = left[--n];
        w.dims[i] = v.dims[from];
        if (v.t == from) w.t = i;
        sprintf(perm + strlen(perm), "%s%d", i ? "," : "", from);
    }
    add(d, node(d, strcat(perm, ","), "Transpose v%d", v.id), &w);
}

static void product(drawing *d, value v) {
    const value w = resized(v, v.rank - 1, 1 + drawn(d, 4));
    if (width(&v)) add(d, node(d, "", "MatMul v%d,v%d", v.id, matrix(d, width(&v), width(&w))), &w);
}
static void product_by_vector(drawing *d, value v) {
    if (!width(&v) || v.rank < 2) return;
    const value w = without(v, v.rank - 1);
    add(d, node(d, "", "MatMul v%d,v%d", v.id, vector(d, width(&v))), &w);
}
static void product_of_vector(drawing *d, value v) {
    if (v.rank < 2 || !v.dims[v.rank - 2]) return;
    const value w = without(v, v.rank - 2);
    add(d, node(d, "", "MatMul v%d,v%d", vector(d, v.dims[v.rank - 2]), v.id), &w);
}
static void gemm(drawing *d, value v) {
    if (v.rank != 2 || !v.dims[1]) return;
    const int m = 1 + drawn(d, 3), b = matrix(d, v.dims[1], m), c = drawn(d, 2) ? vector(d, m) : positions(d, &v, 2, 0);
    const value w = resized(v, 1, m);
    add(d, node(d, "", "Gemm v%d,v%d,v%d", v.id, b, c), &w);
}
/* Another matrix a step. */
static void product_by_steps(drawing *d, value v) {
    if (v.rank != 3 || v.t || !width(&v)) return;
    const int at = positions(d, &v, 3, 0), weights = node(d, "", "Mul v%d,v%d", at, numbers(d, 3, (int[]){1, width(&v), 3}));
    const value w = resized(v, 2, 3);
    add(d, node(d, "", "MatMul v%d,v%d", v.id, weights), &w);
}
static void convolution(drawing *d, value v) {
    if (v.rank != 3 || !v.dims[1]) return;
    const int wide = drawn(d, 3) ? 1 : 3, out = 1 + drawn(d, 3), k = numbers(d, 3, (int[]){out, v.dims[1], wide});
    const value w = resized(v, 1, out);
    add(d, node(d, wide == 3 ? " pads=1,1" : "", "Conv v%d,v%d", v.id, k), &w);
}
static void pool(drawing *d, value v) {
    if (v.rank == 3) add(d, node(d, drawn(d, 2) ? " kernel_shape=1," : " kernel_shape=3, pads=1,1", "MaxPool v%d", v.id), &v);
}

static void new_axis(drawing *d, value v) {
    if (v.rank == RANK) return;
    const int axis = drawn(d, v.rank + 1), at = integers(d, 1, "%d", axis);
    const value w = with(v, axis, 1);
    add(d, node(d, "", "Unsqueeze v%d,v%d", v.id, at), &w);
}
static void reduce(drawing *d, value v) {
    static const char *const ops[] = {"ReduceMean", "ReduceMax", "ReduceL2"};
    const int axis = drawn(d, v.rank), keep = drawn(d, 2);
    char attributes[40];
    if (v.rank < 2 || axis == v.t) return;
    const value w = keep ? resized(v, axis, 1) : without(v, axis);
    snprintf(attributes, sizeof attributes, " axes=%d, keepdims=%d", axis, keep);
    add(d, node(d, attributes, "%s v%d", ops[drawn(d, 3)], v.id), &w);
}
static void mean_of_steps(drawing *d, value v) {
    char attributes[40];
    snprintf(attributes, sizeof attributes, " axes=%d, keepdims=1", v.t);
    const int mean = node(d, attributes, "ReduceMean v%d", v.id);
    if (!drawn(d, 4)) add(d, node(d, "", "Sub v%d,v%d", v.id, mean), &v);
}
static void concat(drawing *d, value v) {
    const int axis = drawn(d, v.rank);
    char attributes[16];
    int steps[RANK];
    snprintf(attributes, sizeof attributes, " axis=%d", axis);
    if (axis != v.t) {
        const value w = resized(v, axis, 2 * v.dims[axis]);
        if (w.dims[axis] <= 16) add(d, node(d, attributes, "Concat v%d,v%d", v.id, v.id), &w);
        return;
    }
    for (int i = 0; i < v.rank; i++) steps[i] = i == axis ? 1 + drawn(d, 2) : v.dims[i];
    const int k = numbers(d, v.rank, steps);
    add(d, drawn(d, 2) ? node(d, attributes, "Concat v%d,v%d", k, v.id) : node(d, attributes, "Concat v%d,v%d", v.id, k), &v);
}
/* Along the steps: one before, one less at the end. */
static void pad(drawing *d, value v) {
    const int axis = drawn(d, v.rank);
    char pads[40] = "";
    for (int i = 0; i < 2 * v.rank; i++) sprintf(pads + strlen(pads), "%s%d", i ? "," : "", i == axis ? 1 : i == v.rank + v.t && axis == v.t ? -1 : 0);
    const value w = axis == v.t ? v : resized(v, axis, v.dims[axis] + 1);
    add(d, node(d, "", "Pad v%d,v%d", v.id, integers(d, 2 * v.rank, "%s", pads)), &w);
}
static void slice_steps(drawing *d, value v) {
    static const char *const ranges[][2] = {{"0", "9223372036854775807"}, {"0", "100"}, {"-100", "9223372036854775807"}, {"0", "5"}, {"1", "9223372036854775807"}};
    const int k = drawn(d, 5), from = integers(d, 1, "%s", ranges[k][0]), to = integers(d, 1, "%s", ranges[k][1]), axis = integers(d, 1, "%d", v.t);
    add(d, node(d, "", "Slice v%d,v%d,v%d,v%d", v.id, from, to, axis), &v);
}
static void slice(drawing *d, value v) {
    const int axis = drawn(d, v.rank);
    if (axis == v.t || v.dims[axis] < 2) return;
    const int from = integers(d, 1, "1"), to = integers(d, 1, "100"), at = integers(d, 1, "%d", axis);
    const value w = resized(v, axis, v.dims[axis] - 1);
    add(d, node(d, "", "Slice v%d,v%d,v%d,v%d", v.id, from, to, at), &w);
}
static void gather(drawing *d, value v) {
    const int axis = drawn(d, v.rank);
    char attributes[16];
    if (axis == v.t || v.rank < 2) return;
    const value w = without(v, axis);
    snprintf(attributes, sizeof attributes, " axis=%d", axis);
    add(d, node(d, attributes, "Gather v%d,v%d", v.id, integers(d, -1, "%d", drawn(d, v.dims[axis]))), &w);
}
static void cumulate(drawing *d, value v) { add(d, node(d, "", "CumSum v%d,v%d", v.id, integers(d, -1, "%d", drawn(d, v.rank))), &v); }
static void tile(drawing *d, value v) {
    const int axis = drawn(d, v.rank);
    char by[24] = "";
    if (axis == v.t || v.dims[axis] > 8) return;
    for (int i = 0; i < v.rank; i++) strcat(by, i ? "," : ""), strcat(by, i == axis ? "2" : "1");
    const value w = resized(v, axis, 2 * v.dims[axis]);
    add(d, node(d, "", "Tile v%d,v%d", v.id, integers(d, v.rank, "%s", by)), &w);
}
static void expand(drawing *d, value v) {
    if (v.rank == RANK) return;
    char shape[24] = "2";
    for (int i = 0; i < v.rank; i++) strcat(shape, ",1");
    const value w = with(v, 0, 2);
    add(d, node(d, "", "Expand v%d,v%d", v.id, integers(d, v.rank + 1, "%s", shape)), &w);
}
/* Two axes become one; the steps stay an axis when the other has size 1. */
static void merge(drawing *d, value v) {
    if (v.rank < 2) return;
    const int a = drawn(d, v.rank - 1), p = v.dims[a], q = v.dims[a + 1];
    char shape[40] = "";
    if ((!p && q != 1) || (!q && p != 1)) return;
    value w = without(v, a);
    w.dims[a] = p * q;
    w.t = v.t == a || v.t == a + 1 ? a : w.t;
    for (int i = 0; i < w.rank; i++) sprintf(shape + strlen(shape), "%s%d", i ? "," : "", w.dims[i] ? w.dims[i] : i < a && drawn(d, 2) ? 0 : -1);
    add(d, node(d, "", "Reshape v%d,v%d", v.id, integers(d, w.rank, "%s", shape)), &w);
}
static void softmax(drawing *d, value v) {
    char attributes[16];
    snprintf(attributes, sizeof attributes, " axis=%d", drawn(d, v.rank));
    add(d, node(d, attributes, "Softmax v%d", v.id), &v);
}
static void normalise(drawing *d, value v) {
    if (!width(&v)) return;
    const int by = vector(d, width(&v)), bias = vector(d, width(&v));
    add(d, node(d, " axis=-1", "LayerNormalization v%d,v%d,v%d", v.id, by, bias), &v);
}
static void by_length(drawing *d, value v) { add(d, node(d, "", "Div v%d,v%d", v.id, length_number(d, &v)), &v); }
static void by_position(drawing *d, value v) { add(d, node(d, "", "Add v%d,v%d", v.id, positions(d, &v, v.rank, v.t)), &v); }
static void by_shape(drawing *d, value v) {
    const int shape = node(d, "", "Shape v%d", v.id), zeros = node(d, "", "ConstantOfShape v%d", shape);
    add(d, node(d, "", "Max v%d,v%d", v.id, zeros), &v);
}
/* What becomes of a last state. */
static void last_state(drawing *d, value v) {
    if (!d->last) return;
    if (drawn(d, 2)) d->last = node(d, "", "Tanh v%d", node(d, "", "Mul v%d,v%d", d->last, vector(d, d->last_size)));
    else d->last = node(d, "", "Div v%d,v%d", d->last, length_number(d, &v));
}

static void (*const moves[])(drawing *, value) = {
    layer, layer, layer, layer, activation, shift, scale, choice, together, together, transpose, transpose, product, product_by_vector, product_of_vector,
    gemm, gemm, product_by_steps, convolution, pool, new_axis, reduce, mean_of_steps, concat, pad, slice_steps, slice, gather, cumulate, tile, expand,
    merge, merge, softmax, normalise, by_length, by_position, by_shape, last_state,
};
enum { MOVES = sizeof moves / sizeof *moves };

/* ---- a model -------------------------------------------------------------------------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, pbuf b) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(b.data, 1, b.n, f) != b.n || fclose(f)) { perror(path); exit(1); }
    pb_free(&b);
}

/* Numbers from -1 to 1. */
static pbuf input_file(drawing *d, const value *x) {
    char dims[40] = "";
    int count = 1;
    pbuf numbers = {0};
    for (int i = 0; i < x->rank; i++) {
        const int n = x->dims[i] ? x->dims[i] : STEPS;
        count *= n;
        sprintf(dims + strlen(dims), "%s%d", i ? "," : "", n);
    }
    for (int i = 0; i < count; i++) pb_raw(&numbers, &(float){(float)drawn(d, 2001) / 1000 - 1}, sizeof(float));
    pbuf t = pb_tensor("x", CLSTM_FLOAT, dims);
    pb_bytes(&t, 9, numbers.data, numbers.n);
    pb_free(&numbers);
    return t;
}

static void draw(uint32_t seed, const char *dir) {
    static drawing drawing_room;
    drawing *d = &drawing_room;
    char inputs[60] = "x:f[", outputs[60], path[4000];
    memset(d, 0, sizeof *d);
    d->state = seed * 2654435761u + 1;
    const int batch = 1 + drawn(d, 3), size = 2 + drawn(d, 4), time_first = drawn(d, 2);
    value x = drawn(d, 8) ? (value){.rank = 3, .dims = {batch, batch, size}, .t = !time_first} : (value){.rank = 2, .dims = {0, size}};
    x.dims[x.t] = 0;
    for (int i = 0; i < x.rank; i++) sprintf(inputs + strlen(inputs), x.dims[i] ? "%s%d" : "%s?", i ? "," : "", x.dims[i]);
    strcat(inputs, "]");
    add(d, node(d, "", "Identity x"), &x);
    for (int left = 3 + drawn(d, 6); left > 0 && d->n < VALUES - 1; left--)
        moves[d->n == 1 && drawn(d, 2) ? 0 : drawn(d, MOVES)](d, *recent(d));
    if (!d->layers) layer(d, *recent(d));
    if (!d->layers) return;
    sprintf(outputs, "v%d", d->values[d->n - 1].id);
    if (d->last) sprintf(outputs + strlen(outputs), " v%d", d->last);
    const int middle = d->values[d->n / 2].id;
    if (drawn(d, 2) && middle != d->values[d->n - 1].id) sprintf(outputs + strlen(outputs), " v%d", middle);
    snprintf(path, sizeof path, "%s/%u", dir, seed);
    mkdir(path, 0777);
    write_file(path, "model.onnx", pb_model(model_text_graph(inputs, outputs, d->text.s, NULL)));
    strcat(path, "/test_data_set_0");
    mkdir(path, 0777);
    write_file(path, "input_0.pb", input_file(d, &x));
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("random_sequences DIR FIRST COUNT\n", stderr);
        return 2;
    }
    const unsigned long first = strtoul(argv[2], NULL, 10), count = strtoul(argv[3], NULL, 10);
    for (unsigned long i = 0; i < count; i++) draw((uint32_t)(first + i), argv[1]);
    return 0;
}
