/* ops/conv_phases: the weights of ConvTranspose in the order in which its phases read them.
 *
 * Output position o meets kernel position k where o + begin - k*dilation is a multiple of the stride. Along each dimension that makes
 * classes of kernel positions, those equal modulo period = stride / gcd(stride, dilation), and each phase of the output reads one class (or
 * none) of every dimension, whatever the padding and the input's size. So ordering W by class is a permutation of its elements, and one
 * copy serves every plan: [class][group][output][channel][tap], or, where output channels lie along the vectors, each class in the panels
 * of a packed product. Float and double constants are kept in that form alone (conv_phases_pack), packed at load, unpacked for who asks.
 *
 * More than one copy stands only where one cannot serve: nodes whose strides or dilations differ share the weights, sessions run
 * both few and many positions, or a node of another kind reads the elements as they are. */
#ifndef OPS_CONV_PHASES_H
#define OPS_CONV_PHASES_H

#include "ops/convolve.h"
#include "ops/window.h"

typedef struct conv_phases {
    clstm_type type;                        /* float or double */
    int64_t groups, channels, outputs;      /* channels and outputs of one group */
    int64_t kernel[3], period[3];           /* no period is longer than the kernel */
    bool rows;                              /* in panels; one group */
} conv_phases;

/* W's shape, window and group must fit each other; `panels`: W may be packed in them, which is done for few positions. */
conv_phases conv_phases_of(const clstm_tensor *w, clstm_type type, const op_window *window, int64_t groups, bool panels);
/* All elements in the order above, for weights that a run computes. Not for rows. */
void conv_phases_order(const conv_phases *f, const void *w, void *to);
/* Finds or makes the constant's pack; one of the other arrangement that nobody reads is forgotten. */
clstm_status conv_phases_pack(const conv_phases *f, ir_const *w, const void **data, clstm_error *err);
/* Where among the ordered elements the class of a kernel position (its index within the kernel) begins, in bytes. */
size_t conv_phases_at(const conv_phases *f, int64_t position);
/* op_desc.prepack of ConvTranspose. */
clstm_status conv_phases_prepack(ir_node *n, uint32_t *claimed, clstm_error *err);

#endif
