/* util/resident: memory that a run must find in place: code and stack touched beforehand, blocks locked on request. */
#ifndef UTIL_RESIDENT_H
#define UTIL_RESIDENT_H

#include <clstm/clstm.h>

/* Touches the code and constants of the library, of the mathematics and of the C library (once a process), and the caller's stack as
 * deep as a run may go, so that the first run takes no page fault for them. */
void util_touch_program(void);
/* Touches (and, when asked, locks) the calling thread's stack from here down; false when it could not be locked. */
enum { UTIL_STACK_BYTES = 48 << 10 };
bool util_touch_stack(bool lock);

/* Keeps the pages of a block in memory; CLSTM_NO_MEMORY names the limit that stands in the way. Locks do not nest, and a page may hold
 * the ends of two blocks: so locking takes every page that the block touches, unlocking only those that are the block's alone. */
clstm_status util_lock(const void *block, size_t bytes, clstm_error *err);
clstm_status util_lock_failed(size_t bytes, clstm_error *err);      /* the message, from errno */
void util_unlock(const void *block, size_t bytes);

#endif
