/* util/threads: a small pool of workers for fork-join regions. Workers spin between the regions of one run and sleep on a futex
 * after `spin_us`. With a caller's parallel_for the pool starts no thread of its own. */
#ifndef UTIL_THREADS_H
#define UTIL_THREADS_H

#include <clstm/clstm.h>

#include <stdatomic.h>

typedef struct util_pool util_pool;

/* threads counts the caller's own; 1 starts none. */
clstm_status util_pool_create(int threads, int spin_us, clstm_parallel_for parallel_for, void *user, util_pool **pool, clstm_error *err);
void util_pool_destroy(util_pool *pool);
/* Between enter and leave (one run) idle workers spin without end; after leave at most spin_us. NULL is allowed. */
void util_pool_enter(util_pool *pool);
void util_pool_leave(util_pool *pool);
int util_pool_threads(const util_pool *pool);           /* NULL: 1 */
/* Runs task(arg, 0..count-1), index 0 on the caller; returns when all are done. NULL pool: in order on the caller.
 * After fork() the child runs everything on the caller. */
void util_pool_run(util_pool *pool, int count, void (*task)(void *arg, int index), void *arg);

/* A team: task(arg, 0..count-1) all at once, each in a thread of its own, so that they may meet. How many there can be at most (1: a
 * caller's parallel_for or a child of fork() gives no such promise); count must not exceed it. */
int util_pool_team_most(const util_pool *pool);
void util_pool_team(util_pool *pool, int count, void (*task)(void *arg, int index), void *arg);
/* Called by every member with its index: returns when all `count` have come; what they wrote before is seen by all after. */
void util_pool_meet(util_pool *pool, int index, int count);
/* Called by a member: returns when another has brought *count to `least`; what it wrote before is seen. */
void util_pool_await(const atomic_llong *count, long long least);

#endif
