/* Failing memory: for every i, the i-th allocation, mapping or thread of load, prepare and run fails; of runs on ever new shapes, of a pool
 * of threads, of states, of streams in a batch, of traces and of every conversion as well. Each time the library must answer with an
 * error (or manage without), leak nothing, and go on working when memory is back.
 *
 *   alloc_fail MODEL_DIR...        a directory holds model.onnx; its test_data_set_0 is not needed: inputs are zeros
 *
 * The program has its own malloc family in front of the C library's, so that every allocation of every linked library counts. */
#include "own_malloc.h"

#include <clstm/clstm.h>
#include <clstm/convert.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one pass through the API gave. */
typedef struct outcome {
    clstm_status status;
    clstm_error err;
    size_t outputs;
    unsigned long long hash;            /* of all tensor outputs */
} outcome;

static void hash_bytes(unsigned long long *hash, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *hash = (*hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3ull;
}

static void hash_value(unsigned long long *hash, const clstm_value *value)
{
    for (size_t i = 0; value->kind == CLSTM_KIND_SEQUENCE && i < value->count; i++)
        hash_value(hash, &value->items[i]);
    if (value->kind != CLSTM_KIND_TENSOR)
        return;
    size_t bytes = (size_t)clstm_tensor_count(&value->tensor) * clstm_type_size(value->tensor.type);
    hash_bytes(hash, value->tensor.data, bytes);
}

static int batch, length;               /* of dimensions whose name begins with b, and of other unknown ones */

/* Zeros for every input, unknown dimensions as above; buffers come from before counting. */
static clstm_status run_on_zeros(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    for (size_t i = 0; i < clstm_model_input_count(model); i++) {
        const clstm_port *port = clstm_model_input(model, i);
        clstm_tensor input = port->tensor;
        for (int k = 0; k < input.rank; k++)
            if (input.dims[k] < 0)
                input.dims[k] = port->dim_names[k] && port->dim_names[k][0] == 'b' ? batch : length;
        if ((size_t)clstm_tensor_count(&input) * clstm_type_size(input.type) > size)
            return o->status = CLSTM_BAD_ARGUMENT;
        input.data = zeros;
        if ((o->status = clstm_session_set_input(session, i, &input, &o->err)) != CLSTM_OK)
            return o->status;
    }
    if ((o->status = clstm_session_prepare(session, &o->err)) == CLSTM_OK)
        o->status = clstm_session_run(session, &o->err);
    o->hash = 0xcbf29ce484222325ull;
    o->outputs = 0;
    for (size_t i = 0; o->status == CLSTM_OK && i < clstm_model_output_count(model); i++, o->outputs++)
        hash_value(&o->hash, clstm_session_output(session, i));
    return o->status;
}

/* What the states of a session can do, one after the other. */
static clstm_status use_states(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    static unsigned char saved[1 << 20];
    clstm_state *state = NULL, *other = NULL;
    clstm_carry_info info;
    clstm_error ignored;
    clstm_session_reset(session, &ignored);     /* the second time, from the start again */
    if (run_on_zeros(model, session, zeros, size, o) != CLSTM_OK || !clstm_session_carry_describe(session, 0, &info))
        return o->status;
    if ((o->status = clstm_state_create(session, 0, &state, &o->err)) == CLSTM_OK &&
        (o->status = clstm_state_create(session, 0, &other, &o->err)) == CLSTM_OK &&
        (o->status = clstm_session_attach(session, state, &o->err)) == CLSTM_OK &&
        (o->status = clstm_session_run(session, &o->err)) == CLSTM_OK &&
        (o->status = clstm_state_save(state, saved, sizeof saved, &o->err)) == CLSTM_OK &&
        (o->status = clstm_state_load(other, saved, clstm_state_saved_size(other), &o->err)) == CLSTM_OK &&
        (o->status = clstm_state_copy(state, other, &o->err)) == CLSTM_OK &&
        (o->status = clstm_session_attach(session, NULL, &o->err)) == CLSTM_OK &&
        (o->status = clstm_session_reset(session, &o->err)) == CLSTM_OK &&
        (o->status = clstm_session_run(session, &o->err)) == CLSTM_OK)
        hash_bytes(&o->hash, saved, clstm_state_saved_size(state));
    clstm_session_attach(session, NULL, &ignored);
    clstm_state_destroy(state);
    clstm_state_destroy(other);
    return o->status;
}

/* Shape after shape, more of them than plans are kept. A model whose shapes are its own has the first one only. */
static clstm_status many_shapes(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    const int first = length, times[] = {0, 1, 3, 2, 0};
    unsigned long long all = 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        length = first + times[i];
        clstm_status status = run_on_zeros(model, session, zeros, size, o);
        if (status != CLSTM_OK && (i == 0 || status != CLSTM_BAD_ARGUMENT))
            break;
        o->status = CLSTM_OK;
        hash_bytes(&all, &o->hash, sizeof o->hash);
    }
    length = first;
    o->hash = all;
    return o->status;
}

