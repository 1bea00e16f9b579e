/* convert/emit_dim: sizes of the emitted C: polynomials with integer coefficients over the model's symbolic dimensions. */
#ifndef CONVERT_EMIT_DIM_H
#define CONVERT_EMIT_DIM_H

#include <stdbool.h>
#include <stdint.h>

enum { EMIT_SYMBOLS = 8, EMIT_TERMS = 6 };

typedef struct emit_term { int64_t c; uint8_t power[EMIT_SYMBOLS]; } emit_term;
/* The sum of its terms, powers descending, no coefficient zero: equal polynomials are equal memory for memory. */
typedef struct emit_dim { int n; emit_term term[EMIT_TERMS]; } emit_dim;

emit_dim emit_fixed(int64_t value);
emit_dim emit_symbol(int k);
bool emit_is_fixed(const emit_dim *a, int64_t *value);
bool emit_is(const emit_dim *a, int64_t value);
bool emit_same(const emit_dim *a, const emit_dim *b);
/* Which symbols occur, as bits. */
uint32_t emit_symbols(const emit_dim *a);
/* Whether a is never negative, whatever (non-negative) sizes the symbols have. */
bool emit_nonnegative(const emit_dim *a);
/* The value when symbol k is at[k]; false when it does not fit. */
bool emit_evaluate(const emit_dim *a, const int64_t *at, int64_t *value);
/* false: the result is no polynomial of this size, or the division leaves a rest. */
bool emit_add(const emit_dim *a, int64_t factor, const emit_dim *b, emit_dim *out);     /* a + factor * b */
bool emit_mul(const emit_dim *a, const emit_dim *b, emit_dim *out);
bool emit_div(const emit_dim *a, const emit_dim *b, emit_dim *out);                     /* b: one term */

#endif
