/* Random graphs, random recurrent nodes and operators one by one: the emitted C, compiled in batches, against the runtime.
 * emit-random graphs|cells FROM COUNT, or operators [NAME...] */
#include "emit_batch.h"
#include "operator_cases.h"
#include "random_graph.h"

#include "../oracle/onnx_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed, skipped, open_cases;

enum { PORTS = 16, BATCH = 25 };
typedef struct trial { emit_case c; clstm_value in[PORTS], out[PORTS]; char text[4000]; const operator_case *of; } trial;

static void fail(const trial *t, const char *reason) {
    printf("not ok %s: %s\n", t->c.name, reason);
    if (t->text[0]) printf("    %s\n", t->text);
    failed++;
}

static void forget_data(trial *t) {
    for (int i = 0; i < PORTS; i++) { free(t->in[i].tensor.data); free(t->out[i].tensor.data); }
    memset(t->in, 0, sizeof t->in);
    memset(t->out, 0, sizeof t->out);
}

static void trial_free(trial *t) {
    forget_data(t);
    clstm_model_destroy(t->c.model);
    free(t);
}

static size_t bytes_of(const clstm_tensor *t) { return (size_t)clstm_tensor_count(t) * clstm_type_size(t->type); }

/* What the runtime makes of the inputs. */
static bool expect(trial *t, clstm_error *err) {
    clstm_session_options options = {.threads = 1};
    clstm_session *s;
    t->c.in = t->in;
    t->c.expected = t->out;
    if (clstm_model_input_count(t->c.model) > PORTS || clstm_model_output_count(t->c.model) > PORTS) { snprintf(err->message, sizeof err->message, "too many ports"); return false; }
    if (clstm_session_create(t->c.model, &options, &s, err) != CLSTM_OK) return false;
    bool ok = true;
    for (size_t i = 0; i < clstm_model_input_count(t->c.model) && ok; i++) ok = clstm_session_set_input(s, i, &t->in[i].tensor, err) == CLSTM_OK;
    ok = ok && clstm_session_run(s, err) == CLSTM_OK;
    for (size_t i = 0; i < clstm_model_output_count(t->c.model) && ok; i++) {
        t->out[i] = *clstm_session_output(s, i);
        size_t n = bytes_of(&t->out[i].tensor);
        void *copy = malloc(n + 1);
        if (!copy) abort();
        memcpy(copy, t->out[i].tensor.data, n);
        t->out[i].tensor.data = copy;
    }
    clstm_session_destroy(s);
    return ok;
}

static trial *graph_trial(uint64_t seed) {
    trial *t = calloc(1, sizeof *t);
    clstm_error err = {0};
    int64_t n, steps;
    if (!t) abort();
    snprintf(t->c.name, sizeof t->c.name, "graph %llu", (unsigned long long)seed);
    pbuf m = random_graph(seed, &n, &steps, t->text, sizeof t->text);
    t->c.rule = (compare_rule){1e-3, 1e-4, -1};
    clstm_status status = clstm_model_load_memory(m.data, m.n, NULL, NULL, &t->c.model, &err);
    pb_free(&m);
    for (int i = 0; i < 2 && status == CLSTM_OK; i++) {
        const clstm_port *p = clstm_model_input(t->c.model, (size_t)i);
        t->in[i] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){n, steps, p->tensor.dims[2]}, NULL)};
        int64_t count = clstm_tensor_count(&t->in[i].tensor);
        float *x = malloc((size_t)count * sizeof *x + 1);
        if (!x) abort();
        for (int64_t k = 0; k < count; k++) x[k] = (float)(random_unit(&seed) * 2 - 1);
        t->in[i].tensor.data = x;
    }
    if (status == CLSTM_OK && expect(t, &err)) return t;
    fail(t, err.message);
    trial_free(t);
    return NULL;
}

/* Data of a seed for a case of the table, and what the runtime says to them; open dimensions have 3 entries. */
static bool fill(trial *t, uint64_t seed) {
    clstm_error err = {0};
    forget_data(t);
    for (size_t i = 0; i < clstm_model_input_count(t->c.model); i++) {
        const clstm_tensor *p = &clstm_model_input(t->c.model, i)->tensor;
        int64_t dims[CLSTM_MAX_RANK];
        for (int d = 0; d < p->rank; d++) dims[d] = p->dims[d] < 0 ? 3 : p->dims[d];
        t->in[i] = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = clstm_tensor_view(p->type, p->rank, dims, NULL)};
        t->in[i].tensor.data = operator_case_data(t->of, (int)i, &t->in[i].tensor, &seed);
    }
    bool ok = expect(t, &err);
    if (t->of->bad ? !ok && err.status == CLSTM_BAD_ARGUMENT : ok) return true;
    fail(t, ok ? "the runtime takes it" : err.message);
    return false;
}

