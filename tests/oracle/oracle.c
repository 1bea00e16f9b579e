/* LSTM, GRU and RNN from the equations of the ONNX operators, one element at a time. See oracle.h for what is promised. */
#include "oracle.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

typedef enum {
    RELU, TANH, SIGMOID, AFFINE, LEAKYRELU, THRESHOLDEDRELU, SCALEDTANH, HARDSIGMOID, ELU, SOFTSIGN, SOFTPLUS, FUNCTIONS
} function;

/* Defaults of alpha and beta: those of the operators of the same name, and those that ONNX Runtime takes. */
static const struct {
    const char *name;
    bool takes_alpha, takes_beta;
    float alpha, beta, ort_alpha, ort_beta;
} functions[FUNCTIONS] = {
    [RELU] = {"Relu", false, false, 0, 0, 0, 0},
    [TANH] = {"Tanh", false, false, 0, 0, 0, 0},
    [SIGMOID] = {"Sigmoid", false, false, 0, 0, 0, 0},
    [AFFINE] = {"Affine", true, true, 1, 0, 0, 0},
    [LEAKYRELU] = {"LeakyRelu", true, false, 0.01f, 0, 0.01f, 0},
    [THRESHOLDEDRELU] = {"ThresholdedRelu", true, false, 1, 0, 0, 0},
    [SCALEDTANH] = {"ScaledTanh", true, true, 1, 1, 0, 0},
    [HARDSIGMOID] = {"HardSigmoid", true, true, 0.2f, 0.5f, 0.2f, 0.5f},
    [ELU] = {"Elu", true, false, 1, 0, 1, 0},
    [SOFTSIGN] = {"Softsign", false, false, 0, 0, 0, 0},
    [SOFTPLUS] = {"Softplus", false, false, 0, 0, 0, 0},
};

size_t oracle_activation_total(void) { return FUNCTIONS; }
const char *oracle_activation_name(size_t i) { return functions[i].name; }
bool oracle_activation_takes_alpha(size_t i) { return functions[i].takes_alpha; }
bool oracle_activation_takes_beta(size_t i) { return functions[i].takes_beta; }

size_t oracle_gates(oracle_op op) { return op == ORACLE_LSTM ? 4 : op == ORACLE_GRU ? 3 : 1; }
size_t oracle_directions(oracle_direction d) { return d == ORACLE_BIDIRECTIONAL ? 2 : 1; }
size_t oracle_functions(oracle_op op) { return op == ORACLE_LSTM ? 3 : op == ORACLE_GRU ? 2 : 1; }

typedef struct {
    function f;
    long double alpha, beta;
} activation;

/* A value with the sum of the magnitudes that went into it. */
typedef struct {
    long double value, terms;
} sum;

/* One direction at work. */
typedef struct {
    const oracle_problem *p;
    oracle_result *r;
    size_t d;                          /* index of this direction in W, R, B, P, the states and Y */
    bool backwards;
    activation act[3];                 /* f, g, h */
    const long double *W, *R, *Wb, *Rb, *P; /* this direction's; Wb, Rb, P may be NULL */
    long double *h, *c, *next;         /* H elements each: the row at hand */
    long double *seen;                 /* 5 * H: this step's gates and c for the caller, or NULL */
    uint64_t random;
} work;

static bool same_name(const char *a, const char *b)
{
    for (; *a != 0 && *b != 0; a++, b++)
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
    return *a == *b;
}

/* f, g, h of each direction in turn; alpha and beta are taken from their lists by the functions that need them. */
static const char *choose_activations(const oracle_problem *p, activation out[6])
{
    static const function defaults[3][3] = {[ORACLE_LSTM] = {SIGMOID, TANH, TANH}, [ORACLE_GRU] = {SIGMOID, TANH}, [ORACLE_RNN] = {TANH}};
    const size_t each = oracle_functions(p->op), want = each * oracle_directions(p->direction);
    size_t given = p->activation_count, a = 0, b = 0;
    if (p->op == ORACLE_RNN && given == 2 && want == 1)
        given = 1;
    if (given != 0 && given != want)
        return "wrong number of activations";
    for (size_t i = 0; i < want; i++) {
        function f = defaults[p->op][i % each];
        if (given != 0) {
            size_t k = 0;
            while (k < FUNCTIONS && !same_name(functions[k].name, p->activations[i]))
                k++;
            if (k == FUNCTIONS)
                return "unknown activation";
            f = (function)k;
        }
        const float alpha = p->onnxruntime_semantics ? functions[f].ort_alpha : functions[f].alpha;
        const float beta = p->onnxruntime_semantics ? functions[f].ort_beta : functions[f].beta;
        out[i] = (activation){f, (long double)alpha, (long double)beta};
        if (functions[f].takes_alpha && a < p->alpha_count)
            out[i].alpha = (long double)p->alpha[a++];
        if (functions[f].takes_beta && b < p->beta_count)
            out[i].beta = (long double)p->beta[b++];
    }
    return NULL;
}

