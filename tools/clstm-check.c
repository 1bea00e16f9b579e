/* clstm-check: runs reference vectors in the ONNX test-data layout and says which of them hold. */
#include "check_run.h"

#include "io/buffer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Runs reference vectors: directories with model.onnx and test_data_set_N/{input,output}_I.pb, or trees of them.\n"
    "One line a case, then \"N passed, N failed, N skipped\". Exit status 0 only when nothing failed and something passed.\n"
    "\n"
    "      --rtol X --atol X     tolerances (default 1e-3, 1e-7; half types have a floor of 1e-2, 1e-3)\n"
    "      --ulp N               compare in units in the last place of the expected value instead\n"
    "      --filter GLOB         only cases whose name matches\n"
    "      --skip-list FILE      skip the cases it names: lines of NAME and REASON\n"
    "      --jobs N              cases at a time (default: one a processor)\n"
    "      --limit-seconds N     a case that runs longer has failed (default 120, 0: no limit)\n"
    "      --json FILE           write the result as JSON\n"
    "      --junit FILE          write the result as JUnit XML\n";

enum { RTOL = TOOL_OPTION_OWN, ATOL, ULP, FILTER, SKIP_LIST, JOBS, LIMIT_SECONDS, JSON, JUNIT };
static const struct option options[] = {
    TOOL_OPTIONS,
    {"rtol", required_argument, NULL, RTOL}, {"atol", required_argument, NULL, ATOL}, {"ulp", required_argument, NULL, ULP},
    {"filter", required_argument, NULL, FILTER}, {"skip-list", required_argument, NULL, SKIP_LIST}, {"jobs", required_argument, NULL, JOBS},
    {"limit-seconds", required_argument, NULL, LIMIT_SECONDS}, {"json", required_argument, NULL, JSON}, {"junit", required_argument, NULL, JUNIT},
    {0},
};

typedef struct settings {
    tool t;
    compare_rule rule;
    const char *filter, *skip_list, *json, *junit;
    int jobs;
    double seconds;
} settings;

typedef struct sums { size_t count[CHECK_SKIPPED + 1]; } sums;

static void tell(void *user, const check_case *c) {
    sums *s = user;
    char name[400];
    io_escape(name, sizeof name, c->name);
    s->count[c->outcome]++;
    if (c->outcome == CHECK_PASSED) printf("ok %s\n", name);
    else if (c->outcome == CHECK_SKIPPED) printf("skip %s: %s\n", name, c->reason);
    else printf("not ok %s: %s\n", name, c->reason ? c->reason : "out of memory");
}

static void put_json(const check_cases *cases, const sums *s, io_buffer *b) {
    static const char *const words[] = {"pending", "passed", "failed", "skipped"};
    io_putf(b, "{\"passed\": %zu, \"failed\": %zu, \"skipped\": %zu, \"cases\": [", s->count[CHECK_PASSED], s->count[CHECK_FAILED], s->count[CHECK_SKIPPED]);
    for (size_t i = 0; i < cases->count; i++) {
        const check_case *c = &cases->items[i];
        io_puts(b, i ? ",\n  {\"name\": " : "\n  {\"name\": ");
        io_put_json(b, c->name);
        io_putf(b, ", \"result\": \"%s\", \"seconds\": %.6f", words[c->outcome], c->seconds);
        if (c->reason) {
            io_puts(b, ", \"reason\": ");
            io_put_json(b, c->reason);
        }
        io_puts(b, "}");
    }
    io_puts(b, "\n]}\n");
}

static void put_junit(const check_cases *cases, const sums *s, io_buffer *b) {
    double seconds = 0;
    for (size_t i = 0; i < cases->count; i++) seconds += cases->items[i].seconds;
    io_putf(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"clstm-check\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n", cases->count,
            s->count[CHECK_FAILED], s->count[CHECK_SKIPPED], seconds);
    for (size_t i = 0; i < cases->count; i++) {
        const check_case *c = &cases->items[i];
        io_puts(b, "  <testcase classname=\"clstm-check\" name=\"");
        io_put_xml(b, c->name);
        io_putf(b, "\" time=\"%.6f\"", c->seconds);
        if (c->outcome == CHECK_PASSED) { io_puts(b, "/>\n"); continue; }
        io_puts(b, c->outcome == CHECK_SKIPPED ? "><skipped message=\"" : "><failure message=\"");
        io_put_xml(b, c->reason);
        io_puts(b, "\"/></testcase>\n");
    }
    io_puts(b, "</testsuite>\n");
}

