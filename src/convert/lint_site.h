/* convert/lint_site: where a constant may hold sizes of the traced example: targets of Reshape and Expand, and constants beside data. */
#ifndef CONVERT_LINT_SITE_H
#define CONVERT_LINT_SITE_H

#include "convert/lint_trial.h"

enum { LINT_NO_SITE, LINT_RESHAPE, LINT_EXPAND, LINT_BESIDE /* spread over data */, LINT_JOINED };
int lint_site_kind(const ir_node *n);

/* A constant that fails at other sizes, with the sizes that must have been equal in the example. */
typedef struct lint_site {
    size_t node;
    int input, other;
    int rank;
    int64_t target[TRIAL_RANK];
    trial_shape in;                                     /* of the data */
    trial_size open;                                    /* must have been `was` in the example */
    int64_t was;
    bool guessed;                                       /* it does not fail, but says what was hardly meant */
} lint_site;

/* Whether input `input` of node `node` is a constant that fails at other sizes than the example's. */
clstm_status lint_site_find(const trial *t, size_t node, int input, lint_site *s, bool *found);
/* What is to stand in its place. *can is false where nothing fits t->example, or more than one thing does. */
clstm_status lint_site_read(const trial *t, const lint_site *s, trial_mend *m, bool *can);

/* Whether a Reshape of v, which is `in`, to `out` merges neighbouring dimensions or splits one, and does nothing else: what mixes them was not
 * meant. */
bool lint_site_aligned(const trial *t, const ir_value *v, const trial_shape *in, const trial_size *out, int rank);

#endif
