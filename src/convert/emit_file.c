/* convert/emit_file: the source and the header around the nodes' functions. */
#include "convert/emit.h"

#include "tensor/tensor.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

static const char *shape(emitter *e, const emit_value *v) {
    const char *text = emit_say(e, "%s[", clstm_type_name(v->type));
    for (int d = 0; d < v->rank; d++) text = emit_say(e, "%s%s%s", text, d ? ", " : "", emit_size(e, &v->dims[d]));
    return emit_say(e, "%s]", text);
}

static emit_value *input(const emitter *e, size_t i) { return e->g->inputs[i]->user; }
static emit_value *output(const emitter *e, size_t i) { return e->g->outputs[i]->user; }
static bool fixed_input(const emitter *e, size_t i) { return e->g->inputs[i]->constant != NULL; }

static bool paired_output(const emitter *e, size_t i) {
    for (size_t k = 0; k < e->n_states; k++)
        if (!e->states[k].layer && e->states[k].pair_out == (int)i) return true;
    return false;
}

/* The state that input i or output i is, or -1. */
static int state_of(const emitter *e, size_t i, bool out) {
    for (size_t k = 0; k < e->n_states; k++)
        if (!e->states[k].layer && (out ? e->states[k].pair_out : e->states[k].pair_in) == (int)i) return (int)k;
    return -1;
}

static const char *seen(const char *list) { return list[0] ? ", " : ""; }

/* "const float *in0, ..., float *out0, ...": all ports, or those that a step leaves to the caller. */
static const char *ports(emitter *e, bool step, bool types) {
    const char *list = "";
    for (size_t i = 0; i < e->g->n_in; i++)
        if (!fixed_input(e, i) && !(step && state_of(e, i, false) >= 0))
            list = emit_say(e, "%s%s%s%sin%zu", list, seen(list), types ? emit_say(e, "const %s ", emit_ctype(input(e, i)->type)) : "", types ? "*" : "", i);
    for (size_t i = 0; i < e->g->n_out; i++)
        if (!(step && paired_output(e, i)))
            list = emit_say(e, "%s%s%s%sout%zu", list, seen(list), types ? emit_say(e, "%s ", emit_ctype(output(e, i)->type)) : "", types ? "*" : "", i);
    return list;
}

static const char *prototype(emitter *e, bool step) {
    const char *list = ports(e, step, true);
    return emit_say(e, "int %s_%s(%s_state *state%s%s)", e->name, step ? "step" : "run", e->name, list[0] ? ", " : "", list);
}

/* ---- header -------------------------------------------------------------------------------------------------------------------------- */

/* Open dimensions are macros; a pinned one is a macro that must not be another. */
static void put_dims(emitter *e, emit_string *h) {
    for (int k = 0; k < e->n_symbols; k++) {
        const emit_pinned *s = &e->symbol[k];
        const char *name = s->name ? emit_quoted(e, s->name) : emit_say(e, "dimension %d of input %d", s->axis, s->input);
        emit_put(h, "\n/* %s */\n#ifndef %s_DIM%d\n#define %s_DIM%d %lld\n#endif\n", name, e->macro, k, e->macro, k, (long long)s->size);
        if (s->pinned)
            emit_put(h, "#if %s_DIM%d != %lld\n#error \"%s_DIM%d is fixed in this file: convert the model anew with --dim\"\n#endif\n", e->macro, k, (long long)s->size, e->macro, k);
        else emit_put(h, "#if %s_DIM%d < 1\n#error \"%s_DIM%d must be positive\"\n#endif\n", e->macro, k, e->macro, k);
    }
}

static void put_sizes(emitter *e, emit_string *h) {
    emit_put(h, "\n/* elements of inputs and outputs, bytes of the weights */\n");
    for (size_t i = 0; i < e->g->n_in; i++)
        if (!fixed_input(e, i)) emit_put(h, "#define %s_IN%zu_SIZE %s\n", e->macro, i, emit_size(e, &input(e, i)->count));
    for (size_t i = 0; i < e->g->n_out; i++) emit_put(h, "#define %s_OUT%zu_SIZE %s\n", e->macro, i, emit_size(e, &output(e, i)->count));
    emit_put(h, "#define %s_WEIGHT_BYTES %lld\n#define %s_STATE_BYTES sizeof(%s_state)\n", e->macro, (long long)e->constant_bytes, e->macro, e->name);
}

