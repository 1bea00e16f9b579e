/* clstm: a runtime for ONNX models with LSTM, GRU and RNN layers.
 *
 * The path of a program:
 *
 *     clstm_error err;
 *     clstm_model *model;      clstm_model_load("m.onnx", NULL, &model, &err)
 *     clstm_session *session;  clstm_session_create(model, NULL, &session, &err)
 *     clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){100, 1, 64}, samples);
 *     clstm_session_set_input(session, 0, &x, &err)
 *     clstm_session_run(session, &err)
 *     const clstm_value *y = clstm_session_output(session, 0);     y->tensor.data
 *     clstm_session_destroy(session); clstm_model_destroy(model);
 *
 * A model is immutable and may be shared by threads. A session belongs to one thread at a time: a second one inside it gets
 * CLSTM_BUSY. Every function that can fail returns a clstm_status and, when `err` is not NULL, fills it with one line that names
 * the file, node and attribute. The library never prints, exits or aborts. Destroy functions take NULL.
 */
#ifndef CLSTM_CLSTM_H
#define CLSTM_CLSTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CLSTM_API __attribute__((visibility("default")))
#else
#define CLSTM_API
#endif

#define CLSTM_MAX_RANK 8

/* ---- Status and errors ------------------------------------------------------------------------------------------------ */

typedef enum clstm_status {
    CLSTM_OK = 0,
    CLSTM_NO_MEMORY,        /* an allocation failed; the object is as it was and usable */
    CLSTM_IO,               /* a file could not be opened, read or written */
    CLSTM_BAD_MODEL,        /* the file is not a model, or breaks the standard */
    CLSTM_UNSUPPORTED,      /* a valid model that asks for something this version does not do */
    CLSTM_BAD_ARGUMENT,     /* the caller's input, name, type, shape or option is wrong */
    CLSTM_LIMIT,            /* a limit of clstm_limits was reached; the message names it */
    CLSTM_BUSY,             /* another thread is inside this session */
    CLSTM_CANCELLED,        /* clstm_session_cancel */
    CLSTM_NOT_PREPARED,     /* a real-time session was run on a shape it was not prepared for */
    CLSTM_INTERNAL          /* a mistake of ours; please report it */
} clstm_status;

/* Filled on failure; the message is one line, without a final newline, control characters escaped. */
typedef struct clstm_error {
    clstm_status status;
    char message[1024];
} clstm_error;

/* The status's name: "bad model", "limit" ... Never NULL. */
CLSTM_API const char *clstm_status_name(clstm_status status);

/* The library's version, "0.1.0". */
CLSTM_API const char *clstm_version(void);

/* ---- Element types, tensors, values ------------------------------------------------------------------------------------ */

/* Numbers are those of the standard's TensorProto.DataType. */
typedef enum clstm_type {
    CLSTM_TYPE_NONE = 0,
    CLSTM_FLOAT = 1, CLSTM_UINT8 = 2, CLSTM_INT8 = 3, CLSTM_UINT16 = 4, CLSTM_INT16 = 5, CLSTM_INT32 = 6, CLSTM_INT64 = 7,
    CLSTM_STRING = 8, CLSTM_BOOL = 9, CLSTM_FLOAT16 = 10, CLSTM_DOUBLE = 11, CLSTM_UINT32 = 12, CLSTM_UINT64 = 13,
    CLSTM_COMPLEX64 = 14, CLSTM_COMPLEX128 = 15, CLSTM_BFLOAT16 = 16
} clstm_type;

/* "float", "int64" ...; "none" for anything unknown. */
CLSTM_API const char *clstm_type_name(clstm_type type);
/* Bytes of one element; 0 for types without a fixed size (string) or unknown ones. */
CLSTM_API size_t clstm_type_size(clstm_type type);

/* A view of dense row-major elements; it does not own `data`. In shapes that describe a model, -1 is an unknown dimension and
 * rank -1 an unknown rank. */
