/* clstm-bench: how long a run takes, and how long it would have to take on this machine. */
#include "inputs.h"
#include "probe.h"

#include "io/buffer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Times runs of a model in one process after a warm-up, on random inputs unless some are given.\n"
    "The last line is for machines: median_us= min_us= p99_us= p999_us= load_us= runs= gflops= limit_us= of_limit=\n"
    "load: from the file to the first runnable session. limit: what the plan's multiply-adds and bytes must take at the speed that\n"
    "a probe of this machine measures in the same process.\n"
    "\n"
    "      --seconds S           time runs for S seconds (default 2)\n"
    "      --random-seed N       seed of the random inputs (default 0)\n"
    "  -i [NAME=]FILE|VALUES     an input, as for clstm-run\n"
    "      --json                print the answer as JSON before the last line\n"
    "\n";

enum { SECONDS = TOOL_OPTION_OWN, SEED, MOST_RUNS = 2000000, LEAST_RUNS = 5 };
static const struct option options[] = {
    TOOL_OPTIONS,
    {"json", no_argument, NULL, TOOL_OPTION_JSON}, {"seconds", required_argument, NULL, SECONDS}, {"random-seed", required_argument, NULL, SEED}, {0},
};

typedef struct bench {
    tool t;
    double seconds;
    int64_t seed;
    char **in;
    size_t n_in;
    clstm_model *model;
    clstm_session *session;
    inputs inputs;
    float *times;                       /* microseconds of each run, sorted in the end */
    size_t runs;
    double load_us, flops, limit_us;    /* limit NAN: a step's cost is not known */
} bench;

static int set_option(bench *b, int option, char *argument) {
    switch (option) {
    case SECONDS: return tool_parse_real(argument, &b->seconds) && b->seconds <= 86400 ? -1 : tool_usage(&b->t, "--seconds: \"%s\" is no time", argument);
    case SEED: return tool_parse_int(argument, 0, INT64_MAX, &b->seed) ? -1 : tool_usage(&b->t, "--random-seed: \"%s\" is no seed", argument);
    case 'i': b->in[b->n_in++] = argument; return -1;
    default: return tool_option(&b->t, option, argument);
    }
}

/* The file, a session, a plan for the inputs: all that must be there before a first run. */
static int open_model(bench *b, const char *path) {
    clstm_error err = {0};
    double start = tool_now_us();
    if (tool_load(&b->t, path, &b->model, &err) != CLSTM_OK || tool_session(&b->t, b->model, 0, &b->session, &err) != CLSTM_OK) return tool_refused(&b->t, &err);
    b->load_us = tool_now_us() - start;
    int code = inputs_start(&b->t, b->model, &b->inputs);
    if (code < 0) code = inputs_give(&b->t, b->model, b->in, b->n_in, &b->inputs);
    if (code < 0) code = inputs_randomise(&b->t, b->model, (uint64_t)b->seed, &b->inputs);
    if (code >= 0) return code;
    start = tool_now_us();
    if (inputs_apply(&b->inputs, b->session, &err) != CLSTM_OK || clstm_session_prepare(b->session, &err) != CLSTM_OK) return tool_refused(&b->t, &err);
    b->load_us += tool_now_us() - start;
    return -1;
}

