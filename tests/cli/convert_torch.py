"""clstm-convert against PyTorch: models made from state_dicts give its outputs, weights come back bit by bit, doubts are refused.
Usage: convert_torch.py CLSTM_CONVERT CLSTM_RUN; prints a line `ok NAME` or `not ok NAME: reason` a case."""
import json
import struct
import subprocess
import sys

import numpy as np
import onnx
import torch
from cases import DTYPES, call, finish, outputs, save_safetensors, tell
from torch import nn

convert, run = sys.argv[1:3]
torch.manual_seed(7)


def load_safetensors(path):
    raw = open(path, "rb").read()
    length, = struct.unpack("<Q", raw[:8])
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
    return {k: np.frombuffer(data[slice(*v["data_offsets"])], DTYPES[v["dtype"]]).reshape(v["shape"])
            for k, v in header.items() if k != "__metadata__"}


class Net(nn.Module):
    def __init__(self, cell, embed, linear, **how):
        super().__init__()
        size = 6
        if embed:
            self.embedding = nn.Embedding(11, size)
        self.rnn = cell(size, 5, **how)
        self.embed, self.linear = embed, linear
        if linear:
            self.fc = nn.Linear(5 * (2 if how.get("bidirectional") else 1), 3)

    def forward(self, x, states=None):
        x = self.embedding(x) if self.embed else x
        y, last = self.rnn(x, states)
        return (self.fc(y) if self.linear else y), last


def same(name, got, want, tolerance):
    if got.shape != want.shape:
        raise RuntimeError(f"{name} has shape {got.shape}, not {want.shape}")
    worst = np.abs(got - want).max()
    if not worst <= tolerance:
        raise RuntimeError(f"{name} differs by {worst}")


def case(cell, layers, two, bias, first, states, embed, linear, suffix, dtype):
    how = dict(num_layers=layers, bidirectional=two, bias=bias, batch_first=first)
    options = ["--batch-first"] * first + ["--states"] * states
    if cell is nn.RNN and layers == 2:
        how["nonlinearity"] = "relu"
        options += ["--nonlinearity", "relu"]
    net = Net(cell, embed, linear, **how).to(dtype).eval()
    weights = {k: v.numpy() for k, v in net.state_dict().items()}
    np.savez("w.npz", **weights)
    save_safetensors("w.safetensors", weights)
    said = call(convert, "w" + suffix, "made.onnx", *options).stderr
    if ("tanh is taken" in said) != (cell is nn.RNN and "relu" not in options):
        raise RuntimeError(f"what it takes for granted: {said}")
    onnx.checker.check_model(onnx.load("made.onnx"), full_check=True)
    t, b, d = 7, 3, layers * (2 if two else 1)
    shape = (b, t) if first else (t, b)
    x = torch.randint(0, 11, shape) if embed else torch.randn(*shape, 6, dtype=dtype)
    inputs, initial = {"tokens" if embed else "input": x.numpy()}, None
    if states:
        h, c = torch.randn(d, b, 5, dtype=dtype), torch.randn(d, b, 5, dtype=dtype)
        initial = (h, c) if cell is nn.LSTM else h
        inputs.update({"h0": h.numpy()}, **({"c0": c.numpy()} if cell is nn.LSTM else {}))
    with torch.no_grad():
        y, last = net(x, initial)
    got, tolerance = outputs(run, "made.onnx", inputs), 1e-5 if dtype == torch.float32 else 1e-12
    same("output", got["output"], y.numpy(), tolerance)
    if states:
        for key, value in zip(("hn", "cn"), last if cell is nn.LSTM else (last,)):
            same(key, got[key], value.numpy(), tolerance)
    call(convert, "made.onnx", "back.safetensors")
    back = load_safetensors("back.safetensors")
    wanted = {k for k in weights if k.startswith("rnn.")}
    if set(back) != wanted:
        raise RuntimeError(f"keys came back as {sorted(back)}")
    for key in wanted:
        if back[key].tobytes() != weights[key].tobytes() or back[key].shape != weights[key].shape:
            raise RuntimeError(f"{key} came back changed")
    other = Net(cell, embed, linear, **how).to(dtype).eval()
    other.load_state_dict({**{k: torch.tensor(v) for k, v in weights.items()}, **{k: torch.tensor(v) for k, v in back.items()}})
    with torch.no_grad():
        same("the reloaded module", other(x, initial)[0].numpy(), y.numpy(), 0)


