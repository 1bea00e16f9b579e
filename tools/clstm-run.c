/* clstm-run: runs a model on files, literals, a test data set or random numbers. */
#include "compare.h"
#include "dataset.h"
#include "inputs.h"
#include "run_output.h"
#include "run_plot.h"
#include "run_profile.h"
#include "run_show.h"
#include "run_stream.h"
#include "run_trace.h"

#include "io/value.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Runs a model. With nothing but MODEL: runs test_data_set_0 beside it and says how far the outputs are from the references,\n"
    "or says what the model wants and runs it on random numbers.\n"
    "\n"
    "Inputs:\n"
    "  -i [NAME=]FILE            .npy, .npz, .pb, .csv, .tsv, .txt, .wav, or - for CSV from standard input; the name may be left\n"
    "                            out for the last one\n"
    "  -i NAME=VALUE[,VALUE...]  numbers\n"
    "      --random[=SEED]       fill the inputs that are missing with random numbers (default seed 0)\n"
    "      --data DIR            inputs, and references for the outputs, from an ONNX test data set\n"
    "Streams:\n"
    "      --stream NAME[:AXIS][=FRAMES]\n"
    "                            feed input NAME along its time axis in pieces (default 1 step, or the model's fixed frame) and carry\n"
    "                            the states; outputs with a time axis are joined, of the others the last counts\n"
    "      --carry OUTPUT=INPUT  OUTPUT is the next value of INPUT (default: pairs are found, and shown)\n"
    "      --overlap N           begin each fixed frame with the last N steps of the one before\n"
    "      --pad                 fill the last fixed frame with zeros\n"
    "Outputs:\n"
    "  -o [NAME=]FILE            .npy, .npz, .pb, .csv, .tsv, .txt, .json, or - for CSV; .npz and .json take all outputs when no\n"
    "                            name is given. Without -o outputs are printed as tables\n"
    "      --expect [NAME=]FILE  print the output beside these values, and the errors\n"
    "      --plot FILE.svg       draw the outputs, and what was expected, over time\n"
    "      --after NAME[=N]      in the picture, draw the last N steps of input NAME before the outputs, which continue it\n"
    "      --trace FILE.npz      gates and states of every recurrent layer; --plot then draws these\n"
    "      --profile             print where the time goes, by operator and by node, and what became of the graph\n"
    "      --json                print the answer as JSON\n"
    "\n";

enum { EXPECT = TOOL_OPTION_OWN, PLOT, AFTER, DATA, RANDOM, PROFILE, STREAM, CARRY, OVERLAP, PAD, TRACE };
static const struct option options[] = {
    TOOL_OPTIONS,
    {"json", no_argument, NULL, TOOL_OPTION_JSON}, {"expect", required_argument, NULL, EXPECT}, {"plot", required_argument, NULL, PLOT},
    {"after", required_argument, NULL, AFTER}, {"data", required_argument, NULL, DATA}, {"random", optional_argument, NULL, RANDOM},
    {"profile", no_argument, NULL, PROFILE}, {"stream", required_argument, NULL, STREAM}, {"carry", required_argument, NULL, CARRY},
    {"overlap", required_argument, NULL, OVERLAP}, {"pad", no_argument, NULL, PAD}, {"trace", required_argument, NULL, TRACE}, {0},
};

typedef struct words { char **items; size_t count; } words;

typedef struct job {
    tool t;
    const char *path, *plot, *after, *data, *stream_what, *trace_path;
    words in, out, expect, carry;
    bool random, take_profile;
    uint64_t seed;
    /* what becomes of them */
    clstm_model *model;
    clstm_session *session;
    inputs inputs;
    run_target *targets;
    const clstm_value **results;    /* by output: the session's, or joined pieces */
    run_stream stream;
    run_trace *trace;
    clstm_value *expected;      /* by output; kind NONE where none was given */
    int before;                 /* the input of --after, or -1 */
    int64_t before_count;
    dataset references;
    char beside[600];           /* test_data_set_0 beside the model */
    double load_us, run_us;
    run_profile profile;
} job;

static int add_word(const tool *t, words *w, char *word) {
    char **items = realloc(w->items, (w->count + 1) * sizeof *items);
    if (!items) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    w->items = items;
    w->items[w->count++] = word;
    return -1;
}

