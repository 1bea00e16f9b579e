/* run_show: what clstm-run prints: values as tables, expected beside got. */
#ifndef TOOLS_RUN_SHOW_H
#define TOOLS_RUN_SHOW_H

#include "compare.h"

#include <stdio.h>

/* The name, type, shape, spread and head of an output. */
void show_value(const char *name, const clstm_value *value, FILE *out);
/* A table of the elements beside what was expected, and the errors in the end; false (and a reason) when shapes or kinds disagree. */
bool show_beside(const char *name, const clstm_value *got, const clstm_value *expected, FILE *out, char *reason, size_t size);

#endif
