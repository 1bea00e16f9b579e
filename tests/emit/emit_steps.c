/* NAME_step against reference vectors: the sequences of each data set go in one step a call, along the axis that the runtime streams, from
 * the set's own initial states; outputs are joined and compared with the whole ones, last states with the last ones. A model without
 * such an axis takes each set as one step. emit-steps DIR... */
#include "emit_batch.h"

#include "../../tools/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int passed, failed, skipped;

enum { PORTS = 16 };

typedef struct run {
    emit_case c;
    dataset in, out;
    clstm_value step_in[PORTS];             /* shapes of one step */
    int input, axis, out_axis[PORTS];       /* what is cut, and where it comes out; axis -1: nothing */
    int64_t steps;
} run;

static void fail(const char *name, const char *reason) {
    printf("not ok %s: %s\n", name, reason);
    failed++;
}

static int64_t span(const clstm_tensor *t, int from, int to) {
    int64_t n = 1;
    for (int d = from; d < to; d++) n *= t->dims[d];
    return n;
}

/* Copies step k of the whole into the part, or the part into the whole. */
static void cut(const clstm_tensor *whole, int axis, int64_t k, void *part, bool out) {
    int64_t outer = span(whole, 0, axis), n = whole->dims[axis];
    size_t bytes = (size_t)span(whole, axis + 1, whole->rank) * clstm_type_size(whole->type);
    for (int64_t o = 0; o < outer; o++) {
        unsigned char *w = (unsigned char *)whole->data + (size_t)(o * n + k) * bytes, *p = (unsigned char *)part + (size_t)o * bytes;
        memcpy(out ? p : w, out ? w : p, bytes);
    }
}

static bool find_axis(run *r, clstm_error *err) {
    clstm_session_options options = {.threads = 1, .carry = CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS};
    clstm_session *s;
    clstm_carry_info info;
    if (clstm_session_create(r->c.model, &options, &s, err) != CLSTM_OK) return false;
    for (size_t k = 0; clstm_session_carry_describe(s, k, &info); k++)
        if (info.input >= 0) { r->c.state_in[r->c.n_states] = info.input; r->c.state_out[r->c.n_states++] = info.output; }
    /* states in the order of their inputs, as the text has them */
    for (int i = 1; i < r->c.n_states; i++)
        for (int k = i; k > 0 && r->c.state_in[k] < r->c.state_in[k - 1]; k--) {
            int a = r->c.state_in[k], b = r->c.state_out[k];
            r->c.state_in[k] = r->c.state_in[k - 1];
            r->c.state_out[k] = r->c.state_out[k - 1];
            r->c.state_in[k - 1] = a;
            r->c.state_out[k - 1] = b;
        }
    r->axis = -1;
    for (size_t i = 0; i < r->in.count && r->axis < 0; i++) {
        int axis = -1;
        clstm_error why;
        if (clstm_session_stream(s, i, &axis, r->out_axis, &why) == CLSTM_OK) { r->axis = axis; r->input = (int)i; }
    }
    clstm_session_destroy(s);
    return true;
}

/* Shapes of one step: the cut axis is 1 wherever its symbol stands. */
static void step_shapes(run *r) {
    const clstm_port *cut_port = r->axis >= 0 ? clstm_model_input(r->c.model, (size_t)r->input) : NULL;
    const char *symbol = cut_port ? cut_port->dim_names[r->axis] : NULL;
    r->steps = cut_port ? r->in.values[r->input].tensor.dims[r->axis] : 1;
    for (size_t i = 0; i < r->in.count; i++) {
        r->step_in[i] = r->in.values[i];
        const clstm_port *p = clstm_model_input(r->c.model, i);
        for (int d = 0; d < p->tensor.rank; d++)
            if ((symbol && p->dim_names[d] && !strcmp(symbol, p->dim_names[d])) || (cut_port && (int)i == r->input && d == r->axis)) r->step_in[i].tensor.dims[d] = 1;
    }
}

static void free_run(run *r) {
    dataset_free(&r->in);
    dataset_free(&r->out);
    clstm_model_destroy(r->c.model);
    free(r);
}

static run *read_run(const char *dir, int set) {
    char path[600], file[600];
    clstm_error err;
    run *r = calloc(1, sizeof *r);
    if (!r) abort();
    const char *tail = dir + strlen(dir);
    for (int slashes = 0; tail > dir && (slashes += tail[-1] == '/') < 2;) tail--;
    snprintf(r->c.name, sizeof r->c.name, "%.100s set %d", tail, set);
    snprintf(path, sizeof path, "%.400s/test_data_set_%d", dir, set);
    snprintf(file, sizeof file, "%.400s/model.onnx", dir);
    if (!access(path, F_OK)) {
        if (clstm_model_load(file, NULL, &r->c.model, &err) == CLSTM_OK && dataset_read(path, r->c.model, false, &r->in, &err) == CLSTM_OK &&
            dataset_read(path, r->c.model, true, &r->out, &err) == CLSTM_OK && find_axis(r, &err)) {
            if (r->axis < 0 && !r->c.n_states) {    /* nothing to carry: the text has no step */
                skipped++;
                free_run(r);
                return NULL;
            }
            step_shapes(r);
            r->c.in = r->step_in;
            r->c.expected = r->out.values;
            r->c.step = true;
            r->c.rule = COMPARE_DEFAULT;
            r->c.rule.atol = 2e-6;
            return r;
        }
        fail(r->c.name, err.message);
    }
    free_run(r);
    return NULL;
}

