// One output close up, which of its weights count most, and an example's whole gradient: on digits
// and networks that nothing was made for, and with the lesson's own numbers.

import { describe, expect, test } from "vitest";
import * as engine from "../stage/engine";
import type { Line } from "../stage/frame";
import { effects, movedBy, neuronOf, weightedSum, withNeuron, type Amounts } from "../stage/neuron";
import { nudgesOf, pixelNudges } from "../stage/parts/nudges";
import { seeded } from "../stage/random";
import { frameOf, SCENES } from "../stage/scenes";
import { askedOfFirst, checked, nonzero } from "../stage/scenes/and-again";
import { byBrightness, nudgesInto, shareOfBrightest } from "../stage/scenes/bang-for-the-buck";
import { amounts } from "../stage/scenes/three-ways";
import { Session, type Choices, type Reading } from "../stage/session";
import { STORY, sentence } from "../stage/story";
import { BOXES, data } from "./given";

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7];
const VOTERS = [0, 2, 5, 9];
const given = new Session(data());

function sceneAt(id: string): number {
  return SCENES.findIndex((scene) => scene.id === id);
}

function frame(id: string, t: number, session: Session, box = BOXES.laptop) {
  return frameOf(sceneAt(id), t, { box, session });
}

function list(value: number | readonly number[]): readonly number[] {
  return typeof value === "number" ? [value] : value;
}

/** A network of another seed, with weights of another size. */
function another(seed: number, size: number): Session {
  const random = seeded(seed);
  const made = data(40, 10);
  made.net.vector.forEach((_, i) => (made.net.vector[i] = size * (random() - 0.5)));
  return new Session(made);
}

const SESSIONS = [given, another(7, 1), another(8, 3), another(9, 0.2)];

function everywhere(act: (session: Session, reading: Reading, voter: number) => void): void {
  for (const each of SESSIONS) {
    for (const digit of DIGITS) {
      for (const voter of VOTERS) {
        const session = each.choosing({ digit, voter });
        act(session, session.now, voter);
      }
    }
  }
}

