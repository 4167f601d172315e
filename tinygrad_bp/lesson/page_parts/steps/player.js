// Plays something from its beginning to its end, in so many milliseconds.

// Who does not want motion moves a slider instead.
export const STILL = matchMedia("(prefers-reduced-motion: reduce)");

// start(from, moved): `moved` hears the share played, from `from` to 1, until stop() or the end.
export function player(duration) {
  let frame = 0;

  function start(from, moved) {
    if (frame) return;
    let began = null;
    const tick = (now) => {
      began ??= now;
      const share = Math.min(from + (now - began) / duration, 1);
      frame = share < 1 ? requestAnimationFrame(tick) : 0;
      moved(share);
    };
    frame = requestAnimationFrame(tick);
  }

  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
  }
  return { start, stop };
}
