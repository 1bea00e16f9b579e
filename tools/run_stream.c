/* run_stream: feeds one input along its time axis in pieces while states are carried, and joins what comes out. */
#include "run_stream.h"

#include "join.h"
#include "io/csv.h"
#include "io/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(const tool *t) { return tool_failed(t, &(clstm_error){CLSTM_NO_MEMORY, "out of memory"}); }

/* ---- what the options say -------------------------------------------------------------------------------------------------------- */

int run_stream_parse(const tool *t, const clstm_model *model, const char *argument, run_stream *s) {
    char name[1024], shown[200];
    const char *equals = strchr(argument, '=');
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    if (length >= sizeof name) return tool_usage(t, "--stream: the name is too long");
    memcpy(name, argument, length);
    name[length] = 0;
    s->axis = -1;
    if (equals && !tool_parse_int(equals + 1, 1, INT32_MAX, &s->frames)) return tool_usage(t, "--stream: \"%s\" is no number of steps", equals + 1);
    s->input = clstm_model_find_input(model, name);
    char *colon = strrchr(name, ':');
    if (s->input < 0 && colon) {        /* a name may hold a colon itself */
        int64_t axis;
        if (!tool_parse_int(colon + 1, 0, CLSTM_MAX_RANK - 1, &axis)) return tool_usage(t, "--stream: \"%s\" is no axis", colon + 1);
        *colon = 0;
        s->axis = (int)axis;
        s->input = clstm_model_find_input(model, name);
    }
    if (s->input < 0) return tool_refuse(t, "--stream: the model has no input \"%s\"", io_escape(shown, sizeof shown, name));
    return -1;
}

static int apply_carry(const run_stream *s, char *const *carry, size_t n) {
    clstm_error err = {0};
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(carry[i], '=');
        char *out = equals ? strndup(carry[i], (size_t)(equals - carry[i])) : NULL;
        if (!equals) return tool_usage(s->t, "--carry wants OUTPUT=INPUT");
        if (!out) return no_memory(s->t);
        clstm_status status = clstm_session_carry(s->session, out, equals + 1, &err);
        free(out);
        if (status != CLSTM_OK) return tool_refused(s->t, &err);
    }
    return -1;
}

/* Without an axis from the caller: a model whose only unknown dimensions are batches takes whole frames, along its one axis that is
 * longer than 1; others are asked for the axis that reaches their recurrent layers. */
static int find_axis(run_stream *s) {
    clstm_error err = {0};
    char what[400];
    const clstm_port *port = clstm_model_input(s->model, (size_t)s->input);
    const clstm_tensor *want = &s->in->items[s->input].want;
    int longer = 0, which = -1, open = 0;
    for (int d = 0; d < want->rank; d++) {
        if (want->dims[d] > 1) { longer++; which = d; }
        if (want->dims[d] < 0 && !io_is_batch_name(port->dim_names[d])) open++;
    }
    if (s->axis >= want->rank && want->rank >= 0) return tool_refuse(s->t, "--stream: input %s has no axis %d", port_text(what, sizeof what, port), s->axis);
    if (s->axis < 0 && want->rank > 0 && !open) {
        if (longer != 1) return tool_refuse(s->t, "--stream: input %s has a fixed shape; say along which axis it is framed: NAME:AXIS", port_text(what, sizeof what, port));
        s->axis = which;
    }
    /* Who asks for overlap or padding with FRAMES on an axis of any length wants frames all the same. */
    if (s->axis >= 0 && s->axis < want->rank && want->dims[s->axis] < 0 && s->frames && (s->overlap || s->pad)) s->in->items[s->input].want.dims[s->axis] = s->frames;
    s->fixed = s->axis >= 0 && want->rank > 0 && want->dims[s->axis] >= 0;
    if (s->fixed) return -1;
    if (s->overlap || s->pad) return tool_usage(s->t, "--overlap and --pad are for models with a fixed frame, and this one takes any length");
    return clstm_session_stream(s->session, (size_t)s->input, &s->axis, s->output_axes, &err) == CLSTM_OK ? -1 : tool_refused(s->t, &err);
}