typedef struct clstm_tensor {
    clstm_type type;
    int32_t rank;
    int64_t dims[CLSTM_MAX_RANK];
    void *data;
} clstm_tensor;

/* A view of `rank` dimensions over `data`; rank above CLSTM_MAX_RANK gives a tensor of type CLSTM_TYPE_NONE. */
CLSTM_API clstm_tensor clstm_tensor_view(clstm_type type, int32_t rank, const int64_t *dims, void *data);
/* Elements of the tensor; -1 when a dimension is unknown or the product overflows. */
CLSTM_API int64_t clstm_tensor_count(const clstm_tensor *tensor);

typedef enum clstm_kind { CLSTM_KIND_NONE = 0, CLSTM_KIND_TENSOR, CLSTM_KIND_SEQUENCE } clstm_kind;

/* What flows along an edge: a tensor, a sequence of tensors, or nothing (an empty optional). */
typedef struct clstm_value {
    clstm_kind kind;
    clstm_tensor tensor;            /* kind TENSOR; in a sequence its type is that of the items */
    struct clstm_value *items;      /* kind SEQUENCE */
    size_t count;
} clstm_value;

/* ---- Limits: a model is untrusted input --------------------------------------------------------------------------------- */

typedef enum clstm_limit {
    CLSTM_LIMIT_FILE_BYTES, CLSTM_LIMIT_MESSAGE_DEPTH, CLSTM_LIMIT_MESSAGES, CLSTM_LIMIT_NODES, CLSTM_LIMIT_TENSORS,
    CLSTM_LIMIT_RANK, CLSTM_LIMIT_ELEMENTS, CLSTM_LIMIT_STRING_BYTES, CLSTM_LIMIT_SUBGRAPH_DEPTH, CLSTM_LIMIT_FUNCTION_DEPTH,
    CLSTM_LIMIT_LOOP_TRIPS, CLSTM_LIMIT_ARENA_BYTES, CLSTM_LIMIT_RUN_MILLISECONDS, CLSTM_LIMIT_COUNT
} clstm_limit;

typedef struct clstm_limits { int64_t value[CLSTM_LIMIT_COUNT]; } clstm_limits;

CLSTM_API void clstm_limits_default(clstm_limits *limits);
/* Name ("file-bytes"), default and one line of help of limit `which`; false past the last. */
CLSTM_API bool clstm_limit_describe(int which, const char **name, int64_t *value, const char **help);
/* Sets a limit by name; CLSTM_BAD_ARGUMENT for an unknown name or a negative value. 0 means no limit where its help says so. */
CLSTM_API clstm_status clstm_limits_set(clstm_limits *limits, const char *name, int64_t value, clstm_error *err);

/* ---- Model ------------------------------------------------------------------------------------------------------------- */

typedef struct clstm_model clstm_model;

typedef struct clstm_model_options {
    const clstm_limits *limits;             /* NULL: the defaults */
    /* Called with each warning (one line) while loading; may be NULL. */
    void (*warning)(void *user, const char *message);
    void *user;
    bool no_optimise;                       /* the graph stays as it is in the file; with the session's: a plain interpreter */
    struct clstm_operators *operators;      /* NULL, or operators of the program's own (below); the model keeps a reference */
} clstm_model_options;

/* Loads an ONNX model. The file is mapped during the call only. Meanwhile another file may take its name (the old one is loaded); a file
 * that is written to gives CLSTM_IO, one that is cut short may raise SIGBUS (clstm_model_load_memory has no such fault).
 * External data is looked for beneath the model's directory. `options` may be NULL. */
CLSTM_API clstm_status clstm_model_load(const char *path, const clstm_model_options *options, clstm_model **model, clstm_error *err);
/* The same from memory, which is not kept. `directory` is where external data may lie; NULL refuses such tensors. */
CLSTM_API clstm_status clstm_model_load_memory(const void *bytes, size_t size, const char *directory,
                                               const clstm_model_options *options, clstm_model **model, clstm_error *err);
