/* convert/weights_out: recurrent weights under PyTorch's names and in its gate order. */
#include "convert/weights_out.h"

#include "convert/gates.h"
#include "util/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A recurrent node and the name that its weights get. */
typedef struct layer { const ir_node *node; char *module; int number; } layer;
typedef struct giver {
    layer *layers;
    size_t n_layers, cap_layers;
    util_arena arena;
    clstm_convert_tensor give;
    void *user;
    clstm_error *err;
} giver;

static const ir_value *input_of(const ir_node *n, int i) { return i < n->n_in ? n->inputs[i] : NULL; }

/* ---- names ---------------------------------------------------------------------------------------------------------------------- */

/* The node's name in the letters that names of parameters have. */
static char *clean_name(giver *g, const ir_node *n) {
    char *name = util_arena_alloc(&g->arena, strlen(n->name) + 32, 1);
    size_t length = 0;
    if (!name) return NULL;
    for (const char *s = n->name; *s; s++) {
        bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '.' || *s == '-' || *s == '_';
        if (plain) name[length++] = *s;
        else if (length && name[length - 1] != '_') name[length++] = '_';
    }
    if (!length) snprintf(name, 32, "%s", n->op->name);
    return name;
}

/* Splits NAME.l3; the number, or -1. */
static int split_number(char *name) {
    char *dot = strrchr(name, '.');
    if (!dot || dot == name || dot[1] != 'l' || !dot[2] || strspn(dot + 2, "0123456789") != strlen(dot + 2) || strlen(dot + 2) > 4) return -1;
    *dot = 0;
    return atoi(dot + 2);
}

static const layer *find_layer(const giver *g, const char *module, int number) {
    for (size_t i = 0; i < g->n_layers; i++)
        if (g->layers[i].number == number && !strcmp(g->layers[i].module, module)) return &g->layers[i];
    return NULL;
}

static bool same_weights(const ir_node *a, const ir_node *b) {
    if (rnn_spec_of(a)->kind != rnn_spec_of(b)->kind || rnn_spec_of(a)->reverse != rnn_spec_of(b)->reverse) return false;
    for (int i = RNN_W; i <= RNN_B; i++) {
        const ir_value *x = input_of(a, i), *y = input_of(b, i);
        if (!x != !y || (x && (!x->constant || !ir_const_equal(x->constant, y->constant)))) return false;
    }
    return true;
}

/* A cell that was written out step by step has the weights of the step before. */
static bool is_new(const giver *g, const ir_node *n) {
    for (size_t i = 0; i < g->n_layers && n->index == IR_RECOVERED; i++)
        if (same_weights(g->layers[i].node, n)) return false;
    return true;
}

static clstm_status collect(giver *g, const ir_graph *graph, bool recovered) {
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const ir_node *n = graph->nodes[i];
        if (n->op->check == rnn_check && (!recovered || n->index == IR_RECOVERED) && is_new(g, n)) {
            layer l = {n, clean_name(g, n), 0};
            if (!l.module || !util_grow((void **)&g->layers, &g->cap_layers, g->n_layers + 1, sizeof *g->layers)) return util_no_memory(g->err);
            l.number = split_number(l.module);
            g->layers[g->n_layers++] = l;
        }
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(collect(g, n->bodies[b], recovered));
    }
    return CLSTM_OK;
}

/* A number without those below it is a part of the name; names that stand twice get a count. */
static clstm_status settle_names(giver *g) {
    for (size_t i = 0; i < g->n_layers; i++) {
        layer *l = &g->layers[i];
        bool whole = l->number >= 0;
        for (int k = 0; whole && k < l->number; k++) {
            const layer *below = find_layer(g, l->module, k);
            whole = below && rnn_spec_of(below->node)->kind == rnn_spec_of(l->node)->kind;
        }
        if (whole) continue;
        if (l->number >= 0) l->module[strlen(l->module)] = '.';
        l->number = 0;
    }
    size_t counter = 0;
    for (size_t i = 1; i < g->n_layers; i++) {
        layer *l = &g->layers[i];
        size_t length = strlen(l->module), before = i;
        while (before > 0 && (strcmp(g->layers[before - 1].module, l->module) || g->layers[before - 1].number != l->number)) before--;
        if (!before) continue;
        char *made = util_arena_alloc(&g->arena, length + 24, 1);
        if (!made) return util_no_memory(g->err);
        do snprintf(made, length + 24, "%s_%zu", l->module, ++counter);
        while (find_layer(g, made, l->number));
        l->module = made;
    }
    return CLSTM_OK;
}

/* ---- what PyTorch can do ---------------------------------------------------------------------------------------------------------- */

static bool torch_activations(const rnn_spec *s) {
    static const rnn_function want[3][3] = {[RNN_LSTM] = {RNN_SIGMOID, RNN_TANH, RNN_TANH}, [RNN_GRU] = {RNN_SIGMOID, RNN_TANH}};
    int each = s->kind == RNN_LSTM ? 3 : s->kind == RNN_GRU ? 2 : 1;
    for (int d = 0; d < s->directions; d++)
        for (int k = 0; k < each; k++) {
            rnn_function f = s->f[d][k].function;
            if (s->kind == RNN_RNN ? (f != RNN_TANH && f != RNN_RELU) || f != s->f[0][0].function : f != want[s->kind][k]) return false;
        }
    return true;
}

