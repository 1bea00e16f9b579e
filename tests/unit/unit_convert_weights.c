/* convert/gates, convert/state_dict, convert/state_order: gate orders, and what a PyTorch state_dict's keys and shapes say. */
#include "unit_main.h"

#include "convert/gates.h"
#include "convert/state_dict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The blocks by letter: ONNX has i,o,f,c and z,r,h; PyTorch i,f,g,o and r,z,n, where g is c and n is h. */
START_TEST(gates_change_places)
{
    static const struct { rnn_kind kind; const char *onnx, *torch; } cells[] = {
        {RNN_LSTM, "iofc", "ifco"}, {RNN_GRU, "zrh", "rzh"}, {RNN_RNN, "a", "a"}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        char out[5] = "", back[5] = "";
        int n = convert_gates(cells[i].kind);
        ck_assert_int_eq(n, (int)strlen(cells[i].onnx));
        convert_gates_copy(cells[i].kind, true, out, cells[i].torch, 1);
        ck_assert_str_eq(out, cells[i].onnx);
        convert_gates_copy(cells[i].kind, false, back, cells[i].onnx, 1);
        ck_assert_str_eq(back, cells[i].torch);
        for (int k = 0; k < n; k++) ck_assert_int_eq(cells[i].torch[convert_gate(cells[i].kind, k)], cells[i].onnx[k]);
    }
    float torch[8] = {1, 1.5f, 2, 2.5f, 3, 3.5f, 4, 4.5f}, onnx[8];     /* blocks of several bytes move whole */
    convert_gates_copy(RNN_LSTM, true, onnx, torch, 2 * sizeof(float));
    static const float expected[8] = {1, 1.5f, 4, 4.5f, 2, 2.5f, 3, 3.5f};
    ck_assert_mem_eq(onnx, expected, sizeof onnx);
}
END_TEST

enum { MOST = 24 };

/* A state_dict as text: "KEY 4x3; KEY 4; ..." of floats without elements. */
typedef struct text_dict { convert_dict dict; clstm_convert_weight weights[MOST]; char text[1000]; clstm_error err; } text_dict;

static clstm_status read_text(text_dict *t, const char *text) {
    size_t n = 0;
    memset(t, 0, sizeof *t);
    snprintf(t->text, sizeof t->text, "%s", text);
    for (char *entry = strtok(t->text, ";"); entry; entry = strtok(NULL, ";")) {
        int64_t dims[2] = {0};
        int rank = 0;
        entry += strspn(entry, " ");
        char *shape = strchr(entry, ' ');
        *shape++ = 0;
        for (; *shape; shape += *shape == 'x') dims[rank++] = strtoll(shape, &shape, 10);
        t->weights[n++] = (clstm_convert_weight){entry, clstm_tensor_view(CLSTM_FLOAT, rank, dims, NULL)};
    }
    return convert_dict_read(&t->dict, t->weights, n, &t->err);
}

/* in 3, hidden 2 */
#define SMALL_LSTM(name) name "weight_ih_l0 8x3; " name "weight_hh_l0 8x2; " name "bias_ih_l0 8; " name "bias_hh_l0 8"

/* The modules in their order: name, kind, in > out, and of recurrent ones layers and directions. */
static const char *shown(const convert_dict *d) {
    static char text[400];
    size_t used = 0;
    for (size_t i = 0; i < d->n_modules; i++) {
        const convert_module *m = &d->modules[i];
        const char *kind = m->kind == CONVERT_LINEAR ? "Linear" : m->kind == CONVERT_EMBEDDING ? "Embedding" : m->kind == CONVERT_TABLE ? "table"
                           : m->cell == RNN_LSTM ? "LSTM" : m->cell == RNN_GRU ? "GRU" : "RNN";
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %s %lld>%lld", i ? ", " : "", m->name, kind, (long long)m->in, (long long)m->out);
        if (m->kind == CONVERT_RECURRENT) used += (size_t)snprintf(text + used, sizeof text - used, " %dx%d%s%s", m->layers, m->directions, m->reverse ? " reverse" : "", m->has_bias ? "" : " plain");
    }
    return text;
}

