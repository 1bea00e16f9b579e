/* util/file: regular files mapped for reading. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <clstm/clstm.h>

/* A file's bytes. They stay valid when the file is replaced or removed, not when it is truncated. */
typedef struct util_file { const unsigned char *data; size_t size; } util_file;

/* Maps a regular file of at most max_bytes. Messages do not name the file: the caller adds its name as context. A FIFO or device
 * is refused without waiting on it. */
clstm_status util_file_map(const char *path, int64_t max_bytes, util_file *out, clstm_error *err);
/* The same for an open descriptor, which stays the caller's. */
clstm_status util_file_map_fd(int fd, int64_t max_bytes, util_file *out, clstm_error *err);
void util_file_unmap(util_file *file);

#endif
