/* io/csv: tables of numbers from text, literals, and how a table becomes a tensor of the shape that a model wants. */
#include "io/csv.h"

#include "util/alloc.h"
#include "util/status.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void io_table_free(io_table *table) {
    free(table->numbers);
    memset(table, 0, sizeof *table);
}

bool io_number_parse(const char *text, size_t length, io_number *n) {
    char copy[80], *end;
    if (!length || length >= sizeof copy) return false;
    memcpy(copy, text, length);
    copy[length] = 0;
    if (strlen(copy) != length) return false;
    if (!strcasecmp(copy, "true") || !strcasecmp(copy, "false")) {
        *n = (io_number){copy[0] == 't' || copy[0] == 'T', copy[0] == 't' || copy[0] == 'T', true};
        return true;
    }
    if (!strchr("+-.0123456789nNiI", copy[0])) return false;
    errno = 0;
    n->integer = strtoll(copy, &end, 0);
    /* 0-led numbers are decimal in a table, whatever strtoll thinks. */
    const char *digits = copy + (copy[0] == '-' || copy[0] == '+');
    if (digits[0] == '0' && digits[1] && digits[1] != 'x' && digits[1] != 'X') { errno = 0; n->integer = strtoll(copy, &end, 10); }
    n->exact = !errno && end != copy && !*end;
    n->real = strtod(copy, &end);
    if (end == copy || *end) return false;
    if (!n->exact && isfinite(n->real) && n->real == nearbyint(n->real) && fabs(n->real) < 0x1p53) {
        n->integer = (int64_t)n->real;      /* 1e3, 5.0 */
        n->exact = true;
    }
    return true;
}

static bool is_separator(char c) { return c == ',' || c == ';' || c == '\t' || c == ' '; }

/* Parses one line into *table; *bad points to the word that is no number. */
static clstm_status parse_line(const char *line, const char *end, io_table *table, int64_t *columns, const char **bad, clstm_error *err) {
    *columns = 0;
    *bad = NULL;
    bool pending = false;       /* a comma waits for its number */
    while (line < end) {
        while (line < end && (*line == ' ' || *line == '\t')) line++;
        if (line == end) break;
        const char *word = line, *stop;
        bool quoted = *word == '"';
        if (quoted) {
            word++;
            stop = memchr(word, '"', (size_t)(end - word));
            if (!stop) { *bad = word - 1; return CLSTM_OK; }
            line = stop + 1;
        } else {
            while (line < end && !is_separator(*line)) line++;
            stop = line;
        }
        if (table->count == table->capacity && !util_grow((void **)&table->numbers, &table->capacity, table->count + 1, sizeof *table->numbers))
            return util_no_memory(err);
        if (!io_number_parse(word, (size_t)(stop - word), &table->numbers[table->count])) { *bad = word; return CLSTM_OK; }
        table->count++;
        ++*columns;
        while (line < end && (*line == ' ' || *line == '\t')) line++;
        pending = line < end && (*line == ',' || *line == ';');
        if (pending) line++;
    }
    if (pending) *bad = end;
    return CLSTM_OK;
}

