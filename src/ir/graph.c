/* ir/graph: building, copying, ordering and sweeping graphs. */
#include "ir/graph.h"

#include "util/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ir_graph *root_of(ir_graph *g) { while (g->parent) g = g->parent; return g; }

clstm_status ir_graph_new(ir_graph *parent, const char *name, ir_graph **out, clstm_error *err) {
    ir_graph *g = util_calloc(1, sizeof *g);
    if (!g) return util_no_memory(err);
    g->parent = parent;
    g->arena = parent ? parent->arena : &g->own;
    if (parent) g->opset = parent->opset;
    g->name = util_arena_strdup(g->arena, name);
    if (!g->name) { ir_graph_destroy(g); return util_no_memory(err); }
    *out = g;
    return CLSTM_OK;
}

static void attr_destroy(ir_attr *a) {
    switch (a->kind) {
    case IR_ATTR_TENSOR: case IR_ATTR_SPARSE: ir_const_unref(a->v.t); break;
    case IR_ATTR_TENSORS:
        for (size_t i = 0; a->v.tensors && i < a->count; i++) ir_const_unref(a->v.tensors[i]);
        break;
    case IR_ATTR_GRAPH: ir_graph_destroy(a->v.g); break;
    case IR_ATTR_GRAPHS:
        for (size_t i = 0; a->v.graphs && i < a->count; i++) ir_graph_destroy(a->v.graphs[i]);
        break;
    default: break;
    }
}

static void node_destroy(ir_node *n) {
    for (int i = 0; i < n->n_attrs; i++) attr_destroy(&n->attrs[i]);
    if (n->epilogue) node_destroy(n->epilogue);
}

void ir_graph_destroy(ir_graph *g) {
    if (!g) return;
    for (size_t i = 0; i < g->n_nodes; i++) node_destroy(g->nodes[i]);
    for (size_t i = 0; i < g->n_values; i++) ir_const_unref(g->values[i]->constant);
    free(g->nodes); free(g->values); free(g->inputs); free(g->outputs);
    if (!g->parent) util_arena_destroy(&g->own);
    free(g);
}

/* The name is lent. */
static ir_value *add_value(ir_graph *g, const char *name) {
    if (!name || !util_grow((void **)&g->values, &g->cap_values, g->n_values + 1, sizeof *g->values)) return NULL;
    ir_value *v = util_arena_alloc(g->arena, 1, sizeof *v);
    if (!v) return NULL;
    v->name = name;
    v->type.rank = -1;
    v->graph = g;
    v->id = (int)g->n_values;
    g->values[g->n_values++] = v;
    return v;
}

ir_value *ir_value_new(ir_graph *g, const char *name) {
    char made[32];
    if (!name) {
        snprintf(made, sizeof made, "~%zu", ++root_of(g)->unnamed);
        name = made;
    }
    return add_value(g, util_arena_strdup(g->arena, name));
}

void ir_value_set_const(ir_value *v, ir_const *c) {
    ir_const_ref(c);
    ir_const_unref(v->constant);
    v->constant = c;
    v->kind = CLSTM_KIND_TENSOR;
    v->type = c->tensor;
    v->type.data = NULL;
}

ir_value *ir_constant(ir_graph *g, const clstm_tensor *t, clstm_error *err) {
    ir_const *c;
    ir_value *v = ir_value_new(g, NULL);
    if (!v) { (void)util_no_memory(err); return NULL; }
    if (ir_const_new(t, &c, err) != CLSTM_OK) return NULL;
    ir_value_set_const(v, c);
    ir_const_unref(c);
    return v;
}

ir_value *ir_constant_ints(ir_graph *g, int rank, int64_t n, const int64_t *values, clstm_error *err) {
    clstm_tensor t = clstm_tensor_view(CLSTM_INT64, rank, &n, (void *)(uintptr_t)values);
    return ir_constant(g, &t, err);
}

/* The words are lent. */
static ir_node *add_node(ir_graph *g, const char *op_type, const char *domain, int version, const char *name, int n_in, int n_out) {
    if (!op_type || !domain || !name || !util_grow((void **)&g->nodes, &g->cap_nodes, g->n_nodes + 1, sizeof *g->nodes)) return NULL;
    ir_node *n = util_arena_alloc(g->arena, 1, sizeof *n);
    ir_value **ports = n ? util_arena_alloc(g->arena, (size_t)n_in + (size_t)n_out, sizeof *ports) : NULL;
    if (!ports) return NULL;
    n->op_type = op_type;
    n->domain = domain;
    n->name = name;
    n->inputs = ports;
    n->outputs = ports + n_in;
    n->version = version;
    n->n_in = n_in;
    n->n_out = n_out;
    n->index = -1;
    n->graph = g;
    g->nodes[g->n_nodes++] = n;
    return n;
}

