/* io/load: a value from or to a file, in the form that the name's suffix tells. */
#ifndef IO_LOAD_H
#define IO_LOAD_H

#include "io/npy.h"

typedef enum io_form { IO_FORM_UNKNOWN, IO_FORM_NPY, IO_FORM_NPZ, IO_FORM_PB, IO_FORM_CSV, IO_FORM_TSV, IO_FORM_TXT, IO_FORM_WAV, IO_FORM_JSON } io_form;

/* By suffix, any case; "-" is CSV. */
io_form io_form_of(const char *path);

/* Reads what is meant for `port`: its type, its name inside an archive, and, for files that carry no shape, the shape: that of `want`,
 * -1 where it is unknown. The message of a failure begins with the path. `note` (at least 128 bytes) receives what is worth telling,
 * the rate of a sound file say, or "". */
clstm_status io_value_read(const char *path, const clstm_port *port, const clstm_tensor *want, int64_t max_bytes, clstm_value *value,
                           char *note, clstm_error *err);
/* One value, as it stands in the file of `form`. */
clstm_status io_value_format(const clstm_value *value, const clstm_port *port, io_form form, io_buffer *out, clstm_error *err);
/* {"name": ..., "type": ..., "shape": [...], "data": [...]}, row-major; a sequence has "items". */
void io_value_json(const clstm_value *value, const char *name, io_buffer *out);

#endif
