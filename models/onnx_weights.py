"""Reads the weights of an exported model.onnx back into the torch module it came from, so that
`train.py --evaluate` judges the very file that is shipped. Undoes what the exporter did: gate
order i,o,f,c (LSTM) or z,r,h (GRU), folded biases side by side, MatMul operands transposed."""
import numpy as np
import onnx
import torch
from onnx import numpy_helper

# position in torch's gate order of each gate in ONNX's
_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def _torch_order(array, op):
    """[gates*H, ...] from ONNX's gate order to torch's."""
    order = _GATES[op]
    blocks = np.split(array, len(order))
    out = [None] * len(order)
    for onnx_at, torch_at in enumerate(order):
        out[torch_at] = blocks[onnx_at]
    return np.concatenate(out)


def load_weights(module, path):
    """Fills every parameter of `module` from the file; raises when one has no source."""
    graph = onnx.load(path).graph
    stored = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            stored[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    found = {}
    layers = [(name, layer, k) for name, layer in module.named_modules()
              if isinstance(layer, torch.nn.RNNBase) for k in range(layer.num_layers)]
    nodes = [n for n in graph.node if n.op_type in _GATES]
    if len(nodes) != len(layers):
        raise ValueError(f"{path}: {len(nodes)} recurrent nodes, {len(layers)} expected")
    for (name, layer, k), node in zip(layers, nodes):
        w, r, b = (stored[i][0] for i in node.input[1:4])
        wb, rb = np.split(b, 2)
        for kind, value in (("weight_ih", w), ("weight_hh", r), ("bias_ih", wb), ("bias_hh", rb)):
            found[f"{name}.{kind}_l{k}"] = _torch_order(value, node.op_type)
    products = [stored[n.input[1]] for n in graph.node if n.op_type == "MatMul" and n.input[1] in stored]
    state = module.state_dict()
    for name, value in state.items():
        if name in found:
            array = found[name]
        elif name in stored:
            array = stored[name]
        else:
            at = next((i for i, p in enumerate(products) if p.T.shape == tuple(value.shape)), None)
            if at is None:
                raise ValueError(f"{path}: nothing in the file becomes {name}")
            array = products.pop(at).T
        state[name] = torch.from_numpy(np.array(array))
    module.load_state_dict(state)
    return module
