/* feed: what the targets that run models share: limits small enough for many runs a second, and inputs made from nothing. */
#ifndef CLSTM_TESTS_FEED_H
#define CLSTM_TESTS_FEED_H

#include "fuzz.h"

/* Draws the CPU level for the models to come from the input's bytes, so that the same input takes the same one again. Returns
 * further bits drawn. */
uint64_t feed_level(const uint8_t *data, size_t size);

void feed_limits(clstm_limits *limits);

/* Memory for the inputs of one run; every input has its start, unknown dimensions count as 2. pattern 0: zeros. */
typedef struct feed { unsigned char *memory; } feed;
bool feed_make(feed *f);
void feed_free(feed *f);
/* Sets the tensors among the inputs and runs. */
clstm_status feed_run(feed *f, clstm_model *model, clstm_session *session, uint64_t pattern, clstm_error *err);

#endif
