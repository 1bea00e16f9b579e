/* Recurrent cases whose answers follow from the rules by hand: one or more for every row of the table of recurrent decisions that
 * is about numbers. The oracle's own test and the library's semantics test both go through them. */
#ifndef CLSTM_TESTS_HAND_CASES_H
#define CLSTM_TESTS_HAND_CASES_H

#include "cases.h"

/* Counts follow from the sizes; NULL is an absent input or an output that is not asked for. */
typedef struct {
    int row; /* of the table of decisions */
    const char *what;
    oracle_op op;
    oracle_type type;
    oracle_direction direction;
    int opset; /* 0: 14 */
    size_t T, B, I, H;
    int layout;
    const char *activations[6];
    size_t alpha_count, beta_count;
    float alpha[4], beta[4];
    float clip; /* 0: none */
    bool input_forget;
    int linear_before_reset, output_sequence;
    const char *direction_text; /* NULL: the direction's own word */
    bool empty_tail, no_hidden_size, onnxruntime_semantics;
    case_source source; /* of W, R, B and P */
    const double *X, *W, *R, *bias, *h, *c, *P;
    const int32_t *lens;
    const double *Y, *Y_h, *Y_c;
    double tolerance; /* absolute; 0: the answer is exact */
} hand_case;

/* In the order of their rows. */
extern const hand_case hand_cases[];
extern const size_t hand_case_count;

/* The same as a case that can be written and run; expected values are those of the table. NULL, or what failed. */
const char *hand_case_make(oracle_case *c, const hand_case *h);

#endif
