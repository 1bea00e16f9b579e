/* convert/emit_dim: the sizes in emitted C. What polynomials say must be what their values say, at random places. */
#include "unit_main.h"

#include "convert/emit_dim.h"

#include <stdlib.h>

enum { SYMBOLS = 3, PLACES = 5 };

static int random_of(int from, int to) { return from + rand() % (to - from + 1); }

static emit_dim random_dim(int terms) {
    emit_dim sum = emit_fixed(0);
    for (int t = 0; t < terms; t++) {
        emit_dim term = emit_fixed(random_of(-4, 4));
        for (int p = random_of(0, 2); p > 0; p--) {
            emit_dim symbol = emit_symbol(random_of(0, SYMBOLS - 1));
            ck_assert(emit_mul(&term, &symbol, &term));
        }
        ck_assert(emit_add(&sum, 1, &term, &sum));
    }
    return sum;
}

static int64_t at(const emit_dim *d, const int64_t *place) {
    int64_t value;
    ck_assert(emit_evaluate(d, place, &value));
    return value;
}

START_TEST(sums_and_products_have_the_values_of_their_parts)
{
    srand(1 + (unsigned)_i);
    emit_dim a = random_dim(3), b = random_dim(2), sum, product;
    int64_t factor = random_of(-3, 3);
    ck_assert(emit_add(&a, factor, &b, &sum));
    ck_assert(emit_mul(&a, &b, &product));
    for (int k = 0; k < PLACES; k++) {
        int64_t place[EMIT_SYMBOLS] = {random_of(0, 9), random_of(0, 9), random_of(0, 9)};
        ck_assert_int_eq(at(&sum, place), at(&a, place) + factor * at(&b, place));
        ck_assert_int_eq(at(&product, place), at(&a, place) * at(&b, place));
        if (emit_nonnegative(&sum)) ck_assert_int_ge(at(&sum, place), 0);
    }
}
END_TEST

START_TEST(one_polynomial_has_one_form)
{
    srand(1 + (unsigned)_i);
    emit_dim a = random_dim(3), b = random_dim(3), ab, ba, back, none;
    ck_assert(emit_add(&a, 1, &b, &ab) && emit_add(&b, 1, &a, &ba));
    ck_assert(emit_same(&ab, &ba));
    ck_assert(emit_add(&ab, -1, &b, &back));
    ck_assert(emit_same(&back, &a));
    ck_assert(emit_add(&a, -1, &a, &none));
    ck_assert(emit_is(&none, 0) && none.n == 0);
    emit_dim one = emit_fixed(1);
    ck_assert(emit_add(&a, 1, &one, &b));
    ck_assert(!emit_same(&a, &b));
}
END_TEST

START_TEST(division_undoes_a_product_or_is_refused)
{
    srand(1 + (unsigned)_i);
    emit_dim a = random_dim(3), x = emit_symbol(0), by = emit_fixed(random_of(1, 5)), product, quotient;
    ck_assert(emit_mul(&by, &x, &by));
    ck_assert(emit_mul(&a, &by, &product) && emit_div(&product, &by, &quotient));
    ck_assert(emit_same(&quotient, &a));
    emit_dim one = emit_fixed(1), rest;
    ck_assert(emit_add(&product, 1, &one, &rest));
    ck_assert(!emit_div(&rest, &by, &quotient));            /* 1 is no multiple of a symbol */
    emit_dim two = emit_fixed(2), odd = emit_fixed(3);
    ck_assert(!emit_div(&odd, &two, &quotient));
    ck_assert(emit_add(&x, 1, &one, &rest));
    ck_assert(!emit_div(&product, &rest, &quotient));       /* by a sum: not even tried */
}
END_TEST

START_TEST(fixed_sizes_and_symbols)
{
    emit_dim seven = emit_fixed(7), none = emit_fixed(0), y = emit_symbol(5), sum;
    int64_t value;
    ck_assert(emit_is_fixed(&seven, &value) && value == 7);
    ck_assert(emit_is_fixed(&none, &value) && value == 0);
    ck_assert(!emit_is_fixed(&y, &value));
    ck_assert(!emit_is(&y, 1));
    ck_assert(!emit_same(&y, (emit_dim[]){emit_symbol(4)}));
    ck_assert_uint_eq(emit_symbols(&seven), 0);
    ck_assert(emit_add(&seven, 1, &y, &sum));
    ck_assert_uint_eq(emit_symbols(&sum), 1u << 5);
    ck_assert(emit_nonnegative(&sum));
    ck_assert(emit_add(&y, -1, &seven, &sum));
    ck_assert(!emit_nonnegative(&sum));
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    emit_dim large = emit_fixed(INT64_MAX), two = emit_fixed(2), x = emit_symbol(0), out, many = emit_fixed(0);
    int64_t value;
    ck_assert(!emit_mul(&large, &two, &out));
    ck_assert(!emit_add(&large, 1, &two, &out));
    ck_assert(!emit_add(&two, 2, &large, &out));
    ck_assert(emit_mul(&large, &x, &out));
    ck_assert(!emit_evaluate(&out, (int64_t[EMIT_SYMBOLS]){2}, &value));
    ck_assert(emit_add(&out, 1, &large, &out));
    ck_assert(!emit_evaluate(&out, (int64_t[EMIT_SYMBOLS]){1}, &value));
    for (int k = 0; k < EMIT_TERMS; k++) {
        emit_dim symbol = emit_symbol(k);
        ck_assert(emit_add(&many, 1, &symbol, &many));
    }
    ck_assert(!emit_add(&many, 1, &two, &out));             /* one term more than there is room for */
    for (int p = 1; p < 32; p++) ck_assert(emit_mul(&x, (emit_dim[]){emit_symbol(0)}, &x));
    ck_assert(!emit_mul(&x, (emit_dim[]){emit_symbol(0)}, &out));
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("convert_dim");
    unit_add_loop(s, "sums and products have the values of their parts", sums_and_products_have_the_values_of_their_parts, 0, 100);
    unit_add_loop(s, "one polynomial has one form", one_polynomial_has_one_form, 0, 100);
    unit_add_loop(s, "division undoes a product or is refused", division_undoes_a_product_or_is_refused, 0, 50);
    unit_add(s, "fixed sizes and symbols", fixed_sizes_and_symbols);
    unit_add(s, "what does not fit is refused", what_does_not_fit_is_refused);
    return s;
}
