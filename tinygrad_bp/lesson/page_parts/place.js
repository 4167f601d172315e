// Where the picture, the neurons and the edges stand.

const LEAST_HEIGHT = 432; // so that 16 neurons are 24 pixels apart and can be hit
const MOST_HEIGHT = 1000;
const NARROW = 480;

// In plain pixels of the page, so that targets keep their size on a phone.
export function placing(sizes, pane) {
  const width = pane.clientWidth;
  const narrow = width < NARROW;
  const height = Math.max(LEAST_HEIGHT, Math.min(pane.clientHeight || LEAST_HEIGHT, MOST_HEIGHT));
  const pad = 22; // for the names of the layers
  const pitch = (height - pad - 4) / sizes[1];
  const side = narrow ? width * 0.22 : Math.min(width * 0.27, 300);
  const right = narrow ? 110 : 150; // for what stands beside the outputs
  const first = side + (narrow ? 30 : 56);
  const last = width - right;
  const xs = [0, first, first + (last - first) * 0.47, last];
  const middle = (height - pad) / 2;
  const centres = sizes.map((size, l) => {
    const step = l === sizes.length - 1 ? (pitch * sizes[1]) / size : pitch;
    const top = middle - (step * (size - 1)) / 2;
    return l
      ? Array.from({ length: size }, (_, j) => ({ x: xs[l], y: top + step * j, step }))
      : null;
  });
  const radius = Math.min(pitch * 0.38, 20);
  return { width, height, narrow, side, top: middle - side / 2, centres, radius, pad, middle };
}

// From the rim of one neuron to the rim of the next; to the first layer from the picture's edge.
export function wayOf(place, l, to, from) {
  const end = place.centres[l][to];
  const r = place.radius;
  if (l === 1) return `M${place.side + 4} ${spread(place, to)}L${end.x - r} ${end.y}`;
  const start = place.centres[l - 1][from];
  return `M${start.x + r} ${start.y}L${end.x - r} ${end.y}`;
}

function spread({ top, side, centres }, j) {
  return top + side * (0.12 + (0.76 * j) / (centres[1].length - 1));
}
