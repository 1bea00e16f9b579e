/* tools/convert_to_c: the source and the header are written together or not at all. */
#include "convert_to_c.h"

#include "convert_args.h"
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
    if (!strcmp(base + length, ".h")) return tool_usage(t, "%s: that is the header's name", io_escape(text, sizeof text, output));
    for (size_t i = 0; i < length; i++) n->name[i] = strchr("-.+", base[i]) ? '_' : base[i];
    snprintf(n->header, sizeof n->header, "%.*s.h", (int)length, base);
    n->header_path = malloc(stem + 3);
    if (!n->header_path) return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"});
    memcpy(n->header_path, output, stem);
    memcpy(n->header_path + stem, ".h", 3);
    return -1;
}

static int write_model(const tool *t, clstm_model *m, const convert_known *known, const char *input, const char *output, const names *n, bool with_main) {
    io_buffer source = {0}, header = {0};
    clstm_error err = {0};
    const clstm_convert_c_options o = {.name = n->name, .header = n->header, .with_main = with_main, .dims = known->dims, .n_dims = known->n_dims,
                                       .known = known->inputs, .n_known = known->n_inputs};
    int code = TOOL_OK;
    for (size_t i = 0; i < o.n_dims; i++)
        if (o.dims[i].size < 1 || o.dims[i].size > INT32_MAX) return tool_usage(t, "--dim: a size of 1 to 2147483647 is wanted");
    if (clstm_convert_c(m, &o, convert_append, &source, &header, &err) != CLSTM_OK) code = convert_refused(t, input, &err);
    else {
        const io_file files[2] = {{output, source.data, source.size}, {n->header_path, header.data, header.size}};
        if (io_files_write(files, 2, &err) != CLSTM_OK) code = tool_failed(t, &err);
    }
    io_buffer_free(&source);
    io_buffer_free(&header);
    return code;
}

int convert_to_c(const tool *t, const char *input, const char *output, bool with_main, int64_t batch) {
    names n = {{0}, {0}, NULL};
    clstm_model *m = NULL;
    clstm_error err;
    convert_known known = {0};
    int code = !strcmp(output, "-") ? tool_usage(t, "C is two files: OUTPUT must have a name") : read_names(t, output, &n);
    if (code < 0 && tool_load(t, input, &m, &err) != CLSTM_OK) code = tool_refused(t, &err);
    if (code < 0) code = convert_know(t, m, batch, &known);
    if (code < 0) code = write_model(t, m, &known, input, output, &n, with_main);
    convert_known_free(&known);
    clstm_model_destroy(m);
    free(n.header_path);
    return code;
}
