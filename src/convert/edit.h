/* convert/edit: the pieces of which repairs and changes of version are made. NULL or a status on failure, err filled. */
#ifndef CONVERT_EDIT_H
#define CONVERT_EDIT_H

#include "ir/op.h"

ir_node *edit_node(ir_graph *g, const char *op, int version, int n_in, ir_value *const *in, ir_value *out /* NULL: a new value */, clstm_error *err);
clstm_status edit_check(ir_node *n, clstm_error *err);          /* when its attributes are complete; NULL: the error that stands in err */
clstm_status edit_set_input(ir_node *n, int i, ir_value *v, clstm_error *err);     /* past the last: the list grows */
clstm_status edit_set_int(ir_node *n, const char *name, int64_t value, clstm_error *err);
clstm_status edit_set_float(ir_node *n, const char *name, float value, clstm_error *err);
/* IR_ATTR_INTS of int64_t, IR_ATTR_FLOATS of float */
clstm_status edit_set_list(ir_node *n, const char *name, ir_attr_kind kind, size_t count, const void *values, clstm_error *err);
void edit_drop_attr(ir_node *n, const char *name);              /* one that owns nothing beyond the arena */

#endif
