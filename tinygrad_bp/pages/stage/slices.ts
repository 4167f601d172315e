const SLICE = 8; // milliseconds

/** Go on with work between frames, a little at a time. */
export function inSlices(work: Iterator<void>): void {
  setTimeout(function act() {
    const until = performance.now() + SLICE;
    while (performance.now() < until) if (work.next().done) return;
    setTimeout(act);
  });
}
