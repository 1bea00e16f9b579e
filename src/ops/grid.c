/* ops/grid: AffineGrid and GridSample, in two and three dimensions.
 * https://github.com/onnx/onnx/blob/main/docs/Operators.md : AffineGrid, GridSample */
#include "ops/families.h"
#include "ops/common.h"

#include <math.h>
#include <string.h>

/* ---- AffineGrid: theta [N,d,d+1] times the coordinates of each place, x (the last dimension) first ---------------------------------- */

static clstm_status infer_affine(op_ctx *c) {
    int64_t size[CLSTM_MAX_RANK], dims[CLSTM_MAX_RANK];
    int n;
    UTIL_TRY(op_input_ints(c, 1, size, CLSTM_MAX_RANK, &n));
    if (n != 4 && n != 5) return op_bad_model(c, "size has %d entries, expected 4 or 5", n);
    const clstm_tensor *theta = op_in(c, 0);
    if (theta->rank != 3 || theta->dims[0] != size[0] || theta->dims[1] != n - 2 || theta->dims[2] != n - 1)
        return op_bad_model(c, "theta must have the shape [%lld,%d,%d]", (long long)size[0], n - 2, n - 1);
    int rank = 0;
    dims[rank++] = size[0];
    for (int d = 2; d < n; d++) {
        if (size[d] < 0) return op_bad_model(c, "size %d is %lld", d, (long long)size[d]);
        dims[rank++] = size[d];
    }
    dims[rank++] = n - 2;
    return op_set_out(c, 0, theta->type, rank, dims);
}

static double coordinate(int64_t i, int64_t n, bool align) {
    if (!align) return (2.0 * (double)i + 1) / (double)n - 1;
    return n > 1 ? 2.0 * (double)i / (double)(n - 1) - 1 : -1;
}

static clstm_status run_affine(op_ctx *c) {
    const clstm_tensor *theta = op_in(c, 0);
    clstm_tensor *y = op_out(c, 0);
    bool align = op_attr_int(c->node, "align_corners") != 0;
    int nd = y->rank - 2;
    int64_t places = tensor_span(y, 1, nd + 1);
    for (int64_t n = 0; n < y->dims[0]; n++)
        for (int64_t p = 0; p < places; p++) {
            double at[3];
            int64_t rest = p;
            for (int d = 0; d < nd; d++) {
                int64_t size = y->dims[nd - d];
                at[d] = coordinate(rest % size, size, align);
                rest /= size;
            }
            for (int r = 0; r < nd; r++) {
                int64_t row = (n * nd + r) * (nd + 1);
                double sum = tensor_get_double(theta, row + nd);
                for (int d = 0; d < nd; d++) sum += tensor_get_double(theta, row + d) * at[d];
                op_put_real(y, (n * places + p) * nd + r, sum);
            }
        }
    return CLSTM_OK;
}

/* ---- GridSample ----------------------------------------------------------------------------------------------------------------------------- */

typedef enum grid_mode { GRID_NEAREST, GRID_LINEAR, GRID_CUBIC } grid_mode;
typedef enum grid_pad { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION } grid_pad;

typedef struct sampler { grid_mode mode; grid_pad pad; bool align; int nd; int64_t size[3]; } sampler;     /* size: innermost first */

static sampler read_sampler(const op_ctx *c) {
    const char *mode = op_word(c->node, "mode", "linear"), *pad = op_word(c->node, "padding_mode", "zeros");
    const clstm_tensor *x = op_in(c, 0);
    sampler s = {.align = op_attr_int(c->node, "align_corners") != 0, .nd = x->rank - 2};
    s.mode = mode[0] == 'n' ? GRID_NEAREST : strstr(mode, "cubic") ? GRID_CUBIC : GRID_LINEAR;
    s.pad = pad[0] == 'z' ? GRID_ZEROS : pad[0] == 'b' ? GRID_BORDER : GRID_REFLECTION;
    for (int d = 0; d < s.nd && d < 3; d++) s.size[d] = x->dims[x->rank - 1 - d];
    return s;
}

static clstm_status check_grid(ir_node *n, clstm_error *err) {
    UTIL_TRY(op_check_word(n, "mode", n->version < 20 ? "bilinear nearest bicubic" : "linear nearest cubic", err));
    return op_check_word(n, "padding_mode", "zeros border reflection", err);
}

static clstm_status infer_grid(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *grid = op_in(c, 1);
    int64_t dims[CLSTM_MAX_RANK];
    if (x->rank < 3 || grid->rank != x->rank || grid->dims[grid->rank - 1] != x->rank - 2 || grid->dims[0] != x->dims[0])
        return op_bad_model(c, "X of rank %d and a grid of rank %d do not fit", x->rank, grid->rank);
    if (x->rank > 5 || (c->node->version < 20 && x->rank != 4)) return op_unsupported(c, "%d spatial dimensions", x->rank - 2);
    if (x->rank == 5 && read_sampler(c).mode == GRID_CUBIC) return op_unsupported(c, "mode cubic in three dimensions");
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int d = 2; d < x->rank; d++) {
        if (x->dims[d] == 0) return op_bad_model(c, "X has no spatial elements");
        dims[d] = grid->dims[d - 1];
    }
    return op_set_out(c, 0, x->type, x->rank, dims);
}

