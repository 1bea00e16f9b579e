/* ops/table: gathers the families' rows and finds one by name and version. The index is sorted once, at the first look-up. */
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
static const op_desc *sorted[MOST_ROWS];
static size_t n_sorted;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int compare_name(const char *domain, const char *name, const op_desc *row) {
    int c = strcmp(domain, row->domain);
    return c ? c : strcmp(name, row->name);
}

static int compare_rows(const void *a, const void *b) {
    const op_desc *x = *(const op_desc *const *)a, *y = *(const op_desc *const *)b;
    int c = compare_name(x->domain, x->name, y);
    return c ? c : (x->since > y->since) - (x->since < y->since);
}

static void add_row(const op_desc *row) { if (n_sorted < MOST_ROWS) sorted[n_sorted++] = row; }

static void sort_once(void) {
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const op_desc *row = families[f]; row->domain; row++) add_row(row);
    for (size_t i = 0; i < rnn_op_count; i++) add_row(&rnn_ops[i]);
    qsort(sorted, n_sorted, sizeof *sorted, compare_rows);
}

const op_desc *ops_find(const char *domain, const char *name, int version, bool *known) {
    pthread_once(&once, sort_once);
    if (!strcmp(domain, "ai.onnx")) domain = "";
    size_t low = 0, high = n_sorted;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (compare_name(domain, name, sorted[mid]) > 0) low = mid + 1;
        else high = mid;
    }
    if (known) *known = low < n_sorted && !compare_name(domain, name, sorted[low]);
    for (; low < n_sorted && !compare_name(domain, name, sorted[low]); low++) {
        const op_desc *row = sorted[low];
        if (version >= row->since && (!row->until || version <= row->until)) return row;
    }
    return NULL;
}

const op_desc *ops_row(size_t index) {
    pthread_once(&once, sort_once);
    return index < n_sorted ? sorted[index] : NULL;
}
