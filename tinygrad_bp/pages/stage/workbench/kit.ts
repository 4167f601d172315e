// What experiments are made of.

export { default as Choice } from "./Choice.svelte";
export { default as Curve } from "./Curve.svelte";
export { default as Digit } from "./Digit.svelte";
export { default as Facts } from "./Facts.svelte";
export { default as NumberLine } from "./NumberLine.svelte";
export { default as Range } from "./Range.svelte";
export type { ExperimentProps } from "./experiments";
export type { Point } from "../layout";
