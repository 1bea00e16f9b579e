/* Cells inside Loop and Scan: a random cell in a random habit, in a random habit of looping, as the plain interpreter and optimised. One
 * node over the sequence must come of it, and no Loop or Scan may be left. */
#include "unit_main.h"

#include "cell_habit.h"

#include <stdio.h>
#include <string.h>

enum { LOOPS = 400, LAYERS = 40, T = 4 };

enum { BY_SCAN_OUTPUT, BY_SEQUENCE, BY_CONCAT, COLLECTIONS };

/* How the sequence is walked. */
typedef struct walk {
    bool scan, batch_first, backwards, counted, zero, known, in_front;
    bool carried, limited;      /* X is a state that stays what it is; a condition of counters ends the Loop */
    int collect, after;         /* after: what is done to h before it is given out */
    int out_axis;
} walk;

static walk walk_of(cell_habit *s) {
    walk w = {.scan = cell_draw(s, 3) == 0};
    w.batch_first = cell_draw(s, 2);
    w.backwards = cell_draw(s, 3) == 0;
    w.counted = !w.scan && cell_draw(s, 3) == 0;
    w.zero = cell_draw(s, 3) == 0;
    w.known = cell_draw(s, 2);
    w.in_front = cell_draw(s, 3) == 0;
    w.collect = w.scan ? BY_SCAN_OUTPUT : cell_draw(s, COLLECTIONS);
    w.after = cell_draw(s, 4);
    w.out_axis = cell_draw(s, 2);
    w.carried = cell_draw(s, 2);
    w.limited = !w.scan && cell_draw(s, 2);
    return w;
}

/* Whether there is another turn, as a while loop over counters says it. */
static void give_still(cell_text *t, const walk *w) {
    if (!w->limited) { cell_say(t, "Identity go > still;"); return; }
    cell_say(t, "Cast i > i_f to=1; last_f = f[] %d; Less i_f,last_f > less_i;", T - 1);
    if (w->counted) cell_say(t, "last = i[] %d; LessOrEqual next_count,last > less_count;", T - 1);
    else cell_say(t, "Add i,one_i > next_i; Cast next_i > next_d to=11; end_d = d[] %d; Greater end_d,next_d > less_count;", T);
    cell_say(t, "And less_i,less_count > still;");
}

/* x from X, by the number of the turn (or a counter of the loop's own) */
static void take_x(cell_text *t, const walk *w) {
    const char *i = w->counted ? "count" : "i";
    cell_say(t, "one_i = i[] 1; ");
    if (w->counted) cell_say(t, "Add count,one_i > next_count;");
    if (w->backwards) { cell_say(t, "end_i = i[] %d; Sub end_i,%s > at;", T - 1, i); i = "at"; }
    cell_say(t, "Gather %s,%s > x axis=%d;", w->carried ? "all_x" : "X", i, w->batch_first);
}

/* What is given out of new_h. */
static void give_y(cell_text *t, const cell_habit *s, const walk *w) {
    char d[32];
    snprintf(d, sizeof d, "2,%d", s->h);
    if (w->after == 0) cell_say(t, "Identity new_h > y;");
    else if (w->after == 1) cell_say(t, "Relu new_h > y;");
    else if (w->after == 2) { cell_constant(t, 'f', "out_w", d, 2 * s->h); cell_say(t, "Gemm new_h,out_w > y transB=1;"); }
    else { cell_constant(t, 'f', "out_b", "1", 1); cell_say(t, "Add new_h,out_b > shifted; Tanh shifted > y;"); }
}

typedef struct loop_model { cell_text body, outer; char body_in[300], body_out[200], inputs[200], outputs[200]; bool lstm; } loop_model;