static trial *operator_trial(const operator_case *of) {
    trial *t = calloc(1, sizeof *t);
    clstm_error err = {0};
    if (!t) abort();
    snprintf(t->c.name, sizeof t->c.name, "%.100s", of->name);
    snprintf(t->text, sizeof t->text, "%s: %s", of->inputs, of->nodes);
    t->c.rule = (compare_rule){of->loose ? 1e-2 : 1e-5, of->loose ? 1e-2 : 1e-6, -1};
    t->c.as_it_is = true;
    t->c.bad = of->bad;
    t->of = of;
    pbuf m = operator_case_model(of);
    clstm_status status = clstm_model_load_memory(m.data, m.n, NULL, NULL, &t->c.model, &err);
    pb_free(&m);
    if (status != CLSTM_OK) fail(t, err.message);
    else if (fill(t, 1)) return t;
    trial_free(t);
    return NULL;
}

/* A node of the oracle's generator; sizes of zero have no C. */
static trial *cell_trial(uint64_t seed) {
    static const clstm_type types[] = {[ORACLE_FLOAT] = CLSTM_FLOAT, [ORACLE_DOUBLE] = CLSTM_DOUBLE, [ORACLE_FLOAT16] = CLSTM_FLOAT16, [ORACLE_BFLOAT16] = CLSTM_BFLOAT16};
    trial *t = calloc(1, sizeof *t);
    oracle_case c;
    onnx_bytes m = {0};
    clstm_error err = {0};
    size_t port = 0;
    if (!t || oracle_case_make(&c, FAMILY_SMALL, seed)) abort();
    snprintf(t->c.name, sizeof t->c.name, "cell %llu", (unsigned long long)seed);
    t->c.rule = (compare_rule){1e-3, 3e-6, -1};
    clstm_status status = c.T && c.B && onnx_write_model(&c, ONNX_AS_DRAWN, &m) ? clstm_model_load_memory(m.data, m.size, NULL, NULL, &t->c.model, &err) : CLSTM_LIMIT;
    for (int i = 0; i < CASE_INPUTS && status == CLSTM_OK; i++) {
        int64_t dims[4];
        if (!onnx_is_input(&c, ONNX_AS_DRAWN, i)) continue;
        for (int d = 0; d < c.in[i].rank; d++) dims[d] = (int64_t)c.in[i].dims[d];
        clstm_value *v = &t->in[port++];
        *v = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = clstm_tensor_view(i == IN_LENS ? CLSTM_INT32 : types[c.type], c.in[i].rank, dims, NULL)};
        size_t n = bytes_of(&v->tensor);
        v->tensor.data = malloc(n + 1);
        if (!v->tensor.data) abort();
        memcpy(v->tensor.data, c.in[i].bytes, n);
    }
    bool ok = status == CLSTM_OK && expect(t, &err);
    onnx_bytes_free(&m);
    oracle_case_free(&c);
    if (ok) return t;
    if (status == CLSTM_LIMIT) skipped++;
    else fail(t, err.message);
    trial_free(t);
    return NULL;
}

static void finish(emit_batch *b) {
    static char reason[4000];
    bool compiled = emit_batch_compile(b, reason, sizeof reason);
    if (!compiled) { printf("not ok compiling %s ...: %s\n", b->cases[0]->name, reason); failed++; }
    for (int i = 0; i < b->n; i++) {
        trial *t = (trial *)b->cases[i];
        open_cases += t->c.open;
        for (uint64_t seed = 1; compiled && seed <= (t->of ? 5 : 1); seed++) {
            if (seed > 1 && !fill(t, seed)) break;
            if (emit_batch_run(b, i, reason, sizeof reason)) passed++;
            else fail(t, reason);
        }
        trial_free(t);
    }
    emit_batch_free(b);
}

static bool asked_for(int which, int n, char **names) {
    for (int k = 0; k < n; k++)
        if (!strcmp(operator_cases[which].name, names[k])) return true;
    return !n;
}

