/* convert/tidy: a graph that passes left behind becomes one that a file can hold. */
#include "unit_main.h"

#include "convert/tidy.h"

#include <string.h>

static ir_graph *graph_new(ir_graph *parent) {
    ir_graph *g;
    ck_assert_int_eq(ir_graph_new(parent, "g", &g, NULL), CLSTM_OK);
    g->opset = 17;
    return g;
}

static ir_value *value(ir_graph *g, const char *name) {
    ir_value *v = ir_value_new(g, name);
    v->kind = CLSTM_KIND_TENSOR;
    v->type = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){3}, NULL);
    return v;
}

static ir_value *input(ir_graph *g, const char *name) {
    ir_value *v = value(g, name);
    ck_assert_int_eq(ir_graph_add_input(g, v, NULL), CLSTM_OK);
    return v;
}

static ir_node *node(ir_graph *g, const char *op, ir_value *in, ir_value *out) {
    ir_node *n = ir_node_new(g, op, "", 17, op, 1, 1);
    n->inputs[0] = in;
    n->outputs[0] = out;
    return n;
}

static void output(ir_graph *g, ir_value *v) { ck_assert_int_eq(ir_graph_add_output(g, v, NULL), CLSTM_OK); }

static ir_value *constant(ir_graph *g, const char *name) {
    ir_const *c;
    ir_value *v = ir_value_new(g, name);
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){3}, (float[]){1, 2, 3});
    ck_assert_int_eq(ir_const_new(&t, &c, NULL), CLSTM_OK);
    ir_value_set_const(v, c);
    ir_const_unref(c);
    return v;
}

/* A port of the model as it was declared: float [batch]. */
static clstm_port port(const char *name) {
    clstm_port p = {.name = name, .kind = CLSTM_KIND_TENSOR};
    p.tensor = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){-1}, NULL);
    p.dim_names[0] = "batch";
    return p;
}

static void tidy(ir_graph *g, const clstm_port *ports) {
    ck_assert_int_eq(convert_tidy(g, ports, NULL), CLSTM_OK);
    for (size_t i = 0; i < g->n_values; i++) ck_assert_int_eq(g->values[i]->id, (int)i);
}

static const ir_value *find(const ir_graph *g, const char *name) {
    for (size_t i = 0; i < g->n_values; i++)
        if (!strcmp(g->values[i]->name, name)) return g->values[i];
    return NULL;
}

START_TEST(what_nobody_needs_goes)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = input(g, "x"), *y = value(g, "y");
    input(g, "unread");
    ir_value *stale = value(g, "left over");
    node(g, "Exp", x, stale)->mark = IR_DEAD;       /* still called its producer, and gone */
    stale->producer = g->nodes[0];
    ir_graph_sweep(g);
    constant(g, "idle");
    node(g, "Add", x, y);
    node(g, "Neg", constant(g, "w"), value(g, "made"));
    ir_value_set_const(g->nodes[1]->outputs[0], constant(g, "known")->constant);     /* folded, and made all the same */
    output(g, y);
    tidy(g, (clstm_port[]){port("y")});
    ck_assert_uint_eq(g->n_values, 5);
    ck_assert_ptr_nonnull(find(g, "unread"));       /* a caller gives it */
    ck_assert_ptr_null(find(g, "left over"));
    ck_assert_ptr_null(find(g, "idle"));
    ck_assert_ptr_nonnull(find(g, "w")->constant);
    ck_assert_ptr_null(find(g, "made")->constant);
    ck_assert_ptr_eq(y->producer, g->nodes[0]);
    ir_graph_destroy(g);
}
END_TEST

START_TEST(outputs_get_their_names_and_types_back)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = input(g, "x"), *inner = value(g, "inner"), *other = value(g, "y");
    node(g, "Neg", x, other);
    node(g, "Abs", other, inner);
    output(g, inner);
    tidy(g, (clstm_port[]){port("y")});
    ck_assert_ptr_eq(g->outputs[0], inner);
    ck_assert_str_eq(inner->name, "y");
    ck_assert_str_eq(other->name, "y~inner");
    ck_assert_int_eq(inner->type.dims[0], 3);       /* sharper than what was declared */
    ck_assert_str_eq(inner->dim_names[0], "batch");
    ck_assert_uint_eq(g->n_nodes, 2);
    ir_graph_destroy(g);
}
END_TEST

START_TEST(another_type_than_was_inferred_stays_as_declared)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = input(g, "x"), *y = value(g, "y");
    node(g, "Neg", x, y);
    output(g, y);
    y->type.rank = 2;
    y->type.dims[1] = 4;
    tidy(g, (clstm_port[]){port("y")});
    ck_assert_int_eq(y->type.rank, 1);
    ck_assert_int_eq(y->type.dims[0], -1);
    ir_graph_destroy(g);
}
END_TEST

/* An input that is an output, and one value that is two, pass through nodes of their own. */
START_TEST(an_output_has_a_node_of_its_own)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = input(g, "x"), *v = value(g, "v");
    node(g, "Neg", x, v);
    output(g, x);
    output(g, v);
    output(g, v);
    tidy(g, (clstm_port[]){port("same"), port("a"), port("b")});
    ck_assert_str_eq(x->name, "x");
    const char *const names[] = {"same", "a", "b"};
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(g->outputs[i]->name, names[i]);
        ck_assert_ptr_nonnull(g->outputs[i]->producer);
        for (int k = 0; k < i; k++) ck_assert_ptr_ne(g->outputs[i], g->outputs[k]);
    }
    ck_assert_str_eq(g->outputs[0]->producer->op_type, "Identity");
    ck_assert_ptr_eq(g->outputs[0]->producer->inputs[0], x);
    ck_assert_uint_eq(g->n_nodes, 3);
    ir_graph_destroy(g);
}
END_TEST

START_TEST(a_body_makes_what_it_gives_out)
{
    ir_graph *g = graph_new(NULL);
    ir_value *x = input(g, "x"), *v = value(g, "v"), *y = value(g, "y");
    node(g, "Neg", x, v);
    ir_node *branch = node(g, "If", x, y);
    ir_graph *body = graph_new(g);
    ir_attr_add(branch, "then_branch", IR_ATTR_GRAPH)->v.g = body;
    branch->bodies = &body;
    branch->n_bodies = 1;
    output(body, v);                                /* of the graph around it */
    output(body, constant(body, "c"));
    ir_value *own = value(body, "own");
    node(body, "Abs", x, own);
    output(body, own);
    output(g, y);
    tidy(g, (clstm_port[]){port("y")});
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(body->outputs[i]->graph, body);
        ck_assert_str_eq(body->outputs[i]->producer->op_type, i < 2 ? "Identity" : "Abs");
    }
    ck_assert_ptr_eq(body->outputs[0]->producer->inputs[0], v);
    ck_assert_int_eq(body->outputs[0]->producer->version, 17);
    ck_assert_int_eq(body->outputs[0]->kind, CLSTM_KIND_TENSOR);
    ck_assert_int_eq(body->outputs[0]->type.dims[0], 3);
    ck_assert_ptr_eq(body->outputs[2], own);
    ir_graph_destroy(g);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("convert_tidy");
    unit_add(s, "what nobody needs goes", what_nobody_needs_goes);
    unit_add(s, "outputs get their names and types back", outputs_get_their_names_and_types_back);
    unit_add(s, "another type than was inferred stays as declared", another_type_than_was_inferred_stays_as_declared);
    unit_add(s, "an output has a node of its own", an_output_has_a_node_of_its_own);
    unit_add(s, "a body makes what it gives out", a_body_makes_what_it_gives_out);
    return s;
}
