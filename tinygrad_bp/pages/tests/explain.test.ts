// The page of a backward pass without a browser: where moments lead, what is said, where boxes are.

import { describe, expect, test } from "vitest";
import { common, heat, elementsOf, entry, tables, type View } from "../explain/arrays";
import { fromHash } from "../explain/address";
import { mosaicOf } from "../explain/mosaic";
import { Drawn } from "../explain/drawn";
import { boxSize, placed, planOf } from "../explain/place";
import { Pass, type Data, type Node, type Step } from "../explain/record";
import { caption, chosenElement, meaning, productOf } from "../explain/words";
import { waysOf } from "../explain/ways";
import { brief, full, typeset } from "../shared/digits.svelte";

/** A pass over random graphs: node i is made from one or two before it, the last is the loss. */
function passOf(seed: number, count = 12): Pass {
  let state = seed + 1;
  const random = (n: number) => {
    state = (state * 16807) % 2147483647;
    return state % n;
  };
  const arrays: View[] = Array.from({ length: count }, () => random(2000) / 100 - 10);
  const parents = Array.from({ length: count }, (_, i) => (i < 3 ? [] : [i - 1, ...(random(2) ? [random(i)] : [])]));
  const edges: Data["edges"] = [];
  parents.forEach((all, child) =>
    all.forEach((parent, slot) => edges.push({ id: edges.length, child, parent, slot, step: null })),
  );
  const steps: Step[] = [];
  const totals = new Map<number, number>([[count - 1, 1]]);
  const reported = new Map<number, number>();
  const consumers = (id: number) => edges.filter(({ parent }) => parent === id).length;
  for (let child = count - 1; child >= 0; child -= 1) {
    for (const edge of edges.filter((each) => each.child === child)) {
      const [g, slope] = [totals.get(child)!, random(7) - 3];
      const before = totals.get(edge.parent) ?? null;
      totals.set(edge.parent, (before ?? 0) + g * slope);
      reported.set(edge.parent, (reported.get(edge.parent) ?? 0) + 1);
      const at = (x: number) => arrays.push(x) - 1;
      edge.step = steps.length;
      steps.push({
        edge: edge.id,
        reported: reported.get(edge.parent)!,
        of: consumers(edge.parent),
        arriving: at(g),
        arrivals: [{ symbol: "g", node: child, array: at(g) }],
        formula: { text: "", numbers: null, shapes: "" },
        local: { symbol: "", text: "", numbers: null, value: at(slope) },
        contribution: at(g * slope),
        before: before === null ? null : at(before),
        after: at(totals.get(edge.parent)!),
        unbroadcast: null,
        elements: [],
        check: null,
        sentence: "",
      });
    }
  }
  const layers: number[] = [];
  parents.forEach((all, i) => (layers[i] = Math.max(-1, ...all.map((p) => layers[p])) + 1));
  const nodes = parents.map(
    (all, id): Node => ({
      id, name: `n${id}`, kind: all.length ? "result" : "leaf", op: all.length ? "op" : null,
      shape: [], dtype: "float64", value: id, grad: arrays.push(totals.get(id) ?? 0) - 1, held: null,
      forward: null, why: null, source: null, notes: [], layer: layers[id], x: 190 * layers[id],
      y: 84 * layers.slice(0, id).filter((layer) => layer === layers[id]).length,
    }),
  ); // prettier-ignore
  const checks = { done: false, text: "" };
  return new Pass({ title: "", loss: count - 1, nodes, edges, steps, arrays, checks, sources: {} });
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8])("the pass of seed %i", (seed) => {
  const pass = passOf(seed);
  const positions = Array.from({ length: pass.last + 1 }, (_, i) => i);

  test("a node sends when all that reaches it has come, and is done when it has sent", () => {
    for (const position of positions.slice(1)) {
      const { child, parent } = pass.edgeAt(position)!;
      expect(["ready", "done"]).toContain(pass.stateAt(child, position));
      expect(pass.reportedAt(parent, position)).toBe(pass.stepAt(position)!.reported);
      expect(pass.gradientAt(parent, position)).toBe(pass.array(pass.stepAt(position)!.after));
    }
    for (const { id } of pass.data.nodes) if (pass.into[id].length) expect(pass.stateAt(id, pass.last)).toBe("done");
  });

  test("node by node forward and backward meet the same moments", () => {
    const forward = [0];
    while (forward.at(-1)! < pass.last) forward.push(pass.nextNode(forward.at(-1)!));
    const backward = [pass.last];
    while (backward.at(-1)! > 0) backward.push(pass.previousNode(backward.at(-1)!));
    for (const at of backward.slice(1)) expect(forward).toContain(at);
    expect(pass.runs.map(({ start }) => start + 1)).toEqual(
      forward.slice(1).filter((at) => pass.senderAt(at) !== pass.senderAt(at - 1) || at === 1),
    );
  });

  test("every step is a product, and the products add up", () => {
    const sums = new Map<number, number>();
    for (const position of positions.slice(1)) {
      const product = productOf(pass, pass.stepAt(position)!, null)!;
      expect(product.sent).toBe((product.g as number) * (product.slope as number));
      const { parent } = pass.edgeAt(position)!;
      sums.set(parent, (sums.get(parent) ?? 0) + (product.sent as number));
      const said = meaning(pass, pass.stepAt(position)!, null)!;
      const { reported, of } = pass.stepAt(position)!;
      if (reported < of) expect(said).toContain("waits for");
      else if (sums.get(parent) === 0) expect(said).toContain("leaves");
      else expect(said).toContain(sums.get(parent)! > 0 ? "go up" : "go down");
    }
  });

  test("no box touches another, in either direction, and no way is lost", () => {
    const { nodes, edges } = pass.data;
    const box = boxSize(nodes);
    for (const across of [true, false]) {
      const drawing = placed(planOf(nodes, true), across, box);
      const all = [...drawing.points.values()];
      all.forEach((a, i) =>
        all.slice(i + 1).forEach((b) => {
          const apart = Math.abs(a.x - b.x) >= box.width || Math.abs(a.y - b.y) >= box.height;
          expect(apart).toBe(true);
        }),
      );
      for (const { curve } of waysOf(edges, drawing).values()) expect(curve).not.toMatch(/NaN|undef/);
    }
  });

  test("a neighbourhood holds both ends of the edge, and says what it leaves out", () => {
    const large = passOf(seed, 300);
    const near = new Drawn(large);
    for (const position of [1, 50, large.last]) {
      const { child, parent } = large.edgeAt(position)!;
      const ids = near.around(child, [parent]);
      expect(ids.has(child) && ids.has(parent)).toBe(true);
      expect(ids.size).toBeLessThanOrEqual(24);
      const missing = large.data.edges.filter((e) => e.child === child && !ids.has(e.parent));
      expect(near.leftOut(child, ids)).toBeGreaterThanOrEqual(missing.length);
      expect(near.together(ids, child).map(({ id }) => id)).toEqual([...ids]);
    }
  });
});