ir_node *ir_node_new(ir_graph *g, const char *op_type, const char *domain, int version, const char *name, int n_in, int n_out) {
    util_arena *a = g->arena;
    return add_node(g, util_arena_strdup(a, op_type), util_arena_strdup(a, domain), version, util_arena_strdup(a, name), n_in, n_out);
}

static clstm_status append(ir_value ***list, size_t *n, size_t *cap, ir_value *v, clstm_error *err) {
    if (!util_grow((void **)list, cap, *n + 1, sizeof **list)) return util_no_memory(err);
    (*list)[(*n)++] = v;
    return CLSTM_OK;
}
clstm_status ir_graph_add_input(ir_graph *g, ir_value *v, clstm_error *err) { return append(&g->inputs, &g->n_in, &g->cap_in, v, err); }
clstm_status ir_graph_add_output(ir_graph *g, ir_value *v, clstm_error *err) { return append(&g->outputs, &g->n_out, &g->cap_out, v, err); }

const ir_attr *ir_attr_find(const ir_node *n, const char *name) {
    for (int i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].name[0] == name[0] && !strcmp(n->attrs[i].name, name)) return &n->attrs[i];
    return NULL;
}

ir_attr *ir_attr_add(ir_node *n, const char *name, ir_attr_kind kind) {
    util_arena *arena = n->graph->arena;
    /* Grown a slot at a time within rounded-up room: nodes have few attributes. */
    if (n->n_attrs % 4 == 0) {
        ir_attr *more = util_arena_alloc(arena, (size_t)n->n_attrs + 4, sizeof *more);
        if (!more) return NULL;
        if (n->n_attrs) memcpy(more, n->attrs, (size_t)n->n_attrs * sizeof *more);
        n->attrs = more;
    }
    ir_attr *a = &n->attrs[n->n_attrs];
    a->name = util_arena_strdup(arena, name);
    if (!a->name) return NULL;
    a->kind = kind;
    n->n_attrs++;
    return a;
}

/* Calls f for each graph of the tree below and including g, parents first. */
static void each_graph(ir_graph *g, void (*f)(ir_graph *, void *), void *arg) {
    f(g, arg);
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) each_graph(g->nodes[i]->bodies[b], f, arg);
}

static void replace_in(ir_graph *g, void *arg) {
    ir_value **pair = arg;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->inputs[k] == pair[0]) g->nodes[i]->inputs[k] = pair[1];
    for (size_t i = 0; i < g->n_out; i++)
        if (g->outputs[i] == pair[0]) g->outputs[i] = pair[1];
}

void ir_replace_uses(ir_graph *root, ir_value *from, ir_value *to) {
    ir_value *pair[2] = {from, to};
    each_graph(root, replace_in, pair);
}

static ir_value *now(ir_value *v) {
    while (v && v->instead) v = v->instead;
    return v;
}

/* Chains stay short: what takes a place is itself what stands there now. */
void ir_give_way(ir_value *from, ir_value *to) {
    to = now(to);
    if (from != to) from->instead = to;
}

void ir_follow(ir_node *n) {
    for (int k = 0; k < n->n_in; k++) n->inputs[k] = now(n->inputs[k]);
}

void ir_follow_outputs(ir_graph *g) {
    for (size_t i = 0; i < g->n_out; i++) g->outputs[i] = now(g->outputs[i]);
}

static void follow_in(ir_graph *g, void *arg) {
    (void)arg;
    for (size_t i = 0; i < g->n_nodes; i++) ir_follow(g->nodes[i]);
    ir_follow_outputs(g);
}
static void forget_in(ir_graph *g, void *arg) {
    (void)arg;
    for (size_t i = 0; i < g->n_values; i++) g->values[i]->instead = NULL;
}

void ir_follow_all(ir_graph *root) {
    each_graph(root, follow_in, NULL);
    each_graph(root, forget_in, NULL);
}

