/* io/safetensors: eight bytes with the header's length, the header (JSON), the elements of all tensors. */
#include "io/safetensors.h"

#include "io/value.h"
#include "util/alloc.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

static const struct { const char *name; clstm_type type; } types[] = {
    {"F32", CLSTM_FLOAT}, {"F16", CLSTM_FLOAT16}, {"BF16", CLSTM_BFLOAT16}, {"F64", CLSTM_DOUBLE}, {"I8", CLSTM_INT8}, {"I16", CLSTM_INT16},
    {"I32", CLSTM_INT32}, {"I64", CLSTM_INT64}, {"U8", CLSTM_UINT8}, {"U16", CLSTM_UINT16}, {"U32", CLSTM_UINT32}, {"U64", CLSTM_UINT64},
    {"BOOL", CLSTM_BOOL},
};

#define bad(...) util_fail(err, CLSTM_BAD_ARGUMENT, "safetensors: " __VA_ARGS__)

#ifdef HAVE_JSON_C
#include <json.h>

enum { MOST_HEADER = 100000000, DEEPEST = 8 };

typedef struct span { int64_t begin, end; } span;
typedef struct reader { const unsigned char *data; int64_t size; io_list *list; span *spans; size_t n_spans, cap_spans; } reader;

static bool get_int(json_object *o, int64_t *out) {
    if (!json_object_is_type(o, json_type_int)) return false;
    *out = json_object_get_int64(o);
    return *out >= 0;
}

static clstm_status read_shape(json_object *shape, clstm_tensor *t, clstm_error *err) {
    if (!json_object_is_type(shape, json_type_array)) return bad("shape is no list");
    size_t rank = json_object_array_length(shape);
    if (rank > CLSTM_MAX_RANK) return util_fail(err, CLSTM_UNSUPPORTED, "safetensors: more than %d dimensions", CLSTM_MAX_RANK);
    t->rank = (int32_t)rank;
    for (size_t d = 0; d < rank; d++)
        if (!get_int(json_object_array_get_idx(shape, d), &t->dims[d])) return bad("shape has an entry that is no size");
    return CLSTM_OK;
}

static clstm_status read_type(json_object *dtype, clstm_tensor *t, clstm_error *err) {
    char text[64];
    const char *name = json_object_is_type(dtype, json_type_string) ? json_object_get_string(dtype) : NULL;
    if (!name) return bad("dtype is no text");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(name, types[i].name)) { t->type = types[i].type; return CLSTM_OK; }
    return util_fail(err, CLSTM_UNSUPPORTED, "safetensors: dtype \"%s\"", util_escape(text, sizeof text, name));
}

static clstm_status read_tensor(reader *r, const char *name, json_object *entry, clstm_error *err) {
    json_object *dtype, *shape, *offsets;
    clstm_value value = {.kind = CLSTM_KIND_TENSOR};
    clstm_tensor t = {0};
    span s;
    if (!json_object_is_type(entry, json_type_object) || !json_object_object_get_ex(entry, "dtype", &dtype) ||
        !json_object_object_get_ex(entry, "shape", &shape) || !json_object_object_get_ex(entry, "data_offsets", &offsets) ||
        json_object_object_length(entry) != 3)
        return bad("an entry has dtype, shape and data_offsets, nothing else");
    UTIL_TRY(read_type(dtype, &t, err));
    UTIL_TRY(read_shape(shape, &t, err));
    if (!json_object_is_type(offsets, json_type_array) || json_object_array_length(offsets) != 2 ||
        !get_int(json_object_array_get_idx(offsets, 0), &s.begin) || !get_int(json_object_array_get_idx(offsets, 1), &s.end) ||
        s.begin > s.end || s.end > r->size) return bad("data_offsets lie outside the file");
    int64_t count = clstm_tensor_count(&t), bytes;
    if (count < 0 || !util_mul(count, (int64_t)clstm_type_size(t.type), &bytes) || bytes != s.end - s.begin) return bad("data_offsets disagree with dtype and shape");
    if (!util_grow((void **)&r->spans, &r->cap_spans, r->n_spans + 1, sizeof *r->spans)) return util_no_memory(err);
    r->spans[r->n_spans++] = s;
    UTIL_TRY(io_tensor_make(&value.tensor, t.type, t.rank, t.dims, r->size, err));
    if (bytes) memcpy(value.tensor.data, r->data + s.begin, (size_t)bytes);
    clstm_status status = io_list_add(r->list, name, &value, err);
    io_value_clear(&value);
    return status;
}

static int by_place(const void *a, const void *b) {
    const span *x = a, *y = b;
    return x->begin != y->begin ? (x->begin > y->begin) - (x->begin < y->begin) : (x->end > y->end) - (x->end < y->end);
}

/* Members of all objects of a sound JSON text, which colons tell; -1: a NUL in a string, where the library would end it. */
static int64_t count_written(const char *text, size_t n) {
    int64_t members = 0;
    bool inside = false;
    for (size_t i = 0; i < n; i++) {
        if (inside && text[i] == '\\') {
            if (n - i >= 6 && !memcmp(text + i + 1, "u0000", 5)) return -1;
            i++;
        } else if (text[i] == '"') inside = !inside;
        else members += !inside && text[i] == ':';
    }
    return members;
}

static int64_t count_read(json_object *o) {
    int64_t members = 0;
    if (json_object_is_type(o, json_type_object)) {
        json_object_object_foreach(o, name, member) {
            (void)name;
            members += 1 + count_read(member);
        }
    } else if (json_object_is_type(o, json_type_array))
        for (size_t i = 0; i < json_object_array_length(o); i++) members += count_read(json_object_array_get_idx(o, i));
    return members;
}

