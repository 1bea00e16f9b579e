/* run_trace: the gates and states of every recurrent layer, collected over a run or a stream. */
#include "run_trace.h"

#include "io/npy.h"
#include "io/plot_svg.h"
#include "io/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SERIES = 6, MOST_PANELS = 36 };

/* One layer: `series` arrays of rows; a row is [directions, batch, hidden] of one time step. */
typedef struct layer {
    char *name, *type;
    int directions, gates;
    int64_t batch, hidden, base, steps, room;       /* base: where the current call's time begins; steps: known so far */
    const char *labels[MOST_SERIES];
    size_t series;
    double *values[MOST_SERIES];
    unsigned char *written;                         /* [steps, directions, batch] */
} layer;

struct run_trace { layer *layers; size_t count; clstm_status status; const char *problem; };

run_trace *run_trace_create(void) { return calloc(1, sizeof(run_trace)); }

void run_trace_destroy(run_trace *t) {
    if (!t) return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->layers[i].name);
        free(t->layers[i].type);
        free(t->layers[i].written);
        for (size_t k = 0; k < MOST_SERIES; k++) free(t->layers[i].values[k]);
    }
    free(t->layers);
    free(t);
}

static void give_up(run_trace *t, clstm_status status, const char *problem) {
    if (t->status == CLSTM_OK) { t->status = status; t->problem = problem; }
}

/* In the order in which a reader meets them. */
static void label(layer *l, const clstm_trace_step *s) {
    static const char *const lstm[] = {"i", "o", "f", "candidate", "c", "h"}, *const gru[] = {"z", "r", "candidate", "h"}, *const rnn[] = {"h"};
    const char *const *from = s->gates == 4 ? lstm : s->gates == 3 ? gru : rnn;
    l->series = s->gates == 4 ? 6 : s->gates == 3 ? 4 : 1;
    for (size_t k = 0; k < l->series; k++) l->labels[k] = from[k];
}

static layer *find_layer(run_trace *t, const clstm_trace_step *s) {
    const char *name = s->node && *s->node ? s->node : s->type;
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->layers[i].name, name)) return &t->layers[i];
    layer *layers = realloc(t->layers, (t->count + 1) * sizeof *layers);
    if (!layers) return NULL;
    t->layers = layers;
    layer *l = &layers[t->count];
    *l = (layer){.name = strdup(name), .type = strdup(s->type), .directions = s->directions, .gates = s->gates, .batch = s->batch, .hidden = s->hidden};
    label(l, s);
    if (!l->name || !l->type) { free(l->name); free(l->type); return NULL; }
    t->count++;
    return l;
}

static bool make_room(layer *l, int64_t steps) {
    size_t row = (size_t)(l->directions * l->batch), unit = row * (size_t)l->hidden;
    if (steps > l->room) {
        int64_t room = l->room * 2 > steps ? l->room * 2 : steps;
        size_t bytes;
        if (__builtin_mul_overflow((size_t)room, unit, &bytes) || __builtin_mul_overflow(bytes, sizeof(double), &bytes)) return false;
        for (size_t k = 0; k < l->series; k++) {
            double *p = realloc(l->values[k], bytes);
            if (!p) return false;
            l->values[k] = p;
        }
        unsigned char *w = realloc(l->written, (size_t)room * row);
        if (!w) return false;
        l->written = w;
        l->room = room;
    }
    for (; l->steps < steps; l->steps++) {
        memset(l->written + (size_t)l->steps * row, 0, row);
        for (size_t k = 0; k < l->series; k++)
            for (size_t i = 0; i < unit; i++) l->values[k][(size_t)l->steps * unit + i] = NAN;
    }
    return true;
}

void run_trace_step(void *user, const clstm_trace_step *s) {
    run_trace *t = user;
    if (t->status != CLSTM_OK) return;
    layer *l = find_layer(t, s);
    if (!l) { give_up(t, CLSTM_NO_MEMORY, "out of memory for the trace"); return; }
    if (l->batch != s->batch || l->hidden != s->hidden || l->directions != s->directions || l->gates != s->gates) {
        give_up(t, CLSTM_UNSUPPORTED, "a layer changes its batch or sizes from call to call, and cannot be traced as one array");
        return;
    }
    /* A step that is there already belongs to a further call, of a loop's body say. */
    size_t at = (size_t)s->direction * (size_t)l->batch + (size_t)s->b, row = (size_t)(l->directions * l->batch);
    if (l->base + s->t < l->steps && l->written[(size_t)(l->base + s->t) * row + at]) l->base = l->steps;
    if (!make_room(l, l->base + s->steps)) { give_up(t, CLSTM_NO_MEMORY, "out of memory for the trace"); return; }
    size_t step = (size_t)(l->base + s->t);
    const double *lstm[] = {s->gate[0], s->gate[1], s->gate[2], s->gate[3], s->c, s->h}, *gru[] = {s->gate[0], s->gate[1], s->gate[2], s->h}, *rnn[] = {s->h};
    const double *const *from = l->gates == 4 ? lstm : l->gates == 3 ? gru : rnn;
    l->written[step * row + at] = 1;
    for (size_t k = 0; k < l->series; k++) memcpy(l->values[k] + (step * row + at) * (size_t)l->hidden, from[k], (size_t)l->hidden * sizeof(double));
}