static void zero_uses(ir_graph *g, void *arg) {
    (void)arg;
    for (size_t i = 0; i < g->n_values; i++) g->values[i]->uses = 0;
}
static void add_uses(ir_graph *g, void *arg) {
    (void)arg;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->inputs[k]) g->nodes[i]->inputs[k]->uses++;
    for (size_t i = 0; i < g->n_out; i++) g->outputs[i]->uses++;
}
void ir_count_uses(ir_graph *root) {
    each_graph(root, zero_uses, NULL);
    each_graph(root, add_uses, NULL);
}

size_t ir_count_nodes(const ir_graph *g) {
    size_t n = g->n_nodes;
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int b = 0; b < g->nodes[i]->n_bodies; b++) n += ir_count_nodes(g->nodes[i]->bodies[b]);
    return n;
}

void ir_note_gone(ir_graph *root, ir_gone why, size_t *nodes) {
    size_t now = ir_count_nodes(root);
    root->gone[why] += *nodes - now;
    *nodes = now;
}

void ir_graph_sweep(ir_graph *g) {
    size_t n = 0;
    for (size_t i = 0; i < g->n_nodes; i++) {
        if (g->nodes[i]->mark == IR_DEAD) node_destroy(g->nodes[i]);
        else if (g->nodes[i]->mark != IR_TAKEN) g->nodes[n++] = g->nodes[i];
    }
    g->n_nodes = n;
}

/* ---- order ------------------------------------------------------------------------------------------------------------- */

/* A value that was folded keeps its producer, which is no longer there. */
static bool made_in(const ir_value *v, const ir_graph *g) { return v && v->producer && v->producer->graph == g && v->producer->mark != IR_DEAD; }

/* Counts, for a node of g, the inputs (its own and its bodies') that nodes of g make. visit is called for each. */
static void each_dependency(ir_graph *g, ir_node *n, void (*visit)(ir_value *, void *), void *arg) {
    for (int k = 0; k < n->n_in; k++) {
        ir_value *v = n->inputs[k];
        if (made_in(v, g)) visit(v, arg);
    }
}
typedef struct walk { ir_graph *g; void (*visit)(ir_value *, void *); void *arg; } walk;
static void walk_body(ir_graph *body, void *arg) {
    walk *w = arg;
    for (size_t i = 0; i < body->n_nodes; i++) each_dependency(w->g, body->nodes[i], w->visit, w->arg);
    for (size_t i = 0; i < body->n_out; i++) {
        ir_value *v = body->outputs[i];
        if (made_in(v, w->g)) w->visit(v, w->arg);
    }
}
static void all_dependencies(ir_graph *g, ir_node *n, void (*visit)(ir_value *, void *), void *arg) {
    walk w = {g, visit, arg};
    each_dependency(g, n, visit, arg);
    for (int b = 0; b < n->n_bodies; b++) each_graph(n->bodies[b], walk_body, &w);
}

typedef struct stack { ir_node **node; size_t n; int *waiting; size_t *first, *next; ir_node **user; size_t edges; } order_state;
static void count_edge(ir_value *v, void *arg) { (void)v; (*(size_t *)arg)++; }
typedef struct link { order_state *s; ir_node *n; } edge_link;
static void add_edge(ir_value *v, void *arg) {
    edge_link *l = arg;
    size_t p = (size_t)v->producer->mark, e = ++l->s->edges;
    l->s->user[e] = l->n;
    l->s->next[e] = l->s->first[p];
    l->s->first[p] = e;
    l->s->waiting[l->n->mark]++;
}

