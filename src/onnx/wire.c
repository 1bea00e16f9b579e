/* onnx/wire: the table; field numbers are those of proto/onnx.proto. */
#include "onnx/wire.h"

#define INT(name) {name, WIRE_VARINT, 0, 0}
#define INTS(name) {name, WIRE_VARINT, WIRE_REPEATED, 0}
#define STR(name) {name, WIRE_STRING, 0, 0}
#define STRS(name) {name, WIRE_STRING, WIRE_REPEATED, 0}
#define DOC(name) {name, WIRE_STRING, WIRE_DROP, 0}
#define MSG(name, child) {name, WIRE_MESSAGE, 0, child}
#define MSGS(name, child) {name, WIRE_MESSAGE, WIRE_REPEATED, child}
#define NOTES(name, child) {name, WIRE_MESSAGE, WIRE_REPEATED | WIRE_DROP, child}
#define ONE(name, child) {name, WIRE_MESSAGE, WIRE_ONEOF, child}

static const wire_field model[] = {
    [1] = INT("ir_version"), [2] = STR("producer_name"), [3] = STR("producer_version"), [4] = STR("domain"),
    [5] = INT("model_version"), [6] = DOC("doc_string"), [7] = MSG("graph", WIRE_GRAPH), [8] = MSGS("opset_import", WIRE_OPSET),
    [14] = MSGS("metadata_props", WIRE_ENTRY), [20] = NOTES("training_info", WIRE_TRAINING),
    [25] = MSGS("functions", WIRE_FUNCTION), [26] = NOTES("configuration", WIRE_DEVICE)};
static const wire_field graph[] = {
    [1] = MSGS("node", WIRE_NODE), [2] = STR("name"), [5] = MSGS("initializer", WIRE_TENSOR), [10] = DOC("doc_string"),
    [11] = MSGS("input", WIRE_VALUE_INFO), [12] = MSGS("output", WIRE_VALUE_INFO),
    [13] = NOTES("value_info", WIRE_VALUE_INFO),    /* hints for values that are inferred anyway */
    [14] = NOTES("quantization_annotation", WIRE_ANNOTATION), [15] = MSGS("sparse_initializer", WIRE_SPARSE),
    [16] = NOTES("metadata_props", WIRE_ENTRY)};
static const wire_field node[] = {
    [1] = STRS("input"), [2] = STRS("output"), [3] = STR("name"), [4] = STR("op_type"), [5] = MSGS("attribute", WIRE_ATTRIBUTE),
    [6] = DOC("doc_string"), [7] = STR("domain"), [8] = STR("overload"), [9] = NOTES("metadata_props", WIRE_ENTRY),
    [10] = NOTES("device_configurations", WIRE_NODE_DEVICE)};
static const wire_field attribute[] = {
    [1] = STR("name"), [2] = {"f", WIRE_FIXED32, 0, 0}, [3] = INT("i"), [4] = {"s", WIRE_BYTES, 0, 0}, [5] = MSG("t", WIRE_TENSOR),
    [6] = MSG("g", WIRE_GRAPH), [7] = {"floats", WIRE_FIXED32, WIRE_REPEATED, 0}, [8] = INTS("ints"),
    [9] = {"strings", WIRE_BYTES, WIRE_REPEATED, 0}, [10] = MSGS("tensors", WIRE_TENSOR), [11] = MSGS("graphs", WIRE_GRAPH),
    [13] = DOC("doc_string"), [14] = MSG("tp", WIRE_TYPE), [15] = MSGS("type_protos", WIRE_TYPE), [20] = INT("type"),
    [21] = STR("ref_attr_name"), [22] = MSG("sparse_tensor", WIRE_SPARSE), [23] = MSGS("sparse_tensors", WIRE_SPARSE)};
