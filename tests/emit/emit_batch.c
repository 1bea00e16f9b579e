/* tests/emit/batch: see emit_batch.h. */
#include "emit_batch.h"

#include "io/buffer.h"
#include "io/value.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static clstm_status append(void *user, const void *bytes, size_t size, clstm_error *err) {
    (void)err;
    io_put(user, bytes, size);
    return CLSTM_OK;
}

/* ---- symbols: numbered as they first appear in the inputs */

typedef struct symbol { const char *name; int64_t size; } symbol;

static int read_symbols(const emit_case *c, symbol *s) {
    int n = 0;
    for (size_t i = 0; i < clstm_model_input_count(c->model); i++) {
        const clstm_port *p = clstm_model_input(c->model, i);
        for (int d = 0; d < p->tensor.rank; d++) {
            int k = 0;
            if (p->tensor.dims[d] >= 0) continue;
            while (k < n && !(p->dim_names[d] && s[k].name && !strcmp(s[k].name, p->dim_names[d]))) k++;
            if (k == n && n < 8) s[n++] = (symbol){p->dim_names[d], c->in[i].tensor.dims[d]};
        }
    }
    return n;
}

static bool convert(const emit_case *c, int number, const symbol *s, int n, bool sizes, io_buffer *source, io_buffer *header, clstm_error *err) {
    char name[24];
    clstm_convert_dim dims[8];
    clstm_convert_weight constants[16];
    clstm_convert_c_options o = {.name = name, .dims = dims, .known = constants, .with_main = c->with_main};
    snprintf(name, sizeof name, "m%d", number);
    for (int k = 0; k < n && sizes; k++)
        if (s[k].name) dims[o.n_dims++] = (clstm_convert_dim){s[k].name, s[k].size};
    for (size_t i = 0; i < clstm_model_input_count(c->model) && i < 16; i++)
        if (c->constant[i]) constants[o.n_known++] = (clstm_convert_weight){clstm_model_input(c->model, i)->name, c->in[i].tensor};
    source->size = header->size = 0;
    return clstm_convert_c(c->model, &o, append, source, header, err) == CLSTM_OK && !source->failed && !header->failed;
}

static bool is_state(const int *states, int n, size_t i) {
    for (int k = 0; k < n; k++)
        if (states[k] == (int)i) return true;
    return false;
}

/* What is known at conversion is no parameter: a constant, or nothing at all. */
static bool is_parameter(const emit_case *c, size_t i) { return !c->constant[i] && clstm_tensor_count(&c->in[i].tensor); }

/* A function that calls NAME_run or NAME_step with pointers from two arrays. */
static void put_call(const emit_case *c, int k, bool step, io_buffer *b) {
    char text[256];
    const char *word = step ? "step" : "run";
    snprintf(text, sizeof text, "int %s%d(const void *const *in, void *const *out) {\n    (void)in;\n    (void)out;\n    return m%d_%s(&s%d", word, k, k, word, k);
    io_puts(b, text);
    for (size_t i = 0; i < clstm_model_input_count(c->model); i++) {
        snprintf(text, sizeof text, ", in[%zu]", i);
        if (is_parameter(c, i) && !(step && is_state(c->state_in, c->n_states, i))) io_puts(b, text);
    }
    for (size_t i = 0; i < clstm_model_output_count(c->model); i++) {
        snprintf(text, sizeof text, ", out[%zu]", i);
        if (!(step && is_state(c->state_out, c->n_states, i))) io_puts(b, text);
    }
    io_puts(b, ");\n}\n");
}

static void put_glue(const emit_case *c, int k, io_buffer *b) {
    char text[256];
    snprintf(text, sizeof text, "#include \"m%d.h\"\n#include <string.h>\nstatic m%d_state s%d;\nvoid reset%d(void) { m%d_reset(&s%d); }\n", k, k, k, k, k, k);
    io_puts(b, text);
    put_call(c, k, false, b);
    if (!c->step) return;
    put_call(c, k, true, b);
    snprintf(text, sizeof text, "void put%d(int state, const void *from) {\n    (void)state;\n    (void)from;\n", k);
    io_puts(b, text);
    for (int i = 0; i < c->n_states; i++) {
        snprintf(text, sizeof text, "    if (state == %d) memcpy(s%d.now.s%d, from, sizeof s%d.now.s%d);\n", i, k, i, k, i);
        io_puts(b, text);
    }
    io_puts(b, "}\n");
}

