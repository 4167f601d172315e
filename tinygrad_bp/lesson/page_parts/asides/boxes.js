// The same arithmetic seen two ways: a function of the pixels, and one of the weights and biases.

import { fill, make, paragraph } from "../dom.js";
import { digitCanvas } from "../marks.js";
import { count, number } from "../numbers.js";

const SAMPLES = 6; // pictures drawn for all of them

export const aside = {
  id: "boxes",
  title: "What goes in, and what is held still",
  covers: ["G3"],

  render(content, ctx) {
    this.seen = null;
    this.network = make("figure", { class: "machine" });
    this.cost = make("figure", { class: "machine" });
    this.news = make("p", { role: "status" });
    const { digits, networks } = ctx.data;
    const next = (list, at) => (at + 1) % list.length;
    const picture = () => ctx.set({ example: next(digits, ctx.example.index) });
    const network = () => ctx.set({ network: next(networks, ctx.network.id) });
    fill(
      content,
      paragraph(
        "The same sums can be read two ways. What goes in from the left varies; what comes from " +
          "above is held still.",
      ),
      this.network,
      this.cost,
      make(
        "div",
        { class: "row" },
        make("button", { type: "button", onclick: picture }, "Another picture"),
        make("button", { type: "button", onclick: network }, "Another network"),
      ),
      this.news,
      paragraph(
        "Reading a digit is the first box: other pictures, the same weights. Learning is the " +
          "second: the same pictures, other weights.",
      ),
    );
  },

  update(ctx) {
    const seen = { example: ctx.example, outputs: ctx.pass.a[3], ...costOfAll(ctx) };
    fill(this.network, networkBox(ctx, seen));
    fill(this.cost, costBox(ctx, seen));
    fill(this.news, this.seen ? news(this.seen, seen) : "");
    this.seen = seen;
  },
};

function costOfAll(ctx) {
  const all = ctx.all();
  return { network: ctx.network, cost: all.reduce((sum, { cost }) => sum + cost, 0) / all.length };
}

function networkBox({ data, example, network }, { outputs }) {
  return box({
    name: "The network",
    input: [`${count(example.image.length)} pixels`, digitCanvas(example, { "aria-hidden": true })],
    held: [`${count(network.parameters.length)} weights and biases: ${network.name}`],
    output: [
      `${count(data.sizes.at(-1))} numbers`,
      make(
        "span",
        { class: "ten" },
        Array.from(outputs, (a) => make("span", {}, a.toFixed(2))),
      ),
    ],
  });
}

function costBox({ data, network }, { cost }) {
  return box({
    name: "The cost",
    input: [`${count(network.parameters.length)} weights and biases: ${network.name}`],
    held: [
      `${count(data.digits.length)} digits and what they are`,
      make(
        "span",
        { class: "samples" },
        data.digits.slice(0, SAMPLES).map((digit) => digitCanvas(digit, { "aria-hidden": true })),
        " …",
      ),
    ],
    output: ["one number", number(cost, 4)],
  });
}

// In reading order: what goes in, what is held, the box, what comes out.
function box({ name, input, held, output }) {
  const part = (kind, title, content) =>
    make(
      "div",
      { class: kind },
      make("span", { class: "note" }, title),
      content.map((one) => make("div", {}, one)),
    );
  const arrow = (kind, sign) => make("span", { class: `flow ${kind}`, "aria-hidden": true }, sign);
  return [
    part("in", "goes in", input),
    part("held", "held still", held),
    arrow("from-left", "→"),
    arrow("from-above", "↓"),
    make("div", { class: "box" }, name),
    arrow("to-right", "→"),
    part("out", "comes out", output),
  ];
}

// What the last change of picture or network did to either box.
function news(before, now) {
  if (before.example === now.example && before.network === now.network) return "";
  const changed = now.outputs.filter((a, j) => a !== before.outputs[j]).length;
  const what = before.network === now.network ? "Another picture" : "Another network";
  const cost =
    before.cost === now.cost
      ? ["the cost of the network is the same."]
      : ["the cost goes from ", number(before.cost, 4), " to ", number(now.cost, 4), "."];
  return [`${what}: ${count(changed)} of the ${count(now.outputs.length)} outputs change; `, cost];
}
