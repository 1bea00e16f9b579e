/* clstm-convert: models to files of other kinds, and weights to models. */
#include "tool.h"

#include "convert_args.h"
#include "convert_to_c.h"
#include "io/buffer.h"
#include "io/safetensors.h"
#include "io/value.h"
#include "io/whole_file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef enum kind { KIND_NONE, KIND_ONNX, KIND_SAFETENSORS, KIND_NPZ, KIND_C } kind;

typedef struct convert {
    tool t;
    const char *input, *output;
    kind from, to;
    clstm_convert_options options;
    bool weights_options;           /* one of them was given */
    bool with_main;
    const char *repairs;            /* NULL: none */
    int64_t batch;                  /* 0: not given */
    bool nonlinearity;              /* said */
} convert;

enum { OPTION_FROM = TOOL_OPTION_OWN, OPTION_TO, OPTION_BATCH_FIRST, OPTION_STATES, OPTION_NONLINEARITY, OPTION_LAYOUT, OPTION_OPSET, OPTION_MAIN, OPTION_REPAIR, OPTION_BATCH };

static const char help[] =
    "Converts INPUT to OUTPUT, which is written whole or not at all.\n\n"
    "  .onnx to .onnx            the model as the runtime reads it: constants folded, idle nodes and unused initialisers gone\n"
    "  .onnx to .safetensors     the weights of its recurrent layers, in PyTorch's names and gate order; also to .npz\n"
    "  .safetensors to .onnx     the model of a PyTorch state_dict with LSTM, GRU, RNN, Linear and Embedding; also from .npz\n"
    "  .onnx to .c               one C99 source, and the header beside it, that need libm only; the name of the file is that of its functions\n\n"
    "      --repair[=RULES]      (.onnx to .onnx) mend what clstm-info --lint finds: what is proven and keeps the answers,\n"
    "                            or the rules named, with commas between, or all\n"
    "      --batch-first         (weights to model) input and output are [batch, time, ...], not [time, batch, ...]\n"
    "      --states              (weights to model) initial and last states become inputs h0, c0 and outputs hn, cn\n"
    "      --nonlinearity NAME   (weights to model) of nn.RNN layers: tanh (default) or relu\n"
    "      --layout NAME         (weights to model) names and order of the weights: pytorch (default) or keras\n"
    "      --opset N             (to a model) write it at this version of the standard, 11 to 28\n"
    "      --main                (to C) with a main() that reads raw little-endian inputs from stdin, in order, and writes raw outputs\n"
    "      --from KIND, --to KIND  onnx, safetensors, npz or c, whatever the suffixes say\n";

static const char common[] =
    "      --batch N             fix every dimension that is named like a batch\n"
    "      --dim NAME=N          fix a symbolic dimension of the inputs; to C: the default of its macro\n"
    "      --shape NAME=D0,D1... fix an input's shape; to C: the defaults of its macros\n"
    "      --const NAME=VALUE    an input's value that is known for good: the result has no such input\n"
    "      --limit NAME=N        set a limit on the model; --limit help lists them\n"
    "      --threads N           taken as by every tool; nothing is run here\n"
    "      --help, --version     print this, or the version\n"
    "Exit status: 0 success, 1 the work failed, 2 usage, 3 the input was refused.\n";

static const struct option options[] = {
    {"from", required_argument, NULL, OPTION_FROM}, {"to", required_argument, NULL, OPTION_TO},
    {"batch-first", no_argument, NULL, OPTION_BATCH_FIRST}, {"states", no_argument, NULL, OPTION_STATES},
    {"nonlinearity", required_argument, NULL, OPTION_NONLINEARITY}, {"layout", required_argument, NULL, OPTION_LAYOUT}, {"opset", required_argument, NULL, OPTION_OPSET}, {"repair", optional_argument, NULL, OPTION_REPAIR},
    {"main", no_argument, NULL, OPTION_MAIN}, {"batch", required_argument, NULL, OPTION_BATCH}, TOOL_OPTIONS, {0},
};

static const struct { const char *name; kind kind; } kinds[] = {{"onnx", KIND_ONNX}, {"safetensors", KIND_SAFETENSORS}, {"npz", KIND_NPZ}, {"c", KIND_C}};

static kind kind_named(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcasecmp(name, kinds[i].name)) return kinds[i].kind;
    return KIND_NONE;
}

static kind kind_of_suffix(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && !strchr(dot, '/') ? kind_named(dot + 1) : KIND_NONE;
}

/* Whether every rule of a --repair=RULES has a repair. */
static bool repairs_known(const char *list) {
    clstm_lint_rule_info r;
    for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',') {
        size_t length = strcspn(s, ",");
        bool known = length == 3 && !strncmp(s, "all", 3);
        for (size_t i = 0; clstm_lint_rule(i, &r) && !known; i++) known = r.repair && strlen(r.id) == length && !strncmp(s, r.id, length);
        if (!known) return false;
    }
    return true;
}