/* Every page is there before the first run, so that none of them waits for one; and after the load, whose caches they would empty. */
static int make_room(bench *b) {
    b->times = malloc(MOST_RUNS * sizeof *b->times);
    if (!b->times) return tool_failed(&b->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    memset(b->times, 1, MOST_RUNS * sizeof *b->times);
    return -1;
}

static int time_runs(bench *b) {
    clstm_error err = {0};
    double warm = tool_now_us() + fmin(b->seconds * 1e6 / 5, 200000), now;
    do {
        if (clstm_session_run(b->session, &err) != CLSTM_OK) return tool_refused(&b->t, &err);
    } while (tool_now_us() < warm);
    double end = tool_now_us() + b->seconds * 1e6;
    do {
        double start = tool_now_us();
        clstm_status status = clstm_session_run(b->session, &err);
        now = tool_now_us();
        if (status != CLSTM_OK) return tool_refused(&b->t, &err);
        b->times[b->runs++] = (float)(now - start);
    } while ((now < end || b->runs < LEAST_RUNS) && b->runs < MOST_RUNS);
    return -1;
}

static int by_time(const void *a, const void *b) { return (*(const float *)a > *(const float *)b) - (*(const float *)a < *(const float *)b); }

static double quantile(const bench *b, double q) { return (double)b->times[(size_t)(q * (double)(b->runs - 1) + 0.5)]; }

static void find_limit(bench *b, probe *p) {
    clstm_step step;
    for (size_t i = 0; clstm_session_step(b->session, i, &step); i++) {
        if (step.view) continue;
        if (step.dynamic) b->limit_us = NAN;
        for (size_t k = 0; k < 2; k++) {
            if (step.cost[k].times <= 0) continue;
            b->flops += step.cost[k].flops * step.cost[k].times;
            b->limit_us += step.cost[k].times * fmax(step.cost[k].flops / probe_peak(p), step.cost[k].bytes / probe_bandwidth(p, step.cost[k].bytes));
        }
    }
}

static void print_answer(const bench *b, const char *path, probe *p) {
    double median = quantile(b, 0.5), tail = quantile(b, 0.999) / median;
    if (b->t.json) {
        io_buffer out = {0};
        clstm_error err;
        io_puts(&out, "{\"model\": ");
        io_put_json(&out, path);
        io_putf(&out, ", \"threads\": %d, \"median_us\": %.3f, \"min_us\": %.3f, \"p99_us\": %.3f, \"p999_us\": %.3f, \"p999_of_median\": %.3f, \"load_us\": %.1f, \"runs\": %zu, ", b->t.threads,
                median, (double)b->times[0], quantile(b, 0.99), quantile(b, 0.999), tail, b->load_us, b->runs);
        io_putf(&out, "\"gflops\": %.3f, \"peak_gflops\": %.1f, \"limit_us\": ", b->flops / median / 1e3, probe_peak(p) / 1e3);
        io_put_json_number(&out, b->limit_us);
        io_puts(&out, ", \"of_limit\": ");
        io_put_json_number(&out, b->limit_us / median);
        io_puts(&out, "}\n");
        if (io_buffer_write(&out, "-", &err) != CLSTM_OK) tool_failed(&b->t, &err);
        io_buffer_free(&out);
    } else {
        inputs_describe(b->model, &b->inputs, stdout);
        printf("threads %d, peak of multiply-adds %.1f GFLOP/s, session memory %zu bytes\n", b->t.threads, probe_peak(p) / 1e3, clstm_session_memory(b->session));
        printf("one run in a thousand takes %.2f times the median or more\n", tail);
    }
    printf("median_us=%.3f min_us=%.3f p99_us=%.3f p999_us=%.3f load_us=%.1f runs=%zu gflops=%.3f limit_us=%.3f of_limit=%.3f\n", median, (double)b->times[0], quantile(b, 0.99),
           quantile(b, 0.999), b->load_us, b->runs, b->flops / median / 1e3, b->limit_us, b->limit_us / median);
}

static int run(bench *b, const char *path) {
    int code = open_model(b, path);
    if (code < 0) code = make_room(b);
    if (code < 0) code = time_runs(b);
    if (code >= 0) return code;
    probe *p = probe_create(b->t.threads);
    if (!p) return tool_failed(&b->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    find_limit(b, p);
    qsort(b->times, b->runs, sizeof *b->times, by_time);
    print_answer(b, path, p);
    probe_destroy(p);
    return TOOL_OK;
}

int main(int argc, char **argv) {
    bench b = {.seconds = 2};
    int code = -1;
    tool_init(&b.t, argv, "clstm-bench", "MODEL.onnx [options]", help);
    b.in = calloc((size_t)argc, sizeof *b.in);
    if (!b.in) code = tool_failed(&b.t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    for (int option; code < 0 && (option = getopt_long(argc, argv, "i:", options, NULL)) != -1;) code = set_option(&b, option, optarg);
    if (code < 0 && optind + 1 != argc) code = tool_usage(&b.t, optind == argc ? "which MODEL?" : "one MODEL at a time");
    if (code < 0) code = run(&b, argv[optind]);
    clstm_session_destroy(b.session);
    inputs_free(&b.inputs);
    clstm_model_destroy(b.model);
    free(b.in);
    free(b.times);
    tool_free(&b.t);
    return tool_finish(&b.t, code);
}
