/* onnx/prescan: the walk. */
#include "onnx/prescan.h"

#include "onnx/wire.h"
#include "util/alloc.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

/* A message that is being walked. */
typedef struct frame {
    size_t end;                             /* in the file */
    size_t length_at;                       /* where its length stands in the copy; SIZE_MAX: not copied */
    uint32_t seen;                          /* bit per field number */
    uint8_t message;
    bool oneof;
} frame;

typedef struct walk {
    const uint8_t *bytes;
    size_t at;
    const clstm_limits *limits;
    onnx_scan *out;
    frame *stack;
    size_t depth, cap_stack;
    int64_t graphs;                         /* graphs on the stack */
    clstm_error *err;
} walk;

enum { PAD = 5 };                           /* lengths in the copy are patched in later: always five bytes */

bool onnx_varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *value) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t b = bytes[(*at)++];
        if (shift == 63 && b > 1) return false;
        v |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80)) { *value = v; return true; }
    }
    return false;
}

static frame *top(walk *w) { return &w->stack[w->depth - 1]; }
static const wire_type *type_of(walk *w) { return &onnx_wire_types[top(w)->message]; }
static bool copied(walk *w) { return top(w)->length_at != SIZE_MAX; }

static clstm_status cut_short(walk *w) {
    return util_fail(w->err, CLSTM_BAD_MODEL, "not a valid ONNX file: %s ends early or is malformed at byte %zu", type_of(w)->name, w->at);
}

static clstm_status over_limit(walk *w, clstm_limit which, const char *what, const char *name) {
    return util_fail(w->err, CLSTM_LIMIT, "%s (limit %s, %lld)", what, name, (long long)w->limits->value[which]);
}

/* ---- the copy ------------------------------------------------------------------------------------------------------------ */

static clstm_status put(walk *w, const void *bytes, size_t size) {
    onnx_scan *o = w->out;
    if (!util_grow((void **)&o->bytes, &o->capacity, o->size + size, 1)) return util_no_memory(w->err);
    memcpy(o->bytes + o->size, bytes, size);
    o->size += size;
    return CLSTM_OK;
}

static clstm_status put_varint(walk *w, uint64_t v) {
    uint8_t b[10];
    size_t n = 0;
    for (; v > 0x7F; v >>= 7) b[n++] = (uint8_t)(v | 0x80);
    b[n++] = (uint8_t)v;
    return put(w, b, n);
}

static void patch_length(walk *w, size_t at, size_t length) {
    for (int i = 0; i < PAD; i++, length >>= 7) w->out->bytes[at + (size_t)i] = (uint8_t)((length & 0x7F) | (i < PAD - 1 ? 0x80 : 0));
}

/* ---- messages -------------------------------------------------------------------------------------------------------------- */

static clstm_status count_message(walk *w, uint8_t message) {
    onnx_scan *o = w->out;
    const int64_t *limit = w->limits->value;
    if ((int64_t)w->depth > limit[CLSTM_LIMIT_MESSAGE_DEPTH])
        return over_limit(w, CLSTM_LIMIT_MESSAGE_DEPTH, "messages are nested too deep", "message-depth");
    if ((int64_t)++o->n_messages > limit[CLSTM_LIMIT_MESSAGES])
        return over_limit(w, CLSTM_LIMIT_MESSAGES, "too many messages", "messages");
    if (message == WIRE_NODE && (int64_t)++o->n_nodes > limit[CLSTM_LIMIT_NODES])
        return over_limit(w, CLSTM_LIMIT_NODES, "too many nodes", "nodes");
    if (message == WIRE_GRAPH && ++w->graphs - 1 > limit[CLSTM_LIMIT_SUBGRAPH_DEPTH])
        return over_limit(w, CLSTM_LIMIT_SUBGRAPH_DEPTH, "subgraphs are nested too deep", "subgraph-depth");
    if (message != WIRE_TENSOR) return CLSTM_OK;
    if ((int64_t)o->n_tensors >= limit[CLSTM_LIMIT_TENSORS] || o->n_tensors >= UINT32_MAX)
        return over_limit(w, CLSTM_LIMIT_TENSORS, "too many tensors", "tensors");
    if (!util_grow((void **)&o->tensors, &o->cap_tensors, o->n_tensors + 1, sizeof *o->tensors)) return util_no_memory(w->err);
    o->tensors[o->n_tensors++] = (onnx_stored){(uint32_t)o->n_spans, 0};
    return CLSTM_OK;
}

