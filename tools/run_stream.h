/* run_stream: feeds one input along its time axis in pieces while states are carried, and joins what comes out. */
#ifndef TOOLS_RUN_STREAM_H
#define TOOLS_RUN_STREAM_H

#include "inputs.h"

typedef struct run_stream {
    const tool *t;
    clstm_model *model;
    clstm_session *session;
    inputs *in;
    /* what --stream, --overlap and --pad say */
    int input, axis;
    int64_t frames, overlap;
    bool pad;
    FILE *log;                  /* where each piece's outputs without a time axis are printed; NULL: nowhere */
    /* found by run_stream_start */
    bool fixed;                 /* the model takes whole frames of `frames` */
    int *output_axes;
    /* filled by run_stream_run */
    clstm_value *results;       /* joined, or of the last piece */
    int64_t pieces, steps;
} run_stream;

/* Understands NAME[:AXIS][=FRAMES]; -1 to go on, or an exit code. */
int run_stream_parse(const tool *t, const clstm_model *model, const char *argument, run_stream *s);
/* Pairs states (those of `carry`, OUT=IN, over those found), finds the time axis, marks the inputs that need not be given. */
int run_stream_start(run_stream *s, char *const *carry, size_t n_carry);
/* Says which states are carried and which axis is time. */
void run_stream_describe(const run_stream *s, FILE *out);
/* Runs all pieces. `after` (may be NULL) is called after each. */
int run_stream_run(run_stream *s, void (*after)(void *user), void *user);
void run_stream_free(run_stream *s);

#endif
