/* convert/keras: weights in Keras's names and orders become those of a PyTorch state_dict. */
#ifndef CONVERT_KERAS_H
#define CONVERT_KERAS_H

#include "util/alloc.h"

#include <clstm/convert.h>

typedef enum convert_reset { CONVERT_NO_GRU, CONVERT_RESET_AFTER, CONVERT_RESET_BEFORE } convert_reset;

typedef struct convert_keras {
    clstm_convert_weight *weights;          /* LAYER.weight_ih_l0 and so on, LAYER as Keras names it */
    size_t n, cap;
    convert_reset reset;                    /* what the shapes of the GRUs' biases say of reset_after */
    util_arena arena;
} convert_keras;

/* Fills a zeroed `out`, which convert_keras_free ends in any case. CLSTM_UNSUPPORTED names what is no layer's weight. */
clstm_status convert_keras_read(convert_keras *out, const clstm_convert_weight *weights, size_t n, clstm_error *err);
void convert_keras_free(convert_keras *k);

#endif