static bool save(const emit_batch *b, const char *format, int k, const io_buffer *text) {
    char path[128], name[32];
    clstm_error err;
    snprintf(name, sizeof name, format, k);
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
    return io_buffer_write(text, path, &err) == CLSTM_OK;
}

/* First with every size at its default, so that -D sets them; with the sizes where the header would refuse that. */
bool emit_batch_add(emit_batch *b, emit_case *c, char *reason, size_t size, bool *refused) {
    io_buffer source = {0}, header = {0}, glue = {0};
    clstm_error err = {0};
    symbol s[8];
    int n = read_symbols(c, s), k = b->n;
    *refused = false;
    if (!b->dir[0]) {
        const char *tmp = getenv("TMPDIR");
        snprintf(b->dir, sizeof b->dir, "%.40s/clstm-emit.XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(b->dir)) { snprintf(reason, size, "mkdtemp"); return false; }
    }
    bool ok = convert(c, k, s, n, false, &source, &header, &err);
    io_put(&header, "", 1);
    header.size--;
    c->open = ok && n && !strstr((const char *)header.data, "is fixed in this file");
    if (!c->open) ok = convert(c, k, s, n, true, &source, &header, &err);
    for (size_t i = 0; !ok && !c->as_it_is && i < clstm_model_input_count(c->model) && i < 16; i++) {
        if (clstm_model_input(c->model, i)->tensor.rank > 1 || clstm_tensor_count(&c->in[i].tensor) > 64) continue;     /* scales, sizes, places */
        c->constant[i] = true;
        ok = convert(c, k, s, n, true, &source, &header, &err);
    }
    io_put(&header, "", 1);
    header.size--;
    if (!ok) {
        *refused = true;
        snprintf(reason, size, "%s", err.message);
    } else if (c->step && !strstr((const char *)header.data, "_step(")) {
        ok = false;
        snprintf(reason, size, "no step");
    } else {
        put_glue(c, k, &glue);
        ok = save(b, "m%d.c", k, &source) && save(b, "m%d.h", k, &header) && save(b, "g%d.c", k, &glue);
        char flags[400] = "", one[48];
        for (int i = 0; i < n; i++) {
            snprintf(one, sizeof one, "-DM%d_DIM%d=%lld\n", k, i, (long long)s[i].size);
            strncat(flags, one, sizeof flags - strlen(flags) - 1);
        }
        io_buffer f = {0};
        io_puts(&f, flags);
        ok = ok && save(b, "f%d", k, &f);
        io_buffer_free(&f);
        if (!ok) snprintf(reason, size, "cannot write to %s", b->dir);
    }
    if (ok) {
        if (b->n == b->room) {
            b->room = 2 * b->room + 16;
            b->cases = realloc(b->cases, (size_t)b->room * sizeof *b->cases);
            if (!b->cases) abort();
        }
        b->cases[b->n++] = c;
    }
    io_buffer_free(&source);
    io_buffer_free(&header);
    io_buffer_free(&glue);
    return ok;
}

/* What the compiler or the program said, when the command failed. */
static bool said(const emit_batch *b, int status, char *reason, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/said", b->dir);
    FILE *f = status ? fopen(path, "r") : NULL;
    size_t n = f ? fread(reason, 1, size - 1, f) : 0;
    reason[n] = 0;
    if (f) fclose(f);
    return !status;
}

bool emit_batch_compile(emit_batch *b, char *reason, size_t size) {
    const char *cc = getenv("CC"), *flags = getenv("EMIT_CFLAGS");
    size_t room = 400 + 64 * (size_t)b->n;
    char *command = malloc(room), path[128];
    if (!command) abort();
    if (!b->n) { free(command); return true; }
    snprintf(command, room, "cd %s && cat f* >flags && { echo %s -std=c99 -pedantic -Wall -Wextra -Werror %s -fPIC -shared -o batch.so; echo @flags; ls m*.c g*.c; echo -lm; } >all && %s @all >said 2>&1", b->dir, "",
             flags ? flags : "-O1", cc && *cc ? cc : "cc");
    int status = system(command);
    free(command);
    if (!said(b, status, reason, size)) return false;
    snprintf(path, sizeof path, "%s/batch.so", b->dir);
    b->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!b->library) snprintf(reason, size, "%s", dlerror());
    return b->library != NULL;
}

void *emit_batch_symbol(const emit_batch *b, const char *name, int i) {
    char text[32];
    snprintf(text, sizeof text, "%s%d", name, i);
    return dlsym(b->library, text);
}

