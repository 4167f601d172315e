// Reads what the page carries: packed pixels and a network, as numbers.

import { netOn, type Net } from "./engine";
import type { Data, Digit } from "./session";

interface Blob64 {
  dtype: "uint8" | "float32";
  length: number;
  deflate?: string;
  raw?: string;
}

export interface Carried {
  source: Data["source"];
  sizes: number[];
  /** Two pixels of 4 bits in each byte; the unseen digits come last. */
  digits: { count: number; unseen: number; images: Blob64; labels: number[] };
  /** Digits to choose from, and their pixels as bytes. */
  shown: { indices: number[]; images: Blob64 };
  net: Blob64;
  amount: Data["amount"];
  wrong: Data["wrong"];
}

export async function readData(carried: Carried): Promise<Data> {
  const blobs = [carried.digits.images, carried.shown.images, carried.net];
  const [packed, bytes, vector] = await Promise.all(blobs.map(read));
  const { source, sizes, amount, wrong, shown } = carried;
  const { count, labels } = carried.digits;
  const size = sizes[0];
  const digits = labels.map((label, index): Digit => ({ index, label, pixels: unpacked(packed, index * size, size) }));
  shown.indices.forEach((index, i) => {
    digits[index].pixels = Float64Array.from(bytes.subarray(i * size, (i + 1) * size), (p) => p / 255);
  });
  const net = netOn(Float64Array.from(vector), sizes);
  const [learned, unseen] = [digits.slice(0, count), digits.slice(count)];
  return { source, sizes, digits: learned, unseen, shown: shown.indices, net, start: scaled(net), amount, wrong };
}

/** The same draws as a start that learns: weights by the root of their number, no biases. */
function scaled(net: Net): Net {
  const start = netOn(net.vector.slice(), net.sizes);
  start.w.forEach((w, l) => w.forEach((p, i) => (w[i] = p / Math.sqrt(net.sizes[l]))));
  start.b.forEach((b) => b.fill(0));
  return start;
}

function unpacked(packed: Uint8Array | Float32Array, start: number, n: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => {
    const at = start + i;
    const byte = packed[at >> 1];
    return (at % 2 ? byte & 15 : byte >> 4) / 15;
  });
}

async function read({ dtype, length, deflate, raw }: Blob64): Promise<Uint8Array | Float32Array> {
  const { buffer } = deflate === undefined ? decoded(raw!) : await inflated(decoded(deflate));
  return new (dtype === "uint8" ? Uint8Array : Float32Array)(buffer, 0, length);
}

function decoded(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

async function inflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
