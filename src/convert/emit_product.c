/* convert/emit_product: MatMul, MatMulInteger, QLinearMatMul, Gemm, Einsum. A constant second matrix is packed into the panels that the product helper reads. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <stdlib.h>
#include <string.h>

static bool single(clstm_type t) { return emit_calc(t) == CLSTM_FLOAT; }
static bool real(clstm_type t) { return single(t) || t == CLSTM_DOUBLE; }

const char *emit_packed(emitter *e, clstm_type type, int64_t k, int64_t n, const double *w) {
    double *packed = util_arena_alloc(&e->arena, (size_t)(k * n) + 1, sizeof *packed), *to = packed;
    if (!packed) { e->failed = true; return ""; }
    for (int64_t j = 0, width; j < n; j += width) {
        width = n - j >= 32 ? 32 : n - j >= 8 ? 8 : 1;
        for (int64_t i = 0; i < k; i++)
            for (int64_t c = 0; c < width; c++) *to++ = w[i * n + j + c];
    }
    e->helpers |= single(type) ? EMIT_USES_PRODUCT : EMIT_USES_PRODUCT_D;
    return emit_numbers(e, emit_calc(type), k * n, packed);
}

/* The raw matrix of constant input i as doubles [k][n], transposed when asked. */
static clstm_status matrix(emitter *e, const emit_step *s, int i, int64_t k, int64_t n, bool transposed, double **out) {
    clstm_tensor t;
    UTIL_TRY(emit_data(e, s, i, &t));
    *out = util_arena_alloc(&e->arena, (size_t)(k * n) + 1, sizeof **out);
    if (!*out) return util_no_memory(e->err);
    for (int64_t r = 0; r < k; r++)
        for (int64_t c = 0; c < n; c++) (*out)[r * n + c] = tensor_get_double(&t, transposed ? c * k + r : r * n + c);
    return CLSTM_OK;
}

/* ---- MatMul --------------------------------------------------------------------------------------------------------------------------------- */

typedef struct factors { emit_dim m, k, n, k2; int rank_a, rank_b; const emit_dim *a, *b; } factors;   /* ranks and dims of the batch */

static bool linear(const emit_step *s) { return s->row->name[0] == 'Q'; }
static int second(const emit_step *s) { return linear(s) ? 3 : 1; }

static factors factors_of(const emit_step *s) {
    const emit_value *a = s->in[0], *b = s->in[second(s)];
    factors f = {.m = emit_fixed(1), .n = emit_fixed(1), .a = a->dims, .b = b->dims};
    f.k = a->dims[a->rank - 1];
    if (a->rank > 1) f.m = a->dims[a->rank - 2];
    f.k2 = b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0];
    if (b->rank > 1) f.n = b->dims[b->rank - 1];
    f.rank_a = a->rank > 2 ? a->rank - 2 : 0;
    f.rank_b = b->rank > 2 ? b->rank - 2 : 0;
    return f;
}

static clstm_status shape_matmul(emitter *e, emit_step *s) {
    factors f = factors_of(s);
    emit_dim dims[CLSTM_MAX_RANK];
    int rank;
    if (!emit_same(&f.k, &f.k2)) return emit_pin(e, emit_step_symbols(s));
    UTIL_TRY(emit_broadcast(e, f.rank_a, f.a, f.rank_b, f.b, &rank, dims));
    if (s->in[0]->rank > 1) dims[rank++] = f.m;
    if (s->in[second(s)]->rank > 1) dims[rank++] = f.n;
    return emit_set(s, 0, rank, dims);
}

/* One matrix for all rows of A. */
static bool one_matrix(const emit_step *s, const factors *f) {
    for (int d = 0; d < f->rank_b; d++)
        if (!emit_is(&f->b[d], 1)) return false;
    return s->in[1]->ir->constant != NULL && f->rank_a >= f->rank_b;
}

static clstm_status packed_rows(emitter *e, emit_step *s, const emit_dim *rows, int64_t k, int64_t n, const double *w, const char *start) {
    const char *c = emit_packed(e, s->in[0]->type, k, n, w), *x = emit_x(e, s, 0);
    bool once = emit_is(rows, 1);
    if (!once) emit_line(e, 1, "for (int r = 0; r < %s; r++, %s += %lld, y0 += %lld) {", emit_size(e, rows), "x0", (long long)k, (long long)n);
    if (start) emit_line(e, 1 + !once, "for (int j = 0; j < %lld; j++) y0[j] = %s;", (long long)n, start);
    emit_line(e, 1 + !once, "product%s(%lld, %lld, %s, %s, y0);", single(s->in[0]->type) ? "f" : "", (long long)k, (long long)n, x, c);
    if (!once) emit_line(e, 1, "}");
    return CLSTM_OK;
}