/* Drops the caller's reference; sessions keep their own, so the order of destruction does not matter. */
CLSTM_API void clstm_model_destroy(clstm_model *model);

/* An input or output as declared. A graph input that has an initialiser is a constant and not among them. Unknown dimensions
 * are -1; dim_names[i] is the symbol of dimension i or NULL. The strings live as long as the model. */
typedef struct clstm_port {
    const char *name;
    clstm_kind kind;
    bool optional;                          /* declared as optional(...) */
    clstm_tensor tensor;                    /* type and shape; data is NULL */
    const char *dim_names[CLSTM_MAX_RANK];
} clstm_port;

CLSTM_API size_t clstm_model_input_count(const clstm_model *model);
CLSTM_API size_t clstm_model_output_count(const clstm_model *model);
/* NULL past the last. */
CLSTM_API const clstm_port *clstm_model_input(const clstm_model *model, size_t index);
CLSTM_API const clstm_port *clstm_model_output(const clstm_model *model, size_t index);
/* Index of a name, or of "#0", "#1" ... by position; -1 when there is none. */
CLSTM_API int clstm_model_find_input(const clstm_model *model, const char *name);
CLSTM_API int clstm_model_find_output(const clstm_model *model, const char *name);

/* metadata_props, in file order; false past the last. */
CLSTM_API bool clstm_model_metadata(const clstm_model *model, size_t index, const char **key, const char **value);

typedef struct clstm_model_info {
    int64_t ir_version;
    int64_t opset;                          /* of the default domain */
    const char *producer, *producer_version, *graph;
    int64_t parameters;                     /* elements of all initialisers and Constant tensors */
    size_t nodes;                           /* as in the file, bodies included */
} clstm_model_info;
CLSTM_API void clstm_model_get_info(const clstm_model *model, clstm_model_info *info);

/* ---- Session ----------------------------------------------------------------------------------------------------------- */

typedef struct clstm_session clstm_session;

/* Runs `task(arg, i)` for i in 0..count-1, on any threads, and returns when all are done. */
typedef void (*clstm_parallel_for)(void *user, int count, void (*task)(void *arg, int index), void *arg);

/* Zero-initialise and set what matters; clstm_session_options_default() does the same. */
enum {
    CLSTM_CARRY_PORTS = 1,                  /* state inputs and outputs, found by themselves: an ambiguous pair is an error */
    CLSTM_CARRY_LAYERS = 2                  /* forward layers whose initial state is absent or constant */
};

typedef struct clstm_session_options {
    int threads;                            /* 0 or 1: the caller's thread only, no thread is started */
    int spin_us;                            /* workers spin this long after a run before they sleep; -1: the default, 50 */
    bool onnxruntime_semantics;             /* where the standard is silent or differs: see doc/semantics.md */
    bool no_optimise;                       /* a plain interpreter: one node after another, for comparison */
    bool realtime;                          /* run on an unprepared shape returns CLSTM_NOT_PREPARED; otherwise it prepares */
    bool lock_memory;                       /* see clstm_session_prepare */
    unsigned carry;                         /* CLSTM_CARRY_*: which states stay between runs */
    int plan_cache;                         /* plans kept, by input shapes; 0: the default, 8 */
    const clstm_limits *limits;             /* NULL: those of the model */
    clstm_parallel_for parallel_for;        /* takes the place of the pool; NULL: our own threads */
    void *parallel_user;
} clstm_session_options;

CLSTM_API void clstm_session_options_default(clstm_session_options *options);

CLSTM_API clstm_status clstm_session_create(clstm_model *model, const clstm_session_options *options, clstm_session **session, clstm_error *err);
CLSTM_API void clstm_session_destroy(clstm_session *session);