static clstm_status write_report(const char *path, const check_cases *cases, const sums *s, void (*put)(const check_cases *, const sums *, io_buffer *), clstm_error *err) {
    io_buffer b = {0};
    if (!path) return CLSTM_OK;
    put(cases, s, &b);
    clstm_status status = io_buffer_write(&b, path, err);
    io_buffer_free(&b);
    return status;
}

static int set_option(settings *s, int option, const char *argument) {
    int64_t n;
    switch (option) {
    case RTOL: return tool_parse_real(argument, &s->rule.rtol) ? -1 : tool_usage(&s->t, "--rtol: \"%s\" is no tolerance", argument);
    case ATOL: return tool_parse_real(argument, &s->rule.atol) ? -1 : tool_usage(&s->t, "--atol: \"%s\" is no tolerance", argument);
    case ULP: return tool_parse_real(argument, &s->rule.ulp) ? -1 : tool_usage(&s->t, "--ulp: \"%s\" is no tolerance", argument);
    case LIMIT_SECONDS: return tool_parse_real(argument, &s->seconds) ? -1 : tool_usage(&s->t, "--limit-seconds: \"%s\" is no time", argument);
    case FILTER: s->filter = argument; return -1;
    case SKIP_LIST: s->skip_list = argument; return -1;
    case JSON: s->json = argument; return -1;
    case JUNIT: s->junit = argument; return -1;
    case JOBS:
        if (!tool_parse_int(argument, 1, 64, &n)) return tool_usage(&s->t, "--jobs: \"%s\" is no number from 1 to 64", argument);
        s->jobs = (int)n;
        return -1;
    default: return tool_option(&s->t, option, argument);
    }
}

static int run(settings *s, char **paths, int n_paths) {
    check_cases cases = {0};
    sums total = {0};
    clstm_error err = {0};
    clstm_status status = CLSTM_OK;
    for (int i = 0; i < n_paths && status == CLSTM_OK; i++) status = check_cases_find(&cases, paths[i], s->filter, &err);
    if (status == CLSTM_OK && s->skip_list) status = check_cases_skip(&s->t, &cases, s->skip_list, &err);
    int code = status == CLSTM_OK ? TOOL_OK : tool_refused(&s->t, &err);
    if (status == CLSTM_OK) {
        s->t.quiet = cases.count > 1;       /* the warnings of a thousand models drown their results */
        status = check_all(&s->t, &cases, &s->rule, s->jobs, s->seconds, tell, &total, &err);
        if (status == CLSTM_OK) status = write_report(s->json, &cases, &total, put_json, &err);
        if (status == CLSTM_OK) status = write_report(s->junit, &cases, &total, put_junit, &err);
        if (status != CLSTM_OK) code = tool_failed(&s->t, &err);
        else {
            printf("%zu passed, %zu failed, %zu skipped\n", total.count[CHECK_PASSED], total.count[CHECK_FAILED], total.count[CHECK_SKIPPED]);
            if (total.count[CHECK_FAILED] || !total.count[CHECK_PASSED]) code = TOOL_FAILED;
        }
    }
    check_cases_free(&cases);
    return code;
}

int main(int argc, char **argv) {
    settings s = {.rule = COMPARE_DEFAULT, .seconds = 120};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    s.jobs = processors < 1 ? 1 : processors > 64 ? 64 : (int)processors;
    tool_init(&s.t, argv, "clstm-check", "PATH... [options]", help);
    int code = -1;
    for (int option; code < 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) code = set_option(&s, option, optarg);
    if (code < 0 && optind == argc) code = tool_usage(&s.t, "which PATH?");
    if (code < 0) code = run(&s, argv + optind, argc - optind);
    tool_free(&s.t);
    return tool_finish(&s.t, code);
}
