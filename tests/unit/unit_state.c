/* Carried states: pairs found and refused, chunks against the whole, many states over one session, lanes of a batch, saved states. */
#include "onnx_build.h"
#include "unit_main.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { I = 3, H = 5, T = 12 };

static uint32_t seed;
static float noise(void) { seed = seed * 1664525u + 1013904223u; return (float)(seed >> 8) / 8388608.0f - 1.0f; }

static pbuf weights(const char *name, const char *dims, int n) {
    pbuf t = pb_tensor(name, 1, dims);
    float *v = malloc((size_t)n * sizeof *v);
    for (int i = 0; i < n; i++) v[i] = noise();
    pb_bytes(&t, 9, v, (size_t)n * sizeof *v);
    free(v);
    return t;
}

/* An LSTM over x [T,B,I] whose ports have the given names; "" for an internal zero state. */
static clstm_model *lstm(const char *h0, const char *c0, const char *yh, const char *yc) {
    static const int64_t x_dims[] = {-1, -1, I, INT64_MIN}, s_dims[] = {1, -1, H, INT64_MIN}, any[] = {-1, -1, -1, INT64_MIN}, y_dims[] = {-1, -1, -1, -1, INT64_MIN};
    char in[100], out[100];
    pbuf g = {0};
    seed = 7;
    snprintf(in, sizeof in, "x,W,R,B,,%s,%s", h0, c0);
    snprintf(out, sizeof out, "y,%s,%s", yh, yc);
    pbuf n = pb_node("LSTM", "lstm", in, out), hidden = pb_attr("hidden_size", 2);
    pb_int(&hidden, 3, H);
    pb_msg(&n, F_NODE_ATTR, hidden);
    pb_msg(&g, F_GRAPH_NODE, n);
    pb_msg(&g, F_GRAPH_INIT, weights("W", "1,20,3", 60));
    pb_msg(&g, F_GRAPH_INIT, weights("R", "1,20,5", 100));
    pb_msg(&g, F_GRAPH_INIT, weights("B", "1,40", 40));
    pb_msg(&g, F_GRAPH_INPUT, pb_port("x", x_dims));
    if (h0[0]) pb_msg(&g, F_GRAPH_INPUT, pb_port(h0, s_dims));
    if (c0[0]) pb_msg(&g, F_GRAPH_INPUT, pb_port(c0, s_dims));
    pb_msg(&g, F_GRAPH_OUTPUT, pb_port("y", y_dims));
    if (yh[0]) pb_msg(&g, F_GRAPH_OUTPUT, pb_port(yh, any));
    if (yc[0]) pb_msg(&g, F_GRAPH_OUTPUT, pb_port(yc, any));
    pbuf m = pb_model(g);
    clstm_model *model;
    clstm_error err;
    clstm_status s = clstm_model_load_memory(m.data, m.n, NULL, NULL, &model, &err);
    ck_assert_msg(s == CLSTM_OK, "%s", err.message);
    pb_free(&m);
    return model;
}

static clstm_session *session(clstm_model *m, unsigned carry) {
    clstm_session_options o;
    clstm_session *s;
    clstm_error err;
    clstm_session_options_default(&o);
    o.carry = carry;
    clstm_status status = clstm_session_create(m, &o, &s, &err);
    ck_assert_msg(status == CLSTM_OK, "%s", err.message);
    return s;
}

#define OK(call) do { clstm_status ok_ = (call); ck_assert_msg(ok_ == CLSTM_OK, "%s", err.message); } while (0)

static const float *run(clstm_session *s, float *x, int64_t steps, int64_t batch) {
    clstm_error err;
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){steps, batch, I}, x);
    OK(clstm_session_set_input(s, 0, &t, &err));
    OK(clstm_session_run(s, &err));
    return clstm_session_output(s, 0)->tensor.data;
}

static void fill(float *x, int n, uint32_t from) { seed = from; for (int i = 0; i < n; i++) x[i] = noise(); }

