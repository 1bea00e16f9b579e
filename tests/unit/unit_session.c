/* What a run promises its caller: the floating-point mode comes back, denormals are flushed meanwhile, threads give the same bits, start
 * and sleep as told, survive fork() and cancellation, two callers do not meet, and one row's NaN is its own. tests/unit/levels.sh
 * repeats it on every instruction set. */
#include "model_text.h"
#include "unit_main.h"

#include <dirent.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- a layer whose weights are inputs ------------------------------------------------------------------------------------------ */

static const struct cell { const char *node; int gates, outputs; } cells[] = {
    {"LSTM x,W,R,b > y,yh,yc hidden_size=%d", 4, 3},
    {"GRU x,W,R,b > y,yh hidden_size=%d linear_before_reset=1", 3, 2},
    {"GRU x,W,R,b > y,yh hidden_size=%d", 3, 2},
    {"RNN x,W,R,b > y,yh hidden_size=%d", 1, 2},
};
enum { CELLS = sizeof cells / sizeof *cells };

typedef struct layer {
    model_text m;
    const struct cell *cell;
    int64_t t, b, i, h;
    float *in[4];
} layer;

static float drawn(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return ((float)(state >> 8) / 8388608.0f - 1.0f) / 4.0f;
}

static float *floats(int64_t n)
{
    float *v = malloc((size_t)n * sizeof *v);
    for (int64_t k = 0; k < n; k++)
        v[k] = drawn();
    return v;
}

/* Y is an output only when asked for. */
static layer layer_new(const struct cell *cell, int64_t t, int64_t b, int64_t i, int64_t h, bool y, const clstm_session_options *options)
{
    char in[256], out[64], node[128];
    int64_t g = cell->gates * h;
    layer l = {.cell = cell, .t = t, .b = b, .i = i, .h = h};
    snprintf(in, sizeof in, "x:f[%d,%d,%d] W:f[1,%d,%d] R:f[1,%d,%d] b:f[1,%d]", (int)t, (int)b, (int)i, (int)g, (int)i, (int)g, (int)h, (int)(2 * g));
    snprintf(out, sizeof out, "%syh:f[]%s", y ? "y:f[] " : "", cell->outputs > 2 ? " yc:f[]" : "");
    snprintf(node, sizeof node, cell->node, (int)h);
    l.m = model_text_load(model_text_graph(in, out, node, NULL), options);
    int64_t counts[] = {t * b * i, g * i, g * h, 2 * g};
    for (int k = 0; k < 4; k++)
        l.in[k] = floats(counts[k]);
    return l;
}

static void layer_set(layer *l)
{
    int64_t g = l->cell->gates * l->h;
    clstm_tensor views[] = {clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){l->t, l->b, l->i}, l->in[0]),
                            clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, g, l->i}, l->in[1]),
                            clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, g, l->h}, l->in[2]),
                            clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){1, 2 * g}, l->in[3])};
    for (size_t k = 0; k < 4; k++)
        ck_assert_int_eq(clstm_session_set_input(l->m.session, k, &views[k], &l->m.err), CLSTM_OK);
}

static void layer_run(layer *l)
{
    layer_set(l);
    ck_assert_msg(clstm_session_run(l->m.session, &l->m.err) == CLSTM_OK, "%s", l->m.err.message);
}

static void layer_done(layer *l)
{
    for (int k = 0; k < 4; k++)
        free(l->in[k]);
    model_text_done(&l->m);
}

/* Gives `to` the input values of `from`. */
static void layer_copy(layer *to, const layer *from)
{
    int64_t g = to->cell->gates * to->h, counts[] = {to->t * to->b * to->i, g * to->i, g * to->h, 2 * g};
    for (int k = 0; k < 4; k++)
        memcpy(to->in[k], from->in[k], (size_t)counts[k] * sizeof(float));
}

static const clstm_tensor *output(const layer *l, size_t k) { return &clstm_session_output(l->m.session, k)->tensor; }

