/* convert/emit_dim: arithmetic of symbolic sizes. */
#include "convert/emit_dim.h"

#include <string.h>

emit_dim emit_fixed(int64_t value) {
    emit_dim d = {.n = value != 0};
    if (value) d.term[0].c = value;
    return d;
}

emit_dim emit_symbol(int k) {
    emit_dim d = {.n = 1};
    d.term[0].c = 1;
    d.term[0].power[k] = 1;
    return d;
}

uint32_t emit_symbols(const emit_dim *a) {
    uint32_t mask = 0;
    for (int t = 0; t < a->n; t++)
        for (int k = 0; k < EMIT_SYMBOLS; k++)
            if (a->term[t].power[k]) mask |= (uint32_t)1 << k;
    return mask;
}

bool emit_is_fixed(const emit_dim *a, int64_t *value) {
    *value = a->n ? a->term[0].c : 0;
    return !emit_symbols(a);
}

bool emit_is(const emit_dim *a, int64_t value) {
    int64_t v;
    return emit_is_fixed(a, &v) && v == value;
}

bool emit_same(const emit_dim *a, const emit_dim *b) {
    if (a->n != b->n) return false;
    for (int t = 0; t < a->n; t++)
        if (a->term[t].c != b->term[t].c || memcmp(a->term[t].power, b->term[t].power, EMIT_SYMBOLS) != 0) return false;
    return true;
}

bool emit_nonnegative(const emit_dim *a) {
    for (int t = 0; t < a->n; t++)
        if (a->term[t].c < 0) return false;
    return true;
}

bool emit_evaluate(const emit_dim *a, const int64_t *at, int64_t *value) {
    int64_t sum = 0;
    for (int t = 0; t < a->n; t++) {
        int64_t v = a->term[t].c;
        for (int k = 0; k < EMIT_SYMBOLS; k++)
            for (int p = 0; p < a->term[t].power[k]; p++)
                if (__builtin_mul_overflow(v, at[k], &v)) return false;
        if (__builtin_add_overflow(sum, v, &sum)) return false;
    }
    *value = sum;
    return true;
}

/* Adds one term, keeping the order. */
static bool add_term(emit_dim *d, const emit_term *e) {
    int t = 0;
    if (!e->c) return true;
    while (t < d->n && memcmp(d->term[t].power, e->power, EMIT_SYMBOLS) > 0) t++;
    if (t < d->n && !memcmp(d->term[t].power, e->power, EMIT_SYMBOLS)) {
        if (__builtin_add_overflow(d->term[t].c, e->c, &d->term[t].c)) return false;
        if (d->term[t].c) return true;
        memmove(&d->term[t], &d->term[t + 1], (size_t)(d->n - t - 1) * sizeof d->term[0]);
        d->n--;
        return true;
    }
    if (d->n == EMIT_TERMS) return false;
    memmove(&d->term[t + 1], &d->term[t], (size_t)(d->n - t) * sizeof d->term[0]);
    d->term[t] = *e;
    d->n++;
    return true;
}

bool emit_add(const emit_dim *a, int64_t factor, const emit_dim *b, emit_dim *out) {
    emit_dim sum = *a;
    for (int t = 0; t < b->n; t++) {
        emit_term e = b->term[t];
        if (__builtin_mul_overflow(e.c, factor, &e.c) || !add_term(&sum, &e)) return false;
    }
    *out = sum;
    return true;
}

bool emit_mul(const emit_dim *a, const emit_dim *b, emit_dim *out) {
    emit_dim product = {0};
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++) {
            emit_term e;
            if (__builtin_mul_overflow(a->term[i].c, b->term[j].c, &e.c)) return false;
            for (int k = 0; k < EMIT_SYMBOLS; k++) {
                int p = a->term[i].power[k] + b->term[j].power[k];
                if (p > 32) return false;
                e.power[k] = (uint8_t)p;
            }
            if (!add_term(&product, &e)) return false;
        }
    *out = product;
    return true;
}

bool emit_div(const emit_dim *a, const emit_dim *b, emit_dim *out) {
    emit_dim quotient = {0};
    if (b->n != 1) return false;
    for (int t = 0; t < a->n; t++) {
        emit_term e;
        if (a->term[t].c % b->term[0].c) return false;
        e.c = a->term[t].c / b->term[0].c;
        for (int k = 0; k < EMIT_SYMBOLS; k++) {
            if (a->term[t].power[k] < b->term[0].power[k]) return false;
            e.power[k] = (uint8_t)(a->term[t].power[k] - b->term[0].power[k]);
        }
        if (!add_term(&quotient, &e)) return false;
    }
    *out = quotient;
    return true;
}
