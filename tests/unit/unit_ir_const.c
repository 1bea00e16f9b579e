/* ir/const: who owns the bytes of a constant, what its packed forms keep, and that threads may ask at once. */
#include "unit_main.h"

#include "ir/const.h"

#include "util/alloc.h"

#include <pthread.h>
#include <string.h>

enum { N = 5, TIMES_TWO = 77, LOSSY = 177 };

static const float ramp[N] = {1, 2, 3, 4, 5};

static clstm_tensor view(const float *data) { return clstm_tensor_view(CLSTM_FLOAT, 1, (int64_t[]){N}, (void *)(uintptr_t)data); }

static ir_const *ramp_const(void) {
    ir_const *c;
    clstm_tensor t = view(ramp);
    ck_assert_int_eq(ir_const_new(&t, &c, NULL), CLSTM_OK);
    return c;
}

static void check_ramp(ir_const *c) {
    const void *data = NULL;
    ck_assert_int_eq(ir_const_data(c, &data, NULL), CLSTM_OK);
    ck_assert_mem_eq(data, ramp, sizeof ramp);
}

/* A packed form: the elements doubled. */
static void halve(const ir_pack *pack, clstm_tensor *out) {
    const float *from = pack->data;
    float *to = out->data;
    for (int i = 0; i < N; i++) to[i] = from[i] / 2;
}

typedef struct making { _Atomic int times; bool fails, lossy; } making;

static clstm_status make_double(void *arg, const clstm_tensor *raw, ir_pack *pack, clstm_error *err) {
    making *m = arg;
    (void)err;
    m->times++;
    const float *from = raw->data;
    float *to = pack->data = util_aligned_alloc(pack->bytes = sizeof ramp);
    for (int i = 0; i < N; i++) to[i] = from[i] * 2;
    pack->unpack = m->lossy ? NULL : halve;
    return m->fails ? CLSTM_UNSUPPORTED : CLSTM_OK;
}

START_TEST(new_copies_and_borrow_waits_for_own)
{
    float mine[N];
    memcpy(mine, ramp, sizeof ramp);
    clstm_tensor t = view(mine);
    ir_const *copied, *borrowed, *room;
    ck_assert_int_eq(ir_const_new(&t, &copied, NULL), CLSTM_OK);
    ck_assert_int_eq(ir_const_borrow(&t, &borrowed, NULL), CLSTM_OK);
    ck_assert_ptr_eq(ir_const_peek(borrowed), mine);
    ck_assert_int_eq(ir_const_own(borrowed, NULL), CLSTM_OK);
    const void *own = ir_const_peek(borrowed);
    ck_assert_int_eq(ir_const_own(borrowed, NULL), CLSTM_OK);      /* once is enough */
    ck_assert_ptr_eq(ir_const_peek(borrowed), own);
    memset(mine, 0, sizeof mine);
    check_ramp(copied);
    check_ramp(borrowed);
    t.data = NULL;
    ck_assert_int_eq(ir_const_new(&t, &room, NULL), CLSTM_OK);
    memcpy(room->tensor.data, ramp, sizeof ramp);
    check_ramp(room);
    ir_const_unref(copied);
    ir_const_unref(borrowed);
    ir_const_unref(room);
}
END_TEST