static void expect_same(const layer *a, const layer *b, const char *what)
{
    for (size_t k = 0; k < clstm_model_output_count(a->m.model); k++)
        ck_assert_msg(!memcmp(output(a, k)->data, output(b, k)->data, (size_t)clstm_tensor_count(output(a, k)) * sizeof(float)), "%s: output %zu differs",
                      what, k);
}

static clstm_session_options threads_of(int threads)
{
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.threads = threads;
    return o;
}

/* ---- floating-point mode ----------------------------------------------------------------------------------------------------------- */

#ifdef __SSE__
#include <xmmintrin.h>
static unsigned mode(void) { return _mm_getcsr(); }
static void set_mode(unsigned m) { _mm_setcsr(m); }
/* rounding up, subnormals kept; and the same with the flags of flushing; rounding to zero with an exception unmasked */
static const unsigned modes[] = {0x1f80 | 0x4000, 0x1f80 | 0x8040, (0x1f80 | 0x6000) & ~0x0800u};
#else
static unsigned mode(void) { return (unsigned)fegetround(); }
static void set_mode(unsigned m) { fesetround((int)m); }
static const unsigned modes[] = {FE_UPWARD, FE_TONEAREST, FE_TOWARDZERO};
#endif

/* A caller's parallel_for that looks at the mode of the tasks' thread before and after each. */
typedef struct watch { unsigned want; int calls, changed; } watch;
static void watching(void *user, int count, void (*task)(void *arg, int index), void *arg)
{
    watch *w = user;
    w->calls++;
    for (int i = count - 1; i >= 0; i--) {
        unsigned here = mode();
        set_mode(w->want);
        task(arg, i);
        w->changed += mode() != w->want;
        set_mode(here);
    }
}

START_TEST(mode_comes_back)
{
    unsigned before = mode();
    watch w = {.want = modes[_i]};
    clstm_session_options o = threads_of(2);
    o.parallel_for = watching;
    o.parallel_user = &w;
    layer plain = layer_new(&cells[0], 4, 3, 9, 130, true, NULL), shared = layer_new(&cells[0], 4, 3, 9, 130, true, &o);
    layer_copy(&shared, &plain);
    layer_run(&plain);
    clstm_error err = {0};
    int64_t rows = 8;
    clstm_tensor small = clstm_tensor_view(CLSTM_FLOAT, 1, &rows, plain.in[0]);
    set_mode(modes[_i]);
    unsigned set = mode(), after[6];
    layer_set(&shared);
    clstm_status status[] = {clstm_session_prepare(shared.m.session, &err), clstm_session_run(shared.m.session, &err)};
    after[0] = mode();
    clstm_session_cancel(shared.m.session);
    clstm_status cancelled = clstm_session_run(shared.m.session, &err);
    after[1] = mode();
    clstm_status refused = clstm_session_set_input(shared.m.session, 0, &small, &err);
    after[2] = mode();
    clstm_status again = clstm_session_run(shared.m.session, &err);
    after[3] = mode();
    set_mode(before);
    ck_assert_int_eq(status[0], CLSTM_OK);
    ck_assert_int_eq(status[1], CLSTM_OK);
    ck_assert_int_eq(cancelled, CLSTM_CANCELLED);
    ck_assert_int_eq(refused, CLSTM_BAD_ARGUMENT);
    ck_assert_int_eq(again, CLSTM_OK);
    for (int k = 0; k < 4; k++)
        ck_assert_msg(after[k] == set, "the mode was %x and is %x after call %d", set, after[k], k);
    ck_assert_int_gt(w.calls, 0);
    ck_assert_int_eq(w.changed, 0);
    expect_same(&plain, &shared, "in the caller's mode");       /* and the mode changes no bit */
    layer_done(&plain);
    layer_done(&shared);
}
END_TEST