/* A scale or zero point: one, or one for each row or column. */
static const char *part(emitter *e, const emit_step *s, int i, const char *place) {
    return emit_load(e, s->in[i]->type, emit_say(e, "%s[%s]", emit_x(e, s, i), emit_is(&s->in[i]->count, 1) ? "0" : place));
}

/* An element of A or B of a product of integers, less its zero point. */
static const char *less_zero(emitter *e, const emit_step *s, int i, const char *element, const char *place) {
    int zero = i && linear(s) ? 5 : 2 + i;
    return emit_has(s, zero) ? emit_say(e, "(%s - %s)", element, part(e, s, zero, place)) : emit_say(e, "(int32_t)%s", element);
}

/* The loops of one matrix product; operands 0, 1, 2 of the walk are the first elements of y, a and b. Rows of b are added up in y, so
 * that the inner loop is over neighbours; float16 and bfloat16 need a sum that is rounded once. */
static clstm_status general(emitter *e, emit_step *s, emit_walk *w, const factors *f, const emit_dim *am, const emit_dim *ak, const emit_dim *bk, const emit_dim *bn,
                            const char *factor, bool add) {
    clstm_type type = s->out[0]->type;
    const char *m = emit_size(e, &f->m), *n = emit_size(e, &f->n), *k = emit_size(e, &f->k), *T = emit_ctype(emit_calc(type));
    const char *a = emit_load(e, type, emit_say(e, "%s[@1 + m * %s + k * %s]", emit_x(e, s, 0), emit_size(e, am), emit_size(e, ak)));
    const char *b = emit_load(e, type, emit_say(e, "%s[@2 + k * %s + n * %s]", emit_x(e, s, second(s)), emit_size(e, bk), emit_size(e, bn)));
    const char *y = emit_say(e, "y0[@0 + m * %s + n]", n);
    if (type == CLSTM_INT32 || linear(s)) { a = less_zero(e, s, 0, a, "m"); b = less_zero(e, s, 1, b, "n"); }
    if (linear(s))
        return emit_loops(e, w, emit_say(e, "for (int m = 0; m < %s; m++)\n    for (int n = 0; n < %s; n++) {\n        uint32_t sum = 0;\n        for (int k = 0; k < %s; k++) sum += (uint32_t)(%s * %s);\n"
                                         "        const float q = rintf((float)(int32_t)sum * (%s * %s / %s)) + (float)%s;\n        %s = %s;\n    }",
                                         m, n, k, a, b, part(e, s, 1, "m"), part(e, s, 4, "n"), part(e, s, 6, "m"), part(e, s, 7, "m"), y, emit_saturated(e, type)));
    if (emit_calc(type) == type)
        return emit_loops(e, w, emit_say(e, "for (int m = 0; m < %s; m++) {\n%s    for (int k = 0; k < %s; k++) {\n        const %s a = %s%s;\n"
                                         "        for (int n = 0; n < %s; n++) %s += a * %s;\n    }\n}",
                                         m, add ? "" : emit_say(e, "    for (int n = 0; n < %s; n++) %s = 0;\n", n, y), k, T, factor, a, n, y, b));
    return emit_loops(e, w, emit_say(e, "for (int m = 0; m < %s; m++)\n    for (int n = 0; n < %s; n++) {\n        %s sum = 0;\n        for (int k = 0; k < %s; k++) sum += %s * %s;\n        %s = %s;\n    }",
                                     m, n, T, k, a, b, y, emit_store(e, type, add ? emit_say(e, "%s + %ssum", emit_load(e, type, y), factor) : emit_say(e, "%ssum", factor))));
}

