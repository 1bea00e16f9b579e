/* util/resident: touching code and stack, locking blocks. */
#include "util/resident.h"

#include "util/status.h"

#include <errno.h>
#include <link.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* ---- code ---------------------------------------------------------------------------------------------------------------------- */

/* Sanitizers keep fences between variables, which are read here with everything else. */
__attribute__((no_sanitize("address", "thread"))) static void touch_object(const struct dl_phdr_info *object) {
    size_t page = page_bytes();
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_R)) continue;
        const volatile unsigned char *bytes = (const unsigned char *)(object->dlpi_addr + segment->p_vaddr);
        for (size_t at = 0; at < segment->p_memsz; at += page) (void)bytes[at];
    }
}

static int visit_object(struct dl_phdr_info *object, size_t size, void *unused) {
    /* a place in each object whose code a run may enter */
    const uintptr_t homes[] = {(uintptr_t)util_touch_program, (uintptr_t)tanhf, (uintptr_t)memcpy};
    (void)size;
    (void)unused;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t from = object->dlpi_addr + segment->p_vaddr;
        for (size_t k = 0; k < sizeof homes / sizeof *homes; k++)
            if (segment->p_type == PT_LOAD && homes[k] >= from && homes[k] - from < segment->p_memsz) {
                touch_object(object);
                return 0;
            }
    }
    return 0;
}

static void touch_code(void) { dl_iterate_phdr(visit_object, NULL); }

void util_touch_program(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, touch_code);
    util_touch_stack(false);
}

__attribute__((noinline)) bool util_touch_stack(bool lock) {
    volatile unsigned char stack[UTIL_STACK_BYTES];
    for (size_t i = 0; i < sizeof stack; i += 512) stack[i] = 0;
    return !lock || !mlock((const void *)(uintptr_t)stack, sizeof stack);
}

/* ---- locks --------------------------------------------------------------------------------------------------------------------- */

clstm_status util_lock_failed(size_t bytes, clstm_error *err) {
    int reason = errno;
    struct rlimit most = {0};
    getrlimit(RLIMIT_MEMLOCK, &most);
    return util_fail(err, CLSTM_NO_MEMORY, "cannot lock %zu bytes in memory: %s (RLIMIT_MEMLOCK is %llu bytes)", bytes, strerror(reason),
                     (unsigned long long)most.rlim_cur);
}

clstm_status util_lock(const void *block, size_t bytes, clstm_error *err) {
    return !block || !bytes || !mlock(block, bytes) ? CLSTM_OK : util_lock_failed(bytes, err);
}

void util_unlock(const void *block, size_t bytes) {
    uintptr_t page = page_bytes(), from = ((uintptr_t)block + page - 1) & ~(page - 1), to = ((uintptr_t)block + bytes) & ~(page - 1);
    if (block && to > from) munlock((const void *)from, to - from);
}
