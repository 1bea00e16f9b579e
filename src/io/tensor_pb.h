/* io/tensor_pb: ONNX test data, one TensorProto, SequenceProto or OptionalProto a file. A wire reader of its own for these three
 * messages, since the generated code belongs to the library's inside. */
#ifndef IO_TENSOR_PB_H
#define IO_TENSOR_PB_H

#include "io/buffer.h"

/* A file does not say which message it holds: the model's declaration does. */
typedef enum io_pb_form { IO_PB_TENSOR, IO_PB_SEQUENCE, IO_PB_OPTIONAL } io_pb_form;

io_pb_form io_pb_form_of(const clstm_port *port);
clstm_status io_pb_parse(const unsigned char *bytes, size_t size, io_pb_form form, int64_t max_bytes, clstm_value *value, clstm_error *err);
clstm_status io_pb_format(const clstm_value *value, io_pb_form form, const char *name, io_buffer *out, clstm_error *err);

#endif
