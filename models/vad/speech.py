"""Noisy speech to learn from and to be judged on: words spoken by espeak-ng in many voices, pauses
between them, noise of random colour. Labels come from the clean speech."""
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import numpy as np

RATE, FRAME = 16000, 256
WORDS = "/usr/share/dict/american-english"

TRAIN_LANGUAGES = ["en-us", "en-gb", "de", "fr-fr", "es", "it", "nl", "pl"]
TRAIN_VOICES = ["m1", "m2", "m3", "m4", "f1", "f2", "f3", "Andy", "Alex", "Annie", "Gene", "Jacky", "Lee",
                "Mario", "Michael", "steph", "edward", "adam", "anika", "klatt", "klatt3", "grandma", "robert",
                "sandro", "paul", "linda", "boris", "quincy", "rob", "travis", "norbert", "caleb"]
TEST_LANGUAGES = ["en-gb-scotland", "pt", "sv", "ro", "cs", "fi"]
TEST_VOICES = ["m7", "m8", "f4", "f5", "klatt2", "Hugo", "iven2", "benjamin", "max", "victor", "Alicia", "zac",
               "aunty", "miguel", "david", "john"]


def missing():
    """The Debian packages that are wanted and not here."""
    there = {"espeak-ng": shutil.which("espeak-ng"), "sox": shutil.which("sox"), "wamerican": os.path.exists(WORDS)}
    return [package for package, found in there.items() if not found]


def read_words():
    with open(WORDS, encoding="utf-8") as f:
        return [w for w in f.read().split("\n") if len(w) > 2 and w.isascii() and w.isalpha()]


def speak(voice, text, speed, pitch):
    """One utterance as float samples at 16 kHz."""
    said = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    raw = subprocess.run(["sox", "-R", "-t", "wav", "-", "-t", "raw", "-r", str(RATE), "-e", "float", "-b", "32",
                          "-c", "1", "-"], input=said, check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL).stdout
    return np.frombuffer(raw, dtype="<f4").copy()


def talk(voice, seconds, seed, words):
    """Clean speech of one voice with pauses of 0.3 to 2.5 s, and a 0/1 label a frame."""
    rng = np.random.default_rng(seed)
    pieces, length = [], 0
    while length < seconds * RATE:
        pause = np.zeros(int(rng.uniform(0.3, 2.5) * RATE), dtype=np.float32)
        text = " ".join(rng.choice(words, rng.integers(1, 7)))
        said = speak(voice, text, rng.integers(130, 210), rng.integers(25, 75))
        said *= 0.1 / max(np.sqrt(np.mean(said ** 2)), 1e-6)
        pieces += [pause, said]
        length += len(pause) + len(said)
    clean = np.concatenate(pieces)[:int(seconds * RATE) // FRAME * FRAME]
    return clean, label(clean)


def label(clean):
    """1 where the clean frame is within 35 dB of the speech level; gaps under 0.2 s (stop consonants,
    the ends of words) count as speech, since nobody stops talking for that long."""
    power = np.mean(clean.reshape(-1, FRAME) ** 2, axis=1)
    level = np.mean(power[power > 1e-6])
    marks = power > level * 10 ** -3.5
    on = np.flatnonzero(marks)
    for a, b in zip(on[:-1], on[1:]):
        if b - a <= 0.2 * RATE / FRAME:
            marks[a:b] = True
    return marks.astype(np.float32)


def make_noise(n, rng):
    """Noise of power 1: a random spectral slope (white to brown), sometimes hum, swelling slowly."""
    f = np.fft.rfftfreq(n, 1.0 / RATE)
    shape = 1.0 / np.maximum(f, 40.0) ** (rng.uniform(0.0, 2.0) / 2)
    bump = np.exp(-0.5 * ((f - rng.uniform(200, 6000)) / rng.uniform(200, 2000)) ** 2)
    shape *= 1.0 + rng.uniform(0, 3) * bump
    noise = np.fft.irfft(shape * np.fft.rfft(rng.standard_normal(n)), n)
    t = np.arange(n) / RATE
    if rng.random() < 0.3:
        hum = sum(np.sin(2 * np.pi * rng.choice([50, 60, 100]) * k * t + rng.uniform(0, 6)) / k for k in (1, 2, 3))
        noise = noise / noise.std() + hum * rng.uniform(0.2, 0.8)
    swell = 10 ** (rng.uniform(0, 4) * np.sin(2 * np.pi * rng.uniform(0.03, 0.4) * t + rng.uniform(0, 6)) / 20)
    noise = noise * swell
    return noise / np.sqrt(np.mean(noise ** 2))


def mix(clean, marks, snr_db, gain_db, rng):
    """Speech and noise: speech power over the speech frames is snr_db above the noise."""
    speaking = np.repeat(marks > 0, FRAME)
    power = np.mean(clean[speaking] ** 2)
    noise = make_noise(len(clean), rng) * np.sqrt(power / 10 ** (snr_db / 10))
    out = (clean + noise) * 10 ** (gain_db / 20)
    return np.clip(out, -1, 1).astype(np.float32)


def corpus(voices, languages, takes, seconds, seed):
    """[(voice, clean, marks)], every voice in several languages; two espeak-ng at a time."""
    words = read_words()
    jobs = [(f"{languages[(i * takes + k) % len(languages)]}+{voice}", seed + 1000 * i + k)
            for i, voice in enumerate(voices) for k in range(takes)]
    with ThreadPoolExecutor(min(2, os.cpu_count())) as pool:
        made = list(pool.map(lambda job: talk(job[0], seconds, job[1], words), jobs))
    return [(job[0],) + pair for job, pair in zip(jobs, made)]