static void put_structs(emitter *e, emit_string *h) {
    if (e->n_states) {
        emit_put(h, "\n/* what a step leaves for the next */\ntypedef struct %s_carried {\n", e->name);
        for (size_t k = 0; k < e->n_states; k++) {
            const emit_state *s = &e->states[k];
            const char *what = s->layer ? emit_say(e, "%s of layer %s", s->pair_out == 1 ? "h" : "c", emit_quoted(e, s->layer->name ? s->layer->name : ""))
                                        : emit_say(e, "%s, next %s", emit_quoted(e, e->request->inputs[s->pair_in].name), emit_quoted(e, e->request->outputs[s->pair_out].name));
            emit_put(h, "    %s s%zu[%s]; /* %s */\n", emit_ctype(s->value->type), k, emit_size(e, &s->value->count), what);
        }
        emit_put(h, "} %s_carried;\n", e->name);
    }
    emit_put(h, "\n/* All memory that a run needs; nothing else is allocated. Intermediate values that are not needed at the same time share their place. */\n"
             "typedef struct %s_work {\n    int bad;\n", e->name);
    for (size_t b = 0; b < e->n_buffers; b++) {
        emit_put(h, "    union {\n");
        for (size_t k = 0; k < e->n_placed; k++)
            if (e->placed[k]->buffer == (int)b) emit_put(h, "        %s v%zu[%s];\n", emit_ctype(e->placed[k]->type), k, emit_size(e, &e->placed[k]->count));
        emit_put(h, "    } b%zu;\n", b);
    }
    emit_put(h, "} %s_work;\n\ntypedef struct %s_state {\n", e->name, e->name);
    if (e->n_states) emit_put(h, "    %s_carried now, next;\n", e->name);
    emit_put(h, "    %s_work work;\n} %s_state;\n", e->name, e->name);
}

static void put_header(emitter *e, emit_string *h) {
    emit_put(h, "/* Made by clstm-convert: C99, needs libm only. Functions are re-entrant: whatever they write is in the state and the outputs,\n"
             " * so any number of states may be used at once, each by one thread at a time. Sizes marked DIM can be set with -D, the same for\n"
             " * every file that includes this one. Inputs and outputs must not overlap.\n *\n");
    for (size_t i = 0; i < e->g->n_in; i++)
        emit_put(h, " * in%zu   %s %s%s\n", i, emit_quoted(e, e->request->inputs[i].name), shape(e, input(e, i)), fixed_input(e, i) ? " (fixed: no parameter)" : "");
    for (size_t i = 0; i < e->g->n_out; i++) emit_put(h, " * out%zu  %s %s\n", i, emit_quoted(e, e->request->outputs[i].name), shape(e, output(e, i)));
    emit_put(h, " */\n#ifndef %s_H\n#define %s_H\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n", e->macro, e->macro);
    put_dims(e, h);
    put_sizes(e, h);
    put_structs(e, h);
    emit_put(h, "\n/* %s. Before the first step. */\nvoid %s_reset(%s_state *state);\n",
             e->n_states ? "The carried values start anew" : "Nothing is carried: this does no more than clear the state", e->name, e->name);
    emit_put(h, "\n/* One run from the model's own initial states. 0, or 1: an input holds an index or a length out of range,\n"
             " * and the outputs mean nothing. Touches no carried value, and needs no reset. */\n%s;\n", prototype(e, false));
    if (e->n_states)
        emit_put(h, "\n/* One run from the carried values, which it replaces (not when it returns 1). */\n%s;\n", prototype(e, true));
    emit_put(h, "\n#ifdef __cplusplus\n}\n#endif\n");
}

/* ---- source ---------------------------------------------------------------------------------------------------------------------------- */

