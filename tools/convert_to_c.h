/* tools/convert_to_c: clstm-convert MODEL.onnx OUTPUT.c. */
#ifndef TOOLS_CONVERT_TO_C_H
#define TOOLS_CONVERT_TO_C_H

#include "tool.h"

/* Writes OUTPUT and the header beside it; returns the exit status. */
int convert_to_c(const tool *t, const char *input, const char *output, bool with_main, int64_t batch);

#endif
