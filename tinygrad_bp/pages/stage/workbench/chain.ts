// The lesson's chain of three neurons, one in each layer, and its small network of 3, 3 and 2.

import { copyOf, cost, forward, gaps, netOn, slope, sums, tail } from "../engine";

// Drawn with NumPy's RandomState(6) and RandomState(9), biases first.
export const CHAIN = netOn(
  Float64Array.of(
    ...[-0.899091796547139, -0.3117836734875166, -2.486780651627865],
    ...[0.7290039236125041, 0.9132515212358882, 0.217820788076002],
  ),
  [1, 1, 1, 1],
);
export const SMALL = netOn(
  Float64Array.of(
    ...[-0.4811353628769039, -1.517331178795672, -0.49087198122174647],
    ...[-0.24068057850267277, -0.6479474602216037, 0.6358910802468317],
    ...[1.7401173052851766, 0.2966822177114033, 0.7075036618518883],
    ...[0.0011085547122109732, -0.2895440692501988, -1.1160663030644142],
    ...[1.8228157631182367, 0.4307690294988926, 1.542729625488087],
    ...[-0.9007211714166887, -0.13712501037800534, 1.29757901208005],
    ...[-0.012882756745794295, -0.3783614642079181],
  ),
  [3, 3, 2],
);
export const FED = 0.5; // what the chain is fed; it wants 1
export const VARIABLES = ["w3", "b3", "a2", "w2", "w1"] as const;
export type Variable = (typeof VARIABLES)[number];

/** A variable on the way to the cost, and its slope in the one before it. */
export interface Link {
  name: string;
  value: number;
  slope: number;
}

/** What a variable and its sender are in the lesson. */
export function lessons(variable: Variable): { value: number; sender: number } {
  const [kind, l] = parts(variable);
  const pass = forward(CHAIN, [FED]);
  return { value: kind === "a" ? pass[l][0] : CHAIN[kind][l - 1][0], sender: pass[l - 1][0] };
}

/** All that follows from a variable of the chain, to the cost. */
export function links(variable: Variable, value: number, sender: number): Link[] {
  const [kind, l] = parts(variable);
  const from = kind === "a" ? l : l - 1;
  const net = copyOf(tail(CHAIN, from));
  if (kind !== "a") net[kind][0][0] = value;
  const pass = forward(net, [kind === "a" ? value : sender]);
  const first = { w: sender, b: 1, a: net.w[0][0] }[kind];
  const found = net.w.flatMap((w, i): Link[] => {
    const a = pass[i + 1][0];
    const z = sums(w, net.b[i], pass[i])[0];
    return [
      { name: `z${from + i + 1}`, value: z, slope: i ? w[0] : first },
      { name: `a${from + i + 1}`, value: a, slope: slope(a) },
    ];
  });
  const last = { name: "C", value: cost(pass, 0), slope: -2 * gaps(pass, 0)[0] };
  return [{ name: variable, value, slope: 1 }, ...found, last];
}

function parts(variable: Variable): ["w" | "b" | "a", number] {
  return [variable[0] as "w" | "b" | "a", Number(variable[1])];
}

/** Layers are counted by small raised numbers, which are no powers. */
export function raised(name: string): string {
  return name.replace(/\d/, (d) => "⁰¹²³"[Number(d)]);
}
