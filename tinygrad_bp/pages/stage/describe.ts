// What a mark shows, in one short sentence with its numbers.

import { gaps, nameOf, placeOf, received, wish } from "./engine";
import type { Frame, Mark } from "./frame";
import { precise } from "./numbers";
import { readingOn } from "./parts/network";
import type { Reading, Session } from "./session";
import type { Scene } from "./scene";

type Facts = Frame["facts"];
type Teller = (reading: Reading, at: number[], facts: Facts) => string | undefined;

/** Two decimals, and more where they would hide what matters. */
export function told(x: number): string {
  const size = Math.abs(x);
  const plain = size >= 0.1 && !(size > 0.95 && size < 1);
  const text = plain ? size.toFixed(2).replace(/^0/, "") : precise(size, 3);
  return x < 0 ? `−${text}` : text;
}

const withSign = (x: number) => (x < 0 ? told(x) : `+${told(x)}`);
const neuron = (layer: number, k: number) => (layer === 3 ? `output ${k}` : `neuron ${k} of layer ${layer}`);
const upper = (text: string) => text[0].toUpperCase() + text.slice(1);

/** Whose numbers are on the stage: the frame's own network, or that of scenes 1 to 9. */
export function readingOf(frame: Frame, session: Session): Reading {
  return readingOn.get(frame) ?? session.now;
}

/** Its gap is that of the pass: scene 5 moves an output, and all else stays. */
const output: Teller = ({ pass, label }, [j]) =>
  `Output ${j} is ${told(pass[3][j])} and should be ${j === label ? 1 : 0}; ` +
  `its wish is ${withSign(wish(gaps(pass, label)[j]))}.`;

function hidden(layer: 1 | 2): Teller {
  return ({ net, pass }, [k]) =>
    `${upper(neuron(layer, k))} is at ${told(pass[layer][k])}; its bias is ${told(net.b[layer - 1][k])}.`;
}

function weight(layer: 2 | 3): Teller {
  return ({ net: { sizes, vector } }, [j, k]) => {
    const index = placeOf(sizes, layer, j, k);
    const ends = `from ${neuron(layer - 1, k)} to ${neuron(layer, j)}`;
    return `Weight ${nameOf(sizes, index)} = ${told(vector[index])}, ${ends}.`;
  };
}

const TELLERS: Record<string, Teller> = {
  a3: output,
  level: output,
  gap: output,
  a2: hidden(2),
  a1: hidden(1),
  w3: weight(3),
  w2: weight(2),
  wish: ({ asked, net }, [j, k]) => {
    const wished = asked[j]?.[k];
    if (wished === undefined) return undefined;
    return `Output ${j} wishes ${withSign(wished)} of neuron ${k}, along a weight of ${told(net.w[2][j * net.sizes[2] + k])}.`;
  },
  wish2: ({ net, deltas }, [k], { sums, wishes }) => {
    const asked = (sums ?? wishes) as readonly number[] | undefined;
    const all = asked?.[k] ?? -received(net, 2, deltas[2])[k];
    return `${sums ? "All together wish" : "The wish is"} ${withSign(all)} of neuron ${k} of layer 2.`;
  },
  own: ({ asked, label }, [k]) => `The ${label} alone had wished ${withSign(asked[label][k])} of neuron ${k}.`,
  pixel: ({ digit }, [i]) =>
    `The pixel in row ${Math.floor(i / 28)}, column ${i % 28} is ${told(digit.pixels[i])} bright.`,
  picture: ({ digit, label }) =>
    `The picture of a ${label}: ${digit.pixels.filter((p) => p > 0).length} of its 784 pixels are lit.`,
};

/** A mark that only its scene knows: "square.3" is the fourth of its frame's "squares". */
function fact(kind: string, at: number[], facts: Facts): string | undefined {
  const value = facts[kind] ?? facts[`${kind}s`];
  const found = Array.isArray(value) ? (value as number[])[at[0]] : at.length ? undefined : value;
  if (typeof found !== "number") return undefined;
  return `${upper(kind)}${at.length ? ` ${at[0]}` : ""} is ${told(found)}.`;
}

/** The sentence about the mark with this id; none if there is nothing to say. */
export function describe(id: string, scene: Scene, session: Session, frame: Frame): string | undefined {
  const [kind, ...rest] = id.split(".");
  const at = rest.map(Number);
  return (
    scene.describe?.(id, session, frame) ??
    TELLERS[kind]?.(readingOf(frame, session), at, frame.facts) ??
    fact(kind, at, frame.facts)
  );
}

/** The weights into a neuron of layer 1, as a picture: from -1 to 1. */
export function weightsInto(id: string, { net }: Reading): Float64Array | undefined {
  const [kind, j] = id.split(".");
  if (kind !== "a1") return undefined;
  const n = net.sizes[0];
  const row = net.w[0].subarray(Number(j) * n, (Number(j) + 1) * n);
  const most = row.reduce((m, w) => Math.max(m, Math.abs(w)), 0) || 1;
  return row.map((w) => w / most);
}

/** The place of a parameter that a mark shows: a weight, or a neuron's bias. */
export function parameterOf(id: string, sizes: readonly number[]): number | undefined {
  const found = /^(?:([aw])(\d)|wish)\.(\d+)(?:\.(\d+))?$/.exec(id);
  if (!found) return undefined;
  const [, kind = "w", layer = 3, j, k] = found;
  return placeOf(sizes, Number(layer), Number(j), kind === "w" ? Number(k) : undefined);
}

/** What is read first; what is not named stands between. */
const ORDER = ["gap", "level", "a3", "wish2", "own", "wish", "", "a2", "a1", "picture", "w3", "w2"];

export interface Told {
  id: string;
  kind: string;
  mark: Mark;
  text: string;
}

/** All marks that have a sentence, each sentence once, those that matter most first. */
export function allTold(scene: Scene, session: Session, frame: Frame): Told[] {
  const found = new Map<string, Told>();
  for (const mark of frame.marks) {
    if (!mark.id || mark.alpha < 0.02) continue;
    const text = describe(mark.id, scene, session, frame);
    if (text) found.set(text, { id: mark.id, kind: mark.id.split(".")[0], mark, text });
  }
  const rank = ({ kind }: Told) => ORDER.indexOf(ORDER.includes(kind) ? kind : "");
  return [...found.values()].sort((a, b) => rank(a) - rank(b));
}
