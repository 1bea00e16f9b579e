"""The linter and --repair: each fault is put into a model, found, mended, and the outputs compared with torch's or the sound model's.
Usage: lint_torch.py CLSTM_INFO CLSTM_CONVERT CLSTM_RUN; prints a line `ok NAME` or `not ok NAME: reason` a case."""
import json
import sys

import numpy as np
import onnx
import torch
from cases import call, finish, tell
from onnx import TensorProto, helper, numpy_helper
from torch import nn

info, convert, run = sys.argv[1:4]
torch.manual_seed(11)
I, H, T, B = 5, 6, 7, 3


def findings(path):
    return {f["rule"]: f for f in json.loads(call(info, "--lint", "--json", path).stdout)["findings"]}


def outputs(path, *inputs, want=0):
    command = [run, path, "-o", "out.npz"]
    for n, value in enumerate(inputs):
        np.save(f"in_{n}.npy", value)
        command += ["-i", f"#{n}=in_{n}.npy"]
    done = call(*command, want=want)
    return list(np.load("out.npz").values()) if not want else done.stderr


def torch_weights(net, order):
    def gates(a):
        blocks = np.split(a.detach().numpy(), len(order))
        return np.concatenate([blocks[i] for i in order])
    p = [gates(getattr(net, f"{n}_l0")) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    return p[0][None], p[1][None], np.concatenate(p[2:])[None]


LSTM, GRU = [0, 3, 1, 2], [1, 0, 2]


def model(op, weights, x_shape, extra_inputs=(), nodes_after=(), outputs=("Y",), producer="pytorch", inits=(), opset=14, dtype=np.float32, ins=None, rank=4, **attrs):
    names = ["W", "R", "B"]
    node = helper.make_node(op, ins or ["X", *names], list(outputs), name="layer", hidden_size=H, **attrs)
    elem = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
    last = nodes_after[-1].output[0] if nodes_after else outputs[0]
    outs = [last] + [o for o in outputs[1:] if o]
    graph = helper.make_graph(
        [node, *nodes_after], "g", [helper.make_tensor_value_info("X", elem, x_shape), *extra_inputs],
        [helper.make_tensor_value_info(o, elem, [None] * (3 if k else rank)) for k, o in enumerate(outs)],
        [numpy_helper.from_array(np.ascontiguousarray(w, dtype), n) for n, w in zip(names, weights)] + [numpy_helper.from_array(a, n) for n, a in inits])
    m = helper.make_model(graph, producer_name=producer, opset_imports=[helper.make_opsetid("", opset)])
    m.ir_version = 7
    onnx.save(m, "faulty.onnx")


def near(got, want, tolerance=1e-5):
    if got.shape != want.shape or not np.abs(got - want).max() <= tolerance:
        raise RuntimeError(f"outputs differ: {got.shape} {want.shape}" + (f" by {np.abs(got - want).max()}" if got.shape == want.shape else ""))


def expect(rule, proven, repair=True):
    found = findings("faulty.onnx")
    if rule not in found:
        raise RuntimeError(f"found {sorted(found)}, not {rule}")
    f = found[rule]
    if f["proven"] != proven or (f["repair"] is not None) != repair:
        raise RuntimeError(f"{rule}: {f}")
    if rule != "unused" and not (f["node"] or "").count('"'):
        raise RuntimeError(f"{rule} names no node: {f}")


def mend(rules=None):
    call(convert, "faulty.onnx", "mended.onnx", "--repair" + (f"={rules}" if rules else ""))
    onnx.checker.check_model(onnx.load("mended.onnx"), full_check=True)
    return {k for k in findings("mended.onnx")}


def gru_reset():
    net = nn.GRU(I, H)
    model("GRU", torch_weights(net, GRU), [T, B, I], nodes_after=[helper.make_node("Squeeze", ["Y", "one"], ["y"])], inits=[("one", np.array([1]))], rank=3)
    x = torch.randn(T, B, I)
    want = net(x)[0].detach().numpy()
    expect("gru-reset", False)
    before = outputs("faulty.onnx", x.numpy())[0]
    if np.abs(before - want).max() < 1e-3:
        raise RuntimeError("the fault changes nothing")
    mend()
    near(outputs("mended.onnx", x.numpy())[0], before, 0)       # suspected: not by --repair alone
    if "gru-reset" in mend("gru-reset"):
        raise RuntimeError("still found")
    near(outputs("mended.onnx", x.numpy())[0], want)
    model("GRU", torch_weights(net, GRU), [T, B, I], producer="somebody")
    if "gru-reset" in findings("faulty.onnx"):
        raise RuntimeError("another producer is suspected")
    model("GRU", torch_weights(net, GRU), [T, B, I], linear_before_reset=1)
    if findings("faulty.onnx"):
        raise RuntimeError("a sound GRU is suspected")


def projection():
    net = nn.LSTM(I, H, proj_size=2)
    blocks = [np.concatenate([np.split(w, 4)[i] for i in LSTM]) for w in (net.weight_ih_l0.detach().numpy(), net.weight_hh_l0.detach().numpy())]
    model("LSTM", (blocks[0][None], blocks[1][None], np.zeros((1, 8 * H))), [T, B, I])
    expect("projection", True, repair=False)
    done = call(convert, "faulty.onnx", "mended.onnx", "--repair", want=3)
    if not done.stderr.splitlines()[-1].count("R"):
        raise RuntimeError(done.stderr)


def state(rows, zero, op="LSTM", layout=0):
    net = nn.LSTM(I, H) if op == "LSTM" else nn.GRU(I, H)
    h = np.zeros((1, rows, H), np.float32) if zero else np.repeat(np.random.default_rng(3).standard_normal((1, 1, H)).astype(np.float32), rows, 1)
    ins = ["X", "W", "R", "B", "", "h0"] + (["c0"] if op == "LSTM" else [])
    how = {} if op == "LSTM" else {"linear_before_reset": 1}
    model(op, torch_weights(net, LSTM if op == "LSTM" else GRU), ["t", "b", I], ins=ins, inits=[("h0", h)] + ([("c0", h)] if op == "LSTM" else []),
          **how)
    expect("frozen-batch", True)
    x = torch.randn(T, B, I)
    if rows != B:
        outputs("faulty.onnx", x.numpy(), want=3)
    if mend():
        raise RuntimeError(f"still found: {mend()}")
    hb = torch.from_numpy(np.repeat(h[:, :1], B, 1).copy())
    want = net(x, (hb, hb) if op == "LSTM" else hb)[0].detach().numpy()
    near(outputs("mended.onnx", x.numpy())[0][:, 0], want)
    near(outputs("mended.onnx", x.numpy()[:, :1])[0][:, 0], want[:, :1])


class Traced(nn.Module):
    """Its states are made for the batch of the example, which a trace keeps."""
    def __init__(self, cell):
        super().__init__()
        self.layers = cell(I, H, num_layers=2, bidirectional=True)

    def forward(self, x):
        zeros = torch.zeros(4, int(x.size(1)), H)
        return self.layers(x, (zeros, zeros) if isinstance(self.layers, nn.LSTM) else zeros)[0]


def traced(cell):
    net = Traced(cell).eval()
    torch.onnx.export(net, torch.randn(T, 2, I), "faulty.onnx", opset_version=13, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "t", 1: "b"}, "y": {0: "t", 1: "b"}})
    expect("frozen-batch", True)
    outputs("faulty.onnx", np.zeros((T, B, I), np.float32), want=3)
    if mend():
        raise RuntimeError("still found")
    for rows in (1, 2, B):
        x = torch.randn(T + rows, rows, I)
        near(outputs("mended.onnx", x.numpy())[0], net(x).detach().numpy())


