/* convert/state_dict: which tensor is what, by key and shape. */
#include "convert/state_dict.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_LAYERS = 100 };

static const char *const leaves[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};

/* A key taken apart: MODULE.weight_ih_l3_reverse. */
typedef struct key { size_t module; const char *leaf; int which, layer; bool reverse; } key;

static key take_apart(const char *name) {
    const char *dot = strrchr(name, '.');
    key k = {dot ? (size_t)(dot - name) : 0, dot ? dot + 1 : name, -1, 0, false};
    for (int i = 0; i < 4; i++) {
        size_t n = strlen(leaves[i]);
        if (strncmp(k.leaf, leaves[i], n) || k.leaf[n] != '_' || k.leaf[n + 1] != 'l') continue;
        const char *digits = k.leaf + n + 2, *s = digits;
        while (*s >= '0' && *s <= '9' && s - digits < 4) k.layer = 10 * k.layer + (*s++ - '0');
        k.reverse = !strcmp(s, "_reverse");
        if (s > digits && (*digits != '0' || s == digits + 1) && (!*s || k.reverse) && k.layer < MOST_LAYERS) k.which = i;
    }
    return k;
}

const clstm_tensor *convert_dict_find(const convert_dict *dict, const convert_module *m, int which, int layer, bool reverse) {
    for (size_t i = 0; i < dict->n; i++) {
        key k = take_apart(dict->weights[i].name);
        if (k.which == which && k.layer == layer && k.reverse == reverse && k.module == strlen(m->name) && !strncmp(dict->weights[i].name, m->name, k.module))
            return &dict->weights[i].tensor;
    }
    return NULL;
}

static clstm_status module_of(convert_dict *dict, const char *name, size_t length, convert_kind kind, convert_module **out, clstm_error *err) {
    for (size_t i = 0; i < dict->n_modules; i++)
        if (strlen(dict->modules[i].name) == length && !strncmp(dict->modules[i].name, name, length)) {
            *out = &dict->modules[i];
            bool same = ((*out)->kind == CONVERT_RECURRENT) == (kind == CONVERT_RECURRENT);
            return same ? CLSTM_OK : util_fail(err, CLSTM_UNSUPPORTED, "its module has recurrent and other tensors");
        }
    if (dict->n_modules == CONVERT_MODULES) return util_fail(err, CLSTM_UNSUPPORTED, "more than %d modules", CONVERT_MODULES);
    if (!util_grow((void **)&dict->modules, &dict->cap_modules, dict->n_modules + 1, sizeof *dict->modules)) return util_no_memory(err);
    *out = &dict->modules[dict->n_modules];
    **out = (convert_module){.kind = kind, .name = util_arena_strndup(&dict->arena, name, length)};
    if (!(*out)->name) return util_no_memory(err);
    dict->n_modules++;
    return CLSTM_OK;
}

static clstm_status sort_in(convert_dict *dict, const clstm_convert_weight *w, clstm_error *err) {
    key k = take_apart(w->name);
    clstm_type type = dict->weights[0].tensor.type;
    bool weight = !strcmp(k.leaf, "weight"), bias = !strcmp(k.leaf, "bias");
    if (!strncmp(k.leaf, "weight_hr", 9)) return util_fail(err, CLSTM_UNSUPPORTED, "an LSTM with a projection (proj_size): ONNX has none");
    for (int i = 0; i < 4; i++)
        if (!strcmp(k.leaf, leaves[i])) return util_fail(err, CLSTM_UNSUPPORTED, "a single cell: its loop over time is not in a state_dict");
    if (k.which < 0 && !weight && !bias) return util_fail(err, CLSTM_UNSUPPORTED, "no tensor of LSTM, GRU, RNN, Linear or Embedding");
    if (w->tensor.type != type) return util_fail(err, CLSTM_UNSUPPORTED, "it is %s, the first one %s", clstm_type_name(w->tensor.type), clstm_type_name(type));
    if (clstm_tensor_count(&w->tensor) <= 0) return util_fail(err, CLSTM_UNSUPPORTED, "it has no elements");
    convert_module *m = NULL;
    UTIL_TRY(module_of(dict, w->name, k.module, k.which >= 0 ? CONVERT_RECURRENT : CONVERT_TABLE, &m, err));
    m->tensors++;
    if (weight) m->weight = &w->tensor;
    if (bias) m->bias = &w->tensor;
    if (k.which < 0) return CLSTM_OK;
    if (k.layer >= m->layers) m->layers = k.layer + 1;
    if (k.reverse) m->directions |= 2;
    else m->directions |= 1;
    m->has_bias |= k.which >= CONVERT_BIAS_IH;
    return CLSTM_OK;
}

/* ---- shapes -------------------------------------------------------------------------------------------------------------------- */

static clstm_status expect(const convert_dict *dict, const convert_module *m, int which, int layer, bool reverse, int64_t rows, int64_t columns, clstm_error *err) {
    const clstm_tensor *t = convert_dict_find(dict, m, which, layer, reverse);
    char have[200], want[200];
    if (!t) return util_fail(err, CLSTM_BAD_ARGUMENT, "%s_l%d%s is missing", leaves[which], layer, reverse ? "_reverse" : "");
    clstm_tensor shape = clstm_tensor_view(t->type, columns ? 2 : 1, (int64_t[]){rows, columns}, NULL);
    if (tensor_same_shape(t, &shape)) return CLSTM_OK;
    return util_fail(err, CLSTM_BAD_ARGUMENT, "%s_l%d%s has shape %s, expected %s", leaves[which], layer, reverse ? "_reverse" : "",
                     tensor_shape_text(have, sizeof have, t), tensor_shape_text(want, sizeof want, &shape));
}