static long double apply(const activation *a, long double x)
{
    switch (a->f) {
    case RELU: return x > 0 ? x : 0;
    case TANH: return tanhl(x);
    case SIGMOID: return 1 / (1 + expl(-x));
    case AFFINE: return a->alpha * x + a->beta;
    case LEAKYRELU: return x >= 0 ? x : a->alpha * x;
    case THRESHOLDEDRELU: return x >= a->alpha ? x : 0;
    case SCALEDTANH: return a->alpha * tanhl(a->beta * x);
    case HARDSIGMOID: return fminl(fmaxl(a->alpha * x + a->beta, 0), 1);
    case ELU: return x >= 0 ? x : a->alpha * expm1l(x);
    case SOFTSIGN: return x / (1 + fabsl(x));
    case SOFTPLUS: return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
    case FUNCTIONS: break;
    }
    return NAN;
}

static long double clipped(const oracle_problem *p, long double x)
{
    if (!p->has_clip)
        return x;
    const long double c = (long double)p->clip;
    return x > c ? c : x < -c ? -c : x;
}

static long double disturbed(work *w, long double value, long double bound)
{
    return bound == 0 ? value : value + bound * oracle_random_unit(&w->random);
}

/* An activation of a gate's input: clip, then the function. */
static long double activate(work *w, const activation *a, sum x)
{
    const long double v = clipped(w->p, disturbed(w, x.value, w->p->gate_noise * x.terms));
    if (a->f == THRESHOLDEDRELU && a->alpha != 0 && w->p->gate_noise != 0) {
        const long double m = fabsl(v - a->alpha) / (x.terms + fabsl(a->alpha));
        if (m < w->r->margin)
            w->r->margin = m;
    }
    return apply(a, v);
}

static sum plus(sum a, long double term) { return (sum){a.value + term, a.terms + fabsl(term)}; }

static sum dot(const work *w, sum s, const long double *row, const long double *v, size_t n)
{
    if (w->p->gate_noise != 0) {
        for (size_t k = 0; k < n; k++)
            s = plus(s, row[k] * v[k]);
        return s;
    }
    for (size_t k = 0; k < n; k++) /* nobody asks for the magnitudes: half the time */
        s.value += row[k] * v[k];
    return s;
}

/* The biases of gate g, unit j. */
static long double wb(const work *w, size_t g, size_t j) { return w->Wb != NULL ? w->Wb[g * w->p->H + j] : 0; }
static long double rb(const work *w, size_t g, size_t j) { return w->Rb != NULL ? w->Rb[g * w->p->H + j] : 0; }

/* Xt * (W_g^T) + Wb_g for unit j. */
static sum from_input(const work *w, size_t g, size_t j, const long double *x)
{
    return dot(w, (sum){wb(w, g, j), fabsl(wb(w, g, j))}, w->W + (g * w->p->H + j) * w->p->I, x, w->p->I);
}

/* s + h * (R_g^T) + Rb_g for unit j. */
static sum from_state(const work *w, sum s, size_t g, size_t j, const long double *h)
{
    return plus(dot(w, s, w->R + (g * w->p->H + j) * w->p->H, h, w->p->H), rb(w, g, j));
}

/* What the state holds after a step: for the half types the value rounded to the type. */
static long double stored(work *w, long double v)
{
    v = disturbed(w, v, w->p->state_noise * fabsl(v));
    if (fabsl(v) > w->r->peak)
        w->r->peak = fabsl(v);
    const bool half = w->p->type == ORACLE_FLOAT16 || w->p->type == ORACLE_BFLOAT16;
    return half ? oracle_round(w->p->type, v) : v;
}

static void show(work *w, size_t place, size_t j, long double v)
{
    if (w->seen != NULL)
        w->seen[place * w->p->H + j] = v;
}

