/* Many streams over one model: each has the bits that it would have alone, in turn or side by side, while lanes join and leave; states of
 * other models are refused by name; what an output shows of a state is what the run read. */
#include "cell_text.h"
#include "unit_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { I = 3, H = 5 };

#define OK(call) do { clstm_status ok_ = (call); ck_assert_msg(ok_ == CLSTM_OK, "%s", err.message); } while (0)
/* The call fails with `status`, and the message has every one of the words. */
#define FAILS(call, expected, words) do { ck_assert_int_eq(call, expected); ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message); } while (0)

static const struct cell { const char *op; int gates, states; const char *more; } cells[] = {
    {"LSTM", 4, 2, ""}, {"GRU", 3, 1, ""}, {"GRU", 3, 1, " linear_before_reset=1"}, {"RNN", 1, 1, ""}};
enum { CELLS = sizeof cells / sizeof *cells };

/* A layer whose states are ports named h and c, or stay inside. */
static model_text layer(const struct cell *cell, bool ports, const clstm_session_options *options) {
    cell_text t = {0};
    char dims[40];
    bool lstm = cell->states == 2;
    snprintf(dims, sizeof dims, "1,%d,%d", cell->gates * H, I);
    cell_constant(&t, 'f', "w", dims, cell->gates * H * I);
    snprintf(dims, sizeof dims, "1,%d,%d", cell->gates * H, H);
    cell_constant(&t, 'f', "r", dims, cell->gates * H * H);
    snprintf(dims, sizeof dims, "1,%d", 2 * cell->gates * H);
    cell_constant(&t, 'f', "b", dims, 2 * cell->gates * H);
    cell_say(&t, "%s x,w,r,b%s > y%s hidden_size=%d%s", cell->op, !ports ? "" : lstm ? ",,h,c" : ",,h", !ports ? "" : lstm ? ",hn,cn" : ",hn", H, cell->more);
    const char *in = !ports ? "x:f[?,?,3]" : lstm ? "x:f[?,?,3] h:f[1,?,5] c:f[1,?,5]" : "x:f[?,?,3] h:f[1,?,5]";
    const char *out = !ports ? "y:f[?,1,?,5]" : lstm ? "y:f[?,1,?,5] hn:f[1,?,5] cn:f[1,?,5]" : "y:f[?,1,?,5] hn:f[1,?,5]";
    return model_text_load(model_text_graph(in, out, t.s, NULL), options);
}

static clstm_session_options carrying(void) {
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.carry = CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS;
    return o;
}

static uint32_t state = 1;
static uint32_t drawn(uint32_t below) { state = state * 1664525u + 1013904223u; return (state >> 8) % below; }

/* What stream s hears at its step n. */
static void hear(float *x, size_t s, size_t n) {
    for (size_t i = 0; i < I; i++) x[i] = sinf((float)(s % 1000) * 0.37f + (float)n * 1.3f + (float)i);
}

static void give(clstm_session *s, float *x, int64_t steps, int64_t batch) {
    clstm_error err;
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){steps, batch, I}, x);
    OK(clstm_session_set_input(s, 0, &t, &err));
}

static const float *answer(const clstm_session *s) { return clstm_session_output(s, 0)->tensor.data; }

/* The last answer of a session of its own that hears the first n steps of stream s in one run. */
static void alone(clstm_session *own, size_t s, size_t n, float *y) {
    clstm_error err;
    float *x = malloc(n * I * sizeof *x);
    for (size_t t = 0; t < n; t++) hear(x + t * I, s, t);
    OK(clstm_session_reset(own, &err));
    give(own, x, (int64_t)n, 1);
    OK(clstm_session_run(own, &err));
    memcpy(y, answer(own) + (n - 1) * H, H * sizeof *y);
    free(x);
}

/* ---- in turn ------------------------------------------------------------------------------------------------------------------------ */

