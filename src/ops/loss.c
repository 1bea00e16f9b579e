/* ops/loss: NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. Models exported in training mode carry them.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md */
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>
#include <string.h>

typedef struct loss { int64_t batch, classes, inner, ignored; bool ignores, softmax; char reduction; } loss;    /* reduction: n, m or s */

static void put(clstm_tensor *t, int64_t i, double v) {
    switch (t->type) {
    case CLSTM_FLOAT: ((float *)t->data)[i] = (float)v; break;
    case CLSTM_DOUBLE: ((double *)t->data)[i] = v; break;
    case CLSTM_FLOAT16: ((uint16_t *)t->data)[i] = tensor_double_to_half(v); break;
    default: ((uint16_t *)t->data)[i] = tensor_double_to_bfloat(v); break;
    }
}

static clstm_status check(ir_node *n, clstm_error *err) { return op_check_word(n, "reduction", "none mean sum", err); }

static loss read_loss(const op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0);
    return (loss){.batch = x->dims[0], .classes = x->dims[1], .inner = tensor_span(x, 2, x->rank), .ignored = op_attr_int(c->node, "ignore_index"),
                  .ignores = op_attr_given(c->node, "ignore_index"), .softmax = c->node->op_type[0] == 'S', .reduction = op_word(c->node, "reduction", "mean")[0]};
}

static clstm_status infer(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *target = op_in(c, 1);
    if (x->rank < 2 || target->rank != x->rank - 1) return op_bad_model(c, "inputs of ranks %d and %d", x->rank, target->rank);
    for (int d = 0; d < target->rank; d++)
        if (target->dims[d] != x->dims[d ? d + 1 : 0]) return op_bad_model(c, "dimension %d of the target is %lld", d, (long long)target->dims[d]);
    if (op_has_in(c, 2) && (op_in(c, 2)->rank != 1 || op_in(c, 2)->dims[0] != x->dims[1])) return op_bad_model(c, "the weights must have the shape [%lld]", (long long)x->dims[1]);
    bool whole = read_loss(c).reduction == 'n';
    UTIL_TRY(op_set_out(c, 0, x->type, whole ? target->rank : 0, target->dims));
    return op_set_out(c, 1, x->type, x->rank, x->dims);
}

/* log of the sum of exponents along the classes at one place. */
static double log_sum(const clstm_tensor *x, const loss *l, int64_t at) {
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < l->classes; k++) most = fmax(most, tensor_get_double(x, at + k * l->inner));
    if (isinf(most)) return most;
    for (int64_t k = 0; k < l->classes; k++) sum += exp(tensor_get_double(x, at + k * l->inner) - most);
    return most + log(sum);
}

static clstm_status run(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *target = op_in(c, 1);
    loss l = read_loss(c);
    double total = 0, weights = 0;
    for (int64_t n = 0; n < l.batch; n++)
        for (int64_t i = 0; i < l.inner; i++) {
            int64_t at = n * l.classes * l.inner + i, which = op_index(target, n * l.inner + i);
            bool ignored = l.ignores && which == l.ignored;
            if (!ignored && (which < 0 || which >= l.classes)) return op_bad_input(c, "target %lld is outside %lld classes", (long long)which, (long long)l.classes);
            double shift = l.softmax ? log_sum(x, &l, at) : 0;
            for (int64_t k = 0; k < l.classes && op_has_out(c, 1); k++) put(op_out(c, 1), at + k * l.inner, tensor_get_double(x, at + k * l.inner) - shift);
            double weight = ignored ? 0 : op_has_in(c, 2) ? tensor_get_double(op_in(c, 2), which) : 1;
            double value = ignored ? 0 : weight * (shift - tensor_get_double(x, at + which * l.inner));
            if (l.reduction == 'n' && op_has_out(c, 0)) put(op_out(c, 0), n * l.inner + i, value);
            total += value;
            weights += weight;
        }
    if (l.reduction != 'n' && op_has_out(c, 0)) put(op_out(c, 0), 0, l.reduction == 'm' ? total / weights : total);
    return CLSTM_OK;
}

#define LOSS(op, first, last, in, out) \
    {.domain = "", .name = op, .since = first, .until = last, .inputs = in, .outputs = out, .types = "T=float* I=int32,int64", \
     .attrs = "ignore_index:i=0 reduction:s=mean", .check = check, .infer = infer, .run = run}
const op_desc ops_loss[] = {
    LOSS("NegativeLogLikelihoodLoss", 12, 0, "input:T target:I weight?:T", "loss:T"),
    LOSS("SoftmaxCrossEntropyLoss", 12, 0, "scores:T labels:I weights?:T", "output:T log_prob?:T"),
    OP_ARRAY_END,
};
