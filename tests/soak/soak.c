/* Long runs of the character model: STEPS steps of streaming in random pieces give the bits of the run in blocks while memory
 * stays flat; STEPS more do in batches of random streams and random lengths, more shapes than plans are kept; then THREADS threads, each
 * with a session of its own on one model, all get the same bits for SECONDS seconds.
 *
 *   soak MODEL STEPS THREADS SECONDS */
#include <clstm/clstm.h>

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 500, LETTERS = 27, MOST_THREADS = 64, LANES = 6, SEEDS = 4 };

static int passed, failed;

static void verdict(bool ok, const char *name, const char *why)
{
    printf(ok ? "ok %s\n" : "not ok %s: %s\n", name, why);
    ok ? passed++ : failed++;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    return z ^ z >> 27;
}

/* `count` letters in, count * LETTERS log probabilities into `out`. */
static clstm_status feed(clstm_session *session, int64_t *letters, int64_t count, float *out, clstm_error *err)
{
    clstm_tensor input = clstm_tensor_view(CLSTM_INT64, 2, (int64_t[]){1, count}, letters);
    clstm_status status = clstm_session_set_input(session, 0, &input, err);
    if (status == CLSTM_OK)
        status = clstm_session_run(session, err);
    if (status == CLSTM_OK)
        memcpy(out, clstm_session_output(session, 0)->tensor.data, (size_t)count * LETTERS * sizeof *out);
    return status;
}

static clstm_status stream_session(clstm_model *model, clstm_session **session, clstm_error *err)
{
    clstm_session_options options;
    clstm_session_options_default(&options);
    options.carry = CLSTM_CARRY_PORTS;
    return clstm_session_create(model, &options, session, err);
}

/* What is held at most in the first quarter of a run, and later. */
typedef struct memory { size_t held, most; } memory;

static void watch(memory *m, bool first_quarter)
{
    size_t now = mallinfo2().uordblks + mallinfo2().hblkhd;
    if (first_quarter && now > m->held)
        m->held = now;
    if (now > m->most)
        m->most = now;
}

static void judge(const char *name, clstm_status status, const clstm_error *err, bool same, const memory *m)
{
    char what[96], why[96];
    verdict(status == CLSTM_OK, name, err->message);
    snprintf(what, sizeof what, "%s: the bits of blocks", name);
    verdict(same, what, "they differ");
    snprintf(what, sizeof what, "%s: memory stays flat", name);
    snprintf(why, sizeof why, "%zu bytes at first, %zu later", m->held, m->most);
    verdict(m->most <= m->held + m->held / 10 + 65536, what, why);
}

static void streaming(clstm_model *model, long steps)
{
    static float whole[BLOCK * LETTERS], pieces[BLOCK * LETTERS];
    int64_t letters[BLOCK];
    clstm_error err = {0};
    clstm_session *blocks = NULL, *stream = NULL;
    uint64_t random = 1;
    memory m = {0, 0};
    clstm_status status = stream_session(model, &blocks, &err);
    if (status == CLSTM_OK)
        status = stream_session(model, &stream, &err);
    bool same = true;
    for (long done = 0; status == CLSTM_OK && same && done < steps; done += BLOCK) {
        for (int i = 0; i < BLOCK; i++)
            letters[i] = (int64_t)(next_random(&random) % LETTERS);
        status = feed(blocks, letters, BLOCK, whole, &err);
        for (int64_t at = 0, n; status == CLSTM_OK && at < BLOCK; at += n) {
            n = 1 + (int64_t)(next_random(&random) % 40);
            if (n > BLOCK - at)
                n = BLOCK - at;
            status = feed(stream, letters + at, n, pieces + at * LETTERS, &err);
        }
        same = memcmp(whole, pieces, sizeof whole) == 0;
        watch(&m, done < steps / 4);
    }
    judge("pieces", status, &err, same, &m);
    clstm_session_destroy(blocks);
    clstm_session_destroy(stream);
}

