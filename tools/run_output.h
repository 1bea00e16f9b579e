/* run_output: what -o asks for: which output goes into which file. */
#ifndef TOOLS_RUN_OUTPUT_H
#define TOOLS_RUN_OUTPUT_H

#include "io/load.h"
#include "tool.h"

typedef struct run_target { int output; const char *path; io_form form; } run_target;      /* output -1: all */

/* "[NAME=]VALUE" for an option that names an output; index -1 and value when there is no name. Returns -1 to go on, or an exit code. */
int output_name(const tool *t, const clstm_model *model, const char *option, const char *argument, int *index, const char **value);
/* Understands an -o before anything runs; -1 to go on, or an exit code. */
int run_target_parse(const tool *t, const clstm_model *model, const char *argument, run_target *target);
clstm_status run_target_write(const run_target *target, const clstm_model *model, const clstm_value *const *results, clstm_error *err);

#endif
