// A sum of products, its largest terms written out and the others together.

import { table } from "../dom.js";
import { signedBar } from "../marks.js";
import { change } from "../numbers.js";

const WRITTEN = 5;

// terms: [{name, cells: [what is multiplied, ...], product}, ...]; heads name the first column, the
// cells and the product.
export function largestTerms({ caption, heads, terms }) {
  const sorted = terms.toSorted((s, t) => Math.abs(t.product) - Math.abs(s.product));
  const rest = sorted.slice(WRITTEN).reduce((sum, { product }) => sum + product, 0);
  const most = Math.max(Math.abs(sorted[0].product), Math.abs(rest));
  const written = sorted
    .slice(0, WRITTEN)
    .map(({ name, cells, product }) => [name, ...cells, change(product), signedBar(product, most)]);
  const others = [
    `the other ${sorted.length - WRITTEN}`,
    ...heads.slice(1, -1).map(() => ""),
    change(rest),
    signedBar(rest, most),
  ];
  return table({ caption, heads: [...heads, ""], rows: [...written, others] });
}
