/* The recurrent reference: LSTM, GRU and RNN in scalar long double, written from the ONNX equations.
 *
 * It shares no code with the library. Values arrive as long double that are exact in the declared type. For float and double the
 * state is kept in long double throughout, so a result is the mathematical value; for float16 and bfloat16 h and c are rounded to
 * the declared type after every step and everything after that (the output peephole, h(C), the next step) sees the rounded value,
 * because the rounding is then part of the operator's definition. The caller rounds Y, Y_h, Y_c to the declared type. */
#ifndef CLSTM_TESTS_ORACLE_H
#define CLSTM_TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { ORACLE_LSTM, ORACLE_GRU, ORACLE_RNN } oracle_op;
typedef enum { ORACLE_FORWARD, ORACLE_REVERSE, ORACLE_BIDIRECTIONAL } oracle_direction;
typedef enum { ORACLE_FLOAT, ORACLE_DOUBLE, ORACLE_FLOAT16, ORACLE_BFLOAT16, ORACLE_TYPES } oracle_type;

/* Absent optional inputs are NULL, absent lists have count 0. Shapes are those of the operator for the given layout. */
typedef struct {
    oracle_op op;
    oracle_type type;
    oracle_direction direction;
    int layout;
    size_t T, B, I, H;
    bool has_clip;
    float clip;
    bool input_forget;
    bool linear_before_reset;
    bool onnxruntime_semantics; /* rows 8, 10 and 11 as ONNX Runtime has them */
    const char *const *activations;
    size_t activation_count;
    const float *alpha, *beta;
    size_t alpha_count, beta_count;
    const long double *X, *W, *R, *bias, *initial_h, *initial_c, *P;
    const int32_t *sequence_lens;
    /* Not part of the operator: every gate's input is moved by up to gate_noise * (sum of the magnitudes of its terms), every new h
     * and c by up to state_noise * its magnitude, signs and sizes drawn from noise_seed. The distance of such a run from the exact
     * one tells how well conditioned a case is. */
    long double gate_noise, state_noise;
    uint64_t noise_seed;
    long double give_up_above; /* stop at the first step whose h or c is larger in magnitude: r->peak tells; 0: never */
} oracle_problem;

/* Buffers of the caller, in the operator's shapes; any may be NULL. */
typedef struct {
    long double *Y, *Y_h, *Y_c;
    long double *gates; /* [T, D, B, 5, H]: the gates after their activations in the operator's order, LSTM's new c at place 4 */
    long double margin; /* smallest distance of a ThresholdedRelu input from its jump, relative to the sum of its terms; with gate_noise only */
    long double peak;   /* largest magnitude that an h or c reached */
} oracle_result;

/* NULL on success, else a static text that says what is wrong with the problem. */
const char *oracle_run(const oracle_problem *p, oracle_result *r);

size_t oracle_gates(oracle_op op);
size_t oracle_directions(oracle_direction d);
size_t oracle_functions(oracle_op op); /* activations for one direction */

/* The eleven activation functions, in a fixed order, for the generator. */
size_t oracle_activation_total(void);
const char *oracle_activation_name(size_t index);
bool oracle_activation_takes_alpha(size_t index);
bool oracle_activation_takes_beta(size_t index);

/* Element types: rounding to nearest even, encoding to and from the file's bytes, and the unit in the last place. */
long double oracle_round(oracle_type t, long double v);
size_t oracle_type_size(oracle_type t);
const char *oracle_type_name(oracle_type t);
int oracle_type_onnx(oracle_type t); /* TensorProto.DataType */
void oracle_encode(oracle_type t, const long double *v, size_t n, void *bytes);
void oracle_decode(oracle_type t, const void *bytes, size_t n, long double *v);
long double oracle_ulp(oracle_type t, long double v);

/* The tests' own random numbers: one 64-bit state, the same everywhere. */
uint64_t oracle_random(uint64_t *state);
long double oracle_random_unit(uint64_t *state); /* uniform in [-1, 1) */

#endif
