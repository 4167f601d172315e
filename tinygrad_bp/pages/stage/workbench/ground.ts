// Two grounds to walk on: a cost of one input with two valleys, and the lesson's of two inputs.

export const VIEW: [number, number] = [-2, 3.1];
export const VALLEYS = [-1, 2];

export const valley = {
  height: (x: number) => x ** 4 / 4 - x ** 3 / 3 - x ** 2 + 3,
  slope: (x: number) => x ** 3 - x ** 2 - 2 * x,
  bend: (x: number) => 3 * x ** 2 - 2 * x - 2,
};

/** Steps against the slope; it stops where it leaves the view. */
export function rolled(start: number, rate: number, steps: number): number[] {
  const way = [start];
  const inside = (x: number) => VIEW[0] <= x && x <= VIEW[1];
  while (way.length <= steps && inside(way[way.length - 1])) {
    const x = way[way.length - 1];
    way.push(x - rate * valley.slope(x));
  }
  return way;
}

export const bowl = {
  height: (x: number, y: number) => (3 * x * x + y * y) / 2,
  slopes: (x: number, y: number): [number, number] => [3 * x, y],
};

/** How steep the bowl is in a direction, by its angle. */
export function steepness(x: number, y: number, angle: number): number {
  const [byX, byY] = bowl.slopes(x, y);
  return byX * Math.cos(angle) + byY * Math.sin(angle);
}