/* LSTM, gates in the order i, o, f, c; peepholes in the order i, o, f:
 *   it = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Pi (.) Ct-1 + Wbi + Rbi)
 *   ft = f(Xt*(Wf^T) + Ht-1*(Rf^T) + Pf (.) Ct-1 + Wbf + Rbf), or 1 - it with input_forget
 *   ct = g(Xt*(Wc^T) + Ht-1*(Rc^T) + Wbc + Rbc)
 *   Ct = ft (.) Ct-1 + it (.) ct
 *   ot = f(Xt*(Wo^T) + Ht-1*(Ro^T) + Po (.) Ct + Wbo + Rbo)
 *   Ht = ot (.) h(Ct) */
static void lstm_step(work *w, const long double *x)
{
    enum { i, o, f, c };
    const oracle_problem *p = w->p;
    const size_t H = p->H;
    for (size_t j = 0; j < H; j++) {
        const long double *P = w->P, old = w->c[j];
        sum si = from_state(w, from_input(w, i, j, x), i, j, w->h);
        sum so = from_state(w, from_input(w, o, j, x), o, j, w->h);
        sum sf = from_state(w, from_input(w, f, j, x), f, j, w->h);
        const sum sc = from_state(w, from_input(w, c, j, x), c, j, w->h);
        if (P != NULL) {
            si = plus(si, P[i * H + j] * old);
            sf = plus(sf, P[f * H + j] * old);
        }
        const long double it = activate(w, &w->act[0], si);
        const long double ft = p->input_forget ? 1 - it : activate(w, &w->act[0], sf);
        const long double ct = activate(w, &w->act[1], sc);
        const long double C = stored(w, ft * old + it * ct);
        if (P != NULL)
            so = plus(so, P[o * H + j] * C);
        const long double ot = activate(w, &w->act[0], so);
        const long double hc = p->onnxruntime_semantics ? apply(&w->act[2], C) : activate(w, &w->act[2], (sum){C, fabsl(C)});
        w->c[j] = C;
        w->next[j] = stored(w, ot * hc);
        show(w, i, j, it);
        show(w, o, j, ot);
        show(w, f, j, ft);
        show(w, c, j, ct);
        show(w, 4, j, C);
    }
    for (size_t j = 0; j < H; j++)
        w->h[j] = w->next[j];
}

/* GRU, gates in the order z, r, h:
 *   zt = f(Xt*(Wz^T) + Ht-1*(Rz^T) + Wbz + Rbz)
 *   rt = f(Xt*(Wr^T) + Ht-1*(Rr^T) + Wbr + Rbr)
 *   ht = g(Xt*(Wh^T) + (rt (.) Ht-1)*(Rh^T) + Rbh + Wbh)      linear_before_reset = 0
 *   ht = g(Xt*(Wh^T) + (rt (.) (Ht-1*(Rh^T) + Rbh)) + Wbh)    otherwise
 *   Ht = (1 - zt) (.) ht + zt (.) Ht-1 */
static const char *gru_step(work *w, const long double *x)
{
    enum { z, r, h };
    const size_t H = w->p->H;
    long double *gate = malloc(2 * H * sizeof *gate); /* rt, then rt (.) Ht-1 */
    if (gate == NULL)
        return "out of memory";
    for (size_t j = 0; j < H; j++) {
        gate[j] = activate(w, &w->act[0], from_state(w, from_input(w, r, j, x), r, j, w->h));
        gate[H + j] = gate[j] * w->h[j];
    }
    for (size_t j = 0; j < H; j++) {
        sum s = from_input(w, h, j, x);
        if (w->p->linear_before_reset) {
            const sum linear = from_state(w, (sum){0, 0}, h, j, w->h);
            s = (sum){s.value + gate[j] * linear.value, s.terms + fabsl(gate[j]) * linear.terms};
        } else {
            s = from_state(w, s, h, j, gate + H);
        }
        const long double zt = activate(w, &w->act[0], from_state(w, from_input(w, z, j, x), z, j, w->h));
        const long double ht = activate(w, &w->act[1], s);
        w->next[j] = stored(w, (1 - zt) * ht + zt * w->h[j]);
        show(w, z, j, zt);
        show(w, r, j, gate[j]);
        show(w, h, j, ht);
    }
    for (size_t j = 0; j < H; j++)
        w->h[j] = w->next[j];
    free(gate);
    return NULL;
}

/* RNN: Ht = f(Xt*(Wi^T) + Ht-1*(Ri^T) + Wbi + Rbi) */
static void rnn_step(work *w, const long double *x)
{
    const size_t H = w->p->H;
    for (size_t j = 0; j < H; j++) {
        const long double new = activate(w, &w->act[0], from_state(w, from_input(w, 0, j, x), 0, j, w->h));
        w->next[j] = stored(w, new);
        show(w, 0, j, new);
    }
    for (size_t j = 0; j < H; j++)
        w->h[j] = w->next[j];
}

