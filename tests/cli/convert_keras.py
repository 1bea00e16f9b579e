"""clstm-convert --layout keras against the equations of Keras's documentation, in double: LSTM, GRU with reset_after and without, SimpleRNN,
Bidirectional, Dense and Embedding, under the names of Keras 2, of Keras 3 and of its .weights.h5; doubts are refused.
Usage: convert_keras.py CLSTM_CONVERT CLSTM_RUN; prints a line `ok NAME` or `not ok NAME: reason` a case."""
import subprocess
import sys

import numpy as np
from cases import call, finish, outputs, save_safetensors, tell

convert, run = sys.argv[1:3]
rng = np.random.default_rng(11)
GATES = {"lstm": 4, "gru": 3, "gru_before": 3, "simple_rnn": 1}


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def weights_of(kind, inputs, units, bias):
    columns = GATES[kind] * units
    shapes = [(inputs, columns), (units, columns)] + [(2, columns) if kind == "gru" else (columns,)] * bias
    return [rng.uniform(-0.9, 0.9, s).astype(np.float32) for s in shapes]


def cell(kind, w, x, h, c):
    """One step of Keras's cell: x [B,I], states [B,H]."""
    kernel, recurrent, bias = (v.astype(np.float64) for v in (w + [np.zeros(1)])[:3])
    if kind == "simple_rnn":
        h = np.tanh(x @ kernel + bias + h @ recurrent)
        return h, h
    if kind == "lstm":
        i, f, candidate, o = np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
        return sigmoid(o) * np.tanh(c), c
    units = h.shape[1]
    if kind == "gru":
        xz, xr, xh = np.split(x @ kernel + bias[0], 3, axis=1)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, axis=1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        new = np.tanh(xh + r * hh)
    else:
        xz, xr, xh = np.split(x @ kernel + bias, 3, axis=1)
        z, r = sigmoid(xz + h @ recurrent[:, :units]), sigmoid(xr + h @ recurrent[:, units:2 * units])
        new = np.tanh(xh + (r * h) @ recurrent[:, 2 * units:])
    h = z * h + (1 - z) * new
    return h, h


def layer(kind, w, x, h=None, c=None):
    h = np.zeros((x.shape[0], w[1].shape[0])) if h is None else h
    c, y = h * 0 if c is None else c, []
    for t in range(x.shape[1]):
        h, c = cell(kind, w, x[:, t], h, c)
        y.append(h)
    return np.stack(y, axis=1), h, c


def named(version, where, name, kind, w, cell_number):
    """A layer's weights under the name of Keras 2 (model.weights[i].name), 3 (.path) or in 3's .weights.h5 (4)."""
    word = {"gru_before": "gru"}.get(kind, kind)
    if version == 4:
        part = name.split("_")[0] + "_layer" if where else name
        return {f"layers/{where}{part}/cell/vars/{k}": v for k, v in enumerate(w)}
    number = f"_{cell_number}" if cell_number and version == 2 else ""
    path = f"sequential/{where}{name}/{word}_cell" if version == 3 else f"{where}{name}/{word}_cell{number}" if version == 2 else f"{where}{name}"
    return {f"{path}/{leaf}{':0' if version < 3 else ''}": v for leaf, v in zip(("kernel", "recurrent_kernel", "bias"), w)}


def save(path, tensors):
    if path.endswith(".npz"):
        np.savez(path, **tensors)
    else:
        save_safetensors(path, tensors)


def near(name, got, want):
    if got.shape != want.shape:
        raise RuntimeError(f"{name} has shape {got.shape}, not {want.shape}")
    worst = np.abs(got - want).max()
    if not worst < 1e-5:
        raise RuntimeError(f"{name} differs by {worst}")


def case(kind, version, two, bias, first, embed, dense, suffix):
    """Two layers of the kind, perhaps wrapped, an Embedding in front and a Dense behind."""
    b, t, size, units = 3, 7, 6, 5
    tensors, prefix = {}, {3: "sequential/", 4: "layers/"}.get(version, "")
    end = ":0" if version < 3 else ""
    leaf = lambda layer, part, number: f"{prefix}{layer}/vars/{number}" if version == 4 else f"{prefix}{layer}/{part}{end}"
    x = rng.uniform(-2, 2, (b, t, size)).astype(np.float32)
    given, y = ("input", x), x.astype(np.float64)
    if embed:
        table, tokens = rng.uniform(-2, 2, (11, size)).astype(np.float32), rng.integers(0, 11, (b, t))
        tensors[leaf("embedding", "embeddings", 0)] = table
        given, y = ("tokens", tokens), table[tokens].astype(np.float64)
    for k in range(2):
        name = kind.replace("_before", "") + (f"_{k}" if k else "")
        forward = weights_of(kind, y.shape[2], units, bias)
        if two:
            where, backward = "bidirectional" + (f"_{k}/" if k else "/"), weights_of(kind, y.shape[2], units, bias)
            tensors.update(named(version, where, "forward_" + name, kind, forward, 2 * k + 1))
            tensors.update(named(version, where, "backward_" + name, kind, backward, 2 * k + 2))
            y = np.concatenate([layer(kind, forward, y)[0], layer(kind, backward, y[:, ::-1])[0][:, ::-1]], axis=2)
        else:
            tensors.update(named(version, "", name, kind, forward, k))
            y = layer(kind, forward, y)[0]
    if dense:
        kernel, row = rng.uniform(-1, 1, (y.shape[2], 3)).astype(np.float32), rng.uniform(-1, 1, 3).astype(np.float32)
        tensors.update({leaf("dense", "kernel", 0): kernel, leaf("dense", "bias", 1): row})
        y = y @ kernel.astype(np.float64) + row
    keys = list(tensors)
    rng.shuffle(keys)
    save("w" + suffix, {k: tensors[k] for k in keys})
    said = call(convert, "w" + suffix, "made.onnx", "--layout", "keras", *["--batch-first"] * first).stderr
    if ("tanh is taken" in said) != (kind == "simple_rnn") or "go_backwards" not in said:
        raise RuntimeError(f"what weights do not tell: {said}")
    turn = (lambda v: v) if first else (lambda v: np.swapaxes(v, 0, 1))
    near("output", outputs(run, "made.onnx", {given[0]: turn(given[1])})["output"], turn(y))