/* Every case with five sets of data; one that says so must be refused, by these words. */
static void run_operators(emit_batch *b, int n, char **names) {
    char reason[1200];
    bool refused;
    for (int k = 0; operator_cases[k].name; k++) {
        trial *t = asked_for(k, n, names) ? operator_trial(&operator_cases[k]) : NULL;
        if (!t) continue;
        const char *words = t->of->refused;
        bool added = emit_batch_add(b, &t->c, reason, sizeof reason, &refused);
        if (words && (added || !refused || !strstr(reason, words))) fail(t, added ? "not refused" : reason);
        else if (words) passed++;
        else if (!added) fail(t, reason);
        if (!added) trial_free(t);
        if (b->n == BATCH) finish(b);
    }
}

/* A model whose every name tries to leave its string, its comment or its line. */
static int write_hostile(const char *path) {
    static const char name[] = "*/ int injected = 1; /* \" \\\" ?\?/\" ?\?/\n#error injected \\\n%s%n \r\xc3\xa9 */";
    pbuf g = {0}, weights[3] = {pb_tensor("w", 1, "1,3,2"), pb_tensor("r", 1, "1,3,1"), {0}}, hidden = pb_attr("hidden_size", 2), m, port = {0}, type = {0}, tensor = {0}, shape = {0}, d = {0};
    static const float zero[6] = {0.5f, -0.25f, 1, 2, -1, 0.125f};
    char inputs[200];
    pb_text(&g, 2, name);
    pb_text(&d, 2, name);
    pb_msg(&shape, 1, d);
    for (int k = 1; k <= 2; k++) {
        pbuf fixed = {0};
        pb_int(&fixed, 1, k);
        pb_msg(&shape, 1, fixed);
    }
    pb_int(&tensor, 1, 1);
    pb_msg(&tensor, 2, shape);
    pb_msg(&type, 1, tensor);
    pb_text(&port, 1, name);
    pb_msg(&port, 2, type);
    pb_msg(&g, F_GRAPH_INPUT, port);
    port = (pbuf){0};
    pb_text(&port, 1, "*/?\?/\\");
    pb_msg(&g, F_GRAPH_OUTPUT, port);
    pb_bytes(&weights[0], 9, zero, 24);
    pb_bytes(&weights[1], 9, zero, 12);
    for (int k = 0; k < 2; k++) pb_msg(&g, F_GRAPH_INIT, weights[k]);
    snprintf(inputs, sizeof inputs, "%s,w,r", name);
    pbuf n = pb_node("GRU", name, inputs, "*/?\?/\\");
    pb_int(&hidden, 3, 1);
    pb_msg(&n, F_NODE_ATTR, hidden);
    pb_msg(&g, F_GRAPH_NODE, n);
    m = pb_model(g);
    FILE *f = fopen(path, "wb");
    bool ok = f && fwrite(m.data, 1, m.n, f) == m.n;
    if (f) ok &= !fclose(f);
    pb_free(&m);
    return ok ? 0 : 1;
}

int main(int argc, char **argv) {
    emit_batch b = {0};
    char reason[1200];
    bool refused;
    if (argc == 3 && !strcmp(argv[1], "hostile")) return write_hostile(argv[2]);
    bool operators = argc >= 2 && !strcmp(argv[1], "operators");
    if (operators) run_operators(&b, argc - 2, argv + 2);
    else if (argc != 4) { fprintf(stderr, "emit-random graphs|cells FROM COUNT, operators [NAME...], or hostile MODEL.onnx\n"); return 2; }
    uint64_t from = operators ? 0 : strtoull(argv[2], NULL, 10), n = operators ? 0 : strtoull(argv[3], NULL, 10);
    for (uint64_t seed = from; seed < from + n; seed++) {
        trial *t = argv[1][0] == 'g' ? graph_trial(seed) : cell_trial(seed);
        if (!t) continue;
        if (!emit_batch_add(&b, &t->c, reason, sizeof reason, &refused)) { fail(t, reason); trial_free(t); continue; }
        if (b.n == BATCH) finish(&b);
    }
    if (b.n) finish(&b);
    printf("%d with sizes by macro\n%d passed, %d failed, %d skipped\n", open_cases, passed, failed, skipped);
    return failed || !passed;
}
