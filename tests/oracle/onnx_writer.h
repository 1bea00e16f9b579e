/* Writes a case as an ONNX model and as files in the ONNX test-data layout. A wire writer of the tests' own, independent of the
 * library's reader. */
#ifndef CLSTM_TESTS_ONNX_WRITER_H
#define CLSTM_TESTS_ONNX_WRITER_H

#include "cases.h"

typedef struct {
    unsigned char *data;
    size_t size, room;
    bool failed; /* out of memory: what follows is ignored */
} onnx_bytes;

void onnx_bytes_free(onnx_bytes *b);

/* How the model is written: as the case says, or with sequence_lens and the states as graph inputs, every output named and symbolic
 * shapes, so that pieces of the sequence can be run one after another with the states carried over. */
typedef enum { ONNX_AS_DRAWN, ONNX_STREAMED } onnx_form;

/* Whether input i of the operator is a graph input (i in operator order is also the order of graph inputs), and whether output k is
 * a graph output, in that form. */
bool onnx_is_input(const oracle_case *c, onnx_form form, int i);
bool onnx_is_output(const oracle_case *c, onnx_form form, int k);

/* The ModelProto. False when out of memory. */
bool onnx_write_model(const oracle_case *c, onnx_form form, onnx_bytes *out);

/* DIR/model.onnx, DIR/test_data_set_0/input_i.pb and output_i.pb. NULL, or a static text that says what failed (errno is set). */
const char *onnx_write_files(const oracle_case *c, const char *directory);

#endif
