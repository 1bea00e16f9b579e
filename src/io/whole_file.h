/* io/whole_file: files are read whole, within a bound, and written whole or not at all. */
#ifndef IO_WHOLE_FILE_H
#define IO_WHOLE_FILE_H

#include <clstm/clstm.h>

/* Reads all of `path` ("-" is stdin), which may be a pipe. CLSTM_LIMIT past max_bytes. One zero byte follows the last one; free() it. */
clstm_status io_file_read(const char *path, int64_t max_bytes, unsigned char **bytes, size_t *size, clstm_error *err);

/* Writes a file that has no name until it is complete, so neither a failure nor a kill leaves half of it behind; what stands at the
 * path is replaced in one step. A path that is no regular file (a device, a pipe) is written directly. */
clstm_status io_file_write(const char *path, const void *bytes, size_t size, clstm_error *err);

/* The same for files that belong together: none is replaced before all are complete. */
enum { IO_FILES_MOST = 2 };
typedef struct io_file { const char *path; const void *bytes; size_t size; } io_file;
clstm_status io_files_write(const io_file *files, size_t n, clstm_error *err);

#endif