/* Streams that join a batch and leave it. */
static clstm_status streams(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    const int first = batch;
    clstm_state *states[2] = {NULL, NULL};
    clstm_carry_info info;
    clstm_error ignored;
    clstm_session_reset(session, &ignored);     /* the second time, from the start again */
    for (batch = 2; batch && (run_on_zeros(model, session, zeros, size, o) == CLSTM_BAD_ARGUMENT); batch--) {}
    size_t lanes = (size_t)batch;
    batch = first;
    if (o->status != CLSTM_OK || !clstm_session_carry_describe(session, 0, &info))
        return o->status;
    for (size_t i = 0; i < lanes && o->status == CLSTM_OK; i++)
        o->status = clstm_state_create(session, 1, &states[i], &o->err);
    for (int round = 0; round < 3 && o->status == CLSTM_OK; round++) {
        clstm_state *taken[2] = {states[0], round == 1 ? NULL : states[1]};
        o->status = clstm_session_run_streams(session, taken, lanes, &o->err);
    }
    for (size_t i = 0; o->status == CLSTM_OK && i < clstm_model_output_count(model); i++)
        hash_value(&o->hash, clstm_session_output(session, i));
    if (o->status == CLSTM_BAD_ARGUMENT || o->status == CLSTM_UNSUPPORTED)      /* a batch that is the model's own */
        o->status = CLSTM_OK;
    clstm_state_destroy(states[0]);
    clstm_state_destroy(states[1]);
    return o->status;
}

static void hash_step(void *user, const clstm_trace_step *step)
{
    hash_bytes(user, step->h, (size_t)step->hidden * sizeof *step->h);
}

/* Gates, costs, and the axis along which a model can be streamed. */
static clstm_status look_inside(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    unsigned long long gates = 0;
    int axis = -1, axes[64];
    clstm_error ignored;
    if ((o->status = clstm_session_trace(session, hash_step, &gates, &o->err)) == CLSTM_OK &&
        run_on_zeros(model, session, zeros, size, o) == CLSTM_OK &&
        (o->status = clstm_session_profile(session, true, &o->err)) == CLSTM_OK &&
        run_on_zeros(model, session, zeros, size, o) == CLSTM_OK && clstm_model_output_count(model) <= 64) {
        o->status = clstm_session_stream(session, 0, &axis, axes, &o->err);
        if (o->status != CLSTM_NO_MEMORY) {     /* why it cannot be streamed is an answer */
            hash_bytes(&o->hash, &o->status, sizeof o->status);
            o->status = CLSTM_OK;
        }
    }
    hash_bytes(&o->hash, &gates, sizeof gates);
    hash_bytes(&o->hash, &axis, sizeof axis);
    clstm_session_profile(session, false, &ignored);
    clstm_session_trace(session, NULL, NULL, &ignored);
    return o->status;
}

static clstm_status hash_output(void *user, const void *bytes, size_t size, clstm_error *err)
{
    (void)err;
    hash_bytes(user, bytes, size);
    return CLSTM_OK;
}

