/* oracle-peer: recurrent cases through ONNX Runtime's C API, held against the oracle.
 *
 *   oracle-peer [--cases N] [--seed S]    cases that it runs (family `ort`), through clstm too: errors in ulp(max(|expected|, 2^-7)) with
 *                                         the seed of each largest one; last line `N at most ONNX Runtime's, N above`
 *   oracle-peer --corpus                  tests/conformance: each case is run, differs or is refused; last line a count of the three
 *
 * Built by `make tests/oracle/oracle-peer ORT=DIR` from DIR/include/onnxruntime_c_api.h and DIR/lib/libonnxruntime.so.1. */
#include <onnxruntime_c_api.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_writer.h"
#include "oracle_library.h"

typedef struct {
    const OrtApi *api;
    OrtEnv *env;
    OrtSessionOptions *options;
    OrtMemoryInfo *memory;
} runtime;

/* True when s is no error; else the first line of its message goes to why. */
static bool good(const runtime *r, OrtStatus *s, char *why, size_t size)
{
    if (s == NULL)
        return true;
    const char *message = r->api->GetErrorMessage(s);
    snprintf(why, size, "%.*s", (int)strcspn(message, "\n"), message);
    r->api->ReleaseStatus(s);
    return false;
}

static bool open_runtime(runtime *r, char *why, size_t size)
{
    r->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (r->api == NULL) {
        snprintf(why, size, "the library is older than its header");
        return false;
    }
    return good(r, r->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "oracle-peer", &r->env), why, size) &&
           good(r, r->api->CreateSessionOptions(&r->options), why, size) &&
           good(r, r->api->SetIntraOpNumThreads(r->options, 1), why, size) &&
           good(r, r->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &r->memory), why, size);
}

static void close_runtime(runtime *r)
{
    r->api->ReleaseMemoryInfo(r->memory);
    r->api->ReleaseSessionOptions(r->options);
    r->api->ReleaseEnv(r->env);
}

/* The graph's inputs and outputs as drawn, in operator order. */
typedef struct {
    const char *in_name[CASE_INPUTS], *out_name[CASE_OUTPUTS];
    OrtValue *in[CASE_INPUTS], *out[CASE_OUTPUTS];
    int out_index[CASE_OUTPUTS];
    size_t n_in, n_out;
} values;

/* What a case came to: its largest error. */
typedef struct {
    long double ulp, absolute;
    oracle_tally *tally;
} outcome;

static bool make_values(const runtime *r, const oracle_case *c, values *v, char *why, size_t size)
{
    *v = (values){0};
    for (int i = 0; i < CASE_INPUTS; i++) {
        if (!onnx_is_input(c, ONNX_AS_DRAWN, i))
            continue;
        const case_tensor *t = &c->in[i];
        int64_t dims[4];
        for (int k = 0; k < t->rank; k++)
            dims[k] = (int64_t)t->dims[k];
        const bool lens = i == IN_LENS;
        const size_t bytes = t->count * (lens ? sizeof(int32_t) : oracle_type_size(c->type));
        v->in_name[v->n_in] = oracle_input_name(i);
        if (!good(r, r->api->CreateTensorWithDataAsOrtValue(r->memory, t->bytes, bytes, dims, (size_t)t->rank,
                      lens ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : (ONNXTensorElementDataType)oracle_type_onnx(c->type), &v->in[v->n_in]), why, size))
            return false;
        v->n_in++;
    }
    for (int k = 0; k < CASE_OUTPUTS; k++)
        if (onnx_is_output(c, ONNX_AS_DRAWN, k)) {
            v->out_index[v->n_out] = k;
            v->out_name[v->n_out++] = oracle_output_name(k);
        }
    return true;
}

static void free_values(const runtime *r, values *v)
{
    for (size_t i = 0; i < v->n_in; i++)
        r->api->ReleaseValue(v->in[i]);
    for (size_t k = 0; k < v->n_out; k++)
        r->api->ReleaseValue(v->out[k]);
}

static bool count_outputs(const runtime *r, const oracle_case *c, const values *v, outcome *to, char *why, size_t size)
{
    for (size_t k = 0; k < v->n_out; k++) {
        const int o = v->out_index[k];
        OrtTensorTypeAndShapeInfo *info;
        size_t count;
        void *data;
        if (!good(r, r->api->GetTensorTypeAndShape(v->out[k], &info), why, size))
            return false;
        const bool counted = good(r, r->api->GetTensorShapeElementCount(info, &count), why, size);
        r->api->ReleaseTensorTypeAndShapeInfo(info);
        if (!counted || !good(r, r->api->GetTensorMutableData(v->out[k], &data), why, size))
            return false;
        if (count != c->out[o].count) {
            snprintf(why, size, "output %s has %zu elements, expected %zu", v->out_name[k], count, c->out[o].count);
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            long double got;
            oracle_decode(c->type, (const char *)data + i * oracle_type_size(c->type), 1, &got);
            const long double e = oracle_error_ulp(c->type, c->exact[o][i], got), d = fabsl(got - c->exact[o][i]);
            oracle_count_error(to->tally, c, e);
            to->ulp = e > to->ulp ? e : to->ulp;
            to->absolute = isnan(d) || d > to->absolute ? d : to->absolute;
        }
    }
    return true;
}

