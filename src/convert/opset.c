/* convert/opset: what differs between versions is in tables: element types and attributes that came later, attributes that became inputs,
 * and a few operators whose meaning changed. What the rows of the operator table tell apart is left to op_check_node.
 * https://github.com/onnx/onnx/blob/main/docs/Changelog.md */
#include "convert/opset.h"

#include "convert/edit.h"
#include "ops/table.h"
#include "tensor/tensor.h"
#include "util/status.h"

#include <string.h>

#define BIT(t) (1u << (t))
#define SMALL (BIT(CLSTM_INT8) | BIT(CLSTM_INT16) | BIT(CLSTM_UINT8) | BIT(CLSTM_UINT16))
#define INTS (SMALL | BIT(CLSTM_INT32) | BIT(CLSTM_INT64) | BIT(CLSTM_UINT32) | BIT(CLSTM_UINT64))
#define HALF BIT(CLSTM_FLOAT16)
#define BRAIN BIT(CLSTM_BFLOAT16)

/* Where an operator takes a type later than it takes the others: bfloat16 otherwise from 13 on. */
static const struct { int since; uint32_t types; const char *ops; } later_types[] = {
    {12, INTS, "Clip Max Min Pow"}, {12, BIT(CLSTM_INT8) | BIT(CLSTM_UINT8), "MaxPool ReduceMax ReduceMin"},
    {13, BIT(CLSTM_BOOL), "Pad"},
    {14, HALF | BRAIN, "CumSum"}, {14, SMALL, "Add Sub Mul Div"}, {14, INTS, "Relu"},
    {15, BRAIN, "Pow"},
    {16, BRAIN, "GreaterOrEqual LessOrEqual LeakyRelu PRelu Where Scan Loop If"},
    {19, HALF | BRAIN, "QuantizeLinear DequantizeLinear"},
    {20, HALF | BRAIN, "IsInf"}, {20, BRAIN, "ConstantOfShape"}, {20, BIT(CLSTM_BOOL), "ReduceMax ReduceMin"},
    {21, HALF | BRAIN, "QLinearMatMul"}, {21, BIT(CLSTM_INT16) | BIT(CLSTM_UINT16), "QuantizeLinear DequantizeLinear"},
    {22, BRAIN, "LSTM GRU RNN Acos Acosh Asin Asinh Atan Atanh Cos Cosh Sin Sinh Tan AveragePool Conv ConvTranspose Det Elu EyeLike "
                "GlobalAveragePool GlobalLpPool GlobalMaxPool GridSample HardSigmoid HardSwish InstanceNormalization LpNormalization LpPool "
                "MaxPool MaxUnpool Mish NegativeLogLikelihoodLoss Round Selu Softplus Softsign ThresholdedRelu"},
    {24, BRAIN, "TopK SplitToSequence"},
    {27, HALF | BRAIN, "Range"},
    {28, HALF | BRAIN | BIT(CLSTM_DOUBLE), "Celu"},
};

/* Attributes, or values of them, that rows of several versions have. */
static const struct { const char *op, *attr, *value; int since; } later_attrs[] = {
    {"AveragePool", "dilations", NULL, 19}, {"LpPool", "ceil_mode", NULL, 18}, {"LpPool", "dilations", NULL, 18},
    {"Resize", "coordinate_transformation_mode", "half_pixel_symmetric", 19},
};

/* Attributes that became inputs: lists of integers 'I', one integer as a list 'i' or a scalar 's', a number of the first input's type 'f'. */
typedef struct moved { int since; const char *ops, *attr; int input; char form; } moved;
static const moved moves[] = {
    {5, "Reshape", "shape", 1, 'I'},
    {10, "Slice", "starts", 1, 'I'}, {10, "Slice", "ends", 2, 'I'}, {10, "Slice", "axes", 3, 'I'}, {10, "TopK", "k", 1, 'i'},
    {11, "Clip", "min", 1, 'f'}, {11, "Clip", "max", 2, 'f'}, {11, "Pad", "pads", 1, 'I'}, {11, "Pad", "value", 2, 'f'},
    {13, "Squeeze Unsqueeze ReduceSum", "axes", 1, 'I'}, {13, "Split", "split", 1, 'I'},
    {18, "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSumSquare", "axes", 1, 'I'},
    {20, "DFT", "axis", 2, 's'},
};

static bool listed(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *s = list; (s = strstr(s, word)); s += n)
        if ((s == list || s[-1] == ' ') && (!s[n] || s[n] == ' ')) return true;
    return false;
}

int convert_opset_ir(int64_t opset) {
    static const signed char ir[] = {6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13, 13};
    return opset < CLSTM_CONVERT_OPSET_OLDEST ? 6 : opset > CLSTM_CONVERT_OPSET_NEWEST ? 13 : ir[opset - CLSTM_CONVERT_OPSET_OLDEST];
}

