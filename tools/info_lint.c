/* info_lint: a line or an object a finding, and the table of rules. */
#include "info_lint.h"

#include "io/value.h"

#include <clstm/convert.h>

typedef struct findings { const tool *t; io_buffer *out; size_t count; } findings;

static void field(io_buffer *b, const char *key, const char *value) {
    io_putf(b, "\"%s\": ", key);
    if (value) io_put_json(b, value);
    else io_puts(b, "null");
}

static void put_finding(void *user, const clstm_lint_finding *f) {
    findings *all = user;
    io_buffer *b = all->out;
    if (all->t->json) {
        io_puts(b, all->count ? ",\n    {" : "\n    {");
        field(b, "rule", f->rule);
        io_puts(b, ", ");
        field(b, "node", *f->node ? f->node : NULL);
        io_putf(b, ", \"proven\": %s, ", f->proven ? "true" : "false");
        field(b, "why", f->why);
        io_puts(b, ", ");
        field(b, "repair", f->repair);
        io_puts(b, "}");
    } else {
        io_putf(b, "%s: %s (%s)\n  %s\n  --repair: %s\n", *f->node ? f->node : "model", f->rule, f->proven ? "proven" : "suspected by producer", f->why,
                f->repair ? f->repair : "none");
    }
    all->count++;
}

int lint_model(const tool *t, const char *path, io_buffer *out) {
    findings all = {t, out, 0};
    clstm_error err;
    const clstm_model_options options = {.limits = &t->limits};
    if (t->json) {
        io_puts(out, "{");
        field(out, "model", path);
        io_puts(out, ", \"findings\": [");
    }
    tool_guard_mapping(t, path);
    clstm_status status = clstm_lint(path, &options, put_finding, &all, &err);
    tool_guard_mapping(t, NULL);
    if (status != CLSTM_OK) return tool_refused(t, &err);
    if (t->json) io_puts(out, "]}\n");
    else io_putf(out, "%zu finding%s\n", all.count, all.count == 1 ? "" : "s");
    return TOOL_OK;
}

static void markdown_head(io_buffer *b) {
    io_puts(b, "# The linter\n\n`clstm-info --lint MODEL` looks for what exporters get wrong; `clstm-convert --repair IN.onnx OUT.onnx` mends it. Written by\n"
               "`clstm-info --lint --markdown`; do not edit.\n\n"
               "A finding names the node, says why it matters, what the repair does, and how it is known: *proven* by structure (weights,\n"
               "shapes, attributes), or *suspected* by the producer. `--repair` alone makes the repairs that are proven and keep every answer the\n"
               "model gives today; `--repair=RULE,RULE` makes those that are named, `--repair=all` every one.\n\n"
               "| rule | fault | why it matters | repair | `--repair` alone |\n|---|---|---|---|---|\n");
}

void lint_rules(bool json, bool markdown, io_buffer *b) {
    clstm_lint_rule_info r;
    if (markdown) markdown_head(b);
    if (json) io_puts(b, "{\"rules\": [");
    for (size_t i = 0; clstm_lint_rule(i, &r); i++) {
        if (json) {
            io_puts(b, i ? ",\n  {" : "\n  {");
            field(b, "id", r.id);
            io_puts(b, ", ");
            field(b, "title", r.title);
            io_puts(b, ", ");
            field(b, "why", r.why);
            io_puts(b, ", ");
            field(b, "repair", r.repair);
            io_putf(b, ", \"keeps_answers\": %s}", r.keeps_answers ? "true" : "false");
        } else if (markdown) io_putf(b, "| %s | %s | %s | %s | %s |\n", r.id, r.title, r.why, r.repair ? r.repair : "none", !r.repair ? "" : r.keeps_answers ? "yes" : "when named");
        else io_putf(b, "%-15s %s%s%s\n", r.id, r.title, r.repair ? "; --repair " : "; no repair", r.repair ? r.repair : "");
    }
    if (json) io_puts(b, "\n]}\n");
}