/* Fixes a symbolic dimension for later plans (name as declared), CLSTM_BAD_ARGUMENT when the model has none of that name. */
CLSTM_API clstm_status clstm_session_set_dim(clstm_session *session, const char *name, int64_t value, clstm_error *err);
/* Declares input `index` known for good: it folds into the plan. The elements are copied. NULL takes it back. */
CLSTM_API clstm_status clstm_session_set_constant(clstm_session *session, size_t index, const clstm_tensor *value, clstm_error *err);

/* Gives input `index` for the next runs: the view is kept, the elements are read in place at each run and must stay valid.
 * Type and known dimensions must agree with the declared ones. */
CLSTM_API clstm_status clstm_session_set_input(clstm_session *session, size_t index, const clstm_tensor *tensor, clstm_error *err);
/* The same for sequences and optionals; `value` and its items are kept by reference. */
CLSTM_API clstm_status clstm_session_set_input_value(clstm_session *session, size_t index, const clstm_value *value, clstm_error *err);
/* Binds output `index` to the caller's memory of `size` bytes (NULL unbinds), aligned for its elements and apart from the inputs and other
 * bound outputs. It is written by each run, without a copy where a node makes the output, and must stay valid until it is unbound. A run
 * whose output is larger, or no tensor, is refused. */
CLSTM_API clstm_status clstm_session_bind_output(clstm_session *session, size_t index, void *data, size_t size, clstm_error *err);

/* Builds the plan for the inputs as they are set now (their data may be NULL: only shapes count) and touches every page that a run on
 * this thread will: arena, weights, states, code and stack. With options.lock_memory arena, weights, states and stacks (of the session's
 * threads and of the caller) are locked in memory as well, or the session or plan refused with CLSTM_NO_MEMORY and a message that names
 * RLIMIT_MEMLOCK; weights stay locked as long as the model lives. Code is the program's to lock (mlockall). */
CLSTM_API clstm_status clstm_session_prepare(clstm_session *session, clstm_error *err);
/* Runs the model on the inputs set. With one thread and a prepared shape it allocates nothing, locks nothing, makes no system call
 * and takes no page fault, from the first call on: models with data-dependent shapes (NonZero, Loop, sequences) excepted. */
CLSTM_API clstm_status clstm_session_run(clstm_session *session, clstm_error *err);
/* Output `index` of the last run; valid until the next run, prepare or destroy. NULL before a run. */
CLSTM_API const clstm_value *clstm_session_output(const clstm_session *session, size_t index);

/* Asks a run in progress to stop between steps with CLSTM_CANCELLED. Async-signal-safe; without a run, the next one stops. */
CLSTM_API void clstm_session_cancel(clstm_session *session);

/* ---- Operators of a program's own -----------------------------------------------------------------------------------------------
 *
 * A model may use operators that clstm lacks. A program describes each by a row, as the library's own table does, puts the rows into
 * a set and names the set in clstm_model_options. doc/own-operators.md is the how-to, examples/operator.c a whole program.
 *
 *     load     attributes, number and types of inputs of every node are checked against its row; then row.check
 *     plan     row.infer for the shapes at hand; then row.prepare
 *     run      row.run
 *     at the end of the plan   row.release
 *
 * Where only the run knows the shapes, it goes through infer, prepare, run and release each time. Bodies of If, Loop and Scan and
 * functions may use the operators like any other node. Callbacks must be safe on several threads at once (sessions of one model run
 * at the same time), may not call into the session that runs them, and return a status: CLSTM_OK, or what clstm_call_fail gave. */

typedef struct clstm_operators clstm_operators;         /* a set of rows */
typedef struct clstm_call clstm_call;                   /* a node in one of its callbacks; ends with it */

enum {
    CLSTM_OPERATOR_PURE = 1,                /* outputs depend on inputs and attributes alone: with constant inputs it runs once, ahead of time */
    CLSTM_OPERATOR_POINTWISE = 2,           /* an element of an output depends on those at its place in the inputs, which broadcast: streams may use it */
    CLSTM_OPERATOR_IN_PLACE = 4,            /* output 0 may lie on input 0 when both have as many bytes: an element is read before its place is written */
    CLSTM_OPERATOR_ALLOCATES = 8            /* output shapes come from the data: there is no infer, run calls clstm_call_allocate */
};

