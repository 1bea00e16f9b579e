/* compare: whether a value is what was expected, and if not, where and by how much. */
#ifndef TOOLS_COMPARE_H
#define TOOLS_COMPARE_H

#include <clstm/clstm.h>

typedef struct compare_rule {
    double rtol, atol;
    double ulp;             /* in units in the last place of the expected value; below 0: rtol and atol count */
} compare_rule;

/* As the official runner has them. */
#define COMPARE_DEFAULT ((compare_rule){1e-3, 1e-7, -1})

typedef struct compare_result {
    bool equal;
    double largest;         /* largest absolute error of finite elements */
    int64_t count, differing;
    char reason[400];       /* what is wrong, "" when equal */
} compare_result;

/* Types and shapes must agree; NaN equals NaN only; integers and bools are exact. Half types have a floor of rtol 1e-2, atol 1e-3. */
void compare_values(const clstm_value *got, const clstm_value *expected, const compare_rule *rule, compare_result *result);

#endif