START_TEST(thousands_of_states) {
    enum { STREAMS = 10000, RUNS = 60000 };
    clstm_session_options o = carrying();
    model_text m = layer(&cells[_i % CELLS], _i < CELLS, &o), ref = layer(&cells[_i % CELLS], false, &o);
    clstm_state **st = calloc(STREAMS, sizeof *st);
    size_t *heard = calloc(STREAMS, sizeof *heard);
    float (*last)[H] = calloc(STREAMS, sizeof *last), x[I], y[H];
    clstm_error err;
    give(m.session, x, 1, 1);
    for (size_t s = 0; s < STREAMS; s++) OK(clstm_state_create(m.session, 1, &st[s], &err));
    ck_assert_uint_eq(clstm_state_size(st[0]), (size_t)cells[_i % CELLS].states * H * sizeof(float));
    for (size_t n = 0; n < RUNS; n++) {
        size_t s = drawn(STREAMS);
        hear(x, s, heard[s]++);
        OK(clstm_session_attach(m.session, st[s], &err));
        OK(clstm_session_run(m.session, &err));
        memcpy(last[s], answer(m.session), sizeof y);
    }
    OK(clstm_session_attach(m.session, NULL, &err));
    for (size_t s = 0; s < STREAMS; s++) {
        if (!heard[s]) continue;
        alone(ref.session, s, heard[s], y);
        ck_assert_msg(!memcmp(y, last[s], sizeof y), "stream %zu after %zu steps differs", s, heard[s]);
    }
    for (size_t s = 0; s < STREAMS; s++) clstm_state_destroy(st[s]);
    free(st); free(heard); free(last);
    model_text_done(&m);
    model_text_done(&ref);
}
END_TEST

/* ---- side by side --------------------------------------------------------------------------------------------------------------------- */

START_TEST(lanes_join_and_leave) {
    enum { STREAMS = 30, MOST = 11, RUNS = 400 };
    clstm_session_options o = carrying();
    o.realtime = true;
    o.plan_cache = MOST;
    model_text m = layer(&cells[_i % CELLS], _i < CELLS, &o), ref;
    o = carrying();
    ref = layer(&cells[_i % CELLS], false, &o);
    clstm_state *st[STREAMS], *lane[MOST];
    size_t heard[STREAMS] = {0}, who[MOST];
    float x[MOST * I] = {0}, last[STREAMS][H], y[H];
    clstm_error err;
    for (int64_t n = MOST; n >= 1; n--) { give(m.session, NULL, 1, n); OK(clstm_session_prepare(m.session, &err)); }
    for (size_t s = 0; s < STREAMS; s++) OK(clstm_state_create(m.session, 1, &st[s], &err));
    for (int r = 0; r < RUNS; r++) {
        size_t n = 1 + drawn(MOST), used = 0;
        for (size_t i = 0; i < n; i++) {
            bool taken = true;
            while (taken) {
                who[i] = drawn(STREAMS);
                taken = false;
                for (size_t k = 0; k < i; k++) taken |= who[k] == who[i];
            }
            lane[i] = n > 1 && !drawn(5) ? NULL : st[who[i]];       /* an empty lane hears something all the same */
            if (lane[i]) used++;
            hear(x + i * I, who[i], lane[i] ? heard[who[i]]++ : 77);
        }
        give(m.session, x, 1, (int64_t)n);
        OK(clstm_session_run_streams(m.session, lane, n, &err));
        for (size_t i = 0; i < n; i++)
            if (lane[i]) memcpy(last[who[i]], answer(m.session) + i * H, sizeof y);
    }
    for (size_t s = 0; s < STREAMS; s++) {
        const char *name;
        clstm_tensor part;
        ck_assert_uint_gt(heard[s], 0);
        alone(ref.session, s, heard[s], y);
        ck_assert_msg(!memcmp(y, last[s], sizeof y), "stream %zu after %zu steps differs", s, heard[s]);
        ck_assert(clstm_state_part(st[s], 0, &name, &part));
        ck_assert_int_eq(memcmp(part.data, y, sizeof y), 0);
        clstm_state_destroy(st[s]);
    }
    model_text_done(&m);
    model_text_done(&ref);
}
END_TEST

