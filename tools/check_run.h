/* check_run: runs cases, each in a child process of its own, so that a crash or a hang is one failure. */
#ifndef TOOLS_CHECK_RUN_H
#define TOOLS_CHECK_RUN_H

#include "check_cases.h"
#include "compare.h"

/* Runs one case here; the reason of a failure into `reason`, "" when it passes. */
void check_one(const tool *t, const check_case *c, const compare_rule *rule, char *reason, size_t size);

/* Runs every pending case, `jobs` at a time, each for at most `seconds` (0: no limit). `done` is called for all cases in order. */
clstm_status check_all(const tool *t, check_cases *cases, const compare_rule *rule, int jobs, double seconds,
                       void (*done)(void *user, const check_case *c), void *user, clstm_error *err);

#endif
