/* onnx/external: opening beneath a directory.
 *
 * Every file is reached from a directory descriptor without following a symbolic link, so nothing that changes meanwhile can lead
 * outside. A location that meets a link is resolved first (realpath); the result only picks a path beneath one of the two roots,
 * and is then opened in the same link-free way. Size and kind are those of the open descriptor. */
#include "onnx/external.h"

#include "util/alloc.h"
#include "util/file.h"
#include "util/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_LINUX_OPENAT2_H
#include <linux/openat2.h>
#endif

enum { MOST_FILES = 4096 };

typedef struct mapped { char *location; util_file file; } mapped;

struct onnx_external {
    char *directory, *model;
    int64_t max_bytes;
    mapped *files;
    size_t n, capacity;
};

/* ---- keys -------------------------------------------------------------------------------------------------------------------- */

static clstm_status read_number(const char *key, const char *text, int64_t *out, clstm_error *err) {
    char shown[48];
    int64_t v = 0;
    bool good = *text != 0;
    for (const char *s = text; *s && good; s++)
        good = *s >= '0' && *s <= '9' && !__builtin_mul_overflow(v, (int64_t)10, &v) && !__builtin_add_overflow(v, (int64_t)(*s - '0'), &v);
    *out = v;
    return good ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "external data: %s \"%s\" is not a number", key, util_escape(shown, sizeof shown, text));
}

clstm_status onnx_place_read(const Onnx__TensorProto *t, onnx_place *out, clstm_error *err) {
    /* checksum: a digest of the whole file, optional; basepath: left by a loader. Neither says where the elements are. */
    static const char *const keys[] = {"location", "offset", "length", "checksum", "basepath"};
    unsigned seen = 0;
    *out = (onnx_place){NULL, 0, -1};
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *key = t->external_data[i]->key ? t->external_data[i]->key : "", *value = t->external_data[i]->value;
        char shown[64];
        unsigned k = 0;
        if (!value) value = "";
        while (k < 5 && strcmp(key, keys[k])) k++;
        util_escape(shown, sizeof shown, key);
        if (k == 5) return util_fail(err, CLSTM_UNSUPPORTED, "external data: key \"%s\" is not known", shown);
        if (seen & 1u << k) return util_fail(err, CLSTM_BAD_MODEL, "external data: key \"%s\" is given twice", shown);
        seen |= 1u << k;
        if (k == 0) out->location = value;
        if (k == 1) UTIL_TRY(read_number(key, value, &out->offset, err));
        if (k == 2) UTIL_TRY(read_number(key, value, &out->length, err));
    }
    return out->location ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "external data: no location is given");
}

/* A relative path that never steps up. */
static bool is_beneath(const char *path) {
    if (!*path || *path == '/' || strlen(path) > 4000) return false;
    for (const char *s = path; *s;) {
        size_t n = strcspn(s, "/");
        if (n == 2 && s[0] == '.' && s[1] == '.') return false;
        s += n + (s[n] == '/');
    }
    return true;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------- */

enum { FILE_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, DIR_FLAGS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };

/* One component after another, no links; where the kernel has no openat2. errno is ELOOP for a link. */
static int walk_beneath(int root, char *path) {
    int at = dup(root);
    while (at >= 0) {
        char *slash = strchr(path, '/');
        if (slash) *slash = 0;
        struct stat st;
        int next = -1;
        /* O_DIRECTORY with O_NOFOLLOW says ENOTDIR for a link: ask first, so that the caller learns what it met. */
        if (*path && !fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode)) errno = ELOOP;
        else next = openat(at, *path ? path : ".", O_NOFOLLOW | (slash ? DIR_FLAGS : FILE_FLAGS));
        int saved = errno;
        close(at);
        errno = saved;
        if (!slash || next < 0) return next;
        at = next;
        path = slash + 1;
    }
    return -1;
}

static int open_beneath(int root, const char *path) {
#if defined(HAVE_LINUX_OPENAT2_H) && defined(SYS_openat2) && !defined(CLSTM_NO_OPENAT2)
    struct open_how how = {.flags = (unsigned)FILE_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL && errno != EAGAIN)) return (int)fd;
#endif
    char *copy = util_strdup(path);
    int walked = copy ? walk_beneath(root, copy) : -1, saved = errno;
    free(copy);
    errno = saved;
    return walked;
}

/* `real` without the root in front, or NULL when it does not lie beneath it. */
static const char *beneath_root(const char *real, const char *root) {
    size_t n = root ? strlen(root) : 0;
    if (n == 1) return real + 1;            /* "/" */
    return n && !strncmp(real, root, n) && real[n] == '/' ? real + n + 1 : NULL;
}

static int open_in(const char *root, const char *path) {
    int dir = open(root, DIR_FLAGS);
    if (dir < 0) return -1;
    int fd = open_beneath(dir, path), saved = errno;
    close(dir);
    errno = saved;
    return fd;
}

/* The directory of what the model's path leads to, when that path is a link. */
static char *blob_root(const onnx_external *x) {
    struct stat st;
    if (!x->model || lstat(x->model, &st) || !S_ISLNK(st.st_mode)) return NULL;
    char *real = realpath(x->model, NULL);
    char *slash = real ? strrchr(real, '/') : NULL;
    if (slash) slash[slash == real ? 1 : 0] = 0;
    return real;
}

