/* tensor: sizes, shapes, broadcasting and element conversion over clstm_tensor. Everything here is dense and row-major. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include <clstm/clstm.h>

/* Bytes of the elements; false when a dimension is unknown, the type has no fixed size, or the product overflows. */
bool tensor_bytes(const clstm_tensor *t, size_t *bytes);
/* Product of dims[from..to); dims must be known and were checked when the tensor was made. */
int64_t tensor_span(const clstm_tensor *t, int from, int to);
/* Product of the dimensions with those of no element left out: what no product of some of them exceeds. -1 when a dimension is
 * unknown or the product overflows. Limits are held against this, or [0,2^62,2^62] would pass as empty. */
int64_t tensor_extent(const clstm_tensor *t);
bool tensor_same_shape(const clstm_tensor *a, const clstm_tensor *b);
/* True when rank and every dimension are known. */
bool tensor_shape_known(const clstm_tensor *t);
/* Sets type, rank and dims; data becomes NULL. */
void tensor_set(clstm_tensor *t, clstm_type type, int rank, const int64_t *dims);
/* Numpy broadcasting of b into the shape that stands in *out; false when they clash. */
bool tensor_broadcast(clstm_tensor *out, const clstm_tensor *b);
/* Element strides of t seen as the (broadcast) shape `as`: 0 where t repeats. */
void tensor_broadcast_strides(const clstm_tensor *t, const clstm_tensor *as, int64_t *strides);
/* "[2,?,64]" into out (168 bytes are always enough); returns out. */
const char *tensor_shape_text(char *out, size_t size, const clstm_tensor *t);
/* axis in [-rank, rank) made non-negative; false outside. */
bool tensor_axis(int64_t axis, int rank, int *out);

bool type_is_float(clstm_type t);       /* float, double, float16, bfloat16 */
bool type_is_signed_int(clstm_type t);
bool type_is_unsigned_int(clstm_type t);
bool type_is_integer(clstm_type t);

/* float16 and bfloat16, round to nearest even, NaN kept NaN. */
float tensor_half_to_float(uint16_t h);
uint16_t tensor_float_to_half(float f);
uint16_t tensor_double_to_half(double f);   /* rounded once */
float tensor_bfloat_to_float(uint16_t b);
uint16_t tensor_float_to_bfloat(float f);
uint16_t tensor_double_to_bfloat(double f); /* rounded once */

/* Element i as double / int64 (any numeric type or bool). For shapes, axes and small parameters, not for hot loops. */
double tensor_get_double(const clstm_tensor *t, int64_t i);
int64_t tensor_get_int(const clstm_tensor *t, int64_t i);

#endif
