/* tensor: sizes, shapes, broadcasting, text; float16 and bfloat16 at every value and every rounding boundary. */
#include "unit_main.h"
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static clstm_tensor shape(int rank, const int64_t *dims)
{
    return clstm_tensor_view(CLSTM_FLOAT, rank, dims, NULL);
}

START_TEST(counts_and_bytes)
{
    size_t bytes = 0;
    clstm_tensor t = shape(3, (int64_t[]){2, 3, 4});
    ck_assert_int_eq(clstm_tensor_count(&t), 24);
    ck_assert(tensor_bytes(&t, &bytes) && bytes == 96);
    ck_assert_int_eq(tensor_span(&t, 1, 3), 12);
    ck_assert_int_eq(tensor_span(&t, 1, 1), 1);
    t = shape(0, NULL);
    ck_assert_int_eq(clstm_tensor_count(&t), 1);
    t = shape(2, (int64_t[]){0, 7});
    ck_assert_int_eq(clstm_tensor_count(&t), 0);
    ck_assert(tensor_bytes(&t, &bytes) && bytes == 0);
    t = shape(2, (int64_t[]){-1, 7});
    ck_assert_int_eq(clstm_tensor_count(&t), -1);
    ck_assert(!tensor_bytes(&t, &bytes) && !tensor_shape_known(&t));
    t = shape(2, (int64_t[]){INT64_MAX / 2, 3});
    ck_assert_int_eq(clstm_tensor_count(&t), -1);
    t = shape(1, (int64_t[]){INT64_MAX / 2});
    ck_assert(!tensor_bytes(&t, &bytes));
    t.type = CLSTM_STRING;
    ck_assert(!tensor_bytes(&t, &bytes));
    ck_assert_int_eq(shape(CLSTM_MAX_RANK + 1, (int64_t[CLSTM_MAX_RANK + 1]){0}).type, CLSTM_TYPE_NONE);
    ck_assert_int_eq(shape(-1, NULL).type, CLSTM_TYPE_NONE);
}
END_TEST

START_TEST(types)
{
    ck_assert_str_eq(clstm_type_name(CLSTM_BFLOAT16), "bfloat16");
    ck_assert_str_eq(clstm_type_name((clstm_type)77), "none");
    ck_assert_str_eq(clstm_type_name((clstm_type)-1), "none");
    ck_assert_uint_eq(clstm_type_size(CLSTM_COMPLEX128), 16);
    ck_assert_uint_eq(clstm_type_size(CLSTM_STRING), 0);
    ck_assert_uint_eq(clstm_type_size((clstm_type)-1), 0);
    for (int i = CLSTM_FLOAT; i <= CLSTM_BFLOAT16; i++) {
        clstm_type t = (clstm_type)i;
        int classes = type_is_float(t) + type_is_signed_int(t) + type_is_unsigned_int(t);
        bool other = t == CLSTM_STRING || t == CLSTM_BOOL || t == CLSTM_COMPLEX64 || t == CLSTM_COMPLEX128;
        ck_assert_int_eq(classes, other ? 0 : 1);
        ck_assert_int_eq(type_is_integer(t), type_is_signed_int(t) || type_is_unsigned_int(t));
    }
}
END_TEST

static const struct { int ra; int64_t a[4]; int rb; int64_t b[4]; int rank; int64_t out[4]; } broadcasts[] = {
    {2, {3, 4}, 2, {3, 4}, 2, {3, 4}},       {2, {3, 4}, 1, {4}, 2, {3, 4}},          {1, {4}, 2, {3, 4}, 2, {3, 4}},
    {2, {3, 1}, 2, {1, 4}, 2, {3, 4}},       {0, {0}, 3, {2, 3, 4}, 3, {2, 3, 4}},    {2, {0, 1}, 2, {1, 5}, 2, {0, 5}},
    {1, {1}, 1, {0}, 1, {0}},                {2, {3, 4}, 2, {3, 5}, -1, {0}},         {1, {2}, 1, {0}, -1, {0}},
    {4, {5, 1, 2, 1}, 3, {7, 1, 3}, 4, {5, 7, 2, 3}},
};

START_TEST(broadcasting)
{
    clstm_tensor a = shape(broadcasts[_i].ra, broadcasts[_i].a), b = shape(broadcasts[_i].rb, broadcasts[_i].b), out = a;
    ck_assert_int_eq(tensor_broadcast(&out, &b), broadcasts[_i].rank >= 0);
    if (broadcasts[_i].rank < 0)
        return;
    clstm_tensor expected = shape(broadcasts[_i].rank, broadcasts[_i].out);
    ck_assert(tensor_same_shape(&out, &expected));
    /* walking by strides visits each element of b where index arithmetic says */
    int64_t strides[CLSTM_MAX_RANK], index[CLSTM_MAX_RANK] = {0};
    tensor_broadcast_strides(&b, &out, strides);
    for (int64_t i = 0; i < clstm_tensor_count(&out); i++) {
        int64_t rest = i, by_stride = 0, by_index = 0;
        for (int k = out.rank - 1; k >= 0; k--) {
            index[k] = rest % out.dims[k];
            rest /= out.dims[k];
            by_stride += index[k] * strides[k];
        }
        for (int k = 0; k < b.rank; k++)
            by_index = by_index * b.dims[k] + (b.dims[k] == 1 ? 0 : index[k + out.rank - b.rank]);
        ck_assert_int_eq(by_stride, by_index);
    }
}
END_TEST

