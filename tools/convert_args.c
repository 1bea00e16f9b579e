/* tools/convert_args: output, sizes and refusals. */
#include "convert_args.h"

#include "io/buffer.h"
#include "io/csv.h"
#include "io/value.h"

#include <stdlib.h>
#include <string.h>

static clstm_status no_memory(clstm_error *err) {
    snprintf(err->message, sizeof err->message, "out of memory");
    return err->status = CLSTM_NO_MEMORY;
}

clstm_status convert_append(void *user, const void *bytes, size_t size, clstm_error *err) {
    io_buffer *b = user;
    io_put(b, bytes, size);
    return b->failed ? no_memory(err) : CLSTM_OK;
}

static bool has_dim(const clstm_model *m, const char *name) {
    for (size_t i = 0; i < clstm_model_input_count(m); i++) {
        const clstm_port *p = clstm_model_input(m, i);
        for (int d = 0; d < p->tensor.rank; d++)
            if (p->dim_names[d] && !strcmp(p->dim_names[d], name)) return true;
    }
    return false;
}

/* Every dimension that is named like a batch; more than one of a name does no harm. */
static void know_batch(const tool *t, const clstm_model *m, int64_t batch, convert_known *known) {
    size_t before = known->n_dims;
    for (size_t i = 0; i < clstm_model_input_count(m); i++) {
        const clstm_port *p = clstm_model_input(m, i);
        for (int d = 0; d < p->tensor.rank; d++)
            if (io_is_batch_name(p->dim_names[d])) known->dims[known->n_dims++] = (clstm_convert_dim){p->dim_names[d], batch};
    }
    if (known->n_dims == before) tool_warn(t, "--batch: the model has no dimension that is named like a batch");
}

int convert_know(const tool *t, const clstm_model *m, int64_t batch, convert_known *known) {
    size_t n = clstm_model_input_count(m);
    char text[128];
    int code = inputs_start(t, m, &known->values);
    if (code >= 0) return code;
    known->dims = calloc(n * CLSTM_MAX_RANK + t->dims.count + 1, sizeof *known->dims);
    known->inputs = calloc(n + 1, sizeof *known->inputs);
    if (!known->dims || !known->inputs) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    for (size_t i = 0; i < t->dims.count; i++) {
        clstm_convert_dim *dim = &known->dims[known->n_dims++];
        dim->name = t->dims.items[i].name;
        tool_parse_int(t->dims.items[i].value, 0, INT64_MAX, &dim->size);
        if (!has_dim(m, dim->name)) tool_warn(t, "--dim: the model has no dimension \"%s\"", io_escape(text, sizeof text, dim->name));
    }
    if (batch) know_batch(t, m, batch, known);
    for (size_t i = 0; i < n; i++) {
        const input *in = &known->values.items[i];
        bool shaped = false;
        for (size_t k = 0; k < t->shapes.count; k++) shaped |= clstm_model_find_input(m, t->shapes.items[k].name) == (int)i;
        if (in->constant || shaped) known->inputs[known->n_inputs++] = (clstm_convert_weight){clstm_model_input(m, i)->name, in->constant ? in->value.tensor : in->want};
    }
    return -1;
}

void convert_known_free(convert_known *known) {
    free(known->dims);
    free(known->inputs);
    inputs_free(&known->values);
}

int convert_refused(const tool *t, const char *path, const clstm_error *err) {
    char name[256];
    clstm_error whole = *err;
    io_escape(name, sizeof name, path);
    /* Loading has named the file. */
    if (!strstr(err->message, name)) snprintf(whole.message, sizeof whole.message, "%s: %.700s", name, err->message);
    return tool_refused(t, &whole);
}
