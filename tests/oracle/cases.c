/* Draws recurrent test cases from seeds; see cases.h. */
#include "cases.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t below(uint64_t *s, uint64_t n) { return oracle_random(s) % n; }
static int between(uint64_t *s, int low, int high) { return low + (int)below(s, (uint64_t)(high - low + 1)); }
static bool chance(uint64_t *s, unsigned percent) { return below(s, 100) < percent; }

static float within(uint64_t *s, double low, double high)
{
    return (float)(low + (high - low) * ((double)oracle_random_unit(s) + 1.0) / 2.0);
}

const char *oracle_op_name(oracle_op op) { return op == ORACLE_LSTM ? "LSTM" : op == ORACLE_GRU ? "GRU" : "RNN"; }

const char *oracle_input_name(int i)
{
    static const char *const names[CASE_INPUTS] = {"X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"};
    return names[i];
}

const char *oracle_output_name(int i)
{
    static const char *const names[CASE_OUTPUTS] = {"Y", "Y_h", "Y_c"};
    return names[i];
}

long double oracle_error_ulp(oracle_type t, long double expected, long double got)
{
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got) ? 0 : INFINITY;
    if (isinf(expected) || isinf(got))
        return expected == got ? 0 : INFINITY;
    return fabsl(expected - got) / oracle_ulp(t, fmaxl(fabsl(expected), 0.0078125L));
}

long double oracle_allowed(oracle_type t, long double expected, long double drift)
{
    const long double unit = oracle_ulp(t, fmaxl(fabsl(expected), 0.0078125L));
    const bool half = t == ORACLE_FLOAT16 || t == ORACLE_BFLOAT16;
    return half ? 2 + 2 * drift / unit : 32 + 16 * drift / unit;
}

long double oracle_tolerance(const oracle_case *c, int k, size_t i) { return oracle_allowed(c->type, c->exact[k][i], c->drift[k]); }

/* ---- What is drawn before any value ---- */

static void draw_version(oracle_case *c, uint64_t *s)
{
    static const struct { int version, last; } rows[] = {{1, 6}, {3, 6}, {7, 13}, {14, 21}, {22, 23}};
    for (;;) {
        const size_t k = (size_t)below(s, COUNT(rows));
        if (rows[k].version == 3 && c->op != ORACLE_GRU)
            continue;
        if (c->family == FAMILY_ORT && (rows[k].version < 7 || rows[k].version > 14))
            continue;
        c->version = rows[k].version;
        c->opset = between(s, rows[k].version, c->version == 1 && c->op == ORACLE_GRU ? 2 : rows[k].last);
        return;
    }
}

static void draw_type(oracle_case *c, uint64_t *s)
{
    const unsigned k = (unsigned)below(s, 100);
    c->type = k < 50 ? ORACLE_FLOAT : k < 68 ? ORACLE_DOUBLE : k < 84 ? ORACLE_FLOAT16 : ORACLE_BFLOAT16;
    if (c->family == FAMILY_ORT)
        c->type = ORACLE_FLOAT;
    if (c->type == ORACLE_BFLOAT16) { /* a type of version 22 only */
        c->version = 22;
        c->opset = between(s, 22, 23);
    }
}

static void draw_sizes(oracle_case *c, uint64_t *s)
{
    static const size_t about[] = {1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 15, 16, 17, 19, 23, 31, 32, 33, 37};
    static const size_t large[] = {63, 64, 65, 127, 128, 129, 255, 257};
    static const size_t tiny[] = {1, 2, 3, 5}, narrow[] = {3, 5, 7, 9};
    static const size_t input[] = {1, 3, 5, 8, 17};
    c->T = (size_t)between(s, 1, 12);
    c->B = (size_t)between(s, 1, 6);
    c->I = about[below(s, COUNT(about))];
    c->H = about[below(s, COUNT(about))];
    if (c->family == FAMILY_LARGE) {
        c->T = (size_t)between(s, 40, 44);
        c->B = chance(s, 80) ? 1 : 2;
        c->I = input[below(s, COUNT(input))];
        c->H = large[below(s, COUNT(large))];
    } else if (c->family == FAMILY_CORPUS) {
        c->T = (size_t)between(s, 3, 6);
        c->B = (size_t)between(s, 2, 3);
        c->I = tiny[below(s, COUNT(tiny))];
        c->H = narrow[below(s, COUNT(narrow))];
    } else if (c->family == FAMILY_SMALL && chance(s, 2)) {
        *(chance(s, 50) ? &c->T : &c->B) = 0;
    }
    c->direction = (oracle_direction)below(s, 3);
    c->D = oracle_directions(c->direction);
    c->layout = c->version >= 14 && c->family != FAMILY_ORT && chance(s, 40) ? 1 : 0;
}