/* Folds a coordinate back between low and high, as often as it takes. */
static double reflect(double x, double low, double high) {
    double range = high - low;
    if (!(range > 0)) return low;
    double away = fabs(x - low), left = fmod(away, 2 * range);
    return left <= range ? low + left : high - (left - range);
}

static double settle(const sampler *s, int d, double x) {
    double last = (double)(s->size[d] - 1);
    if (s->pad == GRID_REFLECTION) x = s->align ? reflect(x, 0, last) : reflect(x, -0.5, last + 0.5);
    if (s->pad != GRID_ZEROS) x = x < 0 ? 0 : x > last ? last : x;
    return x;
}

/* Taps of one dimension: positions (or -1 for a zero) and weights; how many. A coordinate that is not a number reads the first. */
static int taps(const sampler *s, int d, double g, int64_t *at, double *weight) {
    double n = (double)s->size[d], x = s->align ? (g + 1) / 2 * (n - 1) : ((g + 1) * n - 1) / 2;
    if (!(fabs(x) < 1e15)) x = s->pad == GRID_ZEROS && !isnan(x) ? -2 * n - 8 : 0;
    int count = s->mode == GRID_NEAREST ? 1 : s->mode == GRID_LINEAR ? 2 : 4;
    if (s->mode != GRID_CUBIC) x = settle(s, d, x);
    double base = s->mode == GRID_NEAREST ? nearbyint(x) : floor(x), t = x - base;
    if (count == 1) weight[0] = 1;
    else if (count == 2) { weight[0] = 1 - t; weight[1] = t; }
    else for (int k = 0; k < 4; k++) {
        const double a = -0.75;
        double r = fabs((double)(k - 1) - t);
        weight[k] = r <= 1 ? ((a + 2) * r - (a + 3)) * r * r + 1 : ((a * r - 5 * a) * r + 8 * a) * r - 4 * a;
    }
    for (int k = 0; k < count; k++) {
        double p = base + (double)(count == 4 ? k - 1 : k);
        if (s->mode == GRID_CUBIC) p = settle(s, d, p);
        /* a neighbour past the border has weight 0 when padding is not zeros; it must only be readable */
        if (s->pad != GRID_ZEROS) p = p < 0 ? 0 : p > n - 1 ? n - 1 : p;
        at[k] = p >= 0 && p < n ? (int64_t)p : -1;
    }
    return count;
}

static double read_value(const clstm_tensor *x, int64_t i) { return x->type == CLSTM_FLOAT ? (double)((const float *)x->data)[i] : tensor_get_double(x, i); }

static clstm_status run_grid(op_ctx *c) {
    const clstm_tensor *x = op_in(c, 0), *grid = op_in(c, 1);
    clstm_tensor *y = op_out(c, 0);
    sampler s = read_sampler(c);
    int64_t channels = x->dims[1], plane = tensor_span(x, 2, x->rank), places = tensor_span(y, 2, y->rank);
    for (int64_t n = 0; n < x->dims[0]; n++)
        for (int64_t p = 0; p < places; p++) {
            int64_t at[3][4] = {{0}, {0}, {0}};
            double weight[3][4] = {{1}, {1}, {1}};
            int count[3] = {1, 1, 1};
            for (int d = 0; d < s.nd; d++) count[d] = taps(&s, d, tensor_get_double(grid, (n * places + p) * s.nd + d), at[d], weight[d]);
            for (int64_t ch = 0; ch < channels; ch++) {
                double sum = 0;
                for (int k = 0; k < count[2]; k++) for (int j = 0; j < count[1]; j++) for (int i = 0; i < count[0]; i++) {
                    if (at[2][k] < 0 || at[1][j] < 0 || at[0][i] < 0) continue;
                    int64_t from = (n * channels + ch) * plane + (at[2][k] * (s.nd > 1 ? s.size[1] : 1) + at[1][j]) * s.size[0] + at[0][i];
                    sum += weight[2][k] * weight[1][j] * weight[0][i] * read_value(x, from);
                }
                op_put_real(y, (n * channels + ch) * places + p, sum);
            }
        }
    return CLSTM_OK;
}

#define GRID(first, last, attributes) \
    {.domain = "", .name = "GridSample", .since = first, .until = last, .inputs = "X:T1 grid:T2", .outputs = "Y:T1", .types = "T1=float* T2=float*", \
     .attrs = attributes, .check = check_grid, .infer = infer_grid, .run = run_grid}
const op_desc ops_grid[] = {
    {.domain = "", .name = "AffineGrid", .since = 20, .inputs = "theta:T size:int64", .outputs = "grid:T", .types = "T=float*", .attrs = "align_corners:i=0",
     .infer = infer_affine, .run = run_affine},
    GRID(16, 19, "align_corners:i=0 mode:s=bilinear padding_mode:s=zeros"), GRID(20, 0, "align_corners:i=0 mode:s=linear padding_mode:s=zeros"),
    OP_ARRAY_END,
};
