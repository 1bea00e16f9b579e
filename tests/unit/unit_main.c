/* main() of every unit test program: runs its suite in Check, prints the failures and the closing line. */
#include "unit_main.h"

#include <stdio.h>

/* For one test; a sanitizer takes many times as long. */
#ifdef CLSTM_SANITIZED
enum { SECONDS = 600 };
#else
enum { SECONDS = 120 };
#endif

static int unit_skipped;

void unit_add(Suite *suite, const char *name, const TTest *test)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, SECONDS);
    tcase_add_test(tcase, test);
    suite_add_tcase(suite, tcase);
}

void unit_add_loop(Suite *suite, const char *name, const TTest *test, int start, int end)
{
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, SECONDS);
    tcase_add_loop_test(tcase, test, start, end);
    suite_add_tcase(suite, tcase);
}

void unit_skip(const char *name, const char *reason)
{
    unit_skipped++;
    printf("skip %s: %s\n", name, reason);
}

int main(void)
{
    SRunner *runner = srunner_create(unit_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    int passed = srunner_ntests_run(runner) - failed;
    srunner_free(runner);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, unit_skipped);
    return failed == 0 ? 0 : 1;
}
