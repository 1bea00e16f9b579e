/* run_output: what -o asks for: which output goes into which file. */
#include "run_output.h"

#include "io/value.h"

#include <stdlib.h>
#include <string.h>

int output_name(const tool *t, const clstm_model *model, const char *option, const char *argument, int *index, const char **value) {
    const char *equals = strchr(argument, '=');
    char shown[160], names[600];
    *index = -1;
    *value = argument;
    if (!equals) return -1;
    char *name = strndup(argument, (size_t)(equals - argument));
    if (!name) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    *index = clstm_model_find_output(model, name);
    *value = equals + 1;
    io_escape(shown, sizeof shown, name);
    free(name);
    if (*index >= 0) return -1;
    size_t used = 0;
    *names = 0;
    for (size_t i = 0; i < clstm_model_output_count(model) && used + 100 < sizeof names; i++) {
        char one[80];
        used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%s\"", i ? ", " : "", io_escape(one, sizeof one, clstm_model_output(model, i)->name));
    }
    return tool_refuse(t, "%s: the model has no output \"%s\"; it has %s", option, shown, names);
}

int run_target_parse(const tool *t, const clstm_model *model, const char *argument, run_target *target) {
    int code = output_name(t, model, "-o", argument, &target->output, &target->path);
    if (code >= 0) return code;
    target->form = io_form_of(target->path);
    if (target->form == IO_FORM_UNKNOWN || target->form == IO_FORM_WAV) return tool_usage(t, "-o %s: output files are .npy, .npz, .pb, .csv, .tsv, .txt or .json", target->path);
    if (target->output >= 0) return -1;
    if (clstm_model_output_count(model) == 1) target->output = 0;
    else if (target->form != IO_FORM_NPZ && target->form != IO_FORM_JSON) return tool_usage(t, "-o %s: which of the model's %zu outputs? NAME=FILE, or one .npz or .json for all", target->path, clstm_model_output_count(model));
    return -1;
}

static clstm_status put_npz(const run_target *target, const clstm_model *model, const clstm_value *const *results, io_buffer *b, clstm_error *err) {
    io_list list = {0};
    clstm_status status = CLSTM_OK;
    for (size_t i = 0; i < clstm_model_output_count(model) && status == CLSTM_OK; i++) {
        clstm_value copy;
        if (target->output >= 0 && (size_t)target->output != i) continue;
        status = io_value_copy(&copy, results[i], err);
        if (status != CLSTM_OK) break;
        status = io_list_add(&list, clstm_model_output(model, i)->name, &copy, err);
        io_value_clear(&copy);
    }
    if (status == CLSTM_OK) status = io_npz_format(&list, b, err);
    io_list_free(&list);
    return status;
}

static void put_json(const run_target *target, const clstm_model *model, const clstm_value *const *results, io_buffer *b) {
    bool first = true;
    io_puts(b, "{\"outputs\": [");
    for (size_t i = 0; i < clstm_model_output_count(model); i++) {
        if (target->output >= 0 && (size_t)target->output != i) continue;
        io_puts(b, first ? "\n  " : ",\n  ");
        io_value_json(results[i], clstm_model_output(model, i)->name, b);
        first = false;
    }
    io_puts(b, "\n]}\n");
}

clstm_status run_target_write(const run_target *target, const clstm_model *model, const clstm_value *const *results, clstm_error *err) {
    io_buffer b = {0};
    clstm_status status = CLSTM_OK;
    if (target->form == IO_FORM_NPZ) status = put_npz(target, model, results, &b, err);
    else if (target->form == IO_FORM_JSON) put_json(target, model, results, &b);
    else status = io_value_format(results[target->output], clstm_model_output(model, (size_t)target->output), target->form, &b, err);
    if (status == CLSTM_OK) status = io_buffer_write(&b, target->path, err);
    io_buffer_free(&b);
    return status;
}