static const wire_field tensor[] = {
    [1] = INTS("dims"), [2] = INT("data_type"), [3] = MSG("segment", WIRE_SEGMENT),
    [4] = {"float_data", WIRE_FIXED32, WIRE_REPEATED | WIRE_PAYLOAD, 0}, [5] = {"int32_data", WIRE_VARINT, WIRE_REPEATED | WIRE_PAYLOAD, 0},
    [6] = {"string_data", WIRE_BYTES, WIRE_REPEATED | WIRE_PAYLOAD, 0}, [7] = {"int64_data", WIRE_VARINT, WIRE_REPEATED | WIRE_PAYLOAD, 0},
    [8] = STR("name"), [9] = {"raw_data", WIRE_BYTES, WIRE_PAYLOAD, 0},
    [10] = {"double_data", WIRE_FIXED64, WIRE_REPEATED | WIRE_PAYLOAD, 0}, [11] = {"uint64_data", WIRE_VARINT, WIRE_REPEATED | WIRE_PAYLOAD, 0},
    [12] = DOC("doc_string"), [13] = MSGS("external_data", WIRE_ENTRY), [14] = INT("data_location"),
    [16] = NOTES("metadata_props", WIRE_ENTRY)};
static const wire_field segment[] = {[1] = INT("begin"), [2] = INT("end")};
static const wire_field sparse[] = {[1] = MSG("values", WIRE_TENSOR), [2] = MSG("indices", WIRE_TENSOR), [3] = INTS("dims")};
static const wire_field value_info[] = {
    [1] = STR("name"), [2] = MSG("type", WIRE_TYPE), [3] = DOC("doc_string"), [4] = NOTES("metadata_props", WIRE_ENTRY)};
static const wire_field type[] = {
    [1] = ONE("tensor_type", WIRE_TYPE_TENSOR), [4] = ONE("sequence_type", WIRE_TYPE_SEQUENCE), [5] = ONE("map_type", WIRE_TYPE_MAP),
    [6] = DOC("denotation"), [7] = ONE("opaque_type", WIRE_TYPE_OPAQUE), [8] = ONE("sparse_tensor_type", WIRE_TYPE_SPARSE),
    [9] = ONE("optional_type", WIRE_TYPE_OPTIONAL)};
static const wire_field typed_shape[] = {[1] = INT("elem_type"), [2] = MSG("shape", WIRE_SHAPE)};
static const wire_field type_inner[] = {[1] = MSG("elem_type", WIRE_TYPE)};
static const wire_field type_map[] = {[1] = INT("key_type"), [2] = MSG("value_type", WIRE_TYPE)};
static const wire_field type_opaque[] = {[1] = STR("domain"), [2] = STR("name")};
static const wire_field shape[] = {[1] = MSGS("dim", WIRE_DIMENSION)};
static const wire_field dimension[] = {
    [1] = {"dim_value", WIRE_VARINT, WIRE_ONEOF, 0}, [2] = {"dim_param", WIRE_STRING, WIRE_ONEOF, 0}, [3] = DOC("denotation")};
static const wire_field opset[] = {[1] = STR("domain"), [2] = INT("version")};
static const wire_field function[] = {
    [1] = STR("name"), [4] = STRS("input"), [5] = STRS("output"), [6] = STRS("attribute"), [7] = MSGS("node", WIRE_NODE),
    [8] = DOC("doc_string"), [9] = MSGS("opset_import", WIRE_OPSET), [10] = STR("domain"), [11] = MSGS("attribute_proto", WIRE_ATTRIBUTE),
    [12] = NOTES("value_info", WIRE_VALUE_INFO), [13] = STR("overload"), [14] = NOTES("metadata_props", WIRE_ENTRY)};
static const wire_field entry[] = {[1] = STR("key"), [2] = STR("value")};
static const wire_field annotation[] = {[1] = STR("tensor_name"), [2] = MSGS("quant_parameter_tensor_names", WIRE_ENTRY)};
static const wire_field training[] = {
    [1] = MSG("initialization", WIRE_GRAPH), [2] = MSG("algorithm", WIRE_GRAPH), [3] = MSGS("initialization_binding", WIRE_ENTRY),
    [4] = MSGS("update_binding", WIRE_ENTRY)};
