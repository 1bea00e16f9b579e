/* io/csv: tables of numbers from text, and numbers given on the command line. */
#ifndef IO_CSV_H
#define IO_CSV_H

#include "io/buffer.h"
#include "io/value.h"

/* Rows of equally many numbers, row after row. */
typedef struct io_table { io_number *numbers; int64_t rows, columns; size_t count, capacity; } io_table;

void io_table_free(io_table *table);
/* One number ("-1.5e3", "nan", "0x10", "true"), the whole of text[0..length); false when it is none. */
bool io_number_parse(const char *text, size_t length, io_number *number);
/* Text of comma, semicolon, tab or space separated numbers. One header line, empty lines and lines that begin with # are passed
 * over. NUL-terminated. */
clstm_status io_table_parse(const char *text, size_t size, io_table *table, clstm_error *err);
/* "1,2,3" as one row; false when it is no list of numbers. */
bool io_literal_parse(const char *text, io_table *table, clstm_error *err);

/* "batch", "N", "batch_size" ...: a dimension whose name says that it counts independent sequences. */
bool io_is_batch_name(const char *name);
/* The shape that `rows` of `columns` numbers have for somebody who wants `want` (-1 unknown): the columns are the last axis; a single
 * unknown dimension follows from the count; of several, those named like a batch are 1. Where more than one reading remains the
 * error says how to decide. */
clstm_status io_shape_fit(int64_t rows, int64_t columns, const clstm_tensor *want, const char *const *dim_names, clstm_tensor *shape, clstm_error *err);
/* A tensor of want's type and such a shape from the table. */
clstm_status io_table_fit(const io_table *table, const clstm_tensor *want, const char *const *dim_names, clstm_tensor *t, clstm_error *err);

/* Writes rows with the last axis as columns (a vector as one column), separated by `separator`. */
clstm_status io_csv_format(const clstm_tensor *t, char separator, io_buffer *out, clstm_error *err);

#endif
