/* The kernel tests' tools and main program: every level of this machine against scalar C; --bench times them. */
#include "tests/kernels/kernel_test.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    const char *name, *level;
    int failures, passed, failed, skipped;
    char note[256];
} state;

void family_begin(const char *name, const kernel_table *t)
{
    state.name = name;
    state.level = t->name;
    state.failures = 0;
    state.note[0] = '\0';
}

void family_fail(const char *format, ...)
{
    if (state.failures++ >= 3)
        return;
    va_list args;
    va_start(args, format);
    printf("  %s %s: ", state.level, state.name);
    vprintf(format, args);
    printf("\n");
    va_end(args);
}

void family_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(state.note, sizeof state.note, format, args);
    va_end(args);
}

void family_end(void)
{
    printf("%s %s %s%s%s\n", state.failures ? "not ok" : "ok", state.level, state.name, state.note[0] ? ": " : "", state.note);
    fflush(stdout);
    *(state.failures ? &state.failed : &state.passed) += 1;
}

void family_skip(const char *name, const char *reason)
{
    printf("skip %s: %s\n", name, reason);
    state.skipped++;
}

guarded guarded_new(size_t bytes, int against_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = (bytes + page - 1) / page * page;
    guarded g = {.length = inner + 2 * page};
    g.map = mmap(NULL, g.length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect((char *)g.map + page, inner, PROT_READ | PROT_WRITE) != 0) {
        perror("guarded buffer");
        exit(2);
    }
    g.data = (char *)g.map + page + (against_end ? inner - bytes : 0);
    return g;
}

void guarded_free(guarded *g)
{
    munmap(g->map, g->length);
}

guarded guarded_floats(int64_t n, int against_end)
{
    guarded g = guarded_new((size_t)n * sizeof(float), against_end);
    for (int64_t i = 0; i < n; i++)
        ((float *)g.data)[i] = random_float();
    return g;
}

static uint64_t seed = 20240229;

uint32_t random_u32(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint32_t x = (uint32_t)(seed >> 33);
    return x * 2654435761u ^ (x >> 15);
}

int64_t random_in(int64_t low, int64_t high)
{
    return low + (int64_t)(random_u32() % (uint64_t)(high - low + 1));
}

float random_float(void)
{
    return (float)((double)random_u32() * (2.0 / 4294967296.0) - 1.0);
}

float level_fma(const kernel_table *t, float a, float b, float c)
{
    return t->level == UTIL_CPU_GENERIC ? a * b + c : fmaf(a, b, c);
}

double level_fma_f64(const kernel_table *t, double a, double b, double c)
{
    return t->level == UTIL_CPU_GENERIC ? a * b + c : fma(a, b, c);
}

int64_t first_difference(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(isnan(a[i]) && isnan(b[i])))
            return i;
    return -1;
}

/* What this program started with CLSTM_CPU=value chooses ("" for no variable); 0 when it cannot be started, as under an emulator. */
static int chosen_with(const char *self, const char *value, char *name, size_t size)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(2);
    pid_t child = fork();
    if (child == 0) {
        if (*value)
            setenv("CLSTM_CPU", value, 1);
        else
            unsetenv("CLSTM_CPU");
        dup2(ends[1], STDOUT_FILENO);
        execl(self, self, "--chosen", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    ssize_t n = read(ends[0], name, size - 1);
    name[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static void test_choice(const char *self, const kernel_table *const *tables, int count)
{
    char name[32];
    if (!chosen_with(self, "", name, sizeof name)) {
        family_skip("CLSTM_CPU caps the level", "this program cannot start itself here");
        return;
    }
    family_begin("CLSTM_CPU caps the level", tables[count - 1]);
    for (int i = 0; i < count; i++) {
        chosen_with(self, tables[i]->name, name, sizeof name);
        if (strcmp(name, tables[i]->name) != 0)
            family_fail("CLSTM_CPU=%s chose '%s'", tables[i]->name, name);
    }
    chosen_with(self, "", name, sizeof name);
    if (strcmp(name, tables[count - 1]->name) != 0)
        family_fail("without CLSTM_CPU '%s' was chosen", name);
    family_end();
}

int main(int argc, char **argv)
{
    const char *option = argc > 1 ? argv[1] : "";
    if (strcmp(option, "--chosen") == 0) {
        printf("%s", kernel_table_get()->name);
        return 0;
    }
    int bench = strcmp(option, "--bench") == 0, full = strcmp(option, "--full") == 0;
    if (argc > 2 || (argc == 2 && !bench && !full)) {
        fprintf(stderr, "usage: %s [--bench | --full]\n", argv[0]);
        return 2;
    }
    const kernel_table *tables[UTIL_CPU_AVX512 + 1];
    int count = 0;
    for (int level = UTIL_CPU_GENERIC; level <= UTIL_CPU_AVX512; level++) {
        const kernel_table *t = kernel_table_for((util_cpu_level)level);
        if (t)
            tables[count++] = t;
        else
            family_skip(util_cpu_name((util_cpu_level)level), "not compiled in, or not on this machine");
    }
    if (bench) {
        run_benchmark(tables, count);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        test_packing(tables[i]);
        test_products(tables[i]);
        test_taps(tables[i]);
        test_steps(tables[i]);
    }
    test_mode(tables[0]);
    test_choice(argv[0], tables, count);
    test_functions(tables, count, full);
    printf("%d passed, %d failed, %d skipped\n", state.passed, state.failed, state.skipped);
    return state.failed != 0;
}