/* Zero-initialise and set what matters. The texts are copied.
 *   inputs, outputs   "X:T slope?:T rest*:T": names, each with a type or a variable; ? may be absent, the last may be * (any number) or
 *                     + (at least one); "any" is any type. Outputs' types are documentation: infer sets them.
 *   types             "T=float,double I=int32,int64": what a variable may be, the same in every place. Groups: float*, int*, num*, all
 *   attributes        "alpha:f=0.01 axis:i! mode:s=linear pads:I": a letter (i, f, s, t; lists I, F, S), then =DEFAULT, or ! when it must be
 *                     given. A node with any other attribute is refused. */
typedef struct clstm_operator_row {
    const char *domain, *name;              /* NULL is the standard's domain: only for operators that this version lacks */
    int since, until;                       /* the versions of the domain at which it holds; until 0: all later ones */
    const char *inputs, *outputs, *types, *attributes;
    unsigned flags;                         /* CLSTM_OPERATOR_* */
    clstm_status (*check)(clstm_call *call);        /* may be NULL: are the attributes' values right? Inputs are not known yet */
    clstm_status (*infer)(clstm_call *call);        /* clstm_call_set_output for each output */
    clstm_status (*prepare)(clstm_call *call);      /* may be NULL: the shapes are final; clstm_call_keep, clstm_call_want_scratch */
    clstm_status (*run)(clstm_call *call);          /* writes the outputs; should not allocate */
    void (*release)(clstm_call *call);              /* may be NULL: frees what prepare made beyond clstm_call_keep */
    void *user;                             /* for clstm_call_user */
    void (*free_user)(void *user);          /* may be NULL: called when the set and the last model that has it are gone */
} clstm_operator_row;

CLSTM_API clstm_status clstm_operators_create(clstm_operators **set, clstm_error *err);
/* Adds a row. CLSTM_BAD_ARGUMENT names what is wrong with it: a text that cannot be read, a name that clstm has itself, a version that
 * another row of the set has. Not while another thread loads a model with the set. */
CLSTM_API clstm_status clstm_register_operator(clstm_operators *set, const clstm_operator_row *row, clstm_error *err);
/* Drops the caller's reference; models keep their own. */
CLSTM_API void clstm_operators_destroy(clstm_operators *set);

/* In every callback. Inputs and outputs are NULL when absent, when no tensor, and in check; an input's data is NULL while it is not
 * known: before the run only constants have data, which prepare may pack. An output's data is NULL before the run. */
CLSTM_API void *clstm_call_user(const clstm_call *call);
CLSTM_API const char *clstm_call_node(const clstm_call *call);              /* the node's name */
CLSTM_API int clstm_call_version(const clstm_call *call);                   /* of the domain, as the model imports it */
CLSTM_API int clstm_call_inputs(const clstm_call *call);                    /* places, absent ones between others included */
CLSTM_API int clstm_call_outputs(const clstm_call *call);
CLSTM_API const clstm_tensor *clstm_call_input(const clstm_call *call, int index);
CLSTM_API const clstm_tensor *clstm_call_output(const clstm_call *call, int index);
/* Fails the callback: `return clstm_call_fail(call, CLSTM_BAD_MODEL, "...", ...)`. The node is put in front of the message. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
CLSTM_API clstm_status clstm_call_fail(clstm_call *call, clstm_status status, const char *format, ...);

/* Attributes, or the row's default; without either 0, NULL and a count of 0. They live until release. */
CLSTM_API bool clstm_call_has(const clstm_call *call, const char *attribute);
CLSTM_API int64_t clstm_call_int(const clstm_call *call, const char *attribute);
CLSTM_API float clstm_call_float(const clstm_call *call, const char *attribute);
CLSTM_API const char *clstm_call_string(const clstm_call *call, const char *attribute);
CLSTM_API const int64_t *clstm_call_ints(const clstm_call *call, const char *attribute, size_t *count);
CLSTM_API const float *clstm_call_floats(const clstm_call *call, const char *attribute, size_t *count);
CLSTM_API const char *const *clstm_call_strings(const clstm_call *call, const char *attribute, size_t *count);
CLSTM_API const clstm_tensor *clstm_call_tensor(const clstm_call *call, const char *attribute);

