/* A recurrent cell drawn at random, and the habit in which it is written in primitive operators. */
#include "cell_habit.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 512 };
enum { SPLIT, SLICE, GATHER, BLOCKS, INTERLEAVED, CUTS };
enum { ONE_MINUS, NEGATED, MOVED, MOVED_BACK };

int cell_draw(cell_habit *s, int n) {
    s->seed = s->seed * 1103515245u + 12345u;
    return (int)(s->seed >> 16 & 0x7fff) % n;
}

cell_habit cell_habit_of(unsigned seed) {
    cell_habit s = {.seed = seed * 2654435761u + 1};
    s.kind = "llggr"[cell_draw(&s, 5)];
    s.type = cell_draw(&s, 5) ? 'f' : 'd';
    s.b = 1 + cell_draw(&s, 3);
    s.i = 1 + cell_draw(&s, 4);
    s.h = 1 + cell_draw(&s, 5);
    s.rank = 2 + (cell_draw(&s, 3) == 0);
    if (s.b == 1 && cell_draw(&s, 4) == 0) s.rank = 1;
    s.inner_batch = cell_draw(&s, 2);
    strcpy(s.order, s.kind == 'l' ? "ifgo" : s.kind == 'g' ? "rzn" : "n");
    for (int k = (int)strlen(s.order) - 1; k > 0; k--) {
        int m = cell_draw(&s, k + 1);
        char c = s.order[k];
        s.order[k] = s.order[m];
        s.order[m] = c;
    }
    s.matmul = s.rank != 2 || cell_draw(&s, 2);
    s.transposed = cell_draw(&s, 2);
    s.separate = cell_draw(&s, 3) == 0;
    s.after = cell_draw(&s, 2);
    s.fused = s.rank > 1 && cell_draw(&s, 3) == 0 && !(s.kind == 'g' && s.after);
    s.swapped = cell_draw(&s, 2);
    s.cut = cell_draw(&s, CUTS);
    s.bias = cell_draw(&s, 4);       /* bit 0 of x, 1 of h */
    s.bias_rank = 1 + cell_draw(&s, 2);
    s.squashed = cell_draw(&s, 4) == 0;
    s.coupled = s.kind == 'l' && cell_draw(&s, 5) == 0;
    s.forget_bias = s.kind == 'l' && cell_draw(&s, 4) == 0;
    s.peepholes = s.kind == 'l' && cell_draw(&s, 3) == 0 ? 1 + cell_draw(&s, 7) : 0;
    s.f = cell_draw(&s, 3) ? 0 : cell_draw(&s, 3);
    s.g = cell_draw(&s, 3) ? 0 : cell_draw(&s, 5);
    s.hh = cell_draw(&s, 3) ? 0 : cell_draw(&s, 5);
    s.ending = cell_draw(&s, 2 * CELL_ENDINGS);
    return s;
}

/* "1,?,n" and the like: the batch, or the width of a vector x, is not declared, so that nothing is recovered before the session knows it. */
const char *cell_dims(const cell_habit *s, int n, char *out) {
    static const char *const leading[][2] = {{"", ""}, {"?,", "?,"}, {"1,?,", "?,1,"}};
    if (s->rank == 1 && n == s->i) sprintf(out, "?");
    else sprintf(out, "%s%d", leading[s->rank - 1][s->inner_batch], n);
    return out;
}

static void add(cell_text *t, cell_habit *s, const char *a, const char *b, const char *out) {
    if (cell_draw(s, 2)) cell_say(t, "Add %s,%s > %s;", a, b, out);
    else cell_say(t, "Add %s,%s > %s;", b, a, out);
}
static void mul(cell_text *t, cell_habit *s, const char *a, const char *b, const char *out) {
    if (cell_draw(s, 2)) cell_say(t, "Mul %s,%s > %s;", a, b, out);
    else cell_say(t, "Mul %s,%s > %s;", b, a, out);
}

