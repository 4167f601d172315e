// A moment as an address: #scene=ten-voters&t=4.2&digit=3&voters=1011111111, and back.

import { initial, type Choices } from "./session";

export interface Moment {
  /** None: the first scene. */
  scene?: string;
  /** None: from the start. */
  t?: number;
  choices: Partial<Choices>;
  /** For the classroom: nothing but stage and sentence. */
  present: boolean;
}

type Reader = (text: string) => unknown;

const PIXELS = 784;
const LEVELS = 15; // of grey that a drawn pixel can have: one hexadecimal digit

function number(low: number, high: number, round = (x: number) => x) {
  return (text: string): number | undefined => {
    const x = text === "" ? NaN : Number(text);
    return Number.isFinite(x) ? round(Math.min(high, Math.max(low, x))) : undefined;
  };
}

const whole = (low: number, high: number) => number(low, high, Math.round);

function numbers(n: number, low: number, high: number): Reader {
  return (text) => {
    const found = text.split(",").map((each) => number(low, high)(each));
    return found.length === n && !found.includes(undefined) ? found : undefined;
  };
}

function flags(n: number): Reader {
  return (text) => (text.length === n && /^[01]+$/.test(text) ? Array.from(text, (c) => c === "1") : undefined);
}

function drawn(text: string): Float64Array | undefined {
  const valid = text.length === PIXELS && /^[0-9a-f]+$/.test(text);
  return valid ? Float64Array.from(text, (c) => parseInt(c, 16) / LEVELS) : undefined;
}

/** How each choice is read; what an address says beyond the limits is brought back. */
const READERS: Record<string, Reader> = {
  digit: whole(0, 7),
  voter: whole(-1, 9),
  voters: flags(10),
  columns: flags(8),
  sorted: (text) => text === "1",
  avenues: numbers(3, -10, 10),
  knobs: numbers(2, -10, 10),
  wiggle: whole(-1, 13_001),
  batch: whole(1, 1000),
  deal: whole(1, 1000),
  amount: whole(0, 50),
  drawing: drawn,
};

export function written({ scene, t = 0, choices, present }: Moment): string {
  const parts = present ? ["present"] : [];
  if (scene) parts.push(`scene=${scene}`, `t=${Number(t.toFixed(2))}`);
  const usual: Record<string, unknown> = { ...initial() };
  for (const [name, value] of Object.entries(choices)) {
    const text = textOf(value);
    if (text !== textOf(usual[name])) parts.push(`${name}=${text}`);
  }
  return `#${parts.join("&")}`;
}

function textOf(value: unknown): string {
  if (value === null) return "";
  if (value instanceof Float64Array) return Array.from(value, (p) => Math.round(p * LEVELS).toString(16)).join("");
  if (!Array.isArray(value)) return String(Number(value));
  return value.map(Number).join(typeof value[0] === "boolean" ? "" : ",");
}

/** What an address says; what it says wrongly counts as not said. */
export function read(hash: string): Moment {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  const choices = Object.entries(READERS).flatMap(([name, reader]) => {
    const value = reader(said.get(name) ?? "");
    return said.has(name) && value !== undefined ? [[name, value]] : [];
  });
  return {
    scene: said.get("scene") ?? undefined,
    t: number(0, Infinity)(said.get("t") ?? ""),
    choices: Object.fromEntries(choices) as Partial<Choices>,
    present: said.has("present"),
  };
}