static void name_activation(char *to, const char *name, uint64_t *s, bool exact)
{
    const unsigned style = exact ? 0 : (unsigned)below(s, 10); /* most tools write the schema's own spelling */
    size_t k = 0;
    for (; name[k] != 0; k++) {
        const bool upper = style == 1 || (style == 2 && (oracle_random(s) & 1) != 0);
        const bool lower = style == 3 || style == 2;
        to[k] = upper ? (char)toupper((unsigned char)name[k]) : lower ? (char)tolower((unsigned char)name[k]) : name[k];
    }
    to[k] = 0;
}

/* Sensible alpha and beta for the function, so that the recurrence stays bounded and the function is not constant. */
static void draw_parameters(const char *name, uint64_t *s, float *alpha, float *beta)
{
    const bool affine = strcmp(name, "Affine") == 0, hard = strcmp(name, "HardSigmoid") == 0, leaky = strcmp(name, "LeakyRelu") == 0;
    const bool scaled = strcmp(name, "ScaledTanh") == 0, threshold = strcmp(name, "ThresholdedRelu") == 0;
    *alpha = leaky ? within(s, 0.02, 0.4) : hard ? within(s, 0.1, 0.4) : threshold ? within(s, 0.05, 0.4) : within(s, 0.3, 1.1);
    *beta = affine ? within(s, -0.4, 0.4) : scaled ? within(s, 0.5, 1.3) : within(s, 0.3, 0.7);
}

/* The lists may stop short (defaults follow) or hold a value too many (it is ignored). */
static void draw_lists(oracle_case *c, uint64_t *s, const size_t *which, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float alpha, beta;
        draw_parameters(oracle_activation_name(which[i]), s, &alpha, &beta);
        if (oracle_activation_takes_alpha(which[i]))
            c->alpha[c->alpha_count++] = alpha;
        if (oracle_activation_takes_beta(which[i]))
            c->beta[c->beta_count++] = beta;
    }
    if (chance(s, 35)) {
        c->alpha_count = (size_t)below(s, c->alpha_count + 1);
        c->beta_count = (size_t)below(s, c->beta_count + 1);
    } else if (chance(s, 5)) {
        c->alpha[c->alpha_count++] = 0.625f;
    }
}

static void draw_activations(oracle_case *c, uint64_t *s)
{
    const size_t n = c->D * oracle_functions(c->op);
    size_t which[6] = {0};
    c->activation_count = c->alpha_count = c->beta_count = 0;
    if (c->op == ORACLE_RNN && c->D == 1 && chance(s, 20)) { /* the schema's default, written out */
        c->activation_count = 2;
        strcpy(c->activation_text[0], "Tanh");
        strcpy(c->activation_text[1], "Tanh");
    } else if (chance(s, 60)) {
        c->activation_count = n;
        for (size_t i = 0; i < n; i++) {
            which[i] = (size_t)below(s, oracle_activation_total());
            name_activation(c->activation_text[i], oracle_activation_name(which[i]), s, c->family == FAMILY_ORT && c->op == ORACLE_RNN);
        }
        draw_lists(c, s, which, n);
    }
    for (size_t i = 0; i < c->activation_count; i++)
        c->activations[i] = c->activation_text[i];
}

static void draw_attributes(oracle_case *c, uint64_t *s)
{
    const bool ort = c->family == FAMILY_ORT;
    static const char *const words[] = {"forward", "reverse", "bidirectional"};
    c->direction_text = words[c->direction];
    if (c->direction == ORACLE_FORWARD && chance(s, 40))
        c->direction_text = c->opset <= 13 && !ort && chance(s, 40) ? "foward" : NULL;
    c->hidden_size_written = ort || chance(s, 80);
    draw_activations(c, s);
    c->has_clip = chance(s, 30);
    c->clip = within(s, 0.15, 1.5);
    c->input_forget = c->op != ORACLE_LSTM ? -1 : chance(s, 25) ? 1 : chance(s, 50) ? 0 : -1;
    c->linear_before_reset = -1;
    if (c->op == ORACLE_GRU && c->version >= 3)
        c->linear_before_reset = chance(s, 45) ? 1 : chance(s, 10) ? 2 : chance(s, 50) ? 0 : -1;
    c->output_sequence = c->version >= 7 || chance(s, 40) ? -1 : between(s, 0, 1);
    c->layout_written = c->layout == 1 || (c->version >= 14 && chance(s, 30));
    c->empty_tail = chance(s, 20);
    c->typed_data = chance(s, 20);
    c->ir3 = c->opset <= 8 && chance(s, 60);
    c->symbolic = chance(s, 50);
    c->onnxruntime_semantics = ort || (c->family != FAMILY_CORPUS && chance(s, 10));
}

