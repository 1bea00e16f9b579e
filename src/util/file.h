/* util/file: regular files mapped for reading. */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <clstm/clstm.h>

#include <sys/stat.h>

/* A file's bytes, and what the file was when they were mapped. They stay valid when the file is replaced or removed, not when it
 * is truncated. */
typedef struct util_file { const unsigned char *data; size_t size; struct stat was; } util_file;

/* Maps a regular file of at most max_bytes. Messages do not name the file: the caller adds its name as context. A FIFO or device
 * is refused without waiting on it. */
clstm_status util_file_map(const char *path, int64_t max_bytes, util_file *out, clstm_error *err);
/* The same for an open descriptor, which stays the caller's. */
clstm_status util_file_map_fd(int fd, int64_t max_bytes, util_file *out, clstm_error *err);
/* Whether the mapped file is as it was, given what is known by its name now: another file of that name is no change of ours. */
bool util_file_unchanged(const util_file *file, const struct stat *now);
void util_file_unmap(util_file *file);

#endif
