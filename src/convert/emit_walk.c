/* convert/emit_walk: nested loops over a shape, as few of them as the strides allow. */
#include "convert/emit.h"

#include "util/status.h"

#include <string.h>

clstm_status emit_strides(emitter *e, int rank, const emit_dim *dims, emit_dim *stride) {
    for (int d = 0; d < rank; d++) UTIL_TRY(emit_span(e, dims, d + 1, rank, &stride[d]));
    return CLSTM_OK;
}

clstm_status emit_broadcast_strides(emitter *e, const emit_value *v, const emit_walk *w, emit_dim *stride) {
    emit_dim own[CLSTM_MAX_RANK];
    UTIL_TRY(emit_strides(e, v->rank, v->dims, own));
    for (int d = 0; d < w->rank; d++) {
        int k = d - (w->rank - v->rank);
        stride[d] = k < 0 || emit_is(&v->dims[k], 1) ? emit_fixed(0) : own[k];
    }
    return CLSTM_OK;
}

/* Dimension d+1 continues d for every operand. */
static bool joins(const emit_walk *w, int d) {
    for (int k = 0; k < w->n; k++) {
        emit_dim whole;
        if (!emit_mul(&w->stride[k][d + 1], &w->dims[d + 1], &whole) || !emit_same(&whole, &w->stride[k][d])) return false;
    }
    return true;
}

static void take_out(emit_walk *w, int d) {
    size_t behind = (size_t)(w->rank - d - 1);
    memmove(&w->dims[d], &w->dims[d + 1], behind * sizeof w->dims[0]);
    for (int k = 0; k < w->n; k++) memmove(&w->stride[k][d], &w->stride[k][d + 1], behind * sizeof w->dims[0]);
    w->rank--;
}

static void simplify(emit_walk *w) {
    for (int d = w->rank - 1; d >= 0; d--)
        if (emit_is(&w->dims[d], 1)) take_out(w, d);
    for (int d = w->rank - 2; d >= 0; d--) {
        emit_dim product;
        if (!joins(w, d) || !emit_mul(&w->dims[d], &w->dims[d + 1], &product)) continue;
        w->dims[d + 1] = product;
        take_out(w, d);
    }
}

static const char *index_text(emitter *e, const emit_walk *w, int k) {
    const char *text = "";
    for (int d = 0; d < w->rank; d++) {
        if (emit_is(&w->stride[k][d], 0)) continue;
        const char *plus = text[0] ? " + " : "";
        if (emit_is(&w->stride[k][d], 1)) text = emit_say(e, "%s%si%d", text, plus, d);
        else text = emit_say(e, "%s%si%d * %s", text, plus, d, emit_size(e, &w->stride[k][d]));
    }
    if (!emit_is(&w->offset[k], 0)) text = emit_say(e, "%s%s%s", text, text[0] ? " + " : "", emit_size(e, &w->offset[k]));
    return text[0] ? text : "0";
}

clstm_status emit_loops(emitter *e, emit_walk *w, const char *body) {
    emit_string *to = &e->code;
    simplify(w);
    for (int d = 0; d < w->rank; d++) emit_line(e, d + 1, "for (int i%d = 0; i%d < %s; i%d++)%s", d, d, emit_size(e, &w->dims[d]), d, d + 1 == w->rank ? " {" : "");
    for (const char *line = body; *line;) {
        size_t length = strcspn(line, "\n");
        emit_put(to, "%*s", 4 * (w->rank + 1), "");
        for (size_t i = 0; i < length; i++) {
            if (line[i] == '@') emit_put(to, "%s", index_text(e, w, line[++i] - '0'));
            else emit_put(to, "%c", line[i]);
        }
        emit_put(to, "\n");
        line += length + (line[length] == '\n');
    }
    if (w->rank) emit_line(e, w->rank, "}");
    return CLSTM_OK;
}
