// How numbers, shapes and places are written. Four digits by default, all of them on request.

export type Entry = number | string | boolean;
export type Sign = "plus" | "minus" | "";

const SHOWN = 4;
const [TINY, LONG] = [1e-4, 1e6]; // numbers beyond get an exponent

/** Whether all digits of every number are wanted: views that write numbers follow it. */
export const digits = $state({ all: false });

/** As Python writes it: True for true, exponents of two digits; U+2212 is as wide as digits are. */
export function full(x: Entry): string {
  if (typeof x === "boolean") return x ? "True" : "False";
  return String(x)
    .replace(/e([+-])(\d)$/, "e$10$2")
    .replaceAll("-", "−");
}

export function short(x: Entry, shown = SHOWN): string {
  return digits.all ? full(x) : brief(x, shown);
}

/** For where there is no room for more, whatever the reader asked for. */
export function brief(x: Entry, shown = SHOWN): string {
  if (typeof x !== "number" || x === 0) return full(x);
  const [size, rounded] = [Math.abs(x), Number(x.toPrecision(shown))];
  if (size >= LONG || size < TINY) return full(rounded.toExponential());
  return full(Number.isInteger(x) ? x : rounded);
}

export function signed(x: Entry, shown?: number): string {
  return typeof x === "number" && x > 0 ? `+${short(x, shown)}` : short(x, shown);
}

/** The class that gives a number the colour of its sign. */
export function sign(x: unknown): Sign {
  return typeof x !== "number" || x === 0 ? "" : x > 0 ? "plus" : "minus";
}

export function shapeText(shape: number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

export function indexText(index: number[]): string {
  return index.length ? `[${index.join(", ")}]` : "";
}

/** Formulas are typed as Python; a minus before a number reads better as one. */
export function typeset(text: string): string {
  return text.replace(/(^|[\s(*/+,=[])-(?=[\d.])/g, "$1−");
}

export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