static void write_loop(loop_model *m, cell_habit *s, const walk *w) {
    const char *passed = w->carried ? ",X" : "", *passes = w->carried ? ",end_x" : "";
    const char *state = m->lstm ? ",c0" : "", *made = m->lstm ? ",end_c" : "";
    cell_text *o = &m->outer;
    m->body.n = o->n = 0;
    const char *carried = w->carried ? " all_x:f" : "";
    if (w->scan) sprintf(m->body_in, "h:f%s%s x:f", m->lstm ? " c:f" : "", carried);
    else sprintf(m->body_in, "i:i[] go:b[]%s h:f%s%s%s", w->counted ? " count:i[]" : "", m->lstm ? " c:f" : "", carried, w->collect ? " all:f" : "");
    sprintf(m->body_out, "%s%snew_h:f%s%s %s:f", w->scan ? "" : "still:b ", w->counted ? "next_count:i " : "", m->lstm ? " new_c:f" : "", carried, w->collect ? "more" : "y");
    if (!w->scan) { take_x(&m->body, w); give_still(&m->body, w); }
    cell_write(&m->body, s);
    give_y(&m->body, s, w);
    if (w->collect == BY_SEQUENCE) cell_say(&m->body, w->in_front ? "front = i[] 0; SequenceInsert all,y,front > more;" : "SequenceInsert all,y > more;");
    if (w->collect == BY_CONCAT) cell_say(&m->body, "zero_u = i[1] 0; Unsqueeze y,zero_u > slice; Concat %s > more axis=0;", w->in_front ? "slice,all" : "all,slice");
    sprintf(m->inputs, w->batch_first ? "X:f[?,%d,%d]" : "X:f[%d,?,%d]", T, s->i);
    if (!w->zero) sprintf(m->inputs + strlen(m->inputs), " h0:f[?,%d]%s", s->h, "");
    if (!w->zero && m->lstm) sprintf(m->inputs + strlen(m->inputs), " c0:f[?,%d]", s->h);
    sprintf(m->outputs, "Y:f end_h:f%s%s", m->lstm ? " end_c:f" : "", w->carried ? " mean_x:f" : "");
    if (w->carried) cell_say(o, "ReduceMean end_x > mean_x keepdims=0;");
    cell_say(o, "Shape X > shape; batch_at = i[1] %d; Gather shape,batch_at > batch;", !w->batch_first);
    if (w->zero) cell_say(o, "width = i[1] %d; Concat batch,width > zero_shape axis=0; ConstantOfShape zero_shape > h0;%s", s->h, m->lstm ? "Identity h0 > c0;" : "");
    if (w->scan) {
        cell_say(o, "Scan h0%s%s,X > end_h%s%s,Y body=@0 num_scan_inputs=1 scan_input_axes=%d, scan_input_directions=%d, scan_output_axes=%d, scan_output_directions=%d,;", state, passed, made, passes,
                 w->batch_first, w->backwards, w->out_axis, w->in_front);
        return;
    }
    if (w->known) cell_say(o, "turns = i[] %d;", w->limited ? 1000 * T : T);
    else cell_say(o, "time_at = i[] %d; Gather shape,time_at > turns;", w->batch_first);
    cell_say(o, "go = b[] 1;%s", w->counted ? "count0 = i[] 0;" : "");
    if (w->collect == BY_SEQUENCE) cell_say(o, "SequenceEmpty > all0;");
    if (w->collect == BY_CONCAT) cell_say(o, "none = i[1] 0; columns = i[1] %d; Concat none,batch,columns > none_shape axis=0; ConstantOfShape none_shape > all0;", w->after == 2 ? 2 : s->h);
    cell_say(o, "Loop turns,go%s,h0%s%s%s > %send_h%s%s,%s body=@0;", w->counted ? ",count0" : "", state, passed, w->collect ? ",all0" : "", w->counted ? "end_count," : "", made, passes,
             w->collect == BY_SEQUENCE ? "list" : "Y");
    if (w->collect == BY_SEQUENCE) cell_say(o, "ConcatFromSequence list > Y axis=%d new_axis=1;", w->out_axis);
}

static cell_outcome play(const loop_model *m, int batch, bool plain) {
    pbuf body = model_text_graph(m->body_in, m->body_out, m->body.s, NULL);
    return cell_play(m->inputs, m->outputs, m->outer.s, &body, batch, plain);
}

static cell_habit habit_of(unsigned seed) {
    cell_habit s = cell_habit_of(seed);
    s.type = 'f';
    if (s.rank != 2) { s.rank = 2; s.matmul = true; }
    s.fused = s.fused && !(s.kind == 'g' && s.after);
    s.b += s.b == 1;
    if (s.kind == 'g' && s.f == 1) s.f = 0;
    return s;
}

