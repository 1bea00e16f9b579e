/* rnn/spec: one reading of a recurrent node for LSTM, GRU and RNN: its attributes at load, its sizes when shapes are known.
 * Every rule that a node can break is refused here by the attribute's or input's name. */
#ifndef RNN_SPEC_H
#define RNN_SPEC_H

#include "ir/op.h"
#include "rnn/activation.h"

typedef enum rnn_kind { RNN_LSTM, RNN_GRU, RNN_RNN } rnn_kind;

/* Activations of one direction: f, g, h. */
static inline int rnn_functions(rnn_kind k) { return k == RNN_LSTM ? 3 : k == RNN_GRU ? 2 : 1; }
static inline rnn_function rnn_default_function(rnn_kind k, int i) { return i == 0 && k != RNN_RNN ? RNN_SIGMOID : RNN_TANH; }

enum rnn_input { RNN_X, RNN_W, RNN_R, RNN_B, RNN_LENS, RNN_H0, RNN_C0, RNN_P };
enum rnn_output { RNN_Y, RNN_YH, RNN_YC };

/* What the attributes say. */
typedef struct rnn_spec {
    rnn_kind kind;
    int gates;                          /* LSTM 4 (i,o,f,c), GRU 3 (z,r,h), RNN 1 */
    int directions;
    bool reverse;                       /* the only direction runs backwards; of two the second always does */
    bool batch_first;                   /* layout = 1 */
    bool input_forget;                  /* f = 1 - i */
    bool reset_after;                   /* GRU: linear_before_reset */
    float clip;                         /* INFINITY: none */
    int64_t hidden;                     /* hidden_size; 0: absent */
    rnn_activation f[2][3];             /* by direction: f, g, h */
    rnn_activation onnxruntime_f[2][3]; /* the same with its reading of missing alpha and beta */
} rnn_spec;

/* Whether the kernels' fused step runs the node: float, with activations that multiply no rounding error: Sigmoid, Tanh, HardSigmoid and
 * Softsign anywhere, Relu anywhere but on the gates of LSTM and GRU. */
bool rnn_is_fused(const rnn_spec *s, clstm_type type);

/* What the shapes say. */
typedef struct rnn_sizes { int64_t t, b, i, h; clstm_type type; } rnn_sizes;

/* op_desc.check: fills node->params with the rnn_spec. */
clstm_status rnn_check(ir_node *node, clstm_error *err);
static inline const rnn_spec *rnn_spec_of(const ir_node *node) { return node->params; }
/* Whether two nodes do the same with the same inputs. */
bool rnn_spec_same(const rnn_spec *a, const rnn_spec *b);
/* All input shapes against each other and the attributes. */
clstm_status rnn_read_sizes(op_ctx *ctx, rnn_sizes *out);
/* op_desc.infer */
clstm_status rnn_infer(op_ctx *ctx);
/* op_desc.flops */
double rnn_flops(const op_ctx *ctx);

#endif
