/* io/npz: a zip archive of npy files, by libzip. */
#include "io/npy.h"

#include "io/value.h"
#include "util/alloc.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

void io_list_free(io_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i].name);
        io_value_clear(&list->entries[i].value);
    }
    free(list->entries);
    memset(list, 0, sizeof *list);
}

clstm_status io_list_add(io_list *list, const char *name, clstm_value *value, clstm_error *err) {
    char *copy = util_strdup(name);
    if (!copy || !util_grow((void **)&list->entries, &list->capacity, list->count + 1, sizeof *list->entries)) {
        free(copy);
        return util_no_memory(err);
    }
    list->entries[list->count++] = (io_named){copy, *value};
    memset(value, 0, sizeof *value);
    return CLSTM_OK;
}

const clstm_value *io_list_find(const io_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->entries[i].name, name)) return &list->entries[i].value;
    return NULL;
}

#ifdef HAVE_LIBZIP
#include <zip.h>

static clstm_status zip_problem(zip_error_t *e, clstm_error *err) {
    return util_fail(err, CLSTM_BAD_ARGUMENT, "npz archive: %s", zip_error_strerror(e));
}

/* Unpacks entry i into a malloc'd block of exactly the size that the archive's directory gives. */
static clstm_status unpack(zip_t *zip, zip_uint64_t i, const zip_stat_t *st, unsigned char **out, clstm_error *err) {
    char name[128];
    unsigned char *data = util_calloc((size_t)st->size, 1), extra;
    zip_file_t *file = data ? zip_fopen_index(zip, i, 0) : NULL;
    if (!file) { free(data); return data ? zip_problem(zip_get_error(zip), err) : util_no_memory(err); }
    zip_uint64_t got = 0;
    zip_int64_t n;
    while (got < st->size && (n = zip_fread(file, data + got, st->size - got)) > 0) got += (zip_uint64_t)n;
    bool whole = got == st->size && zip_fread(file, &extra, 1) == 0;    /* the last read also checks the CRC */
    zip_fclose(file);
    if (whole) { *out = data; return CLSTM_OK; }
    free(data);
    return util_fail(err, CLSTM_BAD_ARGUMENT, "npz archive: entry \"%s\" is damaged", util_escape(name, sizeof name, st->name));
}

static clstm_status read_entry(zip_t *zip, zip_uint64_t i, int64_t *budget, io_list *list, clstm_error *err) {
    zip_stat_t st;
    char name[256];
    if (zip_stat_index(zip, i, 0, &st)) return zip_problem(zip_get_error(zip), err);
    if (!(st.valid & ZIP_STAT_SIZE) || !(st.valid & ZIP_STAT_NAME)) return util_fail(err, CLSTM_BAD_ARGUMENT, "npz archive without sizes or names");
    size_t length = strlen(st.name);
    if (length && st.name[length - 1] == '/') return CLSTM_OK;
    if (length < 5 || strcmp(st.name + length - 4, ".npy"))
        return util_fail(err, CLSTM_BAD_ARGUMENT, "npz archive: entry \"%s\" is no .npy", util_escape(name, sizeof name, st.name));
    if (st.size > (zip_uint64_t)*budget) return util_fail(err, CLSTM_LIMIT, "npz archive unpacks to more than is allowed");
    *budget -= (int64_t)st.size;
    unsigned char *data = NULL;
    UTIL_TRY(unpack(zip, i, &st, &data, err));
    clstm_value value = {.kind = CLSTM_KIND_TENSOR};
    clstm_status status = io_npy_parse(data, (size_t)st.size, 0, &value.tensor, err);
    free(data);
    if (status != CLSTM_OK) return util_context(err, status, "entry \"%s\"", util_escape(name, sizeof name, st.name));
    char *base = strndup(st.name, length - 4);
    status = base ? io_list_add(list, base, &value, err) : util_no_memory(err);
    free(base);
    io_value_clear(&value);
    return status;
}

