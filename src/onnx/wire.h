/* onnx/wire: the messages of proto/onnx.proto as a table, for walking their bytes without building them. */
#ifndef ONNX_WIRE_H
#define ONNX_WIRE_H

#include <stdint.h>

enum wire_kind { WIRE_NONE, WIRE_VARINT, WIRE_FIXED32, WIRE_FIXED64, WIRE_STRING, WIRE_BYTES, WIRE_MESSAGE };

enum wire_flag {
    WIRE_REPEATED = 1,
    WIRE_DROP = 2,          /* checked, but of no use to the importer: left out of the copy */
    WIRE_PAYLOAD = 4,       /* elements of a tensor: stay in the file, their place is remembered */
    WIRE_ONEOF = 8          /* at most one field of the message's oneof may stand */
};

enum wire_message {
    WIRE_MODEL, WIRE_GRAPH, WIRE_NODE, WIRE_ATTRIBUTE, WIRE_TENSOR, WIRE_SPARSE, WIRE_SEGMENT, WIRE_VALUE_INFO, WIRE_TYPE,
    WIRE_TYPE_TENSOR, WIRE_TYPE_SEQUENCE, WIRE_TYPE_MAP, WIRE_TYPE_OPTIONAL, WIRE_TYPE_SPARSE, WIRE_TYPE_OPAQUE, WIRE_SHAPE,
    WIRE_DIMENSION, WIRE_OPSET, WIRE_FUNCTION, WIRE_ENTRY, WIRE_ANNOTATION, WIRE_TRAINING, WIRE_DEVICE, WIRE_NODE_DEVICE,
    WIRE_SHARDING, WIRE_INT_LIST, WIRE_SHARDED_DIM, WIRE_SIMPLE_DIM, WIRE_MESSAGE_COUNT
};

typedef struct wire_field {
    const char *name;
    uint8_t kind, flags, child;             /* child: the message of kind WIRE_MESSAGE */
} wire_field;

typedef struct wire_type {
    const char *name;
    const wire_field *fields;               /* by number; kind WIRE_NONE where there is no such field */
    uint32_t count;                         /* one more than the highest number, at most 32 */
} wire_type;

extern const wire_type onnx_wire_types[WIRE_MESSAGE_COUNT];

#endif