/* The file's weights on their way out, and in again as a model. */
typedef struct weights { clstm_convert_weight items[32]; char names[32][64]; size_t count; } weights;

static clstm_status keep_weight(void *user, const char *name, const clstm_tensor *tensor, clstm_error *err)
{
    static char memory[4 << 20];
    static size_t used;
    weights *w = user;
    size_t bytes = (size_t)clstm_tensor_count(tensor) * clstm_type_size(tensor->type);
    if (w->count == 0)
        used = 0;
    if (w->count == 32 || strlen(name) >= sizeof w->names[0] || used + bytes > sizeof memory) {
        snprintf(err->message, sizeof err->message, "the test keeps no more");
        return err->status = CLSTM_UNSUPPORTED;
    }
    memcpy(memory + used, tensor->data, bytes);
    clstm_convert_weight *item = &w->items[w->count];
    item->name = strcpy(w->names[w->count++], name);
    item->tensor = *tensor;
    item->tensor.data = memory + used;
    used += bytes;
    return CLSTM_OK;
}

static clstm_status convert(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    static weights kept;
    (void)session, (void)zeros, (void)size;
    kept.count = 0;
    o->hash = 0xcbf29ce484222325ull;
    if ((o->status = clstm_convert_onnx(model, NULL, hash_output, &o->hash, &o->err)) == CLSTM_OK &&
        (o->status = clstm_convert_weights_out(model, keep_weight, &kept, &o->err)) == CLSTM_OK)
        o->status = clstm_convert_weights_in(kept.items, kept.count, NULL, hash_output, &o->hash, &o->err);
    if (o->status == CLSTM_UNSUPPORTED)         /* no layer that PyTorch knows: as far as it goes */
        o->status = CLSTM_OK;
    return o->status;
}

static const char *file;                /* the model's */

static void hash_finding(void *user, const clstm_lint_finding *finding)
{
    hash_bytes(user, finding->rule, strlen(finding->rule));
}

static clstm_status emit(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o)
{
    const clstm_convert_c_options options = {.name = "m", .with_main = true};
    clstm_model *repaired = NULL;
    (void)session, (void)zeros, (void)size;
    o->hash = 0xcbf29ce484222325ull;
    o->status = clstm_convert_c((clstm_model *)model, &options, hash_output, &o->hash, &o->hash, &o->err);
    if (o->status == CLSTM_UNSUPPORTED)         /* no text in C for it */
        o->status = CLSTM_OK;
    if (o->status == CLSTM_OK && (o->status = clstm_lint(file, NULL, hash_finding, &o->hash, &o->err)) == CLSTM_OK)
        o->status = clstm_lint_load(file, NULL, "", hash_finding, &o->hash, &repaired, &o->err);
    clstm_model_destroy(repaired);
    return o->status;
}

/* What is done with a loaded model, and done again on the same session when it failed. */
typedef struct scene {
    const char *name;
    unsigned carry;
    int threads;
    clstm_status (*act)(const clstm_model *model, clstm_session *session, void *zeros, size_t size, outcome *o);
} scene;

/* Load, create, act, with the allocation number `fail` failing (-1: none). A session that failed to prepare or run is
 * asked again with memory back: it must then answer like the first time. */
static outcome whole_pass(const scene *scene, const char *path, long fail, void *zeros, size_t size, outcome *again)
{
    outcome o;
    memset(&o, 0, sizeof o);
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    clstm_session_options options;
    clstm_session_options_default(&options);
    options.carry = scene->carry;
    options.threads = scene->threads;
    options.plan_cache = 2;
    file = path;
    memset(again, 0, sizeof *again);
    again->status = CLSTM_NOT_PREPARED;
    atomic_store(&own_allocations, 0);
    atomic_store(&own_fail_at, fail);
    atomic_store(&own_counting, true);
    if ((o.status = clstm_model_load(path, NULL, &model, &o.err)) == CLSTM_OK &&
        (o.status = clstm_session_create(model, &options, &session, &o.err)) == CLSTM_OK)
        scene->act(model, session, zeros, size, &o);
    atomic_store(&own_counting, false);
    if (session && o.status != CLSTM_OK)
        scene->act(model, session, zeros, size, again);
    clstm_session_destroy(session);
    clstm_model_destroy(model);
    return o;
}

