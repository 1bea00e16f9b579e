/* ops/suppress: NonMaxSuppression.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : NonMaxSuppression */
#include "ops/families.h"
#include "ops/common.h"

#include <stdlib.h>

typedef struct candidate { float score; int64_t box; } candidate;

/* Best first; equal scores in reading order. */
static int compare(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return (x->box > y->box) - (x->box < y->box);
}

static clstm_status check(ir_node *n, clstm_error *err) {
    int64_t centre = op_attr_int(n, "center_point_box");
    return centre == 0 || centre == 1 ? CLSTM_OK : util_fail(err, CLSTM_BAD_MODEL, "attribute center_point_box is %lld", (long long)centre);
}

static clstm_status infer(op_ctx *c) {
    const clstm_tensor *boxes = op_in(c, 0), *scores = op_in(c, 1);
    if (boxes->rank != 3 || boxes->dims[2] != 4 || scores->rank != 3 || scores->dims[0] != boxes->dims[0] || scores->dims[2] != boxes->dims[1])
        return op_bad_model(c, "boxes must be [N,B,4] and scores [N,C,B]");
    return OP_DEFER;
}

/* Corners low and high of both dimensions. */
static void corners(const float *b, bool centre, float out[4]) {
    for (int d = 0; d < 2; d++) {
        float p = centre ? b[d] - b[2 + d] / 2 : b[d], q = centre ? b[d] + b[2 + d] / 2 : b[2 + d];
        out[d] = p < q ? p : q;
        out[2 + d] = p < q ? q : p;
    }
}

static float overlap(const float *a, const float *b, bool centre) {
    float x[4], y[4], shared = 1, area_x = 1, area_y = 1;
    corners(a, centre, x);
    corners(b, centre, y);
    for (int d = 0; d < 2; d++) {
        float low = x[d] > y[d] ? x[d] : y[d], high = x[2 + d] < y[2 + d] ? x[2 + d] : y[2 + d];
        shared *= high > low ? high - low : 0;
        area_x *= x[2 + d] - x[d];
        area_y *= y[2 + d] - y[d];
    }
    float joined = area_x + area_y - shared;
    return joined > 0 ? shared / joined : 0;
}

static clstm_status number(op_ctx *c, int i, double fallback, double *out) {
    *out = fallback;
    if (!op_has_in(c, i)) return CLSTM_OK;
    if (clstm_tensor_count(op_in(c, i)) != 1) return op_bad_input(c, "input %d must have one element", i);
    *out = tensor_get_double(op_in(c, i), 0);
    return CLSTM_OK;
}

/* The boxes of one class that stay, best first, into keep; returns their number. */
static int64_t choose(const float *boxes, const float *scores, int64_t n, int64_t most, double iou, double least, bool limited, bool centre, candidate *all, int64_t *keep) {
    int64_t count = 0, kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (scores[i] == scores[i] && (!limited || (double)scores[i] > least)) all[count++] = (candidate){scores[i], i};
    qsort(all, (size_t)count, sizeof *all, compare);
    for (int64_t i = 0; i < count && kept < most; i++) {
        bool free_of_others = true;
        for (int64_t k = 0; k < kept && free_of_others; k++) free_of_others = !((double)overlap(boxes + 4 * all[i].box, boxes + 4 * keep[k], centre) > iou);
        if (free_of_others) keep[kept++] = all[i].box;
    }
    return kept;
}

static clstm_status run(op_ctx *c) {
    const clstm_tensor *scores = op_in(c, 1);
    int64_t batch = scores->dims[0], classes = scores->dims[1], n = scores->dims[2], made = 0;
    double most, iou, least;
    UTIL_TRY(number(c, 2, 0, &most));
    UTIL_TRY(number(c, 3, 0, &iou));
    UTIL_TRY(number(c, 4, 0, &least));
    if (!(iou >= 0 && iou <= 1)) return op_bad_input(c, "iou_threshold is %g", iou);
    int64_t limit = most < 0 ? 0 : most > (double)n ? n : (int64_t)most, *found = NULL;
    size_t room = 0;
    candidate *all = util_calloc((size_t)n, sizeof *all);
    int64_t *keep = util_calloc((size_t)n, sizeof *keep);
    clstm_status status = all && keep ? CLSTM_OK : util_no_memory(c->err);
    for (int64_t r = 0; r < batch * classes && status == CLSTM_OK; r++) {
        int64_t kept = choose((const float *)op_in(c, 0)->data + r / classes * n * 4, (const float *)scores->data + r * n, n, limit, iou, least, op_has_in(c, 4),
                              op_attr_int(c->node, "center_point_box") != 0, all, keep);
        if (!util_grow((void **)&found, &room, (size_t)(made + kept) * 3 + 1, sizeof *found)) { status = util_no_memory(c->err); break; }
        for (int64_t k = 0; k < kept; k++, made++) {
            found[3 * made] = r / classes;
            found[3 * made + 1] = r % classes;
            found[3 * made + 2] = keep[k];
        }
    }
    if (status == CLSTM_OK) status = op_output_tensor(c, 0, CLSTM_INT64, 2, (int64_t[]){made, 3});
    for (int64_t i = 0; i < 3 * made && status == CLSTM_OK; i++) ((int64_t *)op_out(c, 0)->data)[i] = found[i];
    free(all); free(keep); free(found);
    return status;
}

/* Every box is held against those that stay; overlap takes some twenty operations. */
static double flops(const op_ctx *c) {
    const clstm_tensor *scores = op_in(c, 1);
    return 20.0 * (double)clstm_tensor_count(scores) * (double)scores->dims[2] / 2;
}

const op_desc ops_suppress[] = {
    {.domain = "", .name = "NonMaxSuppression", .since = 10,
     .inputs = "boxes:float scores:float max_output_boxes_per_class?:int64 iou_threshold?:float score_threshold?:float", .outputs = "selected_indices:int64",
     .attrs = "center_point_box:i=0", .check = check, .infer = infer, .run = run, .flags = OP_ALLOCATES, .flops = flops},
    OP_ARRAY_END,
};