/* ---- types and attributes ------------------------------------------------------------------------------------------------------------ */

static int type_since(const char *op, clstm_type type) {
    int since = type == CLSTM_BFLOAT16 ? 13 : 1;
    for (size_t i = 0; i < sizeof later_types / sizeof *later_types; i++)
        if ((later_types[i].types & BIT(type)) && listed(later_types[i].ops, op)) since = later_types[i].since;
    return since;
}

static int kind_since(const char *op, const ir_value *v) {
    bool control = listed("If Loop Scan", op), identity = !strcmp(op, "Identity");
    return !control && !identity ? 1 : v->optional ? 16 : v->kind != CLSTM_KIND_SEQUENCE ? 1 : control ? 13 : 14;
}

static clstm_status check_value(const ir_node *n, const ir_value *v, int to, clstm_error *err) {
    if (!v) return CLSTM_OK;
    if (kind_since(n->op_type, v) > to) return util_fail(err, CLSTM_UNSUPPORTED, "takes no sequence or optional at opset %d", to);
    int since = type_since(n->op_type, v->type.type);
    return since <= to ? CLSTM_OK : util_fail(err, CLSTM_UNSUPPORTED, "takes %s from opset %d on, not at %d", clstm_type_name(v->type.type), since, to);
}

/* Whether the attribute says what its absence says. */
static bool is_default(const ir_node *n, const ir_attr *a) {
    ir_node bare = *n;
    bare.n_attrs = 0;
    if (a->kind == IR_ATTR_INT) return op_attr_int(&bare, a->name) == a->v.i;
    if (a->kind == IR_ATTR_FLOAT) return op_attr_float(&bare, a->name) <= a->v.f && op_attr_float(&bare, a->name) >= a->v.f;
    if (a->kind == IR_ATTR_STRING) return op_attr_string(&bare, a->name) && !strcmp(op_attr_string(&bare, a->name), a->v.s);
    if (a->kind != IR_ATTR_INTS) return false;
    bool ones = !strcmp(a->name, "dilations");
    for (size_t i = 0; i < a->count && ones; i++) ones = a->v.ints[i] == 1;
    return ones;
}

/* Attributes that the version does not know go away where they say nothing. */
static clstm_status settle_attrs(ir_node *n, const op_desc *row, int to, clstm_error *err) {
    char text[96];
    for (int i = n->n_attrs; i-- > 0;) {
        const ir_attr *a = &n->attrs[i];
        bool known = op_row_has_attr(row, a->name);
        for (size_t k = 0; k < sizeof later_attrs / sizeof *later_attrs; k++)
            known &= to >= later_attrs[k].since || strcmp(later_attrs[k].op, n->op_type) || strcmp(later_attrs[k].attr, a->name) ||
                     (later_attrs[k].value && (a->kind != IR_ATTR_STRING || strcmp(a->v.s, later_attrs[k].value)));
        if (known) continue;
        if (!is_default(n, a)) return util_fail(err, CLSTM_UNSUPPORTED, "what its attribute %s says cannot be said at opset %d", util_escape(text, sizeof text, a->name), to);
        edit_drop_attr(n, a->name);
    }
    return CLSTM_OK;
}

/* ---- attributes that became inputs --------------------------------------------------------------------------------------------------- */

static clstm_status scalar_of(const ir_node *n, float value, ir_value **out, clstm_error *err) {
    union { float f; double d; uint16_t h; } one = {.f = value};
    clstm_type type = n->inputs[0]->type.type;
    if (type == CLSTM_DOUBLE) one.d = value;
    else if (type == CLSTM_FLOAT16) one.h = tensor_float_to_half(value);
    else if (type != CLSTM_FLOAT) return util_fail(err, CLSTM_UNSUPPORTED, "is of no float type, which its limits need to be inputs");
    const clstm_tensor t = clstm_tensor_view(type, 0, NULL, &one);
    *out = ir_constant(n->graph, &t, err);
    return *out ? CLSTM_OK : err->status;
}

static clstm_status to_input(ir_node *n, const moved *m, clstm_error *err) {
    const ir_attr *a = ir_attr_find(n, m->attr);
    ir_value *v = NULL;
    if (!a && m->form != 's') return CLSTM_OK;
    if (m->form == 'f') UTIL_TRY(scalar_of(n, a->v.f, &v, err));
    else if (m->form == 'I') v = ir_constant_ints(n->graph, 1, (int64_t)a->count, a->v.ints, err);
    else v = ir_constant_ints(n->graph, m->form == 'i', 1, &(int64_t){op_attr_int(n, m->attr)}, err);
    if (!v) return err->status;
    edit_drop_attr(n, m->attr);
    return edit_set_input(n, m->input, v, err);
}