number = 0
for kind in GATES:
    for version in (1, 2, 3, 4):    # 1: before cells had names
        for two in (False, True):
            n, number = number, number + 1
            bias, first, embed, dense, suffix = kind.startswith("gru") or n % 3 != 2, n % 2 == 0, n % 4 == 1, n % 5 != 0, ".npz" if n % 2 else ".safetensors"
            name = f"{kind}, names of Keras {version}, two={two} bias={bias} first={first} embedding={embed} dense={dense} {suffix}"
            try:
                case(kind, version, two, bias, first, embed, dense, suffix)
                tell(name)
            except Exception as problem:
                tell(name, problem)


def states():
    w = weights_of("lstm", 4, 5, True)
    save("w.npz", named(3, "", "lstm", "lstm", w, 0))
    call(convert, "w.npz", "made.onnx", "--layout", "keras", "--batch-first", "--states")
    x, h, c = (rng.uniform(-1, 1, s).astype(np.float32) for s in ((2, 6, 4), (1, 2, 5), (1, 2, 5)))
    got = outputs(run, "made.onnx", {"input": x, "h0": h, "c0": c})
    for key, want in zip(("output", "hn", "cn"), layer("lstm", w, x, h[0], c[0])):
        near(key, got[key], want if key == "output" else want[None])


try:
    states()
    tell("states")
except Exception as problem:
    tell("states", problem)


def refused(name, words, tensors):
    np.savez("doubt.npz", **tensors)
    done = subprocess.run([convert, "doubt.npz", "doubt.onnx", "--layout", "keras"], capture_output=True, text=True)
    lines = done.stderr.splitlines()
    good = done.returncode == 3 and len(lines) == 1 and all(w in lines[0] for w in words)
    tell(f"refused: {name}", None if good else f"exit status {done.returncode}: {done.stderr}")


lstm = named(3, "", "lstm", "lstm", weights_of("lstm", 4, 4, True), 0)
key = "sequential/lstm/lstm_cell/"
after, before = (named(3, "", n, k, weights_of(k, 4, 4, True), 0) for n, k in (("gru", "gru"), ("gru_1", "gru_before")))
refused("a GRU without bias", ("sequential/gru", "reset_after"), named(3, "", "gru", "gru", weights_of("gru", 4, 4, False), 0))
refused("GRUs of both kinds", ("sequential/gru_1", "reset_after"), {**after, **before})
refused("PyTorch's names", ("lstm.weight_ih_l0", "Keras"), {"lstm.weight_ih_l0": np.zeros((16, 4), np.float32)})
refused("another leaf", ("gamma", "no weight"), {**lstm, "sequential/norm/gamma": np.zeros(4, np.float32)})
refused("numbers of another layer", ("optimizer/vars/0", "no weight"), {**lstm, "optimizer/vars/0": np.zeros(4, np.float32)})
refused("a number too many", ("cell/vars/3", "no weight"), {**lstm, "layers/lstm/cell/vars/3": np.zeros(4, np.float32)})
refused("a kernel twice", ("lstm_cell/kernel", "kernel of that layer too"), {**lstm, key + "kernel:0": lstm[key + "kernel"]})
refused("no kernel", ("sequential/lstm", "without a kernel"), {k: v for k, v in lstm.items() if k != key + "kernel"})
refused("a recurrent kernel of two gates", ("recurrent_kernel", "[4,8]"), {**lstm, key + "recurrent_kernel": np.zeros((4, 8), np.float32)})
refused("a bias of CuDNN's", ("bias", "[32]"), {**lstm, key + "bias": np.zeros(32, np.float32)})
refused("integers", ("int64",), {**lstm, key + "bias": np.zeros(16, np.int64)})
refused("two Dense in a row", ("two Linear",), {**lstm, "sequential/dense/kernel": np.zeros((4, 7), np.float32), "sequential/dense_1/kernel": np.zeros((7, 2), np.float32)})
refused("no recurrent layer", ("no LSTM",), {"dense/kernel": np.zeros((4, 4), np.float32)})
refused("half a Bidirectional", ("sequential/bidirectional", "without a recurrent_kernel"), {k.replace("lstm/", "bidirectional/backward_lstm/", 1): v for k, v in lstm.items() if "bias" not in k} | {"sequential/bidirectional/forward_lstm/lstm_cell/kernel": lstm[key + "kernel"]})
refused("pickled objects", ("lstm/kernel", "|O"), {"lstm/kernel": np.array([{}], dtype=object)})
finish()