/* One stream hears NaN or infinity: its neighbours' answers and states keep their bits. */
START_TEST(poisoned_stream) {
    enum { MOST = 9 };
    static const float values[] = {NAN, INFINITY, -INFINITY};
    clstm_session_options o = carrying();
    o.plan_cache = MOST;
    model_text m = layer(&cells[_i], true, &o);
    clstm_state *clean[MOST], *sick[MOST];
    clstm_error err;
    float x[MOST * I], y[MOST * H];
    give(m.session, NULL, 1, 2);
    for (int i = 0; i < MOST; i++) { OK(clstm_state_create(m.session, 1, &clean[i], &err)); OK(clstm_state_create(m.session, 1, &sick[i], &err)); }
    for (size_t n = 2; n <= MOST; n++)
        for (size_t bad = 0; bad < n; bad++) {
            for (size_t i = 0; i < n; i++) { clstm_state_reset(clean[i]); clstm_state_reset(sick[i]); }
            for (size_t t = 0; t < 3; t++) {
                for (size_t i = 0; i < n; i++) hear(x + i * I, i, t);
                give(m.session, x, 1, (int64_t)n);
                OK(clstm_session_run_streams(m.session, clean, n, &err));
                memcpy(y, answer(m.session), n * H * sizeof *y);
                x[bad * I + t] = values[t];
                OK(clstm_session_run_streams(m.session, sick, n, &err));
                for (size_t i = 0; i < n; i++)
                    if (i != bad) ck_assert_msg(!memcmp(y + i * H, answer(m.session) + i * H, H * sizeof *y), "%zu streams, the answer of %zu beside %zu", n, i, bad);
            }
            const char *name;
            clstm_tensor a, b;
            for (size_t i = 0; i < n; i++)
                for (size_t k = 0; i != bad && clstm_state_part(clean[i], k, &name, &a); k++) {
                    ck_assert(clstm_state_part(sick[i], k, &name, &b));
                    ck_assert_msg(!memcmp(a.data, b.data, H * sizeof(float)), "%zu streams, %s of %zu beside %zu", n, name, i, bad);
                }
        }
    for (int i = 0; i < MOST; i++) { clstm_state_destroy(clean[i]); clstm_state_destroy(sick[i]); }
    model_text_done(&m);
}
END_TEST

/* ---- refusals ---------------------------------------------------------------------------------------------------------------------------- */

/* A model with one state h of the given shape, or one of another name and type. */
static model_text adder(const char *in, const char *out, const char *nodes) {
    clstm_session_options o = carrying();
    return model_text_load(model_text_graph(in, out, nodes, NULL), &o);
}