START_TEST(chunks_equal_whole) {
    static const int cuts[] = {1, 2, 3, 5, 7};
    float x[T * I], whole[T * H], part[T * H];
    fill(x, T * I, 11);
    for (int internal = 0; internal < 2; internal++) {
        clstm_model *m = internal ? lstm("", "", "", "") : lstm("h", "c", "hn", "cn");
        clstm_session *s = session(m, CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS);
        clstm_error err;
        memcpy(whole, run(s, x, T, 1), sizeof whole);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            OK(clstm_session_reset(s, &err));
            for (int t = 0; t < T; t += cuts[c]) {
                int n = T - t < cuts[c] ? T - t : cuts[c];
                memcpy(part + t * H, run(s, x + t * I, n, 1), (size_t)(n * H) * sizeof(float));
            }
            ck_assert_int_eq(memcmp(whole, part, sizeof whole), 0);
        }
        /* without a reset the second pass continues: it must differ */
        ck_assert_int_ne(memcmp(whole, run(s, x, T, 1), sizeof whole), 0);
        clstm_session_destroy(s);
        clstm_model_destroy(m);
    }
}
END_TEST

/* Names and layer agree whatever the order of the ports; described with the reason. */
START_TEST(pairs_are_found) {
    static const struct { const char *h0, *c0, *yh, *yc; } cases[] = {{"h", "c", "hn", "cn"}, {"h0", "c0", "h_n", "c_n"}, {"h_in", "c_in", "h_out", "c_out"}, {"a", "b", "p", "q"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clstm_model *m = lstm(cases[i].h0, cases[i].c0, cases[i].yh, cases[i].yc);
        clstm_session *s = session(m, CLSTM_CARRY_PORTS);
        clstm_carry_info info;
        for (size_t k = 0; k < 2; k++) {
            ck_assert(clstm_session_carry_describe(s, k, &info));
            ck_assert_int_eq(info.input, (int)k + 1);
            ck_assert_int_eq(info.output, (int)k + 1);
        }
        ck_assert(!clstm_session_carry_describe(s, 2, &info));
        clstm_session_destroy(s);
        clstm_model_destroy(m);
    }
}
END_TEST

/* Equal shapes, names crossed against the layer: refused with both candidates, until the caller says which. */
START_TEST(crossed_names_are_refused) {
    clstm_model *m = lstm("h", "c", "cn", "hn");
    clstm_session_options o;
    clstm_session *s;
    clstm_error err;
    clstm_session_options_default(&o);
    o.carry = CLSTM_CARRY_PORTS;
    ck_assert_int_eq(clstm_session_create(m, &o, &s, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "\"hn\""));
    ck_assert_ptr_nonnull(strstr(err.message, "\"cn\""));
    s = session(m, 0);
    OK(clstm_session_carry(s, "cn", "h", &err));
    OK(clstm_session_carry(s, "hn", "c", &err));
    float x[T * I], whole[T * H];
    fill(x, T * I, 3);
    memcpy(whole, run(s, x, T, 1), sizeof whole);
    OK(clstm_session_reset(s, &err));
    run(s, x, 5, 1);
    ck_assert_int_eq(memcmp(whole + 5 * H, run(s, x + 5 * I, T - 5, 1), (T - 5) * H * sizeof(float)), 0);
    clstm_session_destroy(s);
    clstm_model_destroy(m);
}
END_TEST

START_TEST(streams_in_turn_and_in_a_batch) {
    enum { N = 4, STEPS = 6 };
    clstm_model *m = lstm("", "", "", "");
    clstm_session *one = session(m, CLSTM_CARRY_LAYERS), *many = session(m, CLSTM_CARRY_LAYERS);
    clstm_state *st[N], *lane[N];
    clstm_error err;
    float x[STEPS][N][I], expected[STEPS][N][H];
    fill(&x[0][0][0], STEPS * N * I, 5);
    run(one, &x[0][0][0], 1, 1);
    for (int i = 0; i < N; i++) { OK(clstm_state_create(one, 1, &st[i], &err)); OK(clstm_state_create(one, 1, &lane[i], &err)); }
    for (int t = 0; t < STEPS; t++)
        for (int i = 0; i < N; i++) {
            OK(clstm_session_attach(one, st[i], &err));
            memcpy(expected[t][i], run(one, x[t][i], 1, 1), sizeof expected[t][i]);
        }
    OK(clstm_session_attach(one, NULL, &err));
    for (int t = 0; t < STEPS; t++) {
        clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, N, I}, x[t]);
        OK(clstm_session_set_input(many, 0, &in, &err));
        OK(clstm_session_run_streams(many, lane, N, &err));
        ck_assert_int_eq(memcmp(clstm_session_output(many, 0)->tensor.data, expected[t], sizeof expected[t]), 0);
    }
    for (int i = 0; i < N; i++) {
        const char *name;
        clstm_tensor a, b;
        for (size_t k = 0; clstm_state_part(st[i], k, &name, &a); k++) {
            ck_assert(clstm_state_part(lane[i], k, &name, &b));
            ck_assert_int_eq(memcmp(a.data, b.data, H * sizeof(float)), 0);
        }
    }
    /* a lane leaves: three streams, each with a state of its own, go on */
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, 3, I}, x[0]);
    OK(clstm_session_set_input(many, 0, &in, &err));
    OK(clstm_session_run_streams(many, lane + 1, 3, &err));
    OK(clstm_session_attach(one, st[2], &err));
    const float *y = run(one, x[0][1], 1, 1);
    ck_assert_int_eq(memcmp((const float *)clstm_session_output(many, 0)->tensor.data + H, y, H * sizeof(float)), 0);
    /* the wrong number of states is refused and changes none */
    ck_assert_int_eq(clstm_session_run_streams(many, lane, 2, &err), CLSTM_BAD_ARGUMENT);
    for (int i = 0; i < N; i++) { clstm_state_destroy(st[i]); clstm_state_destroy(lane[i]); }
    clstm_session_destroy(one);
    clstm_session_destroy(many);
    clstm_model_destroy(m);
}
END_TEST