/* Input so small that X.W is subnormal, bias 0: kept, they would show in c; flushed, c is 0. In every thread. */
START_TEST(denormals_are_flushed)
{
    clstm_session_options o = threads_of(1 + _i);
    layer l = layer_new(&cells[0], 20, 2, 8, 160, true, &o);
    for (int64_t k = 0; k < 20 * 2 * 8; k++)
        l.in[0][k] = 1e-38f;
    memset(l.in[3], 0, 2 * 4 * 160 * sizeof(float));
    layer_run(&l);
    for (int64_t k = 0; k < clstm_tensor_count(output(&l, 2)); k++) {
        uint32_t bits;
        memcpy(&bits, (float *)output(&l, 2)->data + k, sizeof bits);
        ck_assert_msg((bits & 0x7fffffff) == 0 || (bits & 0x7f800000) != 0, "c[%d] is subnormal", (int)k);
    }
    layer_done(&l);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------------------------------------------------ */

static inline int tasks(void)
{
    DIR *d = opendir("/proc/self/task");
    int n = 0;
    if (!d)
        return -1;
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

#ifndef CLSTM_SANITIZED
START_TEST(threads_as_asked)
{
    watch w = {.want = mode()};
    clstm_session_options alone = threads_of(1), two = threads_of(2), own = threads_of(3);
    own.parallel_for = watching;
    own.parallel_user = &w;
    int before = tasks();
    if (before < 0)
        return; /* no /proc: unit_suite says so */
    layer a = layer_new(&cells[0], 8, 1, 4, 130, true, &alone);
    layer_run(&a);
    ck_assert_int_eq(tasks(), before);
    layer c = layer_new(&cells[0], 8, 1, 4, 130, true, &own);
    layer_copy(&c, &a);
    layer_run(&c);
    ck_assert_int_eq(tasks(), before);
    ck_assert_int_gt(w.calls, 0);
    layer b = layer_new(&cells[0], 8, 1, 4, 130, true, &two);
    ck_assert_int_eq(tasks(), before + 1);
    layer_copy(&b, &a);
    layer_run(&b);
    expect_same(&a, &b, "two threads");
    expect_same(&a, &c, "the caller's threads");
    layer_done(&b);
    ck_assert_int_eq(tasks(), before);
    layer_done(&a);
    layer_done(&c);
}
END_TEST
#endif

/* Panels shared out, rows shared out, weights beyond a cache: the same bits with 1, 2 and 3 threads. */
START_TEST(threads_same_bits)
{
    static const int64_t sizes[][2] = {{1, 130}, {3, 100}, {9, 90}, {16, 64}, {9, 370}};    /* B, H */
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        layer one = layer_new(&cells[_i], 5, sizes[k][0], 12, sizes[k][1], true, NULL);
        layer_run(&one);
        for (int threads = 2; threads <= 3; threads++) {
            clstm_session_options o = threads_of(threads);
            layer many = layer_new(&cells[_i], 5, sizes[k][0], 12, sizes[k][1], true, &o);
            layer_copy(&many, &one);
            for (int run = 0; run < 3; run++) {
                layer_run(&many);
                expect_same(&one, &many, "threads");
            }
            layer_done(&many);
        }
        layer_done(&one);
    }
}
END_TEST

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(idle_costs_nothing)
{
    clstm_session_options o = threads_of(3);
    o.spin_us = _i ? -1 : 0;
    layer l = layer_new(&cells[0], 10, 4, 12, 130, true, &o);
    layer_run(&l);
    usleep(50000);              /* well past spin_us */
    double before = cpu_seconds();
    sleep(1);
    double used = cpu_seconds() - before;
    ck_assert_msg(used < 1e-3, "%.6f s of processor time in an idle second", used);
    layer_run(&l);
    layer_done(&l);
}
END_TEST

START_TEST(child_of_fork)
{
    clstm_session_options o = threads_of(2);
    layer one = layer_new(&cells[0], 6, 3, 12, 130, true, NULL), two = layer_new(&cells[0], 6, 3, 12, 130, true, &o);
    layer_copy(&two, &one);
    layer_run(&one);
    layer_run(&two);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(30);
        two.in[0][0] = one.in[0][0] = 3;
        layer_run(&one);
        layer_run(&two);
        expect_same(&one, &two, "after fork");
        layer_done(&two);
        _exit(0);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    layer_run(&two);
    expect_same(&one, &two, "in the parent");
    layer_done(&one);
    layer_done(&two);
}
END_TEST

/* ---- two callers, and cancellation ---------------------------------------------------------------------------------------------------- */

typedef struct intruder { clstm_session *session; int calls; clstm_status run, prepare; } intruder;
static void *intrude(void *arg)
{
    intruder *it = arg;
    clstm_error err = {0};
    it->run = clstm_session_run(it->session, &err);
    it->prepare = clstm_session_prepare(it->session, &err);
    return NULL;
}
/* In the middle of a run another thread tries its luck. */
static void intruded(void *user, int count, void (*task)(void *arg, int index), void *arg)
{
    intruder *it = user;
    pthread_t other;
    if (it->calls++ == 2 && !pthread_create(&other, NULL, intrude, it))
        pthread_join(other, NULL);
    for (int i = 0; i < count; i++)
        task(arg, i);
}

START_TEST(one_caller_at_a_time)
{
    intruder it = {0};
    clstm_session_options o = threads_of(2);
    o.parallel_for = intruded;
    o.parallel_user = &it;
    layer l = layer_new(&cells[0], 6, 1, 12, 130, true, &o);
    it.session = l.m.session;
    layer_run(&l);
    ck_assert_int_gt(it.calls, 2);
    ck_assert_int_eq(it.run, CLSTM_BUSY);
    ck_assert_int_eq(it.prepare, CLSTM_BUSY);
    layer_run(&l);
    layer_done(&l);
}
END_TEST

static clstm_session *session_of_signal;
static void on_signal(int number)
{
    (void)number;
    clstm_session_cancel(session_of_signal);
}

static void catch_signal(int number, clstm_session *session)
{
    struct sigaction a = {.sa_handler = on_signal};
    session_of_signal = session;
    sigaction(number, &a, NULL);
}

static void raise_at_fifth(void *user, const clstm_trace_step *step)
{
    (void)step;
    if (++*(int *)user == 5)
        raise(SIGUSR1);
}

/* The signal comes within the fifth of ten thousand steps: no sixth is made. */
START_TEST(cancelled_between_steps)
{
    int steps = 0;
    clstm_error err = {0};
    layer l = layer_new(&cells[_i], 10000, 1, 3, 8, true, NULL);
    ck_assert_int_eq(clstm_session_trace(l.m.session, raise_at_fifth, &steps, &err), CLSTM_OK);
    layer_set(&l);
    catch_signal(SIGUSR1, l.m.session);
    ck_assert_int_eq(clstm_session_run(l.m.session, &err), CLSTM_CANCELLED);
    ck_assert_int_eq(steps, 5);
    ck_assert_ptr_null(clstm_session_output(l.m.session, 0));
    ck_assert_int_eq(clstm_session_run(l.m.session, &err), CLSTM_OK);
    layer_done(&l);
}
END_TEST

/* Threads that walk together all stop: at a step that the timer chooses, far from the end. */
START_TEST(cancelled_together)
{
    clstm_error err = {0};
    clstm_session_options o = threads_of(2 + _i);
    layer l = layer_new(&cells[0], 1 << 18, 1, 1, 130, false, &o);
    layer_set(&l);
    ck_assert_int_eq(clstm_session_prepare(l.m.session, &err), CLSTM_OK);
    catch_signal(SIGALRM, l.m.session);
    struct itimerval soon = {.it_value = {.tv_usec = 3000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    ck_assert_int_eq(clstm_session_run(l.m.session, &err), CLSTM_CANCELLED);
    layer_done(&l);
}
END_TEST

/* ---- outputs between runs ------------------------------------------------------------------------------------------------------------- */

/* They stay until the next run, whatever is set for it. */
START_TEST(outputs_stay)
{
    float x[3] = {1, 2, 3}, room[3];
    clstm_tensor two = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){2}, x), three = clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){3}, x);
    model_text t = model_text_load(model_text_graph("x:f[?]", "y:f z:f", "Neg x > y; Add x,x > z", NULL), NULL);
    ck_assert(!clstm_session_set_input(t.session, 0, &two, &t.err) && !clstm_session_run(t.session, &t.err));
    ck_assert(!clstm_session_set_input(t.session, 0, &three, &t.err));
    const clstm_value *y = clstm_session_output(t.session, 0);
    ck_assert(y && y->tensor.dims[0] == 2);
    ck_assert_float_eq(((const float *)y->tensor.data)[1], -2);
    ck_assert(!clstm_session_bind_output(t.session, 0, room, sizeof room, &t.err));
    const clstm_value *z = clstm_session_output(t.session, 1);
    ck_assert(z && z->tensor.dims[0] == 2);
    ck_assert_float_eq(((const float *)z->tensor.data)[1], 4);
    ck_assert(!clstm_session_run(t.session, &t.err));
    y = clstm_session_output(t.session, 0);
    ck_assert(y->tensor.dims[0] == 3 && y->tensor.data == room);
    ck_assert_float_eq(room[2], -3);
    ck_assert(!clstm_session_prepare(t.session, &t.err) && !clstm_session_output(t.session, 0));
    model_text_done(&t);
}
END_TEST

