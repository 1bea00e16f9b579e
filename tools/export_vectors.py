#!/usr/bin/env python3
"""Exports a torch.nn.Module to ONNX beside reference vectors: PyTorch's own answers.

    DIR/model.onnx
    DIR/test_data_set_N/input_I.pb, output_I.pb      (TensorProto, N = 0, 1, ...)

This is the layout of the ONNX test suite, so `clstm-run DIR/model.onnx` compares itself with
PyTorch and `clstm-check DIR` does so for a whole tree. The exporter's file is kept byte for
byte; metadata is only appended after it.

As a command:

    export_vectors.py -o DIR mymodel.py:Net --init 8 --init 16 -i x=1x20x8 \\
        --output y --dynamic x=0:batch,1:time --sets 3

  The module: FILE.py:NAME or package.module:NAME, where NAME is a Module, or a class or function
  that makes one (--init gives its arguments, as Python literals). --weights FILE loads a
  state_dict. The module is put into eval mode unless --train is given.
  -i NAME=SHAPE[:DTYPE] makes random inputs (float32: normal; int64: 0..--int-range less one), a
  new draw for each of --sets; -i NAME=FILE.npy takes them from a file (first set only, unless
  repeated); --data FILE.npz, repeated, is one data set each, arrays named as the inputs are.
  --chain OUT=IN feeds output OUT of set N to input IN of set N+1 (states of a streaming model).
  --exporter torchscript|dynamo|auto: auto takes dynamo where this torch has it (2.5 and up), and
  TorchScript, saying so, where onnxscript is not installed and for what dynamo cannot export.
  Opset: 17 (TorchScript) or 18 (dynamo) unless --opset says otherwise.
  DIR is changed only when all has gone well; other files in it stay.

As a library:

    from export_vectors import export_vectors
    export_vectors(net, [(x, h), ...], "DIR", input_names=["x", "h"], output_names=["y", "hn"],
                   dynamic_axes={"x": {0: "batch"}}, chain={"hn": "h"}, metadata={"k": "v"})

  One tuple of positional arguments a data set. Tuples inside (an LSTM's (h, c)) are flattened, in
  inputs and in outputs, as the exporters do. Returns the outputs of every data set as numpy arrays.

Needs torch (1.13 or newer) and numpy; the dynamo exporter needs onnxscript.
"""
import argparse
import ast
import importlib
import importlib.util
import inspect
import os
import shutil
import sys
import tempfile
import warnings

import numpy as np

try:
    import torch
except ImportError:
    torch = None

# numbers of TensorProto.DataType
_ONNX_TYPE = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7,
    "bool": 9, "float16": 10, "float64": 11, "uint32": 12, "uint64": 13, "complex64": 14,
    "complex128": 15, "bfloat16": 16,
}


def _varint(n):
    out = bytearray()
    while True:
        out.append((n & 0x7F) | (0x80 if n > 0x7F else 0))
        n >>= 7
        if n == 0:
            return bytes(out)


def _field(number, payload):
    """A length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def tensor_bytes(tensor, name):
    """A tensor as a serialised TensorProto: dims 1, data_type 2, name 8, raw_data 9."""
    t = tensor.detach().cpu().contiguous()
    kind = str(t.dtype).replace("torch.", "")
    if kind not in _ONNX_TYPE:
        raise TypeError(f"{name}: element type {kind} has no ONNX tensor type here")
    raw = (t.view(torch.int16) if kind == "bfloat16" else t).numpy()
    raw = raw.astype(raw.dtype.newbyteorder("<")).tobytes()
    out = b"".join(_varint(1 << 3) + _varint(d) for d in t.shape)
    out += _varint(2 << 3) + _varint(_ONNX_TYPE[kind])
    return out + _field(8, name.encode()) + _field(9, raw)


def _flatten(values):
    """Tensors in order, out of nested tuples and lists."""
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, (tuple, list)):
        return [t for v in values for t in _flatten(v)]
    if values is None:
        return []
    raise TypeError(f"inputs and outputs must be tensors or tuples of them, not {type(values).__name__}")


def _refill(like, flat):
    """The nesting of `like` around the tensors taken from the iterator `flat`."""
    if isinstance(like, torch.Tensor):
        return next(flat)
    if isinstance(like, (tuple, list)):
        return type(like)(_refill(v, flat) for v in like)
    return like


def _map_axes(args, names, dynamic_axes, make):
    """dynamic_axes in the nesting of `args`, as the dynamo exporter wants them."""
    by_name = iter(names)

    def one(value):
        if isinstance(value, (tuple, list)):
            return tuple(one(v) for v in value)
        axes = dynamic_axes.get(next(by_name), {})
        return {axis: make(name) for axis, name in axes.items()}

    return tuple(one(a) for a in args)


def has_dynamo():
    """Whether this torch's exporter can go through torch.export."""
    return "dynamo" in inspect.signature(torch.onnx.export).parameters