void run_trace_next(void *user) {
    run_trace *t = user;
    for (size_t i = 0; i < t->count; i++) t->layers[i].base = t->layers[i].steps;
}

static clstm_status ready(const run_trace *t, clstm_error *err) {
    clstm_status status = t->status != CLSTM_OK ? t->status : t->count ? CLSTM_OK : CLSTM_UNSUPPORTED;
    if (status == CLSTM_OK) return status;
    err->status = status;
    snprintf(err->message, sizeof err->message, "--trace: %s", t->status != CLSTM_OK ? t->problem : "no recurrent layer has run");
    return status;
}

clstm_status run_trace_write(const run_trace *t, const char *path, clstm_error *err) {
    io_list list = {0};
    io_buffer b = {0};
    clstm_status status = ready(t, err);
    for (size_t i = 0; i < t->count && status == CLSTM_OK; i++) {
        const layer *l = &t->layers[i];
        for (size_t k = 0; k < l->series && status == CLSTM_OK; k++) {
            io_buffer name = {0};
            clstm_tensor view = clstm_tensor_view(CLSTM_DOUBLE, 4, (int64_t[]){l->steps, l->directions, l->batch, l->hidden}, l->values[k]);
            clstm_value from = {.kind = CLSTM_KIND_TENSOR, .tensor = view}, copy;
            io_putf(&name, "%s.%s", l->name, l->labels[k]);
            io_put(&name, "", 1);
            status = io_value_copy(&copy, &from, err);
            if (status != CLSTM_OK || name.failed) { io_buffer_free(&name); break; }
            status = io_list_add(&list, name.data, &copy, err);
            io_value_clear(&copy);
            io_buffer_free(&name);
        }
    }
    if (status == CLSTM_OK) status = io_npz_format(&list, &b, err);
    if (status == CLSTM_OK) status = io_buffer_write(&b, path, err);
    io_list_free(&list);
    io_buffer_free(&b);
    return status;
}

/* ---- the picture ------------------------------------------------------------------------------------------------------------------ */

static const char *meaning(const char *label) {
    static const char *const words[][2] = {{"i", "input gate i: 1 writes"}, {"o", "output gate o: 1 shows the cell"}, {"f", "forget gate f: 1 keeps, 0 erases"},
        {"candidate", "candidate: what would be written"}, {"c", "memory cell c"}, {"h", "hidden state h"}, {"z", "update gate z: 1 keeps"}, {"r", "reset gate r: 0 ignores the past"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i][0], label)) return words[i][1];
    return label;
}

/* Row 0 of the batch, [hidden, steps]. */
static bool make_panel(const layer *l, size_t k, int direction, char *title, size_t size, double **cells, io_panel *p) {
    size_t row = (size_t)(l->directions * l->batch), hidden = (size_t)l->hidden, steps = (size_t)l->steps;
    double most = 0;
    *cells = malloc(hidden * steps * sizeof **cells);
    if (!*cells) return false;
    for (size_t u = 0; u < hidden; u++)
        for (size_t t = 0; t < steps; t++) {
            double v = l->values[k][(t * row + (size_t)direction * (size_t)l->batch) * hidden + u];
            (*cells)[u * steps + t] = v;
            if (isfinite(v)) most = fmax(most, fabs(v));
        }
    const char *name = l->labels[k];
    bool gate = strlen(name) == 1 && strchr("iofzr", name[0]), cell = !strcmp(name, "c");
    snprintf(title, size, "%.80s%s  %s", l->name, l->directions < 2 ? "" : direction ? " (reverse)" : " (forward)", meaning(name));
    *p = (io_panel){.title = title, .x_label = k + 1 == l->series ? "step" : NULL, .y_label = "unit", .cells = *cells, .rows = hidden, .columns = steps,
                    .low = gate ? 0 : cell && most > 1 ? -most : -1, .high = gate ? 1 : cell && most > 1 ? most : 1, .one_sided = gate};
    return true;
}

clstm_status run_trace_plot(const run_trace *t, const char *title, const char *path, clstm_error *err) {
    io_panel panels[MOST_PANELS];
    char titles[MOST_PANELS][200];
    double *cells[MOST_PANELS] = {0};
    size_t n = 0;
    io_buffer b = {0};
    clstm_status status = ready(t, err);
    for (size_t i = 0; i < t->count && status == CLSTM_OK; i++)
        for (int d = 0; d < t->layers[i].directions; d++)
            for (size_t k = 0; k < t->layers[i].series && n < MOST_PANELS && status == CLSTM_OK; k++) {
                if (make_panel(&t->layers[i], k, d, titles[n], sizeof titles[n], &cells[n], &panels[n])) n++;
                else { *err = (clstm_error){CLSTM_NO_MEMORY, "out of memory"}; status = CLSTM_NO_MEMORY; }
            }
    if (status == CLSTM_OK) status = io_figure_svg(title, "hidden units down, time along; batch row 0", panels, n, &b, err);
    if (status == CLSTM_OK) status = io_buffer_write(&b, path, err);
    for (size_t i = 0; i < MOST_PANELS; i++) free(cells[i]);
    io_buffer_free(&b);
    return status;
}