/* out = a W (+ bias), W [rows, columns] */
static void product(cell_text *t, cell_habit *s, const char *a, int rows, int columns, bool bias, const char *out) {
    char d[64], w[64], b[64], raw[64];
    snprintf(w, sizeof w, "W%s", out);
    snprintf(b, sizeof b, "b%s", out);
    bool turned = !s->matmul && s->transposed;
    snprintf(d, sizeof d, "%d,%d", turned ? columns : rows, turned ? rows : columns);
    cell_constant(t, s->type, w, d, rows * columns);
    snprintf(d, sizeof d, s->bias_rank == 2 && s->rank > 1 ? "1,%d" : "%d", columns);
    if (bias) cell_constant(t, s->type, b, d, columns);
    if (!s->matmul) {
        cell_say(t, "Gemm %s,%s%s%s > %s transB=%d;", a, w, bias ? "," : "", bias ? b : "", out, turned);
        return;
    }
    snprintf(raw, sizeof raw, "%s_raw", out);
    cell_say(t, "MatMul %s,%s > %s;", a, w, bias ? raw : out);
    if (bias) add(t, s, raw, b, out);
}

/* The sum of x and h products with `columns` columns under the name `out`. */
static void sum(cell_text *t, cell_habit *s, const char *x, const char *h, int columns, const char *out) {
    char a[64], b[64], both[64];
    snprintf(a, sizeof a, "%s_x", out);
    snprintf(b, sizeof b, "%s_h", out);
    snprintf(both, sizeof both, "%s_xh", out);
    if (s->fused) {
        cell_say(t, "Concat %s,%s > %s axis=%d;", s->swapped ? h : x, s->swapped ? x : h, both, cell_draw(s, 2) ? -1 : s->rank - 1);
        product(t, s, both, s->i + s->h, columns, s->bias > 0, out);
        return;
    }
    product(t, s, x, s->i, columns, s->bias & 1, a);
    product(t, s, h, s->h, columns, s->bias & 2, b);
    add(t, s, a, b, out);
}

/* Cuts `from`, whose gates stand in `order`, into PREFIXgate. */
static void cut(cell_text *t, const cell_habit *s, const char *from, const char *order, const char *prefix) {
    int n = (int)strlen(order), axis = s->rank - 1;
    char d[64];
    if (n == 1) { cell_say(t, "Identity %s > %s%c;", from, prefix, order[0]); return; }
    if (s->cut == SPLIT) {
        cell_say(t, "Split %s > ", from);
        for (int k = 0; k < n; k++) cell_say(t, "%s%s%c", k ? "," : "", prefix, order[k]);
        cell_say(t, " axis=%d;", s->swapped ? -1 : axis);
    }
    for (int k = 0; k < n && s->cut == SLICE; k++)
        cell_say(t, "%sa%d = i[1] %d; %sb%d = i[1] %d; %sx%d = i[1] %d; Slice %s,%sa%d,%sb%d,%sx%d > %s%c;", prefix, k, k * s->h, prefix, k, k == n - 1 ? 1000 : (k + 1) * s->h,
                 prefix, k, axis, from, prefix, k, prefix, k, prefix, k, prefix, order[k]);
    for (int k = 0; k < n && s->cut == GATHER; k++) {
        cell_say(t, "%si%d = i[%d] ", prefix, k, s->h);
        for (int u = 0; u < s->h; u++) cell_say(t, "%s%d", u ? "," : "", k * s->h + u);
        cell_say(t, "; Gather %s,%si%d > %s%c axis=%d;", from, prefix, k, prefix, order[k], axis);
    }
    if (s->cut != BLOCKS && s->cut != INTERLEAVED) return;
    /* [.., G, H] or [.., H, G] and the gate picked out; an interleaved model's weights are as random as any */
    char shape[64] = "";
    int rank = s->rank + 1, values[4] = {s->rank == 3 && !s->inner_batch ? 1 : s->b, s->rank == 3 && s->inner_batch ? 1 : s->b};
    for (int k = 0; k < s->rank - 1; k++) sprintf(shape + strlen(shape), "%d,", values[k]);
    sprintf(shape + strlen(shape), s->cut == BLOCKS ? "%d,%d" : "%2$d,%1$d", n, s->h);
    snprintf(d, sizeof d, "%d", rank);
    cell_say(t, "%sshape = i[%s] %s; Reshape %s,%sshape > %sparts;", prefix, d, shape, from, prefix, prefix);
    for (int k = 0; k < n; k++)
        cell_say(t, "%sp%d = i[] %d; Gather %sparts,%sp%d > %s%c axis=%d;", prefix, k, k, prefix, prefix, k, prefix, order[k], s->cut == BLOCKS ? rank - 2 : rank - 1);
}

