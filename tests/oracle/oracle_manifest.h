/* Writes cases as a corpus: one directory each in the ONNX test-data layout and a manifest.json that says what each one is. */
#ifndef CLSTM_TESTS_ORACLE_MANIFEST_H
#define CLSTM_TESTS_ORACLE_MANIFEST_H

#include "cases.h"

/* Cases with seeds seed ... seed + count - 1. NULL, or a static text that says what failed. */
const char *oracle_write_corpus(const char *directory, case_family family, uint64_t seed, size_t count);

#endif
