#!/usr/bin/env python3
"""Writes mu_law.onnx, the model of operator.c: y = MuLaw(0.01 * x), where MuLaw is of a domain that no standard has."""
import os

import onnx
from onnx import TensorProto, helper

nodes = [
    helper.make_node("Mul", ["x", "scale"], ["small"], name="smaller"),
    helper.make_node("MuLaw", ["small"], ["y"], name="bend", domain="example.audio", mu=255.0),
]
graph = helper.make_graph(
    nodes, "mu_law",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["samples"])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["samples"])],
    [helper.make_tensor("scale", TensorProto.FLOAT, [], [0.01])])
model = helper.make_model(graph, producer_name="examples/mu_law.py", ir_version=8,
                          opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("example.audio", 1)])
onnx.save(model, os.path.join(os.path.dirname(os.path.abspath(__file__)), "mu_law.onnx"))
