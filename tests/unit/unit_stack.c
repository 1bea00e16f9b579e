/* plan/stack: layers that walk one behind the other give the bits of one thread's plain order, whatever they are and stand between. That
 * they do walk so shows in the calls of a parallel_for: the layers here are too small for a plain order to share anything out. */
#include "model_text.h"
#include "unit_main.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { MOST_LAYERS = 4, MOST_TEXT = 2048, MOST_PORTS = 40 };

/* ---- random numbers ------------------------------------------------------------------------------------------------------------ */

static uint32_t state = 1;
static uint32_t next(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}
static int64_t between(int64_t least, int64_t most) { return least + (int64_t)(next() % (uint32_t)(most - least + 1)); }

/* ---- models -------------------------------------------------------------------------------------------------------------------- */

static const struct kind { const char *op, *more; int gates; bool lstm; } kinds[] = {
    {"LSTM", "", 4, true}, {"GRU", "linear_before_reset=1", 3, false}, {"GRU", "", 3, false}, {"RNN", "", 1, false}, {"LSTM", "input_forget=1", 4, true},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

typedef struct stack {
    char type;
    int n;
    int64_t t, b, i;
    bool states, lens;              /* initial states are inputs; rows end at different steps */
    struct { const struct kind *kind; int64_t h; int heir; } layer[MOST_LAYERS];     /* heir: starts from the last state of layer heir - 1 */
} stack;

/* The sequence is made by a node (Neg), so that it lies in the arena too; all Y but the last are read by the next layer alone. */
static pbuf graph_of(const stack *s)
{
    static char in[MOST_TEXT], out[MOST_TEXT], nodes[MOST_TEXT];
    int ni = snprintf(in, sizeof in, "x:%c[?,%d,%d]", s->type, (int)s->b, (int)s->i), no = snprintf(out, sizeof out, "y%d:%c[]", s->n - 1, s->type);
    int nn = snprintf(nodes, sizeof nodes, "one = i[1] 1; Neg x > x0");
    if (s->lens) {
        nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, "; ends = i[%d] ", (int)s->b);
        for (int64_t b = 0; b < s->b; b++)
            nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, "%s%d", b ? "," : "", (int)(s->t - 7 * b));
        nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, "; Cast ends > lens to=6");
    }
    int64_t i = s->i;
    for (int k = 0; k < s->n; k++) {
        const struct kind *c = s->layer[k].kind;
        int h = (int)s->layer[k].h, g = c->gates * h;
        ni += snprintf(in + ni, sizeof in - (size_t)ni, " W%d:%c[1,%d,%d] R%d:%c[1,%d,%d] B%d:%c[1,%d]", k, s->type, g, (int)i, k, s->type, g, h, k, s->type, 2 * g);
        if (s->states)
            ni += snprintf(in + ni, sizeof in - (size_t)ni, " h%d:%c[1,%d,%d]", k, s->type, (int)s->b, h);
        if (k)
            nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, "; Squeeze y%d,one > x%d", k - 1, k);
        nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, "; %s x%d,W%d,R%d,B%d,%s", c->op, k, k, k, k, s->lens ? "lens" : "");
        if (s->layer[k].heir)
            nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, ",yh%d", s->layer[k].heir - 1);
        else
            nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, s->states ? ",h%d" : ",", k);
        nn += snprintf(nodes + nn, sizeof nodes - (size_t)nn, " > y%d,yh%d hidden_size=%d %s", k, k, h, c->more);
        no += snprintf(out + no, sizeof out - (size_t)no, " yh%d:%c[1,%d,%d]", k, s->type, (int)s->b, h);
        i = h;
    }
    return model_text_graph(in, out, nodes, NULL);
}

/* A session and its inputs, made-up numbers that depend on the input alone. */
typedef struct run { model_text m; bool carried; void *data[MOST_PORTS]; } run;

static void set_inputs(run *r, int64_t from, int64_t steps)
{
    for (size_t k = 0; k < clstm_model_input_count(r->m.model); k++) {
        clstm_tensor v = clstm_model_input(r->m.model, k)->tensor;
        unsigned char *data = r->data[k];
        if (r->carried && clstm_model_input(r->m.model, k)->name[0] == 'h')
            continue;
        if (k == 0) {
            v.dims[0] = steps;
            data += (size_t)(from * v.dims[1] * v.dims[2]) * clstm_type_size(v.type);
        }
        v = clstm_tensor_view(v.type, v.rank, v.dims, data);
        ck_assert_msg(!clstm_session_set_input(r->m.session, k, &v, &r->m.err), "%s", r->m.err.message);
    }
}

