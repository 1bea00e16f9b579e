/* tool: what every clstm tool shares: exit codes, messages, the common options, and making model and session. */
#ifndef TOOLS_TOOL_H
#define TOOLS_TOOL_H

#include <clstm/clstm.h>

#include <getopt.h>
#include <stdio.h>

enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_REFUSED = 3 };

typedef struct tool_pair { char *name; const char *value; } tool_pair;
typedef struct tool_pairs { tool_pair *items; size_t count, capacity; } tool_pairs;

typedef struct tool {
    const char *name, *help;        /* help is the text of --help after the usage line */
    const char *usage;              /* "MODEL.onnx [options]" */
    const char *common;             /* the end of --help; tool_init: tool_common_help */
    tool_pairs dims, shapes, consts;
    int threads;
    clstm_limits limits;
    bool quiet;                     /* no warnings */
    bool json;
    char *said;                     /* the room of a clstm_error's message, where complaints go; NULL: to stderr, after the tool's name */
} tool;

/* Values for `val` in a table of long options; each tool's own begin at TOOL_OPTION_OWN. */
enum { TOOL_OPTION_HELP = 1000, TOOL_OPTION_VERSION, TOOL_OPTION_DIM, TOOL_OPTION_SHAPE, TOOL_OPTION_CONST, TOOL_OPTION_THREADS,
       TOOL_OPTION_LIMIT, TOOL_OPTION_JSON, TOOL_OPTION_OWN = 2000 };
#define TOOL_OPTIONS \
    {"help", no_argument, NULL, TOOL_OPTION_HELP}, {"version", no_argument, NULL, TOOL_OPTION_VERSION}, \
    {"dim", required_argument, NULL, TOOL_OPTION_DIM}, {"shape", required_argument, NULL, TOOL_OPTION_SHAPE}, \
    {"const", required_argument, NULL, TOOL_OPTION_CONST}, {"threads", required_argument, NULL, TOOL_OPTION_THREADS}, \
    {"limit", required_argument, NULL, TOOL_OPTION_LIMIT}
/* Their part of --help. */
extern const char tool_common_help[];

/* argv[0] becomes the name, for the messages of getopt_long. */
void tool_init(tool *t, char **argv, const char *name, const char *usage, const char *help);
void tool_free(tool *t);
/* Handles a common option. Returns -1 when the tool goes on, else the exit code (help, version, limit help, usage). */
int tool_option(tool *t, int option, const char *argument);

/* "NAME: message" on stderr; each returns the exit code that its name says. tool_usage points to --help. */
__attribute__((format(printf, 2, 3))) int tool_usage(const tool *t, const char *format, ...);
__attribute__((format(printf, 2, 3))) void tool_warn(const tool *t, const char *format, ...);
/* For errors while reading models and inputs or running: 3, but 1 where it was no fault of theirs (no memory, cancelled, ours). */
int tool_refused(const tool *t, const clstm_error *err);
__attribute__((format(printf, 2, 3))) int tool_refuse(const tool *t, const char *format, ...);     /* 3 */
/* For errors while writing answers: 1. */
int tool_failed(const tool *t, const clstm_error *err);
/* Flushes stdout and says so when that fails, unless a failure was told already; returns `code`, or 1. */
int tool_finish(const tool *t, int code);

/* Parses a whole decimal number in least..most. */
bool tool_parse_int(const char *text, int64_t least, int64_t most, int64_t *value);
bool tool_parse_real(const char *text, double *value);

/* Before a model is loaded from `path`, with NULL after it: a file that is cut short meanwhile ends the tool with a line, exit 3. */
void tool_guard_mapping(const tool *t, const char *path);
clstm_status tool_load(const tool *t, const char *path, clstm_model **model, clstm_error *err);
/* A session with --threads, --limit and --dim applied, and states carried as CLSTM_CARRY_* says. */
clstm_status tool_session(const tool *t, clstm_model *model, unsigned carry, clstm_session **session, clstm_error *err);

/* The declared shape of input `index` with --shape and --dim put in; -1 stays unknown. */
clstm_status tool_want(const tool *t, const clstm_model *model, size_t index, clstm_tensor *want, clstm_error *err);

/* Microseconds of a clock that only goes forward. */
double tool_now_us(void);

#endif
