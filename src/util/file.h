/* util/file: reading a whole file within a bound, and writing one that is there complete or not at all. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include "util/status.h"

/* Reads all of `path` ("-" is stdin), which may be a pipe. CLSTM_LIMIT past max_bytes. One zero byte follows the last one; free() it. */
clstm_status util_file_read(const char *path, int64_t max_bytes, unsigned char **bytes, size_t *size, clstm_error *err);

/* A file being written. It has no name until it is committed, so neither a failure nor a kill leaves half of it behind; a path
 * that is no regular file (a device, a pipe) is written directly. */
typedef struct util_file util_file;

clstm_status util_file_create(const char *path, util_file **file, clstm_error *err);
clstm_status util_file_write(util_file *file, const void *bytes, size_t size, clstm_error *err);
/* Finishes and names the file. The object is gone afterwards, whatever the result. */
clstm_status util_file_commit(util_file *file, clstm_error *err);
/* Gives up: nothing remains. Takes NULL. */
void util_file_abort(util_file *file);

#endif