int run_stream_start(run_stream *s, char *const *carry, size_t n_carry) {
    size_t n = clstm_model_output_count(s->model);
    clstm_carry_info info;
    s->output_axes = calloc(n + 1, sizeof *s->output_axes);
    s->results = calloc(n + 1, sizeof *s->results);
    if (!s->output_axes || !s->results) return no_memory(s->t);
    for (size_t i = 0; i < n; i++) s->output_axes[i] = -1;
    int code = apply_carry(s, carry, n_carry);
    if (code < 0) code = find_axis(s);
    if (code >= 0) return code;
    clstm_tensor *want = &s->in->items[s->input].want;
    if (s->fixed) {
        int64_t frame = want->dims[s->axis];
        if (s->frames && s->frames != frame) return tool_refuse(s->t, "--stream: the model takes frames of %lld, not %lld", (long long)frame, (long long)s->frames);
        if (s->overlap >= frame) return tool_usage(s->t, "--overlap: a frame has %lld steps, and at least one of them must be new", (long long)frame);
        s->frames = frame;
        want->dims[s->axis] = -1;       /* what is given is longer than a frame */
    }
    if (!s->frames) s->frames = 1;
    input *in = &s->in->items[s->input];
    in->streamed = true;
    in->stream_axis = s->axis;
    in->stream_steps = s->frames - s->overlap;
    for (size_t i = 0; clstm_session_carry_describe(s->session, i, &info); i++)
        if (info.input >= 0) s->in->items[info.input].carried = true;
    if (s->in->items[s->input].carried) return tool_refuse(s->t, "--stream: that input is a carried state");
    return -1;
}

void run_stream_describe(const run_stream *s, FILE *out) {
    clstm_carry_info info;
    char name[200], other[200];
    const clstm_model *m = s->model;
    fprintf(out, "stream  \"%s\" along axis %d, %lld %s a piece", io_escape(name, sizeof name, clstm_model_input(m, (size_t)s->input)->name), s->axis,
            (long long)(s->frames - s->overlap), s->overlap ? "new steps" : "steps");
    if (s->overlap) fprintf(out, " after %lld old ones", (long long)s->overlap);
    fputc('\n', out);
    for (size_t i = 0; clstm_session_carry_describe(s->session, i, &info); i++) {
        fprintf(out, "state   \"%s\"", io_escape(name, sizeof name, info.name));
        if (info.output >= 0) fprintf(out, " takes output \"%s\"", io_escape(other, sizeof other, clstm_model_output(m, (size_t)info.output)->name));
        fprintf(out, " (%s)\n", info.why);
    }
}

/* ---- the pieces ------------------------------------------------------------------------------------------------------------------ */

/* Where new steps come from: a whole value in memory, or lines of standard input as they arrive. */
typedef struct source { const clstm_tensor *whole; int64_t at; bool lines; } source;

static void axis_spans(const clstm_tensor *t, int axis, int64_t *outer, size_t *inner) {
    *outer = 1;
    *inner = clstm_type_size(t->type);
    for (int d = 0; d < axis; d++) *outer *= t->dims[d];
    for (int d = axis + 1; d < t->rank; d++) *inner *= (size_t)t->dims[d];
}

/* Steps from..from+n of `t` into steps at.. of `to`, which agrees in every other axis. */
static void copy_steps(const clstm_tensor *t, int64_t from, const clstm_tensor *to, int64_t at, int64_t n, int axis) {
    int64_t outer;
    size_t inner;
    axis_spans(t, axis, &outer, &inner);
    for (int64_t o = 0; o < outer && n > 0; o++)
        memcpy((char *)to->data + (size_t)(o * to->dims[axis] + at) * inner, (const char *)t->data + (size_t)(o * t->dims[axis] + from) * inner, (size_t)n * inner);
}

