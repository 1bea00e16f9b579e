/* tool: what every clstm tool shares. */
#include "tool.h"

#include "io/buffer.h"
#include "io/value.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char tool_common_help[] =
    "Model and machine:\n"
    "      --dim NAME=N          fix a symbolic dimension\n"
    "      --shape NAME=D0,D1... fix an input's shape\n"
    "      --const NAME=VALUE    declare an input's value known for good\n"
    "      --threads N           threads of a run (default 1)\n"
    "      --limit NAME=N        set a limit on the model; --limit help lists them\n"
    "      --help, --version     print this, or the version\n"
    "#0, #1 ... stands for an input or output by position wherever a NAME is asked.\n"
    "Exit status: 0 success, 1 the work failed or differed, 2 usage, 3 model or input refused.\n";

void tool_init(tool *t, char **argv, const char *name, const char *usage, const char *help) {
    argv[0] = (char *)name;
    *t = (tool){.name = name, .usage = usage, .help = help, .common = tool_common_help, .threads = 1};
    clstm_limits_default(&t->limits);
    /* A reader that went away is a failed write, told as one. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);   /* a file past the limit is a failed write */
}

static void pairs_free(tool_pairs *p) {
    for (size_t i = 0; i < p->count; i++) free(p->items[i].name);
    free(p->items);
}

void tool_free(tool *t) {
    pairs_free(&t->dims);
    pairs_free(&t->shapes);
    pairs_free(&t->consts);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

static bool failure_told;

__attribute__((format(printf, 4, 0))) static int complain(const tool *t, int code, const char *tail, const char *format, va_list ap) {
    if (t->said) vsnprintf(t->said, sizeof ((clstm_error *)0)->message, format, ap);
    else {
        fprintf(stderr, "%s: ", t->name);
        vfprintf(stderr, format, ap);
        fprintf(stderr, "%s\n", tail);
    }
    return code;
}

int tool_usage(const tool *t, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int code = complain(t, TOOL_USAGE, " (--help explains)", format, ap);
    va_end(ap);
    return code;
}

void tool_warn(const tool *t, const char *format, ...) {
    if (t->quiet) return;
    va_list ap;
    va_start(ap, format);
    fprintf(stderr, "%s: warning: ", t->name);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
}

int tool_refuse(const tool *t, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int code = complain(t, TOOL_REFUSED, "", format, ap);
    va_end(ap);
    return code;
}

int tool_refused(const tool *t, const clstm_error *err) {
    bool ours = err->status == CLSTM_NO_MEMORY || err->status == CLSTM_CANCELLED || err->status == CLSTM_INTERNAL;
    return ours ? tool_failed(t, err) : tool_refuse(t, "%s", err->message);
}

int tool_failed(const tool *t, const clstm_error *err) {
    tool_refuse(t, "%s", err->message);
    failure_told = true;
    return TOOL_FAILED;
}

int tool_finish(const tool *t, int code) {
    if (!fflush(stdout) && !ferror(stdout)) return code;
    if (!failure_told) fprintf(stderr, "%s: cannot write standard output: %s\n", t->name, strerror(errno));
    return TOOL_FAILED;
}

/* ---- options ------------------------------------------------------------------------------------------------------------- */

bool tool_parse_int(const char *text, int64_t least, int64_t most, int64_t *value) {
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < least || v > most) return false;
    *value = v;
    return true;
}

bool tool_parse_real(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return end != text && !*end && *value >= 0;
}

/* Splits NAME=VALUE at the first '='. */
static int add_pair(const tool *t, tool_pairs *p, const char *option, const char *argument) {
    const char *equals = strchr(argument, '=');
    if (!equals || equals == argument) return tool_usage(t, "%s wants NAME=VALUE", option);
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 8;
        tool_pair *items = realloc(p->items, capacity * sizeof *items);
        if (!items) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
        p->items = items;
        p->capacity = capacity;
    }
    char *name = strndup(argument, (size_t)(equals - argument));
    if (!name) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    p->items[p->count++] = (tool_pair){name, equals + 1};
    return -1;
}

static int limit_help(const tool *t) {
    const char *name, *help;
    int64_t value;
    for (int i = 0; clstm_limit_describe(i, &name, &value, &help); i++) printf("%-18s %14lld  %s\n", name, (long long)value, help);
    return tool_finish(t, TOOL_OK);
}

static int set_limit(tool *t, const char *argument) {
    tool_pairs one = {0};
    clstm_error err;
    int64_t value;
    if (!strcmp(argument, "help")) return limit_help(t);
    int code = add_pair(t, &one, "--limit", argument);
    if (code < 0 && !tool_parse_int(one.items[0].value, 0, INT64_MAX, &value)) code = tool_usage(t, "--limit: \"%s\" is no number", one.items[0].value);
    if (code < 0 && clstm_limits_set(&t->limits, one.items[0].name, value, &err) != CLSTM_OK) code = tool_usage(t, "%s", err.message);
    pairs_free(&one);
    return code;
}