/* infer: the type and shape of output `index`; nothing happens when the node leaves it out. */
CLSTM_API clstm_status clstm_call_set_output(clstm_call *call, int index, clstm_type type, int rank, const int64_t *dims);
/* infer: the shape depends on the elements of input `index`. When this is not CLSTM_OK, return it at once: infer is called again
 * when they are known. */
CLSTM_API clstm_status clstm_call_need(clstm_call *call, int index);
/* prepare, once: zeroed memory that stays until release, 64-byte aligned; then clstm_call_kept finds it. NULL without memory. */
CLSTM_API void *clstm_call_keep(clstm_call *call, size_t bytes);
CLSTM_API void *clstm_call_kept(const clstm_call *call);
/* prepare: run needs so many bytes for its own use, 64-byte aligned, of no particular value at its start. */
CLSTM_API clstm_status clstm_call_want_scratch(clstm_call *call, size_t bytes);
CLSTM_API void *clstm_call_scratch(const clstm_call *call);
/* run, with CLSTM_OPERATOR_ALLOCATES: gives output `index` its type, shape and memory; clstm_call_output then has it. */
CLSTM_API clstm_status clstm_call_allocate(clstm_call *call, int index, clstm_type type, int rank, const int64_t *dims);
/* run: task(arg, 0..count-1) on the session's threads, done when it returns; clstm_call_threads says how many there are. */
CLSTM_API int clstm_call_threads(const clstm_call *call);
CLSTM_API clstm_status clstm_call_parallel(clstm_call *call, int count, void (*task)(void *arg, int index), void *arg);

/* ---- What is inside ------------------------------------------------------------------------------------------------------- */

/* One row of the table of operators: `name` of `domain` ("" is ai.onnx) for opsets since..until, until 0: the newest included. */
typedef struct clstm_operator { const char *domain, *name; int since, until; } clstm_operator;
/* Row `index`, sorted by domain, name and version; false past the last. */
CLSTM_API bool clstm_operator_describe(size_t index, clstm_operator *row);

/* An operator that a model uses, bodies and functions included: how often, and at which opset of its domain. */
typedef struct clstm_operator_use { const char *domain, *name; int version; size_t count; } clstm_operator_use;
/* Operator `index` of the model as it is in the file, sorted by domain and name; false past the last. */
CLSTM_API bool clstm_model_operator(const clstm_model *model, size_t index, clstm_operator_use *use);

/* A recurrent layer of the loaded model. Sizes are -1 where only the run knows them. */
typedef struct clstm_layer {
    const char *node, *type, *direction;    /* type: "LSTM", "GRU", "RNN" */
    int64_t input_size, hidden_size;
    int directions, layout;
    bool constant_weights;                  /* W and R are in the file, or computed from what is */
    bool bias, sequence_lens, initial_h, initial_c, peephole;
} clstm_layer;
CLSTM_API bool clstm_model_layer(const clstm_model *model, size_t index, clstm_layer *layer);

/* What became of the graph in the plan that the session last prepared or ran. Nodes of bodies count, and those of functions at each
 * call: before = after + folded + unused + simplified + fused + recovered. */