static int set_option(job *j, int option, char *argument) {
    int64_t n;
    switch (option) {
    case 'i': return add_word(&j->t, &j->in, argument);
    case 'o': return add_word(&j->t, &j->out, argument);
    case EXPECT: return add_word(&j->t, &j->expect, argument);
    case PLOT: j->plot = argument; return -1;
    case AFTER: j->after = argument; return -1;
    case DATA: j->data = argument; return -1;
    case STREAM: j->stream_what = argument; return -1;
    case CARRY: return add_word(&j->t, &j->carry, argument);
    case OVERLAP: return tool_parse_int(argument, 0, INT32_MAX, &j->stream.overlap) ? -1 : tool_usage(&j->t, "--overlap: \"%s\" is no number of steps", argument);
    case PAD: j->stream.pad = true; return -1;
    case TRACE: j->trace_path = argument; return -1;
    case PROFILE: j->take_profile = true; return -1;
    case RANDOM:
        if (argument && !tool_parse_int(argument, 0, INT64_MAX, &n)) return tool_usage(&j->t, "--random: \"%s\" is no seed", argument);
        j->random = true;
        j->seed = argument ? (uint64_t)n : 0;
        return -1;
    default: return tool_option(&j->t, option, argument);
    }
}

/* ---- before the run: everything that can be wrong is found here ---------------------------------------------------------------- */

/* "DIR/test_data_set_0" of the model's directory, when it is there. */
static const char *data_beside(job *j) {
    const char *slash = strrchr(j->path, '/');
    int n = snprintf(j->beside, sizeof j->beside, "%.*stest_data_set_0", slash ? (int)(slash - j->path) + 1 : 0, j->path);
    return n > 0 && (size_t)n < sizeof j->beside && dataset_exists(j->beside) ? j->beside : NULL;
}

static int gather_inputs(job *j) {
    const tool *t = &j->t;
    bool nothing = !j->in.count && !j->data && !j->random && !t->consts.count;
    if (nothing) j->data = data_beside(j);
    int code = inputs_start(t, j->model, &j->inputs);
    if (code < 0 && j->stream_what) code = run_stream_start(&j->stream, j->carry.items, j->carry.count);
    if (code < 0) code = inputs_give(t, j->model, j->in.items, j->in.count, &j->inputs);
    if (code < 0 && j->data) code = inputs_from_data(t, j->model, j->data, &j->inputs);
    if (code < 0 && nothing && !j->data) j->random = true;
    if (code < 0 && j->random) code = inputs_randomise(t, j->model, j->seed, &j->inputs);
    if (code < 0) code = inputs_complete(t, j->model, &j->inputs);
    if (code < 0 && nothing && !j->data && j->inputs.count)
        fprintf(stderr, "%s: no inputs given, so random ones (seed 0)%s%s%s; give them by -i NAME=FILE or -i NAME=VALUE,...\n", t->name,
                *j->inputs.unset ? ", unset dimensions 1 (" : "", j->inputs.unset, *j->inputs.unset ? " sets one)" : "");
    return code;
}

static int gather_targets(job *j) {
    j->targets = calloc(j->out.count + 1, sizeof *j->targets);
    if (!j->targets) return tool_failed(&j->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    for (size_t i = 0; i < j->out.count; i++) {
        int code = run_target_parse(&j->t, j->model, j->out.items[i], &j->targets[i]);
        if (code >= 0) return code;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(j->targets[k].path, j->targets[i].path)) return tool_usage(&j->t, "-o %s twice", j->targets[i].path);
    }
    return -1;
}