static clstm_status check_recurrent(const convert_dict *dict, convert_module *m, clstm_error *err) {
    m->reverse = m->directions == 2;
    m->directions = m->directions == 3 ? 2 : 1;
    const clstm_tensor *ih = convert_dict_find(dict, m, CONVERT_WEIGHT_IH, 0, m->reverse), *hh = convert_dict_find(dict, m, CONVERT_WEIGHT_HH, 0, m->reverse);
    if (!ih || !hh) return util_fail(err, CLSTM_BAD_ARGUMENT, "%s_l0%s is missing", leaves[ih ? CONVERT_WEIGHT_HH : CONVERT_WEIGHT_IH], m->reverse ? "_reverse" : "");
    char text[200];
    int64_t rows = hh->rank == 2 ? hh->dims[0] : 0, hidden = hh->rank == 2 ? hh->dims[1] : 1;
    int64_t gates = rows % hidden ? 0 : rows / hidden;
    if (gates != 4 && gates != 3 && gates != 1) return util_fail(err, CLSTM_BAD_ARGUMENT, "weight_hh_l0 of shape %s is that of no LSTM, GRU or RNN", tensor_shape_text(text, sizeof text, hh));
    m->cell = gates == 4 ? RNN_LSTM : gates == 3 ? RNN_GRU : RNN_RNN;
    m->hidden = hidden;
    m->in = ih->rank == 2 ? ih->dims[1] : 0;
    m->out = hidden * m->directions;
    if (m->tensors != (size_t)m->layers * (size_t)m->directions * (m->has_bias ? 4 : 2))
        return util_fail(err, CLSTM_BAD_ARGUMENT, "%zu tensors do not make %d layers of %d directions", m->tensors, m->layers, m->directions);
    for (int l = 0; l < m->layers; l++)
        for (int d = 0; d < m->directions; d++) {
            bool reverse = d || m->reverse;
            UTIL_TRY(expect(dict, m, CONVERT_WEIGHT_IH, l, reverse, rows, l ? m->out : m->in, err));
            UTIL_TRY(expect(dict, m, CONVERT_WEIGHT_HH, l, reverse, rows, hidden, err));
            if (m->has_bias) UTIL_TRY(expect(dict, m, CONVERT_BIAS_IH, l, reverse, rows, 0, err));
            if (m->has_bias) UTIL_TRY(expect(dict, m, CONVERT_BIAS_HH, l, reverse, rows, 0, err));
        }
    return CLSTM_OK;
}

static clstm_status check_table(convert_module *m, clstm_error *err) {
    char text[200];
    if (!m->weight) return util_fail(err, CLSTM_BAD_ARGUMENT, "a bias without a weight");
    if (m->weight->rank != 2) return util_fail(err, CLSTM_UNSUPPORTED, "a weight of shape %s is none of Linear or Embedding", tensor_shape_text(text, sizeof text, m->weight));
    m->in = m->weight->dims[1];
    m->out = m->weight->dims[0];
    if (!m->bias) return CLSTM_OK;
    m->kind = CONVERT_LINEAR;
    if (m->bias->rank == 1 && m->bias->dims[0] == m->out) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "a bias of shape %s is not that of a Linear with %lld outputs", tensor_shape_text(text, sizeof text, m->bias), (long long)m->out);
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static clstm_status check_names(const clstm_convert_weight *weights, size_t n, clstm_error *err) {
    char text[200];
    const char **names = util_calloc(n, sizeof *names), *twice = NULL;
    if (!names) return util_no_memory(err);
    for (size_t i = 0; i < n; i++) names[i] = weights[i].name;
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 1; i < n && !twice; i++)
        if (!strcmp(names[i], names[i - 1])) twice = names[i];
    free(names);
    return twice ? util_fail(err, CLSTM_BAD_ARGUMENT, "tensor \"%s\" is there twice", util_escape(text, sizeof text, twice)) : CLSTM_OK;
}

clstm_status convert_dict_read(convert_dict *dict, const clstm_convert_weight *weights, size_t n, clstm_error *err) {
    char text[200];
    if (!n) return util_fail(err, CLSTM_BAD_ARGUMENT, "there are no tensors");
    dict->weights = weights;
    dict->n = n;
    UTIL_TRY(check_names(weights, n, err));
    for (size_t i = 0; i < n; i++) {
        clstm_status s = type_is_float(weights[i].tensor.type) ? sort_in(dict, &weights[i], err)
                         : util_fail(err, CLSTM_UNSUPPORTED, "weights are %s, not float", clstm_type_name(weights[i].tensor.type));
        if (s != CLSTM_OK) return util_context(err, s, "tensor \"%s\"", util_escape(text, sizeof text, weights[i].name));
    }
    bool any = false;
    for (size_t i = 0; i < dict->n_modules; i++) {
        convert_module *m = &dict->modules[i];
        clstm_status s = m->kind == CONVERT_RECURRENT ? check_recurrent(dict, m, err) : check_table(m, err);
        if (s != CLSTM_OK) return util_context(err, s, "module \"%s\"", util_escape(text, sizeof text, m->name));
        any |= m->kind == CONVERT_RECURRENT;
    }
    if (!any) return util_fail(err, CLSTM_UNSUPPORTED, "there is no LSTM, GRU or RNN among the tensors");
    return convert_dict_order(dict, err);
}

void convert_dict_free(convert_dict *dict) {
    free(dict->modules);
    util_arena_destroy(&dict->arena);
}
