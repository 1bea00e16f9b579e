/* run_plot: outputs of a run as a picture: lines along time, heat maps where there are too many lines. */
#include "run_plot.h"

#include "io/plot_svg.h"
#include "io/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 8, MOST_PANELS = 12, LINES = 2 * MOST_LINES + 1 };

/* A value as `lines` series of `steps` numbers, line after line. */
typedef struct series { double *values; size_t lines, steps; } series;

/* What a panel's pointers point to. */
typedef struct drawn { series got, expected, before; io_line lines[LINES]; char labels[LINES][200]; char title[240]; double low, high; } drawn;

static bool make_series(const clstm_value *v, size_t most_lines, series *s) {
    *s = (series){0};
    if (!v || v->kind != CLSTM_KIND_TENSOR || v->tensor.type == CLSTM_COMPLEX64 || v->tensor.type == CLSTM_COMPLEX128) return false;
    const clstm_tensor *t = &v->tensor;
    int64_t n = clstm_tensor_count(t), columns = 1;
    if (n < 1) return false;
    /* Axes of one element are no axes; of the rest the last holds the features, and what is before it runs along. */
    int axes = 0;
    for (int d = t->rank - 1; d >= 0; d--)
        if (t->dims[d] > 1) { if (!axes) columns = t->dims[d]; axes++; }
    bool features = axes > 1;
    size_t lines = features ? (size_t)columns : 1, steps = (size_t)n / lines;
    /* A few long rows read better along their own length. */
    bool rows_are_lines = features && lines > most_lines && steps <= most_lines;
    if (rows_are_lines) { size_t swap = lines; lines = steps; steps = swap; }
    *s = (series){calloc((size_t)n, sizeof *s->values), lines, steps};
    if (!s->values) return false;
    for (size_t l = 0; l < lines; l++)
        for (size_t k = 0; k < steps; k++) s->values[l * steps + k] = io_get(t, (int64_t)(rows_are_lines ? l * steps + k : k * lines + l));
    return true;
}

static void add_line(drawn *d, io_panel *p, const series *s, size_t line, const char *label, double x0, bool dashed, bool faint) {
    size_t i = p->n_lines++;
    if (s->lines > 1) snprintf(d->labels[i], sizeof d->labels[i], "%.150s %zu", label, line);
    else snprintf(d->labels[i], sizeof d->labels[i], "%.180s", label);
    d->lines[i] = (io_line){.label = d->labels[i], .y = s->values + line * s->steps, .count = s->steps, .x0 = x0, .dashed = dashed, .faint = faint};
}

static void make_heat(drawn *d, io_panel *p) {
    d->low = INFINITY;
    d->high = -INFINITY;
    for (size_t i = 0; i < d->got.lines * d->got.steps; i++)
        if (isfinite(d->got.values[i])) { d->low = fmin(d->low, d->got.values[i]); d->high = fmax(d->high, d->got.values[i]); }
    if (!(d->low <= d->high)) d->low = d->high = 0;
    p->cells = d->got.values;
    p->rows = d->got.lines;
    p->columns = d->got.steps;
    p->low = d->low;
    p->high = d->high;
}

/* The end of what the output continues, so that it meets the output at step 0. */
static void add_before(drawn *d, io_panel *p, const run_plot_item *item) {
    if (!make_series(item->before, MOST_LINES, &d->before) || d->before.lines > 1) return;
    size_t keep = item->before_count ? (size_t)item->before_count : 3 * d->got.steps;
    if (keep > d->before.steps) keep = d->before.steps;
    add_line(d, p, &d->before, 0, item->before_name, -(double)keep, false, true);
    d->lines[p->n_lines - 1].y += d->before.steps - keep;
    d->lines[p->n_lines - 1].count = keep;
    p->marked = true;
    p->mark_x = -0.5;
}

/* The mean absolute error behind the panel's title. */
static void add_error(drawn *d) {
    double sum = 0;
    size_t n = 0, used = strlen(d->title);
    for (size_t i = 0; i < d->got.lines * d->got.steps && i < d->expected.lines * d->expected.steps; i++) {
        double error = fabs(d->got.values[i] - d->expected.values[i]);
        if (isfinite(error)) { sum += error; n++; }
    }
    if (n) snprintf(d->title + used, sizeof d->title - used, ", mean absolute error %.4g", sum / (double)n);
}

static bool make_panel(const run_plot_item *item, drawn *d, io_panel *p) {
    char shape[200];
    if (!make_series(item->got, MOST_LINES, &d->got)) return false;
    snprintf(d->title, sizeof d->title, "%.120s %s", item->name, io_shape_text(shape, 100, &item->got->tensor, NULL));
    *p = (io_panel){.title = d->title, .x_label = "step", .lines = d->lines};
    if (d->got.lines > MOST_LINES) { make_heat(d, p); return true; }
    if (item->before) add_before(d, p, item);
    for (size_t l = 0; l < d->got.lines; l++) add_line(d, p, &d->got, l, item->name, 0, false, false);
    bool expected = item->expected && make_series(item->expected, MOST_LINES, &d->expected) && d->expected.lines == d->got.lines;
    for (size_t l = 0; expected && l < d->expected.lines; l++) add_line(d, p, &d->expected, l, "expected", 0, true, false);
    if (expected) add_error(d);
    return true;
}

clstm_status run_plot(const char *title, const run_plot_item *items, size_t count, const char *path, clstm_error *err) {
    drawn *store = calloc(MOST_PANELS, sizeof *store);
    io_panel panels[MOST_PANELS];
    io_buffer b = {0};
    size_t n = 0;
    clstm_status status = store ? CLSTM_OK : CLSTM_NO_MEMORY;
    for (size_t i = 0; store && i < count && n < MOST_PANELS; i++) n += make_panel(&items[i], &store[n], &panels[n]);
    if (status != CLSTM_OK || !n) {
        err->status = status != CLSTM_OK ? status : CLSTM_UNSUPPORTED;
        snprintf(err->message, sizeof err->message, "%s", n || !store ? "out of memory" : "no output can be drawn");
        status = err->status;
    } else status = io_figure_svg(title, NULL, panels, n, &b, err);
    if (status == CLSTM_OK) status = io_buffer_write(&b, path, err);
    for (size_t i = 0; store && i < MOST_PANELS; i++) {
        free(store[i].got.values);
        free(store[i].expected.values);
        free(store[i].before.values);
    }
    free(store);
    io_buffer_free(&b);
    return status;
}