START_TEST(saved_states) {
    clstm_model *m = lstm("h", "c", "hn", "cn");
    clstm_session *s = session(m, CLSTM_CARRY_PORTS);
    clstm_state *st, *other;
    clstm_error err;
    float x[T * I], after[H];
    fill(x, T * I, 9);
    run(s, x, 1, 1);
    OK(clstm_state_create(s, 0, &st, &err));
    OK(clstm_state_create(s, 0, &other, &err));
    ck_assert_uint_eq(clstm_state_size(st), 2 * H * sizeof(float));
    OK(clstm_session_attach(s, st, &err));
    run(s, x, 4, 1);
    size_t size = clstm_state_saved_size(st);
    unsigned char *saved = malloc(size);
    OK(clstm_state_save(st, saved, size, &err));
    memcpy(after, run(s, x + 4 * I, 1, 1), sizeof after);
    OK(clstm_state_load(other, saved, size, &err));
    OK(clstm_session_attach(s, other, &err));
    ck_assert_int_eq(memcmp(after, run(s, x + 4 * I, 1, 1), sizeof after), 0);
    for (size_t i = 0; i < size; i++) {     /* any damaged byte is noticed, any shorter file refused */
        saved[i] ^= 0x10;
        ck_assert_int_eq(clstm_state_load(other, saved, size, &err), CLSTM_BAD_ARGUMENT);
        saved[i] ^= 0x10;
        ck_assert_int_eq(clstm_state_load(other, saved, i, &err), CLSTM_BAD_ARGUMENT);
    }
    OK(clstm_state_copy(other, st, &err));
    OK(clstm_session_attach(s, NULL, &err));
    free(saved);
    clstm_state_destroy(st);
    clstm_state_destroy(other);
    clstm_session_destroy(s);
    clstm_model_destroy(m);
}
END_TEST

