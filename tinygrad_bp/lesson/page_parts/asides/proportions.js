// Multiply the cost by anything: every nudge is multiplied, and what they are to each other stays.

import { fill, make, paragraph, slider, table } from "../dom.js";
import { dot, nameOf, norm } from "../net.js";
import { count } from "../numbers.js";
import { real } from "../state.js";
import { precise, significant } from "../steps/significant.js";
import { bySize, now } from "../steps/downhill.js";
import { formula, term } from "../words.js";

const LISTED = 4;
const POWER = 2; // of ten, either way

export const aside = {
  id: "proportions",
  title: "Only the proportions count",
  covers: ["S38"],
  fields: { factor: real(0.5, 10 ** -POWER, 10 ** POWER) },

  render(content, ctx) {
    const limits = { min: -POWER, max: POWER, step: 0.05 };
    this.factor = slider("Multiply the cost by", limits, (power) =>
      ctx.set({ factor: Number((10 ** power).toPrecision(2)) }),
    );
    this.words = make("div", { class: "statements" });
    this.listing = make("div", { class: "part" });
    fill(
      content,
      paragraph(
        "Some books write half the squares as the cost. Does the network learn another way then?",
      ),
      this.factor,
      this.words,
      this.listing,
      paragraph(
        "A direction is just this: which nudges are large beside which. How far to go is up to " +
          "the learning rate, and a rate divided by the factor takes the very same step.",
      ),
    );
  },

  update(ctx) {
    const { factor } = ctx.state;
    this.factor.show(Math.log10(factor), significant(factor, 2));
    fill(this.words, statement(ctx));
    fill(this.listing, table(listing(ctx)));
  },
};

function multiplied({ state }, nudges) {
  return nudges.map((nudge) => state.factor * nudge);
}

function statement(ctx) {
  const { nudges } = now(ctx);
  const others = multiplied(ctx, nudges);
  const meets = term("z", "nudges multiplied", dot(nudges, others), null, 4);
  const [one, other] = [term("w", "length", norm(nudges)), term("w", "other length", norm(others))];
  const cosine = term("d", "cosine", meets.value / (one.value * other.value), null, 6);
  return formula(ctx, {
    words: [
      `The two lists of ${count(nudges.length)} nudges are `,
      one,
      " and ",
      other,
      " long; the cosine between them is ",
      cosine,
      ": the same direction.",
    ],
    parts: [meets, " / ( ", one, " × ", other, " )"],
    result: cosine,
  });
}

function listing(ctx) {
  const { factor, lr } = ctx.state;
  const { nudges } = now(ctx);
  const others = multiplied(ctx, nudges);
  const order = bySize(ctx);
  const [most, mostOther] = [nudges, others].map((all) => Math.abs(all[order[0]]));
  const shown = [...order.subarray(0, LISTED), order[order.length >> 1], order.length - 1];
  const times = `${significant(factor, 2)}\u00a0×\u00a0C`;
  return {
    caption: "The largest nudges, the middle one and the last bias",
    heads: [
      "parameter",
      "nudge",
      "largest = 1",
      `nudge of ${times}`,
      "largest = 1",
      `step with lr ${significant(lr, 2)}`,
      `step of ${times} with lr ${significant(lr / factor, 2)}`,
    ],
    rows: shown.map((i) => [
      nameOf(ctx.data.sizes, i),
      precise(nudges[i], 3, true),
      precise(nudges[i] / most, 3, true),
      precise(others[i], 3, true),
      precise(others[i] / mostOther, 3, true),
      precise(lr * nudges[i], 3, true),
      precise((lr / factor) * others[i], 3, true),
    ]),
  };
}
