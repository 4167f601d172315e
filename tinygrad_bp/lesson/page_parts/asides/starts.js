// Networks whose weights and biases are random: each reads the digits in its own way.

import { fill, make, paragraph, slider, table } from "../dom.js";
import { bar } from "../marks.js";
import { forward, network, predict } from "../net.js";
import { count, number, percent } from "../numbers.js";
import { whole } from "../state.js";
import { normals, seeded } from "../steps/random.js";

const STARTS = 50;
const known = new Map(); // what was found out about a start, so that going back costs nothing

export const aside = {
  id: "starts",
  title: "Other random starts",
  covers: ["G2"],
  fields: { start: whole(1, 1, STARTS) },

  render(content, ctx) {
    this.pick = slider("Start", { min: 1, max: STARTS, step: 1 }, (start) => ctx.set({ start }));
    this.verdict = make("p", {});
    this.outputs = make("div", { class: "part" });
    const intro = paragraph(
      `Before training, each of the ${count(ctx.network.parameters.length)} weights and biases ` +
        "is drawn at random: about 0 on average, and seldom far beyond 1. Other draws, other " +
        "networks. None of these has learnt anything.",
    );
    fill(content, intro, this.pick, this.verdict, this.outputs);
  },

  update(ctx) {
    const { start } = ctx.state;
    if (!known.has(start)) known.set(start, begun(ctx, start));
    const found = known.get(start);
    const outputs = forward(found.net, ctx.example.image).a.at(-1);
    this.pick.show(start, String(start));
    fill(this.verdict, verdict(ctx, found, outputs));
    fill(this.outputs, tableOf(ctx, found, outputs));
  },
};

// A network, how often it gives each answer, and how often it is right.
function begun({ data, network: { parameters } }, start) {
  const net = network(data.sizes, normals(parameters.length, seeded(start)));
  const answers = data.digits.map(({ image }) => predict(forward(net, image).a.at(-1)));
  const given = Array(data.sizes.at(-1)).fill(0);
  for (const answer of answers) given[answer] += 1;
  const right = answers.filter((answer, i) => answer === data.digits[i].label).length;
  return { net, given, right };
}

function verdict({ state, label, data }, { given, right }, outputs) {
  const all = data.digits.length;
  const said = predict(outputs);
  return [
    `Start ${state.start} says ${said}`,
    said === label ? ", which is right, by luck. " : ` for this ${label}. `,
    `Of the ${count(all)} digits on this page it reads `,
    number(right, 0),
    ` correctly, ${percent(right / all)}; who guesses is right on about ` +
      `${percent(1 / outputs.length, 0)}. It calls ${count(Math.max(...given))} of them ` +
      `a ${predict(given)}.`,
  ];
}

function tableOf({ label, data }, { given }, outputs) {
  const said = predict(outputs);
  const most = Math.max(...given);
  return table({
    caption: `What it says of this ${label}, and how often it gives each answer`,
    heads: ["output", "activation", "", `of ${count(data.digits.length)} digits`, ""],
    rows: Array.from(outputs, (a, j) => [
      String(j),
      number(a),
      bar(a, 1),
      number(given[j], 0),
      bar(given[j], most),
    ]),
    classes: Array.from(outputs, (_, j) => (j === said ? "first" : "")),
  });
}
