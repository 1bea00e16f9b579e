/* clstm-info: what is in a model, and which operators this version runs. */
#include "graph_text.h"
#include "inputs.h"
#include "info_lint.h"

#include "io/buffer.h"
#include "io/value.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Describes a model: inputs, outputs, opset, size, metadata, recurrent layers, operators.\n"
    "\n"
    "      --graph               the graph before and after planning: what was folded, fused and recovered, and the calls left of each\n"
    "                            operator\n"
    "      --ops                 without a model: every operator and version range that is supported\n"
    "      --lint                faults of exporters: node, why it matters, what clstm-convert --repair does;\n"
    "                            without a model: the table of rules\n"
    "      --markdown            with --ops: as doc/operators.md; with --lint: as doc/linter.md\n"
    "      --json                print the answer as JSON\n"
    "\n";

enum { OPS = TOOL_OPTION_OWN, MARKDOWN, LINT, GRAPH };
static const struct option options[] = {
    TOOL_OPTIONS, {"json", no_argument, NULL, TOOL_OPTION_JSON}, {"ops", no_argument, NULL, OPS}, {"markdown", no_argument, NULL, MARKDOWN},
    {"lint", no_argument, NULL, LINT}, {"graph", no_argument, NULL, GRAPH}, {0},
};

static const char *domain_name(const char *domain) { return *domain ? domain : "ai.onnx"; }

/* ---- operators --------------------------------------------------------------------------------------------------------------- */

static void list_operators(bool json, io_buffer *b) {
    clstm_operator row;
    if (json) io_puts(b, "{\"operators\": [");
    for (size_t i = 0; clstm_operator_describe(i, &row); i++) {
        if (json) {
            io_putf(b, "%s\n  {\"domain\": \"%s\", \"name\": \"%s\", \"since\": %d, \"until\": ", i ? "," : "", domain_name(row.domain), row.name, row.since);
            if (row.until) io_putf(b, "%d}", row.until);
            else io_puts(b, "null}");
        } else {
            if (*row.domain) io_putf(b, "%s.", row.domain);
            io_putf(b, "%s %d-", row.name, row.since);
            if (row.until) io_putf(b, "%d", row.until);
            io_puts(b, "\n");
        }
    }
    if (json) io_puts(b, "\n]}\n");
}

/* A line an operator: the table has a row for every change of meaning, neighbouring versions are joined. */
static void list_markdown(io_buffer *b) {
    clstm_operator row, next = {0};
    const char *domain = NULL;
    size_t count = 0;
    for (size_t i = 0; clstm_operator_describe(i, &row); i++) {
        count += !i || strcmp(row.name, next.name) || strcmp(row.domain, next.domain);
        next = row;
    }
    io_putf(b, "# Operators\n\nThe %zu operators of clstm %s and the opset versions of their domain; \"7-\" is 7 and every later one that is known. Written by\n"
               "`clstm-info --ops --markdown`; do not edit. What is not here is refused at load, by name.\n", count, clstm_version());
    for (size_t i = 0; clstm_operator_describe(i, &row);) {
        if (!domain || strcmp(domain, row.domain)) {
            domain = row.domain;
            io_putf(b, "\n## %s\n\n| operator | versions |\n|---|---|\n", domain_name(domain));
        }
        io_putf(b, "| %s | %d-", row.name, row.since);
        int until = row.until;
        while (clstm_operator_describe(++i, &next) && !strcmp(next.name, row.name) && !strcmp(next.domain, row.domain)) {
            if (until && next.since > until + 1) io_putf(b, "%d, %d-", until, next.since);
            until = next.until;
        }
        if (until) io_putf(b, "%d", until);
        io_puts(b, " |\n");
    }
}

/* ---- a model as text ----------------------------------------------------------------------------------------------------------- */

static void put_escaped(io_buffer *b, const char *text) {
    char out[600];
    io_puts(b, io_escape(out, sizeof out, text));
}

static void text_head(const clstm_model *m, const char *path, io_buffer *b) {
    clstm_model_info info;
    const char *key, *value;
    clstm_model_get_info(m, &info);
    put_escaped(b, path);
    io_puts(b, ": ");
    put_escaped(b, info.graph && *info.graph ? info.graph : "(no name)");
    io_puts(b, "\n  made by     ");
    put_escaped(b, info.producer && *info.producer ? info.producer : "unknown");
    io_puts(b, " ");
    put_escaped(b, info.producer_version);
    io_putf(b, "\n  versions    IR %lld, opset %lld\n", (long long)info.ir_version, (long long)info.opset);
    io_putf(b, "  size        %lld parameters, %zu nodes\n", (long long)info.parameters, info.nodes);
    for (size_t i = 0; clstm_model_metadata(m, i, &key, &value); i++) {
        io_puts(b, i ? "              " : "  metadata    ");
        put_escaped(b, key);
        io_puts(b, " = ");
        put_escaped(b, value);
        io_puts(b, "\n");
    }
}

