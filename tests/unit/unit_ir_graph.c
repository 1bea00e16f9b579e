/* ir/graph: editing, use lists, order, sweeping and copying, on graphs made by hand; no operator row takes part. */
#include "unit_main.h"

#include "ir/graph.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_NODES = 12 };

static ir_graph *graph_new(ir_graph *parent) {
    ir_graph *g;
    ck_assert_int_eq(ir_graph_new(parent, "g", &g, NULL), CLSTM_OK);
    return g;
}

/* A node with one output that reads a, and b where it is not NULL. */
static ir_node *node(ir_graph *g, const char *name, ir_value *a, ir_value *b) {
    ir_node *n = ir_node_new(g, "Op", "", 1, name, b ? 2 : 1, 1);
    ck_assert_ptr_nonnull(n);
    n->inputs[0] = a;
    if (b) n->inputs[1] = b;
    n->outputs[0] = ir_value_new(g, NULL);
    n->outputs[0]->producer = n;
    return n;
}

/* Gives the node a body, as the loader does: an attribute that owns it, and its place among the bodies. */
static ir_graph *body_of(ir_node *n) {
    ir_graph *body = graph_new(n->graph);
    ir_attr *a = ir_attr_add(n, "body", IR_ATTR_GRAPH);
    a->v.g = body;
    n->bodies = util_arena_alloc(n->graph->arena, 1, sizeof *n->bodies);
    n->bodies[0] = body;
    n->n_bodies = 1;
    return body;
}

static ir_const *number(float f) {
    ir_const *c;
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){1}, &f);
    ck_assert_int_eq(ir_const_new(&t, &c, NULL), CLSTM_OK);
    return c;
}

/* The names of the nodes in order, one letter each. */
static const char *names(const ir_graph *g) {
    static char text[MOST_NODES + 1];
    for (size_t i = 0; i < g->n_nodes; i++) text[i] = g->nodes[i]->name[0];
    text[g->n_nodes] = 0;
    return text;
}

START_TEST(made_up_names_differ_in_the_whole_tree)
{
    ir_graph *g = graph_new(NULL);
    ir_graph *body = body_of(node(g, "n", NULL, NULL));
    char name[] = "x";
    ir_value *x = ir_value_new(g, name), *a = ir_value_new(g, NULL), *b = ir_value_new(body, NULL);
    name[0] = '?';
    ck_assert_str_eq(x->name, "x");
    ck_assert_str_ne(a->name, b->name);
    ck_assert_str_ne(g->nodes[0]->outputs[0]->name, b->name);
    ck_assert_ptr_eq(b->graph, body);
    ck_assert_int_eq(x->type.rank, -1);
    for (size_t i = 0; i < g->n_values; i++) ck_assert_int_eq(g->values[i]->id, (int)i);
    ir_graph_destroy(g);
}
END_TEST

START_TEST(a_constant_brings_its_type_and_is_counted)
{
    ir_graph *g = graph_new(NULL);
    ir_value *v = ir_value_new(g, "v");
    ir_const *one = number(1), *two = number(2);
    ir_value_set_const(v, one);
    ck_assert_int_eq(one->refs, 2);
    ck_assert_int_eq(v->kind, CLSTM_KIND_TENSOR);
    ck_assert_int_eq(v->type.type, CLSTM_FLOAT);
    ck_assert_int_eq(v->type.rank, 1);
    ck_assert_ptr_null(v->type.data);
    ir_value_set_const(v, two);
    ck_assert_int_eq(one->refs, 1);
    ir_value_set_const(v, two);                     /* the one it has already */
    ck_assert_int_eq(two->refs, 2);
    ir_const_unref(two);
    ir_value_set_const(v, two);                     /* and that nobody else holds */
    ck_assert_int_eq(two->refs, 1);
    ir_const_ref(two);
    ir_graph_destroy(g);
    ck_assert_int_eq(two->refs, 1);
    ir_const_unref(one);
    ir_const_unref(two);
}
END_TEST

START_TEST(attributes_are_found_past_every_growth)
{
    ir_graph *g = graph_new(NULL);
    ir_node *n = node(g, "n", NULL, NULL);
    char name[] = "a0";
    for (int i = 0; i < 9; i++) {
        name[1] = (char)('0' + i);
        ir_attr_add(n, name, IR_ATTR_INT)->v.i = i;
    }
    for (int i = 0; i < 9; i++) {
        name[1] = (char)('0' + i);
        ck_assert_ptr_nonnull(ir_attr_find(n, name));
        ck_assert_int_eq(ir_attr_find(n, name)->v.i, i);
    }
    ck_assert_ptr_null(ir_attr_find(n, "a9"));
    ir_graph_destroy(g);
}
END_TEST