describe("three ways", () => {
  test("the effects add up, but for what the sigmoid's bend and two moves together allow", () => {
    everywhere((_, reading, voter) => {
      const from = neuronOf(reading, voter);
      const random = seeded(voter);
      for (const size of [1, 0.1, 0.01]) {
        const [b, w, a] = [0, 0, 0].map(() => size * (2 * random() - 1));
        const to = movedBy(from, [b, w, a]);
        const before = reading.pass[3][voter];
        const sum = effects(from, to, before).reduce((total, effect) => total + effect, before);
        const dz = weightedSum(to) - weightedSum(from);
        let both = 0; // what weights and activations do together
        for (let k = 0; k < 16; k += 1) {
          both += (to.weights[k] - from.weights[k]) * (to.senders[k] - from.senders[k]);
        }
        const bend = 1 / (12 * Math.sqrt(3)); // half the sigmoid's largest second derivative
        const allowed = bend * dz * dz + engine.slope(before) * Math.abs(both) + 1e-14;
        expect(Math.abs(engine.sigmoid(weightedSum(to)) - sum)).toBeLessThanOrEqual(allowed);
      }
    });
  });

  test("each effect is the same whether the other two are moved or not", () => {
    everywhere((_, reading, voter) => {
      const from = neuronOf(reading, voter);
      const level = reading.pass[3][voter];
      const together = effects(from, movedBy(from, [0.4, -0.7, 0.9]), level);
      const alone = ([[0.4, 0, 0], [0, -0.7, 0], [0, 0, 0.9]] as const).map((one, i) => effects(from, movedBy(from, one), level)[i]); // prettier-ignore
      alone.forEach((effect, i) => expect(effect).toBeCloseTo(together[i], 14));
    });
  });

  test("half the move has a quarter of the error", () => {
    everywhere((_, reading, voter) => {
      const from = neuronOf(reading, voter);
      const error = (size: number) => {
        const to = movedBy(from, [size, size, 0]);
        const [bias, weights] = effects(from, to, reading.pass[3][voter]);
        return engine.sigmoid(weightedSum(to)) - reading.pass[3][voter] - bias - weights;
      };
      const bent = Math.abs(reading.pass[3][voter] - 0.5) > 0.1; // near the middle it is straight
      if (bent && Math.abs(error(0.02)) > 1e-9) {
        expect(error(0.02) / error(0.01)).toBeGreaterThan(3.7);
        expect(error(0.02) / error(0.01)).toBeLessThan(4.3);
      }
    });
  });

  test("a bias moves the weighted sum by as much as it is moved itself", () => {
    everywhere((_, reading, voter) => {
      const from = neuronOf(reading, voter);
      const to = movedBy(from, [0.3, 0, 0]);
      const moved = weightedSum(to) - weightedSum(from);
      expect(moved).toBeCloseTo(to.bias - from.bias, 12);
    });
  });

  test("moves of one length: bias by 1, weights by |a|, activations by |w|", () => {
    everywhere((_, reading, voter) => {
      const from = neuronOf(reading, voter);
      const size = 1e-6;
      const change = (amount: Amounts) => weightedSum(movedBy(from, amount)) - weightedSum(from);
      const bias = change([size, 0, 0]);
      const lit = Math.hypot(...Array.from(from.senders));
      expect(change([0, size, 0]) / bias).toBeCloseTo(lit, 4);
      const strong = Math.hypot(...Array.from(from.weights));
      const free = Array.from(from.senders).every((a) => a > 1e-5 && a < 1 - 1e-5);
      if (free) expect(change([0, 0, size]) / bias).toBeCloseTo(strong, 4);
    });
  });

  test("each way leads where the output wishes, and all levels are those of real networks", () => {
    everywhere((session, reading, voter) => {
      const end = frame("three-ways", 9, session).facts;
      const each = list(end["effects of bias, weights, activations"]);
      const wish = Math.sign(reading.gaps[voter]);
      each.forEach((effect) => expect(effect * wish).toBeGreaterThanOrEqual(0));
      const activations = list(end.activations);
      activations.forEach((a) => expect(a >= 0 && a <= 1).toBe(true));
      const z = activations.reduce((sum, a, k) => sum + a * list(end.weights)[k], Number(end.bias));
      expect(end["weighted sum"]).toBeCloseTo(z, 12);
      expect(end.recomputed).toBeCloseTo(engine.sigmoid(z), 12);
    });
  });

  test("with weights and bias alone, the level is that of the whole network run again", () => {
    everywhere((session, reading, voter) => {
      const from = neuronOf(reading, voter);
      const to = movedBy(from, [0.8, -0.5, 0]);
      const there = withNeuron(reading, voter, to);
      const again = engine.forward(there.net, session.digit.pixels);
      expect(Array.from(there.pass[3])).toEqual(Array.from(again[3]));
      expect(Array.from(reading.net.w[2])).toEqual(Array.from(session.data.net.w[2]));
    });
  });

  test("the sliders are what the frame shows once settled", () => {
    const session = given.choosing({ avenues: [-0.4, 0.9, -1] });
    expect(amounts(9, session)).toEqual([-0.4, 0.9, -1]);
    expect(amounts(SCENES[sceneAt("three-ways")].settled!, session)).toEqual([-0.4, 0.9, -1]);
    expect(amounts(0, session).map(Math.abs)).toEqual([0, 0, 0]);
  });
});

