/* What a unit test program provides: its suite. unit_main.c owns main() and the closing line. */
#ifndef CLSTM_UNIT_MAIN_H
#define CLSTM_UNIT_MAIN_H

#include <check.h>

/* Defined by each tests/unit/unit_NAME.c. */
Suite *unit_suite(void);

/* Adds one test function as a case of its own. */
void unit_add(Suite *suite, const char *name, const TTest *test);
/* The same, run for loop index from start to end - 1 (the test sees it as _i). */
void unit_add_loop(Suite *suite, const char *name, const TTest *test, int start, int end);
/* Counts a case that cannot run here, by name and reason; called from unit_suite() only. */
void unit_skip(const char *name, const char *reason);

#endif