static clstm_status to_attr(ir_node *n, const moved *m, clstm_error *err) {
    ir_value *v = m->input < n->n_in ? n->inputs[m->input] : NULL;
    const void *data;
    if (!v) return CLSTM_OK;
    if (!v->constant || v->type.type != CLSTM_INT64) return util_fail(err, CLSTM_UNSUPPORTED, "needs its %s known before the run", m->attr);
    UTIL_TRY(ir_const_data(v->constant, &data, err));
    size_t count = (size_t)clstm_tensor_count(&v->constant->tensor);
    if (m->form != 'I' && count != 1) return util_fail(err, CLSTM_UNSUPPORTED, "has a %s that is no single number", m->attr);
    if (m->form == 'I' && count) UTIL_TRY(edit_set_list(n, m->attr, IR_ATTR_INTS, count, data, err));
    if (m->form != 'I') UTIL_TRY(edit_set_int(n, m->attr, *(const int64_t *)data, err));
    n->inputs[m->input] = NULL;
    while (n->n_in && !n->inputs[n->n_in - 1]) n->n_in--;
    return CLSTM_OK;
}

/* ---- operators whose meaning changed ------------------------------------------------------------------------------------------------- */

/* Before 13 everything from the axis on was one row: the same for the last axis. */
static clstm_status softmax_axis(ir_node *n, bool up, clstm_error *err) {
    const clstm_tensor *t = &n->inputs[0]->type;
    int64_t axis = op_attr_int(n, "axis");
    (void)up;
    if (axis != -1 && (t->rank < 0 || axis != t->rank - 1)) return util_fail(err, CLSTM_UNSUPPORTED, "its axis is not known to be the last, and others mean another thing since opset 13");
    return edit_set_int(n, "axis", -1, err);
}

static clstm_status split_outputs(ir_node *n, bool up, clstm_error *err) {
    const clstm_tensor *t = &n->inputs[0]->type;
    int axis;
    if (n->n_in > 1 && n->inputs[1]) return CLSTM_OK;
    if (up) return edit_set_int(n, "num_outputs", n->n_out, err);
    bool even = t->rank > 0 && tensor_axis(op_attr_int(n, "axis"), t->rank, &axis) && t->dims[axis] >= 0 && t->dims[axis] % n->n_out == 0;
    if (!even) return util_fail(err, CLSTM_UNSUPPORTED, "its parts are not known to be equal, as they must be before opset 18");
    edit_drop_attr(n, "num_outputs");
    return CLSTM_OK;
}

/* Before 20 the words were others, and volumes were not sampled. */
static clstm_status sample_mode(ir_node *n, bool up, clstm_error *err) {
    static const char *const words[][2] = {{"bilinear", "linear"}, {"bicubic", "cubic"}};
    ir_attr *a = (ir_attr *)(uintptr_t)ir_attr_find(n, "mode");
    if (!up && n->inputs[0]->type.rank != 4) return util_fail(err, CLSTM_UNSUPPORTED, "its input is not known to be images, and nothing else was sampled before opset 20");
    for (size_t i = 0; a && i < 2; i++)
        if (!strcmp(a->v.s, words[i][!up])) {
            a->v.s = words[i][up];
            a->count = strlen(a->v.s);
            break;
        }
    return CLSTM_OK;
}

static clstm_status resize_inputs(ir_node *n, bool up, clstm_error *err) {
    bool all = n->n_in > 2 && n->inputs[1] && n->inputs[2];
    return up || all ? CLSTM_OK : util_fail(err, CLSTM_UNSUPPORTED, "needs its inputs roi and scales before opset 13");
}

static int64_t entry(const ir_node *n, const char *list, size_t i, int64_t otherwise) {
    size_t count;
    const int64_t *v = op_attr_ints(n, list, &count);
    return i < count ? v[i] : otherwise;
}

/* Before 22 a last window that starts in the padding behind counts; none does where the padding and a stride fit into the window. */
static clstm_status last_window(ir_node *n, bool up, clstm_error *err) {
    size_t nd;
    const int64_t *kernel = op_attr_ints(n, "kernel_shape", &nd);
    if (up || !op_attr_int(n, "ceil_mode")) return CLSTM_OK;
    for (size_t i = 0; i < nd; i++) {
        int64_t span = (kernel[i] - 1) * entry(n, "dilations", i, 1) + 1;
        if (entry(n, "pads", nd + i, 0) + entry(n, "strides", i, 1) > span)
            return util_fail(err, CLSTM_UNSUPPORTED, "its last window may start in the padding, which means another thing before opset 22");
    }
    return CLSTM_OK;
}

