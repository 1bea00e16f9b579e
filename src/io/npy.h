/* io/npy: numpy's array files and the archives of them (.npz). */
#ifndef IO_NPY_H
#define IO_NPY_H

#include "io/buffer.h"

/* A tensor from the bytes of a .npy file: versions 1 to 3, either byte order, C or Fortran order. */
clstm_status io_npy_parse(const unsigned char *bytes, size_t size, int64_t max_bytes, clstm_tensor *t, clstm_error *err);
/* bfloat16, which numpy lacks, is written as float32: every value is exact there. */
clstm_status io_npy_format(const clstm_tensor *t, io_buffer *out, clstm_error *err);

/* Named tensors in order; the names are without ".npy". */
typedef struct io_named { char *name; clstm_value value; } io_named;
typedef struct io_list { io_named *entries; size_t count, capacity; } io_list;      /* zero-initialise */

void io_list_free(io_list *list);
/* Takes over the value; the name is copied. */
clstm_status io_list_add(io_list *list, const char *name, clstm_value *value, clstm_error *err);
const clstm_value *io_list_find(const io_list *list, const char *name);

/* All arrays of an archive; together at most max_bytes once unpacked. Refused in a build without libzip. */
clstm_status io_npz_parse(const unsigned char *bytes, size_t size, int64_t max_bytes, io_list *list, clstm_error *err);
clstm_status io_npz_format(const io_list *list, io_buffer *out, clstm_error *err);

#endif