static int set_option(convert *c, int option, const char *argument) {
    char name[64];
    int64_t n;
    switch (option) {
    case OPTION_FROM:
    case OPTION_TO: {
        kind k = kind_named(argument);
        if (!k) return tool_usage(&c->t, "%s: kind \"%s\" is not there", option == OPTION_FROM ? "--from" : "--to", io_escape(name, sizeof name, argument));
        *(option == OPTION_FROM ? &c->from : &c->to) = k;
        return -1;
    }
    case OPTION_REPAIR:
        c->repairs = argument ? argument : "";
        if (!repairs_known(c->repairs)) return tool_usage(&c->t, "--repair: no such repair in \"%s\"; clstm-info --lint lists them", io_escape(name, sizeof name, argument));
        return -1;
    case OPTION_BATCH_FIRST: c->options.batch_first = c->weights_options = true; return -1;
    case OPTION_STATES: c->options.states = c->weights_options = true; return -1;
    case OPTION_NONLINEARITY:
        if (strcmp(argument, "tanh") && strcmp(argument, "relu")) return tool_usage(&c->t, "--nonlinearity is tanh or relu");
        c->options.relu = !strcmp(argument, "relu");
        c->nonlinearity = true;
        c->weights_options = true;
        return -1;
    case OPTION_LAYOUT:
        if (strcmp(argument, "pytorch") && strcmp(argument, "keras")) return tool_usage(&c->t, "--layout is pytorch or keras");
        c->options.keras = !strcmp(argument, "keras");
        c->weights_options = true;
        return -1;
    case OPTION_OPSET:
        if (!tool_parse_int(argument, CLSTM_CONVERT_OPSET_OLDEST, CLSTM_CONVERT_OPSET_NEWEST, &n))
            return tool_usage(&c->t, "--opset: models are written at %d to %d", CLSTM_CONVERT_OPSET_OLDEST, CLSTM_CONVERT_OPSET_NEWEST);
        c->options.opset = (int)n;
        return -1;
    case OPTION_MAIN: c->with_main = true; return -1;
    case OPTION_BATCH: return tool_parse_int(argument, 1, INT32_MAX, &c->batch) ? -1 : tool_usage(&c->t, "--batch: \"%s\" is no size", argument);
    default: return tool_option(&c->t, option, argument);
    }
}

/* ---- the conversions: each fills `out`, and says what it could not do ----------------------------------------------------------- */

static clstm_status simplify(const convert *c, const clstm_model *m, const convert_known *known, io_buffer *out, clstm_error *err) {
    const clstm_convert_onnx_options o = {.dims = known->dims, .n_dims = known->n_dims, .known = known->inputs, .n_known = known->n_inputs, .opset = c->options.opset};
    return clstm_convert_onnx(m, &o, convert_append, out, err);
}

static clstm_status keep(void *user, const char *name, const clstm_tensor *tensor, clstm_error *err) {
    clstm_value view = {.kind = CLSTM_KIND_TENSOR, .tensor = *tensor}, copy = {0};
    clstm_status status = io_value_copy(&copy, &view, err);
    if (status == CLSTM_OK) status = io_list_add(user, name, &copy, err);
    io_value_clear(&copy);
    return status;
}

static clstm_status weights(const convert *c, const clstm_model *m, io_buffer *out, clstm_error *err) {
    io_list list = {0};
    clstm_status status = clstm_convert_weights_out(m, keep, &list, err);
    if (status == CLSTM_OK) status = c->to == KIND_NPZ ? io_npz_format(&list, out, err) : io_safetensors_format(&list, out, err);
    io_list_free(&list);
    return status;
}

static void tell_finding(void *user, const clstm_lint_finding *f) {
    const tool *t = user;
    if (f->repaired) tool_warn(t, "%s: %s: %s", *f->node ? f->node : "model", f->rule, f->repair);
    else if (f->repair) tool_warn(t, "%s: %s: left as it is (--repair=%s): %s", *f->node ? f->node : "model", f->rule, f->rule, f->why);
    else tool_warn(t, "%s: %s: no repair: %s", *f->node ? f->node : "model", f->rule, f->why);
}

static int from_model(const convert *c, io_buffer *out) {
    const tool *t = &c->t;
    clstm_model *m = NULL;
    clstm_error err;
    convert_known known = {0};
    const clstm_model_options options = {.limits = &t->limits};
    tool_guard_mapping(t, c->input);
    clstm_status status = c->repairs ? clstm_lint_load(c->input, &options, c->repairs, tell_finding, (void *)(uintptr_t)t, &m, &err) : tool_load(t, c->input, &m, &err);
    tool_guard_mapping(t, NULL);
    int code = status == CLSTM_OK ? convert_know(t, m, c->batch, &known) : -1;
    if (code < 0 && status == CLSTM_OK) status = c->to == KIND_ONNX ? simplify(c, m, &known, out, &err) : weights(c, m, out, &err);
    if (code < 0) code = status == CLSTM_OK ? TOOL_OK : convert_refused(t, c->input, &err);
    convert_known_free(&known);
    clstm_model_destroy(m);
    return code;
}

/* ---- weights to a model --------------------------------------------------------------------------------------------------------- */

