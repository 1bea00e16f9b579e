/* run_profile: where the time of a run goes, by node and by operator. */
#include "run_profile.h"

#include "graph_text.h"
#include "tool.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_RUNS = 3, MOST_RUNS = 10000, SHOWN = 40 };

static clstm_status repeat(clstm_session *s, int *runs, clstm_error *err) {
    clstm_status status = clstm_session_profile(s, true, err);
    double end = tool_now_us() + 300000;
    while (status == CLSTM_OK && *runs < MOST_RUNS && (*runs < LEAST_RUNS || tool_now_us() < end)) {
        status = clstm_session_run(s, err);
        ++*runs;
    }
    return status;
}

static int by_time(const void *a, const void *b) {
    const run_profile_step *x = a, *y = b;
    return (x->us < y->us) - (x->us > y->us);
}

/* Adds a step to the sum of its operator. */
static void add_type(run_profile *p, const run_profile_step *step) {
    size_t k = 0;
    while (k < p->n_types && strcmp(p->types[k].type, step->type)) k++;
    if (k == p->n_types) p->types[p->n_types++] = (run_profile_step){.type = step->type};
    p->types[k].us += step->us;
    p->types[k].count++;
}

clstm_status run_profile_take(clstm_session *s, run_profile *p, clstm_error *err) {
    clstm_step step;
    size_t n = 0;
    *p = (run_profile){.session = s};
    clstm_status status = repeat(s, &p->runs, err);
    if (status != CLSTM_OK) return status;
    while (clstm_session_step(s, n, &step)) n++;
    p->steps = calloc(n + 1, sizeof *p->steps);
    p->types = calloc(n + 1, sizeof *p->types);
    if (!p->steps || !p->types) {
        run_profile_free(p);
        *err = (clstm_error){CLSTM_NO_MEMORY, "out of memory"};
        return CLSTM_NO_MEMORY;
    }
    for (; p->n_steps < n && clstm_session_step(s, p->n_steps, &step); p->n_steps++) {
        run_profile_step *one = &p->steps[p->n_steps];
        double flops = step.cost[0].flops * step.cost[0].times + step.cost[1].flops * step.cost[1].times;
        *one = (run_profile_step){.node = step.node, .type = step.type, .view = step.view, .us = step.seconds * 1e6 / p->runs, .count = 1};
        if (one->us > 0) one->gflops = flops / one->us / 1e3;
        p->total_us += one->us;
        if (!step.view) add_type(p, one);
    }
    qsort(p->steps, p->n_steps, sizeof *p->steps, by_time);
    qsort(p->types, p->n_types, sizeof *p->types, by_time);
    return clstm_session_profile(s, false, err);
}

void run_profile_free(run_profile *p) {
    free(p->steps);
    free(p->types);
    *p = (run_profile){0};
}

static double share(const run_profile *p, double us) { return p->total_us > 0 ? 100 * us / p->total_us : 0; }

void run_profile_show(const run_profile *p, FILE *out) {
    char name[200];
    io_buffer graph = {0};
    size_t shown = 0;
    fprintf(out, "profile: %.3f us in the steps of a run, mean of %d\n", p->total_us, p->runs);
    fprintf(out, "  %12s %7s %6s  by operator\n", "us", "%", "steps");
    for (size_t i = 0; i < p->n_types; i++) fprintf(out, "  %12.3f %7.2f %6zu  %s\n", p->types[i].us, share(p, p->types[i].us), p->types[i].count, p->types[i].type);
    fprintf(out, "  %12s %7s %6s  by node\n", "us", "%", "GF/s");
    for (size_t i = 0; i < p->n_steps && shown < SHOWN; i++) {
        if (p->steps[i].view) continue;
        fprintf(out, "  %12.3f %7.2f %6.1f  %s \"%s\"\n", p->steps[i].us, share(p, p->steps[i].us), p->steps[i].gflops, p->steps[i].type, io_escape(name, sizeof name, p->steps[i].node));
        shown++;
    }
    if (shown == SHOWN) fprintf(out, "  ... the %d slowest of %zu\n", SHOWN, p->n_steps);
    graph_text(p->session, "graph: ", "       ", &graph);
    fwrite(graph.data, 1, graph.size, out);
    io_buffer_free(&graph);
}

void run_profile_json(const run_profile *p, io_buffer *out) {
    bool first = true;
    io_putf(out, "{\"runs\": %d, \"total_us\": %.3f, \"nodes\": [", p->runs, p->total_us);
    for (size_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].view) continue;
        io_puts(out, first ? "\n    {\"node\": " : ",\n    {\"node\": ");
        io_put_json(out, p->steps[i].node);
        io_putf(out, ", \"operator\": \"%s\", \"us\": %.4f, \"gflops\": %.3f}", p->steps[i].type, p->steps[i].us, p->steps[i].gflops);
        first = false;
    }
    io_puts(out, "],\n    \"graph\": ");
    graph_json(NULL, p->session, out);
    io_puts(out, "}");
}
