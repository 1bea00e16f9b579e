/* model-peer: a model and what clstm-convert made of it, both through ONNX Runtime's C API, on the inputs of a test data set.
 *
 *   model-peer ORIGINAL CONVERTED SET [ORIGINAL CONVERTED SET]...
 *
 * A line each: `ok`, `differs`, `lost` (it ran the original only) or `skip` (it does not run the original). Built by
 * `make tests/peer/model-peer ORT=DIR` from DIR/include/onnxruntime_c_api.h and DIR/lib/libonnxruntime.so.1. */
#include <onnxruntime_c_api.h>

#include "../../tools/compare.h"
#include "../../tools/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

typedef struct peer { const OrtApi *api; OrtEnv *env; OrtSessionOptions *options; OrtMemoryInfo *memory; char why[300]; } peer;

/* Whether s is no error; else p->why is the first line of its message. */
static bool good(peer *p, OrtStatus *s) {
    if (!s) return true;
    const char *message = p->api->GetErrorMessage(s);
    snprintf(p->why, sizeof p->why, "%.*s", (int)strcspn(message, "\n"), message);
    p->api->ReleaseStatus(s);
    return false;
}

static bool open_peer(peer *p) {
    p->api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
    if (!p->api) return false;
    return good(p, p->api->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "model-peer", &p->env)) && good(p, p->api->CreateSessionOptions(&p->options)) &&
           good(p, p->api->SetIntraOpNumThreads(p->options, 1)) && good(p, p->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &p->memory));
}

static bool make_input(peer *p, const clstm_tensor *t, OrtValue **out) {
    size_t bytes = (size_t)clstm_tensor_count(t) * clstm_type_size(t->type);
    return good(p, p->api->CreateTensorWithDataAsOrtValue(p->memory, t->data, bytes, t->dims, (size_t)t->rank, (ONNXTensorElementDataType)t->type, out));
}

/* A view of what the runtime holds. */
static bool view(peer *p, OrtValue *v, clstm_value *out) {
    OrtTensorTypeAndShapeInfo *info;
    ONNXTensorElementDataType type;
    size_t rank;
    int64_t dims[CLSTM_MAX_RANK];
    void *data;
    if (!good(p, p->api->GetTensorTypeAndShape(v, &info))) return false;
    bool ok = good(p, p->api->GetTensorElementType(info, &type)) && good(p, p->api->GetDimensionsCount(info, &rank)) && rank <= CLSTM_MAX_RANK &&
              good(p, p->api->GetDimensions(info, dims, rank)) && good(p, p->api->GetTensorMutableData(v, &data));
    p->api->ReleaseTensorTypeAndShapeInfo(info);
    if (ok) *out = (clstm_value){.kind = CLSTM_KIND_TENSOR, .tensor = clstm_tensor_view((clstm_type)type, (int)rank, dims, data)};
    return ok;
}

/* One run; out[] holds one value for each output. */
static bool run(peer *p, const char *path, const clstm_model *ports, const dataset *in, OrtValue **out) {
    const char *in_names[MOST], *out_names[MOST];
    OrtValue *values[MOST] = {NULL};
    OrtSession *session = NULL;
    size_t n = 0, n_out = clstm_model_output_count(ports);
    bool ok = good(p, p->api->CreateSession(p->env, path, p->options, &session));
    for (size_t i = 0; i < in->count && ok; i++) {
        if (!in->present[i]) continue;
        in_names[n] = clstm_model_input(ports, i)->name;
        ok = make_input(p, &in->values[i].tensor, &values[n]);
        n += ok;
    }
    for (size_t i = 0; i < n_out; i++) out_names[i] = clstm_model_output(ports, i)->name;
    ok = ok && good(p, p->api->Run(session, NULL, in_names, (const OrtValue *const *)values, n, out_names, n_out, out));
    for (size_t i = 0; i < n; i++) p->api->ReleaseValue(values[i]);
    if (session) p->api->ReleaseSession(session);
    return ok;
}

static bool same(peer *p, OrtValue *const *a, OrtValue *const *b, size_t n, double *largest) {
    const compare_rule rule = {1e-3, 1e-5, -1};
    *largest = 0;
    for (size_t i = 0; i < n; i++) {
        clstm_value x, y;
        compare_result r;
        if (!view(p, a[i], &x) || !view(p, b[i], &y)) return false;
        compare_values(&y, &x, &rule, &r);
        if (!r.equal) { snprintf(p->why, sizeof p->why, "output %zu: %.250s", i, r.reason); return false; }
        if (r.largest > *largest) *largest = r.largest;
    }
    return true;
}

static void compare_pair(peer *p, const char *original, const char *converted, const char *set) {
    clstm_model *ports = NULL;
    dataset in = {0};
    clstm_error err;
    OrtValue *a[MOST] = {NULL}, *b[MOST] = {NULL};
    double largest;
    size_t n = 0;
    if (clstm_model_load(original, NULL, &ports, &err) != CLSTM_OK || dataset_read(set, ports, false, &in, &err) != CLSTM_OK) printf("differs %s: %s\n", converted, err.message);
    else if ((n = clstm_model_output_count(ports)) > MOST || in.count > MOST) printf("differs %s: too many ports\n", converted);
    else if (!run(p, original, ports, &in, a)) printf("skip %s: %s\n", converted, p->why);
    else if (!run(p, converted, ports, &in, b)) printf("lost %s: %s\n", converted, p->why);
    else if (!same(p, a, b, n, &largest)) printf("differs %s: %s\n", converted, p->why);
    else printf("ok %s: largest difference %.1e\n", converted, largest);
    for (size_t i = 0; i < n && i < MOST; i++) {
        if (a[i]) p->api->ReleaseValue(a[i]);
        if (b[i]) p->api->ReleaseValue(b[i]);
    }
    dataset_free(&in);
    clstm_model_destroy(ports);
}

int main(int argc, char **argv) {
    peer p = {0};
    if (argc < 4 || (argc - 1) % 3) return 2;
    if (!open_peer(&p)) { fprintf(stderr, "model-peer: %s\n", p.why); return 1; }
    for (int i = 1; i + 2 < argc; i += 3) compare_pair(&p, argv[i], argv[i + 1], argv[i + 2]);
    p.api->ReleaseMemoryInfo(p.memory);
    p.api->ReleaseSessionOptions(p.options);
    p.api->ReleaseEnv(p.env);
    return 0;
}