/* A location with a link on its way: -2 when it leads outside. */
static int open_linked(const onnx_external *x, const char *location) {
    size_t n = strlen(x->directory) + strlen(location) + 2;
    char *path = util_calloc(n, 1), *real = NULL, *roots[2] = {NULL, NULL};
    int fd = -2;
    if (!path) return -1;
    memcpy(path, x->directory, strlen(x->directory));
    strcat(strcat(path, "/"), location);
    if ((real = realpath(path, NULL))) {
        roots[0] = realpath(x->directory, NULL);
        roots[1] = blob_root(x);
        for (int i = 0; i < 2 && fd == -2; i++) {
            const char *rest = beneath_root(real, roots[i]);
            if (rest) fd = open_in(roots[i], rest);
        }
    } else {
        fd = -1;
    }
    int saved = errno;
    free(path); free(real); free(roots[0]); free(roots[1]);
    errno = saved;
    return fd;
}

/* -2 when it leads outside. */
static int open_location(const onnx_external *x, const char *location) {
    int fd = open_in(x->directory, location);
    return fd < 0 && errno == ELOOP ? open_linked(x, location) : fd;
}

static clstm_status map_location(const onnx_external *x, const char *location, util_file *out, clstm_error *err) {
    int fd = open_location(x, location);
    if (fd == -2) return util_fail(err, CLSTM_BAD_MODEL, "leads outside the model's directory");
    if (fd < 0) return errno == ENOMEM ? util_no_memory(err) : util_fail(err, CLSTM_IO, "cannot be opened: %m");
    clstm_status s = util_file_map_fd(fd, x->max_bytes, out, err);
    close(fd);
    return s;
}

/* ---- the files of a load ---------------------------------------------------------------------------------------------------------- */

clstm_status onnx_external_new(const char *directory, const char *model, int64_t max_bytes, onnx_external **out, clstm_error *err) {
    onnx_external *x = util_calloc(1, sizeof *x);
    if (!x) return util_no_memory(err);
    x->max_bytes = max_bytes;
    if ((directory && !(x->directory = util_strdup(directory))) || (model && !(x->model = util_strdup(model)))) {
        onnx_external_close(x);
        return util_no_memory(err);
    }
    *out = x;
    return CLSTM_OK;
}

static clstm_status find_file(onnx_external *x, const char *location, const util_file **out, clstm_error *err) {
    char shown[200];
    util_escape(shown, sizeof shown, location);
    if (!x->directory) return util_fail(err, CLSTM_UNSUPPORTED, "external data \"%s\": a model from memory has no directory", shown);
    if (!is_beneath(location)) return util_fail(err, CLSTM_BAD_MODEL, "external data \"%s\": not a path beneath the model's directory", shown);
    /* A model has one file, or a few in order of use: look at the last first. */
    for (size_t i = x->n; i-- > 0;)
        if (!strcmp(x->files[i].location, location)) { *out = &x->files[i].file; return CLSTM_OK; }
    if (x->n == MOST_FILES) return util_fail(err, CLSTM_UNSUPPORTED, "external data in more than %d files", MOST_FILES);
    if (!util_grow((void **)&x->files, &x->capacity, x->n + 1, sizeof *x->files)) return util_no_memory(err);
    mapped m = {.location = util_strdup(location)};
    if (!m.location) return util_no_memory(err);
    clstm_status s = map_location(x, location, &m.file, err);
    if (s != CLSTM_OK) { free(m.location); return util_context(err, s, "external data \"%s\"", shown); }
    x->files[x->n++] = m;
    *out = &x->files[x->n - 1].file;
    return CLSTM_OK;
}

clstm_status onnx_external_bytes(onnx_external *x, const onnx_place *place, size_t size, const uint8_t **bytes, clstm_error *err) {
    const util_file *f = NULL;
    char shown[200];
    UTIL_TRY(find_file(x, place->location, &f, err));
    if ((uint64_t)place->offset > f->size || size > f->size - (size_t)place->offset)
        return util_fail(err, CLSTM_BAD_MODEL, "external data \"%s\": %zu bytes at %lld lie outside the file's %zu",
                         util_escape(shown, sizeof shown, place->location), size, (long long)place->offset, f->size);
    *bytes = f->data ? f->data + place->offset : NULL;
    return CLSTM_OK;
}

clstm_status onnx_external_check(const onnx_external *x, clstm_error *err) {
    struct stat now;
    char shown[200];
    for (size_t i = 0; i < x->n; i++) {
        int fd = open_location(x, x->files[i].location);
        bool same = fd < 0 || fstat(fd, &now) || util_file_unchanged(&x->files[i].file, &now);
        if (fd >= 0) close(fd);
        if (!same) return util_fail(err, CLSTM_IO, "external data \"%s\": was changed while it was being loaded", util_escape(shown, sizeof shown, x->files[i].location));
    }
    return CLSTM_OK;
}

void onnx_external_close(onnx_external *x) {
    if (!x) return;
    for (size_t i = 0; i < x->n; i++) {
        free(x->files[i].location);
        util_file_unmap(&x->files[i].file);
    }
    free(x->files);
    free(x->directory);
    free(x->model);
    free(x);
}
