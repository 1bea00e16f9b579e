/* run_profile: where the time of a run goes, by node and by operator. */
#ifndef TOOLS_RUN_PROFILE_H
#define TOOLS_RUN_PROFILE_H

#include "io/buffer.h"

#include <stdio.h>

typedef struct run_profile_step { const char *node, *type; bool view; double us, gflops; size_t count; } run_profile_step;
/* `session`: the one that was timed, which must stay while the profile is shown. */
typedef struct run_profile { const clstm_session *session; run_profile_step *steps, *types; size_t n_steps, n_types; double total_us; int runs; } run_profile;

/* Repeats the run that the session has just made, for some tenths of a second, with its steps timed. */
clstm_status run_profile_take(clstm_session *session, run_profile *profile, clstm_error *err);
void run_profile_free(run_profile *profile);
void run_profile_show(const run_profile *profile, FILE *out);
void run_profile_json(const run_profile *profile, io_buffer *out);

#endif
