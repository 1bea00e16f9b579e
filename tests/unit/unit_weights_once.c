/* Weights of convolutions stand once: as they are or in the form that is read, never both, in the constant and in what plans keep. */
#include "unit_main.h"

#include "model_text.h"

#include "api/api_internal.h"
#include "plan/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const ir_const *weights_of(const model_text *t) {
    for (size_t i = 0; i < t->model->onnx.graph->n_nodes; i++) {
        const ir_node *n = t->model->onnx.graph->nodes[i];
        if (!strncmp(n->op_type, "Conv", 4)) return n->inputs[1]->constant;
    }
    ck_abort_msg("no convolution");
}

enum { CHANNELS = 3, OUTPUTS = 40, LONG = 300, SHORT = 4, TAPS = 3 };

static model_text convolution(const char *input) {
    static char nodes[OUTPUTS * CHANNELS * TAPS * 8 + 64];
    int n = snprintf(nodes, sizeof nodes, "w = f[%d,%d,%d] ", OUTPUTS, CHANNELS, TAPS);
    for (int i = 0; i < OUTPUTS * CHANNELS * TAPS; i++) n += snprintf(nodes + n, sizeof nodes - (size_t)n, "%s%.2f", i ? "," : "", (double)(i * 29 % 83) / 40 - 1);
    snprintf(nodes + n, sizeof nodes - (size_t)n, "; Conv x,w > y");
    return model_text_load(model_text_graph(input, "y:f", nodes, NULL), NULL);
}

/* The last SHORT - TAPS + 1 positions of a call with the last `length` columns of x, into y. */
static void convolve_end(model_text *t, const float *x, int64_t length, float *y) {
    static float in[CHANNELS * LONG];
    for (int64_t c = 0; c < CHANNELS; c++) memcpy(in + c * length, x + (c + 1) * LONG - length, (size_t)length * sizeof *in);
    clstm_tensor view = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, CHANNELS, length}, in);
    ck_assert(!clstm_session_set_input(t->session, 0, &view, &t->err) && !clstm_session_run(t->session, &t->err));
    const float *all = clstm_session_output(t->session, 0)->tensor.data;
    const int64_t made = length - TAPS + 1, last = SHORT - TAPS + 1;
    for (int64_t o = 0; o < OUTPUTS; o++) memcpy(y + o * last, all + (o + 1) * made - last, (size_t)last * sizeof *y);
}

/* Few positions read packed weights, and no others stand; many take them back, and the packed ones go when nobody has read them. The order of
 * calls and which form is read change no bit. */
START_TEST(convolution_weights_once)
{
    float x[CHANNELS * LONG], y[2][OUTPUTS * (SHORT - TAPS + 1)];
    for (int i = 0; i < CHANNELS * LONG; i++) x[i] = (float)(i * 37 % 101) / 50 - 1;
    for (int long_first = 0; long_first < 2; long_first++) {
        model_text t = convolution("x:f[?,3,?]");
        const ir_const *w = weights_of(&t);
        ck_assert(!w->tensor.data && w->packs && !w->packs->next);
        convolve_end(&t, x, long_first ? LONG : SHORT, y[0]);
        ck_assert(long_first ? w->tensor.data && !w->packs : !w->tensor.data && w->packs && !w->packs->next);
        convolve_end(&t, x, long_first ? SHORT : LONG, y[1]);
        ck_assert(w->tensor.data && w->packs && !w->packs->next);      /* both are read */
        ck_assert_mem_eq(y[0], y[1], sizeof y[0]);
        model_text_done(&t);
    }
}
END_TEST

/* What the file says decides where it says all: many positions never pack, few do so at load. */
START_TEST(convolution_of_a_known_shape)
{
    static const struct { const char *input; bool packed; } cases[] = {{"x:f[1,3,300]", false}, {"x:f[1,3,4]", true}};
    for (size_t i = 0; i < 2; i++) {
        model_text t = convolution(cases[i].input);
        const ir_const *w = weights_of(&t);
        for (int prepared = 0; prepared < 2; prepared++) {
            ck_assert(cases[i].packed ? !w->tensor.data && w->packs : w->tensor.data && !w->packs);
            if (prepared) break;
            clstm_tensor x = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){1, 3, cases[i].packed ? 4 : 300}, NULL);
            ck_assert_msg(!clstm_session_set_input(t.session, 0, &x, &t.err) && !clstm_session_prepare(t.session, &t.err), "%s", t.err.message);
        }
        model_text_done(&t);
    }
}
END_TEST

