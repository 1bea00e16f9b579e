/* A recurrent model of one node with its data and expected results, drawn from a seed. The same family and seed give the same case
 * on every machine. What is drawn: operator, opset, element type, sizes, every attribute and how it is written, any subset of the
 * optional inputs and outputs, where each weight comes from, and asymmetric random values. */
#ifndef CLSTM_TESTS_CASES_H
#define CLSTM_TESTS_CASES_H

#include "oracle.h"

typedef enum {
    FAMILY_SMALL,  /* T 0-12, B 0-6, sizes about every vector width, all types */
    FAMILY_LARGE,  /* H 63-257, T 40-44 */
    FAMILY_CORPUS, /* as small with sizes that fit a file of a few kB: tests/conformance */
    FAMILY_ORT     /* what ONNX Runtime 1.x runs: float, layout 0, opset 7-21, its own reading of rows 8, 10 and 11 */
} case_family;

enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P, CASE_INPUTS };
enum { OUT_Y, OUT_H, OUT_C, CASE_OUTPUTS };

typedef enum {
    SOURCE_INITIALIZER,
    SOURCE_CONSTANT,  /* a Constant node */
    SOURCE_IDENTITY,  /* Identity of an initialiser */
    SOURCE_TRANSPOSE, /* Transpose of an initialiser, last two axes exchanged */
    SOURCE_INPUT      /* a graph input */
} case_source;

/* Values are kept twice: exact (v) and as the bytes of the declared type. Lengths are int32 and have bytes only. */
typedef struct {
    bool present;
    case_source source;
    int rank;
    size_t dims[4], count;
    long double *v;
    void *bytes;
} case_tensor;

typedef struct {
    uint64_t seed;
    case_family family;
    char name[96];
    oracle_op op;
    oracle_type type;
    oracle_direction direction;
    int version, opset;          /* the operator's since-version, and the opset that the model imports */
    size_t T, B, I, H, D;
    int layout;
    const char *direction_text;  /* NULL: the attribute is left out */
    bool hidden_size_written;
    size_t activation_count, alpha_count, beta_count;
    char activation_text[6][20];
    const char *activations[6];
    float alpha[8], beta[8];
    bool has_clip;
    float clip;
    int input_forget, linear_before_reset, output_sequence; /* -1: left out */
    bool layout_written;
    bool empty_tail;             /* absent inputs and outputs at the end are written as "" */
    bool typed_data;             /* initialisers in float_data, int32_data ... in place of raw_data */
    bool ir3;                    /* IR version 3: initialisers are listed as graph inputs too */
    bool symbolic;               /* sequence and batch size are symbols in the graph's shapes */
    bool lens_int64;             /* never drawn: sequence_lens declared with a type that the operator does not have */
    bool onnxruntime_semantics;
    case_tensor in[CASE_INPUTS];
    case_tensor out[CASE_OUTPUTS]; /* present: the model has it. All are filled with the expected values, rounded to the type. */
    long double *exact[CASE_OUTPUTS];
    long double spread;          /* how far rounding errors move this case, in ulp(max(|expected|, 2^-7)) */
    long double drift[CASE_OUTPUTS]; /* the same for each output, absolute */
} oracle_case;

/* NULL, or why the case could not be made. Free in both cases. */
const char *oracle_case_make(oracle_case *c, case_family family, uint64_t seed);
void oracle_case_free(oracle_case *c);

/* The oracle's view of the case. */
oracle_problem oracle_case_problem(const oracle_case *c);
const char *oracle_op_name(oracle_op op);
/* Graph name of input or output i of the operator: "X", "W" ..., "Y", "Y_h", "Y_c". */
const char *oracle_input_name(int i);
const char *oracle_output_name(int i);
/* Error of `got` in ulp(max(|expected|, 2^-7)) of the type; infinite when one is NaN or the infinities differ. */
long double oracle_error_ulp(oracle_type t, long double expected, long double got);

/* The error in the same unit that is allowed at element i of output k. Drift is what a rounding of every term of every gate's input
 * (2^-23 relative; 2^-52 for double) and of every state does to the case; a library may be 32 ulp and sixteen times
 * that off (one sample of the noise is not its worst; a wrong gate is off by thousands of times as much). For the
 * half types, where one flipped rounding of a state is one ulp by itself, 2 ulp and twice that. */
long double oracle_tolerance(const oracle_case *c, int k, size_t i);
/* The same after many more samples of the noise, for a case that fails by a little: of few samples the largest may be far from the worst. */
long double oracle_last_tolerance(const oracle_case *c, int k, size_t i);
/* The same for any value whose drift is known. */
long double oracle_allowed(oracle_type t, long double expected, long double drift);
/* Makes of p the disturbed problem: the errors that a sound implementation makes, a rounding of every term of a gate's input and of
 * every state. */
void oracle_set_noise(oracle_problem *p, uint64_t seed);

#endif
