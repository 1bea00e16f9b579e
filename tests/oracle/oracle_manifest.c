/* The corpus on disk; see oracle_manifest.h. */
#include "oracle_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "onnx_writer.h"

static const char *source_name(const case_tensor *t)
{
    static const char *const names[] = {"initializer", "constant", "identity", "transpose", "input"};
    return names[t->source];
}

static void write_floats(FILE *f, const char *name, const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%.9g%s", i == 0 ? name : ", ", (double)v[i], i + 1 == n ? "]" : "");
}

static void write_attributes(FILE *f, const oracle_case *c)
{
    fprintf(f, "\"hidden_size\": %zu", c->H);
    if (c->direction_text != NULL)
        fprintf(f, ", \"direction\": \"%s\"", c->direction_text);
    for (size_t i = 0; i < c->activation_count; i++)
        fprintf(f, "%s\"%s\"%s", i == 0 ? ", \"activations\": [" : ", ", c->activations[i], i + 1 == c->activation_count ? "]" : "");
    write_floats(f, ", \"activation_alpha\": [", c->alpha, c->alpha_count);
    write_floats(f, ", \"activation_beta\": [", c->beta, c->beta_count);
    if (c->has_clip)
        fprintf(f, ", \"clip\": %.9g", (double)c->clip);
    if (c->input_forget >= 0)
        fprintf(f, ", \"input_forget\": %d", c->input_forget);
    if (c->linear_before_reset >= 0)
        fprintf(f, ", \"linear_before_reset\": %d", c->linear_before_reset);
    if (c->output_sequence >= 0)
        fprintf(f, ", \"output_sequence\": %d", c->output_sequence);
    if (c->layout_written)
        fprintf(f, ", \"layout\": %d", c->layout);
}

/* Whether ONNX Runtime's reading of rows 8, 10 and 11 gives other values in an output that the model has. */
static const char *differs(const oracle_case *c, bool *different)
{
    oracle_problem p = oracle_case_problem(c);
    oracle_result r = {0};
    long double **to[CASE_OUTPUTS] = {&r.Y, &r.Y_h, &r.Y_c};
    const char *why = NULL;
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        *to[k] = calloc(c->out[k].count + 1, sizeof **to[k]);
        why = *to[k] == NULL ? "out of memory" : why;
    }
    p.onnxruntime_semantics = true;
    if (why == NULL)
        why = oracle_run(&p, &r);
    *different = false;
    for (int k = 0; k < CASE_OUTPUTS; k++) {
        for (size_t i = 0; c->out[k].present && why == NULL && i < c->out[k].count; i++)
            *different = *different || (*to[k])[i] != c->exact[k][i];
        free(*to[k]);
    }
    return why;
}

static void write_entry(FILE *f, const oracle_case *c, bool ort)
{
    fprintf(f, "    {\"name\": \"%s\", \"seed\": %llu, \"op\": \"%s\", \"opset\": %d, \"type\": \"%s\",\n", c->name, (unsigned long long)c->seed,
            oracle_op_name(c->op), c->opset, oracle_type_name(c->type));
    fprintf(f, "     \"seq_length\": %zu, \"batch_size\": %zu, \"input_size\": %zu,\n     \"attributes\": {", c->T, c->B, c->I);
    write_attributes(f, c);
    fprintf(f, "},\n     \"hidden_size_written\": %s, \"inputs\": {", c->hidden_size_written ? "true" : "false");
    for (int i = 0, n = 0; i < CASE_INPUTS; i++)
        if (c->in[i].present)
            fprintf(f, "%s\"%s\": \"%s\"", n++ == 0 ? "" : ", ", oracle_input_name(i), source_name(&c->in[i]));
    fprintf(f, "}, \"outputs\": [");
    for (int k = 0, n = 0; k < CASE_OUTPUTS; k++)
        if (c->out[k].present)
            fprintf(f, "%s\"%s\"", n++ == 0 ? "" : ", ", oracle_output_name(k));
    fprintf(f, "],\n     \"onnxruntime_differs\": %s}", ort ? "true" : "false");
}

const char *oracle_write_corpus(const char *directory, case_family family, uint64_t seed, size_t count)
{
    char path[4096];
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return "cannot create the directory";
    if (snprintf(path, sizeof path, "%s/manifest.json", directory) >= (int)sizeof path)
        return "the path is too long";
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return "cannot create manifest.json";
    const char *why = NULL;
    fprintf(f, "{\n  \"cases\": [\n");
    for (size_t n = 0; n < count && why == NULL; n++) {
        oracle_case c;
        why = oracle_case_make(&c, family, seed + n);
        if (why == NULL && snprintf(path, sizeof path, "%s/%s", directory, c.name) >= (int)sizeof path)
            why = "the path is too long";
        if (why == NULL)
            why = onnx_write_files(&c, path);
        bool ort = false;
        if (why == NULL)
            why = differs(&c, &ort);
        if (why == NULL) {
            write_entry(f, &c, ort);
            fprintf(f, n + 1 < count ? ",\n" : "\n");
        }
        oracle_case_free(&c);
    }
    fprintf(f, "  ]\n}\n");
    const bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed)
        why = why != NULL ? why : "cannot write manifest.json";
    return why;
}