/* The same bytes in two shapes: they outlive the constant that they came from, and a pack of one takes nothing from the other. */
START_TEST(shared_bytes_stay)
{
    making m = {0};
    const ir_pack *pack;
    const void *data = NULL;
    ir_const *base = ramp_const(), *row, *column;
    clstm_tensor t = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){1, N}, NULL), u = clstm_tensor_view(CLSTM_FLOAT, 2, (int64_t[]){N, 1}, NULL);
    ck_assert_int_eq(ir_const_share(base, &t, &row, NULL), CLSTM_OK);
    ck_assert_int_eq(ir_const_share(row, &u, &column, NULL), CLSTM_OK);
    ck_assert_int_eq(row->tensor.dims[1], N);
    ck_assert_int_eq(column->tensor.dims[0], N);
    ck_assert_ptr_eq(ir_const_peek(row), ir_const_peek(base));
    ck_assert_int_eq(ir_const_own(row, NULL), CLSTM_OK);           /* they have an owner */
    ck_assert_ptr_eq(ir_const_peek(column), ir_const_peek(row));
    ck_assert_int_eq(ir_const_pack(base, TIMES_TWO, make_double, &m, &pack, NULL), CLSTM_OK);
    ck_assert(!ir_const_drop(base));
    check_ramp(row);
    ir_const_unref(base);
    ck_assert_int_eq(ir_const_pack(row, TIMES_TWO, make_double, &m, &pack, NULL), CLSTM_OK);
    ck_assert(ir_const_drop(row));
    check_ramp(column);
    ir_const_unref(column);
    ck_assert_ptr_null(ir_const_peek(row));
    ck_assert_int_eq(ir_const_data(row, &data, NULL), CLSTM_OK);    /* from its pack */
    check_ramp(row);
    ir_const_unref(row);
}
END_TEST

START_TEST(a_type_without_size_is_refused)
{
    clstm_error err = {0};
    ir_const *c;
    clstm_tensor t = clstm_tensor_view(CLSTM_STRING, 1, (int64_t[]){2}, NULL);
    ck_assert_int_eq(ir_const_new(&t, &c, &err), CLSTM_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "string"));
}
END_TEST

START_TEST(a_form_is_packed_once)
{
    ir_const *c = ramp_const();
    making m = {0};
    const ir_pack *first, *again, *other;
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO, make_double, &m, &first, NULL), CLSTM_OK);
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO, make_double, &m, &again, NULL), CLSTM_OK);
    ck_assert_ptr_eq(first, again);
    ck_assert_int_eq(m.times, 1);
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO + 1, make_double, &m, &other, NULL), CLSTM_OK);
    ck_assert_ptr_ne(first, other);
    ck_assert_int_eq(m.times, 2);
    ck_assert(((const float *)first->data)[N - 1] == 10);
    ir_const_unref(c);
}
END_TEST

START_TEST(a_packing_that_fails_leaves_nothing)
{
    ir_const *c = ramp_const();
    making m = {.fails = true};
    const ir_pack *pack = (const ir_pack *)c;
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO, make_double, &m, &pack, NULL), CLSTM_UNSUPPORTED);
    ck_assert_ptr_null(pack);
    ck_assert_ptr_null(c->packs);
    ck_assert(!ir_const_drop(c));
    m.fails = false;
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO, make_double, &m, &pack, NULL), CLSTM_OK);
    ck_assert_int_eq(m.times, 2);
    ir_const_unref(c);
}
END_TEST

START_TEST(raw_bytes_go_only_where_a_form_gives_them_back)
{
    ir_const *c = ramp_const();
    making lossy = {.lossy = true}, whole = {0};
    const ir_pack *pack;
    ck_assert(!ir_const_drop(c));
    ck_assert_int_eq(ir_const_pack(c, LOSSY, make_double, &lossy, &pack, NULL), CLSTM_OK);
    ck_assert(!ir_const_drop(c));
    ck_assert_ptr_nonnull(ir_const_peek(c));
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO, make_double, &whole, &pack, NULL), CLSTM_OK);
    ck_assert(ir_const_drop(c));
    ck_assert_ptr_null(ir_const_peek(c));
    /* another form, made after the drop, sees the elements as they were; so does who asks for them */
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO + 1, make_double, &whole, &pack, NULL), CLSTM_OK);
    ck_assert(((const float *)pack->data)[0] == 2);
    ck_assert_ptr_null(ir_const_peek(c));           /* and what it saw is gone again */
    ck_assert_int_eq(ir_const_pack(c, LOSSY + 1, make_double, &lossy, &pack, NULL), CLSTM_OK);
    ck_assert(ir_const_drop(c));
    check_ramp(c);
    ck_assert_ptr_nonnull(ir_const_peek(c));
    ir_const_unref(c);
}
END_TEST

