/* tests/emit/random_graph: a pool of values of known shape grows node by node; what is left over becomes outputs. */
#include "random_graph.h"

#include "../unit/model_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 48, RANK = 4, BODIES = 12 };
typedef struct value { char name[12]; char type; int rank; int64_t dims[RANK]; bool used; } value;
typedef struct maker { uint64_t state; value v[VALUES]; int n, constants; char text[60000]; size_t size; pbuf bodies[BODIES]; int n_bodies; } maker;

double random_unit(uint64_t *s) {
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}
static int below(maker *m, int n) { return n > 0 ? (int)(random_unit(&m->state) * n) : 0; }

__attribute__((format(printf, 2, 3))) static void say(maker *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(m->text + m->size, sizeof m->text - m->size, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof m->text - m->size) m->size += (size_t)n;
}

static int64_t count(int rank, const int64_t *dims) {
    int64_t n = 1;
    for (int d = 0; d < rank; d++) n *= dims[d];
    return n;
}

/* A new value; its name stands in the node that was said. */
static value *made(maker *m, char type, int rank, const int64_t *dims) {
    value *v = &m->v[m->n];
    snprintf(v->name, sizeof v->name, "v%d", m->n++);
    v->type = type;
    v->rank = rank;
    v->used = false;
    memcpy(v->dims, dims, (size_t)rank * sizeof *dims);
    return v;
}

/* A constant of small random numbers. */
static const char *floats(maker *m, int rank, const int64_t *dims) {
    static char name[4][16];
    char *out = name[m->constants % 4];
    snprintf(out, sizeof name[0], "k%d", m->constants++);
    say(m, "%s = f[", out);
    for (int d = 0; d < rank; d++) say(m, "%s%lld", d ? "," : "", (long long)dims[d]);
    say(m, "] ");
    for (int64_t i = 0; i < count(rank, dims); i++) say(m, "%s%.3f", i ? "," : "", random_unit(&m->state) * 1.6 - 0.8);
    say(m, "; ");
    return out;
}
static const char *ints(maker *m, int n, const int64_t *v) {
    static char name[4][16];
    char *out = name[m->constants % 4];
    snprintf(out, sizeof name[0], "k%d", m->constants++);
    say(m, "%s = i[%d] ", out, n);
    for (int i = 0; i < n; i++) say(m, "%s%lld", i ? "," : "", (long long)v[i]);
    say(m, "; ");
    return out;
}

static value *pick(maker *m, char type) {
    for (int tries = 0; tries < 60; tries++) {
        value *v = &m->v[m->n - 1 - below(m, m->n < 6 ? m->n : 6)];
        if (v->type == type) return v;
    }
    return &m->v[0];
}

/* ---- nodes: each says itself and makes its output, or does nothing where it does not fit */

static void unary(maker *m, value *x) {
    static const char *const ops[] = {"Tanh", "Sigmoid", "Relu", "Abs", "Neg", "Softsign", "Softplus", "Erf", "Sin", "Cos", "Elu alpha=0.5", "LeakyRelu alpha=0.2", "HardSigmoid alpha=0.3 beta=0.4",
                                      "Selu", "Atan", "HardSwish", "Identity", "Celu alpha=0.7", "ThresholdedRelu alpha=0.1"};
    char op[64];
    snprintf(op, sizeof op, "%s", ops[below(m, (int)(sizeof ops / sizeof *ops))]);
    char *rest = strchr(op, ' ');
    if (rest) *rest++ = 0;
    say(m, "%s %s > v%d %s; ", op, x->name, m->n, rest ? rest : "");
    made(m, 'f', x->rank, x->dims);
}

