/* check_cases: which reference vectors there are, and which of them are skipped. */
#ifndef TOOLS_CHECK_CASES_H
#define TOOLS_CHECK_CASES_H

#include "tool.h"

typedef enum check_outcome { CHECK_PENDING, CHECK_PASSED, CHECK_FAILED, CHECK_SKIPPED } check_outcome;

typedef struct check_case {
    char *name, *dir, *model;       /* name: the directory relative to the PATH that was given */
    check_outcome outcome;
    char *reason;
    double seconds;
} check_case;

typedef struct check_cases { check_case *items; size_t count, capacity; } check_cases;

/* Adds every case at or beneath `path`, sorted by name, that `filter` (a glob, NULL: all) takes. */
clstm_status check_cases_find(check_cases *cases, const char *path, const char *filter, clstm_error *err);
/* Marks the cases that a skip list names: lines of NAME and REASON with white space or a comma between, # begins a comment. */
clstm_status check_cases_skip(const tool *t, check_cases *cases, const char *path, clstm_error *err);
void check_cases_free(check_cases *cases);

#endif
