/* inputs: from -i, --const, --data and --random to the values that a session runs on. */
#include "inputs.h"

#include "dataset.h"
#include "io/csv.h"
#include "io/load.h"
#include "io/value.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *port_text(char *out, size_t size, const clstm_port *port) {
    char name[160], shape[200];
    const char *kind = port->kind == CLSTM_KIND_SEQUENCE ? "sequence of " : port->optional ? "optional " : "";
    snprintf(out, size, "\"%s\" %s%s%s", io_escape(name, sizeof name, port->name), kind, clstm_type_name(port->tensor.type),
             io_shape_text(shape, sizeof shape, &port->tensor, port->dim_names));
    return out;
}

/* The names of all inputs, for messages about one that is not there. */
static const char *all_names(char *out, size_t size, const clstm_model *model) {
    size_t used = 0;
    *out = 0;
    for (size_t i = 0; i < clstm_model_input_count(model) && used + 100 < size; i++) {
        char name[80];
        used += (size_t)snprintf(out + used, size - used, "%s\"%s\"", i ? ", " : "", io_escape(name, sizeof name, clstm_model_input(model, i)->name));
    }
    return out;
}

static int no_such_input(const tool *t, const clstm_model *model, const char *name) {
    char shown[160], names[600];
    return tool_refuse(t, "the model has no input \"%s\"; it has %s", io_escape(shown, sizeof shown, name), all_names(names, sizeof names, model));
}

/* A value that came with its own shape must be of the declared type and fit --shape and --dim, not the model alone. */
static int check_given(const tool *t, const clstm_port *port, const input *in) {
    char what[400], got[300], shape[200];
    const clstm_tensor *v = &in->value.tensor, *w = &in->want;
    if (in->value.kind != CLSTM_KIND_TENSOR || port->kind == CLSTM_KIND_SEQUENCE) return -1;
    bool fits = v->type == w->type && (w->rank < 0 || w->rank == v->rank);
    for (int i = 0; fits && i < w->rank; i++) fits = w->dims[i] < 0 || w->dims[i] == v->dims[i];
    if (fits) return -1;
    clstm_port shown = *port;
    shown.tensor = *w;
    snprintf(got, sizeof got, "%.40s%s", clstm_type_name(v->type), io_shape_text(shape, sizeof shape, v, NULL));
    return tool_refuse(t, "input %s: the value given is %s", port_text(what, sizeof what, &shown), got);
}

/* Reads the right side of NAME=... into input `index`: numbers, or else a file. */
static int give_one(const tool *t, const clstm_model *model, size_t index, const char *text, input *in) {
    const clstm_port *port = clstm_model_input(model, index);
    clstm_error err = {0};
    char note[128] = "", name[160];
    io_table table;
    io_escape(name, sizeof name, port->name);
    if (in->given) return tool_usage(t, "input \"%s\" is given twice", name);
    clstm_status status;
    if (in->streamed && !strcmp(text, "-")) {       /* read as it arrives */
        in->given = true;
        snprintf(in->source, sizeof in->source, "standard input");
        return -1;
    }
    if (io_literal_parse(text, &table, &err)) {
        in->value.kind = CLSTM_KIND_TENSOR;
        status = io_table_fit(&table, &in->want, port->dim_names, &in->value.tensor, &err);
        if (status != CLSTM_OK) in->value.kind = CLSTM_KIND_NONE;
        io_table_free(&table);
        snprintf(in->source, sizeof in->source, "%.60s", text);
    } else {
        status = io_value_read(text, port, &in->want, IO_MAX_BYTES, &in->value, note, &err);
        char shown[100];
        io_escape(shown, sizeof shown, text);
        snprintf(in->source, sizeof in->source, "%s%s%s%s", strcmp(text, "-") ? shown : "standard input", *note ? " (" : "", note, *note ? ")" : "");
    }
    if (status != CLSTM_OK) return tool_refuse(t, "input \"%s\": %s", name, err.message);
    in->given = true;
    return check_given(t, port, in);
}

int inputs_start(const tool *t, const clstm_model *model, inputs *in) {
    clstm_error err = {0};
    *in = (inputs){.items = calloc(clstm_model_input_count(model) + 1, sizeof *in->items), .count = clstm_model_input_count(model)};
    if (!in->items) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    for (size_t i = 0; i < t->shapes.count; i++)
        if (clstm_model_find_input(model, t->shapes.items[i].name) < 0) return no_such_input(t, model, t->shapes.items[i].name);
    for (size_t i = 0; i < in->count; i++)
        if (tool_want(t, model, i, &in->items[i].want, &err) != CLSTM_OK) return tool_refused(t, &err);
    for (size_t i = 0; i < t->consts.count; i++) {
        int index = clstm_model_find_input(model, t->consts.items[i].name);
        if (index < 0) return no_such_input(t, model, t->consts.items[i].name);
        int code = give_one(t, model, (size_t)index, t->consts.items[i].value, &in->items[index]);
        if (code >= 0) return code;
        in->items[index].constant = true;
    }
    return -1;
}

