// A step that only one example wants: what it does for that example, and for all the others.

import { fill, make, paragraph, table } from "../dom.js";
import { gradient, network, passes } from "../net.js";
import { change, count, number, percent } from "../numbers.js";
import { mean } from "../steps/averages.js";
import { stepped } from "../steps/descent.js";
import { significant } from "../steps/significant.js";
import { formula, term } from "../words.js";

const known = { key: "", after: null };

export const aside = {
  id: "single",
  title: "The step of one example",
  covers: ["S15", "S16", "S37"],

  render(content, ctx) {
    this.words = make("div", { class: "statements" });
    this.classes = make("div", { class: "part" });
    this.rest = make("p", {});
    fill(
      content,
      paragraph(
        "What would happen if the network took the step that this one picture wants, with the " +
          "learning rate above? The network is the one chosen at the top.",
      ),
      this.words,
      this.classes,
      this.rest,
    );
  },

  update(ctx) {
    const after = afterwards(ctx);
    fill(this.words, statement(ctx, after));
    fill(this.classes, table(byClass(ctx, after)));
    this.rest.textContent = rest(ctx, after);
  },
};

// All digits, once the step is taken.
function afterwards(ctx) {
  const { network: net, example, state } = ctx;
  const key = `${net.id} ${example.index} ${state.lr}`;
  if (known.key !== key) {
    const slopes = gradient(net, ctx.pass, ctx.pass.delta);
    const there = network(net.sizes, stepped(net.parameters, slopes, state.lr));
    Object.assign(known, { key, after: passes(there, ctx.data.digits) });
  }
  return known.after;
}

function statement(ctx, after) {
  const before = term("C", "C before", ctx.pass.cost, null, 4);
  const there = term("C", "C after", after[ctx.example.index].cost, null, 4);
  const fall = { ...term("d", "change of C", there.value - before.value, null, 4), signed: true };
  return formula(ctx, {
    words: [
      `One step with lr ${significant(ctx.state.lr, 2)} takes the cost of example ` +
        `${ctx.example.index} from `,
      before,
      " to ",
      there,
      ": a change of ",
      fall,
      ".",
    ],
    parts: [there, " − ", before],
    result: fall,
  });
}

function byClass(ctx, after) {
  const before = ctx.all();
  const of = (label) => (_, i) => before[i].label === label;
  const cost = (all, label) => mean(all.filter(of(label)).map((one) => one.cost));
  const labels = [...new Set(before.map(({ label }) => label))].sort((a, b) => a - b);
  return {
    caption: "The mean cost of each digit's examples",
    heads: ["digit", "examples", "before", "after", "change"],
    rows: labels.map((label) => [
      String(label),
      count(before.filter(of(label)).length),
      number(cost(before, label), 4),
      number(cost(after, label), 4),
      change(cost(after, label) - cost(before, label), 4),
    ]),
    classes: labels.map((label) => (label === ctx.label ? "first" : "")),
  };
}

function rest(ctx, after) {
  const others = [...ctx.all().keys()].filter((i) => after[i].label !== ctx.label);
  const gained = others.filter((i) => after[i].cost < ctx.all()[i].cost).length;
  return (
    `Of the ${count(others.length)} digits that are no ${ctx.label}, this step lowers the cost ` +
    `of ${percent(gained / others.length)}. Try the other networks at the top: before training ` +
    "most examples want the same, afterwards they do not."
  );
}
