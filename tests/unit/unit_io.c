/* io: every file form there and back, the files that others write, and files made to hurt. */
#include "unit_main.h"
#include "io/csv.h"
#include "io/load.h"
#include "io/plot_svg.h"
#include "io/tensor_pb.h"
#include "io/value.h"
#include "io/whole_file.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const clstm_type types[] = {CLSTM_FLOAT, CLSTM_DOUBLE, CLSTM_FLOAT16, CLSTM_BFLOAT16, CLSTM_INT8, CLSTM_UINT8, CLSTM_INT16, CLSTM_UINT16,
                                   CLSTM_INT32, CLSTM_UINT32, CLSTM_INT64, CLSTM_UINT64, CLSTM_BOOL};
enum { N_TYPES = sizeof types / sizeof *types };

/* 2x3 elements with a sign, a fraction and a large one where the type has them. */
static clstm_tensor sample(clstm_type type)
{
    clstm_tensor t;
    ck_assert_int_eq(io_tensor_make(&t, type, 2, (int64_t[]){2, 3}, 0, NULL), CLSTM_OK);
    static const double values[6] = {0, 1, -2.5, 100, 7, 3};
    for (int i = 0; i < 6; i++) io_set_real(&t, i, values[i]);
    return t;
}

static void same(const clstm_tensor *a, const clstm_tensor *b)
{
    ck_assert_int_eq(a->type, b->type);
    ck_assert_int_eq(a->rank, b->rank);
    for (int i = 0; i < a->rank; i++) ck_assert_int_eq(a->dims[i], b->dims[i]);
    ck_assert(!memcmp(a->data, b->data, (size_t)clstm_tensor_count(a) * clstm_type_size(a->type)));
}

START_TEST(halves)
{
    for (unsigned h = 0; h < 65536; h++) {
        float f = io_half_to_float((uint16_t)h);
        if (isnan(f)) ck_assert(isnan(io_half_to_float(io_half_from_double(f))));
        else ck_assert_uint_eq(io_half_from_double(f), h);
        f = io_bfloat_to_float((uint16_t)h);
        if (isnan(f)) ck_assert(isnan(io_bfloat_to_float(io_bfloat_from_double(f))));
        else ck_assert_uint_eq(io_bfloat_from_double(f), h);
    }
    ck_assert_uint_eq(io_half_from_double(1 + 0x1p-11), 0x3C00);            /* tie to even */
    ck_assert_uint_eq(io_half_from_double(1 + 0x1p-11 + 0x1p-40), 0x3C01);
    ck_assert_uint_eq(io_half_from_double(65519.99), 0x7BFF);
    ck_assert_uint_eq(io_half_from_double(65520), 0x7C00);
    ck_assert_uint_eq(io_half_from_double(-0x1p-25), 0x8000);
    ck_assert_uint_eq(io_half_from_double(0x1.8p-25), 1);
    ck_assert_uint_eq(io_bfloat_from_double(1e39), 0x7F80);
}
END_TEST

START_TEST(npy_there_and_back)
{
    clstm_tensor t = sample(types[_i]), u;
    io_buffer b = {0};
    ck_assert_int_eq(io_npy_format(&t, &b, NULL), CLSTM_OK);
    ck_assert_int_eq(io_npy_parse((unsigned char *)b.data, b.size, 0, &u, NULL), CLSTM_OK);
    if (types[_i] == CLSTM_BFLOAT16) {
        ck_assert_int_eq(u.type, CLSTM_FLOAT);
        for (int i = 0; i < 6; i++) ck_assert(io_get(&t, i) == io_get(&u, i));
    } else same(&t, &u);
    for (size_t cut = 0; cut < b.size; cut++) {
        clstm_error err;
        ck_assert_int_ne(io_npy_parse((unsigned char *)b.data, cut, 0, &(clstm_tensor){0}, &err), CLSTM_OK);
    }
    free(u.data);
    free(t.data);
    io_buffer_free(&b);
}
END_TEST

