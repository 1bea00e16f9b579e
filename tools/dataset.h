/* dataset: an ONNX test data set: a directory with input_I.pb and output_I.pb. */
#ifndef TOOLS_DATASET_H
#define TOOLS_DATASET_H

#include <clstm/clstm.h>

/* values[i] is meaningful where present[i]; both have as many entries as the model has ports of that side. */
typedef struct dataset { clstm_value *values; bool *present; size_t count; } dataset;

/* Reads input_I.pb (or output_I.pb) for every port; a file past the last port is an error, a missing one is not. */
clstm_status dataset_read(const char *dir, const clstm_model *model, bool outputs, dataset *set, clstm_error *err);
void dataset_free(dataset *set);
/* Gives the inputs that are present to the session, which keeps views of them. */
clstm_status dataset_give(const dataset *inputs, clstm_session *session, clstm_error *err);
/* Whether dir is a directory with an input_0.pb or an output_0.pb. */
bool dataset_exists(const char *dir);

#endif
