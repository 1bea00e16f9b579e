/* ops/common: what the operator families share: words, axes and small parameters, loop macros, families of the table. */
#ifndef OPS_COMMON_H
#define OPS_COMMON_H

#include "ir/op.h"
#include "tensor/tensor.h"

/* The next loop carries nothing from one pass to the next, although its output may lie exactly on an input. */
#if defined(__clang__)
#define OP_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#else
#define OP_IVDEP _Pragma("GCC ivdep")
#endif

#define OP_ARRAY_END {.domain = NULL}

/* X(letters, C type) for each integer type; the letters name template instances. */
#define OP_SIGNED(X) X(i8, int8_t) X(i16, int16_t) X(i32, int32_t) X(i64, int64_t)
#define OP_UNSIGNED(X) X(u8, uint8_t) X(u16, uint16_t) X(u32, uint32_t) X(u64, uint64_t)
#define OP_REALS(X) X(f32, float) X(f64, double)

/* Rows of opset 1 to 5 list consumed_inputs, a hint about memory that changes no result. */
#define OP_HINT "consumed_inputs:I"

/* A string attribute without copying its default: the given word or `fallback`. */
const char *op_word(const ir_node *n, const char *name, const char *fallback);
/* CLSTM_BAD_MODEL unless the word (when given) is among `choices`, separated by spaces. */
clstm_status op_check_word(const ir_node *n, const char *name, const char *choices, clstm_error *err);

/* infer: output 0 is like input 0. */
clstm_status op_infer_same(op_ctx *ctx);

/* The elements of int32 or int64 input i (rank 0 or 1), at most `most`; needs the data. */
clstm_status op_input_ints(op_ctx *ctx, int i, int64_t *out, int most, int *count);
/* One element of input i; needs the data. */
clstm_status op_input_int(op_ctx *ctx, int i, int64_t *out);
/* A list that older opsets give as attribute `name` and newer ones as input i; *count -1 when neither is there. */
clstm_status op_list(op_ctx *ctx, const char *name, int i, int64_t *out, int most, int *count);
/* A mask with bit d set for each of `count` axes of a tensor of `rank`; repeated or outside: refused. */
clstm_status op_axes_mask(op_ctx *ctx, const int64_t *axes, int count, int rank, uint32_t *mask);
/* Attribute "axis" made non-negative for `rank` dimensions. */
clstm_status op_axis(op_ctx *ctx, int rank, int *axis);

/* Element i of a tensor of a floating-point type, rounded to it. */
void op_put_real(clstm_tensor *t, int64_t i, double v);

/* Elements of an index tensor (int32 or int64). */
static inline int64_t op_index(const clstm_tensor *t, int64_t i) {
    return t->type == CLSTM_INT32 ? ((const int32_t *)t->data)[i] : ((const int64_t *)t->data)[i];
}

#endif
