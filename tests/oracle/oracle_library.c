/* The comparison program's use of the public header; see oracle_library.h. */
#include "oracle_library.h"

#include <clstm/clstm.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_writer.h"

/* Values of one run: the bytes of X, the lengths, the states and the three outputs, for T steps and B rows. */
typedef struct {
    size_t T, B;
    void *x, *h, *c;
    int32_t *lens;
    void *out[CASE_OUTPUTS];
} pass;

typedef struct {
    const oracle_case *c;
    oracle_tally *tally;
    char *why;
    size_t size, element;
    clstm_model *model;
    clstm_session *session;
} comparison;

static bool fail(comparison *k, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(k->why, k->size, format, args);
    va_end(args);
    return false;
}

/* ---- Loading and running ---- */

static void close_model(comparison *k)
{
    clstm_session_destroy(k->session);
    clstm_model_destroy(k->model);
    k->session = NULL;
    k->model = NULL;
}

static bool open_model(comparison *k, onnx_form form)
{
    onnx_bytes bytes;
    clstm_error err;
    clstm_session_options options;
    if (!onnx_write_model(k->c, form, &bytes)) {
        onnx_bytes_free(&bytes);
        return fail(k, "out of memory");
    }
    const clstm_status status = clstm_model_load_memory(bytes.data, bytes.size, NULL, NULL, &k->model, &err);
    onnx_bytes_free(&bytes);
    if (status != CLSTM_OK)
        return fail(k, "load: %s", err.message);
    clstm_session_options_default(&options);
    options.onnxruntime_semantics = k->c->onnxruntime_semantics;
    if (clstm_session_create(k->model, &options, &k->session, &err) != CLSTM_OK)
        return fail(k, "session: %s", err.message);
    return true;
}

static bool set_input(comparison *k, const char *name, clstm_type type, int rank, const size_t *dims, void *data)
{
    clstm_error err;
    int64_t d[4];
    for (int i = 0; i < rank; i++)
        d[i] = (int64_t)dims[i];
    const clstm_tensor t = clstm_tensor_view(type, rank, d, data);
    const int index = clstm_model_find_input(k->model, name);
    if (index < 0)
        return fail(k, "the model has no input %s", name);
    if (clstm_session_set_input(k->session, (size_t)index, &t, &err) != CLSTM_OK)
        return fail(k, "input %s: %s", name, err.message);
    return true;
}

static bool set_weights(comparison *k, onnx_form form)
{
    static const int weights[] = {IN_W, IN_R, IN_B, IN_P};
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        const case_tensor *t = &k->c->in[weights[i]];
        if (onnx_is_input(k->c, form, weights[i]) &&
            !set_input(k, oracle_input_name(weights[i]), (clstm_type)oracle_type_onnx(k->c->type), t->rank, t->dims, t->bytes))
            return false;
    }
    return true;
}

/* The shape that tensor `t` of the case has for T steps and B rows in place of the case's own. */
static void reshape(const oracle_case *c, bool sequence, const pass *p, size_t dims[4])
{
    const size_t batch = p->B;
    if (c->layout == 0 && sequence) {
        const size_t y[4] = {p->T, c->D, batch, c->H};
        memcpy(dims, y, sizeof y);
    } else if (c->layout == 0) {
        const size_t h[4] = {c->D, batch, c->H, 1};
        memcpy(dims, h, sizeof h);
    } else {
        const size_t y[4] = {batch, sequence ? p->T : c->D, sequence ? c->D : c->H, c->H};
        memcpy(dims, y, sizeof y);
    }
}

static bool set_pass(comparison *k, onnx_form form, pass *p)
{
    const oracle_case *c = k->c;
    const clstm_type type = (clstm_type)oracle_type_onnx(c->type);
    const size_t x[4] = {c->layout == 0 ? p->T : p->B, c->layout == 0 ? p->B : p->T, c->I, 1}, lens[1] = {p->B};
    size_t state[4];
    reshape(c, false, p, state);
    return set_input(k, "X", type, 3, x, p->x) &&
           (!onnx_is_input(c, form, IN_LENS) || set_input(k, "sequence_lens", CLSTM_INT32, 1, lens, p->lens)) &&
           (!onnx_is_input(c, form, IN_H) || set_input(k, "initial_h", type, 3, state, p->h)) &&
           (!onnx_is_input(c, form, IN_C) || set_input(k, "initial_c", type, 3, state, p->c));
}

