/* io/safetensors: named tensors behind a JSON header. */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H

#include "io/npy.h"

/* All tensors in the order of the header. The format's rules are checked: at most 100 MB of header, sizes that agree with types and
 * shapes, and neither holes nor overlaps. Refused in a build without json-c. */
clstm_status io_safetensors_parse(const unsigned char *bytes, size_t size, io_list *list, clstm_error *err);
/* Names must differ. */
clstm_status io_safetensors_format(const io_list *list, io_buffer *out, clstm_error *err);

#endif
