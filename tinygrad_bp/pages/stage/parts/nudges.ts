// What one example wants of every parameter: minus its gradient.

import { gradient, netOn, type Net } from "../engine";
import type { Session } from "../session";

/** The nudges of the shown digit, as parts of a network. */
export function nudgesOf(session: Session): Net {
  const { digit, now } = session;
  return session.once(`nudges ${digit.index}`, () => {
    const wanted = gradient(now.net, [digit]).map((slope) => -slope || 0);
    return netOn(wanted, now.net.sizes);
  });
}

export function largestOf(numbers: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < numbers.length; i += 1) most = Math.max(most, Math.abs(numbers[i]));
  return most || 1;
}
