/* convert/emit_product: MatMul, MatMulInteger, Gemm, Einsum. A constant second matrix is packed into the panels that the product helper reads. */
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

static factors factors_of(const emit_step *s) {
    const emit_value *a = s->in[0], *b = s->in[1];
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
    if (s->in[1]->rank > 1) dims[rank++] = f.n;
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

/* An element of A or B of a MatMulInteger, less its zero point: one, or one for each row or column. */
static const char *less_zero(emitter *e, const emit_step *s, int i, const char *element, const char *place) {
    if (!emit_has(s, 2 + i)) return emit_say(e, "(int32_t)%s", element);
    return emit_say(e, "(%s - %s[%s])", element, emit_x(e, s, 2 + i), emit_is(&s->in[2 + i]->count, 1) ? "0" : place);
}

/* The loops of one matrix product; operands 0, 1, 2 of the walk are the first elements of y, a and b. Rows of b are added up in y, so
 * that the inner loop is over neighbours; float16 and bfloat16 need a sum that is rounded once. */
static clstm_status general(emitter *e, emit_step *s, emit_walk *w, const factors *f, const emit_dim *am, const emit_dim *ak, const emit_dim *bk, const emit_dim *bn,
                            const char *factor, bool add) {
    clstm_type type = s->out[0]->type;
    const char *m = emit_size(e, &f->m), *n = emit_size(e, &f->n), *k = emit_size(e, &f->k), *T = emit_ctype(emit_calc(type));
    const char *a = emit_load(e, type, emit_say(e, "%s[@1 + m * %s + k * %s]", emit_x(e, s, 0), emit_size(e, am), emit_size(e, ak)));
    const char *b = emit_load(e, type, emit_say(e, "%s[@2 + k * %s + n * %s]", emit_x(e, s, 1), emit_size(e, bk), emit_size(e, bn)));
    const char *y = emit_say(e, "y0[@0 + m * %s + n]", n);
    if (type == CLSTM_INT32) { a = less_zero(e, s, 0, a, "m"); b = less_zero(e, s, 1, b, "n"); }
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
    for (int i = 2; i < 4; i++)
        if (emit_has(s, i) && s->in[i]->rank > 1) return emit_refuse(e, "zero points of more than one dimension");
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

/* One loop a letter: those of the output around, the others inside, in alphabetical order as the standard sums them. */
static clstm_status code_einsum(emitter *e, emit_step *s) {
    const char *equation = op_attr_string(s->n, "equation"), *arrow = strstr(equation, "->"), *at = equation;
    char output[64] = "", letters[64] = "";
    int used[128] = {0}, n_letters = 0;
    emit_dim size[128];
    clstm_type type = s->out[0]->type;
    if (strchr(equation, '.') || !real(type) || s->n->n_in > EMIT_OPERANDS - 1) return emit_refuse(e, "Einsum with an ellipsis, of integers, or of many inputs");
    emit_walk w = {.n = 1 + s->n->n_in};
    memset(size, 0, sizeof size);
    for (int i = 0; i < s->n->n_in; i++, at += *at == ',') {
        for (int d = 0; *at && *at != ',' && at != arrow; at++) {
            if (*at == ' ' || (unsigned char)*at >= 128) continue;
            used[(int)*at]++;
            if (emit_is(&size[(int)*at], 0) || emit_is(&size[(int)*at], 1)) size[(int)*at] = s->in[i]->dims[d];
            d++;
        }
    }
    size_t n_out = 0;
    for (const char *c = arrow ? arrow + 2 : ""; *c && n_out < 60; c++)
        if (*c != ' ') output[n_out++] = *c;
    for (int c = 'A'; !arrow && c <= 'z'; c++)
        if (used[c] == 1) output[n_out++] = (char)c;
    strcpy(letters, output);
    n_letters = (int)n_out;
    for (int c = 'A'; c <= 'z' && n_letters < 60; c++)
        if (used[c] && !strchr(output, c)) letters[n_letters++] = (char)c;
    letters[n_letters] = 0;
    if (n_letters > 2 * CLSTM_MAX_RANK) return emit_refuse(e, "Einsum of so many letters");
    /* strides of every operand by letter; a letter twice in one operand walks its diagonal */
    emit_dim stride[EMIT_OPERANDS][128], own[CLSTM_MAX_RANK];
    memset(stride, 0, sizeof stride);
    at = equation;
    for (int i = 0; i < s->n->n_in; i++, at += *at == ',') {
        UTIL_TRY(emit_strides(e, s->in[i]->rank, s->in[i]->dims, own));
        for (int d = 0; *at && *at != ',' && at != arrow; at++) {
            if (*at == ' ' || (unsigned char)*at >= 128) continue;
            if (!emit_is(&s->in[i]->dims[d], 1)) UTIL_TRY(emit_sum(e, &stride[i + 1][(int)*at], 1, &own[d], &stride[i + 1][(int)*at]));
            d++;
        }
    }
    UTIL_TRY(emit_strides(e, s->out[0]->rank, s->out[0]->dims, own));
    for (size_t d = 0; d < n_out; d++) stride[0][(int)output[d]] = own[d];
    const char *inner = "", *product = "", *index;
    for (int l = 0; l < (int)n_out; l++, w.rank++) {
        w.dims[l] = size[(int)letters[l]];
        for (int k = 0; k < w.n; k++) w.stride[k][l] = stride[k][(int)letters[l]];
    }
    for (int l = (int)n_out; l < n_letters; l++) inner = emit_say(e, "%sfor (int s%d = 0; s%d < %s; s%d++) ", inner, l, l, emit_size(e, &size[(int)letters[l]]), l);
    for (int i = 0; i < s->n->n_in; i++) {
        index = emit_say(e, "@%d", i + 1);
        for (int l = (int)n_out; l < n_letters; l++)
            if (!emit_is(&stride[i + 1][(int)letters[l]], 0)) index = emit_say(e, "%s + s%d * %s", index, l, emit_size(e, &stride[i + 1][(int)letters[l]]));
        product = emit_say(e, "%s%s%s", product, i ? " * " : "", emit_load(e, type, emit_say(e, "%s[%s]", emit_x(e, s, i), index)));
    }
    return emit_loops(e, &w, emit_say(e, "%s sum = 0;\n%ssum += %s;\ny0[@0] = %s;", emit_ctype(emit_calc(type)), inner, product, emit_store(e, type, "sum")));
}

const emit_row emit_rows_product[] = {{.name = "MatMul", .shape = shape_matmul, .code = code_matmul}, {.name = "MatMulInteger", .shape = shape_matmul, .code = code_matmul}, {.name = "Gemm", .shape = shape_gemm, .code = code_gemm},
                                      {.name = "Einsum", .code = code_einsum}, {.name = NULL}};
