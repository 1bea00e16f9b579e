#!/usr/bin/env python3
"""Trains, judges and exports the sunspot forecaster.

    train.py              trains (about a minute on one core), prints the table, writes
                          model.onnx, test_data_set_0..2, input.csv, input.npy and actual.csv
    train.py --evaluate   prints the table for the model.onnx that lies here

The series is split by date, and a forecast is judged only on months after the split:
    1749-1945 training, 1946-1958 choosing when to stop, 1959-1983 held out.
Every month from December 1958 to December 1979 ends one history; the 48 months after it are
forecast.
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

HORIZON = 48            # months forecast
HISTORY = 396           # months of history in the shipped input: three cycles
CYCLE = 132             # the season of seasonal-naive: 11 years
HIDDEN = 32
FIRST_YEAR, VALID_YEAR, TEST_YEAR = 1749, 1946, 1959


class Forecaster(torch.nn.Module):
    """series [batch, time, 1] of monthly sunspot numbers -> forecast [batch, HORIZON, 1]."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, HIDDEN, batch_first=True)
        self.out = torch.nn.Linear(HIDDEN, HORIZON)

    def scale(self, series):
        # the noise grows with the level: a square root evens it out
        return torch.sqrt(torch.relu(series)) * 0.15 - 1.0

    def forward(self, series):
        _, (h, _) = self.lstm(self.scale(series))
        months = torch.relu(self.out(h[0]) * 50.0 + 50.0)
        return months.unsqueeze(2)

    def every_step(self, series):
        """[batch, time] -> [batch, time, HORIZON], without the floor at zero (for training)."""
        y, _ = self.lstm(self.scale(series.unsqueeze(2)))
        return self.out(y) * 50.0 + 50.0


def month_index(year, month=1):
    return (year - FIRST_YEAR) * 12 + month - 1


def read_series():
    table = np.loadtxt(os.path.join(HERE, "sunspots.csv"), delimiter=",", skiprows=1)
    return table[:, 2].astype(np.float32)


def windows(series, first_origin, last_origin, length):
    """Histories that end before each origin month, and what came."""
    origins = range(first_origin, last_origin + 1)
    x = np.stack([series[o - length:o] for o in origins])
    y = np.stack([series[o:o + HORIZON] for o in origins])
    return torch.from_numpy(x), torch.from_numpy(y)


def forecast(model, x):
    with torch.no_grad():
        return model(x.unsqueeze(2)).squeeze(2)


def train(series, seed, steps, verbose=True):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Forecaster()
    end = month_index(VALID_YEAR)
    known = torch.from_numpy(series[:end])
    vx, vy = windows(series, end, month_index(TEST_YEAR) - HORIZON, HISTORY)
    warm, span, batch = 132, 528, 16
    optimiser = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, total_steps=steps, pct_start=0.15)
    best, kept = float("inf"), None
    for step in range(steps):
        starts = rng.integers(0, end - span - HORIZON + 1, batch)
        piece = torch.stack([known[s:s + span + HORIZON] for s in starts])
        # cycles differ in height: show each at several
        piece = piece * torch.from_numpy(rng.uniform(0.6, 1.6, (batch, 1)).astype(np.float32))
        target = piece[:, 1:].unfold(1, HORIZON, 1)[:, :span]
        guess = model.every_step(piece[:, :span])
        loss = torch.nn.functional.smooth_l1_loss(guess[:, warm:] / 25.0, target[:, warm:] / 25.0)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 20 == 19:
            mae = (forecast(model, vx) - vy).abs().mean().item()
            if mae < best:
                best, kept = mae, {k: v.clone() for k, v in model.state_dict().items()}
            if verbose and step % 100 == 99:
                print(f"step {step + 1}: loss {loss.item():.4f}, 1946-1958 MAE {mae:.2f} (best {best:.2f})",
                      file=sys.stderr, flush=True)
    model.load_state_dict(kept)
    return model.eval(), best


def baselines(x):
    """Forecasts that need no training, from the same histories."""
    ahead = torch.arange(HORIZON)
    return [
        ("persistence: the last month", x[:, -1:].expand(-1, HORIZON)),
        ("persistence: mean of 12 months", x[:, -12:].mean(1, keepdim=True).expand(-1, HORIZON)),
        (f"seasonal-naive: {CYCLE} months ago", x[:, x.shape[1] - CYCLE + ahead]),
        ("mean of the history", x.mean(1, keepdim=True).expand(-1, HORIZON)),
    ]


def evaluate(model, series):
    """Prints the table; False when a baseline wins."""
    first, last = month_index(TEST_YEAR), len(series) - HORIZON
    x, y = windows(series, first, last, HISTORY)
    rows = baselines(x) + [("LSTM (model.onnx)", forecast(model, x))]
    print(f"{len(x)} forecasts of {HORIZON} months from histories of {HISTORY}, held out {TEST_YEAR}-1983; "
          "error in sunspot numbers")
    print(f"{'':32} {'MAE':>6} {'RMSE':>6}   MAE by months ahead: {'1-12':>5} {'13-24':>6} {'25-36':>6} {'37-48':>6}")
    scores = []
    for name, guess in rows:
        e = guess - y
        by = [e[:, a:b].abs().mean().item() for a, b in ((0, 12), (12, 24), (24, 36), (36, 48))]
        scores.append((e.abs().mean().item(), e.pow(2).mean().sqrt().item()))
        print(f"{name:32} {scores[-1][0]:6.2f} {scores[-1][1]:6.2f}   {'':20} "
              f"{by[0]:5.2f} {by[1]:6.2f} {by[2]:6.2f} {by[3]:6.2f}")
    won = all(scores[-1][0] < s[0] and scores[-1][1] < s[1] for s in scores[:-1])
    print("The LSTM beats every baseline." if won else "A baseline wins.")
    return won


def export(model, series):
    def history(end, length):
        return torch.from_numpy(series[end - length:end].reshape(1, length, 1))

    end = len(series) - HORIZON
    shipped = history(end, HISTORY)
    both = torch.cat([history(month_index(1970), 264), history(month_index(1976, 6), 264)])
    export_vectors(model, [shipped, history(month_index(1965), 264), both], HERE,
                   input_names=["series"], output_names=["forecast"],
                   dynamic_axes={"series": {0: "batch", 1: "time"}, "forecast": {0: "batch"}})
    np.savetxt(os.path.join(HERE, "input.csv"), series[end - HISTORY:end], fmt="%.1f")
    np.savetxt(os.path.join(HERE, "actual.csv"), series[end:], fmt="%.1f")
    np.save(os.path.join(HERE, "input.npy"), shipped.numpy())


def main():
    parser = argparse.ArgumentParser(description="the sunspot forecaster")
    parser.add_argument("--evaluate", action="store_true", help="judge the model.onnx that lies here")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--dry", action="store_true", help="train and print, write nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    series = read_series()
    if options.evaluate:
        model = load_weights(Forecaster(), os.path.join(HERE, "model.onnx")).eval()
    else:
        model, best = train(series, options.seed, options.steps)
        print(f"stopped at 1946-1958 MAE {best:.2f}", file=sys.stderr)
    won = evaluate(model, series)
    if not options.evaluate and not options.dry:
        export(model, series)
    return 0 if won else 1


if __name__ == "__main__":
    sys.exit(main())