/* ---- a row of its own ------------------------------------------------------------------------------------------------------------------ */

static void same_but_row(const layer *a, const layer *b, int64_t row, float value)
{
    for (size_t k = 0; k < clstm_model_output_count(a->m.model); k++) {
        const float *x = output(a, k)->data, *y = output(b, k)->data;
        for (int64_t i = 0; i < clstm_tensor_count(output(a, k)); i += a->h)
            if (i / a->h % a->b != row)
                ck_assert_msg(!memcmp(x + i, y + i, (size_t)a->h * sizeof *x), "B %d, row %d %f: output %zu of row %d changed", (int)a->b, (int)row,
                              (double)value, k, (int)(i / a->h % a->b));
    }
}

START_TEST(poisoned_row)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (int64_t b = 1; b <= 9; b++)
        for (int threads = 1; threads <= 2; threads++) {
            clstm_session_options o = threads_of(threads);
            layer clean = layer_new(&cells[_i], 3, b, 11, 75, true, &o), bad = layer_new(&cells[_i], 3, b, 11, 75, true, &o);
            layer_run(&clean);
            for (int64_t row = 0; row < b; row++)
                for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                    layer_copy(&bad, &clean);
                    for (int64_t t = 0; t < 3; t++)
                        bad.in[0][(t * b + row) * 11 + row] = values[v];
                    layer_run(&bad);
                    same_but_row(&clean, &bad, row, values[v]);
                }
            layer_done(&clean);
            layer_done(&bad);
        }
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("session");
    unit_add(s, "outputs_stay", outputs_stay);
    if (getenv("CLSTM_VALGRIND")) {
        unit_skip("mode comes back", "valgrind has no denormal or rounding modes");
        unit_skip("denormals flushed", "valgrind has no denormal or rounding modes");
        unit_skip("fork", "valgrind judges the child by what it inherits");
    } else {
        unit_add_loop(s, "mode comes back", mode_comes_back, 0, sizeof modes / sizeof *modes);
        unit_add_loop(s, "denormals flushed", denormals_are_flushed, 0, 3);
        unit_add(s, "fork", child_of_fork);
    }
#ifdef CLSTM_SANITIZED
    unit_skip("threads as asked", "a sanitizer has threads of its own");
#else
    if (tasks() < 0)
        unit_skip("threads as asked", "no /proc/self/task");
    else
        unit_add(s, "threads as asked", threads_as_asked);
#endif
    unit_add_loop(s, "threads, same bits", threads_same_bits, 0, CELLS);
    unit_add_loop(s, "idle", idle_costs_nothing, 0, 2);
    unit_add(s, "one caller", one_caller_at_a_time);
    unit_add_loop(s, "cancelled between steps", cancelled_between_steps, 0, CELLS);
    unit_add_loop(s, "cancelled together", cancelled_together, 0, 2);
    unit_add_loop(s, "poisoned row", poisoned_row, 0, CELLS);
    return s;
}
