/* io/whole_file: whole-file reads within a bound; atomic writes through an unnamed file (O_TMPFILE) or, where the file system has none,
 * a temporary name in the same directory, which a signal that ends the process does not leave behind. */
#include "io/whole_file.h"

#include "util/alloc.h"
#include "util/status.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_TRIES = 100, LOCK_TRIES = 100 };

static clstm_status path_fail(clstm_error *err, const char *path, const char *what, int code) {
    char name[256];
    return util_fail(err, CLSTM_IO, "%s %s: %s", what, util_escape(name, sizeof name, path), strerror(code));
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

static clstm_status read_all(int fd, const char *path, size_t hint, int64_t max_bytes, unsigned char **bytes, size_t *size, clstm_error *err) {
    size_t capacity = hint < SIZE_MAX - 2 ? hint + 2 : hint, used = 0;
    unsigned char *data = malloc(capacity);
    if (!data) return util_no_memory(err);
    for (;;) {
        if (used + 1 >= capacity) {
            size_t more = capacity < (1 << 16) ? 1 << 16 : capacity * 2;
            unsigned char *p = more > capacity ? realloc(data, more) : NULL;
            if (!p) { free(data); return util_no_memory(err); }
            data = p;
            capacity = more;
        }
        ssize_t n = read(fd, data + used, capacity - used - 1);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) { int code = errno; free(data); return path_fail(err, path, "cannot read", code); }
        if (!n) break;
        used += (size_t)n;
        if (max_bytes > 0 && used > (size_t)max_bytes) {
            char name[256];
            free(data);
            return util_fail(err, CLSTM_LIMIT, "%s is larger than %lld bytes", util_escape(name, sizeof name, path), (long long)max_bytes);
        }
    }
    data[used] = 0;
    *bytes = data;
    *size = used;
    return CLSTM_OK;
}

clstm_status io_file_read(const char *path, int64_t max_bytes, unsigned char **bytes, size_t *size, clstm_error *err) {
    struct stat st;
    bool is_stdin = !strcmp(path, "-");
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return path_fail(err, path, "cannot open", errno);
    clstm_status status;
    if (fstat(fd, &st)) status = path_fail(err, path, "cannot read", errno);
    else if (S_ISDIR(st.st_mode)) status = path_fail(err, path, "cannot read", EISDIR);
    else {
        size_t hint = S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0;
        if (max_bytes > 0 && hint > (size_t)max_bytes) hint = (size_t)max_bytes;
        status = read_all(fd, is_stdin ? "standard input" : path, hint, max_bytes, bytes, size, err);
    }
    if (!is_stdin) close(fd);
    return status;
}

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

typedef struct output {
    int fd;
    char *path;         /* where it goes, symbolic links followed */
    char *temporary;    /* its name meanwhile; NULL when it has none */
    bool direct;
} output;

static void output_free(output *f) {
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    if (f->temporary) unlink(f->temporary);
    free(f->temporary);
    free(f->path);
    free(f);
}

static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

/* "DIR/.clstm-PID-N.tmp" beside the file. */
static char *temporary_name(const char *path, int attempt) {
    const char *slash = strrchr(path, '/');
    size_t dir = slash ? (size_t)(slash - path) + 1 : 0, length = dir + 64;
    char *name = malloc(length);
    if (name) snprintf(name, length, "%.*s.clstm-%ld-%d.tmp", (int)dir, path, (long)getpid(), attempt);
    return name;
}

static clstm_status open_named(output *f, clstm_error *err) {
    for (int i = 0; i < NAME_TRIES; i++) {
        char *name = temporary_name(f->path, i);
        if (!name) return util_no_memory(err);
        f->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0) { f->temporary = name; return CLSTM_OK; }
        free(name);
        if (errno != EEXIST) break;
    }
    return path_fail(err, f->path, "cannot write", errno);
}

static clstm_status open_unnamed(output *f, clstm_error *err) {
#ifdef O_TMPFILE
    char *dir = directory_of(f->path);
    if (!dir) return util_no_memory(err);
    f->fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    free(dir);
    /* Naming it later goes through /proc, which a container may lack. */
    if (f->fd >= 0 && !access("/proc/self/fd", X_OK)) return CLSTM_OK;
    if (f->fd >= 0) close(f->fd);
    f->fd = -1;
#endif
    return open_named(f, err);
}

/* Until io_files_write is done: a signal that comes meanwhile waits. */
static void hold_signals(void) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGHUP);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
}

