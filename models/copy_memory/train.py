#!/usr/bin/env python3
"""Trains an LSTM, a GRU and a plain RNN to keep one number, so that their gates can be looked at.

    train.py              trains the three (about 2 minutes on one core), prints the tables, writes
                          lstm/ gru/ rnn/ (model.onnx, test_data_set_0..1) and input.csv
    train.py --evaluate   prints the tables for the model.onnx files that lie here

The task: every step brings a value in -1..1 and a mark. Where the mark is 1 the value is to be
remembered, every other value is distraction. At every step the network must answer with the last
marked value. A number, unlike a sign, cannot be held by settling into one of two states: the cell
must really keep it. Marks come 1 to 120 steps apart when training; the test goes to 300.
"""
import argparse
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "tools")]
from export_vectors import export_vectors  # noqa: E402
from onnx_weights import load_weights  # noqa: E402

HIDDEN = 4
KINDS = ("lstm", "gru", "rnn")


class Keeper(torch.nn.Module):
    """x [time, batch, 2] (value, mark) -> answer [time, batch, 1], the last marked value."""

    def __init__(self, kind):
        super().__init__()
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind]
        self.layer = layer(2, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, 1)

    def forward(self, x):
        y, _ = self.layer(x)
        return self.out(y)


def make(time, batch, rng, longest):
    """Inputs and the value to be told at each step; the first step is always marked."""
    value = rng.uniform(-1, 1, (time, batch))
    mark = np.zeros((time, batch))
    for b in range(batch):
        at = 0
        while at < time:
            mark[at, b] = 1
            at += rng.integers(1, longest + 1)
    want = np.zeros((time, batch))
    for t in range(time):
        want[t] = np.where(mark[t] == 1, value[t], want[t - 1])
    return torch.from_numpy(np.stack([value, mark], 2).astype(np.float32)), torch.from_numpy(want.astype(np.float32))


def start_patient(model, kind):
    """Chrono initialisation (Tallec and Ollivier, 2018): gate biases for memories of 20 to 2000 steps."""
    spans = torch.log(torch.exp(torch.empty(HIDDEN).uniform_(np.log(20.0), np.log(2000.0))) - 1)
    with torch.no_grad():
        layer = model.layer
        if kind == "lstm":
            layer.bias_ih_l0[:HIDDEN] = -spans
            layer.bias_ih_l0[HIDDEN:2 * HIDDEN] = spans
        if kind == "gru":
            layer.bias_ih_l0[HIDDEN:2 * HIDDEN] = spans


def train(kind, seed, steps):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Keeper(kind)
    start_patient(model, kind)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        # short memories first
        longest = 10 if step < steps // 4 else 120
        x, want = make(200 if longest > 10 else 40, 24, rng, longest)
        answer = model(x).squeeze(2)
        loss = torch.nn.functional.mse_loss(answer, want)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 500 == 499:
            print(f"{kind} step {step + 1}: loss {loss.item():.5f}", file=sys.stderr, flush=True)
    return model.eval()


def recall(model, gap, rng):
    """Mean error, and share of answers within 0.1, `gap` steps after the mark, of 400 sequences."""
    x, _ = make(gap + 1, 400, rng, 1)
    x[1:, :, 1] = 0
    with torch.no_grad():
        error = (model(x)[gap, :, 0] - x[0, :, 0]).abs()
    return error.mean().item(), (error < 0.1).float().mean().item()


def lstm_gates(model, x):
    """Gates of every step, [time, HIDDEN] each, for one sequence x [time, 1, 2]."""
    layer = model.layer
    h = c = torch.zeros(HIDDEN)
    rows = {name: [] for name in ("i", "f", "o", "g", "c", "h")}
    with torch.no_grad():
        for step in x[:, 0]:
            z = layer.weight_ih_l0 @ step + layer.bias_ih_l0 + layer.weight_hh_l0 @ h + layer.bias_hh_l0
            i, f, g, o = z.split(HIDDEN)
            i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
            c = f * c + i * g
            h = o * torch.tanh(c)
            for name, v in zip(rows, (i, f, o, g, c, h)):
                rows[name].append(v)
    return {name: torch.stack(v).numpy() for name, v in rows.items()}