/* Runs and copies the outputs that the form has; p->out must have room. */
static bool run_pass(comparison *k, onnx_form form, pass *p)
{
    clstm_error err;
    if (!set_pass(k, form, p))
        return false;
    if (clstm_session_run(k->session, &err) != CLSTM_OK)
        return fail(k, "run: %s", err.message);
    for (int o = 0; o < CASE_OUTPUTS; o++) {
        if (!onnx_is_output(k->c, form, o))
            continue;
        const int index = clstm_model_find_output(k->model, oracle_output_name(o));
        const clstm_value *v = index < 0 ? NULL : clstm_session_output(k->session, (size_t)index);
        if (v == NULL || v->kind != CLSTM_KIND_TENSOR)
            return fail(k, "output %s is not there", oracle_output_name(o));
        size_t dims[4], count = 1;
        const int rank = o == OUT_Y ? 4 : 3;
        reshape(k->c, o == OUT_Y, p, dims);
        bool same = v->tensor.type == (clstm_type)oracle_type_onnx(k->c->type) && v->tensor.rank == rank;
        for (int i = 0; i < rank; i++) {
            same = same && v->tensor.dims[i] == (int64_t)dims[i];
            count *= dims[i];
        }
        if (!same)
            return fail(k, "output %s has the wrong type or shape", oracle_output_name(o));
        if (count != 0)
            memcpy(p->out[o], v->tensor.data, count * k->element);
    }
    return true;
}

/* ---- Rows and steps ---- */

/* Element index of row b of step t (or of the state) of direction d, for p's sizes. */
static size_t x_row(const oracle_case *c, const pass *p, size_t t, size_t b) { return (c->layout == 0 ? t * p->B + b : b * p->T + t) * c->I; }

static size_t y_row(const oracle_case *c, const pass *p, size_t t, size_t d, size_t b)
{
    return (c->layout == 0 ? (t * c->D + d) * p->B + b : (b * p->T + t) * c->D + d) * c->H;
}

static size_t state_row(const oracle_case *c, const pass *p, size_t d, size_t b)
{
    return (c->layout == 0 ? d * p->B + b : b * c->D + d) * c->H;
}

static void copy_row(const comparison *k, void *to, size_t at, const void *from, size_t start, size_t n)
{
    memcpy((char *)to + at * k->element, (const char *)from + start * k->element, n * k->element);
}

static void free_pass(pass *p)
{
    free(p->x);
    free(p->h);
    free(p->c);
    free(p->lens);
    for (int o = 0; o < CASE_OUTPUTS; o++)
        free(p->out[o]);
    *p = (pass){0};
}

/* A pass with zeroed values; the lengths are all T. */
static bool make_pass(comparison *k, pass *p, size_t T, size_t B)
{
    const oracle_case *c = k->c;
    const size_t state = c->D * B * c->H + 1;
    *p = (pass){.T = T, .B = B};
    p->x = calloc(T * B * c->I + 1, k->element);
    p->h = calloc(state, k->element);
    p->c = calloc(state, k->element);
    p->lens = calloc(B + 1, sizeof *p->lens);
    p->out[OUT_Y] = calloc(T * state + 1, k->element);
    p->out[OUT_H] = calloc(state, k->element);
    p->out[OUT_C] = calloc(state, k->element);
    if (p->x == NULL || p->h == NULL || p->c == NULL || p->lens == NULL || p->out[OUT_Y] == NULL || p->out[OUT_H] == NULL || p->out[OUT_C] == NULL)
        return fail(k, "out of memory");
    for (size_t b = 0; b < B; b++)
        p->lens[b] = (int32_t)T;
    return true;
}

static bool case_pass(comparison *k, pass *p)
{
    const oracle_case *c = k->c;
    if (!make_pass(k, p, c->T, c->B))
        return false;
    memcpy(p->x, c->in[IN_X].bytes, c->in[IN_X].count * k->element);
    if (c->in[IN_LENS].present)
        memcpy(p->lens, c->in[IN_LENS].bytes, c->B * sizeof *p->lens);
    if (c->in[IN_H].present)
        memcpy(p->h, c->in[IN_H].bytes, c->in[IN_H].count * k->element);
    if (c->in[IN_C].present)
        memcpy(p->c, c->in[IN_C].bytes, c->in[IN_C].count * k->element);
    return true;
}

/* ---- Comparisons ---- */

static void describe(const oracle_case *c, int o, size_t index, char *text, size_t size)
{
    const case_tensor *t = &c->out[o];
    int n = snprintf(text, size, "%s[", oracle_output_name(o));
    size_t rest = t->count;
    for (int i = 0; i < t->rank; i++) {
        rest /= t->dims[i];
        n += snprintf(text + n, size - (size_t)n, i == 0 ? "%zu" : ",%zu", index / rest);
        index %= rest;
    }
    snprintf(text + n, size - (size_t)n, "]");
}