typedef struct clstm_graph {
    size_t before, after;
    size_t folded;                          /* known before the run: constants, arithmetic of shapes, branches never taken */
    size_t unused;                          /* no output needs them */
    size_t simplified;                      /* they changed nothing, or were joined with another */
    size_t fused;                           /* done by the node whose result they took */
    size_t fused_rows;                      /* those of them that added a row, from which a product's sums now start: the last bit may differ */
    size_t recovered, recovered_layers;     /* part of a recurrent cell that the file spells out; the recurrent nodes made of them */
    size_t calls;                           /* steps of a run: an operator is called */
    size_t views;                           /* steps that cost nothing */
    size_t dynamic;                         /* calls whose shapes only the run knows: they allocate */
    size_t arena_bytes;                     /* as clstm_session_memory */
} clstm_graph;
/* False without a plan. */
CLSTM_API bool clstm_session_graph(const clstm_session *session, clstm_graph *graph);

/* The plans that a session keeps, one for each set of input shapes: at most options.plan_cache, then the one not used for longest
 * gives way. A shape that comes back afterwards is planned anew: many evictions are a reason for a larger cache. */
typedef struct clstm_plan_cache { size_t kept, most; uint64_t built, evicted; } clstm_plan_cache;
CLSTM_API void clstm_session_plans(const clstm_session *session, clstm_plan_cache *cache);

/* One step of the plan that the session last prepared or ran. What it must cost is the sum over `cost` of times * the larger of
 * flops at the machine's peak and bytes at the bandwidth of so many bytes read again and again. */
typedef struct clstm_step {
    const char *node, *type;
    bool view;                              /* costs nothing */
    bool dynamic;                           /* shapes are found at each run; no cost is known */
    struct { double flops, bytes, times; } cost[2];
    double seconds;                         /* summed over the runs since clstm_session_profile(true); layers that threads walk
                                             * together each have those of their own thread */
} clstm_step;
/* False past the last, and without a plan. */
CLSTM_API bool clstm_session_step(const clstm_session *session, size_t index, clstm_step *step);
/* Starts (from zero) or stops the timing of steps. */
CLSTM_API clstm_status clstm_session_profile(clstm_session *session, bool on, clstm_error *err);
/* Bytes of the current plan's arena; 0 without a plan. */
CLSTM_API size_t clstm_session_memory(const clstm_session *session);

/* ---- State: what a recurrent model remembers between runs -------------------------------------------------------------------
 *
 * A session carries states when options.carry asks for it or clstm_session_carry names a pair. Each run then reads the carried
 * inputs from a state and leaves the new values there; nobody sets those inputs. A session has a state of its own; others can
 * be attached in its place, so that one session serves many streams in turn, or all at once with clstm_session_run_streams.
 * clstm_session_set_input on a carried input gives its shape and, with data, the value that the session's own state takes next; an open
 * dimension that nobody gives is taken to be as large as the other inputs make it. */

typedef struct clstm_state clstm_state;

/* Output `output` is the next value of input `input` (names, or "#0" by position), whatever would be found automatically. */
CLSTM_API clstm_status clstm_session_carry(clstm_session *session, const char *output, const char *input, clstm_error *err);

typedef struct clstm_carry_info {
    const char *name;                       /* of the part: the input's name, or "LAYER.h" */
    int input, output;                      /* ports; -1 for internal states of layers */
    const char *why;                        /* "name", "layer", "layer and name", "kept and name", "metadata", "told", "internal" */
    clstm_tensor tensor;                    /* type and shape as of the prepared plan; before that as declared */
} clstm_carry_info;
/* The carried parts; internal ones are known once the session is prepared. False past the last. */
CLSTM_API bool clstm_session_carry_describe(const clstm_session *session, size_t index, clstm_carry_info *info);
/* The session's own state goes back to its initial values (zero, or the model's constants), without allocating when its shape stays. */
CLSTM_API clstm_status clstm_session_reset(clstm_session *session, clstm_error *err);

/* A state for the prepared shapes, at its initial values. lanes 0: as many batch rows as the plan has; 1: a state of one stream,
 * for clstm_session_run_streams or a session prepared for batch 1. Does not depend on the session afterwards. */