static run open_run(pbuf graph, int64_t t, const clstm_session_options *o)
{
    run r = {.m = model_text_load(graph, o), .carried = o->carry != 0};
    for (size_t k = 0; k < clstm_model_input_count(r.m.model); k++) {
        clstm_tensor v = clstm_model_input(r.m.model, k)->tensor;
        if (k == 0)
            v.dims[0] = t;
        size_t n = (size_t)clstm_tensor_count(&v);
        r.data[k] = malloc(n * clstm_type_size(v.type));
        state = (uint32_t)k + 77;
        for (size_t e = 0; e < n; e++) {
            double x = ((double)next() / 8388608.0 - 1) / 4;
            if (v.type == CLSTM_FLOAT)
                ((float *)r.data[k])[e] = (float)x;
            else
                ((double *)r.data[k])[e] = x;
        }
    }
    set_inputs(&r, 0, t);
    return r;
}

static void go(run *r) { ck_assert_msg(!clstm_session_run(r->m.session, &r->m.err), "%s", r->m.err.message); }

static void close_run(run *r)
{
    for (size_t k = 0; k < clstm_model_input_count(r->m.model); k++)
        free(r->data[k]);
    model_text_done(&r->m);
}

static const clstm_tensor *output(const run *r, size_t k) { return &clstm_session_output(r->m.session, k)->tensor; }
static size_t bytes_of(const clstm_tensor *t) { return (size_t)clstm_tensor_count(t) * clstm_type_size(t->type); }

static void expect_same(const run *a, const run *b, const char *what)
{
    for (size_t k = 0; k < clstm_model_output_count(a->m.model); k++) {
        const clstm_tensor *x = output(a, k), *y = output(b, k);
        ck_assert_uint_eq(bytes_of(x), bytes_of(y));
        ck_assert_msg(!memcmp(x->data, y->data, bytes_of(x)), "%s: output %zu differs", what, k);
    }
}

/* A caller's parallel_for on one thread, last part first: whoever waited for another would wait for ever. */
typedef struct calls { int n, cancel_at; clstm_session *session; } calls;
static void backwards(void *user, int count, void (*task)(void *arg, int index), void *arg)
{
    calls *c = user;
    if (++c->n == c->cancel_at)
        clstm_session_cancel(c->session);
    for (int i = count - 1; i >= 0; i--)
        task(arg, i);
}

static clstm_session_options threads_of(int threads, calls *c)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.threads = threads;
    o.parallel_for = c ? backwards : NULL;
    o.parallel_user = c;
    return o;
}

/* ---- the same bits ------------------------------------------------------------------------------------------------------------- */

/* One thread against 2 and 3, own and the caller's; returns how many calls the caller's got. */
static int compare(pbuf (*graph)(const void *), const void *what, int64_t t, const char *name)
{
    calls c = {0};
    clstm_session_options o = threads_of(1, NULL);
    run one = open_run(graph(what), t, &o);
    go(&one);
    for (int way = 0; way < 4; way++) {
        o = threads_of(2 + way % 2, way < 2 ? NULL : &c);
        run many = open_run(graph(what), t, &o);
        for (int again = 0; again < 3; again++) {
            go(&many);
            expect_same(&one, &many, name);
        }
        close_run(&many);
    }
    close_run(&one);
    return c.n;
}

static pbuf graph_of_stack(const void *s) { return graph_of(s); }

START_TEST(drawn)
{
    int walked = 0;
    for (int draw = 0; draw < 40; draw++) {
        state = (uint32_t)(1000 * _i + draw);
        stack s = {.type = next() % 4 ? 'f' : 'd', .n = (int)between(2, MOST_LAYERS), .t = between(40, 250), .b = between(1, 3), .i = between(1, 50),
                   .states = next() % 2, .lens = next() % 3 == 0};
        for (int k = 0; k < s.n; k++) {
            s.layer[k].kind = &kinds[next() % KINDS];
            s.layer[k].h = between(20, 57);
            if (k && next() % 4 == 0) {
                s.layer[k].heir = (int)between(1, k);
                s.layer[k].h = s.layer[s.layer[k].heir - 1].h;
            }
        }
        walked += compare(graph_of_stack, &s, s.t, "drawn") > 0;
    }
    ck_assert_msg(walked >= 20, "%d of 40 walked together", walked);
}
END_TEST

