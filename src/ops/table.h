/* ops/table: the one table of operators. */
#ifndef OPS_TABLE_H
#define OPS_TABLE_H

#include "ir/op.h"

/* The row for (domain, name) valid at `version`; NULL when there is none. *known (may be NULL) says whether the name exists at any
 * version. Thread-safe. */
const op_desc *ops_find(const char *domain, const char *name, int version, bool *known);
/* All rows in order of domain, name and version; NULL past the last. */
const op_desc *ops_row(size_t index);

#endif