number = 0
for cell in (nn.LSTM, nn.GRU, nn.RNN):
    for layers in (1, 2, 3):
        for two in (False, True):
            n, number = number, number + 1
            bias, first, states, embed, linear = n % 5 != 4, n % 2 == 1, n % 3 != 1, n % 4 == 2, n % 3 != 0
            suffix, dtype = ".npz" if n % 2 else ".safetensors", torch.float64 if n % 7 == 6 else torch.float32
            name = f"{cell.__name__} layers={layers} two={two} bias={bias} first={first} states={states} embedding={embed} linear={linear} {suffix} {dtype}"
            try:
                case(cell, layers, two, bias, first, states, embed, linear, suffix, dtype)
                tell(name)
            except Exception as problem:
                tell(name, problem)


class Unrolled(nn.Module):
    """A cell written out step by step."""
    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        state, out = None, []
        for t in range(4):
            state = self.cell(x[t], state)
            out.append(state[0] if isinstance(state, tuple) else state)
        return torch.stack(out)


class Looped(nn.Module):
    """A cell of a GRU or RNN in a loop that the exporter keeps as one; 1.13 exports no cell of torch.nn there."""
    def __init__(self, cell, gates: int, relu: bool):
        super().__init__()
        self.cell, self.gates, self.relu = cell, gates, relu

    def forward(self, x, h):
        c, y = self.cell, torch.zeros(0)
        for t in range(x.size(0)):
            u, v = nn.functional.linear(x[t], c.weight_ih, c.bias_ih), nn.functional.linear(h, c.weight_hh, c.bias_hh)
            if self.gates == 3:
                (a, b, n), (d, e, m) = u.chunk(3, 1), v.chunk(3, 1)
                z, n = torch.sigmoid(b + e), torch.tanh(n + torch.sigmoid(a + d) * m)
                h = (1 - z) * n + z * h
            else:
                h = torch.relu(u + v) if self.relu else torch.tanh(u + v)
            y = torch.cat([y, h.unsqueeze(0)])
        return y


def cells(net, layer, inputs, **how):
    """Cells that the exporter writes in primitive operators come back as a layer's weights."""
    cell = net.cell
    torch.onnx.export(net, inputs, "cells.onnx", opset_version=13, input_names=["x", "h"][:len(inputs)], **how)
    call(convert, "cells.onnx", "cells.safetensors")
    back = {k.rsplit(".", 1)[1]: v for k, v in load_safetensors("cells.safetensors").items()}
    if len(back) != 4 or len(load_safetensors("cells.safetensors")) != 4:
        raise RuntimeError(f"not one layer: {sorted(load_safetensors('cells.safetensors'))}")
    layer.load_state_dict({k: torch.tensor(v) for k, v in back.items()})
    with torch.no_grad():
        h = inputs[1].unsqueeze(0) if len(inputs) > 1 else None
        same("the reloaded layer", layer.eval()(inputs[0], h)[0].numpy(), net(*inputs).numpy(), 1e-6)
    for key in ("weight_ih", "weight_hh"):
        if back[key + "_l0"].tobytes() != getattr(cell, key).detach().numpy().tobytes():
            raise RuntimeError(f"{key} came back changed")