static int gather_after(job *j) {
    j->before = -1;
    if (!j->after) return -1;
    const char *equals = strchr(j->after, '=');
    char *name = equals ? strndup(j->after, (size_t)(equals - j->after)) : strdup(j->after), shown[160];
    if (!name) return tool_failed(&j->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    j->before = clstm_model_find_input(j->model, name);
    io_escape(shown, sizeof shown, name);
    free(name);
    if (j->before < 0) return tool_refuse(&j->t, "--after: the model has no input \"%s\"", shown);
    if (equals && !tool_parse_int(equals + 1, 1, INT64_MAX, &j->before_count)) return tool_usage(&j->t, "--after: \"%s\" is no number of steps", equals + 1);
    return -1;
}

static int open_model(job *j) {
    clstm_error err = {0};
    double start = tool_now_us();
    unsigned carry = j->stream_what ? CLSTM_CARRY_PORTS | CLSTM_CARRY_LAYERS : 0;
    if (tool_load(&j->t, j->path, &j->model, &err) != CLSTM_OK) return tool_refused(&j->t, &err);
    clstm_status status = tool_session(&j->t, j->model, carry, &j->session, &err);
    /* Pairs that were told stand in for those that could not be found. */
    if (status != CLSTM_OK && j->carry.count) status = tool_session(&j->t, j->model, CLSTM_CARRY_LAYERS, &j->session, &err);
    if (status != CLSTM_OK) return tool_refused(&j->t, &err);
    j->load_us = tool_now_us() - start;
    if (!j->stream_what) return -1;
    j->stream.t = &j->t;
    j->stream.model = j->model;
    j->stream.session = j->session;
    j->stream.in = &j->inputs;
    return run_stream_parse(&j->t, j->model, j->stream_what, &j->stream);
}

/* ---- after it ------------------------------------------------------------------------------------------------------------- */

/* The files of --expect, whose shape is that of the output where they carry none. */
static int gather_expected(job *j) {
    j->expected = calloc(clstm_model_output_count(j->model) + 1, sizeof *j->expected);
    if (!j->expected) return tool_failed(&j->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    for (size_t i = 0; i < j->expect.count; i++) {
        int index;
        const char *file;
        char note[128];
        clstm_error err = {0};
        int code = output_name(&j->t, j->model, "--expect", j->expect.items[i], &index, &file);
        if (code >= 0) return code;
        if (index < 0 && clstm_model_output_count(j->model) != 1) return tool_usage(&j->t, "--expect %s: which of the model's outputs?", file);
        if (index < 0) index = 0;
        const clstm_value *got = j->results[index];
        io_value_clear(&j->expected[index]);
        if (io_value_read(file, clstm_model_output(j->model, (size_t)index), &got->tensor, IO_MAX_BYTES, &j->expected[index], note, &err) != CLSTM_OK) return tool_refused(&j->t, &err);
    }
    return -1;
}

/* Compares with the references of a data set; the exit code, TOOL_FAILED where one differs. */
static int compare_references(job *j, FILE *out) {
    int code = TOOL_OK;
    double largest = 0;
    size_t compared = 0;
    for (size_t i = 0; i < j->references.count; i++) {
        compare_result r;
        char name[160];
        if (!j->references.present[i]) continue;
        compare_values(j->results[i], &j->references.values[i], &COMPARE_DEFAULT, &r);
        compared++;
        if (r.largest > largest) largest = r.largest;
        if (r.equal) continue;
        code = TOOL_FAILED;
        fprintf(stderr, "%s: output \"%s\" differs from %s/output_%zu.pb: %s\n", j->t.name, io_escape(name, sizeof name, clstm_model_output(j->model, i)->name), j->data, i, r.reason);
    }
    if (compared && out) fprintf(out, "largest difference from %s: %g (%zu output%s%s)\n", j->data, largest, compared, compared == 1 ? "" : "s", code ? ", DIFFERENT" : "");
    return code;
}

static int show(job *j) {
    int code = TOOL_OK;
    char reason[500];
    if (!j->out.count && !j->stream_what) inputs_describe(j->model, &j->inputs, stdout);
    for (size_t i = 0; i < clstm_model_output_count(j->model); i++) {
        const char *name = clstm_model_output(j->model, i)->name;
        const clstm_value *got = j->results[i];
        if (j->expected[i].kind == CLSTM_KIND_NONE) {
            if (!j->out.count) show_value(name, got, stdout);
        } else if (!show_beside(name, got, &j->expected[i], stdout, reason, sizeof reason))
            code = tool_refuse(&j->t, "--expect: output \"%s\": %s", io_escape((char[160]){0}, 160, name), reason);
    }
    return code;
}

static void put_json(const job *j, io_buffer *b) {
    io_puts(b, "{\"model\": ");
    io_put_json(b, j->path);
    io_putf(b, ", \"load_us\": %.1f, \"run_us\": %.1f, \"inputs\": [", j->load_us, j->run_us);
    for (size_t i = 0; i < j->inputs.count; i++) {
        const input *one = &j->inputs.items[i];
        const clstm_tensor *v = one->carried && !one->given ? &one->want : &one->value.tensor;
        io_puts(b, i ? ",\n  {\"name\": " : "\n  {\"name\": ");
        io_put_json(b, clstm_model_input(j->model, i)->name);
        io_putf(b, ", \"type\": \"%s\", \"shape\": [", clstm_type_name(v->type));
        for (int d = 0; d < v->rank; d++) {
            if (v->dims[d] < 0) io_puts(b, d ? ", null" : "null");
            else io_putf(b, "%s%lld", d ? ", " : "", (long long)v->dims[d]);
        }
        io_puts(b, "], \"source\": ");
        io_put_json(b, one->carried && !one->given ? "carried" : one->source);
        io_puts(b, "}");
    }
    io_puts(b, "], \"outputs\": [");
    for (size_t i = 0; i < clstm_model_output_count(j->model); i++) {
        io_puts(b, i ? ",\n  " : "\n  ");
        io_value_json(j->results[i], clstm_model_output(j->model, i)->name, b);
    }
    io_puts(b, "\n]");
    if (j->take_profile) {
        io_puts(b, ", \"profile\": ");
        run_profile_json(&j->profile, b);
    }
    io_puts(b, "}\n");
}

/* "sunspots" for models/sunspots/model.onnx, "vad" for vad.onnx. */
static void title_of(const char *path, char *out, size_t size) {
    const char *end = strrchr(path, '/'), *file = end ? end + 1 : path;
    size_t length = strcspn(file, ".");
    if (end && !strcmp(file, "model.onnx")) {
        for (file = end; file > path && file[-1] != '/'; file--) {}
        length = (size_t)(end - file);
    }
    snprintf(out, size, "%.*s", (int)length, file);
}

static clstm_status draw(const job *j, clstm_error *err) {
    char title[200];
    size_t n = clstm_model_output_count(j->model);
    title_of(j->path, title, sizeof title);
    if (j->trace) return run_trace_plot(j->trace, title, j->plot, err);
    run_plot_item *items = calloc(n + 1, sizeof *items);
    if (!items) { *err = (clstm_error){CLSTM_NO_MEMORY, "out of memory"}; return CLSTM_NO_MEMORY; }
    for (size_t i = 0; i < n; i++) {
        items[i] = (run_plot_item){.name = clstm_model_output(j->model, i)->name, .got = j->results[i]};
        if (j->expected[i].kind != CLSTM_KIND_NONE) items[i].expected = &j->expected[i];
        if (j->before < 0) continue;
        items[i].before = &j->inputs.items[j->before].value;
        items[i].before_name = clstm_model_input(j->model, (size_t)j->before)->name;
        items[i].before_count = j->before_count;
    }
    clstm_status status = run_plot(title, items, n, j->plot, err);
    free(items);
    return status;
}

/* All answers; files first, so that what is printed tells of work that is done. */
static int answer(job *j) {
    clstm_error err = {0};
    io_buffer b = {0};
    int code = TOOL_OK;
    for (size_t i = 0; i < j->out.count; i++) {
        if (run_target_write(&j->targets[i], j->model, j->results, &err) != CLSTM_OK) return tool_failed(&j->t, &err);
    }
    if (j->trace && run_trace_write(j->trace, j->trace_path, &err) != CLSTM_OK) return tool_failed(&j->t, &err);
    if (j->plot && draw(j, &err) != CLSTM_OK) return tool_failed(&j->t, &err);
    if (j->t.json) {
        put_json(j, &b);
        if (io_buffer_write(&b, "-", &err) != CLSTM_OK) code = tool_failed(&j->t, &err);
        io_buffer_free(&b);
        if (code == TOOL_OK) code = compare_references(j, NULL);
    } else {
        bool to_stdout = false;
        for (size_t i = 0; i < j->out.count; i++) to_stdout |= !strcmp(j->targets[i].path, "-");
        /* CSV on stdout stays pure. */
        if (!to_stdout) code = show(j);
        if (j->take_profile) run_profile_show(&j->profile, to_stdout ? stderr : stdout);
        if (code == TOOL_OK) code = compare_references(j, to_stdout ? NULL : stdout);
    }
    return code;
}

static int start_trace(job *j) {
    clstm_error err = {0};
    if (!j->trace_path) return -1;
    if (!(j->trace = run_trace_create())) return tool_failed(&j->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    return clstm_session_trace(j->session, run_trace_step, j->trace, &err) == CLSTM_OK ? -1 : tool_refused(&j->t, &err);
}

static int run_once(job *j) {
    clstm_error err = {0};
    double start = tool_now_us();
    if (clstm_session_run(j->session, &err) != CLSTM_OK) return tool_refused(&j->t, &err);
    j->run_us = tool_now_us() - start;
    for (size_t i = 0; i < clstm_model_output_count(j->model); i++) j->results[i] = clstm_session_output(j->session, i);
    return -1;
}

static int run_pieces(job *j) {
    if (!j->out.count && !j->t.json) {
        inputs_describe(j->model, &j->inputs, stdout);
        run_stream_describe(&j->stream, stdout);
        j->stream.log = stdout;
    } else run_stream_describe(&j->stream, stderr);
    double start = tool_now_us();
    int code = run_stream_run(&j->stream, j->trace ? run_trace_next : NULL, j->trace);
    j->run_us = tool_now_us() - start;
    for (size_t i = 0; code < 0 && i < clstm_model_output_count(j->model); i++) j->results[i] = &j->stream.results[i];
    return code;
}

static int run(job *j) {
    clstm_error err = {0};
    int code = open_model(j);
    if (code < 0 && !(j->results = calloc(clstm_model_output_count(j->model) + 1, sizeof *j->results))) code = tool_failed(&j->t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    if (code < 0) code = gather_targets(j);
    if (code < 0) code = gather_after(j);
    if (code < 0) code = gather_inputs(j);
    if (code < 0 && j->data && dataset_read(j->data, j->model, true, &j->references, &err) != CLSTM_OK) code = tool_refused(&j->t, &err);
    if (code < 0 && inputs_apply(&j->inputs, j->session, &err) != CLSTM_OK) code = tool_refused(&j->t, &err);
    if (code < 0) code = start_trace(j);
    if (code < 0) code = j->stream_what ? run_pieces(j) : run_once(j);
    if (code >= 0) return code;
    if (j->take_profile && run_profile_take(j->session, &j->profile, &err) != CLSTM_OK) return tool_refused(&j->t, &err);
    code = gather_expected(j);
    return code < 0 ? answer(j) : code;
}

static void job_free(job *j) {
    if (j->expected)
        for (size_t i = 0; i < clstm_model_output_count(j->model); i++) io_value_clear(&j->expected[i]);
    free(j->expected);
    free(j->results);
    run_stream_free(&j->stream);
    run_trace_destroy(j->trace);
    free(j->carry.items);
    dataset_free(&j->references);
    run_profile_free(&j->profile);
    clstm_session_destroy(j->session);
    inputs_free(&j->inputs);
    clstm_model_destroy(j->model);
    free(j->targets);
    free(j->in.items);
    free(j->out.items);
    free(j->expect.items);
    tool_free(&j->t);
}

int main(int argc, char **argv) {
    job j = {.before = -1};
    int code = -1;
    tool_init(&j.t, argv, "clstm-run", "MODEL.onnx [options]", help);
    for (int option; code < 0 && (option = getopt_long(argc, argv, "i:o:", options, NULL)) != -1;) code = set_option(&j, option, optarg);
    if (code < 0 && optind + 1 != argc) code = tool_usage(&j.t, optind == argc ? "which MODEL?" : "one MODEL at a time, and \"%s\" is one more", optind == argc ? "" : argv[optind + 1]);
    if (code < 0 && !j.stream_what && (j.carry.count || j.stream.overlap || j.stream.pad)) code = tool_usage(&j.t, "--carry, --overlap and --pad go with --stream");
    if (code < 0 && j.stream_what && j.take_profile) code = tool_usage(&j.t, "--profile and --stream do not go together");
    if (code < 0) {
        j.path = argv[optind];
        code = run(&j);
    }
    job_free(&j);
    return tool_finish(&j.t, code);
}