static int check_model(const scene *scene, const char *path, void *zeros, size_t size)
{
    outcome again, first = {0};
    /* initial states and lengths among the constants fit one batch and length only */
    first.status = CLSTM_BAD_ARGUMENT;
    for (batch = 1; batch <= 4 && first.status != CLSTM_OK; batch += first.status != CLSTM_OK)
        for (length = 8; length >= 2 && first.status != CLSTM_OK; length -= first.status != CLSTM_OK)
            first = whole_pass(scene, path, -1, zeros, size, &again);
    /* what is run must run; what else is tried may be refused for a model whose constants fit one size only */
    bool refused_ok = scene->act != run_on_zeros && (first.status == CLSTM_BAD_MODEL || first.status == CLSTM_UNSUPPORTED);
    if (first.status == CLSTM_BAD_ARGUMENT || refused_ok) {
        printf("skip %s: %s: %s\n", scene->name, path, first.err.message);
        return -1;
    }
    if (first.status != CLSTM_OK) {
        printf("not ok %s: %s: %s\n", scene->name, path, first.err.message);
        return 1;
    }
    long total = atomic_load(&own_allocations), refused = 0, held = atomic_load(&own_live);
    first = whole_pass(scene, path, -1, zeros, size, &again);
    if (atomic_load(&own_live) != held) {
        printf("not ok %s: %s: %ld blocks leaked without any failure\n", scene->name, path, atomic_load(&own_live) - held);
        return 1;
    }
    for (long i = 0; i < total; i++) {
        const char *wrong = NULL;
        outcome o = whole_pass(scene, path, i, zeros, size, &again);
        if (o.status == CLSTM_OK && o.hash != first.hash)
            wrong = "another answer";
        else if (o.status != CLSTM_OK && o.status != CLSTM_NO_MEMORY)
            wrong = clstm_status_name(o.status);
        else if (o.status != CLSTM_OK && (o.err.status != o.status || !*o.err.message))
            wrong = "an error without words";
        else if (again.status != CLSTM_NOT_PREPARED && (again.status != CLSTM_OK || again.hash != first.hash))
            wrong = "the session is no longer usable";
        else if (atomic_load(&own_live) != held)
            wrong = "blocks leaked";
        if (wrong) {
            printf("not ok %s: %s: allocation %ld of %ld fails: %s (%s)\n", scene->name, path, i, total, wrong, o.err.message);
            return 1;
        }
        refused += o.status == CLSTM_NO_MEMORY;
    }
    printf("ok %s: %s: %ld allocations, %ld of them needed\n", scene->name, path, total, refused);
    return 0;
}

int main(int argc, char **argv)
{
    enum { CARRY = CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS };
    static const scene scenes[] = {{"run", 0, 1, run_on_zeros}, {"threads", 0, 3, run_on_zeros}, {"shapes", 0, 1, many_shapes},
                                   {"states", CARRY, 1, use_states}, {"streams", CARRY, 1, streams}, {"trace", 0, 1, look_inside},
                                   {"convert", 0, 1, convert}, {"emit", 0, 1, emit}};
    int passed = 0, failed = 0, skipped = 0;
    size_t size = (size_t)64 << 20;
    void *zeros = calloc(1, size);
    if (!zeros)
        return 1;
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i < argc; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/model.onnx", argv[i]);
        for (size_t k = 0; k < sizeof scenes / sizeof *scenes; k++) {
            int result = check_model(&scenes[k], path, zeros, size);
            passed += result == 0;
            failed += result > 0;
            skipped += result < 0;
        }
    }
    free(zeros);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}
