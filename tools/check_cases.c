/* check_cases: finds directories with model.onnx and test data beneath the given paths. */
#include "check_cases.h"

#include "io/buffer.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEEPEST = 24 };

static clstm_status problem(clstm_error *err, clstm_status status, const char *path, const char *why) {
    char name[400];
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s: %s", io_escape(name, sizeof name, path), why);
    return status;
}

static char *join(const char *a, const char *b) {
    size_t n = strlen(a), m = strlen(b);
    char *p = malloc(n + m + 2);
    if (!p) return NULL;
    memcpy(p, a, n);
    size_t slash = n && a[n - 1] != '/' ? 1 : 0;
    if (slash) p[n] = '/';
    memcpy(p + n + slash, b, m + 1);
    return p;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static clstm_status add_case(check_cases *cases, const char *name, const char *dir, char *model, const char *filter, clstm_error *err) {
    if (filter && fnmatch(filter, name, 0)) { free(model); return CLSTM_OK; }
    if (cases->count == cases->capacity) {
        size_t capacity = cases->capacity ? cases->capacity * 2 : 64;
        check_case *items = realloc(cases->items, capacity * sizeof *items);
        if (!items) { free(model); return problem(err, CLSTM_NO_MEMORY, dir, "out of memory"); }
        cases->items = items;
        cases->capacity = capacity;
    }
    check_case *c = &cases->items[cases->count++];
    *c = (check_case){.name = strdup(name), .dir = strdup(dir), .model = model};
    return c->name && c->dir ? CLSTM_OK : problem(err, CLSTM_NO_MEMORY, dir, "out of memory");
}

static clstm_status search(check_cases *cases, const char *dir, const char *name, const char *filter, int depth, clstm_error *err) {
    struct stat st;
    char *model = join(dir, "model.onnx");
    if (!model) return problem(err, CLSTM_NO_MEMORY, dir, "out of memory");
    if (!stat(model, &st)) return add_case(cases, *name ? name : last_part(dir), dir, model, filter, err);
    free(model);
    if (depth == DEEPEST) return problem(err, CLSTM_LIMIT, dir, "directories too deep");
    DIR *d = opendir(dir);
    if (!d) return problem(err, CLSTM_IO, dir, strerror(errno));
    clstm_status status = CLSTM_OK;
    for (struct dirent *entry; status == CLSTM_OK && (entry = readdir(d));) {
        if (entry->d_name[0] == '.') continue;
        char *path = join(dir, entry->d_name), *inner = *name ? join(name, entry->d_name) : strdup(entry->d_name);
        if (!path || !inner) status = problem(err, CLSTM_NO_MEMORY, dir, "out of memory");
        /* A symbolic link inside a tree could lead around in a circle. */
        else if (!lstat(path, &st) && S_ISDIR(st.st_mode)) status = search(cases, path, inner, filter, depth + 1, err);
        free(path);
        free(inner);
    }
    closedir(d);
    return status;
}

static int by_name(const void *a, const void *b) { return strcmp(((const check_case *)a)->name, ((const check_case *)b)->name); }

/* A trailing slash would be part of a case's name. */
static char *without_slash(const char *path) {
    char *p = strdup(path);
    for (size_t n = p ? strlen(p) : 0; n > 1 && p[n - 1] == '/'; n--) p[n - 1] = 0;
    return p;
}

clstm_status check_cases_find(check_cases *cases, const char *path, const char *filter, clstm_error *err) {
    struct stat st;
    size_t before = cases->count;
    if (stat(path, &st)) return problem(err, CLSTM_IO, path, strerror(errno));
    char *clean = without_slash(path);
    clstm_status status = clean ? CLSTM_OK : problem(err, CLSTM_NO_MEMORY, path, "out of memory");
    if (status == CLSTM_OK && !S_ISDIR(st.st_mode)) {       /* the model itself: its directory is the case */
        char *model = strdup(clean), *slash = strrchr(clean, '/');
        if (slash) *slash = 0;
        status = model ? add_case(cases, slash ? last_part(clean) : clean, slash ? clean : ".", model, filter, err) : problem(err, CLSTM_NO_MEMORY, path, "out of memory");
    } else if (status == CLSTM_OK) status = search(cases, clean, "", filter, 0, err);
    free(clean);
    if (status == CLSTM_OK && cases->count > before) qsort(cases->items + before, cases->count - before, sizeof *cases->items, by_name);
    return status;
}

clstm_status check_cases_skip(const tool *t, check_cases *cases, const char *path, clstm_error *err) {
    FILE *f = fopen(path, "r");
    if (!f) return problem(err, CLSTM_IO, path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    clstm_status status = CLSTM_OK;
    while (status == CLSTM_OK && getline(&line, &size, f) >= 0) {
        char *name = line + strspn(line, " \t"), shown[200];
        name[strcspn(name, "#\r\n")] = 0;
        size_t length = strcspn(name, " \t,");
        if (!length) continue;
        char *reason = name + length + strspn(name + length, " \t,");
        for (size_t n = strlen(reason); n && (reason[n - 1] == ' ' || reason[n - 1] == '\t'); n--) reason[n - 1] = 0;
        name[length] = 0;
        if (!*reason) status = problem(err, CLSTM_BAD_ARGUMENT, path, "a name without a reason");
        bool found = false;
        for (size_t i = 0; status == CLSTM_OK && i < cases->count; i++) {
            check_case *c = &cases->items[i];
            if (strcmp(c->name, name)) continue;
            found = true;
            c->outcome = CHECK_SKIPPED;
            free(c->reason);
            if (!(c->reason = strdup(reason))) status = problem(err, CLSTM_NO_MEMORY, path, "out of memory");
        }
        if (status == CLSTM_OK && !found) tool_warn(t, "%s: no case is named \"%s\"", path, io_escape(shown, sizeof shown, name));
    }
    if (status == CLSTM_OK && ferror(f)) status = problem(err, CLSTM_IO, path, strerror(errno));
    free(line);
    fclose(f);
    return status;
}

void check_cases_free(check_cases *cases) {
    for (size_t i = 0; i < cases->count; i++) {
        free(cases->items[i].name);
        free(cases->items[i].dir);
        free(cases->items[i].model);
        free(cases->items[i].reason);
    }
    free(cases->items);
    *cases = (check_cases){0};
}
