/* check_run: one child process a case; the parent collects what they say, in order. */
#include "check_run.h"

#include "dataset.h"
#include "inputs.h"
#include "io/buffer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REASON = 2000 };

/* ---- in the child --------------------------------------------------------------------------------------------------------- */

static bool compare_outputs(const clstm_model *model, clstm_session *session, const dataset *expected, const char *set, const compare_rule *rule,
                            char *reason, size_t size) {
    char name[160];
    for (size_t i = 0; i < expected->count; i++) {
        compare_result r;
        const clstm_value *got = clstm_session_output(session, i);
        io_escape(name, sizeof name, clstm_model_output(model, i)->name);
        if (!expected->present[i]) {
            snprintf(reason, size, "%s: no reference for output %zu \"%s\"", set, i, name);
            return false;
        }
        if (!got) {
            snprintf(reason, size, "%s: output %zu \"%s\" was not computed", set, i, name);
            return false;
        }
        compare_values(got, &expected->values[i], rule, &r);
        if (r.equal) continue;
        snprintf(reason, size, "%s: output %zu \"%s\" %s", set, i, name, r.reason);
        return false;
    }
    return true;
}

/* What an earlier set gave must not stand in for what this one lacks. */
static bool all_given(const clstm_model *model, const inputs *in, clstm_error *err) {
    char what[400];
    for (size_t i = 0; i < in->count; i++) {
        if (in->items[i].given || clstm_model_input(model, i)->optional) continue;
        snprintf(err->message, sizeof err->message, "no input_%zu.pb for input %s", i, port_text(what, sizeof what, clstm_model_input(model, i)));
        return false;
    }
    return true;
}

/* One test_data_set_N in a session that may have run others before: nothing of those must be left. */
static bool check_set(const tool *t, const clstm_model *model, clstm_session *session, const char *dir, const char *set, const compare_rule *rule, char *reason, size_t size) {
    dataset outputs = {0};
    inputs in = {0};
    clstm_error err = {0};
    tool silent = *t;
    silent.said = err.message;
    bool ran = inputs_start(&silent, model, &in) < 0 && inputs_from_data(&silent, model, dir, &in) < 0 && all_given(model, &in, &err) && dataset_read(dir, model, true, &outputs, &err) == CLSTM_OK &&
               inputs_apply(&in, session, &err) == CLSTM_OK && clstm_session_run(session, &err) == CLSTM_OK;
    if (!ran) snprintf(reason, size, "%s: %s", set, err.message);
    bool good = ran && compare_outputs(model, session, &outputs, set, rule, reason, size);
    inputs_free(&in);
    dataset_free(&outputs);
    return good;
}

void check_one(const tool *t, const check_case *c, const compare_rule *rule, char *reason, size_t size) {
    clstm_model *model = NULL;
    clstm_session *session = NULL;
    clstm_error err = {0};
    *reason = 0;
    if (tool_load(t, c->model, &model, &err) != CLSTM_OK || tool_session(t, model, 0, &session, &err) != CLSTM_OK) snprintf(reason, size, "%s", err.message);
    for (int n = 0; !*reason; n++) {
        char set[40];
        snprintf(set, sizeof set, "test_data_set_%d", n);
        size_t length = strlen(c->dir) + sizeof set + 2;
        char *dir = malloc(length);
        if (!dir) { snprintf(reason, size, "out of memory"); break; }
        snprintf(dir, length, "%s/%s", c->dir, set);
        bool there = !access(dir, F_OK);
        if (there) check_set(t, model, session, dir, set, rule, reason, size);
        free(dir);
        if (there) continue;
        if (!n) snprintf(reason, size, "no test_data_set_0");
        break;
    }
    clstm_session_destroy(session);
    clstm_model_destroy(model);
}

/* ---- in the parent -------------------------------------------------------------------------------------------------------- */

typedef struct job { pid_t pid; int fd; check_case *c; double start; bool late; char said[REASON + 2]; size_t used; } job;

static clstm_status problem(clstm_error *err, const char *what) {
    err->status = CLSTM_INTERNAL;
    snprintf(err->message, sizeof err->message, "%s: %s", what, strerror(errno));
    return err->status;
}

/* What the child sends: '+' for passed, or '-' and the reason. No byte at all means that it died. */
_Noreturn static void child(const tool *t, const check_case *c, const compare_rule *rule, int fd, pid_t parent) {
    char said[REASON + 2];
    prctl(PR_SET_PDEATHSIG, SIGKILL);   /* who ends the tool ends the models that it runs */
    if (getppid() != parent) _exit(1);
    check_one(t, c, rule, said + 1, REASON);
    said[0] = said[1] ? '-' : '+';
    size_t size = 1 + strlen(said + 1), sent = 0;
    for (ssize_t n; sent < size && (n = write(fd, said + sent, size - sent)) > 0;) sent += (size_t)n;
    _exit(sent == size ? 0 : 1);
}

