/* tools/convert_args: what the conversions of clstm-convert share. */
#ifndef TOOLS_CONVERT_ARGS_H
#define TOOLS_CONVERT_ARGS_H

#include "tool.h"

#include <clstm/convert.h>

/* A clstm_convert_sink into the io_buffer `user`. */
clstm_status convert_append(void *user, const void *bytes, size_t size, clstm_error *err);
/* Every --dim, the caller's to free; NULL without memory. */
clstm_convert_dim *convert_dims(const tool *t, clstm_error *err);
/* Tells that `path` was refused; returns the exit status. */
int convert_refused(const tool *t, const char *path, const clstm_error *err);

#endif