static case_source draw_source(uint64_t *s, bool weight)
{
    const unsigned k = (unsigned)below(s, 100);
    if (!weight)
        return k < 75 ? SOURCE_INPUT : k < 85 ? SOURCE_INITIALIZER : k < 93 ? SOURCE_CONSTANT : SOURCE_IDENTITY;
    return k < 45 ? SOURCE_INITIALIZER : k < 58 ? SOURCE_CONSTANT : k < 68 ? SOURCE_IDENTITY : k < 82 ? SOURCE_TRANSPOSE : SOURCE_INPUT;
}

/* ---- Tensors ---- */

static bool shape(case_tensor *t, int rank, size_t a, size_t b, size_t c, size_t d, size_t element)
{
    *t = (case_tensor){.present = t->present, .source = t->source, .rank = rank, .dims = {a, b, c, d}, .count = 1};
    for (int i = 0; i < rank; i++)
        t->count *= t->dims[i];
    t->v = calloc(t->count + 1, sizeof *t->v);
    t->bytes = calloc(t->count + 1, element);
    return t->v != NULL && t->bytes != NULL;
}

static bool shape_state(const oracle_case *c, case_tensor *t)
{
    const bool first = c->layout == 0;
    return shape(t, 3, first ? c->D : c->B, first ? c->B : c->D, c->H, 1, oracle_type_size(c->type));
}

static bool shape_all(oracle_case *c)
{
    const size_t G = oracle_gates(c->op), size = oracle_type_size(c->type);
    const bool first = c->layout == 0;
    case_tensor *in = c->in, *out = c->out;
    return shape(&in[IN_X], 3, first ? c->T : c->B, first ? c->B : c->T, c->I, 1, size) &&
           shape(&in[IN_W], 3, c->D, G * c->H, c->I, 1, size) && shape(&in[IN_R], 3, c->D, G * c->H, c->H, 1, size) &&
           shape(&in[IN_B], 2, c->D, 2 * G * c->H, 1, 1, size) && shape(&in[IN_LENS], 1, c->B, 1, 1, 1, sizeof(int32_t)) &&
           shape_state(c, &in[IN_H]) && shape_state(c, &in[IN_C]) && shape(&in[IN_P], 2, c->D, 3 * c->H, 1, 1, size) &&
           (first ? shape(&out[OUT_Y], 4, c->T, c->D, c->B, c->H, size) : shape(&out[OUT_Y], 4, c->B, c->T, c->D, c->H, size)) &&
           shape_state(c, &out[OUT_H]) && shape_state(c, &out[OUT_C]);
}

static void draw_presence(oracle_case *c, uint64_t *s)
{
    const bool lstm = c->op == ORACLE_LSTM;
    for (int i = 0; i < CASE_INPUTS; i++)
        c->in[i].source = draw_source(s, i == IN_W || i == IN_R || i == IN_B || i == IN_P);
    c->in[IN_X].source = SOURCE_INPUT;
    c->in[IN_X].present = c->in[IN_W].present = c->in[IN_R].present = true;
    c->in[IN_B].present = chance(s, 75);
    c->in[IN_LENS].present = chance(s, 45);
    c->in[IN_H].present = chance(s, 65);
    c->in[IN_C].present = lstm && chance(s, 65);
    c->in[IN_P].present = lstm && chance(s, 45);
    do
        for (int i = 0; i < CASE_OUTPUTS; i++)
            c->out[i].present = (lstm || i != OUT_C) && chance(s, 75);
    while (!c->out[OUT_Y].present && !c->out[OUT_H].present && !c->out[OUT_C].present);
}

static void fill(oracle_case *c, case_tensor *t, uint64_t *s, double scale)
{
    for (size_t i = 0; i < t->count; i++)
        t->v[i] = oracle_round(c->type, (long double)scale * oracle_random_unit(s));
    oracle_encode(c->type, t->v, t->count, t->bytes);
}

