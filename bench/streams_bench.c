/* What carried states cost: a step of 64 streams in one batched run beside 64 single steps, and a step that carries its state beside one
 * whose state goes in and comes out by the caller's own copies.
 *
 *   streams-bench MODEL.onnx          x [1,batch,I], states h (and c) [1,batch,H] that pair by themselves; bench/streams makes some */
#include "probe.h"
#include "tool.h"

#include <clstm/clstm.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 9, STREAMS = 64, MOST_STATES = 4 };

static clstm_error err;

static void need(clstm_status status)
{
    if (status == CLSTM_OK)
        return;
    fprintf(stderr, "streams-bench: %s\n", err.message);
    exit(3);
}

typedef struct setup {
    clstm_session *session;
    clstm_state **states;       /* NULL: the session's own, or none */
    size_t count;               /* streams of one run */
    void *from[MOST_STATES], *to[MOST_STATES];      /* what the caller copies after a run that carries nothing */
    size_t bytes[MOST_STATES];
} setup;

static float *inputs;

static clstm_session *open_session(clstm_model *model, int64_t batch, bool carry)
{
    clstm_session_options o;
    clstm_session *s;
    clstm_session_options_default(&o);
    o.carry = carry ? CLSTM_CARRY_PORTS : 0;
    need(clstm_session_create(model, &o, &s, &err));
    float *at = inputs;
    for (size_t i = 0; i < (carry ? 1 : clstm_model_input_count(model)); i++) {
        clstm_tensor t = clstm_model_input(model, i)->tensor;
        for (int d = 0; d < t.rank; d++)
            if (t.dims[d] < 0)
                t.dims[d] = batch;
        t.data = at;
        at += clstm_tensor_count(&t);
        need(clstm_session_set_input(s, i, &t, &err));
    }
    need(clstm_session_prepare(s, &err));
    return s;
}

/* Microseconds of one sample: STREAMS steps, each of one stream or all in one. */
static double sample(const setup *u)
{
    double start = tool_now_us();
    for (size_t r = 0; r < STREAMS / u->count; r++) {
        if (u->count > 1)
            need(clstm_session_run_streams(u->session, u->states, u->count, &err));
        else if (u->states)
            need(clstm_session_run_streams(u->session, &u->states[r], 1, &err));
        else
            need(clstm_session_run(u->session, &err));
        for (size_t k = 0; k < MOST_STATES && u->bytes[k]; k++)
            memcpy(u->to[k], u->from[k], u->bytes[k]);
    }
    return tool_now_us() - start;
}

/* The quietest of some turns of each, alternating; a turn is the quickest of many samples. */
static void race(const setup *a, const setup *b, double *us_a, double *us_b)
{
    *us_a = *us_b = 1e30;
    for (int turn = 0; turn < TURNS; turn++)
        for (int k = 0; k < 2; k++) {
            const setup *u = k ? b : a;
            double *best = k ? us_b : us_a;
            for (double end = tool_now_us() + 100e3; tool_now_us() < end;) {
                double us = sample(u);
                *best = us < *best ? us : *best;
            }
        }
}

/* Has the caller copy every state output to its input. */
static void carry_by_hand(setup *u, clstm_model *model)
{
    float *at = inputs + clstm_model_input(model, 0)->tensor.dims[2];       /* as open_session laid them out for one stream */
    for (size_t k = 0; k + 1 < clstm_model_input_count(model); k++) {
        const clstm_tensor *out = &clstm_session_output(u->session, 1 + k)->tensor;
        u->from[k] = out->data;
        u->to[k] = at;
        u->bytes[k] = (size_t)clstm_tensor_count(out) * sizeof(float);
        at += clstm_tensor_count(out);
    }
}

int main(int argc, char **argv)
{
    clstm_model *model;
    clstm_state *states[STREAMS];
    double single, batched, carried, given;
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL.onnx\n", argv[0]);
        return 2;
    }
    need(clstm_model_load(argv[1], NULL, &model, &err));
    int64_t i = clstm_model_input(model, 0)->tensor.dims[2], h = clstm_model_input(model, 1)->tensor.dims[2];
    size_t n_states = clstm_model_input_count(model) - 1;
    inputs = calloc((size_t)(STREAMS * (i + MOST_STATES * h)), sizeof *inputs);
    for (int64_t k = 0; k < STREAMS * i; k++)
        inputs[k] = (float)(k % 97) / 97 - 0.5f;
    setup one = {.session = open_session(model, 1, true), .states = states, .count = 1}, all = {.session = open_session(model, STREAMS, true), .states = states, .count = STREAMS};
    for (size_t k = 0; k < STREAMS; k++)
        need(clstm_state_create(one.session, 1, &states[k], &err));
    race(&one, &all, &single, &batched);
    setup own = {.session = open_session(model, 1, true), .count = 1}, hand = {.session = open_session(model, 1, false), .count = 1};
    need(clstm_session_run(hand.session, &err));
    carry_by_hand(&hand, model);
    race(&own, &hand, &carried, &given);
    /* gates: 4 with a cell beside h, else 3 */
    double peak = probe_peak(probe_create(1)), flops = 2.0 * (n_states > 1 ? 4 : 3) * STREAMS * (double)(h * (i + h));
    printf("I %d, H %d, one thread, peak of multiply-adds %.1f GFLOP/s\n", (int)i, (int)h, peak / 1e3);
    printf("%d streams: %.2f us as single steps, %.2f us as one batched step with gathering and scattering\n", STREAMS, single, batched);
    printf("one stream: %.3f us a step with the state carried, %.3f us with the state copied by the caller\n", carried / STREAMS, given / STREAMS);
    printf("batched_us=%.3f singles_us=%.3f of_singles=%.3f of_peak=%.3f carried_us=%.4f given_us=%.4f carried_over_given=%.3f\n", batched, single, batched / single,
           flops / batched / peak, carried / STREAMS, given / STREAMS, carried / given);
    return 0;
}
