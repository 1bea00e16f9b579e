/* convert/lint: the table of rules, findings, and the copies of the graph that rules look at. */
#include "convert/lint.h"

#include "ops/table.h"
#include "plan/plan.h"
#include "rnn/rnn.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROW(id, keeps, title, why, repair) .about = {id, title, why, repair, keeps}

/* One row a rule; doc/linter.md is printed from them. */
static const lint_rule rules[] = {
    {ROW("unused", true, "initialisers that nothing reads", "they make the file larger, and tools warn of them", "takes them away"), .check = lint_unused},
    {ROW("lens-int64", true, "sequence_lens is int64", "the standard asks for int32; pack_padded_sequence exported by hand gives int64, and runtimes refuse it",
         "puts a Cast to int32 in front"), .node = lint_lens},
    {ROW("projection", false, "a projection was lost", "an LSTM with proj_size has no ONNX form: its exporters keep the LSTM and lose the projection, and R or initial_c disagrees with the hidden size",
         NULL), .node = lint_projection},
    {ROW("gru-reset", false, "GRU without linear_before_reset", "torch.nn.GRU applies the reset gate after the product; exporters left the attribute out until mid-2026, and outputs are wrong without any error",
         "sets linear_before_reset = 1"), .node = lint_gru_reset},
    {ROW("hard-sigmoid", false, "Keras 3's hard_sigmoid", "Keras 3 computes x/6 + 0.5, ONNX's default and Keras 2 compute 0.2x + 0.5", "sets alpha = 1/6, beta = 0.5"), .node = lint_hard_sigmoid},
    {ROW("left-over", true, "alpha or beta that nothing takes", "activation_alpha or activation_beta has more values than activations that take one; runtimes give them out differently",
         "takes the values away that no activation takes"), .node = lint_left_over},
    {ROW("layout", true, "layout = 1", "ONNX Runtime refuses batch-first recurrent nodes, other runtimes ignore the attribute", "sets layout = 0 and puts Transposes around the node"), .node = lint_layout},
    {ROW("frozen-shape", true, "a shape was frozen by tracing", "targets, repeats, ends of a Slice or constants are of the example's sizes while the input's are symbolic: the model takes no others",
         "takes those sizes from the input; only when named where steps that are counted in the example would be taken at other lengths"), .check = lint_frozen_shape},
    {ROW("frozen-batch", true, "the batch was frozen by tracing", "an initial state is a constant of the example's batch while the input's batch is symbolic: the model takes no other",
         "takes a state of zeros away, stretches one that is the same for every row"), .check = lint_frozen_state},
    {ROW("frozen-step", false, "a step was frozen by tracing", "y[:, T-1] traced with a number takes that step of every sequence, not the last of a longer one; a loop over the steps is unrolled for as many as the example had. Where frozen shapes tell how long that was, its last step is proven, and --repair alone mends it",
         "counts from the last step (-1)"), .check = lint_frozen_step},
    {ROW("constant-state", true, "the initial state is a constant", "a state traced as a constant cannot be given by the caller, and keeps the batch from being changed later", "takes a state of zeros away: absent means zero"), .check = lint_constant_state},
    {ROW("double", false, "float64 by accident", "numpy and Python numbers are float64; runtimes have no double LSTM or are many times as slow with it", "computes in float; inputs and outputs stay double"), .check = lint_double},
};
enum { N_RULES = sizeof rules / sizeof *rules };

bool clstm_lint_rule(size_t index, clstm_lint_rule_info *rule) {
    if (index < N_RULES) *rule = rules[index].about;
    return index < N_RULES;
}

static bool listed(const char *list, const char *id) {
    size_t length = strlen(id);
    for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',')
        if (strcspn(s, ",") == length && !strncmp(s, id, length)) return true;
    return false;
}

clstm_status lint_check_names(const char *repairs, clstm_error *err) {
    char text[64];
    for (const char *s = repairs ? repairs : ""; *s; s += strcspn(s, ","), s += *s == ',') {
        char name[32] = "";
        size_t length = strcspn(s, ",");
        bool known = length == 3 && !strncmp(s, "all", 3);
        if (length < sizeof name) memcpy(name, s, length);
        for (size_t i = 0; i < N_RULES && !known; i++) known = rules[i].about.repair && !strcmp(name, rules[i].about.id);
        if (!known) return util_fail(err, CLSTM_BAD_ARGUMENT, "there is no repair \"%s\"", util_escape(text, sizeof text, name));
    }
    return CLSTM_OK;
}