int tool_option(tool *t, int option, const char *argument) {
    int64_t n;
    switch (option) {
    case TOOL_OPTION_HELP:
        printf("Usage: %s %s\n%s%s", t->name, t->usage, t->help, t->common);
        return tool_finish(t, TOOL_OK);
    case TOOL_OPTION_VERSION:
        printf("%s (clstm) %s\n", t->name, clstm_version());
        return tool_finish(t, TOOL_OK);
    case TOOL_OPTION_DIM: {
        int code = add_pair(t, &t->dims, "--dim", argument);
        if (code >= 0) return code;
        if (!tool_parse_int(t->dims.items[t->dims.count - 1].value, 0, INT64_MAX, &n)) return tool_usage(t, "--dim: \"%s\" is no size", argument);
        return -1;
    }
    case TOOL_OPTION_SHAPE: return add_pair(t, &t->shapes, "--shape", argument);
    case TOOL_OPTION_CONST: return add_pair(t, &t->consts, "--const", argument);
    case TOOL_OPTION_THREADS:
        if (!tool_parse_int(argument, 1, 1024, &n)) return tool_usage(t, "--threads: \"%s\" is no number of threads", argument);
        t->threads = (int)n;
        return -1;
    case TOOL_OPTION_LIMIT: return set_limit(t, argument);
    case TOOL_OPTION_JSON: t->json = true; return -1;
    case ':':
    case '?':
    default: return TOOL_USAGE;      /* getopt_long has said why */
    }
}

/* ---- model and session ----------------------------------------------------------------------------------------------------- */

static void on_warning(void *user, const char *message) { tool_warn(user, "%s", message); }

/* A model is mapped while it is loaded, and reading past the end of a file that was cut meanwhile raises SIGBUS. */
static char cut_short[600];

static void on_cut_short(int number) {
    (void)number;
    ssize_t ignored = write(STDERR_FILENO, cut_short, strlen(cut_short));
    (void)ignored;
    _exit(TOOL_REFUSED);
}

void tool_guard_mapping(const tool *t, const char *path) {
    char name[400];
    struct sigaction action = {.sa_handler = path ? on_cut_short : SIG_DFL};
    if (path) snprintf(cut_short, sizeof cut_short, "%s: %s: was cut short while it was being loaded\n", t->name, io_escape(name, sizeof name, path));
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

clstm_status tool_load(const tool *t, const char *path, clstm_model **model, clstm_error *err) {
    clstm_model_options options = {.limits = &t->limits, .warning = on_warning, .user = (void *)t};
    tool_guard_mapping(t, path);
    clstm_status status = clstm_model_load(path, &options, model, err);
    tool_guard_mapping(t, NULL);
    return status;
}

clstm_status tool_session(const tool *t, clstm_model *model, unsigned carry, clstm_session **session, clstm_error *err) {
    clstm_session_options options;
    clstm_session_options_default(&options);
    options.threads = t->threads;
    options.limits = &t->limits;
    options.carry = carry;
    clstm_status status = clstm_session_create(model, &options, session, err);
    if (status != CLSTM_OK) return status;
    for (size_t i = 0; i < t->dims.count; i++) {
        int64_t n = 0;
        char name[128];
        tool_parse_int(t->dims.items[i].value, 0, INT64_MAX, &n);
        if (clstm_session_set_dim(*session, t->dims.items[i].name, n, err) != CLSTM_OK)
            tool_warn(t, "--dim: the model has no dimension \"%s\"", io_escape(name, sizeof name, t->dims.items[i].name));
    }
    return CLSTM_OK;
}

static clstm_status shape_problem(clstm_error *err, const char *name, const char *value, const clstm_port *port, const char *why) {
    char shape[200], shown[128], given[128];
    err->status = CLSTM_BAD_ARGUMENT;
    snprintf(err->message, sizeof err->message, "--shape %s=%s: %s; the model declares %s", io_escape(shown, sizeof shown, name),
             io_escape(given, sizeof given, value), why, io_shape_text(shape, sizeof shape, &port->tensor, port->dim_names));
    return err->status;
}

static clstm_status apply_shape(const tool_pair *pair, const clstm_port *port, clstm_tensor *want, clstm_error *err) {
    int64_t dims[CLSTM_MAX_RANK];
    int rank = 0;
    for (const char *at = pair->value; *at;) {
        char *end;
        errno = 0;
        long long n = strtoll(at, &end, 10);
        if (errno || end == at || n < 0 || (*end && *end != ',')) return shape_problem(err, pair->name, pair->value, port, "no list of sizes");
        if (rank == CLSTM_MAX_RANK) return shape_problem(err, pair->name, pair->value, port, "too many dimensions");
        dims[rank++] = n;
        at = *end ? end + 1 : end;
    }
    if (want->rank >= 0 && want->rank != rank) return shape_problem(err, pair->name, pair->value, port, "another rank");
    for (int i = 0; i < rank && want->rank >= 0; i++)
        if (want->dims[i] >= 0 && want->dims[i] != dims[i]) return shape_problem(err, pair->name, pair->value, port, "another size");
    want->rank = rank;
    memcpy(want->dims, dims, sizeof dims[0] * (size_t)rank);
    return CLSTM_OK;
}

clstm_status tool_want(const tool *t, const clstm_model *model, size_t index, clstm_tensor *want, clstm_error *err) {
    const clstm_port *port = clstm_model_input(model, index);
    *want = port->tensor;
    for (size_t i = 0; i < t->shapes.count; i++)
        if (clstm_model_find_input(model, t->shapes.items[i].name) == (int)index) {
            clstm_status status = apply_shape(&t->shapes.items[i], port, want, err);
            if (status != CLSTM_OK) return status;
        }
    for (int d = 0; d < want->rank; d++)
        for (size_t i = 0; i < t->dims.count && want->dims[d] < 0; i++)
            if (port->dim_names[d] && !strcmp(port->dim_names[d], t->dims.items[i].name)) tool_parse_int(t->dims.items[i].value, 0, INT64_MAX, &want->dims[d]);
    return CLSTM_OK;
}

double tool_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}
