/* ops/table: gathers the families' rows and finds one by name and version. Loading hashes them, which is a tenth of the work of
 * sorting; only who lists them has them sorted. */
#include "ops/table.h"

#include "ops/families.h"
#include "rnn/rnn.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const op_desc *const families[] = {
    ops_unary_math, ops_unary_arith, ops_cast, ops_binary, ops_relation, ops_variadic, ops_select,
    ops_shape, ops_transpose, ops_concat, ops_slice, ops_repeat, ops_pad, ops_create,
    ops_gather, ops_scatter, ops_rearrange, ops_pick,
    ops_reduce, ops_arg, ops_scan_sum, ops_softmax,
    ops_matmul, ops_einsum, ops_layer_norm,
    ops_control, ops_sequence, ops_conv, ops_pool, ops_norm, ops_quantise,
    ops_integer_matmul, ops_integer_conv, ops_signal, ops_signal_window, ops_resize, ops_grid, ops_loss, ops_causal_conv, ops_place,
    ops_suppress, ops_rotary, ops_determinant,
};

enum { MOST_ROWS = 640 };
static const op_desc *rows[MOST_ROWS], *sorted[MOST_ROWS];
static size_t n_rows;
/* Rows of one hash in a chain: numbers from 1, 0 ends it. */
enum { BUCKETS = 512 };
static uint16_t first[BUCKETS], after[MOST_ROWS];
static pthread_once_t hashed = PTHREAD_ONCE_INIT, ordered = PTHREAD_ONCE_INIT;

static size_t bucket_of(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
    return (hash ^ hash >> 16) % BUCKETS;
}

static int compare_name(const char *domain, const char *name, const op_desc *row) {
    int c = strcmp(domain, row->domain);
    return c ? c : strcmp(name, row->name);
}

static int compare_rows(const void *a, const void *b) {
    const op_desc *x = *(const op_desc *const *)a, *y = *(const op_desc *const *)b;
    int c = compare_name(x->domain, x->name, y);
    return c ? c : (x->since > y->since) - (x->since < y->since);
}

static void add_row(const op_desc *row) {
    if (n_rows == MOST_ROWS) return;
    size_t b = bucket_of(row->name);
    rows[n_rows] = row;
    after[n_rows++] = first[b];
    first[b] = (uint16_t)n_rows;
}

static void hash_once(void) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const op_desc *row = families[f]; row->domain; row++) add_row(row);
    for (size_t i = 0; i < rnn_op_count; i++) add_row(&rnn_ops[i]);
}

static void sort_once(void) {
    pthread_once(&hashed, hash_once);
    memcpy(sorted, rows, sizeof sorted);
    qsort(sorted, n_rows, sizeof *sorted, compare_rows);
}

const op_desc *ops_find(const char *domain, const char *name, int version, bool *known) {
    pthread_once(&hashed, hash_once);
    if (!strcmp(domain, "ai.onnx")) domain = "";
    if (known) *known = false;
    for (size_t at = first[bucket_of(name)]; at; at = after[at - 1]) {
        const op_desc *row = rows[at - 1];
        if (compare_name(domain, name, row)) continue;
        if (known) *known = true;
        if (version >= row->since && (!row->until || version <= row->until)) return row;
    }
    return NULL;
}

const op_desc *ops_row(size_t index) {
    pthread_once(&ordered, sort_once);
    return index < n_rows ? sorted[index] : NULL;
}
