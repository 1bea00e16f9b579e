/* Runs a case through the library's public header and holds the answers against the oracle's. */
#ifndef CLSTM_TESTS_ORACLE_LIBRARY_H
#define CLSTM_TESTS_ORACLE_LIBRARY_H

#include "cases.h"

/* Errors are tallied over the cases whose spread is at most this. */
enum { ORACLE_TABLE_SPREAD = 100 };

/* What comparing found, over all cases given to it. */
typedef struct {
    struct {
        long double max, sum;
        size_t count;
        uint64_t seed;         /* of the case with the largest */
    } error[3][ORACLE_TYPES]; /* in ulp(max(|expected|, 2^-7)), by operator and type */
    size_t chunked, permuted;  /* cases that those comparisons applied to */
} oracle_tally;

/* Counts the error of one element, unless the case multiplies every rounding error: its largest says nothing about a library. */
void oracle_count_error(oracle_tally *tally, const oracle_case *c, long double e);

/* True when the library agrees: two runs of one session within oracle_tolerance() and equal in bits; run as the case draws it and with
 * states and lengths as inputs equal in bits; in pieces along the sequence with the states carried over, equal in bits (one
 * direction); with the rows of the batch in another order, equal in bits. Else `why` (of `size` bytes) tells the first difference. */
bool oracle_compare(const oracle_case *c, oracle_tally *tally, char *why, size_t size);

#endif