/* Before 18 the operators on optional values took nothing else. */
static clstm_status only_optional(ir_node *n, bool up, clstm_error *err) {
    if (up || (n->n_in && n->inputs[0] && n->inputs[0]->optional)) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "takes nothing but an optional before opset 18");
}

/* Before 13 one scale was for all. */
static clstm_status one_scale(ir_node *n, bool up, clstm_error *err) {
    const clstm_tensor *t = &n->inputs[1]->type;
    if (up || t->rank == 0 || (t->rank == 1 && t->dims[0] == 1)) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "its scale is not known to be one number, as it must be before opset 13");
}

static clstm_status scale_type(ir_node *n, bool up, clstm_error *err) {
    if (up || n->inputs[1]->type.type != CLSTM_INT32) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "takes an int32 scale from opset 21 on");
}

/* What the mask holds where nothing is dropped was left open before 12, and ONNX Runtime gives false. */
static clstm_status dropped_mask(ir_node *n, bool up, clstm_error *err) {
    if (up || n->n_out < 2 || !n->outputs[1]) return CLSTM_OK;
    return util_fail(err, CLSTM_UNSUPPORTED, "its mask means another thing before opset 12");
}

static clstm_status other_meaning(ir_node *n, bool up, clstm_error *err) {
    (void)n, (void)up;
    return util_fail(err, CLSTM_UNSUPPORTED, "means another thing in that version");
}

static const struct { int since; const char *ops; clstm_status (*change)(ir_node *n, bool up, clstm_error *err); } changes[] = {
    {6, "Tile", other_meaning}, {9, "Scan", other_meaning}, {11, "Resize", other_meaning}, {12, "Dropout", dropped_mask}, {13, "Resize", resize_inputs},
    {13, "Softmax LogSoftmax Hardmax", softmax_axis}, {13, "QuantizeLinear DequantizeLinear", one_scale},
    {18, "Split", split_outputs}, {18, "OptionalGetElement OptionalHasElement", only_optional}, {20, "GridSample", sample_mode},
    {21, "GroupNormalization", other_meaning}, {21, "QuantizeLinear", scale_type}, {22, "AveragePool LpPool MaxPool", last_window},
};

/* ---- nodes --------------------------------------------------------------------------------------------------------------------------- */

static bool between(int since, int a, int b) { return (a < since) != (b < since); }

static clstm_status move_attrs(ir_node *n, int to, clstm_error *err) {
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (between(moves[i].since, n->version, to) && listed(moves[i].ops, n->op_type)) UTIL_TRY((to > n->version ? to_input : to_attr)(n, &moves[i], err));
    return CLSTM_OK;
}

static clstm_status change_node(ir_node *n, int to, clstm_error *err) {
    bool known, up = to > n->version;
    const op_desc *row = ops_find("", n->op_type, to, &known);
    if (!n->op) n->op = ops_find("", n->op_type, n->version, NULL);
    if (!row || !n->op) return util_fail(err, CLSTM_UNSUPPORTED, "opset %d has no %s", to, n->op_type);
    for (int i = 0; i < n->n_in; i++) UTIL_TRY(check_value(n, n->inputs[i], to, err));
    for (int i = 0; i < n->n_out; i++) UTIL_TRY(check_value(n, n->outputs[i], to, err));
    if (up) UTIL_TRY(move_attrs(n, to, err));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (between(changes[i].since, n->version, to) && listed(changes[i].ops, n->op_type)) UTIL_TRY(changes[i].change(n, up, err));
    if (!up) UTIL_TRY(move_attrs(n, to, err));
    UTIL_TRY(settle_attrs(n, row, to, err));
    n->op = row;
    n->version = to;
    return CLSTM_OK;
}

static clstm_status change_graph(ir_graph *g, int to, clstm_error *err) {
    char text[256];
    for (size_t i = 0; i < g->n_nodes; i++) {
        ir_node *n = g->nodes[i];
        for (int b = 0; b < n->n_bodies; b++) UTIL_TRY(change_graph(n->bodies[b], to, err));
        if (*n->domain || n->version == to) continue;
        clstm_status s = change_node(n, to, err);
        if (s != CLSTM_OK) return util_context(err, s, "%s", ir_node_text(text, sizeof text, n));
        UTIL_TRY(op_check_node(n, err));
    }
    g->opset = to;
    return CLSTM_OK;
}

clstm_status convert_opset(ir_graph *root, int opset, clstm_error *err) {
    if (opset < CLSTM_CONVERT_OPSET_OLDEST || opset > CLSTM_CONVERT_OPSET_NEWEST)
        return util_fail(err, CLSTM_BAD_ARGUMENT, "opset %d: models are written at %d to %d", opset, CLSTM_CONVERT_OPSET_OLDEST, CLSTM_CONVERT_OPSET_NEWEST);
    return change_graph(root, opset, err);
}