static clstm_status code_matmul(emitter *e, emit_step *s) {
    factors f = factors_of(s);
    int64_t k, n;
    emit_dim rows, dims[CLSTM_MAX_RANK], own[CLSTM_MAX_RANK], one = emit_fixed(1), mn;
    bool integer = strcmp(s->row->name, "MatMul") != 0;
    if (!real(s->out[0]->type) && !integer) return emit_refuse(e, "MatMul of integers");
    for (int i = 1; i < s->n->n_in; i++)
        if (i != second(s) && emit_has(s, i) && s->in[i]->rank > 1 && !emit_is(&s->in[i]->count, 1)) return emit_refuse(e, "scales or zero points of more than one dimension");
    if (!integer && emit_calc(s->out[0]->type) == s->out[0]->type && one_matrix(s, &f) && emit_is_fixed(&f.k, &k) && emit_is_fixed(&f.n, &n) && !s->in[0]->ir->constant && !s->in[0]->known) {
        double *w;
        UTIL_TRY(matrix(e, s, 1, k, n, false, &w));
        UTIL_TRY(emit_span(e, s->in[0]->dims, 0, s->in[0]->rank - 1, &rows));
        return packed_rows(e, s, &rows, k, n, w, "0");
    }
    emit_walk w = {.n = 3};
    UTIL_TRY(emit_broadcast(e, f.rank_a, f.a, f.rank_b, f.b, &w.rank, dims));
    memcpy(w.dims, dims, sizeof dims);
    UTIL_TRY(emit_times(e, &f.m, &f.n, &mn));
    UTIL_TRY(emit_strides(e, w.rank, dims, own));
    for (int d = 0; d < w.rank; d++) UTIL_TRY(emit_times(e, &own[d], &mn, &w.stride[0][d]));
    for (int side = 0; side < 2; side++) {
        int rank = side ? f.rank_b : f.rank_a;
        const emit_dim *from = side ? f.b : f.a;
        emit_dim part;
        UTIL_TRY(emit_times(e, &f.k, side ? &f.n : &f.m, &part));
        UTIL_TRY(emit_strides(e, rank, from, own));
        for (int d = 0; d < w.rank; d++) {
            int i = d - (w.rank - rank);
            w.stride[side + 1][d] = emit_fixed(0);
            if (i >= 0 && !emit_is(&from[i], 1)) UTIL_TRY(emit_times(e, &own[i], &part, &w.stride[side + 1][d]));
        }
    }
    return general(e, s, &w, &f, &f.k, &one, &f.n, &one, "", false);
}

/* ---- Gemm: alpha A.B + beta C ----------------------------------------------------------------------------------------------------------------- */

static factors gemm_factors(const emit_step *s) {
    bool ta = op_attr_int(s->n, "transA") != 0, tb = op_attr_int(s->n, "transB") != 0;
    return (factors){.m = s->in[0]->dims[ta], .k = s->in[0]->dims[!ta], .k2 = s->in[1]->dims[tb], .n = s->in[1]->dims[!tb]};
}

static clstm_status shape_gemm(emitter *e, emit_step *s) {
    factors f = gemm_factors(s);
    emit_dim dims[2] = {f.m, f.n};
    if (!emit_same(&f.k, &f.k2)) return emit_pin(e, emit_step_symbols(s));
    return emit_set(s, 0, 2, dims);
}

static clstm_status gemm_start(emitter *e, emit_step *s) {
    clstm_type type = s->out[0]->type;
    float beta = op_attr_float(s->n, "beta");
    emit_walk w = {.rank = 2, .n = 1, .dims = {s->out[0]->dims[0], s->out[0]->dims[1]}};
    const char *value = "0";
    UTIL_TRY(emit_strides(e, 2, s->out[0]->dims, w.stride[0]));
    if (emit_has(s, 2) && beta != 0) {
        UTIL_TRY(emit_broadcast_strides(e, s->in[2], &w, w.stride[w.n++]));
        value = emit_load(e, type, emit_say(e, "%s[@1]", emit_x(e, s, 2)));
        if (beta != 1) value = emit_say(e, "%s * %s", emit_real(e, type, (double)beta), value);
    }
    return emit_loops(e, &w, emit_say(e, "y0[@0] = %s;", emit_store(e, type, value)));
}

static clstm_status code_gemm(emitter *e, emit_step *s) {
    factors f = gemm_factors(s);
    clstm_type type = s->out[0]->type;
    bool ta = op_attr_int(s->n, "transA") != 0, tb = op_attr_int(s->n, "transB") != 0;
    double alpha = (double)op_attr_float(s->n, "alpha"), *w;
    int64_t k, n;
    emit_dim one = emit_fixed(1);
    emit_walk once = {.n = 3};
    if (!real(type)) return emit_refuse(e, "Gemm of integers");
    UTIL_TRY(gemm_start(e, s));
    if (!ta && emit_calc(type) == type && s->in[1]->ir->constant && emit_is_fixed(&f.k, &k) && emit_is_fixed(&f.n, &n) && !s->in[0]->ir->constant && !s->in[0]->known) {
        UTIL_TRY(matrix(e, s, 1, k, n, tb, &w));
        for (int64_t i = 0; i < k * n; i++) w[i] *= alpha;
        return packed_rows(e, s, &f.m, k, n, w, NULL);
    }
    return general(e, s, &once, &f, ta ? &one : &f.k, ta ? &f.m : &one, tb ? &one : &f.n, tb ? &f.k : &one, alpha == 1 ? "" : emit_say(e, "%s * ", emit_real(e, type, alpha)), true);
}

/* ---- Einsum ---------------------------------------------------------------------------------------------------------------------------------------- */

enum { LETTERS = 128, LABELS = LETTERS + CLSTM_MAX_RANK };      /* a label: a character, or a dimension of the ellipsis, counted from the right */