def own_rows():
    net = nn.GRU(I, H)
    h = np.random.default_rng(4).standard_normal((1, 2, H)).astype(np.float32)
    model("GRU", torch_weights(net, GRU), ["t", "b", I], ins=["X", "W", "R", "B", "", "h0"], inits=[("h0", h)], linear_before_reset=1)
    expect("frozen-batch", True, repair=False)


def constant_state(zero):
    net = nn.GRU(I, H)
    h = np.zeros((1, B, H), np.float32) if zero else np.random.default_rng(4).standard_normal((1, B, H)).astype(np.float32)
    model("GRU", torch_weights(net, GRU), [T, B, I], ins=["X", "W", "R", "B", "", "h0"], inits=[("h0", h)], linear_before_reset=1)
    expect("constant-state", True, repair=zero)
    x = torch.randn(T, B, I)
    mend()
    near(outputs("mended.onnx", x.numpy())[0][:, 0], net(x, torch.from_numpy(h))[0].detach().numpy())


def frozen_shape(target, symbols):
    net = nn.LSTM(I, H)
    after = [helper.make_node("Transpose", ["Y"], ["Yt"], perm=[0, 2, 1, 3]), helper.make_node("Reshape", ["Yt", "shape"], ["y"], name="view")]
    model("LSTM", torch_weights(net, LSTM), [*symbols, I], nodes_after=after, inits=[("shape", np.array(target))], rank=len(target))
    expect("frozen-shape", True)
    x = torch.randn(9, 4, I)
    outputs("faulty.onnx", x.numpy(), want=3)
    if mend():
        raise RuntimeError("still found")
    want = net(x)[0].detach().numpy()
    near(outputs("mended.onnx", x.numpy())[0], want if len(target) == 3 else want.reshape(-1, H))


