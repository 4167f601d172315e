// A frame: what is to be painted, as plain data. Scenes make frames, the painter paints them, and
// tests read them.

/** Colours by what they mean: `painter` knows the two palettes. */
export type Ink =
  "ground" | "ink" | "mute" | "hair" | "idle" | "plus" | "minus" | "glass" | "light" | "ring" | "ray"
  | "gauge" | "empty" | "spent"; // prettier-ignore

interface Common {
  /** What it shows, such as "a3.2" or "w3.2.5": `describe` says it in words. */
  id?: string;
  /** How much of it is there, from 0 to 1. */
  alpha: number;
}

export interface Line extends Common {
  kind: "line";
  from: readonly [number, number];
  to: readonly [number, number];
  width: number;
  ink: Ink;
  round?: boolean;
  dash?: readonly number[];
}

/** A neuron: a bead of dark glass, lit from inside. */
export interface Bead extends Common {
  kind: "bead";
  at: readonly [number, number];
  radius: number;
  lit: number;
}

/** A picture of pixels, of which the first rows may be shown. */
export interface Picture extends Common {
  kind: "picture";
  at: readonly [number, number];
  size: number;
  pixels: ArrayLike<number>;
  rows: number;
  /** `signed` shows blue and orange for more and less; `plain` has no frame. */
  look?: "glass" | "plain" | "signed";
  /** How lit a plain picture's ground is, from 0 to 1. */
  lit?: number;
}

export interface Bar extends Common {
  kind: "bar";
  rect: readonly number[];
  ink: Ink;
  /** An outline alone, in pixels. */
  outline?: number;
  dash?: readonly number[];
  radius?: number;
}

export interface Arrow extends Common {
  kind: "arrow";
  from: readonly [number, number];
  to: readonly [number, number];
  width: number;
  head: number;
  ink: Ink;
}

export interface Text extends Common {
  kind: "text";
  at: readonly [number, number];
  text: string;
  size: number;
  ink: Ink;
  align?: "left" | "center" | "right";
  weight?: 400 | 500 | 600;
  face?: "sans" | "serif";
}

/** A line through points, and the area under it down to `floor`. */
export interface Path extends Common {
  kind: "path";
  points: readonly (readonly [number, number])[];
  width: number;
  ink: Ink;
  dash?: readonly number[];
  floor?: number;
  fill?: Ink;
}

export type Mark = Line | Bead | Picture | Bar | Arrow | Text | Path;

/** The numbers that a frame shows, by name: what the table twin and tests read. */
export type Facts = Record<string, number | readonly number[]>;

export interface Frame {
  marks: Mark[];
  facts: Facts;
  /** Which of the marks are the network's, from and to: the next scene draws that itself. */
  network: readonly [number, number];
}

export function empty(): Frame {
  return { marks: [], facts: {}, network: [0, 0] };
}

/** Blue for more, orange for less. */
export function inkOf(by: number): Ink {
  return by >= 0 ? "plus" : "minus";
}
