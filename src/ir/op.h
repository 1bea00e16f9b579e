/* ir/op: the operator descriptor - one row of the table - and the context in which its functions work.
 *
 * The life of a node:
 *   load      attributes and arities are checked against the row by op_check_node(); then row->check (attribute values)
 *   plan      row->infer for the shapes at hand; constant nodes are run at once; row->prepare for those that stay
 *   run       row->run, nothing else
 * A step whose input data or shapes are only known at run time is dynamic: infer, prepare, run and release happen in the run.
 */
#ifndef IR_OP_H
#define IR_OP_H

#include "ir/graph.h"
#include "util/status.h"
#include "util/threads.h"

typedef struct op_ctx op_ctx;
typedef struct op_env op_env;

enum op_flag {
    OP_ALLOCATES = 1,       /* output shapes come from the data: run itself calls op_output_*; infer sets types only (rank -1) */
    OP_IMPURE = 2,          /* never folded (control flow with run-time limits, random numbers) */
    OP_CONTROL = 4,         /* has bodies */
    OP_REGISTERED = 16,     /* a program's own (api/operators.c) */
    OP_POINTWISE = 32,      /* OP_REGISTERED only: what time means to the others is plan/stream.c's */
    OP_MAP = 64,            /* prepared as an op_pointwise over input 0, the other inputs of one element: what epilogues are made of */
    OP_EPILOGUE = 128,      /* applies node->epilogue to output 0 */
    OP_BYTES = 256,         /* run copies its inputs' elements as bytes: they may lie at any address */
    OP_SHAPE_ONLY = 8       /* run reads the inputs' shapes, never their elements: folds as soon as those are known */
};

/* infer returns this when it needs the data of an input that is not known at plan time (never shown to users). */
#define OP_DEFER ((clstm_status)-1)

struct op_desc {
    const char *domain, *name;      /* domain "" is ai.onnx */
    int since, until;               /* opset versions, until 0: still valid */
    /* "X:T W:T B?:T lens?:int32 rest*:T": names with type variable or type; ? optional, * zero or more, + one or more (last only);
     * a variable V inside seq(V) or opt(V) is written V:seq(T); "any" means no check. */
    const char *inputs, *outputs;
    const char *types;              /* "T=float,double I=int32,int64"; groups: float* (4 types), int* (8), num* (both), all (num* and bool) */
    const char *attrs;              /* "axis:i=0 direction:s=forward activations:S value:t!": letter, =default, ! required */
    clstm_status (*check)(ir_node *node, clstm_error *err);     /* attribute values, at load; may set node->params */
    clstm_status (*infer)(op_ctx *ctx);                         /* outputs' type and shape; OP_DEFER */
    /* At the end of load: builds packed forms (ir_const_pack) of constant inputs; sets bit i of *claimed when it will never want
     * the raw bytes of input i again. */
    clstm_status (*prepack)(ir_node *node, uint32_t *claimed, clstm_error *err);
    clstm_status (*prepare)(op_ctx *ctx);                       /* shapes are final; sets ctx->prepared, ctx->scratch_bytes */
    clstm_status (*run)(op_ctx *ctx);
    void (*release)(op_ctx *ctx);                               /* what prepare made beyond op_prepared memory */
    /* Output `out` is a contiguous part of input *in from byte *offset: then run is not called. */
    bool (*view)(op_ctx *ctx, int out, int *in, size_t *offset);
    uint32_t inplace;               /* bit i: output 0 may lie on input i when their bytes are equal in number */
    unsigned flags;
    double (*flops)(const op_ctx *ctx);     /* multiply-adds count two; NULL: elementwise, none worth counting */
};

/* What run-time facts the plan hands to every operator. */
struct op_env {
    const clstm_limits *limits;
    bool onnxruntime_semantics;
    util_pool *pool;                        /* NULL: one thread */
    int steps_at_once;                      /* recurrent layers get no more steps of X at a time; 0: all */
    const atomic_bool *cancel;              /* looked at between steps of long operators */
    struct op_trace *trace;                 /* NULL: off (rnn/trace.h) */
    int64_t *live;                          /* bytes of the plan's values that are made while it runs; NULL outside of runs */
    /* Runs body `which` of ctx->node: in[] are the body's inputs, out[] receives values owned by the caller (op_value_clear). */
    clstm_status (*body_run)(op_ctx *ctx, int which, int n_in, const clstm_value *in, int n_out, clstm_value *out);
};

struct op_ctx {
    const ir_node *node;
    const op_env *env;
    clstm_error *err;
    int n_in, n_out;
    clstm_value **in;                       /* NULL: absent. tensor.data is NULL while unknown (infer, prepare) */
    clstm_value **out;                      /* NULL: absent */
    ir_const **consts;                      /* consts[i]: input i is this constant, else NULL */
    void *prepared;                         /* from op_prepared_alloc */
    size_t prepared_bytes;
    void *scratch;                          /* scratch_bytes, 64-byte aligned, garbage at the start of run */
    size_t scratch_bytes;
    void *plan;                             /* the plan's own */
};

