// Most effect for the same turn: the parameters with the largest slopes, and what they alone do.

import { choice, fill, make, paragraph, table } from "../dom.js";
import { bar } from "../marks.js";
import { costOf, forward, nameOf, network } from "../net.js";
import { change, count, number, percent, signed } from "../numbers.js";
import { oneOf } from "../state.js";
import { bySize, fullGradient } from "../steps/slopes.js";
import { formula, term } from "../words.js";

const LISTED = 10;
const RATE = 0.01; // small, so that slopes foretell what happens
const SOME = ["1", "10", "100", "1000", "all"];

export const aside = {
  id: "knobs",
  title: "The ten best knobs of all",
  covers: ["S25"],
  fields: { knobs: oneOf("10", ...SOME) },

  render(panel, ctx) {
    const all = ctx.network.parameters.length;
    this.listing = make("div", { class: "part" });
    this.some = choice(
      "How many knobs",
      SOME.map((name) => [name, name === "all" ? count(all) : count(Number(name))]),
      (knobs) => ctx.set({ knobs }),
    );
    this.effect = make("div", {});
    this.truly = make("p", {});
    fill(
      panel,
      paragraph(
        `Of all ${count(all)} weights and biases, these move the cost of this picture most when ` +
          "turned a little. A small step against the gradient lowers the cost by lr times the " +
          "sum of all squared gradients; the share of a knob is that of its square. Press a name " +
          "to check its gradient.",
      ),
      this.listing,
      make("div", { class: "controls-row" }, make("span", {}, "Turn only the best"), this.some),
      this.effect,
      this.truly,
    );
  },

  update(ctx) {
    const slopes = fullGradient(ctx);
    const order = bySize(ctx);
    this.some.show(ctx.state.knobs);
    fill(this.listing, listing(ctx, slopes, order));
    const turned = order.slice(0, ctx.state.knobs === "all" ? undefined : Number(ctx.state.knobs));
    fill(this.effect, effect(ctx, squares(slopes, turned), squares(slopes, order)));
    this.truly.textContent = truly(ctx, slopes, turned);
  },
};

function squares(slopes, places) {
  return places.reduce((sum, i) => sum + slopes[i] ** 2, 0);
}

function listing(ctx, slopes, order) {
  const whole = squares(slopes, order) || 1;
  let sum = 0;
  const rows = order.slice(0, LISTED).map((i, rank) => {
    const share = slopes[i] ** 2 / whole;
    sum += share;
    return [
      String(rank + 1),
      nameButton(ctx, i),
      change(slopes[i], 4),
      number(100 * share, 2),
      number(100 * sum, 1),
      bar(sum, 1),
    ];
  });
  return table({
    caption: "The largest gradients of this picture",
    heads: ["place", "parameter", "gradient", "share, %", "so far, %", ""],
    rows,
  });
}

function nameButton(ctx, parameter) {
  return make(
    "button",
    { type: "button", onclick: () => ctx.set({ step: 10, parameter, aside: "" }) },
    nameOf(ctx.data.sizes, parameter),
  );
}

function effect(ctx, some, whole) {
  const rate = term("w", "lr", RATE, null, 2);
  const sum = term("d", "Σ(∂C/∂p)²", some, null, 4);
  const result = term("C", "fall of C", RATE * some, null, 5);
  return formula(ctx, {
    words: [
      "Turned by ",
      rate,
      " times their gradients, against them, they let the cost fall by about ",
      result,
      `: ${percent(whole === 0 ? 0 : some / whole)} of what all together do.`,
    ],
    parts: [rate, " × ", sum],
    result,
  });
}

function truly(ctx, slopes, turned) {
  const parameters = Float64Array.from(ctx.network.parameters);
  for (const i of turned) parameters[i] -= RATE * slopes[i];
  const pass = forward(network(ctx.data.sizes, parameters), ctx.example.image);
  const by = costOf(pass, ctx.label) - ctx.pass.cost;
  return `Done, and the cost computed anew: it changes by ${signed(by, 5)}.`;
}
