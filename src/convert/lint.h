/* convert/lint: what exporters get wrong, as a table of rules. A rule finds a fault in the graph of a file and can mend it there.
 *   lint.c         the table, findings, folding and probing
 *   lint_layer.c   rules on the attributes and types of recurrent nodes
 *   lint_frozen.c  rules on states that a trace made constant
 *   lint_shape.c   the rule on sizes that a trace made constant; lint_site.h: where they are; lint_source.h: those that fail further down;
 *                  lint_trial.h: what is known of the example that was traced
 *   lint_step.c    the rule on steps taken by their number
 *   lint_data.c    rules on constants and element types
 * Repairs are made with convert/edit. */
#ifndef CONVERT_LINT_H
#define CONVERT_LINT_H

#include "onnx/import.h"
#include "rnn/spec.h"

#include <clstm/convert.h>

typedef struct lint lint;

/* So many symbolic dimensions are looked at. */
enum { LINT_SYMBOLS = 64 };

typedef struct lint_rule {
    clstm_lint_rule_info about;
    clstm_status (*check)(lint *l);                     /* over the whole graph */
    clstm_status (*node)(lint *l, ir_node *n);          /* or on every node, bodies included */
} lint_rule;

struct lint {
    ir_graph *graph;                    /* as imported; recurrent nodes are not checked yet */
    const char *producer;
    const op_env *env;
    const char *repairs;                /* ids, "all" or "" for those that keep the answers; NULL: find only */
    clstm_lint_found found;
    void *user;
    clstm_error *err;
    const lint_rule *rule;              /* at work */
    ir_graph *folded;                   /* a copy without known input shapes, constants folded; made when asked for */
    bool starved;                       /* memory failed where a rule takes what is not known for an answer */
    bool broken;                        /* a finding that explains why the model cannot be loaded */
    int64_t example[LINT_SYMBOLS];      /* what the symbols' sizes were when the model was traced, where it fails at others; 0: not known */
    bool counted[LINT_SYMBOLS];         /* steps along it are taken by numbers that no proven repair changes: at other sizes the answer may be wrong */
};

/* Rows with which recurrent nodes are not checked and infer nothing, so that faulty files come in; they must live as long as the graph. */
typedef struct lint_rows { op_desc row[16]; } lint_rows;
void lint_rows_fill(lint_rows *rows);
/* The row that stands in for `row`: itself but for recurrent operators. */
const op_desc *lint_row(const lint_rows *rows, const op_desc *row);

/* Runs the rules over l->graph. Afterwards recurrent nodes have their own rows and are checked. */
clstm_status lint_run(lint *l);
/* CLSTM_BAD_ARGUMENT when `repairs` names a rule that is not there. */
clstm_status lint_check_names(const char *repairs, clstm_error *err);

/* ---- for rules ----------------------------------------------------------------------------------------------------------------- */

enum { LINT_PROVEN = 1, LINT_LOST = 2 /* the repair does not apply here */, LINT_BROKEN = 4 /* and the model does not load */,
       LINT_KEEPS = 8 /* the repair keeps the answers here, if not everywhere */, LINT_OPENS = 16 /* it opens the way to doubtful ones here */ };
/* Tells a finding at n (NULL: the model). Returns whether the rule is to mend it: always when nobody keeps the graph. */
__attribute__((format(printf, 4, 5)))
bool lint_found(lint *l, const ir_node *n, unsigned flags, const char *why, ...);

bool lint_recurrent(const ir_node *n);
ir_value *lint_input(const ir_node *n, int i);      /* NULL when absent */
/* The constant that v is whatever the inputs' shapes are, or NULL. */
ir_const *lint_constant(lint *l, const ir_value *v);
/* The Expand that makes v of a constant, or NULL. */
const ir_node *lint_expanded(lint *l, const ir_value *v);
/* How unknown input dimensions are chosen: the n-th symbol has size n * step, twice that when it is the one to be doubled. The same name is the
 * same symbol; a dimension without a name is one of its own. */
enum { LINT_STEP = 24 };                            /* with many divisors: a stride or pool that wants a multiple finds one */
typedef struct lint_sizes {
    int64_t step;
    int doubled;                                    /* -1: none */
    clstm_status (*change)(void *user, ir_graph *g);        /* what is to be changed in the copy before shapes are inferred; may be NULL */
    void *user;
} lint_sizes;
/* The number of symbols; of the first `max` where they first stand. */
typedef struct lint_symbol { size_t input; int axis; } lint_symbol;
int lint_symbols(const ir_graph *g, lint_symbol *first, int max);
/* A copy of the graph in which unknown input dimensions have sizes and types and shapes are inferred as far as they go; values keep their
 * ids. NULL in *out when an input's rank is unknown. `states`: constant initial states stay in. */
clstm_status lint_probe(lint *l, const lint_sizes *sizes, bool states, ir_graph **out);
/* The shape that was inferred for v in such a copy; NULL when it was not. */
const clstm_tensor *lint_shape(const ir_graph *g, const ir_value *v);

/* ---- the rules' functions -------------------------------------------------------------------------------------------------------- */

clstm_status lint_gru_reset(lint *l, ir_node *n);
clstm_status lint_left_over(lint *l, ir_node *n);
clstm_status lint_projection(lint *l, ir_node *n);
clstm_status lint_hard_sigmoid(lint *l, ir_node *n);
clstm_status lint_layout(lint *l, ir_node *n);
clstm_status lint_lens(lint *l, ir_node *n);
clstm_status lint_frozen_state(lint *l);
clstm_status lint_constant_state(lint *l);
clstm_status lint_frozen_shape(lint *l);
clstm_status lint_frozen_step(lint *l);
clstm_status lint_double(lint *l);
clstm_status lint_unused(lint *l);

#endif
