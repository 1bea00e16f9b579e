/* io/tensor_pb: reads TensorProto, SequenceProto and OptionalProto from the wire. Depth is bounded by the code's own shape: a
 * sequence may sit in an optional, tensors in either, and nothing nests deeper than that in a value of ours. */
#include "io/tensor_pb.h"

#include "io/value.h"
#include "util/alloc.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

/* Field numbers of the standard. */
enum { T_DIMS = 1, T_TYPE = 2, T_FLOAT = 4, T_INT32 = 5, T_STRING = 6, T_INT64 = 7, T_RAW = 9, T_DOUBLE = 10, T_UINT64 = 11, T_LOCATION = 14 };
enum { S_TYPE = 2, S_TENSORS = 3, S_SPARSE = 4, S_SEQUENCES = 5, S_MAPS = 6, S_OPTIONALS = 7 };
enum { O_TYPE = 2, O_TENSOR = 3, O_SPARSE = 4, O_SEQUENCE = 5, O_MAP = 6, O_OPTIONAL = 7 };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { ELEM_TENSOR = 1, ELEM_SEQUENCE = 3 };

typedef struct span { const unsigned char *at, *end; } span;
/* One field: its number, wire type, value of a varint or fixed field, and the bytes of a length-delimited one. */
typedef struct field { uint32_t number; int wire; uint64_t value; span bytes; } field;

static bool read_varint(span *s, uint64_t *out) {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (s->at == s->end) return false;
        unsigned char b = *s->at++;
        if (shift == 63 && b > 1) return false;
        v |= (uint64_t)(b & 127) << shift;
        if (!(b & 128)) { *out = v; return true; }
    }
    return false;
}

static bool read_fixed(span *s, size_t size, uint64_t *out) {
    if ((size_t)(s->end - s->at) < size) return false;
    *out = 0;
    memcpy(out, s->at, size);
    s->at += size;
    return true;
}