/* Kahn's algorithm; among the ready nodes the file's order decides, so that a sorted file stays as it is. */
clstm_status ir_graph_order(ir_graph *g, clstm_error *err) {
    size_t n = g->n_nodes, edges = 0;
    for (size_t i = 0; i < n; i++) { g->nodes[i]->mark = (int)i; all_dependencies(g, g->nodes[i], count_edge, &edges); }
    order_state s = {0};
    s.waiting = util_calloc(n, sizeof *s.waiting);
    s.first = util_calloc(n, sizeof *s.first);
    s.next = util_calloc(edges + 1, sizeof *s.next);
    s.user = util_calloc(edges + 1, sizeof *s.user);
    s.node = util_calloc(n, sizeof *s.node);
    size_t *heap = util_calloc(n + 1, sizeof *heap), heaped = 0, done = 0;
    clstm_status status = CLSTM_OK;
    if (!s.waiting || !s.first || !s.next || !s.user || !s.node || !heap) { status = util_no_memory(err); goto out; }
    for (size_t i = 0; i < n; i++) { edge_link l = {&s, g->nodes[i]}; all_dependencies(g, g->nodes[i], add_edge, &l); }
#define SWAP(a, b) do { size_t t_ = heap[a]; heap[a] = heap[b]; heap[b] = t_; } while (0)
#define PUSH(x) do { size_t h_ = ++heaped; heap[h_] = (x); while (h_ > 1 && heap[h_] < heap[h_ / 2]) { SWAP(h_, h_ / 2); h_ /= 2; } } while (0)
    for (size_t i = 0; i < n; i++)
        if (!s.waiting[i]) PUSH(i);
    while (heaped) {
        size_t i = heap[1], h = 1;
        heap[1] = heap[heaped--];
        for (;;) {
            size_t c = 2 * h;
            if (c > heaped) break;
            if (c < heaped && heap[c + 1] < heap[c]) c++;
            if (heap[h] <= heap[c]) break;
            SWAP(h, c);
            h = c;
        }
        s.node[done++] = g->nodes[i];
        for (size_t e = s.first[i]; e; e = s.next[e])
            if (!--s.waiting[s.user[e]->mark]) PUSH((size_t)s.user[e]->mark);
    }
#undef PUSH
#undef SWAP
    if (done < n) {
        char text[256];
        size_t i = 0;
        while (!s.waiting[i]) i++;
        status = util_fail(err, CLSTM_BAD_MODEL, "%s depends on its own output", ir_node_text(text, sizeof text, g->nodes[i]));
        goto out;
    }
    if (n) memcpy(g->nodes, s.node, n * sizeof *s.node);
out:
    for (size_t i = 0; i < n; i++) g->nodes[i]->mark = 0;
    free(s.waiting); free(s.first); free(s.next); free(s.user); free(s.node); free(heap);
    return status;
}

/* ---- clone ------------------------------------------------------------------------------------------------------------- */

static clstm_status clone_into(const ir_graph *from, ir_graph *to, clstm_error *err);

static clstm_status clone_values(const ir_graph *from, ir_graph *to, clstm_error *err) {
    for (size_t i = 0; i < from->n_values; i++) {
        ir_value *old = from->values[i], *v = add_value(to, old->name);
        if (!v) return util_no_memory(err);
        v->kind = old->kind;
        v->optional = old->optional;
        v->type = old->type;
        memcpy(v->dim_names, old->dim_names, sizeof v->dim_names);
        v->constant = ir_const_ref(old->constant);
    }
    return CLSTM_OK;
}

/* The clone's value: graphs nest alike, so walk up both trees together until the owner is met. */
static ir_value *counterpart(const ir_value *v, const ir_graph *from, const ir_graph *to) {
    if (!v) return NULL;
    while (from && from != v->graph) { from = from->parent; to = to->parent; }
    return from ? to->values[v->id] : NULL;
}

static void *copy(util_arena *arena, const void *data, size_t count, size_t size) {
    void *p = util_arena_alloc(arena, count ? count : 1, size);
    if (p && count) memcpy(p, data, count * size);
    return p;
}

static clstm_status clone_attr(const ir_attr *a, ir_node *n, ir_graph *to, clstm_error *err) {
    ir_attr *b = ir_attr_add(n, a->name, a->kind);
    if (!b) return util_no_memory(err);
    const void *made = b;
    switch (a->kind) {
    case IR_ATTR_STRING: made = b->v.s = util_arena_strndup(to->arena, a->v.s, a->count); break;
    case IR_ATTR_TENSOR: case IR_ATTR_SPARSE: b->v.t = ir_const_ref(a->v.t); break;
    case IR_ATTR_INTS: made = b->v.ints = copy(to->arena, a->v.ints, a->count, sizeof(int64_t)); break;
    case IR_ATTR_FLOATS: made = b->v.floats = copy(to->arena, a->v.floats, a->count, sizeof(float)); break;
    case IR_ATTR_STRINGS:
        made = b->v.strings = util_arena_alloc(to->arena, a->count + 1, sizeof(char *));
        for (size_t i = 0; made && i < a->count; i++) made = b->v.strings[i] = util_arena_strdup(to->arena, a->v.strings[i]);
        break;
    case IR_ATTR_TENSORS:
        made = b->v.tensors = util_arena_alloc(to->arena, a->count + 1, sizeof(ir_const *));
        for (size_t i = 0; made && i < a->count; i++) b->v.tensors[i] = ir_const_ref(a->v.tensors[i]);
        break;
    case IR_ATTR_GRAPH:
        UTIL_TRY(ir_graph_new(to, a->v.g->name, &b->v.g, err));
        UTIL_TRY(clone_into(a->v.g, b->v.g, err));
        break;
    case IR_ATTR_GRAPHS:
        made = b->v.graphs = util_arena_alloc(to->arena, a->count + 1, sizeof(ir_graph *));
        for (size_t i = 0; made && i < a->count; i++) {
            b->count = i;
            UTIL_TRY(ir_graph_new(to, a->v.graphs[i]->name, &b->v.graphs[i], err));
            b->count = i + 1;
            UTIL_TRY(clone_into(a->v.graphs[i], b->v.graphs[i], err));
        }
        break;
    default: b->v = a->v; break;
    }
    if (!made) return util_no_memory(err);
    b->count = a->count;
    return CLSTM_OK;
}