static bool run_case(const runtime *r, const oracle_case *c, outcome *to, char *why, size_t size)
{
    onnx_bytes model;
    OrtSession *session = NULL;
    values v = {0};
    bool ok = onnx_write_model(c, ONNX_AS_DRAWN, &model);
    if (!ok)
        snprintf(why, size, "out of memory");
    ok = ok && good(r, r->api->CreateSessionFromArray(r->env, model.data, model.size, r->options, &session), why, size) &&
         make_values(r, c, &v, why, size) &&
         good(r, r->api->Run(session, NULL, v.in_name, (const OrtValue *const *)v.in, v.n_in, v.out_name, v.n_out, v.out), why, size) &&
         count_outputs(r, c, &v, to, why, size);
    free_values(r, &v);
    if (session != NULL)
        r->api->ReleaseSession(session);
    onnx_bytes_free(&model);
    return ok;
}

static void print_table(const oracle_tally *ours, const oracle_tally *peer, size_t *most, size_t *above)
{
    printf("| operator | elements | clstm, largest (seed) | clstm, mean | ONNX Runtime, largest (seed) | ONNX Runtime, mean |\n"
           "|---|---:|---:|---:|---:|---:|\n");
    for (int op = 0; op < 3; op++) {
        const size_t n = ours->error[op][ORACLE_FLOAT].count;
        if (n == 0)
            continue;
        const long double mean[2] = {ours->error[op][ORACLE_FLOAT].sum / (long double)n, peer->error[op][ORACLE_FLOAT].sum / (long double)n};
        const long double max[2] = {ours->error[op][ORACLE_FLOAT].max, peer->error[op][ORACLE_FLOAT].max};
        printf("| %s | %zu | %.2Lf (%llu) | %.4Lf | %.2Lf (%llu) | %.4Lf |\n", oracle_op_name((oracle_op)op), n, max[0],
               (unsigned long long)ours->error[op][ORACLE_FLOAT].seed, mean[0], max[1],
               (unsigned long long)peer->error[op][ORACLE_FLOAT].seed, mean[1]);
        *(max[0] <= max[1] ? most : above) += 1;
        *(mean[0] <= mean[1] ? most : above) += 1;
    }
}

static int compare_errors(const runtime *r, uint64_t seed, uint64_t cases)
{
    oracle_tally ours = {0}, peer = {0};
    size_t broken = 0, refused = 0, most = 0, above = 0;
    for (uint64_t n = 0; n < cases; n++) {
        oracle_case c;
        char why[1400];
        outcome theirs = {.tally = &peer};
        const char *bad = oracle_case_make(&c, FAMILY_ORT, seed + n);
        if (bad == NULL && !run_case(r, &c, &theirs, why, sizeof why)) {
            printf("ONNX Runtime refuses --seed %llu %s: %s\n", (unsigned long long)c.seed, c.name, why);
            refused++;
        } else if (bad != NULL || !oracle_compare(&c, &ours, why, sizeof why)) {
            printf("not ok --seed %llu %s: %s\n", (unsigned long long)c.seed, c.name, bad != NULL ? bad : why);
            broken++;
        }
        oracle_case_free(&c);
    }
    print_table(&ours, &peer, &most, &above);
    printf("%zu cases refused by ONNX Runtime, %zu failed\n%zu at most ONNX Runtime's, %zu above\n", refused, broken, most, above);
    return broken != 0 || above != 0;
}

/* The corpus of tests/conformance from its seeds, judged as its README says. */
static int try_corpus(const runtime *r)
{
    enum { CASES = 150 };
    size_t right = 0, different = 0, refused = 0;
    for (uint64_t seed = 1; seed <= CASES; seed++) {
        oracle_case c;
        char why[1400];
        oracle_tally unused = {0};
        outcome got = {.tally = &unused};
        const char *bad = oracle_case_make(&c, FAMILY_CORPUS, seed);
        if (bad != NULL) {
            fprintf(stderr, "oracle-peer: case %llu: %s\n", (unsigned long long)seed, bad);
            return 1;
        }
        const bool half = c.type == ORACLE_FLOAT16 || c.type == ORACLE_BFLOAT16;
        if (!run_case(r, &c, &got, why, sizeof why)) {
            printf("refused %s: %s\n", c.name, why);
            refused++;
        } else if (half ? got.ulp <= 8 : got.absolute <= 1e-5L) {
            printf("ok %s\n", c.name);
            right++;
        } else {
            printf("differs %s: by %.3Lg\n", c.name, got.absolute);
            different++;
        }
        oracle_case_free(&c);
    }
    printf("%zu right, %zu different, %zu refused\n", right, different, refused);
    return 0;
}

static bool number(const char *text, uint64_t *v)
{
    char *end;
    errno = 0;
    *v = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == 0;
}

int main(int argc, char **argv)
{
    uint64_t cases = 1000, seed = 1;
    const bool corpus = argc == 2 && strcmp(argv[1], "--corpus") == 0;
    for (int i = 1; i < argc && !corpus; i += 2) {
        uint64_t *to = strcmp(argv[i], "--cases") == 0 ? &cases : strcmp(argv[i], "--seed") == 0 ? &seed : NULL;
        if (to == NULL || i + 1 == argc || !number(argv[i + 1], to)) {
            fprintf(stderr, "usage: oracle-peer [--cases N] [--seed S] | --corpus\n");
            return 2;
        }
    }
    runtime r = {0};
    char why[1400];
    if (!open_runtime(&r, why, sizeof why)) {
        fprintf(stderr, "oracle-peer: %s\n", why);
        return 1;
    }
    const int status = corpus ? try_corpus(&r) : compare_errors(&r, seed, cases);
    close_runtime(&r);
    return status;
}
