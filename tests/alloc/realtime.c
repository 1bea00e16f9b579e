/* The real-time contract: after clstm_session_prepare a run on one thread makes no allocation, no lock, no system call and takes no
 * page fault, from the first call on.
 *
 *   realtime [--skipped N] MODEL_DIR...          model.onnx with test_data_set_0 as inputs
 *
 * Each way of running a model is proven in two fresh processes, so that nothing is warm. One counts allocations and minor faults
 * over RUNS runs; the other enters seccomp's strict mode first, in which the kernel kills a process at any system call but read,
 * write and exit. A lock that has to wait is a system call as well. */
#include "dataset.h"
#include "own_malloc.h"

#include <clstm/clstm.h>

#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 1000, ATTEMPTS = 3, MOST_LANES = 8 };

/* The ways of running; all but the first carry every state there is. */
typedef enum way { PLAIN, OWN_STATE, ATTACHED, STREAMS, JOINING, WAYS } way;
static const char *const way_names[WAYS] = {"plain", "with its own state", "with an attached state", "with streams in a batch",
                                            "with streams that join and leave"};

typedef enum verdict { PROVEN = 0, BROKEN = 1, NOT_THIS_WAY = 2, REFUSED = 3 } verdict;

typedef struct subject {
    clstm_model *model;
    clstm_session *session;
    dataset inputs;
    clstm_state *states[MOST_LANES];
    size_t lanes;
    clstm_tensor *wide;                 /* the inputs, with room for MOST_LANES rows of the batch */
    clstm_error err;
} subject;

static clstm_status give_inputs(subject *s, bool carried)
{
    clstm_carry_info info;
    for (size_t k = 0; carried && clstm_session_carry_describe(s->session, k, &info); k++)
        if (info.input >= 0)
            s->inputs.present[info.input] = false;
    return dataset_give(&s->inputs, s->session, &s->err);
}

/* One state for each row of the batch: as many as a state for all rows is larger than one for a single row. */
static clstm_status make_streams(subject *s)
{
    clstm_state *all = NULL, *one = NULL;
    clstm_status status = clstm_state_create(s->session, 0, &all, &s->err);
    if (status == CLSTM_OK)
        status = clstm_state_create(s->session, 1, &one, &s->err);
    s->lanes = status == CLSTM_OK ? clstm_state_size(all) / clstm_state_size(one) : 0;
    clstm_state_destroy(all);
    clstm_state_destroy(one);
    if (s->lanes > MOST_LANES)
        status = CLSTM_BAD_ARGUMENT;
    for (size_t i = 0; i < s->lanes && status == CLSTM_OK; i++)
        status = clstm_state_create(s->session, 1, &s->states[i], &s->err);
    return status;
}

/* Inputs of `lanes` rows: every dimension that the model calls "batch". */
static clstm_status give_lanes(subject *s, int64_t lanes)
{
    clstm_status status = CLSTM_OK;
    for (size_t i = 0; i < clstm_model_input_count(s->model) && status == CLSTM_OK; i++) {
        const clstm_port *port = clstm_model_input(s->model, i);
        for (int d = 0; d < s->wide[i].rank; d++)
            if (port->dim_names[d] && !strcmp(port->dim_names[d], "batch"))
                s->wide[i].dims[d] = lanes;
        if (s->wide[i].data)
            status = clstm_session_set_input(s->session, i, &s->wide[i], &s->err);
    }
    return status;
}

/* A plan for each number of lanes, and a state for each lane. */
static verdict make_lanes(subject *s)
{
    size_t inputs = clstm_model_input_count(s->model);
    bool batch = false;
    s->wide = calloc(inputs + 1, sizeof *s->wide);
    for (size_t i = 0; i < inputs; i++) {
        if (!s->inputs.present[i])
            continue;
        s->wide[i] = s->inputs.values[i].tensor;
        size_t bytes = (size_t)clstm_tensor_count(&s->wide[i]) * clstm_type_size(s->wide[i].type);
        s->wide[i].data = malloc(bytes * MOST_LANES);
        for (size_t n = 0; n < MOST_LANES; n++)
            memcpy((char *)s->wide[i].data + n * bytes, s->inputs.values[i].tensor.data, bytes);
        for (int d = 0; d < s->wide[i].rank; d++) {
            const char *name = clstm_model_input(s->model, i)->dim_names[d];
            batch |= name && !strcmp(name, "batch");
        }
    }
    /* Lengths or initial states that are constants are made for one size of batch. */
    for (s->lanes = MOST_LANES; batch && s->lanes > 0; s->lanes--)
        if (give_lanes(s, (int64_t)s->lanes) != CLSTM_OK || clstm_session_prepare(s->session, &s->err) != CLSTM_OK ||
            clstm_state_create(s->session, 1, &s->states[s->lanes - 1], &s->err) != CLSTM_OK)
            return NOT_THIS_WAY;
    return batch ? PROVEN : NOT_THIS_WAY;
}