def _say(what):
    print(f"export_vectors.py: {what}", file=sys.stderr)


def _first_line(error):
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _pick_exporter(exporter):
    """The exporters to try, in order."""
    if exporter == "torchscript" or (exporter == "auto" and not has_dynamo()):
        return ["torchscript"]
    if not has_dynamo():
        raise RuntimeError(f"torch {torch.__version__} has no dynamo exporter (2.5 and up have)")
    if importlib.util.find_spec("onnxscript") is None:
        wanted = "the dynamo exporter needs onnxscript, which is not installed"
        if exporter == "dynamo":
            raise RuntimeError(wanted)
        _say(f"{wanted}; TorchScript instead")
        return ["torchscript"]
    return ["dynamo", "torchscript"] if exporter == "auto" else ["dynamo"]


def _export_dynamo(module, args, path, names_in, names_out, dynamic_axes, opset):
    release = tuple(int(n) for n in torch.__version__.split("+")[0].split(".")[:2])
    dims = {}
    # a plain name lets torch find the bounds; before 2.7 it must be a Dim
    make = str if release >= (2, 7) else lambda name: dims.setdefault(name, torch.export.Dim(name))
    shapes = _map_axes(args, names_in, dynamic_axes, make) if dynamic_axes else None
    torch.onnx.export(module, args, path, dynamo=True, external_data=False, dynamic_shapes=shapes,
                      input_names=names_in, output_names=names_out, opset_version=opset or 18)


def _export_torchscript(module, args, path, names_in, names_out, dynamic_axes, opset):
    extra = {"dynamo": False} if has_dynamo() else {}
    torch.onnx.export(module, args, path, dynamic_axes=dynamic_axes or None, input_names=names_in,
                      output_names=names_out, opset_version=opset or 17, **extra)


def _export(module, args, path, names_in, names_out, dynamic_axes, opset, exporter):
    tried = _pick_exporter(exporter)
    for name in tried:
        run = _export_dynamo if name == "dynamo" else _export_torchscript
        try:
            run(module, args, path, names_in, names_out, dynamic_axes, opset)
            return
        except Exception as error:
            if name == tried[-1]:
                raise
            # torch.export fixes an LSTM's time axis, for one
            _say(f"dynamo: {_first_line(error)}; TorchScript instead")


def _check_inputs(path, flat_count):
    """The exporter drops an input that the graph never uses: then the vectors would not fit."""
    try:
        import onnx
    except ImportError:
        return
    graph = onnx.load(path).graph
    stored = {t.name for t in graph.initializer}
    real = [v.name for v in graph.input if v.name not in stored]
    if len(real) != flat_count:
        raise RuntimeError(f"{flat_count} inputs given, but the exported graph takes {real}")


def export_vectors(module, data_sets, directory, input_names=None, output_names=None,
                   dynamic_axes=None, opset=None, exporter="torchscript", metadata=None,
                   chain=None, train=False):
    """See the head of this file. `chain` maps output names to input names."""
    data_sets = [s if isinstance(s, tuple) else (s,) for s in data_sets]
    if not data_sets:
        raise ValueError("at least one data set is needed")
    module.train(train)
    first = _flatten(data_sets[0])
    names_in = list(input_names or [f"input_{i}" for i in range(len(first))])
    if len(names_in) != len(first):
        raise ValueError(f"{len(names_in)} input names for {len(first)} inputs")
    with torch.no_grad():
        n_out = len(_flatten(module(*[_copy(a) for a in data_sets[0]])))
    names_out = list(output_names or [f"output_{i}" for i in range(n_out)])
    if len(names_out) != n_out:
        raise ValueError(f"{len(names_out)} output names for {n_out} outputs")
    for out, into in (chain or {}).items():
        if out not in names_out or into not in names_in:
            raise ValueError(f"chain {out}={into}: outputs are {names_out}, inputs {names_in}")

    with tempfile.TemporaryDirectory(prefix="export_vectors.") as staged:
        _write_model(module, data_sets[0], staged, names_in, names_out, dynamic_axes or {}, opset, exporter, metadata or {})
        answers = _write_sets(module, data_sets, staged, names_in, names_out, chain or {})
        _move_into(staged, directory)
    return answers


