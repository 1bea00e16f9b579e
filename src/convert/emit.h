/* convert/emit: a model as C99. The graph is walked once with symbolic sizes (emit_graph.c), the live values get memory (emit_memory.c),
 * every node becomes a static function whose body its row of the table writes (emit_table.c and the families), and emit_file.c puts the
 * source, the header and a main together.
 *
 * A symbolic dimension stays a macro as long as every rule that meets it holds for any size; the first rule that does not pins the
 * symbol: the walk starts anew with the dimension fixed, and the header refuses another value of the macro. */
#ifndef CONVERT_EMIT_H
#define CONVERT_EMIT_H

#include "convert/emit_dim.h"
#include "ir/op.h"

#include <clstm/convert.h>

typedef struct emitter emitter;
typedef struct emit_step emit_step;

/* Text that grows; a failure is remembered. */
typedef struct emit_string { char *text; size_t size, capacity; bool failed; } emit_string;

typedef struct emit_value {
    ir_value *ir;                       /* NULL: a temporary */
    clstm_type type;
    int rank;
    int64_t trial[CLSTM_MAX_RANK];      /* the shape at the trial sizes */
    emit_dim dims[CLSTM_MAX_RANK], count;
    emit_dim *known;                    /* the elements, where they follow from sizes alone: integers and bools, few */
    bool zero;                          /* every element is 0 */
    bool needed;                        /* somebody reads its elements */
    struct emit_value *base;            /* a view of base from element `offset` */
    emit_dim offset;
    int first, last;                    /* steps, counted double: written at 2i+1, read at 2i */
    int output;                         /* the graph output that it is written to, or -1 */
    int buffer;                         /* or -1 */
    int number;                         /* of its member in the buffer, or of its array when constant */
    const char *text;                   /* the C expression for a pointer to its elements, once placed */
} emit_value;

/* One operator of the emitter's table. */
typedef struct emit_row {
    const char *domain, *name;
    clstm_status (*shape)(emitter *e, emit_step *s);    /* sizes and known elements of the outputs; NULL: only for fixed sizes */
    clstm_status (*code)(emitter *e, emit_step *s);     /* writes the body of the node's function */
    clstm_status (*plan)(emitter *e, emit_step *s);     /* asks for temporaries, before memory is laid out */
    uint32_t parameters;                                /* bit i: input i is read as known elements, not as data */
    uint32_t zeros;                                     /* bit i: input i is not read when it is all zero */
    unsigned flags;
    const char *real, *integer, *natural;               /* formulas of elementwise rows (emit_elementwise.c); natural: unsigned, if another */
} emit_row;
/* EMIT_BLOCK: opens, divides or closes a block of calls (emit_control.c); its code goes between the calls. EMIT_SKIPS_EMPTY: inputs without
 * elements are not read. */
enum { EMIT_VIEW = 1, EMIT_IN_PLACE = 2, EMIT_BLOCK = 4, EMIT_SKIPS_EMPTY = 8 };

enum { EMIT_TEMPORARIES = 8 };
struct emit_step {
    ir_node *n;
    const emit_row *row;
    op_ctx ctx;                         /* at the trial sizes; constants and known elements have data */
    emit_value **in, **out;             /* NULL: absent */
    emit_value *temporary[EMIT_TEMPORARIES];
    int n_temporaries, number;
    bool live, fails;                   /* fails: the function takes `int *bad` */
    int state;                          /* the first carried state of a recurrent layer, or -1 */
    emit_step *around;                  /* what opened the block in which the step stands */
    emit_step *other;                   /* EMIT_BLOCK: what closes the block; of that one what opened it */
};

typedef struct emit_pinned { const char *name; int input, axis; int64_t size; bool pinned; } emit_pinned;   /* a symbol: of that name, or of one place */
typedef struct emit_state { emit_value *value; const ir_node *layer; int pair_in, pair_out; } emit_state;
typedef struct emit_buffer { clstm_type type; int64_t bytes; } emit_buffer;

struct emitter {
    const struct emit_request *request;
    const char *name, *macro;           /* prefixes: as given, and in capitals */
    ir_graph *g;
    op_env env;
    util_arena arena;
    clstm_error *err;
    emit_pinned symbol[EMIT_SYMBOLS];
    int n_symbols;
    uint32_t pin;                       /* symbols that a rule could not leave open */
    emit_value *values;                 /* by id */
    emit_step *steps;
    size_t n_steps;
    emit_step *open;                    /* the block that the walk is in */
    int depth;                          /* blocks around the calls that are being written */
    emit_buffer *buffers;
    size_t n_buffers;
    emit_value **placed;                /* what lies in buffers */
    size_t n_placed;
    emit_dim *required;                 /* sizes that must not be negative, for what the text supposes */
    size_t n_required, cap_required;
    emit_state *states;
    size_t n_states, n_layers;
    emit_string constants, code, calls;
    int n_constants;
    int64_t constant_bytes;
    uint32_t helpers;                   /* EMIT_USES_* */
    bool failed;                        /* memory ran out */
};

