/* A recurrent cell drawn at random, and the habit in which it is written in primitive operators. */
#ifndef CLSTM_TESTS_CELL_HABIT_H
#define CLSTM_TESTS_CELL_HABIT_H

#include "cell_text.h"

/* A cell and the habit in which it is written. */
typedef struct cell_habit {
    unsigned seed;
    char kind, type;            /* l, g, r; f, d */
    int b, i, h, rank;          /* of x and h */
    bool inner_batch;           /* rank 3: [B,1,.] for [1,B,.] */
    char order[8];              /* of the gates */
    bool fused, separate, matmul, transposed, swapped, squashed;
    int cut, bias, bias_rank;
    bool after, coupled, forget_bias;
    int peepholes;              /* bit 0 i, 1 f, 2 o */
    int f, g, hh, ending;
} cell_habit;

/* The first four endings keep the past where z is 1, the second four where z is 0. */
enum { CELL_ENDINGS = 4 };

cell_habit cell_habit_of(unsigned seed);
/* 0 to n - 1 */
int cell_draw(cell_habit *s, int n);
/* The dimensions of a port whose last is n; the batch, or the width of a vector x, is '?'. */
const char *cell_dims(const cell_habit *s, int n, char *out);
/* The cell from x, h (and c) to new_h (and new_c). */
void cell_write(cell_text *t, cell_habit *s);
/* One line of it, for messages. */
void cell_describe(const cell_habit *s, unsigned seed, char *out, size_t size);

#endif