/* A stream of its own, and what it has been fed of the current block. */
typedef struct lane { clstm_state *state, *whole; uint64_t random; int64_t filled, letters[BLOCK]; float out[BLOCK * LETTERS]; } lane;

/* One run of `count` lanes by `n` steps. */
static clstm_status run_batch(clstm_session *session, lane *const *taken, size_t count, int64_t n, clstm_error *err)
{
    int64_t letters[LANES * BLOCK];
    clstm_state *states[LANES];
    for (size_t k = 0; k < count; k++) {
        int64_t *own = taken[k]->letters + taken[k]->filled;
        states[k] = taken[k]->state;
        for (int64_t i = 0; i < n; i++)
            own[i] = (int64_t)(next_random(&taken[k]->random) % LETTERS);
        memcpy(letters + (int64_t)k * n, own, (size_t)n * sizeof *own);
    }
    clstm_tensor input = clstm_tensor_view(CLSTM_INT64, 2, (int64_t[]){(int64_t)count, n}, letters);
    clstm_status status = clstm_session_set_input(session, 0, &input, err);
    if (status == CLSTM_OK)
        status = clstm_session_run_streams(session, states, count, err);
    const float *out = status == CLSTM_OK ? clstm_session_output(session, 0)->tensor.data : NULL;
    for (size_t k = 0; out && k < count; k++) {
        memcpy(taken[k]->out + taken[k]->filled * LETTERS, out + (int64_t)k * n * LETTERS, (size_t)n * LETTERS * sizeof *out);
        taken[k]->filled += n;
    }
    return status;
}

/* A full block against one run of it all. */
static clstm_status compare_block(clstm_session *blocks, lane *l, bool *same, clstm_error *err)
{
    static float whole[BLOCK * LETTERS];
    clstm_status status = clstm_session_attach(blocks, l->whole, err);
    if (status == CLSTM_OK)
        status = feed(blocks, l->letters, BLOCK, whole, err);
    *same &= memcmp(whole, l->out, sizeof whole) == 0;
    l->filled = 0;
    return status;
}

static void batches(clstm_model *model, long steps)
{
    static const int64_t lengths[] = {1, 2, 3, 5, 8, 13, 21, 34};
    static lane lanes[LANES];
    clstm_error err = {0};
    clstm_session *blocks = NULL, *session = NULL;
    uint64_t random = 3;
    memory m = {0, 0};
    bool same = true;
    clstm_status status = stream_session(model, &blocks, &err);
    if (status == CLSTM_OK)
        status = stream_session(model, &session, &err);
    if (status == CLSTM_OK)                 /* states have the shapes of a run */
        status = feed(blocks, lanes[0].letters, BLOCK, lanes[0].out, &err);
    if (status == CLSTM_OK)
        status = feed(session, lanes[0].letters, BLOCK, lanes[0].out, &err);
    for (size_t k = 0; k < LANES && status == CLSTM_OK; k++) {
        lanes[k].random = k + 100;
        status = clstm_state_create(session, 1, &lanes[k].state, &err);
        if (status == CLSTM_OK)
            status = clstm_state_create(blocks, 1, &lanes[k].whole, &err);
    }
    for (long done = 0; status == CLSTM_OK && same && done < steps;) {
        lane *taken[LANES];
        size_t count = 0, from = next_random(&random) % LANES, wanted = 1 + next_random(&random) % LANES;
        int64_t n = lengths[next_random(&random) % (sizeof lengths / sizeof *lengths)];
        for (; count < wanted; count++) {
            taken[count] = &lanes[(from + count) % LANES];
            n = n < BLOCK - taken[count]->filled ? n : BLOCK - taken[count]->filled;
        }
        status = run_batch(session, taken, count, n, &err);
        done += (long)(n * (int64_t)count);
        for (size_t k = 0; k < count && status == CLSTM_OK; k++)
            if (taken[k]->filled == BLOCK)
                status = compare_block(blocks, taken[k], &same, &err);
        watch(&m, done < steps / 4);
    }
    judge("batches", status, &err, same, &m);
    for (size_t k = 0; k < LANES; k++) {
        clstm_state_destroy(lanes[k].state);
        clstm_state_destroy(lanes[k].whole);
    }
    clstm_session_destroy(blocks);
    clstm_session_destroy(session);
}

