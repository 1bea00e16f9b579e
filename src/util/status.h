/* util/status: making, extending and escaping error messages. */
#ifndef UTIL_STATUS_H
#define UTIL_STATUS_H

#include <clstm/clstm.h>

/* Returns `status` after writing the message; `err` may be NULL. Control characters and invalid UTF-8 in the result are escaped. */
__attribute__((format(printf, 3, 4)))
clstm_status util_fail(clstm_error *err, clstm_status status, const char *format, ...);
/* Puts "context: " in front of the message that stands in `err`; returns err's status. */
__attribute__((format(printf, 3, 4)))
clstm_status util_context(clstm_error *err, clstm_status status, const char *format, ...);
/* CLSTM_NO_MEMORY with the usual words. */
clstm_status util_no_memory(clstm_error *err);

/* Copies `text` into `out` (size bytes, always terminated) with control characters, quotes and invalid UTF-8 as \xNN; long text is
 * cut with "...". Returns out. For names from a model inside messages. */
const char *util_escape(char *out, size_t size, const char *text);

/* UTF-8 without NUL: overlong forms, surrogates and values past U+10FFFF are refused. */
bool util_is_text(const void *bytes, size_t size);

/* Runs `call`; on failure leaves the function with its status. */
#define UTIL_TRY(call) do { clstm_status try_status_ = (call); if (try_status_ != CLSTM_OK) return try_status_; } while (0)

#endif