/* Outputs that do not run along the axis are the last step's; state outputs are given by a last run only, so they are left out. */
static bool play(emit_batch *b, int i, char *reason, size_t size) {
    run *r = (run *)b->cases[i];
    const void *in[PORTS] = {NULL};
    void *out[PORTS] = {NULL}, *whole[PORTS] = {NULL};
    int (*step)(const void *const *, void *const *);
    void (*reset)(void), (*put)(int, const void *);
    *(void **)&step = emit_batch_symbol(b, "step", i);
    *(void **)&reset = emit_batch_symbol(b, "reset", i);
    *(void **)&put = emit_batch_symbol(b, "put", i);
    if (!step || !reset || !put) { snprintf(reason, size, "no step"); return false; }
    bool ok = true;
    for (size_t k = 0; k < r->in.count; k++) in[k] = r->in.values[k].tensor.data;
    for (size_t k = 0; k < r->out.count; k++) {
        size_t bytes = (size_t)clstm_tensor_count(&r->out.values[k].tensor) * clstm_type_size(r->out.values[k].tensor.type);
        out[k] = calloc(1, bytes + 1);
        whole[k] = calloc(1, bytes + 1);
        if (!out[k] || !whole[k]) abort();
    }
    void *part = r->axis >= 0 ? malloc((size_t)clstm_tensor_count(&r->step_in[r->input].tensor) * clstm_type_size(r->step_in[r->input].tensor.type) + 1) : NULL;
    for (int again = 0; again < 2 && ok; again++) {
        reset();
        for (int k = 0; k < r->c.n_states; k++) put(k, r->in.values[r->c.state_in[k]].tensor.data);
        for (int64_t t = 0; t < r->steps && ok; t++) {
            if (r->axis >= 0) { cut(&r->in.values[r->input].tensor, r->axis, t, part, true); in[r->input] = part; }
            if (step(in, out)) { snprintf(reason, size, "a step failed"); ok = false; }
            for (size_t k = 0; k < r->out.count; k++) {
                clstm_tensor to = r->out.values[k].tensor;
                to.data = whole[k];
                if (r->axis >= 0 && r->out_axis[k] >= 0) cut(&to, r->out_axis[k], t, out[k], false);
                else memcpy(whole[k], out[k], (size_t)clstm_tensor_count(&to) * clstm_type_size(to.type));
            }
        }
        for (size_t k = 0; k < r->out.count && ok; k++) {
            bool state = false;
            compare_result result;
            clstm_value got = r->out.values[k];
            for (int j = 0; j < r->c.n_states; j++) state |= r->c.state_out[j] == (int)k;
            if (state) continue;
            got.tensor.data = whole[k];
            compare_values(&got, &r->out.values[k], &r->c.rule, &result);
            if (!result.equal) { snprintf(reason, size, "output %zu %s", k, result.reason); ok = false; }
        }
    }
    for (size_t k = 0; k < r->out.count; k++) { free(out[k]); free(whole[k]); }
    free(part);
    return ok;
}

int main(int argc, char **argv) {
    emit_batch batch = {0};
    bool refused;
    static char reason[4000];
    for (int a = 1; a < argc; a++)
        for (int set = 0; set < 16; set++) {
            run *r = read_run(argv[a], set);
            if (!r) break;
            if (emit_batch_add(&batch, &r->c, reason, sizeof reason, &refused)) continue;
            if (strcmp(reason, "no step") != 0) fail(r->c.name, reason);
            else skipped++;     /* half of a layer's state is the caller's */
            free_run(r);
        }
    if (!emit_batch_compile(&batch, reason, sizeof reason)) { fail("compiling", reason); batch.n = 0; }
    for (int i = 0; i < batch.n; i++) {
        run *r = (run *)batch.cases[i];
        if (play(&batch, i, reason, sizeof reason)) { printf("ok %s: %lld steps\n", r->c.name, (long long)r->steps); passed++; }
        else fail(r->c.name, reason);
        free_run(r);
    }
    emit_batch_free(&batch);
    printf("%d without anything to carry\n%d passed, %d failed, 0 skipped\n", skipped, passed, failed);
    return failed || !passed;
}
