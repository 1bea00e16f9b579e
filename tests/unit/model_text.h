/* Models for tests, written as text. */
#ifndef CLSTM_TESTS_MODEL_TEXT_H
#define CLSTM_TESTS_MODEL_TEXT_H

#include "onnx_build.h"

/* A GraphProto. Ports: "x:f[2,3] n:i[] c:b": name, type (f float, d double, i int64, b bool; h float16, g
 * bfloat16, c int8, u uint8, s int16, w uint16, n int32, m uint32, q uint64), shape when known (? or ?name: open).
 * Nodes, separated by ';':  "Op in,in,,in > out,out attr=3 attr=1.5 list=1,2 word=reverse body=@0"   (@k: bodies[k], which is freed)
 *                           "own:Op ..." is Op of domain "own", which the model imports at version 3
 * Constants (f, d, i, b, n): "name = i[2] 1,2"   "name = f[] 0.5" */
pbuf model_text_graph(const char *inputs, const char *outputs, const char *nodes, pbuf *bodies);

/* The type of a port's letter. */
clstm_type model_text_type(char letter);

/* A ModelProto around a graph. */
pbuf model_text_model(pbuf graph);
/* A model around a graph, loaded and put into a session; aborts the test when it does not load. Everything is freed by
 * model_text_done. limits and options may be NULL. */
typedef struct model_text { clstm_model *model; clstm_session *session; clstm_error err; } model_text;
model_text model_text_load(pbuf graph, const clstm_session_options *options);
/* The same for a model that may be refused: err.status says. */
model_text model_text_try(pbuf graph, const clstm_session_options *options);
model_text model_text_try_with(pbuf graph, const clstm_session_options *options, clstm_operators *operators);
void model_text_done(model_text *t);

#endif