static bool same_bits(comparison *k, onnx_form form, const pass *a, const pass *b, const char *what)
{
    for (int o = 0; o < CASE_OUTPUTS; o++) {
        if (!onnx_is_output(k->c, form, o))
            continue;
        const char *x = a->out[o], *y = b->out[o];
        for (size_t i = 0; i < k->c->out[o].count; i++) {
            if (memcmp(x + i * k->element, y + i * k->element, k->element) == 0)
                continue;
            long double v[2];
            char place[96];
            oracle_decode(k->c->type, x + i * k->element, 1, &v[0]);
            oracle_decode(k->c->type, y + i * k->element, 1, &v[1]);
            describe(k->c, o, i, place, sizeof place);
            return fail(k, "%s: %s is %.9Lg, was %.9Lg (bits differ)", what, place, v[1], v[0]);
        }
    }
    return true;
}

void oracle_count_error(oracle_tally *tally, const oracle_case *c, long double e)
{
    if (c->spread > ORACLE_TABLE_SPREAD)
        return;
    if (e > tally->error[c->op][c->type].max) {
        tally->error[c->op][c->type].max = e;
        tally->error[c->op][c->type].seed = c->seed;
    }
    tally->error[c->op][c->type].sum += e;
    tally->error[c->op][c->type].count++;
}

static bool near_oracle(comparison *k, const pass *p)
{
    const oracle_case *c = k->c;
    for (int o = 0; o < CASE_OUTPUTS; o++) {
        for (size_t i = 0; c->out[o].present && i < c->out[o].count; i++) {
            long double got;
            oracle_decode(c->type, (const char *)p->out[o] + i * k->element, 1, &got);
            const long double e = oracle_error_ulp(c->type, c->exact[o][i], got);
            long double limit = oracle_tolerance(c, o, i);
            if (!(e <= limit) && e <= 8 * limit)
                limit = oracle_last_tolerance(c, o, i);
            if (!(e <= limit)) {
                char place[96];
                describe(c, o, i, place, sizeof place);
                return fail(k, "%s is %.12Lg, expected %.12Lg: %.1Lf ulp off, %.1Lf allowed", place, got, c->exact[o][i], e, limit);
            }
            oracle_count_error(k->tally, c, e);
        }
    }
    return true;
}

/* Steps [from, to) of `whole` as a pass of its own, starting from the states in h and c. */
static bool run_piece(comparison *k, const pass *whole, size_t from, size_t to, pass *joined)
{
    const oracle_case *c = k->c;
    pass piece;
    bool ok = make_pass(k, &piece, to - from, whole->B);
    const size_t state = c->D * whole->B * c->H * k->element;
    if (ok) {
        for (size_t b = 0; b < whole->B; b++) {
            const int64_t left = (int64_t)whole->lens[b] - (int64_t)from, steps = (int64_t)(to - from);
            piece.lens[b] = (int32_t)(left < 0 ? 0 : left > steps ? steps : left);
            for (size_t t = from; t < to; t++)
                copy_row(k, piece.x, x_row(c, &piece, t - from, b), whole->x, x_row(c, whole, t, b), c->I);
        }
        memcpy(piece.h, joined->out[OUT_H], state);
        memcpy(piece.c, joined->out[OUT_C], state);
        ok = run_pass(k, ONNX_STREAMED, &piece);
    }
    for (size_t b = 0; ok && b < whole->B; b++)
        for (size_t t = from; t < to; t++)
            for (size_t d = 0; d < c->D; d++)
                copy_row(k, joined->out[OUT_Y], y_row(c, whole, t, d, b), piece.out[OUT_Y], y_row(c, &piece, t - from, d, b), c->H);
    if (ok) {
        memcpy(joined->out[OUT_H], piece.out[OUT_H], state);
        memcpy(joined->out[OUT_C], piece.out[OUT_C], state);
    }
    free_pass(&piece);
    return ok;
}

