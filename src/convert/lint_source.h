/* convert/lint_source: numbers of the traced example from which data get their size: repeats of Tile, pieces of a target, ends of Slice,
 * the limit of a Range, numbers counted off. They do not fail themselves; what meets their data does. */
#ifndef CONVERT_LINT_SOURCE_H
#define CONVERT_LINT_SOURCE_H

#include "convert/lint_trial.h"

enum { SOURCE_MOST = 48, SOURCE_TRIES = 400 };      /* numbers behind one node that are tried; trials of a model */

typedef struct lint_sources {
    size_t node;                        /* the first that fails at other sizes while its inputs do not; n_nodes: none */
    trial_mend mends[SOURCE_MOST];      /* of numbers behind it */
    size_t n;
    int readings;                       /* how many ways of mending make it good */
    int tries;                          /* so far, of SOURCE_TRIES in all */
} lint_sources;

/* Finds the node, and adds to t->mends what alone makes it good; a size of the example that shows then is noted in t->example. `found` is zeroed
 * before the first time. */
clstm_status lint_source_find(trial *t, lint_sources *found);
/* Whether what `node` gives goes into the one that fails. */
clstm_status lint_source_behind(const trial *t, const lint_sources *s, size_t node, bool *behind);

#endif