def shown_input():
    """The sequence of the pictures: marks at 0 (0.8), 50 (-0.6) and 80 (0.3), 120 steps."""
    rng = np.random.default_rng(7)
    x = np.zeros((120, 1, 2), dtype=np.float32)
    x[:, 0, 0] = rng.uniform(-1, 1, 120)
    for at, kept in ((0, 0.8), (50, -0.6), (80, 0.3)):
        x[at, 0] = (kept, 1)
    return torch.from_numpy(x)


def longest_run(flags):
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def evaluate(models):
    """Prints accuracies and the LSTM's gates; False when the LSTM forgets or its gates stay vague."""
    gaps = (10, 50, 100, 300)
    print("mean error, and share of answers within 0.1, so many steps after the mark (answering 0: 0.50, 0.10)")
    print("      " + "".join(f"{gap:>14}" for gap in gaps))
    lstm = None
    for kind, model in models.items():
        rng = np.random.default_rng(11)
        row = [recall(model, gap, rng) for gap in gaps]
        lstm = lstm or row
        print(f"{kind:6}" + "".join(f"{error:8.3f} {share:5.3f}" for error, share in row))
    gates = lstm_gates(models["lstm"], shown_input())
    keep = (gates["f"] > 0.99) & (gates["i"] < 0.05)
    x = shown_input()
    marks = x[:, 0, 1].numpy() == 1
    runs = [longest_run(keep[:, k]) for k in range(HIDDEN)]
    # of the units that keep, the one that is rewritten most at the marks
    rewritten = ((1 - gates["f"]) * gates["i"])[marks].mean(0)
    unit = max(range(HIDDEN), key=lambda k: (runs[k] >= 20) * rewritten[k])
    print(f"LSTM unit {unit} on input.csv: f > 0.99 and i < 0.05 on {keep[:, unit].sum()} of {len(keep)} steps, "
          f"{runs[unit]} in a row")
    print(f"{'step':>6} {'value':>6} {'mark':>4} {'f':>6} {'i':>6} {'g':>6} {'o':>6} {'c':>7} {'h':>6}")
    for t in (0, 1, 25, 49, 50, 51, 65, 79, 80, 81, 119):
        g = {k: v[t, unit] for k, v in gates.items()}
        print(f"{t:6} {x[t, 0, 0]:6.2f} {int(x[t, 0, 1]):4} {g['f']:6.3f} {g['i']:6.3f} {g['g']:6.2f} {g['o']:6.3f} "
              f"{g['c']:7.3f} {g['h']:6.3f}")
    return lstm[2][1] > 0.9 and runs[unit] >= 20


def export(models):
    rng = np.random.default_rng(13)
    sets = [(shown_input(),), (make(60, 3, rng, 20)[0],)]
    for kind, model in models.items():
        export_vectors(model, sets, os.path.join(HERE, kind), input_names=["x"], output_names=["answer"],
                       dynamic_axes={"x": {0: "time", 1: "batch"}, "answer": {0: "time", 1: "batch"}})
    np.savetxt(os.path.join(HERE, "input.csv"), shown_input()[:, 0].numpy(), fmt="%.9g", delimiter=",")
    np.save(os.path.join(HERE, "input.npy"), shown_input().numpy())


def main():
    parser = argparse.ArgumentParser(description="one number kept by LSTM, GRU and RNN")
    parser.add_argument("--evaluate", action="store_true", help="judge the model.onnx files that lie here")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.evaluate:
        models = {k: load_weights(Keeper(k), os.path.join(HERE, k, "model.onnx")).eval() for k in KINDS}
    else:
        models = {k: train(k, options.seed, options.steps) for k in KINDS}
        export(models)
    return 0 if evaluate(models) else 1


if __name__ == "__main__":
    sys.exit(main())
