/* util/threads: every index runs once, in spinning, sleeping, oversubscribed and caller-driven pools, and in a child of fork. */
#include "unit_main.h"
#include "util/threads.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 100 };

typedef struct tally {
    atomic_int runs[MOST];
    int plain[MOST];            /* written without atomics: a region's end must order it */
} tally;

static void count_one(void *arg, int index)
{
    tally *t = arg;
    atomic_fetch_add(&t->runs[index], 1);
    t->plain[index]++;
}

static void regions(util_pool *pool, int rounds)
{
    static tally t;
    memset(&t, 0, sizeof t);
    int expected[MOST] = {0};
    for (int round = 0; round < rounds; round++) {
        int count = round * 7 % (MOST + 1);
        util_pool_run(pool, count, count_one, &t);
        for (int i = 0; i < count; i++)
            expected[i]++;
        for (int i = 0; i < MOST; i++) {
            ck_assert_int_eq(atomic_load(&t.runs[i]), expected[i]);
            ck_assert_int_eq(t.plain[i], expected[i]);
        }
    }
}

static const struct { int threads, spin_us; bool sleep; } pools[] = {
    {1, 0, false}, {2, 50, false}, {2, 0, false}, {3, -1, false}, {5, 0, false}, {2, 20, true}, {4, 0, true},
};

START_TEST(every_index_once)
{
    clstm_error err = {0};
    util_pool *pool = NULL;
    ck_assert_int_eq(util_pool_create(pools[_i].threads, pools[_i].spin_us, NULL, NULL, &pool, &err), CLSTM_OK);
    ck_assert_int_eq(util_pool_threads(pool), pools[_i].threads);
    for (int run = 0; run < 6; run++) {
        util_pool_enter(pool);
        regions(pool, 50);
        util_pool_leave(pool);
        if (pools[_i].sleep)
            usleep(2000);       /* longer than spin_us: the next run has to wake them */
    }
    util_pool_destroy(pool);
}
END_TEST

/* Members write their own place before a meeting and read all places after it, round after round. */
typedef struct round_table {
    util_pool *pool;
    int count, rounds, place[2][MOST];
    atomic_int wrong;
} round_table;

static void sit_down(void *arg, int index)
{
    round_table *t = arg;
    for (int round = 0; round < t->rounds; round++) {
        t->place[round & 1][index] = round * MOST + index;
        util_pool_meet(t->pool, index, t->count);
        for (int i = 0; i < t->count; i++)
            if (t->place[round & 1][i] != round * MOST + i)
                atomic_fetch_add(&t->wrong, 1);
    }
}

START_TEST(teams_meet)
{
    static round_table t;
    clstm_error err = {0};
    memset(&t, 0, sizeof t);
    ck_assert_int_eq(util_pool_create(pools[_i].threads, pools[_i].spin_us, NULL, NULL, &t.pool, &err), CLSTM_OK);
    ck_assert_int_eq(util_pool_team_most(t.pool), pools[_i].threads);
    for (t.count = 1; t.count <= pools[_i].threads; t.count++) {
        t.rounds = 300;
        util_pool_enter(t.pool);
        util_pool_team(t.pool, t.count, sit_down, &t);
        util_pool_team(t.pool, t.count, sit_down, &t);
        util_pool_leave(t.pool);
    }
    ck_assert_int_eq(atomic_load(&t.wrong), 0);
    util_pool_destroy(t.pool);
}
END_TEST

static void in_reverse(void *user, int count, void (*task)(void *arg, int index), void *arg)
{
    ++*(int *)user;
    for (int i = count - 1; i >= 0; i--)
        task(arg, i);
}

START_TEST(callers_parallel_for)
{
    clstm_error err = {0};
    util_pool *pool = NULL;
    int calls = 0;
    ck_assert_int_eq(util_pool_create(4, 0, in_reverse, &calls, &pool, &err), CLSTM_OK);
    ck_assert_int_eq(util_pool_threads(pool), 4);
    ck_assert_int_eq(util_pool_team_most(pool), 1);     /* nobody promised that they run at once */
    regions(pool, 30);
    ck_assert_int_gt(calls, 0);
    util_pool_destroy(pool);
}
END_TEST

START_TEST(child_of_fork_goes_on_alone)
{
    clstm_error err = {0};
    util_pool *pool = NULL;
    ck_assert_int_eq(util_pool_create(3, 0, NULL, NULL, &pool, &err), CLSTM_OK);
    regions(pool, 10);
    pid_t child = fork();
    ck_assert_int_ne(child, -1);
    if (child == 0) {
        alarm(20);
        regions(pool, 10);
        int most = util_pool_team_most(pool);
        util_pool_destroy(pool);
        _exit(most != 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    regions(pool, 10);
    util_pool_destroy(pool);
}
END_TEST

START_TEST(too_many_threads)
{
    clstm_error err = {0};
    util_pool *pool = NULL;
    ck_assert_int_eq(util_pool_create(100000, 0, NULL, NULL, &pool, &err), CLSTM_BAD_ARGUMENT);
    ck_assert_ptr_null(pool);
    ck_assert_ptr_nonnull(strstr(err.message, "100000"));
    util_pool_destroy(NULL);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("threads");
    unit_add_loop(suite, "every index once", every_index_once, 0, sizeof pools / sizeof *pools);
    unit_add_loop(suite, "teams meet", teams_meet, 0, sizeof pools / sizeof *pools);
    unit_add(suite, "parallel_for", callers_parallel_for);
    unit_add(suite, "fork", child_of_fork_goes_on_alone);
    unit_add(suite, "too many", too_many_threads);
    return suite;
}