/* With a constant of some of the dimensions, or a value of the same shape. */
static void binary(maker *m, value *x) {
    static const char *const ops[] = {"Add", "Sub", "Mul", "Max", "Min", "PRelu", "Mean", "Sum"};
    const char *op = ops[below(m, 8)], *other = NULL;
    int64_t dims[RANK];
    for (int i = 0; i < m->n && !below(m, 2); i++) {
        value *y = &m->v[i];
        if (y->type == 'f' && y->rank == x->rank && !memcmp(y->dims, x->dims, (size_t)x->rank * sizeof *x->dims)) { other = y->name; y->used = true; }
    }
    if (!other) {
        int from = below(m, x->rank + 1);
        if (count(x->rank, x->dims) > 400) from = x->rank;
        for (int d = from; d < x->rank; d++) dims[d] = x->dims[d] > 8 || below(m, 3) == 0 ? 1 : x->dims[d];
        other = floats(m, x->rank - from, dims + from);
    }
    bool swap = strcmp(op, "PRelu") != 0 && below(m, 2);
    say(m, "%s %s,%s > v%d; ", op, swap ? other : x->name, swap ? x->name : other, m->n);
    made(m, 'f', x->rank, x->dims);
}

static void matmul(maker *m, value *x) {
    if (x->rank < 2 || x->dims[x->rank - 1] > 40) return;
    int64_t n = 1 + below(m, 45), k = x->dims[x->rank - 1], dims[RANK], w[2] = {k, n}, t[2] = {n, k};
    memcpy(dims, x->dims, sizeof dims);
    if (x->rank == 2 && below(m, 2)) {
        const char *c = floats(m, 2, t);
        char kept[16];
        snprintf(kept, sizeof kept, "%s", c);
        say(m, "Gemm %s,%s,%s > v%d transB=1 alpha=0.75 beta=0.5; ", x->name, kept, floats(m, 1, &n), m->n);
    } else say(m, "MatMul %s,%s > v%d; ", x->name, floats(m, 2, w), m->n);
    dims[x->rank - 1] = n;
    made(m, 'f', x->rank, dims);
}

/* x.x transposed: scores. */
static void scores(maker *m, value *x) {
    if (x->rank != 3) return;
    int64_t t[3] = {x->dims[0], x->dims[2], x->dims[1]}, y[3] = {x->dims[0], x->dims[1], x->dims[1]};
    say(m, "Transpose %s > v%d perm=0,2,1; ", x->name, m->n);
    value *q = made(m, 'f', 3, t);
    q->used = true;
    say(m, "MatMul %s,%s > v%d; ", x->name, q->name, m->n);
    made(m, 'f', 3, y);
}

static void transpose(maker *m, value *x) {
    int p[RANK] = {0, 1, 2, 3};
    int64_t dims[RANK];
    if (x->rank < 2) return;
    for (int d = x->rank - 1; d > 0; d--) {
        int k = below(m, d + 1), s = p[d];
        p[d] = p[k];
        p[k] = s;
    }
    say(m, "Transpose %s > v%d perm=", x->name, m->n);
    for (int d = 0; d < x->rank; d++) {
        say(m, "%s%d", d ? "," : "", p[d]);
        dims[d] = x->dims[p[d]];
    }
    say(m, "; ");
    made(m, 'f', x->rank, dims);
}

/* Two dimensions become one, or one is put in. */
static void reshape(maker *m, value *x) {
    int64_t want[RANK], dims[RANK];
    if (x->rank >= 2 && below(m, 2)) {
        int at = below(m, x->rank - 1);
        for (int d = 0, k = 0; d < x->rank; d++, k++) {
            if (d == at + 1) { k--; continue; }
            want[k] = d < at ? 0 : d == at ? -1 : x->dims[d];
            dims[k] = d == at ? x->dims[d] * x->dims[d + 1] : x->dims[d];
        }
        say(m, "Reshape %s,%s > v%d; ", x->name, ints(m, x->rank - 1, want), m->n);
        made(m, 'f', x->rank - 1, dims);
    } else if (x->rank < RANK) {
        int64_t at = below(m, x->rank + 1);
        for (int d = 0, k = 0; k < x->rank + 1; k++) dims[k] = k == at ? 1 : x->dims[d++];
        say(m, "Unsqueeze %s,%s > v%d; ", x->name, ints(m, 1, &at), m->n);
        made(m, 'f', x->rank + 1, dims);
    }
}

