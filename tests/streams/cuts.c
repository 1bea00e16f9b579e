/* Sequences in pieces: what streams has the bits of one whole call however it is cut, and what does not is refused by the node.
 *
 *   cuts MODEL_DIR...           model.onnx with test_data_set_0 for its other inputs; each input is tried along the axis that is found
 *   cuts --chain MODEL_DIR...   test_data_set_0, 1, 2 are calls one after the other: states are carried from the first one on, and every
 *                               output, states included, is the reference's */
#include "compare.h"
#include "dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 29, CUTS = 12, MOST_OUTPUTS = 8 };

static int passed, failed;
static clstm_error err;

static uint32_t seed = 1;
static uint32_t drawn(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static void judge(bool good, const char *dir, const char *what, const char *why)
{
    good ? passed++ : failed++;
    printf("%s %s, %s%s%s\n", good ? "ok" : "not ok", dir, what, *why ? ": " : "", why);
}

/* ---- tensors along an axis -------------------------------------------------------------------------------------------------------- */

static size_t span(const clstm_tensor *t, int from, int to)
{
    size_t n = 1;
    for (int d = from; d < to; d++)
        n *= (size_t)t->dims[d];
    return n;
}

static clstm_tensor room_for(const clstm_tensor *like, int axis, int64_t steps)
{
    clstm_tensor t = *like;
    t.dims[axis] = steps;
    t.data = calloc(span(&t, 0, t.rank) + 1, clstm_type_size(t.type));
    return t;
}

/* Copies `n` steps of `from`, beginning at f, to step t of `to`. */
static void copy_steps(const clstm_tensor *from, int64_t f, const clstm_tensor *to, int64_t t, int64_t n, int axis)
{
    size_t inner = span(from, axis + 1, from->rank) * clstm_type_size(from->type);
    for (size_t o = 0; o < span(from, 0, axis) && n; o++)
        memcpy((char *)to->data + (o * (size_t)to->dims[axis] + (size_t)t) * inner, (char *)from->data + (o * (size_t)from->dims[axis] + (size_t)f) * inner, (size_t)n * inner);
}

/* Small numbers of any type, no two neighbours alike. */
static void fill(const clstm_tensor *t)
{
    for (size_t i = 0; i < span(t, 0, t->rank); i++) {
        if (t->type == CLSTM_FLOAT)
            ((float *)t->data)[i] = (float)drawn(2001) / 1000 - 1;
        else if (t->type == CLSTM_DOUBLE)
            ((double *)t->data)[i] = (double)drawn(2001) / 1000 - 1;
        else if (t->type == CLSTM_INT64)
            ((int64_t *)t->data)[i] = drawn(3);
        else if (t->type == CLSTM_FLOAT16)
            ((uint16_t *)t->data)[i] = (uint16_t)(0x3400 + drawn(0x700));
        else if (t->type == CLSTM_BFLOAT16)
            ((uint16_t *)t->data)[i] = (uint16_t)(0x3e00 + drawn(0x180));
    }
}

/* ---- a stream ---------------------------------------------------------------------------------------------------------------------- */

typedef struct stream {
    clstm_session *session;
    size_t input, n_out;
    int axis, out_axes[MOST_OUTPUTS];
    clstm_tensor whole, answers[MOST_OUTPUTS];      /* answers: of the whole; without a time axis, of its end */
    void *piece;                                    /* what the session reads: outputs may be views of it */
} stream;

static clstm_status run_piece(stream *s, int64_t from, int64_t n)
{
    clstm_tensor piece = room_for(&s->whole, s->axis, n);
    copy_steps(&s->whole, from, &piece, 0, n, s->axis);
    free(s->piece);
    s->piece = piece.data;
    clstm_status status = clstm_session_set_input(s->session, s->input, &piece, &err);
    return status == CLSTM_OK ? clstm_session_run(s->session, &err) : status;
}

static clstm_status run_whole(stream *s)
{
    clstm_status status = run_piece(s, 0, STEPS);
    for (size_t o = 0; o < s->n_out && status == CLSTM_OK; o++) {
        const clstm_tensor *t = &clstm_session_output(s->session, o)->tensor;
        s->answers[o] = room_for(t, 0, t->rank ? t->dims[0] : 0);
        memcpy(s->answers[o].data, t->data, span(t, 0, t->rank) * clstm_type_size(t->type));
    }
    return status;
}

/* Cuts at random, into pieces of 0 to 9 steps, the first time all of 1. */
static bool cut_once(stream *s, int which, char *said, size_t size)
{
    clstm_tensor got[MOST_OUTPUTS];
    bool good = clstm_session_reset(s->session, &err) == CLSTM_OK;
    int pieces = 0;
    for (size_t o = 0; o < s->n_out; o++)
        got[o] = room_for(&s->answers[o], 0, s->answers[o].rank ? s->answers[o].dims[0] : 0);
    err.message[0] = 0;
    for (int64_t at = 0, n; at < STEPS && good; at += n, pieces++) {
        n = which ? drawn(10) : 1;
        n = n < STEPS - at ? n : STEPS - at;
        good = run_piece(s, at, n) == CLSTM_OK;
        if (!good && !n) {      /* a Reshape to [0, -1] cannot be: no step is refused and must leave the states */
            good = true;
            continue;
        }
        for (size_t o = 0; o < s->n_out && good; o++) {
            const clstm_tensor *t = &clstm_session_output(s->session, o)->tensor;
            if (s->out_axes[o] >= 0 && t->dims[s->out_axes[o]] != n)
                good = false;
            else if (s->out_axes[o] >= 0)
                copy_steps(t, 0, &got[o], at, n, s->out_axes[o]);
            else if (n && span(t, 0, t->rank) != span(&got[o], 0, got[o].rank))
                good = false;
            else if (n)
                memcpy(got[o].data, t->data, span(t, 0, t->rank) * clstm_type_size(t->type));
        }
    }
    snprintf(said, size, "%s", good ? "" : err.message[0] ? err.message : "an output has another size than its piece");
    for (size_t o = 0; o < s->n_out; o++) {
        if (good && memcmp(got[o].data, s->answers[o].data, span(&got[o], 0, got[o].rank) * clstm_type_size(got[o].type))) {
            snprintf(said, size, "output %zu of %d pieces differs from the whole", o, pieces);
            good = false;
        }
        free(got[o].data);
    }
    return good;
}

static void try_input(const char *dir, clstm_session *session, const dataset *inputs, size_t input, size_t n_out)
{
    char what[160], said[1200] = "";
    stream s = {.session = session, .input = input, .n_out = n_out, .axis = -1};
    snprintf(what, sizeof what, "input %zu", input);
    clstm_status status = clstm_session_stream(session, input, &s.axis, s.out_axes, &err);
    if (status != CLSTM_OK) {
        judge(strstr(err.message, "node ") || strstr(err.message, "not streamable: "), dir, what, err.message);
        return;
    }
    snprintf(what, sizeof what, "input %zu along axis %d in pieces", input, s.axis);
    s.whole = room_for(&inputs->values[input].tensor, s.axis, STEPS);
    fill(&s.whole);
    bool good = clstm_session_reset(session, &err) == CLSTM_OK && run_whole(&s) == CLSTM_OK;
    snprintf(said, sizeof said, "%s", good ? "" : err.message);
    for (int c = 0; c < CUTS && good; c++)
        good = cut_once(&s, c, said, sizeof said);
    judge(good, dir, what, said);
    for (size_t o = 0; o < s.n_out; o++)
        free(s.answers[o].data);
    free(s.whole.data);
    free(s.piece);
    clstm_session_set_input(session, input, &inputs->values[input].tensor, &err);
}

static clstm_status open_all(const char *dir, int set, clstm_model **model, clstm_session **session, dataset *inputs)
{
    char path[4096];
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.carry = CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS;
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    clstm_status status = *model ? CLSTM_OK : clstm_model_load(path, NULL, model, &err);
    if (status == CLSTM_OK && !*session)
        status = clstm_session_create(*model, &o, session, &err);
    snprintf(path, sizeof path, "%s/test_data_set_%d", dir, set);
    return status == CLSTM_OK ? dataset_read(path, *model, false, inputs, &err) : status;
}

static bool carried(const clstm_session *s, size_t input)
{
    clstm_carry_info info;
    bool found = false;
    for (size_t k = 0; clstm_session_carry_describe(s, k, &info); k++)
        found |= info.input == (int)input;
    return found;
}

static void try_model(const char *dir)
{
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    dataset inputs = {0};
    if (open_all(dir, 0, &model, &session, &inputs) != CLSTM_OK)
        judge(strstr(err.message, "candidates") != NULL, dir, "opened", err.message);
    else {
        size_t n_out = clstm_model_output_count(model);
        for (size_t i = 0; i < inputs.count; i++)
            inputs.present[i] &= !carried(session, i);
        if (n_out > MOST_OUTPUTS || dataset_give(&inputs, session, &err) != CLSTM_OK)
            judge(false, dir, "inputs", err.message);
        for (size_t i = 0; i < inputs.count && n_out <= MOST_OUTPUTS; i++)
            if (inputs.present[i] && inputs.values[i].kind == CLSTM_KIND_TENSOR && inputs.values[i].tensor.rank > 0)
                try_input(dir, session, &inputs, i, n_out);
    }
    dataset_free(&inputs);
    clstm_session_destroy(session);
    clstm_model_destroy(model);
}

/* ---- calls one after the other ------------------------------------------------------------------------------------------------------- */

static void try_chain(const char *dir)
{
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    for (int set = 0; set < 3; set++) {
        char path[4096], what[60];
        dataset inputs = {0}, outputs = {0};
        compare_result r = {.equal = true};
        snprintf(what, sizeof what, "call %d", set + 1);
        snprintf(path, sizeof path, "%s/test_data_set_%d", dir, set);
        clstm_status status = open_all(dir, set, &model, &session, &inputs);
        /* the first call takes its states from the files, the others what the call before left */
        for (size_t i = 0; i < inputs.count && set; i++)
            inputs.present[i] &= !carried(session, i);
        if (status == CLSTM_OK)
            status = dataset_give(&inputs, session, &err);
        if (status == CLSTM_OK)
            status = dataset_read(path, model, true, &outputs, &err);
        if (status == CLSTM_OK)
            status = clstm_session_run(session, &err);
        for (size_t o = 0; o < outputs.count && status == CLSTM_OK && r.equal; o++)
            if (outputs.present[o])
                compare_values(clstm_session_output(session, o), &outputs.values[o], &COMPARE_DEFAULT, &r);
        clstm_carry_info info;
        bool states = session && clstm_session_carry_describe(session, 0, &info);
        judge(status == CLSTM_OK && r.equal && states, dir, what, status != CLSTM_OK ? err.message : states ? r.reason : "no state is carried");
        dataset_free(&inputs);
        dataset_free(&outputs);
    }
    clstm_session_destroy(session);
    clstm_model_destroy(model);
}

int main(int argc, char **argv)
{
    bool chain = argc > 1 && !strcmp(argv[1], "--chain");
    for (int i = 1 + chain; i < argc; i++)
        if (chain)
            try_chain(argv[i]);
        else
            try_model(argv[i]);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