static bool read_field(span *s, field *f) {
    uint64_t tag;
    if (!read_varint(s, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return false;
    f->number = (uint32_t)(tag >> 3);
    f->wire = (int)(tag & 7);
    f->value = 0;
    f->bytes = (span){s->at, s->at};
    if (f->wire == WIRE_VARINT) return read_varint(s, &f->value);
    if (f->wire == WIRE_64) return read_fixed(s, 8, &f->value);
    if (f->wire == WIRE_32) return read_fixed(s, 4, &f->value);
    if (f->wire != WIRE_BYTES || !read_varint(s, &f->value) || f->value > (uint64_t)(s->end - s->at)) return false;
    f->bytes = (span){s->at, s->at + f->value};
    s->at += f->value;
    return true;
}

static clstm_status damaged(clstm_error *err, const char *what) { return util_fail(err, CLSTM_BAD_ARGUMENT, "no readable %s (damaged, or another kind of file)", what); }

/* ---- tensor ------------------------------------------------------------------------------------------------------------- */

/* The next number of a repeated field, packed or not; `fixed` is its size on the wire, 0 for varints. */
static bool next_number(span *s, size_t fixed, uint64_t *out) { return fixed ? read_fixed(s, fixed, out) : read_varint(s, out); }

static bool add_dims(const field *f, clstm_tensor *t) {
    span s = f->bytes;
    uint64_t v = f->value;
    if (f->wire == WIRE_VARINT) s = (span){NULL, NULL};
    else if (f->wire != WIRE_BYTES) return false;
    while (f->wire == WIRE_VARINT || s.at < s.end) {
        if (f->wire == WIRE_BYTES && !read_varint(&s, &v)) return false;
        if (t->rank == CLSTM_MAX_RANK || v > INT64_MAX) return false;
        t->dims[t->rank++] = (int64_t)v;
        if (f->wire == WIRE_VARINT) break;
    }
    return true;
}

/* Which typed field carries elements of `type`, and how: the size of a number there, 0 for varints. */
static uint32_t typed_field(clstm_type type, size_t *fixed) {
    *fixed = 0;
    switch (type) {
    case CLSTM_FLOAT: case CLSTM_COMPLEX64: *fixed = 4; return T_FLOAT;
    case CLSTM_DOUBLE: case CLSTM_COMPLEX128: *fixed = 8; return T_DOUBLE;
    case CLSTM_INT64: return T_INT64;
    case CLSTM_UINT32: case CLSTM_UINT64: return T_UINT64;
    default: return T_INT32;
    }
}

/* Numbers of the typed field into the elements; *used counts them. */
static bool add_numbers(const field *f, size_t fixed, size_t unit, size_t count, unsigned char *data, size_t *used) {
    span s = f->bytes;
    uint64_t v = f->value;
    bool single = f->wire != WIRE_BYTES;
    if (single && f->wire != (fixed == 4 ? WIRE_32 : fixed == 8 ? WIRE_64 : WIRE_VARINT)) return false;
    while (single || s.at < s.end) {
        if (!single && !next_number(&s, fixed, &v)) return false;
        if (*used == count) return false;
        memcpy(data + *used * unit, &v, unit);
        ++*used;
        if (single) break;
    }
    return true;
}

/* Second pass: the elements, once type and shape are known. */
static clstm_status fill(span s, clstm_tensor *t, clstm_error *err) {
    size_t fixed, unit = clstm_type_size(t->type), count = (size_t)clstm_tensor_count(t), used = 0;
    uint32_t typed = typed_field(t->type, &fixed);
    bool complex = t->type == CLSTM_COMPLEX64 || t->type == CLSTM_COMPLEX128, have_raw = false;
    if (complex) { unit /= 2; count *= 2; }
    field f;
    while (s.at < s.end && read_field(&s, &f)) {
        if (f.number == T_RAW && f.wire == WIRE_BYTES) {
            if ((size_t)(f.bytes.end - f.bytes.at) != unit * count)
                return util_fail(err, CLSTM_BAD_ARGUMENT, "TensorProto: raw_data has %zu bytes, its shape needs %zu", (size_t)(f.bytes.end - f.bytes.at), unit * count);
            if (count) memcpy(t->data, f.bytes.at, unit * count);
            have_raw = true;
        } else if (f.number == typed && !add_numbers(&f, fixed, unit, count, t->data, &used))
            return util_fail(err, CLSTM_BAD_ARGUMENT, "TensorProto: the elements are damaged or more than the shape holds");
    }
    if (!have_raw && used != count)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "TensorProto: %zu elements, its shape needs %zu", used, count);
    if (t->type == CLSTM_BOOL)
        for (size_t i = 0; i < count; i++) ((uint8_t *)t->data)[i] = ((uint8_t *)t->data)[i] != 0;
    return CLSTM_OK;
}

static clstm_status parse_tensor(span s, int64_t max_bytes, clstm_value *value, clstm_error *err) {
    clstm_tensor t = {0};
    span all = s;
    uint64_t type = 0;
    field f;
    while (s.at < s.end) {
        if (!read_field(&s, &f)) return damaged(err, "TensorProto");
        if (f.number == T_DIMS && !add_dims(&f, &t))
            return util_fail(err, CLSTM_UNSUPPORTED, "TensorProto: negative dimension or rank above %d", CLSTM_MAX_RANK);
        if (f.number == T_TYPE) type = f.value;
        if (f.number == T_LOCATION && f.value == 1) return util_fail(err, CLSTM_UNSUPPORTED, "TensorProto with external data as an input");
    }
    if (type == CLSTM_STRING) return util_fail(err, CLSTM_UNSUPPORTED, "tensors of strings");
    if (!type) return damaged(err, "TensorProto");
    if (type > INT32_MAX || !clstm_type_size((clstm_type)type)) return util_fail(err, CLSTM_UNSUPPORTED, "TensorProto of element type %llu", (unsigned long long)type);
    t.type = (clstm_type)type;
    int64_t count = clstm_tensor_count(&t);
    /* A varint takes a byte at least, so no tensor has more elements than the file has bytes (a complex one has fewer). */
    if (count < 0 || count > all.end - all.at) return util_fail(err, CLSTM_BAD_ARGUMENT, "TensorProto: fewer elements than its shape needs");
    UTIL_TRY(io_tensor_make(&value->tensor, t.type, t.rank, t.dims, max_bytes, err));
    value->kind = CLSTM_KIND_TENSOR;
    clstm_status status = fill(all, &value->tensor, err);
    if (status != CLSTM_OK) io_value_clear(value);
    return status;
}

/* ---- sequence and optional ------------------------------------------------------------------------------------------------ */

static clstm_status parse_sequence(span s, int64_t max_bytes, clstm_value *value, clstm_error *err) {
    size_t capacity = 0;
    clstm_status status = CLSTM_OK;
    field f;
    memset(value, 0, sizeof *value);
    value->kind = CLSTM_KIND_SEQUENCE;
    while (s.at < s.end && status == CLSTM_OK) {
        if (!read_field(&s, &f)) status = damaged(err, "SequenceProto");
        else if ((f.number == S_TYPE && f.value > ELEM_TENSOR) || f.number == S_SPARSE || (f.number >= S_SEQUENCES && f.number <= S_OPTIONALS))
            status = util_fail(err, CLSTM_UNSUPPORTED, "sequences of anything but tensors");
        else if (f.number == S_TENSORS) {
            if (f.wire != WIRE_BYTES) status = damaged(err, "SequenceProto");
            else if (!util_grow((void **)&value->items, &capacity, value->count + 1, sizeof *value->items)) status = util_no_memory(err);
            else {
                clstm_value *item = memset(&value->items[value->count], 0, sizeof *item);
                status = parse_tensor(f.bytes, max_bytes, item, err);
                if (status == CLSTM_OK) value->tensor.type = value->items[value->count++].tensor.type;
            }
        }
    }
    for (size_t i = 1; status == CLSTM_OK && i < value->count; i++)
        if (value->items[i].tensor.type != value->tensor.type) status = util_fail(err, CLSTM_BAD_ARGUMENT, "SequenceProto of mixed element types");
    if (status != CLSTM_OK) io_value_clear(value);
    return status;
}

static clstm_status parse_optional(span s, int64_t max_bytes, clstm_value *value, clstm_error *err) {
    clstm_status status = CLSTM_OK;
    field f;
    while (s.at < s.end && status == CLSTM_OK) {
        if (!read_field(&s, &f)) status = damaged(err, "OptionalProto");
        else if (f.number == O_SPARSE || f.number == O_MAP || f.number == O_OPTIONAL)
            status = util_fail(err, CLSTM_UNSUPPORTED, "optionals of anything but tensors and sequences");
        else if (f.number == O_TENSOR || f.number == O_SEQUENCE) {
            if (f.wire != WIRE_BYTES || value->kind != CLSTM_KIND_NONE) status = damaged(err, "OptionalProto");
            else status = f.number == O_TENSOR ? parse_tensor(f.bytes, max_bytes, value, err) : parse_sequence(f.bytes, max_bytes, value, err);
        }
    }
    if (status != CLSTM_OK) io_value_clear(value);
    return status;
}

io_pb_form io_pb_form_of(const clstm_port *port) {
    return port->optional ? IO_PB_OPTIONAL : port->kind == CLSTM_KIND_SEQUENCE ? IO_PB_SEQUENCE : IO_PB_TENSOR;
}

clstm_status io_pb_parse(const unsigned char *bytes, size_t size, io_pb_form form, int64_t max_bytes, clstm_value *value, clstm_error *err) {
    span s = {bytes, bytes + size};
    memset(value, 0, sizeof *value);
    if (form == IO_PB_OPTIONAL) return parse_optional(s, max_bytes, value, err);
    return form == IO_PB_SEQUENCE ? parse_sequence(s, max_bytes, value, err) : parse_tensor(s, max_bytes, value, err);
}

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

static void put_varint(io_buffer *b, uint64_t v) {
    unsigned char c[10];
    size_t n = 0;
    do { c[n++] = (unsigned char)((v & 127) | (v > 127 ? 128 : 0)); v >>= 7; } while (v);
    io_put(b, c, n);
}

static void put_int(io_buffer *b, unsigned number, uint64_t v) {
    put_varint(b, number << 3 | WIRE_VARINT);
    put_varint(b, v);
}

static void put_bytes(io_buffer *b, unsigned number, const void *bytes, size_t size) {
    put_varint(b, number << 3 | WIRE_BYTES);
    put_varint(b, size);
    io_put(b, bytes, size);
}

static void format_tensor(const clstm_tensor *t, const char *name, io_buffer *b) {
    for (int i = 0; i < t->rank; i++) put_int(b, T_DIMS, (uint64_t)t->dims[i]);
    put_int(b, T_TYPE, (uint64_t)t->type);
    if (name && *name) put_bytes(b, 8, name, strlen(name));
    put_bytes(b, T_RAW, t->data, (size_t)clstm_tensor_count(t) * clstm_type_size(t->type));
}

/* Puts the message that `inner` holds as a field, and frees it. */
static void put_message(io_buffer *b, unsigned number, io_buffer *inner) {
    if (inner->failed) b->failed = true;
    else put_bytes(b, number, inner->data, inner->size);
    io_buffer_free(inner);
}

static void format_sequence(const clstm_value *v, const char *name, io_buffer *b) {
    if (name && *name) put_bytes(b, 1, name, strlen(name));
    put_int(b, S_TYPE, ELEM_TENSOR);
    for (size_t i = 0; i < v->count; i++) {
        io_buffer inner = {0};
        format_tensor(&v->items[i].tensor, NULL, &inner);
        put_message(b, S_TENSORS, &inner);
    }
}

clstm_status io_pb_format(const clstm_value *v, io_pb_form form, const char *name, io_buffer *out, clstm_error *err) {
    io_buffer body = {0};
    bool sequence = v->kind == CLSTM_KIND_SEQUENCE;
    if (v->kind == CLSTM_KIND_TENSOR) format_tensor(&v->tensor, form == IO_PB_OPTIONAL ? NULL : name, &body);
    else if (sequence) format_sequence(v, form == IO_PB_OPTIONAL ? NULL : name, &body);
    if (form == IO_PB_OPTIONAL) {
        if (name && *name) put_bytes(out, 1, name, strlen(name));
        put_int(out, O_TYPE, v->kind == CLSTM_KIND_NONE ? 0 : sequence ? ELEM_SEQUENCE : ELEM_TENSOR);
        if (v->kind != CLSTM_KIND_NONE) put_message(out, sequence ? O_SEQUENCE : O_TENSOR, &body);
        else io_buffer_free(&body);
    } else if (v->kind == CLSTM_KIND_NONE) {
        return util_fail(err, CLSTM_UNSUPPORTED, "an empty value has no .pb form");
    } else {
        io_put(out, body.data, body.size);
        out->failed |= body.failed;
        io_buffer_free(&body);
    }
    return out->failed ? util_no_memory(err) : CLSTM_OK;
}
