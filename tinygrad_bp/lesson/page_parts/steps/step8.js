// All ten outputs wish something of the layer before; what counts is the sum of their wishes.

import { fill, make, press, toggle } from "../dom.js";
import { arrowMark, signedBar } from "../marks.js";
import { change, signed, subscript } from "../numbers.js";
import { switches } from "../state.js";
import { formula, wish } from "../words.js";

const ALL = "1111111111";
const NONE = "0000000000";

export const step = {
  id: "ten-voters",
  number: 8,
  title: "Ten voters, one sum",
  covers: ["S28", "W12", "W13", "K16"],
  fields: { voters: switches(ALL) },

  render(panel, ctx) {
    this.sum = make("div", {});
    const set = (text, voters) => toggle(text, () => ctx.set({ voters: voters(ctx) }));
    this.presets = [
      [set("All ten", () => ALL), () => ALL],
      [set("Only one", only), only],
      [set("None", () => NONE), () => NONE],
    ];
    this.heads = Array.from({ length: 10 }, (_, j) =>
      toggle(String(j), () => ctx.set({ voters: flipped(ctx, j) })),
    );
    this.body = make("tbody", {});
    this.overruled = make("p", {});
    fill(
      panel,
      this.sum,
      make(
        "div",
        { class: "row" },
        this.presets.map(([button]) => button),
      ),
      make("div", { class: "part" }, votesTable(this.heads, this.body)),
      this.overruled,
    );
  },

  update(ctx) {
    const votes = votesOf(ctx);
    fill(this.sum, sumOf(ctx, votes));
    this.presets[1][0].textContent = `Only ${ctx.voter}`;
    for (const [button, voters] of this.presets) press(button, ctx.state.voters === voters(ctx));
    for (const [j, button] of this.heads.entries()) {
      press(button, isOn(ctx, j));
      button.setAttribute("aria-label", `voter ${j}, ${isOn(ctx, j) ? "on" : "off"}`);
    }
    fill(
      this.body,
      votes.map((row) => rowOf(ctx, row, scale(votes), largestSum(votes))),
    );
    this.overruled.textContent = overruledText(ctx, votes);
  },

  picture(ctx) {
    const votes = votesOf(ctx);
    const k = ctx.look?.[0] === 2 ? ctx.look[1] : null;
    const cast = (votesFor) =>
      votesFor.cells
        .map((value, j) => ({ layer: 3, to: j, from: k, value }))
        .filter(({ to }) => isOn(ctx, to));
    return {
      arrows: { 2: votes.map(({ sum }) => sum) },
      longest: { 2: largestSum(votes) },
      edges: k === null ? [] : cast(votes[k]),
      locked: [2],
      faint: true,
      pale: [1],
      target: ctx.label,
      ring: k === null ? [] : [[2, k]],
    };
  },

  sentence(ctx) {
    const votes = votesOf(ctx);
    const on = [...ctx.state.voters].filter((c) => c === "1").length;
    const most = votes.reduce((m, row) => (Math.abs(row.sum) > Math.abs(m.sum) ? row : m));
    if (on === 0) return "No voter is on: nothing is wished of layer 2.";
    const count = on === 1 ? "One voter" : `${on} voters together`;
    return (
      `${count} wish most of neuron ${most.k}: ${signed(most.sum)}. ` +
      `${overruled(ctx, votes).length} of 16 wishes of output ${ctx.voter} are overruled.`
    );
  },

  table(ctx) {
    return {
      caption:
        "Wishes for layer 2: a row for each neuron, a column for each output, and the sum of " +
        "those that are on",
      heads: [
        "neuron",
        ...Array.from({ length: 10 }, (_, j) => `${j}${isOn(ctx, j) ? "" : " (off)"}`),
        "sum",
      ],
      rows: votesOf(ctx).map(({ k, cells, sum }) => [
        String(k),
        ...cells.map((x) => change(x)),
        change(sum, 4),
      ]),
    };
  },
};

function isOn({ state }, j) {
  return state.voters[j] === "1";
}

function only({ voter }) {
  return NONE.slice(0, voter) + "1" + NONE.slice(voter + 1);
}

function flipped({ state }, j) {
  return (
    state.voters.slice(0, j) + (state.voters[j] === "1" ? "0" : "1") + state.voters.slice(j + 1)
  );
}

