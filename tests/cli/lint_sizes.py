"""The linter on modules traced with sizes of the example that other nodes fail by: what is proven, what is suspected, what is not to be told, and
repaired models beside torch at other sizes. Usage: lint_sizes.py CLSTM_INFO CLSTM_CONVERT CLSTM_RUN; prints `ok NAME` or `not ok NAME: reason`."""
import json
import sys

import numpy as np
import onnx
import torch
from cases import call, finish, tell
from torch import nn

info, convert, run = sys.argv[1:4]
torch.manual_seed(3)
I, H, B, T = 5, 6, 3, 7


class Module(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.what = forward
        self.gru, self.fc, self.same = nn.GRU(I, H, batch_first=True), nn.Linear(H, 3), nn.Linear(I, H)
        self.joined, self.next, self.frames = nn.GRU(I + H, H, batch_first=True), nn.GRU(H, H, batch_first=True), nn.GRU(4 * I, H, batch_first=True)
        self.conv, self.crop, self.table = nn.Conv1d(1, 4, 3, padding=1), nn.Conv1d(I, I, 3, padding=2), nn.Embedding(20, I)

    def forward(self, *x):
        return self.what(self, *x)


def b(x):
    return int(x.size(0))


def t(x):
    return int(x.size(1))


def y(m, x):
    return m.gru(x)[0]


def last(m, x):
    return m.gru(x)[1][-1].unsqueeze(1)


def counts(x):
    return (x[:, :, 0] > 0).sum(1, keepdim=True)


def mask(m, x):
    return y(m, x) * (torch.arange(t(x))[None] < counts(x)).float().unsqueeze(2)


def both(m, x):
    return y(m, x).unsqueeze(2).repeat(1, 1, t(x), 1) * y(m, x).unsqueeze(1).repeat(1, t(x), 1, 1)


def frame(m, x):
    return m.frames(torch.relu(m.conv(x.reshape(b(x) * t(x), -1, I))).view(b(x), t(x), 4 * I))[0]


def flat(m, x):
    return m.fc(y(m, x).reshape(b(x) * t(x), H)).view(b(x), t(x), 3)


# name: what is computed, the findings (+: with a repair, -: without; ? only suspected), whether --repair (alone) or --repair=all makes it equal torch
ALONE, ALL, NEVER = "", "all", None
cases = {
    "repeated for every step": (lambda m, x: m.joined(torch.cat([x, last(m, x).repeat(1, t(x), 1)], 2))[0], "frozen-shape+", ALONE),
    "repeated and added": (lambda m, x: m.next(y(m, x) + last(m, x).repeat(1, t(x), 1))[0], "frozen-shape+", ALONE),
    "repeated along two axes": (both, "frozen-shape+", ALONE),
    "repeated one time less": (lambda m, x: m.joined(torch.cat([x[:, 1:], last(m, x).repeat(1, t(x) - 1, 1)], 2))[0], "frozen-shape+", ALONE),
    "expanded by pieces": (lambda m, x: m.joined(torch.cat([x, last(m, x).expand(x.size(0), t(x), H)], 2))[0], "frozen-shape+", ALONE),
    "zeros of pieces": (lambda m, x: m.joined(torch.cat([x, torch.zeros(x.size(0), t(x), H)], 2))[0], "frozen-shape+", ALONE),
    "a target of pieces": (lambda m, x: m.fc(y(m, x).reshape(-1, H)).view(x.size(0), t(x), 3), "frozen-shape+", ALONE),
    "a product in a target": (lambda m, x: m.fc(y(m, x).reshape(x.size(0) * t(x), H)).view(x.size(0), t(x), 3), "frozen-shape+", ALONE),
    "a length that is the width": (lambda m, x: m.next(m.same(x.reshape(-1, I)).view(x.size(0), t(x), H))[0], "frozen-shape+", ALONE, (3, H)),
    "rows and -1": (lambda m, x: m.fc(y(m, x).reshape(-1, H)).view(b(x), -1, 3), "frozen-shape+", ALONE),
    "-1 and steps": (lambda m, x: m.fc(y(m, x).reshape(-1, H)).view(-1, t(x), 3), "frozen-shape+", ALONE),
    "frames and -1": (frame, "frozen-batch+ frozen-shape+", ALONE),
    "rows of steps and -1": (lambda m, x: m.fc(y(m, x).reshape(b(x) * t(x), -1)), "frozen-shape+", ALONE),
    "rows of steps and -1, unmet": (lambda m, x: y(m, x).reshape(b(x) * t(x), -1), "frozen-shape-", NEVER),
    "differences": (lambda m, x: y(m, x)[:, 1:] - y(m, x)[:, :t(x) - 1], "frozen-shape+", ALONE),
    "a crop beside data": (lambda m, x: y(m, x)[:, :t(x)] + m.same(x), "frozen-shape+", ALONE),
    "the last step of a known length": (lambda m, x: flat(m, x)[:, t(x) - 1], "frozen-shape+ frozen-step+", ALONE),
    "all steps of a known length": (lambda m, x: flat(m, x)[:, :t(x)], "frozen-shape+ frozen-step+", ALONE),
    "inner steps of a known length": (lambda m, x: flat(m, x)[:, 1:t(x) - 1], "frozen-shape+ frozen-step?+", ALL),
    "another step of a known length": (lambda m, x: flat(m, x)[:, 2], "frozen-shape+ frozen-step?-", ALL),
    "inner steps": (lambda m, x: y(m, x)[:, 1:t(x) - 1], "frozen-step?-", NEVER),
    "a crop": (lambda m, x: m.gru(m.crop(x.transpose(1, 2))[:, :, :t(x)].transpose(1, 2))[0], "frozen-step?-", NEVER),
    "rows by their numbers": (lambda m, x: y(m, x)[torch.arange(b(x))], "frozen-step?-", NEVER),
    "steps backwards": (lambda m, x: m.gru(x[:, torch.arange(t(x) - 1, -1, -1)])[0], "frozen-step?-", NEVER),
    "a mask of counted steps": (mask, "frozen-shape?+", ALL),
    "counted steps": (lambda m, x: m.gru(x + torch.arange(t(x)).float().view(1, -1, 1))[0], "frozen-shape?+", ALL),
    "steps between 0 and 1": (lambda m, x: m.gru(x + torch.linspace(0, 1, t(x)).view(1, -1, 1))[0], "frozen-shape-", NEVER),
    "repeated, then positions": (lambda m, x: m.gru(last(m, x).repeat(1, t(x), 1)[:, :, :I] + x + m.table(torch.arange(t(x))))[0], "frozen-shape-", NEVER),
    "counted rows, then positions": (lambda m, x: m.gru(torch.cat([x, x], 1)[:, torch.arange(t(x))] + x + m.table(torch.arange(t(x))))[0],
                                     "frozen-shape?- frozen-shape- frozen-step?-", NEVER),
    "split": (lambda m, x: torch.cat(torch.split(y(m, x), [2, t(x) - 2], 1)[::-1], 1), "frozen-shape-", NEVER),
    "sound": (lambda m, x: m.joined(torch.cat([x, last(m, x).repeat(1, x.size(1), 1)], 2))[0], "", ALONE),
}


def export(m, inputs, names):
    axes = {n: {0: f"b{n}", 1: f"t{n}"} for n in names}
    torch.onnx.export(m, inputs, "faulty.onnx", opset_version=13, input_names=names, output_names=["y"], dynamic_axes=axes)


def outputs(path, inputs):
    command = [run, path, "-o", "#0=out.npy"]
    for n, value in enumerate(inputs):
        np.save(f"in_{n}.npy", value.numpy())
        command += ["-i", f"#{n}=in_{n}.npy"]
    call(*command)
    return np.load("out.npy")


def runs(path, inputs):
    try:
        outputs(path, inputs)
    except RuntimeError:
        return False
    return True


def equal(m, path, inputs):
    got, want = outputs(path, inputs), m(*inputs).detach().numpy()
    if got.shape != want.shape or not np.abs(got - want).max() < 1e-5:
        raise RuntimeError(f"{path} at {[tuple(x.shape) for x in inputs]}: {got.shape}, torch {want.shape}")


def check(forward, findings, repairs, example=(B, T)):
    m = Module(forward).eval()
    export(m, (torch.randn(*example, I),), ["x"])
    said = {f["rule"] + ("" if f["proven"] else "?") + ("+" if f["repair"] else "-") for f in json.loads(call(info, "--lint", "--json", "faulty.onnx").stdout)["findings"]}
    if said != set(findings.split()):
        raise RuntimeError(f"found {sorted(said)}")
    for how in (ALONE, ALL):
        call(convert, "faulty.onnx", "mended.onnx", "--repair" + (how and f"={how}"))
        onnx.checker.check_model(onnx.load("mended.onnx"), full_check=True)
        equal(m, "mended.onnx", [torch.randn(*example, I)])
        for sizes in ((1, 3), (2, 9), (5, 4), (7, 3), (4, 12)):
            if repairs == ALONE or repairs == how:
                equal(m, "mended.onnx", [torch.randn(*sizes, I)])
            elif findings.startswith("frozen-shape+ frozen-step?") and sizes[0] * sizes[1] != B * T and runs("mended.onnx", [torch.randn(*sizes, I)]):
                raise RuntimeError(f"the way to steps counted in the example is open at {sizes}")


def many():
    """Six inputs of twelve symbols, of which two are frozen."""
    m = Module(lambda m, *x: sum(y(m, v).sum() for v in x[:-1]) + flat(m, x[-1])).eval()
    export(m, tuple(torch.randn(2 + n, 3 + n, I) for n in range(6)), [f"x{n}" for n in range(6)])
    found = json.loads(call(info, "--lint", "--json", "faulty.onnx").stdout)["findings"]
    if [f["rule"] for f in found] != ["frozen-shape"] * 2:
        raise RuntimeError(f"found {found}")
    call(convert, "faulty.onnx", "mended.onnx", "--repair")
    equal(m, "mended.onnx", [torch.randn(7 - n, 2 + n, I) for n in range(6)])


for name, case in cases.items():
    try:
        check(*case)
        tell(name)
    except Exception as problem:
        tell(name, f"{type(problem).__name__}: {problem}")
try:
    many()
    tell("more than eight symbols")
except Exception as problem:
    tell("more than eight symbols", problem)
finish()
