// The weights from the pixels to the first layer as pictures, before training and after.

import { fill, make, paragraph, table } from "../dom.js";
import { signedPicture } from "../marks.js";
import { dot, norm } from "../net.js";
import { brief, count, number } from "../numbers.js";
import { SIDE } from "../steps/pictures.js";

const STRONG = 2; // times the usual size of a weight: drawn as strongly as can be

export const aside = {
  id: "looks",
  title: "What the first layer's weights look like",
  covers: ["A4"],

  render(content) {
    this.told = make("p", {});
    this.sheets = make("div", { class: "side-by-side" });
    this.numbers = make("div", { class: "part" });
    this.network = null; // whose pictures are there
    fill(content, this.told, this.sheets, this.numbers);
  },

  update(ctx) {
    const after = trained(ctx);
    if (this.network === after) return;
    this.network = after;
    const [before] = ctx.data.networks;
    const most = (STRONG * norm(before.W[1])) / Math.sqrt(before.W[1].length);
    fill(this.told, told(before, after));
    fill(this.sheets, sheet(before, most), sheet(after, most));
    fill(this.numbers, table(likenessTable(before, after)));
  },
};

// The network that is chosen above; the untrained one is there anyway.
function trained({ data, network }) {
  return network.id === 0 ? data.networks.at(-1) : network;
}

function weightsOf(net, j) {
  const n = net.sizes[0];
  return net.W[1].subarray(j * n, (j + 1) * n);
}

function sheet(net, most) {
  const neurons = [...Array(net.sizes[1]).keys()];
  const picture = (j) =>
    make(
      "figure",
      {},
      signedPicture(weightsOf(net, j), most, described(net, j)),
      make("figcaption", {}, String(j)),
    );
  return make(
    "div",
    { class: "part" },
    make("h3", {}, net.name),
    make("div", { class: "sheet four" }, neurons.map(picture)),
  );
}

function described(net, j) {
  const alike = brief(likeness(net, j));
  return `Weights into neuron ${j}, ${net.name}: likeness of neighbours ${alike}`;
}

// The cosine between a picture and the same moved by a pixel, down or to the right: near 0 for
// noise, near 1 for strokes and patches.
function likeness(net, j) {
  const weights = weightsOf(net, j);
  const [left, right, above, below] = [[], [], [], []];
  weights.forEach((w, i) => {
    if (i % SIDE < SIDE - 1) {
      left.push(w);
      right.push(weights[i + 1]);
    }
    if (i + SIDE < weights.length) {
      above.push(w);
      below.push(weights[i + SIDE]);
    }
  });
  return (cosine(left, right) + cosine(above, below)) / 2;
}

function cosine(u, v) {
  return dot(u, v) / (norm(u) * norm(v));
}

function mean(net, of) {
  const neurons = [...Array(net.sizes[1]).keys()];
  return neurons.reduce((sum, j) => sum + of(net, j), 0) / neurons.length;
}

function told(before, after) {
  return [
    "One might hope to see edges and loops here. Blue, with a +, is a positive weight, orange, " +
      "with a −, a negative one. Neighbouring weights of the untrained network have " +
      "nothing to do with each other: the cosine of each picture with itself, moved by a pixel, " +
      "is ",
    number(mean(before, likeness)),
    ` on average, as in noise. After ${after.name} it is `,
    number(mean(after, likeness)),
    ", where strokes and patches would be near ",
    number(1, 0),
    `. The ${count(after.sizes[1])} pictures still look almost random, and yet they work.`,
  ];
}

function likenessTable(before, after) {
  const length = (net, j) => norm(weightsOf(net, j));
  return {
    caption: "The pictures in numbers",
    heads: [
      "neuron",
      "likeness of neighbours before",
      "and after",
      "length of the weights before",
      "and after",
    ],
    rows: [...Array(before.sizes[1]).keys()].map((j) => [
      String(j),
      brief(likeness(before, j)),
      brief(likeness(after, j)),
      number(length(before, j), 1),
      number(length(after, j), 1),
    ]),
  };
}
