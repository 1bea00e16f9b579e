/* Builds ONNX messages field by field, right or wrong, and imports them with an operator table of the tests' own. */
#ifndef CLSTM_TESTS_ONNX_BUILD_H
#define CLSTM_TESTS_ONNX_BUILD_H

#include "onnx/import.h"

typedef struct pbuf { unsigned char *data; size_t n, room; } pbuf;

void pb_raw(pbuf *b, const void *bytes, size_t n);
void pb_varint(pbuf *b, uint64_t v);
void pb_int(pbuf *b, unsigned field, int64_t v);
void pb_float(pbuf *b, unsigned field, float v);
void pb_bytes(pbuf *b, unsigned field, const void *bytes, size_t n);
void pb_text(pbuf *b, unsigned field, const char *text);
/* Appends child as a message field and frees it. */
void pb_msg(pbuf *b, unsigned field, pbuf child);
void pb_free(pbuf *b);

/* "a,b,,c": names, empty ones included; "" is no name at all. */
pbuf pb_node(const char *op, const char *name, const char *inputs, const char *outputs);
/* A ValueInfoProto of a float tensor; dims ends at INT64_MIN. */
pbuf pb_port(const char *name, const int64_t *dims);
/* A TensorProto's name, type and dims ("2,3"), to which the elements are to be added. */
pbuf pb_tensor(const char *name, int type, const char *dims);
/* AttributeProto with name and type. */
pbuf pb_attr(const char *name, int type);
/* A ModelProto of IR 8 and opset 17 around a graph. */
pbuf pb_model(pbuf graph);              /* at opset 17 */
pbuf pb_model_at(pbuf graph, int version);
/* A graph with input x and output y of unknown shape, to which nodes are to be added. */
pbuf pb_graph(void);
/* A model of that node alone; one that adds [1, 2] to x, with an attribute that Add has not. */
pbuf pb_with_node(pbuf node);
pbuf pb_small_model(void);

enum { F_MODEL_IR = 1, F_MODEL_GRAPH = 7, F_MODEL_OPSET = 8, F_MODEL_FUNCTION = 25, F_GRAPH_NODE = 1, F_GRAPH_INIT = 5, F_GRAPH_INPUT = 11,
       F_GRAPH_OUTPUT = 12, F_GRAPH_SPARSE = 15, F_NODE_ATTR = 5, F_NODE_DOMAIN = 7, F_NODE_OVERLOAD = 8 };

/* Imports; err.status is CLSTM_OK or the failure. Warnings are kept in pb_warning. The bytes stay the caller's. */
extern char pb_warning[1024];
clstm_error pb_import_at(const pbuf *b, const char *directory, const char *path, const clstm_limits *limits, onnx_model *out);
/* The same without directory and with default limits; frees b and what was imported. */
clstm_error pb_import(pbuf b);
/* Imports and expects the failure, with `words` in its message. */
void pb_refused(pbuf b, clstm_status status, const char *words);
/* Frees a model that was imported. */
void pb_done(onnx_model *m);
/* Every operator of domain "" but Frobnicate; Old up to opset 9 only. Any number of inputs and outputs, the usual attributes. */
const op_desc *pb_lookup(void *user, const char *domain, const char *name, int version, bool *known);
/* Runs f(arg) on a thread with 128 KiB of stack. */
void pb_small_stack(void *(*f)(void *), void *arg);

#endif
