/* onnx/import_names: sorted tables of names. */
#include "onnx/import_internal.h"

#include <stdlib.h>
#include <string.h>

bool onnx_names_add(onnx_names *t, const char *name, void *item, const char *refused) {
    if (!util_grow((void **)&t->entries, &t->capacity, t->n + 1, sizeof *t->entries)) return false;
    t->entries[t->n++] = (onnx_name){name, item, refused};
    return true;
}

static int compare(const void *a, const void *b) { return strcmp(((const onnx_name *)a)->name, ((const onnx_name *)b)->name); }

const char *onnx_names_seal(onnx_names *t) {
    if (t->n < 2) return NULL;
    qsort(t->entries, t->n, sizeof *t->entries, compare);
    for (size_t i = 1; i < t->n; i++)
        if (!strcmp(t->entries[i - 1].name, t->entries[i].name)) return t->entries[i].name;
    return NULL;
}

const onnx_name *onnx_names_find(const onnx_names *t, const char *name) {
    const onnx_name key = {name, NULL, NULL};
    return t->n ? bsearch(&key, t->entries, t->n, sizeof *t->entries, compare) : NULL;
}

void onnx_names_clear(onnx_names *t) {
    free(t->entries);
    *t = (onnx_names){0};
}
