/* Models of recurrent cells in primitive operators, as text; and what a session makes of them. */
#ifndef CLSTM_TESTS_CELL_TEXT_H
#define CLSTM_TESTS_CELL_TEXT_H

#include "model_text.h"

typedef struct cell_text { char s[32000]; size_t n; } cell_text;

__attribute__((format(printf, 2, 3)))
void cell_say(cell_text *t, const char *format, ...);
/* A constant of `count` made-up numbers, different for each name. */
void cell_constant(cell_text *t, char type, const char *name, const char *dims, int count);
/* Replaces the first `from`; the test fails when there is none. */
void cell_change(cell_text *t, const char *from, const char *to);

/* Outputs of a run over made-up inputs (unknown dimensions become `batch`), and the plan: steps, those of them that are no views, recurrent
 * ones (as many as `layers`), Loops, Scans and Ifs, and the last recurrent one's type; and the layers that the model has as loaded. */
enum { CELL_OUTPUTS = 4, CELL_NUMBERS = 128 };
typedef struct cell_outcome { double y[CELL_OUTPUTS][CELL_NUMBERS]; size_t steps, work, layers, bodies, of_model; char type[8]; } cell_outcome;
cell_outcome cell_play(const char *inputs, const char *outputs, const char *nodes, pbuf *bodies, int64_t batch, bool plain);
/* Fails unless both outcomes hold the same numbers up to `most` apart. */
void cell_same(const char *what, const cell_outcome *plain, const cell_outcome *fast, double most);

#endif