RELU = {"nonlinearity": "relu"}
for kind, layer, options in ((nn.LSTMCell, nn.LSTM, {}), (nn.GRUCell, nn.GRU, {}), (nn.RNNCell, nn.RNN, {}), (nn.RNNCell, nn.RNN, RELU)):
    for form in ("unrolled", "unrolled, any batch", "looped"):
        if form == "looped" and kind is nn.LSTMCell:
            continue
        name = f"weights of {kind.__name__} {options.get('nonlinearity', '')} {form}"
        try:
            x, cell, other = torch.randn(4, 2, 3), kind(3, 5, **options), layer(3, 5, **options)
            if form == "looped":
                net = torch.jit.script(Looped(cell, 3 if layer is nn.GRU else 1, options == RELU).eval())
                cells(net, other, (x, torch.randn(2, 5)), dynamic_axes={"x": [0], "h": []})
            else:
                cells(Unrolled(cell).eval(), other, (x,), dynamic_axes={"x": [1]} if "any" in form else None)
            tell(name)
        except Exception as problem:
            tell(name, problem)


def prefixes():
    """Two modules of one dict, with the prefix of a DataParallel, in half precision."""
    first, second = nn.LSTM(3, 4, num_layers=2).half(), nn.GRU(4, 5, bidirectional=True).half()
    tensors = {f"module.{n}.{k}": v.numpy() for n, m in (("encoder", first), ("decoder", second)) for k, v in m.state_dict().items()}
    save_safetensors("two.safetensors", tensors)
    call(convert, "two.safetensors", "made.onnx")
    x = torch.randn(6, 2, 3).half()
    with torch.no_grad():
        want = second.float()(first.float()(x.float())[0])[0].numpy()
    same("output", outputs(run, "made.onnx", {"input": x.numpy()})["output"].astype(np.float32), want, 5e-3)
    call(convert, "made.onnx", "back.safetensors")
    back = load_safetensors("back.safetensors")
    if {k: v.tobytes() for k, v in back.items()} != {k: v.tobytes() for k, v in tensors.items()}:
        raise RuntimeError("the weights came back changed")


try:
    prefixes()
    tell("two modules with prefixes in float16")
except Exception as problem:
    tell("two modules with prefixes in float16", problem)


