/* What becomes of a graph: the accounts of clstm_session_graph add up, and the plan cache tells what it built and let go. */
#include "unit_main.h"

#include "model_text.h"

#include <string.h>

static clstm_graph graph_of(model_text *t) {
    clstm_graph g;
    ck_assert(clstm_session_graph(t->session, &g));
    ck_assert_uint_eq(g.before, g.after + g.folded + g.unused + g.simplified + g.fused + g.recovered);
    ck_assert_uint_eq(g.arena_bytes, clstm_session_memory(t->session));
    return g;
}

static void prepare(model_text *t, int rank, const int64_t *dims) {
    clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, rank, dims, NULL);
    clstm_status s = clstm_session_set_input(t->session, 0, &x, &t->err);
    if (s == CLSTM_OK) s = clstm_session_prepare(t->session, &t->err);
    ck_assert_msg(s == CLSTM_OK, "%s", t->err.message);
}

/* The arithmetic of shapes, a branch on it and a copy go; so does what nobody reads. */
START_TEST(before_and_after)
{
    pbuf bodies[2] = {model_text_graph("", "a:f", "Neg x > m; Exp m > a", NULL), model_text_graph("", "b:f", "Abs x > l; Sqrt l > k; Exp k > b", NULL)};
    model_text t = model_text_load(model_text_graph("x:f[?,?]", "y:f", "Shape x > s; zero = i[] 0; Gather s,zero > n axis=0; two = i[] 2; Equal n,two > c;"
        "If c > v then_branch=@0 else_branch=@1; Identity v > w; Sin w > unread; Cos w > y", bodies), NULL);
    clstm_graph g;
    ck_assert(!clstm_session_graph(t.session, &g));
    prepare(&t, 2, (int64_t[]){2, 3});
    g = graph_of(&t);
    ck_assert_uint_eq(g.before, 12);
    ck_assert_uint_eq(g.after, 3);              /* Neg, Exp, Cos */
    ck_assert_uint_eq(g.folded, 7);             /* Shape, Gather, Equal, If and the branch not taken */
    ck_assert_uint_eq(g.unused, 1);
    ck_assert_uint_eq(g.simplified, 1);
    ck_assert_uint_eq(g.calls, 3);
    ck_assert_uint_eq(g.dynamic, 0);
    prepare(&t, 2, (int64_t[]){4, 3});
    ck_assert_uint_eq(graph_of(&t).after, 4);
    model_text_done(&t);
}
END_TEST

/* The same graph as it stands: every node is a call. */
START_TEST(interpreted)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = true;
    model_text t = model_text_load(model_text_graph("x:f[?]", "y:f", "Neg x > a; Exp a > y", NULL), &o);
    prepare(&t, 1, (int64_t[]){3});
    clstm_graph g = graph_of(&t);
    ck_assert_uint_eq(g.calls, 2);
    ck_assert_uint_eq(g.dynamic, 2);
    model_text_done(&t);
}
END_TEST

static clstm_plan_cache plans_of(const model_text *t) {
    clstm_plan_cache c;
    clstm_session_plans(t->session, &c);
    return c;
}

/* The plan not used for longest gives way, and is built anew when its shape comes back. */
START_TEST(evictions)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    ck_assert_int_eq(o.plan_cache, 8);
    o.plan_cache = 2;
    model_text t = model_text_load(model_text_graph("x:f[?]", "y:f", "Neg x > y", NULL), &o);
    static const struct { int64_t n; size_t kept; uint64_t built, evicted; } turns[] = {
        {1, 1, 1, 0}, {2, 2, 2, 0}, {1, 2, 2, 0}, {3, 2, 3, 1} /* 2 goes */, {1, 2, 3, 1}, {2, 2, 4, 2} /* 3 goes */, {1, 2, 4, 2}, {3, 2, 5, 3}};
    ck_assert_uint_eq(plans_of(&t).kept, 0);
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        prepare(&t, 1, &turns[i].n);
        clstm_plan_cache c = plans_of(&t);
        ck_assert_uint_eq(c.kept, turns[i].kept);
        ck_assert_uint_eq(c.most, 2);
        ck_assert_uint_eq(c.built, turns[i].built);
        ck_assert_uint_eq(c.evicted, turns[i].evicted);
    }
    model_text_done(&t);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("plans");
    unit_add(s, "before_and_after", before_and_after);
    unit_add(s, "interpreted", interpreted);
    unit_add(s, "evictions", evictions);
    return s;
}
