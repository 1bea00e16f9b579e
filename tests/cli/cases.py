"""What the Python halves of tests/cli share: a line a case, the tools under test, files in and out."""
import json
import struct
import subprocess
import sys

import numpy as np

DTYPES = {"F32": np.float32, "F64": np.float64, "F16": np.float16}
failures = 0


def tell(name, problem=None):
    """Prints a case: `ok NAME`, or `not ok NAME: problem`."""
    global failures
    failures += problem is not None
    print(f"not ok {name}: {problem}" if problem else f"ok {name}")


def finish():
    sys.exit(failures > 0)


def call(*command, want=0):
    """Runs a tool that must end with exit status `want`."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != want:
        raise RuntimeError(f"{command[1:]}: exit status {done.returncode}: {done.stderr.strip()}")
    return done


def outputs(run, path, inputs):
    """Runs a model with clstm-run; its outputs by name."""
    command = [run, path, "-o", "out.npz"]
    for number, (name, value) in enumerate(inputs.items()):
        np.save(f"in_{number}.npy", value)
        command += ["-i", f"{name}=in_{number}.npy"]
    call(*command)
    return np.load("out.npz")


def save_safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for key in sorted(tensors):
        value = np.ascontiguousarray(tensors[key])
        kind = next(k for k, t in DTYPES.items() if t == value.dtype)
        header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