START_TEST(states_of_other_models) {
    clstm_session_options o = carrying();
    model_text m = layer(&cells[1], true, &o);
    model_text others[] = {
        layer(&cells[1], false, &o),                                                                /* another name */
        adder("x:f[?,?,3] h:f[1,?,6]", "hn:f[1,?,6]", "Identity h > hn"),                           /* another shape */
        adder("x:f[?,?,3] h:f[?,5]", "hn:f[?,5]", "Identity h > hn"),                                /* another rank */
        adder("x:f[?,?,3] h:d[1,?,5]", "hn:d[1,?,5]", "Identity h > hn"),                            /* another type */
        layer(&cells[0], true, &o)                                                                  /* more parts */
    };
    static const char *const attached[] = {"it has \"GRU", "[1,1,6]", "[1,5]", "carried state \"h\" has", "2 parts"};
    static const char *const copied[] = {"state part \"h\"", "state part \"h\"", "state part \"h\"", "state part \"h\"", "2 parts"};
    static const char *const loaded[] = {"another part where \"h\"", "\"h\" has another type or shape", "\"h\" has another type or shape", "\"h\" has another type or shape", "2 parts"};
    clstm_state *right, *second;
    clstm_error err;
    float x[2 * I] = {0};
    unsigned char saved[400];
    give(m.session, x, 1, 1);
    OK(clstm_state_create(m.session, 1, &right, &err));
    OK(clstm_state_create(m.session, 1, &second, &err));
    for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
        clstm_state *wrong;
        give(others[k].session, x, 1, 1);
        OK(clstm_state_create(others[k].session, 1, &wrong, &err));
        FAILS(clstm_session_attach(m.session, wrong, &err), CLSTM_BAD_ARGUMENT, attached[k]);
        FAILS(clstm_state_copy(right, wrong, &err), CLSTM_BAD_ARGUMENT, copied[k]);
        ck_assert_uint_le(clstm_state_saved_size(wrong), sizeof saved);
        OK(clstm_state_save(wrong, saved, sizeof saved, &err));
        FAILS(clstm_state_load(right, saved, clstm_state_saved_size(wrong), &err), CLSTM_BAD_ARGUMENT, loaded[k]);
        FAILS(clstm_session_run_streams(m.session, (clstm_state *[]){wrong}, 1, &err), CLSTM_BAD_ARGUMENT, attached[k]);
        give(m.session, x, 1, 2);
        FAILS(clstm_session_run_streams(m.session, (clstm_state *[]){right, wrong}, 2, &err), CLSTM_BAD_ARGUMENT, "state 1");
        /* attached before the plan is known: refused when it is */
        give(m.session, x, 1, 1);
        OK(clstm_session_attach(m.session, wrong, &err));
        FAILS(clstm_session_run(m.session, &err), CLSTM_BAD_ARGUMENT, attached[k]);
        OK(clstm_session_attach(m.session, right, &err));
        OK(clstm_session_run(m.session, &err));
        OK(clstm_session_attach(m.session, NULL, &err));
        clstm_state_destroy(wrong);
        model_text_done(&others[k]);
    }
    give(m.session, x, 1, 2);
    FAILS(clstm_session_run_streams(m.session, (clstm_state *[]){right, right}, 2, &err), CLSTM_BAD_ARGUMENT, "state 1 is another lane's");
    FAILS(clstm_session_run_streams(m.session, (clstm_state *[]){right}, 1, &err), CLSTM_BAD_ARGUMENT, "[1,2,5]");
    FAILS(clstm_session_run_streams(m.session, (clstm_state *[]){right, second, NULL}, 3, &err), CLSTM_BAD_ARGUMENT, "3 states for inputs of batch 2");
    FAILS(clstm_session_run_streams(m.session, (clstm_state *[]){NULL}, 1, &err), CLSTM_BAD_ARGUMENT, "no streams");
    FAILS(clstm_session_run_streams(m.session, NULL, 0, &err), CLSTM_BAD_ARGUMENT, "no streams");
    OK(clstm_session_run_streams(m.session, (clstm_state *[]){right, second}, 2, &err));        /* the refusals have left no mark */
    clstm_state_destroy(right);
    clstm_state_destroy(second);
    model_text_done(&m);
}
END_TEST

/* A run that fails leaves every state as it was. */
START_TEST(failed_run_changes_nothing) {
    clstm_session_options o = carrying();
    model_text m = layer(&cells[0], true, &o);
    clstm_state *st[3];
    clstm_error err;
    float x[3 * I];
    unsigned char before[400], after[400];
    give(m.session, x, 1, 3);
    for (size_t i = 0; i < 3; i++) { hear(x + i * I, i, 0); OK(clstm_state_create(m.session, 1, &st[i], &err)); }
    OK(clstm_session_run_streams(m.session, st, 3, &err));
    OK(clstm_state_save(st[1], before, sizeof before, &err));
    clstm_session_cancel(m.session);
    ck_assert_int_eq(clstm_session_run_streams(m.session, st, 3, &err), CLSTM_CANCELLED);
    ck_assert_ptr_null(clstm_session_output(m.session, 0));
    OK(clstm_state_save(st[1], after, sizeof after, &err));
    ck_assert_int_eq(memcmp(before, after, clstm_state_saved_size(st[1])), 0);
    OK(clstm_session_run_streams(m.session, st, 3, &err));
    for (size_t i = 0; i < 3; i++) clstm_state_destroy(st[i]);
    model_text_done(&m);
}
END_TEST

