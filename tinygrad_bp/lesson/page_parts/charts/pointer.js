// A straight arrow from one place to another.

import { draw } from "../dom.js";

export function pointer([x0, y0], [x1, y1], kind = "", head = 5) {
  const size = Math.hypot(x1 - x0, y1 - y0);
  const [ux, uy] = [(x1 - x0) / size, (y1 - y0) / size];
  const [x, y] = [x1 - 1.6 * head * ux, y1 - 1.6 * head * uy]; // where the head begins
  const [wx, wy] = [-head * uy, head * ux];
  return draw(
    "g",
    { class: `pointer ${kind}` },
    draw("path", { class: "shaft", d: `M${x0} ${y0}L${x} ${y}` }),
    draw("path", { d: `M${x1} ${y1}L${x + wx} ${y + wy}L${x - wx} ${y - wy}Z` }),
  );
}