static clstm_status enter(walk *w, uint8_t message, size_t length, bool copy, uint32_t number) {
    if (!util_grow((void **)&w->stack, &w->cap_stack, w->depth + 1, sizeof *w->stack)) return util_no_memory(w->err);
    w->stack[w->depth++] = (frame){.end = w->at + length, .length_at = SIZE_MAX, .message = message};
    UTIL_TRY(count_message(w, message));
    if (!copy) return CLSTM_OK;
    if (w->depth > 1) {
        UTIL_TRY(put_varint(w, (uint64_t)number << 3 | 2));
        top(w)->length_at = w->out->size;
        UTIL_TRY(put(w, "\0\0\0\0", PAD));
    } else {
        top(w)->length_at = 0;
    }
    if (message != WIRE_TENSOR) return CLSTM_OK;
    uint32_t index = (uint32_t)w->out->n_tensors - 1;
    const uint8_t marker[6] = {9 << 3 | 2, 4, (uint8_t)index, (uint8_t)(index >> 8), (uint8_t)(index >> 16), (uint8_t)(index >> 24)};
    return put(w, marker, sizeof marker);
}

static void leave(walk *w) {
    const frame *f = top(w);
    if (f->length_at != SIZE_MAX && w->depth > 1) patch_length(w, f->length_at, w->out->size - f->length_at - PAD);
    if (f->message == WIRE_GRAPH) w->graphs--;
    w->depth--;
}

/* ---- fields ------------------------------------------------------------------------------------------------------------------ */

/* Remembers elements at [start, start+size) of the file; runs of unpacked elements that touch become one span. */
static clstm_status add_span(walk *w, uint32_t number, size_t start, size_t size, bool unpacked) {
    onnx_scan *o = w->out;
    onnx_stored *t = &o->tensors[o->n_tensors - 1];
    if (!unpacked && !size) return CLSTM_OK;
    if (unpacked && t->count) {
        onnx_span *last = &o->spans[o->n_spans - 1];
        if (last->unpacked && last->field == number && last->offset + last->size == start) { last->size += size; return CLSTM_OK; }
    }
    if ((int64_t)o->n_spans >= w->limits->value[CLSTM_LIMIT_MESSAGES] || o->n_spans >= UINT32_MAX)
        return over_limit(w, CLSTM_LIMIT_MESSAGES, "too many pieces of tensor data", "messages");
    if (!util_grow((void **)&o->spans, &o->cap_spans, o->n_spans + 1, sizeof *o->spans)) return util_no_memory(w->err);
    o->spans[o->n_spans++] = (onnx_span){start, size, (uint8_t)number, unpacked};
    t->count++;
    return CLSTM_OK;
}

/* Checks a field that is no message, whose value is at [body, w->at), and copies it or notes where it is. */
static clstm_status plain_field(walk *w, const wire_field *f, uint32_t number, unsigned wire, size_t start, size_t body) {
    size_t size = w->at - body;
    bool list = wire == 2 && f->kind != WIRE_STRING && f->kind != WIRE_BYTES;
    /* A text of a list costs as much as a message when it is built. */
    if (wire == 2 && !list && (f->flags & WIRE_REPEATED) && (int64_t)++w->out->n_messages > w->limits->value[CLSTM_LIMIT_MESSAGES])
        return over_limit(w, CLSTM_LIMIT_MESSAGES, "too many messages", "messages");
    if (f->kind == WIRE_STRING || (f->kind == WIRE_BYTES && !(f->flags & WIRE_PAYLOAD))) {
        if ((int64_t)size > w->limits->value[CLSTM_LIMIT_STRING_BYTES])
            return util_fail(w->err, CLSTM_LIMIT, "%s of %s is longer than %lld bytes (limit string-bytes)", f->name, type_of(w)->name,
                             (long long)w->limits->value[CLSTM_LIMIT_STRING_BYTES]);
        if (f->kind == WIRE_STRING && !util_is_text(w->bytes + body, size))
            return util_fail(w->err, CLSTM_BAD_MODEL, "%s of %s at byte %zu holds a NUL or is not valid UTF-8", f->name, type_of(w)->name, body);
    }
    if (list && ((f->kind == WIRE_FIXED32 && size % 4) || (f->kind == WIRE_FIXED64 && size % 8))) return cut_short(w);
    if (f->flags & WIRE_PAYLOAD)
        return list || number == 9 ? add_span(w, number, body, size, false) : add_span(w, number, start, w->at - start, true);
    if ((f->flags & WIRE_DROP) || !copied(w)) return CLSTM_OK;
    /* protobuf-c wants a list's length and every tag in the shortest form; values go as they are. */
    UTIL_TRY(put_varint(w, (uint64_t)number << 3 | wire));
    if (wire == 2) UTIL_TRY(put_varint(w, size));
    return put(w, w->bytes + body, size);
}