static const wire_field device[] = {[1] = STR("name"), [2] = INT("num_devices"), [3] = STRS("device")};
static const wire_field node_device[] = {
    [1] = STR("configuration_id"), [2] = MSGS("sharding_spec", WIRE_SHARDING), [3] = INT("pipeline_stage")};
static const wire_field sharding[] = {
    [1] = STR("tensor_name"), [2] = INTS("device"), [3] = MSGS("index_to_device_group_map", WIRE_INT_LIST),
    [4] = MSGS("sharded_dim", WIRE_SHARDED_DIM)};
static const wire_field int_list[] = {[1] = INT("key"), [2] = INTS("value")};
static const wire_field sharded_dim[] = {[1] = INT("axis"), [2] = MSGS("simple_sharding", WIRE_SIMPLE_DIM)};
static const wire_field simple_dim[] = {
    [1] = {"dim_value", WIRE_VARINT, WIRE_ONEOF, 0}, [2] = {"dim_param", WIRE_STRING, WIRE_ONEOF, 0}, [3] = INT("num_shards")};

#define TYPE(name, fields) {name, fields, (uint32_t)(sizeof fields / sizeof *fields)}
const wire_type onnx_wire_types[WIRE_MESSAGE_COUNT] = {
    [WIRE_MODEL] = TYPE("ModelProto", model), [WIRE_GRAPH] = TYPE("GraphProto", graph), [WIRE_NODE] = TYPE("NodeProto", node),
    [WIRE_ATTRIBUTE] = TYPE("AttributeProto", attribute), [WIRE_TENSOR] = TYPE("TensorProto", tensor),
    [WIRE_SPARSE] = TYPE("SparseTensorProto", sparse), [WIRE_SEGMENT] = TYPE("TensorProto.Segment", segment),
    [WIRE_VALUE_INFO] = TYPE("ValueInfoProto", value_info), [WIRE_TYPE] = TYPE("TypeProto", type),
    [WIRE_TYPE_TENSOR] = TYPE("TypeProto.Tensor", typed_shape), [WIRE_TYPE_SEQUENCE] = TYPE("TypeProto.Sequence", type_inner),
    [WIRE_TYPE_MAP] = TYPE("TypeProto.Map", type_map), [WIRE_TYPE_OPTIONAL] = TYPE("TypeProto.Optional", type_inner),
    [WIRE_TYPE_SPARSE] = TYPE("TypeProto.SparseTensor", typed_shape), [WIRE_TYPE_OPAQUE] = TYPE("TypeProto.Opaque", type_opaque),
    [WIRE_SHAPE] = TYPE("TensorShapeProto", shape), [WIRE_DIMENSION] = TYPE("TensorShapeProto.Dimension", dimension),
    [WIRE_OPSET] = TYPE("OperatorSetIdProto", opset), [WIRE_FUNCTION] = TYPE("FunctionProto", function),
    [WIRE_ENTRY] = TYPE("StringStringEntryProto", entry), [WIRE_ANNOTATION] = TYPE("TensorAnnotation", annotation),
    [WIRE_TRAINING] = TYPE("TrainingInfoProto", training), [WIRE_DEVICE] = TYPE("DeviceConfigurationProto", device),
    [WIRE_NODE_DEVICE] = TYPE("NodeDeviceConfigurationProto", node_device), [WIRE_SHARDING] = TYPE("ShardingSpecProto", sharding),
    [WIRE_INT_LIST] = TYPE("IntIntListEntryProto", int_list), [WIRE_SHARDED_DIM] = TYPE("ShardedDimProto", sharded_dim),
    [WIRE_SIMPLE_DIM] = TYPE("SimpleShardedDimProto", simple_dim)};
