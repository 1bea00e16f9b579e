/* join: values that arrive piece after piece become one, along an axis; without an axis the last one counts. */
#ifndef TOOLS_JOIN_H
#define TOOLS_JOIN_H

#include "io/buffer.h"

typedef struct joiner { int axis; clstm_value last; clstm_tensor shape; io_buffer bytes; int64_t *lengths; size_t pieces, capacity; } joiner;    /* zeros */

clstm_status join_add(joiner *j, const clstm_value *piece, int axis, clstm_error *err);
/* The joined value, which the caller owns. */
clstm_status join_finish(joiner *j, clstm_value *out, clstm_error *err);
void join_free(joiner *j);

#endif