/* The input that NAME=... means and where the value begins; -1 when the argument has no name of an input in front. */
static int split_name(const clstm_model *model, const char *argument, const char **value, char *name, size_t size) {
    const char *equals = strchr(argument, '=');
    *name = 0;
    *value = argument;
    if (!equals || (size_t)(equals - argument) >= size) return -1;
    memcpy(name, argument, (size_t)(equals - argument));
    name[equals - argument] = 0;
    int index = clstm_model_find_input(model, name);
    if (index >= 0) *value = equals + 1;
    return index;
}

int inputs_give(const tool *t, const clstm_model *model, char *const *arguments, size_t count, inputs *in) {
    char name[1024];
    const char *value;
    size_t unnamed = 0, open = 0, which = 0;
    const char *left = NULL;
    for (size_t i = 0; i < count; i++) {
        int index = split_name(model, arguments[i], &value, name, sizeof name), code;
        if (index >= 0) {
            if ((code = give_one(t, model, (size_t)index, value, &in->items[index])) >= 0) return code;
        } else if (*name && access(arguments[i], F_OK)) return no_such_input(t, model, name);
        else { unnamed++; left = arguments[i]; }
    }
    if (!unnamed) return -1;
    for (size_t i = 0; i < in->count; i++)
        if (!in->items[i].given && !in->items[i].carried) { open++; which = i; }
    if (unnamed > 1 || open != 1) {
        char names[600];
        return tool_usage(t, "-i without a name wants one input that is left, and there are %zu for %zu of them; the model has %s", open, unnamed, all_names(names, sizeof names, model));
    }
    return give_one(t, model, which, left, &in->items[which]);
}

int inputs_from_data(const tool *t, const clstm_model *model, const char *dir, inputs *in) {
    clstm_error err = {0};
    dataset set;
    if (dataset_read(dir, model, false, &set, &err) != CLSTM_OK) return tool_refused(t, &err);
    for (size_t i = 0; i < set.count; i++) {
        if (!set.present[i] || in->items[i].given) continue;
        in->items[i].value = set.values[i];
        in->items[i].given = true;
        memset(&set.values[i], 0, sizeof set.values[i]);
        snprintf(in->items[i].source, sizeof in->items[i].source, "input_%zu.pb", i);
    }
    dataset_free(&set);
    for (size_t i = 0; i < in->count; i++) {
        int code = in->items[i].given ? check_given(t, clstm_model_input(model, i), &in->items[i]) : -1;
        if (code >= 0) return code;
    }
    return -1;
}

/* ---- random values --------------------------------------------------------------------------------------------------------- */

/* splitmix64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* The size that a given input has for the dimension `name`. */
static bool known_dim(const clstm_model *model, const inputs *in, const char *name, int64_t *size) {
    for (size_t i = 0; name && i < in->count; i++) {
        const clstm_port *port = clstm_model_input(model, i);
        if (!in->items[i].given || in->items[i].value.kind != CLSTM_KIND_TENSOR || port->tensor.rank != in->items[i].value.tensor.rank) continue;
        for (int d = 0; d < port->tensor.rank; d++)
            if (port->dim_names[d] && !strcmp(port->dim_names[d], name)) { *size = in->items[i].value.tensor.dims[d]; return true; }
    }
    return false;
}

/* Reals from -1 to 1; integers 0 or 1, which are tokens, lengths and flags that most models take. */
static void fill_random(const clstm_tensor *v, uint64_t *state) {
    for (int64_t i = 0, n = clstm_tensor_count(v); i < n; i++) {
        uint64_t bits = next_random(state);
        io_set_real(v, i, io_type_is_float(v->type) ? (double)(bits >> 11) * 0x1p-52 - 1 : (double)(bits >> 63));
    }
}