START_TEST(unprepared_shapes) {
    clstm_session_options o = carrying();
    o.realtime = true;
    o.plan_cache = 2;
    model_text m = layer(&cells[0], true, &o);
    clstm_state *st[3];
    clstm_error err;
    float x[3 * I] = {0};
    give(m.session, x, 1, 1);
    FAILS(clstm_session_run(m.session, &err), CLSTM_NOT_PREPARED, "not prepared");
    ck_assert_ptr_null(clstm_session_output(m.session, 0));
    OK(clstm_session_prepare(m.session, &err));
    OK(clstm_session_run(m.session, &err));
    for (size_t i = 0; i < 3; i++) OK(clstm_state_create(m.session, 1, &st[i], &err));
    give(m.session, x, 1, 3);
    FAILS(clstm_session_run_streams(m.session, st, 3, &err), CLSTM_NOT_PREPARED, "not prepared");
    OK(clstm_session_prepare(m.session, &err));
    OK(clstm_session_run_streams(m.session, st, 3, &err));
    give(m.session, x, 1, 1);
    OK(clstm_session_run(m.session, &err));                     /* both shapes are kept */
    give(m.session, x, 1, 2);
    OK(clstm_session_prepare(m.session, &err));
    give(m.session, x, 1, 3);                                   /* this one gave way */
    FAILS(clstm_session_run_streams(m.session, st, 3, &err), CLSTM_NOT_PREPARED, "not prepared");
    for (size_t i = 0; i < 3; i++) clstm_state_destroy(st[i]);
    model_text_done(&m);
}
END_TEST

/* ---- states that outputs show -------------------------------------------------------------------------------------------------------------- */

/* y = x + the x of two runs ago, by states that hand on what they hold. */
START_TEST(handed_on) {
    clstm_session_options o = carrying();
    o.no_optimise = _i & 1;
    model_text m = model_text_load(model_text_graph("x:f[?,2] s0:f[?,2] s1:f[?,2]", "y:f[?,2] s0_out:f[?,2] s1_out:f[?,2]",
                                                    "Identity x > s0_out; Identity s0 > s1_out; Add s1,x > y", NULL), &o);
    clstm_error err;
    float x[2][4];
    clstm_state *st[2] = {NULL, NULL};
    int lanes = _i & 2 ? 2 : 1;
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){lanes, 2}, x);
    OK(clstm_session_set_input(m.session, 0, &t, &err));
    for (int i = 0; i < lanes; i++) OK(clstm_state_create(m.session, 1, &st[i], &err));
    for (int n = 1; n < 6; n++) {
        for (int i = 0; i < 2 * lanes; i++) ((float *)x)[i] = (float)(n + 10 * i);
        OK(_i & 4 ? clstm_session_run(m.session, &err) : clstm_session_run_streams(m.session, st, (size_t)lanes, &err));
        const float *y = answer(m.session), *s0 = clstm_session_output(m.session, 1)->tensor.data, *s1 = clstm_session_output(m.session, 2)->tensor.data;
        for (int i = 0; i < 2 * lanes; i++) {
            ck_assert_float_eq(y[i], (float)(n > 2 ? 2 * n - 2 + 20 * i : n + 10 * i));
            ck_assert_float_eq(s0[i], (float)(n + 10 * i));
            ck_assert_float_eq(s1[i], (float)(n > 1 ? n - 1 + 10 * i : 0));
        }
    }
    for (int i = 0; i < lanes; i++) clstm_state_destroy(st[i]);
    model_text_done(&m);
}
END_TEST

/* ---- along time ----------------------------------------------------------------------------------------------------------------------- */

/* A layer's results as v [T, 2, 5]; the number of steps as t, 0 1 2 ... as q. */
#define LAYER "GRU x,w,r > z hidden_size=5; one = i[1] 1; Squeeze z,one > v; "
#define STEPS LAYER "Shape v > n; i0 = i[] 0; i1 = i[] 1; Gather n,i0 > m; Cast m > t to=1; Range i0,m,i1 > p; Cast p > q to=1; "

/* GRUs of 5 units over 5 features with weights w and r; what keeps a model from being fed in pieces, NULL for nothing: then y's first axis is
 * time. */