static void slice(maker *m, value *x) {
    if (!x->rank) return;
    int axis = below(m, x->rank);
    int64_t n = x->dims[axis], dims[RANK], a = axis, step = 1, from = below(m, (int)n), to = from + 1 + below(m, (int)(n - from)), got = to - from;
    memcpy(dims, x->dims, sizeof dims);
    if (below(m, 3) == 0) { to = INT64_MAX; got = n - from; }
    else if (below(m, 3) == 0) { to = to - n ? to - n : INT64_MAX; from = below(m, 2) ? from - n : from; }
    else if (below(m, 4) == 0) { step = 2; got = (got + 1) / 2; }
    else if (below(m, 4) == 0) { from = -1; to = INT64_MIN + 1; step = -1; got = n; }
    dims[axis] = got;
    char k[4][16];
    snprintf(k[0], 16, "%s", ints(m, 1, &from));
    snprintf(k[1], 16, "%s", ints(m, 1, &to));
    snprintf(k[2], 16, "%s", ints(m, 1, &a));
    snprintf(k[3], 16, "%s", ints(m, 1, &step));
    say(m, "Slice %s,%s,%s,%s,%s > v%d; ", x->name, k[0], k[1], k[2], k[3], m->n);
    made(m, 'f', x->rank, dims);
}

static void join(maker *m, value *x) {
    if (!x->rank || count(x->rank, x->dims) > 3000) return;
    int axis = below(m, x->rank);
    int64_t dims[RANK], one[RANK], parts[2];
    memcpy(dims, x->dims, sizeof dims);
    if (below(m, 2) && x->dims[axis] > 1) {
        parts[0] = 1 + below(m, (int)x->dims[axis] - 1);
        parts[1] = x->dims[axis] - parts[0];
        say(m, "Split %s,%s > v%d,v%d axis=%d; ", x->name, ints(m, 2, parts), m->n, m->n + 1, axis);
        for (int k = 0; k < 2; k++) { dims[axis] = parts[k]; made(m, 'f', x->rank, dims); }
        return;
    }
    memcpy(one, x->dims, sizeof one);
    one[axis] = 2;
    bool constant = count(x->rank, one) < 200 && below(m, 2);
    say(m, "Concat %s,%s > v%d axis=%d; ", x->name, constant ? floats(m, x->rank, one) : x->name, m->n, axis);
    dims[axis] += constant ? 2 : x->dims[axis];
    made(m, 'f', x->rank, dims);
}