/* out = activation `which` of in: the gates' or the others' */
static void activate(cell_text *t, const cell_habit *s, bool gate, int which, const char *in, const char *out) {
    static const char *const others[] = {"Tanh", "Relu", "Softsign", "LeakyRelu", "Elu"};
    if (!gate) cell_say(t, "%s %s > %s%s;", others[which], in, out, which > 2 ? " alpha=0.3" : "");
    else if (which == 0) cell_say(t, "Sigmoid %s > %s;", in, out);
    else if (which == 1) cell_say(t, "HardSigmoid %s > %s alpha=0.21 beta=0.48;", in, out);
    else cell_say(t, "%s_k = %c[] %s; %s_c = %c[] 0.5; %s_0 = %c[] 0; %s_1 = %c[] 1; Mul %s,%s_k > %s_m; Add %s_m,%s_c > %s_a; Clip %s_a,%s_0,%s_1 > %s;",
                  out, s->type, s->type == 'd' ? "0.25" /* a float holds it */ : "0.2", out, s->type, out, s->type, out, s->type, in, out, out, out, out, out, out, out, out, out);
}

/* Peephole (and forget bias) on a gate's sum: the name of what the activation takes. */
static const char *finish_sum(cell_text *t, cell_habit *s, char gate, const char *state, const char *in, char *out) {
    char w[LONGEST], m[LONGEST], d[LONGEST];
    bool bias = gate == 'f' && s->forget_bias;
    int bit = gate == 'i' ? 1 : gate == 'f' ? 2 : gate == 'o' ? 4 : 0;
    snprintf(out, LONGEST, "%s", in);
    if (s->peepholes & bit) {
        snprintf(w, sizeof w, "P%c", gate);
        snprintf(m, sizeof m, "pee%c", gate);
        snprintf(d, sizeof d, "%d", s->h);
        cell_constant(t, s->type, w, d, s->h);
        mul(t, s, state, w, m);
        snprintf(out, LONGEST, "looks%c", gate);
        add(t, s, in, m, out);
    }
    if (!bias) return out;
    snprintf(d, sizeof d, "%s", out);
    cell_say(t, "one_f = %c[] 1;", s->type);
    snprintf(out, LONGEST, "fb");
    add(t, s, d, "one_f", out);
    return out;
}

static void sums(cell_text *t, cell_habit *s, const char *order, const char *x, const char *h, const char *prefix) {
    char name[64];
    for (size_t k = 0; s->separate && order[k]; k++) {
        snprintf(name, sizeof name, "%s%c", prefix, order[k]);
        sum(t, s, x, h, s->h, name);
    }
    if (s->separate) return;
    snprintf(name, sizeof name, "%sall", prefix);
    sum(t, s, x, h, (int)strlen(order) * s->h, name);
    cut(t, s, name, order, prefix);
}

static void lstm(cell_text *t, cell_habit *s) {
    char in[LONGEST];
    sums(t, s, s->order, "x", "h", "s_");
    activate(t, s, true, s->f, finish_sum(t, s, 'i', "c", "s_i", in), "g_i");
    activate(t, s, false, s->g, "s_g", "g_g");
    if (s->coupled) cell_say(t, "one = %c[] 1; Sub one,g_i > g_f;", s->type);
    else activate(t, s, true, s->f, finish_sum(t, s, 'f', "c", "s_f", in), "g_f");
    mul(t, s, "g_f", "c", "fc");
    mul(t, s, "g_i", "g_g", "ig");
    add(t, s, "fc", "ig", "new_c");
    activate(t, s, true, s->f, finish_sum(t, s, 'o', "new_c", "s_o", in), "g_o");
    activate(t, s, false, s->hh, "new_c", "t_c");
    mul(t, s, "g_o", "t_c", "new_h");
}