static void fill_inputs(oracle_case *c, uint64_t *s, double gain)
{
    fill(c, &c->in[IN_X], s, 1.5);
    fill(c, &c->in[IN_W], s, gain * 1.8 / sqrt((double)c->I));
    fill(c, &c->in[IN_R], s, gain * 1.8 / sqrt((double)c->H));
    fill(c, &c->in[IN_B], s, 0.5);
    fill(c, &c->in[IN_H], s, 0.9);
    fill(c, &c->in[IN_C], s, 1.2);
    fill(c, &c->in[IN_P], s, gain * 0.7);
    for (size_t b = 0; b < c->B; b++) {
        const bool idle = chance(s, 12) && !(c->family == FAMILY_LARGE && c->B == 1); /* no step at all */
        const int32_t n = idle ? 0 : (int32_t)between(s, c->T == 0 ? 0 : 1, (int)c->T);
        memcpy((char *)c->in[IN_LENS].bytes + b * sizeof n, &n, sizeof n);
    }
}

/* ---- Expected values ---- */

oracle_problem oracle_case_problem(const oracle_case *c)
{
    const case_tensor *in = c->in;
    oracle_problem p = {.op = c->op, .type = c->type, .direction = c->direction, .layout = c->layout, .T = c->T, .B = c->B, .I = c->I, .H = c->H};
    p.has_clip = c->has_clip;
    p.clip = c->clip;
    p.input_forget = c->input_forget > 0;
    p.linear_before_reset = c->linear_before_reset > 0;
    p.onnxruntime_semantics = c->onnxruntime_semantics;
    p.activations = c->activations;
    p.activation_count = c->activation_count;
    p.alpha = c->alpha;
    p.beta = c->beta;
    p.alpha_count = c->alpha_count;
    p.beta_count = c->beta_count;
    p.X = in[IN_X].v;
    p.W = in[IN_W].v;
    p.R = in[IN_R].v;
    p.bias = in[IN_B].present ? in[IN_B].v : NULL;
    p.initial_h = in[IN_H].present ? in[IN_H].v : NULL;
    p.initial_c = in[IN_C].present ? in[IN_C].v : NULL;
    p.P = in[IN_P].present ? in[IN_P].v : NULL;
    p.sequence_lens = in[IN_LENS].present ? (const int32_t *)in[IN_LENS].bytes : NULL;
    return p;
}

void oracle_set_noise(oracle_problem *p, uint64_t seed)
{
    static const int gate[ORACLE_TYPES] = {-23, -52, -23, -23}, state[ORACLE_TYPES] = {-23, -52, -13, -10};
    p->gate_noise = ldexpl(1, gate[p->type]);
    p->state_noise = ldexpl(1, state[p->type]);
    p->noise_seed = seed;
}

/* A case is only fair when rounding errors do not grow and no value sits on a jump or near the end of the type's range. */
enum { PEAK = 100 };
enum { FEW = 200, SAMPLES = 8 }; /* elements of Y below which this many samples of the noise are drawn */

static bool near_jump(const oracle_case *c, const oracle_result *noisy)
{
    static const long double margin[ORACLE_TYPES] = {1e-5L, 1e-12L, 5e-4L, 4e-3L};
    return noisy->margin < margin[c->type];
}

/* Grows each output's drift by that of a further disturbed run: of few elements one sample of the noise may miss. */
static const char *drift_more(oracle_case *c, uint64_t noise_seed)
{
    oracle_problem p = oracle_case_problem(c);
    oracle_result noisy = {.Y = c->out[OUT_Y].v, .Y_h = c->out[OUT_H].v, .Y_c = c->out[OUT_C].v};
    oracle_set_noise(&p, noise_seed);
    const char *why = oracle_run(&p, &noisy);
    for (int k = 0; why == NULL && k < CASE_OUTPUTS; k++)
        for (size_t i = 0; i < c->out[k].count; i++)
            c->drift[k] = fmaxl(c->drift[k], fabsl(c->exact[k][i] - c->out[k].v[i]));
    return why;
}