clstm_status io_npz_parse(const unsigned char *bytes, size_t size, int64_t max_bytes, io_list *list, clstm_error *err) {
    zip_error_t error;
    /* libzip takes nothing at all for an empty archive. */
    if (!size) return util_fail(err, CLSTM_BAD_ARGUMENT, "npz archive: the file is empty");
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    clstm_status status = CLSTM_OK;
    if (!zip) {
        zip_source_free(source);
        status = zip_problem(&error, err);
    } else {
        int64_t budget = max_bytes > 0 ? max_bytes : IO_MAX_BYTES;
        zip_int64_t entries = zip_get_num_entries(zip, 0);
        for (zip_int64_t i = 0; status == CLSTM_OK && i < entries; i++) status = read_entry(zip, (zip_uint64_t)i, &budget, list, err);
        zip_discard(zip);
    }
    zip_error_fini(&error);
    if (status != CLSTM_OK) io_list_free(list);
    return status;
}

static clstm_status add_entry(zip_t *zip, const io_named *entry, clstm_error *err) {
    io_buffer npy = {0}, name = {0};
    if (entry->value.kind != CLSTM_KIND_TENSOR) return util_fail(err, CLSTM_UNSUPPORTED, "npz holds tensors only, and \"%s\" is none", entry->name);
    clstm_status status = io_npy_format(&entry->value.tensor, &npy, err);
    if (status == CLSTM_OK) {
        /* A name from a model must not lead out of the directory that someone unpacks the archive into. */
        for (const char *s = entry->name; *s; s++) io_put(&name, *s == '/' || *s == '\\' || (unsigned char)*s < 0x20 ? "_" : s, 1);
        io_put(&name, ".npy", 5);
        zip_source_t *source = npy.failed || name.failed ? NULL : zip_source_buffer(zip, npy.data, npy.size, 1);
        if (!source) status = util_no_memory(err);
        else {
            npy.data = NULL;        /* the source frees it */
            if (zip_file_add(zip, name.data, source, ZIP_FL_ENC_GUESS) < 0) {
                zip_source_free(source);
                status = zip_problem(zip_get_error(zip), err);
            }
        }
    }
    io_buffer_free(&npy);
    io_buffer_free(&name);
    return status;
}

/* Copies what the archive's source holds after zip_close. */
static clstm_status copy_source(zip_source_t *source, io_buffer *out, clstm_error *err) {
    char block[1 << 14];
    zip_int64_t n;
    if (zip_source_open(source)) return zip_problem(zip_source_error(source), err);
    while ((n = zip_source_read(source, block, sizeof block)) > 0) io_put(out, block, (size_t)n);
    zip_source_close(source);
    if (n < 0) return zip_problem(zip_source_error(source), err);
    return out->failed ? util_no_memory(err) : CLSTM_OK;
}

clstm_status io_npz_format(const io_list *list, io_buffer *out, clstm_error *err) {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
    clstm_status status = CLSTM_OK;
    if (!zip) {
        zip_source_free(source);
        status = zip_problem(&error, err);
        zip_error_fini(&error);
        return status;
    }
    zip_source_keep(source);
    for (size_t i = 0; status == CLSTM_OK && i < list->count; i++) status = add_entry(zip, &list->entries[i], err);
    if (status != CLSTM_OK) zip_discard(zip);
    else if (zip_close(zip)) {
        status = zip_problem(zip_get_error(zip), err);
        zip_discard(zip);
    } else if (list->count) status = copy_source(source, out, err);
    else io_put(out, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);      /* libzip writes nothing at all for an empty archive */
    zip_source_free(source);
    zip_error_fini(&error);
    return status;
}

#else

clstm_status io_npz_parse(const unsigned char *bytes, size_t size, int64_t max_bytes, io_list *list, clstm_error *err) {
    (void)bytes, (void)size, (void)max_bytes, (void)list;
    return util_fail(err, CLSTM_UNSUPPORTED, ".npz files: this clstm was built without libzip");
}

clstm_status io_npz_format(const io_list *list, io_buffer *out, clstm_error *err) {
    (void)list, (void)out;
    return util_fail(err, CLSTM_UNSUPPORTED, ".npz files: this clstm was built without libzip");
}
#endif
