/* onnx/export: a graph of ours becomes a ModelProto. */
#ifndef ONNX_EXPORT_H
#define ONNX_EXPORT_H

#include "onnx/import.h"

/* Receives the file's bytes in order. */
typedef clstm_status (*onnx_sink)(void *user, const void *bytes, size_t size, clstm_error *err);

/* Writes model->graph with the model's facts (versions, producer, metadata). Constants that no node makes become initialisers with
 * raw_data; names of values, and of nodes, that stand more than once in the graph and its bodies are told apart. The graph is not
 * changed, so that a model shared by threads can be written. CLSTM_UNSUPPORTED for nodes whose opset is not that of the rest (functions
 * inlined from an older one). */
clstm_status onnx_export(const onnx_model *model, onnx_sink sink, void *user, clstm_error *err);

#endif
