/* convert/emit_rearrange: elements in another order or under another name: ReverseSequence, DepthToSpace, SpaceToDepth, BitCast. */
#include "convert/emit.h"

#include "ops/common.h"
#include "util/status.h"

#include <string.h>

/* ---- ReverseSequence: the first len[b] steps of row b backwards ------------------------------------------------------------------------------- */

static clstm_status plan_reverse(emitter *e, emit_step *s) { (void)e; s->fails = true; return CLSTM_OK; }

static clstm_status code_reverse(emitter *e, emit_step *s) {
    const emit_value *x = s->in[0];
    int time_axis = (int)op_attr_int(s->n, "time_axis");
    emit_dim stride[CLSTM_MAX_RANK];
    UTIL_TRY(emit_strides(e, x->rank, x->dims, stride));
    emit_dim inner = stride[1];
    const char *steps = emit_size(e, &x->dims[time_axis]), *by_row = emit_size(e, &stride[1 - time_axis]), *by_step = emit_size(e, &stride[time_axis]), *from = emit_x(e, s, 0);
    emit_line(e, 1, "for (int b = 0; b < %s; b++) {", emit_size(e, &x->dims[1 - time_axis]));
    emit_line(e, 2, "const int64_t n = %s[b];", emit_x(e, s, 1));
    emit_line(e, 2, "if (n < 0 || n > %s) { *bad = 1; return; }", steps);
    emit_line(e, 2, "for (int t = 0; t < %s; t++)", steps);
    emit_line(e, 3, "memcpy(y0 + b * %s + t * %s, %s + b * %s + (t < n ? n - 1 - t : t) * %s, sizeof *y0 * %s);", by_row, by_step, from, by_row, by_step, emit_size(e, &inner));
    emit_line(e, 1, "}");
    return CLSTM_OK;
}

/* ---- DepthToSpace, SpaceToDepth: [N,C,H,W] seen with six dimensions ------------------------------------------------------------------------------ */

/* The depth is (block row, block column, rest), or (rest, row, column) for CRD. */
static clstm_status code_blocks(emitter *e, emit_step *s) {
    bool to_space = s->row->name[0] == 'D', crd = to_space && ir_attr_find(s->n, "mode") && op_word(s->n, "mode", "DCR")[0] == 'C';
    const emit_value *deep = s->in[0], *wide = s->out[0];
    if (!to_space) { deep = s->out[0]; wide = s->in[0]; }
    int64_t b = op_attr_int(s->n, "blocksize"), channels = wide->trial[1], h = deep->trial[2], w = deep->trial[3], area = h * w, row = w * b;
    int64_t count[6] = {deep->trial[0], channels, h, b, w, b};
    int64_t in_deep[6] = {deep->trial[1] * area, crd ? b * b * area : area, w, crd ? b * area : b * channels * area, 1, crd ? area : channels * area};
    int64_t in_wide[6] = {channels * h * b * row, h * b * row, b * row, row, b, 1};
    emit_walk walk = {.rank = 6, .n = 2};
    for (int d = 0; d < 6; d++) {
        walk.dims[d] = emit_fixed(count[d]);
        walk.stride[!to_space][d] = emit_fixed(in_wide[d]);
        walk.stride[to_space][d] = emit_fixed(in_deep[d]);
    }
    return emit_loops(e, &walk, emit_say(e, "y0[@0] = %s[@1];", emit_x(e, s, 0)));
}

/* ---- BitCast: the same bytes ------------------------------------------------------------------------------------------------------------------------ */

static clstm_status code_bits(emitter *e, emit_step *s) {
    emit_line(e, 1, "memcpy(y0, %s, sizeof *y0 * %s);", emit_x(e, s, 0), emit_size(e, &s->out[0]->count));
    return CLSTM_OK;
}

const emit_row emit_rows_rearrange[] = {{.name = "ReverseSequence", .shape = emit_shape_same, .code = code_reverse, .plan = plan_reverse}, {.name = "DepthToSpace", .code = code_blocks},
                                        {.name = "SpaceToDepth", .code = code_blocks}, {.name = "BitCast", .shape = emit_shape_same, .code = code_bits}, {.name = NULL}};