static clstm_status clone_node(const ir_node *old, const ir_graph *from, ir_graph *to, clstm_error *err) {
    ir_node *n = add_node(to, old->op_type, old->domain, old->version, old->name, old->n_in, old->n_out);
    if (!n) return util_no_memory(err);
    n->op = old->op;
    n->index = old->index;
    for (int i = 0; i < old->n_in; i++) n->inputs[i] = counterpart(old->inputs[i], from, to);
    for (int i = 0; i < old->n_out; i++)
        if ((n->outputs[i] = counterpart(old->outputs[i], from, to))) n->outputs[i]->producer = n;
    for (int i = 0; i < old->n_attrs; i++) UTIL_TRY(clone_attr(&old->attrs[i], n, to, err));
    n->bodies = util_arena_alloc(to->arena, (size_t)old->n_bodies + 1, sizeof *n->bodies);
    if (!n->bodies) return util_no_memory(err);
    n->n_bodies = old->n_bodies;
    for (int b = 0; b < old->n_bodies; b++)
        for (int i = 0; i < old->n_attrs; i++)
            if (old->attrs[i].kind == IR_ATTR_GRAPH && old->attrs[i].v.g == old->bodies[b]) n->bodies[b] = n->attrs[i].v.g;
    n->typed = old->typed;
    n->params = old->params;    /* immutable, in the source's arena, which outlives its copies */
    return CLSTM_OK;
}

static clstm_status clone_into(const ir_graph *from, ir_graph *to, clstm_error *err) {
    to->opset = from->opset;
    to->declared = from->declared;      /* as node params below */
    UTIL_TRY(clone_values(from, to, err));
    for (size_t i = 0; i < from->n_nodes; i++) UTIL_TRY(clone_node(from->nodes[i], from, to, err));
    for (size_t i = 0; i < from->n_in; i++) UTIL_TRY(ir_graph_add_input(to, to->values[from->inputs[i]->id], err));
    for (size_t i = 0; i < from->n_out; i++) UTIL_TRY(ir_graph_add_output(to, counterpart(from->outputs[i], from, to), err));
    return CLSTM_OK;
}

clstm_status ir_graph_clone(const ir_graph *root, ir_graph **out, clstm_error *err) {
    ir_graph *g;
    UTIL_TRY(ir_graph_new(NULL, root->name, &g, err));
    g->unnamed = root->unnamed;
    g->imported = root->imported;
    memcpy(g->gone, root->gone, sizeof g->gone);
    clstm_status s = clone_into(root, g, err);
    if (s != CLSTM_OK) { ir_graph_destroy(g); return s; }
    *out = g;
    return CLSTM_OK;
}

clstm_status ir_graph_clone_body(const ir_graph *body, ir_graph **out, clstm_error *err) {
    ir_graph *g;
    UTIL_TRY(ir_graph_new(body->parent, body->name, &g, err));
    clstm_status s = clone_into(body, g, err);
    if (s != CLSTM_OK) { ir_graph_destroy(g); return s; }
    *out = g;
    return CLSTM_OK;
}

const char *ir_node_text(char *out, size_t size, const ir_node *n) {
    char name[96], op[48];
    util_escape(op, sizeof op, n->op_type);
    util_escape(name, sizeof name, n->name);
    if (n->index < 0) snprintf(out, size, "node \"%s\" (%s)", name, op);
    else snprintf(out, size, "node %d \"%s\" (%s)", n->index, name, op);
    return out;
}
