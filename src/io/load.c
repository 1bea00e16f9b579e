/* io/load: a value from or to a file, in the form that the name's suffix tells. */
#include "io/load.h"

#include "io/csv.h"
#include "io/tensor_pb.h"
#include "io/value.h"
#include "io/wav.h"
#include "io/whole_file.h"
#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

io_form io_form_of(const char *path) {
    static const struct { const char *suffix; io_form form; } forms[] = {
        {".npy", IO_FORM_NPY}, {".npz", IO_FORM_NPZ}, {".pb", IO_FORM_PB}, {".csv", IO_FORM_CSV}, {".tsv", IO_FORM_TSV},
        {".txt", IO_FORM_TXT}, {".wav", IO_FORM_WAV}, {".json", IO_FORM_JSON},
    };
    size_t length = strlen(path);
    if (!strcmp(path, "-")) return IO_FORM_CSV;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strlen(forms[i].suffix);
        if (length >= n && !strcasecmp(path + length - n, forms[i].suffix)) return forms[i].form;
    }
    return IO_FORM_UNKNOWN;
}

/* The archive's entry of the port's name, or its only one. */
static clstm_status from_npz(const unsigned char *bytes, size_t size, const clstm_port *port, int64_t max_bytes, clstm_value *value, clstm_error *err) {
    char name[256];
    io_list list = {0};
    UTIL_TRY(io_npz_parse(bytes, size, max_bytes, &list, err));
    const clstm_value *found = io_list_find(&list, port->name);
    if (!found && list.count == 1) found = &list.entries[0].value;
    clstm_status status = CLSTM_OK;
    if (!found) status = util_fail(err, CLSTM_BAD_ARGUMENT, "the archive has %zu arrays and none is named \"%s\"", list.count, util_escape(name, sizeof name, port->name));
    else {
        *value = *found;
        memset((void *)found, 0, sizeof *found);        /* ours now */
    }
    io_list_free(&list);
    return status;
}

static clstm_status from_text(const unsigned char *bytes, size_t size, const clstm_port *port, const clstm_tensor *want, clstm_value *value, clstm_error *err) {
    io_table table;
    UTIL_TRY(io_table_parse((const char *)bytes, size, &table, err));
    clstm_status status = io_table_fit(&table, want, port->dim_names, &value->tensor, err);
    io_table_free(&table);
    return status;
}

static clstm_status from_wav(const unsigned char *bytes, size_t size, const clstm_port *port, const clstm_tensor *want, int64_t max_bytes,
                             clstm_value *value, char *note, clstm_error *err) {
    clstm_tensor sound, shape;
    int rate = 0;
    UTIL_TRY(io_wav_parse(bytes, size, want->type, max_bytes, &sound, &rate, err));
    clstm_status status = io_shape_fit(sound.dims[0], sound.dims[1], want, port->dim_names, &shape, err);
    if (status == CLSTM_OK) status = io_tensor_make(&value->tensor, want->type, shape.rank, shape.dims, max_bytes, err);
    for (int64_t i = 0, n = clstm_tensor_count(&sound); status == CLSTM_OK && i < n; i++) io_set_real(&value->tensor, i, io_get(&sound, i));
    snprintf(note, 128, "%d Hz, %lld frames", rate, (long long)sound.dims[0]);
    free(sound.data);
    return status;
}

clstm_status io_value_read(const char *path, const clstm_port *port, const clstm_tensor *want, int64_t max_bytes, clstm_value *value,
                           char *note, clstm_error *err) {
    io_form form = io_form_of(path);
    char name[256];
    unsigned char *bytes;
    size_t size;
    memset(value, 0, sizeof *value);
    *note = 0;
    if (form == IO_FORM_UNKNOWN || form == IO_FORM_JSON)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "%s: input files are .npy, .npz, .pb, .csv, .tsv, .txt or .wav", util_escape(name, sizeof name, path));
    UTIL_TRY(io_file_read(path, max_bytes, &bytes, &size, err));
    clstm_status status;
    value->kind = CLSTM_KIND_TENSOR;
    switch (form) {
    case IO_FORM_NPY: status = io_npy_parse(bytes, size, max_bytes, &value->tensor, err); break;
    case IO_FORM_NPZ: status = from_npz(bytes, size, port, max_bytes, value, err); break;
    case IO_FORM_PB: status = io_pb_parse(bytes, size, io_pb_form_of(port), max_bytes, value, err); break;
    case IO_FORM_WAV: status = from_wav(bytes, size, port, want, max_bytes, value, note, err); break;
    default: status = from_text(bytes, size, port, want, value, err); break;
    }
    free(bytes);
    if (status == CLSTM_OK) return status;
    io_value_clear(value);
    return util_context(err, status, "%s", util_escape(name, sizeof name, !strcmp(path, "-") ? "standard input" : path));
}

/* ---- out ----------------------------------------------------------------------------------------------------------------- */

static void tensor_json(const clstm_tensor *t, io_buffer *out) {
    io_puts(out, "\"type\": ");
    io_put_json(out, clstm_type_name(t->type));
    io_puts(out, ", \"shape\": [");
    for (int i = 0; i < t->rank; i++) io_putf(out, "%s%lld", i ? ", " : "", (long long)t->dims[i]);
    io_puts(out, "], \"data\": [");
    for (int64_t i = 0, n = clstm_tensor_count(t); i < n; i++) {
        double v = io_get(t, i);
        if (i) io_puts(out, ", ");
        if (v - v != 0) io_put_json_number(out, v);     /* not finite */
        else io_put_element(out, t, i);
    }
    io_puts(out, "]");
}

void io_value_json(const clstm_value *v, const char *name, io_buffer *out) {
    io_puts(out, "{");
    if (name) {
        io_puts(out, "\"name\": ");
        io_put_json(out, name);
        io_puts(out, ", ");
    }
    if (v->kind == CLSTM_KIND_TENSOR) tensor_json(&v->tensor, out);
    else if (v->kind == CLSTM_KIND_NONE) io_puts(out, "\"type\": null");
    else {
        io_puts(out, "\"items\": [");
        for (size_t i = 0; i < v->count; i++) {
            if (i) io_puts(out, ", ");
            io_value_json(&v->items[i], NULL, out);
        }
        io_puts(out, "]");
    }
    io_puts(out, "}");
}

clstm_status io_value_format(const clstm_value *v, const clstm_port *port, io_form form, io_buffer *out, clstm_error *err) {
    if (form == IO_FORM_PB) return io_pb_format(v, io_pb_form_of(port), port->name, out, err);
    if (form == IO_FORM_JSON) {
        io_value_json(v, port->name, out);
        io_puts(out, "\n");
        return out->failed ? util_no_memory(err) : CLSTM_OK;
    }
    if (v->kind != CLSTM_KIND_TENSOR) return util_fail(err, CLSTM_UNSUPPORTED, "only .pb and .json hold sequences and empty values");
    switch (form) {
    case IO_FORM_NPY: return io_npy_format(&v->tensor, out, err);
    case IO_FORM_CSV: return io_csv_format(&v->tensor, ',', out, err);
    case IO_FORM_TSV: return io_csv_format(&v->tensor, '\t', out, err);
    case IO_FORM_TXT: return io_csv_format(&v->tensor, ' ', out, err);
    default: return util_fail(err, CLSTM_UNSUPPORTED, "output files are .npy, .npz, .pb, .csv, .tsv, .txt or .json");
    }
}
