/* Loaded in front of the C library (LD_PRELOAD): system calls of the clstm tools that do less than they were asked for, as CLSTM_LESS says:
 *   short     read and write move seven bytes at most, and every third call is interrupted before it moves any
 *   named     the file system has no unnamed files (O_TMPFILE)
 *   slow      a write into a regular file takes a tenth of a second and more
 *   parted    half a second passes before a header takes its name
 *   cut       a file loses its bytes once it is mapped
 *   touched   a file is written to once it is mapped
 *   beside    every file but the first is
 *   replaced  another file takes its name once it is mapped */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma GCC visibility push(default)
ssize_t read(int fd, void *to, size_t size);
ssize_t write(int fd, const void *from, size_t size);
int open(const char *path, int flags, ...);
int open64(const char *path, int flags, ...);
int rename(const char *from, const char *to);
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset);
#pragma GCC visibility pop

/* The shell that starts the tool is left alone. */
static bool asked(const char *what)
{
    const char *words = getenv("CLSTM_LESS");
    return words && strcmp(words, what) == 0 && strstr(program_invocation_short_name, "clstm-") != NULL;
}

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static bool interrupted(void)
{
    static int calls;
    if (++calls % 3)
        return false;
    errno = EINTR;
    return true;
}

ssize_t read(int fd, void *to, size_t size)
{
    if (asked("short")) {
        if (interrupted())
            return -1;
        size = size < 7 ? size : 7;
    }
    return NEXT(read)(fd, to, size);
}

ssize_t write(int fd, const void *from, size_t size)
{
    struct stat info;
    if (asked("short")) {
        if (interrupted())
            return -1;
        size = size < 7 ? size : 7;
    }
    if (asked("slow") && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        usleep(100000);
        size = size < 200 ? size : 200;
    }
    return NEXT(write)(fd, from, size);
}

static int open_any(__typeof__(&open) next, const char *path, int flags, mode_t mode)
{
    if ((flags & O_TMPFILE) == O_TMPFILE && (asked("named") || asked("slow"))) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return next(path, flags, mode);
}

#define OPEN(name)                                                                                                      \
    int name(const char *path, int flags, ...)                                                                          \
    {                                                                                                                   \
        va_list more;                                                                                                   \
        va_start(more, flags);                                                                                          \
        mode_t mode = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? va_arg(more, mode_t) : 0;                        \
        va_end(more);                                                                                                   \
        return open_any(NEXT(name), path, flags, mode);                                                                 \
    }
OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to)
{
    size_t n = strlen(to);
    if (asked("parted") && n > 2 && strcmp(to + n - 2, ".h") == 0)
        usleep(500000);
    return NEXT(rename)(from, to);
}

/* The tools map models only, for reading. */
static void *change(void *mapped, int fd, int protection)
{
    static int files;
    char path[64];
    if (mapped == MAP_FAILED || fd < 0 || protection != PROT_READ)
        return mapped;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (asked("cut") && truncate(path, 0) != 0)
        abort();
    if ((asked("touched") || (asked("beside") && files++)) && utimensat(AT_FDCWD, path, NULL, 0) != 0)
        abort();
    if (asked("replaced")) {
        char name[4096];
        ssize_t n = readlink(path, name, sizeof name - 1);
        name[n < 0 ? 0 : n] = 0;
        if (unlink(name) != 0 || symlink("/dev/null", name) != 0)
            abort();
    }
    return mapped;
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return change(NEXT(mmap)(at, size, protection, flags, fd, offset), fd, protection);
}

void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return change(NEXT(mmap64)(at, size, protection, flags, fd, offset), fd, protection);
}
