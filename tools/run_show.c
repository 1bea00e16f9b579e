/* run_show: what clstm-run prints: values as tables, expected beside got. */
#include "run_show.h"

#include "io/buffer.h"
#include "io/value.h"

#include <math.h>
#include <string.h>

enum { ROW = 8, ROWS = 8, BESIDE_ROWS = 64 };

static void show_spread(const clstm_tensor *t, FILE *out) {
    double least = INFINITY, most = -INFINITY, sum = 0;
    int64_t n = clstm_tensor_count(t), odd = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = io_get(t, i);
        if (!isfinite(v)) { odd++; continue; }
        least = fmin(least, v);
        most = fmax(most, v);
        sum += v;
    }
    if (n > odd) fprintf(out, "  min %.6g  max %.6g  mean %.6g", least, most, sum / (double)(n - odd));
    if (odd) fprintf(out, "  %lld not finite", (long long)odd);
}

static void put_index(const clstm_tensor *t, int64_t i, FILE *out) {
    char text[200];
    int64_t at[CLSTM_MAX_RANK];
    size_t used = 1;
    for (int d = t->rank - 1; d >= 0; d--) { at[d] = i % t->dims[d]; i /= t->dims[d]; }
    snprintf(text, sizeof text, "[");
    for (int d = 0; d < t->rank; d++) used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld", d ? "," : "", (long long)at[d]);
    fprintf(out, "  %-14s", strcat(text, "]"));
}

static void show_tensor(const clstm_tensor *t, FILE *out) {
    int64_t n = clstm_tensor_count(t), shown = 0, width = 1;
    char text[40];
    if (t->type == CLSTM_COMPLEX64 || t->type == CLSTM_COMPLEX128) { fputc('\n', out); return; }
    show_spread(t, out);
    fputc('\n', out);
    /* A row is a piece of the last axis that is longer than 1. */
    for (int d = t->rank - 1; d >= 0 && width == 1; d--) width = t->dims[d];
    for (int rows = 0; shown < n && rows < ROWS; rows++) {
        int64_t end = shown + (width - shown % width < ROW ? width - shown % width : ROW);
        put_index(t, shown, out);
        for (; shown < end; shown++) fprintf(out, " %12s", io_type_is_float(t->type) ? io_real_text(text, sizeof text, io_get(t, shown)) : io_element_text(text, sizeof text, t, shown));
        fputc('\n', out);
    }
    if (shown < n) fprintf(out, "  ... %lld more\n", (long long)(n - shown));
}

void show_value(const char *name, const clstm_value *v, FILE *out) {
    char escaped[160], shape[200];
    fprintf(out, "output  \"%s\"", io_escape(escaped, sizeof escaped, name));
    if (v->kind == CLSTM_KIND_NONE) fprintf(out, " nothing\n");
    else if (v->kind == CLSTM_KIND_TENSOR) {
        fprintf(out, " %s%s", clstm_type_name(v->tensor.type), io_shape_text(shape, sizeof shape, &v->tensor, NULL));
        show_tensor(&v->tensor, out);
    } else {
        fprintf(out, " sequence of %zu\n", v->count);
        for (size_t i = 0; i < v->count && i < ROWS; i++) {
            char item[32];
            snprintf(item, sizeof item, "#%zu", i);
            show_value(item, &v->items[i], out);
        }
        if (v->count > ROWS) fprintf(out, "  ... %zu more\n", v->count - ROWS);
    }
}

bool show_beside(const char *name, const clstm_value *got, const clstm_value *expected, FILE *out, char *reason, size_t size) {
    char escaped[160], a[200], b[200], text[3][40];
    *reason = 0;
    if (got->kind != CLSTM_KIND_TENSOR || expected->kind != CLSTM_KIND_TENSOR) {
        snprintf(reason, size, "only tensors can stand beside each other");
        return false;
    }
    const clstm_tensor *g = &got->tensor, *e = &expected->tensor;
    int64_t n = clstm_tensor_count(g), finite = 0;
    if (n != clstm_tensor_count(e)) {
        snprintf(reason, size, "got shape %s, expected %s", io_shape_text(a, sizeof a, g, NULL), io_shape_text(b, sizeof b, e, NULL));
        return false;
    }
    double sum = 0, squares = 0, largest = 0;
    fprintf(out, "output  \"%s\" %s%s beside what was expected\n", io_escape(escaped, sizeof escaped, name), clstm_type_name(g->type), io_shape_text(a, sizeof a, g, NULL));
    fprintf(out, "  %-14s %12s %12s %12s\n", "", "got", "expected", "got-expected");
    for (int64_t i = 0; i < n; i++) {
        double x = io_get(g, i), y = io_get(e, i), error = x - y;
        if (isfinite(error)) {
            finite++;
            sum += fabs(error);
            squares += error * error;
            largest = fmax(largest, fabs(error));
        }
        if (i >= BESIDE_ROWS) continue;
        put_index(g, i, out);
        fprintf(out, " %12s %12s %12s\n", io_real_text(text[0], sizeof text[0], x), io_real_text(text[1], sizeof text[1], y), io_real_text(text[2], sizeof text[2], error));
    }
    if (n > BESIDE_ROWS) fprintf(out, "  ... %lld more\n", (long long)(n - BESIDE_ROWS));
    if (finite) fprintf(out, "  mean absolute error %.6g, root of the mean square %.6g, largest %.6g\n", sum / (double)finite, sqrt(squares / (double)finite), largest);
    return true;
}