/* The disturbed run, then the exact one; the difference is the spread. *fair says whether the values will do. */
static const char *expect(oracle_case *c, bool *fair)
{
    static const long double limit[ORACLE_TYPES] = {3000, 3000, 16, 16};
    oracle_problem p = oracle_case_problem(c);
    oracle_result noisy = {.Y = c->out[OUT_Y].v, .Y_h = c->out[OUT_H].v, .Y_c = c->out[OUT_C].v};
    oracle_result exact = {.Y = c->exact[OUT_Y], .Y_h = c->exact[OUT_H], .Y_c = c->exact[OUT_C]};
    oracle_set_noise(&p, c->seed);
    p.give_up_above = PEAK;
    const char *why = oracle_run(&p, &noisy);
    *fair = noisy.peak <= PEAK && !near_jump(c, &noisy);
    if (why != NULL || !*fair)
        return why;
    p.gate_noise = p.state_noise = p.give_up_above = 0;
    why = oracle_run(&p, &exact);
    if (why != NULL)
        return why;
    c->spread = 0;
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        case_tensor *t = &c->out[k];
        c->drift[k] = 0;
        for (size_t i = 0; i < t->count; i++) {
            c->spread = fmaxl(c->spread, oracle_error_ulp(c->type, c->exact[k][i], t->v[i]));
            c->drift[k] = fmaxl(c->drift[k], fabsl(c->exact[k][i] - t->v[i]));
        }
    }
    *fair = c->spread <= limit[c->type];
    for (uint64_t more = 1; why == NULL && *fair && c->out[OUT_Y].count < FEW && more < SAMPLES; more++)
        why = drift_more(c, c->seed + more);
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        oracle_encode(c->type, c->exact[k], c->out[k].count, c->out[k].bytes);
        oracle_decode(c->type, c->out[k].bytes, c->out[k].count, c->out[k].v);
    }
    return why;
}

long double oracle_last_tolerance(const oracle_case *c, int k, size_t i)
{
    enum { MANY = 64 };
    long double drift = c->drift[k], *noisy = calloc(c->out[k].count + 1, sizeof *noisy);
    oracle_problem p = oracle_case_problem(c);
    oracle_result result = {.Y = k == OUT_Y ? noisy : NULL, .Y_h = k == OUT_H ? noisy : NULL, .Y_c = k == OUT_C ? noisy : NULL};
    for (uint64_t sample = SAMPLES; noisy != NULL && sample < MANY; sample++) {
        oracle_set_noise(&p, c->seed + sample);
        if (oracle_run(&p, &result) != NULL)
            break;
        for (size_t e = 0; e < c->out[k].count; e++)
            drift = fmaxl(drift, fabsl(c->exact[k][e] - noisy[e]));
    }
    free(noisy);
    return oracle_allowed(c->type, c->exact[k][i], drift);
}

static const char *draw_values(oracle_case *c, uint64_t *s)
{
    double gain = 1;
    for (int attempt = 0; attempt < 16; attempt++, gain *= 0.75) {
        if (attempt == 4) /* jumps cannot be kept clear of in this case */
            for (size_t i = 0; i < c->activation_count; i++)
                if (toupper((unsigned char)c->activation_text[i][0]) == 'T' && strlen(c->activation_text[i]) > 4)
                    strcpy(c->activation_text[i], "Elu");
        if (attempt == 8) /* nor does it stay bounded */
            c->activation_count = c->alpha_count = c->beta_count = 0;
        bool fair = false;
        fill_inputs(c, s, gain);
        const char *why = expect(c, &fair);
        if (why != NULL || fair)
            return why;
    }
    return "no fair values found";
}

const char *oracle_case_make(oracle_case *c, case_family family, uint64_t seed)
{
    static const char *const words[] = {"forward", "reverse", "bidirectional"};
    uint64_t s = seed * 0x2545f4914f6cdd1du + (uint64_t)family;
    *c = (oracle_case){.seed = seed, .family = family};
    for (int warm = 0; warm < 4; warm++)
        (void)oracle_random(&s);
    c->op = (oracle_op)below(&s, 3);
    draw_version(c, &s);
    draw_type(c, &s);
    draw_sizes(c, &s);
    draw_attributes(c, &s);
    draw_presence(c, &s);
    if (!shape_all(c))
        return "out of memory";
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        c->exact[k] = calloc(c->out[k].count + 1, sizeof *c->exact[k]);
        if (c->exact[k] == NULL)
            return "out of memory";
    }
    snprintf(c->name, sizeof c->name, "%s_%s_%s_v%d_%llu", oracle_op_name(c->op), oracle_type_name(c->type), words[c->direction],
             c->version, (unsigned long long)seed);
    for (size_t i = 0; c->name[i] != 0; i++)
        c->name[i] = (char)tolower((unsigned char)c->name[i]);
    return draw_values(c, &s);
}

void oracle_case_free(oracle_case *c)
{
    for (int i = 0; i < CASE_INPUTS; i++) {
        free(c->in[i].v);
        free(c->in[i].bytes);
    }
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        free(c->out[k].v);
        free(c->out[k].bytes);
        free(c->exact[k]);
    }
    *c = (oracle_case){0};
}
