/* tools/convert_to_c: the source and the header are written together or not at all. */
#include "convert_to_c.h"

#include "convert_args.h"
#include "inputs.h"
#include "io/buffer.h"
#include "io/whole_file.h"

#include <stdlib.h>
#include <string.h>

typedef struct names { char name[64], header[80], *header_path; } names;

/* OUTPUT dir/my-model.c: functions my_model_*, header dir/my-model.h. */
static int read_names(const tool *t, const char *output, names *n) {
    char text[128];
    const char *slash = strrchr(output, '/'), *base = slash ? slash + 1 : output, *dot = strrchr(base, '.');
    size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base), stem = (size_t)(base - output) + length;
    if (!length || length > 48 || strspn(base, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.+") < length || (*base >= '0' && *base <= '9'))
        return tool_usage(t, "%s: the file's name becomes part of identifiers: at most 48 letters, digits, _, - and ., no digit first", io_escape(text, sizeof text, output));
    for (size_t i = 0; i < length; i++) n->name[i] = strchr("-.+", base[i]) ? '_' : base[i];
    snprintf(n->header, sizeof n->header, "%.*s.h", (int)length, base);
    n->header_path = malloc(stem + 3);
    if (!n->header_path) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    memcpy(n->header_path, output, stem);
    memcpy(n->header_path + stem, ".h", 3);
    return -1;
}

/* --const as the library takes it. */
static void read_constants(const clstm_model *m, const inputs *in, clstm_convert_weight *constants, clstm_convert_c_options *o) {
    for (size_t i = 0; i < in->count; i++)
        if (in->items[i].constant) constants[o->n_constants++] = (clstm_convert_weight){clstm_model_input(m, i)->name, in->items[i].value.tensor};
    o->constants = constants;
}

static int write_model(tool *t, clstm_model *m, const inputs *in, const char *input, const char *output, const names *n, bool with_main) {
    io_buffer source = {0}, header = {0};
    clstm_error err = {CLSTM_NO_MEMORY, "out of memory"};
    clstm_convert_c_options o = {.name = n->name, .header = n->header, .with_main = with_main, .n_dims = t->dims.count};
    clstm_convert_dim *dims = convert_dims(t, &err);
    clstm_convert_weight *constants = calloc(in->count + 1, sizeof *constants);
    int code = dims && constants ? -1 : tool_failed(t, &err);
    for (size_t i = 0; i < o.n_dims && code < 0; i++)
        if (dims[i].size < 1 || dims[i].size > INT32_MAX) code = tool_usage(t, "--dim: a size of 1 to 2147483647 is wanted");
    o.dims = dims;
    if (code < 0) read_constants(m, in, constants, &o);
    if (code < 0 && clstm_convert_c(m, &o, convert_append, &source, &header, &err) != CLSTM_OK) code = convert_refused(t, input, &err);
    if (code < 0) {
        const io_file files[2] = {{output, source.data, source.size}, {n->header_path, header.data, header.size}};
        code = io_files_write(files, 2, &err) == CLSTM_OK ? TOOL_OK : tool_failed(t, &err);
    }
    free(dims);
    free(constants);
    io_buffer_free(&source);
    io_buffer_free(&header);
    return code;
}

int convert_to_c(tool *t, const char *input, const char *output, bool with_main) {
    names n = {{0}, {0}, NULL};
    clstm_model *m = NULL;
    clstm_error err;
    inputs in = {0};
    int code = !strcmp(output, "-") ? tool_usage(t, "C is two files: OUTPUT must have a name") : read_names(t, output, &n);
    if (code < 0 && tool_load(t, input, &m, &err) != CLSTM_OK) code = tool_refused(t, &err);
    if (code < 0) code = inputs_start(t, m, &in);
    if (code < 0) code = write_model(t, m, &in, input, output, &n, with_main);
    inputs_free(&in);
    clstm_model_destroy(m);
    free(n.header_path);
    return code;
}
