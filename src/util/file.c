/* util/file: mapping files. */
#include "util/file.h"

#include "util/status.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

clstm_status util_file_map_fd(int fd, int64_t max_bytes, util_file *out, clstm_error *err) {
    struct stat st;
    *out = (util_file){0};
    if (fstat(fd, &st)) return util_fail(err, CLSTM_IO, "cannot be read: %m");
    if (S_ISDIR(st.st_mode)) return util_fail(err, CLSTM_IO, "is a directory");
    if (!S_ISREG(st.st_mode)) return util_fail(err, CLSTM_IO, "is not a regular file");
    if (st.st_size > max_bytes)
        return util_fail(err, CLSTM_LIMIT, "the file has %lld bytes (limit file-bytes, %lld)", (long long)st.st_size, (long long)max_bytes);
    if ((uint64_t)st.st_size > SIZE_MAX) return util_fail(err, CLSTM_IO, "the file does not fit the address space");
    out->was = st;
    if (!st.st_size) return CLSTM_OK;
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return errno == ENOMEM ? util_no_memory(err) : util_fail(err, CLSTM_IO, "cannot be mapped: %m");
    out->data = p;
    out->size = (size_t)st.st_size;
    return CLSTM_OK;
}

clstm_status util_file_map(const char *path, int64_t max_bytes, util_file *out, clstm_error *err) {
    *out = (util_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return util_fail(err, CLSTM_IO, "cannot be opened: %m");
    clstm_status s = util_file_map_fd(fd, max_bytes, out, err);
    close(fd);
    return s;
}

bool util_file_unchanged(const util_file *file, const struct stat *now) {
    const struct stat *was = &file->was;
    if (was->st_dev != now->st_dev || was->st_ino != now->st_ino) return true;
    return was->st_size == now->st_size && was->st_mtim.tv_sec == now->st_mtim.tv_sec && was->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}

void util_file_unmap(util_file *file) {
    if (file->data) munmap((void *)(uintptr_t)file->data, file->size);
    *file = (util_file){0};
}