def refused(name, words, tensors, *options):
    np.savez_compressed("doubt.npz", **tensors)
    done = subprocess.run([convert, "doubt.npz", "doubt.onnx", *options], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    good = done.returncode == 3 and len(lines) == 1 and words in lines[0]
    tell(f"refused: {name}", None if good else f"exit status {done.returncode}: {done.stderr}")


def named(prefix, module):
    return {f"{prefix}{k}": v.detach().numpy() for k, v in module.state_dict().items()}


lstm = named("lstm.", nn.LSTM(4, 4))
refused("a projection", "proj_size", named("lstm.", nn.LSTM(4, 8, proj_size=3)))
refused("a single cell", "single cell", named("cell.", nn.LSTMCell(4, 4)))
refused("a convolution", "conv.weight", {**lstm, **named("conv.", nn.Conv1d(4, 4, 3))} | {"conv.weight_g": np.zeros(4, np.float32)})
refused("a normalisation", "norm", {**lstm, **named("norm.", nn.LayerNorm(4))})
refused("two Linear in a row", "two Linear", {**lstm, **named("a.", nn.Linear(4, 5)), **named("b.", nn.Linear(5, 6))})
refused("an order in doubt", "either order", {**lstm, **named("fc.", nn.Linear(4, 4))})
refused("Linear or Embedding", "Linear or an Embedding", {**named("lstm.", nn.LSTM(4, 5)), **named("table.", nn.Linear(4, 4, bias=False))})
refused("sizes that do not fit", "no order", {**lstm, **named("fc.", nn.Linear(9, 8))})
refused("a missing tensor", "make", {k: v for k, v in lstm.items() if k != "lstm.bias_hh_l0"})
refused("a missing layer", "weight_ih_l0 is missing", {k.replace("_l0", "_l1"): v for k, v in lstm.items()})
refused("a wrong shape", "bias_ih_l0 has shape", {**lstm, "lstm.bias_ih_l0": np.zeros(3, np.float32)})
refused("mixed types", "double", {**lstm, "lstm.bias_ih_l0": np.zeros(16, np.float64)})
refused("integers", "int32", {k: v.astype(np.int32) for k, v in lstm.items()})
refused("no recurrent layer", "no LSTM", named("fc.", nn.Linear(4, 4)))
refused("nothing", "doubt.npz", {})
refused("pickled objects", "|O", {**lstm, "lstm.bias_hh_l0": np.array([{}], dtype=object)})
refused("an archive of zeros that unpacks to more than a file may hold", "more than is allowed", {**lstm, "lstm.weight_ih_l0": np.zeros((4096, 1024), np.float32)}, "--limit", "file-bytes=1000000")


def damaged(name, words, change):
    save_safetensors("good.safetensors", lstm)
    raw = open("good.safetensors", "rb").read()
    length, = struct.unpack("<Q", raw[:8])
    open("bad.safetensors", "wb").write(change(raw, json.loads(raw[8:8 + length]), raw[8 + length:]))
    done = subprocess.run([convert, "bad.safetensors", "doubt.onnx"], capture_output=True, text=True)
    good = done.returncode == 3 and len(done.stderr.splitlines()) == 1 and words in done.stderr
    tell(f"damaged: {name}", None if good else f"exit status {done.returncode}: {done.stderr}")


def pack(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def with_entry(**fields):
    def change(raw, header, data):
        header["lstm.bias_hh_l0"].update(fields)
        return pack(header, data)
    return change


damaged("a cut file", "outside", lambda raw, h, d: raw[:-4])
damaged("a cut header", "longer than the file", lambda raw, h, d: raw[:40])
damaged("three bytes", "too short", lambda raw, h, d: raw[:3])
damaged("bytes behind", "behind the last", lambda raw, h, d: raw + b"1234")
damaged("a huge header", "100 MB", lambda raw, h, d: struct.pack("<Q", 1 << 60) + raw[8:])
damaged("no object", "begin with {", lambda raw, h, d: pack(b"[1]", d))
damaged("broken JSON", "no JSON", lambda raw, h, d: pack(b'{"a":', d))
damaged("nested JSON", "no JSON", lambda raw, h, d: pack(b'{"a":' * 5000 + b"1" + b"}" * 5000, d))
damaged("a hole", "overlap", lambda raw, h, d: pack({k: v for k, v in h.items() if k != "lstm.bias_ih_l0"}, d))
damaged("an overlap", "overlap", with_entry(data_offsets=[64, 128]))
damaged("a wrong size", "disagree", with_entry(shape=[17]))
damaged("a negative size", "no size", with_entry(shape=[-16]))
damaged("an overflowing shape", "disagree", with_entry(shape=[1 << 40, 1 << 40]))
damaged("offsets past the file", "outside", with_entry(data_offsets=[0, 1 << 62]))
damaged("an unknown dtype", "F8_E4M3", with_entry(dtype="F8_E4M3"))
damaged("a name twice", "stands twice", lambda raw, h, d: pack(b'{"lstm.bias_hh_l0":' + json.dumps(h["lstm.weight_hh_l0"]).encode() + b"," + json.dumps(h).encode()[1:], d))
damaged("a field twice", "stands twice", lambda raw, h, d: pack(json.dumps(h).replace('"dtype"', '"dtype": "F16", "dtype"', 1).encode(), d))
damaged("a NUL in a name", "NUL", lambda raw, h, d: pack({k + "\0": v for k, v in h.items()}, d))
damaged("a NUL in a dtype", "NUL", with_entry(dtype="F32\0"))
damaged("another field", "nothing else", with_entry(more=1))
finish()