bool emit_batch_run(emit_batch *b, int i, char *reason, size_t size) {
    emit_case *c = b->cases[i];
    const void *in[64] = {NULL};
    void *out[64] = {NULL};
    clstm_value got[64];
    size_t n_in = clstm_model_input_count(c->model), n_out = clstm_model_output_count(c->model);
    int (*run)(const void *const *, void *const *);
    *(void **)&run = emit_batch_symbol(b, "run", i);
    if (!run || n_in > 64 || n_out > 64) { snprintf(reason, size, "no run"); return false; }
    for (size_t k = 0; k < n_in; k++) in[k] = c->in[k].tensor.data;
    for (size_t k = 0; k < n_out; k++) {
        got[k] = c->expected[k];
        size_t bytes = c->bad ? 4096 : (size_t)clstm_tensor_count(&got[k].tensor) * clstm_type_size(got[k].tensor.type);      /* of which nobody knows */
        out[k] = got[k].tensor.data = calloc(1, bytes + 64);
        if (!out[k]) abort();
        memset(out[k], 0x5a, bytes + 64);
    }
    bool ok = true;
    for (int again = 0; again < 2 && ok; again++) {     /* what one run leaves must not change the next */
        int said = run(in, out);
        if (said != c->bad) { snprintf(reason, size, "the run returned %d", said); ok = false; }
        for (size_t k = 0; k < n_out && ok && !c->bad; k++) {
            compare_result r;
            compare_values(&got[k], &c->expected[k], &c->rule, &r);
            size_t bytes = (size_t)clstm_tensor_count(&got[k].tensor) * clstm_type_size(got[k].tensor.type);
            for (size_t p = 0; p < 64 && r.equal; p++)
                if (((unsigned char *)out[k])[bytes + p] != 0x5a) { r.equal = false; snprintf(r.reason, sizeof r.reason, "written past its end"); }
            if (!r.equal) { snprintf(reason, size, "output %zu %s", k, r.reason); ok = false; }
        }
    }
    for (size_t k = 0; k < n_out; k++) free(out[k]);
    return ok;
}

static size_t bytes_of(const clstm_value *v) { return (size_t)clstm_tensor_count(&v->tensor) * clstm_type_size(v->tensor.type); }

static bool read_outputs(const emit_batch *b, emit_case *c, char *reason, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/out", b->dir);
    FILE *f = fopen(path, "rb");
    bool ok = f != NULL;
    for (size_t k = 0; k < clstm_model_output_count(c->model) && ok; k++) {
        clstm_value got = c->expected[k];
        compare_result r = {0};
        void *data = calloc(1, bytes_of(&got) + 1);
        if (!data) abort();
        got.tensor.data = data;
        ok = fread(data, 1, bytes_of(&got), f) == bytes_of(&got);
        if (!ok) snprintf(reason, size, "output %zu is short", k);
        else compare_values(&got, &c->expected[k], &c->rule, &r);
        if (ok && !r.equal) { snprintf(reason, size, "output %zu %s", k, r.reason); ok = false; }
        free(data);
    }
    if (ok && fgetc(f) != EOF) { snprintf(reason, size, "more output than there is"); ok = false; }
    if (f) fclose(f);
    return ok;
}

bool emit_batch_main(emit_batch *b, char *reason, size_t size) {
    const char *cc = getenv("CC"), *flags = getenv("EMIT_CFLAGS"), *runner = getenv("EMIT_RUNNER");
    char command[600], path[128];
    int k = b->n - 1;
    emit_case *c = b->cases[k];
    snprintf(path, sizeof path, "%s/in", b->dir);
    FILE *f = fopen(path, "wb");
    for (size_t i = 0; f && i < clstm_model_input_count(c->model); i++)
        if (!c->constant[i]) fwrite(c->in[i].tensor.data, 1, bytes_of(&c->in[i]), f);
    if (!f || fclose(f)) { snprintf(reason, size, "cannot write %s", path); return false; }
    snprintf(command, sizeof command, "cd %s && { %s -std=c99 -pedantic -Wall -Wextra -Werror %s @f%d m%d.c -o m%d -lm && %s ./m%d <in >out; } >said 2>&1", b->dir, cc && *cc ? cc : "cc",
             flags ? flags : "-O1", k, k, k, runner ? runner : "", k);
    return said(b, system(command), reason, size) && read_outputs(b, c, reason, size);
}

void emit_batch_free(emit_batch *b) {
    char command[100];
    if (b->library) dlclose(b->library);
    if (b->dir[0] && !getenv("EMIT_KEEP")) {
        snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
        if (system(command)) fprintf(stderr, "%s stays\n", b->dir);
    }
    free(b->cases);
    memset(b, 0, sizeof *b);
}
