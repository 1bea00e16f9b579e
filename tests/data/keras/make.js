// Makes the cases here with TensorFlow.js 4.22, whose layers are Keras's: weights.safetensors under its names, an input and its output.
// npm install @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-cpu && node make.js
require('@tensorflow/tfjs-backend-cpu');
const tf = require('@tensorflow/tfjs-core');
const { layers, sequential } = require('@tensorflow/tfjs-layers');
const fs = require('fs');

let seed = 1;
function uniform() {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648 - 0.5;
}
const random = (shape, scale) => tf.tensor(Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => uniform() * scale), shape);
const bytes = (tensor) => Buffer.from(new Float32Array(tensor.dataSync()).buffer);

// TensorProto: dims, float, raw_data; every length here fits two digits of base 128
const length = (n) => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);
const proto = (tensor) => {
  const raw = bytes(tensor);
  return Buffer.concat([Buffer.from([...tensor.shape.flatMap((d) => [8, d]), 16, 1, 74, ...length(raw.length)]), raw]);
};

function save(name, list) {
  const model = sequential();
  for (const layer of list) model.add(layer);
  const x = random([2, 6, 3], 3), header = {}, data = [];
  let at = 0;
  for (const layer of model.layers)
    for (const weight of layer.weights) {
      const value = random(weight.shape, 1.4);
      weight.write(value);
      header[weight.originalName] = { dtype: 'F32', shape: weight.shape, data_offsets: [at, (at += 4 * value.size)] };
      data.push(bytes(value));
    }
  const text = Buffer.from(JSON.stringify(header)), size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  fs.mkdirSync(`${name}/test_data_set_0`, { recursive: true });
  fs.writeFileSync(`${name}/weights.safetensors`, Buffer.concat([size, text, ...data]));
  fs.writeFileSync(`${name}/test_data_set_0/input_0.pb`, proto(x));
  fs.writeFileSync(`${name}/test_data_set_0/output_0.pb`, proto(model.predict(x)));
}

const how = (units, more) => ({ units, returnSequences: true, recurrentInitializer: 'glorotUniform', ...more });
const sigmoid = { recurrentActivation: 'sigmoid' }, first = { inputShape: [null, 3] };
save('lstm', [layers.lstm(how(5, { ...sigmoid, ...first })), layers.dense({ units: 2 })]);
save('gru', [layers.gru(how(5, { ...sigmoid, ...first })), layers.gru(how(5, sigmoid))]);
save('bidirectional', [
  layers.bidirectional({ layer: layers.lstm(how(4, sigmoid)), mergeMode: 'concat', ...first }),
  layers.bidirectional({ layer: layers.simpleRNN(how(3)), mergeMode: 'concat' }),
]);