/* x feeds a twice, a body and an output; y takes its place everywhere. */
START_TEST(uses_are_counted_and_replaced_in_bodies_and_outputs)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = ir_value_new(g, "x"), *y = ir_value_new(g, "y");
    ir_node *a = node(g, "a", x, x), *loop = node(g, "l", a->outputs[0], NULL);
    ir_graph *body = body_of(loop);
    ir_node *inner = node(body, "i", x, a->outputs[0]);
    ck_assert_int_eq(ir_graph_add_output(body, x, NULL), CLSTM_OK);
    ck_assert_int_eq(ir_graph_add_output(g, x, NULL), CLSTM_OK);
    for (int twice = 0; twice < 2; twice++) {       /* counts start from nothing each time */
        ir_count_uses(g);
        ck_assert_int_eq(x->uses, 5);
        ck_assert_int_eq(y->uses, 0);
        ck_assert_int_eq(a->outputs[0]->uses, 2);
        ck_assert_int_eq(inner->outputs[0]->uses, 0);
    }
    ir_replace_uses(g, x, y);
    ir_count_uses(g);
    ck_assert_int_eq(x->uses, 0);
    ck_assert_int_eq(y->uses, 5);
    ck_assert_ptr_eq(body->outputs[0], y);
    ck_assert_ptr_eq(g->outputs[0], y);
    ck_assert_ptr_eq(inner->inputs[1], a->outputs[0]);
    ir_graph_destroy(g);
}
END_TEST

START_TEST(sweeping_keeps_order_and_lets_go_of_constants)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = ir_value_new(g, "x");
    ir_const *one = number(1);
    for (const char *name = "abcde"; *name; name++) node(g, (char[]){*name, 0}, x, NULL);
    for (int i = 0; i < 2; i++) ir_attr_add(g->nodes[i], "value", IR_ATTR_TENSOR)->v.t = ir_const_ref(one);
    ir_graph *body = body_of(g->nodes[4]);
    node(body, "n", x, NULL);
    node(body, "m", x, NULL);
    size_t counted = ir_count_nodes(g);
    ck_assert_uint_eq(counted, 7);
    g->nodes[1]->mark = g->nodes[4]->mark = IR_DEAD;
    ir_node *taken = g->nodes[2];
    taken->mark = IR_TAKEN;
    g->nodes[0]->epilogue = taken;                  /* lives on in a, which owns it now */
    ir_attr_add(taken, "value", IR_ATTR_TENSOR)->v.t = ir_const_ref(one);
    ir_graph_sweep(g);
    ck_assert_str_eq(names(g), "ad");
    ck_assert_int_eq(one->refs, 3);                 /* ours, a's and the epilogue's */
    ir_note_gone(g, IR_GONE_FOLDED, &counted);
    ck_assert_uint_eq(g->gone[IR_GONE_FOLDED], 5);
    ck_assert_uint_eq(counted, 2);
    ir_graph_destroy(g);
    ck_assert_int_eq(one->refs, 1);
    ir_const_unref(one);
}
END_TEST

START_TEST(nodes_are_put_in_order_and_a_sorted_file_stays)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = ir_value_new(g, "x");
    ir_node *d = node(g, "d", x, NULL), *c = node(g, "c", x, NULL), *b = node(g, "b", x, NULL), *a = node(g, "a", x, NULL);
    node(g, "free", x, NULL);
    d->inputs[0] = c->outputs[0];
    c->inputs[0] = b->outputs[0];
    b->inputs[0] = a->outputs[0];
    ck_assert_int_eq(ir_graph_order(g, NULL), CLSTM_OK);
    ck_assert_str_eq(names(g), "abcdf");
    ck_assert_int_eq(ir_graph_order(g, NULL), CLSTM_OK);
    ck_assert_str_eq(names(g), "abcdf");
    ir_graph_destroy(g);
}
END_TEST

/* Among the nodes that may come next the first in the file comes, found the slow way. */
static void order_slowly(const bool needs[][MOST_NODES], int n, char *out) {
    bool done[MOST_NODES] = {false};
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n; i++) {
            bool ready = !done[i];
            for (int j = 0; j < n; j++) ready = ready && (!needs[i][j] || done[j]);
            if (!ready) continue;
            done[i] = true;
            out[k] = (char)('a' + i);
            break;
        }
    out[n] = 0;
}