/* ---- ConvTranspose ------------------------------------------------------------------------------------------------------------------ */

enum { T_IN = 4, T_OUT = 40, T_TAPS = 5, T_COUNT = T_IN * T_OUT * T_TAPS, T_MOST = 310 };

static double weight(int i) { return (double)(i * 29 % 83 - 40) / 40; }     /* what strtod reads of it */

static model_text load_transposed(char type, const char *convs, const char *outputs, bool constant) {
    static char nodes[T_COUNT * 8 + 512];
    char in[64];
    int n = constant ? snprintf(nodes, sizeof nodes, "w = %c[%d,%d,%d] ", type, T_IN, T_OUT, T_TAPS) : 0;
    for (int i = 0; constant && i < T_COUNT; i++) n += snprintf(nodes + n, sizeof nodes - (size_t)n, "%s%.3f", i ? "," : "", weight(i));
    snprintf(nodes + n, sizeof nodes - (size_t)n, "%s%s", constant ? "; " : "", convs);
    snprintf(in, sizeof in, constant ? "x:%c[?,%d,?]" : "x:%c[?,%d,?] w:%c[%d,%d,%d]", type, T_IN, type, T_IN, T_OUT, T_TAPS);
    return model_text_load(model_text_graph(in, outputs, nodes, NULL), NULL);
}

/* Runs x of `length` columns; weights that are an input are the same numbers. */
static void run_transposed(model_text *t, char type, int64_t length, bool constant) {
    static double x[T_IN * T_MOST], w[T_COUNT];
    clstm_type ct = type == 'f' ? CLSTM_FLOAT : CLSTM_DOUBLE;
    clstm_tensor in = clstm_tensor_view(ct, 3, (int64_t[]){1, T_IN, length}, x), of_w = clstm_tensor_view(ct, 3, (int64_t[]){T_IN, T_OUT, T_TAPS}, w);
    for (int i = 0; i < T_IN * length; i++) {
        double v = (double)(i * 37 % 101) / 50 - 1;
        if (type == 'f') ((float *)x)[i] = (float)v;
        else x[i] = v;
    }
    for (int i = 0; i < T_COUNT; i++) {
        if (type == 'f') ((float *)w)[i] = (float)weight(i);
        else w[i] = weight(i);
    }
    clstm_status s = clstm_session_set_input(t->session, 0, &in, &t->err);
    if (s == CLSTM_OK && !constant) s = clstm_session_set_input(t->session, 1, &of_w, &t->err);
    if (s == CLSTM_OK) s = clstm_session_run(t->session, &t->err);
    ck_assert_msg(s == CLSTM_OK, "%s", t->err.message);
}

static void same_outputs(model_text *a, model_text *b, size_t outputs) {
    for (size_t i = 0; i < outputs; i++) {
        const clstm_tensor *p = &clstm_session_output(a->session, i)->tensor, *q = &clstm_session_output(b->session, i)->tensor;
        ck_assert_int_eq(clstm_tensor_count(p), clstm_tensor_count(q));
        ck_assert(clstm_tensor_count(p) > 0);
        ck_assert_mem_eq(p->data, q->data, (size_t)clstm_tensor_count(p) * clstm_type_size(p->type));
    }
}

/* How many packs stand where the elements do not; their bytes in all. */
static int packs_alone(const ir_const *w, size_t *bytes) {
    int n = 0;
    *bytes = 0;
    ck_assert_ptr_null(w->tensor.data);
    for (const ir_pack *p = w->packs; p; p = p->next, n++) *bytes += p->bytes;
    return n;
}

/* Two lengths of few positions and two of many: where padding depends on the length, too, all plans read one pack of an arrangement. */
static const struct { char type; const char *attrs; int64_t lengths[2][2]; bool both, plain[2]; } shapes_of_x[] = {
    {'f', "strides=2,", {{1, 3}, {300, 303}}, true, {false, true}},
    {'d', "strides=2, pads=1,1", {{2, 3}, {300, 303}}, true, {false, true}},
    {'f', "strides=7, dilations=2, output_padding=1,", {{1, 3}, {300, 303}}, true, {false, true}},
    {'f', "strides=4, dilations=2, auto_pad=SAME_UPPER", {{1, 3}, {300, 303}}, true, {false, true}},
    {'f', "strides=2, output_shape=8,", {{3, 5}, {300, 303}}, false, {false, false}},      /* few positions, whatever the input's size */
    {'f', "strides=2, group=2", {{1, 3}, {300, 303}}, false, {true, true}},
    {'d', "group=4", {{1, 3}, {300, 303}}, false, {true, true}},
};

