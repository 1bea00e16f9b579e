/* clstm/convert: models on their way out, and weights on their way in and out. A library of its own, libclstm-convert
 * (`pkg-config --libs clstm-convert`), so that programs that only run models do not carry it. It works inside the models of the
 * libclstm of the same release; the loader refuses another. */
#ifndef CLSTM_CONVERT_H
#define CLSTM_CONVERT_H

#include <clstm/clstm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Receives the bytes of a file in order. A status other than CLSTM_OK ends the conversion with that status. */
typedef clstm_status (*clstm_convert_sink)(void *user, const void *bytes, size_t size, clstm_error *err);

/* A symbolic dimension and the size that it gets. */
typedef struct clstm_convert_dim { const char *name; int64_t size; } clstm_convert_dim;

/* A tensor of a state_dict or of a Keras model; or what is known of an input: with data its value for good, so that it is no input of
 * the result, without data its shape (-1: unknown). */
typedef struct clstm_convert_weight { const char *name; clstm_tensor tensor; } clstm_convert_weight;

/* The versions of the standard in which models can be written. */
enum { CLSTM_CONVERT_OPSET_OLDEST = 11, CLSTM_CONVERT_OPSET_NEWEST = 28 };

typedef struct clstm_convert_onnx_options {
    const clstm_convert_dim *dims;          /* fixed first, so that what follows from them folds too; others change nothing */
    size_t n_dims;
    const clstm_convert_weight *known;      /* of inputs; a shape fixes the dimensions of the same names in other inputs, too */
    size_t n_known;
    int opset;                              /* of the file; 0: the model's */
} clstm_convert_onnx_options;

/* Writes the model as the runtime reads it, as an ONNX file: constants folded, idle and dead nodes gone, unused initialisers left
 * out; the names and types of inputs and outputs and metadata stay, and so does the version unless options->opset names another:
 * then CLSTM_UNSUPPORTED names the node that cannot be said in it. CLSTM_BAD_ARGUMENT for a negative size, for what is known of
 * an input that the model lacks or declares otherwise, and for an opset that is none of those. `options` may be NULL. */
CLSTM_API clstm_status clstm_convert_onnx(const clstm_model *model, const clstm_convert_onnx_options *options, clstm_convert_sink sink,
                                          void *user, clstm_error *err);

/* Receives a tensor; name and elements live during the call. */
typedef clstm_status (*clstm_convert_tensor)(void *user, const char *name, const clstm_tensor *tensor, clstm_error *err);

/* Gives the weights of every recurrent layer under PyTorch's names and in its gate order: LAYER.weight_ih_l0, weight_hh_l0, and
 * bias_ih_l0, bias_hh_l0 where there is a bias, with _reverse behind for the backward direction; LAYER is the node's name with letters,
 * digits, '_', '.' and '-' only. Nodes NAME.l0, NAME.l1 ... are the layers of one module NAME. Cells in primitive operators count as layers
 * (open dimensions are tried at 2 to find them), the steps of one cell as one. CLSTM_UNSUPPORTED names the node that
 * PyTorch cannot express (peepholes, clip, other activations, linear_before_reset = 0) or whose weights are only known at run time,
 * and a model without recurrent layers. */
CLSTM_API clstm_status clstm_convert_weights_out(const clstm_model *model, clstm_convert_tensor give, void *user, clstm_error *err);

typedef struct clstm_convert_options {
    bool batch_first;                       /* input and output are [batch, time, ...], else [time, batch, ...] */
    bool states;                            /* initial and last states become inputs h0, c0 and outputs hn, cn */
    bool relu;                              /* torch.nn.RNN and SimpleRNN layers have ReLU in place of tanh */
    int opset;                              /* of the file; 0: 17, or 22 for bfloat16 */
    bool keras;                             /* names, gates and matrices as Keras has them */
} clstm_convert_options;