START_TEST(random_graphs_are_ordered_as_the_slow_way_does)
{
    srand(1 + (unsigned)_i);
    bool needs[MOST_NODES][MOST_NODES] = {{false}};
    int n = 2 + rand() % (MOST_NODES - 1), place[MOST_NODES];
    for (int i = 0; i < n; i++) place[i] = i;
    for (int i = n - 1; i > 0; i--) { int j = rand() % (i + 1), t = place[i]; place[i] = place[j]; place[j] = t; }
    ir_graph *g = graph_new(NULL);
    for (int i = 0; i < n; i++) {
        ir_node *made = ir_node_new(g, "Op", "", 1, (char[]){(char)('a' + i), 0}, n, 1);
        made->outputs[0] = ir_value_new(g, NULL);
        made->outputs[0]->producer = made;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            if (rand() % 3 == 0) {                  /* whatever the places, an edge goes one way: no cycle */
                needs[place[i]][place[j]] = true;
                g->nodes[place[i]]->inputs[place[j]] = g->nodes[place[j]]->outputs[0];
            }
    char expected[MOST_NODES + 1];
    order_slowly(needs, n, expected);
    ck_assert_int_eq(ir_graph_order(g, NULL), CLSTM_OK);
    ck_assert_str_eq(names(g), expected);
    for (int i = 0; i < n; i++) ck_assert_int_eq(g->nodes[i]->mark, 0);
    ir_graph_destroy(g);
}
END_TEST

/* What a body reads, or passes out, from the graph around it must be made before the body's node. */
START_TEST(a_body_waits_for_what_it_reads_outside)
{
    for (int deep = 0; deep < 2; deep++)
        for (int passes_out = 0; passes_out < 2; passes_out++) {
            ir_graph *g = graph_new(NULL);
            ir_value *x = ir_value_new(g, "x");
            ir_graph *body = body_of(node(g, "l", x, NULL));
            ir_node *late = node(g, "a", x, NULL);
            if (deep) body = body_of(node(body, "m", x, NULL));
            if (passes_out) ck_assert_int_eq(ir_graph_add_output(body, late->outputs[0], NULL), CLSTM_OK);
            else node(body, "n", late->outputs[0], NULL);
            ck_assert_int_eq(ir_graph_order(g, NULL), CLSTM_OK);
            ck_assert_str_eq(names(g), "al");
            ir_graph_destroy(g);
        }
}
END_TEST

START_TEST(a_cycle_is_refused_by_name_and_changes_nothing)
{
    for (int kind = 0; kind < 3; kind++) {
        ir_graph *g = graph_new(NULL);
        ir_value *x = ir_value_new(g, "x");
        ir_node *a = node(g, "a", x, NULL), *b = node(g, "b\n", a->outputs[0], NULL);
        node(g, "c", x, NULL);
        b->index = 7;
        if (kind == 0) b->inputs[0] = b->outputs[0];
        else if (kind == 1) a->inputs[0] = b->outputs[0];
        else node(body_of(b), "i", b->outputs[0], NULL);
        clstm_error err = {0};
        ck_assert_int_eq(ir_graph_order(g, &err), CLSTM_BAD_MODEL);
        if (kind == 1) ck_assert_str_eq(err.message, "node \"a\" (Op) depends on its own output");
        else ck_assert_str_eq(err.message, "node 7 \"b\\x0a\" (Op) depends on its own output");
        ck_assert_str_eq(names(g), "abc");
        ir_graph_destroy(g);
    }
}
END_TEST

/* A folded value keeps its producer's name; that node is gone and orders nobody. */
START_TEST(a_folded_producer_orders_nobody)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = ir_value_new(g, "x");
    ir_node *a = node(g, "a", x, NULL), *b = node(g, "b", x, NULL);
    node(g, "c", b->outputs[0], NULL);
    a->inputs[0] = b->outputs[0];
    b->mark = IR_DEAD;
    ir_graph_sweep(g);
    ck_assert_int_eq(ir_graph_order(g, NULL), CLSTM_OK);
    ck_assert_str_eq(names(g), "ac");
    ir_graph_destroy(g);
}
END_TEST

