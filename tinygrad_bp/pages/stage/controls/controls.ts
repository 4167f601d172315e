// The controls that are keys or sliders, by the names that the story gives them.

import { nameOf } from "../engine";
import { short, whole } from "../numbers";
import { pair } from "../parts/knobs";
import { avenues } from "../scenes/three-ways";
import type { Choices, Session } from "../session";

/** Takes new choices; then the scene plays from the moment that shows what they change. */
export type Choose = (choices: Partial<Choices>) => void;

/** What a control that is neither keys nor sliders is given. */
export interface ControlProps {
  session: Session;
  choose: Choose;
}

/** Keys, together if they have a label. */
export interface Group {
  label?: string;
  /** Whether a key is down, if it stays down at all, and what it chooses. */
  keys: { text: string | number; on?: boolean; chosen: Partial<Choices> }[];
  /** What the number that is chosen counts. */
  unit?: string;
}

/** Sliders, together if they have a label. */
export interface Row {
  label?: string;
  sliders: Slider[];
}

export interface Slider {
  name: string;
  value: number;
  /** The value in words. */
  text: string;
  range: { min: number; max: number; step: number };
  chosen: (value: number) => Partial<Choices>;
}

const DIGITS = Array.from({ length: 10 }, (_, j) => j);

function sizes(label: string, name: "batch" | "deal", counts: number[], what: string) {
  return ({ choices }: Session): Group => ({
    label,
    keys: counts.map((n) => ({ text: whole(n), on: n === choices[name], chosen: { [name]: n } })),
    unit: `${choices[name] === 1 ? "digit" : "digits"} a ${what}`,
  });
}

export const KEYS: Record<string, (session: Session) => Group> = {
  digit: ({ data, choices }) => ({
    keys: [{ text: "Another digit", chosen: { digit: (choices.digit + 1) % data.shown.length, voter: -1 } }],
  }),
  sort: ({ choices: { sorted } }) => ({
    keys: [{ text: "Sorted by brightness", on: sorted, chosen: { sorted: !sorted } }],
  }),
  step: () => ({ keys: [{ text: "Take a step", chosen: {} }] }),
  voter: ({ voter }) => ({
    label: "Whose wishes",
    keys: DIGITS.map((j) => ({ text: j, on: j === voter, chosen: { voter: j } })),
  }),
  voters: ({ choices: { voters } }) => ({
    label: "Voters that are heard",
    keys: voters.map((on, j) => ({ text: j, on, chosen: { voters: voters.with(j, !on) } })),
  }),
  columns: ({ data: { digits, shown }, choices: { columns } }) => ({
    label: "Digits that are averaged",
    keys: shown.map((at, i) => ({
      text: digits[at].label,
      on: columns[i],
      chosen: { columns: columns.with(i, !columns[i]) },
    })),
  }),
  deal: sizes("Digits in a mini-batch", "deal", [1, 10, 100, 1000], "batch"),
  batch: sizes("Digits a step", "batch", [1, 10, 100], "step"),
};

export const SLIDERS: Record<string, (session: Session) => Row> = {
  amount({ data, choices }) {
    const { digits } = data.amount;
    const value = Math.min(choices.amount, digits.length - 1);
    const text = `${whole(digits[value])} labelled digits`;
    const range = { min: 0, max: digits.length - 1, step: 1 };
    return { sliders: [{ name: text, value, text, range, chosen: (amount) => ({ amount }) }] };
  },
  avenues(session) {
    const amounts = avenues(session);
    const sliders = ["bias", "weights", "activations"].map((name, i) => {
      const chosen = (by: number) => ({ avenues: amounts.with(i, by) as Choices["avenues"] });
      return { name, value: amounts[i], text: short(amounts[i]), range: eitherWay(0.02), chosen };
    });
    return { sliders };
  },
  knobs(session) {
    const { large, small } = pair(session);
    const { knobs } = session.choices;
    const sliders = [large, small].map((knob, i) => {
      const chosen = (by: number) => ({ knobs: knobs.with(i, by) as Choices["knobs"] });
      const name = nameOf(session.data.sizes, knob);
      return { name, value: knobs[i], text: `${knobs[i]} wiggles`, range: eitherWay(0.05), chosen };
    });
    return { label: "How far two weights are turned, in wiggles", sliders };
  },
};

function eitherWay(step: number): Slider["range"] {
  return { min: -1, max: 1, step };
}
