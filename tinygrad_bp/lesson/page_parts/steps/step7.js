// The third way: other activations. One output says what it would like the layer before to do.

import { fill, make, table } from "../dom.js";
import { arrowMark, signedBar } from "../marks.js";
import { change, number, signed, subscript, text } from "../numbers.js";
import { formula, term, wish } from "../words.js";

export const step = {
  id: "one-voter",
  number: 7,
  title: "What one output wishes of the layer before",
  covers: ["S27", "W10", "W11", "K12"],

  render(panel) {
    this.product = make("div", {});
    this.lock = make("p", {});
    this.listing = make("div", { class: "part" });
    fill(panel, this.product, this.lock, this.listing);
  },

  update(ctx) {
    fill(this.product, productOf(ctx));
    this.lock.textContent =
      "Brighten what a positive weight carries, dim what a negative one carries, each in " +
      "proportion to its weight. " +
      "The lock under the layer is meant: nobody can set these activations. The wishes are " +
      "only kept, to be passed on. " +
      "Press another output, or its digit, to hear that one.";
    fill(this.listing, tableOf(ctx));
  },

  picture(ctx) {
    const all = wishes(ctx);
    return {
      arrows: { 2: all.map((row) => row.wish) },
      edges: all.map(({ k, w }) => ({ layer: 3, to: voter(ctx), from: k, value: w })),
      locked: [2],
      faint: true,
      pale: [1],
      target: ctx.label,
      ring: [[3, voter(ctx)]],
    };
  },

  sentence(ctx) {
    const most = strongest(ctx);
    return (
      `Output ${voter(ctx)} wishes most of neuron ${most.k}: ${signed(most.wish)}, ` +
      `because the weight between them is ${signed(most.w)}.`
    );
  },

  table(ctx) {
    return {
      caption: `What output ${voter(ctx)} wishes of layer 2 (wish = −δ · w)`,
      heads: ["neuron", "activation", "weight", "wish", "wish / weight"],
      rows: wishes(ctx).map(({ k, a, w, wish: x }) => [
        String(k),
        number(a),
        change(w),
        change(x, 4),
        change(x / w, 4),
      ]),
    };
  },
};

// An output that is pointed at or kept speaks before the one chosen by digit.
function voter({ look, voter: chosen }) {
  return look?.[0] === 3 ? look[1] : chosen;
}

function wishes(ctx) {
  const j = voter(ctx);
  const n = ctx.pass.a[2].length;
  return Array.from(ctx.pass.a[2], (a, k) => {
    const w = ctx.network.W[3][j * n + k];
    return { k, a, w, wish: -ctx.pass.delta[3][j] * w };
  });
}

function strongest(ctx) {
  return wishes(ctx).reduce((most, row) => (Math.abs(row.wish) > Math.abs(most.wish) ? row : most));
}

function productOf(ctx) {
  const j = voter(ctx);
  const k = ctx.look?.[0] === 2 ? ctx.look[1] : strongest(ctx).k;
  const row = wishes(ctx)[k];
  const push = wish(`nudge on z${subscript(j)}`, -ctx.pass.delta[3][j], { neurons: [[3, j]] }, 4);
  const w = {
    ...term("w", `w${subscript(j)},${subscript(k)}`, row.w, { edges: [[3, j, k]] }, 4),
    signed: true,
  };
  const result = wish(`wish of ${j} for a${subscript(k)}`, row.wish, { neurons: [[2, k]] }, 4);
  return formula(ctx, {
    words: [
      `Output ${j} wants its sum z to change with `,
      push,
      `. Neuron ${k} reaches it through the weight `,
      w,
      ", so it wishes ",
      result,
      ` for that neuron: ${row.wish > 0 ? "brighter" : "dimmer"}.`,
    ],
    parts: [push, " × ", w],
    result,
  });
}

function tableOf(ctx) {
  const all = wishes(ctx);
  const weights = Math.max(...all.map(({ w }) => Math.abs(w)));
  const most = Math.abs(strongest(ctx).wish);
  return table({
    caption: `Sixteen wishes of output ${voter(ctx)}, which is ${text(ctx.pass.a[3][voter(ctx)])}`,
    heads: ["neuron", "weight", "", "wish", ""],
    rows: all.map(({ k, w, wish: x }) => [
      String(k),
      change(w),
      signedBar(w, weights),
      change(x),
      arrowMark(x, most),
    ]),
  });
}
