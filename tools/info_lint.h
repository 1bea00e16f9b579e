/* info_lint: the linter's findings and rules as text, JSON and a page. */
#ifndef TOOLS_INFO_LINT_H
#define TOOLS_INFO_LINT_H

#include "tool.h"

#include "io/buffer.h"

/* Writes what the linter finds in the model file; the exit code. */
int lint_model(const tool *t, const char *path, io_buffer *out);
/* Writes the table of rules: a line each, JSON, or doc/linter.md. */
void lint_rules(bool json, bool markdown, io_buffer *out);

#endif
