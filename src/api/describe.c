/* api/describe: what is inside a model and a plan, for tools and curious programs. */
#include "api/api_internal.h"

#include "ops/table.h"
#include "rnn/spec.h"

#include <stdlib.h>
#include <string.h>

bool clstm_operator_describe(size_t index, clstm_operator *row) {
    const op_desc *d = ops_row(index);
    if (!d) return false;
    *row = (clstm_operator){d->domain, d->name, d->since, d->until};
    return true;
}

/* ---- operators used --------------------------------------------------------------------------------------------------------- */

static clstm_status count_graph(clstm_model *m, const ir_graph *g, clstm_error *err) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        size_t k = 0;
        while (k < m->n_uses && (m->uses[k].name != n->op->name || m->uses[k].version != n->version)) k++;
        if (k == m->n_uses) {
            if (!util_grow((void **)&m->uses, &m->cap_uses, k + 1, sizeof *m->uses)) return util_no_memory(err);
            m->uses[m->n_uses++] = (clstm_operator_use){n->op->domain, n->op->name, n->version, 0};
        }
        m->uses[k].count++;
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(count_graph(m, n->bodies[b], err));
    }
    return CLSTM_OK;
}

static int by_name(const void *a, const void *b) {
    const clstm_operator_use *x = a, *y = b;
    int c = strcmp(x->domain, y->domain);
    return c ? c : (c = strcmp(x->name, y->name)) ? c : x->version - y->version;
}

clstm_status api_count_operators(clstm_model *m, clstm_error *err) {
    UTIL_TRY(count_graph(m, m->onnx.graph, err));
    if (m->n_uses) qsort(m->uses, m->n_uses, sizeof *m->uses, by_name);
    return CLSTM_OK;
}

bool clstm_model_operator(const clstm_model *m, size_t index, clstm_operator_use *use) {
    if (index >= m->n_uses) return false;
    *use = m->uses[index];
    return true;
}

/* ---- recurrent layers ------------------------------------------------------------------------------------------------------- */

static bool is_recurrent(const ir_node *n) {
    return !*n->op->domain && (!strcmp(n->op->name, "LSTM") || !strcmp(n->op->name, "GRU") || !strcmp(n->op->name, "RNN"));
}

/* The index-th recurrent node of a graph and its bodies, in file order; *index counts down. */
static const ir_node *find_layer(const ir_graph *g, size_t *index) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const ir_node *n = g->nodes[i];
        if (is_recurrent(n) && !(*index)--) return n;
        for (int b = 0; b < n->n_bodies; b++) {
            const ir_node *inner = find_layer(n->bodies[b], index);
            if (inner) return inner;
        }
    }
    return NULL;
}

static const ir_value *input_of(const ir_node *n, int i) { return i < n->n_in ? n->inputs[i] : NULL; }

/* Dimension d of input i, -1 where it is absent or unknown. */
static int64_t dim_of(const ir_node *n, int i, int d) {
    const ir_value *v = input_of(n, i);
    return v && d < v->type.rank ? v->type.dims[d] : -1;
}

bool clstm_model_layer(const clstm_model *m, size_t index, clstm_layer *layer) {
    const ir_node *n = find_layer(m->onnx.graph, &index);
    if (!n) return false;
    const ir_value *w = input_of(n, RNN_W), *r = input_of(n, RNN_R);
    const rnn_spec *spec = n->params;
    *layer = (clstm_layer){.node = n->name ? n->name : "", .type = n->op->name, .input_size = dim_of(n, RNN_W, 2), .hidden_size = dim_of(n, RNN_R, 2),
                           .directions = spec->directions, .layout = spec->batch_first};
    layer->direction = spec->directions == 2 ? "bidirectional" : spec->reverse ? "reverse" : "forward";
    if (layer->input_size < 0) layer->input_size = dim_of(n, RNN_X, 2);
    if (layer->hidden_size < 0 && spec->hidden) layer->hidden_size = spec->hidden;
    layer->constant_weights = w && w->constant && r && r->constant;
    layer->bias = input_of(n, RNN_B) != NULL;
    layer->sequence_lens = input_of(n, RNN_LENS) != NULL;
    layer->initial_h = input_of(n, RNN_H0) != NULL;
    layer->initial_c = spec->kind == RNN_LSTM && input_of(n, RNN_C0);
    layer->peephole = spec->kind == RNN_LSTM && input_of(n, RNN_P);
    return true;
}