static const char from_half[] =
    "static float from_half(uint16_t h) {\n"
    "    const uint32_t sign = (uint32_t)(h >> 15) << 31, exponent = h >> 10 & 31, fraction = h & 1023;\n"
    "    union { uint32_t u; float f; } v;\n"
    "    if (!exponent) return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;\n"
    "    v.u = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23) | fraction << 13;\n"
    "    return v.f;\n"
    "}\n";
static const char to_half[] =
    "static uint16_t to_half(float f) {\n"
    "    union { float f; uint32_t u; } v;\n"
    "    v.f = f;\n"
    "    const uint32_t sign = v.u >> 16 & 0x8000, a = v.u & 0x7fffffff;\n"
    "    if (a > 0x7f800000) return (uint16_t)(sign | 0x7e00);\n"
    "    if (a >= 0x477ff000) return (uint16_t)(sign | 0x7c00);\n"
    "    if (a < 0x38800000) { v.u = a; return (uint16_t)(sign | (uint32_t)lrintf(v.f * 0x1p24f)); }\n"
    "    return (uint16_t)(sign | (a + 0xfff + (a >> 13 & 1) - 0x38000000) >> 13);\n"
    "}\n";

static const char from_bfloat[] =
    "static float from_bfloat(uint16_t b) {\n"
    "    union { uint32_t u; float f; } v;\n"
    "    v.u = (uint32_t)b << 16;\n"
    "    return v.f;\n"
    "}\n";
static const char to_bfloat[] =
    "static uint16_t to_bfloat(float f) {\n"
    "    union { float f; uint32_t u; } v;\n"
    "    v.f = f;\n"
    "    if ((v.u & 0x7fffffff) > 0x7f800000) return (uint16_t)(v.u >> 16 | 0x40);\n"
    "    return (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);\n"
    "}\n";

/* A double rounded to the neighbour whose last bit is odd: rounding that to a half is as good as rounding the double. */
static const char odd[] =
    "static float odd(double d) {\n"
    "    union { float f; uint32_t u; } v;\n"
    "    v.f = (float)d;\n"
    "    if (v.f == v.f && (double)v.f != d && !(v.u & 1)) v.u += fabs((double)v.f) < fabs(d) ? 1u : -1u;\n"
    "    return v.f;\n"
    "}\n";
/* Truncation that never leaves the type's range. */
static const char to_int32[] = "static int32_t to_int32(double v) { return v != v ? 0 : v <= -0x1p31 ? INT32_MIN : v >= 0x1p31 ? INT32_MAX : (int32_t)v; }\n";
static const char to_int64[] = "static int64_t to_int64(double v) { return v != v ? 0 : v <= -0x1p63 ? INT64_MIN : v >= 0x1p63 ? INT64_MAX : (int64_t)v; }\n";

static void put_madd(emit_string *c, const char *suffix) {
    emit_put(c, "#ifdef FP_FAST_FMA%s\n#define MADD%s(a, b, c) fma%s(a, b, c)\n#else\n#define MADD%s(a, b, c) ((c) + (a) * (b))\n#endif\n", suffix[0] ? "F" : "", suffix, suffix, suffix);
}

/* Panels of 32 and 8 columns stay in registers; the few columns behind them are dot products. */
static void put_product(emit_string *c, const char *suffix, const char *type) {
    for (int width = 32; width >= 8; width -= 24)
        emit_put(c, "static const %s *panel%d%s(int k, const %s *restrict x, const %s *restrict w, %s *restrict y) {\n"
                 "    %s a[%d];\n"
                 "    for (int j = 0; j < %d; j++) a[j] = y[j];\n"
                 "    for (int i = 0; i < k; i++, w += %d)\n"
                 "        for (int j = 0; j < %d; j++) a[j] = MADD%s(x[i], w[j], a[j]);\n"
                 "    for (int j = 0; j < %d; j++) y[j] = a[j];\n"
                 "    return w;\n}\n", type, width, suffix, type, type, type, type, width, width, width, width, suffix, width);
    emit_put(c, "/* y[n] += x[k] . w, packed: [n/32][k][32], [rest/8][k][8], [rest][k] */\n"
             "static void product%s(int k, int n, const %s *x, const %s *w, %s *y) {\n"
             "    for (; n >= 32; n -= 32, y += 32) w = panel32%s(k, x, w, y);\n"
             "    for (; n >= 8; n -= 8, y += 8) w = panel8%s(k, x, w, y);\n"
             "    for (; n > 0; n--, w += k, y++)\n"
             "        for (int i = 0; i < k; i++) *y = MADD%s(x[i], w[i], *y);\n"
             "}\n", suffix, type, type, type, suffix, suffix, suffix);
}

