/* tools/convert_args: output, sizes and refusals. */
#include "convert_args.h"

#include "io/buffer.h"
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

clstm_convert_dim *convert_dims(const tool *t, clstm_error *err) {
    clstm_convert_dim *dims = calloc(t->dims.count + 1, sizeof *dims);
    if (!dims) no_memory(err);
    for (size_t i = 0; i < t->dims.count && dims; i++) {
        dims[i].name = t->dims.items[i].name;
        tool_parse_int(t->dims.items[i].value, 0, INT64_MAX, &dims[i].size);
    }
    return dims;
}

int convert_refused(const tool *t, const char *path, const clstm_error *err) {
    char name[256];
    clstm_error whole = *err;
    io_escape(name, sizeof name, path);
    /* Loading has named the file. */
    if (!strstr(err->message, name)) snprintf(whole.message, sizeof whole.message, "%s: %.700s", name, err->message);
    return tool_refused(t, &whole);
}