static clstm_status parse_npy_text(const char *header, const void *data, size_t size, clstm_tensor *t)
{
    io_buffer b = {0};
    size_t length = strlen(header);
    io_put(&b, "\x93NUMPY\x02\x00", 8);
    io_put(&b, (unsigned char[]){(unsigned char)(length & 255), (unsigned char)(length >> 8), 0, 0}, 4);
    io_put(&b, header, length);
    io_put(&b, data, size);
    clstm_status status = io_npy_parse((unsigned char *)b.data, b.size, 0, t, NULL);
    io_buffer_free(&b);
    return status;
}

START_TEST(npy_orders)
{
    clstm_tensor t;
    int16_t columns_first[6] = {1, 4, 2, 5, 3, 6};
    ck_assert_int_eq(parse_npy_text("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }", columns_first, 12, &t), CLSTM_OK);
    for (int i = 0; i < 6; i++) ck_assert_int_eq(io_get_int(&t, i), i + 1);
    free(t.data);
    unsigned char big[4] = {0x3F, 0x80, 0, 0};
    ck_assert_int_eq(parse_npy_text("{\"shape\": (1,), 'fortran_order': False, 'descr': '>f4'}", big, 4, &t), CLSTM_OK);
    ck_assert(io_get(&t, 0) == 1);
    free(t.data);
    ck_assert_int_eq(parse_npy_text("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", big, 4, &t), CLSTM_OK);
    ck_assert_int_eq(t.rank, 0);
    free(t.data);
}
END_TEST

static const char *const bad_headers[] = {
    "", "{", "[]", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 4)}", "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
    "{'descr': '<f4x', 'fortran_order': False, 'shape': (1,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
    "{'descr': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'fortran_order': False, 'shape': (1,)}",
};

START_TEST(npy_refuses)
{
    clstm_tensor t;
    float one = 1;
    ck_assert_int_ne(parse_npy_text(bad_headers[_i], &one, 4, &t), CLSTM_OK);
}
END_TEST

#ifdef HAVE_LIBZIP
START_TEST(npz_there_and_back)
{
    io_list list = {0}, again = {0};
    static const char *const names[] = {"x", "a/../b", "y"};
    for (int i = 0; i < 3; i++) {
        clstm_value v = {.kind = CLSTM_KIND_TENSOR, .tensor = sample(types[i])};
        ck_assert_int_eq(io_list_add(&list, names[i], &v, NULL), CLSTM_OK);
    }
    io_buffer b = {0};
    ck_assert_int_eq(io_npz_format(&list, &b, NULL), CLSTM_OK);
    ck_assert_int_eq(io_npz_parse((unsigned char *)b.data, b.size, 0, &again, NULL), CLSTM_OK);
    ck_assert_uint_eq(again.count, 3);
    ck_assert_str_eq(again.entries[1].name, "a_.._b");
    for (size_t i = 0; i < 3; i++) same(&list.entries[i].value.tensor, &again.entries[i].value.tensor);
    io_list_free(&again);
    ck_assert_int_eq(io_npz_parse((unsigned char *)b.data, b.size, 100, &again, NULL), CLSTM_LIMIT);
    for (size_t cut = 0; cut < b.size; cut += 7)
        ck_assert_int_ne(io_npz_parse((unsigned char *)b.data, cut, 0, &again, NULL), CLSTM_OK);
    io_list_free(&list);
    io_buffer_free(&b);
}
END_TEST
#endif

