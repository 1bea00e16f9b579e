/* ops/window: the sliding window of convolution and pooling: kernel, strides, dilations, padding, and the output's size. */
#ifndef OPS_WINDOW_H
#define OPS_WINDOW_H

#include "ops/common.h"

/* Always three spatial dimensions; those in front that the tensor lacks have size 1. Index 2 is the innermost. */
typedef struct op_window {
    int nd;                             /* spatial dimensions of the tensor, 1 to 3 */
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], begin[3], end[3];
} op_window;

#define OP_WINDOW_ATTRS "auto_pad:s=NOTSET dilations:I kernel_shape:I pads:I strides:I"

/* Values of the attributes, at load. */
clstm_status op_window_check(ir_node *node, clstm_error *err);
/* Reads the attributes for x [N,C,spatial...]; `kernel`: the weight's spatial sizes (of nd), or NULL when kernel_shape rules.
 * Works out padding and out[] of a plain (not transposed) window. */
clstm_status op_window_read(op_ctx *ctx, const clstm_tensor *x, const int64_t *kernel, bool ceil_mode, op_window *w);
/* The same for ConvTranspose, whose output_padding and output_shape it reads too; a window may be wider than the input. */
clstm_status op_window_read_transposed(op_ctx *ctx, const clstm_tensor *x, const int64_t *kernel, op_window *w);
/* Sizes of spatial dimensions given as an attribute list into [3] (missing in front: fill). */
void op_window_spread(const int64_t *list, int nd, int64_t fill, int64_t out[3]);

#endif
