/* oracle-run: draws recurrent cases, runs them through the library and compares with the oracle, or writes them as files.
 *
 *   oracle-run [--cases N] [--seed S] [--family small|large|ort|corpus|all] [--ulp-table] [--write DIR]
 *
 * Case n has seed S + n. Prints each failing seed with the first difference; the last line is `N passed, N failed, N skipped`. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle_library.h"
#include "oracle_manifest.h"

typedef struct {
    size_t cases;
    uint64_t seed;
    const char *family, *write;
    bool table;
} options;

static const char *const families[] = {[FAMILY_SMALL] = "small", [FAMILY_LARGE] = "large", [FAMILY_CORPUS] = "corpus", [FAMILY_ORT] = "ort"};

static bool number(const char *text, uint64_t *v)
{
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    *v = n;
    return errno == 0 && *text >= '0' && *text <= '9' && *end == 0;
}

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.cases = 100, .family = "small"};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        uint64_t n = 0;
        if (strcmp(argv[i], "--ulp-table") == 0) {
            o->table = true;
            continue;
        }
        if (value == NULL)
            return false;
        if (strcmp(argv[i], "--family") == 0)
            o->family = value;
        else if (strcmp(argv[i], "--write") == 0)
            o->write = value;
        else if (strcmp(argv[i], "--cases") == 0 && number(value, &n))
            o->cases = (size_t)n;
        else if (strcmp(argv[i], "--seed") == 0 && number(value, &n))
            o->seed = n;
        else
            return false;
        i++;
    }
    return true;
}

static int find_family(const char *name)
{
    for (size_t k = 0; k < sizeof families / sizeof families[0]; k++)
        if (strcmp(name, families[k]) == 0)
            return (int)k;
    return -1;
}

static void run_family(case_family family, const options *o, oracle_tally *tally, size_t *passed, size_t *failed)
{
    for (size_t n = 0; n < o->cases; n++) {
        char why[1400];
        oracle_case c;
        const char *broken = oracle_case_make(&c, family, o->seed + n);
        bool ok = broken == NULL;
        if (ok)
            ok = oracle_compare(&c, tally, why, sizeof why);
        else
            snprintf(why, sizeof why, "%s", broken);
        if (!ok)
            printf("not ok %s --seed %llu %s: %s\n", families[family], (unsigned long long)(o->seed + n), c.name, why);
        (*(ok ? passed : failed))++;
        oracle_case_free(&c);
    }
}

static void print_table(const oracle_tally *tally)
{
    printf("| operator | type | elements | largest error | mean error |\n|---|---|---:|---:|---:|\n");
    for (int op = 0; op < 3; op++)
        for (int t = 0; t < ORACLE_TYPES; t++)
            if (tally->error[op][t].count != 0)
                printf("| %s | %s | %zu | %.2Lf | %.4Lf |\n", oracle_op_name((oracle_op)op), oracle_type_name((oracle_type)t),
                       tally->error[op][t].count, tally->error[op][t].max,
                       tally->error[op][t].sum / (long double)tally->error[op][t].count);
}

int main(int argc, char **argv)
{
    options o;
    if (!parse(argc, argv, &o) || (strcmp(o.family, "all") != 0 && find_family(o.family) < 0)) {
        fprintf(stderr, "usage: oracle-run [--cases N] [--seed S] [--family small|large|ort|corpus|all] [--ulp-table] [--write DIR]\n");
        return 2;
    }
    if (o.write != NULL) {
        const int family = find_family(o.family);
        const char *why = family < 0 ? "--write takes one family" : oracle_write_corpus(o.write, (case_family)family, o.seed, o.cases);
        if (why != NULL)
            fprintf(stderr, "oracle-run: %s: %s\n", o.write, why);
        return why != NULL;
    }
    oracle_tally tally = {0};
    size_t passed = 0, failed = 0;
    if (strcmp(o.family, "all") == 0) {
        run_family(FAMILY_SMALL, &o, &tally, &passed, &failed);
        run_family(FAMILY_LARGE, &o, &tally, &passed, &failed);
        run_family(FAMILY_ORT, &o, &tally, &passed, &failed);
    } else {
        run_family((case_family)find_family(o.family), &o, &tally, &passed, &failed);
    }
    if (o.table)
        print_table(&tally);
    printf("in pieces: %zu cases, rows in another order: %zu cases\n", tally.chunked, tally.permuted);
    printf("%zu passed, %zu failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