describe("bang for the buck", () => {
  test("nudges of one output's weights are in proportion to brightness, and in its order", () => {
    everywhere((session, reading, voter) => {
      const wanted = nudgesInto(session);
      wanted.forEach((nudge, k) => {
        expect(nudge).toBeCloseTo(-reading.deltas[2][voter] * reading.pass[2][k], 14);
      });
      const order = byBrightness(session).map((k) => Math.abs(wanted[k]));
      expect(order).toEqual([...order].sort((a, b) => b - a));
    });
  });

  test("the brightest four give the share that a small step of them alone gains", () => {
    for (const session of SESSIONS.map((each) => each.choosing({ digit: 3 }))) {
      const { digit, now, voter } = session;
      const wanted = nudgesInto(session);
      const gain = (senders: number[]) => {
        const net = engine.copyOf(now.net);
        for (const k of senders) net.w[2][voter * 16 + k] += 1e-5 * wanted[k];
        return now.cost - engine.cost(engine.forward(net, digit.pixels), digit.label);
      };
      const order = byBrightness(session);
      const share = gain(order.slice(0, 4)) / gain(order);
      expect(share).toBeCloseTo(shareOfBrightest(session), 3);
      expect(share).toBeGreaterThan(0.25);
    }
  });

  test("what fires together wires together: the largest nudge up is the brightest sender's", () => {
    everywhere((session, reading, voter) => {
      const wanted = nudgesInto(session);
      const [brightest] = byBrightness(session);
      if (voter === reading.label) expect(wanted.indexOf(Math.max(...wanted))).toBe(brightest);
      else wanted.forEach((nudge) => expect(nudge).toBeLessThanOrEqual(0));
    });
  });

  test("edges are as thick as nudges, and senders stand in order, unless they are not to", () => {
    for (const box of Object.values(BOXES)) {
      const session = given.choosing({ digit: 5 });
      const order = byBrightness(session);
      const { marks } = frame("bang-for-the-buck", 4.9, session, box);
      const lines = order.map((k) => marks.find(({ id }) => id === `nudge.${k}`) as Line);
      const widths = lines.map(({ width }) => width);
      expect(widths).toEqual([...widths].sort((a, b) => b - a));
      const along = lines.map(({ from }) => from[box.up ? 0 : 1]);
      expect(along).toEqual([...along].sort((a, b) => a - b));
      const unsorted = frame("bang-for-the-buck", 4.9, session.choosing({ sorted: false }), box);
      const places = order
        .map((k, rank) => [k, rank])
        .sort(([a], [b]) => a - b)
        .map(([k]) => unsorted.marks.find(({ id }) => id === `nudge.${k}`) as Line)
        .map(({ from }) => from[box.up ? 0 : 1]);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  });
});

describe("and again", () => {
  test("layer 1 is asked for minus the slopes of its activations", () => {
    everywhere((session, reading) => {
      const slopes = engine.received(reading.net, 1, reading.deltas[1]);
      const all = askedOfFirst(session);
      slopes.forEach((g, k) => {
        expect(all.reduce((sum, row) => sum + row[k], 0)).toBeCloseTo(-g, 12);
      });
    });
  });

  test("deltas are the slopes of the biases, by a wiggle", () => {
    for (const session of SESSIONS.map((each) => each.choosing({ digit: 6 }))) {
      const { facts } = frame("and-again", 5, session);
      const names = ["delta 1", "delta 2", "delta 3"];
      const starts = [12544, 12816, 12992];
      names.forEach((name, l) => {
        list(facts[name]).forEach((delta, j) => {
          const slope = engine.checked(session.now.net, session.digit, starts[l] + j, 1e-4).difference;
          expect(delta).toBeCloseTo(slope, 7);
        });
      });
    }
  });

  test("a checked slope is what a wiggle gives, wherever the reader looks", () => {
    const random = seeded(5);
    for (const session of SESSIONS) {
      const digit = Math.floor(8 * random());
      for (let n = 0; n < 60; n += 1) {
        const wiggle = Math.floor(13002 * random());
        const check = checked(session.choosing({ digit, wiggle }));
        expect(check.index).toBe(wiggle);
        expect(check.backprop).toBeCloseTo(check.wiggle, 6);
      }
      const { index, backprop } = checked(session.choosing({ digit }));
      const steepest = engine.gradient(session.data.net, [session.choosing({ digit }).digit]);
      expect(Math.abs(backprop)).toBe(Math.max(...Array.from(steepest, Math.abs)));
      expect(steepest[index]).toBe(backprop);
    }
  });

  test("all is seen that a lit pixel can change, and nothing of a dark one", () => {
    for (const digit of DIGITS) {
      const session = SESSIONS[1].choosing({ digit });
      const lit = session.digit.pixels.filter((p) => p > 0).length;
      expect(nonzero(session)).toBe(16 * lit + 16 + 256 + 16 + 160 + 10);
    }
  });

  test("pictures show the signs of the pixels' nudges, and their order", () => {
    const session = SESSIONS[2].choosing({ digit: 1 });
    const [w] = nudgesOf(session).w;
    pixelNudges(session).forEach((pixels, j) => {
      pixels.forEach((p, i) => {
        expect(Math.sign(p)).toBe(Math.sign(w[784 * j + i]));
        expect(Math.abs(p)).toBeLessThanOrEqual(1);
      });
    });
  });
});

describe("the lesson's 2", () => {
  // a² and the weights into output 2 as they are pinned; all else so that the outputs are the lesson's
  const A2 = [.915795, .476868, .484344, .193524, .003629, .954518, .944411, .654762, .988421, .000325, .752244, .740944, .179663, .526373, .062132, .087290]; // prettier-ignore
  const A3 = [.4570, .8440, .1991, .9957, .4439, .5655, .9942, .0054, .2024, .0751]; // prettier-ignore
  const W2 = [.5747, -1.2268, 2.6996, 1.2447, 2.0238, -1.2390, -1.2546, 1.7317, -2.1253, .3928, .7086, -.8432, -.0852, 1.6294, -.6161, .9239]; // prettier-ignore
  const NUDGES = [.2339, .1218, .1237, .0494, .0009, .2438, .2412, .1672, .2524, .0001, .1921, .1892, .0459, .1344, .0159, .0223]; // prettier-ignore
  const BIASES = [-.2268, -.2222, .2554, -.0085, -.2192, -.2779, -.0114, -.0001, -.0654, -.0104]; // prettier-ignore
  const logit = (a: number) => Math.log(a / (1 - a));

  const made = data(10, 2);
  made.digits[0].pixels.fill(0);
  made.digits[0].pixels.fill(0.5, 300, 488); // 188 pixels
  made.net.w[1].fill(0);
  A2.forEach((a, k) => (made.net.b[1][k] = logit(a)));
  made.net.w[2].fill(0);
  made.net.w[2].set(W2, 2 * 16);
  const z = W2.reduce((sum, w, k) => sum + w * A2[k], 0);
  A3.forEach((a, j) => (made.net.b[2][j] = logit(a) - (j === 2 ? z : 0)));
  const session = new Session(made);

  test("its cost, and what it wants of output 2's weights and of all biases", () => {
    expect(session.now.cost).toBeCloseTo(4.10611, 3);
    nudgesInto(session).forEach((nudge, k) => expect(nudge).toBeCloseTo(NUDGES[k], 3));
    nudgesOf(session).b[2].forEach((nudge, j) => expect(nudge).toBeCloseTo(BIASES[j], 3));
    expect(byBrightness(session).slice(0, 4)).toEqual([8, 5, 6, 0]);
    expect(shareOfBrightest(session)).toBeCloseTo(0.6, 2);
  });

  test("its weighted sum", () => {
    expect(weightedSum(neuronOf(session.now, 2))).toBeCloseTo(logit(0.1991), 10);
    expect(session.now.pass[3][2]).toBeCloseTo(0.1991, 10);
  });

  test("188 lit pixels leave 3,466 of 13,002", () => {
    const other = data(10, 2);
    other.digits[0].pixels.set(made.digits[0].pixels);
    other.net.w[0].forEach((p, i) => (other.net.w[0][i] = p / 10)); // so that nothing saturates
    expect(nonzero(new Session(other))).toBe(3466);
  });
});

describe("whatever was chosen", () => {
  const CHOICES: Partial<Choices>[] = [
    { voter: 0 },
    { voter: 9 },
    { digit: 3, voter: 6, avenues: [1, -1, 1] },
    { digit: 4, sorted: false, avenues: [-1, 1, -1] },
    { digit: 7, wiggle: 13001, voters: [true, false, false, true, true, true, true, true, true, true] }, // prettier-ignore
    { wiggle: 0 },
    { wiggle: 12600 },
  ];
  const IDS = ["three-ways", "bang-for-the-buck", "asks-before", "and-again"];

  function seen(mark: object): string {
    return JSON.stringify(mark, (_, value: unknown) =>
      typeof value === "number" ? Math.round(value * 100) / 100 : value,
    );
  }

  test.each(CHOICES)("%o", (chosen) => {
    const session = given.choosing(chosen);
    for (const box of Object.values(BOXES)) {
      for (const id of IDS) {
        const i = sceneAt(id);
        const stage = { box, session };
        const start = new Set(frameOf(i, 0, stage).marks.map(seen));
        const end = frameOf(i - 1, SCENES[i - 1].seconds, stage).marks.map(seen);
        expect(end.filter((mark) => !start.has(mark))).toEqual([]);
        for (let n = 0; n <= 30; n += 1) {
          for (const mark of frameOf(i, (SCENES[i].seconds * n) / 30, stage).marks) {
            if (mark.kind !== "bead" && mark.kind !== "text") continue;
            expect(mark.at[0] >= 0 && mark.at[0] <= box.width).toBe(true);
            expect(mark.at[1] >= 0 && mark.at[1] <= box.height).toBe(true);
          }
        }
      }
    }
  });

  test("sentences stay under 40 words, for outputs that are to fall as well", () => {
    for (const story of STORY.filter(({ id }) => IDS.includes(id))) {
      for (const voter of [0, 2, 9]) {
        const words = sentence(story, given.choosing({ voter })).split(/\s+/);
        expect(words.length).toBeLessThanOrEqual(40);
        expect(words.join(" ")).not.toMatch(/[{}]/);
      }
    }
  });
});