/* One attribute of each kind that owns memory. */
static void add_attributes(ir_node *n, ir_const *c) {
    ir_attr *a = ir_attr_add(n, "text", IR_ATTR_STRING);
    a->v.s = "a\0b";                                /* strings are bytes */
    a->count = 3;
    a = ir_attr_add(n, "ints", IR_ATTR_INTS);
    a->v.ints = util_arena_alloc(n->graph->arena, a->count = 2, sizeof *a->v.ints);
    a->v.ints[1] = 5;
    a = ir_attr_add(n, "floats", IR_ATTR_FLOATS);
    a->v.floats = util_arena_alloc(n->graph->arena, a->count = 1, sizeof *a->v.floats);
    a->v.floats[0] = 0.5f;
    a = ir_attr_add(n, "strings", IR_ATTR_STRINGS);
    a->v.strings = util_arena_alloc(n->graph->arena, a->count = 2, sizeof *a->v.strings);
    a->v.strings[0] = "Tanh";
    a->v.strings[1] = "Relu";
    a = ir_attr_add(n, "tensors", IR_ATTR_TENSORS);
    a->v.tensors = util_arena_alloc(n->graph->arena, a->count = 1, sizeof *a->v.tensors);
    a->v.tensors[0] = ir_const_ref(c);
    ir_attr_add(n, "tensor", IR_ATTR_TENSOR)->v.t = ir_const_ref(c);
    ir_attr_add(n, "int", IR_ATTR_INT)->v.i = -3;
    a = ir_attr_add(n, "graphs", IR_ATTR_GRAPHS);
    a->v.graphs = util_arena_alloc(n->graph->arena, a->count = 1, sizeof *a->v.graphs);
    a->v.graphs[0] = graph_new(n->graph);
}

static void check_attributes(const ir_node *n, const ir_node *of) {
    ck_assert_int_eq(memcmp(ir_attr_find(n, "text")->v.s, "a\0b", 4), 0);
    ck_assert_int_eq(ir_attr_find(n, "ints")->v.ints[1], 5);
    ck_assert_ptr_ne(ir_attr_find(n, "ints")->v.ints, ir_attr_find(of, "ints")->v.ints);
    ck_assert(ir_attr_find(n, "floats")->v.floats[0] == 0.5f);
    ck_assert_str_eq(ir_attr_find(n, "strings")->v.strings[1], "Relu");
    ck_assert_ptr_ne(ir_attr_find(n, "strings")->v.strings[1], ir_attr_find(of, "strings")->v.strings[1]);
    ck_assert_int_eq(ir_attr_find(n, "int")->v.i, -3);
    for (int i = 0; i < n->n_attrs; i++) ck_assert_uint_eq(n->attrs[i].count, of->attrs[i].count);
    const ir_graph *inner = ir_attr_find(n, "graphs")->v.graphs[0];
    ck_assert_ptr_ne(inner, ir_attr_find(of, "graphs")->v.graphs[0]);
    ck_assert_ptr_eq(inner->parent, n->graph);
}