START_TEST(text_and_axes)
{
    char out[168];
    clstm_tensor t = shape(3, (int64_t[]){2, -1, 64});
    ck_assert_str_eq(tensor_shape_text(out, sizeof out, &t), "[2,?,64]");
    t = shape(0, NULL);
    ck_assert_str_eq(tensor_shape_text(out, sizeof out, &t), "[]");
    t.rank = -1;
    ck_assert_str_eq(tensor_shape_text(out, sizeof out, &t), "[...]");
    t = shape(8, (int64_t[]){INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX});
    for (size_t size = 1; size < sizeof out; size++) {
        memset(out, 'g', sizeof out);
        tensor_shape_text(out, size, &t);
        ck_assert_uint_lt(strlen(out), size);
        ck_assert_int_eq(out[size], 'g');
    }
    ck_assert_uint_lt(strlen(tensor_shape_text(out, sizeof out, &t)), 167);
    int axis = 9;
    ck_assert(tensor_axis(-1, 3, &axis) && axis == 2);
    ck_assert(tensor_axis(-3, 3, &axis) && axis == 0);
    ck_assert(tensor_axis(2, 3, &axis) && axis == 2);
    ck_assert(!tensor_axis(3, 3, &axis) && !tensor_axis(-4, 3, &axis) && !tensor_axis(0, 0, &axis));
    ck_assert(!tensor_axis(INT64_MIN, 3, &axis) && !tensor_axis(INT64_MAX, 3, &axis));
}
END_TEST

/* What a narrow format has at its positive bit patterns, and its conversions. */
typedef struct format {
    uint16_t infinity;
    float (*widen)(uint16_t);
    uint16_t (*from_float)(float);
    uint16_t (*from_double)(double);
} format;
static const format formats[] = {
    {0x7C00, tensor_half_to_float, tensor_float_to_half, tensor_double_to_half},
    {0x7F80, tensor_bfloat_to_float, tensor_float_to_bfloat, tensor_double_to_bfloat},
};

START_TEST(narrow_round_trip)
{
    const format *f = &formats[_i];
    for (unsigned bits = 0; bits <= 0xFFFF; bits++) {
        float wide = f->widen((uint16_t)bits);
        if ((bits & 0x7FFF) > f->infinity) {
            ck_assert(isnan(wide) && isnan(f->widen(f->from_float(wide))) && isnan(f->widen(f->from_double((double)wide))));
        } else {
            ck_assert_uint_eq(f->from_float(wide), bits);
            ck_assert_uint_eq(f->from_double((double)wide), bits);
        }
    }
}
END_TEST

START_TEST(narrow_rounds_to_nearest_even)
{
    const format *f = &formats[_i];
    for (unsigned low = 0; low < f->infinity; low++) {
        double a = (double)f->widen((uint16_t)low);
        /* past the largest finite value the grid goes on as if it were not the end */
        double b = low + 1 < f->infinity ? (double)f->widen((uint16_t)(low + 1)) : 2 * a - (double)f->widen((uint16_t)(low - 1));
        double middle = a + (b - a) / 2;
        unsigned even = low & 1 ? low + 1 : low;
        const struct { double value; unsigned expected; } cases[] = {
            {middle, even}, {nextafter(middle, 0), low}, {nextafter(middle, INFINITY), low + 1},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            ck_assert_uint_eq(f->from_double(cases[i].value), cases[i].expected);
            ck_assert_uint_eq(f->from_double(-cases[i].value), cases[i].expected | 0x8000);
        }
        float middle_float = (float)middle;
        if ((double)middle_float == middle) {
            ck_assert_uint_eq(f->from_float(middle_float), even);
            ck_assert_uint_eq(f->from_float(nextafterf(middle_float, 0)), low);
            ck_assert_uint_eq(f->from_float(nextafterf(middle_float, INFINITY)), low + 1);
        }
    }
}
END_TEST

START_TEST(single_elements)
{
    int8_t i8[] = {-128};
    uint64_t u64[] = {UINT64_MAX};
    uint8_t truth[] = {2};
    double f64[] = {1e300, -1e300, NAN, -2.75};
    clstm_tensor t = clstm_tensor_view(CLSTM_INT8, 1, (int64_t[]){1}, i8);
    ck_assert_int_eq(tensor_get_int(&t, 0), -128);
    ck_assert(tensor_get_double(&t, 0) == -128.0);
    t = clstm_tensor_view(CLSTM_UINT64, 1, (int64_t[]){1}, u64);
    ck_assert(tensor_get_int(&t, 0) == INT64_MAX && tensor_get_double(&t, 0) == 0x1p64);
    t = clstm_tensor_view(CLSTM_BOOL, 1, (int64_t[]){1}, truth);
    ck_assert_int_eq(tensor_get_int(&t, 0), 1);
    t = clstm_tensor_view(CLSTM_DOUBLE, 1, (int64_t[]){4}, f64);
    ck_assert(tensor_get_int(&t, 0) == INT64_MAX && tensor_get_int(&t, 1) == INT64_MIN);
    ck_assert(tensor_get_int(&t, 2) == 0 && tensor_get_int(&t, 3) == -2);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("tensor");
    unit_add(suite, "counts", counts_and_bytes);
    unit_add(suite, "types", types);
    unit_add_loop(suite, "broadcast", broadcasting, 0, sizeof broadcasts / sizeof *broadcasts);
    unit_add(suite, "text and axes", text_and_axes);
    unit_add_loop(suite, "round trip", narrow_round_trip, 0, 2);
    unit_add_loop(suite, "nearest even", narrow_rounds_to_nearest_even, 0, 2);
    unit_add(suite, "elements", single_elements);
    return suite;
}
