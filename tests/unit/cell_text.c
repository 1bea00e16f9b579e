/* Models of recurrent cells in primitive operators, as text; and what a session makes of them. */
#include "cell_text.h"

#include "tensor/tensor.h"

#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cell_say(cell_text *t, const char *format, ...) {
    va_list a;
    va_start(a, format);
    int n = vsnprintf(t->s + t->n, sizeof t->s - t->n, format, a);
    va_end(a);
    if (n < 0 || (size_t)n >= sizeof t->s - t->n) abort();      /* not a check: programs without Check's runner write models too */
    t->n += (size_t)n;
}

void cell_constant(cell_text *t, char type, const char *name, const char *dims, int count) {
    unsigned seed = 7;
    for (const char *c = name; *c; c++) seed = seed * 31 + (unsigned char)*c;
    cell_say(t, "%s = %c[%s] ", name, type, dims);
    for (int i = 0; i < count; i++) {
        seed = seed * 1103515245u + 12345u;
        cell_say(t, "%s%.4f", i ? "," : "", ((double)(seed >> 16 & 1023) - 511.5) / 700);
    }
    cell_say(t, ";");
}

void cell_change(cell_text *t, const char *from, const char *to) {
    static cell_text made;
    char *at = strstr(t->s, from);
    ck_assert_msg(at != NULL, "%s", from);
    made.n = 0;
    cell_say(&made, "%.*s%s%s", (int)(at - t->s), t->s, to, at + strlen(from));
    *t = made;
}

static void number(clstm_tensor *t, unsigned seed) {
    for (int64_t i = 0, n = clstm_tensor_count(t); i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        double v = ((double)(seed >> 16 & 1023) - 511.5) / 300;
        if (t->type == CLSTM_DOUBLE) ((double *)t->data)[i] = v;
        else ((float *)t->data)[i] = (float)v;
    }
}

cell_outcome cell_play(const char *inputs, const char *outputs, const char *nodes, pbuf *bodies, int64_t batch, bool plain) {
    static double room[8][CELL_NUMBERS];
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.no_optimise = plain;
    cell_outcome r = {.steps = 0};
    model_text t = model_text_load(model_text_graph(inputs, outputs, nodes, bodies), &o);
    for (size_t i = 0; i < clstm_model_input_count(t.model); i++) {
        clstm_tensor in = clstm_model_input(t.model, i)->tensor;
        for (int d = 0; d < in.rank; d++)
            if (in.dims[d] < 0) in.dims[d] = batch;
        in.data = room[i];
        ck_assert_int_le(clstm_tensor_count(&in), CELL_NUMBERS);
        number(&in, (unsigned)i + 1);
        ck_assert_msg(clstm_session_set_input(t.session, i, &in, &t.err) == CLSTM_OK, "%s", t.err.message);
    }
    ck_assert_msg(clstm_session_run(t.session, &t.err) == CLSTM_OK, "%s\n%s", t.err.message, nodes);
    for (size_t i = 0; i < clstm_model_output_count(t.model); i++) {
        const clstm_tensor *y = &clstm_session_output(t.session, i)->tensor;
        ck_assert_int_le(clstm_tensor_count(y), CELL_NUMBERS);
        for (int64_t k = 0; k < clstm_tensor_count(y); k++) r.y[i][k] = tensor_get_double(y, k);
    }
    clstm_step step;
    clstm_layer at_load;
    while (clstm_model_layer(t.model, r.of_model, &at_load)) r.of_model++;
    while (clstm_session_step(t.session, r.steps, &step)) {
        bool layer = !strcmp(step.type, "LSTM") || !strcmp(step.type, "GRU") || !strcmp(step.type, "RNN");
        if (layer) snprintf(r.type, sizeof r.type, "%s", step.type);
        r.layers += layer;
        r.bodies += !strcmp(step.type, "Loop") || !strcmp(step.type, "Scan") || !strcmp(step.type, "If");
        r.steps++;
        r.work += !step.view;
    }
    model_text_done(&t);
    return r;
}

void cell_same(const char *what, const cell_outcome *plain, const cell_outcome *fast, double most) {
    for (int i = 0; i < CELL_OUTPUTS; i++)
        for (int k = 0; k < CELL_NUMBERS; k++)
            ck_assert_msg(fabs(plain->y[i][k] - fast->y[i][k]) <= most, "%s: output %d [%d]: %.9g and %.9g", what, i, k, plain->y[i][k], fast->y[i][k]);
}
