// Reads what the page carries: digits and networks as typed arrays, everything else as it is.

import { network } from "./net.js";

const TYPES = { uint8: Uint8Array, float32: Float32Array };

// Gives {source, sizes, digits: [{index, image, pixels, label}], networks, start, and the rest}.
// `image` is Float64Array(784) from 0 to 1; a network is what net.js makes, with its name and text.
export async function readData(json) {
  const images = await read(json.digits.images);
  const networks = await Promise.all(
    json.networks.map(async (given) => {
      const stored = await read(given.parameters); // float32, every one exact as a float64
      return { ...given, ...network(json.sizes, Float64Array.from(stored)), stored };
    }),
  );
  const size = json.sizes[0];
  const digits = json.digits.labels.map((label, index) => {
    const pixels = images.subarray(index * size, (index + 1) * size);
    return { index, label, pixels, image: Float64Array.from(pixels, (p) => p / 255) };
  });
  return { ...json, digits, networks };
}

async function read({ dtype, length, deflate, raw }) {
  const bytes = deflate === undefined ? decode(raw) : await inflate(decode(deflate));
  const values = new TYPES[dtype](bytes.buffer, bytes.byteOffset, length);
  return values;
}

function decode(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