static const struct { const char *dict, *modules; } readable[] = {
    {SMALL_LSTM(""), " LSTM 3>2 1x1"},
    {SMALL_LSTM("enc.rnn."), "enc.rnn LSTM 3>2 1x1"},
    {"gru.weight_ih_l0 6x5; gru.weight_hh_l0 6x2", "gru GRU 5>2 1x1 plain"},
    {"r.weight_hh_l0 4x4; r.weight_ih_l0 4x1", "r RNN 1>4 1x1 plain"},
    {"r.weight_ih_l0_reverse 4x3; r.weight_hh_l0_reverse 4x4", "r RNN 3>4 1x1 reverse plain"},
    {"r.weight_ih_l0 4x3; r.weight_hh_l0 4x4; r.weight_ih_l0_reverse 4x3; r.weight_hh_l0_reverse 4x4; r.weight_ih_l1 4x8; r.weight_hh_l1 4x4; "
     "r.weight_ih_l1_reverse 4x8; r.weight_hh_l1_reverse 4x4", "r RNN 3>8 2x2 plain"},
    /* in any order of the file: sizes and numbers tell */
    {"out.weight 5x2; out.bias 5; " SMALL_LSTM("lstm.") "; in.weight 3x7; in.bias 3", "in Linear 7>3, lstm LSTM 3>2 1x1, out Linear 2>5"},
    {SMALL_LSTM("lstm.") "; emb.weight 30x3", "emb Embedding 30>3, lstm LSTM 3>2 1x1"},
    {"r10.weight_ih_l0 4x4; r10.weight_hh_l0 4x4; r9.weight_ih_l0 4x4; r9.weight_hh_l0 4x4", "r9 RNN 4>4 1x1 plain, r10 RNN 4>4 1x1 plain"},
};

START_TEST(keys_and_shapes_make_modules)
{
    text_dict t;
    clstm_status s = read_text(&t, readable[_i].dict);
    ck_assert_msg(s == CLSTM_OK, "%s: %s", readable[_i].dict, t.err.message);
    ck_assert_str_eq(shown(&t.dict), readable[_i].modules);
    convert_dict_free(&t.dict);
}
END_TEST

static const struct { const char *dict; clstm_status status; const char *words; } refused[] = {
    {"l.weight 2x3; l.bias 2", CLSTM_UNSUPPORTED, "there is no LSTM, GRU or RNN"},
    {SMALL_LSTM("a.") "; a.weight_hr_l0 1x2", CLSTM_UNSUPPORTED, "proj_size"},
    {"cell.weight_ih 8x3; cell.weight_hh 8x2", CLSTM_UNSUPPORTED, "a single cell"},
    {SMALL_LSTM("a.") "; norm.running_mean 4", CLSTM_UNSUPPORTED, "\"norm.running_mean\": no tensor of LSTM"},
    {SMALL_LSTM("a.") "; a.weight_ih_l01 8x2", CLSTM_UNSUPPORTED, "\"a.weight_ih_l01\": no tensor of LSTM"},
    {SMALL_LSTM("a.") "; a.weight 2x2", CLSTM_UNSUPPORTED, "recurrent and other tensors"},
    {SMALL_LSTM("") "; bias_hh_l0 8", CLSTM_BAD_ARGUMENT, "\"bias_hh_l0\" is there twice"},
    {"r.weight_ih_l0 8x3; r.weight_hh_l0 8x2; r.bias_ih_l0 8", CLSTM_BAD_ARGUMENT, "\"r\": 3 tensors do not make 1 layers of 1 directions"},
    {"r.weight_ih_l0 8x3; r.weight_hh_l0 8x2; r.weight_ih_l1 8x3; r.weight_hh_l1 8x2", CLSTM_BAD_ARGUMENT, "weight_ih_l1 has shape [8,3], expected [8,2]"},
    {"r.weight_ih_l0 6x3; r.weight_hh_l0 8x2", CLSTM_BAD_ARGUMENT, "weight_ih_l0 has shape [6,3], expected [8,3]"},
    {"r.weight_ih_l0 4x3; r.weight_hh_l0 4x2", CLSTM_BAD_ARGUMENT, "of shape [4,2] is that of no LSTM, GRU or RNN"},
    {"r.weight_ih_l1 8x3; r.weight_hh_l1 8x2", CLSTM_BAD_ARGUMENT, "weight_ih_l0 is missing"},
    {SMALL_LSTM("a.") "; l.bias 2", CLSTM_BAD_ARGUMENT, "\"l\": a bias without a weight"},
    {SMALL_LSTM("a.") "; l.weight 5x2; l.bias 4", CLSTM_UNSUPPORTED, "a bias of shape [4] is not that of a Linear with 5 outputs"},
    {SMALL_LSTM("a.") "; l.weight 5x9; l.bias 5", CLSTM_UNSUPPORTED, "fit in no order"},
    {SMALL_LSTM("a.") "; l.weight 5x2; l.bias 5; m.weight 4x5; m.bias 4", CLSTM_UNSUPPORTED, "two Linear in a row"},
    {"a.weight_ih_l0 4x4; a.weight_hh_l0 4x4; b.weight_ih_l0 4x4; b.weight_hh_l0 4x4", CLSTM_UNSUPPORTED, "modules \"a\" and \"b\" fit in either order"},
    {SMALL_LSTM("a.") "; l.weight 3x3", CLSTM_UNSUPPORTED, "\"l\" may be a Linear or an Embedding"},
    {SMALL_LSTM("lstm.") "; emb.weight 2x7", CLSTM_UNSUPPORTED, "fit in no order"},
    {"r.weight_ih_l0 0x3; r.weight_hh_l0 0x2", CLSTM_UNSUPPORTED, "it has no elements"},
};