class Flat(nn.Module):
    """The rows of all steps in one, and apart again: with the sizes of the example."""
    def __init__(self, apart):
        super().__init__()
        self.layer, self.fc, self.apart = nn.GRU(I, H, batch_first=True), nn.Linear(H, 3), apart

    def forward(self, x):
        b, t = int(x.size(0)), int(x.size(1))
        y = self.layer(x)[0]
        return self.fc(y.reshape(b * t, H)).view(b, t, 3) if self.apart else self.fc(y).view(b, t * 3)


class Frames(nn.Module):
    """A convolution over each step: its channel of 1 is not the example's."""
    def __init__(self):
        super().__init__()
        self.conv, self.layer = nn.Conv1d(1, 4, 3, padding=1), nn.LSTM(4 * I, H, batch_first=True)

    def forward(self, x):
        b, t = int(x.size(0)), int(x.size(1))
        return self.layer(torch.relu(self.conv(x.reshape(b * t, 1, I))).view(b, t, 4 * I))[0]


class Beside(nn.Module):
    """A constant of the example's size beside data: a start in front, a column at the end, a row of numbers on top."""
    def __init__(self, how):
        super().__init__()
        self.layer, self.row, self.how = nn.GRU(I + 2 * (how == "column"), H, batch_first=True), nn.Parameter(torch.randn(H)), how

    def forward(self, x):
        b, t = int(x.size(0)), int(x.size(1))
        if self.how == "start":
            return self.layer(torch.cat([torch.zeros(b, 1, I), x], 1))[0]
        if self.how == "column":
            return self.layer(torch.cat([x, torch.ones(b, t, 2)], 2))[0]
        return self.layer(x)[0] + self.row.expand(b, t, H)


class Context(nn.Module):
    """The last state of one layer for every step of the next."""
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.GRU(I, H, batch_first=True), nn.LSTM(H, H, batch_first=True)

    def forward(self, x):
        return self.b(self.a(x)[1][-1].unsqueeze(1).expand(int(x.size(0)), int(x.size(1)), H))[0]


class Positions(nn.Module):
    """Numbers of each step's own: no other length can be told from them."""
    def __init__(self):
        super().__init__()
        self.layer, self.table = nn.GRU(I, H, batch_first=True), nn.Embedding(20, I)

    def forward(self, x):
        return self.layer(x + self.table(torch.arange(int(x.size(1)))))[0]


