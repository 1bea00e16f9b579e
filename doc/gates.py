#!/usr/bin/env python3
"""Measures what doc/seeing-the-gates.md states, from traces: gates.py LSTM.npz GRU.npz RNN.npz VAD.npz

Needs nothing but Python. Steps 0, 50 and 80 of models/copy_memory/input.npy are marked: there a value is to be remembered."""
import ast
import struct
import sys
import zipfile

MARKS = (0, 50, 80)


def read(path):
    """{gate: [step][unit]} of the one layer in the archive."""
    out = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            start = 10 + struct.unpack_from("<H", data, 8)[0]
            head = ast.literal_eval(data[10:start].decode("latin1").strip())
            steps, units = head["shape"][0], head["shape"][-1]
            code = {"<f4": "f", "<f8": "d"}[head["descr"]]
            flat = struct.unpack_from("<%d%s" % (steps * units, code), data, start)
            out[name[:-len(".npy")].rsplit(".", 1)[-1]] = [flat[t * units:(t + 1) * units] for t in range(steps)]
    return out


def unit(gate, u):
    return [row[u] for row in gate]


def longest(flags):
    best = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best


def mean_change(values, steps):
    return sum(abs(values[t] - values[t - 1]) for t in steps) / len(steps)


def copy_memory(lstm, gru, rnn):
    between = [t for t in range(1, 120) if t not in MARKS]
    f, i, g, c = (unit(lstm[k], 3) for k in ("f", "i", "candidate", "c"))
    kept = [a > 0.99 and b < 0.05 for a, b in zip(f, i)]
    print("LSTM unit 3: f > 0.99 and i < 0.05 on %d of %d steps, %d in a row" % (sum(kept), len(kept), longest(kept)))
    for t in MARKS:
        before = c[t - 1] if t else 0.0
        print("LSTM unit 3, step %2d: c was %6.3f, f keeps %.3f of it, i * candidate = %.3f * %6.3f is added: c is %6.3f"
              % (t, before, f[t], i[t], g[t], c[t]))
    print("LSTM unit 3 between marks: candidate moves %.4f a step, c %.4f" % (mean_change(g, between), mean_change(c, between)))
    z, h = unit(gru["z"], 1), unit(gru["h"], 1)
    kept = [a > 0.99 for a in z]
    print("GRU unit 1: z > 0.99 on %d of %d steps, %d in a row; at the marks z is %s"
          % (sum(kept), len(kept), longest(kept), ", ".join("%.3f" % z[t] for t in MARKS)))
    print("GRU unit 1 between marks: h moves %.4f a step" % mean_change(h, between))
    for name, gates in (("LSTM", lstm), ("GRU", gru), ("RNN", rnn)):
        moves = [mean_change(unit(gates["h"], u), between) for u in range(4)]
        print("%s, units 0 to 3 between marks: h moves %s a step" % (name, ", ".join("%.4f" % m for m in moves)))


def vad(gates):
    steps = range(1, len(gates["f"]))
    f, c, h, o = (unit(gates[k], 24) for k in ("f", "c", "h", "o"))
    kept = unit(gates["f"], 4)
    print("vad unit 4: f > 0.99 on %d of %d frames, %d in a row" % (sum(v > 0.99 for v in kept), len(kept), longest([v > 0.99 for v in kept])))
    low = min(unit(gates["f"], 29))
    print("vad unit 29: f is %.3f to %.3f" % (low, max(unit(gates["f"], 29))))
    for name, v in (("c", c), ("h", h)):
        span = max(v) - min(v)
        print("vad unit 24: %s is %.2f to %.2f; a frame moves it by %.1f %% of that range, at most by %.0f %%"
              % (name, min(v), max(v), 100 * mean_change(v, steps) / span, 100 * max(abs(v[t] - v[t - 1]) for t in steps) / span))
    print("vad unit 24: f is %.3f to %.3f, o %.3f to %.3f" % (min(f), max(f), min(o), max(o)))
    slower = sum(mean_change(unit(gates["c"], u), steps) / (max(unit(gates["c"], u)) - min(unit(gates["c"], u)))
                 < mean_change(unit(gates["h"], u), steps) / (max(unit(gates["h"], u)) - min(unit(gates["h"], u))) for u in range(32))
    print("vad: c is the slower one in %d of 32 units" % slower)


if len(sys.argv) != 5:
    sys.exit(__doc__)
copy_memory(*(read(path) for path in sys.argv[1:4]))
vad(read(sys.argv[4]))