/* What stands around two layers, and whether they may walk together. I = H = 48, three rows, 90 steps. */
static const struct surrounding { const char *nodes, *outputs; bool together; } surroundings[] = {
    {"LSTM x,W,R > y; Squeeze y,one > s; LSTM s,W,R > z,h", "z h", true},
    {"LSTM x,W,R > y; Squeeze y,one > s; LSTM s,W,R > z,h; Relu y > a", "z h a", true},
    {"LSTM x,W,R > y,k; Squeeze y,one > s; LSTM s,W,R > z,h", "z k y", true},
    {"LSTM x,W,R > y; Squeeze y,one > s; Unsqueeze s,one > u; Squeeze u,one > v; LSTM v,W,R > z,h", "z", true},
    {"Neg x > m; LSTM m,W,R > y; Squeeze y,one > s; LSTM s,W,R > z; Neg z > e; Neg e > f", "f", true},
    {"to = i[3] 3,90,48; Reshape x,to > m; q = i[1] 2; LSTM m,W,R > y layout=1; Squeeze y,q > s; LSTM s,W,R > z layout=1", "z", true},
    {"LSTM x,W,R > y; Relu y > a; Squeeze y,one > s; LSTM s,W,R > z", "z a", false},
    {"LSTM x,W,R > y; Squeeze y,one > s; Relu s > r; LSTM r,W,R > z", "z", false},
    {"LSTM x,W,R > y direction=reverse; Squeeze y,one > s; LSTM s,W,R > z", "z", false},
    {"LSTM x,W,R > y; Squeeze y,one > s; LSTM s,W,R > z direction=reverse", "z", false},
    {"LSTM x,W,R > y; to = i[3] 270,1,48; Reshape y,to > s; LSTM s,W,R > z", "z", false},
    {"LSTM x,W,R > y; to = i[3] 3,90,48; Reshape y,to > s; LSTM s,W,R > z layout=1", "z", false},
    {"LSTM x,W,R > y,k; Squeeze y,one > s; LSTM x,W,R,,,k > z", "z s", false},
    /* what else the layer above takes from those below, which is ready at their end: last states, also from two below, a step of Y */
    {"LSTM x,W,R > y,k,c; Squeeze y,one > s; LSTM s,W,R,,,k,c > z", "z", false},
    {"LSTM x,W,R > y,k; Squeeze y,one > s; n = i[1] 0; Squeeze k,n > a; Unsqueeze a,n > b; LSTM s,W,R,,,b > z", "z", false},
    {"LSTM x,W,R > y,k,c; Squeeze y,one > s; LSTM s,W,R,,,,c > z", "z", false},
    {"LSTM x,W,R > y,k; Squeeze y,one > s; LSTM s,W,R > z; Squeeze z,one > t; LSTM t,W,R,,,k > v", "v", true},
    {"o = i[1] 89; e = i[1] 90; n = i[1] 0; LSTM x,W,R > y; Squeeze y,one > s; Slice s,o,e,n > a; LSTM s,W,R,,,a > z", "z", false},
    {"n = i[1] 0; Slice x,n,one,n > a; LSTM x,W,R > y; Squeeze y,one > s; LSTM s,W,R,,,a > z", "z", true},
};

static pbuf graph_around(const void *what)
{
    const struct surrounding *s = what;
    char nodes[512], out[64];
    int n = 0;
    for (const char *o = s->outputs; *o; o++)       /* names of one letter */
        n += *o == ' ' ? snprintf(out + n, sizeof out - (size_t)n, " ") : snprintf(out + n, sizeof out - (size_t)n, "%c:f[]", *o);
    snprintf(nodes, sizeof nodes, "one = i[1] 1; %s", s->nodes);
    return model_text_graph("x:f[?,3,48] W:f[1,192,48] R:f[1,192,48]", out, nodes, NULL);
}

START_TEST(around)
{
    const struct surrounding *s = &surroundings[_i];
    ck_assert_msg((compare(graph_around, s, 90, s->nodes) > 0) == s->together, "%s", s->nodes);
}
END_TEST

/* No step and no row: there is nothing to share. */
START_TEST(nothing_to_do)
{
    stack s = {.type = 'f', .n = 3, .t = _i ? 0 : 30, .b = _i, .i = 30, .layer = {{&kinds[0], 40, 0}, {&kinds[1], 56, 0}, {&kinds[2], 48, 0}}};
    ck_assert_int_eq(compare(graph_of_stack, &s, s.t, "nothing"), 0);
}
END_TEST

/* ---- pieces, rows, profile, cancellation --------------------------------------------------------------------------------------- */

static stack three_layers(int64_t t)
{
    return (stack){.type = 'f', .n = 3, .t = t, .b = 2, .i = 30, .layer = {{&kinds[0], 40, 0}, {&kinds[1], 56, 0}, {&kinds[2], 48, 0}}};
}

/* A run of all steps, walked together, against carried pieces: short ones in the plain order, long ones walked. States inside the layers,
 * and the graph's own. */
