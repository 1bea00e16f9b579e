#!/usr/bin/env python3
"""Writes the models of this directory that are refused, and expected.txt: each file with words of its message. Standard library only."""
import os
import struct

here = os.path.dirname(os.path.abspath(__file__))


def varint(v):
    v &= (1 << 64) - 1
    out = b""
    while v > 127:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def port(name, kind=1):
    return field(1, name) + field(2, field(1, field(1, kind)))


def node(op, inputs, outputs, name="n"):
    return b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(3, name) + field(4, op)


def tensor(name, dims, rest, kind=1):
    return b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + rest


def graph(*parts):
    return field(2, "g") + field(11, port("x")) + field(12, port("y")) + b"".join(parts)


def graph_of_scalar(*parts):
    return field(2, "g") + field(11, field(1, "x") + field(2, field(1, field(1, 1) + field(2, b"")))) + field(12, port("y")) + b"".join(parts)


def model(g, *rest, opset=17):
    return field(1, 8) + field(8, field(1, "") + field(2, opset)) + field(7, g) + b"".join(rest)


def nodes(*list_of_nodes):
    return b"".join(field(1, n) for n in list_of_nodes)


def int64s(name, *values):
    return field(5, tensor(name, [len(values)], field(9, struct.pack(f"<{len(values)}q", *values)), 7))


def of_constant(dims, kind, bytes_each, *parts):
    """A graph with a constant w, so that what the parts make of it is computed while loading."""
    count = 1
    for d in dims:
        count *= d
    return graph(field(5, tensor("w", dims, field(9, bytes(count * bytes_each)), kind)), *parts)


def external(location):
    entry = field(1, "location") + field(2, location)
    return graph(field(5, tensor("w", [4], field(13, entry) + field(14, 1))), nodes(node("Add", ["x", "w"], ["y"])))


def nested_types(depth):
    t = b""
    for _ in range(depth):
        t = field(4, field(1, t))
    return graph(field(11, field(1, "deep") + field(2, t)))


def nested_bodies(depth):
    g = graph(nodes(node("Neg", ["x"], ["y"])))
    for _ in range(depth):
        attribute = field(1, "then_branch") + field(20, 5) + field(6, g)
        g = graph(field(1, node("If", ["x"], ["y"]) + field(5, attribute)))
    return g


negate = graph(nodes(node("Neg", ["x"], ["y"])))
call = field(7, node("F", ["a"], ["b"], "again")) + field(9, field(2, 17))
function = field(1, "F") + field(4, "a") + field(5, "b") + call
sparse = field(1, tensor("w", [1], field(9, struct.pack("<f", 1)))) + field(2, tensor("", [1], field(9, struct.pack("<q", 0)), 7))
adds_state = (field(2, "b") + field(11, port("i", 7)) + field(11, port("c", 9)) + field(11, port("v")) + field(11, port("u")) + field(12, port("d", 9)) + field(12, port("w"))
              + field(12, port("s")) + nodes(node("Identity", ["c"], ["d"]), node("Add", ["u", "v"], ["w"], "add"), node("Neg", ["u"], ["s"])))
