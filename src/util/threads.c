/* util/threads: fork-join over a few workers. Every worker takes part in every region, so the region's description may change
 * as soon as all have answered; index i belongs to thread i mod threads, which keeps a part of the weights in one core's cache. */
#include "util/threads.h"

#include "util/alloc.h"
#include "util/fpmode.h"
#include "util/status.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef CLSTM_SANITIZED
enum { STACK_BYTES = 4 << 20, TOUCHED_BYTES = 128 << 10 };      /* a sanitizer keeps its own state on a thread's stack */
#else
enum { STACK_BYTES = 256 << 10, TOUCHED_BYTES = 128 << 10 };
#endif

enum { YIELD_TURNS = 256 };

typedef struct worker { util_pool *pool; pthread_t thread; int index; } worker;

/* How often a member of a team has come to a meeting: only it writes, so an arrival moves one cache line once. */
typedef struct seat { _Alignas(64) atomic_uint meetings; } seat;

struct util_pool {
    int threads, spin_us;
    clstm_parallel_for parallel_for;
    void *user;
    unsigned forks;                         /* as of creation */
    _Alignas(64) atomic_uint generation;    /* a new value opens a region; what it says comes in the same cache line */
    void (*task)(void *, int);
    void *arg;
    int count;
    bool quit;
    _Alignas(64) atomic_uint sleepers;
    atomic_bool active;
    _Alignas(64) atomic_int pending;
    worker *workers;
    seat *seats;
    int started;
};