clstm_status io_table_parse(const char *text, size_t size, io_table *table, clstm_error *err) {
    const char *at = text, *end = text + size, *bad;
    int64_t line = 0, columns;
    bool header_seen = false;
    memset(table, 0, sizeof *table);
    clstm_status status = CLSTM_OK;
    if (size >= 3 && !memcmp(at, "\xEF\xBB\xBF", 3)) at += 3;
    while (at < end && status == CLSTM_OK) {
        const char *eol = memchr(at, '\n', (size_t)(end - at)), *stop = eol ? eol : end;
        const char *next = eol ? eol + 1 : end;
        size_t before = table->count;
        line++;
        while (stop > at && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t')) stop--;
        if (stop > at && *at != '#') {
            status = parse_line(at, stop, table, &columns, &bad, err);
            if (status == CLSTM_OK && bad) {
                char word[48], shown[80];
                size_t n = (size_t)(stop - bad) < sizeof word - 1 ? (size_t)(stop - bad) : sizeof word - 1;
                memcpy(word, bad, n);
                word[n] = 0;
                if (table->rows || header_seen || before)
                    status = util_fail(err, CLSTM_BAD_ARGUMENT, "line %lld: \"%s\" is no number", (long long)line, util_escape(shown, sizeof shown, word));
                header_seen = true;
                table->count = before;
            } else if (status == CLSTM_OK && columns) {
                if (table->rows && columns != table->columns)
                    status = util_fail(err, CLSTM_BAD_ARGUMENT, "line %lld has %lld columns, the lines before it %lld", (long long)line, (long long)columns, (long long)table->columns);
                table->columns = columns;
                table->rows++;
            }
        }
        at = next;
    }
    if (status == CLSTM_OK && !table->rows) status = util_fail(err, CLSTM_BAD_ARGUMENT, "no numbers in it");
    if (status != CLSTM_OK) io_table_free(table);
    return status;
}

bool io_literal_parse(const char *text, io_table *table, clstm_error *err) {
    const char *bad = NULL;
    memset(table, 0, sizeof *table);
    bool good = *text && !strpbrk(text, " \t;\"") && parse_line(text, text + strlen(text), table, &table->columns, &bad, err) == CLSTM_OK && !bad;
    table->rows = 1;
    if (!good) io_table_free(table);
    return good;
}

/* ---- from a table to the shape that is wanted ---------------------------------------------------------------------------- */

bool io_is_batch_name(const char *name) {
    return name && (!strcasecmp(name, "n") || !strcasecmp(name, "b") || !strcasecmp(name, "bs") || !strncasecmp(name, "batch", 5) ||
                    strstr(name, "batch") != NULL);
}

/* Fills the unknown entries of dims; false when that is impossible or (*open) more than one reading remains. */
static bool solve(int64_t rows, int64_t columns, int rank, const char *const *names, int64_t *dims, bool *open) {
    int64_t total, known = 1;
    int unknown = 0, which = -1;
    *open = false;
    if (!util_mul(rows, columns, &total)) return false;
    /* The columns are the last axis; a single row or column has no say. */
    if (rank > 1 && rows > 1 && columns > 1) {
        if (dims[rank - 1] < 0) dims[rank - 1] = columns;
        else if (dims[rank - 1] != columns) return false;
    }
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0) unknown++;
    /* One unknown follows from the count, whatever its name; of several, batches are 1. */
    for (int i = 0; unknown > 1 && i < rank; i++)
        if (dims[i] < 0 && names && io_is_batch_name(names[i])) { dims[i] = 1; unknown--; }
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0) which = i;
        else if (!util_mul(known, dims[i], &known)) return false;
    }
    if (!unknown) return known == total;
    if (known <= 0 || total % known) return false;
    if (unknown > 1 && total != known) { *open = true; return false; }
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0) dims[i] = i == which ? total / known : 1;
    return true;
}

clstm_status io_shape_fit(int64_t rows, int64_t columns, const clstm_tensor *want, const char *const *names, clstm_tensor *shape, clstm_error *err) {
    char text[200];
    bool open = false;
    *shape = *want;
    if (want->rank < 0) {       /* unknown rank: the table's own */
        shape->rank = rows == 1 ? (columns == 1 ? 0 : 1) : 2;
        shape->dims[0] = rows == 1 ? columns : rows;
        shape->dims[1] = columns;
        return CLSTM_OK;
    }
    if (solve(rows, columns, want->rank, names, shape->dims, &open)) return CLSTM_OK;
    return util_fail(err, CLSTM_BAD_ARGUMENT, "%lld rows of %lld numbers do not fit shape %s%s", (long long)rows, (long long)columns,
                     io_shape_text(text, sizeof text, want, names), open ? "; fix its unknown dimensions with --shape or --dim" : "");
}

clstm_status io_table_fit(const io_table *table, const clstm_tensor *want, const char *const *names, clstm_tensor *t, clstm_error *err) {
    clstm_tensor shape;
    UTIL_TRY(io_shape_fit(table->rows, table->columns, want, names, &shape, err));
    UTIL_TRY(io_tensor_make(t, want->type, shape.rank, shape.dims, 0, err));
    for (size_t i = 0; i < table->count; i++)
        if (!io_set(t, (int64_t)i, table->numbers[i])) {
            char text[40];
            free(t->data);
            t->data = NULL;
            return util_fail(err, CLSTM_BAD_ARGUMENT, "%s is no %s", io_real_text(text, sizeof text, table->numbers[i].real), clstm_type_name(want->type));
        }
    return CLSTM_OK;
}

clstm_status io_csv_format(const clstm_tensor *t, char separator, io_buffer *out, clstm_error *err) {
    if (t->type == CLSTM_COMPLEX64 || t->type == CLSTM_COMPLEX128) return util_fail(err, CLSTM_UNSUPPORTED, "text files of %s", clstm_type_name(t->type));
    int64_t count = clstm_tensor_count(t), columns = t->rank > 1 ? t->dims[t->rank - 1] : 1;
    for (int64_t i = 0; i < count; i++) {
        io_put_element(out, t, i);
        io_put(out, (i + 1) % columns ? &separator : "\n", 1);
    }
    return out->failed ? util_no_memory(err) : CLSTM_OK;
}
