"""clstm-convert --opset: models made with python3-onnx give the same outputs at other versions, and what the standard's schemas do not allow at a
version is refused. Usage: convert_opset.py CLSTM_CONVERT CLSTM_RUN; prints a line `ok NAME` or `not ok NAME: reason` a case."""
import subprocess
import sys

import numpy as np
import onnx
from cases import call, finish, tell
from onnx import TensorProto, defs, helper, numpy_helper

convert, run = sys.argv[1:3]
rng = np.random.default_rng(5)
newest = defs.onnx_opset_version()


def save(nodes, inputs, outputs, opset, inits=(), kind=TensorProto.FLOAT, shape=None):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
                              [helper.make_tensor_value_info(n, kind, shape) for n in outputs], [numpy_helper.from_array(v, n) for n, v in inits])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.save(model, "from.onnx")


def to(opset):
    """The line that refuses it, or None."""
    done = subprocess.run([convert, "from.onnx", "to.onnx", "--opset", str(opset)], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    lines = done.stderr.splitlines()
    if done.returncode != 3 or len(lines) != 1:
        raise RuntimeError(f"status {done.returncode}: {done.stderr}")
    return lines[0]


def outputs(path, values):
    """By name; a file each, which every build can write."""
    command = [run, path]
    names = [o.name for o in onnx.load(path).graph.output]
    for name in names:
        command += ["-o", f"{name}=out_{name}.npy"]
    for name, value in values.items():
        np.save(f"in_{name}.npy", value)
        command += ["-i", f"{name}=in_{name}.npy"]
    call(*command)
    return {name: np.load(f"out_{name}.npy") for name in names}


def same(name, targets, nodes, shapes, outs, opset, inits=(), shape=None):
    try:
        save(nodes, shapes, outs, opset, inits, shape=shape)
        values = {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
        want = outputs("from.onnx", values)
        for target in targets:
            refused = to(target)
            if refused:
                raise RuntimeError(f"at {target}: {refused}")
            model = onnx.load("to.onnx")
            if model.opset_import[0].version != target:
                raise RuntimeError(f"the file is of opset {model.opset_import[0].version}")
            if target <= newest:
                onnx.checker.check_model(model, full_check=True)
            got = outputs("to.onnx", values)
            for key in want:
                if got[key].tobytes() != want[key].tobytes():
                    raise RuntimeError(f"{key} differs at {target}")
        tell(name)
    except Exception as problem:
        tell(name, problem)


def refused(name, words, target, nodes, shapes, outs, opset, inits=(), kind=TensorProto.FLOAT):
    try:
        save(nodes, shapes, outs, opset, inits, kind)
        line = to(target) or "not refused"
        tell(f"refused: {name}", None if all(w in line for w in words) else line)
    except Exception as problem:
        tell(f"refused: {name}", problem)


node = helper.make_node
ints = lambda *v: np.array(v, np.int64)
everywhere = range(11, 29)
same("attributes that became inputs, upwards", everywhere,
     [node("Slice", ["x"], ["a"], starts=[1, 0], ends=[4, 9], axes=[1, 2]), node("Clip", ["a"], ["b"], min=-0.5, max=0.75), node("Clip", ["a"], ["c"], max=0.1),
      node("Pad", ["b"], ["d"], pads=[0, 1, 0, 0, 2, 0], value=3.5), node("ReduceSum", ["d"], ["e"], axes=[1], keepdims=0), node("ReduceMax", ["d"], ["f"], axes=[-1]),
      node("Squeeze", ["f"], ["g"], axes=[2]), node("Unsqueeze", ["e"], ["h"], axes=[0, 3]), node("Split", ["d"], ["i", "j"], axis=1, split=[2, 4]),
      node("ReduceMean", ["d"], ["k"]), node("Softmax", ["d"], ["l"], axis=2)],
     {"x": (2, 5, 6)}, ["c", "g", "h", "i", "j", "k", "l"], 9)
same("TopK's k", everywhere, [node("TopK", ["x"], ["a", "i"], k=3, axis=1), node("Cast", ["i"], ["f"], to=1)], {"x": (2, 7)}, ["a", "f"], 9)
same("inputs that were attributes, downwards", everywhere,
     [node("ReduceSum", ["x", "one"], ["a"], keepdims=0), node("ReduceProd", ["x"], ["b"], axes=[1]), node("Squeeze", ["x", "zero"], ["c"]),
      node("Unsqueeze", ["x", "one"], ["d"]), node("Split", ["x", "parts"], ["e", "f"], axis=2), node("Softmax", ["x"], ["g"]), node("Split", ["x"], ["h", "i"], axis=2)],
     {"x": (1, 5, 6)}, list("abcdefghi"), 17, [("one", ints(1)), ("zero", ints(0)), ("parts", ints(1, 5))])
w = [(n, rng.standard_normal(s).astype(np.float32)) for n, s in (("W", (2, 12, 4)), ("R", (2, 12, 3)), ("B", (2, 24)))]
same("recurrent layers", everywhere, [node("LSTM", ["x", "W", "R", "B"], ["y", "h", "c"], hidden_size=3, direction="bidirectional")], {"x": (5, 2, 4)}, ["y", "h", "c"], 14, w)
same("a batch normalisation", everywhere, [node("BatchNormalization", ["x", "s", "s", "s", "v"], ["y"])], {"x": (2, 3, 4)}, ["y"], 9,
     [("s", rng.standard_normal(3).astype(np.float32)), ("v", np.ones(3, np.float32))])
body = helper.make_graph([node("ReduceSum", ["x", "one"], ["s"], keepdims=0)], "then", [], [helper.make_tensor_value_info("s", 1, [3])])
other = helper.make_graph([node("ReduceMax", ["x"], ["m"], axes=[1], keepdims=0)], "else", [], [helper.make_tensor_value_info("m", 1, [3])])
same("bodies", everywhere, [node("ReduceSum", ["x"], ["t"], keepdims=0), node("Greater", ["t", "t0"], ["q"]), node("If", ["q"], ["y"], then_branch=body, else_branch=other)],
     {"x": (3, 4)}, ["y"], 13, [("one", ints(1)), ("t0", np.zeros((), np.float32))], [3])
# What the slices are is only declared, and there are none.
value = helper.make_tensor_value_info
turn = helper.make_graph([node("Add", ["s", "s"], ["s2"]), node("NonZero", ["s2"], ["k"]), node("Cast", ["k"], ["each"], to=1), node("Identity", ["go"], ["on"])], "turn",
                         [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("s", 1, [2])], [value("on", TensorProto.BOOL, []), value("s2", 1, [2]), value("each", 1, [1, 2])])
same("a loop that never turns", everywhere, [node("Mul", ["x", "zero"], ["z"]), node("ReduceMax", ["z"], ["m"], keepdims=0), node("Cast", ["m"], ["n"], to=7), node("Loop", ["n", "", "x"], ["y", "all"], body=turn)],
     {"x": (2,)}, ["all"], 13, [("zero", np.zeros(2, np.float32))], [None, 1, 2])
same("windows that fit", everywhere, [node("AveragePool", ["x"], ["y"], kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1)], {"x": (1, 2, 6)}, ["y"], 22)

refused("layout", ("(LSTM)", "layout", "opset 13"), 13, [node("LSTM", ["x", "W", "R", "B"], ["y"], hidden_size=3, direction="bidirectional", layout=1)], {"x": (2, 5, 4)}, ["y"], 14, w)
refused("a Softmax within", ("(Softmax)", "axis"), 12, [node("Softmax", ["x"], ["y"], axis=1)], {"x": (2, 5, 4)}, ["y"], 13)
refused("the same upwards", ("(Softmax)", "axis"), 13, [node("Softmax", ["x"], ["y"], axis=1)], {"x": (2, 5, 4)}, ["y"], 11)
refused("one of a rank that only the run knows", ("(Softmax)", "axis"), 13, [node("Softmax", ["x"], ["y"], axis=-2)], {"x": None}, ["y"], 11)
refused("a mask that was left open", ("(Dropout)", "mask", "opset 12"), 11, [node("Dropout", ["x"], ["y", "m"]), node("Cast", ["m"], ["f"], to=1)], {"x": (2, 4)}, ["y", "f"], 13)
refused("an operator that is not there yet", ("(LayerNormalization)", "opset 16 has no"), 16, [node("LayerNormalization", ["x", "s"], ["y"])], {"x": (2, 4)}, ["y"], 17, [("s", np.ones(4, np.float32))])
refused("an operator that is gone", ("(Upsample)", "opset 11 has no"), 11, [node("Upsample", ["x", "s"], ["y"])], {"x": (1, 1, 2, 2)}, ["y"], 9, [("s", np.array([1, 1, 2, 2], np.float32))])
refused("axes that the run makes", ("(Unsqueeze)", "axes"), 12,
        [node("Shape", ["x"], ["s"]), node("Size", ["s"], ["r"]), node("NonZero", ["x"], ["n"]), node("ReduceMin", ["n"], ["m"], keepdims=0), node("Mod", ["m", "r"], ["a"]),
         node("Reshape", ["a", "one"], ["b"]), node("Unsqueeze", ["x", "b"], ["y"])], {"x": ("a", "b")}, ["y"], 13, [("one", ints(1))])
refused("allowzero", ("(Reshape)", "allowzero"), 13, [node("Reshape", ["x", "s"], ["y"], allowzero=1)], {"x": (0, 4)}, ["y"], 14, [("s", ints(4, 0))])
refused("a repeated reduction", ("(ScatterND)", "reduction"), 13, [node("ScatterND", ["x", "i", "u"], ["y"], reduction="add")], {"x": (4,)}, ["y"], 16, [("i", ints(1)[None]), ("u", np.ones(1, np.float32))])
refused("a window in the padding", ("(MaxPool)", "opset 22"), 21, [node("MaxPool", ["x"], ["y"], kernel_shape=[3], strides=[3], pads=[1, 1], ceil_mode=1)], {"x": (1, 1, 2)}, ["y"], 22)
refused("an element of what is no optional", ("(OptionalGetElement)", "opset 18"), 17, [node("OptionalGetElement", ["x"], ["y"])], {"x": (2,)}, ["y"], 18)

# ---- element types against the schemas
TYPES = {"tensor(bfloat16)": 16, "tensor(int8)": 3, "tensor(int32)": 6}
wrong, allowed, denied = [], 0, 0


def takes(op, opset, kind):
    try:
        schema = defs.get_schema(op, opset, "")
    except defs.SchemaError:
        return False
    return kind in {t for p in schema.inputs for t in p.types} and all(kind in p.types for p in schema.inputs)


for schema in defs.get_all_schemas():
    same_type = schema.domain == "" and schema.inputs and len({p.typeStr for p in schema.inputs}) == 1 and 1 <= schema.min_input <= 2
    if not same_type or schema.outputs[0].typeStr != schema.inputs[0].typeStr or any(a.required for a in schema.attributes.values()) or schema.name in ("Identity", "Mod", "BitShift"):
        continue
    for kind, number in TYPES.items():
        if not takes(schema.name, newest, kind):
            continue
        names = ["a", "b"][:max(schema.min_input, 2 if len(schema.inputs) == 1 and schema.max_input > 2 else 1)]
        save([node(schema.name, names, ["y"])], {n: (3, 3) for n in names}, ["y"], newest, kind=number)
        for opset in (11, 12, 13, 15):
            line = to(opset)
            if line and "(" not in line.split("node 0")[-1]:
                break               # not loaded
            if line and f"at {opset}" not in line and f"opset {opset}" not in line and "axis" not in line:
                break
            good = takes(schema.name, opset, kind) == (line is None)
            allowed += line is None
            denied += line is not None
            if not good and "axis" not in (line or ""):
                wrong.append(f"{schema.name} of {kind} at {opset}: {line}")
tell(f"element types against the schemas of onnx {onnx.__version__}: {allowed} allowed, {denied} refused", "; ".join(wrong[:8]) or (None if allowed > 200 and denied > 50 else "too few"))
finish()