def _write_model(module, args, directory, names_in, names_out, dynamic_axes, opset, exporter, metadata):
    path = os.path.join(directory, "model.onnx")
    with warnings.catch_warnings():
        # the LSTM exporter warns of any batch size but one, whatever the initial states are
        warnings.filterwarnings("ignore", message="Exporting a model to ONNX with a batch_size")
        warnings.filterwarnings("ignore", message="The shape inference of prim::Constant type")
        warnings.filterwarnings("ignore", message="You are using the legacy TorchScript-based ONNX export")
        _export(module, args, path, names_in, names_out, dynamic_axes, opset, exporter)
    _check_inputs(path, len(names_in))
    # protobuf merges concatenated messages: field 14 of ModelProto is metadata_props
    with open(path, "ab") as f:
        for key, value in metadata.items():
            pair = _field(1, str(key).encode()) + _field(2, str(value).encode())
            f.write(_field(14, pair))


def _write_sets(module, data_sets, directory, names_in, names_out, chain):
    """test_data_set_N with the module's own outputs, which are returned as numpy arrays."""
    answers, carried = [], {}
    for n, args in enumerate(data_sets):
        flat = [carried.get(name, t) for name, t in zip(names_in, _flatten(args))]
        args = _refill(args, iter(flat))
        with torch.no_grad():
            outputs = _flatten(module(*[_copy(a) for a in args]))
        here = os.path.join(directory, f"test_data_set_{n}")
        os.makedirs(here)
        for kind, names, tensors in (("input", names_in, flat), ("output", names_out, outputs)):
            for i, (name, tensor) in enumerate(zip(names, tensors)):
                with open(os.path.join(here, f"{kind}_{i}.pb"), "wb") as f:
                    f.write(tensor_bytes(tensor, name))
        carried = {into: outputs[names_out.index(out)].clone() for out, into in chain.items()}
        answers.append([t.detach().to(torch.float32).numpy() if t.dtype == torch.bfloat16
                        else t.detach().numpy() for t in outputs])
    return answers


def _move_into(staged, directory):
    """What was written takes the place of an earlier export; other files of the directory stay."""
    os.makedirs(directory, exist_ok=True)
    for old in os.listdir(directory):
        if old.startswith("test_data_set_"):
            shutil.rmtree(os.path.join(directory, old))
    for made in os.listdir(staged):
        shutil.move(os.path.join(staged, made), os.path.join(directory, made))


