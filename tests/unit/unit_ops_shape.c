/* Operators that move elements, in the corners that the official node tests leave out. */
#include "unit_main.h"

#include "ops_harness.h"
#include "ops/table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DIMS(...) (int64_t[]){__VA_ARGS__}
#define DATA_I64(...) (int64_t[]){__VA_ARGS__}

static void want(ops_case *c, int i, int rank, const int64_t *dims, const void *data, size_t bytes)
{
    const clstm_tensor *t = &c->out[i].tensor;
    ck_assert_int_eq(t->rank, rank);
    for (int d = 0; d < rank; d++) ck_assert_int_eq(t->dims[d], dims[d]);
    if (bytes) ck_assert_mem_eq(t->data, data, bytes);
    ck_assert(!c->twice_differs);
}

static ops_case *slice(const int32_t *x, int64_t n, int64_t start, int64_t end, int64_t step)
{
    static int64_t s[1], e[1], st[1], axes[1] = {-1};
    ops_case *c = ops_case_new("Slice", "", 13, 5, 1);
    *s = start;
    *e = end;
    *st = step;
    ops_case_input(c, 0, CLSTM_INT32, 1, &n, x);
    ops_case_input(c, 1, CLSTM_INT64, 1, DIMS(1), s);
    ops_case_input(c, 2, CLSTM_INT64, 1, DIMS(1), e);
    ops_case_input(c, 3, CLSTM_INT64, 1, DIMS(1), axes);
    ops_case_input(c, 4, CLSTM_INT64, 1, DIMS(1), st);
    return c;
}

static const struct { int64_t start, end, step; int n; int32_t y[5]; } slices[] = {
    {INT64_MAX, INT64_MIN, -1, 5, {4, 3, 2, 1, 0}}, {-1, INT64_MIN, -2, 3, {4, 2, 0}}, {3, 0, -1, 3, {3, 2, 1}},
    {INT64_MIN, INT64_MAX, 1, 5, {0, 1, 2, 3, 4}},  {0, 5, INT64_MAX, 1, {0}},         {4, -6, INT64_MIN, 1, {4}},
    {2, 2, 1, 0, {0}},                              {5, 9, 1, 0, {0}},                 {1, 4, 2, 2, {1, 3}},
    {-3, -1, 1, 2, {2, 3}},                         {1, 3, -1, 0, {0}},
};
START_TEST(slice_steps)
{
    ops_case *c = slice((const int32_t[]){0, 1, 2, 3, 4}, 5, slices[_i].start, slices[_i].end, slices[_i].step);
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want(c, 0, 1, DIMS(slices[_i].n), slices[_i].y, (size_t)slices[_i].n * 4);
    ops_case_free(c);
}
END_TEST

START_TEST(slice_refusals)
{
    ops_case *c = slice((const int32_t[]){0, 1}, 2, 0, 2, 0);
    ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_MODEL);
    ck_assert(strstr(c->err.message, "step of 0"));
    ops_case_free(c);
    c = slice(NULL, 0, 0, 5, -1);      /* nothing in, nothing out */
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want(c, 0, 1, DIMS(0), NULL, 0);
    ops_case_free(c);
}
END_TEST

START_TEST(gather_range)
{
    const int64_t bad[] = {3, -4, INT64_MAX, INT64_MIN};
    for (int i = 0; i < 4; i++) {
        ops_case *c = ops_case_new("Gather", "", 13, 2, 1);
        ops_case_input(c, 0, CLSTM_INT32, 1, DIMS(3), (const int32_t[]){7, 8, 9});
        ops_case_input(c, 1, CLSTM_INT64, 0, NULL, &bad[i]);
        ck_assert_int_eq(ops_case_run(c), CLSTM_BAD_ARGUMENT);
        ck_assert(strstr(c->err.message, "outside [-3, 2]"));
        ops_case_free(c);
    }
    ops_case *c = ops_case_new("Gather", "", 13, 2, 1);
    ops_case_input(c, 0, CLSTM_INT32, 1, DIMS(3), (const int32_t[]){7, 8, 9});
    ops_case_input(c, 1, CLSTM_INT64, 0, NULL, DATA_I64(-1));
    c->constant[1] = true;
    ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
    want(c, 0, 0, NULL, (const int32_t[]){9}, 4);
    ops_case_free(c);
}
END_TEST

