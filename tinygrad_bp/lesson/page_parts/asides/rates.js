// All the walks of step 15 in one table: other mini-batches, other learning rates.

import { fill, make, paragraph, table } from "../dom.js";
import { count, number, percent } from "../numbers.js";
import { carefulWalk, presetOf, stumblings } from "../steps/walks.js";

export const aside = {
  id: "rates",
  title: "Other batches, other learning rates",
  covers: ["S36", "W17"],

  render(content, ctx) {
    this.walks = make("div", { class: "part" });
    fill(content, intro(ctx), this.walks, make("div", { class: "prose" }, remarks(ctx)));
  },

  update(ctx) {
    fill(this.walks, table(walksTable(ctx)));
  },
};

function intro({ data: { walks } }) {
  return paragraph(
    `All begin at the untrained network and take ${count(walks.stumbling.work.length - 1)} steps ` +
      `on the same ${count(walks.n)} examples. For the map above, choose a batch or a rate ` +
      "there.",
  );
}

function walksTable(ctx) {
  const all = stumblings(ctx.data).map((walk, preset) => ({ ...walk, preset }));
  const ordered = [...all].sort((a, b) => a.lr - b.lr || a.batch - b.batch);
  const row = (walk, name = count(walk.batch)) => [
    name,
    String(walk.lr),
    count(walk.work.at(-1)),
    percent(walk.uphill),
    number(walk.length, 1),
    number(walk.displacement, 1),
    number(walk.out_of_plane, 1),
    number(walk.cost.at(-1)),
  ];
  const careful = carefulWalk(ctx.data);
  return {
    caption: "Every walk to its end",
    heads: [
      "examples for each step",
      "η",
      "examples looked at",
      "uphill",
      "length of the way",
      "distance from the start",
      "farthest from the plane",
      "cost at the end",
    ],
    rows: [
      ...ordered.map((walk) => row(walk)),
      row(careful, `${count(careful.batch)}, all of them`),
    ],
    classes: [...ordered.map(({ preset }) => (preset === presetOf(ctx) ? "first" : "")), ""],
  };
}

function remarks({ data }) {
  const [first, ...others] = stumblings(data);
  const cost = (walk) => number(walk.cost.at(-1));
  const smallest = others.reduce((a, b) => (b.batch < a.batch ? b : a));
  const rated = others.filter(({ batch }) => batch === first.batch).sort((a, b) => a.lr - b.lr);
  const [slow, fast] = [rated[0], rated.at(-1)];
  const each = count(first.batch);
  return [
    paragraph(
      `With batches of ${count(smallest.batch)}, ${percent(smallest.uphill, 0)} of the steps go ` +
        `uphill, and the way is ${count(Math.round(smallest.length / smallest.displacement))} ` +
        "times as long as the distance that it covers. For what it looks at it still comes far: ",
      cost(smallest),
      ` after ${count(smallest.work.at(-1))} examples.`,
    ),
    paragraph(
      `With batches of ${each}, a learning rate of ${slow.lr} is too careful: after as many ` +
        "steps the cost is ",
      cost(slow),
      ", not ",
      cost(first),
      ` as with ${first.lr}. A rate of ${fast.lr} ends at `,
      cost(fast),
      ". A network whose ten outputs all stay dark costs exactly ",
      number(1, 0),
      ", one squared gap of one: steps that are too long throw it to where every sigmoid is " +
        "flat, and there is hardly a slope left to come back by.",
    ),
  ];
}
