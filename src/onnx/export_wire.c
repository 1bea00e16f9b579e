/* onnx/export_wire: fields and messages. */
#include "onnx/export_wire.h"

#include "util/alloc.h"
#include "util/status.h"

#include <string.h>

void onnx_out_fail(wire_out *w, clstm_status status) { if (w->status == CLSTM_OK) w->status = status; }

clstm_status onnx_out_flush(wire_out *w) {
    if (w->sink && w->filled && w->status == CLSTM_OK) onnx_out_fail(w, w->sink(w->user, w->buffer, w->filled, w->err));
    w->filled = 0;
    return w->status;
}

static void put(wire_out *w, const void *bytes, size_t size) {
    w->at += size;
    if (!w->sink || w->status != CLSTM_OK || !size) return;
    if (size > sizeof w->buffer - w->filled) onnx_out_flush(w);
    if (size > sizeof w->buffer) {
        if (w->status == CLSTM_OK) onnx_out_fail(w, w->sink(w->user, bytes, size, w->err));
        return;
    }
    memcpy(w->buffer + w->filled, bytes, size);
    w->filled += size;
}

static void put_varint(wire_out *w, uint64_t v) {
    unsigned char b[10];
    size_t n = 0;
    for (; v > 0x7F; v >>= 7) b[n++] = (unsigned char)(v | 0x80);
    b[n++] = (unsigned char)v;
    put(w, b, n);
}

void onnx_out_int(wire_out *w, unsigned field, int64_t v) { put_varint(w, field << 3); put_varint(w, (uint64_t)v); }
void onnx_out_float(wire_out *w, unsigned field, float v) { put_varint(w, field << 3 | 5); put(w, &v, sizeof v); }
void onnx_out_text(wire_out *w, unsigned field, const char *text) { onnx_out_bytes(w, field, text, strlen(text)); }
void onnx_out_bytes(wire_out *w, unsigned field, const void *bytes, size_t size) {
    put_varint(w, field << 3 | 2);
    put_varint(w, size);
    put(w, bytes, size);
}

wire_mark onnx_out_begin(wire_out *w, unsigned field) {
    put_varint(w, field << 3 | 2);
    wire_mark m = {w->next++, 0};
    if (w->sink) {
        put_varint(w, m.index < w->n_lengths ? w->lengths[m.index] : 0);
    } else {
        if (!util_grow((void **)&w->lengths, &w->cap_lengths, w->next, sizeof *w->lengths)) { onnx_out_fail(w, util_no_memory(w->err)); w->next--; }
        else w->n_lengths = w->next;
    }
    m.from = w->at;
    return m;
}

void onnx_out_end(wire_out *w, wire_mark m) {
    if (w->sink || w->status != CLSTM_OK) return;
    uint64_t length = w->lengths[m.index] = w->at - m.from;
    do { w->at++; length >>= 7; } while (length);       /* its own varint, which stands in front */
}