/* ---- for operators --------------------------------------------------------------------------------------------------------- */

/* Zeroed memory that dies with the step; also put into ctx->prepared. NULL (no memory, or more than the limit arena-bytes): return
 * CLSTM_NO_MEMORY. */
void *op_prepared_alloc(op_ctx *ctx, size_t bytes);
/* Whether input i / output i is there. */
static inline bool op_has_in(const op_ctx *c, int i) { return i < c->n_in && c->in[i] && c->in[i]->kind != CLSTM_KIND_NONE; }
static inline bool op_has_out(const op_ctx *c, int i) { return i < c->n_out && c->out[i]; }
static inline clstm_tensor *op_in(const op_ctx *c, int i) { return &c->in[i]->tensor; }
static inline clstm_tensor *op_out(const op_ctx *c, int i) { return &c->out[i]->tensor; }
/* infer: sets output i (if wanted); checks the element limit. */
clstm_status op_set_out(op_ctx *ctx, int i, clstm_type type, int rank, const int64_t *dims);
/* infer: input i's data must be known; OP_DEFER when it is not. UTIL_TRY(op_need_data(ctx, 1)); */
clstm_status op_need_data(op_ctx *ctx, int i);
/* OP_ALLOCATES: gives output i its shape and memory (elements uninitialised), or an empty sequence of `count` items to fill
 * with op_sequence_item (which allocates item k). Freed by the executor. */
clstm_status op_output_tensor(op_ctx *ctx, int i, clstm_type type, int rank, const int64_t *dims);
clstm_status op_output_sequence(op_ctx *ctx, int i, clstm_type type, size_t count);
clstm_status op_sequence_item(op_ctx *ctx, clstm_value *sequence, size_t k, clstm_type type, int rank, const int64_t *dims);
/* Deep copy into / clearing of a value that owns its memory (tensor.data from util_aligned_alloc, items from calloc). */
clstm_status op_value_copy(clstm_value *to, const clstm_value *from, clstm_error *err);
void op_value_clear(clstm_value *v);

/* Counts `bytes` more (or, negative, fewer) among the values that runs make; CLSTM_LIMIT past the limit arena-bytes. */
clstm_status op_live_add(const op_env *env, int64_t bytes, clstm_error *err);
/* Bytes of the elements of a value, items included. */
int64_t op_value_bytes(const clstm_value *v);

/* Attributes, with the default that stands in the row. The row must list the name. */
int64_t op_attr_int(const ir_node *n, const char *name);
float op_attr_float(const ir_node *n, const char *name);
const char *op_attr_string(const ir_node *n, const char *name);             /* NULL: absent without default */
const int64_t *op_attr_ints(const ir_node *n, const char *name, size_t *count);  /* NULL, 0 when absent */
const float *op_attr_floats(const ir_node *n, const char *name, size_t *count);
/* The axis of the input that is axis d of the output of a Transpose whose shapes are inferred: perm may be absent or empty, or count from the end. */
int op_permuted(const ir_node *n, int rank, int d);
bool op_attr_given(const ir_node *n, const char *name);

/* Failures inside an operator; the framework puts `node 12 "x" (Op): ` in front. */
#define op_bad_model(ctx, ...) util_fail((ctx)->err, CLSTM_BAD_MODEL, __VA_ARGS__)
#define op_unsupported(ctx, ...) util_fail((ctx)->err, CLSTM_UNSUPPORTED, __VA_ARGS__)
/* Input data that break the rules at run time (an index out of range, say). */
#define op_bad_input(ctx, ...) util_fail((ctx)->err, CLSTM_BAD_ARGUMENT, __VA_ARGS__)

/* ---- for the loader, passes and plan ------------------------------------------------------------------------------------------ */

/* The row's prepare; memory of the node's own beyond the limit arena-bytes is refused by that name. */
clstm_status op_prepare(op_ctx *ctx);

/* CLSTM_BAD_ARGUMENT when a text of the row cannot be read or a function is missing. */
clstm_status op_check_row(const op_desc *row, clstm_error *err);
/* Whether the row lists the attribute. */
bool op_row_has_attr(const op_desc *row, const char *name);
/* The row for (domain, name) valid at `version`; NULL when there is none. *known says whether the name exists at any version. */
typedef const op_desc *(*op_lookup)(void *user, const char *domain, const char *name, int version, bool *known);
/* Attributes, arity and constant types of the node against its row, then row->check. */
clstm_status op_check_node(ir_node *n, clstm_error *err);
/* At run time: a value that has a name and holds nothing (a state that a Loop was not given) may only be an optional input. */
clstm_status op_check_present(op_ctx *ctx);
/* Types of the present inputs against the row (variables bound consistently), then row->infer. Fills types of outputs. */
clstm_status op_infer(op_ctx *ctx);

#endif
