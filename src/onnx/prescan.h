/* onnx/prescan: one walk over the bytes of a model, before anything is built from them.
 *
 * The walk keeps its own stack (protobuf-c recurses without limit), checks every length, string and count against clstm_limits, and
 * writes a compact copy of the message for protobuf-c: without the elements of tensors, without documentation and other fields
 * that the importer has no use for, without unknown fields. Where a tensor's elements lie in the file is kept in spans; in the
 * copy a tensor's raw_data holds its index (uint32, little-endian) into tensors[]. */
#ifndef ONNX_PRESCAN_H
#define ONNX_PRESCAN_H

#include <clstm/clstm.h>

/* A run of elements in the file: the bytes of raw_data or of a packed list; with `unpacked`, whole fields, tags included. */
typedef struct onnx_span {
    size_t offset, size;
    uint8_t field;                          /* number in TensorProto */
    bool unpacked;
} onnx_span;

typedef struct onnx_stored { uint32_t first, count; } onnx_stored;      /* a tensor's spans */

typedef struct onnx_scan {
    uint8_t *bytes;                         /* the compact copy */
    size_t size, capacity;
    onnx_span *spans;     size_t n_spans, cap_spans;
    onnx_stored *tensors; size_t n_tensors, cap_tensors;
    size_t n_messages, n_nodes;
    const char *unknown_message;            /* where the first unknown field stands; NULL: there is none */
    uint32_t unknown_field;
} onnx_scan;

/* Scans a ModelProto. On failure nothing is left in *out. */
clstm_status onnx_prescan(const uint8_t *bytes, size_t size, const clstm_limits *limits, onnx_scan *out, clstm_error *err);
void onnx_scan_clear(onnx_scan *scan);

/* Reads a varint at *at before `end` and moves past it; false when it is cut short or longer than 64 bits. */
bool onnx_varint(const uint8_t *bytes, size_t *at, size_t end, uint64_t *value);

#endif