static atomic_uint forks;
static void forked(void) { atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed); }
static void watch_forks(void) { pthread_atfork(NULL, NULL, forked); }

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One look in vain. More threads than processors: let the others get on. */
static void wait_turn(unsigned turn) {
    relax();
    if (turn % YIELD_TURNS == 0) sched_yield();
}

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Waits for a generation other than `seen`: spinning while a run is on and for spin_us after it, then asleep. */
static unsigned next_generation(util_pool *p, unsigned seen) {
    int64_t since = -1;
    for (unsigned turn = 1;; turn++) {
        unsigned g = atomic_load_explicit(&p->generation, memory_order_acquire);
        if (g != seen) return g;
        wait_turn(turn);
        if (turn % 64 || atomic_load_explicit(&p->active, memory_order_relaxed)) {
            if (turn % 64 == 0) since = -1;
            continue;
        }
        int64_t t = now_us();
        if (since < 0) since = t;
        if (t - since < p->spin_us) continue;
        atomic_fetch_add(&p->sleepers, 1);
        syscall(SYS_futex, &p->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
        atomic_fetch_sub(&p->sleepers, 1);
        since = -1;
    }
}

static void *work(void *arg) {
    worker *w = arg;
    util_pool *p = w->pool;
    volatile unsigned char stack[TOUCHED_BYTES];        /* no page fault later */
    for (size_t i = 0; i < sizeof stack; i += 512) stack[i] = 0;
    util_fpmode_enter();
    for (unsigned seen = 0;;) {
        seen = next_generation(p, seen);
        if (p->quit) return NULL;
        for (int i = w->index; i < p->count; i += p->threads) p->task(p->arg, i);
        atomic_fetch_sub_explicit(&p->pending, 1, memory_order_release);
    }
}

static void open_region(util_pool *p) {
    atomic_fetch_add(&p->generation, 1);
    if (atomic_load(&p->sleepers)) syscall(SYS_futex, &p->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

clstm_status util_pool_create(int threads, int spin_us, clstm_parallel_for parallel_for, void *user, util_pool **out, clstm_error *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    if (threads <= 1) return CLSTM_OK;
    if (threads > 256) return util_fail(err, CLSTM_BAD_ARGUMENT, "%d threads (at most 256)", threads);
    pthread_once(&once, watch_forks);
    util_pool *p = util_aligned_alloc(sizeof *p);
    if (!p) return util_no_memory(err);
    memset(p, 0, sizeof *p);
    p->threads = threads;
    p->spin_us = spin_us < 0 ? 50 : spin_us;
    p->parallel_for = parallel_for;
    p->user = user;
    p->forks = atomic_load(&forks);
    if (parallel_for) { *out = p; return CLSTM_OK; }
    pthread_attr_t attr;
    p->seats = util_aligned_alloc((size_t)threads * sizeof *p->seats);
    bool failed = !p->seats || !(p->workers = util_calloc((size_t)threads, sizeof *p->workers)) || pthread_attr_init(&attr);
    if (!failed) {
        /* The program's signals are its own threads' to take. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        pthread_attr_setstacksize(&attr, STACK_BYTES);
        for (int i = 1; i < threads && !failed; i++) {
            p->workers[i] = (worker){.pool = p, .index = i};
            failed = pthread_create(&p->workers[i].thread, &attr, work, &p->workers[i]) != 0;
            p->started += !failed;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attr);
    }
    if (failed) { util_pool_destroy(p); return util_fail(err, CLSTM_NO_MEMORY, "cannot start %d threads", threads); }
    *out = p;
    return CLSTM_OK;
}

static bool in_child(const util_pool *p) { return atomic_load_explicit(&forks, memory_order_relaxed) != p->forks; }

void util_pool_destroy(util_pool *p) {
    if (!p) return;
    if (p->started && !in_child(p)) {
        p->quit = true;
        open_region(p);
        for (int i = 1; i <= p->started; i++) pthread_join(p->workers[i].thread, NULL);
    }
    free(p->workers);
    util_aligned_free(p->seats);
    util_aligned_free(p);
}

int util_pool_threads(const util_pool *p) { return p ? p->threads : 1; }

void util_pool_enter(util_pool *p) { if (p) atomic_store_explicit(&p->active, true, memory_order_relaxed); }
void util_pool_leave(util_pool *p) { if (p) atomic_store_explicit(&p->active, false, memory_order_relaxed); }

typedef struct wrapped { void (*task)(void *, int); void *arg; } wrapped;
static void with_mode(void *arg, int index) {
    wrapped *w = arg;
    util_fpmode old = util_fpmode_enter();
    w->task(w->arg, index);
    util_fpmode_leave(old);
}

void util_pool_run(util_pool *p, int count, void (*task)(void *, int), void *arg) {
    if (!p || count <= 1 || in_child(p)) {
        for (int i = 0; i < count; i++) task(arg, i);
        return;
    }
    if (p->parallel_for) {
        wrapped w = {task, arg};
        p->parallel_for(p->user, count, with_mode, &w);
        return;
    }
    p->task = task;
    p->arg = arg;
    p->count = count;
    atomic_store_explicit(&p->pending, p->threads - 1, memory_order_relaxed);
    open_region(p);
    for (int i = 0; i < count; i += p->threads) task(arg, i);
    for (unsigned turn = 1; atomic_load_explicit(&p->pending, memory_order_acquire); turn++) wait_turn(turn);
}

int util_pool_team_most(const util_pool *p) { return p && !p->parallel_for && !in_child(p) ? p->threads : 1; }

void util_pool_team(util_pool *p, int count, void (*task)(void *, int), void *arg) {
    for (int i = 0; i < count && count > 1; i++) atomic_store_explicit(&p->seats[i].meetings, 0, memory_order_relaxed);
    util_pool_run(p, count, task, arg);
}

void util_pool_meet(util_pool *p, int index, int count) {
    if (count == 1) return;
    unsigned mine = atomic_load_explicit(&p->seats[index].meetings, memory_order_relaxed) + 1;
    atomic_store_explicit(&p->seats[index].meetings, mine, memory_order_release);
    for (int i = 0; i < count; i++)
        for (unsigned turn = 1; (int)(atomic_load_explicit(&p->seats[i].meetings, memory_order_acquire) - mine) < 0; turn++) wait_turn(turn);
}

void util_pool_await(const atomic_llong *count, long long least) {
    for (unsigned turn = 1; atomic_load_explicit(count, memory_order_acquire) < least; turn++) wait_turn(turn);
}
