/* clstm/convert: models on their way out, and weights on their way in and out. */
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

/* Writes the model as the runtime reads it, as an ONNX file: constants folded, idle and dead nodes gone, unused initialisers left
 * out; the names and types of inputs and outputs, versions and metadata stay. `dims` are fixed first, so that what follows from them
 * folds too; CLSTM_BAD_ARGUMENT for a negative size. A name that no input has changes nothing. */
CLSTM_API clstm_status clstm_convert_onnx(const clstm_model *model, const clstm_convert_dim *dims, size_t n_dims,
                                          clstm_convert_sink sink, void *user, clstm_error *err);

#ifdef __cplusplus
}
#endif
#endif