static uint64_t fnv1a(const unsigned char *p, size_t n) {
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

static void turn(unsigned char *p, int n) {
    for (int i = 0; i < n / 2; i++) { unsigned char b = p[i]; p[i] = p[n - 1 - i]; p[n - 1 - i] = b; }
}

/* Files whose checksum is right and that are wrong all the same: each is refused with its reason and changes nothing. The layout is
 * doc/state-format.md's: mark 0, parts 8, then name length 12, "h" 16, type 17, rank 21, dimensions 25.., bytes 49, values 57. */
START_TEST(saved_states_of_others) {
    static const struct { const char *what; int at, bytes; unsigned value; const char *said; } edits[] = {
        {"a later version", 7, 1, 2, "version 2, expected 1"},       {"no saved state", 0, 1, 'X', "not a saved state"},
        {"another number of parts", 8, 4, 3, "3 parts for one of 2"}, {"another name", 16, 1, 'g', "another part where \"h\""},
        {"a longer name", 12, 4, 0x7fffffff, "another part where"},  {"another type", 17, 4, 11, "\"h\" has another type"},
        {"another rank", 21, 4, 2, "\"h\" has another type or shape"}, {"another shape", 33, 4, 2, "\"h\" has another type or shape"},
        {"another size", 49, 4, 24, "\"h\" has another type or shape"}};
    clstm_model *m = lstm("h", "c", "hn", "cn");
    clstm_session *s = session(m, CLSTM_CARRY_PORTS);
    clstm_state *st;
    clstm_error err;
    float x[T * I];
    unsigned char saved[600], edited[700], now[600];
    fill(x, T * I, 9);
    run(s, x, 1, 1);
    OK(clstm_state_create(s, 1, &st, &err));
    OK(clstm_session_attach(s, st, &err));
    run(s, x, 4, 1);
    size_t size = clstm_state_saved_size(st);
    ck_assert_uint_le(size, sizeof saved);
    OK(clstm_state_save(st, saved, size, &err));
    ck_assert_int_eq(clstm_state_save(st, now, size - 1, &err), CLSTM_BAD_ARGUMENT);
    for (size_t k = 0; k < sizeof edits / sizeof *edits + 3; k++) {
        size_t n = size;
        memcpy(edited, saved, size);
        const char *what = "the other byte order", *said = "checksum";
        if (k < sizeof edits / sizeof *edits) {
            for (int i = 0; i < edits[k].bytes; i++) edited[edits[k].at + i] = (unsigned char)(edits[k].value >> 8 * i);
            what = edits[k].what;
            said = edits[k].said;
        } else if (k == sizeof edits / sizeof *edits) {              /* cut after the first part, sealed again */
            n = 57 + 4 * H + 8;
            what = "a part is missing";
            said = "another part where \"c\"";
        } else if (k == sizeof edits / sizeof *edits + 1) {
            memset(edited + size - 8, 0, 16);
            n = size + 8;
            what = "more than its parts";
            said = "longer than its parts";
        } else {
            turn(edited + 8, 4);
            said = "parts for one of 2";
        }
        uint64_t sum = fnv1a(edited, n - 8);
        for (int i = 0; i < 8; i++) edited[n - 8 + (size_t)i] = (unsigned char)(sum >> 8 * i);
        ck_assert_int_eq(clstm_state_load(st, edited, n, &err), CLSTM_BAD_ARGUMENT);
        ck_assert_msg(strstr(err.message, said) != NULL, "%s: %s", what, err.message);
        OK(clstm_state_save(st, now, size, &err));
        ck_assert_msg(!memcmp(now, saved, size), "%s: refused, but the state has changed", what);
    }
    memcpy(edited, saved, size);
    turn(edited + size - 8, 8);                                      /* a checksum in the other byte order */
    ck_assert_int_eq(clstm_state_load(st, edited, size, &err), CLSTM_BAD_ARGUMENT);
    OK(clstm_state_load(st, saved, size, &err));
    OK(clstm_session_attach(s, NULL, &err));
    clstm_state_destroy(st);
    clstm_session_destroy(s);
    clstm_model_destroy(m);
}
END_TEST

/* A state of another batch is refused by name. */
START_TEST(other_batch_is_refused) {
    clstm_model *m = lstm("", "", "", "");
    clstm_session *s = session(m, CLSTM_CARRY_LAYERS);
    clstm_error err;
    float x[2 * I] = {0};
    run(s, x, 1, 1);
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, 2, I}, x);
    OK(clstm_session_set_input(s, 0, &t, &err));
    ck_assert_int_eq(clstm_session_run(s, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.message, "[1,1,5]"));
    OK(clstm_session_reset(s, &err));
    OK(clstm_session_run(s, &err));
    clstm_session_destroy(s);
    clstm_model_destroy(m);
}
END_TEST