/* In pieces: from the front, or for the reverse direction from the back. */
static bool compare_pieces(comparison *k, const pass *whole)
{
    const oracle_case *c = k->c;
    uint64_t random = c->seed ^ 0x63687567u;
    pass joined;
    bool ok = make_pass(k, &joined, whole->T, whole->B);
    if (ok) {
        memcpy(joined.out[OUT_H], whole->h, c->D * whole->B * c->H * k->element);
        memcpy(joined.out[OUT_C], whole->c, c->D * whole->B * c->H * k->element);
    }
    for (size_t done = 0; ok && done < whole->T;) {
        const size_t n = 1 + (size_t)(oracle_random(&random) % (whole->T - done)), first = c->direction == ORACLE_REVERSE ? whole->T - done - n : done;
        ok = run_piece(k, whole, first, first + n, &joined);
        done += n;
    }
    ok = ok && same_bits(k, ONNX_STREAMED, whole, &joined, "in pieces");
    free_pass(&joined);
    k->tally->chunked++;
    return ok;
}

/* With row b of the batch at place order(b): a rotation, backwards. */
static bool compare_order(comparison *k, const pass *whole)
{
    const oracle_case *c = k->c;
    const size_t B = whole->B, shift = 1 + (size_t)(c->seed % B);
    pass other, back;
    bool ok = make_pass(k, &other, whole->T, B);
    ok = make_pass(k, &back, whole->T, B) && ok;
    for (size_t b = 0; ok && b < B; b++) {
        const size_t to = (2 * B - 1 - b + shift) % B;
        other.lens[to] = whole->lens[b];
        for (size_t t = 0; t < whole->T; t++)
            copy_row(k, other.x, x_row(c, whole, t, to), whole->x, x_row(c, whole, t, b), c->I);
        for (size_t d = 0; d < c->D; d++) {
            copy_row(k, other.h, state_row(c, whole, d, to), whole->h, state_row(c, whole, d, b), c->H);
            copy_row(k, other.c, state_row(c, whole, d, to), whole->c, state_row(c, whole, d, b), c->H);
        }
    }
    ok = ok && run_pass(k, ONNX_STREAMED, &other);
    for (size_t b = 0; ok && b < B; b++) {
        const size_t to = (2 * B - 1 - b + shift) % B;
        for (size_t d = 0; d < c->D; d++) {
            for (size_t t = 0; t < whole->T; t++)
                copy_row(k, back.out[OUT_Y], y_row(c, whole, t, d, b), other.out[OUT_Y], y_row(c, whole, t, d, to), c->H);
            copy_row(k, back.out[OUT_H], state_row(c, whole, d, b), other.out[OUT_H], state_row(c, whole, d, to), c->H);
            copy_row(k, back.out[OUT_C], state_row(c, whole, d, b), other.out[OUT_C], state_row(c, whole, d, to), c->H);
        }
    }
    ok = ok && same_bits(k, ONNX_STREAMED, whole, &back, "rows in another order");
    free_pass(&other);
    free_pass(&back);
    k->tally->permuted++;
    return ok;
}

static bool compare_drawn(comparison *k, pass *first)
{
    pass again;
    bool ok = open_model(k, ONNX_AS_DRAWN) && set_weights(k, ONNX_AS_DRAWN) && run_pass(k, ONNX_AS_DRAWN, first) && near_oracle(k, first);
    ok = case_pass(k, &again) && ok;
    ok = ok && run_pass(k, ONNX_AS_DRAWN, &again) && same_bits(k, ONNX_AS_DRAWN, first, &again, "second run");
    free_pass(&again);
    close_model(k);
    return ok;
}

bool oracle_compare(const oracle_case *c, oracle_tally *tally, char *why, size_t size)
{
    comparison k = {.c = c, .tally = tally, .why = why, .size = size, .element = oracle_type_size(c->type)};
    pass drawn, whole = {0};
    bool ok = case_pass(&k, &drawn) && compare_drawn(&k, &drawn);
    /* ONNX Runtime clears the state of a row of length 0, so its reading tells an explicit length from none and cannot be cut. */
    const bool plain = !c->onnxruntime_semantics || c->T == 0 || !c->in[IN_LENS].present;
    ok = ok && open_model(&k, ONNX_STREAMED) && set_weights(&k, ONNX_STREAMED) && case_pass(&k, &whole) && run_pass(&k, ONNX_STREAMED, &whole);
    if (ok && !(c->onnxruntime_semantics && c->T == 0))
        ok = same_bits(&k, ONNX_AS_DRAWN, &drawn, &whole, "states and lengths as inputs");
    if (ok && plain && c->T > 0 && c->direction != ORACLE_BIDIRECTIONAL)
        ok = compare_pieces(&k, &whole);
    if (ok && c->B > 1)
        ok = compare_order(&k, &whole);
    close_model(&k);
    free_pass(&drawn);
    free_pass(&whole);
    return ok;
}
