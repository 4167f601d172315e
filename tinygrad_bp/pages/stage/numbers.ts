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

/** With so many significant digits, however small it is. */
export function precise(x: number, digits = 4): string {
  const size = Math.abs(x);
  const sign = x < 0 ? "−" : "";
  if (size > 0 && size < 1e-5) {
    const [head, power] = size.toExponential(1).split("e-");
    return `${sign}${head}·10⁻${[...power].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]).join("")}`;
  }
  const text = size.toLocaleString("en-US", { maximumSignificantDigits: digits });
  return sign + text.replace(/^0\./, ".");
}
