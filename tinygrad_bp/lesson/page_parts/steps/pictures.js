// What can be done to a picture of 28 by 28 pixels before the network sees it.

export const SIDE = 28;

export function shifted(pixels, right, down) {
  const moved = new Float64Array(pixels.length);
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const [fromX, fromY] = [x - right, y - down];
      const inside = fromX >= 0 && fromX < SIDE && fromY >= 0 && fromY < SIDE;
      moved[y * SIDE + x] = inside ? pixels[fromY * SIDE + fromX] : 0;
    }
  }
  return moved;
}

export function inverted(pixels) {
  return Float64Array.from(pixels, (value) => 1 - value);
}

export function noise(random) {
  return Float64Array.from({ length: SIDE * SIDE }, random);
}

export function blank() {
  return new Float64Array(SIDE * SIDE);
}

// The whole-pixel shift that brings the centre of mass nearest to the middle of the picture.
export function centring(pixels) {
  let [mass, right, down] = [0, 0, 0];
  pixels.forEach((value, i) => {
    mass += value;
    right += value * (i % SIDE);
    down += value * Math.floor(i / SIDE);
  });
  if (mass === 0) return [0, 0];
  const middle = (SIDE - 1) / 2;
  return [Math.round(middle - right / mass), Math.round(middle - down / mass)];
}

// A round soft pen: full at (x, y), fading over a pixel and a half. Never darkens what is there.
export function dabbed(pixels, x, y, ink = 1) {
  const painted = Float64Array.from(pixels);
  for (
    let row = Math.max(0, Math.floor(y) - 2);
    row <= Math.min(SIDE - 1, Math.floor(y) + 2);
    row += 1
  ) {
    for (
      let column = Math.max(0, Math.floor(x) - 2);
      column <= Math.min(SIDE - 1, Math.floor(x) + 2);
      column += 1
    ) {
      const distance = Math.hypot(column - x, row - y);
      const shade = Math.min(Math.max(1.7 - distance, 0), 1);
      const at = row * SIDE + column;
      painted[at] = ink ? Math.max(painted[at], shade) : Math.min(painted[at], 1 - shade);
    }
  }
  return painted;
}
