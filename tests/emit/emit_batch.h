/* Models turned into C, compiled many at once into one shared object, and run in this process. */
#ifndef CLSTM_TESTS_EMIT_BATCH_H
#define CLSTM_TESTS_EMIT_BATCH_H

#include <clstm/convert.h>

#include "../../tools/compare.h"

/* One model at one set of sizes. Values are the caller's. */
typedef struct emit_case {
    char name[128];
    clstm_model *model;
    const clstm_value *in, *expected;       /* one for each port, with data */
    compare_rule rule;
    int n_states, state_in[16], state_out[16];      /* pairs of ports that NAME_step carries: they are no parameters of it */
    bool step;                              /* the text must have NAME_step */
    bool as_it_is;                          /* no input may be given at conversion */
    bool bad;                               /* the inputs break a rule of the run: it must return 1 */
    bool with_main;                         /* a program of its own, run by emit_batch_main */
    /* filled by emit_batch_add */
    bool constant[16];                      /* input i was given at conversion: no parameter */
    bool open;                              /* converted with other sizes than it runs with */
    clstm_value *got;
} emit_case;

typedef struct emit_batch { char dir[64]; emit_case **cases; int n, room; void *library; char flags[400]; } emit_batch;

/* Writes the case's C; false: reason says why (and `refused` whether the emitter said no). */
bool emit_batch_add(emit_batch *b, emit_case *c, char *reason, size_t size, bool *refused);
/* Compiles everything added with $CC and $EMIT_CFLAGS. */
bool emit_batch_compile(emit_batch *b, char *reason, size_t size);
/* Runs case i (NAME_run) and compares. */
bool emit_batch_run(emit_batch *b, int i, char *reason, size_t size);
/* The same for the last case, as a program compiled with $CC $EMIT_CFLAGS and started by $EMIT_RUNNER (qemu, say). */
bool emit_batch_main(emit_batch *b, char *reason, size_t size);
/* Function NAME%d of case i in the compiled object: run(in, out), step(in, out), reset(), put(state, from). */
void *emit_batch_symbol(const emit_batch *b, const char *name, int i);
void emit_batch_free(emit_batch *b);

#endif
