/* ir/graph: our own graph. Nodes and values live in the root graph's arena and die with it; constants are counted references.
 * A body (of If, Loop, Scan) is a graph of its own whose nodes may use values of the graphs around it directly. */
#ifndef IR_GRAPH_H
#define IR_GRAPH_H

#include "ir/const.h"
#include "util/alloc.h"

#include <string.h>

typedef struct ir_graph ir_graph;
typedef struct ir_node ir_node;
typedef struct ir_value ir_value;
typedef struct op_desc op_desc;

struct ir_value {
    const char *name;
    clstm_kind kind;                        /* NONE: not known yet */
    bool optional;
    clstm_tensor type;                      /* declared or inferred; type NONE, rank -1, dims -1 are unknowns */
    const char *dim_names[CLSTM_MAX_RANK];
    ir_const *constant;                     /* counted; the value is known */
    ir_node *producer;                      /* NULL: input, initialiser or outer */
    ir_graph *graph;                        /* the graph that owns it */
    int id;                                 /* index into graph->values */
    int uses;                               /* as of the last ir_count_uses */
    ir_value *instead;                      /* what has taken its place, until the next ir_follow_all */
    void *user;                             /* free for passes and the plan */
};

typedef enum ir_attr_kind {                 /* the letter is that of the operator table's attribute lists */
    IR_ATTR_INT = 'i', IR_ATTR_FLOAT = 'f', IR_ATTR_STRING = 's', IR_ATTR_TENSOR = 't', IR_ATTR_GRAPH = 'g', IR_ATTR_TYPE = 'p',
    IR_ATTR_INTS = 'I', IR_ATTR_FLOATS = 'F', IR_ATTR_STRINGS = 'S', IR_ATTR_TENSORS = 'T', IR_ATTR_GRAPHS = 'G',
    IR_ATTR_SPARSE = 'x'
} ir_attr_kind;

typedef struct ir_attr {
    const char *name;
    ir_attr_kind kind;
    size_t count;                           /* of the list kinds; bytes of a string */
    union {
        int64_t i; float f; const char *s; ir_const *t; ir_graph *g; clstm_value p;
        int64_t *ints; float *floats; const char **strings; ir_const **tensors; ir_graph **graphs;
    } v;
} ir_attr;

struct ir_node {
    const char *name, *domain, *op_type;
    int version;                            /* opset of its domain */
    const op_desc *op;                      /* the table's row; never NULL in a loaded graph */
    ir_value **inputs, **outputs;           /* NULL entries are absent */
    int n_in, n_out;
    ir_attr *attrs;
    int n_attrs;
    ir_graph **bodies;                      /* the graph attributes, in the order of the table's list */
    int n_bodies;
    void *params;                           /* what op->check made, in the arena */
    uint64_t typed;                         /* the inputs' types that op_infer found right last; 0: none, or too many to note */
    ir_graph *graph;
    int index;                              /* position in the file, for messages; -1 for nodes of passes and functions */
    int mark;                               /* free for passes */
    ir_node *epilogue;                      /* plans only: what is done to output 0 at the end (plan/fuse.c); this node's own */
};

/* The index of a recurrent node that stands for primitive operators of the file: no layer whose state the file leaves to a session. */
enum { IR_RECOVERED = -2 };

/* Why a node is there no more. */
typedef enum ir_gone { IR_GONE_FOLDED, IR_GONE_UNUSED, IR_GONE_SIMPLIFIED, IR_GONE_FUSED, IR_GONE_ROWS, IR_GONE_RECOVERED, IR_GONE_KINDS } ir_gone;

struct ir_graph {
    ir_graph *parent;                       /* NULL for the root */
    util_arena *arena;                      /* the root's */
    util_arena own;
    const char *name;
    ir_node **nodes;  size_t n_nodes, cap_nodes;      /* in execution order once ordered */
    ir_value **values; size_t n_values, cap_values;
    ir_value **inputs; size_t n_in, cap_in;
    ir_value **outputs; size_t n_out, cap_out;
    int opset;                              /* default domain's */
    const clstm_tensor *declared;           /* a Loop's or Scan's body: what the file says of its outputs (no type: not of a tensor), which passes forget */
    bool settled;                           /* a body: its inputs' types hold in every turn (plan/turns) */
    size_t unnamed;                         /* counter for made-up names (root only) */
    size_t imported, gone[IR_GONE_KINDS];   /* root only: nodes at first, and those since taken out; the rest is there */
};