/* ---- findings --------------------------------------------------------------------------------------------------------------------- */

static bool wanted(const lint *l, unsigned flags) {
    if (!l->repairs) return false;
    if (!*l->repairs) return (flags & LINT_PROVEN) && !(flags & LINT_OPENS) && (l->rule->about.keeps_answers || (flags & LINT_KEEPS));
    return listed(l->repairs, "all") || listed(l->repairs, l->rule->about.id);
}

bool lint_found(lint *l, const ir_node *n, unsigned flags, const char *why, ...) {
    char node[256] = "", text[700];
    va_list ap;
    va_start(ap, why);
    vsnprintf(text, sizeof text, why, ap);
    va_end(ap);
    if (n) ir_node_text(node, sizeof node, n);
    bool can = l->rule->about.repair && !(flags & LINT_LOST), mend = can && wanted(l, flags);
    const clstm_lint_finding f = {.rule = l->rule->about.id, .node = node, .why = text, .repair = can ? l->rule->about.repair : NULL,
                                  .proven = (flags & LINT_PROVEN) != 0, .repaired = mend};
    if (flags & LINT_BROKEN) l->broken = true;
    if (l->found) l->found(l->user, &f);
    return mend || (can && !l->repairs);
}

/* ---- rows -------------------------------------------------------------------------------------------------------------------------- */

static clstm_status infer_nothing(op_ctx *ctx) { (void)ctx; return OP_DEFER; }

void lint_rows_fill(lint_rows *rows) {
    for (size_t i = 0; i < rnn_op_count && i < sizeof rows->row / sizeof *rows->row; i++) {
        rows->row[i] = rnn_ops[i];
        rows->row[i].check = NULL;
        rows->row[i].infer = infer_nothing;
    }
}

const op_desc *lint_row(const lint_rows *rows, const op_desc *row) { return row->check == rnn_check ? &rows->row[row - rnn_ops] : row; }

bool lint_recurrent(const ir_node *n) { return !n->domain[0] && (!strcmp(n->op_type, "LSTM") || !strcmp(n->op_type, "GRU") || !strcmp(n->op_type, "RNN")); }
ir_value *lint_input(const ir_node *n, int i) { return i < n->n_in ? n->inputs[i] : NULL; }

/* Gives recurrent nodes their own rows and checks them. `leave`: one that fails keeps the row that infers nothing. */
static clstm_status check_recurrent(ir_graph *g, bool leave, clstm_error *err) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(check_recurrent(n->bodies[b], leave, err));
        if (!lint_recurrent(n)) continue;
        const op_desc *lenient = n->op;
        n->op = ops_find("", n->op_type, n->version, NULL);
        clstm_status s = op_check_node(n, err);
        if (s == CLSTM_NO_MEMORY || (s != CLSTM_OK && !leave)) return s;
        if (s != CLSTM_OK) n->op = lenient;
    }
    return CLSTM_OK;
}

/* ---- copies ------------------------------------------------------------------------------------------------------------------------ */

/* Folds and infers as far as it goes: a node that cannot be is where it ends. */
static clstm_status settle(lint *l, ir_graph *g) {
    clstm_error why;
    clstm_status s = plan_optimise(g, l->env, true, &why);
    return s == CLSTM_NO_MEMORY ? util_no_memory(l->err) : CLSTM_OK;
}

ir_const *lint_constant(lint *l, const ir_value *v) {
    clstm_error why;
    if (!v) return NULL;
    if (v->constant) return v->constant;
    if (!l->folded) {
        clstm_status s = ir_graph_clone(l->graph, &l->folded, &why);
        for (size_t i = 0; s == CLSTM_OK && i < l->folded->n_in; i++) l->folded->inputs[i]->type.rank = -1;
        if (s == CLSTM_OK) s = plan_optimise(l->folded, l->env, true, &why);
        l->starved |= s == CLSTM_NO_MEMORY;
    }
    bool there = l->folded && v->graph == l->graph && (size_t)v->id < l->folded->n_values && !strcmp(l->folded->values[v->id]->name, v->name);
    return there ? l->folded->values[v->id]->constant : NULL;
}

const ir_node *lint_expanded(lint *l, const ir_value *v) {
    const ir_node *n = v && !lint_constant(l, v) ? v->producer : NULL;
    bool expand = n && !n->domain[0] && !strcmp(n->op_type, "Expand") && n->n_in == 2;
    return expand && lint_constant(l, n->inputs[0]) ? n : NULL;
}

