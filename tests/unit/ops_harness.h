/* Runs one operator row by itself: check, infer, prepack, prepare, run - and again in place and as a view where the row says so, which
 * must give the same bytes. */
#ifndef TESTS_OPS_HARNESS_H
#define TESTS_OPS_HARNESS_H

#include "ir/op.h"

enum { OPS_CASE_MAX = 64 };

typedef struct ops_case {
    ir_graph *graph;
    ir_node *node;
    const op_desc *row;
    clstm_error err;
    clstm_value in[OPS_CASE_MAX], out[OPS_CASE_MAX];
    bool constant[OPS_CASE_MAX];            /* input i is handed over as an ir_const and packed when the row can */
    bool twice_differs;                     /* in-place or view did not give the bytes of the plain run, or packed weights their own */
} ops_case;

/* A node of `op` at `version`; NULL when no row is valid there. `domain` "" is ai.onnx. */
ops_case *ops_case_new(const char *op, const char *domain, int version, int n_in, int n_out);
void ops_case_int(ops_case *c, const char *name, int64_t v);
void ops_case_float(ops_case *c, const char *name, float v);
void ops_case_string(ops_case *c, const char *name, const char *v);
void ops_case_ints(ops_case *c, const char *name, const int64_t *v, size_t n);
void ops_case_floats(ops_case *c, const char *name, const float *v, size_t n);
void ops_case_tensor(ops_case *c, const char *name, const clstm_tensor *t);
/* Input i, by reference; leave it out for an absent one. */
void ops_case_input(ops_case *c, int i, clstm_type type, int rank, const int64_t *dims, const void *data);
/* Output i is not wanted. */
void ops_case_skip_output(ops_case *c, int i);
clstm_status ops_case_run(ops_case *c);
void ops_case_free(ops_case *c);

#endif