/* tanh by m = e^2|x| - 1: the series of e^r - 1 at 2|x| / 32, squared five times ((1 + m)^2 - 1 = m (m + 2)). Within 2e-7, nothing that
 * keeps a loop over it from becoming vectors; NaN passes through. */
static const char gate_tanh[] =
    "static inline float gate_tanh(float x) {\n"
    "    const float a = fabsf(x), r = (a > 9.0f ? 9.0f : a) * 0.0625f;\n"
    "    float m = MADDf(MADDf(MADDf(MADDf(1.0f / 720, r, 1.0f / 120), r, 1.0f / 24), r, 1.0f / 6), r, 0.5f);\n"
    "    m = MADDf(m * r, r, r);\n"
    "    m = MADDf(m, m, m + m);\n"
    "    m = MADDf(m, m, m + m);\n"
    "    m = MADDf(m, m, m + m);\n"
    "    m = MADDf(m, m, m + m);\n"
    "    m = MADDf(m, m, m + m);\n"
    "    return copysignf(m / (m + 2.0f), x);\n"
    "}\n";
static const char gate_sigmoid[] =
    "static inline float gate_sigmoid(float x) { return 0.5f + 0.5f * gate_tanh(0.5f * x); }\n";

static const char int_pow[] =
    "static int64_t int_pow(int64_t base, int64_t e) {\n"
    "    uint64_t r = 1, b = (uint64_t)base;\n"
    "    if (e < 0) return base == 1 ? 1 : base == -1 ? (e & 1 ? -1 : 1) : 0;\n"
    "    for (; e; e >>= 1, b *= b)\n"
    "        if (e & 1) r *= b;\n"
    "    return (int64_t)r;\n"
    "}\n";

static void put_helpers(emitter *e, emit_string *c) {
    static const struct { uint32_t use; const char *text; } helpers[] = {
        {EMIT_READS_HALF, from_half}, {EMIT_WRITES_HALF, to_half}, {EMIT_READS_BFLOAT, from_bfloat}, {EMIT_WRITES_BFLOAT, to_bfloat}, {EMIT_USES_TANH, gate_tanh},
        {EMIT_USES_SIGMOID, gate_sigmoid}, {EMIT_USES_INT_POW, int_pow}, {EMIT_USES_ODD, odd}, {EMIT_USES_TO_INT32, to_int32}, {EMIT_USES_TO_INT64, to_int64}};
    emit_put(c, "\n");
    if (e->helpers & (EMIT_USES_PRODUCT | EMIT_USES_TANH)) put_madd(c, "f");
    if (e->helpers & EMIT_USES_PRODUCT_D) put_madd(c, "");
    for (size_t i = 0; i < sizeof helpers / sizeof *helpers; i++)
        if (e->helpers & helpers[i].use) emit_put(c, "%s", helpers[i].text);
    if (e->helpers & EMIT_USES_PRODUCT) put_product(c, "f", "float");
    if (e->helpers & EMIT_USES_PRODUCT_D) put_product(c, "", "double");
}

/* What the text supposes of sizes that -D may change. */
static void put_checks(emitter *e, emit_string *c) {
    const char *last = "";
    for (size_t i = 0; i < e->n_required; i++)
        emit_put(c, "#if %s < 0\n#error \"the dimensions are too small for the model\"\n#endif\n", emit_size(e, &e->required[i]));
    for (size_t i = 0; i < e->g->n_values; i++) {
        const emit_value *v = &e->values[i];
        if (!v->needed || !emit_symbols(&v->count)) continue;
        const char *size = emit_size(e, &v->count);
        if (!strcmp(size, last)) continue;
        emit_put(c, "#if %s < 1 || %s > 2147483647\n#error \"the dimensions give a value no size, or more than 2147483647 elements\"\n#endif\n", size, size);
        last = size;
        for (int d = 0; d < v->rank; d++)
            if (!emit_nonnegative(&v->dims[d])) emit_put(c, "#if %s < 1\n#error \"the dimensions are too small for the model\"\n#endif\n", emit_size(e, &v->dims[d]));
    }
}