START_TEST(time_axis_is_found) {
    clstm_model *m = lstm("h", "c", "hn", "cn");
    clstm_session *s = session(m, CLSTM_CARRY_PORTS);
    clstm_error err;
    int axis = -1, out[3] = {9, 9, 9};
    OK(clstm_session_stream(s, 0, &axis, out, &err));
    ck_assert_int_eq(axis, 0);
    ck_assert_int_eq(out[0], 0);
    ck_assert_int_eq(out[1], -1);
    ck_assert_int_eq(out[2], -1);
    axis = 1;       /* the batch */
    ck_assert_int_ne(clstm_session_stream(s, 0, &axis, out, &err), CLSTM_OK);
    clstm_session_destroy(s);
    clstm_model_destroy(m);
}
END_TEST

typedef struct seen { int steps; double worst; const float *y; } seen;
static void look(void *user, const clstm_trace_step *t) {
    seen *s = user;
    ck_assert_str_eq(t->node, "lstm");
    ck_assert_int_eq(t->t, s->steps % T);
    for (int64_t j = 0; j < t->hidden; j++) {   /* the cell's own equation, from what the trace says */
        double h = t->gate[1][j] * tanh(t->c[j]), d = fabs(h - t->h[j]);
        if (d > s->worst) s->worst = d;
    }
    s->steps++;
}

START_TEST(gates_are_seen) {
    clstm_model *m = lstm("", "", "", "");
    clstm_session *s = session(m, 0);
    clstm_error err;
    float x[T * I], untraced[T * H];
    seen seen = {0};
    fill(x, T * I, 21);
    memcpy(untraced, run(s, x, T, 1), sizeof untraced);
    OK(clstm_session_trace(s, look, &seen, &err));
    ck_assert_int_eq(memcmp(untraced, run(s, x, T, 1), sizeof untraced), 0);
    ck_assert_int_eq(seen.steps, T);
    ck_assert(seen.worst < 1e-6);
    OK(clstm_session_trace(s, NULL, NULL, &err));
    run(s, x, T, 1);
    ck_assert_int_eq(seen.steps, T);
    clstm_session_destroy(s);
    clstm_model_destroy(m);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("state");
    unit_add(s, "chunks equal the whole", chunks_equal_whole);
    unit_add(s, "pairs are found", pairs_are_found);
    unit_add(s, "crossed names are refused", crossed_names_are_refused);
    unit_add(s, "streams in turn and in a batch", streams_in_turn_and_in_a_batch);
    unit_add(s, "saved states", saved_states);
    unit_add(s, "saved states of others", saved_states_of_others);
    unit_add(s, "another batch is refused", other_batch_is_refused);
    unit_add(s, "the time axis is found", time_axis_is_found);
    unit_add(s, "gates are seen", gates_are_seen);
    return s;
}