/* A dimension that nobody gave is 1; how the first of them can be given is kept for the message. */
static void set_unset(const clstm_port *port, clstm_tensor *shape, int d, inputs *in) {
    char name[160];
    shape->dims[d] = 1;
    if (*in->unset) return;
    if (port->dim_names[d]) snprintf(in->unset, sizeof in->unset, "--dim %s=N", io_escape(name, sizeof name, port->dim_names[d]));
    else snprintf(in->unset, sizeof in->unset, "--shape %s=D0,D1,...", io_escape(name, sizeof name, port->name));
}

bool inputs_can_be_random(const tool *t, const clstm_model *model) {
    clstm_error err;
    clstm_tensor want;
    for (size_t i = 0; i < clstm_model_input_count(model); i++) {
        const clstm_port *port = clstm_model_input(model, i);
        if (tool_want(t, model, i, &want, &err) != CLSTM_OK) return false;
        if (!port->optional && (port->kind == CLSTM_KIND_SEQUENCE || want.rank < 0 || !clstm_type_size(want.type))) return false;
    }
    return true;
}

int inputs_randomise(const tool *t, const clstm_model *model, uint64_t seed, inputs *in) {
    for (size_t i = 0; i < in->count; i++) {
        input *one = &in->items[i];
        const clstm_port *port = clstm_model_input(model, i);
        clstm_error err = {0};
        char what[400];
        if (one->given || one->carried) continue;
        one->given = true;
        snprintf(one->source, sizeof one->source, port->optional ? "left out" : "random");
        if (port->optional) continue;       /* an empty optional is a value too */
        if (port->kind == CLSTM_KIND_SEQUENCE || one->want.rank < 0) return tool_refuse(t, "input %s has no shape that random numbers could fill; give it by -i", port_text(what, sizeof what, port));
        clstm_tensor shape = one->want;
        if (one->streamed && shape.dims[one->stream_axis] < 0) shape.dims[one->stream_axis] = one->stream_steps;
        for (int d = 0; d < shape.rank; d++)
            if (shape.dims[d] < 0 && !known_dim(model, in, port->dim_names[d], &shape.dims[d])) set_unset(port, &shape, d, in);
        if (io_tensor_make(&one->value.tensor, shape.type, shape.rank, shape.dims, IO_MAX_BYTES, &err) != CLSTM_OK) return tool_refuse(t, "input %s: %s", port_text(what, sizeof what, port), err.message);
        one->value.kind = CLSTM_KIND_TENSOR;
        one->random = true;
        /* A stream of its own, so that giving one input leaves the others' numbers as they were. */
        uint64_t state = seed + (uint64_t)i * 0x632BE59BD9B4E019u;
        fill_random(&one->value.tensor, &state);
    }
    return -1;
}

int inputs_complete(const tool *t, const clstm_model *model, const inputs *in) {
    for (size_t i = 0; i < in->count; i++) {
        char what[400], name[160];
        const clstm_port *port = clstm_model_input(model, i);
        if (in->items[i].given || in->items[i].carried || port->optional) continue;
        return tool_usage(t, "input %s is not given: -i %s=FILE, or --random", port_text(what, sizeof what, port), io_escape(name, sizeof name, port->name));
    }
    return -1;
}

clstm_status inputs_apply(const inputs *in, clstm_session *session, clstm_error *err) {
    clstm_status status = CLSTM_OK;
    for (size_t i = 0; i < in->count && status == CLSTM_OK; i++) {
        const clstm_value *v = &in->items[i].value;
        if (in->items[i].streamed || (in->items[i].carried && !in->items[i].given)) continue;
        if (in->items[i].constant) status = clstm_session_set_constant(session, i, &v->tensor, err);
        else status = v->kind == CLSTM_KIND_TENSOR ? clstm_session_set_input(session, i, &v->tensor, err) : clstm_session_set_input_value(session, i, v, err);
    }
    return status;
}

void inputs_free(inputs *in) {
    for (size_t i = 0; i < in->count && in->items; i++) io_value_clear(&in->items[i].value);
    free(in->items);
    *in = (inputs){0};
}

void inputs_describe(const clstm_model *model, const inputs *in, FILE *out) {
    for (size_t i = 0; i < in->count; i++) {
        char what[400], shape[200];
        const input *one = &in->items[i];
        fprintf(out, "input   %s", port_text(what, sizeof what, clstm_model_input(model, i)));
        if (one->carried && !one->given) fprintf(out, "  carried");
        if (one->given && one->value.kind == CLSTM_KIND_TENSOR) fprintf(out, " = %s%s", one->random ? "random " : "", io_shape_text(shape, sizeof shape, &one->value.tensor, NULL));
        if (one->given && !one->random) fprintf(out, "  %s", one->source);
        fputc('\n', out);
    }
}
