/* convert/lint_trial: how the sizes of a traced model depend on the symbols of its inputs, and what is put in a constant's place. Every size is a
 * product of symbols and a number, found by doubling one symbol at a time. */
#ifndef CONVERT_LINT_TRIAL_H
#define CONVERT_LINT_TRIAL_H

#include "convert/lint.h"

enum { TRIAL_SYMBOLS = 8, TRIAL_RANK = 6, TRIAL_MENDS = 32 };

/* number * product of symbol^power; number 0: no such product */
typedef struct trial_size { int64_t number; signed char power[TRIAL_SYMBOLS]; } trial_size;

typedef struct trial_shape { int rank; trial_size dims[CLSTM_MAX_RANK]; } trial_shape;

/* What stands in the place of a constant input: of a target shape, or of a tensor that takes its sizes from input `other` of its node. */
typedef struct trial_mend {
    size_t node;
    int input, other;                   /* other -1: input is a target shape */
    int rank;
    int64_t plain[TRIAL_RANK];          /* a number, 0 and -1 as in Reshape */
    bool open[TRIAL_RANK];              /* not plain: the size below */
    trial_size size[TRIAL_RANK];
    bool guessed;                       /* a reading that only the numbers suggest */
    bool doubtful;                      /* worse than one without a doubt, where there is one */
    bool source;                        /* from lint_source: node `fails` does at other sizes without it */
    bool scalar;                        /* a number, not a list of one */
    bool counted;                       /* not a list of sizes but 0, 1, 2 ... along the open dimension of this shape */
    int64_t plus[TRIAL_RANK];           /* on top of an open size */
    int64_t was;                        /* the symbol's size in the example */
    size_t fails;
} trial_mend;

typedef struct trial {
    lint *l;
    int n_symbols;
    int symbol[TRIAL_SYMBOLS];          /* which of the graph's; the others keep their sizes */
    lint_symbol first[TRIAL_SYMBOLS];   /* where it first stands */
    int64_t example[TRIAL_SYMBOLS];     /* the sizes of the example that was traced; 0: not known */
    trial_mend mends[TRIAL_MENDS];
    size_t n_mends;
    ir_graph *at[1 + TRIAL_SYMBOLS];    /* at sizes, and with each symbol doubled */
} trial;

/* A trial without mends that tells n of the graph's symbols apart. */
void trial_choose(trial *t, lint *l, const int *symbols, int n);
/* CLSTM_OK with at[0] NULL when an input's rank is unknown. */
clstm_status trial_begin(trial *t);
void trial_end(trial *t);

bool trial_shape_of(const trial *t, const ir_value *v, trial_shape *out);
bool trial_symbolic(const trial *t, const trial_size *s);
bool trial_equal(const trial_size *a, const trial_size *b);
bool trial_times(trial_size *into, const trial_size *by);
/* whole / part, when it is a size. */
bool trial_divide(const trial_size *whole, const trial_size *part, trial_size *out);
/* Its value in the example; 0: not known. */
int64_t trial_value(const trial *t, const trial_size *s);

bool trial_mended(const trial *t, size_t node, int input);
bool trial_same_mend(const trial_mend *a, const trial_mend *b);
/* Puts it into the graph that the linter works on. */
clstm_status trial_mend_graph(const trial *t, const trial_mend *m);

#endif