/* `rounds` sessions from seeds that take turns, until `end` when there is one: each must give the hash that its seed gave alone. */
typedef struct job { clstm_model *model; int threads; double end; long rounds; uint64_t hashes[SEEDS]; bool alone, same; clstm_status status; } job;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static clstm_status one_session(const job *j, uint64_t seed, uint64_t *hash)
{
    float out[40 * LETTERS];
    int64_t letters[40];
    clstm_error err = {0};
    clstm_session *session = NULL;
    clstm_session_options options;
    clstm_session_options_default(&options);
    options.carry = CLSTM_CARRY_PORTS;
    options.threads = j->threads;
    clstm_status status = clstm_session_create(j->model, &options, &session, &err);
    *hash = 0xcbf29ce484222325ull;
    for (int k = 0; k < 20 && status == CLSTM_OK; k++) {
        int64_t n = 1 + (int64_t)(next_random(&seed) % 40);
        for (int i = 0; i < n; i++)
            letters[i] = (int64_t)(next_random(&seed) % LETTERS);
        status = feed(session, letters, n, out, &err);
        for (size_t i = 0; i < (size_t)n * LETTERS * sizeof *out; i++)
            *hash = (*hash ^ ((const unsigned char *)out)[i]) * 0x100000001b3ull;
    }
    clstm_session_destroy(session);
    return status;
}

static void *one_thread(void *arg)
{
    job *j = arg;
    j->same = true;
    for (; j->status == CLSTM_OK && (j->alone ? j->rounds < SEEDS : now_s() < j->end || j->rounds == 0); j->rounds++) {
        uint64_t hash;
        j->status = one_session(j, (uint64_t)(j->rounds % SEEDS), &hash);
        if (j->alone)
            j->hashes[j->rounds % SEEDS] = hash;
        j->same &= hash == j->hashes[j->rounds % SEEDS];
    }
    return NULL;
}

static void threads(clstm_model *model, int count, int seconds)
{
    job jobs[MOST_THREADS], alone = {.model = model, .threads = 1, .alone = true};
    pthread_t ids[MOST_THREADS];
    one_thread(&alone);
    bool same = alone.status == CLSTM_OK;
    int started = 0;
    for (; started < count; started++) {
        jobs[started] = alone;
        jobs[started].alone = false;
        jobs[started].rounds = 0;
        jobs[started].end = now_s() + seconds;
        jobs[started].threads = started % 8 ? 1 : 2;        /* a few have a pool of their own */
        if (pthread_create(&ids[started], NULL, one_thread, &jobs[started]) != 0)
            break;
    }
    long rounds = 0;
    for (int i = 0; i < started; i++) {
        pthread_join(ids[i], NULL);
        same &= jobs[i].status == CLSTM_OK && jobs[i].same;
        rounds += jobs[i].rounds;
    }
    verdict(started == count, "threads start", "they do not");
    verdict(same, "threads on one model get the same bits", "they differ or failed");
    printf("%d threads, %ld sessions\n", started, rounds);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int count = atoi(argv[3]);
    clstm_error err = {0};
    clstm_model *model = NULL;
    if (clstm_model_load(argv[1], NULL, &model, &err) != CLSTM_OK) {
        verdict(false, "load", err.message);
    } else {
        streaming(model, atol(argv[2]));
        batches(model, atol(argv[2]));
        threads(model, count < MOST_THREADS ? count : MOST_THREADS, atoi(argv[4]));
    }
    clstm_model_destroy(model);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