/* ---- the plan -------------------------------------------------------------------------------------------------------------- */

bool clstm_session_graph(const clstm_session *s, clstm_graph *graph) {
    plan_summary p;
    if (!s->current) return false;
    plan_summarise(s->current->plan, &p);
    *graph = (clstm_graph){.before = p.before, .after = p.after, .folded = p.gone[IR_GONE_FOLDED], .unused = p.gone[IR_GONE_UNUSED],
                           .simplified = p.gone[IR_GONE_SIMPLIFIED], .fused = p.gone[IR_GONE_FUSED] + p.gone[IR_GONE_ROWS],
                           .fused_rows = p.gone[IR_GONE_ROWS], .recovered = p.gone[IR_GONE_RECOVERED],
                           .recovered_layers = p.recovered_layers, .calls = p.calls, .views = p.views, .dynamic = p.dynamic,
                           .arena_bytes = plan_arena_bytes(s->current->plan)};
    return true;
}

void clstm_session_plans(const clstm_session *s, clstm_plan_cache *cache) { *cache = (clstm_plan_cache){s->n_plans, s->max_plans, s->built, s->evicted}; }

/* ---- the plan's steps ------------------------------------------------------------------------------------------------------- */

/* A recurrent step reads W once for the whole call, and R at every time step again; each direction has its own. With one time
 * step both are one product. */
static bool recurrent_cost(const ir_node *n, clstm_step *step) {
    const rnn_spec *spec = n->params;
    int64_t t = dim_of(n, RNN_X, spec->batch_first ? 1 : 0), b = dim_of(n, RNN_X, spec->batch_first ? 0 : 1);
    int64_t rows = dim_of(n, RNN_W, 1), in = dim_of(n, RNN_W, 2), hidden = dim_of(n, RNN_R, 2);
    const ir_value *x = input_of(n, RNN_X);
    if (t < 0 || b < 0 || rows < 0 || in < 0 || hidden < 0) return false;
    double unit = (double)clstm_type_size(x->type.type), directions = spec->directions;
    double flops_x = 2.0 * (double)b * (double)rows * (double)in, bytes_x = unit * (double)rows * (double)in;
    double flops_h = 2.0 * (double)b * (double)rows * (double)hidden, bytes_h = unit * (double)rows * (double)hidden;
    memset(step->cost, 0, sizeof step->cost);
    if (t == 1) {
        step->cost[0].flops = flops_x + flops_h;
        step->cost[0].bytes = bytes_x + bytes_h;
        step->cost[0].times = directions;
        return true;
    }
    step->cost[0].flops = flops_x * (double)t;
    step->cost[0].bytes = bytes_x;
    step->cost[0].times = t ? directions : 0;
    step->cost[1].flops = flops_h;
    step->cost[1].bytes = bytes_h;
    step->cost[1].times = directions * (double)t;
    return true;
}

bool clstm_session_step(const clstm_session *s, size_t index, clstm_step *step) {
    if (!s->current || index >= plan_step_count(s->current->plan)) return false;
    plan_step_info info;
    plan_step(s->current->plan, index, &info);
    memset(step, 0, sizeof *step);
    step->node = info.node->name ? info.node->name : "";
    step->type = info.node->op_type;
    step->view = info.view;
    step->dynamic = info.dynamic;
    step->seconds = info.seconds;
    if (info.view || info.dynamic) return true;
    if (is_recurrent(info.node) && recurrent_cost(info.node, step)) return true;
    step->cost[0].flops = info.flops;
    step->cost[0].bytes = info.bytes;
    step->cost[0].times = 1;
    return true;
}

clstm_status clstm_session_profile(clstm_session *s, bool on, clstm_error *err) {
    if (!s->current) return util_fail(err, CLSTM_BAD_ARGUMENT, "the session is not prepared");
    plan_profile(s->current->plan, on);
    return CLSTM_OK;
}

size_t clstm_session_memory(const clstm_session *s) { return s->current ? plan_arena_bytes(s->current->plan) : 0; }
