/* convert/state_dict: the modules that the tensors of a PyTorch state_dict belong to, and the order in which they stand. */
#ifndef CONVERT_STATE_DICT_H
#define CONVERT_STATE_DICT_H

#include "convert/gates.h"
#include "util/alloc.h"

#include <clstm/convert.h>

typedef enum convert_kind {
    CONVERT_RECURRENT, CONVERT_LINEAR, CONVERT_EMBEDDING,
    CONVERT_TABLE           /* a weight alone: Linear without bias, or Embedding; decided by the order */
} convert_kind;

enum { CONVERT_MODULES = 8 };      /* at most so many are put in order */

typedef struct convert_module {
    const char *name;                       /* "" at the top */
    convert_kind kind;
    int64_t in, out;                        /* features; of an Embedding, in is the number of rows */
    const clstm_tensor *weight, *bias;      /* not RECURRENT; bias may be NULL */
    rnn_kind cell;
    int64_t hidden;
    int layers, directions;
    bool reverse, has_bias;                 /* reverse: the only direction */
    size_t tensors;
} convert_module;

/* The four tensors of a layer's direction, in the order of their names below. */
enum { CONVERT_WEIGHT_IH, CONVERT_WEIGHT_HH, CONVERT_BIAS_IH, CONVERT_BIAS_HH };

typedef struct convert_dict {
    const clstm_convert_weight *weights;
    size_t n;
    convert_module *modules;
    size_t n_modules, cap_modules;
    bool plain_first;                       /* "lstm" stands before "lstm_1" (Keras) */
    util_arena arena;
} convert_dict;

/* Fills a dict, zeroed but for plain_first, with the modules in their order; the weights must outlive it. convert_dict_free in any case. */
clstm_status convert_dict_read(convert_dict *dict, const clstm_convert_weight *weights, size_t n, clstm_error *err);
void convert_dict_free(convert_dict *dict);
/* Tensor `which` of a recurrent module's layer; NULL when it is absent. */
const clstm_tensor *convert_dict_find(const convert_dict *dict, const convert_module *m, int which, int layer, bool reverse);

/* Puts the modules in the one order that their sizes and names allow (state_order.c). */
clstm_status convert_dict_order(convert_dict *dict, clstm_error *err);

#endif