START_TEST(a_copy_is_whole_and_its_own)
{
    ir_graph *g = graph_new(NULL), *copy;
    ir_value *x = ir_value_new(g, "x");
    ir_const *one = number(1);
    x->dim_names[1] = "batch";
    x->optional = true;
    ck_assert_int_eq(ir_graph_add_input(g, x, NULL), CLSTM_OK);
    ir_node *a = node(g, "a", x, NULL), *loop = node(g, "l", a->outputs[0], NULL);
    ir_value_set_const(ir_value_new(g, "w"), one);
    add_attributes(a, one);
    a->index = 3;
    a->params = &a;
    ir_node *inner = node(body_of(loop), "i", a->outputs[0], x);
    ck_assert_int_eq(ir_graph_add_output(loop->bodies[0], a->outputs[0], NULL), CLSTM_OK);
    ck_assert_int_eq(ir_graph_add_output(g, loop->outputs[0], NULL), CLSTM_OK);
    g->opset = 17;
    g->imported = 9;
    g->gone[IR_GONE_FUSED] = 2;
    int refs = one->refs;

    ck_assert_int_eq(ir_graph_clone(g, &copy, NULL), CLSTM_OK);
    ck_assert_int_eq(one->refs, 2 * refs - 1);      /* shared, and counted */
    ck_assert_int_eq(copy->opset, 17);
    ck_assert_uint_eq(copy->imported, 9);
    ck_assert_uint_eq(copy->gone[IR_GONE_FUSED], 2);
    ck_assert_str_eq(names(copy), "al");
    ck_assert_ptr_eq(copy->inputs[0], copy->values[x->id]);
    ck_assert_ptr_ne(copy->inputs[0], x);
    ck_assert(copy->inputs[0]->optional);
    ck_assert_ptr_eq(copy->inputs[0]->dim_names[1], x->dim_names[1]);       /* names are shared */
    ck_assert_ptr_eq(copy->nodes[0]->name, a->name);
    ck_assert_int_eq(copy->nodes[0]->index, 3);
    ck_assert_ptr_eq(copy->nodes[0]->params, a->params);
    ck_assert_ptr_eq(copy->outputs[0]->producer, copy->nodes[1]);
    check_attributes(copy->nodes[0], a);
    ir_graph *body = copy->nodes[1]->bodies[0];
    ck_assert_ptr_eq(body, ir_attr_find(copy->nodes[1], "body")->v.g);
    ck_assert_ptr_eq(body->parent, copy);
    ck_assert_ptr_eq(body->nodes[0]->inputs[0], copy->nodes[0]->outputs[0]);    /* outer values are the copy's */
    ck_assert_ptr_eq(body->nodes[0]->inputs[1], copy->inputs[0]);
    ck_assert_ptr_eq(body->outputs[0], copy->nodes[0]->outputs[0]);
    ck_assert_ptr_ne(body->nodes[0], inner);
    ir_value *made = ir_value_new(copy, NULL);
    for (size_t i = 0; i + 1 < copy->n_values; i++) ck_assert_str_ne(copy->values[i]->name, made->name);

    ir_graph_destroy(g);                            /* the copy stands alone, but for names and params */
    ck_assert_str_eq(ir_attr_find(copy->nodes[0], "strings")->v.strings[0], "Tanh");
    ir_graph_destroy(copy);
    ck_assert_int_eq(one->refs, 1);
    ir_const_unref(one);
}
END_TEST

START_TEST(a_copied_body_stays_under_its_parent)
{
    ir_graph *g = graph_new(NULL), *copy;
    ir_value *x = ir_value_new(g, "x");
    ir_node *loop = node(g, "l", x, NULL);
    ir_graph *body = body_of(loop);
    ir_value *turn = ir_value_new(body, "turn");
    ck_assert_int_eq(ir_graph_add_input(body, turn, NULL), CLSTM_OK);
    node(body, "i", x, turn);
    ck_assert_int_eq(ir_graph_clone_body(body, &copy, NULL), CLSTM_OK);
    ck_assert_ptr_eq(copy->parent, g);
    ck_assert_ptr_eq(copy->arena, g->arena);
    ck_assert_ptr_eq(copy->nodes[0]->inputs[0], x);         /* outer values are the same */
    ck_assert_ptr_eq(copy->nodes[0]->inputs[1], copy->inputs[0]);
    ck_assert_ptr_ne(copy->inputs[0], turn);
    ir_count_uses(g);
    ck_assert_int_eq(x->uses, 2);                           /* nothing of g refers to the copy */
    ir_graph_destroy(copy);
    ir_graph_destroy(g);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("ir_graph");
    unit_add(s, "made-up names differ in the whole tree", made_up_names_differ_in_the_whole_tree);
    unit_add(s, "a constant brings its type and is counted", a_constant_brings_its_type_and_is_counted);
    unit_add(s, "attributes are found past every growth", attributes_are_found_past_every_growth);
    unit_add(s, "uses are counted and replaced in bodies and outputs", uses_are_counted_and_replaced_in_bodies_and_outputs);
    unit_add(s, "sweeping keeps order and lets go of constants", sweeping_keeps_order_and_lets_go_of_constants);
    unit_add(s, "nodes are put in order and a sorted file stays", nodes_are_put_in_order_and_a_sorted_file_stays);
    unit_add_loop(s, "random graphs are ordered as the slow way does", random_graphs_are_ordered_as_the_slow_way_does, 0, 100);
    unit_add(s, "a body waits for what it reads outside", a_body_waits_for_what_it_reads_outside);
    unit_add(s, "a cycle is refused by name and changes nothing", a_cycle_is_refused_by_name_and_changes_nothing);
    unit_add(s, "a folded producer orders nobody", a_folded_producer_orders_nobody);
    unit_add(s, "a copy is whole and its own", a_copy_is_whole_and_its_own);
    unit_add(s, "a copied body stays under its parent", a_copied_body_stays_under_its_parent);
    return s;
}