clstm_status ir_graph_new(ir_graph *parent, const char *name, ir_graph **out, clstm_error *err);
void ir_graph_destroy(ir_graph *root);      /* bodies included */

/* A new value; name is copied (NULL makes up a unique one). */
ir_value *ir_value_new(ir_graph *g, const char *name);
/* Sets the constant (takes a reference) and the type from it. */
void ir_value_set_const(ir_value *v, ir_const *c);
/* A new value that is a copy of t; with data NULL it has room, and the caller fills constant->tensor.data. NULL without memory. */
ir_value *ir_constant(ir_graph *g, const clstm_tensor *t, clstm_error *err);
ir_value *ir_constant_ints(ir_graph *g, int rank /* 0: one number */, int64_t n, const int64_t *values, clstm_error *err);
/* Appends a node with room for inputs and outputs (NULL-filled). Its op row is looked up by the caller. */
ir_node *ir_node_new(ir_graph *g, const char *op_type, const char *domain, int version, const char *name, int n_in, int n_out);
clstm_status ir_graph_add_input(ir_graph *g, ir_value *v, clstm_error *err);
clstm_status ir_graph_add_output(ir_graph *g, ir_value *v, clstm_error *err);

/* Whether it is this operator of the standard. Passes ask it of every node, nearly always in vain: the first letter tells. */
static inline bool ir_is(const ir_node *n, const char *op) {
    return n && n->op_type[0] == op[0] && !strcmp(n->op_type, op) && !n->domain[0];
}
const ir_attr *ir_attr_find(const ir_node *n, const char *name);
ir_attr *ir_attr_add(ir_node *n, const char *name, ir_attr_kind kind);   /* NULL without memory */

/* Every use of `from` (node inputs in g and the bodies below, graph outputs) becomes `to`. */
void ir_replace_uses(ir_graph *root, ir_value *from, ir_value *to);
/* The same for passes that replace many, each in constant time: a pass reads a node after ir_follow, a graph's outputs after
 * ir_follow_outputs, and ends with ir_follow_all. */
void ir_give_way(ir_value *from, ir_value *to);
void ir_follow(ir_node *n);
void ir_follow_outputs(ir_graph *g);
void ir_follow_all(ir_graph *root);
/* Counts the uses (node inputs in all graphs from root down, graph outputs) of every value into value->uses. */
void ir_count_uses(ir_graph *root);
/* Nodes of the graph and of the bodies below it. */
size_t ir_count_nodes(const ir_graph *g);
/* Files what is gone since `*nodes` were counted under `why`, and counts anew. */
void ir_note_gone(ir_graph *root, ir_gone why, size_t *nodes);
/* Takes nodes out whose `mark` is IR_DEAD, and those that live on as an epilogue (IR_TAKEN); order is kept. */
enum { IR_DEAD = -1000000, IR_TAKEN };
void ir_graph_sweep(ir_graph *g);
/* Puts nodes in execution order; CLSTM_BAD_MODEL naming a node of a cycle. */
clstm_status ir_graph_order(ir_graph *g, clstm_error *err);
/* Copy of a root graph with its bodies. Constants are shared and value ids kept; names (of nodes, operators, values and dimensions) and node
 * params stay in the source, which must outlive it. Attributes are copied: a run reads them, and plan_lock locks the copy. */
clstm_status ir_graph_clone(const ir_graph *root, ir_graph **out, clstm_error *err);

/* Deep copy of a body beside it, under the same parent; nothing refers to it yet. ir_graph_destroy is allowed. */
clstm_status ir_graph_clone_body(const ir_graph *body, ir_graph **out, clstm_error *err);

/* `node 12 "lstm1" (LSTM)`, names escaped; into out, at least 256 bytes; returns out. */
const char *ir_node_text(char *out, size_t size, const ir_node *n);

#endif