static const struct timed { const char *in, *out, *nodes, *why; } timed[] = {
    {"x:f[?,?,5]", "y:f[?,1,?,5]", "GRU x,w,r > y hidden_size=5", NULL},
    {"x:f[?,?,5] h:f[1,?,5]", "y:f[?,1,?,5] hn:f[1,?,5]", "GRU x,w,r,,,h > y,hn hidden_size=5", NULL},
    {"x:f[?,?,5] h:f[1,?,5]", "y:f[?,1,?,5]", "GRU x,w,r,,,h > y hidden_size=5", "begins with a state that is not carried"},
    {"x:f[?,4,5]", "y:f[?,1,4,5]",
     "Transpose x > t perm=1,0,2; GRU t,w,r > u hidden_size=5; one = i[1] 1; Squeeze u,one > v; Transpose v > w2 perm=1,0,2; GRU w2,w,r > y hidden_size=5",
     "carries a state along another axis"},
    {"x:f[?,?,5]", "y:f[?,1,?,5]", "GRU x,w,r > all,last hidden_size=5; GRU last,w,r > y hidden_size=5", "carries a state along another axis"},
    {"x:f[?,?,5] h:f[1,?,5]", "y:f[?,?,5] hn:f[1,?,5]",
     "GRU x,w,r,,,h > z,hn hidden_size=5; one = i[1] 1; Squeeze z,one > v; Add v,h > y", "joins a carried state to running values"},
    {"x:f[?,?,5] h:f[1,?,5]", "y:f[?,1,?,5] hn:f[1,?,5]", "Neg h > m; GRU x,w,r,,,m > y,hn hidden_size=5", "begins with a state that is not carried"},
    {"x:f[?,?,5]", "y:f[?,?,5]", "GRU x,w,r > all,last hidden_size=5; Shape x > n; Expand last,n > y", "makes steps of a last state"},
    /* a vector has no axis of its own in the result */
    {"x:f[?,2,5]", "y:f[?,2]", LAYER "k = f[5] 1,2,3,4,5; MatMul v,k > y", NULL},
    {"x:f[?,2,5]", "y:f[?,5]", LAYER "k = f[2] 1,2; MatMul k,v > y", NULL},
    {"x:f[?,2,5]", "y:f[?,2,5]", LAYER "k = f[] 2; Div v,k > y", NULL},
    /* one number for all steps, which a call of one step could take for a row of its own */
    {"x:f[?,2,5]", "y:f[?]", LAYER "ReduceSum v,one > s keepdims=0; Transpose s > s2; k = f[5] 1,2,3,4,5; MatMul k,s2 > y1; c = f[1] 0.7; Add y1,c > y", NULL},
    {"x:f[?,2,5]", "y:f[?,2,5]", LAYER "from = i[1] 0; to = i[1] 9223372036854775807; Slice v,from,to,from > y", NULL},
    {"x:f[?,2,5]", "y:f[?,2,5]", LAYER "k = f[1,2,5] 1,2,3,4,5,6,7,8,9,10; Concat k,v > y axis=0", "joins values along time"},
    {"x:f[?,2,5]", "y:f[?,2,5]", LAYER "k = i[6] 1,0,0,-1,0,0; Pad v,k > y", "shifts time"},
    {"x:f[?,2,5]", "y:f[?,2,5]", LAYER "from = i[1] 0; to = i[1] 100; Slice v,from,to,from > y", "cuts time"},
    {"x:f[?,2,5]", "y:f[?,2,5]", LAYER "to = i[1] 9223372036854775807; from = i[1] -100; axis = i[1] 0; Slice v,from,to,axis > y", "cuts time"},
    {"x:f[?,2,5]", "y:f[?,2,5]", STEPS "Div v,t > y", "depends on the number of steps"},
    {"x:f[?,2,5]", "y:f[?,2,5]", STEPS "Abs v > a; Div a,t > y", "depends on the number of steps"},        /* the same, fused */
    {"x:f[?,2,5]", "y:f[?,2,5]", STEPS "three = i[3] -1,1,1; Reshape q,three > r1; Add v,r1 > y", "differs from step to step"},
    {"x:f[?,2,5]", "y:f[?,2,5]", STEPS "three = i[3] -1,1,1; Reshape q,three > r1; r2 = f[1,5,1] 1,2,3,4,5; Mul r1,r2 > k; MatMul v,k > y", "differs from step to step"},
    {"x:f[?,1,5]", "y:f[?,5]", STEPS "Squeeze v,one > v2; two = i[2] -1,1; Reshape q,two > r1; k = f[5,1] 1,2,3,4,5; Gemm v2,k,r1 > y", "differs from step to step"},
    {"x:f[?,2,5]", "y:f[5,?] y2:f[?,2,5]", STEPS "Transpose v > y2 perm=0,1,2; ReduceSum v,one > s keepdims=0; Transpose s > s2; k = f[5,5] 1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7; "
     "MatMul k,s2 > y1; Add y1,q > y", "differs from step to step"},
    {"x:f[?,2,5]", "y:f[1,?,2,5] y2:i[1,?,2,5]", LAYER "front = i[1] 0; Unsqueeze v,front > u; MaxPool u > y,y2 kernel_shape=1,1", "has places in the whole input"},
    {"x:f[?,4,5]", "y:f[4,1,?,5]", STEPS "three = i[3] 1,-1,1; Reshape q,three > r1; r2 = f[5] 1,2,3,4,5; Mul r1,r2 > h0; Transpose v > v2 perm=1,0,2; GRU v2,w,r,,,h0 > y hidden_size=5 direction=reverse",
     "differs from step to step"}};