static clstm_status start(const tool *t, job *j, check_case *c, const compare_rule *rule, clstm_error *err) {
    int ends[2];
    if (pipe(ends)) return problem(err, "pipe");
    fflush(stdout);
    fflush(stderr);
    double now = tool_now_us();
    pid_t parent = getpid(), pid = fork();
    if (pid < 0) {
        clstm_status status = problem(err, "fork");
        close(ends[0]);
        close(ends[1]);
        return status;
    }
    if (!pid) {
        close(ends[0]);
        child(t, c, rule, ends[1], parent);
    }
    close(ends[1]);
    *j = (job){.pid = pid, .fd = ends[0], .c = c, .start = now};
    return CLSTM_OK;
}

static void finish(job *j, double limit) {
    char reason[REASON + 100];
    int status = 0;
    close(j->fd);
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR) {}
    j->c->seconds = (tool_now_us() - j->start) / 1e6;
    j->said[j->used] = 0;
    *reason = 0;
    if (j->late) snprintf(reason, sizeof reason, "still running after %g seconds", limit);
    else if (j->said[0] == '-') snprintf(reason, sizeof reason, "%s", j->said + 1);
    else if (WIFSIGNALED(status)) snprintf(reason, sizeof reason, "crashed: %s", strsignal(WTERMSIG(status)));
    else if (j->said[0] != '+' || WEXITSTATUS(status)) snprintf(reason, sizeof reason, "ended with status %d and no result", WEXITSTATUS(status));
    j->c->outcome = *reason ? CHECK_FAILED : CHECK_PASSED;
    j->c->reason = *reason ? strdup(reason) : NULL;
    j->pid = 0;
}

/* Waits until a child says something, ends, or is out of time. */
static void wait_some(job *jobs, int n, double limit) {
    struct pollfd fds[64];
    int who[64], count = 0, timeout = -1;
    double now = tool_now_us();
    for (int i = 0; i < n; i++) {
        if (!jobs[i].pid) continue;
        fds[count] = (struct pollfd){.fd = jobs[i].fd, .events = POLLIN};
        who[count++] = i;
        double left = limit > 0 ? limit * 1e3 - (now - jobs[i].start) / 1e3 + 1 : -1;
        if (limit > 0 && !jobs[i].late && (timeout < 0 || left < timeout)) timeout = left < 0 ? 0 : left > 1e9 ? 1000000000 : (int)left;
    }
    poll(fds, (nfds_t)count, timeout);
    for (int k = 0; k < count; k++) {
        job *j = &jobs[who[k]];
        if (fds[k].revents) {
            ssize_t got = read(j->fd, j->said + j->used, sizeof j->said - 1 - j->used);
            if (got > 0) j->used += (size_t)got;
            else if (!got || errno != EINTR) finish(j, limit);
        } else if (limit > 0 && !j->late && (tool_now_us() - j->start) / 1e6 >= limit) {
            j->late = true;
            kill(j->pid, SIGKILL);      /* its pipe then ends */
        }
    }
}

clstm_status check_all(const tool *t, check_cases *cases, const compare_rule *rule, int n_jobs, double seconds,
                       void (*done)(void *user, const check_case *c), void *user, clstm_error *err) {
    static job jobs[64];
    if (n_jobs > 64) n_jobs = 64;
    size_t next = 0, told = 0;
    clstm_status status = CLSTM_OK;
    while (told < cases->count && status == CLSTM_OK) {
        int busy = 0;
        for (int i = 0; i < n_jobs && status == CLSTM_OK; i++) {
            while (next < cases->count && cases->items[next].outcome != CHECK_PENDING) next++;
            if (!jobs[i].pid && next < cases->count) status = start(t, &jobs[i], &cases->items[next++], rule, err);
            busy += jobs[i].pid != 0;
        }
        if (busy && status == CLSTM_OK) wait_some(jobs, n_jobs, seconds);
        while (told < cases->count && cases->items[told].outcome != CHECK_PENDING) done(user, &cases->items[told++]);
    }
    for (int i = 0; i < n_jobs; i++)
        if (jobs[i].pid) {
            kill(jobs[i].pid, SIGKILL);
            finish(&jobs[i], seconds);
        }
    return status;
}
