/* rnn/rnn: the rows of LSTM, GRU and RNN at every version. */
#include "rnn/rnn.h"

#include "rnn/weights.h"
#include "rnn/run.h"
#include "rnn/spec.h"

#define SHARED "activation_alpha:F activation_beta:F activations:S clip:f direction:s=forward hidden_size:i"
#define IN "X:T W:T R:T B?:T sequence_lens?:int32,int64 initial_h?:T"
#define OUT "Y?:T Y_h?:T"
#define OLD "T=float16,float,double"
#define NEW "T=bfloat16,float16,float,double"

/* sequence_lens of int64 passes the types so that rnn/spec can refuse it with a hint. output_sequence (opset 1) has no effect:
 * Y is computed whenever it is named. */
#define ROW(op, from, to, in, out, kinds, attributes) \
    {.domain = "", .name = op, .since = from, .until = to, .inputs = in, .outputs = out, .types = kinds, .attrs = attributes, \
     .check = rnn_check, .infer = rnn_infer, .prepack = rnn_prepack, .prepare = rnn_prepare, .run = rnn_run, .flops = rnn_flops}
#define LSTM(from, to, kinds, more) \
    ROW("LSTM", from, to, IN " initial_c?:T P?:T", OUT " Y_c?:T", kinds, SHARED " input_forget:i=0 " more)
#define GRU(from, to, kinds, more) ROW("GRU", from, to, IN, OUT, kinds, SHARED " " more)
#define RNN(from, to, kinds, more) ROW("RNN", from, to, IN, OUT, kinds, SHARED " " more)

const op_desc rnn_ops[] = {
    LSTM(1, 6, OLD, "output_sequence:i=0"),
    LSTM(7, 13, OLD, ""),
    LSTM(14, 21, OLD, "layout:i=0"),
    LSTM(22, 0, NEW, "layout:i=0"),
    GRU(1, 2, OLD, "output_sequence:i=0"),
    GRU(3, 6, OLD, "linear_before_reset:i=0 output_sequence:i=0"),
    GRU(7, 13, OLD, "linear_before_reset:i=0"),
    GRU(14, 21, OLD, "linear_before_reset:i=0 layout:i=0"),
    GRU(22, 0, NEW, "linear_before_reset:i=0 layout:i=0"),
    RNN(1, 6, OLD, "output_sequence:i=0"),
    RNN(7, 13, OLD, ""),
    RNN(14, 21, OLD, "layout:i=0"),
    RNN(22, 0, NEW, "layout:i=0"),
};
const size_t rnn_op_count = sizeof rnn_ops / sizeof *rnn_ops;