/* What clstm_convert_c asks for, with what the session found out. */
typedef struct emit_request {
    const ir_graph *graph;
    const clstm_limits *limits;
    const clstm_port *inputs, *outputs;
    size_t n_in, n_out;
    const clstm_convert_c_options *options;
    const int *pair_of;                 /* for each input the output that holds its next value, or -1 */
    bool carry_layers;
    const char *producer;
} emit_request;

/* Writes source and header. */
clstm_status emit_model(const emit_request *r, emit_string *source, emit_string *header, clstm_error *err);

/* A rule's way out: the symbols of `mask` must be fixed; never seen outside. */
#define EMIT_AGAIN ((clstm_status)-2)
clstm_status emit_pin(emitter *e, uint32_t mask);
/* The symbols in the sizes and known elements of all inputs. */
uint32_t emit_step_symbols(const emit_step *s);

/* ---- text (emit_text.c) */
__attribute__((format(printf, 2, 3))) void emit_put(emit_string *s, const char *format, ...);
void emit_append(emit_string *s, const emit_string *more);
__attribute__((format(printf, 2, 3))) const char *emit_say(emitter *e, const char *format, ...);   /* lives as long as e */
/* A size as an expression in parentheses where it needs them; the same with a sign for sums ("" for 0). */
const char *emit_size(emitter *e, const emit_dim *d);
/* name as a string constant, whatever is in it. */
const char *emit_quoted(emitter *e, const char *name);
const char *emit_ctype(clstm_type type);                /* NULL: a type that C text cannot hold */
clstm_type emit_calc(clstm_type type);                  /* float for the two halves */
const char *emit_literal(emitter *e, clstm_type type, const clstm_tensor *from, int64_t i);
/* A floating-point constant of type float or double. */
const char *emit_real(emitter *e, clstm_type type, double v);
/* Reading and writing an element through float16 and bfloat16. */
const char *emit_load(emitter *e, clstm_type type, const char *element);
const char *emit_store(emitter *e, clstm_type type, const char *value);
/* The same of a double, rounded once. */
const char *emit_store_double(emitter *e, clstm_type type, const char *value);
void emit_array(emitter *e, clstm_type type, const clstm_tensor *data);    /* the elements between braces into e->constants */

