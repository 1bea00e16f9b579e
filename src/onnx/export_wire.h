/* onnx/export_wire: writing the wire format in two turns - the first measures every message, the second writes - so that nothing
 * is copied and lengths stand in their shortest form. */
#ifndef ONNX_EXPORT_WIRE_H
#define ONNX_EXPORT_WIRE_H

#include "onnx/export.h"

typedef struct wire_out {
    onnx_sink sink;                         /* NULL: measuring */
    void *user;
    clstm_error *err;
    clstm_status status;                    /* the first failure; what follows is ignored */
    uint64_t *lengths;                      /* of the messages, in the order in which they begin */
    size_t n_lengths, cap_lengths, next;
    uint64_t at;                            /* bytes so far */
    unsigned char buffer[4096];
    size_t filled;
} wire_out;

void onnx_out_int(wire_out *w, unsigned field, int64_t v);
void onnx_out_float(wire_out *w, unsigned field, float v);
void onnx_out_bytes(wire_out *w, unsigned field, const void *bytes, size_t size);
void onnx_out_text(wire_out *w, unsigned field, const char *text);
/* Begins a message; give the result to onnx_out_end. */
typedef struct wire_mark { size_t index; uint64_t from; } wire_mark;
wire_mark onnx_out_begin(wire_out *w, unsigned field);
void onnx_out_end(wire_out *w, wire_mark mark);
/* Hands what is buffered to the sink; the end of writing. */
clstm_status onnx_out_flush(wire_out *w);
void onnx_out_fail(wire_out *w, clstm_status status);

#endif