files = {
    "empty": (b"", "empty"),
    "text": (b"This is not a model.\n", "not a"),
    "truncated": (model(negate)[:-7], "ends early or is malformed"),
    "no_graph": (field(1, 8), "no graph"),
    "no_ir_version": (field(7, negate), "no ir_version"),
    "nested_types": (model(nested_types(5000)), "limit message-depth"),
    "nested_bodies": (model(nested_bodies(20)), "limit subgraph-depth"),
    "nul_in_name": (model(graph(nodes(node("Neg", ["x"], ["y"], "a\0b")))), "name of NodeProto"),
    "bad_utf8": (model(graph(nodes(node("Neg", ["x"], ["y"]) + field(7, b"\xff\xfe")))), "domain of NodeProto"),
    "group": (model(negate) + b"\x0b\x0c", "a group in ModelProto"),
    "graph_twice": (model(negate, field(7, negate)), "graph of ModelProto is given twice"),
    "unknown_operator": (model(graph(nodes(node("Frobnicate", ["x"], ["y"], "foo")))),
                         'node 0 "foo" (Frobnicate): operator Frobnicate is not supported'),
    "escapes": (model(graph(nodes(node("Neg", ["nowhere"], ["y"], "\x1b[31m\n")))), 'node 0 "\\x1b[31m\\x0a" (Neg)'),
    "cycle": (model(graph(nodes(node("Neg", ["z"], ["y"]), node("Neg", ["y"], ["z"])))), "depends on its own output"),
    "undefined_input": (model(graph(nodes(node("Neg", ["nowhere"], ["y"])))), '"nowhere" is not defined'),
    "name_twice": (model(graph(nodes(node("Neg", ["x"], ["y"]), node("Neg", ["x"], ["y"])))), '"y" is defined twice'),
    "type_clash": (model(graph(field(5, tensor("w", [2], field(9, bytes(16)), 7)), field(5, tensor("v", [2], field(9, bytes(8)))),
                               nodes(node("Neg", ["x"], ["y"]), node("Add", ["v", "w"], ["z"], "clash")))),
                   'node 1 "clash" (Add): input B has type int64, expected float'),
    "shapes_clash": (model(graph(field(5, tensor("w", [2, 3], field(9, bytes(24)))), field(5, tensor("v", [2, 3], field(9, bytes(24)))),
                                 nodes(node("MatMul", ["v", "w"], ["m"], "clash"), node("Add", ["x", "m"], ["y"])))),
                     'node 0 "clash" (MatMul): shapes [2,3] and [2,3] do not multiply'),
    "shapes_of_inputs": (model(graph_of_scalar(field(5, tensor("s", [1], field(9, struct.pack("<q", 5)), 7)), nodes(node("Reshape", ["x", "s"], ["y"], "clash")))),
                         'node 0 "clash" (Reshape): cannot give'),
    "index_of_run": (model(graph_of_scalar(field(5, tensor("i", [], field(9, struct.pack("<q", 5)), 7)), field(5, tensor("a", [1], field(9, struct.pack("<q", 0)), 7)),
                                           nodes(node("Unsqueeze", ["x", "a"], ["u"]), node("Gather", ["u", "i"], ["y"], "clash")))), 'node 1 "clash" (Gather): index 5 is outside'),
    "dropped_projection": (model(graph(*[field(5, tensor(name, dims, field(9, bytes(4 * dims[1] * dims[2])))) for name, dims in
                                         (("X", [1, 1, 2]), ("W", [1, 8, 2]), ("R", [1, 8, 2]), ("h", [1, 1, 2]), ("c", [1, 1, 3]))],
                                       nodes(node("LSTM", ["X", "W", "R", "", "", "h", "c"], ["Y"], "lstm") + field(5, field(1, "hidden_size") + field(3, 2) + field(20, 2)),
                                             node("Add", ["x", "Y"], ["y"])))),
                           'node 0 "lstm" (LSTM): initial_c has hidden size 3, expected 2; the PyTorch exporter drops the projection of an LSTM'),
    "no_output": (model(graph(nodes(node("Neg", ["x"], [""]), node("Neg", ["x"], ["y"])))), "required output Y is missing"),
    "wrong_size": (model(graph(field(5, tensor("w", [4], field(9, b"123"))), nodes(node("Add", ["x", "w"], ["y"])))),
                   'initialiser "w": holds 3 bytes'),
    "huge_tensor": (model(graph(field(5, tensor("w", [1 << 40, 1 << 40], b"")), nodes(node("Add", ["x", "w"], ["y"])))), "limit elements"),
    "huge_but_empty": (model(graph(field(5, tensor("w", [0, 1 << 40, 1 << 40], b"")), nodes(node("Add", ["x", "w"], ["y"])))), "limit elements"),
    "huge_constant": (model(graph(field(5, tensor("s", [2], field(9, struct.pack("<qq", 1 << 20, 1 << 20)), 7)),
                                  nodes(node("ConstantOfShape", ["s"], ["y"])))), "limit elements"),
    "huge_empty_constant": (model(graph(field(5, tensor("s", [3], field(9, struct.pack("<qqq", 0, 1 << 40, 1 << 40)), 7)),
                                        nodes(node("ConstantOfShape", ["s"], ["y"])))), "too large"),
    "huge_declared": (model(field(2, "g") + field(11, field(1, "x") + field(2, field(1, field(1, 1) + field(2, field(1, field(1, (1 << 63) - 1))))))
                            + field(12, port("y")) + field(12, port("z")) + nodes(node("Split", ["x"], ["y", "z"]))), "limit elements"),
    "huge_sparse": (model(graph(field(15, sparse + field(3, 1 << 20) + field(3, 1 << 20)), nodes(node("Add", ["x", "w"], ["y"])))),
                    "limit elements"),
    "state_not_given": (model(graph_of_scalar(field(5, tensor("n", [], field(9, struct.pack("<q", 2)), 7)),
                                              nodes(node("Loop", ["n", "", "", "x"], ["y"], "loop") + field(5, field(1, "body") + field(6, adds_state) + field(20, 5))))),
                        'node 0 "loop" (Loop): node 1 "add" (Add): input B has no value'),
    "pads_beyond_integers": (model(of_constant([2], 1, 4, int64s("p", -(1 << 63) + 1, -(1 << 63)), nodes(node("Pad", ["w", "p"], ["y"], "pad")))),
                             'node 0 "pad" (Pad): the pads cut more than axis 0 has'),
    "sizes_beyond_integers": (model(of_constant([2, 2], 1, 4, int64s("s", (1 << 63) - 1, (1 << 63) - 1),
                                                nodes(node("Resize", ["w", "", "", "s"], ["y"], "grow")
                                                      + field(5, field(1, "keep_aspect_ratio_policy") + field(4, "not_larger") + field(20, 3)))), opset=18),
                              'node 0 "grow" (Resize): a scale of 4.61169e+18 of 2 elements'),
    "block_beyond_integers": (model(of_constant([2, 4], 1, 4, field(5, tensor("s", [2, 2], field(9, bytes(16)))),
                                                nodes(node("QuantizeLinear", ["w", "s"], ["y"], "q")
                                                      + field(5, field(1, "block_size") + field(3, (1 << 63) - 1) + field(20, 2)))), opset=21),
                              'node 0 "q" (QuantizeLinear): the scale\'s shape does not fit blocks of 9223372036854775807 along axis 1'),
    "window_beyond_integers": (model(of_constant([1, 1, 1, 1], 2, 1, nodes(node("ConvInteger", ["w", "w"], ["y"], "conv")
                                                                           + field(5, field(1, "pads") + field(8, (1 << 31) - 1) * 4 + field(20, 7))))),
                               'node 0 "conv" (ConvInteger): the output is too large'),
    "external_outside": (model(external("../../../etc/passwd")), "not a path beneath the model's directory"),
    "external_absolute": (model(external("/etc/passwd")), "not a path beneath the model's directory"),
    "external_missing": (model(external("there_is_none")), 'external data "there_is_none": cannot be opened'),
    "function_of_itself": (model(graph(nodes(node("F", ["x"], ["y"], "call"))), field(25, function)), "the function calls itself"),
}

with open(os.path.join(here, "expected.txt"), "w") as expected:
    for name, (data, words) in files.items():
        with open(os.path.join(here, name + ".onnx"), "wb") as f:
            f.write(data)
        expected.write(f"{name}.onnx\t{words}\n")