START_TEST(transposed_weights_once)
{
    char conv[128];
    const char type = shapes_of_x[_i].type;
    const size_t raw = T_COUNT * (type == 'f' ? sizeof(float) : sizeof(double));
    size_t bytes;
    snprintf(conv, sizeof conv, "ConvTranspose x,w > y %s", shapes_of_x[_i].attrs);
    model_text computed = load_transposed(type, conv, type == 'f' ? "y:f" : "y:d", false);
    for (int order = 0; order < 2; order++) {
        model_text t = load_transposed(type, conv, type == 'f' ? "y:f" : "y:d", true);
        const ir_const *w = weights_of(&t);
        ck_assert_int_eq(packs_alone(w, &bytes), 1);
        for (int turn = 0; turn < 4; turn++) {
            int64_t length = shapes_of_x[_i].lengths[turn / 2 ^ order][turn % 2];
            run_transposed(&t, type, length, true);
            run_transposed(&computed, type, length, false);
            same_outputs(&t, &computed, 1);
            ck_assert_int_eq(packs_alone(w, &bytes), 1 + (turn / 2 && shapes_of_x[_i].both));
            /* a plan has room for weights that a run computes, and for no others */
            ck_assert_uint_eq(t.session->current->plan->prepared_bytes + raw, computed.session->current->plan->prepared_bytes);
            if (turn == 0 && shapes_of_x[_i].plain[order]) ck_assert_uint_eq(bytes, raw);
        }
        model_text_done(&t);
    }
    model_text_done(&computed);
}
END_TEST

/* Who asks sees the elements as they were, and nodes of one class read one pack: padding makes no other, stride and dilation do. */
START_TEST(transposed_weights_shared)
{
    static const struct { const char *second; int packs; } cases[] = {
        {"strides=2, pads=2,1", 1}, {"strides=2, auto_pad=SAME_LOWER", 1}, {"strides=4, dilations=2,", 1}, {"strides=3,", 2}, {"strides=2, dilations=2,", 2}, {"strides=2, group=2", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char convs[256];
        size_t bytes;
        const void *data;
        snprintf(convs, sizeof convs, "ConvTranspose x,w > y strides=2,; ConvTranspose x,w > z %s", cases[i].second);
        model_text computed = load_transposed('f', convs, "y:f z:f", false), t = load_transposed('f', convs, "y:f z:f", true);
        ir_const *w = (ir_const *)(uintptr_t)weights_of(&t);
        ck_assert_int_eq(packs_alone(w, &bytes), cases[i].packs);
        run_transposed(&t, 'f', 3, true);
        run_transposed(&computed, 'f', 3, false);
        same_outputs(&t, &computed, 2);
        ck_assert_int_eq(packs_alone(w, &bytes), cases[i].packs);
        ck_assert(!ir_const_data(w, &data, NULL));
        for (int k = 0; k < T_COUNT; k++) ck_assert(((const float *)data)[k] == (float)weight(k));
        model_text_done(&t);
        model_text_done(&computed);
    }
}
END_TEST

/* What was packed for a node that is folded away goes with its constants. */
START_TEST(folded_weights_go)
{
    model_text t = model_text_load(model_text_graph("x:f[?,?,?]", "y:f", "a = f[1,2,3] 1,2,3,4,5,6; w = f[2,1,2] 1,2,3,4; ConvTranspose a,w > c; Add x,c > y", NULL), NULL);
    const ir_graph *g = t.model->onnx.graph;
    int constants = 0;
    ck_assert_uint_eq(g->n_nodes, 1);
    for (size_t i = 0; i < g->n_values; i++) constants += g->values[i]->constant != NULL;
    ck_assert_int_eq(constants, 1);
    model_text_done(&t);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("weights_once");
    unit_add(s, "convolution_weights_once", convolution_weights_once);
    unit_add(s, "convolution_of_a_known_shape", convolution_of_a_known_shape);
    unit_add_loop(s, "transposed_weights_once", transposed_weights_once, 0, (int)(sizeof shapes_of_x / sizeof *shapes_of_x));
    unit_add(s, "transposed_weights_shared", transposed_weights_shared);
    unit_add(s, "folded_weights_go", folded_weights_go);
    return s;
}