/* Weights do not tell the function of an nn.RNN, whose recurrent matrix is square. */
static void tell_nonlinearity(const convert *c, const io_list *list) {
    for (size_t i = 0; i < list->count && !c->nonlinearity; i++) {
        const char *name = list->entries[i].name;
        const clstm_tensor *t = &list->entries[i].value.tensor;
        char text[128];
        if ((!strstr(name, "weight_hh_l") && !strstr(name, "recurrent_kernel") && !strstr(name, "cell/vars/1")) || t->rank != 2 || t->dims[0] != t->dims[1]) continue;
        tool_warn(&c->t, "\"%s\": the weights of an RNN do not tell its function, tanh is taken (--nonlinearity)", io_escape(text, sizeof text, name));
        return;
    }
}

/* Nor do Keras's what else of a layer the model was made with. */
static void tell_defaults(const convert *c) {
    if (c->options.keras) tool_warn(&c->t, "weights do not tell activations, go_backwards, merge_mode or mask_zero, Keras's defaults are taken");
}

static clstm_status from_list(const convert *c, const io_list *list, io_buffer *out, clstm_error *err) {
    clstm_convert_weight *weights = calloc(list->count + 1, sizeof *weights);
    if (!weights) {
        snprintf(err->message, sizeof err->message, "out of memory");
        return err->status = CLSTM_NO_MEMORY;
    }
    for (size_t i = 0; i < list->count; i++) weights[i] = (clstm_convert_weight){list->entries[i].name, list->entries[i].value.tensor};
    clstm_status status = clstm_convert_weights_in(weights, list->count, &c->options, convert_append, out, err);
    if (status == CLSTM_OK) {
        tell_nonlinearity(c, list);
        tell_defaults(c);
    }
    free(weights);
    return status;
}

static int from_weights(const convert *c, io_buffer *out) {
    unsigned char *bytes = NULL;
    size_t size;
    io_list list = {0};
    clstm_error err;
    clstm_status status = io_file_read(c->input, c->t.limits.value[CLSTM_LIMIT_FILE_BYTES], &bytes, &size, &err);
    if (status == CLSTM_OK)
        status = c->from == KIND_NPZ ? io_npz_parse(bytes, size, c->t.limits.value[CLSTM_LIMIT_FILE_BYTES], &list, &err) : io_safetensors_parse(bytes, size, &list, &err);
    free(bytes);
    if (status == CLSTM_OK) status = from_list(c, &list, out, &err);
    io_list_free(&list);
    return status == CLSTM_OK ? TOOL_OK : convert_refused(&c->t, c->input, &err);
}

static int run(convert *c) {
    io_buffer out = {0};
    clstm_error err;
    char name[256];
    if (!c->from) c->from = kind_of_suffix(c->input);
    if (!c->to) c->to = kind_of_suffix(c->output);
    if (!c->from) return tool_usage(&c->t, "%s: no kind of file that can be read; --from names one", io_escape(name, sizeof name, c->input));
    if (!c->to) return tool_usage(&c->t, "%s: no kind of file that can be written; --to names one", io_escape(name, sizeof name, c->output));
    if (c->from != KIND_ONNX && c->to != KIND_ONNX) return tool_usage(&c->t, "weights are converted to a model only");
    if (c->from == KIND_ONNX && c->weights_options) return tool_usage(&c->t, "--batch-first, --states, --nonlinearity and --layout are for weights to a model");
    if (c->from != KIND_ONNX || (c->to != KIND_ONNX && c->to != KIND_C)) {
        if (c->t.dims.count || c->t.shapes.count || c->t.consts.count || c->batch) return tool_usage(&c->t, "--dim, --batch, --shape and --const are for .onnx to .onnx or .c");
    }
    if ((c->from != KIND_ONNX || c->to != KIND_ONNX) && c->repairs) return tool_usage(&c->t, "--repair is for .onnx to .onnx");
    if (c->to != KIND_ONNX && c->options.opset) return tool_usage(&c->t, "--opset is for what becomes .onnx");
    if (c->to != KIND_C && c->with_main) return tool_usage(&c->t, "--main is for .onnx to .c");
    if (c->to == KIND_C) return convert_to_c(&c->t, c->input, c->output, c->with_main, c->batch);
    int code = c->from == KIND_ONNX ? from_model(c, &out) : from_weights(c, &out);
    if (code == TOOL_OK && io_buffer_write(&out, c->output, &err) != CLSTM_OK) code = tool_failed(&c->t, &err);
    io_buffer_free(&out);
    return code;
}

int main(int argc, char **argv) {
    convert c = {.from = KIND_NONE};
    int code = -1;
    tool_init(&c.t, argv, "clstm-convert", "INPUT OUTPUT [options]", help);
    c.t.common = common;
    for (int option; code < 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) code = set_option(&c, option, optarg);
    if (code < 0 && optind + 2 != argc) code = tool_usage(&c.t, argc - optind < 2 ? "INPUT and OUTPUT are needed" : "one INPUT and one OUTPUT at a time");
    if (code < 0) {
        c.input = argv[optind];
        c.output = argv[optind + 1];
        code = run(&c);
    }
    tool_free(&c.t);
    return tool_finish(&c.t, code);
}