START_TEST(pb_there_and_back)
{
    clstm_value v = {.kind = CLSTM_KIND_TENSOR, .tensor = sample(types[_i])}, w;
    for (int form = IO_PB_TENSOR; form <= IO_PB_OPTIONAL; form++) {
        io_buffer b = {0};
        clstm_value sequence = {.kind = CLSTM_KIND_SEQUENCE, .items = &v, .count = 1};
        const clstm_value *what = form == IO_PB_SEQUENCE ? &sequence : &v;
        ck_assert_int_eq(io_pb_format(what, (io_pb_form)form, "x", &b, NULL), CLSTM_OK);
        ck_assert_int_eq(io_pb_parse((unsigned char *)b.data, b.size, (io_pb_form)form, 0, &w, NULL), CLSTM_OK);
        ck_assert_int_eq(w.kind, what->kind);
        same(&v.tensor, form == IO_PB_SEQUENCE ? &w.items[0].tensor : &w.tensor);
        io_value_clear(&w);
        for (size_t cut = 0; cut < b.size; cut++) {       /* may pass where a field ends, must never hurt */
            if (io_pb_parse((unsigned char *)b.data, cut, (io_pb_form)form, 0, &w, NULL) == CLSTM_OK) io_value_clear(&w);
        }
        for (size_t i = 0; i < b.size; i++)
            for (int bit = 0; bit < 8; bit++) {
                b.data[i] ^= (char)(1 << bit);
                if (io_pb_parse((unsigned char *)b.data, b.size, (io_pb_form)form, 0, &w, NULL) == CLSTM_OK) io_value_clear(&w);
                b.data[i] ^= (char)(1 << bit);
            }
        io_buffer_free(&b);
    }
    io_value_clear(&v);
}
END_TEST

START_TEST(pb_typed_fields)
{
    clstm_value v;
    /* dims 2 (packed), data_type 7, int64_data {-1, 5} packed */
    static const unsigned char ints[] = {0x0A, 1, 2, 0x10, 7, 0x3A, 11, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 5};
    ck_assert_int_eq(io_pb_parse(ints, sizeof ints, IO_PB_TENSOR, 0, &v, NULL), CLSTM_OK);
    ck_assert_int_eq(io_get_int(&v.tensor, 0), -1);
    ck_assert_int_eq(io_get_int(&v.tensor, 1), 5);
    io_value_clear(&v);
    /* dims 1 (unpacked), data_type 1, float_data 1.0 unpacked; then one number too many */
    static const unsigned char one[] = {0x08, 1, 0x10, 1, 0x25, 0, 0, 0x80, 0x3F, 0x25, 0, 0, 0x80, 0x3F};
    ck_assert_int_eq(io_pb_parse(one, 9, IO_PB_TENSOR, 0, &v, NULL), CLSTM_OK);
    ck_assert(io_get(&v.tensor, 0) == 1);
    io_value_clear(&v);
    ck_assert_int_ne(io_pb_parse(one, sizeof one, IO_PB_TENSOR, 0, &v, NULL), CLSTM_OK);
    /* an empty file is an empty optional, an empty sequence, and no tensor */
    ck_assert_int_eq(io_pb_parse(one, 0, IO_PB_OPTIONAL, 0, &v, NULL), CLSTM_OK);
    ck_assert_int_eq(v.kind, CLSTM_KIND_NONE);
    ck_assert_int_ne(io_pb_parse(one, 0, IO_PB_TENSOR, 0, &v, NULL), CLSTM_OK);
}
END_TEST