static void put_run(emitter *e, emit_string *c) {
    const char *layers = e->n_layers ? emit_say(e, ", const %s_carried *from, %s_carried *to", e->name, e->name) : "", *list = ports(e, false, true), *names = ports(e, false, false);
    emit_put(c, "\nstatic int nodes(%s_work *w%s%s%s) {\n    w->bad = 0;\n", e->name, layers, list[0] ? ", " : "", list);
    for (size_t i = 0; i < e->g->n_in; i++)
        if (!fixed_input(e, i) && !input(e, i)->needed) emit_put(c, "    (void)in%zu;\n", i);
    emit_append(c, &e->calls);
    emit_put(c, "    return w->bad;\n}\n");
    emit_put(c, "\n%s {\n    return nodes(&state->work%s%s%s);\n}\n", prototype(e, false), e->n_layers ? ", NULL, NULL" : "", names[0] ? ", " : "", names);
}

/* Every initial value that is not zero: a constant initial state of a layer. */
static clstm_status put_reset(emitter *e, emit_string *c) {
    emit_put(c, "\nvoid %s_reset(%s_state *state) {\n    memset(state, 0, sizeof *state);\n", e->name, e->name);
    for (size_t i = 0; i < e->n_steps; i++) {
        const emit_step *s = &e->steps[i];
        for (int k = 0; s->live && s->state >= 0 && k < 2; k++) {
            if (!emit_has(s, 5 + k) || s->in[5 + k]->zero) continue;
            emit_put(c, "    memcpy(state->now.s%d, %s, sizeof state->now.s%d);\n", s->state + k, emit_x(e, s, 5 + k), s->state + k);
        }
    }
    emit_put(c, "}\n");
    return CLSTM_OK;
}

static void put_step(emitter *e, emit_string *c) {
    const char *list = "";
    for (size_t i = 0; i < e->g->n_in; i++) {
        int k = state_of(e, i, false);
        if (!fixed_input(e, i)) list = emit_say(e, "%s, %s", list, k < 0 ? emit_say(e, "in%zu", i) : emit_say(e, "state->now.s%d", k));
    }
    for (size_t i = 0; i < e->g->n_out; i++) {
        int k = state_of(e, i, true);
        list = emit_say(e, "%s, %s", list, k < 0 ? emit_say(e, "out%zu", i) : emit_say(e, "state->next.s%d", k));
    }
    emit_put(c, "\n%s {\n    if (nodes(&state->work%s%s)) return 1;\n    state->now = state->next;\n    return 0;\n}\n", prototype(e, true),
             e->n_layers ? ", &state->now, &state->next" : "", list);
}