/* The labels of one term; rank -1: the output's, whose ellipsis has *dots of them. The operator's own rule has found the equation right. */
static const char *read_term(const char *c, int rank, int *dots, int *label, int *n) {
    int letters = 0, wild;
    for (const char *p = c; *p && *p != ',' && *p != '-'; p++) letters += *p != ' ' && *p != '.';
    wild = rank < 0 ? *dots : rank - letters;
    for (*n = 0; *c && *c != ',' && *c != '-'; c++) {
        if (*c == ' ') continue;
        if (*c != '.') { label[(*n)++] = (unsigned char)*c % LETTERS; continue; }
        for (int k = 0; k < wild && *n < CLSTM_MAX_RANK; k++) label[(*n)++] = LABELS - wild + k;
        if (wild > *dots) *dots = wild;
        c += 2;
    }
    return c;
}

/* One loop a label: those of the output around, the others inside, in alphabetical order as the standard sums them. */
static clstm_status code_einsum(emitter *e, emit_step *s) {
    int label[EMIT_OPERANDS][CLSTM_MAX_RANK], used[LABELS] = {0}, order[LABELS], out[2 * CLSTM_MAX_RANK], n, dots = 0, n_out = 0, n_labels;
    emit_dim size[LABELS], stride[EMIT_OPERANDS][LABELS], own[CLSTM_MAX_RANK];
    clstm_type type = s->out[0]->type;
    const char *at = op_attr_string(s->n, "equation"), *inner = "", *product = "", *index, *T = real(type) ? emit_ctype(emit_calc(type)) : "uint64_t";
    if (s->n->n_in > EMIT_OPERANDS - 1) return emit_refuse(e, "Einsum of many inputs");
    emit_walk w = {.n = 1 + s->n->n_in};
    memset(size, 0, sizeof size);
    memset(stride, 0, sizeof stride);
    for (int i = 0; i < s->n->n_in; i++, at += *at == ',') {
        at = read_term(at, s->in[i]->rank, &dots, label[i], &n);
        UTIL_TRY(emit_strides(e, s->in[i]->rank, s->in[i]->dims, own));
        for (int d = 0; d < n; d++) {       /* a label twice in one operand walks its diagonal */
            int l = label[i][d];
            used[l]++;
            if (emit_is(&size[l], 0) || emit_is(&size[l], 1)) size[l] = s->in[i]->dims[d];
            if (!emit_is(&s->in[i]->dims[d], 1)) UTIL_TRY(emit_sum(e, &stride[i + 1][l], 1, &own[d], &stride[i + 1][l]));
        }
    }
    if (*at) read_term(at + 2, -1, &dots, out, &n_out);
    for (int l = LABELS - dots; !*at && l < LABELS; l++) out[n_out++] = l;
    for (int l = 0; !*at && l < LETTERS; l++)
        if (used[l] == 1) out[n_out++] = l;
    memcpy(order, out, (size_t)n_out * sizeof *out);
    n_labels = n_out;
    for (int l = 0; l < LABELS; l++) {
        bool given = !used[l];
        for (int k = 0; k < n_out; k++) given |= out[k] == l;
        if (!given) order[n_labels++] = l;
    }
    UTIL_TRY(emit_strides(e, s->out[0]->rank, s->out[0]->dims, own));
    for (int d = 0; d < n_out; d++, w.rank++) {
        stride[0][out[d]] = own[d];
        w.dims[d] = size[out[d]];
        for (int k = 0; k < w.n; k++) w.stride[k][d] = stride[k][out[d]];
    }
    for (int l = n_out; l < n_labels; l++) inner = emit_say(e, "%sfor (int s%d = 0; s%d < %s; s%d++) ", inner, l, l, emit_size(e, &size[order[l]]), l);
    for (int i = 0; i < s->n->n_in; i++) {
        index = emit_say(e, "@%d", i + 1);
        for (int l = n_out; l < n_labels; l++)
            if (!emit_is(&stride[i + 1][order[l]], 0)) index = emit_say(e, "%s + s%d * %s", index, l, emit_size(e, &stride[i + 1][order[l]]));
        product = emit_say(e, "%s%s%s%s", product, i ? " * " : "", real(type) ? "" : "(uint64_t)", emit_load(e, type, emit_say(e, "%s[%s]", emit_x(e, s, i), index)));
    }
    return emit_loops(e, &w, emit_say(e, "%s sum = 0;\n%ssum += %s;\ny0[@0] = %s;", T, inner, product, real(type) ? emit_store(e, type, "sum") : emit_say(e, "(%s)sum", emit_ctype(type))));
}

const emit_row emit_rows_product[] = {{.name = "MatMul", .shape = shape_matmul, .code = code_matmul}, {.name = "MatMulInteger", .shape = shape_matmul, .code = code_matmul}, {.name = "QLinearMatMul", .shape = shape_matmul, .code = code_matmul}, {.name = "Gemm", .shape = shape_gemm, .code = code_gemm},
                                      {.name = "Einsum", .code = code_einsum}, {.name = NULL}};
