/** Go on with work between frames, a few milliseconds at a time; gives what stops that. */
export function inSlices(work: Iterator<void>, milliseconds = 8): () => void {
  let timer = window.setTimeout(function act() {
    const until = performance.now() + milliseconds;
    let more = true;
    while (more && performance.now() < until) more = !work.next().done;
    if (more) timer = window.setTimeout(act);
  });
  return () => clearTimeout(timer);
}