class Last(nn.Module):
    """The last step by its number in the example."""
    def __init__(self, slice_it):
        super().__init__()
        self.layer, self.slice_it = nn.LSTM(I, H, batch_first=True), slice_it

    def forward(self, x):
        t = int(x.size(1))
        y = self.layer(x)[0]
        return y[:, t - 1:t] if self.slice_it else y[:, t - 1]


class Unrolled(nn.Module):
    """A loop over the steps of the example."""
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(I, H)

    def forward(self, x):
        h = torch.zeros(x.size(0), H)
        for t in range(x.size(1)):
            h = self.cell(x[:, t], h)
        return h


def frozen(net, rule="frozen-shape", proven=True, repair=True, example=(3, 7), repairs=None, left=()):
    """Traced with one batch and length: mended, it equals torch at others."""
    net = net.eval()
    torch.onnx.export(net, torch.randn(*example, I), "faulty.onnx", opset_version=13, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "b", 1: "t"}})
    expect(rule, proven, repair)
    found = mend(repairs)
    if found != set(left):
        raise RuntimeError(f"left: {found}")
    for sizes in ((*example,), (1, 1), (2, 9), (5, 4), (7, 3)) if repair else (example,):
        x = torch.randn(*sizes, I)
        near(outputs("mended.onnx", x.numpy())[0], net(x).detach().numpy())


def layout():
    net = nn.LSTM(I, H, batch_first=True)
    state = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", 1, H]) for n in ("h0", "c0")]
    model("LSTM", torch_weights(net, LSTM), ["b", "t", I], ins=["X", "W", "R", "B", "", "h0", "c0"], extra_inputs=state, outputs=("Y", "Yh", "Yc"), layout=1)
    expect("layout", True)
    x, h, c = torch.randn(B, T, I), torch.randn(1, B, H), torch.randn(1, B, H)
    y, (hn, cn) = net(x, (h, c))
    if mend():
        raise RuntimeError("still found")
    if any(a.name == "layout" and a.i for n in onnx.load("mended.onnx").graph.node for a in n.attribute):
        raise RuntimeError("layout is still there")
    got = outputs("mended.onnx", x.numpy(), h.numpy().transpose(1, 0, 2), c.numpy().transpose(1, 0, 2))
    for a, b in zip(got, (y.detach().numpy()[:, :, None], hn.detach().numpy().transpose(1, 0, 2), cn.detach().numpy().transpose(1, 0, 2))):
        near(a, b)


def lens():
    net = nn.GRU(I, H)
    model("GRU", torch_weights(net, GRU), [T, B, I], ins=["X", "W", "R", "B", "n"], extra_inputs=[helper.make_tensor_value_info("n", TensorProto.INT64, [B])], linear_before_reset=1)
    expect("lens-int64", True)
    x, n = torch.randn(T, B, I), np.array([7, 4, 2])
    outputs("faulty.onnx", x.numpy(), n, want=3)
    mend()
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.from_numpy(n))
    want = nn.utils.rnn.pad_packed_sequence(net(packed)[0])[0].detach().numpy()
    near(outputs("mended.onnx", x.numpy(), n)[0][:, 0], want)


def double():
    net = nn.LSTM(I, H)
    model("LSTM", torch_weights(net, LSTM), ["t", "b", I], dtype=np.float64)
    expect("double", True)
    x = torch.randn(T, B, I)
    mend("double")
    got = outputs("mended.onnx", x.numpy().astype(np.float64))[0]
    if got.dtype != np.float64 or any(t.data_type == TensorProto.DOUBLE for t in onnx.load("mended.onnx").graph.initializer):
        raise RuntimeError("the interface changed, or doubles are left")
    near(got[:, 0], net(x)[0].detach().numpy())
    weights = [w + np.random.default_rng(1).standard_normal(w.shape) for w in torch_weights(net, LSTM)]
    model("LSTM", weights, ["t", "b", I], dtype=np.float64)
    expect("double", False)


