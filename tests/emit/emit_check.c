/* The C that clstm-convert writes against reference vectors: emit-check [--batch N] [--one-set] [--refusals] [--main] DIR...; a DIR has
 * model.onnx and test_data_set_*. With --refusals what the runtime or the emitter refuses is skipped; with
 * --main each is a program of its own (see emit_batch_main). */
#include "emit_batch.h"

#include "../../tools/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int passed, failed, skipped, open_cases;
static bool refusals, with_main;

typedef struct vectors { emit_case c; dataset in, out; } vectors;

static void vectors_free(vectors *v) {
    dataset_free(&v->in);
    dataset_free(&v->out);
    clstm_model_destroy(v->c.model);
    free(v);
}

static void fail(const char *name, const char *reason) {
    printf("not ok %s: %s\n", name, reason);
    failed++;
}

static bool complete(const dataset *d) {
    for (size_t i = 0; i < d->count; i++)
        if (!d->present[i] || d->values[i].kind != CLSTM_KIND_TENSOR) return false;
    return true;
}

/* A size of zero has no C array, and no data to compare; an input that never has elements is no parameter. */
static bool empty(const dataset *d, const clstm_model *m, bool outputs) {
    for (size_t i = 0; i < d->count; i++) {
        bool open = outputs;
        if (!d->present[i] || clstm_tensor_count(&d->values[i].tensor)) continue;
        for (int k = 0; !outputs && k < clstm_model_input(m, i)->tensor.rank; k++) open |= clstm_model_input(m, i)->tensor.dims[k] < 0;
        if (open) return true;
    }
    return false;
}

static vectors *read_vectors(const char *dir, int set) {
    char path[600];
    clstm_error err;
    vectors *v = calloc(1, sizeof *v);
    if (!v) abort();
    const char *tail = dir + strlen(dir);
    for (int slashes = 0; tail > dir && (slashes += tail[-1] == '/') < 2;) tail--;
    snprintf(v->c.name, sizeof v->c.name, "%.100s set %d", tail, set);
    snprintf(path, sizeof path, "%.400s/test_data_set_%d", dir, set);
    if (access(path, F_OK)) { vectors_free(v); return NULL; }
    v->c.rule = COMPARE_DEFAULT;
    v->c.with_main = with_main;
    v->c.rule.atol = 1e-6;      /* the runtime's own bound for the gates of a cell */
    char file[600];
    snprintf(file, sizeof file, "%.400s/model.onnx", dir);
    if (clstm_model_load(file, NULL, &v->c.model, &err) != CLSTM_OK || dataset_read(path, v->c.model, false, &v->in, &err) != CLSTM_OK ||
        dataset_read(path, v->c.model, true, &v->out, &err) != CLSTM_OK)
        { if (refusals && err.status == CLSTM_UNSUPPORTED) { printf("skip %s: %s\n", v->c.name, err.message); skipped++; } else fail(v->c.name, err.message); }
    else if (!complete(&v->in) || !complete(&v->out)) { printf("skip %s: not all ports are tensors\n", v->c.name); skipped++; }
    else if (empty(&v->in, v->c.model, false) || empty(&v->out, v->c.model, true)) { printf("skip %s: a size of zero, which C arrays do not have\n", v->c.name); skipped++; }
    else {
        v->c.in = v->in.values;
        v->c.expected = v->out.values;
        return v;
    }
    vectors_free(v);
    return NULL;
}

static void finish(emit_batch *b) {
    static char reason[8000];
    if (b->n && !with_main && !emit_batch_compile(b, reason, sizeof reason)) fail("compiling", reason);
    else
        for (int i = 0; i < b->n; i++) {
            if (with_main ? emit_batch_main(b, reason, sizeof reason) : emit_batch_run(b, i, reason, sizeof reason)) { printf("ok %s%s\n", b->cases[i]->name, b->cases[i]->open ? " (sizes by macro)" : ""); passed++; }
            else fail(b->cases[i]->name, reason);
            open_cases += b->cases[i]->open;
        }
    for (int i = 0; i < b->n; i++) vectors_free((vectors *)b->cases[i]);
    emit_batch_free(b);
}

int main(int argc, char **argv) {
    emit_batch batch = {0};
    int most = 25;
    bool refused, sets = true;
    char reason[1200];
    for (int a = 1; a < argc; a++) {
        if (!strcmp(argv[a], "--batch")) { most = atoi(argv[++a]); continue; }
        if (!strcmp(argv[a], "--one-set")) { sets = false; continue; }
        if (!strcmp(argv[a], "--refusals")) { refusals = true; continue; }
        if (!strcmp(argv[a], "--main")) { with_main = true; most = 1; continue; }
        for (int set = 0; set < 16; set++) {
            vectors *v = read_vectors(argv[a], set);
            if (!v) { if (set) break; else continue; }
            if (!emit_batch_add(&batch, &v->c, reason, sizeof reason, &refused)) {
                bool skip = refused && refusals;
                printf("%s %s: %s\n", skip ? "skip" : refused ? "refused" : "not ok", v->c.name, reason);
                *(skip ? &skipped : &failed) += 1;
                vectors_free(v);
                break;
            }
            if (batch.n >= most) finish(&batch);
            if (!sets) break;
        }
    }
    finish(&batch);
    printf("%d with sizes by macro\n%d passed, %d failed, %d skipped\n", open_cases, passed, failed, skipped);
    return failed || !passed;
}