START_TEST(tables)
{
    io_table t;
    static const char text[] = "time,value\r\n# note\r\n\r\n1, 2.5\r\n-3;4e2\r\n nan\t0x10\r\n";
    ck_assert_int_eq(io_table_parse(text, sizeof text - 1, &t, NULL), CLSTM_OK);
    ck_assert_int_eq(t.rows, 3);
    ck_assert_int_eq(t.columns, 2);
    ck_assert(t.numbers[1].real == 2.5 && !t.numbers[1].exact && t.numbers[3].integer == 400 && isnan(t.numbers[4].real) && t.numbers[5].integer == 16);
    io_table_free(&t);
    static const char *const bad[] = {"", "\n\n", "a\nb\n", "1\n1,2\n", "1\nx\n", "1,\n", "1\n2 y\n", "\"1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(io_table_parse(bad[i], strlen(bad[i]), &t, NULL) != CLSTM_OK, "%s", bad[i]);
    ck_assert(io_literal_parse("1,2,-3.5", &t, NULL) && t.columns == 3);
    io_table_free(&t);
    static const char *const no_literals[] = {"", "a.csv", "1,,2", "1.npy", "-", "nano.csv", "1 2", "1,"};
    for (size_t i = 0; i < sizeof no_literals / sizeof *no_literals; i++)
        ck_assert_msg(!io_literal_parse(no_literals[i], &t, NULL), "%s", no_literals[i]);
}
END_TEST

static const struct { int64_t rows, columns; int rank; int64_t want[4]; const char *names[4]; const char *shape; } fits[] = {
    {396, 1, 3, {-1, -1, 1}, {"batch", "time", NULL}, "[1,396,1]"},
    {10, 8, 3, {-1, -1, 8}, {"seq", "batch_size", NULL}, "[10,1,8]"},
    {10, 8, 2, {-1, 8}, {"batch", NULL}, "[10,8]"},
    {512, 1, 2, {1, 512}, {NULL}, "[1,512]"},
    {1, 512, 2, {1, -1}, {NULL}, "[1,512]"},
    {512, 1, 2, {-1, -1}, {"batch", "samples"}, "[1,512]"},
    {1, 1, 0, {0}, {NULL}, "[]"},
    {1, 3, 1, {-1}, {NULL}, "[3]"},
    {1, 1, 3, {-1, -1, -1}, {NULL}, "[1,1,1]"},
    {10, 8, 3, {-1, -1, 8}, {NULL}, NULL},          /* time or batch? */
    {10, 8, 2, {-1, 4}, {NULL}, NULL},
    {10, 1, 1, {3}, {NULL}, NULL},
    {10, 8, 3, {-1, 3, 8}, {NULL}, NULL},
    {5, 2, -1, {0}, {NULL}, "[5,2]"},
};

START_TEST(shapes_fit)
{
    clstm_tensor want = {.type = CLSTM_FLOAT, .rank = fits[_i].rank}, shape;
    memcpy(want.dims, fits[_i].want, sizeof fits[_i].want);
    char text[160];
    clstm_status status = io_shape_fit(fits[_i].rows, fits[_i].columns, &want, fits[_i].names, &shape, NULL);
    if (!fits[_i].shape) ck_assert_int_eq(status, CLSTM_BAD_ARGUMENT);
    else {
        ck_assert_int_eq(status, CLSTM_OK);
        ck_assert_str_eq(io_shape_text(text, sizeof text, &shape, NULL), fits[_i].shape);
    }
}
END_TEST

START_TEST(integers_are_exact)
{
    io_table table;
    clstm_tensor want = {.type = CLSTM_INT64, .rank = 1, .dims = {1}}, t;
    ck_assert(io_literal_parse("9007199254740993", &table, NULL));
    ck_assert_int_eq(io_table_fit(&table, &want, NULL, &t, NULL), CLSTM_OK);
    ck_assert_int_eq(io_get_int(&t, 0), 9007199254740993);
    free(t.data);
    want.type = CLSTM_UINT8;
    ck_assert_int_ne(io_table_fit(&table, &want, NULL, &t, NULL), CLSTM_OK);
    io_table_free(&table);
    ck_assert(io_literal_parse("2.5", &table, NULL));
    ck_assert_int_ne(io_table_fit(&table, &want, NULL, &t, NULL), CLSTM_OK);
    io_table_free(&table);
}
END_TEST

START_TEST(elements_read_back)
{
    clstm_tensor t = sample(types[_i]);
    char text[40];
    io_number n;
    for (int i = 0; i < 6; i++) {
        io_element_text(text, sizeof text, &t, i);
        double before = io_get(&t, i);
        ck_assert(io_number_parse(text, strlen(text), &n));
        ck_assert(io_set(&t, i, n) && io_get(&t, i) == before);
    }
    free(t.data);
}
END_TEST

START_TEST(escapes)
{
    io_buffer b = {0};
    io_put_json(&b, "a\"\\\n\x01\xff\xc3\xa9");
    io_put(&b, "", 1);
    ck_assert_str_eq(b.data, "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xc3\xa9\"");
    b.size = 0;
    io_put_xml(&b, "<a&\"\x02>");
    io_put(&b, "", 1);
    ck_assert_str_eq(b.data, "&lt;a&amp;&quot;\xEF\xBF\xBD&gt;");
    io_buffer_free(&b);
}
END_TEST

START_TEST(figures)
{
    double y[5] = {1, NAN, 3, INFINITY, 2}, cells[6] = {0, 1, 2, 3, 4, NAN};
    io_line lines[3] = {{.label = "<got>", .y = y, .count = 5}, {.label = "none", .y = y, .count = 0}, {.y = y, .count = 1, .faint = true}};
    io_panel panels[2] = {{.lines = lines, .n_lines = 3}, {.title = "gate", .cells = cells, .rows = 2, .columns = 3, .low = 0, .high = 4}};
    io_buffer b = {0};
    ck_assert_int_eq(io_figure_svg("t", "c", panels, 2, &b, NULL), CLSTM_OK);
    io_put(&b, "", 1);
    ck_assert_ptr_nonnull(strstr(b.data, "&lt;got&gt;"));
    ck_assert_ptr_nonnull(strstr(b.data, "</svg>"));
    ck_assert_ptr_null(strstr(b.data, "nan"));
    ck_assert_ptr_null(strstr(b.data, "inf"));
    io_buffer_free(&b);
}
END_TEST

START_TEST(files_are_whole_or_absent)
{
    char dir[] = "/tmp/clstm-unit-XXXXXX", path[64], command[100];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/out", dir);
    unsigned char *bytes;
    size_t size;
    for (int round = 0; round < 2; round++) {       /* anew, then over it */
        ck_assert_int_eq(io_file_write(path, round ? "de" : "abc", round ? 2 : 3, NULL), CLSTM_OK);
        ck_assert_int_eq(io_file_read(path, 0, &bytes, &size, NULL), CLSTM_OK);
        ck_assert_str_eq((char *)bytes, round ? "de" : "abc");
        free(bytes);
    }
    ck_assert_int_eq(io_file_read(path, 1, &bytes, &size, NULL), CLSTM_LIMIT);
    ck_assert_int_eq(io_file_read(dir, 0, &bytes, &size, NULL), CLSTM_IO);
    ck_assert_int_eq(io_file_write(dir, "a", 1, NULL), CLSTM_IO);
    if (!access("/dev/full", W_OK)) ck_assert_int_eq(io_file_write("/dev/full", "abc", 3, NULL), CLSTM_IO);
    /* a disk that fills up: a file may grow to 4096 bytes, and what stood there before stays */
    struct rlimit old, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4096;
    static const char big[10000];
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    clstm_status status = io_file_write(path, big, sizeof big, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert_int_eq(status, CLSTM_IO);
    ck_assert_int_eq(io_file_read(path, 0, &bytes, &size, NULL), CLSTM_OK);
    ck_assert_str_eq((char *)bytes, "de");
    free(bytes);
    snprintf(command, sizeof command, "test \"$(ls -A %s)\" = out && rm -r %s", dir, dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("io");
    unit_add(suite, "halves", halves);
    unit_add_loop(suite, "npy", npy_there_and_back, 0, N_TYPES);
    unit_add(suite, "npy orders", npy_orders);
    unit_add_loop(suite, "npy refuses", npy_refuses, 0, sizeof bad_headers / sizeof *bad_headers);
#ifdef HAVE_LIBZIP
    unit_add(suite, "npz", npz_there_and_back);
#else
    unit_skip("npz", "built without libzip");
#endif
    unit_add_loop(suite, "pb", pb_there_and_back, 0, N_TYPES);
    unit_add(suite, "pb typed fields", pb_typed_fields);
    unit_add(suite, "tables", tables);
    unit_add_loop(suite, "shapes fit", shapes_fit, 0, sizeof fits / sizeof *fits);
    unit_add(suite, "integers", integers_are_exact);
    unit_add_loop(suite, "elements", elements_read_back, 0, N_TYPES);
    unit_add(suite, "escapes", escapes);
    unit_add(suite, "figures", figures);
    unit_add(suite, "files", files_are_whole_or_absent);
    return suite;
}