static void text_ports(const clstm_model *m, io_buffer *b) {
    char what[600];
    for (size_t i = 0; i < clstm_model_input_count(m); i++) io_putf(b, "%s%s\n", i ? "              " : "  inputs      ", port_text(what, sizeof what, clstm_model_input(m, i)));
    for (size_t i = 0; i < clstm_model_output_count(m); i++) io_putf(b, "%s%s\n", i ? "              " : "  outputs     ", port_text(what, sizeof what, clstm_model_output(m, i)));
}

static void put_size(io_buffer *b, int64_t n) {
    if (n < 0) io_puts(b, "?");
    else io_putf(b, "%lld", (long long)n);
}

static void text_layers(const clstm_model *m, io_buffer *b) {
    clstm_layer l;
    for (size_t i = 0; clstm_model_layer(m, i, &l); i++) {
        io_putf(b, "%s%s ", i ? "              " : "  recurrent   ", l.type);
        put_size(b, l.input_size);
        io_puts(b, " -> ");
        put_size(b, l.hidden_size);
        io_putf(b, " %s%s%s%s%s%s%s, weights %s", l.direction, l.layout ? ", batch first" : "", l.bias ? ", bias" : "", l.sequence_lens ? ", sequence_lens" : "",
                l.initial_h ? ", initial h" : "", l.initial_c ? ", initial c" : "", l.peephole ? ", peepholes" : "", l.constant_weights ? "in the file" : "found at run time");
        if (*l.node) {
            io_puts(b, "  \"");
            put_escaped(b, l.node);
            io_puts(b, "\"");
        }
        io_puts(b, "\n");
    }
}

static void text_uses(const clstm_model *m, io_buffer *b) {
    clstm_operator_use use;
    for (size_t i = 0; clstm_model_operator(m, i, &use); i++) {
        io_puts(b, i ? "              " : "  operators   ");
        if (*use.domain) io_putf(b, "%s.", use.domain);
        io_putf(b, "%s-%d x%zu\n", use.name, use.version, use.count);
    }
}

/* ---- what a session takes -------------------------------------------------------------------------------------------------------- */

/* A session prepared for the shapes that --shape and --dim give, 1 where they say nothing; NULL, and *why says it, for a model that
 * asks for more than such shapes (a sequence, say). -1 to go on, or an exit code when the options do not fit the model. */
static int prepare(const tool *t, clstm_model *m, clstm_session **session, clstm_error *why) {
    tool silent = *t;
    inputs in = {0};
    int code = inputs_start(t, m, &in);
    bool ready = false;
    *why = (clstm_error){CLSTM_UNSUPPORTED, "its inputs are more than tensors of a known rank"};
    *session = NULL;
    silent.said = why->message;
    if (code < 0 && tool_session(t, m, 0, session, why) != CLSTM_OK) code = tool_refused(t, why);
    if (code < 0 && inputs_can_be_random(t, m) && inputs_randomise(&silent, m, 0, &in) < 0)
        ready = inputs_apply(&in, *session, why) == CLSTM_OK && clstm_session_prepare(*session, why) == CLSTM_OK;
    inputs_free(&in);
    if (!ready) { clstm_session_destroy(*session); *session = NULL; }
    return code;
}

static void text_memory(const clstm_session *s, io_buffer *b) {
    clstm_graph g;
    if (s && clstm_session_graph(s, &g)) io_putf(b, "  memory      %zu bytes a session, %zu steps a run (unset dimensions 1)\n", g.arena_bytes, g.calls);
}

static void text_graph(const clstm_model *m, const clstm_session *s, const clstm_error *why, io_buffer *b) {
    if (s) graph_text(s, "  graph       ", "              ", b);
    else io_putf(b, "  graph       not planned: %s\n", why->message);
    if (s) graph_table(m, s, "              ", b);
}

static void json_session(const clstm_model *m, const clstm_session *s, bool graph, io_buffer *b) {
    clstm_graph g;
    if (s && clstm_session_graph(s, &g)) io_putf(b, ",\n  \"session_bytes\": %zu, \"steps\": %zu", g.arena_bytes, g.calls);
    if (!graph) return;
    io_puts(b, ",\n  \"graph\": ");
    if (s) graph_json(m, s, b);
    else io_puts(b, "null");
}

/* ---- states and streams ---------------------------------------------------------------------------------------------------------- */

