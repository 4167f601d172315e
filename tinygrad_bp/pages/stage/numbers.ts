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

/** With two digits that count, however small it is. */
export function precise(x: number): string {
  return x
    .toPrecision(2)
    .replace("-", "−")
    .replace(/^(−?)0\./, "$1.");
}