/* The library keeps the last of two members of one name. */
static clstm_status check_names(json_object *header, const char *text, size_t n, clstm_error *err) {
    int64_t written = count_written(text, n);
    return written < 0 ? bad("a text in the header holds a NUL") : written != count_read(header) ? bad("a name stands twice in the header") : CLSTM_OK;
}

static clstm_status read_header(reader *r, json_object *header, clstm_error *err) {
    char text[128];
    if (!json_object_is_type(header, json_type_object)) return bad("the header is no object");
    json_object_object_foreach(header, name, entry) {
        if (!strcmp(name, "__metadata__")) continue;
        if (!util_is_text(name, strlen(name))) return bad("the name \"%s\" is not UTF-8", util_escape(text, sizeof text, name));
        clstm_status s = read_tensor(r, name, entry, err);
        if (s != CLSTM_OK) return util_context(err, s, "tensor \"%s\"", util_escape(text, sizeof text, name));
    }
    if (r->n_spans) qsort(r->spans, r->n_spans, sizeof *r->spans, by_place);
    int64_t at = 0;
    for (size_t i = 0; i < r->n_spans; at = r->spans[i++].end)
        if (r->spans[i].begin != at) return bad("tensors overlap, or a hole lies between them");
    return at == r->size ? CLSTM_OK : bad("bytes behind the last tensor");
}

clstm_status io_safetensors_parse(const unsigned char *bytes, size_t size, io_list *list, clstm_error *err) {
    uint64_t length = 0;
    if (size < 8) return bad("the file is too short");
    for (int i = 7; i >= 0; i--) length = length << 8 | bytes[i];
    if (length > MOST_HEADER) return util_fail(err, CLSTM_LIMIT, "safetensors: a header of more than 100 MB");
    if (length > size - 8) return bad("the header is longer than the file");
    if (!length || bytes[8] != '{') return bad("the header does not begin with {");
    json_tokener *tokener = json_tokener_new_ex(DEEPEST);
    if (!tokener) return util_no_memory(err);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    json_object *header = json_tokener_parse_ex(tokener, (const char *)bytes + 8, (int)length);
    enum json_tokener_error problem = json_tokener_get_error(tokener);
    size_t end = json_tokener_get_parse_end(tokener);
    reader r = {.data = bytes + 8 + length, .size = (int64_t)(size - 8 - length), .list = list};
    clstm_status s = CLSTM_OK;
    while (end < length && bytes[8 + end] == ' ') end++;      /* the padding */
    if (problem != json_tokener_success) s = bad("the header is no JSON: %s", problem == json_tokener_continue ? "it ends too early" : json_tokener_error_desc(problem));
    else if (end != length) s = bad("more than one object in the header");
    else s = check_names(header, (const char *)bytes + 8, (size_t)length, err);
    if (s == CLSTM_OK) s = read_header(&r, header, err);
    json_object_put(header);
    json_tokener_free(tokener);
    free(r.spans);
    if (s != CLSTM_OK) io_list_free(list);
    return s;
}

#else

clstm_status io_safetensors_parse(const unsigned char *bytes, size_t size, io_list *list, clstm_error *err) {
    (void)bytes, (void)size, (void)list;
    return util_fail(err, CLSTM_UNSUPPORTED, ".safetensors files: this clstm was built without json-c");
}
#endif

static const char *type_text(clstm_type type) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type) return types[i].name;
    return NULL;
}

static clstm_status put_entry(const io_named *entry, bool first, size_t *at, io_buffer *header, clstm_error *err) {
    char text[128];
    const clstm_tensor *t = &entry->value.tensor;
    const char *type = entry->value.kind == CLSTM_KIND_TENSOR ? type_text(t->type) : NULL;
    if (!type) return util_fail(err, CLSTM_UNSUPPORTED, "safetensors cannot hold \"%s\"", util_escape(text, sizeof text, entry->name));
    io_puts(header, first ? "" : ",");
    io_put_json(header, entry->name);
    io_putf(header, ":{\"dtype\":\"%s\",\"shape\":[", type);
    for (int d = 0; d < t->rank; d++) io_putf(header, "%s%lld", d ? "," : "", (long long)t->dims[d]);
    size_t end = *at + (size_t)clstm_tensor_count(t) * clstm_type_size(t->type);
    io_putf(header, "],\"data_offsets\":[%zu,%zu]}", *at, end);
    *at = end;
    return CLSTM_OK;
}

clstm_status io_safetensors_format(const io_list *list, io_buffer *out, clstm_error *err) {
    io_buffer header = {0};
    size_t at = 0;
    clstm_status s = CLSTM_OK;
    io_puts(&header, "{");
    for (size_t i = 0; i < list->count && s == CLSTM_OK; i++) s = put_entry(&list->entries[i], !i, &at, &header, err);
    io_puts(&header, "}");
    while (header.size % 8 && !header.failed) io_puts(&header, " ");
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)header.size >> (8 * i));
    io_put(out, length, sizeof length);
    io_put(out, header.data, header.size);
    for (size_t i = 0; i < list->count && s == CLSTM_OK; i++) {
        const clstm_tensor *t = &list->entries[i].value.tensor;
        io_put(out, t->data, (size_t)clstm_tensor_count(t) * clstm_type_size(t->type));
    }
    if (s == CLSTM_OK && (out->failed || header.failed)) s = util_no_memory(err);
    io_buffer_free(&header);
    return s;
}