// {k, cells: ten wishes for neuron k, sum: of the voters that are on, total: of all}
function votesOf(ctx) {
  const { network, pass } = ctx;
  const n = pass.a[2].length;
  return Array.from({ length: n }, (_, k) => {
    const cells = Array.from(pass.delta[3], (d, j) => -d * network.W[3][j * n + k]);
    const sum = cells.reduce((s, x, j) => (isOn(ctx, j) ? s + x : s), 0);
    return { k, cells, sum, total: cells.reduce((s, x) => s + x, 0) };
  });
}

function scale(votes) {
  return Math.max(...votes.flatMap(({ cells }) => cells.map(Math.abs)));
}

function largestSum(votes) {
  return Math.max(...votes.flatMap(({ sum, total }) => [sum, total].map(Math.abs)));
}

// Where the sum of those that are on has the other sign than the wish of the chosen voter.
function overruled(ctx, votes) {
  return votes.filter(({ cells, sum }) => cells[ctx.voter] * sum < 0);
}

function overruledText(ctx, votes) {
  const against = overruled(ctx, votes);
  if (against.length === 0) return `Nobody overrules output ${ctx.voter}.`;
  const { k, cells, sum } = against.reduce((m, row) =>
    Math.abs(row.sum) > Math.abs(m.sum) ? row : m,
  );
  const names = against.map((row) => row.k).join(", ");
  return (
    `The sum goes against output ${ctx.voter} for neurons ${names} (marked ≠). Most of all for ` +
    `neuron ${k}: ` +
    `it wishes ${signed(cells[ctx.voter])}, the sum says ${signed(sum)}.`
  );
}

function sumOf(ctx, votes) {
  const k =
    ctx.look?.[0] === 2
      ? ctx.look[1]
      : votes.reduce((m, row) => (Math.abs(row.sum) > Math.abs(m.sum) ? row : m)).k;
  const { cells, sum } = votes[k];
  const terms = cells
    .map((x, j) =>
      wish(`−δ${subscript(j)}w${subscript(j)},${subscript(k)}`, x, { edges: [[3, j, k]] }),
    )
    .filter((_, j) => isOn(ctx, j));
  const result = wish(`wish for a${subscript(k)}`, sum, { neurons: [[2, k]] }, 4);
  return formula(ctx, {
    words: [
      `Every output has its own wishes, and they disagree. For neuron ${k}, ${terms.length} of ` +
        `${cells.length} have voted; their wishes add up to `,
      result,
      ". The sum of all ten is −∂C/∂a: the direction that helps this picture most.",
    ],
    parts: terms.length ? terms.flatMap((t, i) => (i ? [" + ", t] : [t])) : ["0"],
    result,
  });
}

function votesTable(heads, body) {
  const columns = heads.map((button) => make("th", { scope: "col" }, button));
  return make(
    "table",
    { class: "votes" },
    make(
      "caption",
      {},
      "Columns are outputs: press a digit to leave it out. Rows are neurons of layer 2, a².",
    ),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("th", { scope: "col" }, "a²"),
        columns,
        make("th", { scope: "col" }, "sum"),
        make("td", {}),
      ),
    ),
    body,
  );
}

function rowOf(ctx, row, most, mostSum) {
  const against = row.cells[ctx.voter] * row.sum < 0;
  const cell = (x, j) =>
    make(
      "td",
      { class: [isOn(ctx, j) ? "" : "off", j === ctx.voter ? "mine" : ""].join(" ") },
      arrowMark(x, most),
      make("span", { class: "unseen" }, signed(x)),
    );
  return make(
    "tr",
    {
      class: against ? "against" : null,
      onpointerenter: () => ctx.highlight({ neurons: [[2, row.k]] }),
      onpointerleave: () => ctx.highlight(null),
    },
    make("th", { scope: "row" }, String(row.k)),
    row.cells.map(cell),
    make("td", { class: "sum" }, signedBar(row.sum, mostSum), change(row.sum, 2)),
    make(
      "td",
      { class: "sign" },
      against ? ["≠", make("span", { class: "unseen" }, ` overrules output ${ctx.voter}`)] : "",
    ),
  );
}