test("nothing is said of what a gradient means where it means no such thing", () => {
  const { data } = passOf(3);
  const at = (x: View) => data.arrays.push(x) - 1;
  const said = (change: Partial<Node>) => {
    const nodes = data.nodes.map((node) => (node.id === data.loss ? { ...node, ...change } : node));
    return meaning(
      new Pass({ ...data, nodes }),
      data.steps.find(({ of }) => of === 1)!,
      null,
    );
  };
  expect(said({})).not.toBeNull();
  expect(said({ value: at("nan") })).toBeNull(); // slopes of what is no number
  expect(said({ grad: at(2) })).toBeNull(); // not the loss's own slope
  expect(said({ grad: at({ shape: [2], dtype: "float64", data: [1, 1] }) })).toBeNull();
});

describe("arrays", () => {
  const matrix = { shape: [2, 3], dtype: "float64", data: [[1, -2, 0], [4, "nan", -4]] }; // prettier-ignore
  const cube = { shape: [2, 1, 2], dtype: "float64", data: [[[1, 2]], [[3, 4]]] };
  const large = { shape: [3, 40, 40], dtype: "float64", corner: [[1, 2], [3, 4]] }; // prettier-ignore

  test("entries are found, and none where the page was given none", () => {
    expect(entry(matrix, [1, 0])).toBe(4);
    expect(entry(cube, [1, 0, 1])).toBe(4);
    expect(entry(large, [0, 1, 1])).toBe(4);
    expect(entry(large, [1, 1, 1])).toBeNull();
    expect(entry(large, [0, 9, 9])).toBeNull();
    expect(tables(cube).map(({ prefix }) => prefix)).toEqual([[0], [1]]);
  });

  test("a tile for each entry, in the colour of its sign", () => {
    const { tiles } = mosaicOf(matrix, { width: 80, height: 40 })!;
    const count = Object.fromEntries(tiles.map(({ tone, d }) => [tone, d.split("M").length - 1]));
    expect(count).toEqual({
      "tone-plus heat-1": 1,
      "tone-minus heat-2": 1,
      "": 2,
      "tone-plus heat-4": 1,
      "tone-minus heat-4": 1,
    });
    expect(mosaicOf(cube, { width: 80, height: 40 })).toBeNull();
    const corner = { shape: [40, 50], dtype: "float64", corner: [[1, 2]] };
    expect(mosaicOf(corner, { width: 80, height: 40 })).toBeNull();
    const wide = { shape: [1, 200], dtype: "float64", data: [Array(200).fill(1)] };
    expect(mosaicOf(wide, { width: 80, height: 40 })).toBeNull();
    expect(heat(1e-300, 1)).toBe("tone-plus heat-1");
  });

  test("short vectors are their elements; a sign is of all or of none", () => {
    const vector = (...data: number[]) => ({ shape: [data.length], dtype: "float64", data });
    expect(elementsOf(vector(1, 2), 2)).toEqual([1, 2]);
    expect(elementsOf(vector(1, 2, 3), 2)).toBeNull();
    expect([vector(1, 0), vector(-1, -2), vector(1, -1), vector(0)].map(common)).toEqual(["plus", "minus", "", ""]); // prettier-ignore
  });
});