/* Writes the model of a PyTorch state_dict as an ONNX file: torch.nn.LSTM, GRU and RNN of any layers, one direction or both, with
 * biases or without, Linear behind or before them, Embedding in front. Which tensor is what follows from keys and shapes, and so
 * does the order of the modules; names that differ in a number stand in its order. CLSTM_UNSUPPORTED names what leaves a doubt: a
 * projection (proj_size), a single cell, two Linear in a row (a state_dict does not tell what stands between them), more than one
 * order that fits. Nothing else is supposed between the modules. With options->keras, weights are named by Keras's paths
 * (LAYER/lstm_cell/kernel, LAYER/forward_lstm/lstm_cell/kernel; Keras 2's ":0" may follow) or those of Keras 3's .weights.h5
 * (layers/lstm/cell/vars/0, layers/dense/vars/0): LSTM, GRU, SimpleRNN, Bidirectional that
 * joins its directions, Dense and Embedding, with Keras's default activations and no activation after Dense; "lstm" stands before
 * "lstm_1". A GRU's reset_after follows from the shape of its bias, and one without bias is refused. `options` may be NULL. */
CLSTM_API clstm_status clstm_convert_weights_in(const clstm_convert_weight *weights, size_t n, const clstm_convert_options *options,
                                                clstm_convert_sink sink, void *user, clstm_error *err);

typedef struct clstm_convert_c_options {
    const char *name;                       /* prefix of every public name: an identifier of at most 48 characters */
    const char *header;                     /* what the source includes; NULL: NAME.h */
    const clstm_convert_dim *dims;          /* defaults of symbolic dimensions (1 for those that are not here) */
    size_t n_dims;
    const clstm_convert_weight *known;      /* of inputs: values are no parameters; sizes are defaults of symbolic dimensions */
    size_t n_known;
    bool with_main;                         /* a main() that reads raw little-endian inputs from stdin and writes raw outputs */
} clstm_convert_c_options;

/* Writes the model as one C99 source and its header, NAME.c (to sink with user `source`) and NAME.h (`header`), which need libm only and
 * allocate nothing: NAME_run with all inputs and outputs, NAME_reset and NAME_step where there are states to carry - pairs of ports as
 * a session finds them, and states inside layers where the model can be streamed. Symbolic dimensions are macros; one that the
 * text had to be fixed for is refused by the header with any other value. CLSTM_UNSUPPORTED names the node that C text cannot express.
 * The text is the same for the same model and options, and no name of the model stands in it but in escaped strings. */
CLSTM_API clstm_status clstm_convert_c(clstm_model *model, const clstm_convert_c_options *options, clstm_convert_sink sink, void *source,
                                       void *header, clstm_error *err);

/* ---- Faults of exporters ------------------------------------------------------------------------------------------------------------ */

/* A rule of the linter. `repair` is NULL when there is none. keeps_answers: the repaired model gives what the model gives today wherever
 * that runs, and may run where that does not. The table is doc/linter.md. */
typedef struct clstm_lint_rule_info { const char *id, *title, *why, *repair; bool keeps_answers; } clstm_lint_rule_info;
/* Row `index`; false past the last. */
CLSTM_API bool clstm_lint_rule(size_t index, clstm_lint_rule_info *rule);

/* What a rule found; the strings live during the call. */
typedef struct clstm_lint_finding {
    const char *rule;                       /* its id */
    const char *node;                       /* `node 3 "gru" (GRU)`; "" for the whole model */
    const char *why;                        /* what stands there, and why it matters */
    const char *repair;                     /* what a repair does; NULL: none here */
    bool proven;                            /* by structure, weights and shapes; else suspected by the producer */
    bool repaired;                          /* clstm_lint_load: it is being done */
} clstm_lint_finding;
typedef void (*clstm_lint_found)(void *user, const clstm_lint_finding *finding);

/* Looks for faults in a model file, also in one that cannot be loaded for such a fault. CLSTM_OK whatever was found. `options` may be
 * NULL; their `warning` is not called. */
CLSTM_API clstm_status clstm_lint(const char *path, const clstm_model_options *options, clstm_lint_found found, void *user, clstm_error *err);

/* Loads a model with repairs made. `repairs`: ids of rules with commas between, "all", or "" for what is proven and keeps the answers.
 * `found` (may be NULL) hears of every fault, `repaired` tells which were mended. CLSTM_BAD_ARGUMENT for an id that has no repair. */
CLSTM_API clstm_status clstm_lint_load(const char *path, const clstm_model_options *options, const char *repairs, clstm_lint_found found,
                                       void *user, clstm_model **model, clstm_error *err);

#ifdef __cplusplus
}
#endif
#endif
