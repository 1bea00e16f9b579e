"""Timing models: stacks of one recurrent operator with random weights, written as ONNX without needing a package."""
import array
import random


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, dims, rng, k):
    count = 1
    for d in dims:
        count *= d
    # a block of random numbers repeated: the values do not matter to time, making 33 MB of them does
    block = array.array("f", (rng.uniform(-k, k) for _ in range(min(count, 4093))))
    data = (block.tobytes() * (count // len(block) + 1))[:4 * count]
    return b"".join(field(1, d) for d in dims) + field(2, 1) + field(8, name) + field(9, data)


def port(name, dims):
    shape = b"".join(field(1, field(2 if isinstance(d, str) else 1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))


def attribute(name, value):
    kind = 2 if isinstance(value, int) else 3
    return field(1, name) + field(3 if kind == 2 else 4, value) + field(20, kind)


def write(path, op, hidden, steps, batch, direction="forward", layers=1):
    """`op` of I = H = hidden over [steps, batch, hidden], h0 (and c0) as inputs of every layer; layers above the first read the last one's
    output, squeezed to one direction. `batch` may be a name."""
    rng = random.Random(0)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    d = 2 if direction == "bidirectional" else 1
    k = hidden ** -0.5
    graph, inputs, outputs, last = b"", [port("X", [steps, batch, hidden])], [], "X"
    inits = [field(1, 1) + field(2, 7) + field(8, "axes") + field(7, varint(1))] if layers > 1 else []
    for n in range(layers):
        states = ["h%d" % n] + (["c%d" % n] if op == "LSTM" else [])
        outs = ["Y%d" % n, "hn%d" % n] + (["cn%d" % n] if op == "LSTM" else [])
        node = b"".join(field(1, i) for i in [last, "W%d" % n, "R%d" % n, "B%d" % n, ""] + states)
        node += b"".join(field(2, o) for o in outs) + field(4, op)
        node += field(5, attribute("hidden_size", hidden)) + field(5, attribute("direction", direction))
        node += field(5, attribute("linear_before_reset", 1)) if op == "GRU" else b""
        graph += field(1, node)
        inits += [tensor("W%d" % n, [d, gates * hidden, hidden], rng, k), tensor("R%d" % n, [d, gates * hidden, hidden], rng, k),
                  tensor("B%d" % n, [d, 2 * gates * hidden], rng, k)]
        inputs += [port(s, [d, batch, hidden]) for s in states]
        outputs += [port(o, [d, batch, hidden]) for o in outs[1:]]
        last = outs[0]
        if n + 1 < layers:
            graph += field(1, field(1, last) + field(1, "axes") + field(2, "X%d" % (n + 1)) + field(4, "Squeeze"))
            last = "X%d" % (n + 1)
    outputs.insert(0, port(last, [steps, d, batch, hidden]))
    graph += field(2, "bench") + b"".join(field(5, t) for t in inits) + b"".join(field(11, p) for p in inputs)
    graph += b"".join(field(12, p) for p in outputs)
    with open(path, "wb") as f:
        f.write(field(1, 8) + field(7, graph) + field(8, field(2, 14)))
