/* A malloc family that counts, and refuses on request. */
#include "own_malloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

atomic_bool own_counting;
atomic_long own_allocations, own_frees, own_fail_at, own_live;

/* Seen by every library, whatever visibility this program is compiled with. */
#pragma GCC visibility push(default)
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *aligned_alloc(size_t align, size_t size);
void *memalign(size_t align, size_t size);
int posix_memalign(void **out, size_t align, size_t size);
void free(void *block);
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
#pragma GCC visibility pop

static bool refuse(void)
{
    if (!atomic_load(&own_counting))
        return false;
    atomic_fetch_add(&own_allocations, 1);
    return atomic_fetch_sub(&own_fail_at, 1) == 0;
}

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add(&own_live, 1);
    else
        errno = ENOMEM;
    return block;
}

void *malloc(size_t size)
{
    return counted(refuse() ? NULL : __libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return counted(refuse() ? NULL : __libc_calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (!block)
        return malloc(size);
    void *moved = refuse() ? NULL : __libc_realloc(block, size);
    if (!moved)
        errno = ENOMEM;
    return moved;
}

void *aligned_alloc(size_t align, size_t size)
{
    return counted(refuse() ? NULL : __libc_memalign(align, size));
}

void *memalign(size_t align, size_t size)
{
    return aligned_alloc(align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    void *block = aligned_alloc(align, size);
    if (!block)
        return ENOMEM;
    *out = block;
    return 0;
}

void free(void *block)
{
    if (block)
        atomic_fetch_sub(&own_live, 1);
    if (block && atomic_load(&own_counting))
        atomic_fetch_add(&own_frees, 1);
    __libc_free(block);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (refuse()) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return ((__typeof__(&mmap))dlsym(RTLD_NEXT, "mmap"))(at, size, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    return refuse() ? EAGAIN : ((__typeof__(&pthread_create))dlsym(RTLD_NEXT, "pthread_create"))(thread, attr, start, arg);
}