/* ---- steps */
/* The size at which symbol k is tried. */
int64_t emit_trial(const emitter *e, int k);
/* CLSTM_UNSUPPORTED; the caller's caller names the node. */
clstm_status emit_refuse(emitter *e, const char *what);
/* The same, once all symbols are fixed: with sizes the passes may do without the node. */
clstm_status emit_give_up(emitter *e, const char *what);
emit_value *emit_temporary(emitter *e, emit_step *s, clstm_type type, emit_dim count);
/* The raw elements of a constant input. */
clstm_status emit_data(emitter *e, const emit_step *s, int i, clstm_tensor *out);
static inline bool emit_has(const emit_step *s, int i) { return i < s->n->n_in && s->in[i]; }
/* Whether the node's function reads the elements of input i. */
bool emit_reads(const emit_step *s, int i);
static inline bool emit_gives(const emit_step *s, int i) { return i < s->n->n_out && s->out[i] && s->out[i]->needed; }
/* Input i inside a node's function: x0, or the array of a constant. */
const char *emit_x(emitter *e, const emit_step *s, int i);
/* A constant array of the emitter's own; returns its name. */
const char *emit_constant(emitter *e, clstm_type type, const clstm_tensor *data);
const char *emit_numbers(emitter *e, clstm_type type, int64_t n, const double *v);      /* type float or double */
void emit_call(emitter *e, const char *format, ...) __attribute__((format(printf, 2, 3)));      /* a line among the calls */
void emit_line(emitter *e, int depth, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- shapes */
clstm_status emit_set(emit_step *s, int out, int rank, const emit_dim *dims);
clstm_status emit_shape_same(emitter *e, emit_step *s);
clstm_status emit_shape_broadcast(emitter *e, emit_step *s);
clstm_status emit_broadcast(emitter *e, int rank_a, const emit_dim *a, int rank_b, const emit_dim *b, int *rank, emit_dim *out);
/* Product of dims[from..to). */
clstm_status emit_span(emitter *e, const emit_dim *dims, int from, int to, emit_dim *out);
clstm_status emit_sum(emitter *e, const emit_dim *a, int64_t factor, const emit_dim *b, emit_dim *out);
clstm_status emit_times(emitter *e, const emit_dim *a, const emit_dim *b, emit_dim *out);
/* -D may only set sizes for which d is not negative. */
clstm_status emit_require(emitter *e, const emit_dim *d);
clstm_status emit_new_known(emitter *e, emit_value *v);    /* room for count elements; CLSTM_OK without when there are too many */
enum { EMIT_MOST_KNOWN = 64 };

/* ---- loops (emit_walk.c): nested loops over dims; operand k moves by stride[k][d] elements */
enum { EMIT_OPERANDS = 5 };
typedef struct emit_walk {
    int rank, n;
    emit_dim dims[2 * CLSTM_MAX_RANK], stride[EMIT_OPERANDS][2 * CLSTM_MAX_RANK], offset[EMIT_OPERANDS];
} emit_walk;
/* Row-major strides of a shape. */
clstm_status emit_strides(emitter *e, int rank, const emit_dim *dims, emit_dim *stride);
/* Strides of a value repeated into the walk's dims. */
clstm_status emit_broadcast_strides(emitter *e, const emit_value *v, const emit_walk *w, emit_dim *stride);
/* Writes the loops; in body, @0..@4 become the operands' indices. */
clstm_status emit_loops(emitter *e, emit_walk *w, const char *body);

/* A walk over what is left of x without the dimensions of the mask (operand 0; operand 1: x), and the loops over those; the index of an element in them. */
clstm_status emit_reduced_walk(emitter *e, const emit_value *x, uint32_t mask, emit_walk *w, const char **loops, const char **element, emit_dim *count);

/* The float q, rounded and moved to its zero point, within an integer type of at most 16 bits; a NaN is 0. */
const char *emit_saturated(emitter *e, clstm_type type);

/* ---- pieces of the source that a node may call for */
enum { EMIT_USES_PRODUCT = 1, EMIT_USES_PRODUCT_D = 2, EMIT_USES_TANH = 4, EMIT_USES_SIGMOID = 8, EMIT_USES_INT_POW = 16,
       EMIT_READS_HALF = 32, EMIT_WRITES_HALF = 64, EMIT_READS_BFLOAT = 128, EMIT_WRITES_BFLOAT = 256, EMIT_USES_ODD = 512, EMIT_USES_TO_INT32 = 1024, EMIT_USES_TO_INT64 = 2048 };
/* An array of the constant matrix w[k][n] as the product helper reads it; its name. */
const char *emit_packed(emitter *e, clstm_type type, int64_t k, int64_t n, const double *w);

const emit_row *emit_find(const ir_node *n);

/* Rewrites loops of known length and sequences of known parts. */
clstm_status emit_unroll(ir_graph *g, bool *changed, clstm_error *err);
/* Puts the bodies of If, Loop and Scan into the graph, between the nodes that open and close their blocks. The last that is done to it. */
clstm_status emit_flatten(ir_graph *g, clstm_error *err);
/* A node at the end of the graph, with the attribute axis unless that is NULL; its inputs are to be set, and op_check_node called. */
clstm_status emit_new_node(ir_graph *g, const char *op, int n_in, const int64_t *axis, ir_node **out, clstm_error *err);
/* A constant of one integer or bool. */
clstm_status emit_new_const(ir_graph *g, clstm_type type, int rank, int64_t value, ir_value **out, clstm_error *err);
/* Copies of a body's nodes in g: a value of the body is there what its `user` says, once emit_copy_node (or the caller) has said it. */
clstm_status emit_copy_node(ir_graph *g, const ir_graph *body, const ir_node *from, ir_node **out, clstm_error *err);
clstm_status emit_current(ir_graph *g, const ir_graph *body, ir_value *v, ir_value **out, clstm_error *err);
/* The condition that a Loop's body gives back stays true: it is the one it got, or a constant. */
bool emit_stays_true(const ir_graph *body);

/* ---- memory and file */
clstm_status emit_live(emitter *e);
clstm_status emit_place(emitter *e);
clstm_status emit_node_functions(emitter *e);
emit_value *emit_root(emit_value *v);
/* A pointer to a value's elements, in the function that calls the nodes. */
const char *emit_place_of(emitter *e, emit_value *v);
clstm_status emit_write(emitter *e, emit_string *source, emit_string *header);

extern const emit_row emit_rows_elementwise[], emit_rows_shape[], emit_rows_move[], emit_rows_product[], emit_rows_conv[], emit_rows_norm[], emit_rows_reduce[],
    emit_rows_pick[], emit_rows_rnn[], emit_rows_quantise[], emit_rows_resize[], emit_rows_control[], emit_rows_rearrange[];

#endif