def _copy(value):
    """A module may write into its inputs; the stored ones must not change."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, (tuple, list)):
        return type(value)(_copy(v) for v in value)
    return value


# ---- the command

def _load_module(spec, init, weights):
    where, sep, name = spec.rpartition(":")
    if not sep or not where or not name:
        raise ValueError(f"{spec}: expected FILE.py:NAME or package.module:NAME")
    if where.endswith(".py"):
        sys.path.insert(0, os.path.dirname(os.path.abspath(where)))
        loader = importlib.util.spec_from_file_location("exported_model", where)
        if loader is None or not os.path.exists(where):
            raise ValueError(f"{where}: no such file")
        source = importlib.util.module_from_spec(loader)
        loader.loader.exec_module(source)
    else:
        sys.path.insert(0, os.getcwd())
        source = importlib.import_module(where)
    made = getattr(source, name, None)
    if made is None:
        raise ValueError(f"{where} has no {name}")
    if not isinstance(made, torch.nn.Module):
        made = made(*[_literal(a) for a in init])
    if weights:
        made.load_state_dict(torch.load(weights, map_location="cpu"))
    return made


def _literal(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _random_input(shape, dtype, int_range):
    if dtype.is_floating_point:
        return torch.randn(shape, dtype=torch.float64).to(dtype)
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    return torch.randint(0, int_range, shape).to(dtype)


def _parse_inputs(specs):
    """-i options as an ordered {name: [file tensors] or (shape, dtype)}."""
    out = {}
    for spec in specs:
        name, sep, what = spec.partition("=")
        if not sep or not name or not what:
            raise ValueError(f"-i {spec}: expected NAME=SHAPE[:DTYPE] or NAME=FILE.npy")
        if what.endswith(".npy"):
            held = out.setdefault(name, [])
            if not isinstance(held, list):
                raise ValueError(f"-i {name}: both a shape and a file")
            held.append(torch.from_numpy(np.load(what)))
            continue
        dims, _, kind = what.partition(":")
        dtype = getattr(torch, kind or "float32", None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"-i {spec}: unknown element type {kind}")
        try:
            shape = tuple(int(d) for d in dims.split("x")) if dims != "scalar" else ()
        except ValueError:
            raise ValueError(f"-i {spec}: a shape is written 1x20x8, or scalar")
        if name in out:
            raise ValueError(f"-i {name}: given twice")
        out[name] = (shape, dtype)
    return out


def _parse_dynamic(specs):
    axes = {}
    for spec in specs:
        name, sep, pairs = spec.partition("=")
        try:
            axes[name] = {int(a): dim for a, dim in (p.split(":") for p in pairs.split(","))}
        except ValueError:
            raise ValueError(f"--dynamic {spec}: expected NAME=AXIS:DIM[,AXIS:DIM...]")
    return axes


def _collect_sets(options):
    """Data sets from --data archives, or from -i files and random draws."""
    if options.data:
        archives = [np.load(f) for f in options.data]
        names = list(archives[0].files)
        for path, archive in zip(options.data, archives):
            missing = [n for n in names if n not in archive.files]
            if missing:
                raise ValueError(f"{path}: no array {missing[0]}")
        return names, [tuple(torch.from_numpy(a[n]) for n in names) for a in archives]
    inputs = _parse_inputs(options.input)
    if not inputs:
        raise ValueError("no inputs: give -i NAME=SHAPE or --data FILE.npz")
    torch.manual_seed(options.seed)
    sets = []
    for n in range(options.sets):
        sets.append(tuple(held[min(n, len(held) - 1)] if isinstance(held, list)
                          else _random_input(held[0], held[1], options.int_range)
                          for held in inputs.values()))
    return list(inputs), sets


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="export_vectors.py", description="torch.nn.Module to model.onnx and test_data_set_N, "
        "with PyTorch's outputs as the expected ones")
    parser.add_argument("module", help="FILE.py:NAME or package.module:NAME")
    parser.add_argument("-o", "--output-dir", required=True, metavar="DIR")
    parser.add_argument("-i", "--input", action="append", default=[], metavar="NAME=SHAPE[:DTYPE]|FILE.npy")
    parser.add_argument("--data", action="append", metavar="FILE.npz", help="one data set; repeatable")
    parser.add_argument("--output", action="append", metavar="NAME", help="output name; repeatable, in order")
    parser.add_argument("--init", action="append", default=[], metavar="VALUE", help="argument of the class or function")
    parser.add_argument("--weights", metavar="FILE", help="state_dict to load")
    parser.add_argument("--dynamic", action="append", default=[], metavar="NAME=AXIS:DIM,...")
    parser.add_argument("--chain", action="append", default=[], metavar="OUT=IN")
    parser.add_argument("--metadata", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--opset", type=int)
    parser.add_argument("--exporter", choices=("auto", "dynamo", "torchscript"), default="auto")
    parser.add_argument("--sets", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--int-range", type=int, default=10, metavar="N")
    parser.add_argument("--train", action="store_true", help="export in training mode")
    options = parser.parse_args(argv)
    if torch is None:
        _say("needs torch (Debian: python3-torch)")
        return 1
    try:
        names, sets = _collect_sets(options)
        module = _load_module(options.module, options.init, options.weights)
        answers = export_vectors(
            module, sets, options.output_dir, names, options.output, _parse_dynamic(options.dynamic),
            options.opset, options.exporter, dict(m.split("=", 1) for m in options.metadata),
            dict(c.split("=", 1) for c in options.chain), options.train)
    except Exception as error:      # whatever the module or the exporter raises is the user's answer
        _say(_first_line(error))
        return 1
    print(f"{options.output_dir}: model.onnx, {len(answers)} data sets, "
          f"{len(answers[0])} outputs each, torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