/* Feeds `steps` steps of x from step `from` on, and copies output 0, which has as many. */
static size_t feed(clstm_session *s, int64_t from, int64_t steps, float *y) {
    float x[9 * 2 * 5];
    clstm_error err;
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){steps, 2, 5}, x);
    for (size_t i = 0; i < (size_t)steps * 10; i++) x[i] = sinf((float)((size_t)from * 10 + i) * 1.7f);
    OK(clstm_session_set_input(s, 0, &t, &err));
    OK(clstm_session_run(s, &err));
    const clstm_tensor *out = &clstm_session_output(s, 0)->tensor;
    size_t each = (size_t)(clstm_tensor_count(out) / steps);
    ck_assert_int_eq(out->dims[0], steps);
    memcpy(y + (size_t)from * each, out->data, (size_t)steps * each * sizeof *y);
    return each;
}

static void same_in_pieces(clstm_session *s) {
    float whole[9 * 10], pieces[9 * 10];
    clstm_error err;
    size_t each = feed(s, 0, 9, whole);
    OK(clstm_session_reset(s, &err));
    for (int64_t at = 0, n = 1; at < 9; at += n, n = n % 3 + 1) feed(s, at, n < 9 - at ? n : 9 - at, pieces);
    ck_assert_mem_eq(whole, pieces, 9 * each * sizeof *whole);
}

START_TEST(fed_in_pieces) {
    const struct timed *c = &timed[_i / 2];
    clstm_session_options o = carrying();
    if (_i & 1) o.carry = 0;            /* the answer speaks of a session that carries, whatever this one does */
    cell_text t = {0};
    cell_constant(&t, 'f', "w", "1,15,5", 75);
    cell_constant(&t, 'f', "r", "1,15,5", 75);
    cell_say(&t, "%s", c->nodes);
    model_text m = model_text_load(model_text_graph(c->in, c->out, t.s, NULL), &o);
    clstm_error err;
    int axis = -1, out[2];
    if (strstr(c->nodes, "Neg h")) OK(clstm_session_carry(m.session, "hn", "h", &err));
    if (c->why) FAILS(clstm_session_stream(m.session, 0, &axis, out, &err), CLSTM_UNSUPPORTED, c->why);
    else OK(clstm_session_stream(m.session, 0, &axis, out, &err));
    ck_assert_int_eq(axis, c->why ? -1 : 0);
    if (!c->why) ck_assert_int_eq(out[0], 0);
    if (!c->why && o.carry) same_in_pieces(m.session);
    model_text_done(&m);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("streams");
    unit_add_loop(s, "thousands of states", thousands_of_states, 0, 2 * CELLS);
    unit_add_loop(s, "lanes join and leave", lanes_join_and_leave, 0, 2 * CELLS);
    unit_add_loop(s, "a poisoned stream", poisoned_stream, 0, CELLS);
    unit_add(s, "states of other models", states_of_other_models);
    unit_add(s, "a failed run", failed_run_changes_nothing);
    unit_add(s, "unprepared shapes", unprepared_shapes);
    unit_add_loop(s, "handed on", handed_on, 0, 8);
    unit_add_loop(s, "fed in pieces", fed_in_pieces, 0, 2 * (int)(sizeof timed / sizeof *timed));
    return s;
}
