/* options.lock_memory: what a run needs is locked while the session lives, and where locking is forbidden the session says so. */
#include "model_text.h"
#include "unit_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { I = 40, H = 96 };

static size_t locked_kib(void) {
    char line[200];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmLck:", 6)) kib = (size_t)strtoul(line + 6, NULL, 10);
    if (f) fclose(f);
    return kib;
}

/* A layer with weights of zeros; W and R are 200 KiB. */
static pbuf layer(void) {
    char text[400], *zeros = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&zeros, &n);
    for (int i = 0; i < 4 * H * (I + H); i++) fputs("0 ", f);
    fclose(f);
    snprintf(text, sizeof text, "w = f[1,%d,%d] ", 4 * H, I);
    size_t size = 2 * n + 2 * sizeof text;
    char *nodes = malloc(size);
    int at = snprintf(nodes, size, "%s%.*s; r = f[1,%d,%d] ", text, 2 * 4 * H * I, zeros, 4 * H, H);
    snprintf(nodes + at, size - (size_t)at, "%.*s; LSTM x,w,r > y hidden_size=%d", 2 * 4 * H * H, zeros, H);
    char port[60];
    snprintf(port, sizeof port, "x:f[3,1,%d]", I);
    pbuf g = model_text_graph(port, "y", nodes, NULL);
    free(nodes);
    free(zeros);
    return g;
}

static clstm_status prepare(model_text *t, int threads) {
    clstm_session_options o;
    clstm_session_options_default(&o);
    o.lock_memory = o.realtime = true;
    o.carry = CLSTM_CARRY_LAYERS;
    o.threads = threads;
    *t = model_text_try(layer(), &o);
    if (!t->session) return t->err.status;
    static float x[3 * I];
    clstm_tensor in = clstm_tensor_view(CLSTM_FLOAT, 3, (int64_t[]){3, 1, I}, x);
    clstm_status s = clstm_session_set_input(t->session, 0, &in, &t->err);
    return s == CLSTM_OK ? clstm_session_prepare(t->session, &t->err) : s;
}

START_TEST(memory_is_locked) {
    size_t before = locked_kib();
    model_text t;
    clstm_status s = prepare(&t, 2);
    if (s == CLSTM_OK) {
        size_t least = (4 * H * (I + H) * sizeof(float) + clstm_session_memory(t.session)) / 1024;
        ck_assert_uint_ge(locked_kib(), before + least);
        ck_assert_int_eq(clstm_session_run(t.session, &t.err), CLSTM_OK);
    } else ck_assert_ptr_nonnull(strstr(t.err.message, "RLIMIT_MEMLOCK"));   /* a system that allows next to nothing */
    model_text_done(&t);
    /* ends of blocks that share their page with others stay, and the stacks of this thread and of one that is gone */
    ck_assert_uint_le(locked_kib(), before + 200);
}
END_TEST

START_TEST(refusal_names_the_limit) {
    pid_t child = fork();
    if (!child) {
        struct rlimit none = {0, 0};
        model_text t;
        if (setrlimit(RLIMIT_MEMLOCK, &none)) _exit(2);
        if (!geteuid() && setuid(65534)) _exit(3);      /* the superuser may lock what it likes */
        for (int threads = 1; threads <= 2; threads++) {
            if (prepare(&t, threads) != CLSTM_NO_MEMORY || !strstr(t.err.message, "RLIMIT_MEMLOCK is 0 bytes")) _exit(1);
            model_text_done(&t);
        }
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "status %d", status);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("resident");
#ifdef CLSTM_SANITIZED
    const bool sanitized = true;
#else
    const bool sanitized = false;
#endif
    if (sanitized) {
        unit_skip("locked memory", "sanitizers make locking a no-op");
        return s;
    }
    unit_add(s, "memory is locked", memory_is_locked);
    unit_add(s, "a refusal names the limit", refusal_names_the_limit);
    return s;
}
