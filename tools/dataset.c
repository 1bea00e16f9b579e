/* dataset: an ONNX test data set: a directory with input_I.pb and output_I.pb. */
#include "dataset.h"

#include "io/load.h"
#include "io/value.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clstm_status problem(clstm_error *err, clstm_status status, const char *dir, const char *what) {
    char name[400];
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s: %s", io_escape(name, sizeof name, dir), what);
    return status;
}

/* "input_12.pb" -> 12; -1 for other names. */
static int64_t file_index(const char *name, const char *stem) {
    size_t n = strlen(stem);
    char *end;
    if (strncmp(name, stem, n) || name[n] < '0' || name[n] > '9') return -1;
    errno = 0;
    long v = strtol(name + n, &end, 10);
    return errno || strcmp(end, ".pb") ? -1 : v;
}

static clstm_status read_one(const char *dir, const char *stem, size_t i, const clstm_port *port, dataset *set, clstm_error *err) {
    char note[128];
    size_t length = strlen(dir) + strlen(stem) + 32;
    char *path = malloc(length);
    if (!path) return problem(err, CLSTM_NO_MEMORY, dir, "out of memory");
    snprintf(path, length, "%s/%s%zu.pb", dir, stem, i);
    clstm_status status = io_value_read(path, port, &port->tensor, IO_MAX_BYTES, &set->values[i], note, err);
    free(path);
    set->present[i] = status == CLSTM_OK;
    return status;
}

clstm_status dataset_read(const char *dir, const clstm_model *model, bool outputs, dataset *set, clstm_error *err) {
    const char *stem = outputs ? "output_" : "input_";
    size_t count = outputs ? clstm_model_output_count(model) : clstm_model_input_count(model);
    clstm_status status = CLSTM_OK;
    *set = (dataset){calloc(count + 1, sizeof *set->values), calloc(count + 1, sizeof *set->present), count};
    DIR *d = set->values && set->present ? opendir(dir) : NULL;
    if (!d) status = set->values && set->present ? problem(err, CLSTM_IO, dir, strerror(errno)) : problem(err, CLSTM_NO_MEMORY, dir, "out of memory");
    for (struct dirent *entry; status == CLSTM_OK && (entry = readdir(d));) {
        int64_t i = file_index(entry->d_name, stem);
        if (i < 0) continue;
        if ((size_t)i >= count) {
            char what[128];
            snprintf(what, sizeof what, "%s%lld.pb, but the model has %zu %s", stem, (long long)i, count, outputs ? "outputs" : "inputs");
            status = problem(err, CLSTM_BAD_ARGUMENT, dir, what);
        } else status = read_one(dir, stem, (size_t)i, outputs ? clstm_model_output(model, (size_t)i) : clstm_model_input(model, (size_t)i), set, err);
    }
    if (d) closedir(d);
    if (status != CLSTM_OK) dataset_free(set);
    return status;
}

void dataset_free(dataset *set) {
    for (size_t i = 0; set->values && i < set->count; i++) io_value_clear(&set->values[i]);
    free(set->values);
    free(set->present);
    *set = (dataset){0};
}

clstm_status dataset_give(const dataset *inputs, clstm_session *session, clstm_error *err) {
    clstm_status status = CLSTM_OK;
    for (size_t i = 0; i < inputs->count && status == CLSTM_OK; i++) {
        if (!inputs->present[i]) continue;
        const clstm_value *v = &inputs->values[i];
        status = v->kind == CLSTM_KIND_TENSOR ? clstm_session_set_input(session, i, &v->tensor, err) : clstm_session_set_input_value(session, i, v, err);
    }
    return status;
}

bool dataset_exists(const char *dir) {
    static const char *const files[] = {"input_0.pb", "output_0.pb"};
    bool found = false;
    for (size_t i = 0; i < 2 && !found; i++) {
        size_t length = strlen(dir) + 32;
        char *path = malloc(length);
        if (!path) return false;
        snprintf(path, length, "%s/%s", dir, files[i]);
        found = !access(path, F_OK);
        free(path);
    }
    return found;
}
