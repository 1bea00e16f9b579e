/* rnn/doubt: see doubt.h. */
#include "rnn/doubt.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool rnn_mentions(const char *text, const char *word) {
    size_t length = strlen(word);
    for (; text && *text; text++)
        if (!strncasecmp(text, word, length)) return true;
    return false;
}

/* A name that a torch.nn.GRU's parameter has, upstream of v: exporters keep it. */
static bool named_by_torch(const ir_value *v, int depth) {
    if (!v) return false;
    if (rnn_mentions(v->name, "weight_ih_l")) return true;
    for (int i = 0; v->producer && depth < 8 && i < v->producer->n_in; i++)
        if (named_by_torch(v->producer->inputs[i], depth + 1)) return true;
    return false;
}

bool rnn_doubt_reset(const ir_node *n, const char *producer, char *why, size_t size) {
    if (!ir_is(n, "GRU") || n->version < 3) return false;
    const ir_attr *a = ir_attr_find(n, "linear_before_reset");
    if (a && a->v.i) return false;
    bool torch = rnn_mentions(producer, "pytorch");
    if (!torch && !(n->n_in > RNN_W && named_by_torch(n->inputs[RNN_W], 0))) return false;
    snprintf(why, size, "linear_before_reset is %s, but torch.nn.GRU computes with 1 and %s; exporters before mid-2026 (onnxscript up to 0.6.2) "
             "leave it out, and every output then differs from PyTorch's", a ? "0" : "absent, which is 0",
             torch ? "the producer is PyTorch" : "the weights have PyTorch's names");
    return true;
}

size_t rnn_node_functions(const ir_node *n, rnn_function out[6]) {
    static const rnn_function lstm[] = {RNN_SIGMOID, RNN_TANH, RNN_TANH}, gru[] = {RNN_SIGMOID, RNN_TANH}, rnn[] = {RNN_TANH};
    const rnn_function *defaults = ir_is(n, "LSTM") ? lstm : ir_is(n, "GRU") ? gru : ir_is(n, "RNN") ? rnn : NULL;
    const ir_attr *names = ir_attr_find(n, "activations"), *direction = ir_attr_find(n, "direction");
    if (!defaults) return 0;
    size_t each = defaults == lstm ? 3 : defaults == gru ? 2 : 1, count = each;
    if (direction && direction->kind == IR_ATTR_STRING && !strcmp(direction->v.s, "bidirectional")) count *= 2;
    if (names && names->kind == IR_ATTR_STRINGS) count = names->count < count ? names->count : count;
    for (size_t i = 0; i < count; i++) {
        out[i] = defaults[i % each];
        if (names && !rnn_activation_find(names->v.strings[i], &out[i])) return 0;
    }
    return count;
}

bool rnn_doubt_left_over(const ir_node *n, bool beta, size_t *used, char *why, size_t size) {
    const char *name = beta ? "activation_beta" : "activation_alpha";
    const ir_attr *a = ir_attr_find(n, name);
    rnn_function f[6];
    size_t count = rnn_node_functions(n, f);
    *used = 0;
    for (size_t i = 0; i < count; i++) *used += rnn_activation_takes(f[i], beta);
    if (!count || !a || a->kind != IR_ATTR_FLOATS || a->count <= *used) return false;
    snprintf(why, size, "%s has %zu values, but its activations take %zu: runtimes that give them out by position compute something else",
             name, a->count, *used);
    return true;
}

typedef struct teller { void (*warning)(void *user, const char *message); void *user; } teller;

static void tell(const teller *t, const ir_node *n, const char *why) {
    char line[1000], node[256];
    snprintf(line, sizeof line, "%s: %s", ir_node_text(node, sizeof node, n), why);
    t->warning(t->user, line);
}

void rnn_warn(const ir_graph *g, const char *producer, void (*warning)(void *user, const char *message), void *user) {
    const teller t = {warning, user};
    char why[700];
    size_t used;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        for (int b = 0; b < n->n_bodies; b++) rnn_warn(n->bodies[b], producer, warning, user);
        if (rnn_doubt_reset(n, producer, why, sizeof why)) tell(&t, n, why);
        for (int beta = 0; beta < 2; beta++)
            if (rnn_doubt_left_over(n, beta, &used, why, sizeof why)) tell(&t, n, why);
    }
}