/* Reads the inputs of one run after another from stdin, little-endian, and writes the outputs; with the argument "step", states stay. */
static void put_main(emitter *e, emit_string *c) {
    emit_put(c, "\n#include <stdio.h>\n\n#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n#error \"main() reads little-endian numbers as they are\"\n#endif\n\n"
             "static %s_state state;\n", e->name);
    bool reads = false;
    for (size_t i = 0; i < e->g->n_in; i++) {
        if (fixed_input(e, i)) continue;
        reads = true;
        emit_put(c, "static %s in%zu[%s];\n", emit_ctype(input(e, i)->type), i, emit_size(e, &input(e, i)->count));
    }
    for (size_t i = 0; i < e->g->n_out; i++) emit_put(c, "static %s out%zu[%s];\n", emit_ctype(output(e, i)->type), i, emit_size(e, &output(e, i)->count));
    if (reads) emit_put(c, "\n/* 1: read; 0: the end, before anything was read; -1: the end in the middle */\n"
             "static int take(void *to, size_t size, int first) {\n"
             "    const size_t n = fread(to, 1, size, stdin);\n"
             "    return n == size ? 1 : n || !first ? -1 : 0;\n"
             "}\n");
    emit_put(c, "\nstatic int give(const void *from, size_t size) { return fwrite(from, 1, size, stdout) == size; }\n\n"
             "int main(int argc, char **argv) {\n"
             "    const int step = argc > 1 && !strcmp(argv[1], \"step\");\n"
             "    int got = 1, runs = 0;\n"
             "    if (argc > 1 && !(%s && step && argc == 2)) {\n"
             "        fprintf(stderr, \"usage: %%s%s <inputs >outputs\\n\", argv[0]);\n"
             "        return 2;\n"
             "    }\n"
             "    %s_reset(&state);\n"
             "    for (;; runs++) {\n"
             "        int first = 1;\n", e->n_states ? "1" : "0", e->n_states ? " [step]" : "", e->name);
    for (size_t i = 0; i < e->g->n_in; i++) {
        if (fixed_input(e, i)) continue;
        const char *condition = state_of(e, i, false) >= 0 ? "!step" : "";
        emit_put(c, "        if (%s%s(got = take(in%zu, sizeof in%zu, first)) < 1) break;\n        %sfirst = 0;\n", condition, condition[0] ? " && " : "", i, i,
                 condition[0] ? "if (!step) " : "");
    }
    emit_put(c, "        if (first && runs) break;\n");
    const char *all = ports(e, false, false), *own = ports(e, true, false);
    if (e->n_states) emit_put(c, "        if (step ? %s_step(&state%s%s) : %s_run(&state%s%s)) {\n", e->name, own[0] ? ", " : "", own, e->name, all[0] ? ", " : "", all);
    else emit_put(c, "        if (%s_run(&state%s%s)) {\n", e->name, all[0] ? ", " : "", all);
    emit_put(c, "            fprintf(stderr, \"%%s: an index or a length out of range\\n\", argv[0]);\n            return 3;\n        }\n");
    for (size_t i = 0; i < e->g->n_out; i++)
        emit_put(c, "        if (%s!give(out%zu, sizeof out%zu)) return 1;\n", paired_output(e, i) ? "!step && " : "", i, i);
    emit_put(c, "    }\n    if (got < 0) {\n        fprintf(stderr, \"%%s: the input ends in the middle\\n\", argv[0]);\n        return 3;\n    }\n"
             "    return fflush(stdout) ? 1 : 0;\n}\n");
}

/* FNV-1a */
static uint32_t digest(uint32_t d, const emit_string *s) {
    for (size_t i = 0; i < s->size; i++) d = (d ^ (unsigned char)s->text[i]) * 16777619u;
    return d;
}

/* Two files cannot take the place of two others at once: a source whose header is another conversion's does not compile. */
static void put_pairing(const emitter *e, emit_string *c, emit_string *h) {
    unsigned of_both = (unsigned)digest(digest(2166136261u, c), h);
    emit_put(h, "\n/* of both files */\n#define %s_TEXT 0x%08xu\n#endif\n", e->macro, of_both);
    emit_put(c, "\n#if !defined %s_TEXT || %s_TEXT != 0x%08xu\n#error \"this file and its header are not of one conversion\"\n#endif\n", e->macro, e->macro, of_both);
}

clstm_status emit_write(emitter *e, emit_string *source, emit_string *header) {
    emit_string tail = {0};
    const char *own = e->request->options->header ? e->request->options->header : emit_say(e, "%s.h", e->name);
    put_run(e, &tail);
    clstm_status status = put_reset(e, &tail);
    if (e->n_states) put_step(e, &tail);
    if (e->request->options->with_main) put_main(e, &tail);
    put_header(e, header);
    emit_put(source, "/* Made by clstm-convert; see %s. */\n#include \"%s\"\n\n#include <math.h>\n#include <stddef.h>\n#include <string.h>\n\n", own, own);
    put_checks(e, source);
    emit_put(source, "\n/* ---- weights */\n\n");
    emit_append(source, &e->constants);
    emit_put(source, "\n/* ---- nodes */\n");
    put_helpers(e, source);
    emit_append(source, &e->code);
    emit_append(source, &tail);
    put_pairing(e, source, header);
    free(tail.text);
    return status;
}