/* Which states a session would carry, and along which axis an input can be fed in pieces, or why not. */
static void put_streams(const tool *t, clstm_model *m, io_buffer *b) {
    clstm_session *s = NULL;
    clstm_error err = {0};
    clstm_carry_info info;
    tool quiet = *t;
    size_t n = clstm_model_output_count(m), states = 0;
    int *axes = calloc(n + 1, sizeof *axes);
    quiet.quiet = true;
    if (t->json) io_puts(b, ",\n  \"states\": [");
    if (!axes || tool_session(&quiet, m, CLSTM_CARRY_PORTS, &s, &err) != CLSTM_OK) {
        if (t->json) io_puts(b, "], \"states_refused\": ");
        else io_puts(b, "  states      ");
        if (t->json) io_put_json(b, err.message);
        else io_putf(b, "%s\n", err.message);
        free(axes);
        return;
    }
    for (; clstm_session_carry_describe(s, states, &info); states++) {
        const char *to = info.output >= 0 ? clstm_model_output(m, (size_t)info.output)->name : "";
        if (t->json) {
            io_puts(b, states ? ", {\"input\": " : "{\"input\": ");
            io_put_json(b, info.name);
            io_puts(b, ", \"output\": ");
            io_put_json(b, to);
            io_puts(b, ", \"why\": ");
            io_put_json(b, info.why);
            io_puts(b, "}");
        } else {
            io_puts(b, states ? "              \"" : "  states      \"");
            put_escaped(b, info.name);
            io_puts(b, "\" takes output \"");
            put_escaped(b, to);
            io_putf(b, "\" (%s)\n", info.why);
        }
    }
    if (t->json) io_puts(b, "],\n  \"streams\": [");
    for (size_t i = 0, told = 0; i < clstm_model_input_count(m); i++) {
        const clstm_port *port = clstm_model_input(m, i);
        int axis = -1;
        bool carried = false, can;
        for (size_t k = 0; k < states && clstm_session_carry_describe(s, k, &info); k++) carried |= info.input == (int)i;
        if (carried || port->kind != CLSTM_KIND_TENSOR || port->tensor.rank == 0) continue;
        can = clstm_session_stream(s, i, &axis, axes, &err) == CLSTM_OK;
        if (t->json) {
            io_puts(b, told ? ", {\"input\": " : "{\"input\": ");
            io_put_json(b, port->name);
            if (can) io_putf(b, ", \"axis\": %d}", axis);
            else { io_puts(b, ", \"axis\": null, \"reason\": "); io_put_json(b, err.message); io_puts(b, "}"); }
        } else {
            io_puts(b, told ? "              \"" : "  streams     \"");
            put_escaped(b, port->name);
            if (can) io_putf(b, "\" along axis %d\n", axis);
            else io_putf(b, "\" no: %s\n", err.message);
        }
        told++;
    }
    if (t->json) io_puts(b, "]");
    clstm_session_destroy(s);
    free(axes);
}

/* ---- a model as JSON ----------------------------------------------------------------------------------------------------------- */

static void json_field(io_buffer *b, const char *key, const char *value) {
    io_putf(b, "\"%s\": ", key);
    io_put_json(b, value);
    io_puts(b, ", ");
}

static void json_port(const clstm_port *p, io_buffer *b) {
    io_puts(b, "\n    {");
    json_field(b, "name", p->name);
    io_putf(b, "\"kind\": \"%s\", \"optional\": %s, \"type\": \"%s\", \"shape\": ", p->kind == CLSTM_KIND_SEQUENCE ? "sequence" : "tensor", p->optional ? "true" : "false",
            clstm_type_name(p->tensor.type));
    if (p->tensor.rank < 0) io_puts(b, "null");
    for (int d = 0; d < p->tensor.rank; d++) {
        io_puts(b, d ? ", " : "[");
        if (p->tensor.dims[d] >= 0) io_putf(b, "%lld", (long long)p->tensor.dims[d]);
        else if (p->dim_names[d]) io_put_json(b, p->dim_names[d]);
        else io_puts(b, "null");
    }
    io_puts(b, p->tensor.rank < 0 ? "}" : p->tensor.rank ? "]}" : "[]}");
}