/* A session ready to run, prepared last. */
static verdict make_ready(const char *dir, way w, subject *s)
{
    char path[4096];
    clstm_session_options options;
    memset(s, 0, sizeof *s);
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (clstm_model_load(path, NULL, &s->model, &s->err) != CLSTM_OK)
        return REFUSED;
    clstm_session_options_default(&options);
    options.realtime = true;
    options.carry = w == PLAIN ? 0 : CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS;
    snprintf(path, sizeof path, "%s/test_data_set_0", dir);
    if (clstm_session_create(s->model, &options, &s->session, &s->err) != CLSTM_OK ||
        dataset_read(path, s->model, false, &s->inputs, &s->err) != CLSTM_OK || give_inputs(s, w != PLAIN) != CLSTM_OK)
        return REFUSED;
    if (w != PLAIN && clstm_session_prepare(s->session, &s->err) != CLSTM_OK)
        return REFUSED;
    clstm_carry_info info;
    if (w != PLAIN && !clstm_session_carry_describe(s->session, 0, &info))
        return NOT_THIS_WAY;
    if (w == ATTACHED) {
        s->lanes = 1;
        if (clstm_state_create(s->session, 0, &s->states[0], &s->err) != CLSTM_OK ||
            clstm_session_attach(s->session, s->states[0], &s->err) != CLSTM_OK)
            return REFUSED;
    }
    if (w == STREAMS && make_streams(s) != CLSTM_OK)
        return NOT_THIS_WAY;
    if (w == JOINING)
        return make_lanes(s);
    return clstm_session_prepare(s->session, &s->err) == CLSTM_OK ? PROVEN : REFUSED;
}

/* Some lanes, another number of them at every run, one of them empty now and then. */
static clstm_status run_some(subject *s, int i)
{
    size_t first = (size_t)i % 3, lanes = 1 + (size_t)(i * 5) % (MOST_LANES - first);
    clstm_state *some[MOST_LANES];
    for (size_t k = 0; k < lanes; k++)
        some[k] = lanes > 1 && (i + (int)k) % 7 == 0 ? NULL : s->states[first + k];
    clstm_status status = give_lanes(s, (int64_t)lanes);
    return status == CLSTM_OK ? clstm_session_run_streams(s->session, some, lanes, &s->err) : status;
}

static clstm_status run_all(subject *s, way w)
{
    clstm_status status = CLSTM_OK;
    for (int i = 0; i < RUNS && status == CLSTM_OK; i++)
        status = w == JOINING ? run_some(s, i) : w == STREAMS ? clstm_session_run_streams(s->session, s->states, s->lanes, &s->err) : clstm_session_run(s->session, &s->err);
    return status;
}

/* In a process of its own: what came of it, and why as a line to `out`. */
static verdict count(const char *dir, way w, int out)
{
    subject s;
    struct rusage before, after;
    verdict v = make_ready(dir, w, &s);
    if (v != PROVEN) {
        dprintf(out, "%s", s.err.message);
        return v;
    }
    own_fail_at = -1;
    getrusage(RUSAGE_SELF, &before);
    own_counting = true;
    clstm_status status = run_all(&s, w);
    own_counting = false;
    getrusage(RUSAGE_SELF, &after);
    long faults = after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt;
    if (status != CLSTM_OK)
        dprintf(out, "%s", s.err.message);
    else
        dprintf(out, "%ld allocations, %ld frees, %ld page faults", own_allocations, own_frees, faults);
    return status == CLSTM_OK && !own_allocations && !own_frees && !faults ? PROVEN : BROKEN;
}

/* Never returns: strict mode leaves no other way out than the system call itself. */
static void run_confined(const char *dir, way w, int out)
{
    subject s;
    verdict v = make_ready(dir, w, &s);
    if (v == PROVEN && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        v = NOT_THIS_WAY;
    if (v == PROVEN && run_all(&s, w) != CLSTM_OK)
        v = BROKEN;
    ssize_t wrote = v == PROVEN ? 0 : write(out, s.err.message, strlen(s.err.message));
    (void)wrote;
    syscall(SYS_exit, v);
    abort();
}

static verdict in_a_process(const char *dir, way w, bool confined, char *said, size_t size)
{
    int ends[2], status = 0;
    if (pipe(ends))
        return REFUSED;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        if (confined)
            run_confined(dir, w, ends[1]);
        _exit((int)count(dir, w, ends[1]));
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; n + 1 < size && (got = read(ends[0], said + n, size - 1 - n)) > 0; n += (size_t)got)
        ;
    said[n] = 0;
    close(ends[0]);
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return REFUSED;
    if (WIFSIGNALED(status)) {
        snprintf(said, size, "killed by signal %d%s", WTERMSIG(status), confined && WTERMSIG(status) == 9 ? ": a system call" : "");
        return BROKEN;
    }
    return (verdict)WEXITSTATUS(status);
}

static int passed, failed;

static void prove(const char *dir, way w)
{
    char said[1200];
    verdict v = BROKEN;
    /* The kernel may move a page of its own accord; a page that run touches first is missing every time. */
    for (int i = 0; i < ATTEMPTS && v == BROKEN; i++)
        v = in_a_process(dir, w, false, said, sizeof said);
    if (v == NOT_THIS_WAY)
        return;
    if (v == PROVEN)
        v = in_a_process(dir, w, true, said, sizeof said);
    if (v == PROVEN) {
        passed++;
        printf("ok %s, %s\n", dir, way_names[w]);
    } else {
        failed++;
        printf("not ok %s, %s: %s\n", dir, way_names[w], said);
    }
}

int main(int argc, char **argv)
{
    int first = 1, skipped = 0;
    if (argc > 2 && !strcmp(argv[1], "--skipped")) {
        skipped = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        for (way w = PLAIN; w < WAYS; w++)
            prove(argv[i], w);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}