/* Up to n rows of numbers from standard input; an empty tensor at its end. */
static clstm_status read_lines(const run_stream *s, int64_t n, clstm_tensor *out, clstm_error *err) {
    const clstm_port *port = clstm_model_input(s->model, (size_t)s->input);
    clstm_tensor want = s->in->items[s->input].want;
    io_buffer text = {0};
    char *line = NULL;
    size_t size = 0;
    ssize_t got = 0;
    int64_t rows = 0;
    memset(out, 0, sizeof *out);
    while (rows < n && (got = getline(&line, &size, stdin)) > 0) {
        if (strspn(line, " \t\r\n") == (size_t)got || line[0] == '#') continue;
        io_put(&text, line, (size_t)got);
        rows++;
        /* A header is one line of no numbers at the very beginning. */
        io_table first;
        if (!s->pieces && rows == 1 && io_table_parse(line, (size_t)got, &first, NULL) != CLSTM_OK) { rows = 0; text.size = 0; }
        else if (!s->pieces && rows == 1) io_table_free(&first);
    }
    free(line);
    clstm_status status = CLSTM_OK;
    if (ferror(stdin)) {
        err->status = status = CLSTM_IO;
        snprintf(err->message, sizeof err->message, "standard input: %s", strerror(errno));
    } else if (rows) {
        io_table table;
        io_put(&text, "", 1);
        for (int d = 0; d < want.rank; d++)
            if (want.dims[d] < 0) want.dims[d] = d == s->axis ? -1 : 1;
        status = text.failed ? CLSTM_NO_MEMORY : io_table_parse(text.data, text.size - 1, &table, err);
        if (status == CLSTM_OK) {
            status = io_table_fit(&table, &want, port->dim_names, out, err);
            io_table_free(&table);
        }
    }
    io_buffer_free(&text);
    return status;
}

/* The next n new steps, fewer at the end, none after it. */
static clstm_status next_steps(const run_stream *s, source *from, int64_t n, clstm_tensor *out, clstm_error *err) {
    if (from->lines) return read_lines(s, n, out, err);
    int64_t left = from->whole->dims[s->axis] - from->at;
    clstm_tensor shape = *from->whole;
    memset(out, 0, sizeof *out);
    if (left <= 0) return CLSTM_OK;
    shape.dims[s->axis] = left < n ? left : n;
    clstm_status status = io_tensor_make(out, shape.type, shape.rank, shape.dims, 0, err);
    if (status == CLSTM_OK) copy_steps(from->whole, from->at, out, 0, shape.dims[s->axis], s->axis);
    from->at += shape.dims[s->axis];
    return status;
}

/* A frame of the model's size: the last steps of the one before (zeros before the first), then the new ones, then padding. */
static clstm_status make_frame(const run_stream *s, const clstm_tensor *fresh, clstm_tensor *frame, clstm_error *err) {
    clstm_tensor shape = *fresh, before = *frame;
    int64_t n = fresh->dims[s->axis];
    shape.dims[s->axis] = s->frames;
    clstm_status status = io_tensor_make(frame, shape.type, shape.rank, shape.dims, 0, err);
    if (status != CLSTM_OK) { *frame = before; return status; }
    if (before.data) copy_steps(&before, s->frames - s->overlap, frame, 0, s->overlap, s->axis);
    copy_steps(fresh, 0, frame, s->overlap, n, s->axis);
    free(before.data);
    return CLSTM_OK;
}

static void print_piece(const run_stream *s, bool all) {
    for (size_t i = 0; s->log && i < clstm_model_output_count(s->model); i++) {
        const clstm_value *v = clstm_session_output(s->session, i);
        char name[200], text[40];
        bool carried = false;
        clstm_carry_info info;
        for (size_t k = 0; clstm_session_carry_describe(s->session, k, &info); k++) carried |= info.output == (int)i;
        if (carried || (!all && s->output_axes[i] >= 0) || v->kind != CLSTM_KIND_TENSOR) continue;
        int64_t n = clstm_tensor_count(&v->tensor);
        fprintf(s->log, "%8lld  \"%s\"", (long long)s->steps, io_escape(name, sizeof name, clstm_model_output(s->model, i)->name));
        for (int64_t k = 0; k < n && k < 8; k++) fprintf(s->log, " %s", io_real_text(text, sizeof text, io_get(&v->tensor, k)));
        fprintf(s->log, "%s\n", n > 8 ? " ..." : "");
    }
}