static void reduce(maker *m, value *x) {
    static const char *const ops[] = {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"};
    if (x->rank < 2) return;
    int axis = below(m, x->rank), keep = below(m, 2), rank = 0;
    int64_t dims[RANK];
    for (int d = 0; d < x->rank; d++) {
        if (d != axis) dims[rank++] = x->dims[d];
        else if (keep) dims[rank++] = 1;
    }
    say(m, "%s %s > v%d axes=%d, keepdims=%d; ", ops[below(m, 7)], x->name, m->n, axis - x->rank, keep);
    made(m, 'f', rank, dims);
}

static void along(maker *m, value *x) {
    if (!x->rank) return;
    int axis = below(m, x->rank);
    int64_t a = axis;
    if (below(m, 3) == 0) say(m, "CumSum %s,%s > v%d reverse=%d exclusive=%d; ", x->name, ints(m, 1, &a), m->n, below(m, 2), below(m, 2));
    else say(m, "%s %s > v%d axis=%d; ", below(m, 2) ? "Softmax" : "LogSoftmax", x->name, m->n, axis - x->rank);
    made(m, 'f', x->rank, x->dims);
}

static void pad(maker *m, value *x) {
    if (!x->rank || count(x->rank, x->dims) > 2000) return;
    int64_t pads[2 * RANK] = {0}, dims[RANK];
    static const char *const modes[] = {"constant", "edge", "reflect"};
    int axis = below(m, x->rank), most = (int)x->dims[axis] - 1;
    const char *mode = modes[below(m, 3)];
    memcpy(dims, x->dims, sizeof dims);
    pads[axis] = below(m, most > 2 ? 3 : most + 1);
    pads[axis + x->rank] = below(m, most > 2 ? 3 : most + 1);
    dims[axis] += pads[axis] + pads[axis + x->rank];
    say(m, "Pad %s,%s > v%d mode=%s; ", x->name, ints(m, 2 * x->rank, pads), m->n, mode);
    made(m, 'f', x->rank, dims);
}

static void repeat(maker *m, value *x) {
    int64_t times[RANK], dims[RANK];
    if (!x->rank || count(x->rank, x->dims) > 500) return;
    for (int d = 0; d < x->rank; d++) { times[d] = 1 + (below(m, 3) == 0); dims[d] = x->dims[d] * times[d]; }
    say(m, "Tile %s,%s > v%d; ", x->name, ints(m, x->rank, times), m->n);
    made(m, 'f', x->rank, dims);
}

static void gather(maker *m, value *x) {
    int64_t index[3], dims[RANK];
    if (!x->rank || x->rank == RANK) return;
    int axis = below(m, x->rank), n = 1 + below(m, 3);
    for (int k = 0; k < n; k++) index[k] = below(m, (int)x->dims[axis]) - (below(m, 3) == 0 ? x->dims[axis] : 0);
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = n;
    say(m, "Gather %s,%s > v%d axis=%d; ", x->name, ints(m, n, index), m->n, axis);
    made(m, 'f', x->rank, dims);
}

/* The place of the largest picks a row of a table: an index that only the run knows. */
static void look_up(maker *m, value *x) {
    if (x->rank < 2 || x->dims[x->rank - 1] > 30) return;
    int64_t dims[RANK], table[2] = {x->dims[x->rank - 1], 3};
    memcpy(dims, x->dims, sizeof dims);
    say(m, "ArgMax %s > v%d axis=-1 keepdims=0; ", x->name, m->n);
    value *a = made(m, 'i', x->rank - 1, dims);
    a->used = true;
    say(m, "Gather %s,%s > v%d; ", floats(m, 2, table), a->name, m->n);
    dims[x->rank - 1] = 3;
    made(m, 'f', x->rank, dims);
}

/* The k best values of an axis, and the same by their places. */
static void best(maker *m, value *x) {
    if (!x->rank) return;
    int axis = below(m, x->rank);
    int64_t k = 1 + below(m, (int)x->dims[axis]), dims[RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = k;
    say(m, "TopK %s,%s > v%d,v%d axis=%d largest=%d; ", x->name, ints(m, 1, &k), m->n, m->n + 1, axis, below(m, 2));
    made(m, 'f', x->rank, dims);
    value *at = made(m, 'i', x->rank, dims);
    at->used = true;
    say(m, "GatherElements %s,%s > v%d axis=%d; ", x->name, at->name, m->n, axis);
    made(m, 'f', x->rank, dims);
}

static void choose(maker *m, value *x) {
    int64_t one = 1;
    say(m, "Greater %s,%s > v%d; ", x->name, floats(m, 1, &one), m->n);
    value *b = made(m, 'b', x->rank, x->dims);
    if (x->rank == 0) b->rank = 1, b->dims[0] = 1;
    b->used = true;
    say(m, "Where %s,%s,%s > v%d; ", b->name, x->name, floats(m, 1, &one), m->n);
    made(m, 'f', b->rank, b->dims);
}

static void normalise(maker *m, value *x) {
    if (x->rank < 2 || x->dims[x->rank - 1] < 2 || x->dims[x->rank - 1] > 60) return;
    char scale[16];
    snprintf(scale, sizeof scale, "%s", floats(m, 1, &x->dims[x->rank - 1]));
    say(m, "LayerNormalization %s,%s,%s > v%d", x->name, scale, floats(m, 1, &x->dims[x->rank - 1]), m->n);
    int more = below(m, 3);     /* the mean, and what the row was divided by */
    int64_t rows[RANK];
    memcpy(rows, x->dims, sizeof rows);
    rows[x->rank - 1] = 1;
    for (int k = 1; k <= more; k++) say(m, ",v%d", m->n + k);
    say(m, " epsilon=0.1; ");
    made(m, 'f', x->rank, x->dims);
    for (int k = 1; k <= more; k++) made(m, 'f', x->rank, rows);
}

static void convolve(maker *m, value *x) {
    if (x->rank != 3 || x->dims[1] > 12 || x->dims[2] < 3) return;
    int64_t channels = 1 + below(m, 6), kernel = 1 + below(m, 3), stride = 1 + below(m, 2), w[3] = {channels, x->dims[1], kernel}, before = below(m, 2);
    int64_t dims[3] = {x->dims[0], channels, (x->dims[2] + 2 * before - kernel) / stride + 1};
    char c[16];
    snprintf(c, sizeof c, "%s", floats(m, 3, w));
    say(m, "Conv %s,%s,%s > v%d strides=%lld, pads=%lld,%lld; ", x->name, c, floats(m, 1, &channels), m->n, (long long)stride, (long long)before, (long long)before);
    made(m, 'f', 3, dims);
}

static void pool(maker *m, value *x) {
    if (x->rank != 3 || x->dims[2] < 3) return;
    int64_t dims[3] = {x->dims[0], x->dims[1], x->dims[2] - 1};
    say(m, "%s %s > v%d kernel_shape=2,; ", below(m, 2) ? "MaxPool" : "AveragePool", x->name, m->n);
    made(m, 'f', 3, dims);
}

static void recur(maker *m, value *x) {
    static const char *const cells[] = {"LSTM", "GRU", "RNN"};
    if (x->rank != 3 || x->dims[2] > 24 || count(3, x->dims) > 1500) return;
    int cell = below(m, 3), gates = cell == 0 ? 4 : cell == 1 ? 3 : 1, way = below(m, 3);
    int64_t h = 1 + below(m, 11), d = 1 + (way == 2), w[3] = {d, gates * h, x->dims[2]}, r[3] = {d, gates * h, h}, b[2] = {d, 2 * gates * h};
    char k[3][16];
    snprintf(k[0], 16, "%s", floats(m, 3, w));
    snprintf(k[1], 16, "%s", floats(m, 3, r));
    snprintf(k[2], 16, "%s", floats(m, 2, b));
    int64_t y[4] = {x->dims[0], d, x->dims[1], h}, last[3] = {d, x->dims[1], h};
    bool state = below(m, 2);
    say(m, "%s %s,%s,%s,%s > v%d", cells[cell], x->name, k[0], k[1], k[2], m->n);
    if (state) say(m, ",v%d", m->n + 1);
    say(m, " hidden_size=%lld direction=%s%s; ", (long long)h, way == 0 ? "forward" : way == 1 ? "reverse" : "bidirectional", cell == 1 && below(m, 2) ? " linear_before_reset=1" : "");
    made(m, 'f', 4, y);
    if (state) made(m, 'f', 3, last);
}

/* Along an axis that the run gives: the place of a largest element, of which there are two. */
static void of_run(maker *m, value *x) {
    if (x->rank < 2 || count(x->rank, x->dims) > 2000) return;
    int64_t two[2] = {1, 2}, all = -1;
    say(m, "Reshape %s,%s > f%d; ", x->name, ints(m, 1, &all), m->n);
    say(m, "Slice f%d,%s,%s > g%d; ", m->n, ints(m, 1, &(int64_t){0}), ints(m, 1, &two[0]), m->n);
    say(m, "Neg g%d > n%d; Concat g%d,n%d > p%d axis=0; ArgMax p%d > a%d keepdims=0; ", m->n, m->n, m->n, m->n, m->n, m->n, m->n);
    if (below(m, 2)) say(m, "CumSum %s,a%d > v%d exclusive=%d; ", x->name, m->n, m->n, below(m, 2));
    else say(m, "Trilu %s,a%d > v%d upper=%d; ", x->name, m->n, m->n, below(m, 2));
    made(m, 'f', x->rank, x->dims);
}

/* An If of the run's data, whose branches are functions of x. */
static void branch(maker *m, value *x) {
    if (m->n_bodies + 2 > BODIES || !x->rank || count(x->rank, x->dims) > 2000) return;
    static const char *const ops[] = {"Tanh", "Sin", "Neg", "Softplus", "Identity"};
    char text[80];
    for (int k = 0; k < 2; k++) {
        snprintf(text, sizeof text, below(m, 2) ? "%s %s > r" : "%s %s > q; Abs q > r", ops[below(m, 5)], x->name);
        m->bodies[m->n_bodies + k] = model_text_graph("", "r", text, NULL);
    }
    say(m, "ReduceSum %s > s%d keepdims=0; Greater s%d,%s > c%d; ", x->name, m->n, m->n, floats(m, 0, NULL), m->n);
    say(m, "If c%d > v%d then_branch=@%d else_branch=@%d; ", m->n, m->n, m->n_bodies, m->n_bodies + 1);
    m->n_bodies += 2;
    made(m, 'f', x->rank, x->dims);
}

/* A Scan along the first axis, with a state like one step. */
static void scan(maker *m, value *x) {
    if (m->n_bodies == BODIES || x->rank < 2 || count(x->rank, x->dims) > 800) return;
    char ports[160], state[16];
    int64_t one = 0;
    int back = below(m, 2);
    snprintf(ports, sizeof ports, "s:f x:f");
    m->bodies[m->n_bodies] = model_text_graph(ports, "t o", below(m, 2) ? "Add s,x > a; Tanh a > t; Sub t,x > o" : "Mul s,x > a; Add a,x > t; Identity s > o", NULL);
    say(m, "Gather %s,%s > w%d; Squeeze w%d,%s > z%d; ", x->name, ints(m, 1, &one), m->n, m->n, ints(m, 1, &one), m->n);
    snprintf(state, sizeof state, "z%d", m->n);
    say(m, "Scan %s,%s > v%d,v%d num_scan_inputs=1 scan_input_directions=%d, body=@%d; ", state, x->name, m->n, m->n + 1, back, m->n_bodies++);
    made(m, 'f', x->rank - 1, x->dims + 1);
    made(m, 'f', x->rank, x->dims);
}

static void local(maker *m, value *x) {
    if (x->rank < 2 || x->dims[1] > 40) return;
    switch (below(m, 3)) {
    case 0: say(m, "LRN %s > v%d size=%d alpha=0.3; ", x->name, m->n, 1 + below(m, 4)); break;
    case 1: say(m, "LpNormalization %s > v%d axis=%d p=%d; ", x->name, m->n, below(m, x->rank) - x->rank, 1 + below(m, 2)); break;
    default: say(m, "Hardmax %s > v%d axis=%d; ", x->name, m->n, below(m, x->rank)); break;
    }
    made(m, 'f', x->rank, x->dims);
}

pbuf random_graph(uint64_t seed, int64_t *n, int64_t *t, char *text, size_t size) {
    static void (*const nodes[])(maker *, value *) = {unary, unary, binary, binary, matmul, scores, transpose, reshape, slice, slice, join, reduce, along, pad, repeat, gather, look_up, best, choose,
                                                      normalise, convolve, pool, recur, recur, of_run, branch, scan, local};
    maker *m = calloc(1, sizeof *m);
    if (!m) abort();
    m->state = seed * 77 + 1;
    int64_t dims[3] = {2 + below(m, 4), 1 + below(m, 5), 1 + below(m, 9)};
    *n = dims[0];
    *t = dims[1];
    strcpy(made(m, 'f', 3, dims)->name, "x");
    strcpy(made(m, 'f', 3, dims)->name, "y");
    int wanted = 4 + below(m, 12);
    for (int k = 0; k < 60 && m->n < 2 + wanted && m->n < VALUES - 4 && m->size < sizeof m->text - 20000; k++) {
        value *x = pick(m, 'f');
        int before = m->n;
        if (count(x->rank, x->dims) > 20000) continue;
        nodes[below(m, (int)(sizeof nodes / sizeof *nodes))](m, x);
        if (m->n > before) x->used = true;
    }
    char inputs[120], outputs[600] = "", symbols = (char)below(m, 4);
    snprintf(inputs, sizeof inputs, symbols ? "x:f[?n,?t,%lld] y:f[?n,?t,%lld]" : "x:f[%lld,%lld,%lld] y:f[%lld,%lld,%lld]", symbols ? (long long)dims[2] : (long long)dims[0],
             symbols ? (long long)dims[2] : (long long)dims[1], (long long)dims[2], (long long)dims[0], (long long)dims[1], (long long)dims[2]);
    bool any = false;
    for (int i = 2; i < m->n; i++)
        if (!m->v[i].used && m->v[i].type == 'f') { snprintf(outputs + strlen(outputs), sizeof outputs - strlen(outputs), "%s ", m->v[i].name); any = true; }
    if (!any) { say(m, "Tanh x > z; "); strcpy(outputs, "z"); }
    if (text) snprintf(text, size, "%s -> %s", m->text, outputs);
    pbuf model = pb_model(model_text_graph(inputs, outputs, m->text, m->bodies));
    free(m);
    return model;
}