def hard_sigmoid():
    net = nn.LSTM(I, H)
    w = torch_weights(net, LSTM)
    model("LSTM", w, [T, B, I], producer="tf2onnx", activations=["HardSigmoid", "Tanh", "Tanh"])
    expect("hard-sigmoid", False)
    mend("hard-sigmoid")
    x, h, c, want = np.random.default_rng(2).standard_normal((T, B, I)).astype(np.float32), np.zeros((B, H)), np.zeros((B, H)), []
    hard = lambda v: np.clip(v / 6 + 0.5, 0, 1)
    for t in range(T):
        i, o, f, g = np.split(x[t] @ w[0][0].T + h @ w[1][0].T + w[2][0][:4 * H] + w[2][0][4 * H:], 4, 1)
        c = hard(f) * c + hard(i) * np.tanh(g)
        h = hard(o) * np.tanh(c)
        want.append(h)
    near(outputs("mended.onnx", x)[0][:, 0], np.array(want))


def left_over():
    net = nn.LSTM(I, H)
    model("LSTM", torch_weights(net, LSTM), [T, B, I], activations=["Sigmoid", "Tanh", "Tanh"], activation_alpha=[0.1, 0.2, 0.3])
    expect("left-over", True)
    x = torch.randn(T, B, I)
    if mend():
        raise RuntimeError("still found")
    near(outputs("mended.onnx", x.numpy())[0][:, 0], net(x)[0].detach().numpy())


def unused():
    net = nn.LSTM(I, H)
    model("LSTM", torch_weights(net, LSTM), [T, B, I], inits=[("nobody", np.ones(99, np.float32))])
    expect("unused", True)
    mend()
    if any(t.name == "nobody" for t in onnx.load("mended.onnx").graph.initializer):
        raise RuntimeError("still there")


cases = {"gru-reset": gru_reset, "projection": projection, "frozen batch, zeros": lambda: state(2, True), "frozen batch, zeros, GRU": lambda: state(1, True, "GRU"),
         "frozen batch, one row": lambda: state(1, False), "frozen batch, rows alike": lambda: state(2, False, "GRU"), "frozen batch, rows of their own": own_rows, "frozen batch, traced LSTM": lambda: traced(nn.LSTM),
         "frozen batch, traced GRU": lambda: traced(nn.GRU),
         "constant state, zeros": lambda: constant_state(True), "constant state, values": lambda: constant_state(False),
         "frozen time and batch": lambda: frozen_shape([T, 2, H], ["t", "b"]), "frozen rows of steps": lambda: frozen(Flat(False)), "frozen rows and steps in one": lambda: frozen(Flat(True)),
         "frozen row and steps in one": lambda: frozen(Flat(True), example=(1, 7)), "frozen rows as many as steps": lambda: frozen(Flat(True), example=(3, 3)), "frozen row of steps": lambda: frozen(Flat(False), example=(1, 2)),
         "frozen frames": lambda: frozen(Frames()), "frozen frame": lambda: frozen(Frames(), example=(1, 7)),
         "frozen start": lambda: frozen(Beside("start")), "frozen columns": lambda: frozen(Beside("column")), "frozen row": lambda: frozen(Beside("row")),
         "frozen context": lambda: frozen(Context(), proven=False, repairs="frozen-shape"), "frozen positions": lambda: frozen(Positions(), repair=False, left=["frozen-shape"]),
         "frozen last step": lambda: frozen(Last(False), "frozen-step", False, repairs="frozen-step"), "frozen slice": lambda: frozen(Last(True), "frozen-step", False, repairs="frozen-step"),
         "unrolled loop": lambda: frozen(Unrolled(), "frozen-step", False, False, left=["frozen-step"]),
         "frozen product": lambda: frozen_shape([T * 2, H], ["t", "b"]),
         "layout": layout, "sequence_lens": lens, "double": double, "hard-sigmoid": hard_sigmoid, "left-over": left_over, "unused": unused}
for name, case in cases.items():
    try:
        case()
        tell(name)
    except Exception as problem:
        tell(name, f"{type(problem).__name__}: {problem}")
finish()