CLSTM_API clstm_status clstm_state_create(clstm_session *session, int lanes, clstm_state **state, clstm_error *err);
CLSTM_API void clstm_state_destroy(clstm_state *state);
CLSTM_API void clstm_state_reset(clstm_state *state);
/* Both must have the same parts. */
CLSTM_API clstm_status clstm_state_copy(clstm_state *to, const clstm_state *from, clstm_error *err);
/* Bytes of the values. */
CLSTM_API size_t clstm_state_size(const clstm_state *state);
/* Part `index`: its name and a view that may be read and written; false past the last. */
CLSTM_API bool clstm_state_part(clstm_state *state, size_t index, const char **name, clstm_tensor *tensor);
/* Bytes that save writes (a versioned, checksummed format: doc/state-format.md), and the two ways. load refuses what is damaged
 * or has other parts, types or shapes, and then changes nothing. */
CLSTM_API size_t clstm_state_saved_size(const clstm_state *state);
CLSTM_API clstm_status clstm_state_save(const clstm_state *state, void *buffer, size_t size, clstm_error *err);
CLSTM_API clstm_status clstm_state_load(clstm_state *state, const void *buffer, size_t size, clstm_error *err);

/* Runs use `state` (kept by reference) until another is attached; NULL: the session's own. A state whose parts differ in name, type or
 * shape from what the session carries is refused: here, or by the run when no plan is there yet. */
CLSTM_API clstm_status clstm_session_attach(clstm_session *session, clstm_state *state, clstm_error *err);
/* One batched run of `count` independent streams: lane i of the batch reads and updates states[i], a state of one lane, or NULL: an empty
 * lane, whose inputs are read and whose results mean nothing. The inputs set must have batch `count`. Lanes join and leave from call to
 * call, by another number of states (a shape to prepare, one of options.plan_cache; then nothing is allocated) or by empty lanes. The same
 * state twice is refused. A run that fails leaves every state as it was; the session's own state has no part in it. */
CLSTM_API clstm_status clstm_session_run_streams(clstm_session *session, clstm_state *const *states, size_t count, clstm_error *err);

/* ---- Streams along time --------------------------------------------------------------------------------------------------------
 *
 * A model is streamable along an axis of an input when everything that the axis reaches is pointwise in time, or a forward recurrent
 * layer along it whose state is carried, and no other layer carries one. Then a sequence fed in pieces of any length, with
 * CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS, gives the same bits as in one run. */

/* *axis: the axis to check, or -1 to find it. output_axes (one for each output) receives the axis along which an output runs, -1 for
 * those of which only the last counts. CLSTM_UNSUPPORTED names the node that makes the model not streamable. Other inputs count with
 * the shapes set, or as declared with 1 for unknowns. */
CLSTM_API clstm_status clstm_session_stream(clstm_session *session, size_t input, int *axis, int *output_axes, clstm_error *err);

/* ---- Gates ------------------------------------------------------------------------------------------------------------------------ */

/* One batch row of one step of one direction of a recurrent layer. The arrays have `hidden` values and live during the call. */
typedef struct clstm_trace_step {
    const char *node, *type;                /* the node's name, "LSTM", "GRU" or "RNN" */
    int direction, directions;
    int64_t t, b;                           /* step of the input's time axis, batch row */
    int64_t steps, batch, hidden;
    int gates;                              /* LSTM 4: i, o, f, candidate; GRU 3: z, r, candidate; RNN 1: the new h */
    const double *gate[4];                  /* after activation */
    const double *h, *c;                    /* after the step; c is NULL but for LSTM */
} clstm_trace_step;
typedef void (*clstm_trace_fn)(void *user, const clstm_trace_step *step);
/* Has fn called for every step of every recurrent layer in the runs to come; NULL turns it off. Costs nothing when off. */
CLSTM_API clstm_status clstm_session_trace(clstm_session *session, clstm_trace_fn fn, void *user, clstm_error *err);

#ifdef __cplusplus
}
#endif
#endif