START_TEST(random_loop)
{
    static loop_model m;
    cell_habit s = habit_of((unsigned)_i + 10000);
    walk w = walk_of(&s);
    char what[500];
    m.lstm = s.kind == 'l';
    cell_describe(&s, (unsigned)_i, what, sizeof what);
    snprintf(what + strlen(what), sizeof what - strlen(what), "; scan %d batch_first %d backwards %d counted %d zero %d known %d collect %d front %d after %d carried %d limited %d", w.scan,
             w.batch_first, w.backwards, w.counted, w.zero, w.known, w.collect, w.in_front, w.after, w.carried, w.limited);
    write_loop(&m, &s, &w);
    cell_outcome plain = play(&m, s.b, true), fast = play(&m, s.b, false);
    cell_same(what, &plain, &fast, 4e-6);
    ck_assert_msg(fast.layers == 1, "%s: %zu layers", what, fast.layers);
    ck_assert_msg(fast.bodies == 0, "%s: a body is left", what);
}
END_TEST

/* A layer over what another gives: its x is known only when the first Loop has gone. */
START_TEST(two_layers)
{
    static loop_model m;
    cell_habit s = habit_of((unsigned)_i + 20000);
    walk w = {.known = true, .counted = _i % 2, .carried = _i % 3 == 0, .limited = true};
    s.i = s.h;
    m.lstm = s.kind == 'l';
    write_loop(&m, &s, &w);
    const char *count = w.counted ? "end_count2," : "", *c = m.lstm ? "end_c2," : "", *x = w.carried ? "end_x2," : "";
    cell_text second = m.body;
    if (!w.carried) cell_change(&second, "Gather X,", "Gather Y,");
    cell_say(&m.outer, "Loop turns,go%s,h0%s%s > %send_h2,%s%sY2 body=@1;", w.counted ? ",count0" : "", m.lstm ? ",c0" : "", w.carried ? ",Y" : "", count, c, x);
    sprintf(m.outputs, "Y2:f end_h2:f");
    for (char *any = m.inputs; (any = strchr(any, '?')); any++) *any = (char)('0' + s.b);       /* known from the start */
    cell_outcome r[2];
    for (int plain = 0; plain < 2; plain++) {
        pbuf bodies[2] = {model_text_graph(m.body_in, m.body_out, m.body.s, NULL), model_text_graph(m.body_in, m.body_out, second.s, NULL)};
        r[plain] = cell_play(m.inputs, m.outputs, m.outer.s, bodies, s.b, plain);
    }
    cell_same("two layers", &r[1], &r[0], 4e-6);
    ck_assert_msg(r[0].layers == 2 && r[0].bodies == 0, "%d: %zu layers, %zu bodies", _i, r[0].layers, r[0].bodies);
    ck_assert_msg(r[0].of_model == 2, "%d: %zu layers when loaded", _i, r[0].of_model);
}
END_TEST

/* ---- what must stay ------------------------------------------------------------------------------------------------------------------- */

/* An LSTM by the number of the turn, for changes of its text; returns the batch. */
static int write_lstm(loop_model *m) {
    cell_habit s = habit_of(777);
    walk w = {.known = true};
    s.kind = 'l';
    s.coupled = false;
    strcpy(s.order, "ifgo");
    m->lstm = true;
    write_loop(m, &s, &w);
    return s.b;
}

