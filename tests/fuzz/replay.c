/* Drives a fuzz target without libFuzzer:
 *
 *   replay_TARGET [--mutate N] [--seed S] [--wire] FILE|DIRECTORY...
 *
 * runs every file below the paths and, of each, N mutations. A crash names the file, seed and mutation, which give the input again.
 * All of it on a thread with 128 KiB of stack; says how much of it was used. */
#include "fuzz.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    long mutations, inputs, files;
    uint64_t seed;
    bool wire;
    const char *keep;
} set;
static char current[5000];

static void crashed(int number)
{
    static const char start[] = "\nnot ok ";
    ssize_t ignored = write(1, start, sizeof start - 1);
    ignored += write(1, current, strlen(current));
    ignored += write(1, "\n", 1);
    (void)ignored;
    signal(number, SIG_DFL);
    raise(number);
}

static void run(const char *path, long mutation, const uint8_t *data, size_t size)
{
    snprintf(current, sizeof current, "%s: mutation %ld, seed %llu, %zu bytes", path, mutation, (unsigned long long)set.seed, size);
    if (set.keep) {
        FILE *f = fopen(set.keep, "wb");
        if (f) {
            fwrite(data, 1, size, f);
            fclose(f);
        }
    }
    /* an own block of exactly that size, so that a read past it is seen */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    set.inputs++;
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    size_t capacity = (size_t)8 << 20;
    uint8_t *data = malloc(2 * capacity), *work = data ? data + capacity : NULL;
    size_t size = data ? fread(data, 1, capacity, file) : 0;
    fclose(file);
    if (!data || size == capacity) {
        free(data);
        return;
    }
    set.files++;
    run(path, 0, data, size);
    for (long i = 1; i <= set.mutations; i++) {
        fuzz_random random = {set.seed ^ (uint64_t)i * 0x2545f4914f6cdd1dull ^ (uint64_t)size << 40};
        memcpy(work, data, size);
        size_t n = size;
        for (uint64_t rounds = 1 + fuzz_next(&random) % 3; rounds; rounds--)
            n = set.wire ? fuzz_mutate_wire(work, n, capacity, &random) : fuzz_mutate_bytes(work, n, capacity, &random);
        run(path, i, work, n);
    }
    free(data);
}

static void walk(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return;
    if (!S_ISDIR(info.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.') {
            char below[4096];
            snprintf(below, sizeof below, "%s/%s", path, names[i]->d_name);
            walk(below);
        }
        free(names[i]);
    }
    free(names);
}

static int path_count;
static char **paths;

static void *walk_all(void *unused)
{
    for (int i = 0; i < path_count; i++)
        walk(paths[i]);
    return unused;
}

#ifdef CLSTM_SANITIZED
enum { STACK = 1024 * 1024 };           /* a sanitizer's frames and interceptors are no promise of ours */
#else
enum { STACK = 128 * 1024 };
#endif
enum { GUARD = 64 * 1024, PAINT = 0xA5 };

/* Runs f on a stack of STACK bytes over pages that cannot be touched; *most is how many of them it has ever written to. */
static bool on_small_stack(void *(*f)(void *), size_t *most)
{
    pthread_t thread;
    pthread_attr_t attr;
    uint8_t *memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0), *stack = memory + GUARD;
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) || pthread_attr_init(&attr) || pthread_attr_setstack(&attr, stack, STACK))
        return false;
    memset(stack, PAINT, STACK);
    if (pthread_create(&thread, &attr, f, NULL) || pthread_join(thread, NULL))
        return false;
    size_t untouched = 0;
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    *most = STACK - untouched;
    return munmap(memory, GUARD + STACK) == 0;
}

int main(int argc, char **argv)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], crashed);
    setvbuf(stdout, NULL, _IONBF, 0);
    set.seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutate") == 0 && i + 1 < argc)
            set.mutations = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            set.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--keep") == 0 && i + 1 < argc)
            set.keep = argv[++i];
        else if (strcmp(argv[i], "--wire") == 0)
            set.wire = true;
        else
            path_count = argc - i, paths = argv + i, i = argc;
    }
    size_t stack;
    if (!on_small_stack(walk_all, &stack))
        return 1;
    printf("%ld files, %ld inputs, %ld of them accepted, %zu bytes of stack\n", set.files, set.inputs, fuzz_reached, stack);
    return set.files > 0 && fuzz_reached > 0 ? 0 : 1;
}