static clstm_status output_create(const char *path, output **out, clstm_error *err) {
    struct stat st;
    bool exists = !stat(path, &st);
    output *f = util_calloc(1, sizeof *f);
    if (!f) return util_no_memory(err);
    f->fd = -1;
    f->path = exists ? realpath(path, NULL) : NULL;
    if (!f->path) f->path = strdup(path);
    if (!f->path) { output_free(f); return util_no_memory(err); }
    clstm_status status = CLSTM_OK;
    if (exists && S_ISDIR(st.st_mode)) status = path_fail(err, path, "cannot write", EISDIR);
    else if (exists && !S_ISREG(st.st_mode)) {
        f->direct = true;
        f->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (f->fd < 0) status = path_fail(err, path, "cannot write", errno);
    } else if (exists && access(path, W_OK)) status = path_fail(err, path, "cannot write", errno);
    else {
        hold_signals();
        status = open_unnamed(f, err);
        if (status == CLSTM_OK && exists) (void)!fchmod(f->fd, st.st_mode & 07777);    /* a lost mode is no reason to fail */
    }
    if (status != CLSTM_OK) { output_free(f); return status; }
    *out = f;
    return CLSTM_OK;
}

static clstm_status output_write(output *f, const void *bytes, size_t size, clstm_error *err) {
    const char *p = bytes;
    while (size) {
        ssize_t n = write(f->fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return path_fail(err, f->path, "cannot write", errno);
        p += n;
        size -= (size_t)n;
    }
    return CLSTM_OK;
}

/* Gives an unnamed file a temporary name, so that a rename can replace what stands at the path. */
static clstm_status name_it(output *f, clstm_error *err) {
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", f->fd);
    for (int i = 0; i < NAME_TRIES; i++) {
        char *name = temporary_name(f->path, i);
        if (!name) return util_no_memory(err);
        if (!linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW)) { f->temporary = name; return CLSTM_OK; }
        free(name);
        if (errno != EEXIST) break;
    }
    return path_fail(err, f->path, "cannot write", errno);
}

/* All bytes are in the file, and it has a name of its own. */
static clstm_status output_settle(output *f, clstm_error *err) {
    clstm_status status = CLSTM_OK;
    if (!f->direct && !f->temporary) status = name_it(f, err);
    int fd = f->fd;
    f->fd = -1;
    /* Quotas and network file systems tell of a full disk only here. */
    if (close(fd) && status == CLSTM_OK) status = path_fail(err, f->path, "cannot write", errno);
    return status;
}

static clstm_status output_replace(output *f, clstm_error *err) {
    if (!f->temporary) return CLSTM_OK;
    if (rename(f->temporary, f->path)) return path_fail(err, f->path, "cannot write", errno);
    free(f->temporary);
    f->temporary = NULL;
    return CLSTM_OK;
}

/* Of two programs that write the same files, one comes after the other: what stands there is of one of them. Without a lock, or when
 * another keeps it, each file is still whole. */
static int lock_directory(const output *f) {
    char *dir = directory_of(f->path);
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(dir);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK; i++) usleep(10000);
    return fd;
}

clstm_status io_files_write(const io_file *files, size_t n, clstm_error *err) {
    output *f[IO_FILES_MOST] = {NULL};
    clstm_status status = CLSTM_OK;
    sigset_t before;
    sigprocmask(SIG_BLOCK, NULL, &before);
    for (size_t i = 0; i < n && status == CLSTM_OK; i++) {
        status = output_create(files[i].path, &f[i], err);
        if (status == CLSTM_OK) status = output_write(f[i], files[i].bytes, files[i].size, err);
        for (size_t k = 0; k < i && status == CLSTM_OK; k++)
            if (!strcmp(f[i]->path, f[k]->path)) status = path_fail(err, files[i].path, "cannot write two files as", EEXIST);
        if (status == CLSTM_OK) status = output_settle(f[i], err);
    }
    int lock = status == CLSTM_OK && n > 1 ? lock_directory(f[0]) : -1;
    for (size_t i = 0; i < n && status == CLSTM_OK; i++) status = output_replace(f[i], err);
    if (lock >= 0) close(lock);
    for (size_t i = 0; i < n; i++)
        if (f[i]) output_free(f[i]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}

clstm_status io_file_write(const char *path, const void *bytes, size_t size, clstm_error *err) {
    return io_files_write(&(io_file){path, bytes, size}, 1, err);
}