/* The wire type that a field of this kind has, unless it is a packed list. */
static unsigned natural(const wire_field *f) {
    switch (f->kind) {
    case WIRE_VARINT: return 0;
    case WIRE_FIXED64: return 1;
    case WIRE_FIXED32: return 5;
    default: return 2;
    }
}

/* Moves past the value; *body is where its bytes start. */
static clstm_status skip_value(walk *w, unsigned wire, size_t *body) {
    size_t end = top(w)->end;
    uint64_t length = wire == 1 ? 8 : 4;
    *body = w->at;
    if (wire == 0) return onnx_varint(w->bytes, &w->at, end, &length) ? CLSTM_OK : cut_short(w);
    if (wire == 2) {
        if (!onnx_varint(w->bytes, &w->at, end, &length)) return cut_short(w);
        *body = w->at;
    }
    if (wire != 1 && wire != 2 && wire != 5) return cut_short(w);
    if (length > end - w->at) return cut_short(w);
    w->at += (size_t)length;
    return CLSTM_OK;
}

static clstm_status check_single(walk *w, const wire_field *f, uint32_t number) {
    frame *t = top(w);
    uint32_t bit = UINT32_C(1) << number;
    bool one_of = (f->flags & WIRE_ONEOF) != 0;
    if (!(f->flags & WIRE_REPEATED) && ((t->seen & bit) || (one_of && t->oneof)))
        return util_fail(w->err, CLSTM_BAD_MODEL, "%s of %s is given twice (byte %zu)", f->name, type_of(w)->name, w->at);
    t->seen |= bit;
    t->oneof |= one_of;
    return CLSTM_OK;
}

static clstm_status step(walk *w) {
    size_t start = w->at, body;
    uint64_t tag;
    if (!onnx_varint(w->bytes, &w->at, top(w)->end, &tag) || tag >> 3 == 0 || tag >> 32) return cut_short(w);
    uint32_t number = (uint32_t)(tag >> 3);
    unsigned wire = (unsigned)(tag & 7);
    if (wire == 3 || wire == 4) return util_fail(w->err, CLSTM_BAD_MODEL, "not a valid ONNX file: a group in %s at byte %zu", type_of(w)->name, start);
    const wire_type *type = type_of(w);
    const wire_field *f = number < type->count && type->fields[number].kind ? &type->fields[number] : NULL;
    if (!f) {
        if (!w->out->unknown_message) { w->out->unknown_message = type->name; w->out->unknown_field = number; }
        return skip_value(w, wire, &body);
    }
    bool packed = wire == 2 && (f->flags & WIRE_REPEATED) && f->kind <= WIRE_FIXED64;
    if (wire != natural(f) && !packed)
        return util_fail(w->err, CLSTM_BAD_MODEL, "%s of %s at byte %zu has the wrong wire type", f->name, type->name, start);
    UTIL_TRY(check_single(w, f, number));
    UTIL_TRY(skip_value(w, wire, &body));
    if (f->kind != WIRE_MESSAGE) return plain_field(w, f, number, wire, start, body);
    size_t length = w->at - body;
    w->at = body;
    return enter(w, f->child, length, copied(w) && !(f->flags & WIRE_DROP), number);
}

static clstm_status run(walk *w, size_t size) {
    UTIL_TRY(enter(w, WIRE_MODEL, size, true, 0));
    while (w->depth) {
        if (w->at == top(w)->end) leave(w);
        else UTIL_TRY(step(w));
    }
    return CLSTM_OK;
}

clstm_status onnx_prescan(const uint8_t *bytes, size_t size, const clstm_limits *limits, onnx_scan *out, clstm_error *err) {
    memset(out, 0, sizeof *out);
    if ((uint64_t)size > (uint64_t)limits->value[CLSTM_LIMIT_FILE_BYTES])
        return util_fail(err, CLSTM_LIMIT, "the file has %zu bytes (limit file-bytes, %lld)", size, (long long)limits->value[CLSTM_LIMIT_FILE_BYTES]);
    walk w = {.bytes = bytes, .limits = limits, .out = out, .err = err};
    clstm_status s = run(&w, size);
    /* The copy's lengths have five bytes of seven bits, and protobuf-c counts in 32. */
    if (s == CLSTM_OK && out->size > INT32_MAX) s = util_fail(err, CLSTM_UNSUPPORTED, "more than 2 GiB besides the tensors' elements");
    free(w.stack);
    if (s != CLSTM_OK) onnx_scan_clear(out);
    return s;
}

void onnx_scan_clear(onnx_scan *scan) {
    free(scan->bytes);
    free(scan->spans);
    free(scan->tensors);
    memset(scan, 0, sizeof *scan);
}
