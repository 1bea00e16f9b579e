/* io/buffer: text and bytes put together in memory, then written at once. A failed allocation is remembered and told at the end. */
#ifndef IO_BUFFER_H
#define IO_BUFFER_H

#include <clstm/clstm.h>

typedef struct io_buffer { char *data; size_t size, capacity; bool failed; } io_buffer;     /* zero-initialise */

void io_buffer_free(io_buffer *b);
void io_put(io_buffer *b, const void *bytes, size_t size);
void io_puts(io_buffer *b, const char *text);
__attribute__((format(printf, 2, 3))) void io_putf(io_buffer *b, const char *format, ...);

/* Element i of t, shortest form that reads back to the same element ("nan", "inf", "true", integers in full). */
void io_put_element(io_buffer *b, const clstm_tensor *t, int64_t i);
/* The same into out (at least 32 bytes); returns out. */
const char *io_element_text(char *out, size_t size, const clstm_tensor *t, int64_t i);
/* A real number with few digits, for people; returns out. */
const char *io_real_text(char *out, size_t size, double value);

/* Text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void io_put_json(io_buffer *b, const char *text);
/* A number as JSON: NaN and the infinities, which JSON lacks, become the strings "NaN", "Infinity", "-Infinity". */
void io_put_json_number(io_buffer *b, double value);
/* Text for XML (SVG, JUnit): markup escaped, controls, and what reverses the order of text, replaced. */
void io_put_xml(io_buffer *b, const char *text);
/* Text from a model for a terminal: control characters, marks that reverse the order of text, quotes and invalid UTF-8 as \xNN. Returns out. */
const char *io_escape(char *out, size_t size, const char *text);

/* Writes the buffer to `path` ("-" is stdout), completely or not at all. */
clstm_status io_buffer_write(const io_buffer *b, const char *path, clstm_error *err);

#endif
