/* Models for tests, written as text. */
#include "model_text.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

clstm_type model_text_type(char letter) {
    static const char letters[] = "fdibhgcuswnmq";
    static const clstm_type types[] = {CLSTM_FLOAT, CLSTM_DOUBLE, CLSTM_INT64, CLSTM_BOOL, CLSTM_FLOAT16, CLSTM_BFLOAT16, CLSTM_INT8, CLSTM_UINT8, CLSTM_INT16, CLSTM_UINT16,
                                       CLSTM_INT32, CLSTM_UINT32, CLSTM_UINT64};
    const char *at = letter ? strchr(letters, letter) : NULL;
    if (!at) abort();
    return types[at - letters];
}

/* Cuts the next word off *s; NULL at the end. */
static char *word(char **s, const char *between) {
    *s += strspn(*s, between);
    if (!**s) return NULL;
    char *w = *s;
    *s += strcspn(*s, between);
    if (**s) *(*s)++ = 0;
    return w;
}

static void ports(pbuf *g, unsigned field, const char *list) {
    char *copy = strdup(list), *s = copy, *w;
    while ((w = word(&s, " "))) {
        pbuf port = {0}, type = {0}, tensor = {0}, shape = {0};
        char *colon = strchr(w, ':'), *dims;
        if (colon) {
            *colon = 0;
            pb_int(&tensor, 1, model_text_type(colon[1]));
            if ((dims = strchr(colon + 1, '['))) {
                for (dims++; *dims && *dims != ']'; dims += *dims == ',') {
                    pbuf d = {0};
                    if (*dims == '?') {
                        size_t n = strcspn(++dims, ",]");
                        if (n) pb_bytes(&d, 2, dims, n);
                        dims += n;
                    } else pb_int(&d, 1, strtoll(dims, &dims, 10));
                    pb_msg(&shape, 1, d);
                }
                pb_msg(&tensor, 2, shape);
            }
            pb_msg(&type, 1, tensor);
        }
        pb_text(&port, 1, w);
        if (colon) pb_msg(&port, 2, type);
        pb_msg(g, field, port);
    }
    free(copy);
}

static void constant(pbuf *g, const char *name, char *text) {
    char letter = *text, *dims = strchr(text, '[') + 1, *end = strchr(dims, ']');
    *end = 0;
    pbuf t = pb_tensor(name, (int)model_text_type(letter), dims), data = {0};
    for (char *s = end + 1; *s;) {
        if (letter == 'i') { int64_t v = strtoll(s, &s, 10); pb_raw(&data, &v, 8); }
        else if (letter == 'n') { int32_t v = (int32_t)strtol(s, &s, 10); pb_raw(&data, &v, 4); }
        else if (letter == 'b') { unsigned char v = (unsigned char)strtol(s, &s, 10); pb_raw(&data, &v, 1); }
        else if (letter == 'd') { double v = strtod(s, &s); pb_raw(&data, &v, 8); }
        else { float v = strtof(s, &s); pb_raw(&data, &v, 4); }
        s += strspn(s, ", ");
    }
    pb_bytes(&t, 9, data.data, data.n);
    pb_free(&data);
    pb_msg(g, F_GRAPH_INIT, t);
}

static void attribute(pbuf *node, char *text, pbuf *bodies) {
    char *value = strchr(text, '=');
    *value++ = 0;
    pbuf a;
    if (*value == '@') {
        a = pb_attr(text, 5);
        pb_msg(&a, 6, bodies[atoi(value + 1)]);
    } else if ((*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') || !strncmp(value, "...", 3)) {
        a = pb_attr(text, 3);
        pb_text(&a, 4, value);
    } else if (strchr(value, ',')) {
        a = pb_attr(text, 7);
        for (char *s = value, *from; *s; s += *s == ',') {
            from = s;
            pb_int(&a, 8, strtoll(s, &s, 10));
            if (s == from) abort();
        }
    } else if (strchr(value, '.')) {
        a = pb_attr(text, 1);
        pb_float(&a, 2, strtof(value, NULL));
    } else {
        a = pb_attr(text, 2);
        pb_int(&a, 3, strtoll(value, NULL, 10));
    }
    pb_msg(node, F_NODE_ATTR, a);
}

pbuf model_text_graph(const char *inputs, const char *outputs, const char *nodes, pbuf *bodies) {
    pbuf g = {0};
    char *copy = strdup(nodes), *s = copy, *line;
    pb_text(&g, 2, "g");
    ports(&g, F_GRAPH_INPUT, inputs);
    ports(&g, F_GRAPH_OUTPUT, outputs);
    while ((line = word(&s, ";"))) {
        char *op = word(&line, " \n"), *in, *out, *w;
        if (!op) continue;
        line += strspn(line, " ");
        if (*line == '=') {
            constant(&g, op, line + 2);
            continue;
        }
        in = *line == '>' ? line : word(&line, " ");
        bool none = *in == '>';
        word(&line, " ");
        out = word(&line, " ");
        char *name = strchr(op, ':');
        if (name) *name++ = 0;
        pbuf n = pb_node(name ? name : op, "", none ? "" : in, out);
        if (name) pb_text(&n, F_NODE_DOMAIN, op);
        while ((w = word(&line, " "))) attribute(&n, w, bodies);
        pb_msg(&g, F_GRAPH_NODE, n);
    }
    free(copy);
    return g;
}

pbuf model_text_model(pbuf graph) {
    pbuf m = pb_model(graph), opset = {0};
    pb_text(&opset, 1, "own");
    pb_int(&opset, 2, 3);
    pb_msg(&m, F_MODEL_OPSET, opset);
    return m;
}

model_text model_text_try(pbuf graph, const clstm_session_options *options) { return model_text_try_with(graph, options, NULL); }

model_text model_text_try_with(pbuf graph, const clstm_session_options *options, clstm_operators *operators) {
    model_text t = {0};
    pbuf m = model_text_model(graph);
    clstm_model_options o = {.limits = options ? options->limits : NULL, .operators = operators};
    if (clstm_model_load_memory(m.data, m.n, NULL, &o, &t.model, &t.err) == CLSTM_OK) clstm_session_create(t.model, options, &t.session, &t.err);
    pb_free(&m);
    return t;
}

model_text model_text_load(pbuf graph, const clstm_session_options *options) {
    model_text t = model_text_try(graph, options);
    ck_assert_msg(t.session != NULL, "%s", t.err.message);
    return t;
}

void model_text_done(model_text *t) {
    clstm_session_destroy(t->session);
    clstm_model_destroy(t->model);
    memset(t, 0, sizeof *t);
}