/* new_h of z, h and n in eight algebraic forms: the second four keep the past where z is 0 */
static void ending(cell_text *t, cell_habit *s) {
    const char *a = s->ending < CELL_ENDINGS ? "h" : "n", *b = s->ending < CELL_ENDINGS ? "n" : "h";
    switch (s->ending % CELL_ENDINGS) {
    case ONE_MINUS:
        cell_say(t, "one = %c[] 1; Sub one,g_z > mz;", s->type);
        break;
    case NEGATED:
        cell_say(t, "one = %c[1] 1; Neg g_z > nz;", s->type);
        add(t, s, "nz", "one", "mz");
        break;
    case MOVED:
        cell_say(t, "Sub %s,%s > d;", a, b);
        mul(t, s, "d", "g_z", "zd");
        add(t, s, "zd", b, "new_h");
        return;
    default:
        cell_say(t, "Sub %s,%s > d;", b, a);
        mul(t, s, "d", "g_z", "zd");
        cell_say(t, "Sub %s,zd > new_h;", b);
        return;
    }
    mul(t, s, "mz", b, "left");
    mul(t, s, "g_z", a, "right");
    add(t, s, "left", "right", "new_h");
}

/* The gates r and z, their sums cut before the activation or after it. */
static void gru_gates(cell_text *t, cell_habit *s, const char *order) {
    char gates[3] = {0}, name[8] = "g_?", from[8] = "s_?";
    for (const char *o = order; *o; o++)
        if (*o != 'n') gates[strlen(gates)] = *o;
    bool block = s->squashed && !s->separate && strlen(order) == 2;
    if (!block) {
        sums(t, s, order, "x", "h", "s_");
        for (int k = 0; k < 2; k++) {
            name[2] = from[2] = gates[k];
            activate(t, s, true, s->f, from, name);
        }
        return;
    }
    sum(t, s, "x", "h", 2 * s->h, "s_all");
    activate(t, s, true, s->f, "s_all", "g_all");
    cut(t, s, "g_all", gates, "g_");
}

static void gru(cell_text *t, cell_habit *s) {
    char two[3] = {0};
    for (const char *o = s->order; *o; o++)
        if (*o != 'n') two[strlen(two)] = *o;
    if (s->after && !s->separate) {         /* each product over all gates, cut before the sums */
        product(t, s, "x", s->i, 3 * s->h, s->bias & 1, "xall");
        product(t, s, "h", s->h, 3 * s->h, s->bias & 2, "hall");
        cut(t, s, "xall", s->order, "x_");
        cut(t, s, "hall", s->order, "h_");
        add(t, s, "x_r", "h_r", "s_r");
        add(t, s, "x_z", "h_z", "s_z");
        activate(t, s, true, s->f, "s_r", "g_r");
        activate(t, s, true, s->f, "s_z", "g_z");
    } else gru_gates(t, s, two);
    if (s->after) {
        if (s->separate) {
            product(t, s, "x", s->i, s->h, s->bias & 1, "x_n");
            product(t, s, "h", s->h, s->h, s->bias & 2, "h_n");
        }
        mul(t, s, "g_r", "h_n", "rh");
        add(t, s, "rh", "x_n", "s_n");
    } else {
        mul(t, s, "g_r", "h", "rh");
        sum(t, s, "x", "rh", s->h, "s_n");
    }
    activate(t, s, false, s->g, "s_n", "n");
    ending(t, s);
}

void cell_write(cell_text *t, cell_habit *s) {
    if (s->kind == 'l') lstm(t, s);
    else if (s->kind == 'g') gru(t, s);
    else {
        s->g = s->g > 1 ? 0 : s->g;         /* an RNN is recovered with Tanh or Relu */
        sums(t, s, "n", "x", "h", "s_");
        activate(t, s, false, s->g, "s_n", "new_h");
    }
}

void cell_describe(const cell_habit *s, unsigned seed, char *out, size_t size) {
    snprintf(out, size, "cell %u: %c%c b%d i%d h%d rank %d order %s fused %d separate %d matmul %d cut %d bias %d after %d coupled %d peepholes %d f%d g%d h%d ending %d", seed, s->kind,
             s->type, s->b, s->i, s->h, s->rank, s->order, s->fused, s->separate, s->matmul, s->cut, s->bias, s->after, s->coupled, s->peepholes, s->f, s->g, s->hh, s->ending);
}
