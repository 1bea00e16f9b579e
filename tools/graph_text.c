/* graph_text: the graph before and after, in words and as JSON. */
#include "graph_text.h"

#include <string.h>

void graph_text(const clstm_session *session, const char *first, const char *indent, io_buffer *out) {
    clstm_graph g;
    clstm_plan_cache plans;
    if (!clstm_session_graph(session, &g)) return;
    clstm_session_plans(session, &plans);
    io_putf(out, "%s%zu nodes became %zu: %zu folded, %zu unused, %zu simplified, %zu fused, %zu recovered", first, g.before, g.after, g.folded, g.unused, g.simplified,
            g.fused, g.recovered);
    if (g.recovered_layers) io_putf(out, " into %zu recurrent node%s", g.recovered_layers, g.recovered_layers == 1 ? "" : "s");
    io_putf(out, "\n%s%zu calls a run (%zu with shapes that only the run knows), %zu views, %zu bytes of arena\n", indent, g.calls, g.dynamic, g.views, g.arena_bytes);
    io_putf(out, "%splans: %zu kept of at most %zu, %llu built, %llu evicted\n", indent, plans.kept, plans.most, (unsigned long long)plans.built,
            (unsigned long long)plans.evicted);
}

static size_t calls_of(const clstm_session *session, const char *type) {
    clstm_step step;
    size_t n = 0;
    for (size_t i = 0; clstm_session_step(session, i, &step); i++) n += !step.view && !strcmp(step.type, type);
    return n;
}

typedef struct row { const char *name; size_t before, after; } row;

/* Row *i of the table, then *i is the next one's: the operators of the file, then those that only the plan has (an LSTM made of a
 * cell, say). The uses of one name in several versions are one row. */
static bool next_row(const clstm_model *model, const clstm_session *session, size_t *i, row *r) {
    clstm_operator_use use, same;
    clstm_step step;
    size_t uses = 0;
    while (clstm_model_operator(model, uses, &use)) uses++;
    if (clstm_model_operator(model, *i, &use)) {
        *r = (row){use.name, use.count, calls_of(session, use.name)};
        while (clstm_model_operator(model, ++*i, &same) && !strcmp(same.name, use.name)) r->before += same.count;
        return true;
    }
    for (; clstm_session_step(session, *i - uses, &step); ++*i) {
        bool told = step.view;
        for (size_t k = 0; !told && clstm_model_operator(model, k, &use); k++) told = !strcmp(use.name, step.type);
        for (size_t k = 0; !told && k < *i - uses; k++) {
            clstm_step before;
            told = clstm_session_step(session, k, &before) && !before.view && !strcmp(before.type, step.type);
        }
        if (told) continue;
        *r = (row){step.type, 0, calls_of(session, step.type)};
        ++*i;
        return true;
    }
    return false;
}

void graph_table(const clstm_model *model, const clstm_session *session, const char *indent, io_buffer *out) {
    row r;
    io_putf(out, "%s%-28s %8s %8s\n", indent, "operator", "in file", "calls");
    for (size_t i = 0; next_row(model, session, &i, &r);) io_putf(out, "%s%-28s %8zu %8zu\n", indent, r.name, r.before, r.after);
}

void graph_json(const clstm_model *model, const clstm_session *session, io_buffer *out) {
    clstm_graph g;
    clstm_plan_cache plans;
    row r;
    if (!clstm_session_graph(session, &g)) { io_puts(out, "null"); return; }
    clstm_session_plans(session, &plans);
    io_putf(out, "{\"before\": %zu, \"after\": %zu, \"folded\": %zu, \"unused\": %zu, \"simplified\": %zu, \"fused\": %zu, \"recovered\": %zu, \"recovered_layers\": %zu, ",
            g.before, g.after, g.folded, g.unused, g.simplified, g.fused, g.recovered, g.recovered_layers);
    io_putf(out, "\"calls\": %zu, \"dynamic\": %zu, \"views\": %zu, \"arena_bytes\": %zu, ", g.calls, g.dynamic, g.views, g.arena_bytes);
    io_putf(out, "\"plans\": {\"kept\": %zu, \"most\": %zu, \"built\": %llu, \"evicted\": %llu}", plans.kept, plans.most, (unsigned long long)plans.built,
            (unsigned long long)plans.evicted);
    if (model) io_puts(out, ",\n    \"operators\": [");
    for (size_t i = 0, first = 1; model && next_row(model, session, &i, &r); first = 0) {
        io_puts(out, first ? "{\"name\": " : ", {\"name\": ");
        io_put_json(out, r.name);
        io_putf(out, ", \"nodes\": %zu, \"calls\": %zu}", r.before, r.after);
    }
    io_puts(out, model ? "]}" : "}");
}