/* A change of the body after which the turns are no longer the steps of one layer over the sequence: the Loop stays, with its numbers. */
static const struct { const char *what, *from, *to; } changes[] = {
    {"the state is scaled on its way to the next turn", "Identity go > still;", "Identity go > still; half = f[] 0.5; Mul new_h,half > scaled;"},
    {"the state decides", "Identity go > still;", "ReduceMax new_h > high keepdims=0; far = f[] 0.9; Less high,far > still;"},
    {"a bound of each turn", "Identity go > still;", "bounds = i[4] 9,9,1,9; Gather bounds,i > bound; Less i,bound > still;"},
    {"a counter by twos", "Identity go > still;", "Add i,i > i2; three = i[] 3; Less i2,three > still;"},
    {"a bound from below", "Identity go > still;", "minus = i[] -1; Less minus,i > still;"},
    {"elements in another order", "Gather X,i > x", "three = i[] 3; Mul i,three > i3; four = i[] 4; Mod i3,four > im; Gather X,im > x"},
    {"a counter that could come round", "Gather X,i > x", "Cast i > i8 to=3; Cast i8 > im to=7; Gather X,im > x"},
    {"past the end, from behind", "Gather X,i > x", "off = i[] -2; Add i,off > im; Gather X,im > x"},
    {"the old state given out", "Identity new_h > y;", "Add new_h,h > y;"},
    {"c of each turn given out", "Identity new_h > y;", "Add new_h,new_c > y;"},
    {"a limit of each turn", "Identity new_h > y;", "limits = f[4] .1,.2,.3,.4; Gather limits,i > limit; Clip new_h,,limit > y;"},
    {"x depends on h", "Gather X,i > x axis=0;", "Gather X,i > x1 axis=0; ReduceMean h > fed axes=1, keepdims=1; Add x1,fed > x;"},
};
enum { CHANGES = sizeof changes / sizeof *changes };

START_TEST(stays)
{
    static loop_model m;
    int batch = write_lstm(&m);
    cell_change(&m.body, changes[_i].from, changes[_i].to);
    if (strstr(changes[_i].to, "> scaled")) sprintf(m.body_out, "still:b scaled:f new_c:f y:f");
    cell_outcome plain = play(&m, batch, true), fast = play(&m, batch, false);
    cell_same(changes[_i].what, &plain, &fast, 4e-6);
    ck_assert_msg(fast.bodies == 1, "%s: the Loop went", changes[_i].what);
}
END_TEST

/* Conditions that end the four turns early, and how many are left. */
static const struct { const char *what, *still; int turns; } ends[] = {
    {"less", "two = i[] 2; Less i,two > still;", 3},
    {"less, from the other side", "two = i[] 2; Greater two,i > still;", 3},
    {"at most", "one = i[] 1; LessOrEqual i,one > still;", 3},
    {"at once", "none = i[] 0; Less i,none > still;", 1},
    {"below the first", "none = i[] -5; LessOrEqual i,none > still;", 1},
    {"in between", "Cast i > i_f to=1; half = f[] 0.5; LessOrEqual i_f,half > still;", 2},
    {"the lesser of two", "two = i[] 2; one = i[] 1; Less i,two > a; Less i,one > b; And a,b > still;", 2},
    {"together with the last one", "two = i[] 2; Less i,two > a; And go,a > still;", 3},
    {"with a number added", "two = i[] 2; three = i[] 3; Add i,two > i2; Less i2,three > still;", 2},
    {"never", "nine = i[] 9; Less i,nine > still;", 4},
};
enum { ENDS = sizeof ends / sizeof *ends };

START_TEST(ends_early)
{
    static loop_model m;
    int batch = write_lstm(&m);
    cell_change(&m.body, "Identity go > still;", ends[_i].still);
    cell_say(&m.outer, "Shape Y > y_shape; first = i[] 0; Gather y_shape,first > turned; Cast turned > turned_f to=1;");
    strcat(m.outputs, " turned_f:f");
    cell_outcome plain = play(&m, batch, true), fast = play(&m, batch, false);
    cell_same(ends[_i].what, &plain, &fast, 4e-6);
    ck_assert_msg((int)fast.y[3][0] == ends[_i].turns, "%s: %g turns", ends[_i].what, fast.y[3][0]);
    ck_assert_msg(fast.layers == 1 && fast.bodies == 0, "%s: the Loop is left", ends[_i].what);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("recover_loop");
    unit_add_loop(s, "random_loop", random_loop, 0, LOOPS);
    unit_add_loop(s, "two_layers", two_layers, 0, LAYERS);
    unit_add_loop(s, "ends_early", ends_early, 0, ENDS);
    unit_add_loop(s, "stays", stays, 0, CHANGES);
    return s;
}