/* Where row b of a step, or of a state, begins: layout 0 has [T,B,I], [T,D,B,H] and [D,B,H], layout 1 [B,T,I], [B,T,D,H] and [B,D,H]. */
static size_t x_at(const oracle_problem *p, size_t t, size_t b)
{
    return (p->layout == 0 ? t * p->B + b : b * p->T + t) * p->I;
}

static size_t y_at(const oracle_problem *p, size_t t, size_t d, size_t b)
{
    const size_t D = oracle_directions(p->direction);
    return (p->layout == 0 ? (t * D + d) * p->B + b : (b * p->T + t) * D + d) * p->H;
}

static size_t state_at(const oracle_problem *p, size_t d, size_t b)
{
    return (p->layout == 0 ? d * p->B + b : b * oracle_directions(p->direction) + d) * p->H;
}

/* All steps of one row of the batch. Steps beyond its length have zero in Y; a row of length 0 keeps its initial state. */
static const char *run_row(work *w, size_t b)
{
    const oracle_problem *p = w->p;
    oracle_result *out = w->r;
    const size_t H = p->H, at = state_at(p, w->d, b);
    const size_t length = p->sequence_lens != NULL ? (size_t)p->sequence_lens[b] : p->T;
    for (size_t j = 0; j < H; j++) {
        w->h[j] = p->initial_h != NULL ? p->initial_h[at + j] : 0;
        w->c[j] = p->initial_c != NULL ? p->initial_c[at + j] : 0;
    }
    for (size_t s = 0; s < p->T; s++) {
        const size_t t = s < length && w->backwards ? length - 1 - s : s;
        if (s < length) {
            const long double *x = p->X + x_at(p, t, b);
            w->seen = out->gates != NULL ? out->gates + ((t * oracle_directions(p->direction) + w->d) * p->B + b) * 5 * H : NULL;
            const char *why = NULL;
            if (p->op == ORACLE_LSTM)
                lstm_step(w, x);
            else if (p->op == ORACLE_GRU)
                why = gru_step(w, x);
            else
                rnn_step(w, x);
            if (why != NULL || (p->give_up_above > 0 && !(out->peak <= p->give_up_above)))
                return why;
        }
        for (size_t j = 0; out->Y != NULL && j < H; j++)
            out->Y[y_at(p, t, w->d, b) + j] = s < length ? w->h[j] : 0;
    }
    const bool cleared = p->onnxruntime_semantics && length == 0 && p->sequence_lens != NULL;
    for (size_t j = 0; j < H; j++) {
        if (out->Y_h != NULL)
            out->Y_h[at + j] = cleared ? 0 : w->h[j];
        if (out->Y_c != NULL)
            out->Y_c[at + j] = cleared ? 0 : w->c[j];
    }
    return NULL;
}

const char *oracle_run(const oracle_problem *p, oracle_result *r)
{
    activation act[6];
    const char *why = choose_activations(p, act);
    if (why != NULL)
        return why;
    for (size_t b = 0; p->sequence_lens != NULL && b < p->B; b++)
        if (p->sequence_lens[b] < 0 || (size_t)p->sequence_lens[b] > p->T)
            return "a sequence length is out of range";
    long double *rows = malloc(3 * p->H * sizeof *rows);
    if (rows == NULL)
        return "out of memory";
    r->margin = INFINITY;
    r->peak = 0;
    const size_t gates = oracle_gates(p->op), each = oracle_functions(p->op), H = p->H;
    for (size_t d = 0; why == NULL && d < oracle_directions(p->direction); d++) {
        work w = {.p = p, .r = r, .d = d, .backwards = p->direction == ORACLE_REVERSE || d == 1};
        for (size_t k = 0; k < each; k++)
            w.act[k] = act[d * each + k];
        w.W = p->W + d * gates * H * p->I;
        w.R = p->R + d * gates * H * H;
        w.Wb = p->bias != NULL ? p->bias + d * 2 * gates * H : NULL;
        w.Rb = p->bias != NULL ? w.Wb + gates * H : NULL;
        w.P = p->P != NULL ? p->P + d * 3 * H : NULL;
        w.h = rows;
        w.c = rows + H;
        w.next = rows + 2 * H;
        w.random = p->noise_seed + d;
        for (size_t b = 0; why == NULL && b < p->B; b++)
            why = run_row(&w, b);
    }
    free(rows);
    return why;
}