/* A model with a fixed frame gives no sign of time in its outputs but one: as many values along that axis as the frame is long. */
static void find_fixed_outputs(run_stream *s) {
    for (size_t i = 0; s->fixed && i < clstm_model_output_count(s->model); i++) {
        const clstm_value *v = clstm_session_output(s->session, i);
        const clstm_tensor *in = &clstm_model_input(s->model, (size_t)s->input)->tensor;
        bool like = v->kind == CLSTM_KIND_TENSOR && v->tensor.rank == in->rank && s->frames > 1 && !s->overlap && v->tensor.dims[s->axis] == s->frames;
        if (like) s->output_axes[i] = s->axis;
    }
}

static int run_piece(run_stream *s, const clstm_tensor *piece, int64_t n, bool lines, joiner *joined) {
    clstm_error err = {0};
    clstm_status status = clstm_session_set_input(s->session, (size_t)s->input, piece, &err);
    if (status == CLSTM_OK) status = clstm_session_run(s->session, &err);
    if (status != CLSTM_OK) return tool_refused(s->t, &err);
    if (!s->pieces++) find_fixed_outputs(s);
    print_piece(s, lines);
    if (s->log) fflush(s->log);
    s->steps += n;
    for (size_t i = 0; i < clstm_model_output_count(s->model); i++)
        if (join_add(&joined[i], clstm_session_output(s->session, i), s->output_axes[i], &err) != CLSTM_OK) return tool_refused(s->t, &err);
    return -1;
}

static int run_all(run_stream *s, source *from, joiner *joined, void (*after)(void *user), void *user) {
    clstm_error err = {0};
    clstm_tensor fresh = {0}, frame = {0};
    int64_t step = s->fixed ? s->frames - s->overlap : s->frames;
    int code = -1;
    while (code < 0) {
        if (next_steps(s, from, step, &fresh, &err) != CLSTM_OK) code = tool_refused(s->t, &err);
        else if (!fresh.data) break;
        int64_t n = fresh.rank ? fresh.dims[s->axis] : 0;
        if (code < 0 && s->fixed && n < step && !s->pad) code = tool_refuse(s->t, "--stream: %lld steps remain that fill no frame; --pad adds zeros", (long long)n);
        if (code < 0 && s->fixed && make_frame(s, &fresh, &frame, &err) != CLSTM_OK) code = tool_refused(s->t, &err);
        if (code < 0) code = run_piece(s, s->fixed ? &frame : &fresh, n, from->lines, joined);
        if (code < 0 && after) after(user);
        free(fresh.data);
        fresh.data = NULL;
    }
    free(frame.data);
    return code < 0 && !s->pieces ? tool_refuse(s->t, "--stream: the input has no steps") : code;
}

int run_stream_run(run_stream *s, void (*after)(void *user), void *user) {
    const input *in = &s->in->items[s->input];
    size_t n = clstm_model_output_count(s->model);
    source from = {.whole = &in->value.tensor, .lines = in->value.kind == CLSTM_KIND_NONE};
    clstm_error err = {0};
    if (!from.lines && in->value.kind != CLSTM_KIND_TENSOR) return tool_refuse(s->t, "--stream: that input is no tensor");
    int64_t step = s->fixed ? s->frames - s->overlap : s->frames;
    if (!from.lines && from.whole->rank <= s->axis) return tool_refuse(s->t, "--stream: the input has no axis %d", s->axis);
    if (!from.lines && s->fixed && from.whole->dims[s->axis] % step && !s->pad)      /* before anything has run */
        return tool_refuse(s->t, "--stream: %lld steps are no multiple of %lld; --pad adds zeros", (long long)from.whole->dims[s->axis], (long long)step);
    joiner *joined = calloc(n + 1, sizeof *joined);
    if (!joined) return no_memory(s->t);
    int code = run_all(s, &from, joined, after, user);
    for (size_t i = 0; code < 0 && i < n; i++)
        if (join_finish(&joined[i], &s->results[i], &err) != CLSTM_OK) code = tool_refused(s->t, &err);
    for (size_t i = 0; i < n; i++) join_free(&joined[i]);
    free(joined);
    return code;
}

void run_stream_free(run_stream *s) {
    for (size_t i = 0; s->results && i < clstm_model_output_count(s->model); i++) io_value_clear(&s->results[i]);
    free(s->results);
    free(s->output_axes);
    s->results = NULL;
    s->output_axes = NULL;
}
