// Two palettes. Light is activation, blue and orange are signs, grey is structure: never mixed.

import type { Ink } from "./frame";

type Rgb = readonly [number, number, number];
export type Palette = Record<Ink, Rgb> & { halo: Rgb; haloAlpha: number; litAlpha: number };
export type Theme = "dark" | "light";

const rgb = (hex: string) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

function palette(haloAlpha: number, litAlpha: number, colours: Record<Ink | "halo", string>): Palette {
  const read = Object.entries(colours).map(([name, hex]) => [name, rgb(hex)]);
  return { ...Object.fromEntries(read), haloAlpha, litAlpha };
}

export const PALETTES: Record<Theme, Palette> = {
  dark: palette(0.42, 0.16, {
    ground: "#0d1017", ink: "#ece8df", mute: "#939baa", hair: "#2a313d", idle: "#93a0b5",
    plus: "#5ba8ff", minus: "#ff8b3e", glass: "#1b212b", light: "#fff4d2", ring: "#465063",
    ray: "#ffe3a0", gauge: "#fff4d2", empty: "#1b212b", spent: "#3a414d", halo: "#ffc95c",
  }), // prettier-ignore
  light: palette(0.55, 0.85, {
    ground: "#fbfaf6", ink: "#1b1e25", mute: "#666b75", hair: "#ddd8cb", idle: "#6e7480",
    plus: "#1263c6", minus: "#be4a08", glass: "#2b313d", light: "#fff2bf", ring: "#2b313d",
    ray: "#d99a00", gauge: "#ffdd70", empty: "#ece8dc", spent: "#c9c6bd", halo: "#ffbf1f",
  }), // prettier-ignore
};

export function mixed(a: Rgb, b: Rgb, s: number): string {
  return `rgb(${a.map((p, i) => Math.round(p + (b[i] - p) * s)).join(" ")})`;
}