/* Which symbol dimension d of input i is, by where it stands first. */
static int symbol_at(const ir_graph *g, const lint_symbol *first, int n, size_t i, int d) {
    const char *name = g->inputs[i]->dim_names[d];
    for (int k = 0; k < n && name; k++) {
        const char *other = g->inputs[first[k].input]->dim_names[first[k].axis];
        if (other && !strcmp(name, other)) return k;
    }
    return n;
}

int lint_symbols(const ir_graph *g, lint_symbol *first, int max) {
    int n = 0;
    for (size_t i = 0; i < g->n_in; i++)
        for (int d = 0; d < g->inputs[i]->type.rank; d++) {
            if (g->inputs[i]->type.dims[d] >= 0 || symbol_at(g, first, n < max ? n : max, i, d) < n) continue;
            if (n < max) first[n] = (lint_symbol){i, d};
            n++;
        }
    return n;
}

static clstm_status choose_sizes(ir_graph *g, const lint_sizes *sizes, clstm_error *err) {
    size_t most = 1;
    for (size_t i = 0; i < g->n_in; i++) most += (size_t)g->inputs[i]->type.rank;
    lint_symbol *first = util_arena_alloc(g->arena, most, sizeof *first);
    if (!first) return util_no_memory(err);
    int n = 0;
    for (size_t i = 0; i < g->n_in; i++)
        for (int d = 0; d < g->inputs[i]->type.rank; d++) {
            if (g->inputs[i]->type.dims[d] >= 0) continue;
            int k = symbol_at(g, first, n, i, d);
            if (k == n) first[n++] = (lint_symbol){i, d};
            g->inputs[i]->type.dims[d] = sizes->step * (k + 1) * (k == sizes->doubled ? 2 : 1);
        }
    return CLSTM_OK;
}

const clstm_tensor *lint_shape(const ir_graph *g, const ir_value *v) {
    const ir_value *c = g && (size_t)v->id < g->n_values ? g->values[v->id] : NULL;
    return c && c->kind == CLSTM_KIND_TENSOR && tensor_shape_known(&c->type) ? &c->type : NULL;
}

clstm_status lint_probe(lint *l, const lint_sizes *sizes, bool states, ir_graph **out) {
    *out = NULL;
    for (size_t i = 0; i < l->graph->n_in; i++)
        if (l->graph->inputs[i]->kind != CLSTM_KIND_TENSOR || l->graph->inputs[i]->type.rank < 0) return CLSTM_OK;
    ir_graph *g;
    clstm_error why;
    UTIL_TRY(ir_graph_clone(l->graph, &g, l->err));
    clstm_status s = choose_sizes(g, sizes, l->err);
    if (s == CLSTM_OK && (s = check_recurrent(g, true, &why)) == CLSTM_NO_MEMORY) util_no_memory(l->err);
    for (size_t i = 0; i < l->graph->n_nodes && i < g->n_nodes && !states; i++)
        for (int k = RNN_H0; k <= RNN_C0 && lint_recurrent(g->nodes[i]); k++)
            if (lint_constant(l, lint_input(l->graph->nodes[i], k)) || lint_expanded(l, lint_input(l->graph->nodes[i], k))) g->nodes[i]->inputs[k] = NULL;
    if (s == CLSTM_OK && sizes->change) s = sizes->change(sizes->user, g);
    plan_remove_dead(g);
    if (s == CLSTM_OK) s = settle(l, g);
    if (s == CLSTM_OK) *out = g;
    else ir_graph_destroy(g);
    return s;
}

/* ---- running ----------------------------------------------------------------------------------------------------------------------- */

static clstm_status each_node(lint *l, ir_graph *g) {
    for (size_t i = 0, n = g->n_nodes; i < n; i++) {        /* a repair may append nodes */
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) UTIL_TRY(each_node(l, g->nodes[i]->bodies[b]));
        UTIL_TRY(l->rule->node(l, g->nodes[i]));
    }
    return ir_graph_order(g, l->err);
}

clstm_status lint_run(lint *l) {
    clstm_status s = CLSTM_OK;
    for (size_t i = 0; i < N_RULES && s == CLSTM_OK; i++) {
        l->rule = &rules[i];
        s = rules[i].node ? each_node(l, l->graph) : rules[i].check(l);
        if (s == CLSTM_OK && l->starved) s = util_no_memory(l->err);
        if (s != CLSTM_OK) util_context(l->err, s, "rule %s", rules[i].about.id);
    }
    ir_graph_destroy(l->folded);
    l->folded = NULL;
    return s == CLSTM_OK ? check_recurrent(l->graph, false, l->err) : s;
}
