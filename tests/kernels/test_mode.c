/* The floating-point mode of a run (util/fpmode.h): denormals are zero as operands and results, and the caller's mode comes back. */
#include "kernel_test.h"
#include "util/fpmode.h"

/* volatile: the compiler knows of no mode and would multiply elsewhere. */
static volatile float product;
__attribute__((noinline)) static void multiply(volatile const float *a, volatile const float *b)
{
    product = *a * *b;
}

void test_mode(const kernel_table *t)
{
    static volatile const float small = 1e-38f, tenth = 0.1f, denormal = 1e-40f, large = 1e20f;
    if (!UTIL_FPMODE_FLUSHES) {
        family_skip("mode of a run", "this machine has none");
        return;
    }
    family_begin("mode of a run", t);
    for (int turn = 0; turn < 2; turn++) {
        util_fpmode before = util_fpmode_enter(), within = util_fpmode_enter();
        multiply(&small, &tenth);
        if (product != 0)
            family_fail("a denormal result was kept");
        multiply(&denormal, &large);
        if (product != 0)
            family_fail("a denormal operand was taken");
        if (before == within)
            family_fail("the mode was the run's before");
        util_fpmode_leave(within);
        multiply(&small, &tenth);
        if (product != 0)
            family_fail("the mode ended with the inner one");
        util_fpmode_leave(before);
        multiply(&small, &tenth);
        if (product == 0)
            family_fail("the mode did not end");
    }
    family_end();
}
