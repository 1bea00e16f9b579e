/* tools/convert_args: what the conversions of clstm-convert share. */
#ifndef TOOLS_CONVERT_ARGS_H
#define TOOLS_CONVERT_ARGS_H

#include "inputs.h"

#include <clstm/convert.h>

/* A clstm_convert_sink into the io_buffer `user`. */
clstm_status convert_append(void *user, const void *bytes, size_t size, clstm_error *err);
/* What --dim, --batch, --shape and --const say of a model's inputs, as the library takes it. */
typedef struct convert_known {
    clstm_convert_dim *dims;
    clstm_convert_weight *inputs;
    size_t n_dims, n_inputs;
    inputs values;
} convert_known;

/* Reads them; a name that the model lacks is a warning, a batch that it lacks too (0: none asked for). -1 to go on, or an exit code. */
int convert_know(const tool *t, const clstm_model *model, int64_t batch, convert_known *known);
void convert_known_free(convert_known *known);
/* Tells that `path` was refused; returns the exit status. */
int convert_refused(const tool *t, const char *path, const clstm_error *err);

#endif
