#!/usr/bin/env python3
"""Trains, judges and exports a voice activity detector.

    train.py              speaks the corpus, trains (about 2 minutes in all), prints the table, writes model.onnx,
                          test_data_set_0..3 (chained calls), zero_state.npy, input.wav
                          and labels.csv
    train.py --evaluate   prints the table for the model.onnx that lies here

Needs espeak-ng, sox and wamerican. 32 voices in 8 languages are learnt from, at 0 to 20 dB; 16 other
voices in 6 other languages at 5 dB are the test (see speech.py).
"""
import argparse
import os
import sys
import wave

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "..", "tools")]
import speech  # noqa: E402
from export_vectors import export_vectors  # noqa: E402
from onnx_weights import load_weights  # noqa: E402
from speech import FRAME, RATE  # noqa: E402

BANDS, HIDDEN = 24, 32
# DFT frequencies in bins of 62.5 Hz: every one to 3 kHz, every second to 7 kHz
BINS = np.concatenate([np.arange(1, 49), np.arange(50, 113, 2)])


def dft_matrices():
    """Hann-windowed cosines and sines, [FRAME, bins]."""
    n = np.arange(FRAME)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / FRAME)
    angle = 2 * np.pi * np.outer(n, BINS) / FRAME
    return [torch.from_numpy((window[:, None] * part).astype(np.float32)) for part in (np.cos(angle), np.sin(angle))]


def band_matrix():
    """Triangles evenly spaced on the mel scale, [bins, BANDS], each of mean 1 over its bins."""
    def mel(f):
        return 2595 * np.log10(1 + f / 700)

    at = mel(BINS * RATE / FRAME)
    edges = np.linspace(mel(60.0), mel(7200.0), BANDS + 2)
    out = np.zeros((len(BINS), BANDS))
    for b in range(BANDS):
        low, mid, high = edges[b:b + 3]
        out[:, b] = np.clip(np.minimum((at - low) / (mid - low), (high - at) / (high - mid)), 0, None)
        if out[:, b].sum() == 0:
            out[np.argmin(np.abs(at - mid)), b] = 1
    return torch.from_numpy((out / out.sum(0)).astype(np.float32))


class Vad(torch.nn.Module):
    """frame [batch, 256] of samples in -1..1, h, c [1, batch, HIDDEN] -> speech [batch, 1], hn, cn."""

    def __init__(self):
        super().__init__()
        cosines, sines = dft_matrices()
        self.register_buffer("dft_cos", cosines)
        self.register_buffer("dft_sin", sines)
        self.register_buffer("bands", band_matrix())
        self.lstm = torch.nn.LSTM(BANDS, HIDDEN)
        self.out = torch.nn.Linear(HIDDEN, 1)

    def features(self, frame):
        re, im = torch.matmul(frame, self.dft_cos), torch.matmul(frame, self.dft_sin)
        power = torch.matmul(re * re + im * im, self.bands)
        return torch.log(power + 1e-5) * 0.25

    def forward(self, frame, h, c):
        y, (hn, cn) = self.lstm(self.features(frame).unsqueeze(0), (h, c))
        return torch.sigmoid(self.out(y.squeeze(0))), hn, cn

    def logits(self, features):
        """[time, batch, BANDS] -> [time, batch] (for training)."""
        y, _ = self.lstm(features)
        return self.out(y).squeeze(2)


def zero_state(batch):
    return torch.zeros(1, batch, HIDDEN), torch.zeros(1, batch, HIDDEN)


def frames_of(samples):
    return torch.from_numpy(samples.reshape(-1, FRAME))


def train(corpus, seed, steps):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Vad()
    batch, span = 24, 400
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps, pct_start=0.15)
    for step in range(steps):
        feats, wants = [], []
        for k in rng.integers(0, len(corpus), batch):
            _, clean, marks = corpus[k]
            at = rng.integers(0, len(marks) - span + 1)
            piece, mark = clean[at * FRAME:(at + span) * FRAME], marks[at:at + span]
            if mark.sum() < 10:
                mark, piece = np.zeros_like(mark), rng.standard_normal(len(piece)).astype(np.float32) * 0.01
                noisy = piece
            else:
                snr = rng.uniform(0, 20) if rng.random() < 0.85 else 60.0
                noisy = speech.mix(piece, mark, snr, rng.uniform(-20, 6), rng)
            with torch.no_grad():
                feats.append(model.features(frames_of(noisy)))
            wants.append(torch.from_numpy(mark))
        x, y = torch.stack(feats, 1), torch.stack(wants, 1)
        # the first quarter second has no past to judge by
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model.logits(x)[16:], y[16:])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1}: loss {loss.item():.4f}", file=sys.stderr, flush=True)
    return model.eval()