/* A form is forgotten when nobody reads it and the elements can be had without it. */
START_TEST(only_a_spare_form_is_forgotten)
{
    ir_const *c = ramp_const();
    making lossy = {.lossy = true}, whole = {0};
    const ir_pack *pack;
    bool stands;
    ck_assert_int_eq(ir_const_prepack(c, TIMES_TWO, make_double, &whole, &stands, NULL), CLSTM_OK);
    ck_assert(stands && ir_const_drop(c));
    ir_const_forget(c, TIMES_TWO);                  /* the only one */
    ck_assert_ptr_nonnull(c->packs);
    ck_assert_int_eq(ir_const_pack(c, LOSSY, make_double, &lossy, &pack, NULL), CLSTM_OK);
    ir_const_forget(c, TIMES_TWO);                  /* the only one that gives the elements back */
    ck_assert_ptr_nonnull(c->packs->next);
    ck_assert_int_eq(ir_const_pack(c, TIMES_TWO + 1, make_double, &whole, &pack, NULL), CLSTM_OK);
    ir_const_forget(c, TIMES_TWO + 1);              /* read */
    ir_const_forget(c, TIMES_TWO);
    ck_assert_ptr_eq(c->packs, pack);
    ck_assert_ptr_null(c->packs->next->next);
    ck_assert(c->packs->next->format == LOSSY);
    check_ramp(c);
    ir_const_unref(c);
}
END_TEST

/* Where no form gives the elements back and the mapping they lay in is gone, the answer is an error and no pointer. */
START_TEST(elements_that_are_nowhere_are_an_error)
{
    clstm_tensor t = view(NULL);
    clstm_error err = {0};
    ir_const *c;
    const void *data = ramp;
    ck_assert_int_eq(ir_const_borrow(&t, &c, NULL), CLSTM_OK);
    ck_assert_int_eq(ir_const_data(c, &data, &err), CLSTM_INTERNAL);
    ck_assert_ptr_null(data);
    ir_const_unref(c);
}
END_TEST

typedef struct asking { ir_const *c; making *m; const ir_pack *pack; pthread_barrier_t *start; } asking;

static void *ask(void *arg) {
    asking *a = arg;
    const void *data;
    pthread_barrier_wait(a->start);
    if (ir_const_pack(a->c, TIMES_TWO, make_double, a->m, &a->pack, NULL) != CLSTM_OK) a->pack = NULL;
    if (ir_const_data(a->c, &data, NULL) != CLSTM_OK || memcmp(data, ramp, sizeof ramp)) a->pack = NULL;
    ir_const_unref(a->c);
    return NULL;
}

START_TEST(threads_that_ask_at_once_get_one_form)
{
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    asking asks[THREADS];
    pthread_barrier_t start;
    making m = {0};
    ir_const *c = ramp_const();
    ck_assert_int_eq(pthread_barrier_init(&start, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++) {
        asks[i] = (asking){ir_const_ref(c), &m, NULL, &start};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, ask, &asks[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_ptr_nonnull(asks[i].pack);
        ck_assert_ptr_eq(asks[i].pack, asks[0].pack);
    }
    ck_assert_int_eq(m.times, 1);
    ck_assert_int_eq(c->refs, 1);
    pthread_barrier_destroy(&start);
    ir_const_unref(c);
}
END_TEST

Suite *unit_suite(void) {
    Suite *s = suite_create("ir_const");
    unit_add(s, "new copies and borrow waits for own", new_copies_and_borrow_waits_for_own);
    unit_add(s, "shared bytes stay", shared_bytes_stay);
    unit_add(s, "a type without size is refused", a_type_without_size_is_refused);
    unit_add(s, "a form is packed once", a_form_is_packed_once);
    unit_add(s, "a packing that fails leaves nothing", a_packing_that_fails_leaves_nothing);
    unit_add(s, "only a spare form is forgotten", only_a_spare_form_is_forgotten);
    unit_add(s, "raw bytes go only where a form gives them back", raw_bytes_go_only_where_a_form_gives_them_back);
    unit_add(s, "elements that are nowhere are an error", elements_that_are_nowhere_are_an_error);
    unit_add(s, "threads that ask at once get one form", threads_that_ask_at_once_get_one_form);
    return s;
}
