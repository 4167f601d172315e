// Data as a page carries it, made up: seeded networks, and digits that are blobs.

import { count, netOn } from "../stage/engine";
import { seeded } from "../stage/random";
import type { Box } from "../stage/layout";
import { Session, type Choices, type Data, type Digit } from "../stage/session";

const SIZES = [784, 16, 16, 10];

export const BOXES: Record<string, Box> = {
  laptop: { width: 1018, height: 704, up: false },
  phone: { width: 390, height: 592, up: true },
  desktop: { width: 1520, height: 1016, up: false },
};

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function digit(index: number, label: number): Digit {
  const random = seeded(index + 1);
  const [x, y] = [8 + label + 2 * random(), 18 - label + 2 * random()];
  const pixels = Float64Array.from({ length: 784 }, (_, i) => {
    const near = Math.hypot((i % 28) - x, Math.floor(i / 28) - y);
    return near < 6 ? Math.round(15 * Math.max(0, 1 - near / 6)) / 15 : 0;
  });
  return { index, label, pixels };
}

export function data(learned = 60, unseen = 30): Data {
  const random = seeded(1);
  const vector = Float64Array.from({ length: count(SIZES) }, () => normal(random));
  const net = netOn(vector, SIZES);
  const start = netOn(vector.slice(), SIZES);
  start.w.forEach((w, l) => w.forEach((p, i) => (w[i] = p / Math.sqrt(SIZES[l]))));
  start.b.forEach((b) => b.fill(0));
  const all = Array.from({ length: learned + unseen }, (_, i) => digit(i, (7 * i + 2) % 10));
  return {
    source: { kind: "drawn", text: "made up" },
    sizes: SIZES,
    digits: all.slice(0, learned),
    unseen: all.slice(learned),
    shown: [0, 1, 2, 3, 4, 5, 6, 7],
    net,
    start,
    amount: { digits: [100, 1000, 10000, 60000], accuracy: [0.68, 0.87, 0.93, 0.95] },
    wrong: { share: 0.3, accuracy: [0.45, 0.66, 0.9, 0.94] },
  };
}

export function session(choices: Partial<Choices> = {}): Session {
  return new Session(data()).choosing(choices);
}
