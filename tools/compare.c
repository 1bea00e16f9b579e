/* compare: whether a value is what was expected, and if not, where and by how much. */
#include "compare.h"

#include "io/buffer.h"
#include "io/value.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *kind_name(clstm_kind kind) { return kind == CLSTM_KIND_TENSOR ? "a tensor" : kind == CLSTM_KIND_SEQUENCE ? "a sequence" : "nothing"; }

/* The distance from |v| to the next number of the type. */
static double unit_in_last_place(clstm_type type, double v) {
    int digits = type == CLSTM_DOUBLE ? 53 : type == CLSTM_FLOAT ? 24 : type == CLSTM_FLOAT16 ? 11 : 8;
    int least = type == CLSTM_DOUBLE ? -1074 : type == CLSTM_FLOAT ? -149 : type == CLSTM_FLOAT16 ? -24 : -133, exponent;
    frexp(v, &exponent);
    return ldexp(1, v == 0 || exponent - digits < least ? least : exponent - digits);
}

static bool close_enough(clstm_type type, double got, double expected, const compare_rule *rule) {
    if (isnan(got) || isnan(expected)) return isnan(got) && isnan(expected);
    if (isinf(got) || isinf(expected)) return got == expected;
    double error = fabs(got - expected), rtol = rule->rtol, atol = rule->atol;
    if (rule->ulp >= 0) return error <= rule->ulp * unit_in_last_place(type, expected);
    if (type == CLSTM_FLOAT16 || type == CLSTM_BFLOAT16) {
        rtol = fmax(rtol, 1e-2);
        atol = fmax(atol, 1e-3);
    }
    return error <= atol + rtol * fabs(expected);
}

static void index_text(char *out, size_t size, const clstm_tensor *t, int64_t i) {
    int64_t at[CLSTM_MAX_RANK];
    size_t used = 1;
    for (int d = t->rank - 1; d >= 0; d--) { at[d] = i % t->dims[d]; i /= t->dims[d]; }
    snprintf(out, size, "[");
    for (int d = 0; d < t->rank; d++) used += (size_t)snprintf(out + used, size - used, "%s%lld", d ? "," : "", (long long)at[d]);
    snprintf(out + used, size - used, "]");
}

/* Elements whose bytes have no order of ours (complex types, as two floats) are taken apart by the caller. */
static bool element_equal(const clstm_tensor *got, const clstm_tensor *expected, int64_t i, const compare_rule *rule, double *error) {
    if (!io_type_is_float(got->type)) {
        int64_t a = io_get_int(got, i), b = io_get_int(expected, i);
        *error = fabs(io_get(got, i) - io_get(expected, i));
        return a == b;
    }
    double a = io_get(got, i), b = io_get(expected, i);
    *error = isfinite(a) && isfinite(b) ? fabs(a - b) : 0;
    return close_enough(got->type, a, b, rule);
}

static void compare_elements(const clstm_tensor *got, const clstm_tensor *expected, const compare_rule *rule, compare_result *r) {
    int64_t first = -1;
    double error;
    r->count = clstm_tensor_count(got);
    for (int64_t i = 0; i < r->count; i++) {
        if (!element_equal(got, expected, i, rule, &error)) {
            if (first < 0) first = i;
            r->differing++;
        }
        r->largest = fmax(r->largest, error);
    }
    if (first < 0) { r->equal = true; return; }
    char where[200], a[40], b[40], largest[40];
    index_text(where, sizeof where, got, first);
    snprintf(r->reason, sizeof r->reason, "%s: got %s, expected %s (%lld of %lld differ, largest error %s)", where, io_element_text(a, sizeof a, got, first),
             io_element_text(b, sizeof b, expected, first), (long long)r->differing, (long long)r->count, io_real_text(largest, sizeof largest, r->largest));
}

/* Complex elements are pairs of reals: one more axis of two. */
static clstm_tensor as_reals(const clstm_tensor *t) {
    clstm_tensor u = *t;
    if (t->type != CLSTM_COMPLEX64 && t->type != CLSTM_COMPLEX128) return u;
    u.type = t->type == CLSTM_COMPLEX64 ? CLSTM_FLOAT : CLSTM_DOUBLE;
    if (u.rank < CLSTM_MAX_RANK) u.dims[u.rank++] = 2;
    else u.dims[u.rank - 1] *= 2;
    return u;
}

static void compare_tensors(const clstm_tensor *got, const clstm_tensor *expected, const compare_rule *rule, compare_result *r) {
    char a[200], b[200];
    bool same = got->rank == expected->rank;
    if (got->type != expected->type) {
        snprintf(r->reason, sizeof r->reason, "got type %s, expected %s", clstm_type_name(got->type), clstm_type_name(expected->type));
        return;
    }
    for (int i = 0; same && i < got->rank; i++) same = got->dims[i] == expected->dims[i];
    if (!same) {
        snprintf(r->reason, sizeof r->reason, "got shape %s, expected %s", io_shape_text(a, sizeof a, got, NULL), io_shape_text(b, sizeof b, expected, NULL));
        return;
    }
    clstm_tensor g = as_reals(got), e = as_reals(expected);
    compare_elements(&g, &e, rule, r);
}

void compare_values(const clstm_value *got, const clstm_value *expected, const compare_rule *rule, compare_result *r) {
    memset(r, 0, sizeof *r);
    if (got->kind != expected->kind) {
        snprintf(r->reason, sizeof r->reason, "got %s, expected %s", kind_name(got->kind), kind_name(expected->kind));
        return;
    }
    if (got->kind == CLSTM_KIND_TENSOR) { compare_tensors(&got->tensor, &expected->tensor, rule, r); return; }
    if (got->kind == CLSTM_KIND_SEQUENCE && got->count != expected->count) {
        snprintf(r->reason, sizeof r->reason, "got %zu items, expected %zu", got->count, expected->count);
        return;
    }
    r->equal = true;
    for (size_t i = 0; got->kind == CLSTM_KIND_SEQUENCE && i < got->count; i++) {
        compare_result item;
        compare_values(&got->items[i], &expected->items[i], rule, &item);
        r->count += item.count;
        r->differing += item.differing;
        r->largest = fmax(r->largest, item.largest);
        if (!item.equal && r->equal) snprintf(r->reason, sizeof r->reason, "item %zu %.350s", i, item.reason);
        r->equal &= item.equal;
    }
}