static clstm_status suits_torch(const ir_node *n, clstm_error *err) {
    const rnn_spec *s = rnn_spec_of(n);
    const ir_value *w = input_of(n, RNN_W), *r = input_of(n, RNN_R), *b = input_of(n, RNN_B);
    const char *what = NULL;
    if (!torch_activations(s)) what = "attribute activations";
    else if (!isinf(s->clip)) what = "attribute clip";
    else if (s->kind == RNN_LSTM && s->input_forget) what = "attribute input_forget";
    else if (s->kind == RNN_GRU && !s->reset_after) what = "linear_before_reset = 0";
    else if (s->kind == RNN_LSTM && input_of(n, RNN_P)) what = "input P (peepholes)";
    if (what) return util_fail(err, CLSTM_UNSUPPORTED, "PyTorch has no %s with %s", n->op->name, what);
    if (!w || !w->constant || !r || !r->constant || (b && !b->constant)) return util_fail(err, CLSTM_UNSUPPORTED, "the weights are only known at run time");
    const clstm_tensor *wt = &w->constant->tensor, *rt = &r->constant->tensor;
    int64_t d = s->directions, rows = wt->rank == 3 ? wt->dims[1] : 0;
    bool fits = wt->rank == 3 && rt->rank == 3 && rt->dims[0] == d && wt->dims[0] == d && rt->dims[1] == rows && rows == s->gates * rt->dims[2] &&
                (!b || (b->constant->tensor.rank == 2 && b->constant->tensor.dims[0] == d && b->constant->tensor.dims[1] == 2 * rows));
    return fits ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "the shapes of W, R and B do not agree");
}

/* ---- out ------------------------------------------------------------------------------------------------------------------------ */

/* Block `part` (of the bias: 0 for W's, 1 for R's) of direction d: rows of `columns` elements (0: a vector). */
static clstm_status give_block(giver *g, const layer *l, int input, int d, int part, const char *what, int64_t columns) {
    const rnn_spec *s = rnn_spec_of(l->node);
    ir_const *c = l->node->inputs[input]->constant;
    int64_t rows = l->node->inputs[RNN_W]->constant->tensor.dims[1];
    size_t block = (size_t)(rows / s->gates * (columns ? columns : 1)) * clstm_type_size(c->tensor.type), whole = block * (size_t)s->gates;
    size_t parts = input == RNN_B ? 2 : 1, length = strlen(l->module) + 64;
    const void *raw;
    UTIL_TRY(ir_const_data(c, &raw, g->err));
    char *name = malloc(length), *data = malloc(whole ? whole : 1);
    clstm_status status = name && data ? CLSTM_OK : util_no_memory(g->err);
    if (status == CLSTM_OK) {
        bool reverse = d || (s->directions == 1 && s->reverse);
        snprintf(name, length, "%s.%s_l%d%s", l->module, what, l->number, reverse ? "_reverse" : "");
        convert_gates_copy(s->kind, false, data, (const char *)raw + whole * (parts * (size_t)d + (size_t)part), block);
        clstm_tensor t = clstm_tensor_view(c->tensor.type, columns ? 2 : 1, (int64_t[]){rows, columns}, data);
        status = g->give(g->user, name, &t, g->err);
    }
    free(name);
    free(data);
    return status;
}

static clstm_status give_layer(giver *g, const layer *l) {
    UTIL_TRY(suits_torch(l->node, g->err));
    int64_t in = l->node->inputs[RNN_W]->constant->tensor.dims[2], hidden = l->node->inputs[RNN_R]->constant->tensor.dims[2];
    if (in <= 0 || hidden <= 0) return util_fail(g->err, CLSTM_BAD_MODEL, "a layer of size 0");
    for (int d = 0; d < rnn_spec_of(l->node)->directions; d++) {
        UTIL_TRY(give_block(g, l, RNN_W, d, 0, "weight_ih", in));
        UTIL_TRY(give_block(g, l, RNN_R, d, 0, "weight_hh", hidden));
        if (!input_of(l->node, RNN_B)) continue;
        UTIL_TRY(give_block(g, l, RNN_B, d, 0, "bias_ih", 0));
        UTIL_TRY(give_block(g, l, RNN_B, d, 1, "bias_hh", 0));
    }
    return CLSTM_OK;
}

clstm_status convert_weights_out(const ir_graph *root, const ir_graph *known, clstm_convert_tensor give, void *user, clstm_error *err) {
    giver g = {.give = give, .user = user, .err = err};
    char text[256];
    clstm_status s = collect(&g, root, false);
    if (s == CLSTM_OK && known) s = collect(&g, known, true);
    if (s == CLSTM_OK) s = settle_names(&g);
    if (s == CLSTM_OK && !g.n_layers) s = util_fail(err, CLSTM_UNSUPPORTED, "the model has no LSTM, GRU or RNN layer");
    for (size_t i = 0; i < g.n_layers && s == CLSTM_OK; i++) {
        s = give_layer(&g, &g.layers[i]);
        if (s != CLSTM_OK) util_context(err, s, "%s", ir_node_text(text, sizeof text, g.layers[i].node));
    }
    free(g.layers);
    util_arena_destroy(&g.arena);
    return s;
}
