// 8. All ten outputs' wishes are stacked at every neuron; more and less cancel.

import { eased, mix } from "../clock";
import { inkOf, type Facts } from "../frame";
import { network } from "../parts/network";
import { largestOf } from "../parts/nudges";
import { atOutput, axis, onAxis, onEdge, outlined, ruler, scale, segment } from "../parts/wishes";
import type { Pen } from "../pen";
import { leave, type Scene } from "../scene";
import type { Session } from "../session";
import { lateLook, lengthOf } from "./asks-before";

const APART = 0.44; // seconds between two voters
const TRAVEL = 0.75;

type Voter = ReturnType<typeof order>[number];

/** The voters in the order in which they speak, the right digit's own first, and when their wishes land. */
function order({ now, choices }: Session) {
  const others = now.gaps.map((_, j) => j).filter((j) => j !== now.label);
  return [now.label, ...others]
    .map((j, i) => ({ j, lands: i ? 0.5 + APART * (i - 1) + TRAVEL : 0 }))
    .filter(({ j }) => choices.voters[j]);
}

function draw(given: Pen): Facts {
  const { session } = given;
  const { voter } = session;
  const { voters } = session.choices;
  const pen = given.with({ look: lateLook(given, voter, 1 - given.span(0, 0.5)) });
  const { asked, gaps, label } = pen.reading;
  ruler(pen, 2, 1);
  const speaking = order(session);
  for (const each of speaking) travel(pen, each);
  network(pen);
  leave(pen, (id) => id.startsWith("gap"));
  gaps.forEach((_, j) => atOutput(pen, j, (j === voter ? 1 : pen.span(0.2, 0.7)) * (voters[j] ? 1 : 0.25)));
  asked[0].forEach((_, k) => stacked(pen, speaking, k));
  const sums = asked[0].map((_, k) => asked.reduce((sum, wishes, j) => sum + (voters[j] ? wishes[k] : 0), 0));
  return { sums, own: asked[label] };
}

function travel(pen: Pen, { j, lands }: Voter): void {
  if (lands === 0 || pen.t < lands - TRAVEL || pen.t > lands + 0.5) return;
  const s = pen.span(lands - TRAVEL, lands, eased.travel);
  const alpha = 1 - pen.span(lands, lands + 0.5);
  const { asked } = pen.reading;
  const most = largestOf(asked.flat());
  asked[j].forEach((wish, k) => onEdge(pen, 3, j, k, wish / most, s, alpha));
}

/** Neuron k's stack: growing, sliding over each other, and in the end what is left. */
function stacked(pen: Pen, voters: readonly Voter[], k: number): void {
  const { asked, label } = pen.reading;
  const per = scale(pen.box, asked);
  const ends = [0, 0]; // of the two lanes, in u from the axis
  const totals = [0, 0];
  for (const { j } of voters) totals[asked[j][k] >= 0 ? 0 : 1] += asked[j][k] * per;
  const slide = pen.span(5.3, 6.4, eased.camera) * totals[0];
  const left = 1 - pen.span(7.4, 8.1); // of the segments
  const opening = pen.span(0, 0.7, eased.camera);
  for (const { j, lands } of voters) {
    const wish = asked[j][k];
    const lane = wish >= 0 ? 0 : 1;
    const own = j === label;
    const first = own && pen.session.voter === j;
    const full = first ? mix(lengthOf(pen, j, k), wish * per, opening) : wish * per;
    const grown = lands ? pen.span(lands, lands + 0.4, eased.arrival) : first ? 1 : opening;
    const from = axis(pen.box) + ends[lane] + (lane === 1 ? slide : 0);
    ends[lane] += full * grown;
    const alpha = left * (first ? pen.span(0, 0.4) : 1);
    segment(pen, 2, k, { lane, from, to: from + full * grown, ink: inkOf(wish), own, alpha });
  }
  overlap(pen, k, totals);
  rest(pen, k, totals[0] + totals[1], asked[label][k] * per);
}

/** What more and less have in common turns grey, and fades. */
function overlap(pen: Pen, k: number, [more, less]: readonly number[]): void {
  const grey = pen.span(6.5, 6.8) * (1 - pen.span(7.4, 8.1));
  const common = Math.min(more, -less);
  if (grey === 0 || common <= 0) return;
  const end = axis(pen.box) + more;
  const place = [end - common, end, pen.vOf(2, k), pen.up ? 14 : 25] as const;
  pen.strip(...place, { ink: "ground" });
  pen.strip(...place, { ink: "spent", alpha: grey * (1 - pen.span(6.9, 7.4)) });
}

/** The sum as one arrow, and as an outline what the right digit alone had wished. */
function rest(pen: Pen, k: number, sum: number, own: number): void {
  const alpha = pen.span(7.4, 8.1);
  onAxis(pen, 2, k, sum, alpha);
  if (!pen.session.choices.voters[pen.reading.label]) return;
  outlined(pen, `own.${k}`, axis(pen.box), own, pen.vOf(2, k), pen.up ? 13 : 18, alpha);
}

export const scene: Scene = {
  id: "ten-voters",
  seconds: 10,
  look: (stage) => lateLook(stage, null),
  draw,
  settled: 8.4,
};
