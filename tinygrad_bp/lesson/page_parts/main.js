// Puts the page together: the data, the store, the drawing, and the step that is being shown.

import { asideFields, asidesView } from "./asides.js";
import { byId, choice, fill, press, table } from "./dom.js";
import { contentsView } from "./contents.js";
import { readData } from "./data.js";
import { networkDrawing } from "./drawing.js";
import { keysView } from "./keys.js";
import { digitCanvas } from "./marks.js";
import { backward, costOf, forward, passes } from "./net.js";
import { text } from "./numbers.js";
import { makeStore, oneOf, passing, whole } from "./state.js";
import { steps } from "./steps/steps.js";
import { wallView } from "./wall.js";

const MODES = [
  ["words", "Words"],
  ["numbers", "Numbers"],
  ["formulas", "Formulas"],
];

readData(JSON.parse(byId("data").textContent)).then(start);

function start(data) {
  const store = makeStore({
    step: whole(1, 1, steps.length),
    example: whole(data.start.example, 0, data.digits.length - 1),
    network: whole(data.start.network, 0, data.networks.length - 1),
    voter: whole(null, 0, 9), // null: the output of the example's label
    layer: whole(null, 1, 3), // the neuron that is kept chosen
    neuron: whole(null, 0, 15),
    mode: oneOf("words", "numbers", "formulas"),
    twin: oneOf("off", "on"),
    look: passing(null), // [layer, neuron] under the pointer or the focus
    letters: passing(true),
    ...Object.assign({}, ...steps.map((step) => step.fields ?? {})),
    ...asideFields(steps),
  });
  const drawing = networkDrawing(byId("pane"), {
    onlook: (look) => store.set({ look }),
    onpick: (at) => store.set(pick(store.state, at)),
  });
  const cached = makeCache(data);
  const ctx = { data, state: store.state, set: store.set, highlight: drawing.highlight };
  let shown = null;
  let asides = asidesView([], store.set);

  function show() {
    const step = steps[store.state.step - 1];
    Object.assign(ctx, moment(data, store.state, cached));
    Object.assign(ctx, step.shows?.(ctx));
    if (step !== shown) enter(step);
    else keepingFocus(byId("body"), () => update(step));
    reachable(byId("body"));
    byId("sentence").textContent = step.sentence(ctx);
    showStage(step, ctx, drawing);
    showControls(ctx);
  }

  function enter(step) {
    const within = byId("body").contains(document.activeElement);
    leave();
    shown = step;
    byId("step-title").textContent = step.title;
    byId("step-place").textContent = `Step ${step.number} of ${steps.length}`;
    fill(byId("body"));
    step.render(byId("body"), ctx);
    asides = asidesView(step.asides ?? [], store.set);
    byId("body").append(...asides.elements);
    update(step);
    byId("panel").scrollTop = 0;
    if (byId("main").getBoundingClientRect().top < 0) byId("main").scrollIntoView();
    if (within) byId("step-title").focus(); // what had it is gone
  }

  function update(step) {
    step.update?.(ctx);
    asides.update(ctx);
  }

  function leave() {
    shown?.leave?.(ctx);
    asides.leave();
  }

  const showControls = controlsView(data, store);
  const contents = contentsView(steps, store);
  const wall = wallView(data, store);
  keysView(steps, store, ctx, { o: wall.open, c: contents.open });
  store.subscribe(show);
  document.documentElement.dataset.ready = "yes"; // shows the page, so that it has a size
  show();
  for (const step of steps) if (step.ahead) whenIdle(() => step.ahead(ctx));
}

function whenIdle(task) {
  (globalThis.requestIdleCallback ?? setTimeout)(task); // which not every browser has
}

// Updates replace elements; the one in the same place then has the focus.
function keepingFocus(panel, update) {
  const stops = () => [...panel.querySelectorAll("button, input, select, [tabindex]")];
  const at = stops().indexOf(document.activeElement);
  update();
  if (at >= 0 && !panel.contains(document.activeElement)) stops()[at]?.focus();
}

// What is wider than the page can be scrolled with keys, too.
function reachable(panel) {
  for (const part of panel.querySelectorAll(".part, .vectors")) {
    if (part.scrollWidth > part.clientWidth) part.setAttribute("tabindex", 0);
    else part.removeAttribute("tabindex");
  }
}

// A neuron that is picked again is released.
function pick(state, at) {
  const same = at && state.layer === at[0] && state.neuron === at[1];
  return at && !same ? { layer: at[0], neuron: at[1] } : { layer: null, neuron: null };
}

// What the state means: the example, the network, and everything computed from the two.
function moment(data, state, cached) {
  const example = data.digits[state.example];
  const network = data.networks[state.network];
  const { layer, neuron } = state;
  const kept = layer !== null && neuron < data.sizes[layer] ? [layer, neuron] : null;
  return {
    example,
    network,
    label: example.label,
    voter: state.voter ?? example.label,
    look: state.look ?? kept,
    pass: cached.pass(network, example),
    all: () => cached.all(network),
  };
}

function makeCache(data) {
  const kept = { key: null, pass: null };
  const everything = new Map();

  function pass(network, example) {
    const key = `${network.id} ${example.index}`;
    if (kept.key !== key) {
      const went = forward(network, example.image);
      Object.assign(kept, {
        key,
        pass: {
          ...went,
          ...backward(network, went, example.label),
          cost: costOf(went, example.label),
        },
      });
    }
    return kept.pass;
  }

  function all(network) {
    if (!everything.has(network)) everything.set(network, passes(network, data.digits));
    return everything.get(network);
  }

  return { pass, all };
}

// The drawing, or its numbers as a table; a step without a picture of the network has neither.
function showStage(step, ctx, drawing) {
  const picture = step.picture ? step.picture(ctx) : {};
  const twin = ctx.state.twin === "on";
  byId("stage").hidden = picture === null && !twin;
  byId("stage").parentElement.classList.toggle("alone", byId("stage").hidden);
  byId("pane").hidden = twin;
  byId("twin-table").hidden = !twin;
  if (twin) fill(byId("twin-table"), [step.table(ctx)].flat().map(table));
  else if (picture !== null) drawing.update(ctx, picture);
  byId("stage-note").textContent = twin ? "" : scaleOf(picture);
}

// What the arrows are measured against.
function scaleOf(picture) {
  const [most] = Object.entries(picture?.arrows ?? {}).map(
    ([l, values]) => picture.longest?.[l] ?? Math.max(...values.map(Math.abs)),
  );
  return most ? `The longest arrow there is room for stands for ${text(most, 2)}.` : "";
}

function controlsView(data, store) {
  const networks = choice(
    "Network",
    data.networks.map(({ id, name }) => [id, name]),
    (id) => store.set({ network: Number(id) }),
  );
  const modes = choice("Show", MODES, (mode) => store.set({ mode }));
  fill(byId("networks"), networks);
  fill(byId("modes"), modes);
  byId("twin").addEventListener("click", () =>
    store.set({ twin: store.state.twin === "on" ? "off" : "on" }),
  );
  byId("letters").addEventListener("change", (event) =>
    store.set({ letters: event.target.checked }),
  );
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  }

  return function show({ example, network, state }) {
    networks.show(network.id);
    networks.title = network.text;
    modes.show(state.mode);
    press(byId("twin"), state.twin === "on");
    byId("letters").checked = state.letters;
    if (byId("example").dataset.index === String(example.index)) return;
    byId("example").dataset.index = example.index;
    fill(byId("example-picture"), digitCanvas(example, { "aria-hidden": true }));
    byId("example-name").textContent = `Example ${example.index}: a ${example.label}`;
  };
}