/* Every order of four dimensions against the definition, for each element size. */
START_TEST(transposes)
{
    static const clstm_type types[] = {CLSTM_UINT8, CLSTM_INT16, CLSTM_FLOAT, CLSTM_DOUBLE, CLSTM_COMPLEX128};
    enum { A = 3, B = 2, C = 17, D = 5, N = A * B * C * D };
    const int64_t dims[4] = {A, B, C, D}, step[4] = {B * C * D, C * D, D, 1};
    size_t size = clstm_type_size(types[_i]);
    unsigned char x[N * 16];
    for (size_t i = 0; i < sizeof x; i++) x[i] = (unsigned char)(i * 131 + i / 251);
    for (int code = 0; code < 256; code++) {
        int64_t p[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
        if ((1 << p[0] | 1 << p[1] | 1 << p[2] | 1 << p[3]) != 15) continue;
        ops_case *c = ops_case_new("Transpose", "", 13, 1, 1);
        ops_case_ints(c, "perm", p, 4);
        ops_case_input(c, 0, types[_i], 4, dims, x);
        ck_assert_int_eq(ops_case_run(c), CLSTM_OK);
        const unsigned char *y = c->out[0].tensor.data;
        for (int64_t i = 0; i < dims[p[0]]; i++)
            for (int64_t j = 0; j < dims[p[1]]; j++)
                for (int64_t k = 0; k < dims[p[2]]; k++)
                    for (int64_t l = 0; l < dims[p[3]]; l++, y += size)
                        ck_assert(!memcmp(y, x + (size_t)(i * step[p[0]] + j * step[p[1]] + k * step[p[2]] + l * step[p[3]]) * size, size));
        ops_case_free(c);
    }
}
END_TEST

START_TEST(reshape_rules)
{
    static const struct { int64_t want[3]; int n; bool allow_zero; clstm_status status; int64_t out[3]; } cases[] = {
        {{-1, 3}, 2, false, CLSTM_OK, {2, 3}},       {{0, -1, 1}, 3, false, CLSTM_OK, {2, 3, 1}}, {{-1, -1}, 2, false, CLSTM_BAD_MODEL, {0}},
        {{4, 2}, 2, false, CLSTM_BAD_MODEL, {0}},    {{-2, 3}, 2, false, CLSTM_BAD_MODEL, {0}},   {{0, 3}, 2, true, CLSTM_BAD_MODEL, {0}},
        {{2, 3, 0}, 3, false, CLSTM_BAD_MODEL, {0}}, {{INT64_MAX, 3}, 2, false, CLSTM_BAD_MODEL, {0}},
    };
    ops_case *c = ops_case_new("Reshape", "", 14, 2, 1);
    ops_case_int(c, "allowzero", cases[_i].allow_zero);
    ops_case_input(c, 0, CLSTM_FLOAT, 2, DIMS(2, 3), (const float[]){1, 2, 3, 4, 5, 6});
    ops_case_input(c, 1, CLSTM_INT64, 1, DIMS(cases[_i].n), cases[_i].want);
    ck_assert_int_eq(ops_case_run(c), cases[_i].status);
    if (cases[_i].status == CLSTM_OK) want(c, 0, cases[_i].n, cases[_i].out, (const float[]){1, 2, 3, 4, 5, 6}, 24);
    ops_case_free(c);
}
END_TEST

/* ScatterND with constant indices joins them into runs when it is prepared: here in any order, from both ends, over the ends of axes, and
 * again and again. */
enum { TUPLES = 12 };
static const int64_t scatter_dims[3] = {3, 4, 5};

static void random_tuples(int64_t *tuple, int n, int depth)
{
    for (int t = 0; t < n; t++, tuple += depth)
        for (int d = 0; d < depth; d++) {
            bool on = t && rand() % 8;
            tuple[d] = on ? tuple[d - depth] + (d == depth - 1) : rand() % (2 * (int)scatter_dims[d]) - scatter_dims[d];
            if (tuple[d] == scatter_dims[d]) tuple[d] = rand() % 2 ? 0 : -1;
        }
}

static void scatter(int32_t *y, const int32_t *u, const int64_t *tuple, int n, int depth, bool add)
{
    for (int t = 0; t < n; t++) {
        int64_t at = 0, block = 1;
        for (int d = 0; d < 3; d++) {
            if (d >= depth) block *= scatter_dims[d];
            else at = at * scatter_dims[d] + (tuple[t * depth + d] + scatter_dims[d]) % scatter_dims[d];
        }
        for (int64_t i = 0; i < block; i++) y[at * block + i] = *u++ + (add ? y[at * block + i] : 0);
    }
}

START_TEST(scatter_runs)
{
    int depth = _i % 4, n = 1 + _i % TUPLES;
    int32_t x[60], y[60], u[TUPLES * 60];
    int64_t tuples[TUPLES * 3];
    int64_t dims[4] = {n};
    bool add = _i % 3 == 0;
    for (int d = depth; d < 3; d++) dims[1 + d - depth] = scatter_dims[d];
    srand((unsigned)_i);
    for (int i = 0; i < 60; i++) x[i] = y[i] = rand() % 1000;
    for (int i = 0; i < TUPLES * 60; i++) u[i] = rand() % 1000;
    random_tuples(tuples, n, depth);
    scatter(y, u, tuples, n, depth, add);
    for (int known = 0; known < 2; known++) {
        ops_case *c = ops_case_new("ScatterND", "", 18, 3, 1);
        if (add) ops_case_string(c, "reduction", "add");
        ops_case_input(c, 0, CLSTM_INT32, 3, scatter_dims, x);
        ops_case_input(c, 1, CLSTM_INT64, 2, DIMS(n, depth), tuples);
        ops_case_input(c, 2, CLSTM_INT32, 4 - depth, dims, u);
        c->constant[1] = known;
        ck_assert_msg(ops_case_run(c) == CLSTM_OK, "%s", c->err.message);
        want(c, 0, 3, scatter_dims, y, sizeof y);
        ops_case_free(c);
    }
}
END_TEST

START_TEST(table_is_sound)
{
    bool known;
    ck_assert(!ops_find("", "Squeeze", 0, &known) && known);
    ck_assert(!ops_find("", "NoSuch", 13, &known) && !known);
    ck_assert_str_eq(ops_find("ai.onnx", "Squeeze", 12, NULL)->attrs, "axes:I");
    ck_assert_int_eq(ops_find("", "Squeeze", 13, NULL)->since, 13);
    /* versions of one name never overlap */
    for (size_t i = 1; ops_row(i); i++) {
        const op_desc *a = ops_row(i - 1), *b = ops_row(i);
        if (strcmp(a->name, b->name) || strcmp(a->domain, b->domain)) continue;
        ck_assert_msg(a->until && a->until < b->since, "%s %d-%d and %d", a->name, a->since, a->until, b->since);
    }
}
END_TEST

/* Every row of the table can be read. */
START_TEST(table_rows)
{
    clstm_error err;
    const op_desc *row;
    for (size_t i = 0; (row = ops_row(i)); i++)
        ck_assert_msg(op_check_row(row, &err) == CLSTM_OK, "%s %s %d: %s", row->domain, row->name, row->since, err.message);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *s = suite_create("ops_shape");
    unit_add_loop(s, "slice steps", slice_steps, 0, (int)(sizeof slices / sizeof *slices));
    unit_add(s, "table_rows", table_rows);
    unit_add(s, "slice refusals", slice_refusals);
    unit_add(s, "gather range", gather_range);
    unit_add_loop(s, "scatter runs", scatter_runs, 0, 600);
    unit_add_loop(s, "transposes", transposes, 0, 5);
    unit_add_loop(s, "reshape rules", reshape_rules, 0, 8);
    unit_add(s, "table", table_is_sound);
    return s;
}