def f1(guess, marks):
    hit = np.sum(guess & marks)
    precision, recall = hit / max(guess.sum(), 1), hit / max(marks.sum(), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def evaluate(model, limit=0.9):
    """Prints the table over the test voices; False below the limit."""
    takes = speech.corpus(speech.TEST_VOICES, speech.TEST_LANGUAGES, 2, 20, seed=500000)
    rng = np.random.default_rng(99)
    guesses, energies, marks, by_voice = [], [], [], {}
    for voice, clean, mark in takes:
        noisy = speech.mix(clean, mark, 5.0, rng.uniform(-15, 0), rng)
        frames = frames_of(noisy)
        with torch.no_grad():
            guess = (torch.sigmoid(model.logits(model.features(frames)[:, None]))[:, 0] > 0.5).numpy()
        # an energy detector, with the best threshold over the noise floor that hindsight gives
        power = 10 * np.log10(np.mean(noisy.reshape(-1, FRAME) ** 2, axis=1) + 1e-12)
        energies.append(power - np.quantile(power, 0.2))
        guesses.append(guess)
        marks.append(mark > 0)
        by_voice.setdefault(voice.split("+")[1], []).append(f1(guess, mark > 0)[2])
    guess, mark, energy = (np.concatenate(v) for v in (guesses, marks, energies))
    best = max(np.arange(0, 15, 0.25), key=lambda t: f1(energy > t, mark)[2])
    rows = [("always speech", f1(np.ones_like(mark), mark)),
            (f"energy > floor + {best:.2f} dB", f1(energy > best, mark)),
            ("LSTM (model.onnx) > 0.5", f1(guess, mark))]
    print(f"{len(takes)} takes of {len(by_voice)} unseen voices at 5 dB, {len(mark)} frames of 16 ms, "
          f"{100 * mark.mean():.0f} % speech")
    print(f"{'':28} precision recall    F1")
    for name, (p, r, f) in rows:
        print(f"{name:28} {p:9.3f} {r:6.3f} {f:5.3f}")
    worst = min(by_voice, key=lambda v: np.mean(by_voice[v]))
    print(f"hardest voice: {worst}, F1 {np.mean(by_voice[worst]):.3f}")
    won = rows[2][1][2] >= limit and rows[2][1][2] > rows[1][1][2]
    print(f"F1 is {'at least' if won else 'under'} {limit}.")
    return won


def evaluate_wav(model):
    """F1 on the shipped recording, frame by frame with carried states."""
    with wave.open(os.path.join(HERE, "input.wav"), "rb") as f:
        samples = np.frombuffer(f.readframes(f.getnframes()), dtype="<i2").astype(np.float32) / 32768
    marks = np.loadtxt(os.path.join(HERE, "labels.csv")) > 0
    state, said = zero_state(1), []
    with torch.no_grad():
        for frame in frames_of(samples):
            probability, *state = model(frame[None], *state)
            said.append(probability.item())
    p, r, f = f1(np.array(said) > 0.5, marks)
    print(f"{'input.wav, frame by frame':28} {p:9.3f} {r:6.3f} {f:5.3f}")


def write_wav(path, samples):
    with wave.open(path, "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        f.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


def around_onset(model, heard):
    """Four frames in a row; started from a zero state, the model hears speech in the last and not in the first."""
    for first in range(len(heard) - 3):
        state, said = zero_state(1), []
        with torch.no_grad():
            for frame in heard[first:first + 4]:
                probability, *state = model(frame[None], *state)
                said.append(probability.item())
        if said[0] < 0.3 and said[3] > 0.7:
            return range(first, first + 4)
    raise RuntimeError("no onset in input.wav")


def export(model):
    _, clean, mark = speech.corpus(["f4"], ["en-gb-scotland"], 1, 5, seed=700000)[0]
    noisy = speech.mix(clean, mark, 5.0, -6.0, np.random.default_rng(5))
    write_wav(os.path.join(HERE, "input.wav"), noisy)
    np.savetxt(os.path.join(HERE, "labels.csv"), mark, fmt="%d")
    np.save(os.path.join(HERE, "zero_state.npy"), zero_state(1)[0].numpy())
    heard = frames_of(np.round(noisy * 32767).astype(np.float32) / 32768)
    sets = [(heard[i:i + 1], *zero_state(1)) for i in around_onset(model, heard)]
    export_vectors(model, sets, HERE, input_names=["frame", "h", "c"], output_names=["speech", "hn", "cn"],
                   dynamic_axes={"frame": {0: "batch"}, "h": {1: "batch"}, "c": {1: "batch"},
                                 "speech": {0: "batch"}, "hn": {1: "batch"}, "cn": {1: "batch"}},
                   chain={"hn": "h", "cn": "c"},
                   metadata={"sample_rate": RATE, "clstm.state.hn": "h", "clstm.state.cn": "c"})


def main():
    parser = argparse.ArgumentParser(description="the voice activity detector")
    parser.add_argument("--evaluate", action="store_true", help="judge the model.onnx that lies here")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=700)
    options = parser.parse_args()
    if speech.missing():
        print(f"train.py: needs {', '.join(speech.missing())} (Debian's names)", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    if options.evaluate:
        model = load_weights(Vad(), os.path.join(HERE, "model.onnx")).eval()
    else:
        learnt = speech.corpus(speech.TRAIN_VOICES, speech.TRAIN_LANGUAGES, 3, 25, seed=1)
        print(f"{len(learnt)} takes spoken", file=sys.stderr, flush=True)
        model = train(learnt, options.seed, options.steps)
        export(model)
    won = evaluate(model)
    evaluate_wav(model)
    return 0 if won else 1


if __name__ == "__main__":
    sys.exit(main())
