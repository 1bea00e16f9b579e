/* Long runs of the character model: STEPS steps of streaming in random pieces give the bits of the run in blocks while memory
 * stays flat; then THREADS threads, each with a session of its own on one model, all get the same bits.
 *
 *   soak MODEL STEPS THREADS ROUNDS */
#include <clstm/clstm.h>

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 500, LETTERS = 27, MOST_THREADS = 64 };

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

static void streaming(clstm_model *model, long steps)
{
    static float whole[BLOCK * LETTERS], pieces[BLOCK * LETTERS];
    int64_t letters[BLOCK];
    clstm_error err = {0};
    clstm_session *blocks = NULL, *stream = NULL;
    uint64_t random = 1;
    size_t held = 0, most = 0;
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
        size_t now = mallinfo2().uordblks + mallinfo2().hblkhd;
        if (done < steps / 4)
            held = now > held ? now : held;     /* the most that the first quarter needed */
        most = now > most ? now : most;
    }
    verdict(status == CLSTM_OK, "streaming", err.message);
    verdict(same, "pieces have the bits of blocks", "they differ");
    char why[96];
    snprintf(why, sizeof why, "%zu bytes at first, %zu later", held, most);
    verdict(most <= held + held / 10 + 65536, "memory stays flat", why);
    clstm_session_destroy(blocks);
    clstm_session_destroy(stream);
}

typedef struct job { clstm_model *model; int rounds; uint64_t hash; clstm_status status; } job;

static void *one_thread(void *arg)
{
    job *j = arg;
    clstm_error err = {0};
    j->hash = 0xcbf29ce484222325ull;
    for (int round = 0; round < j->rounds && j->status == CLSTM_OK; round++) {
        float out[40 * LETTERS];
        int64_t letters[40];
        uint64_t random = 7;
        clstm_session *session = NULL;
        j->status = stream_session(j->model, &session, &err);
        for (int k = 0; k < 20 && j->status == CLSTM_OK; k++) {
            int64_t n = 1 + (int64_t)(next_random(&random) % 40);
            for (int i = 0; i < n; i++)
                letters[i] = (int64_t)(next_random(&random) % LETTERS);
            j->status = feed(session, letters, n, out, &err);
            for (size_t i = 0; i < (size_t)n * LETTERS * sizeof *out; i++)
                j->hash = (j->hash ^ ((const unsigned char *)out)[i]) * 0x100000001b3ull;
        }
        clstm_session_destroy(session);
    }
    return NULL;
}

static void threads(clstm_model *model, int count, int rounds)
{
    job jobs[MOST_THREADS] = {{0}}, alone = {.model = model, .rounds = rounds};
    pthread_t ids[MOST_THREADS];
    one_thread(&alone);
    bool same = alone.status == CLSTM_OK;
    int started = 0;
    for (; started < count; started++) {
        jobs[started] = (job){.model = model, .rounds = rounds};
        if (pthread_create(&ids[started], NULL, one_thread, &jobs[started]) != 0)
            break;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(ids[i], NULL);
        same &= jobs[i].status == CLSTM_OK && jobs[i].hash == alone.hash;
    }
    verdict(started == count, "threads start", "they do not");
    verdict(same, "threads on one model get the same bits", "they differ or failed");
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
        threads(model, count < MOST_THREADS ? count : MOST_THREADS, atoi(argv[4]));
    }
    clstm_model_destroy(model);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}
