// The steps in the order of the lesson. HOW A STEP IS WRITTEN
//
// A file stepN.js exports `step`, an object. `ctx` is what main.js gives to every call:
//   ctx.data      what data.js reads
//   ctx.state     the store's state: read it, change it by ctx.set({name: value, ...})
//   ctx.example   the digit {index, label, image, pixels}
//   ctx.network   {W, b, sizes, parameters, name ...}
//   ctx.pass      {z, a, delta, grad, cost} of this example, lists by layer 0 to 3: delta is ∂C/∂z,
//                 grad ∂C/∂a of the sum of squares. A wish or nudge is minus these.
//   ctx.label     the digit that is wanted
//   ctx.voter     the output spoken of: the one chosen, else the label
//   ctx.look      [layer, neuron] under the pointer or focus, else the one kept chosen, else null
//   ctx.highlight({neurons: [[l, j]], edges: [[l, to, from]]})   marks them; null unmarks
//   ctx.all()     net.passes() of all digits through this network, made once per network
//
// The object:
//   id, number, title    "cost", 2, "The cost of one example"
//   covers               what of the lesson it shows: ["S9", "S10", "W1"]
//   fields               its own part of the state: {sort: oneOf("neuron", "nudge")}, see state.js.
//                        Names must be unlike those of other steps; they also go into the address.
//   render(panel, ctx)   builds its elements in the panel, once each time the step is entered
//   update(ctx)          fills in numbers; called after render and whenever the state has changed
//   shows(ctx)           {example, pass} in the place of those above: for a picture of its own
//   picture(ctx)         what the network drawing shows, see drawing.js; null: no drawing
//   sentence(ctx)        one plain sentence with the numbers that matter; it is read aloud
//   table(ctx)           {caption, heads, rows} or a list of these: the drawing's numbers
//   keys                 {" ": (ctx) => ...}: keys of its own, if any
//   leave()              stops what runs (timers), if anything does
//   ahead(ctx)           what takes long and is kept: done before, when the page has nothing to do
//   asides               [aside, ...] from ../asides/: folded below it, see ../asides.js
//
// A step keeps its elements in `this`, under names that are not in this list.
// Words, numbers, formulas: formula() in words.js writes the same terms in each of the three ways.
// No number is typed into a text: all come from ctx. Elements are made by dom.js, numbers by
// numbers.js; charts/ has charts.

import { step as feedForward } from "./step1.js";
import { step as cost } from "./step2.js";
import { step as wishes } from "./step3.js";
import { step as avenues } from "./step4.js";
import { step as bias } from "./step5.js";
import { step as weights } from "./step6.js";
import { step as oneVoter } from "./step7.js";
import { step as tenVoters } from "./step8.js";
import { step as recursion } from "./step9.js";
import { step as belief } from "./step10.js";
import { step as sensitivities } from "./step11.js";
import { step as examples } from "./step12.js";
import { step as descent } from "./step13.js";
import { step as miniBatch } from "./step14.js";
import { step as stumbling } from "./step15.js";
import { step as amount } from "./step16.js";
import { step as limits } from "./step17.js";

export const steps = [
  feedForward,
  cost,
  wishes,
  avenues,
  bias,
  weights,
  oneVoter,
  tenVoters,
  recursion,
  belief,
  sensitivities,
  examples,
  descent,
  miniBatch,
  stumbling,
  amount,
  limits,
];
