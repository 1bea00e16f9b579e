/* The oracle's own test, without the library: the half types, the hand-derived cases, and a generator that keeps its word. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hand_cases.h"

static size_t passed, failed;

static void check(bool ok, const char *what)
{
    (*(ok ? &passed : &failed))++;
    if (!ok)
        printf("not ok %s\n", what);
}

static uint16_t bits_of(oracle_type t, long double v)
{
    uint16_t bits;
    oracle_encode(t, &v, 1, &bits);
    return bits;
}

static bool every_pattern_returns(oracle_type t)
{
    for (uint32_t u = 0; u <= 0xffffu; u++) {
        const uint16_t bits = (uint16_t)u;
        long double v;
        oracle_decode(t, &bits, 1, &v);
        if (!isnan(v) && bits_of(t, v) != bits)
            return false;
    }
    return true;
}

static void half_types(void)
{
    static const struct { oracle_type type; long double value; uint16_t bits; } rows[] = {
        {ORACLE_FLOAT16, 1.0L, 0x3c00},          {ORACLE_FLOAT16, -2.0L, 0xc000},         {ORACLE_FLOAT16, 65504.0L, 0x7bff},
        {ORACLE_FLOAT16, 65519.0L, 0x7bff},      {ORACLE_FLOAT16, 65520.0L, 0x7c00},      {ORACLE_FLOAT16, 0x1p-24L, 0x0001},
        {ORACLE_FLOAT16, 0x1p-25L, 0x0000},      {ORACLE_FLOAT16, 0x1.8p-25L, 0x0001},    {ORACLE_FLOAT16, 0x1p-14L, 0x0400},
        {ORACLE_FLOAT16, 0x1.ff8p-15L, 0x03ff},  {ORACLE_FLOAT16, 1 + 0x1p-11L, 0x3c00},  {ORACLE_FLOAT16, 1 + 0x1.8p-10L, 0x3c02},
        {ORACLE_BFLOAT16, 1.0L, 0x3f80},         {ORACLE_BFLOAT16, 3.140625L, 0x4049},    {ORACLE_BFLOAT16, 1 + 0x1p-8L, 0x3f80},
        {ORACLE_BFLOAT16, 1 + 0x1.8p-7L, 0x3f82}, {ORACLE_BFLOAT16, 0x1p-133L, 0x0001},   {ORACLE_BFLOAT16, 0x1p128L, 0x7f80}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char what[96];
        snprintf(what, sizeof what, "%s of %La is %#x", oracle_type_name(rows[i].type), rows[i].value, rows[i].bits);
        check(bits_of(rows[i].type, rows[i].value) == rows[i].bits, what);
    }
    check(every_pattern_returns(ORACLE_FLOAT16), "every float16 pattern survives");
    check(every_pattern_returns(ORACLE_BFLOAT16), "every bfloat16 pattern survives");
    check(oracle_ulp(ORACLE_FLOAT, 1) == 0x1p-23L && oracle_ulp(ORACLE_FLOAT, 0.99L) == 0x1p-24L, "ulp of float");
}

static bool agrees(const case_tensor *t, const long double *got, double tolerance)
{
    for (size_t i = 0; t->present && i < t->count; i++)
        if (!(fabsl(t->v[i] - got[i]) <= (long double)tolerance))
            return false;
    return true;
}

static void by_hand(void)
{
    for (size_t n = 0; n < hand_case_count; n++) {
        oracle_case c;
        const char *why = hand_case_make(&c, &hand_cases[n]);
        for (int k = 0; k < CASE_OUTPUTS && why == NULL; k++) {
            c.exact[k] = calloc(c.out[k].count + 1, sizeof *c.exact[k]);
            why = c.exact[k] == NULL ? "out of memory" : NULL;
        }
        oracle_result r = {.Y = c.exact[OUT_Y], .Y_h = c.exact[OUT_H], .Y_c = c.exact[OUT_C]};
        const oracle_problem p = oracle_case_problem(&c);
        if (why == NULL)
            why = oracle_run(&p, &r);
        for (int k = 0; k < CASE_OUTPUTS && why == NULL; k++)
            why = agrees(&c.out[k], c.exact[k], hand_cases[n].tolerance) ? NULL : "another value";
        if (why != NULL)
            printf("%s: %s\n", c.name, why);
        check(why == NULL, c.name);
        oracle_case_free(&c);
    }
}

/* The same seed gives the same bytes; cases can be made of every family; every operator, type, direction and version occurs. */
static void generator(void)
{
    size_t seen[3][ORACLE_TYPES][3] = {{{0}}}, lengths = 0, versions[23] = {0};
    bool same = true, made = true, every = true;
    for (uint64_t seed = 0; seed < 600; seed++) {
        oracle_case a, b;
        made = made && oracle_case_make(&a, FAMILY_SMALL, seed) == NULL && oracle_case_make(&b, FAMILY_SMALL, seed) == NULL;
        if (!made)
            break;
        same = same && strcmp(a.name, b.name) == 0 && a.spread == b.spread;
        for (int k = 0; k < CASE_OUTPUTS; k++)
            same = same && memcmp(a.out[k].bytes, b.out[k].bytes, a.out[k].count * oracle_type_size(a.type)) == 0;
        seen[a.op][a.type][a.direction]++;
        versions[a.version]++;
        lengths += a.in[IN_LENS].present;
        oracle_case_free(&a);
        oracle_case_free(&b);
    }
    for (size_t i = 0; i < 3 * ORACLE_TYPES * 3; i++)
        every = every && (&seen[0][0][0])[i] != 0;
    check(made, "cases can be made");
    check(same, "the same seed gives the same case");
    check(every, "every operator, type and direction occurs");
    check(versions[1] != 0 && versions[3] != 0 && versions[7] != 0 && versions[14] != 0 && versions[22] != 0, "every version occurs");
    check(lengths > 100, "lengths occur");
}

int main(void)
{
    half_types();
    by_hand();
    generator();
    printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