static void json_model(const tool *t, clstm_model *m, const char *path, const clstm_session *session, bool graph, io_buffer *b) {
    clstm_model_info info;
    clstm_operator_use use;
    clstm_layer l;
    const char *key, *value;
    clstm_model_get_info(m, &info);
    io_puts(b, "{");
    json_field(b, "model", path);
    json_field(b, "graph", info.graph);
    json_field(b, "producer", info.producer);
    json_field(b, "producer_version", info.producer_version);
    io_putf(b, "\"ir_version\": %lld, \"opset\": %lld, \"parameters\": %lld, \"nodes\": %zu,\n  \"metadata\": {", (long long)info.ir_version, (long long)info.opset,
            (long long)info.parameters, info.nodes);
    for (size_t i = 0; clstm_model_metadata(m, i, &key, &value); i++) {
        if (i) io_puts(b, ", ");
        io_put_json(b, key);
        io_puts(b, ": ");
        io_put_json(b, value);
    }
    io_puts(b, "},\n  \"inputs\": [");
    for (size_t i = 0; i < clstm_model_input_count(m); i++) { io_puts(b, i ? "," : ""); json_port(clstm_model_input(m, i), b); }
    io_puts(b, "],\n  \"outputs\": [");
    for (size_t i = 0; i < clstm_model_output_count(m); i++) { io_puts(b, i ? "," : ""); json_port(clstm_model_output(m, i), b); }
    io_puts(b, "],\n  \"recurrent\": [");
    for (size_t i = 0; clstm_model_layer(m, i, &l); i++) {
        io_puts(b, i ? ",\n    {" : "\n    {");
        json_field(b, "node", l.node);
        json_field(b, "type", l.type);
        json_field(b, "direction", l.direction);
        io_putf(b, "\"input_size\": %lld, \"hidden_size\": %lld, \"layout\": %d, \"constant_weights\": %s, \"bias\": %s, \"sequence_lens\": %s, ", (long long)l.input_size,
                (long long)l.hidden_size, l.layout, l.constant_weights ? "true" : "false", l.bias ? "true" : "false", l.sequence_lens ? "true" : "false");
        io_putf(b, "\"initial_h\": %s, \"initial_c\": %s, \"peephole\": %s}", l.initial_h ? "true" : "false", l.initial_c ? "true" : "false", l.peephole ? "true" : "false");
    }
    io_puts(b, "],\n  \"operators\": [");
    for (size_t i = 0; clstm_model_operator(m, i, &use); i++) {
        io_puts(b, i ? ",\n    {" : "\n    {");
        json_field(b, "domain", domain_name(use.domain));
        json_field(b, "name", use.name);
        io_putf(b, "\"version\": %d, \"count\": %zu}", use.version, use.count);
    }
    io_puts(b, "]");
    put_streams(t, m, b);
    json_session(m, session, graph, b);
    io_puts(b, "}\n");
}

static int describe(const tool *t, const char *path, bool graph, io_buffer *b) {
    clstm_model *m;
    clstm_error err = {0};
    if (tool_load(t, path, &m, &err) != CLSTM_OK) return tool_refused(t, &err);
    clstm_session *session;
    int code = prepare(t, m, &session, &err);
    if (code >= 0) {}
    else if (t->json) json_model(t, m, path, session, graph, b);
    else {
        text_head(m, path, b);
        text_memory(session, b);
        text_ports(m, b);
        text_layers(m, b);
        put_streams(t, m, b);
        text_uses(m, b);
        if (graph) text_graph(m, session, &err, b);
    }
    clstm_session_destroy(session);
    clstm_model_destroy(m);
    return code < 0 ? TOOL_OK : code;
}

int main(int argc, char **argv) {
    tool t;
    io_buffer b = {0};
    clstm_error err = {0};
    bool ops = false, markdown = false, lint = false, graph = false;
    int code = -1;
    tool_init(&t, argv, "clstm-info", "[MODEL.onnx] [options]", help);
    for (int option; code < 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == OPS) ops = true;
        else if (option == MARKDOWN) markdown = true;
        else if (option == GRAPH) graph = true;
        else if (option == LINT) lint = true;
        else code = tool_option(&t, option, optarg);
    }
    int models = argc - optind;
    if (code < 0 && ops && lint) code = tool_usage(&t, "--ops or --lint, not both");
    if (code < 0 && markdown && !ops && !(lint && !models)) code = tool_usage(&t, "--markdown belongs to --ops, or to --lint without a model");
    if (code < 0 && graph && (ops || lint)) code = tool_usage(&t, "--graph is for a model, and not with --lint");
    if (code < 0 && ops && models) code = tool_usage(&t, "--ops takes no MODEL");
    if (code < 0 && !ops && models != 1 && !(lint && !models)) code = tool_usage(&t, models ? "one MODEL at a time" : "which MODEL? or --ops, --lint");
    if (code < 0 && lint && models) code = lint_model(&t, argv[optind], &b);
    else if (code < 0 && !models) {
        if (lint) lint_rules(t.json, markdown, &b);
        else if (markdown) list_markdown(&b);
        else list_operators(t.json, &b);
        code = TOOL_OK;
    } else if (code < 0) code = describe(&t, argv[optind], graph, &b);
    if (code == TOOL_OK && b.size && io_buffer_write(&b, "-", &err) != CLSTM_OK) code = tool_failed(&t, &err);
    io_buffer_free(&b);
    tool_free(&t);
    return tool_finish(&t, code);
}
