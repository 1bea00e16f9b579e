/* Recovery of recurrent cells, at random: a cell with weights, sizes and gate order drawn from a seed is written in a habit drawn from the
 * same seed, and runs as the plain interpreter and optimised. One node of the right kind must come of it, and the same numbers. */
#include "unit_main.h"

#include "cell_habit.h"

#include <stdio.h>
#include <string.h>

enum { CELLS = 600 };

/* The model of a habit, its ports beside it. */
static void write_cell(cell_text *t, cell_habit *s, char *inputs, char *outputs) {
    char d[64], e[64];
    t->n = 0;
    sprintf(inputs, "x:%c[%s] h:%c[%s]", s->type, cell_dims(s, s->i, d), s->type, s->rank == 1 && s->i == s->h ? "?" : cell_dims(s, s->h, e));
    sprintf(outputs, "new_h:%c", s->type);
    if (s->kind == 'l') {
        sprintf(inputs + strlen(inputs), " c:%c[%s]", s->type, cell_dims(s, s->h, d));
        sprintf(outputs + strlen(outputs), " new_c:%c", s->type);
    }
    cell_write(t, s);
}

START_TEST(random_cell)
{
    static cell_text t;
    cell_habit s = cell_habit_of((unsigned)_i), h;
    char inputs[200], outputs[64], what[300];
    cell_describe(&s, (unsigned)_i, what, sizeof what);
    h = s;
    write_cell(&t, &h, inputs, outputs);
    int unknown = s.rank == 1 ? s.i : s.b;
    cell_outcome plain = cell_play(inputs, outputs, t.s, NULL, unknown, true), fast = cell_play(inputs, outputs, t.s, NULL, unknown, false);
    cell_same(what, &plain, &fast, s.type == 'd' ? 1e-13 : 2e-6);
    ck_assert_msg(plain.layers == 0, "%s: the interpreter has %zu layers", what, plain.layers);
    /* 1 - z is no gate of the negated sum when the activation is not symmetric */
    bool none = s.kind == 'g' && s.ending >= CELL_ENDINGS && s.f == 1;
    ck_assert_msg(fast.layers == !none, "%s: %zu layers", what, fast.layers);
    if (none) return;
    ck_assert_str_eq(fast.type, s.kind == 'l' ? "LSTM" : s.kind == 'g' ? "GRU" : "RNN");
    ck_assert_msg(fast.work < plain.work, "%s: %zu steps of %zu", what, fast.work, plain.work);
}
END_TEST

/* ---- near misses ------------------------------------------------------------------------------------------------------------------------- */

/* A change of the text that makes another function of the cell, or shows what a node could not show. `out` is an
 * output more. A cell that the change does not touch (nothing to replace) is left out. */
static const struct { const char *kinds, *from, *to, *out; } changes[] = {
    {"l", "Mul g_f,c > fc", "Add g_f,c > fc", ""},
    {"l", "> t_c;", "> t_c0; Mul t_c0,t_c0 > t_c;", ""},
    {"lg", "> g_i;", "> g_i; Neg g_i > seen;", " seen"},
    {"g", "> g_z;", "> g_z; Neg g_z > seen;", " seen"},
    {"g", "> rh;", "> rh; Neg rh > seen;", " seen"},
    {"g", "Sub one,g_z > mz", "Sub one,g_r > mz", ""},
    {"g", "one = f[] 1;", "one = f[] 1.5;", ""},
    {"g", "Sub h,n > d", "Add h,n > d", ""},
    {"l", "Mul new_c,Po > peeo", "Mul c,Po > peeo", ""},
    {"l", "> new_c;", "> raw_c; low = f[] -0.3; high = f[] 0.3; Clip raw_c,low,high > new_c;", ""},
};
enum { CHANGES = sizeof changes / sizeof *changes, TRIES = 40 };

START_TEST(near_miss)
{
    static cell_text t;
    int change = _i / TRIES;
    cell_habit s = cell_habit_of((unsigned)_i + 5000);
    char inputs[200], outputs[64], what[300];
    if (!strchr(changes[change].kinds, s.kind)) s.kind = changes[change].kinds[0], strcpy(s.order, s.kind == 'l' ? "ofgi" : "nzr");
    s.type = 'f';
    s.hh %= 4;
    if (strstr(changes[change].from, "peeo")) s.peepholes = 4;
    if (s.kind == 'g') { s.fused = s.fused && !s.after; s.coupled = s.forget_bias = false; s.peepholes = 0; s.ending %= CELL_ENDINGS; }
    cell_describe(&s, (unsigned)_i + 5000, what, sizeof what);
    write_cell(&t, &s, inputs, outputs);
    if (!strstr(t.s, changes[change].from)) return;
    cell_change(&t, changes[change].from, changes[change].to);
    if (changes[change].out[0]) sprintf(outputs + strlen(outputs), "%s:f", changes[change].out);
    int unknown = s.rank == 1 ? s.i : s.b;
    cell_outcome plain = cell_play(inputs, outputs, t.s, NULL, unknown, true), fast = cell_play(inputs, outputs, t.s, NULL, unknown, false);
    cell_same(what, &plain, &fast, 2e-6);
    ck_assert_msg(fast.layers == 0, "%s, %s: %zu layers", what, changes[change].from, fast.layers);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("recover_random");
    unit_add_loop(s, "random_cell", random_cell, 0, CELLS);
    unit_add_loop(s, "near_miss", near_miss, 0, CHANGES * TRIES);
    return s;
}