START_TEST(what_leaves_a_doubt_is_refused_by_name)
{
    text_dict t;
    ck_assert_int_eq(read_text(&t, refused[_i].dict), refused[_i].status);
    ck_assert_msg(strstr(t.err.message, refused[_i].words) != NULL, "%s: %s", refused[_i].words, t.err.message);
    convert_dict_free(&t.dict);
}
END_TEST

START_TEST(types_are_one_and_floating)
{
    text_dict t;
    clstm_error err;
    ck_assert_int_eq(read_text(&t, SMALL_LSTM("")), CLSTM_OK);
    convert_dict_free(&t.dict);
    t.weights[2].tensor.type = CLSTM_DOUBLE;
    t.dict = (convert_dict){0};
    ck_assert_int_eq(convert_dict_read(&t.dict, t.weights, 4, &err), CLSTM_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "it is double, the first one float"));
    convert_dict_free(&t.dict);
    t.weights[2].tensor.type = CLSTM_INT8;
    t.dict = (convert_dict){0};
    ck_assert_int_eq(convert_dict_read(&t.dict, t.weights, 4, &err), CLSTM_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "weights are int8, not float"));
    convert_dict_free(&t.dict);
    t.dict = (convert_dict){0};
    ck_assert_int_eq(convert_dict_read(&t.dict, t.weights, 0, &err), CLSTM_BAD_ARGUMENT);
    convert_dict_free(&t.dict);
}
END_TEST

START_TEST(tensors_are_found_by_layer_and_direction)
{
    text_dict t;
    ck_assert_int_eq(read_text(&t, "r.weight_ih_l0 4x3; r.weight_hh_l0 4x4; r.weight_ih_l1 4x4; r.weight_hh_l1 4x4; rr.weight_ih_l0 4x4; rr.weight_hh_l0 4x4"), CLSTM_OK);
    const convert_module *r = &t.dict.modules[0];
    ck_assert_str_eq(r->name, "r");
    ck_assert_ptr_eq(convert_dict_find(&t.dict, r, CONVERT_WEIGHT_IH, 0, false), &t.weights[0].tensor);
    ck_assert_ptr_eq(convert_dict_find(&t.dict, r, CONVERT_WEIGHT_HH, 1, false), &t.weights[3].tensor);
    ck_assert_ptr_eq(convert_dict_find(&t.dict, &t.dict.modules[1], CONVERT_WEIGHT_IH, 0, false), &t.weights[4].tensor);
    ck_assert_ptr_null(convert_dict_find(&t.dict, r, CONVERT_WEIGHT_IH, 0, true));
    ck_assert_ptr_null(convert_dict_find(&t.dict, r, CONVERT_BIAS_IH, 0, false));
    ck_assert_ptr_null(convert_dict_find(&t.dict, r, CONVERT_WEIGHT_IH, 2, false));
    convert_dict_free(&t.dict);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("convert_weights");
    unit_add(s, "gates change places", gates_change_places);
    unit_add_loop(s, "keys and shapes make modules", keys_and_shapes_make_modules, 0, sizeof readable / sizeof *readable);
    unit_add_loop(s, "what leaves a doubt is refused by name", what_leaves_a_doubt_is_refused_by_name, 0, sizeof refused / sizeof *refused);
    unit_add(s, "types are one and floating", types_are_one_and_floating);
    unit_add(s, "tensors are found by layer and direction", tensors_are_found_by_layer_and_direction);
    return s;
}
