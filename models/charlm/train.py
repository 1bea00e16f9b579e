#!/usr/bin/env python3
"""Trains, judges and exports a character language model of English words.

    train.py              trains (about 2 minutes on one core), prints the table, writes model.onnx,
                          test_data_set_0..2 (chained calls), alphabet.txt, words.txt, input.csv
                          and zero_state.npy
    train.py --evaluate   prints the table for the model.onnx that lies here

Reads /usr/share/dict/american-english (Debian's wamerican): the words of small letters a-z only.
A tenth of them, drawn by seed, is held out. Text is one endless stream, a newline before each word;
the state is never reset, the network learns to forget at a newline.
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

WORDS = "/usr/share/dict/american-english"
ALPHABET = "\nabcdefghijklmnopqrstuvwxyz"
EMBEDDING, HIDDEN = 16, 72


class CharLM(torch.nn.Module):
    """tokens [batch, time], h, c [1, batch, HIDDEN] -> log-probabilities of the next token, hn, cn."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(len(ALPHABET), EMBEDDING)
        self.lstm = torch.nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
        self.out = torch.nn.Linear(HIDDEN, len(ALPHABET))

    def forward(self, tokens, h, c):
        y, (hn, cn) = self.lstm(self.embedding(tokens), (h, c))
        return torch.log_softmax(self.out(y), 2), hn, cn


def zero_state(batch):
    return torch.zeros(1, batch, HIDDEN), torch.zeros(1, batch, HIDDEN)


def read_words():
    """Training words and held-out words, both shuffled."""
    with open(WORDS, encoding="utf-8") as f:
        words = [w for w in f.read().split("\n") if w and all("a" <= ch <= "z" for ch in w)]
    np.random.default_rng(2024).shuffle(words)
    cut = len(words) // 10
    return words[cut:], words[:cut]


def stream(words):
    """The words as token numbers, a newline before each and one after the last."""
    text = "\n" + "\n".join(words) + "\n"
    return np.array([ALPHABET.index(ch) for ch in text], dtype=np.int64)


def train(words, seed, epochs):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = CharLM()
    batch, span = 96, 40
    n = len(stream(words)) // batch
    steps = (n - 1) // span
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=epochs * steps, pct_start=0.1)
    for epoch in range(epochs):
        order = rng.permutation(len(words))
        lanes = torch.from_numpy(stream([words[i] for i in order])[:n * batch].reshape(batch, n))
        h, c = zero_state(batch)
        total = 0.0
        for k in range(steps):
            x, y = lanes[:, k * span:(k + 1) * span], lanes[:, k * span + 1:(k + 1) * span + 1]
            logp, h, c = model(x, h.detach(), c.detach())
            loss = torch.nn.functional.nll_loss(logp.reshape(-1, len(ALPHABET)), y.reshape(-1))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: {total / steps / np.log(2):.3f} bits a character", file=sys.stderr, flush=True)
    return model.eval()


def count_bits(train_tokens, test_tokens, order):
    """Bits a character of an n-gram model; each order's counts lean on the order below (Witten-Bell)."""
    def walk(tokens):
        for i in range(order - 1, len(tokens)):
            yield tuple(tokens[i - order + 1:i]), tokens[i]

    n = len(ALPHABET)
    tables = [{} for _ in range(order)]
    for context, token in walk(train_tokens.tolist()):
        for k in range(order):
            row = tables[k].setdefault(context[len(context) - k:], np.zeros(n))
            row[token] += 1
    cache = {}
    bits, count = 0.0, 0
    for context, token in walk(test_tokens.tolist()):
        if context not in cache:
            p = np.full(n, 1.0 / n)
            for k in range(order):
                row = tables[k].get(context[len(context) - k:])
                if row is not None:
                    kinds = np.count_nonzero(row)
                    p = (row + kinds * p) / (row.sum() + kinds)
            cache[context] = np.log2(p)
        bits -= cache[context][token]
        count += 1
    return bits / count


def model_bits(model, tokens):
    tokens = torch.from_numpy(tokens)[None]
    with torch.no_grad():
        logp, _, _ = model(tokens[:, :-1], *zero_state(1))
    return -logp[0].gather(1, tokens[0, 1:, None]).mean().item() / np.log(2)


def evaluate(model, known, held_out):
    """Prints the table; False when the bigram wins."""
    known, held_out = stream(known), stream(held_out)
    print(f"{len(held_out)} characters of held-out words, each ended by a newline; bits a character")
    rows = [(name, count_bits(known, held_out, order)) for name, order in
            (("letter frequencies", 1), ("bigram", 2), ("trigram", 3))]
    rows.append(("LSTM (model.onnx)", model_bits(model, held_out)))
    for name, bits in rows:
        print(f"{name:20} {bits:6.3f}")
    won = rows[-1][1] < rows[1][1]
    print("The LSTM beats the bigram." if won else "The bigram wins.")
    return won


def export(model, held_out):
    tokens = stream(held_out[:40])
    cuts = [(0, 24), (24, 25), (25, 40)]        # a stretch, one step, another stretch
    sets = [(torch.from_numpy(tokens[None, a:b]), *zero_state(1)) for a, b in cuts]
    printable = ALPHABET.replace("\n", "\\n")
    export_vectors(model, sets, HERE, input_names=["tokens", "h", "c"], output_names=["logprob", "hn", "cn"],
                   dynamic_axes={"tokens": {0: "batch", 1: "time"}, "h": {1: "batch"}, "c": {1: "batch"},
                                 "logprob": {0: "batch", 1: "time"}, "hn": {1: "batch"}, "cn": {1: "batch"}},
                   chain={"hn": "h", "cn": "c"},
                   metadata={"alphabet": printable, "clstm.state.hn": "h", "clstm.state.cn": "c"})
    with open(os.path.join(HERE, "alphabet.txt"), "w", encoding="ascii") as f:
        f.writelines(f"{i} {'newline' if ch == chr(10) else ch}\n" for i, ch in enumerate(ALPHABET))
    with open(os.path.join(HERE, "words.txt"), "w", encoding="ascii") as f:
        f.writelines(w + "\n" for w in held_out[:40])
    np.save(os.path.join(HERE, "zero_state.npy"), zero_state(1)[0].numpy())
    np.savetxt(os.path.join(HERE, "input.csv"), tokens[None, :-1], fmt="%d", delimiter=",")


def main():
    parser = argparse.ArgumentParser(description="the character language model")
    parser.add_argument("--evaluate", action="store_true", help="judge the model.onnx that lies here")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    if not os.path.exists(WORDS):
        print(f"train.py: no {WORDS} (Debian: wamerican)", file=sys.stderr)
        return 1
    torch.set_num_threads(1)
    known, held_out = read_words()
    if options.evaluate:
        model = load_weights(CharLM(), os.path.join(HERE, "model.onnx")).eval()
    else:
        model = train(known, options.seed, options.epochs)
        export(model, held_out)
    return 0 if evaluate(model, known, held_out) else 1


if __name__ == "__main__":
    sys.exit(main())