test("an expression names what nobody named, unless it is several operations", () => {
  const { data } = passOf(1);
  const place = { file: "a.py", line: 3, end_line: 3, column: 4, end_column: 9, function: null };
  const source = (segment: string) => ({ ...place, code: "", segment });
  Object.assign(data.nodes[3], { name: "v3", op: "matmul", source: source("W @\n  x") });
  Object.assign(data.nodes[4], { name: "v4", op: "affine", source: source("m(x)") });
  Object.assign(data.nodes[5], { name: "v5", op: "relu", source: source("m(x)") });
  Object.assign(data.nodes[6], { name: "z", op: "add", source: source("a + b") });
  const pass = new Pass(data);
  const named = [3, 4, 5, 6].map((id) => caption(pass, pass.node(id)));
  expect(named).toEqual(["W @ x", "v4", "v5", "z"]);
});

test("what an address asks for is taken where it makes sense", () => {
  const pass = passOf(2);
  expect(fromHash(pass, "#step=3&element=1,2")).toEqual({ position: 3, element: [1, 2] });
  expect(fromHash(pass, "#element=x,-1&node=n4")).toEqual({ inspected: 4 });
  expect(fromHash(pass, "")).toEqual({});
  const [step, node] = [pass.stepAt(1)!, { ...pass.node(0), shape: [2, 2] }];
  expect(chosenElement(step, node, [1, 1])).toEqual([1, 1]);
  expect(chosenElement(step, node, [2, 0])).toEqual([0, 0]);
  expect(chosenElement({ ...step, check: { index: [0, 1] } as never }, node, null)).toEqual([0, 1]);
});

test("numbers are written as Python writes them, with a true minus", () => {
  expect([-0.0741341, 1e-7, 123456789, 3, 0, true].map((x) => brief(x))).toEqual(["−0.07413", "1e−07", "1.235e+08", "3", "0", "True"]); // prettier-ignore
  expect(full(-1.5e-9)).toBe("−1.5e−09");
  expect(typeset("(-0.1531) * a - b, -2")).toBe("(−0.1531) * a - b, −2");
});
