/* graph_text: what became of a model's graph, in words and as JSON, for clstm-info --graph and clstm-run --profile. */
#ifndef TOOLS_GRAPH_TEXT_H
#define TOOLS_GRAPH_TEXT_H

#include <clstm/clstm.h>

#include "io/buffer.h"

/* Three lines; the first begins with `first`, the others with `indent`. */
void graph_text(const clstm_session *session, const char *first, const char *indent, io_buffer *out);
/* A table of the model's operators: how many nodes of each are in the file, and how many calls of a run are left. */
void graph_table(const clstm_model *model, const clstm_session *session, const char *indent, io_buffer *out);
/* An object. `model` NULL: without the table. */
void graph_json(const clstm_model *model, const clstm_session *session, io_buffer *out);

#endif