START_TEST(pieces)
{
    static const int64_t lengths[] = {1, 2, 3, 5, 7, 60};
    int64_t length = lengths[_i / 2];
    stack s = three_layers(150);
    s.states = _i % 2;
    calls c = {0};
    clstm_session_options o = threads_of(2, NULL), counted = threads_of(2, &c);
    o.carry = counted.carry = CLSTM_CARRY_LAYERS | CLSTM_CARRY_PORTS;
    run whole = open_run(graph_of(&s), s.t, &o);
    go(&whole);
    run parts = open_run(graph_of(&s), s.t, &counted);
    size_t step = (size_t)(s.b * s.layer[2].h) * sizeof(float);
    for (int64_t at = 0, n; at < s.t; at += n) {
        n = length < s.t - at ? length : s.t - at;
        set_inputs(&parts, at, n);
        go(&parts);
        ck_assert_msg(!memcmp(output(&parts, 0)->data, (char *)output(&whole, 0)->data + (size_t)at * step, (size_t)n * step), "pieces of %d, step %d", (int)length, (int)at);
    }
    for (size_t k = 1; k <= 3; k++)
        ck_assert_msg(!memcmp(output(&parts, k)->data, output(&whole, k)->data, bytes_of(output(&whole, k))), "state %zu", k);
    ck_assert_int_eq(c.n > 0, length == 60);
    close_run(&whole);
    close_run(&parts);
}
END_TEST

START_TEST(poisoned_row)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    stack s = three_layers(100);
    clstm_session_options o = threads_of(2, NULL);
    run clean = open_run(graph_of(&s), s.t, &o), bad = open_run(graph_of(&s), s.t, &o);
    ((float *)bad.data[0])[5 * s.b * s.i] = values[_i];
    go(&clean);
    go(&bad);
    const float *x = output(&clean, 0)->data, *y = output(&bad, 0)->data;
    size_t row = (size_t)s.layer[2].h;
    for (size_t at = 0; at < (size_t)s.t; at++)
        ck_assert_msg(!memcmp(x + (2 * at + 1) * row, y + (2 * at + 1) * row, row * sizeof *x), "the other row changed at step %zu", at);
    ck_assert(memcmp(x, y, bytes_of(output(&clean, 0))));
    close_run(&clean);
    close_run(&bad);
}
END_TEST

START_TEST(profiled)
{
    stack s = three_layers(100);
    clstm_session_options o = threads_of(2, NULL);
    run r = open_run(graph_of(&s), s.t, &o), plain = open_run(graph_of(&s), s.t, &o);
    go(&plain);
    go(&r);
    ck_assert_int_eq(clstm_session_profile(r.m.session, true, &r.m.err), CLSTM_OK);
    go(&r);
    expect_same(&r, &plain, "profiled");
    int layers = 0;
    clstm_step step;
    for (size_t k = 0; clstm_session_step(r.m.session, k, &step); k++) {
        layers += !step.view && strcmp(step.type, "Neg") != 0;
        ck_assert_msg(step.view || step.seconds > 0, "%s %s took no time", step.type, step.node);
    }
    ck_assert_int_eq(layers, 3);
    close_run(&r);
    close_run(&plain);
}
END_TEST

/* Cancelled in the third call of many: no fourth is made, and the next run is whole. */
START_TEST(cancelled_in_turns)
{
    stack s = three_layers(100);
    calls c = {.cancel_at = 3};
    clstm_session_options o = threads_of(2, &c), alone = threads_of(1, NULL);
    run r = open_run(graph_of(&s), s.t, &o), plain = open_run(graph_of(&s), s.t, &alone);
    c.session = r.m.session;
    ck_assert_int_eq(clstm_session_run(r.m.session, &r.m.err), CLSTM_CANCELLED);
    ck_assert_int_eq(c.n, 3);
    go(&r);
    go(&plain);
    expect_same(&r, &plain, "after a cancelled run");
    close_run(&r);
    close_run(&plain);
}
END_TEST

static clstm_session *session_of_signal;
static void on_signal(int number)
{
    (void)number;
    clstm_session_cancel(session_of_signal);
}

/* Threads that walk together all stop: at a step that the timer chooses, far from the end. */
START_TEST(cancelled_together)
{
    stack s = three_layers(1 << 17);
    clstm_session_options o = threads_of(2 + _i, NULL);
    run r = open_run(graph_of(&s), s.t, &o);
    ck_assert_int_eq(clstm_session_prepare(r.m.session, &r.m.err), CLSTM_OK);
    session_of_signal = r.m.session;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 3000}}, NULL);
    ck_assert_int_eq(clstm_session_run(r.m.session, &r.m.err), CLSTM_CANCELLED);
    close_run(&r);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("stack");
    unit_add_loop(s, "drawn", drawn, 0, 3);
    unit_add_loop(s, "around", around, 0, sizeof surroundings / sizeof *surroundings);
    unit_add_loop(s, "nothing", nothing_to_do, 0, 2);
    unit_add_loop(s, "pieces", pieces, 0, 12);
    unit_add_loop(s, "poisoned row", poisoned_row, 0, 3);
    unit_add(s, "profiled", profiled);
    unit_add(s, "cancelled in turns", cancelled_in_turns);
    unit_add_loop(s, "cancelled together", cancelled_together, 0, 2);
    return s;
}
