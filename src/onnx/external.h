/* onnx/external: the one opener of external tensor data. Files are regular, lie beneath the model's directory, are mapped once a
 * load and stay so until onnx_external_close. */
#ifndef ONNX_EXTERNAL_H
#define ONNX_EXTERNAL_H

#include "onnx/onnx.pb-c.h"

#include <clstm/clstm.h>

typedef struct onnx_external onnx_external;

/* What a tensor says about where its elements are. */
typedef struct onnx_place {
    const char *location;
    int64_t offset, length;                 /* length -1: not given */
} onnx_place;

clstm_status onnx_place_read(const Onnx__TensorProto *t, onnx_place *out, clstm_error *err);

/* directory: NULL refuses every file. model: the model's path, NULL when it came from memory; when it is a symbolic link, the
 * directory of what it points to is a second place for links to lead to (caches keep files as links to blobs).
 * max_bytes bounds each file. Nothing is opened yet. */
clstm_status onnx_external_new(const char *directory, const char *model, int64_t max_bytes, onnx_external **out, clstm_error *err);
/* `size` bytes of a place, valid until onnx_external_close. */
clstm_status onnx_external_bytes(onnx_external *x, const onnx_place *place, size_t size, const uint8_t **bytes, clstm_error *err);
/* CLSTM_IO when one of the files has been written to since it was mapped. */
clstm_status onnx_external_check(const onnx_external *x, clstm_error *err);
void onnx_external_close(onnx_external *x);

#endif
