// Numbers as the stage writes them: two decimals without a leading zero, and a true minus.

export function short(x: number): string {
  const size = Math.abs(x);
  const text = size >= 0.995 ? size.toFixed(1) : size.toFixed(2).slice(1);
  return `${x < 0 && Number(text) !== 0 ? "−" : ""}${text}`;
}

/** With its sign, whichever it is. */
export function signed(x: number): string {
  const text = short(x);
  return text.startsWith("−") ? text : `+${text}`;
}

export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

export function whole(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** A slope to seven decimals, small ones by their power of ten. */
export function slopeText(x: number): string {
  if (x === 0) return "0";
  const text = Math.abs(x) < 1e-4 ? x.toExponential(3) : x.toFixed(7);
  return text.replaceAll("-", "−");
}
