/* util/status: messages are one line, bounded, and safe to print whatever a model's names hold. */
#include "unit_main.h"
#include "util/status.h"

#include <string.h>

START_TEST(every_status_has_a_name)
{
    for (int i = CLSTM_OK; i <= CLSTM_INTERNAL; i++) {
        const char *name = clstm_status_name((clstm_status)i);
        ck_assert_ptr_nonnull(name);
        ck_assert_str_ne(name, "unknown");
        for (int k = CLSTM_OK; k < i; k++)
            ck_assert_str_ne(name, clstm_status_name((clstm_status)k));
    }
    ck_assert_str_eq(clstm_status_name((clstm_status)999), "unknown");
    ck_assert_str_eq(clstm_status_name((clstm_status)-1), "unknown");
}
END_TEST

START_TEST(fail_and_context)
{
    clstm_error err = {0};
    ck_assert_int_eq(util_fail(&err, CLSTM_BAD_MODEL, "rank %d", 9), CLSTM_BAD_MODEL);
    ck_assert_int_eq(err.status, CLSTM_BAD_MODEL);
    ck_assert_int_eq(util_context(&err, CLSTM_BAD_MODEL, "node %d", 12), CLSTM_BAD_MODEL);
    ck_assert_str_eq(err.message, "node 12: rank 9");
    ck_assert_int_eq(util_fail(NULL, CLSTM_IO, "nobody listens"), CLSTM_IO);
    ck_assert_int_eq(util_context(NULL, CLSTM_IO, "nobody listens"), CLSTM_IO);
    ck_assert_int_eq(util_no_memory(&err), CLSTM_NO_MEMORY);
}
END_TEST

START_TEST(long_messages_stay_inside)
{
    struct { clstm_error err; char guard[16]; } box;
    memset(&box, 'g', sizeof box);
    char text[4000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    util_fail(&box.err, CLSTM_IO, "%s", text);
    ck_assert_uint_eq(strlen(box.err.message), sizeof box.err.message - 1);
    for (int i = 0; i < 5; i++)
        util_context(&box.err, CLSTM_IO, "%s", text);
    ck_assert_uint_lt(strlen(box.err.message), sizeof box.err.message);
    for (size_t i = 0; i < sizeof box.guard; i++)
        ck_assert_int_eq(box.guard[i], 'g');
}
END_TEST

START_TEST(messages_are_one_line)
{
    clstm_error err = {0};
    util_fail(&err, CLSTM_IO, "a\nb\033[31mc\xff%s", "d");
    ck_assert_ptr_null(strpbrk(err.message, "\n\033\xff"));
    /* cut in the middle of a character: what is left is still valid */
    char text[sizeof err.message + 10];
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    text[sizeof text - 2] = text[sizeof text - 1] = 0;
    util_fail(&err, CLSTM_IO, "%s", text);
    ck_assert_int_ne((unsigned char)err.message[strlen(err.message) - 1], 0xc3);
}
END_TEST

static const struct { const char *text, *escaped; } escapes[] = {
    {"plain", "plain"}, {"", ""}, {NULL, ""}, {"a\nb", "a\\x0ab"}, {"\033[2J", "\\x1b[2J"}, {"q\"", "q\\x22"},
    {"back\\", "back\\x5c"}, {"\xc3\xa9", "\xc3\xa9"}, {"\xe2\x82\xac", "\xe2\x82\xac"}, {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    {"\x80", "\\x80"}, {"\xc0\xaf", "\\xc0\\xaf"},                /* overlong */
    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                          /* a surrogate */
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},                 /* past U+10FFFF */
    {"\xe2\x82", "\\xe2\\x82"},                                   /* cut short */
    {"\xc2\x9b" "31m", "\\xc2\\x9b31m"},                          /* C1 control: a terminal's CSI */
    {"\x7f", "\\x7f"},
    {"\xe2\x80\xae" "a", "\\xe2\\x80\\xaea"},              /* right to left from here */
    {"\xe2\x81\xa9" "a", "\\xe2\\x81\\xa9a"}, {"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, {"\xd8\x9c", "\\xd8\\x9c"},
    {"\xe2\x80\xa7", "\xe2\x80\xa7"}, {"\xe2\x81\xaa", "\xe2\x81\xaa"},
};

START_TEST(escape)
{
    char out[64];
    ck_assert_str_eq(util_escape(out, sizeof out, escapes[_i].text), escapes[_i].escaped);
}
END_TEST

START_TEST(escape_cuts_whole_characters)
{
    char out[64];
    for (size_t size = 1; size < 24; size++) {
        memset(out, 'g', sizeof out);
        util_escape(out, size, "ab\xe2\x82\xac\xe2\x82\xac\ncd\xf0\x9f\x98\x80xyz");
        ck_assert_uint_lt(strlen(out), size);
        ck_assert_int_eq(out[size], 'g');
        char again[128];
        ck_assert_ptr_null(strstr(util_escape(again, sizeof again, out), "\\xe2"));
    }
}
END_TEST

/* Wherever a bad byte or a character of several bytes stands among others, words of eight included. */
START_TEST(text_is_told_by_every_byte)
{
    char text[40];
    for (size_t size = 1; size < sizeof text; size++)
        for (size_t at = 0; at < size; at++) {
            memset(text, 'a', sizeof text);
            ck_assert(util_is_text(text, size));
            for (const char *bad = "\x80\xff\xc3"; bad[0]; bad++) {
                text[at] = bad[0];
                ck_assert(!util_is_text(text, size));
            }
            text[at] = 0;
            ck_assert(!util_is_text(text, size));
            if (at + 1 == size) continue;
            memcpy(text + at, "\xc3\xa9", 2);
            ck_assert(util_is_text(text, size));
        }
    ck_assert(util_is_text(text, 0));
}
END_TEST

Suite *unit_suite(void)
{
    Suite *suite = suite_create("status");
    unit_add(suite, "text", text_is_told_by_every_byte);
    unit_add(suite, "names", every_status_has_a_name);
    unit_add(suite, "fail and context", fail_and_context);
    unit_add(suite, "long", long_messages_stay_inside);
    unit_add(suite, "one line", messages_are_one_line);
    unit_add_loop(suite, "escape", escape, 0, sizeof escapes / sizeof *escapes);
    unit_add(suite, "escape cuts", escape_cuts_whole_characters);
    return suite;
}
