// A chain of single neurons: its values, the slope of each by the one before it, and what a nudge
// of the last weight really does.

import { sigmoid } from "../net.js";
import { superscript } from "../numbers.js";

// Values by name, "w1" to "a3", "y" and "C"; `held` says that a2 was set by hand, not computed.
export function situation({ data, state }) {
  const { w, b, input, target } = data.chain;
  const here = { held: state.sent !== null, a0: input, y: state.aim ?? target };
  for (const [i, weight] of w.entries()) {
    const l = i + 1;
    here[`w${l}`] = weight + (l === w.length ? state.chainBy : 0);
    here[`b${l}`] = b[i];
    here[`z${l}`] = here[`w${l}`] * here[`a${i}`] + b[i];
    here[`a${l}`] = sigmoid(here[`z${l}`]);
    if (l === w.length - 1 && here.held) here[`a${l}`] = state.sent;
  }
  here.C = (here.a3 - here.y) ** 2;
  return here;
}

// From a variable to the cost: ["w3", "z3", "a3", "C"].
export function wayFrom(name) {
  const way = [name];
  const layer = Number(name[1]);
  if (name[0] !== "a") way.push(`z${layer}`, `a${layer}`);
  for (let l = layer + 1; l <= 3; l++) way.push(`z${l}`, `a${l}`);
  return [...way, "C"];
}

// The slopes along that way, the variable's own first: {name, symbol, value, says}.
export function factorsOf(here, variable) {
  const way = wayFrom(variable);
  return way.slice(1).map((above, i) => local(here, above, way[i]));
}

function local(here, above, below) {
  const l = Number(above[1]);
  const name = `∂${symbol(above)}/∂${symbol(below)}`;
  if (above === "C") {
    const of = `2(${symbol("a3")} − y)`;
    return { name, symbol: of, value: 2 * (here.a3 - here.y), says: "twice the gap" };
  }
  if (above[0] === "a") {
    if (l === 2 && here.held) return { name, symbol: "0", value: 0, says: "held by hand" };
    const value = here[above] * (1 - here[above]);
    return { name, symbol: `σ′(${symbol(below)})`, value, says: "slope of σ there" };
  }
  return { name, ...ofSum(here, l, below[0]) };
}

function ofSum(here, l, kind) {
  if (kind === "b") return { symbol: "1", value: 1, says: "a bias is simply added" };
  const other = kind === "w" ? `a${l - 1}` : `w${l}`;
  const says = kind === "w" ? "sender's brightness" : "the weight between them";
  return { symbol: symbol(other), value: here[other], says };
}

export function slopeOf(here, variable) {
  return factorsOf(here, variable).reduce((product, { value }) => product * value, 1);
}

export function symbol(name) {
  return name.length === 1 ? name : name[0] + superscript(Number(name[1]));
}

// What a nudge of the last weight does: [Δw, Δz, Δa, ΔC].
export function rippled(here, nudge) {
  const z = (here.w3 + nudge) * here.a2 + here.b3;
  const a = sigmoid(z);
  const C = (a - here.y) ** 2;
  return [nudge, z - here.z3, a - here.a3, C - here.C];
}
