// A map of a function of two variables: lines of equal height, and bands between them.

// z[j][i] is the height at (xs[i], ys[j]). Each level gives {level, area, line, spots}: path data
// for where the height is at least the level, for the line on which it equals it, and places on
// that.
export function contours(xs, ys, z, levels, toX, toY) {
  const places = { x: xs.map(toX), y: ys.map(toY) };
  return levels.map((level) => ({ level, ...atLevel(places, z, level) }));
}

function atLevel({ x, y }, z, level) {
  const [area, line, spots] = [[], [], []];
  for (let j = 0; j + 1 < y.length; j += 1) {
    let solidFrom = null; // a run of squares that lie wholly above is one rectangle
    for (let i = 0; i + 1 < x.length; i += 1) {
      const corners = square(x, y, z, i, j);
      const above = corners.filter((corner) => corner[2] >= level).length;
      if (above === 4) {
        solidFrom ??= i;
        continue;
      }
      if (solidFrom !== null) area.push(rectangle(x[solidFrom], y[j], x[i], y[j + 1]));
      solidFrom = null;
      if (above > 0) cut(corners, level, area, line, spots);
    }
    if (solidFrom !== null) area.push(rectangle(x[solidFrom], y[j], x.at(-1), y[j + 1]));
  }
  return { area: area.join(""), line: line.join(""), spots };
}

function square(x, y, z, i, j) {
  return [
    [x[i], y[j], z[j][i]],
    [x[i + 1], y[j], z[j][i + 1]],
    [x[i + 1], y[j + 1], z[j + 1][i + 1]],
    [x[i], y[j + 1], z[j + 1][i]],
  ];
}

// Walks round the square: keeps corners above the level, adds where the outline crosses it.
function cut(corners, level, area, line, spots) {
  const outline = [];
  const crossings = [];
  corners.forEach((from, k) => {
    const to = corners[(k + 1) % 4];
    if (from[2] >= level) outline.push(pair(from[0], from[1]));
    if (from[2] >= level === to[2] >= level) return;
    const share = (level - from[2]) / (to[2] - from[2]);
    const spot = [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])];
    spots.push(spot);
    outline.push(pair(...spot));
    crossings.push(pair(...spot));
  });
  area.push(`M${outline.join("L")}z`);
  for (let k = 0; k < crossings.length; k += 2) line.push(`M${crossings[k]}L${crossings[k + 1]}`);
}

function rectangle(left, top, right, bottom) {
  return `M${pair(left, top)}L${pair(right, top)}L${pair(right, bottom)}L${pair(left, bottom)}z`;
}

function pair(x, y) {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}
